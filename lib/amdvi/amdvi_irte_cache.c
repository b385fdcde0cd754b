/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amdvi_irte_cache.c - interrupt table entries that have been read (2.2.5), direct-mapped by requester and index.
 *
 * Only entries that are present and well formed are kept, of tables that are in use. Readers take no lock. An entry
 * is known by a key that has the count of what was invalidated of its requester: taken before the device table is
 * read, so that what was read before an invalidation is never found after it. Nothing has to be removed.
 */

#include "amdvi_engine.h"

int amdvi_irte_cache_init(struct amdvi_irte_cache *cache, struct viommu_vm *vm)
{
	cache->slot = vm_alloc(vm, AMDVI_IRTE_SLOTS * sizeof(*cache->slot),
			       _Alignof(struct amdvi_irte_slot));
	return cache->slot ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void amdvi_irte_cache_fini(struct amdvi_irte_cache *cache, struct viommu_vm *vm)
{
	vm_dealloc(vm, cache->slot, AMDVI_IRTE_SLOTS * sizeof(*cache->slot));
}

void amdvi_irte_cache_add(struct amdvi_irte_cache *cache, uint64_t key, const uint64_t raw[2],
			  const struct viommu_msi *msi)
{
	struct amdvi_irte_slot *slot = amdvi_irte_slot_of(cache, key);
	uint64_t message[AMDVI_MESSAGE_WORDS] = { 0 };
	uint64_t version;

	if (!seq_try_lock(&slot->version, &version))
		return;
	atomic_store_explicit(&slot->key, key, memory_order_relaxed);
	atomic_store_explicit(&slot->word[0], raw[0], memory_order_relaxed);
	atomic_store_explicit(&slot->word[1], raw[1], memory_order_relaxed);
	if (msi)
		memcpy(message, msi, sizeof(message));
	for (unsigned i = 0; i < AMDVI_MESSAGE_WORDS; i++)
		atomic_store_explicit(&slot->message[i], message[i], memory_order_relaxed);
	seq_unlock(&slot->version, version);
}

void amdvi_irte_cache_drop(struct amdvi_irte_cache *cache, uint32_t source)
{
	atomic_fetch_add(&cache->source[source % AMDVI_IRTE_SOURCES], 1);
}

void amdvi_irte_cache_drop_all(struct amdvi_irte_cache *cache)
{
	atomic_fetch_add(&cache->all, 1);
}
