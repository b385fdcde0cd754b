/* SPDX-License-Identifier: BSD-3-Clause */
/* its_gicv4.c - commands of GICv4 and 4.1 (IHI 0069 5.3). */

#include "its_engine.h"

static uint32_t vpe_of(const struct its_current *c)
{
	return (uint32_t)bits_get(c->word[1], ITS_1_VPE);
}

static bool in_range(struct its *its, uint32_t vpe, bool *failed)
{
	return vpe < its->lpis->vpes && its_table_has(its, 2, vpe, failed);
}

/* A vPE that is in range and mapped by this ITS. False: *end */
static bool look_up(struct its *its, struct its_current *c, unsigned op, enum ring_executed *end)
{
	bool failed = false;
	bool ok = in_range(its, vpe_of(c), &failed);

	*end = its_check(its, ok, failed, op, VIOMMU_ITS_ERROR_VCPU_OOR);
	if (!ok)
		return false;
	if (vpe_mapped_by(its->lpis, vpe_of(c), its->number))
		return true;
	*end = its_refuse(its, op, VIOMMU_ITS_ERROR_VCPU_INVALID);
	return false;
}

static bool is_doorbell(const struct its *its, uint64_t intid)
{
	return intid == ITS_NO_DOORBELL || lpi_exists(its->lpis, intid);
}

/* ---- events ---- */

enum ring_executed its_vmapti(struct its *its, struct its_current *c)
{
	unsigned op = (unsigned)bits_get(c->word[0], ITS_0_OPCODE);
	uint64_t doorbell = bits_get(c->word[2], ITS_2_DOORBELL);
	uint64_t intid = op == ITS_OP_VMAPI ? bits_get(c->word[1], ITS_1_EVENT)
					    : bits_get(c->word[2], ITS_2_VINTID);
	bool failed = false;
	bool ok = its_device_in_range(its, bits_get(c->word[0], ITS_0_DEVICE), &failed);
	enum ring_executed end;
	_Atomic uint64_t *at;

	if (!ok)
		return its_check(its, ok, failed, op, VIOMMU_ITS_ERROR_DEVICE_OOR);
	ok = in_range(its, vpe_of(c), &failed);
	if (failed)
		return its_check(its, false, failed, op, 0);
	at = its_event_to_map(its, op, ok ? 0 : VIOMMU_ITS_ERROR_VCPU_OOR, &end);
	if (!at)
		return end;
	if (!lpi_exists(its->lpis, intid))
		return its_refuse(its, op, VIOMMU_ITS_ERROR_VIRTUALID_OOR);
	if (!is_doorbell(its, doorbell))
		return its_refuse(its, op, VIOMMU_ITS_ERROR_PHYSICALID_OOR);
	its_set_event(its, at,
		      EVENT_VALID | EVENT_VIRTUAL | bits_put(EVENT_INTID, intid) |
			      bits_put(EVENT_TARGET, vpe_of(c)) |
			      bits_put(EVENT_DOORBELL, doorbell));
	return RING_DONE;
}

/* 0, or why an event cannot go to the command's vPE. */
static unsigned check_move(struct its *its, const struct its_current *c, uint64_t event)
{
	const struct lpis *l = its->lpis;
	uint32_t intid = (uint32_t)bits_get(event, EVENT_INTID);
	const struct vpe *from =
		vpe_mapped_by(l, (uint32_t)bits_get(event, EVENT_TARGET), its->number);
	const struct vpe *to = vpe_mapped_by(l, vpe_of(c), its->number);

	if (!from)
		return VIOMMU_ITS_ERROR_ITEVCPU_INVALID;
	if (!to)
		return VIOMMU_ITS_ERROR_CMDVCPU_INVALID;
	if (!vpe_has(from, intid) || !vpe_has(to, intid))
		return VIOMMU_ITS_ERROR_VIRTUALID_OOR;
	if ((c->word[2] & ITS_2_VMOVI_D) && !is_doorbell(its, bits_get(c->word[2], ITS_2_DOORBELL)))
		return VIOMMU_ITS_ERROR_PHYSICALID_OOR;
	return 0;
}

