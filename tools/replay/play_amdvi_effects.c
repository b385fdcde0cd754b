/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_amdvi_effects.c - what an event leaves behind: bytes written to guest memory (m), and interrupts of the
 * engine's own (S). Bytes that the engine changed and no m line has are a mismatch too.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "play_amdvi.h"

/* ---- m ---- */

/* The byte at gpa after the event, as recorded: later lines of an event overwrite earlier ones. */
static bool recorded(const struct player *p, uint64_t gpa, uint8_t *byte)
{
	for (size_t i = p->effects.count; i-- > 0;) {
		const struct tape_line *e = &p->effects.list[i];

		if (e->kind == TAPE_WRITTEN && gpa - e->at < e->bytes) {
			*byte = e->data[gpa - e->at];
			return true;
		}
	}
	return false;
}

static bool touched(const struct player *p, const struct tape_line *e)
{
	for (size_t i = 0; i < p->memory.logged; i++) {
		const struct guest_write *w = &p->memory.log[i];

		if (w->gpa - e->at < e->bytes || e->at - w->gpa < w->bytes)
			return true;
	}
	return false;
}

static void text_of_bytes(char *text, size_t size, uint64_t gpa, const uint8_t *data,
			  uint32_t bytes)
{
	size_t at = (size_t)snprintf(text, size, "%" PRIx64 " ", gpa);

	for (uint32_t i = 0; i < bytes && i < 32; i++)
		at += (size_t)snprintf(text + at, size - at, "%02x", data[i]);
}

static void compare_written(struct player *p, const struct tape_line *e)
{
	uint8_t want[WORDS_BYTES_MAX] = { 0 };
	uint8_t now[WORDS_BYTES_MAX];
	char expected[128];
	char came[128] = "nothing written";
	bool wrote = touched(p, e);

	guest_load(&p->memory, e->at, now, e->bytes);
	for (uint32_t i = 0; i < e->bytes; i++)
		recorded(p, e->at + i, &want[i]);
	if (wrote && memcmp(now, want, e->bytes) == 0)
		return;
	text_of_bytes(expected, sizeof(expected), e->at, want, e->bytes);
	if (wrote)
		text_of_bytes(came, sizeof(came), e->at, now, e->bytes);
	player_differ(p, TAPE_WRITTEN, e->number, expected, came);
}

/* What the engine changed and no line has; undone, so that one mistake is one mismatch. */
static void compare_extra(struct player *p, const struct tape_line *event)
{
	for (size_t i = p->memory.logged; i-- > 0;) {
		const struct guest_write *w = &p->memory.log[i];
		uint8_t now[GUEST_WRITE_MAX];
		char came[128];
		bool extra = false;
		uint8_t byte;

		guest_load(&p->memory, w->gpa, now, w->bytes);
		for (uint32_t at = 0; at < w->bytes; at++)
			extra |= now[at] != w->before[at] && !recorded(p, w->gpa + at, &byte);
		if (!extra)
			continue;
		text_of_bytes(came, sizeof(came), w->gpa, now, w->bytes);
		player_differ(p, TAPE_WRITTEN, event->number, "nothing written", came);
		guest_store(&p->memory, w->gpa, w->before, w->bytes);
	}
}

void amdvi_settle_written(struct player *p, const struct tape_line *event)
{
	const struct tape_line *e;
	size_t at = 0;

	while ((e = effects_next(&p->effects, TAPE_WRITTEN, &at)))
		compare_written(p, e);
	compare_extra(p, event);
}

/* ---- S ---- */

void amdvi_settle_sent(struct player *p, const struct tape_line *event)
{
	struct amdvi_play *a = p->amdvi;
	const struct tape_line *e;
	char expected[64];
	unsigned i = 0;
	size_t at = 0;

	for (; (e = effects_next(&p->effects, TAPE_S, &at)); i++) {
		if (i < a->sent_count && a->sent[i].address == e->at && a->sent[i].data == e->value)
			continue;
		snprintf(expected, sizeof(expected), "%" PRIx64 " %" PRIx64, e->at, e->value);
		player_differ(p, TAPE_S, e->number, expected, "another interrupt, or none");
	}
	if (i < a->sent_count)
		player_differ(p, TAPE_S, event->number, "no interrupt", "an interrupt");
	a->sent_count = 0;
}
