/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_routes.c - interrupt routes behind a RISC-V IOMMU: virtual interrupt files, and what revokes them. */

#include "check.h"

#include <libvirtiommu/routes.h>

#include "riscv_rig.h"

#define DEVICE	   0x10U
#define FILES	   UINT64_C(0x28000000)
#define BASIC(gpa) (RISCV_MSIPTE_V | UINT64_C(3) << 1 | RV_PPN(gpa))
#define MRIF(gpa)  (RISCV_MSIPTE_V | UINT64_C(1) << 1 | (gpa) >> 2)

static struct riscv_rig r;
static struct viommu_routes *routes;
static uint64_t table, file;
static unsigned changed;

static void on_changed(void *opaque)
{
	changed++;
}

static void open_rig(void)
{
	const struct viommu_routes_config config = { .size = sizeof(config),
						     .gsis = 8,
						     .changed = on_changed };
	struct rv_tree second = { .levels = 3, .second = true };

	changed = 0;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_1LVL);
	second.root = rv_root(&r);
	rv_map(&r, &second, 0, 0x40000000, 2, RV_PAGE);
	table = guest_alloc(&r.g, 1);
	file = guest_alloc(&r.g, 1);
	rv_put_files(&r, DEVICE, table, 1, FILES >> 12);
	rv_put_dc(&r, DEVICE, 0, rv_hgatp(8, 3, second.root), 0, 0);
	guest_device(&r.g, DEVICE);
	assert_int_equal(viommu_routes_new(r.g.iommu, &config, &routes), VIOMMU_OK);
}

static void close_rig(void)
{
	assert_int_equal(viommu_routes_free(routes), VIOMMU_OK);
	rv_close(&r);
}

static int set(uint32_t gsi, uint64_t address, uint32_t data)
{
	const struct viommu_route route = { .size = sizeof(route),
					    .gsi = gsi,
					    .source = DEVICE,
					    .address = address,
					    .data = data };

	return viommu_routes_set(routes, &route);
}

static struct viommu_route_change drain(void)
{
	struct viommu_route_change change = { .gsi = UINT32_MAX };
	uint32_t count;

	assert_int_equal(viommu_routes_drain(routes, &change, 1, &count), VIOMMU_OK);
	assert_int_equal(count, 1);
	return change;
}

/* An entry in basic mode is a route; IOTINVAL.GVMA revokes it, and so does the device's context. */
static void test_basic(void **state)
{
	struct viommu_route_change change;

	open_rig();
	rv_put(&r, table, BASIC(0x80000000));
	assert_int_equal(set(1, FILES, 7), VIOMMU_OK);
	change = drain();
	assert_int_equal(change.flags, VIOMMU_ROUTE_VALID);
	assert_int_equal(change.msi.address, 0x80000000);
	assert_int_equal(change.msi.data, 7);
	rv_put(&r, table, BASIC(0x80005000));
	rv_do(&r, RV_GVMA | RISCV_CMD_GV | RISCV_CMD_AV | UINT64_C(3) << 44, RV_ADDR(FILES));
	assert_int_equal(changed, 1);
	assert_int_equal(drain().msi.address, 0x80005000);
	rv_put(&r, table, 0);
	rv_do(&r, RV_GVMA | RISCV_CMD_GV | UINT64_C(3) << 44, 0);
	assert_int_equal(drain().flags, VIOMMU_ROUTE_ASK);
	rv_put(&r, table, BASIC(0x80000000));
	rv_do(&r, RV_GVMA, 0);
	assert_int_equal(drain().msi.address, 0x80000000);
	rv_put(&r, rv_dc(&r, DEVICE), 0);
	rv_do(&r, RV_DDT | RV_DID(DEVICE), 0);
	assert_int_equal(drain().flags, VIOMMU_ROUTE_ASK);
	assert_int_equal(rv_take_faults(&r), 0);
	close_rig();
}

/* A file in memory is a posted interrupt: resolving leaves it alone, delivering sets the bit. */
static void test_file(void **state)
{
	struct viommu_route_change change;
	struct viommu_msi msi;

	open_rig();
	rv_put(&r, table + 16, MRIF(file));
	rv_put(&r, table + 24, RV_PPN(0x24000000) | 5);
	assert_int_equal(set(2, FILES + 0x1000, 9), VIOMMU_OK);
	change = drain();
	assert_int_equal(change.flags, VIOMMU_ROUTE_VALID);
	assert_int_equal(change.msi.flags, VIOMMU_MSI_POSTED);
	assert_int_equal(change.msi.kind, VIOMMU_MSI_KIND_NOTICE);
	assert_int_equal(guest_get64(&r.g, file), 0);
	assert_int_equal(viommu_routes_deliver(routes, 2, &msi), VIOMMU_OK);
	assert_int_equal(guest_get64(&r.g, file), 1 << 9);
	assert_int_equal(msi.flags, VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY);
	assert_int_equal(msi.address, 0x24000000);
	assert_int_equal(msi.data, 5);
	close_rig();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_basic),
					    cmocka_unit_test(test_file) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
