/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cycle.h - random cyclic orders, the same in each run: every element once, then the first again.
 */
#ifndef BENCH_CYCLE_H
#define BENCH_CYCLE_H

#include <stdint.h>

/* SplitMix64: one addition and a mix of the bits. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

/* Sattolo's shuffle: next[] becomes a permutation of 0 .. n - 1 that is a single cycle. */
static inline void cycle_fill(uint32_t *next, uint32_t n)
{
	uint64_t seed = n;

	for (uint32_t i = 0; i < n; i++)
		next[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = (uint32_t)(random_next(&seed) % (i - 1));
		uint32_t t = next[i - 1];

		next[i - 1] = next[j];
		next[j] = t;
	}
}

#endif
