/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_irq_threads.c - the stale-answer checker for interrupts (obligations 12, 14, 18): after an
 * invalidation of a table entry is complete, no remapping and no lookup that starts later returns
 * the old interrupt.
 *
 * Every destination is a version. One thread rewrites entries, invalidates, waits for the
 * completion and publishes the version as completed; others remap, look up, set and remove routes
 * all the time, and no answer may be older than what was completed before they asked. What the
 * kernel would have been told (drained in `changed`) may not be older either.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libvirtiommu/routes.h>

#include <sched.h>

#include "run.h"
#include "thread_world.h"

enum { ENTRIES = 48, ROUTES = 96, REMAPPERS = 2, SOURCE = 0x0108, ROUNDS = 1600 };

/* A version that means: the entry is absent. */
#define IS_ABSENT(version) ((version) % 8 == 7)

enum how { BY_INDEX, BY_MASK, GLOBALLY, BY_SWITCH };

struct row {
	const char *name;
	enum how how;
	bool posted;	 /* some entries are */
	uint32_t spread; /* entry n has index n * spread: those of 1024 apart share a cache slot */
};

struct checker {
	struct world w;
	const struct row *row;
	struct viommu_routes *routes;
	uint64_t table;
	uint64_t second; /* BY_SWITCH: the other table */
	uint64_t descriptor[ENTRIES];
	_Atomic uint32_t published[ENTRIES];
	_Atomic uint32_t completed[ENTRIES];
	/* What the kernel has: destination, 0: it must not deliver. */
	_Atomic uint32_t kernel[ROUTES];
	pthread_mutex_t kernel_lock;
	_Atomic unsigned focus;
	_Atomic bool stop;
	_Atomic uint64_t done[3];
	pthread_t thread[REMAPPERS + 2];
};

static uint32_t index_of(const struct checker *c, unsigned entry)
{
	return entry * c->row->spread;
}

static uint64_t address_of(const struct checker *c, unsigned entry)
{
	uint32_t index = index_of(c, entry);

	return UINT64_C(0xfee00010) | (uint64_t)(index & 0x7fff) << 5 | (index >> 15) << 2;
}

static unsigned entry_of_route(unsigned gsi)
{
	return gsi % ENTRIES;
}

static bool is_posted(const struct checker *c, unsigned entry)
{
	return c->row->posted && entry % 4 == 1;
}

/* ---- the guest ---- */

/* The high word first: a reader may see any mixture, of which one half says the version. */
static void write_entry(struct checker *c, unsigned entry, uint32_t version)
{
	uint64_t at = c->table + 16 * (uint64_t)index_of(c, entry);

	atomic_store(&c->published[entry], version);
	if (is_posted(c, entry)) {
		/* another descriptor for odd versions; both are kept up to date */
		uint64_t gpa = c->descriptor[entry] + 64 * (version & 1);

		world_put64(&c->w, gpa + 32, UINT64_C(0x31) << 16 | (uint64_t)version << 32);
		world_put64(&c->w, at,
			    IS_ABSENT(version)
				    ? 0
				    : 1 | BIT(15) | BIT(14) | 0x400000 | (gpa >> 6) << 38);
		return;
	}
	world_put64(&c->w, at, IS_ABSENT(version) ? 0 : 1 | 0x400000 | (uint64_t)version << 32);
}

static void switch_tables(struct checker *c)
{
	uint64_t other = c->second;

	for (uint32_t i = 0; i < ENTRIES; i++)
		for (unsigned word = 0; word < 2; word++)
			world_put64(&c->w, other + 16 * (uint64_t)index_of(c, i) + 8 * word,
				    world_get64(&c->w, c->table + 16 * (uint64_t)index_of(c, i) +
							       8 * word));
	c->second = c->table;
	c->table = other;
	world_write(&c->w, VTD_IRTA, 8, c->table | VTD_IRTA_EIME | 15);
	world_command_sync(&c->w, VTD_G_IRTP, 0);
}

static void invalidate(struct checker *c, unsigned entry)
{
	switch (c->row->how) {
	case BY_INDEX:
		world_submit(&c->w, GUEST_IEC(index_of(c, entry), 0), 0);
		break;
	case BY_MASK:
		world_submit(&c->w, GUEST_IEC(index_of(c, entry) & ~31U, 5), 0);
		break;
	case GLOBALLY:
		world_submit(&c->w, GUEST_IEC_GLOBAL, 0);
		break;
	case BY_SWITCH:
		switch_tables(c);
		return;
	}
	world_sync(&c->w);
}

/* ---- checks ---- */

/* What came for an entry lies between what was completed before and what is published now. */
static void check_version(struct checker *c, const char *who, unsigned entry, bool delivers,
			  uint32_t got, uint32_t least)
{
	uint32_t most = atomic_load(&c->published[entry]);
	bool may_be_absent = false;

	for (uint32_t v = least; v <= most; v++)
		may_be_absent |= IS_ABSENT(v);
	if (delivers ? got >= least && got <= most && !IS_ABSENT(got) : may_be_absent)
		return;
	world_fail(&c->w, "%s: %s, entry %u: version %u (delivers %d), not %u to %u", c->row->name,
		   who, entry, got, delivers, least, most);
}

