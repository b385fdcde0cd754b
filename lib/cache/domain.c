/* SPDX-License-Identifier: BSD-3-Clause */
/* domain.c - translation domains: finding and recycling them, and invalidating what the TLB has of
 * them. */

#include <libvirtiommu/iommu.h>

#include <string.h>

#include "domain.h"
#include "range.h"

uint64_t domains_slots(uint32_t count)
{
	return bits_power_of_two(count > DOMAIN_WAYS ? count : DOMAIN_WAYS);
}

int domains_init(struct domains *d, struct viommu_vm *vm, const struct window *window,
		 struct tlb *tlb, struct table_cache *tables)
{
	d->tlb = tlb;
	d->tables = tables;
	d->generation = (_Atomic uint64_t *)(uintptr_t)&window->generation;
	d->count = (uint32_t)window->domain_count;
	d->slot = window_at(window, window->domains);
	d->key[0] = vm->key[0];
	d->key[1] = vm->key[1];
	d->own = vm_alloc(vm, (uint64_t)d->count * sizeof(*d->own), _Alignof(struct domain_own));
	if (!d->own)
		return VIOMMU_ENOMEM;
	for (unsigned by = DOMAIN_BY_GROUP; by <= DOMAIN_BY_ID; by++) {
		d->chain[by] = vm_alloc(vm, (uint64_t)d->count * sizeof(*d->chain[by]),
					_Alignof(struct domain_chain));
		if (!d->chain[by])
			return VIOMMU_ENOMEM;
		for (uint32_t i = 0; i < d->count; i++)
			d->chain[by][i].first = DOMAIN_NONE;
	}
	return VIOMMU_OK;
}

void domains_fini(struct domains *d, struct viommu_vm *vm)
{
	pthread_mutex_destroy(&d->lock);
	vm_dealloc(vm, d->own, (uint64_t)d->count * sizeof(*d->own));
	for (unsigned by = DOMAIN_BY_GROUP; by <= DOMAIN_BY_ID; by++)
		vm_dealloc(vm, d->chain[by], (uint64_t)d->count * sizeof(*d->chain[by]));
}

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

/* Of its chains as a whole: a sum, since both only grow. */
static uint64_t chain_flushes(const struct domains *d, const struct domain_key *key)
{
	return group_of(d, key)->flushes + chain_of(d, DOMAIN_BY_ID, key->id)->flushes;
}

/* First slot of the set a key may live in. */
static uint32_t set_of(const struct domains *d, const struct domain_key *key)
{
	uint64_t hash = vm_hash(d->key, key->stage1.root ^ key->id, key->stage2.root);

	return (uint32_t)hash & (d->count - 1) & ~(DOMAIN_WAYS - 1);
}

/*
 * An invalidation counts before it visits the caches and again when it has: while the count is odd
 * nothing is filled, since what a cache of tables still has may already be gone from the TLB.
 * With the lock held, which makes it the only writer. A fill compares the count under the lock of
 * its set or slot, and announces its size under our lock: it is not necessary that others see the
 * count before we have been there.
 */
static void count_change(struct domain *slot)
{
	uint64_t changes = atomic_load_explicit(&slot->changes, memory_order_relaxed);

	atomic_store_explicit(&slot->changes, changes + 1, memory_order_release);
}

static __attribute__((noinline, cold)) void end_globals(struct domains *d, struct domain *slot)
{
	atomic_store_explicit(&slot->globals, 0, memory_order_relaxed);
	group_of(d, &own_of(d, slot)->key)->globals--;
}

static void note_sizes(struct domain *slot, uint64_t sizes)
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
static void renew(struct domains *d, struct domain *slot)
{
	forget_notes(d, slot);
	atomic_store_explicit(&slot->tag, ++d->last_tag, memory_order_release);
}

/* Changes are counted before, for fills, and after, for whoever found an old entry in between and
 * keeps it elsewhere. */
static void give_new_tag(struct domains *d, struct domain *slot)
{
	count_change(slot);
	renew(d, slot);
	count_change(slot);
}

static struct domain_chain *chain_by(const struct domains *d, unsigned by,
				     const struct domain_key *key)
{
	return by == DOMAIN_BY_GROUP ? group_of(d, key) : chain_of(d, DOMAIN_BY_ID, key->id);
}

static void unchain(struct domains *d, unsigned by, uint32_t index)
{
	const struct domain_own *own = &d->own[index];
	struct domain_chain *chain = chain_by(d, by, &own->key);

	if (own->previous[by] == DOMAIN_NONE)
		chain->first = own->next[by];
	else
		d->own[own->previous[by]].next[by] = own->next[by];
	if (own->next[by] != DOMAIN_NONE)
		d->own[own->next[by]].previous[by] = own->previous[by];
	chain->count--;
}

