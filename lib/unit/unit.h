/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unit.h - one IOMMU: what every engine has. What the core asks of an engine is in unit_engine.h, what there is to
 * devices and listeners in devices.h and listeners.h.
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

#include "counters.h"
#include "domain_users.h"
#include "unit_engine.h"
#include "epoch.h"
#include "host.h"
#include "machine.h"
#include "mem.h"
#include "partition.h"
#include "permits.h"
#include "shadow.h"

struct nested;
struct unit_record;

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
	struct partition *partition;
	struct window *window;	      /* of the partition */
	_Atomic uint64_t *generation; /* of its contexts, in the window */
	struct device_context last;
	_Atomic uint32_t id; /* VIOMMU_NO_ID: none, and in no bucket */
	uint32_t serial;     /* never used twice in an IOMMU */
	uint32_t place;	     /* among the devices of the window */

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

#define COMMAND_NONE UINT32_MAX

/* Where something comes from: the position of a command in its ring, or COMMAND_NONE; and the how manyth it is that was
 * executed. */
struct command_origin {
	uint64_t order;
	uint32_t at;
};

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
	struct partition *partition; /* partition_count of them */
	uint32_t partition_count;
	bool apart; /* constant: what is done concerns some of them; otherwise there is one, and all is about it, */
	struct domains *together; /* of which these are the domains; or NULL */
	_Atomic uint64_t flushes; /* of everything; counted before the generations */
	_Atomic uint64_t cuts;	  /* bit n: pieces of pages of 1 << n bytes were answers */
	/* Each request is asked of the engine, which asks the TLB by itself (unit_find()): contexts are kept where
	 * hits do not look. The engine sets it, and then moves the generation. */
	_Atomic bool counted;
	bool counts;		    /* the engine wants it; otherwise only who records does */
	struct unit_record *record; /* recorder.h; NULL: it is not recorded */
	struct epoch epoch;
	bool all_wait; /* everybody's sections count for every epoch; for the engine to set, constant */
	/* Of the call that has the unit, if they are apart, bit n: partition n is concerned by what was done since the last
	 * epoch began: by what its readers compare, or only waited for. */
	uint64_t concerned;
	uint64_t awaited_too;

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
	uint32_t looks;		 /* at sections, to be paid for with the next ones */
	struct command_origin command; /* that is executed */
	struct command_origin refused; /* the first that a host has refused: nesting_refused() */
	bool told_leaf; /* what is told of a range leaves its upper tables as they were */
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
	uint32_t lane_users[CHANNEL_LANES]; /* channels that have a lane */
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

/* What a VMM asks for, and the defaults; *apart: whether it wants partitions. */
int unit_take_limits(struct viommu_limits *limits, const struct viommu_limits *given, bool *apart);
void unit_window_size(const struct viommu_limits *limits, struct window_size *size);

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

/* Looks at sections, but not at the call's own, as far as the call's steps go, which pay for it: EPOCH_UNKNOWN is
 * what there were not enough for. Whether all sections older than an epoch have closed, from where the last look has
 * stopped; the same, and if they have not, unit_work() is called when they have, or now if it is not known. */
enum epoch_answer unit_look(struct viommu *u, uint64_t epoch);
bool unit_waited(struct viommu *u, uint64_t epoch);
/* A scan of one's own; sections that the filter concerns, from the first on: false also if that is not known. */
enum epoch_answer unit_scan(struct viommu *u, struct epoch_scan *scan,
			    const struct epoch_filter *filter);
bool unit_passed_for(struct viommu *u, uint64_t epoch, const struct epoch_filter *filter);

/* Of the call that has the unit: forgets what is cached of domains, in all partitions (domain_flush.c), and pays for it.
 * Whose devices may use something of it is concerned by the next epoch. */
void unit_flush_apart(struct viommu *u, const struct domain_flush *flush);

static inline void unit_flush_one(struct viommu *u, const struct domain_flush *flush)
{
	if (LIKELY(u->together))
		unit_pay(u, domains_flush_one(u->together, flush));
	else
		unit_flush_apart(u, flush);
}

static inline void unit_flush(struct viommu *u, const struct domain_match *match)
{
	const struct domain_flush flush = domain_flush_whole(match);

	unit_flush_one(u, &flush);
}

static inline void unit_flush_range(struct viommu *u, const struct domain_match *match,
				    uint64_t first, uint64_t last, bool leaf)
{
	const struct domain_flush flush = {
		.match = *match, .first = first, .last = last, .leaf = leaf
	};

	unit_flush_one(u, &flush);
}

/* Several, of which nobody hears but who asks for counts: unit_may_burst(). Returns how many it has forgotten, one at
 * least. */
