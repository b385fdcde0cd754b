/* SPDX-License-Identifier: BSD-3-Clause */
/* channel.c - channels: sections, and translations through the micro-TLB. */

#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "channel.h"

/* Whether what the micro-TLB holds may still be used. */
static bool current(const struct viommu_channel *channel)
{
	return channel->domain &&
	       atomic_load_explicit(&channel->domain->changes, memory_order_acquire) ==
		       channel->changes &&
	       device_generation(channel->device) + domain_life(channel->domain) ==
		       channel->generation;
}

/* The epoch first: what is invalidated after we looked moves it again. True: it had moved, and what the
 * micro-TLB holds may still be used. */
static bool catch_up(struct viommu_channel *channel)
{
	uint64_t now = atomic_load_explicit(channel->now, memory_order_acquire);
	bool stays;

	if (channel->seen == now)
		return false;
	stays = current(channel);
	if (!stays)
		channel_empty(channel);
	channel->seen = now;
	return stays;
}

bool channel_peek(struct viommu_channel *channel, uint64_t iova, struct translation *found)
{
	const struct micro_entry *e = channel_entry(channel, iova);
	uint64_t now = atomic_load_explicit(channel->now, memory_order_acquire);

	if ((channel->seen != now && !current(channel)) || !channel_keeps(channel, e, iova))
		return false;
	*found = (struct translation){ .iova = iova & ~bits_low(MICRO_PAGE_LG2),
				       .gpa = e->gpa,
				       .size_lg2 = MICRO_PAGE_LG2 };
	found->perm = (uint8_t)(e->grant[0].perm | e->grant[1].perm << 3);
	if (!((e->grant[0].flags | e->grant[1].flags) & VIOMMU_FRAGMENT_CLEAN))
		found->perm |= (uint8_t)PERM_DIRTY;
	return true;
}

static_assert(offsetof(struct viommu_fragment, flags) ==
		      offsetof(struct viommu_fragment, perm) + sizeof(uint32_t),
	      "stored together");
static_assert(offsetof(struct viommu_answer, flags) ==
		      offsetof(struct viommu_answer, extent_lg2) + sizeof(uint32_t),
	      "stored together");

/* Every instruction here is paid by every DMA: tests/bench counts them. @outside: of what has no host address;
 * constant where this is inlined. */
ALWAYS_INLINE bool hit_of(struct viommu_channel *channel, const struct viommu_request *r,
			  bool outside, struct viommu_fragment *f, struct viommu_answer *answer)
{
	uint64_t first = r->first, more;
	const struct micro_entry *e = channel_entry(channel, first);
	uint64_t access = request_who(r) ^ channel->who;

	/* access and type, as access_and_type() has them, if the PASID is the channel's; or more */
	access = access >> 32 | access << 32;
	if (access >= ACCESS_KINDS || !((outside ? e->outside : e->accepts) >> access & 1) ||
	    !channel_holds(channel, e, first))
		return false;
	more = r->last; /* in this order, nothing needs a register that has to be saved */
	if (more > e->last || __builtin_sub_overflow(more, first, &more))
		return false;
	answer_one(answer, first + more);
	answer_put_extent(answer, e->extent);
	f->length = more + 1;
	first = channel_offset(first);
	f->gpa = e->gpa + first;
	f->host = outside ? NULL : e->host + first;
	memcpy(&f->perm, &e->grant[access / VIOMMU_PRIV], sizeof(e->grant[0]));
	return true;
}

ALWAYS_INLINE bool hit(struct viommu_channel *channel, const struct viommu_request *r,
		       struct viommu_fragment *f, struct viommu_answer *answer)
{
	return hit_of(channel, r, false, f, answer);
}

static __attribute__((noinline)) bool hit_outside(struct viommu_channel *channel,
						  const struct viommu_request *r,
						  struct viommu_fragment *f,
						  struct viommu_answer *answer)
{
	return hit_of(channel, r, true, f, answer);
}

/* To be asked when hit() has said no. */
static inline bool other_hit(struct viommu_channel *channel, const struct viommu_request *r,
			     struct viommu_fragment *f, struct viommu_answer *answer)
{
	return UNLIKELY(channel_entry(channel, r->first)->outside) &&
	       hit_outside(channel, r, f, answer);
}

/* What the domain was when its TLB was asked. */
struct seen {
	uint64_t changes;
	uint64_t tag;
};

/* What the shared TLB has of the requester's domain. */
ALWAYS_INLINE enum cached shared_hit(struct viommu_channel *channel, const struct viommu_request *r,
				     struct viommu_fragment *f, struct viommu_answer *answer,
				     struct seen *seen)
{
	const struct domain *domain = channel->entry.domain;
	struct translation found;
	enum cached cached;
	uint64_t changes;
	uint64_t tag;

