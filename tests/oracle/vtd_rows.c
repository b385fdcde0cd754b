/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_rows.c - every combination of control bits of a paging entry, at each level, for each access. */
#include "vtd_tables_internal.h"

/* pasid, read, write, exec, priv, at, nw */
const struct access plain_access[NPLAIN] = {
	{ 0, 1, 0, 0, 0, UT, 0 }, { 0, 0, 1, 0, 0, UT, 0 }, { 0, 1, 1, 0, 0, UT, 0 },
	{ 0, 1, 0, 0, 0, TR, 0 }, { 0, 1, 0, 0, 0, TR, 1 }, { 0, 1, 0, 0, 0, TD, 0 },
};
const struct access pasid_access[NPASID] = {
	{ 1, 1, 0, 0, 0, UT, 0 }, { 1, 1, 0, 0, 1, UT, 0 }, { 1, 0, 1, 0, 0, UT, 0 },
	{ 1, 0, 1, 0, 1, UT, 0 }, { 1, 1, 1, 0, 0, UT, 0 }, { 1, 1, 0, 1, 0, UT, 0 },
	{ 1, 1, 0, 1, 1, UT, 0 }, { 1, 1, 0, 0, 0, TR, 0 }, { 1, 1, 0, 0, 1, TR, 0 },
	{ 1, 1, 0, 1, 0, TR, 1 }, { 0, 1, 0, 0, 0, UT, 0 }, { 0, 1, 0, 0, 0, TR, 0 },
};
/* The address whose index is i at every level. */
static uint64_t address_of_index(unsigned levels, uint64_t i)
{
	uint64_t addr = 0;

	for (unsigned level = 1; level <= levels; level++)
		addr |= i << (3 + 9 * level);
	return addr;
}

/* A unit with everything, less @no_cap and @no_ecap; slots stay, so that copies can be restored. */
void row_begin(struct rows *rows, unsigned variant, uint64_t no_cap, uint64_t no_ecap,
	       bool scalable)
{
	struct vt_image *image = rows->image;

	for (unsigned i = 0; i < image->nslots; i++)
		image->mem.words[image->slot[i]] = 0;
	image->next_page = ROW_FIRST_FREE;
	image->unit = (struct vo_unit){
		.cap = caps_all.cap & ~no_cap,
		.ecap = caps_all.ecap & ~no_ecap,
		.haw = caps_all.haw,
		.version_major = 1,
		.te = true,
		.plm_base = 1,
		.phm_base = 1,
		.rtaddr = ROW_ROOT | (scalable ? BIT(10) : 0),
	};
	make_consistent(&image->unit);
	rows->row.variant = variant;
	put(image, VT_ROOT, ROW_ROOT + 16 * (ROW_RID >> 8), ROW_CONTEXT_TABLE | 1);
}

static void row_legacy_context(struct rows *rows, unsigned levels)
{
	uint64_t entry = ROW_CONTEXT_TABLE + 16 * (ROW_RID & 0xff);

	put(rows->image, VT_CONTEXT, entry, ROW_SS_ROOT | 1 << 2 | 1);
	put(rows->image, VT_CONTEXT, entry + 8, levels - 2);
}

/* Requests without PASID use the same PASID entry. */
void row_scalable_context(struct rows *rows)
{
	uint64_t entry = ROW_CONTEXT_TABLE + 32 * (ROW_RID & 0x7f);

	put(rows->image, VT_CONTEXT, entry, ROW_DIRECTORY | BIT(3) | BIT(2) | 1);
	put(rows->image, VT_CONTEXT, entry + 8, ROW_PASID);
	put(rows->image, VT_DIRECTORY, ROW_DIRECTORY, ROW_PASID_TABLE | 1);
}

void row_pasid_entry(struct rows *rows, uint64_t q0, uint64_t q1, uint64_t q2)
{
	uint64_t entry = ROW_PASID_TABLE + 64 * ROW_PASID;

	put(rows->image, VT_PASID, entry, q0);
	put(rows->image, VT_PASID, entry + 8, q1);
	put(rows->image, VT_PASID, entry + 16, q2);
}

/* A valid path; returns the address of the entry at @level. */
static uint64_t lay_path(struct rows *rows, enum vt_kind kind, uint64_t root, unsigned levels,
			 uint64_t in, uint64_t out, unsigned level)
{
	struct vt_image *image = rows->image;
	uint64_t table = root, wanted = 0;

	for (unsigned l = levels; l >= 1; l--) {
		uint64_t entry = table + 8 * (in >> (3 + 9 * l) & 511);

		if (l == level)
			wanted = entry;
		if (l > 1 && !get(image, entry))
			put(image, kind, entry, PAGE * image->next_page++ | 7);
		if (l == 1)
			put(image, kind, entry, out | 7);
		table = get(image, entry) & ~(PAGE - 1);
	}
	return wanted;
}

