/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * map_world.h - mappings of pages as a guest makes them, in a structure that keeps them: ours, or a
 * peer's.
 *
 * The guest has mapped the pages number tail .. head - 1, and maps the next and unmaps the oldest,
 * or the one it mapped last. Where page number k is, is the pattern.
 */
#ifndef BENCH_MAP_WORLD_H
#define BENCH_MAP_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* Calls go through the struct, as they do in a VMM. Those that answer false stop the benchmark. */
struct map_ops {
	const char *prefix; /* of names of rows */
	const char *map;    /* what map and unmap are called in them */
	const char *unmap;
	void *(*create)(uint64_t most);
	void (*destroy)(void *store);
	/* [first, last] is not mapped; to what page */
	bool (*add)(void *store, uint64_t first, uint64_t last, uint64_t target);
	/* checks that no mapping is cut */
	bool (*remove)(void *store, uint64_t first, uint64_t last);
	/* the address's own target */
	bool (*find)(void *store, uint64_t address, uint64_t *target);
	double (*bytes)(void *store); /* of memory for a mapping; optional */
};

/* Adds the rows of one structure. */
void map_register(const struct map_ops *ops);

#endif
