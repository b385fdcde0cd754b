/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_oracle.c - from device to page, see riscv_oracle.h. Sections are those of the RISC-V IOMMU specification. */
#include "riscv_oracle.h"

#include <string.h>

static uint64_t field(uint64_t word, unsigned high, unsigned low)
{
	return word >> low & (UINT64_MAX >> (63 - (high - low)));
}

static bool bit(uint64_t word, unsigned n)
{
	return word >> n & 1;
}

static bool cap(const struct ro_unit *u, unsigned n)
{
	return bit(u->capabilities, n);
}

/* ---- memory ---- */

static uint8_t *at(const struct ro_unit *u, uint64_t pa, unsigned bytes)
{
	if (pa < u->base || pa - u->base > u->bytes - bytes)
		return NULL;
	return u->ram + (pa - u->base);
}

static bool load(const struct ro_unit *u, uint64_t pa, unsigned bytes, bool be, uint64_t *value)
{
	const uint8_t *from = at(u, pa, bytes);

	*value = 0;
	for (unsigned i = 0; from && i < bytes; i++)
		*value |= (uint64_t)from[be ? bytes - 1 - i : i] << 8 * i;
	return from != NULL;
}

static void store(const struct ro_unit *u, uint64_t pa, unsigned bytes, bool be, uint64_t value)
{
	uint8_t *to = at(u, pa, bytes);

	for (unsigned i = 0; to && i < bytes; i++)
		to[be ? bytes - 1 - i : i] = (uint8_t)(value >> 8 * i);
}

/* ---- one request on its way ---- */

#define ACCESS_FAULT 1U	 /* + 4 read, + 6 write: 1, 5, 7 */
#define PAGE_FAULT   12U /* 12, 13, 15 */
#define GUEST_FAULT  20U /* 20, 21, 23 */

struct way {
	struct ro_unit *u;
	const struct ro_request *q;
	uint64_t dc[8];
	bool found_dc;
	/* what the context comes to */
	unsigned iosatp, iohgatp; /* modes */
	uint64_t root, groot;
	bool sxl, sbe, sade, gade, priv, sum;
	bool dry;    /* RO_ATS: permissions are found out before anything is written */
	bool writes; /* and then, whether W is granted */
	/* the fault */
	unsigned cause;
	uint64_t iotval2;
};

static bool fail(struct way *w, unsigned cause, uint64_t iotval2)
{
	w->cause = cause;
	w->iotval2 = iotval2;
	return false;
}

/* Of those that come in three. */
static bool fail_access(struct way *w, unsigned base, uint64_t iotval2)
{
	static const unsigned page[] = { 0, 1, 3 }, access[] = { 0, 4, 6 };

	return fail(w, base + (base == ACCESS_FAULT ? access : page)[w->q->access], iotval2);
}

/* ---- page tables ---- */

struct geometry {
	unsigned levels, index_bits, extra, entry_bytes; /* extra: bits more of the root's index */
};

static struct geometry geometry_of(unsigned mode, bool sv32, bool g)
{
	struct geometry v = { .levels = sv32 ? 2 : mode - 5, .index_bits = sv32 ? 10 : 9 };

	v.extra = g ? 2 : 0;
	v.entry_bytes = sv32 ? 4 : 8;
	return v;
}

struct leaf {
	uint64_t pa; /* of the address */
	unsigned size_lg2;
	bool r, w, x; /* what the entry grants, as far as it may be told: ATS */
	bool user_denied;
};

/* What is wanted of an entry. */
struct want {
	bool r, w, x;
	bool all; /* ATS: permissions are answered, not demanded */
	bool ad;  /* may be updated */
	bool second;
};

static bool second_stage(struct way *w, uint64_t gpa, const struct want *want, bool implicit,
			 struct leaf *leaf);

static bool entry_reserved(const struct way *w, uint64_t pte)
{
	return field(pte, 58, 54) || (!cap(w->u, RO_CAP_SVRSW60T59B) && field(pte, 60, 59)) ||
	       field(pte, 62, 61) == 3 || (!cap(w->u, RO_CAP_SVPBMT) && field(pte, 62, 61));
}

