/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view_own.h - a view, in a device process: what it has mapped, and what it remembers.
 *
 * The window is read as its owner reads it (window.h), with the functions of the owner. In front of it is a micro-TLB as
 * a channel's (micro_tlb.h): valid as a whole for one (domain, generation, changes), which are compared when window.now
 * has moved. What could not be cached is known from the owner's replies until the section closes in which it was asked
 * for (held).
 *
 * The window is the owner's, and is believed; but no number in it is used as a place without a mask. Replies have
 * come over a transport, and are not believed.
 */
#ifndef VIEW_OWN_H
#define VIEW_OWN_H

#include <libvirtiommu/view.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "context_cache.h"
#include "micro_tlb.h"
#include "tlb.h"
#include "unit.h"
#include "view_message.h"
#include "window.h"

/* What this process has mapped. */
struct view_region {
	struct mem_place place;
	uint64_t stamp; /* of the owner's region, when it was mapped */
	bool stands;	/* it is that memory still */
};

/* A block of addresses that are translated alike. */
struct view_block {
	uint64_t first;
	uint64_t last;
	uint64_t gpa;	 /* of first */
	unsigned perm;	 /* PERM_* */
	unsigned extent; /* 1 << extent bytes are mapped alike, at least */
	/* Of all these addresses, for requests with this access only: VIOMMU_PRIV; or any. */
	uint64_t
		section; /* in which it was asked for: view.section_count; of a block from the window 0 */
};

#define VIEW_HELD 8U

/* A request that has no reply yet. */
struct view_asked {
	uint64_t id; /* count << 8 | place; 0: there is none */
	uint64_t first;
	uint64_t last;	  /* or bytes */
	uint64_t section; /* in which it was asked; 0: in none */
	uint16_t kind;
	uint16_t access;
};

struct viommu_view {
	/* What a hit reads. */
	const _Atomic uint64_t *now; /* window.now */
	uint64_t seen;		     /* of it, when the entries were last known to be valid */
	uint64_t places;	     /* (entries - 1) times their size */
	uint64_t places_lg2;
	uint64_t serial;
	uint64_t who; /* request_who() of the view's PASID, no access, and VIOMMU_AT_UNTRANSLATED */
	bool open;
	/* What the entries of this serial were filled under. */
	const struct domain *domain; /* NULL: nothing is kept */
	uint64_t generation;
	uint64_t changes;
	uint64_t mask;	/* entries - 1 */
	uint64_t swept; /* as in a channel */
	/* For misses of it. */
	const struct window *window;
	uint64_t region_count; /* of the window; constant there */
	const struct window_region *window_regions;
	const _Atomic uint64_t *device; /* its word in the window */
	uint64_t requester;		/* in the context cache */
	struct tlb tlb;
	struct context_cache contexts;
	struct context_entry entry; /* its context, as far as it is known */
	_Atomic uint64_t *entered;  /* in the section page */
	uint64_t section_count;	    /* of sections that were opened */
	uint64_t section_now;	    /* what was noted in this one */
	struct view_region region[VIOMMU_VIEW_REGIONS];
	uint64_t
		region_version; /* of the window's regions, when it was last seen which of them stand */
	uint32_t regions;
	uint32_t pasid;
	struct view_block held[VIEW_HELD];
	uint32_t held_count; /* ever */
	uint32_t requests;   /* places */
	uint64_t asked_count;
	struct view_asked asked[VIOMMU_VIEW_REQUESTS_MAX];
	struct micro_entry micro[];
};

/* ---- view.c ---- */

static inline void view_open(struct viommu_view *view)
{
	uint64_t now = atomic_load_explicit(view->now, memory_order_acquire);

	view->open = true;
	view->section_count++;
	view->section_now = now;
	atomic_store_explicit(view->entered, now, memory_order_relaxed);
	/* Pairs with the fence of an epoch that begins: the owner's process sees this section, or we its change. */
	atomic_thread_fence(memory_order_seq_cst);
}

/* VIOMMU_OK or VIOMMU_PENDING */
static inline int view_close(struct viommu_view *view)
{
	view->open = false;
	atomic_store_explicit(view->entered, 0, memory_order_release);
	/* The owner sees it closed, or we that something has changed that it may be waiting to complete. */
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(view->now, memory_order_relaxed) == view->section_now
		       ? VIOMMU_OK
		       : VIOMMU_PENDING;
}

/* ---- view_regions.c ---- */

/* Where an address is, for this process. False: that changes at the moment. */
bool view_place(struct viommu_view *view, uint64_t gpa, struct mem_place *place);

/* ---- view_micro.c ---- */

/* No entry of the micro-TLB is valid any more. */
void view_forget(struct viommu_view *view);
/* The same, if window.now has moved and what the entries were filled under has, too. */
void view_catch_up(struct viommu_view *view);
/* Keeps a translation that was found under view->entry and @changes; place: where its gpa is. */
void view_keep(struct viommu_view *view, uint64_t iova, uint64_t changes,
	       const struct translation *found, const struct mem_place *place);

static inline uint64_t view_generation(const struct viommu_view *view)
{
	return atomic_load_explicit(&view->window->generation, memory_order_acquire) +
	       atomic_load_explicit(view->device, memory_order_acquire);
}

/* ---- view_translate.c ---- */

/* What is known of an address: a block that permits the access. */
bool view_find(struct viommu_view *view, uint64_t iova, unsigned access, struct view_block *block);

/* The piece of a block from an address on, no further than last. False: its place changes at the moment. */
bool view_piece(struct viommu_view *view, const struct view_block *block, uint64_t iova,
		uint64_t last, unsigned access, struct viommu_fragment *fragment);

static inline struct micro_entry *view_entry(struct viommu_view *view, uint64_t iova)
{
	uint64_t first = iova >> (MICRO_PAGE_LG2 - MICRO_ENTRY_LG2);
	uint64_t second = first >> view->places_lg2;
	uint64_t place = (first ^ second ^ second >> view->places_lg2) & view->places;
	void *at = (unsigned char *)view->micro + place;

	/* one pointer, not one address computed for each member */
	__asm__("" : "+r"(at));
	return at;
}

/* Whether an entry answers for requests that begin at an address: up to its last, if it accepts the access. */
static inline bool view_holds(const struct viommu_view *view, const struct micro_entry *e,
			      uint64_t iova)
{
	return atomic_load_explicit(view->now, memory_order_acquire) == view->seen &&
	       ((iova & ~bits_low(MICRO_PAGE_LG2)) | view->serial) == e->tag;
}

#endif
