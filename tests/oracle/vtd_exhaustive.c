/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_exhaustive.c - the rows of vt_rows() against the oracle, cold and warm. */
#include "run.h"
#include "vtd_exhaustive.h"
#include "vtd_rig.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { MAX_REPORTS = 8 };

struct world {
	struct vt_image *image;
	struct vt_memory oracle_mem;
	struct rig rig;
	bool open;
	struct vo_unit unit;
	unsigned nslots;
	uint64_t stride, skip, compared;
	unsigned failures;
};

static void close_rig(struct world *w)
{
	if (w->open)
		rig_close(&w->rig, w->image);
	w->open = false;
}

/* Rows of one variant share a unit. */
static void open_rig(struct world *w)
{
	if (w->open && !memcmp(&w->unit, &w->image->unit, sizeof(w->unit)))
		return;
	close_rig(w);
	w->unit = w->image->unit;
	if (!rig_open(&w->rig, w->image, false))
		fail_msg("unit refused: %s", w->rig.refused);
	w->open = true;
}

static void report(struct world *w, const struct vt_row *row, const char *phase, const char *what,
		   const struct vo_answer *oracle, const struct rig_answer *engine)
{
	if (w->failures++ >= MAX_REPORTS)
		return;
	print_message("--- %s, %s: %s differs; level %u variant %u word %" PRIx64 " at %" PRIx64
		      "\n",
		      vt_format_name(row->format), phase, what, row->level, row->variant, row->bits,
		      row->word_addr);
	rig_print(&w->rig, row->req, oracle, engine);
}

static void compare(struct world *w, const struct vt_row *row, const char *phase, enum rig_way way)
{
	struct vo_memory mem = VT_MEMORY(&w->oracle_mem);
	struct vo_answer oracle;
	struct rig_answer engine;
	const char *what;

	vo_translate(&mem, &row->image->unit, row->req, &oracle);
	rig_request(&w->rig, row->req, way, &engine);
	what = rig_differs(&w->rig, row->req, &oracle, &engine, false);
	if (!what && !vt_equal(&w->oracle_mem, &w->rig.mem, row->image))
		what = "memory";
	if (what)
		report(w, row, phase, what, &oracle, &engine);
}

/* Cold, twice warm; then the caches are emptied for the next row. */
static bool one_row(void *opaque, const struct vt_row *row)
{
	struct world *w = opaque;

	if (w->skip) {
		w->skip--;
		return true;
	}
	w->skip = w->stride - 1;
	open_rig(w);
	vt_load(&w->oracle_mem, row->image);
	vt_load(&w->rig.mem, row->image);
	rig_flush(&w->rig, RIG_SRTP);
	compare(w, row, "cold", RIG_CHANNEL);
	compare(w, row, "warm", RIG_CHANNEL);
	compare(w, row, "warm, shared", RIG_DEVICE);
	w->compared++;
	return w->failures < MAX_REPORTS;
}

/* A prime, so that it falls on every kind of access (there are 5, 6, 7 or 12 of them a word). */
static uint64_t stride(void)
{
	static const uint64_t primes[] = { 1, 11, 23, 47, 101, 211, 401, 1009 };
	const char *all = getenv("VIOMMU_EXHAUSTIVE");
	uint64_t scale = run_scaled(1000); /* per mille */
	unsigned i = 0;

	if (all && strcmp(all, "0") != 0)
		return 1;
	while (i + 1 < sizeof(primes) / sizeof(primes[0]) && primes[i] * scale < 1000)
		i++;
	return primes[i];
}

static void run_format(enum vt_format format)
{
	struct world w = { .image = vt_image_new(VT_WORDS), .stride = stride() };
	struct vt_rng rng = { run_seed(1) };
	uint64_t rows;

	assert_non_null(w.image);
	assert_true(vt_memory_init(&w.oracle_mem, VT_WORDS));
	assert_true(rig_init(&w.rig, VT_WORDS));
	w.skip = vt_random(&rng) % w.stride;
	rows = vt_rows(w.image, format, one_row, &w);
	print_message("%s: %" PRIu64 " rows, %" PRIu64 " compared cold and warm",
		      vt_format_name(format), rows, w.compared);
	if (w.stride > 1)
		print_message(" (one in %" PRIu64 "; VIOMMU_EXHAUSTIVE=1 compares all)", w.stride);
	print_message("\n");
	close_rig(&w);
	vt_unload(&w.oracle_mem, w.image);
	rig_fini(&w.rig);
	vt_memory_fini(&w.oracle_mem);
	vt_image_free(w.image);
	assert_int_equal(w.failures, 0);
}

static void format_of_state(void **state)
{
	run_format(*(const enum vt_format *)*state);
}

int exhaustive_main(const char *name, enum vt_format first, enum vt_format last)
{
	static enum vt_format formats[VT_ROW_FORMATS];
	struct CMUnitTest tests[VT_ROW_FORMATS] = { { .name = NULL } };

	for (unsigned i = first; i <= last; i++) {
		formats[i] = (enum vt_format)i;
		tests[i - first] = (struct CMUnitTest){ .name = vt_format_name(formats[i]),
							.test_func = format_of_state,
							.initial_state = &formats[i] };
	}
	return _cmocka_run_group_tests(name, tests, last - first + 1, NULL, NULL);
}
