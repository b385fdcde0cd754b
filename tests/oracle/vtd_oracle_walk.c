/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_oracle_walk.c - page tables (VT-d 3.6 to 3.8, 9.7, 9.8), step by step. Levels are numbered as
 * in the manual, from 1. */
#include "vtd_oracle_run.h"

/* 3.7: the second stage's input is limited by the table's depth and by MGAW. */
static unsigned ss_input_bits(const struct run *t)
{
	unsigned depth = 12 + 9 * t->ss_levels;
	unsigned mgaw = (unsigned)field(t->unit->cap, 21, 16) + 1;

	return depth < mgaw ? depth : mgaw;
}

static bool beyond_ss_input(const struct run *t, uint64_t addr)
{
	return addr & bits_from(ss_input_bits(t));
}

/* --- 3.6.2, 3.7.2: accessed and dirty --- */

enum { FS_A = 1 << 5, FS_D = 1 << 6, FS_EA = 1 << 10, SS_A = 1 << 8, SS_D = 1 << 9 };

/* Sets what is missing of @bits in a second-stage entry. SSS.5, SSS.6 */
static unsigned touch_ss(const struct run *t, uint64_t addr, uint64_t bits)
{
	uint64_t now;

	if (!t->ss_ad)
		return GO_ON;
	if (!load(t, addr, &now))
		return VO_FR_SM_SS_UPDATE;
	if (!(bits & ~now))
		return GO_ON;
	if (ecap(t, ECAP_SMPWCS) && !t->pwsnp)
		return VO_FR_SM_SS_NO_SNOOP;
	return t->mem->store64(t->mem->opaque, addr, now | bits) ? GO_ON : VO_FR_SM_SS_UPDATE;
}

/* The same in a first-stage entry. Under nesting this is a write through the second stage: it wants
 * permission, and leaves accessed and dirty there. SFS.8 to SFS.10 */
static unsigned touch_fs(const struct run *t, uint64_t addr, uint64_t bits,
			 const struct ss_walk *located)
{
	uint64_t now;
	unsigned fault;

	if (!load(t, addr, &now))
		return VO_FR_FS_UPDATE;
	if (!(bits & ~now))
		return GO_ON;
	if (t->pgtt == PGTT_NESTED) {
		if (!located->w)
			return VO_FR_FS_TABLE_WRITE;
		fault = touch_ss(t, located->leaf, SS_A | SS_D);
		if (fault)
			return fault;
	}
	if (ecap(t, ECAP_SMPWCS) && !t->pwsnp)
		return VO_FR_FS_NO_SNOOP;
	if (!load(t, addr, &now))
		return VO_FR_FS_UPDATE;
	return t->mem->store64(t->mem->opaque, addr, now | bits) ? GO_ON : VO_FR_FS_UPDATE;
}

/* --- 3.7: second stage --- */

/* SSS.2 (or LGN.2, LGN.3): R=W=0. */
static unsigned ss_not_present(const struct run *t)
{
	return by_mode(t, is_at(t, VO_AT_UNTRANSLATED) && t->req->write ? VO_FR_WRITE : VO_FR_READ,
		       VO_FR_SM_SS_P);
}

static bool ss_large_supported(const struct run *t, unsigned level)
{
	return (level == 2 && cap(t, CAP_SSLPS_2M)) || (level == 3 && cap(t, CAP_SSLPS_1G));
}

static bool ss_is_leaf(uint64_t e, unsigned level)
{
	return level == 1 || ((level == 2 || level == 3) && e & BIT(7));
}

/* 9.8, SSS.3 / LSS.2: reserved fields of a present entry. */
static bool ss_rsvd(const struct run *t, uint64_t e, unsigned level)
{
	uint64_t rsvd = bits_51_down_to(t->unit->haw);

	/* TM, before 3.2; see notes section 7 */
	if (!ss_is_leaf(e, level) || !ecap(t, ECAP_DT))
		rsvd |= BIT(62);

	if (level > 1 && !ss_large_supported(t, level))
		rsvd |= BIT(7);
	if (!ss_is_leaf(e, level) || !ecap(t, ECAP_SC))
		rsvd |= BIT(11);
	if (ss_is_leaf(e, level))
		rsvd |= (BIT(12 + 9 * (level - 1)) - 1) & ~UINT64_C(0xfff);
	return e & rsvd;
}

/* Every entry from the root down to a leaf; the width has been checked. Table entries are marked
 * accessed as they are followed. Ends with at least one permission. */
