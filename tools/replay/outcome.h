/* SPDX-License-Identifier: BSD-3-Clause */
/* outcome.h - what came of asking an engine for a translation. */
#ifndef REPLAY_OUTCOME_H
#define REPLAY_OUTCOME_H

#include "player.h"

/* What came of a request. Without permission, to and length are 0. */
struct outcome {
	int result;
	uint32_t perm;
	uint64_t to;
	uint64_t length;
	uint16_t reason;
};

/* What a T line asks. */
struct viommu_request outcome_request(const struct tape_line *line);

/* Through a channel, with the time it took counted; and without channel. */
struct outcome outcome_ask(struct player *player, struct viommu_channel *channel,
			   const struct viommu_request *request);
struct outcome outcome_ask_device(struct viommu_device *device,
				  const struct viommu_request *request);

bool outcome_same(const struct outcome *a, const struct outcome *b);
void outcome_text(char *text, size_t size, const struct outcome *outcome);

/* What the tables say now of a T line's address, without caches and without a trace. */
struct outcome outcome_now(struct viommu_device *device, uint32_t pasid,
			   const struct tape_line *line);

/* Counts a mismatch of a T line; if they are printed, with the tables that were read. @where: after what it asked, or "" */
void outcome_differ(struct player *player, const struct tape_line *line,
		    struct viommu_device *device, const struct viommu_request *request,
		    const char *where, const char *expected, const struct outcome *outcome);

/* For viommu_explain(): prints a step. */
int outcome_print_step(void *opaque, const struct viommu_step *step);

#endif
