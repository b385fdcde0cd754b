/* SPDX-License-Identifier: BSD-3-Clause */
/* test_visit.c - fmt/walk.h, pt_visit: exactly the pages that walks find, in order, in pieces. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "run.h"
#include "pt_visit.h"

/* Toy tables of four entries; an entry is kind (1:0), next level (4:2), permission (9:7), address. */
#define KIND BITS(1, 0)
#define NEXT BITS(4, 2)
#define PERM BITS(9, 7)
#define ADDR BITS(63, 12)

#define TABLES 16U
static uint64_t memory[TABLES][4];
static bool unreadable[TABLES];
static unsigned loads;

static const struct pt_config config3 = {
	.root = 0, .top = 2, .page_lg2 = 12, .index_lg2 = 2, .entry_lg2 = 3, .in_bits = 18
};
#define SPACE BIT(18)

static struct pt_item toy_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				 unsigned level)
{
	return (struct pt_item){ .addr = raw & ADDR,
				 .kind = (uint8_t)(raw & KIND),
				 .next = (uint8_t)bits_get(raw, NEXT),
				 .lg2 = (uint8_t)pt_shift(c, level),
				 .perm = (uint8_t)bits_get(raw, PERM) };
}

static enum pt_end toy_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	uint64_t table = s->entry / 4096;

	assert_true(++loads < 100000);
	assert_true(table < TABLES && s->entry % 4096 < 32);
	s->at = s->entry;
	if (unreadable[table])
		return PT_LOAD_FAILED;
	*raw = memory[table][s->entry % 4096 / 8];
	return PT_OK;
}

static const struct pt_format toy = { .decode = toy_decode };
static const struct pt_memory plain = { toy_load, NULL };

struct pages {
	struct translation page[256];
	unsigned count;
	unsigned stop_at; /* the page with this number stops; 0: none */
};

static int collect(void *opaque, const struct translation *page)
{
	struct pages *p = opaque;

	if (p->stop_at && p->count + 1 == p->stop_at) {
		p->stop_at = 0;
		return 1;
	}
	assert_true(p->count < ARRAY_COUNT(p->page));
	p->page[p->count++] = *page;
	return 0;
}

static struct pt_visit visit_of(struct pages *p, uint64_t first, uint64_t last, uint32_t budget)
{
	return (struct pt_visit){ .walk.config = &config3,
				  .next = first,
				  .last = last,
				  .budget = budget,
				  .page = collect,
				  .opaque = p };
}

/* What the walks say: each block that overlaps the range, once. */
static void by_walks(struct pages *p, uint64_t first, uint64_t last)
{
	p->count = 0;
	for (uint64_t at = first & ~UINT64_C(0xfff); at <= last; at += 0x1000) {
		struct pt_walk w = { .config = &config3, .iova = at };

		if (pt_walk(&toy, &plain, &w) != PT_OK)
			continue;
		if (p->count && p->page[p->count - 1].iova == w.found.iova &&
		    p->page[p->count - 1].size_lg2 == w.found.size_lg2)
			continue;
		assert_true(p->count < ARRAY_COUNT(p->page));
		p->page[p->count++] = w.found;
	}
}

static void same_pages(const struct pages *a, const struct pages *b)
{
	assert_int_equal(a->count, b->count);
	for (unsigned i = 0; i < a->count; i++) {
		assert_int_equal(a->page[i].iova, b->page[i].iova);
		assert_int_equal(a->page[i].gpa, b->page[i].gpa);
		assert_int_equal(a->page[i].size_lg2, b->page[i].size_lg2);
		assert_int_equal(a->page[i].perm, b->page[i].perm & PERM_USER);
	}
}

