/* SPDX-License-Identifier: BSD-3-Clause */
/* epoch_group.c - sections that are only counted, by epoch. */
#include <stddef.h>

#include "epoch_group.h"

void epoch_group_init(struct epoch_group *group, const void *owner)
{
	for (unsigned i = 0; i < EPOCH_BUCKETS; i++) {
		atomic_init(&group->open[i], 0);
		atomic_init(&group->label[i], 1);
	}
	atomic_init(&group->current, 0);
	atomic_init(&group->listed, false);
	group->next = NULL;
	group->previous = NULL;
	group->owner = owner;
	group->part = NULL;
}

unsigned epoch_group_enter(struct epoch_group *group)
{
	uint64_t bucket = atomic_load_explicit(&group->current, memory_order_relaxed);

	atomic_fetch_add(&group->open[bucket], 1);
	/* Pairs with the fence of epoch_start(), and of who renews the group. */
	atomic_thread_fence(memory_order_seq_cst);
	return (unsigned)bucket;
}

bool epoch_group_leave(struct epoch_group *group, unsigned bucket)
{
	bool last = atomic_fetch_sub(&group->open[bucket], 1) == 1;

	/* Pairs with the fence of epoch_wait(). */
	atomic_thread_fence(memory_order_seq_cst);
	return last;
}

static bool is_free(const struct epoch_group *group, uint64_t bucket)
{
	return atomic_load(&group->open[bucket]) == 0;
}

void epoch_group_renew(struct epoch_group *group, uint64_t now)
{
	uint64_t to = atomic_load_explicit(&group->current, memory_order_relaxed);

	if (atomic_load_explicit(&group->label[to], memory_order_relaxed) == now)
		return;
	for (unsigned i = 0; i < EPOCH_BUCKETS && !is_free(group, to); i++)
		to = i;
	if (!is_free(group, to))
		return;
	atomic_store_explicit(&group->label[to], now, memory_order_relaxed);
	atomic_store_explicit(&group->current, to, memory_order_release);
}
