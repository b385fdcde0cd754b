/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_record.c - LPIs and their ITSs that are recorded: on one tape, since an LPI that one makes pending is acknowledged
 * at the other. GS lines say whose events follow: n those of ITS n, 40 those of the redistributors.
 */

#include <stddef.h>

#include "its_engine.h"
#include "lpi.h"
#include "recorder.h"

#define SELECT_LPIS 0x41U /* GS 40 */

/* ---- LPIs ---- */

static struct its *its_numbered(const struct lpis *l, uint32_t number)
{
	for (struct vm_user *user = l->unit.vm->users; user; user = user->next) {
		struct viommu *u =
			(struct viommu *)(void *)((char *)user - offsetof(struct viommu, user));

		if (engine_is(u->engine, &its_engine) && its_of(u)->lpis == l &&
		    its_of(u)->number == number)
			return its_of(u);
	}
	return NULL;
}

static void describe_its(const struct its *its, const char *name, struct record_text *text)
{
	const struct viommu_its_config *c = &its->config;
	const uint64_t values[] = { its->number,
				    c->typer,
				    c->iidr,
				    c->number,
				    c->base,
				    c->devices,
				    c->events,
				    its->unit.limits.queue_budget,
				    its->unit.limits.steps };

	record_numbers(text, name, values, ARRAY_COUNT(values));
}

void lpis_record_headers(struct viommu *u, struct record_text *text)
{
	const struct lpis *l = lpis_of(u);
	const uint64_t values[] = { l->flags, l->cpus, l->bits, l->vpes, l->rd_base, l->rd_stride };

	u->record->read = "GRR";
	u->record->write = "GRD";
	u->record->frame_lg2 = 18; /* VIOMMU_LPIS_OFFSET() */
	u->record->select = SELECT_LPIS;
	record_numbers(text, "lpis", values, ARRAY_COUNT(values));
	record_header(text, "vlpis", 1); /* GLV lines */
	for (uint32_t i = 0; i < 64; i++) {
		const struct its *its = its_numbered(l, i);

		if (its)
			describe_its(its, "its", text);
	}
}

/* In the place of the host's callback. */
static void on_lpi(void *opaque, uint32_t cpu, uint32_t intid, uint32_t priority, uint32_t pending)
{
	const struct lpis *l = opaque;
	struct record_event *e = record_current(l->unit.record->tape);

	if (e)
		record_numbers(&e->effects, "GL", (const uint64_t[]){ cpu, intid, pending }, 3);
	if (l->lpi_of_host)
		l->lpi_of_host(l->opaque_of_host, cpu, intid, priority, pending);
}

static void on_vlpi(void *opaque, uint32_t cpu, uint32_t vpe, uint32_t intid, uint32_t priority,
		    uint32_t pending)
{
	const struct lpis *l = opaque;
	struct record_event *e = record_current(l->unit.record->tape);

	if (e)
		record_numbers(&e->effects, "GLV", (const uint64_t[]){ cpu, vpe, intid, pending },
			       4);
	if (l->vlpi_of_host)
		l->vlpi_of_host(l->opaque_of_host, cpu, vpe, intid, priority, pending);
}

void lpis_record_callbacks(struct lpis *l, bool on)
{
	if (on) {
		l->opaque_of_host = l->opaque;
		l->lpi_of_host = l->lpi;
		l->vlpi_of_host = l->vlpi;
	}
	l->opaque = on ? l : l->opaque_of_host;
	l->lpi = on ? on_lpi : l->lpi_of_host;
	l->vlpi = on ? on_vlpi : l->vlpi_of_host;
}

void lpis_record_acknowledge(struct record_event *e, const char *name, uint32_t at, uint32_t intid,
			     int result)
{
	const uint64_t values[] = { at, intid, result == VIOMMU_OK };

	if (result != VIOMMU_OK && result != VIOMMU_ENOENT)
		return;
	record_word(&e->line, name);
	for (unsigned i = 0; i < ARRAY_COUNT(values); i++)
		record_hex(&e->line, values[i]);
}

/* ---- ITS ---- */

/* GI device offset event ok; and of one that is only asked for, what it is: CPU (or vPE), INTID. */
static void message_line(const struct viommu *u, struct record_event *e,
			 const struct record_message *m)
{
	const struct its *its = (const struct its *)u; /* unit is the first member */

	record_word(&e->line, "GI");
	record_hex(&e->line, m->source);
	record_hex(&e->line, m->address - (its->config.base + ITS_FRAME));
	record_hex(&e->line, m->data);
	record_hex(&e->line, m->msi != NULL);
	if (!(m->flags & VIOMMU_MSI_RESOLVE))
		return;
	record_hex(&e->line, m->msi ? m->msi->cpu : 0);
	record_hex(&e->line, m->msi ? m->msi->intid : 0);
}

struct viommu *its_tape_of(struct viommu *u)
{
	return &its_of(u)->lpis->unit;
}

void its_join_tape(struct viommu *u)
{
	u->record->read = "GR";
	u->record->write = "GW";
	u->record->select = its_of(u)->number + 1;
	u->record->message = message_line;
}

int its_record_new(struct its *its)
{
	struct viommu *lpis = &its->lpis->unit;
	struct record_event e;

	if (!lpis->record)
		return VIOMMU_OK;
	unit_record_begin(lpis, &e, true);
	describe_its(its, "GN", &e.effects);
	record_end(&e, RECORD_AS_BEFORE);
	return unit_record_join(&its->unit);
}
