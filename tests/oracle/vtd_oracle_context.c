/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_oracle_context.c - root, context and PASID structures (VT-d 9.1 to 9.6), step by step. */
#include "vtd_oracle_run.h"

static bool load_many(const struct run *t, uint64_t addr, uint64_t *value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!load(t, addr + 8 * i, &value[i]))
			return false;
	return true;
}

/* AW 1, 2, 3 are 3, 4, 5 levels, if CAP.SAGAW has the same bit. 0: not supported. */
static unsigned aw_to_levels(const struct run *t, uint64_t aw)
{
	if (aw < 1 || aw > 3 || !cap(t, 8 + (unsigned)aw))
		return 0;
	return (unsigned)aw + 2;
}

/* CAP.ND: a domain id has 4 + 2 * ND bits; those above are reserved. */
static bool did_too_wide(const struct run *t, uint64_t did)
{
	return did >> (4 + 2 * field(t->unit->cap, 2, 0));
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
	       field(q[1], 7, 7) || field(q[1], 63, 24) || did_too_wide(t, field(q[1], 23, 8));
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
		return VO_FR_SM_ROOT_ACCESS;
	if (!load(t, root + 16u * (t->req->rid >> 8) + 8 * upper, &half))
		return VO_FR_SM_ROOT_ACCESS;
	if (!(half & 1))
		return VO_FR_SM_ROOT_P;
	if (field(half, 11, 1) || (half & bits_from(t->unit->haw)))
		return VO_FR_SM_ROOT_RSVD;
	*context_table = half & ~UINT64_C(0xfff);
	return GO_ON;
}

/* SCT.3: DTE, PASIDE, PRE and RID_PRIV are reserved without their capability. */
static bool scalable_context_rsvd(const struct run *t, const uint64_t *q)
{
	if (field(q[0], 8, 5) || (q[0] & bits_from(t->unit->haw)) || field(q[1], 63, 21) || q[2] ||
	    q[3])
		return true;
	return (q[0] & BIT(2) && !ecap(t, ECAP_DT)) || (q[0] & BIT(3) && !ecap(t, ECAP_PASID)) ||
	       (q[0] & BIT(4) && !ecap(t, ECAP_PRS)) || (q[1] & BIT(20) && !ecap(t, ECAP_RPRIVS));
}

/* SCT.1 to SCT.5 */
static unsigned read_scalable_context(struct run *t, uint64_t table, uint64_t *q)
{
	if (!load_many(t, table + 32u * (t->req->rid & 0x7f), q, 4))
		return VO_FR_SM_CONTEXT_ACCESS;
	t->fpd = q[0] & BIT(1);
	if (!(q[0] & 1))
		return VO_FR_SM_CONTEXT_P;
	if (scalable_context_rsvd(t, q))
		return VO_FR_SM_CONTEXT_RSVD;
	if (!is_at(t, VO_AT_UNTRANSLATED) && !(q[0] & BIT(2)))
		return VO_FR_SM_DTE;
	return GO_ON;
}

/* SCT.7, SCT.9: a PASID has its place in the directory, and ECAP.PSS + 1 bits. ECAP.PSS means
 * something with ECAP.PASID only. */
static bool pasid_too_large(const struct run *t, const uint64_t *context, uint32_t pasid)
{
	if (ecap(t, ECAP_PASID) && pasid >> (field(t->unit->ecap, 39, 35) + 1))
		return true;
	return pasid >> 6 >= BIT(field(context[0], 11, 9) + 7);
}

