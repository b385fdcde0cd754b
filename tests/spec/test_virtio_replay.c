/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_replay.c - replays with budgets and stops, of mappings and of bypass; what of bypass
 * and reserved regions may be cached (obligations 3, 5, 12, 26).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R   VIOMMU_READ
#define W   VIOMMU_WRITE
#define RW  (R | W)
#define MAX UINT64_MAX

enum { RANGES = 64 };

static struct {
	struct vr_range range[RANGES];
	unsigned count, calls, stop_after, replays;
} found;

static int collect(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct vr_range *before = found.count ? &found.range[found.count - 1] : NULL;
	const uint64_t last = iova + (f->length - 1);

	if (found.stop_after && ++found.calls % found.stop_after == 0)
		return 1; /* must come again */
	row_equal(f->length && last >= iova, true);
	row_equal(!before || iova > before->last, true);
	if (before && before->last + 1 == iova && before->perm == (f->perm & RW) &&
	    before->gpa + (before->last - before->iova) + 1 == f->gpa) {
		before->last = last;
		return 0;
	}
	assert_true(found.count < RANGES);
	found.range[found.count++] = (struct vr_range){ iova, f->gpa, last, f->perm & RW };
	return 0;
}

static int replay(struct viommu_device *device, uint64_t first, uint64_t last, uint32_t budget,
		  unsigned stop_after)
{
	int result;

	memset(&found, 0, sizeof(found));
	found.stop_after = stop_after;
	for (unsigned calls = 0;; calls++) {
		const uint64_t before = first;

		found.replays++;
		result =
			viommu_replay(device, VIOMMU_NO_PASID, &first, last, budget, collect, NULL);
		if (result != VIOMMU_MORE)
			return result;
		row_equal(first >= before, true);
		row_equal(calls < 100000, true);
	}
}

static void expect(const struct vr_range *wanted, unsigned count)
{
	row_equal(found.count, count);
	for (unsigned i = 0; i < count; i++) {
		row_equal(found.range[i].iova, wanted[i].iova);
		row_equal(found.range[i].gpa, wanted[i].gpa);
		row_equal(found.range[i].last, wanted[i].last);
		row_equal(found.range[i].perm, wanted[i].perm);
	}
}

static const struct vr_step setup[] = {
	ATTACH("setup", 7, 1, 0, IS(OK)),
	MAP("setup", 7, 0x1000, 0x1fff, 0x11000, VR_RW, IS(OK)),
	MAP("setup: continues", 7, 0x2000, 0x2fff, 0x12000, VR_RW, IS(OK)),
	MAP("setup: not aligned as it is large", 7, 0x3000, 0x12345fff, 0x1000, VR_READ, IS(OK)),
	MAP("setup: nothing permitted", 7, 0x20000000, 0x20000fff, 0x1000, 0, IS(OK)),
	MAP("setup: continues what permits nothing", 7, 0x20001000, 0x20001fff, 0x2000, VR_WRITE,
	    IS(OK)),
	MAP("setup: large", 7, UINT64_C(1) << 62, (UINT64_C(1) << 62) + (UINT64_C(1) << 51) - 1, 0,
	    VR_RW, IS(OK)),
	MAP("setup: the end", 7, MAX - 0x2fff, MAX, 0x60000, VR_RW, IS(OK)),
};

static const struct vr_range mapped[] = {
	{ 0x1000, 0x11000, 0x2fff, RW },
	{ 0x3000, 0x1000, 0x12345fff, R },
	{ 0x20001000, 0x2000, 0x20001fff, W },
	{ UINT64_C(1) << 62, 0, (UINT64_C(1) << 62) + (UINT64_C(1) << 51) - 1, RW },
	{ MAX - 0x2fff, 0x60000, MAX, RW },
};

