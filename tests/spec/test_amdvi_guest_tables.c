/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_guest_tables.c - AMD-Vi guest tables (48882, 2.2.6): GCR3 tables, v2 tables, nested, what invalidations of
 * each take away, and translation requests (2.1.3).
 */
#include "check.h"

#include "amdvi_rig.h"

#define ID     0x13U
#define DOMAIN 7U
#define PASID  5U
#define IOVA   UINT64_C(0x1000)
#define TARGET UINT64_C(0x40001000)
#define LEVELS 4U
#define OK     VIOMMU_OK
#define NO     VIOMMU_FAULT
#define R      VIOMMU_READ
#define W      VIOMMU_WRITE
#define X      VIOMMU_EXEC
#define P      VIOMMU_PRIV
#define B(n)   (UINT64_C(1) << (n))

/* Events, in numbers: GN, and US of a request that is not privileged. */
#define FAULT (UINT64_C(2) << 60 | B(48) | B(50) | UINT64_C(5) << 32 | ID)
#define TABLE (UINT64_C(4) << 60 | UINT64_C(2) << 57 | B(48) | UINT64_C(5) << 32 | ID)
#define US    B(50)
#define NX    B(49)
#define PR    B(52)
#define RW    B(53)
#define PE    B(54)
#define RZ    B(55)

static struct amdvi_rig r;
static uint64_t gcr3, root;
static struct viommu_device *device;

struct shape {
	uint64_t efr, control, dte0, dte1, dte2;
};

/* A PASID with tables of 4 levels, which map IOVA to TARGET. */
static void open_rig(const struct shape *s)
{
	ar_open(&r, &(struct amdvi_rig_config){ .efr = s->efr ? s->efr : AR_EFR_ALL,
						.efr2 = viommu_amdvi_default_efr2(),
						.control = AMD_CTRL_GT_EN | s->control });
	gcr3 = guest_table(&r.g);
	root = guest_table(&r.g);
	guest_put64(&r.g, gcr3 + PASID * 8, root | 1);
	guest_fs_map(&r.g, root, LEVELS, IOVA, TARGET, 12, GUEST_FS);
	ar_dte(&r, ID, AR_VALID | AR_GCR3_0(gcr3) | s->dte0,
	       AR_GCR3_1(gcr3) | DOMAIN | AMD_DTE_I | s->dte1, s->dte2);
	device = guest_device(&r.g, ID);
}

static uint64_t leaf(uint64_t iova)
{
	return guest_entry(&r.g, root, LEVELS, iova, 0, GUEST_FS);
}

static void flip(unsigned level, uint64_t bits)
{
	uint64_t at = guest_entry(&r.g, root, LEVELS, IOVA, level, GUEST_FS);

	guest_put64(&r.g, at, guest_get64(&r.g, at) ^ bits);
}

/* ---- v2 entries ---- */

static const struct {
	const char *name;
	unsigned level;
	uint64_t bits; /* changed in the entry of that level */
	unsigned access;
	int result;
	uint64_t event;
} rows[] = {
	{ "read", 0, 0, R, OK, 0 },
	{ "write", 0, 0, W, OK, 0 },
	{ "execute", 0, 0, R | X, OK, 0 },
	{ "P = 0", 0, 1, R, NO, FAULT },
	{ "P = 0 above, write", 2, 1, W, NO, FAULT | RW },
	{ "RW = 0", 0, 2, W, NO, FAULT | PR | PE | RW },
	{ "RW = 0, read", 0, 2, R, OK, 0 },
	{ "RW = 0 at the top", 3, 2, W, NO, FAULT | PR | PE | RW },
	{ "RW = 0, supervisor", 0, 2, W | P, NO, (FAULT & ~US) | PR | PE | RW },
	{ "US = 0, user", 0, 4, R, NO, FAULT | PR | PE },
	{ "US = 0, supervisor", 0, 4, R | P, OK, 0 },
	{ "US = 0 above, user", 3, 4, R, NO, FAULT | PR | PE },
	{ "NX", 0, B(63), R | X, NO, FAULT | PR | PE | NX },
	{ "NX above", 2, B(63), R | X, NO, FAULT | PR | PE | NX },
	{ "NX, read", 0, B(63), R, OK, 0 },
	{ "PS of a level-4 entry is reserved", 3, 0x80, R, NO, FAULT | PR | RZ },
};

