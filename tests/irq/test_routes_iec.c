/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_routes_iec.c - what the guest's invalidations and switches do to routes: exactly those on
 * the entries are resolved again (obligation 16), those that fail are revoked (15), and nothing is
 * recorded.
 */
#include <string.h>

#include "routes_rig.h"

static struct routes_rig rr;

#define EXPECT(row, ...)                                                                           \
	rr_expect(&rr, row, (const struct rr_change[]){ __VA_ARGS__ },                             \
		  sizeof((const struct rr_change[]){ __VA_ARGS__ }) / sizeof(struct rr_change))

/* ---- revoked and back ---- */

/* How an entry becomes unusable. */
static const struct {
	const char *name;
	uint64_t low, high; /* changed bits of entry 5 */
} broken[] = {
	{ "absent", 1, 0 },
	{ "absent, quiet", 3, 0 },
	{ "reserved bit 12", BIT(12), 0 },
	{ "reserved bit 84", 0, BIT(20) },
	{ "destination of x2APIC", BIT(63), 0 },
	{ "source of another device", 0, 1 << 18 },
	{ "SVT 3", 0, 3 << 18 },
	{ "posted, descriptor nowhere", BIT(15) | BIT(40) | BIT(42) | BIT(45) | BIT(47), BIT(40) },
};

static void test_revoked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		const char *row = broken[i].name;

		rr_open(&rr, &(struct rr_shape){ .gsis = 64, .s = 7 });
		rr_entry(&rr, 5, 0x31);
		rr_entry(&rr, 6, 0x32);
		assert_int_equal(rr_set(&rr, 3, 5), VIOMMU_OK);
		assert_int_equal(rr_set(&rr, 4, 6), VIOMMU_OK);
		EXPECT(row, { 3, 0x31 }, { 4, 0x32 });
		rr_raw_entry(&rr, 5, rr_low(0x31) ^ broken[i].low, broken[i].high);
		rr_expect_none(&rr, row); /* nobody has been told yet */
		rr_invalidate(&rr, GUEST_IEC(5, 0));
		check_eq(row, rr.changed, 1);
		check_eq(row, rr_statistics(&rr).valid, 1);
		EXPECT(row, { 3, RR_NONE });
		rr_invalidate(&rr, GUEST_IEC(5, 0));
		check_eq(row, rr.changed, 2);
		rr_expect_none(&rr, row);
		rr_entry(&rr, 5, 0x41);
		rr_invalidate(&rr, GUEST_IEC(5, 0));
		check_eq(row, rr.changed, 3);
		EXPECT(row, { 3, 0x41 });
		rr_delivers(&rr, row, 4, 0x32);
		rr_no_faults(&rr, row);
		rr_close(&rr);
	}
}

/* A table that cannot be read revokes too, and comes back. */
static void test_fetch_fails(void **state)
{
	struct viommu_route_change got;
	uint32_t count;

	(void)state;
	rr_open(&rr, &(struct rr_shape){ .memory = GUEST_CALLBACKS, .gsis = 64, .s = 7 });
	rr_entry(&rr, 5, 0x31);
	assert_int_equal(rr_set(&rr, 3, 5), VIOMMU_OK);
	EXPECT("set", { 3, 0x31 });
	guest_submit(&rr.g, GUEST_IEC(5, 0), 0, 0, 0);
	rr.g.fail_in = 3; /* the descriptors are read first */
	rr.g.fail_kinds = 1U << GUEST_ON_READ;
	guest_wait(&rr.g);
	assert_int_equal(viommu_routes_drain(rr.routes, &got, 1, &count), VIOMMU_OK);
	assert_int_equal(count, 1);
	check_eq("not readable", got.flags, VIOMMU_ROUTE_ASK);
	rr_delivers(&rr, "readable again, and asked again", 3, 0x31);
	rr_invalidate(&rr, GUEST_IEC(5, 0));
	EXPECT("readable again", { 3, 0x31 });
	rr_no_faults(&rr, "fetch");
	rr_close(&rr);
}