static unsigned walk_second_stage(const struct run *t, uint64_t in, struct ss_walk *walk)
{
	uint64_t table = t->ss_root;
	unsigned fault;

	*walk = (struct ss_walk){ .r = true, .w = true };
	for (unsigned level = t->ss_levels;; level--) { /* at most 5 loads: level 1 is a leaf */
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t e;

		walk->leaf = table + 8 * field(in, shift + 8, shift);
		if (!load(t, walk->leaf, &e))
			return level == t->ss_levels
				       ? by_mode(t, VO_FR_CONTEXT_INV, VO_FR_SM_SS_ROOT_ACCESS)
				       : by_mode(t, VO_FR_SS_ACCESS, VO_FR_SM_SS_ACCESS);
		if (!(e & 3))
			return ss_not_present(t);
		if (ss_rsvd(t, e, level))
			return by_mode(t, VO_FR_SS_RSVD, VO_FR_SM_SS_RSVD);
		walk->r = walk->r && e & BIT(0);
		walk->w = walk->w && e & BIT(1);
		table = e & bits_51_down_to(12);
		if (ss_is_leaf(e, level)) {
			walk->out = table | (in & (BIT(shift) - 1));
			walk->size_lg2 = shift;
			return walk->r || walk->w ? GO_ON : ss_not_present(t);
		}
		fault = touch_ss(t, walk->leaf, SS_A);
		if (fault)
			return fault;
	}
}

/* LGN.2, LGN.3, SGN.6, SGN.7, and what is left to grant. */
static unsigned apply_second_stage_permission(struct run *t)
{
	t->r = t->r && t->ss.r;
	t->w = t->w && t->ss.w;
	t->x = t->x && t->ss.r;
	if (!is_at(t, VO_AT_UNTRANSLATED))
		return t->r || (t->w && wants_write(t)) ? GO_ON : VO_FR_SM_READ;
	if (t->req->write && !t->ss.w)
		return by_mode(t, VO_FR_WRITE, VO_FR_SM_WRITE);
	if ((t->req->read || t->req->exec) && !t->ss.r)
		return by_mode(t, VO_FR_READ, VO_FR_SM_READ);
	return GO_ON;
}

/* The result of the first stage, or the request's address. */
static unsigned translate_second_stage(struct run *t)
{
	unsigned fault;

	if (beyond_ss_input(t, t->out))
		return by_mode(t, VO_FR_ADDR_WIDTH, VO_FR_SM_ADDR_WIDTH);
	fault = walk_second_stage(t, t->out, &t->ss);
	if (fault)
		return fault;
	fault = apply_second_stage_permission(t);
	if (fault)
		return fault;
	t->out = t->ss.out;
	if (!t->size_lg2 || t->ss.size_lg2 < t->size_lg2)
		t->size_lg2 = t->ss.size_lg2;
	return touch_ss(t, t->ss.leaf, SS_A | (wants_write(t) && t->w ? SS_D : 0));
}

/* --- 3.6: first stage --- */

/* SGN.1: all bits from the width's last one up are alike. */
static bool is_canonical(uint64_t addr, unsigned bits)
{
	uint64_t top = bits_from(bits - 1);

	return (addr & top) == 0 || (addr & top) == top;
}

static bool fs_is_leaf(uint64_t e, unsigned level)
{
	return level == 1 || ((level == 2 || level == 3) && e & BIT(7));
}

/* 9.7, SFS.3 */
static bool fs_rsvd(const struct run *t, uint64_t e, unsigned level)
{
	uint64_t rsvd = bits_51_down_to(t->unit->haw);

	if (level >= 4 || (level == 3 && !cap(t, CAP_FS1GP)))
		rsvd |= BIT(7);
	if (ecap(t, ECAP_ERS) && !t->nxe)
		rsvd |= BIT(63);
	if (fs_is_leaf(e, level) && level > 1)
		rsvd |= (BIT(12 + 9 * (level - 1)) - 1) & ~UINT64_C(0x1fff);
	return e & rsvd;
}

/* 3.8, SFS.5 to SFS.7: where a first-stage table entry is in host memory. */
static unsigned locate_fs_entry(const struct run *t, uint64_t addr, bool top, struct ss_walk *walk,
				uint64_t *host)
{
	unsigned fault;

	*host = addr;
	if (t->pgtt != PGTT_NESTED)
		return GO_ON;
	if (beyond_ss_input(t, addr))
		return VO_FR_FS_TABLE_WIDTH;
	fault = walk_second_stage(t, addr, walk);
	if (fault)
		return fault;
	if (!walk->r)
		return top ? VO_FR_FS_ROOT_READ : VO_FR_FS_TABLE_READ;
	*host = walk->out;
	return touch_ss(t, walk->leaf, SS_A);
}

