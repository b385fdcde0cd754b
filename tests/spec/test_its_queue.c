/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_queue.c - the command queue of an ITS: the ring, stalls and Retry, bounded work, what is
 * waited for, enabling and disabling (IHI 0069 5.3, 12.19); routes and listeners (design: 9).
 */
#include "check.h"
#include "its_rig.h"

#include <libvirtiommu/routes.h>

static struct its_rig rig;

static void map_one(struct its_rig *r)
{
	assert_int_equal(its_command(r, MAPC(0, 0)), 0);
	assert_int_equal(its_command(r, MAPC(1, 1)), 0);
	assert_int_equal(its_command(r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
	assert_int_equal(its_command(r, MAPTI(1, 0, 8192, 0)), 0);
	assert_int_equal(its_command(r, MAPTI(1, 1, 8193, 1)), 0);
}

static void finish(struct viommu *u, int result)
{
	for (unsigned i = 0; result == VIOMMU_PENDING && i < 100000; i++)
		result = viommu_run(u);
	assert_int_equal(result, VIOMMU_OK);
}

/* ---- the ring ---- */

static void wraps(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	for (unsigned i = 1; i <= 300; i++) {
		assert_int_equal(its_command(&rig, SYNC(0)), 0);
		assert_int_equal(its_read(rig.its, 0x90), i * 32 % 4096);
		assert_int_equal(its_read(rig.its, 0x88), i * 32 % 4096);
	}
	its_close(&rig);
}

static void writer_beyond_the_queue(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	its_write(rig.its, 0x88, 4096);
	assert_int_equal(its_read(rig.its, 0x88), 5 * 32);
	assert_int_equal(its_read(rig.its, 0x90), 5 * 32);
	its_write(rig.its, 0x88, 0xfffe0);
	assert_int_equal(its_read(rig.its, 0x88), 5 * 32);
	its_close(&rig);
}

static void backlog_at_enable(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	its_write32(rig.its, 0, 0);
	its_queue(&rig, 0, MAPC(0, 0));
	its_queue(&rig, 0, MAPD(1, 5, 0));
	its_queue(&rig, 0, MAPTI(1, 0, 8192, 0));
	its_ring(&rig, 0);
	assert_int_equal(its_read(rig.its, 0x90), 0);
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_read(rig.its, 0x90), 3 * 32);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_LPI(8192, 0));
	its_close(&rig);
}

static void another_queue(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	its_write32(rig.its, 0, 0);
	its_write32(rig.its, 0x80, ITS_RIG_QUEUE2); /* either half */
	assert_int_equal(its_read(rig.its, 0x90), 0);
	assert_int_equal(its_read(rig.its, 0x88), 0);
	its_close(&rig);
}

/* ---- stalls ---- */

static void stall_and_retry(void **state)
{
	uint64_t words[4] = { 0 };

	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	rig.g.fail_in = 1;
	its_queue(&rig, 0, MAPC(0, 2));
	assert_int_equal(its_command(&rig, MAPC(1, 2)), VIOMMU_ITS_ERROR_MEMORY);
	assert_memory_equal(rig.unit[0].words, words, sizeof(words));
	assert_int_equal(its_read(rig.its, 0x90), 1);
	assert_int_equal(viommu_run(rig.its), VIOMMU_OK); /* it waits for software */
	assert_int_equal(its_read(rig.its, 0x90), 1);
	its_ring(&rig, 0);
	assert_int_equal(its_read(rig.its, 0x90), 1);
	its_write(rig.its, 0x88, rig.unit[0].tail | 1);
	assert_int_equal(its_read(rig.its, 0x90), 64);
	assert_int_equal(its_read(rig.its, 0x88), 64);
	its_close(&rig);
}

static void retry_without_a_stall(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	its_queue(&rig, 0, MAPC(0, 2));
	its_write(rig.its, 0x88, 33);
	assert_int_equal(its_read(rig.its, 0x90), 32);
	its_close(&rig);
}

/* ---- bounded work ---- */

static void budget(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .budget = 4 });
	for (unsigned i = 0; i < 10; i++)
		its_queue(&rig, 0, MAPC(i, 0));
	rig.work = 0;
	assert_int_equal(its_ring(&rig, 0), VIOMMU_PENDING);
	assert_int_equal(rig.work, 1);
	assert_int_equal(its_read(rig.its, 0x90), 4 * 32);
	assert_int_equal(its_read32(rig.its, 0), 1); /* not quiescent */
	assert_int_equal(viommu_run(rig.its), VIOMMU_PENDING);
	assert_int_equal(its_read(rig.its, 0x90), 8 * 32);
	assert_int_equal(viommu_run(rig.its), VIOMMU_OK);
	assert_int_equal(its_read(rig.its, 0x90), 10 * 32);
	assert_int_equal(its_read32(rig.its, 0), 0x80000001);
	its_close(&rig);
}

