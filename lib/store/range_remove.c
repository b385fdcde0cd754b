/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_remove.c - range maps: removing. A node that becomes thin is merged with a neighbour that
 * is not much fuller; one that becomes empty goes.
 */

#include <libvirtiommu/base.h>

#include "range_tree.h"

/* A node that has just become as thin as this is merged with a neighbour if together they have not
 * more than twice as many. Of two neighbours below the same node one has more, then, whatever
 * happens. */
#define LEAF_THIN  7U
#define INNER_THIN 15U

/* The item that ends at or after the address, if it is in the leaf that has the address. */
static inline __attribute__((always_inline)) bool peek(const struct range_pool *pool,
						       struct range_map *map, uint64_t address,
						       uint64_t *first, uint64_t *last)
{
	const struct range_node *node = leaf_of(pool, map, &map->removing, address);
	uint32_t at = leaf_rank(&node->leaf, address);

	if (at >= GET(node->count))
		return false;
	*first = GET(node->leaf.pair[at].first);
	*last = GET(node->leaf.last[at]);
	return true;
}

bool range_map_cuts(const struct range_pool *pool, struct range_map *map, uint64_t first,
		    uint64_t last)
{
	uint64_t from, to;

	if (map->count == 0)
		return false;
	if (peek(pool, map, first, &from, &to)) {
		if (from < first)
			return true;
		if (to >= last) /* no other can have the last address */
			return from <= last && to > last;
	}
	return peek(pool, map, last, &from, &to) && from <= last && to > last;
}

/* ---- nodes ---- */

/* What the child had is what the neighbour beyond the key has now. */
static void inner_remove(struct range_node *node, uint32_t key_slot, uint32_t child_slot)
{
	struct range_inner *inner = &node->inner;
	uint32_t count = GET(node->count);

	for (uint32_t i = child_slot; i + 1 < count; i++)
		SET(inner->child[i], GET(inner->child[i + 1]));
	for (uint32_t i = key_slot; i + 2 < count; i++)
		SET(inner->key[i], GET(inner->key[i + 1]));
	if (count >= 2)
		SET(inner->key[count - 2], UINT64_MAX);
	SET(node->count, count - 1);
}

/* ---- settling ---- */

static bool thinned(uint32_t before, uint32_t count, uint32_t level)
{
	uint32_t thin = level ? INNER_THIN : LEAF_THIN;

	return before > thin && count <= thin;
}

static void give(struct range_pool *pool, struct range_map *map, uint32_t index)
{
	forget(map, index);
	range_node_give(pool, index);
}

/* Puts child slot + 1 into child slot. */
static void merge(struct range_pool *pool, struct range_map *map, struct range_node *parent,
		  uint32_t slot, uint32_t level)
{
	uint32_t right = GET(parent->inner.child[slot + 1]);
	struct range_node *to = range_node(pool, GET(parent->inner.child[slot]));

	if (level == 0)
		leaf_move(range_node(pool, right), 0, to);
	else
		inner_move(range_node(pool, right), 0, to, GET(parent->inner.key[slot]));
	inner_remove(parent, slot, slot + 1);
	give(pool, map, right);
}

static uint32_t child_count(const struct range_pool *pool, const struct range_node *parent,
			    uint32_t slot)
{
	return GET(range_node(pool, GET(parent->inner.child[slot]))->count);
}

/* Merges child @slot with a neighbour if the two have few enough; false if not. */
static bool merge_thin(struct range_pool *pool, struct range_map *map, struct range_node *parent,
		       uint32_t slot, uint32_t level)
{
	uint32_t most = 2 * (level ? INNER_THIN : LEAF_THIN);
	uint32_t count = child_count(pool, parent, slot);

	if (slot + 1 < GET(parent->count) && count + child_count(pool, parent, slot + 1) <= most) {
		merge(pool, map, parent, slot, level);
		return true;
	}
	if (slot > 0 && count + child_count(pool, parent, slot - 1) <= most) {
		merge(pool, map, parent, slot - 1, level);
		return true;
	}
	return false;
}

/* The root has lost something: an inner node with one child is not needed. */
static void settle_root(struct range_pool *pool, struct range_map *map)
{
	while (GET(map->height) > 0) {
		uint32_t root = GET(map->root);
		const struct range_node *node = range_node(pool, root);

		if (GET(node->count) > 1)
			return;
		SET(map->root, GET(node->inner.child[0]));
		SET(map->height, GET(map->height) - 1);
		range_node_give(pool, root);
	}
	if (GET(range_node(pool, GET(map->root))->count) == 0) {
		give(pool, map, GET(map->root));
		SET(map->root, 0);
	}
}

