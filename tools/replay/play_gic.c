/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_gic.c - LPIs and ITSs that the library has recorded: all of a VM on one tape, where GS lines say whose events follow.
 *
 * Nothing is left open there, as it is on other tapes (play_its.c): what is acknowledged has a line, and each GL line is one
 * call of the callback, in order.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/its.h>

#include "player.h"
#include "written.h"

#define ITS_MAX	    64U
#define SELECT_LPIS ITS_MAX
#define FRAME	    0x10000U
#define TOLD_MAX    1024U

struct told {
	enum tape_kind kind; /* GL, GLV */
	uint32_t cpu;
	uint32_t vpe;
	uint32_t intid;
	uint32_t pending;
};

struct gic_play {
	struct viommu *lpis;
	struct viommu *its[ITS_MAX];
	uint64_t base[ITS_MAX];
	uint32_t selected;
	struct told told[TOLD_MAX]; /* during the event; more are counted only */
	uint32_t count;
};

/* ---- the engines ---- */

static void on_told(struct gic_play *g, const struct told *told)
{
	if (g->count < TOLD_MAX)
		g->told[g->count] = *told;
	g->count++;
}

static void on_lpi(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority, uint32_t pending)
{
	(void)priority;
	on_told(opaque, &(struct told){ TAPE_GL, cpu, 0, intid, pending });
}

static void on_vlpi(void *opaque, uint32_t cpu, uint32_t vpe, uint32_t intid, uint32_t priority,
		    uint32_t pending)
{
	(void)priority;
	on_told(opaque, &(struct told){ TAPE_GLV, cpu, vpe, intid, pending });
}

/* n typer iidr number base devices events queue_budget steps */
static int add_its(struct player *p, const uint64_t *value)
{
	const struct viommu_host host = { .size = sizeof(host),
					  .opaque = p,
					  .message = player_message };
	struct gic_play *g = p->gic;
	struct viommu_limits limits = { .size = sizeof(limits) };
	const struct viommu_its_config config = { .size = sizeof(config),
						  .lpis = g->lpis,
						  .typer = value[1],
						  .iidr = (uint32_t)value[2],
						  .number = (uint32_t)value[3],
						  .base = value[4],
						  .devices = (uint32_t)value[5],
						  .events = (uint32_t)value[6],
						  .host = &host,
						  .limits = &limits };
	uint64_t n = value[0];

	if (n >= ITS_MAX)
		return VIOMMU_EINVAL;
	limits.queue_budget = (uint32_t)value[7];
	limits.steps = (uint32_t)value[8];
	viommu_free(g->its[n]); /* that had this number before */
	g->its[n] = NULL;
	g->base[n] = config.base;
	return viommu_its_new(p->vm, &config, &g->its[n]);
}

#define ITS_WORDS 9U

static bool parse_its(struct words *w, unsigned from, uint64_t *value)
{
	for (unsigned i = 0; i < ITS_WORDS; i++) {
		if (!words_hex(w, from + i, i == 1 || i == 4 ? UINT64_MAX : UINT32_MAX, &value[i]))
			return false;
	}
	return true;
}

static int add_all(struct player *p)
{
	static struct words words;
	uint64_t value[ITS_WORDS];
	int result = VIOMMU_OK;

	for (unsigned i = 0; !result && i < p->header->count; i++) {
		char text[512];

		if (strcmp(p->header->line[i].name, "its") != 0)
			continue;
		snprintf(text, sizeof(text), "%s", p->header->line[i].value);
		result = words_split(&words, text) && words.count == ITS_WORDS &&
					 parse_its(&words, 0, value)
				 ? add_its(p, value)
				 : VIOMMU_EINVAL;
	}
	return result;
}

