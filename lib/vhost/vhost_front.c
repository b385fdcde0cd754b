/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_front.c - the VMM's side of a device IOTLB: its life, what it is told, and misses.
 * vhost_front.h says why it is right. */

#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "machine.h"
#include "range.h"
#include "vhost_front.h"

/* Translations of one miss; with the last, invalidations wait for the update and not the other way
 * round. */
#define TRIES 4U

/* ---- what the IOMMU tells; from the thread that owns the registers ---- */

static void invalidated(struct viommu_vhost *v, uint64_t first, uint64_t last)
{
	pthread_mutex_lock(&v->lock);
	if (v->missing &&
	    range_overlaps(v->neighbourhood.first, v->neighbourhood.last, first, last))
		v->stale = true;
	if (vhost_sent_any(&v->sent, first, last))
		vhost_invalidate(v, first, last);
	else
		v->statistics.coalesced++;
	vhost_send_and_unlock(v, false);
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	struct viommu_vhost *v = opaque;

	(void)device;
	if (pasid == VIOMMU_ANY_PASID || pasid == v->config.pasid)
		invalidated(v, first, last);
}

static void on_complete(void *opaque)
{
	struct viommu_vhost *v = opaque;

	pthread_mutex_lock(&v->lock);
	vhost_gathered(v);
	vhost_send_and_unlock(v, false);
}

static void on_tick(void *opaque, uint64_t now)
{
	struct viommu_vhost *v = opaque;
	bool expired;

	pthread_mutex_lock(&v->lock);
	v->now = now;
	if (v->acknowledged >= v->mark) {
		v->mark = v->issued;
		v->since = now;
		v->expired = false;
	}
	expired = v->config.deadline && !v->expired && v->acknowledged < v->mark &&
		  now - v->since >= v->config.deadline;
	v->expired = v->expired || expired;
	v->statistics.expired += expired;
	pthread_mutex_unlock(&v->lock);
	if (expired)
		v->config.expired(v->config.opaque);
}

/* ---- misses ---- */

static void begin_try(struct viommu_vhost *v, const struct vhost_range *block, bool last_try)
{
	bool wake;

	pthread_mutex_lock(&v->lock);
	v->neighbourhood = *block;
	if (!range_add(block->last, v->config.ahead, &v->neighbourhood.last))
		v->neighbourhood.last = UINT64_MAX;
	v->stale = false;
	v->last_try = last_try;
	wake = vhost_hold(v);
	pthread_mutex_unlock(&v->lock);
	if (wake)
		unit_work(v->device->iommu);
}

/* Takes the lock. VIOMMU_OK: the record has memory for an update. VIOMMU_ENOMEM */
static int lock_with_memory(struct viommu_vhost *v)
{
	pthread_mutex_lock(&v->lock);
	while (!vhost_sent_reserve(&v->sent)) {
		uint64_t bytes = v->sent.wanted;
		void *block;

		pthread_mutex_unlock(&v->lock);
		block = vm_alloc(v->sent.vm, bytes, VHOST_SENT_ALIGN);
		pthread_mutex_lock(&v->lock);
		if (!block)
			return VIOMMU_ENOMEM;
		vhost_sent_lay_ready(&v->sent, block, bytes);
	}
	return VIOMMU_OK;
}

/* VIOMMU_MORE: invalidated meanwhile, try again. */
static int end_try(struct viommu_vhost *v, uint64_t iova, const struct vhost_run *run,
		   uint32_t count)
{
	int result = lock_with_memory(v);

	if (vhost_over(v))
		result = VIOMMU_ENOENT;
	else if (!result && v->stale && !v->last_try)
		result = VIOMMU_MORE;
	else if (!result && !vhost_update(v, iova, run, count))
		result = VIOMMU_EBUSY;
	else if (!result && v->stale) /* nothing is complete before this is acknowledged: the hold
					 is open */
		vhost_invalidate(v, run[0].range.first, run[count - 1].range.last);
	if (v->stale && result == VIOMMU_OK)
		vhost_gathered(v);
	pthread_mutex_unlock(&v->lock);
	return result;
}

