/* SPDX-License-Identifier: BSD-3-Clause */
/* channel.c - channels: sections, and the micro-TLB. */

#include <stddef.h>
#include <string.h>

#include "channel.h"

static struct micro_entry *entry_of(struct viommu_channel *channel, uint64_t iova)
{
	uint64_t page = iova >> 12;

	return &channel->micro[(page ^ page >> 6) & channel->mask];
}

/* Another serial: no entry is valid any more. When it wraps, entries of its first use must not come
 * back. */
static void empty(struct viommu_channel *channel)
{
	channel->domain = NULL;
	if (++channel->serial == 0) {
		for (uint64_t i = 0; i <= channel->mask; i++)
			channel->micro[i].serial = 0;
		channel->serial = 1;
	}
}

/* Whether what the micro-TLB holds may still be used. */
static bool current(const struct viommu_channel *channel)
{
	return channel->domain &&
	       atomic_load_explicit(&channel->domain->changes, memory_order_acquire) ==
		       channel->changes &&
	       device_generation(channel->device) == channel->generation;
}

/* The epoch first: what is invalidated after we looked moves it again. */
static void catch_up(struct viommu_channel *channel)
{
	uint64_t now = atomic_load_explicit(channel->now, memory_order_acquire);

	if (channel->seen == now)
		return;
	if (!current(channel))
		empty(channel);
	channel->seen = now;
}

static uint64_t grant(unsigned perm, unsigned access)
{
	uint64_t granted = access_granted(perm, access);
	bool clean = (granted & VIOMMU_WRITE) && !(perm & PERM_DIRTY);

	return granted | (clean ? (uint64_t)VIOMMU_FRAGMENT_CLEAN << 32 : 0);
}

/* Of the sixteen combinations of access bits, those that a permission suffices for. */
static uint32_t accepted(unsigned perm)
{
	uint32_t accepts = 0;

	for (unsigned access = 0; access < 16; access++) {
		if ((access & ~VIOMMU_PRIV) && translate_permits(perm, access))
			accepts |= 1U << access;
	}
	return accepts;
}

/* In t->place is where the answer is. ROM is not kept: the answer depends on the access. */
void channel_keep(struct viommu_channel *channel, const struct translating *t)
{
	const struct query *q = &t->query;
	uint64_t first = q->iova & ~bits_low(12);
	uint64_t gpa = q->found.gpa + (first - q->found.iova);
	uint64_t span = (q->found.iova | bits_low(q->found.size_lg2)) - first;
	struct micro_entry *e;

	if (!q->cacheable || q->type != VIOMMU_AT_UNTRANSLATED || q->found.size_lg2 < 12 ||
	    (t->place.host & MEM_REGION_READONLY) || gpa < t->place.first)
		return;
	if (channel->domain != q->entry->domain || channel->generation != q->entry->generation ||
	    channel->changes != q->changes) {
		empty(channel);
		channel->domain = q->entry->domain;
		channel->generation = q->entry->generation;
		channel->changes = q->changes;
	}
	if (span > t->place.last - gpa)
		span = t->place.last - gpa;
	e = entry_of(channel, q->iova);
	*e = (struct micro_entry){ .first = first,
				   .bytes = span + 1,
				   .gpa = gpa,
				   .host = mem_host(&t->place, gpa, false),
				   .serial = channel->serial,
				   .accepts = accepted(q->found.perm),
				   .grant = { grant(q->found.perm, 0),
					      grant(q->found.perm, VIOMMU_PRIV) } };
}

static_assert(offsetof(struct viommu_fragment, flags) ==
		      offsetof(struct viommu_fragment, perm) + sizeof(uint32_t),
	      "stored together");

/* Every instruction here is paid by every DMA: tests/bench counts them. */
static inline bool hit(struct viommu_channel *channel, const struct viommu_request *r,
		       struct viommu_fragment *f)
{
	const struct micro_entry *e = entry_of(channel, r->first);
	uint64_t first = r->first;
	uint64_t span = r->last - first;
	uint64_t offset;

	__asm__("" : "+r"(e)); /* one pointer, not one address computed for each member */
	offset = first - e->first;
	if (atomic_load_explicit(channel->now, memory_order_acquire) != channel->seen ||
	    e->serial != channel->serial || offset >= e->bytes || span >= e->bytes - offset ||
	    r->pasid != channel->pasid || r->type != VIOMMU_AT_UNTRANSLATED || r->access > 15 ||
	    !(e->accepts >> r->access & 1))
		return false;
	/* whoever mispredicts that the entry has it does not get beyond the entry */
	offset &= bits_index_mask(offset, e->bytes);
	f->gpa = e->gpa + offset;
	f->length = span + 1;
	f->host = LIKELY(e->host) ? e->host + offset : NULL;
	memcpy(&f->perm, &e->grant[r->access / VIOMMU_PRIV], sizeof(e->grant[0]));
	return true;
}

static inline void hit_answer(const struct viommu_request *r, struct viommu_answer *answer)
{
	answer->next = r->last + 1;
	answer->count = 1;
	answer->reason = 0;
	answer->ats = 0;
}

static void begin(struct viommu_channel *channel, struct translating *t)
{
	t->query = (struct query){ .device = channel->device, .entry = &channel->entry };
	t->place = channel->place;
	t->channel = channel;
	t->section = NULL;
	t->visiting = false;
	channel->translating = true;
	catch_up(channel);
}

