/* SPDX-License-Identifier: BSD-3-Clause */
/* play_not_yet.c - lines of engines that do not exist yet: read as far as other engines have them too, and counted. */

#include "engine.h"
#include "player.h"

#define ROWS(rows) .lines = (rows), .line_count = sizeof(rows) / sizeof((rows)[0])

static const struct header_row amdvi_headers[] = { { "efr", "x", false },
						   { "registers", "x", false },
						   { "ioapic", "x", false },
						   { NULL, NULL, false } };
static const struct line_row amdvi_lines[] = {
	{ TAPE_R, ROLE_EVENT, line_register, NULL, NULL },
	{ TAPE_W, ROLE_EVENT, line_register, NULL, NULL },
	{ TAPE_T, ROLE_EVENT, line_translation, NULL, NULL },
	{ TAPE_I, ROLE_EVENT, line_interrupt, NULL, NULL },
	{ TAPE_M, ROLE_STATE, line_memory, memory_line, NULL },
	{ TAPE_WRITTEN, ROLE_EFFECT, line_memory, NULL, NULL },
	{ TAPE_S, ROLE_EFFECT, line_message, NULL, NULL },
};
const struct part part_amdvi = { .headers = amdvi_headers, ROWS(amdvi_lines) };
