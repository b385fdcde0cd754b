/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unit.h - one IOMMU: what every engine has, and what the core asks of an engine.
 *
 * An engine embeds struct viommu as the first member of its own structure. The public verbs
 * (calls.c, translate.c, device.c, channel.c) check arguments, enter a section, and call the engine;
 * the engine calls the unit_ functions below.
 */
#ifndef UNIT_H
#define UNIT_H

#include <libvirtiommu/iommu.h>
#include <libvirtiommu/irq.h>
#include <libvirtiommu/nesting.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "context_cache.h"
#include "counters.h"
#include "domain.h"
#include "domain_users.h"
#include "epoch.h"
#include "host.h"
#include "machine.h"
#include "mem.h"
#include "permits.h"
#include "shadow.h"
#include "table_cache.h"
#include "tlb.h"
#include "walk.h"

struct explanation;
struct nested;
struct state_reader;
struct state_writer;

/* One translation on its way: what is asked, and what has been found out. */
struct query {
	struct viommu_device *device;
	uint64_t iova;
	uint32_t pasid;
	uint32_t id;	 /* of the device, when its context was last parsed: unit_parse() */
	uint16_t access; /* VIOMMU_READ, ..., without VIOMMU_QUIET */
	uint16_t type;	 /* VIOMMU_AT_* */
	/* Set by parse, if the engine is by_domain: whose table entry decided; VIOMMU_ANY_PASID: not
	 * known, or none did. */
	uint32_t entry_pasid;
	bool fpd;    /* the tables ask not to record some faults of this requester */
	bool stalls; /* it can wait for the guest: VIOMMU_STALLED, with a token */
	bool quiet;  /* leave no trace: no fault record, no accessed or dirty bit, nothing cached */
	const struct pt_observer
		*observer; /* quiet only: sees every structure that is read; or NULL */
	/* The requester's context as far as it is known: whoever asks has room for it, and a
	 * channel keeps it. */
	struct context_entry *entry;
	/* Read before the first table load; what is filled later is tied to them. */
	uint64_t tag;
	uint64_t changes;
	bool cacheable; /* entry, tag and changes are valid, and found may be kept under them */
	/* The answer. */
	struct translation found;
	uint16_t reason;
	uint16_t ats;
	uint32_t flags; /* VIOMMU_ANSWER_* */
	uint64_t token;
};

