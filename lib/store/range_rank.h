/* SPDX-License-Identifier: BSD-3-Clause */
/* range_rank.h - the search in a node of a range map: how many keys are below an address. */
#ifndef RANGE_RANK_H
#define RANGE_RANK_H

#include "range_node.h"

/*
 * First which block of four keys, then which key of the block: without a branch that depends on
 * keys, and in bounds whatever they are. Written out, since compilers leave such loops as they are.
 */

/* How many of key[step - 1], key[2 * step - 1], and so on, four in all. */
static inline uint32_t range_below4(const _Atomic uint64_t *key, uint32_t step, uint64_t address)
{
	uint32_t a = GET(key[step - 1]) < address;
	uint32_t b = GET(key[2 * step - 1]) < address;
	uint32_t c = GET(key[3 * step - 1]) < address;
	uint32_t d = GET(key[4 * step - 1]) < address;

	return (a + b) + (c + d);
}

static inline uint32_t range_rank_in(const _Atomic uint64_t *key, uint32_t block, uint64_t address)
{
	return block * 4 + range_below4(&key[block * 4], 1, address);
}

/* The first item that ends at or after the address, if the leaf has as many. */
static inline uint32_t leaf_rank(const struct range_leaf *leaf, uint64_t address)
{
	static_assert(LEAF_ITEMS == 20, "five blocks");
	return range_rank_in(leaf->last, range_below4(leaf->last, 4, address), address);
}

/* The child that has the address. */
static inline uint32_t inner_rank(const struct range_inner *inner, uint64_t address)
{
	static_assert(INNER_KEYS == 40, "ten blocks");
	return range_rank_in(inner->key,
			     range_below4(inner->key, 4, address) +
				     range_below4(&inner->key[16], 4, address) +
				     (GET(inner->key[35]) < address),
			     address);
}

#endif
