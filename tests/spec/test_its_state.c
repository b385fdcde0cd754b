/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_state.c - both ways of saving an ITS: into the caller's buffer, which leaves guest memory
 * alone, and into the guest's tables as KVM has them (table ABI revision 0). The two are equivalent.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "its_engine.h"
#include "its_rig.h"

static struct its_rig rig;
static struct its_rig other;

struct saved {
	void *its;
	uint64_t its_bytes;
	void *lpis;
	uint64_t lpis_bytes;
};

static void finish(struct viommu *u, int result)
{
	for (unsigned i = 0; result == VIOMMU_PENDING && i < 100000; i++)
		result = viommu_run(u);
	assert_int_equal(result, VIOMMU_OK);
}

static void *save_one(struct viommu *u, uint64_t *bytes)
{
	void *buffer;

	*bytes = 0;
	assert_int_equal(viommu_save(u, NULL, bytes), VIOMMU_ENOSPC);
	buffer = malloc(*bytes);
	assert_non_null(buffer);
	assert_int_equal(viommu_save(u, buffer, bytes), VIOMMU_OK);
	return buffer;
}

static void save(struct its_rig *r, struct saved *s)
{
	s->its = save_one(r->its, &s->its_bytes);
	s->lpis = save_one(r->lpis, &s->lpis_bytes);
}

static void drop(struct saved *s)
{
	free(s->its);
	free(s->lpis);
}

static void restore(struct its_rig *r, const struct saved *s)
{
	finish(r->lpis, viommu_restore(r->lpis, s->lpis, s->lpis_bytes));
	finish(r->its, viommu_restore(r->its, s->its, s->its_bytes));
}

/* Devices 1, 3, 700 and 8191 with some events each; collections 0, 5 and 100; some pending. */
static void make_busy(struct its_rig *r)
{
	static const uint32_t devices[] = { 1, 3, 700, 8191 };

	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	assert_int_equal(its_command(r, MAPC(5, 3)), 0);
	assert_int_equal(its_command(r, MAPC(100, 2)), 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(its_command(r, MAPD(devices[i], 5 + i, ITS_RIG_ITT(i))), 0);
		for (uint32_t event = i; event < 32; event += 7)
			assert_int_equal(its_command(r, MAPTI(devices[i], event,
							      8192 + i * 100 + event,
							      event % 2 ? 5 : 100)),
					 0);
	}
	its_msi(r, 1, 0);
	its_msi(r, 1, 7);
	its_msi(r, 8191, 3);
}

/* Everything that an ITS answers. */
static void same_answers(struct its_rig *a, struct its_rig *b)
{
	for (uint32_t device = 0; device < 8200; device++) {
		for (uint32_t event = 0;
		     event < (device < 4 || device == 700 || device > 8180 ? 300 : 1); event++) {
			uint64_t one = its_resolve(a, device, event);
			uint64_t two = its_resolve(b, device, event);

			if (one != two)
				print_error("device %u event %u\n", device, event);
			assert_int_equal(one, two);
		}
	}
	for (uint32_t cpu = 0; cpu < ITS_RIG_CPUS; cpu++) {
		for (uint32_t intid = 8192; intid < 8192 + 600; intid++)
			assert_int_equal(its_lpi(a, cpu, intid), its_lpi(b, cpu, intid));
	}
}

static void copy_memory(struct its_rig *to, struct its_rig *from)
{
	memcpy(to->g.ram, from->g.ram, from->g.bytes);
}

/* ---- the caller's buffer ---- */

