/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_bench.c - what the library's VT-d engine costs, and sections. peer.c has the same loops for
 * the peers.
 *
 * hit/channel, working_set, miss and threads go through a channel, as a device model does it;
 * hit/shared, devices and invalidate through the device, with the shared TLB only. Loops of hits
 * are one section; what a section costs is section/enter_leave.
 */
#include <stdlib.h>

#include "cycle.h"
#include "shim.h"
#include "vtd_world.h"

#define BURST	  64U /* page invalidations behind one wait descriptor, timed together */
#define SG_BYTES  ((uint64_t)1 << 20)
#define SG_PAGES  (SG_BYTES / GUEST_PAGE)
#define PERIOD_NS 10000U /* between two invalidations: 100,000 a second */

/* --- worlds --- */

static void discard(void *world)
{
	vtd_world_free(world);
}

static void *make(enum vtd_paging paging, uint64_t pages, uint64_t stride, uint32_t devices)
{
	struct vtd_shape shape = { paging, pages, stride, devices, 0, 0 };

	return vtd_world_new(&shape);
}

/* row->n pages, one after the other. */
static void *prepare_dense(const struct bench *row)
{
	return make(VTD_SS4, row->n, GUEST_PAGE, 1);
}

/* The same at a stride: what a channel has must not depend on it. */
#define PREPARE_STRIDE(name, lg2)                                                                  \
	static void *prepare_stride_##name(const struct bench *row)                                \
	{                                                                                          \
		return make(VTD_SS4, row->n, UINT64_C(1) << (lg2), 1);                             \
	}

PREPARE_STRIDE(8k, 13)
PREPARE_STRIDE(64k, 16)
PREPARE_STRIDE(256k, 18)
PREPARE_STRIDE(2m, 21)

static void *prepare_domains(const struct bench *row)
{
	return make(VTD_SS4, row->n, GUEST_PAGE, GUEST_DOMAINS + 1);
}

/* row->n devices and as many pages as are hot. */
static void *prepare_devices(const struct bench *row)
{
	return make(VTD_SS4, GUEST_HOT, GUEST_PAGE, (uint32_t)row->n);
}

static void *prepare_ss3(const struct bench *row)
{
	(void)row;
	return make(VTD_SS3, GUEST_SCATTERED, GUEST_SCATTERED_3, 1);
}

static void *prepare_ss4(const struct bench *row)
{
	(void)row;
	return make(VTD_SS4, GUEST_SCATTERED, GUEST_SCATTERED_4, 1);
}

static void *prepare_fs4(const struct bench *row)
{
	(void)row;
	return make(VTD_FS4, GUEST_SCATTERED, GUEST_SCATTERED_4, 1);
}

static void *prepare_nested44(const struct bench *row)
{
	(void)row;
	return make(VTD_NESTED44, GUEST_SCATTERED, GUEST_SCATTERED_4, 1);
}

/* --- hits and working sets --- */

static void enter(struct viommu_channel *channel)
{
	int r = viommu_enter(channel);

	if (r != VIOMMU_OK)
		unexpected("viommu_enter", r);
}

static void leave(struct viommu_channel *channel)
{
	int r = viommu_leave(channel);

	if (r != VIOMMU_OK)
		unexpected("viommu_leave", r);
}

/* The next address is known only when the answer is. */
static void run_latency(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	struct viommu_channel *channel = w->channel[0];
	uint64_t iova = w->pages.iova[0];

	enter(channel);
	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++)
			iova = guest_pages_next(&w->pages, vtd_ask(channel, iova));
	leave(channel);
	bench_use(iova);
}

/* The pages in their order, each request independent of the one before. */
static void run_order(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	struct viommu_channel *channel = w->channel[state->thread];
	uint64_t n = w->pages.n;
	uint64_t k = n * state->thread / state->threads;

	enter(channel);
	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			bench_use(vtd_ask(channel, w->pages.iova[k]));
			if (++k == n)
				k = 0;
		}
	leave(channel);
}

