/* SPDX-License-Identifier: BSD-3-Clause */
/* test_routes.c - routes are set, replaced, removed and masked; what lookups and drain answer. */
#include <string.h>

#include "routes_rig.h"

static struct routes_rig rr;

static void open_rig(void)
{
	rr_open(&rr, &(struct rr_shape){ .gsis = 64, .s = 7 });
	for (uint32_t i = 0; i < 32; i++)
		rr_entry(&rr, i, 0x30 + i);
	rr_invalidate(&rr, GUEST_IEC_GLOBAL);
}

#define EXPECT(row, ...)                                                                           \
	rr_expect(&rr, row, (const struct rr_change[]){ __VA_ARGS__ },                             \
		  sizeof((const struct rr_change[]){ __VA_ARGS__ }) / sizeof(struct rr_change))

/* ---- one route, one step ---- */

enum step {
	SET,
	SET_BAD, /* through an entry that is absent */
	MASK,
	REMOVE,
	DRAIN
};

/* Each row starts with route 3 set through entry 3 and drained, or without it. */
static const struct {
	const char *name;
	bool exists;
	struct {
		enum step step;
		uint32_t index;
		int result;
	} steps[4];
	unsigned count;
	unsigned pending; /* changes reported at the end */
	unsigned vector;  /* what is reported, and delivered */
	bool stays;	  /* lookups find it */
} rows[] = {
	{ "set", false, { { SET, 4, VIOMMU_OK } }, 1, 1, 0x34, true },
	{ "set, absent entry", false, { { SET_BAD, 40, VIOMMU_FAULT } }, 1, 0, 0, true },
	{ "set masked", false, { { MASK, 4, VIOMMU_OK } }, 1, 0, 0, true },
	{ "replace", true, { { SET, 4, VIOMMU_OK } }, 1, 1, 0x34, true },
	{ "replace by the same", true, { { SET, 3, VIOMMU_OK } }, 1, 0, 0x33, true },
	{ "replace, absent entry", true, { { SET_BAD, 40, VIOMMU_FAULT } }, 1, 1, 0, true },
	{ "replace, masked", true, { { MASK, 3, VIOMMU_OK } }, 1, 1, 0, true },
	{ "mask, unmask",
	  true,
	  { { MASK, 3, VIOMMU_OK }, { SET, 3, VIOMMU_OK } },
	  2,
	  1,
	  0x33,
	  true },
	{ "mask, drain, unmask",
	  true,
	  { { MASK, 3, VIOMMU_OK }, { DRAIN, 0, 0 }, { SET, 3, VIOMMU_OK } },
	  3,
	  1,
	  0x33,
	  true },
	{ "remove", true, { { REMOVE, 0, VIOMMU_OK } }, 1, 1, 0, false },
	{ "remove twice",
	  true,
	  { { REMOVE, 0, VIOMMU_OK }, { REMOVE, 0, VIOMMU_ENOENT } },
	  2,
	  1,
	  0,
	  false },
	{ "remove what is not there", false, { { REMOVE, 0, VIOMMU_ENOENT } }, 1, 0, 0, false },
	{ "remove one that is masked",
	  true,
	  { { MASK, 3, VIOMMU_OK }, { DRAIN, 0, 0 }, { REMOVE, 0, VIOMMU_OK } },
	  3,
	  0,
	  0,
	  false },
	{ "set, remove",
	  false,
	  { { SET, 4, VIOMMU_OK }, { REMOVE, 0, VIOMMU_OK } },
	  2,
	  1,
	  0,
	  false },
	{ "remove, set the same",
	  true,
	  { { REMOVE, 0, VIOMMU_OK }, { SET, 3, VIOMMU_OK } },
	  2,
	  1,
	  0x33,
	  true },
	{ "replace twice",
	  true,
	  { { SET, 4, VIOMMU_OK }, { SET, 5, VIOMMU_OK } },
	  2,
	  1,
	  0x35,
	  true },
	{ "replace and back", /* is reported */
	  true,
	  { { SET, 4, VIOMMU_OK }, { SET, 3, VIOMMU_OK } },
	  2,
	  1,
	  0x33,
	  true },
	{ "absent, then good",
	  false,
	  { { SET_BAD, 40, VIOMMU_FAULT }, { SET, 6, VIOMMU_OK } },
	  2,
	  1,
	  0x36,
	  true },
};

static int take_step(enum step step, uint32_t index)
{
	struct viommu_route_change changes[4];
	uint32_t n;

	switch (step) {
	case SET:
	case SET_BAD:
		return rr_set(&rr, 3, index);
	case MASK:
		return rr_set_masked(&rr, 3, index);
	case REMOVE:
		return viommu_routes_remove(rr.routes, 3);
	default:
		return viommu_routes_drain(rr.routes, changes, 4, &n);
	}
}