static void test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ar_event event;

		open_rig(&(struct shape){ 0 });
		flip(rows[i].level, rows[i].bits);
		for (unsigned again = 0; again < 2; again++) {
			struct guest_dma d =
				guest_dma_pasid(device, PASID, IOVA + 8, rows[i].access);

			check_eq(rows[i].name, d.result, rows[i].result);
			check_eq(rows[i].name, ar_event(&r, &event), rows[i].event != 0);
			check_eq(rows[i].name, event.w[0], rows[i].event);
			check_eq(rows[i].name, event.w[1], rows[i].event ? IOVA + 8 : 0);
			if (d.result == OK)
				check_eq(rows[i].name, d.f.gpa, TARGET + 8);
			guest_dma_pasid(device, PASID, IOVA, rows[i].access ^ (R | W));
			ar_take_events(&r);
		}
		ar_close(&r);
	}
}

/* Without EFR.NX bit 63 is ignored; without EFR.US everyone is a user. */
static void test_without_features(void **state)
{
	(void)state;
	open_rig(&(struct shape){ .efr = AR_EFR_ALL & ~AMD_EFR_NX });
	flip(0, B(63));
	assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R | X).result, OK);
	ar_close(&r);
	open_rig(&(struct shape){ .efr = AR_EFR_ALL & ~AMD_EFR_US });
	flip(0, 4);
	assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R | P).result, NO);
	ar_close(&r);
}

/* Superpages, 5 levels, canonical addresses. */
static void test_geometry(void **state)
{
	(void)state;
	for (unsigned five = 0; five < 2; five++) {
		uint64_t top = five ? UINT64_C(0xff00000000000000) : UINT64_C(0xffff800000000000);
		uint64_t hole = five ? UINT64_C(1) << 56 : UINT64_C(1) << 47;
		struct ar_event event;

		open_rig(&(struct shape){ .dte2 = (uint64_t)five << 54 });
		root = guest_table(&r.g);
		guest_put64(&r.g, gcr3 + PASID * 8, root | 1);
		guest_fs_map(&r.g, root, 4 + five, 0x40000000, 0x80000000, 30, GUEST_FS);
		guest_fs_map(&r.g, root, 4 + five, 0x200000, 0x600000, 21, GUEST_FS);
		guest_fs_map(&r.g, root, 4 + five, top, TARGET, 12, GUEST_FS);
		assert_int_equal(guest_dma_pasid(device, PASID, 0x7fffffff, R).f.gpa, 0xbfffffff);
		assert_int_equal(guest_dma_pasid(device, PASID, 0x3fffff, W).f.gpa, 0x7fffff);
		assert_int_equal(guest_dma_pasid(device, PASID, top, R).f.gpa, TARGET);
		assert_int_equal(ar_take_events(&r), 0);
		assert_int_equal(guest_dma_pasid(device, PASID, hole, R).result, NO);
		assert_true(ar_event(&r, &event));
		assert_int_equal(event.w[0], FAULT);
		assert_int_equal(event.w[1], hole);
		ar_close(&r);
	}
}

