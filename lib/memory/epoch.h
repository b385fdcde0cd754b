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

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "epoch_group.h"

/*
 * A part of those who read, that is told by itself: the word that it compares moves before an epoch begins that
 * concerns it, and at no other time, and an epoch that does not concern it does not wait for it. Epochs are counted
 * for all parts together, where no reader in another process can see it.
 *
 * A section of before the last epoch that concerned its part holds back all older epochs that have not passed, and those
 * that begin later: it is not kept which of them concerned whom.
 *
 * What the VMM changes by itself, such as a region of memory, is about all parts, and no completion of the guest is about
 * it: who waits for that is EPOCH_AWAIT, for all sections that are older, and it concerns no part otherwise. So a section that
 * goes on using that memory delays the VMM, and no guest but its own.
 */
struct epoch_part {
	_Atomic uint64_t *now;	/* constant: where the word is; counted before the epoch */
	_Atomic uint64_t moved; /* the last epoch that concerned it; starts at 1 */
	_Atomic uint64_t told;	/* the word, when it last moved for such a one; starts at 1 */
};

/* A section in another process: its word, which is not to be trusted, and counts as part->now does; and the oldest that it can
 * be, by what it has been seen to be: it does not become older. With epoch.lock. */
struct epoch_outside {
	const _Atomic uint64_t *entered;
	uint64_t since;
};

/* Older than every epoch that anybody waits for: these begin at 2. */
#define EPOCH_OLDEST 1U

struct epoch_section {
	/* Epoch of entry; 0: not open; EPOCH_OLDEST: of one in another process, which says it elsewhere. */
	_Alignas(64) _Atomic uint64_t entered;
	struct epoch_section *next; /* in epoch.sections, under epoch.lock */
	struct epoch_section **previous;
	const void *ahead; /* fetched while this one is looked at; may be gone */
	const void *owner; /* constant: the device that uses what is looked up in it; NULL: any */
	_Atomic(const struct epoch_part *) part; /* whose; NULL: every epoch concerns it */
	struct epoch_outside *outside;		 /* of a section in another process; or NULL */
	bool rare;				 /* constant: opened with epoch_enter_rarely() */
	/* Every opening from now on has a fence, and earlier ones are visible: EPOCH_REFUSED. */
	_Atomic bool fenced;
};

static_assert(sizeof(struct epoch_section) == 64, "a cache line: so many are looked at");

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
 * not freed, holds back completions, because one that is open looks the same (docs/models, UNPROVEN). A section
 * says so when it closes, too; who may use a channel may open and close it for that, from any thread. */
enum epoch_readers { EPOCH_FENCED, EPOCH_UNFENCED, EPOCH_REFUSED };

/* How far somebody has looked for sections that hold back an epoch. What was seen to be closed since that epoch
 * began is not looked at again: whoever opens it later sees the change, even if the number that he notes is
 * older. In a list, so that what goes is in nobody's way. */
struct epoch_scan {
	uint64_t target; /* neither this epoch nor an older one is held back before: */
	struct epoch_group *group;
	struct epoch_section *section;
	struct epoch_group *renew; /* the next one that is to be renewed before any is looked at */
	bool proves;		   /* from the first one on, each was fenced: EPOCH_REFUSED */
	uint64_t passed; /* this epoch has; the same as target: nothing is left to look at */
	struct epoch_scan *next; /* in epoch.scans */
};

/* Who may wait: the owner of the IOMMU's registers, for what the guest has done, and whoever uses unit_await(), for all sections,
 * whose part they ever are. */
enum epoch_who { EPOCH_OWNER, EPOCH_AWAIT, EPOCH_ASKERS };

struct epoch_asker {
	struct epoch_scan scan;
	uint64_t asked; /* what he is to be woken for: scan.target, EPOCH_WAIT_ANY; 0: nothing */
};

struct epoch {
	_Atomic uint64_t now; /* starts at 1 */
	_Atomic uint32_t readers;
	/* Who is woken: the last section to close of those that are older than what one has asked for. This
	 * is the youngest of that; 0: nobody waits, or he has been woken. */
	_Atomic uint64_t waiting;
	struct epoch_group crowd; /* visitors for whom there was no free section */
	_Atomic uint64_t used;	  /* bit n: visitor n has been claimed some time */
	pthread_mutex_t lock;	  /* guards what follows, up to `own`, and the labels of groups */
	struct epoch_section *sections;
	struct epoch_group *groups; /* those in which sections have been opened */
	struct epoch_scan *scans;
	struct epoch_asker asker[EPOCH_ASKERS];
	const struct epoch_section *own; /* of who waits, which holds him back no more; constant */
	/* Those from EPOCH_VISITORS on stand for the buckets of the crowd, and are never opened. */
	struct epoch_section visitor[EPOCH_VISITORS + EPOCH_BUCKETS];
};

void epoch_init(struct epoch *epoch, bool membarrier);
void epoch_fini(struct epoch *epoch);

/* A section that lives as long as its owner, such as a channel's. True: that lets someone go on, as in
 * epoch_leave(). */
void epoch_add(struct epoch *epoch, struct epoch_section *section);
/* The same for one in a page of another process, outside->entered: a word that only it writes. Whether it lets someone go on is not known when
 * it closes: who waits has to look again. */
void epoch_add_outside(struct epoch *epoch, struct epoch_section *section,
		       const struct epoch_part *part, struct epoch_outside *outside);
bool epoch_remove(struct epoch *epoch, struct epoch_section *section);

/* What seldom happens. @section: that has closed; NULL: one that is only counted. */
__attribute__((cold)) bool epoch_wakes(struct epoch *epoch, struct epoch_section *section,
				       uint64_t entered, uint64_t waiting);

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

