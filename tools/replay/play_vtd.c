/* SPDX-License-Identifier: BSD-3-Clause */
/* play_vtd.c - recordings of VT-d: the engine and its registers. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "play_vtd.h"

/* ---- the engine ---- */

static int new_engine(struct player *p)
{
	const struct viommu_host host = {
		.size = sizeof(host), .opaque = p, .msi = raised_on_msi, .message = player_message
	};
	struct viommu_limits limits;
	const struct viommu_vtd_config config = {
		.size = sizeof(config),
		.cap = p->vtd->cap,
		.ecap = p->vtd->ecap,
		.version = (uint32_t)player_header(p, "version", 0, 0),
		.haw = (uint32_t)player_header(p, "haw", 0, 0),
		.host = &host,
		.limits = player_limits(p, &limits),
	};

	return viommu_vtd_new(p->vm, &config, &p->iommu);
}

static int start(struct player *p)
{
	p->vtd = calloc(1, sizeof(*p->vtd));
	if (!p->vtd)
		return VIOMMU_ENOMEM;
	p->vtd->cap = player_header(p, "cap", 0, 0);
	p->vtd->ecap = player_header(p, "ecap", 0, 0);
	return new_engine(p);
}

static void stop(struct player *p)
{
	if (!p->vtd)
		return;
	history_fini(&p->vtd->history);
	free(p->vtd);
	p->vtd = NULL;
}

uint64_t vtd_register(const struct player *p, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	return viommu_reg_read(p->iommu, offset, bytes, &value) == VIOMMU_OK ? value : 0;
}

bool vtd_drop_caches(struct player *p)
{
	uint64_t bytes;
	void *state = player_save(p, &bytes);

	return player_restore(p, state, bytes);
}

/* ---- R and W ---- */

static void register_read(struct player *p, const struct tape_line *l)
{
	uint64_t value = 0;
	int result = viommu_reg_read(p->iommu, l->at, l->bytes, &value);
	uint64_t differs = value ^ l->value;

	if (result || (differs & ~vtd_deviation(p, l, value)))
		player_value(p, l, result, value);
}

static void register_write(struct player *p, const struct tape_line *l)
{
	watch_before(p);
	player_write_line(p, l);
	watch_after(p, l);
}

/* ---- rows ---- */

static const struct header_row headers[] = { { "cap", "x", true },	  { "ecap", "x", true },
					     { "registers", "x", false }, { "ioapic", "x", false },
					     { "version", "x", false },	  { "haw", "x", false },
					     { NULL, NULL, false } };

static const struct line_row lines[] = {
	{ TAPE_R, ROLE_EVENT, line_register, register_read, NULL },
	{ TAPE_W, ROLE_EVENT, line_register, register_write, NULL },
	{ TAPE_T, ROLE_EVENT, line_translation, vtd_dma_line, NULL },
	{ TAPE_I, ROLE_EVENT, line_interrupt, vtd_interrupt_line, NULL },
	{ TAPE_M, ROLE_STATE, line_memory, memory_line, NULL },
	{ TAPE_WRITTEN, ROLE_EFFECT, line_memory, NULL, vtd_settle_written },
	{ TAPE_S, ROLE_EFFECT, line_message, NULL, raised_settle_sent },
};

const struct part part_vtd = { .headers = headers,
			       .lines = lines,
			       .line_count = sizeof(lines) / sizeof(lines[0]),
			       .start = start,
			       .stop = stop,
			       .message = vtd_table_message };
