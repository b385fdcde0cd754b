/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_ats.c - translation requests and translated requests (4.2; notes section 3): what is
 * completed how, sizes, what is granted, dirty, and the gates.
 */

#include "vtd_unit.h"

#define NONE	VIOMMU_NO_PASID
#define R	VIOMMU_READ
#define W	VIOMMU_WRITE
#define RW	(R | W)
#define SUCCESS VIOMMU_ATS_SUCCESS
#define UR	VIOMMU_ATS_UNSUPPORTED
#define CA	VIOMMU_ATS_ABORT
#define NOWHERE UINT64_C(0x80000000)
#define ADDRESS BITS(63, 12)
#define IOVA	UNIT_IOVA
#define P	UNIT_PASID

static struct guest_dma request(struct unit *u, unsigned type, uint32_t pasid, uint64_t iova,
				unsigned access)
{
	const struct viommu_request r = { .first = iova,
					  .last = iova,
					  .pasid = pasid,
					  .access = (uint16_t)access,
					  .type = (uint16_t)type };
	struct guest_dma d = { .result = 0 };

	d.result = viommu_device_translate(u->dev, &r, &d.f, 1, &d.answer);
	return d;
}

/* ---- completion status by reason ---- */

enum place { NOTHING, ROOT, CONTEXT, CONTEXT1, DIRECTORY, ENTRY, ENTRY2, TOP, LEAF };

struct ats_row {
	const char *name;
	uint32_t pasid;
	enum place place;
	uint64_t clear;
	uint64_t set;
	uint64_t iova;
	unsigned ats;
	unsigned reason; /* recorded; with SUCCESS: 0 */
};

static uint64_t place_of(struct unit *u, const struct ats_row *row, bool sm)
{
	uint32_t pasid = row->pasid == P ? P : 0;
	uint64_t table = pasid ? u->fs : u->ss;
	uint64_t bits = pasid ? GUEST_FS : GUEST_RW;
	uint64_t context =
		sm ? guest_scalable_entry(&u->g, UNIT_RID) : guest_legacy_entry(&u->g, UNIT_RID);
	uint64_t entry = sm ? guest_pasid_entry(&u->g, UNIT_RID, pasid) : 0;

	switch (row->place) {
	case ROOT:
		return u->g.root;
	case CONTEXT1:
		return context + 8;
	case DIRECTORY:
		return guest_get64(&u->g, context) & ADDRESS;
	case ENTRY:
		return entry;
	case ENTRY2:
		return entry + 16;
	case TOP:
		return guest_entry(&u->g, table, 4, IOVA, 3, bits);
	case LEAF:
		return guest_entry(&u->g, table, 4, IOVA, 0, bits);
	default:
		return context;
	}
}

static void check_completion(const struct ats_row *row, bool sm)
{
	struct unit *u = sm ? unit_scalable() : unit_legacy(GUEST_ECAP_LEGACY);
	struct guest_dma d;

	row_name = row->name;
	if (row->place != NOTHING) {
		uint64_t at = place_of(u, row, sm);

		guest_put64(&u->g, at, (guest_get64(&u->g, at) & ~row->clear) | row->set);
	}
	for (unsigned i = 0; i < 2; i++) {
		d = request(u, VIOMMU_AT_TRANSLATION, row->pasid, row->iova, RW);
		row_equal(d.answer.ats, row->ats);
		row_equal(d.result, row->ats == SUCCESS ? VIOMMU_OK : VIOMMU_FAULT);
		if (row->ats == SUCCESS)
			row_equal(d.f.perm, 0);
		row_equal(recorded(u), row->reason);
	}
	unit_close(u);
}

