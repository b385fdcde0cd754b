/* SPDX-License-Identifier: BSD-3-Clause */
/* test_walk.c - fmt/walk.h with a toy format: levels fall, loads are bounded, changes are seen. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "walk.h"

/*
 * Toy entries. Bits 1:0 are enum pt_kind, 4:2 the next table's level, 5 accessed, 6 dirty, 9:7
 * permission (read, write, execute), 63:12 the address. Tables of four entries, pages of 4 KiB.
 */
#define KIND	 BITS(1, 0)
#define NEXT	 BITS(4, 2)
#define ACCESSED BIT(5)
#define DIRTY	 BIT(6)
#define PERM	 BITS(9, 7)
#define ADDR	 BITS(63, 12)

#define TABLE(addr, next, perm) ((addr) | PT_TABLE | bits_put(NEXT, next) | bits_put(PERM, perm))
#define LEAF(addr, perm)	((addr) | PT_LEAF | bits_put(PERM, perm))
#define BAD			((uint64_t)PT_RESERVED)
#define RWX			7U

static const struct pt_config config3 = {
	.root = 0, .top = 2, .page_lg2 = 12, .index_lg2 = 2, .entry_lg2 = 3, .in_bits = 18
};

static struct pt_item toy_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				 unsigned level)
{
	unsigned perm = (unsigned)bits_get(raw, PERM);

	return (struct pt_item){ .addr = raw & ADDR,
				 .kind = (uint8_t)(raw & KIND),
				 .next = (uint8_t)bits_get(raw, NEXT),
				 .lg2 = (uint8_t)pt_shift(c, level),
				 .perm = (uint8_t)(perm | perm << 3 | (unsigned)PERM_DIRTY) };
}

static uint64_t toy_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	return raw | ACCESSED | (leaf && write ? DIRTY : 0);
}

/* Memory: a page is an array of entries at its address. */
static uint64_t memory[64][4];
static unsigned loads, updates;
static unsigned fail_load;	  /* the nth load fails; 0: none */
static enum pt_end update_answer; /* PT_OK: do it */
static unsigned changes_left;	  /* so many updates find that the entry has changed */
static uint64_t changed_to;	  /* to this; 0: it only looks so */

static uint64_t *entry_at(uint64_t gpa)
{
	assert_true(gpa < sizeof(memory) / 32 * 4096 && gpa % 4096 < 32 && gpa % 8 == 0);
	return &memory[gpa / 4096][gpa % 4096 / 8];
}

static enum pt_end toy_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	s->at = s->entry;
	assert_true(++loads < 1000);
	if (fail_load && loads == fail_load)
		return PT_LOAD_FAILED;
	*raw = *entry_at(s->entry);
	return PT_OK;
}

static enum pt_end toy_update(struct pt_walk *w, struct pt_step *s, uint64_t raw, uint64_t desired)
{
	updates++;
	assert_int_equal(raw, *entry_at(s->entry));
	assert_int_not_equal(raw, desired);
	if (update_answer != PT_OK)
		return update_answer;
	if (changes_left) {
		changes_left--;
		if (changed_to)
			*entry_at(s->entry) = changed_to;
		return PT_CHANGED;
	}
	*entry_at(s->entry) = desired;
	return PT_OK;
}

static const struct pt_format toy = { .decode = toy_decode, .touch = toy_touch };
static const struct pt_memory touched = { toy_load, toy_update };
static const struct pt_memory untouched = { toy_load, NULL };

static enum pt_end walk(struct pt_walk *w)
{
	loads = 0;
	updates = 0;
	return pt_walk(&toy, &touched, w);
}

static enum pt_end peek(struct pt_walk *w)
{
	loads = 0;
	updates = 0;
	return pt_walk(&toy, &untouched, w);
}

static struct pt_walk ask(uint64_t iova, unsigned need)
{
	return (struct pt_walk){ .config = &config3,
				 .iova = iova,
				 .need = (uint8_t)need,
				 .dirty = need & VIOMMU_WRITE };
}

