/* SPDX-License-Identifier: BSD-3-Clause */
/* context_cache.c - parsed contexts by (device, PASID). */

#include <libvirtiommu/base.h>

#include <stddef.h>
#include <string.h>

#include "context_cache.h"
#include "seqlock.h"
#include "window.h"

uint64_t context_cache_slots(uint32_t entries)
{
	return bits_power_of_two(entries > CONTEXT_WAYS ? entries : CONTEXT_WAYS);
}

void context_cache_attach(struct context_cache *cache, const struct window *window)
{
	*cache = (struct context_cache){
		.slot = window_at(window, window->contexts),
		.mask = window->context_count - 1,
		.key = { window->key[0], window->key[1] },
		.domains = window_at(window, window->domains),
		.domain_mask = window->domain_count - 1,
	};
}

int context_cache_init(struct context_cache *cache, struct viommu_vm *vm,
		       const struct window *window)
{
	context_cache_attach(cache, window);
	cache->whole = vm_alloc(vm, (cache->mask + 1) * sizeof(*cache->whole),
				_Alignof(struct context_words));
	return cache->whole ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void context_cache_fini(struct context_cache *cache, struct viommu_vm *vm)
{
	vm_dealloc(vm, cache->whole, (cache->mask + 1) * sizeof(*cache->whole));
}

bool context_cache_find(const struct context_cache *cache, uint64_t who,
			struct context_entry *found)
{
	return context_cache_look(cache, who, true, found);
}

/* The slot that has it already, else one of the ways by turns. */
static uint64_t choose(const struct context_cache *cache, uint64_t who)
{
	uint64_t set = context_set_of(cache, who);
	const struct context_slot *slot = &cache->slot[set];
	unsigned oldest = 0;

	for (unsigned i = 0; i < CONTEXT_WAYS; i++) {
		if (atomic_load_explicit(&slot[i].who, memory_order_relaxed) == who)
			return set + i;
		if (atomic_load_explicit(&slot[i].version, memory_order_relaxed) <
		    atomic_load_explicit(&slot[oldest].version, memory_order_relaxed))
			oldest = i;
	}
	return set + oldest;
}

void context_cache_add(struct context_cache *cache, uint64_t who, const struct context_entry *entry)
{
	uint64_t index = choose(cache, who);
	struct context_slot *slot = &cache->slot[index];
	uint64_t version;
	uint64_t word[CONTEXT_WORDS];

	/* Someone else is writing here: what we have need not be kept. */
	if (!seq_try_lock(&slot->version, &version))
		return;
	memcpy(word, &entry->context, sizeof(word));
	atomic_store_explicit(&slot->who, who, memory_order_relaxed);
	atomic_store_explicit(&slot->domain, (uint64_t)(entry->domain - cache->domains),
			      memory_order_relaxed);
	atomic_store_explicit(&slot->generation, entry->generation, memory_order_relaxed);
	for (unsigned i = 0; i < CONTEXT_WORDS; i++)
		atomic_store_explicit(&cache->whole[index].word[i], word[i], memory_order_relaxed);
	seq_unlock(&slot->version, version);
}
