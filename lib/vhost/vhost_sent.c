/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_sent.c - the record of what a backend was sent. */

#include <libvirtiommu/base.h>

#include <stddef.h>

#include "bits.h"
#include "machine.h"
#include "range.h"
#include "vhost_sent.h"

/* perm of a range that stands for several: its target says nothing. */
#define SEVERAL 0x80U
/* And of one that was sent in more than one message, or invalidated in part: a backend may have a part
 * of it. */
#define PARTS 0x40U
/* And of one that is not joined with others, so that it is known as a message of its own. */
#define ALONE 0x20U

/* Items that one change adds at most: two parts at each edge, the new one, one that stands for two.
 */
#define ADDS 6U

bool vhost_range_touches(const struct vhost_range *a, uint64_t first, uint64_t last)
{
	uint64_t from = first ? first - 1 : 0;
	uint64_t to = last != UINT64_MAX ? last + 1 : UINT64_MAX;

	return range_overlaps(a->first, a->last, from, to);
}

void vhost_range_include(struct vhost_range *a, uint64_t first, uint64_t last)
{
	if (first < a->first)
		a->first = first;
	if (last > a->last)
		a->last = last;
}

/* ---- memory ---- */

static void *take_ready(void *opaque, uint64_t bytes, uint64_t align)
{
	struct vhost_sent *sent = opaque;
	void *block = sent->ready;

	if (NEVER(align > VHOST_SENT_ALIGN))
		return NULL;
	if (!block || sent->ready_bytes != bytes) {
		sent->wanted = bytes;
		return NULL;
	}
	sent->ready = NULL;
	return block;
}

static void give_back(void *opaque, void *block, uint64_t bytes)
{
	const struct vhost_sent *sent = opaque;

	vm_dealloc(sent->vm, block, bytes);
}

bool vhost_sent_reserve(struct vhost_sent *sent)
{
	return range_map_reserve(sent->pool, &sent->map, ADDS) == VIOMMU_OK;
}

void vhost_sent_lay_ready(struct vhost_sent *sent, void *block, uint64_t bytes)
{
	if (sent->ready)
		vm_dealloc(sent->vm, sent->ready, sent->ready_bytes);
	sent->ready = block;
	sent->ready_bytes = bytes;
}

int vhost_sent_init(struct vhost_sent *sent, struct viommu_vm *vm, uint32_t max)
{
	const struct range_pool_config config = {
		.alloc = take_ready, .dealloc = give_back, .opaque = sent, .items = max + ADDS
	};

	*sent = (struct vhost_sent){ .vm = vm, .max = max };
	if (range_pool_new(&config, &sent->pool) == VIOMMU_OK)
		return VIOMMU_OK;
	sent->ready = vm_alloc(vm, sent->wanted, VHOST_SENT_ALIGN);
	sent->ready_bytes = sent->wanted;
	return range_pool_new(&config, &sent->pool);
}

void vhost_sent_fini(struct vhost_sent *sent)
{
	vhost_sent_lay_ready(sent, NULL, 0);
	range_pool_free(sent->pool);
}

/* ---- looking ---- */

static bool find(const struct vhost_sent *sent, uint64_t address, struct range_item *item)
{
	return range_map_find(sent->pool, &sent->map, address, item);
}

static bool next(const struct vhost_sent *sent, uint64_t address, struct range_item *item)
{
	return range_map_next(sent->pool, &sent->map, address, item);
}

bool vhost_sent_any(const struct vhost_sent *sent, uint64_t first, uint64_t last)
{
	struct range_item item;

	return next(sent, first, &item) && item.first <= last;
}

/* The part of an item that is in [gpa, gpa_last], or all of it if it is not known where it is. */
static bool part_in(const struct range_item *item, uint64_t gpa, uint64_t gpa_last,
		    struct vhost_range *range)
{
	uint64_t last = item->target + (item->last - item->first);

	*range = (struct vhost_range){ item->first, item->last };
	if (item->perm & SEVERAL)
		return true;
	if (!range_overlaps(item->target, last, gpa, gpa_last))
		return false;
	if (gpa > item->target)
		range->first += gpa - item->target;
	if (gpa_last < last)
		range->last -= last - gpa_last;
	return true;
}

bool vhost_sent_in_memory(const struct vhost_sent *sent, uint64_t *from, uint64_t gpa,
			  uint64_t gpa_last, struct vhost_range *range)
{
	struct range_item item;

	while (*from != UINT64_MAX && next(sent, *from, &item)) {
		*from = item.last == UINT64_MAX ? UINT64_MAX : item.last + 1;
		if (part_in(&item, gpa, gpa_last, range))
			return true;
	}
	return false;
}

/* The lowest address from which to @below, exclusive, there is nothing; not below @lowest. Some 64
 * steps: it halves the distance. */
