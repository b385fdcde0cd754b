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
 * Notes are few and bounded. A device for which there is no room, or of which nothing is known yet, is
 * vague (unit.h, DEVICES_VAGUE): it is visited for every domain.
 *
 * Everything here is under devices_lock.
 */
#ifndef DOMAIN_USERS_H
#define DOMAIN_USERS_H

#include <stdbool.h>
#include <stdint.h>

struct viommu_device;
struct viommu_vm;

/* (device, domain id). Links are indices, 0: none. */
struct domain_user {
	struct viommu_device *device; /* NULL: free */
	uint64_t era;
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
bool domain_users_note(struct domain_users *users, struct viommu_device *device, uint32_t id);
/* The device is about to go. */
void domain_users_drop(struct domain_users *users, struct viommu_device *device);

/* Goes through the users of a domain, one at a time: NULL: there are no more. Users that are noted
 * meanwhile are passed over, those that go are not missed. */
void domain_users_begin(struct domain_users *users, uint32_t id);
struct viommu_device *domain_users_next(struct domain_users *users, uint32_t id);

#endif
