/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_interleaved.c - a translation and a request of a virtio-iommu, one let in at every instruction of the other
 * (obligations 12 and 18): each answer is one that was right at some moment of its call, what begins after the request is
 * complete gets what is right now, and so does everybody afterwards, whatever was cached meanwhile.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interleave.h"
#include "trace.h"
#include "virtio_rig.h"

#define IOVA   UINT64_C(0x10000)
#define NEAR   UINT64_C(0x14000)
#define LAST   UINT64_C(0x1ffff)
#define OLD    UINT64_C(0x100000)
#define FRESH  UINT64_C(0x200000)
#define OTHERS UINT64_C(0x300000) /* of an endpoint that has nothing to do with it */

/* What is asked for of endpoint 1. It is attached to domain 7 first, or not at all and bypasses. */
enum what {
	DETACH_ONE, /* the domain lives on, endpoint 2 is in it */
	DETACH_LAST,
	MOVE, /* to domain 8, of endpoint 3 */
	UNMAP_ALL,
	REMAP,
	REUSE,	 /* DETACH, and endpoint 2 gets a domain in the place of the one that has died */
	REGIONS, /* set_endpoint(): a reserved region */
	BYPASS_OFF,
	BYPASSES_NOT, /* ATTACH, from bypassing to domain 8 */
};

enum who { DEVICE, DEVICE_WARM, CHANNEL, CHANNEL_WARM };

struct row {
	const char *name;
	enum what what;
	uint64_t before; /* what IOVA is, and then */
	uint64_t after;
	bool gap; /* meanwhile it may be refused */
};

static const struct row rows[] = {
	{ "DETACH, the domain lives on", DETACH_ONE, OLD, VR_FAULT(VR_DOMAIN), false },
	{ "DETACH, the domain dies", DETACH_LAST, OLD, VR_FAULT(VR_DOMAIN), true },
	{ "ATTACH to another domain", MOVE, OLD, FRESH, false },
	{ "UNMAP", UNMAP_ALL, OLD, VR_FAULT(VR_MAPPING), false },
	{ "UNMAP and MAP", REMAP, OLD, FRESH, true },
	{ "another domain in the same place", REUSE, OLD, VR_FAULT(VR_DOMAIN), true },
	{ "a reserved region", REGIONS, IOVA, VR_FAULT(VR_MAPPING), false },
	{ "no bypass any more", BYPASS_OFF, IOVA, VR_FAULT(VR_DOMAIN), false },
	{ "ATTACH of one that bypasses", BYPASSES_NOT, IOVA, FRESH, false },
};

static const char *const whose[] = { "device", "device, warm", "channel", "channel, warm" };

struct world {
	const struct row *row;
	enum who who;
	bool near;	 /* another address of the same block is translated */
	bool miss_first; /* afterwards */
	struct virtio_rig *r;
	bool complete;
};

static struct world world;

/* ---- requests ---- */

static void finished(struct world *w, unsigned status)
{
	row_equal(status, ST_OK);
	w->complete = w->r->result == VIOMMU_OK;
}

static void request(void *opaque)
{
	static const struct viommu_virtio_region region = { .first = IOVA, .last = IOVA + 0xfff };
	struct viommu_virtio_endpoint e = { .size = sizeof(e),
					    .region_count = 1,
					    .regions = &region };
	struct world *w = opaque;
	struct virtio_rig *r = w->r;

	switch (w->row->what) {
	case DETACH_ONE:
	case DETACH_LAST:
		finished(w, vr_detach(r, 7, 1));
		break;
	case MOVE:
	case BYPASSES_NOT:
		finished(w, vr_attach(r, 8, 1, 0));
		break;
	case UNMAP_ALL:
		finished(w, vr_unmap(r, 7, 0, UINT64_MAX));
		break;
	case REMAP:
		vr_unmap(r, 7, 0, UINT64_MAX);
		row_equal(vr_map(r, 7, IOVA, LAST, FRESH, VR_RW), ST_OK);
		break;
	case REUSE:
		vr_detach(r, 7, 1);
		row_equal(vr_attach(r, 9, 2, 0), ST_OK);
		row_equal(vr_map(r, 9, IOVA, LAST, OTHERS, VR_RW), ST_OK);
		row_equal(vr_map(r, 9, 8 * IOVA, 8 * IOVA + 0xfff, OTHERS, VR_RW), ST_OK);
		break;
	case REGIONS:
		row_equal(viommu_virtio_set_endpoint(r->device[1], &e), VIOMMU_OK);
		break;
	case BYPASS_OFF:
		row_equal(vr_set_bypass(r, 0) >= 0, true);
		break;
	}
}

