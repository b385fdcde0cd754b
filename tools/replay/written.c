/* SPDX-License-Identifier: BSD-3-Clause */
/* written.c - what an event leaves in guest memory, see written.h. */

#include "written.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void written_text(char *text, size_t size, uint64_t gpa, const uint8_t *data, uint32_t bytes)
{
	size_t at = (size_t)snprintf(text, size, "%" PRIx64 " ", gpa);

	for (uint32_t i = 0; i < bytes && i < 32; i++)
		at += (size_t)snprintf(text + at, size - at, "%02x", data[i]);
	if (bytes > 32)
		snprintf(text + at, size - at, "...");
}

bool written_touched(const struct player *p, const struct tape_line *e)
{
	for (size_t i = 0; i < p->memory.logged; i++) {
		const struct guest_write *w = &p->memory.log[i];

		if (w->gpa - e->at < e->bytes || e->at - w->gpa < w->bytes)
			return true;
	}
	return false;
}

bool written_recorded(const struct player *p, uint64_t gpa, uint8_t *byte)
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
			    const struct tape_line *e, const struct written_deviations *d)
{
	uint8_t want[WORDS_BYTES_MAX] = { 0 };
	uint8_t now[WORDS_BYTES_MAX];
	char expected[128];
	char came[128] = "nothing written";
	bool wrote = written_touched(p, e);

	guest_load(&p->memory, e->at, now, e->bytes);
	for (uint32_t i = 0; i < e->bytes; i++)
		written_recorded(p, e->at + i, &want[i]);
	if ((wrote && memcmp(now, want, e->bytes) == 0) || (d->line && d->line(p, event, e)))
		return;
	written_text(expected, sizeof(expected), e->at, want, e->bytes);
	if (wrote)
		written_text(came, sizeof(came), e->at, now, e->bytes);
	player_differ(p, TAPE_WRITTEN, e->number, expected, came);
}

/* The engine changed a byte that no line has. */
static bool is_extra(const struct player *p, const struct guest_write *w, const uint8_t *now)
{
	uint8_t byte;

	for (uint32_t i = 0; i < w->bytes; i++) {
		if (now[i] != w->before[i] && !written_recorded(p, w->gpa + i, &byte))
			return true;
	}
	return false;
}

static void compare_extra(struct player *p, const struct tape_line *event,
			  const struct written_deviations *d)
{
	for (size_t i = p->memory.logged; i-- > 0;) {
		const struct guest_write *w = &p->memory.log[i];
		uint8_t now[GUEST_WRITE_MAX];
		char came[128];

		guest_load(&p->memory, w->gpa, now, w->bytes);
		if (!is_extra(p, w, now) || (d->write && d->write(p, event, w)))
			continue;
		written_text(came, sizeof(came), w->gpa, now, w->bytes);
		player_differ(p, TAPE_WRITTEN, event->number, "nothing written", came);
		guest_store(&p->memory, w->gpa, w->before, w->bytes);
	}
}

void written_settle(struct player *p, const struct tape_line *event,
		    const struct written_deviations *d)
{
	const struct tape_line *e;
	size_t at = 0;

	while ((e = effects_next(&p->effects, TAPE_WRITTEN, &at)))
		compare_written(p, event, e, d);
	compare_extra(p, event, d);
}

void written_settle_all(struct player *p, const struct tape_line *event)
{
	static const struct written_deviations none = { NULL, NULL };

	written_settle(p, event, &none);
}