/* MOVALL, INVALL and EnableLPIs over many LPIs pay for each. */
static void steps_of_many_lpis(void **state)
{
	unsigned runs = 0;
	int result;

	its_open(&rig, &(struct its_rig_config){ .steps = 64 });
	assert_int_equal(its_command(&rig, MAPC(0, 0)), 0);
	finish(rig.its, rig.result);
	its_command(&rig, MAPD(1, 14, 0));
	finish(rig.its, rig.result);
	for (uint32_t i = 0; i < 1000; i++) {
		its_command(&rig, MAPTI(1, i, 8192 + i, 0));
		finish(rig.its, rig.result);
		assert_int_equal(its_msi(&rig, 1, i), ITS_LPI(8192 + i, 0));
	}
	its_command(&rig, MOVALL(0, 1));
	for (result = rig.result; result == VIOMMU_PENDING; result = viommu_run(rig.its))
		runs++;
	assert_in_range(runs, 10, 100);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(its_lpi(&rig, 1, 8192 + i) & 1, 1);
	assert_int_equal(its_read(rig.its, 0x90), rig.unit[0].tail);
	its_command(&rig, MAPC(0, 1));
	finish(rig.its, rig.result);
	its_command(&rig, INVALL(0));
	for (result = rig.result, runs = 0; result == VIOMMU_PENDING; result = viommu_run(rig.its))
		runs++;
	assert_in_range(runs, 10, 100);
	its_close(&rig);
}

/* ---- what is waited for ---- */

/* From inside a delivery: the lpi callback is made in its section. */
struct nested {
	struct its_words command;
	int result;
	uint32_t calls;
	bool armed;
};

static struct nested nested;

static void nested_hook(void *opaque, enum guest_event event)
{
	struct its_rig *r = opaque;

	if (event != GUEST_ON_READ || !nested.armed)
		return;
	nested.armed = false;
	nested.calls++;
	its_command(r, nested.command);
	nested.result = r->result;
}

static void deliver_around(struct its_words command)
{
	nested = (struct nested){ .command = command, .armed = true };
	rig.g.hook = nested_hook;
	rig.g.hook_opaque = &rig;
	/* the delivery reads the configuration byte, and the guest's command comes in between */
	assert_int_equal(its_msi(&rig, 1, 0), ITS_LPI(8192, 0));
	rig.g.hook = NULL;
	assert_int_equal(nested.calls, 1);
}

/* A delivery that found the event before it was discarded has set the bit: it is cleared after it. */
static void discard_waits_for_deliveries(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	map_one(&rig);
	deliver_around(DISCARD(1, 0));
	assert_int_equal(nested.result, VIOMMU_PENDING);
	assert_int_equal(its_read(rig.its, 0x90), rig.unit[0].tail - 32);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 1);
	assert_true(rig.work > 0); /* the end of the delivery said so */
	assert_int_equal(viommu_run(rig.its), VIOMMU_OK);
	assert_int_equal(its_read(rig.its, 0x90), rig.unit[0].tail);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 0);
	its_close(&rig);
}

static void movi_waits_for_deliveries(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	map_one(&rig);
	deliver_around(MOVI(1, 0, 1));
	assert_int_equal(nested.result, VIOMMU_PENDING);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_LPI(8192, 1));
	assert_int_equal(viommu_run(rig.its), VIOMMU_OK);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 0);
	assert_int_equal(its_lpi(&rig, 1, 8192) & 1, 1);
	its_close(&rig);
}

static void sync_waits_for_deliveries(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	map_one(&rig);
	deliver_around(SYNC(0));
	assert_int_equal(nested.result, VIOMMU_PENDING);
	assert_int_equal(viommu_run(rig.its), VIOMMU_OK);
	assert_int_equal(its_command(&rig, SYNC(0)), 0); /* and nothing is left to wait for */
	assert_int_equal(rig.result, VIOMMU_OK);
	its_close(&rig);
}

static void disable_hook(void *opaque, enum guest_event event)
{
	struct its_rig *r = opaque;

	if (event != GUEST_ON_READ || !nested.armed)
		return;
	nested.armed = false;
	nested.result = its_write32(r->its, 0, 0);
	assert_int_equal(its_read32(r->its, 0), 0);
}

