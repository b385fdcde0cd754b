/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_recycling.c - more PASIDs than there are places for their domains (obligation 42): making room for one forgets that
 * one. Each is parsed again when it has lost its place, and only then.
 */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "channel.h"
#include "guest.h"

#define RID    0x10U
#define IOVA   UINT64_C(0x40000000)
#define PASIDS 300U

struct world {
	struct guest g;
	struct viommu_device *device;
	uint64_t page;
	unsigned parses; /* reads of the device's context entry */
	uint64_t context;
};

static struct world world;

static void count(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	struct world *w = opaque;

	w->parses += w->context >= gpa && w->context < gpa + count;
}

static struct world *open_world(uint32_t domains)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .contexts = 65536,
					      .domains = domains };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = GUEST_CAP_SCALABLE,
					    .ecap = GUEST_ECAP_SCALABLE,
					    .limits = &limits };
	struct guest_pasid p = { .did = 7, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4, .ss_levels = 4 };
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_CALLBACKS, 64);
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	p.fs = guest_table(&w->g);
	w->page = guest_alloc(&w->g, 1);
	guest_fs_map(&w->g, p.fs, 4, IOVA, w->page, 12, GUEST_FS);
	for (uint32_t i = 0; i < PASIDS; i++)
		guest_pasid(&w->g, RID, i, &p);
	guest_start(&w->g, VTD_TTM_SCALABLE);
	w->device = guest_device(&w->g, RID);
	/* 9.1, 9.4: root entry of the bus, context entry of the function */
	w->context = (guest_get64(&w->g, w->g.root) & ~UINT64_C(0xfff)) + RID * 32;
	w->g.alter = count;
	w->g.alter_opaque = w;
	return w;
}

/* Whether the context of a PASID is cached and stands. */
static bool known(const struct world *w, uint32_t pasid)
{
	struct context_entry e;

	return context_cache_find(&w->g.iommu->partition->contexts,
				  (uint64_t)w->device->serial << 32 | (pasid + 1), &e) &&
	       context_stands(&e, w->device);
}

static bool has_place(const struct world *w, uint32_t pasid)
{
	const struct domains *d = &w->g.iommu->partition->domains;

	for (uint32_t i = 0; i < d->count; i++) {
		if (atomic_load(&d->slot[i].tag) && (uint32_t)d->own[i].key.id == pasid)
			return true;
	}
	return false;
}

/* Goes through the PASIDs @rounds times. Returns how often a context was parsed. */
static unsigned go_through(struct world *w, unsigned rounds)
{
	unsigned all = 0;

	for (unsigned i = 0; i < rounds * PASIDS; i++) {
		uint32_t pasid = i % PASIDS;
		bool was_known = known(w, pasid);
		bool had_place = has_place(w, pasid);
		struct guest_dma d;

		w->parses = 0;
		d = guest_dma_pasid(w->device, pasid, IOVA, VIOMMU_READ);
		assert_int_equal(d.result, VIOMMU_OK);
		assert_int_equal(d.f.gpa, w->page);
		assert_true(had_place || !was_known);
		assert_int_equal(w->parses, !was_known);
		all += w->parses;
	}
	return all;
}

static void as_many_as_places(void **state)
{
	struct world *w = open_world(65536);
	uint64_t generation = atomic_load(&w->g.iommu->partition->window->generation);
	unsigned unknown = 0;

	go_through(w, 1);
	for (uint32_t i = 0; i < PASIDS; i++) {
		assert_true(has_place(w, i));
		unknown += !known(w, i);
	}
	/* three of them may share a set of the context cache, which has two ways: one run in 200 */
	check_that("known", go_through(w, 3) == 0 || unknown > 0);
	assert_int_equal(atomic_load(&w->g.iommu->partition->window->generation), generation);
	guest_fini(&w->g);
}

static void more_than_places(void **state)
{
	struct world *w = open_world(256);
	uint64_t generation = atomic_load(&w->g.iommu->partition->window->generation);
	unsigned parses;

	go_through(w, 1);
	parses = go_through(w, 4);
	assert_true(parses > 0 && parses < 4 * PASIDS);
	assert_int_equal(atomic_load(&w->g.iommu->partition->window->generation), generation);
	guest_fini(&w->g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_places),
		cmocka_unit_test(more_than_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