/* In one go, in pieces of every budget, and stopped once at every page: always the same. */
static void compare(uint64_t first, uint64_t last)
{
	struct pages expected, p;
	struct pt_visit v;

	by_walks(&expected, first, last);
	p = (struct pages){ .count = 0 };
	v = visit_of(&p, first, last, 10000);
	loads = 0;
	assert_int_equal(pt_visit(&toy, &plain, &v), PT_VISIT_DONE);
	assert_int_equal(loads, 10000 - v.budget);
	same_pages(&p, &expected);
	for (uint32_t budget = config3.top + 1U; budget < 9; budget++) {
		unsigned calls = 0;

		p = (struct pages){ .count = 0 };
		v = visit_of(&p, first, last, budget);
		for (;;) {
			enum pt_visit_end end;

			loads = 0;
			end = pt_visit(&toy, &plain, &v);
			assert_true(loads <= budget + PT_LEVELS);
			if (end == PT_VISIT_DONE)
				break;
			assert_int_equal(end, PT_VISIT_BUDGET);
			assert_true(++calls < 200);
			v.budget = budget;
		}
		same_pages(&p, &expected);
	}
}

static void setup_random(void)
{
	memset(unreadable, 0, sizeof(unreadable));
	for (unsigned t = 0; t < TABLES; t++) {
		unreadable[t] = t && rand() % 24 == 0;
		for (unsigned i = 0; i < 4; i++) {
			unsigned kind = (unsigned)rand() % 8;

			memory[t][i] = (uint64_t)(rand() % (int)TABLES) << 12 |
				       bits_put(PERM, (uint64_t)rand()) |
				       (kind < 4    ? (uint64_t)PT_TABLE
					: kind < 6  ? (uint64_t)PT_LEAF
					: kind == 6 ? (uint64_t)PT_RESERVED
						    : (uint64_t)PT_EMPTY) |
				       bits_put(NEXT, (uint64_t)rand() % 3);
		}
	}
}

static void random_tables(void **state)
{
	srand((unsigned)run_seed(1));
	for (unsigned i = 0; i < 1500; i++) {
		uint64_t first = (uint64_t)rand() % SPACE;
		uint64_t last = first + (uint64_t)rand() % (SPACE - first);

		setup_random();
		compare(0, SPACE - 1);
		compare(first, last);
		compare(first, first);
	}
}

/* ---- single cases ---- */

static void setup_full(void)
{
	memset(memory, 0, sizeof(memory));
	memset(unreadable, 0, sizeof(unreadable));
	memory[0][0] = 0x1000 | PT_TABLE | bits_put(NEXT, 1) | bits_put(PERM, 7);
	memory[1][1] = 0x2000 | PT_TABLE | bits_put(NEXT, 0) | bits_put(PERM, 7);
	for (unsigned i = 0; i < 4; i++)
		memory[2][i] = (0x40000 + i * 0x1000U) | PT_LEAF | bits_put(PERM, 7);
	memory[0][3] = 0x80000 | PT_LEAF | bits_put(PERM, 1);
}

/* Pages are at 0x4000-0x7fff; and 0x30000-0x3ffff, one large one. */
static const struct {
	const char *name;
	uint64_t first, last;
	unsigned count;
} ranges[] = {
	{ "everything", 0, SPACE - 1, 5 },
	{ "one byte of a page", 0x4fff, 0x4fff, 1 },
	{ "first byte", 0x4000, 0x4000, 1 },
	{ "the byte before", 0x3fff, 0x3fff, 0 },
	{ "across one boundary", 0x4fff, 0x5000, 2 },
	{ "up to the last byte", 0x7fff, 0x2ffff, 1 },
	{ "the byte behind", 0x8000, 0x2ffff, 0 },
	{ "inside the large page", 0x34567, 0x34568, 1 },
	{ "the last byte of all", SPACE - 1, SPACE - 1, 1 },
	{ "from a hole into a page", 0, 0x4000, 1 },
};

