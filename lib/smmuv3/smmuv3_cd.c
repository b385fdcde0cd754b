/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_cd.c - from STE and SubstreamID to context descriptor, and the tables of stage 1 (3.3.2, 5.3, 5.4). */

#include "pt_arm64.h"
#include "pt_structure.h"
#include "smmuv3_engine.h"

/* ---- where it is ---- */

/* What a stage-2 walk for a structure came to (7.3.22): CLASS CD, and the address is that of the structure. */
static int stage2_fault(struct query *q, const struct pt_structure *p, uint64_t address)
{
	const uint64_t bits = EVENT1_S2 | bits_put(EVENT1_CLASS, CLASS_CD);
	unsigned event = F_TRANSLATION;

	switch (p->end) {
	case PT_BAD_ENTRY:
	case PT_BAD_LEVEL:
		event = F_ADDR_SIZE;
		break;
	case PT_NOT_ACCESSED:
		event = F_ACCESS;
		break;
	case PT_DENIED:
		event = F_PERMISSION;
		break;
	case PT_LOAD_FAILED:
	case PT_TOUCH_FAILED:
		return smmu_fail(q, F_WALK_EABT, bits | SMMU_FAIL_TREQ, p->walk.at & EVENT3_FETCH);
	default:
		break;
	}
	return smmu_fail(q, event, bits | (event == F_PERMISSION ? EVENT1_TTRNW : 0),
			 address & EVENT3_IPA);
}

static int fetch(struct smmu *s, struct query *q, const struct context *c, const char *what,
		 uint64_t address, uint64_t *raw, unsigned words)
{
	struct pt_structure p = {
		.walk = { .vm = s->unit.vm, .config = &c->key.stage2, .observer = q->observer },
		.what = what
	};

	if (c->key.stage2.page_lg2)
		p.stage = q->observer ? pt_arm64_s2_observe_for_table
			  : q->quiet  ? pt_arm64_s2_peek_for_table
				      : pt_arm64_s2_walk_for_table;
	else if (smmu_above_oas(s, address))
		return smmu_fail(q, F_CD_FETCH, SMMU_FAIL_TREQ, address & EVENT3_FETCH);
	switch (pt_structure_load(&p, address, raw, words)) {
	case PT_OK:
		return VIOMMU_OK;
	case PT_STAGE2_TABLE:
		return stage2_fault(q, &p, address);
	default:
		return smmu_fail(q, F_CD_FETCH, SMMU_FAIL_TREQ, p.gpa & EVENT3_FETCH);
	}
}

static int no_substream(struct query *q, uint64_t more)
{
	return smmu_fail(q, C_BAD_SUBSTREAMID, SMMU_FAIL_TREQ | more, 0);
}

/* 3.3.2: with two levels, the table that has it. */
static int level2(struct smmu *s, struct query *q, const struct context *c, uint64_t pointer,
		  uint32_t ssid, unsigned leaf, uint64_t *table)
{
	uint64_t raw;
	int result = fetch(s, q, c, "L1CD", pointer + ((uint64_t)ssid >> leaf) * 8, &raw, 1);

	if (result)
		return result;
	/* intermediate addresses are as wide as physical ones */
	if (!(raw & L1CD_V) || smmu_above_oas(s, raw & L1CD_L2PTR))
		return no_substream(q, 0);
	*table = raw & L1CD_L2PTR;
	return VIOMMU_OK;
}

static int locate(struct smmu *s, struct query *q, const struct smmu_ste *ste,
		  const struct context *c, uint32_t ssid, uint64_t *address)
{
	uint64_t pointer = ste->word[0] & STE0_S1CONTEXTPTR;
	unsigned cdmax = (unsigned)bits_get(ste->word[0], STE0_S1CDMAX);
	uint64_t fmt = bits_get(ste->word[0], STE0_S1FMT);
	unsigned leaf = fmt == STE_S1FMT_4K ? 6 : 10;
	int result;

	if (!bits_get(smmu_idr(s, 1), IDR1_SSIDSIZE))
		cdmax = 0;
	if (cdmax == 0 || (fmt != STE_S1FMT_4K && fmt != STE_S1FMT_64K)) {
		/* the table is aligned to its size */
		*address = (pointer & ~bits_low(cdmax + 6)) + (uint64_t)ssid * 64;
		return VIOMMU_OK;
	}
	pointer &= ~bits_low(cdmax > leaf + 3 ? cdmax - leaf + 3 : 6);
	result = level2(s, q, c, pointer, ssid, leaf, address);
	*address += (ssid & bits_low(leaf)) * 64;
	return result;
}

/* ---- whether it is legal ---- */

