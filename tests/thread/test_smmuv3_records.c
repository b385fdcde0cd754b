/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_smmuv3_records.c - events of an SMMUv3 from several threads: each is whole, they come in the order of each thread. Meanwhile
 * the queue is emptied, and turned off and on: once that it is off is acknowledged, nobody writes to its memory (6.3.9).
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "smmuv3_rig.h"

enum { THREADS = 3, ROUNDS = 400, FREED = 0x5a };

static struct smmu_rig r;
static struct viommu_device *device[THREADS];
static atomic_bool stop;
static _Atomic unsigned wrong;

/* The n-th fault of a thread is at page n. */
static void *fault(void *opaque)
{
	unsigned t = *(const unsigned *)opaque;

	for (uint64_t n = 1; !atomic_load(&stop); n++) {
		if (guest_dma(device[t], n << 12, VIOMMU_WRITE).result != VIOMMU_FAULT)
			atomic_fetch_add(&wrong, 1);
		if (n % 16 == 0)
			sched_yield();
	}
	return NULL;
}

static unsigned taken;
static uint64_t last[THREADS];

static void take(void)
{
	uint64_t word[4];

	while (sm_event(&r, word)) {
		unsigned t = (unsigned)bits_get(word[0], BITS(63, 32)) - 1;

		assert_int_equal(word[0] & 0xff, F_TRANSLATION);
		assert_in_range(t, 0, THREADS - 1);
		assert_true(word[2] >> 12 > last[t]);
		last[t] = word[2] >> 12;
		taken++;
	}
}

/* Off; the guest has its memory for something else; and on, from the beginning. */
static void off_and_on(void)
{
	const uint64_t on = sm_read(&r, SMMU_CR0, 4);
	unsigned char *memory = guest_at(&r.g, r.eventq);

	sm_write(&r, SMMU_CR0, 4, on & ~CR0_EVENTQEN);
	while (sm_read(&r, SMMU_CR0ACK, 4) & CR0_EVENTQEN) {
		sched_yield();
		viommu_run(r.g.iommu);
	}
	take();
	memset(memory, FREED, GUEST_PAGE);
	for (unsigned i = 0; i < 8; i++)
		sched_yield();
	for (unsigned i = 0; i < GUEST_PAGE; i++)
		assert_int_equal(memory[i], FREED);
	sm_write(&r, SMMU_EVENTQ_PROD, 4, 0);
	sm_write(&r, SMMU_EVENTQ_CONS, 4, 0);
	r.taken = 0;
	sm_write(&r, SMMU_CR0, 4, on);
	assert_true(sm_read(&r, SMMU_CR0ACK, 4) & CR0_EVENTQEN);
}

static void records(void **state)
{
	static const unsigned numbers[THREADS] = { 0, 1, 2 };
	pthread_t thread[THREADS];
	uint64_t root;

	(void)state;
	sm_open(&r, NULL);
	sm_start(&r);
	root = guest_alloc(&r.g, 1);
	for (unsigned t = 0; t < THREADS; t++) {
		sm_stage1(&r, t + 1, t + 1, root);
		device[t] = guest_device(&r.g, t + 1);
	}
	for (unsigned t = 0; t < THREADS; t++)
		pthread_create(&thread[t], NULL, fault, (void *)(uintptr_t)&numbers[t]);
	for (unsigned round = 0; round < ROUNDS; round++) {
		take();
		off_and_on();
		sched_yield();
	}
	atomic_store(&stop, true);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	take();
	off_and_on();
	assert_int_equal(atomic_load(&wrong), 0);
	assert_int_equal(sm_read(&r, SMMU_GERROR, 4), 0);
	assert_in_range(taken, ROUNDS, UINT32_MAX);
	print_message("%u records, %d rounds\n", taken, ROUNDS);
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(records) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
