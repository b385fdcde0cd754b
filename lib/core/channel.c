/* SPDX-License-Identifier: BSD-3-Clause */
/* channel.c - channels: sections, and the micro-TLB. */

#include "channel.h"
#include "mem.h"

static struct micro_entry *entry_of(struct viommu_channel *channel, uint64_t iova)
{
	return &channel->micro[iova >> 12 & (MICRO_ENTRIES - 1)];
}

/* Another serial: no entry is valid any more. When it wraps, entries of its first use must not come
 * back. */
static void empty(struct viommu_channel *channel)
{
	if (++channel->serial == 0) {
		for (unsigned i = 0; i < MICRO_ENTRIES; i++)
			channel->micro[i].serial = 0;
		channel->serial = 1;
	}
}

void channel_keep(struct viommu_channel *channel, const struct query *q)
{
	uint64_t first = q->iova & ~bits_low(12);
	uint64_t gpa = q->found.gpa + (first - q->found.iova);
	uint64_t last = q->found.iova | bits_low(q->found.size_lg2);
	struct micro_entry *e;
	void *writable;
	void *host;

	if (!q->cacheable || q->type != VIOMMU_AT_UNTRANSLATED || q->found.size_lg2 < 12)
		return;
	if (channel->domain != q->entry.domain || channel->generation != q->entry.generation ||
	    channel->changes != q->changes) {
		empty(channel);
		channel->domain = q->entry.domain;
		channel->generation = q->entry.generation;
		channel->changes = q->changes;
	}
	last = first +
	       (mem_piece(channel->device->iommu->vm, gpa, gpa + (last - first), false, &host) -
		gpa);
	mem_piece(channel->device->iommu->vm, gpa, gpa, true, &writable);
	if (host != writable) /* ROM: the answer depends on the access */
		return;
	e = entry_of(channel, q->iova);
	*e = (struct micro_entry){ .first = first,
				   .last = last,
				   .gpa = gpa,
				   .host = host,
				   .serial = channel->serial,
				   .perm = q->found.perm };
}

/* Whether what the micro-TLB holds may still be used. */
static bool current(const struct viommu_channel *channel)
{
	return channel->domain &&
	       atomic_load_explicit(&channel->domain->changes, memory_order_acquire) ==
		       channel->changes &&
	       device_generation(channel->device) == channel->generation;
}

static bool hit(struct viommu_channel *channel, const struct viommu_request *r,
		struct viommu_fragment *f)
{
	const struct micro_entry *e = entry_of(channel, r->first);
	unsigned need =
		access_need(r->access) | (r->access & VIOMMU_WRITE ? (unsigned)PERM_DIRTY : 0);
	uint64_t offset = r->first - e->first;

	if (!current(channel) || e->serial != channel->serial || r->first < e->first ||
	    r->last > e->last || r->last < r->first || r->pasid != channel->pasid ||
	    r->type != VIOMMU_AT_UNTRANSLATED || (e->perm & need) != need || !(need & PERM_ALL) ||
	    (r->access & ~0xf))
		return false;
	f->gpa = e->gpa + offset;
	f->length = r->last - r->first + 1;
	f->host = e->host ? e->host + offset : NULL;
	f->perm = access_granted(e->perm, r->access);
	f->flags = (f->perm & VIOMMU_WRITE) && !(e->perm & PERM_DIRTY) ? VIOMMU_FRAGMENT_CLEAN : 0;
	return true;
}

int viommu_translate(struct viommu_channel *channel, const struct viommu_request *request,
		     struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	if (!channel || !request || !fragments || !max || !answer)
		return VIOMMU_EINVAL;
	if (LIKELY(hit(channel, request, fragments))) {
		*answer = (struct viommu_answer){ .next = request->last + 1, .count = 1 };
		return VIOMMU_OK;
	}
	return channel_translate(channel, request, fragments, max, answer);
}

int viommu_enter(struct viommu_channel *channel)
{
	if (!channel)
		return VIOMMU_EINVAL;
	if (channel->open || channel->translating)
		return VIOMMU_EBUSY;
	channel->open = true;
	epoch_enter(&channel->device->iommu->epoch, &channel->section);
	return VIOMMU_OK;
}

int viommu_leave(struct viommu_channel *channel)
{
	struct viommu *u;

	if (!channel || !channel->open || channel->translating)
		return VIOMMU_EINVAL;
	u = channel->device->iommu;
	channel->open = false;
	if (epoch_leave(&u->epoch, &channel->section))
		unit_work(u);
	return VIOMMU_OK;
}

int viommu_channel_new(struct viommu_device *device, uint32_t pasid, struct viommu_channel **out)
{
	struct viommu_channel *channel;
	struct viommu *u;
	bool full;

	if (!device || !out || (pasid != VIOMMU_NO_PASID && pasid >= BIT(20)))
		return VIOMMU_EINVAL;
	u = device->iommu;
	pthread_mutex_lock(&u->devices_lock);
	full = u->channel_count >= u->limits.channels;
	u->channel_count += !full;
	pthread_mutex_unlock(&u->devices_lock);
	if (full)
		return VIOMMU_ELIMIT;
	channel = vm_alloc(u->vm, sizeof(*channel), _Alignof(struct viommu_channel));
	if (!channel) {
		pthread_mutex_lock(&u->devices_lock);
		u->channel_count--;
		pthread_mutex_unlock(&u->devices_lock);
		return VIOMMU_ENOMEM;
	}
	channel->device = device;
	channel->pasid = pasid;
	channel->serial = 1;
	atomic_fetch_add(&device->users, 1);
	epoch_add(&u->epoch, &channel->section);
	*out = channel;
	return VIOMMU_OK;
}

int viommu_channel_free(struct viommu_channel *channel)
{
	struct viommu_device *device;
	struct viommu *u;

	if (!channel)
		return VIOMMU_OK;
	if (channel->open || channel->translating)
		return VIOMMU_EBUSY;
	u = channel->device->iommu;
	device = channel->device;
	epoch_remove(&u->epoch, &channel->section);
	vm_dealloc(u->vm, channel, sizeof(*channel));
	pthread_mutex_lock(&u->devices_lock);
	u->channel_count--;
	atomic_fetch_sub(&device->users, 1);
	pthread_mutex_unlock(&u->devices_lock);
	return VIOMMU_OK;
}
