/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_tlb.h - one thread's way to DMA: a private micro-TLB in front of the shared one.
 *
 * The micro-TLB is valid as a whole for one (domain, generation, changes), and these are compared
 * only when window.now has moved since: it moves after every invalidation that concerns the partition and before its completion.
 * When any of them is another the micro-TLB is emptied by counting up its serial. A hit costs one
 * load of the epoch, one entry, and no write.
 */
#ifndef MICRO_TLB_H
#define MICRO_TLB_H

#include <stddef.h>

#include "unit.h"

/* What is known from one page on, for requests that begin in it. */
struct micro_entry {
	_Alignas(64) uint64_t tag; /* iova of the page | serial of the channel when it was filled */
	uint64_t last;		   /* iova */
	uint64_t gpa;		   /* of the page */
	unsigned char *host;	   /* of the page, or NULL */
	struct grant grant[2];
	uint64_t extent;  /* answer_extent() */
	uint32_t accepts; /* permit.accepts, if it has a host address; or none, */
	uint32_t outside; /* and the same if it has not */
};

#define MICRO_PAGE_LG2 12

/* Serials have the bits of a tag that the address of a page leaves: 1 to this. 0: never filled. */
#define MICRO_SERIALS ((1U << MICRO_PAGE_LG2) - 1)

#define MICRO_ENTRY_LG2 6

static_assert(sizeof(struct micro_entry) == 1 << MICRO_ENTRY_LG2, "a cache line");

#define CHANNEL_OPEN 1U /* viommu_enter() was called, or a DMA has opened the section */
#define CHANNEL_TRANSLATING                                                                        \
	2U /* a translation is under way: refuses another from inside its callbacks */

struct viommu_channel {
	/* What a hit reads. */
	const _Atomic uint64_t *now; /* of the partition's window */
	uint64_t seen;		     /* of it, when the entries were last known to be valid */
	uint64_t places;	     /* (entries - 1) times their size */
	uint64_t places_lg2;
	uint64_t serial;
	uint64_t
		who; /* request_who() of the channel's PASID, no access, and VIOMMU_AT_UNTRANSLATED */
	uint8_t state; /* CHANNEL_*; 0: neither */
	bool outside;  /* an entry of this serial may be of what has no host address */
	miss_fn *
		miss; /* constant: the engine's; channel_ask() if it has none, or the host wants to see fills */
	struct epoch *epoch;
	/* What the entries of this serial were filled under. */
	const struct domain *domain; /* NULL: nothing is kept */
	uint64_t generation;
	uint64_t changes;
	uint64_t mask; /* entries - 1 */
	uint64_t
		swept; /* entries below this, and the others of the last turn, have no old serial */
	/* For misses. */
	uint32_t pasid;
	uint32_t lane; /* struct query.lane */
	struct viommu_device *device;
	struct context_entry entry; /* of the requester, as far as it is known */
	struct mem_place place;	    /* of the last answer */
	struct mem_place tables;    /* of the last root */
	struct epoch_section section;
	struct micro_entry micro[];
};

static inline uint64_t channel_bytes(uint64_t mask)
{
	return sizeof(struct viommu_channel) + (mask + 1) * sizeof(struct micro_entry);
}

/* No entry is valid any more. */
void channel_empty(struct viommu_channel *channel);
/* Keeps a translation that was found under channel->entry and @changes; place: where its gpa is. */
void channel_keep(struct viommu_channel *channel, uint64_t iova, uint64_t changes,
		  const struct translation *found, const struct mem_place *place);

/*
 * The page's number in digits of as many bits as a place has, exclusive-or'ed: as many pages as there
 * are places, at any stride of a power of two, differ in two neighbouring digits that have no bit in
 * common, and so have a place each. (Three digits: strides up to 1 << 12 + 2 * places_lg2.) All of it
 * times the size of an entry.
 */
static inline struct micro_entry *channel_entry(struct viommu_channel *channel, uint64_t iova)
{
	uint64_t first = iova >> (MICRO_PAGE_LG2 - MICRO_ENTRY_LG2);
	uint64_t second = first >> channel->places_lg2;
	uint64_t place = (first ^ second ^ second >> channel->places_lg2) & channel->places;
	void *at = (unsigned char *)channel->micro + place;

	/* one pointer, not one address computed for each member */
	__asm__("" : "+r"(at));
	return at;
}

/* What an address is offset by from the entry's page, if the page is its: it cannot be more, whatever a processor
 * expects of the comparison. (So no pointer that comes of it lies outside of the page.) */
static inline uint64_t channel_offset(uint64_t iova)
{
	return iova & bits_low(MICRO_PAGE_LG2);
}

/* Whether an entry is of the channel's serial, and of the page of an address. */
static inline bool channel_keeps(const struct viommu_channel *channel, const struct micro_entry *e,
				 uint64_t iova)
{
	return ((iova & ~bits_low(MICRO_PAGE_LG2)) | channel->serial) == e->tag;
}

/* Whether an entry answers for requests that begin at an address: up to its last, if it accepts the access. */
static inline bool channel_holds(const struct viommu_channel *channel, const struct micro_entry *e,
				 uint64_t iova)
{
	return atomic_load_explicit(channel->now, memory_order_acquire) == channel->seen &&
	       channel_keeps(channel, e, iova);
}

/* Whether the entries of this serial are what is known under channel->entry and @changes; then they are, and empty. */
static inline bool channel_is_under(const struct viommu_channel *channel, uint64_t changes)
{
	const struct context_entry *context = &channel->entry;

	return channel->domain == context->domain && channel->generation == context->generation &&
	       channel->changes == changes;
}

void channel_renew(struct viommu_channel *channel, uint64_t changes);

/* channel_keep(), for who is in a hurry. */
static inline __attribute__((always_inline)) void channel_put(struct viommu_channel *channel,
							      uint64_t iova, uint64_t changes,
							      const struct translation *found,
							      const struct mem_place *place)
{
	const struct permit *permit = permit_of(found->perm);
	uint64_t first = iova & ~bits_low(MICRO_PAGE_LG2);
	uint64_t gpa = found->gpa + (first - found->iova);
	uint64_t rest = (found->iova | bits_low(found->size_lg2)) - first;
	struct micro_entry *e;
	uint32_t accepts;
	unsigned char *host;

	/* ROM: the answer depends on the access */
	if (found->size_lg2 < MICRO_PAGE_LG2 || (place->host & MEM_REGION_READONLY) ||
	    gpa < place->first)
		return;
	if (UNLIKELY(!channel_is_under(channel, changes)))
		channel_renew(channel, changes);
	if (rest > place->last - gpa)
		rest = place->last - gpa;
	host = mem_host(place, gpa, false);
	e = channel_entry(channel, iova);
	e->tag = first | channel->serial;
	e->last = first + rest;
	e->gpa = gpa;
	e->host = host;
	e->grant[0] = permit->grant[0];
	e->grant[1] = permit->grant[1];
	e->extent = answer_extent(found->size_lg2);
	accepts = (uint32_t)permit->accepts;
	e->accepts = LIKELY(host) ? accepts : 0;
	e->outside = LIKELY(host) ? 0 : accepts;
	if (UNLIKELY(!host))
		channel->outside = true;
}

#endif