static void enchain(struct domains *d, unsigned by, uint32_t index)
{
	struct domain_own *own = &d->own[index];
	struct domain_chain *chain = chain_by(d, by, &own->key);

	own->previous[by] = DOMAIN_NONE;
	own->next[by] = chain->first;
	if (chain->first != DOMAIN_NONE)
		d->own[chain->first].previous[by] = index;
	chain->first = index;
	chain->count++;
}

static uint64_t group_bit(uint32_t group)
{
	return BIT(group & 63);
}

static void take_slot(struct domains *d, uint32_t index, const struct domain_key *key)
{
	struct domain *slot = &d->slot[index];

	if (atomic_load_explicit(&slot->tag, memory_order_relaxed)) {
		forget_notes(d, slot);
		d->lost |= group_bit(d->own[index].key.group);
		unchain(d, DOMAIN_BY_GROUP, index);
		unchain(d, DOMAIN_BY_ID, index);
	} else { /* once: who has found the domain before reads it without a lock */
		slot->salt = vm_hash(d->tlb->key, index, 1);
	}
	d->own[index].key = *key;
	enchain(d, DOMAIN_BY_GROUP, index);
	enchain(d, DOMAIN_BY_ID, index);
	/* Before the counts and the new tag: whoever sees one of these must also see that the
	 * domain he knew lives no more. */
	atomic_store_explicit(&slot->life, d->last_tag + 1, memory_order_relaxed);
	give_new_tag(d, slot);
}

/* The slot of the key, else a free one of its set, else the one that was asked for longest ago. */
static uint32_t choose(const struct domains *d, const struct domain_key *key, bool *found)
{
	uint32_t set = set_of(d, key);
	uint32_t best = set;
	uint32_t age = 0;

	*found = false;
	for (uint32_t i = set; i < set + DOMAIN_WAYS; i++) {
		const struct domain *slot = &d->slot[i];

		if (!atomic_load_explicit(&slot->tag, memory_order_relaxed)) {
			best = i;
			age = UINT32_MAX;
		} else if (memcmp(&d->own[i].key, key, sizeof(*key)) == 0) {
			*found = true;
			return i;
		} else if (d->clock - d->own[i].stamp >= age) {
			best = i;
			age = d->clock - d->own[i].stamp;
		}
	}
	return best;
}

struct domain *domains_get(struct domains *d, const struct domain_key *key, uint64_t flushes,
			   uint64_t *life)
{
	uint64_t of_chains;
	struct domain_own *own;
	struct domain *slot;
	uint32_t index;
	bool found;

	/* domain_block() */
	assert(!key->halves || !key->upper.page_lg2 || !key->stage1.page_lg2 ||
	       pt_shift(&key->upper, 1) < pt_shift(&key->stage1, 1) + 64 - (key->halves & 63));
	pthread_mutex_lock(&d->lock);
	d->clock++;
	index = choose(d, key, &found);
	slot = &d->slot[index];
	own = &d->own[index];
	own->stamp = d->clock;
	of_chains = chain_flushes(d, key);
	if (!found)
		take_slot(d, index, key);
	else if (own->flushes < flushes || own->chain_flushes != of_chains)
		give_new_tag(d, slot);
	if (!found || own->flushes < flushes)
		own->flushes = flushes;
	own->chain_flushes = of_chains;
	*life = atomic_load_explicit(&slot->life, memory_order_relaxed);
	pthread_mutex_unlock(&d->lock);
	return slot;
}

/* From now on invalidations of global pages come by. One that came before did not, and did not count: what
 * was read before now is dropped, as if it had. */
static void begin_globals(struct domains *d, struct domain *domain)
{
	count_change(domain);
	group_of(d, &own_of(d, domain)->key)->globals++;
	atomic_store_explicit(&domain->globals, 1, memory_order_release);
	count_change(domain);
}

void domains_announce(struct domains *d, struct domain *domain, const struct translation *block)
{
	pthread_mutex_lock(&d->lock);
	note_sizes(domain, atomic_load_explicit(&domain->sizes, memory_order_relaxed) |
				   BIT(block->size_lg2));
	if (translation_is_piece(block))
		atomic_fetch_or_explicit(&domain->cuts, BIT(block->leaf_lg2), memory_order_release);
	if (block->global && !atomic_load_explicit(&domain->globals, memory_order_relaxed))
		begin_globals(d, domain);
	pthread_mutex_unlock(&d->lock);
}

void domains_lose(struct domains *d, uint32_t group)
{
	pthread_mutex_lock(&d->lock);
	d->lost |= group_bit(group);
	pthread_mutex_unlock(&d->lock);
}

