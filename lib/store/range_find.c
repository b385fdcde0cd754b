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

/*
 * The item that ends at or after the address, if it is in the leaf that has the address. *high, if
 * wanted: the last address of that leaf. What is answered has to be validated by the caller once
 * more.
 */
static inline __attribute__((always_inline)) enum range_look look(
	const struct range_pool *pool, const struct range_map *map, uint64_t version,
	uint64_t address, struct range_item *item, uint64_t *high)
{
	uint32_t index = GET(map->root);
	uint32_t height = GET(map->height);
	const struct range_node *node;
	uint32_t at;

	if (high)
		*high = UINT64_MAX;
	if (!seq_read_valid(&map->version, version))
		return RANGE_CHANGED;
	if (!index)
		return RANGE_NONE;
	for (node = range_node(pool, index); height > 0; height--) {
		uint32_t slot = inner_rank(&node->inner, address);

		index = GET(node->inner.child[slot]);
		if (high && slot < INNER_KEYS && GET(node->inner.key[slot]) < *high)
			*high = GET(node->inner.key[slot]);
		if (!seq_read_valid(&map->version, version))
			return RANGE_CHANGED;
		node = range_node(pool, index);
		if (height <= 2)
			range_node_prefetch(node);
	}
	at = leaf_rank(&node->leaf, address);
	if (at >= LEAF_ITEMS || at >= GET(node->count))
		return RANGE_NONE;
	*item = (struct range_item){ .first = GET(node->leaf.pair[at].first),
				     .last = GET(node->leaf.last[at]),
				     .target = GET(node->leaf.pair[at].target),
				     .perm = GET(node->leaf.perm[at]) };
	return RANGE_ITEM;
}

/* The first item that ends at or after the address, in whatever leaf it is. */
static inline __attribute__((always_inline)) enum range_look look_next(
	const struct range_pool *pool, const struct range_map *map, uint64_t version,
	uint64_t address, struct range_item *item)
{
	uint64_t high;
	enum range_look answer = look(pool, map, version, address, item, &high);

	/* the first item of the next leaf then, since no leaf is empty */
	if (answer == RANGE_NONE && high != UINT64_MAX)
		answer = look(pool, map, version, high + 1, item, &high);
	return answer;
}

/* ---- readers who get tired ---- */

/* A reader who asks looks again after so long, if he has missed that a change has ended. */
#define ASKING_NS 1000000L

static struct range_pool *mutable(const struct range_pool *pool)
{
	return (struct range_pool *)(uintptr_t)pool;
}

/* How many ask; with the lock held. */
static void count_asking(struct range_pool *pool, uint32_t by)
{
	SET(pool->asking, GET(pool->asking) + by);
}

static void wait_for_change(struct range_pool *pool)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ASKING_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&pool->turn, &pool->lock, &until);
}

__attribute__((noinline, cold)) void range_map_again(const struct range_pool *pool, unsigned tries)
{
	struct range_pool *p = mutable(pool);

	if (tries < SEQ_TRIES) {
		seq_pause();
		return;
	}
	pthread_mutex_lock(&p->lock);
	if (tries == SEQ_TRIES) /* and look before waiting */
		count_asking(p, 1);
	else
		wait_for_change(p);
	pthread_mutex_unlock(&p->lock);
}

__attribute__((noinline, cold)) static void ask_no_more(struct range_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	count_asking(pool, UINT32_MAX); /* - 1 */
	pthread_cond_broadcast(&pool->turn);
	pthread_mutex_unlock(&pool->lock);
}

void range_map_found(const struct range_pool *pool, unsigned tries)
{
	if (UNLIKELY(tries > SEQ_TRIES))
		ask_no_more(mutable(pool));
}

__attribute__((noinline, cold)) void range_let_in(struct range_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (GET(pool->asking))
		pthread_cond_wait(&pool->turn, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}

__attribute__((noinline, cold)) void range_changed(struct range_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pthread_cond_broadcast(&pool->turn);
	pthread_mutex_unlock(&pool->lock);
}

/* ---- looking up ---- */

enum range_look range_map_try(const struct range_pool *pool, const struct range_map *map,
			      uint64_t version, uint64_t address, struct range_item *found)
{
	enum range_look answer = look(pool, map, version, address, found, NULL);

	if (UNLIKELY(!seq_read_valid(&map->version, version)))
		return RANGE_CHANGED;
	return answer == RANGE_ITEM && found->first > address ? RANGE_NONE : answer;
}

bool range_map_find(const struct range_pool *pool, const struct range_map *map, uint64_t address,
		    struct range_item *found)
{
	enum range_look answer;
	unsigned tries = 0;

	/* more than SEQ_TRIES rounds: for some of the writer's changes, each of which is slept through
	 */
	for (;; range_map_again(pool, tries++)) {
		answer = range_map_try(pool, map, seq_read_begin(&map->version), address, found);
		if (LIKELY(answer != RANGE_CHANGED))
			break;
	}
	range_map_found(pool, tries);
	return answer == RANGE_ITEM;
}

bool range_map_next(const struct range_pool *pool, const struct range_map *map, uint64_t address,
		    struct range_item *found)
{
	enum range_look answer;
	unsigned tries = 0;

	for (;; range_map_again(pool, tries++)) {
		uint64_t version = seq_read_begin(&map->version);

		answer = look_next(pool, map, version, address, found);
		if (answer != RANGE_CHANGED && seq_read_valid(&map->version, version))
			break;
	}
	range_map_found(pool, tries);
	return answer == RANGE_ITEM;
}
