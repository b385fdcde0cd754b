/* SPDX-License-Identifier: BSD-3-Clause */
/* its_world.c - configurations, life, calls to both, and the story that is told of a failure. */
#include "its_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define BIT64(n) (UINT64_C(1) << (n))

struct itw_totals itw_total;

uint64_t itw_random(struct its_world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random * UINT64_C(0x2545f4914f6cdd1d) >> 8;
}

uint32_t itw_pick(struct its_world *w, uint32_t n)
{
	return (uint32_t)(itw_random(w) % n);
}

bool itw_chance(struct its_world *w, uint32_t one_in)
{
	return itw_pick(w, one_in) == 0;
}

/* ---- the story ---- */

void itw_trace(struct its_world *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->trace[w->traced++ % ITW_TRACE], sizeof(w->trace[0]), format, args);
	va_end(args);
}

void itw_fail(struct its_world *w, const char *format, ...)
{
	uint64_t first = w->traced > ITW_TRACE ? w->traced - ITW_TRACE : 0;
	char text[400];
	va_list args;

	for (uint64_t i = first; i < w->traced; i++)
		print_error("  %s\n", w->trace[i % ITW_TRACE]);
	print_error("seed %#jx\n", (uintmax_t)w->seed);
	print_error("cpus %u, INTIDs of %u bits, flags %#x, vPEs %u, steps %u, budget %u\n",
		    w->lpis_config.cpus, w->lpis_config.intid_bits, w->lpis_config.flags,
		    w->lpis_config.vpes, w->limits.steps, w->limits.queue_budget);
	for (unsigned i = 0; i < w->o->units; i++)
		print_error("ITS %u: TYPER %#jx, caps %u devices, %u events\n", i,
			    (uintmax_t)w->its_config[i].typer, w->its_config[i].devices,
			    w->its_config[i].events);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_error("%s\n", text);
	fail();
}

/* ---- callbacks ---- */

static void note_error(void *opaque, uint32_t code, const uint64_t *command)
{
	struct its_world *w = ((struct itw_unit *)opaque)->w;

	assert_true(w->errors < ITO_ERRORS);
	w->error[w->errors].code = code;
	memcpy(w->error[w->errors++].command, command, 32);
}

static void note_lpi(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority,
		     uint32_t pending)
{
	struct its_world *w = opaque;

	assert_true(cpu < w->o->cpus && intid < ITO_INTIDS);
	w->told[cpu][intid] = pending ? (uint16_t)(1 | priority << 8) : 0;
	itw_total.told++;
	itw_trace(w, "  told redistributor %u: LPI %u, priority %#x, pending %u", cpu, intid,
		  priority, pending);
}

static void note_vlpi(void *opaque, uint32_t cpu, uint32_t vpe, uint32_t intid, uint32_t priority,
		      uint32_t pending)
{
	struct its_world *w = opaque;

	assert_true(cpu < w->o->cpus && vpe < w->o->vpes && intid < ITO_INTIDS);
	w->told_virtual[vpe][intid] = pending ? (uint16_t)(1 | priority << 8) : 0;
	itw_total.told++;
	itw_trace(w, "  told redistributor %u: vLPI %u of vPE %u, priority %#x, pending %u", cpu,
		  intid, vpe, priority, pending);
}

static void note_message(void *opaque, const char *text)
{
	(void)opaque;
	print_message("%s\n", text);
}

/* ---- configurations ---- */

/* plain: what tables in guest memory can hold. */
static uint64_t choose_typer(struct its_world *w, unsigned v, bool plain)
{
	uint32_t id_bits = itw_chance(w, 3) ? 5 + itw_pick(w, 12) : 16;
	uint32_t dev_bits = itw_chance(w, 3) ? 1 + itw_pick(w, 20) : 16;
	uint64_t typer = 1 | 7 << 4;

	if (v && id_bits < 14)
		id_bits = 14 + itw_pick(w, 3);
	if (plain && dev_bits > 16)
		dev_bits = 16;
	typer |= (uint64_t)(id_bits - 1) << 8 | (uint64_t)(dev_bits - 1) << 13;
	if (itw_chance(w, 3))
		typer |= BIT64(36) | (uint64_t)(1 + itw_pick(w, 15)) << 32;
	if (!plain && itw_chance(w, 3))
		typer |= (uint64_t)(1 + itw_pick(w, 6)) << 24;
	if (!plain && itw_chance(w, 3))
		typer |= BIT64(19);
	if (v)
		typer |= 2 | (itw_chance(w, 2) ? BIT64(37) : 0);
	if (v == 2)
		typer |= BIT64(40) | (itw_chance(w, 4) ? 0 : BIT64(39));
	if (itw_chance(w, 3))
		typer |= BIT64(44);
	return typer;
}

