/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi.c - the LPIs of a VM: creation, and the engine's entry points. */

#include <libvirtiommu/its.h>

int viommu_lpis_new(struct viommu_vm *vm, const struct viommu_lpis_config *config,
		    struct viommu **lpis)
{
	return vm && config && lpis ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}

int viommu_lpis_get(struct viommu *lpis, uint32_t cpu, uint32_t intid, struct viommu_lpi *lpi)
{
	(void)cpu;
	(void)intid;
	return lpis && lpi ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}

int viommu_lpis_acknowledge(struct viommu *lpis, uint32_t cpu, uint32_t intid)
{
	(void)cpu;
	(void)intid;
	return lpis ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}

int viommu_lpis_get_virtual(struct viommu *lpis, uint32_t vpe, uint32_t intid,
			    struct viommu_lpi *lpi)
{
	(void)vpe;
	(void)intid;
	return lpis && lpi ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}

int viommu_lpis_acknowledge_virtual(struct viommu *lpis, uint32_t vpe, uint32_t intid)
{
	(void)vpe;
	(void)intid;
	return lpis ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}

int viommu_lpis_save_pending(struct viommu *lpis)
{
	return lpis ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}
