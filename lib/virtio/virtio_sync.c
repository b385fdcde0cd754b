/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_sync.c - what was taken away: who is told of it, and when a request is complete.
 *
 * A request is complete when nobody uses what it took away any more: listeners have been told, and
 * of the endpoints that it concerns (virtio_use.c), devices have answered and sections that were
 * open at the time have closed. Until then its buffer stays with us (5.13.6.7: after completion of
 * UNMAP, endpoints do not access the mapping). A reset or a restored state concerns all, and
 * requests that come after it wait for it.
 */

#include "probe.h"
#include "virtio_engine.h"

/* ---- devices ---- */

/* Tells a device to drop a range of its own cache. If no more can be noted, it is told of
 * everything later. */
static void invalidate(struct virtio *v, struct virtio_endpoint *e, uint64_t first, uint64_t last)
{
	struct viommu_device_invalidation invalidation = { .first = first,
							   .last = last,
							   .pasid = VIOMMU_NO_PASID };
	bool gave_up;

	if (atomic_load_explicit(&e->owes, memory_order_relaxed))
		return;
	device_invalidate(&e->device, &invalidation, &gave_up);
	if (!gave_up)
		return;
	pthread_mutex_lock(&v->unit.devices_lock);
	virtio_link_owing(v, e);
	pthread_mutex_unlock(&v->unit.devices_lock);
}

/* The first of those that owe, in use until device_put(); or NULL. */
static struct virtio_endpoint *take_owing(struct virtio *v)
{
	struct virtio_endpoint *e;

	pthread_mutex_lock(&v->unit.devices_lock);
	e = v->owing;
	if (e) {
		virtio_unlink_owing(v, e);
		atomic_fetch_add(&e->device.users, 1);
	}
	pthread_mutex_unlock(&v->unit.devices_lock);
	return e;
}

static bool owing(const struct virtio *v)
{
	return atomic_load_explicit(&v->owers, memory_order_relaxed) != 0;
}

/* Devices that could not be told are told now, as long as there is room. */
static void pay(struct virtio *v)
{
	struct virtio_endpoint *e;

	while (owing(v)) {
		bool again;

		if (!unit_pay(&v->unit, 1)) {
			unit_work(&v->unit);
			return;
		}
		e = take_owing(v);
		if (!e) /* freed, or given up */
			return;
		invalidate(v, e, 0, UINT64_MAX);
		e->paid = devices_last_token(&v->unit);
		again = atomic_load_explicit(&e->owes, memory_order_relaxed);
		device_put(&e->device);
		if (again)
			return;
	}
}

void virtio_take_away(struct virtio *v, struct virtio_endpoint *e, uint64_t first, uint64_t last)
{
	v->unsynced = true;
	notify_device_unmap(&v->unit, &e->device, first, last);
	invalidate(v, e, first, last);
}

void virtio_tell_mode(struct virtio *v, struct virtio_endpoint *e, uint32_t was, uint32_t mode)
{
	if (was != VIOMMU_MODE_BLOCK)
		virtio_take_away(v, e, 0, UINT64_MAX);
	notify_device_mode(&v->unit, &e->device, mode);
}

/* ---- completion ---- */

static bool anything_pending(const struct virtio *v)
{
	return v->pending_count || v->quiet.completion.epoch || v->barrier.completion.epoch;
}

/* Somebody uses what was taken away, or has not been told yet (@settled). True: not what concerns the request. */
static bool hold_back_of_those(struct virtio *v, struct virtio_pending *p, bool settled)
{
	struct viommu *u = &v->unit;

	if (!settled) {
		unit_work(u);
		return false;
	}
	while (virtio_gather_uses(v)) {
		if (!(p->scope != VIRTIO_ALL && v->barrier.completion.epoch) &&
		    !virtio_in_use(v, p)) {
			if (!anything_pending(v))
				epoch_done(&u->epoch);
			return true;
		}
		if (virtio_asked(v, p->completion.epoch))
			return false;
	}
	unit_work(u);
	return false;
}

/* From here on nobody begins to use what was taken away. True: nobody does. */
static inline bool hold_back(struct virtio *v, struct virtio_pending *p)
{
	struct viommu *u = &v->unit;
	bool settled;

	p->completion.token = 0;
	completion_start(u, &p->completion);
	completion_owed(u, &p->completion);
	settled = notify_settled(u);
	/* nobody at all uses what was before: the usual case */
	return (LIKELY(settled) && !owing(v) && completion_passed(u, &p->completion)) ||
	       hold_back_of_those(v, p, settled);
}

