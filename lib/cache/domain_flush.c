/* SPDX-License-Identifier: BSD-3-Clause */
/* domain_flush.c - translation domains: invalidating what the TLB, and the cache of tables, have of them. */

#include "domain_own.h"

/* Visited domains, and sets or slots looked at: some of them are a step. */
#define PARTS_OF_A_STEP 4U

/*
 * The flush is counted before the generation: whoever has the new generation asks domains_get(),
 * and gets a new tag. Whoever has the old one and fills under the old tag is not found.
 */
static __attribute__((noinline, cold)) uint32_t flush_chain(struct domains *d,
							    struct domain_chain *chain)
{
	chain->flushes++;
	d->concerned = true;
	atomic_fetch_add(d->generation, 1);
	return 0;
}

/* ---- a range of one domain ---- */

/* Probes needed to remove a range, over all sizes in use; more than DOMAIN_PROBES_MAX: some number
 * above it. */
static __attribute__((noinline)) uint64_t probes(uint64_t sizes, uint64_t first, uint64_t last)
{
	uint64_t total = 0;

	for (; sizes && total <= DOMAIN_PROBES_MAX; sizes &= sizes - 1) {
		unsigned size_lg2 = (unsigned)__builtin_ctzll(sizes);

		total += (last >> size_lg2) - (first >> size_lg2) + 1;
		if (total == 0) /* 2^64 of them */
			total = UINT64_MAX;
	}
	return total;
}

/* Removes what is cached of a range, set by set. False: whoever writes in one does not get on. */
ALWAYS_INLINE bool remove_range(struct domains *d, const struct domain *slot, uint64_t sizes,
				unsigned table_lg2, uint64_t first, uint64_t last)
{
	struct tlb_space space =
		domain_space(slot, atomic_load_explicit(&slot->tag, memory_order_relaxed));

	for (; sizes; sizes &= sizes - 1) {
		if (!tlb_remove_now(d->tlb, space, (unsigned)__builtin_ctzll(sizes), first, last))
			return false;
	}
	return !table_lg2 ||
	       table_cache_remove_now(d->tables, space, first >> table_lg2, last >> table_lg2);
}

/* Returns how many sets and slots it may have looked at. A range in both halves is longer than what is looked
 * through. */
static __attribute__((noinline)) uint32_t flush_range(struct domains *d, struct domain *slot,
						      const struct domain_own *own, uint64_t first,
						      uint64_t last, bool leaf)
{
	uint64_t sizes = atomic_load_explicit(&slot->sizes, memory_order_relaxed);
	uint64_t cuts = atomic_load_explicit(&slot->cuts, memory_order_relaxed);
	unsigned table_lg2 = leaf ? 0 : own->block_lg2[first >> 63];
	uint64_t looks = DOMAIN_PROBES_FEW;

	if (UNLIKELY(cuts)) {
		first &= ~domain_cut_mask(cuts);
		last |= domain_cut_mask(cuts);
	}
	/* tables are cached of domains only that have pages of theirs cached, too, which are smaller than
	 * what a table maps */
	if (!(sizes & (BIT(table_lg2 & 63) - 1)))
		table_lg2 = 0;
	/* a few pages are few probes, of whatever sizes there are */
	if (sizes && (last - first) >> __builtin_ctzll(sizes) >= DOMAIN_PROBES_FEW)
		looks = probes(sizes | (table_lg2 ? BIT(table_lg2) : 0), first, last);
	if (looks > DOMAIN_PROBES_MAX) {
		give_new_tag(d, slot);
		return 1;
	}
	count_change(slot);
	if (UNLIKELY(!remove_range(d, slot, sizes, table_lg2, first, last)))
		renew(d, slot);
	/* Once more, for those who found an entry before it was removed and keep it elsewhere. */
	count_change(slot);
	return (uint32_t)looks;
}

/* Many domains: those after the first few are flushed whole, which costs less. */
ALWAYS_INLINE uint32_t flush_once(struct domains *d, struct domain *slot,
				  const struct domain_own *own, const struct domain_flush *f,
				  unsigned *found)
{
	if (++*found <= DOMAIN_PROBED_MAX)
		return flush_range(d, slot, own, f->first, f->last, f->leaf);
	give_new_tag(d, slot);
	return 0;
}

