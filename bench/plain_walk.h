/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * plain_walk.h - from requester and iova to gpa by the tables alone, as the peers do it when
 * their cache does not know. VT-d legacy mode (3.4.2, 3.7): root entry, context entry,
 * second-stage tables.
 *
 * Kinder than any VMM: guest memory is one array, so a load is a comparison and a load.
 */
#ifndef BENCH_PLAIN_WALK_H
#define BENCH_PLAIN_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "guest_tables.h"

struct plain_context {
	uint64_t table;
	unsigned levels;
	uint16_t did;
};

struct plain_page {
	uint64_t gpa;  /* of the page */
	uint64_t mask; /* its size - 1 */
	unsigned level;
	uint64_t permissions; /* bit 0 read, bit 1 write; AND of all levels */
};

/* False: absent, reserved, or outside memory. */
bool plain_context(const struct guest *g, uint64_t root, uint16_t rid, struct plain_context *c);
bool plain_walk(const struct guest *g, const struct plain_context *c, uint64_t iova,
		struct plain_page *page);

#endif
