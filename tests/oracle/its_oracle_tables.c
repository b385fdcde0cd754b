/* SPDX-License-Identifier: BSD-3-Clause */
/* its_oracle_tables.c - mappings in guest memory, as KVM's table ABI revision 0 has them, slowly. */
#include "its_oracle.h"

#include <libvirtiommu/its.h>

#include <string.h>

#define BIT64(n)	 (UINT64_C(1) << (n))
#define FIELD(v, hi, lo) ((v) >> (lo) & (BIT64((hi) - (lo) + 1) - 1))
#define VALID		 BIT64(63)
#define NEXT_MAX_DEVICE	 0x3fffU
#define NEXT_MAX_EVENT	 0xffffU

static bool representable(const struct its_oracle *o, const struct ito_unit *u)
{
	return !o->no_writes && ito_device_bits(u) <= 16 && !(u->typer & 2) && !ito_hcc(u) &&
	       !(u->typer & BIT64(19)) && !(u->baser[1] & BIT64(62));
}

/* ---- where tables are ---- */

static void note(struct ito_tables *t, uint64_t gpa, uint64_t bytes)
{
	if (t->ranges < ITO_RANGES)
		t->range[t->ranges++] = (struct ito_range){ gpa, bytes };
	else
		t->vague = true;
}

static bool overlapping(const struct ito_tables *t)
{
	for (unsigned i = 0; i < t->ranges; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (t->range[i].gpa < t->range[k].gpa + t->range[k].bytes &&
			    t->range[k].gpa < t->range[i].gpa + t->range[i].bytes)
				return true;
		}
	}
	return false;
}

static void put(struct its_oracle *o, struct ito_tables *t, uint64_t gpa, uint64_t word)
{
	for (unsigned i = 0; i < 8; i++) {
		if (!ito_store(o, gpa + i, (uint8_t)(word >> 8 * i)))
			t->result = VIOMMU_FAULT;
	}
}

/* ---- save ---- */

static bool is_saved(struct ito_unit *u, const struct ito_event *e)
{
	return e->used && ito_find_collection(u, e->icid);
}

static uint64_t ite(struct ito_unit *u, const struct ito_device *d, uint32_t event)
{
	const struct ito_event *e = ito_find_event(u, d->id, event);
	uint32_t next = UINT32_MAX;

	if (!e || !is_saved(u, e))
		return 0;
	for (unsigned i = 0; i < ITO_EVENTS; i++) {
		const struct ito_event *other = &u->event[i];

		if (other->device == d->id && other->event > event && other->event < next &&
		    is_saved(u, other))
			next = other->event;
	}
	next = next == UINT32_MAX ? 0 : next - event;
	return (uint64_t)(next < NEXT_MAX_EVENT ? next : NEXT_MAX_EVENT) << 48 |
	       (uint64_t)e->intid << 16 | e->icid;
}

static uint64_t dte(const struct ito_unit *u, const struct ito_device *d)
{
	uint32_t next = UINT32_MAX;

	for (unsigned i = 0; i < ITO_DEVICES; i++) {
		if (u->device[i].used && u->device[i].id > d->id && u->device[i].id < next)
			next = u->device[i].id;
	}
	next = next == UINT32_MAX ? 0 : next - d->id;
	return VALID | (uint64_t)(next < NEXT_MAX_DEVICE ? next : NEXT_MAX_DEVICE) << 49 |
	       d->itt >> 8 << 5 | (d->bits - 1);
}

static void save_itt(struct its_oracle *o, struct ito_unit *u, const struct ito_device *d,
		     struct ito_tables *t)
{
	uint64_t bytes = BIT64(d->bits) * 8;
	bool any = false;

	note(t, d->itt, bytes);
	if (!ito_has(o, d->itt, bytes)) {
		t->result = VIOMMU_FAULT;
		return;
	}
	memset(o->memory.bytes + (d->itt - o->memory.base), 0, bytes);
	for (unsigned i = 0; i < ITO_EVENTS; i++)
		any |= u->event[i].used && u->event[i].device == d->id;
	for (uint32_t i = 0; any && i < BIT64(d->bits); i++)
		put(o, t, d->itt + 8 * i, ite(u, d, i));
}

/* Slots of one contiguous piece of the device table, for ids from first on. */
static void save_slots(struct its_oracle *o, struct ito_unit *u, uint64_t gpa, uint64_t count,
		       uint64_t first, struct ito_tables *t)
{
	note(t, gpa, count * 8);
	if (!ito_has(o, gpa, count * 8)) {
		t->vague = true; /* whether slots of nothing have to be cleared there */
		return;
	}
	for (uint64_t i = 0; i < count && (first + i) >> ito_device_bits(u) == 0; i++) {
		const struct ito_device *d = ito_find_device(u, (uint32_t)(first + i));

		put(o, t, gpa + 8 * i, d ? dte(u, d) : 0);
	}
}