enum ring_executed its_vmovi(struct its *its, struct its_current *c)
{
	enum ring_executed end;
	_Atomic uint64_t *at;
	bool failed = false;
	uint64_t event;
	uint32_t from;
	unsigned reason;
	bool ok;

	if (!its_look_up(its, ITS_OP_VMOVI, &at, &event, &end))
		return end;
	if (!(event & EVENT_VIRTUAL))
		return its_refuse(its, ITS_OP_VMOVI, VIOMMU_ITS_ERROR_ID_IS_PHYSICAL);
	ok = in_range(its, vpe_of(c), &failed);
	if (!ok)
		return its_check(its, ok, failed, ITS_OP_VMOVI, VIOMMU_ITS_ERROR_VCPU_OOR);
	reason = check_move(its, c, event);
	if (reason)
		return its_refuse(its, ITS_OP_VMOVI, reason);
	from = (uint32_t)bits_get(event, EVENT_TARGET);
	event = (event & ~EVENT_TARGET) | bits_put(EVENT_TARGET, vpe_of(c));
	if (c->word[2] & ITS_2_VMOVI_D)
		event = (event & ~EVENT_DOORBELL) |
			bits_put(EVENT_DOORBELL, bits_get(c->word[2], ITS_2_DOORBELL));
	its_set_event(its, at, event);
	return from == vpe_of(c) ? RING_DONE : its_take_away(its, event, from, vpe_of(c));
}

/* ---- vPEs ---- */

/* A pending table is read, or written. */
static uint32_t table_steps(const struct its *its)
{
	return 1 + lpi_words(its->lpis) / 16;
}

static enum ring_executed map(struct its *its, struct its_current *c)
{
	bool v41 = its->typer & ITS_TYPER_VMAPP;
	unsigned bits = (unsigned)bits_get(c->word[3], ITS_3_VPT_SIZE) + 1;
	struct vpe_map map = {
		.vpe = vpe_of(c),
		.cpu = its_rdbase(its, bits_get(c->word[2], ITS_2_RDBASE)),
		.vpt = (c->word[3] & ITS_3_VPT) | bits,
		.vconf = v41 ? c->word[0] & ITS_0_VMAPP_VCONF : 0,
		.doorbell = v41 ? (uint32_t)bits_get(c->word[1], ITS_1_DOORBELL) : ITS_NO_DOORBELL,
		.fresh = !v41 || (c->word[0] & ITS_0_VMAPP_ALLOC),
		.zero = v41 && (c->word[0] & ITS_0_VMAPP_PTZ),
	};
	bool was = vpe_mapped_by(its->lpis, map.vpe, its->number);

	if (bits > its->lpis->bits || bits > its->event_bits)
		return its_refuse(its, ITS_OP_VMAPP, VIOMMU_ITS_ERROR_VPTSIZE_OOR);
	if (map.cpu == ITS_NOBODY)
		return its_refuse(its, ITS_OP_VMAPP, VIOMMU_ITS_ERROR_SIZE_OOR);
	if (!vpe_bind(its->lpis, its->number, &map))
		return its_refuse(its, ITS_OP_VMAPP, VIOMMU_ITS_ERROR_LIMIT);
	c->phase = 1;
	c->to = map.vpe;
	return was ? RING_DONE : its_tell_target(its, c, true, map.vpe);
}

void its_begin_unmap(struct its *its, uint32_t vpe)
{
	struct ring_commands *c = &its->commands;

	c->held = c->apart = true;
	c->word[0] = ITS_OP_VMAPP;
	c->word[1] = bits_put(ITS_1_VPE, vpe);
	c->word[2] = c->word[3] = 0;
	its->current = (struct its_current){ .phase = 1, .word = c->word };
	vpe_unbind(its->lpis, its->number, vpe);
}

bool its_unmaps_vpe(const struct its *its, uint32_t *vpe)
{
	const struct its_current *c = &its->current;

	if (!its->commands.held)
		return false;
	*vpe = vpe_of(c);
	return c->phase && bits_get(c->word[0], ITS_0_OPCODE) == ITS_OP_VMAPP &&
	       !(c->word[2] & ITS_2_VALID);
}

enum ring_executed its_vmapp(struct its *its, struct its_current *c)
{
	bool failed = false;
	bool ok;

