/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_steps.c - going on with what is under way (virtio_job.c). */

#include "probe.h"
#include "virtio_engine.h"

/* ---- endpoints, one after the other ---- */

/* The endpoint the job is at, in use until pass_by(); NULL: there are no more. */
static struct virtio_endpoint *come_to(struct virtio *v)
{
	struct virtio_endpoint *e;

	pthread_mutex_lock(&v->unit.devices_lock);
	e = v->at;
	if (e)
		atomic_fetch_add(&e->device.users, 1);
	pthread_mutex_unlock(&v->unit.devices_lock);
	return e;
}

/* @next: the job goes on to the next one. */
static void pass_by(struct virtio *v, struct virtio_endpoint *e, bool next)
{
	pthread_mutex_lock(&v->unit.devices_lock);
	if (next)
		v->at = virtio_walk_next(v, e);
	pthread_mutex_unlock(&v->unit.devices_lock);
	device_put(&e->device);
}

/* ---- MAP and ATTACH, where it takes long to see whether they can be done ---- */

static void decided(struct virtio *v, enum virtio_status status)
{
	if (status)
		virtio_fail(v, status);
}

static bool go_on_counting(struct virtio *v)
{
	struct virtio_job *job = &v->job;
	struct virtio_endpoint *e;

	while ((e = come_to(v)) != NULL) {
		bool paid = unit_pay(&v->unit, 2);

		if (paid) {
			virtio_count_in(job->domain, e);
			job->overlaps = job->overlaps ||
					virtio_overlaps(atomic_load_explicit(&e->regions,
									     memory_order_relaxed),
							&job->item);
		}
		pass_by(v, e, paid);
		if (!paid)
			return false;
	}
	job->phase = VIRTIO_IDLE;
	if (virtio_incarnation(job->domain) != job->incarnation)
		decided(v, VIRTIO_S_NOENT);
	else
		decided(v, virtio_map_counted(v, job->domain, &job->item, job->overlaps));
	return true;
}

/* The endpoint and the domain, as far as there still are such. */
static enum virtio_status enter_fitting(struct virtio *v)
{
	const struct virtio_job job = v->job;
	struct viommu_device *device = device_get(&v->unit, job.id);
	enum virtio_status status = VIRTIO_S_OK;

	if (!device)
		return VIRTIO_S_NOENT;
	if (device->serial != job.serial)
		status = VIRTIO_S_NOENT;
	else if (virtio_incarnation(job.domain) == job.incarnation)
		virtio_enter(v, virtio_endpoint_of(device), job.domain);
	else
		status = virtio_attach(v, virtio_endpoint_of(device), job.domain_id, false);
	device_put(device);
	return status;
}

static bool go_on_fitting(struct virtio *v)
{
	struct virtio_job *job = &v->job;
	struct range_item item;
	bool fits = true;

	/* as many steps as there are mappings */
	while (fits && range_map_next(v->pool, &job->domain->map, job->at, &item)) {
		if (!unit_pay(&v->unit, 1))
			return false;
		fits = virtio_aligned(&item, job->granule);
		job->at = item.last + 1;
		if (job->at == 0)
			break;
	}
	job->phase = VIRTIO_IDLE;
	decided(v, fits ? enter_fitting(v) : VIRTIO_S_UNSUPP);
	return true;
}

/* ---- UNMAP, and what is left of a MAP that failed ---- */

/* The mappings are gone: now what is cached of them, and listeners. */
static void begin_telling(struct virtio *v)
{
	struct virtio_domain *d = v->job.domain;
	const struct domain_flush flush = { .match = { .group = (uint32_t)(d - v->domain),
						       .id = DOMAIN_ANY,
						       .kinds = 1U << VIRTIO_KIND_MAP },
					    .first = v->job.item.first,
					    .last = v->job.item.last,
					    .leaf = true };

	unit_flush_one(&v->unit, &flush);
	probe_invalidation(&v->unit, COUNT_RANGES, NULL,
			   atomic_load_explicit(&d->id, memory_order_relaxed), VIOMMU_ANY_PASID,
			   v->job.item.first, v->job.item.last);
	v->unsynced = true;
	v->job.phase = VIRTIO_IDLE;
	if (!notify_anybody(&v->unit) && !d->caches)
		return;
	v->job.phase = VIRTIO_TELLING_UNMAP;
	virtio_walk_domain(v, d);
}