static void test_mappings(void **state)
{
	struct virtio_rig *r = vr_open(NULL);

	vr_steps(r, setup, VR_ROWS(setup));
	for (uint32_t budget = 0; budget < 70; budget += budget < 8 ? 1 : 31) {
		row_name = "3 a budget, resumed: the same ranges, nothing twice";
		row_equal(replay(r->device[1], 0, MAX, budget, 0), VIOMMU_OK);
		expect(mapped, VR_ROWS(mapped));
		row_name = "3 a budget is kept: an entry is a mapping, or less";
		row_equal(!budget || found.replays >= (VR_ROWS(setup) - 1) / budget, true);
		vr_rows_run++;
	}
	for (unsigned stop = 2; stop < 6; stop++) {
		row_name = "stopped by the callback: what it did not take comes again";
		row_equal(replay(r->device[1], 0, MAX, 0, stop), VIOMMU_OK);
		expect(mapped, VR_ROWS(mapped));
		row_equal(replay(r->device[1], 0, MAX, 2, stop), VIOMMU_OK);
		expect(mapped, VR_ROWS(mapped));
		vr_rows_run++;
	}
	vr_close(r);
}

static void test_parts(void **state)
{
	static const struct {
		uint64_t first, last;
		struct vr_range want;
	} rows[] = {
		{ 0x1000, 0x1000, { 0x1000, 0x11000, 0x1000, RW } },
		{ 0x1fff, 0x2000, { 0x1fff, 0x11fff, 0x2000, RW } },
		{ 0x12345fff, 0x1fffffff, { 0x12345fff, 0x12343fff, 0x12345fff, R } },
		{ 0x12346000, 0x20001000, { 0x20001000, 0x2000, 0x20001000, W } },
		{ MAX, MAX, { MAX, 0x62fff, MAX, RW } },
		{ MAX - 0x2fff, MAX - 0x2fff, { MAX - 0x2fff, 0x60000, MAX - 0x2fff, RW } },
	};
	struct virtio_rig *r = vr_open(NULL);

	vr_steps(r, setup, VR_ROWS(setup));
	row_name = "6 a part of it";
	for (size_t i = 0; i < VR_ROWS(rows); i++) {
		row_equal(replay(r->device[1], rows[i].first, rows[i].last, 0, 0), VIOMMU_OK);
		expect(&rows[i].want, 1);
		vr_rows_run++;
	}
	row_name = "6 between mappings";
	row_equal(replay(r->device[1], 0, 0xfff, 0, 0), VIOMMU_OK);
	expect(NULL, 0);
	row_equal(replay(r->device[1], 0x12346000, 0x20000fff, 0, 0), VIOMMU_OK);
	expect(NULL, 0);
	vr_close(r);
}

/* ---- bypass, with regions ---- */

static const struct viommu_virtio_region regions[] = {
	{ 0xfee00000, 0xfeefffff, VIOMMU_VIRTIO_RESV_MSI, 0 },
	{ 0x12345, 0x12346, VIOMMU_VIRTIO_RESV_RESERVED, 0 },
	{ MAX - 0xff, MAX - 0xf0, VIOMMU_VIRTIO_RESV_RESERVED, 0 },
};

static const struct vr_range identity[] = {
	{ 0, 0, 0x12344, RW },
	{ 0x12347, 0x12347, 0xfedfffff, RW },
	{ 0xfef00000, 0xfef00000, MAX - 0x100, RW },
	{ MAX - 0xef, MAX - 0xef, MAX, RW },
};