static void buffer_round_trip(void **state)
{
	struct saved one;
	struct saved two;

	its_open(&rig, &(struct its_rig_config){ 0 });
	make_busy(&rig);
	save(&rig, &one);
	its_open(&other, &(struct its_rig_config){ .off = true });
	copy_memory(&other, &rig);
	restore(&other, &one);
	same_answers(&rig, &other);
	assert_int_equal(other.told_count, 3); /* what is pending is told */
	assert_int_equal(its_read(other.its, 0x90), its_read(rig.its, 0x90));
	save(&other, &two);
	assert_int_equal(one.its_bytes, two.its_bytes);
	assert_memory_equal(one.its, two.its, one.its_bytes);
	assert_int_equal(one.lpis_bytes, two.lpis_bytes);
	assert_memory_equal(one.lpis, two.lpis, one.lpis_bytes);
	drop(&one);
	drop(&two);
	its_close(&other);
	its_close(&rig);
}

/* Neither reads nor writes guest memory: all of it is behind callbacks, which count. */
static void buffer_leaves_memory_alone(void **state)
{
	struct saved s;
	unsigned reads;
	unsigned writes;

	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	make_busy(&rig);
	reads = rig.g.count[GUEST_ON_READ];
	writes = rig.g.count[GUEST_ON_WRITE];
	assert_true(reads > 0);
	save(&rig, &s);
	assert_int_equal(viommu_restore(rig.lpis, s.lpis, s.lpis_bytes), VIOMMU_PENDING);
	assert_int_equal(viommu_restore(rig.its, s.its, s.its_bytes), VIOMMU_PENDING);
	assert_int_equal(rig.g.count[GUEST_ON_READ], reads);
	assert_int_equal(rig.g.count[GUEST_ON_WRITE], writes);
	assert_int_equal(rig.g.count[GUEST_ON_SWAP], 0);
	assert_int_equal(rig.g.count[GUEST_ON_DIRTY], 0);
	finish(rig.lpis, viommu_run(rig.lpis));
	finish(rig.its, viommu_run(rig.its));
	assert_int_equal(rig.g.count[GUEST_ON_WRITE], writes);
	drop(&s);
	its_close(&rig);
}

/* A DISCARD that waits for a delivery travels: on the other side nobody delivers. */
static struct saved in_between;

static void hook(void *opaque, enum guest_event event)
{
	struct its_rig *r = opaque;

	if (event != GUEST_ON_READ || in_between.its)
		return;
	in_between.its = (void *)1;
	its_command(r, DISCARD(1, 0));
	assert_int_equal(r->result, VIOMMU_PENDING);
	save(r, &in_between);
}

static void command_under_way(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	assert_int_equal(its_command(&rig, MAPC(0, 0)), 0);
	assert_int_equal(its_command(&rig, MAPD(1, 5, 0)), 0);
	assert_int_equal(its_command(&rig, MAPTI(1, 0, 8192, 0)), 0);
	memset(&in_between, 0, sizeof(in_between));
	rig.g.hook = hook;
	rig.g.hook_opaque = &rig;
	its_msi(&rig, 1, 0);
	rig.g.hook = NULL;
	its_open(&other, &(struct its_rig_config){ .off = true });
	copy_memory(&other, &rig);
	assert_int_equal(viommu_restore(other.lpis, in_between.lpis, in_between.lpis_bytes),
			 VIOMMU_PENDING);
	finish(other.lpis, viommu_run(other.lpis));
	assert_int_equal(its_lpi(&other, 0, 8192) & 1, 1);
	restore(&other, &in_between);
	assert_int_equal(its_lpi(&other, 0, 8192) & 1, 0);
	assert_int_equal(its_read(other.its, 0x90), 4 * 32);
	drop(&in_between);
	its_close(&other);
	its_close(&rig);
}

/* ---- states that are refused ---- */

/* The sum of the format (lib/base/state.h): of all bytes before the end record, rotating. */
static void seal(unsigned char *state, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes - 16; i++)
		total = (total << 1 | total >> 63) + state[i];
	memcpy(state + bytes - 8, &total, sizeof(total));
}

