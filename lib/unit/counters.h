/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * counters.h - what is counted (observe.h, struct viommu_statistics).
 *
 * Hits count nothing. What any thread may do is counted twice: in the device, and in one of a few
 * places of the IOMMU that devices share out, so that threads of several devices seldom meet in a
 * cache line, and reading takes no longer the more devices there are. What only the call that has
 * the unit does is added without an atomic operation.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
	/* by any thread, of a device */
	COUNT_MISSES,
	COUNT_FILLS,
	COUNT_FILLED_MISSES, /* instead of one of each */
	COUNT_EVICTIONS,
	COUNT_FAULTS,
	COUNT_PAGE_REQUESTS,
	COUNT_DEVICE_TLB,
	COUNTERS_OF_DEVICE = 8, /* a cache line */
	/* by the call that has the unit */
	COUNT_FLUSHES = COUNTERS_OF_DEVICE,
	COUNT_CONTEXTS,
	COUNT_DOMAINS,
	COUNT_RANGES,
	COUNT_INTERRUPTS,
	COUNT_COMMANDS,
	COUNT_COMMAND_ERRORS,
	COUNT_COMPLETIONS,
	COUNTERS
};

struct counters {
	_Alignas(64) _Atomic uint64_t of[COUNTERS_OF_DEVICE];
};

#define COUNTER_PLACES 8U

/* Fault reasons that are counted apart; larger ones are with the last. */
#define COUNTED_REASONS 0x110U

struct unit_counters {
	struct counters devices[COUNTER_PLACES];
	_Atomic uint64_t own[COUNTERS - COUNTERS_OF_DEVICE];
	_Atomic uint64_t message_faults;
	_Atomic uint64_t reasons[COUNTED_REASONS];
	/* Of the call that has the unit. longest: nanoseconds, at least. */
	_Atomic uint64_t longest;
	uint64_t now;	/* at the last viommu_run(); 0: no clock */
	uint64_t since; /* something has been pending, as viommu_run() saw it; 0: nothing */
};

static inline void counter_add(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* By its only writer. */
static inline void counter_add_own_some(_Atomic uint64_t *counter, uint64_t count)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count,
			      memory_order_relaxed);
}

static inline void counter_add_own(_Atomic uint64_t *counter)
{
	counter_add_own_some(counter, 1);
}

static inline uint64_t counter_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
