/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_regs.c - AMD-Vi registers (48882, 3.4) in each configuration: reset value, what can be written, halves and
 * bytes, holes in between; which features are refused, by name (obligation 20); the capability block (3.2).
 */
#include "check.h"

#include <string.h>

#include "amdvi_rig.h"

#define RM(high, low) ((UINT64_MAX >> (63 - (high))) & (UINT64_MAX << (low)))
#define RB(n)	      (UINT64_C(1) << (n))

struct row {
	const char *name;
	uint32_t offset;
	uint32_t bytes;
	uint64_t reset;
	uint64_t rw; /* bits that read as written, with everything off */
};

#define RING (RM(51, 12) | RM(59, 56))
#define CTRL (RM(12, 0) | RB(59))

#define COMMON                                                                                     \
	{ "DEV_TABLE_BASE", 0x00, 8, 0, RM(51, 12) | RM(8, 0) },                                   \
		{ "CMD_BUF_BASE", 0x08, 8, 0, RING }, { "EVT_LOG_BASE", 0x10, 8, 0, RING },        \
		{ "EXCL_BASE", 0x20, 8, 0, RM(51, 12) | RM(1, 0) },                                \
		{ "EXCL_LIMIT", 0x28, 8, 0, RM(51, 12) }, { "STATUS", 0x2020, 8, 0, 0 },           \
		{ "MISC1", 0x154, 4, 0, 0 }, { "CMD_HEAD", 0x2000, 8, 0, RM(11, 4) },              \
		{ "CMD_TAIL", 0x2008, 8, 0, RM(11, 4) }, { "EVT_HEAD", 0x2010, 8, 0, RM(11, 4) },  \
	{                                                                                          \
		"EVT_TAIL", 0x2018, 8, 0, RM(11, 4)                                                \
	}

static const struct row plain[] = {
	COMMON,
	{ "CONTROL", 0x18, 8, 0, CTRL },
	{ "EXT_FEATURES", 0x30, 8, 0x40, 0 },
	{ "EXT_FEATURES2", 0x1a0, 8, 0, 0 },
	{ "MISC0", 0x150, 4, 0x00203440, 0 },
};

static const struct row all[] = {
	COMMON,
	{ "CONTROL", 0x18, 8, 0,
	  CTRL | RM(17, 13) | RB(23) | RB(25) | RM(29, 28) | RM(36, 34) | RB(39) | RB(42) | RB(43) |
		  RM(48, 46) | RM(51, 50) | RM(55, 54) | RB(58) },
	{ "EXT_FEATURES2", 0x1a0, 8, 0x908, 0 },
	{ "PPR_LOG_BASE", 0x38, 8, 0, RING },
	{ "HW_EVENT_UPPER", 0x40, 8, 0, 0 },
	{ "HW_EVENT_LOWER", 0x48, 8, 0, 0 },
	{ "HW_EVENT_STATUS", 0x50, 8, 0, 0 },
	{ "GA_LOG_BASE", 0xe0, 8, 0, RING },
	{ "GA_LOG_TAIL_ADDR", 0xe8, 8, 0, RM(51, 3) },
	{ "DEV_TABLE_SEG 1", 0x100, 8, 0, RM(51, 12) | RM(7, 0) },
	{ "DEV_TABLE_SEG 7", 0x130, 8, 0, RM(51, 12) | RM(7, 0) },
	{ "MSI_CAP", 0x158, 4, 0x008a0005, RB(16) | RM(22, 20) },
	{ "MSI_ADDR_LO", 0x15c, 4, 0, RM(31, 2) },
	{ "MSI_ADDR_HI", 0x160, 4, 0, RM(31, 0) },
	{ "MSI_DATA", 0x164, 4, 0, RM(15, 0) },
	{ "MSI_MAP_CAP", 0x168, 4, 0xa8030008, 0 },
	{ "PERF_OPT", 0x16c, 4, 0, RB(13) },
	{ "XT_GEN_INT", 0x170, 8, 0, RB(2) | RM(31, 8) | RM(39, 32) | RB(40) | RM(63, 56) },
	{ "XT_PPR_INT", 0x178, 8, 0, RB(2) | RM(31, 8) | RM(39, 32) | RB(40) | RM(63, 56) },
	{ "XT_GA_INT", 0x180, 8, 0, RB(2) | RM(31, 8) | RM(39, 32) | RB(40) | RM(63, 56) },
	{ "PPR_HEAD", 0x2030, 8, 0, RM(11, 4) },
	{ "PPR_TAIL", 0x2038, 8, 0, RM(11, 4) },
	{ "GA_HEAD", 0x2040, 8, 0, RM(11, 3) },
	{ "GA_TAIL", 0x2048, 8, 0, RM(11, 3) },
	{ "PPR_AUTO_RESP", 0x2080, 8, 0, RM(4, 0) },
};

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct {
	const char *name;
	bool everything;
	const struct row *row;
	size_t count;
} configs[] = { { "plain", false, ROWS(plain) }, { "all", true, ROWS(all) } };

