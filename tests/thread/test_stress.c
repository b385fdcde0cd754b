/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stress.c - everything at once (obligation 18): translations and faults, interrupt entries
 * that are rewritten, page requests, device caches that answer late, memory that comes and goes,
 * devices and channels that are made and freed; then the same with resets and restores.
 *
 * What must hold: an interrupt entry is never older than its last completed invalidation; a host
 * pointer may be read until its section closes and shows the page that was translated; a recorded
 * fault is one that was made; no page request is lost; every wait completes, without polling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>

#include "run.h"
#include "stress_threads.h"

/* ---- the device ---- */

static int on_invalidate(void *opaque, const struct viommu_device_invalidation *what)
{
	struct stress *s = opaque;
	bool later;

	pthread_mutex_lock(&s->owed_lock);
	later = s->owes < OWED_MAX;
	if (later)
		s->owed[s->owes++] = what->token;
	pthread_mutex_unlock(&s->owed_lock);
	return later ? VIOMMU_PENDING : VIOMMU_OK;
}

static void on_response(void *opaque, const struct viommu_page_response *response)
{
	struct stress *s = opaque;

	(void)response;
	atomic_fetch_add(&s->responses, 1);
}

/* ---- tables ---- */

/* Vector and destination say which version of the entry this is. */
static void put_irte(struct stress *s, unsigned index, uint64_t version)
{
	world_put64(&s->w, s->irt + index * 16,
		    VTD_IRTE_P | bits_put(VTD_IRTE_V, 32 + index) |
			    bits_put(VTD_IRTE_DST, version));
}

static void build(struct stress *s)
{
	struct world *w = &s->w;
	uint64_t entry = world_pasid(w, RID, 0);
	uint64_t tree = world_alloc(w, 1);

	for (unsigned i = 0; i < POOL_PAGES; i++)
		world_map(w, tree, IOVA + i * PAGE, POOL + i * PAGE, 12, GUEST_RW);
	world_put64(w, entry + 8, VTD_PE_PWSNP | DID);
	world_put64(w, entry,
		    tree | VTD_PE_P | bits_put(VTD_PE_PGTT, VTD_PGTT_SECOND) |
			    bits_put(VTD_PE_AW, 2));
	s->irt = world_alloc(w, 1);
	for (unsigned i = 0; i < IRTES; i++)
		put_irte(s, i, 0);
	s->page_queue = world_alloc(w, 1U << PAGE_QUEUE);
}

/* After power-on, or a reset, whatever was on. */
static void program(struct stress *s)
{
	struct world *w = &s->w;

	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t control[] = { VTD_FECTL, VTD_IECTL, VTD_PECTL };

		world_write(w, control[i] + 4, 4, i + 1);
		world_write(w, control[i] + 8, 4, WORLD_MSI_BASE);
		world_write(w, control[i], 4, 0);
	}
	world_write(w, VTD_PQA, 8, s->page_queue | PAGE_QUEUE);
	world_write(w, VTD_IRTA, 8, s->irt | VTD_IRTA_EIME | 5);
	world_write(w, VTD_RTADDR, 8, w->root | bits_put(VTD_RTADDR_TTM, VTD_TTM_SCALABLE));
	world_write(w, VTD_IQA, 8, w->queue | VTD_IQA_DW | WORLD_QUEUE_QS);
	world_command_sync(w, VTD_G_RTP, 0);
	world_command_sync(w, VTD_G_IRTP, 0);
	world_command_sync(w, VTD_G_QIE, 0);
	world_command_sync(w, VTD_G_IRE, 0);
	world_command_sync(w, VTD_G_TE, 0);
	w->tail = world_read(w, VTD_IQT, 8);
}

/* ---- the guest: the thread that owns the registers ---- */

/* A wait, woken by the host's callback only. */
static void wait_woken(struct stress *s)
{
	struct world *w = &s->w;
	int result;

	world_submit_wait(w);
	result = world_ring(w);
	while (result == VIOMMU_PENDING) {
		world_await_work(w);
		result = viommu_run(w->iommu);
	}
	if (!world_waited(w))
		world_fail(w, "a wait did not complete");
}