void domains_lose_any(struct domains *d)
{
	pthread_mutex_lock(&d->lock);
	d->lost = UINT64_MAX;
	pthread_mutex_unlock(&d->lock);
}

static bool knows_group(const struct domains *d, uint32_t group)
{
	return (d->lost & group_bit(group)) || chain_of(d, DOMAIN_BY_GROUP, group)->count;
}

bool domains_forget_contexts(struct domains *d, uint32_t group)
{
	bool known;

	pthread_mutex_lock(&d->lock);
	atomic_fetch_add(&d->forgets, 1);
	known = knows_group(d, group);
	if (known)
		atomic_fetch_add(d->generation, 1);
	pthread_mutex_unlock(&d->lock);
	return known;
}

bool domains_take_concerned(struct domains *d, uint32_t group)
{
	bool concerned;

	pthread_mutex_lock(&d->lock);
	concerned = d->concerned || (d->lost & group_bit(group));
	d->concerned = false;
	pthread_mutex_unlock(&d->lock);
	return concerned;
}

void domains_find_lost(struct domains *d)
{
	pthread_mutex_lock(&d->lock);
	d->lost = 0;
	pthread_mutex_unlock(&d->lock);
}

static bool is_kind(const struct domain_own *own, const struct domain_match *match, uint32_t kinds)
{
	return own->key.group == match->group && (kinds >> own->key.kind & 1);
}

static bool matches(const struct domain_own *own, const struct domain_match *match)
{
	return is_kind(own, match, match->kinds) &&
	       (match->id == DOMAIN_ANY || match->id == own->key.id);
}

static bool matches_whole(const struct domain_own *own, const struct domain_match *match)
{
	return is_kind(own, match, match->whole);
}

static bool matches_globals(const struct domains *d, uint32_t index,
			    const struct domain_match *match)
{
	return atomic_load_explicit(&d->slot[index].globals, memory_order_relaxed) &&
	       d->own[index].key.id != match->id && is_kind(&d->own[index], match, match->globals);
}

/* The chain that has the domains which match. */
static struct domain_chain *chain_matching(const struct domains *d,
					   const struct domain_match *match, unsigned *by)
{
	*by = match->id == DOMAIN_ANY ? DOMAIN_BY_GROUP : DOMAIN_BY_ID;
	return chain_of(d, *by, match->id == DOMAIN_ANY ? match->group : match->id);
}

/*
 * The flush is counted before the generation: whoever has the new generation asks domains_get(),
 * and gets a new tag. Whoever has the old one and fills under the old tag is not found.
 */
static void flush_chain(struct domains *d, struct domain_chain *chain)
{
	chain->flushes++;
	d->concerned = true;
	atomic_fetch_add(d->generation, 1);
}

/* Visited domains, and sets or slots looked at: some of them are a step. */
#define PARTS_OF_A_STEP 4U

static void flush_whole(struct domains *d, struct domain *slot)
{
	d->concerned = true;
	give_new_tag(d, slot);
}

uint32_t domains_flush(struct domains *d, const struct domain_match *match)
{
	struct domain_chain *chain;
	uint32_t visited = 0;
	unsigned by;

	pthread_mutex_lock(&d->lock);
	chain = chain_matching(d, match, &by);
	if (chain->count > DOMAIN_VISITED_MAX) {
		flush_chain(d, chain);
	} else {
		visited = chain->count;
		for (uint32_t i = chain->first; i != DOMAIN_NONE; i = d->own[i].next[by]) {
			if (matches(&d->own[i], match))
				flush_whole(d, &d->slot[i]);
		}
	}
	pthread_mutex_unlock(&d->lock);
	return visited / PARTS_OF_A_STEP;
}

/* Probes needed to remove a range, over all sizes in use; more than DOMAIN_PROBES_MAX: some number
 * above it. */
static uint64_t probes(uint64_t sizes, uint64_t first, uint64_t last)
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
static bool remove_range(struct domains *d, const struct domain *slot, uint64_t sizes,
			 unsigned table_lg2, uint64_t first, uint64_t last)
{
	struct tlb_space space =
		domain_space(slot, atomic_load_explicit(&slot->tag, memory_order_relaxed));

	for (; sizes; sizes &= sizes - 1) {
		if (!tlb_remove(d->tlb, space, (unsigned)__builtin_ctzll(sizes), first, last))
			return false;
	}
	return !table_lg2 ||
	       table_cache_remove(d->tables, space, first >> table_lg2, last >> table_lg2);
}

/* Returns how many sets and slots it may have looked at. A range in both halves is longer than what is looked
 * through. */
