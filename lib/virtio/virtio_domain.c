/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_domain.c - domains and who is attached to them (5.13.6.4, 5.13.6.5).
 *
 * The thread that has the unit makes and frees domains, and attaches and detaches. Another thread
 * may free an endpoint meanwhile: it only leaves the list of its domain, under devices_lock, and
 * the domain is noted for virtio_settle().
 */

#include "range.h"
#include "virtio_engine.h"

struct virtio_domain *virtio_domain_new(struct virtio *v, uint32_t id, bool pass)
{
	uint32_t slot = v->domain_free ? v->domain_free - 1 : v->domain_used;
	struct virtio_domain *d = &v->domain[slot];
	uint32_t *bucket = virtio_bucket_of(v, id);

	if (slot > v->config.domains)
		return NULL;
	if (v->domain_free)
		v->domain_free = d->next;
	else
		v->domain_used++;
	v->domain_count++;
	v->incarnations += VIRTIO_ATTACHED_ONE;
	atomic_store_explicit(&d->id, id, memory_order_relaxed);
	d->next = *bucket;
	*bucket = slot + 1;
	virtio_count_anew(v, d);
	atomic_store_explicit(&d->incarnation,
			      v->incarnations | (pass ? VIRTIO_ATTACHED_PASS : 0) | slot,
			      memory_order_release);
	return d;
}

/* Nobody is attached any more. */
void virtio_domain_free(struct virtio *v, struct virtio_domain *d)
{
	uint32_t slot = (uint32_t)(d - v->domain);
	struct domain_match match = { .group = slot,
				      .id = DOMAIN_ANY,
				      .kinds = 1U << VIRTIO_KIND_MAP };
	uint32_t *at = virtio_bucket_of(v, atomic_load_explicit(&d->id, memory_order_relaxed));

	while (*at != slot + 1)
		at = &v->domain[*at - 1].next;
	*at = d->next;
	/* In this order: who finds something that is there later finds another incarnation, and who
	 * fills the TLB from what was there before is too late. */
	atomic_store_explicit(&d->incarnation, 0, memory_order_release);
	unit_flush(&v->unit, &match);
	range_map_clear(v->pool, &d->map);
	d->next = v->domain_free;
	v->domain_free = slot + 1;
	/* When all are gone, slots are given out from the first on: what is saved does not tell of
	 * what was before. */
	if (--v->domain_count == 0) {
		v->domain_free = 0;
		v->domain_used = 0;
	}
}

/* ---- what a domain's endpoints make of it, and their list, with devices_lock held ---- */

void virtio_count_in(struct virtio_domain *d, const struct virtio_endpoint *e)
{
	const struct virtio_regions *regions =
		atomic_load_explicit(&e->regions, memory_order_relaxed);

	if (e->granule > d->granule)
		d->granule = e->granule;
	d->caches = d->caches || e->device.config.invalidate;
	d->mixed = d->mixed || (d->regions && regions && d->regions != regions);
	if (regions)
		d->regions = regions;
}

/* Whether a domain may be another one without the endpoint. */
static bool counts(const struct virtio *v, const struct virtio_endpoint *e)
{
	return e->granule > v->granule || e->device.config.invalidate ||
	       atomic_load_explicit(&e->regions, memory_order_relaxed);
}

void virtio_count_anew(const struct virtio *v, struct virtio_domain *d)
{
	d->granule = v->granule;
	d->regions = NULL;
	d->mixed = false;
	d->caches = false;
	d->stale = false;
}

static void link_endpoint(struct virtio_domain *d, struct virtio_endpoint *e)
{
	e->domain = d;
	e->next = d->endpoints;
	e->at = &d->endpoints;
	if (e->next)
		e->next->at = &e->next;
	d->endpoints = e;
	d->endpoint_count++;
	virtio_count_in(d, e);
}

static void unlink_endpoint(struct virtio_domain *d, struct virtio_endpoint *e)
{
	e->domain = NULL;
	*e->at = e->next;
	if (e->next)
		e->next->at = e->at;
	d->endpoint_count--;
}

bool virtio_device_failed(struct viommu *u, struct viommu_device *device)
{
	struct virtio_endpoint *e = virtio_endpoint_of(device);

	if (!atomic_load_explicit(&e->owes, memory_order_relaxed))
		return false;
	virtio_unlink_owing(virtio_of(u), e);
	return true;
}