static void test_bypass(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	static const struct vr_range everything = { 0, 0, MAX, RW };

	vr_regions(r, 1, regions, VR_ROWS(regions));
	row_equal(vr_attach(r, 7, 1, VR_BYPASS), ST_OK);
	row_equal(vr_set_bypass(r, 1), VIOMMU_OK);
	row_name = "replay: bypass but for regions";
	for (uint32_t budget = 0; budget < 4; budget++) {
		row_equal(replay(r->device[1], 0, MAX, budget, 0), VIOMMU_OK);
		expect(identity, VR_ROWS(identity));
	}
	row_equal(replay(r->device[1], 0, MAX, 0, 3), VIOMMU_OK);
	expect(identity, VR_ROWS(identity));
	row_equal(replay(r->device[1], 0xfee00000, 0xfeefffff, 0, 0), VIOMMU_OK);
	expect(NULL, 0);
	row_name = "replay: bypass of everything";
	row_equal(replay(r->device[2], 0, MAX, 0, 0), VIOMMU_OK);
	expect(&everything, 1);
	vr_close(r);
}

/* ---- what may be cached of bypass ---- */

static const struct vr_step shared_bypass[] = {
	ATTACH("12 in a bypass domain", 7, 1, VR_BYPASS, IS(OK)),
	SET_BYPASS("12 bypass of the others", 1),
	WHERE("12 warm", 1, 0x5000, R, 0x5000),
	WHERE("12 warm", 2, 0x5000, R, 0x5000),
	SET_BYPASS("12 not of the others", 0),
	WHERE("12 the bypass domain stays", 1, 0x5000, R, 0x5000),
	WHERE("12 the others do not", 2, 0x5000, R, VR_FAULT(VR_DOMAIN)),
	SET_BYPASS("12 again", 1),
	WHERE("12 warm", 2, 0x5000, R, 0x5000),
	DETACH("12 out of the bypass domain", 7, 1, IS(OK)),
	WHERE("12 into bypass", 1, 0x5000, R, 0x5000),
	SET_BYPASS("12 of nobody", 0),
	WHERE("12 of nobody", 1, 0x5000, R, VR_FAULT(VR_DOMAIN)),
	WHERE("12 of nobody", 2, 0x5000, R, VR_FAULT(VR_DOMAIN)),
	ATTACH("12 two bypass domains", 7, 1, VR_BYPASS, IS(OK)),
	ATTACH("12 two bypass domains", 8, 2, VR_BYPASS, IS(OK)),
	WHERE("12 warm", 1, 0x5000, R, 0x5000),
	WHERE("12 warm", 2, 0x5000, R, 0x5000),
	DETACH("12 one of them goes", 8, 2, IS(OK)),
	WHERE("12 one of them goes", 2, 0x5000, R, VR_FAULT(VR_DOMAIN)),
	WHERE("12 the other stays", 1, 0x5000, R, 0x5000),
};

static void test_shared_bypass(void **state)
{
	vr_script(NULL, shared_bypass, VR_ROWS(shared_bypass));
}

/* Regions that are described when the caches are warm. */
static void test_late_regions(void **state)
{
	struct virtio_rig *r = vr_open(NULL);

	row_equal(vr_set_bypass(r, 1), VIOMMU_OK);
	row_name = "12 regions described while bypass is cached";
	row_equal(vr_where(r, 1, 0xfee01000, W), 0xfee01000);
	row_equal(vr_where(r, 1, 0x12345, W), 0x12345);
	vr_regions(r, 1, regions, VR_ROWS(regions));
	row_equal(vr_where(r, 1, 0xfee01000, W), VR_INTERRUPT);
	row_equal(vr_where(r, 1, 0x12345, W), VR_FAULT(VR_MAPPING));
	row_equal(vr_where(r, 1, 0x12344, W), 0x12344);
	row_equal(vr_where(r, 2, 0xfee01000, W), 0xfee01000);
	row_name = "12 and taken away again";
	vr_regions(r, 1, regions, 0);
	row_equal(vr_where(r, 1, 0xfee01000, W), 0xfee01000);
	row_equal(vr_where(r, 1, 0x12345, W), 0x12345);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mappings),     cmocka_unit_test(test_parts),
		cmocka_unit_test(test_bypass),	     cmocka_unit_test(test_shared_bypass),
		cmocka_unit_test(test_late_regions),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
