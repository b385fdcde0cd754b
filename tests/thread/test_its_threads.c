/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_threads.c - the stale-answer checker for an ITS (obligations 12, 14, 18): once SYNC is
 * complete, no message and no lookup that starts later has what an event was before, and nothing that
 * was delivered before is pending where it was taken away.
 *
 * Each change of an event gives it a version that can be told from its answer. One thread has the
 * queue; others resolve and deliver all the time. No answer may be older than what was complete before
 * they asked, nor newer than what has been published since.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "its_rig.h"

enum { EVENTS = 16, READERS = 2, ROUNDS = 4000, DEVICE = 5, CPUS = 1000 };

enum how { BY_MAPTI, BY_MOVI, BY_DISCARD, BY_MAPD, BY_MAPC, BY_ROOM };

static const struct row {
	const char *name;
	enum how how;
	bool deliver;
} rows[] = {
	{ "MAPTI, resolved", BY_MAPTI, false },	    { "MAPTI, delivered", BY_MAPTI, true },
	{ "MOVI, resolved", BY_MOVI, false },	    { "MOVI, delivered", BY_MOVI, true },
	{ "DISCARD, delivered", BY_DISCARD, true }, { "MAPD, resolved", BY_MAPD, false },
	{ "MAPC, resolved", BY_MAPC, false },	    { "moved by another's MAPD", BY_ROOM, false },
};

static struct its_rig rig;
static const struct row *row;
static _Atomic uint32_t published[EVENTS];
static _Atomic uint32_t completed[EVENTS];
static _Atomic bool stop;
static _Atomic uint32_t failed;
static _Atomic uint64_t answers;

/* EventIDs: of many, the last ones, which are moved last. */
static uint32_t id_of(uint32_t event)
{
	return row->how == BY_ROOM ? 1024 - EVENTS + event : event;
}

/* An answer's version: the INTID, or the redistributor, says it. */
static uint32_t intid_of(uint32_t event, uint32_t version)
{
	bool by_intid = row->how != BY_MOVI && row->how != BY_MAPC;

	return 8192 + (by_intid ? version * EVENTS : 0) + event;
}

static uint32_t version_of(const struct viommu_msi *msi, uint32_t event, uint32_t least)
{
	uint32_t version;

	if (row->how != BY_MOVI && row->how != BY_MAPC)
		return (msi->intid - 8192 - event) / EVENTS;
	/* redistributors come again: the nearest that is not older */
	version = least - least % CPUS + msi->cpu;
	return version < least ? version + CPUS : version;
}

static void complain(const char *what, uint32_t event, uint32_t got, uint32_t least, uint32_t most)
{
	if (atomic_fetch_add(&failed, 1) == 0)
		fprintf(stderr, "%s: %s: event %u: version %u, not %u to %u\n", row->name, what,
			event, got, least, most);
}

static void *reader(void *opaque)
{
	uint32_t event = (uint32_t)(uintptr_t)opaque;

	while (!atomic_load(&stop)) {
		struct viommu_msi msi;
		uint32_t least;
		uint32_t most;
		uint32_t got;
		int result;

		event = (event * 5 + 3) % EVENTS;
		least = atomic_load(&completed[event]);
		result = viommu_remap_msi(rig.its, DEVICE, ITS_RIG_BASE + 0x10040, id_of(event),
					  row->deliver ? 0 : VIOMMU_MSI_RESOLVE, &msi);
		most = atomic_load(&published[event]);
		atomic_fetch_add(&answers, 1);
		if (result == VIOMMU_FAULT) {
			/* between two mappings; moved, it is mapped all the time */
			if (row->how == BY_MAPTI || row->how == BY_MOVI ||
			    (row->how == BY_ROOM && least == most))
				complain("refused", event, 0, least, most);
			continue;
		}
		got = version_of(&msi, event, least);
		if (got < least || got > most)
			complain(row->deliver ? "delivered" : "resolved", event, got, least, most);
	}
	return NULL;
}

/* ---- the guest ---- */

static void done(int result)
{
	while (result == VIOMMU_PENDING) {
		sched_yield();
		result = viommu_run(rig.its);
	}
	assert_int_equal(result, VIOMMU_OK);
}

static void run(struct its_words command)
{
	rig.unit[0].code = 0;
	its_command(&rig, command);
	done(rig.result);
	check_eq(row->name, rig.unit[0].code, 0);
}

static uint32_t pending(uint32_t cpu, uint32_t intid)
{
	return its_lpi(&rig, cpu, intid) & 1;
}

/* All events change at once. */
static bool is_whole(void)
{
	return row->how == BY_MAPD || row->how == BY_MAPC || row->how == BY_ROOM;
}

/* The device is at the beginning of the pool, and NEIGHBOUR in the upper half; LARGE needs a half. */
enum { FILLER = 20, FILLERS = 3, NEIGHBOUR = 6, LARGE = 7, POOL = 16384 };

static void separate(void)
{
	for (uint32_t i = 0; i < FILLERS; i++)
		run(MAPD(FILLER + i, 10 + i, 0));
	run(MAPD(NEIGHBOUR, 4, 0));
	for (uint32_t i = 0; i < FILLERS; i++)
		run(UNMAPD(FILLER + i));
}

