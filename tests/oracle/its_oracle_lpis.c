/* SPDX-License-Identifier: BSD-3-Clause */
/* its_oracle_lpis.c - LPIs and vLPIs of redistributors, slowly (IHI 0069 5.1, 5.4, 12.11). */
#include "its_oracle.h"

#include <string.h>

#define BIT64(n)	 (UINT64_C(1) << (n))
#define FIELD(v, hi, lo) ((v) >> (lo) & (BIT64((hi) - (lo) + 1) - 1))

#define PROPBASER_MASK (UINT64_C(7) << 56 | UINT64_C(0xffffffffff000) | 0xf9f)
#define PENDBASER_MASK (UINT64_C(7) << 56 | UINT64_C(0xfffffffff0000) | 0xf80)
#define VALID	       BIT64(63)
#define PENDING_LAST   BIT64(61)

void ito_reset_lpis(struct its_oracle *o)
{
	memset(o->cpu, 0, sizeof(o->cpu));
	memset(o->vpe, 0, sizeof(o->vpe));
	ito_forget_config(o);
}

/* ---- configuration bytes ---- */

uint32_t ito_next_pending(const struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	const uint8_t *bits = o->cpu[cpu].pending, *found;

	found = intid < ITO_INTIDS ? memchr(bits + intid, 1, ITO_INTIDS - intid) : NULL;
	return found ? (uint32_t)(found - bits) : ITO_INTIDS;
}

void ito_forget_config(struct its_oracle *o)
{
	memset(o->config, 0xff, sizeof(o->config));
}

uint32_t ito_limit(const struct its_oracle *o, uint32_t cpu)
{
	uint32_t bits = (uint32_t)FIELD(o->cpu[cpu].propbaser, 4, 0) + 1;

	if (bits < 14)
		return 0;
	return UINT32_C(1) << (bits < o->intid_bits ? bits : o->intid_bits);
}

static uint8_t load_config(const struct its_oracle *o, uint64_t base, uint32_t intid)
{
	uint8_t byte;

	return ito_load(o, (base & UINT64_C(0xffffffffff000)) + intid - ITO_LPI, &byte, 1) ? byte
											   : 0;
}

static uint16_t forwarded(uint8_t byte)
{
	return byte & 1 ? (uint16_t)(1 | (byte & 0xfc) << 8) : 0;
}

/* What redistributors have to forward changes if the byte has. */
static void read_config(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	uint8_t byte = load_config(o, o->cpu[cpu].propbaser, intid);

	o->config[intid] = byte;
	for (uint32_t i = 0; i < o->cpus; i++) {
		if (o->cpu[i].pending[intid])
			o->cpu[i].told[intid] = forwarded(byte);
	}
}

static uint8_t config_of(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	if (o->config[intid] < 0)
		read_config(o, cpu, intid);
	return (uint8_t)o->config[intid];
}

static void tell(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	bool pending = o->cpu[cpu].pending[intid];

	o->cpu[cpu].told[intid] = pending ? forwarded(config_of(o, cpu, intid)) : 0;
}

void ito_clear(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	o->cpu[cpu].pending[intid] = 0;
	tell(o, cpu, intid);
}

/* An LPI that the redistributor does not have is as one of a redistributor without LPIs. */
void ito_invalidate_lpi(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	if (!o->cpu[cpu].enabled || intid >= ito_limit(o, cpu)) {
		ito_forget_config(o);
		return;
	}
	read_config(o, cpu, intid);
}

void ito_tell_all(struct its_oracle *o, uint32_t cpu)
{
	for (uint32_t i = ito_next_pending(o, cpu, 0); i < ITO_INTIDS;
	     i = ito_next_pending(o, cpu, i + 1)) {
		tell(o, cpu, i);
	}
}

void ito_invalidate_all(struct its_oracle *o, uint32_t cpu)
{
	ito_forget_config(o);
	ito_tell_all(o, cpu);
}

/* ---- LPIs ---- */

void ito_pend(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	if (!o->cpu[cpu].enabled || intid < ITO_LPI || intid >= ito_limit(o, cpu))
		return;
	if (o->cpu[cpu].pending[intid])
		return;
	o->cpu[cpu].pending[intid] = 1;
	tell(o, cpu, intid);
}