static void test_steps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool masked = rows[i].steps[rows[i].count - 1].step == MASK;
		const struct rr_change change = { 3, !rows[i].stays ? RR_REVOKED
						     : masked	    ? RR_MASKED
								    : rows[i].vector };
		struct viommu_routes_statistics statistics;
		struct viommu_route_change looked;

		open_rig();
		if (rows[i].exists) {
			assert_int_equal(rr_set(&rr, 3, 3), VIOMMU_OK);
			EXPECT(rows[i].name, { 3, 0x33 });
		}
		for (unsigned k = 0; k < rows[i].count; k++)
			check_eq(rows[i].name,
				 take_step(rows[i].steps[k].step, rows[i].steps[k].index),
				 rows[i].steps[k].result);
		rr_expect(&rr, rows[i].name, &change, rows[i].pending);
		if (rows[i].stays)
			rr_delivers(&rr, rows[i].name, 3, rows[i].vector);
		else
			check_eq(rows[i].name, viommu_routes_lookup(rr.routes, 3, &looked),
				 VIOMMU_ENOENT);
		statistics = rr_statistics(&rr);
		check_eq(rows[i].name, statistics.routes, rows[i].stays);
		check_eq(rows[i].name, statistics.valid, rows[i].vector != 0);
		check_eq(rows[i].name, statistics.pending, 0);
		check_eq(rows[i].name, rr.changed, 0); /* set does not call it */
		rr_no_faults(&rr, rows[i].name);
		rr_close(&rr);
	}
}

/* ---- what a route delivers ---- */

