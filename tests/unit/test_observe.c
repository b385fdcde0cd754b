/* SPDX-License-Identifier: BSD-3-Clause */
/* test_observe.c - counters and tracing: what counts, what does not, and what the trace callback is told. */
#include "check.h"

#include <pthread.h>
#include <string.h>

#include <libvirtiommu/its.h>
#include <libvirtiommu/observe.h>
#include <libvirtiommu/virtio.h>

#include "guest.h"
#include "its_rig.h"
#include "tlb.h"
#include "virtio_rig.h"

#define RID  0x0010
#define DID  7
#define IOVA UINT64_C(0x400000)

enum { EVENTS = 64, PAGES = 8 };

struct world {
	struct guest g;
	struct viommu_host host; /* the guest's, with a clock and a trace */
	struct viommu_limits limits;
	struct viommu_device *device;
	uint64_t gpa;
	uint64_t ss;
	uint64_t now;
	struct viommu_trace event[EVENTS];
	unsigned events;
};

static void on_work(void *opaque)
{
	(void)opaque;
}

static void on_msi(void *opaque, uint64_t address, uint32_t data)
{
	(void)opaque;
	(void)address;
	(void)data;
}

static uint64_t on_now(void *opaque)
{
	return ((struct world *)opaque)->now;
}

static struct viommu_statistics of_unit(const struct viommu *iommu)
{
	struct viommu_statistics s = { .size = sizeof(s) };

	assert_int_equal(viommu_get_statistics(iommu, &s), VIOMMU_OK);
	return s;
}

static struct viommu_statistics of_device(const struct viommu_device *device)
{
	struct viommu_statistics s = { .size = sizeof(s) };

	assert_int_equal(viommu_device_get_statistics(device, &s), VIOMMU_OK);
	return s;
}

/* No lock is held: what takes the locks of devices works, and so does a question about the page. */
static void on_trace(void *opaque, const struct viommu_trace *event)
{
	struct world *w = opaque;

	assert_true(w->events < EVENTS);
	w->event[w->events++] = *event;
	if (w->device)
		guest_dma(w->device, IOVA, VIOMMU_READ | VIOMMU_QUIET);
	if (event->device)
		(void)of_device(event->device);
}

static void open_world(struct world *w, bool clock, uint32_t tlb_entries)
{
	struct viommu_vtd_config config = { .size = sizeof(config) };

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_REGION, 256);
	w->host = (struct viommu_host){ .size = sizeof(w->host),
					.opaque = w,
					.work = on_work,
					.msi = on_msi,
					.now = clock ? on_now : NULL,
					.trace = on_trace };
	w->limits = (struct viommu_limits){ .size = sizeof(w->limits), .tlb_entries = tlb_entries };
	config.cap = GUEST_CAP;
	config.ecap = GUEST_ECAP_LEGACY;
	config.host = &w->host;
	config.limits = &w->limits;
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	w->ss = guest_table(&w->g);
	w->gpa = guest_alloc(&w->g, PAGES);
	for (uint64_t i = 0; i < PAGES; i++)
		guest_ss_map(&w->g, w->ss, 4, IOVA + i * GUEST_PAGE, w->gpa + i * GUEST_PAGE, 12,
			     i ? GUEST_RW : 1);
	guest_legacy(&w->g, RID, DID, w->ss, 4);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, RID);
	w->events = 0;
}

/* ---- misses, fills, faults ---- */

static void hits_and_questions_count_nothing(void **state)
{
	struct viommu_statistics before, after;
	struct viommu_channel *channel;
	struct world w;

	open_world(&w, false, 0);
	channel = guest_channel(&w.g, w.device, VIOMMU_NO_PASID);
	assert_int_equal(guest_dma(w.device, IOVA, VIOMMU_READ).result, VIOMMU_OK);
	before = of_unit(w.g.iommu);
	assert_int_equal(before.misses, 1);
	assert_int_equal(before.fills, 1);
	w.events = 0;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(guest_dma(w.device, IOVA, VIOMMU_READ).result, VIOMMU_OK);
		assert_int_equal(
			guest_channel_dma(channel, VIOMMU_NO_PASID, IOVA, VIOMMU_READ).result,
			VIOMMU_OK);
		assert_int_equal(guest_dma(w.device, IOVA, VIOMMU_WRITE | VIOMMU_QUIET).result,
				 VIOMMU_FAULT);
		assert_int_equal(guest_dma(w.device, 0x7000, VIOMMU_READ | VIOMMU_QUIET).result,
				 VIOMMU_FAULT);
	}
	after = of_unit(w.g.iommu);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(w.events, 0);
	guest_fini(&w.g);
}

