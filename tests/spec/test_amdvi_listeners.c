/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_listeners.c - who is told what by each AMD-Vi command and register (obligation 17), that everyone is before
 * the guest is (obligation 14), and that a message of nobody is nobody's (obligation 22).
 */
#include "check.h"

#include <libvirtiommu/routes.h>

#include <string.h>

#include "amdvi_rig.h"

#define ID     0x10U
#define DOMAIN 7U
#define IOVA   UINT64_C(0x201000)
#define TARGET UINT64_C(0x40001000)
#define LEVELS 4U
#define OK     VIOMMU_OK
#define B(n)   (UINT64_C(1) << (n))
#define ALL    UINT64_MAX

static struct amdvi_rig r;
static struct viommu_device *device, *other;

/* ---- what is heard ---- */

static struct {
	unsigned unmaps, modes, interrupts, completes;
	uint64_t first, last;
	uint32_t source;
	bool late; /* the guest knew already */
} heard;

static void on_unmap(void *opaque, struct viommu_device *d, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	(void)opaque;
	(void)pasid;
	heard.late |= r.ticket && ar_waited(&r);
	if (d != device)
		return;
	heard.unmaps++;
	heard.first = first;
	heard.last = last;
}

static void on_mode(void *opaque, struct viommu_device *d, uint32_t mode)
{
	(void)opaque;
	(void)mode;
	heard.modes += d == device;
}

static void on_interrupts(void *opaque, uint32_t source, uint32_t first, uint32_t last)
{
	(void)opaque;
	heard.late |= r.ticket && ar_waited(&r);
	if (source != ID && source != VIOMMU_ANY_SOURCE)
		return;
	heard.interrupts++;
	heard.source = source;
	assert_true(first == 0 && last == 2047);
}

static void on_complete(void *opaque)
{
	(void)opaque;
	heard.completes++;
}

static struct viommu_listener *listener;

static void open_rig(uint64_t control)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .unmap = on_unmap,
						       .mode = on_mode,
						       .interrupts = on_interrupts,
						       .complete = on_complete };
	uint64_t root;

	ar_open(&r, &(struct amdvi_rig_config){ .efr = AR_EFR_ALL,
						.efr2 = viommu_amdvi_default_efr2(),
						.control = control });
	root = guest_table(&r.g);
	ar_map(&r, root, LEVELS, IOVA, TARGET, 1, AR_RW);
	ar_dte(&r, ID, AR_V1(root, LEVELS), DOMAIN | AMD_DTE_I, 0);
	ar_dte(&r, ID + 1, AR_V1(root, LEVELS), DOMAIN + 1, 0);
	device = guest_device(&r.g, ID);
	other = guest_device(&r.g, ID + 1);
	assert_int_equal(viommu_listener_new(r.g.iommu, NULL, &config, &listener), OK);
	guest_dma(device, IOVA, VIOMMU_READ);
	guest_dma(other, IOVA, VIOMMU_READ);
	memset(&heard, 0, sizeof(heard));
}

static void close_rig(void)
{
	assert_int_equal(viommu_listener_free(listener), OK);
	ar_close(&r);
}

/* ---- commands ---- */

static const struct {
	const char *name;
	uint64_t w0, w1;
	bool unmap;
	uint64_t first, last;
	bool interrupts;
} commands[] = {
	{ "COMPLETION_WAIT", AR_OP(1), 0, false, 0, 0, false },
	{ "INVALIDATE_DEVTAB_ENTRY", AR_DEVTAB(ID), 0, true, 0, ALL, true },
	{ "INVALIDATE_DEVTAB_ENTRY of another", AR_DEVTAB(ID + 2), 0, false, 0, 0, false },
	{ "INVALIDATE_IOMMU_PAGES, a page", AR_PAGES(DOMAIN), IOVA, true, IOVA, IOVA | 0xfff,
	  false },
	{ "INVALIDATE_IOMMU_PAGES, 8 KiB", AR_PAGES(DOMAIN), 0x200001, true, 0x200000, 0x201fff,
	  false },
	{ "INVALIDATE_IOMMU_PAGES, all", AR_PAGES(DOMAIN), AR_ALL, true, 0, ALL, false },
	{ "INVALIDATE_IOMMU_PAGES, another domain", AR_PAGES(DOMAIN + 2), AR_ALL, false, 0, 0,
	  false },
	{ "INVALIDATE_IOTLB_PAGES", AR_IOTLB(ID), 0x5000, false, 0, 0, false },
	{ "INVALIDATE_INTERRUPT_TABLE", AR_INTERRUPTS(ID), 0, false, 0, 0, true },
	{ "INVALIDATE_INTERRUPT_TABLE of another", AR_INTERRUPTS(ID + 1), 0, false, 0, 0, false },
	{ "PREFETCH_IOMMU_PAGES", AR_OP(6), 0, false, 0, 0, false },
	{ "COMPLETE_PPR_REQUEST", AR_OP(7) | ID, 0, false, 0, 0, false },
	{ "INVALIDATE_IOMMU_ALL", AR_OP(8), 0, true, 0, ALL, true },
};

