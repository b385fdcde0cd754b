/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_lpis.c - LPIs at the redistributors: EnableLPIs, pending tables, configuration, and the
 * registers that invalidate (IHI 0069 5.1, 12.11).
 */
#include "check.h"
#include "its_rig.h"

static struct its_rig rig;

#define CTLR(cpu)	 VIOMMU_LPIS_OFFSET(cpu, 0)
#define REG(cpu, offset) VIOMMU_LPIS_OFFSET(cpu, offset)
#define PTZ		 (UINT64_C(1) << 62)

static void map_one(struct its_rig *r)
{
	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	assert_int_equal(its_command(r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(r, MAPTI(1, 0, 8192, 0)), 0);
	assert_int_equal(its_command(r, MAPTI(1, 1, 65535, 0)), 0);
	r->told_count = 0;
}

static void pend_in_memory(struct its_rig *r, uint32_t cpu, uint32_t intid)
{
	*(uint8_t *)guest_at(&r->g, ITS_RIG_PEND(cpu) + intid / 8) |= (uint8_t)(1U << intid % 8);
}

static bool pending_in_memory(struct its_rig *r, uint32_t cpu, uint32_t intid)
{
	return *(uint8_t *)guest_at(&r->g, ITS_RIG_PEND(cpu) + intid / 8) >> intid % 8 & 1;
}

/* ---- the pending table ---- */

static void read_at_enable(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	its_write32(rig.lpis, CTLR(0), 0);
	pend_in_memory(&rig, 0, 8192);
	pend_in_memory(&rig, 0, 9000);
	pend_in_memory(&rig, 0, 65535);
	pend_in_memory(&rig, 0, 100);	 /* not an LPI */
	its_configure(&rig, 9000, 0x40); /* disabled */
	its_write(rig.lpis, REG(0, 0x78), ITS_RIG_PEND(0));
	rig.told_count = 0;
	its_write32(rig.lpis, CTLR(0), 1);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 1);
	assert_int_equal(its_lpi(&rig, 0, 8193) & 1, 0);
	assert_int_equal(its_lpi(&rig, 0, 9000), 0x400001);
	assert_int_equal(its_lpi(&rig, 0, 65535) & 1, 1);
	assert_int_equal(rig.told_count, 2);
	assert_int_equal(rig.told[0].intid, 8192);
	assert_int_equal(rig.told[1].intid, 65535);
	its_close(&rig);
}

static void not_read_with_ptz(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	its_write32(rig.lpis, CTLR(0), 0);
	pend_in_memory(&rig, 0, 8192);
	its_write(rig.lpis, REG(0, 0x78), ITS_RIG_PEND(0) | PTZ);
	its_write32(rig.lpis, CTLR(0), 1);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 0);
	its_close(&rig);
}

static void written_at_disable(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	pend_in_memory(&rig, 0, 8200); /* stale */
	pend_in_memory(&rig, 0, 100);  /* not ours */
	its_msi(&rig, 1, 0);
	its_msi(&rig, 1, 1);
	rig.g.count[GUEST_ON_DIRTY] = 0;
	its_write32(rig.lpis, CTLR(0), 0);
	assert_true(pending_in_memory(&rig, 0, 8192));
	assert_true(pending_in_memory(&rig, 0, 65535));
	assert_false(pending_in_memory(&rig, 0, 8200));
	assert_true(pending_in_memory(&rig, 0, 100));
	assert_int_equal(rig.g.count[GUEST_ON_DIRTY], 2); /* 8192 and 8200 are one word */
	assert_int_equal(its_lpi(&rig, 0, 8192), 0);
	assert_int_equal(its_msi(&rig, 1, 0), ITS_REFUSED(VIOMMU_ITS_REASON_LPI_OFF));
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_LPI(8192, 0));
	/* and back */
	its_write(rig.lpis, REG(0, 0x78), ITS_RIG_PEND(0));
	its_write32(rig.lpis, CTLR(0), 1);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 1);
	assert_int_equal(its_lpi(&rig, 0, 8200) & 1, 0);
	its_close(&rig);
}

static void never_written_where_forbidden(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .flags = VIOMMU_LPIS_NO_GUEST_WRITES });
	map_one(&rig);
	its_msi(&rig, 1, 0);
	rig.g.count[GUEST_ON_DIRTY] = 0;
	its_write32(rig.lpis, CTLR(0), 0);
	assert_int_equal(viommu_lpis_save_pending(rig.lpis), VIOMMU_ENOTSUP);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_ENOTSUP);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 1);
	assert_int_equal(viommu_reset(rig.lpis), VIOMMU_OK);
	assert_int_equal(rig.g.count[GUEST_ON_DIRTY], 0);
	its_close(&rig);
}