static void misses_and_faults(void **state)
{
	struct viommu_device *other;
	struct viommu_statistics s;
	struct world w;

	open_world(&w, false, 0);
	other = guest_device(&w.g, RID + 1); /* its context entry is not present */
	assert_int_equal(guest_dma(w.device, IOVA + GUEST_PAGE, VIOMMU_WRITE).result, VIOMMU_OK);
	assert_int_equal(guest_dma(w.device, IOVA, VIOMMU_WRITE).result, VIOMMU_FAULT);
	assert_int_equal(guest_dma(w.device, IOVA, VIOMMU_WRITE).result, VIOMMU_FAULT);
	assert_int_equal(guest_dma(other, IOVA, VIOMMU_READ).result, VIOMMU_FAULT);

	s = of_device(w.device);
	assert_int_equal(s.misses, 3);
	assert_int_equal(s.fills, 1);
	assert_int_equal(s.faults, 2);
	s = of_device(other);
	assert_int_equal(s.misses, 1);
	assert_int_equal(s.fills, 0);
	assert_int_equal(s.faults, 1);
	s = of_unit(w.g.iommu);
	assert_int_equal(s.misses, 4);
	assert_int_equal(s.faults, 3);
	assert_int_equal(viommu_get_faults(w.g.iommu, VTD_FR_WRITE), 2);
	assert_int_equal(viommu_get_faults(w.g.iommu, VTD_FR_CONTEXT_ABSENT), 1);
	assert_int_equal(viommu_get_faults(w.g.iommu, VTD_FR_READ), 0);
	assert_int_equal(viommu_get_faults(w.g.iommu, UINT32_MAX), 0);
	assert_int_equal(viommu_get_faults(NULL, 0), 0);

	assert_int_equal(w.events, 4);
	assert_int_equal(w.event[0].kind, VIOMMU_TRACE_FILL);
	assert_ptr_equal(w.event[0].device, w.device);
	assert_int_equal(w.event[0].first, IOVA + GUEST_PAGE);
	assert_int_equal(w.event[0].last, IOVA + 2 * GUEST_PAGE - 1);
	assert_int_equal(w.event[0].gpa, w.gpa + GUEST_PAGE);
	assert_int_equal(w.event[0].access & VIOMMU_WRITE, VIOMMU_WRITE);
	assert_int_equal(w.event[1].kind, VIOMMU_TRACE_FAULT);
	assert_int_equal(w.event[1].reason, VTD_FR_WRITE);
	assert_int_equal(w.event[1].first, IOVA);
	assert_int_equal(w.event[1].access, VIOMMU_WRITE);
	assert_int_equal(w.event[1].pasid, VIOMMU_NO_PASID);
	assert_int_equal(w.event[3].id, RID + 1);
	assert_int_equal(w.event[3].reason, VTD_FR_CONTEXT_ABSENT);
	/* of the IOMMU: also when the devices are gone */
	guest_drop(&w.g);
	w.device = NULL;
	assert_int_equal(of_unit(w.g.iommu).faults, 3);
	guest_fini(&w.g);
}

static void evictions(void **state)
{
	struct viommu_statistics s;
	struct world w;

	open_world(&w, false, 1); /* one set */
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(guest_dma(w.device, IOVA + i * GUEST_PAGE, VIOMMU_READ).result,
				 VIOMMU_OK);
	s = of_device(w.device);
	assert_int_equal(s.fills, PAGES);
	assert_int_equal(s.evictions, PAGES - TLB_WAYS);
	/* a page that takes its own place back evicts nobody */
	guest_invalidate_all(&w.g);
	assert_int_equal(guest_dma(w.device, IOVA + (PAGES - 1) * GUEST_PAGE, VIOMMU_READ).result,
			 VIOMMU_OK);
	assert_int_equal(of_device(w.device).evictions, PAGES - TLB_WAYS);
	guest_fini(&w.g);
}

/* ---- invalidations ---- */

struct kind {
	const char *name;
	uint64_t word[2];
	uint32_t what; /* VIOMMU_INVALIDATED_* */
	uint32_t id;
	uint64_t first;
	uint64_t last;
};

