/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_posted.c - posted interrupts while others write the descriptor (5.2.3): nothing is lost, and
 * a notification is due once. What one request does alone is compared in tests/oracle.
 */
#include <string.h>

#include "routes_rig.h"

static struct routes_rig rr;
static uint64_t descriptor;

enum { VECTOR = 0x45, NOTIFICATION = 0xe2 };

static uint64_t posted_low(bool urgent)
{
	return 1 | (uint64_t)VECTOR << 16 | (uint64_t)urgent << 14 | BIT(15) |
	       (descriptor >> 6) << 38;
}

static void open_rig(enum guest_memory memory)
{
	rr_open(&rr, &(struct rr_shape){ .memory = memory, .gsis = 8, .s = 7 });
	descriptor = guest_alloc(&rr.g, 1);
	guest_put64(&rr.g, descriptor + 32, (uint64_t)NOTIFICATION << 16 | UINT64_C(0x700) << 32);
	rr_raw_entry(&rr, 5, posted_low(false), 0);
	rr_raw_entry(&rr, 6, posted_low(true), 0);
}

static int post(uint32_t index, struct viommu_msi *msi)
{
	return viommu_remap_msi(rr.g.iommu, RR_SOURCE, RR_ADDRESS(index), 0, 0, msi);
}

static uint64_t control(void)
{
	return guest_get64(&rr.g, descriptor + 32) & 3;
}

/* ---- somebody else writes between the read and the swap ---- */

static struct {
	unsigned left; /* swaps to disturb */
	unsigned word;
	uint64_t bits; /* set in it; with 0 in both: bit 63 toggles */
	uint64_t clear;
	unsigned seen;
} other;

static void disturb(void *opaque, enum guest_event event)
{
	uint64_t at = descriptor + 8 * other.word;
	uint64_t now;

	(void)opaque;
	if (event != GUEST_ON_SWAP)
		return;
	other.seen++;
	if (!other.left)
		return;
	other.left--;
	now = guest_get64(&rr.g, at);
	guest_put64(&rr.g, at,
		    other.bits || other.clear ? (now | other.bits) & ~other.clear : now ^ BIT(63));
}

static void open_disturbed(unsigned left, unsigned word, uint64_t bits)
{
	open_rig(GUEST_CALLBACKS);
	memset(&other, 0, sizeof(other));
	other.left = left;
	other.word = word;
	other.bits = bits;
	rr.g.hook = disturb;
}

static void test_pir_is_kept(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_disturbed(1, VECTOR / 64, BIT(63));
	assert_int_equal(post(5, &msi), VIOMMU_OK);
	check_eq("another vector of the same word", guest_get64(&rr.g, descriptor + 8),
		 BIT(63) | BIT(VECTOR % 64));
	check_eq("notification", msi.flags, VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY);
	check_eq("notification", msi.vector, NOTIFICATION);
	check_eq("notification", msi.destination, 7);
	check_eq("ON", control(), 1);
	rr_close(&rr);
}

/* Another device's interrupt has set ON meanwhile: it notifies, we do not. */
static void test_on_meanwhile(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_disturbed(2, 4, 1);
	assert_int_equal(post(5, &msi), VIOMMU_OK);
	check_eq("notified by the other", msi.flags, VIOMMU_MSI_POSTED);
	check_eq("posted", guest_get64(&rr.g, descriptor + 8), BIT(VECTOR % 64));
	check_eq("ON", control(), 1);
	rr_close(&rr);
}

/* The hypervisor suppresses notifications meanwhile. */
static void test_sn_meanwhile(void **state)
{
	struct viommu_msi msi;

	(void)state;
	for (uint32_t index = 5; index < 7; index++) {
		bool urgent = index == 6;

		open_disturbed(2, 4, 2);
		assert_int_equal(post(index, &msi), VIOMMU_OK);
		check_eq("SN", msi.flags, VIOMMU_MSI_POSTED | (urgent ? VIOMMU_MSI_NOTIFY : 0));
		check_eq("ON", control(), urgent ? 3 : 2);
		rr_close(&rr);
	}
}

/* Where it is notified is taken from the descriptor as it was when ON was set. */
static void test_moved_meanwhile(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_disturbed(2, 4, UINT64_C(0x900) << 32 | 0xff0000);
	other.clear = UINT64_C(0x600) << 32;
	assert_int_equal(post(5, &msi), VIOMMU_OK);
	check_eq("vector", msi.vector, 0xff);
	check_eq("destination", msi.destination, 0x9);
	check_eq("flags", msi.flags, VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY);
	rr_close(&rr);
}

/* Reserved bits that appear meanwhile are refused; PIR has been written by then. */
static void test_reserved_meanwhile(void **state)
{
	struct guest_fault fault;
	struct viommu_msi msi;

	(void)state;
	open_disturbed(1, 4, BIT(5));
	assert_int_equal(post(5, &msi), VIOMMU_FAULT);
	check_eq("reason", msi.reason, 0x28);
	check_eq("ON", control(), 0);
	assert_true(guest_take_fault(&rr.g, &fault));
	check_eq("record", fault.reason, 0x28);
	rr_close(&rr);
}

