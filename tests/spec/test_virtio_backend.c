/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_backend.c - what a backend of a device IOTLB is sent where mappings and reserved
 * regions of a virtio-iommu are smaller than pages: never more than is mapped (obligation 32).
 */
#include "check.h"

#include <string.h>

#include <libvirtiommu/vhost.h>

#include "trace.h"
#include "virtio_rig.h"

#define R     VIOMMU_READ
#define W     VIOMMU_WRITE
#define RAM   UINT64_C(0x40000) /* guest address of ram */
#define BYTES UINT64_C(0x4000)
#define MAX   UINT64_MAX

static uint8_t ram[BYTES] __attribute__((aligned(4096)));
static struct viommu_iotlb_msg sent[8];
static unsigned count;

static int on_send(void *opaque, const struct viommu_iotlb_msg *m)
{
	assert_true(count < 8);
	sent[count++] = *m;
	return VIOMMU_OK;
}

struct mapping {
	uint64_t first;
	uint64_t last; /* 0: none */
	uint64_t at;   /* from RAM */
	uint32_t flags;
};

static const struct {
	const char *name;
	struct mapping map[2];
	uint64_t region_first, region_last; /* reserved; 0: none */
	bool bypass;			    /* instead of mappings */
	uint64_t reach;
	uint64_t miss;
	int result;
	uint64_t first, last, at; /* the update */
	uint32_t perm;
} rows[] = {
	{ .name = "32 less than a page, for reading",
	  .map = { { 0x10100, 0x101ff, 0x1100, VR_READ } },
	  .reach = 1,
	  .miss = 0x10100,
	  .first = 0x10100,
	  .last = 0x101ff,
	  .at = 0x1100,
	  .perm = R },
	{ .name = "32 less than a page, within a block",
	  .map = { { 0x10100, 0x101ff, 0x1100, VR_RW } },
	  .miss = 0x1017f,
	  .first = 0x10100,
	  .last = 0x101ff,
	  .at = 0x1100,
	  .perm = R | W },
	{ .name = "32 at another offset in memory: the page would leave the region",
	  .map = { { 0x10800, 0x108ff, 0, VR_RW } },
	  .reach = 1,
	  .miss = 0x10810,
	  .first = 0x10800,
	  .last = 0x108ff,
	  .at = 0,
	  .perm = R | W },
	{ .name = "32 one byte",
	  .map = { { 0x10801, 0x10801, 0x1801, VR_RW } },
	  .miss = 0x10801,
	  .first = 0x10801,
	  .last = 0x10801,
	  .at = 0x1801,
	  .perm = R | W },
	{ .name = "32 begins in a page and goes on",
	  .map = { { 0x10100, 0x12fff, 0x100, VR_RW } },
	  .miss = 0x10100,
	  .first = 0x10100,
	  .last = 0x12fff,
	  .at = 0x100,
	  .perm = R | W },
	{ .name = "32 begins in a page and goes on, no further than the page",
	  .map = { { 0x10100, 0x12fff, 0x100, VR_RW } },
	  .reach = 1,
	  .miss = 0x10fff,
	  .first = 0x10100,
	  .last = 0x10fff,
	  .at = 0x100,
	  .perm = R | W },
	{ .name = "32 two that continue each other",
	  .map = { { 0x10000, 0x100ff, 0x1000, VR_RW }, { 0x10100, 0x10fff, 0x1100, VR_RW } },
	  .reach = 1,
	  .miss = 0x10200,
	  .first = 0x10000,
	  .last = 0x10fff,
	  .at = 0x1000,
	  .perm = R | W },
	{ .name = "32 two of one page with other permissions",
	  .map = { { 0x10000, 0x100ff, 0x1000, VR_RW }, { 0x10100, 0x10fff, 0x1100, VR_READ } },
	  .miss = 0x10000,
	  .first = 0x10000,
	  .last = 0x100ff,
	  .at = 0x1000,
	  .perm = R | W },
	{ .name = "32 two of one page that are elsewhere in memory",
	  .map = { { 0x10000, 0x100ff, 0x1000, VR_RW }, { 0x10100, 0x10fff, 0x2100, VR_RW } },
	  .reach = 1,
	  .miss = 0x10800,
	  .first = 0x10100,
	  .last = 0x10fff,
	  .at = 0x2100,
	  .perm = R | W },
	{ .name = "32 beside what is mapped",
	  .map = { { 0x10100, 0x101ff, 0x1100, VR_RW } },
	  .miss = 0x10200,
	  .result = VIOMMU_FAULT },
	{ .name = "5.13.6.10 before a region in a page",
	  .bypass = true,
	  .region_first = RAM + 0x1100,
	  .region_last = RAM + 0x11ff,
	  .reach = 1,
	  .miss = RAM + 0x1000,
	  .first = RAM + 0x1000,
	  .last = RAM + 0x10ff,
	  .at = 0x1000,
	  .perm = R | W },
	{ .name = "5.13.6.10 behind a region in a page",
	  .bypass = true,
	  .region_first = RAM + 0x1100,
	  .region_last = RAM + 0x11ff,
	  .miss = RAM + 0x1200,
	  .first = RAM + 0x1200,
	  .last = RAM + BYTES - 1,
	  .at = 0x1200,
	  .perm = R | W },
	{ .name = "5.13.6.10 in a region",
	  .bypass = true,
	  .region_first = RAM + 0x1100,
	  .region_last = RAM + 0x11ff,
	  .miss = RAM + 0x1100,
	  .result = VIOMMU_FAULT },
	{ .name = "32 pages",
	  .map = { { 0x10000, 0x13fff, 0, VR_RW } },
	  .miss = 0x11234,
	  .first = 0x10000,
	  .last = 0x13fff,
	  .at = 0,
	  .perm = R | W },
};