/* Changed for a VMM is what the kernel delivers; a change that cannot be seen there is none. */
static void test_what_changed(void **state)
{
	static const struct {
		const char *name;
		uint64_t low, high;
		bool told;
	} rows[] = {
		{ "nothing", 0, 0, false },
		{ "available bits", BITS(11, 8), 0, false },
		{ "FPD", 2, 0, false },
		{ "SVT that passes", 0, RR_SOURCE | 1 << 18, false },
		{ "vector", BIT(16), 0, true },
		{ "destination", BIT(41), 0, true },
		{ "destination mode", BIT(2), 0, true },
		{ "redirection hint", BIT(3), 0, true },
		{ "trigger mode", BIT(4), 0, true },
		{ "delivery mode", BIT(5), 0, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rr_open(&rr, &(struct rr_shape){ .gsis = 64, .s = 7 });
		rr_entry(&rr, 5, 0x60);
		assert_int_equal(rr_set(&rr, 3, 5), VIOMMU_OK);
		EXPECT(rows[i].name, { 3, 0x60 });
		rr_raw_entry(&rr, 5, rr_low(0x60) ^ rows[i].low, rows[i].high);
		rr_invalidate(&rr, GUEST_IEC_GLOBAL);
		check_eq(rows[i].name, rr_statistics(&rr).pending, rows[i].told);
		check_eq(rows[i].name, rr.changed, 1);
		rr_close(&rr);
	}
}

/* ---- how many are resolved again ---- */

enum { MANY = 4096 };

/* Obligation 16: 4096 routes; route n is on entry n, but the last 96 share entry 7. */
static void open_many(void)
{
	rr_open(&rr, &(struct rr_shape){ .gsis = MANY, .s = 11 });
	for (uint32_t i = 0; i < MANY; i++)
		rr_entry(&rr, i, 0x20 + i % 200);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(rr_set(&rr, i, i < MANY - 96 ? i : 7), VIOMMU_OK);
	check_eq("resolved once each", rr_statistics(&rr).resolved, MANY);
}

static void drain_all(void)
{
	static struct viommu_route_change got[MANY];
	uint32_t count;

	assert_int_equal(viommu_routes_drain(rr.routes, got, MANY, &count), VIOMMU_OK);
}

static void test_precise(void **state)
{
	const struct {
		const char *name;
		uint64_t descriptor;
		uint64_t resolved;
	} rows[] = {
		{ "one", GUEST_IEC(100, 0), 1 },
		{ "the first", GUEST_IEC(0, 0), 1 },
		{ "the last of its own", GUEST_IEC(3999, 0), 1 },
		{ "nobody's", GUEST_IEC(4000, 0), 0 },
		{ "above the table", GUEST_IEC(4096, 0), 0 },
		{ "the highest index", GUEST_IEC(65535, 0), 0 },
		{ "shared by 97", GUEST_IEC(7, 0), 97 },
		{ "2 entries", GUEST_IEC(100, 1), 2 },
		{ "2 entries, index in the middle", GUEST_IEC(101, 1), 2 },
		{ "8 entries, one shared", GUEST_IEC(0, 3), 8 + 96 },
		{ "8 entries, index at the end", GUEST_IEC(7, 3), 8 + 96 },
		{ "64 entries", GUEST_IEC(128, 6), 64 },
		{ "2048 entries", GUEST_IEC(2048, 11), 4000 - 2048 },
		{ "4096 entries behind them", GUEST_IEC(4096, 12), 0 },
		{ "32768 entries behind them", GUEST_IEC(32768, 15), 0 },
		{ "32768 entries", GUEST_IEC(0, 15), MANY },
		{ "all", GUEST_IEC_GLOBAL, MANY },
	};
	uint64_t before = 0;

	(void)state;
	open_many();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t told = rr_statistics(&rr).invalidations;

		rr_resolved(&rr, &before);
		rr_invalidate(&rr, rows[i].descriptor);
		check_eq(rows[i].name, rr_resolved(&rr, &before), rows[i].resolved);
		check_eq(rows[i].name, rr_statistics(&rr).invalidations, told + 1);
	}
	rr_close(&rr);
}

