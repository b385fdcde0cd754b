/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_translate.c - AMD-Vi: device table entries and tables (48882, 2.2.2 to 2.2.6): what each comes to, and the
 * event that a refusal leaves, field by field.
 */
#include "check.h"

#include <stdio.h>

#include "amdvi_rig.h"

#define ID	0x13U
#define DOMAIN	7U
#define IOVA	UINT64_C(0x1000)
#define TARGET	UINT64_C(0x40001000)
#define R	VIOMMU_READ
#define W	VIOMMU_WRITE
#define LEVELS	4U
#define NEXT(n) ((uint64_t)(n) << 9)

/* Events, in numbers: code, flags of the upper half, and who. */
#define ILLEGAL	    (UINT64_C(1) << 60 | ID)
#define FAULT	    (UINT64_C(2) << 60 | UINT64_C(7) << 32 | ID)
#define DTE_ERROR   (UINT64_C(3) << 60 | ID)
#define TABLE_ERROR (UINT64_C(4) << 60 | UINT64_C(7) << 32 | ID)
#define INVALID	    (UINT64_C(8) << 60 | ID)
#define F_PR	    (UINT64_C(1) << 52)
#define F_RW	    (UINT64_C(1) << 53)
#define F_PE	    (UINT64_C(1) << 54)
#define F_RZ	    (UINT64_C(1) << 55)
#define F_TYPE(n)   ((uint64_t)(n) << 57)
#define NONE	    0

/* What is at IOVA, and below; by level, 1 the lowest. */
struct row {
	const char *name;
	uint64_t dte[2];   /* changed bits of the words of a valid entry */
	uint64_t entry[4]; /* changed bits of the entries of levels 1 to 4 */
	unsigned access;
	uint64_t iova; /* 0: IOVA */
	int result;
	uint64_t event;	  /* NONE: none */
	uint64_t address; /* of the event; 0: the request's */
};

#define OK VIOMMU_OK
#define NO VIOMMU_FAULT
#define PLAIN                                                                                      \
	{                                                                                          \
		0, 0                                                                               \
	}
#define TABLES                                                                                     \
	{                                                                                          \
		0, 0, 0, 0                                                                         \
	}

