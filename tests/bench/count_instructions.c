/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * count_instructions.c - does each operation n times, and 2n times, for callgrind to count;
 * instructions.py runs it and compares. The worlds are those of bench/.
 *
 *	count_instructions [OPERATION...]
 *
 * Callgrind has to be started with --collect-atstart=no. Only what is between count() calls is
 * collected: the operation, its request and the loop. Everything has been done once before, so that
 * no first time is among it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(text) (void)(text)
#endif

#include <libvirtiommu/dma.h>

#include "amdvi_guest.h"
#include "irq_world.h"
#include "its_guest.h"
#include "riscv_world.h"
#include "shim.h"
#include "smmuv3_world.h"
#include "tce_guest.h"
#include "view_world.h"
#include "virtio_guest.h"
#include "vtd_world.h"

#define MESSAGES 32U
#define MAPPINGS 1000U
#define BURST	 256U

/* Starts to collect, or stops. */
static inline void count(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

/* --- worlds --- */

static void *make(uint64_t pages, uint64_t stride, uint32_t devices)
{
	struct vtd_shape shape = { VTD_SS4, pages, stride, devices, 0, 0 };

	return vtd_world_new(&shape);
}

static void *prepare_hot(void)
{
	return make(GUEST_HOT, GUEST_PAGE, 1);
}

static void *prepare_scattered(void)
{
	return make(GUEST_SCATTERED, GUEST_SCATTERED_4, 1);
}

static void *prepare_dense(void)
{
	return make(GUEST_SCATTERED, GUEST_PAGE, 1);
}

static void *prepare_domains(void)
{
	return make(GUEST_DOMAINS, GUEST_PAGE, GUEST_DOMAINS);
}

static void *prepare_messages(void)
{
	return irq_world_new(MESSAGES, false, false);
}

static void *prepare_routes(void)
{
	return irq_world_new(MESSAGES, true, false);
}

static void *prepare_mappings(void)
{
	return virtio_world_new(MAPPINGS);
}

static void *prepare_events(void)
{
	return its_guest_new(0);
}

static void *prepare_events_64(void)
{
	return its_guest_new(64);
}

static void *prepare_events_65536(void)
{
	return its_guest_new(ITS_EVENTS);
}

static void *prepare_amdvi_hot(void)
{
	return amdvi_guest_new(GUEST_HOT, GUEST_PAGE);
}

static void *prepare_amdvi_scattered(void)
{
	return amdvi_guest_new(GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void *prepare_amdvi_dense(void)
{
	return amdvi_guest_new(GUEST_SCATTERED, GUEST_PAGE);
}

static void discard_amdvi(void *world)
{
	amdvi_guest_free(world);
}

static void *prepare_view(void)
{
	return view_world_new(GUEST_HOT);
}

static void discard_view(void *world)
{
	view_world_free(world);
}

static void discard_its(void *world)
{
	its_guest_free(world);
}

static void discard_virtio(void *world)
{
	virtio_world_free(world);
}

static void discard_vtd(void *world)
{
	vtd_world_free(world);
}

static void discard_irq(void *world)
{
	irq_world_free(world);
}

/* --- operations. Each does its own n, rounded up to whole turns. --- */

static uint64_t ask_to_write(struct viommu_channel *channel, uint64_t iova)
{
	struct viommu_request request = vtd_read(iova);
	struct viommu_fragment fragment;
	struct viommu_answer answer;

	request.access = VIOMMU_WRITE;
	expect_ok("viommu_translate", viommu_translate(channel, &request, &fragment, 1, &answer));
	return fragment.gpa;
}

static void channel_hit(void *world, uint32_t n)
{
	struct vtd_world *w = world;

	expect_ok("viommu_enter", viommu_enter(w->channel[0]));
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask(w->channel[0], w->pages.iova[i % GUEST_HOT]));
	count();
	expect_ok("viommu_leave", viommu_leave(w->channel[0]));
}

static void channel_hit_write(void *world, uint32_t n)
{
	struct vtd_world *w = world;

	expect_ok("viommu_enter", viommu_enter(w->channel[0]));
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(ask_to_write(w->channel[0], w->pages.iova[i % GUEST_HOT]));
	count();
	expect_ok("viommu_leave", viommu_leave(w->channel[0]));
}

static void device_hit(void *world, uint32_t n)
{
	struct vtd_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask_device(w->device[0], w->pages.iova[i % GUEST_HOT]));
	count();
}

static void view_hit(void *world, uint32_t n)
{
	struct view_world *w = world;

	expect_ok("viommu_view_enter", viommu_view_enter(w->view));
	for (uint32_t i = 0; i < GUEST_HOT; i++)
		view_ask(w->view, w->vtd->pages.iova[i]);
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(view_ask(w->view, w->vtd->pages.iova[i % GUEST_HOT]));
	count();
	expect_ok("viommu_view_leave", viommu_view_leave(w->view));
}

static void view_enter_leave(void *world, uint32_t n)
{
	struct view_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++) {
		int entered = viommu_view_enter(w->view);
		int left = viommu_view_leave(w->view);

		if (entered || left)
			unexpected("section", entered ? entered : left);
	}
	count();
}

