/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * irq_bench.c - interrupt remapping and routes; and, under peer/irq_reread, the way other VMMs do
 * it: the table entry is read from guest memory for each interrupt, and every invalidation
 * translates all routes again.
 *
 * What the peers are spared: their invalidation is the translation of the routes alone, ours is the
 * whole register write, with the queue, the callback, the drain and the status for the guest.
 */
#include <endian.h>
#include <stdlib.h>

#include "irq_world.h"
#include "shim.h"

#define HOT	  32U
#define SCATTERED 512U
#define MANY	  4096U

/* --- worlds --- */

static void *prepare_plain(const struct bench *row)
{
	return irq_world_new(row->n, false, false);
}

static void *prepare_routes(const struct bench *row)
{
	return irq_world_new(row->n, true, false);
}

static void *prepare_posted(const struct bench *row)
{
	return irq_world_new(row->n, false, true);
}

static void discard(void *world)
{
	irq_world_free(world);
}

/* --- the library --- */

static void run_hit(struct bench_state *state, void *world)
{
	const struct irq_world *w = world;
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			bench_use(irq_send(w, k));
			if (++k == w->n)
				k = 0;
		}
}

/* Every message once after an invalidation of all. */
static void run_miss(struct bench_state *state, void *world)
{
	struct irq_world *w = world;

	while (bench_next_batch(state, w->n)) {
		irq_queue_all(w);
		irq_queue_wait(w);
		irq_ring(w);
		bench_start(state);
		for (uint64_t i = 0; i < w->n; i++)
			bench_use(irq_send(w, i));
		bench_stop(state);
	}
}

/* The virtual processor has taken what was posted: the next one has to notify again. */
static void take_posted(struct irq_world *w, uint64_t k)
{
	uint64_t *descriptor = guest_at(&w->guest, w->descriptor + 64 * k);

	for (unsigned i = 0; i < 4; i++)
		descriptor[i] = 0;
	descriptor[4] &= htole64(~(uint64_t)1);
}

static void run_posted(struct bench_state *state, void *world)
{
	struct irq_world *w = world;
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			take_posted(w, k);
			bench_use(irq_send(w, k));
			if (++k == w->n)
				k = 0;
		}
}

/* The guest moves one interrupt, and waits. */
static void run_invalidate_one(struct bench_state *state, void *world)
{
	struct irq_world *w = world;
	struct viommu_routes_statistics statistics = { .size = sizeof(statistics) };
	uint64_t k = 0, turn = 0, told = w->changed, resolved;

	viommu_routes_get_statistics(w->routes, &statistics);
	resolved = statistics.resolved;
	while (bench_next(state)) {
		irq_rewrite(w, k, 0x20 + (uint32_t)((k + ++turn) % 200));
		irq_queue_one(w, k);
		irq_queue_wait(w);
		bench_start(state);
		irq_ring(w);
		bench_stop(state);
		k = (k + 1) % w->n;
	}
	viommu_routes_get_statistics(w->routes, &statistics);
	bench_counter(state, "resolved", (double)(statistics.resolved - resolved) / (double)turn);
	bench_counter(state, "changed", (double)(w->changed - told) / (double)turn);
}

static void run_lookup(struct bench_state *state, void *world)
{
	struct irq_world *w = world;
	struct viommu_route_change change;
	uint32_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			if (viommu_routes_lookup(w->routes, k, &change) != VIOMMU_OK)
				unexpected("viommu_routes_lookup", VIOMMU_ENOENT);
			bench_use(change.msi.data);
			k = (k + 1) % HOT;
		}
}

/* A VM with as many routes is made: time and memory of each. */
static void run_set(struct bench_state *state, void *world)
{
	struct irq_world *w = world;
	struct viommu_routes_config config = { .size = sizeof(config), .gsis = (uint32_t)w->n };

	while (bench_next_batch(state, w->n)) {
		struct viommu_routes *routes;
		uint64_t before = w->allocated;

		if (viommu_routes_new(w->iommu, &config, &routes) != VIOMMU_OK)
			unexpected("viommu_routes_new", VIOMMU_ENOMEM);
		bench_start(state);
		for (uint32_t i = 0; i < w->n; i++) {
			struct viommu_route route = { .size = sizeof(route),
						      .gsi = i,
						      .source = w->message[i].source,
						      .address = w->message[i].address };

			bench_use((uint64_t)viommu_routes_set(routes, &route));
		}
		bench_stop(state);
		bench_counter(state, "bytes_each", (double)(w->allocated - before) / (double)w->n);
		viommu_routes_free(routes);
	}
}

/* --- the peer --- */

