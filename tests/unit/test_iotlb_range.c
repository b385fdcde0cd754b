/* SPDX-License-Identifier: BSD-3-Clause */
/* test_iotlb_range.c - viommu_iotlb_get_range(): the whole range around an address agrees with lookups
 * in it, with the reader's cache empty, warm and too small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libvirtiommu/vhost.h>

#define R VIOMMU_READ
#define W VIOMMU_WRITE

enum { RANGES = 100 }; /* more than a reader's cache has */

struct rig {
	struct viommu_iotlb *t;
	struct viommu_iotlb_reader *r;
	unsigned misses;
};

static uint8_t memory[RANGES * 64];

static void miss(void *opaque, uint64_t iova, uint32_t access)
{
	struct rig *rig = opaque;

	rig->misses++;
}

static void rig_open(struct rig *rig)
{
	struct viommu_iotlb_config config = { .size = sizeof(config), .opaque = rig, .miss = miss };

	*rig = (struct rig){ 0 };
	assert_int_equal(viommu_iotlb_new(&config, &rig->t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_new(rig->t, &rig->r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_enter(rig->r), VIOMMU_OK);
}

static void rig_close(struct rig *rig)
{
	assert_int_equal(viommu_iotlb_leave(rig->r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_free(rig->r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_free(rig->t), VIOMMU_OK);
}

/* Range i: [256 i, 256 i + 63], writable if i is odd; its guest address is known if i is not 0. */
static void add(struct rig *rig, unsigned i)
{
	assert_int_equal(viommu_iotlb_insert(rig->t, 256 * i, 256 * i + 63, memory + 64 * i,
					     i ? 0x10000 + 64 * i : 0, i % 2 ? R | W : R),
			 VIOMMU_OK);
}

static void check(struct rig *rig, unsigned i, unsigned at)
{
	struct viommu_iotlb_range range;

	memset(&range, 0xff, sizeof(range));
	assert_int_equal(viommu_iotlb_get_range(rig->r, 256 * i + at, R, &range), VIOMMU_OK);
	assert_int_equal(range.first, 256 * i);
	assert_int_equal(range.last, 256 * i + 63);
	assert_ptr_equal(range.host, memory + 64 * i);
	assert_int_equal(range.gpa, i ? 0x10000 + 64 * i : 0);
	assert_int_equal(range.perm, i % 2 ? R | W : R);
	assert_int_equal(range.reserved, 0);
}

static void whole_ranges(void **state)
{
	struct rig rig;

	rig_open(&rig);
	for (unsigned i = 0; i < RANGES; i++)
		add(&rig, i);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < RANGES; i++) {
			check(&rig, i, 0);
			check(&rig, i, 63);
			check(&rig, i, 31);
		}
	}
	assert_int_equal(rig.misses, 0);
	rig_close(&rig);
}

static void refusals(void **state)
{
	struct viommu_iotlb_range range, before;
	struct rig rig;

	rig_open(&rig);
	add(&rig, 0);
	memset(&range, 0x5a, sizeof(range));
	before = range;
	assert_int_equal(viommu_iotlb_get_range(rig.r, 64, R, &range), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 255, R, &range), VIOMMU_PENDING);
	assert_int_equal(rig.misses, 1);
	/* a permission that is lacking is asked for; refused, it is refused once */
	assert_int_equal(viommu_iotlb_get_range(rig.r, 0, W, &range), VIOMMU_PENDING);
	assert_int_equal(rig.misses, 2);
	assert_int_equal(viommu_iotlb_refused(rig.t, 0, W), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 0, W, &range), VIOMMU_FAULT);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 0, W, &range), VIOMMU_PENDING);
	assert_int_equal(rig.misses, 3);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 0, 0, &range), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 0, 4, &range), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_get_range(NULL, 0, R, &range), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 0, R, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_leave(rig.r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 0, R, &range), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_enter(rig.r), VIOMMU_OK);
	assert_memory_equal(&range, &before, sizeof(range));
	rig_close(&rig);
}

/* What an invalidation leaves of a range is a range. */
static void what_is_left(void **state)
{
	struct viommu_iotlb_range range;
	struct rig rig;

	rig_open(&rig);
	add(&rig, 1);
	check(&rig, 1, 5);
	assert_true(viommu_iotlb_invalidate(rig.t, 256, 256 + 15) >= 0);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 256 + 15, R, &range), VIOMMU_PENDING);
	for (unsigned turn = 0; turn < 2; turn++) {
		assert_int_equal(viommu_iotlb_get_range(rig.r, 256 + 20, W, &range), VIOMMU_OK);
		assert_int_equal(range.first, 256 + 16);
		assert_int_equal(range.last, 256 + 63);
		assert_ptr_equal(range.host, memory + 64 + 16);
		assert_int_equal(range.gpa, 0x10000 + 64 + 16);
	}
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_ranges),
		cmocka_unit_test(refusals),
		cmocka_unit_test(what_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
