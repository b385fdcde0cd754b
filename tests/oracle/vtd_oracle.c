/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_oracle.c - VT-d DMA remapping in the manual's steps. vtd_oracle.h numbers the choices. */
#include "vtd_oracle.h"

#include <assert.h>
#include <string.h>

/* The switches, by the number of their choice in vtd_oracle.h. */

/* 12: 43h and 5Bh; otherwise such a bit is reserved, 42h and 5Ah. */
static const bool absent_capability_is_invalid = true;
/* 22: with a PASID, an input address in the interrupt window is like any other. */
static const bool pasid_window_translates = false;
/* 37: a request that faults leaves A bits in the entries it used. */
static const bool accessed_on_fault = false;
/* 38: 90h and 7Ch exist. */
static const bool no_snoop_update_faults = true;
/* 41: FPD of the context suppresses 50h, FPD of the directory 58h. */
static const bool pasid_access_is_qualified = false;

#define BIT(n) (UINT64_C(1) << (n))

/* Answers of a step: 0 go on, VO_FR_* a fault, or blocked with nothing to record. */
enum { GO_ON = 0, BLOCKED_ABORT = 0x100, BLOCKED_DISABLED = 0x101, BLOCKED_PMR = 0x102 };

enum { TTM_LEGACY = 0, TTM_SCALABLE = 1, TTM_ABORT = 3 };
enum { TT_SECOND_STAGE = 0, TT_DEVICE_TLB = 1, TT_PASS_THROUGH = 2 };
enum { PGTT_FIRST = 1, PGTT_SECOND = 2, PGTT_NESTED = 3, PGTT_PASS_THROUGH = 4 };

/* One paging entry that was used, as it was read, and where. */
struct used {
	uint64_t addr, value;
};

/* A walk of the second stage: the entries used from the root down, and what they prove. */
struct ss_walk {
	struct used entry[5];
	unsigned n;
	uint64_t out;
	unsigned size_lg2;
	bool r, w;
};

/* A walk of the first stage. Under nesting, table[i] is the second-stage walk that located
 * entry[i]. */
struct fs_walk {
	struct used entry[5];
	struct ss_walk table[5];
	unsigned n;
	uint64_t out;
	unsigned size_lg2;
	bool us, rw, xd;
};

/* One pending A/D store. */
struct update {
	uint64_t addr, set;
	unsigned fault_no_snoop, fault_store;
	bool denied; /* the second stage does not let this table be written */
};

/* One translation from beginning to end. */
struct run {
	const struct vo_memory *mem;
	const struct vo_unit *unit;
	const struct vo_request *req;
	bool scalable;
	bool fpd;
	bool priv, exec; /* after RID_PRIV: what the request is treated as */

	unsigned pgtt; /* legacy TT 0 and 1 count as PGTT_SECOND */
	uint64_t ss_root, fs_root;
	unsigned ss_levels, fs_levels;
	bool ss_ad, pwsnp;
	bool wpe, nxe, smep, eafe;

	struct fs_walk fs;
	struct ss_walk ss;

	uint64_t out;
	unsigned size_lg2;
	bool r, w, x;
};

/* --- Small things --- */

static uint64_t field(uint64_t word, unsigned hi, unsigned lo)
{
	return word >> lo & (BIT(hi - lo + 1) - 1);
}

/* Bits 51:lo of a word, or none of them when lo is 52 or more. */
static uint64_t bits_51_down_to(unsigned lo)
{
	return lo >= 52 ? 0 : (BIT(52) - 1) & ~(BIT(lo) - 1);
}

static uint64_t bits_from(unsigned lo)
{
	return lo >= 64 ? 0 : ~(BIT(lo) - 1);
}

static bool in_window(uint64_t addr)
{
	return addr >= 0xfee00000 && addr <= 0xfeefffff;
}

static bool is_at(const struct run *t, unsigned at)
{
	return t->req->at == at;
}

static unsigned by_mode(const struct run *t, unsigned legacy, unsigned scalable)
{
	return t->scalable ? scalable : legacy;
}

static bool load(const struct run *t, uint64_t addr, uint64_t *value)
{
	return t->mem->load64(t->mem->opaque, addr, value);
}

static bool load_many(const struct run *t, uint64_t addr, uint64_t *value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!load(t, addr + 8 * i, &value[i]))
			return false;
	return true;
}

/* 10.4.2, 10.4.3: capability fields. */
static bool cap(const struct run *t, unsigned bit)
{
	return t->unit->cap & BIT(bit);
}

static bool ecap(const struct run *t, unsigned bit)
{
	return t->unit->ecap & BIT(bit);
}