static const struct row rows[] = {
	{ "2.2.2 V, TV, Mode 4: translated", PLAIN, TABLES, R, 0, OK, NONE, 0 },
	{ "2.2.2 write", PLAIN, TABLES, W, 0, OK, NONE, 0 },
	{ "2.2.2 reserved bit 2", { 1 << 2, 0 }, TABLES, R, 0, NO, ILLEGAL | F_RZ, 0 },
	{ "2.2.2 reserved bit 6", { 1 << 6, 0 }, TABLES, W, 0, NO, ILLEGAL | F_RZ | F_RW, 0 },
	{ "2.2.2 reserved bit 63", { UINT64_C(1) << 63, 0 }, TABLES, R, 0, NO, ILLEGAL | F_RZ, 0 },
	{ "2.2.2 HAD 2",
	  { AMD_DTE_HAD & (UINT64_C(1) << 8), 0 },
	  TABLES,
	  R,
	  0,
	  NO,
	  ILLEGAL | F_RZ,
	  0 },
	{ "2.2.2 SATS without EFR.SATS", { 0, AMD_DTE_SATS }, TABLES, R, 0, NO, ILLEGAL | F_RZ, 0 },
	{ "2.2.2 TV = 0", { AMD_DTE_TV, 0 }, TABLES, R, 0, NO, FAULT, 0 },
	{ "2.2.2 TV = 0, write", { AMD_DTE_TV, 0 }, TABLES, W, 0, NO, FAULT | F_RW, 0 },
	{ "2.2.2 Mode 7", { AMD_DTE_MODE & ~NEXT(4), 0 }, TABLES, R, 0, NO, ILLEGAL, 0 },
	{ "2.2.2 IR = 0", { AMD_DTE_IR, 0 }, TABLES, R, 0, NO, FAULT | F_PR | F_PE, 0 },
	{ "2.2.2 IR = 0, write", { AMD_DTE_IR, 0 }, TABLES, W, 0, OK, NONE, 0 },
	{ "2.2.2 IW = 0", { AMD_DTE_IW, 0 }, TABLES, W, 0, NO, FAULT | F_PR | F_PE | F_RW, 0 },
	{ "2.2.3 address beyond Mode", PLAIN, TABLES, R, UINT64_C(1) << 48, NO, FAULT, 0 },
	{ "2.2.3 last address of Mode", PLAIN, TABLES, R, (UINT64_C(1) << 48) - 1, NO, FAULT, 0 },
	{ "2.2.3 PR = 0", PLAIN, { 1, 0, 0, 0 }, R, 0, NO, FAULT, 0 },
	{ "2.2.3 PR = 0, level 3", PLAIN, { 0, 0, 1, 0 }, W, 0, NO, FAULT | F_RW, 0 },
	{ "2.2.3 IW = 0", PLAIN, { AMD_DTE_IW, 0, 0, 0 }, W, 0, NO, FAULT | F_PR | F_PE | F_RW, 0 },
	{ "2.2.3 IW = 0, read", PLAIN, { AMD_DTE_IW, 0, 0, 0 }, R, 0, OK, NONE, 0 },
	{ "2.2.3 IR = 0 above", PLAIN, { 0, AMD_DTE_IR, 0, 0 }, R, 0, NO, FAULT | F_PR | F_PE, 0 },
	{ "2.2.3 IW = 0 at the top",
	  PLAIN,
	  { 0, 0, 0, AMD_DTE_IW },
	  W,
	  0,
	  NO,
	  FAULT | F_PR | F_PE | F_RW,
	  0 },
	{ "2.2.3 permission before what is below",
	  PLAIN,
	  { 1, AMD_DTE_IW, 0, 0 },
	  W,
	  0,
	  NO,
	  FAULT | F_PR | F_PE | F_RW,
	  0 },
	{ "2.2.3 permission before reserved bits",
	  PLAIN,
	  { AMD_DTE_IW | UINT64_C(1) << 52, 0, 0, 0 },
	  W,
	  0,
	  NO,
	  FAULT | F_PR | F_PE | F_RW,
	  0 },
	{ "2.2.3 reserved bit 52 of a page",
	  PLAIN,
	  { UINT64_C(1) << 52, 0, 0, 0 },
	  R,
	  0,
	  NO,
	  FAULT | F_PR | F_RZ,
	  0 },
	{ "2.2.3 reserved bit 58 of a page",
	  PLAIN,
	  { UINT64_C(1) << 58, 0, 0, 0 },
	  R,
	  0,
	  NO,
	  FAULT | F_PR | F_RZ,
	  0 },
	{ "2.2.3 U and FC of a page", PLAIN, { UINT64_C(3) << 59, 0, 0, 0 }, R, 0, OK, NONE, 0 },
	{ "2.2.3 ignored bits of a page",
	  PLAIN,
	  { UINT64_C(1) << 63 | 0x1fe, 0, 0, 0 },
	  R,
	  0,
	  OK,
	  NONE,
	  0 },
	{ "2.2.3 FC of a table is reserved",
	  PLAIN,
	  { 0, UINT64_C(1) << 60, 0, 0 },
	  R,
	  0,
	  NO,
	  FAULT | F_PR | F_RZ,
	  0 },
	{ "2.2.3 U of a table is reserved",
	  PLAIN,
	  { 0, 0, UINT64_C(1) << 59, 0 },
	  R,
	  0,
	  NO,
	  FAULT | F_PR | F_RZ,
	  0 },
	{ "2.2.3 level 1 with NextLevel 1",
	  PLAIN,
	  { NEXT(1), 0, 0, 0 },
	  R,
	  0,
	  NO,
	  FAULT | F_PR,
	  0 },
	{ "2.2.3 level 1 with NextLevel 6",
	  PLAIN,
	  { NEXT(6), 0, 0, 0 },
	  R,
	  0,
	  NO,
	  FAULT | F_PR,
	  0 },
	{ "2.2.3 NextLevel of its own",
	  PLAIN,
	  { 0, 0, NEXT(2 ^ 3), 0 },
	  R,
	  0,
	  NO,
	  FAULT | F_PR,
	  0 },
	{ "2.2.3 NextLevel above", PLAIN, { 0, 0, NEXT(2 ^ 5), 0 }, R, 0, NO, FAULT | F_PR, 0 },
	{ "2.2.3 NextLevel 7, size not above the level's",
	  PLAIN,
	  { 0, NEXT(1 ^ 7), 0, 0 },
	  R,
	  0,
	  NO,
	  FAULT | F_PR,
	  0 },
	{ "2.1.4 read of the interrupt range", PLAIN, TABLES, R, 0xfee00000, NO, INVALID, 0 },
	{ "2.1.4 write to the interrupt range", PLAIN, TABLES, W, 0xfeefffff, VIOMMU_INTERRUPT,
	  NONE, 0 },
	{ "2.2.2 SA: no page fault is logged",
	  { AMD_DTE_TV, AMD_DTE_SA },
	  TABLES,
	  R,
	  0,
	  NO,
	  NONE,
	  0 },
	{ "2.2.2 SA: an illegal entry is", { 4, AMD_DTE_SA }, TABLES, R, 0, NO, ILLEGAL | F_RZ, 0 },
};

