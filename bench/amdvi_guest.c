/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_guest.c - what a VMM and a guest with an AMD IOMMU do once, before anything is measured. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "amdvi_guest.h"

/* Registers and bits of the specification (48882) by number. */
#define REG_DEV_TABLE 0x00U
#define REG_CMD_BASE  0x08U
#define REG_CONTROL   0x18U
#define REG_CMD_TAIL  0x2008U
#define CONTROL	      ((uint64_t)1 | 1 << 12 | 1 << 17) /* IommuEn, CmdBufEn, GAEn */
#define LENGTH_256    ((uint64_t)8 << 56)
#define COMMAND_BYTES 4096U

#define PR     ((uint64_t)1)
#define ACCESS ((uint64_t)3 << 61) /* IR, IW */
#define LEVELS 4U

#define OP(n) ((uint64_t)(n) << 60)

static void write_register(struct amdvi_guest *g, uint64_t offset, uint64_t value)
{
	expect_ok("viommu_reg_write", viommu_reg_write(g->iommu, offset, 8, value));
}

/* Entries say which level the next table is of. */
static void say_levels(struct amdvi_guest *g, uint64_t table, unsigned level)
{
	uint64_t *entry = guest_at(&g->guest, table);

	for (unsigned i = 0; level > 1 && i < 512; i++) {
		if (!entry[i])
			continue;
		say_levels(g, entry[i] & 0xffffffffff000, level - 1);
		entry[i] |= (uint64_t)(level - 1) << 9;
	}
}

static void build_tables(struct amdvi_guest *g, uint64_t pages, uint64_t stride, uint64_t devices)
{
	struct guest_paging v1 = { .root = guest_alloc(&g->guest, GUEST_PAGE),
				   .levels = LEVELS,
				   .table_bits = PR | ACCESS,
				   .page_bits = PR | ACCESS };
	uint64_t *dte = guest_at(&g->guest, devices);

	guest_pages_init(&g->pages, &g->guest, &v1, pages, GUEST_IOVA, stride);
	say_levels(g, v1.root, LEVELS);
	dte[0] = 3 | LEVELS << 9 | v1.root | ACCESS; /* V, TV, Mode */
	dte[1] = 1;
	for (uint32_t i = 0; i < AMDVI_MESSAGES; i++) {
		uint64_t table = guest_alloc(&g->guest, GUEST_PAGE);
		uint64_t *irte = guest_at(&g->guest, table);

		irte[2 * i] = 1 | (uint64_t)i << 8; /* RemapEn */
		irte[2 * i + 1] = 0x30 + i;
		dte[4 * i + 2] =
			1 | 9 << 1 | table | (uint64_t)2 << 60; /* IV, 512 entries, remapped */
	}
}

static void create(struct amdvi_guest *g, uint64_t pages)
{
	struct viommu_vm_config vm = { .size = sizeof(vm),
				       .hash_key = { 0x243f6a8885a308d3, 0x13198a2e03707344 } };
	struct viommu_region low = { .size = sizeof(low),
				     .host = g->guest.low,
				     .bytes = GUEST_LOW_SIZE };
	struct viommu_region high = { .size = sizeof(high),
				      .gpa = GUEST_HIGH,
				      .host = g->guest.high,
				      .bytes = g->guest.high_size };
	struct viommu_limits limits = { .size = sizeof(limits),
					.tlb_entries =
						pages > 32768 ? 2 * (uint32_t)pages : 65536 };
	struct viommu_amdvi_config config = { .size = sizeof(config), .limits = &limits };
	struct viommu_device_config device = { .size = sizeof(device) };

	expect_ok("viommu_vm_new", viommu_vm_new(&vm, &g->vm));
	expect_ok("viommu_vm_add_region", viommu_vm_add_region(g->vm, &low));
	expect_ok("viommu_vm_add_region", viommu_vm_add_region(g->vm, &high));
	expect_ok("viommu_amdvi_new", viommu_amdvi_new(g->vm, &config, &g->iommu));
	expect_ok("viommu_device_new", viommu_device_new(g->iommu, &device, &g->device));
	expect_ok("viommu_channel_new",
		  viommu_channel_new(g->device, VIOMMU_NO_PASID, &g->channel));
}

struct amdvi_guest *amdvi_guest_new(uint64_t pages, uint64_t stride)
{
	struct amdvi_guest *g = calloc(1, sizeof(*g));
	uint64_t devices;

	if (!g)
		unexpected("calloc", VIOMMU_ENOMEM);
	guest_init(&g->guest, pages * GUEST_PAGE);
	create(g, pages);
	devices = guest_alloc(&g->guest, GUEST_PAGE);
	g->commands = guest_alloc(&g->guest, COMMAND_BYTES);
	g->status = guest_alloc(&g->guest, GUEST_PAGE);
	build_tables(g, pages, stride, devices);
	write_register(g, REG_DEV_TABLE, devices);
	write_register(g, REG_CMD_BASE, g->commands | LENGTH_256);
	write_register(g, REG_CONTROL, CONTROL);
	return g;
}

void amdvi_guest_free(struct amdvi_guest *g)
{
	expect_ok("viommu_channel_free", viommu_channel_free(g->channel));
	expect_ok("viommu_device_free", viommu_device_free(g->device));
	expect_ok("viommu_free", viommu_free(g->iommu));
	expect_ok("viommu_vm_free", viommu_vm_free(g->vm));
	guest_pages_fini(&g->pages);
	guest_fini(&g->guest);
	free(g);
}

static void put(struct amdvi_guest *g, uint64_t w0, uint64_t w1)
{
	uint64_t *command = guest_at(&g->guest, g->commands + g->tail);

	command[0] = w0;
	command[1] = w1;
	g->tail = (g->tail + 16) % COMMAND_BYTES;
}

void amdvi_guest_finish(struct amdvi_guest *g)
{
	const uint64_t *status = guest_at(&g->guest, g->status);
	int r;

	put(g, OP(1) | g->status | 1, ++g->ticket);
	r = viommu_reg_write(g->iommu, REG_CMD_TAIL, 8, g->tail);
	while (r == VIOMMU_PENDING)
		r = viommu_run(g->iommu);
	expect_ok("commands", r);
	if (*status != g->ticket)
		unexpected("status", VIOMMU_PENDING);
}

void amdvi_guest_queue_page(struct amdvi_guest *g, uint64_t iova)
{
	put(g, OP(3) | (uint64_t)1 << 32, iova);
}

void amdvi_guest_flush(struct amdvi_guest *g)
{
	put(g, OP(3) | (uint64_t)1 << 32, 0x7ffffffffffff003);
	amdvi_guest_finish(g);
}

void amdvi_guest_flush_interrupts(struct amdvi_guest *g)
{
	for (uint32_t i = 0; i < AMDVI_MESSAGES; i++)
		put(g, OP(5) | i, 0);
	amdvi_guest_finish(g);
}
