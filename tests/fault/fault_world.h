/* SPDX-License-Identifier: BSD-3-Clause */
/* fault_world.h - a unit with tables of every kind, and the operations that read and write them. */
#ifndef TESTS_FAULT_WORLD_H
#define TESTS_FAULT_WORLD_H

#include <libvirtiommu/dma.h>

#include "guest.h"

enum tables { LEGACY, SECOND, FIRST, NESTED };

#define RID   0x0110U
#define PASID 7U
#define IOVA  UINT64_C(0x5000)

struct fault_world {
	struct guest g;
	struct viommu_device *device;
	uint64_t page;	 /* what IOVA maps to */
	uint64_t posted; /* posted interrupt descriptor of entry 1 */
	uint64_t stage2; /* second-stage tables: [stage2, stage2_end) */
	uint64_t stage2_end;
};

void fault_world_init(struct fault_world *w, enum guest_memory memory, enum tables tables);
void fault_world_fini(struct fault_world *w);

/* What an operation came to. */
struct outcome {
	int result;
	unsigned reason;
	unsigned ats;
	uint64_t gpa;
	unsigned perm;
};

struct operation {
	const char *name;
	enum tables tables;
	struct outcome (*run)(struct fault_world *w);
	bool bytes;	     /* the memory behind the translation is accessed, too */
	uint8_t reasons[16]; /* that an access that fails may give; 0 ends them */
};

extern const struct operation operations[];
extern const unsigned operation_count;

/* Puts one descriptor of every type that the mode has, and a wait, into the queue. */
void fault_world_queue(struct fault_world *w);

#endif
