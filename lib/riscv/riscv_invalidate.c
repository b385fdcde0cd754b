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

/* Everything of the kinds, or a range of it. */
static void take_range(const uint64_t *command, uint32_t kinds, struct domain_flush *f)
{
	f->first = 0;
	f->last = UINT64_MAX;
	f->leaf = !(command[0] & RISCV_CMD_NL);
	if (command[0] & RISCV_CMD_AV)
		range_of(command, &f->first, &f->last);
	if (f->first == 0 && f->last == UINT64_MAX)
		f->match.whole |= kinds;
	else
		f->match.kinds = kinds;
}

void riscv_flush_first(const uint64_t *command, struct domain_flush *f)
{
	uint32_t group = command[0] & RISCV_CMD_GV ? (uint32_t)bits_get(command[0], RISCV_CMD_GSCID)
						   : RISCV_HOST;
	uint32_t pscid = (uint32_t)bits_get(command[0], RISCV_CMD_PSCID);

	f->match =
		(struct domain_match){ .group = group,
				       .id = command[0] & RISCV_CMD_PSCV ? domain_id(group, pscid)
									 : DOMAIN_ANY };
	take_range(command, RISCV_KINDS_FIRST, f);
}

bool riscv_flush_second(const uint64_t *command, struct domain_flush *f)
{
	f->match = (struct domain_match){ .group = (uint32_t)bits_get(command[0], RISCV_CMD_GSCID),
					  .id = DOMAIN_ANY,
					  .whole = 1U << RISCV_NESTED };
	take_range(command, RISCV_KINDS_SECOND, f);
	return command[0] & RISCV_CMD_GV;
}

/* Users of a domain are noted with their PSCID. */
void riscv_invalidate_first(struct riscv *v, const uint64_t *command)
{
	struct domain_flush f;

	riscv_flush_first(command, &f);
	v->unsynced = true;
	unit_flush_one(&v->unit, &f);
	probe_flush(&v->unit, &f);
	notify_domain(&v->unit, f.match.group, probe_pasid(&f), f.first, f.last);
}

/* The address is one of the guest's: what first stages above have cached cannot be found by it. */
void riscv_invalidate_second(struct riscv *v, const uint64_t *command)
{
	struct domain_flush f;

	v->unsynced = true;
	if (!riscv_flush_second(command, &f)) { /* every virtual machine */
		notify_forget(&v->unit, true, false);
		return;
	}
	unit_flush_one(&v->unit, &f);
	probe_flush(&v->unit, &f);
	notify_domain(&v->unit, f.match.group, VIOMMU_ANY_PASID, 0, UINT64_MAX);
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
