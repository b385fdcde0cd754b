/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_misses.h - what has been asked for and not been granted, so that it is not asked twice, nor
 * waited for for ever.
 *
 * A few pages in the order in which they were asked for first, and the oldest goes when there is no
 * more room: forgetting costs a message, nothing else.
 *
 * An update that grants less than was asked for need not be the answer: it may have been on its way
 * when the question was asked. So the question is asked once more, and the second such update is
 * taken for a refusal. It refuses one lookup: what is refused may be granted later without any
 * message.
 *
 * A question that nobody answers is repeated after a number of lookups of its page, which doubles each
 * time. Whoever answers nothing at all is busy, or gone: then the number of lookups between two
 * repetitions, of all questions together, doubles as well until something is answered, so that what
 * waits to be read stays bounded.
 */
#ifndef VHOST_MISSES_H
#define VHOST_MISSES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define IOTLB_ANSWERS 2U   /* without what was asked for: a refusal */
#define IOTLB_REPEAT  512U /* lookups of a page before its miss is repeated for the first time */
#define IOTLB_SELDOM  (1U << 20) /* the same, for the last of many times */

struct iotlb_miss {
	uint64_t page;
	uint8_t wanted;	  /* VIOMMU_READ, VIOMMU_WRITE: asked for since it was last granted */
	uint8_t asked;	  /* of these: outstanding */
	uint8_t answers;  /* that did not grant it */
	uint32_t lookups; /* since it was asked for last, up to repeat */
	uint32_t repeat;
};

struct iotlb_misses {
	pthread_mutex_t lock; /* guards the rest */
	uint32_t count;
	uint32_t max;
	uint32_t waited;	 /* lookups of what may be repeated, since the last repetition */
	uint32_t patience;	 /* the next one after so many */
	struct iotlb_miss *miss; /* max of them; the oldest first */
};

/* @miss: memory for @max */
void iotlb_misses_init(struct iotlb_misses *misses, struct iotlb_miss *miss, uint32_t max);
void iotlb_misses_fini(struct iotlb_misses *misses);

/* Notes that @access of @iova is wanted. Returns what of it is to be asked for now, 0: nothing.
 * *refused: it has been refused, which is forgotten now. With the lock held. */
uint32_t iotlb_misses_note(struct iotlb_misses *misses, uint64_t iova, uint32_t access,
			   bool *refused);

/* An update of [first, last] with @perm; 0: an invalidation. Takes the lock. */
void iotlb_misses_answer(struct iotlb_misses *misses, uint64_t first, uint64_t last, uint32_t perm);

/* The next lookup of the page with that access is refused. Takes the lock. */
void iotlb_misses_refuse(struct iotlb_misses *misses, uint64_t iova, uint32_t access);

#endif
