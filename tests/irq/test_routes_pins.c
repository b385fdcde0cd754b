/* SPDX-License-Identifier: BSD-3-Clause */
/* test_routes_pins.c - routes whose message is that of an I/O APIC's pin. */
#include <string.h>

#include "routes_rig.h"

#define APIC_SOURCE 0xf0f8U

static struct routes_rig rr;
static struct viommu_ioapic *apic;
static unsigned pins_changed;

static void write_entry(uint32_t pin, uint64_t entry)
{
	const uint32_t index = 0x10 + 2 * pin;

	for (uint32_t half = 0; half < 2; half++) {
		assert_int_equal(viommu_ioapic_write(apic, 0, 4, index + 1 - half), VIOMMU_OK);
		assert_int_equal(viommu_ioapic_write(apic, 0x10, 4,
						     half ? (uint32_t)entry : entry >> 32),
				 VIOMMU_OK);
	}
}

/* A redirection entry in the remappable format. */
static uint64_t through(uint32_t index, uint64_t more)
{
	return UINT64_C(1) << 48 | (uint64_t)index << 49 | more;
}

static int set_pin(uint32_t gsi, uint32_t pin)
{
	struct viommu_route route = {
		.size = sizeof(route), .gsi = gsi, .pin = pin, .ioapic = apic
	};

	return viommu_routes_set(rr.routes, &route);
}

/* As a VMM does it: the pin's route has the pin's number. */
static void pin_changed(void *opaque, uint32_t pin)
{
	(void)opaque;
	pins_changed++;
	assert_true(set_pin(pin, pin) >= 0);
}

static void open_rig(void)
{
	struct viommu_ioapic_config config = { .size = sizeof(config),
					       .source = APIC_SOURCE,
					       .changed = pin_changed };

	rr_open(&rr, &(struct rr_shape){ .gsis = 64, .s = 7 });
	for (uint32_t i = 0; i < 32; i++)
		rr_raw_entry(&rr, i, rr_low(0x30 + i), APIC_SOURCE | 1 << 18);
	assert_int_equal(viommu_ioapic_new(rr.g.vm, rr.g.iommu, &config, &apic), VIOMMU_OK);
	pins_changed = 0;
}

static void close_rig(void)
{
	viommu_ioapic_free(apic);
	rr_close(&rr);
}

