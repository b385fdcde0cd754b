/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_miss.c - misses of channels through a first stage, as far as they are usual; riscv_translate.c does all of them. */

#include "miss.h"
#include "pt_riscv_format.h"
#include "riscv_engine.h"

ALWAYS_INLINE bool is_privileged(const struct miss *m)
{
	return m->channel->pasid != VIOMMU_NO_PASID && (m->access & VIOMMU_PRIV);
}

/* Entries of 8 bytes; whether a process lets privileged requests in need not be asked. */
ALWAYS_INLINE bool is_usual(const struct miss *m)
{
	const struct context *c = m->context;

	return c->key.kind == RISCV_FIRST && !(c->key.flags & RISCV_KEY_SXL) &&
	       c->key.stage1.entry_lg2 == 3 && riscv_is_canonical(c, m->iova) &&
	       (!is_privileged(m) ||
		(c->key.flags & (RISCV_KEY_PROCESS | RISCV_KEY_ENS)) != RISCV_KEY_PROCESS);
}

ALWAYS_INLINE const struct pt_config *tables(const struct miss *m)
{
	return &m->context->key.stage1;
}

/* A fetch needs no read. */
ALWAYS_INLINE unsigned needs(const struct miss *m)
{
	unsigned need = m->access & (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC);

	return is_privileged(m) ? need << 3 : need;
}

ALWAYS_INLINE unsigned folded(const struct context *c, unsigned perm)
{
	return riscv_fold(c, perm);
}

ALWAYS_INLINE bool is_whole(const struct miss *m)
{
	return !riscv_beyond((const struct riscv *)m->u, m->found.gpa);
}

int riscv_miss(struct viommu_channel *channel, const struct viommu_request *request,
	       struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	static const struct miss_way first = { .usual = is_usual,
					       .tables = tables,
					       .format = &riscv_format64,
					       .need = needs,
					       .fold = folded,
					       .whole = is_whole };

	return miss_at_once(&first, channel, request, fragments, max, answer);
}
