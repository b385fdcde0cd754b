/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_burst.c - descriptors that are executed together: all that a guest can see is as if they had been executed one
 * by one (6.5.2).
 *
 * Two guests do the same. One has a host that traces, which hears of each invalidation by itself.
 */
#include "check.h"

#include <libvirtiommu/observe.h>

#include <string.h>

#include "guest.h"
#include "run.h"

#define DEVICES 3U
#define PAGES	24U
#define IOVA	UINT64_C(0x40000000)
#define RID(n)	((uint16_t)(0x10 + 0x100 * (n)))
#define DID(n)	((uint16_t)(7 + (n)))
#define PASID	5U

struct twin {
	struct guest g;
	struct viommu_device *device[DEVICES];
	uint64_t ss[DEVICES];
	uint64_t fs[DEVICES];
	uint64_t gpa[2]; /* of what pages lead to, in turn */
	uint32_t traced;
};

static struct twin twin[2];

static void on_trace(void *opaque, const struct viommu_trace *event)
{
	struct twin *t = &twin[1];

	(void)opaque;
	t->traced += event->kind == VIOMMU_TRACE_INVALIDATION;
}

static void map(struct twin *t, unsigned device, unsigned page, unsigned where)
{
	uint64_t iova = IOVA + page * GUEST_PAGE;
	uint64_t gpa = t->gpa[where] + page * GUEST_PAGE;

	guest_put64(&t->g, guest_entry(&t->g, t->ss[device], 4, iova, 0, GUEST_RW), gpa | GUEST_RW);
	guest_put64(&t->g, guest_entry(&t->g, t->fs[device], 4, iova, 0, GUEST_FS), gpa | GUEST_FS);
}

static void open_twin(struct twin *t, bool scalable, uint32_t steps, uint32_t budget)
{
	struct viommu_limits limits = {
		.size = sizeof(limits), .domains = 64, .steps = steps, .queue_budget = budget
	};
	struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };

	memset(t, 0, sizeof(*t));
	guest_init(&t->g, GUEST_REGION, 512);
	t->g.trace = t == &twin[1] ? on_trace : NULL;
	config.cap = scalable ? GUEST_CAP_SCALABLE : GUEST_CAP;
	config.ecap = scalable ? GUEST_ECAP_SCALABLE : GUEST_ECAP_LEGACY;
	assert_int_equal(guest_try_vtd_config(&t->g, &config), VIOMMU_OK);
	t->gpa[0] = guest_alloc(&t->g, PAGES);
	t->gpa[1] = guest_alloc(&t->g, PAGES);
	for (unsigned d = 0; d < DEVICES; d++) {
		t->ss[d] = guest_table(&t->g);
		t->fs[d] = guest_table(&t->g);
		for (unsigned p = 0; p < PAGES; p++)
			map(t, d, p, 0);
		if (scalable) {
			guest_pasid(&t->g, RID(d), 0,
				    &(struct guest_pasid){ .did = DID(d),
							   .pgtt = VTD_PGTT_SECOND,
							   .ss = t->ss[d],
							   .ss_levels = 4 });
			guest_pasid(&t->g, RID(d), PASID,
				    &(struct guest_pasid){ .did = DID(d),
							   .pgtt = VTD_PGTT_FIRST,
							   .fs = t->fs[d],
							   .fs_levels = 4 });
		} else {
			guest_legacy(&t->g, RID(d), DID(d), t->ss[d], 4);
		}
	}
	guest_start(&t->g, scalable ? VTD_TTM_SCALABLE : VTD_TTM_LEGACY);
	for (unsigned d = 0; d < DEVICES; d++)
		t->device[d] = guest_device(&t->g, RID(d));
}

/* ---- what they do ---- */

static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return (uint32_t)((seed >> 33) % n);
}

/* Mostly IOTLB invalidations that are as they should be. */
static void random_descriptor(uint64_t q[4], bool scalable)
{
	uint32_t did = DID(below(DEVICES + 1));
	unsigned kind = below(64);
	uint64_t pages = (IOVA + below(PAGES) * GUEST_PAGE) | below(4) << 6 | below(5) % 4;

	memset(q, 0, 4 * sizeof(*q));
	if (kind < 40) {
		q[0] = GUEST_IOTLB(below(8) ? 3 : 2, did) | (uint64_t)below(4) << 6;
		q[1] = pages & ~BIT(7);
		if (scalable && below(2))
			q[0] = GUEST_PIOTLB(below(8) ? 3 : 2, did, below(4) ? PASID : 6);
	} else if (kind < 50) {
		q[0] = GUEST_IOTLB(below(4), did);
	} else if (kind < 54) {
		q[0] = GUEST_CC(1 + below(3), did, RID(below(DEVICES)), 0);
	} else if (kind < 60) {
		q[0] = VTD_QI_WAIT;
	} else {
		q[0] = GUEST_IOTLB(3, did);
		q[1] = IOVA | below(64);
		q[below(scalable ? 4 : 2)] ^= BIT(below(64));
	}
}

