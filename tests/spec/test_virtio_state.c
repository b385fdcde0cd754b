/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_state.c - saved states (obligation 29): at every point of a guest's life what is
 * restored goes on as what was saved would. What is refused is test_virtio_refused.c.
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_life.h"

#define R   VIOMMU_READ
#define MAX UINT64_MAX

static unsigned char good[LIFE_CAPACITY], now[LIFE_CAPACITY];
static uint64_t length;

/* Saved after every step, restored elsewhere, and the rest of the life goes on there. */
static void test_every_point(void **state)
{
	for (size_t i = 0; i <= LIFE_STEPS; i++) {
		struct virtio_rig *a = life_open();
		struct virtio_rig *b = life_open();
		uint64_t needed = 0;

		vr_steps(a, life, i);
		vr_steps(b, life + 1, 10); /* something else, which must go */
		row_name = i ? life[i - 1].name : "29 new";
		length = life_save(a, good);
		row_equal(viommu_save(a->g.iommu, NULL, &needed), VIOMMU_ENOSPC);
		row_equal(needed, length);
		row_equal(life_restore(b, good, length), VIOMMU_OK);
		life_check_same(a, b);
		row_equal(life_save(b, now), length);
		assert_memory_equal(now, good, length);
		row_equal(life_restore(a, good, length), VIOMMU_OK); /* and over itself */
		life_check_same(a, b);
		vr_steps(b, life + i, LIFE_STEPS - i);
		vr_close(a);
		vr_close(b);
	}
}

/* Features that were accepted are part of it; so is the room that is left. */
static void test_rest(void **state)
{
	struct virtio_rig *a = life_open();
	struct virtio_rig *b = life_open();
	struct vr_event event;

	row_name = "29 features";
	row_equal(viommu_virtio_set_features(a->g.iommu, VIOMMU_VIRTIO_F_MAP_UNMAP), VIOMMU_OK);
	row_equal(vr_attach(a, 7, 1, 0), ST_OK);
	for (uint64_t i = 0; i < 9; i++)
		row_equal(vr_map(a, 7, i << 12, i << 12 | 0xfff, 0, 1), ST_OK);
	length = life_save(a, good);
	row_equal(life_restore(b, good, length), VIOMMU_OK);
	row_equal(vr_map(b, 7, 0x10000, 0x10fff, 0, 1 | VR_MMIO), ST_INVAL);
	row_equal(vr_attach(b, 8, 2, VR_BYPASS), ST_INVAL);
	row_name = "29 caps";
	row_equal(vr_map(b, 7, 0x10000, 0x10fff, 0, 1), ST_OK);
	row_equal(vr_map(b, 7, 0x11000, 0x11fff, 0, 1), ST_NOMEM);
	row_name = "29 records that wait";
	vr_peek(a, 1, 0x123000, R);
	vr_peek(a, 1, 0x456000, R);
	length = life_save(a, good);
	vr_peek(b, 1, 0x789000, R);
	b->events = 0;
	row_equal(life_restore(b, good, length), VIOMMU_OK);
	row_equal(b->events >= 1, true);
	row_equal(vr_event(b, &event), true);
	row_equal(event.address, 0x123000);
	row_equal(vr_event(b, &event), true);
	row_equal(event.address, 0x456000);
	row_equal(event.reason, VR_MAPPING);
	row_equal(event.flags, VR_READ | VR_ADDRESS);
	row_equal(vr_event(b, &event), false);
	vr_close(a);
	vr_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_point),
					    cmocka_unit_test(test_rest) };

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
