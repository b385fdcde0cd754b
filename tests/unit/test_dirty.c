/* SPDX-License-Identifier: BSD-3-Clause */
/* test_dirty.c - which pages are noted as written, when they are collected, and who is waited for. */
#include "check.h"

#include <string.h>

#include <libvirtiommu/dirty.h>
#include <libvirtiommu/dma.h>
#include <libvirtiommu/its.h>
#include <libvirtiommu/observe.h>

#include "guest.h"
#include "its_rig.h"
#include "virtio_rig.h"

#define RID   0x0010
#define DID   7
#define IOVA  UINT64_C(0x400000)   /* pages, to SMALL */
#define LARGE UINT64_C(0x40000000) /* 2 MiB, to BIG */
#define SMALL UINT64_C(0x280000)
#define BIG   UINT64_C(0x400000)
#define NONE  VIOMMU_NO_PASID
#define R     VIOMMU_READ
#define W     VIOMMU_WRITE

enum { PAGES = 2048, WORDS = PAGES / 64 }; /* tracked: the first 8 MiB */

struct world {
	struct guest g;
	struct viommu_device *device, *other;
	struct viommu_channel *channel;
	struct viommu_dirty *dirty;
	uint64_t ss;
	uint64_t bitmap[WORDS];
};

static void open_world(struct world *w, uint32_t steps)
{
	struct viommu_limits limits = { .size = sizeof(limits),
					.tlb_entries = 320,
					.steps = steps };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = GUEST_CAP,
					    .ecap = GUEST_ECAP_LEGACY,
					    .limits = &limits };

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_REGION, 1792);
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	w->ss = guest_table(&w->g);
	for (uint64_t i = 0; i < 8; i++)
		guest_ss_map(&w->g, w->ss, 4, IOVA + i * 4096, SMALL + i * 4096, 12, GUEST_RW);
	guest_ss_map(&w->g, w->ss, 4, LARGE, BIG, 21, GUEST_RW);
	guest_legacy_tt(&w->g, RID, DID, w->ss, 4, VTD_TT_DEVICE_TLB);
	guest_legacy_tt(&w->g, RID + 1, DID, w->ss, 4, VTD_TT_DEVICE_TLB);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, RID);
	w->other = guest_device(&w->g, RID + 1);
	w->channel = guest_channel(&w->g, w->device, NONE);
}

static void start(struct world *w, struct viommu_device *device)
{
	assert_int_equal(viommu_dirty_start(w->g.iommu, device, 0, (uint64_t)PAGES * 4096 - 1,
					    &w->dirty),
			 VIOMMU_OK);
	assert_int_equal(viommu_dirty_collect(w->dirty, w->bitmap), VIOMMU_OK);
	memset(w->bitmap, 0, sizeof(w->bitmap));
}

static void close_world(struct world *w)
{
	assert_int_equal(viommu_dirty_stop(w->dirty), VIOMMU_OK);
	guest_fini(&w->g);
}

static bool is_set(const uint64_t *bitmap, uint64_t gpa)
{
	return bitmap[gpa / 4096 / 64] >> gpa / 4096 % 64 & 1;
}

/* How many pages are in the bitmap, which is emptied. */
static unsigned taken(uint64_t *bitmap)
{
	unsigned count = 0;

	for (unsigned i = 0; i < WORDS; i++)
		count += (unsigned)__builtin_popcountll(bitmap[i]);
	memset(bitmap, 0, WORDS * sizeof(*bitmap));
	return count;
}

/* Collects, and says whether exactly [gpa, gpa + pages) was written; pages 0: nothing was. */
static void expect(struct world *w, const char *row, uint64_t gpa, unsigned pages)
{
	check_eq(row, viommu_dirty_collect(w->dirty, w->bitmap), VIOMMU_OK);
	for (unsigned i = 0; i < pages; i++)
		check_that(row, is_set(w->bitmap, gpa + i * 4096));
	check_eq(row, taken(w->bitmap), pages);
}

static void dma(struct world *w, uint64_t iova, unsigned access)
{
	assert_int_equal(guest_channel_dma(w->channel, NONE, iova, access).result, VIOMMU_OK);
}

/* ---- what is noted ---- */

