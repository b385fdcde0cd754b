/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ref_line.c - what it costs to move a cache line between two processors: the unit of whatever is shared and written.
 *
 * hand_over: two threads write a word in turn, each when it has seen the other's. An iteration is one of these steps:
 * the line comes over to be read, and is then taken to be written. write: both add to one word as fast as they can; a
 * processor that has the line may do several before it goes.
 */
#include <sched.h>
#include <stdlib.h>

#include "shim.h"

struct line {
	_Alignas(64) uint64_t word;
	char rest[64 - sizeof(uint64_t)];
	_Alignas(64) char behind[64]; /* neighbours are fetched in pairs */
};

static void *prepare(const struct bench *row)
{
	struct line *l = aligned_alloc(128, sizeof(*l));

	(void)row;
	if (l)
		l->word = 0;
	return l;
}

/* Each thread has half of the iterations, and the word is how many have been done. A call leaves it even. */
static void run_hand_over(struct bench_state *state, void *world)
{
	struct line *l = world;
	uint64_t turn = state->thread + __atomic_load_n(&l->word, __ATOMIC_RELAXED);
	unsigned looks = 0;

	while (bench_next(state)) {
		/* On a busy machine the other thread may need this processor. */
		while (__atomic_load_n(&l->word, __ATOMIC_ACQUIRE) != turn)
			if (++looks % 1024 == 0)
				sched_yield();
		__atomic_store_n(&l->word, turn + 1, __ATOMIC_RELEASE);
		turn += 2;
	}
}

static void run_write(struct bench_state *state, void *world)
{
	struct line *l = world;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			bench_use(__atomic_fetch_add(&l->word, 1, __ATOMIC_RELAXED));
}

#define ROW(run_, threads_)                                                                        \
	.run = (run_), .prepare = prepare, .discard = free, .clock = BENCH_WALL,                   \
	.threads = (threads_)

static const struct bench rows[] = {
	{ .name = "ref/line/hand_over", ROW(run_hand_over, 2) },
	{ .name = "ref/line/write/1", ROW(run_write, 1) },
	{ .name = "ref/line/write/2", ROW(run_write, 2) },
};

void bench_suite_ref_line(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
