/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_irte_cache.c - interrupt remapping table entries that have been read (6.5.2.7): direct-mapped
 * by index.
 *
 * Only entries that are present and well formed are kept. Readers take no lock. The fill rule is
 * that of the TLB: the count of changes is read before the entry, and compared under the slot's
 * lock; an invalidation counts a change before it visits the slot. A fill that finds the slot locked
 * is dropped; an invalidation that does moves the generation: the owner of the lock took its key
 * before it compared the count, so that what it is about to store will not be found.
 */

#include <string.h>

#include "vtd_engine.h"

/* Up to as many indices as this are dropped one by one; more: all. */
#define DROP_MAX 64U

int vtd_irte_cache_init(struct vtd_irte_cache *cache, struct viommu_vm *vm)
{
	cache->slot =
		vm_alloc(vm, VTD_IRTE_SLOTS * sizeof(*cache->slot), _Alignof(struct vtd_irte_slot));
	return cache->slot ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void vtd_irte_cache_fini(struct vtd_irte_cache *cache, struct viommu_vm *vm)
{
	vm_dealloc(vm, cache->slot, VTD_IRTE_SLOTS * sizeof(*cache->slot));
}

uint64_t vtd_irte_cache_begin(const struct vtd_irte_cache *cache)
{
	return atomic_load_explicit(&cache->changes, memory_order_acquire);
}

bool vtd_irte_cache_find(const struct vtd_irte_cache *cache, uint32_t index, uint64_t raw[2])
{
	const struct vtd_irte_slot *slot = vtd_irte_slot_of(cache, index);
	uint64_t key = vtd_irte_cache_key(cache, index);
	uint64_t version = seq_read_begin(&slot->version);

	if (atomic_load_explicit(&slot->key, memory_order_relaxed) != key)
		return false;
	raw[0] = atomic_load_explicit(&slot->word[0], memory_order_relaxed);
	raw[1] = atomic_load_explicit(&slot->word[1], memory_order_relaxed);
	return seq_read_valid(&slot->version, version);
}

void vtd_irte_cache_add(struct vtd_irte_cache *cache, uint32_t index, const uint64_t raw[2],
			const struct viommu_msi *msi, uint64_t seen)
{
	uint64_t message[VTD_MESSAGE_WORDS];
	struct vtd_irte_slot *slot = vtd_irte_slot_of(cache, index);
	uint64_t key = vtd_irte_cache_key(cache, index);
	uint64_t version;

	if (!seq_try_lock(&slot->version, &version))
		return;
	if (atomic_load(&cache->changes) == seen) {
		atomic_store_explicit(&slot->key, key, memory_order_relaxed);
		atomic_store_explicit(&slot->word[0], raw[0], memory_order_relaxed);
		atomic_store_explicit(&slot->word[1], raw[1], memory_order_relaxed);
		memcpy(message, msi, sizeof(message));
		for (unsigned i = 0; i < VTD_MESSAGE_WORDS; i++)
			atomic_store_explicit(&slot->message[i], message[i], memory_order_relaxed);
	}
	seq_unlock(&slot->version, version);
}

static bool drop_one(struct vtd_irte_cache *cache, uint32_t index)
{
	struct vtd_irte_slot *slot = vtd_irte_slot_of(cache, index);
	uint64_t version;

	if (!seq_lock_soon(&slot->version, &version))
		return false;
	if ((atomic_load_explicit(&slot->key, memory_order_relaxed) & 0xffff) == index)
		atomic_store_explicit(&slot->key, 0, memory_order_relaxed);
	seq_unlock(&slot->version, version);
	return true;
}

void vtd_irte_cache_drop(struct vtd_irte_cache *cache, uint32_t first, uint32_t last)
{
	bool dropped = last - first < DROP_MAX;

	atomic_fetch_add(&cache->changes, 1);
	for (uint32_t index = first; dropped && index <= last; index++)
		dropped = drop_one(cache, index);
	if (!dropped)
		atomic_fetch_add(&cache->generation, 1);
}
