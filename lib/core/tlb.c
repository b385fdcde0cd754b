/* SPDX-License-Identifier: BSD-3-Clause */
/* tlb.c - the shared TLB: probing, filling and removing. Who may be found is decided in domain.c.
 */

#include <libvirtiommu/base.h>

#include "seqlock.h"
#include "tlb.h"

#define PAGE_SIZE_LG2 BITS(5, 0)

int tlb_init(struct tlb *tlb, struct viommu_vm *vm, uint32_t entries)
{
	uint64_t sets = 1;

	while (sets * TLB_WAYS < entries)
		sets *= 2;
	tlb->set = vm_alloc(vm, sets * sizeof(*tlb->set), _Alignof(struct tlb_set));
	tlb->mask = sets - 1;
	tlb->key[0] = vm->key[0];
	tlb->key[1] = vm->key[1];
	return tlb->set ? VIOMMU_OK : VIOMMU_ENOMEM;
}

void tlb_fini(struct tlb *tlb, struct viommu_vm *vm)
{
	vm_dealloc(vm, tlb->set, (tlb->mask + 1) * sizeof(*tlb->set));
}

static uint64_t page_of(uint64_t iova, unsigned size_lg2)
{
	return (iova & ~bits_low(size_lg2)) | size_lg2;
}

static struct tlb_set *set_of(const struct tlb *tlb, uint64_t salt, uint64_t page)
{
	return &tlb->set[vm_hash_salted(tlb->key, salt, page) & tlb->mask];
}

static uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* Bit n: way n has the page. All are looked at: which one it is cannot be predicted. */
static unsigned ways_with(const struct tlb_set *set, uint64_t tag, uint64_t page)
{
	unsigned ways = 0;

	for (unsigned i = 0; i < TLB_WAYS; i++)
		ways |= (unsigned)(((load(&set->way[i].tag) ^ tag) |
				    (load(&set->way[i].page) ^ page)) == 0)
			<< i;
	return ways;
}

static inline bool probe(const struct tlb_set *set, uint64_t tag, uint64_t page, uint64_t *gpa)
{
	uint64_t version = seq_read_begin(&set->version);
	unsigned ways = ways_with(set, tag, page);

	if (!ways)
		return false;
	*gpa = load(&set->way[__builtin_ctz(ways)].gpa);
	return seq_read_valid(&set->version, version);
}

bool tlb_find(const struct tlb *tlb, struct tlb_space space, uint64_t sizes, uint64_t iova,
	      struct translation *found)
{
	/* at most one probe a page size in use */
	for (; sizes; sizes &= sizes - 1) {
		unsigned size_lg2 = (unsigned)__builtin_ctzll(sizes);
		uint64_t page = page_of(iova, size_lg2);
		uint64_t gpa;

		if (!probe(set_of(tlb, space.salt, page), space.tag, page, &gpa))
			continue;
		*found = (struct translation){ .iova = page & ~PAGE_SIZE_LG2,
					       .gpa = gpa & ~PERM_BITS,
					       .size_lg2 = (uint8_t)size_lg2,
					       .perm = (uint8_t)(gpa & PERM_BITS) };
		return true;
	}
	return false;
}

void tlb_prefetch(const struct tlb *tlb, uint64_t salt, uint64_t sizes, uint64_t iova)
{
	const struct tlb_set *set;

	if (!sizes)
		return;
	set = set_of(tlb, salt, page_of(iova, (unsigned)__builtin_ctzll(sizes)));
	__builtin_prefetch(set);
	__builtin_prefetch((const char *)set + 64);
}

static void put(struct tlb_entry *e, uint64_t tag, uint64_t page, uint64_t gpa)
{
	atomic_store_explicit(&e->tag, tag, memory_order_relaxed);
	atomic_store_explicit(&e->page, page, memory_order_relaxed);
	atomic_store_explicit(&e->gpa, gpa, memory_order_relaxed);
}

/* The entry of the page itself, else an empty one, else that of the page under another tag, which
 * probably has died, else the next in turn. */
static struct tlb_entry *choose(struct tlb_set *set, uint64_t version, uint64_t tag, uint64_t page)
{
	unsigned chosen = (unsigned)(version / 2 % TLB_WAYS);
	unsigned best = 0;

	for (unsigned i = 0; i < TLB_WAYS; i++) {
		uint64_t has = load(&set->way[i].tag);
		bool same = load(&set->way[i].page) == page;
		unsigned rank = has == 0 ? 2 : same ? (has == tag ? 3 : 1) : 0;

		chosen = rank > best ? i : chosen;
		best = rank > best ? rank : best;
	}
	return &set->way[chosen];
}

void tlb_add(struct tlb *tlb, struct tlb_space space, const struct translation *add,
	     const _Atomic uint64_t *changes, uint64_t seen)
{
	uint64_t page = page_of(add->iova, add->size_lg2);
	struct tlb_set *set = set_of(tlb, space.salt, page);
	uint64_t version = seq_lock(&set->version);

	if (atomic_load_explicit(changes, memory_order_acquire) == seen)
		put(choose(set, version, space.tag, page), space.tag, page, add->gpa | add->perm);
	seq_unlock(&set->version, version);
}

static void remove_page(struct tlb *tlb, struct tlb_space space, uint64_t page)
{
	struct tlb_set *set = set_of(tlb, space.salt, page);
	uint64_t version = seq_lock(&set->version);
	unsigned ways = ways_with(set, space.tag, page);

	if (ways)
		put(&set->way[__builtin_ctz(ways)], 0, 0, 0);
	seq_unlock(&set->version, version);
}

void tlb_remove(struct tlb *tlb, struct tlb_space space, unsigned size_lg2, uint64_t first,
		uint64_t last)
{
	uint64_t at = first & ~bits_low(size_lg2);

	/* (last - first >> size_lg2) + 2 sets at most; the caller has bounded that */
	for (;;) {
		remove_page(tlb, space, at | size_lg2);
		if (last - at < BIT(size_lg2))
			break;
		at += BIT(size_lg2);
	}
}
