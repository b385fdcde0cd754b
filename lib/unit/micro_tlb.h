/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_tlb.h - one thread's way to DMA: a private micro-TLB in front of the shared one.
 *
 * The micro-TLB is valid as a whole for one (domain, generation, changes), and these are compared
 * only when the epoch has moved since: it moves after every invalidation and before its completion.
 * When any of them is another the micro-TLB is emptied by counting up its serial. A hit costs one
 * load of the epoch, one entry, and no write.
 */
#ifndef MICRO_TLB_H
#define MICRO_TLB_H

#include <stddef.h>

#include "unit.h"

struct micro_entry {
	_Alignas(64) uint64_t first; /* iova */
	uint64_t bytes;
	uint64_t gpa;	     /* of first */
	unsigned char *host; /* of first, or NULL */
	uint32_t serial;     /* of the channel when it was filled; 0: never */
	uint32_t accepts;    /* bit n: requests with access n, of VIOMMU_READ, ..., VIOMMU_PRIV */
	uint64_t grant[2];   /* fragment.perm and .flags of users and supervisors */
	uint64_t extent;     /* answer_extent() */
};

#define MICRO_ENTRY_LG2 6

static_assert(sizeof(struct micro_entry) == 1 << MICRO_ENTRY_LG2, "a cache line");

struct viommu_channel {
	/* What a hit reads. */
	struct epoch *epoch;
	uint64_t seen;	 /* of the epoch, when the entries were last known to be valid */
	uint64_t places; /* (entries - 1) times their size */
	uint32_t places_lg2;
	uint32_t serial;
	uint32_t pasid;
	bool open;	  /* viommu_enter() was called */
	bool translating; /* a translation is under way: refuses another from inside its callbacks
			   */
	/* What the entries of this serial were filled under. */
	const struct domain *domain; /* NULL: nothing is kept */
	uint64_t generation;
	uint64_t changes;
	uint64_t mask; /* entries - 1 */
	/* For misses. */
	struct viommu_device *device;
	struct context_entry entry; /* of the requester, as far as it is known */
	struct mem_place place;	    /* of the last answer */
	struct epoch_section section;
	struct micro_entry micro[];
};

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
	uint64_t first = iova >> (12 - MICRO_ENTRY_LG2);
	uint64_t second = first >> channel->places_lg2;
	uint64_t place = (first ^ second ^ second >> channel->places_lg2) & channel->places;
	void *at = (unsigned char *)channel->micro + place;

	/* one pointer, not one address computed for each member */
	__asm__("" : "+r"(at));
	return at;
}

/* Whether an entry answers for [first + offset, first + last]: in an untranslated request with the channel's
 * PASID. access: at most 15 */
static inline bool channel_holds(const struct viommu_channel *channel, const struct micro_entry *e,
				 uint64_t offset, uint64_t last, unsigned access)
{
	/* first <= last too: offsets below the entry's first wrap to beyond any entry */
	return atomic_load_explicit(&channel->epoch->now, memory_order_acquire) == channel->seen &&
	       e->serial == channel->serial && offset <= last && last < e->bytes &&
	       (e->accepts >> access & 1);
}

#endif
