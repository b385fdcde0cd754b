/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_queue.c - messages to a backend: in order, by one sender at a time; and the hold. */

#include <stddef.h>

#include "range.h"
#include "vhost_front.h"

bool vhost_hold(struct viommu_vhost *v)
{
	bool wanted = !v->dead && (v->gathering || v->invalidations || v->last_try || v->broken ||
				   v->acknowledged < v->must_reach);

	if (wanted == v->holding)
		return false;
	v->holding = wanted;
	if (!wanted)
		return epoch_leave(&v->device->iommu->epoch, &v->section);
	epoch_enter_rarely(&v->device->iommu->epoch, &v->section);
	return false;
}

/* Whether it is an invalidation that a guest waits for. */
static bool told(const struct vhost_message *message)
{
	return message->run.perm == 0 && !message->ours;
}

static void push(struct viommu_vhost *v, const struct vhost_message *message)
{
	v->queue[(v->head + v->count++) % VHOST_QUEUE] = *message;
	v->invalidations += told(message);
}

bool vhost_gathered(struct viommu_vhost *v)
{
	if (!v->gathering)
		return true;
	v->due = v->count == VHOST_QUEUE;
	if (v->due)
		return false;
	push(v, &(struct vhost_message){ .run.range = v->gathered });
	v->gathering = false;
	return true;
}

void vhost_invalidate(struct viommu_vhost *v, uint64_t first, uint64_t last)
{
	if (v->gathering && !vhost_range_touches(&v->gathered, first, last))
		vhost_gathered(v);
	if (v->gathering) { /* also if the queue is full: more than is needed may go */
		vhost_range_include(&v->gathered, first, last);
		v->statistics.coalesced++;
	} else {
		v->gathering = true;
		v->gathered = (struct vhost_range){ first, last };
	}
	vhost_sent_remove(&v->sent, first, last, NULL);
	vhost_hold(v); /* opens it: nobody is to be woken */
}

/* The part of the run in the range. */
static struct vhost_message cut(const struct vhost_run *run, const struct vhost_range *range)
{
	struct vhost_message m = { .run = *run };

	m.run.range = *range;
	m.run.gpa += range->first - run->range.first;
	m.run.uaddr += range->first - run->range.first;
	return m;
}

static void push_update(struct viommu_vhost *v, const struct vhost_message *m, bool alone)
{
	push(v, m);
	if (!m->again)
		vhost_sent_add(&v->sent, &m->run.range, m->run.gpa, m->run.perm, alone);
}

/* A backend that asks for what it was sent has lost it, asks twice, or wants more permission. What it
 * was sent in one message it has as a whole or not at all: the same message does no harm then. What it
 * asks for again is kept apart, so that it is known as one message the next time. */
static bool push_answer(struct viommu_vhost *v, uint64_t iova, const struct vhost_run *run)
{
	struct vhost_range range = run->range;
	bool known = vhost_sent_fit(&v->sent, iova, &range);
	struct vhost_message before = { .ours = true };
	struct vhost_message m = cut(run, &range);
	bool makes_room;

	m.again = vhost_sent_same(&v->sent, &range, m.run.gpa, m.run.perm);
	makes_room = known && !m.again;
	if (VHOST_QUEUE - v->count < (makes_room ? 2 : 1))
		return false;
	if (makes_room) {
		vhost_sent_remove(&v->sent, range.first, range.last, &before.run.range);
		push(v, &before);
	}
	push_update(v, &m, makes_room);
	return true;
}

/* False: that is enough. */
static bool push_ahead(struct viommu_vhost *v, const struct vhost_run *run)
{
	struct vhost_range range = run->range;
	struct vhost_message m;

	if (v->count == VHOST_QUEUE || !vhost_sent_reserve(&v->sent) ||
	    vhost_sent_fit(&v->sent, range.first, &range))
		return false;
	m = cut(run, &range);
	push_update(v, &m, false);
	return range.last == run->range.last;
}

bool vhost_update(struct viommu_vhost *v, uint64_t iova, const struct vhost_run *run,
		  uint32_t count)
{
	if (!vhost_gathered(v) || !push_answer(v, iova, run))
		return false;
	for (uint32_t i = 1; i < count && push_ahead(v, &run[i]); i++)
		;
	return true;
}

/* An update was not sent: the backend does not have it, unless another one is on its way. What made room
 * for it leaves nothing on record behind which an invalidation of the guest's would go out: that one waits
 * for it now. */
