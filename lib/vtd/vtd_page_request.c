/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_page_request.c - page requests and their responses (7.4 to 7.7). */

#include "mem.h"
#include "vtd_engine.h"

/* What becomes of a request that cannot be queued (7.5). */
static unsigned response_to(unsigned reason)
{
	switch (reason) {
	case VTD_FR_PRE:
	case VTD_FR_DTE:
	case VTD_FR_PASIDE:
		return VTD_RESPONSE_INVALID;
	default:
		return VTD_RESPONSE_FAILURE;
	}
}

/* With page_lock held: puts the descriptor into the queue. 0, or why not (VTD_PRS_PRO: no room), or
 * UINT32_MAX: no access. */
static uint32_t enqueue(struct vtd *v, const uint64_t descriptor[4])
{
	uint64_t pqa = regs_get(&v->regs, VTD_PQA);
	uint64_t bytes = UINT64_C(4096) << bits_get(pqa, VTD_PQA_PQS);
	uint64_t tail = regs_get(&v->regs, VTD_PQT) & (bytes - 1);
	uint64_t next = (tail + 32) & (bytes - 1);
	uint64_t address = (pqa & VTD_PQA_PQA) + tail;

	if (regs_get(&v->regs, VTD_PRS) & VTD_PRS_PRO)
		return VTD_PRS_PRO;
	if (next == (regs_get(&v->regs, VTD_PQH) & (bytes - 1)))
		return VTD_PRS_PRO;
	if (vtd_above_haw(v, address) || !mem_store(v->unit.vm, address, descriptor, 4))
		return UINT32_MAX;
	regs_put(&v->regs, VTD_PQT, next);
	return 0;
}

/* With page_lock held: sets a bit of PRS; the event is raised if neither was set before. */
static struct vtd_message set_status(struct vtd *v, uint64_t bit)
{
	uint64_t before = regs_get(&v->regs, VTD_PRS);

	regs_set_bits(&v->regs, VTD_PRS, bit);
	if (before & (VTD_PRS_PPR | VTD_PRS_PRO))
		return (struct vtd_message){ .due = false };
	return vtd_event_raise(v, VTD_PECTL);
}

/* 0, or why not: VTD_PRS_PRO, UINT32_MAX (no access), or BUSY (called while this very thread writes
 * to the queue). */
#define BUSY (UINT32_MAX - 1)

static uint32_t deliver(struct vtd *v, const uint64_t descriptor[4], bool last)
{
	struct vtd_message message = { .due = false };
	uint32_t refused;

	if (pthread_mutex_lock(&v->page_lock))
		return BUSY;
	refused = enqueue(v, descriptor);
	if (refused == VTD_PRS_PRO)
		message = set_status(v, VTD_PRS_PRO);
	else if (!refused && last)
		message = set_status(v, VTD_PRS_PPR);
	pthread_mutex_unlock(&v->page_lock);
	vtd_send(v, &message);
	return refused;
}

/* A group that the guest will not hear of is answered by the unit, at its last request. Stop
 * markers are not. */
static int respond(struct viommu_device *device, const struct viommu_page_request *r, unsigned code)
{
	struct viommu_page_response response = { .pasid = r->pasid,
						 .group = r->group,
						 .code = (uint16_t)code };

	if (r->last && (r->access & (VIOMMU_READ | VIOMMU_WRITE)) && device->config.page_response)
		device->config.page_response(device->config.opaque, &response);
	return VIOMMU_FAULT;
}

/* 7.5 */
static void describe(const struct viommu_device *device, const struct viommu_page_request *r,
		     uint64_t descriptor[4])
{
	descriptor[0] =
		bits_put(VTD_PRD_TYPE, VTD_PRD_TYPE_PAGE) |
		bits_put(VTD_PRD_RID, atomic_load_explicit(&device->id, memory_order_relaxed));
	if (r->pasid != VIOMMU_NO_PASID)
		descriptor[0] |= VTD_PRD_PP | bits_put(VTD_PRD_PASID, r->pasid) |
				 (r->access & VIOMMU_EXEC ? VTD_PRD_EXR : 0) |
				 (r->access & VIOMMU_PRIV ? VTD_PRD_PMR : 0);
	descriptor[1] = (r->access & VIOMMU_READ ? VTD_PRD_RD : 0) |
			(r->access & VIOMMU_WRITE ? VTD_PRD_WR : 0) | (r->last ? VTD_PRD_LPIG : 0) |
			bits_put(VTD_PRD_PRGI, r->group) | r->address;
	descriptor[2] = 0;
	descriptor[3] = 0;
}

int vtd_request_page(struct viommu *u, struct viommu_device *device,
		     const struct viommu_page_request *r)
{
	struct vtd *v = vtd_of(u);
	struct query q = {
		.device = device, .iova = r->address, .pasid = r->pasid, .access = r->access
	};
	uint64_t descriptor[4];
	uint32_t refused;

	if (!(v->ecap & VTD_ECAP_PRS))
		return VIOMMU_ENOTSUP;
	if (vtd_page_request_allowed(v, &q)) {
		vtd_fault_page_request(v, &q, q.reason);
		return respond(device, r, response_to(q.reason));
	}
	describe(device, r, descriptor);
	refused = deliver(v, descriptor, r->last);
	if (refused == BUSY)
		return VIOMMU_EBUSY;
	if (refused) /* overflow: the device may ask again */
		return respond(device, r,
			       refused == VTD_PRS_PRO ? VTD_RESPONSE_SUCCESS
						      : VTD_RESPONSE_FAILURE);
	return VIOMMU_OK;
}

/* 6.5.2.9: the guest's answer to a group. */
void vtd_page_response(struct vtd *v, const uint64_t *d, bool wide)
{
	struct viommu_device *device =
		device_get(&v->unit, (uint32_t)bits_get(d[0], VTD_QI_PGRESP_RID));
	struct viommu_page_response response = {
		.pasid = d[0] & VTD_QI_PGRESP_PP ? (uint32_t)bits_get(d[0], VTD_QI_PASID)
						 : VIOMMU_NO_PASID,
		.group = (uint16_t)bits_get(d[1], VTD_QI_PGRESP_PRGI),
		.code = (uint16_t)bits_get(d[0], VTD_QI_PGRESP_CODE),
	};

	if (!device)
		return;
	if (response.code > VTD_RESPONSE_INVALID)
		response.code = VTD_RESPONSE_FAILURE;
	if (wide && (d[0] & VTD_QI_PGRESP_PDP)) {
		response.data[0] = d[2];
		response.data[1] = d[3];
	}
	if (device->config.page_response)
		device->config.page_response(device->config.opaque, &response);
	device_put(device);
}
