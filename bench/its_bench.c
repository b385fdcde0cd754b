/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_bench.c - a GICv3 ITS: translations, deliveries, each command, and one MOVI among many routes.
 *
 * its/translate/ is 31 events of as many devices (hot), and all 65536 in an order that no prefetcher
 * foresees: each by itself as messages are (random/throughput), and each after the answer of the one
 * before (random/latency). its/chase is what that order costs at least: as many pointers as there are
 * events, in as many bytes, of the same allocator, each leading to the next.
 */
#include <stdlib.h>

#include "its_guest.h"
#include "shim.h"

#define HOT   32U
#define BATCH 64U /* commands a write of CWRITER */

/* row->n: routes, or 0 */
static void *prepare(const struct bench *row)
{
	return its_guest_new((uint32_t)row->n);
}

static void discard(void *world)
{
	its_guest_free(world);
}

/* --- devices --- */

static void run_hot(struct bench_state *state, void *world)
{
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			bench_use(its_send(world, k * (ITS_EACH + 1), VIOMMU_MSI_RESOLVE));
			k = (k + 1) % (HOT - 1);
		}
}

/* The event that is looked up after this one: all of them, in an order that nothing foresees. */
static inline uint64_t after(uint64_t k)
{
	return (k * 4093 + 12345) % ITS_EVENTS;
}

static void run_throughput(struct bench_state *state, void *world)
{
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			bench_use(its_send(world, k, VIOMMU_MSI_RESOLVE));
			k = after(k);
		}
}

static void run_latency(struct bench_state *state, void *world)
{
	uint64_t nothing = bench_hide(0);
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			k = after(k) + (its_send(world, k, VIOMMU_MSI_RESOLVE) & nothing);
	bench_use(k);
}

/* Words of the event table that are used, each of them the address of the next one's. */
static void *prepare_chase(const struct bench *row)
{
	uintptr_t *events = malloc(ITS_EVENTS * sizeof(*events));

	(void)row;
	for (uint64_t k = 0; events && k < ITS_EVENTS; k++)
		events[k] = (uintptr_t)&events[after(k)];
	return events;
}

static void run_chase(struct bench_state *state, void *world)
{
	const uintptr_t *at = world;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			at = (const uintptr_t *)*at;
	bench_use((uintptr_t)at);
}

/* A message, and the CPU that takes it. */
static void run_deliver(struct bench_state *state, void *world)
{
	struct its_guest *g = world;
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			uint64_t lpi = its_send(g, k * (ITS_EACH + 1), 0);

			viommu_lpis_acknowledge(g->lpis, (uint32_t)lpi, (uint32_t)(lpi >> 32));
			k = (k + 1) % (HOT - 1);
		}
}

/* --- commands: ns each, 64 to a write of the register --- */

static void queue_movi(struct its_guest *g, uint64_t k)
{
	its_queue_movi(g, k, (k + 1) % ITS_CPUS);
	its_queue_movi(g, k, k % ITS_CPUS);
}

static void queue_int(struct its_guest *g, uint64_t k)
{
	its_put(g, 3 | (k / ITS_EACH) << 32, k % ITS_EACH, 0, 0);
}

static void queue_clear(struct its_guest *g, uint64_t k)
{
	its_put(g, 4 | (k / ITS_EACH) << 32, k % ITS_EACH, 0, 0);
}

static void queue_inv(struct its_guest *g, uint64_t k)
{
	its_put(g, 0xc | (k / ITS_EACH) << 32, k % ITS_EACH, 0, 0);
}

static void queue_discard(struct its_guest *g, uint64_t k)
{
	its_put(g, 0xf | (k / ITS_EACH) << 32, k % ITS_EACH, 0, 0);
	its_queue_mapti(g, k);
}

static void queue_sync(struct its_guest *g, uint64_t k)
{
	queue_inv(g, k);
	its_queue_sync(g);
}

static void queue_mapd(struct its_guest *g, uint64_t k)
{
	its_put(g, 8 | (100 + k % 50) << 32, 0, ITS_VALID, 0);
	its_put(g, 8 | (100 + k % 50) << 32, 0, 0, 0);
}

