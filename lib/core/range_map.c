/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_map.c - closed ranges of addresses to targets: adding and removing. Looking up is
 * range_find.c.
 *
 * The writer remembers the leaf it used last and which addresses are its, so that neighbours are
 * added and removed without a descent. A full leaf is split where things are being added: at its
 * ends, or beside what was added last, so that items added in order fill their leaves.
 */

#include <libvirtiommu/base.h>

#include "range.h"
#include "range_node.h"
#include "range_rank.h"
#include "seqlock.h"

/* With 2 children in each node of a path this would be more items than there are. */
#define LEVELS 32U

/* A node that has this many or fewer is merged with a neighbour if both are not more than twice
 * that. */
#define LEAF_THIN  7U
#define INNER_THIN 15U

/* From a leaf, level 0, up to the root. */
struct path {
	struct {
		uint32_t node;
		uint32_t slot; /* which child of it is the node below */
	} at[LEVELS];
	uint32_t height;
};

#define GET(field)	  atomic_load_explicit(&(field), memory_order_relaxed)
#define SET(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

/* ---- a change ---- */

/* There is one writer, so this needs no exchange. */
static void change_begin(struct range_map *map)
{
	SET(map->version, GET(map->version) + 1);
	/* the stores that follow may not be seen before the version is odd */
	atomic_thread_fence(memory_order_release);
}

static void change_end(struct range_map *map)
{
	seq_unlock(&map->version, GET(map->version) - 1);
}

/* ---- nodes ---- */

static void put_item(struct range_leaf *leaf, uint32_t i, const struct range_item *item)
{
	SET(leaf->last[i], item->last);
	SET(leaf->pair[i].first, item->first);
	SET(leaf->pair[i].target, item->target);
	SET(leaf->perm[i], (uint8_t)item->perm);
}

static void copy_item(struct range_leaf *to, uint32_t i, const struct range_leaf *from, uint32_t j)
{
	SET(to->last[i], GET(from->last[j]));
	SET(to->pair[i].first, GET(from->pair[j].first));
	SET(to->pair[i].target, GET(from->pair[j].target));
	SET(to->perm[i], GET(from->perm[j]));
}

static void leaf_insert(struct range_node *node, uint32_t at, const struct range_item *item)
{
	uint32_t count = GET(node->count);

	for (uint32_t i = count; i > at; i--)
		copy_item(&node->leaf, i, &node->leaf, i - 1);
	put_item(&node->leaf, at, item);
	SET(node->count, count + 1);
}

/* Items [from, to) go. */
static void leaf_remove(struct range_node *node, uint32_t from, uint32_t to)
{
	uint32_t count = GET(node->count);
	uint32_t left = count - (to - from);

	for (uint32_t i = from; i < left; i++)
		copy_item(&node->leaf, i, &node->leaf, i + (to - from));
	for (uint32_t i = left; i < count; i++)
		SET(node->leaf.last[i], UINT64_MAX);
	SET(node->count, left);
}

/* Items from @at on go to the end of another leaf. */
static void leaf_move(struct range_node *node, uint32_t at, struct range_node *to)
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

/* Children from @at on go to the end of another node; @between: the key before them there, if there
 * are others. Returns the key that was before them here. */
