/* SPDX-License-Identifier: BSD-3-Clause */
/* its.c - an ITS: creation, and the engine's entry points. */

#include <libvirtiommu/its.h>

uint64_t viommu_its_default_typer(void)
{
	return UINT64_C(0x1ef71);
}

int viommu_its_new(struct viommu_vm *vm, const struct viommu_its_config *config,
		   struct viommu **its)
{
	return vm && config && its ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}

int viommu_its_set_register(struct viommu *its, uint64_t offset, uint64_t value)
{
	(void)offset;
	(void)value;
	return its ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}

int viommu_its_save_tables(struct viommu *its)
{
	return its ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}

int viommu_its_restore_tables(struct viommu *its)
{
	return its ? VIOMMU_ENOTSUP : VIOMMU_EINVAL;
}
