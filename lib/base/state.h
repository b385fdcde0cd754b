/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state.h - saved state: little-endian records, each with its name and length, so that a later
 *version can add some.
 *
 *	header  "viommu\0\1" (8 bytes, the last is the version), engine name (8 bytes, zero-padded)
 *	record  name (4 bytes), length in bytes (4 bytes), that many bytes
 *	end     record "end." of length 8: sum of all bytes before it
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stdint.h>

struct state_writer {
	unsigned char *buffer;
	uint64_t capacity;
	uint64_t bytes;	 /* needed so far, also beyond the capacity */
	uint64_t record; /* where the open record's length is */
	bool busy;	 /* there is no state now: something is half done */
};

void state_begin(struct state_writer *state, const char *engine, void *buffer, uint64_t capacity);
/* VIOMMU_OK, VIOMMU_ENOSPC or VIOMMU_EBUSY; *bytes: what is needed. */
int state_end(struct state_writer *state, uint64_t *bytes);

void state_record(struct state_writer *state, const char *name);
void state_put32(struct state_writer *state, uint32_t word);
void state_put64(struct state_writer *state, uint64_t word);

/* Reading: what is missing or left over makes the reader bad, and reads as 0 from then on. */
struct state_reader {
	const unsigned char *buffer;
	uint64_t bytes; /* of the records */
	uint64_t at;	/* in the record that was found */
	uint64_t last;	/* its end */
	bool bad;
};

/* False unless header, lengths and sum are right. */
bool state_open(struct state_reader *state, const char *engine, const void *buffer, uint64_t bytes);
/* Goes to the only record of that name; false (and bad) if there is none, or more than one. */
bool state_find(struct state_reader *state, const char *name);
uint32_t state_get32(struct state_reader *state);
uint64_t state_get64(struct state_reader *state);
/* Bytes left in the record. */
uint64_t state_left(const struct state_reader *state);

#endif
