/* SPDX-License-Identifier: BSD-3-Clause */
/* shadow.c - the difference between what was replayed and what the tables say now. */

#include "shadow.h"
#include "range.h"
#include "unit.h"

/* Table entries of one visit, and pieces of one difference, at most. */
#define VISIT_BUDGET 512U
#define VISIT_LEAST  64U
#define PIECES_MAX   1024U

/* ---- the record; with shadow_lock held ---- */

static void *allocate(void *vm, uint64_t bytes, uint64_t align)
{
	return vm_alloc(vm, bytes, align);
}

static void deallocate(void *vm, void *block, uint64_t bytes)
{
	vm_dealloc(vm, block, bytes);
}

static bool have_pool(struct viommu *u)
{
	const struct range_pool_config config = {
		.alloc = allocate, .dealloc = deallocate, .opaque = u->vm, .items = u->limits.shadow
	};

	return u->shadow_pool || range_pool_new(&config, &u->shadow_pool) == VIOMMU_OK;
}

static void lose(struct viommu_device *device)
{
	atomic_store(&device->told_all, true);
	for (struct shadow *s = device->shadows; s; s = s->next)
		range_map_clear(device->iommu->shadow_pool, &s->map);
}

static bool add(struct shadow *s, uint64_t first, uint64_t last, uint64_t gpa, uint32_t perm)
{
	const struct range_item item = {
		.first = first, .last = last, .target = gpa, .perm = perm
	};

	return range_map_add(s->device->iommu->shadow_pool, &s->map, &item) == VIOMMU_OK;
}

/* Removes [first, last] and leaves what lies outside of it. */
static bool cut_out(struct shadow *s, uint64_t first, uint64_t last)
{
	struct range_pool *pool = s->device->iommu->shadow_pool;
	const uint64_t edges[] = { first, last };
	struct range_item item;
	bool ok = true;

	for (unsigned i = 0; i < 2; i++) {
		if (!range_map_find(pool, &s->map, edges[i], &item) ||
		    (item.first >= first && item.last <= last))
			continue;
		range_map_remove(pool, &s->map, item.first, item.last, NULL, NULL);
		if (item.first < first)
			ok = add(s, item.first, first - 1, item.target, item.perm) && ok;
		if (item.last > last)
			ok = add(s, last + 1, item.last, item.target + (last + 1 - item.first),
				 item.perm) &&
			     ok;
	}
	range_map_remove(pool, &s->map, first, last, NULL, NULL);
	return ok;
}

void shadow_lose(struct viommu_device *device)
{
	pthread_mutex_lock(&device->iommu->shadow_lock);
	lose(device);
	pthread_mutex_unlock(&device->iommu->shadow_lock);
}

/* ---- replays ---- */

static struct shadow *find(struct viommu_device *device, uint32_t pasid)
{
	struct shadow *s = device->shadows;

	while (s && s->pasid != pasid) /* as many as the VMM has replayed */
		s = s->next;
	if (s)
		return s;
	s = have_pool(device->iommu)
		    ? vm_alloc(device->iommu->vm, sizeof(*s), _Alignof(struct shadow))
		    : NULL;
	if (!s) {
		lose(device);
		return NULL;
	}
	s->device = device;
	s->pasid = pasid;
	s->next = device->shadows;
	device->shadows = s;
	return s;
}

struct shadow *shadow_begin(struct viommu_device *device, uint32_t pasid)
{
	struct viommu *u = device->iommu;
	struct shadow *s = NULL;

	if (!u->engine->by_domain || atomic_load(&device->told_all))
		return NULL;
	pthread_mutex_lock(&u->shadow_lock);
	/* What nobody listens to is not kept up to date: it is no record. */
	if (!atomic_load(&u->unmap_listeners))
		lose(device);
	else
		s = find(device, pasid);
	if (s) /* before the tables are read: shadow_compare() */
		atomic_fetch_add(&s->replaying, 1);
	pthread_mutex_unlock(&u->shadow_lock);
	return s;
}

