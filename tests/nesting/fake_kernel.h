/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_kernel.h - an iommufd that is made up: it knows the kernel's structures by their bytes, keeps books of the objects,
 * and fails where it is told to. What it checks is from the kernel's documentation of its interface, not from the glue.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "nest_host.h"

#define FAKE_IOMMUFD 100
#define FAKE_DEVICE  200 /* and up: VFIO files */
#define FAKE_IOAS    7U
#define FAKE_DEV_ID  50U /* of FAKE_DEVICE, and up */

enum fake_kind {
	FAKE_NONE,
	FAKE_PARENT,
	FAKE_NESTED,
	FAKE_VIOMMU,
	FAKE_VDEVICE,
	FAKE_EVENTS,
	FAKE_FAULTS
};

struct fake_object {
	enum fake_kind kind;
	uint32_t users; /* objects that were made of it, devices attached to it */
	uint32_t on;	/* what it was made of */
	uint32_t dev_id;
	uint64_t data[4];
	uint64_t virt_id;
};

struct fake_kernel {
	struct fake_object object[200]; /* by id */
	uint32_t last_id;
	uint32_t attached[4]; /* by device: an id; 0: nothing */
	bool smmu;
	/* The next call of this number fails with this error, after so many. */
	unsigned long fail_call;
	int fail_error;
	unsigned fail_in;
	uint32_t take; /* entries of an invalidation, then it fails */
	/* What was invalidated, in order. */
	uint32_t entries;
	uint64_t entry[64][3];
	uint32_t entry_object[64];
	unsigned invalidations; /* calls */
	/* What is read from the queues, and what was written. */
	uint8_t events[1024];
	size_t event_bytes;
	uint8_t faults[8192];
	size_t fault_bytes;
	unsigned responses;
	uint32_t response[16][2];
};

extern struct fake_kernel fake;
extern const struct nest_calls fake_calls;

void fake_reset(bool smmu);
/* Nothing that was made is left, and no file is open. */
void fake_check_empty(void);
/* With an event or without (LOST). */
void fake_event(uint32_t sequence, uint32_t flags, const uint64_t *record);
/* A group of @count page requests. */
void fake_fault(uint32_t dev_id, uint32_t group, uint64_t address, uint32_t cookie, unsigned count);

#endif
