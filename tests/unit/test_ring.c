/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ring.c - unit/ring.h: positions in all three ways, commands that wait, fail or end, and records that get lost. */
#include "check.h"

#include <string.h>

#include "guest.h"
#include "ring.h"
#include "unit.h"

static struct guest g;

static void open_guest(void)
{
	guest_init(&g, GUEST_REGION, 64);
	guest_vtd(&g, 0, 0);
}

/* ---- positions ---- */

static const struct {
	const char *name;
	struct ring ring;
	uint64_t value;
	bool valid;
	uint32_t position;
	uint64_t address; /* of the entry */
} positions[] = {
	{ "bytes, first", { 0x1000, UINT64_MAX, 256, 2, RING_BYTES }, 0, true, 0, 0x1000 },
	{ "bytes, last", { 0x1000, UINT64_MAX, 256, 2, RING_BYTES }, 0xff0, true, 255, 0x1ff0 },
	{ "bytes, behind", { 0x1000, UINT64_MAX, 256, 2, RING_BYTES }, 0x1000, false, 0, 0 },
	{ "bytes, within", { 0x1000, UINT64_MAX, 256, 4, RING_BYTES }, 0x10, false, 0, 0 },
	{ "bytes, no power of two",
	  { 0, UINT64_MAX, 384, 4, RING_BYTES },
	  0x2fe0,
	  true,
	  383,
	  0x2fe0 },
	{ "bytes, its end", { 0, UINT64_MAX, 384, 4, RING_BYTES }, 0x3000, false, 0, 0 },
	{ "bytes, far", { 0, UINT64_MAX, 384, 4, RING_BYTES }, UINT64_MAX << 5, false, 0, 0 },
	{ "entries, last", { 0x40, UINT64_MAX, 8, 4, RING_ENTRIES }, 7, true, 7, 0x120 },
	{ "entries, behind", { 0x40, UINT64_MAX, 8, 4, RING_ENTRIES }, 8, false, 0, 0 },
	{ "wrap, first round", { 0x40, UINT64_MAX, 8, 2, RING_WRAP }, 7, true, 7, 0xb0 },
	{ "wrap, second round", { 0x40, UINT64_MAX, 8, 2, RING_WRAP }, 8, true, 8, 0x40 },
	{ "wrap, its end", { 0x40, UINT64_MAX, 8, 2, RING_WRAP }, 15, true, 15, 0xb0 },
	{ "wrap, behind", { 0x40, UINT64_MAX, 8, 2, RING_WRAP }, 16, false, 0, 0 },
	{ "one entry", { 0x40, UINT64_MAX, 1, 2, RING_WRAP }, 1, true, 1, 0x40 },
};

static void test_positions(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(positions); i++) {
		const char *row = positions[i].name;
		const struct ring *r = &positions[i].ring;
		uint32_t position;

		check_eq(row, ring_position(r, positions[i].value, &position), positions[i].valid);
		if (!positions[i].valid)
			continue;
		check_eq(row, position, positions[i].position);
		check_eq(row, ring_address(r, position), positions[i].address);
		check_eq(row, ring_register(r, position), positions[i].value);
	}
}

/* Every head and tail of small rings, against counting on fingers. */
static void test_used(void **state)
{
	(void)state;
	for (unsigned index = RING_BYTES; index <= RING_WRAP; index++) {
		const struct ring r = { 0, UINT64_MAX, 4, 2, (enum ring_index)index };

		for (uint32_t head = 0; head < ring_span(&r); head++) {
			uint32_t tail = head;
			uint32_t room = index == RING_WRAP ? 4 : 3;

			for (uint32_t n = 0; n <= room; n++) {
				check_eq("used", ring_used(&r, head, tail), n);
				check_eq("full", ring_full(&r, head, tail), n == room);
				tail = ring_next(&r, tail);
			}
		}
	}
}

/* ---- commands ---- */

static struct {
	unsigned calls;
	unsigned unreadable;
	uint64_t number[64];
} ran;