/* A is set on use, D on a write; GAUpdateDis and GDUpdateDis leave them alone, and hits are hits all the same. */
static void test_accessed_and_dirty(void **state)
{
	(void)state;
	for (unsigned off = 0; off < 4; off++) {
		uint64_t a = off & 1 ? 0 : 0x20;
		uint64_t d = off & 2 ? 0 : 0x40;

		open_rig(&(struct shape){ .control = (off & 1 ? AMD_CTRL_GA_UPDATE_DIS : 0) |
						     (off & 2 ? AMD_CTRL_GD_UPDATE_DIS : 0) });
		guest_dma_pasid(device, PASID, IOVA, R);
		check_eq("read", guest_get64(&r.g, leaf(IOVA)) & 0x60, a);
		guest_dma_pasid(device, PASID, IOVA, W);
		check_eq("write", guest_get64(&r.g, leaf(IOVA)) & 0x60, a | d);
		assert_int_equal(guest_dma_pasid(device, PASID, IOVA, W).f.gpa, TARGET);
		ar_close(&r);
	}
}

/* ---- GCR3 tables ---- */

static void test_gcr3(void **state)
{
	static const struct {
		const char *name;
		unsigned glx;
		uint32_t pasid;
		bool there;
	} shapes[] = {
		{ "one level", 0, 511, true },	      { "beyond one level", 0, 512, false },
		{ "two levels", 1, 0x3ffff, true },   { "beyond two levels", 1, 0x40000, false },
		{ "three levels", 2, 0xfffff, true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct ar_event event;
		struct guest_dma d;
		uint64_t at;

		open_rig(&(struct shape){ .dte0 = (uint64_t)shapes[i].glx << 56 });
		at = gcr3;
		for (unsigned level = shapes[i].glx; level; level--) {
			uint64_t next = guest_table(&r.g);

			guest_put64(&r.g, at + (shapes[i].pasid >> (9 * level) & 511) * 8,
				    next | 1);
			at = next;
		}
		guest_put64(&r.g, at + (shapes[i].pasid & 511) * 8, root | 1);
		d = guest_dma_pasid(device, shapes[i].pasid, IOVA, R);
		check_eq(shapes[i].name, d.result, shapes[i].there ? OK : NO);
		check_eq(shapes[i].name, ar_event(&r, &event), !shapes[i].there);
		if (!shapes[i].there)
			check_eq(shapes[i].name, event.w[0],
				 UINT64_C(2) << 60 | B(48) | US |
					 (uint64_t)(shapes[i].pasid & 0xffff) << 32 |
					 (shapes[i].pasid & 0xf0000) | ID);
		/* not there: another PASID */
		check_eq(shapes[i].name,
			 guest_dma_pasid(device, shapes[i].pasid ^ 1, IOVA, R).result, NO);
		ar_close(&r);
	}
}

static void test_gcr3_refused(void **state)
{
	struct ar_event event;

	(void)state;
	open_rig(
		&(struct shape){ .efr = AR_EFR_ALL & ~(AMD_EFR_PASMAX & ~(UINT64_C(7) << 32)), 0 });
	assert_int_equal(guest_dma_pasid(device, 256, IOVA, R).result, NO); /* PASMax 7: 8 bits */
	assert_true(ar_event(&r, &event));
	ar_close(&r);

	open_rig(&(struct shape){ 0 });
	guest_put64(&r.g, gcr3 + PASID * 8, root);
	assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], FAULT);
	guest_put64(&r.g, gcr3 + PASID * 8, root | 3);
	assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], FAULT | PR | RZ);
	guest_put64(&r.g, gcr3 + PASID * 8, UINT64_C(0x7fff0000001));
	assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], TABLE);
	assert_int_equal(event.w[1], 0x7fff0000000);
	/* the GCR3 table itself */
	ar_dte(&r, ID, AR_VALID | AR_GCR3_0(UINT64_C(0x7fff0000000)),
	       AR_GCR3_1(UINT64_C(0x7fff0000000)) | DOMAIN, 0);
	ar_command(&r, AR_DEVTAB(ID), 0);
	ar_sync(&r);
	assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], TABLE);
	assert_int_equal(event.w[1], 0x7fff0000020); /* PASID 5: in the same 16 bytes */
	ar_close(&r);
}

