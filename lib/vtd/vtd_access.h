/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_access.h - a request as the tables see it, and what they permit as requests have it (3.6, 3.7). */
#ifndef VTD_ACCESS_H
#define VTD_ACCESS_H

#include "vtd_engine.h"

ALWAYS_INLINE bool vtd_is_privileged(const struct context *c, unsigned access)
{
	if (c->key.flags & VTD_KEY_SUPERVISOR)
		return true;
	return !(c->key.flags & VTD_KEY_USER) && (access & VIOMMU_PRIV);
}

/* The access as the tables see it: privilege decided, fetches as reads where they are not told
 * apart. */
ALWAYS_INLINE unsigned vtd_access(const struct context *c, unsigned asked)
{
	unsigned access = asked & ~VIOMMU_PRIV;

	if (!(c->key.flags & VTD_KEY_EXECUTE) && (access & VIOMMU_EXEC))
		access = (access & ~VIOMMU_EXEC) | VIOMMU_READ;
	return access | (vtd_is_privileged(c, asked) ? VIOMMU_PRIV : 0);
}

/* Flags that do more to a permission than to make one of the user's. */
#define FOLDS (VTD_KEY_SUPERVISOR | VTD_KEY_NO_SUPERVISOR | VTD_KEY_EXECUTE | VTD_KEY_NO_EXECUTE)

/* The same, sooner where there are no such flags. */
static inline uint8_t vtd_fold_soon(const struct context *c, unsigned perm)
{
	const unsigned read = VIOMMU_READ | VIOMMU_READ << 3;
	unsigned user = perm & (unsigned)PERM_USER;

	if (UNLIKELY(c->key.flags & FOLDS))
		return vtd_fold(c, perm);
	if (c->key.flags & VTD_KEY_USER)
		perm = (perm & ~(unsigned)PERM_SUPERVISOR) | user << 3;
	return (uint8_t)((perm & ~(read << 2)) | (perm & read) << 2);
}

/* Addresses of a first stage: bits above are as the highest one is. */
static inline bool vtd_is_canonical(const struct context *c, uint64_t iova)
{
	unsigned unused = 64 - c->key.stage1.in_bits;

	return (uint64_t)((int64_t)(iova << unused) >> unused) == iova;
}

/* 11.4.8: whether there are regions that are closed to DMA. */
static inline bool vtd_protects(const struct vtd *v)
{
	return (v->cap & (VTD_CAP_PLMR | VTD_CAP_PHMR)) &&
	       (regs_get(&v->regs, VTD_PMEN) & VTD_PMEN_EPM);
}

#endif