/* A command's first word says what becomes of it. */
static enum ring_executed execute(struct viommu *u, const uint64_t *word)
{
	(void)u;
	if (!word) {
		ran.unreadable++;
		return RING_ERROR;
	}
	assert_true(ran.calls < ARRAY_COUNT(ran.number));
	ran.number[ran.calls++] = word[1];
	return (enum ring_executed)word[0];
}

static void put(uint64_t ring, unsigned entry, uint64_t becomes, uint64_t number)
{
	guest_put64(&g, ring + entry * 16, becomes);
	guest_put64(&g, ring + entry * 16 + 8, number);
}

static enum ring_executed run(struct ring_commands *c, uint32_t tail)
{
	enum ring_executed executed;

	memset(&ran, 0, sizeof(ran));
	assert_true(unit_begin(g.iommu));
	executed = ring_run(g.iommu, c, tail, execute, NULL);
	unit_end(g.iommu);
	return executed;
}

static void test_commands(void **state)
{
	struct ring_commands c;
	uint64_t at;

	(void)state;
	open_guest();
	at = guest_alloc(&g, 1);
	c = (struct ring_commands){ .ring = { at, UINT64_MAX, 8, 2, RING_BYTES }, .head = 6 };
	for (unsigned i = 0; i < 8; i++)
		put(at, i, RING_DONE, i);
	check_eq("empty", run(&c, 6), RING_DONE);
	check_eq("empty", ran.calls, 0);
	check_eq("over the end", run(&c, 1), RING_DONE);
	check_eq("over the end", ran.calls, 3);
	check_eq("over the end", ran.number[2], 0);
	check_eq("over the end", c.head, 1);

	put(at, 2, RING_WAITING, 2);
	check_eq("waits", run(&c, 5), RING_WAITING);
	check_eq("waits", ran.calls, 2);
	check_eq("waits", c.head, 2);
	put(at, 2, RING_ERROR, 22); /* the guest writes over it: it has been read */
	check_eq("waits again", run(&c, 5), RING_WAITING);
	check_eq("waits again", ran.number[0], 2);
	c.word[0] = RING_DONE;
	put(at, 3, RING_ERROR, 3);
	check_eq("done, then an error", run(&c, 5), RING_ERROR);
	check_eq("done, then an error", ran.calls, 2);
	check_eq("the head is on it", c.head, 3);
	put(at, 3, RING_ABORTED, 33); /* read again: the guest has mended it */
	check_eq("aborted", run(&c, 5), RING_ABORTED);
	check_eq("aborted", ran.number[0], 33);
	check_eq("the head is behind it", c.head, 4);
	guest_fini(&g);
}

static void test_restart(void **state)
{
	struct ring_commands c;
	uint64_t at;

	(void)state;
	open_guest();
	at = guest_alloc(&g, 1);
	c = (struct ring_commands){ .ring = { at, UINT64_MAX, 8, 2, RING_ENTRIES } };
	put(at, 0, RING_WAITING, 100);
	put(at, 5, RING_DONE, 5);
	check_eq("waits", run(&c, 1), RING_WAITING);
	ring_restart(&c, 5, false);
	c.word[0] = RING_DONE;
	check_eq("goes on apart", run(&c, 5), RING_DONE);
	check_eq("goes on apart", ran.number[0], 100);
	check_eq("the head is not its own", c.head, 5);
	check_eq("then the ring", run(&c, 6), RING_DONE);
	check_eq("then the ring", c.head, 6);
	ring_restart(&c, 0, false);
	check_eq("waits", run(&c, 1), RING_WAITING);
	ring_restart(&c, 5, true);
	check_eq("dropped", run(&c, 6), RING_DONE);
	check_eq("dropped", ran.number[0], 5);
	check_eq("dropped", ran.calls, 1);
	guest_fini(&g);
}

static const struct {
	const char *name;
	struct ring ring;
} unreadable[] = {
	{ "no memory", { UINT64_C(1) << 40, UINT64_MAX, 8, 2, RING_BYTES } },
	{ "beyond the limit", { GUEST_BASE, GUEST_BASE - 1, 8, 2, RING_BYTES } },
	{ "address wraps", { UINT64_MAX - 0xf, UINT64_MAX, 8, 2, RING_BYTES } },
};

