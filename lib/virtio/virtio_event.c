/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_event.c - fault records (5.13.6.12): kept until the guest has buffers for them. */

#include <endian.h>
#include <string.h>

#include "virtio_engine.h"

static void encode(const struct virtio_event *event, unsigned char *to)
{
	uint32_t word[VIOMMU_VIRTIO_EVENT_BYTES / 4] = {
		htole32(event->reason), /* u8 reason, u8[3] reserved */
		htole32(event->flags),
		htole32(event->endpoint),
		0,
		htole32((uint32_t)event->address),
		htole32((uint32_t)(event->address >> 32)),
	};

	memcpy(to, word, sizeof(word));
}

void virtio_record(struct virtio *v, const struct virtio_event *event)
{
	unsigned char bytes[VIOMMU_VIRTIO_EVENT_BYTES];
	bool full;

	pthread_mutex_lock(&v->event_lock);
	/* "The device MAY drop" what the driver has no buffers for. */
	full = v->event_count == v->config.events;
	if (!full)
		v->event[(v->event_first + v->event_count++) % v->config.events] = *event;
	pthread_mutex_unlock(&v->event_lock);
	if (UNLIKELY(v->unit.record)) {
		encode(event, bytes);
		virtio_record_event(v, bytes, full);
	}
	if (!full && v->config.event)
		v->config.event(v->config.opaque);
}

void virtio_drop_events(struct virtio *v)
{
	pthread_mutex_lock(&v->event_lock);
	v->event_first = 0;
	v->event_count = 0;
	pthread_mutex_unlock(&v->event_lock);
}

int viommu_virtio_event(struct viommu *u, void *buffer, uint32_t capacity)
{
	int result = VIOMMU_OK;
	struct virtio *v;

	if (!u || !buffer || !engine_is(u->engine, &virtio_engine))
		return VIOMMU_EINVAL;
	v = virtio_of(u);
	pthread_mutex_lock(&v->event_lock);
	if (!v->event_count) {
		result = VIOMMU_ENOENT;
	} else if (capacity < VIOMMU_VIRTIO_EVENT_BYTES) {
		result = VIOMMU_ENOSPC;
	} else {
		encode(&v->event[v->event_first], buffer);
		v->event_first = (v->event_first + 1) % v->config.events;
		v->event_count--;
	}
	pthread_mutex_unlock(&v->event_lock);
	return result;
}
