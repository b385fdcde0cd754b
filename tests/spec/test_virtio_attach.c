/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_attach.c - endpoints and domains (virtio 1.3, 5.13.6.3, 5.13.6.4): sharing, moving,
 * the end of a domain, bypass domains, ranges of ids, caps, endpoints that come and go.
 */
#include "check.h"

#include "trace.h"
#include "virtio_rig.h"

#define R	 VIOMMU_READ
#define W	 VIOMMU_WRITE
#define NOWHERE	 VR_FAULT(VR_DOMAIN)
#define UNMAPPED VR_FAULT(VR_MAPPING)

static const struct vr_step attach_steps[] = {
	WHERE("5.13.6.9 not attached", 1, 0x1000, R, NOWHERE),
	ATTACH("5.13.6.3 a new domain", 7, 1, 0, IS(OK)),
	WHERE("5.13.6.9 an empty domain", 1, 0x1000, R, UNMAPPED),
	WHERE("5.13.6.3 the others are not attached", 2, 0x1000, R, NOWHERE),
	MAP("5.13.6.5 MAP", 7, 0x1000, 0x1fff, 0x5000, VR_RW, IS(OK)),
	WHERE("5.13.6.9 mapped", 1, 0x1234, R, 0x5234),
	ATTACH("5.13.6.3 attached there already", 7, 1, 0, IS(OK)),
	WHERE("5.13.6.3 attached there already: still mapped", 1, 0x1234, R, 0x5234),
	ATTACH("5.13.6.3 shared", 7, 2, 0, IS(OK)),
	WHERE("5.13.6.3 shared", 2, 0x1fff, W, 0x5fff),
	MAP("5.13.6.5 for both", 7, 0x3000, 0x3fff, 0x9000, VR_READ, IS(OK)),
	WHERE("5.13.6.5 for both", 1, 0x3000, R, 0x9000),
	WHERE("5.13.6.5 for both", 2, 0x3000, R, 0x9000),
	DETACH("5.13.6.4 one goes", 7, 1, IS(OK)),
	WHERE("5.13.6.4 one goes", 1, 0x1000, R, NOWHERE),
	WHERE("5.13.6.4 the other stays", 2, 0x1000, R, 0x5000),
	DETACH("5.13.6.4 again", 7, 1, IS(INVAL) | IS(OK)),
	WHERE("5.13.6.4 again: the other stays", 2, 0x1000, R, 0x5000),
	DETACH("5.13.6.4 the last one goes", 7, 2, IS(OK)),
	WHERE("5.13.6.4 the last one goes", 2, 0x1000, R, NOWHERE),
	MAP("5.13.6.5 the domain is gone", 7, 0x5000, 0x5fff, 0, VR_READ, IS(NOENT)),
	UNMAP("5.13.6.6 the domain is gone", 7, 0, UINT64_MAX, IS(NOENT)),
	ATTACH("5.13.6.3 the id again", 7, 1, 0, IS(OK)),
	WHERE("5.13.6.3 the id again: empty", 1, 0x1000, R, UNMAPPED),
	MAP("5.13.6.3 the id again: its range is free", 7, 0, 0xffff, 0x70000, VR_RW, IS(OK)),
	WHERE("5.13.6.3 the id again", 1, 0x1234, R, 0x71234),
	DETACH("5.13.6.4 unknown domain", 8, 1, IS(INVAL) | IS(NOENT) | IS(OK)),
	WHERE("5.13.6.4 unknown domain: nothing happened", 1, 0x1234, R, 0x71234),
	ATTACH("5.13.6.3 another domain", 8, 2, 0, IS(OK)),
	DETACH("5.13.6.4 not attached to this one", 8, 1, IS(INVAL) | IS(OK)),
	WHERE("5.13.6.4 not attached to this one: nothing happened", 1, 0x1234, R, 0x71234),
	DETACH("5.13.6.4 not attached to this one", 7, 2, IS(INVAL) | IS(OK)),
	WHERE("5.13.6.4 not attached to this one: nothing happened", 2, 0x1234, R, UNMAPPED),
	DETACH("5.13.6.4 unknown endpoint", 7, 5, IS(NOENT)),
	DETACH("5.13.6.4 unknown endpoint and domain", 9, 0, IS(NOENT)),
	DETACH("5.13.6.4 the low half of an endpoint", 7, 0x10001, IS(NOENT)),
	ATTACH("5.13.6.3 unknown endpoint", 7, 5, 0, IS(NOENT)),
	ATTACH("5.13.6.3 unknown endpoint", 7, 0, 0, IS(NOENT)),
	ATTACH("5.13.6.3 the low half of an endpoint", 7, 0x10001, 0, IS(NOENT)),
	ATTACH("5.13.6.3 unknown endpoint", 7, UINT32_MAX, 0, IS(NOENT)),
	ATTACH("5.13.6.3 unknown endpoint: no domain", 9, 5, 0, IS(NOENT)),
	UNMAP("5.13.6.3 unknown endpoint: no domain", 9, 0, UINT64_MAX, IS(NOENT)),
	NEW("5.13.6.3 moving"),
	ATTACH("5.13.6.3 moving", 1, 1, 0, IS(OK)),
	ATTACH("5.13.6.3 moving", 1, 2, 0, IS(OK)),
	MAP("5.13.6.3 moving", 1, 0x1000, 0x1fff, 0x5000, VR_READ, IS(OK)),
	WHERE("5.13.6.3 moving", 1, 0x1000, R, 0x5000),
	ATTACH("5.13.6.3 to a new domain", 2, 1, 0, IS(OK)),
	WHERE("5.13.6.3 to a new domain", 1, 0x1000, R, UNMAPPED),
	WHERE("5.13.6.3 the old domain lives", 2, 0x1000, R, 0x5000),
	MAP("5.13.6.3 to a new domain", 2, 0x1000, 0x1fff, 0x6000, VR_READ, IS(OK)),
	WHERE("5.13.6.3 each has its own", 1, 0x1000, R, 0x6000),
	WHERE("5.13.6.3 each has its own", 2, 0x1000, R, 0x5000),
	ATTACH("5.13.6.3 the last one leaves", 2, 2, 0, IS(OK)),
	WHERE("5.13.6.3 the last one leaves", 2, 0x1000, R, 0x6000),
	UNMAP("5.13.6.3 the old domain is dead", 1, 0, UINT64_MAX, IS(NOENT)),
	ATTACH("5.13.6.3 and back, alone", 1, 1, 0, IS(OK)),
	WHERE("5.13.6.3 its mappings are gone", 1, 0x1000, R, UNMAPPED),
	NEW("5.13.6.3 bypass domains"),
	ATTACH("5.13.6.3 a bypass domain", 3, 1, VR_BYPASS, IS(OK)),
	WHERE("5.13.6.9 bypass", 1, 0x123456789000, W, 0x123456789000),
	WHERE("5.13.6.9 bypass", 1, 0, R, 0),
	WHERE("5.13.6.9 bypass of one", 2, 0, R, NOWHERE),
	MAP("5.13.6.5 bypass domain", 3, 0, 0xfff, 0x5000, VR_READ, IS(INVAL)),
	UNMAP("5.13.6.6 bypass domain", 3, 0, 0xfff, IS(INVAL)),
	WHERE("5.13.6.5 bypass domain", 1, 0, R, 0),
	ATTACH("5.13.6.3 shared bypass", 3, 2, VR_BYPASS, IS(OK)),
	WHERE("5.13.6.3 shared bypass", 2, 0x7000, W, 0x7000),
	ATTACH("5.13.6.3 the other nature", 3, 3, 0, IS(INVAL)),
	WHERE("5.13.6.3 the other nature", 3, 0x7000, R, NOWHERE),
	ATTACH("5.13.6.3 the other nature, attached there", 3, 1, 0, IS(INVAL)),
	WHERE("5.13.6.3 the other nature, attached there", 1, 0x7000, R, 0x7000),
	ATTACH("5.13.6.3 an ordinary one", 4, 3, 0, IS(OK)),
	MAP("5.13.6.3 an ordinary one", 4, 0, 0xfff, 0x5000, VR_READ, IS(OK)),
	ATTACH("5.13.6.3 the other nature", 4, 1, VR_BYPASS, IS(INVAL)),
	WHERE("5.13.6.3 refused: attached as before", 1, 0x7000, R, 0x7000),
	ATTACH("5.13.6.3 the other nature, attached there", 4, 3, VR_BYPASS, IS(INVAL)),
	WHERE("5.13.6.3 refused: attached as before", 3, 0x10, R, 0x5010),
	ATTACH("5.13.6.3 from bypass to mappings", 4, 1, 0, IS(OK)),
	WHERE("5.13.6.3 from bypass to mappings", 1, 0x10, R, 0x5010),
	WHERE("5.13.6.3 from bypass to mappings", 1, 0x7000, R, UNMAPPED),
	ATTACH("5.13.6.3 from mappings to bypass", 3, 1, VR_BYPASS, IS(OK)),
	WHERE("5.13.6.3 from mappings to bypass", 1, 0x10, R, 0x10),
	DETACH("5.13.6.4 from bypass", 3, 1, IS(OK)),
	WHERE("5.13.6.4 from bypass", 1, 0x10, R, NOWHERE),
	DETACH("5.13.6.4 the last one", 3, 2, IS(OK)),
	ATTACH("5.13.6.3 the id of a bypass domain", 3, 2, 0, IS(OK)),
	WHERE("5.13.6.3 the id of a bypass domain", 2, 0x10, R, UNMAPPED),
};

