/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tce_sync.c - when a call is complete, and whom it waits for; what listeners hear, and that a call that one of them
 * refuses has not happened; work in steps.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "tce_rig.h"

#define PAGE  GUEST_PAGE
#define RAM   GUEST_BASE
#define PAGES 64U
#define RW    3U
#define LIOBN TR_LIOBN(TR_PLAIN)
#define LOG   4096U

static struct tce_rig *r;

/* ---- sections ---- */

static void use(unsigned pe, uint64_t iova)
{
	check_eq("enter", viommu_enter(r->channel[pe]), VIOMMU_OK);
	check_eq("use", guest_channel_dma(r->channel[pe], VIOMMU_NO_PASID, iova, 1).result,
		 VIOMMU_OK);
}

static void let_go(unsigned pe)
{
	check_eq("leave", viommu_leave(r->channel[pe]), VIOMMU_OK);
}

static const struct {
	const char *name;
	uint64_t token, third, count;
} takes[] = {
	{ "put: nothing", H_PUT_TCE, 0, 0 },
	{ "put: another page", H_PUT_TCE, (RAM + PAGE) | RW, 0 },
	{ "put: less permission", H_PUT_TCE, RAM | 1, 0 },
	{ "stuff", H_STUFF_TCE, 0, 4 },
	{ "indirect", H_PUT_TCE_INDIRECT, RAM + 8 * PAGE, 4 },
};

static void prepare(void)
{
	static const uint64_t list[4] = { 0, 0, 0, 0 };

	r = tr_open(NULL, PAGES);
	tr_list(r, RAM + 8 * PAGE, list, 4);
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("put", tr_put(r, TR_LIOBN(TR_BRIDGE), 0x3000, RAM | RW), 0);
}

static void test_section_holds_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
		const char *name = takes[i].name;
		unsigned works;

		prepare();
		use(TR_PLAIN, 0x3000);
		check_eq(name,
			 tr_hcall(r, takes[i].token, LIOBN, 0x3000, takes[i].third, takes[i].count),
			 0);
		check_eq(name, r->result, VIOMMU_PENDING);
		check_eq(name, viommu_run(r->g.iommu), VIOMMU_PENDING);
		check_eq(name, r->completions, 0);
		works = r->g.count[GUEST_ON_WORK];
		let_go(TR_PLAIN);
		check_eq(name, r->g.count[GUEST_ON_WORK], works + 1);
		check_eq(name, viommu_run(r->g.iommu), VIOMMU_OK);
		check_eq(name, r->completions, 1);
		check_eq(name, r->completed[0], r->token);
		check_eq(name, r->status[0], 0);
		tr_close(r);
	}
}

/* One that opened its section later, or has to do with other windows, holds back nothing. */
static void test_strangers_do_not(void **state)
{
	(void)state;
	prepare();
	use(TR_BRIDGE, 0x3000);
	check_eq("another PE's", tr_put(r, LIOBN, 0x3000, 0), 0);
	check_eq("another PE's", r->result, VIOMMU_OK);
	check_eq("its own", tr_put(r, TR_LIOBN(TR_BRIDGE), 0x3000, 0), 0);
	check_eq("its own", r->result, VIOMMU_PENDING);
	/* another CPU's call, of the other PE, goes on meanwhile */
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("put", r->result, VIOMMU_OK);
	check_eq("put", tr_put(r, LIOBN, 0x3000, 0), 0);
	check_eq("put", r->result, VIOMMU_OK);
	let_go(TR_BRIDGE);
	check_eq("run", viommu_run(r->g.iommu), VIOMMU_OK);
	check_eq("one", r->completions, 1);
	tr_close(r);
}

/* A device that has moved from one PE to another may use what it had of both. */
static void test_moved_device(void **state)
{
	(void)state;
	prepare();
	check_eq("leave", viommu_device_set_id(r->device[TR_BRIDGE], 14), VIOMMU_OK);
	use(TR_PLAIN, 0x3000);
	check_eq("move", viommu_device_set_id(r->device[TR_PLAIN], TR_BRIDGE), VIOMMU_OK);
	check_eq("the old one", tr_put(r, LIOBN, 0x3000, 0), 0);
	check_eq("the old one", r->result, VIOMMU_PENDING);
	check_eq("uses the new one",
		 guest_channel_dma(r->channel[TR_PLAIN], VIOMMU_NO_PASID, 0x3000, 1).result,
		 VIOMMU_OK);
	check_eq("the new one", tr_put(r, TR_LIOBN(TR_BRIDGE), 0x3000, 0), 0);
	check_eq("the new one", r->result, VIOMMU_PENDING);
	check_eq("run", viommu_run(r->g.iommu), VIOMMU_PENDING);
	check_eq("none", r->completions, 0);
	let_go(TR_PLAIN);
	check_eq("run", viommu_run(r->g.iommu), VIOMMU_OK);
	check_eq("both", r->completions, 2);
	tr_close(r);
}

