/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_fail_alloc.c - the nth allocation fails, for every n: VIOMMU_ENOMEM and nothing changed, no
 * leak, and the same call succeeds when there is memory again.
 */
#include "check.h"

#include <string.h>

#include "guest.h"

#define RID  0x0110U
#define IOVA UINT64_C(0x5000)

struct life {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	struct viommu_listener *listener;
	unsigned char saved[8192];
	uint64_t saved_bytes;
	uint8_t ram[2][4096] __attribute__((aligned(16)));
};

/* ---- steps of a VM's life; each may run out of memory, and is then tried again ---- */

static int new_unit(struct life *l)
{
	return guest_try_vtd(&l->g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
}

static int new_device(struct life *l)
{
	return guest_try_device(&l->g, RID, &l->device);
}

static int new_channel(struct life *l)
{
	return guest_try_channel(&l->g, l->device, VIOMMU_NO_PASID, &l->channel);
}

static int new_listener(struct life *l)
{
	struct viommu_listener_config config = { .size = sizeof(config) };

	return viommu_listener_new(l->g.iommu, l->device, &config, &l->listener);
}

static int add_region(struct life *l)
{
	struct viommu_region r = {
		.size = sizeof(r), .gpa = 0x80000000, .bytes = 4096, .host = l->ram[0]
	};

	return viommu_vm_add_region(l->g.vm, &r);
}

static int add_another(struct life *l)
{
	struct viommu_region r = {
		.size = sizeof(r), .gpa = 0x90000000, .bytes = 4096, .host = l->ram[1]
	};

	return viommu_vm_add_region(l->g.vm, &r);
}

static int remove_region(struct life *l)
{
	return viommu_vm_remove_region(l->g.vm, 0x80000000);
}

static int save(struct life *l)
{
	l->saved_bytes = sizeof(l->saved);
	return viommu_save(l->g.iommu, l->saved, &l->saved_bytes);
}

static int restore(struct life *l)
{
	int result = viommu_restore(l->g.iommu, l->saved, l->saved_bytes);

	return result > 0 ? viommu_run(l->g.iommu) : result;
}

static int reset(struct life *l)
{
	return viommu_reset(l->g.iommu);
}

static int (*const steps[])(struct life *l) = {
	new_unit,    new_device, new_channel,	new_listener, add_region,
	add_another, save,	 remove_region, restore,      reset,
};

/* Translation, invalidation, faults, interrupts: none of them may need memory. */
static void use(struct life *l)
{
	struct guest *g = &l->g;
	uint64_t page = guest_alloc(g, 1);
	struct guest_pasid p = { .did = 3, .pgtt = VTD_PGTT_SECOND, .ss_levels = 4 };
	uint64_t allocations = g->allocations;

	p.ss = guest_table(g);
	guest_ss_map(g, p.ss, 4, IOVA, page, 12, GUEST_RW);
	guest_pasid(g, RID, 0, &p);
	guest_start(g, VTD_TTM_SCALABLE);
	assert_int_equal(guest_dma(l->device, IOVA, VIOMMU_WRITE).f.gpa, page);
	assert_int_equal(guest_channel_dma(l->channel, VIOMMU_NO_PASID, IOVA, 1).f.gpa, page);
	assert_int_equal(guest_dma(l->device, IOVA + GUEST_PAGE, 1).result, VIOMMU_FAULT);
	assert_int_equal(guest_take_faults(g), 1);
	guest_invalidate_all(g);
	assert_int_equal(g->allocations, allocations);
}

static bool one_life(unsigned nth)
{
	unsigned failed = 0;
	struct life l;

	memset(&l, 0, sizeof(l));
	if (guest_try_init(&l.g, GUEST_REGION, 64, nth)) {
		/* not even the VM, or its first region */
		assert_true(nth <= 4);
		assert_int_equal(l.g.no_memory_in, 0);
		guest_fini(&l.g);
		return true;
	}
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t blocks = l.g.blocks;
		int result = steps[i](&l);

		if (result == VIOMMU_ENOMEM) {
			failed++;
			assert_int_equal(l.g.no_memory_in, 0);
			assert_int_equal(l.g.blocks, blocks);
			result = steps[i](&l);
		}
		assert_int_equal(result, VIOMMU_OK);
	}
	assert_int_equal(failed, l.g.no_memory_in == 0);
	l.g.no_memory_in = 0;
	use(&l);
	assert_int_equal(viommu_listener_free(l.listener), VIOMMU_OK);
	guest_fini(&l.g);
	return failed;
}

static void every_allocation(void **state)
{
	unsigned nth = 1;

	while (one_life(nth))
		nth++;
	assert_in_range(nth, 15, 200);
}

/* An allocator that says no from the nth allocation on: whatever exists can still be freed. */
static void no_more_memory(void **state)
{
	for (unsigned nth = 1; nth < 40; nth++) {
		struct life l;
		bool ok = true;

		memset(&l, 0, sizeof(l));
		if (guest_try_init(&l.g, GUEST_REGION, 64, 0))
			fail();
		l.g.no_memory_in = nth;
		for (unsigned i = 0; ok && i < sizeof(steps) / sizeof(steps[0]); i++) {
			ok = steps[i](&l) == VIOMMU_OK;
			if (!ok) { /* and again, in vain */
				l.g.no_memory_in = 1;
				assert_int_equal(steps[i](&l), VIOMMU_ENOMEM);
			}
		}
		assert_int_equal(viommu_listener_free(l.listener), VIOMMU_OK);
		guest_fini(&l.g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation),
		cmocka_unit_test(no_more_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