static uint64_t goes_to(struct twin *t, unsigned device, uint32_t pasid, unsigned page)
{
	struct guest_dma dma = guest_dma_pasid(t->device[device], pasid, IOVA + page * GUEST_PAGE,
					       VIOMMU_READ | VIOMMU_QUIET);

	return dma.result ? UINT64_MAX : dma.f.gpa - t->gpa[0];
}

static void compare_pages(bool scalable)
{
	for (unsigned d = 0; d < DEVICES; d++) {
		for (unsigned p = 0; p < PAGES; p++) {
			check_eq("page", goes_to(&twin[0], d, VIOMMU_NO_PASID, p),
				 goes_to(&twin[1], d, VIOMMU_NO_PASID, p));
			if (scalable)
				check_eq("page of a PASID", goes_to(&twin[0], d, PASID, p),
					 goes_to(&twin[1], d, PASID, p));
		}
	}
}

static struct viommu_statistics statistics(struct twin *t)
{
	struct viommu_statistics s = { .size = sizeof(s) };

	assert_int_equal(viommu_get_statistics(t->g.iommu, &s), VIOMMU_OK);
	return s;
}

static void compare_registers(void)
{
	static const uint64_t offsets[] = { VTD_IQH, VTD_IQT, VTD_FSTS, VTD_IQERCD };

	for (unsigned i = 0; i < ARRAY_COUNT(offsets); i++)
		check_eq("register", guest_read64(&twin[0].g, offsets[i]),
			 guest_read64(&twin[1].g, offsets[i]));
}

static void compare_counts(void)
{
	struct viommu_statistics a = statistics(&twin[0]), b = statistics(&twin[1]);

	check_eq("commands", a.commands, b.commands);
	check_eq("errors", a.command_errors, b.command_errors);
	check_eq("ranges", a.range_invalidations, b.range_invalidations);
	check_eq("domains", a.domain_invalidations, b.domain_invalidations);
	check_eq("misses", a.misses, b.misses);
}

static bool stopped(struct twin *t)
{
	return guest_read32(&t->g, VTD_FSTS) & VTD_FSTS_IQE;
}

/* After an error: the descriptor at the head becomes one that does nothing, and the queue goes on. */
static int mend(struct twin *t, bool scalable)
{
	uint64_t head = guest_read64(&t->g, VTD_IQH);
	uint64_t at = guest_read64(&t->g, VTD_IQA) & VTD_IQA_IQA;

	for (unsigned i = 0; i < (scalable ? 4 : 2); i++)
		guest_put64(&t->g, at + head + 8 * i, i ? 0 : VTD_QI_WAIT);
	return guest_write32(&t->g, VTD_FSTS, VTD_FSTS_IQE);
}

/* How far one call gets is not the same. */
static void run_on(struct twin *t, int result)
{
	while (result == VIOMMU_PENDING && !stopped(t))
		result = viommu_run(t->g.iommu);
}

static void run_both(bool scalable)
{
	for (unsigned i = 0; i < 2; i++)
		run_on(&twin[i], guest_ring(&twin[i].g));
	compare_registers();
	while (stopped(&twin[0])) {
		for (unsigned i = 0; i < 2; i++)
			run_on(&twin[i], mend(&twin[i], scalable));
		compare_registers();
	}
}

static void one_round(bool scalable)
{
	unsigned count = 1 + below(48);

	for (unsigned i = 0; i < 6; i++) {
		unsigned d = below(DEVICES), p = below(PAGES), where = below(2);

		map(&twin[0], d, p, where);
		map(&twin[1], d, p, where);
	}
	for (unsigned i = 0; i < count; i++) {
		uint64_t q[4];

		random_descriptor(q, scalable);
		guest_submit(&twin[0].g, q[0], q[1], q[2], q[3]);
		guest_submit(&twin[1].g, q[0], q[1], q[2], q[3]);
	}
	run_both(scalable);
	compare_pages(scalable);
	compare_counts();
}

static void rounds(bool scalable, uint32_t steps, uint32_t budget)
{
	for (unsigned i = 0; i < 2; i++)
		open_twin(&twin[i], scalable, steps, budget);
	compare_pages(scalable);
	for (unsigned i = 0; i < run_scaled(300); i++)
		one_round(scalable);
	assert_true(statistics(&twin[0]).range_invalidations > run_scaled(1000));
	assert_true(statistics(&twin[0]).command_errors > run_scaled(50));
	assert_true(twin[1].traced > run_scaled(1000));
	for (unsigned i = 0; i < 2; i++)
		guest_fini(&twin[i].g);
}

static void legacy(void **state)
{
	(void)state;
	rounds(false, 0, 0);
}

static void wide_descriptors(void **state)
{
	(void)state;
	rounds(true, 0, 0);
}

static void a_budget_of_seven(void **state)
{
	(void)state;
	rounds(false, 0, 7);
	rounds(true, 0, 7);
}

static void few_steps(void **state)
{
	(void)state;
	rounds(false, 1, 0);
	rounds(true, 5, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legacy),
		cmocka_unit_test(wide_descriptors),
		cmocka_unit_test(a_budget_of_seven),
		cmocka_unit_test(few_steps),
	};

	seed = run_seed(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