/* What takes nothing away is complete at once. */
static void test_nothing_taken(void **state)
{
	(void)state;
	prepare();
	use(TR_PLAIN, 0x3000);
	check_eq("the same again", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("the same again", r->result, VIOMMU_OK);
	check_eq("a new one", tr_put(r, LIOBN, 0x5000, RAM | RW), 0);
	check_eq("a new one", r->result, VIOMMU_OK);
	check_eq("where nothing was", tr_stuff(r, LIOBN, 0x10000, 0, 512), 0);
	check_eq("where nothing was", r->result, VIOMMU_OK);
	check_eq("poison", tr_put(r, LIOBN, 0x7000, 0x1000), 0);
	check_eq("poison", tr_put(r, LIOBN, 0x7000, RAM | RW), 0);
	check_eq("poison", r->result, VIOMMU_OK);
	check_eq("one that fails", tr_put(r, LIOBN, 0x3000, 1), -4);
	check_eq("one that fails", r->result, VIOMMU_OK);
	check_eq("a look", tr_entry(r, LIOBN, 0x3000), RAM | RW);
	check_eq("a look", r->result, VIOMMU_OK);
	let_go(TR_PLAIN);
	tr_close(r);
}

static void test_windows_hold_back(void **state)
{
	(void)state;
	prepare();
	use(TR_BRIDGE, 0x3000);
	check_eq("remove", tr_remove(r, TR_LIOBN(TR_BRIDGE)), 0);
	check_eq("remove", r->result, VIOMMU_PENDING);
	let_go(TR_BRIDGE);
	check_eq("told", tr_told(r), true);
	check_eq("reset", tr_reset_pe(r, TR_BRIDGE), 0);
	check_eq("put", tr_put(r, TR_LIOBN(TR_BRIDGE), 0x3000, RAM | RW), 0);
	use(TR_BRIDGE, 0x3000);
	check_eq("reset", tr_reset_pe(r, TR_BRIDGE), 0);
	check_eq("reset", r->result, VIOMMU_PENDING);
	let_go(TR_BRIDGE);
	check_eq("told", tr_told(r), true);
	check_eq("put", tr_put(r, TR_VIO_LIOBN, 0x3000, RAM | RW), 0);
	use(TR_VIO, 0x3000);
	check_eq("quiesce", tr_rtas(r, VIOMMU_TCE_RTAS_QUIESCE, 0, 0, NULL), VIOMMU_PENDING);
	let_go(TR_VIO);
	check_eq("told", tr_told(r), true);
	check_eq("put", tr_put(r, TR_VIO_LIOBN, 0x3000, RAM | RW), 0);
	use(TR_VIO, 0x3000);
	check_eq("bypass", tr_bypass(r, TR_VIO_LIOBN, 1), 0);
	check_eq("bypass", r->result, VIOMMU_PENDING);
	let_go(TR_VIO);
	check_eq("told", tr_told(r), true);
	tr_close(r);
}

/* A reset, too, and calls wait for it; those that were pending are never completed. */
static void test_reset_holds_back(void **state)
{
	(void)state;
	prepare();
	use(TR_PLAIN, 0x3000);
	check_eq("put", tr_put(r, LIOBN, 0x3000, 0), 0);
	check_eq("put", r->result, VIOMMU_PENDING);
	check_eq("reset", viommu_reset(r->g.iommu), VIOMMU_PENDING);
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), H_PUT_TCE);
	check_eq("put", r->result, VIOMMU_ELIMIT);
	let_go(TR_PLAIN);
	check_eq("run", viommu_run(r->g.iommu), VIOMMU_OK);
	check_eq("none", r->completions, 0);
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("put", r->result, VIOMMU_OK);
	tr_close(r);
}

/* ---- caches of devices ---- */

static void test_devices_hold_back(void **state)
{
	(void)state;
	prepare();
	r->g.invalidate_result = VIOMMU_PENDING;
	r->g.count[GUEST_ON_INVALIDATE] = 0;
	check_eq("put", tr_put(r, LIOBN, 0x3000, 0), 0);
	check_eq("put", r->result, VIOMMU_PENDING);
	check_eq("one is asked", r->g.count[GUEST_ON_INVALIDATE], 1);
	check_eq("whose", r->g.invalidation[0].id, TR_PLAIN);
	check_eq("first", r->g.invalidation[0].what.first, 0x3000);
	check_eq("last", r->g.invalidation[0].what.last, 0x3fff);
	check_eq("run", viommu_run(r->g.iommu), VIOMMU_PENDING);
	check_eq("answer",
		 viommu_invalidation_done(r->device[TR_PLAIN], r->g.invalidation[0].what.token,
					  VIOMMU_OK),
		 VIOMMU_OK);
	check_eq("run", viommu_run(r->g.iommu), VIOMMU_OK);
	check_eq("told", r->completions, 1);
	/* one that hangs holds up its own PE alone, and not for ever */
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("put", tr_put(r, LIOBN, 0x3000, 0), 0);
	check_eq("put", r->result, VIOMMU_PENDING);
	r->g.invalidate_result = VIOMMU_OK;
	check_eq("another PE", tr_put(r, TR_LIOBN(TR_BRIDGE), 0x3000, 0), 0);
	check_eq("another PE", r->result, VIOMMU_OK);
	check_eq("give up", viommu_device_fail(r->device[TR_PLAIN]), VIOMMU_OK);
	check_eq("run", viommu_run(r->g.iommu), VIOMMU_OK);
	check_eq("told", r->completions, 2);
	tr_close(r);
}

