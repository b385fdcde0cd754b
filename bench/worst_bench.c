/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * worst_bench.c - the longest that one call takes of what costs most, at its cap: limits.steps is to bound it.
 *
 * A round has a guest ask for as much as it can, and then makes calls until nothing is left to do. Counters:
 * longest_ns, the longest call of a round, in the quietest round; steps, the most that a call took; calls of a round;
 * ns_a_step, longest_ns by steps. The row itself is ns of a whole round. What the host's callbacks take is not counted.
 */
#include <libvirtiommu/vhost.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "irq_world.h"
#include "shim.h"
#include "unit.h"
#include "virtio_guest.h"
#include "vtd_world.h"

/* ---- the longest call ---- */

struct worst {
	struct viommu *iommu;
	const uint64_t *excluded; /* ns that callbacks have taken so far, or NULL */
	/* Of this round. */
	uint64_t longest;
	uint64_t calls;
	/* Of all. */
	uint64_t least;
	uint32_t steps;
	uint64_t started;
	uint64_t started_excluded;
};

/* Of this thread: while it does not run, it is not the call that takes time. */
static uint64_t processor_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static uint64_t excluded(const struct worst *w)
{
	return w->excluded ? *w->excluded : 0;
}

static void before(struct worst *w)
{
	w->iommu->steps = w->iommu->limits.steps; /* of a call that takes none */
	w->started_excluded = excluded(w);
	w->started = processor_ns();
}

static int after(struct worst *w, int result)
{
	uint64_t ns = processor_ns() - w->started - (excluded(w) - w->started_excluded);
	uint32_t steps = w->iommu->limits.steps - w->iommu->steps;

	w->calls++;
	w->longest = ns > w->longest ? ns : w->longest;
	w->steps = steps > w->steps ? steps : w->steps;
	if (result != VIOMMU_PENDING)
		virtio_expect("call", result);
	return result;
}

/* The first call has answered; the others follow. */
static void run_on(struct worst *w, int result)
{
	while (result == VIOMMU_PENDING) {
		before(w);
		result = after(w, viommu_run(w->iommu));
	}
}

static void round_begin(struct worst *w)
{
	w->longest = 0;
	w->calls = 0;
}

static void round_end(struct worst *w)
{
	w->least = w->least && w->least < w->longest ? w->least : w->longest;
}

static void report(struct bench_state *state, const struct worst *w)
{
	bench_counter(state, "longest_ns", (double)w->least);
	bench_counter(state, "steps", w->steps);
	bench_counter(state, "calls", (double)w->calls);
	if (w->steps)
		bench_counter(state, "ns_a_step", (double)w->least / w->steps);
}

/* Of which the quietest one counts. */
#define ROUNDS 5U

/* Rounds of one function, timed as a whole. */
static void rounds(struct bench_state *state, struct worst *w, void *world,
		   void (*prepare)(void *world), void (*once)(void *world, struct worst *w))
{
	while (bench_next_batch(state, ROUNDS)) {
		for (unsigned i = 0; i < ROUNDS; i++) {
			if (prepare)
				prepare(world);
			round_begin(w);
			bench_start(state);
			once(world, w);
			bench_stop(state);
			round_end(w);
		}
	}
	report(state, w);
}

/* ---- interrupts: global invalidations, and every route has changed ---- */

#define BURST 200U

static void *prepare_iec(const struct bench *row)
{
	return irq_world_new(row->n, true, false);
}

static void discard_irq(void *world)
{
	irq_world_free(world);
}

static void change_all(void *world)
{
	struct irq_world *w = world;
	static uint32_t turn;

	turn++;
	for (uint64_t i = 0; i < w->n; i++)
		irq_rewrite(w, i, 0x20 + (uint32_t)((i + turn) % 200));
}

static void iec(void *world, struct worst *worst)
{
	struct irq_world *w = world;

	for (unsigned i = 0; i < BURST; i++)
		irq_queue_all(w);
	irq_queue_wait(w);
	before(worst);
	run_on(worst, after(worst, viommu_reg_write(w->iommu, 0x88, 8, w->tail)));
}

static void run_iec(struct bench_state *state, void *world)
{
	struct irq_world *w = world;
	struct worst worst = { .iommu = w->iommu, .excluded = &w->drained_ns };

	rounds(state, &worst, world, change_all, iec);
}

/* ---- VT-d: many devices of one domain that everybody hears; many domains ---- */