/* Every byte of a state is altered; with the sum made right, it is refused whole, or is one that can be. */
static void alter(struct viommu *u, const void *good, uint64_t bytes, unsigned *refused,
		  unsigned *taken)
{
	unsigned char *state = malloc(bytes);

	for (uint64_t at = 16; at < bytes - 16; at++) {
		static const unsigned char flips[] = { 0x01, 0x80, 0xff };

		for (unsigned i = 0; i < sizeof(flips); i++) {
			int result;

			memcpy(state, good, bytes);
			state[at] ^= flips[i];
			seal(state, bytes);
			result = viommu_restore(u, state, bytes);
			if (result == VIOMMU_ESTATE) {
				++*refused;
				continue;
			}
			assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
			for (unsigned run = 0; run < 100 && result == VIOMMU_PENDING; run++)
				result = viommu_run(u);
			++*taken;
		}
	}
	free(state);
}

static void altered_states(void **state)
{
	struct saved s;
	unsigned refused = 0;
	unsigned taken = 0;

	its_open(&rig, &(struct its_rig_config){ 0 });
	make_busy(&rig);
	save(&rig, &s);
	alter(rig.its, s.its, s.its_bytes, &refused, &taken);
	alter(rig.lpis, s.lpis, s.lpis_bytes, &refused, &taken);
	print_message("%u refused, %u taken\n", refused, taken);
	assert_true(refused > 500 && taken > 100);
	restore(&rig, &s);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_LPI(8192, 2));
	/* cut off */
	for (uint64_t bytes = 0; bytes < s.its_bytes; bytes++)
		assert_int_equal(viommu_restore(rig.its, s.its, bytes), VIOMMU_ESTATE);
	assert_int_equal(viommu_restore(rig.its, s.lpis, s.lpis_bytes), VIOMMU_ESTATE);
	assert_int_equal(viommu_restore(rig.lpis, s.its, s.its_bytes), VIOMMU_ESTATE);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_LPI(8192, 2)); /* unchanged */
	drop(&s);
	its_close(&rig);
}

/* One field at a time is something else. Device 1 has 5 bits of EventID, and event 0 is LPI 8192 in collection 100. */
#define FIELD(mask, x) (((mask) & -(mask)) * (x))
#define EVENT(intid)   (FIELD(EVENT_INTID, intid) | FIELD(EVENT_TARGET, 100))
#define FIRST_EVENT    24 /* of the first device: DeviceID, bits, ITT, number of events; EventID */

static const struct {
	const char *name;
	const char record[5];
	uint32_t at;
	uint32_t bytes;
	uint64_t value;
	int result;
} fields[] = {
	{ "as it is", "devs", 4, 4, 5, VIOMMU_PENDING },
	{ "device: no bits", "devs", 4, 4, 0, VIOMMU_ESTATE },
	{ "device: more bits than TYPER.ID_bits", "devs", 4, 4, 17, VIOMMU_ESTATE },
	{ "device: ITT between 256 bytes", "devs", 8, 8, ITS_RIG_ITT(0) + 1, VIOMMU_ESTATE },
	{ "device: ITT above 52 bits", "devs", 8, 8, BIT(52), VIOMMU_ESTATE },
	{ "event: not valid", "devs", FIRST_EVENT, 8, EVENT(8192), VIOMMU_ESTATE },
	{ "event: no LPI", "devs", FIRST_EVENT, 8, EVENT_VALID | EVENT(8191), VIOMMU_ESTATE },
	{ "event: another LPI", "devs", FIRST_EVENT, 8, EVENT_VALID | EVENT(8200), VIOMMU_PENDING },
	{ "current: nothing but that it quiesces", "curr", 0, 8, BIT(2), VIOMMU_PENDING },
	{ "current: the orphan of no command", "curr", 0, 8, BIT(1), VIOMMU_ESTATE },
	{ "current: unknown flag", "curr", 0, 8, BIT(4), VIOMMU_ESTATE },
};

