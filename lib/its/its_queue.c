/* SPDX-License-Identifier: BSD-3-Clause */
/* its_queue.c - the command queue, and commands that are not in it (IHI 0069 5.3, 12.19). */

#include "its_engine.h"

uint64_t its_queue_bytes(const struct its *its)
{
	return (bits_get(regs_get(&its->regs, ITS_CBASER), ITS_CBASER_SIZE) + 1) * 4096;
}

static struct ring ring_of(const struct its *its)
{
	return (struct ring){ .base = regs_get(&its->regs, ITS_CBASER) & ITS_CBASER_ADDRESS,
			      .limit = UINT64_MAX,
			      .entries = (uint32_t)(its_queue_bytes(its) / 32),
			      .words = 4,
			      .index = RING_BYTES };
}

/* How far commands are executed now: if the queue is off or stalled, or vPEs go first, only the one that
 * has begun. */
static uint32_t tail_of(const struct its *its)
{
	const struct ring_commands *c = &its->commands;
	uint32_t tail;

	if (!its->dropping && atomic_load_explicit(&its->on, memory_order_relaxed) &&
	    !(regs_get(&its->regs, ITS_CREADR) & ITS_CREADR_STALLED) &&
	    ring_position(&c->ring, regs_get(&its->regs, ITS_CWRITER) & ITS_QUEUE_OFFSET, &tail))
		return tail;
	return c->held && !c->apart ? ring_next(&c->ring, c->head) : c->head;
}

/* The vPE table is gone: each vPE goes as by a VMAPP V=0 that is not in the queue. False: steps ran out */
static bool drop_vpe(struct its *its)
{
	for (; its->drop_vpe < its->lpis->vpes; its->drop_vpe++) {
		if (its->drop_vpe % 64 == 0 && !unit_pay(&its->unit, 1))
			return false;
		if (!vpe_mapped_by(its->lpis, its->drop_vpe, its->number))
			continue;
		its_begin_unmap(its, its->drop_vpe);
		return true;
	}
	its->dropping = false;
	return true;
}

static enum ring_executed run(struct its *its)
{
	enum ring_executed executed = RING_DONE;
	bool dropping;

	do {
		dropping = its->dropping;
		if (dropping && !its->commands.held && !drop_vpe(its)) {
			unit_work(&its->unit);
			return RING_WAITING;
		}
		executed = ring_run(&its->unit, &its->commands, tail_of(its), its_execute, NULL);
	} while (executed == RING_DONE && dropping);
	return executed;
}

int its_queue_run(struct its *its)
{
	uint64_t shown = regs_get(&its->regs, ITS_CREADR);
	enum ring_executed executed;

	its->commands.ring = ring_of(its);
	if (NEVER(!ring_position(&its->commands.ring, shown & ITS_QUEUE_OFFSET,
				 &its->commands.head)))
		return VIOMMU_OK;
	executed = run(its);
	if (executed == RING_ERROR)
		shown |= ITS_CREADR_STALLED;
	regs_put(&its->regs, ITS_CREADR,
		 (shown & ITS_CREADR_STALLED) |
			 ring_register(&its->commands.ring, its->commands.head));
	return executed == RING_WAITING ? VIOMMU_PENDING : VIOMMU_OK;
}