struct engine {
	const char *name;
	uint32_t last_id; /* of a device */
	/* Everything that the caches did not answer. VIOMMU_OK with q->found, VIOMMU_FAULT with
	 * q->reason (recorded, unless quiet), VIOMMU_INTERRUPT; VIOMMU_STALLED with q->token, if q->stalls. */
	int (*translate)(struct viommu *u, struct query *q);
	/* Reads the tables of (q->device, q->pasid). VIOMMU_OK, or VIOMMU_FAULT with q->reason. No
	 * trace. */
	int (*parse)(struct viommu *u, struct query *q, struct context *context);
	/* Calls page for every mapping under a context. */
	enum pt_visit_end (*visit)(struct viommu *u, const struct context *context,
				   struct pt_visit *visit);
	/* Registers that can be read beside anything: constants, and what is one word. False: ask
	 * reg_read. May be NULL. */
	bool (*reg_peek)(const struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value);
	int (*reg_read)(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value);
	int (*reg_write)(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value);
	int (*run)(struct viommu *u);
	/* Wired interrupts that are triggered by levels, as registers say now: bit n, line n. From any
	 * thread, without locks: host.h. May be NULL. */
	uint64_t (*lines)(struct viommu *u);
	/* VIOMMU_OK, or VIOMMU_PENDING while something is in use that was looked up before: run() then
	 * says so, too. */
	int (*reset)(struct viommu *u);
	void (*save)(struct viommu *u, struct state_writer *state);
	/* VIOMMU_OK (nothing is pending), VIOMMU_PENDING, VIOMMU_ESTATE (nothing has changed). */
	int (*restore)(struct viommu *u, struct state_reader *state);
	/* Ends what is under way of what listeners are told in steps, regardless of steps: before
	 * one more begins to listen. May be NULL. */
	void (*finish)(struct viommu *u);
	/* Listeners are being told of mappings one by one: one who comes now would hear of some of
	 * them only. May be NULL. */
	bool (*mapping)(const struct viommu *u);
	/* Forgets what it has cached by itself. May be NULL. */
	void (*flush)(struct viommu *u);
	int (*request_page)(struct viommu *u, struct viommu_device *device,
			    const struct viommu_page_request *request);
	/* A device has not dropped what an invalidation named; from any thread, with devices_lock
	 * held. NULL: the architecture cannot say so, and what the device owes is pending until it
	 * answers, is freed, or is given up (viommu_device_fail()). */
	void (*timed_out)(struct viommu *u, struct viommu_device *device);
	/* A device has answered what it was not asked. */
	void (*unexpected)(struct viommu *u, struct viommu_device *device);
	/* With one table for all also VIOMMU_MSI_NO_SOURCE and _TRUSTED; source is 0 then. */
	int (*remap_msi)(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
			 uint32_t flags, struct viommu_msi *msi);
	/* As remap_msi() resolving, from the tables; with a step for each structure. NULL where
	 * remap_msi is. */
	int (*explain_msi)(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
			   struct explanation *e, struct viommu_msi *msi);
	/* Without remap_msi: a write of @data that translate() has answered with VIOMMU_INTERRUPT, of an architecture
	 * that keeps interrupts in guest memory: does it (@resolve: only says what it would be), as remap_msi() does.
	 * NULL: the message is delivered as it came. */
	int (*store_message)(struct viommu *u, struct query *q, uint32_t data, bool resolve,
			     struct viommu_msi *msi);
	/* The same where no guest memory has to be touched, and so no section is needed. False: ask
	 * remap_msi. May be NULL. */
	bool (*remap_cached)(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
			     uint32_t flags, struct viommu_msi *msi);
	/* Each requester has an interrupt table of its own, and indices are of that. */
	bool own_tables;
	void (*free)(struct viommu *u);
	/* Size of a structure of the engine's that begins with struct viommu_device; 0: that is
	 * all there is. */
	uint32_t device_bytes;
	/* A device is about to come, and nobody knows it: makes what the engine has of it, from
	 * device->config. VIOMMU_OK or why not. NULL: config.virtio is refused. */
	int (*device_new)(struct viommu *u, struct viommu_device *device);
	/* The guest has put the device somewhere, by its id, which it cannot lose then; with
	 * devices_lock held. NULL: no. */
	bool (*keeps_id)(const struct viommu_device *device);
	/* A device uses nothing any more of what it was told before, as one that is about to go; with
	 * devices_lock held. Whether somebody may have waited for what only the engine knows that it
	 * owed. May be NULL. */
	bool (*device_failed)(struct viommu *u, struct viommu_device *device);
	/* A device is about to go, and nobody uses it; with devices_lock held. May be NULL. */
	void (*device_gone)(struct viommu *u, struct viommu_device *device);
	/* Translation requests have other answers than DMA (what they are given is translated again): contexts of their
	 * own. Otherwise they share what is cached of it: unit_find(). */
	bool ats_apart;
	/* Neighbours within 4096 bytes may be translated differently. */
	bool byte_granular;
	/* Invalidations name domains: users of domains are noted. */
	bool by_domain;
	/* A fault reason in words; NULL: there is no such reason. May be NULL. */
	const char *(*reason_text)(uint32_t reason);
	/* VIOMMU_MODE_* of a device; NULL: what its context comes to, asked without a trace. */
	uint32_t (*mode)(struct viommu *u, struct viommu_device *device);
	/* What a host that nests has to know of a requester: VIOMMU_MODE_*, and with _TRANSLATE the stage, or no
	 * bytes of it. NULL: there is no such interface. */
	uint32_t (*nest)(struct viommu *u, struct viommu_device *device, uint32_t pasid,
			 struct viommu_nested_stage *stage);
	/* viommu_report_event() of a device that has an id; from any thread. May be NULL. */
	int (*report)(struct viommu *u, struct viommu_device *device, const uint64_t *record,
		      uint32_t words);
};

/* Whether what a requester's interrupts come to depends on it, by itself. */
static inline bool engine_own_tables(const struct engine *engine)
{
	return engine->own_tables || !engine->remap_msi;
}

#define DEVICE_BUCKETS 256U

/* Lists of devices: those that have listeners of their own; those that may use something of any
 * domain; those with a context that was refused; those whose listeners are owed something. */
enum device_list { DEVICES_HEARD, DEVICES_VAGUE, DEVICES_REFUSED, DEVICES_OWED, DEVICE_LISTS };

/* What listeners of a device are owed: everything may have changed; the mode, even if it is the
 * same. */
#define OWED_UNMAP 1U
#define OWED_MODE  2U

/* The context that a device used last: a hit asks no cache for it. Of several PASIDs, the first to be
 * there as long as it stands. */
#define DEVICE_NO_CONTEXT UINT64_MAX

struct device_context {
	_Atomic uint64_t version; /* seqlock.h */
	_Atomic uint64_t pasid;	  /* DEVICE_NO_CONTEXT: there is none, nor a domain */
	_Atomic(struct domain *) domain;
	_Atomic uint64_t generation; /* as in a context_entry */
};

struct viommu_device {
	/* Read by everyone who translates: a cache line. */
	_Alignas(64) struct viommu *iommu;
	_Atomic uint64_t generation; /* of its contexts */
	struct device_context last;
	_Atomic uint32_t id; /* VIOMMU_NO_ID: none, and in no bucket */
	uint32_t serial;     /* never used twice in an IOMMU */

