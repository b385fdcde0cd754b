/* SPDX-License-Identifier: BSD-3-Clause */
/* api_world.h - what fuzz_api.c has made so far, and its callbacks. */
#ifndef TESTS_FUZZ_API_WORLD_H
#define TESTS_FUZZ_API_WORLD_H

#include <libvirtiommu/dma.h>

#include "guest.h" /* capabilities only */
#include "harness.h"

enum {
	VMS = 2,
	UNITS = 3,
	REQUESTERS = 5,
	WAYS_IN = 5,
	LISTENERS = 3,
	PIECES = 8,
	DEPTH = 3,
	STEPS = 8
};

/* Functions that a call may enter for each step, and beside. */
enum { WORK_EACH = 200, WORK_BASE = 1500 };

#define PIECE_BYTES UINT64_C(0x4000)
#define BASE	    UINT64_C(0x100000)
#define ALLOC_MAX   (UINT64_C(16) << 20)

struct api_world {
	struct input *in;
	struct viommu_vm *vm[VMS];
	struct viommu *unit[UNITS];
	unsigned vm_of[UNITS];
	struct viommu_device *device[REQUESTERS];
	unsigned unit_of[REQUESTERS];
	struct viommu_channel *channel[WAYS_IN];
	unsigned device_of[WAYS_IN];
	struct viommu_listener *listener[LISTENERS];
	unsigned listener_of[LISTENERS];
	struct viommu_mapping map[MAPS];
	struct viommu_part parts[MAPS][3];
	uint64_t gpas[MAPS][3];
	struct viommu_section section[MAPS];
	uint64_t tokens;
	unsigned depth;	  /* of callbacks */
	unsigned used;	  /* of them, those in which devices and units may be in use */
	unsigned fail_in; /* allocations until one fails; 0: none does */
	uint64_t blocks;
	uint64_t steps;	 /* the most that a call on any unit may take */
	uint64_t asked;	 /* steps besides, of what calls under way ask for */
	uint64_t budget; /* of steps, so that an input ends */
	_Alignas(4096) uint8_t ram[PIECES * 0x4000];
	void (*step)(void); /* anything */
};

extern struct api_world api;

static inline uint64_t take(unsigned bytes)
{
	return input_take(api.in, bytes);
}

/* A documented result. */
static inline void check(int result)
{
	CHECK(result >= VIOMMU_ENOSPC && result <= VIOMMU_UNREACHABLE);
}

/* Creation, with structures that are wrong now and then. */
void api_vm_new(void);
void api_unit_new(void);
void api_device_new(void);
void api_channel_new(void);
void api_listener_new(void);
/* Another size, or a bit somewhere; mostly neither. */
void api_spoil(void *structure, uint32_t size);

/* What calls may take from now on: steps, and so many more (or fewer) for what is asked. */
void api_expect(uint64_t more);

int api_mapped(void *opaque, uint64_t iova, const struct viommu_fragment *fragment);
int api_explained(void *opaque, const struct viommu_step *step);

#endif
