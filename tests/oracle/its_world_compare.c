/* SPDX-License-Identifier: BSD-3-Clause */
/* its_world_compare.c - whether the engine is in the state that the oracle is in. */
#include "its_world.h"

#include <string.h>

#include "check.h"

/* ---- registers and errors ---- */

static uint64_t read_both_ways(struct its_world *w, struct viommu *iommu, uint64_t offset,
			       bool wide)
{
	uint64_t value = 0, low = 0, high = 0;

	assert_int_equal(viommu_reg_read(iommu, offset, wide ? 8 : 4, &value), VIOMMU_OK);
	if (wide && itw_chance(w, 8)) {
		assert_int_equal(viommu_reg_read(iommu, offset, 4, &low), VIOMMU_OK);
		assert_int_equal(viommu_reg_read(iommu, offset + 4, 4, &high), VIOMMU_OK);
		if ((low | high << 32) != value)
			itw_fail(w, "register %#jx: %#jx, in halves %#jx", (uintmax_t)offset,
				 (uintmax_t)value, (uintmax_t)(low | high << 32));
	}
	itw_total.registers++;
	return value;
}

static void compare_registers(struct its_world *w, unsigned unit)
{
	static const uint16_t offsets[] = { 0x0,   0x8,	  0x40,	 0x48,	0x80,  0x88,  0x90, 0x100,
					    0x108, 0x110, 0x118, 0x120, 0x128, 0x130, 0x138 };

	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		uint64_t want = ito_read(w->o, unit, offsets[i]);
		uint64_t is = read_both_ways(w, w->unit[unit].its, offsets[i],
					     offsets[i] % 0x40 != 0 || offsets[i] >= 0x80);

		if (is != want)
			itw_fail(w, "ITS %u: register %#x is %#jx, wanted %#jx", unit, offsets[i],
				 (uintmax_t)is, (uintmax_t)want);
	}
}

/* VPENDBASER: Valid and the vPE, or PendingLast; what else a write of Valid=0 says is unpredictable. */
static uint64_t rd_mask(const struct its_world *w, uint64_t offset, uint64_t want)
{
	if (offset != 0x20078)
		return UINT64_MAX;
	if (!(want >> 63))
		return UINT64_C(5) << 61;
	return UINT64_C(1) << 63 | (w->o->v41 ? 0xffff : UINT64_C(0xfffffffff0000));
}

static void compare_redistributor(struct its_world *w, uint32_t cpu)
{
	static const uint32_t offsets[] = { 0x0, 0x70, 0x78, 0xc0, 0x20078 };

	for (unsigned i = 0; i < (w->o->v4 ? 5 : 4); i++) {
		uint64_t want = ito_rd_read(w->o, cpu, offsets[i]);
		uint64_t is = read_both_ways(w, w->lpis, VIOMMU_LPIS_OFFSET(cpu, offsets[i]),
					     offsets[i] != 0 && offsets[i] != 0xc0);

		if ((is ^ want) & rd_mask(w, offsets[i], want))
			itw_fail(w, "redistributor %u: register %#x is %#jx, wanted %#jx", cpu,
				 offsets[i], (uintmax_t)is, (uintmax_t)want);
	}
}

static void compare_errors(struct its_world *w)
{
	const struct its_oracle *o = w->o;
	uint32_t n = w->errors < o->errors ? w->errors : o->errors;

	for (uint32_t i = 0; i < n; i++) {
		const struct ito_error *is = &w->error[i], *want = &o->error[i];

		if (is->code != want->code || memcmp(is->command, want->command, 32))
			itw_fail(w,
				 "error %u is %#x of %#jx %#jx %#jx, wanted %#x of %#jx %#jx %#jx",
				 i, is->code, (uintmax_t)is->command[0], (uintmax_t)is->command[1],
				 (uintmax_t)is->command[2], want->code, (uintmax_t)want->command[0],
				 (uintmax_t)want->command[1], (uintmax_t)want->command[2]);
		itw_total.refused++;
		itw_total.refused_ops[is->command[0] & 0x3f]++;
		itw_total.stalls += is->code == VIOMMU_ITS_ERROR_MEMORY;
	}
	if (w->errors != o->errors)
		itw_fail(w, "%u errors, wanted %u; the next is %#x of %#jx %#jx %#jx", w->errors,
			 o->errors, w->errors > n ? w->error[n].code : o->error[n].code,
			 (uintmax_t)(w->errors > n ? w->error : o->error)[n].command[0],
			 (uintmax_t)(w->errors > n ? w->error : o->error)[n].command[1],
			 (uintmax_t)(w->errors > n ? w->error : o->error)[n].command[2]);
	w->errors = w->o->errors = 0;
}

/* ---- LPIs ---- */

static void compare_told(struct its_world *w, uint32_t cpu, uint32_t intid)
{
	uint16_t want = w->o->cpu[cpu].told[intid];

	if (w->mixed)
		return;
	if (w->told[cpu][intid] != want)
		itw_fail(w, "LPI %u of redistributor %u: told %#x, wanted %#x", intid, cpu,
			 w->told[cpu][intid], want);
}