	struct viommu_device_config config;
	_Atomic uint32_t users;	     /* channels, listeners, and callbacks under way */
	struct epoch_group sections; /* those that no channel has: device_enter() */

	/* Of the call that has the unit: listeners of this device alone, and the mode they and those
	 * of the IOMMU were told last (NOTIFY_NO_MODE: none). */
	struct viommu_listener *listeners;
	uint32_t mode;
	struct nested *nested; /* that the host translates: its requesters */

	_Atomic bool
		answering; /* the unit answers a page request of it: its callback is under way */
	_Atomic bool told_all;	/* it was translated, or has no shadow: see shadow.h; never falls */
	struct shadow *shadows; /* of its PASIDs, under shadow_lock */
	uint64_t visited;	/* number of the last event that was told by domain */

	/* Under devices_lock. */
	struct viommu_device *next; /* in its bucket */
	struct viommu_device *next_of_all;
	struct viommu_device *next_of[DEVICE_LISTS];
	struct viommu_device *previous_of[DEVICE_LISTS];
	uint32_t lists; /* bit n: it is in list n */
	bool renamed;	/* viommu_devices_set_ids() is under way: it goes by next_id */
	uint32_t next_id;
	uint32_t owed;	      /* OWED_*: what its listeners have not been told yet */
	uint32_t domain_user; /* its first note in domain_users */
	uint64_t era;	      /* see domain_users.h */
	uint64_t used_era;    /* sum of eras when it was last used, or 0 */
	uint64_t full_era;    /* the same when there was no room for a note, or 0 */
	uint64_t refused_era; /* the same when a context was refused, or 0; and of which PASIDs: */
	uint64_t refused_pasids;
	_Atomic uint32_t outstanding;

	struct counters *shared_counters; /* of the IOMMU */
	struct counters counters;
};

/* Device-TLB invalidations that have not been answered, oldest first; under devices_lock. A token is a
 * number that grows, and below it the place of the entry: found without a search. */
#define OUTSTANDING_PLACES 20 /* bits: limits.outstanding is at most that many */

struct outstanding {
	struct viommu_device *device; /* NULL: free */
	uint64_t token;
	uint32_t previous; /* place + 1; 0: none */
	uint32_t next;	   /* the same; of free entries, too */
};

struct viommu_listener {
	struct viommu *iommu;
	struct viommu_device *device; /* NULL: all */
	struct viommu_listener_config config;
	/* The library's own listeners: does what is left to do before a completion may be reported,
	 * paying for it with unit_pay(). False: steps ran out, call again. Or NULL. */
	bool (*settle)(void *opaque);
	/* The same: viommu_run() was called, at host.now. Or NULL. */
	void (*tick)(void *opaque, uint64_t now);
	/* The same: an id is no device's any more. From any thread, with devices_lock held. Or NULL. */
	void (*id_gone)(void *opaque, uint32_t id);
	struct viommu_listener *next; /* of those of the device, or of the IOMMU */
	struct viommu_listener *next_told;
	struct viommu_listener *next_ticking;
	struct viommu_listener *next_of_ids; /* under devices_lock */
	struct viommu_listener *next_gone; /* removed by the call under way: it has no callbacks */
	bool told;			   /* is in that list */
	bool fresh;			   /* has not heard every device's mode yet */
	bool deaf;			   /* to unmap: viommu_listener_enable() */
};

#define COMMAND_NONE UINT32_MAX

/* What is told to every device, one after the other, over as many calls as it takes. */
struct sweep {
	bool on;
	bool all;		  /* devices, not only those with listeners of their own */
	uint32_t owed;		  /* OWED_* */
	struct viommu_device *at; /* the next one, under devices_lock */
};

struct viommu {
	/* Read by everyone who translates. */
	const struct engine *engine;
	struct viommu_vm *vm;
	_Atomic uint64_t generation; /* of all contexts */
	_Atomic uint64_t flushes;    /* of everything; counted before the generation */
	_Atomic uint64_t cuts;	     /* bit n: pieces of pages of 1 << n bytes were answers */
	/* Each request is asked of the engine, which asks the TLB by itself (unit_find()): contexts are kept where
	 * hits do not look. The engine sets it, and then moves the generation. */
	_Atomic bool counted;
	struct tlb tlb;
	struct table_cache tables;
	struct context_cache contexts;
	struct domains domains;
	struct epoch epoch;