static void not_sent(struct viommu_vhost *v, const struct vhost_range *range)
{
	for (uint32_t i = 0; i < v->count; i++) {
		const struct vhost_run *run = &v->queue[(v->head + i) % VHOST_QUEUE].run;

		if (run->perm &&
		    range_overlaps(run->range.first, run->range.last, range->first, range->last))
			return;
	}
	vhost_sent_remove(&v->sent, range->first, range->last, NULL);
	if (v->must_reach < v->room)
		v->must_reach = v->room;
	vhost_hold(v); /* opens it, or leaves it as it is: nobody is to be woken */
}

/* The last message needs no acknowledgement. */
static void not_issued(struct viommu_vhost *v)
{
	v->issued--;
	if (v->must_reach > v->issued)
		v->must_reach = v->issued;
	if (v->mark > v->issued)
		v->mark = v->issued;
}

/* Gives up the lock while it sends. */
static void send_one(struct viommu_vhost *v, const struct vhost_message *m, uint64_t first,
		     uint64_t last)
{
	const struct viommu_iotlb_msg message = { .iova = first,
						  .size = last - first + 1,
						  .uaddr = m->run.uaddr,
						  .asid = v->config.asid,
						  .perm = (uint16_t)m->run.perm,
						  .type = m->run.perm ? VIOMMU_IOTLB_UPDATE
								      : VIOMMU_IOTLB_INVALIDATE };
	int result;

	/* Counted first: it may be acknowledged before send returns. */
	v->issued++;
	*(m->run.perm ? &v->statistics.updates : &v->statistics.invalidations) += 1;
	pthread_mutex_unlock(&v->lock);
	result = v->config.send(v->config.opaque, &message);
	pthread_mutex_lock(&v->lock);
	if (v->dead)
		return;
	if (result == VIOMMU_PENDING) {
		if (told(m))
			v->must_reach = v->issued;
		else if (m->ours)
			v->room = v->issued;
		return;
	}
	if (v->acknowledged < v->issued)
		not_issued(v);
	if (result == VIOMMU_OK || (m->again && result == VIOMMU_EEXIST))
		return;
	if (m->run.perm) {
		v->update_result = result < 0 ? result : VIOMMU_EINVAL;
		if (!m->again) /* it may have it from before */
			not_sent(v, &m->run.range);
	} else {
		v->broken = true;
	}
}

static void send_first(struct viommu_vhost *v)
{
	const struct vhost_message m = v->queue[v->head];
	const uint64_t half = UINT64_MAX / 2;

	v->head = (v->head + 1) % VHOST_QUEUE;
	v->count--;
	/* 2^64 bytes are not a size that a message can have */
	if (m.run.range.first == 0 && m.run.range.last == UINT64_MAX) {
		send_one(v, &m, 0, half);
		if (!vhost_over(v))
			send_one(v, &m, half + 1, UINT64_MAX);
	} else {
		send_one(v, &m, m.run.range.first, m.run.range.last);
	}
	if (!v->dead)
		v->invalidations -= told(&m);
	if (v->due)
		vhost_gathered(v);
}

/* Nobody is told any more. */
static void discard(struct viommu_vhost *v)
{
	v->count = 0;
	v->invalidations = 0;
	v->due = false;
}

void vhost_await_all(struct viommu_vhost *v)
{
	v->must_reach = v->issued;
	for (uint32_t i = 0; i < v->count; i++) {
		struct vhost_message *m = &v->queue[(v->head + i) % VHOST_QUEUE];

		v->invalidations += m->ours;
		m->ours = false;
	}
}

bool vhost_bury(struct viommu_vhost *v)
{
	v->dead = true;
	v->broken = false;
	v->gathering = false;
	v->acknowledged = v->issued;
	vhost_sent_remove(&v->sent, 0, UINT64_MAX, NULL);
	discard(v);
	return vhost_hold(v);
}

void vhost_send_and_unlock(struct viommu_vhost *v, bool miss)
{
	bool wake;

	if (!v->sending) {
		/* A thread with registers to serve does not go on for as long as there are misses:
		 * one that is under way ends by sending what is left. */
		uint32_t sent = 0;

		v->sending = true;
		while (v->count && !vhost_over(v) &&
		       (miss || !v->missing || sent++ < 2 * VHOST_QUEUE))
			send_first(v);
		v->sending = false;
	}
	if (v->broken && !v->sending)
		discard(v);
	if (miss) {
		v->missing = false;
		v->last_try = false;
	}
	wake = vhost_hold(v);
	pthread_mutex_unlock(&v->lock);
	if (wake)
		unit_work(v->device->iommu);
}
