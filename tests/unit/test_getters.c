/* SPDX-License-Identifier: BSD-3-Clause */
/* test_getters.c - what a handle is, belongs to, and was made with. */
#include "check.h"

#include <stddef.h>
#include <string.h>

#include <libvirtiommu/its.h>
#include <libvirtiommu/virtio.h>

#include "abi.h"
#include "bits.h"
#include "guest.h"

/* ---- devices ---- */

static void devices(void **state)
{
	static int mine;
	struct viommu_device_config config = { .size = sizeof(config),
					       .id = 0x0110,
					       .opaque = &mine };
	struct viommu_device *device, *found = NULL;
	struct guest g;

	guest_init(&g, GUEST_REGION, 8);
	guest_vtd(&g, 0, 0);
	assert_int_equal(viommu_device_new(g.iommu, &config, &device), VIOMMU_OK);
	assert_ptr_equal(viommu_device_get_opaque(device), &mine);
	assert_ptr_equal(viommu_device_get_iommu(device), g.iommu);
	assert_int_equal(viommu_device_get_id(device), 0x0110);
	assert_int_equal(viommu_find_device(g.iommu, 0x0110, &found), VIOMMU_OK);
	assert_ptr_equal(found, device);
	assert_int_equal(viommu_device_set_id(device, 0x0210), VIOMMU_OK);
	assert_int_equal(viommu_device_get_id(device), 0x0210);
	found = NULL;
	assert_int_equal(viommu_find_device(g.iommu, 0x0110, &found), VIOMMU_ENOENT);
	assert_null(found);
	assert_int_equal(viommu_find_device(g.iommu, 0x0210, &found), VIOMMU_OK);
	assert_ptr_equal(found, device);
	/* to have been found is not to be in use */
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	assert_int_equal(viommu_find_device(g.iommu, 0x0210, &found), VIOMMU_ENOENT);
	assert_int_equal(viommu_find_device(NULL, 0x0210, &found), VIOMMU_EINVAL);
	assert_int_equal(viommu_find_device(g.iommu, 0x0210, NULL), VIOMMU_EINVAL);
	guest_fini(&g);
}

static void null_handles(void **state)
{
	struct viommu_limits limits = { .size = sizeof(limits) };

	assert_null(viommu_device_get_opaque(NULL));
	assert_null(viommu_device_get_iommu(NULL));
	assert_int_equal(viommu_device_get_id(NULL), UINT32_MAX);
	assert_null(viommu_get_vm(NULL));
	assert_null(viommu_get_engine(NULL));
	assert_int_equal(viommu_get_register_bytes(NULL), 0);
	assert_int_equal(viommu_get_limits(NULL, &limits), VIOMMU_EINVAL);
}

/* ---- IOMMUs ---- */

struct every {
	struct guest g;
	struct viommu *vtd, *virtio, *lpis, *its;
};

static void open_every(struct every *e)
{
	struct viommu_limits limits = { .size = sizeof(limits), .steps = 77 };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd),
					 .limits = &limits,
					 .host = &e->g.host };
	struct viommu_virtio_config virtio = {
		.size = sizeof(virtio), .domains = 5, .limits = &limits, .host = &e->g.host
	};
	struct viommu_lpis_config lpis = { .size = sizeof(lpis), .cpus = 3, .limits = &limits };
	struct viommu_its_config its = {
		.size = sizeof(its), .base = 0x8080000, .limits = &limits, .host = &e->g.host
	};

	guest_init(&e->g, GUEST_REGION, 8);
	guest_vtd(&e->g, 0, 0);
	assert_int_equal(viommu_vtd_new(e->g.vm, &vtd, &e->vtd), VIOMMU_OK);
	assert_int_equal(viommu_virtio_new(e->g.vm, &virtio, &e->virtio), VIOMMU_OK);
	assert_int_equal(viommu_lpis_new(e->g.vm, &lpis, &e->lpis), VIOMMU_OK);
	its.lpis = e->lpis;
	assert_int_equal(viommu_its_new(e->g.vm, &its, &e->its), VIOMMU_OK);
}

static void close_every(struct every *e)
{
	assert_int_equal(viommu_free(e->its), VIOMMU_OK);
	assert_int_equal(viommu_free(e->lpis), VIOMMU_OK);
	assert_int_equal(viommu_free(e->virtio), VIOMMU_OK);
	assert_int_equal(viommu_free(e->vtd), VIOMMU_OK);
	guest_fini(&e->g);
}