	/* One call on registers, or the listeners, at a time: taken by unit_begin(). */
	_Atomic uint32_t users; /* other engines that it belongs to */
	_Atomic uint32_t busy;
	_Atomic uintptr_t caller;	   /* the thread whose call it is; 0: none */
	struct epoch_section self;	   /* of that call */
	struct viommu_listener *listeners; /* of the whole IOMMU */
	struct viommu_listener *ticking;   /* those with a tick */
	struct viommu_listener *told;	   /* something since notify_complete() */
	struct viommu_listener *gone;	   /* freed when the call ends, */
	void (*bury)(struct viommu *u);	   /* by this; NULL: there are none */
	bool mapping;			   /* notify_device_map() is under way */
	struct sweep sweep;
	uint64_t tells;		 /* callbacks that told something */
	uint64_t visits;	 /* events that were told by domain */
	bool announces_contexts; /* the guest tells of structures of requesters that it adds, too */
	bool keeps_refusals;	 /* the guest announces table entries that it adds, too */
	bool late;		 /* something was told after the call that it belongs to */
	uint64_t told_epoch;	 /* of that: notify_settled(); 0: none */
	bool pasids;		 /* a device may use domains with PASIDs that it does not without */
	uint32_t steps;		 /* that the call may still take: unit_pay() */
	uint32_t command;	 /* position of the one that is executed, or COMMAND_NONE */
	uint32_t refused_at; /* the same of the first that a host has refused: nesting_refused() */
	bool told_leaf;	     /* what is told of a range leaves its upper tables as they were */
	struct viommu_nesting *nestings;
	_Atomic uint32_t owing; /* devices in DEVICES_OWED */
	_Atomic uint32_t listener_count;
	_Atomic uint32_t unmap_listeners; /* those that hear unmap or mode */
	_Atomic uint32_t wide_listeners;  /* those of them that hear all devices */

	struct viommu_host host;
	struct lines lines;
	struct viommu_limits limits;
	uint64_t
		register_bytes; /* how far the register space goes, for the engine to set; constant */

	pthread_mutex_t devices_lock; /* guards what follows, up to the tokens; no callback is made
					 with it held */
	struct viommu_device *devices[DEVICE_BUCKETS]; /* by id */
	struct viommu_device *all_devices;
	struct viommu_device *list[DEVICE_LISTS];
	struct viommu_device *list_at[DEVICE_LISTS]; /* of devices_take() */
	struct viommu_listener *hear_ids;	     /* those with an id_gone */
	struct domain_users domain_users;
	uint32_t device_count;
	uint32_t channel_count;
	uint32_t next_serial;
	struct outstanding *outstanding; /* limits.outstanding of them */
	uint32_t outstanding_first;	 /* place + 1; the oldest */
	uint32_t outstanding_last;
	uint32_t outstanding_free; /* those that were in use once */
	uint32_t outstanding_used; /* how many were */
	_Atomic uint32_t outstanding_count;
	uint64_t last_token;
	uint64_t forgotten_token; /* this and older ones were dropped by a reset */

	pthread_mutex_t
		shadow_lock; /* guards the records of shadows; may be taken with devices_lock */
	struct range_pool *shadow_pool;
	struct shadow *shadows_pending;
	_Atomic uint32_t shadows_due; /* how many */

	/* Under vm->lock. */
	struct vm_user user; /* of the VM */
	uint64_t map_epoch;  /* what viommu_vm_quiesce() waits for; 0: nothing */

	/* The last epoch of those that unit_await() has said no to; 0: none. */
	_Atomic uint64_t awaited;

	_Atomic(struct viommu_dirty *) dirty; /* who notes what is written; NULL: nobody */

	struct unit_counters counters;
};

/* ---- unit.c ---- */

/* Initialises the common part. On failure nothing is left behind. */
int unit_init(struct viommu *u, const struct engine *engine, struct viommu_vm *vm,
	      const struct viommu_host *host, const struct viommu_limits *limits);
void unit_fini(struct viommu *u);

/* Brackets a call that only one thread may make at a time. False: refused, one is under way. */
bool unit_begin(struct viommu *u);
void unit_end(struct viommu *u);
/* Whether the call that is under way is this thread's own: we are inside a callback of it. */
bool unit_is_inside(const struct viommu *u);

/* One budget a call, paid by the innermost loop over anything that a guest can grow: takes @steps
 * from what is left. False: nothing was left; stop where it can be resumed, have viommu_run() called
 * (unit_work()), and answer VIOMMU_PENDING. The first payment of a call is always taken, so that each
 * call gets on. */
static inline bool unit_pay(struct viommu *u, uint32_t steps)
{
	if (u->steps == 0)
		return false;
	u->steps -= u->steps < steps ? u->steps : steps;
	return true;
}

/* Contexts are out of date, and with @flush the translations of every domain too. Returns the epoch
 * that begins with it. */
uint64_t unit_forget(struct viommu *u, bool flush);
/* Contexts of one device are out of date. @told: its listeners will be told of everything before
 * anyone learns that it is done: notify_device_changed(). */
void unit_forget_device(struct viommu_device *device, bool told);
/* The same for one that is told, of several: the epoch is still to be started. */
void unit_begin_era(struct viommu_device *device);

