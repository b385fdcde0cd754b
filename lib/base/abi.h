/* SPDX-License-Identifier: BSD-3-Clause */
/* abi.h - structures that begin with their size: older and newer callers. */
#ifndef ABI_H
#define ABI_H

#include <stdint.h>

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
