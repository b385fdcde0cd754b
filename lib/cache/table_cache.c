/* SPDX-License-Identifier: BSD-3-Clause */
/* table_cache.c - the paging-structure cache: finding, filling and removing. */

#include <libvirtiommu/base.h>

#include "seqlock.h"
#include "table_cache.h"

/* The version is odd while a writer has the slot. */
struct table_slot {
	_Alignas(64) _Atomic uint64_t version;
	_Atomic uint64_t tag; /* 0: empty */
	_Atomic uint64_t block;
	_Atomic uint64_t map;
	_Atomic uint64_t table; /* | perm, in the low bits */
	_Atomic uint64_t gpa;
	_Atomic uintptr_t host;
};

static_assert(sizeof(struct table_slot) == 64, "a cache line");

int table_cache_init(struct table_cache *cache, struct viommu_vm *vm, uint32_t entries)
{
	uint64_t slots = bits_power_of_two(entries);

	cache->slot = vm_alloc(vm, slots * sizeof(*cache->slot), _Alignof(struct table_slot));
	cache->mask = slots - 1;
	cache->key[0] = vm->key[0];
	cache->key[1] = vm->key[1];
	return cache->slot ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void table_cache_fini(struct table_cache *cache, struct viommu_vm *vm)
{
	vm_dealloc(vm, cache->slot, (cache->mask + 1) * sizeof(*cache->slot));
}

static struct table_slot *slot_of(const struct table_cache *cache, uint64_t salt, uint64_t block)
{
	return &cache->slot[vm_hash_salted(cache->key, salt, block) & cache->mask];
}

static uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

bool table_cache_find(const struct table_cache *cache, struct tlb_space space, uint64_t block,
		      uint64_t map, struct table_place *found)
{
	const struct table_slot *slot = slot_of(cache, space.salt, block);
	uint64_t version = seq_read_begin(&slot->version);
	uint64_t table = load(&slot->table);

	if (load(&slot->tag) != space.tag || load(&slot->block) != block || load(&slot->map) != map)
		return false;
	*found = (struct table_place){
		.table = table & ~PERM_BITS,
		.gpa = load(&slot->gpa),
		.host = (const unsigned char *)atomic_load_explicit(&slot->host,
								    memory_order_relaxed),
		.perm = (uint8_t)(table & PERM_BITS),
	};
	return seq_read_valid(&slot->version, version);
}

void table_cache_add(struct table_cache *cache, struct tlb_space space, uint64_t block,
		     uint64_t map, const struct table_place *place, const _Atomic uint64_t *changes,
		     uint64_t seen)
{
	struct table_slot *slot = slot_of(cache, space.salt, block);
	uint64_t version;

	if (!seq_try_lock(&slot->version, &version))
		return;
	if (atomic_load_explicit(changes, memory_order_acquire) == seen) {
		store(&slot->tag, space.tag);
		store(&slot->block, block);
		store(&slot->map, map);
		store(&slot->table, place->table | place->perm);
		store(&slot->gpa, place->gpa);
		atomic_store_explicit(&slot->host, (uintptr_t)place->host, memory_order_relaxed);
	}
	seq_unlock(&slot->version, version);
}

bool table_cache_remove(struct table_cache *cache, struct tlb_space space, uint64_t first,
			uint64_t last)
{
	for (uint64_t block = first;; block++) {
		struct table_slot *slot = slot_of(cache, space.salt, block);
		uint64_t version;

		if (!seq_lock_soon(&slot->version, &version))
			return false;
		if (load(&slot->tag) == space.tag && load(&slot->block) == block)
			store(&slot->tag, 0);
		seq_unlock(&slot->version, version);
		if (block == last)
			return true;
	}
}

void table_cache_prefetch(const struct table_cache *cache, uint64_t salt, uint64_t block)
{
	__builtin_prefetch(slot_of(cache, salt, block));
}
