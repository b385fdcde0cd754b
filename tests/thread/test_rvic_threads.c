/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_rvic_threads.c - a CPU that acknowledges and unmasks while other threads signal it, mask and
 * unmask on it, and save: every signal that made an interrupt pending is taken, none twice.
 */
#include "check.h"

#include <libvirtiommu/rvic.h>
#include <libvirtiommu/vm.h>

#include <pthread.h>
#include <stdatomic.h>

#include "bits.h"
#include "rvic_spec.h"

#define SIGNALLERS 2U
#define SIGNALS	   4000U

static struct viommu_rvic *rvic;
static _Atomic uint32_t kicked;
static _Atomic uint32_t busy; /* threads that still change something */

static void on_kick(void *opaque, uint32_t cpu)
{
	if (cpu == 0)
		atomic_store(&kicked, 1);
}

static uint64_t call(uint32_t cpu, uint32_t function, uint64_t a, uint64_t b, uint64_t *value)
{
	uint64_t x[4] = { RVIC_BASE + function, a, b, 0 };

	assert_int_equal(viommu_rvic_call(rvic, cpu, x), VIOMMU_OK);
	if (value)
		*value = x[1];
	return x[0];
}

/* Each signals an interrupt of its own, and again only when it has been taken: so none may be lost. */
static _Atomic uint32_t taken[SIGNALLERS];

static void *signaller(void *opaque)
{
	uint32_t which = *(const uint32_t *)opaque;

	for (uint32_t i = 0; i < SIGNALS; i++) {
		if (which == 0)
			call(1, RVIC_F_SIGNAL, 0, 5, NULL);
		else
			viommu_rvic_signal(rvic, 0, 40, 1, VIOMMU_RVIC_UNTRUSTED);
		while (atomic_load(&taken[which]) <= i)
			sched_yield();
	}
	atomic_fetch_sub(&busy, 1);
	return NULL;
}

static void *meddler(void *opaque)
{
	static unsigned char state[8192];

	while (atomic_load(&busy) > 1) {
		uint64_t bytes = sizeof(state);

		call(1, RVIC_F_SET_MASKED, 0, 5, NULL);
		assert_int_equal(viommu_rvic_save(rvic, state, &bytes), VIOMMU_OK);
		call(1, RVIC_F_CLEAR_MASKED, 0, 5, NULL);
		sched_yield();
	}
	atomic_fetch_sub(&busy, 1);
	return NULL;
}

/* CPU 0 looks when it was kicked, and after calls of its own. */
static void run_cpu(void)
{
	static const uint64_t intid[SIGNALLERS] = { 5, 40 };

	while (atomic_load(&busy)) {
		uint64_t value;

		if (!atomic_exchange(&kicked, 0)) {
			sched_yield();
			continue;
		}
		while (viommu_rvic_can_signal(rvic, 0) == 1) {
			if (call(0, RVIC_F_ACKNOWLEDGE, 0, 0, &value) != 0)
				break; /* masked meanwhile: spurious */
			assert_true(value == intid[0] || value == intid[1]);
			atomic_fetch_add(&taken[value == intid[1]], 1);
			call(0, RVIC_F_CLEAR_MASKED, 0, value, NULL);
		}
	}
}

static void none_is_lost(void **state)
{
	struct viommu_vm_config vm_config = { .size = sizeof(vm_config) };
	struct viommu_rvic_config config = { .size = sizeof(config), .cpus = 2, .kick = on_kick };
	uint32_t which[SIGNALLERS] = { 0, 1 };
	pthread_t thread[SIGNALLERS + 1];
	struct viommu_vm *vm;

	assert_int_equal(viommu_vm_new(&vm_config, &vm), VIOMMU_OK);
	assert_int_equal(viommu_rvic_new(vm, &config, &rvic), VIOMMU_OK);
	call(0, RVIC_F_ENABLE, 0, 0, NULL);
	call(0, RVIC_F_CLEAR_MASKED, 0, 5, NULL);
	call(0, RVIC_F_CLEAR_MASKED, 0, 40, NULL);
	atomic_store(&busy, SIGNALLERS + 1);
	for (unsigned i = 0; i < SIGNALLERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, signaller, &which[i]), 0);
	assert_int_equal(pthread_create(&thread[SIGNALLERS], NULL, meddler, NULL), 0);
	run_cpu();
	for (unsigned i = 0; i <= SIGNALLERS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (unsigned i = 0; i < SIGNALLERS; i++)
		assert_int_equal(atomic_load(&taken[i]), SIGNALS);
	viommu_rvic_free(rvic);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(none_is_lost) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
