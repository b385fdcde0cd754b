/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * unit.h - one IOMMU: what every engine has, and what the core asks of an engine.
 *
 * An engine embeds struct viommu as the first member of its own structure. The public verbs
 * (unit.c, translate.c, device.c, channel.c) check arguments, enter a section, and call the engine;
 * the engine calls the unit_ functions below.
 */
#ifndef UNIT_H
#define UNIT_H

#include <libvirtiommu/iommu.h>
#include <libvirtiommu/irq.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "context_cache.h"
#include "domain.h"
#include "epoch.h"
#include "machine.h"
#include "tlb.h"

struct state_reader;
struct state_writer;

/* One translation on its way: what is asked, and what has been found out. */
struct query {
	struct viommu_device *device;
	uint64_t iova;
	uint32_t pasid;
	uint16_t access; /* VIOMMU_READ, ... */
	uint16_t type;	 /* VIOMMU_AT_* */
	bool fpd;	 /* the tables ask not to record some faults of this requester */
	bool quiet; /* leave no trace: no fault record, no accessed or dirty bit, nothing cached */
	const struct pt_observer
		*observer; /* quiet only: sees every structure that is read; or NULL */
	/* Read before the first table load; what is filled later is tied to them. */
	struct context_entry entry;
	uint64_t tag;
	uint64_t changes;
	bool cacheable; /* entry, tag and changes are valid, and found may be kept under them */
	/* The answer. */
	struct translation found;
	uint16_t reason;
	uint16_t ats;
};

struct engine {
	const char *name;
	uint32_t last_id; /* of a device */
	/* Everything that the caches did not answer. VIOMMU_OK with q->found, VIOMMU_FAULT with
	 * q->reason (recorded, unless quiet), VIOMMU_INTERRUPT. */
	int (*translate)(struct viommu *u, struct query *q);
	/* Reads the tables of (q->device, q->pasid). VIOMMU_OK, or VIOMMU_FAULT with q->reason. No
	 * trace. */
	int (*parse)(struct viommu *u, struct query *q, struct context *context);
	/* Calls page for every mapping under a context. */
	enum pt_visit_end (*visit)(struct viommu *u, const struct context *context,
				   struct pt_visit *visit);
	int (*reg_read)(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t *value);
	int (*reg_write)(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value);
	int (*run)(struct viommu *u);
	void (*reset)(struct viommu *u);
	void (*save)(struct viommu *u, struct state_writer *state);
	/* VIOMMU_OK (nothing is pending), VIOMMU_PENDING, VIOMMU_ESTATE (nothing has changed). */
	int (*restore)(struct viommu *u, struct state_reader *state);
	int (*request_page)(struct viommu *u, struct viommu_device *device,
			    const struct viommu_page_request *request);
	/* A device has not answered an invalidation in time; from any thread, with devices_lock
	 * held. */
	void (*timed_out)(struct viommu *u, struct viommu_device *device);
	/* A device has answered what it was not asked. */
	void (*unexpected)(struct viommu *u, struct viommu_device *device);
	int (*remap_msi)(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
			 uint32_t flags, struct viommu_msi *msi);
	/* The same where no guest memory has to be touched, and so no section is needed. False: ask
	 * remap_msi. May be NULL. */
	bool (*remap_cached)(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
			     struct viommu_msi *msi);
	void (*free)(struct viommu *u);
	/* Size of a structure of the engine's that begins with struct viommu_device; 0: that is
	 * all there is. */
	uint32_t device_bytes;
	/* A device is about to go, and nobody uses it; with devices_lock held. May be NULL. */
	void (*device_gone)(struct viommu *u, struct viommu_device *device);
};

#define DEVICE_BUCKETS 256U

struct viommu_device {
	struct viommu *iommu;
	struct viommu_device_config config;
	_Atomic uint32_t id;
	uint32_t serial;	     /* never used twice in an IOMMU */
	_Atomic uint64_t generation; /* of its contexts */
	_Atomic uint32_t users;	     /* channels, listeners, and callbacks under way */
	struct viommu_device *next;  /* in its bucket, under devices_lock */
	struct viommu_device *next_of_all;
};

/* A device-TLB invalidation that has not been answered. */
struct outstanding {
	struct viommu_device *device; /* NULL: free */
	uint64_t token;
};

struct viommu_listener {
	struct viommu *iommu;
	struct viommu_device *device; /* NULL: all */
	struct viommu_listener_config config;
	struct viommu_listener *next;
};

struct viommu {
	/* Read by everyone who translates. */
	const struct engine *engine;
	struct viommu_vm *vm;
	_Atomic uint64_t generation; /* of all contexts */
	_Atomic uint64_t flushes;    /* of everything; counted before the generation */
	struct tlb tlb;
	struct context_cache contexts;
	struct domains domains;
	struct epoch epoch;

	/* One call on registers, or the listeners, at a time: taken by unit_begin(). */
	_Atomic uint32_t users; /* I/O APICs */
	_Atomic uint32_t busy;
	struct epoch_section self; /* of that call */
	struct viommu_listener *listeners;
	bool told; /* listeners have been told something since notify_complete() */

	struct viommu_host host;
	struct viommu_limits limits;

