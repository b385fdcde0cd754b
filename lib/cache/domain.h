/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * domain.h - translation domains: what makes two requests translate alike, and the generation of
 * what is cached of it.
 *
 * Two contexts share a domain, and with it TLB entries, only if everything that can change an
 * answer is equal: the architecture's domain id and PASID, table roots, geometry, and control bits.
 * A domain that is forgotten, because others need its place, loses its cached translations with it,
 * and contexts that point to it see that it lives no more; nobody else notices.
 */
#ifndef DOMAIN_H
#define DOMAIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine.h"
#include "pt_config.h"
#include "table_cache.h"
#include "tlb.h"
#include "window.h"

/* What a domain is: compared byte by byte, so no padding. */
struct domain_key {
	struct pt_config stage1; /* page_lg2 0: none; with halves, of the lower one */
	struct pt_config upper;	 /* with halves; page_lg2 0: nothing is mapped there */
	struct pt_config stage2;
	uint64_t id;	 /* domain_id(): what the first stage is known by in the group */
	uint32_t flags;	 /* engine's: whatever else changes an answer */
	uint32_t group;	 /* the architecture's domain id, VMID, GSCID */
	uint32_t kind;	 /* engine's; less than 32 */
	uint32_t halves; /* DOMAIN_HALVES(); 0: addresses have one first stage, or none */
};

static_assert(sizeof(struct domain_key) == 3 * sizeof(struct pt_config) + 24, "no padding");

/*
 * Addresses in two halves, each with a first stage of its own (Arm's TTB0 and TTB1). @bit, not 0, says which half an
 * address is of; so many of its top bits, above that one, are ignored in the lower and in the upper half.
 */
#define DOMAIN_HALVES(bit, lower, upper)                                                           \
	((uint32_t)(bit) | (uint32_t)(lower) << 8 | (uint32_t)(upper) << 16)

/* The address with its ignored bits as those of its half are. What is cached, and what is invalidated, is known
 * by this. */
static inline uint64_t domain_canonical(const struct domain_key *key, uint64_t iova)
{
	uint64_t ignored;

	if (LIKELY(!key->halves))
		return iova;
	if (iova >> (key->halves & 63) & 1) {
		ignored = ~bits_low(64 - (key->halves >> 16 & 63));
		return iova | ignored;
	}
	ignored = ~bits_low(64 - (key->halves >> 8 & 63));
	return iova & ~ignored;
}

/* @member: the PASID, ASID, PSCID, or VIOMMU_NO_PASID if there is no first stage or it does not depend on one. */
static inline uint64_t domain_id(uint32_t group, uint32_t member)
{
	return (uint64_t)group << 32 | member;
}

#define DOMAIN_NONE UINT32_MAX

/* In a window: read by everyone who translates, written under domains.lock. */
struct domain {
	_Alignas(64) _Atomic uint64_t tag; /* generation in the TLB; 0: free */
	_Atomic uint64_t changes; /* twice what was invalidated of it; odd: it is being done */
	_Atomic uint64_t life;	  /* of the key in this place: the first tag it was given */
	uint64_t salt;		  /* of the place, in the TLB; constant */
	_Atomic uint64_t probe;	  /* TLB_PROBE() of the smallest size, or TLB_NO_PROBE */
	_Atomic uint64_t sizes;	  /* bit n: the TLB may have blocks of 1 << n bytes */
	_Atomic uint64_t cuts;	  /* bit n: and pieces of pages of 1 << n bytes */
	_Atomic uint64_t globals; /* whether the TLB may have global pages */
};

static_assert(sizeof(struct domain) == 64, "a cache line");

/* What there is to it that is the owner's alone, by the same index. Under domains.lock. */
struct domain_own {
	uint64_t flushes;	/* of the whole IOMMU, when the tag was given */
	uint64_t chain_flushes; /* of its chains, then */
	uint32_t next[2];	/* in its chains, */
	uint32_t previous[2];	/* or DOMAIN_NONE */
	uint32_t stamp;		/* when it was last asked for */
	uint8_t block_lg2
		[2]; /* domain_block_lg2() of what addresses of the lower and of the upper half begin in */
	struct domain_key key;
};

/* Domains with the same hash of the group, or of the id: two that each domain is in. */
enum domain_chains { DOMAIN_BY_GROUP, DOMAIN_BY_ID };

struct domain_chain {
	uint64_t flushes; /* as a whole: its domains get a new tag when they are next asked for */
	uint32_t first;	  /* index of a slot, or DOMAIN_NONE */
	uint32_t count;
	uint32_t globals; /* of groups: how many of its domains have global pages */
};

