/* SPDX-License-Identifier: BSD-3-Clause */
/* test_quiet.c - requests that are only questions (VIOMMU_QUIET), and how far an answer's mapping goes. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "guest.h"

#define ID   0x0100U
#define NONE VIOMMU_NO_PASID
#define Q    VIOMMU_QUIET
#define R    VIOMMU_READ
#define W    VIOMMU_WRITE
#define P    VIOMMU_PRIV

/* Where the tables map, and what. */
#define PAGE	UINT64_C(0x5000)     /* 4 KiB, read and write */
#define ROM	UINT64_C(0x6000)     /* 4 KiB, read */
#define LARGE	UINT64_C(0x200000)   /* 2 MiB */
#define HUGE	UINT64_C(0x40000000) /* 1 GiB */
#define NOTHING UINT64_C(0x7000)
#define WINDOW	UINT64_C(0xfee00000)

struct world {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t fs;
	uint64_t page;
};

/* First stage: its accessed and dirty bits are always kept. */
static void open_world(struct world *w, enum guest_memory memory)
{
	struct guest *g = &w->g;

	guest_init(g, memory, 64);
	guest_vtd(g, GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	w->page = guest_alloc(g, 2);
	w->fs = guest_table(g);
	guest_fs_map(g, w->fs, 4, PAGE, w->page, 12, GUEST_FS);
	guest_fs_map(g, w->fs, 4, ROM, w->page + GUEST_PAGE, 12, GUEST_FS & ~UINT64_C(2));
	guest_fs_map(g, w->fs, 4, LARGE, 0, 21, GUEST_FS);
	guest_fs_map(g, w->fs, 4, HUGE, 0, 30, GUEST_FS);
	guest_pasid(g, ID, 0,
		    &(struct guest_pasid){
			    .did = 1, .pgtt = VTD_PGTT_FIRST, .fs = w->fs, .fs_levels = 4 });
	guest_start(g, VTD_TTM_SCALABLE);
	w->device = guest_device(g, ID);
	w->channel = guest_channel(g, w->device, NONE);
	memset(g->count, 0, sizeof(g->count));
}

static uint64_t entry_of(struct world *w, uint64_t iova, unsigned level)
{
	return guest_get64(&w->g, guest_entry(&w->g, w->fs, 4, iova, level, 0));
}

/* ---- what is asked, and what is not told ---- */

static const struct {
	const char *name;
	uint64_t iova;
	unsigned access;
	int result;
	uint32_t perm;
	uint32_t flags;
	uint32_t extent_lg2;
} questions[] = {
	{ "read", PAGE, R | Q, VIOMMU_OK, 7, VIOMMU_FRAGMENT_CLEAN, 12 },
	{ "write", PAGE, W | Q, VIOMMU_OK, 7, VIOMMU_FRAGMENT_CLEAN, 12 },
	{ "what is there", PAGE, Q, VIOMMU_OK, 7, VIOMMU_FRAGMENT_CLEAN, 12 },
	/* without PASID nobody is */
	{ "what is there, privileged", PAGE, Q | P, VIOMMU_OK, 7, VIOMMU_FRAGMENT_CLEAN, 12 },
	{ "what is there, not writable", ROM, Q, VIOMMU_OK, 5, 0, 12 },
	{ "write, not writable", ROM, W | Q, VIOMMU_FAULT, 0, 0, 0 },
	{ "what is there, 2 MiB", LARGE + 0x12345, Q, VIOMMU_OK, 7, VIOMMU_FRAGMENT_CLEAN, 21 },
	{ "what is there, 1 GiB", HUGE + 0x1234567, Q, VIOMMU_OK, 7, VIOMMU_FRAGMENT_CLEAN, 30 },
	{ "what is there: nothing", NOTHING, Q, VIOMMU_FAULT, 0, 0, 0 },
	{ "what is there: interrupts", WINDOW, Q, VIOMMU_FAULT, 0, 0, 0 },
	{ "an interrupt", WINDOW, W | Q, VIOMMU_INTERRUPT, 0, 0, 0 },
};

static void check_answer(size_t i, const struct guest_dma *d)
{
	const char *name = questions[i].name;

	check_eq(name, d->result, questions[i].result);
	check_eq(name, d->answer.extent_lg2, questions[i].extent_lg2);
	check_eq(name, d->answer.count, questions[i].result == VIOMMU_OK);
	check_eq(name, d->answer.token | d->answer.flags, 0);
	if (questions[i].result)
		return;
	check_eq(name, d->f.perm, questions[i].perm);
	check_eq(name, d->f.flags, questions[i].flags);
}

/* Nothing is written to memory, recorded, or cached: the second question reads as much as the first. */
static void leave_no_trace(void **state)
{
	for (size_t i = 0; i < 2 * ARRAY_COUNT(questions); i++) {
		size_t n = i / 2;
		struct guest_dma d;
		struct world w;
		unsigned reads;

		open_world(&w, GUEST_CALLBACKS);
		d = i & 1 ? guest_channel_dma(w.channel, NONE, questions[n].iova,
					      questions[n].access)
			  : guest_dma(w.device, questions[n].iova, questions[n].access);
		check_answer(n, &d);
		reads = w.g.count[GUEST_ON_READ];
		d = i & 1 ? guest_channel_dma(w.channel, NONE, questions[n].iova,
					      questions[n].access)
			  : guest_dma(w.device, questions[n].iova, questions[n].access);
		check_answer(n, &d);
		check_eq(questions[n].name, w.g.count[GUEST_ON_READ], 2 * reads);
		check_eq(questions[n].name, w.g.count[GUEST_ON_WRITE] + w.g.count[GUEST_ON_SWAP],
			 0);
		check_eq(questions[n].name, w.g.count[GUEST_ON_MSI], 0);
		check_eq(questions[n].name, guest_take_faults(&w.g), 0);
		guest_fini(&w.g);
	}
}

/* A question is answered from the caches where they have it, and what it asked is still asked by who
 * means it: dirty is set by the write, the fault recorded by the read. */
static void questions_are_not_deeds(void **state)
{
	struct guest_dma d;
	struct world w;
	unsigned reads;

	open_world(&w, GUEST_CALLBACKS);
	assert_int_equal(guest_channel_dma(w.channel, NONE, PAGE, R).result, VIOMMU_OK);
	assert_int_equal(entry_of(&w, PAGE, 0) & 0x60, 0x20); /* A, not D */
	reads = w.g.count[GUEST_ON_READ];
	d = guest_channel_dma(w.channel, NONE, PAGE, Q);
	assert_int_equal(d.f.perm, 7);
	assert_int_equal(d.f.flags, VIOMMU_FRAGMENT_CLEAN);
	d = guest_dma(w.device, PAGE, R | Q);
	assert_int_equal(d.f.gpa, w.page);
	assert_int_equal(w.g.count[GUEST_ON_READ], reads);
	d = guest_channel_dma(w.channel, NONE, PAGE, W | Q);
	assert_int_equal(d.f.flags, VIOMMU_FRAGMENT_CLEAN);
	assert_int_equal(entry_of(&w, PAGE, 0) & 0x60, 0x20);
	d = guest_channel_dma(w.channel, NONE, PAGE, W);
	assert_int_equal(d.f.flags, 0);
	assert_int_equal(entry_of(&w, PAGE, 0) & 0x60, 0x60);
	assert_int_equal(guest_channel_dma(w.channel, NONE, NOTHING, R | Q).result, VIOMMU_FAULT);
	assert_int_equal(guest_take_faults(&w.g), 0);
	assert_int_equal(guest_channel_dma(w.channel, NONE, NOTHING, R).result, VIOMMU_FAULT);
	assert_int_equal(guest_take_faults(&w.g), 1);
	guest_fini(&w.g);
}

/* ---- extent ---- */

static const struct {
	const char *name;
	uint64_t iova;
	uint32_t lg2;
} extents[] = {
	{ "4 KiB", PAGE + 0x123, 12 },
	{ "2 MiB, in a page that is not its first", LARGE + 0x12345, 21 },
	{ "1 GiB", HUGE + 0x1234567, 30 },
};

static void extent_from_every_cache(void **state)
{
	struct world w;

	open_world(&w, GUEST_REGION);
	for (size_t i = 0; i < ARRAY_COUNT(extents); i++) {
		struct viommu_request r = { .first = extents[i].iova,
					    .last = extents[i].iova,
					    .pasid = NONE,
					    .access = R };
		const char *name = extents[i].name;
		struct viommu_fragment f;
		struct viommu_answer a;
		struct guest_dma d;
		uint32_t done;

		guest_invalidate_all(&w.g);
		for (unsigned n = 0; n < 2; n++) { /* the tables, the shared TLB */
			d = guest_dma(w.device, r.first, R);
			check_eq(name, d.answer.extent_lg2, extents[i].lg2);
		}
		for (unsigned n = 0; n < 2; n++) { /* the shared TLB, the channel's own */
			d = guest_channel_dma(w.channel, NONE, r.first, R);
			check_eq(name, d.answer.extent_lg2, extents[i].lg2);
			check_eq(name, d.answer.token | d.answer.flags, 0);
		}
		memset(&a, 0xff, sizeof(a));
		assert_int_equal(viommu_translate_list(w.channel, &r, 1, &f, 1, &a, &done),
				 VIOMMU_OK);
		check_eq(name, a.extent_lg2, extents[i].lg2);
		check_eq(name, a.token | a.flags, 0);
	}
	guest_fini(&w.g);
}

/* It is that of the first address, also where the request goes on. */
static void extent_of_the_first(void **state)
{
	struct viommu_request r = { .first = PAGE, .last = ROM, .pasid = NONE, .access = R };
	struct viommu_fragment f[2];
	struct viommu_answer a;
	struct world w;

	open_world(&w, GUEST_REGION);
	guest_fs_map(&w.g, w.fs, 4, LARGE - GUEST_PAGE, w.page, 12, GUEST_FS);
	assert_int_equal(viommu_device_translate(w.device, &r, f, 2, &a), VIOMMU_OK);
	assert_int_equal(a.extent_lg2, 12);
	r.first = LARGE - GUEST_PAGE;
	r.last = LARGE;
	assert_int_equal(viommu_device_translate(w.device, &r, f, 1, &a), VIOMMU_MORE);
	assert_int_equal(a.extent_lg2, 12);
	r.first = a.next;
	assert_int_equal(viommu_device_translate(w.device, &r, f, 1, &a), VIOMMU_OK);
	assert_int_equal(a.extent_lg2, 21);
	guest_fini(&w.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leave_no_trace),
		cmocka_unit_test(questions_are_not_deeds),
		cmocka_unit_test(extent_from_every_cache),
		cmocka_unit_test(extent_of_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
