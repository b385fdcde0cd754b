/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer.c - the benchmarks of every peer. vtd_bench.c has ours; the loops are meant to be the
 * same.
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

#include "shim.h"

#define BURST 64U /* page invalidations between two looks at the clock */
/*
 * No peer that has a cap keeps half as many; not a multiple of 1024, after which glib_mutex would be full or
 * empty.
 */
#define MOST_KEPT 4608U

struct peer_world {
	const struct peer_ops *ops;
	void *peer;
	uint32_t requesters;
	struct guest guest;
	struct guest_pages pages;
};

/* Page k of the order belongs to this requester; its domain is one more. The last has the rest. */
static uint16_t requester(const struct peer_world *w, uint64_t k)
{
	return (uint16_t)(k < w->requesters ? k : w->requesters - 1);
}

static uint64_t ask(const struct peer_world *w, uint16_t rid, uint64_t iova)
{
	uint64_t gpa;

	if (!w->ops->translate(w->peer, rid, iova, false, &gpa))
		abort(); /* all pages are mapped */
	return gpa;
}

static void touch(const struct peer_world *w, uint64_t from, uint64_t to)
{
	for (uint64_t k = from; k < to; k++)
		bench_use(ask(w, requester(w, k), w->pages.iova[k]));
}

/* Caches the pages, or as many as the peer keeps of them. */
static void touch_all(const struct peer_world *w)
{
	uint64_t n = w->pages.n;

	touch(w, n > MOST_KEPT ? n - MOST_KEPT : 0, n);
}

/* --- worlds --- */

static void discard(void *world)
{
	struct peer_world *w = world;

	w->ops->destroy(w->peer);
	guest_pages_fini(&w->pages);
	guest_fini(&w->guest);
	free(w);
}

static void *make(const struct bench *row, uint64_t n, uint32_t requesters, uint64_t stride)
{
	struct peer_world *w = calloc(1, sizeof(*w));
	struct guest_paging ss;
	uint64_t root;

	if (!w)
		return NULL;
	w->ops = row->arg;
	w->requesters = requesters;
	guest_init(&w->guest, n * GUEST_PAGE);
	root = guest_alloc(&w->guest, GUEST_PAGE);
	guest_second_stage(&w->guest, &ss, 4);
	guest_pages_init(&w->pages, &w->guest, &ss, n, GUEST_IOVA, stride);
	for (uint32_t i = 0; i < requesters; i++)
		guest_legacy_device(&w->guest, root, (uint16_t)i, (uint16_t)(i + 1), &ss);
	w->peer = w->ops->create(&w->guest, root);
	if (!w->peer)
		abort();
	touch_all(w);
	return w;
}

/* row->n pages, one after the other. */
static void *prepare_dense(const struct bench *row)
{
	return make(row, row->n, 1, GUEST_PAGE);
}

static void *prepare_domains(const struct bench *row)
{
	return make(row, row->n, GUEST_DOMAINS + 1, GUEST_PAGE);
}

static void *prepare_scattered(const struct bench *row)
{
	return make(row, GUEST_SCATTERED, 1, GUEST_SCATTERED_4);
}

/* --- loops --- */

/* How many entries there were, on average, when something was invalidated. */
struct census {
	double sum, count;
};

static void count_cached(struct census *c, const struct peer_world *w)
{
	c->sum += (double)w->ops->cached(w->peer);
	c->count++;
}

static void report(struct bench_state *state, const struct census *c)
{
	bench_counter(state, "cached", c->sum / c->count);
}

/* Hits and working sets: the pages in their order, each request independent of the one before. */
static void run_order(struct bench_state *state, void *world)
{
	struct peer_world *w = world;
	uint64_t n = w->pages.n;
	uint64_t k = n * state->thread / state->threads;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			bench_use(ask(w, 0, w->pages.iova[k]));
			if (++k == n)
				k = 0;
		}
}

/* The same, but the next address is known only when the answer is. */
static void run_latency(struct bench_state *state, void *world)
{
	struct peer_world *w = world;
	uint64_t iova = w->pages.iova[0];

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			iova = guest_pages_next(&w->pages, ask(w, 0, iova));
	bench_use(iova);
}

