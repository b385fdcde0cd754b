/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_probe.c - properties of endpoints: what PROBE reports byte by byte (virtio 1.3,
 * 5.13.6.7, 5.13.6.8), and which regions an endpoint can be given.
 */
#include "check.h"

#include <string.h>

#include "trace.h"
#include "virtio_rig.h"

enum { PROPERTY = 24, PROBE_SIZE = 512, REGIONS = 64 };

#define RESERVED VIOMMU_VIRTIO_RESV_RESERVED
#define MSI	 VIOMMU_VIRTIO_RESV_MSI

static uint8_t properties[4096];

static uint64_t load(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

/* Whether the property at @at is that region. */
static bool is_region(const uint8_t *at, const struct viommu_virtio_region *region)
{
	return load(at, 2) == 1 && load(at + 2, 2) == 20 && at[4] == region->subtype &&
	       load(at + 5, 3) == 0 && load(at + 8, 8) == region->first &&
	       load(at + 16, 8) == region->last;
}

/* Each region once, in any order, then zeros. */
static void check_properties(const struct viommu_virtio_region *regions, unsigned count,
			     unsigned room)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned found = 0;

		for (unsigned k = 0; k < count; k++)
			found += is_region(properties + k * PROPERTY, &regions[i]);
		row_equal(found, 1);
	}
	for (unsigned i = count * PROPERTY; i < room; i++)
		row_equal(properties[i], 0);
}

static const struct {
	const char *name;
	unsigned count;
	struct viommu_virtio_region region[3];
} probes[] = {
	{ "5.13.6.7 no properties", 0, { { 0, 0, 0, 0 } } },
	{ "5.13.6.8.1 reserved", 1, { { 0x1000, 0x1fff, RESERVED, 0 } } },
	{ "5.13.6.8.1 MSI", 1, { { 0xfee00000, 0xfeefffff, MSI, 0 } } },
	{ "5.13.6.8.1 one byte", 1, { { 0x123456789abcdef0, 0x123456789abcdef0, RESERVED, 0 } } },
	{ "5.13.6.8.1 everything", 1, { { 0, UINT64_MAX, RESERVED, 0 } } },
	{ "5.13.6.8.1 the last byte", 1, { { UINT64_MAX, UINT64_MAX, MSI, 0 } } },
	{ "5.13.6.8.1 three, not sorted",
	  3,
	  { { 0xf0000000, 0xffffffff, RESERVED, 0 },
	    { 0, 0xfff, RESERVED, 0 },
	    { 0x8000000, 0x80fffff, MSI, 0 } } },
	{ "5.13.6.8.1 side by side",
	  3,
	  { { 0x1000, 0x1fff, RESERVED, 0 },
	    { 0x2000, 0x2fff, MSI, 0 },
	    { 0x3000, 0x3fff, RESERVED, 0 } } },
};

static void test_probe(void **state)
{
	for (size_t i = 0; i < VR_ROWS(probes); i++) {
		struct virtio_rig *r = vr_open(NULL);

		row_name = probes[i].name;
		vr_regions(r, 2, probes[i].region, probes[i].count);
		row_equal(vr_probe(r, 2, properties), ST_OK);
		check_properties(probes[i].region, probes[i].count, PROBE_SIZE);
		row_name = "5.13.6.7 another endpoint has none of it";
		row_equal(vr_probe(r, 1, properties), ST_OK);
		check_properties(NULL, 0, PROBE_SIZE);
		row_name = "5.13.6.7 attached, and in bypass: the same";
		row_equal(vr_attach(r, 1, 2, VR_BYPASS), ST_OK);
		row_equal(vr_probe(r, 2, properties), ST_OK);
		check_properties(probes[i].region, probes[i].count, PROBE_SIZE);
		vr_close(r);
		vr_rows_run += 3;
	}
}

static void test_unknown_endpoint(void **state)
{
	static const uint32_t ids[] = { 0, 5, 0x101, 0x10001, 0x80000001, UINT32_MAX };
	struct virtio_rig *r = vr_open(NULL);

	row_name = "5.13.6.7 endpoint unknown";
	for (size_t i = 0; i < VR_ROWS(ids); i++) {
		row_equal(vr_probe(r, ids[i], properties), ST_NOENT);
		for (unsigned k = 0; k < PROBE_SIZE; k++)
			row_equal(properties[k], 0); /* 2.7.8.2: what is used has been written */
		vr_rows_run++;
	}
	vr_close(r);
}

/* 5.13.6.7: the list does not fit: no property, INVAL; or there is no room for an answer. */
static void test_small_buffers(void **state)
{
	static const struct viommu_virtio_region region = { 0x1000, 0x1fff, RESERVED, 0 };
	struct virtio_rig *r = vr_open(NULL);

	vr_regions(r, 1, &region, 1);
	for (uint32_t room = 0; room < PROPERTY + VR_TAIL; room++) {
		struct vr_message m = vr_make_probe(1);
		uint8_t buffer[64];
		struct viommu_part in = { m.bytes, m.count };
		struct viommu_part out = { buffer, room };
		uint32_t used = 99;

		row_name = "5.13.6.7 buffer too small";
		memset(buffer, VR_UNTOUCHED, sizeof(buffer));
		row_equal(viommu_virtio_request(r->g.iommu, &in, 1, &out, 1, 1, &used), VIOMMU_OK);
		row_equal(used == 0 || (used >= VR_TAIL && used <= room), true);
		if (used)
			row_equal(buffer[used - 4], ST_INVAL);
		for (uint32_t k = 0; k + VR_TAIL < used; k++)
			row_equal(buffer[k], 0);
		for (uint32_t k = used; k < sizeof(buffer); k++)
			row_equal(buffer[k], VR_UNTOUCHED);
		vr_rows_run++;
	}
	vr_close(r);
}

