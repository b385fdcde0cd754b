/* SPDX-License-Identifier: BSD-3-Clause */
/* range_check.c - whether a range map is as range_node.h says, node by node. */
#include "check.h"

#include "range_check.h"

struct checked {
	const struct range_pool *pool;
	uint32_t nodes;
	uint32_t items;
};

static void check_leaf(struct checked *c, const struct range_node *node, uint64_t low,
		       uint64_t high)
{
	uint32_t count = atomic_load(&node->count);

	check_that("leaf", count > 0 && count <= LEAF_ITEMS);
	for (uint32_t i = 0; i < LEAF_ITEMS; i++) {
		uint64_t first = atomic_load(&node->leaf.pair[i].first);
		uint64_t last = atomic_load(&node->leaf.last[i]);

		if (i >= count) {
			check_eq("unused key of a leaf", last, UINT64_MAX);
			continue;
		}
		check_that("item", first <= last && first >= low && last <= high);
		check_that("item behind the last address", i + 1 == count || last < UINT64_MAX);
		low = last + 1;
	}
	c->items += count;
}

static void check_node(struct checked *c, uint32_t index, uint32_t height, uint64_t low,
		       uint64_t high)
{
	const struct range_node *node = range_node(c->pool, index);
	uint32_t count = atomic_load(&node->count);

	check_that("index", index != 0 && index >> CHUNK_LG2 < c->pool->chunks);
	c->nodes++;
	if (height == 0) {
		check_leaf(c, node, low, high);
		return;
	}
	check_that("inner", count > 0 && count <= INNER_CHILDREN);
	for (uint32_t i = 0; i < INNER_KEYS; i++) {
		uint64_t key = atomic_load(&node->inner.key[i]);

		if (i + 1 >= count) {
			check_eq("unused key", key, UINT64_MAX);
			continue;
		}
		check_that("key", key >= low && key < high);
		check_node(c, atomic_load(&node->inner.child[i]), height - 1, low, key);
		low = key + 1;
	}
	check_node(c, atomic_load(&node->inner.child[count - 1]), height - 1, low, high);
}

static uint32_t leaf_with(const struct range_pool *pool, const struct range_map *map,
			  uint64_t address)
{
	uint32_t index = atomic_load(&map->root);

	for (uint32_t i = atomic_load(&map->height); i > 0; i--) {
		const struct range_inner *inner = &range_node(pool, index)->inner;
		uint32_t slot = 0;

		while (slot < INNER_KEYS && atomic_load(&inner->key[slot]) < address)
			slot++;
		index = atomic_load(&inner->child[slot]);
	}
	return index;
}

static void check_hint(const struct range_pool *pool, const struct range_map *map,
		       const struct range_hint *hint)
{
	if (!hint->leaf)
		return;
	check_that("hint", hint->low <= hint->high);
	check_eq("hint", leaf_with(pool, map, hint->low), hint->leaf);
	check_eq("hint", leaf_with(pool, map, hint->high), hint->leaf);
}

uint32_t range_check(const struct range_pool *pool, const struct range_map *map)
{
	uint32_t root = atomic_load(&map->root);
	uint32_t height = atomic_load(&map->height);
	struct checked c = { .pool = pool };

	check_eq("version", atomic_load(&map->version) & 1, 0);
	check_eq("root", root != 0, map->count != 0);
	if (root) {
		check_that("root", height == 0 || atomic_load(&range_node(pool, root)->count) > 1);
		check_node(&c, root, height, 0, UINT64_MAX);
	}
	check_eq("items", c.items, map->count);
	check_hint(pool, map, &map->adding);
	check_hint(pool, map, &map->removing);
	return c.nodes;
}

/* Of a tree that was given whole. */
static uint32_t dumped_nodes(const struct range_pool *pool, uint32_t index, uint32_t height)
{
	const struct range_node *node = range_node(pool, index);
	uint32_t count = atomic_load(&node->count) & ((1U << DUMPED_HEIGHT_SHIFT) - 1);
	uint32_t nodes = 1;

	for (uint32_t i = 0; height && i < count; i++)
		nodes += dumped_nodes(pool, atomic_load(&node->inner.child[i]), height - 1);
	return nodes;
}

void range_check_pool(const struct range_pool *pool, uint32_t nodes)
{
	uint32_t chunks = pool->chunks;
	uint32_t all = 0, unused = 0;

	for (uint32_t i = 0; i < chunks; i++)
		all += CHUNK_NODES(i);
	for (uint32_t i = pool->dumped; i; i = atomic_load(&range_node(pool, i)->next))
		nodes += dumped_nodes(
			pool, i, atomic_load(&range_node(pool, i)->count) >> DUMPED_HEIGHT_SHIFT);
	check_eq("nodes", pool->nodes, nodes);
	check_eq("nodes and spare ones", pool->nodes + pool->spare, all ? all - 1 : 0);
	for (uint32_t i = pool->unused; i; i = atomic_load(&range_node(pool, i)->next))
		check_that("list of unused nodes ends", ++unused <= all);
	if (chunks)
		unused += ((chunks - 1) << CHUNK_LG2) + CHUNK_NODES(chunks - 1) - pool->fresh;
	check_eq("spare nodes", unused, pool->spare);
}
