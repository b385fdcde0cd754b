/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_sent.h - which translations a backend may have: a bounded record that may name more than
 * there is, never less.
 *
 * It is kept under the connection's lock, with which held no memory is asked for: the record takes
 * what was laid ready for it, or notes how much it wants.
 */
#ifndef VHOST_SENT_H
#define VHOST_SENT_H

#include <stdbool.h>
#include <stdint.h>

#include "range_map.h"

struct viommu_vm;

struct vhost_range {
	uint64_t first;
	uint64_t last;
};

struct vhost_sent {
	struct viommu_vm *vm;
	struct range_pool *pool;
	struct range_map
		map; /* target: the guest-physical address of first; perm: as it was sent */
	uint32_t max;
	void *ready; /* the next block of memory, or NULL */
	uint64_t ready_bytes;
	uint64_t wanted; /* bytes, if a reservation has failed */
};

/* VIOMMU_OK, VIOMMU_ENOMEM: nothing is left behind. @max: ranges, at least 1. */
int vhost_sent_init(struct vhost_sent *sent, struct viommu_vm *vm, uint32_t max);
void vhost_sent_fini(struct vhost_sent *sent);

/* Whether there is memory for one more vhost_sent_remove() and vhost_sent_add(). If not: give up the
 * lock, take a block of @wanted bytes, zeroed and aligned to VHOST_SENT_ALIGN, and lay it ready. */
bool vhost_sent_reserve(struct vhost_sent *sent);
void vhost_sent_lay_ready(struct vhost_sent *sent, void *block, uint64_t bytes);

#define VHOST_SENT_ALIGN 512U

/* Adds a range that overlaps none. When there are too many, two neighbours become one. One that goes on
 * from another becomes one with it at once, unless it stays @alone. */
void vhost_sent_add(struct vhost_sent *sent, const struct vhost_range *range, uint64_t gpa,
		    uint32_t perm, bool alone);

/* Removes [first, last]; without memory, a range that is across an edge stays whole. @removed: if
 * not NULL, receives the smallest range that has all that was there. */
void vhost_sent_remove(struct vhost_sent *sent, uint64_t first, uint64_t last,
		       struct vhost_range *removed);

/* Whether anything of [first, last] may have been sent. */
bool vhost_sent_any(const struct vhost_sent *sent, uint64_t first, uint64_t last);

/* Makes the range, which has iova, so small that it overlaps nothing but what iova is in. True: iova
 * is in something. */
bool vhost_sent_fit(const struct vhost_sent *sent, uint64_t iova, struct vhost_range *range);

/* Whether a backend may have this very range and no mere part of it: it was sent in one message, or is
 * what an invalidation has left of one. */
bool vhost_sent_same(const struct vhost_sent *sent, const struct vhost_range *range, uint64_t gpa,
		     uint32_t perm);

/* The first range at or above *from, which moves behind it, that may be somewhere in [gpa, gpa_last] of
 * guest memory. False: there is none. */
bool vhost_sent_in_memory(const struct vhost_sent *sent, uint64_t *from, uint64_t gpa,
			  uint64_t gpa_last, struct vhost_range *range);

/* Whether there is no address between them: they can be one range. */
bool vhost_range_touches(const struct vhost_range *a, uint64_t first, uint64_t last);

/* Makes *a the smallest range with both. */
void vhost_range_include(struct vhost_range *a, uint64_t first, uint64_t last);

#endif
