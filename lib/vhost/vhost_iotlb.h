/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_iotlb.h - a device IOTLB and its readers.
 *
 * The ranges are in a range_map; an item's target is the index of a record that says where the
 * memory is and when the range was added. One thread changes them; readers look up without a lock.
 *
 * A record belongs to its item until the item is removed: who finds the map's version unchanged
 * after reading the record has read the right one.
 *
 * `changes` is counted after ranges were taken away or made smaller, and before the call that did
 * it returns: what a reader copied is valid as long as it is what it was before the range was
 * looked up. Adding a range where there is none leaves all copies valid, and `changes` as it is.
 */
#ifndef VHOST_IOTLB_H
#define VHOST_IOTLB_H

#include <libvirtiommu/vhost.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "epoch.h"
#include "range_map.h"
#include "vhost_cache.h"
#include "vhost_misses.h"

#define IOTLB_RANGES_DEFAULT 2048U
#define IOTLB_MISSES_DEFAULT 256U

/* One record for each item. Number 0 is the head of the list of ages. */
struct iotlb_record {
	_Atomic uint64_t host; /* see struct iotlb_piece */
	_Atomic uint64_t gpa;
	/* The writer's. */
	uint64_t first;
	uint64_t last;
	uint32_t older; /* the range added before; 0: none */
	uint32_t newer; /* the range added next; of a free record: the next free one */
};

struct viommu_iotlb {
	_Alignas(64) _Atomic uint64_t changes;
	struct range_map map; /* perm: as in struct iotlb_piece */
	struct range_pool *pool;
	struct iotlb_record *record;
	struct epoch epoch;
	_Atomic uint32_t readers;

	/* The writer's. */
	uint32_t capacity; /* of record */
	uint32_t used;	   /* records that have been in use */
	uint32_t unused;   /* first free record of these; 0: none */
	uint64_t awaited;  /* the epoch of the last invalidation; 0: no section is older */

	struct iotlb_misses misses;
	struct viommu_iotlb_config config;
};

struct viommu_iotlb_reader {
	struct epoch_section section;
	struct viommu_iotlb *iotlb;
	bool open;
	struct iotlb_cache cache;
};

#endif
