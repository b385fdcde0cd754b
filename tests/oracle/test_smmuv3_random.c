/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_smmuv3_random.c - an SMMUv3 against the oracle, on random guests: each request with empty caches, then all of them in
 * turn with caches that fill and are invalidated. VIOMMU_TEST_SCALE=3000 asks 10^7 times.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"
#include "smmu_edits.h"
#include "smmu_rig.h"

enum { IMAGES = 2000, REQUESTS = 48, WARM_STEPS = 160, MAX_FAILURES = 8 };

struct world {
	struct si_image *image;
	struct si_memory oracle_mem;
	struct smmu_rig rig;
	struct so_request request[REQUESTS];
	uint64_t seed;
	uint64_t cold, warm, explained, doubtful, aliased, invalidations;
	uint64_t seen[256][2][3], found, written;
	unsigned failures;
	char last[120]; /* the last edit */
};

/* ---- reports ---- */

static void print_found(const char *who, bool ok, bool zero, uint64_t pa, unsigned perm,
			bool recorded, const uint64_t *w)
{
	print_error("%s: %s%s pa %" PRIx64 " perm %x; %s %016" PRIx64 " %016" PRIx64 " %016" PRIx64
		    " %016" PRIx64 "\n",
		    who, ok ? "ok" : "refused", zero ? " (zero)" : "", pa, perm,
		    recorded ? "record" : "no record", w[0], w[1], w[2], w[3]);
}

static void print_stream(const struct world *w, uint32_t sid)
{
	const struct si_image *image = w->image;

	for (unsigned i = 0; i < image->streams; i++) {
		const struct si_stream *s = &image->stream[i];

		if (s->sid != sid)
			continue;
		print_error("stream %x config %u cdmax %u delta %" PRIx64 "\n", sid, s->config,
			    s->cdmax, image->delta);
		for (unsigned h = 0; h < 3; h++) {
			const struct si_tree *t = h < 2 ? s->half[0][h] : s->stage2;

			if (t)
				print_error("%s: %uK %u bits, base %" PRIx64
					    ", ps %u, ds %u be %u\n",
					    h < 2 ? "stage 1" : "stage 2", t->t.kib, t->t.bits,
					    t->t.base, t->t.ps, t->t.ds, t->t.big_endian);
		}
	}
}

/* The words of what begins here. */
static void print_words(const struct world *w, const char *what, uint64_t at)
{
	print_error("%s at %" PRIx64 ":", what, at);
	for (unsigned i = 0; i < 8; i++)
		print_error(" %" PRIx64, w->image->mem.words[at / 8 + i]);
	print_error("\n");
}

static void print_structures(const struct world *w)
{
	const struct si_image *image = w->image;

	for (unsigned i = 0; i < image->n; i++) {
		const struct si_slot *s = &image->slot[i];

		if ((s->kind == SI_STREAM || s->kind == SI_CONTEXT) && s->word % 8 == 0)
			print_words(w, s->kind == SI_STREAM ? "STE" : "CD", s->word * 8ULL);
	}
}

static void report(struct world *w, const char *phase, const char *what, const struct so_request *q,
		   const struct so_answer *o, const struct sr_answer *e)
{
	const struct so_unit *u = &w->image->unit;

	w->failures++;
	print_error("\n%s: %s differs; image 0x%" PRIx64 "\n", phase, what, w->seed);
	print_error("IDR %08x %08x %08x %08x AIDR %u enabled %u e2h %u\n", u->idr[0], u->idr[1],
		    u->idr[3], u->idr[5], u->minor, u->enabled, u->e2h);
	print_error("type %u atschk %u sid %x ssid %d %" PRIx64 " %s%s%s%s\n", q->type, u->atschk,
		    q->sid, q->ssv ? (int)q->ssid : -1, q->address, q->read ? "R" : "",
		    q->write ? "W" : "", q->fetch ? "X" : "", q->privileged ? "P" : "");
	print_found("oracle", o->ok, o->zero, o->pa,
		    (o->r ? 1U : 0U) | (o->w ? 2U : 0U) | (o->x ? 4U : 0U) | (o->clean ? 8U : 0U),
		    o->recorded, o->record);
	print_found("engine", e->result == VIOMMU_OK, e->answer.flags & VIOMMU_ANSWER_ZERO,
		    e->fragment.gpa, e->fragment.perm | e->fragment.flags << 3, e->recorded,
		    e->record);
	print_error("ATS %u; engine: result %d reason %x ats %u\n", o->ats, e->result,
		    e->answer.reason, e->answer.ats);
	print_stream(w, q->sid);
	print_error("request %" PRIu64 "; last: %s, command %" PRIx64 " %" PRIx64 "\n", w->warm,
		    w->last, w->rig.last[0], w->rig.last[1]);
	if (w->failures == 1)
		print_structures(w);
}

