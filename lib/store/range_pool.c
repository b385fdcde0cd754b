/* SPDX-License-Identifier: BSD-3-Clause */
/* range_pool.c - nodes of range maps: chunks, and the list of nodes that are not in use. */

#include <libvirtiommu/base.h>

#include "range_node.h"

/* A leaf has an item, an inner node hardly ever less than two children; indices have 32 bits. */
static uint32_t chunks_for(uint32_t items)
{
	uint64_t chunks = ((uint64_t)items * 2 >> CHUNK_LG2) + CHUNK_LG2;

	return (uint32_t)(chunks < BIT(32 - CHUNK_LG2) ? chunks : BIT(32 - CHUNK_LG2));
}

int range_pool_new(const struct range_pool_config *config, struct range_pool **pool)
{
	uint32_t chunks = chunks_for(config->items);
	uint64_t bytes = sizeof(**pool) + chunks * sizeof((*pool)->chunk[0]);
	struct range_pool *p = config->alloc(config->opaque, bytes, _Alignof(struct range_pool));
	pthread_condattr_t attributes;

	if (!p)
		return VIOMMU_ENOMEM;
	p->config = *config;
	p->bytes = bytes;
	p->chunks_max = chunks;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->turn, &attributes);
	pthread_condattr_destroy(&attributes);
	*pool = p;
	return VIOMMU_OK;
}

static void free_chunks(struct range_pool *pool)
{
	const struct range_pool_config *config = &pool->config;

	for (uint32_t i = 0; i < pool->chunks; i++)
		config->dealloc(config->opaque, GET(pool->chunk[i]),
				CHUNK_NODES(i) * sizeof(struct range_node));
	pool->chunks = 0;
	pool->spare = 0;
	pool->unused = 0;
	pool->fresh = 0;
	pool->dumped = 0;
	pool->nodes = 0;
}

void range_pool_free(struct range_pool *pool)
{
	if (!pool)
		return;
	free_chunks(pool);
	pthread_cond_destroy(&pool->turn);
	pthread_mutex_destroy(&pool->lock);
	pool->config.dealloc(pool->config.opaque, pool, pool->bytes);
}

void range_pool_trim(struct range_pool *pool)
{
	if (pool->items == 0)
		free_chunks(pool);
}

uint32_t range_pool_count(const struct range_pool *pool)
{
	return pool->items;
}

uint64_t range_pool_bytes(const struct range_pool *pool)
{
	return pool->items ? pool->nodes * sizeof(struct range_node) : 0;
}

static void put_unused(struct range_pool *pool, uint32_t index)
{
	SET(range_node(pool, index)->next, pool->unused);
	pool->unused = index;
}

static bool fresh_left(const struct range_pool *pool)
{
	return pool->chunks &&
	       (pool->fresh & (BIT(CHUNK_LG2) - 1)) < CHUNK_NODES(pool->chunks - 1) &&
	       pool->fresh >> CHUNK_LG2 == pool->chunks - 1;
}

static int add_chunk(struct range_pool *pool)
{
	uint32_t nodes = CHUNK_NODES(pool->chunks);
	struct range_node *chunk;

	if (pool->chunks == pool->chunks_max)
		return VIOMMU_ENOMEM;
	chunk = pool->config.alloc(pool->config.opaque, nodes * sizeof(*chunk), sizeof(*chunk));
	if (!chunk)
		return VIOMMU_ENOMEM;
	for (; fresh_left(pool); pool->fresh++) /* fewer than were asked for */
		put_unused(pool, pool->fresh);
	SET(pool->chunk[pool->chunks], chunk);
	pool->fresh = pool->chunks++ << CHUNK_LG2;
	pool->spare += nodes;
	if (pool->fresh == 0) { /* no node has the index 0 */
		pool->fresh++;
		pool->spare--;
	}
	return VIOMMU_OK;
}

/* ---- trees that are given whole ---- */

void range_node_dump(struct range_pool *pool, uint32_t index, uint32_t height)
{
	struct range_node *node = range_node(pool, index);

	SET(node->count, GET(node->count) | height << DUMPED_HEIGHT_SHIFT);
	SET(node->next, pool->dumped);
	pool->dumped = index;
}

/* Takes one node of them apart. At most INNER_CHILDREN steps. */
static void reclaim(struct range_pool *pool)
{
	uint32_t index = pool->dumped;
	const struct range_node *node = range_node(pool, index);
	uint32_t count = GET(node->count);
	uint32_t height = count >> DUMPED_HEIGHT_SHIFT;

	pool->dumped = GET(node->next);
	count &= BIT(DUMPED_HEIGHT_SHIFT) - 1;
	for (uint32_t i = 0; height && i < count; i++)
		range_node_dump(pool, GET(node->inner.child[i]), height - 1);
	range_node_give(pool, index);
}

int range_pool_reserve(struct range_pool *pool, uint32_t count)
{
	/* at most count nodes of dumped trees, and count / 16 + 1 chunks: each has at least 16 nodes
	 */
	while (pool->spare < count) {
		if (pool->dumped)
			reclaim(pool);
		else if (add_chunk(pool) != VIOMMU_OK)
			return VIOMMU_ENOMEM;
	}
	return VIOMMU_OK;
}

uint32_t range_node_take(struct range_pool *pool, struct range_node **node)
{
	uint32_t index = pool->unused ? pool->unused : pool->fresh++;
	struct range_node *n = range_node(pool, index);

	if (pool->unused)
		pool->unused = GET(n->next);
	pool->spare--;
	pool->nodes++;
	SET(n->count, 0);
	for (unsigned i = 0; i < INNER_KEYS; i++) /* those of a leaf are fewer */
		SET(n->inner.key[i], UINT64_MAX);
	*node = n;
	return index;
}

void range_node_give(struct range_pool *pool, uint32_t index)
{
	put_unused(pool, index);
	pool->spare++;
	pool->nodes--;
}