/* Guest memory is found in a list of regions, each time. */
static const uint64_t *find_memory(const struct irq_world *w, uint64_t gpa)
{
	const struct {
		uint64_t first, bytes;
		uint8_t *host;
	} regions[] = {
		{ GUEST_HIGH, w->guest.high_size, w->guest.high },
		{ 0, GUEST_LOW_SIZE, w->guest.low },
	};

	for (unsigned i = 0; i < 2; i++)
		if (gpa - regions[i].first < regions[i].bytes)
			return (const uint64_t *)(const void *)(regions[i].host + gpa -
								regions[i].first);
	return NULL;
}

static bool read_entry(const struct irq_world *w, const struct irq_message *m, uint64_t entry[2])
{
	uint64_t index = (m->address >> 5 & 0x7fff) | (m->address >> 2 & 1) << 15;
	const uint64_t *at;

	if (!(m->address & 0x10) || index >= IRQ_ENTRIES)
		return false;
	at = find_memory(w, w->table + 16 * index);
	if (!at)
		return false;
	entry[0] = le64toh(__atomic_load_n(&at[0], __ATOMIC_ACQUIRE));
	entry[1] = le64toh(__atomic_load_n(&at[1], __ATOMIC_ACQUIRE));
	if (!(entry[0] & 1) || (entry[0] & 0xff007000U) || entry[1] >> 20)
		return false;
	return (entry[1] >> 18 & 3) != 1 || (entry[1] & 0xffff) == m->source;
}

struct peer_message {
	uint64_t address;
	uint32_t data;
	bool valid;
};

static bool __attribute__((noinline))
peer_remap(const struct irq_world *w, const struct irq_message *m, struct peer_message *out)
{
	uint64_t entry[2];
	uint32_t destination;

	out->valid = read_entry(w, m, entry);
	if (!out->valid)
		return false;
	destination = (uint32_t)(entry[0] >> 32);
	out->address = 0xfee00000U | (uint64_t)(destination & 0xff) << 12 |
		       (uint64_t)(destination >> 8) << 40 | (entry[0] >> 1 & 2) << 1 |
		       (entry[0] >> 3 & 1) << 3;
	out->data = (uint32_t)((entry[0] >> 16 & 0xff) | (entry[0] >> 5 & 7) << 8 | 0x4000 |
			       (entry[0] >> 4 & 1) << 15);
	return true;
}

static void run_peer_remap(struct bench_state *state, void *world)
{
	const struct irq_world *w = world;
	struct peer_message out;
	uint64_t k = 0;

	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			if (!peer_remap(w, &w->message[k], &out))
				unexpected("peer", VIOMMU_FAULT);
			bench_use(out.data);
			if (++k == w->n)
				k = 0;
		}
}

static void run_peer_invalidate(struct bench_state *state, void *world)
{
	struct irq_world *w = world;
	struct peer_message *routes = calloc(w->n, sizeof(*routes));
	uint64_t k = 0, turn = 0, changed = 0;

	if (!routes) {
		bench_fail(state, "calloc");
		return;
	}
	while (bench_next(state)) {
		irq_rewrite(w, k, 0x20 + (uint32_t)((k + ++turn) % 200));
		bench_start(state);
		for (uint64_t i = 0; i < w->n; i++) {
			struct peer_message now;

			peer_remap(w, &w->message[i], &now);
			if (now.data != routes[i].data || now.address != routes[i].address) {
				routes[i] = now;
				changed++;
			}
		}
		bench_stop(state);
		k = (k + 1) % w->n;
	}
	bench_counter(state, "changed", (double)changed / (double)turn);
	free(routes);
}

/* --- rows --- */

#define PLAIN(run_, how, n_)	 .run = run_, .prepare = prepare_##how, .discard = discard, .n = n_
#define STOPWATCH(run_, how, n_) PLAIN(run_, how, n_), .clock = BENCH_STOPWATCH

static const struct bench rows[] = {
	{ .name = "irq/remap/hit", PLAIN(run_hit, plain, HOT) },
	{ .name = "irq/remap/miss", STOPWATCH(run_miss, plain, SCATTERED) },
	{ .name = "irq/posted", PLAIN(run_posted, posted, HOT) },
	{ .name = "irq/routes/lookup", PLAIN(run_lookup, routes, MANY) },
	{ .name = "irq/routes/set/4096", STOPWATCH(run_set, plain, MANY) },
	{ .name = "irq/routes/invalidate_one/64", STOPWATCH(run_invalidate_one, routes, 64) },
	{ .name = "irq/routes/invalidate_one/4096", STOPWATCH(run_invalidate_one, routes, MANY) },
	{ .name = "peer/irq_reread/remap/hit", PLAIN(run_peer_remap, plain, HOT) },
	{ .name = "peer/irq_reread/remap/miss", PLAIN(run_peer_remap, plain, SCATTERED) },
	{ .name = "peer/irq_reread/routes/invalidate_one/64",
	  STOPWATCH(run_peer_invalidate, plain, 64) },
	{ .name = "peer/irq_reread/routes/invalidate_one/4096",
	  STOPWATCH(run_peer_invalidate, plain, MANY) },
};

void bench_suite_irq(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
