/* SPDX-License-Identifier: BSD-3-Clause */
/* smmuv3_bench.c - hits, misses and invalidations of an SMMUv3: stage 1, stage 2, and one on the other. */
#include "smmuv3_world.h"
#include "shim.h"
#include "vtd_world.h"

static void *prepare_dense(const struct bench *row)
{
	return smmuv3_world_new(SMMUV3_STAGE1, row->n, GUEST_PAGE);
}

static void *prepare_stage1(const struct bench *row)
{
	(void)row;
	return smmuv3_world_new(SMMUV3_STAGE1, GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void *prepare_stage2(const struct bench *row)
{
	(void)row;
	return smmuv3_world_new(SMMUV3_STAGE2, GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void *prepare_nested(const struct bench *row)
{
	(void)row;
	return smmuv3_world_new(SMMUV3_NESTED, GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void discard(void *world)
{
	smmuv3_world_free(world);
}

static void section(const struct smmuv3_world *w, bool open)
{
	int r = open ? viommu_enter(w->channel) : viommu_leave(w->channel);

	if (r != VIOMMU_OK)
		unexpected("section", r);
}

static void run_order(struct bench_state *state, void *world)
{
	const struct smmuv3_world *w = world;
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
	struct smmuv3_world *w = world;
	uint64_t n = w->pages.n, iova = w->pages.iova[0];

	while (bench_next_batch(state, n)) {
		smmuv3_queue_all(w);
		smmuv3_finish(w);
		section(w, true);
		bench_start(state);
		for (uint64_t i = 0; i < n; i++)
			iova = guest_pages_next(&w->pages, vtd_ask(w->channel, iova));
		bench_stop(state);
		section(w, false);
	}
}

/* What is cached, 64 commands at a time with a SYNC behind them. */
static void run_invalidate(struct bench_state *state, struct smmuv3_world *w,
			   void (*queue)(struct smmuv3_world *w, uint64_t iova))
{
	for (uint64_t at = 0; bench_next_batch(state, 64); at = (at + 64) % (w->pages.n - 63)) {
		for (uint64_t i = 0; i < 64; i++) {
			bench_use(vtd_ask_device(w->device, w->pages.iova[at + i]));
			queue(w, w->pages.iova[at + i]);
		}
		bench_start(state);
		smmuv3_finish(w);
		bench_stop(state);
	}
}

static void run_page(struct bench_state *state, void *world)
{
	run_invalidate(state, world, smmuv3_queue_page);
}

static void asid(struct smmuv3_world *w, uint64_t iova)
{
	(void)iova;
	smmuv3_queue_asid(w);
}

static void run_asid(struct bench_state *state, void *world)
{
	run_invalidate(state, world, asid);
}

static void vmid(struct smmuv3_world *w, uint64_t iova)
{
	(void)iova;
	smmuv3_queue_all(w);
}

static void run_vmid(struct bench_state *state, void *world)
{
	run_invalidate(state, world, vmid);
}

#define ROW(run_, prepare_, n_, clock_)                                                            \
	.run = (run_), .prepare = (prepare_), .discard = discard, .n = (n_), .clock = (clock_)

static const struct bench rows[] = {
	{ .name = "smmuv3/hit/channel/throughput",
	  ROW(run_order, prepare_dense, GUEST_HOT, BENCH_CPU) },
	{ .name = "smmuv3/hit/shared/10000", ROW(run_order, prepare_dense, 10000, BENCH_CPU) },
	{ .name = "smmuv3/miss/stage1", ROW(run_miss, prepare_stage1, 0, BENCH_STOPWATCH) },
	{ .name = "smmuv3/miss/stage2", ROW(run_miss, prepare_stage2, 0, BENCH_STOPWATCH) },
	{ .name = "smmuv3/miss/nested", ROW(run_miss, prepare_nested, 0, BENCH_STOPWATCH) },
	{ .name = "smmuv3/miss_structure_cache/stage1",
	  ROW(run_miss, prepare_dense, 4096, BENCH_STOPWATCH) },
	{ .name = "smmuv3/invalidate/page/1000",
	  ROW(run_page, prepare_dense, 1000, BENCH_STOPWATCH) },
	{ .name = "smmuv3/invalidate/asid/1000",
	  ROW(run_asid, prepare_dense, 1000, BENCH_STOPWATCH) },
	{ .name = "smmuv3/invalidate/vmid/1000",
	  ROW(run_vmid, prepare_dense, 1000, BENCH_STOPWATCH) },
};

void bench_suite_smmuv3(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
