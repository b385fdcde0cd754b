/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_bench.c - a GICv3 ITS: translations, deliveries, each command, and one MOVI among many routes.
 *
 * 32 devices of 2048 events each, on 8 redistributors. its/translate/random visits all 65536 events in
 * an order in which each depends on the answer before: to be compared with ref/chase/L2, whose
 * footprint is that of the events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/its.h>
#include <libvirtiommu/routes.h>
#include <libvirtiommu/vm.h>

#include "counted_memory.h"
#include "shim.h"

#define RAM	   (4U << 20)
#define DEVICES	   32U
#define EACH	   2048U
#define EVENTS	   (DEVICES * EACH)
#define CPUS	   8U
#define HOT	   32U
#define BATCH	   64U /* commands a write of CWRITER */
#define QUEUE	   0x100000U
#define TRANSLATER UINT64_C(0x10040)
#define VALID	   (UINT64_C(1) << 63)

struct its_world {
	struct viommu_vm *vm;
	struct viommu *lpis;
	struct viommu *its;
	struct viommu_routes *routes;
	uint8_t *ram;
	uint64_t allocated;
	uint32_t tail;
};

static _Noreturn void unexpected(const char *what, int result)
{
	fprintf(stderr, "%s: %s\n", what, viommu_strerror(result));
	abort();
}

static void expect_ok(const char *what, int result)
{
	if (result != VIOMMU_OK)
		unexpected(what, result);
}

/* --- the guest --- */

static void put(struct its_world *w, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
	const uint64_t words[4] = { w0, w1, w2, w3 };

	memcpy(w->ram + QUEUE + w->tail, words, sizeof(words));
	w->tail = (w->tail + 32) % 0x10000;
}

static void write_reg(struct viommu *u, uint64_t offset, uint64_t value)
{
	int result = viommu_reg_write(u, offset, 8, value);

	while (result == VIOMMU_PENDING)
		result = viommu_run(u);
	expect_ok("viommu_reg_write", result);
}

static void ring(struct its_world *w)
{
	write_reg(w->its, 0x88, w->tail);
}

static void mapd(struct its_world *w, uint64_t device)
{
	put(w, 8 | device << 32, 10, VALID, 0);
}

static void mapti(struct its_world *w, uint64_t k)
{
	put(w, 0xa | (k / EACH) << 32, (8192 + k) << 32 | k % EACH, k % CPUS, 0);
}

static void movi(struct its_world *w, uint64_t k, uint64_t icid)
{
	put(w, 1 | (k / EACH) << 32, k % EACH, icid, 0);
}

static void sync(struct its_world *w)
{
	put(w, 5, 0, 0, 0);
}

static void program(struct its_world *w)
{
	memset(w->ram + 0x200000, 0xa1, 1 << 17);
	for (uint64_t cpu = 0; cpu < CPUS; cpu++) {
		write_reg(w->lpis, VIOMMU_LPIS_OFFSET(cpu, 0x70), 0x200000 | 16);
		write_reg(w->lpis, VIOMMU_LPIS_OFFSET(cpu, 0x78),
			  (0x300000 + 0x10000 * cpu) | UINT64_C(1) << 62);
		write_reg(w->lpis, VIOMMU_LPIS_OFFSET(cpu, 0), 1);
	}
	write_reg(w->its, 0x100, VALID | 0x10000 | 15);
	write_reg(w->its, 0x108, VALID | 0x20000);
	write_reg(w->its, 0x80, VALID | QUEUE | 15);
	write_reg(w->its, 0, 1);
	for (uint64_t cpu = 0; cpu < CPUS; cpu++)
		put(w, 9, 0, VALID | cpu << 16 | cpu, 0);
	for (uint64_t device = 0; device < DEVICES; device++)
		mapd(w, device);
	ring(w);
	for (uint64_t k = 0; k < EVENTS; k++) {
		mapti(w, k);
		if (k % BATCH == BATCH - 1)
			ring(w);
	}
}

static void changed(void *opaque)
{
	struct its_world *w = opaque;
	struct viommu_route_change changes[64];
	uint32_t count;

	while (viommu_routes_drain(w->routes, changes, 64, &count) == VIOMMU_MORE)
		;
}

static void add_routes(struct its_world *w, uint32_t n)
{
	struct viommu_routes_config config = {
		.size = sizeof(config), .gsis = n, .opaque = w, .changed = changed
	};

	expect_ok("viommu_routes_new", viommu_routes_new(w->its, &config, &w->routes));
	for (uint32_t k = 0; k < n; k++) {
		struct viommu_route route = { .size = sizeof(route),
					      .gsi = k,
					      .source = k / EACH,
					      .address = TRANSLATER,
					      .data = k % EACH };

		expect_ok("viommu_routes_set", viommu_routes_set(w->routes, &route));
	}
	changed(w);
}

