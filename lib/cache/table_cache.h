/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * table_cache.h - the paging-structure cache of an IOMMU: which table has the entries of an
 * address, so that a miss where something near has been translated before is one load.
 *
 * Direct-mapped slots of one cache line, found by (space, block): the block is what one
 * lowest-level table maps. The fill rule is that of the TLB: domain.changes are compared under the
 * slot's lock; and so is what happens when somebody has that lock. A slot has a host pointer, so it is right for one version of the memory map only,
 * and the cache stays in this process.
 */
#ifndef TABLE_CACHE_H
#define TABLE_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine.h"
#include "tlb.h"

/* A table of the lowest level, and what the entries that lead to it have in common. */
struct table_place {
	uint64_t table;		   /* its address, as the level above has it */
	uint64_t gpa;		   /* the same in guest-physical memory: after stage 2, if nested */
	const unsigned char *host; /* the same in host memory */
	uint8_t perm;		   /* PERM_* of all levels above */
};

struct table_slot;

struct table_cache {
	struct table_slot *slot;
	uint64_t mask;
	uint64_t key[2];
};

/* @entries: rounded up to a power of two. VIOMMU_OK or VIOMMU_ENOMEM */
int table_cache_init(struct table_cache *cache, struct viommu_vm *vm, uint32_t entries);
void table_cache_fini(struct table_cache *cache, struct viommu_vm *vm);

/* @block: iova >> block_lg2, a number that belongs to one geometry: that of the domain. @map: the
 * version of the memory map, read inside the section that uses the host pointer. */
bool table_cache_find(const struct table_cache *cache, struct tlb_space space, uint64_t block,
		      uint64_t map, struct table_place *found);

/* Keeps a place unless *changes is no longer @seen, or somebody is writing in its slot. */
void table_cache_add(struct table_cache *cache, struct tlb_space space, uint64_t block,
		     uint64_t map, const struct table_place *place, const _Atomic uint64_t *changes,
		     uint64_t seen);

/* Removes the blocks [first, last]; the caller counted a change before, and bounds the number.
 * False: as of tlb_remove(). */
bool table_cache_remove(struct table_cache *cache, struct tlb_space space, uint64_t first,
			uint64_t last);

/* Has the processor fetch what table_cache_find() will look at. */
void table_cache_prefetch(const struct table_cache *cache, uint64_t salt, uint64_t block);

#endif
