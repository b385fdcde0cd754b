/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_common.c - what tapes of every engine may have that the library has recorded: saved state (Z), calls that go on with
 * what is pending (N), resets (X), flushes (FL), page requests (PR), memory that cannot be accessed (MX), and mappings that a
 * listener refused (LR).
 */

#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/listener.h>

#include "play_smmu.h"
#include "player.h"

#define STATE_MAX (UINT32_C(1) << 28)

/* ---- Z total offset bytes ---- */

static bool parse_state(struct words *w, struct tape_line *l)
{
	if (!line_fields(w, 4) || !words_hex(w, 1, STATE_MAX, &l->to) ||
	    !words_hex(w, 2, STATE_MAX, &l->at) || !words_data(w, 3))
		return false;
	l->data = w->data;
	l->bytes = (uint32_t)w->bytes;
	return (l->bytes && l->at + l->bytes <= l->to) || words_fail(w, "state beyond its end");
}

static void expect(struct player *p, const struct tape_line *l, int result)
{
	result = player_finish(p, player_iommu(p, 0), result);
	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "to be served", viommu_strerror(result));
}

static void state_line(struct player *p, const struct tape_line *l)
{
	if (l->at == 0) {
		free(p->state);
		p->state = malloc(l->to);
		p->state_bytes = p->state ? l->to : 0;
	}
	if (!p->state || p->state_bytes != l->to) {
		player_differ(p, l->kind, l->number, "the beginning of a state", "another piece");
		return;
	}
	memcpy(p->state + l->at, l->data, l->bytes);
	if (l->at + l->bytes < l->to || (p->smmu && !smmu_ready(p)))
		return;
	if (player_iommu(p, 0))
		expect(p, l, viommu_restore(player_iommu(p, 0), p->state, p->state_bytes));
	if (p->engine->part[0]->restored)
		p->engine->part[0]->restored(p);
	free(p->state);
	p->state = NULL;
}

/* ---- N, X, FL ---- */

static bool parse_nothing(struct words *w, struct tape_line *l)
{
	(void)l;
	return line_fields(w, 1);
}

static void serve(struct player *p, const struct tape_line *l, int (*call)(struct viommu *iommu))
{
	if (p->smmu && !smmu_ready(p))
		return;
	expect(p, l, call(player_iommu(p, 0)));
}

static void run_line(struct player *p, const struct tape_line *l)
{
	serve(p, l, viommu_run);
}

static void reset_line(struct player *p, const struct tape_line *l)
{
	serve(p, l, viommu_reset);
}

static void flush_line(struct player *p, const struct tape_line *l)
{
	serve(p, l, viommu_flush);
}

/* ---- PR device pasid address group access last result ---- */

static bool parse_page_request(struct words *w, struct tape_line *l)
{
	uint32_t group = 0;

	if (!line_fields(w, 8) || !words_hex32(w, 1, UINT32_MAX, &l->rid) ||
	    !words_hex32(w, 2, UINT32_MAX, &l->pasid) || !words_hex(w, 3, UINT64_MAX, &l->at) ||
	    !words_hex32(w, 4, 0x1ff, &group) || !words_hex32(w, 5, 0xf, &l->access) ||
	    !words_hex32(w, 6, 1, &l->index))
		return false;
	l->value = group;
	l->fault = strcmp(w->word[7], "fault") == 0;
	return l->fault || strcmp(w->word[7], "ok") == 0 || words_fail(w, "neither ok nor fault");
}

static void page_request_line(struct player *p, const struct tape_line *l)
{
	const struct viommu_page_request request = { .address = l->at,
						     .pasid = l->pasid,
						     .group = (uint16_t)l->value,
						     .access = (uint16_t)l->access,
						     .last = l->index };
	int result = VIOMMU_OK;
	struct viommu_device *device = player_device(p, l->rid, &result);

	if (device)
		result = viommu_request_page(device, &request);
	if (result != (l->fault ? VIOMMU_FAULT : VIOMMU_OK))
		player_differ(p, l->kind, l->number, l->fault ? "refused" : "accepted",
			      viommu_strerror(result));
}

/* ---- MX gpa bytes what ---- */

static bool parse_hole(struct words *w, struct tape_line *l)
{
	return line_fields(w, 4) && words_hex(w, 1, UINT64_MAX - 4096, &l->at) &&
	       words_decimal(w, 2, 4096, &l->bytes) && words_hex(w, 3, 2, &l->value);
}

static void hole_line(struct player *p, const struct tape_line *l)
{
	if (!guest_hole(&p->memory, l->at, l->bytes, l->value == 2))
		p->exhausted = true;
}

/* ---- LR device iova: a listener refused the mapping of this address ---- */

static bool parse_refusal(struct words *w, struct tape_line *l)
{
	return line_fields(w, 3) && words_hex32(w, 1, UINT32_MAX, &l->rid) &&
	       words_hex(w, 2, UINT64_MAX, &l->at);
}

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *f)
{
	struct refusal *r = opaque;

	(void)device;
	(void)pasid;
	if (!r->listener || r->line->at - iova >= f->length)
		return VIOMMU_OK; /* what is mapped already, or another one */
	r->asked = true;
	return VIOMMU_ENOMEM;
}

void player_refuse(struct player *p)
{
	const struct tape_line *l;
	size_t at = 0;

	while (p->refusals < PLAYER_REFUSED && (l = effects_next(&p->effects, TAPE_LR, &at))) {
		struct refusal *r = &p->refusal[p->refusals++];
		const struct viommu_listener_config config = { .size = sizeof(config),
							       .opaque = r,
							       .map = on_map };
		int result = VIOMMU_OK;
		struct viommu_device *device = player_device(p, l->rid, &result);

		*r = (struct refusal){ .line = l };
		if (device)
			viommu_listener_new(player_iommu(p, 0), device, &config, &r->listener);
	}
}

/* Of a request that began before, a state says what came of it. */
void player_refused(struct player *p, const struct tape_line *event)
{
	while (p->refusals) {
		struct refusal *r = &p->refusal[--p->refusals];

		viommu_listener_free(r->listener);
		if (!r->asked && event->kind != TAPE_N)
			player_differ(p, TAPE_LR, r->line->number, "a mapping that is refused",
				      "none");
	}
}

/* Each has been settled with its listener. */
static void settle_refusals(struct player *p, const struct tape_line *event)
{
	(void)p;
	(void)event;
}

/* ---- rows ---- */

static const struct header_row headers[] = { { "limits", "ddddddddddd", false },
					     { NULL, NULL, false } };

static const struct line_row lines[] = {
	{ TAPE_Z, ROLE_STATE, parse_state, state_line, NULL },
	{ TAPE_N, ROLE_EVENT, parse_nothing, run_line, NULL },
	{ TAPE_FL, ROLE_EVENT, parse_nothing, flush_line, NULL },
	{ TAPE_PR, ROLE_EVENT, parse_page_request, page_request_line, NULL },
	{ TAPE_MX, ROLE_STATE, parse_hole, hole_line, NULL },
	{ TAPE_LR, ROLE_EFFECT, parse_refusal, NULL, settle_refusals },
};

const struct part part_common = { .headers = headers,
				  .lines = lines,
				  .line_count = sizeof(lines) / sizeof(lines[0]) };

static const struct line_row resets[] = {
	{ TAPE_X, ROLE_EVENT, line_number, reset_line, NULL },
};

const struct part part_reset = { .lines = resets, .line_count = 1 };