static uint32_t flush_range(struct domains *d, struct domain *slot, uint64_t first, uint64_t last,
			    bool leaf)
{
	uint64_t sizes = atomic_load_explicit(&slot->sizes, memory_order_relaxed);
	uint64_t cuts = atomic_load_explicit(&slot->cuts, memory_order_relaxed);
	unsigned table_lg2 =
		leaf ? 0 : domain_block_lg2(domain_tables(&own_of(d, slot)->key, first));
	uint64_t looks = DOMAIN_PROBES_FEW;

	if (UNLIKELY(cuts)) {
		first &= ~domain_cut_mask(cuts);
		last |= domain_cut_mask(cuts);
	}
	/* tables are cached of domains only that have pages of theirs cached, too, which are smaller than
	 * what a table maps */
	if (!(sizes & bits_low(table_lg2)))
		table_lg2 = 0;
	/* a few pages are few probes, of whatever sizes there are */
	if (sizes && (last - first) >> __builtin_ctzll(sizes) >= DOMAIN_PROBES_FEW)
		looks = probes(sizes | (table_lg2 ? BIT(table_lg2) : 0), first, last);
	if (looks > DOMAIN_PROBES_MAX) {
		give_new_tag(d, slot);
		return 1;
	}
	count_change(slot);
	if (!remove_range(d, slot, sizes, table_lg2, first, last))
		renew(d, slot);
	/* Once more, for those who found an entry before it was removed and keep it elsewhere. */
	count_change(slot);
	return (uint32_t)looks;
}

struct range_flush {
	const struct domain_match *match;
	uint64_t first;
	uint64_t last;
	bool leaf;
	unsigned found; /* domains whose pages were looked for */
	uint32_t looks;
};

/* Many domains: those after the first few are flushed whole, which costs less. */
static void flush_range_once(struct domains *d, struct domain *slot, struct range_flush *f)
{
	d->concerned = true;
	if (++f->found <= DOMAIN_PROBED_MAX)
		f->looks += flush_range(d, slot, f->first, f->last, f->leaf);
	else
		give_new_tag(d, slot);
}

/* Domains of the chain that match. */
static void flush_matching(struct domains *d, struct range_flush *f)
{
	unsigned by;
	struct domain_chain *chain = chain_matching(d, f->match, &by);

	if (chain->count > DOMAIN_VISITED_MAX) {
		flush_chain(d, chain);
		return;
	}
	f->looks += chain->count;
	for (uint32_t i = chain->first; i != DOMAIN_NONE; i = d->own[i].next[by]) {
		if (matches_whole(&d->own[i], f->match))
			flush_whole(d, &d->slot[i]);
		if (matches(&d->own[i], f->match))
			flush_range_once(d, &d->slot[i], f);
	}
}

/* Global pages are cached in whichever domains have walked to them. */
static void flush_globals(struct domains *d, struct range_flush *f)
{
	struct domain_chain *chain = chain_of(d, DOMAIN_BY_GROUP, f->match->group);

	if (!chain->globals)
		return;
	if (chain->count > DOMAIN_VISITED_MAX) {
		flush_chain(d, chain);
		return;
	}
	f->looks += chain->count;
	for (uint32_t i = chain->first; i != DOMAIN_NONE; i = d->own[i].next[DOMAIN_BY_GROUP]) {
		if (matches_globals(d, i, f->match))
			flush_range_once(d, &d->slot[i], f);
	}
}

uint32_t domains_flush_range(struct domains *d, const struct domain_match *match, uint64_t first,
			     uint64_t last, bool leaf)
{
	struct range_flush f = { .match = match, .first = first, .last = last, .leaf = leaf };

	pthread_mutex_lock(&d->lock);
	flush_matching(d, &f);
	if (match->globals && match->id != DOMAIN_ANY)
		flush_globals(d, &f);
	pthread_mutex_unlock(&d->lock);
	return f.looks / PARTS_OF_A_STEP;
}

void translation_shrink(struct translation *block, uint64_t iova, unsigned size_lg2)
{
	uint64_t offset = (iova - block->iova) & ~bits_low(size_lg2);

	if (size_lg2 >= block->size_lg2)
		return;
	block->iova += offset;
	block->gpa += offset;
	block->size_lg2 = (uint8_t)size_lg2;
}

bool translation_cut(struct translation *block, uint64_t iova, bool output, uint64_t first,
		     uint64_t last)
{
	/* at most 64 steps: each halves the block */
	for (;;) {
		uint64_t base = output ? block->gpa : block->iova;

		if (!range_overlaps(base, base | bits_low(block->size_lg2), first, last))
			return true;
		if (block->size_lg2 <= 12)
			return false;
		translation_shrink(block, iova, block->size_lg2 - 1U);
	}
}
