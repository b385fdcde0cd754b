/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_conform.c - what every engine has to do: each row runs on all of them. Expectations are those of all the
 * architectures alike; what one of them does otherwise has rows of its own elsewhere.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include <libvirtiommu/observe.h>

#include "conform.h"

static const struct conform_engine *const engines[] = { &conform_toy,	 &conform_vtd,
							&conform_virtio, &conform_smmuv3,
							&conform_tce,	 &conform_riscv,
							&conform_amdvi };

static struct conform_rig r;
static const char *row;

#define TARGET(page) (UINT64_C(0x40000000) + (page)*GUEST_PAGE)

static void open_rig(const struct conform_engine *engine, uint32_t steps)
{
	row = engine->name;
	memset(&r, 0, sizeof(r));
	r.engine = engine;
	r.limits = (struct viommu_limits){ .size = sizeof(r.limits),
					   .tlb_entries = 320,
					   .contexts = 64,
					   .domains = 64,
					   .steps = steps };
	engine->open(&r);
}

static bool is_mapped(unsigned d, unsigned page, unsigned access)
{
	struct guest_dma by_device = guest_dma(r.device[d], CONFORM_IOVA(page) + 8, access);
	struct guest_dma by_channel =
		guest_channel_dma(r.channel[d], VIOMMU_NO_PASID, CONFORM_IOVA(page) + 8, access);

	check_eq(row, by_device.result, by_channel.result);
	check_that(row, by_device.result == VIOMMU_OK || by_device.result == VIOMMU_FAULT);
	if (by_device.result == VIOMMU_FAULT)
		return false;
	check_eq(row, by_device.answer.reason, 0);
	check_eq(row, by_channel.answer.reason, 0);
	check_eq(row, by_device.f.gpa, by_channel.f.gpa);
	check_eq(row, by_device.f.gpa, TARGET(page) + 8);
	return true;
}

/* Runs as long as there is something to do; whether the guest has been told. */
static bool told_in_the_end(void)
{
	/* no more than that: with sections closed nothing can hold it back for ever */
	for (unsigned i = 0; i < 10000 && !r.engine->told(&r); i++) {
		if (viommu_run(r.g->iommu) == VIOMMU_OK)
			break;
	}
	return r.engine->told(&r);
}

/* ---- rows ---- */

static void maps_and_refuses(void)
{
	struct guest_dma dma;

	r.engine->map(&r, 0, 0, TARGET(0), VIOMMU_READ);
	r.engine->map(&r, 0, 1, TARGET(1), VIOMMU_READ | VIOMMU_WRITE);
	check_that(row, is_mapped(0, 0, VIOMMU_READ));
	check_that(row, is_mapped(0, 1, VIOMMU_WRITE));
	check_that(row, is_mapped(0, 1, VIOMMU_READ));
	check_eq(row, r.engine->faults(&r), 0);
	check_that(row, !is_mapped(0, 0, VIOMMU_WRITE));
	check_that(row, r.engine->faults(&r) >= 1);
	check_that(row, !is_mapped(0, 2, VIOMMU_READ));
	check_that(row, r.engine->faults(&r) >= 1);
	check_that(row, !is_mapped(1, 0, VIOMMU_READ)); /* not its domain */
	r.engine->faults(&r);
	dma = guest_dma(r.device[0], CONFORM_IOVA(2), VIOMMU_READ | VIOMMU_QUIET);
	check_eq(row, dma.result, VIOMMU_FAULT);
	check_eq(row, r.engine->faults(&r), 0);
}

/* A device that is nobody is refused, and there is a text for that. */
static void nobody_is_refused_in_words(void)
{
	struct guest_dma dma;

	r.engine->map(&r, 0, 0, TARGET(0), VIOMMU_READ);
	if (r.engine == &conform_virtio) /* attached endpoints keep their id */
		check_eq(row, r.engine->detach(&r, 0), VIOMMU_OK);
	check_eq(row, viommu_device_set_id(r.device[0], VIOMMU_NO_ID), VIOMMU_OK);
	viommu_run(r.g->iommu);
	dma = guest_dma(r.device[0], CONFORM_IOVA(0), VIOMMU_READ);
	check_eq(row, dma.result, VIOMMU_FAULT);
	check_eq(row, dma.answer.reason, 0);
	check_eq(row, r.engine->faults(&r), 0);
	if (r.engine != &conform_toy)
		check_that(row, strcmp(viommu_reason_text(r.g->iommu, 0), "unknown") != 0);
}