/* The table below the entry under test, copied to where a zero address field finds it. */
static void copy_table_below(struct rows *rows, enum vt_kind kind, uint64_t entry, uint64_t in,
			     unsigned level)
{
	uint64_t table = get(rows->image, entry) & ~(PAGE - 1);
	uint64_t offset = level > 1 ? 8 * (in >> (3 + 9 * (level - 1)) & 511) : 0;

	for (unsigned page = 0; level > 1 && page < 4; page++)
		put(rows->image, kind, PAGE * page + offset, get(rows->image, table + offset));
}

void emit(struct rows *rows, const struct access *a, uint32_t pasid, uint64_t iova)
{
	struct vo_request req = {
		.rid = ROW_RID,
		.has_pasid = a->has_pasid,
		.pasid = a->has_pasid ? pasid : 0,
		.iova = iova,
		.read = a->read,
		.write = a->write,
		.exec = a->exec,
		.priv = a->priv,
		.at = a->at,
		.no_write = a->no_write,
	};

	if (rows->stopped)
		return;
	rows->row.req = &req;
	rows->stopped = !rows->fn(rows->opaque, &rows->row);
	rows->count++;
}

/* Spread the low bits of n over the masks: every subset of them comes up once. */
static uint64_t subset(const uint64_t *mask, unsigned nmasks, unsigned n)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < nmasks; i++)
		if (n >> i & 1)
			word |= mask[i];
	return word;
}

void all_words(struct rows *rows, enum vt_kind kind, uint64_t addr, const uint64_t *mask,
	       unsigned nmasks, const struct access *access, unsigned naccess, uint64_t iova)
{
	rows->row.word_addr = addr;
	for (unsigned n = 0; n < 1u << nmasks && !rows->stopped; n++) {
		rows->row.bits = subset(mask, nmasks, n);
		put(rows->image, kind, addr, rows->row.bits);
		for (unsigned i = 0; i < naccess; i++)
			emit(rows, &access[i], ROW_PASID, iova);
	}
}

/* R W X, ignored, PS, A, D, SNP, two low address bits, a bit at HAW, ignored, TM. */
static const uint64_t ss_masks[] = {
	BIT(0),	 BIT(1),  BIT(2),  BIT(3) | BIT(6), BIT(7),  BIT(8),
	BIT(9),	 BIT(11), BIT(12), BIT(13),	    BIT(46), BIT(52) | BIT(10) | BIT(63),
	BIT(62),
};
/* P RW US, ignored, A, D, PS, EA, two low address bits, a bit at HAW, XD. */
static const uint64_t fs_masks[] = {
	BIT(0),	 BIT(1),  BIT(2),  BIT(3) | BIT(4) | BIT(8) | BIT(9) | BIT(11) | BIT(52) | BIT(62),
	BIT(5),	 BIT(6),  BIT(7),  BIT(10),
	BIT(12), BIT(13), BIT(46), BIT(63),
};
enum {
	NSS = sizeof(ss_masks) / sizeof(ss_masks[0]),
	NFS = sizeof(fs_masks) / sizeof(fs_masks[0]),
};

/* Depth, and what the unit lacks. */
static const struct {
	unsigned levels;
	uint64_t no_cap, no_ecap;
	uint64_t q0, q1; /* of the PASID entry: SSADE, PWSNP */
} ss_variants[] = {
	{ 5, 0, 0, 0, BIT(23) },
	{ 4, 0, 0, BIT(9), BIT(23) },
	{ 3, 0, 0, BIT(9), 0 },
	{ 5, 0, BIT(E_SC), BIT(9), BIT(23) },
	{ 5, BIT(SSLPS_2M), 0, BIT(9), BIT(23) },
	{ 5, BIT(SSLPS_1G), 0, 0, 0 },
	{ 5, 0, BIT(E_NWFS), BIT(9), BIT(23) },
};
enum { NSSV = sizeof(ss_variants) / sizeof(ss_variants[0]) };

static void ss_row(struct rows *rows, unsigned v, unsigned level, bool scalable)
{
	unsigned levels = ss_variants[v].levels;
	uint64_t in = address_of_index(levels, 1), entry;

	row_begin(rows, v, ss_variants[v].no_cap, ss_variants[v].no_ecap, scalable);
	rows->row.level = level;
	if (scalable) {
		row_scalable_context(rows);
		row_pasid_entry(rows,
				ROW_SS_ROOT | (uint64_t)(levels - 2) << 2 | 2 << 6 | 1 |
					ss_variants[v].q0,
				ss_variants[v].q1, 0);
	} else {
		row_legacy_context(rows, levels);
	}
	entry = lay_path(rows, VT_SS, ROW_SS_ROOT, levels, in, ROW_TARGET, level);
	copy_table_below(rows, VT_SS, entry, in, level);
	all_words(rows, VT_SS, entry, ss_masks, NSS, plain_access, NPLAIN, in | 0x123);
}