/* Obligation 22: the I/O APIC's source is verified, not what the caller left in the structure. */
static void test_source(void **state)
{
	struct viommu_route route = { .size = sizeof(route), .gsi = 40, .pin = 4 };

	(void)state;
	open_rig();
	write_entry(4, through(7, 0x37));
	check_eq("source is the I/O APIC's", set_pin(41, 4), VIOMMU_OK);
	rr_delivers(&rr, "source is the I/O APIC's", 41, 0x37);
	route.ioapic = apic;
	route.source = RR_SOURCE;
	route.address = RR_ADDRESS(9);
	check_eq("and nobody else's", viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	rr_delivers(&rr, "and nobody else's", 40, 0x37);
	rr_raw_entry(&rr, 7, rr_low(0x37), RR_SOURCE | 1 << 18);
	rr_invalidate(&rr, GUEST_IEC(7, 0));
	rr_delivers(&rr, "entry of another device", 40, RR_NONE);
	rr_delivers(&rr, "entry of another device", 41, RR_NONE);
	rr_no_faults(&rr, "source");
	close_rig();
}

/* A route follows its pin when it is set again, and its entry when that is invalidated. */
static void test_follows(void **state)
{
	(void)state;
	open_rig();
	assert_int_equal(set_pin(5, 5), VIOMMU_OK);
	rr_delivers(&rr, "power-on: masked", 5, RR_NONE);
	assert_int_equal(rr_statistics(&rr).resolved, 0);
	write_entry(5, through(8, 0x38));
	check_that("told", pins_changed >= 1);
	rr_expect(&rr, "unmasked", (const struct rr_change[]){ { 5, 0x38 } }, 1);
	rr_raw_entry(&rr, 8, rr_low(0x58), 0);
	rr_invalidate(&rr, GUEST_IEC(8, 0));
	rr_expect(&rr, "its entry", (const struct rr_change[]){ { 5, 0x58 } }, 1);
	write_entry(5, through(9, 0x39));
	rr_expect(&rr, "another entry", (const struct rr_change[]){ { 5, 0x39 } }, 1);
	rr_raw_entry(&rr, 8, rr_low(0x59), 0);
	rr_invalidate(&rr, GUEST_IEC(8, 0));
	rr_expect_none(&rr, "no longer its entry");
	write_entry(5, through(9, 0x39) | 0x10000);
	rr_expect(&rr, "masked", (const struct rr_change[]){ { 5, RR_MASKED } }, 1);
	rr_invalidate(&rr, GUEST_IEC_GLOBAL);
	rr_expect_none(&rr, "stays masked");
	write_entry(5, 0x61); /* compatibility format */
	rr_delivers(&rr, "compatibility format is blocked", 5, RR_NONE);
	rr_no_faults(&rr, "pins");
	close_rig();
}

/* Masked by the caller: the pin does not matter. */
static void test_masked(void **state)
{
	struct viommu_route route = {
		.size = sizeof(route), .flags = VIOMMU_ROUTE_MASKED, .gsi = 6, .pin = 6
	};

	(void)state;
	open_rig();
	write_entry(6, through(1, 0x31));
	route.ioapic = apic;
	assert_int_equal(viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	rr_delivers(&rr, "masked by the caller", 6, RR_NONE);
	route.flags = 0;
	assert_int_equal(viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	rr_delivers(&rr, "and not", 6, 0x31);
	close_rig();
}

/* Level-triggered entries of the table say so in the message. */
static void test_level(void **state)
{
	struct viommu_route_change change;

	(void)state;
	open_rig();
	rr_raw_entry(&rr, 2, rr_low(0x32) | 0x10, APIC_SOURCE | 1 << 18);
	write_entry(2, through(2, 0x8032));
	assert_int_equal(set_pin(2, 2), VIOMMU_OK);
	assert_int_equal(viommu_routes_lookup(rr.routes, 2, &change), VIOMMU_OK);
	check_eq("level", change.flags, VIOMMU_ROUTE_VALID);
	check_eq("level", change.msi.level, 1);
	check_eq("level", change.msi.data, 0xc032);
	close_rig();
}

/* A pin that is not there leaves the route as it was. */
static void test_no_such_pin(void **state)
{
	(void)state;
	open_rig();
	write_entry(3, through(3, 0x33));
	assert_int_equal(set_pin(3, 3), VIOMMU_OK);
	assert_int_equal(set_pin(3, 24), VIOMMU_EINVAL);
	assert_int_equal(set_pin(3, UINT32_MAX), VIOMMU_EINVAL);
	assert_int_equal(set_pin(10, 24), VIOMMU_EINVAL);
	rr_delivers(&rr, "as it was", 3, 0x33);
	assert_int_equal(rr_statistics(&rr).routes, 1);
	close_rig();
}

/* Set from an older caller's structure, which ends before the I/O APIC: it is an MSI. */
static void test_older_caller(void **state)
{
	struct viommu_route route = rr_route(12, 11);

	(void)state;
	open_rig();
	rr_raw_entry(&rr, 11, rr_low(0x3b), RR_SOURCE | 1 << 18);
	route.size = offsetof(struct viommu_route, ioapic);
	route.pin = 99;
	route.ioapic = apic;
	assert_int_equal(viommu_routes_set(rr.routes, &route), VIOMMU_OK);
	rr_delivers(&rr, "older caller", 12, 0x3b);
	close_rig();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_source),	    cmocka_unit_test(test_follows),
		cmocka_unit_test(test_masked),	    cmocka_unit_test(test_level),
		cmocka_unit_test(test_no_such_pin), cmocka_unit_test(test_older_caller),
	};

	return cmocka_run_group_tests_name("irq/routes_pins", tests, NULL, NULL);
}
