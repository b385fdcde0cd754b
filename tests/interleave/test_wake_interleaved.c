/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_wake_interleaved.c - sections that close while somebody begins to wait for them, one let in at every instruction of the
 * other (obligation 44): the host, which calls only if it has been told to, gets to the end; and it is not told for nothing.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "interleave.h"

#define RID	 0x10U
#define DID	 7U
#define MANY	 2100U /* sections: more than a look is made of */
#define CHANNELS 4U

/* What one of the two threads does. */
enum act {
	RING,	/* an invalidation and a wait */
	RUN,	/* if the host has been told to */
	LEAVE,	/* the first channel's section */
	LEAVE2, /* the second one's */
	AGAIN,	/* the first one's is closed, and opened and closed once more */
	PART,	/* a section of the device */
	PART2,
	QUIESCE, /* the VM's, after regions have changed */
	TOGGLE,	 /* TE off, a status bit */
};

struct row {
	const char *name;
	bool rung;	/* the wait is held back already; else it comes with RING, if at all */
	bool changed;	/* regions have, and viommu_vm_quiesce() has said that it will be told */
	unsigned open;	/* of the sections that hold it back */
	bool device;	/* which are the device's; else channels' */
	bool many;	/* among so many more, all closed */
	enum act first; /* who is stopped */
	enum act second;
	unsigned told; /* at most so often */
};

struct world {
	const struct row *row;
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel[CHANNELS];
	struct viommu_section section[2];
	struct viommu_region region;
	uint32_t ticket;
	bool waits;
	bool quiet;
	unsigned seen; /* calls of work that the host has answered with a call */
	unsigned told; /* those that were not its own call's */
};

static struct world world;
static struct viommu_channel *crowd[MANY];

static bool is_complete(struct world *w)
{
	return !w->waits || __atomic_load_n((const uint32_t *)guest_at(&w->g, w->g.status),
					    __ATOMIC_ACQUIRE) == w->ticket;
}

static bool status_is_shown(struct world *w)
{
	return w->row->first != TOGGLE && w->row->second != TOGGLE
		       ? true
		       : !(guest_read32(&w->g, VTD_GSTS) & VTD_G_TE);
}

static void ring(struct world *w)
{
	guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0, 0, 0);
	guest_submit_wait(&w->g);
	w->ticket = w->g.ticket;
	w->waits = true;
	guest_ring(&w->g);
}

/* Whatever work there was is for this call. */
static void answer(struct world *w)
{
	w->seen = w->g.count[GUEST_ON_WORK];
	check_that(w->row->name, viommu_run(w->g.iommu) >= 0);
	w->quiet = viommu_vm_quiesce(w->g.vm) == VIOMMU_OK;
}

static void act(struct world *w, enum act what)
{
	switch (what) {
	case RING:
		ring(w);
		break;
	case RUN:
		answer(w);
		break;
	case LEAVE:
	case LEAVE2:
		viommu_leave(w->channel[what - LEAVE]);
		break;
	case AGAIN:
		viommu_leave(w->channel[0]);
		viommu_enter(w->channel[0]);
		viommu_leave(w->channel[0]);
		break;
	case PART:
	case PART2:
		viommu_device_leave(&w->section[what - PART]);
		break;
	case QUIESCE:
		w->quiet = viommu_vm_quiesce(w->g.vm) == VIOMMU_OK;
		break;
	case TOGGLE:
		viommu_reg_write(w->g.iommu, VTD_GCMD, 4, VTD_G_QIE);
		break;
	}
}

static void first(void *opaque)
{
	struct world *w = opaque;

	act(w, w->row->first);
}

static void second(void *opaque)
{
	struct world *w = opaque;

	act(w, w->row->second);
}

static void open_sections(struct world *w)
{
	for (unsigned i = 0; i < w->row->open; i++) {
		if (w->row->device)
			check_eq(w->row->name, viommu_device_enter(w->device, &w->section[i]),
				 VIOMMU_OK);
		else
			check_eq(w->row->name, viommu_enter(w->channel[i]), VIOMMU_OK);
	}
}

static void open_world(void *opaque)
{
	struct world *w = opaque;
	const struct row *row = w->row;
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 64,
					      .tables = 16,
					      .contexts = 16,
					      .domains = 16,
					      .channel_entries = 1 };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = GUEST_CAP,
					    .ecap = GUEST_ECAP_LEGACY,
					    .limits = &limits };

	*w = (struct world){ .row = row, .quiet = true };
	guest_init(&w->g, GUEST_REGION, 16);
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	guest_legacy(&w->g, RID, DID, guest_table(&w->g), 4);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, RID);
	for (unsigned i = 0; i < CHANNELS; i++)
		w->channel[i] = guest_channel(&w->g, w->device, VIOMMU_NO_PASID);
	for (unsigned i = 0; row->many && i < MANY; i++)
		assert_int_equal(viommu_channel_new(w->device, VIOMMU_NO_PASID, &crowd[i]),
				 VIOMMU_OK);
	open_sections(w);
	if (row->changed) {
		w->region = (struct viommu_region){ .size = sizeof(w->region),
						    .gpa = UINT64_C(1) << 40,
						    .bytes = GUEST_PAGE,
						    .host = w };
		assert_int_equal(viommu_vm_add_region(w->g.vm, &w->region), VIOMMU_OK);
		assert_int_equal(viommu_vm_remove_region(w->g.vm, w->region.gpa), VIOMMU_OK);
		w->quiet = row->first != QUIESCE && row->second != QUIESCE &&
			   viommu_vm_quiesce(w->g.vm) == VIOMMU_OK;
	}
	if (row->rung)
		ring(w);
	while (row->many && !is_complete(w) && w->g.count[GUEST_ON_WORK] != w->seen)
		answer(w); /* as far as the one that holds back */
	w->told = w->g.count[GUEST_ON_WORK];
}

