/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_record.c - TCE tables that are recorded: what they are, PEs and windows that come and go, hypercalls, RTAS calls. */

#include "recorder.h"
#include "tce_engine.h"

/* ---- PEs ---- */

/* PE number flags config_addr buid window... page_sizes largest dynamic_start mmio [liobn]... */
void tce_record_pe(const struct tce *t, uint32_t number, struct record_text *text)
{
	const struct tce_window *w = &t->window[number * VIOMMU_TCE_WINDOWS];
	const struct viommu_tce_pe *c = &t->pe[number].config;
	uint64_t values[13 + VIOMMU_TCE_WINDOWS - 1] = { number,	   c->flags,
							 c->config_addr,   c->buid,
							 c->window.liobn,  c->window.page_shift,
							 c->window.start,  c->window.entries,
							 c->page_sizes,	   c->largest,
							 c->dynamic_start, c->mmio_first,
							 c->mmio_last };

	for (uint32_t i = 1; i < t->pe[number].liobns; i++)
		values[12 + i] = w[i].liobn;
	record_numbers(text, "PE", values, 12 + t->pe[number].liobns);
}

void tce_describe(struct viommu *u, struct record_text *text)
{
	struct tce *t = tce_of(u);
	const struct viommu_tce_config *c = &t->config;
	const uint64_t config[] = { c->flags,	    c->pes,	  c->function_bits,
				    c->table_bytes, c->msi_first, c->msi_bytes };

	record_header(text, "ram", 0);
	record_numbers(text, "config", config, ARRAY_COUNT(config));
	u->record->read = NULL;
	t->memory = (struct mem_place)
		MEM_NOWHERE; /* MEM lines say where memory is as it is looked up */
	/* who shares the windows of another comes later */
	for (unsigned sharing = 0; sharing < 2; sharing++) {
		for (uint32_t i = 0; i < c->pes; i++) {
			if (tce_is_there(&t->pe[i]) &&
			    (atomic_load_explicit(&t->pe[i].owner, memory_order_relaxed) != i) ==
				    sharing)
				tce_record_pe(t, i, text);
		}
	}
}

/* ---- what came of it ---- */

void tce_record_window(struct tce *t, const struct tce_window *w, bool present)
{
	const uint64_t values[] = { w->liobn, tce_shift(w), tce_start(w), tce_entries(w) };
	struct record_event *e = record_current(t->unit.record->tape);

	if (e)
		record_numbers(&e->effects, present ? "WN" : "WG", values, present ? 4 : 1);
}

void tce_record_memory(struct tce *t, uint64_t first, uint64_t last, bool owned)
{
	struct record_event *e = record_current(t->unit.record->tape);
	uint64_t bytes = last - first == UINT64_MAX ? UINT64_MAX : last - first + 1;

	if (e)
		record_numbers(&e->effects, "MEM", (const uint64_t[]){ first, bytes, owned }, 3);
}

/* ---- calls ---- */

static void put_status(struct record_text *text, int64_t status)
{
	char digits[24];
	unsigned at = sizeof(digits);
	uint64_t value = status < 0 ? -(uint64_t)status : (uint64_t)status;

	digits[--at] = '\0';
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	if (status < 0)
		digits[--at] = '-';
	record_word(text, digits + at);
}

/* Others change nothing, whatever is said to them. */
static uint32_t arguments_of(uint64_t call)
{
	switch (call) {
	case H_GET_TCE:
		return 2;
	case H_PUT_TCE:
		return 3;
	case H_STUFF_TCE:
	case H_PUT_TCE_INDIRECT:
		return 4;
	default:
		return 0;
	}
}

void tce_record_hcall(struct record_event *e, const uint64_t *asked, const uint64_t *answered)
{
	uint32_t count = arguments_of(asked[0]);

	if (!count)
		return;
	record_word(&e->line, "H");
	for (uint32_t i = 0; i <= count; i++)
		record_hex(&e->line, asked[i]);
	put_status(&e->line, (int64_t)answered[0]);
	if (asked[0] == H_GET_TCE)
		record_hex(&e->line, answered[1]);
}

/* More cells than any call has, which is refused. */
#define CELLS_MAX 16U

void tce_record_rtas(struct record_event *e, uint32_t call, const uint32_t *arguments,
		     uint32_t nargs, const uint32_t *results, uint32_t nret)
{
	static const char *const names[] = {
		[VIOMMU_TCE_RTAS_QUERY] = "query",   [VIOMMU_TCE_RTAS_CREATE] = "create",
		[VIOMMU_TCE_RTAS_REMOVE] = "remove", [VIOMMU_TCE_RTAS_RESET] = "reset",
		[VIOMMU_TCE_RTAS_BYPASS] = "bypass", [VIOMMU_TCE_RTAS_QUIESCE] = "quiesce"
	};

	if (nargs > CELLS_MAX || nret > CELLS_MAX)
		return;
	record_word(&e->line, "RT");
	record_word(&e->line, names[bits_clamp_index(call, ARRAY_COUNT(names))]);
	record_decimal(&e->line, nargs);
	record_decimal(&e->line, nret);
	for (uint32_t i = 0; i < nargs; i++)
		record_hex(&e->line, arguments[i]);
	for (uint32_t i = 0; i < nret; i++)
		record_hex(&e->line, results[i]);
}