static void ranges_and_their_ends(void **state)
{
	setup_full();
	for (size_t i = 0; i < ARRAY_COUNT(ranges); i++) {
		struct pages p = { .count = 0 };
		struct pt_visit v = visit_of(&p, ranges[i].first, ranges[i].last, 100);

		check_eq(ranges[i].name, pt_visit(&toy, &plain, &v), PT_VISIT_DONE);
		check_eq(ranges[i].name, p.count, ranges[i].count);
		compare(ranges[i].first, ranges[i].last);
	}
}

/* Every table points to one below it: 64 pages, not more, and never more loads than the budget
 * (obligation 3). */
static void self_referencing_tables(void **state)
{
	struct pages p = { .count = 0 };
	struct pt_visit v = visit_of(&p, 0, SPACE - 1, 20);

	memset(unreadable, 0, sizeof(unreadable));
	for (unsigned t = 0; t < 3; t++) {
		for (unsigned i = 0; i < 4; i++)
			memory[t][i] = t == 2 ? 0x9000 | PT_LEAF | bits_put(PERM, 7)
					      : (t + 1U) << 12 | (uint64_t)PT_TABLE |
							bits_put(NEXT, 1 - t) | bits_put(PERM, 7);
	}
	loads = 0;
	assert_int_equal(pt_visit(&toy, &plain, &v), PT_VISIT_BUDGET);
	assert_true(loads <= 20 + PT_LEVELS);
	v.budget = 10000;
	assert_int_equal(pt_visit(&toy, &plain, &v), PT_VISIT_DONE);
	assert_int_equal(p.count, 64);
}

/* However small the budget, calls that go on where the last one stopped come to an end. */
static void small_budgets_make_progress(void **state)
{
	for (uint32_t budget = 1; budget <= config3.top; budget++) {
		struct pages p = { .count = 0 };
		struct pt_visit v = visit_of(&p, 0, SPACE - 1, budget);
		unsigned calls = 0;

		setup_full();
		while (pt_visit(&toy, &plain, &v) == PT_VISIT_BUDGET && ++calls < 1000)
			v.budget = budget;
		assert_true(calls < 1000);
		assert_int_equal(p.count, 5);
	}
}

static void stopped_at_each_page(void **state)
{
	setup_full();
	for (unsigned n = 1; n <= 5; n++) {
		struct pages p = { .stop_at = n };
		struct pt_visit v = visit_of(&p, 0, SPACE - 1, 100);

		assert_int_equal(pt_visit(&toy, &plain, &v), PT_VISIT_STOPPED);
		assert_int_equal(p.count, n - 1);
		assert_int_equal(pt_visit(&toy, &plain, &v), PT_VISIT_DONE);
		assert_int_equal(p.count, 5);
	}
}

/* 64 bits of input: the last page, and no wrap behind it. */
static void whole_address_space(void **state)
{
	struct pt_config c = {
		.root = 0, .top = 1, .page_lg2 = 60, .index_lg2 = 2, .entry_lg2 = 3, .in_bits = 64
	};
	struct pages p = { .count = 0 };
	struct pt_visit v = visit_of(&p, 0, UINT64_MAX, 1000);

	memset(memory, 0, sizeof(memory));
	memset(unreadable, 0, sizeof(unreadable));
	memory[0][3] = 0x1000 | PT_TABLE | bits_put(PERM, 7);
	memory[1][3] = PT_LEAF | bits_put(PERM, 5);
	v.walk.config = &c;
	assert_int_equal(pt_visit(&toy, &plain, &v), PT_VISIT_DONE);
	assert_int_equal(p.count, 1);
	assert_int_equal(p.page[0].iova, UINT64_C(0xf000000000000000));
	assert_int_equal(v.next, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_tables),
		cmocka_unit_test(ranges_and_their_ends),
		cmocka_unit_test(self_referencing_tables),
		cmocka_unit_test(small_budgets_make_progress),
		cmocka_unit_test(stopped_at_each_page),
		cmocka_unit_test(whole_address_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
