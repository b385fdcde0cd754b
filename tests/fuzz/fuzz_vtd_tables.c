/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_vtd_tables.c - table memory, registers, queue contents and requests, all from the input; memory
 * that fails or changes between reads. */
#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	struct machine m;

	if (!machine_open(&m, &in))
		return 0;
	if (input_left(&in)) {
		uint64_t kind = input_take(&in, 1);

		machine_setup(&m, kind, input_take(&in, 4));
	}
	for (unsigned i = 0; i < 100 && input_left(&in); i++)
		machine_step(&m, &in);
	for (unsigned i = 0; i < CHANNELS; i++)
		viommu_leave(m.channel[i]);
	machine_close(&m);
	return 0;
}
