/* SPDX-License-Identifier: BSD-3-Clause */
/* test_kvm_routes.c - the kernel's table of GSI routes follows the route cache: exactly, and in few calls. */
#include "kvm_rig.h"

#include <stdlib.h>
#include <string.h>

#include <linux/kvm.h>

static struct viommu_routes_statistics statistics(struct rig *r)
{
	struct viommu_routes_statistics s = { .size = sizeof(s) };

	assert_int_equal(viommu_routes_get_statistics(r->routes, &s), VIOMMU_OK);
	return s;
}

/* ---- as many as KVM takes ---- */

enum { ALL = KERNEL_ROUTES };

static uint8_t vector_of(uint32_t gsi)
{
	return (uint8_t)(32 + gsi % 200);
}

static void route_all(struct rig *r)
{
	struct viommu_route route = { .size = sizeof(route), .source = RIG_NIC };

	for (uint32_t gsi = 0; gsi < ALL; gsi++) {
		const struct rig_entry e = { .destination = rig_apic(r, gsi % RIG_CPUS),
					     .vector = vector_of(gsi) };

		rig_put(r, gsi, &e);
		route.gsi = gsi;
		route.address = rig_address(gsi);
		assert_int_equal(viommu_routes_set(r->routes, &route), VIOMMU_OK);
	}
	rig_update(r);
	assert_int_equal(r->kernel.table->nr, ALL);
	assert_int_equal(statistics(r).valid, ALL);
}

struct invalidation_row {
	const char *name;
	uint32_t rewritten; /* entries that the guest changes */
	uint32_t index;	    /* and what it invalidates */
	uint32_t im;
	uint32_t resolved;
};

/* 6.5.2.7: 1 << IM entries */
static const struct invalidation_row invalidations[] = {
	{ "one entry", 1, 1234, 0, 1 },
	{ "the last entry", 1, ALL - 1, 0, 1 },
	{ "sixteen entries", 16, 2048, 4, 16 },
	{ "two entries of which one changed", 1, 100, 1, 2 },
	{ "an entry that did not change", 0, 77, 0, 1 },
};

/* Places in the kernel's table that are not as they were. */
static unsigned count_differences(const struct kvm_irq_routing *a, const struct kvm_irq_routing *b)
{
	unsigned differences = 0;

	assert_int_equal(a->nr, b->nr);
	for (uint32_t i = 0; i < a->nr; i++)
		differences += memcmp(&a->entries[i], &b->entries[i], sizeof(a->entries[i])) != 0;
	return differences;
}

static void check_invalidation(struct rig *r, const struct invalidation_row *row,
			       struct kvm_irq_routing *before)
{
	struct viommu_routes_statistics old = statistics(r);

	memcpy(before, r->kernel.table, sizeof(*before) + ALL * sizeof(before->entries[0]));
	for (uint32_t i = 0; i < row->rewritten; i++) {
		const struct rig_entry e = { .destination = rig_apic(r, RIG_CPU_1), .vector = 250 };

		rig_put(r, row->index + i, &e);
	}
	rig_forget(r);
	rig_invalidate(r, row->index, row->im);
	check_eq(row->name, statistics(r).resolved - old.resolved, row->resolved);
	check_eq(row->name, statistics(r).invalidations - old.invalidations, 1);
	check_eq(row->name, statistics(r).valid, ALL);
	check_eq(row->name, statistics(r).pending, 0);
	check_eq(row->name, r->changed, 1);
	check_eq(row->name, r->changes, row->rewritten);
	check_eq(row->name, r->kernel.commits, row->rewritten ? 1 : 0);
	check_eq(row->name, r->late, 0);
	check_eq(row->name, count_differences(before, r->kernel.table), row->rewritten);
}

static void test_4096(void **state)
{
	static struct rig r;
	struct kvm_irq_routing *before;

	before = calloc(1, sizeof(*before) + ALL * sizeof(before->entries[0]));
	assert_non_null(before);
	rig_open(&r, 0, RIG_S_4096, true);
	route_all(&r);
	for (uint32_t gsi = 1233; gsi <= 1235; gsi++) {
		rig_bind(&r, gsi);
		rig_raise_expect(&r, "4096 routes", gsi, gsi % RIG_CPUS, vector_of(gsi));
	}
	for (size_t i = 0; i < sizeof(invalidations) / sizeof(invalidations[0]); i++)
		check_invalidation(&r, &invalidations[i], before);
	rig_raise_expect(&r, "neighbour below", 1233, 1233 % RIG_CPUS, vector_of(1233));
	rig_raise_expect(&r, "the one", 1234, RIG_CPU_1, 250);
	rig_raise_expect(&r, "neighbour above", 1235, 1235 % RIG_CPUS, vector_of(1235));
	rig_close(&r);
	free(before);
}