/* U: the first stage by privilege, the second as user. Execution of a user's page is never a supervisor's. */
static bool user_allows(const struct way *w, uint64_t pte, const struct want *want)
{
	if (want->second || !w->priv)
		return bit(pte, 4);
	return !bit(pte, 4) || (w->sum && (want->all || !want->x));
}

enum step { STEP_FAULT, STEP_TABLE, STEP_LEAF };

/* Everything about an entry but A and D. */
static enum step judge(const struct way *w, const struct geometry *v, uint64_t pte, unsigned level,
		       const struct want *want, struct leaf *leaf)
{
	bool wide = v->entry_bytes == 8;
	bool r = bit(pte, 1), wr = bit(pte, 2), x = bit(pte, 3), n = wide && bit(pte, 63);
	uint64_t ppn = wide ? field(pte, 53, 10) : field(pte, 31, 10);

	if (!bit(pte, 0) || (!r && wr) || (wide && entry_reserved(w, pte)))
		return STEP_FAULT;
	if (!r && !wr && !x) {
		if (level == 0 || n || bit(pte, 4) || bit(pte, 6) || bit(pte, 7) ||
		    (wide && field(pte, 62, 61)))
			return STEP_FAULT;
		return STEP_TABLE;
	}
	if (n && (level != 0 || (ppn & 15) != 8))
		return STEP_FAULT;
	if (level && (ppn & ((UINT64_C(1) << v->index_bits * level) - 1)))
		return STEP_FAULT;
	leaf->user_denied = !user_allows(w, pte, want);
	leaf->r = r;
	leaf->w = wr;
	leaf->x = x && !(bit(pte, 4) && w->priv && !want->second);
	if (!want->all &&
	    ((want->r && !r) || (want->w && !wr) || (want->x && !x) || leaf->user_denied))
		return STEP_FAULT;
	leaf->size_lg2 = 12 + v->index_bits * level;
	if (n) {
		leaf->size_lg2 = 16;
		ppn &= ~UINT64_C(15);
	}
	leaf->pa = ppn << 12;
	return STEP_LEAF;
}

/* The entry's place, after the second stage where there is one. @write: to update it. */
static bool locate(struct way *w, uint64_t address, bool second, bool write, uint64_t *pa)
{
	const struct want want = { .r = !write, .w = write, .ad = w->gade, .second = true };
	struct leaf leaf;

	*pa = address;
	if (second || w->iohgatp == 0)
		return true;
	if (!second_stage(w, address, &want, true, &leaf))
		return false;
	*pa = leaf.pa;
	return true;
}

/* A, and D for a write; false: a fault, which is said. */
static bool update(struct way *w, const struct geometry *v, uint64_t address, uint64_t pte,
		   const struct want *want, struct leaf *leaf, unsigned fault, uint64_t tell)
{
	bool be = want->second ? w->u->be : w->sbe;
	bool write = want->w && leaf->w;
	uint64_t pa;

	if (!want->ad && !bit(pte, 6))
		return fail_access(w, fault, tell);
	if (want->all && (leaf->user_denied || !leaf->r)) /* nothing is granted */
		return true;
	if (!want->ad && write && !bit(pte, 7)) {
		if (!want->all)
			return fail_access(w, fault, tell);
		leaf->w = false;
		return true;
	}
	if (bit(pte, 6) && (!write || bit(pte, 7)))
		return true;
	if (w->dry)
		return true;
	if (!locate(w, address, want->second, true, &pa))
		return false;
	w->u->stores++;
	store(w->u, pa, v->entry_bytes, be, pte | 1U << 6 | (write ? 1U << 7 : 0));
	return true;
}

