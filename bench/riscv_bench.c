/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_bench.c - hits, misses and invalidations of the RISC-V IOMMU, first stage Sv48. */
#include "riscv_world.h"
#include "shim.h"
#include "vtd_world.h"

static void *prepare_dense(const struct bench *row)
{
	return riscv_world_new(row->n, GUEST_PAGE);
}

static void *prepare_scattered(const struct bench *row)
{
	(void)row;
	return riscv_world_new(GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void discard(void *world)
{
	riscv_world_free(world);
}

static void section(const struct riscv_world *w, bool open)
{
	int r = open ? viommu_enter(w->channel) : viommu_leave(w->channel);

	if (r != VIOMMU_OK)
		unexpected("section", r);
}

static void run_order(struct bench_state *state, void *world)
{
	const struct riscv_world *w = world;
	uint64_t n = w->pages.n;

	section(w, true);
	while (bench_next_batch(state, n)) {
		for (uint64_t i = 0; i < n; i++)
			bench_use(vtd_ask(w->channel, w->pages.iova[i]));
	}
	section(w, false);
}

static void run_miss(struct bench_state *state, void *world)
{
	struct riscv_world *w = world;
	uint64_t n = w->pages.n, iova = w->pages.iova[0];

	while (bench_next_batch(state, n)) {
		riscv_queue_all(w);
		riscv_finish(w);
		section(w, true);
		bench_start(state);
		for (uint64_t i = 0; i < n; i++)
			iova = guest_pages_next(&w->pages, vtd_ask(w->channel, iova));
		bench_stop(state);
		section(w, false);
	}
}

/* Pages that are cached, 64 at a time with a fence behind them. */
static void run_invalidate_page(struct bench_state *state, void *world)
{
	struct riscv_world *w = world;

	for (uint64_t at = 0; bench_next_batch(state, 64); at = (at + 64) % (w->pages.n - 63)) {
		for (uint64_t i = 0; i < 64; i++) {
			bench_use(vtd_ask_device(w->device, w->pages.iova[at + i]));
			riscv_queue_page(w, w->pages.iova[at + i]);
		}
		bench_start(state);
		riscv_finish(w);
		bench_stop(state);
	}
}

#define ROW(run_, prepare_, n_, clock_)                                                            \
	.run = (run_), .prepare = (prepare_), .discard = discard, .n = (n_), .clock = (clock_)

static const struct bench rows[] = {
	{ .name = "riscv/hit/channel/throughput",
	  ROW(run_order, prepare_dense, GUEST_HOT, BENCH_CPU) },
	{ .name = "riscv/hit/shared/10000", ROW(run_order, prepare_dense, 10000, BENCH_CPU) },
	{ .name = "riscv/miss/sv48", ROW(run_miss, prepare_scattered, 0, BENCH_STOPWATCH) },
	{ .name = "riscv/miss_structure_cache/sv48",
	  ROW(run_miss, prepare_dense, 4096, BENCH_STOPWATCH) },
	{ .name = "riscv/invalidate/page/1000",
	  ROW(run_invalidate_page, prepare_dense, 1000, BENCH_STOPWATCH) },
};

void bench_suite_riscv(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
