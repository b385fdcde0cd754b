/* SPDX-License-Identifier: BSD-3-Clause */
/* raised.h - what an IOMMU has raised during an event: messages of its own (S), and wires that rose. */
#ifndef REPLAY_RAISED_H
#define REPLAY_RAISED_H

#include "line.h"

struct player;

/* A message, or a wire: address is its number. */
struct raised {
	uint64_t address;
	uint32_t data;
};

struct raised_list {
	struct raised *list;
	size_t count;
	size_t capacity;
};

void raised_add(struct player *player, struct raised_list *raised, uint64_t address, uint32_t data);
/* Compares them with the lines of an event, in order; then there are none. */
void raised_settle(struct player *player, enum tape_kind kind, const struct tape_line *event,
		   struct raised_list *raised);

/* viommu_host.msi, opaque is the player; and the row of S lines. */
void raised_on_msi(void *opaque, uint64_t address, uint32_t data);
void raised_settle_sent(struct player *player, const struct tape_line *event);

#endif
