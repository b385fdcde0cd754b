/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_vtd_dma.c - translations (T).
 *
 * An answer is right if it grants what the recording granted and leads to the same address. The whole page of the
 * recording, and the way without a channel, have to give the same answer. An interrupt message (VIOMMU_INTERRUPT) is no
 * translation: right only where the recording refused.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "outcome.h"
#include "play_vtd.h"

/* Larger pages are not looked at as a whole. */
#define PAGE_MAX (1ULL << 30)

#define WINDOW_FIRST 0xfee00000ULL
#define WINDOW_LAST  0xfeefffffULL

/* A line being served. */
struct dma {
	struct player *player;
	const struct tape_line *line;
	struct source *source;
	struct viommu_request request;
	struct outcome tables; /* what the tables say now, without caches */
};

/* ---- right or wrong ---- */

static uint64_t expected_to(const struct tape_line *l)
{
	return l->perm ? (l->to & ~l->mask) | (l->at & l->mask) : 0;
}

/* A recorder may leave out W in its answer to a read, whatever the tables grant. */
static bool leaves_out_write(const struct tape_line *l, const struct outcome *o)
{
	return l->access == VIOMMU_READ && l->perm == VIOMMU_READ &&
	       o->perm == (VIOMMU_READ | VIOMMU_WRITE);
}

static bool agrees(const struct tape_line *l, const struct outcome *o)
{
	if (o->result < 0 || o->to != expected_to(l))
		return false;
	return o->perm == l->perm || leaves_out_write(l, o);
}

/* Counts a mismatch; if they are printed, with the tables that were read. */
static void differ(const struct dma *d, const char *where, const struct outcome *expected,
		   const struct outcome *o)
{
	char want[100];

	outcome_text(want, sizeof(want), expected);
	outcome_differ(d->player, d->line, d->source->device, &d->request, where,
		       d->line->perm ? want : "refused", o);
}

static struct outcome recorded(const struct tape_line *l)
{
	return (struct outcome){ .result = VIOMMU_OK, .perm = l->perm, .to = expected_to(l) };
}

/* ---- caches: both answers are right between a change of the tables and its invalidation ---- */

static const uint64_t page_masks[] = { 0xfff, 0x1fffff, 0x3fffffff };

/* The page that leads from the line's address to `to`. */
static struct history_answer page_of(const struct dma *d, uint64_t to, uint32_t perm, uint64_t mask)
{
	return (struct history_answer){ .first = d->line->at & ~mask,
					.mask = mask,
					.to = to & ~mask,
					.perm = perm,
					.rid = d->source->key.rid,
					.pasid = d->source->key.pasid,
					.tag = source_domain(d->source) };
}

static void remember(const struct dma *d, const struct outcome *o)
{
	struct history_answer answer = page_of(d, o->to, o->perm, d->line->mask);

	if (o->perm && !d->line->index)
		history_add(&d->player->vtd->history, &answer);
}

/* Whether this answer was given before, and nobody has invalidated it. */
static bool was_answered(const struct dma *d, uint64_t to, uint32_t perm)
{
	if (perm == 0 || d->line->index)
		return false;
	for (unsigned i = 0; i < sizeof(page_masks) / sizeof(page_masks[0]); i++) {
		struct history_answer answer = page_of(d, to, perm, page_masks[i]);

		if (((d->line->at ^ to) & page_masks[i]) == 0 &&
		    history_has(&d->player->vtd->history, &answer))
			return true;
	}
	return false;
}

/*
 * Our answer is an earlier one that nobody has invalidated, and the recording has what the tables say now. From here on
 * the engine shall know what the recorder knew: it forgets its caches and is asked again, so that it records the fault.
 */
static bool cached_by_us(const struct dma *d, const struct outcome *o)
{
	struct outcome again;

	if (!was_answered(d, o->to, o->perm) || !agrees(d->line, &d->tables) ||
	    !vtd_drop_caches(d->player))
		return false;
	again = outcome_ask(d->player, d->source->channel, &d->request);
	if (!outcome_same(&again, &d->tables))
		return false;
	remember(d, &again);
	player_deviates(d->player, DEVIATION_CACHED_BY_US);
	return true;
}

/* The recording has an earlier answer that nobody has invalidated, and we what the tables say now. */
static bool cached_by_recorder(const struct dma *d, const struct outcome *o)
{
	const struct tape_line *l = d->line;
	bool answered = was_answered(d, expected_to(l), l->perm);

	if (l->access == VIOMMU_READ)
		answered = answered || was_answered(d, expected_to(l), l->perm | VIOMMU_WRITE);
	if (!answered || !outcome_same(&d->tables, o))
		return false;
	remember(d, o);
	player_deviates(d->player, DEVIATION_CACHED_BY_RECORDER);
	return true;
}

