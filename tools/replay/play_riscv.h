/* SPDX-License-Identifier: BSD-3-Clause */
/* play_riscv.h - a recording of a RISC-V IOMMU: the engine, its devices, and what it has raised. */
#ifndef REPLAY_PLAY_RISCV_H
#define REPLAY_PLAY_RISCV_H

#include <libvirtiommu/irq.h>
#include <libvirtiommu/riscv.h>

#include "player.h"

struct riscv_play {
	struct raised_list wires; /* that rose during the event */
	uint32_t high;		  /* wires that are */
};

/* m lines: play_riscv_memory.c */
void riscv_settle_written(struct player *player, const struct tape_line *event);

#endif
