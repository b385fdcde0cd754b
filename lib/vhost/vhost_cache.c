/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_cache.c - which ranges a reader keeps at hand. */

#include <stdbool.h>
#include <string.h>

#include "vhost_cache.h"

/* When the cache is full, one in so many new ranges is kept. */
#define KEEP_ONE_IN 8U

void iotlb_cache_empty(struct iotlb_cache *cache, uint64_t changes)
{
	for (unsigned i = 1; i < IOTLB_CACHE_SIZE; i++) {
		cache->first[i] = UINT64_MAX;
		cache->piece[i].perm = 0;
	}
	cache->count = 1;
	cache->changes = changes;
}

/* The ranges from position @from to the last go to @to and behind. */
static void move(struct iotlb_cache *cache, unsigned from, unsigned to)
{
	unsigned ranges = cache->count - from;

	memmove(&cache->first[to], &cache->first[from], ranges * sizeof(cache->first[0]));
	memmove(&cache->piece[to], &cache->piece[from], ranges * sizeof(cache->piece[0]));
}

static void take_out(struct iotlb_cache *cache, unsigned at)
{
	move(cache, at + 1, at);
	cache->count--;
	cache->first[cache->count] = UINT64_MAX;
	cache->piece[cache->count].perm = 0;
}

static void put_in(struct iotlb_cache *cache, uint64_t first, const struct iotlb_piece *piece)
{
	unsigned at = iotlb_cache_rank(cache, first);

	move(cache, at, at + 1);
	cache->first[at] = first;
	cache->piece[at] = *piece;
	cache->count++;
}

/* The highest address itself is hidden by positions that are not in use: a range may be kept
 * already although it was not found, and one that starts there cannot be kept. */
static bool cannot_keep(const struct iotlb_cache *cache, uint64_t first)
{
	unsigned left = iotlb_cache_rank(cache, first) - 1;

	return first == UINT64_MAX || (cache->piece[left].perm && cache->first[left] == first);
}

void iotlb_cache_keep(struct iotlb_cache *cache, uint64_t first, const struct iotlb_piece *piece)
{
	if (cannot_keep(cache, first))
		return;
	if (cache->count == IOTLB_CACHE_SIZE) {
		if (++cache->turn % KEEP_ONE_IN)
			return;
		take_out(cache, 1 + cache->turn / KEEP_ONE_IN % (IOTLB_CACHE_SIZE - 1));
	}
	put_in(cache, first, piece);
}
