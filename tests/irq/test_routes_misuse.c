/* SPDX-License-Identifier: BSD-3-Clause */
/* test_routes_misuse.c - arguments, sizes, limits and memory that runs out. */
#include <string.h>

#include "routes_rig.h"

static struct routes_rig rr;

static void open_rig(void)
{
	rr_open(&rr, &(struct rr_shape){ .gsis = 24, .s = 7 });
	rr_entry(&rr, 5, 0x31);
	assert_int_equal(rr_set(&rr, 3, 5), VIOMMU_OK);
	rr_expect(&rr, "open", (const struct rr_change[]){ { 3, 0x31 } }, 1);
}

/* Nothing of a refused call is left. */
static void check_untouched(const char *row)
{
	struct viommu_routes_statistics statistics = rr_statistics(&rr);

	check_eq(row, statistics.routes, 1);
	check_eq(row, statistics.valid, 1);
	check_eq(row, statistics.pending, 0);
	rr_delivers(&rr, row, 3, 0x31);
}

/* ---- viommu_routes_set ---- */

static void test_set(void **state)
{
	const uint32_t whole = sizeof(struct viommu_route);
	const struct {
		const char *name;
		struct viommu_route route;
		int result;
	} rows[] = {
		{ "size 0", { .size = 0, .gsi = 3 }, VIOMMU_ESIZE },
		{ "shorter than the first", { .size = 24, .gsi = 3 }, VIOMMU_ESIZE },
		{ "in the middle of a member", { .size = 36, .gsi = 3 }, VIOMMU_ESIZE },
		{ "unknown flag", { .size = whole, .flags = 1, .gsi = 3 }, VIOMMU_EINVAL },
		{ "flag of a change",
		  { .size = whole, .flags = VIOMMU_ROUTE_ASK, .gsi = 3 },
		  VIOMMU_EINVAL },
		{ "all flags", { .size = whole, .flags = UINT32_MAX, .gsi = 3 }, VIOMMU_EINVAL },
		{ "id at the limit", { .size = whole, .gsi = 24 }, VIOMMU_EINVAL },
		{ "id far above", { .size = whole, .gsi = UINT32_MAX }, VIOMMU_EINVAL },
		{ "source of 17 bits",
		  { .size = whole, .gsi = 3, .source = 0x10110 },
		  VIOMMU_EINVAL },
		{ "source of 32 bits",
		  { .size = whole, .gsi = 3, .source = UINT32_MAX },
		  VIOMMU_EINVAL },
	};

	(void)state;
	open_rig();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_eq(rows[i].name, viommu_routes_set(rr.routes, &rows[i].route),
			 rows[i].result);
		check_untouched(rows[i].name);
	}
	assert_int_equal(viommu_routes_set(rr.routes, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_set(NULL, &(struct viommu_route){ .size = whole }),
			 VIOMMU_EINVAL);
	rr_close(&rr);
}

/* A later version's structure: its tail has to be zero. */
static void test_long_route(void **state)
{
	struct {
		struct viommu_route route;
		uint64_t tail;
	} later = { .route = rr_route(4, 5) };

	(void)state;
	open_rig();
	later.route.size = sizeof(later);
	later.tail = 1;
	assert_int_equal(viommu_routes_set(rr.routes, &later.route), VIOMMU_ESIZE);
	check_untouched("tail");
	later.tail = 0;
	assert_int_equal(viommu_routes_set(rr.routes, &later.route), VIOMMU_OK);
	rr_close(&rr);
}

/* ---- the others ---- */

