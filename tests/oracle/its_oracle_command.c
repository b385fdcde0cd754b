/* SPDX-License-Identifier: BSD-3-Clause */
/* its_oracle_command.c - what the commands of the queue do, slowly (IHI 0069 5.3). */
#include "its_oracle.h"

#include <libvirtiommu/its.h>

#include <string.h>

#define BIT64(n)	 (UINT64_C(1) << (n))
#define FIELD(v, hi, lo) ((v) >> (lo) & (BIT64((hi) - (lo) + 1) - 1))
#define VALID		 BIT64(63)

enum {
	OP_MOVI = 0x01,
	OP_INT = 0x03,
	OP_CLEAR = 0x04,
	OP_SYNC = 0x05,
	OP_MAPD = 0x08,
	OP_MAPC = 0x09,
	OP_MAPTI = 0x0a,
	OP_MAPI = 0x0b,
	OP_INV = 0x0c,
	OP_INVALL = 0x0d,
	OP_MOVALL = 0x0e,
	OP_DISCARD = 0x0f,
	OP_VMOVI = 0x21,
	OP_VMOVP = 0x22,
	OP_VSGI = 0x23,
	OP_VSYNC = 0x25,
	OP_VMAPP = 0x29,
	OP_VMAPTI = 0x2a,
	OP_VMAPI = 0x2b,
	OP_VINVALL = 0x2d,
	OP_INVDB = 0x2e
};

/* One command and what its checks have found. */
struct command {
	struct its_oracle *o;
	unsigned unit;
	struct ito_unit *u;
	const uint64_t *w;
	uint32_t op;
	uint32_t device, event, icid, vpe;
	struct ito_device *d;
	struct ito_event *e;
};

static uint32_t error(const struct command *c, uint32_t reason)
{
	return VIOMMU_ITS_ERROR(c->op == OP_CLEAR ? 5 : c->op, reason);
}

/* ITO_DONE, or what is to be reported. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		uint32_t said = (call);                                                            \
		if (said != ITO_DONE)                                                              \
			return said;                                                               \
	} while (0)

/* ---- checks ---- */

static uint32_t in_table(const struct command *c, unsigned n, uint32_t id, uint32_t reason)
{
	int slot = ito_slot(c->o, c->u, n, id, NULL);

	if (slot < 0)
		return VIOMMU_ITS_ERROR_MEMORY;
	return slot ? ITO_DONE : error(c, reason);
}

static uint32_t device_in_range(const struct command *c)
{
	if ((uint64_t)c->device >> ito_device_bits(c->u))
		return error(c, VIOMMU_ITS_ERROR_DEVICE_OOR);
	return in_table(c, 0, c->device, VIOMMU_ITS_ERROR_DEVICE_OOR);
}

static uint32_t icid_in_range(const struct command *c)
{
	if (c->icid >> ito_icid_bits(c->u))
		return error(c, VIOMMU_ITS_ERROR_COLLECTION_OOR);
	if (c->icid < ito_hcc(c->u))
		return ITO_DONE;
	return in_table(c, 1, c->icid, VIOMMU_ITS_ERROR_COLLECTION_OOR);
}

static uint32_t vpe_in_range(const struct command *c)
{
	if (c->vpe >= c->o->vpes)
		return error(c, VIOMMU_ITS_ERROR_VCPU_OOR);
	return in_table(c, 2, c->vpe, VIOMMU_ITS_ERROR_VCPU_OOR);
}

static uint32_t device_and_event(struct command *c)
{
	c->d = ito_find_device(c->u, c->device);
	if (!c->d)
		return error(c, VIOMMU_ITS_ERROR_UNMAPPED_DEVICE);
	if ((uint64_t)c->event >> c->d->bits)
		return error(c, VIOMMU_ITS_ERROR_ID_OOR);
	return ITO_DONE;
}

static uint32_t event_mapped(struct command *c)
{
	TRY(device_in_range(c));
	TRY(device_and_event(c));
	c->e = ito_find_event(c->u, c->device, c->event);
	return c->e ? ITO_DONE : error(c, VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT);
}

static bool is_lpi(const struct command *c, uint32_t intid)
{
	return intid >= ITO_LPI && (uint64_t)intid >> c->o->intid_bits == 0;
}

static bool is_doorbell(const struct command *c, uint32_t intid)
{
	return intid == ITO_NO_DOORBELL || is_lpi(c, intid);
}

/* ---- devices, collections, events ---- */

static uint64_t events_of(uint32_t bits)
{
	return bits < 4 ? 16 : BIT64(bits);
}

