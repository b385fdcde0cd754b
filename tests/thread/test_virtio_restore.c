/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_restore.c - states are restored and the configuration space is read while another
 * thread frees the endpoint that they attach, and makes it again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vm.h>
#include <pthread.h>
#include <stdatomic.h>

enum { RESTORES = 20000, CAPACITY = 4096 };

struct world {
	struct viommu_vm *vm;
	struct viommu *iommu;
	unsigned char state[CAPACITY];
	uint64_t bytes;
	_Atomic uint32_t stop;
	_Atomic uint64_t frees;
};

static struct viommu_device *plug(struct world *w)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = 8 };
	struct viommu_device *device;

	assert_int_equal(viommu_device_new(w->iommu, &config, &device), VIOMMU_OK);
	return device;
}

static void *replug(void *opaque)
{
	struct world *w = opaque;

	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		struct viommu_device *device = plug(w);
		uint64_t value;

		/* constants, beside anything */
		assert_int_equal(viommu_reg_read(w->iommu, 0, 8, &value), VIOMMU_OK);
		assert_int_equal(value, ~UINT64_C(0xfff));
		assert_int_equal(viommu_reg_read(w->iommu, 0x24, 1, &value), VIOMMU_OK);
		assert_int_equal(value, 0);
		while (viommu_device_free(device) == VIOMMU_EBUSY) /* named by a restore just now */
			;
		atomic_fetch_add_explicit(&w->frees, 1, memory_order_relaxed);
	}
	return NULL;
}

static void request(struct world *w, const void *bytes, uint64_t count)
{
	unsigned char copy[64], tail[4];
	struct viommu_part in = { copy, count }, out = { tail, sizeof(tail) };
	uint32_t used;

	memcpy(copy, bytes, count);
	assert_int_equal(viommu_virtio_request(w->iommu, &in, 1, &out, 1, 1, &used), VIOMMU_OK);
	assert_int_equal(tail[0], 0);
}

static void open_world(struct world *w)
{
	static const unsigned char attach[20] = { 1, [4] = 1, [8] = 8 };
	static const unsigned char map[36] = {
		3, [4] = 1, [9] = 0x10, [16] = 0xff, 0x1f, [32] = 3
	};
	const struct viommu_vm_config vm = { .size = sizeof(vm) };
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 64,
					      .tables = 16,
					      .contexts = 16,
					      .domains = 16 };
	const struct viommu_virtio_config config = {
		.size = sizeof(config), .domains = 16, .events = 4, .limits = &limits
	};
	struct viommu_device *device;

	memset(w, 0, sizeof(*w));
	w->bytes = sizeof(w->state);
	assert_int_equal(viommu_vm_new(&vm, &w->vm), VIOMMU_OK);
	assert_int_equal(viommu_virtio_new(w->vm, &config, &w->iommu), VIOMMU_OK);
	device = plug(w);
	request(w, attach, sizeof(attach));
	request(w, map, sizeof(map));
	assert_int_equal(viommu_save(w->iommu, w->state, &w->bytes), VIOMMU_OK);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
}

static void test_restore(void **state)
{
	static struct world w;
	unsigned restored = 0, refused = 0;
	pthread_t thread;

	(void)state;
	open_world(&w);
	assert_int_equal(pthread_create(&thread, NULL, replug, &w), 0);
	/* as often as it takes for both to have happened */
	for (unsigned i = 0; i < RESTORES || !restored || !refused; i++) {
		int result = viommu_restore(w.iommu, w.state, w.bytes);

		assert_true(result >= VIOMMU_OK || result == VIOMMU_ESTATE);
		restored += result >= VIOMMU_OK;
		refused += result == VIOMMU_ESTATE;
	}
	atomic_store(&w.stop, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	print_message("%u restored, %u refused, %llu frees\n", restored, refused,
		      (unsigned long long)w.frees);
	assert_int_equal(viommu_free(w.iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(w.vm), VIOMMU_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_restore) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
