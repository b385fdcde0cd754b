/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_tree.h - what adding to range maps and removing from them have in common; for the writer.
 *
 * The writer remembers the leaf it added to last and the one it removed from last, and which
 * addresses are theirs: neighbours are added and removed without a descent. A leaf may have more
 * than is remembered of it, never less.
 */
#ifndef RANGE_TREE_H
#define RANGE_TREE_H

#include "range_rank.h"
#include "seqlock.h"

/* From a leaf, level 0, up to the root. */
struct path {
	struct {
		uint32_t node;
		uint32_t slot; /* which child of it is the node below */
	} at[RANGE_LEVELS];
	uint32_t height;
};

/* ---- a change ---- */

/*
 * There is one writer, and it takes no lock unless a reader has asked it to wait (range_find.c). What a
 * reader finds is right by the version alone; asking only sees to it that he comes to an end. So the
 * count needs no fence on this side: every store is seen some time, after a change or two, and from then
 * on no change begins before the reader has what he wants. Whoever misses that a change has ended, since
 * he asked at that moment, looks again by himself.
 */
static inline void change_begin(struct range_pool *pool, struct range_map *map)
{
	if (UNLIKELY(GET(pool->asking)))
		range_let_in(pool);
	seq_write_begin(&map->version);
}

static inline void change_end(struct range_pool *pool, struct range_map *map)
{
	seq_write_end(&map->version);
	if (UNLIKELY(GET(pool->asking)))
		range_changed(pool);
}

/* ---- moving ---- */

static inline void copy_item(struct range_leaf *to, uint64_t i, const struct range_leaf *from,
			     uint64_t j)
{
	SET(to->last[i], GET(from->last[j]));
	SET(to->pair[i].first, GET(from->pair[j].first));
	SET(to->pair[i].target, GET(from->pair[j].target));
	SET(to->perm[i], GET(from->perm[j]));
}

/* Items [from, to) go. One at a time is the usual case. */
static inline void leaf_remove(struct range_node *node, uint32_t from, uint32_t to)
{
	uint32_t count = GET(node->count);
	uint32_t left = count - (to - from);

	if (LIKELY(to - from == 1)) {
#pragma GCC unroll 4
		for (uint64_t i = from; i < left; i++)
			copy_item(&node->leaf, i, &node->leaf, i + 1);
	} else {
		for (uint64_t i = from; i < left; i++)
			copy_item(&node->leaf, i, &node->leaf, i + (to - from));
	}
	for (uint32_t i = left; i < count; i++)
		SET(node->leaf.last[i], UINT64_MAX);
	SET(node->count, left);
}

/* Items from @at on go to the end of another leaf. */
static inline void leaf_move(struct range_node *node, uint32_t at, struct range_node *to)
{
	uint32_t count = GET(node->count);
	uint32_t has = GET(to->count);

	for (uint32_t i = at; i < count; i++) {
		copy_item(&to->leaf, has++, &node->leaf, i);
		SET(node->leaf.last[i], UINT64_MAX);
	}
	SET(to->count, has);
	SET(node->count, at);
}

/* Children from @at on go to the end of another node; @between: the key before them there, if there
 * are others. Returns the key that was before them here. */
static inline uint64_t inner_move(struct range_node *node, uint32_t at, struct range_node *to,
				  uint64_t between)
{
	struct range_inner *from = &node->inner;
	uint32_t count = GET(node->count);
	uint32_t has = GET(to->count);
	uint64_t before = at ? GET(from->key[at - 1]) : 0;

	for (uint32_t i = at; i < count; i++, has++) {
		if (has)
			SET(to->inner.key[has - 1], i == at ? between : GET(from->key[i - 1]));
		SET(to->inner.child[has], GET(from->child[i]));
	}
	for (uint32_t i = at ? at - 1 : 0; i + 1 < count; i++)
		SET(from->key[i], UINT64_MAX);
	SET(to->count, has);
	SET(node->count, at);
	return before;
}

/* ---- finding the leaf ---- */

/* Goes down to the leaf that has the address. At most RANGE_LEVELS steps. */
static inline struct range_hint descend(const struct range_pool *pool, const struct range_map *map,
					uint64_t address, struct path *path)
{
	struct range_hint hint = { .leaf = GET(map->root), .high = UINT64_MAX };

	path->height = GET(map->height);
	for (uint32_t level = path->height; level > 0; level--) {
		const struct range_node *node = range_node(pool, hint.leaf);
		uint32_t slot = inner_rank(&node->inner, address);

		path->at[level].node = hint.leaf;
		path->at[level].slot = slot;
		hint.leaf = GET(node->inner.child[slot]);
		if (level == 1)
			range_node_prefetch(range_node(pool, hint.leaf));
		if (slot > 0)
			hint.low = GET(node->inner.key[slot - 1]) + 1;
		if (slot + 1 < GET(node->count))
			hint.high = GET(node->inner.key[slot]);
	}
	path->at[0].node = hint.leaf;
	return hint;
}

static __attribute__((noinline)) void remember(const struct range_pool *pool,
					       const struct range_map *map, struct range_hint *hint,
					       uint64_t address)
{
	struct path path;

	*hint = descend(pool, map, address, &path);
}

/* The leaf that has the address, if the map is not empty: the one that is remembered, else that
 * which is remembered then. */
static inline __attribute__((always_inline)) struct range_node *leaf_of(
	const struct range_pool *pool, const struct range_map *map, struct range_hint *hint,
	uint64_t address)
{
	if (UNLIKELY(!hint->leaf || address < hint->low || address > hint->high))
		remember(pool, map, hint, address);
	return range_node(pool, hint->leaf);
}

/* The leaf is gone, or has fewer addresses. */
static inline void forget(struct range_map *map, uint32_t leaf)
{
	if (map->adding.leaf == leaf)
		map->adding.leaf = 0;
	if (map->removing.leaf == leaf)
		map->removing.leaf = 0;
}

#endif
