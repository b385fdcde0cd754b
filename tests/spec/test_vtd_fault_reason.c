/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_fault_reason.c - every fault reason that tables can provoke (7.1.3): whether FPD keeps
 * it from being recorded, and that cold and warm requests leave the same record (obligation 8).
 * Expected: docs/vtd-notes.md section 1.
 */

#include "vtd_unit.h"

#define NOWHERE UINT64_C(0x80000000) /* no memory there */
#define NONE	VIOMMU_NO_PASID

/* Words of the structures on the path of a request. */
enum place {
	NOTHING,
	ROOT,	 /* root entry, first word */
	CONTEXT, /* context entry, first word */
	CONTEXT1,
	RID_PASID, /* of the scalable context entry, with the smallest directory */
	DIRECTORY,
	ENTRY, /* PASID table entry of the request's PASID, first word */
	ENTRY2,
	TOP,  /* of the page table: entry in the topmost table */
	LEAF, /* and in the one that holds pages */
	RTADDR,
};

struct reason_row {
	const char *name;
	unsigned reason;
	bool qualified;
	/* What is changed, and how. */
	enum place place;
	uint64_t clear;
	uint64_t set;
	/* The request. */
	uint64_t iova;
	uint32_t pasid;
	uint16_t access;
	uint16_t type;
};

#define R	VIOMMU_READ
#define W	VIOMMU_WRITE
#define X	VIOMMU_EXEC
#define PR	VIOMMU_PRIV
#define IO	UNIT_IOVA
#define ADDRESS BITS(63, 12)
#define ALL	UINT64_MAX
#define Q	true

static const struct reason_row legacy[] = {
	{ "LRT.1", 0x08, false, RTADDR, ALL, NOWHERE, IO, NONE, R, 0 },
	{ "LRT.2", 0x01, false, ROOT, BIT(0), 0, IO, NONE, R, 0 },
	{ "LRT.3", 0x0a, false, ROOT, 0, BIT(1), IO, NONE, W, 0 },
	{ "LCT.1", 0x09, false, ROOT, ADDRESS, NOWHERE, IO, NONE, R, 0 },
	{ "LCT.2", 0x02, Q, CONTEXT, BIT(0), 0, IO, NONE, R, 0 },
	{ "LCT.3", 0x0b, Q, CONTEXT, 0, BIT(4), IO, NONE, R, 0 },
	{ "LCT.3 before LCT.4", 0x0b, Q, CONTEXT, 0, BIT(11) | BITS(3, 2), IO, NONE, R, 0 },
	{ "LCT.4.1 AW", 0x03, Q, CONTEXT1, 7, 0, IO, NONE, R, 0 },
	{ "LCT.4.2 TT=3", 0x03, Q, CONTEXT, 0, BITS(3, 2), IO, NONE, R, 0 },
	{ "LCT.4.3 SSPTPTR", 0x03, Q, CONTEXT, ADDRESS, NOWHERE, IO, NONE, R, 0 },
	{ "LCT.5 translation request, TT=0", 0x0d, Q, CONTEXT, BITS(3, 2), 0, IO, NONE, R, 1 },
	{ "LCT.5 translated request, TT=0", 0x0d, Q, CONTEXT, BITS(3, 2), 0, IO, NONE, W, 2 },
	{ "LGN.1 address width", 0x04, Q, NOTHING, 0, 0, BIT(48), NONE, R, 0 },
	{ "LGN.2", 0x05, Q, LEAF, BIT(1), 0, IO, NONE, W, 0 },
	{ "LGN.2 atomic", 0x05, Q, LEAF, BIT(1), 0, IO, NONE, R | W, 0 },
	{ "LGN.3", 0x06, Q, LEAF, BIT(0), 0, IO, NONE, R, 0 },
	{ "LGN.3 absent", 0x06, Q, LEAF, ALL, 0, IO, NONE, R, 0 },
	{ "LGN.2 absent", 0x05, Q, LEAF, ALL, 0, IO, NONE, W, 0 },
	{ "LGN.4 read in the window", 0x0e, Q, NOTHING, 0, 0, 0xfee00000, NONE, R, 0 },
	{ "LGN.4 output in the window", 0x0e, Q, LEAF, ADDRESS, 0xfeeff000, IO, NONE, R, 0 },
	{ "LSS.1", 0x07, Q, TOP, ADDRESS, NOWHERE, IO, NONE, R, 0 },
	{ "LSS.2", 0x0c, Q, TOP, 0, BIT(11), IO, NONE, R, 0 },
	{ "RTA.2 PASID in legacy mode", 0x31, false, NOTHING, 0, 0, IO, 5, R, 0 },
};

