/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_halves.c - two first stages, of the lower and of the upper half of the addresses, and top bits that are
 * ignored (core/domain.h): what is cached is known by the canonical address.
 */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "plain_engine.h"

#define BOTH  DOMAIN_HALVES(55, 8, 8)
#define LOWER DOMAIN_HALVES(55, 8, 0)
#define UPPER DOMAIN_HALVES(55, 0, 8)
#define NONE  DOMAIN_HALVES(55, 0, 0)
#define AWAY  UINT64_C(0x1000000)

static struct plain_world world;

static const struct domain_key granules = {
	.stage1 = { .page_lg2 = 12, .index_lg2 = 9, .in_bits = 48 },
	.upper = { .page_lg2 = 16, .index_lg2 = 13, .in_bits = 39 },
};

/* Pages of the smallest size, far from one another. */
static struct translation page_at(uint64_t iova)
{
	unsigned lg2 = iova >> 63 ? 16 : 12;

	return (struct translation){ .iova = iova & ~bits_low(lg2),
				     .gpa = (iova & bits_low(39) & ~bits_low(lg2)) + AWAY +
					    (iova >> 63 << 40),
				     .size_lg2 = (uint8_t)lg2,
				     .leaf_lg2 = (uint8_t)lg2,
				     .perm = (uint8_t)(PERM_ALL | PERM_DIRTY) };
}

static uint64_t goes_to(uint64_t canonical)
{
	return (canonical & bits_low(39)) + AWAY + (canonical >> 63 << 40);
}

static void open_halves(uint32_t halves)
{
	plain_open(&world, page_at);
	world.plain.context.key = granules;
	world.plain.context.key.halves = halves;
}

static const struct {
	const char *name;
	uint32_t halves;
	uint64_t asked;
	uint64_t canonical;
	bool fits;
} addresses[] = {
	{ "one root", 0, 0xab00000000001000, 0xab00000000001000, false },
	{ "lower", BOTH, 0x1000, 0x1000, true },
	{ "lower, with a tag", BOTH, 0xab00000000001000, 0x1000, true },
	{ "lower, tag of ones", BOTH, 0xff00000000001000, 0x1000, true },
	{ "upper", BOTH, 0xffffffff80001000, 0xffffffff80001000, true },
	{ "upper, with a tag", BOTH, 0xabffffff80001000, 0xffffffff80001000, true },
	{ "upper, tag of zeros", BOTH, 0x00ffffff80001000, 0xffffffff80001000, true },
	{ "lower ignores, upper does not", LOWER, 0x00ffffff80001000, 0x00ffffff80001000, false },
	{ "lower ignores", LOWER, 0xff00000000001000, 0x1000, true },
	{ "upper ignores, lower does not", UPPER, 0xff00000000001000, 0xff00000000001000, false },
	{ "upper ignores", UPPER, 0x00ffffff80001000, 0xffffffff80001000, true },
	{ "none are ignored", NONE, 0xff00000000001000, 0xff00000000001000, false },
	{ "beyond the lower table", BOTH, 0x0001000000000000, 0x0001000000000000, false },
	{ "the last of the lower table", BOTH, 0x0000ffffffffffff, 0x0000ffffffffffff, true },
	{ "the first of the upper table", BOTH, 0xffffff8000000000, 0xffffff8000000000, true },
	{ "before the upper table", BOTH, 0xffffff7fffffffff, 0xffffff7fffffffff, false },
	{ "the last", BOTH, 0x00ffffffffffffff, UINT64_MAX, true },
};

static void canonical_addresses(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(addresses); i++) {
		struct domain_key key = granules;

		key.halves = addresses[i].halves;
		check_eq(addresses[i].name, domain_canonical(&key, addresses[i].asked),
			 addresses[i].canonical);
		check_eq(addresses[i].name, domain_fits(&key, addresses[i].canonical),
			 addresses[i].fits);
		check_that(addresses[i].name,
			   domain_tables(&key, addresses[i].canonical) ==
				   (key.halves && addresses[i].canonical >> 63 ? &key.upper
									       : &key.stage1));
	}
}