static void test_attach(void **state)
{
	vr_script(NULL, attach_steps, VR_ROWS(attach_steps));
}

/* Ids are any 32 bits: none may be taken for another. */
static void test_ids(void **state)
{
	static const uint32_t ids[] = { 0,	    1,		2,	    0xff,      0x100,
					0xffff,	    0x10000,	0x10001,    0x1000000, 0x7fffffff,
					0x80000000, 0x80000001, 0xfffffffe, 0xffffffff };
	struct virtio_rig *r = vr_open(NULL);

	row_name = "5.13.6.3 domain ids of 32 bits";
	for (size_t i = 0; i < VR_ROWS(ids); i++) {
		row_equal(vr_attach(r, ids[i], 1, 0), ST_OK);
		row_equal(vr_map(r, ids[i], 0x1000, 0x1fff, 0x1000 * i, VR_READ), ST_OK);
		for (size_t k = 0; k < VR_ROWS(ids); k++)
			row_equal(vr_unmap(r, ids[k], 0x5000, 0x5fff), k == i ? ST_OK : ST_NOENT);
		row_equal(vr_where(r, 1, 0x1000, R), 0x1000 * i);
		vr_rows_run++;
	}
	row_name = "5.13.6.3 endpoint ids of 32 bits";
	guest_drop(&r->g);
	/* the last of them is no endpoint's: VIOMMU_NO_ID */
	for (size_t i = 0; i + 1 < VR_ROWS(ids); i++) {
		struct viommu_device *device = guest_device(&r->g, ids[i]);
		struct vr_event event;
		struct viommu_request q = {
			.first = 0x1000, .last = 0x1000, .pasid = VIOMMU_NO_PASID, .access = R
		};
		struct viommu_fragment f;
		struct viommu_answer answer;

		for (size_t k = 0; k < VR_ROWS(ids); k++)
			row_equal(vr_attach(r, 77, ids[k], 0), k <= i ? ST_OK : ST_NOENT);
		row_equal(vr_map(r, 77, 0x1000, 0x1fff, 0x9000, VR_READ), i ? ST_INVAL : ST_OK);
		row_equal(viommu_device_translate(device, &q, &f, 1, &answer), VIOMMU_OK);
		row_equal(f.gpa, 0x9000);
		q.first = q.last = 0x2000;
		row_equal(viommu_device_translate(device, &q, &f, 1, &answer), VIOMMU_FAULT);
		row_equal(vr_event(r, &event), true);
		row_equal(event.endpoint, ids[i]);
		vr_rows_run++;
	}
	vr_close(r);
}

