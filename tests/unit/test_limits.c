/* SPDX-License-Identifier: BSD-3-Clause */
/* test_limits.c - allocators and cache sizes at their ends. */
#include "check.h"

#include "bits.h"
#include "guest.h"

static void *take(void *opaque, uint64_t bytes, uint64_t align)
{
	(void)opaque;
	(void)bytes;
	(void)align;
	return NULL;
}

static void give(void *opaque, void *block, uint64_t bytes)
{
	(void)opaque;
	(void)block;
	(void)bytes;
}

static void half_an_allocator(void **state)
{
	struct viommu_vm_config config = { .size = sizeof(config), .alloc = take };
	struct viommu_vm *vm = NULL;

	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_EINVAL);
	config.alloc = NULL;
	config.dealloc = give;
	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_EINVAL);
	config.alloc = take;
	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_ENOMEM);
	assert_null(vm);
}

/* Absurd sizes are refused before anything of that size is asked of the allocator. */
static const struct {
	const char *name;
	struct viommu_limits limits;
} bad_limits[] = {
	{ "tlb_entries", { .tlb_entries = UINT32_MAX } },
	{ "contexts", { .contexts = UINT32_MAX } },
	{ "domains", { .domains = UINT32_MAX } },
	{ "outstanding", { .outstanding = UINT32_MAX } },
	{ "tables", { .tables = UINT32_MAX } },
	{ "tables, one more", { .tables = (1U << 24) + 1 } },
	{ "channel_entries", { .channel_entries = UINT32_MAX } },
	{ "channel_entries, one more", { .channel_entries = 65537 } },
	{ "partitions", { .partitions = 65 } },
	{ "reserved", { .reserved = 1 } },
};

static void absurd_limits(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(bad_limits); i++) {
		struct viommu_limits limits = bad_limits[i].limits;
		struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };
		struct viommu *iommu = NULL;
		uint64_t blocks;
		struct guest g;

		limits.size = sizeof(limits);
		guest_init(&g, GUEST_REGION, 1);
		blocks = g.blocks;
		check_eq(bad_limits[i].name, viommu_vtd_new(g.vm, &config, &iommu), VIOMMU_EINVAL);
		check_eq(bad_limits[i].name, g.blocks, blocks);
		check_that(bad_limits[i].name, !iommu);
		guest_fini(&g);
	}
}

/* The smallest of everything still works. */
static void least_limits(void **state)
{
	struct viommu_limits limits = { sizeof(limits), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0 };
	struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };
	struct guest g;
	struct guest_dma d;
	uint64_t ss, page;

	guest_init(&g, GUEST_REGION, 64);
	assert_int_equal(guest_try_vtd_config(&g, &config), VIOMMU_OK);
	ss = guest_table(&g);
	page = guest_alloc(&g, 8);
	for (unsigned i = 0; i < 8; i++)
		guest_ss_map(&g, ss, 4, i * GUEST_PAGE, page + i * GUEST_PAGE, 12, GUEST_RW);
	guest_legacy(&g, 8, 1, ss, 4);
	guest_start(&g, VTD_TTM_LEGACY);
	guest_device(&g, 8);
	for (unsigned i = 0; i < 24; i++) {
		d = guest_dma(g.device[0].device, i % 8 * GUEST_PAGE, VIOMMU_WRITE);
		assert_int_equal(d.result, VIOMMU_OK);
		assert_int_equal(d.f.gpa, page + i % 8 * GUEST_PAGE);
	}
	guest_invalidate_all(&g);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_an_allocator),
		cmocka_unit_test(absurd_limits),
		cmocka_unit_test(least_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
