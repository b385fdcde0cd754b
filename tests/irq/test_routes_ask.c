/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_routes_ask.c - refusals that are not kept (6.1, CM = 0; obligation 37), masked pins whose
 * interrupt is still to be acknowledged (36), and bursts of invalidations (38).
 */
#include <string.h>

#include "route_cache.h"
#include "routes_rig.h"
#include "vtd_engine.h"

static struct routes_rig rr;

static void open_rig(void)
{
	rr_open(&rr, &(struct rr_shape){ .gsis = 64, .s = 7 });
}

static struct viommu_route_change drain_one(const char *row)
{
	struct viommu_route_change got = { 0 };
	uint32_t count;

	check_eq(row, viommu_routes_drain(rr.routes, &got, 1, &count), VIOMMU_OK);
	check_eq(row, count, 1);
	return got;
}

static uint32_t drained_flags(const char *row)
{
	return drain_one(row).flags;
}

/* ---- asked again ---- */

/* How entry 5 is refused, before it is corrected without an invalidation. */
static const struct {
	const char *name;
	uint64_t low;
	unsigned reason;
} refused[] = {
	{ "absent", 1, 0x22 },
	{ "reserved bit", BIT(12), 0x24 },
	{ "destination of x2APIC in xAPIC mode", BIT(32), 0x24 },
};

static void test_lookup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *row = refused[i].name;
		struct viommu_msi msi;

		open_rig();
		rr_raw_entry(&rr, 5, rr_low(0x31) ^ refused[i].low, 0);
		check_eq(row, rr_set(&rr, 3, 5), VIOMMU_FAULT);
		rr_delivers(&rr, row, 3, RR_NONE);
		rr_entry(&rr, 5, 0x31);
		rr_delivers(&rr, row, 3, 0x31);
		rr_clear(&rr, 5); /* and the route does not keep it either */
		rr_invalidate(&rr, GUEST_IEC(5, 0));
		rr_delivers(&rr, row, 3, RR_NONE);
		rr_expect_none(&rr, row);
		check_eq(row, rr_statistics(&rr).valid, 0);
		check_eq(row, rr.changed, 1); /* by the invalidation */
		rr_no_faults(&rr, row);
		rr_raw_entry(&rr, 5, rr_low(0x31) ^ refused[i].low, 0);
		check_eq(row, viommu_routes_deliver(rr.routes, 3, &msi), VIOMMU_FAULT);
		check_eq(row, msi.reason, refused[i].reason);
		check_that(row, guest_read32(&rr.g, VTD_FSTS) & VTD_FSTS_PPF);
		rr_close(&rr);
	}
}

/* Delivering makes the route precise, which is a change, and says so before it returns. */
static void test_deliver(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig();
	check_eq("absent", rr_set(&rr, 3, 5), VIOMMU_FAULT);
	check_eq("refused", viommu_routes_deliver(rr.routes, 3, &msi), VIOMMU_FAULT);
	check_eq("refused", rr.changed, 0);
	rr_entry(&rr, 5, 0x31);
	check_eq("present", viommu_routes_deliver(rr.routes, 3, &msi), VIOMMU_OK);
	check_eq("present", msi.vector, 0x31);
	check_eq("present", rr.changed, 1);
	rr_expect(&rr, "precise", (const struct rr_change[]){ { 3, 0x31 } }, 1);
	rr_clear(&rr, 5); /* not invalidated: it is kept now */
	rr_delivers(&rr, "kept", 3, 0x31);
	rr_invalidate(&rr, GUEST_IEC(5, 0));
	check_eq("revoked", drained_flags("revoked"), VIOMMU_ROUTE_ASK);
	check_eq("again precise", rr_set(&rr, 3, 6), VIOMMU_FAULT);
	rr_entry(&rr, 6, 0x32);
	rr_invalidate(&rr, GUEST_IEC(6, 0));
	rr_expect(&rr, "invalidated", (const struct rr_change[]){ { 3, 0x32 } }, 1);
	check_eq("precise ones too", viommu_routes_deliver(rr.routes, 3, &msi), VIOMMU_OK);
	check_eq("precise ones too", msi.vector, 0x32);
	rr_expect_none(&rr, "and nothing changes");
	rr_set_masked(&rr, 3, 6);
	check_eq("masked", viommu_routes_deliver(rr.routes, 3, &msi), VIOMMU_FAULT);
	check_eq("masked", msi.reason, 0);
	check_eq("no route", viommu_routes_deliver(rr.routes, 4, &msi), VIOMMU_ENOENT);
	check_eq("no gsi", viommu_routes_deliver(rr.routes, 64, &msi), VIOMMU_EINVAL);
	check_eq("no msi", viommu_routes_deliver(rr.routes, 3, NULL), VIOMMU_EINVAL);
	check_eq("no cache", viommu_routes_deliver(NULL, 3, &msi), VIOMMU_EINVAL);
	rr_close(&rr);
}