static uint64_t inner_move(struct range_node *node, uint32_t at, struct range_node *to,
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

/* Goes down to the leaf that has the address, and remembers it. At most LEVELS steps. */
static struct range_node *descend(const struct range_pool *pool, struct range_map *map,
				  uint64_t address, struct path *path)
{
	uint32_t index = GET(map->root);
	uint64_t low = 0;
	uint64_t high = UINT64_MAX;

	path->height = GET(map->height);
	for (uint32_t level = path->height; level > 0; level--) {
		const struct range_node *node = range_node(pool, index);
		uint32_t slot = inner_rank(&node->inner, address);

		path->at[level].node = index;
		path->at[level].slot = slot;
		if (slot > 0)
			low = GET(node->inner.key[slot - 1]) + 1;
		if (slot + 1 < GET(node->count))
			high = GET(node->inner.key[slot]);
		index = GET(node->inner.child[slot]);
	}
	path->at[0].node = index;
	map->leaf = index;
	map->leaf_low = low;
	map->leaf_high = high;
	return range_node(pool, index);
}

static bool remembered(const struct range_map *map, uint64_t address)
{
	return map->leaf && map->leaf_low <= address && address <= map->leaf_high;
}

/* The same without the path; the map is not empty. */
static struct range_node *leaf_of(const struct range_pool *pool, struct range_map *map,
				  uint64_t address)
{
	struct path path;

	if (LIKELY(remembered(map, address)))
		return range_node(pool, map->leaf);
	return descend(pool, map, address, &path);
}

/* The item that ends at or after the address, if it is in the leaf that has the address. */
static bool peek(const struct range_pool *pool, struct range_map *map, uint64_t address,
		 uint64_t *first, uint64_t *last)
{
	const struct range_node *node;
	uint32_t at;

	if (map->count == 0)
		return false;
	node = leaf_of(pool, map, address);
	at = leaf_rank(&node->leaf, address);
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

	if (peek(pool, map, first, &from, &to)) {
		if (from < first)
			return true;
		if (to >= last) /* no other can have the last address */
			return from <= last && to > last;
	}
	return peek(pool, map, last, &from, &to) && from <= last && to > last;
}

/* ---- adding ---- */

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
static void leaf_split(struct range_pool *pool, struct range_map *map, const struct path *path,
		       uint32_t at, const struct range_item *item)
{
	struct range_node *node = range_node(pool, path->at[0].node);
	struct range_leaf *leaf = &node->leaf;
	struct range_node *fresh;
	struct growth g = { .node = range_node_take(pool, &fresh) };

	if (at == 0) {
		g.left = true;
		g.key = GET(leaf->pair[0].first) - 1;
		leaf_insert(fresh, 0, item);
	} else if (at == LEAF_ITEMS) {
		g.key = GET(leaf->last[at - 1]);
		leaf_insert(fresh, 0, item);
	} else if (GET(leaf->pair[at - 1].first) == map->added) {
		g.key = GET(leaf->pair[at].first) - 1;
		leaf_move(node, at, fresh);
		leaf_insert(node, at, item);
	} else {
		uint32_t half = GET(leaf->pair[at].first) == map->added ? at : LEAF_ITEMS / 2;
		bool left = at < half;

		g.key = GET(leaf->last[half - 1]);
		leaf_move(node, half, fresh);
		leaf_insert(left ? node : fresh, left ? at : at - half, item);
	}
	grow(pool, map, path, g);
}

/* The leaf of the path has addresses up to @last from now on, at the cost of its neighbour, which
 * has no item there. */
static void raise_key(struct range_pool *pool, const struct path *path, uint64_t last)
{
	for (uint32_t level = 1; level <= path->height; level++) {
		struct range_node *node = range_node(pool, path->at[level].node);
		uint32_t slot = path->at[level].slot;

		if (slot + 1 < GET(node->count)) {
			SET(node->inner.key[slot], last);
			return;
		}
	}
}

static int add_first(struct range_pool *pool, struct range_map *map, const struct range_item *item)
{
	struct range_node *node;
	uint32_t index;

	if (range_pool_reserve(pool, 1) != VIOMMU_OK)
		return VIOMMU_ENOMEM;
	index = range_node_take(pool, &node);
	change_begin(map);
	leaf_insert(node, 0, item);
	SET(map->root, index);
	SET(map->height, 0);
	change_end(map);
	map->leaf = 0;
	return VIOMMU_OK;
}

/* The item fits in neither leaf nor key: the long way. @at: its place in the leaf */
static int add_growing(struct range_pool *pool, struct range_map *map, uint32_t at,
		       const struct range_item *item)
{
	struct path path;
	struct range_node *node = descend(pool, map, item->first, &path);
	bool full = GET(node->count) == LEAF_ITEMS;

	if (full && (path.height + 1 == LEVELS ||
		     range_pool_reserve(pool, nodes_to_split(pool, &path)) != VIOMMU_OK))
		return VIOMMU_ENOMEM;
	change_begin(map);
	if (item->last > map->leaf_high)
		raise_key(pool, &path, item->last);
	if (full)
		leaf_split(pool, map, &path, at, item);
	else
		leaf_insert(node, at, item);
	change_end(map);
	map->leaf = 0;
	return VIOMMU_OK;
}

/* Whether the first item behind the remembered leaf begins at or before @last. */
static bool next_leaf_overlaps(const struct range_pool *pool, const struct range_map *map,
			       uint64_t last)
{
	struct range_map other = { .root = GET(map->root), .height = GET(map->height) };
	struct path path;
	const struct range_node *node = descend(pool, &other, map->leaf_high + 1, &path);

	return GET(node->leaf.pair[0].first) <= last;
}

static int add_to_leaf(struct range_pool *pool, struct range_map *map,
		       const struct range_item *item)
{
	struct range_node *node = leaf_of(pool, map, item->first);
	uint32_t count = GET(node->count);
	uint32_t at = leaf_rank(&node->leaf, item->first);
	bool beyond = item->last > map->leaf_high;

	if (at < count ? GET(node->leaf.pair[at].first) <= item->last
		       : beyond && next_leaf_overlaps(pool, map, item->last))
		return VIOMMU_EEXIST;
	if (pool->items >= pool->config.items)
		return VIOMMU_ELIMIT;
	if (UNLIKELY(beyond || count == LEAF_ITEMS))
		return add_growing(pool, map, at, item);
	change_begin(map);
	leaf_insert(node, at, item);
	change_end(map);
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

int range_map_reserve(struct range_pool *pool, const struct range_map *map, uint32_t adds)
{
	/* each splits a node of every level at most, and may make a new root */
	return range_pool_reserve(pool, adds * (GET(map->height) + 1 + adds));
}

/* ---- removing ---- */

/* Fewer than before, and worth a look at the neighbours: not each time, but often enough that no
 * two neighbours stay thin. */
static bool thinned(uint32_t before, uint32_t count, uint32_t thin)
{
	return count <= thin && (before ^ count) > count;
}

/* Puts child slot + 1 into child slot. */
static void merge(struct range_pool *pool, struct range_node *parent, uint32_t slot, uint32_t level)
{
	uint32_t right = GET(parent->inner.child[slot + 1]);
	struct range_node *to = range_node(pool, GET(parent->inner.child[slot]));

	if (level == 0)
		leaf_move(range_node(pool, right), 0, to);
	else
		inner_move(range_node(pool, right), 0, to, GET(parent->inner.key[slot]));
	inner_remove(parent, slot, slot + 1);
	range_node_give(pool, right);
}

static uint32_t child_count(const struct range_pool *pool, const struct range_node *parent,
			    uint32_t slot)
{
	return GET(range_node(pool, GET(parent->inner.child[slot]))->count);
}

/* Merges child @slot with a neighbour if the two have few enough; false if not. */
static bool merge_thin(struct range_pool *pool, struct range_node *parent, uint32_t slot,
		       uint32_t level)
{
	uint32_t most = 2 * (level ? INNER_THIN : LEAF_THIN);
	uint32_t count = child_count(pool, parent, slot);

	if (slot + 1 < GET(parent->count) && count + child_count(pool, parent, slot + 1) <= most) {
		merge(pool, parent, slot, level);
		return true;
	}
	if (slot > 0 && count + child_count(pool, parent, slot - 1) <= most) {
		merge(pool, parent, slot - 1, level);
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
		range_node_give(pool, GET(map->root));
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
			range_node_give(pool, index);
		} else if (!thinned(before, count, level ? INNER_THIN : LEAF_THIN) ||
			   !merge_thin(pool, parent, slot, level)) {
			return;
		}
		before = children;
	}
	settle_root(pool, map);
}

/* Removes items [from, to) of the remembered leaf. */
static void remove_items(struct range_pool *pool, struct range_map *map, uint32_t from, uint32_t to)
{
	struct range_node *node = range_node(pool, map->leaf);
	uint32_t before = GET(node->count);
	uint32_t count = before - (to - from);
	struct path path;

	map->count -= to - from;
	pool->items -= to - from;
	if (LIKELY(count && !thinned(before, count, LEAF_THIN))) {
		change_begin(map);
		leaf_remove(node, from, to);
		change_end(map);
		return;
	}
	descend(pool, map, map->leaf_low, &path);
	change_begin(map);
	leaf_remove(node, from, to);
	settle(pool, map, &path, before);
	change_end(map);
	map->leaf = 0;
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

uint32_t range_map_remove(struct range_pool *pool, struct range_map *map, uint64_t first,
			  uint64_t last, void (*removed)(void *opaque, const struct range_item *),
			  void *opaque)
{
	uint32_t had = map->count;

	/* as many steps as there are leaves in the range */
	while (map->count && first <= last) {
		const struct range_node *node = leaf_of(pool, map, first);
		uint64_t high = map->leaf_high;
		struct range_item item;
		uint32_t from, to;

		items_within(node, first, last, &from, &to);
		for (uint32_t i = from; removed && i < to; i++) {
			read_item(&node->leaf, i, &item);
			removed(opaque, &item);
		}
		if (from < to)
			remove_items(pool, map, from, to);
		if (high >= last)
			break;
		first = high + 1;
	}
	return had - map->count;
}

/* Gives back a node and all below it. The path has which child is next, from the top. */
static void give_all(struct range_pool *pool, uint32_t root, uint32_t height)
{
	struct path path = { .height = height };
	uint32_t level = height;

	path.at[level].node = root;
	path.at[level].slot = 0;
	for (;;) {
		const struct range_node *node = range_node(pool, path.at[level].node);

		if (level > 0 && path.at[level].slot < GET(node->count)) {
			path.at[level - 1].node = GET(node->inner.child[path.at[level].slot++]);
			path.at[--level].slot = 0;
			continue;
		}
		range_node_give(pool, path.at[level].node);
		if (level++ == height)
			return;
	}
}

void range_map_clear(struct range_pool *pool, struct range_map *map)
{
	uint32_t root = GET(map->root);
	uint32_t height = GET(map->height);

	if (!root)
		return;
	change_begin(map);
	SET(map->root, 0);
	SET(map->height, 0);
	change_end(map);
	pool->items -= map->count;
	map->count = 0;
	map->leaf = 0;
	give_all(pool, root, height);
}
