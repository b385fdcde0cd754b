/* SPDX-License-Identifier: BSD-3-Clause */
/* play_riscv.h - a recording of a RISC-V IOMMU: the engine, its devices, and what it has raised. */
#ifndef REPLAY_PLAY_RISCV_H
#define REPLAY_PLAY_RISCV_H

#include <libvirtiommu/irq.h>
#include <libvirtiommu/riscv.h>

#include "player.h"

#define RAISED_MAX 64U

struct riscv_source;

/* A message of the IOMMU's own, or a wire that rose (address is the vector). */
struct raised {
	uint64_t address;
	uint32_t data;
};

struct riscv_play {
	struct viommu *iommu;
	struct riscv_source *sources;
	struct raised message[RAISED_MAX]; /* during this event */
	struct raised wire[RAISED_MAX];
	unsigned messages;
	unsigned wires;
	uint32_t high; /* wires that are */
};

/* m lines: play_riscv_memory.c */
void riscv_settle_written(struct player *player, const struct tape_line *event);

#endif
