/* SPDX-License-Identifier: BSD-3-Clause */
/* play_amdvi.h - a recording of AMD-Vi: the engine and its requesters. */
#ifndef REPLAY_PLAY_AMDVI_H
#define REPLAY_PLAY_AMDVI_H

#include <libvirtiommu/amdvi.h>
#include <libvirtiommu/irq.h>

#include "history.h"
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
	struct history history;
	uint64_t head; /* of the command buffer, before an event */
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
/* play_amdvi_watch.c: follows the guest's invalidations, around each register write. */
void amdvi_watch_before(struct player *player);
void amdvi_watch_after(struct player *player, const struct tape_line *write);
void amdvi_forget_all(struct player *player);
/* The domain of a requester, as its entry says now. */
uint32_t amdvi_domain(const struct player *player, uint32_t rid);

#endif
