/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_smmu.c - recordings of an SMMUv3: the engine and its registers.
 *
 * No header says what the SMMU is: the guest looks at that (IDR0 to AIDR) before it does anything else, and the engine is made
 * when it does.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "play_smmu.h"

/* ---- the engine ---- */

static int new_engine(struct player *p)
{
	const uint32_t *id = p->smmu->id;
	struct viommu_limits limits;
	const struct viommu_host host = { .size = sizeof(host),
					  .opaque = p,
					  .message = player_message };
	const struct viommu_smmuv3_config config = {
		.size = sizeof(config),
		.idr = { id[0], id[1], id[2], id[3], id[4], id[5] },
		.iidr = id[6],
		.aidr = id[7],
		.gbpa = (uint32_t)player_header(p, "gbpa", 0, 0x1000),
		.host = &host,
		.limits = player_limits(p, &limits)
	};

	return viommu_smmuv3_new(p->vm, &config, &p->iommu);
}

static int start(struct player *p)
{
	p->smmu = calloc(1, sizeof(*p->smmu));
	return p->smmu ? VIOMMU_OK : VIOMMU_ENOMEM;
}

static void stop(struct player *p)
{
	if (!p->smmu)
		return;
	smmu_free_streams(p);
	history_fini(&p->smmu->history);
	free(p->smmu);
	p->smmu = NULL;
}

uint64_t smmu_register(const struct player *p, uint64_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	return viommu_reg_read(p->iommu, offset, bytes, &value) == VIOMMU_OK ? value : 0;
}

static void compare(struct player *p, uint64_t number, uint64_t offset, uint64_t expected,
		    uint64_t came)
{
	char want[64];
	char got[64];

	if (expected == came)
		return;
	snprintf(want, sizeof(want), "%" PRIx64 " at %" PRIx64, expected, offset);
	snprintf(got, sizeof(got), "%" PRIx64, came);
	player_differ(p, TAPE_R, number, want, got);
}

bool smmu_ready(struct player *p)
{
	int result;

	if (p->iommu)
		return true;
	result = new_engine(p);
	if (result) {
		player_differ(p, TAPE_R, p->lines, "an SMMU", viommu_strerror(result));
		p->exhausted = true; /* it cannot go on */
		return false;
	}
	for (unsigned i = 0; i < ID_BYTES / 4; i++) {
		if (p->smmu->id_line[i])
			compare(p, p->smmu->id_line[i], i * 4, p->smmu->id[i],
				smmu_register(p, i * 4, 4));
	}
	return true;
}

/* ---- R and W ---- */

static void register_read(struct player *p, const struct tape_line *l)
{
	uint64_t value = 0;
	int result;

	if (!p->iommu && l->at < ID_BYTES && l->bytes == 4) {
		p->smmu->id[l->at / 4] = (uint32_t)l->value;
		p->smmu->id_line[l->at / 4] = l->number;
		return;
	}
	if (!smmu_ready(p))
		return;
	result = viommu_reg_read(p->iommu, l->at, l->bytes, &value);
	if (result)
		player_differ(p, TAPE_R, l->number, "the read to be served",
			      viommu_strerror(result));
	else
		compare(p, l->number, l->at, l->value, value);
}

static void register_write(struct player *p, const struct tape_line *l)
{
	if (!smmu_ready(p))
		return;
	smmu_watch_before(p);
	player_write_line(p, l);
	smmu_watch_after(p);
}

/* ---- rows ---- */

static const struct header_row headers[] = { { "registers", "x", false },
					     { "gbpa", "x", false },
					     { NULL, NULL, false } };

static const struct line_row lines[] = {
	{ TAPE_R, ROLE_EVENT, line_register, register_read, NULL },
	{ TAPE_W, ROLE_EVENT, line_register, register_write, NULL },
	{ TAPE_T, ROLE_EVENT, line_translation32, smmu_dma_line, NULL },
	{ TAPE_M, ROLE_STATE, line_memory, memory_line, NULL },
	{ TAPE_WRITTEN, ROLE_EFFECT, line_memory, NULL, smmu_settle_written },
};

const struct part part_smmu = { .headers = headers,
				.lines = lines,
				.line_count = sizeof(lines) / sizeof(lines[0]),
				.start = start,
				.stop = stop };
