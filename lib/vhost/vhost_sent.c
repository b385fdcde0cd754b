/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_sent.c - the record of what a backend was sent. */

#include "range.h"
#include "vhost_sent.h"

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

static uint64_t distance(const struct vhost_range *a, uint64_t first, uint64_t last)
{
	return a->first > last ? a->first - last : first - a->last;
}

static void drop(struct vhost_sent *sent, uint32_t i)
{
	sent->range[i] = sent->range[--sent->count];
}

void vhost_sent_add(struct vhost_sent *sent, uint64_t first, uint64_t last)
{
	struct vhost_range all = { first, last };
	uint32_t nearest = 0;

	/* What touches those that are taken in was one with them already. */
	for (uint32_t i = 0; i < sent->count;) {
		if (!vhost_range_touches(&sent->range[i], first, last)) {
			i++;
			continue;
		}
		vhost_range_include(&all, sent->range[i].first, sent->range[i].last);
		drop(sent, i);
	}
	if (sent->count < VHOST_SENT_MAX) {
		sent->range[sent->count++] = all;
		return;
	}
	for (uint32_t i = 1; i < sent->count; i++) {
		if (distance(&sent->range[i], all.first, all.last) <
		    distance(&sent->range[nearest], all.first, all.last))
			nearest = i;
	}
	vhost_range_include(&sent->range[nearest], all.first, all.last);
}

void vhost_sent_remove(struct vhost_sent *sent, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < sent->count;) {
		struct vhost_range *r = &sent->range[i];

		if (!range_overlaps(r->first, r->last, first, last)) {
			i++;
		} else if (range_contains(first, last, r->first, r->last)) {
			drop(sent, i);
		} else if (r->first >= first) { /* its beginning goes: last < r->last */
			r->first = last + 1;
			i++;
		} else if (r->last <= last) {
			r->last = first - 1;
			i++;
		} else {
			if (sent->count < VHOST_SENT_MAX) {
				sent->range[sent->count++] =
					(struct vhost_range){ last + 1, r->last };
				r->last = first - 1;
			}
			return; /* no other one can overlap it */
		}
	}
}

bool vhost_sent_any(const struct vhost_sent *sent, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < sent->count; i++) {
		if (range_overlaps(sent->range[i].first, sent->range[i].last, first, last))
			return true;
	}
	return false;
}
