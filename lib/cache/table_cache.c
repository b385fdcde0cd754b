/* SPDX-License-Identifier: BSD-3-Clause */
/* table_cache.c - the paging-structure cache: finding, filling and removing. */

#include <libvirtiommu/base.h>

#include "seqlock.h"
#include "table_cache.h"

uint64_t table_cache_bytes(uint32_t entries)
{
	return bits_power_of_two(entries) * sizeof(struct table_slot);
}

int table_cache_init(struct table_cache *cache, struct viommu_vm *vm, uint32_t entries)
{
	uint64_t slots = bits_power_of_two(entries);

	cache->slot = vm_alloc(vm, table_cache_bytes(entries), _Alignof(struct table_slot));
	cache->mask = slots - 1;
	cache->key[0] = vm->key[0];
	cache->key[1] = vm->key[1];
	return cache->slot ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void table_cache_fini(struct table_cache *cache, struct viommu_vm *vm)
{
	vm_dealloc(vm, cache->slot, (cache->mask + 1) * sizeof(*cache->slot));
}

bool table_cache_find(const struct table_cache *cache, struct tlb_space space, uint64_t block,
		      uint64_t map, struct table_place *found)
{
	return table_cache_look(cache, space, block, map, found);
}

void table_cache_add(struct table_cache *cache, struct tlb_space space, uint64_t block,
		     uint64_t map, const struct table_place *place, const _Atomic uint64_t *changes,
		     uint64_t seen)
{
	table_cache_put(cache, space, block, map, place, changes, seen);
}

bool table_cache_remove(struct table_cache *cache, struct tlb_space space, uint64_t first,
			uint64_t last)
{
	return table_cache_remove_now(cache, space, first, last);
}

void table_cache_prefetch(const struct table_cache *cache, uint64_t salt, uint64_t block)
{
	__builtin_prefetch(table_slot_of(cache, salt, block));
}
