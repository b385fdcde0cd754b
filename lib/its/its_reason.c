/* SPDX-License-Identifier: BSD-3-Clause */
/* its_reason.c - why a command or a message was refused, in words (its.h). */

#include "its_engine.h"

static const struct {
	uint32_t reason;
	const char *text;
} texts[] = {
	{ VIOMMU_ITS_ERROR_DEVICE_OOR, "DeviceID out of range" },
	{ VIOMMU_ITS_ERROR_SIZE_OOR, "size of the device's table, or RDbase, out of range" },
	{ VIOMMU_ITS_ERROR_COLLECTION_OOR, "ICID out of range" },
	{ VIOMMU_ITS_ERROR_UNMAPPED_DEVICE, "device not mapped" },
	{ VIOMMU_ITS_ERROR_ID_OOR, "EventID beyond the device's table" },
	{ VIOMMU_ITS_ERROR_PHYSICALID_OOR, "INTID is no LPI" },
	{ VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT, "event not mapped" },
	{ VIOMMU_ITS_ERROR_UNMAPPED_COLLECTION, "collection not mapped" },
	{ VIOMMU_ITS_ERROR_ITE_INVALID, "the event's collection or vPE is not mapped" },
	{ VIOMMU_ITS_ERROR_VCPU_OOR, "vPEID out of range" },
	{ VIOMMU_ITS_ERROR_VPTSIZE_OOR, "size of the virtual pending table out of range" },
	{ VIOMMU_ITS_ERROR_VIRTUALID_OOR, "vINTID is no LPI of the vPE" },
	{ VIOMMU_ITS_ERROR_VCPU_INVALID, "vPE not mapped" },
	{ VIOMMU_ITS_ERROR_ID_IS_PHYSICAL, "event is not virtual" },
	{ VIOMMU_ITS_ERROR_ITEVCPU_INVALID, "VMOVI: the event's vPE is not mapped" },
	{ VIOMMU_ITS_ERROR_CMDVCPU_INVALID, "VMOVI: the command's vPE is not mapped" },
	{ VIOMMU_ITS_ERROR_LIMIT, "a limit of the configuration is reached" },
	{ VIOMMU_ITS_ERROR_MEMORY, "memory of the queue or of a table could not be read" },
	{ VIOMMU_ITS_REASON_DISABLED, "ITS disabled (GITS_CTLR.Enabled)" },
	{ VIOMMU_ITS_REASON_LPI_OFF, "LPIs disabled at the redistributor (EnableLPIs)" },
	{ VIOMMU_ITS_REASON_ADDRESS, "message to another address than GITS_TRANSLATER" },
};

/* Of a code (VIOMMU_ITS_ERROR()), the reason. */
static uint32_t reason_in(uint32_t code)
{
	return code >> 16 == VIOMMU_ITS_ERROR(0, 0) >> 16 ? code & 0xff : code;
}

const char *its_reason_text(uint32_t reason)
{
	for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
		if (texts[i].reason == reason_in(reason))
			return texts[i].text;
	}
	return NULL;
}
