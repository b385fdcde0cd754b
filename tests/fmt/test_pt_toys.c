/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pt_toys.c - what walk.h can do for formats to come: pt_toys.h. */
#include "check.h"
#include "pt_rig.h"
#include "pt_toys.h"

#include <stdio.h>
#include <string.h>

#include "bits.h"

static _Alignas(4096) struct pt_rig rig;

#define RW (VIOMMU_READ | VIOMMU_WRITE)

/* ---- entries that name levels ---- */

/* Four levels; tables are pages 1 (the top), 2, 3 and 4. */
static const struct pt_config hop_config = { .root = 0x1000,
					     .top = 3,
					     .page_lg2 = 12,
					     .index_lg2 = 9,
					     .entry_lg2 = 3,
					     .in_bits = 48,
					     .out_bits = 52 };

#define TABLE(page, n) ((uint64_t)(page) << 12 | HOP_NEXT(n) | HOP_RW | HOP_P)
#define PAGE(gpa)      ((gpa) | HOP_RW | HOP_P)
#define SIZED(gpa)     ((gpa) | HOP_NEXT(7) | HOP_RW | HOP_P)

struct put {
	unsigned page, index;
	uint64_t raw;
};

static const struct {
	const char *name;
	struct put put[4];
	uint64_t iova;
	uint8_t need, deny;
	enum pt_end end;
	uint64_t gpa; /* of the address */
	unsigned lg2;
	unsigned loads;
} hop_rows[] = {
	{ "four tables",
	  { { 1, 1, TABLE(2, 3) },
	    { 2, 2, TABLE(3, 2) },
	    { 3, 3, TABLE(4, 1) },
	    { 4, 4, PAGE(0x5000) } },
	  0x8080604123,
	  RW,
	  0,
	  PT_OK,
	  0x5123,
	  12,
	  4 },
	{ "a page of 2 MiB",
	  { { 1, 0, TABLE(2, 3) }, { 2, 0, TABLE(3, 2) }, { 3, 1, PAGE(0x40000000) } },
	  0x212345,
	  RW,
	  0,
	  PT_OK,
	  0x40012345,
	  21,
	  3 },
	{ "a page of 512 GiB", { { 1, 1, PAGE(0) } }, 0x8000000123, RW, 0, PT_OK, 0x123, 39, 1 },
	{ "from the top to the lowest",
	  { { 1, 1, TABLE(4, 1) }, { 4, 4, PAGE(0x5000) } },
	  0x8000004123,
	  RW,
	  0,
	  PT_OK,
	  0x5123,
	  12,
	  2 },
	{ "and the address has bits of a level between",
	  { { 1, 1, TABLE(4, 1) }, { 4, 4, PAGE(0x5000) } },
	  0x8000204123,
	  RW,
	  0,
	  PT_BAD_LEVEL,
	  0,
	  0,
	  1 },
	{ "the highest of them",
	  { { 1, 1, TABLE(4, 1) }, { 4, 4, PAGE(0x5000) } },
	  0xc000004123,
	  RW,
	  0,
	  PT_BAD_LEVEL,
	  0,
	  0,
	  1 },
	{ "past one level",
	  { { 1, 0, TABLE(3, 2) }, { 3, 511, TABLE(4, 1) }, { 4, 511, PAGE(0x5000) } },
	  0x3fffffff,
	  RW,
	  0,
	  PT_OK,
	  0x5fff,
	  12,
	  3 },
	{ "past one level, its lowest bit",
	  { { 1, 0, TABLE(3, 2) } },
	  0x40000000,
	  RW,
	  0,
	  PT_BAD_LEVEL,
	  0,
	  0,
	  1 },
	{ "to its own level", { { 1, 0, TABLE(2, 4) } }, 0, RW, 0, PT_BAD_LEVEL, 0, 0, 1 },
	{ "upwards",
	  { { 1, 0, TABLE(2, 3) }, { 2, 0, TABLE(1, 5) } },
	  0,
	  RW,
	  0,
	  PT_BAD_LEVEL,
	  0,
	  0,
	  2 },
	{ "from the lowest",
	  { { 1, 0, TABLE(4, 1) }, { 4, 0, TABLE(4, 1) } },
	  0,
	  RW,
	  0,
	  PT_BAD_LEVEL,
	  0,
	  0,
	  2 },
	{ "reserved", { { 1, 0, PAGE(0) | HOP_RSVD } }, 0, RW, 0, PT_BAD_ENTRY, 0, 0, 1 },
	{ "8 KiB",
	  { { 1, 0, TABLE(4, 1) }, { 4, 3, SIZED(0x6000) } },
	  0x3123,
	  RW,
	  0,
	  PT_OK,
	  0x7123,
	  13,
	  2 },
	{ "8 KiB, the other entry",
	  { { 1, 0, TABLE(4, 1) }, { 4, 2, SIZED(0x6000) } },
	  0x2123,
	  RW,
	  0,
	  PT_OK,
	  0x6123,
	  13,
	  2 },
	{ "64 KiB",
	  { { 1, 0, TABLE(4, 1) }, { 4, 0x1f, SIZED(0x67000) } },
	  0x1f123,
	  RW,
	  0,
	  PT_OK,
	  0x6f123,
	  16,
	  2 },
	{ "1 MiB, as much as there is below the next level",
	  { { 1, 0, TABLE(4, 1) }, { 4, 0, SIZED(0x27f000) } },
	  0x123,
	  RW,
	  0,
	  PT_OK,
	  0x200123,
	  20,
	  2 },
	{ "2 MiB as many small ones",
	  { { 1, 0, TABLE(4, 1) }, { 4, 0, SIZED(0x2ff000) } },
	  0,
	  RW,
	  0,
	  PT_BAD_ENTRY,
	  0,
	  0,
	  2 },
	{ "4 MiB",
	  { { 1, 0, TABLE(3, 2) }, { 3, 1, SIZED(0x401ff000) } },
	  0x212345,
	  RW,
	  0,
	  PT_OK,
	  0x40212345,
	  22,
	  2 },
	{ "a size below that of the level",
	  { { 1, 0, TABLE(3, 2) }, { 3, 1, SIZED(0x40000000) } },
	  0x212345,
	  RW,
	  0,
	  PT_BAD_ENTRY,
	  0,
	  0,
	  2 },
	{ "the context denies writing",
	  { { 1, 0, PAGE(0) } },
	  0x123,
	  RW,
	  VIOMMU_WRITE | VIOMMU_WRITE << 3,
	  PT_DENIED,
	  0x123,
	  39,
	  1 },
	{ "and permits reading",
	  { { 1, 0, PAGE(0) } },
	  0x123,
	  VIOMMU_READ,
	  VIOMMU_WRITE | VIOMMU_WRITE << 3,
	  PT_OK,
	  0x123,
	  39,
	  1 },
	{ "the context denies everything",
	  { { 1, 0, PAGE(0) } },
	  0x123,
	  VIOMMU_READ,
	  PERM_ALL,
	  PT_DENIED,
	  0x123,
	  39,
	  1 },
};