static void test_unreadable(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(unreadable); i++) {
		struct ring_commands c = { .ring = unreadable[i].ring, .head = 1 };

		open_guest();
		check_eq(unreadable[i].name, run(&c, 2), RING_ERROR);
		check_eq(unreadable[i].name, ran.unreadable, 1);
		check_eq(unreadable[i].name, c.head, 1);
		check_eq(unreadable[i].name, c.held, false);
		guest_fini(&g);
	}
}

static void test_budget(void **state)
{
	struct viommu_limits limits = { .size = sizeof(limits), .queue_budget = 3, .steps = 100 };
	struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };
	struct ring_commands c;
	uint64_t at;

	(void)state;
	for (unsigned few = 0; few < 2; few++) {
		if (few)
			limits.steps = 2;
		guest_init(&g, GUEST_REGION, 64);
		config.cap = viommu_vtd_default_cap();
		config.ecap = viommu_vtd_default_ecap();
		assert_int_equal(guest_try_vtd_config(&g, &config), VIOMMU_OK);
		at = guest_alloc(&g, 1);
		c = (struct ring_commands){ .ring = { at, UINT64_MAX, 8, 2, RING_BYTES } };
		for (unsigned i = 0; i < 8; i++)
			put(at, i, RING_DONE, i);
		g.count[GUEST_ON_WORK] = 0;
		check_eq("budget", run(&c, 7), RING_WAITING);
		check_eq("budget", ran.calls, 3); /* the first is free */
		check_eq("work", g.count[GUEST_ON_WORK], 1);
		check_eq("budget", run(&c, 7), RING_WAITING);
		check_eq("budget", run(&c, 7), RING_DONE);
		check_eq("head", c.head, 7);
		guest_fini(&g);
	}
}

/* ---- commands together ---- */

/* Those of an even number that would be done; at most so many at a time. */
static struct {
	unsigned calls;
	uint32_t most;
} together;

static uint32_t burst(struct viommu *u, const uint64_t *word, uint32_t count)
{
	uint32_t n = 0;

	(void)u;
	together.calls++;
	assert_true(count && count <= RING_BURST);
	while (n < count && n < together.most) {
		uint64_t pair[2];

		mem_load_words(&word[2 * n], pair, 2);
		if (pair[0] != RING_DONE || pair[1] % 2)
			break;
		ran.number[ran.calls++] = pair[1];
		n++;
	}
	return n;
}

static enum ring_executed run_together(struct ring_commands *c, uint32_t tail, uint32_t most)
{
	enum ring_executed executed;

	memset(&ran, 0, sizeof(ran));
	memset(&together, 0, sizeof(together));
	together.most = most;
	assert_true(unit_begin(g.iommu));
	executed = ring_run(g.iommu, c, tail, execute, burst);
	unit_end(g.iommu);
	return executed;
}

static const struct {
	const char *name;
	enum ring_index index;
	uint32_t head;
	uint32_t tail;
	uint32_t most;
	uint64_t numbers; /* a digit each: those of the entries, from the first on */
	uint64_t ran;	  /* the same */
	unsigned bursts;
} bursts[] = {
	{ "all", RING_BYTES, 0, 7, 99, 0x22222222, 0x2222222, 1 },
	{ "over the end", RING_BYTES, 6, 3, 99, 0x86420246, 0x46864, 2 },
	{ "over the end of a round", RING_WRAP, 6, 11, 99, 0x86420246, 0x46864, 2 },
	{ "of the second round", RING_WRAP, 14, 3, 99, 0x86420246, 0x46864, 2 },
	{ "one by itself in between", RING_BYTES, 0, 6, 99, 0x22322222, 0x223222, 3 },
	{ "none, and of the last it is not asked", RING_BYTES, 0, 4, 99, 0x33333333, 0x3333, 3 },
	{ "two at a time, the last by itself", RING_BYTES, 0, 5, 2, 0x22222222, 0x22222, 2 },
	{ "empty", RING_BYTES, 3, 3, 99, 0x22222222, 0, 0 },
};

