/* SPDX-License-Identifier: BSD-3-Clause */
/* its_oracle.c - registers, tables and messages of an ITS, slowly (IHI 0069 5.2, 5.3, 12.19). */
#include "its_oracle.h"

#include <libvirtiommu/its.h>

#include <string.h>

#define BIT64(n)	 (UINT64_C(1) << (n))
#define FIELD(v, hi, lo) ((v) >> (lo) & (BIT64((hi) - (lo) + 1) - 1))

/* 12.19: what can be written. */
#define CBASER_MASK                                                                                \
	(BIT64(63) | UINT64_C(7) << 59 | UINT64_C(7) << 53 | UINT64_C(0xfffffffff0000) | 0xcff)
#define BASER_MASK                                                                                 \
	(UINT64_C(3) << 62 | UINT64_C(7) << 59 | UINT64_C(7) << 53 | UINT64_C(0xfffffffff000) |    \
	 0xfff)
#define VALID BIT64(63)

/* ---- memory ---- */

bool ito_has(const struct its_oracle *o, uint64_t gpa, uint64_t bytes)
{
	return gpa >= o->memory.base && gpa - o->memory.base < o->memory.size &&
	       bytes <= o->memory.size - (gpa - o->memory.base);
}

bool ito_load(const struct its_oracle *o, uint64_t gpa, void *to, uint32_t bytes)
{
	if (o->memory.broken || !ito_has(o, gpa, bytes))
		return false;
	memcpy(to, o->memory.bytes + (gpa - o->memory.base), bytes);
	return true;
}

bool ito_store(struct its_oracle *o, uint64_t gpa, uint8_t byte)
{
	if (!ito_has(o, gpa, 1))
		return false;
	o->memory.bytes[gpa - o->memory.base] = byte;
	return true;
}

/* ---- what TYPER says ---- */

uint32_t ito_event_bits(const struct ito_unit *u)
{
	return (uint32_t)FIELD(u->typer, 12, 8) + 1;
}

uint32_t ito_device_bits(const struct ito_unit *u)
{
	return (uint32_t)FIELD(u->typer, 17, 13) + 1;
}

uint32_t ito_icid_bits(const struct ito_unit *u)
{
	return u->typer & BIT64(36) ? (uint32_t)FIELD(u->typer, 35, 32) + 1 : 16;
}

uint32_t ito_hcc(const struct ito_unit *u)
{
	return (uint32_t)FIELD(u->typer, 31, 24);
}

int ito_rdbase(const struct its_oracle *o, const struct ito_unit *u, uint64_t word)
{
	uint64_t field = FIELD(word, 51, 16);

	for (uint32_t i = 0; i < o->cpus; i++) {
		if (u->typer & BIT64(19) ? field << 16 == o->rd_base + i * o->rd_stride
					 : (field & 0xffff) == i)
			return (int)i;
	}
	return -1;
}

/* ---- tables ---- */

uint64_t ito_page(const struct ito_unit *u, unsigned n)
{
	static const uint32_t sizes[] = { 0x1000, 0x4000, 0x10000, 0x10000 };

	return sizes[FIELD(u->baser[n], 9, 8)];
}

uint64_t ito_table_bytes(const struct ito_unit *u, unsigned n)
{
	return (FIELD(u->baser[n], 7, 0) + 1) * ito_page(u, n);
}

uint64_t ito_table_gpa(const struct ito_unit *u, unsigned n)
{
	uint64_t b = u->baser[n];

	if (ito_page(u, n) == 0x10000)
		return (b & UINT64_C(0xffffffff0000)) | FIELD(b, 15, 12) << 48;
	return b & UINT64_C(0xfffffffff000);
}

int ito_slot(const struct its_oracle *o, const struct ito_unit *u, unsigned n, uint32_t id,
	     uint64_t *gpa)
{
	uint64_t entries = ito_table_bytes(u, n) / 8, a_page = ito_page(u, n) / 8, l1, at;

	if (!(u->baser[n] & VALID))
		return 0;
	at = ito_table_gpa(u, n) + id * UINT64_C(8);
	if (u->baser[n] & BIT64(62)) {
		if (id / a_page >= entries)
			return 0;
		if (!ito_load(o, ito_table_gpa(u, n) + id / a_page * 8, &l1, 8))
			return -1;
		if (!(l1 & VALID))
			return 0;
		at = (l1 & UINT64_C(0xffffffffff000) & ~(ito_page(u, n) - 1)) + id % a_page * 8;
	} else if (id >= entries) {
		return 0;
	}
	if (gpa)
		*gpa = at;
	return 1;
}

/* ---- objects ---- */

struct ito_device *ito_find_device(struct ito_unit *u, uint32_t id)
{
	for (unsigned i = 0; i < ITO_DEVICES; i++) {
		if (u->device[i].used && u->device[i].id == id)
			return &u->device[i];
	}
	return NULL;
}