static bool go_on_removing(struct virtio *v)
{
	struct virtio_job *job = &v->job;
	bool more = true;

	/* a leaf each */
	while (more) {
		if (!unit_pay(&v->unit, 2))
			return false;
		more = range_map_remove_some(v->pool, &job->domain->map, &job->at, job->item.last,
					     NULL, NULL);
	}
	if (job->domain->map.count != job->had) {
		begin_telling(v);
		return true;
	}
	/* What was there may be what a request that is pending took away. */
	v->unsynced = v->unsynced || v->pending_count;
	job->phase = VIRTIO_IDLE;
	return true;
}

static bool go_on_telling_unmap(struct virtio *v)
{
	struct virtio_endpoint *e;

	while ((e = come_to(v)) != NULL) {
		bool paid = unit_pay(&v->unit, 1);

		if (paid)
			virtio_take_away(v, e, v->job.item.first, v->job.item.last);
		pass_by(v, e, paid);
		if (!paid)
			return false;
	}
	v->job.phase = VIRTIO_IDLE;
	return true;
}

/* ---- MAP ---- */

/* All or nothing (obligation 28): those who have been told of it are told that it has gone. */
static void undo_map(struct virtio *v)
{
	const struct range_item *item = &v->job.item;

	range_map_remove(v->pool, &v->job.domain->map, item->first, item->last, NULL, NULL);
	virtio_fail(v, VIRTIO_S_NOMEM);
	begin_telling(v);
}

static bool go_on_telling_map(struct virtio *v)
{
	struct virtio_endpoint *e;

	while ((e = come_to(v)) != NULL) {
		enum virtio_told told = virtio_tell_mapping(v, e, &v->job.item, &v->job.at);

		pass_by(v, e, told == VIRTIO_TOLD);
		if (told == VIRTIO_TOLD_LATER)
			return false;
		if (told == VIRTIO_TOLD_REFUSED) {
			undo_map(v);
			return true;
		}
		v->job.at = v->job.item.first;
	}
	v->job.phase = VIRTIO_IDLE;
	return true;
}

/* ---- ATTACH ---- */

static bool go_on_attaching(struct virtio *v)
{
	struct virtio_endpoint *e = come_to(v);
	enum virtio_told told;

	v->job.phase = VIRTIO_IDLE;
	if (!e) /* freed */
		return true;
	told = virtio_tell_mappings(v, e, v->job.domain, &v->job.at);
	if (told == VIRTIO_TOLD_LATER)
		v->job.phase = VIRTIO_ATTACHING;
	else if (told == VIRTIO_TOLD)
		virtio_arrive(v, e, v->job.domain);
	else
		virtio_turn_away(v, e);
	if (told == VIRTIO_TOLD_REFUSED)
		virtio_fail(v, VIRTIO_S_NOMEM);
	pass_by(v, e, told != VIRTIO_TOLD_LATER);
	return told != VIRTIO_TOLD_LATER;
}

/* ---- everybody ---- */

static bool go_on_detaching(struct virtio *v)
{
	for (; v->job.at < v->domain_used; v->job.at++) {
		do {
			if (!unit_pay(&v->unit, 1))
				return false;
		} while (virtio_detach_one(v, &v->domain[v->job.at]));
	}
	/* in the order of virtio_move(), but once for all of them */
	unit_forget(&v->unit, false);
	v->job.phase = VIRTIO_FREEING;
	v->job.at = 0;
	return true;
}

static bool go_on_freeing(struct virtio *v)
{
	/* domain_used falls to 0 with the last */
	for (; v->job.at < v->domain_used; v->job.at++) {
		if (!unit_pay(&v->unit, 2))
			return false;
		virtio_free_empty(v, &v->domain[v->job.at]);
	}
	virtio_settle(v);
	virtio_drop_events(v);
	unit_forget(&v->unit, true);
	probe_invalidation(&v->unit, COUNT_FLUSHES, NULL, 0, VIOMMU_ANY_PASID, 0, UINT64_MAX);
	virtio_begin_telling(v, true);
	return true;
}

