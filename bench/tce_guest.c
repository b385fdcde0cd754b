/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_guest.c - a VM with TCE tables, see tce_guest.h. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tce_guest.h"

#define LIOBN 0x80000000U

static void expect(const char *what, int64_t result)
{
	if (result == 0)
		return;
	fprintf(stderr, "%s: %lld\n", what, (long long)result);
	exit(1);
}

static void hcall(struct tce_world *w, uint64_t token, uint64_t page, uint64_t third,
		  uint64_t count)
{
	uint64_t registers[VIOMMU_TCE_REGISTERS] = { token, LIOBN, page * TCE_PAGE, third, count };

	expect("hypercall", viommu_tce_hcall(w->iommu, registers, 0));
	expect("status", (int64_t)registers[0]);
}

void tce_put(struct tce_world *w, uint64_t page, uint64_t tce)
{
	hcall(w, 0x20, page, tce, 0);
}

void tce_stuff(struct tce_world *w, uint64_t page, uint64_t tce, uint64_t count)
{
	hcall(w, 0x138, page, tce, count);
}

void tce_indirect(struct tce_world *w, uint64_t page, uint64_t list, uint64_t count)
{
	hcall(w, 0x13c, page, list * TCE_PAGE, count);
}

void tce_list(struct tce_world *w, uint64_t list, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t entry = htobe64(tce_of_page((first + i) % w->pages));

		memcpy(w->ram + list * TCE_PAGE + i * sizeof(entry), &entry, sizeof(entry));
	}
}

struct tce_world *tce_world_new(uint64_t pages, int filled)
{
	struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	struct viommu_tce_config config = { .size = sizeof(config) };
	struct viommu_tce_pe pe = { .size = sizeof(pe), .window = { LIOBN, 12, 0, pages } };
	struct viommu_device_config device = { .size = sizeof(device) };
	struct viommu_region region = { .size = sizeof(region), .bytes = pages * TCE_PAGE };
	struct tce_world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->pages = pages;
	w->ram = aligned_alloc(TCE_PAGE, pages * TCE_PAGE);
	if (!w->ram) {
		free(w);
		return NULL;
	}
	memset(w->ram, 0, pages * TCE_PAGE);
	region.host = w->ram;
	expect("viommu_vm_new", viommu_vm_new(&vm, &w->vm));
	expect("viommu_vm_add_region", viommu_vm_add_region(w->vm, &region));
	expect("viommu_tce_new", viommu_tce_new(w->vm, &config, &w->iommu));
	expect("viommu_tce_add_pe", viommu_tce_add_pe(w->iommu, &pe));
	expect("viommu_device_new", viommu_device_new(w->iommu, &device, &w->device));
	expect("viommu_channel_new", viommu_channel_new(w->device, VIOMMU_NO_PASID, &w->channel));
	for (uint64_t i = 0; filled && i < pages; i++)
		tce_put(w, i, tce_of_page(i));
	return w;
}

void tce_world_free(struct tce_world *w)
{
	viommu_channel_free(w->channel);
	viommu_device_free(w->device);
	viommu_free(w->iommu);
	viommu_vm_free(w->vm);
	free(w->ram);
	free(w);
}
