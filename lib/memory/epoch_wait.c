/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoch_wait.c - sections: finding out whether old ones have ended, and who says so.
 *
 * A look at all of them takes as long as there are channels and devices with sections of their own, so it can be made in
 * pieces (struct epoch_scan). Each of those who wait has a scan of his own, which whoever closes a section carries on: of
 * two that close at the same time, the one that has the lock second sees both closed.
 */
#include <stddef.h>

#include "bits.h"
#include "epoch.h"

/* epoch_asker.asked: any older section that closes, not the last one */
#define EPOCH_WAIT_ANY BIT(63)

/* Who closes a section has little time: more than this is looked at by who waits. */
#define CLOSER_LOOKS 256U

/* ---- looking, with the lock held ---- */

/* What is looked for. */
struct passing {
	uint64_t target;
	const struct epoch_section *self;
	const struct epoch_filter *filter;
	bool refused; /* EPOCH_REFUSED */
	bool all;     /* EPOCH_AWAIT: of all parts */
};

static struct passing passing_of(struct epoch *epoch, uint64_t target,
				 const struct epoch_section *self,
				 const struct epoch_filter *filter)
{
	return (struct passing){ target, self, filter,
				 atomic_load(&epoch->readers) == EPOCH_REFUSED, false };
}

/* Whether the epoch, or one before it, began for the part of a section after it was opened. All epochs are looked for:
 * everything that is open. */
static bool is_for(const struct passing *p, const struct epoch_part *part, uint64_t entered)
{
	return !part || p->all || p->target == UINT64_MAX ||
	       entered < atomic_load_explicit(&part->moved, memory_order_acquire);
}

static bool is_old(const struct passing *p, uint64_t entered)
{
	return entered != 0 && entered < p->target;
}

/* Of what is open, and old enough. */
static inline __attribute__((always_inline)) bool concerns(const struct passing *p,
							   const struct epoch_part *part,
							   const void *owner, uint64_t entered)
{
	const struct epoch_filter *filter = p->filter;

	return is_for(p, part, entered) &&
	       (!filter || filter->concerns(filter->opaque, owner, entered));
}

/* Whether a section in another process is open, and the oldest that it can be. Who says that he was there before he was
 * seen not to be, or to be younger, is taken for one who has come since then. */
static bool see_outside(struct epoch_outside *outside, const struct epoch_part *part)
{
	uint64_t now = atomic_load(part->now);
	uint64_t entered = atomic_load(outside->entered);
	uint64_t since = entered && entered < now ? entered : now;

	if (outside->since < since)
		outside->since = since;
	return entered;
}

/* When it was opened, as one of ours would have noted it: it is younger than the last epoch that concerned its part, or as old
 * as can be; 0: it is not open. */
static __attribute__((noinline)) uint64_t entered_outside(const struct passing *p,
							  struct epoch_outside *outside,
							  const struct epoch_part *part)
{
	uint64_t last = atomic_load(p->all ? part->now : &part->told);

	if (!see_outside(outside, part))
		return 0;
	if (outside->since < last)
		return EPOCH_OLDEST;
	return p->all ? UINT64_MAX : atomic_load(&part->moved);
}

static const struct epoch_part *part_of(const struct epoch_section *section)
{
	return atomic_load_explicit(&section->part, memory_order_relaxed);
}

/* Of one that is open and old enough, or in another process. */
static __attribute__((noinline)) bool open_holds_back(const struct epoch_section *section,
						      const struct passing *p, uint64_t entered)
{
	const struct epoch_part *part = part_of(section);

	if (UNLIKELY(section->outside)) {
		entered = entered_outside(p, section->outside, part);
		if (!is_old(p, entered))
			return false;
	}
	return concerns(p, part, section->owner, entered);
}

static inline bool holds_back(const struct epoch_section *section, const struct passing *p)
{
	uint64_t entered = atomic_load_explicit(&section->entered, memory_order_acquire);

	return is_old(p, entered) && section != p->self && open_holds_back(section, p, entered);
}

