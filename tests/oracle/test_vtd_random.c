/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_random.c - the engine against the oracle on random tables: cold, warm, and by range.
 *
 * Compared: result, address, permission, fault reason, fault record, ATS status, host pointer, and
 * every word of the tables afterwards (accessed and dirty).
 */
#include "run.h"
#include "vtd_rig.h"

#include <inttypes.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum {
	IMAGES = 50000,
	COVERING = 20000, /* so many meet every reason */
	REQUESTS = 48,
	WARM_STEPS = 64,
	RANGES = 6,
	MAX_FAILURES = 1000,
	KINDS = 16
};

/* Failures of one kind are shown once. */
struct kind {
	const char *phase, *what;
	unsigned oracle, engine, at;
	uint64_t count;
};

struct world {
	struct vt_rng rng;
	uint64_t image_seed;
	struct vt_image *image;
	struct vt_memory oracle_mem;
	struct rig rig;
	struct vo_request request[REQUESTS];
	uint64_t cold, warm, pages, aliased, explained, images;
	unsigned failures;
	uint64_t seen[256]; /* reasons that the oracle gave, cold */
	struct kind kind[KINDS];
	unsigned nkinds;
};

static unsigned pick(struct world *w, unsigned n)
{
	return (unsigned)(vt_random(&w->rng) >> 33) % n;
}

/* True: not seen before. */
static bool new_kind(struct world *w, const struct kind *kind)
{
	for (unsigned i = 0; i < w->nkinds; i++) {
		struct kind *k = &w->kind[i];

		if (!strcmp(k->phase, kind->phase) && !strcmp(k->what, kind->what) &&
		    k->oracle == kind->oracle && k->engine == kind->engine && k->at == kind->at) {
			k->count++;
			return false;
		}
	}
	if (w->nkinds == KINDS)
		return false;
	w->kind[w->nkinds++] = *kind;
	return true;
}

static void print_memory(const struct world *w)
{
	for (unsigned i = 0; i < w->image->nslots; i++) {
		uint32_t s = w->image->slot[i];

		if (w->oracle_mem.words[s] != w->rig.mem.words[s])
			print_message("word at %x: before %" PRIx64 " oracle %" PRIx64
				      " engine %" PRIx64 "\n",
				      8 * s, w->image->mem.words[s], w->oracle_mem.words[s],
				      w->rig.mem.words[s]);
	}
}

static void report(struct world *w, const char *phase, const char *what,
		   const struct vo_request *req, const struct vo_answer *oracle,
		   const struct rig_answer *engine)
{
	struct kind kind = { phase, what, oracle->reason, engine->answer.reason, req->at, 1 };

	w->failures++;
	if (!new_kind(w, &kind))
		return;
	print_message("--- %s: %s differs; image seed 0x%" PRIx64 "\n", phase, what, w->image_seed);
	rig_print(&w->rig, req, oracle, engine);
	print_memory(w);
}

static void report_kinds(const struct world *w)
{
	for (unsigned i = 0; i < w->nkinds; i++) {
		const struct kind *k = &w->kind[i];

		print_message("%" PRIu64 " times %s: %s; oracle %02x engine %02x at %u\n", k->count,
			      k->phase, k->what, k->oracle, k->engine, k->at);
	}
}

static const char *memory_differs(const struct world *w)
{
	return vt_equal(&w->oracle_mem, &w->rig.mem, w->image) ? NULL : "memory";
}

static void restore(struct world *w, enum rig_flush how)
{
	vt_restore(&w->oracle_mem, w->image);
	vt_restore(&w->rig.mem, w->image);
	rig_flush(&w->rig, how);
}

static void ask_oracle(struct world *w, const struct vo_request *req, struct vo_answer *answer)
{
	struct vo_memory mem = VT_MEMORY(&w->oracle_mem);

	vo_translate(&mem, &w->image->unit, req, answer);
}

/* --- Cold: every request meets empty caches and tables as they were built --- */

static void cold(struct world *w, const struct vo_request *req)
{
	struct vo_answer oracle;
	struct rig_answer engine;
	const char *what;

	restore(w, (enum rig_flush)pick(w, RIG_FLUSHES));
	ask_oracle(w, req, &oracle);
	w->seen[oracle.reason]++;
	rig_request(&w->rig, req, (enum rig_way)pick(w, RIG_WAYS), &engine);
	what = rig_differs(&w->rig, req, &oracle, &engine, false);
	if (!what)
		what = memory_differs(w);
	if (what)
		report(w, "cold", what, req, &oracle, &engine);
	w->cold++;
}

