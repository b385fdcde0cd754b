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

/* With page_lock held: sets a bit of PRS; the event is raised if neither was set before. */
static void set_status(struct vtd *v, uint64_t bit, struct vtd_message *message)
{
	uint64_t before = regs_get(&v->regs, VTD_PRS);

	regs_set_bits(&v->regs, VTD_PRS, bit);
	if (!(before & (VTD_PRS_PPR | VTD_PRS_PRO)))
		*message = vtd_event_raise(v, VTD_PECTL);
}

/* With page_lock held. */
static struct ring page_ring(const struct vtd *v)
{
	uint64_t pqa = regs_get(&v->regs, VTD_PQA);

	return (struct ring){ .base = pqa & VTD_PQA_PQA,
			      .limit = bits_low(v->haw),
			      .entries = UINT32_C(128) << bits_get(pqa, VTD_PQA_PQS),
			      .words = 4,
			      .index = RING_BYTES };
}

/* What software wrote into PQH or PQT may be outside the ring: the queue is as large as it says. */
static uint32_t position_of(const struct vtd *v, const struct ring *ring, uint32_t offset)
{
	return (uint32_t)(regs_get(&v->regs, offset) / 32 & (ring->entries - 1));
}

/* Takes the entry at the tail. False: there is none, or the queue has overflowed before. */
static bool reserve(struct vtd *v, struct ring *ring, struct ring_place *place,
		    struct vtd_message *message)
{
	bool ok;

	pthread_mutex_lock(&v->page_lock);
	*ring = page_ring(v);
	ok = !(regs_get(&v->regs, VTD_PRS) & VTD_PRS_PRO) &&
	     ring_reserve(&v->page_records, ring, position_of(v, ring, VTD_PQH),
			  position_of(v, ring, VTD_PQT), place);
	if (!ok)
		set_status(v, VTD_PRS_PRO, message);
	pthread_mutex_unlock(&v->page_lock);
	return ok;
}

/* The entry is written, or could not be. Software sees the entries up to the first that could not be
 * written. */
static void finish(struct vtd *v, const struct ring *ring, const struct ring_place *place,
		   bool written, bool last, struct vtd_message *message)
{
	enum ring_published published;
	uint32_t tail;

	pthread_mutex_lock(&v->page_lock);
	tail = position_of(v, ring, VTD_PQT);
	if (place->generation == v->page_records.generation)
		v->page_last |= written && last;
	published = ring_publish(&v->page_records, ring, place, written, &tail);
	if (published != RING_BUSY) {
		if (published == RING_LOST)
			set_status(v, VTD_PRS_PRO, message);
		regs_put(&v->regs, VTD_PQT, ring_register(ring, tail));
		if (v->page_last)
			set_status(v, VTD_PRS_PPR, message);
		v->page_last = false;
	}
	pthread_mutex_unlock(&v->page_lock);
}

void vtd_page_queue_reset(struct vtd *v)
{
	ring_records_reset(&v->page_records);
	v->page_last = false;
}

/* Puts the descriptor into the queue; if that fails, the code to respond with. */
static bool deliver(struct vtd *v, const uint64_t descriptor[4], bool last, unsigned *code)
{
	struct vtd_message message = { .due = false };
	struct ring_place place;
	struct ring ring;
	bool written = false;

	*code = VTD_RESPONSE_SUCCESS; /* overflow: the device may ask again */
	if (reserve(v, &ring, &place, &message)) {
		written = ring_write(&v->unit, &ring, &place, descriptor);
		finish(v, &ring, &place, written, last, &message);
		*code = VTD_RESPONSE_FAILURE;
	}
	vtd_send(v, &message);
	return written;
}

/* A group that the guest will not hear of is answered by the unit, at its last request. Stop
 * markers are not. */
static int respond(struct viommu_device *device, const struct viommu_page_request *r, unsigned code)
{
	struct viommu_page_response response = { .pasid = r->pasid,
						 .group = r->group,
						 .code = (uint16_t)code };

	if (!r->last || !(r->access & (VIOMMU_READ | VIOMMU_WRITE)) ||
	    !device->config.page_response)
		return VIOMMU_FAULT;
	/* A device that asks again from inside would be answered from inside, for ever. */
	if (atomic_exchange(&device->answering, true))
		return VIOMMU_EBUSY;
	device->config.page_response(device->config.opaque, &response);
	atomic_store(&device->answering, false);
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
		.device = device,
		.id = viommu_device_get_id(device),
		.iova = r->address,
		.pasid = r->pasid,
		.access = r->access,
	};
	uint64_t descriptor[4];
	unsigned code;

	if (!(v->ecap & VTD_ECAP_PRS))
		return VIOMMU_ENOTSUP;
	if (vtd_page_request_allowed(v, &q)) {
		vtd_fault_page_request(v, &q, q.reason);
		return respond(device, r, response_to(q.reason));
	}
	describe(device, r, descriptor);
	if (!deliver(v, descriptor, r->last, &code))
		return respond(device, r, code);
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
