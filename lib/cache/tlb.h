/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tlb.h - the shared TLB of a partition: set-associative, keyed, readers without locks or writes.
 *
 * An entry is found by (tag, page): the tag is the generation of a domain (domain.h), a 64-bit
 * number that is never used twice. Flushing a domain gives it another tag, and its entries are
 * never found again. A page invalidation removes entries; it and a fill that it overtakes meet at
 * the lock of the set, where the fill sees that the domain's count of changes has moved and is
 * dropped. A fill that finds the set locked is dropped, too; an invalidation that does flushes the
 * domain: what the owner of the lock is about to store has the old tag. Entries are of true size: a 1 GiB page is one entry. There are no pointers here.
 */
#ifndef TLB_H
#define TLB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bits.h"
#include "machine.h"
#include "seqlock.h"
#include "window.h"

/* What an entry permits. User and supervisor differ only in first-stage tables with a
 * user/supervisor bit. */
#define PERM_USER	BITS(2, 0) /* VIOMMU_READ, _WRITE, _EXEC for requests without VIOMMU_PRIV */
#define PERM_SUPERVISOR BITS(5, 3) /* the same for requests with it */
#define PERM_DIRTY                                                                                 \
	BIT(6) /* dirty is recorded, or nobody keeps it: writes need not ask the tables */
#define PERM_ALL  (PERM_USER | PERM_SUPERVISOR)
#define PERM_BITS BITS(11, 0)

/* A translation of one naturally aligned block of 1 << size_lg2 bytes. */
struct translation {
	uint64_t iova; /* of the block */
	uint64_t gpa;  /* of the block */
	uint8_t size_lg2;
	uint8_t perm; /* PERM_* */
	/* Of the page of which it is a piece, as the tables that are walked first have it, or what a
	 * walk has found of it; 0: there is no page. The caches do not know it. */
	uint8_t leaf_lg2;
	bool global; /* the page is the same in all of the group (domain.h); nor this */
};

/* Whether it is less than the page: an invalidation of any address of the page is one of it. */
static inline bool translation_is_piece(const struct translation *t)
{
	return t->leaf_lg2 > t->size_lg2;
}

#define TLB_WAYS 5U

struct tlb_entry {
	_Atomic uint64_t tag;  /* 0: empty */
	_Atomic uint64_t page; /* iova of the block | size_lg2 */
	_Atomic uint64_t to;   /* gpa - iova | PERM_* */
};

/* Two cache lines. The version is odd while a writer has the set, and counts its changes. */
struct tlb_set {
	_Alignas(128) _Atomic uint64_t version;
	struct tlb_entry way[TLB_WAYS];
};

static_assert(sizeof(struct tlb_set) == 128, "a set is two cache lines");

/* The sets of a window, where this process has it. */
struct tlb {
	struct tlb_set *set;
	uint64_t places; /* (sets - 1) times their size */
	uint64_t key[2];
};

/* @entries: rounded up to a power of two of sets. */
static inline uint64_t tlb_sets(uint32_t entries)
{
	return bits_power_of_two((entries + (uint64_t)TLB_WAYS - 1) / TLB_WAYS);
}

void tlb_attach(struct tlb *tlb, const struct window *window);

/*
 * Whose entry it is: the tag is compared, the salt decides where it is looked for. A domain keeps
 * its salt when it gets another tag, so that what it caches anew takes the places of what has died.
 */
struct tlb_space {
	uint64_t tag;
	uint64_t salt;
};

/* How a block is written in an entry: its address | size_lg2. */
#define TLB_SIZE_LG2 BITS(5, 0)

static inline uint64_t tlb_page(uint64_t iova, unsigned size_lg2)
{
	return (iova & (UINT64_MAX << size_lg2)) | size_lg2;
}

/* The upper bits of the product have what the whole page comes to; 26 of them are above those of a set's size, as many as
 * there may be sets. */
static inline struct tlb_set *tlb_set_of(const struct tlb *tlb, uint64_t salt, uint64_t page)
{
	uint64_t hash = (page ^ salt) * tlb->key[0];

	hash = hash << 33 | hash >> 31;
	return (struct tlb_set *)((unsigned char *)tlb->set + (hash & tlb->places));
}

/* Bit n: way n has the page, under whatever tag. All are looked at: which one it is cannot be
 * predicted. */
