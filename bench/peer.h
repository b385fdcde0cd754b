/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer.h - other VMMs' way to build an IOTLB, rebuilt from its description, to compare with in
 * the same run.
 *
 * A peer is a struct of five functions; peer.c has the benchmarks of all of them, over the same
 * guests and in the same order of pages as ours, under peer/<name>/... Calls go through the
 * struct, as they do in a VMM.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "guest_tables.h"

struct peer_ops {
	void *(*create)(const struct guest *guest, uint64_t root);
	void (*destroy)(void *peer);

	/* Any thread, any time. False is a fault. */
	bool (*translate)(void *peer, uint16_t rid, uint64_t iova, bool write, uint64_t *gpa);

	void (*invalidate_page)(void *peer, uint16_t did, uint64_t iova);
	void (*invalidate_domain)(void *peer, uint16_t did);

	/* How many translations are cached now. */
	uint64_t (*cached)(void *peer);
};

void peer_register(const char *name, const struct peer_ops *ops);

#endif