	pthread_mutex_t devices_lock; /* guards what follows, up to the tokens; no callback is made
					 with it held */
	struct viommu_device *devices[DEVICE_BUCKETS]; /* by id */
	struct viommu_device *all_devices;
	uint32_t device_count;
	uint32_t channel_count;
	uint32_t next_serial;
	struct outstanding *outstanding; /* limits.outstanding of them */
	_Atomic uint32_t outstanding_count;
	uint64_t next_token;
	uint64_t forgotten_token; /* this and older ones were dropped by a reset */

	/* Under vm->lock. */
	struct viommu *next;
	uint64_t map_epoch; /* what viommu_vm_quiesce() waits for; 0: nothing */
};

/* ---- unit.c ---- */

/* Initialises the common part. On failure nothing is left behind. */
int unit_init(struct viommu *u, const struct engine *engine, struct viommu_vm *vm,
	      const struct viommu_host *host, const struct viommu_limits *limits);
void unit_fini(struct viommu *u);

/* Brackets a call that only one thread may make at a time. False: refused, one is under way. */
bool unit_begin(struct viommu *u);
void unit_end(struct viommu *u);

/* Tells the host that viommu_run() is worthwhile. No lock may be held. */
void unit_work(const struct viommu *u);
void unit_msi(const struct viommu *u, uint64_t address, uint32_t data);

/* Contexts are out of date, and with @flush the translations of every domain too. */
void unit_forget(struct viommu *u, bool flush);

/* The memory map has changed (with vm->lock held), and whether everyone who used the old one has
 * left. */
void unit_map_changed(struct viommu *u);
bool unit_map_quiet(struct viommu *u);

/* ---- translate.c ---- */

/* The context of the query's requester, cached or parsed, in q->entry, with q->tag and q->changes.
 */
int unit_context(struct viommu *u, struct query *q);

/* Keeps q->found, which holds for all of its block, in the shared TLB. */
void unit_fill(struct viommu *u, const struct query *q);

/* One position of a request, from the caches or the engine. */
int unit_translate(struct viommu *u, struct query *q);

int translate_range(struct viommu_device *device, struct viommu_channel *channel,
		    const struct viommu_request *request, struct viommu_fragment *fragments,
		    uint32_t max, struct viommu_answer *answer);

/* PERM_* that an access needs. */
static inline unsigned access_need(unsigned access)
{
	unsigned need = access & (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC);

	if (access & VIOMMU_EXEC) /* a fetch is a read */
		need |= VIOMMU_READ;
	if (access & VIOMMU_PRIV)
		need <<= 3;
	return need;
}

/* The permission a fragment shows, of PERM_*. */
static inline unsigned access_granted(unsigned perm, unsigned access)
{
	return (access & VIOMMU_PRIV ? perm >> 3 : perm) & (unsigned)PERM_USER;
}

/* ---- device.c ---- */

/* The device with this id, in use until device_put(); or NULL. */
struct viommu_device *device_get(struct viommu *u, uint32_t id);
/* The device after this one, or the first; gives up the one it comes from. Devices that are added
 * meanwhile may be missed. */
struct viommu_device *device_next(struct viommu *u, struct viommu_device *device);
void device_put(struct viommu_device *device);

/* Tells a device to drop a range. True if it is done, false if viommu_invalidation_done() will say
 * so, or the device has been given up (then *gave_up). */
bool device_invalidate(struct viommu_device *device,
		       struct viommu_device_invalidation *invalidation, bool *gave_up);

static inline uint64_t device_generation(const struct viommu_device *device)
{
	return atomic_load_explicit(&device->iommu->generation, memory_order_acquire) +
	       atomic_load_explicit(&device->generation, memory_order_acquire);
}

/* The last invalidation that a device was told of, and whether it and all before it have been
 * answered. */
uint64_t devices_last_token(struct viommu *u);
bool devices_answered(struct viommu *u, uint64_t token);

/* After a reset or restore: answers to what was asked before count no more. */
void devices_forget_invalidations(struct viommu *u);

/* ---- notify.c ---- */

/* Which devices an event concerns: all, one requester, or those whose current context has a domain
 * id. */
enum notify_scope { NOTIFY_ALL, NOTIFY_DEVICE, NOTIFY_DOMAIN };

struct notify {
	enum notify_scope scope;
	uint32_t id;	  /* requester or domain */
	uint32_t id_mask; /* NOTIFY_DEVICE: bits of the requester id that count */
	uint32_t pasid;
	uint64_t first;
	uint64_t last;
};

void notify_unmap(struct viommu *u, const struct notify *what);
/* The mode of every device that has a listener. */
void notify_mode(struct viommu *u, uint32_t mode);
void notify_interrupts(struct viommu *u, uint32_t first, uint32_t last);
/* Before the epoch of a completion starts, so that a section that a listener opens now holds it
 * back; the verbs in unit.c make it once more when the engine returns. */
void notify_complete(struct viommu *u);

/* The same for one device, which is in use (device_get()). */
void notify_device_unmap(struct viommu *u, struct viommu_device *device, uint64_t first,
			 uint64_t last);
void notify_device_mode(struct viommu *u, struct viommu_device *device, uint32_t mode);
/* Whether anybody listens to its mappings, and a piece of a new one. */
bool notify_wants_map(const struct viommu *u, const struct viommu_device *device);
void notify_device_map(struct viommu *u, struct viommu_device *device, uint64_t iova,
		       const struct viommu_fragment *fragment);

#endif
