/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_regs.c - every register of both frames of an ITS, and of the LPI and VLPI frames of a
 * redistributor, in each configuration: reset value, what can be written, halves, sizes that are not
 * defined, and the holes in between (IHI 0069 12.11, 12.13, 12.19).
 */
#include "check.h"
#include "its_engine.h"
#include "its_rig.h"

static struct its_rig rig;

#define RM(high, low) ((UINT64_MAX >> (63 - (high))) & (UINT64_MAX << (low)))
#define RB(n)	      (UINT64_C(1) << (n))

struct row {
	const char *name;
	uint32_t offset;
	uint32_t bytes;
	uint64_t reset;
	uint64_t rw;   /* bits that read as written */
	uint64_t skip; /* not written by a test of masks: they do something */
};

#define BASER_RW (UINT64_MAX & ~(RM(58, 56) | RM(52, 48)))
#define IDS                                                                                        \
	{ "PIDR4", 0xffd0, 4, 0x44, 0, 0 }, { "PIDR0", 0xffe0, 4, 0x94, 0, 0 },                    \
		{ "PIDR1", 0xffe4, 4, 0xb4, 0, 0 }, { "PIDR3", 0xffec, 4, 0, 0, 0 },               \
		{ "CIDR0", 0xfff0, 4, 0x0d, 0, 0 }, { "CIDR1", 0xfff4, 4, 0xf0, 0, 0 },            \
		{ "CIDR2", 0xfff8, 4, 0x05, 0, 0 },                                                \
	{                                                                                          \
		"CIDR3", 0xfffc, 4, 0xb1, 0, 0                                                     \
	}
/* page size 3 reads as 2: not tried bit by bit together; CWRITER takes what is below the queue's size */
#define COMMON                                                                                     \
	{ "IIDR", 4, 4, 0x43b, 0, 0 },                                                             \
		{ "CBASER",                                                                        \
		  0x80,                                                                            \
		  8,                                                                               \
		  0,                                                                               \
		  RM(7, 0) | RM(11, 10) | RM(51, 16) | RM(55, 53) | RM(61, 59) | RB(63),           \
		  0 },                                                                             \
		{ "CREADR", 0x90, 8, 0, 0, 0 },                                                    \
		{ "BASER0", 0x100, 8, 0x0107000000000000, BASER_RW, RB(8) },                       \
		{ "BASER1", 0x108, 8, 0x0407000000000000, BASER_RW, RB(8) }, IDS

static const struct row v3[] = {
	{ "CTLR", 0, 4, 0x80000000, 0, 0 }, /* Enabled: the tables are not valid */
	{ "TYPER", 8, 8, 0x1ef71, 0, 0 },
	{ "PIDR2", 0xffe8, 4, 0x3b, 0, 0 },
	COMMON,
};
static const struct row umsi[] = {
	{ "CTLR", 0, 4, 0x80000000, 0, 0 }, { "TYPER", 8, 8, 0x1ef71 | RB(44), 0, 0 },
	{ "STATUSR", 0x40, 4, 0, 0, 0 },    { "UMSIR", 0x48, 8, 0, 0, 0 },
	{ "PIDR2", 0xffe8, 4, 0x3b, 0, 0 }, COMMON,
};
static const struct row v41[] = {
	{ "CTLR", 0, 4, 0x80000000, RB(1), 0 },
	{ "TYPER", 8, 8, ITS_RIG_TYPER_V41, 0, 0 },
	{ "MPIDR", 0x18, 4, 0, 0, 0 },
	{ "BASER2", 0x110, 8, 0x0207000000000000, BASER_RW, RB(8) },
	{ "SGIR", 0x20020, 8, 0, 0, 0 },
	{ "PIDR2", 0xffe8, 4, 0x4b, 0, 0 },
	COMMON,
};

