/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio_use.c - who may still use what a pending request took away: sections that were open at the
 * time, and devices that have not answered for their own caches.
 *
 * A use is an endpoint's, and as old as its section or its invalidation. It concerns requests for
 * that endpoint, and those for a domain if the endpoint is attached to it, or has left it since the
 * use began. So an endpoint that hangs holds up nobody but itself and those it shares a domain with.
 *
 * Uses are gathered once for all requests that are pending: of each domain and endpoint, how old the
 * oldest is. With many sections that takes several calls; what is asked for meanwhile waits for the next time.
 */
#include "virtio_engine.h"

static const struct virtio_use none = { UINT64_MAX, UINT64_MAX };

static void lower(struct virtio_use *to, const struct virtio_use *use)
{
	if (use->epoch < to->epoch)
		to->epoch = use->epoch;
	if (use->token < to->token)
		to->token = use->token;
}

static unsigned left_bit(uint64_t incarnation)
{
	return (unsigned)(incarnation / VIRTIO_ATTACHED_ONE % 64);
}

/* Endpoints with the same remainder are taken for one: there are seldom so many. */
static struct virtio_use *of_endpoint(struct virtio *v, const struct viommu_device *device)
{
	return &v->uses.endpoint[device->serial % VIRTIO_USES];
}

static void note(struct virtio *v, struct virtio_endpoint *e, struct virtio_use use)
{
	uint64_t attached = virtio_attached(e);
	struct virtio_domain *d = virtio_domain_at(v, attached);

	lower(&v->uses.all, &use);
	lower(of_endpoint(v, &e->device), &use);
	if (attached && virtio_incarnation(d) == attached) {
		if (d->gathered != v->uses.gathered)
			d->use = none;
		d->gathered = v->uses.gathered;
		lower(&d->use, &use);
	}
	if (use.epoch >= e->moved && use.token > e->moved_token)
		return;
	for (uint64_t left = e->left; left; left &= left - 1)
		lower(&v->uses.left[__builtin_ctzll(left)], &use);
}

/* Never holds anything back itself: it only takes down. */
static bool see_section(void *opaque, const void *owner, uint64_t entered)
{
	struct virtio *v = opaque;
	const struct virtio_use use = { entered, UINT64_MAX };

	if (owner)
		note(v, virtio_endpoint_of((struct viommu_device *)(uintptr_t)owner), use);
	else
		lower(&v->uses.anybody, &use);
	return false;
}

/* An invalidation for one that could not be asked for in time is as old as any. */
static uint64_t age(const struct virtio_endpoint *e, uint64_t token)
{
	return token == e->paid ? 0 : token;
}

static void see_outstanding(void *opaque, struct viommu_device *device, uint64_t token)
{
	struct virtio_endpoint *e = virtio_endpoint_of(device);

	note(opaque, e, (struct virtio_use){ UINT64_MAX, age(e, token) });
}

static void begin(struct virtio *v)
{
	struct virtio_uses *uses = &v->uses;

	uses->gathered++;
	uses->under_way = true;
	uses->since = atomic_load(&v->unit.epoch.now);
	uses->asked = uses->ask;
	uses->ask = false;
	uses->all = none;
	uses->anybody = none;
	for (unsigned i = 0; i < 64; i++)
		uses->left[i] = none;
	for (unsigned i = 0; i < VIRTIO_USES; i++)
		uses->endpoint[i] = none;
	epoch_scan_begin(&v->unit.epoch, &uses->scan);
}

#define NOTES_OF_A_STEP 4U

static void see_owing(struct virtio *v)
{
	pthread_mutex_lock(&v->unit.devices_lock);
	/* at most as many steps as there are devices with caches */
	for (struct virtio_endpoint *e = v->owing; e; e = e->next_owing)
		note(v, e, (struct virtio_use){ UINT64_MAX, 0 });
	pthread_mutex_unlock(&v->unit.devices_lock);
}

/* In pieces, between which endpoints may move: what they have left is noted as what they are in. False: steps ran
 * out. */
bool virtio_gather_uses(struct virtio *v)
{
	const struct epoch_filter filter = { see_section, v };
	enum epoch_answer answer;

	if (!v->uses.under_way)
		begin(v);
	answer = unit_scan(&v->unit, &v->uses.scan, &filter);
	if (answer == EPOCH_UNKNOWN)
		return false;
	v->uses.under_way = false;
	/* membarrier has failed: they may be anybody's, and of any age */
	if (answer == EPOCH_HELD)
		v->uses.anybody.epoch = 0;
	unit_pay(&v->unit, (atomic_load(&v->unit.outstanding_count) + atomic_load(&v->owers)) /
				   NOTES_OF_A_STEP);
	devices_each_outstanding(&v->unit, see_outstanding, v);
	see_owing(v);
	return true;
}

bool virtio_asked(struct virtio *v, uint64_t epoch)
{
	struct virtio_uses *uses = &v->uses;

	if (uses->asked && epoch <= uses->since && epoch_asks(&v->unit.epoch))
		return true;
	epoch_ask(&v->unit.epoch);
	uses->ask = true;
	return false;
}

static bool holds_back(const struct virtio_use *use, const struct virtio_pending *p)
{
	return use->epoch < p->completion.epoch || use->token <= p->completion.token;
}

bool virtio_in_use(struct virtio *v, const struct virtio_pending *p)
{
	const struct virtio_domain *d = virtio_domain_at(v, p->concerns);

	if (!p->completion.epoch) /* it has taken nothing away */
		return false;
	if (p->completion.epoch > v->uses.since)
		return true;
	if (holds_back(&v->uses.anybody, p))
		return true;
	switch (p->scope) {
	case VIRTIO_DOMAIN:
		if (holds_back(&v->uses.left[left_bit(p->concerns)], p))
			return true;
		return virtio_incarnation(d) == p->concerns && d->gathered == v->uses.gathered &&
		       holds_back(&d->use, p);
	case VIRTIO_ENDPOINT:
		return holds_back(&v->uses.endpoint[p->concerns % VIRTIO_USES], p);
	default:
		return holds_back(&v->uses.all, p);
	}
}

/* ---- endpoints that leave ---- */

struct looking {
	const struct virtio_endpoint *e;
	bool found;
};

static bool is_owner(void *opaque, const void *owner, uint64_t entered)
{
	const struct looking *l = opaque;

	(void)entered;
	return owner == &l->e->device;
}

static void is_asked(void *opaque, struct viommu_device *device, uint64_t token)
{
	struct looking *l = opaque;

	l->found = l->found || (device == &l->e->device && age(l->e, token) <= l->e->moved_token);
}

/* Whether there may be a use by the endpoint that is older than its last move; also if there are more sections than
 * there are steps. */
static bool uses_what_it_left(struct virtio *v, const struct virtio_endpoint *e)
{
	struct looking looking = { .e = e, .found = atomic_load(&e->owes) };
	const struct epoch_filter filter = { is_owner, &looking };

	if (!unit_passed_for(&v->unit, e->moved, &filter))
		return true;
	devices_each_outstanding(&v->unit, is_asked, &looking);
	return looking.found;
}

void virtio_note_left(struct virtio *v, struct virtio_endpoint *e, uint64_t incarnation)
{
	if (e->left && !uses_what_it_left(v, e))
		e->left = 0;
	e->left |= BIT(left_bit(incarnation));
	e->moved = atomic_load(&v->unit.epoch.now);
	e->moved_token = devices_last_token(&v->unit);
}