static void quiescent_after_deliveries(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	map_one(&rig);
	nested = (struct nested){ .armed = true };
	rig.g.hook = disable_hook;
	rig.g.hook_opaque = &rig;
	assert_int_equal(its_msi(&rig, 1, 0), ITS_LPI(8192, 0));
	rig.g.hook = NULL;
	assert_int_equal(nested.result, VIOMMU_PENDING);
	assert_int_equal(viommu_run(rig.its), VIOMMU_OK);
	assert_int_equal(its_read32(rig.its, 0), 0x80000000);
	assert_int_equal(its_msi(&rig, 1, 0), ITS_REFUSED(VIOMMU_ITS_REASON_DISABLED));
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_LPI(8192, 0)); /* mappings stay */
	its_close(&rig);
}

/* A command under way when Enabled becomes 0 and the queue is replaced is finished. */
static void command_under_way_at_disable(void **state)
{
	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	map_one(&rig);
	deliver_around(DISCARD(1, 0));
	/* the delivery is over; the command has not been run again */
	its_write32(rig.its, 0, 0);
	assert_int_equal(its_lpi(&rig, 0, 8192) & 1, 0);
	its_close(&rig);
}

/* ---- drops ---- */

static void invalid_tables_drop(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	its_write32(rig.its, 0, 0);
	its_write(rig.its, 0x108, ITS_RIG_COLL2 | ITS_V); /* another place: what is mapped stays */
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_LPI(8192, 0));
	its_write32(rig.its, 0, 0);
	its_write(rig.its, 0x108, 0);
	its_write(rig.its, 0x108, ITS_RIG_COLL | ITS_V);
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_REFUSED(0x10));
	its_write32(rig.its, 0, 0);
	its_write(rig.its, 0x100, 0);
	its_write(rig.its, 0x100, ITS_RIG_DEVICES | 15 | ITS_V);
	its_write32(rig.its, 0, 1);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_REFUSED(0x04));
	its_close(&rig);
}

static void reset(void **state)
{
	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	assert_int_equal(viommu_reset(rig.its), VIOMMU_OK);
	assert_int_equal(its_read32(rig.its, 0), 0x80000000);
	assert_int_equal(its_read(rig.its, 0x80), 0);
	assert_int_equal(its_read(rig.its, 0x100), 0x0107000000000000);
	its_program(&rig, 0);
	assert_int_equal(its_resolve(&rig, 1, 0), ITS_REFUSED(0x04));
	its_close(&rig);
}

/* ---- a reset, or a restored state, inside a delivery ---- */

static struct {
	const void *state; /* NULL: a reset */
	uint64_t bytes;
	int result, after;
	uint64_t ctlr;
	unsigned calls;
} anew;

static void anew_hook(void *opaque, enum guest_event event)
{
	if (event != GUEST_ON_READ || anew.calls++)
		return;
	anew.result = anew.state ? viommu_restore(rig.its, anew.state, anew.bytes)
				 : viommu_reset(rig.its);
	anew.after = viommu_run(rig.its);
	anew.ctlr = its_read32(rig.its, 0);
}

/* 12.19.3: it is complete, and the ITS quiescent, when nobody uses what was answered before. */
static void reset_and_restore_wait_for_deliveries(void **state)
{
	static uint8_t saved[65536];
	uint64_t bytes = sizeof(saved);

	its_open(&rig, &(struct its_rig_config){ .memory = GUEST_CALLBACKS });
	for (unsigned restored = 0; restored < 2; restored++) {
		if (restored)
			its_program(&rig, 0);
		map_one(&rig);
		if (!restored)
			assert_int_equal(viommu_save(rig.its, saved, &bytes), VIOMMU_OK);
		anew.state = restored ? saved : NULL;
		anew.bytes = bytes;
		anew.calls = 0;
		rig.g.hook = anew_hook;
		its_msi(&rig, 1, restored); /* its configuration is read, the first time */
		rig.g.hook = NULL;
		assert_true(anew.calls >= 1);
		assert_int_equal(anew.result, VIOMMU_PENDING);
		assert_int_equal(anew.after, VIOMMU_PENDING);
		assert_int_equal(anew.ctlr, restored); /* Enabled, not Quiescent */
		assert_int_equal(viommu_run(rig.its), VIOMMU_OK);
		assert_int_equal(its_read32(rig.its, 0), UINT32_C(0x80000000) | restored);
	}
	its_close(&rig);
}

