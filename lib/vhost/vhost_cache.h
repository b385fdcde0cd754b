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

#include <assert.h>
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
	uint64_t changes; /* of the device IOTLB: the ranges are valid as long as it is the same */
	uint32_t count;	  /* positions in use, with position 0 */
	uint32_t turn;
	_Alignas(64) struct iotlb_piece piece[IOTLB_CACHE_SIZE]; /* at the same positions */
};

void iotlb_cache_empty(struct iotlb_cache *cache, uint64_t changes);

/* Keeps a range; it overlaps none. When there is no room, one in a few is kept in the place of
 * another: if more ranges are in use than fit, most of the effort would be wasted. */
void iotlb_cache_keep(struct iotlb_cache *cache, uint64_t first, const struct iotlb_piece *piece);

/* How many of the first addresses are not above @iova; at least 1. Written out, because compilers
 * make loops of it that take twice as long. */
static inline unsigned iotlb_cache_rank(const struct iotlb_cache *cache, uint64_t iova)
{
	const uint64_t *f = cache->first;
	unsigned below = (unsigned)(f[8] <= iova) + (f[16] <= iova) + (f[24] <= iova);

	f += (uint64_t)below * IOTLB_CACHE_BLOCK;
	below = below * IOTLB_CACHE_BLOCK + 1;
	below += (unsigned)(f[1] <= iova) + (f[2] <= iova) + (f[3] <= iova) + (f[4] <= iova);
	below += (unsigned)(f[5] <= iova) + (f[6] <= iova) + (f[7] <= iova);
	return below;
}

static_assert(IOTLB_CACHE_BLOCK == 8 && IOTLB_CACHE_BLOCKS == 4, "written out");

/* The only range that can have @iova: it has if its permission is not 0 and iova is not beyond its
 * last address. */
static inline const struct iotlb_piece *iotlb_cache_guess(const struct iotlb_cache *cache,
							  uint64_t iova)
{
	return &cache->piece[iotlb_cache_rank(cache, iova) - 1];
}

#endif
