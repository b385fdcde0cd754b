/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scale_bench.c - what is shared and written, for a machine with more processors than this one.
 *
 * writes/S/T: hits in a channel, each with an addition to S words that T threads share, a line each. With 0 it is the
 * library as it is; the others show what a hit would cost if it wrote something, and whether threads x lines x the cost of
 * moving a line (ref_line.c) says so.
 *
 * epoch: one thread translates, and another invalidates 100,000 times a second: nothing, pages of another domain (which
 * moves the epoch: one line that each channel reads), or pages of the same domain that nobody uses (which also
 * counts up the domain's changes, and empties the channel).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "expect.h"
#include "shim.h"
#include "vtd_world.h"

#define LINES	  4U
#define PERIOD_NS 10000U	    /* 100,000 a second */
#define OTHER	  (GUEST_IOVA << 1) /* mapped to nothing: whom it concerns is the domain's */

struct scale_world {
	_Alignas(128) struct {
		_Alignas(128) uint64_t word;
	} line[LINES];
	struct vtd_world *w;
	uint16_t
		n; /* lines that a hit writes; or whose pages are invalidated: a domain id, 0: none */
	_Atomic bool stop;
	uint64_t done;
};

/* Two devices, of two domains; channels are the first one's. row->n: lines, or a domain id. */
static void *prepare(const struct bench *row)
{
	struct vtd_shape shape = { VTD_SS4, GUEST_HOT, GUEST_PAGE, 2, 0, 0 };
	struct scale_world *s = aligned_alloc(128, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct scale_world){ .w = vtd_world_new(&shape), .n = (uint16_t)row->n };
	return s;
}

static void discard(void *world)
{
	struct scale_world *s = world;

	vtd_world_free(s->w);
	free(s);
}

static void run_writes(struct bench_state *state, void *world)
{
	struct scale_world *s = world;
	struct viommu_channel *channel = s->w->channel[state->thread];

	expect_ok("viommu_enter", viommu_enter(channel));
	while (bench_next_batch(state, GUEST_HOT))
		for (uint64_t k = 0; k < GUEST_HOT; k++) {
			bench_use(vtd_ask(channel, s->w->pages.iova[k]));
			for (unsigned i = 0; i < s->n; i++)
				__atomic_fetch_add(&s->line[i].word, 1, __ATOMIC_RELAXED);
		}
	expect_ok("viommu_leave", viommu_leave(channel));
}

/* --- one translates, one invalidates --- */

/* The guest: a page and a wait, until that is complete; then the next when it is due. */
static void *invalidate(void *world)
{
	struct scale_world *s = world;
	uint64_t due = bench_now_ns();

	while (!atomic_load(&s->stop)) {
		if (bench_now_ns() < due)
			continue;
		due += PERIOD_NS;
		if (!s->n)
			continue;
		vtd_queue_page(s->w, s->n, OTHER);
		vtd_finish(s->w);
		s->done++;
	}
	return NULL;
}

/* Sections as a queue has them: a burst, then done with it. */
static void translate_burst(const struct scale_world *s)
{
	struct viommu_channel *channel = s->w->channel[0];

	expect_ok("viommu_enter", viommu_enter(channel));
	for (uint64_t k = 0; k < GUEST_HOT; k++)
		bench_use(vtd_ask(channel, s->w->pages.iova[k]));
	expect_ok("viommu_leave", viommu_leave(channel));
}

static void run_epoch(struct bench_state *state, void *world)
{
	struct scale_world *s = world;
	uint64_t began = bench_now_ns();
	pthread_t other;

	atomic_store(&s->stop, false);
	s->done = 0;
	if (pthread_create(&other, NULL, invalidate, s)) {
		bench_fail(state, "pthread_create");
		return;
	}
	while (bench_next_batch(state, GUEST_HOT))
		translate_burst(s);
	atomic_store(&s->stop, true);
	pthread_join(other, NULL);
	bench_counter(state, "invalidations_per_second",
		      (double)s->done * 1e9 / (double)(bench_now_ns() - began));
}

/* --- rows --- */

#define ROW(run_, n_, threads_)                                                                    \
	.run = (run_), .prepare = prepare, .discard = discard, .n = (n_), .clock = BENCH_WALL,     \
	.threads = (threads_)

static const struct bench rows[] = {
	{ .name = "scale/writes/0/1", ROW(run_writes, 0, 1) },
	{ .name = "scale/writes/0/2", ROW(run_writes, 0, 2) },
	{ .name = "scale/writes/1/1", ROW(run_writes, 1, 1) },
	{ .name = "scale/writes/1/2", ROW(run_writes, 1, 2) },
	{ .name = "scale/writes/2/1", ROW(run_writes, 2, 1) },
	{ .name = "scale/writes/2/2", ROW(run_writes, 2, 2) },
	{ .name = "scale/writes/4/1", ROW(run_writes, 4, 1) },
	{ .name = "scale/writes/4/2", ROW(run_writes, 4, 2) },
	{ .name = "scale/epoch/none", ROW(run_epoch, 0, 1) },
	{ .name = "scale/epoch/own_domain", ROW(run_epoch, 1, 1) },
	{ .name = "scale/epoch/other_domain", ROW(run_epoch, 2, 1) },
};

void bench_suite_scale(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
