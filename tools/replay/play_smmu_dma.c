/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_smmu_dma.c - translations (T) of an SMMUv3.
 *
 * An answer is right if it grants what the recording granted and leads to the same address; the whole page of the
 * recording, and the way without a channel, have to give the same answer. The recorder keeps nothing, so that where tables
 * have changed and were not invalidated yet, an answer that was given before is right, too.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "play_smmu.h"

/* Larger pages are not looked at as a whole. */
#define PAGE_MAX (1ULL << 30)

struct dma {
	struct player *player;
	const struct tape_line *line;
	struct stream *stream;
	struct viommu_request request;
	uint32_t tag;
};

/* ---- streams ---- */

static struct viommu_device *device_of(const struct smmu_play *s, uint32_t sid)
{
	for (unsigned i = 0; i < s->streams; i++) {
		if (s->stream[i].sid == sid)
			return s->stream[i].device;
	}
	return NULL;
}

static void on_resume(void *opaque, uint64_t token, uint32_t action)
{
	(void)opaque; /* who waited asks again, with a line of its own */
	(void)token;
	(void)action;
}

static struct stream *new_stream(struct player *p, uint32_t sid, uint32_t pasid, int *result)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = sid };
	struct smmu_play *s = p->smmu;
	struct stream *t = &s->stream[s->streams];

	config.resume = s->waits ? on_resume : NULL;

	*result = VIOMMU_ELIMIT;
	if (s->streams == STREAMS_MAX)
		return NULL;
	*t = (struct stream){
		.device = device_of(s, sid), .sid = sid, .pasid = pasid, .waits = s->waits
	};
	*result = t->device ? VIOMMU_OK : viommu_device_new(p->iommu, &config, &t->device);
	if (!*result)
		*result = viommu_channel_new(t->device, pasid, &t->channel);
	if (*result && !device_of(s, sid))
		viommu_device_free(t->device);
	if (*result)
		return NULL;
	s->streams++;
	return t;
}

static void free_streams(struct smmu_play *s)
{
	for (unsigned i = 0; i < s->streams; i++)
		viommu_channel_free(s->stream[i].channel);
	while (s->streams) { /* a device goes with the first of its streams, which is the last that is met */
		struct stream *t = &s->stream[--s->streams];

		if (!device_of(s, t->sid))
			viommu_device_free(t->device);
	}
}

void smmu_free_streams(struct player *p)
{
	free_streams(p->smmu);
}

static struct stream *stream_of(struct player *p, uint32_t sid, uint32_t pasid, int *result)
{
	struct smmu_play *s = p->smmu;

	for (unsigned i = 0; i < s->streams; i++) {
		if (s->stream[i].sid == sid && s->stream[i].waits != s->waits) {
			free_streams(s); /* it is another device */
			break;
		}
		if (s->stream[i].sid == sid && s->stream[i].pasid == pasid)
			return &s->stream[i];
	}
	return new_stream(p, sid, pasid, result);
}

/* ---- right or wrong ---- */

static uint64_t expected_to(const struct tape_line *l)
{
	return l->perm ? (l->to & ~l->mask) | (l->at & l->mask) : 0;
}

static struct outcome recorded(const struct tape_line *l)
{
	return (struct outcome){ .result = l->perm ? VIOMMU_OK : VIOMMU_FAULT,
				 .perm = l->perm,
				 .to = expected_to(l) };
}

static bool agrees(const struct tape_line *l, const struct outcome *o)
{
	return o->result >= 0 && o->perm == l->perm && o->to == expected_to(l);
}

static void differ(const struct dma *d, const char *where, const struct outcome *expected,
		   const struct outcome *o)
{
	char want[100];

	outcome_text(want, sizeof(want), expected);
	outcome_differ(d->player, d->line, d->stream->device, &d->request, where,
		       d->line->perm ? want : "refused", o);
}

/* ---- caches ---- */

static struct history_answer page_of(const struct dma *d, uint64_t to, uint32_t perm, uint64_t mask)
{
	return (struct history_answer){ .first = d->line->at & ~mask,
					.mask = mask,
					.to = to & ~mask,
					.perm = perm,
					.rid = d->stream->sid,
					.pasid = d->stream->pasid,
					.tag = d->tag };
}

static void remember(const struct dma *d, const struct outcome *o)
{
	struct history_answer answer = page_of(d, o->to, o->perm, d->line->mask);

	if (o->perm && !d->line->index)
		history_add(&d->player->smmu->history, &answer);
}

