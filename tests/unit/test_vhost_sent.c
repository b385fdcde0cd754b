/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vhost_sent.c - the record of what a backend was sent: never less than there is (obligation
 * 5). */
#include "check.h"

#include <stdbool.h>
#include <stdlib.h>

#include "vhost_sent.h"

#define SPACE 1024U

static uint64_t state_of_random;

static unsigned choose(unsigned n)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return (unsigned)(state_of_random % n);
}

/* The whole of it at 0, in the middle, and at the end of the address space. */
static const uint64_t bases[] = { 0, UINT64_C(1) << 40, UINT64_MAX - (SPACE - 1) };

static void check_shape(const struct vhost_sent *sent)
{
	assert_true(sent->count <= VHOST_SENT_MAX);
	for (uint32_t i = 0; i < sent->count; i++) {
		assert_true(sent->range[i].first <= sent->range[i].last);
		for (uint32_t j = 0; j < i; j++)
			assert_true(!vhost_range_touches(&sent->range[i], sent->range[j].first,
							 sent->range[j].last));
	}
}

static void any_order(void **state)
{
	const char *seed = getenv("VIOMMU_SEED");
	bool full = false;

	(void)state;
	state_of_random = seed ? strtoull(seed, NULL, 0) | 1 : 1;
	print_message("VIOMMU_SEED=%ju\n", (uintmax_t)state_of_random);
	for (unsigned round = 0; round < 3 * 8; round++) {
		uint64_t base = bases[round % 3];
		struct vhost_sent sent = { .count = 0 };
		bool there[SPACE] = { false };
		bool exact = true; /* until it has been full */

		for (unsigned step = 0; step < 400; step++) {
			unsigned first = choose(SPACE);
			unsigned last = first + choose(choose(64) ? 4 : 300);
			bool add = choose(3) != 0;

			last = last < SPACE ? last : SPACE - 1;
			(add ? vhost_sent_add : vhost_sent_remove)(&sent, base + first,
								   base + last);
			for (unsigned i = first; i <= last; i++)
				there[i] = add;
			exact = exact && sent.count < VHOST_SENT_MAX;
			check_shape(&sent);
			for (unsigned i = 0; i < SPACE; i++) {
				bool known = vhost_sent_any(&sent, base + i, base + i);

				assert_true(known || !there[i]);
				assert_true(!exact || known == there[i]);
			}
		}
		full = full || !exact;
		vhost_sent_remove(&sent, 0, UINT64_MAX);
		assert_int_equal(sent.count, 0);
	}
	assert_true(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),
	};

	return cmocka_run_group_tests_name("vhost_sent", tests, NULL, NULL);
}
