/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_machine.h - a RISC-V IOMMU that is programmed by the bytes of a fuzzer's input, and what must hold whatever they are:
 * answers are documented ones, fragments cover what they say, and the accesses to memory of a call are bounded.
 */
#ifndef TESTS_FUZZ_RISCV_MACHINE_H
#define TESTS_FUZZ_RISCV_MACHINE_H

#include <libvirtiommu/irq.h>
#include <libvirtiommu/observe.h>
#include <libvirtiommu/riscv.h>
#include <libvirtiommu/vm.h>

#include "harness.h"

enum { RISCV_DEVICES = 3, RISCV_OWED = 8 };

struct riscv_machine {
	uint8_t *ram; /* RAM_PAGES at RAM_BASE */
	bool region;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[RISCV_DEVICES];
	struct viommu_channel *channel[RISCV_DEVICES];
	struct viommu_listener *listener;
	uint64_t capabilities;
	uint8_t schedule[16]; /* memory that fails, or answers otherwise: a byte for each access */
	unsigned scheduled;
	unsigned turn;
	uint64_t accesses; /* of memory since the call began */
	uint64_t owed[RISCV_OWED];
	unsigned owes;
};

/* From the head of the input; false: the configuration was refused. */
bool riscv_machine_open(struct riscv_machine *m, struct input *in);
void riscv_machine_close(struct riscv_machine *m);

/* Directories, tables and queues of a kind, and everything on. */
void riscv_machine_setup(struct riscv_machine *m, uint64_t kind);

/* One operation. */
void riscv_machine_step(struct riscv_machine *m, struct input *in);

#endif
