/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_page_request.c - page requests and their responses (2.3.6, 3.1.4, 3.3). */

#include "riscv_engine.h"

/* ---- the queue ---- */

/* With the lock. Otherwise what the request is answered. */
static bool reserve(struct riscv *v, struct ring *ring, struct ring_place *place, unsigned *code)
{
	uint64_t csr = regs_get(&v->regs, RISCV_PQCSR);

	*code = RISCV_RESPONSE_FAILURE;
	if (!(csr & RISCV_CSR_EN) || !(csr & RISCV_CSR_ON) || (csr & RISCV_CSR_MF))
		return false;
	*code = RISCV_RESPONSE_SUCCESS;
	if (csr & RISCV_CSR_OF)
		return false;
	*ring = riscv_ring(v, RISCV_PQB, 2);
	if (ring_reserve(&v->requests, ring, (uint32_t)regs_get(&v->regs, RISCV_PQH),
			 (uint32_t)regs_get(&v->regs, RISCV_PQT), place))
		return true;
	if (v->requests.lost) {
		*code = RISCV_RESPONSE_FAILURE;
		return false;
	}
	regs_set_bits(&v->regs, RISCV_PQCSR, RISCV_CSR_OF);
	riscv_raise_levels(v, RISCV_IPSR_PIP);
	return false;
}

/* With the lock. */
static void publish(struct riscv *v, const struct ring *ring, const struct ring_place *place,
		    bool written)
{
	uint32_t tail = (uint32_t)regs_get(&v->regs, RISCV_PQT);
	bool stands = place->generation == v->requests.generation;

	if (ring_publish(&v->requests, ring, place, written, &tail) != RING_BUSY) {
		bool moved = tail != regs_get(&v->regs, RISCV_PQT);

		regs_put(&v->regs, RISCV_PQT, tail);
		if (moved && (regs_get(&v->regs, RISCV_PQCSR) & RISCV_CSR_IE))
			riscv_raise(v, RISCV_IPSR_PIP);
	}
	if (stands && !written) {
		regs_set_bits(&v->regs, RISCV_PQCSR, RISCV_CSR_MF);
		riscv_raise_levels(v, RISCV_IPSR_PIP);
	}
}

static bool deliver(struct riscv *v, const uint64_t word[2], unsigned *code)
{
	uint64_t raw[2];
	struct ring_place place;
	struct ring ring;
	bool ok;

	for (unsigned i = 0; i < 2; i++)
		raw[i] = riscv_fctl(v) & RISCV_FCTL_BE ? __builtin_bswap64(word[i]) : word[i];
	pthread_mutex_lock(&v->lock);
	ok = reserve(v, &ring, &place, code);
	pthread_mutex_unlock(&v->lock);
	if (ok) {
		*code = RISCV_RESPONSE_FAILURE;
		ok = ring_write(&v->unit, &ring, &place, raw);
		pthread_mutex_lock(&v->lock);
		publish(v, &ring, &place, ok);
		pthread_mutex_unlock(&v->lock);
	}
	riscv_tell(v);
	return ok;
}

/* ---- requests ---- */

/* The last of a group is answered, unless it is a stop marker. @prpr: answers have the PASID */
static int respond(struct viommu_device *device, const struct viommu_page_request *r, unsigned code,
		   bool prpr)
{
	struct viommu_page_response response = { .pasid = VIOMMU_NO_PASID,
						 .group = r->group,
						 .code = (uint16_t)code };

	if (!r->last ||
	    (!(r->access & (VIOMMU_READ | VIOMMU_WRITE)) && r->pasid != VIOMMU_NO_PASID) ||
	    !device->config.page_response)
		return VIOMMU_FAULT;
	if (code == RISCV_RESPONSE_FAILURE || prpr)
		response.pasid = r->pasid;
	/* A device that asks again from inside would be answered from inside, for ever. */
	if (atomic_exchange(&device->answering, true))
		return VIOMMU_EBUSY;
	device->config.page_response(device->config.opaque, &response);
	atomic_store(&device->answering, false);
	return VIOMMU_FAULT;
}

