/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoch_group.h - sections that are only counted, by epoch: any number of them, from any thread.
 *
 * A section of its own (epoch.h) is a word that one thread writes. Where sections come from many
 * threads, overlap and outlive calls, they are counted instead: in one of a few buckets, each of
 * which has a label, an epoch that is not younger than any section in it. Who opens a section counts
 * it in the current bucket; who checks whether an epoch has passed gives the current bucket the
 * newest epoch first, and then has to wait for the older buckets that are not empty.
 *
 * A bucket gets a new label, and may become current, only when it was empty after the epoch of that
 * label had begun. Why a section that is counted in it after that is no older than the label:
 *
 *	who opens it			who checks
 *					the change; now = label
 *	count++				fence
 *	fence				the count is 0
 *	looks up			label the bucket
 *
 * If the count was 0, it was counted later, so its fence is after the checker's, and what it looks up
 * is after the change. That holds for whoever counts in that bucket at whatever time: one who read
 * `current` long ago needs no second look. If all buckets are in use the current one keeps its old
 * label: younger sections are then taken for older ones until the next bucket is empty, which they
 * cannot prevent, because nobody enters those. So completions that came before them wait for some
 * younger sections, but not for a stream of them: when the first older bucket is empty the
 * stream goes there. Owners have groups of their own, so one who never lets go, seven times over,
 * delays nobody but those who wait for him anyway.
 */
#ifndef EPOCH_GROUP_H
#define EPOCH_GROUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define EPOCH_BUCKETS 7U

struct epoch_part;

struct epoch_group {
	_Alignas(64) _Atomic uint64_t open[EPOCH_BUCKETS]; /* sections counted in it */
	_Atomic uint64_t current;
	_Atomic uint64_t label[EPOCH_BUCKETS]; /* written under epoch.lock */
	_Atomic bool listed;		       /* in epoch.groups */
	struct epoch_group *next;	       /* there, under epoch.lock */
	struct epoch_group **previous;
	const void *owner; /* constant: the device whose sections they are; NULL: anybody's */
	const struct epoch_part *part; /* constant: as a section's */
};

void epoch_group_init(struct epoch_group *group, const void *owner);

/* Opens a section, and closes the one that is counted in @bucket: true if it was the last there. */
unsigned epoch_group_enter(struct epoch_group *group);
bool epoch_group_leave(struct epoch_group *group, unsigned bucket);

static inline bool epoch_group_is_empty(const struct epoch_group *group)
{
	uint64_t open = 0;

	for (unsigned i = 0; i < EPOCH_BUCKETS; i++)
		open |= atomic_load(&group->open[i]);
	return open == 0;
}

/* With epoch.lock held, and a fence after @now was read: sections that are opened from now on are as
 * young as that, if a bucket is free. */
void epoch_group_renew(struct epoch_group *group, uint64_t now);

/* The oldest epoch in which a section of the bucket may have been opened; 0: there is none. */
static inline uint64_t epoch_group_entered(const struct epoch_group *group, unsigned bucket)
{
	return atomic_load_explicit(&group->open[bucket], memory_order_acquire)
		       ? atomic_load_explicit(&group->label[bucket], memory_order_relaxed)
		       : 0;
}

#endif
