/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iotlb_bench.c - the device side of vhost: lookups, additions and invalidations. peer_iotlb.c has
 * the same of the structures that backends have.
 *
 * Lookups are in a section that is open all the time; `section` opens and closes one for each.
 */
#include <libvirtiommu/vhost.h>

#include <stdio.h>

#include "iotlb_world.h"

struct iotlb_world {
	struct viommu_iotlb *iotlb;
	struct viommu_iotlb_reader *reader, *second; /* of a queue each */
	struct iotlb_order *order, *second_order;
	uint64_t next; /* page to add */
};

static void expect(int result, int wanted, const char *what)
{
	if (result == wanted)
		return;
	fprintf(stderr, "%s: %d\n", what, result);
	abort();
}

static void add(const struct iotlb_world *w, uint64_t first, uint64_t bytes)
{
	expect(viommu_iotlb_insert(w->iotlb, first, first + bytes - 1,
				   (void *)(uintptr_t)(first + IOTLB_HOST), 0,
				   VIOMMU_READ | VIOMMU_WRITE),
	       VIOMMU_OK, "viommu_iotlb_insert");
}

static uint64_t ask_reader(struct viommu_iotlb_reader *reader, uint64_t iova)
{
	struct viommu_fragment fragment;
	struct viommu_answer answer;

	if (__builtin_expect(viommu_iotlb_lookup(reader, iova, iova, VIOMMU_READ, &fragment, 1,
						 &answer) != VIOMMU_OK,
			     0))
		expect(1, 0, "viommu_iotlb_lookup");
	return (uintptr_t)fragment.host;
}

static uint64_t ask(const struct iotlb_world *w, uint64_t iova)
{
	return ask_reader(w->reader, iova);
}

/* ---- worlds ---- */

static struct iotlb_world *make(uint64_t ranges)
{
	struct viommu_iotlb_config config = { .size = sizeof(config), .ranges = (uint32_t)ranges };
	struct iotlb_world *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	expect(viommu_iotlb_new(&config, &w->iotlb), VIOMMU_OK, "viommu_iotlb_new");
	expect(viommu_iotlb_reader_new(w->iotlb, &w->reader), VIOMMU_OK, "reader");
	expect(viommu_iotlb_reader_new(w->iotlb, &w->second), VIOMMU_OK, "reader");
	return w;
}

static void *prepare_ranges(const struct bench *row)
{
	struct iotlb_world *w = make(row->n);
	uint32_t *next = malloc(row->n * sizeof(*next));
	uint32_t at = 0;

	if (!next)
		abort();
	cycle_fill(next, (uint32_t)row->n);
	for (uint64_t i = 0; i < row->n; i++, at = next[at])
		add(w, iotlb_first(at), iotlb_bytes(at));
	free(next);
	w->order = iotlb_order_new(row->n);
	w->second_order = iotlb_order_new(row->n);
	viommu_iotlb_enter(w->reader);
	viommu_iotlb_enter(w->second);
	return w;
}

/* Full of pages: each that is added evicts one. */
static void *prepare_pages(const struct bench *row)
{
	struct iotlb_world *w = make(row->n);

	for (uint64_t i = 0; i < row->n; i++)
		add(w, iotlb_page(w->next++), 4096);
	return w;
}

static void discard(void *world)
{
	struct iotlb_world *w = world;

	viommu_iotlb_leave(w->reader);
	viommu_iotlb_leave(w->second);
	viommu_iotlb_reader_free(w->reader);
	viommu_iotlb_reader_free(w->second);
	viommu_iotlb_free(w->iotlb);
	free(w->order);
	free(w->second_order);
	free(w);
}

/* ---- loops ---- */

static void run_lookup(struct bench_state *state, void *world)
{
	struct iotlb_world *w = world;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			bench_use(ask(w, iotlb_order_next(w->order)));
}

/* Each thread has its queue. */
static void run_threads(struct bench_state *state, void *world)
{
	struct iotlb_world *w = world;
	struct viommu_iotlb_reader *reader = state->thread ? w->second : w->reader;
	struct iotlb_order *order = state->thread ? w->second_order : w->order;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			bench_use(ask_reader(reader, iotlb_order_next(order)));
}

/* The next address is known only when the answer is. */
static void run_latency(struct bench_state *state, void *world)
{
	struct iotlb_world *w = world;
	uint64_t last = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			last = ask(w, iotlb_order_next(w->order) + (bench_hide(last) >> 63));
	bench_use(last);
}

/* The same range again and again, as a queue does with its ring. */
static void run_ring(struct bench_state *state, void *world)
{
	struct iotlb_world *w = world;
	uint64_t offset = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++, offset = (offset + 16) & 4095)
			bench_use(ask(w, iotlb_first(2) + offset));
}

static void run_section(struct bench_state *state, void *world)
{
	struct iotlb_world *w = world;

	viommu_iotlb_leave(w->reader);
	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			viommu_iotlb_enter(w->reader);
			bench_use(ask(w, iotlb_order_next(w->order)));
			viommu_iotlb_leave(w->reader);
		}
	viommu_iotlb_enter(w->reader);
}

static void run_insert(struct bench_state *state, void *world)
{
	struct iotlb_world *w = world;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			add(w, iotlb_page(w->next++), 4096);
}

/* Pages go and come back, so that there are as many each time. */
static void run_invalidate(struct bench_state *state, void *world)
{
	struct iotlb_world *w = world;
	uint64_t at = 0;

	while (bench_next_batch(state, IOTLB_BURST)) {
		bench_start(state);
		for (uint64_t i = at; i < at + IOTLB_BURST; i++)
			bench_use((uint64_t)viommu_iotlb_invalidate(w->iotlb, iotlb_page(i),
								    iotlb_page(i) + 4095));
		bench_stop(state);
		for (uint64_t i = at; i < at + IOTLB_BURST; i++)
			add(w, iotlb_page(i), 4096);
		at = (at + IOTLB_BURST) % IOTLB_RANGES;
	}
}

/* ---- rows ---- */

#define RANGES(run_, n_) .run = run_, .prepare = prepare_ranges, .discard = discard, .n = n_
#define PAGES(run_)	 .run = run_, .prepare = prepare_pages, .discard = discard, .n = IOTLB_RANGES

#define THREADS(count) .clock = BENCH_WALL, .threads = count

static const struct bench rows[] = {
	{ .name = "iotlb/lookup/16", RANGES(run_lookup, 16) },
	{ .name = "iotlb/lookup/2048", RANGES(run_lookup, 2048) },
	{ .name = "iotlb/lookup/100000", RANGES(run_lookup, 100000) },
	{ .name = "iotlb/lookup/latency/16", RANGES(run_latency, 16) },
	{ .name = "iotlb/lookup/ring", RANGES(run_ring, 16) },
	{ .name = "iotlb/lookup/section", RANGES(run_section, 16) },
	{ .name = "iotlb/threads/lookup/1", RANGES(run_threads, 16), THREADS(1) },
	{ .name = "iotlb/threads/lookup/2", RANGES(run_threads, 16), THREADS(2) },
	{ .name = "iotlb/insert", PAGES(run_insert) },
	{ .name = "iotlb/invalidate", PAGES(run_invalidate), .clock = BENCH_STOPWATCH },
};

void bench_suite_iotlb(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
