/* SPDX-License-Identifier: BSD-3-Clause */
/* record_state.c - recording: the state, where no other line says what came of something. */

#include "recorder.h"
#include "state.h"

/* Bytes of saved state on a line. */
#define STATE_PIECE 1024U

static uint64_t save(struct viommu *u, void *buffer, uint64_t capacity)
{
	struct state_writer state;
	uint64_t bytes = capacity;

	state_begin(&state, u->record->inner->name, buffer, capacity);
	u->record->inner->save(u, &state);
	state_end(&state, &bytes);
	return bytes;
}

void unit_record_write_state(struct viommu *u, struct record_text *t)
{
	uint64_t bytes = save(u, NULL, 0);
	unsigned char *state = vm_alloc(u->vm, bytes, 16);

	if (!state) {
		t->failed = true;
		return;
	}
	save(u, state, bytes);
	for (uint64_t at = 0; at < bytes; at += STATE_PIECE) {
		uint64_t piece = bytes - at < STATE_PIECE ? bytes - at : STATE_PIECE;

		record_word(t, "Z");
		record_hex(t, bytes);
		record_hex(t, at);
		record_bytes(t, state + at, piece);
		record_newline(t);
	}
	vm_dealloc(u->vm, state, bytes);
}

void unit_record_state(struct viommu *u)
{
	struct record_event e;

	unit_record_begin(u, &e, true);
	unit_record_write_state(u, &e.effects);
	record_end(&e, RECORD_AS_BEFORE);
}