static void test_4096_revoked(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_4096, true);
	route_all(&r);
	rig_bind(&r, 2000);
	rig_raise_expect(&r, "4096 routes", 2000, 2000 % RIG_CPUS, vector_of(2000));
	for (uint32_t gsi = 0; gsi < ALL - 1; gsi++)
		rig_put(&r, gsi, NULL);
	rig_forget(&r);
	guest_submit(&r.g, GUEST_IEC_GLOBAL, 0, 0, 0);
	guest_wait(&r.g);
	assert_int_equal(r.changes, ALL - 1);
	assert_int_equal(r.kernel.commits, 1);
	assert_int_equal(r.kernel.table->nr, 1);
	assert_int_equal(statistics(&r).valid, 1);
	assert_int_equal(statistics(&r).routes, ALL);
	/* the one that is left is the marker's GSI: it is given back its marker */
	kernel_route(&r.kernel, ALL - 1, UINT64_C(0xfee00000), 0xef);
	assert_true(kernel_commit(&r.kernel));
	rig_raise_expect_nothing(&r, "revoked", 2000);
	rig_close(&r);
}

/* ---- slots ---- */

#define GSI   (RIG_GSI + 1)
#define INDEX 5U

static void test_masked(void **state)
{
	static struct rig r;
	struct viommu_route route = { .size = sizeof(route),
				      .flags = VIOMMU_ROUTE_MASKED,
				      .gsi = GSI,
				      .source = RIG_NIC,
				      .address = rig_address(INDEX) };
	uint32_t slots;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, GSI);
	rig_redirect(&r, INDEX, RIG_CPU_1, 0x41);
	slots = r.kernel.table->nr;
	assert_int_equal(rig_set(&r, &route), VIOMMU_OK);
	assert_int_equal(r.kernel.table->nr, slots);
	rig_raise_expect_nothing(&r, "masked", GSI);

	rig_redirect(&r, INDEX, RIG_CPU_0, 0x42);
	route.flags = 0;
	assert_int_equal(rig_set(&r, &route), VIOMMU_OK);
	assert_int_equal(r.kernel.table->nr, slots + 1);
	rig_raise_expect(&r, "unmasked: as the entry is now", GSI, RIG_CPU_0, 0x42);

	route.flags = VIOMMU_ROUTE_MASKED;
	assert_int_equal(rig_set(&r, &route), VIOMMU_OK);
	assert_int_equal(r.kernel.table->nr, slots);
	rig_raise_expect_nothing(&r, "masked again", GSI);
	rig_close(&r);
}

static void test_removed(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, GSI);
	rig_redirect(&r, INDEX, RIG_CPU_1, 0x41);
	assert_int_equal(rig_route(&r, GSI, INDEX), VIOMMU_OK);
	rig_raise_expect(&r, "set", GSI, RIG_CPU_1, 0x41);
	assert_int_equal(viommu_routes_remove(r.routes, GSI), VIOMMU_OK);
	rig_update(&r);
	rig_raise_expect_nothing(&r, "removed", GSI);
	rig_redirect(&r, INDEX, RIG_CPU_0, 0x42);
	rig_raise_expect_nothing(&r, "removed, and its entry invalidated", GSI);
	rig_close(&r);
}

/* Two routes through one entry change together; another does not. */
static void test_shared_entry(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	rig_redirect(&r, INDEX, RIG_CPU_1, 0x41);
	rig_redirect(&r, INDEX + 1, RIG_CPU_1, 0x49);
	for (uint32_t i = 0; i < 3; i++) {
		rig_bind(&r, GSI + i);
		assert_int_equal(rig_route(&r, GSI + i, INDEX + i / 2), VIOMMU_OK);
	}
	rig_forget(&r);
	rig_redirect(&r, INDEX, RIG_CPU_X2, 0x42);
	assert_int_equal(r.changes, 2);
	assert_int_equal(r.kernel.commits, 1);
	rig_raise_expect(&r, "first", GSI, RIG_CPU_X2, 0x42);
	rig_raise_expect(&r, "second", GSI + 1, RIG_CPU_X2, 0x42);
	rig_raise_expect(&r, "through another entry", GSI + 2, RIG_CPU_1, 0x49);
	rig_close(&r);
}

/* ---- all at once: obligation 17 ---- */

#define COMPATIBLE (GSI + 1)