static void build(struct amdvi_rig *r, const struct row *row)
{
	uint64_t root = guest_table(&r->g);

	ar_map(r, root, LEVELS, IOVA, TARGET, 1, AR_RW);
	ar_dte(r, ID, AR_V1(root, LEVELS) ^ row->dte[0], DOMAIN ^ row->dte[1], 0);
	/* from the bottom: the way down is still there */
	for (unsigned level = 1; level <= LEVELS; level++) {
		uint64_t at = ar_entry(r, root, LEVELS, IOVA, level);

		guest_put64(&r->g, at, guest_get64(&r->g, at) ^ row->entry[level - 1]);
	}
}

static void check_event(struct amdvi_rig *r, const struct row *row, uint64_t iova)
{
	struct ar_event event;
	uint64_t address = row->address ? row->address : iova;

	check_eq(row->name, ar_event(r, &event), row->event != NONE);
	if (row->event == NONE)
		return;
	check_eq(row->name, event.w[0], row->event);
	check_eq(row->name, event.w[1], row->event >> 60 == 1 ? address & ~UINT64_C(3) : address);
	check_that(row->name, !ar_event(r, &event));
}

/* Cold, and warm: a request of the other kind may have been cached before. */
static void test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		uint64_t iova = row->iova ? row->iova : IOVA + 0x123;
		struct viommu_device *device;
		struct amdvi_rig r;

		ar_open(&r, &(struct amdvi_rig_config){ 0 });
		build(&r, row);
		device = guest_device(&r.g, ID);
		for (unsigned again = 0; again < 2; again++) {
			struct guest_dma d = guest_dma(device, iova, row->access);

			check_eq(row->name, d.result, row->result);
			if (d.result == VIOMMU_OK)
				check_eq(row->name, d.f.gpa, TARGET + (iova - IOVA));
			check_event(&r, row, iova);
			d = guest_dma(device, iova, row->access | VIOMMU_QUIET);
			check_eq(row->name, d.result, row->result);
			guest_dma(device, iova, row->access ^ (R | W));
			ar_take_events(&r);
		}
		ar_close(&r);
	}
}

/* ---- tables by shape ---- */

static struct guest_dma one(struct amdvi_rig *r, uint64_t iova, unsigned access)
{
	struct viommu_device *device;

	if (viommu_find_device(r->g.iommu, ID, &device) != VIOMMU_OK)
		device = guest_device(&r->g, ID);
	return guest_dma(device, iova, access);
}