/* What the owner has cached: both processes' part, without what carries the message. */
static void view_request(void *world, uint32_t n)
{
	struct view_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(view_world_reply(
			w, view_world_request(w, w->vtd->pages.iova[i % GUEST_HOT])));
	count();
}

/* Each page once after a flush, through a channel. */
static void miss(void *world, uint32_t n)
{
	struct vtd_world *w = world;

	for (uint32_t done = 0; done < n; done += GUEST_SCATTERED) {
		vtd_queue_domain(w, 1);
		vtd_finish(w);
		expect_ok("viommu_enter", viommu_enter(w->channel[0]));
		count();
		for (uint32_t i = 0; i < GUEST_SCATTERED; i++)
			bench_use(vtd_ask(w->channel[0], w->pages.iova[i]));
		count();
		expect_ok("viommu_leave", viommu_leave(w->channel[0]));
	}
}

/* The descriptors are there, with a wait behind them. */
static void ring(struct vtd_world *w)
{
	int r;

	vtd_queue_wait(w);
	count();
	r = vtd_ring(w);
	while (r == VIOMMU_PENDING)
		r = viommu_run(w->iommu);
	count();
	expect_ok("invalidation", r);
	if (!vtd_completed(w))
		unexpected("status", VIOMMU_PENDING);
}

/* 64 pages that are cached. */
static void invalidate_page(void *world, uint32_t n)
{
	struct vtd_world *w = world;

	for (uint32_t done = 0; done < n; done += 64) {
		for (uint32_t i = 0; i < 64; i++)
			bench_use(vtd_ask_device(w->device[0], w->pages.iova[i]));
		for (uint32_t i = 0; i < 64; i++)
			vtd_queue_page(w, 1, w->pages.iova[i]);
		ring(w);
	}
}

/* 64 domains, each with a page that is cached. */
static void invalidate_domain(void *world, uint32_t n)
{
	struct vtd_world *w = world;

	for (uint32_t done = 0; done < n; done += GUEST_DOMAINS) {
		for (uint32_t i = 0; i < GUEST_DOMAINS; i++)
			bench_use(vtd_ask_device(w->device[i], w->pages.iova[i]));
		for (uint32_t i = 0; i < GUEST_DOMAINS; i++)
			vtd_queue_domain(w, (uint16_t)(i + 1));
		ring(w);
	}
}

/* --- the same of the RISC-V IOMMU --- */

static void *prepare_riscv_hot(void)
{
	return riscv_world_new(GUEST_HOT, GUEST_PAGE);
}

static void *prepare_riscv_scattered(void)
{
	return riscv_world_new(GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void *prepare_riscv_dense(void)
{
	return riscv_world_new(GUEST_SCATTERED, GUEST_PAGE);
}

static void discard_riscv(void *world)
{
	riscv_world_free(world);
}

static void riscv_channel_hit(void *world, uint32_t n)
{
	struct riscv_world *w = world;

	expect_ok("viommu_enter", viommu_enter(w->channel));
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask(w->channel, w->pages.iova[i % GUEST_HOT]));
	count();
	expect_ok("viommu_leave", viommu_leave(w->channel));
}

/* While an event counter runs, until the operation is over. */
static void *prepare_riscv_counted(void)
{
	struct riscv_world *w = riscv_world_new(GUEST_HOT, GUEST_PAGE);

	riscv_count_requests(w);
	return w;
}

static void riscv_device_hit(void *world, uint32_t n)
{
	struct riscv_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask_device(w->device, w->pages.iova[i % GUEST_HOT]));
	count();
}

