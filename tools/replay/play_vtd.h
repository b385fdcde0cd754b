/* SPDX-License-Identifier: BSD-3-Clause */
/* play_vtd.h - a recording of VT-d: the engine, its requesters, and what caches may still hold. */
#ifndef REPLAY_PLAY_VTD_H
#define REPLAY_PLAY_VTD_H

#include <libvirtiommu/irq.h>
#include <libvirtiommu/vtd.h>

#include "history.h"
#include "player.h"
#include "source.h"

#define LEFT_CLEAR 1024U

/* What of the queue and the registers has to do with invalidation, before an event. */
struct watch {
	uint64_t head;
	uint64_t address; /* the invalidate address register reads as 0: what the guest wrote */
	uint64_t command; /* of contexts: SID and FM read as 0, too */
};

struct vtd_play {
	uint64_t cap;
	uint64_t ecap;
	struct history history;
	struct watch watch;
	/* The last addresses of first-stage entries whose D the recording leaves clear. */
	uint64_t left_clear[LEFT_CLEAR];
	unsigned left_clear_next;
};

/* play_vtd.c. The engine's register, 0 if it has none there. */
uint64_t vtd_register(const struct player *player, uint64_t offset, uint32_t bytes);
/* Drops all that the engine caches, by saving and restoring it, which a guest cannot notice. */
bool vtd_drop_caches(struct player *player);

/* play_vtd_source.c: what the tables say of a source. */
uint32_t source_domain(struct source *source);
/* First-stage or second-stage entry that translates iova last, as the tables are now; false: there is none. */
bool source_leaf(const struct source *source, uint64_t iova, bool *first_stage, uint64_t *gpa);
void vtd_forget_domains(struct player *player);

/* T and I lines. */
void vtd_dma_line(struct player *player, const struct tape_line *line);
void vtd_interrupt_line(struct player *player, const struct tape_line *line);
bool vtd_table_message(const struct player *player, uint64_t n, struct table_message *message);

/* m lines. */
void vtd_settle_written(struct player *player, const struct tape_line *event);

/* play_vtd_watch.c: follows the guest's invalidations, around each register write. */
void watch_before(struct player *player);
void watch_after(struct player *player, const struct tape_line *write);

/* play_vtd_deviation.c. A register read that differs: bits of the difference that deviations account for. Counts those that do. */
uint64_t vtd_deviation(struct player *player, const struct tape_line *line, uint64_t came);

#endif