static uint64_t of_kind(const struct viommu_statistics *s, uint32_t what)
{
	const uint64_t by[] = { 0,
				s->flushes,
				s->context_invalidations,
				s->domain_invalidations,
				s->range_invalidations,
				s->interrupt_invalidations };

	return by[what];
}

static void invalidations(void **state)
{
	const struct kind kinds[] = {
		{ "contexts",
		  { GUEST_CC(VTD_GRAN_GLOBAL, 0, 0, 0) },
		  VIOMMU_INVALIDATED_CONTEXTS,
		  0,
		  0,
		  UINT64_MAX },
		{ "contexts of a device",
		  { GUEST_CC(VTD_GRAN_LOCAL, DID, RID, 0) },
		  VIOMMU_INVALIDATED_CONTEXTS,
		  RID,
		  0,
		  UINT64_MAX },
		{ "everything",
		  { GUEST_IOTLB(VTD_GRAN_GLOBAL, 0) },
		  VIOMMU_INVALIDATED_ALL,
		  0,
		  0,
		  UINT64_MAX },
		{ "a domain",
		  { GUEST_IOTLB(VTD_GRAN_DOMAIN, DID) },
		  VIOMMU_INVALIDATED_DOMAIN,
		  DID,
		  0,
		  UINT64_MAX },
		{ "pages",
		  { GUEST_IOTLB(VTD_GRAN_LOCAL, DID), IOVA | 1 },
		  VIOMMU_INVALIDATED_RANGE,
		  DID,
		  IOVA,
		  IOVA + 2 * GUEST_PAGE - 1 },
		{ "interrupts",
		  { GUEST_IEC(8, 2) },
		  VIOMMU_INVALIDATED_INTERRUPTS,
		  VIOMMU_ANY_SOURCE,
		  8,
		  11 },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *k = &kinds[i];
		struct viommu_statistics before, after;
		struct world w;

		open_world(&w, false, 0);
		before = of_unit(w.g.iommu);
		guest_submit(&w.g, k->word[0], k->word[1], 0, 0);
		guest_wait(&w.g);
		after = of_unit(w.g.iommu);
		for (uint32_t what = VIOMMU_INVALIDATED_ALL; what <= VIOMMU_INVALIDATED_INTERRUPTS;
		     what++)
			check_eq(k->name, of_kind(&after, what) - of_kind(&before, what),
				 what == k->what);
		check_eq(k->name, after.commands - before.commands, 2);
		check_eq(k->name, after.completions - before.completions, 1);
		check_eq(k->name, w.events, 2);
		check_eq(k->name, w.event[0].kind, VIOMMU_TRACE_INVALIDATION);
		check_eq(k->name, w.event[0].what, k->what);
		check_eq(k->name, w.event[0].id, k->id);
		check_eq(k->name, w.event[0].first, k->first);
		check_eq(k->name, w.event[0].last, k->last);
		check_eq(k->name, w.event[1].kind, VIOMMU_TRACE_COMPLETION);
		guest_fini(&w.g);
	}
}

static void device_tlbs(void **state)
{
	struct world w;

	open_world(&w, false, 0);
	w.g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&w.g, GUEST_DEVTLB(RID), IOVA, 0, 0);
	guest_submit_wait(&w.g);
	guest_ring(&w.g);
	assert_int_equal(of_device(w.device).device_tlb_invalidations, 1);
	assert_int_equal(of_device(w.device).outstanding, 1);
	assert_int_equal(of_unit(w.g.iommu).outstanding, 1);
	assert_int_equal(viommu_invalidation_done(w.device, w.g.invalidation[0].what.token,
						  VIOMMU_OK),
			 VIOMMU_OK);
	assert_int_equal(of_device(w.device).outstanding, 0);
	assert_int_equal(of_unit(w.g.iommu).outstanding, 0);
	assert_int_equal(of_unit(w.g.iommu).device_tlb_invalidations, 1);
	guest_fini(&w.g);
}

static void command_errors(void **state)
{
	struct viommu_statistics before;
	struct world w;

	open_world(&w, false, 0);
	before = of_unit(w.g.iommu);
	guest_submit(&w.g, 0xf, 0, 0, 0); /* no such type */
	guest_ring(&w.g);
	assert_int_equal(of_unit(w.g.iommu).command_errors, 1);
	assert_int_equal(of_unit(w.g.iommu).commands, before.commands);
	guest_fini(&w.g);
}