static void riscv_miss(void *world, uint32_t n)
{
	struct riscv_world *w = world;

	for (uint32_t done = 0; done < n; done += GUEST_SCATTERED) {
		riscv_queue_all(w);
		riscv_finish(w);
		expect_ok("viommu_enter", viommu_enter(w->channel));
		count();
		for (uint32_t i = 0; i < GUEST_SCATTERED; i++)
			bench_use(vtd_ask(w->channel, w->pages.iova[i]));
		count();
		expect_ok("viommu_leave", viommu_leave(w->channel));
	}
}

static void riscv_invalidate_page(void *world, uint32_t n)
{
	struct riscv_world *w = world;

	for (uint32_t done = 0; done < n; done += 64) {
		for (uint32_t i = 0; i < 64; i++) {
			bench_use(vtd_ask_device(w->device, w->pages.iova[i]));
			riscv_queue_page(w, w->pages.iova[i]);
		}
		count();
		riscv_finish(w);
		count();
	}
}

/* --- the same of an SMMUv3 --- */

static void *prepare_smmuv3_hot(void)
{
	return smmuv3_world_new(SMMUV3_STAGE1, GUEST_HOT, GUEST_PAGE);
}

static void *prepare_smmuv3_stage1(void)
{
	return smmuv3_world_new(SMMUV3_STAGE1, GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void *prepare_smmuv3_stage2(void)
{
	return smmuv3_world_new(SMMUV3_STAGE2, GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void *prepare_smmuv3_nested(void)
{
	return smmuv3_world_new(SMMUV3_NESTED, GUEST_SCATTERED, GUEST_SCATTERED_4);
}

static void *prepare_smmuv3_dense(void)
{
	return smmuv3_world_new(SMMUV3_STAGE1, GUEST_SCATTERED, GUEST_PAGE);
}

static void discard_smmuv3(void *world)
{
	smmuv3_world_free(world);
}

static void smmuv3_channel_hit(void *world, uint32_t n)
{
	struct smmuv3_world *w = world;

	expect_ok("viommu_enter", viommu_enter(w->channel));
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask(w->channel, w->pages.iova[i % GUEST_HOT]));
	count();
	expect_ok("viommu_leave", viommu_leave(w->channel));
}

static void smmuv3_device_hit(void *world, uint32_t n)
{
	struct smmuv3_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask_device(w->device, w->pages.iova[i % GUEST_HOT]));
	count();
}

static void smmuv3_miss(void *world, uint32_t n)
{
	struct smmuv3_world *w = world;

	for (uint32_t done = 0; done < n; done += GUEST_SCATTERED) {
		smmuv3_queue_all(w);
		smmuv3_finish(w);
		expect_ok("viommu_enter", viommu_enter(w->channel));
		count();
		for (uint32_t i = 0; i < GUEST_SCATTERED; i++)
			bench_use(vtd_ask(w->channel, w->pages.iova[i]));
		count();
		expect_ok("viommu_leave", viommu_leave(w->channel));
	}
}

static void smmuv3_invalidate(struct smmuv3_world *w, uint32_t n, unsigned how)
{
	for (uint32_t done = 0; done < n; done += 64) {
		for (uint32_t i = 0; i < 64; i++) {
			bench_use(vtd_ask_device(w->device, w->pages.iova[i]));
			if (how == 0)
				smmuv3_queue_page(w, w->pages.iova[i]);
			else if (how == 1)
				smmuv3_queue_asid(w);
			else
				smmuv3_queue_all(w);
		}
		count();
		smmuv3_finish(w);
		count();
	}
}

static void smmuv3_invalidate_page(void *world, uint32_t n)
{
	smmuv3_invalidate(world, n, 0);
}

static void smmuv3_invalidate_asid(void *world, uint32_t n)
{
	smmuv3_invalidate(world, n, 1);
}

static void smmuv3_invalidate_vmid(void *world, uint32_t n)
{
	smmuv3_invalidate(world, n, 2);
}

static void enter_leave(void *world, uint32_t n)
{
	struct vtd_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++) {
		int entered = viommu_enter(w->channel[0]), left = viommu_leave(w->channel[0]);

		if (entered || left)
			unexpected("section", entered ? entered : left);
	}
	count();
}

/* 8 bytes of hot pages. */
static void read_words(struct vtd_world *w, uint32_t n)
{
	count();
	for (uint32_t i = 0; i < n; i++) {
		uint64_t word;
		int r = viommu_dma_read(w->channel[0], w->pages.iova[i % GUEST_HOT], &word,
					sizeof(word), 0, NULL);

		if (r)
			unexpected("viommu_dma_read", r);
		bench_use(word);
	}
	count();
}

static void dma_read(void *world, uint32_t n)
{
	struct vtd_world *w = world;

	expect_ok("viommu_enter", viommu_enter(w->channel[0]));
	read_words(w, n);
	expect_ok("viommu_leave", viommu_leave(w->channel[0]));
}

static void dma_read_section(void *world, uint32_t n)
{
	read_words(world, n);
}

static void device_enter_leave(void *world, uint32_t n)
{
	struct vtd_world *w = world;
	struct viommu_section section = { .device = NULL };

	count();
	for (uint32_t i = 0; i < n; i++) {
		int entered = viommu_device_enter(w->device[0], &section);
		int left = viommu_device_leave(&section);

		if (entered || left)
			unexpected("section", entered ? entered : left);
	}
	count();
}

/* A wait that many sections hold back: what looking at them costs. */
static void check_sections(struct vtd_world *w, uint32_t n, uint32_t open)
{
	struct viommu_section *section = calloc(open, sizeof(*section));

	if (!section)
		unexpected("calloc", VIOMMU_ENOMEM);
	for (uint32_t i = 0; i < open; i++)
		expect_ok("viommu_device_enter", viommu_device_enter(w->device[0], &section[i]));
	vtd_queue_domain(w, 1);
	vtd_queue_wait(w);
	if (vtd_ring(w) != VIOMMU_PENDING)
		unexpected("vtd_ring", VIOMMU_OK);
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use((uint64_t)viommu_run(w->iommu));
	count();
	for (uint32_t i = 0; i < open; i++)
		expect_ok("viommu_device_leave", viommu_device_leave(&section[i]));
	expect_ok("viommu_run", viommu_run(w->iommu));
	free(section);
}

static void check_1_section(void *world, uint32_t n)
{
	check_sections(world, n, 1);
}

static void check_10000_sections(void *world, uint32_t n)
{
	check_sections(world, n, 10000);
}

static void irq_hit(void *world, uint32_t n)
{
	struct irq_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(irq_send(w, i % MESSAGES));
	count();
}

static void irq_miss(void *world, uint32_t n)
{
	struct irq_world *w = world;

	for (uint32_t done = 0; done < n; done += MESSAGES) {
		irq_queue_all(w);
		irq_queue_wait(w);
		irq_ring(w);
		count();
		for (uint32_t i = 0; i < MESSAGES; i++)
			bench_use(irq_send(w, i));
		count();
	}
}

static void route_lookup(void *world, uint32_t n)
{
	struct irq_world *w = world;
	struct viommu_route_change change;

	count();
	for (uint32_t i = 0; i < n; i++) {
		if (viommu_routes_lookup(w->routes, i % MESSAGES, &change) != VIOMMU_OK)
			unexpected("viommu_routes_lookup", VIOMMU_ENOENT);
		bench_use(change.msi.data);
	}
	count();
}

static void its_hit(void *world, uint32_t n)
{
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(its_send(world, i % MESSAGES, VIOMMU_MSI_RESOLVE));
	count();
}

/* A message, and the CPU that takes it. */
static void its_deliver(void *world, uint32_t n)
{
	struct its_guest *g = world;

	count();
	for (uint32_t i = 0; i < n; i++) {
		uint64_t lpi = its_send(g, i % MESSAGES, 0);

		viommu_lpis_acknowledge(g->lpis, (uint32_t)lpi, (uint32_t)(lpi >> 32));
	}
	count();
}

/* MOVI and SYNC, which resolve one route of as many as there are. */
static void its_movi(void *world, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		its_queue_turn(world, i);
		count();
		its_ring(world);
		count();
	}
}