static void change(uint32_t event, uint32_t version)
{
	uint32_t old = atomic_load(&completed[event]);

	for (uint32_t i = 0; i < EVENTS; i++) {
		if (i == event || is_whole())
			atomic_store(&published[i], version);
	}
	switch (row->how) {
	case BY_MAPTI:
		run(MAPTI(DEVICE, event, intid_of(event, version), 0));
		break;
	case BY_MOVI:
		run(MOVI(DEVICE, event, version % CPUS));
		break;
	case BY_DISCARD:
		run(DISCARD(DEVICE, event));
		run(SYNC(0));
		/* whoever found it has been waited for */
		check_eq(row->name, pending(0, intid_of(event, old)), 0);
		run(MAPTI(DEVICE, event, intid_of(event, version), 0));
		break;
	case BY_ROOM:
		run(UNMAPD(LARGE));
		run(UNMAPD(NEIGHBOUR));
		run(MAPD(DEVICE, 10, 0));
		for (uint32_t i = 0; i < EVENTS; i++)
			run(MAPTI(DEVICE, id_of(i), intid_of(i, version), 0));
		separate();
		break;
	case BY_MAPD:
		run(MAPD(DEVICE, version % 2 ? 4 : 6, 0));
		for (uint32_t i = 0; i < EVENTS; i++)
			run(MAPTI(DEVICE, i, intid_of(i, version), 0));
		break;
	case BY_MAPC:
		run(MAPC(0, version % CPUS));
		break;
	}
	run(SYNC(0));
	if (row->how == BY_MOVI && row->deliver)
		check_eq(row->name, pending(old % CPUS, intid_of(event, version)), 0);
	for (uint32_t i = 0; i < EVENTS; i++) {
		if (i == event || is_whole())
			atomic_store(&completed[i], version);
	}
	if (row->how == BY_ROOM)
		run(MAPD(LARGE, 13, 0));
}

static void set_up(void)
{
	its_open(&rig, &(struct its_rig_config){ .intid_bits = 20,
						 .cpus = CPUS,
						 .silent = true,
						 .events = row->how == BY_ROOM ? POOL : 0 });
	for (uint32_t i = 0; i < 512; i++)
		run(MAPC(i, i));
	run(MAPD(DEVICE, row->how == BY_ROOM ? 10 : 4, 0));
	for (uint32_t i = 0; i < EVENTS; i++) {
		atomic_store(&published[i], 0);
		atomic_store(&completed[i], 0);
		run(MAPTI(DEVICE, id_of(i), intid_of(i, 0), 0));
	}
	atomic_store(&stop, false);
	atomic_store(&failed, 0);
	atomic_store(&answers, 0);
}

static void no_stale_answer(void **state)
{
	for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
		uint32_t version[EVENTS] = { 0 };
		pthread_t thread[READERS];

		row = &rows[n];
		set_up();
		for (uintptr_t i = 0; i < READERS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, reader, (void *)i), 0);
		for (uint32_t round = 0; round < ROUNDS && !atomic_load(&failed); round++) {
			uint32_t event = is_whole() ? 0 : round % EVENTS;

			/* MOVI goes to collections of the table: versions stay below 512 */
			if (version[event] ==
			    (row->how == BY_MOVI || row->how == BY_ROOM ? 500U : 3500U))
				break;
			change(event, ++version[event]);
		}
		/* until the readers have had their turn, too */
		while (atomic_load(&answers) < 1000 && !atomic_load(&failed))
			sched_yield();
		atomic_store(&stop, true);
		for (unsigned i = 0; i < READERS; i++)
			pthread_join(thread[i], NULL);
		check_eq(row->name, atomic_load(&failed), 0);
		its_close(&rig);
	}
}

/* ---- redistributors and two ITSs at once: nothing is lost ---- */

static _Atomic uint64_t delivered;

static void *sender(void *opaque)
{
	uint32_t unit = (uint32_t)(uintptr_t)opaque;

	for (uint32_t i = 0; i < 20000; i++) {
		struct viommu_msi msi;

		if (viommu_remap_msi(rig.unit[unit].its, DEVICE,
				     ITS_RIG_BASE + unit * 0x100000 + 0x10040, i % EVENTS, 0,
				     &msi) == VIOMMU_OK)
			atomic_fetch_add(&delivered, 1);
	}
	return NULL;
}

/* MOVALL back and forth, INVALL and the registers, while LPIs arrive: each that was delivered is
 * pending somewhere in the end. */
static void nothing_is_lost(void **state)
{
	static const struct row any = { "MOVALL", BY_MAPTI, true };
	pthread_t thread[2];

	row = &any;
	its_open(&rig, &(struct its_rig_config){ .units = 2, .silent = true });
	for (unsigned unit = 0; unit < 2; unit++) {
		its_command_on(&rig, unit, MAPC(0, unit));
		its_command_on(&rig, unit, MAPD(DEVICE, 4, 0));
		for (uint32_t i = 0; i < EVENTS; i++)
			its_command_on(&rig, unit, MAPTI(DEVICE, i, 9000 + i, 0));
	}
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, sender, (void *)i), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		run(MOVALL(i % 2, 1 - i % 2));
		if (i % 8 == 0)
			run(INVALL(0));
		if (i % 16 == 0)
			its_write(rig.lpis, 0xb0, 0);
		if (i % 16 == 8)
			its_write(rig.lpis, 0xa0, 9000 + i % EVENTS);
		run(SYNC(0));
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(atomic_load(&delivered), 40000);
	for (uint32_t i = 0; i < EVENTS; i++)
		assert_true(pending(0, 9000 + i) || pending(1, 9000 + i));
	its_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_stale_answer),
		cmocka_unit_test(nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
