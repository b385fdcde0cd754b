/* SPDX-License-Identifier: BSD-3-Clause */
/* tell.c - telling the listeners of a device. Only the call that has the unit (unit_begin) tells. */

#include "unit.h"

void tell_heard(struct viommu_listener *l)
{
	struct viommu *u = l->iommu;

	u->tells++;
	if (l->told)
		return;
	l->told = true;
	l->next_told = u->told;
	u->told = l;
}

void tell_unmap(struct viommu_device *device, uint32_t pasid, uint64_t first, uint64_t last)
{
	for (struct viommu_listener *l = tell_first(device); l; l = tell_next(l)) {
		if (!l->config.unmap || l->deaf)
			continue;
		tell_heard(l);
		l->config.unmap(l->config.opaque, device, pasid, first, last);
	}
}
