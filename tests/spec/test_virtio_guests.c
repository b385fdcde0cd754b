/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_guests.c - what drivers do that are not written to test a device: they move endpoints
 * without DETACH, use an id again for a domain of the other kind, map everything once more after the
 * first ATTACH, map for one direction only, and attach devices that firmware left active (virtio
 * 1.3, 5.13.6.3 to 5.13.6.6, 5.13.6.12).
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

#define R	 VIOMMU_READ
#define W	 VIOMMU_WRITE
#define NOWHERE	 VR_FAULT(VR_DOMAIN)
#define UNMAPPED VR_FAULT(VR_MAPPING)
#define TOP	 UINT64_C(0xfffff000)

static const struct vr_step moves[] = {
	ATTACH("a driver takes over", 0, 1, 0, IS(OK)),
	MAP("a ring, for both directions", 0, TOP, TOP + 0xfff, 0x24b0000, VR_RW, IS(OK)),
	WHERE("the ring", 1, TOP + 8, W, 0x24b0008),
	ATTACH("moved without DETACH", 1, 1, 0, IS(OK)),
	WHERE("moved: the ring is gone", 1, TOP + 8, W, UNMAPPED),
	WHERE("moved: for reads too", 1, TOP + 8, R, UNMAPPED),
	UNMAP("the old domain died with its last endpoint", 0, TOP, TOP + 0xfff, IS(NOENT)),
	MAP("and cannot be mapped", 0, TOP, TOP + 0xfff, 0x5000, VR_RW, IS(NOENT)),
	MAP("the same address in the new one", 1, TOP, TOP + 0xfff, 0x7000, VR_RW, IS(OK)),
	WHERE("the same address in the new one", 1, TOP + 8, R, 0x7008),
	ATTACH("the old id comes back, with another endpoint", 0, 2, 0, IS(OK)),
	WHERE("the old id is empty", 2, TOP + 8, R, UNMAPPED),
	WHERE("and the first endpoint where it was", 1, TOP + 8, R, 0x7008),
	ATTACH("to the id that it came from", 0, 1, 0, IS(OK)),
	WHERE("not to what was mapped there", 1, TOP + 8, R, UNMAPPED),
	UNMAP("the other domain died now", 1, TOP, TOP + 0xfff, IS(NOENT)),
	DETACH("from where it was before", 1, 1, IS(INVAL) | IS(NOENT) | IS(OK)),
	MAP("which changed nothing", 0, TOP, TOP + 0xfff, 0x9000, VR_READ, IS(OK)),
	WHERE("which changed nothing", 1, TOP + 8, R, 0x9008),
	WHERE("for both endpoints", 2, TOP + 8, R, 0x9008),
};

static const struct vr_step kinds[] = {
	ATTACH("identity", 5, 1, VR_BYPASS, IS(OK)),
	WHERE("identity", 1, 0x1234567, W, 0x1234567),
	ATTACH("DMA, without DETACH", 6, 1, 0, IS(OK)),
	WHERE("DMA", 1, 0x1234567, W, UNMAPPED),
	ATTACH("the id of the identity domain, for DMA", 5, 1, 0, IS(OK)),
	WHERE("no bypass is left of it", 1, 0x1234567, W, UNMAPPED),
	MAP("it is mapped", 5, 0x1234000, 0x1234fff, 0x8000, VR_WRITE, IS(OK)),
	WHERE("it is mapped", 1, 0x1234567, W, 0x8567),
	ATTACH("elsewhere for a moment", 6, 1, 0, IS(OK)),
	ATTACH("the same id, identity again", 5, 1, VR_BYPASS, IS(OK)),
	WHERE("no mapping is left of it", 1, 0x1234567, W, 0x1234567),
	WHERE("nor its permission", 1, 0x1234567, R, 0x1234567),
	MAP("and there is none to be made", 5, 0, 0xfff, 0, VR_RW, IS(INVAL)),
	DETACH("with DETACH", 5, 1, IS(OK)),
	WHERE("with DETACH", 1, 0x1234567, W, NOWHERE),
	ATTACH("the same id, for DMA", 5, 1, 0, IS(OK)),
	WHERE("the same id, for DMA", 1, 0x1234567, W, UNMAPPED),
};

/* A driver that keeps its own list of mappings sends all of it when the first endpoint comes. */
static const struct vr_step again[] = {
	ATTACH("the first endpoint", 3, 1, 0, IS(OK)),
	MAP("first time", 3, 0x1000, 0x1fff, 0xa000, VR_READ, IS(OK)),
	MAP("first time", 3, 0x3000, 0x6fff, 0xb000, VR_WRITE, IS(OK)),
	ATTACH("it moves away", 4, 1, 0, IS(OK)),
	ATTACH("and comes back", 3, 1, 0, IS(OK)),
	WHERE("to an empty domain", 1, 0x1000, R, UNMAPPED),
	WHERE("to an empty domain", 1, 0x5fff, W, UNMAPPED),
	MAP("all of it once more", 3, 0x1000, 0x1fff, 0xa000, VR_READ, IS(OK)),
	MAP("all of it once more", 3, 0x3000, 0x6fff, 0xb000, VR_WRITE, IS(OK)),
	WHERE("as before", 1, 0x1000, R, 0xa000),
	WHERE("as before", 1, 0x5fff, W, 0xdfff),
	ATTACH("the second endpoint hears of them without a MAP", 3, 2, 0, IS(OK)),
	WHERE("the second endpoint", 2, 0x5fff, W, 0xdfff),
	MAP("a driver that sends them again is told so", 3, 0x1000, 0x1fff, 0xa000, VR_READ,
	    IS(INVAL)),
	WHERE("and nothing has changed", 2, 0x1000, R, 0xa000),
};