/* What a record of the state has in it: its name and its length come first. */
static unsigned char *record_in(unsigned char *state, uint64_t bytes, const char *name)
{
	for (uint64_t at = 0; at + 8 < bytes; at++) {
		if (!memcmp(state + at, name, 4))
			return state + at + 8;
	}
	fail_msg("%s: no such record", name);
	return NULL;
}

static void altered_fields(void **state)
{
	struct saved s;
	unsigned char *altered;

	its_open(&rig, &(struct its_rig_config){ 0 });
	make_busy(&rig);
	save(&rig, &s);
	altered = malloc(s.its_bytes);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		int result;

		memcpy(altered, s.its, s.its_bytes);
		memcpy(record_in(altered, s.its_bytes, fields[i].record) + fields[i].at,
		       &fields[i].value, fields[i].bytes);
		seal(altered, s.its_bytes);
		result = viommu_restore(rig.its, altered, s.its_bytes);
		check_eq(fields[i].name, result, fields[i].result);
		if (result == VIOMMU_PENDING)
			finish(rig.its, result);
	}
	free(altered);
	drop(&s);
	its_close(&rig);
}

/* ---- the guest's tables ---- */

#define DTE(next, itt, bits)                                                                       \
	(ITS_V | (uint64_t)(next) << 49 | (uint64_t)(itt) >> 8 << 5 | ((bits)-1))
#define CTE(icid, cpu)	       (ITS_V | (uint64_t)(cpu) << 16 | (icid))
#define ITE(next, intid, icid) ((uint64_t)(next) << 48 | (uint64_t)(intid) << 16 | (icid))

/* The order of the documentation: tables and LPIs, then the ITS's registers, then its tables, then CTLR. */
static int restore_tables(struct its_rig *to, struct its_rig *from)
{
	static const uint64_t offsets[] = { 0x80, 4, 0x100, 0x108, 0x88, 0x90 };
	int result;

	copy_memory(to, from);
	for (uint32_t cpu = 0; cpu < ITS_RIG_CPUS; cpu++) {
		its_write(to->lpis, VIOMMU_LPIS_OFFSET(cpu, 0x70), ITS_RIG_PROP | 15);
		its_write(to->lpis, VIOMMU_LPIS_OFFSET(cpu, 0x78), ITS_RIG_PEND(cpu));
		finish(to->lpis, its_write32(to->lpis, VIOMMU_LPIS_OFFSET(cpu, 0), 1));
	}
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		uint64_t value = offsets[i] == 4 ? its_read32(from->its, 4)
						 : its_read(from->its, offsets[i]);

		assert_int_equal(viommu_its_set_register(to->its, offsets[i], value), VIOMMU_OK);
	}
	result = viommu_its_restore_tables(to->its);
	if (result >= 0 && result != VIOMMU_FAULT)
		finish(to->its, viommu_its_set_register(to->its, 0, its_read32(from->its, 0)));
	return result;
}

