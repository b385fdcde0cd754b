/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_stale.c - what queued invalidation removes from every cache (obligation 12): a table is
 * changed, and after the invalidation has completed no request gets the old answer - through the
 * device (shared TLB), through a channel (micro-TLB), and for contexts.
 *
 * The rows also say what must survive: a cache that keeps nothing would pass everything else.
 */

#include "vtd_unit.h"

#define NONE  VIOMMU_NO_PASID
#define PAGES 4U /* of a row's mappings */

/* What is mapped: by address, size, and who. */
struct mapping {
	uint64_t iova;
	unsigned lg2;
};

/* How the device translates: all but the first scalable. The second stage of the last has 4 KiB pages
 * where the row asks. */
enum who { LEGACY, RID, FIRST, NESTED, IN_PIECES };

struct stale_row {
	const char *name;
	enum who who;
	struct mapping mapping;
	uint64_t offset; /* of the address in the mapping that is asked for */
	uint64_t q[2];
	bool gone;
};

#define IOVA	   UNIT_IOVA
#define P	   UNIT_PASID
#define PAGE	   Q_IOTLB(3, UNIT_DID)
#define PASID_PAGE Q_PIOTLB(3, UNIT_DID, P)
#define M4K                                                                                        \
	{                                                                                          \
		IOVA, 12                                                                           \
	}
#define M2M                                                                                        \
	{                                                                                          \
		IOVA, 21                                                                           \
	}
#define M1G                                                                                        \
	{                                                                                          \
		IOVA, 30                                                                           \
	}

static bool has_first_stage(const struct stale_row *row)
{
	return row->who >= FIRST;
}

static uint32_t pasid_of(const struct stale_row *row)
{
	return has_first_stage(row) ? P : NONE;
}

/* Where the mapping is written: the leaf's table and bits. */
static void set_mapping(struct unit *u, const struct stale_row *row, uint64_t gpa)
{
	const struct mapping *m = &row->mapping;

	if (has_first_stage(row))
		guest_fs_map(&u->g, u->fs, 4, m->iova, gpa, m->lg2, GUEST_FS);
	else
		guest_ss_map(&u->g, u->ss, 4, m->iova, gpa, m->lg2, GUEST_RW);
}

/* A unit with empty tables for the row. The second stage of a nested row is the identity below 4G. */
static void second_stage(struct unit *u, const struct stale_row *row)
{
	for (uint64_t g = 0; g < 4; g++) {
		uint64_t page = (g << 30) + (row->offset & ~bits_low(12));

		if (row->who == IN_PIECES && g > 0)
			guest_ss_map(&u->g, u->ss, 4, page, page, 12, GUEST_RW);
		else
			guest_ss_map(&u->g, u->ss, 4, g << 30, g << 30, 30, GUEST_RW);
	}
}

static struct unit *open_row(const struct stale_row *row)
{
	struct unit *u = row->who == LEGACY ? unit_legacy(GUEST_ECAP_LEGACY) : unit_scalable();
	struct guest_pasid p = { .did = UNIT_DID, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };

	row_name = row->name;
	u->ss = guest_table(&u->g);
	u->fs = guest_table(&u->g);
	if (row->who == LEGACY) {
		guest_legacy(&u->g, UNIT_RID, UNIT_DID, u->ss, 4);
	} else {
		if (row->who >= NESTED) {
			p.pgtt = VTD_PGTT_NESTED;
			second_stage(u, row);
		}
		p.ss = u->ss;
		p.ss_levels = 4;
		p.fs = u->fs;
		guest_pasid(&u->g, UNIT_RID, P, &p);
		p.pgtt = VTD_PGTT_SECOND;
		guest_pasid(&u->g, UNIT_RID, 0, &p);
	}
	guest_invalidate_all(&u->g);
	return u;
}

static void check(const struct stale_row *row)
{
	const uint64_t before = UINT64_C(1) << 30;
	const uint64_t after = UINT64_C(2) << 30;
	struct unit *u = open_row(row);
	struct viommu_channel *c = guest_channel(&u->g, u->dev, pasid_of(row));
	uint64_t at = row->mapping.iova + row->offset;
	uint64_t wanted = (row->gone ? after : before) + row->offset;

	set_mapping(u, row, before);
	row_equal(where_pasid(u->dev, pasid_of(row), at, VIOMMU_WRITE), before + row->offset);
	row_equal(where_channel(c, pasid_of(row), at, VIOMMU_WRITE), before + row->offset);
	set_mapping(u, row, after);
	row_equal(where_pasid(u->dev, pasid_of(row), at, VIOMMU_WRITE), before + row->offset);
	row_equal(where_channel(c, pasid_of(row), at, VIOMMU_WRITE), before + row->offset);
	guest_submit(&u->g, row->q[0], row->q[1], 0, 0);
	guest_wait(&u->g);
	row_equal(where_channel(c, pasid_of(row), at, VIOMMU_WRITE), wanted);
	row_equal(where_pasid(u->dev, pasid_of(row), at, VIOMMU_WRITE), wanted);
	unit_close(u);
}