/* 2.2.3: natural sizes, at each level, and one more page below the top. */
static void test_natural_sizes(void **state)
{
	static const struct {
		unsigned mode, level;
		int result;
	} shapes[] = { { 1, 1, OK }, { 2, 1, OK }, { 2, 2, OK }, { 3, 3, OK }, { 4, 4, OK },
		       { 5, 5, OK }, { 6, 1, OK }, { 6, 5, OK }, { 6, 6, NO } };

	(void)state;
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		uint64_t size = UINT64_C(1) << (3 + 9 * shapes[i].level);
		uint64_t gpa = (UINT64_C(1) << 51) - size;
		struct ar_event event;
		struct amdvi_rig r;
		struct guest_dma d;
		char name[64];
		uint64_t root;

		snprintf(name, sizeof(name), "Mode %u, page at level %u", shapes[i].mode,
			 shapes[i].level);
		ar_open(&r, &(struct amdvi_rig_config){ 0 });
		root = guest_table(&r.g);
		ar_dte(&r, ID, AR_V1(root, shapes[i].mode), DOMAIN, 0);
		ar_map(&r, root, shapes[i].mode, size, gpa & AMD_DTE_ROOT, shapes[i].level, AR_RW);
		d = one(&r, size, R);
		check_eq(name, d.result, shapes[i].result);
		if (d.result == OK) {
			check_eq(name, d.f.gpa, gpa & AMD_DTE_ROOT);
			check_eq(name, one(&r, 2 * size - 1, W).f.gpa,
				 (gpa & AMD_DTE_ROOT) + size - 1);
			check_eq(name, one(&r, size - 1, R).result, NO);
		} else {
			check_that(name, ar_event(&r, &event));
			check_eq(name, event.w[0], FAULT | F_PR);
		}
		ar_close(&r);
	}
}

/* 2.2.3: NextLevel 7: the lowest 0 of the address says the size; it must be between the levels'. */
static void test_sizes_in_the_address(void **state)
{
	(void)state;
	for (unsigned level = 1; level <= 6; level++) {
		for (unsigned lg2 = 13; lg2 <= 52; lg2++) {
			unsigned natural = 3 + 9 * level;
			bool ok = level < 6 && lg2 > natural && lg2 < natural + 9 && lg2 <= 51;
			uint64_t ones = ((UINT64_C(1) << (lg2 - 1)) - 1) & ~UINT64_C(0xfff);
			uint64_t gpa = lg2 < 51 ? UINT64_C(1) << lg2 : 0;
			struct amdvi_rig r;
			struct guest_dma d;
			char name[64];
			uint64_t root;

			if (lg2 == 52) /* all ones */
				ones = AMD_DTE_ROOT;
			snprintf(name, sizeof(name), "size %u at level %u", lg2, level);
			ar_open(&r, &(struct amdvi_rig_config){ 0 });
			root = guest_table(&r.g);
			ar_dte(&r, ID, AR_V1(root, 6), DOMAIN, 0);
			ar_map(&r, root, 6, 0, gpa | ones, level, AR_RW | NEXT(7));
			d = one(&r, 0x123, R);
			check_eq(name, d.result, ok ? OK : NO);
			if (ok)
				check_eq(name, d.f.gpa, gpa | 0x123);
			ar_close(&r);
		}
	}
}

