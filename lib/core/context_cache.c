/* SPDX-License-Identifier: BSD-3-Clause */
/* context_cache.c - parsed contexts by (device, PASID). */

#include <libvirtiommu/base.h>

#include <stddef.h>
#include <string.h>

#include "context_cache.h"
#include "seqlock.h"

#define ENTRY_WORDS  (sizeof(struct context_entry) / sizeof(uint64_t))
#define DOMAIN_WORDS (offsetof(struct context_entry, context) / sizeof(uint64_t))
#define WAYS	     2U

static_assert(sizeof(struct context_entry) % sizeof(uint64_t) == 0, "copied word by word");

/* The version is odd while a writer has the slot. */
struct context_slot {
	_Alignas(128) _Atomic uint64_t version;
	_Atomic uint64_t who;
	_Atomic uint64_t word[ENTRY_WORDS];
};

static_assert(sizeof(struct context_slot) == 128, "two cache lines");

int context_cache_init(struct context_cache *cache, struct viommu_vm *vm, uint32_t entries)
{
	uint64_t slots = WAYS;

	while (slots < entries)
		slots *= 2;
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

static struct context_slot *first_of(const struct context_cache *cache, uint64_t who)
{
	return &cache->slot[vm_hash_salted(cache->key, cache->key[1], who) & cache->mask &
			    ~(uint64_t)(WAYS - 1)];
}

/* Copies the first words of a slot out; false if it is another's or was changed meanwhile. */
static inline bool copy_out(const struct context_slot *slot, uint64_t who, unsigned words,
			    struct context_entry *found)
{
	uint64_t version = seq_read_begin(&slot->version);
	uint64_t word[ENTRY_WORDS];

	if ((version & 1) || version == 0 ||
	    atomic_load_explicit(&slot->who, memory_order_relaxed) != who)
		return false;
	for (unsigned i = 0; i < words; i++)
		word[i] = atomic_load_explicit(&slot->word[i], memory_order_relaxed);
	if (!seq_read_valid(&slot->version, version))
		return false;
	memcpy(found, word, words * sizeof(word[0]));
	return true;
}

static inline bool find(const struct context_cache *cache, uint64_t who, uint64_t generation,
			unsigned words, struct context_entry *found)
{
	const struct context_slot *slot = first_of(cache, who);

	for (unsigned i = 0; i < WAYS; i++) {
		if (copy_out(&slot[i], who, words, found))
			return found->generation == generation;
	}
	return false;
}

bool context_cache_find(const struct context_cache *cache, uint64_t who, uint64_t generation,
			struct context_entry *found)
{
	return find(cache, who, generation, ENTRY_WORDS, found);
}

bool context_cache_find_domain(const struct context_cache *cache, uint64_t who, uint64_t generation,
			       struct context_entry *found)
{
	return find(cache, who, generation, DOMAIN_WORDS, found);
}

/* The slot that has it already, else one of the ways by turns. */
static struct context_slot *choose(const struct context_cache *cache, uint64_t who)
{
	struct context_slot *slot = first_of(cache, who);
	unsigned oldest = 0;

	for (unsigned i = 0; i < WAYS; i++) {
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
	uint64_t word[ENTRY_WORDS];

	/* Someone else is writing here: what we have need not be kept. */
	if (!seq_try_lock(&slot->version, &version))
		return;
	memcpy(word, entry, sizeof(word));
	atomic_store_explicit(&slot->who, who, memory_order_relaxed);
	for (unsigned i = 0; i < ENTRY_WORDS; i++)
		atomic_store_explicit(&slot->word[i], word[i], memory_order_relaxed);
	seq_unlock(&slot->version, version);
}
