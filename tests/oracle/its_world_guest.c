/* SPDX-License-Identifier: BSD-3-Clause */
/* its_world_guest.c - what the guest does: commands, tables, redistributors; well, badly, at random. */
#include "its_world.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

#define BIT64(n) (UINT64_C(1) << (n))
#define VALID	 BIT64(63)

/* Of the DeviceIDs in use, the one that has EventIDs which are LPIs. */
enum { MANY = 3 };

/* ---- ids ---- */

static uint32_t device_of(struct its_world *w, unsigned unit)
{
	if (itw_chance(w, 40))
		return (uint32_t)itw_random(w);
	return w->unit[unit].device[itw_pick(w, itw_chance(w, 10) ? ITW_POOL : 5)];
}

static uint32_t event_of(struct its_world *w, unsigned unit)
{
	if (itw_chance(w, 40))
		return (uint32_t)itw_random(w);
	return w->unit[unit].event[itw_pick(w, itw_chance(w, 3) ? ITW_POOL : 8)];
}

/* Often an event that there is. */
static void pair_of(struct its_world *w, unsigned unit, uint32_t *device, uint32_t *event)
{
	const struct ito_unit *u = &w->o->unit[unit];
	uint32_t first = itw_pick(w, 64);

	*device = device_of(w, unit);
	*event = event_of(w, unit);
	for (unsigned i = 0; i < 64 && !itw_chance(w, 40); i++) {
		const struct ito_event *e = &u->event[(first + i) % 64];

		if (!e->used)
			continue;
		*device = e->device;
		*event = e->event;
		return;
	}
}

static uint32_t icid_of(struct its_world *w, unsigned unit)
{
	return w->unit[unit].icid[itw_pick(w, itw_chance(w, 12) ? ITW_POOL : 5)];
}

static uint32_t intid_of(struct its_world *w)
{
	if (itw_chance(w, 40))
		return (uint32_t)itw_random(w);
	return w->intid[itw_chance(w, 5) ? itw_pick(w, ITW_INTS) : 3 + itw_pick(w, 14)];
}

static uint32_t vpe_of(struct its_world *w)
{
	return itw_chance(w, 16) ? itw_pick(w, 1 << 16) : itw_pick(w, w->o->vpes ? w->o->vpes : 2);
}

/* Of vLPIs in tests: all below 2^14, so that VPTs may have any size. */
static uint32_t vintid_of(struct its_world *w)
{
	return itw_chance(w, 10) ? intid_of(w) : w->intid[3 + itw_pick(w, 15)];
}

static uint32_t doorbell_of(struct its_world *w)
{
	return itw_chance(w, 3) ? ITO_NO_DOORBELL : intid_of(w);
}

static uint64_t rdbase_of(struct its_world *w, unsigned unit)
{
	uint64_t n = itw_chance(w, 16) ? itw_pick(w, 6) : itw_pick(w, w->o->cpus);

	if (!(w->o->unit[unit].typer & BIT64(19)))
		return n << 16;
	return w->o->rd_base + n * w->o->rd_stride + (itw_chance(w, 40) ? 0x10000 : 0);
}

/* ---- commands ---- */

static uint64_t itt_of(struct its_world *w, unsigned unit, uint32_t device)
{
	unsigned slot = 16;

	if (itw_chance(w, 40))
		return itw_random(w) & UINT64_C(0xfffffffffff00);
	for (unsigned i = 0; i < ITW_POOL; i++)
		slot = w->unit[unit].device[i] == device ? i : slot;
	return ITW_ITT(unit, slot);
}

static uint32_t size_of(struct its_world *w, unsigned unit, uint32_t device)
{
	uint32_t bits = ito_event_bits(&w->o->unit[unit]);

	if (device == w->unit[unit].device[MANY] && !itw_chance(w, 8))
		return 13;
	switch (itw_pick(w, 24)) {
	case 0:
		return bits - 1 + itw_pick(w, 2);
	case 1:
		return itw_pick(w, 32);
	case 2:
	case 3:
		return 3 + itw_pick(w, 11);
	default:
		return 2 + itw_pick(w, 6);
	}
}

/* Some redistributor has been told to run it. Mapping and moving such a vPE is unpredictable. */
static bool is_running(const struct its_world *w, uint32_t vpe)
{
	for (uint32_t i = 0; i < w->o->cpus && vpe < w->o->vpes; i++) {
		uint64_t reg = w->o->cpu[i].vpendbaser;

		if (reg & VALID && (w->o->v41 ? (reg & 0xffff) == vpe
					      : (reg & UINT64_C(0xfffffffff0000)) == ITW_VPT(vpe)))
			return true;
	}
	return false;
}