static void test_together(void **state)
{
	uint64_t at;

	(void)state;
	open_guest();
	at = guest_alloc(&g, 1);
	for (unsigned i = 0; i < ARRAY_COUNT(bursts); i++) {
		struct ring_commands c = { .ring = { at, UINT64_MAX, 8, 2, bursts[i].index },
					   .head = bursts[i].head };
		uint64_t order = g.iommu->command.order;
		uint64_t numbers = 0;

		for (unsigned n = 0; n < 8; n++)
			put(at, n, RING_DONE, bursts[i].numbers >> (28 - 4 * n) & 15);
		check_eq(bursts[i].name, run_together(&c, bursts[i].tail, bursts[i].most),
			 RING_DONE);
		for (unsigned n = 0; n < ran.calls; n++)
			numbers = numbers << 4 | ran.number[n];
		check_eq(bursts[i].name, numbers, bursts[i].ran);
		check_eq(bursts[i].name, together.calls, bursts[i].bursts);
		check_eq(bursts[i].name, c.head, bursts[i].tail);
		check_eq(bursts[i].name, g.iommu->command.order - order, ran.calls);
	}
	guest_fini(&g);
}

/* What cannot be read, or is not in one piece, is no matter of bursts; nor is what waits. */
static void test_not_together(void **state)
{
	struct ring_commands c;
	uint64_t at;

	(void)state;
	open_guest();
	at = guest_alloc(&g, 1);
	for (unsigned i = 0; i < 8; i++)
		put(at, i, RING_DONE, 2);
	c = (struct ring_commands){ .ring = { at, at + 0x2f, 8, 2, RING_BYTES } };
	check_eq("beyond the limit", run_together(&c, 5, 99), RING_ERROR);
	check_eq("beyond the limit", c.head, 3);
	c = (struct ring_commands){ .ring = { at + 8, UINT64_MAX, 8, 2, RING_BYTES } };
	for (unsigned i = 0; i < 3; i++)
		put(at, i, RING_DONE, RING_DONE);
	check_eq("not aligned", run_together(&c, 2, 99), RING_DONE);
	check_eq("not aligned", together.calls, 0);
	put(at, 0, RING_WAITING, 2);
	c = (struct ring_commands){ .ring = { at, UINT64_MAX, 8, 2, RING_BYTES } };
	check_eq("waits", run_together(&c, 4, 99), RING_WAITING);
	put(at, 0, RING_DONE, 4);
	check_eq("still", run_together(&c, 4, 99), RING_WAITING);
	check_eq("still", ran.number[0], 2);
	check_eq("still", together.calls, 0);
	for (unsigned i = 0; i < ARRAY_COUNT(unreadable); i++) {
		c = (struct ring_commands){ .ring = unreadable[i].ring, .head = 1 };
		check_eq(unreadable[i].name, run_together(&c, 3, 99), RING_ERROR);
		check_eq(unreadable[i].name, together.calls, 0);
	}
	guest_fini(&g);
}

/* Where memory ends. */
static void test_together_at_the_edge(void **state)
{
	struct ring_commands c;

	(void)state;
	open_guest();
	c = (struct ring_commands){ .ring = { GUEST_BASE + 64 * GUEST_PAGE - 0x30, UINT64_MAX, 8, 2,
					      RING_BYTES } };
	for (unsigned i = 0; i < 3; i++)
		put(c.ring.base, i, RING_DONE, 2);
	check_eq("as far as there is memory", run_together(&c, 6, 99), RING_ERROR);
	check_eq("as far as there is memory", ran.calls, 3);
	check_eq("as far as there is memory", ran.unreadable, 1);
	check_eq("as far as there is memory", c.head, 3);
	guest_fini(&g);
}