/* SFS.1 to SFS.4. Table entries are marked accessed as they are followed. */
static unsigned walk_first_stage(struct run *t, uint64_t in)
{
	struct fs_walk *walk = &t->fs;
	uint64_t table = t->fs_root;

	*walk = (struct fs_walk){ .us = true, .rw = true };
	for (unsigned level = t->fs_levels;; level--) { /* at most 5 entries: level 1 is a leaf */
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t addr = table + 8 * field(in, shift + 8, shift);
		bool top = level == t->fs_levels;
		uint64_t e;
		unsigned fault = locate_fs_entry(t, addr, top, &walk->located, &walk->leaf);

		if (fault)
			return fault;
		if (!load(t, walk->leaf, &e))
			return top ? VO_FR_FS_ROOT_ACCESS : VO_FR_FS_ACCESS;
		if (!(e & 1))
			return VO_FR_FS_P;
		if (fs_rsvd(t, e, level))
			return VO_FR_FS_RSVD;
		walk->rw = walk->rw && e & BIT(1);
		walk->us = walk->us && e & BIT(2);
		walk->xd = walk->xd || e & BIT(63);
		table = e & bits_51_down_to(12);
		if (fs_is_leaf(e, level)) {
			walk->size_lg2 = shift;
			walk->out = (table & bits_from(shift)) | (in & (BIT(shift) - 1));
			return GO_ON;
		}
		fault = touch_fs(t, walk->leaf, FS_A | (t->eafe ? FS_EA : 0), &walk->located);
		if (fault)
			return fault;
	}
}

/* 3.6.1, SGN.2, SGN.3, SGN.6: what the first stage grants to a request of this privilege. Execution
 * is told from reading only for requests with PASID on a unit with ERS. */
static unsigned apply_first_stage_permission(struct run *t)
{
	const struct fs_walk *f = &t->fs;
	bool may = t->priv || f->us;

	t->r = may;
	t->w = may && (f->rw || (t->priv && !t->wpe));
	t->x = may;
	if (t->req->has_pasid && ecap(t, ECAP_ERS))
		t->x = may && t->ere && !f->xd && !(t->priv && t->smep && f->us);
	if (!may)
		return VO_FR_SM_USER;
	if (!is_at(t, VO_AT_UNTRANSLATED))
		return GO_ON;
	if (t->exec && !t->x)
		return VO_FR_SM_EXECUTE;
	if (t->req->write && !t->w)
		return VO_FR_SM_WRITE;
	return GO_ON;
}

static unsigned translate_first_stage(struct run *t)
{
	unsigned fault;

	if (!is_canonical(t->out, 12 + 9 * t->fs_levels))
		return VO_FR_SM_CANONICAL;
	fault = walk_first_stage(t, t->out);
	if (!fault)
		fault = apply_first_stage_permission(t);
	if (fault)
		return fault;
	t->out = t->fs.out;
	t->size_lg2 = t->fs.size_lg2;
	return touch_fs(t, t->fs.leaf,
			FS_A | (t->eafe ? FS_EA : 0) | (wants_write(t) && t->w ? FS_D : 0),
			&t->fs.located);
}

/* --- Together --- */

unsigned vo_page_tables(struct run *t)
{
	unsigned fault = GO_ON;

	t->out = t->req->iova;
	t->size_lg2 = 0;
	t->r = t->w = t->x = true;
	if (uses_first_stage(t->pgtt))
		fault = translate_first_stage(t);
	if (!fault && uses_second_stage(t->pgtt))
		fault = translate_second_stage(t);
	if (!fault && in_window(t->out))
		fault = by_mode(t, VO_FR_INTERRUPT, VO_FR_SM_INTERRUPT);
	return fault;
}

bool vo_is_clean(const struct run *t)
{
	uint64_t e;

	if (!t->w)
		return false;
	if (uses_first_stage(t->pgtt) && load(t, t->fs.leaf, &e) && !(e & FS_D))
		return true;
	return uses_second_stage(t->pgtt) && t->ss_ad && load(t, t->ss.leaf, &e) && !(e & SS_D);
}