struct vtd_rig {
	struct vtd_world *vtd;
	struct viommu_listener *listener;
	struct viommu_vhost *vhost;
	struct viommu_channel **channel; /* shape.pages of them, or NULL */
	uint64_t told;
};

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	(void)device, (void)pasid, (void)first, (void)last;
	++*(uint64_t *)opaque;
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *fragment)
{
	(void)device, (void)pasid, (void)iova, (void)fragment;
	++*(uint64_t *)opaque;
	return VIOMMU_OK;
}

static void listen(struct viommu *iommu, struct viommu_device *device, uint64_t *told,
		   struct viommu_listener **listener)
{
	const struct viommu_listener_config config = {
		.size = sizeof(config), .opaque = told, .unmap = on_unmap, .map = on_map
	};

	virtio_expect("viommu_listener_new", viommu_listener_new(iommu, device, &config, listener));
	while (viommu_run(iommu) == VIOMMU_PENDING)
		;
}

static struct vtd_rig *vtd_rig(const struct vtd_shape *shape)
{
	struct vtd_rig *rig = calloc(1, sizeof(*rig));

	if (rig)
		rig->vtd = vtd_world_new(shape);
	return rig;
}

static void *prepare_heard(const struct bench *row)
{
	const struct vtd_shape shape = { .paging = VTD_SS4,
					 .pages = 512,
					 .stride = GUEST_PAGE,
					 .devices = (uint32_t)row->n,
					 .domains = 1 };
	struct vtd_rig *rig = vtd_rig(&shape);

	if (!rig)
		return NULL;
	listen(rig->vtd->iommu, NULL, &rig->told, &rig->listener);
	for (uint32_t i = 0; i < shape.devices; i++)
		vtd_ask_device(rig->vtd->device[i], rig->vtd->pages.iova[i % shape.pages]);
	return rig;
}

static void *prepare_domains(const struct bench *row)
{
	const struct vtd_shape shape = {
		.paging = VTD_SS4, .pages = 512, .stride = GUEST_PAGE, .devices = (uint32_t)row->n
	};

	return vtd_rig(&shape);
}

static void discard_rig(void *world)
{
	struct vtd_rig *rig = world;

	for (uint64_t i = 0; rig->channel && i < rig->vtd->shape.pages; i++)
		viommu_channel_free(rig->channel[i]);
	free(rig->channel);
	viommu_vhost_free(rig->vhost);
	viommu_listener_free(rig->listener);
	vtd_world_free(rig->vtd);
	free(rig);
}

static void ring(struct vtd_world *w, struct worst *worst)
{
	vtd_queue_wait(w);
	before(worst);
	run_on(worst, after(worst, vtd_ring(w)));
}

static void pages(void *world, struct worst *worst)
{
	struct vtd_rig *rig = world;

	for (unsigned i = 0; i < BURST; i++)
		vtd_queue_page(rig->vtd, 1, rig->vtd->pages.iova[i]);
	ring(rig->vtd, worst);
}

static void one_domain(void *world, struct worst *worst)
{
	struct vtd_rig *rig = world;

	for (unsigned i = 0; i < BURST; i++)
		vtd_queue_domain(rig->vtd, 1);
	ring(rig->vtd, worst);
}

/* Each of them is known. */
static void use_domains(void *world)
{
	struct vtd_rig *rig = world;

	for (uint32_t i = 0; i < rig->vtd->shape.devices; i++)
		vtd_ask_device(rig->vtd->device[i], rig->vtd->pages.iova[i % 512]);
}

static void domains(void *world, struct worst *worst)
{
	struct vtd_rig *rig = world;

	for (unsigned i = 0; i < 4 * BURST; i++)
		vtd_queue_domain(rig->vtd, (uint16_t)(i + 1));
	ring(rig->vtd, worst);
}

static void run_pages(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct vtd_rig *)world)->vtd->iommu };

	rounds(state, &worst, world, NULL, pages);
}

static void run_one_domain(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct vtd_rig *)world)->vtd->iommu };

	rounds(state, &worst, world, NULL, one_domain);
}

static void run_domains(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct vtd_rig *)world)->vtd->iommu };

	rounds(state, &worst, world, use_domains, domains);
}

/* ---- waits, with so many channels that may have a section open ---- */

