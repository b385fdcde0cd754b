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
 * kernel make every thread of the process execute one. If the kernel refuses (a filter that came
 * later), readers have fences from then on, and nothing passes before it is known that everybody has
 * noticed: EPOCH_REFUSED.
 */
#ifndef EPOCH_H
#define EPOCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "epoch_group.h"

struct epoch_section {
	_Alignas(64) _Atomic uint64_t entered; /* epoch of entry; 0: not open */
	struct epoch_section *next;	       /* in epoch.sections, under epoch.lock */
	const void *owner; /* constant: the device that uses what is looked up in it; NULL: any */
	bool rare;	   /* constant: opened with epoch_enter_rarely() */
	/* Every opening from now on has a fence, and earlier ones are visible: EPOCH_REFUSED. */
	_Atomic bool fenced;
};

/* Which sections a completion has to wait for, of those that are older than it. */
struct epoch_filter {
	/* With epoch.lock held. */
	bool (*concerns)(void *opaque, const void *owner, uint64_t entered);
	void *opaque;
};

/* Sections for threads that have no channel, claimed for the length of one call. */
#define EPOCH_VISITORS 64U /* bits of epoch.used */

/* epoch.readers: how sections are opened and closed.
 *
 * EPOCH_REFUSED: membarrier has failed. A section that was opened without a fence may not be visible, so
 * a section that reads as closed may be open. Each reader that opens one now has a fence, and after it
 * says so in the section (fenced). Who sees that sees whatever was stored before the fence, that is, every
 * opening without one; and whoever opens the section later does so after this, in the order in which a
 * section's users follow one another, and cannot read EPOCH_UNFENCED again. So as soon as every section
 * says so, all is as if there had always been fences (EPOCH_FENCED); or as soon as membarrier succeeds
 * once more, which makes everybody do the same. Until then no epoch passes: a channel that rests, and is
 * not freed, holds back completions. */
enum epoch_readers { EPOCH_FENCED, EPOCH_UNFENCED, EPOCH_REFUSED };

struct epoch {
	_Atomic uint64_t now; /* starts at 1 */
	_Atomic uint32_t readers;
	/* Who is woken: the last section to close of those that are older than this epoch. With
	 * EPOCH_WAIT_ANY, any that is older. 0: nobody waits, or he has been woken. */
	_Atomic uint64_t waiting;
	struct epoch_group crowd; /* visitors for whom there was no free section */
	_Atomic uint64_t used;	  /* bit n: visitor n has been claimed some time */
	pthread_mutex_t lock;	  /* guards sections, and groups and their labels */
	struct epoch_section *sections;
	struct epoch_group *groups;	 /* those in which sections have been opened */
	const struct epoch_section *own; /* of who waits, which holds him back no more; constant */
	/* Those from EPOCH_VISITORS on stand for the buckets of the crowd, and are never opened. */
	struct epoch_section visitor[EPOCH_VISITORS + EPOCH_BUCKETS];
};

void epoch_init(struct epoch *epoch, bool membarrier);
/* Makes membarrier usable in this process; false: the kernel does not have it. */
bool epoch_membarrier_register(void);
void epoch_fini(struct epoch *epoch);

/* A section that lives as long as its owner, such as a channel's. */
void epoch_add(struct epoch *epoch, struct epoch_section *section);
void epoch_remove(struct epoch *epoch, struct epoch_section *section);

/* What seldom happens. */
__attribute__((cold)) bool epoch_wakes(struct epoch *epoch, uint64_t entered, uint64_t waiting);

static inline void epoch_prove(struct epoch_section *section)
{
	atomic_thread_fence(memory_order_seq_cst);
	atomic_store_explicit(&section->fenced, true, memory_order_release);
}

