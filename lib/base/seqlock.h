/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seqlock.h - a version beside a few atomic words: readers take no lock and write nothing.
 *
 * The version is odd while a writer has the words, and counts by two. The words themselves are read
 * and written relaxed.
 *
 * A writer may be stopped by the scheduler at any point, for as long as a thread of higher priority
 * likes to run: nobody goes round for it more than SEQ_TRIES times. Then a cache is done without
 * (fills are dropped, invalidations give a new tag or generation), and whoever reads what there is
 * nowhere else sleeps until the writer, who can run then, has finished.
 */
#ifndef SEQLOCK_H
#define SEQLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bits.h"

/* Of an odd version the one before, which it will never be again. */
static inline uint64_t seq_read_begin(const _Atomic uint64_t *version)
{
	return atomic_load_explicit(version, memory_order_acquire) & ~UINT64_C(1);
}

/* Whether what was read since seq_read_begin() belongs together. */
static inline bool seq_read_valid(const _Atomic uint64_t *version, uint64_t begun)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(version, memory_order_relaxed) == begun;
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

/*
 * The same of words that are as they were at seq_read_begin(): what was read of them since belongs together, and holds
 * until seq_unlock(). (Nobody has written since, or the version were another; and no load that is late can see what is
 * written after we have let go.)
 */
static inline bool seq_lock_as_read(_Atomic uint64_t *version, uint64_t begun)
{
	uint64_t expected = begun;

	if (!atomic_compare_exchange_strong_explicit(version, &expected, begun + 1,
						     memory_order_acquire, memory_order_relaxed))
		return false;
	atomic_thread_fence(memory_order_release);
	return true;
}

/* A writer has the words for a few stores: longer than this only if it does not run. */
#define SEQ_TRIES 64U

static inline void seq_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Returns the version before; an odd one: nobody lets go. */
static __attribute__((noinline, cold, unused)) uint64_t seq_lock_again(_Atomic uint64_t *version)
{
	uint64_t locked;

	for (unsigned i = 1; i < SEQ_TRIES; i++) {
		seq_pause();
		if (seq_try_lock(version, &locked))
			return locked;
	}
	return 1;
}

/* The same for one who would rather not do without. */
static inline bool seq_lock_soon(_Atomic uint64_t *version, uint64_t *locked)
{
	uint64_t now;

	if (UNLIKELY(!seq_try_lock(version, &now)))
		now = seq_lock_again(version);
	*locked = now;
	return !(now & 1);
}

static inline void seq_unlock(_Atomic uint64_t *version, uint64_t locked)
{
	atomic_store_explicit(version, locked + 2, memory_order_release);
}

/* For the only writer there is, or the one that has the writers' mutex: this needs no exchange. */
static inline void seq_write_begin(_Atomic uint64_t *version)
{
	uint64_t now = atomic_load_explicit(version, memory_order_relaxed);

	atomic_store_explicit(version, now + 1, memory_order_relaxed);
	/* the stores that follow may not be seen before the version is odd */
	atomic_thread_fence(memory_order_release);
}

static inline void seq_write_end(_Atomic uint64_t *version)
{
	uint64_t now = atomic_load_explicit(version, memory_order_relaxed);

	atomic_store_explicit(version, now + 1, memory_order_release);
}

#endif