#define PROPBASER (RM(4, 0) | RM(11, 7) | RM(51, 12) | RM(58, 56))
#define PENDBASER (RM(11, 7) | RM(51, 16) | RM(58, 56))
#define ACTS                                                                                       \
	{ "INVLPIR", 0xa0, 8, 0, 0, 0 }, { "INVALLR", 0xb0, 8, 0, 0, 0 },                          \
		{ "SYNCR", 0xc0, 4, 0, 0, 0 }, { "PROPBASER", 0x70, 8, 0, PROPBASER, 0 },          \
	{                                                                                          \
		"PENDBASER", 0x78, 8, 0, PENDBASER, 0                                              \
	}

static const struct row lpis_v3[] = {
	{ "CTLR", 0, 4, 6, 1, 1 },
	{ "TYPER", 8, 8, 0x001, 0, 0 },
	ACTS,
};
static const struct row lpis_last[] = {
	{ "TYPER of the last", 0xc0008, 8, 0x311, 0, 0 },
};
static const struct row lpis_no_writes[] = {
	{ "CTLR", 0, 4, 4, 1, 1 },
	ACTS,
};
static const struct row lpis_direct[] = {
	{ "TYPER", 8, 8, 0x009, 0, 0 },
	{ "SETLPIR", 0x40, 8, 0, 0, 0 },
	{ "CLRLPIR", 0x48, 8, 0, 0, 0 },
	ACTS,
};
static const struct row lpis_v4[] = {
	{ "TYPER", 8, 8, 0x003, 0, 0 },
	{ "VPROPBASER", 0x20070, 8, 0, PROPBASER, 0 },
	{ "VPENDBASER", 0x20078, 8, 0, RM(11, 7) | RM(51, 16) | RM(58, 56) | RB(62), RB(63) },
	ACTS,
};
static const struct row lpis_v41[] = {
	{ "TYPER", 8, 8, 0x083, 0, 0 },
	{ "VPROPBASER", 0x20070, 8, 0, RM(6, 0) | RM(55, 12) | RM(61, 59) | RB(63), 0 },
	{ "VPENDBASER", 0x20078, 8, 0, RM(15, 0) | RB(58) | RB(59) | RB(62), RB(63) },
	{ "VSGIR", 0x20080, 4, 0, 0, 0 },
	{ "VSGIPENDR", 0x20088, 4, 0, 0, 0 },
	ACTS,
};

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct {
	const char *name;
	struct its_rig_config config;
	bool lpis; /* the LPIs' registers */
	const struct row *row;
	size_t count;
	uint32_t space;
} configs[] = {
	{ "GICv3", { .off = true }, false, ROWS(v3), 0x40000 },
	{ "UMSI", { .off = true, .typer = 0x1ef71 | RB(44) }, false, ROWS(umsi), 0x40000 },
	{ "GICv4.1",
	  { .off = true, .typer = ITS_RIG_TYPER_V41, .flags = 12, .vpes = 16 },
	  false,
	  ROWS(v41),
	  0x40000 },
	{ "LPIs", { .off = true }, true, ROWS(lpis_v3), 0x40000 },
	{ "the last redistributor", { .off = true }, true, ROWS(lpis_last), 0 },
	{ "no guest writes", { .off = true, .flags = 1 }, true, ROWS(lpis_no_writes), 0 },
	{ "GICv4 LPIs", { .off = true, .flags = 4, .vpes = 16 }, true, ROWS(lpis_v4), 0x40000 },
	{ "GICv4.1 LPIs", { .off = true, .flags = 12, .vpes = 16 }, true, ROWS(lpis_v41), 0x40000 },
};

static uint64_t get(struct viommu *u, uint64_t offset, uint32_t bytes)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(viommu_reg_read(u, offset, bytes, &value), VIOMMU_OK);
	return value;
}

static void put(struct viommu *u, uint64_t offset, uint32_t bytes, uint64_t value)
{
	assert_int_equal(viommu_reg_write(u, offset, bytes, value), VIOMMU_OK);
}

