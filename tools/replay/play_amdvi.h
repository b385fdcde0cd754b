/* SPDX-License-Identifier: BSD-3-Clause */
/* play_amdvi.h - a recording of AMD-Vi: the engine and its requesters. */
#ifndef REPLAY_PLAY_AMDVI_H
#define REPLAY_PLAY_AMDVI_H

#include <libvirtiommu/amdvi.h>
#include <libvirtiommu/irq.h>

#include "history.h"
#include "player.h"
#include "source.h"

struct amdvi_play {
	struct history history;
	uint64_t head; /* of the command buffer, before an event */
};

/* play_amdvi_dma.c: T lines. */
void amdvi_dma_line(struct player *player, const struct tape_line *line);
/* play_amdvi_watch.c: follows the guest's invalidations, around each register write. */
void amdvi_watch_before(struct player *player);
void amdvi_watch_after(struct player *player, const struct tape_line *write);
void amdvi_forget_all(struct player *player);
/* The domain of a requester, as its entry says now. */
uint32_t amdvi_domain(const struct player *player, uint32_t rid);

#endif
