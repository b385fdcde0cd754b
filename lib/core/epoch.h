/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoch.h - sections: who may still be using what was looked up before an invalidation.
 *
 * A reader marks its section with the epoch in which it entered. Whoever changes something that
 * readers look up makes the change, starts a new epoch, and holds back the completion until no
 * section of an older epoch is left (or none of those it concerns: struct epoch_filter). Readers
 * never wait; the one who completes polls epoch_passed() and is woken by epoch_leave().
 *
 * The epoch also tells that something was invalidated: it moves after each change and before its
 * completion, so that whoever keeps translations of his own (channel.h) has one word to compare.
 *
 * With membarrier, readers do without fences: who starts an epoch, or begins to wait, has the
 * kernel make every thread of the process execute one.
 */
#ifndef EPOCH_H
#define EPOCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct epoch_section {
	_Alignas(64) _Atomic uint64_t entered; /* epoch of entry; 0: not open */
	struct epoch_section *next;	       /* in epoch.sections, under epoch.lock */
	const void *owner; /* constant: the device that uses what is looked up in it; NULL: any */
};

/* Which sections a completion has to wait for, of those that are older than it. */
struct epoch_filter {
	/* With epoch.lock held. */
	bool (*concerns)(void *opaque, const void *owner, uint64_t entered);
	void *opaque;
};

/* Sections for threads that have no channel, claimed for the length of one call. */
#define EPOCH_VISITORS 64U /* bits of epoch.used */

struct epoch {
	_Atomic uint64_t now;	  /* starts at 1 */
	bool membarrier;	  /* constant */
	_Atomic uint32_t waiting; /* someone wants to be woken when a section closes */
	_Atomic uint32_t crowd;	  /* visitors for whom there was no free section */
	_Atomic uint64_t used;	  /* bit n: visitor n has been claimed some time */
	pthread_mutex_t lock;	  /* guards sections */
	struct epoch_section *sections;
	struct epoch_section visitor[EPOCH_VISITORS];
};

void epoch_init(struct epoch *epoch, bool membarrier);
/* Makes membarrier usable in this process; false: the kernel does not have it. */
bool epoch_membarrier_register(void);
void epoch_fini(struct epoch *epoch);

/* A section that lives as long as its owner, such as a channel's. */
void epoch_add(struct epoch *epoch, struct epoch_section *section);
void epoch_remove(struct epoch *epoch, struct epoch_section *section);

static inline void epoch_reader_fence(const struct epoch *epoch)
{
	if (epoch->membarrier)
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
}

static inline void epoch_enter(struct epoch *epoch, struct epoch_section *section)
{
	/* acquire: with membarrier nothing else keeps what is read in the section behind it */
	uint64_t now = atomic_load_explicit(&epoch->now, memory_order_acquire);

	atomic_store_explicit(&section->entered, now, memory_order_relaxed);
	/* Pairs with the fence in epoch_start(): either it sees this section, or we see its change.
	 */
	epoch_reader_fence(epoch);
}

/* Returns true if someone waits: the caller then tells the host that viommu_run() is worthwhile. */
static inline bool epoch_leave(struct epoch *epoch, struct epoch_section *section)
{
	atomic_store_explicit(&section->entered, 0, memory_order_release);
	/* Pairs with the fence in epoch_wait(): either it sees the section closed, or we see that
	 * it waits. */
	epoch_reader_fence(epoch);
	return atomic_load_explicit(&epoch->waiting, memory_order_relaxed) != 0;
}

/* For the length of a call, from any thread. The result goes to epoch_visit_end(). */
struct epoch_section *epoch_visit(struct epoch *epoch);
bool epoch_visit_end(struct epoch *epoch, struct epoch_section *section);

/* After a change: starts a new epoch and returns it, the target of epoch_passed(). */
uint64_t epoch_start(struct epoch *epoch);

/* Whether every section older than @target has closed. @self: the caller's own, not counted; may be
 * NULL. */
bool epoch_passed(struct epoch *epoch, uint64_t target, const struct epoch_section *self);

/* As epoch_passed(), and if not, asks for epoch_leave() to say so when that may have changed, until
 * epoch_done(). */
bool epoch_wait(struct epoch *epoch, uint64_t target, const struct epoch_section *self);

/* The same for a completion that does not concern everybody; NULL: it does. */
bool epoch_passed_for(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
		      const struct epoch_filter *filter);

/* Asks for epoch_leave() to say so when a section closes, until epoch_done(). One that has closed
 * before did not: look again. */
void epoch_ask(struct epoch *epoch);

/* Nobody waits any more. */
void epoch_done(struct epoch *epoch);

#endif
