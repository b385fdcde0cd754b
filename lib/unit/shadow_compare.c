/* SPDX-License-Identifier: BSD-3-Clause */
/* shadow_compare.c - the difference between what was replayed and what the tables say now. */

#include "shadow.h"
#include "unit.h"

/* Table entries of one visit, and pieces of one difference, at most. */
#define VISIT_BUDGET 512U
#define VISIT_LEAST  64U
#define PIECES_MAX   1024U

struct difference {
	struct shadow *shadow;
	uint64_t first; /* of what differs and has not been told, if there are pieces */
	uint64_t last;
	uint32_t pieces;
	bool done; /* shadow->last has been compared */
};

static void tell(struct difference *d)
{
	struct shadow *s = d->shadow;
	struct viommu *u = s->device->iommu;

	if (!d->pieces)
		return;
	pthread_mutex_lock(&u->shadow_lock);
	if (!shadow_cut_out(s, d->first, d->last))
		shadow_lose_locked(s->device);
	pthread_mutex_unlock(&u->shadow_lock);
	d->pieces = 0;
	tell_unmap(s->device, s->pasid, d->first, d->last);
}

/* What lies between two pieces that differ is in neither, and is told with them. */
static void differs(struct difference *d, uint64_t first, uint64_t last)
{
	if (!d->pieces++)
		d->first = first;
	d->last = last;
	if (d->pieces == PIECES_MAX)
		tell(d);
}

static void advance(struct difference *d, uint64_t last)
{
	d->done = last == d->shadow->last;
	d->shadow->at = d->done ? last : last + 1;
}

/* Compares [shadow->at, last], of which the tables map all (@page) or nothing (NULL). False: steps ran
 * out. */
static bool compare(struct difference *d, uint64_t last, const struct translation *page)
{
	struct shadow *s = d->shadow;
	struct viommu *u = s->device->iommu;

	while (!d->done && s->at <= last) { /* each step pays */
		uint64_t first = s->at;
		uint64_t end = last;
		struct range_item item;
		bool found;

		pthread_mutex_lock(&u->shadow_lock);
		found = range_map_next(u->shadow_pool, &s->map, first, &item) && item.first <= last;
		pthread_mutex_unlock(&u->shadow_lock);
		if (found && item.first > first) {
			end = item.first - 1;
			found = false;
		} else if (found && item.last < end) {
			end = item.last;
		}
		if (found && page && item.perm == shadow_perm(page->perm) &&
		    item.target - item.first == page->gpa - page->iova)
			tell(d);
		else if (found || page)
			differs(d, first, end);
		advance(d, end);
		/* afterwards: each call gets on */
		if (!unit_pay(u, 1) && !d->done)
			return false;
	}
	return true;
}

static int compare_page(void *opaque, const struct translation *page)
{
	struct difference *d = opaque;
	struct shadow *s = d->shadow;
	uint64_t last = page->iova | bits_low(page->size_lg2);

	if (last < s->at)
		return 0;
	if (page->iova > s->at && !compare(d, page->iova - 1, NULL))
		return 1;
	return !compare(d, last < s->last ? last : s->last, page) || d->done;
}

/* What is left, but enough to get on: an entry at each level of both stages is less. */
static uint32_t visit_budget(uint32_t steps)
{
	if (steps < VISIT_LEAST)
		return VISIT_LEAST;
	return steps < VISIT_BUDGET ? steps : VISIT_BUDGET;
}

/* One visit's worth. False: steps ran out. */
static bool compare_some(struct difference *d)
{
	struct shadow *s = d->shadow;
	struct viommu *u = s->device->iommu;
	struct query q = {
		.device = s->device, .pasid = s->pasid, .quiet = true, .access = VIOMMU_READ
	};
	struct pt_visit visit = { .walk.vm = u->vm,
				  .next = s->at,
				  .last = s->last,
				  .page = compare_page,
				  .opaque = d,
				  .budget = visit_budget(u->steps) };
	const uint32_t budget = visit.budget;
	enum pt_visit_end end = PT_VISIT_DONE;
	struct context context;

	if (u->steps == 0)
		return false;
	if (unit_parse_noted(u, &q, &context) == VIOMMU_OK) /* nobody invalidates now but we */
		end = u->engine->visit(u, &context, &visit);
	unit_pay(u, 1 + budget - visit.budget);
	if (end == PT_VISIT_STOPPED)
		return d->done;
	if (end == PT_VISIT_BUDGET && visit.next > s->at)
		return compare(d, visit.next - 1, NULL);
	return end == PT_VISIT_BUDGET || compare(d, s->last, NULL);
}

static bool compare_all(struct shadow *s)
{
	struct difference d = { .shadow = s };
	bool on = true;

	while (on && !d.done)
		on = compare_some(&d);
	tell(&d);
	return d.done;
}

/* The first that is pending, whose device is in use until device_put(). */
static struct shadow *first_pending(struct viommu *u)
{
	struct shadow *s;

	pthread_mutex_lock(&u->devices_lock); /* no device goes */
	pthread_mutex_lock(&u->shadow_lock);
	s = u->shadows_pending;
	if (s)
		atomic_fetch_add(&s->device->users, 1);
	pthread_mutex_unlock(&u->shadow_lock);
	pthread_mutex_unlock(&u->devices_lock);
	return s;
}

bool shadow_settle(struct viommu *u)
{
	struct shadow *s;
	bool done = true;

	while (done && atomic_load(&u->shadows_due) && (s = first_pending(u)) != NULL) {
		done = compare_all(s);
		pthread_mutex_lock(&u->shadow_lock);
		if (done)
			shadow_unpend(s);
		pthread_mutex_unlock(&u->shadow_lock);
		device_put(s->device);
	}
	return done;
}
