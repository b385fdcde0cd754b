/* SPDX-License-Identifier: BSD-3-Clause */
/* domain_users.c - which devices may use something of which domain. */

#include "domain_users.h"
#include "unit.h"

/* Notes looked at for one that is void, when there is no room. */
#define HAND_STEPS 8U

int domain_users_init(struct domain_users *n, struct viommu_vm *vm, uint32_t count)
{
	n->key[0] = vm->key[0];
	n->key[1] = vm->key[1];
	n->era = 1;
	n->count = (uint32_t)bits_power_of_two(count);
	n->user = vm_alloc(vm, (n->count + UINT64_C(1)) * sizeof(*n->user),
			   _Alignof(struct domain_user));
	n->by_id = vm_alloc(vm, (uint64_t)n->count * sizeof(*n->by_id), _Alignof(uint32_t));
	n->by_pair = vm_alloc(vm, (uint64_t)n->count * sizeof(*n->by_pair), _Alignof(uint32_t));
	return n->user && n->by_id && n->by_pair ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void domain_users_fini(struct domain_users *n, struct viommu_vm *vm)
{
	vm_dealloc(vm, n->user, (n->count + UINT64_C(1)) * sizeof(*n->user));
	vm_dealloc(vm, n->by_id, (uint64_t)n->count * sizeof(*n->by_id));
	vm_dealloc(vm, n->by_pair, (uint64_t)n->count * sizeof(*n->by_pair));
}

static uint32_t *bucket_of_id(const struct domain_users *n, uint32_t id)
{
	return &n->by_id[vm_hash(n->key, id, 2) & (n->count - 1)];
}

static uint32_t *bucket_of_pair(const struct domain_users *n, const struct viommu_device *device,
				uint32_t id)
{
	return &n->by_pair[vm_hash(n->key, id, device->serial) & (n->count - 1)];
}

/* Eras only grow. */
static uint64_t era_of(const struct domain_users *n, const struct viommu_device *device)
{
	return n->era + device->era;
}

static void chain(struct domain_users *n, uint32_t index)
{
	struct domain_user *user = &n->user[index];
	uint32_t *pair = bucket_of_pair(n, user->device, user->id);
	uint32_t *id = bucket_of_id(n, user->id);
	uint32_t *own = &user->device->domain_user;

	user->next_of_pair = *pair;
	*pair = index;
	user->next_of_id = *id;
	user->previous_of_id = 0;
	if (*id)
		n->user[*id].previous_of_id = index;
	*id = index;
	user->next_of_device = *own;
	user->previous_of_device = 0;
	if (*own)
		n->user[*own].previous_of_device = index;
	*own = index;
}

static void unchain(struct domain_users *n, uint32_t index)
{
	const struct domain_user *user = &n->user[index];
	uint32_t *at = bucket_of_pair(n, user->device, user->id);

	while (*at != index) /* the bucket is as long as chance makes it: its hash is keyed */
		at = &n->user[*at].next_of_pair;
	*at = user->next_of_pair;
	if (user->next_of_id)
		n->user[user->next_of_id].previous_of_id = user->previous_of_id;
	*(user->previous_of_id ? &n->user[user->previous_of_id].next_of_id
			       : bucket_of_id(n, user->id)) = user->next_of_id;
	if (user->next_of_device)
		n->user[user->next_of_device].previous_of_device = user->previous_of_device;
	*(user->previous_of_device ? &n->user[user->previous_of_device].next_of_device
				   : &user->device->domain_user) = user->next_of_device;
	if (n->at == index)
		n->at = user->next_of_id;
}

/* A place for a note; 0: there is none. */
static uint32_t take(struct domain_users *n)
{
	uint32_t index = n->free;

	if (index) {
		n->free = n->user[index].next_of_id;
		return index;
	}
	if (n->used < n->count)
		return ++n->used;
	for (unsigned i = 0; i < HAND_STEPS; i++) {
		index = ++n->hand;
		n->hand &= n->count - 1;
		if (n->user[index].era != era_of(n, n->user[index].device)) {
			unchain(n, index);
			return index;
		}
	}
	return 0;
}

bool domain_users_note(struct domain_users *n, struct viommu_device *device, uint32_t id,
		       uint32_t pasid)
{
	uint32_t index = *bucket_of_pair(n, device, id);
	struct domain_user *user;

	while (index && (n->user[index].device != device || n->user[index].id != id))
		index = n->user[index].next_of_pair;
	if (!index) {
		index = take(n);
		if (!index)
			return false;
		n->user[index].device = device;
		n->user[index].id = id;
		n->user[index].era = 0; /* none */
		chain(n, index);
	}
	user = &n->user[index];
	if (user->era != era_of(n, device))
		user->pasids = 0;
	user->pasids |= domain_users_pasids(pasid);
	user->era = era_of(n, device);
	return true;
}

static void drop(struct domain_users *n, uint32_t index)
{
	unchain(n, index);
	n->user[index].device = NULL;
	n->user[index].next_of_id = n->free;
	n->free = index;
}

void domain_users_drop(struct domain_users *n, struct viommu_device *device)
{
	while (device->domain_user) /* at most as often as it was noted */
		drop(n, device->domain_user);
}

void domain_users_begin(struct domain_users *n, uint32_t id)
{
	n->at = *bucket_of_id(n, id);
}

bool domain_users_next(struct domain_users *n, uint32_t id, uint32_t pasid,
		       struct viommu_device **device)
{
	uint32_t index = n->at;
	const struct domain_user *user = &n->user[index];

	*device = NULL;
	if (!index)
		return false;
	n->at = user->next_of_id;
	if (user->era != era_of(n, user->device))
		drop(n, index); /* or it would be looked at again and again */
	else if (user->id == id && (user->pasids & domain_users_pasids(pasid)))
		*device = user->device;
	return true;
}
