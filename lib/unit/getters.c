/* SPDX-License-Identifier: BSD-3-Clause */
/* getters.c - what a handle is, belongs to, and was made with. */

#include "abi.h"
#include "unit.h"

void *viommu_device_get_opaque(const struct viommu_device *device)
{
	return device ? device->config.opaque : NULL;
}

uint32_t viommu_device_get_id(const struct viommu_device *device)
{
	return device ? atomic_load_explicit(&device->id, memory_order_relaxed) : VIOMMU_NO_ID;
}

struct viommu *viommu_device_get_iommu(const struct viommu_device *device)
{
	return device ? device->iommu : NULL;
}

int viommu_find_device(struct viommu *u, uint32_t id, struct viommu_device **device)
{
	struct viommu_device *found;

	if (!u || !device)
		return VIOMMU_EINVAL;
	found = device_get(u, id);
	if (!found)
		return VIOMMU_ENOENT;
	device_put(found);
	*device = found;
	return VIOMMU_OK;
}

struct viommu_vm *viommu_get_vm(const struct viommu *u)
{
	return u ? u->vm : NULL;
}

const char *viommu_get_engine(const struct viommu *u)
{
	return u ? u->engine->name : NULL;
}

uint64_t viommu_get_register_bytes(const struct viommu *u)
{
	return u ? u->register_bytes : 0;
}

int viommu_get_limits(const struct viommu *u, struct viommu_limits *limits)
{
	if (!u)
		return VIOMMU_EINVAL;
	return abi_give(limits, &u->limits, sizeof(u->limits));
}
