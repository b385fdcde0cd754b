/* SPDX-License-Identifier: BSD-3-Clause */
/* domain.c - translation domains: finding and recycling them. */

#include <libvirtiommu/iommu.h>

#include <string.h>

#include "domain_own.h"
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
	for (unsigned upper = 0; upper < 2; upper++)
		d->own[index].block_lg2[upper] =
			(uint8_t)domain_block_lg2(domain_tables(key, upper ? UINT64_MAX : 0));
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