/* A guest that writes there all the time does not hold the unit for ever. */
static void test_bounded(void **state)
{
	static const unsigned words[] = { VECTOR / 64, 4 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct viommu_msi msi;

		open_disturbed(1U << 20, words[i], 0);
		check_eq("given up", post(5, &msi), VIOMMU_FAULT);
		check_eq("reason", msi.reason, 0x27);
		check_that("bounded", other.seen < 1000);
		check_that("tried again", other.seen > 8);
		check_eq("ON", control(), 0);
		rr_close(&rr);
	}
}

/* ---- failing accesses: each access of a posted request fails in turn ---- */

static void test_each_access_fails(void **state)
{
	(void)state;
	for (unsigned n = 1;; n++) {
		struct guest_fault fault;
		struct viommu_msi msi;
		int result;

		open_rig(GUEST_CALLBACKS);
		rr.g.fail_in = n;
		result = post(5, &msi);
		if (result == VIOMMU_OK) {
			assert_true(n > 4); /* entry, descriptor, PIR, ON: each at least once */
			rr_close(&rr);
			return;
		}
		check_eq("failed", result, VIOMMU_FAULT);
		check_eq("reason", msi.reason, n == 1 ? 0x23 : 0x27);
		check_eq("nothing is notified", msi.flags, 0);
		check_eq("ON", control(), 0);
		rr.g.fail_in = 0;
		assert_true(guest_take_fault(&rr.g, &fault));
		check_eq("record", fault.reason, n == 1 ? 0x23 : 0x27);
		check_eq("record", fault.sid, RR_SOURCE);
		check_eq("index", fault.info, UINT64_C(5) << 48);
		check_eq("one", guest_take_faults(&rr.g), 0);
		rr_close(&rr);
	}
}

/* Without compare-and-swap it is built from read and write. */
static void test_without_swap(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig(GUEST_NO_SWAP);
	assert_int_equal(post(5, &msi), VIOMMU_OK);
	check_eq("posted", guest_get64(&rr.g, descriptor + 8), BIT(VECTOR % 64));
	check_eq("notified", msi.flags, VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY);
	assert_int_equal(post(5, &msi), VIOMMU_OK);
	check_eq("once", msi.flags, VIOMMU_MSI_POSTED);
	rr_close(&rr);
}

/* What is written is reported, for live migration; nothing is when nothing changes. */
static void test_dirty(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig(GUEST_REGION);
	assert_int_equal(post(5, &msi), VIOMMU_OK);
	check_eq("PIR and ON", rr.g.count[GUEST_ON_DIRTY], 2);
	check_eq("PIR", rr.g.dirty[0].gpa, descriptor + 8);
	check_eq("PIR", rr.g.dirty[0].bytes, 8);
	check_eq("ON", rr.g.dirty[1].gpa, descriptor + 32);
	assert_int_equal(viommu_remap_msi(rr.g.iommu, RR_SOURCE, RR_ADDRESS(5), 0,
					  VIOMMU_MSI_RESOLVE, &msi),
			 VIOMMU_OK);
	check_eq("resolved", rr.g.count[GUEST_ON_DIRTY], 2);
	rr_close(&rr);
}

/* A route through a posted entry says so, and resolving it posts nothing. */
static void test_route(void **state)
{
	struct viommu_route_change change;
	uint32_t count;

	(void)state;
	open_rig(GUEST_REGION);
	assert_int_equal(rr_set(&rr, 1, 5), VIOMMU_OK);
	assert_int_equal(viommu_routes_drain(rr.routes, &change, 1, &count), VIOMMU_OK);
	assert_int_equal(count, 1);
	assert_int_equal(viommu_routes_lookup(rr.routes, 1, &change), VIOMMU_OK);
	check_eq("flags", change.msi.flags, VIOMMU_MSI_POSTED);
	check_eq("vector", change.msi.vector, NOTIFICATION);
	rr_invalidate(&rr, GUEST_IEC_GLOBAL);
	check_eq("posted", guest_get64(&rr.g, descriptor + 8), 0);
	check_eq("ON", control(), 0);
	/* the same message, remapped: the VMM has to know */
	rr_raw_entry(&rr, 5, 1 | (uint64_t)NOTIFICATION << 16 | UINT64_C(7) << 40, 0);
	rr_invalidate(&rr, GUEST_IEC(5, 0));
	check_eq("told", rr_statistics(&rr).pending, 1);
	rr_no_faults(&rr, "route");
	rr_close(&rr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pir_is_kept),
		cmocka_unit_test(test_on_meanwhile),
		cmocka_unit_test(test_sn_meanwhile),
		cmocka_unit_test(test_moved_meanwhile),
		cmocka_unit_test(test_reserved_meanwhile),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_each_access_fails),
		cmocka_unit_test(test_without_swap),
		cmocka_unit_test(test_dirty),
		cmocka_unit_test(test_route),
	};

	return cmocka_run_group_tests_name("irq/posted", tests, NULL, NULL);
}