static struct pt_walk ask(const struct pt_config *c, uint64_t iova, unsigned need)
{
	return (struct pt_walk){ .vm = rig.vm,
				 .config = c,
				 .iova = iova,
				 .need = (uint8_t)need,
				 .dirty = (uint8_t)(need & VIOMMU_WRITE) };
}

static void entries_that_name_levels(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(hop_rows); i++) {
		for (unsigned still = 0; still < 2; still++) {
			const char *name = hop_rows[i].name;
			struct pt_walk w = ask(&hop_config, hop_rows[i].iova, hop_rows[i].need);
			const struct put *p = hop_rows[i].put;
			bool found;

			pt_rig_clear(&rig);
			for (unsigned k = 0; k < 4; k++)
				rig.word[p[k].page][p[k].index] = p[k].raw;
			rig.loads = 0;
			w.deny = hop_rows[i].deny;
			check_eq(name, still ? pt_hop_peek(&w) : pt_hop_walk(&w), hop_rows[i].end);
			check_eq(name, rig.loads, hop_rows[i].loads);
			found = hop_rows[i].end == PT_OK || hop_rows[i].end == PT_DENIED;
			if (!found)
				continue;
			check_eq(name, w.found.gpa | (w.iova & bits_low(w.found.size_lg2)),
				 hop_rows[i].gpa);
			check_eq(name, w.found.size_lg2, hop_rows[i].lg2);
			check_eq(name, w.found.iova, w.iova & ~bits_low(hop_rows[i].lg2));
			check_eq(name, w.found.perm & hop_rows[i].deny, 0);
			for (unsigned k = 0; k < 4 && p[k].page;
			     k++) { /* accessed on the way, dirty at its end */
				bool leaf = k == 3 || !p[k + 1].page;
				uint64_t set =
					!still && (!leaf || hop_rows[i].end == PT_OK) ? HOP_A : 0;

				if (leaf && set && (hop_rows[i].need & VIOMMU_WRITE))
					set |= HOP_D;
				check_eq(name, rig.word[p[k].page][p[k].index], p[k].raw | set);
			}
		}
	}
}

