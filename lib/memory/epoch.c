/* SPDX-License-Identifier: BSD-3-Clause */
/* epoch.c - sections: starting epochs and finding out whether old ones have ended. */

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bits.h"
#include "epoch.h"

/* membarrier(2) */
#define MEMBARRIER_PRIVATE_EXPEDITED	      (1 << 3)
#define MEMBARRIER_REGISTER_PRIVATE_EXPEDITED (1 << 4)

bool epoch_membarrier_register(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* epoch.waiting: any older section that closes, not the last one */
#define EPOCH_WAIT_ANY BIT(63)

/* Sections are opened and closed in another way from now on. Who waits is not told by age any more, but by
 * whoever closes one: he who proves his section may let him go on, however young it is. */
static void change_readers(struct epoch *epoch, uint32_t from, uint32_t to)
{
	uint64_t waiting;

	if (!atomic_compare_exchange_strong(&epoch->readers, &from, to))
		return;
	waiting = atomic_load(&epoch->waiting);
	while (waiting && !atomic_compare_exchange_weak(&epoch->waiting, &waiting, UINT64_MAX))
		;
}

/* The other side of readers that have no fence. */
static void writer_fence(struct epoch *epoch)
{
	uint32_t readers = atomic_load(&epoch->readers);

	atomic_thread_fence(memory_order_seq_cst);
	if (readers == EPOCH_FENCED)
		return;
	if (syscall(SYS_membarrier, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0) != 0)
		change_readers(epoch, EPOCH_UNFENCED, EPOCH_REFUSED);
	else if (readers == EPOCH_REFUSED) /* it was before the call: everybody has noticed */
		change_readers(epoch, EPOCH_REFUSED, EPOCH_FENCED);
}

void epoch_init(struct epoch *epoch, bool membarrier)
{
	atomic_init(&epoch->readers, membarrier ? EPOCH_UNFENCED : EPOCH_FENCED);
	atomic_init(&epoch->now, 1);
	atomic_init(&epoch->waiting, 0);
	epoch_group_init(&epoch->crowd, NULL);
	atomic_init(&epoch->used, 0);
	pthread_mutex_init(&epoch->lock, NULL);
	epoch->sections = NULL;
	epoch->groups = NULL;
	epoch->own = NULL;
	for (unsigned i = 0; i < EPOCH_VISITORS; i++) {
		atomic_init(&epoch->visitor[i].entered, 0);
		atomic_init(&epoch->visitor[i].fenced, true);
	}
}

void epoch_fini(struct epoch *epoch)
{
	pthread_mutex_destroy(&epoch->lock);
}

void epoch_add(struct epoch *epoch, struct epoch_section *section)
{
	atomic_init(&section->entered, 0);
	pthread_mutex_lock(&epoch->lock);
	atomic_init(&section->fenced,
		    section->rare || atomic_load(&epoch->readers) != EPOCH_UNFENCED);
	section->next = epoch->sections;
	epoch->sections = section;
	pthread_mutex_unlock(&epoch->lock);
}

void epoch_remove(struct epoch *epoch, struct epoch_section *section)
{
	pthread_mutex_lock(&epoch->lock);
	for (struct epoch_section **at = &epoch->sections; *at; at = &(*at)->next) {
		if (*at == section) {
			*at = section->next;
			break;
		}
	}
	pthread_mutex_unlock(&epoch->lock);
}

/* Threads have different stacks: a cheap way to spread them over the visitors without thread-local
 * storage. */
static unsigned visitor_hint(void)
{
	char here;
	uintptr_t stack = (uintptr_t)&here;

	return (unsigned)((stack >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

struct epoch_section *epoch_visit(struct epoch *epoch)
{
	unsigned hint = visitor_hint();

	for (unsigned i = 0; i < EPOCH_VISITORS; i++) {
		unsigned n = (hint + i) % EPOCH_VISITORS;
		struct epoch_section *section = &epoch->visitor[n];
		uint64_t idle = 0;
		uint64_t now = atomic_load_explicit(&epoch->now, memory_order_relaxed);

		/* before the section is: epoch_passed() looks only at these */
		if (!(atomic_load_explicit(&epoch->used, memory_order_relaxed) & BIT(n)))
			atomic_fetch_or(&epoch->used, BIT(n));
		if (atomic_compare_exchange_strong(&section->entered, &idle, now)) {
			atomic_thread_fence(memory_order_seq_cst);
			return section;
		}
	}
	/* More threads at once than sections: these are only counted. */
	return &epoch->visitor[EPOCH_VISITORS + epoch_group_enter(&epoch->crowd)];
}

bool epoch_part(struct epoch *epoch, struct epoch_group *group, unsigned bucket)
{
	/* before it is closed: its bucket may be another's then */
	uint64_t entered = atomic_load_explicit(&group->label[bucket], memory_order_relaxed);
	uint64_t waiting;

	if (!epoch_group_leave(group, bucket))
		return false;
	waiting = atomic_load_explicit(&epoch->waiting, memory_order_relaxed);
	return waiting > entered && epoch_wakes(epoch, entered, waiting);
}

bool epoch_visit_end(struct epoch *epoch, struct epoch_section *section)
{
	unsigned n = (unsigned)(section - epoch->visitor);

	return n < EPOCH_VISITORS ? epoch_leave(epoch, section)
				  : epoch_part(epoch, &epoch->crowd, n - EPOCH_VISITORS);
}

/* ---- groups ---- */

/* For epoch_group_renew(). */
static uint64_t now_fenced(const struct epoch *epoch)
{
	uint64_t now = atomic_load_explicit(&epoch->now, memory_order_acquire);

	atomic_thread_fence(memory_order_seq_cst);
	return now;
}

static void list(struct epoch *epoch, struct epoch_group *group)
{
	pthread_mutex_lock(&epoch->lock);
	if (!atomic_load_explicit(&group->listed, memory_order_relaxed)) {
		group->next = epoch->groups;
		group->previous = &epoch->groups;
		if (group->next)
			group->next->previous = &group->next;
		epoch->groups = group;
		epoch_group_renew(group, now_fenced(epoch));
		atomic_store_explicit(&group->listed, true, memory_order_release);
	}
	pthread_mutex_unlock(&epoch->lock);
}

void epoch_unlist(struct epoch *epoch, struct epoch_group *group)
{
	if (!atomic_load_explicit(&group->listed, memory_order_relaxed))
		return;
	pthread_mutex_lock(&epoch->lock);
	*group->previous = group->next;
	if (group->next)
		group->next->previous = group->previous;
	pthread_mutex_unlock(&epoch->lock);
	atomic_store_explicit(&group->listed, false, memory_order_relaxed);
}

unsigned epoch_join(struct epoch *epoch, struct epoch_group *group)
{
	if (UNLIKELY(!atomic_load_explicit(&group->listed, memory_order_acquire)))
		list(epoch, group);
	return epoch_group_enter(group);
}

uint64_t epoch_start(struct epoch *epoch)
{
	uint64_t target = atomic_fetch_add(&epoch->now, 1) + 1;

	writer_fence(epoch);
	return target;
}

/* What a completion waits for. */
struct passing {
	uint64_t target;
	const struct epoch_section *self;
	const struct epoch_filter *filter;
};

static bool concerns(const struct passing *p, const void *owner, uint64_t entered)
{
	const struct epoch_filter *filter = p->filter;

	return entered != 0 && entered < p->target &&
	       (!filter || filter->concerns(filter->opaque, owner, entered));
}

static bool holds_back(const struct epoch_section *section, const struct passing *p)
{
	return section != p->self &&
	       concerns(p, section->owner,
			atomic_load_explicit(&section->entered, memory_order_acquire));
}

static bool group_holds_back(struct epoch_group *group, const struct passing *p, uint64_t now)
{
	bool held = false;

	epoch_group_renew(group, now);
	if (LIKELY(epoch_group_is_empty(group)))
		return false;
	for (unsigned i = 0; i < EPOCH_BUCKETS; i++)
		held |= concerns(p, group->owner, epoch_group_entered(group, i));
	return held;
}

/* Whether there may have been a crowd: whoever is one of it has found every visitor claimed. */
static bool crowded(const struct epoch *epoch)
{
	return atomic_load(&epoch->used) == UINT64_MAX;
}

/* All of them, even if one holds it back: each is renewed. */
static bool groups_hold_back(struct epoch *epoch, const struct passing *p)
{
	bool crowd = crowded(epoch);
	bool held = false;
	uint64_t now;

	if (LIKELY(!crowd && !epoch->groups))
		return false;
	now = now_fenced(epoch);
	if (crowd)
		held = group_holds_back(&epoch->crowd, p, now);
	for (struct epoch_group *group = epoch->groups; group; group = group->next)
		held |= group_holds_back(group, p, now);
	return held;
}

/* EPOCH_REFUSED: whether it is over. With epoch.lock held. */
static bool proven(struct epoch *epoch)
{
	bool all = true;

	if (atomic_load(&epoch->readers) != EPOCH_REFUSED)
		return true;
	for (const struct epoch_section *s = epoch->sections; all && s; s = s->next)
		all = atomic_load_explicit(&s->fenced, memory_order_acquire);
	if (all)
		change_readers(epoch, EPOCH_REFUSED, EPOCH_FENCED);
	return all;
}

bool epoch_passed_for(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
		      const struct epoch_filter *filter)
{
	const struct passing p = { target, self, filter };
	bool passed;

	pthread_mutex_lock(&epoch->lock);
	passed = !groups_hold_back(epoch, &p) && proven(epoch);
	for (uint64_t used = atomic_load(&epoch->used); passed && used; used &= used - 1)
		passed = !holds_back(&epoch->visitor[__builtin_ctzll(used)], &p);
	for (const struct epoch_section *s = epoch->sections; passed && s; s = s->next)
		passed = !holds_back(s, &p);
	pthread_mutex_unlock(&epoch->lock);
	return passed;
}

bool epoch_passed(struct epoch *epoch, uint64_t target, const struct epoch_section *self)
{
	return epoch_passed_for(epoch, target, self, NULL);
}

bool epoch_wakes(struct epoch *epoch, uint64_t entered, uint64_t waiting)
{
	if (waiting & EPOCH_WAIT_ANY ? entered >= (waiting & ~EPOCH_WAIT_ANY)
				     : !epoch_passed(epoch, waiting, epoch->own))
		return false;
	/* Of those who see it, one says so. Who has been woken looks at all he waits for. */
	return atomic_exchange(&epoch->waiting, 0) != 0;
}

static void ask(struct epoch *epoch, uint64_t waiting)
{
	atomic_store_explicit(&epoch->waiting, waiting, memory_order_relaxed);
	writer_fence(epoch);
	if (atomic_load(&epoch->readers) == EPOCH_REFUSED)
		atomic_store(&epoch->waiting, UINT64_MAX);
}

void epoch_ask(struct epoch *epoch)
{
	ask(epoch, EPOCH_WAIT_ANY | (atomic_load(&epoch->now) + 1));
}

void epoch_ask_too(struct epoch *epoch, uint64_t target)
{
	uint64_t waiting = atomic_load(&epoch->waiting);
	uint64_t both;

	do {
		uint64_t other = waiting & ~EPOCH_WAIT_ANY;

		both = waiting ? EPOCH_WAIT_ANY | (other > target ? other : target) : target;
	} while (!atomic_compare_exchange_weak(&epoch->waiting, &waiting, both));
	writer_fence(epoch);
	if (atomic_load(&epoch->readers) == EPOCH_REFUSED)
		atomic_store(&epoch->waiting, UINT64_MAX);
}

bool epoch_wait(struct epoch *epoch, uint64_t target, const struct epoch_section *self)
{
	uint64_t waiting;

	/* Nothing to ask for, in the usual case. */
	if (epoch_passed(epoch, target, self))
		return true;
	waiting = atomic_load(&epoch->waiting);
	if (waiting && waiting < target && !epoch_passed(epoch, waiting, self))
		return false; /* he who waits for that waits for this, too */
	ask(epoch, target);
	return epoch_passed(epoch, target, self);
}

void epoch_done(struct epoch *epoch)
{
	atomic_store_explicit(&epoch->waiting, 0, memory_order_relaxed);
}