static bool walk(struct way *w, const struct geometry *v, uint64_t root, uint64_t address,
		 const struct want *want, unsigned fault, uint64_t tell, struct leaf *leaf)
{
	uint64_t table = root;
	bool be = want->second ? w->u->be : w->sbe;

	for (unsigned level = v->levels; level-- > 0;) {
		unsigned shift = 12 + v->index_bits * level;
		unsigned bits = v->index_bits + (level == v->levels - 1 ? v->extra : 0);
		uint64_t entry = table + field(address, shift + bits - 1, shift) * v->entry_bytes;
		uint64_t pa, pte;
		enum step step;

		if (!locate(w, entry, want->second, false, &pa))
			return false;
		if (!load(w->u, pa, v->entry_bytes, be, &pte))
			return fail_access(w, ACCESS_FAULT, 0);
		step = judge(w, v, pte, level, want, leaf);
		if (step == STEP_FAULT)
			return fail_access(w, fault, tell);
		if (step == STEP_LEAF) {
			leaf->pa |= address & ((UINT64_C(1) << leaf->size_lg2) - 1);
			return update(w, v, entry, pte, want, leaf, fault, tell);
		}
		table = (v->entry_bytes == 8 ? field(pte, 53, 10) : field(pte, 31, 10)) << 12;
	}
	return fail_access(w, fault, tell);
}

/* 3.3: GPA to SPA. */
static bool second_stage(struct way *w, uint64_t gpa, const struct want *want, bool implicit,
			 struct leaf *leaf)
{
	struct geometry v = geometry_of(w->iohgatp, w->u->gxl, true);
	unsigned width = 12 + v.levels * v.index_bits + 2;
	uint64_t tell = (gpa & ~UINT64_C(3)) | (implicit ? 1 : 0) | (implicit && want->w ? 2 : 0);

	if (gpa >> width || (w->sxl && gpa >> 34))
		return fail_access(w, GUEST_FAULT, tell);
	return walk(w, &v, w->groot, gpa, want, GUEST_FAULT, tell, leaf);
}

static bool first_stage(struct way *w, uint64_t iova, const struct want *want, struct leaf *leaf)
{
	struct geometry v = geometry_of(w->iosatp, w->sxl, false);
	unsigned width = 12 + v.levels * v.index_bits;
	uint64_t top = iova >> (width - 1);

	if (w->sxl ? iova >> 32 != 0 : (top != 0 && top != UINT64_MAX >> (width - 1)))
		return fail_access(w, PAGE_FAULT, 0);
	return walk(w, &v, w->root, iova, want, PAGE_FAULT, 0, leaf);
}

/* ---- device directory (3.1, 6.1) ---- */

static bool known_iosatp(const struct ro_unit *u, uint64_t mode, bool sxl)
{
	switch (mode) {
	case 0:
		return true;
	case 8:
		return cap(u, sxl ? RO_CAP_SV32 : RO_CAP_SV39);
	case 9:
		return !sxl && cap(u, RO_CAP_SV48);
	case 10:
		return !sxl && cap(u, RO_CAP_SV57);
	default:
		return false;
	}
}

static bool known_iohgatp(const struct ro_unit *u, uint64_t mode)
{
	switch (mode) {
	case 0:
		return true;
	case 8:
		return cap(u, u->gxl ? RO_CAP_SV32X4 : RO_CAP_SV39X4);
	case 9:
		return !u->gxl && cap(u, RO_CAP_SV48X4);
	case 10:
		return !u->gxl && cap(u, RO_CAP_SV57X4);
	default:
		return false;
	}
}

static unsigned gpa_width(const struct ro_unit *u)
{
	return cap(u, RO_CAP_SV57X4)   ? 59
	       : cap(u, RO_CAP_SV48X4) ? 50
	       : cap(u, RO_CAP_SV39X4) ? 41
	       : cap(u, RO_CAP_SV32X4) ? 34
				       : (unsigned)field(u->capabilities, 37, 32);
}

static bool qos_wrong(const struct ro_unit *u, uint64_t ta)
{
	if (!cap(u, RO_CAP_QOSID))
		return field(ta, 63, 40) != 0;
	return field(ta, 51, 40) >> u->qosid_bits || field(ta, 63, 52) >> u->qosid_bits;
}

static bool msi_fields_wrong(const struct ro_unit *u, const uint64_t *dc)
{
	unsigned bits = gpa_width(u) - 12;
	uint64_t mode = field(dc[4], 63, 60);

	if (!cap(u, RO_CAP_MSI_FLAT))
		return false;
	return mode > 1 || field(dc[4], 59, 44) || dc[5] >> bits || dc[6] >> bits || dc[7] ||
	       (mode && field(dc[1], 63, 60) == 0);
}

