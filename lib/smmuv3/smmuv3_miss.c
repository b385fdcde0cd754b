/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_miss.c - misses of channels through tables of 4 KiB, as far as they are usual; smmuv3_translate.c does all of
 * them. */

#include "miss.h"
#include "pt_arm64_format.h"
#include "smmuv3_access.h"
#include "smmuv3_engine.h"

ALWAYS_INLINE bool is_usual(const struct miss *m, enum smmu_kind kind)
{
	const struct smmu *s = (const struct smmu *)m->u;

	return (smmu_control(s) & CR0_SMMUEN) && m->context->key.kind == kind;
}

/* Addresses as they are cached, of a half that has tables for everybody, and of which the answer is their output. */
ALWAYS_INLINE bool first_is_usual(const struct miss *m, enum smmu_kind kind)
{
	const struct domain_key *key = &m->context->key;
	const struct pt_config *tables = domain_tables(key, m->iova);

	return is_usual(m, kind) && domain_canonical(key, m->iova) == m->iova &&
	       domain_fits(key, m->iova) && tables->page_lg2 == 12 &&
	       !(tables->flags & PT_ARM_E0PD) && !(key->flags & SMMU_KEY_SPLIT);
}

ALWAYS_INLINE bool stage1_is_usual(const struct miss *m)
{
	return first_is_usual(m, SMMU_S1);
}

ALWAYS_INLINE bool nested_is_usual(const struct miss *m)
{
	return first_is_usual(m, SMMU_NESTED);
}

ALWAYS_INLINE bool stage2_is_usual(const struct miss *m)
{
	const struct pt_config *tables = &m->context->key.stage2;

	return is_usual(m, SMMU_S2) && tables->page_lg2 == 12 && pt_fits(tables, m->iova) &&
	       !smmu_above_oas((const struct smmu *)m->u, m->iova);
}

ALWAYS_INLINE const struct pt_config *stage1_tables(const struct miss *m)
{
	return domain_tables(&m->context->key, m->iova);
}

ALWAYS_INLINE const struct pt_config *stage2_tables(const struct miss *m)
{
	return &m->context->key.stage2;
}

ALWAYS_INLINE unsigned needs(const struct miss *m)
{
	return smmu_needed(smmu_effective(m->context->flags, m->access));
}

ALWAYS_INLINE unsigned folded(const struct context *c, unsigned perm)
{
	return smmu_folded(c, perm);
}

ALWAYS_INLINE bool is_whole(const struct miss *m)
{
	(void)m;
	return true;
}

/* ---- stage 1 on stage 2 ---- */

ALWAYS_INLINE bool reach_below(const struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	struct translation *table = &w->lower->table;

	if ((s->entry ^ table->iova) >> table->size_lg2 &&
	    !pt_arm64_s2_hurry(w->nested, &w->lower->near, s->entry, VIOMMU_READ, true, table))
		return false;
	s->at = table->gpa + (s->entry - table->iova);
	return pt_load_near(s, s->at, raw);
}

/* A page of stage 1 that is not one in stage 2 is cached in pieces, which have to be announced. */
ALWAYS_INLINE bool result_below(struct pt_walk *w)
{
	struct translation *found = &w->found;
	uint64_t ipa = found->gpa | (w->iova & bits_low(found->size_lg2));
	struct translation below;

	if (!pt_arm64_s2_hurry(w->nested, &w->lower->near, ipa, w->need, false, &below) ||
	    below.size_lg2 < found->size_lg2)
		return false;
	found->gpa = (below.gpa | (ipa & bits_low(below.size_lg2))) & ~bits_low(found->size_lg2);
	found->perm &= below.perm;
	return true;
}

static __attribute__((noinline)) int nested_miss(struct viommu_channel *channel,
						 const struct viommu_request *request,
						 struct viommu_fragment *fragments, uint32_t max,
						 struct viommu_answer *answer)
{
	static const struct miss_way nested = { .usual = nested_is_usual,
						.tables = stage1_tables,
						.format = &arm_s1_format_4k,
						.reach = reach_below,
						.below = result_below,
						.need = needs,
						.fold = folded,
						.whole = is_whole };

	return miss_at_once(&nested, channel, request, fragments, max, answer);
}

static __attribute__((noinline)) int stage1_miss(struct viommu_channel *channel,
						 const struct viommu_request *request,
						 struct viommu_fragment *fragments, uint32_t max,
						 struct viommu_answer *answer)
{
	static const struct miss_way stage1 = { .usual = stage1_is_usual,
						.tables = stage1_tables,
						.format = &arm_s1_format_4k,
						.need = needs,
						.fold = folded,
						.whole = is_whole };

	return miss_at_once(&stage1, channel, request, fragments, max, answer);
}

static __attribute__((noinline)) int stage2_miss(struct viommu_channel *channel,
						 const struct viommu_request *request,
						 struct viommu_fragment *fragments, uint32_t max,
						 struct viommu_answer *answer)
{
	static const struct miss_way stage2 = { .usual = stage2_is_usual,
						.tables = stage2_tables,
						.without = PT_ARM_PTW,
						.format = &arm_s2_format_4k,
						.need = needs,
						.fold = folded,
						.whole = is_whole };

	return miss_at_once(&stage2, channel, request, fragments, max, answer);
}

int smmu_miss(struct viommu_channel *channel, const struct viommu_request *request,
	      struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	switch (channel->entry.context.key.kind) {
	case SMMU_S1:
		return stage1_miss(channel, request, fragments, max, answer);
	case SMMU_NESTED:
		return nested_miss(channel, request, fragments, max, answer);
	default:
		return stage2_miss(channel, request, fragments, max, answer);
	}
}
