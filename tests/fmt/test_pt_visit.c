/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pt_visit.c - visits of every page-table format: bounded by their budget on tables that refer to
 * themselves (obligation 3), resumed where they stopped, and the same pages as walks find.
 */
#include "check.h"
#include "pt_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "bits.h"
#include "run.h"

static struct pt_rig rig;
static char row[160];

struct count {
	uint64_t pages, stop_after;
};

static int count_page(void *opaque, const struct translation *page)
{
	struct count *c = opaque;

	c->pages++;
	return c->pages == c->stop_after;
}

static void visits_of_self_references_are_bounded(void **state)
{
	static const uint32_t budgets[] = { 1, 2, 5, 64, 1000 };

	for (unsigned i = 0; i < pt_rig_format_count; i++) {
		for (unsigned k = 0; k < 5; k++) {
			struct pt_tree t = pt_tree_loop(&rig, &pt_rig_formats[i]);
			struct count c = { .pages = 0 };
			struct pt_visit v = {
				.walk = { .vm = rig.vm, .config = &t.config, .nested = &t.below },
				.last = bits_low(t.config.in_bits),
				.budget = budgets[k],
				.page = count_page,
				.opaque = &c
			};
			unsigned per_load = 1 + (t.f->nested ? t.f->nested - 2 : 0);

			(void)snprintf(row, sizeof(row), "%s: budget %u", t.f->name, budgets[k]);
			rig.loads = 0;
			check_eq(row, t.f->visit(&v), PT_VISIT_BUDGET);
			check_that(row, rig.loads <= (budgets[k] + PT_LEVELS) * per_load);
			check_that(row, v.next > 0);
			check_eq(row, v.next, c.pages << 12);
		}
	}
}

/* ---- visits against walks ---- */

enum { NFOUND = 4096 };

struct found {
	struct translation page[NFOUND];
	unsigned n;
};

static int note_page(void *opaque, const struct translation *page)
{
	struct found *f = opaque;

	if (f->n < NFOUND)
		f->page[f->n++] = *page;
	return 0;
}

static uint64_t seed = 1;

static unsigned pick(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(seed >> 33) % n;
}

/* The entry for iova at @level, or NULL if a page above is in its place. */
static uint64_t *free_entry(const struct pt_tree *t, uint64_t iova, unsigned level)
{
	uint64_t table = t->root;

	for (unsigned l = t->f->levels - 1; l > level; l--) {
		uint64_t raw = *pt_rig_word(&rig, table + 8 * (iova >> (12 + 9 * l) & 511));

		if (!raw)
			break;
		if (l < 3 && raw & BIT(7))
			return NULL;
		table = raw & BITS(51, 12);
	}
	return pt_rig_word(&rig, pt_rig_entry(&rig, t->f, t->root, iova, level));
}

/* Pages of every size in neighbouring places at both ends of the space, some entries bad. */
static struct pt_tree random_tree(const struct pt_rig_format *f)
{
	struct pt_tree t = pt_tree_plant(&rig, f);

	for (unsigned i = 0; i < 40 && rig.pages < PT_RIG_PAGES - 6; i++) {
		unsigned level = pick(8) ? pick(2) : 2;
		uint64_t iova = (uint64_t)pick(2) << 30 | (uint64_t)pick(5) << 21 | pick(6) << 12;
		uint64_t *word;

		if (pick(2))
			iova = bits_low(12 + 9 * f->levels) - iova;
		word = free_entry(&t, iova, level);
		if (word && !*word)
			*word = pt_rig_leaf(f, level, (uint64_t)pick(8) << 30) |
				(pick(6) ? 0 : UINT64_C(1) << 50);
	}
	return t;
}

/* The next address at which a walk differs from what came before, in steps of a page. */
static void compare_with_walks(const struct pt_tree *t, const struct found *f, uint64_t first,
			       uint64_t last)
{
	unsigned n = 0;

	for (uint64_t iova = first & ~bits_low(12); iova <= last; iova += 4096) {
		const struct translation *page;
		struct pt_walk w;
		bool mapped;

		while (n < f->n && (f->page[n].iova | bits_low(f->page[n].size_lg2)) < iova)
			n++;
		page = &f->page[n];
		mapped = n < f->n && page->iova <= iova;
		check_eq(row, pt_tree_walk(&rig, t, iova, &w) == PT_OK, mapped);
		if (!mapped)
			continue;
		check_eq(row, w.found.gpa | (iova & bits_low(w.found.size_lg2)),
			 page->gpa | (iova & bits_low(page->size_lg2)));
		check_eq(row, page->perm & PERM_ALL, w.found.perm & PERM_ALL);
	}
}

static void one_visit(const struct pt_rig_format *f)
{
	static struct found found;
	struct pt_tree t = random_tree(f);
	uint64_t bits = bits_low(t.config.in_bits);
	uint64_t first =
		pick(2) ? (uint64_t)pick(3000) << 12 : bits - ((uint64_t)(3000 + pick(9)) << 12);
	uint64_t last = first + ((uint64_t)pick(2990) << 12) + pick(4096);
	struct pt_visit v = { .walk = { .vm = rig.vm, .config = &t.config, .nested = &t.below },
			      .next = first,
			      .last = last < bits ? last : bits,
			      .page = note_page,
			      .opaque = &found };
	enum pt_visit_end end;

	found.n = 0;
	do {
		uint64_t from = v.next;

		v.budget = 1 + pick(pick(2) ? 4 : 200);
		end = f->visit(&v);
		check_that(row, end == PT_VISIT_DONE || v.next > from);
	} while (end == PT_VISIT_BUDGET);
	check_eq(row, end, PT_VISIT_DONE);
	for (unsigned i = 1; i < found.n; i++)
		check_that(row, found.page[i].iova > (found.page[i - 1].iova |
						      bits_low(found.page[i - 1].size_lg2)));
	compare_with_walks(&t, &found, first, v.last);
}

static void visits_agree_with_walks(void **state)
{
	seed = run_seed(1);
	for (unsigned i = 0; i < pt_rig_format_count; i++) {
		if (pt_rig_formats[i].nested) /* pages of the first stage only: pt_x86.h */
			continue;
		for (unsigned n = 0; n < 60; n++) {
			(void)snprintf(row, sizeof(row), "%s: random tree %u",
				       pt_rig_formats[i].name, n);
			one_visit(&pt_rig_formats[i]);
		}
	}
}

/* A visit that its callback stops says so, and has not passed the page. */
static void a_visit_can_be_stopped(void **state)
{
	for (unsigned i = 0; i < pt_rig_format_count; i++) {
		struct pt_tree t = pt_tree_loop(&rig, &pt_rig_formats[i]);
		struct count c = { .stop_after = 700 };
		struct pt_visit v = {
			.walk = { .vm = rig.vm, .config = &t.config, .nested = &t.below },
			.last = bits_low(t.config.in_bits),
			.budget = 100000,
			.page = count_page,
			.opaque = &c
		};

		(void)snprintf(row, sizeof(row), "%s: stopped", t.f->name);
		check_eq(row, t.f->visit(&v), PT_VISIT_STOPPED);
		check_eq(row, v.next, UINT64_C(699) << 12);
	}
}

static int setup(void **state)
{
	pt_rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	pt_rig_fini(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(visits_of_self_references_are_bounded),
		cmocka_unit_test(visits_agree_with_walks),
		cmocka_unit_test(a_visit_can_be_stopped),
	};

	return cmocka_run_group_tests_name("fmt/pt_visit", tests, setup, teardown);
}