static void unreadable_table(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	its_write32(rig.lpis, CTLR(0), 0);
	its_write(rig.lpis, REG(0, 0x78), UINT64_C(0xfff00000));
	its_write32(rig.lpis, CTLR(0), 1);
	assert_int_equal(its_read32(rig.lpis, CTLR(0)), 7);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 0);
	its_write32(rig.lpis, CTLR(0), 0);
	assert_int_equal(its_read32(rig.lpis, CTLR(0)), 6);
	its_close(&rig);
}

static void rwp_while_it_lasts(void **state)
{
	uint32_t runs = 0;

	its_open(&rig, &(struct its_rig_config){ .steps = 64 });
	its_write32(rig.lpis, CTLR(0), 0);
	for (uint32_t i = 0; i < 1000; i++)
		pend_in_memory(&rig, 0, 10000 + i);
	its_write(rig.lpis, REG(0, 0x78), ITS_RIG_PEND(0));
	rig.told_count = 0;
	assert_int_equal(its_write32(rig.lpis, CTLR(0), 1), VIOMMU_PENDING);
	assert_int_equal(its_read32(rig.lpis, CTLR(0)), 0xf);
	assert_int_equal(its_read32(rig.lpis, REG(0, 0xc0)), 1);
	its_write32(rig.lpis, CTLR(0), 0); /* ignored: RWP */
	assert_int_equal(its_read32(rig.lpis, CTLR(0)) & 1, 1);
	while (viommu_run(rig.lpis) == VIOMMU_PENDING)
		runs++;
	assert_true(runs > 5);
	assert_int_equal(its_read32(rig.lpis, CTLR(0)), 7);
	assert_int_equal(its_read32(rig.lpis, REG(0, 0xc0)), 0);
	assert_int_equal(rig.told_count, 1000);
	its_close(&rig);
}

/* Clearing 1024 words and reading their table takes 64 steps; to look at them, 56. */
static void enabling_is_paid(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .steps = 64 });
	assert_int_equal(its_write32(rig.lpis, CTLR(0), 0), VIOMMU_OK);
	assert_int_equal(its_write32(rig.lpis, CTLR(0), 1), VIOMMU_PENDING);
	assert_int_equal(viommu_run(rig.lpis), VIOMMU_OK);
	assert_int_equal(its_read32(rig.lpis, CTLR(0)), 7);
	its_close(&rig);
}

static void saved_pending_tables(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	its_msi(&rig, 1, 1);
	its_write32(rig.lpis, CTLR(1), 0);
	pend_in_memory(&rig, 1, 9000); /* EnableLPIs is 0: left alone */
	assert_int_equal(viommu_lpis_save_pending(rig.lpis), VIOMMU_OK);
	assert_true(pending_in_memory(&rig, 0, 65535));
	assert_true(pending_in_memory(&rig, 1, 9000));
	assert_int_equal(its_lpi(&rig, 0, 65535) & 1, 1);
	rig.g.count[GUEST_ON_DIRTY] = 0;
	assert_int_equal(viommu_lpis_save_pending(rig.lpis), VIOMMU_OK);
	assert_int_equal(rig.g.count[GUEST_ON_DIRTY], 0); /* nothing differs */
	assert_int_equal(viommu_lpis_save_pending(rig.its), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_save_pending(NULL), VIOMMU_EINVAL);
	its_close(&rig);
}

/* ---- IDbits ---- */

static const struct {
	const char *name;
	unsigned idbits;
	uint32_t last; /* the last LPI that is; 0: none */
} widths[] = {
	{ "0", 0, 0 },	     { "12", 12, 0 },	  { "13", 13, 16383 },
	{ "14", 14, 32767 }, { "15", 15, 65535 }, { "16: above GICD_TYPER", 16, 65535 },
	{ "31", 31, 65535 },
};

static void idbits(void **state)
{
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		its_open(&rig, &(struct its_rig_config){ 0 });
		map_one(&rig);
		its_write32(rig.lpis, CTLR(0), 0);
		its_write(rig.lpis, REG(0, 0x70), ITS_RIG_PROP | widths[i].idbits);
		its_write32(rig.lpis, CTLR(0), 1);
		check_eq(widths[i].name, its_read(rig.lpis, REG(0, 0x70)) & 31, widths[i].idbits);
		for (uint32_t intid = 8192; intid < 65536; intid = intid * 2 - 1) {
			assert_int_equal(its_command(&rig, MAPTI(1, 2, intid, 0)), 0);
			check_eq(widths[i].name, its_msi(&rig, 1, 2),
				 intid <= widths[i].last ? ITS_LPI(intid, 0) : ITS_REFUSED(6));
		}
		its_close(&rig);
	}
}

