/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio_machine.h - a virtio-iommu that a fuzzer's input drives, and its oracle. */
#ifndef TESTS_FUZZ_VIRTIO_MACHINE_H
#define TESTS_FUZZ_VIRTIO_MACHINE_H

#include <libvirtiommu/virtio.h>

#include "harness.h"
#include "virtio_oracle.h"

enum { LATE = 64 };

struct virtio_fuzz {
	struct input in;
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[4];
	struct viommu_channel *channel[4];
	bool inside[4]; /* a section */
	struct virtio_oracle o;
	bool hostile; /* so may be the records that wait */
	bool lost;    /* a hostile state was restored: the oracle does not know */
	bool late;
	struct {
		unsigned device;
		uint64_t token;
	} owed[LATE];
	unsigned owes;
	uint64_t pending, completed;
	uint64_t tokens[LATE]; /* of pending requests, in order */
	unsigned steps;	       /* that a call may take; 0: more than there ever are */
	unsigned told;	       /* to listeners, by this call */
	struct viommu_listener *listener;
	uint64_t token;
};

extern struct virtio_fuzz *virtio_fuzz;

static inline uint64_t take(struct virtio_fuzz *f, unsigned bytes)
{
	return input_take(&f->in, bytes);
}

/* Configuration and endpoints from the head of the input. */
void virtio_fuzz_open(struct virtio_fuzz *f);
/* Everything that waits is completed, and everything freed. */
void virtio_fuzz_close(struct virtio_fuzz *f);

/* A request that may be sensible, and one of arbitrary bytes. */
void virtio_fuzz_structured(struct virtio_fuzz *f);
/* Many mappings, one after the other. */
void virtio_fuzz_fill(struct virtio_fuzz *f);
void virtio_fuzz_arbitrary(struct virtio_fuzz *f);
/* Devices say that they have dropped what they were told to. */
void virtio_fuzz_answer(struct virtio_fuzz *f);
/* The VMM says that one is dead. */
void virtio_fuzz_fail(struct virtio_fuzz *f, unsigned device);
/* Whether anybody can hold back a completion. */
bool virtio_fuzz_busy(const struct virtio_fuzz *f);
/* After a call: what it told listeners is within its steps. And until what is under way is done. */
void virtio_fuzz_check_steps(struct virtio_fuzz *f);
void virtio_fuzz_run(struct virtio_fuzz *f);
/* Page numbers, so that they meet. */
uint64_t virtio_fuzz_address(struct virtio_fuzz *f);

#endif
