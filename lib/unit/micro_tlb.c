/* SPDX-License-Identifier: BSD-3-Clause */
/* micro_tlb.c - what a channel keeps. */

#include "micro_tlb.h"

/*
 * Another serial: no entry is valid any more. Serials come again, so entries of an earlier use have to be gone by
 * then: each time some are looked after, so many that it is all of them in one turn of serials.
 */
void channel_empty(struct viommu_channel *channel)
{
	channel->domain = NULL;
	channel->serial = channel->serial < MICRO_SERIALS ? channel->serial + 1 : 1;
	/* 32 at most: limits.channel_entries is at most 65536 */
	for (uint64_t i = 0; i <= channel->mask >> (MICRO_PAGE_LG2 - 1); i++)
		channel->micro[channel->swept++ & channel->mask].tag = 0;
}

void channel_keep(struct viommu_channel *channel, uint64_t iova, uint64_t changes,
		  const struct translation *found, const struct mem_place *place)
{
	const struct context_entry *context = &channel->entry;
	const struct permit *permit = permit_of(found->perm);
	uint64_t first = iova & ~bits_low(MICRO_PAGE_LG2);
	uint64_t gpa = found->gpa + (first - found->iova);
	uint64_t rest = (found->iova | bits_low(found->size_lg2)) - first;
	struct micro_entry *e;
	uint32_t accepts;
	unsigned char *host;

	/* ROM: the answer depends on the access */
	if (found->size_lg2 < MICRO_PAGE_LG2 || (place->host & MEM_REGION_READONLY) ||
	    gpa < place->first)
		return;
	if (UNLIKELY(channel->domain != context->domain ||
		     channel->generation != context->generation || channel->changes != changes)) {
		channel_empty(channel);
		channel->domain = context->domain;
		channel->generation = context->generation;
		channel->changes = changes;
	}
	if (rest > place->last - gpa)
		rest = place->last - gpa;
	host = mem_host(place, gpa, false);
	e = channel_entry(channel, iova);
	e->tag = first | channel->serial;
	e->last = first + rest;
	e->gpa = gpa;
	e->host = host;
	e->grant[0] = permit->grant[0];
	e->grant[1] = permit->grant[1];
	e->extent = answer_extent(found->size_lg2);
	accepts = (uint32_t)permit->accepts;
	e->accepts = LIKELY(host) ? accepts : 0;
	e->outside = LIKELY(host) ? 0 : accepts;
}
