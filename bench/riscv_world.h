/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_world.h - a VM with one RISC-V IOMMU that a guest has set up: a device whose first stage is Sv48, command queue.
 *
 * As vtd_world.h. The device and its pages are asked by vtd_ask() and vtd_ask_device(), which know no engine.
 */
#ifndef BENCH_RISCV_WORLD_H
#define BENCH_RISCV_WORLD_H

#include <libvirtiommu/riscv.h>
#include <libvirtiommu/vm.h>

#include "guest_tables.h"

struct riscv_world {
	struct guest guest;
	struct guest_pages pages;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t queue;
	uint32_t tail;
	uint64_t status; /* gpa that fences write to */
	uint32_t ticket;
};

struct riscv_world *riscv_world_new(uint64_t pages, uint64_t stride);
void riscv_world_free(struct riscv_world *w);

/* An event counter counts the requests of all devices from now on. */
void riscv_count_requests(struct riscv_world *w);

/* One page, or all of the device's address space; and a fence, until it is done. */
void riscv_queue_page(struct riscv_world *w, uint64_t iova);
void riscv_queue_all(struct riscv_world *w);
void riscv_finish(struct riscv_world *w);

#endif