static void writes_are_noted_and_reads_are_not(void **state)
{
	struct world w;

	open_world(&w, 0);
	dma(&w, IOVA, R | W); /* cached, as dirty, everywhere */
	dma(&w, LARGE, R | W);
	start(&w, NULL);
	expect(&w, "nothing", 0, 0);
	dma(&w, IOVA, R);
	dma(&w, IOVA + 4096, R);
	expect(&w, "read", 0, 0);
	dma(&w, IOVA, W);
	expect(&w, "written", SMALL, 1);
	expect(&w, "collected once", 0, 0);
	for (unsigned i = 0; i < 3; i++)
		dma(&w, IOVA, W);
	dma(&w, IOVA, R | W);
	expect(&w, "written again", SMALL, 1);
	assert_int_equal(guest_dma(w.other, IOVA + 4096, W).result, VIOMMU_OK);
	expect(&w, "by another device", SMALL + 4096, 1);
	assert_int_equal(guest_dma(w.other, IOVA + 2 * 4096, W | VIOMMU_QUIET).result, VIOMMU_OK);
	expect(&w, "a question", 0, 0);
	assert_int_equal(guest_dma(w.other, IOVA + 8 * 4096, W).result, VIOMMU_FAULT);
	expect(&w, "refused", 0, 0);
	close_world(&w);
}

static void every_page_of_a_large_one(void **state)
{
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	dma(&w, LARGE + 5 * 4096, W);
	expect(&w, "one page", BIG + 5 * 4096, 1);
	dma(&w, LARGE, R);
	dma(&w, LARGE + 7 * 4096, W);
	dma(&w, LARGE + 8 * 4096, W);
	dma(&w, LARGE + 7 * 4096 + 5, W);
	expect(&w, "two pages", BIG + 7 * 4096, 2);
	close_world(&w);
}

static void long_requests(void **state)
{
	struct viommu_fragment f[8];
	struct viommu_answer answer;
	struct viommu_request r = {
		.first = LARGE + 4095, .last = LARGE + 130 * 4096, .pasid = NONE, .access = W
	};
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	assert_int_equal(viommu_translate(w.channel, &r, f, 8, &answer), VIOMMU_OK);
	assert_int_equal(answer.count, 1);
	expect(&w, "131 pages", BIG, 131);
	r = (struct viommu_request){
		.first = IOVA + 1, .last = IOVA + 4 * 4096, .pasid = NONE, .access = W
	};
	assert_int_equal(viommu_device_translate(w.other, &r, f, 8, &answer), VIOMMU_OK);
	expect(&w, "5 pages", SMALL, 5);
	/* what did not fit in the fragments is not written */
	guest_ss_map(&w.g, w.ss, 4, IOVA + 4096, SMALL + 32 * 4096, 12, GUEST_RW);
	guest_invalidate_all(&w.g);
	assert_int_equal(viommu_device_translate(w.other, &r, f, 1, &answer), VIOMMU_MORE);
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_OK);
	assert_true(is_set(w.bitmap, SMALL));
	assert_false(is_set(w.bitmap, SMALL + 2 * 4096));
	close_world(&w);
}

static void lists_and_dma(void **state)
{
	struct viommu_request r[3] = {
		{ .first = IOVA, .last = IOVA, .pasid = NONE, .access = W },
		{ .first = IOVA + 4096, .last = IOVA + 4096, .pasid = NONE, .access = R },
		{ .first = IOVA + 2 * 4096, .last = IOVA + 2 * 4096, .pasid = NONE, .access = W },
	};
	struct viommu_answer answers[3];
	struct viommu_fragment f[3];
	uint64_t done;
	uint32_t n;
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	assert_int_equal(viommu_translate_list(w.channel, r, 3, f, 3, answers, &n), VIOMMU_OK);
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_OK);
	assert_true(is_set(w.bitmap, SMALL) && is_set(w.bitmap, SMALL + 2 * 4096));
	assert_int_equal(taken(w.bitmap), 2);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(viommu_dma_read(w.channel, IOVA, &done, 8, 0, &done), VIOMMU_OK);
		expect(&w, "viommu_dma_read", 0, 0);
		assert_int_equal(viommu_dma_store(w.channel, IOVA + 3 * 4096, 8, 0, 1), VIOMMU_OK);
		assert_int_equal(viommu_dma_store(w.channel, IOVA + 3 * 4096, 8, 0, 2), VIOMMU_OK);
		expect(&w, "viommu_dma_store", SMALL + 3 * 4096, 1);
	}
	close_world(&w);
}