/* GIOV: requests without PASID use PASID 0; otherwise host tables, or none. GTEn = 0: no guest tables. */
static void test_giov(void **state)
{
	(void)state;
	for (unsigned giov = 0; giov < 2; giov++) {
		open_rig(&(struct shape){ .dte0 = giov ? AMD_DTE_GIOV : 0 });
		guest_put64(&r.g, gcr3, root | 1);
		assert_int_equal(guest_dma(device, IOVA, R).f.gpa, giov ? TARGET : IOVA);
		assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R).f.gpa, TARGET);
		ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_GT_EN);
		assert_int_equal(guest_dma(device, IOVA, R).f.gpa, IOVA);
		ar_close(&r);
	}
}

/* ---- nested ---- */

static uint64_t host;

/* Host tables that map all memory of the guest, and TARGET to twice that. */
static void open_nested(uint64_t control)
{
	open_rig(&(struct shape){ .control = control });
	host = guest_table(&r.g);
	for (uint64_t gpa = GUEST_BASE; gpa < GUEST_BASE + 256 * GUEST_PAGE; gpa += GUEST_PAGE)
		ar_map(&r, host, LEVELS, gpa, gpa, 1, AR_RW);
	ar_map(&r, host, LEVELS, TARGET, 2 * TARGET, 1, AR_RW);
	ar_dte(&r, ID, AR_V1(host, LEVELS) | AR_GCR3_0(gcr3), AR_GCR3_1(gcr3) | DOMAIN | AMD_DTE_I,
	       0);
}

static const struct {
	const char *name;
	uint64_t *what; /* gpa whose host entry changes; NULL: TARGET */
	uint64_t bits;
	unsigned access;
	int result;
	uint64_t event;
} nested[] = {
	{ "nested", NULL, 0, W, OK, 0 },
	{ "the result is absent", NULL, 1, R, NO, FAULT },
	{ "the result is read-only", NULL, AMD_DTE_IW, W, NO, FAULT | PR | PE | RW },
	{ "the result is read-only, read", NULL, AMD_DTE_IW, R, OK, 0 },
	{ "the result has reserved bits", NULL, B(52), R, NO, FAULT | PR | RZ },
	{ "the table is absent", &root, 1, R, NO, FAULT },
	{ "the table cannot be read", &root, AMD_DTE_IR, W, NO, FAULT | PR | PE | RW },
	{ "the table cannot be written, where accessed is recorded", &root, AMD_DTE_IW, R, NO,
	  FAULT | PR | PE },
	{ "the table has a level that cannot be", &root, UINT64_C(1) << 9, R, NO, FAULT | PR },
};

static void test_nested(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(nested) / sizeof(nested[0]); i++) {
		struct ar_event event;
		struct guest_dma d;
		uint64_t at;

		open_nested(0);
		at = ar_entry(&r, host, LEVELS, nested[i].what ? *nested[i].what : TARGET, 1);
		guest_put64(&r.g, at, guest_get64(&r.g, at) ^ nested[i].bits);
		d = guest_dma_pasid(device, PASID, IOVA + 8, nested[i].access);
		check_eq(nested[i].name, d.result, nested[i].result);
		check_eq(nested[i].name, ar_event(&r, &event), nested[i].event != 0);
		check_eq(nested[i].name, event.w[0], nested[i].event);
		if (d.result == OK)
			check_eq(nested[i].name, d.f.gpa, 2 * TARGET + 8);
		else
			check_eq(nested[i].name, event.w[1], IOVA + 8);
		ar_close(&r);
	}
}

/* The GCR3 table is in system memory, or with GCR3TRPMode in that of the guest. */
static void test_gcr3_trp(void **state)
{
	(void)state;
	for (unsigned trp = 0; trp < 2; trp++) {
		open_nested(trp ? AMD_CTRL_GCR3_TRP_MODE : 0);
		guest_put64(&r.g, ar_entry(&r, host, LEVELS, gcr3, 1), 0);
		assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R).result, trp ? NO : OK);
		ar_close(&r);
	}
}

/* ---- what invalidations take away ---- */