static unsigned pick_entry(struct checker *c, uint64_t random)
{
	return random & 3 ? atomic_load(&c->focus) : (unsigned)(random >> 8) % ENTRIES;
}

static void remap_once(struct checker *c, uint64_t random)
{
	unsigned entry = pick_entry(c, random);
	uint32_t least = atomic_load(&c->completed[entry]);
	struct viommu_msi msi;
	int result = viommu_remap_msi(c->w.iommu, SOURCE, address_of(c, entry), 0,
				      random & 4 ? VIOMMU_MSI_RESOLVE : 0, &msi);

	if (result != VIOMMU_OK && (result != VIOMMU_FAULT || msi.reason != 0x22)) {
		world_fail(&c->w, "%s: remap: %d, reason %x", c->row->name, result, msi.reason);
		return;
	}
	check_version(c, "remap", entry, result == VIOMMU_OK, msi.destination, least);
}

static void *remap_all(void *opaque)
{
	struct checker *c = opaque;
	uint64_t random = (uint64_t)(uintptr_t)&random | 1;

	while (!atomic_load(&c->stop)) {
		remap_once(c, world_random(&random));
		atomic_fetch_add_explicit(&c->done[0], 1, memory_order_relaxed);
	}
	return NULL;
}

static void look_up_once(struct checker *c, unsigned gsi)
{
	unsigned entry = entry_of_route(gsi);
	uint32_t least = atomic_load(&c->completed[entry]);
	uint32_t kernel = atomic_load(&c->kernel[gsi]);
	struct viommu_route_change change;
	int result = viommu_routes_lookup(c->routes, gsi, &change);

	/* the last routes come and go; the others are always there */
	if (result == VIOMMU_ENOENT && gsi >= ENTRIES)
		return;
	if (result != VIOMMU_OK || change.gsi != gsi) {
		world_fail(&c->w, "%s: lookup of %u: %d", c->row->name, gsi, result);
		return;
	}
	if (gsi >= ENTRIES && !(change.flags & VIOMMU_ROUTE_VALID))
		return;
	check_version(c, "lookup", entry, change.flags & VIOMMU_ROUTE_VALID, change.msi.destination,
		      least);
	if (gsi < ENTRIES)
		check_version(c, "kernel", entry, kernel != 0, kernel, least);
}

static void *look_up_all(void *opaque)
{
	struct checker *c = opaque;
	uint64_t random = (uint64_t)(uintptr_t)&random | 1;

	while (!atomic_load(&c->stop)) {
		uint64_t now = world_random(&random);
		unsigned gsi = pick_entry(c, now) + (now & 0x100000 ? ENTRIES : 0);

		look_up_once(c, gsi);
		atomic_fetch_add_explicit(&c->done[1], 1, memory_order_relaxed);
	}
	return NULL;
}

/* ---- routes ---- */

static int set_route(struct checker *c, unsigned gsi, uint32_t flags)
{
	struct viommu_route route = { .size = sizeof(route),
				      .flags = flags,
				      .gsi = gsi,
				      .source = SOURCE,
				      .address = address_of(c, entry_of_route(gsi)) };

	return viommu_routes_set(c->routes, &route);
}

/* The VMM's part: one at a time takes what changed and tells the kernel. */
static void drain(struct checker *c)
{
	struct viommu_route_change got[7];
	uint32_t count = 0;
	int result;

	pthread_mutex_lock(&c->kernel_lock);
	do {
		result = viommu_routes_drain(c->routes, got, 7, &count);
		for (uint32_t i = 0; i < count; i++)
			atomic_store(&c->kernel[got[i].gsi], got[i].flags & VIOMMU_ROUTE_VALID
								     ? got[i].msi.destination
								     : 0);
	} while (result == VIOMMU_MORE);
	pthread_mutex_unlock(&c->kernel_lock);
	if (result != VIOMMU_OK)
		world_fail(&c->w, "%s: drain: %d", c->row->name, result);
}

static void on_changed(void *opaque)
{
	drain(opaque);
}

/* Sets the first routes again and again, to what they are; the last ones come and go. */
static void *change_routes(void *opaque)
{
	struct checker *c = opaque;
	uint64_t random = (uint64_t)(uintptr_t)&random | 1;

	while (!atomic_load(&c->stop)) {
		uint64_t now = world_random(&random);
		unsigned gsi = pick_entry(c, now);
		int result = VIOMMU_OK;

		switch (now >> 20 & 3) {
		case 0:
			/* drained at once: between the two, the kernel may have the old one */
			pthread_mutex_lock(&c->kernel_lock);
			result = set_route(c, gsi, 0);
			pthread_mutex_unlock(&c->kernel_lock);
			drain(c);
			break;
		case 1:
			result = set_route(c, gsi + ENTRIES, 0);
			break;
		case 2:
			result = set_route(c, gsi + ENTRIES, VIOMMU_ROUTE_MASKED);
			break;
		default:
			viommu_routes_remove(c->routes, gsi + ENTRIES);
		}
		if (result < 0)
			world_fail(&c->w, "%s: set: %d", c->row->name, result);
		atomic_fetch_add_explicit(&c->done[2], 1, memory_order_relaxed);
	}
	return NULL;
}

