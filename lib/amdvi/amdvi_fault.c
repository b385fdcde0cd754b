/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_fault.c - refusals: what the event log says of them (2.5), and what becomes of a translation request. */

#include "amdvi_engine.h"

/* ---- hardware errors are shown in registers, too (3.4.6) ---- */

static void show_hardware_error(struct amdvi *v, const uint64_t word[2])
{
	if (!(v->efr & AMD_EFR_HE))
		return;
	pthread_mutex_lock(&v->log_lock);
	if (regs_get(&v->regs, AMD_HE_STATUS) & AMD_HE_VALID) {
		regs_set_bits(&v->regs, AMD_HE_STATUS, AMD_HE_OVERFLOW);
	} else {
		regs_put(&v->regs, AMD_HE_UPPER, word[0]);
		regs_put(&v->regs, AMD_HE_LOWER, word[1]);
		regs_set_bits(&v->regs, AMD_HE_STATUS, AMD_HE_VALID);
	}
	pthread_mutex_unlock(&v->log_lock);
}

static bool is_hardware_error(uint64_t word)
{
	switch (bits_get(word, AMD_EVT_CODE)) {
	case AMD_DEV_TAB_HARDWARE_ERROR:
	case AMD_PAGE_TAB_HARDWARE_ERROR:
	case AMD_COMMAND_HARDWARE_ERROR:
		return true;
	default:
		return false;
	}
}

static void record(struct amdvi *v, const uint64_t word[2])
{
	if (is_hardware_error(word[0]))
		show_hardware_error(v, word);
	amdvi_log_put(v, AMDVI_LOG_EVENT, word);
}

/* ---- events of requests ---- */

/* SA: no page faults of this requester; SE: one until its entry is read again. */
static bool is_suppressed(const struct query *q, const struct context *c)
{
	struct amdvi_device *device = amdvi_device_of(q->device);
	uint64_t generation = device_generation(q->device) + 1;

	if (c->flags & AMDVI_CONTEXT_SA)
		return true;
	return (c->flags & AMDVI_CONTEXT_SE) &&
	       atomic_exchange(&device->suppressed, generation) == generation;
}

/* The address that an event has. */
static uint64_t address_of(const struct amdvi_reason_row *row, const struct query *q, uint64_t at)
{
	switch (row->event) {
	case AMD_DEV_TAB_HARDWARE_ERROR:
	case AMD_PAGE_TAB_HARDWARE_ERROR:
		return at & ~UINT64_C(15);
	case AMD_ILLEGAL_DEV_TABLE_ENTRY:
		return q->iova & ~UINT64_C(3);
	default:
		return q->iova;
	}
}

/* Domain, or PASID with GN. */
static uint64_t owner_of(const struct amdvi_reason_row *row, const struct query *q,
			 const struct context *c, bool guest)
{
	uint32_t pasid = q->pasid == VIOMMU_NO_PASID ? 0 : q->pasid; /* DTE.GIOV */

	if (row->event == AMD_DEV_TAB_HARDWARE_ERROR)
		return 0;
	if (guest)
		return bits_put(AMD_EVT_PASID_HI, pasid >> 16) | bits_put(AMD_EVT_DOMAIN, pasid) |
		       AMD_EVT_GN;
	if (row->event == AMD_IO_PAGE_FAULT || row->event == AMD_PAGE_TAB_HARDWARE_ERROR)
		return c->key.group == AMDVI_NO_DOMAIN ? 0 : bits_put(AMD_EVT_DOMAIN, c->key.group);
	return 0;
}

static void record_request(struct amdvi *v, const struct query *q, const struct context *c,
			   const struct amdvi_reason_row *row, uint64_t at)
{
	bool page_fault = row->event == AMD_IO_PAGE_FAULT;
	bool guest = row->flags & AMD_EVT_GN;
	uint64_t word[2];

	/* an illegal entry, and a request that cannot be, name the PASID if the request has one */
	if (row->event == AMD_ILLEGAL_DEV_TABLE_ENTRY || row->event == AMD_INVALID_DEVICE_REQUEST)
		guest = q->pasid != VIOMMU_NO_PASID;
	word[0] = bits_put(AMD_EVT_DEVICE, q->id) | owner_of(row, q, c, guest) | row->flags |
		  bits_put(AMD_EVT_TYPE, row->type) | bits_put(AMD_EVT_CODE, row->event);
	if (q->type == VIOMMU_AT_TRANSLATION)
		word[0] |= AMD_EVT_TR;
	if ((q->access & VIOMMU_WRITE) && row->event != AMD_INVALID_DEVICE_REQUEST)
		word[0] |= AMD_EVT_RW;
	if (page_fault && guest && (q->access & VIOMMU_EXEC))
		word[0] |= AMD_EVT_NX;
	if ((page_fault || row->event == AMD_INVALID_DEVICE_REQUEST) && guest &&
	    !(q->access & VIOMMU_PRIV))
		word[0] |= AMD_EVT_US;
	word[1] = address_of(row, q, at);
	record(v, word);
}