bool epoch_outside_holds(struct epoch *epoch, const struct epoch_section *section)
{
	const struct passing p = { .all = true };
	bool holds;

	pthread_mutex_lock(&epoch->lock);
	holds = entered_outside(&p, section->outside, part_of(section)) == EPOCH_OLDEST;
	pthread_mutex_unlock(&epoch->lock);
	return holds;
}

/* One that may be open although it looks closed. */
static bool unproven(const struct epoch_section *section, const struct passing *p)
{
	return UNLIKELY(p->refused) &&
	       !atomic_load_explicit(&section->fenced, memory_order_acquire);
}

static bool group_holds_back(struct epoch_group *group, const struct passing *p, uint64_t now)
{
	bool held = false;

	epoch_group_renew(group, now);
	if (LIKELY(epoch_group_is_empty(group)))
		return false;
	for (unsigned i = 0; i < EPOCH_BUCKETS; i++) {
		uint64_t entered = epoch_group_entered(group, i);

		held |= is_old(p, entered) && concerns(p, group->part, group->owner, entered);
	}
	return held;
}

/* Visitors, a fixed number. There may have been a crowd if each of them has been claimed. */
static bool visitors_hold_back(struct epoch *epoch, const struct passing *p)
{
	uint64_t used = atomic_load(&epoch->used);
	bool held =
		used == UINT64_MAX && group_holds_back(&epoch->crowd, p, epoch_now_fenced(epoch));

	for (; !held && used; used &= used - 1)
		held = holds_back(&epoch->visitor[__builtin_ctzll(used)], p);
	return held;
}

static bool take_look(uint32_t *looks)
{
	if (!*looks)
		return false;
	--*looks;
	return true;
}

/* All are renewed first: what is opened from then on holds nothing back, in whatever group. */
static enum epoch_answer groups_on(struct epoch *epoch, struct epoch_scan *at,
				   const struct passing *p, uint32_t *looks)
{
	uint64_t now;

	if (LIKELY(!at->group))
		return EPOCH_PASSED;
	now = epoch_now_fenced(epoch);
	for (; at->renew; at->renew = at->renew->next) {
		if (!take_look(looks))
			return EPOCH_UNKNOWN;
		epoch_group_renew(at->renew, now);
	}
	for (; at->group; at->group = at->group->next) {
		if (!take_look(looks))
			return EPOCH_UNKNOWN;
		if (group_holds_back(at->group, p, now))
			return EPOCH_HELD;
	}
	return EPOCH_PASSED;
}

static enum epoch_answer sections_on(struct epoch_scan *at, const struct passing *p,
				     uint32_t *looks)
{
	for (; at->section; at->section = at->section->next) {
		if (!take_look(looks))
			return EPOCH_UNKNOWN;
		__builtin_prefetch(at->section->ahead);
		if (holds_back(at->section, p) || unproven(at->section, p))
			return EPOCH_HELD;
	}
	return EPOCH_PASSED;
}

static void scan_begin(struct epoch *epoch, struct epoch_scan *at, uint64_t target, bool refused)
{
	at->target = target;
	at->renew = at->group = epoch->groups;
	at->section = epoch->sections;
	at->proves = refused;
}

static enum epoch_answer scan_on(struct epoch *epoch, struct epoch_scan *at,
				 const struct passing *p, uint32_t *looks)
{
	enum epoch_answer answer;

	if (visitors_hold_back(epoch, p))
		return EPOCH_HELD;
	answer = groups_on(epoch, at, p, looks);
	if (answer == EPOCH_PASSED)
		answer = sections_on(at, p, looks);
	if (answer != EPOCH_PASSED)
		return answer;
	at->passed = at->target;
	if (p->refused && at->proves)
		epoch_proven(epoch);
	return answer;
}

bool epoch_passed_within(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
			 const struct epoch_filter *filter, uint32_t *looks)
{
	enum epoch_answer answer;
	struct epoch_scan at = { .passed = 0 };
	struct passing p;

	pthread_mutex_lock(&epoch->lock);
	p = passing_of(epoch, target, self, filter);
	scan_begin(epoch, &at, target, p.refused);
	answer = scan_on(epoch, &at, &p, looks);
	pthread_mutex_unlock(&epoch->lock);
	return answer == EPOCH_PASSED;
}

