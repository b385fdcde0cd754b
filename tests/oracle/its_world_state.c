/* SPDX-License-Identifier: BSD-3-Clause */
/* its_world_state.c - saved one way or the other, restored elsewhere, and on it goes. */
#include "its_world.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static unsigned char state[1 + ITO_UNITS][ITW_STATE];

static void save_one(struct its_world *w, struct viommu *iommu, unsigned n, uint64_t *bytes)
{
	int result;

	*bytes = ITW_STATE;
	result = viommu_save(iommu, state[n], bytes);
	if (result)
		itw_fail(w, "viommu_save: %s, %ju bytes", viommu_strerror(result),
			 (uintmax_t)*bytes);
}

static void restore_one(struct its_world *w, struct viommu *iommu, unsigned n, uint64_t bytes)
{
	int result = viommu_restore(iommu, state[n], bytes);

	if (result < 0)
		itw_fail(w, "viommu_restore: %s", viommu_strerror(result));
}

void itw_save(struct its_world *w)
{
	struct viommu *lpis, *its[ITO_UNITS];
	uint64_t bytes[1 + ITO_UNITS];

	itw_trace(w, "save and restore");
	itw_total.saves++;
	w->g.count[GUEST_ON_READ] = w->g.count[GUEST_ON_WRITE] = w->g.count[GUEST_ON_DIRTY] = 0;
	save_one(w, w->lpis, 0, &bytes[0]);
	for (unsigned i = 0; i < w->o->units; i++)
		save_one(w, w->unit[i].its, 1 + i, &bytes[1 + i]);
	itw_renew(w, &lpis, its);
	memset(w->told, 0, sizeof(w->told));
	memset(w->told_virtual, 0, sizeof(w->told_virtual));
	restore_one(w, w->lpis, 0, bytes[0]);
	for (unsigned i = 0; i < w->o->units; i++)
		restore_one(w, w->unit[i].its, 1 + i, bytes[1 + i]);
	if (w->g.count[GUEST_ON_READ] + w->g.count[GUEST_ON_WRITE] + w->g.count[GUEST_ON_DIRTY])
		itw_fail(w, "viommu_save() or _restore(): %u reads, %u writes, %u dirty",
			 w->g.count[GUEST_ON_READ], w->g.count[GUEST_ON_WRITE],
			 w->g.count[GUEST_ON_DIRTY]);
	itw_free(w, lpis, its);
	itw_settle(w);
	ito_forget_config(w->o);
	for (uint32_t i = 0; i < w->o->cpus; i++)
		memset(w->o->cpu[i].told, 0, sizeof(w->o->cpu[i].told));
	for (uint32_t i = 0; i < w->o->cpus; i++)
		ito_tell_all(w->o, i);
	/* Commands that were under way may have read bytes before or after that. */
	itw_rd_write(w, 0, 0xb0, 0);
}

/* ---- through tables ---- */

