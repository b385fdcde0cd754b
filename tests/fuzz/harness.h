/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * harness.h - a machine that is programmed by the bytes of a fuzzer's input, and what must hold
 * whatever they are: answers are documented ones, fragments cover what they say, nothing lies in
 * the interrupt window or outside the registered memory, and the work of a call is bounded.
 *
 * An input is a head (capabilities, memory) and a list of operations, each an opcode and operands;
 * what is missing at its end reads as 0.
 */
#ifndef TESTS_FUZZ_HARNESS_H
#define TESTS_FUZZ_HARNESS_H

#include <libvirtiommu/dma.h>
#include <libvirtiommu/irq.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vtd_spec.h"
#include "work.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			check_failed(#condition, __FILE__, __LINE__);                              \
	} while (0)

_Noreturn void check_failed(const char *condition, const char *file, int line);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
	size_t at;
};

static inline bool input_left(const struct input *in)
{
	return in->at < in->size;
}

/* Little-endian. */
static inline uint64_t input_take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->at < in->size; i++)
		value |= (uint64_t)in->data[in->at++] << 8 * i;
	return value;
}

#define RAM_BASE       UINT64_C(0x100000)
#define RAM_PAGES      64U
#define ROM_BASE       UINT64_C(0x180000)
#define ROM_PAGES      2U
#define RAM_BYTES      ((uint64_t)(RAM_PAGES + ROM_PAGES) * 4096)
#define MACHINE_BUDGET 16U /* descriptors of one call */

/* Functions that a call may enter for each step, and beside; and when something was replayed, so that 64 entries of
 * tables are looked at however few steps there are: nested ones, with a walk for the entry and one for its page, of up to
 * 150 functions each where every load looks for its region. */
enum { MACHINE_EACH = 200, MACHINE_BASE = 800, MACHINE_BASE_REPLAYED = 64 * 2 * 150 };

enum { DEVICES = 3, CHANNELS = 3, OWED = 8, MAPS = 2, MAP_PARTS = 4 };

/* A map that stays open from one operation to another. */
struct machine_map {
	struct viommu_mapping map;
	struct viommu_part parts[MAP_PARTS];
	uint64_t gpas[MAP_PARTS];
	bool writes;
};

struct machine {
	uint8_t *ram; /* RAM_PAGES at RAM_BASE, then ROM_PAGES */
	bool region;  /* it is a region, otherwise behind the callbacks */
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[DEVICES];
	struct viommu_channel *channel[CHANNELS];
	struct viommu_listener *listener;
	uint64_t cap;
	uint64_t ecap;
	uint32_t steps; /* of a call */
	/* Memory that misbehaves: a byte for each access, again and again. */
	uint8_t schedule[16];
	unsigned scheduled; /* bytes of it; 0: memory behaves */
	unsigned turn;
	/* Nothing in memory has changed since everything was invalidated: answers repeat. */
	bool clean;
	uint64_t writes; /* by the library, ever, and when everything was invalidated last */
	uint64_t clean_writes;
	uint64_t accesses; /* of guest memory through callbacks, since the call began */
	uint64_t calls;	   /* of other callbacks */
	uint64_t owed[OWED];
	unsigned owes;
	struct machine_map map[MAPS];
	struct viommu_section section[MAPS];
	bool dma;		     /* under way: what is stored has any size */
	unsigned invalidate_answers; /* bits: pending or done, taken in turn */
};

/* From the head of the input; false: the configuration was refused. */
bool machine_open(struct machine *m, struct input *in);
void machine_close(struct machine *m);

/* Executes one operation of the list. */
void machine_step(struct machine *m, struct input *in);

/* Tables of a kind, root table pointer, queue and TE. */
void machine_setup(struct machine *m, uint64_t kind, uint64_t bits);
/* Everything is invalidated by setting the root table pointer: answers repeat from here on. */
void machine_flush(struct machine *m);
bool machine_stable(const struct machine *m);

uint64_t machine_page(const struct machine *m, uint64_t n);
/* Host address of guest memory; NULL: there is none. */
uint8_t *machine_at(struct machine *m, uint64_t gpa, uint64_t bytes);
uint64_t *machine_word(struct machine *m, uint64_t gpa);
void machine_put(struct machine *m, uint64_t gpa, uint64_t value);

/* With what they answer checked. */
int machine_write(struct machine *m, uint64_t offset, uint32_t bytes, uint64_t value);
uint64_t machine_read(struct machine *m, uint64_t offset, uint32_t bytes);
void machine_run(struct machine *m);
void machine_translate(struct machine *m, unsigned who, const struct viommu_request *request);
void machine_remap(struct machine *m, uint32_t source, uint64_t address, uint32_t data,
		   uint32_t flags);
/* how: 1:0 device, 5:3 what is done, 6 in its channel, 9:8 size, 10 privileged, 11 fetch, 12 any size */
void machine_dma(struct machine *m, uint64_t how, uint64_t iova, uint32_t pasid, uint64_t value);
/* Closes maps and sections. */
void machine_release(struct machine *m);
/* Registers, queue and translations of every device, after something hostile was let in. */
void machine_exercise(struct machine *m);

#endif
