/* SPDX-License-Identifier: BSD-3-Clause */
/* play_tce.h - a recording of TCE tables: the engine, its PEs, and the windows that the recording has. */
#ifndef REPLAY_PLAY_TCE_H
#define REPLAY_PLAY_TCE_H

#include <libvirtiommu/tce.h>

#include "player.h"

#define TCE_PES	    64U
#define TCE_PLUGGED 256U

/* A PE, and its device: all devices of one are alike. */
struct tce_play_pe {
	uint32_t name; /* on T lines */
	bool virtual_io;
	struct viommu_tce_window whole; /* the default window */
	/* As the recording has them. */
	struct viommu_tce_window window[VIOMMU_TCE_WINDOWS];
	uint32_t windows;
	bool bypass;
	uint32_t liobn[VIOMMU_TCE_WINDOWS];
	uint32_t liobns;
	struct viommu_device *device;
	struct viommu_channel *channel;
	struct viommu_listener *listener;
	uint32_t mode; /* as the engine told it last */
};

struct tce_play {
	struct viommu *iommu;
	struct tce_play_pe pe[TCE_PES];
	uint32_t pes;
	/* Memory: what was there from the beginning, then MEM lines, of which the last one counts. */
	struct tce_play_memory {
		uint64_t first;
		uint64_t last;
		bool on;
	} memory[TCE_PLUGGED];
	uint32_t memories;
	bool complete;	/* the engine has said that a pending call is, */
	int64_t status; /* with this status */
};

/* NULL: no header has named it. */
struct tce_play_pe *tce_play_pe(struct tce_play *t, uint32_t name);
struct tce_play_pe *tce_play_pe_of(struct tce_play *t, uint32_t liobn);

/* play_tce_call.c: H and RT lines. */
bool tce_parse_hcall(struct words *words, struct tape_line *line);
void tce_hcall_line(struct player *player, const struct tape_line *line);
bool tce_parse_rtas(struct words *words, struct tape_line *line);
void tce_rtas_line(struct player *player, const struct tape_line *line);

/* play_tce_window.c: T lines, and what came of windows. */
void tce_dma_line(struct player *player, const struct tape_line *line);
bool tce_parse_new(struct words *words, struct tape_line *line);
bool tce_parse_liobn(struct words *words, struct tape_line *line);
bool tce_parse_bypass(struct words *words, struct tape_line *line);
void tce_settle_new(struct player *player, const struct tape_line *event);
void tce_settle_gone(struct player *player, const struct tape_line *event);
void tce_settle_zero(struct player *player, const struct tape_line *event);
void tce_settle_bypass(struct player *player, const struct tape_line *event);

#endif