/* A route that the VMM was told to give up, and is its to deliver from now on. */
static void test_asks_again(void **state)
{
	(void)state;
	open_rig();
	rr_entry(&rr, 7, 0x31);
	check_eq("set", rr_set(&rr, 3, 7), VIOMMU_OK);
	rr_expect(&rr, "set", (const struct rr_change[]){ { 3, 0x31 } }, 1);
	check_eq("removed", viommu_routes_remove(rr.routes, 3), VIOMMU_OK);
	check_eq("removed", drained_flags("removed"), VIOMMU_ROUTE_REVOKED);
	check_eq("set again", rr_set(&rr, 3, 5), VIOMMU_FAULT);
	check_eq("set again", drained_flags("set again"), VIOMMU_ROUTE_ASK);
	rr_entry(&rr, 5, 0x32);
	rr_delivers(&rr, "present", 3, 0x32);
	rr_entry(&rr, 6, 0x33);
	rr_set_masked(&rr, 4, 6);
	rr_expect_none(&rr, "new, and masked");
	rr_clear(&rr, 6);
	check_eq("no longer masked", rr_set(&rr, 4, 6), VIOMMU_FAULT);
	check_eq("no longer masked", drained_flags("no longer masked"), VIOMMU_ROUTE_ASK);
	rr_close(&rr);
}

