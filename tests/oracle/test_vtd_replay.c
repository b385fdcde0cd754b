/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_replay.c - viommu_replay() against the oracle, page by page, on random tables (some refer
 * to themselves): every mapping once, in order, merged, with any budget, bounded by it, and without
 * a trace.
 */
#include "run.h"
#include "vtd_rig.h"

#include <inttypes.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Guest accesses of one call: structures, and each step of the budget, which may be a first-stage
 * entry behind five of the second; a call that has no budget to move at all takes some more. */
enum { STRUCTURES = 16, PER_STEP = 6, FREE_STEPS = 12 };

enum { IMAGES = 3000, REPLAYS = 12, MAX_PAGES = 1024, MAX_CALLS = 20000, MAX_FAILURES = 8 };

/* What one page is mapped to; perm 0: not at all. */
struct page {
	uint64_t gpa;
	uint32_t perm;
};

struct world {
	struct vt_rng rng;
	uint64_t image_seed;
	struct vt_image *image;
	struct vt_memory oracle_mem;
	struct rig rig;
	uint64_t first, last; /* of this replay: whole pages */
	struct page seen[MAX_PAGES];
	uint64_t end;		       /* where the last fragment ended */
	struct viommu_fragment before; /* the last fragment */
	unsigned stop_after;	       /* 0: never */
	const char *wrong;
	unsigned failures;
	uint64_t replays, pages, mapped, calls;
};

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)(vt_random(&w->rng) >> 33) % n;
}

/* --- What the oracle says of a page --- */

static bool ask(struct world *w, struct vo_request *req, bool write, struct vo_answer *answer)
{
	struct vo_memory mem = VT_MEMORY(&w->oracle_mem);

	req->read = !write;
	req->write = write;
	if (vo_is_interrupt_request(req))
		return false;
	vo_translate(&mem, &w->image->unit, req, answer);
	return answer->ok;
}

/* A fault of an update says nothing about the mapping: replay leaves no trace. */
static bool is_update_fault(unsigned reason)
{
	return reason == VO_FR_FS_TABLE_WRITE || reason == VO_FR_FS_NO_SNOOP ||
	       reason == VO_FR_FS_UPDATE || reason == VO_FR_SM_SS_NO_SNOOP ||
	       reason == VO_FR_SM_SS_UPDATE;
}

/* False: the oracle cannot tell. */
static bool expected_page(struct world *w, struct vo_request *req, uint64_t iova, struct page *page)
{
	struct vo_answer answer = { .ok = false };

	*page = (struct page){ .gpa = 0 };
	req->iova = iova;
	if (!ask(w, req, false, &answer) && !is_update_fault(answer.reason))
		ask(w, req, true, &answer);
	if (answer.ok) {
		page->gpa = answer.gpa;
		page->perm = (answer.r ? VIOMMU_READ : 0) | (answer.w ? VIOMMU_WRITE : 0) |
			     (answer.x ? VIOMMU_EXEC : 0);
	}
	return !is_update_fault(answer.reason);
}

/* --- What the replay says --- */

static bool continues(const struct viommu_fragment *f, const struct viommu_fragment *next)
{
	return f->length && f->gpa + f->length == next->gpa && f->perm == next->perm &&
	       f->flags == next->flags && !f->host && !next->host;
}

static int mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct world *w = opaque;

	if (iova < w->first || !f->length || f->length - 1 > w->last - iova)
		w->wrong = "range of a fragment";
	else if (iova < w->end)
		w->wrong = "order of fragments";
	else if ((iova | f->length | f->gpa) & 0xfff)
		w->wrong = "alignment of a fragment";
	else if (!f->perm)
		w->wrong = "fragment without permission";
	else if (iova == w->end && continues(&w->before, f) && !w->stop_after)
		w->wrong = "fragments not merged";
	if (w->wrong)
		return 1;
	for (uint64_t i = 0; i < f->length; i += 4096)
		w->seen[(iova + i - w->first) / 4096] = (struct page){ f->gpa + i, f->perm };
	w->end = iova + f->length;
	w->before = *f;
	return 0;
}

static int run_replay(struct world *w, const struct vo_request *req, uint32_t budget)
{
	struct viommu_device *device = rig_device(&w->rig, req->rid);
	uint32_t pasid = req->has_pasid ? req->pasid : VIOMMU_NO_PASID;
	uint64_t next = w->first;
	int result = VIOMMU_MORE;

	memset(w->seen, 0, sizeof(w->seen));
	w->end = w->first;
	w->before = (struct viommu_fragment){ .length = 0 };
	w->wrong = NULL;
	for (unsigned calls = 0; result == VIOMMU_MORE && !w->wrong; calls++) {
		uint64_t from = next;

		w->calls++;
		w->rig.mem.reads = 0;
		w->before.length = 0; /* calls do not merge with one another */
		result = viommu_replay(device, pasid, &next, w->last, budget, mapped, w);
		if (budget && w->rig.mem.reads > STRUCTURES + PER_STEP * (budget + FREE_STEPS))
			w->wrong = "bounded work";
		if (result == VIOMMU_MORE && (next < from || next > w->last))
			w->wrong = "where to resume";
		if (calls > MAX_CALLS)
			w->wrong = "progress";
	}
	return result;
}

