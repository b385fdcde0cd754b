/* SPDX-License-Identifier: BSD-3-Clause */
/* devices.h - devices of an IOMMU: found by id, in lists, by what they use; and what they owe an answer to. */
#ifndef DEVICES_H
#define DEVICES_H

#include "unit.h"

/* ---- devices.c ---- */

/* The device with this id, in use until device_put(); or NULL. */
struct viommu_device *device_get(struct viommu *u, uint32_t id);
/* Bit n: partition n may have devices with such ids, whether they have them now or had them once. */
uint64_t devices_partitions(struct viommu *u, uint32_t first, uint32_t last);
/* The device after this one, or the first; gives up the one it comes from. Devices that are added
 * meanwhile may be missed. */
struct viommu_device *device_next(struct viommu *u, struct viommu_device *device);
void device_put(struct viommu_device *device);

/* After a context of it was parsed and before what it says is used: the domain (or DOMAIN_REFUSED) and
 * query.entry_pasid. An invalidation of contexts that came before the note has moved device_parses() by
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
	return atomic_load_explicit(&device->window->generation, memory_order_acquire) +
	       atomic_load_explicit(device->generation, memory_order_acquire);
}

/* Moves when what was parsed for the device may be out of date, known of or not (domains_forget_contexts()): a sum, since
 * all of it only grows. */
static inline uint64_t device_parses(const struct viommu_device *device)
{
	return device_generation(device) + domains_forgets(&device->partition->domains);
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

#endif
