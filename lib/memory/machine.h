/* SPDX-License-Identifier: BSD-3-Clause */
/* machine.h - the virtual machine object: what its IOMMUs share. */
#ifndef MACHINE_H
#define MACHINE_H

#include <libvirtiommu/vm.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct mem_map;
struct recorder;

/* One who translates in a VM (unit.h), and the functions through which it is told. */
struct vm_user;

struct vm_user_row {
	/* What was looked up before is out of date: the regions have changed. With vm->lock held. */
	void (*map_changed)(struct vm_user *user);
	/* Whether everyone who used the old ones has left; with vm->lock held. */
	bool (*map_quiet)(struct vm_user *user);
};

struct vm_user {
	const struct vm_user_row *row;
	struct vm_user *next; /* under vm->lock */
};

struct viommu_vm {
	struct viommu_vm_config config;
	struct arena *arena; /* arena.h; NULL: config.alloc */
	uint64_t key[2];     /* of the hashes, from config.hash_key; the first is odd */
	/* Read by everyone who translates: a cache line. */
	_Alignas(64) _Atomic uint64_t map_version; /* of the regions: seqlock.h */
	_Atomic(struct mem_map *) map;		   /* the regions, see mem_map.h */
	/* First, bytes and host of the two largest regions that may be written, which are asked first: a PC has two
	 * of RAM. */
	_Atomic uint64_t largest[2][3];
	struct mem_map *maps; /* every one there was */
	uint64_t last_stamp;  /* of regions */
	pthread_mutex_t lock; /* guards users, and changes of the regions */
	struct vm_user *users;
	pthread_cond_t moved;		 /* with lock: an IOMMU has work; of viommu_vm_wait() */
	_Atomic uint32_t waiter;	 /* somebody is in it */
	_Atomic uint64_t last_partition; /* of its IOMMUs */
	/* record.h; NULL: nobody records. It comes and goes while nothing else runs on the VM. */
	struct recorder *recorder;
};

/* Zero-filled memory from the VM's allocator; NULL if it says no. @align: a power of two, at most
 * 4096 */
void *vm_alloc(struct viommu_vm *vm, uint64_t bytes, uint64_t align);
void vm_dealloc(struct viommu_vm *vm, void *block, uint64_t bytes);

/* The same for what another process may map: whole pages, with nothing else in them. @bytes: a multiple of 4096 */
void *vm_alloc_window(struct viommu_vm *vm, uint64_t bytes);
void vm_dealloc_window(struct viommu_vm *vm, void *window, uint64_t bytes);

/* A hash key of its own for each number, from which nobody comes to the VM's, nor to another's. The first word is odd. */
void vm_derive_key(const struct viommu_vm *vm, uint64_t number, uint64_t key[2]);

/* The allocator where the VMM gives none. */
void *vm_default_alloc(void *opaque, uint64_t bytes, uint64_t align);
void vm_default_dealloc(void *opaque, void *at, uint64_t bytes);

/* viommu_vm_quiesce() waits for the sections that are open at this user now, as after a change of
 * regions. */
void vm_await(struct viommu_vm *vm, struct vm_user *user);

/* A section has closed that somebody waited for: wakes viommu_vm_wait(). No lock may be held. */
void vm_moved(struct viommu_vm *vm);

void vm_add_user(struct viommu_vm *vm, struct vm_user *user);
void vm_remove_user(struct viommu_vm *vm, struct vm_user *user);

/* Keyed hash of two words. */
static inline uint64_t vm_hash(const uint64_t key[2], uint64_t a, uint64_t b)
{
	__uint128_t product =
		(__uint128_t)(a ^ key[0]) * (b ^ key[1] ^ UINT64_C(0x9e3779b97f4a7c15));
	uint64_t h = (uint64_t)product ^ (uint64_t)(product >> 64) ^ a;

	product = (__uint128_t)(h ^ key[1]) * key[0];
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The same of one word, under a salt that is secret as well: half as long. */
static inline uint64_t vm_hash_salted(const uint64_t key[2], uint64_t salt, uint64_t a)
{
	__uint128_t product = (__uint128_t)(a ^ salt) * key[0];

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
