/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shadow.h - what a shadow has: the mappings that viommu_replay() reported of (device, PASID), so that
 * listeners hear of differences only, and a page that stays mapped never goes away.
 *
 * An invalidation compares the record with the tables: what is gone, has another target or permission,
 * or is newly mapped is told as unmapped, and leaves the record; the replay that follows puts back what
 * there is. That is enough only if nobody has anything that was not replayed. So all of a device is
 * told, as without a record, once it has been translated (a device, or a vhost backend, may keep
 * that), if the record has no room, and while a replay is under way that may have read tables before
 * the invalidation.
 */
#ifndef SHADOW_H
#define SHADOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "range_map.h"

struct viommu;
struct viommu_device;
struct viommu_fragment;

struct shadow {
	struct viommu_device *device;
	struct shadow *next; /* of the device; constant, as what is above and below */
	uint32_t pasid;
	_Atomic uint32_t replaying; /* calls of viommu_replay() under way */
	struct range_map map;	    /* under shadow_lock */
	/* [at, last] is still to be compared, by the call that has the unit. */
	uint64_t at;
	uint64_t last;
	bool pending; /* under shadow_lock */
	struct shadow *next_pending;
};

/* Brackets a replay; from any thread. NULL: it is not recorded. */
struct shadow *shadow_begin(struct viommu_device *device, uint32_t pasid);
void shadow_end(struct shadow *shadow);
/* [first, last] was reported, with the permission of the tables (shadow_perm()). */
void shadow_note(struct shadow *shadow, uint64_t first, uint64_t last, uint64_t gpa, uint32_t perm);

/* From now on all of the device is told: before the tables are read for whoever may keep it. */
void shadow_lose(struct viommu_device *device);

/* Whether [first, last] of the device will be compared: shadow_settle(). False: tell all of it. */
bool shadow_compare(struct viommu_device *device, uint64_t first, uint64_t last);
/* Compares what is pending, and tells. False: steps ran out. (shadow_compare.c) */
bool shadow_settle(struct viommu *u);

/* With shadow_lock held: removes [first, last], and leaves what lies outside of it; false: there was
 * no room. As shadow_lose(). What is pending has been compared. */
bool shadow_cut_out(struct shadow *shadow, uint64_t first, uint64_t last);
void shadow_lose_locked(struct viommu_device *device);
void shadow_unpend(struct shadow *shadow);

/* The device is about to go; with devices_lock held. */
void shadow_drop(struct viommu_device *device);

#endif