/* A translation request that is refused: a page that is absent or does not permit is no fault but an answer without
 * access (2.5.3). */
static int answer_translation(struct query *q, const struct amdvi_reason_row *row)
{
	if (row->event == AMD_IO_PAGE_FAULT) {
		q->ats = VIOMMU_ATS_SUCCESS;
		q->found = (struct translation){ .iova = q->iova & ~bits_low(12), .size_lg2 = 12 };
		return VIOMMU_OK;
	}
	q->ats = row->event == AMD_INVALID_DEVICE_REQUEST || row->event == AMD_EVT_NONE
			 ? VIOMMU_ATS_UNSUPPORTED
			 : VIOMMU_ATS_ABORT;
	return VIOMMU_FAULT;
}

int amdvi_fault(struct amdvi *v, struct query *q, unsigned reason, uint64_t at)
{
	const struct amdvi_reason_row *row = &amdvi_reasons[reason];
	const struct context *c = &q->entry->context;
	int result = VIOMMU_FAULT;

	q->reason = (uint16_t)reason;
	q->cacheable = false;
	if (q->type == VIOMMU_AT_TRANSLATION)
		result = answer_translation(q, row);
	if (q->quiet || result == VIOMMU_OK || row->event == AMD_EVT_NONE)
		return result;
	if (row->event == AMD_IO_PAGE_FAULT && is_suppressed(q, c))
		return result;
	record_request(v, q, c, row, at);
	return result;
}

/* ---- events of others ---- */

void amdvi_fault_interrupt(struct amdvi *v, uint32_t source, unsigned reason, uint64_t address)
{
	const struct amdvi_reason_row *row = &amdvi_reasons[reason];
	const uint64_t word[2] = { bits_put(AMD_EVT_DEVICE, source) | row->flags |
					   bits_put(AMD_EVT_TYPE, row->type) |
					   bits_put(AMD_EVT_CODE, row->event),
				   address };

	if (row->event != AMD_EVT_NONE)
		record(v, word);
}

void amdvi_fault_command(struct amdvi *v, enum amd_event code, uint64_t address)
{
	uint64_t type = code == AMD_COMMAND_HARDWARE_ERROR ? AMD_HARDWARE_DATA_ERROR : 0;
	const uint64_t word[2] = { bits_put(AMD_EVT_CODE, code) | bits_put(AMD_EVT_TYPE, type),
				   address & ~UINT64_C(15) };

	record(v, word);
}

void amdvi_fault_timeout(struct amdvi *v, uint32_t id, uint64_t address)
{
	const uint64_t word[2] = { bits_put(AMD_EVT_DEVICE, id) |
					   bits_put(AMD_EVT_CODE, AMD_IOTLB_INV_TIMEOUT),
				   address & ~UINT64_C(15) };

	record(v, word);
}

void amdvi_fault_page_request(struct amdvi *v, uint32_t id, const struct viommu_page_request *r)
{
	uint32_t pasid = r->pasid == VIOMMU_NO_PASID ? 0 : r->pasid;
	const uint64_t word[2] = {
		bits_put(AMD_EVT_DEVICE, id) | bits_put(AMD_EVT_PPR_PASID_LO, pasid) |
			bits_put(AMD_EVT_PPR_PASID_HI, pasid >> 16) |
			bits_put(AMD_EVT_PPR_TAG, r->group | (r->last ? 0x200U : 0)) |
			(r->pasid == VIOMMU_NO_PASID ? 0 : AMD_EVT_GN) |
			bits_put(AMD_EVT_CODE, AMD_INVALID_PPR_REQUEST),
		r->address
	};

	record(v, word);
}