static bool pdtp_wrong(const struct ro_unit *u, uint64_t fsc)
{
	uint64_t mode = field(fsc, 63, 60);

	return mode > 3 || (mode == 1 && !cap(u, RO_CAP_PD8)) ||
	       (mode == 2 && !cap(u, RO_CAP_PD17)) || (mode == 3 && !cap(u, RO_CAP_PD20));
}

static bool sxl_wrong(const struct ro_unit *u, bool sxl)
{
	return u->gxl ? !sxl : (!u->gxl_writable && sxl);
}

/* 2.1.4: the checks of a device context. */
static bool dc_wrong(const struct ro_unit *u, const uint64_t *dc)
{
	uint64_t tc = dc[0];
	bool ats = bit(tc, 1), pri = bit(tc, 2), t2gpa = bit(tc, 3), pdtv = bit(tc, 5);
	bool prpr = bit(tc, 6), gade = bit(tc, 7), sade = bit(tc, 8), dpe = bit(tc, 9);
	bool sbe = bit(tc, 10), sxl = bit(tc, 11);
	uint64_t gmode = field(dc[1], 63, 60);

	return field(tc, 23, 12) || field(tc, 63, 32) || field(dc[2], 11, 0) ||
	       field(dc[2], 39, 32) || field(dc[3], 59, 44) ||
	       (!cap(u, RO_CAP_ATS) && (ats || pri || prpr)) || (!ats && (t2gpa || pri)) ||
	       (!pri && prpr) || (t2gpa && (!cap(u, RO_CAP_T2GPA) || gmode == 0)) ||
	       (pdtv ? pdtp_wrong(u, dc[3]) : dpe || !known_iosatp(u, field(dc[3], 63, 60), sxl)) ||
	       !known_iohgatp(u, gmode) || msi_fields_wrong(u, dc) || (gmode && (dc[1] & 3)) ||
	       (!cap(u, RO_CAP_AMO_HWAD) && (sade || gade)) ||
	       (!cap(u, RO_CAP_END) && sbe != u->be) || sxl_wrong(u, sxl) || qos_wrong(u, dc[2]);
}

static bool locate_dc(struct way *w)
{
	const struct ro_unit *u = w->u;
	bool extended = cap(u, RO_CAP_MSI_FLAT);
	unsigned mode = (unsigned)field(u->ddtp, 3, 0), words = extended ? 8 : 4;
	unsigned low[3] = { 0, extended ? 6 : 7, extended ? 15 : 16 };
	unsigned high[3] = { extended ? 5 : 6, extended ? 14 : 15, 23 };
	uint64_t table = field(u->ddtp, 53, 10) << 12;

	for (unsigned level = mode - 2; level > 0; level--) {
		uint64_t entry;

		if (!load(u, table + field(w->q->device, high[level], low[level]) * 8, 8, u->be,
			  &entry))
			return fail(w, 257, 0);
		if (!bit(entry, 0))
			return fail(w, 258, 0);
		if (field(entry, 9, 1) || field(entry, 63, 54))
			return fail(w, 259, 0);
		table = field(entry, 53, 10) << 12;
	}
	table += field(w->q->device, high[0], 0) * words * 8;
	for (unsigned i = 0; i < words; i++) {
		if (!load(u, table + i * 8, 8, u->be, &w->dc[i]))
			return fail(w, 257, 0);
	}
	if (!bit(w->dc[0], 0))
		return fail(w, 258, 0);
	if (dc_wrong(u, w->dc))
		return fail(w, 259, 0);
	w->found_dc = true;
	return true;
}

/* ---- process directory (3.2) ---- */

/* One of its tables: a GPA, if there is a second stage. */
static bool locate_pdt(struct way *w, uint64_t address, uint64_t *pa)
{
	const struct want want = { .r = true, .ad = w->gade, .second = true };
	struct leaf leaf;
	bool dry = w->dry, done;

	*pa = address;
	if (w->iohgatp == 0)
		return true;
	w->dry = false; /* it is read, whatever comes of the request */
	done = second_stage(w, address, &want, true, &leaf);
	w->dry = dry;
	if (!done)
		return w->cause < PAGE_FAULT ? fail(w, 265, 0) : false;
	*pa = leaf.pa;
	return true;
}

