/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * channel.h - one thread's way to DMA: a private micro-TLB in front of the shared one.
 *
 * The micro-TLB is valid as a whole for one (generation, domain, changes); when any of these moves
 * it is emptied by counting up its serial. A hit costs loads of these three, one entry, and no
 * write.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "unit.h"

#define MICRO_ENTRIES 64U

struct micro_entry {
	uint64_t first; /* iova */
	uint64_t last;
	uint64_t gpa;	     /* of first */
	unsigned char *host; /* of first, or NULL */
	uint32_t serial;     /* of the channel when it was filled; 0: never */
	uint32_t perm;	     /* PERM_* */
};

struct viommu_channel {
	struct epoch_section section;
	struct viommu_device *device;
	uint32_t pasid;
	bool open;	  /* viommu_enter() was called */
	bool translating; /* a translation is under way: refuses another from inside its callbacks
			   */
	uint32_t serial;
	/* What the entries of this serial were filled under. */
	uint64_t generation;
	uint64_t changes;
	const struct domain *domain; /* NULL: nothing is kept */
	struct micro_entry micro[MICRO_ENTRIES];
};

/* Keeps the answer of a query that this channel asked. */
void channel_keep(struct viommu_channel *channel, const struct query *q);

/* What the micro-TLB cannot answer. */
int channel_translate(struct viommu_channel *channel, const struct viommu_request *request,
		      struct viommu_fragment *fragments, uint32_t max,
		      struct viommu_answer *answer);

#endif
