/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_amdvi_dma.c - translations (T).
 *
 * An answer is right if it grants what the recording granted and leads to the same address. The whole page of the
 * recording, and the way without a channel, have to give the same answer.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "outcome.h"
#include "play_amdvi.h"

static void differ(struct player *p, const struct tape_line *l, const struct source *s,
		   const char *where, const struct outcome *want, const struct outcome *o)
{
	const struct viommu_request request = outcome_request(l);
	char wanted[100];

	outcome_text(wanted, sizeof(wanted), want);
	outcome_differ(p, l, s->device, &request, where, wanted, o);
}

/* What one entry of the tables maps: of a page of another size the recording has one replica of several. */
static uint64_t natural_mask(uint64_t mask)
{
	return mask >= 0x3fffffff ? 0x3fffffff : mask >= 0x1fffff ? 0x1fffff : mask & 0xfff;
}

/* The page of the recording, as far as it is one entry. */
static void check_page(struct player *p, const struct tape_line *l, const struct source *s,
		       const struct outcome *o)
{
	struct viommu_request request = outcome_request(l);
	uint64_t mask = natural_mask(l->mask);
	struct outcome want = *o;
	struct outcome page;

	request.first &= ~mask;
	request.last |= mask;
	want.to &= ~mask;
	page = outcome_ask(p, s->channel, &request);
	if (!outcome_same(&page, &want) || page.length != mask + 1)
		differ(p, l, s, ", its whole page", &want, &page);
}

/* ---- caches: both answers are right between a change of the tables and its invalidation ---- */

static struct history_answer page_of(const struct player *p, const struct tape_line *l,
				     const struct outcome *o, uint64_t mask)
{
	return (struct history_answer){ .first = l->at & ~mask,
					.mask = mask,
					.to = o->to & ~mask,
					.perm = o->perm,
					.rid = l->rid,
					.pasid = l->pasid,
					.tag = amdvi_domain(p, l->rid) };
}

static void remember(struct player *p, const struct tape_line *l, const struct outcome *o)
{
	struct history_answer answer = page_of(p, l, o, 0xfff);

	if (o->perm && !l->index)
		history_add(&p->amdvi->history, &answer);
}

/* Whether this answer was given before, and nobody has invalidated it. */
static bool was_answered(const struct player *p, const struct tape_line *l, const struct outcome *o)
{
	struct history_answer answer = page_of(p, l, o, 0xfff);

	return o->perm && !l->index && history_has(&p->amdvi->history, &answer);
}

static bool agrees(const struct outcome *o, const struct outcome *want)
{
	return o->result >= 0 && o->perm == want->perm && o->to == want->to;
}

/* Our answer is an earlier one, and the recording has what the tables say now: so shall we. */
static bool cached_by_us(struct player *p, const struct tape_line *l, const struct source *s,
			 const struct outcome *want, struct outcome *o)
{
	const struct viommu_request request = outcome_request(l);

	if (!was_answered(p, l, o))
		return false;
	player_finish(p, p->iommu, viommu_flush(p->iommu));
	*o = outcome_ask(p, s->channel, &request);
	if (!agrees(o, want))
		return false;
	player_deviates(p, DEVIATION_CACHED_BY_US);
	return true;
}

/* The recording has an earlier answer, and the tables say something else now, which is not asked aloud: it may leave an
 * event that the recording does not have. */
static bool cached_by_recorder(struct player *p, const struct tape_line *l, const struct source *s,
			       const struct outcome *want)
{
	struct outcome now = outcome_now(s->device, l->pasid, l);

	if (agrees(&now, want) || !was_answered(p, l, want))
		return false;
	player_deviates(p, DEVIATION_CACHED_BY_RECORDER);
	return true;
}

/* Without a channel: the same, or what the tables say now, where the channel's own cache has an earlier answer. */
static void check_device(struct player *p, const struct tape_line *l, const struct source *s,
			 const struct outcome *o)
{
	const struct viommu_request request = outcome_request(l);
	struct outcome device = outcome_ask_device(s->device, &request);
	struct outcome now;

	if (outcome_same(&device, o))
		return;
	now = outcome_now(s->device, l->pasid, l);
	if (was_answered(p, l, o) && agrees(&device, &now))
		player_deviates(p, DEVIATION_CACHED_BY_US);
	else
		differ(p, l, s, ", without channel", o, &device);
}

/* ---- the line ---- */

void amdvi_dma_line(struct player *p, const struct tape_line *l)
{
	const struct viommu_request request = outcome_request(l);
	struct outcome want = { .perm = l->perm };
	struct outcome o;
	struct source *s;

	s = source_of(p, l);
	if (!s)
		return;
	if (l->perm)
		want.to = (l->to & ~l->mask) | (l->at & l->mask);
	if (cached_by_recorder(p, l, s, &want))
		return;
	o = outcome_ask(p, s->channel, &request);
	if (!agrees(&o, &want) && !cached_by_us(p, l, s, &want, &o)) {
		differ(p, l, s, "", &want, &o);
		return;
	}
	if (!l->perm)
		return;
	remember(p, l, &o);
	if (l->pasid == VIOMMU_NO_PASID)
		check_device(p, l, s, &o);
	check_page(p, l, s, &o);
}