static inline void epoch_enter(struct epoch *epoch, struct epoch_section *section)
{
	/* acquire: with membarrier nothing else keeps what is read in the section behind it */
	uint64_t now = atomic_load_explicit(&epoch->now, memory_order_acquire);
	uint32_t readers;

	atomic_store_explicit(&section->entered, now, memory_order_relaxed);
	/* Pairs with the fence in epoch_start(): either it sees this section, or we see its change.
	 */
	readers = atomic_load_explicit(&epoch->readers, memory_order_relaxed);
	if (readers == EPOCH_FENCED)
		atomic_thread_fence(memory_order_seq_cst);
	else if (readers == EPOCH_UNFENCED)
		atomic_signal_fence(memory_order_seq_cst);
	else
		epoch_prove(section);
}

/* The same for a section that may rest for long (struct epoch_section.rare). */
static inline void epoch_enter_rarely(struct epoch *epoch, struct epoch_section *section)
{
	epoch_enter(epoch, section);
	atomic_thread_fence(memory_order_seq_cst);
}

/* Closes a section that nobody waits for. */
static inline void epoch_close(struct epoch_section *section)
{
	atomic_store_explicit(&section->entered, 0, memory_order_release);
}

/* Closes a section, which was opened in *entered. Who waits then: if that is more, epoch_wakes() is to be
 * asked. */
static inline uint64_t epoch_leave_for(struct epoch *epoch, struct epoch_section *section,
				       uint64_t *entered)
{
	*entered = atomic_load_explicit(&section->entered, memory_order_relaxed);
	epoch_close(section);
	/* Pairs with the fence in epoch_wait(): either it sees the section closed, or we see that
	 * it waits. */
	if (atomic_load_explicit(&epoch->readers, memory_order_relaxed) == EPOCH_UNFENCED)
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&epoch->waiting, memory_order_relaxed);
}

/* Returns true if that lets someone go on, to one of those who do: the caller then tells the host that
 * viommu_run() is worthwhile. */
static inline bool epoch_leave(struct epoch *epoch, struct epoch_section *section)
{
	uint64_t entered;
	uint64_t waiting = epoch_leave_for(epoch, section, &entered);

	return waiting > entered && epoch_wakes(epoch, entered, waiting);
}

/* Sections that are counted (epoch_group.h), from any thread: opened in the bucket that epoch_join()
 * answers, and closed there by whoever likes. A group's first one takes the lock, to put the group
 * where completions look; an owner that goes takes it out of there. */
unsigned epoch_join(struct epoch *epoch, struct epoch_group *group);
bool epoch_part(struct epoch *epoch, struct epoch_group *group, unsigned bucket);
void epoch_unlist(struct epoch *epoch, struct epoch_group *group);

/* For the length of a call, from any thread. The result goes to epoch_visit_end(). */
struct epoch_section *epoch_visit(struct epoch *epoch);
bool epoch_visit_end(struct epoch *epoch, struct epoch_section *section);

/* After a change: starts a new epoch and returns it, the target of epoch_passed(). */
uint64_t epoch_start(struct epoch *epoch);

/* Whether every section older than @target has closed. @self: the caller's own, not counted; may be
 * NULL. */
bool epoch_passed(struct epoch *epoch, uint64_t target, const struct epoch_section *self);

/* As epoch_passed(), and if not, has the epoch_leave() say so that changes it. Of several that are waited
 * for, the oldest counts: when it has passed, wait for the others again. */
bool epoch_wait(struct epoch *epoch, uint64_t target, const struct epoch_section *self);

/* The same for a completion that does not concern everybody; NULL: it does. */
bool epoch_passed_for(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
		      const struct epoch_filter *filter);

/* Has the next epoch_leave() of a section say so that is open now. One that has closed before did not:
 * look again. */
void epoch_ask(struct epoch *epoch);

/* The same for a second one who waits, for an older section than @target: whoever is asked for already still
 * says so. Who asks or has done afterwards ends that, and has this called again. */
void epoch_ask_too(struct epoch *epoch, uint64_t target);

/* Nobody waits any more. */
void epoch_done(struct epoch *epoch);

#endif