static void save_devices(struct its_oracle *o, struct ito_unit *u, struct ito_tables *t)
{
	uint64_t a_page = ito_page(u, 0) / 8, entries = ito_table_bytes(u, 0) / 8;

	for (unsigned i = 0; i < ITO_DEVICES; i++) {
		if (!u->device[i].used)
			continue;
		if (ito_slot(o, u, 0, u->device[i].id, NULL) <= 0)
			t->result = VIOMMU_FAULT;
		save_itt(o, u, &u->device[i], t);
	}
	if (!(u->baser[0] & BIT64(62))) {
		save_slots(o, u, ito_table_gpa(u, 0), entries, 0, t);
		return;
	}
	for (uint64_t i = 0; i < entries && i * a_page >> ito_device_bits(u) == 0; i++) {
		uint64_t gpa;
		int slot = ito_slot(o, u, 0, (uint32_t)(i * a_page), &gpa);

		if (slot < 0)
			t->result = VIOMMU_FAULT;
		if (slot > 0)
			save_slots(o, u, gpa, a_page, i * a_page, t);
	}
}

/* In the oracle's order, which is not the engine's. */
static void save_collections(struct its_oracle *o, struct ito_unit *u, struct ito_tables *t)
{
	uint64_t gpa = ito_table_gpa(u, 1), entries = ito_table_bytes(u, 1) / 8, n = 0;

	note(t, gpa, entries * 8);
	for (unsigned i = 0; i < ITO_COLLECTIONS; i++) {
		const struct ito_collection *c = &u->collection[i];

		if (!c->used)
			continue;
		if (c->icid >= entries)
			t->vague = true; /* too small, or only when it is restored */
		if (n < entries)
			put(o, t, gpa + 8 * n, VALID | (uint64_t)c->cpu << 16 | c->icid);
		else
			t->result = VIOMMU_FAULT;
		n++;
	}
	if (n < entries)
		put(o, t, gpa + 8 * n, 0);
	t->collections = gpa;
	t->collection_count = n;
}

void ito_save_tables(struct its_oracle *o, unsigned unit, struct ito_tables *t)
{
	struct ito_unit *u = &o->unit[unit];

	memset(t, 0, sizeof(*t));
	if (!representable(o, u)) {
		t->result = VIOMMU_ENOTSUP;
		return;
	}
	if (!(u->baser[0] & u->baser[1] & VALID)) {
		t->result = VIOMMU_FAULT;
		return;
	}
	save_devices(o, u, t);
	save_collections(o, u, t);
	t->vague |= overlapping(t);
}

/* ---- restore ---- */

struct scan {
	struct its_oracle *o;
	struct ito_unit *u;
	struct ito_device *d;
	int result;
};

/* How far the next entry is; 0: there is none; or a result in s->result. */
typedef uint32_t (*entry_function)(struct scan *s, uint32_t id, uint64_t word);

/* Whether there may be more in other tables. */
static bool scan_table(struct scan *s, uint64_t gpa, uint64_t bytes, uint32_t id,
		       entry_function entry)
{
	uint64_t at = 0;

	while (at < bytes) {
		uint64_t word;
		uint32_t next;

		if (!ito_load(s->o, gpa + at, &word, 8)) {
			s->result = VIOMMU_FAULT;
			return false;
		}
		next = entry(s, id, word);
		if (s->result || !next)
			return false;
		at += next * UINT64_C(8);
		id += next;
	}
	return true;
}

static uint32_t refuse(struct scan *s, int result)
{
	s->result = result;
	return 0;
}

static uint32_t restore_event(struct scan *s, uint32_t id, uint64_t word)
{
	uint32_t intid = (uint32_t)FIELD(word, 47, 16), next = (uint32_t)(word >> 48);

	if (!intid)
		return 1;
	if (intid < ITO_LPI || intid >> s->o->intid_bits ||
	    (uint64_t)id + next >= BIT64(s->d->bits) || !ito_find_collection(s->u, word & 0xffff))
		return refuse(s, VIOMMU_ESTATE);
	for (unsigned i = 0; i < ITO_EVENTS; i++) {
		struct ito_event *e = &s->u->event[i];

		if (e->used)
			continue;
		*e = (struct ito_event){ .used = true,
					 .device = s->d->id,
					 .event = id,
					 .intid = intid,
					 .icid = word & 0xffff };
		return next;
	}
	s->o->beyond = true;
	return 0;
}

