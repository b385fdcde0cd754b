/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_stream.c - from StreamID to stream table entry (3.3.2, 5.1, 5.2), and whether that is legal. */

#include "mem.h"
#include "pt_arm64.h"
#include "smmuv3_engine.h"

/* Reads a structure once. An address beyond the output address size is a failed fetch. */
static bool fetch(struct smmu *s, const struct query *q, const char *what, uint64_t gpa,
		  uint64_t *raw, unsigned words)
{
	bool ok = !smmu_above_oas(s, gpa) && mem_load(s->unit.vm, gpa, raw, words);

	if (q->observer)
		q->observer->saw(q->observer->opaque, what, PT_LEVELS, gpa, raw, ok ? words : 0);
	return ok;
}

/* 7.3.3: recorded only if CR2.RECINVSID. */
static int no_stream(const struct smmu *s, struct query *q)
{
	bool record = SMMU_CONTROL_CR2(smmu_control(s)) & CR2_RECINVSID;

	return smmu_fail(q, C_BAD_STREAMID, SMMU_FAIL_TREQ | (record ? 0 : SMMU_FAIL_SILENT), 0);
}

/* 6.3.25: values that are not 6, 8 or 10 act as 6. */
static unsigned split_of(uint64_t cfg)
{
	uint64_t split = bits_get(cfg, STRTAB_SPLIT);

	return split == 8 || split == 10 ? (unsigned)split : 6;
}

/* 5.1: the table that has the STE. *size: how many it has */
static int level2(struct smmu *s, struct query *q, uint64_t base, unsigned split, uint64_t *table)
{
	uint64_t at = base + ((uint64_t)q->id >> split) * 8;
	uint64_t raw;
	unsigned span;

	if (!fetch(s, q, "L1STD", at, &raw, 1))
		return smmu_fail(q, F_STE_FETCH, SMMU_FAIL_TREQ, at & EVENT3_FETCH);
	span = (unsigned)bits_get(raw, L1STD_SPAN);
	if (span == 0 || span > 11 || span > split + 1 ||
	    (q->id & bits_low(split)) >= BIT(span - 1))
		return no_stream(s, q);
	*table = raw & L1STD_L2PTR & ~bits_low(span + 5);
	return VIOMMU_OK;
}

int smmu_ste_fetch(struct smmu *s, struct query *q, struct smmu_ste *ste)
{
	uint64_t base = atomic_load_explicit(&s->strtab, memory_order_acquire) & STRTAB_ADDR;
	uint64_t cfg = atomic_load_explicit(&s->strtab_cfg, memory_order_acquire);
	unsigned log2size = (unsigned)bits_get(cfg, STRTAB_LOG2SIZE);
	unsigned sidsize = (unsigned)bits_get(smmu_idr(s, 1), IDR1_SIDSIZE);
	bool two_levels = bits_get(cfg, STRTAB_FMT) == 1 && (smmu_idr(s, 0) & IDR0_ST_LEVEL);
	unsigned split = split_of(cfg);
	uint64_t index = q->id;
	int result;

	if (q->id & ~bits_low(log2size < sidsize ? log2size : sidsize))
		return no_stream(s, q);
	if (two_levels) {
		unsigned bits = log2size > split ? log2size - split + 3 : 3;

		base &= ~bits_low(bits < 6 ? 6 : bits);
		result = level2(s, q, base, split, &base);
		if (result)
			return result;
		index &= bits_low(split);
	} else {
		base &= ~bits_low(log2size + 6);
	}
	if (!fetch(s, q, "STE", base + index * 64, ste->word, ARRAY_COUNT(ste->word)))
		return smmu_fail(q, F_STE_FETCH, SMMU_FAIL_TREQ,
				 (base + index * 64) & EVENT3_FETCH);
	return VIOMMU_OK;
}

/* ---- 5.2 legality ---- */

