/* SPDX-License-Identifier: BSD-3-Clause */
/* counted_memory.h - an allocator for a VM that knows how much the library has. */
#ifndef BENCH_COUNTED_MEMORY_H
#define BENCH_COUNTED_MEMORY_H

#include <stdint.h>
#include <stdlib.h>

/* viommu_vm_config.alloc; opaque: a uint64_t, the bytes that the library has now. Not memset(): large blocks that
 * nobody has touched stay so. Where calloc() has put a block is kept in front of it. */
static inline void *counted_take(void *opaque, uint64_t bytes, uint64_t align)
{
	uint64_t *allocated = opaque;
	uintptr_t step = align < 16 ? 16 : (uintptr_t)align;
	char *whole = calloc(1, (size_t)bytes + step);
	void **block;

	if (!whole)
		return NULL;
	block = (void **)(void *)(whole + (step - ((uintptr_t)whole & (step - 1))));
	block[-1] = whole;
	*allocated += bytes;
	return block;
}

/* viommu_vm_config.dealloc */
static inline void counted_give(void *opaque, void *block, uint64_t bytes)
{
	uint64_t *allocated = opaque;

	*allocated -= bytes;
	free(((void **)block)[-1]);
}

#endif
