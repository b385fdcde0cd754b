/* SPDX-License-Identifier: BSD-3-Clause */
/* range.h - closed ranges [first, last] of 64-bit addresses: sums that can say no. */
#ifndef RANGE_H
#define RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* *sum = a + b; false if that wraps. */
static inline bool range_add(uint64_t a, uint64_t b, uint64_t *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

/* *last = the last address of @bytes bytes from @first; false if bytes is 0 or the range wraps. */
static inline bool range_last(uint64_t first, uint64_t bytes, uint64_t *last)
{
	return bytes != 0 && range_add(first, bytes - 1, last);
}

static inline bool range_overlaps(uint64_t first, uint64_t last, uint64_t other_first,
				  uint64_t other_last)
{
	return first <= other_last && other_first <= last;
}

static inline bool range_contains(uint64_t first, uint64_t last, uint64_t inner_first,
				  uint64_t inner_last)
{
	return first <= inner_first && inner_last <= last;
}

#endif