static uint32_t within_caps(const struct command *c, uint32_t bits)
{
	uint64_t devices = 1, events = events_of(bits);

	for (unsigned i = 0; i < ITO_DEVICES; i++) {
		const struct ito_device *d = &c->u->device[i];

		if (d->used && d->id != c->device) {
			devices++;
			events += events_of(d->bits);
		}
	}
	return devices > c->u->device_cap || events > c->u->event_cap
		       ? error(c, VIOMMU_ITS_ERROR_LIMIT)
		       : ITO_DONE;
}

static uint32_t do_mapd(struct command *c)
{
	uint32_t size = (uint32_t)FIELD(c->w[1], 4, 0);

	TRY(device_in_range(c));
	if (!(c->w[2] & VALID)) {
		ito_drop_device(c->u, c->device);
		return ITO_DONE;
	}
	if (size + 1 > ito_event_bits(c->u))
		return error(c, VIOMMU_ITS_ERROR_SIZE_OOR);
	TRY(within_caps(c, size + 1));
	ito_drop_device(c->u, c->device);
	for (unsigned i = 0; i < ITO_DEVICES; i++) {
		if (c->u->device[i].used)
			continue;
		c->u->device[i] = (struct ito_device){ .used = true,
						       .id = c->device,
						       .bits = size + 1,
						       .itt = c->w[2] & UINT64_C(0xfffffffffff00) };
		return ITO_DONE;
	}
	c->o->beyond = true;
	return ITO_DONE;
}

static uint32_t do_mapc(struct command *c)
{
	int cpu = ito_rdbase(c->o, c->u, c->w[2]);
	struct ito_collection *col;

	TRY(icid_in_range(c));
	col = ito_find_collection(c->u, c->icid);
	if (!(c->w[2] & VALID)) {
		if (col)
			col->used = false;
		return ITO_DONE;
	}
	if (cpu < 0)
		return error(c, VIOMMU_ITS_ERROR_SIZE_OOR);
	for (unsigned i = 0; !col && i < ITO_COLLECTIONS; i++)
		col = c->u->collection[i].used ? NULL : &c->u->collection[i];
	if (!col) {
		c->o->beyond = true;
		return ITO_DONE;
	}
	*col = (struct ito_collection){ .used = true, .icid = c->icid, .cpu = (uint32_t)cpu };
	return ITO_DONE;
}

static void put_event(struct command *c, struct ito_event event)
{
	struct ito_event *e = ito_find_event(c->u, c->device, c->event);

	for (unsigned i = 0; !e && i < ITO_EVENTS; i++)
		e = c->u->event[i].used ? NULL : &c->u->event[i];
	if (!e) {
		c->o->beyond = true;
		return;
	}
	event.used = true;
	event.device = c->device;
	event.event = c->event;
	*e = event;
}

static uint32_t do_mapti(struct command *c)
{
	uint32_t intid = c->op == OP_MAPI ? c->event : (uint32_t)(c->w[1] >> 32);

	TRY(device_in_range(c));
	TRY(icid_in_range(c));
	TRY(device_and_event(c));
	if (!is_lpi(c, intid))
		return error(c, VIOMMU_ITS_ERROR_PHYSICALID_OOR);
	put_event(c, (struct ito_event){ .intid = intid, .icid = c->icid });
	return ITO_DONE;
}

static void move_pending(struct its_oracle *o, uint32_t from, uint32_t to, uint32_t intid)
{
	if (from == to || !o->cpu[from].pending[intid] || !o->cpu[to].enabled ||
	    intid >= ito_limit(o, to))
		return;
	ito_clear(o, from, intid);
	ito_pend(o, to, intid);
}

static uint32_t do_movi(struct command *c)
{
	struct ito_collection *from, *to;

	TRY(event_mapped(c));
	if (c->e->is_virtual)
		return error(c, VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT);
	TRY(icid_in_range(c));
	from = ito_find_collection(c->u, c->e->icid);
	to = ito_find_collection(c->u, c->icid);
	if (!from || !to)
		return error(c, VIOMMU_ITS_ERROR_UNMAPPED_COLLECTION);
	c->e->icid = c->icid;
	move_pending(c->o, from->cpu, to->cpu, c->e->intid);
	return ITO_DONE;
}

/* INT, CLEAR, DISCARD, INV. */
static uint32_t do_event(struct command *c)
{
	struct its_oracle *o = c->o;
	struct ito_collection *col;
	uint32_t intid;

	TRY(event_mapped(c));
	intid = c->e->intid;
	col = ito_find_collection(c->u, c->e->icid);
	if (c->e->is_virtual ? !o->vpe[c->e->vpe].on[c->unit] : !col)
		return error(c, VIOMMU_ITS_ERROR_ITE_INVALID);
	if (c->op == OP_INT)
		ito_interrupt(o, c->unit, c->device, c->event, true);
	if (c->op == OP_CLEAR || c->op == OP_DISCARD) {
		if (c->e->is_virtual)
			o->vpe[c->e->vpe].pending[intid] = 0;
		else
			ito_clear(o, col->cpu, intid);
	}
	if (c->op == OP_DISCARD)
		c->e->used = false;
	if (c->op == OP_INV && !c->e->is_virtual)
		ito_invalidate_lpi(o, col->cpu, intid);
	if (c->op == OP_INV && c->e->is_virtual)
		ito_invalidate_vlpi(o, c->e->vpe, intid, c->e->doorbell);
	return ITO_DONE;
}

