/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_tce_window.c - translations (T), and what comes of windows (WN, WG, WZ, WB).
 *
 * What a call or a reset does to windows is compared when it is done: which there are, which are empty, who bypasses.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "outcome.h"
#include "play_tce.h"

/* ---- T ---- */

static uint64_t expected_to(const struct tape_line *l)
{
	return (l->to & ~l->mask) | (l->at & l->mask);
}

static bool agrees(const struct tape_line *l, const struct outcome *o)
{
	if (l->perm == 0)
		return o->result == VIOMMU_FAULT;
	return o->result == VIOMMU_OK && o->perm == l->perm && o->to == expected_to(l);
}

static void differ(struct player *p, const struct tape_line *l, const struct tce_play_pe *pe,
		   const char *where, const struct outcome *o)
{
	const struct viommu_request request = outcome_request(l);
	char expected[200];
	char came[100];
	char to[64] = "refused";

	if (l->perm)
		snprintf(to, sizeof(to), "%" PRIx64 " permission %x", expected_to(l), l->perm);
	snprintf(expected, sizeof(expected), "%x %" PRIx64 " access %x%s: %s", l->rid, l->at,
		 l->access, where, to);
	outcome_text(came, sizeof(came), o);
	player_differ(p, l->kind, l->number, expected, came);
	if (p->verbose)
		viommu_explain(pe->device, &request, 0, outcome_print_step, NULL);
}

static void check_page(struct player *p, const struct tce_play_pe *pe, const struct tape_line *l)
{
	struct viommu_request request = outcome_request(l);
	struct outcome page;

	request.first &= ~l->mask;
	request.last |= l->mask;
	page = outcome_ask(p, pe->channel, &request);
	if (page.result != VIOMMU_OK || page.perm != l->perm ||
	    page.to != (expected_to(l) & ~l->mask) || page.length - 1 != l->mask)
		differ(p, l, pe, ", its whole page", &page);
}

void tce_dma_line(struct player *p, const struct tape_line *l)
{
	const struct viommu_request request = outcome_request(l);
	const struct tce_play_pe *pe = tce_own_device(p, l->rid);
	struct outcome o;
	struct outcome device;

	if (!pe) {
		player_differ(p, l->kind, l->number, "a PE", "none that a header has named");
		return;
	}
	o = outcome_ask(p, pe->channel, &request);
	if (!agrees(l, &o)) {
		differ(p, l, pe, "", &o);
		return;
	}
	if (o.result == VIOMMU_FAULT)
		return;
	device = outcome_ask_device(pe->device, &request);
	if (!outcome_same(&device, &o))
		differ(p, l, pe, ", without channel", &device);
	else
		check_page(p, pe, l);
}

/* ---- reading ---- */

/* WN liobn shift start entries */
bool tce_parse_new(struct words *w, struct tape_line *l)
{
	return line_fields(w, 5) && words_hex32(w, 1, UINT32_MAX, &l->rid) &&
	       words_hex32(w, 2, 63, &l->bytes) && words_hex(w, 3, UINT64_MAX, &l->at) &&
	       words_hex(w, 4, UINT64_MAX, &l->to);
}

bool tce_parse_liobn(struct words *w, struct tape_line *l)
{
	return line_fields(w, 2) && words_hex32(w, 1, UINT32_MAX, &l->rid);
}

bool tce_parse_bypass(struct words *w, struct tape_line *l)
{
	return line_fields(w, 3) && words_hex32(w, 1, UINT32_MAX, &l->rid) &&
	       words_hex(w, 2, 1, &l->value);
}

/* ---- comparing ---- */

static void differ_liobn(struct player *p, const struct tape_line *l, enum tape_kind kind,
			 const char *what, uint32_t liobn)
{
	char expected[100];

	snprintf(expected, sizeof(expected), "%s %x", what, liobn);
	player_differ(p, kind, l->number, expected, "otherwise");
}

static uint32_t place_of(const struct tce_play_pe *pe, uint32_t liobn)
{
	uint32_t i = 0;

	while (i < pe->windows && pe->window[i].liobn != liobn)
		i++;
	return i;
}

/* The windows that the recording has now: those that it says have gone and come. After a reset, the default ones. */
void tce_settle_gone(struct player *p, const struct tape_line *event)
{
	const struct tape_line *l;
	size_t at = 0;

	if (p->tce->own) {
		tce_own_settle(p, event);
		return;
	}
	while (event->kind == TAPE_RT && (l = effects_next(&p->effects, TAPE_WG, &at))) {
		struct tce_play_pe *pe = tce_play_pe_of(p->tce, l->rid);
		uint32_t place = pe ? place_of(pe, l->rid) : 0;

		if (!pe || place == pe->windows) {
			differ_liobn(p, l, TAPE_WG, "no window of LIOBN", l->rid);
			continue;
		}
		pe->window[place] = pe->window[--pe->windows];
	}
}

