/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine_bench.c - the same hits, misses and invalidations of the engines beside VT-d, whose own file is vtd_bench.c: RISC-V IOMMU
 * (first stage, Sv48), SMMUv3 (stage 1, stage 2, and one on the other), AMD-Vi (v1, 4 levels). And AMD-Vi's messages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amdvi_guest.h"
#include "expect.h"
#include "riscv_world.h"
#include "shim.h"
#include "smmuv3_world.h"
#include "vtd_world.h"

/* What the loops need of a world, whichever it is. */
struct engine_world {
	const struct engine *engine;
	void *own;
	const struct guest_pages *pages;
	struct viommu_device *device;
	struct viommu_channel *channel;
};

struct engine {
	const char *name;
	const char *tables; /* of misses */
	void (*open)(struct engine_world *w, uint64_t pages, uint64_t stride);
	void (*close)(void *own);
	/* Forgets everything of the device, until it is done. */
	void (*flush)(void *own);
	/* Puts a command for a page into the queue; has all of them carried out. */
	void (*queue_page)(void *own, uint64_t iova);
	void (*finish)(void *own);
};

/* ---- the engines ---- */

#define OPEN(w, world)                                                                             \
	do {                                                                                       \
		(w)->own = (world);                                                                \
		(w)->pages = &(world)->pages;                                                      \
		(w)->device = (world)->device;                                                     \
		(w)->channel = (world)->channel;                                                   \
	} while (0)

static void open_riscv(struct engine_world *w, uint64_t pages, uint64_t stride)
{
	struct riscv_world *own = riscv_world_new(pages, stride);

	OPEN(w, own);
}

static void close_riscv(void *own)
{
	riscv_world_free(own);
}

static void flush_riscv(void *own)
{
	riscv_queue_all(own);
	riscv_finish(own);
}

static void page_riscv(void *own, uint64_t iova)
{
	riscv_queue_page(own, iova);
}

static void finish_riscv(void *own)
{
	riscv_finish(own);
}

#define OPEN_SMMUV3(name, stages)                                                                  \
	static void open_##name(struct engine_world *w, uint64_t pages, uint64_t stride)           \
	{                                                                                          \
		struct smmuv3_world *own = smmuv3_world_new(stages, pages, stride);                \
                                                                                                   \
		OPEN(w, own);                                                                      \
	}

OPEN_SMMUV3(stage1, SMMUV3_STAGE1)
OPEN_SMMUV3(stage2, SMMUV3_STAGE2)
OPEN_SMMUV3(nested, SMMUV3_NESTED)

static void close_smmuv3(void *own)
{
	smmuv3_world_free(own);
}

static void flush_smmuv3(void *own)
{
	smmuv3_queue_all(own);
	smmuv3_finish(own);
}

static void page_smmuv3(void *own, uint64_t iova)
{
	smmuv3_queue_page(own, iova);
}

static void asid_smmuv3(void *own, uint64_t iova)
{
	(void)iova;
	smmuv3_queue_asid(own);
}

static void vmid_smmuv3(void *own, uint64_t iova)
{
	(void)iova;
	smmuv3_queue_all(own);
}

static void finish_smmuv3(void *own)
{
	smmuv3_finish(own);
}

static void open_amdvi(struct engine_world *w, uint64_t pages, uint64_t stride)
{
	struct amdvi_guest *own = amdvi_guest_new(pages, stride);

	OPEN(w, own);
}

static void close_amdvi(void *own)
{
	amdvi_guest_free(own);
}

static void flush_amdvi(void *own)
{
	amdvi_guest_flush(own);
}

static void page_amdvi(void *own, uint64_t iova)
{
	amdvi_guest_queue_page(own, iova);
}

static void finish_amdvi(void *own)
{
	amdvi_guest_finish(own);
}

#define SMMUV3(tables_, queue_)                                                                    \
	{                                                                                          \
		"smmuv3", #tables_, open_##tables_, close_smmuv3, flush_smmuv3, queue_,            \
			finish_smmuv3                                                              \
	}

static const struct engine riscv = { "riscv",	  "sv48",     open_riscv,  close_riscv,
				     flush_riscv, page_riscv, finish_riscv };
static const struct engine smmuv3 = SMMUV3(stage1, page_smmuv3);
static const struct engine stage2 = SMMUV3(stage2, page_smmuv3);
static const struct engine nested = SMMUV3(nested, page_smmuv3);
static const struct engine asid = SMMUV3(stage1, asid_smmuv3);
static const struct engine vmid = SMMUV3(stage1, vmid_smmuv3);
static const struct engine amdvi = { "amdvi",	  "v1",	      open_amdvi,  close_amdvi,
				     flush_amdvi, page_amdvi, finish_amdvi };

/* ---- worlds ---- */

static void *make(const struct engine *engine, uint64_t pages, uint64_t stride)
{
	struct engine_world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->engine = engine;
	engine->open(w, pages, stride);
	return w;
}

static void *prepare_dense(const struct bench *row)
{
	return make(row->arg, row->n, GUEST_PAGE);
}