static void ss_rows(struct rows *rows, bool scalable)
{
	for (unsigned v = 0; v < NSSV; v++)
		for (unsigned level = 1; level <= ss_variants[v].levels; level++)
			ss_row(rows, v, level, scalable);
}

/* Identity for all of memory: a 2 MiB page, or a 1 GiB page under five levels. */
static void lay_identity(struct rows *rows, unsigned levels, uint64_t bits)
{
	uint64_t entry = lay_path(rows, VT_SS, ROW_SS_ROOT, levels, 0, 0, 2);

	put(rows->image, VT_SS, entry, bits | BIT(7));
}

static const struct access nested_access[] = {
	{ 1, 1, 0, 0, 0, UT, 0 }, { 1, 0, 1, 0, 0, UT, 0 }, { 1, 1, 0, 1, 0, UT, 0 },
	{ 1, 1, 0, 0, 0, TR, 0 }, { 1, 1, 0, 0, 0, TR, 1 },
};
enum { NNESTED = sizeof(nested_access) / sizeof(nested_access[0]) };

enum maps { MAPS_RESULT, MAPS_TOP_TABLE, MAPS_LOWER_TABLE, NMAPS };

/* First-stage tables for nested_row(); returns FSPTPTR. @in is what the entry under test maps. */
static uint64_t lay_nested_tables(struct rows *rows, enum maps maps, uint64_t in, uint64_t iova)
{
	uint64_t index = 8 * (iova >> 12 & 511); /* the same at every level */

	switch (maps) {
	case MAPS_TOP_TABLE:
		lay_path(rows, VT_FS, ROW_FS_HOST, 4, iova, ROW_TARGET, 1);
		return in;
	case MAPS_LOWER_TABLE:
		put(rows->image, VT_FS, ROW_FS_ROOT + index, in | FS_FULL);
		lay_path(rows, VT_FS, ROW_FS_HOST, 3, iova, ROW_TARGET, 1);
		return ROW_FS_ROOT;
	default:
		lay_path(rows, VT_FS, ROW_FS_ROOT, 4, iova, in, 1);
		return ROW_FS_ROOT;
	}
}

/*
 * The entry under test maps the result, or the host page of a first-stage table. Indices of the
 * first stage are 2, of the second 1, so that the two do not share words. A leaf with a zero
 * address finds first-stage tables in pages 0 to 3 as well.
 */
static void ss_nested_row(struct rows *rows, unsigned v, unsigned level, enum maps maps)
{
	unsigned levels = ss_variants[v].levels;
	uint64_t in = address_of_index(levels, 1), iova = address_of_index(4, 2);
	uint64_t host = maps == MAPS_RESULT ? ROW_TARGET : ROW_FS_HOST, fs_root, entry;

	row_begin(rows, NMAPS * v + maps, ss_variants[v].no_cap, ss_variants[v].no_ecap, true);
	rows->row.level = level;
	fs_root = lay_nested_tables(rows, maps, in, iova);
	row_scalable_context(rows);
	row_pasid_entry(rows,
			ROW_SS_ROOT | (uint64_t)(levels - 2) << 2 | 3 << 6 | 1 | ss_variants[v].q0,
			ss_variants[v].q1, fs_root | BIT(5) | BIT(1));
	for (uint64_t page = 0; page < 64; page++)
		lay_path(rows, VT_SS, ROW_SS_ROOT, levels, PAGE * page, PAGE * page, 1);
	entry = lay_path(rows, VT_SS, ROW_SS_ROOT, levels, in, host, level);
	copy_table_below(rows, VT_SS, entry, in, level);
	for (uint64_t page = 0; page < 4; page++)
		put(rows->image, VT_FS, PAGE * page + 16, get(rows->image, ROW_FS_HOST + 16));
	all_words(rows, VT_SS, entry, ss_masks, NSS, nested_access, NNESTED, iova | 0x123);
}

static void ss_nested_rows(struct rows *rows)
{
	for (unsigned v = 0; v < NSSV; v++)
		for (unsigned level = 1; level <= ss_variants[v].levels; level++)
			for (unsigned maps = 0; maps < NMAPS; maps++)
				ss_nested_row(rows, v, level, (enum maps)maps);
}