static inline unsigned tlb_ways_with(const struct tlb_set *set, uint64_t page)
{
	unsigned ways = 0;

#pragma GCC unroll 5
	for (unsigned i = 0; i < TLB_WAYS; i++)
		ways |= (unsigned)(atomic_load_explicit(&set->way[i].page, memory_order_relaxed) ==
				   page)
			<< i;
	return ways;
}

/* The way that has it under this tag; NULL: none. */
static inline const struct tlb_entry *tlb_way_of(const struct tlb_set *set, uint64_t tag,
						 uint64_t page)
{
	/* more than one only where domains share a set: at most TLB_WAYS rounds */
	for (unsigned ways = tlb_ways_with(set, page); ways; ways &= ways - 1) {
		const struct tlb_entry *e = &set->way[__builtin_ctz(ways)];

		if (atomic_load_explicit(&e->tag, memory_order_relaxed) == tag)
			return e;
	}
	return NULL;
}

static inline bool tlb_is(const struct tlb_entry *e, uint64_t tag, uint64_t page)
{
	return atomic_load_explicit(&e->page, memory_order_relaxed) == page &&
	       atomic_load_explicit(&e->tag, memory_order_relaxed) == tag;
}

/* The first one is in use before the others: most sets have no more than a few. */
static inline __attribute__((always_inline)) bool tlb_probe_first(const struct tlb_set *set,
								  uint64_t tag, uint64_t page,
								  uint64_t *to)
{
	uint64_t version = seq_read_begin(&set->version);

	if (!tlb_is(&set->way[0], tag, page))
		return false;
	*to = atomic_load_explicit(&set->way[0].to, memory_order_relaxed);
	return seq_read_valid(&set->version, version);
}

static inline __attribute__((always_inline)) bool tlb_probe(const struct tlb_set *set, uint64_t tag,
							    uint64_t page, uint64_t *to)
{
	uint64_t version = seq_read_begin(&set->version);
	const struct tlb_entry *e = &set->way[0];

	if (!tlb_is(e, tag, page))
		e = tlb_way_of(set, tag, page);
	if (!e)
		return false;
	*to = atomic_load_explicit(&e->to, memory_order_relaxed);
	return seq_read_valid(&set->version, version);
}

/*
 * Finds the block of iova, trying the sizes of which @sizes has the bit. Any thread. A set that is
 * being changed at the moment counts as a miss. The size of the block, and in *to where it goes to and what it
 * permits: tlb_gpa(), tlb_perm(). TLB_NOTHING: there is none.
 */
#define TLB_NOTHING 64U

static inline __attribute__((always_inline)) unsigned tlb_look(const struct tlb *tlb,
							       struct tlb_space space,
							       uint64_t sizes, uint64_t iova,
							       uint64_t *to)
{
	/* at most one probe a page size in use */
	for (; sizes; sizes &= sizes - 1) {
		unsigned size_lg2 = (unsigned)__builtin_ctzll(sizes);
		uint64_t page = tlb_page(iova, size_lg2);

		if (LIKELY(tlb_probe(tlb_set_of(tlb, space.salt, page), space.tag, page, to)))
			return size_lg2;
	}
	return TLB_NOTHING;
}

/*
 * A size as what it makes of an address: its block, as an entry has it, is (iova | 63) & probe. For sizes that are
 * usual; TLB_NO_PROBE makes a block that no entry has.
 */
#define TLB_PROBE(size_lg2) (UINT64_MAX << (size_lg2) | (size_lg2))
#define TLB_PROBE_MIN_LG2   12U
#define TLB_NO_PROBE	    TLB_SIZE_LG2

static inline uint64_t tlb_block(uint64_t probe, uint64_t iova)
{
	return (iova | TLB_SIZE_LG2) & probe;
}

static inline uint64_t tlb_gpa(uint64_t to, uint64_t iova)
{
	return iova + (to & ~PERM_BITS);
}

static inline unsigned tlb_perm(uint64_t to)
{
	return (uint8_t)to;
}