static void messages(void **state)
{
	struct viommu_msi msi;
	struct world w;

	open_world(&w, false, 0);
	guest_interrupts_on(&w.g, 3, false);
	w.events = 0;
	/* entry 2 is not present */
	assert_int_equal(viommu_remap_msi(w.g.iommu, RID, 0xfee00050, 0, VIOMMU_MSI_RESOLVE, &msi),
			 VIOMMU_FAULT);
	assert_int_equal(of_unit(w.g.iommu).message_faults, 0);
	assert_int_equal(viommu_remap_msi(w.g.iommu, RID, 0xfee00050, 0, 0, &msi), VIOMMU_FAULT);
	assert_int_equal(of_unit(w.g.iommu).message_faults, 1);
	assert_int_equal(of_unit(w.g.iommu).faults, 0);
	assert_int_equal(viommu_get_faults(w.g.iommu, VTD_FR_IR_ABSENT), 1);
	assert_int_equal(w.events, 1);
	assert_int_equal(w.event[0].kind, VIOMMU_TRACE_MESSAGE_FAULT);
	assert_int_equal(w.event[0].id, RID);
	assert_int_equal(w.event[0].first, 0xfee00050);
	assert_int_equal(w.event[0].reason, VTD_FR_IR_ABSENT);
	guest_fini(&w.g);
}

/* ---- the longest completion ---- */

/* An invalidation that a section holds back from before 100 to after 500, as viommu_run() sees it. */
static uint64_t hold_back(struct world *w)
{
	struct viommu_channel *channel = guest_channel(&w->g, w->device, VIOMMU_NO_PASID);

	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0, 0, 0);
	guest_submit_wait(&w->g);
	assert_int_equal(guest_ring(&w->g), VIOMMU_PENDING);
	w->now = 100;
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_PENDING);
	w->now = 350;
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_PENDING);
	assert_int_equal(of_unit(w->g.iommu).longest_completion, 0);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	w->now = 500;
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&w->g));
	return of_unit(w->g.iommu).longest_completion;
}

static void longest_completion(void **state)
{
	struct world w;

	open_world(&w, true, 0);
	assert_int_equal(hold_back(&w), 400);
	assert_int_equal(w.event[w.events - 1].kind, VIOMMU_TRACE_COMPLETION);
	assert_int_equal(w.event[w.events - 1].took, 400);
	/* what is complete at once took no time, however long nothing was pending */
	w.now = 10000;
	guest_invalidate_all(&w.g);
	w.now = 20000;
	assert_int_equal(viommu_run(w.g.iommu), VIOMMU_OK);
	guest_invalidate_all(&w.g);
	assert_int_equal(of_unit(w.g.iommu).longest_completion, 400);
	guest_fini(&w.g);
	open_world(&w, false, 0);
	assert_int_equal(hold_back(&w), 0);
	guest_fini(&w.g);
}

/* ---- the other engines ---- */

static void of_virtio(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_statistics before = of_unit(r->g.iommu), s;

	assert_int_equal(vr_attach(r, 7, 1, 0), ST_OK);
	assert_int_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), ST_OK);
	assert_int_equal(vr_map(r, 7, 0x1000, 0x1fff, 0x5000, VR_READ), ST_INVAL);
	assert_int_equal(vr_peek(r, 1, 0x1000, VIOMMU_READ), 0x5000);
	assert_int_equal(vr_peek(r, 1, 0x1000, VIOMMU_READ), 0x5000);
	assert_int_equal(vr_peek(r, 1, 0x1000, VIOMMU_WRITE), VR_FAULT(VR_MAPPING));
	assert_int_equal(vr_unmap(r, 7, 0x1000, 0x1fff), ST_OK);
	s = of_unit(r->g.iommu);
	assert_int_equal(s.commands - before.commands, 4);
	assert_int_equal(s.command_errors - before.command_errors, 1);
	assert_int_equal(s.range_invalidations - before.range_invalidations, 1);
	assert_int_equal(s.context_invalidations - before.context_invalidations, 1);
	assert_int_equal(s.completions - before.completions, 1); /* UNMAP */
	assert_int_equal(s.misses, 2);
	assert_int_equal(s.fills, 1);
	assert_int_equal(s.faults, 1);
	assert_int_equal(viommu_get_faults(r->g.iommu, VR_MAPPING), 1);
	assert_int_equal(of_device(r->device[1]).misses, 2);
	assert_int_equal(of_device(r->device[2]).misses, 0);
	vr_drain(r);
	vr_close(r);
}

