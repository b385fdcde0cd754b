/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * context_cache.h - parsed contexts by (device, PASID): from requester to domain without reading
 * the guest's tables.
 *
 * An entry remembers the generation under which it was parsed, read before the first table load,
 * and the life of the domain that it came to, and is used only while these are current: nothing ever
 * has to be removed. Readers take no lock; they compare once they have read what they need of the
 * domain (unit.h: context_stands()).
 */
#ifndef CONTEXT_CACHE_H
#define CONTEXT_CACHE_H

#include <stddef.h>
#include <string.h>

#include "domain.h"
#include "seqlock.h"

/* What the tables say about a requester. */
struct context {
	struct domain_key key;
	uint64_t flags; /* engine's: what concerns the requester and not the translation */
};

/* A context with its place among the domains: what hits need first. */
struct context_entry {
	struct domain *domain;
	uint64_t
		generation; /* of the IOMMU's and the device's contexts, and the domain's life, summed:
				all of them only grow */
	struct context context;
	uint64_t whole; /* the context is there, too; set by who asks */
};

#define CONTEXT_WORDS	     (sizeof(struct context_entry) / sizeof(uint64_t))
#define CONTEXT_DOMAIN_WORDS (offsetof(struct context_entry, context) / sizeof(uint64_t))
#define CONTEXT_WAYS	     2U

static_assert(sizeof(struct context_entry) % sizeof(uint64_t) == 0, "copied word by word");

/* The version is odd while a writer has the slot. */
struct context_slot {
	_Alignas(128) _Atomic uint64_t version;
	_Atomic uint64_t who;
	_Atomic uint64_t word[CONTEXT_WORDS];
};

static_assert(sizeof(struct context_slot) == 128, "two cache lines");

struct context_cache {
	struct context_slot *slot;
	uint64_t mask;
	uint64_t key[2];
};

int context_cache_init(struct context_cache *cache, struct viommu_vm *vm, uint32_t entries);
void context_cache_fini(struct context_cache *cache, struct viommu_vm *vm);

static inline struct context_slot *context_slots_of(const struct context_cache *cache, uint64_t who)
{
	return &cache->slot[vm_hash_salted(cache->key, cache->key[1], who) & cache->mask &
			    ~(uint64_t)(CONTEXT_WAYS - 1)];
}

/* Copies the first words of a slot out; false if it is another's or was changed meanwhile. */
static inline bool context_copy(const struct context_slot *slot, uint64_t who, unsigned words,
				struct context_entry *found)
{
	uint64_t version = seq_read_begin(&slot->version);
	uint64_t word[CONTEXT_WORDS];

	if (version == 0 || atomic_load_explicit(&slot->who, memory_order_relaxed) != who)
		return false;
	for (unsigned i = 0; i < words; i++)
		word[i] = atomic_load_explicit(&slot->word[i], memory_order_relaxed);
	if (!seq_read_valid(&slot->version, version))
		return false;
	memcpy(found, word, words * sizeof(word[0]));
	return true;
}

static inline bool context_cache_look(const struct context_cache *cache, uint64_t who,
				      unsigned words, struct context_entry *found)
{
	const struct context_slot *slot = context_slots_of(cache, who);

#pragma GCC unroll 2
	for (unsigned i = 0; i < CONTEXT_WAYS; i++) {
		if (context_copy(&slot[i], who, words, found))
			return true;
	}
	return false;
}

/* @who: device serial << 32 | (PASID + 1, or 0). True if there is an entry, of whatever generation.
 */
bool context_cache_find(const struct context_cache *cache, uint64_t who,
			struct context_entry *found);
/* The same, without found->context. */
static inline bool context_cache_find_domain(const struct context_cache *cache, uint64_t who,
					     struct context_entry *found)
{
	return context_cache_look(cache, who, CONTEXT_DOMAIN_WORDS, found);
}

void context_cache_add(struct context_cache *cache, uint64_t who,
		       const struct context_entry *entry);

#endif