/* The same, all that there is of it. */
static inline __attribute__((always_inline)) bool tlb_find(const struct tlb *tlb,
							   struct tlb_space space, uint64_t sizes,
							   uint64_t iova, struct translation *found)
{
	uint64_t to;
	unsigned size_lg2 = tlb_look(tlb, space, sizes, iova, &to);

	if (size_lg2 == TLB_NOTHING)
		return false;
	found->iova = iova & (UINT64_MAX << size_lg2);
	found->gpa = tlb_gpa(to, found->iova);
	found->size_lg2 = (uint8_t)size_lg2;
	found->perm = (uint8_t)tlb_perm(to);
	return true;
}

/* Has the processor fetch what tlb_find() will look at first. */
void tlb_prefetch(const struct tlb *tlb, uint64_t salt, uint64_t sizes, uint64_t iova);

/*
 * Adds a translation, unless *changes is no longer @seen (the caller read it before the first table
 * load) or somebody is writing in its set. size_lg2 must be in the sizes the domain is searched with. Any thread.
 * TLB_EVICTED: added, in the place of another page's.
 */
enum tlb_added { TLB_DROPPED, TLB_ADDED, TLB_EVICTED };

enum tlb_added tlb_add_block(const struct tlb *tlb, struct tlb_space space, uint64_t page,
			     uint64_t to, const _Atomic uint64_t *changes, uint64_t seen);

/* How a translation is written in an entry, beside the block. */
static inline uint64_t tlb_to(const struct translation *t)
{
	return (t->gpa - t->iova) | t->perm;
}

static inline enum tlb_added tlb_add(const struct tlb *tlb, struct tlb_space space,
				     const struct translation *add, const _Atomic uint64_t *changes,
				     uint64_t seen)
{
	return tlb_add_block(tlb, space, tlb_page(add->iova, add->size_lg2), tlb_to(add), changes,
			     seen);
}

static inline void tlb_write(struct tlb_entry *e, uint64_t tag, uint64_t page, uint64_t to)
{
	atomic_store_explicit(&e->tag, tag, memory_order_relaxed);
	atomic_store_explicit(&e->page, page, memory_order_relaxed);
	atomic_store_explicit(&e->to, to, memory_order_relaxed);
}

static inline bool tlb_is_empty(const struct tlb_entry *e)
{
	return !atomic_load_explicit(&e->tag, memory_order_relaxed);
}

/* The first entry that is empty, or NULL. */
static inline struct tlb_entry *tlb_empty(struct tlb_set *set)
{
#pragma GCC unroll 5
	for (unsigned i = 0; i < TLB_WAYS; i++) {
		if (tlb_is_empty(&set->way[i]))
			return &set->way[i];
	}
	return NULL;
}

/* The entry of the page itself, else an empty one, else that of the page under another tag, which
 * probably has died. @first: the first that has the page */
static inline struct tlb_entry *tlb_choose_same(struct tlb_set *set, uint64_t tag, uint64_t page,
						struct tlb_entry *first)
{
	struct tlb_entry *empty;

#pragma GCC unroll 5
	for (unsigned i = 0; i < TLB_WAYS; i++) {
		if (tlb_is(&set->way[i], tag, page))
			return &set->way[i];
	}
	empty = tlb_empty(set);
	return empty ? empty : first;
}

/* If no entry has the page: an empty one, else the next in turn. */
static inline struct tlb_entry *tlb_choose(struct tlb_set *set, uint64_t version, uint64_t tag,
					   uint64_t page)
{
	struct tlb_entry *empty;

#pragma GCC unroll 5
	for (unsigned i = 0; i < TLB_WAYS; i++) {
		if (atomic_load_explicit(&set->way[i].page, memory_order_relaxed) == page)
			return tlb_choose_same(set, tag, page, &set->way[i]);
	}
	empty = tlb_empty(set);
	return empty ? empty : &set->way[version / 2 % TLB_WAYS];
}

/* tlb_add_block(), for who is in a hurry. */
static inline __attribute__((always_inline)) enum tlb_added tlb_put(const struct tlb *tlb,
								    struct tlb_space space,
								    uint64_t page, uint64_t to,
								    const _Atomic uint64_t *changes,
								    uint64_t seen)
{
	struct tlb_set *set = tlb_set_of(tlb, space.salt, page);
	enum tlb_added added = TLB_DROPPED;
	uint64_t version;

	if (!seq_try_lock(&set->version, &version))
		return TLB_DROPPED;
	if (atomic_load_explicit(changes, memory_order_acquire) == seen) {
		struct tlb_entry *e = tlb_choose(set, version, space.tag, page);

		added = TLB_ADDED;
		if (UNLIKELY(atomic_load_explicit(&e->page, memory_order_relaxed) != page) &&
		    atomic_load_explicit(&e->tag, memory_order_relaxed))
			added = TLB_EVICTED;
		tlb_write(e, space.tag, page, to);
	}
	seq_unlock(&set->version, version);
	return added;
}

