/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_riscv_regs.c - a RISC-V IOMMU as it comes from a reset: registers, queues and commands, all from the input. */
#include "riscv_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	struct riscv_machine m;

	if (!riscv_machine_open(&m, &in))
		return 0;
	for (unsigned i = 0; i < 200 && input_left(&in); i++)
		riscv_machine_step(&m, &in);
	riscv_machine_close(&m);
	return 0;
}