/* As many as fit in probe_size, and one more. */
static void test_capacity(void **state)
{
	static struct viommu_virtio_region regions[REGIONS + 1];
	static const uint32_t sizes[] = { 24, 47, 48, 100, 512, 1536, 2000 };

	for (unsigned i = 0; i <= REGIONS; i++)
		regions[i] = (struct viommu_virtio_region){ i * 0x10000, i * 0x10000 + 0xfff,
							    RESERVED, 0 };
	for (size_t i = 0; i < VR_ROWS(sizes); i++) {
		const struct viommu_virtio_config config = { .probe_size = sizes[i] };
		struct virtio_rig *r = vr_open(&config);
		unsigned fit = sizes[i] / PROPERTY < REGIONS ? sizes[i] / PROPERTY : REGIONS;
		struct viommu_virtio_endpoint e = { .size = sizeof(e), .regions = regions };

		row_name = "as many as fit";
		e.region_count = fit + 1;
		row_equal(viommu_virtio_set_endpoint(r->device[1], &e),
			  fit == REGIONS ? VIOMMU_EINVAL : VIOMMU_ENOSPC);
		row_equal(vr_probe(r, 1, properties), ST_OK);
		check_properties(NULL, 0, sizes[i]);
		vr_regions(r, 1, regions, fit);
		row_equal(vr_probe(r, 1, properties), ST_OK);
		check_properties(regions, fit, sizes[i]);
		vr_close(r);
		vr_rows_run += 2;
	}
}

static const struct {
	const char *name;
	int want;
	uint32_t count;
	struct viommu_virtio_region region[2];
} refused[] = {
	{ "5.13.6.8.1 overlap",
	  VIOMMU_EINVAL,
	  2,
	  { { 0, 0x1000, 0, 0 }, { 0x1000, 0x1fff, 0, 0 } } },
	{ "5.13.6.8.1 the same", VIOMMU_EINVAL, 2, { { 0, 0xfff, 0, 0 }, { 0, 0xfff, 0, 0 } } },
	{ "5.13.6.8.1 inside, not sorted",
	  VIOMMU_EINVAL,
	  2,
	  { { 0x2000, 0x2fff, 0, 0 }, { 0, UINT64_MAX, 0, 0 } } },
	{ "5.13.6.8.1 two MSI",
	  VIOMMU_EINVAL,
	  2,
	  { { 0, 0xfff, 1, 0 }, { 0x1000, 0x1fff, 1, 0 } } },
	{ "first above last", VIOMMU_EINVAL, 1, { { 0x1000, 0xfff, 0, 0 } } },
	{ "unknown subtype", VIOMMU_EINVAL, 1, { { 0, 0xfff, 2, 0 } } },
	{ "unknown subtype", VIOMMU_EINVAL, 1, { { 0, 0xfff, 0x100, 0 } } },
	{ "reserved", VIOMMU_EINVAL, 1, { { 0, 0xfff, 0, 1 } } },
	{ "fine", VIOMMU_OK, 2, { { 0x1000, 0x1fff, 1, 0 }, { 0, 0xfff, 0, 0 } } },
};

static void test_set_endpoint(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_virtio_endpoint e = { .size = sizeof(e) };

	for (size_t i = 0; i < VR_ROWS(refused); i++) {
		e.regions = refused[i].region;
		e.region_count = refused[i].count;
		row_name = refused[i].name;
		row_equal(viommu_virtio_set_endpoint(r->device[1], &e), refused[i].want);
		row_equal(vr_probe(r, 1, properties), ST_OK);
		check_properties(refused[i].region, refused[i].want ? 0 : 2, PROBE_SIZE);
		vr_rows_run++;
	}
	row_name = "described again: only what was said last";
	e.region_count = 1;
	row_equal(viommu_virtio_set_endpoint(r->device[1], &e), VIOMMU_OK);
	row_equal(vr_probe(r, 1, properties), ST_OK);
	check_properties(e.regions, 1, PROBE_SIZE);
	row_name = "pointers and sizes";
	e.regions = NULL;
	row_equal(viommu_virtio_set_endpoint(r->device[1], &e), VIOMMU_EINVAL);
	row_equal(viommu_virtio_set_endpoint(NULL, &e), VIOMMU_EINVAL);
	row_equal(viommu_virtio_set_endpoint(r->device[1], NULL), VIOMMU_EINVAL);
	e.region_count = 0;
	e.size = 3;
	row_equal(viommu_virtio_set_endpoint(r->device[1], &e), VIOMMU_ESIZE);
	e.size = sizeof(e);
	row_name = "attached";
	row_equal(vr_attach(r, 7, 1, 0), ST_OK);
	row_equal(viommu_virtio_set_endpoint(r->device[1], &e), VIOMMU_EBUSY);
	row_equal(vr_detach(r, 7, 1), ST_OK);
	row_equal(viommu_virtio_set_endpoint(r->device[1], &e), VIOMMU_OK);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),	      cmocka_unit_test(test_unknown_endpoint),
		cmocka_unit_test(test_small_buffers), cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_set_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