static bool policy_is_legal(const struct smmu *s, const struct smmu_ste *ste, uint64_t w0)
{
	uint64_t idr0 = smmu_idr(s, 0);
	uint64_t model = bits_get(idr0, IDR0_STALL_MODEL);

	if (w0 & CD0_S ? model == 1 || (ste->word[1] & STE1_S1STALLD) : model == 2)
		return false;
	return (w0 & CD0_A) || !(idr0 & IDR0_TERM_MODEL);
}

static bool is_legal(const struct smmu *s, const struct smmu_ste *ste, const uint64_t *cd,
		     bool one_half)
{
	uint64_t idr0 = smmu_idr(s, 0);
	uint64_t htt = bits_get(idr0, IDR0_HTTU);
	uint64_t endian = bits_get(idr0, IDR0_TTENDIAN);
	bool both_off = !one_half && (cd[0] & CD0_EPD0) && (cd[0] & CD0_EPD1);

	if (!(cd[0] & CD0_V) || !(cd[0] & CD0_AA64) || !policy_is_legal(s, ste, cd[0]))
		return false;
	if (((cd[0] & CD0_HA) && htt == 0) || ((cd[0] & CD0_HD) && htt < 2) ||
	    (htt == 3 && (cd[1] & CD1_HAFT) && !(cd[0] & CD0_HA)))
		return false;
	if (endian != 0 && !both_off && !(cd[0] & CD0_ENDI) != (endian == 2))
		return false;
	/* where there are no ASIDs, nothing is said of theirs */
	return one_half || (idr0 & IDR0_ASID16) || bits_get(cd[0], CD0_ASID) <= 0xff;
}

/* ---- the tables ---- */

/* TG0 and TG1 are encoded differently. 0: reserved, or the SMMU does not have it. */
static unsigned granule(const struct smmu *s, uint64_t tg, bool upper)
{
	static const uint8_t lower_of[4] = { 12, 16, 14, 0 };
	static const uint8_t upper_of[4] = { 0, 14, 12, 16 };
	unsigned page_lg2 = (upper ? upper_of : lower_of)[tg & 3];
	uint64_t bit = page_lg2 == 12 ? IDR5_GRAN4K : page_lg2 == 14 ? IDR5_GRAN16K : IDR5_GRAN64K;

	return smmu_idr(s, 5) & bit ? page_lg2 : 0;
}

static unsigned stage1_flags(const struct smmu *s, const uint64_t *cd, uint64_t half, bool el2)
{
	uint64_t idr3 = smmu_idr(s, 3);
	unsigned flags = 0;

	if (cd[0] & CD0_HA) {
		flags |= PT_ARM_HA;
		if (cd[0] & CD0_HD)
			flags |= PT_ARM_HD;
		if ((cd[1] & CD1_HAFT) && bits_get(smmu_idr(s, 0), IDR0_HTTU) == 3)
			flags |= PT_ARM_HAFT;
	} else if (cd[0] & CD0_AFFD) {
		flags |= PT_ARM_AFFD;
	}
	flags |= (cd[2] & CD2_DS) && (smmu_idr(s, 5) & IDR5_DS) ? PT_ARM_DS : 0U;
	flags |= bits_get(smmu_idr(s, 5), IDR5_OAS) >= 6 ? PT_ARM_LPA : 0U;
	flags |= cd[0] & CD0_ENDI ? PT_ARM_BE : 0U;
	flags |= cd[0] & CD0_WXN ? PT_ARM_WXN : 0U;
	flags |= (half & CDT_HAD) && (idr3 & IDR3_HAD) ? PT_ARM_HPD : 0U;
	if (el2)
		return flags | PT_ARM_EL2;
	if (cd[0] & CD0_PAN)
		flags |= PT_ARM_PAN | ((cd[1] & CD1_EPAN) && (idr3 & IDR3_EPAN) ? PT_ARM_EPAN : 0U);
	return flags | ((half & CDT_E0PD) && (idr3 & IDR3_E0PD) ? PT_ARM_E0PD : 0U);
}

/* One half: TxSZ, TGx and TTBx. False: C_BAD_CD. */
static bool set_half(const struct smmu *s, const uint64_t *cd, bool upper, bool el2,
		     struct pt_config *config)
{
	uint64_t half = cd[upper ? 2 : 1];
	uint64_t size = bits_get(cd[0], upper ? CD0_T1SZ : CD0_T0SZ);
	unsigned page_lg2 = granule(s, bits_get(cd[0], upper ? CD0_TG1 : CD0_TG0), upper);
	unsigned flags = stage1_flags(s, cd, half, el2);
	unsigned bits = smmu_address_bits(bits_get(cd[0], CD0_IPS));
	bool wide = (page_lg2 == 16 || (flags & PT_ARM_DS)) && bits_get(smmu_idr(s, 5), IDR5_VAX);
	unsigned max = !(smmu_idr(s, 3) & IDR3_STT) ? 39 : page_lg2 == 16 ? 47 : 48;

