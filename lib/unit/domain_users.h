/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain_users.h - which devices may use something of which domain, so that an invalidation of a
 * domain visits those and no others.
 *
 * A device is noted as a user of a domain id when its context has been parsed, before what that says
 * is used: an invalidation that does not find it here came before the tables were read. The note is
 * void once the device's contexts have been invalidated and whoever remembers translations of it has
 * been told to forget all of them: that begins an era, of the device or of the IOMMU.
 *
 * A note says with which PASIDs, as 64 bits: those with the same remainder are taken for one. Contexts that
 * are refused come to no domain; their devices are in a list (unit.h, DEVICES_REFUSED), because whoever
 * makes one present may name the domain that it has then (Linux does, with caching mode).
 *
 * Notes are few and bounded. A device for which there is no room, or of which nothing is known yet, is
 * vague (unit.h, DEVICES_VAGUE): it is visited for every domain.
 *
 * Everything here is under devices_lock.
 */
#ifndef DOMAIN_USERS_H
#define DOMAIN_USERS_H

#include <stdbool.h>
#include <stdint.h>

#include <libvirtiommu/iommu.h>

#include "bits.h"

struct viommu_device;
struct viommu_vm;

#define DOMAIN_REFUSED UINT32_MAX /* instead of an id: there is none */

static inline uint64_t domain_users_pasids(uint32_t pasid)
{
	return pasid == VIOMMU_ANY_PASID ? UINT64_MAX : BIT(pasid % 64);
}

/* (device, domain id). Links are indices, 0: none. */
struct domain_user {
	struct viommu_device *device; /* NULL: free */
	uint64_t era;
	uint64_t pasids; /* of the entries that its contexts were made of */
	uint32_t id;
	uint32_t next_of_pair;	 /* in the bucket of (device, id) */
	uint32_t next_of_id;	 /* in the bucket of id, both ways: chains may be long */
	uint32_t previous_of_id; /* 0: the first */
	uint32_t next_of_device;
	uint32_t previous_of_device;
};

struct domain_users {
	struct domain_user *user; /* from 1 */
	uint32_t *by_id;
	uint32_t *by_pair;
	uint64_t key[2];
	uint32_t count; /* notes, a power of two */
	uint32_t used;	/* those after it were never used */
	uint32_t free;
	uint32_t hand; /* where to look next for a note that is void */
	uint32_t at;   /* of domain_users_next() */
	uint64_t era;
};

/* VIOMMU_OK, VIOMMU_ENOMEM; then domain_users_fini() takes back what there is. */
int domain_users_init(struct domain_users *users, struct viommu_vm *vm, uint32_t count);
void domain_users_fini(struct domain_users *users, struct viommu_vm *vm);

/* False: no room. */
bool domain_users_note(struct domain_users *users, struct viommu_device *device, uint32_t id,
		       uint32_t pasid);
/* The device is about to go. */
void domain_users_drop(struct domain_users *users, struct viommu_device *device);

/* Goes through the users of a domain with a PASID (VIOMMU_ANY_PASID: all), one note at a time. False: there
 * are no more. *device is NULL for a note that is void, or another's. Users that are noted meanwhile are
 * passed over, those that go are not missed. */
void domain_users_begin(struct domain_users *users, uint32_t id);
bool domain_users_next(struct domain_users *users, uint32_t id, uint32_t pasid,
		       struct viommu_device **device);

#endif