static void table_bytes(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	assert_int_equal(its_command(&rig, MAPC(7, 3)), 0);
	assert_int_equal(its_command(&rig, MAPC(300, 1)), 0);
	assert_int_equal(its_command(&rig, MAPD(2, 5, ITS_RIG_ITT(0))), 0);
	assert_int_equal(its_command(&rig, MAPD(9, 1, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(&rig, MAPTI(2, 1, 8200, 7)), 0);
	assert_int_equal(its_command(&rig, MAPTI(2, 4, 8201, 300)), 0);
	assert_int_equal(its_command(&rig, MAPTI(2, 5, 8202, 8)), 0); /* ICID 8 is not mapped */
	guest_put64(&rig.g, ITS_RIG_DEVICES + 8 * 5, UINT64_MAX);     /* stale */
	guest_put64(&rig.g, ITS_RIG_ITT(0) + 8 * 2, UINT64_MAX);
	guest_put64(&rig.g, ITS_RIG_COLL + 8 * 2, UINT64_MAX);
	guest_put64(&rig.g, ITS_RIG_COLL + 8 * 3, 0x1234);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_DEVICES + 8 * 2), DTE(7, ITS_RIG_ITT(0), 5));
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_DEVICES + 8 * 5), 0);
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_DEVICES + 8 * 9), DTE(0, ITS_RIG_ITT(1), 1));
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_COLL), CTE(7, 3));
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_COLL + 8), CTE(300, 1));
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_COLL + 16), 0);
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_COLL + 24), 0x1234); /* behind the end */
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_ITT(0) + 8), ITE(3, 8200, 7));
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_ITT(0) + 16), 0);
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_ITT(0) + 32), ITE(0, 8201, 300));
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_ITT(0) + 40), 0);
	/* every word that was written was reported, and nothing is written twice */
	assert_int_equal(rig.g.count[GUEST_ON_DIRTY], 9);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(rig.g.dirty[i].bytes, 8);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
	assert_int_equal(rig.g.count[GUEST_ON_DIRTY], 9);
	its_close(&rig);
}

static void tables_round_trip(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	make_busy(&rig);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
	assert_int_equal(viommu_lpis_save_pending(rig.lpis), VIOMMU_OK);
	its_open(&other, &(struct its_rig_config){ .off = true });
	assert_int_equal(restore_tables(&other, &rig), VIOMMU_OK);
	same_answers(&rig, &other);
	assert_int_equal(its_read(other.its, 0x90), its_read(rig.its, 0x90));
	assert_int_equal(its_read(other.its, 0x88), its_read(rig.its, 0x88));
	other.unit[0].tail = rig.unit[0].tail;
	assert_int_equal(its_command(&other, MAPC(0, 2)), 0); /* and the queue goes on */
	its_close(&other);
	its_close(&rig);
}

/* One way, restored, the other way, restored: alike. */
static void ways_are_equivalent(void **state)
{
	static struct its_rig third;
	struct saved s;

	its_open(&rig, &(struct its_rig_config){ 0 });
	make_busy(&rig);
	save(&rig, &s);
	its_open(&other, &(struct its_rig_config){ .off = true });
	copy_memory(&other, &rig);
	restore(&other, &s);
	drop(&s);
	assert_int_equal(viommu_its_save_tables(other.its), VIOMMU_OK);
	assert_int_equal(viommu_lpis_save_pending(other.lpis), VIOMMU_OK);
	its_open(&third, &(struct its_rig_config){ .off = true });
	assert_int_equal(restore_tables(&third, &other), VIOMMU_OK);
	same_answers(&rig, &third);
	its_close(&third);
	its_close(&other);
	its_close(&rig);
}

static void indirect_tables(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .off = true });
	its_program_lpis(&rig);
	its_write(rig.its, 0x100, ITS_RIG_DEVICES | UINT64_C(1) << 62 | ITS_V);
	its_write(rig.its, 0x108, ITS_RIG_COLL | ITS_V);
	its_write(rig.its, 0x80, ITS_RIG_QUEUE | ITS_V);
	its_write32(rig.its, 0, 1);
	guest_put64(&rig.g, ITS_RIG_DEVICES, ITS_RIG_L2 | ITS_V);
	guest_put64(&rig.g, ITS_RIG_DEVICES + 8 * 15, (ITS_RIG_L2 + 0x1000) | ITS_V);
	assert_int_equal(its_command(&rig, MAPC(100, 2)), 0);
	assert_int_equal(its_command(&rig, MAPD(3, 5, ITS_RIG_ITT(3))), 0);
	assert_int_equal(its_command(&rig, MAPD(7681, 5, ITS_RIG_ITT(4))), 0);
	assert_int_equal(its_command(&rig, MAPD(600, 5, 0)), VIOMMU_ITS_ERROR(8, 1));
	assert_int_equal(its_command(&rig, MAPTI(7681, 31, 8300, 100)), 0);
	guest_put64(&rig.g, ITS_RIG_L2 + 0x1000, UINT64_MAX); /* a stale entry of the second page */
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_L2 + 24), DTE(7678, ITS_RIG_ITT(3), 5));
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_L2 + 0x1000), 0);
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_L2 + 0x1008), DTE(0, ITS_RIG_ITT(4), 5));
	its_open(&other, &(struct its_rig_config){ .off = true });
	assert_int_equal(restore_tables(&other, &rig), VIOMMU_OK);
	assert_int_equal(its_resolve(&other, 7681, 31), ITS_LPI(8300, 2));
	assert_int_equal(its_resolve(&other, 3, 31), ITS_REFUSED(7));
	/* level 1 has lost the page of a device */
	guest_put64(&rig.g, ITS_RIG_DEVICES + 8 * 15, 0);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_FAULT);
	its_close(&other);
	its_close(&rig);
}