/* Who asks tells nobody: a byte that somebody would have to be told of is not kept. */
static uint8_t asked_config(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	uint8_t byte;

	if (o->config[intid] >= 0)
		return (uint8_t)o->config[intid];
	byte = load_config(o, o->cpu[cpu].propbaser, intid);
	for (uint32_t i = 0; i < o->cpus; i++) {
		if (o->cpu[i].pending[intid] && o->cpu[i].told[intid] != forwarded(byte))
			return byte;
	}
	o->config[intid] = byte;
	return byte;
}

struct ito_lpi ito_get(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	struct ito_lpi lpi = { 0 };
	uint8_t byte;

	if (!o->cpu[cpu].enabled || intid >= ito_limit(o, cpu))
		return lpi;
	byte = asked_config(o, cpu, intid);
	lpi.pending = o->cpu[cpu].pending[intid];
	lpi.enabled = byte & 1;
	lpi.priority = byte & 0xfc;
	return lpi;
}

bool ito_acknowledge(struct its_oracle *o, uint32_t cpu, uint32_t intid)
{
	bool was = o->cpu[cpu].pending[intid];

	ito_clear(o, cpu, intid);
	return was;
}

/* Bits of a pending table, from the first LPI on. */
static void load_bits(const struct its_oracle *o, uint64_t table, uint32_t limit, uint8_t *bits)
{
	for (uint32_t i = ITO_LPI; i < limit; i += 8) {
		uint8_t byte;

		if (!ito_load(o, table + i / 8, &byte, 1))
			byte = 0;
		for (unsigned k = 0; k < 8; k++)
			bits[i + k] = byte >> k & 1;
	}
}

static void store_bits(struct its_oracle *o, uint64_t table, uint32_t limit, const uint8_t *bits)
{
	for (uint32_t i = ITO_LPI; i < limit; i += 8) {
		unsigned byte = 0;

		for (unsigned k = 0; k < 8; k++)
			byte |= (unsigned)bits[i + k] << k;
		ito_store(o, table + i / 8, (uint8_t)byte);
	}
}

void ito_save_pending(struct its_oracle *o)
{
	for (uint32_t i = 0; i < o->cpus; i++) {
		if (o->cpu[i].enabled)
			store_bits(o, o->cpu[i].pendbaser & UINT64_C(0xfffffffff0000),
				   ito_limit(o, i), o->cpu[i].pending);
	}
}

static void set_enable_lpis(struct its_oracle *o, uint32_t cpu, bool enable)
{
	struct ito_cpu *c = &o->cpu[cpu];
	uint64_t table = c->pendbaser & UINT64_C(0xfffffffff0000);

	if (enable == c->enabled || (!enable && o->no_writes))
		return;
	c->enabled = enable;
	if (!enable)
		store_bits(o, table, ito_limit(o, cpu), c->pending);
	memset(c->pending, 0, sizeof(c->pending));
	memset(c->told, 0, sizeof(c->told)); /* the VMM knows */
	if (enable && !c->ptz)
		load_bits(o, table, ito_limit(o, cpu), c->pending);
	if (!enable)
		return;
	ito_forget_config(o);
	ito_tell_all(o, cpu);
}

/* ---- vPEs ---- */

bool ito_vpe_mapped(const struct its_oracle *o, uint32_t vpe)
{
	for (uint32_t i = 0; i < o->units; i++) {
		if (o->vpe[vpe].on[i])
			return true;
	}
	return false;
}

int ito_resident(const struct its_oracle *o, uint32_t vpe)
{
	const struct ito_vpe *v = &o->vpe[vpe];
	uint64_t reg = o->cpu[v->cpu].vpendbaser;

	if (ito_vpe_mapped(o, vpe) && reg & VALID &&
	    (o->v41 ? FIELD(reg, 15, 0) == vpe : FIELD(reg, 51, 16) == v->vpt >> 16))
		return (int)v->cpu;
	return -1;
}

/* 4.0: of the VM whose vPE is resident; 4.1: of the vPE. */
static uint8_t virtual_config(const struct its_oracle *o, uint32_t vpe, uint32_t intid)
{
	int cpu = ito_resident(o, vpe);

	if (o->v41)
		return load_config(o, o->vpe[vpe].vconf, intid);
	return cpu < 0 ? 0 : load_config(o, o->cpu[cpu].vpropbaser, intid);
}