static const struct reason_row scalable[] = {
	{ "SRT.1", 0x38, false, RTADDR, ADDRESS, NOWHERE, IO, NONE, R, 0 },
	{ "SRT.2", 0x39, false, ROOT, BIT(0), 0, IO, NONE, R, 0 },
	{ "SRT.3", 0x3a, false, ROOT, 0, BIT(11), IO, NONE, R, 0 },
	{ "SCT.1", 0x40, false, ROOT, ADDRESS, NOWHERE, IO, NONE, R, 0 },
	{ "SCT.2", 0x41, Q, CONTEXT, BIT(0), 0, IO, NONE, R, 0 },
	{ "SCT.3", 0x42, Q, CONTEXT, 0, BIT(5), IO, NONE, R, 0 },
	{ "SCT.5 translation request", 0x44, Q, CONTEXT, BIT(2), 0, IO, NONE, R, 1 },
	{ "SCT.5 translated request", 0x44, Q, CONTEXT, BIT(2), 0, IO, NONE, R, 2 },
	{ "SCT.6", 0x45, Q, CONTEXT, BIT(3), 0, IO, 5, R, 0 },
	{ "SCT.7", 0x46, Q, CONTEXT, BITS(11, 9), 0, IO, 0x2000, R, 0 },
	{ "SCT.9", 0x48, Q, RID_PASID, 0, BITS(19, 0), IO, NONE, R, 0 },
	{ "SPD.1", 0x50, false, CONTEXT, ADDRESS, NOWHERE, IO, NONE, R, 0 },
	{ "SPD.2", 0x51, Q, DIRECTORY, BIT(0), 0, IO, 5, R, 0 },
	{ "SPD.3", 0x52, Q, DIRECTORY, 0, BIT(2), IO, 5, R, 0 },
	{ "SPT.1", 0x58, false, DIRECTORY, ADDRESS, NOWHERE, IO, 5, R, 0 },
	{ "SPT.2", 0x59, Q, ENTRY, BIT(0), 0, IO, 5, R, 0 },
	{ "SPT.3", 0x5a, Q, ENTRY, 0, BIT(10), IO, 5, R, 0 },
	{ "SPT.4 PGTT=0", 0x5b, Q, ENTRY, BITS(8, 6), 0, IO, 5, R, 0 },
	{ "SPT.4 FSPM=2", 0x5b, Q, ENTRY2, 0, BIT(3), IO, 5, R, 0 },
	{ "SPT.6 SRE=0", 0x5d, Q, NOTHING, 0, 0, IO, 5, R | PR, 0 },
	{ "SFS.1", 0x70, Q, TOP, ADDRESS, NOWHERE, IO, 5, R, 0 },
	{ "SFS.2", 0x71, Q, LEAF, BIT(0), 0, IO, 5, R, 0 },
	{ "SFS.3", 0x72, Q, TOP, 0, BIT(7), IO, 5, W, 0 },
	{ "SFS.4", 0x73, Q, ENTRY2, ADDRESS, NOWHERE, IO, 5, R, 0 },
	{ "SSS.1", 0x78, Q, TOP, ADDRESS, NOWHERE, IO, NONE, R, 0 },
	{ "SSS.2", 0x79, Q, LEAF, 3, 0, IO, NONE, W, 0 },
	{ "SSS.3", 0x7a, Q, TOP, 0, BIT(11), IO, NONE, W, 0 },
	{ "SSS.4", 0x7b, Q, ENTRY, ADDRESS, NOWHERE, IO, NONE, R, 0 },
	{ "SGN.1", 0x80, Q, NOTHING, 0, 0, BIT(47), 5, R, 0 },
	{ "SGN.2", 0x81, Q, LEAF, BIT(2), 0, IO, 5, R, 0 },
	{ "SGN.4 translated request", 0x83, Q, NOTHING, 0, 0, BIT(52), NONE, R, 2 },
	{ "SGN.5", 0x84, Q, NOTHING, 0, 0, BIT(48), NONE, R, 0 },
	{ "SGN.6 first stage", 0x85, Q, LEAF, BIT(1), 0, IO, 5, W, 0 },
	{ "SGN.6 second stage", 0x85, Q, LEAF, BIT(1), 0, IO, NONE, W, 0 },
	{ "SGN.7", 0x86, Q, LEAF, BIT(0), 0, IO, NONE, R, 0 },
	{ "SGN.8 read without PASID", 0x87, Q, NOTHING, 0, 0, 0xfee00000, NONE, R, 0 },
	{ "SGN.8 output", 0x87, Q, LEAF, ADDRESS, 0xfee00000, IO, 5, W, 0 },
};

