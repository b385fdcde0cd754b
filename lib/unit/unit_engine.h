/* SPDX-License-Identifier: BSD-3-Clause */
/* unit_engine.h - what the core asks of an engine, and what it has found out of a translation when it does. */
#ifndef UNIT_ENGINE_H
#define UNIT_ENGINE_H

#include <libvirtiommu/iommu.h>
#include <libvirtiommu/irq.h>

#include <stdbool.h>

#include "context_cache.h"
#include "pt_visit.h"

struct explanation;
struct record_text;
struct state_reader;
struct state_writer;

/* Channels have one each, as long as there are no more channels. */
#define CHANNEL_LANES 256U

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
	bool hit;    /* set by unit_find(): a cache had it after all */
	uint32_t
		lane; /* of the channel that asks, from 1 to CHANNEL_LANES: for what its thread alone writes; 0: none asks */
	const struct pt_observer
		*observer; /* quiet only: sees every structure that is read; or NULL */
	/* The requester's context as far as it is known: whoever asks has room for it, and a
	 * channel keeps it. */
	struct context_entry *entry;
	/* Read before the first table load; what is filled later is tied to them. */
	uint64_t tag;
	uint64_t changes;
	bool cacheable; /* entry, tag and changes are valid, and found may be kept under them */
	/* They have just been read, in the section that is open: unit_context() need not look, once. */
	bool known;
	/* The answer. */
	struct translation found;
	uint16_t reason;
	uint16_t ats;
	uint32_t flags; /* VIOMMU_ANSWER_* */
	uint64_t token;
};

/* A request of a channel, whatever it is, to the end: of a channel that has a domain in its entry, perhaps of before. */
typedef int miss_fn(struct viommu_channel *channel, const struct viommu_request *request,
		    struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer);

struct engine {
	const char *name;
	uint32_t last_id; /* of a device */
	/* Everything that the caches did not answer. VIOMMU_OK with q->found, VIOMMU_FAULT with
	 * q->reason (recorded, unless quiet), VIOMMU_INTERRUPT; VIOMMU_STALLED with q->token, if q->stalls. */
	int (*translate)(struct viommu *u, struct query *q);
	/* What a channel's micro-TLB does not have, as far as it is usual: miss.h. NULL: channel_ask() */
	miss_fn *miss;
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
	/* Ends what is under way of what listeners are told in steps, as far as it can: before one more begins to listen.
	 * May be NULL. */
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
	/* All of viommu_remap_msi(): what needs no guest memory, and so no section, at once, and everything else
	 * by msi_from_tables(). NULL: everything is. */
	int (*remap_cached)(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
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
	/* Headers of a tape, and lines that come before its state; sets what is particular in u->record (recorder.h).
	 * NULL: it cannot be recorded. */
	void (*describe)(struct viommu *u, struct record_text *text);
	/* The name of the engine on tapes; NULL: its own. */
	const char *tape_name;
	/* Which other IOMMU's tape it is recorded on, and what is particular then, as describe() sets it. NULL: it has one
	 * of its own, or none. */
	struct viommu *(*tape_of)(struct viommu *u);
	void (*join_tape)(struct viommu *u);
	/* Undoes what describe() or join_tape() did. May be NULL. */
	void (*leave_tape)(struct viommu *u);
};

/* Whether an IOMMU's engine is this one; one that is recorded has a copy (recorder.h). */
static inline bool engine_is(const struct engine *engine, const struct engine *which)
{
	return engine == which || engine->name == which->name;
}

/* Whether what a requester's interrupts come to depends on it, by itself. */
static inline bool engine_own_tables(const struct engine *engine)
{
	return engine->own_tables || !engine->remap_msi;
}

#endif