/* More are outstanding than may be: the job waits, and goes on. */
static void test_outstanding_limit(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .outstanding = 2 };
	const struct viommu_tce_config config = { .limits = &limits };

	(void)state;
	r = tr_open(&config, PAGES);
	for (unsigned i = 0; i < 8; i++)
		check_eq("put", tr_put(r, LIOBN, 2 * i * PAGE, RAM | RW), 0);
	r->g.invalidate_result = VIOMMU_PENDING;
	r->g.count[GUEST_ON_INVALIDATE] = 0;
	check_eq("stuff", tr_stuff(r, LIOBN, 0, 0, 16), 0);
	check_eq("stuff", r->result, VIOMMU_PENDING);
	for (unsigned i = 0; i < 8; i++) {
		check_eq("run", viommu_run(r->g.iommu), VIOMMU_PENDING);
		check_eq("asked", r->g.count[GUEST_ON_INVALIDATE], i + 2 < 8 ? i + 2 : 8);
		check_eq("answer",
			 viommu_invalidation_done(r->device[TR_PLAIN],
						  r->g.invalidation[i].what.token, VIOMMU_OK),
			 VIOMMU_OK);
	}
	check_eq("told", tr_told(r), true);
	tr_close(r);
}

/* ---- listeners ---- */

struct heard {
	struct {
		bool map;
		uint64_t first, last, gpa;
		uint32_t perm;
	} log[LOG];
	unsigned count;
	unsigned modes;
	uint32_t mode;
	unsigned completes;
	unsigned refuse;    /* the nth mapping from now on; 0: none */
	uint8_t mapped[64]; /* permission of pages of the default window, as told */
};

static struct heard heard;

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	struct heard *h = opaque;

	(void)device;
	(void)pasid;
	assert_true(h->count < LOG);
	h->log[h->count].map = false;
	h->log[h->count].first = first;
	h->log[h->count++].last = last;
	for (uint64_t page = first / PAGE; page < 64 && page <= last / PAGE; page++)
		h->mapped[page] = 0;
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *f)
{
	struct heard *h = opaque;

	(void)device;
	(void)pasid;
	assert_true(h->count < LOG);
	if (h->refuse && --h->refuse == 0)
		return VIOMMU_ENOMEM;
	h->log[h->count].map = true;
	h->log[h->count].first = iova;
	h->log[h->count].last = iova + f->length - 1;
	h->log[h->count].gpa = f->gpa;
	h->log[h->count++].perm = f->perm;
	for (uint64_t page = iova / PAGE; page < 64 && page <= (iova + f->length - 1) / PAGE;
	     page++) {
		/* what is mapped was unmapped before */
		check_eq("not mapped yet", h->mapped[page], 0);
		h->mapped[page] = (uint8_t)(f->perm & 3);
	}
	return VIOMMU_OK;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	struct heard *h = opaque;

	(void)device;
	h->modes++;
	h->mode = mode;
}

static void on_complete(void *opaque)
{
	((struct heard *)opaque)->completes++;
}

static struct viommu_listener *listen(unsigned pe)
{
	const struct viommu_listener_config config = { .size = sizeof(config),
						       .opaque = &heard,
						       .unmap = on_unmap,
						       .mode = on_mode,
						       .complete = on_complete,
						       .map = on_map };
	struct viommu_listener *l;

	memset(&heard, 0, sizeof(heard));
	check_eq("listen", viommu_listener_new(r->g.iommu, r->device[pe], &config, &l), VIOMMU_OK);
	heard.count = 0;
	return l;
}

/* What was told is what the tables have. */
static void check_heard(const char *row)
{
	for (uint64_t page = 0; page < 64; page++) {
		uint64_t entry = tr_entry(r, LIOBN, page * PAGE);

		check_eq(row, heard.mapped[page], entry & 3);
	}
}

