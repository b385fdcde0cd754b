/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tce_alloc.c - the nth allocation fails in a life of TCE tables, for every n: VIOMMU_ENOMEM, or H_NOT_ENOUGH_RESOURCES to the
 * guest; nothing has changed, nothing leaks, and the same call succeeds when there is memory again (obligations 27, 28).
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "tce_rig.h"

#define RAM   GUEST_BASE
#define PAGES 16U
#define RW    3U
#define LIOBN TR_LIOBN(TR_PLAIN)

static unsigned char state[1 << 16];
static uint64_t state_bytes;

/* ---- steps: VIOMMU_OK, or VIOMMU_ENOMEM and nothing has changed ---- */

static int as_result(struct tce_rig *r, int64_t status)
{
	check_eq("served", r->result, VIOMMU_OK);
	if (status == -44)
		return VIOMMU_ENOMEM;
	check_eq("status", status, 0);
	return VIOMMU_OK;
}

static int new_unit(struct tce_rig *r)
{
	return tr_try_new(r, NULL);
}

static int new_pe(struct tce_rig *r)
{
	const struct viommu_tce_pe pe = tr_pe(TR_PLAIN);

	return viommu_tce_add_pe(r->g.iommu, &pe);
}

static int new_bridge(struct tce_rig *r)
{
	const struct viommu_tce_pe pe = tr_pe(TR_BRIDGE);

	return viommu_tce_add_pe(r->g.iommu, &pe);
}

static int new_device(struct tce_rig *r)
{
	return guest_try_device(&r->g, TR_PLAIN, &r->device[TR_PLAIN]);
}

static int new_channel(struct tce_rig *r)
{
	return guest_try_channel(&r->g, r->device[TR_PLAIN], VIOMMU_NO_PASID,
				 &r->channel[TR_PLAIN]);
}

static int put(struct tce_rig *r)
{
	int result = as_result(r, tr_put(r, LIOBN, 0x3000, RAM | RW));

	check_eq("all or nothing", tr_entry(r, LIOBN, 0x3000), result ? 0 : RAM | RW);
	return result;
}

/* So many that it takes another block of pages, in the middle of a list. */
static int fill(struct tce_rig *r)
{
	const uint64_t list[512] = { [0] = RAM | RW, [511] = RAM | 1 };
	int result = VIOMMU_OK;

	tr_list(r, RAM, list, 512);
	for (unsigned i = 1; !result && i < 127; i++)
		result = as_result(r, tr_indirect(r, LIOBN, (i * 512 + 1) * GUEST_PAGE, RAM, 512));
	return result;
}

static int create(struct tce_rig *r)
{
	check_eq("create", tr_create(r, TR_BRIDGE, 12, 49), 0);
	return r->result;
}

static int put_far(struct tce_rig *r)
{
	return as_result(r, tr_put(r, TR_LIOBN(TR_BRIDGE) + 1, TR_DYNAMIC + (UINT64_C(1) << 48),
				   RAM | RW));
}

static int remove_window(struct tce_rig *r)
{
	check_eq("remove", tr_remove(r, TR_LIOBN(TR_BRIDGE) + 1), 0);
	return r->result;
}

static int save(struct tce_rig *r)
{
	state_bytes = sizeof(state);
	return viommu_save(r->g.iommu, state, &state_bytes);
}

static int restore(struct tce_rig *r)
{
	int result = viommu_restore(r->g.iommu, state, state_bytes);

	check_eq("still there", guest_dma(r->device[TR_PLAIN], 0x3000, 1).result, VIOMMU_OK);
	return result;
}

static int reset(struct tce_rig *r)
{
	return viommu_reset(r->g.iommu);
}

static int (*const steps[])(struct tce_rig *r) = { new_unit,	new_pe, new_bridge,    new_device,
						   new_channel, put,	fill,	       create,
						   put_far,	put,	remove_window, save,
						   restore,	reset };

#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* The nth allocation fails; whether there was one. */
static bool live(unsigned n)
{
	struct tce_rig *r = calloc(1, sizeof(*r));
	bool failed = false;

	assert_non_null(r);
	guest_init(&r->g, GUEST_REGION, PAGES);
	r->g.no_memory_in = n;
	for (unsigned i = 0; i < STEPS; i++) {
		uint64_t blocks = r->g.blocks;
		int result = steps[i](r);

		if (result == VIOMMU_ENOMEM) {
			check_that("once", !failed);
			failed = true;
			if (steps[i] != fill) /* some of its calls have been done */
				check_eq("nothing is left", r->g.blocks, blocks);
			result = steps[i](r);
		}
		check_eq("step", result, VIOMMU_OK);
	}
	failed = failed || r->g.no_memory_in == 0;
	guest_fini(&r->g);
	free(r);
	return failed;
}

static void test_nth(void **unused)
{
	unsigned n = 1;

	(void)unused;
	while (live(n))
		n++;
	check_that("many", n > 20);
	print_message("%u allocations\n", n - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_nth) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
