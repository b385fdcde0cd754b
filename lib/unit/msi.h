/* SPDX-License-Identifier: BSD-3-Clause */
/* msi.h - interrupt messages that no interrupt remapping touches. */
#ifndef MSI_H
#define MSI_H

#include "probe.h"

/* What a message means that leaves with every bit it came with; the fields are what an x86 local
 * APIC reads from it. */
void msi_as_it_is(const struct viommu_vm *vm, uint64_t address, uint32_t data,
		  struct viommu_msi *msi);

/* Nothing is delivered. VIOMMU_FAULT */
int msi_refuse(uint16_t reason, struct viommu_msi *msi);

/* A message through an engine without interrupt remapping: the write that it is, translated as
 * such. Arguments and result are those of engine.remap_msi. */
int msi_translate(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		  uint32_t flags, struct viommu_msi *msi);

/* What engine.remap_cached does not know: in a section of its own. */
int msi_from_tables(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
		    uint32_t flags, struct viommu_msi *msi);

/* What a message means, inside a section. */
static inline int msi_remap(struct viommu *u, uint32_t source, uint64_t address, uint32_t data,
			    uint32_t flags, struct viommu_msi *msi)
{
	int result;

	if (!u->engine->remap_msi)
		return msi_translate(u, source, address, data, flags, msi);
	result = u->engine->remap_msi(u, source, address, data, flags, msi);
	if (UNLIKELY(result == VIOMMU_FAULT) && !(flags & VIOMMU_MSI_RESOLVE))
		probe_message_fault(u, source, address, data, msi->reason);
	return result;
}

#endif