struct domains {
	struct tlb *tlb;
	struct table_cache *tables;
	pthread_mutex_t lock; /* guards everything below, and the changes of domains */
	struct domain *slot;
	struct domain_own *own;
	uint64_t key[2]; /* of the chains: the VM's, which is in no window */
	struct domain_chain *chain[2];
	uint32_t count; /* slots, and chains of each kind: a power of two, at least DOMAIN_WAYS */
	uint32_t clock;
	uint64_t last_tag;
	_Atomic uint64_t *generation; /* of contexts: moves when a chain is flushed as a whole */
	/* Bit n: somebody may still use something of a group n (modulo 64) that is not among the domains. */
	uint64_t lost;
	/* How often contexts of a group were out of date, whatever the group: domains_forget_contexts(). */
	_Atomic uint64_t forgets;
	bool concerned; /* by an invalidation: domains_take_concerned() */
};

#define DOMAIN_WAYS 8U

/* Ranges of more pages than this of some size flush the domain instead. */
#define DOMAIN_PROBES_MAX 64U
/* Up to so many of the smallest size they are not counted. */
#define DOMAIN_PROBES_FEW 8U

/* Domains of one group that a range is removed from page by page. */
#define DOMAIN_PROBED_MAX 8U

/* Longer chains than this are not visited but flushed as a whole, with whatever else is in them:
 * contexts are parsed again then, and domains get their new tags one by one as they are used. */
#define DOMAIN_VISITED_MAX 64U

/* @count: rounded up to a power of two, at least DOMAIN_WAYS */
uint64_t domains_slots(uint32_t count);

int domains_init(struct domains *domains, struct viommu_vm *vm, const struct window *window,
		 struct tlb *tlb, struct table_cache *tables);
void domains_fini(struct domains *domains, struct viommu_vm *vm);

/*
 * The domain of a key, with a place if it had none. @flushes: the IOMMU's count of whole flushes,
 * read before the key was parsed; a domain that has not seen that flush gets a new tag. *life: see
 * domain_life().
 */
struct domain *domains_get(struct domains *domains, const struct domain_key *key, uint64_t flushes,
			   uint64_t *life);

/* While this is what domains_get() said, the domain is the one that was asked for. To be read after
 * its changes and its tag, which then are its own. */
static inline uint64_t domain_life(const struct domain *domain)
{
	return atomic_load_explicit(&domain->life, memory_order_relaxed);
}

/* Before a block may be cached of a domain: its size is in the domain's sizes from now on, and that of
 * the page of which it is a piece in its cuts. Its first global page is not kept this time: whoever
 * invalidates global pages of the group did not come by yet. */
void domains_announce(struct domains *domains, struct domain *domain,
		      const struct translation *block);

/* Whether it has been. Acquire: an invalidation that did not know of it has counted before who
 * announced it. */
static inline bool domain_expects(const struct domain *domain, const struct translation *block)
{
	return (atomic_load_explicit(&domain->sizes, memory_order_acquire) >> block->size_lg2 &
		1) &&
	       (!translation_is_piece(block) ||
		(atomic_load_explicit(&domain->cuts, memory_order_acquire) >> block->leaf_lg2 &
		 1)) &&
	       (!block->global || atomic_load_explicit(&domain->globals, memory_order_acquire));
}

/* The tables that are walked first for a canonical address; page_lg2 0: there are none. */
static inline const struct pt_config *domain_tables(const struct domain_key *key, uint64_t iova)
{
	if (UNLIKELY(key->halves))
		return iova >> 63 ? &key->upper : &key->stage1;
	return key->stage1.page_lg2 ? &key->stage1 : &key->stage2;
}

/* Whether the canonical address is one that these tables can have. */
static inline bool domain_fits(const struct domain_key *key, uint64_t iova)
{
	return pt_fits(domain_tables(key, iova), key->halves && iova >> 63 ? ~iova : iova);
}

/* Whether anything is translated by tables. */
static inline bool domain_has_tables(const struct domain_key *key)
{
	return key->halves || key->stage1.page_lg2 || key->stage2.page_lg2;
}

/* What a table of the lowest level maps; 0: there are none. */
static inline unsigned domain_block_lg2(const struct pt_config *tables)
{
	return tables->page_lg2 ? pt_shift(tables, 1) : 0;
}

/* What is mapped by the same table of the lowest level, of the tables that have the canonical address: a number of
 * its own in the domain. (Numbers of the halves differ, since what tables of any granule map differs by less than
 * half of the bits above the one that says which half it is.) */