static void test_listener(void **state)
{
	uint64_t list[4] = { RAM | RW, 0, (RAM + PAGE) | 1, (RAM + 2 * PAGE) | 2 };
	struct viommu_listener *l;

	(void)state;
	r = tr_open(NULL, PAGES);
	l = listen(TR_PLAIN);
	tr_list(r, RAM, list, 4);
	check_eq("mode", heard.mode, VIOMMU_MODE_TRANSLATE);
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("one map", heard.count, 1);
	check_that("map", heard.log[0].map && heard.log[0].first == 0x3000 &&
				  heard.log[0].last == 0x3fff && heard.log[0].gpa == RAM &&
				  (heard.log[0].perm & 3) == RW);
	check_that("complete", heard.completes > 0);
	check_eq("the same again", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("is not told", heard.count, 1);
	check_eq("another page", tr_put(r, LIOBN, 0x3000, (RAM + PAGE) | 1), 0);
	check_eq("unmap, then map", heard.count, 3);
	check_that("unmap", !heard.log[1].map && heard.log[1].first == 0x3000 &&
				    heard.log[1].last == 0x3fff);
	check_that("map", heard.log[2].map && heard.log[2].gpa == RAM + PAGE &&
				  (heard.log[2].perm & 3) == 1);
	heard.count = 0;
	check_eq("list over it", tr_indirect(r, LIOBN, 0x2000, RAM, 4), 0);
	check_heard("list");
	check_eq("poison", tr_put(r, LIOBN, 0x5000, 0x12345000), 0);
	check_heard("poison");
	heard.count = 0;
	check_eq("stuff", tr_stuff(r, LIOBN, 0, 0, 64), 0);
	check_heard("stuff");
	check_eq("runs of what was there", heard.count, 2);
	check_eq("another PE", tr_put(r, TR_LIOBN(TR_BRIDGE), 0x3000, RAM | RW), 0);
	check_eq("is not told", heard.count, 2);
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
	check_eq("reset", viommu_reset(r->g.iommu), VIOMMU_OK);
	check_heard("reset");
	viommu_listener_free(l);
	tr_close(r);
}

/* The nth mapping is refused, for every n: the call fails, and the table and what was told are as before. */
static void test_listener_refuses(void **state)
{
	uint64_t list[16];
	unsigned n = 1;
	int64_t status;

	(void)state;
	do {
		struct viommu_listener *l;
		uint64_t before[64];

		r = tr_open(NULL, PAGES);
		l = listen(TR_PLAIN);
		for (unsigned i = 0; i < 16; i++)
			list[i] = i % 5 == 3 ? 0x5000 : (RAM + (i + 3) * PAGE) | (1 + i % 3);
		tr_list(r, RAM, list, 16);
		for (unsigned i = 0; i < 20; i += 2)
			check_eq("put", tr_put(r, LIOBN, i * PAGE, (RAM + i * PAGE) | RW), 0);
		/* one that stays as it is never goes away */
		check_eq("put", tr_put(r, LIOBN, 4 * PAGE, list[2]), 0);
		for (unsigned i = 0; i < 64; i++)
			before[i] = tr_entry(r, LIOBN, i * PAGE);
		heard.refuse = n;
		status = tr_indirect(r, LIOBN, 2 * PAGE, RAM, 16);
		check_eq("complete", r->result, VIOMMU_OK);
		check_eq("status", status, heard.refuse ? 0 : -44);
		for (unsigned i = 0; i < 64; i++)
			check_eq("entry", tr_entry(r, LIOBN, i * PAGE),
				 status == 0 && i >= 2 && i < 18 ? list[i - 2] : before[i]);
		check_heard("refused");
		viommu_listener_free(l);
		tr_close(r);
		n++;
	} while (status != 0);
	check_that("each of them", n > 10);
	print_message("%u mappings refused\n", n - 2);
}

/* Refused, and a device uses what was there for a moment: the call waits for it, and then says that it failed. */
static void test_refused_in_steps(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .steps = 1 };
	const struct viommu_tce_config config = { .limits = &limits };
	uint64_t list[8];
	struct viommu_listener *l;
	unsigned runs = 0;

	(void)state;
	r = tr_open(&config, PAGES);
	l = listen(TR_PLAIN);
	for (unsigned i = 0; i < 8; i++)
		list[i] = (RAM + i * PAGE) | RW;
	tr_list(r, RAM, list, 8);
	heard.refuse = 6;
	check_eq("indirect", tr_indirect(r, LIOBN, 0, RAM, 8), 0);
	check_eq("indirect", r->result, VIOMMU_PENDING);
	while (!r->completions) {
		check_that("it ends", runs++ < 1000);
		viommu_run(r->g.iommu);
	}
	check_that("in steps", runs > 20);
	check_eq("status", r->status[0], -44);
	while (viommu_run(r->g.iommu) == VIOMMU_PENDING)
		;
	check_eq("nothing", tr_entry(r, LIOBN, 0), 0);
	check_heard("nothing");
	viommu_listener_free(l);
	tr_close(r);
}

/* ---- steps ---- */

