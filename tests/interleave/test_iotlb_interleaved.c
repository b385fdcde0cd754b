/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_iotlb_interleaved.c - a lookup in a device IOTLB and a change of it, one let in at every instruction of the other
 * (obligation 12): memory that is answered is that of the range, before or after, and not of another range that has its
 * record by then; what begins after an invalidation is complete does not find what was there.
 */
#include "check.h"

#include <libvirtiommu/vhost.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "interleave.h"

#define FIRST  UINT64_C(0x10000)
#define LAST   UINT64_C(0x1ffff)
#define IOVA   UINT64_C(0x14000)
#define ELSE   UINT64_C(0x40000)
#define OLD    UINT64_C(0x100000)
#define FRESH  UINT64_C(0x200000)
#define OTHERS UINT64_C(0x300000)

static unsigned char memory[0x10000];

enum what {
	REUSE,	/* invalidation, and another range gets the record */
	UPDATE, /* the range has other memory */
	SPLIT,	/* all but the first page is invalidated */
	EVICT,	/* other ranges come, and there is no room */
};

enum who { COLD, WARM, ELSEWHERE, RANGE };

static const struct {
	const char *name;
	enum what what;
	uint64_t after; /* gpa of FIRST; 0: it is missing */
} rows[] = {
	{ "invalidated, another in its place", REUSE, 0 },
	{ "updated", UPDATE, FRESH },
	{ "split", SPLIT, 0 },
	{ "evicted", EVICT, 0 },
};

static const char *const whose[] = { "cold", "warm", "another is warm", "whole range" };

struct world {
	const char *name;
	enum what what;
	enum who who;
	uint64_t after;
	struct viommu_iotlb *t;
	struct viommu_iotlb_reader *r;
	bool complete;
};

static struct world world;

static void add(struct world *w, uint64_t first, uint64_t gpa)
{
	check_eq(w->name,
		 viommu_iotlb_insert(w->t, first, first + (LAST - FIRST), memory, gpa, VIOMMU_READ),
		 VIOMMU_OK);
}

static void change(void *opaque)
{
	struct world *w = opaque;

	if (w->what == UPDATE) {
		add(w, FIRST, FRESH);
	} else if (w->what == EVICT) {
		add(w, 2 * ELSE, OTHERS);
		add(w, 3 * ELSE, OTHERS);
		w->complete = true; /* nobody may use what is gone, in a section that begins now */
		return;
	}
	w->complete = viommu_iotlb_invalidate(w->t, w->what == UPDATE ? ELSE : FIRST + 0x1000,
					      w->what == UPDATE ? ELSE + 1 : LAST) == VIOMMU_OK;
	if (w->what == REUSE) {
		viommu_iotlb_invalidate(w->t, FIRST, LAST);
		add(w, 2 * ELSE, OTHERS);
	}
}

/* gpa of FIRST, as it is found; 0: it is missing. In a section. */
static uint64_t found(struct world *w, uint64_t iova)
{
	struct viommu_fragment f = { .gpa = 0 };
	struct viommu_iotlb_range range;
	struct viommu_answer answer;
	int result;

	if (w->who == RANGE) {
		result = viommu_iotlb_get_range(w->r, iova, VIOMMU_READ, &range);
		if (result)
			range = (struct viommu_iotlb_range){ .first = iova };
		f.gpa = range.gpa + (iova - range.first);
		f.host = (unsigned char *)range.host + (iova - range.first);
	} else {
		result = viommu_iotlb_lookup(w->r, iova, iova, VIOMMU_READ, &f, 1, &answer);
	}
	if (result == VIOMMU_PENDING)
		return 0;
	check_eq(w->name, result, VIOMMU_OK);
	check_that(w->name, f.host == memory + iova % ELSE - FIRST);
	return f.gpa - (iova % ELSE - FIRST);
}

static void look_up(void *opaque)
{
	struct world *w = opaque;
	bool complete = w->complete;
	uint64_t gpa;

	check_eq(w->name, viommu_iotlb_enter(w->r), VIOMMU_OK);
	gpa = found(w, IOVA);
	if (complete || (gpa != OLD && gpa != 0))
		check_eq(w->name, gpa, w->after);
	check_eq(w->name, viommu_iotlb_leave(w->r), VIOMMU_OK);
}

static void open_world(void *opaque)
{
	const struct viommu_iotlb_config config = { .size = sizeof(config), .ranges = 2 };
	struct world *w = opaque;

	w->complete = false;
	check_eq(w->name, viommu_iotlb_new(&config, &w->t), VIOMMU_OK);
	check_eq(w->name, viommu_iotlb_reader_new(w->t, &w->r), VIOMMU_OK);
	add(w, FIRST, OLD);
	add(w, ELSE + FIRST, OTHERS);
	check_eq(w->name, viommu_iotlb_enter(w->r), VIOMMU_OK);
	if (w->who == WARM || w->who == RANGE)
		check_eq(w->name, found(w, IOVA), OLD);
	if (w->who == ELSEWHERE)
		check_eq(w->name, found(w, ELSE + IOVA), OTHERS);
	check_eq(w->name, viommu_iotlb_leave(w->r), VIOMMU_OK);
}

static void close_world(void *opaque)
{
	struct world *w = opaque;

	check_eq(w->name, viommu_iotlb_synced(w->t), VIOMMU_OK);
	check_eq(w->name, viommu_iotlb_enter(w->r), VIOMMU_OK);
	for (unsigned i = 0; i < 2; i++)
		check_eq(w->name, found(w, IOVA), w->after);
	check_eq(w->name, viommu_iotlb_leave(w->r), VIOMMU_OK);
	check_eq(w->name, viommu_iotlb_reader_free(w->r), VIOMMU_OK);
	check_eq(w->name, viommu_iotlb_free(w->t), VIOMMU_OK);
}

static void every_point(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 2 * ARRAY_COUNT(rows) * ARRAY_COUNT(whose); n++) {
		size_t row = n / 2 / ARRAY_COUNT(whose);
		enum who who = n / 2 % ARRAY_COUNT(whose);
		bool other_way = n % 2;
		char name[128];
		const struct interleaving plan = {
			.name = name,
			.open = open_world,
			.subject = other_way ? change : look_up,
			.other = other_way ? look_up : change,
			.close = close_world,
		};

		snprintf(name, sizeof(name), "%s%s, %s", other_way ? "let in at " : "",
			 rows[row].name, whose[who]);
		world = (struct world){
			.name = name, .what = rows[row].what, .who = who, .after = rows[row].after
		};
		interleave(&plan, &world);
	}
}

int main(void)
{
	return interleave_main(every_point);
}