static const struct stale_row mapping_rows[] = {
	/* 6.5.2.3, second stage: page, domain, global */
	{ "page", LEGACY, M4K, 0, { PAGE, IOVA }, true },
	{ "page, last byte", LEGACY, M4K, 0xfff, { PAGE, IOVA }, true },
	{ "the page before", LEGACY, M4K, 0, { PAGE, IOVA - 0x1000 }, false },
	{ "the page after", LEGACY, M4K, 0, { PAGE, IOVA + 0x1000 }, false },
	{ "AM 1: lower of two", LEGACY, M4K, 0, { PAGE, IOVA | 1 }, true },
	{ "AM 1: named by the upper", LEGACY, M4K, 0, { PAGE, (IOVA + 0x1000) | 1 }, true },
	{ "AM 1: the two after", LEGACY, M4K, 0, { PAGE, (IOVA + 0x2000) | 1 }, false },
	{ "AM 4: last of 16", LEGACY, { IOVA + 0xf000, 12 }, 0, { PAGE, IOVA | 4 }, true },
	{ "AM 4: one after 16", LEGACY, { IOVA + 0x10000, 12 }, 0, { PAGE, IOVA | 4 }, false },
	{ "AM 9", LEGACY, { IOVA + 0x1ff000, 12 }, 0, { PAGE, IOVA | 9 }, true },
	{ "AM 18: last of 1 GiB", LEGACY, { IOVA + 0x3ffff000, 12 }, 0, { PAGE, IOVA | 18 }, true },
	{ "IH does not keep the page", LEGACY, M4K, 0, { PAGE, IOVA | 0x40 }, true },
	{ "another domain", LEGACY, M4K, 0, { Q_IOTLB(3, UNIT_DID2), IOVA }, false },
	{ "superpage, first page hit", LEGACY, M2M, 0x123456, { PAGE, IOVA }, true },
	{ "superpage, last page hit", LEGACY, M2M, 0, { PAGE, IOVA + 0x1ff000 }, true },
	{ "superpage, one in the middle", LEGACY, M2M, 0x1fffff, { PAGE, IOVA + 0x80000 }, true },
	{ "superpage, the page after", LEGACY, M2M, 0x1fffff, { PAGE, IOVA + 0x200000 }, false },
	{ "superpage, the page before", LEGACY, M2M, 0, { PAGE, IOVA - 0x1000 }, false },
	{ "1 GiB, one page hit", LEGACY, M1G, 0x3fffffff, { PAGE, IOVA + 0x12345000 }, true },
	{ "1 GiB, the page after", LEGACY, M1G, 0, { PAGE, IOVA + 0x40000000 }, false },
	{ "domain", LEGACY, M2M, 0x1000, { Q_IOTLB(2, UNIT_DID), 0 }, true },
	{ "another domain, all of it", LEGACY, M2M, 0, { Q_IOTLB(2, UNIT_DID2), 0 }, false },
	{ "a domain that differs in bit 15",
	  LEGACY,
	  M4K,
	  0,
	  { Q_IOTLB(2, UNIT_DID | 0x8000), 0 },
	  false },
	{ "global", LEGACY, M1G, 0, { Q_IOTLB(1, 0), 0 }, true },
	{ "IEC is no IOTLB", LEGACY, M4K, 0, { Q_IEC_GLOBAL, 0 }, false },
	{ "scalable: page", RID, M4K, 0, { PAGE, IOVA }, true },
	{ "scalable: domain", RID, M2M, 0, { Q_IOTLB(2, UNIT_DID), 0 }, true },
	{ "scalable: another domain", RID, M2M, 0, { Q_IOTLB(2, UNIT_DID2), 0 }, false },
	{ "scalable: PASID-IOTLB page leaves the second stage",
	  RID,
	  M4K,
	  0,
	  { Q_PIOTLB(3, UNIT_DID, 0), IOVA },
	  false },
	/* first stage: 6.5.2.3 removes all of the domain, 6.5.2.4 what it names */
	{ "first stage: IOTLB page of the domain", FIRST, M4K, 0, { PAGE, 0 }, true },
	{ "first stage: IOTLB page of another",
	  FIRST,
	  M4K,
	  0,
	  { Q_IOTLB(3, UNIT_DID2), IOVA },
	  false },
	{ "first stage: IOTLB domain", FIRST, M2M, 0, { Q_IOTLB(2, UNIT_DID), 0 }, true },
	{ "first stage: page", FIRST, M4K, 0, { PASID_PAGE, IOVA }, true },
	{ "first stage: the page after", FIRST, M4K, 0, { PASID_PAGE, IOVA + 0x1000 }, false },
	{ "first stage: AM 1", FIRST, M4K, 0, { PASID_PAGE, (IOVA + 0x1000) | 1 }, true },
	{ "first stage: superpage partly hit",
	  FIRST,
	  M2M,
	  0x1fffff,
	  { PASID_PAGE, IOVA + 0x1000 },
	  true },
	{ "first stage: 1 GiB partly hit", FIRST, M1G, 0, { PASID_PAGE, IOVA + 0x3ffff000 }, true },
	{ "first stage: page of another PASID",
	  FIRST,
	  M4K,
	  0,
	  { Q_PIOTLB(3, UNIT_DID, P + 1), IOVA },
	  false },
	{ "first stage: a PASID that differs in bit 19",
	  FIRST,
	  M4K,
	  0,
	  { Q_PIOTLB(3, UNIT_DID, P | 0x80000), IOVA },
	  false },
	{ "first stage: page of another domain",
	  FIRST,
	  M4K,
	  0,
	  { Q_PIOTLB(3, UNIT_DID2, P), IOVA },
	  false },
	{ "first stage: PASID", FIRST, M4K, 0, { Q_PIOTLB(2, UNIT_DID, P), 0 }, true },
	{ "first stage: another PASID", FIRST, M4K, 0, { Q_PIOTLB(2, UNIT_DID, P + 1), 0 }, false },
	{ "first stage: PASID of another domain",
	  FIRST,
	  M4K,
	  0,
	  { Q_PIOTLB(2, UNIT_DID2, P), 0 },
	  false },
	{ "nested: page", NESTED, M4K, 0, { PASID_PAGE, IOVA }, true },
	{ "nested: PASID", NESTED, M2M, 0, { Q_PIOTLB(2, UNIT_DID, P), 0 }, true },
	{ "nested: IOTLB domain", NESTED, M4K, 0, { Q_IOTLB(2, UNIT_DID), 0 }, true },
	{ "nested: IOTLB page, whatever its address", NESTED, M4K, 0, { PAGE, 0x1000 }, true },
	/* A page that is cached in pieces is one page: any address of it removes all of them. */
	{ "in pieces: 1 GiB, the same piece",
	  IN_PIECES,
	  M1G,
	  0x12345678,
	  { PASID_PAGE, IOVA + 0x12345000 },
	  true },
	{ "in pieces: 1 GiB, the first", IN_PIECES, M1G, 0x12345678, { PASID_PAGE, IOVA }, true },
	{ "in pieces: 1 GiB, the last",
	  IN_PIECES,
	  M1G,
	  0x5000,
	  { PASID_PAGE, IOVA + 0x3ffff000 },
	  true },
	{ "in pieces: 2 MiB, the last", IN_PIECES, M2M, 0, { PASID_PAGE, IOVA + 0x1ff000 }, true },
	{ "in pieces: 2 MiB, AM 1",
	  IN_PIECES,
	  M2M,
	  0x1ff000,
	  { PASID_PAGE, (IOVA + 0x2000) | 1 },
	  true },
	{ "in pieces: 4 KiB are none", IN_PIECES, M4K, 0, { PASID_PAGE, IOVA + 0x1000 }, false },
	{ "in pieces: cut at the interrupt window",
	  LEGACY,
	  { 0xc0000000, 30 },
	  0x5000,
	  { PAGE, 0xfffff000 },
	  true },
	{ "nested: another page", NESTED, M4K, 0, { PASID_PAGE, IOVA - 0x1000 }, false },
};