enum { CAP_SSLPS_2M = 34, CAP_SSLPS_1G = 35, CAP_FS1GP = 56, CAP_FS5LP = 60 };
enum {
	ECAP_DT = 2,
	ECAP_PT = 6,
	ECAP_SC = 7,
	ECAP_NEST = 26,
	ECAP_PRS = 29,
	ECAP_ERS = 30,
	ECAP_SRS = 31,
	ECAP_NWFS = 33,
	ECAP_EAFS = 34,
	ECAP_PASID = 40,
	ECAP_SMTS = 43,
	ECAP_SSADS = 45,
	ECAP_SSTS = 46,
	ECAP_FSTS = 47,
	ECAP_SMPWCS = 48,
	ECAP_RPS = 49,
	ECAP_ADMS = 52,
	ECAP_RPRIVS = 53,
};

/* AW 1, 2, 3 are 3, 4, 5 levels, if CAP.SAGAW has the same bit. 0: not supported. */
static unsigned aw_to_levels(const struct run *t, uint64_t aw)
{
	if (aw < 1 || aw > 3 || !cap(t, 8 + (unsigned)aw))
		return 0;
	return (unsigned)aw + 2;
}

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

static bool writes_allowed_by_request(const struct run *t)
{
	return !(is_at(t, VO_AT_TRANSLATION_REQUEST) && t->req->no_write && ecap(t, ECAP_NWFS));
}

/* --- 3.4: TE, TTM and the root table --- */

static bool in_range(uint64_t addr, uint64_t base, uint64_t limit)
{
	return base <= addr && addr <= limit;
}

/* 10.4.16-10.4.20: protected memory regions. */
static bool is_protected(const struct vo_unit *u, uint64_t addr)
{
	return u->pmr_enabled && (in_range(addr, u->plm_base, u->plm_limit) ||
				  in_range(addr, u->phm_base, u->phm_limit));
}

static unsigned identity(struct run *t)
{
	t->out = t->req->iova;
	t->size_lg2 = 12;
	t->r = t->w = t->x = true;
	return is_protected(t->unit, t->out) ? BLOCKED_PMR : GO_ON;
}

static unsigned remapping_disabled(struct run *t)
{
	if (is_at(t, VO_AT_TRANSLATION_REQUEST))
		return BLOCKED_DISABLED;
	return identity(t);
}

/* LGN.1, SGN.4: no page table, but still a host address. */
static unsigned identity_within_haw(struct run *t)
{
	if (t->req->iova & bits_from(t->unit->haw))
		return by_mode(t, VO_FR_ADDR_WIDTH, VO_FR_SM_HAW);
	return identity(t);
}

/* LGN.4, SGN.8 for the address that came in. */
static unsigned check_input_window(const struct run *t)
{
	if (!in_window(t->req->iova))
		return GO_ON;
	if (t->req->has_pasid && pasid_window_translates)
		return GO_ON;
	return by_mode(t, VO_FR_INTERRUPT, VO_FR_SM_INTERRUPT);
}

/* --- 9.1, 9.3: legacy root and context entries --- */

/* LRT.1 to LRT.3 */
static unsigned read_legacy_root(const struct run *t, uint64_t *context_table)
{
	uint64_t root = t->unit->rtaddr & ~UINT64_C(0xfff);
	uint64_t q[2];

	if (root & bits_from(t->unit->haw))
		return VO_FR_ROOT_ACCESS;
	if (!load_many(t, root + 16u * (t->req->rid >> 8), q, 2))
		return VO_FR_ROOT_ACCESS;
	if (!(q[0] & 1))
		return VO_FR_ROOT_P;
	if (field(q[0], 11, 1) || (q[0] & bits_from(t->unit->haw)) || q[1])
		return VO_FR_ROOT_RSVD;
	*context_table = q[0] & ~UINT64_C(0xfff);
	return GO_ON;
}

/* LCT.3 */
static bool legacy_context_rsvd(const struct run *t, const uint64_t *q)
{
	bool uses_ssptptr = field(q[0], 3, 2) != TT_PASS_THROUGH;

	return field(q[0], 11, 4) || (uses_ssptptr && (q[0] & bits_from(t->unit->haw))) ||
	       field(q[1], 7, 7) || field(q[1], 63, 24);
}

/* LCT.4 */
static bool legacy_tt_valid(const struct run *t, uint64_t tt)
{
	switch (tt) {
	case TT_SECOND_STAGE:
		return true;
	case TT_DEVICE_TLB:
		return ecap(t, ECAP_DT);
	case TT_PASS_THROUGH:
		return ecap(t, ECAP_PT);
	default:
		return false;
	}
}