/* One endpoint: first what it is subject to, then, after a restore, its mappings. */
static enum virtio_told tell_one(struct virtio *v, struct virtio_endpoint *e)
{
	struct virtio_job *job = &v->job;
	uint32_t mode = virtio_mode(v, e);
	enum virtio_told told;

	if (!job->everybody && virtio_attached(e))
		return VIRTIO_TOLD;
	if (!job->told)
		virtio_tell_mode(v, e, VIOMMU_MODE_BYPASS, mode);
	job->told = true;
	if (mode != VIOMMU_MODE_TRANSLATE)
		return VIRTIO_TOLD;
	told = virtio_tell_mappings(v, e, virtio_domain_at(v, virtio_attached(e)), &job->at);
	if (told == VIRTIO_TOLD_REFUSED)
		virtio_turn_away(v, e);
	return told;
}

static bool go_on_telling(struct virtio *v)
{
	struct virtio_job *job = &v->job;
	struct virtio_endpoint *e;

	while ((e = come_to(v)) != NULL) {
		enum virtio_told told = unit_pay(&v->unit, 2) ? tell_one(v, e) : VIRTIO_TOLD_LATER;

		pass_by(v, e, told != VIRTIO_TOLD_LATER);
		if (told == VIRTIO_TOLD_LATER)
			return false;
		job->told = false;
		job->at = 0;
	}
	job->phase = VIRTIO_IDLE;
	return true;
}

/* ---- going on ---- */

static bool (*const go_on[])(struct virtio *v) = {
	[VIRTIO_COUNTING] = go_on_counting,	  [VIRTIO_FITTING] = go_on_fitting,

	[VIRTIO_REMOVING] = go_on_removing,	  [VIRTIO_TELLING_UNMAP] = go_on_telling_unmap,
	[VIRTIO_TELLING_MAP] = go_on_telling_map, [VIRTIO_ATTACHING] = go_on_attaching,
	[VIRTIO_DETACHING] = go_on_detaching,	  [VIRTIO_FREEING] = go_on_freeing,
	[VIRTIO_TELLING] = go_on_telling,
};

/* It is done, but for those who still use what it took away. Whoever sent a request that ends in the same call
 * looks at those (virtio_finish()). */
static void end(struct virtio *v)
{
	if (!v->job.request)
		virtio_told(v, v->job.everybody);
	else if (v->job.pending)
		virtio_finish_later(v, v->job.token);
	v->job.pending = false;
	if (v->retell) {
		v->retell = false;
		virtio_begin_telling(v, false);
	}
}

static bool ends_at_once(const struct virtio *v)
{
	return v->job.request && !v->job.pending && !v->retell;
}

bool virtio_go_on(struct virtio *v)
{
	while (v->job.phase) {
		if (!go_on[v->job.phase](v)) {
			unit_work(&v->unit);
			return false;
		}
		if (!v->job.phase && UNLIKELY(!ends_at_once(v)))
			end(v);
	}
	return true;
}

bool virtio_tell_pass(struct virtio *v)
{
	if (v->job.phase)
		v->retell = true;
	else
		virtio_begin_telling(v, false);
	return virtio_advance(v);
}

void virtio_decide(struct virtio *v)
{
	while (v->job.phase == VIRTIO_COUNTING || v->job.phase == VIRTIO_FITTING ||
	       v->job.phase == VIRTIO_REMOVING) {
		v->unit.steps = UINT32_MAX;
		go_on[v->job.phase](v);
		if (!v->job.phase)
			end(v);
	}
}

void virtio_detach_all(struct virtio *v)
{
	virtio_begin_reset(v);
	while (v->job.phase != VIRTIO_TELLING) {
		v->unit.steps = UINT32_MAX;
		go_on[v->job.phase](v);
	}
	v->job.phase = VIRTIO_IDLE;
}

void virtio_finish_job(struct viommu *u)
{
	struct virtio *v = virtio_of(u);

	while (v->job.phase) {
		u->steps = UINT32_MAX;
		virtio_go_on(v);
	}
	u->steps = u->limits.steps;
}
