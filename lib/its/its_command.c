/* SPDX-License-Identifier: BSD-3-Clause */
/* its_command.c - checking and executing commands (IHI 0069 5.3); those of GICv4 are in its_gicv4.c. */

#include "probe.h"
#include "its_engine.h"

/* ---- fields ---- */

static uint64_t icid_of(const struct its_current *c)
{
	return bits_get(c->word[2], ITS_2_ICID);
}

/* ---- devices and collections ---- */

/* What a device had is gone first: while room is made for what it will have, it is not mapped. */
static enum ring_executed mapd(struct its *its, struct its_current *c)
{
	unsigned bits = (unsigned)bits_get(c->word[1], ITS_1_SIZE) + 1;
	bool map = c->word[2] & ITS_2_VALID;
	bool failed = false;
	bool ok = its_device_in_range(its, its_device_of(c), &failed);
	uint32_t device = (uint32_t)its_device_of(c);
	uint64_t was;

	if (!ok)
		return its_check(its, ok, failed, ITS_OP_MAPD, VIOMMU_ITS_ERROR_DEVICE_OOR);
	if (map && bits > its->event_bits)
		return its_refuse(its, ITS_OP_MAPD, VIOMMU_ITS_ERROR_SIZE_OOR);
	if (map && !its_device_fits(its, device, bits))
		return its_refuse(its, ITS_OP_MAPD, VIOMMU_ITS_ERROR_LIMIT);
	was = its_device(its, device);
	if (was) {
		its_unmap_device(its, device);
		its_tell(its, device, 0, device_events(was) - 1);
	}
	if (!map)
		return RING_DONE;
	if (!its_map_device(its, &its->unit, device, bits, c->word[2] & ITS_2_ITT))
		return RING_WAITING;
	its_tell(its, device, 0, (UINT32_C(1) << bits) - 1);
	return RING_DONE;
}

static enum ring_executed mapc(struct its *its, struct its_current *c)
{
	uint64_t icid = icid_of(c);
	uint32_t cpu = ITS_NOBODY;
	bool failed = false;

	if (c->phase == 0) {
		bool ok = its_collection_in_range(its, icid, &failed);

		if (!ok)
			return its_check(its, ok, failed, ITS_OP_MAPC,
					 VIOMMU_ITS_ERROR_COLLECTION_OOR);
		if (c->word[2] & ITS_2_VALID) {
			cpu = its_rdbase(its, bits_get(c->word[2], ITS_2_RDBASE));
			if (cpu == ITS_NOBODY)
				return its_refuse(its, ITS_OP_MAPC, VIOMMU_ITS_ERROR_SIZE_OOR);
		}
		if (its_target(its, icid) == cpu)
			return RING_DONE;
		atomic_store_explicit(its_collection_word(its, icid), cpu + 1,
				      memory_order_release);
		c->phase = 1;
	}
	return its_tell_target(its, c, false, icid);
}

/* ---- events ---- */

/* Where an event's interrupt is pending: its redistributor or vPE, or ITS_NOBODY. */
static uint32_t place_of(const struct its *its, uint64_t event)
{
	uint32_t target = (uint32_t)bits_get(event, EVENT_TARGET);

	if (!(event & EVENT_VIRTUAL))
		return its_target(its, target);
	return vpe_mapped_by(its->lpis, target, its->number) ? target : ITS_NOBODY;
}

/* The same with the place. */
static bool look_up_placed(struct its *its, unsigned command, _Atomic uint64_t **at,
			   uint64_t *event, uint32_t *place, enum ring_executed *end)
{
	if (!its_look_up(its, command, at, event, end))
		return false;
	*place = place_of(its, *event);
	if (*place != ITS_NOBODY)
		return true;
	*end = its_refuse(its, command, VIOMMU_ITS_ERROR_ITE_INVALID);
	return false;
}

static enum ring_executed mapti(struct its *its, struct its_current *c)
{
	unsigned op = (unsigned)bits_get(c->word[0], ITS_0_OPCODE);
	uint64_t intid = op == ITS_OP_MAPI ? its_event_of(c) : bits_get(c->word[1], ITS_1_INTID);
	bool failed = false;
	bool ok = its_device_in_range(its, its_device_of(c), &failed);
	enum ring_executed end;
	_Atomic uint64_t *at;

