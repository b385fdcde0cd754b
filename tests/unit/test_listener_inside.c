/* SPDX-License-Identifier: BSD-3-Clause */
/* test_listener_inside.c - listeners that come and go inside callbacks, and viommu_flush(). */
#include "check.h"

#include <pthread.h>
#include <string.h>

#include "bits.h"
#include "guest.h"

#define ID 8U

enum event { UNMAP, MODE, INTERRUPTS, COMPLETE, READ, EVENTS };

static const char *const names[] = { "unmap", "mode", "interrupts", "complete", "read" };

struct world;

/* A listener that notes what it hears, and does something the first time it hears one event. */
struct ear {
	struct world *w;
	struct viommu_listener *listener;
	enum event event;
	void (*act)(struct world *w);
	bool acted, removed;
	unsigned heard[EVENTS];
	uint64_t last_unmap;
};

struct world {
	struct guest g;
	struct viommu_device *device;
	struct ear first, second, third;
	int result;
};

static void hear(struct ear *e, enum event event)
{
	check_that("a listener that was removed hears nothing", !e->removed);
	e->heard[event]++;
	if (e->act && !e->acted && e->event == event) {
		e->acted = true;
		e->act(e->w);
	}
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	((struct ear *)opaque)->last_unmap = last;
	hear(opaque, UNMAP);
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	hear(opaque, MODE);
}

static void on_interrupts(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	hear(opaque, INTERRUPTS);
}

static void on_complete(void *opaque)
{
	hear(opaque, COMPLETE);
}

static void on_memory(void *opaque, enum guest_event event)
{
	struct world *w = opaque;

	if (event == GUEST_ON_READ && w->first.act && !w->first.removed)
		hear(&w->first, READ);
}

static int listen(struct world *w, struct ear *e, struct viommu_device *device)
{
	struct viommu_listener_config config = { .size = sizeof(config),
						 .opaque = e,
						 .unmap = on_unmap,
						 .mode = on_mode,
						 .interrupts = device ? NULL : on_interrupts,
						 .complete = on_complete };

	e->w = w;
	return viommu_listener_new(w->g.iommu, device, &config, &e->listener);
}

static void remove_ear(struct ear *e)
{
	e->removed = true;
	check_eq("removed", viommu_listener_free(e->listener), VIOMMU_OK);
	e->listener = NULL;
}

static void open_world(struct world *w, enum event event, void (*act)(struct world *w))
{
	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_CALLBACKS, 64);
	guest_vtd(&w->g, GUEST_CAP, GUEST_ECAP_LEGACY);
	guest_legacy(&w->g, ID, 5, guest_table(&w->g), 4);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, ID);
	assert_int_equal(listen(w, &w->first, NULL), VIOMMU_OK);
	memset(w->first.heard, 0, sizeof(w->first.heard));
	w->first.event = event;
	w->first.act = act;
	w->g.hook = on_memory;
	w->g.hook_opaque = w;
}

static void close_world(struct world *w)
{
	w->g.hook = NULL;
	for (struct ear *e = &w->first; e <= &w->third; e++) {
		if (e->listener)
			remove_ear(e);
	}
	guest_fini(&w->g);
}

/* One call on the registers in which every event happens: translation goes off, and what the queue has is
 * done twice. */
static void everything_happens(struct world *w)
{
	guest_put64(&w->g, guest_legacy_entry(&w->g, ID), 0);
	for (unsigned i = 0; i < 2; i++) {
		guest_submit(&w->g, GUEST_CC(1, 0, 0, 0), 0, 0, 0);
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 5), 0, 0, 0);
		guest_submit(&w->g, GUEST_IEC_GLOBAL, 0, 0, 0);
	}
	assert_int_equal(guest_ring(&w->g), VIOMMU_OK);
}

/* ---- coming ---- */

static void add_for_device(struct world *w)
{
	w->result = listen(w, &w->second, w->device);
}

static void add_for_all(struct world *w)
{
	w->result = listen(w, &w->second, NULL);
}

/* A listener from inside each callback hears the rest of the call, and the mode by its end. */
static void added_inside(void **state)
{
	for (unsigned i = 0; i < 2 * EVENTS; i++) {
		enum event event = (enum event)(i / 2);
		struct world w;

		open_world(&w, event, i & 1 ? add_for_device : add_for_all);
		everything_happens(&w);
		check_that(names[event], w.first.acted);
		check_eq(names[event], w.result, VIOMMU_OK);
		check_that(names[event], w.second.heard[MODE] >= 1);
		check_that(names[event], w.second.heard[COMPLETE] >= 1);
		if (event != COMPLETE) /* which comes last */
			check_that(names[event], w.second.heard[UNMAP] >= 1);
		memset(w.second.heard, 0, sizeof(w.second.heard));
		guest_submit(&w.g, GUEST_CC(1, 0, 0, 0), 0, 0, 0);
		guest_wait(&w.g);
		check_that(names[event], w.second.heard[UNMAP] && w.second.heard[COMPLETE]);
		close_world(&w);
	}
}

/* Where there is nothing to tell, viommu_run() does, and work asks for it. */
static void add_on_read(void *opaque, enum guest_event event)
{
	struct world *w = opaque;

	if (event == GUEST_ON_MSI && !w->second.listener)
		add_for_device(w);
}

static void work_asks_for_the_rest(void **state)
{
	struct world w;

	open_world(&w, EVENTS, NULL);
	w.g.hook = add_on_read;
	guest_events(&w.g);
	w.g.count[GUEST_ON_WORK] = 0;
	guest_submit(&w.g, VTD_QI_WAIT | VTD_QI_WAIT_IF, 0, 0, 0);
	guest_ring(&w.g);
	assert_int_equal(w.result, VIOMMU_OK);
	assert_non_null(w.second.listener);
	assert_true(w.g.count[GUEST_ON_WORK] >= 1);
	assert_int_equal(viommu_run(w.g.iommu), VIOMMU_OK);
	assert_true(w.second.heard[MODE] >= 1);
	close_world(&w);
}