/* SCT.6: the PASID of the request, or the one the context gives to requests without. */
static unsigned choose_pasid(struct run *t, const uint64_t *context, uint32_t *pasid)
{
	if (t->req->has_pasid) {
		if (!(context[0] & BIT(3)))
			return VO_FR_SM_PASIDE;
		*pasid = t->req->pasid;
		t->priv = t->req->priv && ecap(t, ECAP_SRS);
		t->exec = t->req->exec && ecap(t, ECAP_ERS);
		return pasid_too_large(t, context, *pasid) ? VO_FR_SM_PASID_SIZE : GO_ON;
	}
	*pasid = ecap(t, ECAP_RPS) ? (uint32_t)field(context[1], 19, 0) : 0;
	t->priv = ecap(t, ECAP_RPRIVS) && field(context[1], 20, 20);
	t->exec = false;
	return pasid_too_large(t, context, *pasid) ? VO_FR_SM_RID_PASID : GO_ON;
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

/* SPT.3: what no capability defines, whatever PGTT says. */
static bool pasid_entry_rsvd_always(const struct run *t, const uint64_t *q)
{
	uint64_t beyond_haw = bits_from(t->unit->haw);

	return field(q[0], 5, 5) || field(q[0], 11, 10) || (q[0] & beyond_haw) ||
	       field(q[1], 22, 16) || field(q[1], 63, 25) || did_too_wide(t, field(q[1], 15, 0)) ||
	       field(q[2], 11, 8) || (q[2] & beyond_haw) || q[3] || q[4] || q[5] || q[6] || q[7];
}

/* SPT.3: fields whose capability is absent. */
static bool pasid_entry_rsvd_by_capability(const struct run *t, const uint64_t *q)
{
	const struct {
		unsigned word;
		uint64_t bits;
		unsigned needs;
	} row[] = {
		{ 0, BIT(9) | bits_from(12), ECAP_SSTS }, /* SSADE, SSPTPTR; not AW */
		{ 0, BIT(9), ECAP_SSADS },
		{ 1, BIT(23), ECAP_SMPWCS }, /* PWSNP */
		{ 1, BIT(24), ECAP_SC },     /* PGSNP */
		{ 2, UINT64_C(3) << 2 | BIT(4) | BIT(7) | bits_from(12), ECAP_FSTS },
		{ 2, BIT(0), ECAP_SRS },  /* SRE */
		{ 2, BIT(1), ECAP_ERS },  /* ERE */
		{ 2, BIT(7), ECAP_EAFS }, /* EAFE */
	};

	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (q[row[i].word] & row[i].bits && !ecap(t, row[i].needs))
			return true;
	return false;
}

/* SPT.4 */
static bool pgtt_supported(const struct run *t)
{
	switch (t->pgtt) {
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
	t->ere = q[2] & BIT(1);
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
	if (pasid_entry_rsvd_always(t, q) || pasid_entry_rsvd_by_capability(t, q))
		return VO_FR_PASID_RSVD;
	t->pgtt = (unsigned)field(q[0], 8, 6);
	if (!pgtt_supported(t) || !pasid_levels(t, q))
		return VO_FR_PASID_INV;
	take_pasid_entry(t, q);
	if (uses_first_stage(t->pgtt) && t->exec && !(q[2] & BIT(1)))
		return VO_FR_PASID_ERE;
	if (uses_first_stage(t->pgtt) && t->priv && !(q[2] & BIT(0)))
		return VO_FR_PASID_SRE;
	return GO_ON;
}

/* --- Together --- */

/* 3.4.2 */
unsigned vo_legacy_structures(struct run *t, bool *identity)
{
	uint64_t context_table, tt = 0;
	unsigned fault = read_legacy_root(t, &context_table);

	if (!fault)
		fault = read_legacy_context(t, context_table, &tt);
	*identity = is_at(t, VO_AT_TRANSLATED) || tt == TT_PASS_THROUGH;
	t->pgtt = PGTT_SECOND;
	return fault;
}

/* 3.4.3. A translated request (4.2.4) ends at the context entry; SCT.6 and SCT.7 apply to it as well. */
unsigned vo_scalable_structures(struct run *t, bool *identity)
{
	uint64_t context_table, context[4], pasid_table;
	uint32_t pasid;
	unsigned fault = read_scalable_root(t, &context_table);

	*identity = is_at(t, VO_AT_TRANSLATED);
	if (!fault)
		fault = read_scalable_context(t, context_table, context);
	if (fault || (*identity && !t->req->has_pasid))
		return fault;
	fault = choose_pasid(t, context, &pasid);
	if (fault || *identity)
		return fault;
	fault = read_pasid_directory(t, context[0] & ~UINT64_C(0xfff), pasid, &pasid_table);
	if (!fault)
		fault = read_pasid_entry(t, pasid_table, pasid);
	*identity = t->pgtt == PGTT_PASS_THROUGH;
	return fault;
}
