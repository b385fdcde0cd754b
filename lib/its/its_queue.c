/* SPDX-License-Identifier: BSD-3-Clause */
/* its_queue.c - the command queue: the ring, stalls, and what a command waits for (IHI 0069 5.3, 12.19). */

#include "probe.h"
#include "its_engine.h"

uint64_t its_queue_bytes(const struct its *its)
{
	return (bits_get(regs_get(&its->regs, ITS_CBASER), ITS_CBASER_SIZE) + 1) * 4096;
}

bool its_queue_runnable(const struct its *its)
{
	uint64_t read = regs_get(&its->regs, ITS_CREADR);

	return atomic_load_explicit(&its->on, memory_order_relaxed) &&
	       !(read & ITS_CREADR_STALLED) &&
	       read != (regs_get(&its->regs, ITS_CWRITER) & ITS_QUEUE_OFFSET);
}

/* The command at CREADR; false: memory cannot be read. */
static bool fetch(struct its *its)
{
	uint64_t base = regs_get(&its->regs, ITS_CBASER) & ITS_CBASER_ADDRESS;

	its->current = (struct its_current){ .active = true };
	return mem_load(its->unit.vm, base + regs_get(&its->regs, ITS_CREADR), its->current.word,
			4);
}

static void advance(struct its *its)
{
	uint64_t read = regs_get(&its->regs, ITS_CREADR) + 32;

	its->current.active = false;
	count_own(&its->unit, COUNT_COMMANDS);
	if (!its->current.orphan)
		regs_put(&its->regs, ITS_CREADR, read == its_queue_bytes(its) ? 0 : read);
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

/* Makes a command the current one, if there is one to make. */
static enum its_executed next(struct its *its, uint32_t count)
{
	if (its->dropping && !drop_vpe(its))
		return ITS_WAITING;
	if (its->current.active || !its_queue_runnable(its))
		return ITS_DONE;
	if (count >= its->unit.limits.queue_budget || !unit_pay(&its->unit, 1))
		return ITS_WAITING;
	return fetch(its) ? ITS_DONE : its_stall(its);
}

int its_queue_run(struct its *its)
{
	for (uint32_t i = 0;; i++) {
		enum its_executed executed = ITS_DONE;

		if (!its->current.active)
			executed = next(its, i);
		if (executed == ITS_DONE && !its->current.active)
			return VIOMMU_OK;
		if (executed == ITS_DONE)
			executed = its_execute(its);
		if (executed == ITS_WAITING) {
			if (!its->current.epoch) /* for steps, not for sections */
				unit_work(&its->unit);
			return VIOMMU_PENDING;
		}
		its->current.active = executed == ITS_STALLED ? false : its->current.active;
		if (executed == ITS_DONE)
			advance(its);
	}
}