static bool same_window(const struct viommu_tce_window *a, const struct viommu_tce_window *b)
{
	return a->liobn == b->liobn && a->page_shift == b->page_shift && a->start == b->start &&
	       a->entries == b->entries;
}

static void compare_windows(struct player *p, const struct tape_line *event, uint32_t number)
{
	const struct tce_play_pe *pe = &p->tce->pe[number];
	struct viommu_tce_window window[VIOMMU_TCE_WINDOWS];
	uint32_t count = 0;

	viommu_tce_get_windows(p->iommu, number, window, &count);
	if (count != pe->windows)
		differ_liobn(p, event, TAPE_WN, "other windows of PE", pe->name);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t place = place_of(pe, window[i].liobn);

		if (place == pe->windows || !same_window(&pe->window[place], &window[i]))
			differ_liobn(p, event, TAPE_WN, "another window of LIOBN", window[i].liobn);
	}
}

static void add_windows(struct player *p)
{
	const struct tape_line *l;
	size_t at = 0;

	while ((l = effects_next(&p->effects, TAPE_WN, &at))) {
		struct tce_play_pe *pe = tce_play_pe_of(p->tce, l->rid);

		if (!pe || pe->windows == VIOMMU_TCE_WINDOWS)
			differ_liobn(p, l, TAPE_WN, "no PE of LIOBN", l->rid);
		else
			pe->window[pe->windows++] =
				(struct viommu_tce_window){ .liobn = l->rid,
							    .page_shift = l->bytes,
							    .start = l->at,
							    .entries = l->to };
	}
}

void tce_settle_new(struct player *p, const struct tape_line *event)
{
	if (p->tce->own || (event->kind != TAPE_RT && event->kind != TAPE_X))
		return;
	if (event->kind == TAPE_RT)
		add_windows(p);
	for (uint32_t i = 0; i < p->tce->pes; i++)
		compare_windows(p, event, i);
}

static int count_page(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	(void)iova;
	(void)f;
	++*(uint64_t *)opaque;
	return 0;
}

static bool is_empty(const struct tce_play_pe *pe, uint64_t first, uint64_t last)
{
	uint64_t pages = 0;

	while (viommu_replay(pe->device, VIOMMU_NO_PASID, &first, last, 0, count_page, &pages) ==
	       VIOMMU_MORE)
		;
	return pages == 0;
}

void tce_settle_zero(struct player *p, const struct tape_line *event)
{
	const struct tape_line *l;
	size_t at = 0;

	if (p->tce->own)
		return;
	for (uint32_t i = 0; event->kind == TAPE_X && i < p->tce->pes; i++) {
		if (!is_empty(&p->tce->pe[i], 0, UINT64_MAX))
			differ_liobn(p, event, TAPE_WZ, "nothing mapped by PE", p->tce->pe[i].name);
	}
	while (event->kind == TAPE_RT && (l = effects_next(&p->effects, TAPE_WZ, &at))) {
		const struct tce_play_pe *pe = tce_play_pe_of(p->tce, l->rid);
		uint32_t place = pe ? place_of(pe, l->rid) : 0;
		const struct viommu_tce_window *w;

		if (!pe || place == pe->windows) {
			differ_liobn(p, l, TAPE_WZ, "no window of LIOBN", l->rid);
			continue;
		}
		w = &pe->window[place];
		if (!pe->bypass &&
		    !is_empty(pe, w->start, w->start + ((w->entries << w->page_shift) - 1)))
			differ_liobn(p, l, TAPE_WZ, "nothing mapped by LIOBN", l->rid);
	}
}

void tce_settle_bypass(struct player *p, const struct tape_line *event)
{
	const struct tape_line *l;
	size_t at = 0;

	if (p->tce->own || (event->kind != TAPE_RT && event->kind != TAPE_X))
		return;
	while (event->kind == TAPE_RT && (l = effects_next(&p->effects, TAPE_WB, &at))) {
		struct tce_play_pe *pe = tce_play_pe_of(p->tce, l->rid);

		if (pe)
			pe->bypass = l->value != 0;
		else
			differ_liobn(p, l, TAPE_WB, "no device of LIOBN", l->rid);
	}
	for (uint32_t i = 0; i < p->tce->pes; i++) {
		const struct tce_play_pe *pe = &p->tce->pe[i];

		if (pe->mode != (pe->bypass ? VIOMMU_MODE_BYPASS : VIOMMU_MODE_TRANSLATE))
			differ_liobn(p, event, TAPE_WB, "another mode of PE", pe->name);
	}
}