/* However an address is tagged, it has one entry, and the answer is in terms of what was asked. */
static void tags_share_an_entry(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(addresses); i++) {
		uint64_t c = addresses[i].canonical;
		uint32_t extent;

		if (!addresses[i].fits)
			continue;
		open_halves(addresses[i].halves);
		for (unsigned n = 0; n < 3; n++) {
			uint64_t asked = n == 1 ? addresses[i].asked : c;

			check_eq(addresses[i].name, plain_ask(&world, asked, &extent), goes_to(c));
			check_eq(addresses[i].name, extent, c >> 63 ? 16 : 12);
		}
		check_eq(addresses[i].name, world.plain.walks, 1);
		check_eq(addresses[i].name, atomic_load(&plain_domain(&world)->sizes),
			 BIT(c >> 63 ? 16 : 12));
		plain_close(&world);
	}
}

/* Several pages of one request, with its tag. */
static void ranges_with_a_tag(void **state)
{
	const uint64_t tag = UINT64_C(0xab) << 56;

	for (unsigned upper = 0; upper < 2; upper++) {
		const uint64_t at = upper ? UINT64_C(0xffffff80000ff800) : UINT64_C(0x7ff800);
		const uint64_t asked = (at & bits_low(56)) | tag;
		struct viommu_request r = { .first = asked,
					    .last = asked + 0x2fff,
					    .pasid = VIOMMU_NO_PASID,
					    .access = VIOMMU_WRITE };
		struct viommu_channel *c;

		open_halves(BOTH);
		assert_int_equal(viommu_channel_new(world.device, VIOMMU_NO_PASID, &c), VIOMMU_OK);
		for (unsigned n = 0; n < 4; n++) {
			struct viommu_fragment f[8];
			struct viommu_answer answer;
			int result =
				n % 2 ? viommu_translate(c, &r, f, 8, &answer)
				      : viommu_device_translate(world.device, &r, f, 8, &answer);

			assert_int_equal(result, VIOMMU_OK);
			assert_int_equal(answer.count, 1);
			assert_int_equal(answer.next, r.last + 1);
			assert_int_equal(f[0].gpa, goes_to(at));
			assert_int_equal(f[0].length, 0x3000);
		}
		assert_int_equal(world.plain.walks, upper ? 2 : 4);
		viommu_channel_free(c);
		plain_close(&world);
	}
}

/* An invalidation of the canonical address reaches whatever was asked with tags, also in a channel; of the other half
 * it reaches nothing. */
static void invalidations(void **state)
{
	static const struct {
		const char *name;
		uint64_t asked, first, last;
		bool gone;
	} rows[] = {
		{ "lower", 0xab00000000001000, 0x1000, 0x1fff, true },
		{ "lower, another page", 0xab00000000001000, 0x2000, 0x2fff, false },
		{ "lower, the upper half's", 0xab00000000001000, 0xffffffffffff0000, UINT64_MAX,
		  false },
		{ "upper", 0x00ffffff80001000, 0xffffffff80000000, 0xffffffff80000fff, true },
		{ "upper, the lower half's", 0x00ffffff80001000, 0x1000, 0x1fff, false },
		{ "everything", 0x00ffffff80001000, 0, UINT64_MAX, true },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct domain_match match = { .id = DOMAIN_ANY, .kinds = 1 };
		struct viommu_request r = { .first = rows[i].asked,
					    .last = rows[i].asked,
					    .pasid = VIOMMU_NO_PASID,
					    .access = VIOMMU_READ };
		struct viommu_fragment f;
		struct viommu_answer answer;
		struct viommu_channel *c;

		open_halves(BOTH);
		assert_int_equal(viommu_channel_new(world.device, VIOMMU_NO_PASID, &c), VIOMMU_OK);
		for (unsigned n = 0; n < 2; n++)
			assert_int_equal(viommu_translate(c, &r, &f, 1, &answer), VIOMMU_OK);
		check_eq(rows[i].name, world.plain.walks, 1);
		domains_flush_range(&world.plain.unit.partition->domains, &match, rows[i].first,
				    rows[i].last, false);
		unit_start(&world.plain.unit);
		assert_int_equal(viommu_translate(c, &r, &f, 1, &answer), VIOMMU_OK);
		check_eq(rows[i].name, world.plain.walks, 1 + rows[i].gone);
		viommu_channel_free(c);
		plain_close(&world);
	}
}