static void test_commands(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		open_rig(0);
		ar_command(&r, commands[i].w0, commands[i].w1);
		ar_sync(&r);
		check_eq(commands[i].name, heard.unmaps != 0, commands[i].unmap);
		if (commands[i].unmap) {
			check_eq(commands[i].name, heard.first, commands[i].first);
			check_eq(commands[i].name, heard.last, commands[i].last);
		}
		check_eq(commands[i].name, heard.interrupts != 0, commands[i].interrupts);
		check_eq(commands[i].name, heard.completes != 0,
			 commands[i].unmap || commands[i].interrupts ||
				 commands[i].w0 == AR_INTERRUPTS(ID + 1) ||
				 commands[i].w0 == AR_DEVTAB(ID + 2));
		check_eq(commands[i].name, heard.late, false);
		close_rig();
	}
}

/* ---- registers ---- */

static const struct {
	const char *name;
	uint64_t offset, flip;
	bool unmap, interrupts;
} registers[] = {
	{ "IommuEn", AMD_CONTROL, 1, true, true },
	{ "EventIntEn", AMD_CONTROL, B(3), false, false },
	{ "CmdBufEn", AMD_CONTROL, B(12), false, false },
	{ "PPREn", AMD_CONTROL, B(15), false, false },
	{ "GTEn", AMD_CONTROL, B(16), true, false },
	{ "GAEn", AMD_CONTROL, B(17), false, true },
	{ "GAMEn", AMD_CONTROL, B(25), false, true },
	{ "DevTblSegEn", AMD_CONTROL, B(34), true, true },
	{ "NumIntRemapMode", AMD_CONTROL, B(43), false, true },
	{ "HADUpdate", AMD_CONTROL, B(46), true, false },
	{ "GDUpdateDis", AMD_CONTROL, B(48), true, false },
	{ "XTEn", AMD_CONTROL, B(50), false, true },
	{ "IntCapXTEn", AMD_CONTROL, B(51), false, false },
	{ "GAUpdateDis", AMD_CONTROL, B(54), true, false },
	{ "GAPPIEn", AMD_CONTROL, B(55), false, true },
	{ "GCR3TRPMode", AMD_CONTROL, B(58), true, false },
	{ "DEV_TABLE_BASE", AMD_DEV_TABLE, 1, true, true },
	{ "DEV_TABLE_SEG", AMD_DEV_SEGMENT, 1, true, true },
	{ "EXCL_BASE", AMD_EXCL_BASE, B(12), true, false },
	{ "EXCL_LIMIT", AMD_EXCL_LIMIT, B(12), true, false },
	{ "XT_GEN_INT", AMD_XT_EVENT, B(8), false, false },
};

static void test_registers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		for (unsigned back = 0; back < 2; back++) {
			uint64_t value;

			open_rig(0);
			value = ar_read(&r, registers[i].offset, 8);
			if (back) {
				ar_write(&r, registers[i].offset, 8, value ^ registers[i].flip);
				memset(&heard, 0, sizeof(heard));
			} else {
				value ^= registers[i].flip;
			}
			ar_write(&r, registers[i].offset, 8, value);
			check_eq(registers[i].name, heard.unmaps != 0, registers[i].unmap);
			check_eq(registers[i].name, heard.interrupts != 0, registers[i].interrupts);
			check_eq(registers[i].name, heard.modes != 0, registers[i].unmap);
			if (registers[i].unmap)
				check_eq(registers[i].name, heard.last - heard.first, ALL);
			close_rig();
		}
	}
}

/* ---- routes before the guest (obligation 14), and nobody's messages (22) ---- */

static unsigned changes;

static void on_changed(void *opaque)
{
	(void)opaque;
	changes++;
	heard.late |= ar_waited(&r);
}

static void test_routes_first(void **state)
{
	const struct viommu_routes_config config = { .size = sizeof(config),
						     .gsis = 4,
						     .changed = on_changed };
	const struct viommu_route route = {
		.size = sizeof(route), .gsi = 1, .source = ID, .address = 0xfee00000
	};
	struct viommu_routes *routes;
	uint64_t table;

	(void)state;
	open_rig(AMD_CTRL_GA_EN);
	table = guest_alloc(&r.g, 1);
	guest_put64(&r.g, table, 1 | 3 << 8);
	guest_put64(&r.g, ar_dte_at(&r, ID) + 16, 1 | 9 << 1 | table | UINT64_C(2) << 60);
	assert_int_equal(viommu_routes_new(r.g.iommu, &config, &routes), OK);
	assert_int_equal(viommu_routes_set(routes, &route), OK);
	guest_put64(&r.g, table, 1 | 4 << 8);
	changes = 0;
	ar_command(&r, AR_INTERRUPTS(ID), 0);
	ar_sync(&r);
	assert_int_equal(changes, 1);
	assert_false(heard.late);
	assert_int_equal(viommu_routes_free(routes), OK);
	close_rig();
}

static void test_nobody(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig(AMD_CTRL_GA_EN);
	assert_int_equal(viommu_remap_msi(r.g.iommu, 0, 0xfee00000, 0, VIOMMU_MSI_NO_SOURCE, &msi),
			 VIOMMU_FAULT);
	assert_int_equal(viommu_remap_msi(r.g.iommu, 0x10000, 0xfee00000, 0, 0, &msi),
			 VIOMMU_EINVAL);
	close_rig();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_routes_first),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
