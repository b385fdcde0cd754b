/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_page_request.c - page requests and their responses (2.6, 2.4.7). */

#include "amdvi_engine.h"
#include "mem.h"

#define RESPONSE_SUCCESS 0U
#define RESPONSE_INVALID 1U
#define RESPONSE_FAILURE 15U

/* A group that the guest will not hear of is answered by the IOMMU, at its last request. Stop markers are not. */
static void respond(struct viommu_device *device, const struct viommu_page_request *r,
		    unsigned code)
{
	struct viommu_page_response response = { .pasid = r->pasid,
						 .group = r->group,
						 .code = (uint16_t)code };

	device->config.page_response(device->config.opaque, &response);
}

static int refuse(struct viommu_device *device, const struct viommu_page_request *r, unsigned code)
{
	if (!r->last || !(r->access & (VIOMMU_READ | VIOMMU_WRITE)) ||
	    !device->config.page_response)
		return VIOMMU_FAULT;
	/* A device that asks again from inside would be answered from inside, for ever. */
	if (atomic_exchange(&device->answering, true))
		return VIOMMU_EBUSY;
	respond(device, r, code);
	atomic_store(&device->answering, false);
	return VIOMMU_FAULT;
}

/* Of a request that finds no room, or is answered always (3.4.3 PPRAutoRspEn): a device that is told of success asks for
 * the translation, and then again for the page. */
static unsigned automatic(const struct amdvi *v)
{
	if (!(v->efr & AMD_EFR_PPR_AUTO) || !(amdvi_control(v) & AMD_CTRL_PPR_AUTO_RSP))
		return RESPONSE_SUCCESS;
	return (unsigned)bits_get(regs_get(&v->regs, AMD_PPR_AUTO), AMD_AUTO_CODE);
}

/* 2.6.1 */
static void describe(const struct viommu_device *device, const struct viommu_page_request *r,
		     uint64_t word[2])
{
	uint32_t id = atomic_load_explicit(&device->id, memory_order_relaxed);

	word[0] = bits_put(AMD_PPR_DEVICE, id) | bits_put(AMD_PPR_GROUP, r->group) |
		  (r->last ? AMD_PPR_LAST : 0) | (r->access & VIOMMU_READ ? AMD_PPR_R : 0) |
		  (r->access & VIOMMU_WRITE ? AMD_PPR_W : 0) |
		  bits_put(AMD_PPR_CODE, AMD_PPR_CODE_PAGE);
	if (r->pasid != VIOMMU_NO_PASID)
		word[0] |= AMD_PPR_FLAG_GN | bits_put(AMD_PPR_PASID_LO, r->pasid) |
			   bits_put(AMD_PPR_PASID_HI, r->pasid >> 16) |
			   (r->access & VIOMMU_EXEC ? AMD_PPR_X : 0) |
			   (r->access & VIOMMU_PRIV ? 0 : AMD_PPR_US);
	word[1] = r->address;
}

/* Whether the requester's entry lets it ask. */
static bool allowed(struct amdvi *v, uint32_t id)
{
	struct mem_place place = MEM_NOWHERE;
	uint64_t raw[4];
	uint64_t gpa;

	return !amdvi_dte_load(v, id, NULL, &place, raw, &gpa) && (raw[0] & AMD_DTE_V) &&
	       !amdvi_dte_reserved(v, raw) && (raw[0] & AMD_DTE_PPR);
}

int amdvi_request_page(struct viommu *u, struct viommu_device *device,
		       const struct viommu_page_request *r)
{
	struct amdvi *v = amdvi_of(u);
	uint64_t control = amdvi_control(v);
	uint32_t id = viommu_device_get_id(device);
	uint64_t word[2];

	if (!(v->efr & AMD_EFR_PPR))
		return VIOMMU_ENOTSUP;
	if (!(control & AMD_CTRL_IOMMU_EN))
		return refuse(device, r, RESPONSE_INVALID);
	if (!(control & AMD_CTRL_PPR_EN) || !allowed(v, id)) {
		amdvi_fault_page_request(v, id, r);
		return refuse(device, r, RESPONSE_INVALID);
	}
	if ((v->efr & AMD_EFR_PPR_AUTO) && (control & AMD_CTRL_PPR_AUTO_AON))
		return refuse(device, r, automatic(v));
	describe(device, r, word);
	if (!amdvi_log_put(v, AMDVI_LOG_PPR, word))
		return refuse(device, r,
			      control & AMD_CTRL_PPR_LOG_EN ? automatic(v) : RESPONSE_FAILURE);
	return VIOMMU_OK;
}

/* 2.4.7: the guest's answer to a group. */
void amdvi_page_response(struct amdvi *v, const uint64_t *word)
{
	struct viommu_device *device =
		device_get(&v->unit, (uint32_t)bits_get(word[0], AMD_CMD_DEVICE));
	uint32_t pasid = (uint32_t)bits_get(word[0], AMD_CMD_PASID_HI);
	const struct viommu_page_request answered = {
		.pasid = word[1] & AMD_PPR_GN ? pasid : VIOMMU_NO_PASID,
		.group = (uint16_t)bits_get(word[1], AMD_PPR_TAG),
	};
	unsigned code = (unsigned)bits_get(word[1], AMD_PPR_STATUS);

	if (!device)
		return;
	if (device->config.page_response)
		respond(device, &answered, code > RESPONSE_INVALID ? RESPONSE_FAILURE : code);
	device_put(device);
}
