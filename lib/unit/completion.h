/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * completion.h - before a guest is told that something is done.
 *
 * A guest is told (a wait descriptor, CMD_SYNC, COMPLETION_WAIT, IOFENCE, SYNC, a used ring, a status bit) when nobody
 * can use what it took away any more:
 *
 *	listeners have been told, and those of the library have done what they have to (notify_settled())
 *	sections that were open when that was so have closed
 *	devices have answered, where the architecture waits for them
 *
 * One at a time per IOMMU, by the call that has it (unit_begin()).
 */
#ifndef COMPLETION_H
#define COMPLETION_H

#include "regs.h"
#include "unit.h"

struct completion {
	uint64_t epoch; /* sections older than it count; 0: not begun */
	uint64_t token; /* up to this, devices' answers count; 0: none do */
};

/* How far it is. */
enum completion_state {
	COMPLETION_IN_USE, /* listeners, or sections */
	COMPLETION_OWED,   /* only devices have not answered yet */
	COMPLETION_DONE
};

/* From here on, what has been done is in flight; also what had been before, if it was begun
 * already. Listeners are settled: notify_settled(). */
static inline void completion_start(struct viommu *u, struct completion *c)
{
	notify_complete(u);
	c->epoch = unit_start(u);
}

/* Devices count: all that have been told something until now. */
static inline void completion_owed(struct viommu *u, struct completion *c)
{
	if (atomic_load(&u->outstanding_count))
		c->token = devices_last_token(u);
}

/* Whether all of it is: of one that has been started and settled. Who asks so asks to be told by himself
 * when it changes (epoch_ask()): he may wait for some of the sections and devices only. */
static inline bool completion_passed(struct viommu *u, const struct completion *c)
{
	return unit_look(u, c->epoch) == EPOCH_PASSED &&
	       (!c->token || devices_answered(u, c->token));
}

/* How far one is that has been started, and @settled. It stays started. If it is in use, viommu_run() will
 * be worthwhile when it is not. */
static inline enum completion_state completion_wait(struct viommu *u, const struct completion *c)
{
	if (!unit_waited(u, c->epoch))
		return COMPLETION_IN_USE;
	return devices_answered(u, c->token) ? COMPLETION_DONE : COMPLETION_OWED;
}

/* The same for one that may not have been started, or whose listeners have not settled again. */
enum completion_state completion_poll(struct viommu *u, struct completion *c);

/* ---- status bits ---- */

#define DEFERRED_REGISTERS 4U

/* Bits of registers that change when a completion has come. */
struct deferred {
	struct completion completion;
	bool due; /* there is something to complete, if only for the VMM */
	struct deferred_bits {
		uint32_t offset; /* of a register that has own bits */
		uint64_t set;
		uint64_t clear;
	} bits[DEFERRED_REGISTERS]; /* those without set and clear are free */
};

/* Shows the opposite, and the bits as they are asked for when all until now is complete. The last
 * one counts that was asked for a bit. */
void deferred_bits(struct deferred *d, struct regs *regs, uint32_t offset, uint64_t set,
		   uint64_t clear);

/* All that was done until now counts, too. */
void deferred_again(struct deferred *d);

/* What a register waits for. */
struct deferred_bits deferred_of(const struct deferred *d, uint32_t offset);

/* Shows the bits if they are complete. False: they are not yet. */
bool deferred_show(struct viommu *u, struct deferred *d, struct regs *regs);

#endif