/* Bits 3:0 of v are WPE, NXE, SMEP, EAFE; v from 16 on: other settings with the last three set. */
static void fs_row(struct rows *rows, unsigned v, unsigned level)
{
	unsigned levels = v == 16 ? 4 : 5;
	uint64_t settings = v < 16 ? (uint64_t)v << 4 : 0xf0;
	uint64_t in = address_of_index(levels, 1), entry;

	if (level > levels)
		return;
	row_begin(rows, v, v == 17 ? BIT(FS1GP) : 0, 0, true);
	rows->row.level = level;
	row_scalable_context(rows);
	row_pasid_entry(rows, 1 << 6 | 1, v == 18 ? 0 : BIT(23),
			ROW_FS_ROOT | settings | (levels == 5 ? BIT(2) : 0) | BIT(1) | BIT(0));
	entry = lay_path(rows, VT_FS, ROW_FS_ROOT, levels, in, ROW_TARGET, level);
	copy_table_below(rows, VT_FS, entry, in, level);
	all_words(rows, VT_FS, entry, fs_masks, NFS, pasid_access, NPASID, in | 0x123);
}

static void fs_rows(struct rows *rows)
{
	for (unsigned v = 0; v < 19; v++)
		for (unsigned level = 1; level <= 5; level++)
			fs_row(rows, v, level);
}

/* What lies below a nested first-stage entry: second-stage permission, SSADE, PWSNP. */
static const struct {
	uint64_t ss, q0, q1;
} nested_variants[] = {
	{ 3, 0, BIT(23) },
	{ 3, BIT(9), BIT(23) },
	{ 1, BIT(9), BIT(23) }, /* no A/D store possible: 77h */
	{ 2, 0, BIT(23) },	/* no load possible: 75h */
	{ 3 | BIT(8) | BIT(9), BIT(9), 0 },
};

static void fs_nested_row(struct rows *rows, unsigned v, unsigned level)
{
	uint64_t in = address_of_index(5, 1), entry;

	row_begin(rows, v, 0, 0, true);
	rows->row.level = level;
	row_scalable_context(rows);
	row_pasid_entry(rows, ROW_SS_ROOT | 2 << 2 | 3 << 6 | 1 | nested_variants[v].q0,
			nested_variants[v].q1, ROW_FS_ROOT | 0xb0 | BIT(2) | BIT(1) | BIT(0));
	lay_identity(rows, 4, nested_variants[v].ss);
	entry = lay_path(rows, VT_FS, ROW_FS_ROOT, 5, in, ROW_TARGET, level);
	copy_table_below(rows, VT_FS, entry, in, level);
	all_words(rows, VT_FS, entry, fs_masks, NFS, pasid_access, NPASID, in | 0x123);
}

static void fs_nested_rows(struct rows *rows)
{
	for (unsigned v = 0; v < sizeof(nested_variants) / sizeof(nested_variants[0]); v++)
		for (unsigned level = 1; level <= 5; level++)
			fs_nested_row(rows, v, level);
}

uint64_t vt_rows(struct vt_image *image, enum vt_format format, vt_row_fn fn, void *opaque)
{
	struct rows rows = { .image = image, .fn = fn, .opaque = opaque };

	clear_image(image);
	rows.row.format = format;
	rows.row.image = image;
	switch (format) {
	case VT_ROW_SS_LEGACY:
		ss_rows(&rows, false);
		break;
	case VT_ROW_SS_SCALABLE:
		ss_rows(&rows, true);
		break;
	case VT_ROW_SS_NESTED:
		ss_nested_rows(&rows);
		break;
	case VT_ROW_FS:
		fs_rows(&rows);
		break;
	case VT_ROW_FS_NESTED:
		fs_nested_rows(&rows);
		break;
	case VT_ROW_LEGACY_CONTEXT:
		legacy_context_rows(&rows);
		break;
	case VT_ROW_SCALABLE_CONTEXT:
		scalable_context_rows(&rows);
		break;
	case VT_ROW_PASID_QW0:
		pasid_qw0_rows(&rows);
		break;
	case VT_ROW_PASID_QW1:
		pasid_qw1_rows(&rows);
		break;
	case VT_ROW_PASID_QW2:
		pasid_qw2_rows(&rows);
		break;
	case VT_ROW_FORMATS:
		break;
	}
	return rows.count;
}

const char *vt_format_name(enum vt_format format)
{
	static const char *const name[] = {
		"second-stage entry, legacy",
		"second-stage entry, scalable",
		"second-stage entry, nested",
		"first-stage entry",
		"first-stage entry, nested",
		"legacy context",
		"scalable context",
		"PASID entry qw0",
		"PASID entry qw1",
		"PASID entry qw2",
	};

	return format < VT_ROW_FORMATS ? name[format] : "?";
}