static bool locate_pc(struct way *w, uint32_t pid, uint64_t pc[2])
{
	static const unsigned low[3] = { 0, 8, 17 }, high[3] = { 7, 16, 19 };
	uint64_t table = field(w->dc[3], 43, 0) << 12, pa;

	for (unsigned level = (unsigned)field(w->dc[3], 63, 60) - 1; level > 0; level--) {
		uint64_t entry;

		if (!locate_pdt(w, table, &pa))
			return false;
		pa += field(pid, high[level], low[level]) * 8;
		if (!load(w->u, pa, 8, w->sbe, &entry))
			return fail(w, 265, 0);
		if (!bit(entry, 0))
			return fail(w, 266, 0);
		if (field(entry, 9, 1) || field(entry, 63, 54))
			return fail(w, 267, 0);
		table = field(entry, 53, 10) << 12;
	}
	if (!locate_pdt(w, table, &pa))
		return false;
	pa += field(pid, 7, 0) * 16;
	if (!load(w->u, pa, 8, w->sbe, &pc[0]) || !load(w->u, pa + 8, 8, w->sbe, &pc[1]))
		return fail(w, 265, 0);
	if (!bit(pc[0], 0))
		return fail(w, 266, 0);
	if (field(pc[0], 11, 3) || field(pc[0], 63, 32) || field(pc[1], 59, 44) ||
	    !known_iosatp(w->u, field(pc[1], 63, 60), w->sxl))
		return fail(w, 267, 0);
	return true;
}

/* ---- MSI page tables ---- */

static bool matches(const struct way *w, uint64_t gpa)
{
	if (!cap(w->u, RO_CAP_MSI_FLAT) || field(w->dc[4], 63, 60) != 1)
		return false;
	/* a GPA that is wider than any is none of an interrupt file */
	return (((gpa >> 12) ^ w->dc[6]) & ~w->dc[5] & ((UINT64_C(1) << 52) - 1)) == 0;
}

static uint64_t extract(uint64_t value, uint64_t mask)
{
	uint64_t result = 0;

	for (unsigned i = 0, n = 0; i < 64; i++) {
		if (bit(mask, i))
			result |= (uint64_t)bit(value, i) << n++;
	}
	return result;
}

static bool msi_page(struct way *w, uint64_t gpa, struct ro_answer *a)
{
	uint64_t address = (field(w->dc[4], 43, 0) << 12) | extract(gpa >> 12, w->dc[5]) * 16;
	uint64_t pte[2];

	if (!load(w->u, address, 8, w->u->be, &pte[0]) ||
	    !load(w->u, address + 8, 8, w->u->be, &pte[1]))
		return fail(w, 261, 0);
	if (!bit(pte[0], 0))
		return fail(w, 262, 0);
	if (bit(pte[0], 63))
		return fail(w, 263, 0);
	if (field(pte[0], 2, 1) == 3) {
		if (field(pte[0], 9, 3) || field(pte[0], 62, 54))
			return fail(w, 263, 0);
		a->pa = field(pte[0], 53, 10) << 12 | (gpa & 0xfff);
		a->end = RO_OK;
	} else {
		if (field(pte[0], 2, 1) != 1 || !cap(w->u, RO_CAP_MSI_MRIF) ||
		    field(pte[0], 6, 3) || field(pte[0], 62, 54) || field(pte[1], 59, 54) ||
		    field(pte[1], 63, 61))
			return fail(w, 263, 0);
		a->mrif = field(pte[0], 53, 7) << 9;
		a->notice = field(pte[1], 53, 10) << 12;
		a->nid = (uint32_t)(field(pte[1], 9, 0) | field(pte[1], 60, 60) << 10);
		a->end = RO_MRIF;
	}
	if (w->q->type != RO_ATS && w->q->access == RO_EXEC)
		return fail(w, 1, 0);
	a->msi = true;
	a->size_lg2 = 12;
	a->r = true;
	return true;
}

