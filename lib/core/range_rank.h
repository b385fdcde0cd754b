/* SPDX-License-Identifier: BSD-3-Clause */
/* range_rank.h - the search in a node of a range map: how many keys are below an address. */
#ifndef RANGE_RANK_H
#define RANGE_RANK_H

#include "range_node.h"

/*
 * First which block of keys, then which key of the block: without a branch that depends on keys,
 * and in bounds whatever they are. @count: a multiple of RANK_BLOCK
 */
static inline uint32_t range_rank(const _Atomic uint64_t *key, uint32_t count, uint64_t address)
{
	uint32_t below = 0;

	for (uint32_t i = RANK_BLOCK - 1; i + RANK_BLOCK < count; i += RANK_BLOCK)
		below += atomic_load_explicit(&key[i], memory_order_relaxed) < address;
	key += below * RANK_BLOCK;
	below *= RANK_BLOCK;
	for (uint32_t i = 0; i < RANK_BLOCK; i++)
		below += atomic_load_explicit(&key[i], memory_order_relaxed) < address;
	return below;
}

/* The first item that ends at or after the address, if the leaf has as many. */
static inline uint32_t leaf_rank(const struct range_leaf *leaf, uint64_t address)
{
	return range_rank(leaf->last, LEAF_ITEMS, address);
}

/* The child that has the address. */
static inline uint32_t inner_rank(const struct range_inner *inner, uint64_t address)
{
	return range_rank(inner->key, INNER_KEYS, address);
}

#endif