/* ---- memory ---- */

static const char *memory_differs(const struct world *w)
{
	static char text[120];

	for (unsigned i = 0; i < w->image->n; i++) {
		uint32_t k = w->image->slot[i].word;

		if (w->oracle_mem.words[k] == w->rig.mem.words[k])
			continue;
		(void)snprintf(text, sizeof(text),
			       "memory at %x: %" PRIx64 ", oracle %" PRIx64 ", engine %" PRIx64 ":",
			       k * 8, w->image->slot[i].value, w->oracle_mem.words[k],
			       w->rig.mem.words[k]);
		return text;
	}
	return NULL;
}

static void restore(struct world *w, enum sr_flush how)
{
	si_load(&w->oracle_mem, w->image);
	si_load(&w->rig.mem, w->image);
	smmu_rig_flush(&w->rig, how);
}

static void ask_oracle(struct world *w, const struct so_request *q, struct so_answer *a)
{
	struct a64_memory m = { si_read, si_write, &w->oracle_mem };

	so_translate(&m, &w->image->unit, q, a);
	w->seen[a->event][a->record[1] >> 39 & 1][a->record[1] >> 40 & 3]++;
	w->found += a->ok;
	w->doubtful += a->doubtful;
}

/* ---- cold ---- */

static void cold(struct world *w, const struct so_request *q)
{
	struct so_answer oracle;
	struct sr_answer engine;
	const char *what;

	restore(w, (enum sr_flush)si_pick(w->image, SR_FLUSHES));
	ask_oracle(w, q, &oracle);
	smmu_rig_request(&w->rig, q, (enum sr_way)si_pick(w->image, SR_WAYS), &engine);
	w->cold++;
	if (oracle.doubtful)
		return;
	what = smmu_rig_differs(q, &oracle, &engine, false);
	if (!what)
		what = memory_differs(w);
	if (what)
		report(w, "cold", what, q, &oracle, &engine);
}

static void explain(struct world *w, const struct so_request *q)
{
	struct so_answer oracle = { .ok = false };
	struct sr_answer engine = { .result = 0 };
	const char *what;

	restore(w, SR_CALL);
	engine.result = smmu_rig_explain(&w->rig, q);
	what = memory_differs(w);
	ask_oracle(w, q, &oracle);
	w->explained++;
	/* that a trace could not be left in memory is not seen by who leaves none */
	if (!what && q->type == SO_UNTRANSLATED &&
	    engine.result != (oracle.ok ? VIOMMU_OK : VIOMMU_FAULT) && !oracle.doubtful &&
	    oracle.event != SO_PERMISSION)
		what = "result";
	if (what)
		report(w, "explain", what, q, &oracle, &engine);
}

/* ---- warm ---- */

/* Accessed and dirty may have changed structures, if tables overlap them; those may be cached. */
static bool structures_changed(const struct world *w)
{
	for (unsigned i = 0; i < w->image->n; i++) {
		const struct si_slot *s = &w->image->slot[i];

		if ((s->kind == SI_STREAM || s->kind == SI_CONTEXT) &&
		    w->oracle_mem.words[s->word] != s->value)
			return true;
	}
	return false;
}

