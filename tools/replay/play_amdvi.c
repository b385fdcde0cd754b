/* SPDX-License-Identifier: BSD-3-Clause */
/* play_amdvi.c - recordings of AMD-Vi: the engine, its registers, and interrupt requests. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play_amdvi.h"
#include "steps.h"
#include "written.h"

#define ANY_REQUESTER 0xffffU

/* ---- the engine ---- */

static int start(struct player *p)
{
	const struct viommu_host host = {
		.size = sizeof(host), .opaque = p, .msi = raised_on_msi, .message = player_message
	};
	struct viommu_limits limits;
	struct viommu_amdvi_config config = { .size = sizeof(config),
					      .host = &host,
					      .limits = player_limits(p, &limits) };

	p->amdvi = calloc(1, sizeof(*p->amdvi));
	if (!p->amdvi)
		return VIOMMU_ENOMEM;
	config.efr = player_header(p, "efr", 0, 0);
	config.efr2 = player_header(p, "efr2", 0, 0);
	config.capability = (uint32_t)player_header(p, "capability", 0, 0);
	config.msi_event = (uint8_t)player_header(p, "msi_event", 0, 0);
	config.msi_ppr = (uint8_t)player_header(p, "msi_ppr", 0, 0);
	config.msi_ga = (uint8_t)player_header(p, "msi_ga", 0, 0);
	return viommu_amdvi_new(p->vm, &config, &p->iommu);
}

static void stop(struct player *p)
{
	if (!p->amdvi)
		return;
	history_fini(&p->amdvi->history);
	free(p->amdvi);
	p->amdvi = NULL;
}

/* ---- R and W ---- */

static void register_write(struct player *p, const struct tape_line *l)
{
	amdvi_watch_before(p);
	player_write_line(p, l);
	amdvi_watch_after(p, l);
}

/* ---- I ---- */

static uint32_t requester(const struct player *p, const struct tape_line *l)
{
	if (l->rid == ANY_REQUESTER)
		return (uint32_t)player_header(p, "ioapic", 0, ANY_REQUESTER) & 0xffff;
	return l->rid;
}

static bool agrees(const struct tape_line *l, int result, const struct viommu_msi *msi)
{
	if (l->fault)
		return result == VIOMMU_FAULT;
	return result == VIOMMU_OK && msi->address == l->to && msi->data == l->to_value;
}

static int ask(struct player *p, const struct tape_line *l, uint32_t flags, struct viommu_msi *msi)
{
	return viommu_remap_msi(p->iommu, requester(p, l), l->at, (uint32_t)l->value, flags, msi);
}

/* The message is the key: its address above its data. */
static struct history_answer answer_of(const struct player *p, const struct tape_line *l,
				       const struct viommu_msi *msi)
{
	return (struct history_answer){ .interrupt = true,
					.first = l->at << 32 | l->value,
					.to = msi->address,
					.perm = msi->data,
					.rid = requester(p, l) };
}

/* Our answer is an earlier one that nobody has invalidated, and the recording has what the table says now. */
static bool cached_by_us(struct player *p, const struct tape_line *l, int result,
			 const struct viommu_msi *msi)
{
	struct history_answer answer = answer_of(p, l, msi);
	struct viommu_msi now = { 0 };

	if (result != VIOMMU_OK || !history_has(&p->amdvi->history, &answer))
		return false;
	player_finish(p, p->iommu, viommu_flush(p->iommu));
	result = ask(p, l, VIOMMU_MSI_RESOLVE, &now);
	if (!agrees(l, result, &now))
		return false;
	player_deviates(p, DEVIATION_CACHED_BY_US);
	return true;
}

/* Delivered as the recording says, and resolved, which has to come to the same. */
static void interrupt_line(struct player *p, const struct tape_line *l)
{
	const uint32_t ways[] = { VIOMMU_MSI_RESOLVE, l->record ? 0 : VIOMMU_MSI_RESOLVE };
	struct history_answer answer;
	char expected[128];
	char came[128];

	for (unsigned i = 0; i < 2; i++) {
		struct viommu_msi msi = { 0 };
		int result = ask(p, l, ways[i], &msi);

		if (!agrees(l, result, &msi) && !(i == 0 && cached_by_us(p, l, result, &msi))) {
			snprintf(expected, sizeof(expected),
				 "%x %" PRIx64 " %" PRIx64 ": %s %" PRIx64 " %" PRIx64,
				 requester(p, l), l->at, l->value, l->fault ? "fault" : "ok", l->to,
				 l->to_value);
			snprintf(came, sizeof(came), "result %d reason %x: %" PRIx64 " %" PRIx32,
				 result, msi.reason, msi.address, msi.data);
			player_differ(p, TAPE_I, l->number, expected, came);
			return;
		}
		answer = answer_of(p, l, &msi);
		if (i == 1 && result == VIOMMU_OK && !(msi.flags & VIOMMU_MSI_UNREMAPPED))
			history_add(&p->amdvi->history, &answer);
	}
}

/* 2.2.5: each device has a table, 2^IntTabLen entries (bits 132:129 of its entry); the index is in the data. */
static bool table_message(const struct steps *context, uint64_t n, struct table_message *m)
{
	unsigned length_lg2 = 0;

	for (unsigned i = 0; i < context->count; i++) {
		const struct viommu_step *step = &context->step[i];

		if (strcmp(step->what, "device table entry") == 0 && step->words >= 4 &&
		    (step->raw[2] & 1))
			length_lg2 = (unsigned)(step->raw[2] >> 1 & 0xf);
	}
	m->present = true;
	m->address = 0xfee00000;
	m->data = (uint32_t)n;
	return length_lg2 && n < 1U << length_lg2;
}

/* ---- rows ---- */

static const struct header_row headers[] = {
	{ "efr", "x", true },	   { "efr2", "x", false },	 { "registers", "x", false },
	{ "ioapic", "x", false },  { "capability", "x", false }, { "msi_event", "x", false },
	{ "msi_ppr", "x", false }, { "msi_ga", "x", false },	 { NULL, NULL, false }
};

static const struct line_row lines[] = {
	{ TAPE_R, ROLE_EVENT, line_register, player_read_line, NULL },
	{ TAPE_W, ROLE_EVENT, line_register, register_write, NULL },
	{ TAPE_T, ROLE_EVENT, line_translation, amdvi_dma_line, NULL },
	{ TAPE_I, ROLE_EVENT, line_interrupt, interrupt_line, NULL },
	{ TAPE_M, ROLE_STATE, line_memory, memory_line, NULL },
	{ TAPE_WRITTEN, ROLE_EFFECT, line_memory, NULL, written_settle_all },
	{ TAPE_S, ROLE_EFFECT, line_message, NULL, raised_settle_sent },
};

const struct part part_amdvi = { .headers = headers,
				 .lines = lines,
				 .line_count = sizeof(lines) / sizeof(lines[0]),
				 .start = start,
				 .stop = stop,
				 .device_message = table_message };