static void expect(struct viommu *u, const struct row *r, uint64_t written)
{
	check_eq(r->name, get(u, r->offset, r->bytes), (r->reset & ~r->rw) | (written & r->rw));
}

static void check_row(struct viommu *u, const struct row *r)
{
	uint64_t ones = (r->bytes == 8 ? UINT64_MAX : UINT32_MAX) & ~r->skip;

	expect(u, r, r->reset);
	put(u, r->offset, r->bytes, ones);
	expect(u, r, ones);
	put(u, r->offset, r->bytes, 0);
	expect(u, r, 0);
	for (unsigned bit = 0; bit < 8 * r->bytes; bit++) {
		if (r->skip >> bit & 1)
			continue;
		put(u, r->offset, r->bytes, RB(bit));
		expect(u, r, RB(bit));
	}
	put(u, r->offset, r->bytes, 0);
	/* sizes and alignments that do not exist */
	for (uint32_t bytes = 1; bytes < 4; bytes++) {
		put(u, r->offset, bytes, ones);
		check_eq(r->name, get(u, r->offset, bytes), 0);
	}
	put(u, r->offset + 2, 4, ones);
	check_eq(r->name, get(u, r->offset + 2, 4), 0);
	expect(u, r, 0);
	if (r->bytes == 4)
		return;
	put(u, r->offset, 4, 0xa5a5a5a5 & ~r->skip & UINT32_MAX);
	expect(u, r, 0xa5a5a5a5 & ~r->skip);
	put(u, r->offset + 4, 4, (0x5a5a5a5a & ~(r->skip >> 32)) & UINT32_MAX);
	expect(u, r, 0x5a5a5a5aa5a5a5a5 & ~r->skip);
	check_eq(r->name, get(u, r->offset + 4, 4), get(u, r->offset, 8) >> 32);
	put(u, r->offset, 8, 0);
}

static bool covered(const struct row *row, size_t count, uint32_t offset)
{
	for (size_t i = 0; i < count; i++) {
		if (offset >= row[i].offset && offset < row[i].offset + row[i].bytes)
			return true;
	}
	return false;
}

static void every_register(void **state)
{
	for (size_t n = 0; n < sizeof(configs) / sizeof(configs[0]); n++) {
		struct viommu *u;

		its_open(&rig, &configs[n].config);
		u = configs[n].lpis ? rig.lpis : rig.its;
		for (size_t i = 0; i < configs[n].count; i++)
			check_row(u, &configs[n].row[i]);
		its_close(&rig);
	}
}

/* What no row has reads as 0 and ignores writes. */
static void holes(void **state)
{
	for (size_t n = 0; n < sizeof(configs) / sizeof(configs[0]); n++) {
		struct viommu *u;

		its_open(&rig, &configs[n].config);
		u = configs[n].lpis ? rig.lpis : rig.its;
		for (uint32_t at = 0; at < configs[n].space; at += 4) {
			if (covered(configs[n].row, configs[n].count, at) ||
			    (configs[n].lpis ? at < 0x10 : at == 0x88))
				continue;
			put(u, at, 4, UINT32_MAX);
			if (get(u, at, 4) != 0)
				check_eq(configs[n].name, at, 0);
		}
		its_close(&rig);
	}
}

/* Frames are those of the redistributors that there are: what comes next is not the first one's. */
static void behind_the_last(void **state)
{
	uint64_t at;

	its_open(&rig, &(struct its_rig_config){ 0 });
	for (uint32_t cpu = rig.cpus; cpu < rig.cpus + 2; cpu++) {
		at = VIOMMU_LPIS_OFFSET(cpu, 0x70); /* PROPBASER */
		its_write32(rig.lpis, VIOMMU_LPIS_OFFSET(0, 0), 0);
		put(rig.lpis, at, 8, ITS_RIG_PROP | 14);
		assert_int_equal(get(rig.lpis, at, 8), 0);
		assert_int_not_equal(get(rig.lpis, VIOMMU_LPIS_OFFSET(0, 0x70), 8),
				     ITS_RIG_PROP | 14);
		assert_int_equal(get(rig.lpis, VIOMMU_LPIS_OFFSET(cpu, 8), 8), 0); /* TYPER */
	}
	its_close(&rig);
}