/* ---- the domains of a chain ---- */

/* Global pages are cached in whichever domains have walked to them. */
static __attribute__((noinline)) uint32_t flush_globals(struct domains *d,
							const struct domain_flush *f,
							unsigned found)
{
	struct domain_chain *chain = chain_of(d, DOMAIN_BY_GROUP, f->match.group);
	uint32_t parts = chain->count;

	if (!chain->globals)
		return 0;
	if (chain->count > DOMAIN_VISITED_MAX)
		return flush_chain(d, chain);
	for (uint32_t i = chain->first; i != DOMAIN_NONE; i = d->own[i].next[DOMAIN_BY_GROUP]) {
		const struct domain_own *own = &d->own[i];

		if (!atomic_load_explicit(&d->slot[i].globals, memory_order_relaxed) ||
		    own->key.id == f->match.id || own->key.group != f->match.group ||
		    !(f->match.globals >> own->key.kind & 1))
			continue;
		d->concerned = true;
		parts += flush_once(d, &d->slot[i], own, f, &found);
	}
	return parts;
}

/* Domains that match; returns how many were visited, and what was looked at of them. */
ALWAYS_INLINE uint32_t flush_matching(struct domains *d, const struct domain_flush *f,
				      unsigned *found)
{
	bool any = f->match.id == DOMAIN_ANY;
	unsigned by = any ? DOMAIN_BY_GROUP : DOMAIN_BY_ID;
	struct domain_chain *chain = chain_of(d, by, any ? f->match.group : f->match.id);
	uint32_t parts = chain->count;

	if (UNLIKELY(chain->count > DOMAIN_VISITED_MAX))
		return flush_chain(d, chain);
	for (uint32_t i = chain->first; i != DOMAIN_NONE; i = d->own[i].next[by]) {
		const struct domain_own *own = &d->own[i];

		if (own->key.group != f->match.group || (!any && own->key.id != f->match.id))
			continue;
		if (f->match.whole >> own->key.kind & 1) {
			d->concerned = true;
			give_new_tag(d, &d->slot[i]);
		} else if (f->match.kinds >> own->key.kind & 1) {
			d->concerned = true;
			parts += flush_once(d, &d->slot[i], own, f, found);
		}
	}
	return parts;
}

ALWAYS_INLINE uint32_t flush(struct domains *d, const struct domain_flush *f)
{
	unsigned found = 0; /* domains whose pages were looked for */
	uint32_t parts = flush_matching(d, f, &found);

	if (UNLIKELY(f->match.globals) && f->match.id != DOMAIN_ANY)
		parts += flush_globals(d, f, found);
	return parts;
}

uint32_t domains_flush_burst(struct domains *d, const struct domain_flush *f, uint32_t count,
			     uint32_t *steps)
{
	uint32_t parts = 0;
	uint32_t done = 0;

	pthread_mutex_lock(&d->lock);
	do
		parts += flush(d, &f[done++]);
	while (done < count && parts < DOMAIN_BURST_PARTS);
	pthread_mutex_unlock(&d->lock);
	*steps = parts / PARTS_OF_A_STEP;
	return done;
}

uint32_t domains_flush_one(struct domains *d, const struct domain_flush *f)
{
	uint32_t parts;

	pthread_mutex_lock(&d->lock);
	parts = flush(d, f);
	pthread_mutex_unlock(&d->lock);
	return parts / PARTS_OF_A_STEP;
}

uint32_t domains_flush(struct domains *d, const struct domain_match *match)
{
	const struct domain_flush f = domain_flush_whole(match);

	return domains_flush_one(d, &f);
}

uint32_t domains_flush_range(struct domains *d, const struct domain_match *match, uint64_t first,
			     uint64_t last, bool leaf)
{
	const struct domain_flush f = {
		.match = *match, .first = first, .last = last, .leaf = leaf
	};

	return domains_flush_one(d, &f);
}