/* GCR3TRPMode: the host's entry of the page in which the GCR3 table is. */
static void test_gcr3_moves(void **state)
{
	uint64_t second, other;

	(void)state;
	open_nested(AMD_CTRL_GCR3_TRP_MODE);
	second = guest_table(&r.g);
	other = guest_table(&r.g);
	guest_put64(&r.g, other + PASID * 8, second | 1);
	ar_map(&r, host, LEVELS, second, second, 1, AR_RW);
	for (unsigned level = 0; level < LEVELS - 1; level++) {
		uint64_t at = guest_entry(&r.g, second, LEVELS, IOVA, level, GUEST_FS) & ~0xfffULL;

		ar_map(&r, host, LEVELS, at, at, 1, AR_RW);
	}
	guest_fs_map(&r.g, second, LEVELS, IOVA, TARGET + 0x100000, 12, GUEST_FS);
	ar_map(&r, host, LEVELS, TARGET + 0x100000, 0x70000000, 1, AR_RW);
	assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R).f.gpa, 2 * TARGET);
	ar_map(&r, host, LEVELS, gcr3, other, 1, AR_RW);
	ar_command(&r, AR_PAGES(DOMAIN), gcr3);
	ar_sync(&r);
	assert_int_equal(guest_dma_pasid(device, PASID, IOVA, R).f.gpa, 0x70000000);
	ar_close(&r);
}

/* What listeners hear of the PASID (obligation 17). */
static struct {
	unsigned unmaps;
	uint32_t pasid;
	uint64_t first, last;
} heard;

static void on_unmap(void *opaque, struct viommu_device *d, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	(void)opaque;
	if (d != device)
		return;
	heard.unmaps++;
	heard.pasid = pasid;
	heard.first = first;
	heard.last = last;
}

static void test_listeners(void **state)
{
	static const struct {
		const char *name;
		uint64_t control, w0, w1;
		bool unmap;
		uint32_t pasid;
		uint64_t first, last;
	} hears[] = {
		{ "GN = 1, a page", 0, AR_PAGES(DOMAIN) | PASID, IOVA | 4, true, PASID, IOVA,
		  IOVA | 0xfff },
		{ "GN = 1, all", 0, AR_PAGES(DOMAIN) | PASID, AR_ALL | 4, true, PASID, 0,
		  UINT64_MAX },
		{ "GN = 1, another domain", 0, AR_PAGES(DOMAIN + 1) | PASID, IOVA | 4, false, 0, 0,
		  0 },
		{ "GN = 0, a page: wherever that was in guest tables", 0, AR_PAGES(DOMAIN), TARGET,
		  true, VIOMMU_ANY_PASID, 0, UINT64_MAX },
		{ "GN = 0, a page, with GCR3TRPMode", AMD_CTRL_GCR3_TRP_MODE, AR_PAGES(DOMAIN),
		  TARGET, true, VIOMMU_ANY_PASID, 0, UINT64_MAX },
		{ "GN = 0, another domain", 0, AR_PAGES(DOMAIN + 1), TARGET, false, 0, 0, 0 },
	};
	const struct viommu_listener_config config = { .size = sizeof(config), .unmap = on_unmap };

	(void)state;
	for (unsigned i = 0; i < sizeof(hears) / sizeof(hears[0]); i++) {
		struct viommu_listener *listener;

		open_nested(hears[i].control);
		assert_int_equal(viommu_listener_new(r.g.iommu, NULL, &config, &listener), OK);
		check_eq(hears[i].name, guest_dma_pasid(device, PASID, IOVA, R).f.gpa, 2 * TARGET);
		heard.unmaps = 0;
		ar_command(&r, hears[i].w0, hears[i].w1);
		ar_sync(&r);
		check_eq(hears[i].name, heard.unmaps != 0, hears[i].unmap);
		if (hears[i].unmap) {
			check_that(hears[i].name, heard.pasid == hears[i].pasid ||
							  heard.pasid == VIOMMU_ANY_PASID);
			check_eq(hears[i].name, heard.first, hears[i].first);
			check_eq(hears[i].name, heard.last, hears[i].last);
		}
		assert_int_equal(viommu_listener_free(listener), OK);
		ar_close(&r);
	}
}

