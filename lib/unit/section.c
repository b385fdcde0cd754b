/* SPDX-License-Identifier: BSD-3-Clause */
/* section.c - sections of a device, without a channel. */
#include "section.h"

int viommu_device_enter(struct viommu_device *device, struct viommu_section *section)
{
	if (!device || !section)
		return VIOMMU_EINVAL;
	if (section->device)
		return VIOMMU_EBUSY;
	section_open(section, device);
	return VIOMMU_OK;
}

int viommu_device_leave(struct viommu_section *section)
{
	if (!section || !section_is_open(section))
		return VIOMMU_EINVAL;
	section_close(section);
	return VIOMMU_OK;
}