/* 2.2.3: an entry may pass over levels whose bits of the address are 0. */
static void test_levels_passed_over(void **state)
{
	struct ar_event event;
	struct amdvi_rig r;
	uint64_t root, low;

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ 0 });
	root = guest_table(&r.g);
	low = guest_table(&r.g);
	ar_dte(&r, ID, AR_V1(root, 4), DOMAIN, 0);
	guest_put64(&r.g, root + 8, low | AR_RW | NEXT(1) | 1); /* 4 to 1 */
	guest_put64(&r.g, low + 8, TARGET | AR_RW | 1);
	assert_int_equal(one(&r, (UINT64_C(1) << 39) + IOVA, R).f.gpa, TARGET);
	assert_int_equal(ar_take_events(&r), 0);
	/* bit 21 is of level 2, bit 38 of level 3 */
	for (unsigned bit = 21; bit < 39; bit++) {
		uint64_t iova = (UINT64_C(1) << 39) + (UINT64_C(1) << bit) + IOVA;

		assert_int_equal(one(&r, iova, R).result, NO);
		assert_true(ar_event(&r, &event));
		assert_int_equal(event.w[0], FAULT | F_PR);
		assert_int_equal(event.w[1], iova);
	}
	ar_close(&r);
}

/* 2.2.2.1: Mode 0: identity, with IR and IW. */
static void test_mode_0(void **state)
{
	struct ar_event event;
	struct amdvi_rig r;

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ 0 });
	ar_dte(&r, ID, AR_VALID & ~AMD_DTE_IW, DOMAIN, 0);
	assert_int_equal(one(&r, 0x12345678, R).f.gpa, 0x12345678);
	assert_int_equal(one(&r, 0x12345678, W).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], FAULT | F_PR | F_PE | F_RW);
	assert_int_equal(event.w[1], 0x12345678);
	/* V = 0: forwarded with all rights; nothing else of the entry is looked at */
	ar_dte(&r, ID, (AR_VALID & ~AMD_DTE_V & ~AR_RW) | AMD_DTE_RSVD_63, DOMAIN, 0);
	ar_command(&r, AR_DEVTAB(ID), 0);
	ar_sync(&r);
	assert_int_equal(one(&r, 0x12345678, W).f.gpa, 0x12345678);
	assert_int_equal(one(&r, UINT64_MAX, R).f.gpa, UINT64_MAX);
	assert_int_equal(ar_take_events(&r), 0);
	ar_close(&r);
}

/* 3.4.1, 3.4.11: what the table does not have; what cannot be read. */
static void test_device_table(void **state)
{
	struct viommu_device *beyond;
	struct ar_event event;
	struct amdvi_rig r;

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ 0 });
	beyond = guest_device(&r.g, 128);
	assert_int_equal(guest_dma(beyond, IOVA, W).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(1) << 60 | F_RW | 128);
	assert_int_equal(event.w[1], IOVA);
	ar_write(&r, AMD_DEV_TABLE, 8, UINT64_C(0x7fff0000000));
	assert_int_equal(one(&r, IOVA, R).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], DTE_ERROR | F_TYPE(2));
	assert_int_equal(event.w[1], UINT64_C(0x7fff0000000) + ID * 32);
	ar_close(&r);
}

/* 3.4.11: DevTblSegEn: segments of their own sizes. */
static void test_segments(void **state)
{
	static const uint32_t ids[] = { 0x0005, 0x2005, 0x4005, 0xe005 };
	struct amdvi_rig r;
	uint64_t root;

	(void)state;
	for (unsigned en = 0; en < 4; en++) {
		ar_open(&r, &(struct amdvi_rig_config){ .efr = AR_EFR_ALL,
							.control = (uint64_t)en << 34 });
		root = guest_table(&r.g);
		ar_map(&r, root, LEVELS, IOVA, TARGET, 1, AR_RW);
		for (unsigned i = 0; i < 4; i++) {
			unsigned segment = ids[i] >> (16 - en);
			struct viommu_device *device = guest_device(&r.g, ids[i]);
			bool there = (ids[i] & (0xffffU >> en)) < 128;
			struct guest_dma d;

			if (segment)
				ar_write(&r, AMD_DEV_SEGMENT + 8 * (segment - 1), 8, r.table);
			if (there)
				ar_dte(&r, ids[i] & (0xffffU >> en), AR_V1(root, LEVELS), DOMAIN,
				       0);
			d = guest_dma(device, IOVA, R);
			check_eq("segment", d.result, there ? OK : NO);
		}
		ar_close(&r);
	}
}

