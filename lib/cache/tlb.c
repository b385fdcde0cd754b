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

enum tlb_added tlb_add(struct tlb *tlb, struct tlb_space space, const struct translation *add,
		       const _Atomic uint64_t *changes, uint64_t seen)
{
	return tlb_put(tlb, space, add, changes, seen);
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
		tlb_write(&set->way[e - set->way], 0, 0, 0);
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
