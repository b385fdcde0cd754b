/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_amdvi_regs.c - AMD-Vi registers: accesses of any size anywhere, with commands and requests between. */
#include "amdvi_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	static struct amdvi_machine m;

	if (!amdvi_machine_open(&m, &in))
		return 0;
	for (unsigned i = 0; i < 100 && input_left(&in); i++) {
		switch (input_take(&in, 1) % 4) {
		case 0:
		case 1:
			amdvi_machine_register(&m, &in);
			break;
		case 2:
			amdvi_machine_commands(&m, &in);
			break;
		default:
			amdvi_machine_step(&m, &in);
			break;
		}
	}
	amdvi_machine_close(&m);
	return 0;
}