/* From any thread: whether all sections older than an epoch have closed; if not, the host hears by
 * unit_work() when they have. */
bool unit_await(struct viommu *u, uint64_t epoch);

/* ---- translate.c ---- */

/* The context of the query's requester, cached or parsed, in q->entry, with q->tag and q->changes.
 */
int unit_context(struct viommu *u, struct query *q);

/* The engine's, of a device that has an id. Who has none is refused, and nothing is recorded: there is nobody
 * to name. */
int unit_translate(struct viommu *u, struct query *q);
int unit_parse(struct viommu *u, struct query *q, struct context *context);
/* The same, and notes whose domain that is: device_uses_domain(). The second compares, too. */
int unit_parse_noted(struct viommu *u, struct query *q, struct context *context);
int unit_parse_now(struct viommu *u, struct query *q, struct context *context);

/* Keeps q->found, which holds for all of its block, in the shared TLB; makes it as large as an entry
 * may be. */
void unit_fill(struct viommu *u, struct query *q);

/* For what the engine comes to that the caches were not asked for, as it was asked, after unit_context(): whether the TLB
 * has q->found, and it permits the access. An address with other ignored bits than its half has; a translation
 * request. */
bool unit_find(struct viommu *u, struct query *q, unsigned access);

/* Somebody learns of what may be a piece of a page: from now on an invalidation of a part of such a page
 * is told as one of all of it. */
void unit_note_piece(struct viommu *u, const struct translation *t);

/* Where the walk can begin, from the paging-structure cache. */
bool unit_table_find(struct viommu *u, const struct query *q, const struct pt_config *config,
		     struct table_place *found);
/* Keeps where a walk that came from the top has found its page, after unit_fill(). */
void unit_table_fill(struct viommu *u, const struct query *q, const struct pt_walk *w);

/* One request: on its way through its pages, from the caches or the engine. */
struct translating {
	struct query query;
	struct mem_place *place;	/* of the last answer */
	struct viommu_channel *channel; /* or NULL */
	/* Of this call, opened when the caches did not answer: the channel's, or a visitor's. */
	struct epoch_section *section;
	bool missed;	     /* the TLB does not have the first page: it need not be asked */
	uint32_t extent_lg2; /* of the first page */
	bool within;	     /* a DMA of the channel: it is refused to others until that ends */
};

/* Of DMA while it is counted: instead of an address type. */
#define CONTEXTS_COUNTED 3U

/* Whose contexts a request has: those of translated requests are others, if any tables are left to them, and
 * in some engines those of translation requests, too. Hits know those of VIOMMU_AT_UNTRANSLATED. */
static inline unsigned translate_contexts(const struct viommu *u, unsigned type)
{
	unsigned contexts = type == VIOMMU_AT_TRANSLATED || u->engine->ats_apart
				    ? type
				    : VIOMMU_AT_UNTRANSLATED;

	if (UNLIKELY(atomic_load_explicit(&u->counted, memory_order_relaxed)) &&
	    contexts == VIOMMU_AT_UNTRANSLATED)
		return CONTEXTS_COUNTED;
	return contexts;
}

/* Of a requester in the context cache. A PASID has 20 bits, or is none: then its number here is 0. */
static inline uint64_t translate_who(const struct viommu_device *device, uint32_t pasid,
				     unsigned contexts)
{
	return (uint64_t)device->serial << 32 | (uint64_t)contexts << 30 | (uint32_t)(pasid + 1);
}

static inline uint64_t translate_who_asks(const struct query *q)
{
	return translate_who(q->device, q->pasid, translate_contexts(q->device->iommu, q->type));
}

/* The domain that a request is looked up in before any context is; it counts if its context stands once its
 * tag has been read. */
bool translate_known_domain(const struct viommu_device *device, uint32_t pasid,
			    struct context_entry *entry);

/* Has the processor fetch what the caches may have of an address, and in a second round the entry
 * of the lowest table, if only that is known. */
void translate_prefetch(const struct translating *t, uint64_t iova);
void translate_prefetch_entry(const struct translating *t, uint64_t iova);

/* Ends what translating began. True: someone waits for that. */
bool translate_close(struct translating *t);

/* What became of looking for a request in the TLB alone. */
enum cached { CACHED, CACHED_NOT, CACHED_OTHERWISE };

/* A request of one piece that the TLB has under @tag and permits; CACHED_NOT: it has no such block.
 * Keeps nothing, opens no section. @near: the place may be known already. */
static inline __attribute__((always_inline)) enum cached translate_cached(
	const struct viommu *u, const struct domain *domain, uint64_t tag,
	const struct viommu_request *r, struct translation *found, struct mem_place *place,
	bool near, struct viommu_fragment *f, struct viommu_answer *answer);

