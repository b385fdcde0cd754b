/* SPDX-License-Identifier: BSD-3-Clause */
/* play_smmu.h - a recording of an SMMUv3: the engine, its streams, and what caches may still hold. */
#ifndef REPLAY_PLAY_SMMU_H
#define REPLAY_PLAY_SMMU_H

#include <libvirtiommu/smmuv3.h>

#include "history.h"
#include "outcome.h"
#include "player.h"

/* A stream with one PASID, or without: a channel each. */
struct stream {
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint32_t sid;
	uint32_t pasid;
	bool waits;
};

#define STREAMS_MAX 256U
#define ID_BYTES    0x20U /* IDR0 to AIDR */

struct smmu_play {
	uint32_t id[ID_BYTES / 4];	/* as the recording has them, by offset / 4 */
	uint64_t id_line[ID_BYTES / 4]; /* where it says so, 0: nowhere */
	struct stream stream[STREAMS_MAX];
	unsigned streams;
	bool waits; /* the device that is named can wait for the guest */
	struct history history;
	uint64_t consumed; /* CMDQ_CONS before an event */
};

/* play_smmu.c */
uint64_t smmu_register(const struct player *player, uint64_t offset, uint32_t bytes);
/* Makes the engine, if there is none yet; false: not possible. */
bool smmu_ready(struct player *player);

/* play_smmu_dma.c: T */
void smmu_dma_line(struct player *player, const struct tape_line *line);
void smmu_free_streams(struct player *player);

/* play_smmu_memory.c: m */
void smmu_settle_written(struct player *player, const struct tape_line *event);
/* A record that the recording does not have, but should: whether that, and nothing else, was written. Then it is taken back. */
bool smmu_take_back_address_size(struct player *player);

/* play_smmu_watch.c: follows the guest's invalidations, around each register write. */
void smmu_watch_before(struct player *player);
void smmu_watch_after(struct player *player);
/* VMID << 16 | ASID of a stream, as the tables are now. */
uint32_t smmu_tag(const struct player *player, uint32_t sid);
/* Whether its requests are not translated. */
bool smmu_bypasses(const struct player *player, uint32_t sid);

#endif