/* viommu_explain() leaves no trace, so it cannot see that a trace could not be left. */
static bool fails_on_update(unsigned reason)
{
	return reason == VO_FR_FS_TABLE_WRITE || reason == VO_FR_FS_NO_SNOOP ||
	       reason == VO_FR_FS_UPDATE || reason == VO_FR_SM_SS_NO_SNOOP ||
	       reason == VO_FR_SM_SS_UPDATE;
}

static void explain(struct world *w, const struct vo_request *req)
{
	struct vo_answer oracle = { .ok = false };
	struct rig_answer engine = { .result = 0 };

	restore(w, RIG_SRTP);
	engine.result = rig_explain(&w->rig, req);
	rig_read_record(&w->rig, &engine.record);
	if (engine.record.present || memory_differs(w))
		report(w, "explain", "trace", req, &oracle, &engine);
	ask_oracle(w, req, &oracle);
	if (!fails_on_update(oracle.reason) && engine.result != !oracle.ok)
		report(w, "explain", "result", req, &oracle, &engine);
	w->explained++;
}

/* --- Warm: caches fill while other requests come between --- */

/* Accessed bits may have changed a root, context or PASID entry, if tables overlap in the image;
 * what is cached of those may be stale until the guest invalidates. */
static bool structures_changed(const struct world *w)
{
	for (unsigned i = 0; i < w->image->nslots; i++) {
		uint32_t s = w->image->slot[i];

		if (w->image->slot_kind[i] <= VT_PASID &&
		    w->oracle_mem.words[s] != w->image->mem.words[s])
			return true;
	}
	return false;
}

/* The same where the image knows such an entry as something else: the request is refused in them
 * now, and was not when the image was built. The image is given up. */
static bool refused_since(struct world *w, const struct vo_request *req,
			  const struct vo_answer *now)
{
	/* only scalable mode records anything in tables */
	bool in_contexts = now->reason >= VO_FR_SM_ROOT_ACCESS && now->reason <= VO_FR_PASID_SRE;
	struct vo_answer before;

	if (now->ok || !in_contexts)
		return false;
	vt_restore(&w->oracle_mem, w->image);
	ask_oracle(w, req, &before);
	return before.ok || before.reason != now->reason;
}

/* Inputs that a cache key could lose (obligation 10). */
static void change_requester(struct world *w, struct vo_request *req)
{
	switch (pick(w, 3)) {
	case 0:
		req->pasid ^= req->has_pasid ? 1u << pick(w, 20) : 0;
		break;
	case 1:
		req->has_pasid = !req->has_pasid;
		req->pasid = req->has_pasid ? pick(w, 130) : 0;
		break;
	default:
		req->iova ^= UINT64_C(1) << (12 + pick(w, 52));
	}
}

/* One of the requests, or the same page with another access. */
static void warm_request(struct world *w, struct vo_request *req)
{
	*req = w->request[pick(w, pick(w, 2) ? 6 : REQUESTS)];
	if (pick(w, 4) == 0)
		req->iova ^= pick(w, 4096);
	if (pick(w, 4) == 0) /* cold, but its tables are not: another page of the same 2 MiB */
		req->iova ^= (uint64_t)pick(w, pick(w, 2) ? 4 : 512) << 12;
	if (pick(w, 3) == 0) {
		req->read = pick(w, 2);
		req->write = !req->read || pick(w, 2);
		req->exec = false;
	}
	if (pick(w, 8) == 0)
		req->at = VO_AT_UNTRANSLATED;
	if (pick(w, 8) == 0)
		change_requester(w, req);
	if (pick(w, 8) == 0)
		req->priv = !req->priv;
	req->priv = req->priv && req->has_pasid;
	req->exec = req->exec && req->has_pasid;
	if (vo_is_interrupt_request(req)) {
		req->write = false;
		req->read = true;
	}
}

/* False: give up on this image. */
static bool warm(struct world *w)
{
	struct vo_request req;
	struct vo_answer oracle;
	struct rig_answer engine;
	const char *what;

	warm_request(w, &req);
	ask_oracle(w, &req, &oracle);
	rig_request(&w->rig, &req, (enum rig_way)pick(w, RIG_WAYS), &engine);
	w->warm++;
	what = rig_differs(&w->rig, &req, &oracle, &engine, true);
	if (!what && vt_equal(&w->oracle_mem, &w->rig.mem, w->image))
		return true;
	if (structures_changed(w) || refused_since(w, &req, &oracle)) {
		w->aliased++;
		return false;
	}
	report(w, "warm", what ? what : memory_differs(w), &req, &oracle, &engine);
	return false;
}

/* --- Ranges: page by page the oracle's answers --- */

enum { RANGE_FRAGMENTS = 3 };

struct range {
	struct vo_request req; /* at the page that comes next */
	uint64_t last;
	uint64_t calls;
};