static void translated_addresses(void **state)
{
	struct viommu_fragment f;
	struct viommu_answer answer;
	struct viommu_request r = { .first = SMALL,
				    .last = SMALL,
				    .pasid = NONE,
				    .access = W,
				    .type = VIOMMU_AT_TRANSLATED };
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	assert_int_equal(guest_ats(w.device, NONE, IOVA, R).result, VIOMMU_OK);
	expect(&w, "granted reading", 0, 0);
	assert_int_equal(guest_ats(w.device, NONE, IOVA, R | W).result, VIOMMU_OK);
	expect(&w, "granted writing", SMALL, 1);
	assert_int_equal(viommu_device_translate(w.device, &r, &f, 1, &answer), VIOMMU_OK);
	expect(&w, "a translated request", SMALL, 1);
	close_world(&w);
}

/* Who has asked to read has to ask before he writes, whatever the tables say. */
static void fragments_are_clean(void **state)
{
	struct guest_dma d;
	struct world w;

	open_world(&w, 0);
	for (unsigned tracked = 0; tracked < 2; tracked++) {
		if (tracked)
			start(&w, NULL);
		for (unsigned warm = 0; warm < 2; warm++) {
			d = guest_channel_dma(w.channel, NONE, IOVA, R);
			assert_int_equal(d.f.perm & W, W);
			assert_int_equal(d.f.flags, tracked ? VIOMMU_FRAGMENT_CLEAN : 0);
			d = guest_dma(w.other, IOVA, R);
			assert_int_equal(d.f.flags, tracked ? VIOMMU_FRAGMENT_CLEAN : 0);
		}
		assert_int_equal(guest_channel_dma(w.channel, NONE, IOVA, W).f.flags, 0);
	}
	close_world(&w);
	/* and no longer when nobody wants to know */
	open_world(&w, 0);
	start(&w, NULL);
	dma(&w, IOVA, W);
	assert_int_equal(viommu_dirty_stop(w.dirty), VIOMMU_OK);
	dma(&w, IOVA, W);
	guest_invalidate_all(&w.g);
	assert_int_equal(guest_dma(w.other, IOVA, R).f.flags, 0);
	guest_fini(&w.g);
}

/* A device by itself, although another one has the same domain, and with it the same TLB entries. */
static void one_device(void **state)
{
	struct world w;

	open_world(&w, 0);
	start(&w, w.device);
	assert_int_equal(guest_dma(w.other, IOVA, W).result, VIOMMU_OK);
	expect(&w, "the other one", 0, 0);
	assert_int_equal(guest_dma(w.other, IOVA, W).result, VIOMMU_OK);
	dma(&w, IOVA, W);
	expect(&w, "this one", SMALL, 1);
	assert_int_equal(viommu_free(w.g.iommu), VIOMMU_EBUSY);
	assert_int_equal(viommu_channel_free(w.channel), VIOMMU_OK);
	w.g.channels = 0;
	assert_int_equal(viommu_device_free(w.device), VIOMMU_EBUSY);
	close_world(&w);
}

static void ranges(void **state)
{
	struct viommu_dirty *all, *page;
	uint64_t one = 0;
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	assert_int_equal(viommu_dirty_start(w.g.iommu, NULL, SMALL + 4096, SMALL + 2 * 4096 - 1,
					    &page),
			 VIOMMU_OK);
	assert_int_equal(viommu_dirty_start(w.g.iommu, NULL, 0, UINT64_C(0xffffffff), &all),
			 VIOMMU_OK);
	dma(&w, IOVA, W);
	dma(&w, IOVA + 2 * 4096, W);
	assert_int_equal(viommu_dirty_collect(page, &one), VIOMMU_OK);
	assert_int_equal(one, 0);
	dma(&w, IOVA + 4096, W);
	assert_int_equal(viommu_dirty_stop(all), VIOMMU_OK); /* the first in the list */
	dma(&w, IOVA + 4096, W);
	assert_int_equal(viommu_dirty_collect(page, &one), VIOMMU_OK);
	assert_int_equal(one, 1);
	assert_int_equal(viommu_dirty_stop(page), VIOMMU_OK);
	expect(&w, "all three", SMALL, 3);
	close_world(&w);
}