static const uint32_t budgets[] = { 1, 2, 3, 7, 64, 511, 512, 513, 1600 };

/* Whatever the budget is, the outcome is the same, and one bad entry at the end spoils all of it. */
static void test_steps(void **state)
{
	uint64_t list[512];

	(void)state;
	for (unsigned b = 0; b < sizeof(budgets) / sizeof(budgets[0]); b++) {
		const struct viommu_limits limits = { .size = sizeof(limits),
						      .tlb_entries = 320,
						      .contexts = 64,
						      .domains = 64,
						      .steps = budgets[b] };
		const struct viommu_tce_config config = { .limits = &limits };

		r = tr_open(&config, PAGES);
		for (unsigned i = 0; i < 512; i++)
			list[i] = (RAM + i % PAGES * PAGE) | RW;
		list[511] = RW;
		tr_list(r, RAM, list, 512);
		tr_indirect(r, LIOBN, 0x3000, RAM, 512);
		check_eq("bad at the end", tr_told(r), true);
		if (r->result == VIOMMU_PENDING)
			check_eq("status", r->status[(r->completions - 1) % TR_LOG], -4);
		check_eq("nothing", tr_entry(r, LIOBN, 0x3000), 0);
		tr_told(r);
		list[511] = RAM | 1;
		tr_list(r, RAM, list, 512);
		/* the guest changes the list while it is under way: it has been read */
		tr_indirect(r, LIOBN, 0x3000, RAM, 512);
		memset(guest_at(&r->g, RAM), 0xff, PAGE);
		check_eq("good", tr_told(r), true);
		for (unsigned i = 0; i < 512; i++) {
			check_eq("entry", tr_entry(r, LIOBN, 0x3000 + i * PAGE), list[i]);
			tr_told(r);
		}
		tr_stuff(r, LIOBN, 0x3000, 0, 512);
		check_eq("stuff", tr_told(r), true);
		check_eq("nothing", tr_entry(r, LIOBN, 0x3000 + 511 * PAGE), 0);
		tr_close(r);
	}
}

/* VIOMMU_TCE_STUFF_UNLIMITED: a window of 2^37 entries is cleared in as many steps as it has pages, not entries. */
static void test_clears_empty_window(void **state)
{
	const struct viommu_tce_config config = { .flags = VIOMMU_TCE_STUFF_UNLIMITED };
	const uint64_t entries = UINT64_C(1) << 37, places[] = { 0, 511, 1 << 20, entries - 1 };
	unsigned runs = 0;
	uint64_t at;
	uint32_t liobn;

	(void)state;
	r = tr_open(&config, PAGES);
	check_eq("create", tr_create(r, TR_BRIDGE, 12, 49), 0);
	liobn = r->ret[1];
	at = tr_address(r);
	for (unsigned i = 0; i < 4; i++)
		check_eq("put", tr_put(r, liobn, at + places[i] * PAGE, RAM | RW), 0);
	/* all but the first, and the last */
	tr_stuff(r, liobn, at + PAGE, 0, entries - 2);
	while (r->result == VIOMMU_PENDING && viommu_run(r->g.iommu) == VIOMMU_PENDING && runs < 50)
		runs++;
	check_that("few steps", runs < 50);
	check_eq("first", tr_entry(r, liobn, at), RAM | RW);
	check_eq("second", tr_entry(r, liobn, at + places[1] * PAGE), 0);
	check_eq("third", tr_entry(r, liobn, at + places[2] * PAGE), 0);
	check_eq("last", tr_entry(r, liobn, at + places[3] * PAGE), RAM | RW);
	tr_close(r);
}

/* A page of 16 MiB over many regions of the VM: whoever checks it pays for each. */
static void test_regions_are_paid_for(void **state)
{
	enum { REGIONS = 64, ENTRIES = 32 };
	const uint64_t far = UINT64_C(1) << 40, bytes = (UINT64_C(1) << 24) / REGIONS;
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .steps = 256 };
	const struct viommu_tce_config config = { .limits = &limits };
	unsigned char *memory = aligned_alloc(4096, bytes);
	uint64_t list[ENTRIES];
	uint32_t liobn;

	(void)state;
	assert_non_null(memory);
	r = tr_open(&config, PAGES);
	for (unsigned i = 0; i < REGIONS; i++) {
		const struct viommu_region region = { .size = sizeof(region),
						      .gpa = far + i * bytes,
						      .bytes = bytes,
						      .host = memory };

		check_eq("region", viommu_vm_add_region(r->g.vm, &region), VIOMMU_OK);
	}
	check_eq("create", tr_create(r, TR_BRIDGE, 24, 30), 0);
	liobn = r->ret[1];
	for (unsigned i = 0; i < ENTRIES; i++)
		list[i] = far | RW;
	tr_list(r, RAM, list, ENTRIES);
	tr_indirect(r, liobn, tr_address(r), RAM, ENTRIES);
	check_eq("not in one call", r->result, VIOMMU_PENDING);
	check_eq("told", tr_told(r), true);
	check_eq("the last", tr_entry(r, liobn, tr_address(r) + ((ENTRIES - 1) << 24)), far | RW);
	tr_told(r);
	tr_close(r);
	free(memory);
}

