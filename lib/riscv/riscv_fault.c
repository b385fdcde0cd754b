/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_fault.c - faults: what is recorded, and what a request is answered (2.3.5, 3.2). */

#include "riscv_engine.h"

/* 3.2, table of causes: DTF does not keep these from being recorded. */
static bool is_always_recorded(unsigned cause)
{
	switch (cause) {
	case RISCV_FAULT_OFF:
	case RISCV_FAULT_DDT_ACCESS:
	case RISCV_FAULT_DDT_INVALID:
	case RISCV_FAULT_DDT_CONFIG:
	case RISCV_FAULT_DDT_POISON:
	case RISCV_FAULT_INTERNAL:
	case RISCV_FAULT_OWN_MSI:
		return true;
	default:
		return false;
	}
}

/* 2.3.5: how a translation request with a fault is completed. */
static unsigned completion_of(unsigned cause)
{
	switch (cause) {
	case RISCV_FAULT_PAGE_EXEC:
	case RISCV_FAULT_PAGE_READ:
	case RISCV_FAULT_PAGE_WRITE:
	case RISCV_FAULT_GUEST_EXEC:
	case RISCV_FAULT_GUEST_READ:
	case RISCV_FAULT_GUEST_WRITE:
	case RISCV_FAULT_MSI_INVALID:
	case RISCV_FAULT_PDT_INVALID:
		return VIOMMU_ATS_SUCCESS;
	case RISCV_FAULT_OFF:
	case RISCV_FAULT_DDT_ACCESS:
	case RISCV_FAULT_DDT_INVALID:
	case RISCV_FAULT_DDT_CONFIG:
	case RISCV_FAULT_TYPE:
		return VIOMMU_ATS_UNSUPPORTED;
	default:
		return VIOMMU_ATS_ABORT;
	}
}

/* ---- records ---- */

static uint64_t type_of(const struct query *q)
{
	uint64_t type = q->access & VIOMMU_WRITE  ? RISCV_TTYP_WRITE
			: q->access & VIOMMU_EXEC ? RISCV_TTYP_EXEC
						  : RISCV_TTYP_READ;

	if (q->type == VIOMMU_AT_TRANSLATION)
		return RISCV_TTYP_ATS;
	return q->type == VIOMMU_AT_TRANSLATED ? type + RISCV_TTYP_TRANSLATED : type;
}

static uint64_t first_word(const struct query *q, unsigned cause, uint64_t type)
{
	uint64_t word = bits_put(RISCV_FR_CAUSE, cause) | bits_put(RISCV_FR_TTYP, type) |
			bits_put(RISCV_FR_DID, q->id);

	if (q->pasid != VIOMMU_NO_PASID)
		word |= RISCV_FR_PV | bits_put(RISCV_FR_PID, q->pasid) |
			(riscv_privileged(q) ? RISCV_FR_PRIV : 0);
	return word;
}

int riscv_fault(struct riscv *v, struct query *q, unsigned cause, uint64_t iotval2)
{
	const uint64_t word[4] = { first_word(q, cause, type_of(q)), 0, q->iova, iotval2 };

	q->reason = (uint16_t)cause;
	q->cacheable = false;
	if (q->type == VIOMMU_AT_TRANSLATION) {
		q->ats = (uint16_t)completion_of(cause);
		if (q->ats == VIOMMU_ATS_SUCCESS) {
			q->found = (struct translation){ .iova = q->iova & ~bits_low(12),
							 .size_lg2 = 12 };
			return VIOMMU_OK;
		}
	}
	if (!q->quiet && (!q->fpd || is_always_recorded(cause)))
		riscv_record(v, word);
	return VIOMMU_FAULT;
}

void riscv_fault_message(struct riscv *v, const struct query *q, unsigned cause)
{
	const uint64_t word[4] = { first_word(q, cause, RISCV_TTYP_MESSAGE), 0,
				   RISCV_MESSAGE_PAGE_REQUEST, 0 };

	if (!q->fpd || is_always_recorded(cause))
		riscv_record(v, word);
}
