/* SPDX-License-Identifier: BSD-3-Clause */
/* tlb.c - the shared TLB: probing, filling and removing. Who may be found is decided in domain.c.
 */

#include <libvirtiommu/base.h>

#include "seqlock.h"
#include "tlb.h"

void tlb_attach(struct tlb *tlb, const struct window *window)
{
	tlb->set = window_at(window, window->sets);
	tlb->places = (window->set_count - 1) * sizeof(*tlb->set);
	tlb->key[0] = window->key[0];
	tlb->key[1] = window->key[1];
}

void tlb_prefetch(const struct tlb *tlb, uint64_t salt, uint64_t sizes, uint64_t iova)
{
	const struct tlb_set *set;

	if (!sizes)
		return;
	set = tlb_set_of(tlb, salt, tlb_page(iova, (unsigned)__builtin_ctzll(sizes)));
	__builtin_prefetch(set);
	__builtin_prefetch((const char *)set + 64);
}

static uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void put(struct tlb_entry *e, uint64_t tag, uint64_t page, uint64_t to)
{
	atomic_store_explicit(&e->tag, tag, memory_order_relaxed);
	atomic_store_explicit(&e->page, page, memory_order_relaxed);
	atomic_store_explicit(&e->to, to, memory_order_relaxed);
}

/* The entry of the page itself, else an empty one, else that of the page under another tag, which
 * probably has died, else the next in turn. */
static struct tlb_entry *choose(struct tlb_set *set, uint64_t version, uint64_t tag, uint64_t page)
{
	struct tlb_entry *empty = NULL;
	struct tlb_entry *same = NULL;

#pragma GCC unroll 5
	for (unsigned i = TLB_WAYS; i-- > 0;) {
		struct tlb_entry *e = &set->way[i];
		uint64_t has = load(&e->tag);

		if (UNLIKELY(load(&e->page) == page)) {
			if (has == tag)
				return e;
			same = e;
		}
		empty = has ? empty : e;
	}
	if (empty)
		return empty;
	return same ? same : &set->way[version / 2 % TLB_WAYS];
}

enum tlb_added tlb_add(struct tlb *tlb, struct tlb_space space, const struct translation *add,
		       const _Atomic uint64_t *changes, uint64_t seen)
{
	uint64_t page = tlb_page(add->iova, add->size_lg2);
	struct tlb_set *set = tlb_set_of(tlb, space.salt, page);
	enum tlb_added added = TLB_DROPPED;
	uint64_t version;

	if (!seq_try_lock(&set->version, &version))
		return TLB_DROPPED;
	if (atomic_load_explicit(changes, memory_order_acquire) == seen) {
		struct tlb_entry *e = choose(set, version, space.tag, page);

		added = load(&e->tag) && load(&e->page) != page ? TLB_EVICTED : TLB_ADDED;
		put(e, space.tag, page, (add->gpa - add->iova) | add->perm);
	}
	seq_unlock(&set->version, version);
	return added;
}

static bool remove_page(struct tlb *tlb, struct tlb_space space, uint64_t page)
{
	struct tlb_set *set = tlb_set_of(tlb, space.salt, page);
	const struct tlb_entry *e;
	uint64_t version;

	if (!seq_lock_soon(&set->version, &version))
		return false;
	e = tlb_is(&set->way[0], space.tag, page) ? &set->way[0] : tlb_way_of(set, space.tag, page);
	if (e)
		put(&set->way[e - set->way], 0, 0, 0);
	seq_unlock(&set->version, version);
	return true;
}

bool tlb_remove(struct tlb *tlb, struct tlb_space space, unsigned size_lg2, uint64_t first,
		uint64_t last)
{
	uint64_t at = first & ~bits_low(size_lg2);

	/* (last - first >> size_lg2) + 2 sets at most; the caller has bounded that */
	for (;;) {
		if (!remove_page(tlb, space, at | size_lg2))
			return false;
		if (last - at < BIT(size_lg2))
			return true;
		at += BIT(size_lg2);
	}
}