static void stop_all(struct its_world *w)
{
	for (uint32_t i = 0; i < w->o->cpus; i++) {
		uint64_t reg = w->o->cpu[i].vpendbaser;

		if (reg & VALID)
			itw_rd_write(w, i, 0x20078, reg & ~VALID);
	}
}

static void command(struct its_world *w, unsigned unit, uint64_t *c)
{
	static const uint8_t physical[] = { 0x08, 0x09, 0x0a, 0x0a, 0x0a, 0x0a, 0x0b, 0x01,
					    0x01, 0x03, 0x03, 0x04, 0x0c, 0x0d, 0x0e, 0x0f,
					    0x05, 0x09, 0x08, 0x0a, 0x03, 0x0c };
	static const uint8_t is_virtual[] = { 0x29, 0x2a, 0x2a, 0x2a, 0x2b, 0x21, 0x21,
					      0x22, 0x23, 0x25, 0x2d, 0x2e, 0x29 };
	bool v = w->o->v4 ? itw_chance(w, 2) : itw_chance(w, 100);
	uint32_t op = v ? is_virtual[itw_pick(w, sizeof(is_virtual))]
			: physical[itw_pick(w, sizeof(physical))];
	uint32_t device, event;
	bool valid = !itw_chance(w, 8);

	if (itw_chance(w, 200))
		op = itw_pick(w, 256);
	pair_of(w, unit, &device, &event);
	if ((op & 0xf) == 0xa || (op & 0xf) == 0xb || op == 8) {
		device = device_of(w, unit);
		event = event_of(w, unit);
	}
	if (op == 0x08 && ito_find_device(&w->o->unit[unit], device) && !itw_chance(w, 6))
		op = 0x0a; /* its events would be gone */
	if ((op & 0x1f) == 0x0b && !itw_chance(w, 4)) {
		device = w->unit[unit].device[MANY];
		event = 8192 + itw_pick(w, 16);
	}
	c[0] = op | (uint64_t)device << 32;
	c[1] = event;
	c[2] = icid_of(w, unit);
	c[3] = 0;
	switch (op) {
	case 0x08:
		c[1] = size_of(w, unit, device);
		c[2] = itt_of(w, unit, device) | (valid ? VALID : 0);
		break;
	case 0x09:
		c[2] |= rdbase_of(w, unit) | (valid ? VALID : 0);
		break;
	case 0x05:
		c[2] = rdbase_of(w, unit);
		break;
	case 0x0e:
		c[2] = rdbase_of(w, unit);
		c[3] = rdbase_of(w, unit);
		break;
	case 0x0a:
		c[1] |= (uint64_t)intid_of(w) << 32;
		break;
	case 0x21:
		c[1] |= (uint64_t)vpe_of(w) << 32;
		c[2] = (uint64_t)doorbell_of(w) << 32 | itw_pick(w, 2);
		break;
	case 0x22:
		c[0] = op;
		c[1] = (uint64_t)vpe_of(w) << 32;
		c[2] = rdbase_of(w, unit) | (itw_chance(w, 2) ? VALID : 0);
		c[3] = doorbell_of(w);
		break;
	case 0x23:
		c[0] = op | itw_random(w) % 4 << 8 | (uint64_t)itw_pick(w, 16) << 20 |
		       (uint64_t)itw_pick(w, 16) << 32;
		c[1] = (uint64_t)vpe_of(w) << 32;
		break;
	case 0x25:
	case 0x2d:
	case 0x2e:
		c[0] = op;
		c[1] = (uint64_t)vpe_of(w) << 32;
		break;
	case 0x2a:
	case 0x2b:
		c[1] |= (uint64_t)vpe_of(w) << 32;
		c[2] = (uint64_t)doorbell_of(w) << 32 | vintid_of(w);
		break;
	case 0x29: {
		uint32_t vpe = vpe_of(w);

		/* The first ITS that maps a vPE says Alloc. */
		c[0] = op | ITW_VCONF | 0x100 | itw_random(w) % 2 << 9;
		c[1] = (uint64_t)vpe << 32 | doorbell_of(w);
		c[2] = rdbase_of(w, unit) | (valid ? VALID : 0);
		c[3] = ITW_VPT(vpe % ITO_VPES) | (13 + vpe % (w->o->intid_bits - 13));
		if (itw_chance(w, 20))
			c[3] |= 0x1f;
		break;
	}
	default:
		break;
	}
	if ((op == 0x29 || op == 0x22) && is_running(w, (uint32_t)(c[1] >> 32) & 0xffff))
		c[0] = 0x25;
}