static uint32_t do_invall(struct command *c)
{
	struct ito_collection *col;

	TRY(icid_in_range(c));
	col = ito_find_collection(c->u, c->icid);
	if (!col)
		return error(c, VIOMMU_ITS_ERROR_UNMAPPED_COLLECTION);
	ito_invalidate_all(c->o, col->cpu);
	return ITO_DONE;
}

static uint32_t do_movall(struct command *c)
{
	int from = ito_rdbase(c->o, c->u, c->w[2]), to = ito_rdbase(c->o, c->u, c->w[3]);

	if (from < 0 || to < 0)
		return error(c, VIOMMU_ITS_ERROR_DEVICE_OOR);
	for (uint32_t i = ito_next_pending(c->o, (uint32_t)from, 0); i < ITO_INTIDS;
	     i = ito_next_pending(c->o, (uint32_t)from, i + 1))
		move_pending(c->o, (uint32_t)from, (uint32_t)to, i);
	return ITO_DONE;
}

/* ---- vPEs and virtual events ---- */

static uint32_t vpe_mapped(const struct command *c)
{
	TRY(vpe_in_range(c));
	return c->o->vpe[c->vpe].on[c->unit] ? ITO_DONE : error(c, VIOMMU_ITS_ERROR_VCPU_INVALID);
}

static void map_vpe(struct command *c, uint32_t cpu)
{
	struct ito_vpe *v = &c->o->vpe[c->vpe];
	bool first = !ito_vpe_mapped(c->o, c->vpe);
	bool alloc = c->w[0] >> 8 & 1, ptz = c->w[0] >> 9 & 1;

	v->on[c->unit] = true;
	v->cpu = cpu;
	v->bits = (uint32_t)FIELD(c->w[3], 4, 0) + 1;
	v->vpt = c->w[3] & UINT64_C(0xfffffffff0000);
	if (c->o->v41) {
		v->vconf = c->w[0] & UINT64_C(0xfffffffff0000);
		v->doorbell = (uint32_t)c->w[1];
	}
	if (first && alloc)
		memset(v->sgi, 0, sizeof(v->sgi));
	if (first && (!c->o->v41 || (alloc && !ptz)))
		ito_read_vpt(c->o, c->vpe);
}

static uint32_t do_vmapp(struct command *c)
{
	int cpu = ito_rdbase(c->o, c->u, c->w[2]);

	TRY(vpe_in_range(c));
	if (!(c->w[2] & VALID)) {
		ito_unmap_vpe(c->o, c->unit, c->vpe);
		return ITO_DONE;
	}
	if (FIELD(c->w[3], 4, 0) + 1 > c->o->intid_bits ||
	    FIELD(c->w[3], 4, 0) + 1 > ito_event_bits(c->u))
		return error(c, VIOMMU_ITS_ERROR_VPTSIZE_OOR);
	if (cpu < 0)
		return error(c, VIOMMU_ITS_ERROR_SIZE_OOR);
	map_vpe(c, (uint32_t)cpu);
	return ITO_DONE;
}

static uint32_t do_vmapti(struct command *c)
{
	uint32_t intid = c->op == OP_VMAPI ? c->event : (uint32_t)c->w[2];
	uint32_t doorbell = (uint32_t)(c->w[2] >> 32);

	TRY(device_in_range(c));
	TRY(vpe_in_range(c));
	TRY(device_and_event(c));
	if (!is_lpi(c, intid))
		return error(c, VIOMMU_ITS_ERROR_VIRTUALID_OOR);
	if (!is_doorbell(c, doorbell))
		return error(c, VIOMMU_ITS_ERROR_PHYSICALID_OOR);
	put_event(c, (struct ito_event){ .is_virtual = true,
					 .intid = intid,
					 .vpe = c->vpe,
					 .doorbell = doorbell });
	return ITO_DONE;
}