	if (!ok)
		return its_check(its, ok, failed, op, VIOMMU_ITS_ERROR_DEVICE_OOR);
	ok = its_collection_in_range(its, icid_of(c), &failed);
	if (failed)
		return its_check(its, false, failed, op, 0);
	at = its_event_to_map(its, op, ok ? 0 : VIOMMU_ITS_ERROR_COLLECTION_OOR, &end);
	if (!at)
		return end;
	if (!lpi_exists(its->lpis, intid))
		return its_refuse(its, op, VIOMMU_ITS_ERROR_PHYSICALID_OOR);
	its_set_event(its, at,
		      EVENT_VALID | bits_put(EVENT_INTID, intid) |
			      bits_put(EVENT_TARGET, icid_of(c)));
	return RING_DONE;
}

static enum ring_executed movi(struct its *its, struct its_current *c)
{
	enum ring_executed end;
	_Atomic uint64_t *at;
	bool failed = false;
	uint64_t event;
	uint32_t from;
	uint32_t to;
	bool ok;

	if (!its_look_up(its, ITS_OP_MOVI, &at, &event, &end))
		return end;
	if (event & EVENT_VIRTUAL)
		return its_refuse(its, ITS_OP_MOVI, VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT);
	ok = its_collection_in_range(its, icid_of(c), &failed);
	if (!ok)
		return its_check(its, ok, failed, ITS_OP_MOVI, VIOMMU_ITS_ERROR_COLLECTION_OOR);
	from = its_target(its, bits_get(event, EVENT_TARGET));
	to = its_target(its, icid_of(c));
	if (from == ITS_NOBODY || to == ITS_NOBODY)
		return its_refuse(its, ITS_OP_MOVI, VIOMMU_ITS_ERROR_UNMAPPED_COLLECTION);
	its_set_event(its, at, (event & ~EVENT_TARGET) | bits_put(EVENT_TARGET, icid_of(c)));
	return from == to ? RING_DONE : its_take_away(its, event, from, to);
}

static void invalidate_at(struct its *its, const struct its_current *c, uint64_t event,
			  uint32_t place)
{
	uint32_t intid = (uint32_t)bits_get(event, EVENT_INTID);

	if (event & EVENT_VIRTUAL)
		vpe_invalidate(its->lpis, place, intid, (uint32_t)bits_get(event, EVENT_DOORBELL));
	else
		lpi_invalidate(its->lpis, place, intid);
	its_tell(its, (uint32_t)its_device_of(c), (uint32_t)its_event_of(c),
		 (uint32_t)its_event_of(c));
}

/* INT, CLEAR, DISCARD, INV: of an event whose interrupt is pending somewhere. */
static enum ring_executed event_command(struct its *its, struct its_current *c)
{
	unsigned op = (unsigned)bits_get(c->word[0], ITS_0_OPCODE);
	enum ring_executed end;
	_Atomic uint64_t *at;
	uint64_t event;
	uint32_t place;

	/* CLEAR has 05 in the syndrome, not its opcode */
	if (!look_up_placed(its, op == ITS_OP_CLEAR ? 0x05 : op, &at, &event, &place, &end))
		return end;
	(void)unit_pay(&its->unit, its->lpis->cpus / 16); /* a change is told to all */
	switch (op) {
	case ITS_OP_INT:
		its_signal(its, event);
		return RING_DONE;
	case ITS_OP_CLEAR:
		its_clear_at(its, event, place);
		return RING_DONE;
	case ITS_OP_DISCARD:
		its_set_event(its, at, 0);
		return its_take_away(its, event, place, ITS_NOBODY);
	default:
		invalidate_at(its, c, event, place);
		return RING_DONE;
	}
}

/* ---- redistributors ---- */

static enum ring_executed invall(struct its *its, struct its_current *c)
{
	if (c->phase == 0) {
		bool failed = false;
		bool ok = its_collection_in_range(its, icid_of(c), &failed);

		if (!ok)
			return its_check(its, ok, failed, ITS_OP_INVALL,
					 VIOMMU_ITS_ERROR_COLLECTION_OOR);
		c->from = its_target(its, icid_of(c));
		if (c->from == ITS_NOBODY)
			return its_refuse(its, ITS_OP_INVALL, VIOMMU_ITS_ERROR_UNMAPPED_COLLECTION);
		lpi_forget(its->lpis);
		c->phase = 1;
	}
	return lpi_reread(&its->unit, its->lpis, c->from, false, &c->at) ? RING_DONE : RING_WAITING;
}