/* A device that the job is at is freed, and one comes, between any two steps. */
static void test_devices_come_and_go(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .steps = 1 };
	const struct viommu_tce_config config = { .limits = &limits, .function_bits = 8 };

	(void)state;
	for (unsigned step = 0; step < 40; step++) {
		struct viommu_device *extra[3];

		r = tr_open(&config, PAGES);
		for (unsigned i = 0; i < 3; i++)
			extra[i] = guest_device(&r->g, TR_PLAIN << 8 | (i + 1));
		tr_stuff(r, LIOBN, 0, RAM | RW, 4);
		check_eq("told", tr_told(r), true);
		tr_stuff(r, LIOBN, 0, 0, 4);
		for (unsigned i = 0; i < step; i++)
			viommu_run(r->g.iommu);
		guest_drop_one(&r->g, extra[step % 3], NULL);
		extra[0] = guest_device(&r->g, TR_PLAIN << 8 | 9);
		check_eq("told", tr_told(r), true);
		check_eq("nothing", guest_dma(extra[0], 0x1000, 1).result, VIOMMU_FAULT);
		tr_close(r);
	}
}

/* ---- devices that go while they are told, and that get other ids ---- */

enum { MEMBERS = 3, PIECE = 8 };

/* Devices of one PE, and pages that they were told of as mapped. */
static struct {
	struct viommu_device *device[MEMBERS];
	uint8_t mapped[MEMBERS][64];
	uint32_t mode[MEMBERS];
	unsigned refuse; /* the nth mapping from now on; 0: none */
	bool moves;	 /* the next unmap gives the first one another id: */
	uint32_t id;
} members;

static unsigned member(const struct viommu_device *device)
{
	unsigned i = 0;

	while (i < MEMBERS && members.device[i] != device)
		i++;
	return i;
}

static void member_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
			 uint64_t last)
{
	unsigned m = member(device);

	(void)opaque;
	(void)pasid;
	if (m == MEMBERS)
		return;
	for (uint64_t page = first / PAGE; page < 64 && page <= last / PAGE; page++)
		members.mapped[m][page] = 0;
	if (m == 0 && members.moves) {
		members.moves = false;
		check_eq("another id", viommu_device_set_id(device, members.id), VIOMMU_OK);
	}
}

static int member_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		      const struct viommu_fragment *f)
{
	unsigned m = member(device);

	(void)opaque;
	(void)pasid;
	if (m == MEMBERS)
		return VIOMMU_OK;
	if (members.refuse && --members.refuse == 0)
		return VIOMMU_ENOMEM;
	check_eq("not mapped yet", members.mapped[m][iova / PAGE], 0);
	members.mapped[m][iova / PAGE] = (uint8_t)(f->perm & 3);
	return VIOMMU_OK;
}

static void member_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	unsigned m = member(device);

	(void)opaque;
	if (m < MEMBERS)
		members.mode[m] = mode;
}

static void check_member(const char *row, unsigned m)
{
	for (uint64_t page = 0; page < 2 * PIECE; page++)
		check_eq(row, members.mapped[m][page], tr_entry(r, LIOBN, page * PAGE) & 3);
}

static struct viommu_listener *open_members(uint32_t steps)
{
	static struct viommu_limits limits;
	static const struct viommu_listener_config listener = { .size = sizeof(listener),
								.unmap = member_unmap,
								.mode = member_mode,
								.map = member_map };
	const struct viommu_tce_config config = { .limits = &limits, .function_bits = 8 };
	uint64_t list[PIECE];
	struct viommu_listener *l;

	limits = (struct viommu_limits){ .size = sizeof(limits),
					 .tlb_entries = 320,
					 .contexts = 64,
					 .domains = 64,
					 .steps = steps };
	r = tr_open(&config, PAGES);
	memset(&members, 0, sizeof(members));
	for (unsigned i = 0; i < MEMBERS; i++)
		members.device[i] = guest_device(&r->g, TR_PLAIN << 8 | (i + 1));
	check_eq("listen", viommu_listener_new(r->g.iommu, NULL, &listener, &l), VIOMMU_OK);
	tr_told(r);
	for (unsigned i = 0; i < PIECE; i++)
		list[i] = i % 2 ? 0 : (RAM + i * PAGE) | RW;
	tr_list(r, RAM, list, PIECE);
	tr_indirect(r, LIOBN, 0, RAM, PIECE);
	check_eq("told", tr_told(r), true);
	for (unsigned i = 0; i < MEMBERS; i++)
		check_member("before", i);
	return l;
}

