/* SPDX-License-Identifier: BSD-3-Clause */
/* rvic_object.h - the RVIC of a VM: one block of memory. */
#ifndef RVIC_OBJECT_H
#define RVIC_OBJECT_H

#include "rvic_call.h"
#include "rvic_cpu.h"

struct viommu_rvic {
	struct viommu_vm *vm;
	uint64_t bytes;
	struct rvic_interface interface;
	struct rvic_cpu cpu[]; /* behind them MPIDRs, and the interrupts of all CPUs */
};

/* As viommu_rvic_new(), with any numbers of interrupts: tests explore small ones. */
int rvic_new(struct viommu_vm *vm, const struct viommu_rvic_config *config, bool any,
	     struct viommu_rvic **out);

/* The end of a change: unlocks the CPU, and has it look if what it @was has changed. */
void rvic_unlock(struct viommu_rvic *r, uint32_t cpu, bool was);

#endif
