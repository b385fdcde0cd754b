/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_map.h - closed ranges of addresses to targets: what virtio-iommu's domains and device
 * IOTLBs are made of.
 *
 * A B+ tree. Nodes come from a pool that several maps share, are referred to by index, and stay
 * nodes until the pool is gone: a reader that overtakes a writer may read nonsense, but never
 * beyond the pool, and notices by the map's version. One thread at a time changes the maps of a
 * pool; any thread looks up, without a lock and without writing.
 */
#ifndef RANGE_MAP_H
#define RANGE_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Where nodes come from: memory grows in chunks that never move, up to a cap. */
struct range_pool;

struct range_pool_config {
	void *(*alloc)(void *opaque, uint64_t bytes, uint64_t align); /* zero-filled */
	void (*dealloc)(void *opaque, void *block, uint64_t bytes);
	void *opaque;
	uint32_t items; /* of all maps together, at most */
};

/* VIOMMU_OK, VIOMMU_ENOMEM */
int range_pool_new(const struct range_pool_config *config, struct range_pool **pool);
void range_pool_free(struct range_pool *pool);
/* Items of all maps. */
uint32_t range_pool_count(const struct range_pool *pool);

/* One range. */
struct range_item {
	uint64_t first;
	uint64_t last;
	uint64_t target; /* of first; the rest follows contiguously */
	uint32_t perm;	 /* the caller's, 8 bits */
};

/* A set of items that do not overlap. Zeroed: an empty map. */
struct range_map {
	_Atomic uint64_t version; /* odd while being changed, see seqlock.h */
	_Atomic uint32_t root;	  /* node, 0: none */
	uint32_t height;
	uint32_t count; /* of items */
};

/* Adds an item. VIOMMU_OK; VIOMMU_EEXIST: overlaps one; VIOMMU_ELIMIT: the pool's cap;
 * VIOMMU_ENOMEM. Unless OK, nothing has changed. */
int range_map_add(struct range_pool *pool, struct range_map *map, const struct range_item *item);

/* Whether an item lies across the edge of [first, last]: partly in it and partly not. Writer only.
 */
bool range_map_cuts(struct range_pool *pool, const struct range_map *map, uint64_t first,
		    uint64_t last);

/* Removes every item that lies in [first, last] whole; none may lie across its edge. Each is shown
 * to @removed before (may be NULL). Returns how many. Cannot fail. */
uint32_t range_map_remove(struct range_pool *pool, struct range_map *map, uint64_t first,
			  uint64_t last, void (*removed)(void *opaque, const struct range_item *),
			  void *opaque);

/* Gives all nodes back, in time proportional to them. */
void range_map_clear(struct range_pool *pool, struct range_map *map);

/* The item that has @address; any thread. */
bool range_map_find(const struct range_pool *pool, const struct range_map *map, uint64_t address,
		    struct range_item *found);

/* The first item whose last address is not below @address, that is, the one that has it or the next
 * one; any thread. For going through a map in order. */
bool range_map_next(const struct range_pool *pool, const struct range_map *map, uint64_t address,
		    struct range_item *found);

#endif