/* LCT.1 to LCT.5 */
static unsigned read_legacy_context(struct run *t, uint64_t table, uint64_t *tt)
{
	uint64_t q[2];

	if (!load_many(t, table + 16u * (t->req->rid & 0xff), q, 2))
		return VO_FR_CONTEXT_ACCESS;
	t->fpd = q[0] & BIT(1);
	if (!(q[0] & 1))
		return VO_FR_CONTEXT_P;
	if (legacy_context_rsvd(t, q))
		return VO_FR_CONTEXT_RSVD;
	*tt = field(q[0], 3, 2);
	if (!legacy_tt_valid(t, *tt))
		return VO_FR_CONTEXT_INV;
	t->ss_levels = aw_to_levels(t, field(q[1], 2, 0));
	if (!t->ss_levels)
		return VO_FR_CONTEXT_INV;
	if (!is_at(t, VO_AT_UNTRANSLATED) && *tt != TT_DEVICE_TLB)
		return VO_FR_TT_BLOCKS;
	t->ss_root = q[0] & ~UINT64_C(0xfff);
	return GO_ON;
}

/* --- 9.2, 9.4, 9.5: scalable root, context and PASID directory entries --- */

/* SRT.1 to SRT.3: the lower half of the entry serves devfn 0-127, the upper half the rest. */
static unsigned read_scalable_root(const struct run *t, uint64_t *context_table)
{
	uint64_t root = t->unit->rtaddr & ~UINT64_C(0xfff);
	unsigned upper = t->req->rid >> 7 & 1;
	uint64_t half;

	if (root & bits_from(t->unit->haw))
		return VO_FR_RTADDR;
	if (!load(t, root + 16u * (t->req->rid >> 8) + 8 * upper, &half))
		return VO_FR_SM_ROOT_ACCESS;
	if (!(half & 1))
		return VO_FR_SM_ROOT_P;
	if (field(half, 11, 1) || (half & bits_from(t->unit->haw)))
		return VO_FR_SM_ROOT_RSVD;
	*context_table = half & ~UINT64_C(0xfff);
	return GO_ON;
}

/* SCT.3 */
static bool scalable_context_rsvd(const struct run *t, const uint64_t *q)
{
	return field(q[0], 8, 5) || (q[0] & bits_from(t->unit->haw)) || field(q[1], 63, 21) ||
	       q[2] || q[3];
}

/* SCT.4: fields whose capability is absent. */
static bool scalable_context_invalid(const struct run *t, uint64_t q0)
{
	bool dte = q0 & BIT(2), paside = q0 & BIT(3), pre = q0 & BIT(4);

	return (dte && !ecap(t, ECAP_DT)) || (paside && !ecap(t, ECAP_PASID)) ||
	       (pre && !ecap(t, ECAP_PRS));
}

/* SCT.1 to SCT.6 */
static unsigned read_scalable_context(struct run *t, uint64_t table, uint64_t *q)
{
	if (!load_many(t, table + 32u * (t->req->rid & 0x7f), q, 4))
		return VO_FR_SM_CONTEXT_ACCESS;
	t->fpd = q[0] & BIT(1);
	if (!(q[0] & 1))
		return VO_FR_SM_CONTEXT_P;
	if (scalable_context_rsvd(t, q))
		return VO_FR_SM_CONTEXT_RSVD;
	if (scalable_context_invalid(t, q[0]))
		return absent_capability_is_invalid ? VO_FR_SM_CONTEXT_INV : VO_FR_SM_CONTEXT_RSVD;
	if (!is_at(t, VO_AT_UNTRANSLATED) && !(q[0] & BIT(2)))
		return VO_FR_SM_DTE;
	if (t->req->has_pasid && !(q[0] & BIT(3)))
		return VO_FR_SM_PASIDE;
	return GO_ON;
}

/* SCT.7, SCT.9: the PASID of the request, or the one the context gives to requests without. */
static unsigned choose_pasid(struct run *t, const uint64_t *context, uint32_t *pasid)
{
	uint64_t directory_entries = BIT(field(context[0], 11, 9) + 7);

	if (t->req->has_pasid) {
		*pasid = t->req->pasid;
		t->priv = t->req->priv;
		t->exec = t->req->exec;
		return *pasid >> 6 < directory_entries ? GO_ON : VO_FR_SM_PASID_SIZE;
	}
	*pasid = ecap(t, ECAP_RPS) ? (uint32_t)field(context[1], 19, 0) : 0;
	t->priv = ecap(t, ECAP_RPRIVS) && field(context[1], 20, 20);
	t->exec = false;
	return *pasid >> 6 < directory_entries ? GO_ON : VO_FR_SM_RID_PASID;
}

/* SPD.1 to SPD.3 */
static unsigned read_pasid_directory(struct run *t, uint64_t directory, uint32_t pasid,
				     uint64_t *table)
{
	uint64_t e;

	if (!load(t, directory + 8u * (pasid >> 6), &e))
		return VO_FR_DIR_ACCESS;
	t->fpd = t->fpd || (e & BIT(1));
	if (!(e & 1))
		return VO_FR_DIR_P;
	if (field(e, 11, 2) || (e & bits_from(t->unit->haw)))
		return VO_FR_DIR_RSVD;
	*table = e & ~UINT64_C(0xfff);
	return GO_ON;
}

