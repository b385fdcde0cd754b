/* SPDX-License-Identifier: BSD-3-Clause */
/* play_riscv_memory.c - what an event leaves in guest memory (m), and where a recorder's fault records differ. */

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

	if (event->kind != TAPE_T && event->kind != TAPE_MSI)
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

static bool line_deviates(struct player *p, const struct tape_line *event,
			  const struct tape_line *e)
{
	uint8_t now[RECORD_BYTES];

	if (e->bytes != RECORD_BYTES || !written_touched(p, e))
		return false;
	guest_load(&p->memory, e->at, now, e->bytes);
	return record_deviates(p, event, e, now);
}

void riscv_settle_written(struct player *p, const struct tape_line *event)
{
	static const struct written_deviations deviations = { line_deviates, NULL };

	written_settle(p, event, &deviations);
}