static void rewrite_irtes(struct stress *s, uint64_t random)
{
	unsigned index = (unsigned)random % IRTES;
	unsigned im = random >> 8 & 1 ? 2 : 0;
	unsigned first = index & ~((1U << im) - 1);

	for (unsigned i = first; i < first + (1U << im); i++)
		put_irte(s, i, atomic_fetch_add(&s->irte_published[i], 1) + 1);
	if (random >> 9 & 7)
		world_submit(&s->w, GUEST_IEC(index, im), 0);
	else
		world_submit(&s->w, GUEST_IEC_GLOBAL, 0);
	wait_woken(s);
	for (unsigned i = first; i < first + (1U << im); i++)
		atomic_store(&s->irte_completed[i], atomic_load(&s->irte_published[i]));
}

/* 7.2: reads and clears the records as a driver does. Only translations of absent pages are
 * refused. */
static void take_faults(struct stress *s)
{
	struct world *w = &s->w;
	uint64_t frcd = bits_get(world_read(w, VTD_CAP, 8), VTD_CAP_FRO) * 16;
	unsigned count = (unsigned)bits_get(world_read(w, VTD_CAP, 8), VTD_CAP_NFR) + 1;

	for (unsigned i = 0; i < count; i++) {
		uint64_t high = world_read(w, frcd + i * 16 + 8, 8);
		uint64_t low = world_read(w, frcd + i * 16, 8);

		if (!(high & VTD_FRCD_F))
			continue;
		if (s->strict && (bits_get(high, VTD_FRCD_SID) != RID ||
				  bits_get(high, VTD_FRCD_FR) != VTD_FR_SSS_ABSENT ||
				  low < ABSENT || low >= ABSENT + POOL_PAGES * PAGE))
			world_fail(w, "record %llx %llx", (unsigned long long)high,
				   (unsigned long long)low);
		s->faults++;
		world_write(w, frcd + i * 16 + 8, 8, VTD_FRCD_F);
	}
	world_write(w, VTD_FSTS, 4, VTD_FSTS_PFO);
}

/* 7.5: takes what is in the queue. */
static void take_page_requests(struct stress *s)
{
	struct world *w = &s->w;
	const uint64_t bytes = PAGE << PAGE_QUEUE;
	uint64_t head = world_read(w, VTD_PQH, 8);
	uint64_t tail = world_read(w, VTD_PQT, 8);

	for (; head != tail; head = (head + 32) % bytes) {
		uint64_t low = world_get64(w, s->page_queue + head);

		if (s->strict && ((low & VTD_PRD_TYPE) != VTD_PRD_TYPE_PAGE ||
				  bits_get(low, VTD_PRD_RID) != RID))
			world_fail(w, "page request %llx", (unsigned long long)low);
		s->pages_seen++;
		world_put64(w, s->page_queue + head, 0);
	}
	world_write(w, VTD_PQH, 8, head);
	world_write(w, VTD_PRS, 4, VTD_PRS_PPR | VTD_PRS_PRO);
}

static void invalidate(struct stress *s, uint64_t random)
{
	struct world *w = &s->w;

	switch (random & 7) {
	case 0:
		world_submit(w, GUEST_CC(VTD_GRAN_LOCAL, DID, RID, 0), 0);
		break;
	case 1:
		world_submit(w, GUEST_PC(VTD_PC_GLOBAL, 0, 0), 0);
		break;
	case 2:
		world_submit(w, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0);
		break;
	case 3:
		world_submit(w, GUEST_IOTLB(VTD_GRAN_LOCAL, DID), IOVA | 2);
		break;
	case 4:
		world_submit(w, GUEST_PGRESP(RID, 0, 0) & ~VTD_QI_PGRESP_PP, 0);
		s->responses_sent++;
		break;
	default:
		for (unsigned i = 0; i < 4; i++)
			world_submit(w, GUEST_DEVTLB(RID), 0);
	}
	wait_woken(s);
}

static void restart(struct stress *s, uint64_t random)
{
	static uint8_t state[16384];
	uint64_t bytes = sizeof(state);
	struct world *w = &s->w;
	int result;

	if (random & 1) {
		assert_true(viommu_reset(w->iommu) >= VIOMMU_OK); /* or others are inside */
		program(s);
		return;
	}
	assert_int_equal(viommu_save(w->iommu, state, &bytes), VIOMMU_OK);
	if (random & 2)
		assert_true(viommu_reset(w->iommu) >= VIOMMU_OK); /* or others are inside */
	result = viommu_restore(w->iommu, state, bytes);
	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	while (viommu_run(w->iommu) == VIOMMU_PENDING)
		sched_yield();
	/* an overflow or an old request is in the registers still */
	take_page_requests(s);
}