struct ito_event *ito_find_event(struct ito_unit *u, uint32_t device, uint32_t event)
{
	for (unsigned i = 0; i < ITO_EVENTS; i++) {
		struct ito_event *e = &u->event[i];

		if (e->used && e->device == device && e->event == event)
			return e;
	}
	return NULL;
}

struct ito_collection *ito_find_collection(struct ito_unit *u, uint32_t icid)
{
	for (unsigned i = 0; i < ITO_COLLECTIONS; i++) {
		if (u->collection[i].used && u->collection[i].icid == icid)
			return &u->collection[i];
	}
	return NULL;
}

void ito_drop_device(struct ito_unit *u, uint32_t id)
{
	struct ito_device *d = ito_find_device(u, id);

	if (d)
		d->used = false;
	for (unsigned i = 0; i < ITO_EVENTS; i++) {
		if (u->event[i].device == id)
			u->event[i].used = false;
	}
}

static void drop_table(struct its_oracle *o, unsigned unit, unsigned n)
{
	struct ito_unit *u = &o->unit[unit];

	if (n == 0) {
		memset(u->device, 0, sizeof(u->device));
		memset(u->event, 0, sizeof(u->event));
	} else if (n == 1) {
		memset(u->collection, 0, sizeof(u->collection));
	} else {
		for (uint32_t v = 0; v < o->vpes; v++)
			ito_unmap_vpe(o, unit, v);
	}
}

/* ---- registers ---- */

static uint64_t fixed_baser(const struct ito_unit *u, unsigned n)
{
	static const uint8_t types[] = { 1, 4, 2 };

	if (n > 2 || (n == 2 && !(u->typer & 2)))
		return 0;
	return (uint64_t)types[n] << 56 | UINT64_C(7) << 48;
}

void ito_reset_unit(struct its_oracle *o, unsigned unit)
{
	struct ito_unit *u = &o->unit[unit];

	bool no_writes = o->no_writes;

	o->no_writes = true; /* what is lost is lost */
	for (unsigned n = 0; n < 3; n++)
		drop_table(o, unit, n);
	o->no_writes = no_writes;
	u->enabled = u->imde = u->stalled = false;
	u->cbaser = 0;
	u->cwriter = u->creadr = u->statusr = 0;
	u->umsir = 0;
	for (unsigned n = 0; n < 8; n++)
		u->baser[n] = fixed_baser(u, n);
}

uint64_t ito_read(const struct its_oracle *o, unsigned unit, uint64_t offset)
{
	const struct ito_unit *u = &o->unit[unit];

	switch (offset) {
	case 0x0:
		return (uint64_t)BIT64(31) | u->enabled | (uint64_t)u->imde << 1 |
		       (u->typer & 2 ? u->number << 4 : 0);
	case 0x8:
		return u->typer;
	case 0x40:
		return u->statusr;
	case 0x48:
		return u->umsir;
	case 0x80:
		return u->cbaser;
	case 0x88:
		return u->cwriter;
	case 0x90:
		return u->creadr | u->stalled;
	default:
		return offset >= 0x100 && offset < 0x140 ? u->baser[(offset - 0x100) / 8] : 0;
	}
}

static void write_ctlr(struct its_oracle *o, unsigned unit, uint64_t value)
{
	struct ito_unit *u = &o->unit[unit];
	bool may = u->cbaser & VALID && u->baser[0] & VALID && (ito_hcc(u) || u->baser[1] & VALID);

	u->imde = u->typer & 2 && value & 2;
	u->enabled = value & 1 && (u->enabled || may);
	ito_run(o, unit);
}

static void write_baser(struct its_oracle *o, unsigned unit, unsigned n, uint64_t value)
{
	struct ito_unit *u = &o->unit[unit];
	uint64_t old = u->baser[n];

	if (u->enabled || !fixed_baser(u, n))
		return;
	if (FIELD(value, 9, 8) == 3)
		value &= ~BIT64(8);
	u->baser[n] = (value & BASER_MASK) | fixed_baser(u, n);
	if (old & ~value & VALID)
		drop_table(o, unit, n);
}

static void write_cwriter(struct its_oracle *o, unsigned unit, uint64_t value)
{
	struct ito_unit *u = &o->unit[unit];
	uint32_t offset = value & 0xfffe0;

	if (offset < (FIELD(u->cbaser, 7, 0) + 1) * 0x1000)
		u->cwriter = offset;
	if (value & 1)
		u->stalled = false;
	ito_run(o, unit);
}

void ito_write(struct its_oracle *o, unsigned unit, uint64_t offset, uint64_t value)
{
	struct ito_unit *u = &o->unit[unit];

	switch (offset) {
	case 0x0:
		write_ctlr(o, unit, value);
		break;
	case 0x40:
		u->statusr &= (uint32_t)~value;
		break;
	case 0x80:
		if (u->enabled)
			break;
		u->cbaser = value & CBASER_MASK;
		u->cwriter = u->creadr = 0;
		u->stalled = false;
		break;
	case 0x88:
		write_cwriter(o, unit, value);
		break;
	case 0x20020: {
		uint32_t vpe = (uint32_t)FIELD(value, 47, 32);

		if (u->typer & BIT64(39) && u->enabled && vpe < o->vpes && o->vpe[vpe].on[unit])
			ito_pend_sgi(o, vpe, value & 0xf);
		break;
	}
	default:
		if (offset >= 0x100 && offset < 0x140)
			write_baser(o, unit, (unsigned)(offset - 0x100) / 8, value);
		break;
	}
}