/* ---- the guest's own bits ---- */

static void bits_of_the_tables_stay(void **state)
{
	struct guest_pasid p = {
		.did = DID, .pgtt = VTD_PGTT_SECOND, .ss_levels = 4, .extra0 = VTD_PE_SSADE
	};
	struct viommu_dirty *dirty;
	struct viommu_device *device;
	uint64_t bitmap[WORDS] = { 0 };
	uint64_t entry, raw;
	struct guest g;

	guest_init(&g, GUEST_REGION, 512);
	guest_vtd(&g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	p.ss = guest_table(&g);
	guest_ss_map(&g, p.ss, 4, IOVA, 0x101000, 12, GUEST_RW);
	entry = guest_entry(&g, p.ss, 4, IOVA, 0, GUEST_RW);
	guest_pasid(&g, RID, 0, &p);
	guest_start(&g, VTD_TTM_SCALABLE);
	device = guest_device(&g, RID);
	assert_int_equal(guest_dma(device, IOVA, W).result, VIOMMU_OK);
	raw = guest_get64(&g, entry);
	assert_int_equal(raw & BITS(9, 8), BITS(9, 8)); /* accessed and dirty */
	assert_int_equal(viommu_dirty_start(g.iommu, NULL, 0, (uint64_t)PAGES * 4096 - 1, &dirty),
			 VIOMMU_OK);
	assert_int_equal(guest_dma(device, IOVA, W).result, VIOMMU_OK);
	assert_int_equal(viommu_dirty_collect(dirty, bitmap), VIOMMU_OK);
	assert_true(is_set(bitmap, 0x101000));
	assert_int_equal(guest_get64(&g, entry), raw);
	/* the guest clears its dirty bit: that the page is written is noted, and the bit is set */
	guest_put64(&g, entry, raw & ~BIT(9));
	guest_invalidate_all(&g);
	taken(bitmap);
	assert_int_equal(guest_dma(device, IOVA, R).result, VIOMMU_OK);
	assert_int_equal(guest_get64(&g, entry), raw & ~BIT(9));
	assert_int_equal(guest_dma(device, IOVA, W).result, VIOMMU_OK);
	assert_int_equal(guest_get64(&g, entry), raw);
	assert_int_equal(viommu_dirty_collect(dirty, bitmap), VIOMMU_OK);
	assert_int_equal(taken(bitmap), 1);
	assert_int_equal(viommu_dirty_stop(dirty), VIOMMU_OK);
	guest_fini(&g);
}

/* ---- who is waited for ---- */

static void sections_from_before(void **state)
{
	struct viommu_channel *second;
	struct world w;

	open_world(&w, 0);
	second = guest_channel(&w.g, w.other, NONE);
	start(&w, NULL);
	assert_int_equal(viommu_enter(w.channel), VIOMMU_OK);
	dma(&w, IOVA, W);
	w.g.count[GUEST_ON_WORK] = 0;
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_PENDING);
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_PENDING);
	/* one that has begun since holds nothing back, and what it writes is for the next time */
	assert_int_equal(viommu_enter(second), VIOMMU_OK);
	assert_int_equal(guest_channel_dma(second, NONE, IOVA + 4096, W).result, VIOMMU_OK);
	assert_int_equal(w.g.count[GUEST_ON_WORK], 0);
	/* the old one writes once more: it has to ask */
	dma(&w, IOVA + 2 * 4096, W);
	assert_int_equal(viommu_leave(w.channel), VIOMMU_OK);
	assert_int_equal(w.g.count[GUEST_ON_WORK], 1);
	expect(&w, "before", SMALL, 1);
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_PENDING);
	assert_int_equal(viommu_leave(second), VIOMMU_OK);
	assert_int_equal(w.g.count[GUEST_ON_WORK], 2);
	expect(&w, "after", SMALL + 4096, 2);
	assert_int_equal(w.g.count[GUEST_ON_WORK], 2);
	close_world(&w);
}