/* What a job is at, when a device goes. */
static void tell_gone(void)
{
	tr_stuff(r, LIOBN, 0, 0, PIECE);
}

static void tell_changed(void)
{
	tr_stuff(r, LIOBN, 0, (RAM + PIECE * PAGE) | 1, PIECE);
}

/* The last device refuses: two know of it already. */
static void tell_undone(void)
{
	members.refuse = MEMBERS * PIECE - 1;
	tell_changed();
}

static void tell_devices(void)
{
	static unsigned char saved[65536];
	uint64_t bytes = sizeof(saved);
	int result;

	check_eq("save", viommu_save(r->g.iommu, saved, &bytes), VIOMMU_OK);
	result = viommu_restore(r->g.iommu, saved, bytes);
	check_that("restore", result == VIOMMU_OK || result == VIOMMU_PENDING);
	r->result = VIOMMU_OK;
}

static const struct {
	const char *name;
	void (*begin)(void);
} tellings[] = {
	{ "what has gone", tell_gone },
	{ "what has come", tell_changed },
	{ "undone", tell_undone },
	{ "all of a device", tell_devices },
};

/* One device goes after so many runs. True: the job was still under way. */
static bool lose_member(unsigned telling, unsigned victim, unsigned runs)
{
	const char *name = tellings[telling].name;
	struct viommu_listener *l = open_members(1);
	struct viommu_device *device = members.device[victim];
	bool going = true;

	tellings[telling].begin();
	while (runs-- && going)
		going = viommu_run(r->g.iommu) == VIOMMU_PENDING;
	members.device[victim] = NULL;
	guest_drop_one(&r->g, device, NULL);
	check_eq(name, tr_told(r), true);
	for (unsigned i = 0; i < MEMBERS; i++) {
		if (i == victim)
			continue;
		check_member(name, i);
		check_eq(name, members.mode[i], VIOMMU_MODE_TRANSLATE);
	}
	viommu_listener_free(l);
	tr_close(r);
	return going;
}

/* The device that the job is at is freed between any two steps: those after it are told of everything nevertheless. */
static void test_told_device_goes(void **state)
{
	(void)state;
	for (unsigned t = 0; t < sizeof(tellings) / sizeof(tellings[0]); t++) {
		for (unsigned victim = 0; victim < MEMBERS; victim++) {
			unsigned runs = 0;

			while (lose_member(t, victim, runs))
				runs++;
			check_that(tellings[t].name, runs > MEMBERS * PIECE / 2);
		}
	}
}

/* While it is told that everything may have changed, a device comes to a PE, or leaves it. */
static void test_id_changes_in_callback(void **state)
{
	static const struct {
		const char *name;
		uint32_t from, to, mode;
	} rows[] = {
		{ "it comes", TR_PES << 8, TR_PLAIN << 8 | 9, VIOMMU_MODE_TRANSLATE },
		{ "it leaves", TR_PLAIN << 8 | 1, TR_PES << 8, VIOMMU_MODE_BLOCK },
		{ "it has none", TR_PLAIN << 8 | 1, VIOMMU_NO_ID, VIOMMU_MODE_BLOCK },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct viommu_listener *l = open_members(0);

		check_eq(rows[i].name, viommu_device_set_id(members.device[0], rows[i].from),
			 VIOMMU_OK);
		tr_told(r);
		tell_changed();
		tr_told(r);
		members.moves = true;
		members.id = rows[i].to;
		tell_devices();
		check_eq(rows[i].name, members.moves, false);
		check_eq(rows[i].name, tr_told(r), true);
		check_eq(rows[i].name, members.mode[0], rows[i].mode);
		check_member(rows[i].name, 1);
		viommu_listener_free(l);
		tr_close(r);
	}
}

/* A call that waits for a device before it can take away the rest: there is no state of it, and whoever would be told of
 * mappings comes later. */
static void test_half_done(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .outstanding = 2 };
	const struct viommu_tce_config config = { .limits = &limits };
	const struct viommu_listener_config listener = {
		.size = sizeof(listener), .opaque = &heard, .unmap = on_unmap, .map = on_map
	};
	static unsigned char saved[65536];
	uint64_t bytes = 0;
	struct viommu_listener *l;

	(void)state;
	r = tr_open(&config, PAGES);
	for (unsigned i = 0; i < 4; i++)
		check_eq("put", tr_put(r, LIOBN, 2 * i * PAGE, RAM | RW), 0);
	r->g.invalidate_result = VIOMMU_PENDING;
	r->g.count[GUEST_ON_INVALIDATE] = 0;
	check_eq("stuff", tr_stuff(r, LIOBN, 0, 0, 8), 0);
	check_eq("stuff", r->result, VIOMMU_PENDING);
	check_eq("size", viommu_save(r->g.iommu, NULL, &bytes), VIOMMU_EBUSY);
	bytes = sizeof(saved);
	check_eq("save", viommu_save(r->g.iommu, saved, &bytes), VIOMMU_EBUSY);
	check_eq("listen", viommu_listener_new(r->g.iommu, NULL, &listener, &l), VIOMMU_EBUSY);
	for (unsigned i = 0; i < 4; i++) {
		check_eq("answer",
			 viommu_invalidation_done(r->device[TR_PLAIN],
						  r->g.invalidation[i].what.token, VIOMMU_OK),
			 VIOMMU_OK);
		viommu_run(r->g.iommu);
	}
	check_eq("told", tr_told(r), true);
	bytes = sizeof(saved);
	check_eq("save", viommu_save(r->g.iommu, saved, &bytes), VIOMMU_OK);
	check_eq("listen", viommu_listener_new(r->g.iommu, NULL, &listener, &l), VIOMMU_OK);
	viommu_listener_free(l);
	tr_close(r);
}