/* Lists fetch ahead what they will look at, in the tables of each address's half. */
static void lists(void **state)
{
	struct viommu_request r[6];
	struct viommu_fragment f[6];
	struct viommu_answer answers[6];
	struct viommu_channel *c;
	uint32_t done;

	open_halves(LOWER);
	assert_int_equal(viommu_channel_new(world.device, VIOMMU_NO_PASID, &c), VIOMMU_OK);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 6; i++) {
			uint64_t at = (i % 2 ? ~bits_low(39) : (uint64_t)i << 56) | i << 20;

			r[i] = (struct viommu_request){ .first = at,
							.last = at,
							.pasid = VIOMMU_NO_PASID,
							.access = VIOMMU_READ };
		}
		assert_int_equal(viommu_translate_list(c, r, 6, f, 6, answers, &done), VIOMMU_OK);
		assert_int_equal(done, 6);
		for (unsigned i = 0; i < 6; i++)
			assert_int_equal(f[i].gpa, (i << 20) + AWAY + ((uint64_t)(i % 2) << 40));
		assert_int_equal(world.plain.walks, 6);
	}
	viommu_channel_free(c);
	plain_close(&world);
}

/* What is cached of tables: each half has blocks of its own size. */
static void tables_of_halves(void **state)
{
	static const struct {
		const char *name;
		uint64_t first, last;
		unsigned gone; /* bit 0: the lower table, bit 1: the upper one */
	} rows[] = {
		{ "a page of the lower one", 0x40000000, 0x40000fff, 1 },
		{ "a page after it", 0x40200000, 0x40200fff, 0 },
		{ "a page of the upper one", 0xffffffffe0000000, 0xffffffffe000ffff, 2 },
		{ "its last page", 0xffffffffffff0000, UINT64_MAX, 2 },
		{ "a page before it", 0xffffffffdfff0000, 0xffffffffdfffffff, 0 },
		{ "everything", 0, UINT64_MAX, 3 },
	};
	const struct domain_match match = { .id = DOMAIN_ANY, .kinds = 1 };
	const struct table_place place = { .table = 0x5000, .gpa = 0x5000, .host = (void *)8 };

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const uint64_t at[2] = { 0x40001000, 0xffffffffe0010000 };
		const struct domain_key *key = &world.plain.context.key;
		struct tlb_space space;
		struct domain *d;
		uint32_t extent;

		open_halves(BOTH);
		(void)plain_ask(&world, at[0], &extent);
		(void)plain_ask(&world, at[1], &extent);
		d = plain_domain(&world);
		for (unsigned n = 0; n < 2; n++)
			table_cache_add(&world.plain.unit.partition->tables,
					domain_space(d, atomic_load(&d->tag)),
					domain_block(domain_tables(key, at[n]), at[n]), 0, &place,
					&d->changes, atomic_load(&d->changes));
		domains_flush_range(&world.plain.unit.partition->domains, &match, rows[i].first,
				    rows[i].last, false);
		space = domain_space(d, atomic_load(&d->tag));
		for (unsigned n = 0; n < 2; n++) {
			struct table_place found;

			check_eq(rows[i].name,
				 table_cache_find(&world.plain.unit.partition->tables, space,
						  domain_block(domain_tables(key, at[n]), at[n]), 0,
						  &found),
				 !(rows[i].gone >> n & 1));
		}
		plain_close(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_addresses),
		cmocka_unit_test(tags_share_an_entry),
		cmocka_unit_test(ranges_with_a_tag),
		cmocka_unit_test(invalidations),
		cmocka_unit_test(lists),
		cmocka_unit_test(tables_of_halves),
	};

	return cmocka_run_group_tests_name("unit/halves", tests, NULL, NULL);
}