/* Each of the 4096 entries in turn: one is resolved, one is reported, the others stay. */
static void test_each(void **state)
{
	struct viommu_route_change got[4];
	uint64_t before = 0;
	uint32_t count;

	(void)state;
	open_many();
	drain_all();
	rr_resolved(&rr, &before);
	for (uint32_t i = 8; i < MANY - 96; i += 17) {
		rr_entry(&rr, i, 0xf0);
		rr_entry(&rr, i + 1, 0xf1); /* changed, but not invalidated: it is not looked at */
		rr_invalidate(&rr, GUEST_IEC(i, 0));
		check_eq("resolved", rr_resolved(&rr, &before), 1);
		assert_int_equal(viommu_routes_drain(rr.routes, got, 4, &count), VIOMMU_OK);
		check_eq("changed", count, 1);
		check_eq("changed", got[0].gsi, i);
		check_eq("changed", got[0].msi.vector, 0xf0);
	}
	rr_delivers(&rr, "a neighbour", 9, 0x20 + 9);
	rr_close(&rr);
}

/* Obligation 16, with few routes and a long range. */
static void test_long_range(void **state)
{
	uint64_t before = 0;

	(void)state;
	rr_open(&rr, &(struct rr_shape){ .gsis = 8, .s = 7 });
	for (uint32_t i = 0; i < 8; i++) {
		rr_entry(&rr, 4 * i, 0x30 + i);
		assert_int_equal(rr_set(&rr, i, 4 * i), VIOMMU_OK);
	}
	rr_resolved(&rr, &before);
	rr_invalidate(&rr, GUEST_IEC(128, 5));
	check_eq("range longer than the number of routes, beside them", rr_resolved(&rr, &before),
		 0);
	rr_invalidate(&rr, GUEST_IEC(16, 4));
	check_eq("range longer than the number of routes, over half of them",
		 rr_resolved(&rr, &before), 4);
	rr_close(&rr);
}

/* Obligation 5: an index mask covers aligned blocks, first and last entry of each. */
static void test_masks(void **state)
{
	static const uint32_t entries[] = { 0, 1, 31, 32, 33, 63, 64, 95, 96, 127, 128, 255 };
	enum { N = sizeof(entries) / sizeof(entries[0]) };

	(void)state;
	rr_open(&rr, &(struct rr_shape){ .s = 7 });
	for (uint32_t i = 0; i < N; i++)
		rr_set(&rr, i, entries[i]);
	for (unsigned im = 0; im <= 8; im++) {
		for (uint32_t k = 0; k < N; k++) {
			uint64_t before = 0;
			unsigned wanted = 0;

			for (uint32_t i = 0; i < N; i++)
				wanted += entries[i] >> im == entries[k] >> im;
			rr_resolved(&rr, &before);
			rr_invalidate(&rr, GUEST_IEC(entries[k], im));
			check_eq("mask", rr_resolved(&rr, &before), wanted);
		}
	}
	rr_no_faults(&rr, "absent entries");
	rr_close(&rr);
}

/* ---- switches ---- */

static void all_on(void)
{
	rr_open(&rr, &(struct rr_shape){ .gsis = 64, .s = 7 });
	for (uint32_t i = 0; i < 4; i++) {
		rr_entry(&rr, i, 0x30 + i);
		assert_int_equal(rr_set(&rr, i, i), VIOMMU_OK);
	}
	EXPECT("on", { 0, 0x30 }, { 1, 0x31 }, { 2, 0x32 }, { 3, 0x33 });
	rr.changed = 0;
}