static inline uint64_t domain_block(const struct pt_config *tables, uint64_t iova)
{
	return iova >> pt_shift(tables, 1);
}

static inline struct tlb_space domain_space(const struct domain *domain, uint64_t tag)
{
	return (struct tlb_space){ .tag = tag, .salt = domain->salt };
}

#define DOMAIN_ANY UINT64_MAX

/* Which domains an invalidation concerns. */
struct domain_match {
	uint32_t group; /* always compared */
	uint32_t kinds; /* bit n: domains of kind n */
	uint64_t id;	/* DOMAIN_ANY: all of the group */
	uint32_t whole; /* as kinds: those that are flushed whole, whatever the range is */
	/* The same, of a range of one id: those of the group that have global pages, too. */
	uint32_t globals;
};

/* What is to be forgotten: of the domains that match what is cached of [first, last], and of pages that have a part
 * there. */
struct domain_flush {
	struct domain_match match;
	uint64_t first;
	uint64_t last;
	bool leaf; /* tables that lead to it are as they were */
};

/* All of the domains that match: there are none of which a range is. */
static inline struct domain_flush domain_flush_whole(const struct domain_match *match)
{
	return (struct domain_flush){
		.match = { .group = match->group, .id = match->id, .whole = match->kinds },
		.last = UINT64_MAX
	};
}

/* A page that is cached in pieces goes as a whole, as one that is one entry does. Which page it is nobody
 * knows any more: the largest that there may be around an address. The bits of an address in it. */
static inline uint64_t domain_cut_mask(uint64_t cuts)
{
	return cuts ? bits_low(63U - (unsigned)__builtin_clzll(cuts)) : 0;
}

/* Something of a group is about to be looked up that no domain will know of; of whichever group: a context is about to be
 * parsed that is used even if it is out of date by then. */
void domains_lose(struct domains *domains, uint32_t group);
void domains_lose_any(struct domains *domains);

/*
 * Contexts that came to a group are out of date. Returns whether anything that was looked up may be of it, of a domain or
 * of one that has lost its place: then the generation of contexts has moved. Nobody knows yet to what a context will come
 * that is being parsed. So who parses one reads domains_forgets() before the tables, and compares it once the group has
 * its domain (domains_get()), or is lost: if it has moved, what he has parsed may be out of date, and he was not counted.
 */
bool domains_forget_contexts(struct domains *domains, uint32_t group);

static inline uint64_t domains_forgets(const struct domains *domains)
{
	return atomic_load_explicit(&domains->forgets, memory_order_acquire);
}

/* Whether an invalidation of a group, since the last time this was asked, was of something that may have been looked up. By
 * who invalidates, after it. */
bool domains_take_concerned(struct domains *domains, uint32_t group);

/* Whoever uses what was lost until now is waited for: an epoch that concerns everybody here is about to begin, and he holds
 * back that and all that come later. */
void domains_find_lost(struct domains *domains);

/* ---- domain_flush.c ---- */

/* Longer than this nobody who looks for a context waits for a burst, in domains, sets and slots. */
#define DOMAIN_BURST_PARTS 256U

/*
 * Forgets them one after the other, under one lock; not all if that takes long, but the first of them in any case. Returns
 * how many. *steps: what it took (unit_pay()), few, as many domains as there may be.
 */
uint32_t domains_flush_burst(struct domains *domains, const struct domain_flush *flush,
			     uint32_t count, uint32_t *steps);

/* One of them; all that is cached of the domains, and a range of it. These return what it took. */
uint32_t domains_flush_one(struct domains *domains, const struct domain_flush *flush);
uint32_t domains_flush(struct domains *domains, const struct domain_match *match);
uint32_t domains_flush_range(struct domains *domains, const struct domain_match *match,
			     uint64_t first, uint64_t last, bool leaf);

/*
 * Makes the block the largest one around iova of which no address lies in [first, last]: addresses
 * before translation, or, with @output, after it. False if iova's own 4 KiB page overlaps; the
 * block is then that page.
 */
bool translation_cut(struct translation *block, uint64_t iova, bool output, uint64_t first,
		     uint64_t last);

static inline bool translation_avoid(struct translation *block, uint64_t iova, bool output,
				     uint64_t first, uint64_t last)
{
	uint64_t base = output ? block->gpa : block->iova;

	return base > last || (base | bits_low(block->size_lg2)) < first ||
	       translation_cut(block, iova, output, first, last);
}

/* Makes the block around iova no larger than 1 << size_lg2. */
void translation_shrink(struct translation *block, uint64_t iova, unsigned size_lg2);

#endif
