/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_vtd_regs.c - register accesses of any size at any offset, with a queue whose bytes are the
 * input too, viommu_run(), and answers of devices to invalidations.
 */
#include <string.h>

#include "harness.h"

/* The guest's own idea of a queue: a page of descriptors, and a tail. */
static void fill_queue(struct machine *m, struct input *in)
{
	uint64_t base = machine_read(m, VTD_IQA, 8) & VTD_IQA_IQA;
	unsigned words = 1 + (unsigned)input_take(in, 1) % 96;

	for (unsigned i = 0; i < words; i++) {
		uint64_t how = input_take(in, 1);
		uint64_t value = how & 0x80 ? input_take(in, 8)
				 : how & 1  ? RAM_BASE + (how >> 1) * 4096
					    : how >> 1 & 15;

		machine_put(m, base + i * 8, value | (how & 0x80 ? 0 : input_take(in, 2) << 4));
	}
	machine_write(m, VTD_IQT, 8, words / 2 * 16);
}

static void raw_access(struct machine *m, struct input *in)
{
	uint64_t offset = input_take(in, 2);
	uint64_t how = input_take(in, 1);
	uint32_t bytes = how & 0x40 ? (uint32_t)how & 15 : UINT32_C(4) << (how & 1);

	if (how & 0x20)
		offset |= input_take(in, 6) << 16;
	if (how & 0x80)
		machine_read(m, offset, bytes);
	else
		machine_write(m, offset, bytes, input_take(in, 8));
	m->clean = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	struct machine m;

	if (!machine_open(&m, &in))
		return 0;
	for (unsigned i = 0; i < 100 && input_left(&in); i++) {
		switch (input_take(&in, 1) % 5) {
		case 0:
		case 1:
			raw_access(&m, &in);
			break;
		case 2:
			fill_queue(&m, &in);
			break;
		case 3:
			machine_step(&m, &in);
			break;
		default:
			machine_run(&m);
		}
	}
	for (unsigned i = 0; i < CHANNELS; i++)
		viommu_leave(m.channel[i]);
	machine_close(&m);
	return 0;
}