/* Puts commands into the queue, and tells of them, all at once or not at all. */
void itw_commands(struct its_world *w, unsigned unit)
{
	const struct ito_unit *u = &w->o->unit[unit];
	uint64_t at = u->cbaser & UINT64_C(0xffffffffff000);
	uint32_t size = (uint32_t)((u->cbaser & 0xff) + 1) * 0x1000, tail = u->cwriter;
	uint32_t count = itw_chance(w, 30) ? 1 + itw_pick(w, size / 32 - 1) : 1 + itw_pick(w, 4);

	for (uint32_t i = 0; i < count && (tail + 32) % size != u->creadr; i++) {
		uint64_t c[4];

		command(w, unit, c);
		itw_total.commands++;
		itw_total.ops[c[0] & 0x3f]++;
		itw_trace(w, "ITS %u: command %#jx %#jx %#jx %#jx", unit, (uintmax_t)c[0],
			  (uintmax_t)c[1], (uintmax_t)c[2], (uintmax_t)c[3]);
		for (unsigned k = 0; k < 4; k++)
			itw_put64(w, at + tail + 8 * k, c[k]);
		tail = (tail + 32) % size;
	}
	if (itw_post(w, unit, 0x88, tail) == VIOMMU_PENDING && itw_chance(w, 4))
		itw_save(w);
	itw_settle(w);
}

/* ---- the ITS's tables and queue ---- */

static uint64_t random_baser(struct its_world *w, unsigned unit, unsigned n)
{
	uint32_t page = itw_chance(w, 3) ? itw_pick(w, 4) : 0;
	uint32_t most = page == 0 ? 16 : page == 1 ? 4 : 1;
	uint64_t value = VALID | ITW_TABLE(unit, n) | page << 8 | itw_pick(w, most);

	if (itw_chance(w, n == 1 ? 8 : 2))
		value |= BIT64(62);
	if (itw_chance(w, 3)) /* attributes, and what cannot be written */
		value |= itw_random(w) & (UINT64_C(0x3f) << 56 | UINT64_C(0xff) << 48 | 0xc00);
	if (itw_chance(w, 40)) /* to nowhere */
		value = (value & ~UINT64_C(0xfffffff00000)) |
			(itw_random(w) & UINT64_C(0xfff000000000));
	return value;
}

static void fill_level1(struct its_world *w, unsigned unit, unsigned n)
{
	for (unsigned k = 0; k < 4; k++)
		itw_put64(w, ITW_TABLE(unit, n) + 8 * k,
			  ITW_L2(unit, k) | (itw_chance(w, 12) ? 0 : VALID));
}

static void program_queue(struct its_world *w, unsigned unit)
{
	uint64_t at = ITW_QUEUE(unit), pages = itw_pick(w, 4);

	if (itw_chance(w, 10)) { /* its end is not there */
		at = ITW_LAST_PAGE;
		pages = 1;
	}
	itw_write(w, unit, 0x80,
		  VALID | at | pages | (itw_random(w) & (UINT64_C(7) << 59 | 0xc00)));
}

static void program_tables(struct its_world *w, unsigned unit)
{
	for (unsigned n = 0; n < 3; n++) {
		bool indirect;

		itw_write(w, unit, 0x100 + 8 * n, random_baser(w, unit, n));
		indirect = w->o->unit[unit].baser[n] & BIT64(62);
		if (indirect)
			fill_level1(w, unit, n);
	}
}

static void reprogram(struct its_world *w, unsigned unit)
{
	unsigned n = itw_pick(w, 4);

	stop_all(w);
	if (itw_chance(w, 2))
		itw_write(w, unit, 0x0, 0);
	if (itw_chance(w, 3))
		program_queue(w, unit);
	if (n < 3 && itw_chance(w, 3)) {
		itw_write(w, unit, 0x100 + 8 * n, w->o->unit[unit].baser[n] & ~VALID);
		if (itw_chance(w, 2))
			itw_compare(w);
	}
	if (n < 3)
		itw_write(w, unit, 0x100 + 8 * n, random_baser(w, unit, n));
	itw_write(w, unit, 0x0, itw_pick(w, 4));
	if (!w->o->unit[unit].enabled) {
		program_queue(w, unit);
		program_tables(w, unit);
		itw_write(w, unit, 0x0, 1);
	}
}

