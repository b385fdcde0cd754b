/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memory_bench.c - what the library asks its VM's allocator for: bytes_each, of a device or channel
 * that does nothing, and of an entry of the shared TLB. The time is that of making one.
 */
#include <stdlib.h>

#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include "counted_memory.h"
#include "shim.h"
#include "vtd_world.h"

#define MANY 1024U

struct memory_world {
	struct viommu_vm *vm;
	struct viommu *iommu;
	uint64_t allocated; /* bytes that the library has, now */
};

/* 0 TLB entries: the default */
static struct viommu *create_iommu(struct memory_world *w, uint32_t tlb_entries)
{
	struct viommu_limits limits = { .size = sizeof(limits), .tlb_entries = tlb_entries };
	struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };
	struct viommu *iommu;

	expect_ok("viommu_vtd_new", viommu_vtd_new(w->vm, &config, &iommu));
	return iommu;
}

static void *prepare(const struct bench *row)
{
	struct memory_world *w = calloc(1, sizeof(*w));
	struct viommu_vm_config config = { .size = sizeof(config),
					   .alloc = counted_take,
					   .dealloc = counted_give };

	(void)row;
	if (!w)
		return NULL;
	config.opaque = &w->allocated;
	expect_ok("viommu_vm_new", viommu_vm_new(&config, &w->vm));
	w->iommu = create_iommu(w, 0);
	return w;
}

static void discard(void *world)
{
	struct memory_world *w = world;

	expect_ok("viommu_free", viommu_free(w->iommu));
	expect_ok("viommu_vm_free", viommu_vm_free(w->vm));
	free(w);
}

static struct viommu_device *create_device(struct memory_world *w, uint32_t id)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = id };
	struct viommu_device *device;

	expect_ok("viommu_device_new", viommu_device_new(w->iommu, &config, &device));
	return device;
}

static void run_device(struct bench_state *state, void *world)
{
	struct memory_world *w = world;
	struct viommu_device *device[MANY];
	uint64_t before = w->allocated;

	while (bench_next_batch(state, MANY)) {
		bench_start(state);
		for (uint32_t i = 0; i < MANY; i++)
			device[i] = create_device(w, i);
		bench_stop(state);
		bench_counter(state, "bytes_each", (double)(w->allocated - before) / MANY);
		for (uint32_t i = 0; i < MANY; i++)
			expect_ok("viommu_device_free", viommu_device_free(device[i]));
	}
}

static void run_channel(struct bench_state *state, void *world)
{
	struct memory_world *w = world;
	struct viommu_device *device = create_device(w, 0);
	struct viommu_channel *channel[MANY];
	uint64_t before = w->allocated;

	while (bench_next_batch(state, MANY)) {
		bench_start(state);
		for (uint32_t i = 0; i < MANY; i++)
			expect_ok("viommu_channel_new",
				  viommu_channel_new(device, VIOMMU_NO_PASID, &channel[i]));
		bench_stop(state);
		bench_counter(state, "bytes_each", (double)(w->allocated - before) / MANY);
		for (uint32_t i = 0; i < MANY; i++)
			expect_ok("viommu_channel_free", viommu_channel_free(channel[i]));
	}
	expect_ok("viommu_device_free", viommu_device_free(device));
}

/*
 * An IOMMU with as many more entries as were asked for: the rounding to whole sets, a power of two
 * of them, is included.
 */
static void run_tlb_entry(struct bench_state *state, void *world)
{
	struct memory_world *w = world;
	uint64_t n = 65536;

	while (bench_next(state)) {
		uint64_t at_first = w->allocated, with_n, with_2n;
		struct viommu *iommu = create_iommu(w, (uint32_t)n);

		with_n = w->allocated - at_first;
		expect_ok("viommu_free", viommu_free(iommu));
		bench_start(state);
		iommu = create_iommu(w, (uint32_t)(2 * n));
		bench_stop(state);
		with_2n = w->allocated - at_first;
		expect_ok("viommu_free", viommu_free(iommu));
		bench_counter(state, "bytes_each", (double)(with_2n - with_n) / (double)n);
	}
}

#define ROW(what)                                                                                  \
	.run = run_##what, .prepare = prepare, .discard = discard, .clock = BENCH_STOPWATCH

static const struct bench rows[] = {
	{ .name = "memory/device", ROW(device) },
	{ .name = "memory/channel", ROW(channel) },
	{ .name = "memory/tlb_entry", ROW(tlb_entry) },
};

void bench_suite_memory(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