/* Back to where the engine has recorded no fault, as the recorder has not, so that one difference stays one. */
static void undo(const struct dma *d, void *before, uint64_t bytes)
{
	if (!before)
		return;
	player_restore(d->player, before, bytes);
	d->player->sent.count = 0;
}

/* ---- the whole page, and without a channel ---- */

static int ignore_step(void *opaque, const struct viommu_step *step)
{
	(void)opaque;
	(void)step;
	return 0;
}

/* Whether the tables grant the first and the last address of a request. Otherwise asking for it may record a fault. */
static bool granted_now(const struct source *s, struct viommu_request request)
{
	struct viommu_request last = request;

	request.last = request.first;
	last.first = last.last;
	return viommu_explain(s->device, &request, 0, ignore_step, NULL) == VIOMMU_OK &&
	       viommu_explain(s->device, &last, 0, ignore_step, NULL) == VIOMMU_OK;
}

/* The recording's page, without the interrupt window (3.14), which is not translated with it. */
static struct viommu_request whole_page(const struct dma *d)
{
	struct viommu_request r = d->request;
	uint64_t first = r.first & ~d->line->mask;
	uint64_t last = r.last | d->line->mask;

	if (r.first < WINDOW_FIRST && last >= WINDOW_FIRST)
		last = WINDOW_FIRST - 1;
	if (r.first > WINDOW_LAST && first <= WINDOW_LAST)
		first = WINDOW_LAST + 1;
	if (r.first >= WINDOW_FIRST && r.first <= WINDOW_LAST)
		return r;
	r.first = first;
	r.last = last;
	return r;
}

/*
 * A page that the tables do not grant any more is not looked at: asking for it may record a fault, and to undo that is to
 * forget what is cached, with which the tape goes on.
 */
static void check_page(const struct dma *d, const struct outcome *o)
{
	struct viommu_request request = whole_page(d);
	struct outcome expected = *o;
	struct outcome page;

	if (d->line->mask >= PAGE_MAX || !granted_now(d->source, request))
		return;
	expected.to -= d->line->at - request.first;
	page = outcome_ask(d->player, d->source->channel, &request);
	if (!outcome_same(&page, &expected) || page.length != request.last - request.first + 1)
		differ(d, ", its whole page", &expected, &page);
}

/* Permissions that go beyond the recorded ones have to come from the tables. */
static bool permission_is_right(const struct dma *d, const struct outcome *o, bool answered)
{
	if (o->perm == d->line->perm)
		return true;
	if (!outcome_same(&d->tables, o) && !answered)
		return false;
	player_deviates(d->player, DEVIATION_READ_NO_WRITE);
	return true;
}

/* An answer that agrees with the recording: whether it is right in all ways. */
static void look_closer(const struct dma *d, const struct outcome *o)
{
	struct outcome expected = recorded(d->line);
	struct outcome device = outcome_ask_device(d->source->device, &d->request);
	bool answered = was_answered(d, o->to, o->perm);

	remember(d, o);
	if (!permission_is_right(d, o, answered))
		differ(d, "", &expected, o);
	else if (outcome_same(&device, o))
		check_page(d, o);
	else if (answered && outcome_same(&device, &d->tables))
		player_deviates(d->player, DEVIATION_CACHED_BY_US);
	else
		differ(d, ", without channel", o, &device);
}

/* ---- the line ---- */

static void disagree(const struct dma *d, const struct outcome *o, void *before, uint64_t bytes)
{
	struct outcome expected = recorded(d->line);

	if (o->result >= 0 && d->line->perm && cached_by_recorder(d, o)) {
		undo(d, before, bytes);
		return;
	}
	if (o->result < 0 || !cached_by_us(d, o))
		differ(d, "", &expected, o);
	undo(d, before, bytes);
}

static void serve(const struct dma *d)
{
	uint64_t bytes = 0;
	void *before = NULL;
	struct outcome o;

	/* The recorder may know better than the tables. Then our fault is to be undone. */
	if (d->line->perm && d->tables.perm == 0 && !d->line->index)
		before = player_save(d->player, &bytes);
	o = outcome_ask(d->player, d->source->channel, &d->request);
	if (!agrees(d->line, &o)) {
		disagree(d, &o, before, bytes);
		return;
	}
	free(before);
	if (d->line->perm)
		look_closer(d, &o);
}

void vtd_dma_line(struct player *p, const struct tape_line *l)
{
	struct dma d = { .player = p, .line = l, .request = outcome_request(l) };

	d.source = source_of(p, l);
	if (!d.source)
		return;
	d.source->refused |= l->perm == 0;
	d.tables = outcome_now(d.source->device, d.source->key.pasid, l);
	serve(&d);
}