	if (c->phase == 0) {
		ok = in_range(its, vpe_of(c), &failed);
		if (!ok)
			return its_check(its, ok, failed, ITS_OP_VMAPP, VIOMMU_ITS_ERROR_VCPU_OOR);
		if (!unit_pay(&its->unit, table_steps(its)))
			return RING_WAITING;
		if (c->word[2] & ITS_2_VALID)
			return map(its, c);
		if (!vpe_mapped_by(its->lpis, vpe_of(c), its->number))
			return RING_DONE;
		vpe_unbind(its->lpis, its->number, vpe_of(c));
		c->phase = 1;
	}
	if (c->phase == 1) {
		if (its_tell_target(its, c, true, vpe_of(c)) == RING_WAITING)
			return RING_WAITING;
		c->phase = 2;
	}
	if (c->word[2] & ITS_2_VALID)
		return RING_DONE;
	if (!its_passed(its) || !unit_pay(&its->unit, table_steps(its)))
		return RING_WAITING;
	vpe_retire(its->lpis, its->number, vpe_of(c));
	return RING_DONE;
}

enum ring_executed its_vmovp(struct its *its, struct its_current *c)
{
	uint32_t cpu = its_rdbase(its, bits_get(c->word[2], ITS_2_RDBASE));
	enum ring_executed end;

	if (!look_up(its, c, ITS_OP_VMOVP, &end))
		return end;
	if (cpu == ITS_NOBODY)
		return its_refuse(its, ITS_OP_VMOVP, VIOMMU_ITS_ERROR_SIZE_OOR);
	vpe_set_cpu(its->lpis, vpe_of(c), cpu);
	its->unsynced = true; /* a delivery under way may ring where it was */
	if ((its->typer & ITS_TYPER_VMAPP) && (c->word[2] & ITS_2_VMOVP_DB))
		vpe_set_doorbell(its->lpis, vpe_of(c),
				 (uint32_t)bits_get(c->word[3], ITS_3_DOORBELL));
	return RING_DONE;
}

enum ring_executed its_vsync(struct its *its, struct its_current *c)
{
	enum ring_executed end;

	if (c->phase == 0 && !look_up(its, c, ITS_OP_VSYNC, &end))
		return end;
	return its_sync(its, c);
}

enum ring_executed its_vinvall(struct its *its, struct its_current *c)
{
	enum ring_executed end;

	if (c->phase == 0 && !look_up(its, c, ITS_OP_VINVALL, &end))
		return end;
	c->phase = 1;
	return vpe_reread(&its->unit, its->lpis, vpe_of(c), &c->at) ? RING_DONE : RING_WAITING;
}

/* The doorbell's configuration is that of any LPI. */
enum ring_executed its_invdb(struct its *its, struct its_current *c)
{
	enum ring_executed end;
	struct vpe *v;
	uint32_t doorbell;

	if (!look_up(its, c, ITS_OP_INVDB, &end))
		return end;
	v = vpe_mapped(its->lpis, vpe_of(c));
	doorbell = v ? atomic_load(&v->doorbell) : ITS_NO_DOORBELL;
	if (v && lpi_exists(its->lpis, doorbell))
		lpi_invalidate(its->lpis, atomic_load(&v->cpu), doorbell);
	return RING_DONE;
}

enum ring_executed its_vsgi(struct its *its, struct its_current *c)
{
	uint32_t intid = (uint32_t)bits_get(c->word[0], ITS_0_VSGI_INTID);
	enum ring_executed end;

	if (!look_up(its, c, ITS_OP_VSGI, &end))
		return end;
	if (c->word[0] & ITS_0_VSGI_CLEAR)
		vpe_clear_sgi(its->lpis, vpe_of(c), intid);
	else
		vpe_configure_sgi(its->lpis, vpe_of(c), intid,
				  (uint32_t)(bits_get(c->word[0], ITS_0_VSGI_ENABLE) |
					     (c->word[0] & ITS_0_VSGI_GROUP ? VPE_SGI_GROUP : 0) |
					     bits_get(c->word[0], ITS_0_VSGI_PRIO) << 4));
	return RING_DONE;
}
