/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_its_tables.c - viommu_its_restore_tables() of what a hostile guest has prepared.
 *
 *	bytes 0-7	BASER0; its address is within memory most of the time
 *	bytes 8-15	BASER1
 *	then		words for memory: 2 bytes where (in words), 8 bytes what
 *
 * It is refused whole, or taken; what is taken and saved again can be restored, with the same answers.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/its.h>
#include <libvirtiommu/vm.h>

#include "harness.h"

#define RAM  0x40000U
#define BASE UINT64_C(0x8000000)

/* Functions that a call may enter for each step, and beside. */
enum { WORK_EACH = 100, WORK_BASE = 2000 };

static uint64_t dirtied;

static void dirty(void *opaque, uint64_t gpa, uint64_t bytes)
{
	(void)opaque;
	(void)gpa;
	dirtied += bytes;
}

static uint64_t word(const uint8_t *data, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, data, bytes);
	return value;
}

static uint64_t answer(struct viommu *its, uint32_t device, uint32_t event)
{
	struct viommu_msi msi;
	int result = viommu_remap_msi(its, device, BASE + 0x10040, event, VIOMMU_MSI_RESOLVE, &msi);

	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
	if (result == VIOMMU_FAULT)
		return UINT64_C(1) << 63 | msi.reason;
	CHECK(msi.cpu < 4 && msi.intid >= 8192 && msi.intid < 65536);
	return (uint64_t)msi.intid << 32 | msi.cpu;
}

/* A sum of all answers, and how many messages are delivered. */
static uint64_t answers(struct viommu *its, uint64_t *delivered)
{
	uint64_t total = 0;

	*delivered = 0;
	for (uint32_t device = 0; device < 1024; device++) {
		for (uint32_t event = 0; event < 64; event++) {
			uint64_t a = answer(its, device, event);

			*delivered += !(a >> 63);
			total = total * 31 + a;
			if (a == (UINT64_C(1) << 63 | 4)) /* no such device */
				break;
		}
	}
	return total;
}

static void enable(struct viommu *its, uint64_t on)
{
	int result = viommu_reg_write(its, 0, 4, on);

	for (unsigned i = 0; i < 1000 && result == VIOMMU_PENDING; i++)
		result = viommu_run(its);
	CHECK(result == VIOMMU_OK);
}

/* Saved until nothing is written any more, tables do not lie on one another: then they are restored
 * as they were. */
static void again(struct viommu *its, uint64_t before)
{
	uint64_t delivered;
	int result = viommu_its_save_tables(its);

	CHECK(result == VIOMMU_OK || result == VIOMMU_FAULT);
	dirtied = 0;
	if (result == VIOMMU_OK)
		result = viommu_its_save_tables(its);
	if (result != VIOMMU_OK || dirtied)
		return;
	enable(its, 0);
	CHECK(viommu_its_restore_tables(its) == VIOMMU_OK);
	enable(its, 1);
	CHECK(answers(its, &delivered) == before);
}

static void try(struct viommu *its, const uint8_t *data)
{
	uint64_t delivered;
	uint64_t before;
	int result;

	viommu_reg_write(its, 0x100, 8,
			 (word(data, 8) & ~UINT64_C(0xfffffffc0000)) | UINT64_C(1) << 63);
	viommu_reg_write(its, 0x108, 8,
			 (word(data + 8, 8) & ~UINT64_C(0xfffffffc0000)) | UINT64_C(1) << 63);
	viommu_reg_write(its, 0x80, 8, UINT64_C(1) << 63);
	result = viommu_its_restore_tables(its);
	enable(its, 1);
	before = answers(its, &delivered);
	CHECK(result == VIOMMU_OK || delivered == 0);
	if (result == VIOMMU_OK)
		again(its, before);
	else
		CHECK(result == VIOMMU_ESTATE || result == VIOMMU_FAULT ||
		      result == VIOMMU_ELIMIT || result == VIOMMU_ENOTSUP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct viommu_vm_config vm_config = { .size = sizeof(vm_config),
					      .dirty = dirty,
					      .hash_key = { 1, 2 } };
	struct viommu_lpis_config l = { .size = sizeof(l), .cpus = 4 };
	struct viommu_its_config i = { .size = sizeof(i), .typer = 0x12f71, .base = BASE };
	struct viommu_region region = { .size = sizeof(region), .bytes = RAM };
	struct viommu_vm *vm = NULL;
	struct viommu *lpis = NULL;
	struct viommu *its = NULL;
	uint8_t *ram;

	if (size < 16)
		return 0;
	ram = aligned_alloc(4096, RAM);
	CHECK(ram != NULL);
	memset(ram, 0, RAM);
	for (size_t at = 16; at + 10 <= size; at += 10)
		memcpy(ram + word(data + at, 2) % (RAM / 8) * 8, data + at + 2, 8);
	region.host = ram;
	work_expect(4096, WORK_EACH, WORK_BASE);
	CHECK(viommu_vm_new(&vm_config, &vm) == VIOMMU_OK &&
	      viommu_vm_add_region(vm, &region) == VIOMMU_OK &&
	      viommu_lpis_new(vm, &l, &lpis) == VIOMMU_OK);
	i.lpis = lpis;
	CHECK(viommu_its_new(vm, &i, &its) == VIOMMU_OK);
	try(its, data);
	CHECK(viommu_free(its) == VIOMMU_OK && viommu_free(lpis) == VIOMMU_OK &&
	      viommu_vm_free(vm) == VIOMMU_OK);
	free(ram);
	return 0;
}
