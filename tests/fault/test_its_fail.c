/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_fail.c - the nth allocation, and the nth access to guest memory, fail: for every n.
 *
 * A command that cannot be read stalls the queue, and Retry goes on; nothing is lost or done twice. A
 * configuration byte that cannot be read disables its LPI until it is invalidated.
 */
#include <stdio.h>

#include "check.h"
#include "its_rig.h"

static struct its_rig rig;

static void every_allocation(void **state)
{
	static const struct its_rig_config configs[] = {
		{ .off = true },
		{ .off = true, .typer = ITS_RIG_TYPER_V41, .flags = 12, .vpes = 8, .units = 2 },
	};

	for (unsigned i = 0; i < 2; i++) {
		unsigned n = 1;

		for (;; n++) {
			struct its_rig_config config = configs[i];
			int result;

			config.no_memory_in = n;
			result = its_try_open(&rig, &config);
			its_close(&rig); /* leaks fail */
			if (result == VIOMMU_OK)
				break;
			assert_int_equal(result, VIOMMU_ENOMEM);
		}
		assert_true(n > 10);
	}
}

/* Memory of a vPE's pending bits, of a restore. */
static void allocations_while_it_runs(void **state)
{
	its_open(&rig,
		 &(struct its_rig_config){ .typer = ITS_RIG_TYPER_V4, .flags = 4, .vpes = 8 });
	rig.g.no_memory_in = 1;
	assert_int_equal(its_command(&rig, VMAPP(0, 0, ITS_RIG_VPT(0), 16)),
			 VIOMMU_ITS_ERROR(0x29, 0xff));
	assert_int_equal(its_command(&rig, VMAPP(0, 0, ITS_RIG_VPT(0), 16)), 0);
	its_close(&rig);
	its_open(&rig, &(struct its_rig_config){ 0 });
	its_write32(rig.its, 0, 0);
	rig.g.no_memory_in = 1;
	assert_int_equal(viommu_its_restore_tables(rig.its), VIOMMU_ENOMEM);
	assert_int_equal(viommu_its_restore_tables(rig.its), VIOMMU_OK);
	its_close(&rig);
}

/* Through an indirect device table, so that commands read level 1. */
static void open_indirect(void)
{
	/* 6-bit DeviceIDs: few slots to save */
	its_open(&rig, &(struct its_rig_config){
			       .memory = GUEST_CALLBACKS, .typer = 0xaf71, .off = true });
	its_program_lpis(&rig);
	its_write(rig.its, 0x100, ITS_RIG_DEVICES | UINT64_C(1) << 62 | ITS_V);
	its_write(rig.its, 0x108, ITS_RIG_COLL | ITS_V);
	its_write(rig.its, 0x80, ITS_RIG_QUEUE | ITS_V);
	its_write32(rig.its, 0, 1);
	guest_put64(&rig.g, ITS_RIG_DEVICES, ITS_RIG_L2 | ITS_V);
}

static const struct {
	struct its_words command;
	uint32_t code;
} script[] = {
	{ { { 9, 0, ITS_V, 0 } }, 0 },
	{ { { 9, 0, ITS_V | 1 << 16 | 1, 0 } }, 0 },
	{ { { UINT64_C(0x100000008), 4, ITS_V | ITS_RIG_ITT(1), 0 } }, 0 },
	{ { { UINT64_C(0x10000000a), UINT64_C(8192) << 32, 0, 0 } }, 0 },
	{ { { UINT64_C(0x10000000a), UINT64_C(8193) << 32 | 1, 1, 0 } }, 0 },
	{ { { UINT64_C(0x10000000a), UINT64_C(8194) << 32 | 2, 1, 0 } }, 0 },
	{ { { UINT64_C(0x100000003), 0, 0, 0 } }, 0 },
	{ { { UINT64_C(0x100000003), 2, 0, 0 } }, 0 },
	{ { { UINT64_C(0x100000001), 0, 1, 0 } }, 0 },
	{ { { UINT64_C(0x10000000f), 1, 0, 0 } }, 0 },
	{ { { UINT64_C(0x100000004), 1, 0, 0 } }, VIOMMU_ITS_ERROR(5, 7) },
	{ { { UINT64_C(0x10000000c), 0, 0, 0 } }, 0 },
	{ { { 0xd, 0, 1, 0 } }, 0 },
	{ { { 0xe, 0, 1 << 16, 2 << 16 } }, 0 },
	{ { { 5, 0, 0, 0 } }, 0 },
};

static void run_script(const char *row)
{
	for (unsigned i = 0; i < sizeof(script) / sizeof(script[0]); i++) {
		uint32_t code = its_command(&rig, script[i].command);

		if (code == VIOMMU_ITS_ERROR_MEMORY) {
			check_eq(row, its_read(rig.its, 0x90), i * 32 | 1);
			rig.unit[0].code = 0;
			its_write(rig.its, 0x88, rig.unit[0].tail | 1);
			code = rig.unit[0].code;
		}
		check_eq(row, code, script[i].code);
		check_eq(row, its_read(rig.its, 0x90), (i + 1) * 32);
	}
}

static void every_access(void **state)
{
	unsigned stalls = 0;
	unsigned n = 1;

	for (;; n++) {
		char row[32];

		snprintf(row, sizeof(row), "access %u fails", n);
		open_indirect();
		rig.g.fail_in = n;
		run_script(row);
		rig.g.fail_in = 0;
		check_eq(row, its_resolve(&rig, 1, 0), ITS_LPI(8192, 1));
		check_eq(row, its_resolve(&rig, 1, 1), ITS_REFUSED(7));
		check_eq(row, its_resolve(&rig, 1, 2), ITS_LPI(8194, 1));
		check_eq(row, its_lpi(&rig, 1, 8192) & 1, 0);
		check_eq(row, its_lpi(&rig, 2, 8192) & 1, 1);
		check_eq(row, its_lpi(&rig, 2, 8194) & 1, 1);
		stalls += rig.unit[0].errors - 1;
		check_that(row, rig.unit[0].errors <= 2);
		/* whatever could not be read, once it is invalidated */
		its_write(rig.lpis, VIOMMU_LPIS_OFFSET(2, 0xb0), 0);
		check_eq(row, its_lpi(&rig, 2, 8192), 0xa00101);
		if (!rig.g.failures)
			break;
		its_close(&rig);
	}
	its_close(&rig);
	print_message("%u accesses, %u stalls\n", n - 1, stalls);
	assert_true(n > 25 && stalls > 20);
}

/* Saving and restoring the guest's tables. */
static void every_access_of_tables(void **state)
{
	unsigned n = 1;

	for (;; n++) {
		int result;

		open_indirect();
		run_script("tables");
		rig.g.fail_in = n;
		result = viommu_its_save_tables(rig.its);
		rig.g.fail_in = 0;
		if (result == VIOMMU_OK)
			break;
		assert_int_equal(result, VIOMMU_FAULT);
		assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
		its_close(&rig);
	}
	assert_true(n > 100);
	its_write32(rig.its, 0, 0);
	for (n = 1;; n++) {
		int result;

		rig.g.fail_in = n;
		result = viommu_its_restore_tables(rig.its);
		rig.g.fail_in = 0;
		if (result == VIOMMU_OK)
			break;
		assert_int_equal(result, VIOMMU_FAULT);
	}
	assert_true(n > 5);
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_LPI(8192, 1));
	its_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation),
		cmocka_unit_test(allocations_while_it_runs),
		cmocka_unit_test(every_access),
		cmocka_unit_test(every_access_of_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