/* The leaf of the path had @before items and has fewer now: it goes if it is empty, or is merged,
 * and so on for the nodes above. */
static void settle(struct range_pool *pool, struct range_map *map, const struct path *path,
		   uint32_t before)
{
	for (uint32_t level = 0; level < path->height; level++) {
		uint32_t index = path->at[level].node;
		uint32_t count = GET(range_node(pool, index)->count);
		uint32_t slot = path->at[level + 1].slot;
		struct range_node *parent = range_node(pool, path->at[level + 1].node);
		uint32_t children = GET(parent->count);

		if (count == 0) {
			inner_remove(parent, slot + 1 < children || slot == 0 ? slot : slot - 1,
				     slot);
			give(pool, map, index);
		} else if (!thinned(before, count, level) ||
			   !merge_thin(pool, map, parent, slot, level)) {
			return;
		}
		before = children;
	}
	settle_root(pool, map);
}

/* ---- removing ---- */

/* Removes items [from, to) of the remembered leaf. */
static void remove_items(struct range_pool *pool, struct range_map *map, uint32_t from, uint32_t to)
{
	struct range_node *node = range_node(pool, map->removing.leaf);
	uint32_t before = GET(node->count);
	uint32_t count = before - (to - from);
	struct path path;

	map->count -= to - from;
	pool->items -= to - from;
	if (LIKELY(count && !thinned(before, count, 0))) {
		change_begin(pool, map);
		leaf_remove(node, from, to);
		change_end(pool, map);
		return;
	}
	descend(pool, map, map->removing.low, &path);
	change_begin(pool, map);
	leaf_remove(node, from, to);
	settle(pool, map, &path, before);
	change_end(pool, map);
}

static void read_item(const struct range_leaf *leaf, uint32_t i, struct range_item *item)
{
	*item = (struct range_item){ .first = GET(leaf->pair[i].first),
				     .last = GET(leaf->last[i]),
				     .target = GET(leaf->pair[i].target),
				     .perm = GET(leaf->perm[i]) };
}

/* The items of the leaf that lie in [first, last] are [from, to). */
static void items_within(const struct range_node *node, uint64_t first, uint64_t last,
			 uint32_t *from, uint32_t *to)
{
	uint32_t count = GET(node->count);
	uint32_t i = leaf_rank(&node->leaf, first);

	if (i < count && GET(node->leaf.pair[i].first) < first)
		i++;
	*from = i;
	while (i < count && GET(node->leaf.last[i]) <= last)
		i++;
	*to = i;
}

bool range_map_remove_some(struct range_pool *pool, struct range_map *map, uint64_t *first,
			   uint64_t last, void (*removed)(void *opaque, const struct range_item *),
			   void *opaque)
{
	const struct range_node *node;
	struct range_item item;
	uint32_t from, to;
	uint64_t high;

	if (!map->count || *first > last)
		return false;
	node = leaf_of(pool, map, &map->removing, *first);
	high = map->removing.high;
	items_within(node, *first, last, &from, &to);
	for (uint32_t i = from; removed && i < to; i++) {
		read_item(&node->leaf, i, &item);
		removed(opaque, &item);
	}
	if (from < to)
		remove_items(pool, map, from, to);
	if (high >= last)
		return false;
	*first = high + 1;
	return true;
}

uint32_t range_map_remove(struct range_pool *pool, struct range_map *map, uint64_t first,
			  uint64_t last, void (*removed)(void *opaque, const struct range_item *),
			  void *opaque)
{
	uint32_t had = map->count;

	/* as many steps as there are leaves in the range */
	while (range_map_remove_some(pool, map, &first, last, removed, opaque))
		;
	return had - map->count;
}

void range_map_clear(struct range_pool *pool, struct range_map *map)
{
	uint32_t root = GET(map->root);
	uint32_t height = GET(map->height);

	if (!root)
		return;
	change_begin(pool, map);
	SET(map->root, 0);
	SET(map->height, 0);
	change_end(pool, map);
	pool->items -= map->count;
	map->count = 0;
	map->adding.leaf = 0;
	map->removing.leaf = 0;
	range_node_dump(pool, root, height);
}
