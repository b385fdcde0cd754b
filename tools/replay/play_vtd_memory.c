/* SPDX-License-Identifier: BSD-3-Clause */
/* play_vtd_memory.c - what an event leaves behind: bytes written to guest memory (m) and interrupts of the engine's own (S). */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play_vtd.h"
#include "written.h"

#define FS_DIRTY 0x40U /* bit 6 of a first-stage entry */

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
	s = source_find(p, event->rid, event->pasid, &result);
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

void vtd_settle_written(struct player *p, const struct tape_line *event)
{
	static const struct written_deviations deviations = { sets_dirty_later, sets_dirty };

	written_settle(p, event, &deviations);
	p->exhausted |= p->vtd->history.exhausted;
}