void shadow_end(struct shadow *s)
{
	if (s)
		atomic_fetch_sub(&s->replaying, 1);
}

void shadow_note(struct shadow *s, uint64_t first, uint64_t last, uint64_t gpa, uint32_t perm)
{
	struct viommu *u = s->device->iommu;

	pthread_mutex_lock(&u->shadow_lock);
	if (!atomic_load(&s->device->told_all) &&
	    !(cut_out(s, first, last) && add(s, first, last, gpa, perm)))
		lose(s->device);
	pthread_mutex_unlock(&u->shadow_lock);
}

/* With shadow_lock held. At most as many steps as shadows are pending. */
static void unpend(struct shadow *s)
{
	struct shadow **at = &s->device->iommu->shadows_pending;

	if (!s->pending)
		return;
	while (*at != s)
		at = &(*at)->next_pending;
	*at = s->next_pending;
	s->pending = false;
	atomic_fetch_sub(&s->device->iommu->shadows_due, 1);
}

void shadow_drop(struct viommu_device *device)
{
	struct viommu *u = device->iommu;
	struct shadow *s;

	pthread_mutex_lock(&u->shadow_lock);
	while ((s = device->shadows) != NULL) {
		device->shadows = s->next;
		unpend(s);
		range_map_clear(u->shadow_pool, &s->map);
		vm_dealloc(u->vm, s, sizeof(*s));
	}
	pthread_mutex_unlock(&u->shadow_lock);
}

/* ---- comparing ---- */

struct difference {
	struct shadow *shadow;
	uint64_t first; /* of what differs and has not been told, if there are pieces */
	uint64_t last;
	uint32_t pieces;
	bool done; /* shadow->last has been compared */
};

static void tell(struct difference *d)
{
	struct shadow *s = d->shadow;
	struct viommu *u = s->device->iommu;

	if (!d->pieces)
		return;
	pthread_mutex_lock(&u->shadow_lock);
	if (!cut_out(s, d->first, d->last))
		lose(s->device);
	pthread_mutex_unlock(&u->shadow_lock);
	d->pieces = 0;
	notify_tell(s->device, s->pasid, d->first, d->last);
}

/* What lies between two pieces that differ is in neither, and is told with them. */
static void differs(struct difference *d, uint64_t first, uint64_t last)
{
	if (!d->pieces++)
		d->first = first;
	d->last = last;
	if (d->pieces == PIECES_MAX)
		tell(d);
}

static void advance(struct difference *d, uint64_t last)
{
	d->done = last == d->shadow->last;
	d->shadow->at = d->done ? last : last + 1;
}

/* Compares [shadow->at, last], of which the tables map all (@page) or nothing (NULL). False: steps ran
 * out. */
static bool compare(struct difference *d, uint64_t last, const struct translation *page)
{
	struct shadow *s = d->shadow;
	struct viommu *u = s->device->iommu;

	while (!d->done && s->at <= last) { /* each step pays */
		uint64_t first = s->at;
		uint64_t end = last;
		struct range_item item;
		bool found;

		pthread_mutex_lock(&u->shadow_lock);
		found = range_map_next(u->shadow_pool, &s->map, first, &item) && item.first <= last;
		pthread_mutex_unlock(&u->shadow_lock);
		if (found && item.first > first) {
			end = item.first - 1;
			found = false;
		} else if (found && item.last < end) {
			end = item.last;
		}
		if (found && page && item.perm == shadow_perm(page->perm) &&
		    item.target - item.first == page->gpa - page->iova)
			tell(d);
		else if (found || page)
			differs(d, first, end);
		advance(d, end);
		/* afterwards: each call gets on */
		if (!unit_pay(u, 1) && !d->done)
			return false;
	}
	return true;
}

static int compare_page(void *opaque, const struct translation *page)
{
	struct difference *d = opaque;
	struct shadow *s = d->shadow;
	uint64_t last = page->iova | bits_low(page->size_lg2);

	if (last < s->at)
		return 0;
	if (page->iova > s->at && !compare(d, page->iova - 1, NULL))
		return 1;
	return !compare(d, last < s->last ? last : s->last, page) || d->done;
}

