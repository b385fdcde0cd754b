/* SPDX-License-Identifier: BSD-3-Clause */
/* section.h - sections of a device, without a channel. */
#ifndef SECTION_H
#define SECTION_H

#include "unit.h"

/* Both for a device that is not freed meanwhile. The section is the caller's, closed before. */
static inline void section_open(struct viommu_section *section, struct viommu_device *device)
{
	unsigned bucket = epoch_join(&device->iommu->epoch, &device->sections);

	*section = (struct viommu_section){ .device = device, .state = bucket + 1 };
}

static inline void section_close(struct viommu_section *section)
{
	struct viommu_device *device = section->device;
	unsigned bucket = (unsigned)section->state - 1;
	struct viommu *u = device->iommu;

	*section = (struct viommu_section){ .device = NULL };
	if (epoch_part(&u->epoch, &device->sections, bucket))
		unit_work(u);
}

/* What a caller says is an open section can be one. */
static inline bool section_is_open(const struct viommu_section *section)
{
	return section->device && section->state > 0 && section->state <= EPOCH_BUCKETS;
}

#endif