/* ---- ranges ---- */

static const struct viommu_virtio_config ranges = { .domain_first = 10, .domain_last = 20 };

static const struct vr_step range_steps[] = {
	ATTACH("5.13.4 domain_range, below", 9, 1, 0, IS(RANGE)),
	ATTACH("5.13.4 domain_range, above", 21, 1, 0, IS(RANGE)),
	ATTACH("5.13.4 domain_range, far above", UINT32_MAX, 1, 0, IS(RANGE)),
	ATTACH("5.13.4 domain_range, below", 0, 1, VR_BYPASS, IS(RANGE)),
	WHERE("5.13.4 domain_range: not attached", 1, 0, R, NOWHERE),
	ATTACH("5.13.4 domain_range, first", 10, 1, 0, IS(OK)),
	ATTACH("5.13.4 domain_range, last", 20, 2, 0, IS(OK)),
	MAP("5.13.4 domain_range", 10, 0, 0xfff, 0x5000, VR_READ, IS(OK)),
	ATTACH("5.13.4 domain_range: attached as before", 21, 1, 0, IS(RANGE)),
	WHERE("5.13.4 domain_range: attached as before", 1, 0, R, 0x5000),
	MAP("5.13.4 domain_range", 9, 0, 0xfff, 0, VR_READ, IS(NOENT) | IS(RANGE)),
	UNMAP("5.13.4 domain_range", 21, 0, 0xfff, IS(NOENT) | IS(RANGE)),
};