static struct amdvi_rig r;

static void open_config(bool everything)
{
	ar_open(&r,
		&(struct amdvi_rig_config){ .efr = everything ? AR_EFR_ALL : AMD_EFR_IA,
					    .efr2 = everything ? viommu_amdvi_default_efr2() : 0,
					    .off = true });
	/* rings of 256 entries: pointers have 8 bits and those of an entry */
	ar_write(&r, AMD_CMD_BASE, 8, UINT64_C(8) << 56);
	ar_write(&r, AMD_EVT_BASE, 8, UINT64_C(8) << 56);
	ar_write(&r, AMD_PPR_BASE, 8, UINT64_C(8) << 56);
	ar_write(&r, AMD_GA_BASE, 8, UINT64_C(8) << 56);
}

static bool is_base(const struct row *row)
{
	return row->rw == RING;
}

/* What a written value reads as. IommuEn is never set here: it does something. */
static void check_write(const struct row *row, uint64_t value)
{
	bool pointer = row->offset >= 0x2000 && row->offset < 0x2080 && row->offset != AMD_STATUS;

	if (row->offset == AMD_CONTROL)
		value &= ~UINT64_C(1);
	ar_write(&r, row->offset, row->bytes, 0);
	ar_write(&r, row->offset, row->bytes, value);
	if (pointer && (value & RM(18, 12))) /* beyond the ring: ignored */
		value = 0;
	check_eq(row->name, ar_read(&r, row->offset, row->bytes),
		 (value & row->rw) | (row->reset & ~row->rw));
}

static void check_row(const struct row *row)
{
	uint64_t whole;

	if (!is_base(row))
		check_eq(row->name, ar_read(&r, row->offset, row->bytes), row->reset);
	for (unsigned bit = 0; bit < row->bytes * 8; bit++)
		check_write(row, RB(bit));
	check_write(row, row->bytes == 8 ? UINT64_MAX : UINT32_MAX);
	/* halves, words and bytes */
	whole = ar_read(&r, row->offset, row->bytes);
	for (unsigned size = 1; size < row->bytes; size *= 2) {
		for (unsigned at = 0; at < row->bytes; at += size)
			check_eq(row->name, ar_read(&r, row->offset + at, size),
				 whole >> (8 * at) & (UINT64_MAX >> (64 - 8 * size)));
	}
	for (unsigned at = 0; at < row->bytes; at++)
		ar_write(&r, row->offset + at, 1, 0);
	check_eq(row->name, ar_read(&r, row->offset, row->bytes), row->reset & ~row->rw);
}

static bool is_register(unsigned config, uint64_t offset)
{
	if (offset / 8 == AMD_EFR / 8)
		return true;
	if (configs[config].everything &&
	    ((offset >= 0x100 && offset < 0x138) || offset / 8 == 0x150 / 8))
		return true;
	for (size_t i = 0; i < configs[config].count; i++) {
		const struct row *row = &configs[config].row[i];

		if (offset >= row->offset && offset < row->offset + row->bytes)
			return true;
	}
	return false;
}