/* ---- going ---- */

static void remove_itself(struct world *w)
{
	remove_ear(&w->first);
}

static void remove_the_other(struct world *w)
{
	remove_ear(&w->second);
}

static void remove_both(struct world *w)
{
	remove_ear(&w->third);
	remove_ear(&w->second);
	remove_ear(&w->first);
	/* their device is in use until the call ends */
	check_eq("device", viommu_device_free(w->device), VIOMMU_EBUSY);
}

static void add_and_remove(struct world *w)
{
	w->result = listen(w, &w->second, w->device);
	remove_ear(&w->second);
}

static void removed_inside(void **state)
{
	static const struct {
		const char *name;
		void (*act)(struct world *w);
		bool others;
		bool stays;
	} rows[] = {
		{ "itself", remove_itself, false, false },
		{ "another", remove_the_other, true, true },
		{ "all", remove_both, true, false },
		{ "added before", add_and_remove, false, true },
	};

	for (unsigned i = 0; i < EVENTS * ARRAY_COUNT(rows); i++) {
		unsigned n = i / EVENTS;
		enum event event = (enum event)(i % EVENTS);
		struct world w;

		open_world(&w, event, NULL);
		if (rows[n].others) {
			assert_int_equal(listen(&w, &w.second, w.device), VIOMMU_OK);
			assert_int_equal(listen(&w, &w.third, NULL), VIOMMU_OK);
		}
		w.first.act = rows[n].act;
		everything_happens(&w);
		check_that(rows[n].name, w.first.acted);
		check_eq(names[event], !!w.first.listener, rows[n].stays);
		w.first.act = NULL;
		everything_happens(&w);
		close_world(&w);
	}
}

/* ---- another thread ---- */

static void *from_elsewhere(void *opaque)
{
	struct world *w = opaque;
	struct viommu_listener_config config = { .size = sizeof(config) };
	struct viommu_listener *listener = NULL;

	check_eq("new", viommu_listener_new(w->g.iommu, NULL, &config, &listener), VIOMMU_EBUSY);
	check_that("none", !listener);
	check_eq("enable", viommu_listener_enable(w->first.listener, 0), VIOMMU_EBUSY);
	check_eq("free", viommu_listener_free(w->first.listener), VIOMMU_EBUSY);
	check_eq("flush", viommu_flush(w->g.iommu), VIOMMU_EBUSY);
	return NULL;
}

static void ask_elsewhere(struct world *w)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, from_elsewhere, w), 0);
	pthread_join(thread, NULL);
}

static void other_threads_are_refused(void **state)
{
	for (unsigned event = 0; event < EVENTS; event++) {
		struct world w;

		open_world(&w, (enum event)event, ask_elsewhere);
		everything_happens(&w);
		check_that(names[event], w.first.acted);
		close_world(&w);
	}
}

/* ---- viommu_flush ---- */

/* What the tables say now counts, in every cache; listeners are told, and nothing is when it is refused. */
static void flushed(void **state)
{
	struct viommu_channel *channel;
	struct viommu_msi msi;
	uint64_t page, irt, ss;
	struct guest g;
	struct world w = { .second.w = &w };

	guest_init(&g, GUEST_CALLBACKS, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	ss = guest_table(&g);
	page = guest_alloc(&g, 2);
	guest_ss_map(&g, ss, 4, 0x5000, page, 12, GUEST_RW);
	guest_legacy(&g, ID, 5, ss, 4);
	guest_start(&g, VTD_TTM_LEGACY);
	irt = guest_interrupts_on(&g, 3, false);
	w.g.iommu = g.iommu;
	w.device = guest_device(&g, ID);
	channel = guest_channel(&g, w.device, VIOMMU_NO_PASID);
	assert_int_equal(listen(&w, &w.second, NULL), VIOMMU_OK);
	for (unsigned round = 0; round < 4; round++) {
		uint64_t now = page + (round & 1) * GUEST_PAGE;

		guest_ss_map(&g, ss, 4, 0x5000, now, 12, GUEST_RW);
		guest_put64(&g, irt, VTD_IRTE_P | bits_put(VTD_IRTE_V, 0x40 + round));
		memset(w.second.heard, 0, sizeof(w.second.heard));
		assert_int_equal(viommu_flush(g.iommu), VIOMMU_OK);
		assert_true(w.second.heard[UNMAP] && w.second.heard[INTERRUPTS]);
		assert_int_equal(w.second.heard[COMPLETE], 1);
		assert_true(w.second.last_unmap == UINT64_MAX);
		for (unsigned twice = 0; twice < 2; twice++) {
			assert_int_equal(guest_dma(w.device, 0x5000, VIOMMU_READ).f.gpa, now);
			assert_int_equal(guest_channel_dma(channel, VIOMMU_NO_PASID, 0x5000,
							   VIOMMU_READ)
						 .f.gpa,
					 now);
			assert_int_equal(viommu_remap_msi(g.iommu, ID, 0xfee00010, 0, 0, &msi),
					 VIOMMU_OK);
			assert_int_equal(msi.vector, 0x40 + round);
		}
	}
	assert_int_equal(viommu_flush(NULL), VIOMMU_EINVAL);
	remove_ear(&w.second);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_inside),	  cmocka_unit_test(work_asks_for_the_rest),
		cmocka_unit_test(removed_inside), cmocka_unit_test(other_threads_are_refused),
		cmocka_unit_test(flushed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