static uint64_t gap_below(const struct vhost_sent *sent, uint64_t lowest, uint64_t below)
{
	uint64_t high = below; /* nothing in [high, below) */

	while (lowest < high) {
		uint64_t middle = lowest + (high - lowest) / 2;

		if (vhost_sent_any(sent, middle, below - 1))
			lowest = middle + 1;
		else
			high = middle;
	}
	return high;
}

bool vhost_sent_fit(const struct vhost_sent *sent, uint64_t iova, struct vhost_range *range)
{
	struct range_item own, above;
	bool known = find(sent, iova, &own);

	if (!known)
		own = (struct range_item){ .first = iova, .last = iova };
	if (own.last < range->last && next(sent, own.last + 1, &above) &&
	    above.first <= range->last)
		range->last = above.first - 1;
	if (own.first > range->first && vhost_sent_any(sent, range->first, own.first - 1))
		range->first = gap_below(sent, range->first, own.first);
	return known;
}

bool vhost_sent_same(const struct vhost_sent *sent, const struct vhost_range *range, uint64_t gpa,
		     uint32_t perm)
{
	struct range_item item;

	return find(sent, range->first, &item) && item.first == range->first &&
	       item.last == range->last && item.target == gpa && (item.perm & ~ALONE) == perm;
}

/* ---- changes ---- */

/* There is memory and a place for it. */
static void add(struct vhost_sent *sent, const struct range_item *item)
{
	int result = range_map_add(sent->pool, &sent->map, item);

	(void)NEVER(result != VIOMMU_OK);
}

static void remove_whole(struct vhost_sent *sent, const struct range_item *item)
{
	range_map_remove(sent->pool, &sent->map, item->first, item->last, NULL, NULL);
}

/* Two of the range that has both @at - 1 and @at, if there is one. */
static void split(struct vhost_sent *sent, uint64_t at)
{
	struct range_item low, high;

	if (!find(sent, at, &low) || low.first == at)
		return;
	remove_whole(sent, &low);
	high = low;
	high.first = at;
	high.target += at - low.first;
	low.last = at - 1;
	add(sent, &low);
	add(sent, &high);
}

/* A part of what has the address is removed, and there is no memory to say which. */
static void blur(struct vhost_sent *sent, uint64_t address)
{
	struct range_item item;

	if (find(sent, address, &item))
		range_map_set_perm(sent->pool, &sent->map, address, item.perm | PARTS);
}

/* While there are too many, one that is near and the next become one: what is between them may be
 * invalidated in vain. */
static void reduce(struct vhost_sent *sent, uint64_t near)
{
	while (sent->map.count > sent->max) {
		struct range_item low, high;

		if (!next(sent, near, &low) || low.last == UINT64_MAX ||
		    !next(sent, low.last + 1, &high)) {
			next(sent, 0, &low);
			next(sent, low.last + 1, &high);
		}
		remove_whole(sent, &low);
		remove_whole(sent, &high);
		low.last = high.last;
		low.perm |= SEVERAL;
		add(sent, &low);
	}
}

/* Whether b is what follows a, and both are one range. */
static bool continues(const struct range_item *a, const struct range_item *b)
{
	return !((a->perm | b->perm) & ALONE) && a->last + 1 == b->first &&
	       (a->perm & ~PARTS) == (b->perm & ~PARTS) &&
	       a->target + (b->first - a->first) == b->target;
}

void vhost_sent_add(struct vhost_sent *sent, const struct vhost_range *range, uint64_t gpa,
		    uint32_t perm, bool alone)
{
	struct range_item item = { .first = range->first,
				   .last = range->last,
				   .target = gpa,
				   .perm = perm | (alone ? ALONE : 0) };
	struct range_item other;

	if (item.first && find(sent, item.first - 1, &other) && continues(&other, &item)) {
		remove_whole(sent, &other);
		item.first = other.first;
		item.target = other.target;
		item.perm |= PARTS;
	}
	if (item.last != UINT64_MAX && find(sent, item.last + 1, &other) &&
	    continues(&item, &other)) {
		remove_whole(sent, &other);
		item.last = other.last;
		item.perm |= PARTS;
	}
	add(sent, &item);
	reduce(sent, item.first);
}

static void include(void *opaque, const struct range_item *item)
{
	struct vhost_range *all = opaque;

	if (all)
		vhost_range_include(all, item->first, item->last);
}

void vhost_sent_remove(struct vhost_sent *sent, uint64_t first, uint64_t last,
		       struct vhost_range *removed)
{
	if (removed)
		*removed = (struct vhost_range){ last, first };
	if (vhost_sent_reserve(sent)) {
		split(sent, first);
		if (last != UINT64_MAX)
			split(sent, last + 1);
	} else {
		blur(sent, first);
		blur(sent, last);
	}
	range_map_remove(sent->pool, &sent->map, first, last, include, removed);
	reduce(sent, first);
}
