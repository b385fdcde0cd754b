/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_riscv_memory.c - what an event leaves in guest memory (m).
 *
 * A line is kept if memory ends with its bytes and the engine wrote some of them. Bytes that the engine changed and no m
 * line has are a mismatch, too.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "play_riscv.h"
#include "written.h"

#define RECORD_BYTES 32U
#define RECORD_PV    (1ULL << 32)
#define RECORD_TTYP  (0x3fULL << 34)
#define TTYP(n)	     ((uint64_t)(n) << 34)

static uint64_t word_of(const uint8_t *data)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < 8; i++)
		word |= (uint64_t)data[i] << (8 * i);
	return word;
}

static bool has_process(const struct tape_line *event)
{
	return event->kind == TAPE_T && event->pasid != VIOMMU_NO_PASID;
}

/* A fault record of the recorder's: PV is always 1, and reads have the type of writes. The rest has to be right. */
static bool record_deviates(struct player *p, const struct tape_line *event,
			    const struct tape_line *e, const uint8_t *now)
{
	uint64_t theirs, ours, differs;

	if ((event->kind != TAPE_T && event->kind != TAPE_MSI) || e->bytes != RECORD_BYTES)
		return false;
	theirs = word_of(e->data);
	ours = word_of(now);
	differs = theirs ^ ours;
	if (memcmp(e->data + 8, now + 8, RECORD_BYTES - 8) != 0 ||
	    (differs & ~(RECORD_PV | RECORD_TTYP)))
		return false;
	if ((differs & RECORD_PV) && !((theirs & RECORD_PV) && !has_process(event)))
		return false;
	if ((differs & RECORD_TTYP) &&
	    ((theirs & RECORD_TTYP) != TTYP(3) || (ours & RECORD_TTYP) != TTYP(2) ||
	     event->access != VIOMMU_READ))
		return false;
	if (differs & RECORD_PV)
		player_deviates(p, DEVIATION_PV_ALWAYS);
	if (differs & RECORD_TTYP)
		player_deviates(p, DEVIATION_TTYP_OF_READS);
	return true;
}

static void compare(struct player *p, const struct tape_line *event, const struct tape_line *e)
{
	uint8_t now[64];
	char expected[120];
	char came[120];

	if (e->bytes > sizeof(now)) {
		player_differ(p, TAPE_WRITTEN, e->number, "at most 64 bytes", "more");
		return;
	}
	guest_load(&p->memory, e->at, now, e->bytes);
	if (written_touched(p, e) && (memcmp(now, e->data, e->bytes) == 0 ||
				      (p->riscv && record_deviates(p, event, e, now))))
		return;
	written_text(expected, sizeof(expected), e->at, e->data, e->bytes);
	written_text(came, sizeof(came), e->at, now, e->bytes);
	player_differ(p, TAPE_WRITTEN, e->number, expected,
		      written_touched(p, e) ? came : "nothing written");
}

void riscv_settle_written(struct player *p, const struct tape_line *event)
{
	const struct tape_line *e;
	size_t at = 0;

	while ((e = effects_next(&p->effects, TAPE_WRITTEN, &at)))
		compare(p, event, e);
	for (size_t i = 0; i < p->memory.logged; i++) {
		const struct guest_write *w = &p->memory.log[i];
		uint8_t now[GUEST_WRITE_MAX];
		char text[120];
		bool known = true;
		uint8_t byte;

		guest_load(&p->memory, w->gpa, now, w->bytes);
		for (uint32_t b = 0; b < w->bytes; b++)
			known &= now[b] == w->before[b] || written_recorded(p, w->gpa + b, &byte);
		written_text(text, sizeof(text), w->gpa, now, w->bytes);
		if (!known)
			player_differ(p, TAPE_WRITTEN, event->number, "nothing", text);
	}
}
