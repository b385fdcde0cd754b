/* SPDX-License-Identifier: BSD-3-Clause */
/* counted_memory.h - an allocator for a VM that knows how much the library has. */
#ifndef BENCH_COUNTED_MEMORY_H
#define BENCH_COUNTED_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* viommu_vm_config.alloc; opaque: a uint64_t, the bytes that the library has now */
static inline void *counted_take(void *opaque, uint64_t bytes, uint64_t align)
{
	uint64_t *allocated = opaque;
	void *p = NULL;

	if (posix_memalign(&p, align < sizeof(p) ? sizeof(p) : (size_t)align, (size_t)bytes))
		return NULL;
	memset(p, 0, (size_t)bytes);
	*allocated += bytes;
	return p;
}

/* viommu_vm_config.dealloc */
static inline void counted_give(void *opaque, void *block, uint64_t bytes)
{
	uint64_t *allocated = opaque;

	*allocated -= bytes;
	free(block);
}

#endif