/* A distance that does not fit into 14 bits ends early, and the scan goes on from there. */
static void distant_devices(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .off = true });
	its_program_lpis(&rig);
	/* pages of 64 KiB: 8 of them for 65536 devices, over whatever else is there */
	its_write(rig.its, 0x100, ITS_RIG_VPT(0) | 0x207 | ITS_V);
	its_write(rig.its, 0x108, ITS_RIG_COLL | ITS_V);
	its_write(rig.its, 0x80, ITS_RIG_QUEUE | ITS_V);
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_command(&rig, MAPD(1, 1, ITS_RIG_ITT(3))), 0);
	assert_int_equal(its_command(&rig, MAPD(60000, 1, ITS_RIG_ITT(4))), 0);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
	assert_int_equal(guest_get64(&rig.g, ITS_RIG_VPT(0) + 8), DTE(16383, ITS_RIG_ITT(3), 1));
	its_open(&other, &(struct its_rig_config){ .off = true });
	assert_int_equal(restore_tables(&other, &rig), VIOMMU_OK);
	assert_int_equal(its_resolve(&other, 60000, 0), ITS_REFUSED(7));
	assert_int_equal(its_resolve(&other, 1, 0), ITS_REFUSED(7));
	assert_int_equal(its_resolve(&other, 2, 0), ITS_REFUSED(4));
	its_close(&other);
	its_close(&rig);
}

/* ---- tables that a hostile guest prepared ---- */

