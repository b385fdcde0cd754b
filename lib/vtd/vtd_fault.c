/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_fault.c - faults: what is recorded, where, and which message tells software (7.1 to 7.3). */

#include "vtd_engine.h"

/* How a translation request with this fault is completed (4.2.4); others are refused as Unsupported
 * Request. */
enum ats_completion { UNSUPPORTED, NO_ACCESS, ABORT };

/*
 * 7.1.3: every reason that is not listed here is qualified: FPD on the path keeps it from being
 * recorded. Completion of translation requests: faults of the structures are unsupported, of page
 * tables aborted, and a page that is absent or does not permit is no fault but an answer without
 * access.
 */
static bool is_qualified(unsigned reason)
{
	switch (reason) {
	case VTD_FR_ROOT_ABSENT:
	case VTD_FR_ROOT_FETCH:
	case VTD_FR_CONTEXT_FETCH:
	case VTD_FR_ROOT_RSVD:
	case VTD_FR_IR_REQUEST_RSVD:
	case VTD_FR_IR_INDEX:
	case VTD_FR_IR_FETCH:
	case VTD_FR_IR_COMPATIBILITY:
	case VTD_FR_TTM:
	case VTD_FR_TTM_PASID:
	case VTD_FR_TTM_PAGE_REQUEST:
	case VTD_FR_SROOT_FETCH:
	case VTD_FR_SROOT_ABSENT:
	case VTD_FR_SROOT_RSVD:
	case VTD_FR_SCONTEXT_FETCH:
	case VTD_FR_PDE_FETCH:
	case VTD_FR_PE_FETCH:
		return false;
	default:
		return true;
	}
}

static enum ats_completion completion_of(unsigned reason)
{
	switch (reason) {
	case VTD_FR_WIDTH:
	case VTD_FR_WRITE:
	case VTD_FR_READ:
	case VTD_FR_FS_ABSENT:
	case VTD_FR_SSS_ABSENT:
	case VTD_FR_CANONICAL:
	case VTD_FR_USER:
	case VTD_FR_EXECUTE:
	case VTD_FR_HOST_WIDTH:
	case VTD_FR_SS_WIDTH:
	case VTD_FR_SM_WRITE:
	case VTD_FR_SM_READ:
		return NO_ACCESS;
	case VTD_FR_SS_FETCH:
	case VTD_FR_SS_RSVD:
	case VTD_FR_FS_FETCH:
	case VTD_FR_FS_RSVD:
	case VTD_FR_FS_ROOT_FETCH:
	case VTD_FR_NEST_WIDTH:
	case VTD_FR_NEST_ROOT_READ:
	case VTD_FR_NEST_READ:
	case VTD_FR_NEST_WRITE:
	case VTD_FR_SSS_FETCH:
	case VTD_FR_SSS_RSVD:
	case VTD_FR_SSS_ROOT_FETCH:
	case VTD_FR_SSS_NO_SNOOP:
	case VTD_FR_SSS_UPDATE:
	case VTD_FR_FS_NO_SNOOP:
	case VTD_FR_FS_UPDATE:
		return ABORT;
	default:
		return UNSUPPORTED;
	}
}

/* ---- event messages ---- */

/* The registers of an event follow its control register: data, address, upper address. */
struct vtd_message vtd_event_raise(struct vtd *v, uint32_t control)
{
	if (regs_get(&v->regs, control) & VTD_EVENT_IM) {
		regs_set_bits(&v->regs, control, VTD_EVENT_IP);
		return (struct vtd_message){ .due = false };
	}
	regs_clear_bits(&v->regs, control, VTD_EVENT_IP);
	return (struct vtd_message){ .due = true,
				     .address = regs_get(&v->regs, control + 8) |
						regs_get(&v->regs, control + 12) << 32,
				     .data = (uint32_t)regs_get(&v->regs, control + 4) };
}

void vtd_send(struct vtd *v, const struct vtd_message *message)
{
	if (message->due)
		unit_msi(&v->unit, message->address, message->data);
}

void vtd_event_unmasked(struct vtd *v, uint32_t control)
{
	struct vtd_message message = { .due = false };
	pthread_mutex_t *lock = control == VTD_PECTL ? &v->page_lock : &v->fault_lock;

	pthread_mutex_lock(lock);
	if ((regs_get(&v->regs, control) & (VTD_EVENT_IP | VTD_EVENT_IM)) == VTD_EVENT_IP)
		message = vtd_event_raise(v, control);
	pthread_mutex_unlock(lock);
	vtd_send(v, &message);
}

/* ---- fault status and records; all with fault_lock held ---- */

#define FSTS_PENDING (VTD_FSTS_PFO | VTD_FSTS_PPF | VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE)

/* Sets bits of FSTS; the event is raised only if none of its causes was pending before (7.3). */
static struct vtd_message set_status(struct vtd *v, uint64_t bits)
{
	uint64_t before = regs_get(&v->regs, VTD_FSTS);

	regs_set_bits(&v->regs, VTD_FSTS, bits);
	if (before & FSTS_PENDING)
		return (struct vtd_message){ .due = false };
	return vtd_event_raise(v, VTD_FECTL);
}

static uint32_t record_at(const struct vtd *v, uint32_t index)
{
	return v->frcd + 16 * index;
}

