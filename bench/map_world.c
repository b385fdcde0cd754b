/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map_world.c - the benchmarks of a structure that keeps mappings.
 *
 *	map, unmap		descending, as Linux allocates I/O addresses; the oldest is unmapped
 *	map_up, unmap_last	ascending; the one that was mapped last is unmapped
 *	map_random, unmap_random
 *	replace			one mapped, then the oldest unmapped; ns of both
 *	find			pages in their order
 *	find_random		in none, the next known only when the answer is
 *
 * Of a burst only maps or only unmaps are timed.
 */
#include "map_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "cycle.h"
#include "shim.h"

#define BURST 64U
#define PAGE  UINT64_C(4096)
#define BASE  (UINT64_C(1) << 46)

enum pattern { DOWN, UP, RANDOM };

struct map_world {
	const struct map_ops *ops;
	void *store;
	enum pattern pattern;
	uint64_t n;
	uint64_t head;	 /* next page */
	uint64_t tail;	 /* oldest page */
	uint32_t *place; /* RANDOM: of a power of two of places, more than n */
	uint64_t mask;
};

struct map_arg {
	const struct map_ops *ops;
	enum pattern pattern;
};

static uint64_t address_of(const struct map_world *w, uint64_t k)
{
	switch (w->pattern) {
	case DOWN:
		return BASE - k * PAGE;
	case UP:
		return BASE + k * PAGE;
	default:
		return BASE + w->place[k & w->mask] * PAGE;
	}
}

static void unexpected(const struct map_world *w, const char *what)
{
	fprintf(stderr, "%s: cannot %s\n", w->ops->prefix, what);
	abort();
}

static void map_one(const struct map_world *w, uint64_t k)
{
	uint64_t first = address_of(w, k);

	/* the target says which page is next in find_random */
	if (!w->ops->add(w->store, first, first + PAGE - 1, k * PAGE))
		unexpected(w, "map");
}

static void unmap_one(const struct map_world *w, uint64_t k)
{
	uint64_t first = address_of(w, k);

	if (!w->ops->remove(w->store, first, first + PAGE - 1))
		unexpected(w, "unmap");
}

static uint64_t find_one(const struct map_world *w, uint64_t k)
{
	uint64_t target;

	if (!w->ops->find(w->store, address_of(w, k), &target))
		unexpected(w, "find");
	return target;
}

/* --- worlds --- */

static void discard(void *world)
{
	struct map_world *w = world;

	w->ops->destroy(w->store);
	free(w->place);
	free(w);
}

/* A cycle visits all places, from any. */
static bool make_places(struct map_world *w)
{
	uint32_t places = 1;
	uint32_t *next;

	while (places < w->n * 2)
		places *= 2;
	w->mask = places - 1;
	next = malloc(places * sizeof(*next));
	w->place = malloc(places * sizeof(*w->place));
	if (next && w->place) {
		cycle_fill(next, places);
		for (uint32_t i = 0, at = 0; i < places; i++, at = next[at])
			w->place[i] = at;
	}
	free(next);
	return next && w->place;
}

/* row->n pages are mapped. */
static void *prepare(const struct bench *row)
{
	const struct map_arg *arg = row->arg;
	struct map_world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->ops = arg->ops;
	w->pattern = arg->pattern;
	w->n = row->n;
	w->store = w->ops->create(row->n + BURST);
	if (!w->store || (w->pattern == RANDOM && !make_places(w)))
		return NULL;
	while (w->head < w->n)
		map_one(w, w->head++);
	return w;
}

/* --- loops --- */

static void report_bytes(struct bench_state *state, const struct map_world *w)
{
	if (w->ops->bytes)
		bench_counter(state, "bytes", w->ops->bytes(w->store));
}

