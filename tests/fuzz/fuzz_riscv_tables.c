/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_riscv_tables.c - a RISC-V IOMMU whose directories and tables are set up, and then changed by the input: what is asked
 * of it, and memory that fails or changes between reads. */
#include "riscv_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	struct riscv_machine m;

	if (!riscv_machine_open(&m, &in))
		return 0;
	riscv_machine_setup(&m, input_take(&in, 1));
	for (unsigned i = 0; i < 200 && input_left(&in); i++)
		riscv_machine_step(&m, &in);
	riscv_machine_close(&m);
	return 0;
}
