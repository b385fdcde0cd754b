/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amdvi_window.c - addresses that are no memory (2.1.4): messages to local APICs, and, unless EFR2.HtRangeIgnore says
 * that there are none, those of HyperTransport.
 *
 *	FD_0000_0000 - FD_F8FF_FFFF	interrupts and end of interrupt
 *	FD_F900_0000 - FD_F90F_FFFF	reserved
 *	FD_F910_0000 - FD_F91F_FFFF	system management (SysMgt)
 *	FD_F920_0000 - FD_FBFF_FFFF	reserved
 *	FD_FC00_0000 - FD_FDFF_FFFF	port I/O (IoCtl)
 *	FD_FE00_0000 - FF_FFFF_FFFF	reserved
 */

#include "amdvi_engine.h"

#define HT_INTERRUPT_LAST UINT64_C(0xfdf8ffffff)
#define HT_SYSMGT_FIRST	  UINT64_C(0xfdf9100000)
#define HT_SYSMGT_LAST	  UINT64_C(0xfdf91fffff)
#define HT_PORT_FIRST	  UINT64_C(0xfdfc000000)
#define HT_PORT_LAST	  UINT64_C(0xfdfdffffff)

/* Local APICs: a write is a message; nothing can be read there. */
static int interrupt_range(struct amdvi *v, struct query *q)
{
	if (q->type == VIOMMU_AT_TRANSLATION)
		return amdvi_fault(v, q, AMDVI_R_INVALID_TR_RANGE, 0);
	if (q->type == VIOMMU_AT_UNTRANSLATED && (q->access & VIOMMU_WRITE))
		return VIOMMU_INTERRUPT;
	return amdvi_fault(v, q, AMDVI_R_INVALID_READ, 0);
}

/* Forwarded, and never cached: what is around it is other things. */
static int forward(struct query *q)
{
	q->cacheable = false;
	amdvi_identity(q, PERM_ALL | PERM_DIRTY);
	translation_shrink(&q->found, q->iova, 12);
	return VIOMMU_OK;
}

/* A machine without HyperTransport has nowhere to send its interrupts. 0: forwarded */
static unsigned ht_reason(const struct context *c, const struct query *q, bool *translate)
{
	uint64_t ioctl = bits_get(c->flags, AMDVI_CONTEXT_IOCTL);
	uint64_t sysmgt = bits_get(c->flags, AMDVI_CONTEXT_SYSMGT);
	bool reads = q->access & (VIOMMU_READ | VIOMMU_EXEC);

	*translate = false;
	if (q->iova <= HT_INTERRUPT_LAST)
		return reads ? AMDVI_R_INVALID_READ : AMDVI_R_INVALID_INTERRUPT;
	if (q->iova >= HT_SYSMGT_FIRST && q->iova <= HT_SYSMGT_LAST) {
		*translate = sysmgt == AMD_SYSMGT_TRANSLATE;
		if (sysmgt == AMD_CONTROL_ABORT)
			return AMDVI_R_INVALID_SYSMGT;
		return reads && !*translate ? AMDVI_R_INVALID_SYSMGT_READ : 0;
	}
	if (q->iova >= HT_PORT_FIRST && q->iova <= HT_PORT_LAST) {
		*translate = ioctl >= AMD_CONTROL_TRANSLATE;
		return ioctl == AMD_CONTROL_ABORT ? AMDVI_R_INVALID_PORT : 0;
	}
	return AMDVI_R_INVALID_RESERVED;
}

bool amdvi_special(struct amdvi *v, struct query *q, int *result)
{
	const struct context *c = &q->entry->context;
	unsigned reason;
	bool translate;

	if (amdvi_in_window(q->iova)) {
		*result = interrupt_range(v, q);
		return true;
	}
	if (!amdvi_in_ht(v, q->iova))
		return false;
	if (q->type == VIOMMU_AT_TRANSLATION) {
		*result = amdvi_fault(v, q, AMDVI_R_INVALID_TR_RANGE, 0);
		return true;
	}
	*result = unit_context(&v->unit, q);
	if (*result) {
		*result = amdvi_fault(v, q, q->reason, q->found.gpa);
		return true;
	}
	if (!(c->flags & AMDVI_CONTEXT_V)) { /* everything is forwarded */
		*result = forward(q);
		return true;
	}
	reason = ht_reason(c, q, &translate);
	if (!reason && translate)
		return false;
	*result = reason ? amdvi_fault(v, q, reason, 0) : forward(q);
	return true;
}