static const struct {
	const char *name;
	uint64_t w0, w1;
	bool guest, host,
		root; /* what changed in the guest's table, the host's, the GCR3 table is seen */
} effects[] = {
	{ "GN = 1, the page", AR_PAGES(DOMAIN) | PASID, IOVA | 4, true, true, false },
	{ "GN = 1, another page", AR_PAGES(DOMAIN) | PASID, 0x2004, false, false, false },
	{ "GN = 1, another PASID", AR_PAGES(DOMAIN) | (PASID + 1), IOVA | 4, false, false, false },
	{ "GN = 1, another domain", AR_PAGES(DOMAIN + 1) | PASID, IOVA | 4, false, false, false },
	{ "GN = 1, all", AR_PAGES(DOMAIN) | PASID, AR_ALL | 4, true, true, true },
	{ "GN = 0, a page of the host's", AR_PAGES(DOMAIN), TARGET, true, true, false },
	{ "GN = 0, another domain", AR_PAGES(DOMAIN + 1), TARGET, false, false, false },
	{ "all", AR_OP(8), 0, true, true, true },
};

static uint64_t now(void)
{
	struct guest_dma d = guest_dma_pasid(device, PASID, IOVA, R);

	return d.result == OK ? d.f.gpa : 0;
}

static void change(unsigned what)
{
	uint64_t second = guest_table(&r.g);

	ar_map(&r, host, LEVELS, TARGET + 0x100000, 0x70000000, 1, AR_RW);
	switch (what) {
	case 0:
		guest_put64(&r.g, leaf(IOVA), (TARGET + 0x100000) | 7);
		break;
	case 1:
		ar_map(&r, host, LEVELS, TARGET, 0x70000000, 1, AR_RW);
		break;
	default:
		guest_fs_map(&r.g, second, LEVELS, IOVA, TARGET + 0x100000, 12, GUEST_FS);
		guest_put64(&r.g, gcr3 + PASID * 8, second | 1);
		break;
	}
}

static void test_effects(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(effects) / sizeof(effects[0]); i++) {
		const bool seen[] = { effects[i].guest, effects[i].host, effects[i].root };

		for (unsigned what = 0; what < 3; what++) {
			open_nested(0);
			check_eq(effects[i].name, now(), 2 * TARGET);
			change(what);
			check_eq(effects[i].name, now(), 2 * TARGET);
			ar_command(&r, effects[i].w0, effects[i].w1);
			ar_sync(&r);
			/* a range of GPAs also has the tables read again from wherever the table says */
			if (what == 2 && effects[i].host && !effects[i].root) {
				ar_close(&r);
				continue;
			}
			check_eq(effects[i].name, now(), seen[what] ? 0x70000000 : 2 * TARGET);
			ar_close(&r);
		}
	}
}

/* ---- translation requests (2.1.3) and translated ones ---- */

static void test_translation_requests(void **state)
{
	struct ar_event event;
	struct guest_dma d;

	(void)state;
	open_rig(&(struct shape){ 0 });
	d = guest_ats(device, PASID, IOVA, R | W);
	assert_int_equal(d.result, OK);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_SUCCESS);
	assert_int_equal(d.f.gpa, TARGET);
	assert_int_equal(d.f.perm & (R | W), R | W);
	d = guest_ats(device, PASID, IOVA, R);
	assert_int_equal(d.f.perm & (R | W), R);
	flip(0, 2);
	ar_command(&r, AR_PAGES(DOMAIN) | PASID, AR_ALL | 4);
	ar_sync(&r);
	assert_int_equal(guest_ats(device, PASID, IOVA, R | W).f.perm & (R | W), R);
	/* nothing there: an answer without access, and no event */
	d = guest_ats(device, PASID, 0x5000, R | W);
	assert_int_equal(d.result, OK);
	assert_int_equal(d.f.perm, 0);
	assert_int_equal(ar_take_events(&r), 0);
	/* addresses that are no memory */
	d = guest_ats(device, PASID, 0xfee00000, R);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_UNSUPPORTED);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(8) << 60 | UINT64_C(1) << 57 | B(56) | B(48) | US |
					     UINT64_C(5) << 32 | ID);
	/* hardware errors abort, and are logged */
	guest_put64(&r.g, gcr3 + PASID * 8, UINT64_C(0x7fff0000001));
	ar_command(&r, AR_OP(8), 0);
	ar_sync(&r);
	d = guest_ats(device, PASID, IOVA, R);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_ABORT);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], TABLE | B(56));
	ar_close(&r);
}