/* ---- redistributors ---- */

static bool same_config(const struct its_oracle *o)
{
	const struct ito_cpu *first = NULL;

	for (uint32_t i = 0; i < o->cpus; i++) {
		const struct ito_cpu *c = &o->cpu[i];

		if (!c->enabled)
			continue;
		if (first && (first->propbaser ^ c->propbaser) & UINT64_C(0xffffffffff01f))
			return false;
		first = c;
	}
	return true;
}

static void enable_lpis(struct its_world *w, uint32_t cpu)
{
	uint64_t prop = ITW_PROP(itw_chance(w, 30)) | w->config_bits;

	if (itw_chance(w, 30))
		prop = (prop & ~UINT64_C(0x1f)) | itw_pick(w, 32);
	if (itw_chance(w, 3))
		prop |= itw_random(w) & (UINT64_C(0xff) << 56 | 0xfe0);
	itw_rd_write(w, cpu, 0x70, prop);
	itw_rd_write(w, cpu, 0x78,
		     ITW_PEND(cpu) | (itw_chance(w, 2) ? BIT64(62) : 0) |
			     (itw_random(w) & UINT64_C(0x780)));
	itw_total.enables++;
	itw_rd_write(w, cpu, 0x0, 1);
	/* Enabling forgets all bytes; what was told while tables differed is not defined. */
	for (uint32_t i = 0; i < w->o->cpus && w->mixed; i++)
		memcpy(w->o->cpu[i].told, w->told[i], sizeof(w->told[i]));
	w->mixed = !same_config(w->o);
}

static void redistributor(struct its_world *w)
{
	uint32_t cpu = itw_pick(w, w->o->cpus);
	/* 4.1: of a vPE, if V=1 */
	uint64_t v = w->o->v41 && itw_chance(w, 2) ? VALID | (uint64_t)vpe_of(w) << 32 : 0;

	switch (itw_pick(w, 6)) {
	case 0:
		itw_rd_write(w, cpu, 0x0, 0);
		itw_compare(w);
		if (!w->o->cpu[cpu].enabled && itw_chance(w, 2))
			itw_put8(w, ITW_PEND(cpu) + 1023 + itw_pick(w, 3), (uint8_t)itw_random(w));
		if (itw_chance(w, 4))
			return;
		enable_lpis(w, cpu);
		break;
	case 1:
		itw_rd_write(w, cpu, itw_chance(w, 2) ? 0x70 : 0x78, ITW_PROP(0) | w->config_bits);
		if (!w->o->cpu[cpu].enabled)
			enable_lpis(w, cpu);
		break;
	case 2:
		itw_rd_write(w, cpu, 0xb0, v);
		break;
	default:
		itw_rd_write(w, cpu, 0xa0, v | (v ? vintid_of(w) : intid_of(w)));
		break;
	}
}

/* Of running vPEs the table stays as it is: who would say when it is read? */
static void configure(struct its_world *w)
{
	bool is_virtual = w->o->v4;

	for (uint32_t i = 0; i < w->o->cpus; i++)
		is_virtual &= !(w->o->cpu[i].vpendbaser >> 63);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t intid = w->intid[3 + itw_pick(w, ITW_INTS - 4)];
		uint8_t byte = (uint8_t)itw_random(w);
		uint64_t at =
			(is_virtual && itw_chance(w, 2) ? ITW_VCONF : ITW_PROP(itw_chance(w, 8))) +
			intid - ITO_LPI;

		itw_trace(w, "configuration of %u at %#jx: %#x", intid, (uintmax_t)at, byte);
		itw_put8(w, at, byte);
	}
}

static void acknowledge(struct its_world *w)
{
	uint32_t cpu = itw_pick(w, w->o->cpus), intid = w->intid[3 + itw_pick(w, ITW_INTS - 4)];
	bool lpi = intid >= ITO_LPI && intid >> w->o->intid_bits == 0;
	bool was = lpi && ito_acknowledge(w->o, cpu, intid);
	int result = viommu_lpis_acknowledge(w->lpis, cpu, intid);

	itw_trace(w, "redistributor %u: acknowledge %u", cpu, intid);
	if (result != (!lpi ? VIOMMU_EINVAL : was ? VIOMMU_OK : VIOMMU_ENOENT))
		itw_fail(w, "viommu_lpis_acknowledge: %s, was pending %d", viommu_strerror(result),
			 was);
	if (was)
		w->told[cpu][intid] = 0;
}