static bool ats_is_legal(const struct smmu *s, const struct smmu_ste *ste)
{
	uint64_t idr0 = smmu_idr(s, 0);
	unsigned config = smmu_ste_config(ste);
	bool s2s = ste->word[2] & STE2_S2S;

	if (!(idr0 & IDR0_ATS) || config == STE_CONFIG_BYPASS)
		return true;
	switch (bits_get(ste->word[1], STE1_EATS)) {
	case EATS_FULL:
		return !(smmu_ste_s2(ste) && s2s);
	case EATS_S1CHK:
		return config == STE_CONFIG_BOTH && !s2s && !(idr0 & IDR0_NS1ATS);
	default: /* 3 is 0 without DPT */
		return true;
	}
}

/* STRW is used of stage 1 alone, where there is a hypervisor's StreamWorld. */
static bool uses_strw(const struct smmu *s, const struct smmu_ste *ste)
{
	return smmu_ste_config(ste) == STE_CONFIG_S1 && (smmu_idr(s, 0) & IDR0_HYP);
}

static bool stage1_is_legal(const struct smmu *s, const struct smmu_ste *ste)
{
	uint64_t idr0 = smmu_idr(s, 0);
	uint64_t ssids = bits_get(smmu_idr(s, 1), IDR1_SSIDSIZE);
	uint64_t cdmax = bits_get(ste->word[0], STE0_S1CDMAX);
	uint64_t fmt = bits_get(ste->word[0], STE0_S1FMT);

	if (!(idr0 & IDR0_S1P))
		return false;
	if ((ste->word[1] & STE1_S1STALLD) && bits_get(idr0, IDR0_STALL_MODEL) != 0)
		return false;
	if (ssids && cdmax > ssids)
		return false;
	if (ssids && cdmax && (fmt == STE_S1FMT_4K || fmt == STE_S1FMT_64K) && !(idr0 & IDR0_CD2L))
		return false;
	return !smmu_above_oas(s, ste->word[0] & STE0_S1CONTEXTPTR);
}

static bool stage2_is_legal(const struct smmu *s, const struct smmu_ste *ste)
{
	uint64_t idr0 = smmu_idr(s, 0);
	uint64_t model = bits_get(idr0, IDR0_STALL_MODEL);
	uint64_t htt = bits_get(idr0, IDR0_HTTU);
	uint64_t w2 = ste->word[2];
	struct pt_config config;

	if (!(idr0 & IDR0_S2P) || !(w2 & STE2_S2AA64))
		return false;
	if ((w2 & STE2_S2S ? model == 1 : model == 2))
		return false;
	if (((w2 & STE2_S2HA) && htt == 0) || ((w2 & STE2_S2HD) && htt < 2) ||
	    (htt == 3 && (w2 & STE2_S2HAFT) && !(w2 & STE2_S2HA)))
		return false;
	return smmu_ste_stage2(s, ste, &config);
}

bool smmu_ste_is_legal(const struct smmu *s, const struct smmu_ste *ste)
{
	unsigned config = smmu_ste_config(ste);

	if (!(ste->word[0] & STE0_V))
		return false;
	if (config < STE_CONFIG_BYPASS)
		return true;
	if (!ats_is_legal(s, ste))
		return false;
	if (uses_strw(s, ste) && (bits_get(ste->word[1], STE1_STRW) & 1))
		return false;
	if (smmu_ste_s1(ste) && !stage1_is_legal(s, ste))
		return false;
	if (smmu_ste_s2(ste) && !stage2_is_legal(s, ste))
		return false;
	/* used as a tag wherever there is a stage 2 to be had, but in bypass */
	return config == STE_CONFIG_BYPASS || !(smmu_idr(s, 0) & IDR0_S2P) ||
	       (smmu_idr(s, 0) & IDR0_VMID16) ||
	       (uses_strw(s, ste) && bits_get(ste->word[1], STE1_STRW) == STRW_EL2) ||
	       bits_get(ste->word[2], STE2_S2VMID) <= 0xff;
}

/* ---- the tables of stage 2 ---- */

