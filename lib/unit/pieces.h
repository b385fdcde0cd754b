/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pieces.h - a visit of two stages: a page of the first is reported as the second has it, piece by piece.
 */
#ifndef PIECES_H
#define PIECES_H

#include "walk.h"

struct pieces {
	struct pt_visit *visit;
	const struct pt_config *config; /* of the second stage */
	/* What that has around a guest-physical address; without permission: nothing. */
	struct translation (*second)(const struct pieces *p, uint64_t gpa);
	int (*page)(void *opaque, const struct translation *piece);
	void *opaque;
	bool out_of_budget; /* inside a page: visit->next says where to go on */
};

/* For pt_visit.page, with a struct pieces: a page of the first stage. Each piece pays, as an entry does. */
int pieces_page(void *opaque, const struct translation *page);

/* For second: one walk, without a trace. */
struct translation pieces_walk(const struct pieces *p, uint64_t gpa,
			       enum pt_end (*peek)(struct pt_walk *w));

#endif