static void test_others(void **state)
{
	struct viommu_routes_statistics statistics = { .size = sizeof(statistics) };
	struct viommu_route_change change;
	uint32_t count;

	(void)state;
	open_rig();
	assert_int_equal(viommu_routes_remove(NULL, 3), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_remove(rr.routes, 24), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_remove(rr.routes, UINT32_MAX), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_remove(rr.routes, 23), VIOMMU_ENOENT);
	assert_int_equal(viommu_routes_lookup(NULL, 3, &change), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_lookup(rr.routes, 3, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_lookup(rr.routes, 24, &change), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_lookup(rr.routes, UINT32_MAX, &change), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_lookup(rr.routes, 23, &change), VIOMMU_ENOENT);
	assert_int_equal(viommu_routes_drain(NULL, &change, 1, &count), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_drain(rr.routes, NULL, 1, &count), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_drain(rr.routes, &change, 0, &count), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_drain(rr.routes, &change, 1, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_get_statistics(NULL, &statistics), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_get_statistics(rr.routes, NULL), VIOMMU_EINVAL);
	statistics.size--;
	assert_int_equal(viommu_routes_get_statistics(rr.routes, &statistics), VIOMMU_ESIZE);
	statistics.size = 0;
	assert_int_equal(viommu_routes_get_statistics(rr.routes, &statistics), VIOMMU_ESIZE);
	assert_int_equal(viommu_routes_free(NULL), VIOMMU_OK);
	check_untouched("others");
	rr_close(&rr);
}

/* ---- viommu_routes_new ---- */

static void test_new(void **state)
{
	const uint32_t whole = sizeof(struct viommu_routes_config);
	const struct {
		const char *name;
		struct viommu_routes_config config;
		int result;
	} rows[] = {
		{ "size 0", { .size = 0 }, VIOMMU_ESIZE },
		{ "shorter than the first", { .size = 12 }, VIOMMU_ESIZE },
		{ "flags", { .size = whole, .flags = 1 }, VIOMMU_EINVAL },
		{ "reserved", { .size = whole, .reserved = 1 }, VIOMMU_EINVAL },
		{ "65537 routes", { .size = whole, .gsis = 65537 }, VIOMMU_EINVAL },
		{ "2^32 - 1 routes", { .size = whole, .gsis = UINT32_MAX }, VIOMMU_EINVAL },
		{ "65536 routes", { .size = whole, .gsis = 65536 }, VIOMMU_OK },
		{ "1 route", { .size = whole, .gsis = 1 }, VIOMMU_OK },
	};
	struct viommu_routes_config config = { .size = whole };
	struct viommu_routes *routes;

	(void)state;
	open_rig();
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		routes = NULL;
		check_eq(rows[i].name, viommu_routes_new(rr.g.iommu, &rows[i].config, &routes),
			 rows[i].result);
		check_eq(rows[i].name, routes != NULL, rows[i].result == VIOMMU_OK);
		assert_int_equal(viommu_routes_free(routes), VIOMMU_OK);
	}
	assert_int_equal(viommu_routes_new(NULL, &config, &routes), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_new(rr.g.iommu, NULL, &routes), VIOMMU_EINVAL);
	assert_int_equal(viommu_routes_new(rr.g.iommu, &config, NULL), VIOMMU_EINVAL);
	check_untouched("new");
	rr_close(&rr);
}

/* Obligations 4 and 27: the first and the last id, at the smallest, default and largest limit. */
static void test_limits(void **state)
{
	static const uint32_t limits[] = { 1, 24, 0, 65535, 65536 };

	(void)state;
	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		uint32_t last = (limits[i] ? limits[i] : 4096) - 1;

		rr_open(&rr, &(struct rr_shape){ .gsis = limits[i], .s = 7 });
		rr_entry(&rr, 5, 0x31);
		assert_int_equal(rr_set(&rr, last, 5), VIOMMU_OK);
		assert_int_equal(rr_set(&rr, last + 1, 5), VIOMMU_EINVAL);
		assert_int_equal(rr_set(&rr, 0, 5), VIOMMU_OK);
		rr_entry(&rr, 5, 0x33);
		rr_invalidate(&rr, GUEST_IEC(5, 0));
		rr_delivers(&rr, "the last", last, 0x33);
		rr_delivers(&rr, "the first", 0, 0x33);
		assert_int_equal(rr_statistics(&rr).pending, last ? 2 : 1);
		assert_int_equal(viommu_routes_remove(rr.routes, last), VIOMMU_OK);
		rr_close(&rr);
	}
}

/* The largest table, its first and last entry. */
static void test_largest_table(void **state)
{
	(void)state;
	rr_open(&rr, &(struct rr_shape){ .gsis = 8, .s = 15 });
	rr_entry(&rr, 0, 0x31);
	rr_entry(&rr, 65535, 0x32);
	assert_int_equal(rr_set(&rr, 0, 0), VIOMMU_OK);
	assert_int_equal(rr_set(&rr, 1, 65535), VIOMMU_OK);
	rr_entry(&rr, 65535, 0x42);
	rr_invalidate(&rr, GUEST_IEC(65535, 0));
	rr_delivers(&rr, "the last entry", 1, 0x42);
	rr_entry(&rr, 0, 0x41);
	rr_invalidate(&rr, GUEST_IEC(0, 0));
	rr_delivers(&rr, "entry 0", 0, 0x41);
	rr_close(&rr);
}

/* The unit cannot be freed under its routes. */
static void test_life(void **state)
{
	(void)state;
	open_rig();
	assert_int_equal(viommu_free(rr.g.iommu), VIOMMU_EBUSY);
	check_untouched("life");
	rr_close(&rr);
}

/* Every allocation fails in turn; nothing is left behind (guest_fini() checks the books). */
static void test_no_memory(void **state)
{
	unsigned n = 1;
	int result;

	(void)state;
	open_rig();
	for (;; n++) {
		struct viommu_routes *routes = NULL;
		uint64_t blocks = rr.g.blocks;

		rr.g.no_memory_in = n;
		result = rr_try_new(&rr, 64, &routes);
		if (result == VIOMMU_OK) {
			assert_int_equal(viommu_routes_free(routes), VIOMMU_OK);
			break;
		}
		assert_int_equal(result, VIOMMU_ENOMEM);
		assert_null(routes);
		assert_int_equal(rr.g.blocks, blocks);
	}
	rr.g.no_memory_in = 0;
	assert_true(n > 3);
	/* and nothing else allocates */
	n = (unsigned)rr.g.allocations;
	rr_set(&rr, 4, 6);
	rr_set(&rr, 3, 6);
	rr_invalidate(&rr, GUEST_IEC_GLOBAL);
	viommu_routes_remove(rr.routes, 4);
	assert_int_equal(rr.g.allocations, n);
	rr_close(&rr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),    cmocka_unit_test(test_long_route),
		cmocka_unit_test(test_others), cmocka_unit_test(test_new),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_largest_table),
		cmocka_unit_test(test_life),   cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("irq/routes_misuse", tests, NULL, NULL);
}