/* A burst of neighbours, between pages that are mapped: all of them, then all away again. */
static void map_burst(void *world, uint32_t n, bool count_map, bool count_unmap)
{
	for (uint32_t done = 0; done < n; done += BURST) {
		if (count_map)
			count();
		for (uint32_t i = 0; i < BURST; i++)
			virtio_map(world, 2 * (i + done % MAPPINGS) + 1, 1);
		if (count_map)
			count();
		if (count_unmap)
			count();
		for (uint32_t i = 0; i < BURST; i++)
			virtio_unmap(world, 2 * (i + done % MAPPINGS) + 1, 1);
		if (count_unmap)
			count();
	}
}

static void virtio_map_page(void *world, uint32_t n)
{
	map_burst(world, n, true, false);
}

static void virtio_unmap_page(void *world, uint32_t n)
{
	map_burst(world, n, false, true);
}

/* Each page away again before the next comes: what a driver with few buffers does. */
static void virtio_map_unmap(void *world, uint32_t n)
{
	count();
	for (uint32_t i = 0; i < n; i++) {
		virtio_map(world, 2 * (i % MAPPINGS) + 1, 1);
		virtio_unmap(world, 2 * (i % MAPPINGS) + 1, 1);
	}
	count();
}

/* --- TCE tables --- */

