/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_entries.c - unit_fill(): under which sizes pages are cached, whatever sizes a format has; and that pieces
 * are noted as such.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "plain_engine.h"

#define AWAY UINT64_C(0x500000000000) /* between an address and where it goes */
#define P    (uint8_t)(PERM_ALL | PERM_DIRTY)

static struct plain_world world;
static unsigned size_lg2, leaf_lg2;

static struct translation page_at(uint64_t iova)
{
	uint64_t first = iova & ~bits_low(size_lg2);

	return (struct translation){ .iova = first,
				     .gpa = first + AWAY,
				     .size_lg2 = (uint8_t)size_lg2,
				     .perm = P,
				     .leaf_lg2 = (uint8_t)leaf_lg2 };
}

static const struct {
	const char *name;
	unsigned page_lg2, index_lg2; /* of the tables */
	unsigned leaf, size;	      /* of the page, and what of it is one piece */
	unsigned entry;
} rows[] = {
	{ "4K", 12, 9, 12, 12, 12 },
	{ "2M", 12, 9, 21, 21, 21 },
	{ "1G", 12, 9, 30, 30, 30 },
	{ "512G: as 1G", 12, 9, 39, 39, 30 },
	{ "8K: as 4K", 12, 9, 13, 13, 12 },
	{ "64K: contiguous hint, NAPOT, any power of two", 12, 9, 16, 16, 16 },
	{ "128K: as 4K", 12, 9, 17, 17, 12 },
	{ "1M: as 4K", 12, 9, 20, 20, 12 },
	{ "4M: as 2M", 12, 9, 22, 22, 21 },
	{ "32M: contiguous hint", 12, 9, 25, 25, 25 },
	{ "256M: as 2M", 12, 9, 28, 28, 21 },
	{ "2^51: as 1G", 12, 9, 51, 51, 30 },
	{ "16K granule", 14, 11, 14, 14, 14 },
	{ "16K granule: 2M, contiguous hint", 14, 11, 21, 21, 21 },
	{ "16K granule: 32M", 14, 11, 25, 25, 25 },
	{ "16K granule: 1G, contiguous hint", 14, 11, 30, 30, 30 },
	{ "16K granule: 64G", 14, 11, 36, 36, 25 },
	{ "64K granule", 16, 13, 16, 16, 16 },
	{ "64K granule: 2M, contiguous hint", 16, 13, 21, 21, 21 },
	{ "64K granule: 512M", 16, 13, 29, 29, 29 },
	{ "64K granule: 4T", 16, 13, 42, 42, 29 },
	{ "Sv32: 4M", 12, 10, 22, 22, 22 },
	{ "no tables", 0, 0, 0, 46, 30 },
	{ "no tables, cut", 0, 0, 0, 20, 12 },
	{ "a piece of 4K of 1G", 12, 9, 30, 12, 12 },
	{ "a piece of 2M of 1G", 12, 9, 30, 21, 21 },
	{ "a piece of 64K: as 4K", 12, 9, 30, 16, 12 },
	{ "a piece of 256M, cut at a window", 12, 9, 30, 28, 21 },
	{ "16K granule: a piece, through another stage, of 4K", 14, 11, 25, 12, 12 },
	{ "64K granule: a piece, through another stage, of 16K", 16, 13, 29, 14, 12 },
};

static void one_row(unsigned i)
{
	const uint64_t iova = UINT64_C(0x9876543210) & ~UINT64_C(0xf);
	const uint64_t block = iova & ~bits_low(rows[i].entry);
	struct domain *domain;
	uint32_t extent;
	unsigned walks;

	plain_open(&world, page_at);
	world.plain.context.key.stage1.page_lg2 = (uint8_t)rows[i].page_lg2;
	world.plain.context.key.stage1.index_lg2 = (uint8_t)rows[i].index_lg2;
	size_lg2 = rows[i].size;
	leaf_lg2 = rows[i].leaf;
	check_eq(rows[i].name, plain_ask(&world, iova, &extent), iova + AWAY);
	check_eq(rows[i].name, extent, rows[i].entry);
	/* any address of the entry, and no other, is found */
	walks = world.plain.walks;
	check_eq(rows[i].name, plain_ask(&world, block, &extent), block + AWAY);
	check_eq(rows[i].name, plain_ask(&world, block | bits_low(rows[i].entry), &extent),
		 (block | bits_low(rows[i].entry)) + AWAY);
	check_eq(rows[i].name, extent, rows[i].entry);
	check_eq(rows[i].name, world.plain.walks, walks);
	(void)plain_ask(&world, block - 1, &extent);
	check_eq(rows[i].name, world.plain.walks, walks + 1);
	domain = plain_domain(&world);
	check_eq(rows[i].name, atomic_load(&domain->sizes), BIT(rows[i].entry));
	check_eq(rows[i].name, atomic_load(&domain->cuts),
		 rows[i].leaf > rows[i].entry ? BIT(rows[i].leaf) : 0);
	check_eq(rows[i].name, atomic_load(&world.plain.unit.cuts), atomic_load(&domain->cuts));
	plain_close(&world);
}

static void sizes_of_entries(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
		one_row(i);
}