/* A full path to a page at iova 0x1b000 (entries 1, 2, 3): tables at 0, 0x1000, 0x2000. */
static void setup_path(void)
{
	memset(memory, 0, sizeof(memory));
	fail_load = 0;
	changes_left = 0;
	changed_to = 0;
	update_answer = PT_OK;
	memory[0][1] = TABLE(0x1000, 1, RWX);
	memory[1][2] = TABLE(0x2000, 0, RWX);
	memory[2][3] = LEAF(0x77000, RWX);
}

#define IOVA UINT64_C(0x1b000)

/* ---- the walk ---- */

static void finds_the_page(void **state)
{
	struct pt_walk w = ask(IOVA + 0x123, VIOMMU_READ);

	setup_path();
	assert_int_equal(walk(&w), PT_OK);
	assert_int_equal(w.found.iova, IOVA);
	assert_int_equal(w.found.gpa, 0x77000);
	assert_int_equal(w.found.size_lg2, 12);
	assert_int_equal(w.found.perm, PERM_ALL | PERM_DIRTY);
	assert_int_equal(loads, 3);
	assert_int_equal(w.level, 0);
	assert_int_equal(w.entry, 0x2018);
}

/* First and last byte of every page of every level, and the entries beside it (obligation 6). */
static void boundaries(void **state)
{
	for (unsigned level = 0; level <= 2; level++) {
		uint64_t bytes = BIT(12 + 2 * level);
		uint64_t first = IOVA & ~(bytes - 1);

		setup_path();
		memory[2 - level][IOVA >> (12 + 2 * level) & 3] = LEAF(0x40000, RWX);
		for (uint64_t at = first - 1; at != first + bytes + 1; at++) {
			struct pt_walk w = ask(at & BITS(17, 0), VIOMMU_READ);
			bool inside = at >= first && at - first < bytes;

			assert_int_equal(peek(&w), inside ? PT_OK : PT_NOT_PRESENT);
			if (!inside)
				continue;
			assert_int_equal(w.found.iova, first);
			assert_int_equal(w.found.gpa, 0x40000);
			assert_int_equal(w.found.size_lg2, 12 + 2 * level);
			assert_int_equal(loads, 3 - level);
		}
	}
}

/* The top table may have more or fewer entries than the others. */
static void width_of_the_top_table(void **state)
{
	struct pt_config c = config3;

	for (uint8_t bits = 16; bits <= 22; bits++) {
		uint64_t iova = bits_low(bits);

		c.in_bits = bits;
		assert_int_equal(pt_entry_address(&c, 0x5000, iova, 2),
				 0x5000 + 8 * ((UINT64_C(1) << (bits - 16)) - 1));
		assert_int_equal(pt_entry_address(&c, 0x5000, iova, 1), 0x5018);
		assert_true(pt_fits(&c, iova));
		assert_false(pt_fits(&c, iova + 1));
		assert_false(pt_fits(&c, BIT(63)));
	}
	c.in_bits = 64;
	assert_true(pt_fits(&c, UINT64_MAX));
}

/* Permission is what all levels grant (obligation 7): every combination of three levels and a need. */
static void folded_permission(void **state)
{
	for (unsigned code = 0; code < 8 * 8 * 8 * 8; code++) {
		unsigned a = code & 7, b = code >> 3 & 7, c = code >> 6 & 7, need = code >> 9;
		unsigned perm = a & b & c;
		struct pt_walk w = ask(IOVA, need);

		setup_path();
		memory[0][1] = TABLE(0x1000, 1, a);
		memory[1][2] = TABLE(0x2000, 0, b);
		memory[2][3] = LEAF(0x77000, c);
		assert_int_equal(walk(&w), (perm & need) == need ? PT_OK : PT_DENIED);
		assert_int_equal(w.found.perm & PERM_USER, perm);
		assert_int_equal(w.found.perm >> 3 & 7, perm);
		/* a page that is refused is left as it was, its tables were used */
		assert_int_equal(memory[0][1] & ACCESSED, ACCESSED);
		assert_int_equal(memory[1][2] & ACCESSED, ACCESSED);
		assert_int_equal(memory[2][3] & ACCESSED, (perm & need) == need ? ACCESSED : 0);
		assert_int_equal(memory[2][3] & DIRTY,
				 (perm & need) == need && need & VIOMMU_WRITE ? DIRTY : 0);
		assert_int_equal(memory[0][1] & DIRTY, 0);
	}
}