/* Each command is a step, and one of the budget, together or not. */
static void test_together_budget(void **state)
{
	static const struct {
		const char *name;
		uint32_t budget;
		uint32_t steps;
		uint32_t done;
	} rows[] = {
		{ "budget", 3, 100, 3 },    { "steps, and one is free", 100, 2, 3 },
		{ "one step", 100, 1, 2 },  { "budget of one", 1, 100, 1 },
		{ "just enough", 7, 6, 7 },
	};
	struct ring_commands c;
	uint64_t at;

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_limits limits = { .size = sizeof(limits),
						.queue_budget = rows[i].budget,
						.steps = rows[i].steps };
		struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };

		guest_init(&g, GUEST_REGION, 64);
		config.cap = viommu_vtd_default_cap();
		config.ecap = viommu_vtd_default_ecap();
		assert_int_equal(guest_try_vtd_config(&g, &config), VIOMMU_OK);
		at = guest_alloc(&g, 1);
		c = (struct ring_commands){ .ring = { at, UINT64_MAX, 8, 2, RING_BYTES } };
		for (unsigned n = 0; n < 8; n++)
			put(at, n, RING_DONE, n == 1 ? 3 : 2);
		check_eq(rows[i].name, run_together(&c, 7, 99),
			 rows[i].done < 7 ? RING_WAITING : RING_DONE);
		check_eq(rows[i].name, ran.calls, rows[i].done);
		check_eq(rows[i].name, c.head, rows[i].done);
		guest_fini(&g);
	}
}

/* ---- records ---- */

static const struct ring records = { 0, UINT64_MAX, 4, 2, RING_BYTES };

/* The writers of three entries end in some order; one of them cannot write, or none (3). */
static void test_records(void **state)
{
	static const unsigned order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned lost = 0; lost <= 3; lost++) {
			struct ring_records c = { .generation = 1 };
			struct ring_place place[3], none;
			uint32_t tail = 2;

			for (unsigned n = 0; n < 3; n++)
				assert_true(ring_reserve(&c, &records, 2, tail, &place[n]));
			assert_false(ring_reserve(&c, &records, 2, tail, &none));
			for (unsigned n = 0; n < 2; n++)
				check_eq("not the last",
					 ring_publish(&c, &records, &place[order[i][n]],
						      order[i][n] != lost, &tail),
					 RING_BUSY);
			check_eq("nothing shown yet", tail, 2);
			check_eq("the last",
				 ring_publish(&c, &records, &place[order[i][2]],
					      order[i][2] != lost, &tail),
				 lost < 2 ? RING_LOST : RING_PUBLISHED);
			check_eq("up to the first that is lost", tail, (2 + lost) % 4);
			check_eq("room again", ring_reserve(&c, &records, tail, tail, &none), true);
		}
	}
}

static void test_records_lost(void **state)
{
	struct ring_records c = { .generation = 1 };
	struct ring_place a, b;
	uint32_t tail = 0;

	(void)state;
	assert_true(ring_reserve(&c, &records, 0, tail, &a));
	assert_true(ring_reserve(&c, &records, 0, tail, &b));
	check_eq("first", ring_publish(&c, &records, &a, false, &tail), RING_BUSY);
	/* what came now could not be seen anyway */
	check_eq("none while one is lost", ring_reserve(&c, &records, 0, tail, &a), false);
	check_eq("second", ring_publish(&c, &records, &b, false, &tail), RING_LOST);
	check_eq("nothing", tail, 0);
	assert_true(ring_reserve(&c, &records, 0, tail, &a));
	ring_records_reset(&c);
	check_eq("of another ring", ring_publish(&c, &records, &a, true, &tail), RING_BUSY);
	check_eq("of another ring", tail, 0);
	assert_true(ring_reserve(&c, &records, 0, tail, &b));
	check_eq("of this one", ring_publish(&c, &records, &b, true, &tail), RING_PUBLISHED);
	check_eq("of this one", tail, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_used),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_not_together),
		cmocka_unit_test(test_together_at_the_edge),
		cmocka_unit_test(test_together_budget),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_records_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
