/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * range_map.h - closed ranges of addresses to targets: what virtio-iommu's domains and device
 * IOTLBs are made of.
 *
 * A B+ tree. Nodes come from a pool that several maps share, are referred to by index, and stay
 * nodes until the pool is gone: a reader that overtakes a writer reads a node, if not the right
 * one, and notices by the map's version before it follows any index out of it.
 *
 * One thread at a time changes the maps of a pool ("writer only" below). Any thread looks up,
 * without a lock and without writing; a lookup that meets a change starts again. A change is the
 * stores of a few nodes, however much is removed by one call, and no callback is made in it: a
 * lookup waits no longer than that, unless changes follow each other without a pause.
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

/*
 * VIOMMU_OK, VIOMMU_ENOMEM. Items cost 27 bytes each where they were added in ascending or
 * descending order, 36 to 48 in random order; a map with a few items costs a node of 512 bytes.
 * Of two neighbouring leaves one has more than a few items, so removing leaves no more than about
 * 120 bytes for each item that stays. The first chunk is 8 KiB, and each twice the one before up to
 * 1 MiB.
 */
int range_pool_new(const struct range_pool_config *config, struct range_pool **pool);

/* Alone: no lookup is under way. Maps of the pool need not be cleared. */
void range_pool_free(struct range_pool *pool);

/* Alone: no lookup is under way. Gives all chunks back if no map has an item, else does nothing:
 * otherwise what was given back by maps is kept for them. */
void range_pool_trim(struct range_pool *pool);

/* Items of all maps, and bytes of the nodes that have them, or had until a map was cleared and were
 * not used since. Writer only. */
uint32_t range_pool_count(const struct range_pool *pool);
uint64_t range_pool_bytes(const struct range_pool *pool);

/* One range. */
struct range_item {
	uint64_t first;
	uint64_t last;
	uint64_t target; /* of first; the rest follows contiguously */
	uint32_t perm;	 /* the caller's, 8 bits */
};

/* A leaf, 0: none; and addresses that are its. */
struct range_hint {
	uint32_t leaf;
	uint64_t low;
	uint64_t high;
};

/* A set of items that do not overlap. Zeroed: an empty map, which has no memory. */
struct range_map {
	_Atomic uint64_t version; /* odd while being changed, see seqlock.h */
	_Atomic uint32_t root;	  /* node, 0: none */
	_Atomic uint32_t height;  /* of the root above the leaves */
	/* Writer only: */
	uint32_t count;		    /* of items */
	struct range_hint adding;   /* the leaf that was added to last */
	struct range_hint removing; /* the leaf that was removed from last */
	uint64_t added;		    /* first address of the item added last */
};

/*
 * Adds an item; writer only. VIOMMU_OK; VIOMMU_EINVAL: last < first, or perm has more than 8 bits;
 * VIOMMU_EEXIST: overlaps one; VIOMMU_ELIMIT: the pool's cap; VIOMMU_ENOMEM. Unless OK, nothing has
 * changed.
 */
int range_map_add(struct range_pool *pool, struct range_map *map, const struct range_item *item);

/* Changes the perm of the item that has the address, if there is one; needs no memory. Writer only. */
void range_map_set_perm(struct range_pool *pool, struct range_map *map, uint64_t address,
			uint32_t perm);

/* Puts the items of a map that nobody else knows into an empty one of the same pool, which others
 * may be reading. Writer only. */
void range_map_move(struct range_pool *pool, struct range_map *to, struct range_map *from);

/* Has memory for the next @adds items that are added to the map, whatever is removed before: they
 * will not fail by VIOMMU_ENOMEM. VIOMMU_OK, VIOMMU_ENOMEM. Writer only. */
int range_map_reserve(struct range_pool *pool, const struct range_map *map, uint32_t adds);

/* Whether an item lies across an edge of [first, last]: partly in it and partly not. Writer only.
 */
bool range_map_cuts(const struct range_pool *pool, struct range_map *map, uint64_t first,
		    uint64_t last);

/*
 * Removes every item that lies in [first, last] whole; those across an edge stay. Each is shown to
 * @removed before, which may look up but not change maps of the pool (may be NULL). Returns how
 * many. Cannot fail, and allocates nothing. Writer only. Lookups may see some removed before
 * others.
 */
uint32_t range_map_remove(struct range_pool *pool, struct range_map *map, uint64_t first,
			  uint64_t last, void (*removed)(void *opaque, const struct range_item *),
			  void *opaque);

/* The same in steps, of at most one leaf: removes from *first on. True: there is more to look at, from
 * *first on. Writer only. */
bool range_map_remove_some(struct range_pool *pool, struct range_map *map, uint64_t *first,
			   uint64_t last, void (*removed)(void *opaque, const struct range_item *),
			   void *opaque);

/* Removes all items, in constant time: their nodes are used again as they are needed. Writer only.
 */
void range_map_clear(struct range_pool *pool, struct range_map *map);

/* The item that has @address; any thread. */
bool range_map_find(const struct range_pool *pool, const struct range_map *map, uint64_t address,
		    struct range_item *found);

/*
 * The same, once, for one who does more with the item and then has to see whether the version is still
 * the one that he began with (seq_read_begin()):
 *
 *	for (;; range_map_again(pool, tries++)) { try, use; if (valid) break; }
 *	range_map_found(pool, tries);
 *
 * After SEQ_TRIES rounds the writer is asked to wait, and the rounds sleep.
 */
enum range_look { RANGE_CHANGED, RANGE_NONE, RANGE_ITEM };

enum range_look range_map_try(const struct range_pool *pool, const struct range_map *map,
			      uint64_t version, uint64_t address, struct range_item *found);
void range_map_again(const struct range_pool *pool, unsigned tries);
void range_map_found(const struct range_pool *pool, unsigned tries);

/* The first item whose last address is not below @address, that is, the one that has it or the next
 * one; any thread. For going through a map in order. */
bool range_map_next(const struct range_pool *pool, const struct range_map *map, uint64_t address,
		    struct range_item *found);

#endif
