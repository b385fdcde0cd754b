/* SPDX-License-Identifier: BSD-3-Clause */
/* mem_map.h - the sorted regions of a VM: an immutable array that is replaced whole when it
 * changes. */
#ifndef MEM_MAP_H
#define MEM_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

struct mem_region {
	uint64_t first;
	uint64_t last;
	unsigned char *host;
	bool readonly;
};

struct mem_map {
	struct mem_map *next; /* in vm->retired */
	uint64_t bytes;	      /* of this allocation */
	uint32_t count;
	struct mem_region region[];
};

/* An empty map; NULL if the allocator says no. */
struct mem_map *mem_map_new(struct viommu_vm *vm, uint32_t count);
void mem_map_free_all(struct viommu_vm *vm, struct mem_map *map);

#endif