bool epoch_passed_for(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
		      const struct epoch_filter *filter)
{
	uint32_t all = UINT32_MAX;

	return epoch_passed_within(epoch, target, self, filter, &all);
}

bool epoch_passed(struct epoch *epoch, uint64_t target, const struct epoch_section *self)
{
	return epoch_passed_for(epoch, target, self, NULL);
}

void epoch_scan_add(struct epoch *epoch, struct epoch_scan *scan)
{
	pthread_mutex_lock(&epoch->lock);
	*scan = (struct epoch_scan){ .next = epoch->scans };
	epoch->scans = scan;
	pthread_mutex_unlock(&epoch->lock);
}

void epoch_scan_begin(struct epoch *epoch, struct epoch_scan *scan)
{
	pthread_mutex_lock(&epoch->lock);
	scan->passed = 0;
	scan_begin(epoch, scan, UINT64_MAX, atomic_load(&epoch->readers) == EPOCH_REFUSED);
	pthread_mutex_unlock(&epoch->lock);
}

enum epoch_answer epoch_scan_on(struct epoch *epoch, struct epoch_scan *scan,
				const struct epoch_section *self, const struct epoch_filter *filter,
				uint32_t *looks)
{
	enum epoch_answer answer;
	struct passing p;

	pthread_mutex_lock(&epoch->lock);
	p = passing_of(epoch, UINT64_MAX, self, filter);
	answer = scan_on(epoch, scan, &p, looks);
	pthread_mutex_unlock(&epoch->lock);
	return answer;
}

/* ---- waiting, with the lock held ---- */

/* What is asked for is the youngest of all; while sections are to be proven, everybody. The readers afterwards,
 * as they are changed before what waits is. */
static void set_waiting(struct epoch *epoch)
{
	uint64_t waiting = 0;

	for (unsigned i = 0; i < EPOCH_ASKERS; i++) {
		uint64_t asked = epoch->asker[i].asked & ~EPOCH_WAIT_ANY;

		waiting = asked > waiting ? asked : waiting;
	}
	atomic_store(&epoch->waiting, waiting);
	if (waiting && atomic_load(&epoch->readers) == EPOCH_REFUSED)
		atomic_store(&epoch->waiting, EPOCH_WAIT_ALL);
}

bool epoch_wake_all(struct epoch *epoch)
{
	bool any = false;

	for (unsigned i = 0; i < EPOCH_ASKERS; i++) {
		any |= epoch->asker[i].asked != 0;
		epoch->asker[i].asked = 0;
	}
	set_waiting(epoch);
	return any;
}

/* One scan for all that he waits for, of which the oldest passes first: what is younger is held back as long as
 * that is. What has passed is still asked for: a look that finds that may be the second one of a call that has answered
 * VIOMMU_PENDING after the first, and whoever closes the section meanwhile has to say so. epoch_done() ends it. */
static inline enum epoch_answer look(struct epoch *epoch, struct epoch_asker *a, uint64_t target,
				     const struct epoch_section *self, uint32_t *looks)
{
	struct epoch_scan *scan = &a->scan;
	struct passing p = passing_of(epoch, scan->target, self, NULL);

	p.all = a == &epoch->asker[EPOCH_AWAIT];
	if (target <= scan->passed)
		return EPOCH_PASSED;
	if (UNLIKELY(scan->target != scan->passed) && target > scan->target) {
		enum epoch_answer older = scan_on(epoch, scan, &p, looks);

		if (older != EPOCH_PASSED)
			return older;
	}
	if (target != scan->target)
		scan_begin(epoch, scan, target, p.refused);
	p.target = target;
	return scan_on(epoch, scan, &p, looks);
}

/* Whether the one who waits may go on, now that a section of @entered has closed. */
static bool may_go_on(struct epoch *epoch, unsigned who, uint64_t entered)
{
	struct epoch_asker *a = &epoch->asker[who];
	uint32_t looks = CLOSER_LOOKS;

	if (entered >= (a->asked & ~EPOCH_WAIT_ANY))
		return false;
	return (a->asked & EPOCH_WAIT_ANY) ||
	       look(epoch, a, a->scan.target, who == EPOCH_OWNER ? epoch->own : NULL, &looks) !=
		       EPOCH_HELD;
}

