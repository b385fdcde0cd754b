/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_node.h - what range maps are made of: nodes, and the pool they come from.
 *
 * A node is eight cache lines. Its keys are together and sorted; a key that is not in use is
 * UINT64_MAX, so that counting the keys below an address needs no count of those in use.
 *
 *	leaf	last[i]			of item i; then first, target and perm of each
 *	inner	key[i]			child[i] has addresses up to it; the last child has no key
 *
 * What child[i] has: every item in it ends at or before key[i], and every item in child[i + 1]
 * begins after key[i]. A key need not be the end of an item. No node is empty.
 *
 * All fields are written by the one writer and read by anybody, relaxed, under the map's version.
 */
#ifndef RANGE_NODE_H
#define RANGE_NODE_H

#include <pthread.h>

#include "bits.h"
#include "range_map.h"

#define LEAF_ITEMS     20U
#define INNER_KEYS     40U
#define INNER_CHILDREN (INNER_KEYS + 1)

/* Of nodes in a path: more than guests can get, even with two children in each. */
#define RANGE_LEVELS 32U

#define GET(field)	  atomic_load_explicit(&(field), memory_order_relaxed)
#define SET(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

struct range_pair {
	_Atomic uint64_t first;
	_Atomic uint64_t target;
};

struct range_leaf {
	_Atomic uint64_t last[LEAF_ITEMS];
	struct range_pair pair[LEAF_ITEMS];
	_Atomic uint8_t perm[LEAF_ITEMS];
};

struct range_inner {
	_Atomic uint64_t key[INNER_KEYS];
	_Atomic uint32_t child[INNER_CHILDREN];
};

struct range_node {
	_Alignas(64) union {
		struct range_leaf leaf;
		struct range_inner inner;
	};
	_Atomic uint32_t count; /* of items or of children */
	_Atomic uint32_t next;	/* unused nodes: the next one */
};

/* In count of a node that was given whole with those below it: its height above them. */
#define DUMPED_HEIGHT_SHIFT 16U

static_assert(sizeof(struct range_node) == 512, "a node is eight cache lines");

/* ---- the pool ---- */

/* Indices of nodes: CHUNK_LG2 bits within a chunk, of which the first chunks use only the lower
 * part: a small pool is small. */
#define CHUNK_LG2      11U
#define CHUNK_NODES(n) (1U << ((n) + 4 < CHUNK_LG2 ? (n) + 4 : CHUNK_LG2))

struct range_pool {
	struct range_pool_config config;
	/* Readers who get tired of changes: how many, and where they and the writer wait for each
	 * other (range_ask(), change_begin()). The count is written under the lock. */
	_Atomic uint32_t asking;
	pthread_mutex_t lock;
	pthread_cond_t turn;
	uint64_t bytes;	 /* of this */
	uint32_t items;	 /* of all maps */
	uint32_t nodes;	 /* of all maps, and of those below dumped */
	uint32_t dumped; /* a list of trees that are in no map any more, 0: none */
	uint32_t spare;	 /* nodes that can be taken without allocating: */
	uint32_t unused; /* a list of some, 0: none; */
	uint32_t fresh;	 /* and those from here to the end of the newest chunk */
	uint32_t chunks; /* allocated */
	uint32_t chunks_max;
	struct range_node *_Atomic chunk[];
};

static inline struct range_node *range_node(const struct range_pool *pool, uint32_t index)
{
	struct range_node *chunk = GET(pool->chunk[index >> CHUNK_LG2]);

	return &chunk[index & (BIT(CHUNK_LG2) - 1)];
}

/* All lines of a node at once: no processor foresees in which order they will be used. */
static inline void range_node_prefetch(const struct range_node *node)
{
	const char *line = (const char *)node;

	for (unsigned i = 0; i < sizeof(*node); i += 64)
		__builtin_prefetch(line + i);
}

/* Has @count nodes ready for range_node_take(). VIOMMU_OK, VIOMMU_ENOMEM */
int range_pool_reserve(struct range_pool *pool, uint32_t count);

/* A reserved node, its count 0 and its keys unused. */
uint32_t range_node_take(struct range_pool *pool, struct range_node **node);
void range_node_give(struct range_pool *pool, uint32_t index);
/* Gives a node and all that is below it, in no time: what is needed is taken apart later. */
void range_node_dump(struct range_pool *pool, uint32_t index, uint32_t height);

/* ---- readers who ask, and the writer: range_find.c ---- */

/* Before a change: waits until those who ask have found what they look for. After one: wakes them. */
void range_let_in(struct range_pool *pool);
void range_changed(struct range_pool *pool);

#endif
