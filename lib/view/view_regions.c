/* SPDX-License-Identifier: BSD-3-Clause */
/* view_regions.c - guest memory that a device process has mapped, as long as it is the owner's. */

#include <libvirtiommu/vm.h>

#include <stddef.h>

#include "abi.h"
#include "range.h"
#include "view_own.h"

/* No version: those are even (seqlock.h). */
#define NEVER_SEEN UINT64_MAX

static uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* The stamp of the region of the window in which all of [first, last] is; 0: there is none. To be asked between
 * seq_read_begin() and seq_read_valid(). At most as many steps as a window has regions. */
static uint64_t stamp_of(const struct viommu_view *view, uint64_t first, uint64_t last)
{
	uint64_t used = load(&view->window->regions_used);

	for (uint64_t i = 0; i < used && i < view->region_count; i++) {
		const struct window_region *r = &view->window_regions[i];

		if (range_contains(load(&r->first), load(&r->last), first, last))
			return load(&r->stamp);
	}
	return 0;
}

/* Of what is mapped here, what the owner still has. False: he changes it at the moment. */
static __attribute__((noinline)) bool look_again(struct viommu_view *view, uint64_t version)
{
	uint64_t stamp[VIOMMU_VIEW_REGIONS];

	for (uint32_t i = 0; i < view->regions; i++)
		stamp[i] = stamp_of(view, view->region[i].place.first, view->region[i].place.last);
	if (!seq_read_valid(&view->window->region_version, version))
		return false;
	for (uint32_t i = 0; i < view->regions; i++)
		view->region[i].stands = stamp[i] == view->region[i].stamp;
	view->region_version = version;
	return true;
}

/* The first one that ends at or after an address; view->regions: there is none. */
static uint32_t find(const struct viommu_view *view, uint64_t gpa)
{
	uint32_t i = 0;

	while (i < view->regions && view->region[i].place.last < gpa)
		i++;
	return i;
}

/* Between two that are mapped here. */
static struct mem_place gap_at(const struct viommu_view *view, uint32_t next, uint64_t version)
{
	return (struct mem_place){ .first = next ? view->region[next - 1].place.last + 1 : 0,
				   .last = next < view->regions ? view->region[next].place.first - 1
								: UINT64_MAX,
				   .version = version };
}

bool view_place(struct viommu_view *view, uint64_t gpa, struct mem_place *place)
{
	uint64_t version = seq_read_begin(&view->window->region_version);
	uint32_t i;

	if (view->region_version != version && !look_again(view, version))
		return false;
	i = find(view, gpa);
	if (i == view->regions || view->region[i].place.first > gpa) {
		*place = gap_at(view, i, version);
	} else {
		*place = view->region[i].place;
		if (!view->region[i].stands)
			place->host = 0;
	}
	return seq_read_valid(&view->window->region_version, version);
}

static int take_region(struct viommu_region *r, const struct viommu_region *given, uint64_t *last)
{
	int result = abi_take(r, sizeof(*r), offsetof(struct viommu_region, opaque), given);

	if (result)
		return result;
	if ((r->flags & ~VIOMMU_REGION_READONLY) || (r->gpa | r->bytes) % 4096 || !r->host ||
	    (uintptr_t)r->host % 16 || !range_last(r->gpa, r->bytes, last))
		return VIOMMU_EINVAL;
	return VIOMMU_OK;
}

/* What the owner has there, read as a whole. False: nothing, or not for long enough to be read. */
static bool known_stamp(const struct viommu_view *view, uint64_t first, uint64_t last,
			uint64_t *version, uint64_t *stamp)
{
	for (unsigned i = 0; i < SEQ_TRIES; i++, seq_pause()) {
		*version = seq_read_begin(&view->window->region_version);
		*stamp = stamp_of(view, first, last);
		if (seq_read_valid(&view->window->region_version, *version))
			return *stamp != 0;
	}
	return false;
}

int viommu_view_map(struct viommu_view *view, const struct viommu_region *given)
{
	struct viommu_region r;
	uint64_t last, version, stamp;
	uint32_t at;
	int result;

	if (!view)
		return VIOMMU_EINVAL;
	result = take_region(&r, given, &last);
	if (result)
		return result;
	if (view->open)
		return VIOMMU_EBUSY;
	at = find(view, r.gpa);
	if (at < view->regions && view->region[at].place.first <= last)
		return VIOMMU_EEXIST;
	if (view->regions == VIOMMU_VIEW_REGIONS)
		return VIOMMU_ELIMIT;
	if (!known_stamp(view, r.gpa, last, &version, &stamp))
		return VIOMMU_ENOENT;
	for (uint32_t i = view->regions++; i > at; i--)
		view->region[i] = view->region[i - 1];
	view->region[at] = (struct view_region){
		.place = { .first = r.gpa,
			   .last = last,
			   .host = (uintptr_t)r.host |
				   ((r.flags & VIOMMU_REGION_READONLY) || (stamp & WINDOW_READONLY)
					    ? MEM_REGION_READONLY
					    : 0) },
		.stamp = stamp
	};
	view->region_version = NEVER_SEEN;
	view_forget(view);
	return VIOMMU_OK;
}

int viommu_view_unmap(struct viommu_view *view, uint64_t gpa)
{
	uint32_t at;

	if (!view)
		return VIOMMU_EINVAL;
	if (view->open)
		return VIOMMU_EBUSY;
	at = find(view, gpa);
	if (at == view->regions || view->region[at].place.first != gpa)
		return VIOMMU_ENOENT;
	view->regions--;
	for (uint32_t i = at; i < view->regions; i++)
		view->region[i] = view->region[i + 1];
	view_forget(view);
	return VIOMMU_OK;
}