/* --- Together --- */

static void report(struct world *w, const struct vo_request *req, const char *what, uint64_t iova,
		   const struct page *oracle, const struct page *engine)
{
	const struct vo_unit *u = &w->image->unit;

	w->failures++;
	print_message("--- replay: %s; image seed 0x%" PRIx64 " rid %04x pasid %s%x [%" PRIx64
		      ", %" PRIx64 "]\n",
		      what, w->image_seed, req->rid, req->has_pasid ? "" : "none ", req->pasid,
		      w->first, w->last);
	print_message("unit: cap %016" PRIx64 " ecap %016" PRIx64 " rtaddr %" PRIx64
		      " te %d haw %u version %u pmr %d\n",
		      u->cap, u->ecap, u->rtaddr, u->te, u->haw, u->version_major, u->pmr_enabled);
	if (oracle)
		print_message("page %" PRIx64 ": oracle %" PRIx64 " perm %x, engine %" PRIx64
			      " perm %x\n",
			      iova, oracle->gpa, oracle->perm, engine->gpa, engine->perm);
}

static bool same_page(struct world *w, struct vo_request *req, uint64_t iova,
		      const struct page *engine, struct page *oracle)
{
	return !expected_page(w, req, iova, oracle) ||
	       (oracle->perm == engine->perm && (!oracle->perm || oracle->gpa == engine->gpa));
}

static void compare(struct world *w, struct vo_request *req)
{
	for (uint64_t iova = w->first;; iova += 4096) {
		const struct page *engine = &w->seen[(iova - w->first) / 4096];
		struct page oracle;

		w->pages++;
		if (!same_page(w, req, iova, engine, &oracle)) {
			vt_restore(&w->oracle_mem, w->image); /* not an effect of other pages? */
			if (!same_page(w, req, iova, engine, &oracle)) {
				report(w, req, "page", iova, &oracle, engine);
				return;
			}
		}
		w->mapped += oracle.perm != 0;
		if (w->last - iova < 4096)
			return;
	}
}

static void pick_range(struct world *w, const struct vo_request *req)
{
	uint64_t pages = 1 + pick(w, pick(w, 4) ? 40 : MAX_PAGES);
	uint64_t back = 4096 * pick(w, 16);

	w->first = req->iova & ~UINT64_C(0xfff);
	w->first = w->first > back ? w->first - back : 0;
	w->last = w->first + 4096 * pages - 1;
	if (w->last < w->first)
		w->last = UINT64_MAX;
}

static void one_replay(struct world *w)
{
	static const uint32_t budgets[] = { 0, 1, 2, 3, 7, 20, 100 };
	struct rig_record record;
	struct vo_request req;
	int result;

	vt_request(w->image, &w->rng, &req);
	req.at = VO_AT_UNTRANSLATED;
	req.exec = req.priv = false;
	pick_range(w, &req);
	vt_restore(&w->oracle_mem, w->image);
	vt_restore(&w->rig.mem, w->image);
	result = run_replay(w, &req, budgets[pick(w, 7)]);
	rig_read_record(&w->rig, &record);
	w->replays++;
	if (w->wrong)
		report(w, &req, w->wrong, 0, NULL, NULL);
	else if (result != VIOMMU_OK && result != VIOMMU_FAULT)
		report(w, &req, "result", 0, NULL, NULL);
	else if (record.present || !vt_equal(&w->oracle_mem, &w->rig.mem, w->image))
		report(w, &req, "trace", 0, NULL, NULL);
	else
		compare(w, &req);
}

static void random_replays(void **state)
{
	struct world w = { .image = vt_image_new(VT_WORDS) };
	struct vt_rng seeds = { run_seed(1) };
	uint64_t images = run_scaled(IMAGES);

	assert_non_null(w.image);
	assert_true(vt_memory_init(&w.oracle_mem, VT_WORDS));
	assert_true(rig_init(&w.rig, VT_WORDS));
	for (uint64_t i = 0; i < images && w.failures < MAX_FAILURES; i++) {
		w.image_seed = vt_random(&seeds);
		w.rng = (struct vt_rng){ w.image_seed };
		vt_build(w.image, &vt_params_default, &w.rng);
		vt_load(&w.oracle_mem, w.image);
		assert_true(rig_open(&w.rig, w.image, true));
		for (unsigned k = 0; k < REPLAYS && w.failures < MAX_FAILURES; k++)
			one_replay(&w);
		rig_close(&w.rig, w.image);
		vt_unload(&w.oracle_mem, w.image);
	}
	print_message("%" PRIu64 " replays in %" PRIu64 " calls, %" PRIu64 " pages, %" PRIu64
		      " of them mapped\n",
		      w.replays, w.calls, w.pages, w.mapped);
	rig_fini(&w.rig);
	vt_memory_fini(&w.oracle_mem);
	vt_image_free(w.image);
	assert_int_equal(w.failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_replays),
	};

	return cmocka_run_group_tests_name("vtd/replay", tests, NULL, NULL);
}
