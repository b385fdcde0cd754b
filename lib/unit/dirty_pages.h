/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dirty_pages.h - which guest memory devices write.
 *
 * While anyone wants to know, the shared TLB keeps no entry as dirty, so each write is a miss, and is
 * noted where misses end (translate.c). A channel may keep what it has asked to write, a page at a
 * time: it noted it. Collecting takes the bits, then voids what channels keep as an invalidation of
 * contexts does, then waits for the sections that are older than that:
 *
 *	a bit that was taken		whoever relies on it, having set it or found it set, or through what
 *					his channel kept, does so in an older section, and is waited for
 *	a bit that was set later	stays for the next time
 *	a write in a younger section	asks again: its channel has nothing, as after an invalidation
 *
 * So all that is needed of readers is what invalidations need (epoch.h, and the fill rule).
 */
#ifndef DIRTY_PAGES_H
#define DIRTY_PAGES_H

#include "unit.h"

/* q has been answered with this piece of it, in a section: notes it if it is written. */
void dirty_note(const struct query *q, const struct viommu_fragment *piece);

/* To be read after the tag that something is cached under: whoever began to note voided the caches after
 * he had said so. */
static inline bool dirty_wanted(const struct viommu *u)
{
	return atomic_load_explicit(&u->dirty, memory_order_acquire) != NULL;
}

#endif
