/* SPDX-License-Identifier: BSD-3-Clause */
/* play_tce_call.c - hypercalls (H) and RTAS calls (RT): status and results. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "play_tce.h"

#define H_GET_TCE 0x1cU

/* Status is decimal, and may be negative. */
static bool status_word(struct words *w, unsigned i, uint64_t *status)
{
	bool negative = w->word[i][0] == '-';
	uint32_t value;

	w->word[i] += negative;
	if (!words_decimal(w, i, INT32_MAX, &value))
		return false;
	*status = negative ? -(uint64_t)value : value;
	return true;
}

static unsigned hcall_arguments(uint64_t token)
{
	switch (token) {
	case H_GET_TCE:
		return 2;
	case 0x20:
		return 3;
	case 0x138:
	case 0x13c:
		return 4;
	default:
		return 0;
	}
}

/* H token arguments... status [tce]: list has token, arguments, status, tce. */
bool tce_parse_hcall(struct words *w, struct tape_line *l)
{
	unsigned arguments;

	if (w->count < 2 || !words_hex(w, 1, UINT64_MAX, &w->list[0]))
		return words_fail(w, "a hypercall without token");
	arguments = hcall_arguments(w->list[0]);
	if (!arguments)
		return words_fail(w, "hypercall '%.40s'", w->word[1]);
	l->listed = arguments;
	l->list = w->list;
	if (!line_fields(w, 3 + arguments + (w->list[0] == H_GET_TCE)))
		return false;
	for (unsigned i = 0; i < arguments; i++) {
		if (!words_hex(w, 2 + i, UINT64_MAX, &w->list[1 + i]))
			return false;
	}
	return status_word(w, 2 + arguments, &w->list[1 + arguments]) &&
	       (w->list[0] != H_GET_TCE ||
		words_hex(w, 3 + arguments, UINT64_MAX, &w->list[2 + arguments]));
}

/* What is pending is finished: the status is what the engine says then. */
static int finish(struct player *p, int result, uint64_t *status)
{
	if (result != VIOMMU_PENDING || p->marked)
		return result < 0 ? result : VIOMMU_OK; /* marked: N lines go on */
	p->tce->complete = false;
	result = player_finish(p, p->iommu, result);
	*status = (uint64_t)p->tce->status;
	return result == VIOMMU_OK && !p->tce->complete ? VIOMMU_PENDING : result;
}

void tce_hcall_line(struct player *p, const struct tape_line *l)
{
	uint64_t registers[VIOMMU_TCE_REGISTERS] = { 0 };
	const uint64_t *answer = &l->list[1 + l->listed];
	char expected[64];
	char came[64];
	int result;

	memcpy(registers, l->list, (1 + l->listed) * sizeof(registers[0]));
	result = finish(p, viommu_tce_hcall(p->iommu, registers, 1), &registers[0]);
	if (result == VIOMMU_OK && registers[0] == answer[0] &&
	    (l->list[0] != H_GET_TCE || registers[1] == answer[1]))
		return;
	snprintf(expected, sizeof(expected), "status %" PRId64, (int64_t)answer[0]);
	snprintf(came, sizeof(came), "%" PRId64 " (r4 %" PRIx64 ")", (int64_t)registers[0],
		 registers[1]);
	player_differ(p, l->kind, l->number, expected, result ? viommu_strerror(result) : came);
}

/* ---- RTAS ---- */

static const char *const calls[] = {
	[VIOMMU_TCE_RTAS_QUERY] = "query",   [VIOMMU_TCE_RTAS_CREATE] = "create",
	[VIOMMU_TCE_RTAS_REMOVE] = "remove", [VIOMMU_TCE_RTAS_RESET] = "reset",
	[VIOMMU_TCE_RTAS_BYPASS] = "bypass", [VIOMMU_TCE_RTAS_QUIESCE] = "quiesce"
};

#define CALLS	  (sizeof(calls) / sizeof(calls[0]))
#define CELLS_MAX 16U

/* RT name nargs nret arguments... results...: value is the call, bytes nargs, listed nret. */
bool tce_parse_rtas(struct words *w, struct tape_line *l)
{
	if (w->count < 4)
		return line_fields(w, 4);
	while (l->value < CALLS && strcmp(w->word[1], calls[l->value]) != 0)
		l->value++;
	if (l->value == CALLS)
		return words_fail(w, "RTAS call '%.40s'", w->word[1]);
	if (!words_decimal(w, 2, CELLS_MAX, &l->bytes) ||
	    !words_decimal(w, 3, CELLS_MAX, &l->listed) ||
	    !line_fields(w, 4 + l->bytes + l->listed))
		return false;
	l->list = w->list;
	for (unsigned i = 4; i < w->count; i++) {
		if (!words_hex(w, i, UINT32_MAX, &w->list[i - 4]))
			return false;
	}
	return true;
}

void tce_rtas_line(struct player *p, const struct tape_line *l)
{
	uint32_t arguments[CELLS_MAX];
	uint32_t results[CELLS_MAX] = { 0 };
	uint64_t status = 0;
	char expected[64];
	char came[64];
	int result;

	for (unsigned i = 0; i < l->bytes; i++)
		arguments[i] = (uint32_t)l->list[i];
	result = viommu_tce_rtas(p->iommu, (uint32_t)l->value, arguments, l->bytes, results,
				 l->listed, 1);
	if (result == VIOMMU_PENDING) {
		status = results[0];
		result = finish(p, result, &status);
		results[0] = (uint32_t)status;
	}
	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "an answer", viommu_strerror(result));
	for (unsigned i = 0; result == VIOMMU_OK && i < l->listed; i++) {
		if (results[i] == l->list[l->bytes + i])
			continue;
		snprintf(expected, sizeof(expected), "%s: cell %u %" PRIx64, calls[l->value], i,
			 l->list[l->bytes + i]);
		snprintf(came, sizeof(came), "%x", results[i]);
		player_differ(p, l->kind, l->number, expected, came);
		return;
	}
}