static void *prepare_scattered(const struct bench *row)
{
	return make(row->arg, GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void discard(void *world)
{
	struct engine_world *w = world;

	w->engine->close(w->own);
	free(w);
}

/* ---- loops ---- */

static void section(const struct engine_world *w, bool open)
{
	expect_ok("section", open ? viommu_enter(w->channel) : viommu_leave(w->channel));
}

static void run_order(struct bench_state *state, void *world)
{
	const struct engine_world *w = world;
	const uint64_t *iova = w->pages->iova;
	uint64_t n = w->pages->n;

	section(w, true);
	while (bench_next_batch(state, n)) {
		for (uint64_t i = 0; i < n; i++)
			bench_use(vtd_ask(w->channel, iova[i]));
	}
	section(w, false);
}

static void run_device(struct bench_state *state, void *world)
{
	const struct engine_world *w = world;
	const uint64_t *iova = w->pages->iova;
	uint64_t n = w->pages->n;

	while (bench_next_batch(state, n)) {
		for (uint64_t i = 0; i < n; i++)
			bench_use(vtd_ask_device(w->device, iova[i]));
	}
}

/* Each page once after a flush, its address taken from the answer before. */
static void run_miss(struct bench_state *state, void *world)
{
	struct engine_world *w = world;
	uint64_t n = w->pages->n, iova = w->pages->iova[0];

	while (bench_next_batch(state, n)) {
		w->engine->flush(w->own);
		section(w, true);
		bench_start(state);
		for (uint64_t i = 0; i < n; i++)
			iova = guest_pages_next(w->pages, vtd_ask(w->channel, iova));
		bench_stop(state);
		section(w, false);
	}
}

/* What is cached, 64 commands at a time and a wait behind them. */
static void run_invalidate(struct bench_state *state, void *world)
{
	struct engine_world *w = world;
	const uint64_t *iova = w->pages->iova;

	for (uint64_t at = 0; bench_next_batch(state, 64); at = (at + 64) % (w->pages->n - 63)) {
		for (uint64_t i = 0; i < 64; i++) {
			bench_use(vtd_ask_device(w->device, iova[at + i]));
			w->engine->queue_page(w->own, iova[at + i]);
		}
		bench_start(state);
		w->engine->finish(w->own);
		bench_stop(state);
	}
}

static void run_message(struct bench_state *state, void *world)
{
	const struct engine_world *w = world;

	while (bench_next_batch(state, AMDVI_MESSAGES)) {
		for (uint32_t i = 0; i < AMDVI_MESSAGES; i++)
			bench_use(amdvi_send(w->own, i));
	}
}

/* ---- rows ---- */

#define ROW(run_, prepare_, n_, clock_)                                                            \
	.run = (run_), .prepare = (prepare_), .discard = discard, .n = (n_), .clock = (clock_)

/* Of each engine; %s is the kind of its tables. */
static const struct bench templates[] = {
	{ .name = "hit/channel/throughput", ROW(run_order, prepare_dense, GUEST_HOT, BENCH_CPU) },
	{ .name = "hit/device", ROW(run_device, prepare_dense, GUEST_HOT, BENCH_CPU) },
	{ .name = "working_set/1024", ROW(run_order, prepare_dense, 1024, BENCH_CPU) },
	{ .name = "working_set/10000", ROW(run_order, prepare_dense, 10000, BENCH_CPU) },
	{ .name = "working_set/65536", ROW(run_order, prepare_dense, 65536, BENCH_CPU) },
	{ .name = "miss/%s", ROW(run_miss, prepare_scattered, 0, BENCH_STOPWATCH) },
	{ .name = "miss_structure_cache/%s", ROW(run_miss, prepare_dense, 4096, BENCH_STOPWATCH) },
	{ .name = "invalidate/page/1000",
	  ROW(run_invalidate, prepare_dense, 1000, BENCH_STOPWATCH) },
};

static const struct bench others[] = {
	{ .name = "smmuv3/miss/stage2",
	  .arg = &stage2,
	  ROW(run_miss, prepare_scattered, 0, BENCH_STOPWATCH) },
	{ .name = "smmuv3/miss/nested",
	  .arg = &nested,
	  ROW(run_miss, prepare_scattered, 0, BENCH_STOPWATCH) },
	{ .name = "smmuv3/invalidate/asid/1000",
	  .arg = &asid,
	  ROW(run_invalidate, prepare_dense, 1000, BENCH_STOPWATCH) },
	{ .name = "smmuv3/invalidate/vmid/1000",
	  .arg = &vmid,
	  ROW(run_invalidate, prepare_dense, 1000, BENCH_STOPWATCH) },
	{ .name = "amdvi/irq/hit",
	  .arg = &amdvi,
	  ROW(run_message, prepare_dense, GUEST_HOT, BENCH_CPU) },
};

static void add(const struct engine *engine)
{
	char full[80];

	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
		struct bench row = templates[i];
		const char *tables = strstr(row.name, "%s");
		int plain = tables ? (int)(tables - row.name) : (int)strlen(row.name);

		snprintf(full, sizeof(full), "%s/%.*s%s", engine->name, plain, row.name,
			 tables ? engine->tables : "");
		row.name = full;
		row.arg = engine;
		bench_register(&row, 1);
	}
}

void bench_suite_engines(void)
{
	add(&riscv);
	add(&smmuv3);
	add(&amdvi);
	bench_register(others, sizeof(others) / sizeof(others[0]));
}