static void nothing_old_after_the_guest_was_told(void)
{
	for (unsigned page = 0; page < 8; page++)
		r.engine->map(&r, 0, page, TARGET(page), VIOMMU_READ);
	for (unsigned page = 0; page < 8; page++)
		check_that(row, is_mapped(0, page, VIOMMU_READ));
	for (unsigned page = 0; page < 8; page += 2) {
		r.engine->unmap(&r, 0, page);
		check_that(row, told_in_the_end());
		check_that(row, !is_mapped(0, page, VIOMMU_READ));
		check_that(row, is_mapped(0, page + 1, VIOMMU_READ));
	}
	check_eq(row, r.engine->detach(&r, 0), VIOMMU_OK);
	check_that(row, r.engine->told(&r));
	check_that(row, !is_mapped(0, 1, VIOMMU_READ));
}

/* Opened before the invalidation: holds it back; after it: does not. */
static void sections_hold_back(void)
{
	unsigned works;

	r.engine->map(&r, 0, 0, TARGET(0), VIOMMU_READ);
	check_eq(row, viommu_enter(r.channel[0]), VIOMMU_OK);
	check_that(row, is_mapped(0, 0, VIOMMU_READ));
	check_eq(row, r.engine->unmap(&r, 0, 0), VIOMMU_PENDING);
	check_that(row, !r.engine->told(&r));
	check_eq(row, viommu_run(r.g->iommu), VIOMMU_PENDING);
	check_that(row, !r.engine->told(&r));
	check_eq(row, viommu_enter(r.channel[1]), VIOMMU_OK);
	works = r.g->count[GUEST_ON_WORK];
	check_eq(row, viommu_leave(r.channel[0]), VIOMMU_OK);
	check_eq(row, r.g->count[GUEST_ON_WORK], works + 1);
	check_eq(row, viommu_run(r.g->iommu), VIOMMU_OK);
	check_that(row, r.engine->told(&r));
	check_eq(row, viommu_leave(r.channel[1]), VIOMMU_OK);
	check_eq(row, r.g->count[GUEST_ON_WORK], works + 1);
}

static void devices_hold_back(void)
{
	struct guest *g = r.g;

	r.engine->map(&r, 0, 0, TARGET(0), VIOMMU_READ);
	check_that(row, is_mapped(0, 0, VIOMMU_READ));
	g->invalidate_result = VIOMMU_PENDING;
	g->count[GUEST_ON_INVALIDATE] = 0;
	check_eq(row, r.engine->unmap(&r, 0, 0), VIOMMU_PENDING);
	check_eq(row, g->count[GUEST_ON_INVALIDATE], 1);
	check_eq(row, g->invalidation[0].id, 1);
	check_eq(row, viommu_run(g->iommu), VIOMMU_PENDING);
	check_that(row, !r.engine->told(&r));
	check_eq(row,
		 viommu_invalidation_done(r.device[0], g->invalidation[0].what.token, VIOMMU_OK),
		 VIOMMU_OK);
	check_that(row, told_in_the_end());
}

/* What a device could not do is not done. */
static void failure_is_no_success(void)
{
	r.engine->map(&r, 0, 0, TARGET(0), VIOMMU_READ);
	r.g->invalidate_result = VIOMMU_FAULT;
	r.engine->unmap(&r, 0, 0);
	for (unsigned i = 0; i < 100; i++)
		viommu_run(r.g->iommu);
	check_that(row, !r.engine->told(&r));
	r.g->invalidate_result = VIOMMU_OK;
}

static unsigned heard, heard_too_late;

static void note_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		       uint64_t last)
{
	(void)opaque;
	(void)pasid;
	check_that(row, device == r.device[0]);
	if (first > CONFORM_IOVA(3) || last < CONFORM_IOVA(3))
		return;
	heard++;
	heard_too_late += r.engine->told(&r);
}

