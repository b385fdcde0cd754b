/* SPDX-License-Identifier: BSD-3-Clause */
/* test_range.c - base/range.h: closed ranges up to 2^64 - 1, and sums that can say no. */
#include "check.h"

#include "bits.h"
#include "range.h"

#define MAX UINT64_MAX

static const struct {
	const char *name;
	uint64_t a, b;
	bool ok;
	uint64_t sum;
} sums[] = {
	{ "nothing", 0, 0, true, 0 },
	{ "up to the end", MAX - 1, 1, true, MAX },
	{ "one beyond", MAX, 1, false, 0 },
	{ "zero to the end", MAX, 0, true, MAX },
	{ "halves", BIT(63), BIT(63) - 1, true, MAX },
	{ "two halves", BIT(63), BIT(63), false, 0 },
	{ "all and all", MAX, MAX, false, 0 },
	{ "not 32 bits", UINT32_MAX, 1, true, BIT(32) },
};

static void add(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(sums); i++) {
		uint64_t sum = 0;

		check_eq(sums[i].name, range_add(sums[i].a, sums[i].b, &sum), sums[i].ok);
		if (sums[i].ok)
			check_eq(sums[i].name, sum, sums[i].sum);
		check_eq(sums[i].name, range_add(sums[i].b, sums[i].a, &sum), sums[i].ok);
	}
}

static const struct {
	const char *name;
	uint64_t first, bytes;
	bool ok;
	uint64_t last;
} lasts[] = {
	{ "size 0", 0x1000, 0, false, 0 },
	{ "size 0 at 0", 0, 0, false, 0 },
	{ "one byte", 0, 1, true, 0 },
	{ "the last byte", MAX, 1, true, MAX },
	{ "wraps by one", MAX, 2, false, 0 },
	{ "ends at 2^64 - 1", MAX - 0xfff, 0x1000, true, MAX },
	{ "wraps to 0", MAX - 0xfff, 0x1001, false, 0 },
	{ "all but a byte", 0, MAX, true, MAX - 1 },
	{ "all but the first", 1, MAX, true, MAX },
	{ "2^32 bytes", 0, BIT(32), true, UINT32_MAX },
};

static void last(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(lasts); i++) {
		uint64_t value = 0;

		check_eq(lasts[i].name, range_last(lasts[i].first, lasts[i].bytes, &value),
			 lasts[i].ok);
		if (lasts[i].ok)
			check_eq(lasts[i].name, value, lasts[i].last);
	}
}

/* Against the definition, over all ranges in a space of 6 addresses, at both ends of the 2^64. */
static bool has(uint64_t first, uint64_t end, uint64_t address)
{
	return first <= address && address <= end;
}

static void overlap_and_containment(void **state)
{
	static const uint64_t base[] = { 0, 0x1000, MAX - 5 };

	for (size_t b = 0; b < ARRAY_COUNT(base); b++) {
		for (unsigned code = 0; code < 6 * 6 * 6 * 6; code++) {
			uint64_t f1 = code % 6, l1 = code / 6 % 6;
			uint64_t f2 = code / 36 % 6, l2 = code / 216;
			bool overlaps = false;
			bool contains = true;

			if (f1 > l1 || f2 > l2)
				continue;
			for (uint64_t at = 0; at < 6; at++) {
				overlaps |= has(f1, l1, at) && has(f2, l2, at);
				contains &= !has(f2, l2, at) || has(f1, l1, at);
			}
			assert_int_equal(range_overlaps(base[b] + f1, base[b] + l1, base[b] + f2,
							base[b] + l2),
					 overlaps);
			assert_int_equal(range_contains(base[b] + f1, base[b] + l1, base[b] + f2,
							base[b] + l2),
					 contains);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add),
		cmocka_unit_test(last),
		cmocka_unit_test(overlap_and_containment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