static void end(struct viommu_channel *channel, struct translating *t)
{
	bool wake = translate_close(t);

	channel->place = t->place;
	channel->translating = false;
	if (wake)
		unit_work(channel->device->iommu);
}

/* What the micro-TLB cannot answer. */
static __attribute__((noinline)) int translate(struct viommu_channel *channel,
					       const struct viommu_request *request,
					       struct viommu_fragment *fragments, uint32_t max,
					       struct viommu_answer *answer)
{
	struct translating t;
	int result;

	if (!translate_well_formed(request) || request->pasid != channel->pasid)
		return VIOMMU_EINVAL;
	if (channel->translating)
		return VIOMMU_EBUSY;
	begin(channel, &t);
	result = translate_range(&t, request, fragments, max, answer);
	end(channel, &t);
	return result;
}

int viommu_translate(struct viommu_channel *channel, const struct viommu_request *request,
		     struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	if (!channel || !request || !fragments || !max || !answer)
		return VIOMMU_EINVAL;
	if (LIKELY(hit(channel, request, fragments))) {
		hit_answer(request, answer);
		return VIOMMU_OK;
	}
	return translate(channel, request, fragments, max, answer);
}

/* ---- lists ---- */

/* Requests whose cache lines are fetched at a time. */
#define LIST_GROUP 32U

/* Two rounds ahead of the translation itself: the places in the caches, then, for what the TLB does
 * not have, the entries of the tables. */
static void prefetch(struct translating *t, const struct viommu_request *requests, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		translate_prefetch(t, requests[i].first);
	for (uint32_t i = 0; i < count; i++)
		translate_prefetch_entry(t, requests[i].first);
}

/* One request of a list, after those before it have taken *used fragments. */
static int translate_one(struct translating *t, const struct viommu_request *request,
			 struct viommu_fragment *fragments, uint32_t max, uint32_t *used,
			 struct viommu_answer *answer)
{
	struct viommu_channel *channel = t->channel;
	int result;

	if (*used == max) {
		*answer = (struct viommu_answer){ .next = request->first };
		return VIOMMU_MORE;
	}
	if (hit(channel, request, &fragments[*used])) {
		hit_answer(request, answer);
		++*used;
		return VIOMMU_OK;
	}
	if (!translate_well_formed(request) || request->pasid != channel->pasid)
		return VIOMMU_EINVAL;
	result = translate_range(t, request, &fragments[*used], max - *used, answer);
	*used += answer->count;
	return result;
}

int viommu_translate_list(struct viommu_channel *channel, const struct viommu_request *requests,
			  uint32_t count, struct viommu_fragment *fragments, uint32_t max,
			  struct viommu_answer *answers, uint32_t *done)
{
	int result = VIOMMU_OK;
	struct translating t;
	uint32_t used = 0;
	uint32_t i;

	if (!channel || !requests || !fragments || !max || !answers || !done)
		return VIOMMU_EINVAL;
	*done = 0;
	if (channel->translating)
		return VIOMMU_EBUSY;
	begin(channel, &t);
	for (i = 0; i < count && !result; i += !result) {
		if (i % LIST_GROUP == 0)
			prefetch(&t, &requests[i], count - i < LIST_GROUP ? count - i : LIST_GROUP);
		result = translate_one(&t, &requests[i], fragments, max, &used, &answers[i]);
	}
	end(channel, &t);
	*done = i;
	return result;
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

static uint64_t channel_bytes(uint64_t mask)
{
	return sizeof(struct viommu_channel) + (mask + 1) * sizeof(struct micro_entry);
}

static uint64_t micro_mask(uint32_t entries)
{
	uint64_t count = 1;

	while (count < entries)
		count *= 2;
	return count - 1;
}

static bool take_place(struct viommu *u)
{
	bool full;

	pthread_mutex_lock(&u->devices_lock);
	full = u->channel_count >= u->limits.channels;
	u->channel_count += !full;
	pthread_mutex_unlock(&u->devices_lock);
	return !full;
}

static void give_place(struct viommu *u)
{
	pthread_mutex_lock(&u->devices_lock);
	u->channel_count--;
	pthread_mutex_unlock(&u->devices_lock);
}

int viommu_channel_new(struct viommu_device *device, uint32_t pasid, struct viommu_channel **out)
{
	struct viommu_channel *channel;
	struct viommu *u;
	uint64_t mask;

	if (!device || !out || (pasid != VIOMMU_NO_PASID && pasid >= BIT(20)))
		return VIOMMU_EINVAL;
	u = device->iommu;
	mask = micro_mask(u->limits.channel_entries);
	if (!take_place(u))
		return VIOMMU_ELIMIT;
	channel = vm_alloc(u->vm, channel_bytes(mask), _Alignof(struct viommu_channel));
	if (!channel) {
		give_place(u);
		return VIOMMU_ENOMEM;
	}
	channel->now = &u->epoch.now;
	channel->mask = mask;
	channel->device = device;
	channel->pasid = pasid;
	channel->serial = 1;
	channel->place = (struct mem_place)MEM_NOWHERE;
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
	device = channel->device;
	u = device->iommu;
	epoch_remove(&u->epoch, &channel->section);
	vm_dealloc(u->vm, channel, channel_bytes(channel->mask));
	give_place(u);
	atomic_fetch_sub(&device->users, 1);
	return VIOMMU_OK;
}