/* Page k of the order belongs to this device; its domain is one more. The last has the rest. */
static struct viommu_device *device_of(const struct vtd_world *w, uint64_t k)
{
	return w->device[k < w->shape.devices ? k : w->shape.devices - 1];
}

static void touch(const struct vtd_world *w, uint64_t from, uint64_t to)
{
	for (uint64_t k = from; k < to; k++)
		bench_use(vtd_ask_device(device_of(w, k), w->pages.iova[k]));
}

static void run_shared(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	uint64_t n = w->pages.n, k = 0;

	touch(w, 0, w->pages.n);
	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++) {
			bench_use(vtd_ask_device(w->device[0], w->pages.iova[k]));
			if (++k == n)
				k = 0;
		}
}

/* Devices in a random order, each with one page of its own domain. */
static void run_devices(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	uint32_t n = w->shape.devices, k = 0;
	uint32_t *next = malloc(n * sizeof(*next));

	if (!next) {
		bench_fail(state, "malloc");
		return;
	}
	cycle_fill(next, n);
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask_device(w->device[i], w->pages.iova[i % GUEST_HOT]));
	while (bench_next_batch(state, 16))
		for (unsigned i = 0; i < 16; i++, k = next[k])
			bench_use(vtd_ask_device(w->device[k], w->pages.iova[k % GUEST_HOT]));
	free(next);
}

/* --- misses --- */

/* Each page once after a flush of the domain, its address taken from the answer before. */
static void run_miss(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	struct viommu_channel *channel = w->channel[0];
	uint64_t n = w->pages.n, iova = w->pages.iova[0];

	while (bench_next_batch(state, n)) {
		vtd_queue_domain(w, 1);
		vtd_finish(w);
		enter(channel);
		bench_start(state);
		for (uint64_t i = 0; i < n; i++)
			iova = guest_pages_next(&w->pages, vtd_ask(channel, iova));
		bench_stop(state);
		leave(channel);
	}
}

/* The same, one at a time, from pages that all are in the shared TLB. */
static void run_warm_order(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;

	touch(w, 0, w->pages.n);
	run_order(state, world);
}

#define BATCH 32U

/* The pages in their order, so many at a time. */
static void run_batch(struct bench_state *state, void *world)
{
	struct viommu_fragment fragments[BATCH];
	struct viommu_request requests[BATCH];
	struct viommu_answer answers[BATCH];
	struct vtd_world *w = world;
	uint64_t n = w->pages.n, k = 0;
	uint32_t done;

	touch(w, 0, n);
	enter(w->channel[0]);
	while (bench_next_batch(state, BATCH)) {
		int r;

		for (unsigned i = 0; i < BATCH; i++) {
			requests[i] = vtd_read(w->pages.iova[k]);
			if (++k == n)
				k = 0;
		}
		r = viommu_translate_list(w->channel[0], requests, BATCH, fragments, BATCH, answers,
					  &done);
		if (r != VIOMMU_OK)
			unexpected("viommu_translate_list", r);
		bench_use(fragments[BATCH - 1].gpa);
	}
	leave(w->channel[0]);
}

/* 1 MiB of pages that are nowhere contiguous, as one request. */
static void run_sg(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	struct viommu_fragment fragments[SG_PAGES];
	struct viommu_answer answer;
	int r;

	while (bench_next(state)) {
		struct viommu_request request = vtd_read(w->pages.base);

		request.last = w->pages.base + SG_BYTES - 1;
		r = viommu_translate(w->channel[0], &request, fragments, SG_PAGES, &answer);
		if (r != VIOMMU_OK)
			unexpected("viommu_translate", r);
		bench_use(fragments[SG_PAGES - 1].gpa);
	}
}

/*
 * --- invalidations: what the unit does when the guest rings; the descriptors are there already
 * ---
 */