/* answer.extent_lg2 and .flags (0), which are stored together. */
static inline uint64_t answer_extent(uint64_t size_lg2)
{
	return __BYTE_ORDER == __LITTLE_ENDIAN ? size_lg2 : size_lg2 << 32;
}

static inline void answer_put_extent(struct viommu_answer *answer, uint64_t extent)
{
	memcpy(&answer->extent_lg2, &extent, sizeof(extent));
}

/* All but the extent. */
static inline void answer_one(struct viommu_answer *answer, uint64_t last)
{
	answer->next = last + 1;
	answer->count = 1;
	answer->reason = 0;
	answer->ats = 0;
	answer->token = 0;
}

int translate_range(struct translating *t, const struct viommu_request *request,
		    struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer);

static inline bool translate_well_formed(const struct viommu_request *r)
{
	const unsigned access = VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC;

	return r->first <= r->last && (r->access & (access | VIOMMU_QUIET)) &&
	       !(r->access & ~(access | VIOMMU_PRIV | VIOMMU_QUIET)) &&
	       r->type <= VIOMMU_AT_TRANSLATED &&
	       (r->pasid == VIOMMU_NO_PASID || r->pasid < BIT(20));
}

/* Before translate_range(). */
static inline void translate_begin(struct translating *t, struct viommu_device *device,
				   struct context_entry *entry, struct mem_place *place,
				   struct viommu_channel *channel)
{
	t->query.device = device;
	t->query.id = 0;
	t->query.entry_pasid = 0;
	t->query.fpd = false;
	t->query.observer = NULL;
	t->query.entry = entry;
	t->query.tag = 0;
	t->query.changes = 0;
	t->query.cacheable = false;
	t->query.found = (struct translation){ .iova = 0 };
	t->place = place;
	t->channel = channel;
	t->section = NULL;
	t->missed = false;
	t->within = false;
}

/* Adds the next piece to the fragment, if it continues it in guest memory and in host memory. */
bool translate_merge(struct viommu_fragment *f, const struct viommu_fragment *next);

/* Access and type in one word: less than ACCESS_KINDS if the access may be one that exists, and the type is
 * VIOMMU_AT_UNTRANSLATED. */
static inline uint32_t access_and_type(const struct viommu_request *r)
{
	return (uint32_t)r->type << 16 | r->access;
}

/* The same and the PASID, which is below: so it is stored where bytes are in that order. */
static inline uint64_t request_who(const struct viommu_request *r)
{
	return (uint64_t)r->type << 48 | (uint64_t)r->access << 32 | r->pasid;
}

/* What a shadow has to know of the permission of a page: the user's, and whether it is clean. */
static inline uint32_t shadow_perm(unsigned perm)
{
	return (perm & (unsigned)PERM_USER) |
	       ((perm & VIOMMU_WRITE) && !(perm & PERM_DIRTY) ? 8U : 0U);
}

/* What may be done with a fragment, whose gpa is in the place: of @perm (PERM_*) @granted applies. ROM
 * that has a pointer is not written there; who asks to write, or may do nothing else, gets none, and
 * what the tables grant. */
static inline void fragment_in(struct viommu_fragment *f, const struct mem_place *place,
			       unsigned perm, unsigned granted, bool write)
{
	f->host = mem_host(place, f->gpa, write);
	if (UNLIKELY(place->host & MEM_REGION_READONLY) && !write) {
		if (granted & ~VIOMMU_WRITE)
			granted &= ~VIOMMU_WRITE;
		else
			f->host = NULL;
	}
	f->perm = granted;
	f->flags = access_clean(perm, granted);
}

/* The same for an access that @perm permits. */
static inline void fragment_at(struct viommu_fragment *f, const struct mem_place *place,
			       unsigned perm, unsigned access)
{
	if (UNLIKELY(place->host & MEM_REGION_READONLY)) {
		fragment_in(f, place, perm, access_granted(perm, access), access & VIOMMU_WRITE);
		return;
	}
	f->host = mem_host(place, f->gpa, false);
	memcpy(&f->perm, &permits[perm].grant[access / VIOMMU_PRIV & 1], sizeof(struct grant));
}

static inline __attribute__((always_inline)) enum cached translate_cached(
	const struct viommu *u, const struct domain *domain, uint64_t tag,
	const struct viommu_request *r, struct translation *found, struct mem_place *place,
	bool near, struct viommu_fragment *f, struct viommu_answer *answer)
{
	uint64_t sizes = atomic_load_explicit(&domain->sizes, memory_order_relaxed);
	uint64_t first, last;

	if (!tlb_find(&u->tlb, domain_space(domain, tag), sizes, r->first, found))
		return CACHED_NOT;
	answer_put_extent(answer, answer_extent(found->size_lg2)); /* now: the size is at hand */
	first = r->first - found->iova;
	last = r->last - found->iova;
	if (!translate_permits(found->perm, r->access) || first > last || last >> found->size_lg2)
		return CACHED_OTHERWISE;
	first += found->gpa;
	last += found->gpa;
	if (near)
		mem_find_near(u->vm, first, place);
	else
		mem_find(u->vm, first, place);
	if (last > place->last)
		return CACHED_OTHERWISE;
	f->gpa = first;
	f->length = last - first + 1;
	fragment_at(f, place, found->perm, r->access);
	answer_one(answer, r->last);
	return CACHED;
}

