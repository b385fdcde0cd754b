/* SPDX-License-Identifier: BSD-3-Clause */
/* micro_tlb.c - what a channel keeps. */

#include "micro_tlb.h"

/* Another serial: no entry is valid any more. When it wraps, entries of its first use must not come
 * back. */
void channel_empty(struct viommu_channel *channel)
{
	channel->domain = NULL;
	if (++channel->serial == 0) {
		for (uint64_t i = 0; i <= channel->mask; i++)
			channel->micro[i].serial = 0;
		channel->serial = 1;
	}
}

/* Of the eight combinations of read, write and fetch, those that three permission bits suffice for:
 * a byte for each permission. A fetch is a read. */
#define SUFFICES UINT64_C(0xfe0432000e040200)

/* What users (shift 0) or supervisors (3) may do; writing that is not dirty yet asks the tables. */
static uint32_t accepted(unsigned perm, unsigned shift)
{
	unsigned may = perm >> shift & 7 & (perm & PERM_DIRTY ? 7U : ~VIOMMU_WRITE);

	return (uint32_t)(SUFFICES >> 8 * may & 0xff);
}

static uint64_t grant(unsigned perm, unsigned shift)
{
	unsigned granted = perm >> shift & 7;

	return granted | (uint64_t)access_clean(perm, granted) << 32;
}

void channel_keep(struct viommu_channel *channel, uint64_t iova, uint64_t changes,
		  const struct translation *found, const struct mem_place *place)
{
	const struct context_entry *context = &channel->entry;
	uint64_t first = iova & ~bits_low(12);
	uint64_t gpa = found->gpa + (first - found->iova);
	uint64_t bytes = (found->iova | bits_low(found->size_lg2)) - first + 1;
	struct micro_entry *e;

	/* ROM: the answer depends on the access */
	if (found->size_lg2 < 12 || (place->host & MEM_REGION_READONLY) || gpa < place->first)
		return;
	if (channel->domain != context->domain || channel->generation != context->generation ||
	    channel->changes != changes) {
		channel_empty(channel);
		channel->domain = context->domain;
		channel->generation = context->generation;
		channel->changes = changes;
	}
	if (bytes - 1 > place->last - gpa)
		bytes = place->last - gpa + 1;
	e = channel_entry(channel, iova);
	*e = (struct micro_entry){ .first = first,
				   .bytes = bytes,
				   .gpa = gpa,
				   .host = mem_host(place, gpa, false),
				   .serial = channel->serial,
				   .accepts = accepted(found->perm, 0) | accepted(found->perm, 3)
										 << 8,
				   .grant = { grant(found->perm, 0), grant(found->perm, 3) },
				   .extent = answer_extent(found->size_lg2) };
}