/* Those concerned, before the guest. */
static void listeners_hear_first(void)
{
	struct viommu_listener_config config = { .size = sizeof(config), .unmap = note_unmap };
	struct viommu_listener *listener;

	r.engine->map(&r, 0, 3, TARGET(3), VIOMMU_READ);
	r.engine->map(&r, 1, 3, TARGET(3), VIOMMU_READ);
	check_that(row, is_mapped(0, 3, VIOMMU_READ) && is_mapped(1, 3, VIOMMU_READ));
	check_eq(row, viommu_listener_new(r.g->iommu, r.device[0], &config, &listener), VIOMMU_OK);
	heard = heard_too_late = 0;
	r.engine->unmap(&r, 1, 3);
	check_that(row, told_in_the_end());
	check_eq(row, heard, 0); /* the other's domain */
	r.engine->unmap(&r, 0, 3);
	check_that(row, told_in_the_end());
	check_that(row, heard >= 1);
	if (!r.engine->own_mappings) /* a request is answered by its return, later than all of this */
		check_eq(row, heard_too_late, 0);
	check_eq(row, viommu_listener_free(listener), VIOMMU_OK);
}

struct seen {
	unsigned pages;
	bool strange;
};

static int see(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct seen *seen = opaque;

	seen->pages += (unsigned)(f->length / GUEST_PAGE);
	seen->strange |= f->gpa - TARGET(0) != iova - CONFORM_IOVA(0);
	return 0;
}

static void replay_tells_all(void)
{
	struct seen seen = { 0 };
	uint64_t first = 0;
	int result = VIOMMU_MORE;

	for (unsigned page = 0; page < CONFORM_PAGES; page += 3)
		r.engine->map(&r, 0, page, TARGET(page), VIOMMU_READ | VIOMMU_WRITE);
	/* a few entries at a time */
	for (unsigned i = 0; result == VIOMMU_MORE && i < 10000; i++)
		result = viommu_replay(r.device[0], VIOMMU_NO_PASID, &first, UINT64_MAX, 16, see,
				       &seen);
	check_eq(row, result, VIOMMU_OK);
	check_eq(row, seen.pages, (CONFORM_PAGES + 2) / 3);
	check_that(row, !seen.strange);
}

static uint64_t goes_to(struct guest_dma dma)
{
	return dma.result == VIOMMU_OK ? dma.f.gpa : UINT64_MAX;
}

static void reset_ends_all(void)
{
	r.engine->map(&r, 0, 0, TARGET(0), VIOMMU_READ);
	check_that(row, is_mapped(0, 0, VIOMMU_READ));
	check_eq(row, viommu_enter(r.channel[0]), VIOMMU_OK);
	check_eq(row, viommu_reset(r.g->iommu), VIOMMU_PENDING);
	check_eq(row, viommu_run(r.g->iommu), VIOMMU_PENDING);
	check_eq(row, viommu_leave(r.channel[0]), VIOMMU_OK);
	check_eq(row, viommu_run(r.g->iommu), VIOMMU_OK);
	/* refused, or passed on where an engine that is off lets everything pass */
	check_that(row, goes_to(guest_dma(r.device[0], CONFORM_IOVA(0), VIOMMU_READ)) != TARGET(0));
	check_that(row, goes_to(guest_channel_dma(r.channel[0], VIOMMU_NO_PASID, CONFORM_IOVA(0),
						  VIOMMU_READ)) != TARGET(0));
}

/* With few steps a call, each gets on, says so, and asks to be called again. */
static void work_is_bounded(void)
{
	unsigned calls = 0;

	for (unsigned page = 0; page < CONFORM_PAGES; page++)
		r.engine->map(&r, 0, page, TARGET(page), VIOMMU_READ);
	for (unsigned page = 0; page < CONFORM_PAGES; page++)
		is_mapped(0, page, VIOMMU_READ);
	for (unsigned page = 0; page < CONFORM_PAGES; page++) {
		r.engine->unmap(&r, 0, page);
		for (; !r.engine->told(&r); calls++) {
			check_that(row, calls < 64 * CONFORM_PAGES);
			viommu_run(r.g->iommu);
		}
		check_that(row, !is_mapped(0, page, VIOMMU_READ));
	}
}

