/* SPDX-License-Identifier: BSD-3-Clause */
/* play_tce.h - a recording of TCE tables: the engine, its PEs, and the windows that the recording has. */
#ifndef REPLAY_PLAY_TCE_H
#define REPLAY_PLAY_TCE_H

#include <libvirtiommu/tce.h>

#include "player.h"

#define TCE_PES	    256U /* of a tape of the library: devices */
#define TCE_PLUGGED 16384U
#define TCE_TOLD    256U

/* A window that came or went. */
struct tce_told {
	struct viommu_tce_window window;
	bool present;
};

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
	struct tce_play_pe pe[TCE_PES];
	uint32_t pes;
	/* Memory, in order, in pieces that do not touch. */
	struct tce_play_memory {
		uint64_t first;
		uint64_t last;
	} memory[TCE_PLUGGED];
	uint32_t memories;
	bool complete;	/* the engine has said that a pending call is, */
	int64_t status; /* with this status */
	bool own;	/* the library's */
	uint32_t function_bits;
	struct tce_told tell[TCE_TOLD]; /* by the engine, during the event; more are counted only */
	uint32_t told;
};

/* NULL: no header has named it. */
struct tce_play_pe *tce_play_pe(struct tce_play *t, uint32_t name);
struct tce_play_pe *tce_play_pe_of(struct tce_play *t, uint32_t liobn);

/* play_tce_own.c: tapes of the library. */
struct tce_play_pe *tce_own_device(struct player *player, uint32_t id);
bool tce_parse_pe(struct words *words, struct tape_line *line);
void tce_pe_line(struct player *player, const struct tape_line *line);
void tce_pe_gone_line(struct player *player, const struct tape_line *line);
int tce_own_window(void *opaque, uint32_t pe, const struct viommu_tce_window *window,
		   uint32_t present);
void tce_own_settle(struct player *player, const struct tape_line *event);
void tce_own_restored(struct player *player);

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