/* The guest's own completion and the collecting wait for the same section; each hears of it. */
static void beside_a_completion(void **state)
{
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	assert_int_equal(viommu_enter(w.channel), VIOMMU_OK);
	dma(&w, IOVA, W);
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_PENDING);
	guest_submit(&w.g, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0, 0, 0);
	guest_submit_wait(&w.g);
	assert_int_equal(guest_ring(&w.g), VIOMMU_PENDING);
	w.g.count[GUEST_ON_WORK] = 0;
	assert_int_equal(viommu_leave(w.channel), VIOMMU_OK);
	assert_int_equal(w.g.count[GUEST_ON_WORK], 1);
	assert_int_equal(viommu_run(w.g.iommu), VIOMMU_OK);
	assert_true(guest_waited(&w.g));
	expect(&w, "written", SMALL, 1);
	close_world(&w);
}

/* A call on registers that ends a wait of its own still lets the other one hear. */
static void a_call_under_way(void **state)
{
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	assert_int_equal(viommu_enter(w.channel), VIOMMU_OK);
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_PENDING);
	guest_submit(&w.g, GUEST_IEC_GLOBAL, 0, 0, 0);
	guest_submit_wait(&w.g);
	assert_int_equal(guest_ring(&w.g), VIOMMU_PENDING);
	assert_int_equal(viommu_reset(w.g.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_run(w.g.iommu), VIOMMU_PENDING);
	w.g.count[GUEST_ON_WORK] = 0;
	assert_int_equal(viommu_leave(w.channel), VIOMMU_OK);
	assert_true(w.g.count[GUEST_ON_WORK] >= 1);
	expect(&w, "nothing", 0, 0);
	close_world(&w);
}

static void stopping(void **state)
{
	uint64_t blocks;
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	blocks = w.g.blocks;
	assert_int_equal(viommu_enter(w.channel), VIOMMU_OK);
	w.g.count[GUEST_ON_WORK] = 0;
	assert_int_equal(viommu_dirty_stop(w.dirty), VIOMMU_PENDING);
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_EINVAL);
	assert_int_equal(viommu_dirty_stop(w.dirty), VIOMMU_PENDING);
	assert_int_equal(w.g.blocks, blocks);
	assert_int_equal(viommu_leave(w.channel), VIOMMU_OK);
	assert_int_equal(w.g.count[GUEST_ON_WORK], 1);
	assert_int_equal(viommu_dirty_stop(w.dirty), VIOMMU_OK);
	assert_int_equal(w.g.blocks, blocks - 1);
	guest_fini(&w.g);
}

/* 32 words, of which a call with one step looks at 8. */
static void in_steps(void **state)
{
	unsigned calls = 0;
	int result;
	struct world w;

	open_world(&w, 1);
	assert_int_equal(viommu_dirty_start(w.g.iommu, NULL, 0, (uint64_t)PAGES * 4096 - 1,
					    &w.dirty),
			 VIOMMU_OK);
	dma(&w, IOVA, W);
	do {
		result = viommu_dirty_collect(w.dirty, w.bitmap);
		calls++;
	} while (result == VIOMMU_MORE);
	assert_int_equal(result, VIOMMU_OK);
	assert_int_equal(calls, WORDS / 8);
	assert_int_equal(taken(w.bitmap), 1);
	/* between two calls: the page's word has been taken, so it is the next time's */
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_MORE);
	assert_int_equal(viommu_dirty_collect(w.dirty, w.bitmap), VIOMMU_MORE);
	dma(&w, IOVA, W);
	while (viommu_dirty_collect(w.dirty, w.bitmap) == VIOMMU_MORE)
		;
	dma(&w, LARGE, W);
	while (viommu_dirty_collect(w.dirty, w.bitmap) == VIOMMU_MORE)
		;
	assert_true(is_set(w.bitmap, SMALL) && is_set(w.bitmap, BIG));
	assert_int_equal(taken(w.bitmap), 2);
	close_world(&w);
}

