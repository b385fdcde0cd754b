/* SPDX-License-Identifier: BSD-3-Clause */
/* epoch.c - sections: where they are, and those of who has none of his own. */

#include <stddef.h>

#include "bits.h"
#include "epoch.h"

void epoch_init(struct epoch *epoch, bool membarrier)
{
	atomic_init(&epoch->readers, membarrier ? EPOCH_UNFENCED : EPOCH_FENCED);
	atomic_init(&epoch->now, 1);
	atomic_init(&epoch->waiting, 0);
	epoch_group_init(&epoch->crowd, NULL);
	atomic_init(&epoch->used, 0);
	pthread_mutex_init(&epoch->lock, NULL);
	epoch->sections = NULL;
	epoch->scans = NULL;
	epoch->groups = NULL;
	epoch->own = NULL;
	for (unsigned i = 0; i < EPOCH_VISITORS; i++) {
		atomic_init(&epoch->visitor[i].entered, 0);
		atomic_init(&epoch->visitor[i].fenced, true);
		atomic_init(&epoch->visitor[i].part, NULL);
		epoch->visitor[i].outside = NULL;
	}
	for (unsigned i = 0; i < EPOCH_ASKERS; i++) {
		epoch->asker[i].asked = 0;
		epoch_scan_add(epoch, &epoch->asker[i].scan);
	}
}

void epoch_fini(struct epoch *epoch)
{
	pthread_mutex_destroy(&epoch->lock);
}

/* As many sections away as a look takes longer if it has to wait for memory. */
static const void *some_ahead(const struct epoch_section *section)
{
	for (unsigned i = 0; i < 8 && section->next; i++)
		section = section->next;
	return section;
}

static void add(struct epoch *epoch, struct epoch_section *section, uint64_t entered)
{
	atomic_init(&section->entered, entered);
	pthread_mutex_lock(&epoch->lock);
	atomic_init(&section->fenced,
		    section->rare || atomic_load(&epoch->readers) != EPOCH_UNFENCED);
	section->next = epoch->sections;
	section->previous = &epoch->sections;
	section->ahead = some_ahead(section);
	if (section->next)
		section->next->previous = &section->next;
	epoch->sections = section;
	pthread_mutex_unlock(&epoch->lock);
}

void epoch_add_outside(struct epoch *epoch, struct epoch_section *section,
		       const struct epoch_part *part, struct epoch_outside *outside)
{
	atomic_init(&section->part, part);
	outside->since = atomic_load(part->now); /* nobody has it yet */
	section->outside = outside;
	section->rare = true; /* its fences are real */
	add(epoch, section, EPOCH_OLDEST);
}

void epoch_add(struct epoch *epoch, struct epoch_section *section)
{
	add(epoch, section, 0);
}

bool epoch_remove(struct epoch *epoch, struct epoch_section *section)
{
	bool wakes;

	pthread_mutex_lock(&epoch->lock);
	for (struct epoch_scan *scan = epoch->scans; scan; scan = scan->next) {
		if (scan->section == section)
			scan->section = section->next;
	}
	*section->previous = section->next;
	if (section->next)
		section->next->previous = section->previous;
	/* it may have been the last one that was not proven */
	wakes = atomic_load(&epoch->waiting) == EPOCH_WAIT_ALL && epoch_wake_all(epoch);
	pthread_mutex_unlock(&epoch->lock);
	return wakes;
}

/* Threads have different stacks: a cheap way to spread them over the visitors without thread-local
 * storage. */
static unsigned visitor_hint(void)
{
	char here;
	uintptr_t stack = (uintptr_t)&here;

	return (unsigned)((stack >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

struct epoch_section *epoch_visit_part(struct epoch *epoch, const struct epoch_part *part)
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
			/* Before the fence: who sees the section open and still the last one's part
			 * has made his change before we look anything up. */
			atomic_store_explicit(&section->part, part, memory_order_relaxed);
			atomic_thread_fence(memory_order_seq_cst);
			return section;
		}
	}
	/* More threads at once than sections: these are only counted. */
	return &epoch->visitor[EPOCH_VISITORS + epoch_group_enter(&epoch->crowd)];
}

struct epoch_section *epoch_visit(struct epoch *epoch)
{
	return epoch_visit_part(epoch, NULL);
}

bool epoch_part(struct epoch *epoch, struct epoch_group *group, unsigned bucket)
{
	/* before it is closed: its bucket may be another's then */
	uint64_t entered = atomic_load_explicit(&group->label[bucket], memory_order_relaxed);
	uint64_t waiting;

	if (!epoch_group_leave(group, bucket))
		return false;
	waiting = atomic_load_explicit(&epoch->waiting, memory_order_relaxed);
	return waiting > entered && epoch_wakes(epoch, NULL, entered, waiting);
}

bool epoch_visit_end(struct epoch *epoch, struct epoch_section *section)
{
	unsigned n = (unsigned)(section - epoch->visitor);

	return n < EPOCH_VISITORS ? epoch_leave(epoch, section)
				  : epoch_part(epoch, &epoch->crowd, n - EPOCH_VISITORS);
}

/* ---- groups ---- */

static void list(struct epoch *epoch, struct epoch_group *group)
{
	pthread_mutex_lock(&epoch->lock);
	if (!atomic_load_explicit(&group->listed, memory_order_relaxed)) {
		group->next = epoch->groups;
		group->previous = &epoch->groups;
		if (group->next)
			group->next->previous = &group->next;
		epoch->groups = group;
		epoch_group_renew(group, epoch_now_fenced(epoch));
		atomic_store_explicit(&group->listed, true, memory_order_release);
	}
	pthread_mutex_unlock(&epoch->lock);
}

void epoch_unlist(struct epoch *epoch, struct epoch_group *group)
{
	if (!atomic_load_explicit(&group->listed, memory_order_relaxed))
		return;
	pthread_mutex_lock(&epoch->lock);
	for (struct epoch_scan *scan = epoch->scans; scan; scan = scan->next) {
		if (scan->group == group)
			scan->group = group->next;
		if (scan->renew == group)
			scan->renew = group->next;
	}
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