#define TCE_PAGES 65536U

static void *prepare_tce(void)
{
	struct tce_world *w = tce_world_new(TCE_PAGES, 0);

	tce_list(w, 0, 100, TCE_COUNT);
	return w;
}

static void *prepare_tce_filled(void)
{
	return tce_world_new(TCE_PAGES, 1);
}

static void discard_tce(void *world)
{
	tce_world_free(world);
}

static void tce_burst(void *world, uint32_t n, bool count_put, bool count_clear)
{
	for (uint32_t done = 0; done < n; done += BURST) {
		if (count_put)
			count();
		for (uint32_t i = 0; i < BURST; i++)
			tce_put(world, done + i, tce_of_page(i));
		if (count_put)
			count();
		if (count_clear)
			count();
		for (uint32_t i = 0; i < BURST; i++)
			tce_put(world, done + i, 0);
		if (count_clear)
			count();
	}
}

static void tce_put_page(void *world, uint32_t n)
{
	tce_burst(world, n, true, false);
}

static void tce_clear_page(void *world, uint32_t n)
{
	tce_burst(world, n, false, true);
}

/* Calls of 512 entries, the first of them somewhere in a page of the table. */
static void tce_large(void *world, uint32_t n, bool count_put, bool count_clear)
{
	for (uint32_t i = 0; i < n; i++) {
		if (count_put)
			count();
		tce_indirect(world, 100 + i % 64 * TCE_COUNT, 0, TCE_COUNT);
		if (count_put)
			count();
		if (count_clear)
			count();
		tce_stuff(world, 100 + i % 64 * TCE_COUNT, 0, TCE_COUNT);
		if (count_clear)
			count();
	}
}

static void tce_indirect_512(void *world, uint32_t n)
{
	tce_large(world, n, true, false);
}

static void tce_stuff_512(void *world, uint32_t n)
{
	tce_large(world, n, false, true);
}

/* In an order in which no cache has the next one. */
static void tce_miss(void *world, uint32_t n)
{
	struct tce_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++) {
		uint64_t iova = (uint64_t)i * 40503U % TCE_PAGES * TCE_PAGE;
		struct viommu_request r = { .first = iova,
					    .last = iova + 63,
					    .pasid = VIOMMU_NO_PASID,
					    .access = VIOMMU_READ };
		struct viommu_fragment fragment;
		struct viommu_answer answer;

		if (viommu_translate(w->channel, &r, &fragment, 1, &answer))
			abort();
		bench_use(fragment.gpa);
	}
	count();
}

static void tce_channel_hit(void *world, uint32_t n)
{
	struct tce_world *w = world;

	count();
	for (uint32_t i = 0; i < n; i++) {
		uint64_t iova = (uint64_t)(i % 64) * TCE_PAGE;
		struct viommu_request r = { .first = iova,
					    .last = iova + 63,
					    .pasid = VIOMMU_NO_PASID,
					    .access = VIOMMU_READ };
		struct viommu_fragment fragment;
		struct viommu_answer answer;

		if (viommu_translate(w->channel, &r, &fragment, 1, &answer))
			abort();
		bench_use(fragment.gpa);
	}
	count();
}

/* --- AMD-Vi: the same as above --- */

static void amdvi_channel_hit(void *world, uint32_t n)
{
	struct amdvi_guest *g = world;

	expect_ok("viommu_enter", viommu_enter(g->channel));
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask(g->channel, g->pages.iova[i % GUEST_HOT]));
	count();
	expect_ok("viommu_leave", viommu_leave(g->channel));
}

