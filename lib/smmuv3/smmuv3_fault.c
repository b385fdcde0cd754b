/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_fault.c - what becomes of a request that was refused: its record, whether it stalls, and how ATS is answered (3.12,
 * 7.3, 13.6). */

#include "smmuv3_engine.h"

static bool is_translation_fault(unsigned event)
{
	return event >= F_TRANSLATION && event <= F_PERMISSION;
}

/* ---- the record ---- */

/* 7.3: what kind of access it was, before or after the STE's overrides. A write is of data. */
static uint64_t access_bits(unsigned access)
{
	bool write = access & VIOMMU_WRITE;

	return (access & VIOMMU_PRIV ? EVENT1_PNU : 0) | (write ? 0 : EVENT1_RNW) |
	       (!write && (access & VIOMMU_EXEC) ? EVENT1_IND : 0);
}

static uint64_t request_bits(unsigned access)
{
	return EVENT1_R * ((access & VIOMMU_READ) != 0) |
	       EVENT1_W * ((access & VIOMMU_WRITE) != 0) |
	       EVENT1_X * ((access & VIOMMU_EXEC) != 0) |
	       EVENT1_PRIV * ((access & VIOMMU_PRIV) != 0);
}

/* Words 1 and 2, as far as the event has them. */
static void describe(const struct query *q, uint64_t word[4])
{
	unsigned access = smmu_effective(q->entry->context.flags, q->access);

	switch (q->reason) {
	case F_BAD_ATS_TREQ:
		word[1] = request_bits(q->access);
		word[2] = q->iova & ~bits_low(12);
		break;
	case F_TRANSL_FORBIDDEN:
		word[1] = q->access & VIOMMU_WRITE ? 0 : EVENT1_RNW;
		word[2] = q->iova;
		break;
	case F_WALK_EABT:
	case F_TRANSLATION:
	case F_ADDR_SIZE:
	case F_ACCESS:
	case F_PERMISSION:
		word[1] = access_bits(access) |
			  (q->found.iova & (EVENT1_S2 | EVENT1_CLASS | EVENT1_TTRNW));
		word[2] = q->iova;
		break;
	default: /* of the configuration: ids only */
		break;
	}
	word[3] = q->found.gpa;
}

/* 3.9.1.3: a translated request has no PASID, unless those are looked at. */
static void name(const struct smmu *s, const struct query *q, uint64_t word[4])
{
	bool known = q->type != VIOMMU_AT_TRANSLATED || (smmu_idr(s, 3) & IDR3_PASIDTT);
	bool pasid = known && q->pasid != VIOMMU_NO_PASID;

	word[0] = bits_put(EVENT0_TYPE, q->reason) | bits_put(EVENT0_SID, q->id);
	if (pasid)
		word[0] |= bits_put(EVENT0_SSID, q->pasid);
	if (pasid && q->reason != C_BAD_SUBSTREAMID)
		word[0] |= EVENT0_SSV;
}

/* ---- what is to be done ---- */

/* 3.12, 5.4 A, R and S, 5.2 S2R and S2S. */
struct policy {
	bool record;
	bool stall;
	bool zero; /* reads as zero, writes are ignored */
};

static struct policy policy_of(const struct query *q)
{
	uint64_t flags = q->entry->context.flags;
	uint64_t bits = q->found.iova;
	struct policy p = { .record = !(bits & SMMU_FAIL_SILENT) };

	if (!is_translation_fault(q->reason) || (bits & SMMU_FAIL_ABORT))
		return p;
	if (bits & EVENT1_S2) {
		p.stall = flags & SMMU_CONTEXT_S2S;
		p.record = flags & SMMU_CONTEXT_S2R;
	} else {
		p.stall = flags & SMMU_CONTEXT_S;
		p.record = flags & SMMU_CONTEXT_R;
		p.zero = !(flags & SMMU_CONTEXT_A);
	}
	/* who cannot wait is terminated, and software is told so */
	p.record |= p.stall;
	p.stall &= q->stalls;
	return p;
}

/* 13.6.3, 3.9.1.2: how a translation request is completed; whether that is no fault, but an answer without access. */
static bool completes(struct query *q)
{
	uint64_t bits = q->found.iova;
	bool by_stage2 = (bits & EVENT1_S2) && bits_get(bits, EVENT1_CLASS) != CLASS_IN;

	if (q->reason == 0 || q->reason == F_BAD_ATS_TREQ) {
		q->ats = VIOMMU_ATS_UNSUPPORTED;
		return false;
	}
	if (!is_translation_fault(q->reason)) {
		q->ats = VIOMMU_ATS_ABORT;
		return false;
	}
	(void)by_stage2;
	q->ats = VIOMMU_ATS_SUCCESS;
	return true;
}

/* What translation and translated requests come to is recorded only if REC_CFG_ATS asks for it, but the two events that are
 * about them. */
static bool ats_records(const struct smmu *s, const struct query *q)
{
	if (q->reason == F_BAD_ATS_TREQ || q->reason == F_TRANSL_FORBIDDEN)
		return true;
	if (q->type == VIOMMU_AT_TRANSLATED &&
	    (is_translation_fault(q->reason) || q->reason == F_WALK_EABT))
		return true;
	return SMMU_CONTROL_CR2(smmu_control(s)) & CR2_REC_CFG_ATS;
}

/* 13.6.4: of translated requests, C_BAD_STREAMID does not need RECINVSID. */
static bool records(const struct smmu *s, const struct query *q, bool wanted)
{
	if (q->reason == 0)
		return false;
	if (q->type == VIOMMU_AT_UNTRANSLATED)
		return wanted;
	if (q->type == VIOMMU_AT_TRANSLATED && q->reason == C_BAD_STREAMID)
		wanted = true;
	return wanted && ats_records(s, q);
}

int smmu_fault(struct smmu *s, struct query *q)
{
	struct policy p = policy_of(q);
	uint64_t word[4] = { 0 };
	bool merge = q->entry->context.flags & SMMU_CONTEXT_MEV;

	q->cacheable = false;
	if (q->type == VIOMMU_AT_TRANSLATION && completes(q)) {
		q->reason = 0;
		q->found = (struct translation){ .iova = q->iova & ~bits_low(12), .size_lg2 = 12 };
		return VIOMMU_OK;
	}
	if (q->quiet)
		return VIOMMU_FAULT;
	if (p.zero)
		q->flags |= VIOMMU_ANSWER_ZERO;
	name(s, q, word);
	describe(q, word);
	if (p.stall)
		return smmu_stall(s, q, word);
	if (records(s, q, p.record))
		smmu_record_event(s, word, false, merge);
	return VIOMMU_FAULT;
}
