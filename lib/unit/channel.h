/* SPDX-License-Identifier: BSD-3-Clause */
/* channel.h - the verbs of a channel, from inside: what DMA and lists go on with. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "micro_tlb.h"

/* What the micro-TLB cannot answer, of a request that is well formed and has the channel's PASID. The
 * caller has seen that no translation is under way; a DMA has said that one is. */
int channel_translate(struct viommu_channel *channel, const struct viommu_request *request,
		      struct viommu_fragment *fragments, uint32_t max,
		      struct viommu_answer *answer);

/* All that may be asked of a channel, from the shared TLB on (miss_fn): what miss.h does not do. */
int channel_ask(struct viommu_channel *channel, const struct viommu_request *request,
		struct viommu_fragment *fragments, uint32_t max, struct viommu_answer *answer);

/* Someone waits, and may be woken. VIOMMU_OK */
__attribute__((cold)) int channel_wake(struct viommu_channel *channel, uint64_t entered,
				       uint64_t waiting);

static inline void channel_open(struct viommu_channel *channel)
{
	channel->state |= CHANNEL_OPEN;
	epoch_enter(channel->epoch, &channel->section);
}

static inline int channel_close(struct viommu_channel *channel)
{
	uint64_t waiting, entered;

	channel->state &= (uint8_t)~CHANNEL_OPEN;
	waiting = epoch_leave_for(channel->epoch, &channel->section, &entered);
	return waiting > entered ? channel_wake(channel, entered, waiting) : VIOMMU_OK;
}

/* What the micro-TLB would say of an address, whatever the access. */
bool channel_peek(struct viommu_channel *channel, uint64_t iova, struct translation *found);

#endif
