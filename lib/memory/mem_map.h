/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mem_map.h - the sorted regions of a VM.
 *
 * Changed in place under vm->map_version (seqlock.h). Arrays that have become too small are kept
 * until the VM is freed, so that a reader needs no section to look a region up; it needs one to use
 * the host pointer.
 */
#ifndef MEM_MAP_H
#define MEM_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

#define MEM_REGION_READONLY 1U /* in the low bits of host, which is aligned to 16 */

struct mem_region {
	_Atomic uint64_t first;
	_Atomic uint64_t last;
	_Atomic uintptr_t host; /* | MEM_REGION_READONLY */
	_Atomic(void *) opaque; /* the VMM's */
	_Atomic uint64_t stamp; /* of this memory: never the same twice in a VM */
};

struct mem_map {
	struct mem_map *next; /* in vm->maps */
	uint32_t capacity;
	_Atomic uint32_t count;
	struct mem_region region[];
};

/* An empty map; NULL if the allocator says no. */
struct mem_map *mem_map_new(struct viommu_vm *vm, uint32_t capacity);
void mem_map_free_all(struct viommu_vm *vm);

static inline bool mem_map_below(const struct mem_map *map, uint32_t i, uint64_t gpa)
{
	return atomic_load_explicit(&map->region[i].last, memory_order_relaxed) < gpa;
}

/* Index of the first region that ends at or after gpa; count if there is none. At most
 * log2(count) + 1 steps. */
static inline uint32_t mem_map_search(const struct mem_map *map, uint32_t count, uint64_t gpa)
{
	uint32_t low = 0;

	/* added, not branched on: which way it goes cannot be predicted */
	for (uint32_t n = count; n > 1; n -= n / 2)
		low += n / 2 & -(uint32_t)mem_map_below(map, low + n / 2 - 1, gpa);
	return count ? low + mem_map_below(map, low, gpa) : 0;
}

#endif