static const struct {
	const char *name;
	uint64_t at;
	uint64_t word;
	int result;
} hostile[] = {
	{ "as saved", ITS_RIG_COLL + 24, 0, VIOMMU_OK },
	{ "CTE: redistributor out of range", ITS_RIG_COLL, CTE(0, 4), VIOMMU_ESTATE },
	{ "CTE: not mapped", ITS_RIG_COLL + 24, CTE(200, UINT64_C(0xffffffff)), VIOMMU_OK },
	{ "CTE: ICID twice", ITS_RIG_COLL + 24, CTE(0, 0), VIOMMU_ESTATE },
	{ "CTE: ICID out of the table", ITS_RIG_COLL + 24, CTE(512, 0), VIOMMU_ESTATE },
	{ "CTE: all of RDBASE", ITS_RIG_COLL + 24, CTE(200, UINT64_C(0xfffffffff)), VIOMMU_ESTATE },
	{ "DTE: too many bits", ITS_RIG_DEVICES + 8, DTE(2, ITS_RIG_ITT(0), 17), VIOMMU_ESTATE },
	{ "DTE: ITT where no memory is", ITS_RIG_DEVICES + 8, DTE(2, 0xff000000, 5), VIOMMU_FAULT },
	{ "DTE: ITT at the top", ITS_RIG_DEVICES + 8, DTE(2, UINT64_C(0xfffffffffff00), 5),
	  VIOMMU_FAULT },
	{ "DTE: next beyond the table", ITS_RIG_DEVICES + 8 * 700, DTE(16383, ITS_RIG_ITT(2), 7),
	  VIOMMU_OK },
	{ "DTE: one more, inside", ITS_RIG_DEVICES + 16, DTE(1, ITS_RIG_ITT(5), 5), VIOMMU_OK },
	{ "ITE: no LPI", ITS_RIG_ITT(0), ITE(1, 100, 0), VIOMMU_ESTATE },
	{ "ITE: ICID out of the table", ITS_RIG_ITT(0), ITE(1, 8192, 512), VIOMMU_ESTATE },
	{ "ITE: INTID out of range", ITS_RIG_ITT(0), ITE(1, 65536, 0), VIOMMU_ESTATE },
	{ "ITE: huge INTID", ITS_RIG_ITT(0), ITE(1, UINT32_MAX, 0), VIOMMU_ESTATE },
	{ "ITE: next beyond the ITT", ITS_RIG_ITT(0), ITE(32, 8192, 0), VIOMMU_ESTATE },
	{ "ITE: next far beyond", ITS_RIG_ITT(0), ITE(65535, 8192, 0), VIOMMU_ESTATE },
	{ "ITE: unknown ICID", ITS_RIG_ITT(0), ITE(1, 8192, 44), VIOMMU_ESTATE },
	{ "ITE: ICID out of range", ITS_RIG_ITT(0), ITE(1, 8192, 65535), VIOMMU_ESTATE },
	{ "ITE: to the last", ITS_RIG_ITT(0), ITE(31, 8192, 0), VIOMMU_OK },
};

static void hostile_tables(void **state)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		its_open(&rig, &(struct its_rig_config){ 0 });
		make_busy(&rig);
		assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
		guest_put64(&rig.g, hostile[i].at, hostile[i].word);
		its_open(&other, &(struct its_rig_config){ .off = true });
		check_eq(hostile[i].name, restore_tables(&other, &rig), hostile[i].result);
		if (hostile[i].result) {
			its_write32(other.its, 0, 1);
			for (uint32_t device = 0; device < 8192; device++)
				check_eq(hostile[i].name, its_resolve(&other, device, 0),
					 ITS_REFUSED(4));
		}
		its_close(&other);
		its_close(&rig);
	}
}

static void caps_hold(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	make_busy(&rig);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
	its_open(&other, &(struct its_rig_config){ .off = true, .devices = 3 });
	assert_int_equal(restore_tables(&other, &rig), VIOMMU_ELIMIT);
	its_close(&other);
	its_close(&rig);
}

/* Revision 0 cannot represent it. */
static const struct {
	const char *name;
	uint64_t typer;
	uint32_t flags;
} too_much[] = {
	{ "17-bit DeviceIDs", 0x20f71, 0 },
	{ "Virtual", ITS_RIG_TYPER_V4, VIOMMU_LPIS_V4 },
	{ "HCC", 0x401ef71, 0 },
	{ "PTA", 0x9ef71, 0 },
};

static void not_representable(void **state)
{
	for (size_t i = 0; i < sizeof(too_much) / sizeof(too_much[0]); i++) {
		its_open(&rig, &(struct its_rig_config){ .typer = too_much[i].typer,
							 .flags = too_much[i].flags,
							 .vpes = too_much[i].flags ? 4 : 0 });
		check_eq(too_much[i].name, viommu_its_save_tables(rig.its), VIOMMU_ENOTSUP);
		its_write32(rig.its, 0, 0);
		check_eq(too_much[i].name, viommu_its_restore_tables(rig.its), VIOMMU_ENOTSUP);
		its_close(&rig);
	}
	its_open(&rig, &(struct its_rig_config){ 0 });
	assert_int_equal(viommu_its_restore_tables(rig.its), VIOMMU_EBUSY); /* Enabled */
	its_write32(rig.its, 0, 0);
	its_write(rig.its, 0x108, ITS_RIG_COLL | ITS_V | UINT64_C(1) << 62);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_ENOTSUP);
	assert_int_equal(viommu_its_save_tables(rig.lpis), VIOMMU_EINVAL);
	assert_int_equal(viommu_its_restore_tables(NULL), VIOMMU_EINVAL);
	its_close(&rig);
}