/* CM = 1: what is added is invalidated, too; until then the refusal may be kept. */
static void test_caching_mode(void **state)
{
	struct viommu_routes_config config = { .size = sizeof(config), .gsis = 8 };
	struct viommu_route route = rr_route(3, 5);
	struct viommu_route_change change;
	uint32_t count;

	(void)state;
	memset(&rr, 0, sizeof(rr));
	guest_init(&rr.g, GUEST_REGION, 300);
	guest_vtd(&rr.g, GUEST_CAP | VTD_CAP_CM, GUEST_ECAP_LEGACY);
	guest_queue_on(&rr.g, false, 1);
	rr.table = guest_interrupts_on(&rr.g, 7, false);
	assert_int_equal(viommu_routes_new(rr.g.iommu, &config, &rr.routes), VIOMMU_OK);
	rr_entry(&rr, 5, 0x31);
	check_eq("set", viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	rr_clear(&rr, 5);
	rr_invalidate(&rr, GUEST_IEC(5, 0));
	check_eq("revoked", viommu_routes_drain(rr.routes, &change, 1, &count), VIOMMU_OK);
	check_eq("revoked", change.flags, VIOMMU_ROUTE_REVOKED);
	rr_entry(&rr, 5, 0x32);
	rr_delivers(&rr, "kept", 3, RR_NONE);
	rr_invalidate(&rr, GUEST_IEC(5, 0));
	rr_delivers(&rr, "announced", 3, 0x32);
	rr_close(&rr);
}

/* ---- obligation 36: masked, and still to be acknowledged ---- */

static void write_pin(struct viommu_ioapic *a, uint64_t low)
{
	assert_int_equal(viommu_ioapic_write(a, 0x00, 4, 0x11), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(a, 0x10, 4, 7U << 17 | 1U << 16), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(a, 0x00, 4, 0x10), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(a, 0x10, 4, low), VIOMMU_OK);
}

static void test_masked_level(void **state)
{
	struct viommu_ioapic_config config = { .size = sizeof(config), .source = RR_SOURCE };
	struct viommu_route route = { .size = sizeof(route), .gsi = 0 };
	struct viommu_route_change got;
	struct viommu_ioapic *a;
	struct viommu_msi msi;

	(void)state;
	open_rig();
	rr_raw_entry(&rr, 7, rr_low(0x61) | BIT(4), 0);
	assert_int_equal(viommu_ioapic_new(rr.g.vm, rr.g.iommu, &config, &a), VIOMMU_OK);
	route.ioapic = a;
	write_pin(a, 0x8061);
	check_eq("unmasked", viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	check_eq("unmasked", drained_flags("unmasked"), VIOMMU_ROUTE_VALID);
	write_pin(a, 0x18061);
	check_eq("masked", viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	got = drain_one("masked");
	check_eq("the kernel keeps it", got.flags, VIOMMU_ROUTE_VALID | VIOMMU_ROUTE_MASKED);
	check_eq("the kernel keeps it", got.msi.vector, 0x61);
	check_eq("nothing is delivered", rr_statistics(&rr).valid, 0);
	rr_delivers(&rr, "nothing is delivered", 0, RR_NONE);
	check_eq("nothing is delivered", viommu_routes_deliver(rr.routes, 0, &msi), VIOMMU_FAULT);
	rr_raw_entry(&rr, 7, rr_low(0x62) | BIT(4), 0);
	rr_invalidate(&rr, GUEST_IEC(7, 0));
	got = drain_one("moved while masked");
	check_eq("moved while masked", got.flags, VIOMMU_ROUTE_VALID | VIOMMU_ROUTE_MASKED);
	check_eq("moved while masked", got.msi.vector, 0x62);
	rr_clear(&rr, 7);
	rr_invalidate(&rr, GUEST_IEC(7, 0));
	check_eq("revoked while masked", drained_flags("revoked") & VIOMMU_ROUTE_VALID, 0);
	rr_raw_entry(&rr, 7, rr_low(0x63) | BIT(4), 0);
	write_pin(a, 0x8063);
	check_eq("unmasked again", viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	check_eq("unmasked again", drained_flags("unmasked again"), VIOMMU_ROUTE_VALID);
	write_pin(a, 0x10063);
	check_eq("an edge", viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	check_eq("an edge has no EOI", drained_flags("an edge"), VIOMMU_ROUTE_MASKED);
	assert_int_equal(viommu_ioapic_free(a), VIOMMU_OK);
	rr_close(&rr);
}

/* ---- obligation 38: bursts ---- */

enum { MANY = 16384, BURST = 200 };

static void open_many(bool same)
{
	rr_open(&rr, &(struct rr_shape){ .gsis = MANY, .s = 13 });
	for (uint32_t i = 0; i < MANY; i++)
		rr_entry(&rr, i, 0x20 + i % 200);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(rr_set(&rr, i, same ? 0 : i), VIOMMU_OK);
}

/* However many invalidations: each route once, the host once, and no call more than its steps. */
static void check_burst(const char *row, uint64_t descriptor)
{
	uint64_t before = 0, one, most = 0;
	unsigned calls = 1;

	rr_resolved(&rr, &before);
	rr.changed = 0;
	for (unsigned i = 0; i < BURST; i++)
		guest_submit(&rr.g, descriptor, 0, 0, 0);
	guest_submit_wait(&rr.g);
	one = before;
	guest_ring(&rr.g);
	most = rr_resolved(&rr, &one);
	for (; !guest_waited(&rr.g) && calls < 100; calls++) {
		uint64_t n;

		check_that(row, viommu_run(rr.g.iommu) >= 0);
		n = rr_resolved(&rr, &one);
		most = n > most ? n : most;
	}
	check_that(row, guest_waited(&rr.g));
	check_eq(row, rr_resolved(&rr, &before), MANY);
	check_eq(row, rr.changed, 1);
	/* a route is two steps */
	check_that(row, most <= 2048 && calls >= MANY / 2048);
}

static void test_burst(void **state)
{
	(void)state;
	open_many(false);
	check_burst("global", GUEST_IEC_GLOBAL);
	check_burst("32768 entries", GUEST_IEC(0, 15));
	rr_close(&rr);
	open_many(true);
	check_burst("all on one entry", GUEST_IEC(0, 0));
	check_burst("all on one entry, global", GUEST_IEC_GLOBAL);
	rr_close(&rr);
}

/* Without a wait the burst is worked off all the same, and the host is told that there is work. */
static void test_no_wait(void **state)
{
	uint64_t before = 0;
	unsigned calls = 0;

	(void)state;
	open_many(false);
	rr_resolved(&rr, &before);
	guest_submit(&rr.g, GUEST_IEC_GLOBAL, 0, 0, 0);
	check_eq("not done", guest_ring(&rr.g), VIOMMU_PENDING);
	check_that("there is work", rr.g.count[GUEST_ON_WORK] > 0);
	while (viommu_run(rr.g.iommu) == VIOMMU_PENDING && calls < 100)
		calls++;
	check_eq("all", rr_resolved(&rr, &before), MANY);
	check_that("no call more than its steps", calls + 2 >= MANY / 2048);
	check_eq("told", rr.changed, 1);
	rr_close(&rr);
}

/* A route that is written all the time that a lookup tries to read it: its answer is looked at under the lock, and the
 * tables are asked only if there is none that is kept. */
static void test_written_all_the_time(void **state)
{
	struct route_slot *slot;

	(void)state;
	rr_open(&rr, &(struct rr_shape){ .gsis = 64, .s = 10 });
	slot = &rr.routes->slot[3];
	rr_entry(&rr, 5, 0x31);
	check_eq("set", rr_set(&rr, 3, 5), VIOMMU_OK);
	rr_expect(&rr, "set", (const struct rr_change[]){ { 3, 0x31 } }, 1);
	/* Another entry in its place in the cache; and what the guest has not said yet. */
	rr_entry(&rr, 5 + IRTE_SLOTS, 0x32);
	check_eq("another", rr_set(&rr, 4, 5 + IRTE_SLOTS), VIOMMU_OK);
	rr_entry(&rr, 5, 0x41);
	seq_write_begin(&slot->version);
	rr_delivers(&rr, "kept", 3, 0x31);
	seq_write_end(&slot->version);
	rr_delivers(&rr, "kept", 3, 0x31);
	rr_close(&rr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),	     cmocka_unit_test(test_deliver),
		cmocka_unit_test(test_asks_again),   cmocka_unit_test(test_caching_mode),
		cmocka_unit_test(test_masked_level), cmocka_unit_test(test_burst),
		cmocka_unit_test(test_no_wait),	     cmocka_unit_test(test_written_all_the_time),
	};

	return cmocka_run_group_tests_name("irq/routes_ask", tests, NULL, NULL);
}