static void test_mappings(void **state)
{

	for (size_t i = 0; i < ROWS(mapping_rows); i++)
		check(&mapping_rows[i]);
}

/* A channel that has looked one address up again must not find the others in what it had before. */
static void test_channel_has_several(void **state)
{
	static const struct {
		const char *name;
		uint64_t q[2];
		bool again[4];
	} rows[] = {
		{ "12 page", { PAGE, IOVA + 0x2000 }, { false, false, true, false } },
		{ "12 two pages", { PAGE, IOVA | 1 }, { true, true, false, false } },
		{ "12 domain", { Q_IOTLB(2, UNIT_DID), 0 }, { true, true, true, true } },
		{ "12 global", { Q_IOTLB(1, 0), 0 }, { true, true, true, true } },
	};
	const uint64_t before = UINT64_C(1) << 30;
	const uint64_t after = UINT64_C(2) << 30;

	for (unsigned i = 0; i < 4 * ROWS(rows); i++) {
		const unsigned order = i % 4;
		const unsigned n = i / 4;
		const struct stale_row none = { rows[n].name, LEGACY, M4K, 0, { 0, 0 }, false };
		struct unit *u = open_row(&none);
		struct viommu_channel *c = guest_channel(&u->g, u->dev, NONE);

		for (unsigned k = 0; k < 4; k++) {
			uint64_t at = k * GUEST_PAGE;

			guest_ss_map(&u->g, u->ss, 4, IOVA + at, before + at, 12, 3);
			row_equal(where_channel(c, NONE, IOVA + at, VIOMMU_READ), before + at);
			guest_ss_map(&u->g, u->ss, 4, IOVA + at, after + at, 12, 3);
		}
		guest_submit(&u->g, rows[n].q[0], rows[n].q[1], 0, 0);
		guest_wait(&u->g);
		for (unsigned k = 0; k < 8; k++) {
			unsigned page = (k ^ order) & 3;
			uint64_t at = page * GUEST_PAGE;

			row_equal(where_channel(c, NONE, IOVA + at, VIOMMU_READ),
				  (rows[n].again[page] ? after : before) + at);
		}
		unit_close(u);
	}
}

