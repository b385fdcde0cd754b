/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_rows_context.c - every combination of control bits of context and PASID entries. */
#include "vtd_tables_internal.h"

/* Tables that are valid from any depth on: index 0 at every level, 2 MiB or 1 GiB identity below.
 */
static void lay_any_depth(struct rows *rows)
{
	struct vt_image *image = rows->image;
	uint64_t l2 = PAGE * 26;

	put(image, VT_SS, ROW_SS_ROOT, PAGE * 25 | SS_FULL);
	put(image, VT_SS, PAGE * 25, l2 | SS_FULL);
	put(image, VT_SS, l2, BIT(7) | SS_FULL);
	for (uint64_t page = 1; page < 64; page++)
		put(image, VT_SS, l2 + 8 * page, PAGE * page | SS_FULL);
	put(image, VT_FS, ROW_FS_ROOT, PAGE * 27 | FS_FULL);
	for (uint64_t page = 27; page < 31; page++)
		put(image, VT_FS, PAGE * page, PAGE * (page + 1) | FS_FULL);
}

static void all_low_words(struct rows *rows, enum vt_kind kind, uint64_t addr, uint64_t rest,
			  const struct access *access, unsigned naccess, uint32_t pasid)
{
	rows->row.word_addr = addr;
	for (uint64_t n = 0; n < 4096 && !rows->stopped; n++) {
		rows->row.bits = rest | n;
		put(rows->image, kind, addr, rows->row.bits);
		for (unsigned i = 0; i < naccess; i++)
			emit(rows, &access[i], pasid, 0x123);
	}
}

void legacy_context_rows(struct rows *rows)
{
	static const uint64_t q1_extra[] = { 0, BIT(7), BIT(24), 0x78, BIT(63), BIT(8) | BIT(23) };
	static const uint64_t lacks[][2] = {
		{ 0, 0 }, { 0, BIT(E_DT) }, { 0, BIT(E_PT) }, { SAGAW(0xa), 0 }, { SAGAW(0x4), 0 },
	};
	uint64_t entry = ROW_CONTEXT_TABLE + 16 * (ROW_RID & 0xff);

	for (unsigned v = 0; v < 5; v++) {
		row_begin(rows, v, lacks[v][0], lacks[v][1], false);
		lay_any_depth(rows);
		for (uint64_t q1 = 0; q1 < 8 * 6; q1++) {
			put(rows->image, VT_CONTEXT, entry + 8, (q1 & 7) | q1_extra[q1 >> 3]);
			all_low_words(rows, VT_CONTEXT, entry, ROW_SS_ROOT, plain_access, NPLAIN,
				      0);
		}
	}
}

static const struct access context_access[] = {
	{ 0, 1, 0, 0, 0, UT, 0 }, { 1, 1, 0, 0, 0, UT, 0 }, { 1, 0, 1, 0, 1, UT, 0 },
	{ 0, 1, 0, 0, 0, TR, 0 }, { 1, 1, 0, 0, 0, TR, 0 }, { 0, 1, 0, 0, 0, TD, 0 },
	{ 1, 0, 1, 0, 0, TD, 0 },
};

static void scalable_context_words(struct rows *rows, uint64_t entry)
{
	static const uint64_t extra[][3] = {
		{ 0, 0, 0 },
		{ BIT(21), 0, 0 },
		{ 0, BIT(0), 0 },
		{ 0, 0, BIT(63) },
	};

	for (unsigned n = 0; n < 16; n++) {
		uint64_t rid_pasid = n & 1 ? 0xfffff : ROW_PASID;

		for (unsigned q = 0; q < 3; q++)
			put(rows->image, VT_CONTEXT, entry + 8 + 8 * q,
			    extra[n >> 2][q] | (q ? 0 : rid_pasid | (n & 2 ? BIT(20) : 0)));
		for (unsigned beyond = 0; beyond < 2; beyond++)
			all_low_words(rows, VT_CONTEXT, entry, ROW_DIRECTORY, context_access,
				      sizeof(context_access) / sizeof(context_access[0]),
				      beyond ? 0x7ffff : ROW_PASID);
	}
}

void scalable_context_rows(struct rows *rows)
{
	static const uint64_t lacks[] = { 0, BIT(E_DT), BIT(E_PASID), BIT(E_PRS),
					  BIT(E_RPS) | BIT(E_RPRIVS) };

	for (unsigned v = 0; v < 5; v++) {
		row_begin(rows, v, 0, lacks[v], true);
		row_scalable_context(rows);
		row_pasid_entry(rows, 1 << 6 | 1, BIT(23), ROW_FS_ROOT);
		lay_any_depth(rows);
		scalable_context_words(rows, ROW_CONTEXT_TABLE + 32 * (ROW_RID & 0x7f));
	}
}

