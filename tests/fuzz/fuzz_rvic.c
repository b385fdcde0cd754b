/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_rvic.c - hypercalls, inputs and saved states of an RVIC and an RVID.
 *
 * Steps of 8 bytes: what (bits 2:0), CPU (7:3), function (15:8), then three arguments: the first may be
 * an MPIDR (23:16, with bits beyond affinity if 24 is set), the others INTIDs or inputs (39:32, 55:48,
 * of 64 bits if 40 or 56 is set). What 7: the rest of the input is a saved state.
 *
 * After each step: a CPU can be signalled exactly if ACKNOWLEDGE would find something, and nothing is
 * answered that is not a status.
 */
#include <libvirtiommu/rvic.h>
#include <libvirtiommu/vm.h>

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "harness.h"
#include "rvic_spec.h"

#define CPUS 4U

/* Functions that a call may enter: saving and restoring more than any other. */
enum { WORK_EACH = 0, WORK_BASE = 6000 };

static struct viommu_rvic *rvic;
static struct viommu_rvid *rvid;
static uint32_t sampled;

static void on_kick(void *opaque, uint32_t cpu)
{
	int can = viommu_rvic_can_signal(rvic, cpu);

	(void)opaque;
	CHECK(cpu < CPUS && (can == 0 || can == 1));
}

static uint32_t on_sample(void *opaque, uint32_t cpu, uint32_t intid)
{
	(void)opaque;
	CHECK(cpu < CPUS && intid < 32);
	return sampled;
}

static void on_signal(void *opaque, uint32_t cpu, uint32_t intid, uint32_t level)
{
	(void)opaque;
	CHECK(viommu_rvic_signal(rvic, cpu, intid, level, VIOMMU_RVIC_UNTRUSTED) == VIOMMU_OK);
}

static uint64_t argument(uint64_t step, unsigned shift)
{
	uint64_t value = step >> shift & 0xff;

	return step >> (shift + 8) & 1 ? value | UINT64_C(0xa500000000000000) : value;
}

static void do_call(uint64_t step)
{
	uint64_t x[4] = { 0, argument(step, 16), argument(step, 32), argument(step, 48) };
	uint32_t function = (uint32_t)(step >> 8 & 0x1f);
	bool on_rvic = step & 1;

	x[0] = (on_rvic ? RVIC_BASE : RVID_BASE) + function;
	CHECK((on_rvic ? viommu_rvic_call(rvic, (uint32_t)(step >> 3 & (CPUS - 1)), x)
		       : viommu_rvid_call(rvid, x)) == VIOMMU_OK);
	CHECK(x[0] == UINT64_MAX || (x[0] & 0xff) <= RVIC_NO_INTERRUPTS);
	CHECK(x[0] == 0 || x[1] == 0);
	CHECK(x[2] == 0 && x[3] == 0);
}

static void do_restore(const uint8_t *data, size_t size)
{
	int result = viommu_rvic_restore(rvic, data, size);

	CHECK(result == VIOMMU_OK || result == VIOMMU_ESTATE);
	result = viommu_rvid_restore(rvid, data, size);
	CHECK(result == VIOMMU_OK || result == VIOMMU_ESTATE);
}

/* Save, restore, save: the same. */
static void check_state(void)
{
	unsigned char first[8192], second[8192];
	uint64_t bytes = sizeof(first), more = sizeof(second);

	CHECK(viommu_rvic_save(rvic, first, &bytes) == VIOMMU_OK);
	CHECK(viommu_rvic_restore(rvic, first, bytes) == VIOMMU_OK);
	CHECK(viommu_rvic_save(rvic, second, &more) == VIOMMU_OK);
	CHECK(bytes == more && memcmp(first, second, bytes) == 0);
}

static void drain(void)
{
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		for (unsigned i = 0; i <= 96; i++) {
			uint64_t x[4] = { RVIC_BASE + RVIC_F_ACKNOWLEDGE, 0, 0, 0 };
			int can = viommu_rvic_can_signal(rvic, cpu);

			CHECK(viommu_rvic_call(rvic, cpu, x) == VIOMMU_OK);
			CHECK((x[0] == 0) == can);
			if (!can)
				break;
			CHECK(i < 96); /* each of the 96 once */
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint64_t mpidr[CPUS] = { 0, 1, 2, 7 };
	struct viommu_vm_config vm_config = { .size = sizeof(vm_config) };
	struct viommu_rvic_config config = { .size = sizeof(config),
					     .cpus = CPUS,
					     .trusted = 32,
					     .untrusted = 64,
					     .mpidr = mpidr,
					     .kick = on_kick,
					     .signal = on_signal };
	struct viommu_vm *vm;

	config.flags = size && (data[0] & 0x80) ? VIOMMU_RVIC_ALIGNED_CODES : 0;
	config.sample = size && (data[0] & 0x40) ? on_sample : NULL;
	work_expect(0, WORK_EACH, WORK_BASE);
	CHECK(viommu_vm_new(&vm_config, &vm) == VIOMMU_OK);
	CHECK(viommu_rvic_new(vm, &config, &rvic) == VIOMMU_OK);
	CHECK(viommu_rvid_new(vm, &config, &rvid) == VIOMMU_OK);
	for (; size >= 8; data += 8, size -= 8) {
		uint64_t step;

		memcpy(&step, data, 8);
		switch (step & 7) {
		case 4:
			viommu_rvic_signal(rvic, (uint32_t)(step >> 3 & 7),
					   (uint32_t)argument(step, 32), (uint32_t)(step >> 8 & 3),
					   (uint32_t)(step >> 10 & 7));
			break;
		case 5:
			viommu_rvid_input(rvid, (uint32_t)argument(step, 32), step >> 8 & 1);
			sampled = step >> 9 & 1;
			break;
		case 6:
			viommu_rvic_reset_cpu(rvic, (uint32_t)(step >> 3 & 7));
			check_state();
			break;
		case 7:
			do_restore(data + 8, size - 8);
			size = 8;
			break;
		default:
			do_call(step);
		}
	}
	check_state();
	drain();
	viommu_rvic_free(rvic);
	viommu_rvid_free(rvid);
	CHECK(viommu_vm_free(vm) == VIOMMU_OK);
	return 0;
}