static void queue_mapc(struct its_guest *g, uint64_t k)
{
	its_put(g, 9, 0, ITS_VALID | (k % ITS_CPUS) << 16 | (100 + k % 16), 0);
	its_put(g, 9, 0, ITS_VALID | ((k + 1) % ITS_CPUS) << 16 | (100 + k % 16), 0);
}

static void queue_invall(struct its_guest *g, uint64_t k)
{
	its_put(g, 0xd, 0, k % ITS_CPUS, 0);
}

static void queue_movall(struct its_guest *g, uint64_t k)
{
	its_put(g, 0xe, 0, (k % ITS_CPUS) << 16, ((k + 1) % ITS_CPUS) << 16);
}

struct kind {
	void (*queue)(struct its_guest *g, uint64_t k);
	unsigned commands; /* it queues */
};

static const struct kind kinds[] = {
	{ its_queue_mapti, 1 }, { queue_movi, 2 },    { queue_int, 1 },	   { queue_clear, 1 },
	{ queue_inv, 1 },	{ queue_discard, 2 }, { queue_sync, 2 },   { queue_mapd, 2 },
	{ queue_mapc, 2 },	{ queue_invall, 1 },  { queue_movall, 1 },
};

struct command_world {
	struct its_guest *g;
	const struct kind *kind;
};

static void *prepare_command(const struct bench *row)
{
	struct command_world *c = malloc(sizeof(*c));
	struct bench plain = { .n = 0 };

	c->g = prepare(&plain);
	c->kind = row->arg;
	return c;
}

static void discard_command(void *world)
{
	struct command_world *c = world;

	discard(c->g);
	free(c);
}

static void run_command(struct bench_state *state, void *world)
{
	struct command_world *c = world;
	uint64_t k = 0;

	while (bench_next_batch(state, BATCH)) {
		for (unsigned i = 0; i < BATCH; i += c->kind->commands) {
			c->kind->queue(c->g, k);
			k = (k + 977) % ITS_EVENTS;
		}
		bench_start(state);
		its_ring(c->g);
		bench_stop(state);
	}
}

/* --- one MOVI and SYNC among many routes --- */

static void run_fan_out(struct bench_state *state, void *world)
{
	struct viommu_routes_statistics s = { .size = sizeof(s) };
	struct its_guest *g = world;
	uint64_t turns = 0;
	uint64_t resolved;

	viommu_routes_get_statistics(g->routes, &s);
	resolved = s.resolved;
	while (bench_next(state)) {
		its_queue_turn(g, turns++);
		bench_start(state);
		its_ring(g);
		bench_stop(state);
	}
	viommu_routes_get_statistics(g->routes, &s);
	bench_counter(state, "resolved", (double)(s.resolved - resolved) / (double)turns);
}

/* What an ITS takes for each event that can be mapped, all in all. */
static void run_memory(struct bench_state *state, void *world)
{
	struct its_guest *g = world;
	struct viommu_its_config config = { .size = sizeof(config), .events = ITS_EVENTS };
	uint64_t bytes = 0;

	config.lpis = g->lpis;
	while (bench_next(state)) {
		struct viommu_its_config many = { .size = sizeof(many), .events = 2 * ITS_EVENTS };
		struct viommu *its = NULL;
		uint64_t before = g->allocated;
		uint64_t one;

		many.lpis = g->lpis;
		expect_ok("viommu_its_new", viommu_its_new(g->vm, &config, &its));
		one = g->allocated - before;
		viommu_free(its);
		expect_ok("viommu_its_new", viommu_its_new(g->vm, &many, &its));
		bytes = g->allocated - before - one;
		viommu_free(its);
	}
	bench_counter(state, "bytes_each", (double)bytes / ITS_EVENTS);
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
	{ .name = "its/translate/random/throughput", PLAIN(run_throughput, 0) },
	{ .name = "its/translate/random/latency", PLAIN(run_latency, 0) },
	{ .name = "its/chase", .run = run_chase, .prepare = prepare_chase, .discard = free },
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