/* qw0 and qw2 of the PASID entry, with each capability missing in turn. */
static const uint64_t pasid_lacks[][2] = {
	{ 0, 0 },
	{ 0, BIT(E_FSTS) },
	{ 0, BIT(E_SSTS) },
	{ 0, BIT(E_NEST) },
	{ 0, BIT(E_PT) },
	{ 0, BIT(E_SSADS) },
	{ SAGAW(0xa), 0 },
	{ SAGAW(0x4), 0 },
	{ 0, BIT(E_SRS) },
	{ 0, BIT(E_ERS) },
	{ 0, BIT(E_EAFS) },
	{ BIT(FS5LP), 0 },
	{ 0, BIT(E_RPRIVS) },
};
enum { NPASID_LACKS = sizeof(pasid_lacks) / sizeof(pasid_lacks[0]) };

/* What the unit has of these bits of qw2: SRE, ERE, FSPTPTR. */
static uint64_t supported_qw2(const struct vt_image *image, uint64_t q2)
{
	if (!has_ecap(image, E_FSTS))
		return 0;
	if (!has_ecap(image, E_SRS))
		q2 &= ~BIT(0);
	if (!has_ecap(image, E_ERS))
		q2 &= ~BIT(1);
	return q2;
}

static uint64_t if_second_stage(const struct vt_image *image, uint64_t bits)
{
	return has_ecap(image, E_SSTS) ? bits : 0;
}

void pasid_qw0_rows(struct rows *rows)
{
	uint64_t entry = ROW_PASID_TABLE + 64 * ROW_PASID;

	for (unsigned v = 0; v < NPASID_LACKS; v++) {
		row_begin(rows, v, pasid_lacks[v][0], pasid_lacks[v][1], true);
		row_scalable_context(rows);
		row_pasid_entry(rows, 0, BIT(23), supported_qw2(rows->image, ROW_FS_ROOT | 0x23));
		lay_any_depth(rows);
		all_low_words(rows, VT_PASID, entry, if_second_stage(rows->image, ROW_SS_ROOT),
			      pasid_access, NPASID, ROW_PASID);
	}
}

void pasid_qw1_rows(struct rows *rows)
{
	static const uint64_t masks[] = { BIT(15), BIT(16), BIT(22), BIT(23), BIT(24),
					  BIT(25), BIT(26), BIT(30), BIT(31), BIT(63) };
	static const uint64_t lacks[] = { 0, BIT(E_SMPWCS), BIT(E_SC) };
	uint64_t entry = ROW_PASID_TABLE + 64 * ROW_PASID;

	for (uint64_t v = 0; v < 12; v++) {
		row_begin(rows, (unsigned)v, 0, lacks[v % 3], true);
		row_scalable_context(rows);
		row_pasid_entry(rows,
				ROW_SS_ROOT | 2 << 2 | (v / 3 + 1) << 6 | 1 |
					(has_ecap(rows->image, E_SSADS) ? BIT(9) : 0),
				0, ROW_FS_ROOT | 0x23);
		lay_any_depth(rows);
		all_words(rows, VT_PASID, entry + 8, masks, sizeof(masks) / sizeof(masks[0]),
			  pasid_access, NPASID, 0x123);
	}
}

void pasid_qw2_rows(struct rows *rows)
{
	uint64_t entry = ROW_PASID_TABLE + 64 * ROW_PASID;

	for (uint64_t v = 0; v < 4 * NPASID_LACKS; v++) {
		const uint64_t *lacks = pasid_lacks[v / 4];
		uint64_t aw = lacks[0] == SAGAW(0x4) ? 1 : 2;

		row_begin(rows, (unsigned)v, lacks[0], lacks[1], true);
		row_scalable_context(rows);
		row_pasid_entry(rows,
				if_second_stage(rows->image, ROW_SS_ROOT | aw << 2) |
					(v % 4 + 1) << 6 | 1,
				BIT(23), 0);
		lay_any_depth(rows);
		all_low_words(rows, VT_PASID, entry + 16, supported_qw2(rows->image, ROW_FS_ROOT),
			      pasid_access, NPASID, ROW_PASID);
	}
}