	if (!domain || r->type != VIOMMU_AT_UNTRANSLATED || (r->access & VIOMMU_QUIET))
		return CACHED_OTHERWISE;
	changes = atomic_load_explicit(&domain->changes, memory_order_acquire);
	tag = atomic_load_explicit(&domain->tag, memory_order_acquire);
	if ((changes & 1) || !context_stands(&channel->entry, channel->device))
		return CACHED_OTHERWISE;
	seen->changes = changes;
	seen->tag = tag;
	cached = translate_cached(channel->device->partition, domain, tag, r, &found,
				  &channel->place, true, f, answer);
	if (cached == CACHED)
		channel_keep(channel, r->first, changes, &found, &channel->place);
	return cached;
}

static inline void begin(struct viommu_channel *channel, struct translating *t)
{
	translate_begin(t, channel->device, &channel->entry, &channel->place, channel);
	t->query.lane = channel->lane;
	channel->state |= CHANNEL_TRANSLATING;
}

static inline void end(struct viommu_channel *channel, struct translating *t)
{
	bool wake = t->section && translate_close(t);

	channel->state &= (uint8_t)~CHANNEL_TRANSLATING;
	if (wake)
		unit_work(channel->device->iommu);
}

/* What the TLB does not have: the context, as it was then, holds if it has been in a section. */
static inline void hand_on(struct translating *t, enum cached cached, const struct seen *seen)
{
	const struct viommu_channel *channel = t->channel;

	t->missed = cached == CACHED_NOT;
	if (!t->missed || !(channel->state & CHANNEL_OPEN) || !channel->entry.whole)
		return;
	t->query.changes = seen->changes;
	t->query.tag = seen->tag;
	t->query.cacheable = true;
	t->query.known = true;
}

int channel_ask(struct viommu_channel *channel, const struct viommu_request *request,
		struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	struct translating t;
	enum cached cached;
	struct seen seen;
	int result;

	if (!translate_well_formed(request) || request->pasid != channel->pasid)
		return VIOMMU_EINVAL;
	if (channel->state & CHANNEL_TRANSLATING)
		return VIOMMU_EBUSY;
	cached = shared_hit(channel, request, fragments, answer, &seen);
	if (cached == CACHED)
		return VIOMMU_OK;
	begin(channel, &t);
	hand_on(&t, cached, &seen);
	result = translate_range(&t, request, fragments, max, answer);
	end(channel, &t);
	return result;
}

/* What is not in the micro-TLB. */
ALWAYS_INLINE int ask_engine(struct viommu_channel *channel, const struct viommu_request *request,
			     struct viommu_fragment *fragments, uint32_t max,
			     struct viommu_answer *answer)
{
	if (UNLIKELY(!channel->entry.domain))
		return channel_ask(channel, request, fragments, max, answer);
	return channel->miss(channel, request, fragments, max, answer);
}

/* What the micro-TLB has, it may seem, but not for this request, or not any more. */
static __attribute__((noinline)) int look_again(struct viommu_channel *channel,
						const struct viommu_request *request,
						struct viommu_fragment *fragments, uint32_t max,
						struct viommu_answer *answer)
{
	if ((catch_up(channel) && hit(channel, request, fragments, answer)) ||
	    other_hit(channel, request, fragments, answer))
		return VIOMMU_OK;
	return ask_engine(channel, request, fragments, max, answer);
}

/* What hit() has said no to. (Inlined, it would cost hits.) */
static __attribute__((noinline)) int miss(struct viommu_channel *channel,
					  const struct viommu_request *request,
					  struct viommu_fragment *fragments, uint32_t max,
					  struct viommu_answer *answer)
{
	if (UNLIKELY(channel->outside ||
		     atomic_load_explicit(channel->now, memory_order_relaxed) != channel->seen))
		return look_again(channel, request, fragments, max, answer);
	return ask_engine(channel, request, fragments, max, answer);
}

int channel_translate(struct viommu_channel *channel, const struct viommu_request *request,
		      struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	int result;

	channel->state &= (uint8_t)~CHANNEL_TRANSLATING; /* the caller's */
	result = miss(channel, request, fragments, max, answer);
	channel->state |= CHANNEL_TRANSLATING;
	return result;
}

