/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smmuv3_world.h - a VM with one SMMUv3 that a guest has set up: a stream with tables of 4 KiB and four levels, command queue.
 *
 * As vtd_world.h. The device and its pages are asked by vtd_ask() and vtd_ask_device(), which know no engine.
 */
#ifndef BENCH_SMMUV3_WORLD_H
#define BENCH_SMMUV3_WORLD_H

#include <libvirtiommu/smmuv3.h>
#include <libvirtiommu/vm.h>

#include "guest_tables.h"

/* In which stage the pages are; nested, stage 2 has blocks of 1 GiB. */
enum smmuv3_stages { SMMUV3_STAGE1, SMMUV3_STAGE2, SMMUV3_NESTED };

struct smmuv3_world {
	struct guest guest;
	struct guest_pages pages;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device;
	struct viommu_channel *channel;
	enum smmuv3_stages stages;
	uint64_t queue;
	uint32_t prod;
	uint64_t status; /* gpa that CMD_SYNCs write to */
	uint32_t ticket;
};

struct smmuv3_world *smmuv3_world_new(enum smmuv3_stages stages, uint64_t pages, uint64_t stride);
void smmuv3_world_free(struct smmuv3_world *w);

/* One page, the ASID, the VMID; and a CMD_SYNC, until it is done. */
void smmuv3_queue_page(struct smmuv3_world *w, uint64_t iova);
void smmuv3_queue_asid(struct smmuv3_world *w);
void smmuv3_queue_all(struct smmuv3_world *w);
void smmuv3_finish(struct smmuv3_world *w);

#endif
