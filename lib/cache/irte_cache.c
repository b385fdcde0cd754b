/* SPDX-License-Identifier: BSD-3-Clause */
/* irte_cache.c - interrupt table entries that have been read. */

#include "irte_cache.h"

/* Up to as many groups as this are dropped one by one; more: all. */
#define DROP_MAX 64U

int irte_cache_init(struct irte_cache *cache, struct viommu_vm *vm)
{
	atomic_store(&cache->all, 1);
	cache->slot = vm_alloc(vm, IRTE_SLOTS * sizeof(*cache->slot), _Alignof(struct irte_slot));
	return cache->slot ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void irte_cache_fini(struct irte_cache *cache, struct viommu_vm *vm)
{
	vm_dealloc(vm, cache->slot, IRTE_SLOTS * sizeof(*cache->slot));
}

bool irte_cache_find(const struct irte_cache *cache, const struct irte_key *key, uint64_t raw[2])
{
	const struct irte_slot *slot = irte_slot_of(cache, key);
	uint64_t version = seq_read_begin(&slot->version);

	if (!irte_slot_is(slot, key))
		return false;
	raw[0] = atomic_load_explicit(&slot->raw[0], memory_order_relaxed);
	raw[1] = atomic_load_explicit(&slot->raw[1], memory_order_relaxed);
	return seq_read_valid(&slot->version, version);
}

void irte_cache_drop(struct irte_cache *cache, uint32_t first, uint32_t last)
{
	if (last - first >= DROP_MAX) {
		irte_cache_drop_all(cache);
		return;
	}
	for (uint32_t i = 0; i <= last - first; i++)
		atomic_fetch_add(&cache->group[(first + i) % IRTE_GROUPS], 1);
}

void irte_cache_drop_all(struct irte_cache *cache)
{
	atomic_fetch_add(&cache->all, 1);
}