/* SETLPIR and CLRLPIR are there without an ITS. */
static void direct_lpis(void **state)
{
	struct viommu_lpis_config config = { .size = sizeof(config),
					     .flags = VIOMMU_LPIS_DIRECT,
					     .cpus = 2 };
	struct viommu *direct = NULL;
	struct guest g;

	guest_init(&g, GUEST_REGION, 1);
	assert_int_equal(viommu_lpis_new(g.vm, &config, &direct), VIOMMU_OK);
	for (size_t i = 0; i < sizeof(lpis_direct) / sizeof(lpis_direct[0]); i++)
		check_row(direct, &lpis_direct[i]);
	assert_int_equal(viommu_free(direct), VIOMMU_OK);
	guest_fini(&g);
}

/* ---- every register of the manual's frames: there, or named as one that is not ---- */

enum frame { GITS, GICR, VLPI };

/* What a register needs to exist. */
enum needs {
	NOTHING,
	NEEDS_UMSI,
	NEEDS_V4,
	NEEDS_V41,
	NEEDS_VSGI,
	NEEDS_DIRECT,
	NEEDS_MPAM,  /* GITS_TYPER.MPAM is refused: none of it, RAZ/WI */
	NO_TABLE,    /* GITS_BASERn.Type 0: RAZ/WI */
	NO_IDENTITY, /* reserved, RAZ */
	NO_REGISTER, /* a message: viommu_remap_msi(); reads as 0 */
};

static const struct {
	const char *name;
	enum frame frame;
	uint32_t offset;
	uint32_t bytes;
	enum needs needs;
} registers[] = {
	{ "GITS_CTLR", GITS, 0x0, 4, NOTHING },
	{ "GITS_IIDR", GITS, 0x4, 4, NOTHING },
	{ "GITS_TYPER", GITS, 0x8, 8, NOTHING },
	{ "GITS_MPAMIDR", GITS, 0x10, 4, NEEDS_MPAM },
	{ "GITS_PARTIDR", GITS, 0x14, 4, NEEDS_MPAM },
	{ "GITS_MPIDR", GITS, 0x18, 4, NEEDS_V41 },
	{ "GITS_STATUSR", GITS, 0x40, 4, NEEDS_UMSI },
	{ "GITS_UMSIR", GITS, 0x48, 8, NEEDS_UMSI },
	{ "GITS_CBASER", GITS, 0x80, 8, NOTHING },
	{ "GITS_CWRITER", GITS, 0x88, 8, NOTHING },
	{ "GITS_CREADR", GITS, 0x90, 8, NOTHING },
	{ "GITS_BASER0", GITS, 0x100, 8, NOTHING },
	{ "GITS_BASER1", GITS, 0x108, 8, NOTHING },
	{ "GITS_BASER2", GITS, 0x110, 8, NEEDS_V4 },
	{ "GITS_BASER3", GITS, 0x118, 8, NO_TABLE },
	{ "GITS_BASER4", GITS, 0x120, 8, NO_TABLE },
	{ "GITS_BASER5", GITS, 0x128, 8, NO_TABLE },
	{ "GITS_BASER6", GITS, 0x130, 8, NO_TABLE },
	{ "GITS_BASER7", GITS, 0x138, 8, NO_TABLE },
	{ "GITS_PIDR4", GITS, 0xffd0, 4, NOTHING },
	{ "GITS_PIDR5", GITS, 0xffd4, 4, NO_IDENTITY },
	{ "GITS_PIDR6", GITS, 0xffd8, 4, NO_IDENTITY },
	{ "GITS_PIDR7", GITS, 0xffdc, 4, NO_IDENTITY },
	{ "GITS_PIDR0", GITS, 0xffe0, 4, NOTHING },
	{ "GITS_PIDR1", GITS, 0xffe4, 4, NOTHING },
	{ "GITS_PIDR2", GITS, 0xffe8, 4, NOTHING },
	{ "GITS_PIDR3", GITS, 0xffec, 4, NOTHING },
	{ "GITS_CIDR0", GITS, 0xfff0, 4, NOTHING },
	{ "GITS_CIDR1", GITS, 0xfff4, 4, NOTHING },
	{ "GITS_CIDR2", GITS, 0xfff8, 4, NOTHING },
	{ "GITS_CIDR3", GITS, 0xfffc, 4, NOTHING },
	{ "GITS_TRANSLATER", GITS, 0x10040, 4, NO_REGISTER },
	{ "GITS_SGIR", GITS, 0x20020, 8, NEEDS_VSGI },
	{ "GICR_CTLR", GICR, 0x0, 4, NOTHING },
	{ "GICR_TYPER", GICR, 0x8, 8, NOTHING },
	{ "GICR_SETLPIR", GICR, 0x40, 8, NEEDS_DIRECT },
	{ "GICR_CLRLPIR", GICR, 0x48, 8, NEEDS_DIRECT },
	{ "GICR_PROPBASER", GICR, 0x70, 8, NOTHING },
	{ "GICR_PENDBASER", GICR, 0x78, 8, NOTHING },
	{ "GICR_INVLPIR", GICR, 0xa0, 8, NOTHING },
	{ "GICR_INVALLR", GICR, 0xb0, 8, NOTHING },
	{ "GICR_SYNCR", GICR, 0xc0, 4, NOTHING },
	{ "GICR_VPROPBASER", VLPI, 0x70, 8, NEEDS_V4 },
	{ "GICR_VPENDBASER", VLPI, 0x78, 8, NEEDS_V4 },
	{ "GICR_VSGIR", VLPI, 0x80, 4, NEEDS_V41 },
	{ "GICR_VSGIPENDR", VLPI, 0x88, 4, NEEDS_V41 },
};