static void ends_of_a_walk(void **state)
{
	for (unsigned level = 0; level <= 2; level++) {
		uint64_t *entry = &memory[2 - level][level == 2 ? 1 : level == 1 ? 2 : 3];
		struct pt_walk w = ask(IOVA, VIOMMU_READ);

		setup_path();
		*entry = 0;
		assert_int_equal(walk(&w), PT_NOT_PRESENT);
		assert_int_equal(w.level, level);
		setup_path();
		*entry = BAD | ADDR;
		assert_int_equal(walk(&w), PT_BAD_ENTRY);
		assert_int_equal(w.level, level);
		setup_path();
		fail_load = 3 - level;
		assert_int_equal(walk(&w), PT_LOAD_FAILED);
		assert_int_equal(w.level, level);
		assert_int_equal(loads, 3 - level);
	}
}

/* A table whose level is not below its entry's is refused, however it got there. */
static void levels_fall(void **state)
{
	for (unsigned level = 0; level <= 2; level++) {
		for (unsigned next = 0; next < 8; next++) {
			struct pt_walk w = ask(IOVA, VIOMMU_READ);

			setup_path();
			memory[2 - level][level == 2   ? 1
					  : level == 1 ? 2
						       : 3] = TABLE(0x2000, next, RWX);
			/* the table at 0x2000 has one entry, which its level 0 finds */
			assert_int_equal(walk(&w), next >= level ? PT_BAD_LEVEL
						   : next == 0	 ? PT_OK
								 : PT_NOT_PRESENT);
			assert_true(loads <= 3);
		}
	}
}

/* Every entry points to its own table: the walk still ends at the bottom (obligation 3). */
static void self_reference(void **state)
{
	struct pt_walk w = ask(IOVA, VIOMMU_READ);

	setup_path();
	for (unsigned i = 0; i < 4; i++)
		memory[0][i] = TABLE(0, i == 1 ? 1 : 0, RWX);
	assert_int_equal(walk(&w), PT_BAD_LEVEL);
	assert_true(loads <= 3);
}

/* A table may be two levels down: the bits in between are not looked at. */
static void a_level_is_skipped(void **state)
{
	struct pt_walk w = ask(IOVA, VIOMMU_READ);

	setup_path();
	memory[0][1] = TABLE(0x2000, 0, RWX);
	assert_int_equal(walk(&w), PT_OK);
	assert_int_equal(loads, 2);
	assert_int_equal(w.found.gpa, 0x77000);
}

/* ---- accessed and dirty ---- */

static void recorded_once(void **state)
{
	struct pt_walk w = ask(IOVA, VIOMMU_READ);

	setup_path();
	assert_int_equal(walk(&w), PT_OK);
	assert_int_equal(updates, 3);
	assert_int_equal(memory[2][3] & (ACCESSED | DIRTY), ACCESSED);
	w = ask(IOVA, VIOMMU_READ);
	assert_int_equal(walk(&w), PT_OK);
	assert_int_equal(updates, 0);
	w = ask(IOVA, VIOMMU_WRITE);
	assert_int_equal(walk(&w), PT_OK);
	assert_int_equal(updates, 1);
	assert_int_equal(memory[2][3] & (ACCESSED | DIRTY), ACCESSED | DIRTY);
	setup_path();
	w = ask(IOVA, VIOMMU_WRITE);
	assert_int_equal(peek(&w), PT_OK);
	assert_int_equal(memory[0][1] | memory[1][2] | memory[2][3],
			 (memory[0][1] | memory[1][2] | memory[2][3]) & ~(ACCESSED | DIRTY));
}

