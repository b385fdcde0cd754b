/* SPDX-License-Identifier: BSD-3-Clause */
/* state.c - saved state: writing records, and reading them from someone who is not trusted. */

#include <libvirtiommu/base.h>

#include <string.h>

#include "range.h"
#include "state.h"

#define HEADER_BYTES 16U
#define RECORD_BYTES 8U
#define END_BYTES    (RECORD_BYTES + 8U)

static const unsigned char magic[8] = "viommu\0\1";

static void put_bytes(struct state_writer *state, const void *from, uint64_t count)
{
	if (state->bytes + count <= state->capacity)
		memcpy(state->buffer + state->bytes, from, (size_t)count);
	state->bytes += count;
}

static void encode(unsigned char *to, uint64_t word, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (unsigned char)(word >> 8 * i);
}

static uint64_t decode(const unsigned char *from, unsigned bytes)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < bytes; i++)
		word |= (uint64_t)from[i] << 8 * i;
	return word;
}

static uint64_t sum(const unsigned char *from, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes; i++)
		total = (total << 1 | total >> 63) + from[i];
	return total;
}

static void put_name(struct state_writer *state, const char *name, unsigned bytes)
{
	unsigned char padded[8] = { 0 };

	for (unsigned i = 0; i < bytes && name[i]; i++)
		padded[i] = (unsigned char)name[i];
	put_bytes(state, padded, bytes);
}

void state_begin(struct state_writer *state, const char *engine, void *buffer, uint64_t capacity)
{
	*state = (struct state_writer){ .buffer = buffer, .capacity = capacity };
	put_bytes(state, magic, sizeof(magic));
	put_name(state, engine, 8);
}

/* Writes the length of the record that is open. */
static void close_record(struct state_writer *state)
{
	if (state->record && state->bytes <= state->capacity)
		encode(state->buffer + state->record, state->bytes - state->record - 4, 4);
}

void state_record(struct state_writer *state, const char *name)
{
	close_record(state);
	put_name(state, name, 4);
	state->record = state->bytes;
	state_put32(state, 0);
}

int state_end(struct state_writer *state, uint64_t *bytes)
{
	uint64_t total;

	close_record(state);
	total = state->bytes <= state->capacity ? sum(state->buffer, state->bytes) : 0;
	state_record(state, "end.");
	state_put64(state, total);
	close_record(state);
	*bytes = state->bytes;
	if (state->busy)
		return VIOMMU_EBUSY;
	return state->bytes <= state->capacity ? VIOMMU_OK : VIOMMU_ENOSPC;
}

void state_put32(struct state_writer *state, uint32_t word)
{
	unsigned char bytes[4];

	encode(bytes, word, sizeof(bytes));
	put_bytes(state, bytes, sizeof(bytes));
}

void state_put64(struct state_writer *state, uint64_t word)
{
	unsigned char bytes[8];

	encode(bytes, word, sizeof(bytes));
	put_bytes(state, bytes, sizeof(bytes));
}

static bool same_name(const unsigned char *at, const char *name, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		if (at[i] != (unsigned char)*name)
			return false;
		if (*name)
			name++;
	}
	return *name == 0;
}

/* Whether the records from HEADER_BYTES up to the end record follow one another without a gap. */
static bool records_fit(const struct state_reader *state)
{
	uint64_t at = HEADER_BYTES;

	/* every step moves on by at least RECORD_BYTES */
	while (at < state->bytes) {
		if (state->bytes - at < RECORD_BYTES)
			return false;
		at += RECORD_BYTES + decode(state->buffer + at + 4, 4);
	}
	return at == state->bytes;
}

bool state_open(struct state_reader *state, const char *engine, const void *buffer, uint64_t bytes)
{
	const unsigned char *end;

	if (bytes < HEADER_BYTES + END_BYTES)
		return false;
	*state = (struct state_reader){ .buffer = buffer, .bytes = bytes - END_BYTES };
	end = state->buffer + state->bytes;
	if (memcmp(buffer, magic, sizeof(magic)) != 0 || !same_name(state->buffer + 8, engine, 8))
		return false;
	if (!same_name(end, "end.", 4) || decode(end + 4, 4) != 8 ||
	    decode(end + 8, 8) != sum(state->buffer, state->bytes))
		return false;
	return records_fit(state);
}

bool state_find(struct state_reader *state, const char *name)
{
	unsigned found = 0;

	for (uint64_t at = HEADER_BYTES; at < state->bytes;
	     at += RECORD_BYTES + decode(state->buffer + at + 4, 4)) {
		if (!same_name(state->buffer + at, name, 4))
			continue;
		found++;
		state->at = at + RECORD_BYTES;
		state->last = state->at + decode(state->buffer + at + 4, 4);
	}
	if (found != 1) {
		state->bad = true;
		state->last = state->at;
	}
	return found == 1;
}

static uint64_t get(struct state_reader *state, unsigned bytes)
{
	uint64_t word;

	if (state_left(state) < bytes) {
		state->bad = true;
		return 0;
	}
	word = decode(state->buffer + state->at, bytes);
	state->at += bytes;
	return word;
}

uint32_t state_get32(struct state_reader *state)
{
	return (uint32_t)get(state, 4);
}

uint64_t state_get64(struct state_reader *state)
{
	return get(state, 8);
}

uint64_t state_left(const struct state_reader *state)
{
	return state->last - state->at;
}
