/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_find.c - looking up in range maps, from any thread.
 *
 * An index is followed only after the version has been found unchanged: it is that of a node which
 * was in the map then, and height ends the descent.
 */

#include <stddef.h>

#include "range_node.h"
#include "range_rank.h"
#include "seqlock.h"

enum look { LOOK_CHANGED, LOOK_NONE, LOOK_ITEM };

/* As a version: the map cannot change. It is odd, and so never that of a map that can be read. */
#define STILL UINT64_MAX

static inline bool unchanged(const struct range_map *map, uint64_t version)
{
	return version == STILL || seq_read_valid(&map->version, version);
}

/*
 * The item that ends at or after the address, if it is in the leaf that has the address. *high, if
 * wanted: the last address of that leaf. What is answered has to be validated by the caller once
 * more.
 */
static inline __attribute__((always_inline)) enum look look(const struct range_pool *pool,
							    const struct range_map *map,
							    uint64_t version, uint64_t address,
							    struct range_item *item, uint64_t *high)
{
	uint32_t index = GET(map->root);
	uint32_t height = GET(map->height);
	const struct range_node *node;
	uint32_t at;

	if (high)
		*high = UINT64_MAX;
	if (!unchanged(map, version))
		return LOOK_CHANGED;
	if (!index)
		return LOOK_NONE;
	for (node = range_node(pool, index); height > 0; height--) {
		uint32_t slot = inner_rank(&node->inner, address);

		index = GET(node->inner.child[slot]);
		if (high && slot < INNER_KEYS && GET(node->inner.key[slot]) < *high)
			*high = GET(node->inner.key[slot]);
		if (!unchanged(map, version))
			return LOOK_CHANGED;
		node = range_node(pool, index);
		if (height <= 2)
			range_node_prefetch(node);
	}
	at = leaf_rank(&node->leaf, address);
	if (at >= LEAF_ITEMS || at >= GET(node->count))
		return LOOK_NONE;
	*item = (struct range_item){ .first = GET(node->leaf.pair[at].first),
				     .last = GET(node->leaf.last[at]),
				     .target = GET(node->leaf.pair[at].target),
				     .perm = GET(node->leaf.perm[at]) };
	return LOOK_ITEM;
}

/* The first item that ends at or after the address, in whatever leaf it is. */
static inline __attribute__((always_inline)) enum look look_next(const struct range_pool *pool,
								 const struct range_map *map,
								 uint64_t version, uint64_t address,
								 struct range_item *item)
{
	uint64_t high;
	enum look answer = look(pool, map, version, address, item, &high);

	/* the first item of the next leaf then, since no leaf is empty */
	if (answer == LOOK_NONE && high != UINT64_MAX)
		answer = look(pool, map, version, high + 1, item, &high);
	return answer;
}

static void lock(const struct range_pool *pool)
{
	pthread_mutex_lock(&((struct range_pool *)(uintptr_t)pool)->lock);
}

void range_map_let(const struct range_pool *pool)
{
	pthread_mutex_unlock(&((struct range_pool *)(uintptr_t)pool)->lock);
}

__attribute__((noinline, cold)) bool range_map_hold(const struct range_pool *pool,
						    const struct range_map *map, uint64_t address,
						    struct range_item *found)
{
	lock(pool);
	return look(pool, map, STILL, address, found, NULL) == LOOK_ITEM && found->first <= address;
}

bool range_map_find(const struct range_pool *pool, const struct range_map *map, uint64_t address,
		    struct range_item *found)
{
	bool has;

	for (unsigned i = 0; i < SEQ_TRIES; i++, seq_pause()) {
		uint64_t version = seq_read_begin(&map->version);
		enum look answer = look(pool, map, version, address, found, NULL);

		if (LIKELY(answer != LOOK_CHANGED && seq_read_valid(&map->version, version)))
			return answer == LOOK_ITEM && found->first <= address;
	}
	has = range_map_hold(pool, map, address, found);
	range_map_let(pool);
	return has;
}

bool range_map_next(const struct range_pool *pool, const struct range_map *map, uint64_t address,
		    struct range_item *found)
{
	enum look answer;

	for (unsigned i = 0; i < SEQ_TRIES; i++, seq_pause()) {
		uint64_t version = seq_read_begin(&map->version);

		answer = look_next(pool, map, version, address, found);
		if (answer != LOOK_CHANGED && seq_read_valid(&map->version, version))
			return answer == LOOK_ITEM;
	}
	lock(pool);
	answer = look_next(pool, map, STILL, address, found);
	range_map_let(pool);
	return answer == LOOK_ITEM;
}