static void ring(struct bench_state *state, struct vtd_world *w)
{
	int r;

	vtd_queue_wait(w);
	bench_start(state);
	r = vtd_ring(w);
	while (r == VIOMMU_PENDING)
		r = viommu_run(w->iommu);
	bench_stop(state);
	if (r != VIOMMU_OK || !vtd_completed(w))
		unexpected("invalidation", r);
}

/* As a driver does it: pages are used, then invalidated. Then they are cached again: n stays n. */
static void run_invalidate_page(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	uint64_t first = 0;

	touch(w, 0, w->pages.n);
	while (bench_next_batch(state, BURST)) {
		touch(w, first, first + BURST);
		for (uint64_t k = first; k < first + BURST; k++)
			vtd_queue_page(w, 1, w->pages.iova[k]);
		ring(state, w);
		touch(w, first, first + BURST);
		first += BURST;
		if (first + BURST > w->pages.n)
			first = 0;
	}
}

/* The same with whole domains. */
static void run_invalidate_domain(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;

	touch(w, GUEST_DOMAINS, w->pages.n);
	while (bench_next_batch(state, GUEST_DOMAINS)) {
		touch(w, 0, GUEST_DOMAINS);
		for (uint32_t i = 0; i < GUEST_DOMAINS; i++)
			vtd_queue_domain(w, (uint16_t)(i + 1));
		ring(state, w);
	}
}

/* --- threads --- */

/* Thread 0 is the guest's processor too: it unmaps hot pages while both threads use them. */
struct unmapper {
	struct vtd_world *w;
	uint64_t due_ns;
	uint64_t done;
	bool pending;
};

static void unmap_if_due(struct unmapper *u)
{
	uint64_t now = bench_now_ns();
	int r;

	if (now < u->due_ns)
		return;
	if (!u->pending) {
		vtd_queue_page(u->w, 1, u->w->pages.iova[u->done++ % GUEST_HOT]);
		vtd_queue_wait(u->w);
		r = vtd_ring(u->w);
		u->due_ns = u->due_ns + PERIOD_NS > now ? u->due_ns + PERIOD_NS : now;
	} else {
		r = viommu_run(u->w->iommu);
	}
	if (r < 0)
		unexpected("invalidation", r);
	u->pending = r == VIOMMU_PENDING;
}

/* A section as a queue has it: a burst of translations, then done with them. */
static void translate_burst(struct vtd_world *w, struct viommu_channel *channel, uint64_t from)
{
	enter(channel);
	for (uint64_t i = 0; i < 32; i++)
		bench_use(vtd_ask(channel, w->pages.iova[(from + i) % GUEST_HOT]));
	leave(channel);
}

static void run_with_invalidations(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;
	struct viommu_channel *channel = w->channel[state->thread];
	struct unmapper u = { .w = w, .due_ns = bench_now_ns() };
	uint64_t began = u.due_ns;

	while (bench_next_batch(state, 256)) {
		for (uint64_t i = 0; i < 256; i += 32)
			translate_burst(w, channel, i);
		if (state->thread == 0)
			unmap_if_due(&u);
	}
	if (state->thread != 0)
		return;
	bench_counter(state, "invalidations_per_second",
		      (double)u.done * 1e9 / (double)(bench_now_ns() - began));
	while (u.pending)
		unmap_if_due(&u);
}

/* --- sections --- */

static void run_enter_leave(struct bench_state *state, void *world)
{
	struct vtd_world *w = world;

	while (bench_next_batch(state, 4))
		for (unsigned i = 0; i < 4; i++) {
			enter(w->channel[0]);
			leave(w->channel[0]);
		}
}

/* --- rows --- */

#define WORLD(how)		 .prepare = prepare_##how, .discard = discard
#define PLAIN(run_, how, n_)	 .run = run_, WORLD(how), .n = n_
#define STOPWATCH(run_, how, n_) .run = run_, WORLD(how), .n = n_, .clock = BENCH_STOPWATCH
#define THREADS(run_, count)                                                                       \
	.run = run_, WORLD(dense), .n = GUEST_HOT, .clock = BENCH_WALL, .threads = count

