/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ref_chase.c - what a load costs: dependent loads through a random cycle, one node in a cache
 * line.
 *
 * 16 KiB fit in any L1, 512 KiB in the L2 of most machines, 8 MiB in the L3, 512 MiB in none. An
 * L3 is shared: on a virtual machine with busy neighbours ref/chase/L3 can come close to
 * ref/chase/DRAM, and then so does everything else of that size. Huge pages where the host has
 * them, so that no page walk is included.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include "cycle.h"
#include "shim.h"

struct node {
	struct node *next;
	char rest_of_line[64 - sizeof(struct node *)];
};

struct chase {
	struct node *nodes;
	size_t size;
};

static void link_nodes(struct node *nodes, uint32_t *next, uint32_t n)
{
	cycle_fill(next, n);
	for (uint32_t i = 0; i < n; i++)
		nodes[i].next = &nodes[next[i]];
}

static void discard(void *world)
{
	struct chase *c = world;

	munmap(c->nodes, c->size);
	free(c);
}

/* row->n: bytes */
static void *prepare(const struct bench *row)
{
	uint32_t n = (uint32_t)(row->n / sizeof(struct node));
	uint32_t *next = malloc(n * sizeof(*next));
	struct chase *c = malloc(sizeof(*c));

	if (!next || !c)
		goto fail;
	c->size = row->n;
	c->nodes = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->nodes == MAP_FAILED)
		goto fail;
	(void)madvise(c->nodes, c->size, MADV_HUGEPAGE);
	link_nodes(c->nodes, next, n);
	free(next);
	return c;
fail:
	free(next);
	free(c);
	return NULL;
}

static inline const struct node *step8(const struct node *p)
{
	return p->next->next->next->next->next->next->next->next;
}

static void run(struct bench_state *state, void *world)
{
	struct chase *c = world;
	const struct node *p = c->nodes;

	while (bench_next_batch(state, 64))
		for (unsigned i = 0; i < 64; i += 8)
			p = step8(p);
	bench_use((uintptr_t)p);
}

#define ROW(where, bytes)                                                                          \
	{                                                                                          \
		.name = "ref/chase/" where, .run = run, .prepare = prepare, .discard = discard,    \
		.n = bytes                                                                         \
	}

static const struct bench rows[] = {
	ROW("L1", 16U << 10),
	ROW("L2", 512U << 10),
	ROW("L3", 8U << 20),
	ROW("DRAM", 512U << 20),
};

void bench_suite_ref_chase(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
