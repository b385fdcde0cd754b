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

enum tlb_added tlb_add_block(const struct tlb *tlb, struct tlb_space space, uint64_t page,
			     uint64_t to, const _Atomic uint64_t *changes, uint64_t seen)
{
	return tlb_put(tlb, space, page, to, changes, seen);
}

bool tlb_remove(struct tlb *tlb, struct tlb_space space, unsigned size_lg2, uint64_t first,
		uint64_t last)
{
	return tlb_remove_now(tlb, space, size_lg2, first, last);
}
