/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_endpoint.c - endpoints that are described when they are created, so that a guest never
 * meets one without its reserved regions (5.13.6.8); and what is refused says why.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/vtd.h>

#include "trace.h"
#include "virtio_rig.h"

#define MSI_FIRST UINT64_C(0xfee00000)
#define MSI_LAST  UINT64_C(0xfeefffff)

static const struct viommu_virtio_region msi = { MSI_FIRST, MSI_LAST, VIOMMU_VIRTIO_RESV_MSI, 0 };

static int plug(struct virtio_rig *r, const struct viommu_virtio_endpoint *e,
		struct viommu_device **device)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = 9, .virtio = e };

	r->g.message = NULL;
	return viommu_device_new(r->g.iommu, &config, device);
}

/* The guest attaches it before the VMM has had time for anything else. */
static void test_hot_plugged(void **state)
{
	const struct viommu_virtio_endpoint e = { .size = sizeof(e),
						  .region_count = 1,
						  .regions = &msi,
						  .page_size_mask = ~UINT64_C(0xffff) };
	struct virtio_rig *r = vr_open(NULL);
	uint8_t properties[512];
	struct viommu_device *device;

	row_name = "5.13.6.8 the regions of an endpoint that is plugged in";
	row_equal(plug(r, &e, &device), VIOMMU_OK);
	row_equal(vr_probe(r, 9, properties), ST_OK);
	row_equal(properties[0], 1);
	row_equal(properties[4], VIOMMU_VIRTIO_RESV_MSI);
	row_equal(properties[8 + 2], 0xe0);
	row_equal(properties[8 + 3], 0xfe);
	row_equal(vr_attach(r, 3, 9, 0), ST_OK);
	row_equal(vr_map(r, 3, MSI_FIRST, MSI_FIRST | 0xffff, 0x10000, VR_RW), ST_INVAL);
	row_name = "5.13.6.6 its page sizes";
	row_equal(vr_map(r, 3, 0x1000, 0x1fff, 0x10000, VR_RW), ST_RANGE);
	row_equal(vr_map(r, 3, 0x10000, 0x1ffff, 0x10000, VR_RW), ST_OK);
	row_name = "the same set twice";
	row_equal(viommu_device_free(device), VIOMMU_OK);
	row_equal(plug(r, &e, &device), VIOMMU_OK);
	row_equal(viommu_device_free(device), VIOMMU_OK);
	vr_close(r);
}

static const struct viommu_virtio_region bad[] = { { 0x2000, 0x1fff, 0, 0 },
						   { 0, 0xfff, 2, 0 },
						   { 0, 0xfff, 0, 1 } };
static const struct viommu_virtio_region overlapping[] = { { 0, 0xfff, 0, 0 },
							   { 0x800, 0x17ff, 0, 0 } };
static const struct viommu_virtio_region two_msis[] = { { 0, 0xfff, 1, 0 },
							{ 0x1000, 0x1fff, 1, 0 } };
static struct viommu_virtio_region many[65];

static const struct {
	const char *name;
	struct viommu_virtio_endpoint e;
	int result;
} refused[] = {
	{ "first above last", { sizeof(refused[0].e), 1, &bad[0], 0 }, VIOMMU_EINVAL },
	{ "unknown subtype", { sizeof(refused[0].e), 1, &bad[1], 0 }, VIOMMU_EINVAL },
	{ "reserved", { sizeof(refused[0].e), 1, &bad[2], 0 }, VIOMMU_EINVAL },
	{ "overlapping", { sizeof(refused[0].e), 2, overlapping, 0 }, VIOMMU_EINVAL },
	{ "two for MSIs", { sizeof(refused[0].e), 2, two_msis, 0 }, VIOMMU_EINVAL },
	{ "too many", { sizeof(refused[0].e), 65, many, 0 }, VIOMMU_EINVAL },
	{ "no regions", { sizeof(refused[0].e), 1, NULL, 0 }, VIOMMU_EINVAL },
	{ "more than probe_size", { sizeof(refused[0].e), 30, many, 0 }, VIOMMU_ENOSPC },
	{ "too short", { 4, 0, NULL, 0 }, VIOMMU_ESIZE },
};

/* One by one, each with a word for a person. */
static void test_refused(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_device *device;

	for (uint64_t i = 0; i < 65; i++)
		many[i] = (struct viommu_virtio_region){ i << 12, i << 12 | 0xfff, 0, 0 };
	for (size_t i = 0; i < VR_ROWS(refused); i++) {
		row_name = refused[i].name;
		row_equal(plug(r, &refused[i].e, &device), refused[i].result);
		row_equal(r->g.message != NULL, true);
		r->g.message = NULL;
		row_equal(viommu_virtio_set_endpoint(r->device[1], &refused[i].e),
			  refused[i].result);
		row_equal(r->g.message != NULL, true);
		vr_rows_run++;
	}
	row_name = "nothing is left of them";
	row_equal(plug(r, NULL, &device), VIOMMU_OK);
	row_equal(viommu_device_free(device), VIOMMU_OK);
	vr_close(r);
}

static void test_other_engine(void **state)
{
	const struct viommu_virtio_endpoint e = { .size = sizeof(e) };
	const struct viommu_device_config device = { .size = sizeof(device),
						     .id = 8,
						     .virtio = &e };
	const struct viommu_vtd_config config = { .size = sizeof(config) };
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_device *out;
	struct viommu *vtd;

	row_name = "another engine has no such endpoints";
	row_equal(viommu_vtd_new(r->g.vm, &config, &vtd), VIOMMU_OK);
	row_equal(viommu_device_new(vtd, &device, &out), VIOMMU_EINVAL);
	row_equal(viommu_free(vtd), VIOMMU_OK);
	vr_close(r);
}

/* ---- what is refused at creation ---- */

static const char *said;

static void on_message(void *opaque, const char *text)
{
	said = text;
}

static void try_new(struct viommu_vm *vm, const struct viommu_virtio_config *given, int result)
{
	struct viommu *iommu;

	said = NULL;
	row_equal(viommu_virtio_new(vm, given, &iommu), result);
	row_equal(said != NULL, true);
	vr_rows_run++;
}

static void test_messages(void **state)
{
	const struct viommu_host host = { .size = sizeof(host), .message = on_message };
	struct viommu_limits limits = { .size = sizeof(limits), .tlb_entries = UINT32_MAX };
	struct viommu_virtio_config config = { .size = sizeof(config),
					       .host = &host,
					       .limits = &limits };
	struct {
		struct viommu_virtio_config config;
		uint64_t more;
	} longer = { .config = config, .more = 1 };
	struct virtio_rig *r = vr_open(NULL);

	row_name = "a limit that is too large";
	try_new(r->g.vm, &config, VIOMMU_EINVAL);
	row_name = "a size of the limits that is not known";
	limits = (struct viommu_limits){ .size = 2 };
	try_new(r->g.vm, &config, VIOMMU_ESIZE);
	row_name = "a configuration of later";
	longer.config.size = sizeof(longer);
	try_new(r->g.vm, &longer.config, VIOMMU_ESIZE);
	row_name = "flags";
	config.limits = NULL;
	config.flags = 1;
	try_new(r->g.vm, &config, VIOMMU_EINVAL);
	vr_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hot_plugged),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_other_engine),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, vr_count_rows);
}