static void test_registers(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 2; c++) {
		for (size_t i = 0; i < configs[c].count; i++) {
			open_config(configs[c].everything);
			check_row(&configs[c].row[i]);
			ar_close(&r);
		}
		open_config(configs[c].everything);
		if (configs[c].everything)
			check_eq("EXT_FEATURES", ar_read(&r, AMD_EFR, 8), AR_EFR_ALL);
		for (uint64_t offset = 0; offset < 0x4010; offset += 4) {
			if (is_register(c, offset))
				continue;
			ar_write(&r, offset, 4, UINT32_MAX);
			check_eq(configs[c].name, ar_read(&r, offset, 4), 0);
		}
		assert_int_equal(viommu_get_register_bytes(r.g.iommu), 0x4000);
		ar_close(&r);
	}
}

/* 3.4: sizes and alignments that are not defined. */
static void test_sizes(void **state)
{
	(void)state;
	open_config(false);
	for (uint32_t bytes = 1; bytes <= 8; bytes++) {
		for (uint64_t offset = 0; offset < 8; offset++) {
			bool ok = (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) &&
				  offset % bytes == 0;

			ar_write(&r, AMD_DEV_TABLE, 8, 0);
			ar_write(&r, AMD_DEV_TABLE + offset, bytes, UINT64_MAX);
			assert_int_equal(ar_read(&r, AMD_DEV_TABLE, 8) != 0,
					 ok && (RM(51, 12) | RM(8, 0)) >>
								 (8 * offset) << (64 - 8 * bytes) !=
							 0);
			if (!ok)
				assert_int_equal(ar_read(&r, AMD_DEV_TABLE + offset, bytes), 0);
		}
	}
	ar_close(&r);
}

/* A byte of STATUS clears only what it has. */
static void test_status_bytes(void **state)
{
	struct viommu_device *device;

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ 0 });
	device = guest_device(&r.g, 200);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(ar_read(&r, AMD_STATUS, 4) & 2, 2);
	ar_write(&r, AMD_STATUS + 1, 1, 0xff);
	assert_int_equal(ar_read(&r, AMD_STATUS, 4) & 2, 2);
	ar_write(&r, AMD_STATUS, 1, 2);
	assert_int_equal(ar_read(&r, AMD_STATUS, 4) & 2, 0);
	ar_close(&r);
}

/* ---- configurations ---- */

static const struct {
	const char *name;
	uint64_t efr, efr2;
	uint32_t capability;
	uint8_t msi;
	int result;
} refused[] = {
	{ "PCSup", RB(9), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "SmiFSup", RB(16), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "SmiFRC", RB(18), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "DualPprLogSup", RB(24), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "reserved bit 26", RB(26), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "DualEventLogSup", RB(28), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "reserved bit 30", RB(30), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "SATSSup", RB(31), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "PprOvrflwEarlySup", RB(40), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "MarcSup", RB(42), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "BlkStopMrkSup", RB(44), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "EPHSup", RB(50), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "vIommuSup", RB(55), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "VMGuardIO", RB(56), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "VMTableSize", RB(57), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "SNPSup", RB(63), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "GAMSup 2", RB(7) | RB(22), 0, 0, 0, VIOMMU_ENOTSUP },
	{ "GATS 3", RB(12) | RB(13), 0, 0, 0, VIOMMU_EINVAL },
	{ "GLXSup 3", RB(14) | RB(15), 0, 0, 0, VIOMMU_EINVAL },
	{ "PASMax 20", UINT64_C(20) << 32, 0, 0, 0, VIOMMU_EINVAL },
	{ "XTSup without GASup", RB(2), 0, 0, 0, VIOMMU_EINVAL },
	{ "GAMSup without GASup", RB(21), 0, 0, 0, VIOMMU_EINVAL },
	{ "GIoSup without GTSup", RB(48), 0, 0, 0, VIOMMU_EINVAL },
	{ "USSup without GTSup", RB(37), 0, 0, 0, VIOMMU_EINVAL },
	{ "HDSup without HASup", RB(52), 0, 0, 0, VIOMMU_EINVAL },
	{ "PprAutoRspSup without PPRSup", RB(41), 0, 0, 0, VIOMMU_EINVAL },
	{ "EFR2 SEV-SNP-IO", RB(6), RB(1), 0, 0, VIOMMU_ENOTSUP },
	{ "EFR2 SNPAVIC", RB(6), RB(5), 0, 0, VIOMMU_ENOTSUP },
	{ "EFR2 reserved bit 63", RB(6), RB(63), 0, 0, VIOMMU_ENOTSUP },
	{ "EFR2 NumIntRemap 2", RB(6), RB(9), 0, 0, VIOMMU_EINVAL },
	{ "EFR2 without EFR", 0, RB(11), 0, 0, VIOMMU_EINVAL },
	{ "HtTunnel", RB(6), 0, 0x0a000000, 0, VIOMMU_ENOTSUP },
	{ "no EFRSup", RB(6), 0, 0x01000000, 0, VIOMMU_EINVAL },
	{ "other bits of the header", RB(6), 0, 0x08000001, 0, VIOMMU_EINVAL },
	{ "MsiNum 32", RB(6), 0, 0, 32, VIOMMU_EINVAL },
};