/* ---- waiting ---- */

bool epoch_wakes(struct epoch *epoch, struct epoch_section *section, uint64_t entered,
		 uint64_t waiting)
{
	bool wakes = false;

	if (waiting == EPOCH_WAIT_ALL && section) /* it may rest from now on */
		epoch_prove(section);
	pthread_mutex_lock(&epoch->lock);
	if (waiting == EPOCH_WAIT_ALL)
		wakes = epoch_wake_all(epoch);
	/* Of those who see it, one says so. Who has been woken looks at all he waits for. */
	for (unsigned i = 0; i < EPOCH_ASKERS; i++) {
		if (!may_go_on(epoch, i, entered))
			continue;
		epoch->asker[i].asked = 0;
		wakes = true;
	}
	if (wakes)
		set_waiting(epoch);
	pthread_mutex_unlock(&epoch->lock);
	return wakes;
}

enum epoch_answer epoch_look(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
			     uint32_t *looks)
{
	enum epoch_answer answer;

	pthread_mutex_lock(&epoch->lock);
	answer = look(epoch, &epoch->asker[EPOCH_OWNER], target, self, looks);
	pthread_mutex_unlock(&epoch->lock);
	return answer;
}

/* Looks, asks if that is held back and not asked for yet, and looks again: who closes after that sees that he is asked
 * for. While sections are to be proven the kernel is asked each time, as it may not refuse any more. At most three
 * rounds: for what is older, and for @target. */
static enum epoch_answer wait_for(struct epoch *epoch, unsigned who, uint64_t target,
				  const struct epoch_section *self, uint32_t *looks)
{
	struct epoch_asker *a = &epoch->asker[who];
	uint64_t asked = 0; /* in this call */

	for (;;) {
		enum epoch_answer answer;
		bool ask;

		pthread_mutex_lock(&epoch->lock);
		answer = look(epoch, a, target, self, looks);
		ask = answer == EPOCH_HELD && asked != a->scan.target &&
		      (a->asked != a->scan.target || atomic_load(&epoch->readers) == EPOCH_REFUSED);
		if (ask) {
			a->asked = asked = a->scan.target;
			set_waiting(epoch);
		}
		pthread_mutex_unlock(&epoch->lock);
		if (!ask)
			return answer;
		epoch_writer_fence(epoch);
	}
}

enum epoch_answer epoch_wait_some(struct epoch *epoch, uint64_t target,
				  const struct epoch_section *self, uint32_t *looks)
{
	return wait_for(epoch, EPOCH_OWNER, target, self, looks);
}

enum epoch_answer epoch_wait_too(struct epoch *epoch, uint64_t target, uint32_t *looks)
{
	return wait_for(epoch, EPOCH_AWAIT, target, NULL, looks);
}

bool epoch_wait(struct epoch *epoch, uint64_t target, const struct epoch_section *self)
{
	uint32_t all = UINT32_MAX;

	return epoch_wait_some(epoch, target, self, &all) == EPOCH_PASSED;
}

void epoch_ask(struct epoch *epoch)
{
	pthread_mutex_lock(&epoch->lock);
	epoch->asker[EPOCH_OWNER].asked = EPOCH_WAIT_ANY | atomic_load(&epoch->now);
	set_waiting(epoch);
	pthread_mutex_unlock(&epoch->lock);
	epoch_writer_fence(epoch);
}

bool epoch_asks(struct epoch *epoch)
{
	bool asks;

	pthread_mutex_lock(&epoch->lock);
	asks = epoch->asker[EPOCH_OWNER].asked != 0;
	pthread_mutex_unlock(&epoch->lock);
	return asks;
}

void epoch_done(struct epoch *epoch)
{
	if (!atomic_load_explicit(&epoch->waiting, memory_order_relaxed))
		return;
	pthread_mutex_lock(&epoch->lock);
	epoch->asker[EPOCH_OWNER].asked = 0;
	set_waiting(epoch);
	pthread_mutex_unlock(&epoch->lock);
}
