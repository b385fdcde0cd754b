/* SPDX-License-Identifier: BSD-3-Clause */
/* test_index_mask.c - base/bits.h: bits_index_mask(), as this processor has it and as others do. That the compiler
 * leaves it where it is: tests/build/index_masks.sh. */
#include "check.h"

#include "bits.h"

uint64_t bits_index_mask_portable(uint64_t index, uint64_t count);

static const struct {
	const char *name;
	uint64_t index, count;
	uint64_t mask;
} rows[] = {
	{ "first of one", 0, 1, UINT64_MAX },
	{ "behind one", 1, 1, 0 },
	{ "first", 0, 512, UINT64_MAX },
	{ "last", 511, 512, UINT64_MAX },
	{ "behind", 512, 512, 0 },
	{ "one more", 513, 512, 0 },
	{ "low half alike", BIT(32) | 5, 512, 0 },
	{ "low half alike, below", 5, BIT(32) | 4, UINT64_MAX },
	{ "no int", BIT(31), BIT(31), 0 },
	{ "below no int", BIT(31) - 1, BIT(31), UINT64_MAX },
	{ "32 bits", BIT(32) - 1, BIT(32), UINT64_MAX },
	{ "33 bits", BIT(32), BIT(32), 0 },
	{ "a negative number", UINT64_MAX, 512, 0 },
	{ "negative, even of the largest", UINT64_MAX, BIT(63), 0 },
	{ "sign bit", BIT(63), 1, 0 },
	{ "sign bit, largest count", BIT(63), BIT(63), 0 },
	{ "largest index of the largest count", BIT(63) - 1, BIT(63), UINT64_MAX },
	{ "first of the largest count", 0, BIT(63), UINT64_MAX },
};

static void values(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		check_eq(rows[i].name, bits_index_mask(rows[i].index, rows[i].count), rows[i].mask);
		check_eq(rows[i].name, bits_index_mask_portable(rows[i].index, rows[i].count),
			 rows[i].mask);
		check_eq(rows[i].name, bits_clamp_index(rows[i].index, rows[i].count),
			 rows[i].index & rows[i].mask);
	}
}

/* Around every power of two. */
static void every_size(void **state)
{
	for (unsigned lg2 = 0; lg2 <= 63; lg2++) {
		for (int64_t d = -2; d <= 2; d++) {
			uint64_t count = BIT(lg2);
			uint64_t index = count + (uint64_t)d;
			uint64_t mask = index < count ? UINT64_MAX : 0;

			assert_int_equal(bits_index_mask(index, count), mask);
			assert_int_equal(bits_index_mask_portable(index, count), mask);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