#define HAS(needs) (1U << (needs))

static const struct {
	const char *name;
	struct its_rig_config config;
	unsigned has;
} models[] = {
	{ "GICv3", { .off = true }, HAS(NOTHING) },
	{ "UMSI", { .off = true, .typer = 0x1ef71 | RB(44) }, HAS(NOTHING) | HAS(NEEDS_UMSI) },
	{ "GICv4",
	  { .off = true, .typer = 0x1ef73, .flags = 4, .vpes = 16 },
	  HAS(NOTHING) | HAS(NEEDS_V4) },
	{ "GICv4.1 without virtual SGIs",
	  { .off = true, .typer = 0x1ef73 | RB(40), .flags = 12, .vpes = 16 },
	  HAS(NOTHING) | HAS(NEEDS_V4) | HAS(NEEDS_V41) },
	{ "GICv4.1",
	  { .off = true, .typer = ITS_RIG_TYPER_V41, .flags = 12, .vpes = 16 },
	  HAS(NOTHING) | HAS(NEEDS_V4) | HAS(NEEDS_V41) | HAS(NEEDS_VSGI) },
};

/* Where the register files have it: the VLPI frame follows what there is of the RD frame. */
static uint32_t place(size_t i)
{
	return registers[i].offset + (registers[i].frame == VLPI ? GICR_VLPI : 0);
}

static void check_there(const char *model, const struct regs *regs, size_t i, bool there)
{
	uint32_t at = place(i) < regs->space ? regs->at[place(i) / 4] : 0;

	check_eq(registers[i].name, at != 0, there);
	if (!at)
		return;
	check_that(model, strcmp(regs->row[at - 1].name, registers[i].name) == 0);
	check_eq(registers[i].name, regs->row[at - 1].offset, place(i));
	check_eq(registers[i].name, regs->row[at - 1].bytes, registers[i].bytes);
}

