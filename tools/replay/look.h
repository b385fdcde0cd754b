/* SPDX-License-Identifier: BSD-3-Clause */
/* look.h - what an IOMMU has at a line of a tape: its devices, and what each has mapped. */
#ifndef REPLAY_LOOK_H
#define REPLAY_LOOK_H

#include "session.h"
#include "steps.h"

/* Pages that are contiguous in both address spaces and permit the same. */
struct range {
	uint64_t first;
	uint64_t last;
	uint64_t gpa;
	uint32_t perm;
};

struct ranges {
	struct range *list;
	size_t count;
	size_t capacity;
	bool exhausted; /* out of memory */
};

/* All that is mapped, in order. A result of the library: VIOMMU_OK; VIOMMU_FAULT, nothing is let through. */
int ranges_read(struct ranges *ranges, struct session *s, struct viommu_device *device,
		uint32_t pasid);
void ranges_fini(struct ranges *ranges);

/* One device: the structures that say how its requests are treated. */
struct context {
	uint32_t name;
	uint32_t id; /* in whose order they come */
	struct viommu_device *device;
	struct steps steps; /* those structures, and how address 0 ends */
};

/* Device `device` only; or every one up to `last` that the guest's tables have something of, or that the tape has named. */
struct look {
	bool one;
	uint32_t device;
	uint32_t last;
};

int look_devices(struct session *s, const struct look *which,
		 int (*each)(void *opaque, struct session *s, const struct context *context),
		 void *opaque);

#endif
