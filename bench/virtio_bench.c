/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_bench.c - what requests to a virtio-iommu cost, and a lookup among many mappings.
 *
 * One domain with row->n mappings of one page, at every other page. What is timed maps, or unmaps,
 * pages in between at random, without listeners and open sections; the other half is not timed.
 * lookup asks for the mappings in random order through the device: beyond what the TLB holds.
 */
#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vm.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

#define PAGE	 UINT64_C(4096)
#define BURST	 256U
#define DOMAIN	 1U
#define ENDPOINT 8U
#define BIG	 256U /* pages of a big request */

#define ATTACH_BYTES 20U
#define MAP_BYTES    36U
#define UNMAP_BYTES  28U

struct virtio_world {
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device;
	uint64_t n;
	uint64_t random;
	uint64_t page[BURST];
};

static _Noreturn void unexpected(const char *what, int result)
{
	fprintf(stderr, "%s: %d\n", what, result);
	exit(1);
}

static void expect(const char *what, int result)
{
	if (result != VIOMMU_OK)
		unexpected(what, result);
}

/* The host of these benchmarks is little-endian, as the requests are. */
static void put32(unsigned char *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

static void put64(unsigned char *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

static void request(struct virtio_world *w, unsigned char *bytes, uint32_t count)
{
	unsigned char tail[4] = { 0xff, 0, 0, 0 };
	struct viommu_part in = { bytes, count };
	struct viommu_part out = { tail, sizeof(tail) };
	uint32_t written;

	expect("viommu_virtio_request",
	       viommu_virtio_request(w->iommu, &in, 1, &out, 1, 0, &written));
	if (tail[0])
		unexpected("status", tail[0]);
}

static void map(struct virtio_world *w, uint64_t page, uint64_t pages)
{
	unsigned char bytes[MAP_BYTES] = { 3 };

	put32(bytes + 4, DOMAIN);
	put64(bytes + 8, page * PAGE);
	put64(bytes + 16, (page + pages) * PAGE - 1);
	put64(bytes + 24, page * PAGE);
	put32(bytes + 32, 3);
	request(w, bytes, sizeof(bytes));
}

static void unmap(struct virtio_world *w, uint64_t page, uint64_t pages)
{
	unsigned char bytes[UNMAP_BYTES] = { 4 };

	put32(bytes + 4, DOMAIN);
	put64(bytes + 8, page * PAGE);
	put64(bytes + 16, (page + pages) * PAGE - 1);
	request(w, bytes, sizeof(bytes));
}

static void *prepare(const struct bench *row)
{
	struct viommu_vm_config vm = { .size = sizeof(vm), .hash_key = { 1, 2 } };
	struct viommu_virtio_config config = { .size = sizeof(config) };
	struct viommu_device_config device = { .size = sizeof(device), .id = ENDPOINT };
	unsigned char attach[ATTACH_BYTES] = { 1 };
	struct virtio_world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->n = row->n ? row->n : 1000;
	w->random = 88172645463325252U;
	expect("viommu_vm_new", viommu_vm_new(&vm, &w->vm));
	expect("viommu_virtio_new", viommu_virtio_new(w->vm, &config, &w->iommu));
	expect("viommu_device_new", viommu_device_new(w->iommu, &device, &w->device));
	put32(attach + 4, DOMAIN);
	put32(attach + 8, ENDPOINT);
	request(w, attach, sizeof(attach));
	for (uint64_t i = 0; i < w->n; i++)
		map(w, 2 * i, 1);
	return w;
}

static void discard(void *world)
{
	struct virtio_world *w = world;

	viommu_device_free(w->device);
	viommu_free(w->iommu);
	viommu_vm_free(w->vm);
	free(w);
}

static uint64_t pick(struct virtio_world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % w->n;
}

/* BURST different pages that are not mapped, spread over all of them. */
static void pick_burst(struct virtio_world *w)
{
	uint64_t each = w->n / BURST ? w->n / BURST : 1;

	for (unsigned i = 0; i < BURST; i++)
		w->page[i] = 2 * (i * each + pick(w) % each) + 1;
	for (unsigned i = BURST - 1; i > 0; i--) {
		unsigned j = (unsigned)(pick(w) % (i + 1));
		uint64_t page = w->page[i];

		w->page[i] = w->page[j];
		w->page[j] = page;
	}
}

static void run_map(struct bench_state *state, void *world)
{
	struct virtio_world *w = world;

	while (bench_next_batch(state, BURST)) {
		pick_burst(w);
		bench_start(state);
		for (unsigned i = 0; i < BURST; i++)
			map(w, w->page[i], 1);
		bench_stop(state);
		for (unsigned i = 0; i < BURST; i++)
			unmap(w, w->page[i], 1);
	}
}

static void run_unmap(struct bench_state *state, void *world)
{
	struct virtio_world *w = world;

	while (bench_next_batch(state, BURST)) {
		pick_burst(w);
		for (unsigned i = 0; i < BURST; i++)
			map(w, w->page[i], 1);
		bench_start(state);
		for (unsigned i = 0; i < BURST; i++)
			unmap(w, w->page[i], 1);
		bench_stop(state);
	}
}

/* One request of many pages, a page. */
static void run_map256(struct bench_state *state, void *world)
{
	struct virtio_world *w = world;

	while (bench_next_batch(state, BIG)) {
		uint64_t page = 2 * w->n + pick(w) * BIG;

		bench_start(state);
		map(w, page, BIG);
		bench_stop(state);
		unmap(w, page, BIG);
	}
}

static void run_lookup(struct bench_state *state, void *world)
{
	struct virtio_world *w = world;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			uint64_t iova = pick(w) * 2 * PAGE;
			struct viommu_request r = { .first = iova,
						    .last = iova + PAGE - 1,
						    .pasid = VIOMMU_NO_PASID,
						    .access = VIOMMU_READ };
			struct viommu_fragment fragment;
			struct viommu_answer answer;

			expect("viommu_device_translate",
			       viommu_device_translate(w->device, &r, &fragment, 1, &answer));
			bench_use(fragment.gpa);
		}
}

#define ROW(name, run, n)                                                                          \
	{                                                                                          \
		name, run, prepare, discard, n, NULL, BENCH_STOPWATCH, 0                           \
	}

void bench_suite_virtio(void)
{
	static const struct bench rows[] = {
		ROW("virtio/map/1000", run_map, 1000),
		ROW("virtio/map/1000000", run_map, 1000000),
		ROW("virtio/unmap/1000", run_unmap, 1000),
		ROW("virtio/unmap/1000000", run_unmap, 1000000),
		ROW("virtio/map256", run_map256, 0),
		{ "virtio/lookup/1000000", run_lookup, prepare, discard, 1000000, NULL, BENCH_CPU,
		  0 },
	};

	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