/* One route in remappable format (vCPU 1, 0x41), one in compatibility format (vCPU 0, 0x33). */
static void open_both(struct rig *r)
{
	const struct viommu_route compatible = { .size = sizeof(compatible),
						 .gsi = COMPATIBLE,
						 .source = RIG_NIC,
						 .address = UINT64_C(0xfee00000),
						 .data = 0x33 };

	rig_open(r, 0, RIG_S_256, true);
	rig_bind(r, GSI);
	rig_bind(r, COMPATIBLE);
	rig_redirect(r, INDEX, RIG_CPU_1, 0x41);
	assert_int_equal(rig_route(r, GSI, INDEX), VIOMMU_OK);
	assert_int_equal(rig_set(r, &compatible), VIOMMU_FAULT);
	rig_raise_expect(r, "IRE=1: remappable", GSI, RIG_CPU_1, 0x41);
	rig_raise_expect_nothing(r, "IRE=1: compatibility", COMPATIBLE);
	rig_forget(r);
}

static void test_remapping_off_and_on(void **state)
{
	static struct rig r;

	open_both(&r);
	guest_command(&r.g, VTD_G_IRE, false);
	rig_raise_expect(&r, "IRE=0: compatibility", COMPATIBLE, RIG_CPU_0, 0x33);
	guest_command(&r.g, VTD_G_IRE, true);
	rig_raise_expect_nothing(&r, "IRE=1: compatibility", COMPATIBLE);
	rig_raise_expect(&r, "IRE=1: remappable", GSI, RIG_CPU_1, 0x41);
	rig_close(&r);
}

static void test_other_table(void **state)
{
	static struct rig r;
	uint64_t table;

	open_both(&r);
	table = guest_alloc(&r.g, 1);
	guest_write64(&r.g, VTD_IRTA, table | VTD_IRTA_EIME | RIG_S_256);
	guest_command(&r.g, VTD_G_IRTP, true);
	rig_raise_expect_nothing(&r, "SIRTP: empty table", GSI);
	r.table = table;
	rig_redirect(&r, INDEX, RIG_CPU_X2, 0x4a);
	rig_raise_expect(&r, "entry of the new table", GSI, RIG_CPU_X2, 0x4a);
	rig_close(&r);
}

/*
 * One entry that the kernel does not take makes it refuse the whole table, and the guest chooses a
 * device's message: irq.h says that bits 39:32 of an address for KVM are 0.
 */
static void test_message_not_for_kvm(void **state)
{
	static struct rig r;
	struct viommu_route route = { .size = sizeof(route),
				      .gsi = COMPATIBLE + 1,
				      .source = RIG_NIC,
				      .address = UINT64_C(0x1fee01000),
				      .data = 0x34 };

	open_both(&r);
	rig_bind(&r, route.gsi);
	rig_set(&r, &route);
	guest_command(&r.g, VTD_G_IRE, false);
	rig_raise_expect(&r, "IRE=0: another route", COMPATIBLE, RIG_CPU_0, 0x33);
	rig_raise_expect_nothing(&r, "IRE=0: not an interrupt address", route.gsi);
	guest_command(&r.g, VTD_G_IRE, true);
	rig_raise_expect(&r, "IRE=1: another route", GSI, RIG_CPU_1, 0x41);
	rig_close(&r);
}

static void test_reset(void **state)
{
	static struct rig r;

	open_both(&r);
	assert_int_equal(viommu_reset(r.g.iommu), VIOMMU_OK);
	rig_raise_expect(&r, "reset: compatibility", COMPATIBLE, RIG_CPU_0, 0x33);
	rig_close(&r);
}

static void test_restored(void **state)
{
	static struct rig r;
	static uint8_t saved[65536];
	uint64_t bytes = sizeof(saved);
	int result;

	open_both(&r);
	assert_int_equal(viommu_save(r.g.iommu, saved, &bytes), VIOMMU_OK);
	assert_int_equal(viommu_reset(r.g.iommu), VIOMMU_OK);
	rig_raise_expect(&r, "reset: compatibility", COMPATIBLE, RIG_CPU_0, 0x33);
	result = viommu_restore(r.g.iommu, saved, bytes);
	for (unsigned tries = 0; result == VIOMMU_PENDING && tries < 100; tries++)
		result = viommu_run(r.g.iommu);
	assert_int_equal(result, VIOMMU_OK);
	rig_raise_expect(&r, "restored: remappable", GSI, RIG_CPU_1, 0x41);
	rig_raise_expect_nothing(&r, "restored: compatibility", COMPATIBLE);
	rig_close(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_4096),
		cmocka_unit_test(test_4096_revoked),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_shared_entry),
		cmocka_unit_test(test_remapping_off_and_on),
		cmocka_unit_test(test_message_not_for_kvm),
		cmocka_unit_test(test_other_table),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_restored),
	};

	return rig_main("kvm routes", tests, sizeof(tests) / sizeof(tests[0]));
}