static int try(struct viommu_vhost *v, uint64_t iova, uint32_t access, bool last_try)
{
	const struct vhost_range block = vhost_block(v, iova);
	struct vhost_run run[VHOST_UPDATES];
	uint32_t count = 1;
	uint64_t end;
	int result;

	begin_try(v, &block, last_try);
	result = vhost_translate(v, iova, access, &run[0]);
	if (result)
		return result;
	vhost_widen(v, &block, &run[0]);
	if (v->config.ahead && run[0].range.last != UINT64_MAX) {
		if (!range_add(run[0].range.last, v->config.ahead, &end))
			end = UINT64_MAX;
		count +=
			vhost_read_ahead(v, run[0].range.last + 1, end, &run[1], VHOST_UPDATES - 1);
	}
	return end_try(v, iova, run, count);
}

static int answer(struct viommu_vhost *v, uint64_t iova, uint32_t access)
{
	int result = VIOMMU_MORE;

	for (unsigned i = 0; result == VIOMMU_MORE; i++)
		result = try(v, iova, access, i + 1 >= TRIES);
	return result;
}

static int begin_miss(struct viommu_vhost *v)
{
	int result = VIOMMU_OK;

	pthread_mutex_lock(&v->lock);
	if (v->missing) {
		result = VIOMMU_EBUSY;
	} else {
		v->missing = true;
		v->statistics.misses++;
		v->update_result = VIOMMU_OK;
		v->looks = v->device->iommu->limits.steps;
	}
	pthread_mutex_unlock(&v->lock);
	return result;
}

int viommu_vhost_miss(struct viommu_vhost *v, uint64_t iova, uint32_t access)
{
	int result;

	if (!v || !access || (access & ~(VIOMMU_READ | VIOMMU_WRITE)))
		return VIOMMU_EINVAL;
	if (begin_miss(v))
		return VIOMMU_EBUSY;
	result = answer(v, iova, access);
	/* A backend that learns that it may read knows that writing is refused, and does not wait.
	 */
	if (result == VIOMMU_FAULT && (access & VIOMMU_WRITE) && vhost_readable(v, iova))
		answer(v, iova, VIOMMU_READ);
	pthread_mutex_lock(&v->lock);
	v->statistics.faults += result == VIOMMU_FAULT;
	vhost_send_and_unlock(v, true);
	if (result == VIOMMU_OK) {
		pthread_mutex_lock(&v->lock);
		result = vhost_over(v) ? VIOMMU_ENOENT : v->update_result;
		pthread_mutex_unlock(&v->lock);
	}
	return result;
}

int viommu_vhost_acknowledged(struct viommu_vhost *v, uint32_t count)
{
	int result = VIOMMU_EINVAL;
	bool wake;

	if (!v)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&v->lock);
	if (v->dead) {
		result = VIOMMU_ENOENT;
	} else if (count <= v->issued - v->acknowledged) {
		v->acknowledged += count;
		result = VIOMMU_OK;
	}
	wake = vhost_hold(v);
	pthread_mutex_unlock(&v->lock);
	if (wake)
		unit_work(v->device->iommu);
	return result;
}

/* ---- what the VMM changes ---- */

static bool next_in_memory(struct viommu_vhost *v, uint64_t *from, uint64_t gpa, uint64_t gpa_last,
			   struct vhost_range *range)
{
	bool found;

	pthread_mutex_lock(&v->lock);
	found = vhost_sent_in_memory(&v->sent, from, gpa, gpa_last, range);
	pthread_mutex_unlock(&v->lock);
	return found;
}

int viommu_vhost_forget_gpa(struct viommu_vhost *v, uint64_t gpa, uint64_t gpa_last)
{
	struct vhost_range range;
	uint64_t from = 0;
	int result;

	if (!v || gpa > gpa_last)
		return VIOMMU_EINVAL;
	/* What was translated before the region went ends here too, and what made room for other
	 * memory. At most as many steps as the record has ranges. */
	pthread_mutex_lock(&v->lock);
	v->stale = true;
	vhost_await_all(v);
	vhost_hold(v); /* opens it, or leaves it open: nobody is to be woken */
	pthread_mutex_unlock(&v->lock);
	while (next_in_memory(v, &from, gpa, gpa_last, &range))
		invalidated(v, range.first, range.last);
	on_complete(v);
	vm_await(v->device->iommu->vm, &v->device->iommu->user);
	pthread_mutex_lock(&v->lock);
	result = v->broken ? VIOMMU_ENOENT : v->holding ? VIOMMU_PENDING : VIOMMU_OK;
	pthread_mutex_unlock(&v->lock);
	return result;
}