static struct virtio_rig *open_row(size_t i)
{
	const struct viommu_virtio_config config = { .page_size_mask = MAX };
	const struct viommu_region memory = {
		.size = sizeof(memory), .gpa = RAM, .bytes = sizeof(ram), .host = ram
	};
	const struct viommu_virtio_region region = { .first = rows[i].region_first,
						     .last = rows[i].region_last };
	struct virtio_rig *r = vr_open(&config);

	row_equal(viommu_vm_add_region(r->g.vm, &memory), VIOMMU_OK);
	if (region.last)
		vr_regions(r, 1, &region, 1);
	row_equal(vr_attach(r, 7, 1, rows[i].bypass ? VR_BYPASS : 0), ST_OK);
	for (unsigned k = 0; k < 2 && rows[i].map[k].last; k++) {
		const struct mapping *m = &rows[i].map[k];

		row_equal(vr_map(r, 7, m->first, m->last, RAM + m->at, m->flags), ST_OK);
	}
	return r;
}

static void test_parts_of_pages(void **state)
{
	for (size_t i = 0; i < VR_ROWS(rows); i++) {
		const struct viommu_vhost_config config = { .size = sizeof(config),
							    .pasid = VIOMMU_NO_PASID,
							    .reach = rows[i].reach,
							    .send = on_send };
		struct virtio_rig *r;
		struct viommu_vhost *vhost;

		row_name = rows[i].name;
		r = open_row(i);
		row_equal(viommu_vhost_new(r->device[1], &config, &vhost), VIOMMU_OK);
		count = 0;
		row_equal(viommu_vhost_miss(vhost, rows[i].miss, R), (uint64_t)rows[i].result);
		row_equal(count, rows[i].result == VIOMMU_OK);
		if (count) {
			row_equal(sent[0].type, VIOMMU_IOTLB_UPDATE);
			row_equal(sent[0].iova, rows[i].first);
			row_equal(sent[0].size, rows[i].last - rows[i].first + 1);
			row_equal(sent[0].uaddr, (uint64_t)(uintptr_t)ram + rows[i].at);
			row_equal(sent[0].perm, rows[i].perm);
		}
		row_equal(viommu_vhost_free(vhost), VIOMMU_OK);
		vr_close(r);
		vr_rows_run++;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parts_of_pages) };

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
