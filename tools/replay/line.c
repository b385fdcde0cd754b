/* SPDX-License-Identifier: BSD-3-Clause */
/* line.c - what an event line says, for the kinds that several engines have. */

#include <string.h>

#include "line.h"

static const char *const names[TAPE_KINDS] = {
	[TAPE_R] = "R",	      [TAPE_W] = "W",	    [TAPE_T] = "T",	[TAPE_I] = "I",
	[TAPE_M] = "M",	      [TAPE_WRITTEN] = "m", [TAPE_S] = "S",	[TAPE_GW] = "GW",
	[TAPE_GR] = "GR",     [TAPE_GRD] = "GRD",   [TAPE_GI] = "GI",	[TAPE_GL] = "GL",
	[TAPE_P] = "P",	      [TAPE_X] = "X",	    [TAPE_D] = "D",	[TAPE_F] = "F",
	[TAPE_CR] = "CR",     [TAPE_CW] = "CW",	    [TAPE_Q] = "Q",	[TAPE_E] = "E",
	[TAPE_DROPPED] = "e", [TAPE_WSI] = "WSI",   [TAPE_MSI] = "MSI", [TAPE_H] = "H",
	[TAPE_RT] = "RT",     [TAPE_MEM] = "MEM",   [TAPE_WN] = "WN",	[TAPE_WG] = "WG",
	[TAPE_WZ] = "WZ",     [TAPE_WB] = "WB",	    [TAPE_Z] = "Z",	[TAPE_N] = "N",
	[TAPE_FL] = "FL",     [TAPE_PR] = "PR",	    [TAPE_MX] = "MX",	[TAPE_PG] = "PG",
	[TAPE_PN] = "PN",     [TAPE_PE] = "PE",	    [TAPE_PEG] = "PEG", [TAPE_GS] = "GS",
	[TAPE_GRR] = "GRR",   [TAPE_GA] = "GA",	    [TAPE_GAV] = "GAV", [TAPE_GLV] = "GLV",
	[TAPE_GN] = "GN",     [TAPE_LR] = "LR",
};

const char *tape_kind_name(enum tape_kind kind)
{
	return names[kind];
}

bool tape_kind_find(const char *name, enum tape_kind *kind)
{
	for (unsigned i = 0; i < TAPE_KINDS; i++) {
		if (strcmp(name, names[i]) == 0) {
			*kind = (enum tape_kind)i;
			return true;
		}
	}
	return false;
}

bool line_fields(struct words *w, unsigned count)
{
	if (w->count == count)
		return true;
	return words_fail(w, "%u fields in a line of kind %s", w->count, w->word[0]);
}

bool line_memory(struct words *w, struct tape_line *l)
{
	if (!line_fields(w, 3) || !words_hex(w, 1, UINT64_MAX, &l->at) || !words_data(w, 2))
		return false;
	l->data = w->data;
	l->bytes = (uint32_t)w->bytes;
	if (l->bytes - 1 > UINT64_MAX - l->at)
		return words_fail(w, "memory of %zu hexadecimal digits at %s", 2 * w->bytes,
				  w->word[1]);
	return true;
}

bool line_register(struct words *w, struct tape_line *l)
{
	if (!line_fields(w, 4) || !words_hex(w, 1, UINT64_MAX, &l->at) ||
	    !words_size(w, 2, &l->bytes))
		return false;
	return words_hex(w, 3, UINT64_MAX >> (64 - 8 * l->bytes), &l->value);
}

static bool translation(struct words *w, uint32_t requester_max, struct tape_line *l)
{
	if (!line_fields(w, 9) || !words_hex32(w, 1, requester_max, &l->rid) ||
	    !words_hex32(w, 2, UINT32_MAX, &l->pasid) || !words_hex(w, 3, UINT64_MAX, &l->at) ||
	    !words_hex32(w, 4, 0x1f, &l->access) || !words_hex32(w, 5, 2, &l->index) ||
	    !words_hex32(w, 6, l->access & 4 ? 7 : 3, &l->perm) ||
	    !words_hex(w, 7, UINT64_MAX, &l->to) || !words_hex(w, 8, UINT64_MAX, &l->mask))
		return false;
	l->record = l->access >> 4;
	l->access &= 0xf;
	if ((l->access & 7) == 0)
		return words_fail(w, "a translation that neither reads nor writes");
	if (l->pasid > 0xfffff && l->pasid != UINT32_MAX)
		return words_fail(w, "PASID %x has more than 20 bits", l->pasid);
	if (l->mask & (l->mask + 1))
		return words_fail(w, "'%s' is not the mask of a page", w->word[8]);
	return true;
}

bool line_translation(struct words *w, struct tape_line *l)
{
	return translation(w, 0xffff, l);
}

bool line_translation32(struct words *w, struct tape_line *l)
{
	return translation(w, UINT32_MAX, l);
}

bool line_interrupt(struct words *w, struct tape_line *l)
{
	if (!line_fields(w, 8) || !words_hex32(w, 1, 0xffff, &l->rid) ||
	    !words_hex(w, 2, UINT64_MAX, &l->at) || !words_hex(w, 3, UINT32_MAX, &l->value) ||
	    !words_hex32(w, 4, 1, &l->record) || !words_hex(w, 6, UINT64_MAX, &l->to) ||
	    !words_hex(w, 7, UINT32_MAX, &l->to_value))
		return false;
	l->fault = strcmp(w->word[5], "fault") == 0;
	if (!l->fault && strcmp(w->word[5], "ok") != 0)
		return words_fail(w, "'%.40s' is neither ok nor fault", w->word[5]);
	return true;
}

bool line_message(struct words *w, struct tape_line *l)
{
	return line_fields(w, 3) && words_hex(w, 1, UINT64_MAX, &l->at) &&
	       words_hex(w, 2, UINT32_MAX, &l->value);
}

bool line_number(struct words *w, struct tape_line *l)
{
	return line_fields(w, 2) && words_hex(w, 1, UINT64_MAX, &l->value);
}
