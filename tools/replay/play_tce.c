/* SPDX-License-Identifier: BSD-3-Clause */
/* play_tce.c - recordings of TCE tables: the engine, its PEs, memory that is plugged in, resets. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play_tce.h"

/* ---- the engine ---- */

static void on_complete(void *opaque, uint64_t token, int64_t status)
{
	struct player *p = opaque;

	(void)token; /* one call at a time */
	p->tce->complete = true;
	p->tce->status = status;
}

/* The first piece of memory that ends at an address or behind it. */
static uint32_t piece_at(const struct tce_play *t, uint64_t gpa)
{
	uint32_t low = 0;
	uint32_t high = t->memories;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (t->memory[middle].last < gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int on_owns(void *opaque, uint64_t gpa, uint64_t bytes)
{
	const struct tce_play *t = ((const struct player *)opaque)->tce;
	uint32_t i = piece_at(t, gpa);

	return i < t->memories && t->memory[i].first <= gpa &&
	       t->memory[i].last >= gpa + (bytes - 1);
}

/* [first, last] is memory, or is not; false: there are too many pieces. */
static bool plug(struct tce_play *t, uint64_t first, uint64_t last, bool on)
{
	uint32_t from = piece_at(t, first - (on && first));
	uint32_t to = from;
	struct tce_play_memory piece[2];
	unsigned pieces = 0;

	while (to < t->memories && t->memory[to].first <= last + (on && last != UINT64_MAX))
		to++;
	if (on) {
		piece[pieces++] = (struct tce_play_memory){
			from < to && t->memory[from].first < first ? t->memory[from].first : first,
			from < to && t->memory[to - 1].last > last ? t->memory[to - 1].last : last
		};
	} else if (from < to) {
		if (t->memory[from].first < first)
			piece[pieces++] =
				(struct tce_play_memory){ t->memory[from].first, first - 1 };
		if (t->memory[to - 1].last > last)
			piece[pieces++] =
				(struct tce_play_memory){ last + 1, t->memory[to - 1].last };
	}
	if (t->memories - (to - from) + pieces > TCE_PLUGGED)
		return false;
	memmove(&t->memory[from + pieces], &t->memory[to],
		(t->memories - to) * sizeof(t->memory[0]));
	memcpy(&t->memory[from], piece, pieces * sizeof(piece[0]));
	t->memories = t->memories - (to - from) + pieces;
	return true;
}

static int new_engine(struct player *p)
{
	const struct viommu_host host = { .size = sizeof(host),
					  .opaque = p,
					  .message = player_message };
	struct viommu_limits limits;
	const struct viommu_tce_config config = {
		.size = sizeof(config),
		.flags = (uint32_t)player_header(p, "config", 0, 0),
		.pes = (uint32_t)player_header(p, "config", 1, 0),
		.function_bits = (uint32_t)player_header(p, "config", 2, 0),
		.table_bytes = player_header(p, "config", 3, 0),
		.msi_first = player_header(p, "config", 4, 0),
		.msi_bytes = player_header(p, "config", 5, 0),
		.opaque = p,
		.complete = on_complete,
		.owns = on_owns,
		.window = tce_own_window,
		.host = &host,
		.limits = player_limits(p, &limits),
	};

	p->tce->own = player_has_header(p, "config");
	p->tce->function_bits = config.function_bits;

	return viommu_tce_new(p->vm, &config, &p->iommu);
}

/* ---- PEs ---- */

struct tce_play_pe *tce_play_pe(struct tce_play *t, uint32_t name)
{
	for (uint32_t i = 0; i < t->pes; i++) {
		if (t->pe[i].name == name)
			return &t->pe[i];
	}
	return NULL;
}

struct tce_play_pe *tce_play_pe_of(struct tce_play *t, uint32_t liobn)
{
	for (uint32_t i = 0; i < t->pes; i++) {
		for (uint32_t j = 0; j < t->pe[i].liobns; j++) {
			if (t->pe[i].liobn[j] == liobn)
				return &t->pe[i];
		}
	}
	return NULL;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	(void)device;
	((struct tce_play_pe *)opaque)->mode = mode;
}

/* Its number is its device's id. */
static int make_pe(struct player *p, struct viommu_tce_pe *config)
{
	struct tce_play *t = p->tce;
	struct tce_play_pe *pe = &t->pe[t->pes];
	const struct viommu_device_config device = { .size = sizeof(device), .id = t->pes };
	const struct viommu_listener_config listener = { .size = sizeof(listener),
							 .opaque = pe,
							 .mode = on_mode };
	int result;

	config->size = sizeof(*config);
	config->number = t->pes++;
	pe->whole = config->window;
	pe->virtual_io = config->flags & VIOMMU_TCE_PE_VIO;
	pe->liobn[0] = config->window.liobn;
	pe->liobns = 1 + config->liobn_count;
	for (uint32_t i = 0; i < config->liobn_count; i++)
		pe->liobn[1 + i] = config->liobns[i];
	pe->windows = 1;
	pe->window[0] = pe->whole;
	result = viommu_tce_add_pe(p->iommu, config);
	if (!result)
		result = viommu_device_new(p->iommu, &device, &pe->device);
	if (!result)
		result = viommu_channel_new(pe->device, VIOMMU_NO_PASID, &pe->channel);
	if (!result)
		result = viommu_listener_new(p->iommu, pe->device, &listener, &pe->listener);
	return result;
}

/* name buid B ddw d page_sizes mask default shift start entries start64 S liobns L0 [L1]... */
static int add_pe(struct player *p, struct words *w)
{
	static const struct {
		unsigned at;
		const char *word;
	} fixed[] = {
		{ 1, "buid" },	  { 3, "ddw" },	     { 5, "page_sizes" },
		{ 7, "default" }, { 11, "start64" }, { 13, "liobns" },
	};
	struct viommu_tce_pe config = { .window.liobn = 0 };
	uint32_t liobn[VIOMMU_TCE_WINDOWS];
	struct tce_play_pe *pe = &p->tce->pe[p->tce->pes];
	uint64_t ddw = 0;
	bool ok = w->count > 14 && w->count - 14 <= VIOMMU_TCE_WINDOWS && p->tce->pes < TCE_PES;

	for (unsigned i = 0; ok && i < sizeof(fixed) / sizeof(fixed[0]); i++)
		ok = strcmp(w->word[fixed[i].at], fixed[i].word) == 0;
	ok = ok && words_hex32(w, 0, UINT32_MAX, &pe->name) &&
	     words_hex(w, 2, UINT64_MAX, &config.buid) && words_hex(w, 4, 1, &ddw) &&
	     words_hex(w, 6, UINT64_MAX, &config.page_sizes) &&
	     words_hex32(w, 8, 63, &config.window.page_shift) &&
	     words_hex(w, 9, UINT64_MAX, &config.window.start) &&
	     words_hex(w, 10, UINT64_MAX, &config.window.entries) &&
	     words_hex(w, 12, UINT64_MAX, &config.dynamic_start);
	for (unsigned i = 14; ok && i < w->count; i++)
		ok = words_hex32(w, i, UINT32_MAX, &liobn[i - 14]);
	if (!ok)
		return VIOMMU_EINVAL;
	config.window.liobn = liobn[0];
	config.liobns = &liobn[1];
	config.liobn_count = w->count - 15;
	config.flags = ddw ? VIOMMU_TCE_PE_DDW : 0;
	return make_pe(p, &config);
}

/* liobn shift start entries. The unit address is the LIOBN. */
static int add_vio(struct player *p, struct words *w)
{
	struct viommu_tce_pe config = { .flags = VIOMMU_TCE_PE_VIO };

	if (w->count != 4 || p->tce->pes == TCE_PES ||
	    !words_hex32(w, 0, UINT32_MAX, &config.window.liobn) ||
	    !words_hex32(w, 1, 63, &config.window.page_shift) ||
	    !words_hex(w, 2, UINT64_MAX, &config.window.start) ||
	    !words_hex(w, 3, UINT64_MAX, &config.window.entries))
		return VIOMMU_EINVAL;
	config.buid = config.window.liobn;
	p->tce->pe[p->tce->pes].name = config.window.liobn;
	return make_pe(p, &config);
}

static int add_pes(struct player *p)
{
	static struct words words;
	int result = VIOMMU_OK;

	for (unsigned i = 0; !result && i < p->header->count; i++) {
		const struct tape_header_line *h = &p->header->line[i];
		char text[512];
		bool pe = strcmp(h->name, "pe") == 0;

		if (!pe && strcmp(h->name, "vio") != 0)
			continue;
		snprintf(text, sizeof(text), "%s", h->value);
		if (!words_split(&words, text))
			return VIOMMU_EINVAL;
		result = pe ? add_pe(p, &words) : add_vio(p, &words);
	}
	return result;
}

static int start(struct player *p)
{
	uint64_t ram = player_header(p, "ram", 0, 0);
	int result;

	p->tce = calloc(1, sizeof(*p->tce));
	if (!p->tce)
		return VIOMMU_ENOMEM;
	if (ram)
		plug(p->tce, 0, ram - 1, true);
	result = new_engine(p);
	return result ? result : add_pes(p);
}

static void stop(struct player *p)
{
	if (!p->tce)
		return;
	for (uint32_t i = 0; i < p->tce->pes; i++) {
		viommu_listener_free(p->tce->pe[i].listener);
		viommu_channel_free(p->tce->pe[i].channel);
		viommu_device_free(p->tce->pe[i].device);
	}
	free(p->tce);
	p->tce = NULL;
}

/* ---- memory (MEM), resets (X) ---- */

/* MEM gpa size on */
static bool parse_plug(struct words *w, struct tape_line *l)
{
	if (!line_fields(w, 4) || !words_hex(w, 1, UINT64_MAX, &l->at) ||
	    !words_hex(w, 2, UINT64_MAX, &l->to) || !words_hex(w, 3, 1, &l->value))
		return false;
	return (l->to != 0 && l->to - 1 <= UINT64_MAX - l->at) ||
	       words_fail(w, "memory of %s bytes", w->word[2]);
}

static void plug_line(struct player *p, const struct tape_line *l)
{
	if (!plug(p->tce, l->at, l->at + (l->to - 1), l->value != 0))
		player_differ(p, l->kind, l->number, "room for it", "none");
}

static bool parse_reset(struct words *w, struct tape_line *l)
{
	return line_number(w, l) &&
	       (l->value == 1 || words_fail(w, "reset of kind '%.40s'", w->word[1]));
}

/* Only what comes of it counts. */
static void reset_line(struct player *p, const struct tape_line *l)
{
	int result = player_finish(p, p->iommu, viommu_reset(p->iommu));

	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "to be served", viommu_strerror(result));
	for (uint32_t i = 0; i < p->tce->pes && !p->tce->own; i++) {
		struct tce_play_pe *pe = &p->tce->pe[i];

		pe->windows = 1;
		pe->window[0] = pe->whole;
		pe->bypass = false;
	}
}

/* ---- rows ---- */

static const struct header_row headers[] = { { "ram", "x", true },
					     { "pe", "*", false },
					     { "vio", "xxxx", false },
					     { "config", "xxxxxx", false },
					     { NULL, NULL, false } };

static const struct line_row lines[] = {
	{ TAPE_H, ROLE_EVENT, tce_parse_hcall, tce_hcall_line, NULL },
	{ TAPE_RT, ROLE_EVENT, tce_parse_rtas, tce_rtas_line, NULL },
	{ TAPE_X, ROLE_EVENT, parse_reset, reset_line, NULL },
	{ TAPE_PE, ROLE_STATE, tce_parse_pe, tce_pe_line, NULL },
	{ TAPE_PEG, ROLE_STATE, line_number, tce_pe_gone_line, NULL },
	{ TAPE_MEM, ROLE_STATE, parse_plug, plug_line, NULL },
	{ TAPE_T, ROLE_EVENT, line_translation32, tce_dma_line, NULL },
	{ TAPE_M, ROLE_STATE, line_memory, memory_line, NULL },
	/* In this order: what goes may come again. */
	{ TAPE_WG, ROLE_EFFECT, tce_parse_liobn, NULL, tce_settle_gone },
	{ TAPE_WN, ROLE_EFFECT, tce_parse_new, NULL, tce_settle_new },
	{ TAPE_WZ, ROLE_EFFECT, tce_parse_liobn, NULL, tce_settle_zero },
	{ TAPE_WB, ROLE_EFFECT, tce_parse_bypass, NULL, tce_settle_bypass },
};

static struct viommu_device *device_of(struct player *p, uint32_t name)
{
	const struct tce_play_pe *pe = tce_own_device(p, name);

	return pe ? pe->device : NULL;
}

static uint32_t name_of(const struct player *p, uint32_t id)
{
	return id < p->tce->pes && !p->tce->own ? p->tce->pe[id].name : id;
}

const struct part part_tce = { .headers = headers,
			       .lines = lines,
			       .line_count = sizeof(lines) / sizeof(lines[0]),
			       .start = start,
			       .stop = stop,
			       .device = device_of,
			       .name = name_of,
			       .restored = tce_own_restored };