/* row->n: routes, or 0 */
static void *prepare(const struct bench *row)
{
	struct its_world *w = calloc(1, sizeof(*w));
	struct viommu_vm_config vm = { .size = sizeof(vm),
				       .opaque = &w->allocated,
				       .alloc = counted_take,
				       .dealloc = counted_give };
	struct viommu_lpis_config lpis = { .size = sizeof(lpis), .cpus = CPUS, .intid_bits = 17 };
	struct viommu_its_config its = { .size = sizeof(its), .events = 2 * EVENTS };
	struct viommu_region region = { .size = sizeof(region), .bytes = RAM };

	w->ram = aligned_alloc(1 << 16, RAM);
	memset(w->ram, 0, RAM);
	region.host = w->ram;
	vm.opaque = &w->allocated;
	expect_ok("viommu_vm_new", viommu_vm_new(&vm, &w->vm));
	expect_ok("viommu_vm_add_region", viommu_vm_add_region(w->vm, &region));
	expect_ok("viommu_lpis_new", viommu_lpis_new(w->vm, &lpis, &w->lpis));
	its.lpis = w->lpis;
	expect_ok("viommu_its_new", viommu_its_new(w->vm, &its, &w->its));
	program(w);
	if (row->n)
		add_routes(w, (uint32_t)row->n);
	return w;
}

static void discard(void *world)
{
	struct its_world *w = world;

	viommu_routes_free(w->routes);
	viommu_free(w->its);
	viommu_free(w->lpis);
	viommu_vm_free(w->vm);
	free(w->ram);
	free(w);
}

/* --- devices --- */

static inline uint64_t send(struct its_world *w, uint64_t k, uint32_t flags)
{
	struct viommu_msi msi;
	int r = viommu_remap_msi(w->its, (uint32_t)(k / EACH), TRANSLATER, (uint32_t)(k % EACH),
				 flags, &msi);

	if (__builtin_expect(r != VIOMMU_OK, 0))
		unexpected("viommu_remap_msi", r);
	return (uint64_t)msi.intid << 32 | msi.cpu;
}

static void run_hot(struct bench_state *state, void *world)
{
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			bench_use(send(world, k * (EACH + 1), VIOMMU_MSI_RESOLVE));
			k = (k + 1) % (HOT - 1);
		}
}

static void run_random(struct bench_state *state, void *world)
{
	uint64_t nothing = bench_hide(0);
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			k = (k * 4093 + 12345 + (send(world, k, VIOMMU_MSI_RESOLVE) & nothing)) %
			    EVENTS;
	bench_use(k);
}

/* A message, and the CPU that takes it. */
static void run_deliver(struct bench_state *state, void *world)
{
	struct its_world *w = world;
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			uint64_t lpi = send(w, k * (EACH + 1), 0);

			viommu_lpis_acknowledge(w->lpis, (uint32_t)lpi, (uint32_t)(lpi >> 32));
			k = (k + 1) % (HOT - 1);
		}
}

/* --- commands: ns each, 64 to a write of the register --- */

static void queue_mapti(struct its_world *w, uint64_t k)
{
	mapti(w, k);
}

static void queue_movi(struct its_world *w, uint64_t k)
{
	movi(w, k, (k + 1) % CPUS);
	movi(w, k, k % CPUS);
}

static void queue_int(struct its_world *w, uint64_t k)
{
	put(w, 3 | (k / EACH) << 32, k % EACH, 0, 0);
}

static void queue_clear(struct its_world *w, uint64_t k)
{
	put(w, 4 | (k / EACH) << 32, k % EACH, 0, 0);
}

static void queue_inv(struct its_world *w, uint64_t k)
{
	put(w, 0xc | (k / EACH) << 32, k % EACH, 0, 0);
}

static void queue_discard(struct its_world *w, uint64_t k)
{
	put(w, 0xf | (k / EACH) << 32, k % EACH, 0, 0);
	mapti(w, k);
}

static void queue_sync(struct its_world *w, uint64_t k)
{
	queue_inv(w, k);
	sync(w);
}

static void queue_mapd(struct its_world *w, uint64_t k)
{
	put(w, 8 | (100 + k % 50) << 32, 0, VALID, 0);
	put(w, 8 | (100 + k % 50) << 32, 0, 0, 0);
}

static void queue_mapc(struct its_world *w, uint64_t k)
{
	put(w, 9, 0, VALID | (k % CPUS) << 16 | (100 + k % 16), 0);
	put(w, 9, 0, VALID | ((k + 1) % CPUS) << 16 | (100 + k % 16), 0);
}

static void queue_invall(struct its_world *w, uint64_t k)
{
	put(w, 0xd, 0, k % CPUS, 0);
}

