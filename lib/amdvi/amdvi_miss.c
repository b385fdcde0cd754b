/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_miss.c - misses of channels through host tables, as far as they are usual; amdvi_translate.c does all of them. */

#include "amdvi_engine.h"
#include "miss.h"
#include "pt_amd_v1_format.h"

/* Nothing of the address is special. */
ALWAYS_INLINE bool is_usual(const struct miss *m)
{
	const struct amdvi *v = (const struct amdvi *)m->u;
	const struct context *c = m->context;

	return (amdvi_control(v) & AMD_CTRL_IOMMU_EN) && c->key.kind == AMDVI_V1 &&
	       !(c->key.flags & AMDVI_KEY_EXCLUDED) && !amdvi_in_window(m->iova) &&
	       !amdvi_in_ht(v, m->iova) && pt_fits(&c->key.stage2, m->iova);
}

ALWAYS_INLINE const struct pt_config *tables(const struct miss *m)
{
	return &m->context->key.stage2;
}

ALWAYS_INLINE unsigned needs(const struct miss *m)
{
	return access_need(amdvi_access(m->context, m->access));
}

ALWAYS_INLINE unsigned denied(const struct context *c)
{
	return amdvi_denied(c);
}

ALWAYS_INLINE unsigned folded(const struct context *c, unsigned perm)
{
	return amdvi_fold(c, perm);
}

ALWAYS_INLINE bool is_off(const struct translation *found, uint64_t first, uint64_t last)
{
	return found->iova > last || (found->iova | bits_low(found->size_lg2)) < first;
}

ALWAYS_INLINE bool is_whole(const struct miss *m)
{
	return LIKELY(is_off(&m->found, AMD_WINDOW_FIRST, AMD_WINDOW_LAST)) &&
	       (LIKELY(is_off(&m->found, AMD_HT_FIRST, AMD_HT_LAST)) ||
		!amdvi_has_ht((const struct amdvi *)m->u));
}

int amdvi_miss(struct viommu_channel *channel, const struct viommu_request *request,
	       struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	static const struct miss_way host = { .usual = is_usual,
					      .tables = tables,
					      .format = &v1_format,
					      .need = needs,
					      .deny = denied,
					      .fold = folded,
					      .whole = is_whole };

	return miss_at_once(&host, channel, request, fragments, max, answer);
}
