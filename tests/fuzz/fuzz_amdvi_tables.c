/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_amdvi_tables.c - AMD-Vi tables of every kind, changed as the input says, and requests, messages and commands between. */
#include "amdvi_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	static struct amdvi_machine m;

	if (!amdvi_machine_open(&m, &in))
		return 0;
	amdvi_machine_setup(&m, &in);
	for (unsigned i = 0; i < 100 && input_left(&in); i++)
		amdvi_machine_step(&m, &in);
	amdvi_machine_close(&m);
	return 0;
}