static void queue_movall(struct its_world *w, uint64_t k)
{
	put(w, 0xe, 0, (k % CPUS) << 16, ((k + 1) % CPUS) << 16);
}

struct kind {
	void (*queue)(struct its_world *w, uint64_t k);
	unsigned commands; /* it queues */
};

static const struct kind kinds[] = {
	{ queue_mapti, 1 }, { queue_movi, 2 },	  { queue_int, 1 },    { queue_clear, 1 },
	{ queue_inv, 1 },   { queue_discard, 2 }, { queue_sync, 2 },   { queue_mapd, 2 },
	{ queue_mapc, 2 },  { queue_invall, 1 },  { queue_movall, 1 },
};

struct command_world {
	struct its_world *w;
	const struct kind *kind;
};

static void *prepare_command(const struct bench *row)
{
	struct command_world *c = malloc(sizeof(*c));
	struct bench plain = { .n = 0 };

	c->w = prepare(&plain);
	c->kind = row->arg;
	return c;
}

static void discard_command(void *world)
{
	struct command_world *c = world;

	discard(c->w);
	free(c);
}

static void run_command(struct bench_state *state, void *world)
{
	struct command_world *c = world;
	uint64_t k = 0;

	while (bench_next_batch(state, BATCH)) {
		for (unsigned i = 0; i < BATCH; i += c->kind->commands) {
			c->kind->queue(c->w, k);
			k = (k + 977) % EVENTS;
		}
		bench_start(state);
		ring(c->w);
		bench_stop(state);
	}
}

/* --- one MOVI and SYNC among many routes --- */

static void run_fan_out(struct bench_state *state, void *world)
{
	struct viommu_routes_statistics s = { .size = sizeof(s) };
	struct its_world *w = world;
	uint64_t k = 0;
	uint64_t turns = 0;
	uint64_t resolved;

	viommu_routes_get_statistics(w->routes, &s);
	resolved = s.resolved;
	while (bench_next(state)) {
		movi(w, k, (k + ++turns) % CPUS);
		sync(w);
		bench_start(state);
		ring(w);
		bench_stop(state);
		k = (k + 1) % 64;
	}
	viommu_routes_get_statistics(w->routes, &s);
	bench_counter(state, "resolved", (double)(s.resolved - resolved) / (double)turns);
}

/* What an ITS takes for each event that can be mapped, all in all. */
static void run_memory(struct bench_state *state, void *world)
{
	struct its_world *w = world;
	struct viommu_its_config config = { .size = sizeof(config), .events = EVENTS };
	uint64_t bytes = 0;

	config.lpis = w->lpis;
	while (bench_next(state)) {
		struct viommu_its_config many = { .size = sizeof(many), .events = 2 * EVENTS };
		struct viommu *its = NULL;
		uint64_t before = w->allocated;
		uint64_t one;

		many.lpis = w->lpis;
		expect_ok("viommu_its_new", viommu_its_new(w->vm, &config, &its));
		one = w->allocated - before;
		viommu_free(its);
		expect_ok("viommu_its_new", viommu_its_new(w->vm, &many, &its));
		bytes = w->allocated - before - one;
		viommu_free(its);
	}
	bench_counter(state, "bytes_each", (double)bytes / EVENTS);
}

/* --- rows --- */

#define PLAIN(run_, n_) .run = run_, .prepare = prepare, .discard = discard, .n = n_
#define COMMAND(name_, kind_)                                                                      \
	{                                                                                          \
		.name = "its/command/" name_, .run = run_command, .prepare = prepare_command,      \
		.discard = discard_command, .arg = &kinds[kind_], .clock = BENCH_STOPWATCH         \
	}

static const struct bench rows[] = {
	{ .name = "its/translate/hot", PLAIN(run_hot, 0) },
	{ .name = "its/translate/random", PLAIN(run_random, 0) },
	{ .name = "its/deliver/hot", PLAIN(run_deliver, 0) },
	COMMAND("MAPTI", 0),
	COMMAND("MOVI", 1),
	COMMAND("INT", 2),
	COMMAND("CLEAR", 3),
	COMMAND("INV", 4),
	COMMAND("DISCARD", 5),
	COMMAND("SYNC", 6),
	COMMAND("MAPD", 7),
	COMMAND("MAPC", 8),
	COMMAND("INVALL", 9),
	COMMAND("MOVALL", 10),
	{ .name = "its/routes/movi/64", PLAIN(run_fan_out, 64), .clock = BENCH_STOPWATCH },
	{ .name = "its/routes/movi/65536", PLAIN(run_fan_out, 65536), .clock = BENCH_STOPWATCH },
	{ .name = "its/memory", PLAIN(run_memory, 0) },
};

void bench_suite_its(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