static void state_travels(void)
{
	static unsigned char state[65536];
	uint64_t bytes = sizeof(state);
	struct viommu *old, *fresh;
	int result;

	r.engine->map(&r, 0, 0, TARGET(0), VIOMMU_READ);
	r.engine->map(&r, 1, 1, TARGET(1), VIOMMU_READ | VIOMMU_WRITE);
	check_eq(row, viommu_save(r.g->iommu, state, &bytes), VIOMMU_OK);
	guest_drop(r.g);
	old = r.engine->another(&r);
	fresh = r.g->iommu;
	/* refused whole, whatever was changed */
	for (uint64_t i = 0; i < bytes; i += 7) {
		state[i] ^= 0x40;
		check_eq(row, viommu_restore(fresh, state, bytes), VIOMMU_ESTATE);
		state[i] ^= 0x40;
	}
	conform_devices(&r);
	result = viommu_restore(fresh, state, bytes);
	check_that(row, result == VIOMMU_OK || result == VIOMMU_PENDING);
	for (unsigned i = 0; i < 100 && result == VIOMMU_PENDING; i++)
		result = viommu_run(fresh);
	check_eq(row, result, VIOMMU_OK);
	check_that(row, is_mapped(0, 0, VIOMMU_READ));
	check_that(row, is_mapped(1, 1, VIOMMU_WRITE));
	check_that(row, !is_mapped(0, 1, VIOMMU_READ));
	check_that(row, !is_mapped(0, 0, VIOMMU_WRITE));
	check_eq(row, viommu_free(old), VIOMMU_OK);
}

static void foreign_arguments(void)
{
	struct viommu_request request = { .last = 7,
					  .access = VIOMMU_READ,
					  .pasid = VIOMMU_NO_PASID };
	struct viommu_fragment fragment;
	struct viommu_answer answer;
	uint64_t value;

	request.first = 8;
	check_eq(row, viommu_device_translate(r.device[0], &request, &fragment, 1, &answer),
		 VIOMMU_EINVAL);
	check_eq(row, viommu_reset(NULL), VIOMMU_EINVAL);
	/* outside the registers, and odd sizes: nothing happens, whatever the answer */
	viommu_reg_read(r.g->iommu, UINT64_MAX, 8, &value);
	viommu_reg_write(r.g->iommu, UINT64_MAX - 7, 8, UINT64_MAX);
	viommu_reg_write(r.g->iommu, 1, 3, UINT64_MAX);
	r.engine->map(&r, 0, 0, TARGET(0), VIOMMU_READ);
	check_that(row, is_mapped(0, 0, VIOMMU_READ));
}

/* ---- all of them, on each engine ---- */

static const struct {
	const char *name;
	void (*run)(void);
	uint32_t steps; /* limits.steps; 0: the default */
} rows[] = {
	{ "maps and refuses", maps_and_refuses, 0 },
	{ "nobody is refused, in words", nobody_is_refused_in_words, 0 },
	{ "nothing old after the guest was told", nothing_old_after_the_guest_was_told, 0 },
	{ "sections hold back", sections_hold_back, 0 },
	{ "devices hold back", devices_hold_back, 0 },
	{ "failure is no success", failure_is_no_success, 0 },
	{ "listeners hear first", listeners_hear_first, 0 },
	{ "replay tells all", replay_tells_all, 0 },
	{ "reset ends all", reset_ends_all, 0 },
	{ "work is bounded", work_is_bounded, 1 },
	{ "state travels", state_travels, 0 },
	{ "foreign arguments", foreign_arguments, 0 },
};

static void test_engines(void **state)
{
	char name[96];

	(void)state;
	for (unsigned e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			open_rig(engines[e], rows[i].steps);
			snprintf(name, sizeof(name), "%s: %s", engines[e]->name, rows[i].name);
			row = name;
			rows[i].run();
			engines[e]->close(&r);
		}
	}
	print_message("%zu rows on %zu engines\n", sizeof(rows) / sizeof(rows[0]),
		      sizeof(engines) / sizeof(engines[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_engines) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