/* Memory that changes at every compare-and-swap: so many tries and no more. */
static void changing_memory(void **state)
{
	for (unsigned n = 0; n <= PT_TRIES + 4; n++) {
		struct pt_walk w = ask(IOVA, VIOMMU_READ);

		setup_path();
		changes_left = n;
		assert_int_equal(walk(&w), n <= PT_TRIES ? PT_OK : PT_TOUCH_FAILED);
		assert_true(loads <= config3.top + 1U + PT_TRIES);
		assert_true(updates <= config3.top + 1U + PT_TRIES);
	}
}

/* What an entry has changed to is what counts: nothing of the old one is used. */
static void changed_entry_is_decoded_again(void **state)
{
	const struct {
		const char *name;
		uint64_t to;
		enum pt_end end;
		uint64_t gpa;
	} rows[] = {
		{ "another page", LEAF(UINT64_C(0x55000), RWX), PT_OK, 0x55000 },
		{ "no longer there", ACCESSED, PT_NOT_PRESENT, 0 },
		{ "reserved", BAD, PT_BAD_ENTRY, 0 },
		{ "no longer permitted", LEAF(UINT64_C(0x55000), 4), PT_DENIED, 0x55000 },
		{ "a table of its own level", TABLE(UINT64_C(0x1000), 0, RWX), PT_BAD_LEVEL, 0 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct pt_walk w = ask(IOVA, VIOMMU_READ);

		setup_path();
		memory[0][1] |= ACCESSED;
		memory[1][2] |= ACCESSED;
		changes_left = 1;
		changed_to = rows[i].to;
		check_eq(rows[i].name, walk(&w), rows[i].end);
		if (rows[i].gpa)
			check_eq(rows[i].name, w.found.gpa, rows[i].gpa);
	}
	/* a table entry that became a large page */
	struct pt_walk w = ask(IOVA, VIOMMU_READ);

	setup_path();
	changes_left = 1;
	changed_to = LEAF(UINT64_C(0x30000), 1);
	assert_int_equal(walk(&w), PT_OK);
	assert_int_equal(w.found.size_lg2, 16);
	assert_int_equal(w.found.perm & PERM_USER, 1);
}

static void updates_that_fail(void **state)
{
	static const enum pt_end ends[] = { PT_UNSNOOPED, PT_TOUCH_FAILED, PT_STAGE2_TOUCH };

	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		for (unsigned level = 0; level <= 2; level++) {
			struct pt_walk w = ask(IOVA, VIOMMU_READ);

			setup_path();
			update_answer = ends[i];
			if (level < 2)
				memory[0][1] |= ACCESSED;
			if (level < 1)
				memory[1][2] |= ACCESSED;
			assert_int_equal(walk(&w), ends[i]);
			assert_int_equal(w.level, level);
			assert_int_equal(updates, 1);
		}
	}
}

/* At least one of `any`: refused before the page is touched. */
static void any_of_several(void **state)
{
	for (unsigned perm = 0; perm < 8; perm++) {
		struct pt_walk w = ask(IOVA, 0);

		setup_path();
		w.any = VIOMMU_READ | VIOMMU_WRITE;
		memory[2][3] = LEAF(0x77000, perm);
		assert_int_equal(walk(&w), perm & 3 ? PT_OK : PT_DENIED);
		assert_int_equal(memory[2][3] & ACCESSED, perm & 3 ? ACCESSED : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_page),
		cmocka_unit_test(boundaries),
		cmocka_unit_test(width_of_the_top_table),
		cmocka_unit_test(folded_permission),
		cmocka_unit_test(ends_of_a_walk),
		cmocka_unit_test(levels_fall),
		cmocka_unit_test(self_reference),
		cmocka_unit_test(a_level_is_skipped),
		cmocka_unit_test(recorded_once),
		cmocka_unit_test(changing_memory),
		cmocka_unit_test(changed_entry_is_decoded_again),
		cmocka_unit_test(updates_that_fail),
		cmocka_unit_test(any_of_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