static void test_completion_legacy(void **state)
{
	static const struct ats_row rows[] = {
		{ "01", NONE, ROOT, 1, 0, IOVA, UR, 0x01 },
		{ "02", NONE, CONTEXT, 1, 0, IOVA, UR, 0x02 },
		{ "03", NONE, CONTEXT1, 7, 0, IOVA, UR, 0x03 },
		{ "03 SSPTPTR", NONE, CONTEXT, ADDRESS, NOWHERE, IOVA, UR, 0x03 },
		{ "04: success without access", NONE, NOTHING, 0, 0, BIT(48), SUCCESS, 0 },
		{ "05, 06: success without access", NONE, LEAF, 3, 0, IOVA, SUCCESS, 0 },
		{ "07", NONE, TOP, ADDRESS, NOWHERE, IOVA, CA, 0x07 },
		{ "09", NONE, ROOT, ADDRESS, NOWHERE, IOVA, UR, 0x09 },
		{ "0A", NONE, ROOT, 0, 2, IOVA, UR, 0x0a },
		{ "0B", NONE, CONTEXT, 0, BIT(4), IOVA, UR, 0x0b },
		{ "0C", NONE, TOP, 0, BIT(11), IOVA, CA, 0x0c },
		{ "0D", NONE, CONTEXT, BITS(3, 2), 0, IOVA, UR, 0x0d },
		{ "0E: request in the window", NONE, NOTHING, 0, 0, 0xfee00000, UR, 0x0e },
		{ "0E: output in the window", NONE, LEAF, ADDRESS, 0xfee00000, IOVA, UR, 0x0e },
		{ "31", P, NOTHING, 0, 0, IOVA, UR, 0x31 },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		check_completion(&rows[i], false);
}

static void test_completion_scalable(void **state)
{
	static const struct ats_row rows[] = {
		{ "39", NONE, ROOT, 1, 0, IOVA, UR, 0x39 },
		{ "3A", NONE, ROOT, 0, 2, IOVA, UR, 0x3a },
		{ "40", NONE, ROOT, ADDRESS, NOWHERE, IOVA, UR, 0x40 },
		{ "41", NONE, CONTEXT, 1, 0, IOVA, UR, 0x41 },
		{ "42", NONE, CONTEXT, 0, BIT(5), IOVA, UR, 0x42 },
		{ "44", NONE, CONTEXT, BIT(2), 0, IOVA, UR, 0x44 },
		{ "45", P, CONTEXT, BIT(3), 0, IOVA, UR, 0x45 },
		{ "46", 0x2000, CONTEXT, BITS(11, 9), 0, IOVA, UR, 0x46 },
		{ "50", P, CONTEXT, ADDRESS, NOWHERE, IOVA, UR, 0x50 },
		{ "51", P, DIRECTORY, 1, 0, IOVA, UR, 0x51 },
		{ "52", P, DIRECTORY, 0, 4, IOVA, UR, 0x52 },
		{ "58", P, DIRECTORY, ADDRESS, NOWHERE, IOVA, UR, 0x58 },
		{ "59", P, ENTRY, 1, 0, IOVA, UR, 0x59 },
		{ "5A", P, ENTRY, 0, BIT(10), IOVA, UR, 0x5a },
		{ "5B", P, ENTRY, BITS(8, 6), 0, IOVA, UR, 0x5b },
		{ "70", P, TOP, ADDRESS, NOWHERE, IOVA, CA, 0x70 },
		{ "71: success without access", P, LEAF, 1, 0, IOVA, SUCCESS, 0 },
		{ "72", P, TOP, 0, BIT(7), IOVA, CA, 0x72 },
		{ "73", P, ENTRY2, ADDRESS, NOWHERE, IOVA, CA, 0x73 },
		{ "78", NONE, TOP, ADDRESS, NOWHERE, IOVA, CA, 0x78 },
		{ "79: success without access", NONE, LEAF, 3, 0, IOVA, SUCCESS, 0 },
		{ "7A", NONE, TOP, 0, BIT(11), IOVA, CA, 0x7a },
		{ "7B", NONE, ENTRY, ADDRESS, NOWHERE, IOVA, CA, 0x7b },
		{ "80: success without access", P, NOTHING, 0, 0, BIT(47), SUCCESS, 0 },
		{ "81: success without access", P, LEAF, 4, 0, IOVA, SUCCESS, 0 },
		{ "84: success without access", NONE, NOTHING, 0, 0, BIT(48), SUCCESS, 0 },
		{ "87: request in the window", NONE, NOTHING, 0, 0, 0xfee00000, UR, 0x87 },
		{ "87: output in the window", P, LEAF, ADDRESS, 0xfee00000, IOVA, UR, 0x87 },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		check_completion(&rows[i], true);
}

static void test_remapping_off(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct guest_dma d;

	row_name = "3 TE=0: UR, not recorded";
	gcmd(u, 0, VTD_G_TE);
	d = request(u, VIOMMU_AT_TRANSLATION, NONE, IOVA, R);
	row_equal(d.result, VIOMMU_FAULT);
	row_equal(d.answer.ats, UR);
	row_equal(recorded(u), 0);
	unit_close(u);
}

/* ---- what is granted ---- */

static void test_grants(void **state)
{
	static const struct {
		const char *name;
		uint32_t pasid;
		uint64_t leaf;
		unsigned access;
		bool nwfs;
		unsigned perm;
	} rows[] = {
		{ "read-write page", NONE, 3, RW, true, RW },
		{ "read-only page", NONE, 1, RW, true, R },
		{ "write-only page", NONE, 2, RW, true, W },
		{ "NW=1: not more than reading", NONE, 3, R, true, R },
		{ "NW=1 of a write-only page: nothing", NONE, 2, R, true, 0 },
		{ "NWFS=0: NW counts as 0", NONE, 3, R, false, RW },
		{ "first stage", P, 7, RW, true, RW },
		{ "first stage, read-only", P, 5, RW, true, R },
		{ "first stage, NW=1", P, 7, R, true, R },
		{ "first stage, NWFS=0", P, 7, R, false, RW },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u =
			unit_open(0, GUEST_ECAP_SCALABLE & ~(rows[i].nwfs ? 0 : VTD_ECAP_NWFS));
		struct guest_dma d;
		uint64_t leaf;

		row_name = rows[i].name;
		unit_scalable_tables(u);
		guest_start(&u->g, VTD_TTM_SCALABLE);
		leaf = guest_entry(&u->g, rows[i].pasid == P ? u->fs : u->ss, 4, IOVA, 0, 3);
		guest_put64(&u->g, leaf, u->page[0] | rows[i].leaf);
		d = request(u, VIOMMU_AT_TRANSLATION, rows[i].pasid, IOVA, rows[i].access);
		row_equal(d.result, VIOMMU_OK);
		row_equal(d.answer.ats, SUCCESS);
		row_equal(d.f.perm, rows[i].perm);
		if (rows[i].perm)
			row_equal(d.f.gpa, u->page[0]);
		row_equal(recorded(u), 0);
		if (rows[i].pasid == P && rows[i].perm) { /* 3: D where W is granted */
			row_equal(guest_get64(&u->g, leaf) >> 5 & 1, 1);
			row_equal(guest_get64(&u->g, leaf) >> 6 & 1, (rows[i].perm & W) != 0);
		}
		unit_close(u);
	}
}

/* An answer covers what is asked for, as far as one page and permission go. */
static void test_sizes(void **state)
{
	static const struct {
		const char *name;
		unsigned lg2;
		uint64_t first;
		uint64_t last;
		uint64_t length;
	} rows[] = {
		{ "4 KiB", 12, 0, 0xfff, 0x1000 },
		{ "2 MiB", 21, 0, 0x1fffff, 0x200000 },
		{ "2 MiB, inside", 21, 0x5000, 0x9fff, 0x5000 },
		{ "1 GiB", 30, 0, 0x3fffffff, 0x40000000 },
	};
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	for (size_t i = 0; i < ROWS(rows); i++) {
		uint64_t base = (uint64_t)(i + 8) << 30;
		const struct viommu_request r = { .first = base + rows[i].first,
						  .last = base + rows[i].last,
						  .pasid = NONE,
						  .access = RW,
						  .type = VIOMMU_AT_TRANSLATION };
		struct viommu_fragment f;
		struct viommu_answer a;

		row_name = rows[i].name;
		guest_ss_map(&u->g, u->ss, 4, base, UINT64_C(1) << 40, rows[i].lg2, GUEST_RW);
		row_equal(viommu_device_translate(u->dev, &r, &f, 1, &a), VIOMMU_OK);
		row_equal(f.gpa, (UINT64_C(1) << 40) + rows[i].first);
		row_equal(f.length, rows[i].length);
		row_equal(a.next, r.last + 1);
	}
	unit_close(u);
}

/* 3.14: a large page over the window is answered beside it. */
static void test_large_page_over_the_window(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct guest_dma d;

	row_name = "1 a 1 GiB page that holds the window";
	guest_ss_map(&u->g, u->ss, 4, UINT64_C(0x100000000), 0xc0000000, 30, GUEST_RW);
	d = request(u, VIOMMU_AT_TRANSLATION, NONE, UINT64_C(0x13edff000), RW);
	row_equal(d.answer.ats, SUCCESS);
	row_equal(d.f.gpa, 0xfedff000);
	row_equal(d.f.perm, RW);
	d = request(u, VIOMMU_AT_TRANSLATION, NONE, UINT64_C(0x13ee00000), RW);
	row_equal(d.answer.ats, UR);
	row_equal(recorded(u), 0x0e);
	d = request(u, VIOMMU_AT_TRANSLATION, NONE, UINT64_C(0x13ef00000), RW);
	row_equal(d.f.gpa, 0xfef00000);
	unit_close(u);
}

/* Nothing is granted to translation requests that untranslated ones have cached, and back. */
static void test_no_sharing(void **state)
{
	struct unit *u = unit_scalable();
	struct guest_dma d;

	row_name = "7 warm translation requests";
	for (unsigned i = 0; i < 2; i++) {
		row_equal(where_pasid(u->dev, P, IOVA, W), u->page[0]);
		d = request(u, VIOMMU_AT_TRANSLATION, P, IOVA, R);
		row_equal(d.f.perm, R);
		d = request(u, VIOMMU_AT_TRANSLATION, P, IOVA, RW);
		row_equal(d.f.perm, RW);
	}
	unit_close(u);
}

/* DMA and translation requests share entries: whichever came first, the other is answered by it until an invalidation
 * has come; and a translation request that an entry does not suffice for asks the tables. */
static void test_shared_entries(void **state)
{
	static const struct {
		const char *name;
		unsigned types[2]; /* who asks first, and then */
		unsigned access[2];
		uint64_t bits; /* of the page */
		bool cached;
	} rows[] = {
		{ "7 DMA, then a request", { 0, 1 }, { RW, RW }, GUEST_FS, true },
		{ "7 a request, then DMA", { 1, 0 }, { RW, RW }, GUEST_FS, true },
		{ "7 two requests", { 1, 1 }, { RW, RW }, GUEST_FS, true },
		{ "7 a request that may write, then one that may not",
		  { 1, 1 },
		  { RW, R },
		  GUEST_FS,
		  true },
		{ "7 dirty was not recorded", { 0, 1 }, { R, RW }, GUEST_FS, false },
		{ "7 nor by a request that may not write", { 1, 0 }, { R, W }, GUEST_FS, false },
		{ "7 a page that is read only may have become another",
		  { 1, 1 },
		  { RW, RW },
		  GUEST_FS & ~BIT(1),
		  false },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = unit_scalable();
		struct guest_dma d;

		row_name = rows[i].name;
		guest_fs_map(&u->g, u->fs, 4, IOVA, u->page[0], 12, rows[i].bits);
		d = request(u, rows[i].types[0], P, IOVA, rows[i].access[0]);
		row_equal(d.f.gpa, u->page[0]);
		guest_fs_map(&u->g, u->fs, 4, IOVA, u->page[2], 12, rows[i].bits);
		d = request(u, rows[i].types[1], P, IOVA, rows[i].access[1]);
		row_equal(d.result, VIOMMU_OK);
		row_equal(d.f.gpa, rows[i].cached ? u->page[0] : u->page[2]);
		row_equal(d.f.perm,
			  rows[i].bits & BIT(1) ? rows[i].types[1] ? rows[i].access[1] : RW : R);
		guest_fs_map(&u->g, u->fs, 4, IOVA, u->page[3], 12, rows[i].bits);
		guest_submit(&u->g, Q_PIOTLB(3, UNIT_DID, P), IOVA, 0, 0);
		guest_wait(&u->g);
		d = request(u, rows[i].types[1], P, IOVA, rows[i].access[1]);
		row_equal(d.f.gpa, u->page[3]);
		unit_close(u);
	}
}

/* ---- translated requests ---- */

static void test_translated(void **state)
{
	static const struct {
		const char *name;
		bool sm;
		uint64_t clear; /* of the context entry */
		uint64_t set;
		uint64_t address;
		uint64_t wanted;
	} rows[] = {
		{ "legacy, TT=1", false, 0, 0, 0x1234567, 0x1234567 },
		{ "legacy, TT=0", false, BITS(3, 2), 0, 0x1000, FAULT(0x0d) },
		{ "legacy, TT=2", false, BITS(3, 2), BIT(3), 0x1000, FAULT(0x0d) },
		{ "legacy, context absent", false, 1, 0, 0x1000, FAULT(0x02) },
		{ "legacy, above HAW", false, 0, 0, BIT(52), FAULT(0x04) },
		{ "legacy, in the window", false, 0, 0, 0xfee00000, FAULT(0x0e) },
		{ "scalable, DTE=1", true, 0, 0, 0x1234567, 0x1234567 },
		{ "scalable, the highest address", true, 0, 0, BIT(52) - 1, BIT(52) - 1 },
		{ "scalable, DTE=0", true, BIT(2), 0, 0x1000, FAULT(0x44) },
		{ "scalable, above HAW", true, 0, 0, BIT(52), FAULT(0x83) },
		{ "scalable, in the window", true, 0, 0, 0xfeefffff, FAULT(0x87) },
		{ "scalable, context reserved", true, 0, BIT(8), 0x1000, FAULT(0x42) },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = rows[i].sm ? unit_scalable() : unit_legacy(GUEST_ECAP_LEGACY);
		uint64_t at = rows[i].sm ? guest_scalable_entry(&u->g, UNIT_RID)
					 : guest_legacy_entry(&u->g, UNIT_RID);

		row_name = rows[i].name;
		guest_put64(&u->g, at, (guest_get64(&u->g, at) & ~rows[i].clear) | rows[i].set);
		for (unsigned k = 0; k < 2; k++) {
			struct guest_dma d =
				request(u, VIOMMU_AT_TRANSLATED, NONE, rows[i].address, R);

			if (rows[i].wanted & BIT(63)) {
				row_equal(d.result, VIOMMU_FAULT);
				row_equal(FAULT(d.answer.reason), rows[i].wanted);
				row_equal(recorded(u), rows[i].wanted & 0xff);
			} else {
				row_equal(d.result, VIOMMU_OK);
				row_equal(d.f.gpa, rows[i].wanted);
			}
		}
		unit_close(u);
	}
}

/* What the context entry says of translated requests is remembered like any context, beside that of DMA. */
static void test_translated_context(void **state)
{
	for (unsigned sm = 0; sm < 2; sm++) {
		struct unit *u = sm ? unit_scalable() : unit_legacy(GUEST_ECAP_LEGACY);
		struct viommu_channel *c = guest_channel(&u->g, u->dev, NONE);
		const struct viommu_request r = { .first = 0x5000,
						  .last = 0x5000,
						  .pasid = NONE,
						  .access = R,
						  .type = VIOMMU_AT_TRANSLATED };
		uint64_t at = sm ? guest_scalable_entry(&u->g, UNIT_RID)
				 : guest_legacy_entry(&u->g, UNIT_RID);
		struct viommu_fragment f;
		struct viommu_answer answer;

		row_name = sm ? "scalable, a translated context" : "legacy, a translated context";
		row_equal(request(u, VIOMMU_AT_TRANSLATED, NONE, 0x5000, R).f.gpa, 0x5000);
		for (unsigned k = 0; k < 2; k++) { /* neither is taken for the other's */
			row_equal(where_channel(c, NONE, IOVA, R), u->page[0]);
			row_equal(viommu_translate(c, &r, &f, 1, &answer), VIOMMU_OK);
			row_equal(f.gpa, 0x5000);
			row_equal(where(u->dev, IOVA, R), u->page[0]);
			row_equal(where_channel(c, NONE, IOVA + 0x1000, R), u->page[1]);
		}
		guest_put64(&u->g, at, guest_get64(&u->g, at) & ~BIT(0));
		row_equal(viommu_translate(c, &r, &f, 1, &answer), VIOMMU_OK);
		row_equal(request(u, VIOMMU_AT_TRANSLATED, NONE, 0x5000, R).result, VIOMMU_OK);
		guest_submit(&u->g, Q_CC(3, UNIT_DID, UNIT_RID, 0), 0, 0, 0);
		guest_wait(&u->g);
		row_equal(viommu_translate(c, &r, &f, 1, &answer), VIOMMU_FAULT);
		row_equal(recorded(u), sm ? 0x41 : 0x02);
		row_equal(request(u, VIOMMU_AT_TRANSLATED, NONE, 0x5000, R).result, VIOMMU_FAULT);
		row_equal(recorded(u), sm ? 0x41 : 0x02);
		unit_close(u);
	}
}

/* The PASID tables are not looked at: the context entry decides. */
static void test_translated_without_rid_pasid(void **state)
{
	struct unit *u = unit_scalable();
	struct guest_dma d;

	row_name = "4.2.4 translated requests need no PASID entry";
	guest_put64(&u->g, guest_pasid_entry(&u->g, UNIT_RID, 0), 0);
	d = request(u, VIOMMU_AT_TRANSLATED, NONE, 0x5000, W);
	row_equal(d.result, VIOMMU_OK);
	row_equal(d.f.gpa, 0x5000);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completion_legacy),
		cmocka_unit_test(test_completion_scalable),
		cmocka_unit_test(test_remapping_off),
		cmocka_unit_test(test_grants),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_large_page_over_the_window),
		cmocka_unit_test(test_no_sharing),
		cmocka_unit_test(test_shared_entries),
		cmocka_unit_test(test_translated_context),
		cmocka_unit_test(test_translated),
		cmocka_unit_test(test_translated_without_rid_pasid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
