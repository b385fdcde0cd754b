/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_world.c - what a VMM and a guest do once, before figures of an SMMUv3 begin. */
#define _GNU_SOURCE
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "smmuv3_world.h"
#include "vtd_world.h"

/* 6.3 registers, by offset */
#define REG_CR0	       0x20U
#define REG_STRTAB     0x80U
#define REG_STRTAB_CFG 0x88U
#define REG_CMDQ_BASE  0x90U
#define REG_CMDQ_PROD  0x98U

#define CR0_ON 9U /* SMMUEN, CMDQEN */

/* 5.2, 5.4: valid; Config; S2T0SZ 16, S2SL0 2, 4 KiB, S2PS 5, S2AA64, S2R; and T0SZ 16, 4 KiB, EPD1, AA64, A, R, IPS 5, ASID */
#define STE_CONFIG(n) ((uint64_t)(1 | (n) << 1))
#define STE2                                                                                       \
	((uint64_t)VMID | (uint64_t)16 << 32 | (uint64_t)2 << 38 | (uint64_t)5 << 48 |             \
	 (uint64_t)1 << 51 | (uint64_t)1 << 58)
#define CD0                                                                                        \
	((uint64_t)16 | (uint64_t)1 << 30 | (uint64_t)1 << 31 | (uint64_t)5 << 32 |                \
	 (uint64_t)1 << 41 | (uint64_t)3 << 45 | (uint64_t)ASID << 48)
#define ASID 5U
#define VMID 2U

/* Descriptors: AF, inner shareable, read and write; stage 1 not global */
#define TABLE	 ((uint64_t)3)
#define PAGE_S1	 ((uint64_t)0xf43)
#define PAGE_S2	 ((uint64_t)0x7ff)
#define BLOCK_S2 ((uint64_t)0x7fd)

/* 4 commands */
#define CMD_NH_ASID 0x11U
#define CMD_NH_VA   0x12U
#define CMD_S12	    0x28U
#define CMD_S2_IPA  0x2aU
#define CMD_SYNC    (0x46U | 1U << 12) /* CS: the message */

#define QUEUE_LG2 8U
#define QUEUE	  (1U << QUEUE_LG2)

static void add_region(struct smmuv3_world *w, uint64_t gpa, void *host, uint64_t bytes)
{
	const struct viommu_region region = {
		.size = sizeof(region), .gpa = gpa, .bytes = bytes, .host = host
	};

	expect_ok("viommu_vm_add_region", viommu_vm_add_region(w->vm, &region));
}

static void create(struct smmuv3_world *w)
{
	const struct viommu_vm_config vm = {
		.size = sizeof(vm), .hash_key = { 0x243f6a8885a308d3, 0x13198a2e03707344 }
	};
	const struct viommu_smmuv3_config config = { .size = sizeof(config) };
	const struct viommu_device_config device = { .size = sizeof(device), .id = 0 };

	expect_ok("viommu_vm_new", viommu_vm_new(&vm, &w->vm));
	add_region(w, 0, w->guest.low, GUEST_LOW_SIZE);
	add_region(w, GUEST_HIGH, w->guest.high, w->guest.high_size);
	expect_ok("viommu_smmuv3_new", viommu_smmuv3_new(w->vm, &config, &w->iommu));
	expect_ok("viommu_device_new", viommu_device_new(w->iommu, &device, &w->device));
	expect_ok("viommu_channel_new",
		  viommu_channel_new(w->device, VIOMMU_NO_PASID, &w->channel));
}

static void write_register(struct smmuv3_world *w, uint64_t offset, uint32_t bytes, uint64_t value)
{
	int r = viommu_reg_write(w->iommu, offset, bytes, value);

	while (r == VIOMMU_PENDING)
		r = viommu_run(w->iommu);
	expect_ok("viommu_reg_write", r);
}

static void boot(struct smmuv3_world *w, uint64_t streams)
{
	w->queue = guest_alloc(&w->guest, QUEUE * 16);
	w->status = guest_alloc(&w->guest, GUEST_PAGE);
	write_register(w, REG_STRTAB, 8, streams);
	write_register(w, REG_STRTAB_CFG, 4, 6);
	write_register(w, REG_CMDQ_BASE, 8, w->queue | QUEUE_LG2);
	write_register(w, REG_CR0, 4, CR0_ON);
}