/* A set that was looked at. */
struct tlb_seek {
	struct tlb_set *set;
	uint64_t version;
	struct tlb_entry
		*same; /* has the page under another tag, which probably has died; or NULL */
};

/* Looks for a page as tlb_probe() does, for who expects that it is not there, and will keep it. */
static inline __attribute__((always_inline)) bool tlb_seek(struct tlb_set *set, uint64_t tag,
							   uint64_t page, struct tlb_seek *seek,
							   uint64_t *to)
{
	seek->set = set;
	seek->version = seq_read_begin(&set->version);
	seek->same = NULL;
	/* backwards: of several the first remains, as tlb_choose() has it */
#pragma GCC unroll 5
	for (unsigned i = TLB_WAYS; i-- > 0;) {
		struct tlb_entry *e = &set->way[i];

		if (LIKELY(atomic_load_explicit(&e->page, memory_order_relaxed) != page))
			continue;
		seek->same = e;
		if (atomic_load_explicit(&e->tag, memory_order_relaxed) != tag)
			continue;
		*to = atomic_load_explicit(&e->to, memory_order_relaxed);
		return seq_read_valid(&set->version, seek->version);
	}
	return false;
}

/* Keeps what tlb_seek() has not found: as tlb_put(), which chooses the same entry, of a set in which nobody has written since. */
static inline __attribute__((always_inline)) enum tlb_added tlb_keep(
	const struct tlb_seek *seek, uint64_t tag, uint64_t page, uint64_t to,
	const _Atomic uint64_t *changes, uint64_t seen)
{
	struct tlb_set *set = seek->set;
	enum tlb_added added = TLB_DROPPED;
	struct tlb_entry *e;

	if (!seq_lock_as_read(&set->version, seek->version))
		return TLB_DROPPED;
	if (atomic_load_explicit(changes, memory_order_acquire) == seen) {
		added = TLB_ADDED;
		e = tlb_empty(set);
		if (!e)
			e = seek->same;
		if (!e) {
			e = &set->way[seek->version / 2 % TLB_WAYS];
			added = TLB_EVICTED;
		}
		tlb_write(e, tag, page, to);
	}
	seq_unlock(&set->version, seek->version);
	return added;
}

/* Removes the entries of blocks of 1 << size_lg2 bytes that overlap [first, last]; the caller
 * counted a change before. False: whoever is writing in a set does not get on, and only another tag
 * will do. */
bool tlb_remove(struct tlb *tlb, struct tlb_space space, unsigned size_lg2, uint64_t first,
		uint64_t last);

/* The same, for who is in a hurry. */
static inline __attribute__((always_inline)) bool tlb_remove_page(const struct tlb *tlb,
								  struct tlb_space space,
								  uint64_t page)
{
	struct tlb_set *set = tlb_set_of(tlb, space.salt, page);
	struct tlb_entry *e = &set->way[0];
	uint64_t version;

	if (!seq_lock_soon(&set->version, &version))
		return false;
	if (!tlb_is(e, space.tag, page)) {
		const struct tlb_entry *other = tlb_way_of(set, space.tag, page);

		e = other ? &set->way[other - set->way] : NULL;
	}
	if (e)
		tlb_write(e, 0, 0, 0);
	seq_unlock(&set->version, version);
	return true;
}

static inline __attribute__((always_inline)) bool tlb_remove_now(const struct tlb *tlb,
								 struct tlb_space space,
								 unsigned size_lg2, uint64_t first,
								 uint64_t last)
{
	uint64_t at = first & (UINT64_MAX << size_lg2);

	/* (last - first >> size_lg2) + 2 sets at most; the caller has bounded that */
	for (;;) {
		if (!tlb_remove_page(tlb, space, at | size_lg2))
			return false;
		if ((last ^ at) >> size_lg2 == 0)
			return true;
		at += BIT(size_lg2);
	}
}

#endif
