/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_virtio_records.c - fault records of a virtio-iommu while a state is restored (obligations 2
 * and 29): threads that translate go on recording and taking records meanwhile. Those of the state
 * are there afterwards, first and in order, and never more than there is room for.
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

#include "virtio_engine.h"

enum { RECORDS = 4, DEVICES = 200, RESTORES = 1500, CAPACITY = 8192 };

#define SAVED(i) (UINT64_C(0xabc000000000) + (i)) /* addresses of the records of the state */

struct world {
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[DEVICES];
	unsigned char state[CAPACITY];
	uint64_t bytes;
	bool taking; /* records are taken, too */
	_Atomic uint32_t stop;
	_Atomic uint64_t faults;
};

static void fault(struct viommu_device *device, uint64_t iova)
{
	const struct viommu_request request = {
		.first = iova, .last = iova, .access = VIOMMU_READ, .pasid = VIOMMU_NO_PASID
	};
	struct viommu_fragment fragment;
	struct viommu_answer answer;

	viommu_device_translate(device, &request, &fragment, 1, &answer);
}

/* Nobody is attached: every access is a fault. */
static void *translate(void *opaque)
{
	struct world *w = opaque;
	unsigned char record[VIOMMU_VIRTIO_EVENT_BYTES];

	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		fault(w->device[0], 0x1000);
		atomic_fetch_add_explicit(&w->faults, 1, memory_order_relaxed);
		if (w->taking)
			viommu_virtio_event(w->iommu, record, sizeof(record));
	}
	return NULL;
}

static void open_world(struct world *w, bool taking)
{
	const struct viommu_vm_config vm = { .size = sizeof(vm) };
	const struct viommu_virtio_config config = { .size = sizeof(config), .events = RECORDS };

	memset(w, 0, sizeof(*w));
	w->taking = taking;
	w->bytes = sizeof(w->state);
	assert_int_equal(viommu_vm_new(&vm, &w->vm), VIOMMU_OK);
	assert_int_equal(viommu_virtio_new(w->vm, &config, &w->iommu), VIOMMU_OK);
	for (unsigned i = 0; i < DEVICES; i++) {
		const struct viommu_device_config device = { .size = sizeof(device), .id = i };

		assert_int_equal(viommu_device_new(w->iommu, &device, &w->device[i]), VIOMMU_OK);
	}
	for (uint64_t i = 0; i < RECORDS; i++)
		fault(w->device[1], SAVED(i));
	assert_int_equal(viommu_save(w->iommu, w->state, &w->bytes), VIOMMU_OK);
}

static void close_world(struct world *w)
{
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(viommu_device_free(w->device[i]), VIOMMU_OK);
	assert_int_equal(viommu_free(w->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(w->vm), VIOMMU_OK);
}

/* Nobody takes any: what was restored is all that there is room for. */
static bool as_saved(struct world *w)
{
	struct virtio *v = virtio_of(w->iommu);
	bool same;

	pthread_mutex_lock(&v->event_lock);
	same = v->event_count == RECORDS;
	for (uint32_t i = 0; i < RECORDS; i++)
		same = same && v->event[(v->event_first + i) % RECORDS].address == SAVED(i);
	pthread_mutex_unlock(&v->event_lock);
	return same;
}

static bool fits(struct world *w)
{
	struct virtio *v = virtio_of(w->iommu);
	bool fit;

	pthread_mutex_lock(&v->event_lock);
	fit = v->event_count <= RECORDS && v->event_first < RECORDS;
	pthread_mutex_unlock(&v->event_lock);
	return fit;
}

static void run(bool taking)
{
	static struct world w;
	pthread_t thread;
	unsigned wrong = 0;

	open_world(&w, taking);
	assert_int_equal(pthread_create(&thread, NULL, translate, &w), 0);
	while (!atomic_load_explicit(&w.faults, memory_order_relaxed))
		;
	/* until something is wrong: what comes after that is anybody's guess */
	for (unsigned i = 0; i < RESTORES && !wrong; i++) {
		/* pending: the other thread is inside */
		assert_true(viommu_restore(w.iommu, w.state, w.bytes) >= VIOMMU_OK);
		wrong += !(taking ? fits(&w) : as_saved(&w));
	}
	atomic_store(&w.stop, 1);
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
	close_world(&w);
}

static void test_recording(void **state)
{
	(void)state;
	run(false);
}

static void test_taking(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_recording),
					    cmocka_unit_test(test_taking) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