static void choose_ids(struct its_world *w, unsigned unit)
{
	struct itw_unit *u = &w->unit[unit];
	uint64_t typer = w->its_config[unit].typer;
	uint32_t dev = UINT32_C(2) << (typer >> 13 & 0x1f), ev = UINT32_C(2) << (typer >> 8 & 0x1f);
	const uint32_t devices[ITW_POOL] = { 0,	  1,	2,    3,    4,	  7,	   511,	    512,
					     513, 1024, 2047, 2048, 8191, dev - 1, dev % 7, dev };
	const uint32_t icids[ITW_POOL] = { 0, 1, 2,   3,   4,	5,    6,    7,
					   8, 9, 255, 511, 512, 2048, 8191, 65535 };

	for (unsigned i = 0; i < ITW_POOL; i++) {
		u->device[i] = devices[i];
		u->event[i] = i < 10 ? i : i < 13 ? 8192 + i : i == 13 ? ev - 1 : i == 14 ? ev : 31;
		u->icid[i] = icids[i];
	}
}

static void choose_config(struct its_world *w)
{
	static const uint32_t steps[] = { 0, 0, 64, 300 }, budgets[] = { 0, 0, 1, 3 };
	static const uint32_t events[] = { 1024, 3072, 1 << 13, 3 << 13, 1 << 18, 1 << 20 };
	bool plain = itw_chance(w, 3);
	unsigned v = plain || !w->o->units || itw_chance(w, 3) ? 0 : 1 + itw_pick(w, 2);
	struct viommu_lpis_config *l = &w->lpis_config;

	w->limits = (struct viommu_limits){ .size = sizeof(w->limits),
					    .steps = steps[itw_pick(w, 4)],
					    .queue_budget = budgets[itw_pick(w, 4)] };
	w->host = (struct viommu_host){ .size = sizeof(w->host), .message = note_message };
	*l = (struct viommu_lpis_config){ .size = sizeof(*l),
					  .cpus = 1 + itw_pick(w, ITO_CPUS),
					  .intid_bits = 14 + itw_pick(w, 3),
					  .rd_base = 0x8100000,
					  .opaque = w,
					  .lpi = note_lpi,
					  .vlpi = note_vlpi,
					  .host = &w->host,
					  .limits = &w->limits };
	l->flags = !plain && itw_chance(w, 3) ? VIOMMU_LPIS_NO_GUEST_WRITES : 0;
	if (!w->o->units)
		l->flags |= VIOMMU_LPIS_DIRECT;
	if (v) {
		l->flags |= VIOMMU_LPIS_V4 | (v == 2 ? VIOMMU_LPIS_V41 : 0);
		l->vpes = 1 + itw_pick(w, ITO_VPES);
	}
	w->plain = plain;
	for (unsigned i = 0; i < w->o->units; i++) {
		struct viommu_its_config *c = &w->its_config[i];

		*c = (struct viommu_its_config){ .size = sizeof(*c),
						 .typer = choose_typer(w, v, plain),
						 .number = v ? itw_pick(w, 16) : 0,
						 .base = 0x8080000 + i * 0x30000,
						 .devices = itw_chance(w, 3) ? 4 : 24,
						 .events = events[itw_pick(w, 6)],
						 .opaque = &w->unit[i],
						 .error = note_error,
						 .host = &w->host,
						 .limits = &w->limits };
	}
}