/* ---- explain.c ---- */

/* viommu_replay(), of arguments that are valid. *budget: entries that may be looked at, and what is
 * left of them. */
int translate_replay(struct viommu_device *device, uint32_t pasid, uint64_t *first, uint64_t last,
		     uint32_t *budget,
		     int (*mapped)(void *opaque, uint64_t iova,
				   const struct viommu_fragment *fragment),
		     void *opaque);

/* ---- devices.c ---- */

/* The device with this id, in use until device_put(); or NULL. */
struct viommu_device *device_get(struct viommu *u, uint32_t id);
/* The device after this one, or the first; gives up the one it comes from. Devices that are added
 * meanwhile may be missed. */
struct viommu_device *device_next(struct viommu *u, struct viommu_device *device);
void device_put(struct viommu_device *device);

/* After a context of it was parsed and before what it says is used: the domain (or DOMAIN_REFUSED) and
 * query.entry_pasid. An invalidation of contexts that came before the note has moved the generation by
 * then: compare it afterwards with what it was before the tables were read. */
void device_uses_domain(struct viommu_device *device, uint32_t id, uint32_t pasid);
/* Its listeners are told its mode: it would use this domain now. */
void device_has_domain(struct viommu_device *device, uint32_t id, uint32_t pasid);
/* Before a context is parsed and used without such a comparison. */
void device_may_use_any(struct viommu_device *device);

/* Goes through a list, one device at a time, in use until device_put(); NULL: there are no more.
 * Devices that are added meanwhile are passed over, those that leave are not missed. Only the call
 * that has the unit, and one walk at a time. */
void devices_begin(struct viommu *u, enum device_list list);
struct viommu_device *devices_take(struct viommu *u, enum device_list list);
/* The same for the users of a domain, with a PASID or any: domain_users_next(). */
void devices_begin_users(struct viommu *u, uint32_t id);
bool devices_take_user(struct viommu *u, uint32_t id, uint32_t pasid,
		       struct viommu_device **device);
/* The same of those that had a context refused, after devices_begin(). */
bool devices_take_refused(struct viommu *u, uint32_t pasid, struct viommu_device **device);
/* The next device of the sweep. */
struct viommu_device *devices_take_swept(struct viommu *u);
/* With devices_lock held: the device with this id, or NULL; and whether it is found by its id. */
struct viommu_device *device_find(struct viommu *u, uint32_t id);
void device_link(struct viommu *u, struct viommu_device *device);
void device_unlink(struct viommu *u, struct viommu_device *device);
/* With devices_lock held. */
void device_list_add(struct viommu_device *device, enum device_list list);
void device_list_remove(struct viommu_device *device, enum device_list list);
/* Listeners of the device are owed something, from any thread: whoever has the unit next tells them.
 */
void device_owes(struct viommu_device *device, uint32_t owed);

static inline uint64_t device_generation(const struct viommu_device *device)
{
	return atomic_load_explicit(&device->iommu->generation, memory_order_acquire) +
	       atomic_load_explicit(&device->generation, memory_order_acquire);
}

/* Whether a context is as the tables are, and its domain the one it came to. */
static inline bool context_stands(const struct context_entry *e, const struct viommu_device *device)
{
	return device_generation(device) + domain_life(e->domain) == e->generation;
}

/* ---- device.c ---- */

/* Tells a device to drop a range. True if it is done, false if viommu_invalidation_done() will say
 * so, or the device has been given up (then *gave_up). */
bool device_invalidate(struct viommu_device *device,
		       struct viommu_device_invalidation *invalidation, bool *gave_up);

/* A listener of the library's own begins, or ceases, to hear of ids that are no device's any more. */
void devices_hear_ids(struct viommu_listener *listener, void (*gone)(void *opaque, uint32_t id));
void devices_hear_no_ids(const struct viommu_listener *listener);

/* The last invalidation that a device was told of; whether it and all before it have been answered; and
 * those that have not been, oldest first: @see is called with devices_lock held. */
uint64_t devices_last_token(struct viommu *u);
bool devices_answered(struct viommu *u, uint64_t token);
void devices_each_outstanding(struct viommu *u,
			      void (*see)(void *opaque, struct viommu_device *device,
					  uint64_t token),
			      void *opaque);

/* A reset or restore: answers to what was asked before, up to a token, count no more. */
void devices_forget_invalidations(struct viommu *u, uint64_t token);

