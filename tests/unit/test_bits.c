/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bits.c - base/bits.h: masks, fields, and indices that are clamped without a branch. */
#include "check.h"

#include "bits.h"

static_assert(BIT(0) == 1 && BIT(63) == UINT64_C(0x8000000000000000), "BIT is 64 bits wide");
static_assert(BITS(63, 0) == UINT64_MAX && BITS(0, 0) == 1 && BITS(63, 63) == BIT(63), "BITS");
static_assert(BITS(11, 4) == 0xff0, "BITS is closed on both ends");
static_assert(sizeof(BIT(0)) == 8 && sizeof(BITS(1, 0)) == 8, "no int in sight");

static const struct {
	const char *name;
	uint64_t mask;
	uint64_t word;
	uint64_t field;
} fields[] = {
	{ "lowest bit", BIT(0), 1, 1 },
	{ "highest bit", BIT(63), BIT(63), 1 },
	{ "all of it", UINT64_MAX, 0x123456789abcdef0, 0x123456789abcdef0 },
	{ "in the middle", BITS(11, 4), 0xfff, 0xff },
	{ "nothing set in it", BITS(11, 4), ~UINT64_C(0xff0), 0 },
	{ "upper half", BITS(63, 32), 0x89abcdef00000000, 0x89abcdef },
	{ "more than an int", BITS(62, 1), UINT64_MAX, BITS(61, 0) },
};

static void get_and_put(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
		check_eq(fields[i].name, bits_get(fields[i].word, fields[i].mask), fields[i].field);
		check_eq(fields[i].name, bits_put(fields[i].mask, fields[i].field),
			 fields[i].word & fields[i].mask);
	}
}

/* Every mask: what is put in comes out, and touches nothing else. */
static void every_mask(void **state)
{
	for (unsigned low = 0; low < 64; low++) {
		for (unsigned high = low; high < 64; high++) {
			uint64_t mask = BITS(high, low);
			uint64_t value = UINT64_C(0xa5c3f00dbadc0de5) & bits_low(high - low + 1);

			assert_int_equal(__builtin_popcountll(mask), high - low + 1);
			assert_int_equal(bits_get(bits_put(mask, value), mask), value);
			assert_int_equal(bits_put(mask, UINT64_MAX), mask);
			assert_int_equal(bits_put(mask, value) & ~mask, 0);
		}
	}
}

static void too_large_is_cut(void **state)
{
	assert_int_equal(bits_put(BITS(11, 4), 0x1ff), 0xff0);
	assert_int_equal(bits_put(BITS(63, 60), 0x1f), BITS(63, 60));
}

static void low_bits(void **state)
{
	uint64_t expected = 0;

	for (unsigned count = 0; count <= 64; count++) {
		assert_int_equal(bits_low(count), expected);
		expected = expected << 1 | 1;
	}
	assert_int_equal(bits_low(64), UINT64_MAX);
	assert_int_equal(bits_low(200), UINT64_MAX);
}

static void powers_of_two(void **state)
{
	static const struct {
		uint64_t count, power;
	} rows[] = { { 0, 1 },
		     { 1, 1 },
		     { 2, 2 },
		     { 3, 4 },
		     { 4, 4 },
		     { 5, 8 },
		     { UINT32_MAX, BIT(32) },
		     { BIT(62) + 1, BIT(63) },
		     { BIT(63), BIT(63) } };

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		assert_int_equal(bits_power_of_two(rows[i].count), rows[i].power);
}

static void clamped_index(void **state)
{
	static const uint64_t edges[] = { 0, 1, 2, 63, 64, 65, 511, 512, 1 << 20 };
	const uint64_t huge[] = { UINT64_MAX, BIT(63), BIT(32), BIT(32) + 1 };

	for (size_t i = 0; i < ARRAY_COUNT(edges); i++) {
		for (size_t n = 1; n < ARRAY_COUNT(edges); n++) {
			uint64_t index = edges[i];
			uint64_t count = edges[n];

			assert_int_equal(bits_clamp_index(index, count), index < count ? index : 0);
		}
	}
	for (size_t i = 0; i < ARRAY_COUNT(huge); i++)
		assert_int_equal(bits_clamp_index(huge[i], 512), 0);
	assert_int_equal(bits_clamp_index(UINT64_MAX - 1, UINT64_MAX), UINT64_MAX - 1);
}

static void wrapped_index(void **state)
{
	const uint64_t indices[] = { 0, 1, 2, 511, 512, 513, BIT(32), BIT(32) + 1, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_COUNT(indices); i++) {
		for (unsigned lg2 = 0; lg2 < 64; lg2++) {
			uint64_t wrapped = bits_wrap_index(indices[i], BIT(lg2));

			assert_int_equal(wrapped, indices[i] % BIT(lg2));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_and_put),	    cmocka_unit_test(every_mask),
		cmocka_unit_test(too_large_is_cut), cmocka_unit_test(low_bits),
		cmocka_unit_test(powers_of_two),    cmocka_unit_test(clamped_index),
		cmocka_unit_test(wrapped_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
