/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_its.c - the GICv3 ITS of a recording (G lines): its registers, redistributors, messages, and LPIs.
 *
 * What CPUs acknowledge is not recorded. An LPI that an event makes pending is acknowledged before it, so that it has to
 * become pending; one that the guest moves or clears may have been acknowledged before. Level-1 tables are not recorded
 * either: the guest has made them valid before it names an id, and all of their entries are taken to be.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <libvirtiommu/its.h>

#include "player.h"

#define WAITING_MAX 4096U
#define CPUS	    512U
#define REG_TYPER   8U
#define REG_BASER   0x100U
#define TRANSLATION                                                                                \
	0x10000U /* the translation frame, from the control frame on; GI has offsets in it */
#define TOLD_MAX 256U

/* A call of the lpi callback. */
struct told {
	uint32_t cpu;
	uint32_t intid;
	uint32_t pending;
};

struct its_play {
	struct viommu *lpis;
	struct viommu *its;
	bool fitted; /* TYPER is that of the recording */
	struct told told[TOLD_MAX];
	unsigned count; /* of told; more are counted only */
	/* LPIs that GL lines have made pending and that were not acknowledged since. */
	struct told waiting[WAITING_MAX];
	unsigned waiting_count;
};

/* ---- the engine ---- */

static void on_lpi(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority, uint32_t pending)
{
	struct its_play *i = opaque;

	(void)priority;
	if (i->count < TOLD_MAX)
		i->told[i->count] = (struct told){ .cpu = cpu, .intid = intid, .pending = pending };
	i->count++;
}

static int new_its(struct player *p, uint64_t typer)
{
	const struct viommu_host host = { .size = sizeof(host),
					  .opaque = p,
					  .message = player_message };
	const struct viommu_its_config config = {
		.size = sizeof(config), .lpis = p->its->lpis, .typer = typer, .host = &host
	};

	return viommu_its_new(p->vm, &config, &p->its->its);
}

static int start(struct player *p)
{
	struct viommu_lpis_config config = { .size = sizeof(config), .cpus = CPUS, .lpi = on_lpi };
	int result;

	p->its = calloc(1, sizeof(*p->its));
	if (!p->its)
		return VIOMMU_ENOMEM;
	config.opaque = p->its;
	result = viommu_lpis_new(p->vm, &config, &p->its->lpis);
	return result ? result : new_its(p, 0);
}

static void stop(struct player *p)
{
	if (!p->its)
		return;
	viommu_free(p->its->its);
	viommu_free(p->its->lpis);
	free(p->its);
	p->its = NULL;
}

static uint64_t its_register(const struct player *p, uint64_t offset)
{
	uint64_t value = 0;

	return viommu_reg_read(p->its->its, offset, 8, &value) == VIOMMU_OK ? value : 0;
}

/* No header says what TYPER is: the guest's first look at it does. It has programmed no more than tables then. */
static void fit(struct player *p, uint64_t typer)
{
	static const uint64_t kept[] = { 0x80, 0x100, 0x108, 0x110 };
	uint64_t value[sizeof(kept) / sizeof(kept[0])];
	unsigned count = sizeof(kept) / sizeof(kept[0]);

	if (p->its->fitted)
		return;
	p->its->fitted = true;
	for (unsigned i = 0; i < count; i++)
		value[i] = its_register(p, kept[i]);
	viommu_free(p->its->its);
	p->its->its = NULL;
	if (new_its(p, typer) != VIOMMU_OK && new_its(p, 0) != VIOMMU_OK)
		p->exhausted = true;
	for (unsigned i = 0; p->its->its && i < count; i++)
		viommu_reg_write(p->its->its, kept[i], 8, value[i]);
}

/* ---- events ---- */

static struct told *find_waiting(struct its_play *i, uint32_t cpu, uint64_t intid)
{
	for (unsigned n = 0; n < i->waiting_count; n++) {
		if (i->waiting[n].cpu == cpu && i->waiting[n].intid == intid)
			return &i->waiting[n];
	}
	return NULL;
}

static void set_waiting(struct its_play *i, const struct tape_line *l)
{
	struct told *t = find_waiting(i, l->rid, l->value);

	if (!l->perm && t)
		*t = i->waiting[--i->waiting_count];
	else if (l->perm && !t && i->waiting_count < WAITING_MAX)
		i->waiting[i->waiting_count++] =
			(struct told){ .cpu = l->rid, .intid = (uint32_t)l->value, .pending = 1 };
}

