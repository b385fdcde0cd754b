/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pt_walk.c - geometry of every page-table format: levels x page sizes x places, the first
 * and the last byte of each mapping and of each table (obligation 6), reserved bits, and what is
 * loaded (obligation 3).
 */
#include "check.h"
#include "pt_rig.h"

#include <stdio.h>

#include "bits.h"

static struct pt_rig rig;
static char row[160];

static enum pt_end walk(const struct pt_tree *t, uint64_t iova, struct pt_walk *w)
{
	return pt_tree_walk(&rig, t, iova, w);
}

/* At an address, the walk finds this page and this byte of it. */
static void maps(const struct pt_tree *t, uint64_t iova, uint64_t gpa, unsigned lg2)
{
	struct pt_walk w;

	check_eq(row, walk(t, iova, &w), PT_OK);
	check_eq(row, w.found.gpa | (iova & bits_low(w.found.size_lg2)), gpa);
	check_eq(row, w.found.size_lg2, lg2);
	check_eq(row, w.found.iova, iova & ~bits_low(lg2));
}

static void maps_nothing(const struct pt_tree *t, uint64_t iova)
{
	struct pt_walk w;

	if (iova >> t->config.in_bits) /* the neighbour is outside */
		return;
	check_eq(row, walk(t, iova, &w), PT_NOT_PRESENT);
}

/* ---- places ---- */

/* The index at the page's level, and at all levels above. */
static const struct {
	unsigned index, above;
} places[] = {
	{ 0, 0 },   { 0, 1 },	  { 0, 511 },	{ 511, 0 },
	{ 511, 1 }, { 511, 511 }, { 255, 256 }, { 1, 0 },
};

static uint64_t address(const struct pt_rig_format *f, unsigned level, unsigned index,
			unsigned above)
{
	uint64_t iova = (uint64_t)index << (12 + 9 * level);

	for (unsigned l = level + 1; l < f->levels; l++)
		iova |= (uint64_t)above << (12 + 9 * l);
	return iova;
}

/* Loads of a walk that ends at @level: each level above, and under nesting each through the second
 * stage with its 1 GiB pages, the result too. */
static unsigned loads_of(const struct pt_rig_format *f, unsigned level)
{
	unsigned tables = f->levels - level;
	unsigned below = f->nested ? f->nested - 2 : 0;

	return tables * (1 + below) + below;
}

static void one_mapping(const struct pt_rig_format *f, unsigned level, unsigned place)
{
	unsigned lg2 = 12 + 9 * level;
	uint64_t iova = address(f, level, places[place].index, places[place].above);
	uint64_t gpa = f->nested ? UINT64_C(0x2a) << 33 : UINT64_C(0x2a) << 40;
	struct pt_tree t = pt_tree_plant(&rig, f);

	(void)snprintf(row, sizeof(row), "%s: 2^%u at index %u, %u above", f->name, lg2,
		       places[place].index, places[place].above);
	gpa &= ~bits_low(lg2);
	*pt_rig_word(&rig, pt_rig_entry(&rig, f, t.root, iova, level)) = pt_rig_leaf(f, level, gpa);
	maps(&t, iova, gpa, lg2);
	check_eq(row, rig.loads, loads_of(f, level));
	maps(&t, iova | bits_low(lg2), gpa | bits_low(lg2), lg2);
	maps(&t, iova + (UINT64_C(1) << (lg2 - 1)), gpa + (UINT64_C(1) << (lg2 - 1)), lg2);
	maps_nothing(&t, iova - 1);
	maps_nothing(&t, (iova | bits_low(lg2)) + 1);
}

static void every_mapping(void **state)
{
	for (unsigned i = 0; i < pt_rig_format_count; i++)
		for (unsigned level = 0; level < 3; level++)
			for (unsigned p = 0; p < sizeof(places) / sizeof(places[0]); p++)
				one_mapping(&pt_rig_formats[i], level, p);
}

/* Two pages beside one another, in one table or in two: the last byte of one, the first of the
 * other. */
static void one_border(const struct pt_rig_format *f, unsigned level, unsigned index)
{
	unsigned lg2 = 12 + 9 * level;
	uint64_t left = address(f, level, index, level + 1 < f->levels ? 3 : 0);
	uint64_t right = left + (UINT64_C(1) << lg2);
	uint64_t gpa_left = UINT64_C(7) << 30, gpa_right = UINT64_C(5) << 30;
	struct pt_tree t = pt_tree_plant(&rig, f);

	if (right >> t.config.in_bits)
		return;
	(void)snprintf(row, sizeof(row), "%s: border of 2^%u pages after index %u", f->name, lg2,
		       index);
	*pt_rig_word(&rig, pt_rig_entry(&rig, f, t.root, left, level)) =
		pt_rig_leaf(f, level, gpa_left);
	*pt_rig_word(&rig, pt_rig_entry(&rig, f, t.root, right, level)) =
		pt_rig_leaf(f, level, gpa_right);
	maps(&t, right - 1, gpa_left | bits_low(lg2), lg2);
	maps(&t, right, gpa_right, lg2);
}

static void every_border(void **state)
{
	static const unsigned indices[] = { 0, 254, 510, 511 };

	for (unsigned i = 0; i < pt_rig_format_count; i++)
		for (unsigned level = 0; level < 3; level++)
			for (unsigned k = 0; k < 4; k++)
				one_border(&pt_rig_formats[i], level, indices[k]);
}

/* ---- widths and bits ---- */