/* What a redistributor with few IDbits cannot read says nothing of the LPI at others. */
static void narrow_beside_wide(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	its_write32(rig.lpis, CTLR(0), 0);
	its_write(rig.lpis, REG(0, 0x70), ITS_RIG_PROP | 13);
	its_write32(rig.lpis, CTLR(0), 1);
	assert_int_equal(its_lpi(&rig, 0, 40000), 0);
	assert_int_equal(its_lpi(&rig, 1, 40000), 0xa00100);
	its_configure(&rig, 40000, 0x41);
	its_write(rig.lpis, REG(0, 0xa0), 40000); /* INVLPIR there */
	assert_int_equal(its_lpi(&rig, 1, 40000), 0x400100);
	its_close(&rig);
}

/* ---- registers that invalidate ---- */

static void invlpir(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	its_msi(&rig, 1, 0);
	rig.told_count = 0;
	its_configure(&rig, 8192, 0x51);
	its_write(rig.lpis, REG(0, 0xa0), 8193);
	its_expect_silence(&rig, "another");
	its_write(rig.lpis, REG(0, 0xa0), 8192);
	its_expect_told(&rig, "INVLPIR", (struct its_told){ 0, UINT32_MAX, 8192, 0x50, 1 });
	its_configure(&rig, 8192, 0x61);
	its_write32(rig.lpis, REG(0, 0xa4), 0); /* the upper half does nothing yet */
	its_expect_silence(&rig, "upper half");
	its_write32(rig.lpis, REG(0, 0xa0), 8192);
	its_expect_told(&rig, "lower half", (struct its_told){ 0, UINT32_MAX, 8192, 0x60, 1 });
	its_write(rig.lpis, REG(0, 0xa0), 5); /* no LPI */
	its_write(rig.lpis, REG(0, 0xa0), UINT32_MAX);
	its_expect_silence(&rig, "no LPI");
	its_close(&rig);
}

static void invallr(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	its_msi(&rig, 1, 0);
	assert_int_equal(its_lpi(&rig, 1, 9000), 0xa00100);
	rig.told_count = 0;
	its_configure(&rig, 8192, 0x50);
	its_configure(&rig, 9000, 0x50);
	its_write(rig.lpis, REG(0, 0xb0), 0);
	its_expect_told(&rig, "INVALLR", (struct its_told){ 0, UINT32_MAX, 8192, 0x50, 0 });
	assert_int_equal(its_lpi(&rig, 1, 9000), 0x500000); /* of all redistributors */
	its_close(&rig);
}

/* ---- one LPI of two events, in collections of two redistributors ---- */

enum { OF_BOTH = 8200 };