/* 4.1: the default doorbell, once if it was asked for; 4.0: that of the event. */
static void ring(struct its_oracle *o, uint32_t vpe, uint32_t doorbell)
{
	struct ito_vpe *v = &o->vpe[vpe];

	if (ito_resident(o, vpe) >= 0 || (o->v41 && !v->armed))
		return;
	v->armed = false;
	if (o->v41)
		doorbell = v->doorbell;
	if (doorbell != ITO_NO_DOORBELL)
		ito_pend(o, v->cpu, doorbell);
}

void ito_pend_virtual(struct its_oracle *o, uint32_t vpe, uint32_t intid, uint32_t doorbell)
{
	bool was = o->vpe[vpe].pending[intid];

	o->vpe[vpe].pending[intid] = 1;
	if (!was)
		ring(o, vpe, doorbell);
}

void ito_pend_sgi(struct its_oracle *o, uint32_t vpe, uint32_t intid)
{
	bool was = o->vpe[vpe].sgi[intid].pending;

	o->vpe[vpe].sgi[intid].pending = true;
	if (!was)
		ring(o, vpe, ITO_NO_DOORBELL);
}

void ito_invalidate_vlpi(struct its_oracle *o, uint32_t vpe, uint32_t intid, uint32_t doorbell)
{
	if (intid < ITO_INTIDS && o->vpe[vpe].pending[intid])
		ring(o, vpe, doorbell);
}

void ito_invalidate_vpe(struct its_oracle *o, uint32_t vpe)
{
	if (memchr(o->vpe[vpe].pending, 1, ITO_INTIDS))
		ring(o, vpe, ITO_NO_DOORBELL);
}

void ito_invalidate_sgi(struct its_oracle *o, uint32_t vpe, uint32_t intid)
{
	if (o->vpe[vpe].sgi[intid].pending)
		ring(o, vpe, ITO_NO_DOORBELL);
}

static uint32_t virtual_limit(const struct its_oracle *o, uint32_t vpe)
{
	return o->vpe[vpe].bits < 14 ? 0 : UINT32_C(1) << o->vpe[vpe].bits;
}

/* 4.1: virtual SGIs have the first 16 bits. */
void ito_read_vpt(struct its_oracle *o, uint32_t vpe)
{
	struct ito_vpe *v = &o->vpe[vpe];
	uint16_t bits;

	load_bits(o, v->vpt, virtual_limit(o, vpe), v->pending);
	if (!o->v41 || !ito_load(o, v->vpt, &bits, 2))
		return;
	for (unsigned i = 0; i < 16; i++)
		v->sgi[i].pending = bits >> i & 1;
}

void ito_write_vpt(struct its_oracle *o, uint32_t vpe)
{
	const struct ito_vpe *v = &o->vpe[vpe];
	unsigned bits = 0;

	if (o->no_writes)
		return;
	store_bits(o, v->vpt, virtual_limit(o, vpe), v->pending);
	for (unsigned i = 0; i < 16; i++)
		bits |= (unsigned)v->sgi[i].pending << i;
	for (unsigned i = 0; i < 2 && o->v41; i++)
		ito_store(o, v->vpt + i, (uint8_t)(bits >> 8 * i));
}

void ito_unmap_vpe(struct its_oracle *o, unsigned unit, uint32_t vpe)
{
	struct ito_vpe *v = &o->vpe[vpe];

	if (!v->on[unit])
		return;
	v->on[unit] = false;
	if (ito_vpe_mapped(o, vpe))
		return;
	ito_write_vpt(o, vpe);
	memset(v->pending, 0, sizeof(v->pending));
	for (unsigned i = 0; i < 16; i++)
		v->sgi[i].pending = false;
	v->armed = false;
}

bool ito_get_virtual(struct its_oracle *o, uint32_t vpe, uint32_t intid, struct ito_lpi *lpi)
{
	const struct ito_vpe *v = &o->vpe[vpe];
	uint8_t byte;

	memset(lpi, 0, sizeof(*lpi));
	if (!ito_vpe_mapped(o, vpe))
		return false;
	if (intid < 16) {
		lpi->pending = v->sgi[intid].pending;
		lpi->enabled = v->sgi[intid].enabled;
		lpi->priority = v->sgi[intid].priority;
	} else if (intid < virtual_limit(o, vpe)) {
		byte = virtual_config(o, vpe, intid);
		lpi->pending = v->pending[intid];
		lpi->enabled = byte & 1;
		lpi->priority = byte & 0xfc;
	}
	return true;
}

