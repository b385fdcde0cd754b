/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_map.c - closed ranges of addresses to targets: adding. Removing is range_remove.c, looking
 * up range_find.c.
 *
 * A full leaf is split where things are being added, at its ends or beside what was added last, so
 * that items added in order fill their leaves.
 */

#include <libvirtiommu/base.h>

#include "range_tree.h"

/* Items that are worth moving to a neighbour. */
#define SPILL_LEAST 2U

/* ---- nodes ---- */

static void put_item(struct range_leaf *leaf, uint32_t i, const struct range_item *item)
{
	SET(leaf->last[i], item->last);
	SET(leaf->pair[i].first, item->first);
	SET(leaf->pair[i].target, item->target);
	SET(leaf->perm[i], (uint8_t)item->perm);
}

static void leaf_insert(struct range_node *node, uint32_t at, const struct range_item *item)
{
	uint32_t count = GET(node->count);

#pragma GCC unroll 4
	for (uint64_t i = count; i > at; i--)
		copy_item(&node->leaf, i, &node->leaf, i - 1);
	put_item(&node->leaf, at, item);
	SET(node->count, count + 1);
}

/* The key goes to its slot, the child to its: the one before the key or the one behind. */
static void inner_insert(struct range_node *node, uint32_t key_slot, uint64_t key,
			 uint32_t child_slot, uint32_t child)
{
	struct range_inner *inner = &node->inner;
	uint32_t count = GET(node->count);

	for (uint32_t i = count; i > child_slot; i--)
		SET(inner->child[i], GET(inner->child[i - 1]));
	for (uint32_t i = count - 1; i > key_slot; i--)
		SET(inner->key[i], GET(inner->key[i - 1]));
	SET(inner->child[child_slot], child);
	SET(inner->key[key_slot], key);
	SET(node->count, count + 1);
}

/* ---- splitting ---- */

/* The leaf was split: its new neighbour goes into the node above it, which may have to be split for
 * that, and so on. What this takes has been reserved. */
struct growth {
	uint64_t key;  /* between the node and */
	uint32_t node; /* its new neighbour, */
	bool left;     /* which is on this side */
};

/* A full inner node gives half of its children to a new neighbour, or none if the new child is the
 * only one there. */
static struct growth inner_split(struct range_pool *pool, uint32_t index, uint32_t slot,
				 const struct growth *g)
{
	struct range_node *node = range_node(pool, index);
	struct range_node *fresh;
	struct growth up = { .node = range_node_take(pool, &fresh) };
	uint32_t child_slot = slot + !g->left;
	uint32_t half = INNER_CHILDREN / 2;

	if (child_slot == 0 || child_slot == INNER_CHILDREN) {
		SET(fresh->inner.child[0], g->node);
		SET(fresh->count, 1);
		up.key = g->key;
		up.left = g->left;
		return up;
	}
	up.key = inner_move(node, half, fresh, 0);
	if (slot < half)
		inner_insert(node, slot, g->key, child_slot, g->node);
	else
		inner_insert(fresh, slot - half, g->key, child_slot - half, g->node);
	return up;
}

static void new_root(struct range_pool *pool, struct range_map *map, const struct growth *g)
{
	uint32_t root = GET(map->root);
	struct range_node *node;
	uint32_t index = range_node_take(pool, &node);

	SET(node->inner.child[0], g->left ? g->node : root);
	SET(node->inner.child[1], g->left ? root : g->node);
	SET(node->inner.key[0], g->key);
	SET(node->count, 2);
	SET(map->root, index);
	SET(map->height, GET(map->height) + 1);
}

static void grow(struct range_pool *pool, struct range_map *map, const struct path *path,
		 struct growth g)
{
	for (uint32_t level = 1; level <= path->height; level++) {
		struct range_node *node = range_node(pool, path->at[level].node);
		uint32_t slot = path->at[level].slot;

		if (GET(node->count) < INNER_CHILDREN) {
			inner_insert(node, slot, g.key, slot + !g.left, g.node);
			return;
		}
		g = inner_split(pool, path->at[level].node, slot, &g);
	}
	new_root(pool, map, &g);
}

/* Nodes that splitting the leaf of the path takes. */
static uint32_t nodes_to_split(const struct range_pool *pool, const struct path *path)
{
	uint32_t nodes = 1;

	for (uint32_t level = 1; level <= path->height; level++, nodes++)
		if (GET(range_node(pool, path->at[level].node)->count) < INNER_CHILDREN)
			return nodes;
	return nodes + 1;
}

