/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dma_bench.c - what it costs to do the DMA through the library (dma.h), beside doing it with the host
 * pointer that a translation gives.
 */
#include <string.h>

#include <libvirtiommu/dma.h>

#include "shim.h"
#include "vtd_world.h"

#define PAGES 16U
#define BYTES ((uint64_t)PAGES * GUEST_PAGE)

static unsigned char buffer[2][BYTES];

/* Pages that are neighbours for the device, and nowhere else. */
static void *prepare_hot(const struct bench *row)
{
	struct vtd_shape shape = { VTD_SS4, GUEST_HOT, GUEST_PAGE, 1, 1, 0 };

	(void)row;
	memset(buffer, 1, sizeof(buffer));
	return vtd_world_new(&shape);
}

static void discard(void *world)
{
	vtd_world_free(world);
}

/* A translation, and a load at its host pointer. */
static uint64_t by_hand(struct viommu_channel *channel, uint64_t iova)
{
	struct viommu_request request = vtd_read(iova);
	struct viommu_fragment fragment;
	struct viommu_answer answer;
	int r;

	request.last = iova + 7;
	r = viommu_translate(channel, &request, &fragment, 1, &answer);
	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_translate", r);
	return __atomic_load_n((uint64_t *)fragment.host, __ATOMIC_ACQUIRE);
}

static uint64_t by_read(struct viommu_channel *channel, uint64_t iova)
{
	uint64_t word;
	int r = viommu_dma_read(channel, iova, &word, sizeof(word), 0, NULL);

	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_dma_read", r);
	return word;
}

#define LOOP(name, section, one)                                                                   \
	static void name(struct bench_state *state, void *world)                                   \
	{                                                                                          \
		struct vtd_world *w = world;                                                       \
		struct viommu_channel *channel = w->channel[0];                                    \
		uint64_t k = 0;                                                                    \
                                                                                                   \
		if (section)                                                                       \
			expect_ok("viommu_enter", viommu_enter(channel));                          \
		while (bench_next_batch(state, 16))                                                \
			for (unsigned i = 0; i < 16; i++) {                                        \
				bench_use(one(channel, w->pages.iova[k]));                         \
				if (++k == w->pages.n)                                             \
					k = 0;                                                     \
			}                                                                          \
		if (section)                                                                       \
			expect_ok("viommu_leave", viommu_leave(channel));                          \
	}

LOOP(run_by_hand, true, by_hand)
LOOP(run_read, true, by_read)
LOOP(run_read_section, false, by_read)

static void run_device_read(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	uint64_t k = 0, word;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			expect_ok("viommu_device_dma_read",
				  viommu_device_dma_read(w->device[0], VIOMMU_NO_PASID,
							 w->pages.iova[k], &word, sizeof(word), 0,
							 NULL));
			bench_use(word);
			if (++k == w->pages.n)
				k = 0;
		}
}

static void run_read_pages(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;

	while (bench_next(state)) {
		expect_ok("viommu_dma_read",
			  viommu_dma_read(w->channel[0], w->pages.base, buffer[0], BYTES, 0, NULL));
		bench_use(buffer[0][0]);
	}
}

static void run_write_pages(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;

	while (bench_next(state))
		expect_ok("viommu_dma_write", viommu_dma_write(w->channel[0], w->pages.base,
							       buffer[0], BYTES, 0, NULL));
}

/* As many bytes of pages as scattered, whose host pointers are known. */
static void run_memcpy(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	struct viommu_fragment fragments[PAGES];
	struct viommu_request request = vtd_read(w->pages.base);
	struct viommu_answer answer;

	request.last = w->pages.base + BYTES - 1;
	expect_ok("viommu_translate",
		  viommu_translate(w->channel[0], &request, fragments, PAGES, &answer));
	while (bench_next(state)) {
		unsigned char *to = buffer[0];

		for (uint32_t i = 0; i < answer.count; i++) {
			memcpy(to, fragments[i].host, fragments[i].length);
			to += fragments[i].length;
		}
		bench_use(buffer[0][0]);
	}
}

static void run_section(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	struct viommu_section section = { .device = NULL };

	while (bench_next(state)) {
		expect_ok("viommu_device_enter", viommu_device_enter(w->device[0], &section));
		expect_ok("viommu_device_leave", viommu_device_leave(&section));
	}
}

#define HOT(run_) .run = run_, .prepare = prepare_hot, .discard = discard, .n = GUEST_HOT

static const struct bench rows[] = {
	{ .name = "dma/by_hand/8", HOT(run_by_hand) },
	{ .name = "dma/read/8", HOT(run_read) },
	{ .name = "dma/read_and_section/8", HOT(run_read_section) },
	{ .name = "dma/device_read/8", HOT(run_device_read) },
	{ .name = "dma/memcpy/64KiB", HOT(run_memcpy) },
	{ .name = "dma/read/64KiB", HOT(run_read_pages) },
	{ .name = "dma/write/64KiB", HOT(run_write_pages) },
	{ .name = "section/device_enter_leave", HOT(run_section) },
};

void bench_suite_dma(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