/* ---- tell.c ---- */

#define NOTIFY_NO_MODE UINT32_MAX

/* Those who hear a device, one after the other: its own listeners, then those of the whole IOMMU. */
static inline struct viommu_listener *tell_first(const struct viommu_device *device)
{
	return device->listeners ? device->listeners : device->iommu->listeners;
}

static inline struct viommu_listener *tell_next(const struct viommu_listener *l)
{
	return l->next || !l->device ? l->next : l->iommu->listeners;
}

/* A listener is about to be told something: it hears of the completion, too. */
void tell_heard(struct viommu_listener *l);
/* The listeners of a device: a range has changed. */
void tell_unmap(struct viommu_device *device, uint32_t pasid, uint64_t first, uint64_t last);

/* ---- notify.c ---- */

/* A listener of the library's own, of a device or (NULL) of the whole IOMMU. settle and tick, or NULL:
 * see struct viommu_listener. */
int listener_new(struct viommu *u, struct viommu_device *device,
		 const struct viommu_listener_config *config, bool (*settle)(void *opaque),
		 void (*tick)(void *opaque, uint64_t now), struct viommu_listener **listener);
/* VIOMMU_EBUSY: from inside a callback, too, since its callbacks may be under way. */
int listener_free(struct viommu_listener *listener);

/* Translations of [first, last] may have changed, of every device that may use something of a
 * domain, with this PASID or any (VIOMMU_ANY_PASID). */
void notify_users(struct viommu *u, uint32_t id, uint32_t pasid, uint64_t first, uint64_t last);

static inline void notify_domain(struct viommu *u, uint32_t id, uint32_t pasid, uint64_t first,
				 uint64_t last)
{
	if (atomic_load_explicit(&u->unmap_listeners, memory_order_relaxed))
		notify_users(u, id, pasid, first, last);
}

/* Contexts that came to a domain are out of date, with this PASID or any: forgets all contexts, and
 * tells the listeners of the devices that had such a one. */
void notify_contexts(struct viommu *u, uint32_t id, uint32_t pasid);
/* All contexts are out of date, and with @flush the translations of every domain: forgets them, and
 * tells every device's listeners. @mode: the mode too, even if it is the same. */
void notify_forget(struct viommu *u, bool flush, bool mode);
/* @source: of a requester's own table, or VIOMMU_ANY_SOURCE. */
void notify_interrupts(struct viommu *u, uint32_t source, uint32_t first, uint32_t last);
/* Before the epoch of a completion starts, so that a section that a listener opens now holds it
 * back; the calls in calls.c make it once more when the engine returns. */
void notify_complete_told(struct viommu *u);

static inline void notify_complete(struct viommu *u)
{
	if (u->told)
		notify_complete_told(u);
}

/* Before a completion is reported: whether every listener has been told, and has done, what it has
 * to by then. False: steps ran out (unit_work() has been called), or sections have to close first.
 */
bool notify_settle(struct viommu *u);
/* Tells the library's own listeners what time it is, if the host has a clock. */
void notify_tick(struct viommu *u, uint64_t now);
/* Begins and ends a call: tells what is owed from before, or by what other threads did, as far as
 * there are steps; the end makes the result PENDING if there were too few, and completes. */
void notify_begin(struct viommu *u);
int notify_finish(struct viommu *u, int result);

/* Nobody listens, and nothing is left of when somebody did. What listeners were owed stays until one
 * comes. */
static inline bool notify_idle(const struct viommu *u)
{
	return !atomic_load_explicit(&u->listener_count, memory_order_relaxed) &&
	       !u->shadows_pending && !u->late && !u->told_epoch;
}

static inline bool notify_settled(struct viommu *u)
{
	return notify_idle(u) || notify_settle(u);
}

static inline int notify_end(struct viommu *u, int result)
{
	return notify_idle(u) ? result : notify_finish(u, result);
}

/* The same for one device, which is in use (device_get()): some of its translations, or everything
 * and the mode if that has changed; the mode. */
void notify_device_unmap(struct viommu *u, struct viommu_device *device, uint64_t first,
			 uint64_t last);
void notify_device_changed(struct viommu *u, struct viommu_device *device);
void notify_device_mode(struct viommu *u, struct viommu_device *device, uint32_t mode);
/* Whether there is a listener at all. */
static inline bool notify_anybody(const struct viommu *u)
{
	return atomic_load_explicit(&u->listener_count, memory_order_relaxed) != 0;
}

/* Whether anybody listens to its mappings, and a piece of a new one: what the first one who refuses
 * it says; some may have been told by then. */
bool notify_wants_map(const struct viommu *u, const struct viommu_device *device);
int notify_device_map(struct viommu *u, struct viommu_device *device, uint64_t iova,
		      const struct viommu_fragment *fragment);

#endif
