/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_context.c - from StreamID and SubstreamID to context: what each kind of request has (3.4, 3.9, 5.2). Caching is
 * cache/context_cache.c. */

#include "smmuv3_engine.h"

/* 5.2 PRIVCFG, INSTCFG: with ATTR_PERMS_OVR. */
static void set_overrides(const struct smmu *s, const struct smmu_ste *ste, struct context *c)
{
	uint64_t privilege = bits_get(ste->word[1], STE1_PRIVCFG);
	uint64_t kind = bits_get(ste->word[1], STE1_INSTCFG);

	if (!(smmu_idr(s, 1) & IDR1_PERMS_OVR))
		return;
	c->flags |= privilege == CFG_USER   ? SMMU_CONTEXT_USER
		    : privilege == CFG_PRIV ? SMMU_CONTEXT_PRIV
					    : 0;
	c->flags |= kind == CFG_DATA	? SMMU_CONTEXT_DATA
		    : kind == CFG_INSTR ? SMMU_CONTEXT_INSTR
					: 0;
	c->key.flags |= (uint32_t)((c->flags & SMMU_CONTEXT_USER ? SMMU_KEY_USER : 0) |
				   (c->flags & SMMU_CONTEXT_PRIV ? SMMU_KEY_PRIV : 0) |
				   (c->flags & SMMU_CONTEXT_DATA ? SMMU_KEY_DATA : 0) |
				   (c->flags & SMMU_CONTEXT_INSTR ? SMMU_KEY_INSTR : 0));
}

static bool is_el2(const struct smmu *s, const struct smmu_ste *ste)
{
	return smmu_ste_config(ste) == STE_CONFIG_S1 && (smmu_idr(s, 0) & IDR0_HYP) &&
	       bits_get(ste->word[1], STE1_STRW) == STRW_EL2;
}

/* What the STE says by itself. 3.17: VMIDs are tags wherever there is a stage 2 to be had. */
static void take_ste(const struct smmu *s, const struct smmu_ste *ste, struct context *c)
{
	uint32_t group =
		smmu_idr(s, 0) & IDR0_S2P ? (uint32_t)bits_get(ste->word[2], STE2_S2VMID) : 0;

	if (is_el2(s, ste))
		group = SMMU_GROUP_EL2;
	c->key.group = group;
	c->key.id = domain_id(group, VIOMMU_NO_PASID);
	set_overrides(s, ste, c);
	if (ste->word[1] & STE1_MEV)
		c->flags |= SMMU_CONTEXT_MEV;
	if (!smmu_ste_s2(ste))
		return;
	c->flags |= (ste->word[2] & STE2_S2R ? SMMU_CONTEXT_S2R : 0) |
		    (ste->word[2] & STE2_S2S ? SMMU_CONTEXT_S2S : 0);
	smmu_ste_stage2(s, ste, &c->key.stage2); /* has been found legal */
}

int smmu_parse_ste(struct smmu *s, struct query *q, const struct smmu_ste *ste, struct context *c)
{
	take_ste(s, ste, c);
	if (smmu_ste_s1(ste))
		return smmu_cd_parse(s, q, ste, c);
	if (q->pasid != VIOMMU_NO_PASID)
		return smmu_fail(q, C_BAD_SUBSTREAMID, SMMU_FAIL_TREQ, 0);
	c->key.kind = smmu_ste_s2(ste) ? SMMU_S2 : SMMU_PASS;
	return VIOMMU_OK;
}

/* 5.2 EATS: 2 is 0 unless translated requests are checked, and so are values that need what is not there. */
static uint64_t ats_of(const struct smmu *s, const struct smmu_ste *ste)
{
	uint64_t eats = bits_get(ste->word[1], STE1_EATS);

	if (smmu_ste_config(ste) == STE_CONFIG_BYPASS || eats == 3)
		return 0; /* 3 is of DPT */
	return eats == EATS_S1CHK && !(smmu_control(s) & CR0_ATSCHK) ? 0 : eats;
}