/* The whole message, as viommu_remap_msi() answers it for that device. */
static void test_messages(void **state)
{
	static const struct {
		const char *name;
		uint64_t low, high;
		uint32_t data;
		uint64_t shv;
	} kinds[] = {
		{ "level, logical, hint, lowest priority", 0x3c, 0, 0, 0 },
		{ "NMI", 0x80, 0, 0, 0 },
		{ "source verified", 0, RR_SOURCE | 1 << 18, 0, 0 },
		{ "another source", 0, (RR_SOURCE ^ 8) | 1 << 18, 0, 0 },
		{ "a reserved bit", BIT(24), 0, 0, 0 },
		{ "absent", 1, 0, 0, 0 },
		{ "subhandle", 0, 0, 3, 8 },
		{ "reserved data", 0, 0, 0x10000, 8 },
		{ "index above the table", 0, 0, 0xff00, 8 },
		{ "posted, nothing there", BIT(15), (uint64_t)1 << 40, 0, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct viommu_route route = rr_route(9, 12);
		struct viommu_route_change change;
		struct viommu_msi msi;
		int result;

		open_rig();
		route.address |= kinds[i].shv;
		route.data = kinds[i].data;
		rr_raw_entry(&rr, 12 + (kinds[i].data & 31), rr_low(0x77) ^ kinds[i].low,
			     kinds[i].high);
		rr_invalidate(&rr, GUEST_IEC_GLOBAL);
		result = viommu_remap_msi(rr.g.iommu, route.source, route.address, route.data,
					  VIOMMU_MSI_RESOLVE, &msi);
		check_eq(kinds[i].name, viommu_routes_set(rr.routes, &route), result);
		check_eq(kinds[i].name, viommu_routes_lookup(rr.routes, 9, &change), VIOMMU_OK);
		check_eq(kinds[i].name, change.flags, result == VIOMMU_OK ? VIOMMU_ROUTE_VALID : 0);
		check_that(kinds[i].name, !memcmp(&change.msi, &msi, sizeof(msi)));
		rr_no_faults(&rr, kinds[i].name);
		rr_close(&rr);
	}
}

/* Devices are verified each for itself, though they use the same entry. */
static void test_sources(void **state)
{
	struct viommu_route route = rr_route(1, 20);

	(void)state;
	open_rig();
	rr_raw_entry(&rr, 20, rr_low(0x55), RR_SOURCE | 1 << 18);
	rr_invalidate(&rr, GUEST_IEC(20, 0));
	assert_int_equal(viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	route.gsi = 2;
	route.source ^= 1;
	assert_int_equal(viommu_routes_set(rr.routes, &route), VIOMMU_FAULT);
	EXPECT("the right one only", { 1, 0x55 });
	rr_delivers(&rr, "the other", 2, RR_NONE);
	rr_raw_entry(&rr, 20, rr_low(0x56), (RR_SOURCE ^ 1) | 1 << 18);
	rr_invalidate(&rr, GUEST_IEC(20, 0));
	check_that("both", rr_statistics(&rr).pending == 2);
	rr_delivers(&rr, "revoked", 1, RR_NONE);
	rr_delivers(&rr, "granted", 2, 0x56);
	rr_no_faults(&rr, "resolving");
	rr_close(&rr);
}

/* ---- drain ---- */

/* In the order of the first change, each once, with the last answer. */
static void test_order(void **state)
{
	(void)state;
	open_rig();
	rr_set(&rr, 5, 1);
	rr_set(&rr, 2, 2);
	rr_set(&rr, 9, 3);
	rr_set(&rr, 5, 4);
	viommu_routes_remove(rr.routes, 2);
	rr_set(&rr, 0, 0);
	EXPECT("order of first changes", { 5, 0x34 }, { 2, RR_REVOKED }, { 9, 0x33 }, { 0, 0x30 });
	rr_expect_none(&rr, "once");
	rr_set(&rr, 9, 5);
	rr_set(&rr, 5, 6);
	EXPECT("and again", { 9, 0x35 }, { 5, 0x36 });
	rr_close(&rr);
}

/* VIOMMU_MORE exactly while something is left; what changes in between comes last. */
static void test_batches(void **state)
{
	struct viommu_route_change got[8];
	uint32_t count;

	(void)state;
	open_rig();
	for (uint32_t gsi = 0; gsi < 10; gsi++)
		rr_set(&rr, gsi, gsi);
	memset(got, 0xa5, sizeof(got));
	assert_int_equal(viommu_routes_drain(rr.routes, got, 4, &count), VIOMMU_MORE);
	assert_int_equal(count, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(got[i].gsi, i);
	assert_int_equal(got[4].gsi, 0xa5a5a5a5); /* no more than max is written */
	assert_int_equal(rr_statistics(&rr).pending, 6);
	rr_set(&rr, 1, 20); /* drained already: again, behind the others */
	rr_set(&rr, 7, 21); /* waits already: keeps its place */
	assert_int_equal(viommu_routes_drain(rr.routes, got, 1, &count), VIOMMU_MORE);
	assert_int_equal(count, 1);
	assert_int_equal(got[0].gsi, 4);
	assert_int_equal(viommu_routes_drain(rr.routes, got, 5, &count), VIOMMU_MORE);
	assert_int_equal(got[2].gsi, 7);
	assert_int_equal(got[2].msi.vector, 0x45);
	assert_int_equal(viommu_routes_drain(rr.routes, got, 1, &count), VIOMMU_OK);
	assert_int_equal(count, 1);
	assert_int_equal(got[0].gsi, 1);
	assert_int_equal(got[0].msi.vector, 0x44);
	count = 7;
	assert_int_equal(viommu_routes_drain(rr.routes, got, 8, &count), VIOMMU_OK);
	assert_int_equal(count, 0);
	rr_close(&rr);
}

/* Exactly max are pending: that is all. */
static void test_exact_batch(void **state)
{
	struct viommu_route_change got[4];
	uint32_t count;

	(void)state;
	open_rig();
	for (uint32_t gsi = 0; gsi < 4; gsi++)
		rr_set(&rr, 60 + gsi, gsi);
	assert_int_equal(viommu_routes_drain(rr.routes, got, 4, &count), VIOMMU_OK);
	assert_int_equal(count, 4);
	assert_int_equal(got[3].gsi, 63);
	rr_close(&rr);
}

/* Several routes of one entry: removing from the middle, the front and the end of its list. */
static void test_shared_entry(void **state)
{
	static const uint32_t gone[] = { 4, 7, 0, 2 };
	uint64_t before = 0;

	(void)state;
	open_rig();
	for (uint32_t gsi = 0; gsi < 8; gsi++)
		rr_set(&rr, gsi, 15);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(viommu_routes_remove(rr.routes, gone[i]), VIOMMU_OK);
		rr_resolved(&rr, &before);
		rr_invalidate(&rr, GUEST_IEC(15, 0));
		check_eq("the rest of them", rr_resolved(&rr, &before), 7 - i);
	}
	rr_set(&rr, 3, 16); /* moved away */
	rr_set_masked(&rr, 5, 15);
	rr_resolved(&rr, &before);
	rr_invalidate(&rr, GUEST_IEC(15, 0));
	check_eq("two are left", rr_resolved(&rr, &before), 2);
	rr_entry(&rr, 15, 0x99);
	rr_invalidate(&rr, GUEST_IEC(15, 0));
	rr_delivers(&rr, "stays", 1, 0x99);
	rr_delivers(&rr, "stays", 6, 0x99);
	rr_delivers(&rr, "moved", 3, 0x40);
	rr_delivers(&rr, "masked", 5, RR_NONE);
	rr_close(&rr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),	     cmocka_unit_test(test_messages),
		cmocka_unit_test(test_sources),	     cmocka_unit_test(test_order),
		cmocka_unit_test(test_batches),	     cmocka_unit_test(test_exact_batch),
		cmocka_unit_test(test_shared_entry),
	};

	return cmocka_run_group_tests_name("irq/routes", tests, NULL, NULL);
}
