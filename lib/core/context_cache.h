/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * context_cache.h - parsed contexts by (device, PASID): from requester to domain without reading
 * the guest's tables.
 *
 * An entry remembers the generation under which it was parsed, read before the first table load,
 * and is used only while that is current: nothing ever has to be removed. Readers take no lock.
 */
#ifndef CONTEXT_CACHE_H
#define CONTEXT_CACHE_H

#include "domain.h"

/* What the tables say about a requester. */
struct context {
	struct domain_key key;
	uint64_t flags; /* engine's: what concerns the requester and not the translation */
};

/* A context with its place among the domains: what hits need first. */
struct context_entry {
	struct domain *domain;
	uint64_t generation; /* of the IOMMU's and the device's contexts, summed: both only grow */
	struct context context;
	uint64_t whole; /* the context is there, too; set by who asks */
};

struct context_slot;

struct context_cache {
	struct context_slot *slot;
	uint64_t mask;
	uint64_t key[2];
};

int context_cache_init(struct context_cache *cache, struct viommu_vm *vm, uint32_t entries);
void context_cache_fini(struct context_cache *cache, struct viommu_vm *vm);

/* @who: device serial << 32 | (PASID + 1, or 0). True if there is an entry of this generation. */
bool context_cache_find(const struct context_cache *cache, uint64_t who, uint64_t generation,
			struct context_entry *found);
/* The same, without found->context. */
bool context_cache_find_domain(const struct context_cache *cache, uint64_t who, uint64_t generation,
			       struct context_entry *found);
void context_cache_add(struct context_cache *cache, uint64_t who,
		       const struct context_entry *entry);

#endif