/* ---- permission, presence and structure ---- */

/* A page that was absent, or could not be written: faults are not cached (CM=0). */
static void test_nothing_negative_is_cached(void **state)
{
	static const struct stale_row row = { "", LEGACY, M4K, 0, { 0, 0 }, false };
	struct unit *u = open_row(&row);
	uint64_t leaf = guest_entry(&u->g, u->ss, 4, IOVA, 0, GUEST_RW);

	row_name = "6.5 an absent page that becomes present needs no invalidation";
	row_equal(where(u->dev, IOVA, VIOMMU_READ), FAULT(0x06));
	guest_put64(&u->g, leaf, u->page[0] | 1);
	row_equal(where(u->dev, IOVA, VIOMMU_READ), u->page[0]);
	row_name = "nor does one that becomes writable";
	row_equal(where(u->dev, IOVA, VIOMMU_WRITE), FAULT(0x05));
	guest_put64(&u->g, leaf, u->page[0] | 3);
	row_equal(where(u->dev, IOVA, VIOMMU_WRITE), u->page[0]);
	row_name = "a page that goes needs one";
	guest_put64(&u->g, leaf, 0);
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), IOVA, 0, 0);
	guest_wait(&u->g);
	row_equal(where(u->dev, IOVA, VIOMMU_READ), FAULT(0x06));
	unit_close(u);
}

/* A table is taken away and its place is used for something else. */
static void test_tables_go(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	uint64_t top = guest_entry(&u->g, u->ss, 4, IOVA, 3, GUEST_RW);
	uint64_t other = guest_table(&u->g);
	uint64_t old = guest_get64(&u->g, top);

	row_name = "12 upper levels are not remembered either";
	guest_ss_map(&u->g, other, 4, IOVA, u->page[3], 12, GUEST_RW);
	row_equal(where(u->dev, IOVA, VIOMMU_READ), u->page[0]);
	guest_put64(&u->g, top, guest_get64(&u->g, guest_entry(&u->g, other, 4, IOVA, 3, 3)));
	guest_submit(&u->g, Q_IOTLB(3, UNIT_DID), IOVA, 0, 0);
	guest_wait(&u->g);
	row_equal(where(u->dev, IOVA, VIOMMU_READ), u->page[3]);
	row_equal(where(u->dev, IOVA + 0x1000, VIOMMU_READ), FAULT(0x06));
	guest_put64(&u->g, top, old);
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_wait(&u->g);
	row_equal(where(u->dev, IOVA + 0x1000, VIOMMU_READ), u->page[1]);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_channel_has_several),
		cmocka_unit_test(test_nothing_negative_is_cached),
		cmocka_unit_test(test_tables_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