/* ---- the steps of 2.3 ---- */

static bool mode_step(struct way *w, struct ro_answer *a)
{
	const struct ro_unit *u = w->u;
	unsigned mode = (unsigned)field(u->ddtp, 3, 0);
	unsigned bits = cap(u, RO_CAP_MSI_FLAT) ? 6 : 7;

	if (mode == 0)
		return fail(w, 256, 0);
	if (mode == 1) {
		if (w->q->type != RO_UNTRANSLATED)
			return fail(w, 260, 0);
		a->pa = w->q->iova;
		return true;
	}
	if (mode < 4 && w->q->device >> (mode == 3 ? bits + 9 : bits))
		return fail(w, 260, 0);
	return true;
}

static bool type_step(struct way *w)
{
	static const unsigned width[] = { 20, 8, 17, 20 };
	uint64_t tc = w->dc[0];

	if (w->q->type != RO_UNTRANSLATED && !bit(tc, 1))
		return fail(w, 260, 0);
	if (w->q->pv && (!bit(tc, 5) || w->q->pid >> width[field(w->dc[3], 63, 60)]))
		return fail(w, 260, 0);
	return true;
}

/* From the device context to what is walked. */
static bool context_step(struct way *w)
{
	uint64_t tc = w->dc[0], pc[2];
	bool pv = w->q->pv;
	uint32_t pid = pv ? w->q->pid : 0;

	w->sxl = bit(tc, 11);
	w->sbe = bit(tc, 10);
	w->sade = bit(tc, 8);
	w->gade = bit(tc, 7);
	w->iohgatp = (unsigned)field(w->dc[1], 63, 60);
	w->groot = field(w->dc[1], 43, 0) << 12;
	w->iosatp = 0;
	if (w->q->type == RO_TRANSLATED)
		return true;
	if (!bit(tc, 5)) {
		w->iosatp = (unsigned)field(w->dc[3], 63, 60);
		w->root = field(w->dc[3], 43, 0) << 12;
		return true;
	}
	if ((!pv && !bit(tc, 9)) || field(w->dc[3], 63, 60) == 0)
		return true;
	w->priv = pv && w->q->priv;
	if (!locate_pc(w, pid, pc))
		return false;
	if (w->priv && !bit(pc[0], 1))
		return fail(w, 260, 0);
	w->sum = bit(pc[0], 2);
	w->iosatp = (unsigned)field(pc[1], 63, 60);
	w->root = field(pc[1], 43, 0) << 12;
	return true;
}

static struct want wanted(const struct way *w, bool second)
{
	const struct ro_request *q = w->q;
	struct want want = { .ad = second ? w->gade : w->sade, .second = second };

	want.all = q->type == RO_ATS;
	want.r = want.all || q->access == RO_READ;
	want.w = want.all ? (w->dry ? !q->no_write : w->writes) : q->access == RO_WRITE;
	want.x = want.all ? q->exec : q->access == RO_EXEC;
	return want;
}

static bool stages(struct way *w, struct ro_answer *a)
{
	const struct ro_request *q = w->q;
	struct want first = wanted(w, false), second = wanted(w, true);
	struct leaf one = { .pa = q->iova, .size_lg2 = 64, .r = true, .w = true, .x = true };
	struct leaf two;

	if (w->iosatp && !first_stage(w, q->iova, &first, &one))
		return false;
	if (q->type == RO_ATS && (one.user_denied || !one.r)) {
		a->pa = one.pa;
		return true;
	}
	if (matches(w, one.pa)) {
		if (!msi_page(w, one.pa, a))
			return false;
		/* in an MRIF page it asks again, untranslated */
		a->r = one.r && !one.user_denied;
		a->w = one.w && a->r && !q->no_write;
		return true;
	}
	two = (struct leaf){ .pa = one.pa, .size_lg2 = 64, .r = true, .w = true, .x = true };
	/* D of the second stage only where the first one lets it be written */
	second.w = second.w && one.w;
	if (w->iohgatp && !second_stage(w, one.pa, &second, false, &two))
		return false;
	a->pa = two.pa;
	a->size_lg2 = one.size_lg2 < two.size_lg2 ? one.size_lg2 : two.size_lg2;
	a->r = one.r && two.r && !one.user_denied && !two.user_denied;
	a->w = one.w && two.w && !q->no_write && !one.user_denied && !two.user_denied;
	a->x = one.x && two.x && a->r && q->exec;
	return true;
}

