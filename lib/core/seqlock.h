/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seqlock.h - a version beside a few atomic words: readers take no lock and write nothing.
 *
 * The version is odd while a writer has the words, and counts by two. The words themselves are read
 * and written relaxed.
 */
#ifndef SEQLOCK_H
#define SEQLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

static inline uint64_t seq_read_begin(const _Atomic uint64_t *version)
{
	return atomic_load_explicit(version, memory_order_acquire);
}

/* Whether what was read since seq_read_begin() belongs together. */
static inline bool seq_read_valid(const _Atomic uint64_t *version, uint64_t begun)
{
	atomic_thread_fence(memory_order_acquire);
	return !(begun & 1) && atomic_load_explicit(version, memory_order_relaxed) == begun;
}

/* *locked: the version before. False if another writer has the words. */
static inline bool seq_try_lock(_Atomic uint64_t *version, uint64_t *locked)
{
	*locked = atomic_load_explicit(version, memory_order_relaxed);
	if ((*locked & 1) ||
	    !atomic_compare_exchange_strong_explicit(version, locked, *locked + 1,
						     memory_order_acquire, memory_order_relaxed))
		return false;
	/* the stores that follow may not be seen before the version is odd */
	atomic_thread_fence(memory_order_release);
	return true;
}

/* Writers exclude each other; each has the words for a few stores. */
static inline uint64_t seq_lock(_Atomic uint64_t *version)
{
	uint64_t locked;

	while (!seq_try_lock(version, &locked))
		;
	return locked;
}

static inline void seq_unlock(_Atomic uint64_t *version, uint64_t locked)
{
	atomic_store_explicit(version, locked + 2, memory_order_release);
}

#endif