static int start(struct player *p)
{
	const struct viommu_host host = { .size = sizeof(host),
					  .opaque = p,
					  .message = player_message };
	struct viommu_limits limits;
	struct viommu_lpis_config config = {
		.size = sizeof(config),
		.flags = (uint32_t)player_header(p, "lpis", 0, 0),
		.cpus = (uint32_t)player_header(p, "lpis", 1, 0),
		.intid_bits = (uint32_t)player_header(p, "lpis", 2, 0),
		.vpes = (uint32_t)player_header(p, "lpis", 3, 0),
		.rd_base = player_header(p, "lpis", 4, 0),
		.rd_stride = player_header(p, "lpis", 5, 0),
		.lpi = on_lpi,
		.vlpi = player_has_header(p, "vlpis") ? on_vlpi : NULL,
		.host = &host,
		.limits = player_limits(p, &limits),
	};
	int result;

	p->gic = calloc(1, sizeof(*p->gic));
	if (!p->gic)
		return VIOMMU_ENOMEM;
	p->gic->selected = SELECT_LPIS;
	config.opaque = p->gic;
	result = viommu_lpis_new(p->vm, &config, &p->gic->lpis);
	return result ? result : add_all(p);
}

static void stop(struct player *p)
{
	if (!p->gic)
		return;
	for (unsigned i = 0; i < ITS_MAX; i++)
		viommu_free(p->gic->its[i]);
	viommu_free(p->gic->lpis);
	free(p->gic);
	p->gic = NULL;
}

static struct viommu *iommu_of(const struct player *p)
{
	const struct gic_play *g = p->gic;

	if (!g)
		return NULL;
	return g->selected < ITS_MAX ? g->its[g->selected] : g->lpis;
}

/* The selected one first, the others in their order. */
static struct viommu *nth(const struct player *p, unsigned n, uint64_t *translation)
{
	const struct gic_play *g = p->gic;
	bool selected = g && g->selected < ITS_MAX && g->its[g->selected];

	if (selected && n == 0) {
		*translation = g->base[g->selected] + FRAME;
		return g->its[g->selected];
	}
	n -= selected;
	for (unsigned i = 0; g && i < ITS_MAX; i++) {
		if (!g->its[i] || (selected && i == g->selected) || n-- != 0)
			continue;
		*translation = g->base[i] + FRAME;
		return g->its[i];
	}
	return NULL;
}

/* The selected ITS; NULL: there is none, which is a difference. */
static struct viommu *its_of(struct player *p, const struct tape_line *l)
{
	struct viommu *its = p->gic->selected < ITS_MAX ? iommu_of(p) : NULL;

	if (!its)
		player_differ(p, l->kind, l->number, "an ITS", "none that is selected");
	return its;
}

static void select_line(struct player *p, const struct tape_line *l)
{
	p->gic->selected = (uint32_t)l->value;
	if (!iommu_of(p)) {
		player_differ(p, l->kind, l->number, "an ITS", "none that a header has named");
		p->gic->selected = SELECT_LPIS;
	}
}

/* ---- registers: rid is the CPU, of a redistributor ---- */

static void read_line(struct player *p, const struct tape_line *l)
{
	struct viommu *its = its_of(p, l);
	uint64_t value = 0;
	int result = its ? viommu_reg_read(its, l->at, l->bytes, &value) : VIOMMU_OK;

	if (its)
		player_value(p, l, result, value);
}

static void write_line(struct player *p, const struct tape_line *l)
{
	struct viommu *its = its_of(p, l);
	int result = its ? viommu_reg_write(its, l->at, l->bytes, l->value) : VIOMMU_OK;

	player_value(p, l, its ? player_finish(p, its, result) : VIOMMU_OK, l->value);
}

static void frame_read_line(struct player *p, const struct tape_line *l)
{
	uint64_t value = 0;
	int result =
		viommu_reg_read(p->gic->lpis, VIOMMU_LPIS_OFFSET(l->rid, l->at), l->bytes, &value);

	player_value(p, l, result, value);
}