/* What is recorded although DTF is set. */
static bool always_logged(unsigned cause)
{
	return (cause >= 256 && cause <= 259) || cause == 268 || cause == 272 || cause == 273;
}

static void end_of_fault(const struct way *w, struct ro_answer *a)
{
	bool quiet = w->q->type == RO_ATS &&
		     ((w->cause >= 12 && w->cause <= 23) || w->cause == 262 || w->cause == 266);

	a->end = RO_FAULT;
	a->cause = w->cause;
	a->iotval2 = w->iotval2;
	a->ats = quiet ? 0 : w->cause >= 256 && w->cause <= 260 ? 1 : 4;
	a->logged = !quiet && (always_logged(w->cause) || !w->found_dc || !bit(w->dc[0], 4));
}

static bool translate(struct way *w, struct ro_answer *a)
{
	const struct ro_request *q = w->q;

	if (!mode_step(w, a))
		return false;
	if (field(w->u->ddtp, 3, 0) == 1)
		return true;
	if (!locate_dc(w) || !type_step(w))
		return false;
	if (q->type == RO_TRANSLATED && !bit(w->dc[0], 3)) {
		a->pa = q->iova;
		return true;
	}
	return context_step(w) && stages(w, a);
}

/* A translation request that is granted nothing leaves no trace in tables, and D is set where W is granted. */
static bool grants(const struct way *dry, struct ro_answer *a, struct way *w)
{
	w->writes = a->w;
	if (!a->r || a->end == RO_MRIF) {
		*w = *dry;
		return false;
	}
	return true;
}

struct ro_answer ro_translate(struct ro_unit *u, const struct ro_request *q)
{
	struct way w = { .u = u, .q = q, .dry = q->type == RO_ATS };
	struct ro_answer a = { .end = RO_OK, .size_lg2 = 64 };
	bool done = translate(&w, &a);

	if (w.dry && done) {
		struct way again = { .u = u, .q = q };

		if (grants(&w, &a, &again)) {
			struct ro_answer first = a;

			done = translate(&again, &a);
			first.end = a.end;
			a = done ? first : a;
			w = again;
		}
	}
	if (!done)
		end_of_fault(&w, &a);
	return a;
}

/* ---- what is left behind ---- */

void ro_record(const struct ro_unit *u, const struct ro_request *q, const struct ro_answer *a,
	       uint64_t record[4])
{
	static const unsigned kinds[] = { 1, 2, 3 };
	unsigned ttyp =
		q->type == RO_ATS ? 8 : kinds[q->access] + (q->type == RO_TRANSLATED ? 4 : 0);

	(void)u;
	record[0] = a->cause | (uint64_t)ttyp << 34 | (uint64_t)q->device << 40;
	if (q->pv)
		record[0] |= (uint64_t)q->pid << 12 | UINT64_C(1) << 32 | (uint64_t)q->priv << 33;
	record[1] = 0;
	record[2] = q->iova;
	record[3] = a->iotval2;
}

enum ro_delivered ro_deliver(struct ro_unit *u, const struct ro_answer *a, uint64_t address,
			     uint32_t data)
{
	bool be_page = bit(address, 2);
	uint64_t pa, pending;

	if (field(address, 11, 3) || (be_page && !cap(u, RO_CAP_END)))
		return RO_IGNORED;
	if (be_page)
		data = __builtin_bswap32(data);
	if (data >> 11)
		return RO_IGNORED;
	pa = a->mrif + data / 64 * 16;
	if (!load(u, pa, 8, false, &pending))
		return RO_MRIF_FAULT;
	store(u, pa, 8, false, pending | UINT64_C(1) << data % 64);
	return RO_NOTICE;
}
