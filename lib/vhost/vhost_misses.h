/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_misses.h - what has been asked for and not been answered, so that it is not asked twice.
 *
 * A few pages in the order in which they were asked for. A page is forgotten when something about
 * it changes, and the oldest when there is no more room: forgetting costs a message, nothing else.
 */
#ifndef VHOST_MISSES_H
#define VHOST_MISSES_H

#include <pthread.h>
#include <stdint.h>

struct iotlb_miss {
	uint64_t page;
	uint32_t access; /* VIOMMU_READ, VIOMMU_WRITE: asked for */
};

struct iotlb_misses {
	pthread_mutex_t lock; /* guards the rest */
	uint32_t count;
	uint32_t max;
	struct iotlb_miss *miss; /* max of them; the oldest first */
};

/* @miss: memory for @max */
void iotlb_misses_init(struct iotlb_misses *misses, struct iotlb_miss *miss, uint32_t max);
void iotlb_misses_fini(struct iotlb_misses *misses);

/* Notes that @access of @iova is wanted. Returns what of it has not been asked for, 0: nothing.
 * With the lock held. */
uint32_t iotlb_misses_note(struct iotlb_misses *misses, uint64_t iova, uint32_t access);

/* Forgets every page that [first, last] touches. Takes the lock. */
void iotlb_misses_forget(struct iotlb_misses *misses, uint64_t first, uint64_t last);

#endif