/* ---- a world ---- */

static uint64_t asked(struct world *w, bool by_channel, uint64_t iova)
{
	struct guest_dma d =
		by_channel ? guest_channel_dma(w->r->channel[1], VIOMMU_NO_PASID, iova, VIOMMU_READ)
			   : guest_dma(w->r->device[1], iova, VIOMMU_READ);

	return d.result == VIOMMU_OK ? d.f.gpa : VR_FAULT(d.answer.reason);
}

static bool bypasses(const struct world *w)
{
	return w->row->before == IOVA;
}

static void open_world(void *opaque)
{
	const struct viommu_virtio_config config = {
		.domains = 16, .mappings = 64, .domain_mappings = 64, .events = 8
	};
	struct world *w = opaque;
	struct virtio_rig *r = vr_open(&config);

	w->r = r;
	w->complete = false;
	vr_set_bypass(r, bypasses(w));
	if (!bypasses(w)) {
		row_equal(vr_attach(r, 7, 1, 0), ST_OK);
		row_equal(vr_map(r, 7, IOVA, LAST, OLD, VR_RW), ST_OK);
	}
	if (w->row->what == DETACH_ONE)
		row_equal(vr_attach(r, 7, 2, 0), ST_OK);
	row_equal(vr_attach(r, 8, 3, 0), ST_OK);
	row_equal(vr_map(r, 8, IOVA, LAST, FRESH, VR_RW), ST_OK);
	if (w->who == DEVICE_WARM || w->who == CHANNEL_WARM)
		row_equal(asked(w, w->who == CHANNEL_WARM, w->near ? NEAR : IOVA),
			  w->row->before + (w->near ? NEAR - IOVA : 0));
	/* the epoch moves, for another's sake */
	row_equal(vr_attach(r, 10, 4, 0), ST_OK);
	row_equal(vr_detach(r, 10, 4), ST_OK);
	r->completions = 0;
}

static void translate(void *opaque)
{
	struct world *w = opaque;
	uint64_t offset = w->near ? NEAR - IOVA : 0;
	bool complete = w->complete;
	uint64_t answer = asked(w, w->who == CHANNEL || w->who == CHANNEL_WARM, IOVA + offset);
	/* the region is of one page */
	uint64_t after = w->row->what == REGIONS && w->near ? IOVA : w->row->after;
	bool refused = (answer ^ VR_FAULT(0)) < 16;

	if (refused && w->row->gap && !complete)
		return;
	if (!refused)
		answer -= offset;
	if (complete || answer != w->row->before)
		row_equal(answer, after);
}

static void close_world(void *opaque)
{
	struct world *w = opaque;
	int result = viommu_run(w->r->g.iommu);

	row_equal(result, VIOMMU_OK); /* nobody is in a section any more */
	if (w->miss_first)
		asked(w, true, LAST + 1);
	for (unsigned i = 0; i < 3; i++)
		row_equal(asked(w, i != 1, IOVA), w->row->after);
	if (w->row->what == REUSE) { /* nor is anything left of the one that has died */
		row_equal(guest_dma(w->r->device[2], 8 * IOVA, VIOMMU_READ).f.gpa, OTHERS);
		row_equal(guest_dma(w->r->device[2], IOVA, VIOMMU_READ).f.gpa, OTHERS);
	}
	vr_close(w->r);
}

/* ---- rows ---- */

static void run_row(const struct row *row, enum who who, bool near, bool other_way)
{
	char name[128];
	const struct interleaving plan = {
		.name = name,
		.open = open_world,
		.subject = other_way ? request : translate,
		.other = other_way ? translate : request,
		.close = close_world,
	};

	snprintf(name, sizeof(name), "%s%s, %s%s", other_way ? "let in at " : "", row->name,
		 whose[who], near ? ", near" : "");
	row_name = name;
	world = (struct world){ .row = row, .who = who, .near = near, .miss_first = near };
	interleave(&plan, &world);
}

static void every_point(void **state)
{
	const char *only = getenv("VIOMMU_ROW");

	(void)state;
	for (unsigned n = 0; n < 2 * VR_ROWS(rows) * VR_ROWS(whose); n++) {
		const struct row *row = &rows[n / 2 / VR_ROWS(whose)];
		enum who who = n / 2 % VR_ROWS(whose);

		if (only && !strstr(row->name, only))
			continue;
		run_row(row, who, false, n % 2);
		if (who == CHANNEL_WARM || row->what == REGIONS)
			run_row(row, who, true, n % 2);
	}
}

int main(void)
{
	return interleave_main(every_point);
}
