/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_cache.c - which ranges a reader keeps at hand. */

#include <stdbool.h>
#include <string.h>

#include "vhost_cache.h"

/* When the cache is full, one in so many new ranges is kept. */
#define KEEP_ONE_IN 8U

void iotlb_cache_empty(struct iotlb_cache *cache, uint64_t changes)
{
	for (unsigned i = 1; i < IOTLB_CACHE_SIZE; i++)
		cache->first[i] = UINT64_MAX;
	memset(cache->slot, 0, sizeof(cache->slot));
	cache->count = 1;
	cache->changes = changes;
}

/* Takes the range at a position out. Returns its slot. */
static uint8_t take_out(struct iotlb_cache *cache, unsigned at)
{
	unsigned after = IOTLB_CACHE_SIZE - 1 - at;
	uint8_t slot = cache->slot[at];

	memmove(&cache->first[at], &cache->first[at + 1], after * sizeof(cache->first[0]));
	memmove(&cache->slot[at], &cache->slot[at + 1], after);
	cache->first[IOTLB_CACHE_SIZE - 1] = UINT64_MAX;
	cache->slot[IOTLB_CACHE_SIZE - 1] = 0;
	cache->count--;
	return slot;
}

static void put_in(struct iotlb_cache *cache, uint8_t slot, uint64_t first,
		   const struct iotlb_piece *piece)
{
	unsigned at = iotlb_cache_rank(cache, first);
	unsigned after = cache->count - at;

	memmove(&cache->first[at + 1], &cache->first[at], after * sizeof(cache->first[0]));
	memmove(&cache->slot[at + 1], &cache->slot[at], after);
	cache->first[at] = first;
	cache->slot[at] = slot;
	cache->piece[slot] = *piece;
	cache->count++;
}

/* The highest address itself is hidden by positions that are not in use: a range may be kept
 * already although it was not found, and one that starts there cannot be kept. */
static bool cannot_keep(const struct iotlb_cache *cache, uint64_t first)
{
	unsigned left = iotlb_cache_rank(cache, first) - 1;

	return first == UINT64_MAX || (cache->slot[left] && cache->first[left] == first);
}

void iotlb_cache_keep(struct iotlb_cache *cache, uint64_t first, const struct iotlb_piece *piece)
{
	uint8_t slot = (uint8_t)cache->count;

	if (cannot_keep(cache, first))
		return;
	if (cache->count == IOTLB_CACHE_SIZE) {
		if (++cache->turn % KEEP_ONE_IN)
			return;
		slot = take_out(cache, 1 + cache->turn / KEEP_ONE_IN % (IOTLB_CACHE_SIZE - 1));
	}
	put_in(cache, slot, first, piece);
}