/* What the event makes pending is not pending before it. */
static void acknowledge(struct player *p)
{
	const struct tape_line *l;
	size_t at = 0;

	p->its->count = 0;
	while ((l = effects_next(&p->effects, TAPE_GL, &at))) {
		if (l->perm)
			viommu_lpis_acknowledge(p->its->lpis, l->rid, (uint32_t)l->value);
	}
}

static void check_done(struct player *p, const struct tape_line *l, int result)
{
	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "the access to be served",
			      viommu_strerror(result));
}

static void register_read(struct player *p, const struct tape_line *l)
{
	if (l->at == REG_TYPER && l->bytes == 8)
		fit(p, l->value);
	acknowledge(p);
	player_register(p, p->its->its, l);
}

/* A table of two levels: GITS_BASERn with Valid and Indirect. */
static void fill_level1(struct player *p, uint64_t baser)
{
	static const uint64_t entry = UINT64_C(1) << 63 | 0x10000;
	uint64_t page = UINT64_C(4096) << ((baser >> 8 & 3) * 2);
	uint64_t at = baser & UINT64_C(0xfffffffff000) & ~(page - 1);
	uint64_t bytes = ((baser & 0xff) + 1) * page;

	if (baser >> 62 != 3)
		return;
	for (uint64_t i = 0; i < bytes; i += sizeof(entry)) {
		if (!guest_store(&p->memory, at + i, &entry, sizeof(entry)))
			p->exhausted = true;
	}
}

static void register_write(struct player *p, const struct tape_line *l)
{
	int result;

	if (l->at >= REG_BASER && l->at < REG_BASER + 0x40)
		fill_level1(p, l->value);
	acknowledge(p);
	result = viommu_reg_write(p->its->its, l->at, l->bytes, l->value);
	check_done(p, l, player_finish(p, p->its->its, result));
}

static void redistributor_write(struct player *p, const struct tape_line *l)
{
	uint64_t offset = VIOMMU_LPIS_OFFSET(l->rid, l->at);
	int result;

	acknowledge(p);
	result = viommu_reg_write(p->its->lpis, offset, l->bytes, l->value);
	check_done(p, l, player_finish(p, p->its->lpis, result));
}

static void message(struct player *p, const struct tape_line *l)
{
	struct viommu_msi msi;
	char came[64];
	int result;

	acknowledge(p);
	result = viommu_remap_msi(p->its->its, l->rid, TRANSLATION + l->at, (uint32_t)l->value,
				  VIOMMU_MSI_RESOLVE, &msi);
	if (result == VIOMMU_OK)
		viommu_lpis_acknowledge(p->its->lpis, msi.cpu, msi.intid);
	result = viommu_remap_msi(p->its->its, l->rid, TRANSLATION + l->at, (uint32_t)l->value, 0,
				  &msi);
	if (result == VIOMMU_OK) { /* the callback is not made for LPIs that are disabled */
		p->its->told[0] = (struct told){ .cpu = msi.cpu, .intid = msi.intid, .pending = 1 };
		p->its->count = 1;
	}
	/* A message that delivers nothing is an access that is served, too: its GL line is missing. */
	if (result == VIOMMU_FAULT || (result == VIOMMU_OK && !l->fault))
		return;
	snprintf(came, sizeof(came), "%s, reason %x", viommu_strerror(result), msi.reason);
	player_differ(p, l->kind, l->number, l->fault ? "a failure" : "success", came);
}

/* ---- effects ---- */

static bool recorded(const struct player *p, const struct told *t)
{
	const struct tape_line *l;
	size_t at = 0;

	while ((l = effects_next(&p->effects, TAPE_GL, &at))) {
		if (l->rid == t->cpu && l->value == t->intid && l->perm == t->pending)
			return true;
	}
	return false;
}

/* An LPI went from one redistributor to another, and for the recorder had been acknowledged. */
static bool moved(const struct its_play *i, const struct told *t)
{
	for (unsigned n = 0; n < i->count && n < TOLD_MAX; n++) {
		const struct told *other = &i->told[n];

		if (other->intid == t->intid && other->cpu != t->cpu &&
		    other->pending != t->pending)
			return true;
	}
	return false;
}