static void amdvi_device_hit(void *world, uint32_t n)
{
	struct amdvi_guest *g = world;

	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(vtd_ask_device(g->device, g->pages.iova[i % GUEST_HOT]));
	count();
}

static void amdvi_miss(void *world, uint32_t n)
{
	struct amdvi_guest *g = world;

	for (uint32_t done = 0; done < n; done += GUEST_SCATTERED) {
		amdvi_guest_flush(g);
		expect_ok("viommu_enter", viommu_enter(g->channel));
		count();
		for (uint32_t i = 0; i < GUEST_SCATTERED; i++)
			bench_use(vtd_ask(g->channel, g->pages.iova[i]));
		count();
		expect_ok("viommu_leave", viommu_leave(g->channel));
	}
}

static void amdvi_irq_hit(void *world, uint32_t n)
{
	count();
	for (uint32_t i = 0; i < n; i++)
		bench_use(amdvi_send(world, i % MESSAGES));
	count();
}

static void amdvi_irq_miss(void *world, uint32_t n)
{
	for (uint32_t done = 0; done < n; done += MESSAGES) {
		amdvi_guest_flush_interrupts(world);
		count();
		for (uint32_t i = 0; i < MESSAGES; i++)
			bench_use(amdvi_send(world, i));
		count();
	}
}

/* --- the table --- */

struct operation {
	const char *name;
	void *(*prepare)(void);
	void (*discard)(void *world);
	void (*run)(void *world, uint32_t n);
	uint32_t n;
};