/* ---- routes ---- */

enum { ROUTES = 64 };

static uint32_t told_routes;

static void changed(void *opaque)
{
	(void)opaque;
	told_routes++;
}

static struct viommu_routes *routes_of(struct its_rig *r)
{
	struct viommu_routes_config config = { .size = sizeof(config),
					       .gsis = ROUTES,
					       .changed = changed };
	struct viommu_routes *routes = NULL;

	assert_int_equal(viommu_routes_new(r->its, &config, &routes), VIOMMU_OK);
	told_routes = 0;
	return routes;
}

static int set_route(struct viommu_routes *routes, uint32_t gsi, uint32_t device, uint32_t event)
{
	struct viommu_route route = { .size = sizeof(route),
				      .gsi = gsi,
				      .source = device,
				      .address = ITS_RIG_BASE + 0x10040,
				      .data = event };

	return viommu_routes_set(routes, &route);
}

static uint64_t route(struct viommu_routes *routes, uint32_t gsi)
{
	struct viommu_route_change change;

	assert_int_equal(viommu_routes_lookup(routes, gsi, &change), VIOMMU_OK);
	if (!(change.flags & VIOMMU_ROUTE_VALID))
		return ITS_REFUSED(change.msi.reason);
	assert_int_equal(change.msi.kind, VIOMMU_MSI_KIND_LPI);
	return ITS_LPI(change.msi.intid, change.msi.cpu);
}

/* How often routes have been resolved. */
static uint64_t resolved(struct viommu_routes *routes)
{
	struct viommu_routes_statistics s = { .size = sizeof(s) };

	assert_int_equal(viommu_routes_get_statistics(routes, &s), VIOMMU_OK);
	return s.resolved;
}

/* Each command resolves the routes that it concerns again: events 0 to 3 of device 1 at collections 0,
 * 0, 1, 1 and event 0 of device 2 at collection 1 are routes 0 to 4; route 5 is of an event that is not
 * mapped yet. */
static const struct {
	const char *name;
	struct its_words command;
	uint64_t answer[6];
	unsigned concerned; /* how many are resolved again */
} fan_out[] = {
#define A ITS_LPI(8192, 0)
#define B ITS_LPI(8193, 0)
#define C ITS_LPI(8194, 1)
#define D ITS_LPI(8195, 1)
#define E ITS_LPI(8200, 1)
#define N ITS_REFUSED(7)
	{ "DISCARD", { { UINT64_C(0x10000000f), 0, 0, 0 } }, { N, B, C, D, E, N }, 1 },
	{ "MOVI", { { UINT64_C(0x100000001), 1, 1, 0 } }, { A, ITS_LPI(8193, 1), C, D, E, N }, 1 },
	{ "MAPC",
	  { { 9, 0, ITS_V | 2 << 16 | 1, 0 } },
	  { A, B, ITS_LPI(8194, 2), ITS_LPI(8195, 2), ITS_LPI(8200, 2), N },
	  3 },
	{ "MAPC V=0", { { 9, 0, 0, 0 } }, { ITS_REFUSED(16), ITS_REFUSED(16), C, D, E, N }, 2 },
	{ "MAPD", { { UINT64_C(0x100000008), 4, ITS_V, 0 } }, { N, N, N, N, E, N }, 5 },
	{ "MAPD V=0",
	  { { UINT64_C(0x200000008), 0, 0, 0 } },
	  { A, B, C, D, ITS_REFUSED(4), N },
	  1 },
	{ "MAPTI of what was not",
	  { { UINT64_C(0x10000000a), UINT64_C(8300) << 32 | 9, 0, 0 } },
	  { A, B, C, D, E, ITS_LPI(8300, 0) },
	  1 },
	{ "MAPTI over another",
	  { { UINT64_C(0x10000000a), UINT64_C(8300) << 32, 0, 0 } },
	  { ITS_LPI(8300, 0), B, C, D, E, N },
	  1 },
	{ "MOVALL", { { 0xe, 0, 0, 1 << 16 } }, { A, B, C, D, E, N }, 0 },
	{ "INV", { { UINT64_C(0x10000000c), 0, 0, 0 } }, { A, B, C, D, E, N }, 1 },
	{ "INT", { { UINT64_C(0x100000003), 0, 0, 0 } }, { A, B, C, D, E, N }, 0 },
	{ "a refused MOVI", { { UINT64_C(0x100000001), 31, 1, 0 } }, { A, B, C, D, E, N }, 0 },
};