/* S2TG; 0: reserved, or the SMMU does not have it. */
static unsigned granule(const struct smmu *s, uint64_t tg)
{
	static const struct {
		uint64_t idr5;
		unsigned page_lg2;
	} granules[4] = { { IDR5_GRAN4K, 12 }, { IDR5_GRAN64K, 16 }, { IDR5_GRAN16K, 14 } };

	return smmu_idr(s, 5) & granules[tg & 3].idr5 ? granules[tg & 3].page_lg2 : 0;
}

static unsigned stage2_flags(const struct smmu *s, const struct smmu_ste *ste)
{
	uint64_t w2 = ste->word[2];
	uint64_t idr5 = smmu_idr(s, 5);
	unsigned flags = 0;

	if (w2 & STE2_S2HA) {
		flags |= PT_ARM_HA;
		if (w2 & STE2_S2HD)
			flags |= PT_ARM_HD;
		if ((w2 & STE2_S2HAFT) && bits_get(smmu_idr(s, 0), IDR0_HTTU) == 3)
			flags |= PT_ARM_HAFT;
	} else if (w2 & STE2_S2AFFD) {
		flags |= PT_ARM_AFFD;
	}
	if ((ste->word[3] & STE3_S2DS) && (idr5 & IDR5_DS))
		flags |= PT_ARM_DS;
	if (bits_get(idr5, IDR5_OAS) >= 6)
		flags |= PT_ARM_LPA;
	if (w2 & STE2_S2ENDI)
		flags |= PT_ARM_BE;
	if (smmu_idr(s, 3) & IDR3_XNX)
		flags |= PT_ARM_XNX;
	if ((ste->word[1] & STE1_S2FWB) && (smmu_idr(s, 3) & IDR3_FWB))
		flags |= PT_ARM_FWB;
	if (w2 & STE2_S2PTW)
		flags |= PT_ARM_PTW;
	return flags;
}

static bool endian_is_legal(const struct smmu *s, bool big)
{
	uint64_t endian = bits_get(smmu_idr(s, 0), IDR0_TTENDIAN);

	return endian == 0 || big == (endian == 3);
}

bool smmu_ste_stage2(const struct smmu *s, const struct smmu_ste *ste, struct pt_config *config)
{
	uint64_t w2 = ste->word[2];
	unsigned page_lg2 = granule(s, bits_get(w2, STE2_S2TG));
	unsigned flags = stage2_flags(s, ste);
	unsigned bits = smmu_address_bits(bits_get(w2, STE2_S2PS));
	uint64_t t0sz = bits_get(w2, STE2_S2T0SZ);
	bool stt = smmu_idr(s, 3) & IDR3_STT;
	bool wide = page_lg2 == 16 || (flags & PT_ARM_DS);
	unsigned max = !stt ? 39 : page_lg2 == 16 ? 47 : 48;
	unsigned min = 64 - s->oas > (wide ? 12U : 16U) ? 64 - s->oas : (wide ? 12U : 16U);
	uint64_t start = bits_get(w2, STE2_S2SL0) | (ste->word[3] & STE3_S2SL0_2);
	uint64_t ttb = ste->word[3] & STE3_S2TTB;

	if (!page_lg2 || t0sz < min || t0sz > max || !endian_is_legal(s, w2 & STE2_S2ENDI))
		return false;
	/* level 3 is a start level only with STT, and level -1 with DS; SL0_2 is looked at only of 4 KiB with DS */
	if (page_lg2 != 12 || !(flags & PT_ARM_DS))
		start &= 3;
	if (start == 3 && page_lg2 == 12 && !stt)
		return false;
	if (start == 3 && page_lg2 == 14 && !(flags & PT_ARM_DS))
		return false;
	bits = bits < s->oas ? bits : s->oas;
	if (ttb & ~bits_low(pt_arm64_out_bits(page_lg2, bits, flags)))
		return false;
	return pt_arm64_stage2(config, ttb, page_lg2, 64 - (unsigned)t0sz, bits, (unsigned)start,
			       flags);
}