static void describe(struct its_world *w)
{
	static const int config_bits[] = { 15, 15, 13, 14, 31, 12 };
	struct its_oracle *o = w->o;
	const struct viommu_lpis_config *l = &w->lpis_config;
	const uint32_t ints[ITW_INTS] = { 0,	 1023,	8191,  8192,  8193,  8194,  8195,
					  8196,	 8197,	8198,  8199,  8200,  8201,  8202,
					  8203,	 8204,	8205,  8206,  9000,  9001,  12345,
					  16383, 16384, 16385, 32767, 32768, 65535, 65536 };

	memcpy(w->intid, ints, sizeof(ints));
	w->config_bits = (uint32_t)config_bits[itw_pick(w, 6)];
	o->cpus = l->cpus;
	o->intid_bits = l->intid_bits;
	o->vpes = l->vpes;
	o->v4 = l->flags & VIOMMU_LPIS_V4;
	o->v41 = l->flags & VIOMMU_LPIS_V41;
	o->no_writes = l->flags & VIOMMU_LPIS_NO_GUEST_WRITES;
	o->direct = l->flags & VIOMMU_LPIS_DIRECT;
	o->rd_base = l->rd_base;
	o->rd_stride = o->v4 ? 0x40000 : 0x20000;
	ito_reset_lpis(o);
	for (unsigned i = 0; i < o->units; i++) {
		struct ito_unit *u = &o->unit[i];

		u->typer = w->its_config[i].typer;
		u->base = w->its_config[i].base;
		u->number = w->its_config[i].number;
		u->device_cap = w->its_config[i].devices;
		u->event_cap = w->its_config[i].events;
		ito_reset_unit(o, i);
		choose_ids(w, i);
	}
}

/* ---- life ---- */

void itw_set_route(struct its_world *w, unsigned unit, uint32_t gsi, uint32_t device,
		   uint32_t event)
{
	struct itw_unit *u = &w->unit[unit];
	struct viommu_route route = { .size = sizeof(route),
				      .gsi = gsi,
				      .source = device,
				      .address = w->o->unit[unit].base + 0x10040,
				      .data = event };
	int result;

	u->route[gsi].device = device;
	u->route[gsi].event = event;
	result = viommu_routes_set(u->routes, &route);
	if (result != VIOMMU_OK && result != VIOMMU_FAULT)
		itw_fail(w, "viommu_routes_set: %s", viommu_strerror(result));
}

void itw_drain(struct itw_unit *u)
{
	struct viommu_route_change changes[8];
	uint32_t count = 0;

	while (viommu_routes_drain(u->routes, changes, 8, &count) >= 0 && count) {
		for (uint32_t i = 0; i < count; i++)
			u->kernel[changes[i].gsi] = changes[i];
	}
}

/* Routes of an ITS that has just been made: of events that are often mapped, and some others. */
static void add_routes(struct its_world *w, unsigned unit)
{
	struct viommu_routes_config config = { .size = sizeof(config), .gsis = ITW_ROUTES };
	struct itw_unit *u = &w->unit[unit];

	assert_int_equal(viommu_routes_new(u->its, &config, &u->routes), VIOMMU_OK);
	memset(u->kernel, 0, sizeof(u->kernel));
	for (uint32_t gsi = 0; gsi < ITW_ROUTES; gsi++)
		itw_set_route(w, unit, gsi, u->device[gsi % 5], u->event[gsi % 7]);
}

void itw_renew(struct its_world *w, struct viommu **lpis, struct viommu **its)
{
	*lpis = w->lpis;
	assert_int_equal(viommu_lpis_new(w->g.vm, &w->lpis_config, &w->lpis), VIOMMU_OK);
	for (unsigned i = 0; i < w->o->units; i++) {
		its[i] = w->unit[i].its;
		assert_int_equal(viommu_routes_free(w->unit[i].routes), VIOMMU_OK);
		w->its_config[i].lpis = w->lpis;
		assert_int_equal(viommu_its_new(w->g.vm, &w->its_config[i], &w->unit[i].its),
				 VIOMMU_OK);
		add_routes(w, i);
	}
}

void itw_free(struct its_world *w, struct viommu *lpis, struct viommu **its)
{
	for (unsigned i = 0; i < w->o->units; i++)
		assert_int_equal(viommu_free(its[i]), VIOMMU_OK);
	assert_int_equal(viommu_free(lpis), VIOMMU_OK);
}

void itw_open(struct its_world *w, uint64_t seed)
{
	struct viommu *lpis, *its[ITO_UNITS];

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->random = seed ? seed : 1;
	for (unsigned i = 0; i < 8; i++)
		itw_random(w);
	w->o = calloc(1, sizeof(*w->o));
	assert_non_null(w->o);
	w->o->units = itw_chance(w, 12) ? 0 : itw_chance(w, 3) ? 2 : 1;
	guest_init(&w->g, itw_chance(w, 2) ? GUEST_REGION : GUEST_CALLBACKS, ITW_PAGES);
	w->o->memory = (struct ito_memory){ .bytes = calloc(1, w->g.bytes),
					    .base = GUEST_BASE,
					    .size = w->g.bytes };
	assert_non_null(w->o->memory.bytes);
	choose_config(w);
	describe(w);
	for (unsigned i = 0; i < w->o->units; i++)
		w->unit[i].w = w;
	itw_renew(w, &lpis, its);
}