static const struct bench rows[] = {
	{ .name = "vtd/hit/channel/latency", PLAIN(run_latency, dense, GUEST_HOT) },
	{ .name = "vtd/hit/channel/throughput", PLAIN(run_order, dense, GUEST_HOT) },
	{ .name = "vtd/hit/device", PLAIN(run_shared, dense, GUEST_HOT) },
	{ .name = "vtd/hit/shared/1000", PLAIN(run_shared, dense, 1000) },
	{ .name = "vtd/hit/shared/10000", PLAIN(run_shared, dense, 10000) },
	{ .name = "vtd/hit/shared/100000", PLAIN(run_shared, dense, 100000) },
	{ .name = "vtd/hit/shared/1000000", PLAIN(run_shared, dense, 1000000) },
	{ .name = "vtd/miss/ss3", STOPWATCH(run_miss, ss3, 0) },
	{ .name = "vtd/miss/ss4", STOPWATCH(run_miss, ss4, 0) },
	{ .name = "vtd/miss/fs4", STOPWATCH(run_miss, fs4, 0) },
	{ .name = "vtd/miss/nested44", STOPWATCH(run_miss, nested44, 0) },
	{ .name = "vtd/miss_structure_cache/ss4", STOPWATCH(run_miss, dense, 4096) },
	{ .name = "vtd/working_set/256", PLAIN(run_order, dense, 256) },
	{ .name = "vtd/working_set/257", PLAIN(run_order, dense, 257) },
	{ .name = "vtd/working_set/1024", PLAIN(run_order, dense, 1024) },
	{ .name = "vtd/working_set/1025", PLAIN(run_order, dense, 1025) },
	{ .name = "vtd/working_set/65536", PLAIN(run_order, dense, 65536) },
	{ .name = "vtd/stride/4KiB", PLAIN(run_order, dense, 1000) },
	{ .name = "vtd/stride/8KiB", PLAIN(run_order, stride_8k, 1000) },
	{ .name = "vtd/stride/64KiB", PLAIN(run_order, stride_64k, 1000) },
	{ .name = "vtd/stride/256KiB", PLAIN(run_order, stride_256k, 1000) },
	{ .name = "vtd/stride/2MiB", PLAIN(run_order, stride_2m, 1000) },
	{ .name = "vtd/batch1/1000000", PLAIN(run_warm_order, dense, 1000000) },
	{ .name = "vtd/batch32/1000000", PLAIN(run_batch, dense, 1000000) },
	{ .name = "vtd/sg/1MiB", PLAIN(run_sg, dense, SG_PAGES) },
	{ .name = "vtd/invalidate/page/1000", STOPWATCH(run_invalidate_page, dense, 1000) },
	{ .name = "vtd/invalidate/page/100000", STOPWATCH(run_invalidate_page, dense, 100000) },
	{ .name = "vtd/invalidate/domain/1000", STOPWATCH(run_invalidate_domain, domains, 1000) },
	{ .name = "vtd/invalidate/domain/100000",
	  STOPWATCH(run_invalidate_domain, domains, 100000) },
	{ .name = "vtd/devices/1", PLAIN(run_devices, devices, 1) },
	{ .name = "vtd/devices/256", PLAIN(run_devices, devices, 256) },
	{ .name = "vtd/devices/65536", PLAIN(run_devices, devices, 65536) },
	{ .name = "vtd/threads/hit/1", THREADS(run_order, 1) },
	{ .name = "vtd/threads/hit/2", THREADS(run_order, 2) },
	{ .name = "vtd/threads/hit_with_invalidations/2", THREADS(run_with_invalidations, 2) },
	{ .name = "section/enter_leave", PLAIN(run_enter_leave, dense, GUEST_HOT) },
};

void bench_suite_vtd(void)
{
	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
