/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pt_hurry.c - walks that hurry through entries which are as usual (pt_hurry()) find what the others do, and leave
 * the same traces: every format, with any one, and pairs, of the bits of any entry turned over. Who has no place to begin
 * at never hurries; both walk memories that are alike.
 */
#include "check.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "pt_amd_v1.h"
#include "pt_arm64.h"
#include "pt_riscv.h"
#include "pt_vtd_ss.h"
#include "pt_x86.h"

#define R VIOMMU_READ
#define W VIOMMU_WRITE
#define X VIOMMU_EXEC

enum { LEVELS = 4, BYTES = 1 << 20, TABLES = 0x10000, TABLES_BYTES = LEVELS * 0x1000 };

static const struct format {
	const char *name;
	enum pt_end (*walk)(struct pt_walk *w);
	uint64_t table; /* entries that are as usual */
	uint64_t page;
	uint64_t block; /* of levels above 0 */
	uint64_t level; /* times the level of a table */
	unsigned address_down;
	unsigned flags; /* bits that there are */
} formats[] = {
	{ "second stage", pt_vtd_ss_walk, 0x103, 0x303, 0x383, 0, 0, 0x1f },
	{ "x86", pt_x86_walk, 0x427, 0x467, 0x4e7, 0, 0, 0xff },
	{ "riscv", pt_riscv_walk, 0x01, 0xdf, 0xdf, 0, 2, 0x3f },
	{ "arm64, stage 1", pt_arm64_s1_walk, 0x403, 0xc43, 0xc41, 0, 0, 0x1f1f },
	{ "arm64, stage 2", pt_arm64_s2_walk_for_table, 0x403, 0x4d7, 0x4d5, 0, 0, 0x3df },
	{ "AMD-Vi", pt_amd_v1_walk, BIT(61) | BIT(62) | 0x21, BIT(61) | BIT(62) | 0x61,
	  BIT(61) | BIT(62) | 0x61, 0x200, 0, 0x3 },
};

static struct {
	struct viommu_vm *vm[2];
	_Alignas(4096) unsigned char memory[2][BYTES];
	uint64_t state;
	unsigned ok, refused;
} t;

static uint64_t any(void)
{
	t.state ^= t.state << 13;
	t.state ^= t.state >> 7;
	t.state ^= t.state << 17;
	return t.state * UINT64_C(0x2545f4914f6cdd1d);
}

static void put(uint64_t gpa, uint64_t word)
{
	for (unsigned i = 0; i < 2; i++)
		memcpy(&t.memory[i][gpa], &word, sizeof(word));
}

/* What is asked, and of which tables. */
struct question {
	const struct format *f;
	struct pt_config config;
	uint64_t iova;
	unsigned need, any, deny, dirty;
	bool unsnooped;
};

static struct question ask(const struct format *f)
{
	static const uint8_t accesses[] = { R, W, R | W, R | X, 0 };
	unsigned access = accesses[any() % 5], shift = any() % 2 ? 3 : 0;
	struct question q = { .f = f,
			      .config = { .root = TABLES,
					  .top = LEVELS - 1,
					  .page_lg2 = 12,
					  .index_lg2 = 9,
					  .entry_lg2 = 3,
					  .in_bits = 48,
					  .out_bits = any() % 4 ? 46 : 52 },
			      .iova = any() & bits_low(48) };

	q.config.flags = (uint16_t)(any() & any() & f->flags);
	q.need = access << shift;
	q.any = access ? 0 : (unsigned)(R | W) << shift;
	q.dirty = access & W ? (unsigned)W << shift : any() % 4 ? 0 : (unsigned)W << shift;
	q.deny = any() % 8 ? 0 : (unsigned)(any() & PERM_ALL);
	q.unsnooped = any() % 8 == 0;
	return q;
}

static uint64_t flips(void)
{
	switch (any() % 4) {
	case 0:
		return BIT(any() % 64);
	case 1:
		return BIT(any() % 64) ^ BIT(any() % 64);
	default:
		return 0;
	}
}

