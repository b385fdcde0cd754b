/* SPDX-License-Identifier: BSD-3-Clause */
/* shadow.c - the record of what was replayed. */

#include "shadow.h"
#include "range.h"
#include "unit.h"

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

void shadow_lose_locked(struct viommu_device *device)
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
bool shadow_cut_out(struct shadow *s, uint64_t first, uint64_t last)
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
	shadow_lose_locked(device);
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
		shadow_lose_locked(device);
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
		shadow_lose_locked(device);
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
	    !(shadow_cut_out(s, first, last) && add(s, first, last, gpa, perm)))
		shadow_lose_locked(s->device);
	pthread_mutex_unlock(&u->shadow_lock);
}

/* With shadow_lock held. At most as many steps as shadows are pending. */
void shadow_unpend(struct shadow *s)
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
		shadow_unpend(s);
		range_map_clear(u->shadow_pool, &s->map);
		vm_dealloc(u->vm, s, sizeof(*s));
	}
	pthread_mutex_unlock(&u->shadow_lock);
}

/* ---- what is still to be compared ---- */

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
		else if (!shadow_cut_out(s, first, last))
			shadow_lose_locked(device);
	}
	pthread_mutex_unlock(&u->shadow_lock);
	return known;
}