static void routes_follow(void **state)
{
	for (size_t i = 0; i < sizeof(fan_out) / sizeof(fan_out[0]); i++) {
		struct viommu_routes *routes;
		uint64_t before;

		its_open(&rig, &(struct its_rig_config){ 0 });
		map_one(&rig);
		its_command(&rig, MAPTI(1, 1, 8193, 0));
		its_command(&rig, MAPTI(1, 2, 8194, 1));
		its_command(&rig, MAPTI(1, 3, 8195, 1));
		its_command(&rig, MAPD(2, 5, 0));
		its_command(&rig, MAPTI(2, 0, 8200, 1));
		routes = routes_of(&rig);
		for (uint32_t gsi = 0; gsi < 4; gsi++)
			assert_int_equal(set_route(routes, gsi, 1, gsi), VIOMMU_OK);
		assert_int_equal(set_route(routes, 4, 2, 0), VIOMMU_OK);
		assert_int_equal(set_route(routes, 5, 1, 9), VIOMMU_FAULT);
		before = resolved(routes);
		its_command(&rig, fan_out[i].command);
		its_command(&rig, SYNC(0));
		check_eq(fan_out[i].name, rig.result, VIOMMU_OK);
		for (uint32_t gsi = 0; gsi < 6; gsi++)
			check_eq(fan_out[i].name, route(routes, gsi), fan_out[i].answer[gsi]);
		check_eq(fan_out[i].name, resolved(routes) - before, fan_out[i].concerned);
		check_that(fan_out[i].name, (told_routes != 0) == (fan_out[i].concerned != 0));
		assert_int_equal(viommu_routes_free(routes), VIOMMU_OK);
		its_close(&rig);
	}
}

/* Events 0 of device 1 and 12 of device 2585 are of the same place among the routes (route_marks.c). Routes
 * of both in turn. */
static struct viommu_routes *open_neighbours(uint32_t steps)
{
	struct viommu_routes *routes;

	its_open(&rig, &(struct its_rig_config){ .steps = steps });
	its_queue(&rig, 0, MAPC(0, 0));
	its_queue(&rig, 0, MAPC(1, 1));
	its_queue(&rig, 0, MAPD(1, 5, 0));
	its_queue(&rig, 0, MAPD(2585, 5, 0));
	its_queue(&rig, 0, MAPTI(1, 0, 8192, 0));
	its_queue(&rig, 0, MAPTI(2585, 12, 8193, 0));
	finish(rig.its, its_ring(&rig, 0));
	routes = routes_of(&rig);
	for (uint32_t gsi = 0; gsi < ROUTES; gsi++)
		assert_int_equal(set_route(routes, gsi, gsi % 2 ? 2585 : 1, gsi % 2 ? 12 : 0),
				 VIOMMU_OK);
	return routes;
}

static void check_neighbours(const char *name, struct viommu_routes *routes, bool first,
			     bool second)
{
	for (uint32_t gsi = 0; gsi < ROUTES; gsi++)
		check_eq(name, route(routes, gsi),
			 gsi % 2 ? ITS_LPI(8193, second) : ITS_LPI(8192, first));
}

/* Who moves one has only its own routes resolved, and who moves both has all. */
static const struct {
	const char *name;
	bool first;	/* event 0 of device 1 is moved, */
	bool second;	/* and event 12 of device 2585 */
	uint32_t steps; /* of a call; 0: enough */
	unsigned concerned;
} neighbours[] = {
	{ "one of two neighbours", true, false, 0, ROUTES / 2 },
	{ "the other", false, true, 0, ROUTES / 2 },
	{ "both", true, true, 0, ROUTES },
	{ "one of two, in steps", true, false, 8, ROUTES / 2 },
	{ "both, in steps", true, true, 8, ROUTES },
};

static void routes_of_neighbours(void **state)
{
	for (size_t i = 0; i < sizeof(neighbours) / sizeof(neighbours[0]); i++) {
		struct viommu_routes *routes = open_neighbours(neighbours[i].steps);
		uint64_t before = resolved(routes);

		if (neighbours[i].first)
			its_queue(&rig, 0, MOVI(1, 0, 1));
		if (neighbours[i].second)
			its_queue(&rig, 0, MOVI(2585, 12, 1));
		its_queue(&rig, 0, SYNC(0));
		finish(rig.its, its_ring(&rig, 0));
		check_neighbours(neighbours[i].name, routes, neighbours[i].first,
				 neighbours[i].second);
		check_eq(neighbours[i].name, resolved(routes) - before, neighbours[i].concerned);
		assert_int_equal(viommu_routes_free(routes), VIOMMU_OK);
		its_close(&rig);
	}
}