static void compare_lpi(struct its_world *w, uint32_t cpu, uint32_t intid)
{
	struct viommu_lpi is = { .size = sizeof(is) };
	bool lpi = intid >= ITO_LPI && intid >> w->o->intid_bits == 0;
	int result = viommu_lpis_get(w->lpis, cpu, intid, &is);
	struct ito_lpi want;

	itw_total.lpis++;
	if (result != (lpi ? VIOMMU_OK : VIOMMU_EINVAL))
		itw_fail(w, "viommu_lpis_get(%u, %u): %s", cpu, intid, viommu_strerror(result));
	if (!lpi)
		return;
	want = ito_get(w->o, cpu, intid);
	if (is.pending != want.pending ||
	    (!w->mixed && (is.enabled != want.enabled || is.priority != want.priority)))
		itw_fail(w,
			 "LPI %u of redistributor %u: pending %u enabled %u priority %#x, wanted "
			 "%u %u %#x",
			 intid, cpu, is.pending, is.enabled, is.priority, want.pending,
			 want.enabled, want.priority);
}

static void compare_vlpi(struct its_world *w, uint32_t vpe, uint32_t intid)
{
	struct viommu_lpi is = { .size = sizeof(is) };
	int result = viommu_lpis_get_virtual(w->lpis, vpe, intid, &is);
	struct ito_lpi want;
	bool mapped = ito_get_virtual(w->o, vpe, intid, &want);

	int cpu = vpe < w->o->vpes ? ito_resident(w->o, vpe) : -1;
	uint16_t told =
		mapped && want.pending && want.enabled ? (uint16_t)(1 | want.priority << 8) : 0;

	itw_total.vlpis++;
	/* what cannot be read now was told when it could */
	if (cpu >= 0 && !w->o->memory.broken && w->told_virtual[vpe][intid] != told)
		itw_fail(w, "vLPI %u of vPE %u: told %#x, wanted %#x", intid, vpe,
			 w->told_virtual[vpe][intid], told);
	if (result != (mapped ? VIOMMU_OK : VIOMMU_ENOENT))
		itw_fail(w, "viommu_lpis_get_virtual(%u, %u): %s, mapped %d", vpe, intid,
			 viommu_strerror(result), mapped);
	if (mapped && (is.pending != want.pending || is.enabled != want.enabled ||
		       is.priority != want.priority))
		itw_fail(w,
			 "vLPI %u of vPE %u: pending %u enabled %u priority %#x, wanted %u %u %#x",
			 intid, vpe, is.pending, is.enabled, is.priority, want.pending,
			 want.enabled, want.priority);
}

static void compare_some_lpis(struct its_world *w, unsigned one_in)
{
	for (uint32_t cpu = 0; cpu < w->o->cpus; cpu++) {
		for (unsigned i = 0; i < ITW_INTS; i++) {
			if (itw_chance(w, one_in))
				compare_lpi(w, cpu, w->intid[i]);
		}
	}
	for (uint32_t cpu = 0; cpu < w->o->cpus; cpu++) {
		for (unsigned i = 3; w->intid[i] >> 16 == 0; i++)
			compare_told(w, cpu, w->intid[i]);
	}
	for (uint32_t vpe = 0; vpe < w->o->vpes; vpe++) {
		for (unsigned i = 3; i < ITW_INTS; i++) {
			if (w->intid[i] >> 14 == 0 && itw_chance(w, one_in))
				compare_vlpi(w, vpe, w->intid[i]);
		}
		if (w->o->v41 && itw_chance(w, one_in))
			compare_vlpi(w, vpe, itw_pick(w, 16));
	}
}

/* ---- messages ---- */

void itw_message(struct its_world *w, unsigned unit, uint32_t device, uint32_t event, bool deliver)
{
	struct ito_answer want = ito_message(w->o, unit, device, event, deliver);
	struct viommu_msi is;
	int result = viommu_remap_msi(w->unit[unit].its, device, w->o->unit[unit].base + 0x10040,
				      event, deliver ? 0 : VIOMMU_MSI_RESOLVE, &is);

	if (deliver)
		itw_trace(w, "ITS %u: message of device %#x, event %#x", unit, device, event);
	itw_total.messages++;
	itw_total.delivered += deliver && want.found;
	if (result != (want.found ? VIOMMU_OK : VIOMMU_FAULT))
		itw_fail(
			w,
			"ITS %u: device %#x, event %#x, deliver %d: %s, reason %#x, wanted %d, %#x",
			unit, device, event, deliver, viommu_strerror(result), is.reason,
			want.found, want.reason);
	if (is.index != event || is.reason != want.reason)
		itw_fail(w, "ITS %u: device %#x, event %#x: index %#x, reason %#x, wanted %#x",
			 unit, device, event, is.index, is.reason, want.reason);
	if (want.found &&
	    (is.kind != (want.is_virtual ? VIOMMU_MSI_KIND_VLPI : VIOMMU_MSI_KIND_LPI) ||
	     is.intid != want.intid || is.cpu != want.cpu))
		itw_fail(w, "ITS %u: device %#x, event %#x: kind %u, %u of %u, wanted %u of %u",
			 unit, device, event, is.kind, is.intid, is.cpu, want.intid, want.cpu);
}