/* One that comes while another is told in steps does not wait for the end of that. */
static void test_listener_comes_in_steps(void **state)
{
	struct viommu_listener *first = open_members(1), *l;
	const struct viommu_listener_config listener = { .size = sizeof(listener),
							 .opaque = &heard,
							 .map = on_map };
	unsigned refused = 0;

	(void)state;
	tell_changed();
	check_eq("under way", r->result, VIOMMU_PENDING);
	while (viommu_listener_new(r->g.iommu, r->device[TR_BRIDGE], &listener, &l) == VIOMMU_EBUSY)
		refused++;
	/* each of them is a step */
	check_that("refused", refused > MEMBERS * PIECE / 2 && refused < 1000);
	check_eq("told", tr_told(r), true);
	check_member("all of it", 0);
	viommu_listener_free(l);
	viommu_listener_free(first);
	tr_close(r);
}

/* ---- many sections ---- */

enum { CROWD = 400 };

/* A call looks at as many sections as it has steps for, and no more. What is left over is looked at by viommu_run(). */
static void test_many_sections(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .channels = CROWD + 64,
					      .steps = 16 };
	const struct viommu_tce_config config = { .limits = &limits };
	static struct viommu_channel *crowd[CROWD];

	(void)state;
	for (unsigned own = 0; own < 2; own++) {
		unsigned runs = 0;

		r = tr_open(&config, PAGES);
		tr_put(r, LIOBN, 0x3000, RAM | RW);
		tr_put(r, TR_LIOBN(TR_BRIDGE), 0x3000, RAM | RW);
		check_eq("told", tr_told(r), true);
		for (unsigned i = 0; i < CROWD; i++) {
			check_eq("channel",
				 viommu_channel_new(r->device[TR_BRIDGE], VIOMMU_NO_PASID,
						    &crowd[i]),
				 VIOMMU_OK);
			check_eq("enter", viommu_enter(crowd[i]), VIOMMU_OK);
			guest_channel_dma(crowd[i], VIOMMU_NO_PASID, 0x3000, 1);
		}
		if (own)
			use(TR_PLAIN, 0x3000);
		check_eq("put", tr_put(r, LIOBN, 0x3000, 0), 0);
		check_eq("not all are looked at", r->result, VIOMMU_PENDING);
		check_that("it says so", r->g.count[GUEST_ON_WORK] > 0);
		while (!r->completions && runs < 100) {
			viommu_run(r->g.iommu);
			runs++;
		}
		check_that("in pieces", runs > 2);
		check_eq("its own device's holds it back", r->completions, !own);
		if (own)
			let_go(TR_PLAIN);
		for (runs = 0; !r->completions && runs < 100; runs++)
			viommu_run(r->g.iommu);
		check_eq("complete, with strangers' open", r->completions, 1);
		for (unsigned i = 0; i < CROWD; i++) {
			viommu_leave(crowd[i]);
			viommu_channel_free(crowd[i]);
		}
		check_eq("nothing is left", viommu_run(r->g.iommu), VIOMMU_OK);
		tr_close(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_section_holds_back),
		cmocka_unit_test(test_strangers_do_not),
		cmocka_unit_test(test_moved_device),
		cmocka_unit_test(test_nothing_taken),
		cmocka_unit_test(test_windows_hold_back),
		cmocka_unit_test(test_reset_holds_back),
		cmocka_unit_test(test_devices_hold_back),
		cmocka_unit_test(test_outstanding_limit),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_listener_refuses),
		cmocka_unit_test(test_refused_in_steps),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_regions_are_paid_for),
		cmocka_unit_test(test_clears_empty_window),
		cmocka_unit_test(test_devices_come_and_go),
		cmocka_unit_test(test_told_device_goes),
		cmocka_unit_test(test_id_changes_in_callback),
		cmocka_unit_test(test_half_done),
		cmocka_unit_test(test_listener_comes_in_steps),
		cmocka_unit_test(test_many_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