static void iommus(void **state)
{
	struct every e;

	open_every(&e);
	const struct {
		const char *name;
		struct viommu *u;
		uint64_t bytes;
	} rows[] = {
		{ "vtd", e.vtd, 0x1000 },
		{ "virtio", e.virtio, 0x28 },
		{ "lpis", e.lpis, 3 * 0x40000 },
		{ "its", e.its, 0x20000 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_limits limits = { .size = sizeof(limits) };

		assert_string_equal(viommu_get_engine(rows[i].u), rows[i].name);
		assert_ptr_equal(viommu_get_vm(rows[i].u), e.g.vm);
		check_eq(rows[i].name, viommu_get_register_bytes(rows[i].u), rows[i].bytes);
		check_eq(rows[i].name, viommu_get_limits(rows[i].u, &limits), VIOMMU_OK);
		check_eq(rows[i].name, limits.size, sizeof(limits));
		check_eq(rows[i].name, limits.steps, 77);
		check_eq(rows[i].name, limits.queue_budget, 256);
		check_eq(rows[i].name, limits.partitions, 1);
	}
	close_every(&e);
}

/* Registers at the end of a large space count. */
static void registers_where_they_are(void **state)
{
	struct viommu_vtd_config config = { .size = sizeof(config) };
	struct viommu *iommu;
	struct guest g;

	guest_init(&g, GUEST_REGION, 8);
	config.cap = (viommu_vtd_default_cap() & ~VTD_CAP_FRO) | bits_put(VTD_CAP_FRO, 0x300);
	config.ecap = viommu_vtd_default_ecap();
	assert_int_equal(viommu_vtd_new(g.vm, &config, &iommu), VIOMMU_OK);
	assert_int_equal(viommu_get_register_bytes(iommu), 0x4000);
	assert_int_equal(viommu_free(iommu), VIOMMU_OK);
	guest_fini(&g);
}

/* What was not given is there; what is the caller's is not. */
static void configurations(void **state)
{
	struct viommu_vtd_config vtd = { .size = sizeof(vtd) };
	struct viommu_virtio_config virtio = { .size = sizeof(virtio) };
	struct viommu_its_config its = { .size = sizeof(its) };
	struct every e;

	open_every(&e);
	assert_int_equal(viommu_vtd_get_config(e.vtd, &vtd), VIOMMU_OK);
	assert_int_equal(vtd.size, sizeof(vtd));
	assert_true(vtd.cap == viommu_vtd_default_cap() && vtd.ecap == viommu_vtd_default_ecap());
	assert_true(vtd.version == 0x10 && vtd.haw == 48);
	assert_true(!vtd.host && !vtd.limits && !vtd.flags);
	assert_int_equal(viommu_virtio_get_config(e.virtio, &virtio), VIOMMU_OK);
	assert_true(virtio.domains == 5 && virtio.probe_size == 512 && virtio.gpa_last);
	assert_true(!virtio.host && !virtio.limits);
	assert_int_equal(viommu_its_get_config(e.its, &its), VIOMMU_OK);
	assert_true(its.typer == viommu_its_default_typer() && its.base == 0x8080000);
	assert_true(its.lpis == e.lpis && its.iidr == 0x43b && !its.host && !its.limits);
	/* another engine's */
	assert_int_equal(viommu_vtd_get_config(e.virtio, &vtd), VIOMMU_EINVAL);
	assert_int_equal(viommu_virtio_get_config(e.its, &virtio), VIOMMU_EINVAL);
	assert_int_equal(viommu_its_get_config(e.vtd, &its), VIOMMU_EINVAL);
	assert_int_equal(viommu_vtd_get_config(NULL, &vtd), VIOMMU_EINVAL);
	assert_int_equal(viommu_virtio_get_config(NULL, &virtio), VIOMMU_EINVAL);
	assert_int_equal(viommu_its_get_config(NULL, &its), VIOMMU_EINVAL);
	close_every(&e);
}

/* ---- abi_give ---- */

struct sample {
	uint32_t size;
	uint32_t flags;
	uint64_t old;
	uint64_t newer;
};

static const struct {
	const char *name;
	uint32_t size;
	int result;
} gives[] = {
	{ "as long as ours", sizeof(struct sample), VIOMMU_OK },
	{ "an older caller", 16, VIOMMU_OK },
	{ "a newer caller", 40, VIOMMU_OK },
	{ "the size alone", 8, VIOMMU_OK },
	{ "less than that", 4, VIOMMU_ESIZE },
	{ "zero", 0, VIOMMU_ESIZE },
	{ "in the middle of a member", 20, VIOMMU_ESIZE },
	{ "absurdly long", 4104, VIOMMU_ESIZE },
};

/* As much as there is room for; behind ours, zeros; behind the caller's, nothing is touched. */
static void give(void **state)
{
	const struct sample ours = { 99, 7, 0x1111111111111111, 0x2222222222222222 };

	for (size_t i = 0; i < ARRAY_COUNT(gives); i++) {
		unsigned char expected[64];
		unsigned char theirs[64];
		uint32_t size = gives[i].size;

		memset(theirs, 0xee, sizeof(theirs));
		memcpy(theirs, &size, sizeof(size));
		memcpy(expected, theirs, sizeof(theirs));
		if (!gives[i].result) {
			memset(expected, 0, size);
			memcpy(expected, &ours, size < sizeof(ours) ? size : sizeof(ours));
			memcpy(expected, &size, sizeof(size));
		}
		check_eq(gives[i].name, abi_give(theirs, &ours, sizeof(ours)), gives[i].result);
		check_eq(gives[i].name, memcmp(theirs, expected, sizeof(theirs)), 0);
	}
	assert_int_equal(abi_give(NULL, &ours, sizeof(ours)), VIOMMU_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices),	  cmocka_unit_test(null_handles),
		cmocka_unit_test(iommus),	  cmocka_unit_test(registers_where_they_are),
		cmocka_unit_test(configurations), cmocka_unit_test(give),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