/* --- 9.6: PASID table entry --- */

static bool uses_first_stage(uint64_t pgtt)
{
	return pgtt == PGTT_FIRST || pgtt == PGTT_NESTED;
}

static bool uses_second_stage(uint64_t pgtt)
{
	return pgtt == PGTT_SECOND || pgtt == PGTT_NESTED;
}

/* SPT.3 */
static bool pasid_entry_rsvd(const struct run *t, const uint64_t *q)
{
	uint64_t pgtt = field(q[0], 8, 6);
	uint64_t beyond_haw = bits_from(t->unit->haw);

	if (field(q[0], 5, 5) || field(q[0], 11, 10) || field(q[1], 22, 16) || field(q[2], 11, 8))
		return true;
	if (q[3] || q[4] || q[5] || q[6] || q[7])
		return true;
	return (uses_second_stage(pgtt) && (q[0] & beyond_haw)) ||
	       (pgtt == PGTT_FIRST && (q[2] & beyond_haw));
}

static bool pgtt_supported(const struct run *t, uint64_t pgtt)
{
	switch (pgtt) {
	case PGTT_FIRST:
		return ecap(t, ECAP_FSTS);
	case PGTT_SECOND:
		return ecap(t, ECAP_SSTS);
	case PGTT_NESTED:
		return ecap(t, ECAP_NEST);
	case PGTT_PASS_THROUGH:
		return ecap(t, ECAP_PT);
	default:
		return false;
	}
}

/* SPT.4: single-bit fields whose capability is absent. */
static bool pasid_capability_absent(const struct run *t, const uint64_t *q)
{
	uint64_t pgtt = field(q[0], 8, 6);

	if ((q[1] & BIT(23) && !ecap(t, ECAP_SMPWCS)) || (q[1] & BIT(24) && !ecap(t, ECAP_SC)))
		return true;
	if (uses_second_stage(pgtt) && q[0] & BIT(9) && !ecap(t, ECAP_SSADS))
		return true;
	if (!uses_first_stage(pgtt))
		return false;
	return (q[2] & BIT(0) && !ecap(t, ECAP_SRS)) || (q[2] & BIT(1) && !ecap(t, ECAP_ERS)) ||
	       (q[2] & BIT(7) && !ecap(t, ECAP_EAFS));
}

/* SPT.4: the depth of each stage in use; false: not a supported value. */
static bool pasid_levels(struct run *t, const uint64_t *q)
{
	uint64_t fspm = field(q[2], 3, 2);

	if (uses_second_stage(t->pgtt)) {
		t->ss_levels = aw_to_levels(t, field(q[0], 4, 2));
		if (!t->ss_levels)
			return false;
	}
	if (uses_first_stage(t->pgtt)) {
		if (fspm > 1 || (fspm == 1 && !cap(t, CAP_FS5LP)))
			return false;
		t->fs_levels = fspm == 1 ? 5 : 4;
	}
	return true;
}

static void take_pasid_entry(struct run *t, const uint64_t *q)
{
	t->ss_root = q[0] & ~UINT64_C(0xfff);
	t->ss_ad = q[0] & BIT(9);
	t->pwsnp = q[1] & BIT(23);
	t->fs_root = q[2] & ~UINT64_C(0xfff);
	t->wpe = q[2] & BIT(4);
	t->nxe = q[2] & BIT(5);
	t->smep = q[2] & BIT(6);
	t->eafe = q[2] & BIT(7);
}

/* SPT.1 to SPT.6 */
static unsigned read_pasid_entry(struct run *t, uint64_t table, uint32_t pasid)
{
	uint64_t q[8];

	if (!load_many(t, table + 64u * (pasid & 63), q, 8))
		return VO_FR_PASID_ACCESS;
	t->fpd = t->fpd || (q[0] & BIT(1));
	if (!(q[0] & 1))
		return VO_FR_PASID_P;
	if (pasid_entry_rsvd(t, q))
		return VO_FR_PASID_RSVD;
	t->pgtt = (unsigned)field(q[0], 8, 6);
	if (!pgtt_supported(t, t->pgtt) || !pasid_levels(t, q))
		return VO_FR_PASID_INV;
	if (pasid_capability_absent(t, q))
		return absent_capability_is_invalid ? VO_FR_PASID_INV : VO_FR_PASID_RSVD;
	take_pasid_entry(t, q);
	if (uses_first_stage(t->pgtt) && t->exec && !(q[2] & BIT(1)))
		return VO_FR_PASID_ERE;
	if (uses_first_stage(t->pgtt) && t->priv && !(q[2] & BIT(0)))
		return VO_FR_PASID_SRE;
	return GO_ON;
}