/* 3.7: MGAW below the table's depth: the top table is used up to the width only. */
static void narrow_inputs(void **state)
{
	for (unsigned i = 0; i < pt_rig_format_count; i++) {
		const struct pt_rig_format *f = &pt_rig_formats[i];

		for (unsigned less = 1; !f->nested && less <= 10; less++) {
			struct pt_tree t = pt_tree_plant(&rig, f);
			uint64_t last;

			t.config.in_bits = (uint8_t)(t.config.in_bits - less);
			last = bits_low(t.config.in_bits);
			(void)snprintf(row, sizeof(row), "%s: %u bits", f->name, t.config.in_bits);
			*pt_rig_word(&rig, pt_rig_entry(&rig, f, t.root, last, 0)) =
				pt_rig_leaf(f, 0, 0x5000);
			maps(&t, last, 0x5fff, 12);
			maps(&t, last & ~bits_low(12), 0x5000, 12);
			maps_nothing(&t, last - 4096);
			check_that(row, pt_fits(&t.config, last));
			check_that(row, !pt_fits(&t.config, last + 1));
			check_that(row, !pt_fits(&t.config, UINT64_MAX));
		}
	}
}

/* Which bits of an address field are reserved: those from HAW up, PS where there is no such page,
 * and those inside of a large page (but for PAT, first stage). */
static bool is_reserved(const struct pt_rig_format *f, unsigned level, bool leaf, unsigned bit)
{
	if (bit >= 46 && bit <= 51)
		return true;
	if (!f->first_stage && (bit == 62 || bit == 11))
		return true;
	if (bit == 7)
		return level > 2;
	if (!leaf || bit < 12 || bit >= 12 + 9 * level)
		return false;
	return !(f->first_stage && bit == 12);
}

/* Sets one bit of a good entry at @level, which is a page or a table. */
static void one_bit(const struct pt_rig_format *f, unsigned level, bool leaf, unsigned bit)
{
	uint64_t iova = address(f, 0, 2, 2) & bits_low(12 + 9 * f->levels);
	struct pt_tree t = pt_tree_plant(&rig, f);
	struct pt_walk w;
	uint64_t *word;
	enum pt_end end;

	(void)snprintf(row, sizeof(row), "%s: bit %u of a %s at level %u", f->name, bit,
		       leaf ? "page" : "table", level);
	if (leaf) {
		word = pt_rig_word(&rig, pt_rig_entry(&rig, f, t.root, iova, level));
		*word = pt_rig_leaf(f, level, UINT64_C(1) << 30);
	} else {
		*pt_rig_word(&rig, pt_rig_entry(&rig, f, t.root, iova, 0)) =
			pt_rig_leaf(f, 0, UINT64_C(1) << 30);
		word = pt_rig_word(&rig, pt_rig_entry(&rig, f, t.root, iova, level));
	}
	if (*word & BIT(bit))
		return;
	*word |= BIT(bit);
	end = walk(&t, iova, &w);
	if (is_reserved(f, level, leaf, bit))
		check_eq(row, end, PT_BAD_ENTRY);
	else if (bit < 12 || bit > 51)
		check_eq(row, end, PT_OK);
	else
		check_that(row, end != PT_BAD_ENTRY || !leaf);
}

static void every_bit(void **state)
{
	for (unsigned i = 0; i < pt_rig_format_count; i++) {
		const struct pt_rig_format *f = &pt_rig_formats[i];

		for (unsigned level = 0; level < f->levels; level++) {
			for (unsigned bit = 0; bit < 64; bit++) {
				bool turns_page = bit == 7 && (level == 1 || level == 2);

				if (level < 3)
					one_bit(f, level, true, bit);
				if (level > 0 && !turns_page)
					one_bit(f, level, false, bit);
			}
		}
	}
}

/* A page size that the unit does not have is a reserved bit. */
static void absent_sizes(void **state)
{
	for (unsigned i = 0; i < pt_rig_format_count; i++) {
		const struct pt_rig_format *f = &pt_rig_formats[i];

		for (unsigned level = 1; level < 3; level++) {
			struct pt_tree t = pt_tree_plant(&rig, f);
			struct pt_walk w;
			bool has = f->first_stage && level == 1;

			(void)snprintf(row, sizeof(row), "%s: no 2^%u pages", f->name,
				       12 + 9 * level);
			t.config.flags = 0;
			*pt_rig_word(&rig, pt_rig_entry(&rig, f, t.root, 0, level)) =
				pt_rig_leaf(f, level, 0);
			check_eq(row, walk(&t, 0, &w), has ? PT_OK : PT_BAD_ENTRY);
		}
	}
}

/* ---- bounded work (obligation 3) ---- */

static void self_references_end(void **state)
{
	for (unsigned i = 0; i < pt_rig_format_count; i++) {
		struct pt_tree t = pt_tree_loop(&rig, &pt_rig_formats[i]);
		uint64_t iova = address(t.f, 0, 77, 77) & bits_low(t.config.in_bits);

		(void)snprintf(row, sizeof(row), "%s: table of itself", t.f->name);
		maps(&t, iova, t.root, 12);
		check_eq(row, rig.loads, loads_of(t.f, 0));
	}
}

static int setup(void **state)
{
	pt_rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	pt_rig_fini(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mapping), cmocka_unit_test(every_border),
		cmocka_unit_test(narrow_inputs), cmocka_unit_test(every_bit),
		cmocka_unit_test(absent_sizes),	 cmocka_unit_test(self_references_end),
	};

	return cmocka_run_group_tests_name("fmt/pt_walk", tests, setup, teardown);
}
