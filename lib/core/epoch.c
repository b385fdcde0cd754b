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

/* The other side of epoch_reader_fence(). Once registered, the call cannot fail. */
static void writer_fence(const struct epoch *epoch)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (epoch->membarrier)
		syscall(SYS_membarrier, MEMBARRIER_PRIVATE_EXPEDITED, 0, 0);
}

void epoch_init(struct epoch *epoch, bool membarrier)
{
	epoch->membarrier = membarrier;
	atomic_init(&epoch->now, 1);
	atomic_init(&epoch->waiting, 0);
	atomic_init(&epoch->crowd, 0);
	atomic_init(&epoch->used, 0);
	pthread_mutex_init(&epoch->lock, NULL);
	epoch->sections = NULL;
	for (unsigned i = 0; i < EPOCH_VISITORS; i++)
		atomic_init(&epoch->visitor[i].entered, 0);
}

void epoch_fini(struct epoch *epoch)
{
	pthread_mutex_destroy(&epoch->lock);
}

void epoch_add(struct epoch *epoch, struct epoch_section *section)
{
	atomic_init(&section->entered, 0);
	pthread_mutex_lock(&epoch->lock);
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
	/* More threads at once than sections: they are only counted, and hold back every epoch. */
	atomic_fetch_add(&epoch->crowd, 1);
	atomic_thread_fence(memory_order_seq_cst);
	return NULL;
}

bool epoch_visit_end(struct epoch *epoch, struct epoch_section *section)
{
	if (section)
		return epoch_leave(epoch, section);
	atomic_fetch_sub(&epoch->crowd, 1);
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&epoch->waiting, memory_order_relaxed) != 0;
}

uint64_t epoch_start(struct epoch *epoch)
{
	uint64_t target = atomic_fetch_add(&epoch->now, 1) + 1;

	writer_fence(epoch);
	return target;
}

static bool holds_back(const struct epoch_section *section, uint64_t target,
		       const struct epoch_section *self, const struct epoch_filter *filter)
{
	uint64_t entered = atomic_load_explicit(&section->entered, memory_order_acquire);

	if (section == self || entered == 0 || entered >= target)
		return false;
	return !filter || filter->concerns(filter->opaque, section->owner, entered);
}

bool epoch_passed_for(struct epoch *epoch, uint64_t target, const struct epoch_section *self,
		      const struct epoch_filter *filter)
{
	bool passed = atomic_load_explicit(&epoch->crowd, memory_order_acquire) == 0;

	pthread_mutex_lock(&epoch->lock);
	for (uint64_t used = atomic_load(&epoch->used); passed && used; used &= used - 1)
		passed = !holds_back(&epoch->visitor[__builtin_ctzll(used)], target, self, filter);
	for (const struct epoch_section *s = epoch->sections; passed && s; s = s->next)
		passed = !holds_back(s, target, self, filter);
	pthread_mutex_unlock(&epoch->lock);
	return passed;
}

bool epoch_passed(struct epoch *epoch, uint64_t target, const struct epoch_section *self)
{
	return epoch_passed_for(epoch, target, self, NULL);
}

void epoch_ask(struct epoch *epoch)
{
	atomic_store_explicit(&epoch->waiting, 1, memory_order_relaxed);
	writer_fence(epoch);
}

bool epoch_wait(struct epoch *epoch, uint64_t target, const struct epoch_section *self)
{
	/* Nothing to ask for, in the usual case. */
	if (epoch_passed(epoch, target, self))
		return true;
	epoch_ask(epoch);
	return epoch_passed(epoch, target, self);
}

void epoch_done(struct epoch *epoch)
{
	atomic_store_explicit(&epoch->waiting, 0, memory_order_relaxed);
}