static void warm_request(struct world *w, struct so_request *q)
{
	struct si_image *image = w->image;

	*q = w->request[si_pick(image, si_pick(image, 2) ? 6 : REQUESTS)];
	if (si_pick(image, 4) == 0)
		q->address ^= si_pick(image, 4096);
	if (si_pick(image, 4) == 0)
		q->address ^= (uint64_t)si_pick(image, si_pick(image, 2) ? 16 : 512) << 12;
	if (si_pick(image, 8) == 0)
		q->address ^= (uint64_t)si_pick(image, 256) << 56;
	if (q->type == SO_TRANSLATE) {
		q->write = si_pick(image, 2);
	} else if (si_pick(image, 3) == 0) {
		q->fetch = si_pick(image, 4) == 0;
		q->write = !q->fetch && si_pick(image, 2);
		q->read =
			!q->fetch &&
			(!q->write || (si_pick(image, 4) == 0 && !(image->unit.idr[1] >> 26 & 1)));
	}
	if (si_pick(image, 8) == 0 && (q->type != SO_TRANSLATE || q->ssv))
		q->privileged = !q->privileged;
	if (si_pick(image, 8) == 0)
		q->ssid ^= 1U << si_pick(image, 3);
}

/* False: give up on this image. */
static bool ask(struct world *w, const struct so_request *q)
{
	struct so_answer oracle;
	struct sr_answer engine;
	const char *what;

	ask_oracle(w, q, &oracle);
	smmu_rig_request(&w->rig, q, (enum sr_way)si_pick(w->image, SR_WAYS), &engine);
	w->warm++;
	if (oracle.doubtful)
		return false;
	what = smmu_rig_differs(q, &oracle, &engine, true);
	if (!what)
		what = memory_differs(w);
	if (!what)
		return true;
	if (structures_changed(w)) {
		w->aliased++;
		return false;
	}
	report(w, "warm", what, q, &oracle, &engine);
	return false;
}

static bool warm(struct world *w)
{
	struct so_request q;

	warm_request(w, &q);
	return ask(w, &q);
}

/* Whoever has the tree asks for the page. */
static bool ask_for_page(struct world *w, const struct smmu_edit *e)
{
	struct si_image *image = w->image;
	bool go_on = true;

	for (unsigned i = 0; e->tree && i < image->streams * SI_CDS * 2 && go_on; i++) {
		const struct si_stream *s = &image->stream[i / (SI_CDS * 2)];
		unsigned cd = i / 2 % SI_CDS, half = i % 2;
		struct so_request q = { .sid = s->sid,
					.ssv = s->cdmax,
					.ssid = cd,
					.address = e->address ^ si_pick(image, 4096),
					.privileged = si_pick(image, 2) };

		if (e->tree->stage2 ? s->config != 6 || s->stage2 != e->tree || cd || half
				    : s->half[cd][half] != e->tree)
			continue;
		if (half)
			q.address |= ~((UINT64_C(1) << e->tree->t.bits) - 1);
		if (si_pick(image, 4) == 0)
			q.address ^= (uint64_t)si_pick(image, 256) << 56;
		q.write = si_pick(image, 3) == 0;
		q.fetch = !q.write && si_pick(image, 4) == 0;
		q.read = !q.write && !q.fetch;
		go_on = ask(w, &q);
	}
	return go_on;
}

/* The page is in the caches; then it is another. */
static bool edit(struct world *w)
{
	struct smmu_edit e;

	if (!smmu_edit_pick(&e, &w->rig, w->image))
		return true;
	if (!ask_for_page(w, &e) || !ask_for_page(w, &e))
		return false;
	smmu_edit_apply(&e, &w->oracle_mem);
	memcpy(w->last, e.text, sizeof(w->last));
	w->invalidations++;
	return ask_for_page(w, &e);
}

/* ---- one image ---- */