/* What is left, but enough to get on: an entry at each level of both stages is less. */
static uint32_t visit_budget(uint32_t steps)
{
	if (steps < VISIT_LEAST)
		return VISIT_LEAST;
	return steps < VISIT_BUDGET ? steps : VISIT_BUDGET;
}

/* One visit's worth. False: steps ran out. */
static bool compare_some(struct difference *d)
{
	struct shadow *s = d->shadow;
	struct viommu *u = s->device->iommu;
	struct query q = {
		.device = s->device, .pasid = s->pasid, .quiet = true, .access = VIOMMU_READ
	};
	struct pt_visit visit = { .walk.vm = u->vm,
				  .next = s->at,
				  .last = s->last,
				  .page = compare_page,
				  .opaque = d,
				  .budget = visit_budget(u->steps) };
	const uint32_t budget = visit.budget;
	enum pt_visit_end end = PT_VISIT_DONE;
	struct context context;

	if (u->steps == 0)
		return false;
	if (unit_parse_noted(u, &q, &context) == VIOMMU_OK) /* nobody invalidates now but we */
		end = u->engine->visit(u, &context, &visit);
	unit_pay(u, 1 + budget - visit.budget);
	if (end == PT_VISIT_STOPPED)
		return d->done;
	if (end == PT_VISIT_BUDGET && visit.next > s->at)
		return compare(d, visit.next - 1, NULL);
	return end == PT_VISIT_BUDGET || compare(d, s->last, NULL);
}

static bool compare_all(struct shadow *s)
{
	struct difference d = { .shadow = s };
	bool on = true;

	while (on && !d.done)
		on = compare_some(&d);
	tell(&d);
	return d.done;
}

/* The first that is pending, whose device is in use until device_put(). */
static struct shadow *first_pending(struct viommu *u)
{
	struct shadow *s;

	pthread_mutex_lock(&u->devices_lock); /* no device goes */
	pthread_mutex_lock(&u->shadow_lock);
	s = u->shadows_pending;
	if (s)
		atomic_fetch_add(&s->device->users, 1);
	pthread_mutex_unlock(&u->shadow_lock);
	pthread_mutex_unlock(&u->devices_lock);
	return s;
}

bool shadow_settle(struct viommu *u)
{
	struct shadow *s;
	bool done = true;

	while (done && atomic_load(&u->shadows_due) && (s = first_pending(u)) != NULL) {
		done = compare_all(s);
		pthread_mutex_lock(&u->shadow_lock);
		if (done)
			unpend(s);
		pthread_mutex_unlock(&u->shadow_lock);
		device_put(s->device);
	}
	return done;
}

/* With shadow_lock held. A range that is being compared grows. */
static void pend(struct shadow *s, uint64_t first, uint64_t last)
{
	struct viommu *u = s->device->iommu;

	if (s->pending) {
		s->at = first < s->at ? first : s->at;
		s->last = last > s->last ? last : s->last;
		return;
	}
	s->pending = true;
	s->at = first;
	s->last = last;
	s->next_pending = u->shadows_pending;
	u->shadows_pending = s;
	atomic_fetch_add(&u->shadows_due, 1);
}

bool shadow_compare(struct viommu_device *device, uint64_t first, uint64_t last)
{
	struct viommu *u = device->iommu;
	bool known;

	/* Pairs with who sets told_all, or counts a replay, and then reads tables: either we see it, or
	 * it sees what has changed. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&device->told_all))
		return false;
	pthread_mutex_lock(&u->shadow_lock);
	known = device->shadows != NULL;
	for (struct shadow *s = device->shadows; s && known; s = s->next)
		known = !atomic_load(&s->replaying);
	for (struct shadow *s = device->shadows; s; s = s->next) {
		if (known)
			pend(s, first, last);
		else if (!cut_out(s, first, last))
			lose(device);
	}
	pthread_mutex_unlock(&u->shadow_lock);
	return known;
}