/* The host calls as long as it has been told to; then all is complete, or it never will be. */
static void close_world(void *opaque)
{
	struct world *w = opaque;
	const char *name = w->row->name;
	unsigned told = w->g.count[GUEST_ON_WORK] - w->told;

	for (unsigned n = 0; n < 10 && w->g.count[GUEST_ON_WORK] != w->seen; n++)
		answer(w);
	check_that(name, is_complete(w) && "the host has not been told");
	check_that(name, status_is_shown(w) && "the host has not been told");
	check_that(name, w->quiet && "the host has not been told");
	check_that(name, told <= w->row->told);
	for (unsigned i = 0; w->row->many && i < MANY; i++)
		assert_int_equal(viommu_channel_free(crowd[i]), VIOMMU_OK);
	guest_fini(&w->g);
}

static const struct row rows[] = {
	/* one section */
	{ "closes, a wait begins", false, false, 1, false, false, LEAVE, RING, 1 },
	{ "a wait begins, closes", false, false, 1, false, false, RING, LEAVE, 1 },
	{ "again, a wait begins", false, false, 1, false, false, AGAIN, RING, 1 },
	{ "a wait begins, again", false, false, 1, false, false, RING, AGAIN, 1 },
	{ "closes, the host calls", true, false, 1, false, false, LEAVE, RUN, 1 },
	{ "the host calls, closes", true, false, 1, false, false, RUN, LEAVE, 1 },
	{ "the host calls, again", true, false, 1, false, false, RUN, AGAIN, 1 },
	{ "closes, a status bit", false, false, 1, false, false, LEAVE, TOGGLE, 1 },
	{ "a status bit, closes", false, false, 1, false, false, TOGGLE, LEAVE, 1 },
	{ "a status bit behind a wait, closes", true, false, 1, false, false, TOGGLE, LEAVE, 1 },
	{ "closes, a status bit behind a wait", true, false, 1, false, false, LEAVE, TOGGLE, 1 },
	/* two, of which the last one tells */
	{ "both close", true, false, 2, false, false, LEAVE, LEAVE2, 1 },
	{ "both close, one again", true, false, 2, false, false, AGAIN, LEAVE2, 1 },
	{ "one closes, one again", true, false, 2, false, false, LEAVE2, AGAIN, 1 },
	/* the device's, which are counted */
	{ "counted, a wait begins", false, false, 1, true, false, PART, RING, 1 },
	{ "a wait begins, counted", false, false, 1, true, false, RING, PART, 1 },
	{ "counted, both close", true, false, 2, true, false, PART, PART2, 1 },
	{ "counted, the host calls", true, false, 1, true, false, PART, RUN, 1 },
	{ "the host calls, counted", true, false, 1, true, false, RUN, PART, 1 },
	/* more than are looked at in one go */
	{ "of many, a wait begins", false, false, 1, false, true, LEAVE, RING, 3 },
	{ "a wait begins, of many", false, false, 1, false, true, RING, LEAVE, 3 },
	{ "of many, both close", true, false, 2, false, true, LEAVE, LEAVE2, 2 },
	/* two who wait: the guest, and the VMM beside it */
	{ "quiesce, closes", false, true, 1, false, false, QUIESCE, LEAVE, 1 },
	{ "closes, quiesce", false, true, 1, false, false, LEAVE, QUIESCE, 1 },
	{ "quiesce behind a wait, closes", true, true, 1, false, false, QUIESCE, LEAVE, 1 },
	{ "closes, quiesce behind a wait", true, true, 1, false, false, LEAVE, QUIESCE, 1 },
	{ "a wait behind quiesce, closes", false, true, 1, false, false, RING, LEAVE, 2 },
	{ "closes, a wait behind quiesce", false, true, 1, false, false, LEAVE, RING, 2 },
	{ "both wait, both close", true, true, 2, false, false, LEAVE, LEAVE2, 2 },
	{ "both wait, closes, the host calls", true, true, 1, false, false, LEAVE, RUN, 2 },
	{ "both wait, the host calls, closes", true, true, 1, false, false, RUN, LEAVE, 2 },
};

static void every_point(void **state)
{
	const char *only = getenv("VIOMMU_ROW");

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		const struct interleaving plan = { .name = row->name,
						   .open = open_world,
						   .subject = first,
						   .other = second,
						   .close = close_world };

		if (only && !strstr(row->name, only))
			continue;
		world.row = row;
		interleave(&plan, &world);
	}
}

int main(void)
{
	return interleave_main(every_point);
}
