/* SPDX-License-Identifier: BSD-3-Clause */
/* domain_own.h - what finding domains and invalidating what is cached of them have in common. With domains.lock held. */
#ifndef DOMAIN_OWN_H
#define DOMAIN_OWN_H

#include "domain.h"

static inline struct domain_own *own_of(const struct domains *d, const struct domain *slot)
{
	return &d->own[slot - d->slot];
}

static inline struct domain_chain *chain_of(const struct domains *d, unsigned by, uint64_t who)
{
	return &d->chain[by][vm_hash_salted(d->key, d->key[1], who) & (d->count - 1)];
}

static inline struct domain_chain *group_of(const struct domains *d, const struct domain_key *key)
{
	return chain_of(d, DOMAIN_BY_GROUP, key->group);
}

/*
 * An invalidation counts before it visits the caches and again when it has: while the count is odd
 * nothing is filled, since what a cache of tables still has may already be gone from the TLB.
 * With the lock held, which makes it the only writer. A fill compares the count under the lock of
 * its set or slot, and announces its size under our lock: it is not necessary that others see the
 * count before we have been there.
 */
static inline void count_change(struct domain *slot)
{
	uint64_t changes = atomic_load_explicit(&slot->changes, memory_order_relaxed);

	atomic_store_explicit(&slot->changes, changes + 1, memory_order_release);
}

static __attribute__((noinline, cold)) void end_globals(struct domains *d, struct domain *slot)
{
	atomic_store_explicit(&slot->globals, 0, memory_order_relaxed);
	group_of(d, &own_of(d, slot)->key)->globals--;
}

static inline void note_sizes(struct domain *slot, uint64_t sizes)
{
	unsigned least = sizes ? (unsigned)__builtin_ctzll(sizes) : 0;

	atomic_store_explicit(&slot->sizes, sizes, memory_order_release);
	/* only to be found the sooner */
	atomic_store_explicit(&slot->probe,
			      least < TLB_PROBE_MIN_LG2 ? TLB_NO_PROBE : TLB_PROBE(least),
			      memory_order_relaxed);
}

/* What was noted of what is cached, which nobody finds any more. While the count of changes is odd, or the
 * domain is about to lose its place. */
static inline void forget_notes(struct domains *d, struct domain *slot)
{
	note_sizes(slot, 0);
	atomic_store_explicit(&slot->cuts, 0, memory_order_relaxed);
	if (UNLIKELY(atomic_load_explicit(&slot->globals, memory_order_relaxed)))
		end_globals(d, slot);
}

/* Entries under the old tag are never found again; a fill under way under it neither. While the
 * count of changes is odd. */
static inline void renew(struct domains *d, struct domain *slot)
{
	forget_notes(d, slot);
	atomic_store_explicit(&slot->tag, ++d->last_tag, memory_order_release);
}

/* Changes are counted before, for fills, and after, for whoever found an old entry in between and
 * keeps it elsewhere. */
static inline void give_new_tag(struct domains *d, struct domain *slot)
{
	count_change(slot);
	renew(d, slot);
	count_change(slot);
}

#endif
