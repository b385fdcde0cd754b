/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_context.c - device and process contexts of the RISC-V IOMMU: chapters 2.1 to 2.3, a row a condition. */

#include "check.h"

#include "riscv_rig.h"

#define DEVICE 0x012345U
#define PSCID  7U
#define GSCID  9U

/* Everything but ATS, and what is left out by rows. */
#define CAPS RV_ALL

/* A context in which all is well: first stage Sv39, second stage Bare. What a row says is XORed into it. */
struct row {
	const char *name;
	uint64_t without; /* capabilities that are not there */
	uint64_t change[RISCV_DC_WORDS];
	unsigned cause;
	uint32_t fctl;
};

#define TC(bits)                                                                                   \
	{                                                                                          \
		[RISCV_DC_TC] = (bits)                                                             \
	}
#define HGATP(bits)                                                                                \
	{                                                                                          \
		[RISCV_DC_IOHGATP] = (bits)                                                        \
	}
#define MODE(mode) ((uint64_t)(mode) << 60)
#define SATP_MODE(to)                                                                              \
	{                                                                                          \
		[RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST ^ (to))                                      \
	}

static const struct row rows[] = {
	{ "2.1.3 valid", 0, { 0 }, 0, 0 },
	{ "2.1.3 V", 0, TC(RISCV_TC_V), RISCV_FAULT_DDT_INVALID, 0 },
	{ "2.1.4 reserved: tc bit 12", 0, TC(BIT(12)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 reserved: tc bit 23", 0, TC(BIT(23)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.3 custom: tc bits 31:24", 0, TC(BITS(31, 24)), 0, 0 },
	{ "2.1.4 reserved: tc bit 32", 0, TC(BIT(32)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 reserved: tc bit 63", 0, TC(BIT(63)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 reserved: ta bit 0", 0, { [RISCV_DC_TA] = BIT(0) }, RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 reserved: ta bit 11", 0, { [RISCV_DC_TA] = BIT(11) }, RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 reserved: ta bit 32", 0, { [RISCV_DC_TA] = BIT(32) }, RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 reserved: ta bit 39", 0, { [RISCV_DC_TA] = BIT(39) }, RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.3.3 RCID and MCID", 0, { [RISCV_DC_TA] = BIT(40) | BIT(63) }, 0, 0 },
	{ "2.1.4 RCID without QOSID",
	  RISCV_CAP_QOSID,
	  { [RISCV_DC_TA] = BIT(40) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 MCID without QOSID",
	  RISCV_CAP_QOSID,
	  { [RISCV_DC_TA] = BIT(63) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 reserved: fsc bit 44",
	  0,
	  { [RISCV_DC_FSC] = BIT(44) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 reserved: fsc bit 59",
	  0,
	  { [RISCV_DC_FSC] = BIT(59) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 reserved: msiptp bit 44",
	  0,
	  { [RISCV_DC_MSIPTP] = BIT(44) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 reserved: mask bit 52",
	  0,
	  { [RISCV_DC_MASK] = BIT(52) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 reserved: mask beyond the guest's pages",
	  0,
	  { [RISCV_DC_MASK] = BIT(47) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.3.6 mask: the last of the guest's pages", 0, { [RISCV_DC_MASK] = BIT(46) }, 0, 0 },
	{ "2.1.4 reserved: pattern beyond the guest's pages",
	  0,
	  { [RISCV_DC_PATTERN] = BIT(47) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 reserved: mask, without Sv57x4",
	  RISCV_CAP_SV57X4,
	  { [RISCV_DC_MASK] = BIT(38) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 reserved: the last doubleword",
	  0,
	  { [RISCV_DC_RSVD] = 1 },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.2 base format has no fifth doubleword",
	  RISCV_CAP_MSI_FLAT | RISCV_CAP_MSI_MRIF | RISCV_CAP_AMO_MRIF,
	  { [RISCV_DC_MSIPTP] = 0 },
	  0,
	  0 },
	{ "2.1.4 EN_ATS without ATS", RISCV_CAP_ATS | RISCV_CAP_T2GPA, TC(RISCV_TC_EN_ATS),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 EN_PRI without ATS", RISCV_CAP_ATS | RISCV_CAP_T2GPA, TC(RISCV_TC_EN_PRI),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 PRPR without ATS", RISCV_CAP_ATS | RISCV_CAP_T2GPA, TC(RISCV_TC_PRPR),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 EN_ATS", 0, TC(RISCV_TC_EN_ATS), 0, 0 },
	{ "2.1.4 EN_PRI", 0, TC(RISCV_TC_EN_ATS | RISCV_TC_EN_PRI), 0, 0 },
	{ "2.1.4 PRPR", 0, TC(RISCV_TC_EN_ATS | RISCV_TC_EN_PRI | RISCV_TC_PRPR), 0, 0 },
	{ "2.1.4 T2GPA without EN_ATS", 0, TC(RISCV_TC_T2GPA), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 EN_PRI without EN_ATS", 0, TC(RISCV_TC_EN_PRI), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 PRPR without EN_PRI", 0, TC(RISCV_TC_EN_ATS | RISCV_TC_PRPR),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 T2GPA without second stage", 0, TC(RISCV_TC_EN_ATS | RISCV_TC_T2GPA),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 T2GPA without T2GPA",
	  RISCV_CAP_T2GPA,
	  { [RISCV_DC_TC] = RISCV_TC_EN_ATS | RISCV_TC_T2GPA,
	    [RISCV_DC_IOHGATP] = MODE(RISCV_ATP_FIRST) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 iosatp mode 1", 0, SATP_MODE(1), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 iosatp mode 7", 0, SATP_MODE(7), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 iosatp mode 11", 0, SATP_MODE(11), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 iosatp mode 14 (custom)", 0, SATP_MODE(14), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 iosatp mode 15 (custom)", 0, SATP_MODE(15), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.3.4 iosatp Bare", 0, SATP_MODE(0), 0, 0 },
	{ "2.1.4 Sv48 without Sv48", RISCV_CAP_SV48 | RISCV_CAP_SV57, SATP_MODE(RISCV_ATP_48),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 Sv57 without Sv57", RISCV_CAP_SV57, SATP_MODE(RISCV_ATP_57),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 Sv39 without Sv39",
	  RISCV_CAP_SV39 | RISCV_CAP_SV48 | RISCV_CAP_SV57,
	  { 0 },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 SXL = 1, Sv48",
	  0,
	  { [RISCV_DC_TC] = RISCV_TC_SXL, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST ^ RISCV_ATP_48) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 SXL = 1 without Sv32", RISCV_CAP_SV32, TC(RISCV_TC_SXL), RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 SXL = 1, GXL is not writable",
	  RISCV_CAP_SV32 | RISCV_CAP_SV32X4,
	  { [RISCV_DC_TC] = RISCV_TC_SXL, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 SXL = 1, GXL is writable, Bare",
	  0,
	  { [RISCV_DC_TC] = RISCV_TC_SXL, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST) },
	  0,
	  0 },
	{ "2.1.4 GXL = 1 needs SXL", 0, SATP_MODE(0), RISCV_FAULT_DDT_CONFIG, RISCV_FCTL_GXL },
	{ "2.1.4 GXL = 1, SXL = 1",
	  0,
	  { [RISCV_DC_TC] = RISCV_TC_SXL, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST) },
	  0,
	  RISCV_FCTL_GXL },
	{ "2.1.4 GXL = 1, iohgatp mode 9",
	  0,
	  { [RISCV_DC_TC] = RISCV_TC_SXL,
	    [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST),
	    [RISCV_DC_IOHGATP] = MODE(9) },
	  RISCV_FAULT_DDT_CONFIG,
	  RISCV_FCTL_GXL },
	{ "2.1.4 GXL = 1 without Sv32x4",
	  RISCV_CAP_SV32X4,
	  { [RISCV_DC_TC] = RISCV_TC_SXL,
	    [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST),
	    [RISCV_DC_IOHGATP] = MODE(8) },
	  RISCV_FAULT_DDT_CONFIG,
	  RISCV_FCTL_GXL },
	{ "2.1.4 DPE without PDTV", 0, TC(RISCV_TC_DPE), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 iohgatp mode 1", 0, HGATP(MODE(1)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 iohgatp mode 11", 0, HGATP(MODE(11)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 iohgatp mode 15", 0, HGATP(MODE(15)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 Sv39x4 without", RISCV_CAP_SV39X4 | RISCV_CAP_SV48X4 | RISCV_CAP_SV57X4,
	  HGATP(MODE(8)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 Sv48x4 without", RISCV_CAP_SV48X4 | RISCV_CAP_SV57X4, HGATP(MODE(9)),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 Sv57x4 without", RISCV_CAP_SV57X4, HGATP(MODE(10)), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 iohgatp not aligned to 16 KiB: 1", 0, HGATP(MODE(8) | 1), RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 iohgatp not aligned to 16 KiB: 2", 0, HGATP(MODE(8) | 2), RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 msiptp mode 2",
	  0,
	  { [RISCV_DC_MSIPTP] = MODE(2), [RISCV_DC_IOHGATP] = MODE(8) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 msiptp mode 15",
	  0,
	  { [RISCV_DC_MSIPTP] = MODE(15), [RISCV_DC_IOHGATP] = MODE(8) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 msiptp Flat without second stage",
	  0,
	  { [RISCV_DC_MSIPTP] = MODE(1) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 SADE without AMO_HWAD", RISCV_CAP_AMO_HWAD, TC(RISCV_TC_SADE),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 GADE without AMO_HWAD", RISCV_CAP_AMO_HWAD, TC(RISCV_TC_GADE),
	  RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 SADE, GADE", 0, TC(RISCV_TC_SADE | RISCV_TC_GADE), 0, 0 },
	{ "2.1.4 SBE without END", RISCV_CAP_END, TC(RISCV_TC_SBE), RISCV_FAULT_DDT_CONFIG, 0 },
	{ "2.1.4 SBE differs from BE",
	  0,
	  { [RISCV_DC_TC] = RISCV_TC_SBE, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST) },
	  0,
	  0 },
	{ "2.1.4 BE, without SBE", 0, SATP_MODE(0), 0, RISCV_FCTL_BE },
	{ "2.1.4 pdtp mode 4",
	  0,
	  { [RISCV_DC_TC] = RISCV_TC_PDTV, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST ^ 4) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 pdtp mode 14 (custom)",
	  0,
	  { [RISCV_DC_TC] = RISCV_TC_PDTV, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST ^ 14) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.3.4 pdtp Bare",
	  0,
	  { [RISCV_DC_TC] = RISCV_TC_PDTV, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST) },
	  0,
	  0 },
	{ "2.1.4 PD8 without PD8",
	  RISCV_CAP_PD8,
	  { [RISCV_DC_TC] = RISCV_TC_PDTV, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST ^ 1) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 PD17 without PD17",
	  RISCV_CAP_PD17,
	  { [RISCV_DC_TC] = RISCV_TC_PDTV, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST ^ 2) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
	{ "2.1.4 PD20 without PD20",
	  RISCV_CAP_PD20,
	  { [RISCV_DC_TC] = RISCV_TC_PDTV, [RISCV_DC_FSC] = MODE(RISCV_ATP_FIRST ^ 3) },
	  RISCV_FAULT_DDT_CONFIG,
	  0 },
};

static struct riscv_rig r;

static unsigned cause_of(struct guest_dma d)
{
	return d.result == VIOMMU_FAULT ? d.answer.reason : 0;
}

static void run_row(const struct row *row)
{
	struct rv_tree tree = { .levels = 3 };
	struct viommu_device *device;
	struct rv_fault fault;
	struct guest_dma d;
	uint64_t at;

	rv_open(&r, GUEST_REGION, 64, CAPS & ~row->without);
	rv_start(&r, row->fctl, RISCV_MODE_3LVL);
	tree.root = guest_alloc(&r.g, 1);
	rv_map(&r, &tree, 0x4000, GUEST_BASE, 0, RV_PAGE);
	rv_put_dc(&r, DEVICE, 0, 0, bits_put(RISCV_TA_PSCID, PSCID),
		  rv_satp(RISCV_ATP_FIRST, tree.root));
	at = rv_dc(&r, DEVICE);
	for (unsigned i = 0; i < (r.config.capabilities & RISCV_CAP_MSI_FLAT ? 8U : 4U); i++)
		rv_put(&r, at + 8 * i, rv_get(&r, at + 8 * i) ^ row->change[i]);
	device = guest_device(&r.g, DEVICE);
	d = guest_dma(device, 0x4000, VIOMMU_READ);
	check_eq(row->name, cause_of(d), row->cause);
	check_eq(row->name, d.result, row->cause ? VIOMMU_FAULT : VIOMMU_OK);
	check_eq(row->name, rv_take_fault(&r, &fault), row->cause != 0);
	check_eq(row->name, fault.cause, row->cause);
	check_eq(row->name, fault.word[2], row->cause ? 0x4000 : 0);
	check_eq(row->name, bits_get(fault.word[0], RISCV_FR_DID), row->cause ? DEVICE : 0);
	rv_close(&r);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		run_row(&rows[i]);
	print_message("%zu rows\n", ARRAY_COUNT(rows));
}

/* ---- the directory ---- */

/* 2.3.1: device ids that a mode has, and what its entries may be. */
static void test_directory(void **state)
{
	static const struct {
		const char *name;
		uint64_t without;
		enum riscv_mode mode;
		uint32_t last; /* id that there is, and the next one is not */
	} modes[] = {
		{ "1LVL", 0, RISCV_MODE_1LVL, 0x3f },
		{ "2LVL", 0, RISCV_MODE_2LVL, 0x7fff },
		{ "1LVL, base", RISCV_CAP_MSI_FLAT | RISCV_CAP_MSI_MRIF | RISCV_CAP_AMO_MRIF,
		  RISCV_MODE_1LVL, 0x7f },
		{ "2LVL, base", RISCV_CAP_MSI_FLAT | RISCV_CAP_MSI_MRIF | RISCV_CAP_AMO_MRIF,
		  RISCV_MODE_2LVL, 0xffff },
		{ "3LVL, base", RISCV_CAP_MSI_FLAT | RISCV_CAP_MSI_MRIF | RISCV_CAP_AMO_MRIF,
		  RISCV_MODE_3LVL, 0xffffff },
		{ "3LVL", 0, RISCV_MODE_3LVL, 0xffffff },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
		struct guest_dma d;

		rv_open(&r, GUEST_REGION, 64, CAPS & ~modes[i].without);
		rv_start(&r, 0, modes[i].mode);
		rv_put_dc(&r, modes[i].last, 0, 0, 0, 0);
		d = guest_dma(guest_device(&r.g, modes[i].last), GUEST_BASE, VIOMMU_WRITE);
		check_eq(modes[i].name, d.result, VIOMMU_OK);
		check_eq(modes[i].name, d.f.gpa, GUEST_BASE);
		if (modes[i].last < 0xffffff) {
			d = guest_dma(guest_device(&r.g, modes[i].last + 1), GUEST_BASE,
				      VIOMMU_WRITE);
			check_eq(modes[i].name, cause_of(d), RISCV_FAULT_TYPE);
		}
		rv_close(&r);
	}
}

static void test_directory_entries(void **state)
{
	static const struct {
		const char *name;
		uint64_t change;
		unsigned cause;
	} entries[] = {
		{ "2.3.1 valid", 0, 0 },
		{ "2.3.1 V", RISCV_DIR_V, RISCV_FAULT_DDT_INVALID },
		{ "2.3.1 reserved bit 1", BIT(1), RISCV_FAULT_DDT_CONFIG },
		{ "2.3.1 reserved bit 9", BIT(9), RISCV_FAULT_DDT_CONFIG },
		{ "2.3.1 reserved bit 54", BIT(54), RISCV_FAULT_DDT_CONFIG },
		{ "2.3.1 reserved bit 63", BIT(63), RISCV_FAULT_DDT_CONFIG },
		{ "2.3.1 no memory", BIT(40), RISCV_FAULT_DDT_ACCESS },
		{ "2.3.1 beyond PAS", BIT(53), RISCV_FAULT_DDT_ACCESS },
	};

	(void)state;
	for (unsigned level = 1; level <= 2; level++) {
		for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
			uint64_t at;
			struct guest_dma d;

			rv_open(&r, GUEST_REGION, 64,
				(CAPS & ~RISCV_CAP_PAS) | bits_put(RISCV_CAP_PAS, 50));
			rv_start(&r, 0, RISCV_MODE_3LVL);
			rv_put_dc(&r, 0x8041, 0, 0, 0, 0);
			at = r.ddt + 8;
			if (level == 1)
				at = (bits_get(rv_get(&r, at), RISCV_DIR_PPN) << 12) + 8;
			rv_put(&r, at, rv_get(&r, at) ^ entries[i].change);
			d = guest_dma(guest_device(&r.g, 0x8041), 0, VIOMMU_READ);
			check_eq(entries[i].name, cause_of(d), entries[i].cause);
			rv_close(&r);
		}
	}
}

/* 2.3: Off and Bare, for each type of request. */
static void test_modes(void **state)
{
	struct viommu_device *device;
	struct guest_dma d;

	(void)state;
	rv_open(&r, GUEST_REGION, 64, CAPS);
	device = guest_device(&r.g, 1);
	check_eq("6.5 Off after a reset", cause_of(guest_dma(device, 0x1000, VIOMMU_READ)),
		 RISCV_FAULT_OFF);
	rv_start(&r, 0, RISCV_MODE_BARE);
	d = guest_dma(device, 0x123456789000, VIOMMU_WRITE);
	check_eq("2.3 Bare", d.result, VIOMMU_OK);
	check_eq("2.3 Bare", d.f.gpa, 0x123456789000);
	d = guest_dma_pasid(device, 3, 0x5000, VIOMMU_READ);
	check_eq("2.3 Bare, with a process", d.f.gpa, 0x5000);
	d = guest_ats(device, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ);
	check_eq("2.3 Bare, translation request", cause_of(d), RISCV_FAULT_TYPE);
	check_eq("2.3 Bare, translation request", d.answer.ats, VIOMMU_ATS_UNSUPPORTED);
	rv_close(&r);
}

/* ---- processes (2.2, 2.3.2) ---- */

struct process {
	uint64_t pdt[3]; /* tables, of the leaf first */
	uint64_t pc;
	struct rv_tree tree;
	struct viommu_device *device;
};

/* PD20 or less, at addresses of the guest's that are those of memory, with or without second stage; SBE by `tc`. */
static void open_process(struct process *p, uint64_t tc, unsigned mode, uint32_t process,
			 bool second)
{
	struct rv_tree below = { .levels = 3, .second = true };
	bool sbe = tc & RISCV_TC_SBE;

	rv_open(&r, GUEST_REGION, 128, CAPS);
	rv_start(&r, 0, RISCV_MODE_3LVL);
	p->tree = (struct rv_tree){ .levels = 3, .root = guest_alloc(&r.g, 1), .big_endian = sbe };
	rv_map(&r, &p->tree, 0x4000, GUEST_BASE + 0x1000, 0, RV_PAGE | RV_X);
	rv_map(&r, &p->tree, 0x5000, GUEST_BASE + 0x2000, 0, (RV_PAGE | RV_X) & ~RV_U);
	for (unsigned i = 0; i < 3; i++)
		p->pdt[i] = guest_alloc(&r.g, 1);
	if (mode >= RISCV_PDTP_PD17)
		rv_put_as(&r, p->pdt[1] + (process >> 8 & 0x1ff) * 8,
			  RV_PPN(p->pdt[0]) | RISCV_DIR_V, sbe);
	if (mode == RISCV_PDTP_PD20)
		rv_put_as(&r, p->pdt[2] + (process >> 17) * 8, RV_PPN(p->pdt[1]) | RISCV_DIR_V,
			  sbe);
	p->pc = p->pdt[0] + (process & 0xff) * 16;
	rv_put_as(&r, p->pc + 8, rv_satp(RISCV_ATP_FIRST, p->tree.root), sbe);
	rv_put_as(&r, p->pc, RISCV_PC_V | bits_put(RISCV_PC_PSCID, PSCID), sbe);
	below.root = rv_root(&r);
	for (uint64_t at = 0; at < r.g.bytes && second; at += GUEST_PAGE)
		rv_map(&r, &below, GUEST_BASE + at, GUEST_BASE + at, 0, RV_PAGE | RV_X);
	rv_put_dc(&r, DEVICE, tc | RISCV_TC_PDTV,
		  second ? rv_hgatp(RISCV_ATP_FIRST, GSCID, below.root) : 0, 0,
		  rv_satp(mode, p->pdt[mode - RISCV_PDTP_PD8]));
	p->device = guest_device(&r.g, DEVICE);
}

static void test_processes(void **state)
{
	static const struct {
		const char *name;
		unsigned mode;
		uint32_t process;
		uint32_t beyond; /* wider than the mode; 0: none is */
		uint64_t tc;
		bool second;
	} cases[] = {
		{ "PD8", RISCV_PDTP_PD8, 0xab, 0x100, 0, false },
		{ "PD17", RISCV_PDTP_PD17, 0x1abcd, 0x20000, 0, false },
		{ "PD20", RISCV_PDTP_PD20, 0xfabcd, 0, 0, false },
		{ "PD8 on a second stage", RISCV_PDTP_PD8, 0xab, 0x100, 0, true },
		{ "PD17 on a second stage", RISCV_PDTP_PD17, 0x1abcd, 0x20000, 0, true },
		{ "PD20 on a second stage", RISCV_PDTP_PD20, 0xfabcd, 0, 0, true },
		{ "PD20, SBE", RISCV_PDTP_PD20, 0xfabcd, 0, RISCV_TC_SBE, false },
		{ "PD20, SBE, on a second stage", RISCV_PDTP_PD20, 0xfabcd, 0, RISCV_TC_SBE, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const char *name = cases[i].name;
		struct process p;
		struct guest_dma d;

		open_process(&p, cases[i].tc, cases[i].mode, cases[i].process, cases[i].second);
		d = guest_dma_pasid(p.device, cases[i].process, 0x4000, VIOMMU_WRITE);
		check_eq(name, d.result, VIOMMU_OK);
		check_eq(name, d.f.gpa, GUEST_BASE + 0x1000);
		check_eq(name,
			 cause_of(guest_dma_pasid(p.device, cases[i].process ^ 1, 0x4000,
						  VIOMMU_READ)),
			 RISCV_FAULT_PDT_INVALID);
		if (cases[i].beyond)
			check_eq(name,
				 cause_of(guest_dma_pasid(p.device, cases[i].beyond, 0x4000,
							  VIOMMU_READ)),
				 RISCV_FAULT_TYPE);
		/* 2.3 step 12: without process_id and DPE the first stage is Bare */
		d = guest_dma(p.device, GUEST_BASE + 0x3000, VIOMMU_READ);
		check_eq(name, d.f.gpa, GUEST_BASE + 0x3000);
		rv_close(&r);
	}
}

static void test_process_context(void **state)
{
	static const struct {
		const char *name;
		uint64_t change[2];
		unsigned access;
		uint64_t iova;
		unsigned cause;
	} cases[] = {
		{ "2.2 valid", { 0, 0 }, VIOMMU_READ, 0x4000, 0 },
		{ "2.2 V", { RISCV_PC_V, 0 }, VIOMMU_READ, 0x4000, RISCV_FAULT_PDT_INVALID },
		{ "2.2.4 reserved ta bit 3",
		  { BIT(3), 0 },
		  VIOMMU_READ,
		  0x4000,
		  RISCV_FAULT_PDT_CONFIG },
		{ "2.2.4 reserved ta bit 11",
		  { BIT(11), 0 },
		  VIOMMU_READ,
		  0x4000,
		  RISCV_FAULT_PDT_CONFIG },
		{ "2.2.4 reserved ta bit 32",
		  { BIT(32), 0 },
		  VIOMMU_READ,
		  0x4000,
		  RISCV_FAULT_PDT_CONFIG },
		{ "2.2.4 reserved ta bit 63",
		  { BIT(63), 0 },
		  VIOMMU_READ,
		  0x4000,
		  RISCV_FAULT_PDT_CONFIG },
		{ "2.2.4 reserved fsc bit 44",
		  { 0, BIT(44) },
		  VIOMMU_READ,
		  0x4000,
		  RISCV_FAULT_PDT_CONFIG },
		{ "2.2.4 fsc mode 3",
		  { 0, MODE(8 ^ 3) },
		  VIOMMU_READ,
		  0x4000,
		  RISCV_FAULT_PDT_CONFIG },
		{ "2.2.4 fsc mode 15",
		  { 0, MODE(8 ^ 15) },
		  VIOMMU_READ,
		  0x4000,
		  RISCV_FAULT_PDT_CONFIG },
		{ "2.2.3 ENS = 0, supervisor",
		  { 0, 0 },
		  VIOMMU_READ | VIOMMU_PRIV,
		  0x5000,
		  RISCV_FAULT_TYPE },
		{ "2.2.3 ENS = 1, supervisor's page",
		  { RISCV_PC_ENS, 0 },
		  VIOMMU_READ | VIOMMU_PRIV,
		  0x5000,
		  0 },
		{ "2.2.3 SUM = 0, user's page",
		  { RISCV_PC_ENS, 0 },
		  VIOMMU_READ | VIOMMU_PRIV,
		  0x4000,
		  RISCV_FAULT_PAGE_READ },
		{ "2.2.3 SUM = 1, user's page",
		  { RISCV_PC_ENS | RISCV_PC_SUM, 0 },
		  VIOMMU_WRITE | VIOMMU_PRIV,
		  0x4000,
		  0 },
		{ "2.2.3 SUM = 1, execute of a user's page",
		  { RISCV_PC_ENS | RISCV_PC_SUM, 0 },
		  VIOMMU_EXEC | VIOMMU_PRIV,
		  0x4000,
		  RISCV_FAULT_PAGE_EXEC },
		{ "2.2.3 execute of a supervisor's page",
		  { RISCV_PC_ENS, 0 },
		  VIOMMU_EXEC | VIOMMU_PRIV,
		  0x5000,
		  0 },
		{ "2.3 user, supervisor's page",
		  { RISCV_PC_ENS, 0 },
		  VIOMMU_WRITE,
		  0x5000,
		  RISCV_FAULT_PAGE_WRITE },
		{ "2.3 user executes", { 0, 0 }, VIOMMU_EXEC, 0x4000, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const char *name = cases[i].name;
		struct process p;
		struct rv_fault fault;

		open_process(&p, 0, RISCV_PDTP_PD20, 0x54321, i % 2);
		for (unsigned w = 0; w < 2; w++)
			rv_put(&r, p.pc + 8 * w, rv_get(&r, p.pc + 8 * w) ^ cases[i].change[w]);
		/* twice: the second may be answered by the caches */
		for (unsigned again = 0; again < 2; again++) {
			check_eq(name,
				 cause_of(guest_dma_pasid(p.device, 0x54321, cases[i].iova,
							  cases[i].access)),
				 cases[i].cause);
			check_eq(name, rv_take_fault(&r, &fault), cases[i].cause != 0);
		}
		if (cases[i].cause) {
			check_eq(name, bits_get(fault.word[0], RISCV_FR_PID), 0x54321);
			check_eq(name, !!(fault.word[0] & RISCV_FR_PV), 1);
			check_eq(name, !!(fault.word[0] & RISCV_FR_PRIV),
				 !!(cases[i].access & VIOMMU_PRIV));
		}
		rv_close(&r);
	}
}

/* 2.3 step 11: the default process is user's, and no fault record shows it. */
static void test_default_process(void **state)
{
	struct process p;
	struct rv_fault fault;

	(void)state;
	open_process(&p, RISCV_TC_DPE, RISCV_PDTP_PD8, 0, false);
	check_eq("DPE", guest_dma(p.device, 0x4000, VIOMMU_READ).f.gpa, GUEST_BASE + 0x1000);
	check_eq("DPE: a user", cause_of(guest_dma(p.device, 0x5000, VIOMMU_READ | VIOMMU_PRIV)),
		 RISCV_FAULT_PAGE_READ);
	assert_true(rv_take_fault(&r, &fault));
	check_eq("DPE: record", fault.word[0] & (RISCV_FR_PV | RISCV_FR_PID | RISCV_FR_PRIV), 0);
	rv_close(&r);
}

/* 2.3.2: the second stage refuses a table of the directory. */
static void test_directory_on_second_stage(void **state)
{
	static const struct {
		const char *name;
		unsigned access;
		unsigned table; /* of pdt[] */
		unsigned cause;
	} cases[] = {
		{ "read, root", VIOMMU_READ, 2, RISCV_FAULT_GUEST_READ },
		{ "write, middle", VIOMMU_WRITE, 1, RISCV_FAULT_GUEST_WRITE },
		{ "execute, leaf", VIOMMU_EXEC, 0, RISCV_FAULT_GUEST_EXEC },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct rv_tree below = { .levels = 3, .second = true };
		struct process p;
		struct rv_fault fault;

		open_process(&p, 0, RISCV_PDTP_PD20, 0x54321, true);
		below.root = bits_get(rv_get(&r, rv_dc(&r, DEVICE) + 8), RISCV_ATP_PPN) << 12;
		rv_map(&r, &below, p.pdt[cases[i].table], p.pdt[cases[i].table], 0,
		       RV_PAGE & ~RV_U);
		check_eq(cases[i].name,
			 cause_of(guest_dma_pasid(p.device, 0x54321, 0x4000, cases[i].access)),
			 cases[i].cause);
		assert_true(rv_take_fault(&r, &fault));
		check_eq(cases[i].name, fault.word[2], 0x4000);
		check_eq(cases[i].name, fault.word[3],
			 p.pdt[cases[i].table] | RISCV_IOTVAL2_IMPLICIT);
		rv_close(&r);
	}
}

/* 2.3 step 7: what a device context refuses of a process. */
static void test_processes_refused(void **state)
{
	struct process p;

	(void)state;
	open_process(&p, 0, RISCV_PDTP_PD8, 1, false);
	rv_put_dc(&r, 1, 0, 0, 0, 0);
	check_eq("PDTV = 0, with a process",
		 cause_of(guest_dma_pasid(guest_device(&r.g, 1), 1, 0, VIOMMU_READ)),
		 RISCV_FAULT_TYPE);
	rv_put_dc(&r, 2, RISCV_TC_PDTV, 0, 0, 0);
	check_eq("pdtp Bare",
		 guest_dma_pasid(guest_device(&r.g, 2), 0xfffff, 0x7000, VIOMMU_READ | VIOMMU_PRIV)
			 .f.gpa,
		 0x7000);
	check_eq("EN_ATS = 0", cause_of(guest_ats(p.device, 1, 0x4000, VIOMMU_READ)),
		 RISCV_FAULT_TYPE);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_directory_entries),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_process_context),
		cmocka_unit_test(test_default_process),
		cmocka_unit_test(test_directory_on_second_stage),
		cmocka_unit_test(test_processes_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