static void memory_that_fails(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	make_busy(&rig);
	rig.g.fail_kinds = 1U << GUEST_ON_WRITE;
	rig.g.fail_in = 3;
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_FAULT);
	assert_int_equal(viommu_its_save_tables(rig.its), VIOMMU_OK);
	its_close(&rig);
}

/* ---- viommu_its_set_register() ---- */

static void set_register(void **state)
{
	static const struct {
		const char *name;
		uint64_t offset;
		uint64_t value;
		int result;
	} rows[] = {
		{ "IIDR, revision 0", 4, 0x43b, VIOMMU_OK },
		{ "IIDR, revision 1", 4, 0x143b, VIOMMU_EINVAL },
		{ "TYPER, the same", 8, 0x1ef71, VIOMMU_OK },
		{ "TYPER, another", 8, 0x1ef70, VIOMMU_EINVAL },
		{ "CTLR, wide", 0, UINT64_C(1) << 32, VIOMMU_EINVAL },
		{ "CTLR", 0, 0x80000000, VIOMMU_OK },
		{ "BASER0, other type", 0x100, 0, VIOMMU_EINVAL },
		{ "BASER0", 0x100, 0x0107000000000000, VIOMMU_OK },
		{ "BASER2, of type 0", 0x110, UINT64_MAX, VIOMMU_OK },
		{ "BASER7", 0x138, 1, VIOMMU_OK },
		{ "BASER7, upper half", 0x13c, 0, VIOMMU_ENOENT },
		{ "behind BASER7", 0x140, 0, VIOMMU_ENOENT },
		{ "CREADR", 0x90, 64, VIOMMU_OK },
		{ "CREADR, stalled", 0x90, 65, VIOMMU_OK },
		{ "CREADR beyond the queue", 0x90, 4096, VIOMMU_EINVAL },
		{ "CREADR, other bits", 0x90, 2, VIOMMU_EINVAL },
		{ "the middle of a register", 0x84, 0, VIOMMU_ENOENT },
		{ "nothing", 0x20, 0, VIOMMU_ENOENT },
		{ "misaligned", 1, 0, VIOMMU_ENOENT },
		{ "beyond the frame", 0x10040, 0, VIOMMU_ENOENT },
		{ "far beyond", UINT64_MAX, 0, VIOMMU_ENOENT },
	};

	its_open(&rig, &(struct its_rig_config){ .off = true });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_eq(rows[i].name,
			 viommu_its_set_register(rig.its, rows[i].offset, rows[i].value),
			 rows[i].result);
	assert_int_equal(its_read(rig.its, 0x110), 0);
	assert_int_equal(viommu_its_set_register(rig.lpis, 0, 0), VIOMMU_EINVAL);
	its_program_lpis(&rig);
	its_program(&rig, 0);
	assert_int_equal(viommu_its_set_register(rig.its, 0x90, 0), VIOMMU_EBUSY);
	its_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_round_trip), cmocka_unit_test(buffer_leaves_memory_alone),
		cmocka_unit_test(command_under_way), cmocka_unit_test(altered_states),
		cmocka_unit_test(altered_fields),    cmocka_unit_test(table_bytes),
		cmocka_unit_test(tables_round_trip), cmocka_unit_test(ways_are_equivalent),
		cmocka_unit_test(indirect_tables),   cmocka_unit_test(distant_devices),
		cmocka_unit_test(hostile_tables),    cmocka_unit_test(caps_hold),
		cmocka_unit_test(not_representable), cmocka_unit_test(memory_that_fails),
		cmocka_unit_test(set_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