static const struct vr_step directions[] = {
	ATTACH("one direction", 7, 1, 0, IS(OK)),
	MAP("to the device", 7, 0x1000, 0x1fff, 0xa000, VR_READ, IS(OK)),
	MAP("from the device", 7, 0x2000, 0x2fff, 0xb000, VR_WRITE, IS(OK)),
	PERM("to the device", 1, 0x1000, R),
	PERM("from the device", 1, 0x2000, W),
	WHERE("written where it may only read", 1, 0x1008, W, UNMAPPED),
	WHERE("read where it may only write", 1, 0x2008, R, UNMAPPED),
	WHERE("both where it may only write", 1, 0x2008, R | W, UNMAPPED),
	WHERE("the other way, still", 1, 0x2008, W, 0xb008),
	UNMAP("a buffer ends", 7, 0x2000, 0x2fff, IS(OK)),
	MAP("and its address is one of the other direction", 7, 0x2000, 0x2fff, 0xb000, VR_READ,
	    IS(OK)),
	WHERE("write is not left over", 1, 0x2008, W, UNMAPPED),
	WHERE("read is new", 1, 0x2008, R, 0xb008),
	UNMAP("it ends too", 7, 0x2000, 0x2fff, IS(OK)),
	MAP("the same page, both", 7, 0x2000, 0x2fff, 0xb000, VR_RW, IS(OK)),
	WHERE("the refusals before are not left over", 1, 0x2008, R | W, 0xb008),
	UNMAP("the byte before a mapping is nobody's", 7, 0x1000, 0x1fff, IS(OK)),
	WHERE("the byte before a mapping is nobody's", 1, 0x1fff, R, UNMAPPED),
	WHERE("the byte behind too", 1, 0x3000, R, UNMAPPED),
};

static void test_moves(void **state)
{
	vr_script(NULL, moves, VR_ROWS(moves));
}

static void test_kinds(void **state)
{
	vr_script(NULL, kinds, VR_ROWS(kinds));
}

static void test_again(void **state)
{
	vr_script(NULL, again, VR_ROWS(again));
}

static void test_directions(void **state)
{
	vr_script(NULL, directions, VR_ROWS(directions));
}

/* ---- devices that firmware left active ---- */

/* With its channel, which has answers of bypass by now. */
static uint64_t dma(struct virtio_rig *r, uint64_t iova)
{
	const struct viommu_request q = {
		.first = iova, .last = iova, .pasid = VIOMMU_NO_PASID, .access = W
	};
	struct viommu_fragment f = { 0 };
	struct viommu_answer answer;
	int result = viommu_translate(r->channel[1], &q, &f, 1, &answer);

	return result == VIOMMU_OK ? f.gpa : VR_FAULT(answer.reason);
}

static void test_left_active(void **state)
{
	const struct viommu_virtio_config config = { .bypass = 1 };
	struct virtio_rig *r = vr_open(&config);
	struct vr_event event = { 0 };

	row_name = "firmware: bypass";
	for (unsigned i = 0; i < 3; i++)
		row_equal(dma(r, 0xffdfd40), 0xffdfd40);
	row_equal(vr_drain(r), 0);
	row_name = "firmware: the driver resets the device, the DMA goes on";
	row_equal(viommu_virtio_reset(r->g.iommu), VIOMMU_OK);
	row_equal(dma(r, 0xffdfd40), 0xffdfd40);
	row_name = "firmware: the first ATTACH is the end of it";
	row_equal(vr_attach(r, 0, 1, 0), ST_OK);
	row_equal(dma(r, 0xffdfd40), UNMAPPED);
	row_equal(vr_event(r, &event), true);
	row_equal(event.reason, VR_MAPPING);
	row_equal(event.flags, VR_ADDRESS | VR_WRITE);
	row_equal(event.endpoint, 1);
	row_equal(event.address, 0xffdfd40);
	row_equal(vr_drain(r), 0);
	row_name = "firmware: other devices go on";
	row_equal(vr_where(r, 2, 0xffdfd40, W), 0xffdfd40);
	row_name = "firmware: once a driver maps the address, it is the driver's";
	row_equal(vr_map(r, 0, 0xffdf000, 0xffdffff, 0x3000, VR_RW), ST_OK);
	row_equal(dma(r, 0xffdfd40), 0x3d40);
	row_name = "firmware: DETACH, and bypass again";
	row_equal(vr_detach(r, 0, 1), ST_OK);
	row_equal(dma(r, 0xffdfd40), 0xffdfd40);
	vr_rows_run += 6;
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves),	    cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_again),	    cmocka_unit_test(test_directions),
		cmocka_unit_test(test_left_active),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