/* --- 3.7: second stage --- */

/* SSS.2 (or LGN.2, LGN.3): R=W=0. */
static unsigned ss_not_present(const struct run *t)
{
	bool write = is_at(t, VO_AT_UNTRANSLATED) && t->req->write;

	return by_mode(t, write ? VO_FR_WRITE : VO_FR_READ, VO_FR_SM_SS_P);
}

static bool ss_large_supported(const struct run *t, unsigned level)
{
	return (level == 2 && cap(t, CAP_SSLPS_2M)) || (level == 3 && cap(t, CAP_SSLPS_1G));
}

static bool ss_is_leaf(uint64_t e, unsigned level)
{
	return level == 1 || ((level == 2 || level == 3) && e & BIT(7));
}

/* 9.8, SSS.3 / LSL.2: reserved fields of a present entry. */
static bool ss_rsvd(const struct run *t, uint64_t e, unsigned level)
{
	uint64_t rsvd = bits_51_down_to(t->unit->haw) | BIT(62);

	if (level > 1 && !ss_large_supported(t, level))
		rsvd |= BIT(7);
	if (!ss_is_leaf(e, level) || !ecap(t, ECAP_SC))
		rsvd |= BIT(11);
	if (ss_is_leaf(e, level))
		rsvd |= (BIT(12 + 9 * (level - 1)) - 1) & ~UINT64_C(0xfff);
	return e & rsvd;
}

/* Every entry from the root down to a leaf; the width has been checked. */
static unsigned walk_second_stage(const struct run *t, uint64_t in, struct ss_walk *walk)
{
	uint64_t table = t->ss_root;
	bool r = true, w = true;

	memset(walk, 0, sizeof(*walk));
	for (unsigned level = t->ss_levels;; level--) { /* at most 5 loads: level 1 is a leaf */
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t addr = table + 8 * field(in, shift + 8, shift);
		uint64_t e;

		if (!load(t, addr, &e))
			return level == t->ss_levels
				       ? by_mode(t, VO_FR_CONTEXT_INV, VO_FR_SM_SS_ROOT_ACCESS)
				       : by_mode(t, VO_FR_SS_ACCESS, VO_FR_SM_SS_ACCESS);
		if (!(e & 3))
			return ss_not_present(t);
		if (ss_rsvd(t, e, level))
			return by_mode(t, VO_FR_SS_RSVD, VO_FR_SM_SS_RSVD);
		walk->entry[walk->n++] = (struct used){ addr, e };
		r = r && e & BIT(0);
		w = w && e & BIT(1);
		table = e & bits_51_down_to(12);
		if (ss_is_leaf(e, level)) {
			walk->out = table | (in & (BIT(shift) - 1));
			walk->size_lg2 = shift;
			walk->r = r;
			walk->w = w;
			return GO_ON;
		}
	}
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
	uint64_t rsvd = t->pgtt == PGTT_NESTED ? 0 : bits_51_down_to(t->unit->haw);

	if (level >= 4 || (level == 3 && !cap(t, CAP_FS1GP)))
		rsvd |= BIT(7);
	if (!t->nxe)
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
	return GO_ON;
}

/* SFS.1 to SFS.4 */
static unsigned walk_first_stage(struct run *t, uint64_t in)
{
	struct fs_walk *walk = &t->fs;
	uint64_t table = t->fs_root;

	*walk = (struct fs_walk){ .us = true, .rw = true };
	for (unsigned level = t->fs_levels;; level--) { /* at most 5 entries: level 1 is a leaf */
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t addr = table + 8 * field(in, shift + 8, shift);
		bool top = level == t->fs_levels;
		uint64_t host, e;
		unsigned fault = locate_fs_entry(t, addr, top, &walk->table[walk->n], &host);

		if (fault)
			return fault;
		if (!load(t, host, &e))
			return top ? VO_FR_FS_ROOT_ACCESS : VO_FR_FS_ACCESS;
		if (!(e & 1))
			return VO_FR_FS_P;
		if (fs_rsvd(t, e, level))
			return VO_FR_FS_RSVD;
		walk->entry[walk->n++] = (struct used){ host, e };
		walk->rw = walk->rw && e & BIT(1);
		walk->us = walk->us && e & BIT(2);
		walk->xd = walk->xd || e & BIT(63);
		table = e & bits_51_down_to(12);
		if (fs_is_leaf(e, level)) {
			walk->size_lg2 = shift;
			walk->out = (table & bits_from(shift)) | (in & (BIT(shift) - 1));
			return GO_ON;
		}
	}
}

/* --- Permission --- */

static void narrow(struct run *t, bool r, bool w, bool x)
{
	t->r = t->r && r;
	t->w = t->w && w;
	t->x = t->x && x;
}

