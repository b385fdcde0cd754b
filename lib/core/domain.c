/* SPDX-License-Identifier: BSD-3-Clause */
/* domain.c - translation domains: finding and recycling them, and invalidating what the TLB has of
 * them. */

#include <libvirtiommu/iommu.h>

#include <string.h>

#include "domain.h"
#include "range.h"

int domains_init(struct domains *d, struct viommu_vm *vm, struct tlb *tlb,
		 struct table_cache *tables, _Atomic uint64_t *generation, uint32_t count)
{
	d->tlb = tlb;
	d->tables = tables;
	d->generation = generation;
	d->count = (uint32_t)bits_power_of_two(count > DOMAIN_WAYS ? count : DOMAIN_WAYS);
	d->slot = vm_alloc(vm, (uint64_t)d->count * sizeof(*d->slot), _Alignof(struct domain));
	d->first = vm_alloc(vm, (uint64_t)d->count * sizeof(*d->first), _Alignof(uint32_t));
	if (!d->slot || !d->first)
		return VIOMMU_ENOMEM;
	for (uint32_t i = 0; i < d->count; i++)
		d->first[i] = DOMAIN_NONE;
	return VIOMMU_OK;
}

void domains_fini(struct domains *d, struct viommu_vm *vm)
{
	pthread_mutex_destroy(&d->lock);
	vm_dealloc(vm, d->slot, (uint64_t)d->count * sizeof(*d->slot));
	vm_dealloc(vm, d->first, (uint64_t)d->count * sizeof(*d->first));
}

static uint32_t *chain_of(const struct domains *d, uint32_t id)
{
	return &d->first[vm_hash(d->tlb->key, id, 0) & (d->count - 1)];
}

/* First slot of the set a key may live in. */
static uint32_t set_of(const struct domains *d, const struct domain_key *key)
{
	uint64_t hash = vm_hash(d->tlb->key, key->stage1.root ^ key->id,
				key->stage2.root ^ (uint64_t)key->pasid << 32);

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

/*
 * Entries under the old tag are never found again; a fill under way under it neither. Changes are
 * counted before, for fills, and after, for whoever found an old entry in between and keeps it
 * elsewhere.
 */
static void give_new_tag(struct domains *d, struct domain *slot)
{
	count_change(slot);
	atomic_store_explicit(&slot->sizes, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->tag, ++d->last_tag, memory_order_release);
	count_change(slot);
}

static void unchain(struct domains *d, uint32_t index)
{
	uint32_t *at = chain_of(d, d->slot[index].key.id);

	/* at most count steps: a chain holds each slot once */
	while (*at != index)
		at = &d->slot[*at].next;
	*at = d->slot[index].next;
}

static void take_slot(struct domains *d, uint32_t index, const struct domain_key *key,
		      uint64_t flushes)
{
	struct domain *slot = &d->slot[index];
	uint32_t *chain;

	if (atomic_load_explicit(&slot->tag, memory_order_relaxed)) {
		/* Before the new tag: whoever sees that one must also see that its context is out
		 * of date. */
		atomic_fetch_add(d->generation, 1);
		unchain(d, index);
	} else { /* once: who has found the domain before reads it without a lock */
		slot->salt = vm_hash(d->tlb->key, index, 1);
	}
	slot->key = *key;
	slot->flushes = flushes;
	chain = chain_of(d, key->id);
	slot->next = *chain;
	*chain = index;
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
		} else if (memcmp(&slot->key, key, sizeof(*key)) == 0) {
			*found = true;
			return i;
		} else if (d->clock - slot->stamp >= age) {
			best = i;
			age = d->clock - slot->stamp;
		}
	}
	return best;
}

struct domain *domains_get(struct domains *d, const struct domain_key *key, uint64_t flushes)
{
	struct domain *slot;
	uint32_t index;
	bool found;

	pthread_mutex_lock(&d->lock);
	d->clock++;
	index = choose(d, key, &found);
	slot = &d->slot[index];
	slot->stamp = d->clock;
	if (!found) {
		take_slot(d, index, key, flushes);
	} else if (slot->flushes < flushes) {
		slot->flushes = flushes;
		give_new_tag(d, slot);
	}
	pthread_mutex_unlock(&d->lock);
	return slot;
}

void domains_announce(struct domains *d, struct domain *domain, unsigned size_lg2)
{
	pthread_mutex_lock(&d->lock);
	atomic_fetch_or_explicit(&domain->sizes, BIT(size_lg2), memory_order_release);
	pthread_mutex_unlock(&d->lock);
}

static bool matches(const struct domain *slot, const struct domain_match *match)
{
	return slot->key.id == match->id && (match->kinds >> slot->key.kind & 1) &&
	       (match->pasid == VIOMMU_ANY_PASID || match->pasid == slot->key.pasid);
}

static bool matches_whole(const struct domain *slot, const struct domain_match *match)
{
	return slot->key.id == match->id && (match->whole >> slot->key.kind & 1);
}

void domains_flush(struct domains *d, const struct domain_match *match)
{
	pthread_mutex_lock(&d->lock);
	/* at most count steps; one in the usual case */
	for (uint32_t i = *chain_of(d, match->id); i != DOMAIN_NONE; i = d->slot[i].next) {
		if (matches(&d->slot[i], match))
			give_new_tag(d, &d->slot[i]);
	}
	pthread_mutex_unlock(&d->lock);
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

static void flush_range(struct domains *d, struct domain *slot, uint64_t first, uint64_t last,
			bool leaf)
{
	struct tlb_space space =
		domain_space(slot, atomic_load_explicit(&slot->tag, memory_order_relaxed));
	uint64_t sizes = atomic_load_explicit(&slot->sizes, memory_order_relaxed);
	unsigned block_lg2 = domain_block_lg2(&slot->key);
	/* tables are cached of domains only that have pages of theirs cached, too */
	bool tables =
		!leaf && block_lg2 && (sizes & BIT(domain_first_config(&slot->key)->page_lg2));

	/* a few pages are few probes, of whatever sizes there are */
	if (sizes && (last - first) >> __builtin_ctzll(sizes) >= DOMAIN_PROBES_FEW &&
	    probes(sizes | (tables ? BIT(block_lg2) : 0), first, last) > DOMAIN_PROBES_MAX) {
		give_new_tag(d, slot);
		return;
	}
	count_change(slot);
	for (; sizes; sizes &= sizes - 1)
		tlb_remove(d->tlb, space, (unsigned)__builtin_ctzll(sizes), first, last);
	if (tables)
		table_cache_remove(d->tables, space, first >> block_lg2, last >> block_lg2);
	/* Once more, for those who found an entry before it was removed and keep it elsewhere. */
	count_change(slot);
}

void domains_flush_range(struct domains *d, const struct domain_match *match, uint64_t first,
			 uint64_t last, bool leaf)
{
	unsigned found = 0;

	pthread_mutex_lock(&d->lock);
	for (uint32_t i = *chain_of(d, match->id); i != DOMAIN_NONE; i = d->slot[i].next) {
		if (matches_whole(&d->slot[i], match))
			give_new_tag(d, &d->slot[i]);
		if (!matches(&d->slot[i], match))
			continue;
		/* Many domains of one id: those after the first few are flushed whole, which costs
		 * less. */
		if (++found <= DOMAIN_PROBED_MAX)
			flush_range(d, &d->slot[i], first, last, leaf);
		else
			give_new_tag(d, &d->slot[i]);
	}
	pthread_mutex_unlock(&d->lock);
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