#define UNIT_BURST 16U

uint32_t unit_flush_burst(struct viommu *u, const struct domain_flush *flush, uint32_t count);

static inline bool unit_may_burst(const struct viommu *u)
{
	return u->together && !u->host.trace &&
	       !atomic_load_explicit(&u->unmap_listeners, memory_order_relaxed);
}

/* Everybody's sections count for the next epoch, whatever it is about: interrupts belong to no partition. */
static inline void unit_wait_for_all(struct viommu *u)
{
	u->awaited_too = UINT64_MAX;
}

/* Begins an epoch for what was done: of the call that has the unit. */
uint64_t unit_start_apart(struct viommu *u);

static inline uint64_t unit_start(struct viommu *u)
{
	return LIKELY(!u->apart) ? epoch_start(&u->epoch) : unit_start_apart(u);
}

/* Contexts are out of date, and with @flush the translations of every domain too. Returns the epoch
 * that begins with it. */
uint64_t unit_forget(struct viommu *u, bool flush);
/* The same for what the VMM changes by itself, and waits for with unit_await(): no completion of the guest is about it. */
uint64_t unit_forget_awaited(struct viommu *u, bool flush);
/* Of some partitions. */
uint64_t unit_forget_in(struct viommu *u, uint64_t partitions, bool flush);
/* Contexts that came to a domain are, in the partitions that may know it. Of the call that has the unit. */
void unit_forget_domain(struct viommu *u, uint32_t group);
/* Contexts of one device are out of date. @told: its listeners will be told of everything before
 * anyone learns that it is done: notify_device_changed(). */
void unit_forget_device(struct viommu_device *device, bool told);
/* The same for one that is told, of several: the epoch is still to be started. */
void unit_begin_era(struct viommu_device *device);

/* record_devices.c: for who is recorded, of devices that come or go, and that are about to have their next_id; with
 * devices_lock held. */
void unit_record_device(struct viommu *u, const struct viommu_device *device, uint32_t id,
			bool gone);
void unit_record_ids(struct viommu *u, struct viommu_device *const *devices, uint32_t count);

/* From any thread: whether all sections older than an epoch have closed, whomever it concerned; if not, the host hears by
 * unit_work() when they have. */
bool unit_await(struct viommu *u, uint64_t epoch);

/* ---- translate.c ---- */

/* The context of the query's requester, cached or parsed, in q->entry, with q->tag and q->changes.
 */
int unit_context(struct viommu *u, struct query *q);
/* The same, if no table has to be read for it. */
bool unit_has_context(struct query *q);

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
bool unit_find(struct query *q, unsigned access);

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
static inline uint64_t requester_of(uint32_t serial, uint32_t pasid, unsigned contexts)
{
	return (uint64_t)serial << 32 | (uint64_t)contexts << 30 | (uint32_t)(pasid + 1);
}

static inline uint64_t translate_who(const struct viommu_device *device, uint32_t pasid,
				     unsigned contexts)
{
	return requester_of(device->serial, pasid, contexts);
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
	const struct partition *p, const struct domain *domain, uint64_t tag,
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
	t->query.lane = 0;
	t->query.observer = NULL;
	t->query.entry = entry;
	t->query.tag = 0;
	t->query.changes = 0;
	t->query.cacheable = false;
	t->query.known = false;
	t->query.found = (struct translation){ .iova = 0 };
	t->place = place;
	t->channel = channel;
	t->section = NULL;
	t->missed = false;
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
	memcpy(&f->perm, &permit_of(perm)->grant[access / VIOMMU_PRIV & 1], sizeof(struct grant));
}

static inline __attribute__((always_inline)) enum cached translate_cached(
	const struct partition *p, const struct domain *domain, uint64_t tag,
	const struct viommu_request *r, struct translation *found, struct mem_place *place,
	bool near, struct viommu_fragment *f, struct viommu_answer *answer)
{
	uint64_t sizes = atomic_load_explicit(&domain->sizes, memory_order_relaxed);
	uint64_t first, last;

	if (!tlb_find(&p->tlb, domain_space(domain, tag), sizes, r->first, found))
		return CACHED_NOT;
	answer_put_extent(answer, answer_extent(found->size_lg2)); /* now: the size is at hand */
	first = r->first - found->iova;
	last = r->last - found->iova;
	if (!translate_permits(found->perm, r->access) || first > last || last >> found->size_lg2)
		return CACHED_OTHERWISE;
	first += found->gpa;
	last += found->gpa;
	if (near)
		mem_find_near(p->vm, first, place);
	else
		mem_find(p->vm, first, place);
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

/* What engines use of devices and listeners. */
#include "devices.h"
#include "listeners.h"

#endif