/* 3.6.1, SGN.2, SGN.3, SGN.6: what the first stage grants to a request of this privilege. */
static unsigned apply_first_stage_permission(struct run *t)
{
	const struct fs_walk *f = &t->fs;
	bool may = t->priv || f->us;
	bool may_write = may && (f->rw || (t->priv && !t->wpe));
	bool may_execute = may && !f->xd && !(t->priv && t->smep && f->us);

	narrow(t, may, may_write, may_execute);
	if (!may)
		return VO_FR_SM_USER;
	if (!is_at(t, VO_AT_UNTRANSLATED))
		return GO_ON;
	if (t->exec && !may_execute)
		return VO_FR_SM_EXECUTE;
	if (t->req->write && !may_write)
		return VO_FR_SM_WRITE;
	return GO_ON;
}

/* LGN.2, LGN.3, SGN.6, SGN.7. A translation request is refused only when nothing at all is left to
 * grant. */
static unsigned apply_second_stage_permission(struct run *t)
{
	unsigned no_write = by_mode(t, VO_FR_WRITE, VO_FR_SM_WRITE);
	unsigned no_read = by_mode(t, VO_FR_READ, VO_FR_SM_READ);

	narrow(t, t->ss.r, t->ss.w, t->ss.r);
	if (!is_at(t, VO_AT_UNTRANSLATED))
		return GO_ON;
	if (t->req->write && !t->ss.w)
		return no_write;
	if ((t->req->read || t->exec) && !t->ss.r)
		return no_read;
	return GO_ON;
}

static unsigned check_translation_request(struct run *t)
{
	if (!is_at(t, VO_AT_TRANSLATION_REQUEST))
		return GO_ON;
	narrow(t, true, writes_allowed_by_request(t), true);
	return t->r || t->w ? GO_ON : by_mode(t, VO_FR_READ, VO_FR_SM_READ);
}

/* --- 3.6.2, 3.7.2: accessed and dirty --- */

enum { MAX_UPDATES = 5 * 6 + 5 };

struct updates {
	struct update u[MAX_UPDATES];
	unsigned n;
};

static void want(struct updates *us, const struct used *e, uint64_t bits, bool first_stage,
		 bool denied)
{
	if (!(bits & ~e->value))
		return;
	assert(us->n < MAX_UPDATES);
	us->u[us->n++] = (struct update){
		.addr = e->addr,
		.set = bits & ~e->value,
		.fault_no_snoop = first_stage ? VO_FR_FS_NO_SNOOP : VO_FR_SM_SS_NO_SNOOP,
		.fault_store = first_stage ? VO_FR_FS_UPDATE : VO_FR_SM_SS_UPDATE,
		.denied = denied,
	};
}

/* A is bit 8 at every level, D is bit 9 of the leaf. */
static void want_second_stage(const struct run *t, struct updates *us, const struct ss_walk *walk,
			      bool dirty)
{
	if (!t->ss_ad)
		return;
	for (unsigned i = 0; i < walk->n; i++) {
		bool leaf = walk->size_lg2 && i == walk->n - 1;

		want(us, &walk->entry[i], BIT(8) | (leaf && dirty ? BIT(9) : 0), false, false);
	}
}

/* A is bit 5, EA bit 10, D bit 6 of the leaf; each store is itself a write through the second
 * stage. */
static void want_first_stage(const struct run *t, struct updates *us, bool dirty)
{
	const struct fs_walk *f = &t->fs;

	for (unsigned i = 0; i < f->n; i++) {
		bool leaf = f->size_lg2 && i == f->n - 1;
		uint64_t bits = BIT(5) | (t->eafe ? BIT(10) : 0) | (leaf && dirty ? BIT(6) : 0);
		bool stores = bits & ~f->entry[i].value;
		bool nested = t->pgtt == PGTT_NESTED;

		if (nested)
			want_second_stage(t, us, &f->table[i], stores);
		want(us, &f->entry[i], bits, true, nested && !f->table[i].w);
	}
}

/* SFS.8, SFS.9, SSS.5 */
static unsigned check_updates(const struct run *t, const struct updates *us)
{
	for (unsigned i = 0; i < us->n; i++) {
		if (us->u[i].denied)
			return VO_FR_FS_TABLE_WRITE;
		if (!t->pwsnp && no_snoop_update_faults)
			return us->u[i].fault_no_snoop;
	}
	return GO_ON;
}

/* SFS.10, SSS.6. An entry may have been used twice: bits are added to what is there now. */
static unsigned store_updates(const struct run *t, const struct updates *us)
{
	for (unsigned i = 0; i < us->n; i++) {
		const struct update *u = &us->u[i];
		uint64_t now;

		if (!load(t, u->addr, &now))
			return u->fault_store;
		if (!(u->set & ~now))
			continue;
		if (!t->mem->store64(t->mem->opaque, u->addr, now | u->set))
			return u->fault_store;
	}
	return GO_ON;
}

