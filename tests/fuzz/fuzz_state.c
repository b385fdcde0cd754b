/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_state.c - hostile saved states: a real one with bytes changed and its sum made right again,
 * or anything. What restores must then run, translate and save; what does not must have changed
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { CAPACITY = 16384, SUM_BYTES = 8, END_BYTES = 16 };

/* As state.h describes the end record: the sum of what is before it. */
static void make_sum(uint8_t *state, uint64_t bytes)
{
	uint64_t total = 0;

	if (bytes < END_BYTES)
		return;
	for (uint64_t i = 0; i < bytes - END_BYTES; i++)
		total = (total << 1 | total >> 63) + state[i];
	for (unsigned i = 0; i < SUM_BYTES; i++)
		state[bytes - SUM_BYTES + i] = (uint8_t)(total >> 8 * i);
}

static uint64_t save(struct machine *m, uint8_t *state)
{
	uint64_t bytes = CAPACITY;
	uint64_t needed = 0;

	CHECK(viommu_save(m->iommu, NULL, &needed) == VIOMMU_ENOSPC);
	CHECK(viommu_save(m->iommu, state, &bytes) == VIOMMU_OK);
	CHECK(bytes == needed);
	return bytes;
}

/* Changes, removals and insertions. */
static uint64_t mutate(uint8_t *state, uint64_t bytes, struct input *in)
{
	unsigned changes = 1 + (unsigned)input_take(in, 1) % 16;

	for (unsigned i = 0; i < changes; i++) {
		uint64_t how = input_take(in, 1);
		uint64_t at = input_take(in, 2) % (bytes + 1);
		uint64_t count = how >> 4;

		if (how & 1) {
			for (uint64_t b = 0; b <= count && at + b < bytes; b++)
				state[at + b] = (uint8_t)input_take(in, 1);
		} else if (how & 2) {
			if (at < bytes)
				state[at] ^= (uint8_t)(1U << (how >> 4 & 7));
		} else if (how & 4) {
			count = at + count < bytes ? count : bytes - at;
			memmove(state + at, state + at + count, bytes - at - count);
			bytes -= count;
		} else if (bytes + count <= CAPACITY) {
			memmove(state + at + count, state + at, bytes - at);
			memset(state + at, (int)input_take(in, 1), count);
			bytes += count;
		}
	}
	return bytes;
}

/* In a block of exactly its size, so that reads behind it are seen. */
static int restore(struct machine *m, const uint8_t *state, uint64_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int result;

	CHECK(copy);
	memcpy(copy, state, bytes);
	result = viommu_restore(m->iommu, copy, bytes);
	free(copy);
	return result;
}

static void try_state(struct machine *m, struct input *in)
{
	static uint8_t before[CAPACITY];
	static uint8_t hostile[CAPACITY];
	static uint8_t after[CAPACITY];
	uint64_t bytes = save(m, before);
	uint64_t hostile_bytes;
	int result;

	memcpy(hostile, before, bytes);
	hostile_bytes = mutate(hostile, bytes, in);
	if (input_take(in, 1) % 8)
		make_sum(hostile, hostile_bytes);
	result = restore(m, hostile, hostile_bytes);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING || result == VIOMMU_ESTATE);
	m->clean = false;
	if (result == VIOMMU_ESTATE) {
		CHECK(save(m, after) == bytes && memcmp(before, after, bytes) == 0);
		return;
	}
	/* what was accepted is ours from now on: it is saved, restored and saved as the same */
	bytes = save(m, after);
	result = restore(m, after, bytes);
	CHECK(result == VIOMMU_OK || result == VIOMMU_PENDING);
	CHECK(save(m, before) == bytes && memcmp(before, after, bytes) == 0);
	machine_exercise(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .size = size };
	struct machine m;

	if (!machine_open(&m, &in))
		return 0;
	if (input_left(&in)) {
		uint64_t kind = input_take(&in, 1);

		machine_setup(&m, kind, input_take(&in, 4));
	}
	for (unsigned i = 0; i < 40 && input_left(&in); i++) {
		if (input_take(&in, 1) & 1)
			machine_step(&m, &in);
		else
			try_state(&m, &in);
	}
	for (unsigned i = 0; i < CHANNELS; i++)
		viommu_leave(m.channel[i]);
	machine_close(&m);
	return 0;
}
