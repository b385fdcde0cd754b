/* SPDX-License-Identifier: BSD-3-Clause */
/* abi.h - structures that begin with their size: older and newer callers. */
#ifndef ABI_H
#define ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For arguments of what every DMA calls: a comparison and a branch for each. Compilers would make one branch of
 * them, at twice the instructions. */
static inline __attribute__((always_inline)) bool is_null(const void *argument)
{
	__asm__ volatile("");
	return __builtin_expect(argument == NULL, 0);
}

/*
 * Copies a caller's structure that begins with uint32_t size into ours of @size bytes. A shorter
 * one is an older caller: the rest reads as zero; it must have at least @least bytes. A longer one
 * is a newer caller: what we do not know must be zero. Returns VIOMMU_OK, VIOMMU_EINVAL (NULL) or
 * VIOMMU_ESIZE.
 */
int abi_take(void *ours, uint32_t size, uint32_t least, const void *theirs);

/*
 * Fills a caller's structure, whose size is set, from ours of @size bytes: an older caller gets the
 * beginning, a newer one zeros behind it. Its size stays. Returns as abi_take().
 */
int abi_give(void *theirs, const void *ours, uint32_t size);

#endif