/* ---- vPEs ---- */

static void acknowledge_virtual(struct its_world *w, uint32_t vpe)
{
	uint32_t intid =
		w->o->v41 && itw_chance(w, 3) ? itw_pick(w, 16) : w->intid[3 + itw_pick(w, 15)];
	bool was = ito_vpe_mapped(w->o, vpe) && ito_acknowledge_virtual(w->o, vpe, intid);
	int result = viommu_lpis_acknowledge_virtual(w->lpis, vpe, intid);

	itw_trace(w, "vPE %u: acknowledge %u", vpe, intid);
	if (was)
		w->told_virtual[vpe][intid] = 0;
	if (result != (was ? VIOMMU_OK : VIOMMU_ENOENT))
		itw_fail(w, "viommu_lpis_acknowledge_virtual: %s, was pending %d",
			 viommu_strerror(result), was);
}

/* In or out, as a hypervisor does: at the redistributor that the vPE is mapped to. */
static void schedule(struct its_world *w, uint32_t vpe)
{
	const struct ito_vpe *v = &w->o->vpe[vpe];
	int at = ito_resident(w->o, vpe);
	uint64_t who = w->o->v41 ? vpe : v->vpt;

	itw_total.schedules++;
	if (at >= 0) {
		itw_rd_write(w, (uint32_t)at, 0x20078,
			     who | (w->o->v41 && itw_chance(w, 2) ? BIT64(62) : 0));
		return;
	}
	for (unsigned i = 0; i < w->o->units; i++) {
		if (w->o->unit[i].creadr != w->o->unit[i].cwriter)
			return; /* who knows what will become of it */
	}
	if (!ito_vpe_mapped(w->o, vpe) || w->o->cpu[v->cpu].vpendbaser & VALID)
		return;
	if (!w->o->v41)
		itw_rd_write(w, v->cpu, 0x20070, ITW_VCONF | 15);
	memset(w->told_virtual[vpe], 0, sizeof(w->told_virtual[vpe]));
	itw_rd_write(w, v->cpu, 0x20078, who | VALID | (w->o->v41 ? UINT64_C(3) << 58 : 0));
}

/* A vPE comes and goes, and its devices do not wait. */
static void come_and_go(struct its_world *w, uint32_t vpe)
{
	for (unsigned i = 0; i < 8; i++) {
		unsigned unit = itw_pick(w, w->o->units), first = itw_pick(w, 64);

		if (itw_chance(w, 2)) {
			schedule(w, vpe);
			itw_compare(w);
			continue;
		}
		for (unsigned k = 0; k < 64; k++) {
			const struct ito_event *e = &w->o->unit[unit].event[(first + k) % 64];

			if (e->used && e->is_virtual && e->vpe == vpe) {
				itw_message(w, unit, e->device, e->event, true);
				break;
			}
		}
	}
}

static void virtual_life(struct its_world *w)
{
	uint32_t vpe = itw_pick(w, w->o->vpes), unit = itw_pick(w, w->o->units);

	for (unsigned i = 0; i < 4 && !ito_vpe_mapped(w->o, vpe); i++)
		vpe = itw_pick(w, w->o->vpes);
	switch (itw_pick(w, 5)) {
	case 0:
		acknowledge_virtual(w, vpe);
		break;
	case 2:
		come_and_go(w, vpe);
		break;
	case 1:
		if (w->o->unit[unit].typer & BIT64(39))
			itw_write(w, unit, 0x20020, (uint64_t)vpe << 32 | itw_pick(w, 16));
		break;
	default:
		schedule(w, vpe);
		break;
	}
}

/* ---- at random ---- */

void itw_boot(struct its_world *w)
{
	for (unsigned i = 0; i < w->o->units; i++)
		reprogram(w, i);
	for (uint32_t cpu = 0; cpu < w->o->cpus; cpu++) {
		if (!itw_chance(w, 8))
			enable_lpis(w, cpu);
	}
	for (unsigned i = 0; i < 16; i++)
		configure(w);
}