static void live(struct stress *s, unsigned rounds)
{
	struct pace pace = pace_begin(rounds, 7);
	uint64_t random = s->seed;

	for (unsigned i = 0; pace_on(&pace, i) && !atomic_load(&s->w.failed); i++) {
		uint64_t r = world_random(&random);

		switch (r % (s->strict ? 4 : 5)) {
		case 0:
			rewrite_irtes(s, r >> 8);
			break;
		case 1:
			take_faults(s);
			break;
		case 2:
			take_page_requests(s);
			break;
		case 3:
			invalidate(s, r >> 8);
			break;
		default:
			restart(s, r >> 8);
		}
	}
}

static void start(struct stress *s)
{
	struct viommu_device_config config = { .size = sizeof(config),
					       .id = RID,
					       .opaque = s,
					       .invalidate = on_invalidate,
					       .page_response = on_response };
	void *(*const run[])(void *) = { stress_translate, stress_translate, stress_interrupt,
					 stress_request_pages, stress_come_and_go };

	pthread_mutex_init(&s->owed_lock, NULL);
	build(s);
	program(s);
	assert_int_equal(viommu_device_new(s->w.iommu, &config, &s->device), VIOMMU_OK);
	for (unsigned i = 0; i < TRANSLATORS; i++)
		assert_int_equal(viommu_channel_new(s->device, VIOMMU_NO_PASID, &s->channel[i]),
				 VIOMMU_OK);
	for (unsigned i = 0; i < ARRAY_COUNT(run); i++)
		world_start(&s->thread[i], run[i], s);
}

static void finish(struct stress *s)
{
	atomic_store(&s->stop, true);
	for (unsigned i = 0; i < ARRAY_COUNT(s->thread); i++)
		pthread_join(s->thread[i], NULL);
	world_check(&s->w);
	take_page_requests(s);
	take_faults(s);
	if (s->strict) {
		assert_int_equal(s->pages_seen, atomic_load(&s->pages_sent));
		assert_true(atomic_load(&s->responses) >= s->responses_sent);
		assert_true(s->faults > 0);
		assert_int_equal(world_read(&s->w, VTD_FSTS, 4) & (VTD_FSTS_PPF | VTD_FSTS_PFO), 0);
		assert_int_equal(world_read(&s->w, VTD_FECTL, 4) & VTD_EVENT_IP, 0);
	}
	print_message("%llu faults, %llu page requests, %u messages, woken %u times\n",
		      (unsigned long long)s->faults, (unsigned long long)s->pages_seen,
		      atomic_load(&s->w.msis), atomic_load(&s->w.works));
	for (unsigned i = 0; i < TRANSLATORS; i++)
		assert_int_equal(viommu_channel_free(s->channel[i]), VIOMMU_OK);
	assert_int_equal(viommu_device_free(s->device), VIOMMU_OK);
	pthread_mutex_destroy(&s->owed_lock);
	world_close(&s->w);
}

enum { TINY = 1, SLOW = 2, MEMBARRIER = 4 };

static void run_stress(bool strict, unsigned how, unsigned rounds)
{
	bool tiny = how & TINY;
	const struct world_config config = { .ttm = VTD_TTM_SCALABLE,
					     .tiny = tiny,
					     .slow = how & SLOW,
					     .membarrier = how & MEMBARRIER,
					     .budget = tiny ? 2 : 0,
					     .outstanding = tiny ? 2 : 0 };
	static struct stress s;

	memset(&s, 0, sizeof(s));
	s.strict = strict;
	if (!world_try_open(&s.w, &config))
		return;
	s.seed = run_seed(RUN_ANY_SEED);
	start(&s);
	live(&s, rounds);
	finish(&s);
}

static void test_everything(void **state)
{
	(void)state;
	run_stress(true, 0, scaled(20000));
}

static void test_everything_tiny(void **state)
{
	(void)state;
	run_stress(true, TINY, scaled(20000));
}

static void test_everything_slow(void **state)
{
	(void)state;
	run_stress(true, SLOW, scaled(10000));
}

static void test_everything_membarrier(void **state)
{
	(void)state;
	run_stress(true, MEMBARRIER, scaled(8000));
	run_stress(true, MEMBARRIER | TINY, scaled(4000));
	run_stress(false, MEMBARRIER, scaled(4000));
}

static void test_with_resets(void **state)
{
	(void)state;
	run_stress(false, 0, scaled(10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_everything_tiny),
		cmocka_unit_test(test_everything_slow),
		cmocka_unit_test(test_everything_membarrier),
		cmocka_unit_test(test_with_resets),
	};

	return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
