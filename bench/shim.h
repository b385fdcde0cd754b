/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shim.h - benchmarks in plain C. shim.cc behind it is the only file that knows Google Benchmark.
 *
 * A benchmark is a row of a table; a file of them is a suite, and shim.cc registers the suites that
 * BENCH_SUITES names. The function of a row is the loop that is timed:
 *
 *	static void run_hit(struct bench_state *state, void *world)
 *	{
 *		while (bench_next_batch(state, 16))
 *			for (unsigned i = 0; i < 16; i++)
 *				bench_use(translate(world, i));
 *	}
 *
 * Google Benchmark calls it several times, to find how many iterations it needs and once for each
 * repetition, so whatever takes long to build is the row's world: built once, before the first
 * call.
 */
#ifndef BENCH_SHIM_H
#define BENCH_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_SUITES(SUITE)                                                                        \
	SUITE(ref_chase)                                                                           \
	SUITE(ref_call)                                                                            \
	SUITE(ref_line)                                                                            \
	SUITE(vtd)                                                                                 \
	SUITE(engines)                                                                             \
	SUITE(dma)                                                                                 \
	SUITE(view)                                                                                \
	SUITE(virtio)                                                                              \
	SUITE(tce)                                                                                 \
	SUITE(irq)                                                                                 \
	SUITE(its)                                                                                 \
	SUITE(worst)                                                                               \
	SUITE(memory)                                                                              \
	SUITE(map)                                                                                 \
	SUITE(iotlb)                                                                               \
	SUITE(scale)                                                                               \
	SUITE(peer_glib_mutex)                                                                     \
	SUITE(peer_range_map)                                                                      \
	SUITE(peer_sorted_list)                                                                    \
	SUITE(peer_walk_always)                                                                    \
	SUITE(peer_gtree)                                                                          \
	SUITE(peer_iotlb)

#define BENCH_DECLARE_SUITE(name) void bench_suite_##name(void);
BENCH_SUITES(BENCH_DECLARE_SUITE)
#undef BENCH_DECLARE_SUITE

/* What a running benchmark sees of the shim. Read thread and threads; the rest is the shim's. */
struct bench_state {
	uint64_t left;	 /* iterations until the shim has to be asked again */
	uint32_t thread; /* 0 .. threads - 1 */
	uint32_t threads;
	uint32_t phase;	     /* before, in, or after the loop */
	uint64_t elapsed_ns; /* stopwatch: the sum of the parts measured so far */
	uint64_t started_ns; /* stopwatch: when the current part began */
	struct bench_crew *crew;
};

/*
 * Which of the clocks a figure is. Each figure is ns an iteration; the report needs only one of
 * them.
 */
enum bench_clock {
	BENCH_CPU,  /* processor time: the processor is shared, waiting is not ours */
	BENCH_WALL, /* elapsed time by iterations of all threads: what a row with threads needs */
	BENCH_STOPWATCH, /* elapsed time between bench_start() and bench_stop() only */
};

struct bench {
	const char *name;
	void (*run)(struct bench_state *state, void *world);

	/*
	 * Builds the world, once and untimed; NULL is an error. Optional: without it world is
	 * NULL.
	 */
	void *(*prepare)(const struct bench *row);
	void (*discard)(void *world); /* at exit; optional */

	uint64_t n;	 /* what the number at the end of the name means, or 0 */
	const void *arg; /* for prepare() */
	enum bench_clock clock;
	uint32_t threads; /* 0 is 1 */
};

/* Adds rows, in this order. Rows and names are copied; what `arg` points to is not. */
void bench_register(const struct bench *rows, size_t count);

/* bench_next_batch() when the iterations at hand are used up: starts the clock, or stops it. */
bool bench_edge(struct bench_state *state, uint64_t batch);

/*
 * True while another `batch` iterations have to be done. The first call waits for all threads and
 * starts the clock, the one that answers false stops it. `batch` is the same in each call of a
 * loop.
 */
static inline bool bench_next_batch(struct bench_state *state, uint64_t batch)
{
	if (__builtin_expect(state->left < batch, 0))
		return bench_edge(state, batch);
	state->left -= batch;
	return true;
}

static inline bool bench_next(struct bench_state *state)
{
	return bench_next_batch(state, 1);
}

/*
 * Stopwatch rows: the part in between is measured. A pair costs about 20 ns, of which it measures
 * most.
 */
void bench_start(struct bench_state *state);
void bench_stop(struct bench_state *state);

/* Nanoseconds of a clock that never steps. */
uint64_t bench_now_ns(void);

/* Reports `value` beside the time. Thread 0 only. */
void bench_counter(struct bench_state *state, const char *name, double value);

/*
 * Gives up: the row is reported as an error, bench_next() answers false. Thread 0, before the
 * loop.
 */
void bench_fail(struct bench_state *state, const char *why);

/* The compiler has to compute `value`... */
static inline void bench_use(uint64_t value)
{
	__asm__ volatile("" : : "r"(value));
}

/* ... and may not know what it is. */
static inline uint64_t bench_hide(uint64_t value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

#ifdef __cplusplus
}
#endif

#endif
