/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_vtd_memory.c - what an event leaves behind: bytes written to guest memory (m) and interrupts of the engine's own (S).
 *
 * An m line is kept if memory ends with its bytes and the engine wrote some of them. Bytes that the engine changed and
 * no m line has are a mismatch too. Afterwards memory is as recorded.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play_vtd.h"

#define FS_DIRTY 0x40U /* bit 6 of a first-stage entry */

/* Writes at most the first 32 bytes in hexadecimal. */
static void text_of_bytes(char *text, size_t size, uint64_t gpa, const uint8_t *data,
			  uint32_t bytes)
{
	size_t at = (size_t)snprintf(text, size, "%" PRIx64 " ", gpa);

	for (uint32_t i = 0; i < bytes && i < 32; i++)
		at += (size_t)snprintf(text + at, size - at, "%02x", data[i]);
	if (bytes > 32)
		snprintf(text + at, size - at, "...");
}

/* ---- deviations ---- */

static bool left_clear(const struct player *p, uint64_t gpa)
{
	for (unsigned i = 0; i < LEFT_CLEAR; i++) {
		if (p->vtd->left_clear[i] == gpa && gpa)
			return true;
	}
	return false;
}

/* The first-stage entry that answers a T line. */
static bool first_stage_leaf(struct player *p, const struct tape_line *event, uint64_t *gpa)
{
	bool first_stage;
	int result;
	const struct source *s;

	if (!event || event->kind != TAPE_T)
		return false;
	s = vtd_source(p, event->rid, event->pasid, &result);
	return s && source_leaf(s, event->at, &first_stage, gpa) && first_stage;
}

/* Whether the entry at gpa is `from` with exactly `bit` set in addition. */
static bool adds_bit(const uint8_t *from, const uint8_t *to, unsigned bit)
{
	return (from[0] | bit) == to[0] && from[0] != to[0] && memcmp(from + 1, to + 1, 7) == 0;
}

/* The engine set D of the entry that a write used; the recorder does not if it answers from its cache or A was set. */
static bool sets_dirty(struct player *p, const struct tape_line *event, const struct guest_write *w)
{
	uint8_t now[8];
	uint64_t leaf;

	if (w->bytes != 8 || !event || event->kind != TAPE_T || !(event->access & 2))
		return false;
	guest_load(&p->memory, w->gpa, now, sizeof(now));
	if (!adds_bit(w->before, now, FS_DIRTY) || !first_stage_leaf(p, event, &leaf) ||
	    leaf != w->gpa)
		return false;
	p->vtd->left_clear[p->vtd->left_clear_next++ % LEFT_CLEAR] = w->gpa;
	player_deviates(p, DEVIATION_HIT_NO_DIRTY);
	return true;
}

/* The recorder sets D later than we did, in one of those entries. */
static bool sets_dirty_later(struct player *p, const struct tape_line *event,
			     const struct tape_line *e)
{
	uint8_t now[8];

	if (e->bytes != 8 || event->kind != TAPE_T || !(event->access & 2) || !left_clear(p, e->at))
		return false;
	guest_load(&p->memory, e->at, now, sizeof(now));
	if (memcmp(now, e->data, sizeof(now)) != 0)
		return false;
	player_deviates(p, DEVIATION_HIT_NO_DIRTY);
	return true;
}

/* ---- m ---- */

/* Whether the engine wrote a byte of the line. */
static bool touched(const struct player *p, const struct tape_line *e)
{
	for (size_t i = 0; i < p->memory.logged; i++) {
		const struct guest_write *w = &p->memory.log[i];

		if (w->gpa - e->at < e->bytes || e->at - w->gpa < w->bytes)
			return true;
	}
	return false;
}

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

static void compare_written(struct player *p, const struct tape_line *event,
			    const struct tape_line *e)
{
	uint8_t want[WORDS_BYTES_MAX] = { 0 };
	uint8_t now[WORDS_BYTES_MAX];
	char expected[128];
	char came[128] = "nothing written";
	bool wrote = touched(p, e);

	guest_load(&p->memory, e->at, now, e->bytes);
	for (uint32_t i = 0; i < e->bytes; i++)
		recorded(p, e->at + i, &want[i]);
	if ((wrote && memcmp(now, want, e->bytes) == 0) || sets_dirty_later(p, event, e))
		return;
	text_of_bytes(expected, sizeof(expected), e->at, want, e->bytes);
	if (wrote)
		text_of_bytes(came, sizeof(came), e->at, now, e->bytes);
	player_differ(p, TAPE_WRITTEN, e->number, expected, came);
}

/* The engine changed a byte that no line has. */
static bool is_extra(const struct player *p, const struct guest_write *w, const uint8_t *now)
{
	uint8_t byte;

	for (uint32_t i = 0; i < w->bytes; i++) {
		if (now[i] != w->before[i] && !recorded(p, w->gpa + i, &byte))
			return true;
	}
	return false;
}

/* Undoes what it finds, last first, so that one mistake is one mismatch. */
static void compare_extra(struct player *p, const struct tape_line *event)
{
	for (size_t i = p->memory.logged; i-- > 0;) {
		const struct guest_write *w = &p->memory.log[i];
		uint8_t now[GUEST_WRITE_MAX];
		char came[128];

		guest_load(&p->memory, w->gpa, now, w->bytes);
		if (!is_extra(p, w, now) || sets_dirty(p, event, w))
			continue;
		text_of_bytes(came, sizeof(came), w->gpa, now, w->bytes);
		player_differ(p, TAPE_WRITTEN, event->number, "nothing written", came);
		guest_store(&p->memory, w->gpa, w->before, w->bytes);
	}
}

void vtd_settle_written(struct player *p, const struct tape_line *event)
{
	const struct tape_line *e;
	size_t at = 0;

	while ((e = effects_next(&p->effects, TAPE_WRITTEN, &at)))
		compare_written(p, event, e);
	compare_extra(p, event);
	p->exhausted |= p->vtd->history.exhausted;
}

/* ---- S ---- */

static void text_of_message(char *text, size_t size, uint64_t address, uint64_t data)
{
	snprintf(text, size, "%" PRIx64 " %" PRIx64, address, data);
}

static void compare_sent(struct player *p, const struct tape_line *event, const struct tape_line *e,
			 const struct message *m)
{
	char expected[64] = "no interrupt";
	char came[64] = "no interrupt";

	if (e && m && e->at == m->address && e->value == m->data)
		return;
	if (e)
		text_of_message(expected, sizeof(expected), e->at, e->value);
	if (m)
		text_of_message(came, sizeof(came), m->address, m->data);
	player_differ(p, TAPE_S, e ? e->number : event->number, expected, came);
}

void vtd_settle_sent(struct player *p, const struct tape_line *event)
{
	const struct tape_line *e;
	size_t at = 0;
	size_t i = 0;

	while ((e = effects_next(&p->effects, TAPE_S, &at)) || i < p->vtd->message_count) {
		compare_sent(p, event, e, i < p->vtd->message_count ? &p->vtd->messages[i] : NULL);
		i++;
	}
	p->vtd->message_count = 0;
}