int virtio_finish_taking(struct virtio *v, uint64_t token)
{
	if (hold_back(v, &v->taking)) {
		probe_completion(&v->unit);
		return VIOMMU_OK;
	}
	v->taking.token = token;
	/* there is room: else it would not have begun */
	v->pending[v->pending_count++] = v->taking;
	return VIOMMU_PENDING;
}

void virtio_finish_later(struct virtio *v, uint64_t token)
{
	struct virtio_pending *p = &v->pending[v->pending_count++];

	*p = v->taking;
	p->token = token;
	p->completion = (struct completion){ .epoch = 0 };
	if (v->unsynced) {
		completion_start(&v->unit, &p->completion);
		completion_owed(&v->unit, &p->completion);
	} else {
		notify_complete(&v->unit);
	}
	unit_work(&v->unit);
}

int virtio_told(struct virtio *v, bool barrier)
{
	struct virtio_pending p = { .scope = VIRTIO_ALL };

	if (hold_back(v, &p))
		p.completion.epoch = 0;
	/* who waits for the last of them waits for all */
	*(barrier ? &v->barrier : &v->quiet) = p;
	if (!p.completion.epoch)
		return VIOMMU_OK;
	/* Answers that would have made run() worthwhile may have been forgotten. */
	if (owing(v))
		unit_work(&v->unit);
	return VIOMMU_PENDING;
}

static void complete_one(struct virtio *v, uint64_t token)
{
	if (v->config.complete)
		v->config.complete(v->config.opaque, token);
	probe_completion(&v->unit);
}

/* Whatever is in use no more, in order. */
static void complete_some(struct virtio *v)
{
	uint32_t left = 0;

	if (!virtio_in_use(v, &v->barrier))
		v->barrier.completion.epoch = 0;
	if (!virtio_in_use(v, &v->quiet))
		v->quiet.completion.epoch = 0;
	if (v->barrier.completion.epoch)
		return;
	/* at most VIRTIO_PENDING_MAX steps */
	for (uint32_t i = 0; i < v->pending_count; i++) {
		const struct virtio_pending p = v->pending[i];

		if (virtio_in_use(v, &p))
			v->pending[left++] = p;
		else
			complete_one(v, p.token);
	}
	v->pending_count = left;
}

/* The youngest of what is pending. */
static uint64_t last_epoch(const struct virtio *v)
{
	uint64_t last = v->quiet.completion.epoch > v->barrier.completion.epoch
				? v->quiet.completion.epoch
				: v->barrier.completion.epoch;
	uint64_t request = v->pending_count ? v->pending[v->pending_count - 1].completion.epoch : 0;

	return request > last ? request : last;
}

/* What is complete now. False: not everything, and the host will be told. */
static bool complete_pending(struct virtio *v)
{
	while (anything_pending(v)) {
		if (!virtio_gather_uses(v)) {
			unit_work(&v->unit);
			return false;
		}
		complete_some(v);
		if (anything_pending(v) && virtio_asked(v, last_epoch(v)))
			return false;
	}
	return true;
}

int virtio_complete(struct virtio *v, bool done)
{
	struct viommu *u = &v->unit;

	pay(v);
	if (anything_pending(v) && !notify_settled(u))
		return VIOMMU_PENDING;
	if (!complete_pending(v))
		return VIOMMU_PENDING;
	epoch_done(&u->epoch);
	/* Who owes has to do with something that is pending, or under way. */
	(void)NEVER(done && owing(v));
	return done ? VIOMMU_OK : VIOMMU_PENDING;
}

void virtio_drop_pending(struct virtio *v)
{
	v->pending_count = 0;
	v->quiet.completion.epoch = 0;
	v->barrier.completion.epoch = 0;
	epoch_done(&v->unit.epoch);
}

/* 5.13.4.1: config.bypass counts whether or not the driver has accepted it. 5.13.6.2: the older
 * feature does if accepted. */
bool virtio_decide_pass(struct virtio *v)
{
	uint32_t pass = v->bypass || (v->accepted & VIOMMU_VIRTIO_F_BYPASS);

	return atomic_exchange(&v->pass, pass) != pass;
}

void virtio_forget(struct virtio *v)
{
	virtio_drop_pending(v);
	virtio_drop_events(v);
	v->accepted = v->config.features;
	virtio_decide_pass(v);
}
