/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_front.h - one backend's connection to a device: what is on its way to it, and what holds
 * back completions meanwhile.
 *
 * What must be true: when the guest learns that an invalidation is complete, the backend has no
 * translation that the tables did not grant after it. It rests on five rules.
 *
 * 1. Messages go through one queue, in order, one sender at a time; whoever adds some while another
 *    thread sends leaves them to it.
 * 2. An update is added only if no invalidation of its neighbourhood has been told since before it
 *    was translated (stale). Both happen under the lock: either the listener comes first and the
 *    update is translated again, or the update comes first and the listener finds it on record, and
 *    the invalidation goes out behind it.
 * 3. From the moment an invalidation is told that has to be sent until the backend has acted upon
 *    it, a section is open (the hold). The listener runs before the epoch of the completion starts,
 *    so the completion waits for the section.
 * 4. An update overlaps nothing that the backend may have, unless it is the same range, target and
 *    permission: what else it overlaps is removed by an invalidation before it, in the same queue.
 *    Backends ignore updates of what they know (DPDK), refuse them (vdpa), or find the old range first
 *    (Linux), none of which matters if it is the same; and a backend that asks again and again for what
 *    it has is not invalidated. The record has the range all the time, also if the repeated update
 *    cannot be sent, so nobody waits for that invalidation: one of the guest's goes out behind the
 *    update. If an update that room was made for cannot be sent, the record loses the range, and the guest
 *    waits for the invalidation.
 * 5. The section stays open until nothing is left, also of what was told after it was opened. That
 *    is more than a completion needs to wait for; less would take a section a message. It ends: who
 *    waits for a completion sends no more invalidations, and updates do not count.
 */
#ifndef VHOST_FRONT_H
#define VHOST_FRONT_H

#include <libvirtiommu/vhost.h>

#include "unit.h"
#include "vhost_sent.h"

#define VHOST_QUEUE   64U
#define VHOST_UPDATES 16U /* of one miss */
#define VHOST_PAGE    UINT64_C(4096)

/* Addresses that go on in guest memory, in host memory, in one region, and in permission. */
struct vhost_run {
	struct vhost_range range;
	uint64_t gpa;	 /* of range.first */
	uint64_t uaddr;	 /* the same */
	uint64_t region; /* first address of the region */
	uint32_t perm;
};

/* What is to be sent: an update, or with perm 0 an invalidation. */
struct vhost_message {
	struct vhost_run run;
	bool ours;  /* an invalidation that makes room for the update behind it */
	bool again; /* an update that is on record already: the backend may have it */
};

struct viommu_vhost {
	struct viommu_device *device;
	struct viommu_listener *listener;
	struct viommu_vhost_config config;

	/* Guards everything below; not held while anything is called that calls back. */
	pthread_mutex_t lock;
	struct vhost_sent sent;
	struct viommu_vhost_statistics statistics; /* size and outstanding are not used */

	/* Invalidations that are still being gathered, then those and updates in order. */
	bool gathering;
	bool due; /* what was gathered goes to the queue as soon as there is a place */
	struct vhost_range gathered;
	struct vhost_message queue[VHOST_QUEUE];
	uint32_t head;
	uint32_t count;
	bool sending;
	bool broken; /* an invalidation could not be sent: nothing is sent any more */
	bool dead; /* the VMM says that the backend uses nothing any more: the same, and no hold */

	/* Acknowledgements: messages are numbered from 1. */
	uint64_t issued;
	uint64_t acknowledged;
	uint64_t must_reach; /* number of the last invalidation that was to be acknowledged */
	uint64_t room;	     /* and of the last that made room */

	/* The deadline. Messages up to mark were under way at the time `since`. */
	uint64_t mark;
	uint64_t since;
	uint64_t now; /* of the last viommu_run() */
	bool expired; /* and told so */

	/* The hold. */
	struct epoch_section section;
	bool holding;
	uint32_t invalidations; /* in the queue, or being sent */

	/* A miss on its way. */
	bool missing;
	bool stale;	   /* something of neighbourhood was invalidated */
	bool last_try;	   /* hold until the update is sent, right or wrong */
	uint32_t looks;	   /* table entries that it may still look at without being asked */
	int update_result; /* of send, if negative */
	struct vhost_range neighbourhood;
};

/* ---- vhost_queue.c; all with the lock held ---- */

/* Whether nothing can be sent any more. */
static inline bool vhost_over(const struct viommu_vhost *v)
{
	return v->broken || v->dead;
}

/* Opens or closes the hold as it should be. True: after unlocking, call unit_work(). */
bool vhost_hold(struct viommu_vhost *v);

/* Gathers an invalidation. */
void vhost_invalidate(struct viommu_vhost *v, uint64_t first, uint64_t last);

/* What was gathered goes to the queue. False: there was no place yet. */
bool vhost_gathered(struct viommu_vhost *v);

/* What is under way, ours too, is to be acknowledged like an invalidation of the guest's. */
void vhost_await_all(struct viommu_vhost *v);

/* Nothing that was sent is in use any more, and nothing will be sent. True: as vhost_hold(). */
bool vhost_bury(struct viommu_vhost *v);

/* Adds the answer to a miss of iova behind what was gathered, run[0], and of the others what has not
 * been sent, up to the first that has, or as there is place. False: no place for the answer. */
bool vhost_update(struct viommu_vhost *v, uint64_t iova, const struct vhost_run *run,
		  uint32_t count);

/* Sends what is queued, unless someone else does, and unlocks. @miss: the miss ends with this. */
void vhost_send_and_unlock(struct viommu_vhost *v, bool miss);

/* ---- vhost_miss.c ---- */

/* The aligned block that an update for iova may cover. */
struct vhost_range vhost_block(const struct viommu_vhost *v, uint64_t iova);

/* Translates iova as the device does; the run is what that alone proves. VIOMMU_OK, VIOMMU_FAULT,
 * VIOMMU_INTERRUPT, VIOMMU_ENOTSUP (no host memory). */
int vhost_translate(const struct viommu_vhost *v, uint64_t iova, uint32_t access,
		    struct vhost_run *run);

/* Makes the run as large as the tables prove it to be within the block, or as v->looks suffice. */
void vhost_widen(struct viommu_vhost *v, const struct vhost_range *block, struct vhost_run *run);

/* Whether the tables, asked without a trace, let the page of iova be read. */
bool vhost_readable(struct viommu_vhost *v, uint64_t iova);

/* What is mapped in [first, last], at most max runs; returns how many. */
uint32_t vhost_read_ahead(struct viommu_vhost *v, uint64_t first, uint64_t last,
			  struct vhost_run *run, uint32_t max);

#endif