/* Each that is to be there is, under its name, and no other. */
static void check_registers(const char *model, struct viommu *its, struct viommu *lpis,
			    unsigned has)
{
	const struct regs *gicr = &((struct lpis *)lpis)->cpu[1].regs;
	unsigned there[2] = { 0, 0 };

	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		const bool lpi = registers[i].frame != GITS;
		const uint64_t offset = registers[i].frame == VLPI ? 0x20000 + registers[i].offset
								   : registers[i].offset;
		const bool is = has >> registers[i].needs & 1;

		if (!lpi && !its)
			continue;
		check_there(model, lpi ? gicr : &its_of(its)->regs, i, is);
		there[lpi] += is;
		if (is)
			continue;
		put(lpi ? lpis : its, lpi ? VIOMMU_LPIS_OFFSET(1, offset) : offset,
		    registers[i].bytes, UINT64_MAX >> (64 - 8 * registers[i].bytes));
		check_eq(registers[i].name,
			 get(lpi ? lpis : its, lpi ? VIOMMU_LPIS_OFFSET(1, offset) : offset,
			     registers[i].bytes),
			 0);
	}
	check_eq(model, gicr->count, there[1]);
	if (its)
		check_eq(model, its_of(its)->regs.count, there[0]);
}

static void registers_of_the_manual(void **state)
{
	struct viommu_lpis_config config = { .size = sizeof(config),
					     .flags = VIOMMU_LPIS_DIRECT,
					     .cpus = 2 };
	struct viommu *direct = NULL;
	struct guest g;

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		its_open(&rig, &models[i].config);
		check_registers(models[i].name, rig.its, rig.lpis, models[i].has);
		its_close(&rig);
	}
	guest_init(&g, GUEST_REGION, 1);
	assert_int_equal(viommu_lpis_new(g.vm, &config, &direct), VIOMMU_OK);
	check_registers("direct LPIs", NULL, direct, HAS(NOTHING) | HAS(NEEDS_DIRECT));
	assert_int_equal(viommu_free(direct), VIOMMU_OK);
	guest_fini(&g);
}

/* ---- what depends on other registers ---- */

static void enabled_needs_tables(void **state)
{
	static const struct {
		const char *name;
		uint64_t cbaser;
		uint64_t baser0;
		uint64_t baser1;
		unsigned on;
	} rows[] = {
		{ "none", 0, 0, 0, 0 },
		{ "no queue", 0, ITS_V, ITS_V, 0 },
		{ "no devices", ITS_V, 0, ITS_V, 0 },
		{ "no collections", ITS_V, ITS_V, 0, 0 },
		{ "all", ITS_V, ITS_V, ITS_V, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		its_open(&rig, &(struct its_rig_config){ .off = true });
		its_write(rig.its, 0x80, rows[i].cbaser);
		its_write(rig.its, 0x100, rows[i].baser0);
		its_write(rig.its, 0x108, rows[i].baser1);
		its_write32(rig.its, 0, 1);
		check_eq(rows[i].name, its_read32(rig.its, 0), 0x80000000 | rows[i].on);
		its_close(&rig);
	}
}

static void tables_while_enabled(void **state)
{
	static const uint32_t offsets[] = { 0x80, 0x100, 0x108 };

	its_open(&rig, &(struct its_rig_config){ 0 });
	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = its_read(rig.its, offsets[i]);

		its_write(rig.its, offsets[i], 0);
		its_write32(rig.its, offsets[i] + 4, 0);
		assert_int_equal(its_read(rig.its, offsets[i]), before);
	}
	its_close(&rig);
}

static void page_size_3(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .off = true });
	its_write(rig.its, 0x100, 0x300);
	assert_int_equal(its_read(rig.its, 0x100), 0x0107000000000200);
	its_close(&rig);
}