int viommu_vhost_fail(struct viommu_vhost *v)
{
	bool wake;

	if (!v)
		return VIOMMU_EINVAL;
	pthread_mutex_lock(&v->lock);
	wake = vhost_bury(v);
	pthread_mutex_unlock(&v->lock);
	if (wake)
		unit_work(v->device->iommu);
	return VIOMMU_OK;
}

/* ---- life ---- */

static bool valid(const struct viommu_vhost_config *config)
{
	return !config->flags && config->send && !config->reserved &&
	       config->ranges <= VIOMMU_VHOST_RANGES_MAX &&
	       (config->expired || !config->deadline) && !(config->reach & (config->reach - 1)) &&
	       (config->pasid == VIOMMU_NO_PASID || config->pasid < BIT(20));
}

int viommu_vhost_new(struct viommu_device *device, const struct viommu_vhost_config *given,
		     struct viommu_vhost **out)
{
	struct viommu_listener_config listener = { .size = sizeof(listener),
						   .unmap = on_unmap,
						   .complete = on_complete };
	struct viommu_vhost_config config;
	struct viommu_vhost *v;
	int result;

	if (!device || !out)
		return VIOMMU_EINVAL;
	result = abi_take(&config, sizeof(config), offsetof(struct viommu_vhost_config, ranges),
			  given);
	if (result)
		return result;
	if (!valid(&config))
		return VIOMMU_EINVAL;
	if (config.deadline && !device->iommu->host.now)
		return VIOMMU_ENOTSUP;
	if (!config.ranges)
		config.ranges = VIOMMU_VHOST_RANGES_DEFAULT;
	v = vm_alloc(device->iommu->vm, sizeof(*v), _Alignof(struct viommu_vhost));
	if (!v)
		return VIOMMU_ENOMEM;
	v->device = device;
	v->config = config;
	result = vhost_sent_init(&v->sent, device->iommu->vm, config.ranges);
	if (result)
		goto no_record;
	pthread_mutex_init(&v->lock, NULL);
	v->section.owner = device;
	v->section.rare = true;
	atomic_init(&v->section.part, partition_part(device->partition));
	epoch_add(&device->iommu->epoch, &v->section);
	listener.opaque = v;
	result = listener_new(device->iommu, device, &listener, NULL, on_tick, &v->listener);
	if (result)
		goto no_listener;
	*out = v;
	return VIOMMU_OK;

no_listener:
	epoch_remove(&device->iommu->epoch, &v->section);
	pthread_mutex_destroy(&v->lock);
	vhost_sent_fini(&v->sent);
no_record:
	vm_dealloc(device->iommu->vm, v, sizeof(*v));
	return result;
}

int viommu_vhost_free(struct viommu_vhost *v)
{
	struct viommu *u;
	bool busy;
	bool wake;

	if (!v)
		return VIOMMU_OK;
	u = v->device->iommu;
	pthread_mutex_lock(&v->lock);
	busy = v->sending || v->missing;
	pthread_mutex_unlock(&v->lock);
	if (busy || listener_free(v->listener))
		return VIOMMU_EBUSY;
	wake = v->holding && epoch_leave(&u->epoch, &v->section);
	wake |= epoch_remove(&u->epoch, &v->section);
	pthread_mutex_destroy(&v->lock);
	vhost_sent_fini(&v->sent);
	vm_dealloc(u->vm, v, sizeof(*v));
	if (wake)
		unit_work(u);
	return VIOMMU_OK;
}

int viommu_vhost_get_statistics(struct viommu_vhost *v, struct viommu_vhost_statistics *statistics)
{
	struct viommu_vhost_statistics now;
	int result;

	if (!v || !statistics)
		return VIOMMU_EINVAL;
	result = abi_take(&now, sizeof(now), offsetof(struct viommu_vhost_statistics, oldest),
			  statistics);
	if (result)
		return result;
	pthread_mutex_lock(&v->lock);
	now = v->statistics;
	now.outstanding =
		(uint32_t)(v->issued - v->acknowledged) + v->count + (v->gathering ? 1 : 0);
	now.oldest = v->acknowledged < v->mark ? v->now - v->since : 0;
	pthread_mutex_unlock(&v->lock);
	now.size = statistics->size;
	memcpy(statistics, &now, now.size < sizeof(now) ? now.size : sizeof(now));
	return VIOMMU_OK;
}