int viommu_translate(struct viommu_channel *channel, const struct viommu_request *request,
		     struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer)
{
	if (is_null(channel) || is_null(request) || is_null(fragments) || is_null(answer) || !max)
		return VIOMMU_EINVAL;
	if (LIKELY(hit(channel, request, fragments, answer)))
		return VIOMMU_OK;
	return miss(channel, request, fragments, max, answer);
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
	enum cached cached;
	struct seen seen;
	int result;

	if (*used == max) {
		*answer = (struct viommu_answer){ .next = request->first };
		return VIOMMU_MORE;
	}
	if (hit(channel, request, &fragments[*used], answer) ||
	    other_hit(channel, request, &fragments[*used], answer)) {
		++*used;
		return VIOMMU_OK;
	}
	if (!translate_well_formed(request) || request->pasid != channel->pasid)
		return VIOMMU_EINVAL;
	cached = shared_hit(channel, request, &fragments[*used], answer, &seen);
	if (cached == CACHED) {
		++*used;
		return VIOMMU_OK;
	}
	hand_on(t, cached, &seen);
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
	if (channel->state & CHANNEL_TRANSLATING)
		return VIOMMU_EBUSY;
	(void)catch_up(channel);
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
	if (channel->state)
		return VIOMMU_EBUSY;
	channel_open(channel);
	return VIOMMU_OK;
}

int channel_wake(struct viommu_channel *channel, uint64_t entered, uint64_t waiting)
{
	if (epoch_wakes(channel->epoch, &channel->section, entered, waiting))
		unit_work(channel->device->iommu);
	return VIOMMU_OK;
}

int viommu_leave(struct viommu_channel *channel)
{
	if (!channel || channel->state != CHANNEL_OPEN)
		return VIOMMU_EINVAL;
	return channel_close(channel);
}

/* With devices_lock: the lane that fewest have. At most CHANNEL_LANES steps. */
static uint32_t take_lane(struct viommu *u)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < CHANNEL_LANES && u->lane_users[best]; i++) {
		if (u->lane_users[i] < u->lane_users[best])
			best = i;
	}
	u->lane_users[best]++;
	return best + 1;
}

/* The channel's lane; 0: there are too many. */
static uint32_t take_place(struct viommu *u)
{
	uint32_t lane = 0;

	pthread_mutex_lock(&u->devices_lock);
	if (u->channel_count < u->limits.channels) {
		lane = take_lane(u);
		u->channel_count++;
	}
	pthread_mutex_unlock(&u->devices_lock);
	return lane;
}

static void give_place(struct viommu *u, uint32_t lane)
{
	pthread_mutex_lock(&u->devices_lock);
	u->channel_count--;
	u->lane_users[lane - 1]--;
	pthread_mutex_unlock(&u->devices_lock);
}

int viommu_channel_new(struct viommu_device *device, uint32_t pasid, struct viommu_channel **out)
{
	struct viommu_channel *channel;
	struct viommu *u;
	uint64_t mask;
	uint32_t lane;

	if (!device || !out || (pasid != VIOMMU_NO_PASID && pasid >= BIT(20)))
		return VIOMMU_EINVAL;
	u = device->iommu;
	mask = bits_power_of_two(u->limits.channel_entries) - 1;
	lane = take_place(u);
	if (!lane)
		return VIOMMU_ELIMIT;
	channel = vm_alloc(u->vm, channel_bytes(mask), _Alignof(struct viommu_channel));
	if (!channel) {
		give_place(u, lane);
		return VIOMMU_ENOMEM;
	}
	channel->now = device->partition->part.now;
	channel->epoch = &u->epoch;
	channel->miss = u->engine->miss && !u->host.trace ? u->engine->miss : channel_ask;
	channel->mask = mask;
	channel->places = mask * sizeof(struct micro_entry);
	channel->places_lg2 = mask ? 64 - (unsigned)__builtin_clzll(mask) : 0;
	channel->device = device;
	channel->pasid = pasid;
	channel->who = pasid;
	channel->lane = lane;
	channel->serial = 1;
	channel->place = (struct mem_place)MEM_NOWHERE;
	channel->tables = (struct mem_place)MEM_NOWHERE;
	atomic_fetch_add(&device->users, 1);
	channel->section.owner = device;
	atomic_init(&channel->section.part, partition_part(device->partition));
	epoch_add(&u->epoch, &channel->section);
	*out = channel;
	return VIOMMU_OK;
}

int viommu_channel_free(struct viommu_channel *channel)
{
	struct viommu_device *device;
	struct viommu *u;
	bool wakes;

	if (!channel)
		return VIOMMU_OK;
	if (channel->state)
		return VIOMMU_EBUSY;
	device = channel->device;
	u = device->iommu;
	wakes = epoch_remove(&u->epoch, &channel->section);
	give_place(u, channel->lane);
	vm_dealloc(u->vm, channel, channel_bytes(channel->mask));
	atomic_fetch_sub(&device->users, 1);
	if (wakes)
		unit_work(u);
	return VIOMMU_OK;
}
