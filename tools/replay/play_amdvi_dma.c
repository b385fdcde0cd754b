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

static struct amdvi_source *find(const struct player *p, uint64_t key)
{
	struct amdvi_source *s;

	HASH_FIND(hh, p->amdvi->sources, &key, sizeof(key), s);
	return s;
}

/* The device of a requester, made by the first of its sources. */
static int take_device(struct player *p, uint32_t rid, struct amdvi_source *s)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = rid };

	s->owner = viommu_find_device(p->amdvi->iommu, rid, &s->device) != VIOMMU_OK;
	return s->owner ? viommu_device_new(p->amdvi->iommu, &config, &s->device) : VIOMMU_OK;
}

static struct amdvi_source *source(struct player *p, uint32_t rid, uint32_t pasid, int *result)
{
	uint64_t key = (uint64_t)rid << 32 | pasid;
	struct amdvi_source *s = find(p, key);
	bool full = false;

	if (s)
		return s;
	*result = VIOMMU_ENOMEM;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->key = key;
	*result = take_device(p, rid, s);
	if (!*result)
		*result = viommu_channel_new(s->device, pasid, &s->channel);
	if (!*result)
		TABLE_ADD(p->amdvi->sources, key, s, full);
	if (!*result && !full)
		return s;
	viommu_channel_free(s->channel);
	if (s->owner)
		viommu_device_free(s->device);
	free(s);
	return NULL;
}

void amdvi_free_sources(struct player *p)
{
	struct amdvi_source *s, *next;

	HASH_ITER(hh, p->amdvi->sources, s, next)
		viommu_channel_free(s->channel);
	HASH_ITER(hh, p->amdvi->sources, s, next) {
		if (s->owner)
			viommu_device_free(s->device);
		HASH_DEL(p->amdvi->sources, s);
		free(s);
	}
}

static void differ(struct player *p, const struct tape_line *l, const struct amdvi_source *s,
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
static void check_page(struct player *p, const struct tape_line *l, const struct amdvi_source *s,
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
static bool cached_by_us(struct player *p, const struct tape_line *l, const struct amdvi_source *s,
			 const struct outcome *want, struct outcome *o)
{
	const struct viommu_request request = outcome_request(l);

	if (!was_answered(p, l, o))
		return false;
	player_finish(p, p->amdvi->iommu, viommu_flush(p->amdvi->iommu));
	*o = outcome_ask(p, s->channel, &request);
	if (!agrees(o, want))
		return false;
	player_deviates(p, DEVIATION_CACHED_BY_US);
	return true;
}

/* The recording has an earlier answer, and the tables say something else now, which is not asked aloud: it may leave an
 * event that the recording does not have. */
static bool cached_by_recorder(struct player *p, const struct tape_line *l,
			       const struct amdvi_source *s, const struct outcome *want)
{
	struct outcome now = outcome_now(s->device, l->pasid, l);

	if (agrees(&now, want) || !was_answered(p, l, want))
		return false;
	player_deviates(p, DEVIATION_CACHED_BY_RECORDER);
	return true;
}

/* Without a channel: the same, or what the tables say now, where the channel's own cache has an earlier answer. */
static void check_device(struct player *p, const struct tape_line *l, const struct amdvi_source *s,
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
	struct amdvi_source *s;
	int result = VIOMMU_OK;

	s = source(p, l->rid, l->pasid, &result);
	if (!s) {
		player_differ(p, TAPE_T, l->number, "a device and a channel",
			      viommu_strerror(result));
		return;
	}
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
