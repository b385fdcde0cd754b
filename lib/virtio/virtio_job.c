/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_job.c - what is under way, and how it begins: a request, a reset, or telling everybody how they
 * are treated.
 *
 * There is one at a time, and it is taken on by whatever call comes next, until steps run out
 * (unit_pay()). Requests come after it. Its status is in the buffer already, and a state that is
 * saved in between is one after it; only a listener that refuses a mapping can change both.
 *
 * An endpoint that the job is at may be freed by another thread: the job goes on with the next.
 */
#include "virtio_engine.h"

/* ---- endpoints, one after the other ---- */

/* With devices_lock held. */
struct virtio_endpoint *virtio_walk_next(const struct virtio *v, const struct virtio_endpoint *e)
{
	if (v->walk == VIRTIO_WALK_ALL)
		return (struct virtio_endpoint *)(void *)e->device.next_of_all;
	return v->walk == VIRTIO_WALK_DOMAIN ? e->next : NULL;
}

static void walk_one(struct virtio *v, struct virtio_endpoint *e)
{
	pthread_mutex_lock(&v->unit.devices_lock);
	v->walk = VIRTIO_WALK_ONE;
	v->at = e;
	pthread_mutex_unlock(&v->unit.devices_lock);
}

void virtio_walk_domain(struct virtio *v, const struct virtio_domain *d)
{
	pthread_mutex_lock(&v->unit.devices_lock);
	v->walk = VIRTIO_WALK_DOMAIN;
	v->at = d->endpoints;
	pthread_mutex_unlock(&v->unit.devices_lock);
}

static void walk_all(struct virtio *v)
{
	pthread_mutex_lock(&v->unit.devices_lock);
	v->walk = VIRTIO_WALK_ALL;
	v->at = (struct virtio_endpoint *)(void *)v->unit.all_devices;
	pthread_mutex_unlock(&v->unit.devices_lock);
}

void virtio_job_forget(struct virtio *v, struct virtio_endpoint *e)
{
	if (v->at == e)
		v->at = virtio_walk_next(v, e);
}

/* ---- beginning ---- */

void virtio_begin_unmap(struct virtio *v, struct virtio_domain *d, uint64_t first, uint64_t last)
{
	v->job.phase = VIRTIO_REMOVING;
	v->job.domain = d;
	v->job.item = (struct range_item){ .first = first, .last = last };
	v->job.at = first;
	v->job.had = d->map.count;
}

void virtio_begin_map(struct virtio *v, struct virtio_domain *d, const struct range_item *item)
{
	v->job.phase = VIRTIO_TELLING_MAP;
	v->job.domain = d;
	v->job.item = *item;
	v->job.at = item->first;
	virtio_walk_domain(v, d);
}

void virtio_begin_counting(struct virtio *v, struct virtio_domain *d, const struct range_item *item)
{
	v->job.phase = VIRTIO_COUNTING;
	v->job.domain = d;
	v->job.incarnation = virtio_incarnation(d);
	v->job.item = *item;
	v->job.overlaps = false;
	virtio_walk_domain(v, d);
}

void virtio_begin_fitting(struct virtio *v, struct virtio_domain *d,
			  const struct virtio_endpoint *e)
{
	v->job.phase = VIRTIO_FITTING;
	v->job.domain = d;
	v->job.incarnation = virtio_incarnation(d);
	v->job.at = 0;
	v->job.granule = e->granule;
	v->job.id = atomic_load_explicit(&e->device.id, memory_order_relaxed);
	v->job.serial = e->device.serial;
	v->job.domain_id = atomic_load_explicit(&d->id, memory_order_relaxed);
}

void virtio_begin_attach(struct virtio *v, struct virtio_domain *d, struct virtio_endpoint *e)
{
	v->job.phase = VIRTIO_ATTACHING;
	v->job.domain = d;
	v->job.at = 0;
	walk_one(v, e);
}

void virtio_begin_reset(struct virtio *v)
{
	v->job = (struct virtio_job){ .phase = VIRTIO_DETACHING, .everybody = true };
	v->retell = false;
	walk_one(v, NULL);
}

void virtio_begin_telling(struct virtio *v, bool everybody)
{
	v->job = (struct virtio_job){ .phase = VIRTIO_TELLING, .everybody = everybody };
	walk_all(v);
}

void virtio_fail(struct virtio *v, enum virtio_status status)
{
	*v->job.status = (unsigned char)status;
}