/* A visit finds a page wherever walks do, and passes over what an entry skips. */
struct found {
	struct translation page[64];
	unsigned n;
};

static int note(void *opaque, const struct translation *page)
{
	struct found *f = opaque;

	assert_true(f->n < 64);
	f->page[f->n++] = *page;
	return 0;
}

static void as_walks(const char *name, const struct pt_config *c,
		     enum pt_end (*peek)(struct pt_walk *),
		     enum pt_visit_end (*visit)(struct pt_visit *), uint64_t last)
{
	struct found f = { .n = 0 };
	struct pt_visit v = {
		.walk = { .vm = rig.vm, .config = c }, .last = last, .page = note, .opaque = &f
	};
	unsigned n = 0;

	do
		v.budget = 3;
	while (visit(&v) == PT_VISIT_BUDGET);
	for (uint64_t iova = 0; iova <= last; iova += BIT(c->page_lg2)) {
		struct pt_walk w = ask(c, iova, VIOMMU_READ);
		bool mapped = peek(&w) == PT_OK;

		while (n < f.n && (f.page[n].iova | bits_low(f.page[n].size_lg2)) < iova)
			n++;
		check_eq(name, n < f.n && f.page[n].iova <= iova, mapped);
		if (mapped)
			check_eq(name, f.page[n].gpa + (iova - f.page[n].iova),
				 w.found.gpa + (iova - w.found.iova));
	}
}

static void visits(void **state)
{
	pt_rig_clear(&rig);
	rig.word[1][0] = TABLE(3, 2); /* past a level: nothing from 1 GiB on */
	rig.word[3][0] = TABLE(4, 1);
	rig.word[3][1] = PAGE(0x200000);
	rig.word[3][4] = rig.word[3][5] = SIZED(0x401ff000);
	rig.word[4][7] = PAGE(0x9000);
	for (unsigned i = 16; i < 32; i++)
		rig.word[4][i] = SIZED(0x67000);
	as_walks("levels that are named", &hop_config, pt_hop_peek, pt_hop_visit,
		 BIT(30) + BIT(23));
}

/* ---- entries of 4 bytes ---- */

static uint32_t *word32(unsigned page, unsigned index)
{
	return (uint32_t *)(void *)rig.word[page] + index;
}