static bool record_used(const struct vtd *v, uint32_t index)
{
	return regs_get(&v->regs, record_at(v, index) + 8) & VTD_FRCD_F;
}

/* 7.2.1: a requester whose fault is pending already need not be recorded again. */
static bool collapses(const struct vtd *v, uint64_t high)
{
	for (uint32_t i = 0; i < v->frcds; i++) {
		uint64_t other = regs_get(&v->regs, record_at(v, i) + 8);

		if ((other & VTD_FRCD_F) &&
		    bits_get(other, VTD_FRCD_SID) == bits_get(high, VTD_FRCD_SID))
			return true;
	}
	return false;
}

static struct vtd_message record_locked(struct vtd *v, uint64_t low, uint64_t high)
{
	uint32_t index = v->fault_next;

	if ((regs_get(&v->regs, VTD_FSTS) & VTD_FSTS_PFO) || collapses(v, high))
		return (struct vtd_message){ .due = false };
	if (record_used(v, index))
		return set_status(v, VTD_FSTS_PFO);
	regs_put(&v->regs, record_at(v, index), low);
	regs_put(&v->regs, record_at(v, index) + 8, high | VTD_FRCD_F);
	v->fault_next = (index + 1) % v->frcds;
	if (regs_get(&v->regs, VTD_FSTS) & VTD_FSTS_PPF)
		return (struct vtd_message){ .due = false };
	regs_clear_bits(&v->regs, VTD_FSTS, VTD_FSTS_FRI);
	return set_status(v, VTD_FSTS_PPF | bits_put(VTD_FSTS_FRI, index));
}

static void record(struct vtd *v, uint64_t low, uint64_t high)
{
	struct vtd_message message;

	pthread_mutex_lock(&v->fault_lock);
	message = record_locked(v, low, high);
	pthread_mutex_unlock(&v->fault_lock);
	vtd_send(v, &message);
}

/* 11.4.7: the record of a request, apart from its type. */
static uint64_t record_high(const struct query *q, unsigned reason)
{
	uint64_t high = bits_put(VTD_FRCD_SID, q->id) | bits_put(VTD_FRCD_FR, reason) |
			bits_put(VTD_FRCD_AT, q->type);

	if (q->pasid != VIOMMU_NO_PASID) {
		high |= VTD_FRCD_PP | bits_put(VTD_FRCD_PV, q->pasid);
		if (q->access & VIOMMU_PRIV)
			high |= VTD_FRCD_PRIV;
		if (q->access & VIOMMU_EXEC)
			high |= VTD_FRCD_EXE;
	}
	return high;
}

int vtd_fault(struct vtd *v, struct query *q, unsigned reason)
{
	const unsigned both = VIOMMU_READ | VIOMMU_WRITE;
	uint64_t type = (q->access & both) == both ? VTD_FRCD_T1 | VTD_FRCD_T2
			: q->access & VIOMMU_WRITE ? 0
						   : VTD_FRCD_T1;

	q->reason = (uint16_t)reason;
	q->cacheable = false;
	if (q->type == VIOMMU_AT_TRANSLATION) {
		enum ats_completion completion = reason ? completion_of(reason) : UNSUPPORTED;

		type = VTD_FRCD_T1;
		q->ats = completion == ABORT ? VIOMMU_ATS_ABORT : VIOMMU_ATS_UNSUPPORTED;
		if (completion == NO_ACCESS) {
			q->ats = VIOMMU_ATS_SUCCESS;
			q->found = (struct translation){ .iova = q->iova & ~bits_low(12),
							 .size_lg2 = 12 };
			return VIOMMU_OK;
		}
	}
	if (reason && !q->quiet && !(q->fpd && is_qualified(reason)))
		record(v, q->iova & VTD_FRCD_FI, record_high(q, reason) | type);
	return VIOMMU_FAULT;
}

void vtd_fault_page_request(struct vtd *v, const struct query *q, unsigned reason)
{
	if (reason && !(q->fpd && is_qualified(reason)))
		record(v, q->iova & VTD_FRCD_FI, record_high(q, reason) | VTD_FRCD_T2);
}

void vtd_fault_interrupt(struct vtd *v, uint32_t sid, uint32_t index, unsigned reason, bool fpd)
{
	if (fpd && is_qualified(reason))
		return;
	record(v, bits_put(VTD_FRCD_FI_INDEX, index),
	       bits_put(VTD_FRCD_SID, sid) | bits_put(VTD_FRCD_FR, reason));
}

void vtd_fault_queue(struct vtd *v, uint64_t fsts)
{
	struct vtd_message message;

	pthread_mutex_lock(&v->fault_lock);
	message = set_status(v, fsts);
	pthread_mutex_unlock(&v->fault_lock);
	vtd_send(v, &message);
}

void vtd_fault_cleared(struct vtd *v)
{
	bool pending = false;

	for (uint32_t i = 0; i < v->frcds && !pending; i++)
		pending = record_used(v, i);
	if (!pending)
		regs_clear_bits(&v->regs, VTD_FSTS, VTD_FSTS_PPF);
	if (!(regs_get(&v->regs, VTD_FSTS) & FSTS_PENDING))
		regs_clear_bits(&v->regs, VTD_FECTL, VTD_EVENT_IP);
}
