/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * play_tce_own.c - TCE tables that the library has recorded: PEs come and go with lines of their own (PE, PEG), T lines name
 * ids of devices, and windows are compared one by one as they come and go.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "play_tce.h"

/* ---- devices, made when a T line first names them ---- */

struct tce_play_pe *tce_own_device(struct player *p, uint32_t id)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = id };
	struct tce_play_pe *pe = tce_play_pe(p->tce, id);

	if (pe || !p->tce->own || p->tce->pes == TCE_PES)
		return pe;
	pe = &p->tce->pe[p->tce->pes];
	*pe = (struct tce_play_pe){ .name = id };
	if (viommu_device_new(p->iommu, &config, &pe->device) != VIOMMU_OK)
		return NULL;
	if (viommu_channel_new(pe->device, VIOMMU_NO_PASID, &pe->channel) != VIOMMU_OK) {
		viommu_device_free(pe->device);
		return NULL;
	}
	p->tce->pes++;
	return pe;
}

static void drop_devices(struct tce_play *t, uint32_t number)
{
	for (uint32_t i = 0; i < t->pes;) {
		if (t->pe[i].name >> t->function_bits != number) {
			i++;
			continue;
		}
		viommu_channel_free(t->pe[i].channel);
		viommu_device_free(t->pe[i].device);
		t->pe[i] = t->pe[--t->pes];
	}
}

/* ---- PE, PEG ---- */

#define PE_NUMBERS 13U

/* PE number flags config_addr buid liobn shift start entries page_sizes largest dynamic_start mmio mmio [liobn]... */
bool tce_parse_pe(struct words *w, struct tape_line *l)
{
	static const uint8_t wide[PE_NUMBERS] = { 0, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1 };

	l->list = w->list;
	l->listed = w->count - 1;
	if (l->listed < PE_NUMBERS || l->listed >= PE_NUMBERS + VIOMMU_TCE_WINDOWS)
		return words_fail(w, "%u fields in a line of kind PE", w->count);
	for (unsigned i = 0; i < l->listed; i++) {
		bool is_wide = i < PE_NUMBERS && wide[i];

		if (!words_hex(w, i + 1, is_wide ? UINT64_MAX : UINT32_MAX, &w->list[i]))
			return false;
	}
	return true;
}

static void served(struct player *p, const struct tape_line *l, int result)
{
	result = player_finish(p, p->iommu, result);
	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "to be served", viommu_strerror(result));
	p->tce->told = 0;
}

void tce_pe_line(struct player *p, const struct tape_line *l)
{
	const uint64_t *n = l->list;
	uint32_t liobn[VIOMMU_TCE_WINDOWS];
	const struct viommu_tce_pe pe = { .size = sizeof(pe),
					  .number = (uint32_t)n[0],
					  .flags = (uint32_t)n[1],
					  .config_addr = (uint32_t)n[2],
					  .buid = n[3],
					  .window = { (uint32_t)n[4], (uint32_t)n[5], n[6], n[7] },
					  .page_sizes = n[8],
					  .largest = n[9],
					  .dynamic_start = n[10],
					  .mmio_first = n[11],
					  .mmio_last = n[12],
					  .liobns = liobn,
					  .liobn_count = l->listed - PE_NUMBERS };

	for (unsigned i = 0; i < pe.liobn_count; i++)
		liobn[i] = (uint32_t)n[PE_NUMBERS + i];
	served(p, l, viommu_tce_add_pe(p->iommu, &pe));
}

void tce_pe_gone_line(struct player *p, const struct tape_line *l)
{
	drop_devices(p->tce, (uint32_t)l->value);
	served(p, l, viommu_tce_remove_pe(p->iommu, (uint32_t)l->value));
}

/* ---- windows ---- */

static bool is_recorded(const struct player *p, const struct viommu_tce_window *w)
{
	const struct tape_line *l;
	size_t at = 0;

	while ((l = effects_next(&p->effects, TAPE_WN, &at))) {
		if (l->rid == w->liobn)
			return true;
	}
	return false;
}

/* What the host of the recording has refused, it refuses again. */
int tce_own_window(void *opaque, uint32_t pe, const struct viommu_tce_window *w, uint32_t present)
{
	struct player *p = opaque;
	struct tce_play *t = p->tce;

	(void)pe;
	if (!t->own || (present && !is_recorded(p, w)))
		return t->own ? VIOMMU_ENOMEM : VIOMMU_OK;
	if (t->told < TCE_TOLD)
		t->tell[t->told] = (struct tce_told){ *w, present };
	t->told++;
	return VIOMMU_OK;
}

static bool same(const struct tape_line *l, const struct tce_told *told)
{
	const struct viommu_tce_window *w = &told->window;

	return (l->kind == TAPE_WN) == told->present && l->rid == w->liobn &&
	       (!told->present ||
		(l->bytes == w->page_shift && l->at == w->start && l->to == w->entries));
}

void tce_own_settle(struct player *p, const struct tape_line *event)
{
	struct tce_play *t = p->tce;
	char text[64];
	uint32_t n = 0;

	for (size_t i = 0; i < p->effects.count; i++) {
		const struct tape_line *l = &p->effects.list[i];

		if (l->kind != TAPE_WN && l->kind != TAPE_WG)
			continue;
		if (n < TCE_TOLD && (n >= t->told || !same(l, &t->tell[n]))) {
			snprintf(text, sizeof(text), "LIOBN %x", l->rid);
			player_differ(p, l->kind, l->number, text, "otherwise");
		}
		n++;
	}
	if (n < t->told) {
		snprintf(text, sizeof(text), "%" PRIu32 " more windows", t->told - n);
		player_differ(p, TAPE_WN, event->number, "nothing", text);
	}
	t->told = 0;
}

/* The windows of the state are not compared; T and H lines show what it brought. */
void tce_own_restored(struct player *p)
{
	p->tce->told = 0;
	effects_forget(&p->effects);
}