static void frame_write_line(struct player *p, const struct tape_line *l)
{
	int result = viommu_reg_write(p->gic->lpis, VIOMMU_LPIS_OFFSET(l->rid, l->at), l->bytes,
				      l->value);

	player_value(p, l, player_finish(p, p->gic->lpis, result), l->value);
}

/* ---- messages, acknowledgements ---- */

static void message_line(struct player *p, const struct tape_line *l)
{
	struct viommu *its = its_of(p, l);
	struct viommu_msi msi = { 0 };
	char expected[64];
	char came[64];
	int result;

	if (!its)
		return;
	result = viommu_remap_msi(its, l->rid, p->gic->base[p->gic->selected] + FRAME + l->at,
				  (uint32_t)l->value, l->index ? VIOMMU_MSI_RESOLVE : 0, &msi);
	if (result == (l->fault ? VIOMMU_FAULT : VIOMMU_OK) &&
	    (!l->index || l->fault || (msi.cpu == l->to && msi.intid == l->to_value)))
		return;
	snprintf(expected, sizeof(expected), "%s, %" PRIx64 " %" PRIx64,
		 l->fault ? "refused" : "accepted", l->to, l->to_value);
	snprintf(came, sizeof(came), "%s, reason %x, %x %x", viommu_strerror(result), msi.reason,
		 msi.cpu, msi.intid);
	player_differ(p, l->kind, l->number, expected, came);
}

static void acknowledge_line(struct player *p, const struct tape_line *l)
{
	int (*call)(struct viommu * lpis, uint32_t at, uint32_t intid) =
		l->kind == TAPE_GA ? viommu_lpis_acknowledge : viommu_lpis_acknowledge_virtual;
	int result = call(p->gic->lpis, l->rid, (uint32_t)l->value);

	if (result != (l->perm ? VIOMMU_OK : VIOMMU_ENOENT))
		player_differ(p, l->kind, l->number, l->perm ? "pending" : "not pending",
			      viommu_strerror(result));
}

/* In the order of the recording, GL and GLV. */
static bool was_told(const struct told *t, const struct tape_line *l)
{
	return t->kind == l->kind && t->cpu == l->rid && t->vpe == l->index &&
	       t->intid == l->value && t->pending == l->perm;
}

static void settle_pending(struct player *p, const struct tape_line *event)
{
	struct gic_play *g = p->gic;
	uint32_t n = 0;
	char text[64];

	for (size_t i = 0; i < p->effects.count; i++) {
		const struct tape_line *l = &p->effects.list[i];

		if (l->kind != TAPE_GL && l->kind != TAPE_GLV)
			continue;
		if (n >= g->count || (n < TOLD_MAX && !was_told(&g->told[n], l))) {
			snprintf(text, sizeof(text), "%s %" PRIx64 " at %x pending %u",
				 l->kind == TAPE_GL ? "LPI" : "vLPI", l->value, l->rid, l->perm);
			player_differ(p, l->kind, l->number, text, "otherwise");
		}
		n++;
	}
	if (n < g->count) {
		snprintf(text, sizeof(text), "%u more", g->count - n);
		player_differ(p, TAPE_GL, event->number, "nothing", text);
	}
	g->count = 0;
}

static void settled_with_gl(struct player *p, const struct tape_line *event)
{
	(void)p;
	(void)event;
}

static void restored(struct player *p)
{
	p->gic->count = 0;
	effects_forget(&p->effects);
}

/* ---- lines ---- */

static bool parse_select(struct words *w, struct tape_line *l)
{
	return line_fields(w, 2) && words_hex(w, 1, SELECT_LPIS, &l->value);
}

/* GRD, GRR: cpu off size value */
static bool parse_frame(struct words *w, struct tape_line *l)
{
	return line_fields(w, 5) && words_hex32(w, 1, 1023, &l->rid) &&
	       words_hex(w, 2, 0x3ffff, &l->at) && words_size(w, 3, &l->bytes) &&
	       words_hex(w, 4, UINT64_MAX >> (64 - 8 * l->bytes), &l->value);
}