void itw_close(struct its_world *w)
{
	struct viommu *its[ITO_UNITS] = { w->unit[0].its, w->unit[1].its };

	for (unsigned i = 0; i < w->o->units; i++)
		assert_int_equal(viommu_routes_free(w->unit[i].routes), VIOMMU_OK);
	itw_free(w, w->lpis, its);
	free(w->o->memory.bytes);
	free(w->o);
	guest_fini(&w->g);
}

/* ---- calls to both ---- */

void itw_put8(struct its_world *w, uint64_t gpa, uint8_t byte)
{
	if (!ito_has(w->o, gpa, 1))
		return;
	w->o->memory.bytes[gpa - GUEST_BASE] = byte;
	*(uint8_t *)guest_at(&w->g, gpa) = byte;
}

void itw_put64(struct its_world *w, uint64_t gpa, uint64_t word)
{
	for (unsigned i = 0; i < 8; i++)
		itw_put8(w, gpa + i, (uint8_t)(word >> 8 * i));
}

void itw_settle(struct its_world *w)
{
	for (unsigned tries = 0; tries < 1000000; tries++) {
		int result = viommu_run(w->lpis);

		for (unsigned i = 0; i < w->o->units; i++) {
			int also = viommu_run(w->unit[i].its);

			result = result ? result : also;
		}
		if (result == VIOMMU_OK)
			return;
		if (result != VIOMMU_PENDING)
			itw_fail(w, "viommu_run: %s", viommu_strerror(result));
	}
	itw_fail(w, "pending for ever");
}

static bool is_wide(uint64_t offset)
{
	return offset != 0 && offset != 0x40;
}

/* 64-bit registers whole or in halves, whose effects are the same. */
int itw_post(struct its_world *w, unsigned unit, uint64_t offset, uint64_t value)
{
	struct viommu *its = w->unit[unit].its;
	bool whole = !is_wide(offset) || offset == 0x88 || offset == 0x20020 || itw_chance(w, 2);
	int result;

	itw_trace(w, "ITS %u: write %#jx to %#jx", unit, (uintmax_t)value, (uintmax_t)offset);
	if (whole) {
		result = viommu_reg_write(its, offset, is_wide(offset) ? 8 : 4, value);
	} else if (offset == 0x80) {
		result = viommu_reg_write(its, offset + 4, 4, value >> 32);
		itw_settle(w);
		result |= viommu_reg_write(its, offset, 4, (uint32_t)value);
	} else { /* Valid comes and goes once, in the upper half */
		uint64_t old = ito_read(w->o, unit, offset);

		ito_write(w->o, unit, offset, (old & ~(uint64_t)UINT32_MAX) | (uint32_t)value);
		result = viommu_reg_write(its, offset, 4, (uint32_t)value);
		itw_settle(w);
		result |= viommu_reg_write(its, offset + 4, 4, value >> 32);
	}
	ito_write(w->o, unit, offset, value);
	if (result < 0)
		itw_fail(w, "viommu_reg_write: %s", viommu_strerror(result));
	return result;
}

void itw_write(struct its_world *w, unsigned unit, uint64_t offset, uint64_t value)
{
	itw_post(w, unit, offset, value);
	itw_settle(w);
}

void itw_rd_write(struct its_world *w, uint32_t cpu, uint64_t offset, uint64_t value)
{
	bool was = w->o->cpu[cpu].enabled;
	int result;

	itw_trace(w, "redistributor %u: write %#jx to %#jx", cpu, (uintmax_t)value,
		  (uintmax_t)offset);
	ito_rd_write(w->o, cpu, offset, value);
	result = viommu_reg_write(w->lpis, VIOMMU_LPIS_OFFSET(cpu, offset), offset ? 8 : 4, value);
	if (result < 0)
		itw_fail(w, "viommu_reg_write: %s", viommu_strerror(result));
	itw_settle(w);
	if (was && !w->o->cpu[cpu].enabled)
		memset(w->told[cpu], 0, sizeof(w->told[cpu]));
}