/* Only one address is that of GITS_TRANSLATER. */
static void elsewhere(struct its_world *w, unsigned unit)
{
	static const int64_t wrong[] = { 4, -4, 0x10000, -0x10000, INT64_C(1) << 32 };
	uint64_t address = w->o->unit[unit].base + 0x10040 + (uint64_t)wrong[itw_pick(w, 5)];
	struct viommu_msi is;
	int result = viommu_remap_msi(w->unit[unit].its, 0, address, 0, itw_pick(w, 2), &is);

	if (result != VIOMMU_FAULT || is.reason != VIOMMU_ITS_REASON_ADDRESS)
		itw_fail(w, "a message to %#jx: %s, reason %#x", (uintmax_t)address,
			 viommu_strerror(result), is.reason);
}

static void resolve_some(struct its_world *w, unsigned unit)
{
	const struct itw_unit *u = &w->unit[unit];

	if (itw_chance(w, 32))
		elsewhere(w, unit);
	for (unsigned i = 0; i < 4; i++)
		itw_message(w, unit, u->device[itw_pick(w, ITW_POOL)],
			    u->event[itw_pick(w, ITW_POOL)], false);
}

static void resolve_all(struct its_world *w, unsigned unit)
{
	const struct ito_unit *u = &w->o->unit[unit];

	for (unsigned i = 0; i < ITO_EVENTS; i++) {
		if (u->event[i].used)
			itw_message(w, unit, u->event[i].device, u->event[i].event, false);
	}
}

/* What a kernel has that is told of changes, and what is looked up, is what a message would come to. */
static void compare_route(struct its_world *w, unsigned unit, uint32_t gsi)
{
	struct itw_unit *u = &w->unit[unit];
	const struct ito_answer want =
		ito_message(w->o, unit, u->route[gsi].device, u->route[gsi].event, false);
	const struct viommu_msi *is = &u->kernel[gsi].msi;
	bool valid = u->kernel[gsi].flags & VIOMMU_ROUTE_VALID;
	struct viommu_route_change now;
	int result = viommu_routes_lookup(u->routes, gsi, &now);

	itw_total.routes++;
	if (valid != want.found ||
	    (valid && (is->intid != want.intid || is->cpu != want.cpu ||
		       is->kind != (want.is_virtual ? VIOMMU_MSI_KIND_VLPI : VIOMMU_MSI_KIND_LPI))))
		itw_fail(
			w,
			"ITS %u: route %u, device %#x, event %#x: valid %d, %u of %u, wanted %d, %u "
			"of %u",
			unit, gsi, u->route[gsi].device, u->route[gsi].event, valid, is->intid,
			is->cpu, want.found, want.intid, want.cpu);
	if (result != VIOMMU_OK || !(now.flags & VIOMMU_ROUTE_VALID) == want.found ||
	    (want.found && (now.msi.intid != want.intid || now.msi.cpu != want.cpu)))
		itw_fail(w, "ITS %u: route %u: looked up: %s, flags %#x, %u of %u", unit, gsi,
			 viommu_strerror(result), now.flags, now.msi.intid, now.msi.cpu);
}

static void compare_routes(struct its_world *w, unsigned unit)
{
	itw_drain(&w->unit[unit]);
	for (uint32_t gsi = 0; gsi < ITW_ROUTES; gsi++)
		compare_route(w, unit, gsi);
}

/* ---- all ---- */

void itw_compare(struct its_world *w)
{
	compare_errors(w);
	for (unsigned i = 0; i < w->o->units; i++) {
		compare_registers(w, i);
		compare_routes(w, i);
		if (itw_chance(w, 4))
			resolve_all(w, i);
		resolve_some(w, i);
	}
	for (uint32_t cpu = 0; cpu < w->o->cpus; cpu++)
		compare_redistributor(w, cpu);
	compare_some_lpis(w, itw_chance(w, 8) ? 1 : 12);
}

void itw_compare_all(struct its_world *w)
{
	compare_errors(w);
	for (unsigned i = 0; i < w->o->units; i++) {
		compare_registers(w, i);
		resolve_all(w, i);
		resolve_some(w, i);
	}
	for (uint32_t cpu = 0; cpu < w->o->cpus; cpu++)
		compare_redistributor(w, cpu);
	compare_some_lpis(w, 1);
}

void itw_compare_memory(struct its_world *w)
{
	itw_total.memory++;
	for (uint64_t i = 0; i < w->g.bytes; i += 8) {
		if (memcmp(w->g.ram + i, w->o->memory.bytes + i, 8))
			itw_fail(w, "memory at %#jx is %#jx, wanted %#jx",
				 (uintmax_t)(GUEST_BASE + i),
				 (uintmax_t)guest_get64(&w->g, GUEST_BASE + i),
				 (uintmax_t) * (const uint64_t *)(w->o->memory.bytes + i));
	}
}