/* ---- run ---- */

static void open_checker(struct checker *c, const struct row *row)
{
	struct world_config config = { .ttm = VTD_TTM_SCALABLE };
	struct viommu_routes_config routes = {
		.size = sizeof(routes), .gsis = ROUTES, .opaque = c, .changed = on_changed
	};

	memset(c, 0, sizeof(*c));
	c->row = row;
	config.cap = GUEST_CAP_SCALABLE;
	config.ecap = GUEST_ECAP_SCALABLE | VTD_ECAP_EIM;
	world_open(&c->w, &config);
	pthread_mutex_init(&c->kernel_lock, NULL);
	c->table = world_alloc(&c->w, 256);
	c->second = world_alloc(&c->w, 256);
	world_write(&c->w, VTD_IRTA, 8, c->table | VTD_IRTA_EIME | 15);
	world_command_sync(&c->w, VTD_G_IRTP, 0);
	world_command_sync(&c->w, VTD_G_IRE, 0);
	for (unsigned i = 0; i < ENTRIES; i++) {
		c->descriptor[i] = world_alloc(&c->w, 1);
		write_entry(c, i, 1);
		atomic_store(&c->completed[i], 1);
	}
	assert_int_equal(viommu_routes_new(c->w.iommu, &routes, &c->routes), VIOMMU_OK);
	for (unsigned gsi = 0; gsi < ENTRIES; gsi++)
		assert_int_equal(set_route(c, gsi, 0), VIOMMU_OK);
	drain(c);
}

static void close_checker(struct checker *c)
{
	assert_int_equal(viommu_routes_free(c->routes), VIOMMU_OK);
	pthread_mutex_destroy(&c->kernel_lock);
	world_close(&c->w);
}

static void start_all(struct checker *c)
{
	for (unsigned i = 0; i < REMAPPERS; i++)
		world_start(&c->thread[i], remap_all, c);
	world_start(&c->thread[REMAPPERS], look_up_all, c);
	world_start(&c->thread[REMAPPERS + 1], change_routes, c);
}

/* Everyone has got somewhere, also on one processor. */
static void let_run(struct checker *c)
{
	for (unsigned i = 0; i < 3; i++)
		while (!atomic_load(&c->done[i]) && !atomic_load(&c->w.failed))
			sched_yield();
}

static void one_round(struct checker *c, uint64_t *random)
{
	unsigned entry = (unsigned)(world_random(random) >> 20) % ENTRIES;
	uint32_t version = atomic_load(&c->published[entry]) + 1;

	atomic_store(&c->focus, entry);
	if (world_random(random) % 32 == 0)
		sched_yield();
	write_entry(c, entry, version);
	if (world_random(random) % 32 == 0)
		sched_yield();
	invalidate(c, entry);
	/* routes are up to date before the guest knows (obligation 14) */
	look_up_once(c, entry);
	atomic_store(&c->completed[entry], version);
	look_up_once(c, entry);
	remap_once(c, (uint64_t)entry << 8 | 4);
}

static void run_row(const struct row *row)
{
	static struct checker c;
	uint64_t random = run_seed(RUN_ANY_SEED);
	unsigned rounds = scaled(ROUNDS) / (row->how == BY_SWITCH ? 4 : 1);

	open_checker(&c, row);
	start_all(&c);
	let_run(&c);
	for (unsigned i = 0; i < rounds && !atomic_load(&c.w.failed); i++)
		one_round(&c, &random);
	atomic_store(&c.stop, true);
	for (unsigned i = 0; i < REMAPPERS + 2; i++)
		pthread_join(c.thread[i], NULL);
	print_message("%s: %u rounds, %ju remapped, %ju looked up, %ju routes set\n", row->name,
		      rounds, (uintmax_t)c.done[0], (uintmax_t)c.done[1], (uintmax_t)c.done[2]);
	close_checker(&c);
}

static void test_stale_interrupts(void **state)
{
	static const struct row rows[] = {
		{ "one entry", BY_INDEX, false, 1 },
		{ "one entry, posted", BY_INDEX, true, 1 },
		{ "one entry, all in one slot of a cache", BY_INDEX, false, 1024 },
		{ "32 entries", BY_MASK, true, 1 },
		{ "global", GLOBALLY, true, 7 },
		{ "another table", BY_SWITCH, false, 3 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stale_interrupts) };

	return cmocka_run_group_tests_name("thread/irq", tests, NULL, NULL);
}
