/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_bench.c - what hypercalls on TCE tables cost, and a lookup.
 *
 * One window of row->n pages, without listeners and open sections. put maps a page where nothing is, and clear takes one away; what
 * is not timed puts it back. stuff and indirect are calls of 512 entries: stuff takes valid ones away; memset is what the same
 * entries take to be written by memset(), for comparison. A burst of calls is timed at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "shim.h"
#include "tce_guest.h"

#define BURST 256U
#define CALLS 16U /* of 512 entries */

struct tce_rig {
	struct tce_world *tce;
	uint64_t random;
	uint64_t *entries; /* as many as the table has, for memset */
};

static void *prepare_rig(const struct bench *row, int filled)
{
	struct tce_rig *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->random = 88172645463325252U;
	w->tce = tce_world_new(row->n, filled);
	w->entries = calloc(row->n, sizeof(*w->entries));
	if (!w->entries)
		return NULL;
	for (uint64_t i = 0; i < CALLS; i++)
		tce_list(w->tce, i, i * TCE_COUNT, TCE_COUNT);
	return w;
}

static void *prepare(const struct bench *row)
{
	return prepare_rig(row, 0);
}

static void *prepare_filled(const struct bench *row)
{
	return prepare_rig(row, 1);
}

static void discard(void *world)
{
	struct tce_rig *w = world;

	tce_world_free(w->tce);
	free(w->entries);
	free(w);
}

static uint64_t pick(struct tce_rig *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % below;
}

/* Somewhere, so that it is not always the same page of the table. */
static uint64_t somewhere(struct tce_rig *w, uint64_t count)
{
	return pick(w, w->tce->pages - count);
}

static void put_burst(struct tce_rig *w, uint64_t first)
{
	for (uint64_t i = 0; i < BURST; i++)
		tce_put(w->tce, first + i, tce_of_page(first + i));
}

static void clear_burst(struct tce_rig *w, uint64_t first)
{
	for (uint64_t i = 0; i < BURST; i++)
		tce_put(w->tce, first + i, 0);
}

static void run_put(struct bench_state *state, void *world)
{
	struct tce_rig *w = world;

	while (bench_next_batch(state, BURST)) {
		uint64_t first = somewhere(w, BURST);

		bench_start(state);
		put_burst(w, first);
		bench_stop(state);
		clear_burst(w, first);
	}
}

static void run_clear(struct bench_state *state, void *world)
{
	struct tce_rig *w = world;

	while (bench_next_batch(state, BURST)) {
		uint64_t first = somewhere(w, BURST);

		put_burst(w, first);
		bench_start(state);
		clear_burst(w, first);
		bench_stop(state);
	}
}

static void indirect_burst(struct tce_rig *w, uint64_t first)
{
	for (uint64_t i = 0; i < CALLS; i++)
		tce_indirect(w->tce, first + i * TCE_COUNT, i, TCE_COUNT);
}

static void stuff_burst(struct tce_rig *w, uint64_t first)
{
	for (uint64_t i = 0; i < CALLS; i++)
		tce_stuff(w->tce, first + i * TCE_COUNT, 0, TCE_COUNT);
}

/* Calls of 512 entries whose first is in the middle of a page of the table, or at its beginning. */
static uint64_t large(struct tce_rig *w, int aligned)
{
	uint64_t first = somewhere(w, (uint64_t)CALLS * TCE_COUNT + TCE_COUNT);

	return aligned ? first / TCE_COUNT * TCE_COUNT : first | 1;
}

static void time_stuff(struct bench_state *state, struct tce_rig *w, int aligned)
{
	while (bench_next_batch(state, CALLS)) {
		uint64_t first = large(w, aligned);

		indirect_burst(w, first);
		bench_start(state);
		stuff_burst(w, first);
		bench_stop(state);
	}
}

static void run_stuff(struct bench_state *state, void *world)
{
	time_stuff(state, world, 1);
}

static void run_stuff_across(struct bench_state *state, void *world)
{
	time_stuff(state, world, 0);
}

static void run_indirect(struct bench_state *state, void *world)
{
	struct tce_rig *w = world;

	while (bench_next_batch(state, CALLS)) {
		uint64_t first = large(w, 0);

		bench_start(state);
		indirect_burst(w, first);
		bench_stop(state);
		stuff_burst(w, first);
	}
}

/* Of as large an array, and the entries have been written just before, as those of stuff were. */
static void run_memset(struct bench_state *state, void *world)
{
	struct tce_rig *w = world;

	while (bench_next_batch(state, CALLS)) {
		uint64_t *first = &w->entries[large(w, 0)];

		for (uint64_t i = 0; i < (uint64_t)CALLS * TCE_COUNT; i++)
			first[i] = tce_of_page(i);
		bench_use((uint64_t)(uintptr_t)first);
		bench_start(state);
		for (uint64_t i = 0; i < CALLS; i++) {
			uint64_t *entries = (uint64_t *)bench_hide(
				(uint64_t)(uintptr_t)(first + i * TCE_COUNT));

			memset(entries, 0, TCE_COUNT * sizeof(*entries));
			bench_use((uint64_t)(uintptr_t)entries);
		}
		bench_stop(state);
	}
}

static void run_lookup(struct bench_state *state, void *world)
{
	struct tce_rig *w = world;

	while (bench_next_batch(state, 16)) {
		for (unsigned i = 0; i < 16; i++) {
			uint64_t iova = pick(w, w->tce->pages) * TCE_PAGE;
			struct viommu_request r = { .first = iova,
						    .last = iova + TCE_PAGE - 1,
						    .pasid = VIOMMU_NO_PASID,
						    .access = VIOMMU_READ };
			struct viommu_fragment fragment;
			struct viommu_answer answer;

			if (viommu_device_translate(w->tce->device, &r, &fragment, 1, &answer))
				abort();
			bench_use(fragment.gpa);
		}
	}
}

#define ROW(name, run, prepare, n)                                                                 \
	{                                                                                          \
		name, run, prepare, discard, n, NULL, BENCH_STOPWATCH, 0                           \
	}

void bench_suite_tce(void)
{
	static const struct bench rows[] = {
		ROW("tce/put/65536", run_put, prepare, 65536),
		ROW("tce/clear/65536", run_clear, prepare, 65536),
		ROW("tce/indirect512/65536", run_indirect, prepare, 65536),
		ROW("tce/stuff512/65536", run_stuff, prepare, 65536),
		ROW("tce/stuff512_across/65536", run_stuff_across, prepare, 65536),
		ROW("tce/memset512/65536", run_memset, prepare, 65536),
		{ "tce/lookup/262144", run_lookup, prepare_filled, discard, 262144, NULL, BENCH_CPU,
		  0 },
	};

	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