	if (!page_lg2 || size < (wide ? 12U : 16U) || size > max)
		return false;
	bits = bits < s->oas ? bits : s->oas;
	if (half & CDT_TTB & ~bits_low(pt_arm64_out_bits(page_lg2, bits, flags)))
		return false;
	*config = pt_arm64_stage1(half & CDT_TTB, page_lg2, 64 - (unsigned)size, bits, flags);
	return true;
}

/* StreamWorld EL2 has one half, and EPD0 is ignored there. */
static bool set_tables(const struct smmu *s, const uint64_t *cd, bool one_half, struct context *c)
{
	unsigned ignored0 = cd[0] & CD0_TBI0 ? 8 : 0;
	unsigned ignored1 = (cd[0] & CD0_TBI1) && !one_half ? 8 : 0;

	c->key.halves = DOMAIN_HALVES(55, ignored0, ignored1);
	if ((one_half || !(cd[0] & CD0_EPD0)) && !set_half(s, cd, false, one_half, &c->key.stage1))
		return false;
	return one_half || (cd[0] & CD0_EPD1) || set_half(s, cd, true, false, &c->key.upper);
}

/* ---- all of it ---- */

/* 3.9.2: which substream a request is of; VIOMMU_NO_PASID: it passes stage 1 by. */
static int choose(const struct smmu *s, struct query *q, const struct smmu_ste *ste,
		  uint32_t *substream)
{
	unsigned cdmax = (unsigned)bits_get(ste->word[0], STE0_S1CDMAX);
	uint64_t dss = bits_get(ste->word[1], STE1_S1DSS);

	if (!bits_get(smmu_idr(s, 1), IDR1_SSIDSIZE))
		cdmax = 0;
	*substream = 0;
	if (q->pasid != VIOMMU_NO_PASID) {
		if (cdmax == 0 || q->pasid >= BIT(cdmax))
			return no_substream(q, 0);
		if (dss == S1DSS_SSID0 && q->pasid == 0)
			return smmu_fail(q, F_STREAM_DISABLED, SMMU_FAIL_TREQ, 0);
		*substream = q->pasid;
		return VIOMMU_OK;
	}
	if (cdmax == 0 || dss == S1DSS_SSID0)
		return VIOMMU_OK;
	if (dss != S1DSS_BYPASS)
		return smmu_fail(q, F_STREAM_DISABLED, SMMU_FAIL_TREQ, 0);
	*substream = VIOMMU_NO_PASID;
	return VIOMMU_OK;
}

/* Fetches and parses the CD of a substream into what the context has of its STE already. */
static int parse(struct smmu *s, struct query *q, const struct smmu_ste *ste, uint32_t ssid,
		 struct context *c)
{
	bool el2 = c->key.group == SMMU_GROUP_EL2;
	bool e2h = SMMU_CONTROL_CR2(smmu_control(s)) & CR2_E2H;
	uint64_t cd[8];
	uint64_t address;
	int result = locate(s, q, ste, c, ssid, &address);

	if (!result)
		result = fetch(s, q, c, "CD", address, cd, ARRAY_COUNT(cd));
	/* 3.9.2: an L1CD that is of no use is reported as what the request had, which is none with S1DSS 2 */
	if (result)
		return result;
	c->key.flags |= el2 && !e2h ? (uint32_t)SMMU_KEY_EL2 : 0;
	el2 = el2 && !e2h;
	if (!is_legal(s, ste, cd, el2) || !set_tables(s, cd, el2, c))
		return smmu_fail(q, C_BAD_CD, SMMU_FAIL_TREQ, 0);
	c->key.kind = c->key.stage2.page_lg2 ? SMMU_NESTED : SMMU_S1;
	if (c->key.kind == SMMU_NESTED)
		smmu_note(s, SMMU_SEEN_NESTED);
	q->entry_pasid = el2 ? VIOMMU_ANY_PASID : (uint32_t)bits_get(cd[0], CD0_ASID);
	c->key.id = domain_id(c->key.group,
			      el2 ? VIOMMU_NO_PASID : (uint32_t)bits_get(cd[0], CD0_ASID));
	c->flags |= (cd[0] & CD0_A ? SMMU_CONTEXT_A : 0) | (cd[0] & CD0_R ? SMMU_CONTEXT_R : 0) |
		    (cd[0] & CD0_S ? SMMU_CONTEXT_S : 0);
	return VIOMMU_OK;
}

int smmu_cd_parse(struct smmu *s, struct query *q, const struct smmu_ste *ste, struct context *c)
{
	uint32_t substream;
	int result = choose(s, q, ste, &substream);

	if (result)
		return result;
	if (substream == VIOMMU_NO_PASID) {
		c->key.kind = c->key.stage2.page_lg2 ? SMMU_S2 : SMMU_PASS;
		return VIOMMU_OK;
	}
	return parse(s, q, ste, substream, c);
}