/* ---- the queue ---- */

static void report(struct its_oracle *o, uint32_t code, const uint64_t *w)
{
	if (o->errors == ITO_ERRORS) {
		o->beyond = true;
		return;
	}
	o->error[o->errors].code = code;
	memcpy(o->error[o->errors++].command, w, 32);
}

void ito_run(struct its_oracle *o, unsigned unit)
{
	static const uint64_t nothing[4];
	struct ito_unit *u = &o->unit[unit];
	uint32_t size = (uint32_t)(FIELD(u->cbaser, 7, 0) + 1) * 0x1000;

	while (u->enabled && u->cbaser & VALID && !u->stalled && u->creadr != u->cwriter) {
		uint64_t w[4];
		uint32_t code;

		if (!ito_load(o, (u->cbaser & UINT64_C(0xffffffffff000)) + u->creadr, w, 32)) {
			u->stalled = true;
			report(o, VIOMMU_ITS_ERROR_MEMORY, nothing);
			return;
		}
		code = ito_command(o, unit, w);
		if (code != ITO_DONE)
			report(o, code, w);
		if (code == VIOMMU_ITS_ERROR_MEMORY) {
			u->stalled = true;
			return;
		}
		u->creadr = (u->creadr + 32) % size;
	}
}

/* ---- messages ---- */

static uint32_t look_up(struct its_oracle *o, unsigned unit, uint32_t device, uint32_t event,
			struct ito_answer *a)
{
	struct ito_unit *u = &o->unit[unit];
	struct ito_device *d = ito_find_device(u, device);
	struct ito_event *e = ito_find_event(u, device, event);
	struct ito_collection *c;

	if (!u->enabled)
		return VIOMMU_ITS_REASON_DISABLED;
	if (device >> ito_device_bits(u))
		return VIOMMU_ITS_ERROR_DEVICE_OOR;
	if (!d)
		return VIOMMU_ITS_ERROR_UNMAPPED_DEVICE;
	if ((uint64_t)event >> d->bits)
		return VIOMMU_ITS_ERROR_ID_OOR;
	if (!e)
		return VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT;
	a->is_virtual = e->is_virtual;
	a->intid = e->intid;
	if (e->is_virtual) {
		a->cpu = e->vpe;
		return o->vpe[e->vpe].on[unit] ? 0 : VIOMMU_ITS_ERROR_ITE_INVALID;
	}
	c = ito_find_collection(u, e->icid);
	if (!c)
		return VIOMMU_ITS_ERROR_ITE_INVALID;
	a->cpu = c->cpu;
	return 0;
}

static uint32_t deliver_one(struct its_oracle *o, const struct ito_answer *a, uint32_t doorbell)
{
	if (a->is_virtual) {
		if ((uint64_t)a->intid >> o->vpe[a->cpu].bits)
			return VIOMMU_ITS_ERROR_VIRTUALID_OOR;
		ito_pend_virtual(o, a->cpu, a->intid, doorbell);
		return 0;
	}
	if (!o->cpu[a->cpu].enabled)
		return VIOMMU_ITS_REASON_LPI_OFF;
	if (a->intid >= ito_limit(o, a->cpu))
		return VIOMMU_ITS_ERROR_PHYSICALID_OOR;
	ito_pend(o, a->cpu, a->intid);
	return 0;
}

struct ito_answer ito_interrupt(struct its_oracle *o, unsigned unit, uint32_t device,
				uint32_t event, bool deliver)
{
	struct ito_answer a = { 0 };

	a.reason = look_up(o, unit, device, event, &a);
	if (!a.reason && deliver)
		a.reason =
			deliver_one(o, &a, ito_find_event(&o->unit[unit], device, event)->doorbell);
	a.found = !a.reason;
	return a;
}

/* UMSIR has the first message that was not mapped since STATUSR.UMSI was cleared. */
static void record(struct ito_unit *u, uint32_t device, uint32_t event)
{
	if (!(u->typer & BIT64(44)))
		return;
	if (!(u->statusr & 0x10))
		u->umsir = (uint64_t)device << 32 | event;
	u->statusr |= u->statusr & 0x10 ? 0x20 : 0x10;
}

struct ito_answer ito_message(struct its_oracle *o, unsigned unit, uint32_t device, uint32_t event,
			      bool deliver)
{
	struct ito_answer a = ito_interrupt(o, unit, device, event, deliver);

	if (deliver && !a.found && a.reason < VIOMMU_ITS_REASON_DISABLED)
		record(&o->unit[unit], device, event);
	return a;
}