/* The shared TLB stays: but for the context, which is looked up again, reads are answered from there. */
static void reads_stay_cached(void **state)
{
	struct viommu_statistics before = { .size = sizeof(before) }, after = before;
	struct world w;

	open_world(&w, 0);
	start(&w, NULL);
	for (unsigned i = 0; i < 8; i++)
		dma(&w, IOVA + i * 4096, R);
	expect(&w, "nothing", 0, 0);
	dma(&w, LARGE, R);
	assert_int_equal(viommu_get_statistics(w.g.iommu, &before), VIOMMU_OK);
	for (unsigned i = 0; i < 8; i++)
		dma(&w, IOVA + i * 4096, R);
	assert_int_equal(viommu_get_statistics(w.g.iommu, &after), VIOMMU_OK);
	assert_int_equal(after.misses, before.misses);
	close_world(&w);
}

/* ---- other engines, misuse ---- */

static void of_virtio(void **state)
{
	struct virtio_rig *r = vr_open(NULL);
	struct viommu_dirty *dirty;
	uint64_t bitmap = 0;

	assert_int_equal(vr_attach(r, 7, 1, 0), ST_OK);
	assert_int_equal(vr_map(r, 7, 0x1000, 0x8fff, 0x2000, VR_RW), ST_OK);
	assert_int_equal(vr_peek(r, 1, 0x1000, W), 0x2000);
	assert_int_equal(viommu_dirty_start(r->g.iommu, NULL, 0, 0x3ffff, &dirty), VIOMMU_OK);
	assert_int_equal(viommu_dirty_collect(dirty, &bitmap), VIOMMU_OK);
	assert_int_equal(bitmap, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vr_peek(r, 1, 0x1000, R), 0x2000);
		assert_int_equal(vr_peek(r, 1, 0x2008, W), 0x3008);
		assert_int_equal(viommu_dirty_collect(dirty, &bitmap), VIOMMU_OK);
		assert_int_equal(bitmap, 8);
		bitmap = 0;
	}
	assert_int_equal(viommu_dirty_stop(dirty), VIOMMU_OK);
	vr_close(r);
}

static void misuse(void **state)
{
	struct viommu_dirty *dirty = NULL;
	struct its_rig r;
	struct world w;

	open_world(&w, 0);
	assert_int_equal(viommu_dirty_start(NULL, NULL, 0, 4095, &dirty), VIOMMU_EINVAL);
	assert_int_equal(viommu_dirty_start(w.g.iommu, NULL, 1, 4095, &dirty), VIOMMU_EINVAL);
	assert_int_equal(viommu_dirty_start(w.g.iommu, NULL, 0, 4096, &dirty), VIOMMU_EINVAL);
	assert_int_equal(viommu_dirty_start(w.g.iommu, NULL, 4096, 4095, &dirty), VIOMMU_EINVAL);
	assert_int_equal(viommu_dirty_start(w.g.iommu, NULL, 0, 4095, NULL), VIOMMU_EINVAL);
	w.g.no_memory_in = 1;
	assert_int_equal(viommu_dirty_start(w.g.iommu, NULL, 0, UINT64_MAX, &dirty), VIOMMU_ENOMEM);
	assert_null(dirty);
	start(&w, NULL);
	assert_int_equal(viommu_dirty_collect(NULL, w.bitmap), VIOMMU_EINVAL);
	assert_int_equal(viommu_dirty_collect(w.dirty, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_dirty_stop(NULL), VIOMMU_OK);
	its_open(&r, &(struct its_rig_config){ .off = true });
	assert_int_equal(viommu_dirty_start(r.its, NULL, 0, 4095, &dirty), VIOMMU_ENOTSUP);
	assert_int_equal(viommu_dirty_start(r.its, w.device, 0, 4095, &dirty), VIOMMU_EINVAL);
	its_close(&r);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_are_noted_and_reads_are_not),
		cmocka_unit_test(every_page_of_a_large_one),
		cmocka_unit_test(long_requests),
		cmocka_unit_test(lists_and_dma),
		cmocka_unit_test(translated_addresses),
		cmocka_unit_test(fragments_are_clean),
		cmocka_unit_test(one_device),
		cmocka_unit_test(ranges),
		cmocka_unit_test(bits_of_the_tables_stay),
		cmocka_unit_test(sections_from_before),
		cmocka_unit_test(beside_a_completion),
		cmocka_unit_test(a_call_under_way),
		cmocka_unit_test(stopping),
		cmocka_unit_test(in_steps),
		cmocka_unit_test(reads_stay_cached),
		cmocka_unit_test(of_virtio),
		cmocka_unit_test(misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
