/* SPDX-License-Identifier: BSD-3-Clause */
/* play_riscv.c - recordings of the RISC-V IOMMU: registers, translations, interrupt files, and interrupts of its own. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outcome.h"
#include "play_riscv.h"
#include "source.h"

/* ---- the engine ---- */

static void on_line(void *opaque, uint32_t number, uint32_t level)
{
	struct player *p = opaque;

	p->riscv->high = level ? p->riscv->high | 1U << number : p->riscv->high & ~(1U << number);
	if (level)
		raised_add(p, &p->riscv->wires, number, 1);
}

static int start(struct player *p)
{
	const struct viommu_host host = { .size = sizeof(host),
					  .opaque = p,
					  .msi = raised_on_msi,
					  .line = on_line,
					  .message = player_message };
	struct viommu_limits limits;
	const struct viommu_riscv_config config = {
		.size = sizeof(config),
		.capabilities = player_header(p, "capabilities", 0, 0),
		.ddtp = player_header(p, "ddtp", 0, 0),
		.vectors = (uint32_t)player_header(p, "vectors", 0, 0),
		.counters = (uint32_t)player_header(p, "counters", 0, 0),
		.qosid_bits = (uint32_t)player_header(p, "qosid_bits", 0, 0),
		.host = &host,
		.limits = player_limits(p, &limits),
	};

	p->riscv = calloc(1, sizeof(*p->riscv));
	return p->riscv ? viommu_riscv_new(p->vm, &config, &p->iommu) : VIOMMU_ENOMEM;
}

static void stop(struct player *p)
{
	if (!p->riscv)
		return;
	free(p->riscv->wires.list);
	free(p->riscv);
	p->riscv = NULL;
}

/* ---- X ---- */

static void reset(struct player *p, const struct tape_line *l)
{
	int result = player_finish(p, p->iommu, viommu_reset(p->iommu));

	if (result != VIOMMU_OK)
		player_differ(p, TAPE_X, l->number, "a reset", viommu_strerror(result));
}

/* ---- T ---- */

static uint64_t expected_to(const struct tape_line *l)
{
	return l->perm ? (l->to & ~l->mask) | (l->at & l->mask) : 0;
}

static void differ(struct player *p, const struct tape_line *l, const char *where,
		   const struct source *s, const struct viommu_request *r, const struct outcome *o)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "%" PRIx64 " permission %x", expected_to(l), l->perm);
	outcome_differ(p, l, s->device, r, where, expected, o);
}

static int ignore(void *opaque, const struct viommu_step *step)
{
	(void)opaque;
	(void)step;
	return 0;
}

/* The page of the recording has to be one piece, if its ends are granted at all: no fault is to be recorded. */
static void check_page(struct player *p, const struct tape_line *l, const struct source *s)
{
	struct viommu_request first = outcome_request(l);
	struct viommu_request last = first;
	struct outcome o;

	first.first = first.last = l->at & ~l->mask;
	last.first = last.last = l->at | l->mask;
	if (viommu_explain(s->device, &first, 0, ignore, NULL) != VIOMMU_OK ||
	    viommu_explain(s->device, &last, 0, ignore, NULL) != VIOMMU_OK)
		return;
	first.last = last.last;
	o = outcome_ask(p, s->channel, &first);
	if (o.to != expected_to(l) - (l->at & l->mask) || o.length != l->mask + 1)
		differ(p, l, ", its page", s, &first, &o);
}

static void translation(struct player *p, const struct tape_line *l)
{
	const struct viommu_request r = outcome_request(l);
	const struct source *s = source_of(p, l);
	struct outcome o;

	if (!s)
		return;
	o = outcome_ask(p, s->channel, &r);
	if (o.result < 0 || o.to != expected_to(l) || o.perm != l->perm) {
		differ(p, l, "", s, &r, &o);
		return;
	}
	if (!l->perm)
		return;
	o = outcome_ask_device(s->device, &r);
	if (o.to != expected_to(l) || o.perm != l->perm)
		differ(p, l, ", without channel", s, &r, &o);
	check_page(p, l, s);
}

/* ---- MSI device address size data result ---- */

static bool parse_message(struct words *w, struct tape_line *l)
{
	uint32_t data;

	if (!line_fields(w, 6) || !words_hex32(w, 1, UINT32_MAX, &l->rid) ||
	    !words_hex(w, 2, UINT64_MAX, &l->at) || !words_size(w, 3, &l->bytes) ||
	    !words_hex32(w, 4, UINT32_MAX, &data))
		return false;
	l->value = data;
	l->fault = strcmp(w->word[5], "fault") == 0;
	return l->fault || strcmp(w->word[5], "ok") == 0 || words_fail(w, "neither ok nor fault");
}

static void message(struct player *p, const struct tape_line *l)
{
	struct viommu_msi msi;
	int result = VIOMMU_OK;

	source_find(p, l->rid, VIOMMU_NO_PASID, &result);
	if (!result)
		result = viommu_remap_msi(p->iommu, l->rid, l->at, (uint32_t)l->value, 0, &msi);
	if (result != (l->fault ? VIOMMU_FAULT : VIOMMU_OK))
		player_differ(p, TAPE_MSI, l->number, l->fault ? "refused" : "accepted",
			      viommu_strerror(result));
}

/* ---- S and WSI ---- */

static bool parse_wire(struct words *w, struct tape_line *l)
{
	uint32_t level;

	if (!line_fields(w, 3) || !words_hex(w, 1, 15, &l->at) || !words_hex32(w, 2, 1, &level))
		return false;
	l->value = level;
	return true;
}

/* A wire that is high already is pulsed again by the recorder; it has no edge. */
static void settle_wires(struct player *p, const struct tape_line *event)
{
	raised_settle(p, TAPE_WSI, event, &p->riscv->wires);
}

/* ---- rows ---- */

static const struct header_row headers[] = {
	{ "registers", "x", false },  { "capabilities", "x", true }, { "variant", "w", false },
	{ "ddtp", "x", false },	      { "vectors", "d", false },     { "counters", "x", false },
	{ "qosid_bits", "x", false }, { NULL, NULL, false }
};

static const struct line_row lines[] = {
	{ TAPE_R, ROLE_EVENT, line_register, player_read_line, NULL },
	{ TAPE_W, ROLE_EVENT, line_register, player_write_line, NULL },
	{ TAPE_X, ROLE_EVENT, line_number, reset, NULL },
	{ TAPE_T, ROLE_EVENT, line_translation32, translation, NULL },
	{ TAPE_MSI, ROLE_EVENT, parse_message, message, NULL },
	{ TAPE_M, ROLE_STATE, line_memory, memory_line, NULL },
	{ TAPE_WRITTEN, ROLE_EFFECT, line_memory, NULL, riscv_settle_written },
	{ TAPE_S, ROLE_EFFECT, line_message, NULL, raised_settle_sent },
	{ TAPE_WSI, ROLE_EFFECT, parse_wire, NULL, settle_wires },
};

const struct part part_riscv = { .headers = headers,
				 .lines = lines,
				 .line_count = sizeof(lines) / sizeof(lines[0]),
				 .start = start,
				 .stop = stop };