/* GI: device off event ok [cpu intid]; those with the last two were only asked for */
static bool parse_message(struct words *w, struct tape_line *l)
{
	uint32_t ok = 0;

	l->index = w->count == 7;
	if (!line_fields(w, l->index ? 7 : 5) || !words_hex32(w, 1, UINT32_MAX, &l->rid) ||
	    !words_hex(w, 2, UINT64_MAX, &l->at) || !words_hex(w, 3, UINT32_MAX, &l->value) ||
	    !words_hex32(w, 4, 1, &ok))
		return false;
	l->fault = !ok;
	return !l->index ||
	       (words_hex(w, 5, UINT32_MAX, &l->to) && words_hex(w, 6, UINT32_MAX, &l->to_value));
}

/* GL, GA, GAV: cpu or vPE, intid, 1 or 0 */
static bool parse_pending(struct words *w, struct tape_line *l)
{
	return line_fields(w, 4) && words_hex32(w, 1, UINT32_MAX, &l->rid) &&
	       words_hex(w, 2, UINT32_MAX, &l->value) && words_hex32(w, 3, 1, &l->perm);
}

/* GLV: cpu vpe intid pending */
static bool parse_virtual(struct words *w, struct tape_line *l)
{
	return line_fields(w, 5) && words_hex32(w, 1, UINT32_MAX, &l->rid) &&
	       words_hex32(w, 2, UINT32_MAX, &l->index) && words_hex(w, 3, UINT32_MAX, &l->value) &&
	       words_hex32(w, 4, 1, &l->perm);
}

/* GN: an ITS that came later, as the its header says it of others */
static bool parse_new(struct words *w, struct tape_line *l)
{
	l->list = w->list;
	l->listed = ITS_WORDS;
	return line_fields(w, 1 + ITS_WORDS) && parse_its(w, 1, w->list);
}

static void new_line(struct player *p, const struct tape_line *l)
{
	int result = add_its(p, l->list);

	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "an ITS", viommu_strerror(result));
}

/* Nobody's DMA is translated. */
static struct viommu_device *no_device(struct player *p, uint32_t name)
{
	(void)p;
	(void)name;
	return NULL;
}

static const struct header_row headers[] = { { "lpis", "xxxxxx", true },
					     { "vlpis", "x", false },
					     { "its", "xxxxxxxxx", false },
					     { NULL, NULL, false } };

static const struct line_row lines[] = {
	{ TAPE_GS, ROLE_STATE, parse_select, select_line, NULL },
	{ TAPE_GR, ROLE_EVENT, line_register, read_line, NULL },
	{ TAPE_GW, ROLE_EVENT, line_register, write_line, NULL },
	{ TAPE_GRR, ROLE_EVENT, parse_frame, frame_read_line, NULL },
	{ TAPE_GRD, ROLE_EVENT, parse_frame, frame_write_line, NULL },
	{ TAPE_GI, ROLE_EVENT, parse_message, message_line, NULL },
	{ TAPE_GA, ROLE_EVENT, parse_pending, acknowledge_line, NULL },
	{ TAPE_GAV, ROLE_EVENT, parse_pending, acknowledge_line, NULL },
	{ TAPE_M, ROLE_STATE, line_memory, memory_line, NULL },
	{ TAPE_WRITTEN, ROLE_EFFECT, line_memory, NULL, written_settle_all },
	{ TAPE_GL, ROLE_EFFECT, parse_pending, NULL, settle_pending },
	{ TAPE_GLV, ROLE_EFFECT, parse_virtual, NULL, settled_with_gl },
	{ TAPE_GN, ROLE_STATE, parse_new, new_line, NULL },
};

const struct part part_gic = { .headers = headers,
			       .lines = lines,
			       .line_count = sizeof(lines) / sizeof(lines[0]),
			       .start = start,
			       .stop = stop,
			       .iommu = iommu_of,
			       .its = nth,
			       .device = no_device,
			       .restored = restored };
