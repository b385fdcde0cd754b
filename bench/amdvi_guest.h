/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amdvi_guest.h - a VM with one AMD IOMMU whose guest has set up v1 tables of 4 levels for device 0 (domain 1), and an
 * interrupt table for each of AMDVI_MESSAGES devices: message i is sent by device i, through entry i of its table.
 */
#ifndef BENCH_AMDVI_GUEST_H
#define BENCH_AMDVI_GUEST_H

#include <libvirtiommu/amdvi.h>
#include <libvirtiommu/irq.h>
#include <libvirtiommu/vm.h>

#include "expect.h"
#include "guest_tables.h"

#define AMDVI_MESSAGES 32U

struct amdvi_guest {
	struct guest guest;
	struct guest_pages pages;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t commands; /* gpa of 256 commands */
	uint64_t tail;
	uint64_t status; /* gpa that COMPLETION_WAIT stores to */
	uint64_t ticket;
};

struct amdvi_guest *amdvi_guest_new(uint64_t pages, uint64_t stride);
void amdvi_guest_free(struct amdvi_guest *g);

/* Everything of domain 1 is invalidated, or all interrupt tables; until that is complete. */
void amdvi_guest_flush(struct amdvi_guest *g);
void amdvi_guest_flush_interrupts(struct amdvi_guest *g);

/* Puts a command for one page of domain 1 into the buffer; has all of them carried out. */
void amdvi_guest_queue_page(struct amdvi_guest *g, uint64_t iova);
void amdvi_guest_finish(struct amdvi_guest *g);

static inline uint64_t amdvi_send(const struct amdvi_guest *g, uint32_t i)
{
	struct viommu_msi msi;
	int r = viommu_remap_msi(g->iommu, i, 0xfee00000, i, 0, &msi);

	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_remap_msi", r);
	return msi.data;
}

#endif
