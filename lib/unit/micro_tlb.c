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
	channel->outside = false;
	channel->serial = channel->serial < MICRO_SERIALS ? channel->serial + 1 : 1;
	/* 32 at most: limits.channel_entries is at most 65536 */
	for (uint64_t i = 0; i <= channel->mask >> (MICRO_PAGE_LG2 - 1); i++)
		channel->micro[channel->swept++ & channel->mask].tag = 0;
}

void channel_renew(struct viommu_channel *channel, uint64_t changes)
{
	channel_empty(channel);
	channel->domain = channel->entry.domain;
	channel->generation = channel->entry.generation;
	channel->changes = changes;
}

void channel_keep(struct viommu_channel *channel, uint64_t iova, uint64_t changes,
		  const struct translation *found, const struct mem_place *place)
{
	channel_put(channel, iova, changes, found, place);
}
