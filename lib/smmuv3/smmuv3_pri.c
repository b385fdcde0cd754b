/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_pri.c - page requests of devices, and software's responses (8, 4.5.2, 13.7). */

#include "smmuv3_engine.h"

#define PCI_SUCCESS 0U
#define PCI_INVALID 1U
#define PCI_FAILURE 15U

/* 8.1: a stop marker is never answered. */
static bool is_stop_marker(const struct viommu_page_request *r)
{
	return r->pasid != VIOMMU_NO_PASID && r->last &&
	       !(r->access & (VIOMMU_READ | VIOMMU_WRITE));
}

static int respond(struct viommu_device *device, const struct viommu_page_request *r,
		   uint32_t pasid, unsigned code)
{
	struct viommu_page_response response = { .pasid = pasid,
						 .group = r->group,
						 .code = (uint16_t)code };

	if (is_stop_marker(r) || !device->config.page_response)
		return VIOMMU_FAULT;
	/* a device that asks again from inside would be answered from inside, for ever */
	if (atomic_exchange(&device->answering, true))
		return VIOMMU_EBUSY;
	device->config.page_response(device->config.opaque, &response);
	atomic_store(&device->answering, false);
	return VIOMMU_FAULT;
}

/* 8.2 */
static void describe(uint32_t sid, const struct viommu_page_request *r, uint64_t word[2])
{
	bool pasid = r->pasid != VIOMMU_NO_PASID;

	word[0] = bits_put(PRI0_SID, sid) | (r->access & VIOMMU_READ ? PRI0_R : 0) |
		  (r->access & VIOMMU_WRITE ? PRI0_W : 0) | (r->last ? PRI0_LAST : 0);
	if (pasid)
		word[0] |= PRI0_SSV | bits_put(PRI0_SSID, r->pasid) |
			   (r->access & VIOMMU_EXEC ? PRI0_X : 0) |
			   (r->access & VIOMMU_PRIV ? PRI0_PRIV : 0);
	word[1] = bits_put(PRI1_GROUP, r->group) | (r->address & PRI1_ADDR);
}

/* 8.1: a group that found the queue full is answered at its last request: success, the device asks again. With a PASID, STE.PPAR
 * says whether the answer has it, unless answers always do (IDR3.PPS). */
static int overflow(struct smmu *s, struct viommu_device *device,
		    const struct viommu_page_request *r, uint32_t sid)
{
	struct query q = { .device = device, .id = sid, .pasid = r->pasid };
	struct smmu_ste ste;

	if (!r->last)
		return VIOMMU_FAULT;
	if (r->pasid == VIOMMU_NO_PASID || (smmu_idr(s, 3) & IDR3_PPS))
		return respond(device, r, r->pasid, PCI_SUCCESS);
	if (smmu_ste_fetch(s, &q, &ste) || !smmu_ste_is_legal(s, &ste) ||
	    smmu_ste_config(&ste) < STE_CONFIG_BYPASS)
		return respond(device, r, VIOMMU_NO_PASID, PCI_FAILURE);
	return respond(device, r, ste.word[1] & STE1_PPAR ? r->pasid : VIOMMU_NO_PASID,
		       PCI_SUCCESS);
}

int smmu_request_page(struct viommu *u, struct viommu_device *device,
		      const struct viommu_page_request *r)
{
	struct smmu *s = smmu_of(u);
	uint32_t sid = viommu_device_get_id(device);
	enum smmu_recorded recorded = SMMU_DROPPED;
	uint64_t word[2];

	if (!(smmu_idr(s, 0) & IDR0_PRI))
		return VIOMMU_ENOTSUP;
	describe(sid, r, word);
	if (smmu_control(s) & CR0_SMMUEN) /* otherwise PRIQEN has no effect */
		recorded = smmu_record(s, &smmu_priq, word, false, r->last);
	switch (recorded) {
	case SMMU_RECORDED:
		return VIOMMU_OK;
	case SMMU_FULL:
		return overflow(s, device, r, sid);
	default:
		return respond(device, r, VIOMMU_NO_PASID, PCI_FAILURE);
	}
}

bool smmu_page_response(struct smmu *s, const uint64_t *word)
{
	static const uint8_t codes[] = { PCI_FAILURE, PCI_INVALID, PCI_SUCCESS };
	uint64_t code = bits_get(word[1], CMD_PRG_RESP);
	struct viommu_page_response response = {
		.pasid =
			word[0] & CMD_SSV ? (uint32_t)bits_get(word[0], CMD_SSID) : VIOMMU_NO_PASID,
		.group = (uint16_t)bits_get(word[1], CMD_PRG_INDEX),
	};
	struct viommu_device *device;

	if (code >= ARRAY_COUNT(codes))
		return false;
	if (!(regs_get(&s->regs, SMMU_CR0) & CR0_SMMUEN))
		return true;
	response.code = codes[bits_clamp_index(code, ARRAY_COUNT(codes))];
	device = device_get(&s->unit, (uint32_t)bits_get(word[0], CMD_SID));
	if (!device)
		return true;
	if (device->config.page_response)
		device->config.page_response(device->config.opaque, &response);
	device_put(device);
	return true;
}
