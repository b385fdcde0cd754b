/* SPDX-License-Identifier: BSD-3-Clause */
/* listeners.h - who is told what. */
#ifndef LISTENERS_H
#define LISTENERS_H

#include "unit.h"

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

/* Contexts that came to a domain are out of date, with this PASID or any: forgets contexts (unit_forget_domain()), and
 * tells the listeners of the devices that had such a one. */
void notify_contexts(struct viommu *u, uint32_t id, uint32_t pasid);
/* All contexts are out of date, and with @flush the translations of every domain: forgets them, and
 * tells every device's listeners. @mode: the mode too, even if it is the same. */
void notify_forget(struct viommu *u, bool flush, bool mode);
/* Contexts of the devices with these ids, at least, are; tells every device's listeners. */
void notify_forget_ids(struct viommu *u, uint32_t first, uint32_t last);
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