/* The one place that decides what is marked: everything used, after success. */
static unsigned mark_accessed_and_dirty(const struct run *t, bool dirty)
{
	struct updates us = { .n = 0 };
	unsigned fault;

	want_first_stage(t, &us, dirty);
	want_second_stage(t, &us, &t->ss, dirty);
	fault = check_updates(t, &us);
	return fault ? fault : store_updates(t, &us);
}

/* --- Putting the stages together --- */

static unsigned translate_first_stage(struct run *t)
{
	unsigned fault;

	if (!is_canonical(t->out, 12 + 9 * t->fs_levels))
		return VO_FR_SM_CANONICAL;
	fault = walk_first_stage(t, t->out);
	if (fault)
		return fault;
	t->out = t->fs.out;
	t->size_lg2 = t->fs.size_lg2;
	return apply_first_stage_permission(t);
}

static unsigned translate_second_stage(struct run *t)
{
	unsigned fault;

	if (beyond_ss_input(t, t->out))
		return by_mode(t, VO_FR_ADDR_WIDTH, VO_FR_SM_ADDR_WIDTH);
	fault = walk_second_stage(t, t->out, &t->ss);
	if (fault)
		return fault;
	t->out = t->ss.out;
	if (!t->size_lg2 || t->ss.size_lg2 < t->size_lg2)
		t->size_lg2 = t->ss.size_lg2;
	return apply_second_stage_permission(t);
}

static unsigned translate_stages(struct run *t)
{
	unsigned fault = GO_ON;

	t->out = t->req->iova;
	t->size_lg2 = 0;
	t->r = t->w = t->x = true;
	if (uses_first_stage(t->pgtt))
		fault = translate_first_stage(t);
	if (!fault && uses_second_stage(t->pgtt))
		fault = translate_second_stage(t);
	if (!fault)
		fault = check_translation_request(t);
	if (!fault && in_window(t->out))
		fault = by_mode(t, VO_FR_INTERRUPT, VO_FR_SM_INTERRUPT);
	return fault;
}

static unsigned use_page_tables(struct run *t)
{
	unsigned fault = translate_stages(t);
	bool dirty = is_at(t, VO_AT_TRANSLATION_REQUEST) ? t->w : t->req->write;

	if (!fault)
		return mark_accessed_and_dirty(t, dirty);
	if (accessed_on_fault)
		(void)mark_accessed_and_dirty(t, false);
	return fault;
}

/* 3.4.2: legacy mode. */
static unsigned translate_legacy(struct run *t)
{
	uint64_t context_table, tt;
	unsigned fault = read_legacy_root(t, &context_table);

	if (!fault)
		fault = read_legacy_context(t, context_table, &tt);
	if (!fault)
		fault = check_input_window(t);
	if (fault)
		return fault;
	if (is_at(t, VO_AT_TRANSLATED) || tt == TT_PASS_THROUGH)
		return identity_within_haw(t);
	t->pgtt = PGTT_SECOND;
	return use_page_tables(t);
}

/* 4.2.4: a translated request ends here; SCT.7 applies to it as well. */
static unsigned accept_translated(struct run *t, const uint64_t *context)
{
	uint32_t pasid;
	unsigned fault = GO_ON;

	if (t->req->has_pasid)
		fault = choose_pasid(t, context, &pasid);
	if (!fault)
		fault = check_input_window(t);
	return fault ? fault : identity_within_haw(t);
}

/* 3.4.3: scalable mode. */
static unsigned translate_scalable(struct run *t)
{
	uint64_t context_table, context[4], pasid_table;
	uint32_t pasid;
	unsigned fault = read_scalable_root(t, &context_table);

	if (!fault)
		fault = read_scalable_context(t, context_table, context);
	if (fault)
		return fault;
	if (is_at(t, VO_AT_TRANSLATED))
		return accept_translated(t, context);
	fault = choose_pasid(t, context, &pasid);
	if (!fault)
		fault = read_pasid_directory(t, context[0] & ~UINT64_C(0xfff), pasid, &pasid_table);
	if (!fault)
		fault = read_pasid_entry(t, pasid_table, pasid);
	if (!fault)
		fault = check_input_window(t);
	if (fault)
		return fault;
	return t->pgtt == PGTT_PASS_THROUGH ? identity_within_haw(t) : use_page_tables(t);
}