static enum ring_executed movall(struct its *its, struct its_current *c)
{
	uint32_t from = its_rdbase(its, bits_get(c->word[2], ITS_2_RDBASE));
	uint32_t to = its_rdbase(its, bits_get(c->word[3], ITS_3_RDBASE));

	if (from == ITS_NOBODY || to == ITS_NOBODY)
		return its_refuse(its, ITS_OP_MOVALL, VIOMMU_ITS_ERROR_DEVICE_OOR);
	return lpi_move_all(&its->unit, its->lpis, from, to, &c->at) ? RING_DONE : RING_WAITING;
}

/* ---- all commands ---- */

static const struct {
	enum ring_executed (*execute)(struct its *its, struct its_current *c);
	bool settles; /* its phase 1 is its_settle_pending() */
} commands[] = {
	[ITS_OP_MOVI] = { movi, true },
	[ITS_OP_INT] = { event_command, false },
	[ITS_OP_CLEAR] = { event_command, false },
	[ITS_OP_SYNC] = { its_sync, false },
	[ITS_OP_MAPD] = { mapd, false },
	[ITS_OP_MAPC] = { mapc, false },
	[ITS_OP_MAPTI] = { mapti, false },
	[ITS_OP_MAPI] = { mapti, false },
	[ITS_OP_INV] = { event_command, false },
	[ITS_OP_INVALL] = { invall, false },
	[ITS_OP_MOVALL] = { movall, false },
	[ITS_OP_DISCARD] = { event_command, true },
	[ITS_OP_VMOVI] = { its_vmovi, true },
	[ITS_OP_VMOVP] = { its_vmovp, false },
	[ITS_OP_VSGI] = { its_vsgi, false },
	[ITS_OP_VSYNC] = { its_vsync, false },
	[ITS_OP_VMAPP] = { its_vmapp, false },
	[ITS_OP_VMAPTI] = { its_vmapti, false },
	[ITS_OP_VMAPI] = { its_vmapti, false },
	[ITS_OP_VINVALL] = { its_vinvall, false },
	[ITS_OP_INVDB] = { its_invdb, false },
};

/* Whether this ITS has the command. */
static bool known(const struct its *its, uint64_t op)
{
	if (op >= ARRAY_COUNT(commands) ||
	    !commands[bits_clamp_index(op, ARRAY_COUNT(commands))].execute)
		return false;
	if (op == ITS_OP_VSGI)
		return its->typer & ITS_TYPER_VSGI;
	if (op == ITS_OP_INVDB)
		return its->typer & ITS_TYPER_VMAPP;
	return op < ITS_OP_VIRTUAL || (its->typer & ITS_TYPER_VIRTUAL);
}

static enum ring_executed execute(struct its *its, struct its_current *c)
{
	uint64_t op = bits_get(c->word[0], ITS_0_OPCODE);

	if (!known(its, op))
		return its_refuse(its, 0, 0);
	op = bits_clamp_index(op, ARRAY_COUNT(commands));
	return c->phase && commands[op].settles ? its_settle_pending(its, c)
						: commands[op].execute(its, c);
}

enum ring_executed its_execute(struct viommu *u, const uint64_t *word)
{
	static const uint64_t unknown[4];
	struct its *its = its_of(u);
	struct its_current *c = &its->current;
	enum ring_executed executed;

	if (!its->commands.held)
		*c = (struct its_current){ .word = word ? word : unknown };
	if (!word)
		return its_stall(its);
	executed = execute(its, c);
	if (executed == RING_WAITING && !c->completion.epoch) /* for steps, not for sections */
		unit_work(u);
	return executed;
}

bool its_current_possible(const struct its *its, bool event, const struct its_current *c)
{
	uint32_t places = c->event & EVENT_VIRTUAL ? its->lpis->vpes : its->lpis->cpus;
	uint64_t op;

	if (c->phase == 0)
		return true;
	op = bits_get(c->word[0], ITS_0_OPCODE);
	if (!known(its, op))
		return false;
	op = bits_clamp_index(op, ARRAY_COUNT(commands));
	if (commands[op].settles)
		return c->phase == 1 && event && c->from < places &&
		       (c->to < places || c->to == ITS_NOBODY);
	if (op == ITS_OP_INVALL)
		return c->phase == 1 && c->from < its->lpis->cpus;
	return c->phase == 1 || (op == ITS_OP_VMAPP && c->phase == 2);
}