/* Compatibility format, vector 0x51. */
static void set_compatible(uint32_t gsi, int result)
{
	struct viommu_route route = rr_route(gsi, 0);

	route.address = 0xfee00000 | RR_APIC << 12;
	route.data = 0x51;
	check_eq("compatibility format", viommu_routes_set(rr.routes, &route), result);
}

static void test_table_switch(void **state)
{
	uint64_t before = 0;

	(void)state;
	all_on();
	rr.table = guest_alloc(&rr.g, 1);
	for (uint32_t i = 1; i < 4; i++)
		rr_entry(&rr, i, 0x80 + i);
	guest_write64(&rr.g, VTD_IRTA, rr.table | 1); /* 4 entries */
	rr_expect_none(&rr, "IRTA alone");
	rr_resolved(&rr, &before);
	guest_command(&rr.g, VTD_G_IRTP, true);
	check_eq("SIRTP", rr_resolved(&rr, &before), 4);
	check_eq("SIRTP", rr.changed, 1);
	EXPECT("SIRTP", { 0, RR_NONE }, { 1, 0x81 }, { 2, 0x82 }, { 3, 0x83 });
	guest_write64(&rr.g, VTD_IRTA, rr.table | 0); /* 2 entries */
	guest_command(&rr.g, VTD_G_IRTP, true);
	EXPECT("smaller", { 2, RR_NONE }, { 3, RR_NONE });
	guest_write64(&rr.g, VTD_IRTA, rr.table | 1);
	guest_command(&rr.g, VTD_G_IRTP, true);
	EXPECT("larger again", { 2, 0x82 }, { 3, 0x83 });
	rr_no_faults(&rr, "SIRTP");
	rr_close(&rr);
}

static void test_enable(void **state)
{
	(void)state;
	all_on();
	rr_clear(&rr, 2);
	guest_command(&rr.g, VTD_G_IRE, false);
	check_eq("IRE off", rr.changed, 1);
	check_eq("IRE off", rr_statistics(&rr).pending, 4);
	check_eq("IRE off: as they come", rr_statistics(&rr).valid, 4);
	guest_command(&rr.g, VTD_G_IRE, true);
	check_eq("IRE on", rr.changed, 2);
	EXPECT("IRE on", { 0, 0x30 }, { 1, 0x31 }, { 2, RR_NONE }, { 3, 0x33 });
	/* obligation 22: no compatibility format while remapping is on */
	set_compatible(9, VIOMMU_FAULT);
	rr_expect_none(&rr, "compatibility format");
	guest_command(&rr.g, VTD_G_CFI, true);
	EXPECT("CFI on", { 9, 0x51 });
	guest_command(&rr.g, VTD_G_CFI, false);
	EXPECT("CFI off", { 9, RR_REVOKED });
	guest_command(&rr.g, VTD_G_IRE, false);
	check_eq("IRE off again", rr_statistics(&rr).valid, 5);
	rr_no_faults(&rr, "switches");
	rr_close(&rr);
}

/* EIME: destinations of 32 bits, whole (obligation 23); and no compatibility format at all. */
static void test_extended(void **state)
{
	struct viommu_route_change got[8];
	uint32_t count;

	(void)state;
	all_on();
	rr_raw_entry(&rr, 0, UINT64_C(0x81726354) << 32 | 0x610001, 0);
	rr_invalidate(&rr, GUEST_IEC(0, 0));
	EXPECT("xAPIC", { 0, RR_NONE });
	guest_command(&rr.g, VTD_G_CFI, true);
	guest_command(&rr.g, VTD_G_IRE, false);
	guest_write64(&rr.g, VTD_IRTA, rr.table | VTD_IRTA_EIME | 7);
	guest_command(&rr.g, VTD_G_IRTP, true);
	guest_command(&rr.g, VTD_G_IRE, true);
	assert_int_equal(viommu_routes_drain(rr.routes, got, 8, &count), VIOMMU_OK);
	assert_int_equal(count, 4);
	check_eq("x2APIC", got[0].flags, VIOMMU_ROUTE_VALID);
	check_eq("x2APIC", got[0].msi.destination, 0x81726354);
	check_eq("x2APIC", got[0].msi.address, UINT64_C(0x81726300fee54000));
	check_eq("x2APIC", got[0].msi.data, 0x4061);
	check_eq("x2APIC", got[1].msi.destination, RR_APIC << 8);
	set_compatible(9, VIOMMU_FAULT);
	rr_close(&rr);
}