static void *prepare_sections(const struct bench *row)
{
	const struct vtd_shape shape = {
		.paging = VTD_SS4, .pages = row->n, .stride = GUEST_PAGE, .devices = 1
	};
	struct vtd_rig *rig = vtd_rig(&shape);

	if (!rig)
		return NULL;
	rig->channel = calloc(row->n, sizeof(struct viommu_channel *));
	for (uint64_t i = 0; rig->channel && i < row->n; i++)
		virtio_expect("viommu_channel_new",
			      viommu_channel_new(rig->vtd->device[0], VIOMMU_NO_PASID,
						 &rig->channel[i]));
	return rig;
}

static void waits(void *world, struct worst *worst)
{
	struct vtd_rig *rig = world;

	for (unsigned i = 0; i < BURST / 2; i++) {
		vtd_queue_domain(rig->vtd, 1);
		vtd_queue_wait(rig->vtd);
	}
	ring(rig->vtd, worst);
}

static void run_waits(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct vtd_rig *)world)->vtd->iommu };

	rounds(state, &worst, world, NULL, waits);
}

/* ---- vhost: a miss in the middle of a GiB that is one run, so that all of it is looked at ---- */

static int send_nothing(void *opaque, const struct viommu_iotlb_msg *message)
{
	(void)opaque, (void)message;
	return VIOMMU_OK;
}

static void *prepare_miss(const struct bench *row)
{
	const struct viommu_vhost_config config = { .size = sizeof(config),
						    .pasid = VIOMMU_NO_PASID,
						    .send = send_nothing };
	const struct vtd_shape shape = {
		.paging = VTD_SS4, .pages = row->n, .stride = GUEST_PAGE, .devices = 1
	};
	struct vtd_rig *rig = vtd_rig(&shape);

	if (!rig)
		return NULL;
	for (uint64_t i = 0; i < row->n; i++)
		guest_map(&rig->vtd->guest, &rig->vtd->paging, GUEST_IOVA + i * GUEST_PAGE,
			  GUEST_HIGH + i * GUEST_PAGE);
	vtd_queue_domain(rig->vtd, 1);
	vtd_finish(rig->vtd);
	virtio_expect("viommu_vhost_new",
		      viommu_vhost_new(rig->vtd->device[0], &config, &rig->vhost));
	return rig;
}

/* Nothing has been sent. */
static void forget(void *world)
{
	struct vtd_rig *rig = world;

	vtd_queue_domain(rig->vtd, 1);
	vtd_finish(rig->vtd);
}

static void miss(void *world, struct worst *worst)
{
	struct vtd_rig *rig = world;
	int result;

	before(worst);
	result = viommu_vhost_miss(rig->vhost, GUEST_IOVA + rig->vtd->shape.pages / 2 * GUEST_PAGE,
				   VIOMMU_READ);
	run_on(worst, after(worst, result));
}

static void run_miss(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct vtd_rig *)world)->vtd->iommu };

	rounds(state, &worst, world, forget, miss);
}

/* ---- virtio-iommu ---- */

#define LAST_ENDPOINT 9U /* the world's own is 8 */

struct virtio_rig {
	struct virtio_world *virtio;
	struct viommu_device **device;
	uint32_t devices;
	struct viommu_listener *listener;
	uint64_t told;
};

static struct virtio_rig *virtio_rig(uint64_t mappings, uint32_t devices)
{
	struct virtio_rig *rig = calloc(1, sizeof(*rig));

	if (!rig)
		return NULL;
	rig->virtio = virtio_world_new(mappings);
	rig->device = calloc(devices, sizeof(struct viommu_device *));
	for (; rig->device && rig->devices < devices; rig->devices++) {
		const struct viommu_device_config config = { .size = sizeof(config),
							     .id = LAST_ENDPOINT + rig->devices };

		virtio_expect("viommu_device_new", viommu_device_new(rig->virtio->iommu, &config,
								     &rig->device[rig->devices]));
	}
	return rig;
}

static void discard_virtio(void *world)
{
	struct virtio_rig *rig = world;

	viommu_listener_free(rig->listener);
	for (uint32_t i = 0; i < rig->devices; i++)
		viommu_device_free(rig->device[i]);
	virtio_world_free(rig->virtio);
	free(rig->device);
	free(rig);
}

static void finish(struct virtio_rig *rig, int result)
{
	while (result == VIOMMU_PENDING)
		result = viommu_run(rig->virtio->iommu);
	virtio_expect("request", result);
}