static void of_its(void **state)
{
	struct viommu_statistics before, s;
	struct its_rig r;

	its_open(&r, &(struct its_rig_config){ 0 });
	assert_int_equal(its_command(&r, MAPD(1, 5, ITS_RIG_ITT(1))), 0);
	before = of_unit(r.its);
	assert_int_equal(its_command(&r, MAPTI(1, 3, 8200, 7)), 0);
	assert_int_not_equal(its_command(&r, MOVI(1, 4, 7)), 0);
	assert_int_equal(its_command(&r, SYNC(0)), 0);
	assert_int_equal(its_msi(&r, 1, 4), ITS_REFUSED(VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT));
	s = of_unit(r.its);
	assert_int_equal(s.commands - before.commands, 3);
	assert_int_equal(s.command_errors - before.command_errors, 1);
	assert_int_equal(s.completions - before.completions, 1);
	assert_int_equal(s.interrupt_invalidations - before.interrupt_invalidations, 1);
	assert_int_equal(s.message_faults - before.message_faults, 1);
	assert_int_equal(viommu_get_faults(r.its, VIOMMU_ITS_ERROR_UNMAPPED_INTERRUPT), 2);
	its_close(&r);
}

/* ---- threads, sizes ---- */

enum { THREADS = 4, ROUNDS = 2000 };

static void *miss(void *opaque)
{
	struct viommu_device *device = opaque;

	for (unsigned i = 0; i < ROUNDS; i++)
		guest_dma(device, 0x1000, VIOMMU_READ);
	return NULL;
}

/* Nothing is lost of what several threads count at a time. */
static void threads(void **state)
{
	pthread_t thread[THREADS];
	struct world w;

	open_world(&w, false, 0);
	guest_fini(&w.g);
	guest_init(&w.g, GUEST_REGION, 64);
	guest_vtd(&w.g, GUEST_CAP, GUEST_ECAP_LEGACY);
	guest_start(&w.g, VTD_TTM_LEGACY);
	w.device = guest_device(&w.g, RID);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, miss, w.device), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(of_device(w.device).misses, THREADS * ROUNDS);
	assert_int_equal(of_device(w.device).faults, THREADS * ROUNDS);
	assert_int_equal(of_unit(w.g.iommu).faults, THREADS * ROUNDS);
	guest_fini(&w.g);
}

static void older_and_newer_callers(void **state)
{
	struct {
		struct viommu_statistics s;
		uint64_t later;
	} newer;
	struct viommu_statistics older;
	struct world w;

	open_world(&w, false, 0);
	guest_dma(w.device, IOVA, VIOMMU_READ);
	memset(&older, 0xee, sizeof(older));
	older.size = offsetof(struct viommu_statistics, fills);
	assert_int_equal(viommu_device_get_statistics(w.device, &older), VIOMMU_OK);
	assert_int_equal(older.size, offsetof(struct viommu_statistics, fills));
	assert_int_equal(older.misses, 1);
	assert_int_equal(older.fills, UINT64_C(0xeeeeeeeeeeeeeeee));
	memset(&newer, 0xee, sizeof(newer));
	newer.s.size = sizeof(newer);
	assert_int_equal(viommu_get_statistics(w.g.iommu, &newer.s), VIOMMU_OK);
	assert_int_equal(newer.s.fills, 1);
	assert_int_equal(newer.later, 0);
	newer.s.size = 0;
	assert_int_equal(viommu_get_statistics(w.g.iommu, &newer.s), VIOMMU_ESIZE);
	assert_int_equal(viommu_get_statistics(w.g.iommu, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_get_statistics(NULL, &newer.s), VIOMMU_EINVAL);
	assert_int_equal(viommu_device_get_statistics(NULL, &newer.s), VIOMMU_EINVAL);
	guest_fini(&w.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hits_and_questions_count_nothing),
		cmocka_unit_test(misses_and_faults),
		cmocka_unit_test(evictions),
		cmocka_unit_test(invalidations),
		cmocka_unit_test(device_tlbs),
		cmocka_unit_test(command_errors),
		cmocka_unit_test(messages),
		cmocka_unit_test(longest_completion),
		cmocka_unit_test(of_virtio),
		cmocka_unit_test(of_its),
		cmocka_unit_test(threads),
		cmocka_unit_test(older_and_newer_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