/* A guest that maps pages of all sizes that there are makes no look-up long. */
static void any_power_of_two(void **state)
{
	static const unsigned tables[][2] = { { 12, 9 }, { 14, 11 }, { 16, 13 }, { 12, 10 } };

	for (unsigned i = 0; i < ARRAY_COUNT(tables); i++) {
		uint32_t extent;

		plain_open(&world, page_at);
		world.plain.context.key.stage1.page_lg2 = (uint8_t)tables[i][0];
		world.plain.context.key.stage1.index_lg2 = (uint8_t)tables[i][1];
		for (leaf_lg2 = tables[i][0]; leaf_lg2 < 52; leaf_lg2++) {
			for (size_lg2 = 12; size_lg2 <= leaf_lg2; size_lg2++) {
				uint64_t iova = (uint64_t)leaf_lg2 << 56 | (uint64_t)size_lg2 << 50;

				check_eq("gpa", plain_ask(&world, iova + 8, &extent),
					 iova + 8 + AWAY);
				check_that("size", extent <= size_lg2);
			}
		}
		check_that("few",
			   __builtin_popcountll(atomic_load(&plain_domain(&world)->sizes)) <= 7);
		plain_close(&world);
	}
}

static void ask_type(unsigned type, uint64_t iova)
{
	const struct viommu_request r = { .first = iova,
					  .last = iova,
					  .pasid = VIOMMU_NO_PASID,
					  .access = VIOMMU_READ,
					  .type = (uint16_t)type };
	struct viommu_fragment f;
	struct viommu_answer answer;

	assert_int_equal(viommu_device_translate(world.device, &r, &f, 1, &answer), VIOMMU_OK);
	assert_int_equal(f.gpa, iova + AWAY);
}

/* Translation requests share what DMA has, and the other way round, except in an engine that answers them otherwise;
 * translated requests have contexts of their own. */
static void types_of_requests(void **state)
{
	for (unsigned apart = 0; apart < 2; apart++) {
		plain_open(&world, page_at);
		world.engine.ats_apart = apart;
		size_lg2 = leaf_lg2 = 12;
		for (unsigned n = 0; n < 3; n++) {
			ask_type(VIOMMU_AT_UNTRANSLATED, 0x1000);
			ask_type(VIOMMU_AT_TRANSLATION, 0x1000);
			ask_type(VIOMMU_AT_TRANSLATION, 0x2000);
			ask_type(VIOMMU_AT_UNTRANSLATED, 0x2000);
		}
		check_eq("parses", world.plain.parses, apart ? 2 : 1);
		check_eq("walks", world.plain.walks, apart ? 4 : 2);
		ask_type(VIOMMU_AT_TRANSLATED, 0x1000);
		ask_type(VIOMMU_AT_TRANSLATED, 0x1000);
		ask_type(VIOMMU_AT_UNTRANSLATED, 0x1000);
		check_eq("parses, translated", world.plain.parses, apart ? 3 : 2);
		plain_close(&world);
	}
}

/* A table is remembered only if all of it lies in one region: 4 KiB, 16 KiB and 64 KiB of entries. */
static void tables_within_a_region(void **state)
{
	static const struct {
		unsigned page_lg2, index_lg2, entry_lg2;
	} tables[] = { { 12, 9, 3 }, { 14, 11, 3 }, { 16, 13, 3 }, { 12, 10, 2 } };
	static _Alignas(4096) unsigned char memory[0x20000];
	const uint64_t base = UINT64_C(1) << 40;
	struct viommu_region region = {
		.size = sizeof(region), .gpa = base, .bytes = sizeof(memory), .host = memory
	};

	for (unsigned i = 0; i < 2 * ARRAY_COUNT(tables); i++) {
		unsigned bytes_lg2 = tables[i / 2].index_lg2 + tables[i / 2].entry_lg2;
		/* up to the region's end, or 8 bytes beyond it */
		uint64_t table = base + sizeof(memory) - BIT(bytes_lg2) + (i % 2 ? 8 : 0);
		struct pt_config c = { .page_lg2 = (uint8_t)tables[i / 2].page_lg2,
				       .index_lg2 = (uint8_t)tables[i / 2].index_lg2,
				       .entry_lg2 = (uint8_t)tables[i / 2].entry_lg2,
				       .top = 1 };
		struct context_entry entry = { .domain = NULL };
		struct mem_place place = MEM_NOWHERE;
		struct query q = { .iova = 0x1000,
				   .pasid = VIOMMU_NO_PASID,
				   .access = VIOMMU_READ,
				   .entry = &entry };
		struct pt_walk w = { .config = &c,
				     .iova = 0x1000,
				     .table = table,
				     .entry = table,
				     .at = table,
				     .place = &place };
		struct table_place found;

		plain_open(&world, page_at);
		assert_int_equal(viommu_vm_add_region(world.g.vm, &region), VIOMMU_OK);
		world.plain.context.key.stage1 = c;
		q.device = world.device;
		w.vm = world.g.vm;
		assert_int_equal(unit_context(&world.plain.unit, &q), VIOMMU_OK);
		unit_table_fill(&world.plain.unit, &q, &w);
		check_eq(i % 2 ? "a table beyond its region" : "a table in its region",
			 unit_table_find(&world.plain.unit, &q, &c, &found), i % 2 == 0);
		assert_int_equal(viommu_vm_remove_region(world.g.vm, base), VIOMMU_OK);
		plain_close(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_of_entries),
		cmocka_unit_test(any_power_of_two),
		cmocka_unit_test(types_of_requests),
		cmocka_unit_test(tables_within_a_region),
	};

	return cmocka_run_group_tests_name("unit/entries", tests, NULL, NULL);
}
