/* SPDX-License-Identifier: BSD-3-Clause */
/* play_amdvi.h - a recording of AMD-Vi: the engine and its requesters. */
#ifndef REPLAY_PLAY_AMDVI_H
#define REPLAY_PLAY_AMDVI_H

#include <libvirtiommu/amdvi.h>
#include <libvirtiommu/irq.h>

#include "player.h"
#include "table.h"

/* A requester, with one PASID or without. */
struct amdvi_source {
	uint64_t key; /* requester << 32 | PASID */
	struct viommu_device *device;
	bool owner; /* of the device: the first of a requester */
	struct viommu_channel *channel;
	UT_hash_handle hh;
};

struct amdvi_play {
	struct viommu *iommu;
	struct amdvi_source *sources;
	/* Messages of the engine's own during this event; more are counted only. */
	struct {
		uint64_t address;
		uint32_t data;
	} sent[16];
	unsigned sent_count;
};

/* play_amdvi_dma.c: T lines. */
void amdvi_dma_line(struct player *player, const struct tape_line *line);
void amdvi_free_sources(struct player *player);
/* play_amdvi_effects.c: m and S lines. */
void amdvi_settle_written(struct player *player, const struct tape_line *event);
void amdvi_settle_sent(struct player *player, const struct tape_line *event);

#endif