/* 10.4.7: which tables, if any. RTA.1, RTA.2. */
static unsigned translate(struct run *t)
{
	uint64_t ttm = field(t->unit->rtaddr, 11, 10);

	if (!t->unit->te)
		return remapping_disabled(t);
	if (ttm == TTM_ABORT && ecap(t, ECAP_ADMS))
		return BLOCKED_ABORT;
	if (ttm == TTM_LEGACY)
		return t->req->has_pasid ? VO_FR_PASID_IN_LEGACY : translate_legacy(t);
	t->scalable = true;
	if (ttm == TTM_SCALABLE && ecap(t, ECAP_SMTS))
		return translate_scalable(t);
	return VO_FR_RTADDR;
}

/* --- 7.1: reporting --- */

/* May FPD suppress the record? */
static bool is_qualified(unsigned fault)
{
	switch (fault) {
	case VO_FR_ROOT_P:
	case VO_FR_ROOT_ACCESS:
	case VO_FR_ROOT_RSVD:
	case VO_FR_CONTEXT_ACCESS:
	case VO_FR_RTADDR:
	case VO_FR_PASID_IN_LEGACY:
	case VO_FR_SM_ROOT_ACCESS:
	case VO_FR_SM_ROOT_P:
	case VO_FR_SM_ROOT_RSVD:
	case VO_FR_SM_CONTEXT_ACCESS:
		return false;
	case VO_FR_DIR_ACCESS:
	case VO_FR_PASID_ACCESS:
		return pasid_access_is_qualified;
	default:
		return true;
	}
}

/* 4.1.2: how a translation request that met this condition is completed. */
static unsigned ats_completion(unsigned fault)
{
	switch (fault) {
	case VO_FR_ROOT_P:
	case VO_FR_CONTEXT_P:
	case VO_FR_TT_BLOCKS:
	case VO_FR_PASID_IN_LEGACY:
	case VO_FR_SM_ROOT_P:
	case VO_FR_SM_CONTEXT_P:
	case VO_FR_SM_DTE:
	case VO_FR_SM_PASIDE:
	case VO_FR_SM_PASID_SIZE:
	case VO_FR_SM_RID_PASID:
	case VO_FR_DIR_P:
	case VO_FR_PASID_P:
	case BLOCKED_ABORT:
	case BLOCKED_DISABLED:
		return VO_ATS_UNSUPPORTED_REQUEST;
	case VO_FR_ADDR_WIDTH:
	case VO_FR_WRITE:
	case VO_FR_READ:
	case VO_FR_INTERRUPT:
	case VO_FR_PASID_ERE:
	case VO_FR_PASID_SRE:
	case VO_FR_FS_P:
	case VO_FR_FS_TABLE_WIDTH:
	case VO_FR_FS_ROOT_READ:
	case VO_FR_FS_TABLE_READ:
	case VO_FR_FS_TABLE_WRITE:
	case VO_FR_SM_SS_P:
	case VO_FR_SM_CANONICAL:
	case VO_FR_SM_USER:
	case VO_FR_SM_EXECUTE:
	case VO_FR_SM_HAW:
	case VO_FR_SM_ADDR_WIDTH:
	case VO_FR_SM_WRITE:
	case VO_FR_SM_READ:
	case VO_FR_SM_INTERRUPT:
	case BLOCKED_PMR:
		return VO_ATS_SUCCESS;
	default:
		return VO_ATS_COMPLETER_ABORT;
	}
}

static void answer_fault(const struct run *t, unsigned fault, struct vo_answer *ans)
{
	bool blocked = fault > 0xff;

	*ans = (struct vo_answer){
		.reason = blocked ? 0 : (uint8_t)fault,
		.recorded = !blocked && !(t->fpd && is_qualified(fault)),
	};
	if (!is_at(t, VO_AT_TRANSLATION_REQUEST))
		return;
	ans->ats = ats_completion(fault);
	if (ans->ats == VO_ATS_SUCCESS) {
		ans->ok = true;
		ans->size_lg2 = 12;
		ans->recorded = false;
	}
}

bool vo_is_interrupt_request(const struct vo_request *req)
{
	return req->at == VO_AT_UNTRANSLATED && req->write && !req->has_pasid &&
	       in_window(req->iova);
}

void vo_translate(const struct vo_memory *mem, const struct vo_unit *unit,
		  const struct vo_request *req, struct vo_answer *ans)
{
	struct run t = { .mem = mem, .unit = unit, .req = req };
	unsigned fault;

	assert(!vo_is_interrupt_request(req));
	fault = translate(&t);
	if (fault) {
		answer_fault(&t, fault, ans);
		return;
	}
	*ans = (struct vo_answer){
		.ok = true,
		.gpa = t.out,
		.size_lg2 = t.size_lg2,
		.r = t.r,
		.w = t.w && writes_allowed_by_request(&t),
		.x = t.x,
		.ats = req->at == VO_AT_TRANSLATION_REQUEST ? VO_ATS_SUCCESS : VO_ATS_NONE,
	};
}
