/* SPDX-License-Identifier: BSD-3-Clause */
/* engine.c - the engines that recordings are of, and the parts that replay them. */

#include <stddef.h>
#include <string.h>

#include "engine.h"

static const struct engine engines[] = {
	{ "vtd", { &part_vtd, &part_common, &part_reset } },
	{ "virtio", { &part_virtio, &part_common } },
	{ "smmuv3", { &part_smmu, &part_its, &part_common, &part_reset } },
	{ "amdvi", { &part_amdvi, &part_common, &part_reset } },
	{ "riscv", { &part_riscv, &part_common } },
	{ "tce", { &part_tce, &part_common } },
	{ "its", { &part_gic, &part_common, &part_reset } },
};

const struct engine *engine_find(const char *name)
{
	for (unsigned i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		if (strcmp(engines[i].name, name) == 0)
			return &engines[i];
	}
	return NULL;
}

const struct line_row *engine_row(const struct engine *engine, enum tape_kind kind)
{
	for (unsigned i = 0; i < PARTS_MAX && engine->part[i]; i++) {
		const struct part *part = engine->part[i];

		for (unsigned row = 0; row < part->line_count; row++) {
			if (part->lines[row].kind == kind)
				return &part->lines[row];
		}
	}
	return NULL;
}
