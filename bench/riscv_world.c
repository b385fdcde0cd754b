/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_world.c - what a VMM and a guest do once, before figures of the RISC-V IOMMU begin. */
#define _GNU_SOURCE
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "riscv_world.h"
#include "vtd_world.h"

/* 6 registers, by offset */
#define REG_DDTP     0x10U
#define REG_CQB	     0x18U
#define REG_CQT	     0x24U
#define REG_CQCSR    0x48U
#define REG_IOHPMEVT 0x160U /* of the first counter */

#define CAP_HPM		   ((uint64_t)1 << 30)
#define EVENT_UNTRANSLATED 1U /* 6.23 */

#define DDTP_1LVL 2U
#define PPN(gpa)  ((gpa) >> 2)

/* 2.1.3, of 64 bytes: valid; PSCID; Sv48 */
#define TC_V	    ((uint64_t)1)
#define TA_PSCID    ((uint64_t)1 << 12)
#define SATP_SV48   ((uint64_t)9 << 60)
#define CONTEXT_LG2 6U

/* 3.1 commands: IOTINVAL.VMA with PSCV, and with AV; IOFENCE.C with AV */
#define VMA_ALL	 ((uint64_t)1 | TA_PSCID | (uint64_t)1 << 32)
#define VMA_PAGE (VMA_ALL | 1 << 10)
#define FENCE	 ((uint64_t)2 | 1 << 10)

#define QUEUE_LG2 8U
#define QUEUE	  (1U << QUEUE_LG2)

static void add_region(struct riscv_world *w, uint64_t gpa, void *host, uint64_t bytes)
{
	const struct viommu_region region = {
		.size = sizeof(region), .gpa = gpa, .bytes = bytes, .host = host
	};

	expect_ok("viommu_vm_add_region", viommu_vm_add_region(w->vm, &region));
}

static void create(struct riscv_world *w)
{
	const struct viommu_vm_config vm = {
		.size = sizeof(vm), .hash_key = { 0x243f6a8885a308d3, 0x13198a2e03707344 }
	};
	const struct viommu_riscv_config config = {
		.size = sizeof(config),
		.capabilities = viommu_riscv_default_capabilities() | CAP_HPM
	};
	const struct viommu_device_config device = { .size = sizeof(device), .id = 0 };

	expect_ok("viommu_vm_new", viommu_vm_new(&vm, &w->vm));
	add_region(w, 0, w->guest.low, GUEST_LOW_SIZE);
	add_region(w, GUEST_HIGH, w->guest.high, w->guest.high_size);
	expect_ok("viommu_riscv_new", viommu_riscv_new(w->vm, &config, &w->iommu));
	expect_ok("viommu_device_new", viommu_device_new(w->iommu, &device, &w->device));
	expect_ok("viommu_channel_new",
		  viommu_channel_new(w->device, VIOMMU_NO_PASID, &w->channel));
}

static void write_register(struct riscv_world *w, uint64_t offset, uint32_t bytes, uint64_t value)
{
	expect_ok("viommu_reg_write", viommu_reg_write(w->iommu, offset, bytes, value));
}

static void boot(struct riscv_world *w, uint64_t directory)
{
	w->queue = guest_alloc(&w->guest, QUEUE * 16);
	w->status = guest_alloc(&w->guest, GUEST_PAGE);
	write_register(w, REG_CQB, 8, PPN(w->queue) | (QUEUE_LG2 - 1));
	write_register(w, REG_CQCSR, 4, 1);
	write_register(w, REG_DDTP, 8, PPN(directory) | DDTP_1LVL);
}

struct riscv_world *riscv_world_new(uint64_t pages, uint64_t stride)
{
	struct riscv_world *w = calloc(1, sizeof(*w));
	struct guest_paging paging;
	uint64_t directory;
	uint64_t *context;

	if (!w) {
		perror("calloc");
		exit(1);
	}
	guest_init(&w->guest, pages * GUEST_PAGE);
	directory = guest_alloc(&w->guest, GUEST_PAGE);
	context = guest_at(&w->guest, directory);
	guest_riscv(&w->guest, &paging, 4);
	guest_pages_init(&w->pages, &w->guest, &paging, pages, GUEST_IOVA, stride);
	context[0] = htole64(TC_V);
	context[2] = htole64(TA_PSCID);
	context[3] = htole64(SATP_SV48 | paging.root >> 12);
	create(w);
	boot(w, directory);
	riscv_finish(w);
	return w;
}

void riscv_world_free(struct riscv_world *w)
{
	expect_ok("viommu_channel_free", viommu_channel_free(w->channel));
	expect_ok("viommu_device_free", viommu_device_free(w->device));
	expect_ok("viommu_free", viommu_free(w->iommu));
	expect_ok("viommu_vm_free", viommu_vm_free(w->vm));
	guest_pages_fini(&w->pages);
	guest_fini(&w->guest);
	free(w);
}

void riscv_count_requests(struct riscv_world *w)
{
	write_register(w, REG_IOHPMEVT, 8, EVENT_UNTRANSLATED);
}

static void put(struct riscv_world *w, uint64_t lo, uint64_t hi)
{
	uint64_t *command = guest_at(&w->guest, w->queue + (uint64_t)w->tail * 16);

	command[0] = htole64(lo);
	command[1] = htole64(hi);
	w->tail = (w->tail + 1) % QUEUE;
}

void riscv_queue_page(struct riscv_world *w, uint64_t iova)
{
	put(w, VMA_PAGE, PPN(iova));
}

void riscv_queue_all(struct riscv_world *w)
{
	put(w, VMA_ALL, 0);
}

void riscv_finish(struct riscv_world *w)
{
	const uint32_t *status = guest_at(&w->guest, w->status);
	int r;

	put(w, FENCE | (uint64_t)++w->ticket << 32, w->status >> 2);
	r = viommu_reg_write(w->iommu, REG_CQT, 4, w->tail);
	while (r == VIOMMU_PENDING)
		r = viommu_run(w->iommu);
	expect_ok("invalidation", r);
	if (le32toh(__atomic_load_n(status, __ATOMIC_ACQUIRE)) != w->ticket) {
		fprintf(stderr, "invalidation: no status\n");
		abort();
	}
}