static void entries_of_4_bytes(void **state)
{
	static const struct pt_config c = { .root = 0x1000,
					    .top = 1,
					    .page_lg2 = 12,
					    .index_lg2 = 10,
					    .entry_lg2 = 2,
					    .in_bits = 32,
					    .out_bits = 34 };
	static const struct {
		const char *name;
		unsigned top, low; /* indices */
		uint32_t entry[2];
		unsigned need;
		enum pt_end end;
		uint64_t gpa;
		unsigned lg2;
		uint32_t set; /* in the last entry */
	} rows[] = {
		{ "4 KiB",
		  1,
		  1,
		  { 2 << 10 | 1, 0x12345U << 10 | 7 },
		  RW,
		  PT_OK,
		  0x12345000,
		  12,
		  0xc0 },
		{ "4 KiB, the last of all",
		  1023,
		  1023,
		  { 2 << 10 | 1, 0x12345U << 10 | 7 },
		  RW,
		  PT_OK,
		  0x12345000,
		  12,
		  0xc0 },
		{ "read",
		  5,
		  6,
		  { 2 << 10 | 1, 0x12345U << 10 | 7 },
		  VIOMMU_READ,
		  PT_OK,
		  0x12345000,
		  12,
		  0x40 },
		{ "read only",
		  5,
		  6,
		  { 2 << 10 | 1, 0x12345U << 10 | 3 },
		  RW,
		  PT_DENIED,
		  0x12345000,
		  12,
		  0 },
		{ "34 bits",
		  5,
		  6,
		  { 2 << 10 | 1, UINT32_MAX & ~0xc0U & ~0x338U },
		  RW,
		  PT_OK,
		  0x3fffff000,
		  12,
		  0xc0 },
		{ "4 MiB", 1, 0, { 0x400U << 10 | 7, 0 }, RW, PT_OK, 0x400000, 22, 0xc0 },
		{ "4 MiB, not aligned", 1, 0, { 0x401U << 10 | 7, 0 }, RW, PT_BAD_ENTRY, 0, 0, 0 },
		{ "a table where there is none",
		  1,
		  0,
		  { 2 << 10 | 1, 2 << 10 | 1 },
		  RW,
		  PT_BAD_ENTRY,
		  0,
		  0,
		  0 },
		{ "nothing", 1, 0, { 2 << 10 | 1, 6 }, RW, PT_NOT_PRESENT, 0, 0, 0 },
	};
	struct viommu_region region = {
		.size = sizeof(region), .gpa = 0, .bytes = sizeof(rig.word), .host = rig.word
	};

	for (unsigned in_region = 0; in_region < 2; in_region++) {
		if (in_region)
			assert_int_equal(viommu_vm_add_region(rig.vm, &region), VIOMMU_OK);
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			bool large = rows[i].lg2 == 22;
			uint32_t *last = large ? word32(1, rows[i].top) : word32(2, rows[i].low);
			struct mem_place place = MEM_NOWHERE;
			struct pt_walk w =
				ask(&c, (uint64_t)rows[i].top << 22 | rows[i].low << 12 | 0x123,
				    rows[i].need);

			pt_rig_clear(&rig);
			memset(rig.word[1], 0xff, 8192);
			*word32(1, rows[i].top) = rows[i].entry[0];
			*word32(2, rows[i].low) = rows[i].entry[1];
			if (in_region)
				w.place = &place;
			check_eq(rows[i].name, pt_short_walk(&w), rows[i].end);
			check_eq(rows[i].name, *last, rows[i].entry[!large] | rows[i].set);
			if (last != word32(large, 0) &&
			    rows[i].top < 1023) /* neighbours are as they were */
				check_eq(rows[i].name, last[1], UINT32_MAX);
			if (rows[i].end != PT_OK && rows[i].end != PT_DENIED)
				continue;
			check_eq(rows[i].name, w.found.gpa, rows[i].gpa);
			check_eq(rows[i].name, w.found.size_lg2, rows[i].lg2);
		}
	}
	pt_rig_clear(&rig);
	*word32(1, 0) = 2 << 10 | 1;
	*word32(1, 1) = 0x800U << 10 | 7;
	*word32(2, 0) = *word32(2, 5) = *word32(2, 1023) = 0x77U << 10 | 3;
	as_walks("4 bytes", &c, pt_short_peek, pt_short_visit, BIT(23) + BIT(22));
	assert_int_equal(viommu_vm_remove_region(rig.vm, region.gpa), VIOMMU_OK);
}

/* ---- several granules ---- */

static void put_word(uint64_t table, unsigned index, uint64_t raw)
{
	((uint64_t *)(void *)rig.word)[table / 8 + index] = raw;
}

/* Three levels of the granule, at 1, 2 and 3 times 64 KiB. */
static struct pt_config grains(unsigned page_lg2)
{
	return (struct pt_config){ .root = 0x10000,
				   .top = 2,
				   .page_lg2 = (uint8_t)page_lg2,
				   .index_lg2 = (uint8_t)(page_lg2 - 3),
				   .entry_lg2 = 3,
				   .in_bits = 48,
				   .out_bits = 48 };
}