static const char *said;

static void on_message(void *opaque, const char *text)
{
	(void)opaque;
	said = text;
}

static void test_refused(void **state)
{
	const struct viommu_host host = { .size = sizeof(host), .message = on_message };
	struct guest g;

	(void)state;
	guest_init(&g, GUEST_REGION, 4);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct viommu_amdvi_config config = { .size = sizeof(config),
							    .efr = refused[i].efr,
							    .efr2 = refused[i].efr2,
							    .capability = refused[i].capability,
							    .msi_event = refused[i].msi,
							    .host = &host };
		struct viommu *iommu = NULL;
		uint64_t blocks = g.blocks;

		said = NULL;
		check_eq(refused[i].name, viommu_amdvi_new(g.vm, &config, &iommu),
			 refused[i].result);
		check_that(refused[i].name, said && !iommu);
		check_eq(refused[i].name, g.blocks, blocks);
	}
	guest_fini(&g);
}

/* 3.2: the block, and what was configured. */
static void test_capability(void **state)
{
	struct viommu_amdvi_config config = { .size = sizeof(config),
					      .capability = VIOMMU_AMDVI_CAP_EFR |
							    VIOMMU_AMDVI_CAP_EXT |
							    VIOMMU_AMDVI_CAP_NP_CACHE,
					      .msi_event = 1,
					      .msi_ppr = 2,
					      .msi_ga = 3 };
	uint32_t words[VIOMMU_AMDVI_CAPABILITY_WORDS];
	struct guest g;

	(void)state;
	guest_init(&g, GUEST_REGION, 4);
	assert_int_equal(viommu_amdvi_new(g.vm, &config, &g.iommu), VIOMMU_OK);
	assert_int_equal(viommu_amdvi_get_capability(g.iommu, UINT64_C(0x12fed80000), words),
			 VIOMMU_OK);
	assert_int_equal(words[0], 0x1c0b000f);
	assert_int_equal(words[1], 0xfed80001);
	assert_int_equal(words[2], 0x12);
	assert_int_equal(words[3], 0);
	assert_int_equal(words[4], 0x10203441);
	assert_int_equal(words[5], 3);
	assert_int_equal(viommu_amdvi_get_capability(g.iommu, 0x1000, words), VIOMMU_EINVAL);
	assert_int_equal(viommu_amdvi_get_capability(NULL, 0, words), VIOMMU_EINVAL);
	memset(&config, 0xff, sizeof(config));
	config.size = sizeof(config);
	assert_int_equal(viommu_amdvi_get_config(g.iommu, &config), VIOMMU_OK);
	assert_int_equal(config.efr, viommu_amdvi_default_efr());
	assert_int_equal(config.efr2, viommu_amdvi_default_efr2());
	assert_int_equal(config.msi_ga, 3);
	assert_null(config.host);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),    cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_status_bytes), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_capability),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