/* ---- what there is to change ---- */

static uint64_t word_of(struct unit *u, const struct reason_row *row, bool sm)
{
	struct guest *g = &u->g;
	uint32_t pasid = row->pasid == NONE || row->pasid > 63 ? 0 : row->pasid;
	bool first = sm && pasid == UNIT_PASID;
	uint64_t context = sm ? guest_scalable_entry(g, UNIT_RID) : guest_legacy_entry(g, UNIT_RID);
	uint64_t entry = sm ? guest_pasid_entry(g, UNIT_RID, pasid) : 0;
	uint64_t table = first ? u->fs : u->ss;
	uint64_t bits = first ? GUEST_FS : GUEST_RW;

	switch (row->place) {
	case ROOT:
		return g->root;
	case CONTEXT:
		return context;
	case CONTEXT1:
	case RID_PASID:
		return context + 8;
	case DIRECTORY:
		return guest_get64(g, context) & ADDRESS;
	case ENTRY:
		return entry;
	case ENTRY2:
		return entry + 16;
	case TOP:
		return guest_entry(g, table, 4, IO, 3, bits);
	case LEAF:
		return guest_entry(g, table, 4, IO, 0, bits);
	default:
		return 0;
	}
}

static void set_bits(struct unit *u, uint64_t gpa, uint64_t bits)
{
	guest_put64(&u->g, gpa, guest_get64(&u->g, gpa) | bits);
}

/* FPD in every entry on the path of every request. */
static void set_fpd(struct unit *u, bool sm)
{
	if (!sm) {
		set_bits(u, guest_legacy_entry(&u->g, UNIT_RID), BIT(1));
		return;
	}
	set_bits(u, guest_scalable_entry(&u->g, UNIT_RID), BIT(1));
	set_bits(u, guest_pasid_entry(&u->g, UNIT_RID, 0), BIT(1));
	set_bits(u, guest_pasid_entry(&u->g, UNIT_RID, UNIT_PASID), BIT(1));
	set_bits(u, guest_get64(&u->g, guest_scalable_entry(&u->g, UNIT_RID)) & ADDRESS, BIT(1));
}

static void damage(struct unit *u, const struct reason_row *row, bool sm)
{
	uint64_t gpa;

	if (row->place == NOTHING)
		return;
	if (row->place == RTADDR) {
		guest_write64(&u->g, VTD_RTADDR, row->set | (sm ? BIT(10) : 0));
		gcmd(u, VTD_G_RTP, 0);
		return;
	}
	gpa = word_of(u, row, sm);
	if (row->place == RID_PASID)
		guest_put64(&u->g, gpa - 8, guest_get64(&u->g, gpa - 8) & ~BITS(11, 9));
	guest_put64(&u->g, gpa, (guest_get64(&u->g, gpa) & ~row->clear) | row->set);
}

/* ---- the request, and what it leaves ---- */

static uint64_t wanted_high(const struct reason_row *row)
{
	bool write = row->access & W;
	bool t1 = !write || (row->access & R) || row->type == 1;
	bool t2 = write && (row->access & R);
	uint64_t high = UNIT_RID | (uint64_t)row->reason << 32 | (uint64_t)row->type << 60 |
			(t1 ? BIT(62) : 0) | (t2 ? BIT(28) : 0) | BIT(63);

	if (row->pasid != NONE)
		high |= BIT(31) | (uint64_t)row->pasid << 40 | (row->access & PR ? BIT(29) : 0) |
			(row->access & X ? BIT(30) : 0);
	return high;
}

static void request(struct unit *u, const struct reason_row *row, bool is_recorded)
{
	const struct viommu_request r = { .first = row->iova + 0x123,
					  .last = row->iova + 0x123,
					  .pasid = row->pasid,
					  .access = row->access,
					  .type = row->type };
	struct viommu_fragment f;
	struct viommu_answer a;
	struct guest_fault fault;

	row_equal(viommu_device_translate(u->dev, &r, &f, 1, &a), VIOMMU_FAULT);
	row_equal(a.reason, row->reason);
	row_equal(a.count, 0);
	row_equal(a.next, r.first);
	row_equal(guest_take_fault(&u->g, &fault), is_recorded);
	if (is_recorded) {
		row_equal(fault.info, row->iova & ADDRESS);
		row_equal(fault.high, wanted_high(row));
	}
	row_equal(guest_take_faults(&u->g), 0);
	row_equal(fsts(u), 0);
}

