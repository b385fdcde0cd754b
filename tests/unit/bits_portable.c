/* SPDX-License-Identifier: BSD-3-Clause */
/* bits_portable.c - bits_index_mask() as processors that it has no instructions for get it, for test_index_mask.c. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#undef __x86_64__
#undef __aarch64__
#include "bits.h"

uint64_t bits_index_mask_portable(uint64_t index, uint64_t count);

uint64_t bits_index_mask_portable(uint64_t index, uint64_t count)
{
	return bits_index_mask(index, count);
}
