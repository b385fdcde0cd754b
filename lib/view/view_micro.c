/* SPDX-License-Identifier: BSD-3-Clause */
/* view_micro.c - what a view remembers by itself: as channel.c does, of what the window has. */

#include <stddef.h>
#include <string.h>

#include "view_own.h"

void view_forget(struct viommu_view *view)
{
	view->domain = NULL;
	view->serial = view->serial < MICRO_SERIALS ? view->serial + 1 : 1;
	/* as many as it takes that none of an earlier turn of serials is left: 32 at most */
	for (uint64_t i = 0; i <= view->mask >> (MICRO_PAGE_LG2 - 1); i++)
		view->micro[view->swept++ & view->mask].tag = 0;
}

/* Whether what the micro-TLB holds may still be used. */
static bool current(const struct viommu_view *view)
{
	return view->domain &&
	       atomic_load_explicit(&view->domain->changes, memory_order_acquire) ==
		       view->changes &&
	       view_generation(view) + domain_life(view->domain) == view->generation;
}

/* The word first: what is invalidated after we looked moves it again. */
void view_catch_up(struct viommu_view *view)
{
	uint64_t now = atomic_load_explicit(view->now, memory_order_acquire);

	if (view->seen == now)
		return;
	if (!current(view))
		view_forget(view);
	view->seen = now;
}

/* As channel_keep() does. */
void view_keep(struct viommu_view *view, uint64_t iova, uint64_t changes,
	       const struct translation *found, const struct mem_place *place)
{
	const struct permit *permit = permit_of(found->perm);
	uint64_t first = iova & ~bits_low(MICRO_PAGE_LG2);
	uint64_t gpa = found->gpa + (first - found->iova);
	uint64_t rest = (found->iova | bits_low(found->size_lg2)) - first;
	struct micro_entry *e;

	/* ROM: the answer depends on the access */
	if (found->size_lg2 < MICRO_PAGE_LG2 || (place->host & MEM_REGION_READONLY) ||
	    gpa < place->first)
		return;
	if (UNLIKELY(view->domain != view->entry.domain ||
		     view->generation != view->entry.generation || view->changes != changes)) {
		view_forget(view);
		view->domain = view->entry.domain;
		view->generation = view->entry.generation;
		view->changes = changes;
	}
	if (rest > place->last - gpa)
		rest = place->last - gpa;
	e = view_entry(view, iova);
	e->tag = first | view->serial;
	e->last = first + rest;
	e->gpa = gpa;
	e->host = mem_host(place, gpa, false);
	e->grant[0] = permit->grant[0];
	e->grant[1] = permit->grant[1];
	e->extent = answer_extent(found->size_lg2);
	e->accepts = (uint32_t)permit->accepts;
	e->outside = 0;
}
