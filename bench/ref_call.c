/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ref_call.c - what a call into a library costs that does nothing, and a walk that does nothing
 * but load.
 *
 * ref/chain4 takes the cache lines that the walks of vtd/miss/ss4 take, those of 512 pages with
 * tables of their own, and puts a pointer to the next entry where the walk would have to compute
 * it. The top table is shared by walks, so there each page has a slot: 64 lines of one page,
 * where the walk has about 24.
 */
#include <stdlib.h>

#include "cycle.h"
#include "guest_tables.h"
#include "ref_empty.h"
#include "shim.h"

#define LEVELS 4

struct chain {
	struct guest guest;
	void **slot[GUEST_SCATTERED][LEVELS]; /* [page][0] in the top table */
};

static void run_call(struct bench_state *state, void *world)
{
	(void)world;
	while (bench_next_batch(state, 8)) {
		ref_empty();
		ref_empty();
		ref_empty();
		ref_empty();
		ref_empty();
		ref_empty();
		ref_empty();
		ref_empty();
	}
}

static void discard_chain(void *world)
{
	struct chain *c = world;

	guest_fini(&c->guest);
	free(c);
}

static void find_slots(struct chain *c)
{
	struct guest_paging ss;
	void **top;

	guest_second_stage(&c->guest, &ss, LEVELS);
	top = guest_at(&c->guest, guest_alloc(&c->guest, GUEST_PAGE));
	for (unsigned i = 0; i < GUEST_SCATTERED; i++) {
		uint64_t iova = GUEST_IOVA + i * GUEST_SCATTERED_4;

		c->slot[i][0] = &top[i];
		for (unsigned s = 1; s < LEVELS; s++)
			c->slot[i][s] = (void **)guest_entry(&c->guest, &ss, iova, LEVELS - 1 - s);
	}
}

/*
 * The slots hold table entries up to here; now each points to the one below, the last to the next
 * page.
 */
static void link_slots(struct chain *c)
{
	uint32_t next[GUEST_SCATTERED];

	cycle_fill(next, GUEST_SCATTERED);
	for (unsigned i = 0; i < GUEST_SCATTERED; i++) {
		for (unsigned s = 0; s + 1 < LEVELS; s++)
			*c->slot[i][s] = c->slot[i][s + 1];
		*c->slot[i][LEVELS - 1] = c->slot[next[i]][0];
	}
}

static void *prepare_chain(const struct bench *row)
{
	struct chain *c = malloc(sizeof(*c));

	(void)row;
	if (!c)
		return NULL;
	guest_init(&c->guest, GUEST_PAGE);
	find_slots(c);
	link_slots(c);
	return c;
}

static void run_chain(struct bench_state *state, void *world)
{
	struct chain *c = world;
	void **p = c->slot[0][0];

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			p = *p;
			p = *p;
			p = *p;
			p = *p;
		}
	bench_use((uintptr_t)p);
}

static const struct bench rows[] = {
	{ .name = "ref/call", .run = run_call },
	{ .name = "ref/chain4",
	  .run = run_chain,
	  .prepare = prepare_chain,
	  .discard = discard_chain },
};

void bench_suite_ref_call(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