static bool within_caps(const struct ito_unit *u, uint32_t bits)
{
	uint64_t devices = 1, events = bits < 4 ? 16 : BIT64(bits);

	for (unsigned i = 0; i < ITO_DEVICES; i++) {
		const struct ito_device *d = &u->device[i];

		devices += d->used;
		events += !d->used ? 0 : d->bits < 4 ? 16 : BIT64(d->bits);
	}
	return devices <= u->device_cap && events <= u->event_cap;
}

static uint32_t restore_device(struct scan *s, uint32_t id, uint64_t word)
{
	uint32_t bits = (uint32_t)FIELD(word, 4, 0) + 1;

	if (!(word & VALID))
		return 1;
	if (bits > ito_event_bits(s->u) || id >> ito_device_bits(s->u) ||
	    ito_find_device(s->u, id) || ito_slot(s->o, s->u, 0, id, NULL) <= 0)
		return refuse(s, VIOMMU_ESTATE);
	if (!within_caps(s->u, bits))
		return refuse(s, VIOMMU_ELIMIT);
	s->d = NULL;
	for (unsigned i = 0; i < ITO_DEVICES && !s->d; i++)
		s->d = s->u->device[i].used ? NULL : &s->u->device[i];
	if (!s->d) {
		s->o->beyond = true;
		return 0;
	}
	*s->d = (struct ito_device){
		.used = true, .id = id, .bits = bits, .itt = FIELD(word, 48, 5) << 8
	};
	scan_table(s, s->d->itt, BIT64(bits) * 8, 0, restore_event);
	return s->result ? 0 : (uint32_t)FIELD(word, 62, 49);
}

/* Of ids that there cannot be nothing is looked at. */
static void restore_devices(struct scan *s)
{
	const struct ito_unit *u = s->u;
	uint64_t l1 = ito_table_gpa(u, 0), bytes = ito_table_bytes(u, 0), word;
	uint64_t most = BIT64(ito_device_bits(u)) * 8;
	uint32_t a_page = (uint32_t)ito_page(u, 0) / 8;

	if (!(u->baser[0] & BIT64(62))) {
		scan_table(s, l1, bytes < most ? bytes : most, 0, restore_device);
		return;
	}
	for (uint32_t i = 0; i < bytes / 8 && i * a_page >> ito_device_bits(u) == 0; i++) {
		if (!ito_load(s->o, l1 + 8 * i, &word, 8)) {
			s->result = VIOMMU_FAULT;
			return;
		}
		if (word & VALID &&
		    !scan_table(s, word & UINT64_C(0xffffffffff000) & ~(ito_page(u, 0) - 1),
				ito_page(u, 0) < most ? ito_page(u, 0) : most, i * a_page,
				restore_device))
			return;
	}
}

static void restore_collections(struct scan *s)
{
	struct ito_unit *u = s->u;
	uint64_t entries = ito_table_bytes(u, 1) / 8, word;
	unsigned n = 0;

	for (uint64_t i = 0; i < entries; i++) {
		uint32_t icid, cpu;

		if (!ito_load(s->o, ito_table_gpa(u, 1) + 8 * i, &word, 8)) {
			s->result = VIOMMU_FAULT;
			return;
		}
		if (!(word & VALID))
			return;
		icid = word & 0xffff;
		cpu = (uint32_t)FIELD(word, 51, 16);
		if (FIELD(word, 51, 16) >= s->o->cpus || icid >= entries ||
		    icid >> ito_icid_bits(u) || ito_find_collection(u, icid)) {
			s->result = VIOMMU_ESTATE;
			return;
		}
		if (n == ITO_COLLECTIONS) {
			s->o->beyond = true;
			return;
		}
		u->collection[n++] =
			(struct ito_collection){ .used = true, .icid = icid, .cpu = cpu };
	}
}

static void drop_all(struct ito_unit *u)
{
	memset(u->device, 0, sizeof(u->device));
	memset(u->event, 0, sizeof(u->event));
	memset(u->collection, 0, sizeof(u->collection));
}

int ito_restore_tables(struct its_oracle *o, unsigned unit)
{
	struct scan s = { .o = o, .u = &o->unit[unit] };

	drop_all(s.u);
	restore_collections(&s);
	if (!s.result)
		restore_devices(&s);
	if (s.result)
		drop_all(s.u);
	return s.result;
}