/* INV leaves as many routes of the first to be resolved as a call's steps do not suffice for: any number.
 * Then the second is moved. (The first command of a call takes no step.) */
static void neighbour_moves_meanwhile(void **state)
{
	unsigned left = 0;

	for (uint32_t steps = 1; steps < 2 * ROUTES; steps++) {
		struct viommu_routes *routes = open_neighbours(steps);

		its_queue(&rig, 0, INV(1, 0));
		its_queue(&rig, 0, INV(1, 0));
		left += its_ring(&rig, 0) == VIOMMU_PENDING;
		its_queue(&rig, 0, MOVI(2585, 12, 1));
		its_queue(&rig, 0, SYNC(0));
		finish(rig.its, its_ring(&rig, 0));
		check_neighbours("the other while one is worked off", routes, false, true);
		assert_int_equal(viommu_routes_free(routes), VIOMMU_OK);
		its_close(&rig);
	}
	assert_true(left >= ROUTES);
}

/* MAPC looks at every event that there is: in steps, and SYNC comes after all of it. */
static void mapc_in_steps(void **state)
{
	struct viommu_routes *routes;
	unsigned runs = 0;
	int result;

	its_open(&rig, &(struct its_rig_config){ .steps = 64 });
	its_command(&rig, MAPC(7, 0));
	its_command(&rig, MAPD(1, 14, 0));
	finish(rig.its, rig.result);
	for (uint32_t i = 0; i < 16384; i += 300) {
		its_command(&rig, MAPTI(1, i, 8192 + i, 7));
		finish(rig.its, rig.result);
	}
	routes = routes_of(&rig);
	for (uint32_t i = 0; i < 54; i++)
		assert_int_equal(set_route(routes, i, 1, i * 300), VIOMMU_OK);
	its_queue(&rig, 0, MAPC(7, 3));
	its_queue(&rig, 0, SYNC(0));
	for (result = its_ring(&rig, 0); result == VIOMMU_PENDING; result = viommu_run(rig.its)) {
		runs++;
		assert_int_not_equal(its_read(rig.its, 0x90), rig.unit[0].tail);
	}
	assert_true(runs > 8);
	for (uint32_t i = 0; i < 54; i++)
		assert_int_equal(route(routes, i), ITS_LPI(8192 + i * 300, 3));
	assert_int_equal(viommu_routes_free(routes), VIOMMU_OK);
	its_close(&rig);
}

static void routes_follow_enabled(void **state)
{
	struct viommu_routes *routes;

	its_open(&rig, &(struct its_rig_config){ 0 });
	map_one(&rig);
	routes = routes_of(&rig);
	assert_int_equal(set_route(routes, 0, 1, 0), VIOMMU_OK);
	finish(rig.its, viommu_reg_write(rig.its, 0, 4, 0));
	assert_int_equal(route(routes, 0), ITS_REFUSED(VIOMMU_ITS_REASON_DISABLED));
	finish(rig.its, viommu_reg_write(rig.its, 0, 4, 1));
	finish(rig.its, viommu_run(rig.its));
	assert_int_equal(route(routes, 0), ITS_LPI(8192, 0));
	assert_int_equal(viommu_routes_free(routes), VIOMMU_OK);
	its_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wraps),
		cmocka_unit_test(writer_beyond_the_queue),
		cmocka_unit_test(backlog_at_enable),
		cmocka_unit_test(another_queue),
		cmocka_unit_test(stall_and_retry),
		cmocka_unit_test(retry_without_a_stall),
		cmocka_unit_test(retry_without_a_stall),
		cmocka_unit_test(budget),
		cmocka_unit_test(steps_of_many_lpis),
		cmocka_unit_test(discard_waits_for_deliveries),
		cmocka_unit_test(movi_waits_for_deliveries),
		cmocka_unit_test(sync_waits_for_deliveries),
		cmocka_unit_test(quiescent_after_deliveries),
		cmocka_unit_test(command_under_way_at_disable),
		cmocka_unit_test(invalid_tables_drop),
		cmocka_unit_test(reset),
		cmocka_unit_test(reset_and_restore_wait_for_deliveries),
		cmocka_unit_test(routes_follow),
		cmocka_unit_test(routes_of_neighbours),
		cmocka_unit_test(neighbour_moves_meanwhile),
		cmocka_unit_test(mapc_in_steps),
		cmocka_unit_test(routes_follow_enabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
