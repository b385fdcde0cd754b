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
#include "window.h"

/* What the tables say about a requester. */
struct context {
	struct domain_key key;
	uint64_t flags; /* engine's: what concerns the requester and not the translation */
};

/* A context with its place among the domains: what hits need first. */
struct context_entry {
	struct domain *domain;
	uint64_t
		generation; /* of the partition's and the device's contexts, and the domain's life, summed:
				all of them only grow */
	struct context context;
	uint64_t whole; /* the context is there, too; set by who asks */
};

#define CONTEXT_WORDS (sizeof(struct context) / sizeof(uint64_t))
#define CONTEXT_WAYS  2U

static_assert(sizeof(struct context) % sizeof(uint64_t) == 0, "copied word by word");

/* In a window. The version is odd while a writer has the slot, and what belongs to it elsewhere. */
struct context_slot {
	_Alignas(32) _Atomic uint64_t version;
	_Atomic uint64_t who;
	_Atomic uint64_t domain; /* its index */
	_Atomic uint64_t generation;
};

static_assert(sizeof(struct context_slot) == 32, "the ways of a requester are a cache line");

/* What the tables say, by the index of the slot: the owner's alone. */
struct context_words {
	_Atomic uint64_t word[CONTEXT_WORDS];
};

/* The slots of a window, where this process has it. */
struct context_cache {
	struct context_slot *slot;
	uint64_t mask;
	uint64_t key[2];
	struct domain *domains; /* of the window */
	uint64_t domain_mask;	/* their number - 1 */
	struct context_words *whole;
};

/* @entries: rounded up to a power of two, at least CONTEXT_WAYS */
uint64_t context_cache_slots(uint32_t entries);

/* Without what tables say: for whoever has the window and nothing else. */
void context_cache_attach(struct context_cache *cache, const struct window *window);
int context_cache_init(struct context_cache *cache, struct viommu_vm *vm,
		       const struct window *window);
void context_cache_fini(struct context_cache *cache, struct viommu_vm *vm);

static inline uint64_t context_set_of(const struct context_cache *cache, uint64_t who)
{
	return vm_hash_salted(cache->key, cache->key[1], who) & cache->mask &
	       ~(uint64_t)(CONTEXT_WAYS - 1);
}

/* Copies a slot out, with what the tables say if @whole; false if it is another's or was changed meanwhile. */
static inline __attribute__((always_inline)) bool context_copy(const struct context_cache *cache,
							       uint64_t index, uint64_t who,
							       bool whole,
							       struct context_entry *found)
{
	const struct context_slot *slot = &cache->slot[index];
	uint64_t version = seq_read_begin(&slot->version);
	uint64_t word[CONTEXT_WORDS];
	uint64_t domain, generation;

	if (version == 0 || atomic_load_explicit(&slot->who, memory_order_relaxed) != who)
		return false;
	domain = atomic_load_explicit(&slot->domain, memory_order_relaxed);
	generation = atomic_load_explicit(&slot->generation, memory_order_relaxed);
	for (unsigned i = 0; whole && i < CONTEXT_WORDS; i++)
		word[i] = atomic_load_explicit(&cache->whole[index].word[i], memory_order_relaxed);
	if (!seq_read_valid(&slot->version, version))
		return false;
	found->domain = &cache->domains[domain & cache->domain_mask];
	found->generation = generation;
	if (whole)
		memcpy(&found->context, word, sizeof(word));
	return true;
}

static inline __attribute__((always_inline)) bool context_cache_look(
	const struct context_cache *cache, uint64_t who, bool whole, struct context_entry *found)
{
	uint64_t set = context_set_of(cache, who);

#pragma GCC unroll 2
	for (unsigned i = 0; i < CONTEXT_WAYS; i++) {
		if (context_copy(cache, set + i, who, whole, found))
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
	return context_cache_look(cache, who, false, found);
}

void context_cache_add(struct context_cache *cache, uint64_t who,
		       const struct context_entry *entry);

#endif