static struct guest_paging paging(struct smmuv3_world *w, uint64_t page_bits)
{
	return (struct guest_paging){ .root = guest_alloc(&w->guest, GUEST_PAGE),
				      .levels = 4,
				      .table_bits = TABLE,
				      .page_bits = page_bits };
}

/* All of memory to itself. */
static void put_identity(struct smmuv3_world *w, const struct guest_paging *p)
{
	uint64_t last = GUEST_HIGH + w->guest.high_size;

	for (uint64_t gpa = 0; gpa < last; gpa += (uint64_t)1 << 30)
		*guest_entry(&w->guest, p, gpa, 2) = htole64(gpa | BLOCK_S2);
}

static void put_stream(struct smmuv3_world *w, uint64_t *ste, const struct guest_paging *first,
		       const struct guest_paging *second)
{
	static const unsigned configs[] = { 5, 6, 7 };
	uint64_t descriptor = guest_alloc(&w->guest, GUEST_PAGE);
	uint64_t *cd = guest_at(&w->guest, descriptor);

	cd[0] = htole64(CD0);
	cd[1] = htole64(first->root);
	ste[0] = htole64(STE_CONFIG(configs[w->stages]) | descriptor);
	ste[2] = htole64(STE2);
	ste[3] = htole64(second->root);
}

struct smmuv3_world *smmuv3_world_new(enum smmuv3_stages stages, uint64_t pages, uint64_t stride)
{
	struct smmuv3_world *w = calloc(1, sizeof(*w));
	struct guest_paging first, second;
	uint64_t streams;

	if (!w) {
		perror("calloc");
		exit(1);
	}
	w->stages = stages;
	guest_init(&w->guest, pages * GUEST_PAGE);
	streams = guest_alloc(&w->guest, GUEST_PAGE);
	first = paging(w, PAGE_S1);
	second = paging(w, PAGE_S2);
	guest_pages_init(&w->pages, &w->guest, stages == SMMUV3_STAGE2 ? &second : &first, pages,
			 GUEST_IOVA, stride);
	if (stages == SMMUV3_NESTED)
		put_identity(w, &second);
	put_stream(w, guest_at(&w->guest, streams), &first, &second);
	create(w);
	boot(w, streams);
	smmuv3_finish(w);
	return w;
}

void smmuv3_world_free(struct smmuv3_world *w)
{
	expect_ok("viommu_channel_free", viommu_channel_free(w->channel));
	expect_ok("viommu_device_free", viommu_device_free(w->device));
	expect_ok("viommu_free", viommu_free(w->iommu));
	expect_ok("viommu_vm_free", viommu_vm_free(w->vm));
	guest_pages_fini(&w->pages);
	guest_fini(&w->guest);
	free(w);
}

static void put(struct smmuv3_world *w, uint64_t lo, uint64_t hi)
{
	uint64_t *command = guest_at(&w->guest, w->queue + (uint64_t)(w->prod % QUEUE) * 16);

	command[0] = htole64(lo);
	command[1] = htole64(hi);
	w->prod = (w->prod + 1) % (2 * QUEUE);
}

#define IDS ((uint64_t)VMID << 32 | (uint64_t)ASID << 48)

void smmuv3_queue_page(struct smmuv3_world *w, uint64_t iova)
{
	put(w, (w->stages == SMMUV3_STAGE2 ? CMD_S2_IPA : CMD_NH_VA) | IDS, iova | 1);
}

void smmuv3_queue_asid(struct smmuv3_world *w)
{
	put(w, CMD_NH_ASID | IDS, 0);
}

void smmuv3_queue_all(struct smmuv3_world *w)
{
	put(w, CMD_S12 | IDS, 0);
}

void smmuv3_finish(struct smmuv3_world *w)
{
	const uint32_t *status = guest_at(&w->guest, w->status);
	int r;

	put(w, CMD_SYNC | (uint64_t)++w->ticket << 32, w->status);
	r = viommu_reg_write(w->iommu, REG_CMDQ_PROD, 4, w->prod);
	while (r == VIOMMU_PENDING)
		r = viommu_run(w->iommu);
	expect_ok("invalidation", r);
	if (le32toh(__atomic_load_n(status, __ATOMIC_ACQUIRE)) != w->ticket) {
		fprintf(stderr, "invalidation: no status\n");
		abort();
	}
}