/* The oracle on the page at req.iova; a page ends at the range's end too. */
static uint64_t page_end(const struct range *r)
{
	uint64_t end = r->req.iova | 0xfff;

	return end < r->last ? end : r->last;
}

static bool piece_agrees(struct world *w, struct range *r, const struct viommu_fragment *f)
{
	for (uint64_t done = 0; done < f->length;) {
		struct vo_answer oracle;
		uint32_t perm;
		uint64_t bytes = page_end(r) - r->req.iova + 1;

		ask_oracle(w, &r->req, &oracle);
		perm = (oracle.r ? VIOMMU_READ : 0) | (oracle.w ? VIOMMU_WRITE : 0) |
		       (oracle.x ? VIOMMU_EXEC : 0);
		if (rig_is_rom(&w->rig, &oracle, f))
			perm &= ~VIOMMU_WRITE;
		if (!oracle.ok || f->perm != perm || (perm && f->gpa + done != oracle.gpa) ||
		    f->length - done < bytes) {
			struct rig_answer engine = { .fragment = *f };

			if (structures_changed(
				    w)) /* the engine has read them once, the oracle now */
				w->aliased++;
			else
				report(w, "range", "fragment", &r->req, &oracle, &engine);
			return false;
		}
		done += bytes;
		r->req.iova += bytes;
		w->pages++;
	}
	return true;
}

/* Where the engine stopped, the oracle must refuse too, with the same reason and record. */
static bool stop_agrees(struct world *w, struct range *r, int result,
			const struct viommu_answer *answer)
{
	struct vo_answer oracle = { .ok = false };
	struct rig_answer engine = { .result = result, .answer = *answer };
	const char *what;

	if (vo_is_interrupt_request(&r->req)) {
		if (result == VIOMMU_INTERRUPT)
			return true;
		report(w, "range", "interrupt", &r->req, &oracle, &engine);
		return false;
	}
	ask_oracle(w, &r->req, &oracle);
	rig_read_record(&w->rig, &engine.record);
	engine.answer.count = 0;
	what = rig_differs(&w->rig, &r->req, &oracle, &engine, false);
	if (what && structures_changed(w))
		w->aliased++;
	else if (what)
		report(w, "range", what, &r->req, &oracle, &engine);
	return !what;
}

static bool pieces_agree(struct world *w, struct range *r, enum rig_way way)
{
	for (;;) {
		struct viommu_fragment f[RANGE_FRAGMENTS];
		struct viommu_answer answer;
		uint64_t first = r->req.iova;
		int result = rig_range(&w->rig, &r->req, r->last, way, f,
				       1 + pick(w, RANGE_FRAGMENTS), &answer);
		struct rig_answer engine = { .result = result, .answer = answer };
		struct vo_answer none = { .ok = false };

		for (uint32_t i = 0; i < answer.count; i++)
			if (!piece_agrees(w, r, &f[i]))
				return false;
		if (answer.next != r->req.iova) {
			report(w, "range", "next", &r->req, &none, &engine);
			return false;
		}
		if (result == VIOMMU_OK && answer.next == r->last + 1)
			return true;
		if (result != VIOMMU_MORE)
			return stop_agrees(w, r, result, &answer);
		if (r->req.iova == first || r->calls++ > 64) {
			report(w, "range", "progress", &r->req, &none, &engine);
			return false;
		}
	}
}

static void range(struct world *w)
{
	struct range r = { .req = w->request[pick(w, REQUESTS)] };
	uint64_t bytes = 1 + pick(w, pick(w, 2) ? 4 * 4096 : 16 * 4096);
	enum rig_way way = (enum rig_way)pick(w, RIG_WAYS);
	struct vo_answer none = { .ok = false };
	struct rig_answer engine = { .result = 0 };
	const char *what;

	r.last = r.req.iova + bytes - 1;
	if (r.last < r.req.iova)
		r.last = UINT64_MAX;
	if (pieces_agree(w, &r, way) && !structures_changed(w)) {
		what = memory_differs(w);
		if (what)
			report(w, "range", what, &r.req, &none, &engine);
	}
	rig_read_record(&w->rig, &engine.record); /* if something differed */
}

/* --- One image --- */

static void one_image(struct world *w, uint64_t seed)
{
	w->image_seed = seed;
	w->rng = (struct vt_rng){ seed };
	vt_build(w->image, &vt_params_default, &w->rng);
	vt_load(&w->oracle_mem, w->image);
	if (!rig_open(&w->rig, w->image, pick(w, 8) == 0))
		fail_msg("unit refused: %s", w->rig.refused);
	for (unsigned i = 0; i < REQUESTS; i++) {
		vt_request(w->image, &w->rng, &w->request[i]);
		cold(w, &w->request[i]);
		if (pick(w, 8) == 0)
			explain(w, &w->request[i]);
	}
	restore(w, RIG_SRTP);
	for (unsigned i = 0; i < WARM_STEPS; i++)
		if (!warm(w))
			break;
	for (unsigned i = 0; i < RANGES; i++) {
		restore(w, RIG_SRTP);
		range(w);
	}
	rig_close(&w->rig, w->image);
	vt_unload(&w->oracle_mem, w->image);
	w->images++;
}

