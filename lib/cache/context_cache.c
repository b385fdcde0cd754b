/* SPDX-License-Identifier: BSD-3-Clause */
/* context_cache.c - parsed contexts by (device, PASID). */

#include <libvirtiommu/base.h>

#include <stddef.h>
#include <string.h>

#include "context_cache.h"
#include "seqlock.h"

int context_cache_init(struct context_cache *cache, struct viommu_vm *vm, uint32_t entries)
{
	uint64_t slots = bits_power_of_two(entries > CONTEXT_WAYS ? entries : CONTEXT_WAYS);

	cache->slot = vm_alloc(vm, slots * sizeof(*cache->slot), _Alignof(struct context_slot));
	cache->mask = slots - 1;
	cache->key[0] = vm->key[0];
	cache->key[1] = vm->key[1];
	return cache->slot ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void context_cache_fini(struct context_cache *cache, struct viommu_vm *vm)
{
	vm_dealloc(vm, cache->slot, (cache->mask + 1) * sizeof(*cache->slot));
}

bool context_cache_find(const struct context_cache *cache, uint64_t who,
			struct context_entry *found)
{
	return context_cache_look(cache, who, CONTEXT_WORDS, found);
}

/* The slot that has it already, else one of the ways by turns. */
static struct context_slot *choose(const struct context_cache *cache, uint64_t who)
{
	struct context_slot *slot = context_slots_of(cache, who);
	unsigned oldest = 0;

	for (unsigned i = 0; i < CONTEXT_WAYS; i++) {
		if (atomic_load_explicit(&slot[i].who, memory_order_relaxed) == who)
			return &slot[i];
		if (atomic_load_explicit(&slot[i].version, memory_order_relaxed) <
		    atomic_load_explicit(&slot[oldest].version, memory_order_relaxed))
			oldest = i;
	}
	return &slot[oldest];
}

void context_cache_add(struct context_cache *cache, uint64_t who, const struct context_entry *entry)
{
	struct context_slot *slot = choose(cache, who);
	uint64_t version;
	uint64_t word[CONTEXT_WORDS];

	/* Someone else is writing here: what we have need not be kept. */
	if (!seq_try_lock(&slot->version, &version))
		return;
	memcpy(word, entry, sizeof(word));
	atomic_store_explicit(&slot->who, who, memory_order_relaxed);
	for (unsigned i = 0; i < CONTEXT_WORDS; i++)
		atomic_store_explicit(&slot->word[i], word[i], memory_order_relaxed);
	seq_unlock(&slot->version, version);
}