void virtio_device_gone(struct viommu *u, struct viommu_device *device)
{
	struct virtio_endpoint *e = virtio_endpoint_of(device);
	struct virtio *v = virtio_of(u);
	struct virtio_domain *d = e->domain;

	virtio_job_forget(v, e);
	if (!d)
		return;
	unlink_endpoint(d, e);
	if (d->changed)
		return;
	d->changed = true;
	d->next_changed = atomic_load_explicit(&v->changed, memory_order_relaxed);
	atomic_store_explicit(&v->changed, (uint32_t)(d - v->domain) + 1, memory_order_release);
}

/* Takes a domain off the list of those that lost an endpoint. */
static struct virtio_domain *take_changed(struct virtio *v, bool *empty)
{
	struct virtio_domain *d = NULL;
	uint32_t slot;

	pthread_mutex_lock(&v->unit.devices_lock);
	slot = atomic_load_explicit(&v->changed, memory_order_relaxed);
	if (slot) {
		d = &v->domain[slot - 1];
		atomic_store_explicit(&v->changed, d->next_changed, memory_order_relaxed);
		d->changed = false;
		*empty = d->endpoint_count == 0;
		d->stale = true;
	}
	pthread_mutex_unlock(&v->unit.devices_lock);
	return d;
}

void virtio_settle_changed(struct virtio *v)
{
	/* at most config.domains + 1 steps at a time: a domain is on the list once */
	while (atomic_load_explicit(&v->changed, memory_order_acquire)) {
		bool empty = false;
		struct virtio_domain *d = take_changed(v, &empty);

		if (d && empty)
			virtio_domain_free(v, d);
	}
}

/* ---- attaching and detaching ---- */

void virtio_move(struct virtio *v, struct virtio_endpoint *e, struct virtio_domain *to, bool arrive)
{
	struct virtio_domain *from =
		e->domain; /* only its freeing by another thread changes that */
	uint64_t attached = to ? virtio_incarnation(to) : 0;
	bool empty = false;

	/* first what translations go by, then that it has changed */
	atomic_store_explicit(&e->attached, arrive ? attached : VIRTIO_ATTACHED_BETWEEN,
			      memory_order_release);
	unit_forget_device(&e->device, true);
	pthread_mutex_lock(&v->unit.devices_lock);
	if (from) {
		unlink_endpoint(from, e);
		from->stale = from->stale || counts(v, e);
		empty = from->endpoint_count == 0 && !from->changed;
	}
	if (to)
		link_endpoint(to, e);
	pthread_mutex_unlock(&v->unit.devices_lock);
	if (empty)
		virtio_domain_free(v, from);
}

void virtio_arrive(struct virtio *v, struct virtio_endpoint *e, struct virtio_domain *d)
{
	atomic_store_explicit(&e->attached, virtio_incarnation(d), memory_order_release);
	unit_forget_device(&e->device, true);
	if (e->device.mode != VIOMMU_MODE_TRANSLATE) /* somebody looked meanwhile */
		notify_device_mode(&v->unit, &e->device, VIOMMU_MODE_TRANSLATE);
}

void virtio_turn_away(struct virtio *v, struct virtio_endpoint *e)
{
	virtio_move(v, e, NULL, true);
	virtio_tell_mode(v, e, VIOMMU_MODE_TRANSLATE, virtio_mode(v, e));
}

void virtio_join(struct virtio *v, struct virtio_endpoint *e, struct virtio_domain *d)
{
	atomic_store_explicit(&e->attached,
			      atomic_load_explicit(&d->incarnation, memory_order_relaxed),
			      memory_order_release);
	pthread_mutex_lock(&v->unit.devices_lock);
	link_endpoint(d, e);
	pthread_mutex_unlock(&v->unit.devices_lock);
}

bool virtio_detach_one(struct virtio *v, struct virtio_domain *d)
{
	struct virtio_endpoint *e;

	pthread_mutex_lock(&v->unit.devices_lock);
	e = d->endpoints;
	if (e) {
		atomic_store_explicit(&e->attached, 0, memory_order_release);
		e->left = 0; /* requests wait for all until nobody uses what there was */
		unlink_endpoint(d, e);
	}
	pthread_mutex_unlock(&v->unit.devices_lock);
	return e != NULL;
}

