/* SPDX-License-Identifier: BSD-3-Clause */
/* amdvi_bench.c - hits, misses and messages of AMD-Vi, v1 tables of 4 levels. */
#include "amdvi_guest.h"
#include "shim.h"
#include "vtd_world.h"

static void *prepare_dense(const struct bench *row)
{
	return amdvi_guest_new(row->n, GUEST_PAGE);
}

static void *prepare_scattered(const struct bench *row)
{
	(void)row;
	return amdvi_guest_new(GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void discard(void *world)
{
	amdvi_guest_free(world);
}

static void section(const struct amdvi_guest *g, bool open)
{
	int r = open ? viommu_enter(g->channel) : viommu_leave(g->channel);

	if (r != VIOMMU_OK)
		unexpected("section", r);
}

static void run_order(struct bench_state *state, void *world)
{
	const struct amdvi_guest *g = world;
	uint64_t n = g->pages.n;

	section(g, true);
	while (bench_next_batch(state, n)) {
		for (uint64_t i = 0; i < n; i++)
			bench_use(vtd_ask(g->channel, g->pages.iova[i]));
	}
	section(g, false);
}

static void run_miss(struct bench_state *state, void *world)
{
	struct amdvi_guest *g = world;
	uint64_t n = g->pages.n, iova = g->pages.iova[0];

	while (bench_next_batch(state, n)) {
		amdvi_guest_flush(g);
		section(g, true);
		bench_start(state);
		for (uint64_t i = 0; i < n; i++)
			iova = guest_pages_next(&g->pages, vtd_ask(g->channel, iova));
		bench_stop(state);
		section(g, false);
	}
}

static void run_message(struct bench_state *state, void *world)
{
	while (bench_next_batch(state, AMDVI_MESSAGES)) {
		for (uint32_t i = 0; i < AMDVI_MESSAGES; i++)
			bench_use(amdvi_send(world, i));
	}
}

#define ROW(run_, prepare_, n_, clock_)                                                            \
	.run = (run_), .prepare = (prepare_), .discard = discard, .n = (n_), .clock = (clock_)

static const struct bench rows[] = {
	{ .name = "amdvi/hit/channel/throughput",
	  ROW(run_order, prepare_dense, GUEST_HOT, BENCH_CPU) },
	{ .name = "amdvi/hit/shared/10000", ROW(run_order, prepare_dense, 10000, BENCH_CPU) },
	{ .name = "amdvi/miss/v1", ROW(run_miss, prepare_scattered, 0, BENCH_STOPWATCH) },
	{ .name = "amdvi/miss_structure_cache/v1",
	  ROW(run_miss, prepare_dense, 4096, BENCH_STOPWATCH) },
	{ .name = "amdvi/irq/hit", ROW(run_message, prepare_dense, GUEST_HOT, BENCH_CPU) },
};

void bench_suite_amdvi(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