/*
 * Splits the full leaf and adds the item, which belongs at @at. Where the split is, and the key
 * there, is so that more of the same fills leaves: in ascending order, the gap behind the item is
 * the left leaf's; in descending order, the gap before it is the right leaf's.
 */
static struct growth leaf_split(struct range_pool *pool, const struct range_map *map,
				struct range_node *node, uint32_t at, const struct range_item *item)
{
	const struct range_leaf *leaf = &node->leaf;
	struct range_node *fresh;
	struct growth g = { .node = range_node_take(pool, &fresh), .left = at == 0 };
	uint32_t half = LEAF_ITEMS / 2;

	if (at == 0 || at == LEAF_ITEMS) {
		g.key = at ? GET(leaf->last[at - 1]) : GET(leaf->pair[0].first) - 1;
		leaf_insert(fresh, 0, item);
		return g;
	}
	if (GET(leaf->pair[at - 1].first) == map->added) {
		g.key = GET(leaf->pair[at].first) - 1;
		leaf_move(node, at, fresh);
		leaf_insert(node, at, item);
		return g;
	}
	if (GET(leaf->pair[at].first) == map->added)
		half = at;
	g.key = GET(leaf->last[half - 1]);
	leaf_move(node, half, fresh);
	leaf_insert(at < half ? node : fresh, at < half ? at : at - half, item);
	return g;
}

/* The half of the split leaf that the item is in. */
static void remember_half(struct range_map *map, struct range_hint hint, const struct growth *g,
			  uint64_t address)
{
	bool left = address <= g->key;

	forget(map, hint.leaf);
	if (left)
		hint.high = g->key;
	else
		hint.low = g->key + 1;
	if (left == g->left)
		hint.leaf = g->node;
	map->adding = hint;
}

/*
 * Things are being added anywhere: rather than to split the full leaf, half of what its left
 * neighbour has room for goes there, and the item to where it belongs then. False if the leaf has
 * to be split.
 */
static bool leaf_spill(struct range_pool *pool, struct range_map *map, const struct path *path,
		       uint32_t at, const struct range_item *item)
{
	uint32_t slot = path->height ? path->at[1].slot : 0;
	struct range_node *node = range_node(pool, path->at[0].node);
	struct range_node *parent, *to;
	uint32_t has, moved;

	if (slot == 0 || at == 0 || at == LEAF_ITEMS ||
	    GET(node->leaf.pair[at - 1].first) == map->added ||
	    GET(node->leaf.pair[at].first) == map->added)
		return false;
	parent = range_node(pool, path->at[1].node);
	to = range_node(pool, GET(parent->inner.child[slot - 1]));
	has = GET(to->count);
	moved = (LEAF_ITEMS - has) / 2;
	if (moved < SPILL_LEAST)
		return false;
	SET(parent->inner.key[slot - 1], GET(node->leaf.last[moved - 1]));
	for (uint32_t i = 0; i < moved; i++)
		copy_item(&to->leaf, has + i, &node->leaf, i);
	SET(to->count, has + moved);
	leaf_remove(node, 0, moved);
	leaf_insert(at < moved ? to : node, at < moved ? has + at : at - moved, item);
	forget(map, path->at[0].node);
	return true;
}

/* The leaf of the path has addresses up to @last from now on, at the cost of its neighbour, which
 * has no item there. */
static void raise_key(struct range_pool *pool, struct range_map *map, const struct path *path,
		      uint64_t last)
{
	for (uint32_t level = 1; level <= path->height; level++) {
		struct range_node *node = range_node(pool, path->at[level].node);
		uint32_t slot = path->at[level].slot;

		if (slot + 1 < GET(node->count)) {
			SET(node->inner.key[slot], last);
			break;
		}
	}
	map->removing.leaf = 0; /* may be the neighbour */
}

static int add_first(struct range_pool *pool, struct range_map *map, const struct range_item *item)
{
	struct range_node *node;
	uint32_t index;

	if (range_pool_reserve(pool, 1) != VIOMMU_OK)
		return VIOMMU_ENOMEM;
	index = range_node_take(pool, &node);
	change_begin(pool, map);
	leaf_insert(node, 0, item);
	SET(map->root, index);
	change_end(pool, map);
	map->adding = (struct range_hint){ .leaf = index, .high = UINT64_MAX };
	return VIOMMU_OK;
}

