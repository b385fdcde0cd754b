/* SPDX-License-Identifier: BSD-3-Clause */
/* permits.h - what a cached permission (PERM_*) answers: a row for each, looked up and not computed. */
#ifndef PERMITS_H
#define PERMITS_H

#include <libvirtiommu/iommu.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "tlb.h"

/* fragment.perm and .flags, which are stored together. */
struct grant {
	uint32_t perm;
	uint32_t flags;
};

struct permit {
	_Alignas(32) struct grant grant[2]; /* of users and supervisors */
	/* Bit n: requests with access n, of VIOMMU_READ, ..., VIOMMU_PRIV. A fetch is a read; writing needs
	 * PERM_DIRTY, too. None for no access: a hit is not the answer to that. */
	uint64_t accepts;
};

/* Kinds of access; a permission has 7 bits. */
#define ACCESS_KINDS 16U
#define PERMITS	     128U

extern const struct permit permits[PERMITS];

static inline const struct permit *permit_of(unsigned perm)
{
	assert(perm < PERMITS);
	return &permits[perm];
}

/* PERM_* that an access needs. */
static inline unsigned access_need(unsigned access)
{
	unsigned need = access & (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC);

	if (access & VIOMMU_EXEC) /* a fetch is a read */
		need |= VIOMMU_READ;
	if (access & VIOMMU_PRIV)
		need <<= 3;
	return need;
}

/* Whether a cached permission suffices for a request; VIOMMU_QUIET alone is none. */
static inline bool translate_permits(unsigned perm, unsigned access)
{
	return permit_of(perm)->accepts >> (access & (ACCESS_KINDS - 1)) & 1;
}

/* The permission a fragment shows, of PERM_*. */
static inline unsigned access_granted(unsigned perm, unsigned access)
{
	return (access & VIOMMU_PRIV ? perm >> 3 : perm) & (unsigned)PERM_USER;
}

/* VIOMMU_FRAGMENT_CLEAN, if it applies. */
static inline unsigned access_clean(unsigned perm, unsigned granted)
{
	return (granted & VIOMMU_WRITE) && !(perm & PERM_DIRTY) ? VIOMMU_FRAGMENT_CLEAN : 0;
}

#endif