/* 2.2.4: the exclusion range is forwarded as it is, for all or for those with EX; nothing else is. */
static void test_exclusion(void **state)
{
	struct amdvi_rig r;

	(void)state;
	for (unsigned way = 0; way < 4; way++) { /* bit 0: Allow, bit 1: EX */
		bool open = way != 0;

		ar_open(&r, &(struct amdvi_rig_config){ 0 });
		ar_dte(&r, ID, AR_VALID & ~AMD_DTE_TV, DOMAIN | (way & 2 ? AMD_DTE_EX : 0), 0);
		ar_write(&r, AMD_EXCL_LIMIT, 8, 0x203000);
		ar_write(&r, AMD_EXCL_BASE, 8, 0x201000 | (way & 1 ? 2 : 0) | 1);
		check_eq("below", one(&r, 0x200fff, R).result, NO);
		check_eq("first", one(&r, 0x201000, W).result, open ? OK : NO);
		check_eq("last", one(&r, 0x203fff, R).result, open ? OK : NO);
		check_eq("above", one(&r, 0x204000, R).result, NO);
		ar_take_events(&r);
		ar_write(&r, AMD_EXCL_BASE, 8, 0x201000);
		check_eq("off", one(&r, 0x201000, W).result, NO);
		ar_close(&r);
	}
}

/* 2.1.4: HyperTransport addresses, where there are some. */
static void test_hypertransport(void **state)
{
	static const struct {
		const char *name;
		uint64_t iova, w1;
		unsigned access;
		int result;
		unsigned type;
	} ht[] = {
		{ "interrupts, write", 0xfdf8000000, 0, W, NO, 5 },
		{ "interrupts, read", 0xfd00000000, 0, R, NO, 0 },
		{ "reserved", 0xfdf9000000, 0, W, NO, 6 },
		{ "system management, abort", 0xfdf9100000, 0, W, NO, 3 },
		{ "system management, messages", 0xfdf9100000, UINT64_C(1) << 40, W, OK, 0 },
		{ "system management, read", 0xfdf91fffff, UINT64_C(1) << 40, R, NO, 4 },
		{ "port I/O, abort", 0xfdfc000000, 0, R, NO, 2 },
		{ "port I/O, forward", 0xfdfdffffff, UINT64_C(1) << 35, R, OK, 0 },
		{ "configuration", 0xfdfe000000, 0, R, NO, 6 },
		{ "last", 0xffffffffff, 0, R, NO, 6 },
		{ "behind", 0x10000000000, 0, R, OK, 0 },
		{ "before", 0xfcffffffff, 0, R, OK, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(ht) / sizeof(ht[0]); i++) {
		struct ar_event event;
		struct amdvi_rig r;
		struct guest_dma d;

		ar_open(&r, &(struct amdvi_rig_config){ .efr = viommu_amdvi_default_efr() });
		ar_dte(&r, ID, AR_VALID, DOMAIN | ht[i].w1, 0);
		one(&r, 0xfc00000000, R); /* a block around it */
		d = one(&r, ht[i].iova, ht[i].access);
		check_eq(ht[i].name, d.result, ht[i].result);
		check_eq(ht[i].name, ar_event(&r, &event), ht[i].result == NO);
		if (d.result == OK)
			check_eq(ht[i].name, d.f.gpa, ht[i].iova);
		else
			check_eq(ht[i].name, event.w[0], INVALID | F_TYPE(ht[i].type));
		ar_close(&r);
	}
}

/* 2.2.3, HAD: accessed in all entries, dirty in the page's on a write; a write after a cached read too. */
static void test_accessed_and_dirty(void **state)
{
	(void)state;
	for (unsigned had = 0; had < 4; had++) {
		for (unsigned update = 0; update < 4; update++) {
			unsigned both = had & update;
			uint64_t a = both & 1 ? 0x20 : 0;
			uint64_t d = both == 3 ? 0x40 : 0;
			uint64_t root, leaf, above;
			struct amdvi_rig r;

			if (had == 2 || update == 2)
				continue;
			ar_open(&r, &(struct amdvi_rig_config){
					    .efr = AR_EFR_ALL, .control = (uint64_t)update << 46 });
			root = guest_table(&r.g);
			ar_map(&r, root, LEVELS, IOVA, TARGET, 1, AR_RW);
			leaf = ar_entry(&r, root, LEVELS, IOVA, 1);
			above = ar_entry(&r, root, LEVELS, IOVA, 2);
			ar_dte(&r, ID, AR_V1(root, LEVELS) | (uint64_t)had << 7, DOMAIN, 0);
			assert_int_equal(one(&r, IOVA, R | VIOMMU_QUIET).result, OK);
			check_eq("quiet", guest_get64(&r.g, leaf) & 0x60, 0);
			assert_int_equal(one(&r, IOVA, R).result, OK);
			check_eq("read", guest_get64(&r.g, leaf) & 0x60, a);
			check_eq("read, above", guest_get64(&r.g, above) & 0x60, a);
			assert_int_equal(one(&r, IOVA, W).result, OK);
			check_eq("write", guest_get64(&r.g, leaf) & 0x60, a | d);
			check_eq("write, above", guest_get64(&r.g, above) & 0x60, a);
			ar_close(&r);
		}
	}
}

/* SE: one page fault, until the entry is invalidated. */
static void test_suppressed(void **state)
{
	struct amdvi_rig r;

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ 0 });
	ar_dte(&r, ID, AR_VALID & ~AMD_DTE_TV, DOMAIN | AMD_DTE_SE, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(one(&r, IOVA, R).result, NO);
	assert_int_equal(ar_take_events(&r), 1);
	ar_command(&r, AR_DEVTAB(ID), 0);
	ar_sync(&r);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(one(&r, IOVA, R).result, NO);
	assert_int_equal(ar_take_events(&r), 1);
	ar_close(&r);
}