/* Before there is a table, after a reset, and after the state has been restored. */
static void test_reset_restore(void **state)
{
	static uint8_t buffer[8192];
	uint64_t bytes = sizeof(buffer);

	(void)state;
	all_on();
	assert_int_equal(viommu_save(rr.g.iommu, buffer, &bytes), VIOMMU_OK);
	assert_int_equal(viommu_reset(rr.g.iommu), VIOMMU_OK);
	check_eq("reset", rr.changed, 1);
	check_eq("reset", rr_statistics(&rr).pending, 4);
	rr_entry(&rr, 1, 0x71);
	rr_clear(&rr, 3);
	assert_true(viommu_restore(rr.g.iommu, buffer, bytes) >= 0);
	assert_int_equal(viommu_run(rr.g.iommu), VIOMMU_OK);
	check_eq("restore", rr.changed, 2);
	EXPECT("restore", { 0, 0x30 }, { 1, 0x71 }, { 2, 0x32 }, { 3, RR_NONE });
	rr_no_faults(&rr, "reset");
	rr_close(&rr);
}

/* Routes that were made while remapping was off. */
static void test_off_first(void **state)
{
	struct viommu_route_change change;

	(void)state;
	rr_open(&rr, &(struct rr_shape){ .gsis = 64, .off = true });
	set_compatible(1, VIOMMU_OK);
	assert_int_equal(rr_set(&rr, 2, 3), VIOMMU_OK);
	assert_int_equal(viommu_routes_lookup(rr.routes, 1, &change), VIOMMU_OK);
	assert_int_equal(change.msi.flags, VIOMMU_MSI_UNREMAPPED);
	assert_int_equal(change.msi.index, UINT32_MAX);
	rr.table = guest_alloc(&rr.g, 1);
	rr_entry(&rr, 3, 0x47);
	guest_write64(&rr.g, VTD_IRTA, rr.table | 7);
	guest_command(&rr.g, VTD_G_IRTP, true);
	guest_command(&rr.g, VTD_G_IRE, true);
	EXPECT("on", { 1, RR_REVOKED }, { 2, 0x47 });
	rr_close(&rr);
}

/* 6.5.2.7: DMA invalidations are none of interrupts; masked routes are not resolved. */
static void test_not_concerned(void **state)
{
	uint64_t before = 0;

	(void)state;
	all_on();
	rr_set_masked(&rr, 1, 1);
	rr_resolved(&rr, &before);
	rr_invalidate(&rr, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0));
	rr_invalidate(&rr, GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0));
	check_eq("DMA", rr_resolved(&rr, &before), 0);
	rr_invalidate(&rr, GUEST_IEC(1, 0));
	check_eq("masked", rr_resolved(&rr, &before), 0);
	rr_invalidate(&rr, GUEST_IEC_GLOBAL);
	check_eq("global", rr_resolved(&rr, &before), 3);
	rr_close(&rr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_revoked),	      cmocka_unit_test(test_fetch_fails),
		cmocka_unit_test(test_what_changed),  cmocka_unit_test(test_precise),
		cmocka_unit_test(test_each),	      cmocka_unit_test(test_long_range),
		cmocka_unit_test(test_masks),	      cmocka_unit_test(test_table_switch),
		cmocka_unit_test(test_enable),	      cmocka_unit_test(test_extended),
		cmocka_unit_test(test_reset_restore), cmocka_unit_test(test_off_first),
		cmocka_unit_test(test_not_concerned),
	};

	return cmocka_run_group_tests_name("irq/routes_iec", tests, NULL, NULL);
}
