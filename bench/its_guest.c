/* SPDX-License-Identifier: BSD-3-Clause */
/* its_guest.c - what a VMM and a guest do once, before the benchmarks of its_bench.c begin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "counted_memory.h"
#include "its_guest.h"

#define RAM   (4U << 20)
#define BATCH 64U /* commands a write of CWRITER */
#define QUEUE 0x100000U

/* --- the guest --- */

void its_put(struct its_guest *g, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
	const uint64_t words[4] = { w0, w1, w2, w3 };

	memcpy(g->ram + QUEUE + g->tail, words, sizeof(words));
	g->tail = (g->tail + 32) % 0x10000;
}

static void write_reg(struct viommu *u, uint64_t offset, uint64_t value)
{
	int result = viommu_reg_write(u, offset, 8, value);

	while (result == VIOMMU_PENDING)
		result = viommu_run(u);
	expect_ok("viommu_reg_write", result);
}

void its_ring(struct its_guest *g)
{
	write_reg(g->its, 0x88, g->tail);
}

static void mapd(struct its_guest *g, uint64_t device)
{
	its_put(g, 8 | device << 32, 10, ITS_VALID, 0);
}

void its_queue_mapti(struct its_guest *g, uint64_t k)
{
	its_put(g, 0xa | (k / ITS_EACH) << 32, (8192 + k) << 32 | k % ITS_EACH, k % ITS_CPUS, 0);
}

void its_queue_movi(struct its_guest *g, uint64_t k, uint64_t icid)
{
	its_put(g, 1 | (k / ITS_EACH) << 32, k % ITS_EACH, icid, 0);
}

void its_queue_sync(struct its_guest *g)
{
	its_put(g, 5, 0, 0, 0);
}

void its_queue_turn(struct its_guest *g, uint64_t turn)
{
	uint64_t k = turn % 64;

	its_queue_movi(g, k, (k + 1 + turn / 64) % ITS_CPUS);
	its_queue_sync(g);
}

static void program(struct its_guest *g, uint64_t events)
{
	memset(g->ram + 0x200000, 0xa1, 1 << 17);
	for (uint64_t cpu = 0; cpu < ITS_CPUS; cpu++) {
		write_reg(g->lpis, VIOMMU_LPIS_OFFSET(cpu, 0x70), 0x200000 | 16);
		write_reg(g->lpis, VIOMMU_LPIS_OFFSET(cpu, 0x78),
			  (0x300000 + 0x10000 * cpu) | UINT64_C(1) << 62);
		write_reg(g->lpis, VIOMMU_LPIS_OFFSET(cpu, 0), 1);
	}
	write_reg(g->its, 0x100, ITS_VALID | 0x10000 | 15);
	write_reg(g->its, 0x108, ITS_VALID | 0x20000);
	write_reg(g->its, 0x80, ITS_VALID | QUEUE | 15);
	write_reg(g->its, 0, 1);
	for (uint64_t cpu = 0; cpu < ITS_CPUS; cpu++)
		its_put(g, 9, 0, ITS_VALID | cpu << 16 | cpu, 0);
	for (uint64_t device = 0; device < ITS_DEVICES; device++)
		mapd(g, device);
	its_ring(g);
	for (uint64_t k = 0; k < events; k++) {
		its_queue_mapti(g, k);
		if (k % BATCH == BATCH - 1 || k == events - 1)
			its_ring(g);
	}
}

static void drain(void *opaque)
{
	struct its_guest *g = opaque;
	struct viommu_route_change changes[64];
	uint32_t count;

	while (viommu_routes_drain(g->routes, changes, 64, &count) == VIOMMU_MORE)
		;
}

static void add_routes(struct its_guest *g, uint32_t n)
{
	struct viommu_routes_config config = {
		.size = sizeof(config), .gsis = n, .opaque = g, .changed = drain
	};

	expect_ok("viommu_routes_new", viommu_routes_new(g->its, &config, &g->routes));
	for (uint32_t k = 0; k < n; k++) {
		struct viommu_route route = { .size = sizeof(route),
					      .gsi = k,
					      .source = k / ITS_EACH,
					      .address = ITS_DOORBELL,
					      .data = k % ITS_EACH };

		expect_ok("viommu_routes_set", viommu_routes_set(g->routes, &route));
	}
	drain(g);
}

struct its_guest *its_guest_new(uint32_t routes)
{
	return its_guest_with(ITS_EVENTS, routes);
}

struct its_guest *its_guest_with(uint32_t events, uint32_t routes)
{
	struct its_guest *g = calloc(1, sizeof(*g));
	struct viommu_vm_config vm = { .size = sizeof(vm),
				       .opaque = &g->allocated,
				       .alloc = counted_take,
				       .dealloc = counted_give };
	struct viommu_lpis_config lpis = { .size = sizeof(lpis),
					   .cpus = ITS_CPUS,
					   .intid_bits = 17 };
	struct viommu_its_config its = { .size = sizeof(its), .events = 2 * ITS_EVENTS };
	struct viommu_region region = { .size = sizeof(region), .bytes = RAM };

	g->ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->ram == MAP_FAILED)
		unexpected("mmap", VIOMMU_ENOMEM);
	region.host = g->ram;
	expect_ok("viommu_vm_new", viommu_vm_new(&vm, &g->vm));
	expect_ok("viommu_vm_add_region", viommu_vm_add_region(g->vm, &region));
	expect_ok("viommu_lpis_new", viommu_lpis_new(g->vm, &lpis, &g->lpis));
	its.lpis = g->lpis;
	expect_ok("viommu_its_new", viommu_its_new(g->vm, &its, &g->its));
	program(g, events);
	if (routes)
		add_routes(g, routes);
	return g;
}

void its_guest_free(struct its_guest *g)
{
	viommu_routes_free(g->routes);
	viommu_free(g->its);
	viommu_free(g->lpis);
	viommu_vm_free(g->vm);
	munmap(g->ram, RAM);
	free(g);
}