/* The same for a section that may rest for long (struct epoch_section.rare): there is a fence, whoever else has none. */
static inline void epoch_enter_rarely(struct epoch *epoch, struct epoch_section *section)
{
	uint64_t now = atomic_load_explicit(&epoch->now, memory_order_acquire);

	atomic_store_explicit(&section->entered, now, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&epoch->readers, memory_order_relaxed) == EPOCH_REFUSED)
		epoch_prove(section);
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

	return waiting > entered && epoch_wakes(epoch, section, entered, waiting);
}

/* Sections that are counted (epoch_group.h), from any thread: opened in the bucket that epoch_join()
 * answers, and closed there by whoever likes. A group's first one takes the lock, to put the group
 * where completions look; an owner that goes takes it out of there. */
unsigned epoch_join(struct epoch *epoch, struct epoch_group *group);
bool epoch_part(struct epoch *epoch, struct epoch_group *group, unsigned bucket);
void epoch_unlist(struct epoch *epoch, struct epoch_group *group);

/* For the length of a call, from any thread. The result goes to epoch_visit_end(). */
struct epoch_section *epoch_visit(struct epoch *epoch);
/* The same, of a part. */
struct epoch_section *epoch_visit_part(struct epoch *epoch, const struct epoch_part *part);
bool epoch_visit_end(struct epoch *epoch, struct epoch_section *section);

/* ---- epoch_wait.c ---- */

/* Looks at sections are counted: *looks is how many more the caller can pay for. A group is looked at twice. */

enum epoch_answer {
	EPOCH_HELD,
	EPOCH_PASSED,
	EPOCH_UNKNOWN /* the looks did not suffice: the next one goes on from there */
};

/* Whether every section older than @target has closed. @self: the caller's own, not counted; may be
 * NULL. All are looked at. */
bool epoch_passed(struct epoch *epoch, uint64_t target, const struct epoch_section *self);

/* The same for a completion that does not concern everybody; NULL: it does. The second: also false if *looks do not
 * suffice. */
bool epoch_passed_for(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
		      const struct epoch_filter *filter);
bool epoch_passed_within(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
			 const struct epoch_filter *filter, uint32_t *looks);

/* The same for the owner, from where the last look for it has stopped. */
enum epoch_answer epoch_look(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
			     uint32_t *looks);

/* As epoch_look(), and if it is held back, has the epoch_leave() say so that changes it. Of several that are
 * waited for, the oldest counts: when it has passed, wait for the others again. EPOCH_UNKNOWN: nobody says
 * when it is worthwhile to look again, for it is now. */
enum epoch_answer epoch_wait_some(struct epoch *epoch, uint64_t target,
				  const struct epoch_section *self, uint32_t *looks);

/* The same for who is not the owner, and has no section of his own: EPOCH_AWAIT. For all sections that are older. */
enum epoch_answer epoch_wait_too(struct epoch *epoch, uint64_t target, uint32_t *looks);

/* Whether a section in another process is older than the last change of its part: it holds back whoever waits for that, now
 * or later. */
bool epoch_outside_holds(struct epoch *epoch, const struct epoch_section *section);

/* As epoch_wait_some(), with as many looks as it takes. */
bool epoch_wait(struct epoch *epoch, uint64_t target, const struct epoch_section *self);

/* Has each epoch_leave() of a section say so that is older than the current epoch: only who asks knows whom it
 * concerns. One that has closed before did not: look again. */
void epoch_ask(struct epoch *epoch);

/* Whether the owner is still to be told, of that or of what he waits for. */
bool epoch_asks(struct epoch *epoch);

/* The owner waits no more. */
void epoch_done(struct epoch *epoch);

/* All sections that are open, whatever their age, for a filter that counts them. Begins; goes on, EPOCH_HELD if
 * sections may be open that cannot be seen. As long-lived as the epoch. */
void epoch_scan_add(struct epoch *epoch, struct epoch_scan *scan);
void epoch_scan_begin(struct epoch *epoch, struct epoch_scan *scan);
enum epoch_answer epoch_scan_on(struct epoch *epoch, struct epoch_scan *scan,
				const struct epoch_section *self, const struct epoch_filter *filter,
				uint32_t *looks);

/* Between the two files: */

/* With the lock: tells everybody who waits. False: nobody did. */
bool epoch_wake_all(struct epoch *epoch);
/* epoch.waiting: whoever closes a section wakes */
#define EPOCH_WAIT_ALL UINT64_MAX

/* ---- epoch_fence.c ---- */

/* After a change: starts a new epoch and returns it, the target of epoch_passed(). Who has a part is concerned if
 * it is said before, for what readers compare, and after, for who waits; the second alone: its readers have nothing to
 * compare, but are waited for; the first alone, without telling: only EPOCH_AWAIT waits for them. */
uint64_t epoch_start(struct epoch *epoch);
static inline uint64_t epoch_move_part(struct epoch_part *part)
{
	return atomic_fetch_add(part->now, 1) + 1;
}
void epoch_tell_part(struct epoch_part *part);
void epoch_concern_part(struct epoch_part *part, uint64_t started);
/* Makes membarrier usable in this process; false: the kernel does not have it. */
bool epoch_membarrier_register(void);
/* The current epoch, and a fence: for epoch_group_renew(). */
uint64_t epoch_now_fenced(const struct epoch *epoch);
/* The other side of readers that have no fence. */
void epoch_writer_fence(struct epoch *epoch);
/* As soon as every section is fenced. */
void epoch_proven(struct epoch *epoch);

#endif