void virtio_free_empty(struct virtio *v, struct virtio_domain *d)
{
	bool empty;

	pthread_mutex_lock(&v->unit.devices_lock);
	/* one that has changed is on the list of virtio_settle() */
	empty = !d->endpoint_count && !d->changed;
	pthread_mutex_unlock(&v->unit.devices_lock);
	if (empty && virtio_incarnation(d))
		virtio_domain_free(v, d);
}

static const struct virtio_regions *regions_of(const struct virtio_endpoint *e)
{
	return atomic_load_explicit(&e->regions, memory_order_relaxed);
}

static bool touches_region(const struct virtio *v, const struct range_map *map,
			   const struct virtio_regions *regions)
{
	struct range_item item;

	for (uint32_t i = 0; regions && i < regions->count; i++) {
		if (range_map_next(v->pool, map, regions->region[i].first, &item) &&
		    item.first <= regions->region[i].last)
			return true;
	}
	return false;
}

bool virtio_fits(const struct virtio *v, const struct range_map *map, uint64_t granule,
		 const struct virtio_endpoint *e)
{
	struct range_item item;
	uint64_t at = 0;

	if (touches_region(v, map, regions_of(e)))
		return false;
	if (e->granule <= granule)
		return true;
	/* as many steps as there are mappings; only where endpoints differ in granule */
	while (range_map_next(v->pool, map, at, &item)) {
		if (!virtio_aligned(&item, e->granule))
			return false;
		at = item.last + 1;
		if (at == 0)
			break;
	}
	return true;
}

/* Whether there is room for one more domain, once the endpoint has left its own. */
static bool has_room(struct virtio *v, const struct virtio_endpoint *e)
{
	uint64_t attached = virtio_attached(e);
	bool last;

	if (v->domain_count < v->config.domains)
		return true;
	pthread_mutex_lock(&v->unit.devices_lock);
	last = attached && virtio_domain_at(v, attached)->endpoint_count == 1;
	pthread_mutex_unlock(&v->unit.devices_lock);
	return last;
}

/* Listeners hear of the mappings before the endpoint can use them; there may be many. */
void virtio_enter(struct virtio *v, struct virtio_endpoint *e, struct virtio_domain *d)
{
	uint32_t was = virtio_mode(v, e);
	uint64_t from = virtio_attached(e);
	bool pass = virtio_is_pass(d);
	bool at_once = !d->map.count || !notify_wants_map(&v->unit, &e->device);

	virtio_move(v, e, d, at_once);
	virtio_tell_mode(v, e, was, pass ? VIOMMU_MODE_BYPASS : VIOMMU_MODE_TRANSLATE);
	if (from)
		virtio_note_left(v, e, from);
	virtio_take_from(v, VIRTIO_ENDPOINT, e->device.serial);
	if (!at_once)
		virtio_begin_attach(v, d, e);
}

enum virtio_status virtio_attach(struct virtio *v, struct virtio_endpoint *e, uint32_t id,
				 bool pass)
{
	struct virtio_domain *d = virtio_domain_find(v, id);

	if (d) {
		if (virtio_is_pass(d) != pass)
			return VIRTIO_S_INVAL;
		if (virtio_attached(e) == virtio_incarnation(d)) {
			/* A request that is pending may have brought it here. */
			virtio_take_from(v, VIRTIO_ENDPOINT, e->device.serial);
			v->unsynced = v->unsynced || v->pending_count;
			return VIRTIO_S_OK;
		}
		if (touches_region(v, &d->map, regions_of(e)))
			return VIRTIO_S_UNSUPP;
		if (e->granule > d->granule && d->map.count) {
			virtio_begin_fitting(v, d, e);
			return VIRTIO_S_OK;
		}
	} else {
		d = has_room(v, e) ? virtio_domain_new(v, id, pass) : NULL;
		if (!d)
			return VIRTIO_S_NOMEM;
	}
	virtio_enter(v, e, d);
	return VIRTIO_S_OK;
}

enum virtio_status virtio_detach(struct virtio *v, struct virtio_endpoint *e, uint32_t id)
{
	const struct virtio_domain *d = virtio_domain_find(v, id);
	uint32_t was = virtio_mode(v, e);
	uint64_t from = virtio_attached(e);

	if (!d || from != virtio_incarnation(d))
		return VIRTIO_S_INVAL;
	virtio_move(v, e, NULL, true);
	virtio_tell_mode(v, e, was, virtio_mode(v, e));
	virtio_note_left(v, e, from);
	virtio_take_from(v, VIRTIO_ENDPOINT, e->device.serial);
	return VIRTIO_S_OK;
}
