/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vm_wait.c - viommu_vm_wait() sleeps until the last section has closed that may use an old region, and
 * wakes then: while the thread that owns the registers waits for sections of its own, which moves the one
 * word that both wait by. A wake that is lost hangs the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sched.h>

#include "thread_world.h"

#define GPA (UINT64_C(1) << 40)

struct crowd {
	struct world w;
	struct viommu_channel *channel[2];
	_Atomic bool stop;
	_Atomic uint64_t entered[2];
	_Atomic uint32_t pinned; /* the first channel's section is open */
};

static void *use(void *opaque)
{
	struct crowd *c = opaque;

	while (!atomic_load(&c->stop)) {
		viommu_enter(c->channel[0]);
		atomic_store(&c->pinned, 1);
		atomic_fetch_add(&c->entered[0], 1);
		sched_yield();
		atomic_store(&c->pinned, 0);
		viommu_leave(c->channel[0]);
		sched_yield();
	}
	return NULL;
}

static void *invalidate(void *opaque)
{
	struct crowd *c = opaque;

	while (!atomic_load(&c->stop)) {
		world_submit(&c->w, GUEST_IOTLB(1, 0), 0);
		world_sync(&c->w);
		atomic_fetch_add(&c->entered[1], 1);
	}
	return NULL;
}

static void sleeps_until_it_is_quiet(void **state)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));
	struct viommu_region r = {
		.size = sizeof(r), .gpa = GPA, .bytes = sizeof(page), .host = page
	};
	struct viommu_device_config config = { .size = sizeof(config), .id = 8 };
	struct crowd *c = calloc(1, sizeof(*c));
	struct viommu_device *device;
	unsigned count = scaled(2000);
	unsigned waited = 0;
	pthread_t thread[2];

	watchdog();
	assert_non_null(c);
	world_open(&c->w, &(struct world_config){ .ttm = VTD_TTM_SCALABLE });
	assert_int_equal(viommu_device_new(c->w.iommu, &config, &device), VIOMMU_OK);
	assert_int_equal(viommu_channel_new(device, VIOMMU_NO_PASID, &c->channel[0]), VIOMMU_OK);
	world_start(&thread[0], use, c);
	world_start(&thread[1], invalidate, c);
	for (unsigned i = 0; i < count || waited == 0 || !atomic_load(&c->entered[1]); i++) {
		uint32_t pinned;

		assert_int_equal(viommu_vm_add_region(c->w.vm, &r), VIOMMU_OK);
		pinned = atomic_load(&c->pinned);
		assert_int_equal(viommu_vm_remove_region(c->w.vm, GPA), VIOMMU_OK);
		waited += pinned && viommu_vm_quiesce(c->w.vm) == VIOMMU_PENDING;
		assert_int_equal(viommu_vm_wait(c->w.vm), VIOMMU_OK);
	}
	atomic_store(&c->stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_true(atomic_load(&c->entered[0]) && atomic_load(&c->entered[1]));
	world_check(&c->w);
	assert_int_equal(viommu_channel_free(c->channel[0]), VIOMMU_OK);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	world_close(&c->w);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sleeps_until_it_is_quiet) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