bool ito_acknowledge_virtual(struct its_oracle *o, uint32_t vpe, uint32_t intid)
{
	struct ito_vpe *v = &o->vpe[vpe];
	bool was = intid < 16 ? v->sgi[intid].pending : v->pending[intid];

	if (intid < 16)
		v->sgi[intid].pending = false;
	else
		v->pending[intid] = 0;
	return was;
}

static bool has_enabled(struct its_oracle *o, uint32_t vpe)
{
	const struct ito_vpe *v = &o->vpe[vpe];

	for (unsigned i = 0; i < 16; i++) {
		if (v->sgi[i].pending && v->sgi[i].enabled)
			return true;
	}
	for (uint32_t i = ITO_LPI; i < virtual_limit(o, vpe); i++) {
		if (v->pending[i] && virtual_config(o, vpe, i) & 1)
			return true;
	}
	return false;
}

static void write_vpendbaser(struct its_oracle *o, uint32_t cpu, uint64_t value)
{
	uint64_t *reg = &o->cpu[cpu].vpendbaser;

	value &= o->v41 ? BIT64(63) | UINT64_C(0x1f) << 58 | 0xffff : ~BIT64(60);
	if (!(*reg & VALID)) {
		*reg = value;
		for (uint32_t v = 0; v < o->vpes; v++) {
			if (ito_resident(o, v) == (int)cpu)
				o->vpe[v].armed = false;
		}
		return;
	}
	if (value & VALID)
		return;
	*reg &= ~PENDING_LAST;
	for (uint32_t v = 0; v < o->vpes; v++) {
		if (ito_resident(o, v) != (int)cpu)
			continue;
		/* PendingLast says what the doorbell would. */
		*reg |= has_enabled(o, v) ? PENDING_LAST : 0;
		ito_write_vpt(o, v);
		o->vpe[v].armed = o->v41 && value & BIT64(62) && !(*reg & PENDING_LAST);
	}
	*reg &= ~VALID;
}

/* ---- registers ---- */

uint64_t ito_rd_read(const struct its_oracle *o, uint32_t cpu, uint64_t offset)
{
	const struct ito_cpu *c = &o->cpu[cpu];

	switch (offset) {
	case 0x0: /* EnableLPIs, CES, IR */
		return (uint64_t)c->enabled | (o->no_writes ? 0 : 2) | 4;
	case 0x70:
		return c->propbaser;
	case 0x78:
		return c->pendbaser;
	case 0x20070:
		return c->vpropbaser;
	case 0x20078:
		return c->vpendbaser;
	default:
		return 0;
	}
}

void ito_rd_write(struct its_oracle *o, uint32_t cpu, uint64_t offset, uint64_t value)
{
	uint32_t vpe = (uint32_t)FIELD(value, 47, 32);
	struct ito_cpu *c = &o->cpu[cpu];

	switch (offset) {
	case 0x0:
		set_enable_lpis(o, cpu, value & 1);
		break;
	case 0x40: /* SETLPIR, CLRLPIR */
		if (o->direct)
			ito_pend(o, cpu, (uint32_t)value);
		break;
	case 0x48:
		if (o->direct && (uint32_t)value >= ITO_LPI &&
		    (uint32_t)value >> o->intid_bits == 0)
			ito_clear(o, cpu, (uint32_t)value);
		break;
	case 0x70:
		if (!c->enabled)
			c->propbaser = value & PROPBASER_MASK;
		break;
	case 0x78:
		if (c->enabled)
			break;
		c->pendbaser = value & PENDBASER_MASK;
		c->ptz = value >> 62 & 1;
		break;
	case 0xa0: /* INVLPIR, INVALLR: V=1 is of 4.1 */
		if (o->v41 && value & VALID) {
			if (vpe < o->vpes && ito_vpe_mapped(o, vpe))
				ito_invalidate_vlpi(o, vpe, (uint32_t)value, ITO_NO_DOORBELL);
		} else if ((uint32_t)value >= ITO_LPI && (uint32_t)value >> o->intid_bits == 0) {
			ito_invalidate_lpi(o, cpu, (uint32_t)value);
		}
		break;
	case 0xb0:
		if (!o->v41 || !(value & VALID))
			ito_invalidate_all(o, cpu);
		else if (vpe < o->vpes && ito_vpe_mapped(o, vpe))
			ito_invalidate_vpe(o, vpe);
		break;
	case 0x20070:
		if (o->v4)
			c->vpropbaser = value;
		break;
	case 0x20078:
		if (o->v4)
			write_vpendbaser(o, cpu, value);
		break;
	default:
		break;
	}
}