static void run_map(struct bench_state *state, void *world)
{
	struct map_world *w = world;

	report_bytes(state, w);
	while (bench_next_batch(state, BURST)) {
		bench_start(state);
		for (unsigned i = 0; i < BURST; i++)
			map_one(w, w->head++);
		bench_stop(state);
		for (unsigned i = 0; i < BURST; i++)
			unmap_one(w, w->tail++);
	}
}

static void run_unmap(struct bench_state *state, void *world)
{
	struct map_world *w = world;

	while (bench_next_batch(state, BURST)) {
		for (unsigned i = 0; i < BURST; i++)
			map_one(w, w->head++);
		bench_start(state);
		for (unsigned i = 0; i < BURST; i++)
			unmap_one(w, w->tail++);
		bench_stop(state);
	}
	report_bytes(state, w);
}

static void run_unmap_last(struct bench_state *state, void *world)
{
	struct map_world *w = world;

	while (bench_next_batch(state, BURST)) {
		for (unsigned i = 0; i < BURST; i++)
			map_one(w, w->head++);
		bench_start(state);
		for (unsigned i = 0; i < BURST; i++)
			unmap_one(w, --w->head);
		bench_stop(state);
	}
}

static void run_replace(struct bench_state *state, void *world)
{
	struct map_world *w = world;

	while (bench_next(state)) {
		map_one(w, w->head++);
		unmap_one(w, w->tail++);
	}
}

static void run_find(struct bench_state *state, void *world)
{
	struct map_world *w = world;
	uint64_t k = w->tail;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			bench_use(find_one(w, k));
			if (++k == w->head)
				k = w->tail;
		}
}

/* Pages are in random places, and each names the one after it. */
static void run_find_random(struct bench_state *state, void *world)
{
	struct map_world *w = world;
	uint64_t k = w->tail;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			k = find_one(w, k) / PAGE + 1;
			if (k == w->head)
				k = w->tail;
		}
	bench_use(k);
}

/* --- rows --- */

struct loop {
	const char *name; /* NULL: what the structure calls it */
	bool unmaps;
	const char *suffix;
	enum pattern pattern;
	enum bench_clock clock;
	void (*run)(struct bench_state *state, void *world);
};

static void register_loop(const struct map_ops *ops, const struct map_arg *arg,
			  const struct loop *loop, uint64_t n)
{
	char name[64];
	struct bench row = { .name = name,
			     .run = loop->run,
			     .prepare = prepare,
			     .discard = discard,
			     .n = n,
			     .arg = arg,
			     .clock = loop->clock };

	snprintf(name, sizeof(name), "%s/%s%s/%llu", ops->prefix,
		 loop->name	? loop->name
		 : loop->unmaps ? ops->unmap
				: ops->map,
		 loop->suffix, (unsigned long long)n);
	bench_register(&row, 1);
}

void map_register(const struct map_ops *ops)
{
	static const struct loop loops[] = {
		{ NULL, false, "", DOWN, BENCH_STOPWATCH, run_map },
		{ NULL, false, "_up", UP, BENCH_STOPWATCH, run_map },
		{ NULL, false, "_random", RANDOM, BENCH_STOPWATCH, run_map },
		{ NULL, true, "", DOWN, BENCH_STOPWATCH, run_unmap },
		{ NULL, true, "_last", UP, BENCH_STOPWATCH, run_unmap_last },
		{ NULL, true, "_random", RANDOM, BENCH_STOPWATCH, run_unmap },
		{ "replace", false, "", DOWN, BENCH_CPU, run_replace },
		{ "find", false, "", DOWN, BENCH_CPU, run_find },
		{ "find_random", false, "", RANDOM, BENCH_CPU, run_find_random },
	};
	struct map_arg *args = calloc(sizeof(loops) / sizeof(loops[0]), sizeof(*args));

	for (unsigned i = 0; args && i < sizeof(loops) / sizeof(loops[0]); i++) {
		args[i] = (struct map_arg){ ops, loops[i].pattern };
		register_loop(ops, &args[i], &loops[i], 1000);
		register_loop(ops, &args[i], &loops[i], 1000000);
	}
}