/* Whether this answer was given before, and nobody has invalidated it. */
static bool was_answered(const struct dma *d, const struct outcome *o)
{
	static const uint64_t masks[] = { 0xfff, 0x3fff, 0xffff, 0x1fffff, 0x1ffffff, 0x3fffffff };

	if (o->perm == 0 || d->line->index)
		return false;
	for (unsigned i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		struct history_answer answer = page_of(d, o->to, o->perm, masks[i]);

		if (((d->line->at ^ o->to) & masks[i]) == 0 &&
		    history_has(&d->player->smmu->history, &answer))
			return true;
	}
	return false;
}

/* From here on the engine shall know what the recorder knew: it forgets its caches and is asked again, so that it records
 * the fault. */
static bool cached_by_us(const struct dma *d, const struct outcome *o)
{
	struct outcome tables = outcome_now(d->stream->device, d->stream->pasid, d->line);
	struct outcome again;
	uint64_t bytes;
	void *state;

	if (!was_answered(d, o) || !agrees(d->line, &tables))
		return false;
	state = player_save(d->player, &bytes);
	if (!player_restore(d->player, state, bytes))
		return false;
	again = outcome_ask(d->player, d->stream->channel, &d->request);
	if (!agrees(d->line, &again))
		return false;
	remember(d, &again);
	player_deviates(d->player, DEVIATION_SMMU_CACHED_BY_US);
	return true;
}

/* ---- the whole page, and without a channel ---- */

static void look_closer(const struct dma *d, const struct outcome *o)
{
	struct outcome device = outcome_ask_device(d->stream->device, &d->request);
	struct viommu_request whole = d->request;
	struct outcome expected = *o;
	struct outcome page;

	remember(d, o);
	if (!outcome_same(&device, o)) {
		differ(d, ", without channel", o, &device);
		return;
	}
	if (d->line->mask >= PAGE_MAX)
		return;
	whole.first &= ~d->line->mask;
	whole.last |= d->line->mask;
	expected.to -= d->line->at - whole.first;
	page = outcome_ask(d->player, d->stream->channel, &whole);
	if (!outcome_same(&page, &expected) || page.length != d->line->mask + 1)
		differ(d, ", its whole page", &expected, &page);
}

/* ---- the line ---- */

static bool has_effects(const struct player *p)
{
	size_t at = 0;

	return effects_next(&p->effects, TAPE_WRITTEN, &at) != NULL;
}

/* A refusal that the recorder left no record of: ours may have one (FORMAT.md). Then it is as if it had not. */
static void refused(const struct dma *d)
{
	struct outcome expected = recorded(d->line);
	bool silent = !has_effects(d->player);
	uint64_t bytes = 0;
	void *before = silent ? player_save(d->player, &bytes) : NULL;
	struct outcome o = outcome_ask(d->player, d->stream->channel, &d->request);

	if (!agrees(d->line, &o) && !cached_by_us(d, &o))
		differ(d, "", &expected, &o);
	if (silent && smmu_take_back_address_size(d->player))
		player_restore(d->player, before, bytes);
	else
		free(before);
}

/* Not translated: the recorder grants what it was asked for. */
static bool as_asked(const struct dma *d, const struct outcome *o)
{
	const struct tape_line *l = d->line;

	if (o->result != VIOMMU_OK || l->perm != l->access || o->to != l->at ||
	    expected_to(l) != l->at || o->perm != (VIOMMU_READ | VIOMMU_WRITE) ||
	    !smmu_bypasses(d->player, d->stream->sid))
		return false;
	player_deviates(d->player, DEVIATION_SMMU_BYPASS_ASKED);
	return true;
}

static void granted(const struct dma *d)
{
	struct outcome expected = recorded(d->line);
	struct outcome o = outcome_ask(d->player, d->stream->channel, &d->request);

	if (agrees(d->line, &o) || as_asked(d, &o))
		look_closer(d, &o);
	else if (!cached_by_us(d, &o))
		differ(d, "", &expected, &o);
}

void smmu_dma_line(struct player *p, const struct tape_line *l)
{
	struct dma d = { .player = p, .line = l, .request = outcome_request(l) };
	int result = VIOMMU_OK;

	if (!smmu_ready(p))
		return;
	p->smmu->waits = l->record;
	d.stream = stream_of(p, l->rid, l->pasid, &result);
	if (!d.stream) {
		player_differ(p, TAPE_T, l->number, "a device and a channel",
			      viommu_strerror(result));
		return;
	}
	d.tag = smmu_tag(p, l->rid);
	if (l->perm)
		granted(&d);
	else
		refused(&d);
}