/* 1 page of 64 KiB: 8192 entries; bits 15:12 of the register are bits 51:48 of the address. */
static void pages_of_64k(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS, .off = true });
	its_write(rig.its, 0x100, ITS_RIG_DEVICES | 0x200 | ITS_V);
	its_write(rig.its, 0x108, ITS_RIG_COLL | ITS_V);
	its_write(rig.its, 0x80, ITS_RIG_QUEUE | ITS_V);
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_command(&rig, MAPD(8191, 1, 0)), 0);
	assert_int_equal(its_command(&rig, MAPD(8192, 1, 0)), VIOMMU_ITS_ERROR(8, 1));
	its_write32(rig.its, 0, 0);
	/* level 1 at 2^48 + ...: nothing is there */
	its_write(rig.its, 0x100, ITS_RIG_DEVICES | 0x1200 | RB(62) | ITS_V);
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_command(&rig, MAPD(1, 1, 0)), VIOMMU_ITS_ERROR_MEMORY);
	its_close(&rig);
}

static void lpi_tables_while_enabled(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	its_write(rig.lpis, 0x70, 0);
	assert_int_equal(its_read(rig.lpis, 0x70), ITS_RIG_PROP | 15);
	its_write(rig.lpis, 0x78, 0);
	assert_int_equal(its_read(rig.lpis, 0x78), ITS_RIG_PEND(0));
	its_write32(rig.lpis, 0, 0);
	its_write(rig.lpis, 0x70, 0);
	assert_int_equal(its_read(rig.lpis, 0x70), 0);
	its_close(&rig);
}

/* With VIOMMU_LPIS_NO_GUEST_WRITES EnableLPIs stays. */
static void enable_stays(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .flags = VIOMMU_LPIS_NO_GUEST_WRITES });
	assert_int_equal(its_read32(rig.lpis, 0), 5);
	its_write32(rig.lpis, 0, 0);
	assert_int_equal(its_read32(rig.lpis, 0), 5);
	its_close(&rig);
}

/* GITS_UMSIR has the first message that was not mapped. */
static void unmapped_messages(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .typer = 0x1ef71 | RB(44) });
	assert_int_equal(its_resolve(&rig, 7, 9), ITS_REFUSED(4));
	assert_int_equal(its_read32(rig.its, 0x40), 0); /* not for a route */
	assert_int_equal(its_msi(&rig, 7, 9), ITS_REFUSED(4));
	assert_int_equal(its_read32(rig.its, 0x40), 0x10);
	assert_int_equal(its_read(rig.its, 0x48), UINT64_C(7) << 32 | 9);
	assert_int_equal(its_msi(&rig, 8, 1), ITS_REFUSED(4));
	assert_int_equal(its_read32(rig.its, 0x40), 0x30);
	assert_int_equal(its_read(rig.its, 0x48), UINT64_C(7) << 32 | 9);
	its_write32(rig.its, 0x40, 0x10);
	assert_int_equal(its_read32(rig.its, 0x40), 0x20);
	its_write32(rig.its, 0x40, 0x20);
	assert_int_equal(its_msi(&rig, 8, 1), ITS_REFUSED(4));
	assert_int_equal(its_read(rig.its, 0x48), UINT64_C(8) << 32 | 1);
	/* a VMM that restores it can do what a guest cannot */
	assert_int_equal(viommu_its_set_register(rig.its, 0x40, 0x30), VIOMMU_OK);
	assert_int_equal(viommu_its_set_register(rig.its, 0x40, 0x70), VIOMMU_EINVAL);
	assert_int_equal(viommu_its_set_register(rig.its, 0x48, UINT64_C(6) << 32 | 5), VIOMMU_OK);
	assert_int_equal(its_read32(rig.its, 0x40), 0x30);
	assert_int_equal(its_read(rig.its, 0x48), UINT64_C(6) << 32 | 5);
	its_close(&rig);
}

/* ---- configurations that are refused ---- */