/* 13.6.3: a translation request. */
static int parse_translation(struct smmu *s, struct query *q, const struct smmu_ste *ste,
			     struct context *c)
{
	uint64_t ats = ats_of(s, ste);

	if (!ats)
		return smmu_fail(q, F_BAD_ATS_TREQ, 0, 0);
	if (ats == EATS_S1CHK)
		c->key.flags |= (uint32_t)SMMU_KEY_SPLIT;
	return smmu_parse_ste(s, q, ste, c);
}

/* 13.7: what does not say who asks and what for is data, unprivileged, unless the STE says otherwise. */
static void assume_data(struct context *c)
{
	if (!(c->flags & (SMMU_CONTEXT_USER | SMMU_CONTEXT_PRIV))) {
		c->flags |= SMMU_CONTEXT_USER;
		c->key.flags |= (uint32_t)SMMU_KEY_USER;
	}
	if (!(c->flags & (SMMU_CONTEXT_DATA | SMMU_CONTEXT_INSTR))) {
		c->flags |= SMMU_CONTEXT_DATA;
		c->key.flags |= (uint32_t)SMMU_KEY_DATA;
	}
}

/* 13.6.4: a translated request, which is checked. */
static int parse_translated(struct smmu *s, struct query *q, const struct smmu_ste *ste,
			    struct context *c)
{
	uint64_t ats = ats_of(s, ste);

	if (!ats)
		return smmu_fail(q, F_TRANSL_FORBIDDEN, 0, 0);
	if (ats == EATS_S1CHK) {
		take_ste(s, ste, c);
		c->key.kind = SMMU_S2;
		if (!(smmu_idr(s, 3) & IDR3_PASIDTT))
			assume_data(c);
		return VIOMMU_OK;
	}
	c->key.kind = SMMU_PASS;
	c->flags |= SMMU_CONTEXT_PASS;
	return VIOMMU_OK;
}

/* The SMMU is off: what passes is asked of GBPA, by whoever translates. */
int smmu_parse_off(struct smmu *s, struct query *q, struct context *c)
{
	if (q->type == VIOMMU_AT_TRANSLATION)
		return smmu_fail(q, F_BAD_ATS_TREQ, 0, 0);
	if (q->type == VIOMMU_AT_TRANSLATED)
		return smmu_fail(q, F_TRANSL_FORBIDDEN, 0, 0);
	if (atomic_load_explicit(&s->gbpa, memory_order_acquire) & GBPA_ABORT)
		return smmu_fail(q, 0, SMMU_FAIL_SILENT, 0);
	c->key.kind = SMMU_PASS;
	return VIOMMU_OK;
}

int smmu_parse(struct viommu *u, struct query *q, struct context *c)
{
	struct smmu *s = smmu_of(u);
	uint64_t control = smmu_control(s);
	struct smmu_ste ste;
	int result;

	*c = (struct context){ .flags = 0 };
	c->key.id = domain_id(0, VIOMMU_NO_PASID);
	q->entry_pasid = VIOMMU_ANY_PASID;
	q->fpd = false;
	if (!(control & CR0_SMMUEN))
		return smmu_parse_off(s, q, c);
	if (q->type == VIOMMU_AT_TRANSLATED && !(control & CR0_ATSCHK)) {
		c->key.kind = SMMU_PASS;
		c->flags |= SMMU_CONTEXT_PASS;
		return VIOMMU_OK;
	}
	result = smmu_ste_fetch(s, q, &ste);
	if (result)
		return result;
	if (!smmu_ste_is_legal(s, &ste))
		return smmu_fail(q, C_BAD_STE, SMMU_FAIL_TREQ, 0);
	if (smmu_ste_config(&ste) < STE_CONFIG_BYPASS)
		return smmu_fail(q, 0, SMMU_FAIL_SILENT, 0);
	switch (q->type) {
	case VIOMMU_AT_TRANSLATION:
		return parse_translation(s, q, &ste, c);
	case VIOMMU_AT_TRANSLATED:
		return parse_translated(s, q, &ste, c);
	default:
		return smmu_parse_ste(s, q, &ste, c);
	}
}
