/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_sync.c - what was taken away: who is told of it, and when a request is complete.
 *
 * A request is complete when nobody uses what it took away any more: listeners have been told,
 * devices have answered, and sections that were open at the time have closed. Until then its buffer
 * stays with us (5.13.6.7: after completion of UNMAP, endpoints do not access the mapping).
 */

#include "virtio_engine.h"

/* Tells a device to drop a range of its own cache. If no more can be noted, it is told of
 * everything later. */
static void invalidate(struct virtio *v, struct virtio_endpoint *e, uint64_t first, uint64_t last)
{
	struct viommu_device_invalidation invalidation = { .first = first,
							   .last = last,
							   .pasid = VIOMMU_NO_PASID };
	bool gave_up;

	if (e->owes)
		return;
	device_invalidate(&e->device, &invalidation, &gave_up);
	if (gave_up) {
		e->owes = true;
		v->owing++;
	}
}

void virtio_take_away(struct virtio *v, struct virtio_endpoint *e, uint64_t first, uint64_t last)
{
	v->unsynced = true;
	notify_device_unmap(&v->unit, &e->device, first, last);
	invalidate(v, e, first, last);
}

void virtio_tell_change(struct virtio *v, struct virtio_endpoint *e, uint32_t was)
{
	uint32_t mode = virtio_mode(v, e);

	if (was != VIOMMU_MODE_BLOCK)
		virtio_take_away(v, e, 0, UINT64_MAX);
	notify_device_mode(&v->unit, &e->device, mode);
	if (mode == VIOMMU_MODE_TRANSLATE)
		virtio_tell_mappings(v, e);
}

void virtio_tell_all(struct virtio *v, bool attached_too)
{
	struct viommu *u = &v->unit;

	for (struct viommu_device *device = device_next(u, NULL); device;
	     device = device_next(u, device)) {
		struct virtio_endpoint *e = virtio_endpoint_of(device);

		if (attached_too || !virtio_attached(e))
			virtio_tell_change(v, e, VIOMMU_MODE_BYPASS);
	}
}

/* Devices that could not be told are told now. */
static void pay(struct virtio *v)
{
	struct viommu *u = &v->unit;
	uint32_t owing = v->owing;
	uint64_t token;

	if (!owing)
		return;
	v->owing = 0; /* counted again: devices may have been freed */
	for (struct viommu_device *device = device_next(u, NULL); device;
	     device = device_next(u, device)) {
		struct virtio_endpoint *e = virtio_endpoint_of(device);

		if (!e->owes)
			continue;
		e->owes = false;
		invalidate(v, e, 0, UINT64_MAX);
	}
	token = devices_last_token(u);
	for (uint32_t i = 0; i < v->pending_count; i++)
		v->pending[(v->pending_first + i) % VIRTIO_PENDING_MAX].invalidation = token;
}

static bool complete(struct virtio *v, const struct virtio_pending *p)
{
	return !v->owing && devices_answered(&v->unit, p->invalidation) &&
	       epoch_wait(&v->unit.epoch, p->epoch, &v->unit.self);
}

/* From here on nobody begins to use what was taken away; VIOMMU_PENDING: somebody still does. */
static int hold_back(struct virtio *v, struct virtio_pending p)
{
	struct viommu *u = &v->unit;

	notify_complete(u);
	v->unsynced = false;
	p.epoch = epoch_start(&u->epoch);
	if (!v->owing && !atomic_load(&u->outstanding_count) &&
	    epoch_passed(&u->epoch, p.epoch, &u->self))
		return VIOMMU_OK;
	p.invalidation = devices_last_token(u);
	if (complete(v, &p)) {
		if (!v->pending_count)
			epoch_done(&u->epoch);
		return VIOMMU_OK;
	}
	/* No request is accepted when there is no room; whatever else it is waits with the last. */
	if (v->pending_count == VIRTIO_PENDING_MAX) {
		struct virtio_pending *last =
			&v->pending[(v->pending_first + v->pending_count - 1) % VIRTIO_PENDING_MAX];

		last->epoch = p.epoch;
		last->invalidation = p.invalidation;
	} else {
		v->pending[(v->pending_first + v->pending_count++) % VIRTIO_PENDING_MAX] = p;
	}
	return VIOMMU_PENDING;
}

int virtio_finish(struct virtio *v, uint64_t token)
{
	if (!v->unsynced) {
		notify_complete(&v->unit);
		return VIOMMU_OK;
	}
	return hold_back(v, (struct virtio_pending){ .token = token });
}

int virtio_told(struct virtio *v)
{
	int result = hold_back(v, (struct virtio_pending){ .quiet = true });

	/* Answers that would have made run() worthwhile may have been forgotten. */
	if (v->owing)
		unit_work(&v->unit);
	return result;
}

int virtio_run(struct viommu *u)
{
	struct virtio *v = virtio_of(u);

	virtio_settle(v);
	pay(v);
	/* at most VIRTIO_PENDING_MAX steps */
	while (v->pending_count) {
		struct virtio_pending p = v->pending[v->pending_first];

		if (!complete(v, &p))
			return VIOMMU_PENDING;
		v->pending_first = (v->pending_first + 1) % VIRTIO_PENDING_MAX;
		v->pending_count--;
		if (v->config.complete && !p.quiet)
			v->config.complete(v->config.opaque, p.token);
	}
	epoch_done(&u->epoch);
	return v->owing ? VIOMMU_PENDING : VIOMMU_OK;
}

void virtio_drop_pending(struct virtio *v)
{
	v->pending_count = 0;
	epoch_done(&v->unit.epoch);
}