/* What a run must have come across to be worth anything. */
static void check_coverage(const struct world *w)
{
	static const uint8_t reasons[] = {
		VO_FR_ROOT_P,
		VO_FR_CONTEXT_P,
		VO_FR_CONTEXT_INV,
		VO_FR_ADDR_WIDTH,
		VO_FR_WRITE,
		VO_FR_READ,
		VO_FR_SS_ACCESS,
		VO_FR_ROOT_ACCESS,
		VO_FR_CONTEXT_ACCESS,
		VO_FR_ROOT_RSVD,
		VO_FR_CONTEXT_RSVD,
		VO_FR_SS_RSVD,
		VO_FR_TT_BLOCKS,
		VO_FR_INTERRUPT,
		VO_FR_RTADDR,
		VO_FR_PASID_IN_LEGACY,
		VO_FR_SM_ROOT_ACCESS,
		VO_FR_SM_ROOT_P,
		VO_FR_SM_ROOT_RSVD,
		VO_FR_SM_CONTEXT_ACCESS,
		VO_FR_SM_CONTEXT_P,
		VO_FR_SM_CONTEXT_RSVD,
		VO_FR_SM_DTE,
		VO_FR_SM_PASIDE,
		VO_FR_SM_PASID_SIZE,
		VO_FR_SM_RID_PASID,
		VO_FR_DIR_ACCESS,
		VO_FR_DIR_P,
		VO_FR_DIR_RSVD,
		VO_FR_PASID_ACCESS,
		VO_FR_PASID_P,
		VO_FR_PASID_RSVD,
		VO_FR_PASID_INV,
		VO_FR_PASID_ERE,
		VO_FR_PASID_SRE,
		VO_FR_FS_ACCESS,
		VO_FR_FS_P,
		VO_FR_FS_RSVD,
		VO_FR_FS_ROOT_ACCESS,
		VO_FR_FS_TABLE_WIDTH,
		VO_FR_FS_ROOT_READ,
		VO_FR_FS_TABLE_READ,
		VO_FR_FS_TABLE_WRITE,
		VO_FR_SM_SS_ACCESS,
		VO_FR_SM_SS_P,
		VO_FR_SM_SS_RSVD,
		VO_FR_SM_SS_ROOT_ACCESS,
		VO_FR_SM_SS_NO_SNOOP,
		VO_FR_SM_SS_UPDATE,
		VO_FR_SM_CANONICAL,
		VO_FR_SM_USER,
		VO_FR_SM_EXECUTE,
		VO_FR_SM_HAW,
		VO_FR_SM_ADDR_WIDTH,
		VO_FR_SM_WRITE,
		VO_FR_SM_READ,
		VO_FR_SM_INTERRUPT,
		VO_FR_FS_NO_SNOOP,
		VO_FR_FS_UPDATE,
	};

	for (unsigned i = 0; i < sizeof(reasons); i++)
		if (!w->seen[reasons[i]])
			fail_msg("no request ended with reason %02x", reasons[i]);
}

static void random_tables(void **state)
{
	struct world w = { .image = vt_image_new(VT_WORDS) };
	struct vt_rng seeds = { run_seed(1) };
	uint64_t images = run_scaled(IMAGES);

	assert_non_null(w.image);
	assert_true(vt_memory_init(&w.oracle_mem, VT_WORDS));
	assert_true(rig_init(&w.rig, VT_WORDS));
	for (uint64_t i = 0; i < images && w.failures < MAX_FAILURES; i++)
		one_image(&w, vt_random(&seeds));
	print_message("%" PRIu64 " images, %" PRIu64 " cold requests, %" PRIu64 " warm, %" PRIu64
		      " explained, %" PRIu64 " pages of ranges, %" PRIu64
		      " images left early (tables overlap contexts)\n",
		      w.images, w.cold, w.warm, w.explained, w.pages, w.aliased);
	report_kinds(&w);
	if (w.images >= COVERING)
		check_coverage(&w);
	assert_true(w.aliased <= 1 + w.images / 100);
	rig_fini(&w.rig);
	vt_memory_fini(&w.oracle_mem);
	vt_image_free(w.image);
	assert_int_equal(w.failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_tables),
	};

	return cmocka_run_group_tests_name("vtd/random", tests, NULL, NULL);
}