/* Pending and disabled at 0; its byte was changed, and read again for 1 only. */
static void open_shared(struct its_rig *r)
{
	its_open(r, &(struct its_rig_config){ 0 });
	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	assert_int_equal(its_command(r, MAPC(1, 1)), 0);
	assert_int_equal(its_command(r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(r, MAPTI(1, 0, OF_BOTH, 0)), 0);
	assert_int_equal(its_command(r, MAPTI(1, 1, OF_BOTH, 1)), 0);
	its_configure(r, OF_BOTH, 0x80);
	assert_int_equal(its_command(r, INT(1, 0)), 0);
	its_expect_silence(r, "disabled");
	its_configure(r, OF_BOTH, 0x81);
	assert_int_equal(its_command(r, INVALL(1)), 0);
	its_expect_silence(r, "nothing is pending at 1");
}

static bool was_told(struct its_rig *r, uint32_t cpu, uint32_t pending)
{
	for (uint32_t i = 0; i < r->told_count && i < ITS_RIG_TOLD; i++) {
		if (r->told[i].cpu == cpu && r->told[i].intid == OF_BOTH &&
		    r->told[i].priority == 0x80 && r->told[i].pending == pending)
			return true;
	}
	return false;
}

/* 3 INV: whoever it is named for, all that have the LPI pending hear of a change, once. */
static void enable_is_told_to_all(void **state)
{
	/* when it becomes pending at the other */
	open_shared(&rig);
	assert_int_equal(its_command(&rig, INT(1, 1)), 0);
	assert_int_equal(rig.told_count, 2);
	assert_true(was_told(&rig, 0, 1));
	assert_true(was_told(&rig, 1, 1));
	rig.told_count = 0;
	assert_int_equal(its_command(&rig, INV(1, 0)), 0);
	its_expect_silence(&rig, "it has been told");
	its_configure(&rig, OF_BOTH, 0x80);
	assert_int_equal(its_command(&rig, INVALL(1)), 0);
	assert_int_equal(rig.told_count, 2);
	assert_true(was_told(&rig, 0, 0));
	assert_true(was_told(&rig, 1, 0));
	its_close(&rig);
}

/* To ask is not to read it for anyone: no call, and none that is missing later. */
static void asking_takes_no_change_away(void **state)
{
	open_shared(&rig);
	assert_int_equal(its_lpi(&rig, 0, OF_BOTH), 0x800101);
	assert_int_equal(its_lpi(&rig, 1, OF_BOTH), 0x800100);
	its_expect_silence(&rig, "asked");
	assert_int_equal(its_command(&rig, INV(1, 0)), 0);
	its_expect_told(&rig, "INV", (struct its_told){ 0, UINT32_MAX, OF_BOTH, 0x80, 1 });
	its_close(&rig);
}

static const struct {
	const char *name;
	struct its_words command;
} told_by[] = {
	{ "INV by the one", ITS_W(ITS_DEV(0xc, 1), 0, 0, 0) },
	{ "INV by the other", ITS_W(ITS_DEV(0xc, 1), 1, 0, 0) },
	{ "INVALL of the one", ITS_W(0xd, 0, 0, 0) },
};

static void enable_is_told_by(void **state)
{
	for (size_t i = 0; i < sizeof(told_by) / sizeof(told_by[0]); i++) {
		open_shared(&rig);
		assert_int_equal(its_command(&rig, told_by[i].command), 0);
		its_expect_told(&rig, told_by[i].name,
				(struct its_told){ 0, UINT32_MAX, OF_BOTH, 0x80, 1 });
		its_close(&rig);
	}
}

/* EnableLPIs of the other reads what is pending there: the byte is everyone's. */
static void enable_is_told_when_another_starts(void **state)
{
	open_shared(&rig);
	its_write32(rig.lpis, CTLR(1), 0);
	pend_in_memory(&rig, 1, OF_BOTH);
	its_write(rig.lpis, REG(1, 0x78), ITS_RIG_PEND(1));
	rig.told_count = 0;
	its_write32(rig.lpis, CTLR(1), 1);
	assert_int_equal(rig.told_count, 2);
	assert_true(was_told(&rig, 0, 1));
	assert_true(was_told(&rig, 1, 1));
	its_close(&rig);
}

/* What is known is forgotten more often than a generation of 16 bits can count. */
static void forgotten_often(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	for (unsigned i = 0; i < 0x10001; i++) {
		if (i == 0 || i >= 0xfff0) {
			its_configure(&rig, 9000, i & 0xfc);
			assert_int_equal(its_lpi(&rig, 0, 9000), (i & 0xfc) << 16);
			its_configure(&rig, 9000, 1);
			assert_int_equal(its_lpi(&rig, 0, 9000), (i & 0xfc) << 16);
		}
		its_write(rig.lpis, REG(0, 0xb0), 0);
	}
	assert_int_equal(its_lpi(&rig, 0, 9000), 0x100);
	its_close(&rig);
}

/* ---- the CPU interface's side ---- */

static void acknowledged(void **state)
{
	struct viommu_lpi lpi = { .size = sizeof(lpi) };

	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	its_msi(&rig, 1, 0);
	its_expect_told(&rig, "first", (struct its_told){ 0, UINT32_MAX, 8192, 0xa0, 1 });
	its_msi(&rig, 1, 0);
	its_expect_silence(&rig, "again");
	assert_int_equal(viommu_lpis_acknowledge(rig.lpis, 0, 8192), VIOMMU_OK);
	its_expect_silence(&rig, "acknowledged");
	assert_int_equal(viommu_lpis_acknowledge(rig.lpis, 0, 8192), VIOMMU_ENOENT);
	its_msi(&rig, 1, 0);
	its_expect_told(&rig, "afterwards", (struct its_told){ 0, UINT32_MAX, 8192, 0xa0, 1 });
	/* misuse */
	assert_int_equal(viommu_lpis_acknowledge(rig.lpis, 4, 8192), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_acknowledge(rig.lpis, 0, 8191), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_acknowledge(rig.lpis, 0, 65536), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_acknowledge(rig.its, 0, 8192), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_acknowledge(NULL, 0, 8192), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_get(rig.lpis, 4, 8192, &lpi), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_get(rig.lpis, 0, 65536, &lpi), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_get(rig.lpis, 0, 8192, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_lpis_get_virtual(rig.lpis, 0, 8192, &lpi), VIOMMU_ENOTSUP);
	assert_int_equal(viommu_lpis_acknowledge_virtual(rig.lpis, 0, 8192), VIOMMU_ENOTSUP);
	lpi.size = 12;
	assert_int_equal(viommu_lpis_get(rig.lpis, 0, 8192, &lpi), VIOMMU_ESIZE);
	its_close(&rig);
}

static void direct(void **state)
{
	struct viommu_lpis_config config = { .size = sizeof(config),
					     .flags = VIOMMU_LPIS_DIRECT,
					     .cpus = 2 };
	struct viommu_lpi lpi = { .size = sizeof(lpi) };
	struct viommu *lpis = NULL;
	struct guest g;

	guest_init(&g, GUEST_REGION, 1024);
	assert_int_equal(viommu_lpis_new(g.vm, &config, &lpis), VIOMMU_OK);
	its_write(lpis, REG(1, 0x70), ITS_RIG_PROP | 15);
	its_write(lpis, REG(1, 0x78), ITS_RIG_PEND(1) | PTZ);
	its_write32(lpis, CTLR(1), 1);
	its_write(lpis, REG(1, 0x40), 9000);
	its_write(lpis, REG(0, 0x40), 9000); /* EnableLPIs is 0 */
	its_write(lpis, REG(1, 0x40), 5);
	assert_int_equal(viommu_lpis_get(lpis, 1, 9000, &lpi), VIOMMU_OK);
	assert_int_equal(lpi.pending, 1);
	its_write(lpis, REG(1, 0x48), 9000);
	its_write(lpis, REG(1, 0x48), UINT32_MAX);
	assert_int_equal(viommu_lpis_get(lpis, 1, 9000, &lpi), VIOMMU_OK);
	assert_int_equal(lpi.pending, 0);
	assert_int_equal(viommu_free(lpis), VIOMMU_OK);
	guest_fini(&g);
}

static const struct {
	const char *name;
	struct viommu_lpis_config config;
} refused[] = {
	{ "no redistributor", { .cpus = 0 } },
	{ "too many", { .cpus = 1025 } },
	{ "13 bits", { .cpus = 1, .intid_bits = 13 } },
	{ "21 bits", { .cpus = 1, .intid_bits = 21 } },
	{ "unknown flag", { .cpus = 1, .flags = 16 } },
	{ "reserved", { .cpus = 1, .reserved = 1 } },
	{ "4.1 without 4.0", { .cpus = 1, .flags = VIOMMU_LPIS_V41, .vpes = 1 } },
	{ "4.0 without vPEs", { .cpus = 1, .flags = VIOMMU_LPIS_V4 } },
	{ "vPEs without 4.0", { .cpus = 1, .vpes = 1 } },
	{ "too many vPEs", { .cpus = 1, .flags = VIOMMU_LPIS_V4, .vpes = 65537 } },
	{ "rd_base", { .cpus = 1, .rd_base = 0x1000 } },
	{ "rd_stride", { .cpus = 1, .rd_stride = 0x1000 } },
};

static void configurations_that_are_refused(void **state)
{
	struct guest g;

	guest_init(&g, GUEST_REGION, 1);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct viommu_lpis_config config = refused[i].config;
		struct viommu *lpis = NULL;

		config.size = sizeof(config);
		check_eq(refused[i].name, viommu_lpis_new(g.vm, &config, &lpis), VIOMMU_EINVAL);
	}
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_at_enable),
		cmocka_unit_test(not_read_with_ptz),
		cmocka_unit_test(written_at_disable),
		cmocka_unit_test(never_written_where_forbidden),
		cmocka_unit_test(unreadable_table),
		cmocka_unit_test(rwp_while_it_lasts),
		cmocka_unit_test(enabling_is_paid),
		cmocka_unit_test(saved_pending_tables),
		cmocka_unit_test(idbits),
		cmocka_unit_test(narrow_beside_wide),
		cmocka_unit_test(invlpir),
		cmocka_unit_test(invallr),
		cmocka_unit_test(enable_is_told_to_all),
		cmocka_unit_test(asking_takes_no_change_away),
		cmocka_unit_test(enable_is_told_by),
		cmocka_unit_test(enable_is_told_when_another_starts),
		cmocka_unit_test(forgotten_often),
		cmocka_unit_test(acknowledged),
		cmocka_unit_test(direct),
		cmocka_unit_test(configurations_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