static void test_ranges(void **state)
{
	vr_script(&ranges, range_steps, VR_ROWS(range_steps));
}

/* ---- caps: NOMEM, and nothing has changed ---- */

static const struct viommu_virtio_config two_domains = { .domains = 2 };

static const struct vr_step cap_steps[] = {
	ATTACH("27 domains", 1, 1, 0, IS(OK)),
	ATTACH("27 domains", 2, 2, VR_BYPASS, IS(OK)),
	MAP("27 domains", 1, 0, 0xfff, 0x5000, VR_READ, IS(OK)),
	ATTACH("27 domains: one too many", 3, 3, 0, IS(NOMEM)),
	ATTACH("27 domains: one too many", 3, 3, VR_BYPASS, IS(NOMEM)),
	WHERE("27 domains: one too many", 3, 0, R, NOWHERE),
	UNMAP("27 domains: one too many", 3, 0, UINT64_MAX, IS(NOENT)),
	ATTACH("27 domains: there is room in those that exist", 1, 3, 0, IS(OK)),
	WHERE("27 domains: there is room in those that exist", 3, 0, R, 0x5000),
	ATTACH("27 domains: moving to a third", 3, 3, 0, IS(NOMEM)),
	WHERE("27 domains: moving to a third: stayed", 3, 0, R, 0x5000),
	DETACH("27 domains: one dies", 2, 2, IS(OK)),
	ATTACH("27 domains: room again", 3, 3, 0, IS(OK)),
	WHERE("27 domains: room again", 3, 0, R, UNMAPPED),
	WHERE("27 domains: room again", 1, 0, R, 0x5000),
};

static void test_caps(void **state)
{
	vr_script(&two_domains, cap_steps, VR_ROWS(cap_steps));
}

/* Domains made and lost again and again take no memory. */
static void test_recycled(void **state)
{
	struct virtio_rig *r = vr_open(&two_domains);
	uint64_t bytes = 0;

	row_name = "27 ids used again";
	for (uint32_t i = 0; i < 20000; i++) {
		row_equal(vr_attach(r, i * 0x9e3779b9U, 1, 0), ST_OK);
		row_equal(vr_map(r, i * 0x9e3779b9U, 0, 0xfff, 0, VR_READ), ST_OK);
		if (i == 1000)
			bytes = r->g.block_bytes;
	}
	row_equal(r->g.block_bytes, bytes);
	vr_close(r);
}

/* ---- endpoints that are unplugged ---- */

static void test_unplug(void **state)
{
	struct virtio_rig *r = vr_open(NULL);

	row_name = "unplugged: nothing of it comes back";
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_attach(r, 7, 2, 0), ST_OK);
	row_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), ST_OK);
	row_equal(vr_where(r, 1, 0x1000, R), 0x5000);
	vr_endpoints(r);
	row_equal(vr_where(r, 1, 0x1000, R), NOWHERE);
	row_equal(vr_where(r, 2, 0x1000, R), NOWHERE);
	row_equal(vr_map(r, 7, 0x5000, 0x5fff, 0x5000, VR_READ), ST_NOENT);
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(vr_where(r, 1, 0x1000, R), UNMAPPED);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach),	 cmocka_unit_test(test_ids),
		cmocka_unit_test(test_ranges),	 cmocka_unit_test(test_caps),
		cmocka_unit_test(test_recycled), cmocka_unit_test(test_unplug),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
