/* SPDX-License-Identifier: BSD-3-Clause */
/* test_guest.c - the test guest itself: one page in every mode, for each kind of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest.h"

static void legacy(struct guest *g)
{
	uint64_t ss = guest_table(g);
	uint64_t page = guest_alloc(g, 1);
	struct viommu_device *device;
	struct guest_fault fault;
	struct guest_dma d;

	guest_vtd(g, GUEST_CAP, GUEST_ECAP_LEGACY);
	guest_ss_map(g, ss, 4, 0x1000, page, 12, GUEST_RW);
	guest_legacy(g, 0x0110, 7, ss, 4);
	guest_start(g, VTD_TTM_LEGACY);
	device = guest_device(g, 0x0110);
	d = guest_dma(device, 0x1234, VIOMMU_READ);
	assert_int_equal(d.result, VIOMMU_OK);
	assert_int_equal(d.f.gpa, page + 0x234);
	guest_invalidate_all(g);
	d = guest_dma(device, 0x2000, VIOMMU_WRITE);
	assert_int_equal(d.result, VIOMMU_FAULT);
	assert_true(guest_take_fault(g, &fault));
	assert_int_equal(fault.reason, VTD_FR_WRITE);
	assert_int_equal(fault.sid, 0x0110);
	assert_int_equal(fault.info, 0x2000);
	assert_false(guest_take_fault(g, &fault));
}

static void scalable(struct guest *g)
{
	uint64_t ss = guest_table(g);
	uint64_t fs = guest_table(g);
	uint64_t page = guest_alloc(g, 1);
	struct guest_pasid nested = { .did = 9, .pgtt = VTD_PGTT_NESTED, .fs_levels = 4 };
	struct viommu_device *device;
	struct guest_dma d;

	guest_vtd(g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	guest_fs_map(g, fs, 4, 0x7000, page, 12, GUEST_FS);
	for (uint64_t at = GUEST_BASE; at < GUEST_BASE + g->bytes; at += GUEST_PAGE)
		guest_ss_map(g, ss, 4, at, at, 12, GUEST_RW);
	nested.fs = fs;
	nested.ss = ss;
	nested.ss_levels = 4;
	guest_pasid(g, 0x0280, 0x54321, &nested);
	guest_start(g, VTD_TTM_SCALABLE);
	device = guest_device(g, 0x0280);
	d = guest_dma_pasid(device, 0x54321, 0x7008, VIOMMU_WRITE);
	assert_int_equal(d.result, VIOMMU_OK);
	assert_int_equal(d.f.gpa, page + 8);
	guest_invalidate_all(g);
}

static void every_memory(void **state)
{
	for (int kind = GUEST_REGION; kind <= GUEST_NO_SWAP; kind++) {
		struct guest g;

		guest_init(&g, (enum guest_memory)kind, 128);
		legacy(&g);
		guest_fini(&g);
		guest_init(&g, (enum guest_memory)kind, 128);
		scalable(&g);
		guest_fini(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_memory) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
