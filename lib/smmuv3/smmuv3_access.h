/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_access.h - what tables permit as requests have it (STE.INSTCFG, PRIVCFG), and what a request needs of them. */
#ifndef SMMUV3_ACCESS_H
#define SMMUV3_ACCESS_H

#include "smmuv3_engine.h"

ALWAYS_INLINE unsigned smmu_reads_as(const struct context *c, unsigned perm)
{
	unsigned data = perm & VIOMMU_READ;
	unsigned fetch = perm & VIOMMU_EXEC;

	if (c->key.flags & SMMU_KEY_INSTR)
		data = fetch ? VIOMMU_READ : 0;
	if (c->key.flags & SMMU_KEY_DATA)
		fetch = data ? VIOMMU_EXEC : 0;
	return (perm & VIOMMU_WRITE) | data | fetch;
}

ALWAYS_INLINE uint8_t smmu_folded(const struct context *c, unsigned perm)
{
	unsigned user = smmu_reads_as(c, perm & 7);
	unsigned privileged = smmu_reads_as(c, perm >> 3 & 7);

	if (c->key.flags & SMMU_KEY_USER)
		privileged = user;
	if (c->key.flags & SMMU_KEY_PRIV)
		user = privileged;
	return (uint8_t)(user | privileged << 3 | (perm & PERM_DIRTY));
}

/* What a page has to permit: a fetch needs no read. */
ALWAYS_INLINE unsigned smmu_needed(unsigned access)
{
	unsigned need = access & (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC);

	return access & VIOMMU_PRIV ? need << 3 : need;
}

#endif
