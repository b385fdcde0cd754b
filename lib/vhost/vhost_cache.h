/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_cache.h - the few ranges that a reader used, of any size.
 *
 * The first addresses are sorted, and the range of an address is found by counting those that are
 * not above it: ten comparisons without a branch, in two steps of which the second looks at one
 * cache line. A hash would need one probe for each size of range, and could not promise that the
 * ranges in use do not collide.
 *
 * Position 0 is no range, so that there is always one to the left. So are those that are not in
 * use, with the highest address: permission 0 says so.
 */
#ifndef VHOST_CACHE_H
#define VHOST_CACHE_H

#include <stdint.h>

/* A range without its first address. Its memory is found by adding to an address, modulo 2^64, so
 * that parts of a range have the same words as all of it. */
struct iotlb_piece {
	uint64_t last;
	uint64_t host; /* host pointer minus address */
	uint64_t gpa;  /* guest-physical address minus address */
	uint64_t perm; /* VIOMMU_READ, VIOMMU_WRITE, not 0; IOTLB_GPA_KNOWN */
};

#define IOTLB_GPA_KNOWN 4U

#define IOTLB_CACHE_BLOCK  8U
#define IOTLB_CACHE_BLOCKS 4U
#define IOTLB_CACHE_SIZE   (IOTLB_CACHE_BLOCK * IOTLB_CACHE_BLOCKS)

struct iotlb_cache {
	_Alignas(64) uint64_t first[IOTLB_CACHE_SIZE];
	uint8_t slot[IOTLB_CACHE_SIZE]; /* where in piece the range with this first address is */
	uint64_t changes; /* of the device IOTLB: the ranges are valid as long as it is the same */
	uint32_t count;	  /* positions in use, with position 0 */
	uint32_t turn;
	struct iotlb_piece piece[IOTLB_CACHE_SIZE]; /* slot 0 is no range */
};

void iotlb_cache_empty(struct iotlb_cache *cache, uint64_t changes);

/* Keeps a range; it overlaps none. When there is no room, one in a few is kept in the place of
 * another: if more ranges are in use than fit, most of the effort would be wasted. */
void iotlb_cache_keep(struct iotlb_cache *cache, uint64_t first, const struct iotlb_piece *piece);

/* How many of the first addresses are not above @iova; at least 1. */
static inline unsigned iotlb_cache_rank(const struct iotlb_cache *cache, uint64_t iova)
{
	const uint64_t *first = cache->first;
	unsigned block = 0;
	unsigned rank = 1;

	for (unsigned i = 1; i < IOTLB_CACHE_BLOCKS; i++)
		block += first[i * IOTLB_CACHE_BLOCK] <= iova;
	first += (uint64_t)block * IOTLB_CACHE_BLOCK;
	for (unsigned i = 1; i < IOTLB_CACHE_BLOCK; i++)
		rank += first[i] <= iova;
	return block * IOTLB_CACHE_BLOCK + rank;
}

/* The only range that can have @iova: it has if its permission is not 0 and iova is not beyond its
 * last address. */
static inline const struct iotlb_piece *iotlb_cache_guess(const struct iotlb_cache *cache,
							  uint64_t iova)
{
	return &cache->piece[cache->slot[iotlb_cache_rank(cache, iova) - 1]];
}

#endif
