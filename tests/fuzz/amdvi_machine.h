/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * amdvi_machine.h - a guest with an AMD IOMMU that does what a fuzzer's input says.
 *
 *	byte 0		bit 0: memory is a region; 1: few steps; 2: memory fails now and then; 3: all features; 4: HyperTransport
 *	then, each	what to do, then its operands: amdvi_machine_step()
 *
 * Guest memory is 64 pages: 0 device table, 1 commands, 2 to 4 logs, 5 status, 6 to 63 tables, wherever the input puts them.
 */
#ifndef TESTS_FUZZ_AMDVI_MACHINE_H
#define TESTS_FUZZ_AMDVI_MACHINE_H

#include <libvirtiommu/amdvi.h>

#include "amdvi_spec.h"
#include "harness.h"

enum { AMDVI_DEVICES = 2, AMDVI_CHANNELS = 3 };

struct amdvi_machine {
	uint8_t *ram; /* RAM_PAGES at RAM_BASE */
	bool region;
	bool failing;
	unsigned accesses;
	uint64_t works;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[AMDVI_DEVICES];
	struct viommu_channel *channel[AMDVI_CHANNELS];
	struct viommu_routes *routes;
	uint64_t tail;
	uint64_t owed[4]; /* invalidations without an answer, and of which device */
	unsigned owes;
	uint8_t state[16384];
	uint64_t state_bytes;
};

bool amdvi_machine_open(struct amdvi_machine *m, struct input *in);
void amdvi_machine_close(struct amdvi_machine *m);

/* A table of each kind where the fields of the input say, and everything enabled. */
void amdvi_machine_setup(struct amdvi_machine *m, struct input *in);
/* One operation: memory, requests, commands, registers, states. */
void amdvi_machine_step(struct amdvi_machine *m, struct input *in);
/* Any register access. */
void amdvi_machine_register(struct amdvi_machine *m, struct input *in);
/* Commands, and their tail. */
void amdvi_machine_commands(struct amdvi_machine *m, struct input *in);

#endif