static const struct operation operations[] = {
	{ "channel_hit", prepare_hot, discard_vtd, channel_hit, 1024 },
	{ "channel_hit_write", prepare_hot, discard_vtd, channel_hit_write, 1024 },
	{ "device_hit", prepare_hot, discard_vtd, device_hit, 1024 },
	{ "view_hit", prepare_view, discard_view, view_hit, 1024 },
	{ "view_enter_leave", prepare_view, discard_view, view_enter_leave, 1024 },
	{ "view_request", prepare_view, discard_view, view_request, 1024 },
	{ "miss_ss4", prepare_scattered, discard_vtd, miss, GUEST_SCATTERED },
	{ "miss_structure_cache_ss4", prepare_dense, discard_vtd, miss, GUEST_SCATTERED },
	{ "invalidate_page", prepare_dense, discard_vtd, invalidate_page, 1024 },
	{ "invalidate_domain", prepare_domains, discard_vtd, invalidate_domain, 1024 },
	{ "riscv_channel_hit", prepare_riscv_hot, discard_riscv, riscv_channel_hit, 1024 },
	{ "riscv_counted_hit", prepare_riscv_counted, discard_riscv, riscv_channel_hit, 1024 },
	{ "riscv_device_hit", prepare_riscv_hot, discard_riscv, riscv_device_hit, 1024 },
	{ "riscv_miss_sv48", prepare_riscv_scattered, discard_riscv, riscv_miss, GUEST_SCATTERED },
	{ "riscv_miss_structure_cache_sv48", prepare_riscv_dense, discard_riscv, riscv_miss,
	  GUEST_SCATTERED },
	{ "riscv_invalidate_page", prepare_riscv_dense, discard_riscv, riscv_invalidate_page,
	  1024 },
	{ "smmuv3_channel_hit", prepare_smmuv3_hot, discard_smmuv3, smmuv3_channel_hit, 1024 },
	{ "smmuv3_device_hit", prepare_smmuv3_hot, discard_smmuv3, smmuv3_device_hit, 1024 },
	{ "smmuv3_miss_stage1", prepare_smmuv3_stage1, discard_smmuv3, smmuv3_miss,
	  GUEST_SCATTERED },
	{ "smmuv3_miss_stage2", prepare_smmuv3_stage2, discard_smmuv3, smmuv3_miss,
	  GUEST_SCATTERED },
	{ "smmuv3_miss_nested", prepare_smmuv3_nested, discard_smmuv3, smmuv3_miss,
	  GUEST_SCATTERED },
	{ "smmuv3_miss_structure_cache", prepare_smmuv3_dense, discard_smmuv3, smmuv3_miss,
	  GUEST_SCATTERED },
	{ "smmuv3_invalidate_page", prepare_smmuv3_dense, discard_smmuv3, smmuv3_invalidate_page,
	  1024 },
	{ "smmuv3_invalidate_asid", prepare_smmuv3_dense, discard_smmuv3, smmuv3_invalidate_asid,
	  1024 },
	{ "smmuv3_invalidate_vmid", prepare_smmuv3_dense, discard_smmuv3, smmuv3_invalidate_vmid,
	  1024 },
	{ "enter_leave", prepare_hot, discard_vtd, enter_leave, 1024 },
	{ "dma_read", prepare_hot, discard_vtd, dma_read, 1024 },
	{ "dma_read_section", prepare_hot, discard_vtd, dma_read_section, 1024 },
	{ "device_enter_leave", prepare_hot, discard_vtd, device_enter_leave, 1024 },
	{ "check_1_section", prepare_hot, discard_vtd, check_1_section, 1024 },
	{ "check_10000_sections", prepare_hot, discard_vtd, check_10000_sections, 1024 },
	{ "irq_hit", prepare_messages, discard_irq, irq_hit, 1024 },
	{ "irq_miss", prepare_messages, discard_irq, irq_miss, 1024 },
	{ "route_lookup", prepare_routes, discard_irq, route_lookup, 1024 },
	{ "its_hit", prepare_events, discard_its, its_hit, 1024 },
	{ "its_deliver", prepare_events, discard_its, its_deliver, 1024 },
	{ "its_movi_64", prepare_events_64, discard_its, its_movi, 512 },
	{ "its_movi_65536", prepare_events_65536, discard_its, its_movi, 512 },
	{ "virtio_map", prepare_mappings, discard_virtio, virtio_map_page, 1024 },
	{ "virtio_unmap", prepare_mappings, discard_virtio, virtio_unmap_page, 1024 },
	{ "virtio_map_unmap", prepare_mappings, discard_virtio, virtio_map_unmap, 1024 },
	{ "tce_put", prepare_tce, discard_tce, tce_put_page, 1024 },
	{ "tce_clear", prepare_tce, discard_tce, tce_clear_page, 1024 },
	{ "tce_indirect_512", prepare_tce, discard_tce, tce_indirect_512, 64 },
	{ "tce_stuff_512", prepare_tce, discard_tce, tce_stuff_512, 64 },
	{ "tce_channel_hit", prepare_tce_filled, discard_tce, tce_channel_hit, 1024 },
	{ "tce_miss", prepare_tce_filled, discard_tce, tce_miss, 32768 },
	{ "amdvi_channel_hit", prepare_amdvi_hot, discard_amdvi, amdvi_channel_hit, 1024 },
	{ "amdvi_device_hit", prepare_amdvi_hot, discard_amdvi, amdvi_device_hit, 1024 },
	{ "amdvi_miss_v1", prepare_amdvi_scattered, discard_amdvi, amdvi_miss, GUEST_SCATTERED },
	{ "amdvi_miss_structure_cache", prepare_amdvi_dense, discard_amdvi, amdvi_miss,
	  GUEST_SCATTERED },
	{ "amdvi_irq_hit", prepare_amdvi_hot, discard_amdvi, amdvi_irq_hit, 1024 },
	{ "amdvi_irq_miss", prepare_amdvi_hot, discard_amdvi, amdvi_irq_miss, 1024 },
};

/* Leaves "NAME N" and the instructions in callgrind's file. */
static void dump(const struct operation *o, void *world, uint32_t n)
{
	char text[80];

	snprintf(text, sizeof(text), "%s %u", o->name, (unsigned)n);
	CALLGRIND_ZERO_STATS;
	o->run(world, n);
	CALLGRIND_DUMP_STATS_AT(text);
}

static void measure(const struct operation *o)
{
	void *world = o->prepare();

	o->run(world, o->n);
	dump(o, world, o->n);
	dump(o, world, 2 * o->n);
	o->discard(world);
}

static bool wanted(const char *name, int count, char **names)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return count == 0;
}

int main(int argc, char **argv)
{
	int measured = 0;

	printf("build: %s\n", BUILD);
	if (!RUNNING_ON_VALGRIND)
		printf("not under valgrind, or built without its headers: nothing is counted\n");
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (wanted(operations[i].name, argc - 1, argv + 1)) {
			measure(&operations[i]);
			measured++;
		}
	return measured ? 0 : 2;
}