static int by_word(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The list has an order of its own in each. */
static void compare_collections(struct its_world *w, unsigned unit, const struct ito_tables *t)
{
	static uint64_t is[ITO_COLLECTIONS], want[ITO_COLLECTIONS];
	uint64_t bytes = t->collection_count * 8;
	uint8_t *shadow = w->o->memory.bytes + (t->collections - GUEST_BASE);

	memcpy(is, guest_at(&w->g, t->collections), bytes);
	memcpy(want, shadow, bytes);
	qsort(is, t->collection_count, 8, by_word);
	qsort(want, t->collection_count, 8, by_word);
	if (memcmp(is, want, bytes))
		itw_fail(w, "ITS %u: the collection table is not what it should be", unit);
	memcpy(shadow, guest_at(&w->g, t->collections), bytes);
}

static bool may_be_written(const struct ito_tables *t, uint64_t gpa)
{
	for (unsigned i = 0; i < t->ranges; i++) {
		if (gpa - t->range[i].gpa < t->range[i].bytes)
			return true;
	}
	return false;
}

/* Of tables that are not defined only that nothing else is written. */
static void compare_outside(struct its_world *w, const struct ito_tables *t, const uint8_t *before)
{
	for (uint64_t i = 0; i < w->g.bytes; i += 8) {
		if (memcmp(w->g.ram + i, before + i, 8) && !may_be_written(t, GUEST_BASE + i))
			itw_fail(w, "memory at %#jx is outside of the tables and was written",
				 (uintmax_t)(GUEST_BASE + i));
	}
	memcpy(w->o->memory.bytes, w->g.ram, w->g.bytes);
}

static bool save_unit(struct its_world *w, unsigned unit)
{
	static struct ito_tables t;
	static uint8_t before[ITW_PAGES * GUEST_PAGE];
	int result = viommu_its_save_tables(w->unit[unit].its);

	memcpy(before, w->o->memory.bytes, w->g.bytes);
	ito_save_tables(w->o, unit, &t);
	itw_trace(w, "ITS %u: save tables: %s, vague %d", unit, viommu_strerror(result), t.vague);
	if (result != t.result && !(t.vague && (result == VIOMMU_OK || result == VIOMMU_FAULT)))
		itw_fail(w, "viommu_its_save_tables: %s, wanted %s", viommu_strerror(result),
			 viommu_strerror(t.result));
	if (t.vague || t.result == VIOMMU_FAULT) {
		compare_outside(w, &t, before);
		return false;
	}
	if (!result)
		compare_collections(w, unit, &t);
	itw_compare_memory(w);
	return !result;
}

/* Registers that the guest can write are written as they were read. */
static void restore_registers(struct its_world *w, unsigned unit, const struct ito_unit *u)
{
	struct viommu *its = w->unit[unit].its;
	uint64_t word[][2] = { { 0x80, u->cbaser },    { 0x8, u->typer },
			       { 0x4, 0x43b },	       { 0x100, u->baser[0] },
			       { 0x108, u->baser[1] }, { 0x88, u->cwriter },
			       { 0x90, u->creadr },    { 0x110, u->baser[2] },
			       { 0x138, u->baser[7] }, { 0x48, u->umsir },
			       { 0x40, u->statusr } };

	bool umsi = u->typer >> 44 & 1;

	for (unsigned i = 0; i < sizeof(word) / sizeof(word[0]) - (umsi ? 0 : 2); i++) {
		int result = viommu_its_set_register(its, word[i][0], word[i][1]);

		if (result)
			itw_fail(w, "viommu_its_set_register(%#jx, %#jx): %s",
				 (uintmax_t)word[i][0], (uintmax_t)word[i][1],
				 viommu_strerror(result));
	}
}

/* A guest has been at its tables since. */
static void mutate(struct its_world *w, unsigned unit)
{
	struct ito_unit *u = &w->o->unit[unit];
	uint64_t gpa = ito_table_gpa(u, itw_pick(w, 2)) + 8 * itw_pick(w, 8), word;

	for (unsigned i = 0; i < ITO_DEVICES; i++) {
		if (u->device[i].used && itw_chance(w, 3))
			gpa = itw_chance(w, 2) ? u->device[i].itt + 8 * itw_pick(w, 8) : gpa;
	}
	if (u->baser[0] & UINT64_C(1) << 62 && itw_chance(w, 4))
		gpa = ITW_L2(unit, itw_pick(w, 4)) + 8 * itw_pick(w, 8);
	if (!ito_has(w->o, gpa, 8))
		return;
	word = guest_get64(&w->g, gpa);
	switch (itw_pick(w, 4)) {
	case 0:
		word ^= UINT64_C(1) << itw_pick(w, 63);
		break;
	case 1:
		word = itw_random(w) | itw_random(w) << 8;
		break;
	case 2:
		word ^= UINT64_C(1) << 63;
		break;
	default: /* another entry */
		word = guest_get64(&w->g, gpa ^ 8);
		break;
	}
	/* Reserved bits of collections, and KVM's marker, are not defined. */
	if (gpa - ito_table_gpa(u, 1) < ito_table_bytes(u, 1))
		word &= ~(UINT64_C(0x7ff) << 52);
	itw_trace(w, "ITS %u: %#jx at %#jx", unit, (uintmax_t)word, (uintmax_t)gpa);
	itw_put64(w, gpa, word);
	itw_total.mutated++;
}

/* All that can be seen of the events is as it was, but of those whose collection is not mapped. */
static void check_kept(struct its_world *w, unsigned unit, struct ito_unit *before)
{
	struct ito_unit *u = &w->o->unit[unit];

	for (unsigned i = 0; i < ITO_EVENTS; i++) {
		const struct ito_event *was = &before->event[i], *is;

		if (!was->used)
			continue;
		is = ito_find_event(u, was->device, was->event);
		if (!ito_find_collection(before, was->icid)
			    ? is != NULL
			    : !is || is->intid != was->intid || is->icid != was->icid)
			itw_fail(w, "ITS %u: device %#x, event %#x is not as it was", unit,
				 was->device, was->event);
	}
	for (unsigned i = 0; i < ITO_COLLECTIONS; i++) {
		const struct ito_collection *was = &before->collection[i], *is;

		is = was->used ? ito_find_collection(u, was->icid) : NULL;
		if (was->used && (!is || is->cpu != was->cpu))
			itw_fail(w, "ITS %u: collection %#x is not as it was", unit, was->icid);
	}
}

static void restore_unit(struct its_world *w, unsigned unit, bool mutated)
{
	static struct ito_unit before;
	int want, result;

	before = w->o->unit[unit];
	restore_registers(w, unit, &before);
	if (mutated)
		mutate(w, unit);
	want = ito_restore_tables(w->o, unit);
	result = viommu_its_restore_tables(w->unit[unit].its);
	if (result == VIOMMU_PENDING)
		itw_settle(w);
	if ((result == VIOMMU_PENDING ? VIOMMU_OK : result) != want)
		itw_fail(w, "ITS %u: viommu_its_restore_tables: %s, wanted %s", unit,
			 viommu_strerror(result), viommu_strerror(want));
	itw_total.tables++;
	itw_total.refused_tables += want != VIOMMU_OK;
	if (!mutated)
		check_kept(w, unit, &before);
	if (viommu_its_set_register(w->unit[unit].its, 0, ito_read(w->o, unit, 0)) < 0)
		itw_fail(w, "CTLR cannot be restored");
	itw_settle(w);
}

static void restore_redistributors(struct its_world *w)
{
	static struct ito_cpu before[ITO_CPUS];

	memcpy(before, w->o->cpu, sizeof(before));
	ito_reset_lpis(w->o);
	for (uint32_t i = 0; i < w->o->cpus; i++) {
		itw_rd_write(w, i, 0x70, before[i].propbaser);
		itw_rd_write(w, i, 0x78, before[i].pendbaser);
		itw_rd_write(w, i, 0x0, before[i].enabled);
	}
}

static bool can_be_stopped(const struct its_world *w)
{
	for (unsigned i = 0; i < w->o->units; i++) {
		if (w->o->unit[i].stalled)
			return false;
	}
	return true;
}

static void save_pending(struct its_world *w)
{
	int result = viommu_lpis_save_pending(w->lpis);

	if (result != (w->o->no_writes ? VIOMMU_ENOTSUP : VIOMMU_OK))
		itw_fail(w, "viommu_lpis_save_pending: %s", viommu_strerror(result));
	if (!result)
		ito_save_pending(w->o);
	itw_compare_memory(w);
}

void itw_save_tables(struct its_world *w)
{
	struct viommu *lpis, *its[ITO_UNITS];
	bool mutated = itw_chance(w, 3), saved = true;

	if (!can_be_stopped(w))
		return;
	save_pending(w);
	for (unsigned i = 0; i < w->o->units; i++)
		saved = save_unit(w, i) && saved;
	itw_compare_all(w);
	if (!saved)
		return;
	itw_renew(w, &lpis, its);
	itw_free(w, lpis, its);
	memset(w->told, 0, sizeof(w->told));
	restore_redistributors(w);
	for (unsigned i = 0; i < w->o->units; i++)
		restore_unit(w, i, mutated);
	itw_compare_all(w);
}