static const struct {
	const char *name;
	uint64_t typer;
	uint32_t lpi_flags;
	int result;
} typers[] = {
	{ "no Physical", 0x1ef70, 0, VIOMMU_ENOTSUP },
	{ "CCT", 0x1ef75, 0, VIOMMU_ENOTSUP },
	{ "bit 3", 0x1ef79, 0, VIOMMU_ENOTSUP },
	{ "SEIS", 0x1ef71 | RB(18), 0, VIOMMU_ENOTSUP },
	{ "bit 20", 0x1ef71 | RB(20), 0, VIOMMU_ENOTSUP },
	{ "MPAM", 0x1ef71 | RB(38), 0, VIOMMU_ENOTSUP },
	{ "nID", 0x1ef71 | RB(43), 0, VIOMMU_ENOTSUP },
	{ "UMSIirq", 0x1ef71 | RB(45), 0, VIOMMU_ENOTSUP },
	{ "bit 47", 0x1ef71 | RB(47), 0, VIOMMU_ENOTSUP },
	{ "17-bit EventIDs", 0x1f071, 0, VIOMMU_ENOTSUP },
	{ "20-bit DeviceIDs", 0x26f71, 0, VIOMMU_OK },
	{ "21-bit DeviceIDs", 0x28f71, 0, VIOMMU_ENOTSUP },
	{ "INV", 0x1ef71 | RB(46), 0, VIOMMU_OK },
	{ "CIDbits without CIL", 0x1ef71 | RB(32), 0, VIOMMU_EINVAL },
	{ "Virtual without V4", 0x1ef73, 0, VIOMMU_EINVAL },
	{ "Virtual", 0x1ef73, 4, VIOMMU_OK },
	{ "VMAPP without V41", 0x1ef73 | RB(40), 4, VIOMMU_EINVAL },
	{ "V41 without VMAPP", 0x1ef73, 12, VIOMMU_EINVAL },
	{ "VSGI without Virtual", 0x1ef71 | RB(39), 12, VIOMMU_EINVAL },
	{ "VSGI", 0x1ef73 | RB(39) | RB(40), 12, VIOMMU_OK },
	{ "physical only beside V41", 0x1ef71, 12, VIOMMU_OK },
	{ "an ITS beside DirectLPI", 0x1ef71, 2, VIOMMU_EINVAL },
};

static void typers_that_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(typers) / sizeof(typers[0]); i++) {
		const struct its_rig_config config = { .off = true,
						       .typer = typers[i].typer,
						       .flags = typers[i].lpi_flags,
						       .vpes = typers[i].lpi_flags & 4 ? 16 : 0 };

		check_eq(typers[i].name, its_try_open(&rig, &config), typers[i].result);
		if (!typers[i].result)
			check_eq(typers[i].name, its_read(rig.its, 8), typers[i].typer);
		its_close(&rig);
	}
}

static void devices_are_refused(void **state)
{
	struct viommu_device_config config = { .size = sizeof(config) };
	struct viommu_device *device;

	its_open(&rig, &(struct its_rig_config){ 0 });
	assert_int_equal(viommu_device_new(rig.its, &config, &device), VIOMMU_ENOTSUP);
	assert_int_equal(viommu_device_new(rig.lpis, &config, &device), VIOMMU_ENOTSUP);
	assert_int_equal(viommu_free(rig.lpis), VIOMMU_EBUSY);
	its_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_register),
		cmocka_unit_test(holes),
		cmocka_unit_test(direct_lpis),
		cmocka_unit_test(behind_the_last),
		cmocka_unit_test(registers_of_the_manual),
		cmocka_unit_test(enabled_needs_tables),
		cmocka_unit_test(tables_while_enabled),
		cmocka_unit_test(page_size_3),
		cmocka_unit_test(pages_of_64k),
		cmocka_unit_test(lpi_tables_while_enabled),
		cmocka_unit_test(enable_stays),
		cmocka_unit_test(unmapped_messages),
		cmocka_unit_test(typers_that_are_refused),
		cmocka_unit_test(devices_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