static void one_image(struct world *w, uint64_t seed)
{
	bool edits;

	w->seed = seed;
	w->last[0] = 0;
	si_build(w->image, seed);
	si_load(&w->oracle_mem, w->image);
	if (!smmu_rig_open(&w->rig, w->image, si_pick(w->image, 8) == 0))
		fail_msg("image 0x%" PRIx64 ": SMMU refused", seed);
	for (unsigned i = 0; i < REQUESTS && w->failures < MAX_FAILURES; i++) {
		si_request(w->image, &w->request[i]);
		cold(w, &w->request[i]);
		if (si_pick(w->image, 8) == 0)
			explain(w, &w->request[i]);
	}
	restore(w, SR_COMMANDS);
	edits = si_pick(w->image, 2);
	for (unsigned i = 0; i < WARM_STEPS && w->failures < MAX_FAILURES; i++) {
		if (edits && si_pick(w->image, 16) == 0 && !edit(w))
			break;
		if (!warm(w))
			break;
	}
	smmu_rig_close(&w->rig);
	si_unload(&w->oracle_mem, w->image);
}

/* What a run must have come across to be worth anything. */
static void check_coverage(const struct world *w)
{
	static const struct {
		uint8_t event, s2, class;
	} rows[] = {
		{ SO_BAD_STREAMID, 0, 0 },    { SO_STE_FETCH, 0, 0 },
		{ SO_BAD_STE, 0, 0 },	      { SO_STREAM_DISABLED, 0, 0 },
		{ SO_BAD_ATS_TREQ, 0, 0 },    { SO_TRANSL_FORBIDDEN, 0, 0 },
		{ SO_BAD_SUBSTREAMID, 0, 0 }, { SO_CD_FETCH, 0, 0 },
		{ SO_BAD_CD, 0, 0 },	      { SO_WALK_EABT, 0, 1 },
		{ SO_WALK_EABT, 1, 1 },	      { SO_WALK_EABT, 1, 2 },
		{ SO_TRANSLATION, 0, 2 },     { SO_TRANSLATION, 1, 0 },
		{ SO_TRANSLATION, 1, 1 },     { SO_TRANSLATION, 1, 2 },
		{ SO_ADDR_SIZE, 0, 2 },	      { SO_ADDR_SIZE, 1, 1 },
		{ SO_ADDR_SIZE, 1, 2 },	      { SO_ACCESS, 0, 2 },
		{ SO_ACCESS, 1, 1 },	      { SO_ACCESS, 1, 2 },
		{ SO_PERMISSION, 0, 2 },      { SO_PERMISSION, 1, 1 },
		{ SO_PERMISSION, 1, 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!w->seen[rows[i].event][rows[i].s2][rows[i].class])
			fail_msg("no request ended with event %02x S2 %u CLASS %u", rows[i].event,
				 rows[i].s2, rows[i].class);
	assert_true(w->found > (w->cold + w->warm) / 5);
}

static void random_guests(void **state)
{
	static struct world w;
	uint64_t seed = run_seed(1), images = run_scaled(IMAGES);

	w.image = si_image_new();
	assert_non_null(w.image);
	assert_true(si_memory_init(&w.oracle_mem));
	assert_true(smmu_rig_init(&w.rig));
	for (uint64_t i = 0; i < images && w.failures < MAX_FAILURES; i++)
		one_image(&w, images == 1 ? seed : seed + i * UINT64_C(0x9e3779b97f4a7c15));
	print_message("%" PRIu64 " images, %" PRIu64 " cold requests, %" PRIu64 " warm, %" PRIu64
		      " found, %" PRIu64 " explained, %" PRIu64 " invalidations, %" PRIu64
		      " doubtful, %" PRIu64 " left early\n",
		      images, w.cold, w.warm, w.found, w.explained, w.invalidations, w.doubtful,
		      w.aliased);
	smmu_rig_fini(&w.rig);
	si_memory_fini(&w.oracle_mem);
	si_image_free(w.image);
	assert_int_equal(w.failures, 0);
	if (images >= IMAGES)
		check_coverage(&w);
	assert_true(w.aliased <= 1 + images / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_guests),
	};

	return cmocka_run_group_tests_name("smmuv3/random", tests, NULL, NULL);
}
