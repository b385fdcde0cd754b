/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_riscv_records.c - fault records of the RISC-V IOMMU from several threads: each is whole, they come in the order of each thread, and
 * what is not there was said to be lost. Meanwhile the queue is emptied, turned off and on, and interrupts are taken.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "riscv_rig.h"

enum { THREADS = 3, FAULTS = 3000 };

static struct riscv_rig r;
static struct viommu_device *device[THREADS];
static _Atomic unsigned running;
static _Atomic unsigned wrong;

/* The n-th fault of a thread is at page n. */
static void *fault(void *opaque)
{
	unsigned t = *(const unsigned *)opaque;

	for (uint64_t n = 1; n <= FAULTS; n++) {
		struct guest_dma d = guest_dma(device[t], n << 12, VIOMMU_WRITE);

		if (d.result != VIOMMU_FAULT || d.answer.reason != RISCV_FAULT_DDT_INVALID)
			atomic_fetch_add(&wrong, 1);
		if (n % 16 == 0)
			sched_yield();
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static unsigned taken;
static uint64_t last[THREADS];

static void take(void)
{
	struct rv_fault f;

	while (rv_take_fault(&r, &f)) {
		unsigned t = (unsigned)bits_get(f.word[0], RISCV_FR_DID) - 1;

		assert_in_range(t, 0, THREADS - 1);
		assert_int_equal(f.word[0], RISCV_FAULT_DDT_INVALID |
						    (uint64_t)RISCV_TTYP_WRITE << 34 |
						    (uint64_t)(t + 1) << 40);
		assert_int_equal(f.word[1], 0);
		assert_int_equal(f.word[3], 0);
		assert_true(f.word[2] >> 12 > last[t] && f.word[2] >> 12 <= FAULTS);
		last[t] = f.word[2] >> 12;
		taken++;
	}
}

static void test_records(void **state)
{
	static const unsigned numbers[THREADS] = { 0, 1, 2 };
	pthread_t thread[THREADS];
	unsigned overflows = 0;
	unsigned round = 0;

	(void)state;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_1LVL);
	for (unsigned t = 0; t < THREADS; t++)
		device[t] = guest_device(&r.g, t + 1);
	atomic_store(&running, THREADS);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_create(&thread[t], NULL, fault, (void *)(uintptr_t)&numbers[t]);
	while (atomic_load(&running)) {
		take();
		if (rv_read(&r, RISCV_FQCSR, 4) & RISCV_CSR_OF) {
			overflows++;
			rv_write(&r, RISCV_FQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE | RISCV_CSR_OF);
		}
		rv_write(&r, RISCV_IPSR, 4, RISCV_IPSR_FIP);
		if (++round % 64 == 0) { /* off, until nobody writes to it, and on */
			rv_write(&r, RISCV_FQCSR, 4, RISCV_CSR_IE);
			while (rv_read(&r, RISCV_FQCSR, 4) & (RISCV_CSR_ON | RISCV_CSR_BUSY))
				viommu_run(r.g.iommu);
			take();
			rv_write(&r, RISCV_FQH, 4, 0);
			rv_write(&r, RISCV_FQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE);
			r.head = 0;
		}
		sched_yield();
	}
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	take();
	assert_int_equal(atomic_load(&wrong), 0);
	assert_int_equal(rv_read(&r, RISCV_FQCSR, 4) & RISCV_CSR_MF, 0);
	assert_in_range(taken, 1, THREADS * FAULTS);
	print_message("%u of %u records, %u overflows, %u rounds, %u messages\n", taken,
		      THREADS * FAULTS, overflows, round, r.g.count[GUEST_ON_MSI]);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_records) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