static void describe(const struct query *q, const struct viommu_page_request *r, uint64_t word[2])
{
	word[0] = bits_put(RISCV_PRM_DID, q->id);
	if (r->pasid != VIOMMU_NO_PASID)
		word[0] |= RISCV_PRM_PV | bits_put(RISCV_PRM_PID, r->pasid) |
			   (r->access & VIOMMU_PRIV ? RISCV_PRM_PRIV : 0) |
			   (r->access & VIOMMU_EXEC ? RISCV_PRM_EXEC : 0);
	word[1] = (r->access & VIOMMU_READ ? RISCV_PRM_READ : 0) |
		  (r->access & VIOMMU_WRITE ? RISCV_PRM_WRITE : 0) |
		  (r->last ? RISCV_PRM_LAST : 0) | bits_put(RISCV_PRM_PRGI, r->group) |
		  (r->address & RISCV_PRM_PAGE);
}

/* 2.3.6: steps 1 to 7 of a translation, of a device that may ask for pages. */
static int allowed(struct riscv *v, struct query *q, uint64_t dc[RISCV_DC_WORDS])
{
	int result = riscv_find_device(v, q, dc);

	if (result)
		return result;
	q->fpd = dc[RISCV_DC_TC] & RISCV_TC_DTF;
	if (riscv_disallowed(q, dc) || !(dc[RISCV_DC_TC] & RISCV_TC_EN_PRI))
		return riscv_refuse(q, RISCV_FAULT_TYPE, 0);
	return VIOMMU_OK;
}

int riscv_request_page(struct viommu *u, struct viommu_device *device,
		       const struct viommu_page_request *r)
{
	struct riscv *v = riscv_of(u);
	uint64_t dc[RISCV_DC_WORDS] = { 0 };
	struct query q = { .device = device,
			   .id = viommu_device_get_id(device),
			   .iova = r->address,
			   .pasid = r->pasid,
			   .access = r->access,
			   .type = VIOMMU_AT_TRANSLATION };
	uint64_t word[2];
	unsigned code;

	if (!(v->cap & RISCV_CAP_ATS))
		return VIOMMU_ENOTSUP;
	if (allowed(v, &q, dc)) {
		riscv_fault_message(v, &q, q.reason);
		code = q.reason == RISCV_FAULT_TYPE ? RISCV_RESPONSE_INVALID
						    : RISCV_RESPONSE_FAILURE;
		return respond(device, r, code,
			       dc[RISCV_DC_TC] & RISCV_TC_PRPR && code == RISCV_RESPONSE_INVALID);
	}
	describe(&q, r, word);
	if (!deliver(v, word, &code))
		return respond(device, r, code, dc[RISCV_DC_TC] & RISCV_TC_PRPR);
	return VIOMMU_OK;
}

/* 3.1.4: the guest's answer to a group. */
void riscv_page_response(struct riscv *v, const uint64_t *command)
{
	uint64_t id = bits_get(command[0], RISCV_ATS_RID) |
		      (command[0] & RISCV_ATS_DSV ? bits_get(command[0], RISCV_ATS_DSEG) << 16 : 0);
	struct viommu_device *device = device_get(&v->unit, (uint32_t)id);
	struct viommu_page_response response = {
		.pasid = command[0] & RISCV_ATS_PV ? (uint32_t)bits_get(command[0], RISCV_CMD_PID)
						   : VIOMMU_NO_PASID,
		.group = (uint16_t)bits_get(command[1], RISCV_PRGR_PRGI),
		.code = (uint16_t)bits_get(command[1], RISCV_PRGR_CODE),
	};

	if (!device)
		return;
	if (device->config.page_response)
		device->config.page_response(device->config.opaque, &response);
	device_put(device);
}
