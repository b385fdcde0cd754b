/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_queue.c - messages to a backend: in order, by one sender at a time; and the hold. */

#include "vhost_front.h"

bool vhost_hold(struct viommu_vhost *v)
{
	bool wanted = v->gathering || v->invalidations || v->acknowledged < v->must_reach ||
		      v->last_try || v->broken;

	if (wanted == v->holding)
		return false;
	v->holding = wanted;
	if (!wanted)
		return epoch_leave(&v->device->iommu->epoch, &v->section);
	epoch_enter(&v->device->iommu->epoch, &v->section);
	return false;
}

static void push(struct viommu_vhost *v, const struct vhost_message *message)
{
	v->queue[(v->head + v->count++) % VHOST_QUEUE] = *message;
	v->invalidations += message->perm == 0;
}

bool vhost_gathered(struct viommu_vhost *v)
{
	if (!v->gathering)
		return true;
	v->due = v->count == VHOST_QUEUE;
	if (v->due)
		return false;
	push(v, &(struct vhost_message){ .range = v->gathered });
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
	vhost_sent_remove(&v->sent, first, last);
	vhost_hold(v); /* opens it: nobody is to be woken */
}

uint32_t vhost_update(struct viommu_vhost *v, const struct vhost_message *update, uint32_t count)
{
	uint32_t added = 0;

	if (v->broken || !vhost_gathered(v))
		return 0;
	for (; added < count && v->count < VHOST_QUEUE; added++) {
		push(v, &update[added]);
		vhost_sent_add(&v->sent, update[added].range.first, update[added].range.last);
	}
	return added;
}

/* Gives up the lock while it sends. */
static void send_one(struct viommu_vhost *v, const struct vhost_message *m, uint64_t first,
		     uint64_t last)
{
	const struct viommu_iotlb_msg message = { .iova = first,
						  .size = last - first + 1,
						  .uaddr = m->uaddr,
						  .asid = v->config.asid,
						  .perm = (uint16_t)m->perm,
						  .type = m->perm ? VIOMMU_IOTLB_UPDATE
								  : VIOMMU_IOTLB_INVALIDATE };
	int result;

	/* Counted first: it may be acknowledged before send returns. */
	v->issued++;
	*(m->perm ? &v->statistics.updates : &v->statistics.invalidations) += 1;
	pthread_mutex_unlock(&v->lock);
	result = v->config.send(v->config.opaque, &message);
	pthread_mutex_lock(&v->lock);
	if (result == VIOMMU_PENDING) {
		if (!m->perm)
			v->must_reach = v->issued;
		return;
	}
	if (v->acknowledged < v->issued)
		v->issued--;
	if (result == VIOMMU_OK)
		return;
	if (m->perm)
		v->update_result = result < 0 ? result : VIOMMU_EINVAL;
	else
		v->broken = true;
}

static void send_first(struct viommu_vhost *v)
{
	const struct vhost_message m = v->queue[v->head];
	const uint64_t half = UINT64_MAX / 2;

	v->head = (v->head + 1) % VHOST_QUEUE;
	v->count--;
	/* 2^64 bytes are not a size that a message can have */
	if (m.range.first == 0 && m.range.last == UINT64_MAX) {
		send_one(v, &m, 0, half);
		if (!v->broken)
			send_one(v, &m, half + 1, UINT64_MAX);
	} else {
		send_one(v, &m, m.range.first, m.range.last);
	}
	v->invalidations -= m.perm == 0;
	if (v->due)
		vhost_gathered(v);
}

/* Nobody is told any more: the hold stays until the connection is freed. */
static void discard(struct viommu_vhost *v)
{
	v->count = 0;
	v->invalidations = 0;
	v->due = false;
}

void vhost_send_and_unlock(struct viommu_vhost *v, bool miss)
{
	bool wake;

	if (!v->sending) {
		/* A thread with registers to serve does not go on for as long as there are misses:
		 * one that is under way ends by sending what is left. */
		uint32_t sent = 0;

		v->sending = true;
		while (v->count && !v->broken && (miss || !v->missing || sent++ < 2 * VHOST_QUEUE))
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