static void test_translation_requests_refused(void **state)
{
	static const struct {
		const char *name;
		uint64_t dte0, dte1;
	} shapes[] = { { "I = 0", 0, AMD_DTE_I },
		       { "TV = 0", AMD_DTE_TV, 0 },
		       { "V = 0", AMD_DTE_V, 0 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct ar_event event;
		struct guest_dma d;

		open_rig(&(struct shape){ 0 });
		ar_dte(&r, ID, (AR_VALID | AR_GCR3_0(gcr3)) ^ shapes[i].dte0,
		       (AR_GCR3_1(gcr3) | DOMAIN | AMD_DTE_I) ^ shapes[i].dte1, 0);
		d = guest_ats(device, PASID, IOVA, R);
		check_eq(shapes[i].name, d.result, NO);
		check_eq(shapes[i].name, d.answer.ats, VIOMMU_ATS_UNSUPPORTED);
		check_that(shapes[i].name, ar_event(&r, &event));
		check_eq(shapes[i].name, event.w[0],
			 UINT64_C(8) << 60 | B(56) | B(48) | US | UINT64_C(5) << 32 | ID);
		check_eq(shapes[i].name, event.w[1], IOVA);
		ar_close(&r);
	}
}

static struct guest_dma translated(uint64_t address)
{
	const struct viommu_request request = { .first = address,
						.last = address,
						.pasid = VIOMMU_NO_PASID,
						.access = R,
						.type = VIOMMU_AT_TRANSLATED };
	struct guest_dma d = { 0 };

	d.result = viommu_device_translate(device, &request, &d.f, 1, &d.answer);
	return d;
}

static void test_translated_requests(void **state)
{
	struct ar_event event;

	(void)state;
	open_rig(&(struct shape){ 0 });
	assert_int_equal(translated(0x123456).f.gpa, 0x123456);
	assert_int_equal(translated(0xfee00000).result, NO);
	ar_take_events(&r);
	ar_dte(&r, ID, AR_VALID, DOMAIN, 0);
	ar_command(&r, AR_DEVTAB(ID), 0);
	ar_sync(&r);
	assert_int_equal(translated(0x123456).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(8) << 60 | UINT64_C(1) << 57 | ID);
	assert_int_equal(event.w[1], 0x123456);
	/* V = 0 forwards what comes, but for this */
	ar_dte(&r, ID, 0, 0, 0);
	ar_command(&r, AR_DEVTAB(ID), 0);
	ar_sync(&r);
	assert_int_equal(guest_dma(device, 0x123456, R).f.gpa, 0x123456);
	assert_int_equal(translated(0x123456).result, NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(8) << 60 | UINT64_C(1) << 57 | ID);
	ar_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_without_features),
		cmocka_unit_test(test_geometry),
		cmocka_unit_test(test_accessed_and_dirty),
		cmocka_unit_test(test_gcr3),
		cmocka_unit_test(test_gcr3_refused),
		cmocka_unit_test(test_giov),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_gcr3_trp),
		cmocka_unit_test(test_gcr3_moves),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_translation_requests),
		cmocka_unit_test(test_translation_requests_refused),
		cmocka_unit_test(test_translated_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