static void check(const struct reason_row *row, bool sm, bool fpd)
{
	struct unit *u = sm ? unit_scalable() : unit_legacy(GUEST_ECAP_LEGACY);

	row_name = row->name;
	if (fpd)
		set_fpd(u, sm);
	damage(u, row, sm);
	for (unsigned i = 0; i < 3; i++) /* cold, and with whatever was cached */
		request(u, row, !fpd || !row->qualified);
	guest_invalidate_all(&u->g);
	request(u, row, !fpd || !row->qualified);
	unit_close(u);
}

static void test_legacy(void **state)
{
	for (size_t i = 0; i < ROWS(legacy); i++) {
		check(&legacy[i], false, false);
		check(&legacy[i], false, true);
	}
}

static void test_scalable(void **state)
{
	for (size_t i = 0; i < ROWS(scalable); i++) {
		check(&scalable[i], true, false);
		check(&scalable[i], true, true);
	}
}

/* FPD is the OR of three entries (scalable): each alone is enough. */
static void test_fpd_at_each_level(void **state)
{
	static const struct reason_row absent = { "SFS.2", 0x71, Q, LEAF, BIT(0), 0, IO, 5, R, 0 };
	static const struct reason_row fields[] = {
		{ "FPD in the context entry", 0, Q, CONTEXT, 0, 2, 0, 5, 0, 0 },
		{ "FPD in the directory entry", 0, Q, DIRECTORY, 0, 2, 0, 5, 0, 0 },
		{ "FPD in the PASID entry", 0, Q, ENTRY, 0, 2, 0, 5, 0, 0 },
	};

	for (size_t i = 0; i < ROWS(fields); i++) {
		struct unit *u = unit_scalable();

		row_name = fields[i].name;
		damage(u, &fields[i], true);
		damage(u, &absent, true);
		request(u, &absent, false);
		request(u, &absent, false);
		unit_close(u);
	}
}

/* The FPD of an entry with P=0 counts; that of an entry further down cannot. */
static void test_fpd_of_absent_entries(void **state)
{
	static const struct {
		struct reason_row row;
		enum place fpd;
		bool is_recorded;
	} rows[] = {
		{ { "51 with its own FPD", 0x51, Q, DIRECTORY, BIT(0), 0, IO, 5, R, 0 },
		  DIRECTORY,
		  false },
		{ { "51 with FPD of the PASID entry", 0x51, Q, DIRECTORY, BIT(0), 0, IO, 5, R, 0 },
		  ENTRY,
		  true },
		{ { "59 with its own FPD", 0x59, Q, ENTRY, BIT(0), 0, IO, 5, R, 0 }, ENTRY, false },
		{ { "45 with FPD of the directory", 0x45, Q, CONTEXT, BIT(3), 0, IO, 5, R, 0 },
		  DIRECTORY,
		  true },
		{ { "41 with its own FPD", 0x41, Q, CONTEXT, BIT(0), 0, IO, 5, R, 0 },
		  CONTEXT,
		  false },
		{ { "58 with FPD of context and directory", 0x58, false, DIRECTORY, ADDRESS,
		    NOWHERE | 2, IO, 5, R, 0 },
		  CONTEXT,
		  true },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = unit_scalable();
		struct reason_row fpd = rows[i].row;

		row_name = rows[i].row.name;
		fpd.place = rows[i].fpd;
		set_bits(u, word_of(u, &fpd, true), 2);
		damage(u, &rows[i].row, true);
		request(u, &rows[i].row, rows[i].is_recorded);
		unit_close(u);
	}
}

/* ---- obligation 8: a hit without sufficient permission faults, and is recorded, as a walk does */