/* The leaf is full, or the item ends behind its addresses. @at: the item's place in the leaf */
static int add_growing(struct range_pool *pool, struct range_map *map, uint32_t at,
		       const struct range_item *item)
{
	struct path path;
	struct range_hint hint = descend(pool, map, item->first, &path);
	struct range_node *node = range_node(pool, hint.leaf);
	bool full = GET(node->count) == LEAF_ITEMS;
	struct growth g;

	if (full && (path.height + 1 == RANGE_LEVELS ||
		     range_pool_reserve(pool, nodes_to_split(pool, &path)) != VIOMMU_OK))
		return VIOMMU_ENOMEM;
	change_begin(pool, map);
	if (item->last > hint.high) {
		raise_key(pool, map, &path, item->last);
		hint.high = item->last;
	}
	map->adding = hint;
	if (full && !leaf_spill(pool, map, &path, at, item)) {
		g = leaf_split(pool, map, node, at, item);
		grow(pool, map, &path, g);
		remember_half(map, hint, &g, item->first);
	} else if (!full) {
		leaf_insert(node, at, item);
	}
	change_end(pool, map);
	return VIOMMU_OK;
}

/* The item is to be the last in the remembered leaf and ends behind what is remembered: whether the
 * first item of the next leaf begins in it. */
static bool next_overlaps(const struct range_pool *pool, struct range_map *map,
			  const struct range_item *item)
{
	struct path path;
	uint32_t leaf;

	map->adding = descend(pool, map, item->first, &path);
	if (item->last <= map->adding.high)
		return false;
	leaf = descend(pool, map, map->adding.high + 1, &path).leaf;
	return GET(range_node(pool, leaf)->leaf.pair[0].first) <= item->last;
}

static int add_to_leaf(struct range_pool *pool, struct range_map *map,
		       const struct range_item *item)
{
	struct range_node *node = leaf_of(pool, map, &map->adding, item->first);
	uint32_t count = GET(node->count);
	uint32_t at = leaf_rank(&node->leaf, item->first);

	if (at < count ? GET(node->leaf.pair[at].first) <= item->last
		       : item->last > map->adding.high && next_overlaps(pool, map, item))
		return VIOMMU_EEXIST;
	if (pool->items >= pool->config.items)
		return VIOMMU_ELIMIT;
	if (UNLIKELY(count == LEAF_ITEMS || (at == count && item->last > map->adding.high)))
		return add_growing(pool, map, at, item);
	change_begin(pool, map);
	leaf_insert(node, at, item);
	change_end(pool, map);
	return VIOMMU_OK;
}

int range_map_add(struct range_pool *pool, struct range_map *map, const struct range_item *item)
{
	int result;

	if (item->last < item->first || item->perm > UINT8_MAX)
		return VIOMMU_EINVAL;
	if (map->count)
		result = add_to_leaf(pool, map, item);
	else if (pool->items >= pool->config.items)
		result = VIOMMU_ELIMIT;
	else
		result = add_first(pool, map, item);
	if (result != VIOMMU_OK)
		return result;
	map->added = item->first;
	map->count++;
	pool->items++;
	return VIOMMU_OK;
}

void range_map_set_perm(struct range_pool *pool, struct range_map *map, uint64_t address,
			uint32_t perm)
{
	struct range_node *node;
	uint32_t at;

	if (NEVER(perm > UINT8_MAX) || !map->count)
		return;
	node = leaf_of(pool, map, &map->removing, address);
	at = leaf_rank(&node->leaf, address);
	if (at == GET(node->count) || GET(node->leaf.pair[at].first) > address)
		return;
	change_begin(pool, map);
	SET(node->leaf.perm[at], (uint8_t)perm);
	change_end(pool, map);
}

int range_map_reserve(struct range_pool *pool, const struct range_map *map, uint32_t adds)
{
	/* each splits a node of every level at most, and may make a new root */
	return range_pool_reserve(pool, adds * (GET(map->height) + 1 + adds));
}

void range_map_move(struct range_pool *pool, struct range_map *to, struct range_map *from)
{
	change_begin(pool, to);
	SET(to->root, GET(from->root));
	SET(to->height, GET(from->height));
	to->count = from->count;
	to->adding = from->adding;
	to->removing = from->removing;
	to->added = from->added;
	change_end(pool, to);
	*from = (struct range_map){ .count = 0 };
}