static void granules(void **state)
{
	for (unsigned page_lg2 = 12; page_lg2 <= 16; page_lg2 += 2) {
		struct pt_config c = grains(page_lg2);
		unsigned last = (1U << c.index_lg2) - 1;

		for (unsigned level = 0; level < 3; level++) {
			for (unsigned cont = 0; cont < 2; cont++) {
				unsigned lg2 = pt_shift(&c, level) +
					       (cont ? pt_grain_neighbours(&c, level) : 0);
				uint64_t iova = 0, gpa = BIT(46) & ~bits_low(lg2);
				struct pt_walk w;

				pt_rig_clear(&rig);
				for (unsigned l = 2; l > level; l--) {
					unsigned index = l == 2 ? 1 : last;

					put_word(UINT64_C(0x10000) * (3 - l), index,
						 0x10000 * (4 - l) | 3);
					iova |= (uint64_t)index << pt_shift(&c, l);
				}
				put_word(UINT64_C(0x10000) * (3 - level), level == 2 ? 1 : last,
					 gpa | GRAIN_P | GRAIN_GLOBAL | (level ? 0 : GRAIN_TABLE) |
						 (cont ? GRAIN_CONT : 0));
				iova |= (uint64_t)(level == 2 ? 1 : last) << pt_shift(&c, level);
				for (unsigned k = 0; k < 2; k++) {
					uint64_t at =
						iova | (k ? bits_low(pt_shift(&c, level)) : 0);

					w = ask(&c, at, VIOMMU_READ);
					check_eq("granule", pt_grain_walk(&w), PT_OK);
					check_eq("granule", w.found.size_lg2, lg2);
					check_eq("granule", w.found.leaf_lg2, lg2);
					check_eq("granule", w.found.gpa, gpa);
					check_eq("granule", w.found.iova, at & ~bits_low(lg2));
					check_that("granule", w.found.global);
				}
				w = ask(&c, iova - 1, VIOMMU_READ);
				check_eq("granule", pt_grain_peek(&w), PT_NOT_PRESENT);
			}
		}
	}
}

/* The top table of a second stage may be several beside one another; one of a narrow input is used in part. */
static void top_tables(void **state)
{
	for (unsigned page_lg2 = 12; page_lg2 <= 16; page_lg2 += 2) {
		for (int more = -3; more <= 3; more++) {
			struct pt_config c = grains(page_lg2);
			unsigned entries;
			struct pt_walk w;

			c.top = 1;
			c.in_bits = (uint8_t)((int)(page_lg2 + 2U * c.index_lg2) + more);
			entries = 1U << ((int)c.index_lg2 + more);
			if (c.root + entries * 8 > sizeof(rig.word))
				continue;
			pt_rig_clear(&rig);
			put_word(c.root, entries - 1, BIT(46) | GRAIN_P);
			w = ask(&c, bits_low(c.in_bits), VIOMMU_READ);
			check_eq("top", pt_grain_peek(&w), PT_OK);
			check_eq("top", w.found.gpa, BIT(46));
			check_eq("top", w.found.size_lg2, pt_shift(&c, 1));
			w = ask(&c, 0, VIOMMU_READ);
			check_eq("top", pt_grain_peek(&w), PT_NOT_PRESENT);
			check_that("top", pt_fits(&c, bits_low(c.in_bits)) &&
						  !pt_fits(&c, bits_low(c.in_bits) + 1));
		}
	}
}

static void visits_of_granules(void **state)
{
	for (unsigned page_lg2 = 12; page_lg2 <= 16; page_lg2 += 2) {
		struct pt_config c = grains(page_lg2);

		c.top = 1;
		pt_rig_clear(&rig);
		put_word(0x10000, 0, 0x20000 | 3);
		put_word(0x10000, 1, BIT(40) | 1);
		put_word(0x10000, 3, 0x20000 | 3);
		put_word(0x20000, 0, BIT(41) | 3);
		for (unsigned i = 0; i < 1U << pt_grain_neighbours(&c, 0); i++)
			put_word(0x20000, (1U << pt_grain_neighbours(&c, 0)) + i,
				 BIT(42) | 3 | GRAIN_CONT);
		as_walks("granule", &c, pt_grain_peek, pt_grain_visit,
			 (UINT64_C(5) << pt_shift(&c, 1)) - 1);
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
		cmocka_unit_test(entries_that_name_levels),
		cmocka_unit_test(visits),
		cmocka_unit_test(entries_of_4_bytes),
		cmocka_unit_test(granules),
		cmocka_unit_test(top_tables),
		cmocka_unit_test(visits_of_granules),
	};

	return cmocka_run_group_tests_name("fmt/pt_toys", tests, setup, teardown);
}