/* IommuEn = 0: forwarded, and nothing logged. */
static void test_off(void **state)
{
	struct amdvi_rig r;

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ .off = true });
	assert_int_equal(one(&r, 0x1234, W).f.gpa, 0x1234);
	assert_int_equal(one(&r, 0xfee00000, W).result, VIOMMU_INTERRUPT);
	ar_close(&r);
}

/* A table that cannot be read. */
static void test_unreadable(void **state)
{
	struct ar_event event;
	struct amdvi_rig r;

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ .efr = AR_EFR_ALL });
	ar_dte(&r, ID, AR_V1(UINT64_C(0x7fff0000000), LEVELS), DOMAIN, 0);
	assert_int_equal(one(&r, IOVA, R).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], TABLE_ERROR | F_TYPE(2));
	assert_int_equal(event.w[1], 0x7fff0000000);
	/* 3.4.6: shown in registers, too, the first of them */
	assert_int_equal(ar_read(&r, AMD_HE_UPPER, 8), event.w[0]);
	assert_int_equal(ar_read(&r, AMD_HE_LOWER, 8), event.w[1]);
	assert_int_equal(ar_read(&r, AMD_HE_STATUS, 8), 1);
	one(&r, IOVA + (UINT64_C(1) << 39), W);
	assert_int_equal(ar_read(&r, AMD_HE_STATUS, 8), 3);
	assert_int_equal(ar_read(&r, AMD_HE_UPPER, 8), event.w[0]);
	ar_write(&r, AMD_HE_STATUS, 8, 3);
	assert_int_equal(ar_read(&r, AMD_HE_STATUS, 8), 0);
	ar_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_natural_sizes),
		cmocka_unit_test(test_sizes_in_the_address),
		cmocka_unit_test(test_levels_passed_over),
		cmocka_unit_test(test_mode_0),
		cmocka_unit_test(test_device_table),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_exclusion),
		cmocka_unit_test(test_hypertransport),
		cmocka_unit_test(test_accessed_and_dirty),
		cmocka_unit_test(test_suppressed),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