static void reset(struct its_world *w)
{
	itw_total.resets++;
	itw_trace(w, "reset");
	stop_all(w);
	for (unsigned i = 0; i < w->o->units; i++) {
		assert_true(viommu_reset(w->unit[i].its) >= 0);
		itw_settle(w);
		ito_reset_unit(w->o, i);
	}
	itw_compare_all(w);
	if (itw_chance(w, 2)) {
		assert_true(viommu_reset(w->lpis) >= 0);
		itw_settle(w);
		ito_reset_lpis(w->o);
		memset(w->told, 0, sizeof(w->told));
		w->mixed = false;
	}
	itw_compare_all(w);
	itw_boot(w);
}

/* For a while, nothing can be read. */
static void blackout(struct its_world *w, unsigned unit)
{
	if (w->g.memory == GUEST_REGION)
		return;
	itw_trace(w, "memory cannot be read");
	w->g.fail_kinds = 1U << GUEST_ON_READ;
	w->g.fail_in = 1;
	w->g.fail_on = w->o->memory.broken = true;
	itw_commands(w, unit);
	itw_compare(w);
	w->g.fail_in = w->g.fail_kinds = 0;
	w->g.fail_on = w->o->memory.broken = false;
	itw_trace(w, "it can");
	itw_total.retries++;
	itw_write(w, unit, 0x88, w->o->unit[unit].cwriter | 1);
}

static void unstall(struct its_world *w, unsigned unit)
{
	if (!w->o->unit[unit].stalled || itw_chance(w, 3))
		return;
	itw_total.retries++;
	itw_write(w, unit, 0x88, w->o->unit[unit].cwriter | 1);
	if (w->o->unit[unit].stalled)
		reprogram(w, unit);
}

static void rare(struct its_world *w, unsigned unit)
{
	uint32_t device, event;

	switch (itw_pick(w, 16)) {
	case 0:
		reset(w);
		break;
	case 1:
	case 2:
	case 3:
		itw_save(w);
		itw_compare_all(w);
		break;
	case 4:
	case 5:
	case 10:
		itw_save_tables(w);
		break;
	case 6:
		blackout(w, unit);
		break;
	case 7: /* beyond the queue */
		itw_write(w, unit, 0x88, 0x5000 + itw_pick(w, 32) * 32);
		break;
	case 8:
		fill_level1(w, unit, itw_pick(w, 3));
		break;
	case 9:
		itw_compare_memory(w);
		break;
	case 11:
		pair_of(w, unit, &device, &event);
		itw_set_route(w, unit, itw_pick(w, ITW_ROUTES), device, event);
		itw_write(w, unit, 0x40, itw_random(w) & 0x7f);
		break;
	default:
		reprogram(w, unit);
		break;
	}
}

static void message(struct its_world *w, unsigned unit)
{
	uint32_t device, event;

	pair_of(w, unit, &device, &event);
	itw_message(w, unit, device, event, true);
}

static void step(struct its_world *w)
{
	unsigned unit = itw_pick(w, w->o->units), dice = itw_pick(w, 100);

	if (dice < 50)
		itw_commands(w, unit);
	else if (dice < 74)
		message(w, unit);
	else if (dice < 78)
		acknowledge(w);
	else if (dice < 82)
		configure(w);
	else if (dice < 85)
		redistributor(w);
	else if (dice < 97)
		w->o->v4		      ? virtual_life(w)
		: w->plain &&itw_chance(w, 3) ? itw_save_tables(w)
					      : itw_commands(w, unit);
	else if (dice < 98)
		rare(w, unit);
	else
		unstall(w, unit);
	itw_compare(w);
}

static void rare_direct(struct its_world *w)
{
	if (itw_chance(w, 3)) {
		reset(w);
	} else {
		itw_save(w);
		itw_compare_all(w);
	}
}

/* Without an ITS. */
static void direct_step(struct its_world *w)
{
	uint32_t cpu = itw_pick(w, w->o->cpus);

	switch (itw_pick(w, 16)) {
	case 0:
		redistributor(w);
		break;
	case 1:
		configure(w);
		break;
	case 2:
	case 3:
		acknowledge(w);
		break;
	case 4:
		if (itw_chance(w, 4))
			rare_direct(w);
		break;
	default:
		itw_total.direct++;
		itw_rd_write(w, cpu, itw_chance(w, 3) ? 0x48 : 0x40, intid_of(w));
		break;
	}
	itw_compare(w);
}

void itw_step(struct its_world *w)
{
	if (!w->o->units) {
		direct_step(w);
		return;
	}
	step(w);
}