/* Tables with a page of some level at the address. */
static void plant(const struct question *q, unsigned leaf)
{
	unsigned bad = (unsigned)(any() % (LEVELS + 1));
	uint64_t table = q->config.root;

	for (unsigned level = LEVELS; level-- > leaf;) {
		uint64_t at = table + (q->iova >> (12 + 9 * level) & 511) * 8;
		uint64_t next = level == leaf ? (uint64_t)1 << 40 : table + 0x1000;
		uint64_t word = level > leaf ? q->f->table + level * q->f->level
				: leaf	     ? q->f->block
					     : q->f->page;

		word |= next >> q->f->address_down;
		put(at, bad == level || any() % 16 == 0 ? word ^ flips() : word);
		table = next;
	}
}

static enum pt_end walk(const struct question *q, unsigned which, struct mem_place *place,
			const struct table_place *start, struct pt_walk *w)
{
	*w = (struct pt_walk){ .vm = t.vm[which],
			       .config = &q->config,
			       .iova = q->iova,
			       .need = (uint8_t)q->need,
			       .any = (uint8_t)q->any,
			       .deny = (uint8_t)q->deny,
			       .dirty = (uint8_t)q->dirty,
			       .unsnooped = q->unsnooped,
			       .place = place,
			       .start = start };
	return q->f->walk(w);
}

static void alike(const char *row, const struct pt_walk *a, const struct pt_walk *b)
{
	check_eq(row, a->found.iova, b->found.iova);
	check_eq(row, a->found.gpa, b->found.gpa);
	check_eq(row, a->found.size_lg2, b->found.size_lg2);
	check_eq(row, a->found.leaf_lg2, b->found.leaf_lg2);
	check_eq(row, a->found.perm, b->found.perm);
	check_eq(row, a->found.global, b->found.global);
	check_eq(row, a->level, b->level);
	check_eq(row, a->entry, b->entry);
	check_eq(row, a->at, b->at);
	check_eq(row, a->table, b->table);
	check_eq(row, a->table_perm, b->table_perm);
}

/* The lowest table, as the structure cache has it. */
static void from_table(const char *row, const struct question *q, const struct pt_walk *before)
{
	struct table_place start = { .table = before->table,
				     .gpa = before->table,
				     .host = &t.memory[0][before->table],
				     .perm = before->table_perm };
	struct mem_place place = MEM_NOWHERE;
	struct pt_walk w;

	check_eq(row, walk(q, 0, &place, &start, &w), PT_OK);
	alike(row, &w, before);
}

static void one(const struct format *f, unsigned turn)
{
	struct question q = ask(f);
	struct mem_place place = MEM_NOWHERE;
	struct pt_walk hurried, other;
	unsigned leaf = turn % 3;
	enum pt_end end;
	char row[100];

	(void)snprintf(row, sizeof(row), "%s, turn %u", f->name, turn);
	plant(&q, leaf);
	end = walk(&q, 0, &place, NULL, &hurried);
	check_eq(row, end, walk(&q, 1, NULL, NULL, &other));
	alike(row, &hurried, &other);
	assert_memory_equal(&t.memory[0][TABLES], &t.memory[1][TABLES], TABLES_BYTES);
	t.ok += end == PT_OK;
	t.refused += end != PT_OK;
	if (end == PT_OK && hurried.level == 0 && hurried.table == TABLES + 0x3000)
		from_table(row, &q, &hurried);
	memset(&t.memory[0][TABLES], 0, TABLES_BYTES);
	memset(&t.memory[1][TABLES], 0, TABLES_BYTES);
}

static void the_same(void **state)
{
	unsigned turns = (unsigned)run_scaled(10000);

	(void)state;
	t.state = run_seed(1) | 1;
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		t.ok = t.refused = 0;
		for (unsigned turn = 0; turn < turns; turn++)
			one(&formats[i], turn);
		check_that(formats[i].name, t.ok > turns / 8 && t.refused > turns / 8);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(the_same) };
	struct viommu_vm_config config = { .size = sizeof(config), .hash_key = { 1, 2 } };
	int failed;

	for (unsigned i = 0; i < 2; i++) {
		struct viommu_region region = { .size = sizeof(region),
						.bytes = BYTES,
						.host = t.memory[i] };

		if (viommu_vm_new(&config, &t.vm[i]) || viommu_vm_add_region(t.vm[i], &region))
			return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (unsigned i = 0; i < 2; i++)
		viommu_vm_free(t.vm[i]);
	return failed;
}
