/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_bench.c - what requests to a virtio-iommu cost, and a lookup among many mappings.
 *
 * One domain with row->n mappings of one page, at every other page. What is timed maps, or unmaps,
 * pages in between, without listeners and open sections; the other half is not timed. A burst is of
 * neighbours, as an allocator of addresses gives them out, somewhere; with _random each is somewhere.
 * lookup asks for the mappings in random order through the device: beyond what the TLB holds.
 */
#include <stdlib.h>

#include "shim.h"
#include "virtio_guest.h"

#define BURST 256U
#define BIG   256U /* pages of a big request */

struct virtio_rig {
	struct virtio_world *virtio;
	uint64_t random;
	uint64_t page[BURST];
};

static void *prepare(const struct bench *row)
{
	struct virtio_rig *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->random = 88172645463325252U;
	w->virtio = virtio_world_new(row->n ? row->n : 1000);
	return w;
}

static void discard(void *world)
{
	struct virtio_rig *w = world;

	virtio_world_free(w->virtio);
	free(w);
}

static uint64_t pick(struct virtio_rig *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % w->virtio->n;
}

/* BURST different pages that are not mapped, spread over all of them. */
static void pick_burst(struct virtio_rig *w)
{
	uint64_t each = w->virtio->n / BURST ? w->virtio->n / BURST : 1;

	for (unsigned i = 0; i < BURST; i++)
		w->page[i] = 2 * (i * each + pick(w) % each) + 1;
	for (unsigned i = BURST - 1; i > 0; i--) {
		unsigned j = (unsigned)(pick(w) % (i + 1));
		uint64_t page = w->page[i];

		w->page[i] = w->page[j];
		w->page[j] = page;
	}
}

/* BURST pages in order that are not mapped, somewhere. */
static void pick_neighbours(struct virtio_rig *w)
{
	uint64_t first = w->virtio->n > BURST ? pick(w) % (w->virtio->n - BURST) : 0;

	for (unsigned i = 0; i < BURST; i++)
		w->page[i] = 2 * (first + i) + 1;
}

static void time_map(struct bench_state *state, struct virtio_rig *w,
		     void (*choose)(struct virtio_rig *w))
{
	while (bench_next_batch(state, BURST)) {
		choose(w);
		bench_start(state);
		for (unsigned i = 0; i < BURST; i++)
			virtio_map(w->virtio, w->page[i], 1);
		bench_stop(state);
		for (unsigned i = 0; i < BURST; i++)
			virtio_unmap(w->virtio, w->page[i], 1);
	}
}

static void time_unmap(struct bench_state *state, struct virtio_rig *w,
		       void (*choose)(struct virtio_rig *w))
{
	while (bench_next_batch(state, BURST)) {
		choose(w);
		for (unsigned i = 0; i < BURST; i++)
			virtio_map(w->virtio, w->page[i], 1);
		bench_start(state);
		for (unsigned i = 0; i < BURST; i++)
			virtio_unmap(w->virtio, w->page[i], 1);
		bench_stop(state);
	}
}

static void run_map(struct bench_state *state, void *world)
{
	time_map(state, world, pick_neighbours);
}

static void run_map_random(struct bench_state *state, void *world)
{
	time_map(state, world, pick_burst);
}

static void run_unmap(struct bench_state *state, void *world)
{
	time_unmap(state, world, pick_neighbours);
}

static void run_unmap_random(struct bench_state *state, void *world)
{
	time_unmap(state, world, pick_burst);
}

/* One request of many pages, a page. */
static void run_map256(struct bench_state *state, void *world)
{
	struct virtio_rig *w = world;

	while (bench_next_batch(state, BIG)) {
		uint64_t page = 2 * w->virtio->n + pick(w) * BIG;

		bench_start(state);
		virtio_map(w->virtio, page, BIG);
		bench_stop(state);
		virtio_unmap(w->virtio, page, BIG);
	}
}

static void run_lookup(struct bench_state *state, void *world)
{
	struct virtio_rig *w = world;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			uint64_t iova = pick(w) * 2 * VIRTIO_PAGE;
			struct viommu_request r = { .first = iova,
						    .last = iova + VIRTIO_PAGE - 1,
						    .pasid = VIOMMU_NO_PASID,
						    .access = VIOMMU_READ };
			struct viommu_fragment fragment;
			struct viommu_answer answer;

			virtio_expect("viommu_device_translate",
				      viommu_device_translate(w->virtio->device, &r, &fragment, 1,
							      &answer));
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
		ROW("virtio/map_random/1000", run_map_random, 1000),
		ROW("virtio/map_random/1000000", run_map_random, 1000000),
		ROW("virtio/unmap_random/1000", run_unmap_random, 1000),
		ROW("virtio/unmap_random/1000000", run_unmap_random, 1000000),
		ROW("virtio/map256", run_map256, 0),
		{ "virtio/lookup/1000000", run_lookup, prepare, discard, 1000000, NULL, BENCH_CPU,
		  0 },
	};

	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
