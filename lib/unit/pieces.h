/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pieces.h - what visits of engines have in common: parts of the address space, and two stages, where a page of the first
 * is reported as the second has it, piece by piece.
 */
#ifndef PIECES_H
#define PIECES_H

#include "pt_visit.h"

/* One format's visit: what it does to visit->walk.config's tables. */
typedef enum pt_visit_end visit_tables_fn(struct pt_visit *visit);

/* As much of a visit as lies in [first, last], of which the tables have the low bits. visit->last stays. */
enum pt_visit_end visit_part(struct pt_visit *visit, uint64_t first, uint64_t last,
			     visit_tables_fn *tables);

/* Addresses that are extended from bit @bits - 1: both halves. */
enum pt_visit_end visit_canonical(struct pt_visit *visit, unsigned bits, visit_tables_fn *tables);

struct pieces {
	struct pt_visit *visit;
	const struct pt_config *config; /* of the second stage */
	/* What that has around a guest-physical address; without permission: nothing. */
	struct translation (*second)(const struct pieces *p, uint64_t gpa);
	/* For each piece: set by pieces_canonical(), or by who calls pieces_page() himself. */
	int (*page)(void *opaque, const struct translation *piece);
	void *opaque;
	bool out_of_budget; /* inside a page: visit->next says where to go on */
};

/* For pt_visit.page, with a struct pieces: a page of the first stage. Each piece pays, as an entry does. */
int pieces_page(void *opaque, const struct translation *page);

/* visit_canonical() of the first stage, whose pages become pieces for visit->page. */
enum pt_visit_end pieces_canonical(struct pieces *p, unsigned bits, visit_tables_fn *tables);

/* For second: one walk, without a trace. */
struct translation pieces_walk(const struct pieces *p, uint64_t gpa,
			       enum pt_end (*peek)(struct pt_walk *w));

#endif
