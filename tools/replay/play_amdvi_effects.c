/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_amdvi_effects.c - what an event leaves behind: bytes written to guest memory (m), and interrupts of the
 * engine's own (S).
 */

#include <inttypes.h>
#include <stdio.h>

#include "play_amdvi.h"
#include "written.h"

/* ---- m ---- */

void amdvi_settle_written(struct player *p, const struct tape_line *event)
{
	static const struct written_deviations none = { NULL, NULL };

	written_settle(p, event, &none);
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