static uint32_t do_vmovi(struct command *c)
{
	struct ito_vpe *from, *to = &c->o->vpe[c->vpe % ITO_VPES];
	bool d = c->w[2] & 1, pending;
	uint32_t doorbell = (uint32_t)(c->w[2] >> 32);

	TRY(event_mapped(c));
	if (!c->e->is_virtual)
		return error(c, VIOMMU_ITS_ERROR_ID_IS_PHYSICAL);
	TRY(vpe_in_range(c));
	from = &c->o->vpe[c->e->vpe];
	if (!from->on[c->unit])
		return error(c, VIOMMU_ITS_ERROR_ITEVCPU_INVALID);
	if (!to->on[c->unit])
		return error(c, VIOMMU_ITS_ERROR_CMDVCPU_INVALID);
	if (c->e->intid >> from->bits || c->e->intid >> to->bits)
		return error(c, VIOMMU_ITS_ERROR_VIRTUALID_OOR);
	if (d && !is_doorbell(c, doorbell))
		return error(c, VIOMMU_ITS_ERROR_PHYSICALID_OOR);
	c->e->doorbell = d ? doorbell : c->e->doorbell;
	c->e->vpe = c->vpe;
	pending = from->pending[c->e->intid];
	if (from == to || !pending)
		return ITO_DONE;
	from->pending[c->e->intid] = 0;
	ito_pend_virtual(c->o, c->vpe, c->e->intid, c->e->doorbell);
	return ITO_DONE;
}

static uint32_t do_vmovp(struct command *c)
{
	int cpu = ito_rdbase(c->o, c->u, c->w[2]);

	TRY(vpe_mapped(c));
	if (cpu < 0)
		return error(c, VIOMMU_ITS_ERROR_SIZE_OOR);
	c->o->vpe[c->vpe].cpu = (uint32_t)cpu;
	if (c->o->v41 && c->w[2] & VALID)
		c->o->vpe[c->vpe].doorbell = (uint32_t)c->w[3];
	return ITO_DONE;
}

static uint32_t do_vsgi(struct command *c)
{
	unsigned intid = (unsigned)FIELD(c->w[0], 35, 32);

	TRY(vpe_mapped(c));
	if (c->w[0] >> 9 & 1) {
		c->o->vpe[c->vpe].sgi[intid].pending = false;
		return ITO_DONE;
	}
	c->o->vpe[c->vpe].sgi[intid].enabled = c->w[0] >> 8 & 1;
	c->o->vpe[c->vpe].sgi[intid].priority = (uint32_t)FIELD(c->w[0], 23, 20) << 4;
	ito_invalidate_sgi(c->o, c->vpe, intid);
	return ITO_DONE;
}

static uint32_t do_invdb(struct command *c)
{
	const struct ito_vpe *v = &c->o->vpe[c->vpe % ITO_VPES];

	TRY(vpe_mapped(c));
	if (is_lpi(c, v->doorbell))
		ito_invalidate_lpi(c->o, v->cpu, v->doorbell);
	return ITO_DONE;
}

static uint32_t run_virtual(struct command *c)
{
	switch (c->op) {
	case OP_VMOVI:
		return do_vmovi(c);
	case OP_VMOVP:
		return do_vmovp(c);
	case OP_VSGI:
		return c->u->typer & BIT64(39) ? do_vsgi(c) : 0;
	case OP_VMAPP:
		return do_vmapp(c);
	case OP_VMAPTI:
	case OP_VMAPI:
		return do_vmapti(c);
	case OP_VSYNC:
		return vpe_mapped(c);
	case OP_VINVALL:
		TRY(vpe_mapped(c));
		ito_invalidate_vpe(c->o, c->vpe);
		return ITO_DONE;
	case OP_INVDB:
		return c->o->v41 ? do_invdb(c) : 0;
	default:
		return 0;
	}
}

/* ---- all of them ---- */

uint32_t ito_command(struct its_oracle *o, unsigned unit, const uint64_t *w)
{
	struct command c = { .o = o, .unit = unit, .u = &o->unit[unit], .w = w };

	c.op = w[0] & 0xff;
	c.device = (uint32_t)(w[0] >> 32);
	c.event = (uint32_t)w[1];
	c.icid = w[2] & 0xffff;
	c.vpe = (uint32_t)FIELD(w[1], 47, 32);
	switch (c.op) {
	case OP_MAPD:
		return do_mapd(&c);
	case OP_MAPC:
		return do_mapc(&c);
	case OP_MAPTI:
	case OP_MAPI:
		return do_mapti(&c);
	case OP_MOVI:
		return do_movi(&c);
	case OP_INT:
	case OP_CLEAR:
	case OP_DISCARD:
	case OP_INV:
		return do_event(&c);
	case OP_INVALL:
		return do_invall(&c);
	case OP_MOVALL:
		return do_movall(&c);
	case OP_SYNC:
		return ITO_DONE;
	default:
		return c.u->typer & 2 ? run_virtual(&c) : 0;
	}
}