/* Misses: each page once after a flush, its address taken from the answer before. */
static void run_miss(struct bench_state *state, void *world)
{
	struct peer_world *w = world;
	uint64_t iova = w->pages.iova[0];

	while (bench_next_batch(state, GUEST_SCATTERED)) {
		w->ops->invalidate_domain(w->peer, 1);
		bench_start(state);
		for (unsigned i = 0; i < GUEST_SCATTERED; i++)
			iova = guest_pages_next(&w->pages, ask(w, 0, iova));
		bench_stop(state);
	}
}

/*
 * As a driver does it: pages are used, then invalidated. Afterwards they are cached again, so n
 * stays n.
 */
static void run_invalidate_page(struct bench_state *state, void *world)
{
	struct peer_world *w = world;
	struct census census = { 0 };
	uint64_t first = 0;

	while (bench_next_batch(state, BURST)) {
		touch(w, first, first + BURST);
		count_cached(&census, w);
		bench_start(state);
		for (uint64_t k = first; k < first + BURST; k++)
			w->ops->invalidate_page(w->peer, 1, w->pages.iova[k]);
		bench_stop(state);
		touch(w, first, first + BURST);
		first += BURST;
		if (first + BURST > w->pages.n)
			first = 0;
	}
	report(state, &census);
}

/* The same with whole domains. */
static void run_invalidate_domain(struct bench_state *state, void *world)
{
	struct peer_world *w = world;
	struct census census = { 0 };

	while (bench_next_batch(state, GUEST_DOMAINS)) {
		touch(w, 0, GUEST_DOMAINS);
		count_cached(&census, w);
		bench_start(state);
		for (uint32_t i = 0; i < GUEST_DOMAINS; i++)
			w->ops->invalidate_domain(w->peer, (uint16_t)(i + 1));
		bench_stop(state);
	}
	report(state, &census);
}

/* --- rows --- */

#define WORLD(how) .prepare = prepare_##how, .discard = discard

static const struct bench templates[] = {
	{ .name = "hit", .run = run_order, WORLD(dense), .n = GUEST_HOT },
	{ .name = "hit/latency", .run = run_latency, WORLD(dense), .n = GUEST_HOT },
	{ .name = "miss/ss4", .run = run_miss, WORLD(scattered), .clock = BENCH_STOPWATCH },
	{ .name = "working_set/256", .run = run_order, WORLD(dense), .n = 256 },
	{ .name = "working_set/257", .run = run_order, WORLD(dense), .n = 257 },
	{ .name = "working_set/1024", .run = run_order, WORLD(dense), .n = 1024 },
	{ .name = "working_set/1025", .run = run_order, WORLD(dense), .n = 1025 },
	{ .name = "working_set/65536", .run = run_order, WORLD(dense), .n = 65536 },
	{ .name = "invalidate/page/1000",
	  .run = run_invalidate_page,
	  WORLD(dense),
	  .n = 1000,
	  .clock = BENCH_STOPWATCH },
	{ .name = "invalidate/page/100000",
	  .run = run_invalidate_page,
	  WORLD(dense),
	  .n = 100000,
	  .clock = BENCH_STOPWATCH },
	{ .name = "invalidate/domain/1000",
	  .run = run_invalidate_domain,
	  WORLD(domains),
	  .n = 1000,
	  .clock = BENCH_STOPWATCH },
	{ .name = "invalidate/domain/100000",
	  .run = run_invalidate_domain,
	  WORLD(domains),
	  .n = 100000,
	  .clock = BENCH_STOPWATCH },
	{ .name = "threads/hit/1",
	  .run = run_order,
	  WORLD(dense),
	  .n = GUEST_HOT,
	  .clock = BENCH_WALL,
	  .threads = 1 },
	{ .name = "threads/hit/2",
	  .run = run_order,
	  WORLD(dense),
	  .n = GUEST_HOT,
	  .clock = BENCH_WALL,
	  .threads = 2 },
};

void peer_register(const char *name, const struct peer_ops *ops)
{
	char full[80];

	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
		struct bench row = templates[i];

		snprintf(full, sizeof(full), "peer/%s/%s", name, row.name);
		row.name = full;
		row.arg = ops;
		bench_register(&row, 1);
	}
}