/* Only its configuration has changed: it is pending as before. */
static bool as_before(struct its_play *i, const struct told *t)
{
	struct viommu_lpi lpi = { .size = sizeof(lpi) };

	if (t->pending)
		return find_waiting(i, t->cpu, t->intid) != NULL;
	return viommu_lpis_get(i->lpis, t->cpu, t->intid, &lpi) == VIOMMU_OK && lpi.pending;
}

static void settle_pending(struct player *p, const struct tape_line *event)
{
	const struct tape_line *l;
	bool right = true;
	char text[64];
	size_t at = 0;

	while ((l = effects_next(&p->effects, TAPE_GL, &at))) {
		struct viommu_lpi lpi = { .size = sizeof(lpi) };
		int result = viommu_lpis_get(p->its->lpis, l->rid, (uint32_t)l->value, &lpi);

		if (result == VIOMMU_OK && lpi.pending == l->perm)
			continue;
		right = false;
		snprintf(text, sizeof(text), "LPI %" PRIx64 " at %x pending %u", l->value, l->rid,
			 l->perm);
		player_differ(p, TAPE_GL, l->number, text,
			      result ? viommu_strerror(result) : "the opposite");
	}
	/* A line that names another one is a mismatch already. */
	for (unsigned n = 0; right && n < p->its->count && n < TOLD_MAX; n++) {
		const struct told *t = &p->its->told[n];

		if (recorded(p, t) ||
		    (event->kind == TAPE_GW && (moved(p->its, t) || as_before(p->its, t))))
			continue;
		snprintf(text, sizeof(text), "LPI %x at %x pending %u", t->intid, t->cpu,
			 t->pending);
		player_differ(p, TAPE_GL, event->number, "nothing", text);
	}
	p->its->count = 0;
	at = 0;
	while ((l = effects_next(&p->effects, TAPE_GL, &at)))
		set_waiting(p->its, l);
}

/* ---- lines ---- */

/* GRD: cpu off size value */
static bool parse_redistributor(struct words *w, struct tape_line *l)
{
	return line_fields(w, 5) && words_hex32(w, 1, CPUS - 1, &l->rid) &&
	       words_hex(w, 2, 0xff, &l->at) && words_size(w, 3, &l->bytes) &&
	       words_hex(w, 4, UINT64_MAX, &l->value);
}

/* GI: devid off eventid ok */
static bool parse_message(struct words *w, struct tape_line *l)
{
	uint32_t ok = 0;
	bool parsed = line_fields(w, 5) && words_hex32(w, 1, UINT32_MAX, &l->rid) &&
		      words_hex(w, 2, 0xffff, &l->at) && words_hex(w, 3, UINT32_MAX, &l->value) &&
		      words_hex32(w, 4, 1, &ok);

	l->fault = !ok;
	return parsed;
}

/* GL: cpu intid level */
static bool parse_pending(struct words *w, struct tape_line *l)
{
	return line_fields(w, 4) && words_hex32(w, 1, CPUS - 1, &l->rid) &&
	       words_hex(w, 2, UINT32_MAX, &l->value) && words_hex32(w, 3, 1, &l->perm);
}

static const struct line_row lines[] = {
	{ TAPE_GR, ROLE_EVENT, line_register, register_read, NULL },
	{ TAPE_GW, ROLE_EVENT, line_register, register_write, NULL },
	{ TAPE_GRD, ROLE_EVENT, parse_redistributor, redistributor_write, NULL },
	{ TAPE_GI, ROLE_EVENT, parse_message, message, NULL },
	{ TAPE_GL, ROLE_EFFECT, parse_pending, NULL, settle_pending },
};

static struct viommu *iommu_of(const struct player *p)
{
	return p->its && p->its->fitted ? p->its->its : NULL; /* before that it is made anew */
}

static struct viommu *nth(const struct player *p, unsigned n, uint64_t *translation)
{
	*translation = TRANSLATION;
	return n == 0 ? iommu_of(p) : NULL;
}

const struct part part_its = { .lines = lines,
			       .line_count = sizeof(lines) / sizeof(lines[0]),
			       .start = start,
			       .stop = stop,
			       .iommu = iommu_of,
			       .its = nth };
