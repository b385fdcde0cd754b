/* SPDX-License-Identifier: BSD-3-Clause */
/* riscv_invalidate.c - what IOTINVAL and IODIR take away (3.1.1, 3.1.3). */

#include "probe.h"
#include "riscv_engine.h"

/* What a command names: one page, or, with S, so many as the lowest 0 of the page number says; all ones is everything. */
static void range_of(const uint64_t *command, uint64_t *first, uint64_t *last)
{
	uint64_t page = bits_get(command[1], RISCV_CMD_PAGE);
	uint64_t mask = 0;

	if (command[1] & RISCV_CMD_S)
		mask = page ^ (page + 1);
	*first = (page & ~mask) << 12;
	*last = (page | mask) << 12 | bits_low(12);
}

/* Everything in the domains that match, or a range of it. */
static void flush(struct riscv *v, const struct domain_match *which, uint32_t pscid, uint64_t first,
		  uint64_t last, bool leaf)
{
	bool all = first == 0 && last == UINT64_MAX;

	v->unsynced = true;
	if (all)
		unit_flush(&v->unit, which);
	else
		unit_flush_range(&v->unit, which, first, last, leaf);
	probe_invalidation(&v->unit, all ? COUNT_DOMAINS : COUNT_RANGES, NULL, which->group, pscid,
			   first, last);
}

/* Users of a domain are noted with their PSCID. */
void riscv_invalidate_first(struct riscv *v, const uint64_t *command)
{
	uint32_t group = command[0] & RISCV_CMD_GV ? (uint32_t)bits_get(command[0], RISCV_CMD_GSCID)
						   : RISCV_HOST;
	uint32_t pscid = command[0] & RISCV_CMD_PSCV
				 ? (uint32_t)bits_get(command[0], RISCV_CMD_PSCID)
				 : VIOMMU_ANY_PASID;
	struct domain_match which = { .group = group,
				      .id = pscid == VIOMMU_ANY_PASID ? DOMAIN_ANY
								      : domain_id(group, pscid),
				      .kinds = RISCV_KINDS_FIRST };
	uint64_t first = 0;
	uint64_t last = UINT64_MAX;

	if (command[0] & RISCV_CMD_AV)
		range_of(command, &first, &last);
	flush(v, &which, pscid, first, last, !(command[0] & RISCV_CMD_NL));
	notify_domain(&v->unit, group, pscid, first, last);
}

/* The address is one of the guest's: what first stages above have cached cannot be found by it. */
void riscv_invalidate_second(struct riscv *v, const uint64_t *command)
{
	uint32_t group = (uint32_t)bits_get(command[0], RISCV_CMD_GSCID);
	struct domain_match which = { .group = group,
				      .id = DOMAIN_ANY,
				      .kinds = RISCV_KINDS_SECOND,
				      .whole = 1U << RISCV_NESTED };
	uint64_t first = 0;
	uint64_t last = UINT64_MAX;

	if (!(command[0] & RISCV_CMD_GV)) { /* every virtual machine */
		v->unsynced = true;
		notify_forget(&v->unit, true, false);
		return;
	}
	if (command[0] & RISCV_CMD_AV)
		range_of(command, &first, &last);
	else
		which.kinds |= which.whole;
	flush(v, &which, VIOMMU_ANY_PASID, first, last, !(command[0] & RISCV_CMD_NL));
	notify_domain(&v->unit, group, VIOMMU_ANY_PASID, 0, UINT64_MAX);
}

void riscv_invalidate_device(struct riscv *v, uint32_t id)
{
	struct viommu_device *device = device_get(&v->unit, id);

	v->unsynced = true;
	if (!device)
		return;
	unit_forget_device(device, true);
	notify_device_changed(&v->unit, device);
	device_put(device);
}

void riscv_invalidate_devices(struct riscv *v)
{
	v->unsynced = true;
	notify_forget(&v->unit, false, false);
}
