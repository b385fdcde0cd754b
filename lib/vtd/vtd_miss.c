/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_miss.c - misses of channels through one stage, as far as they are usual; vtd_translate.c does all of them. */

#include "miss.h"
#include "pt_vtd_ss_format.h"
#include "pt_x86_format.h"
#include "vtd_access.h"
#include "vtd_engine.h"

/* Nothing of the address is special. */
ALWAYS_INLINE bool is_usual(const struct miss *m, enum vtd_kind kind)
{
	const struct vtd *v = (const struct vtd *)m->u;

	return (atomic_load_explicit(&v->root, memory_order_acquire) & VTD_ROOT_TE) &&
	       m->context->key.kind == kind && !vtd_in_window(m->iova);
}

ALWAYS_INLINE bool second_is_usual(const struct miss *m)
{
	return is_usual(m, VTD_SECOND) && pt_fits(&m->context->key.stage2, m->iova);
}

/* Refusals that need no walk are early_reason()'s. */
ALWAYS_INLINE bool first_is_usual(const struct miss *m)
{
	const struct context *c = m->context;

	return is_usual(m, VTD_FIRST) && vtd_is_canonical(c, m->iova) &&
	       !((c->key.flags & VTD_KEY_NO_EXECUTE) && (m->access & VIOMMU_EXEC)) &&
	       !((c->key.flags & VTD_KEY_NO_SUPERVISOR) && vtd_is_privileged(c, m->access));
}

ALWAYS_INLINE const struct pt_config *second_tables(const struct miss *m)
{
	return &m->context->key.stage2;
}

ALWAYS_INLINE const struct pt_config *first_tables(const struct miss *m)
{
	return &m->context->key.stage1;
}

ALWAYS_INLINE unsigned needs(const struct miss *m)
{
	return access_need(vtd_access(m->context, m->access));
}

ALWAYS_INLINE unsigned folded(const struct context *c, unsigned perm)
{
	return vtd_fold_soon(c, perm);
}

ALWAYS_INLINE bool is_off_window(uint64_t base, unsigned lg2)
{
	return base > VTD_WINDOW_LAST || (base | bits_low(lg2)) < VTD_WINDOW_FIRST;
}

ALWAYS_INLINE bool is_whole(const struct miss *m)
{
	const struct translation *found = &m->found;
	const struct vtd *v = (const struct vtd *)m->u;

	return LIKELY(is_off_window(found->gpa, found->size_lg2)) &&
	       (!(m->context->key.flags & VTD_KEY_RID) ||
		LIKELY(is_off_window(found->iova, found->size_lg2))) &&
	       (LIKELY(!vtd_checks_all(v)) || !vtd_protects(v));
}

static __attribute__((noinline)) int first_miss(struct viommu_channel *channel,
						const struct viommu_request *request,
						struct viommu_fragment *fragments, uint32_t max,
						struct viommu_answer *answer)
{
	static const struct miss_way first = { .usual = first_is_usual,
					       .tables = first_tables,
					       .need = needs,
					       .format = &fs_format,
					       .fold = folded,
					       .whole = is_whole };

	return miss_at_once(&first, channel, request, fragments, max, answer);
}

int vtd_miss(struct viommu_channel *channel, const struct viommu_request *request,
	     struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	static const struct miss_way second = { .usual = second_is_usual,
						.tables = second_tables,
						.need = needs,
						.format = &ss_format,
						.fold = folded,
						.whole = is_whole };

	if (channel->entry.context.key.kind == VTD_FIRST)
		return first_miss(channel, request, fragments, max, answer);
	return miss_at_once(&second, channel, request, fragments, max, answer);
}