static void test_warm(void **state)
{
	static const struct {
		const char *name;
		bool sm;
		uint32_t pasid;
		uint64_t leaf;
		unsigned fill;
		struct reason_row row;
	} rows[] = {
		{ "legacy: read fills, write faults",
		  false,
		  NONE,
		  1,
		  R,
		  { "", 0x05, Q, NOTHING, 0, 0, IO, NONE, W, 0 } },
		{ "legacy: write fills, read faults",
		  false,
		  NONE,
		  2,
		  W,
		  { "", 0x06, Q, NOTHING, 0, 0, IO, NONE, R, 0 } },
		{ "second stage: read fills, atomic faults",
		  true,
		  NONE,
		  1,
		  R,
		  { "", 0x85, Q, NOTHING, 0, 0, IO, NONE, R | W, 0 } },
		{ "first stage: read fills, write faults",
		  true,
		  5,
		  5,
		  R,
		  { "", 0x85, Q, NOTHING, 0, 0, IO, 5, W, 0 } },
		{ "first stage: user fills, supervisor is refused",
		  true,
		  5,
		  7,
		  R,
		  { "", 0x5d, Q, NOTHING, 0, 0, IO, 5, R | PR, 0 } },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = rows[i].sm ? unit_scalable() : unit_legacy(GUEST_ECAP_LEGACY);
		struct viommu_channel *c = guest_channel(&u->g, u->dev, rows[i].row.pasid);
		struct reason_row leaf = rows[i].row;

		row_name = rows[i].name;
		leaf.place = LEAF;
		guest_put64(&u->g, word_of(u, &leaf, rows[i].sm), u->page[0] | rows[i].leaf);
		for (unsigned k = 0; k < 3; k++) {
			row_equal(where_pasid(u->dev, rows[i].pasid, IO, rows[i].fill), u->page[0]);
			row_equal(where_channel(c, rows[i].pasid, IO, rows[i].fill), u->page[0]);
			request(u, &rows[i].row, true);
			row_equal(where_channel(c, rows[i].pasid, IO, rows[i].row.access),
				  FAULT(rows[i].row.reason));
			row_equal(recorded(u), rows[i].row.reason);
		}
		unit_close(u);
	}
}

/* 11.4.3 ECAP.SRS: without it there are user requests only, whatever they ask for. */
static void test_no_supervisors(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_SCALABLE & ~(VTD_ECAP_SRS | VTD_ECAP_RPRIVS));
	struct viommu_channel *c;

	unit_scalable_tables(u);
	guest_start(&u->g, VTD_TTM_SCALABLE);
	c = guest_channel(&u->g, u->dev, 5);
	row_name = "SRS=0: PRIV is nothing";
	for (unsigned i = 0; i < 3; i++) {
		row_equal(where_pasid(u->dev, 5, IO, R | PR), u->page[0]);
		row_equal(where_channel(c, 5, IO, R | PR), u->page[0]);
		row_equal(where_pasid(u->dev, 5, IO, R), u->page[0]);
	}
	unit_close(u);
}

/* SPT.4: a PGTT is one that ECAP has. */
static void test_translation_types(void **state)
{
	static const struct {
		const char *name;
		unsigned pgtt;
		uint64_t without; /* what ECAP has not */
	} rows[] = {
		{ "SPT.4 first stage, FSTS=0", VTD_PGTT_FIRST,
		  VTD_ECAP_FSTS | VTD_ECAP_NEST | VTD_ECAP_EAFS },
		{ "SPT.4 second stage, SSTS=0", VTD_PGTT_SECOND,
		  VTD_ECAP_SSTS | VTD_ECAP_NEST | VTD_ECAP_SSADS },
		{ "SPT.4 nested, NEST=0", VTD_PGTT_NESTED, VTD_ECAP_NEST },
		{ "SPT.4 pass-through, PT=0", VTD_PGTT_PASS, VTD_ECAP_PT },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct guest_pasid p = {
			.did = UNIT_DID, .pgtt = rows[i].pgtt, .fs_levels = 4, .ss_levels = 4
		};
		struct unit *u = unit_open(GUEST_CAP & ~(VTD_CAP_FS1GP | VTD_CAP_FS5LP),
					   GUEST_ECAP_SCALABLE & ~rows[i].without);

		row_name = rows[i].name;
		unit_scalable_tables(u);
		if (p.pgtt ==
		    VTD_PGTT_NESTED) { /* else tables are reserved, too, which comes first */
			p.fs = u->fs;
			p.ss = u->ss;
		}
		guest_pasid(&u->g, UNIT_RID, 6, &p);
		guest_start(&u->g, VTD_TTM_SCALABLE);
		row_equal(where_pasid(u->dev, 6, IO, R), FAULT(0x5b));
		row_equal(recorded(u), 0x5b);
		unit_close(u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_scalable),
		cmocka_unit_test(test_fpd_at_each_level),
		cmocka_unit_test(test_fpd_of_absent_entries),
		cmocka_unit_test(test_warm),
		cmocka_unit_test(test_no_supervisors),
		cmocka_unit_test(test_translation_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