/* A new endpoint, whose listener has to hear of all mappings. */
static void *prepare_attach(const struct bench *row)
{
	struct virtio_rig *rig = virtio_rig(row->n, 1);

	if (rig)
		listen(rig->virtio->iommu, rig->device[0], &rig->told, &rig->listener);
	return rig;
}

static void detach(void *world)
{
	struct virtio_rig *rig = world;

	finish(rig, virtio_try_detach(rig->virtio, LAST_ENDPOINT));
}

static void attach(void *world, struct worst *worst)
{
	struct virtio_rig *rig = world;

	before(worst);
	run_on(worst, after(worst, virtio_try_attach(rig->virtio, LAST_ENDPOINT)));
	detach(world);
}

static void run_attach(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct virtio_rig *)world)->virtio->iommu };

	rounds(state, &worst, world, NULL, attach);
}

/* All mappings at once. */
static void *prepare_unmap(const struct bench *row)
{
	return virtio_rig(row->n, 0);
}

static void fill(void *world)
{
	struct virtio_rig *rig = world;

	if (rig->told++) /* they are there already, at first */
		virtio_fill(rig->virtio);
}

static void unmap_all(void *world, struct worst *worst)
{
	struct virtio_rig *rig = world;

	before(worst);
	run_on(worst, after(worst, virtio_try_unmap(rig->virtio, 0, 2 * rig->virtio->n)));
}

static void run_unmap(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct virtio_rig *)world)->virtio->iommu };

	rounds(state, &worst, world, fill, unmap_all);
}

/* Everybody in one domain, with a listener of the whole IOMMU. */
static void attach_all(void *world)
{
	struct virtio_rig *rig = world;

	for (uint32_t i = 0; i < rig->devices; i++)
		finish(rig, virtio_try_attach(rig->virtio, LAST_ENDPOINT + i));
}

static void *prepare_endpoints(const struct bench *row)
{
	struct virtio_rig *rig = virtio_rig(1, (uint32_t)row->n);

	if (!rig)
		return NULL;
	listen(rig->virtio->iommu, NULL, &rig->told, &rig->listener);
	attach_all(rig);
	return rig;
}

static void map_one(void *world, struct worst *worst)
{
	struct virtio_rig *rig = world;

	before(worst);
	run_on(worst, after(worst, virtio_try_map(rig->virtio, 1, 1)));
	before(worst);
	run_on(worst, after(worst, virtio_try_unmap(rig->virtio, 1, 1)));
}

static void run_map(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct virtio_rig *)world)->virtio->iommu };

	rounds(state, &worst, world, NULL, map_one);
}

static void reset(void *world, struct worst *worst)
{
	struct virtio_rig *rig = world;

	before(worst);
	run_on(worst, after(worst, viommu_virtio_reset(rig->virtio->iommu)));
}

static void run_reset(struct bench_state *state, void *world)
{
	struct worst worst = { .iommu = ((struct virtio_rig *)world)->virtio->iommu };

	rounds(state, &worst, world, attach_all, reset);
}

#define ROW(name, run, prepare, discard, n)                                                        \
	{                                                                                          \
		name, run, prepare, discard, n, NULL, BENCH_STOPWATCH, 0                           \
	}

void bench_suite_worst(void)
{
	static const struct bench rows[] = {
		ROW("worst/iec/65536", run_iec, prepare_iec, discard_irq, 65536),
		ROW("worst/page/4096", run_pages, prepare_heard, discard_rig, 4096),
		ROW("worst/one_domain/4096", run_one_domain, prepare_heard, discard_rig, 4096),
		ROW("worst/domains/4096", run_domains, prepare_domains, discard_rig, 4096),
		ROW("worst/sections/16384", run_waits, prepare_sections, discard_rig, 16384),
		ROW("worst/miss/262144", run_miss, prepare_miss, discard_rig, 262144),
		ROW("worst/attach/4000000", run_attach, prepare_attach, discard_virtio, 4000000),
		ROW("worst/unmap/4000000", run_unmap, prepare_unmap, discard_virtio, 4000000),
		ROW("worst/map_unmap/4096", run_map, prepare_endpoints, discard_virtio, 4096),
		ROW("worst/reset/4096", run_reset, prepare_endpoints, discard_virtio, 4096),
	};

	bench_register(rows, sizeof(rows) / sizeof(rows[0]));
}
