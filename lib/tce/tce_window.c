/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_window.c - DMA windows: who has which, where a new one goes, what is cached of them. */

#include "probe.h"
#include "range.h"
#include "tce_engine.h"

/* ---- looking up ---- */

static uint32_t *bucket_of(const struct tce *t, uint32_t liobn)
{
	return &t->bucket[(liobn * UINT32_C(0x9e3779b1)) >> 8 & (t->buckets - 1)];
}

/* LIOBNs are the VMM's: chains are as long as it makes them. */
struct tce_window *tce_window_find(const struct tce *t, uint64_t liobn)
{
	uint32_t at = liobn > UINT32_MAX ? 0 : *bucket_of(t, (uint32_t)liobn);

	while (at && t->window[at - 1].liobn != liobn)
		at = t->window[at - 1].next;
	return at ? &t->window[at - 1] : NULL;
}

void tce_window_know(struct tce *t, struct tce_window *w, uint32_t liobn)
{
	uint32_t *bucket = bucket_of(t, liobn);

	w->liobn = liobn;
	w->next = *bucket;
	*bucket = (uint32_t)(w - t->window) + 1;
}

void tce_window_forget(struct tce *t, struct tce_window *w)
{
	uint32_t *at = bucket_of(t, w->liobn);
	uint32_t place = (uint32_t)(w - t->window) + 1;

	while (*at != place)
		at = &t->window[*at - 1].next;
	*at = w->next;
}

static struct tce_pe *find(const struct tce *t, bool virtual_io, uint32_t config_addr,
			   uint64_t buid)
{
	/* at most TCE_PES_MAX steps */
	for (uint32_t i = 0; i < t->config.pes; i++) {
		struct tce_pe *pe = &t->pe[i];
		uint32_t flags = pe->config.flags;

		if (tce_is_there(pe) && virtual_io == (bool)(flags & VIOMMU_TCE_PE_VIO) &&
		    pe->config.buid == buid &&
		    (!(flags & VIOMMU_TCE_PE_SLOT) || pe->config.config_addr == config_addr))
			return pe;
	}
	return NULL;
}

struct tce_pe *tce_pe_find(const struct tce *t, uint32_t config_addr, uint64_t buid)
{
	return find(t, false, config_addr, buid);
}

struct tce_pe *tce_unit_find(const struct tce *t, uint32_t unit)
{
	return find(t, true, 0, unit);
}

uint32_t tce_windows_active(const struct tce *t, uint32_t owner)
{
	const struct tce_window *w = tce_windows_of(t, owner);
	uint32_t active = 0;

	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++)
		active += tce_live(&w[i]) != 0;
	return active;
}

/* ---- where a window may be ---- */

/* Whether [first, last] has addresses where no window of the PE may be; *end: the last one of what is there. */
static bool reserved(const struct tce *t, const struct viommu_tce_pe *pe, uint64_t first,
		     uint64_t last, uint64_t *end)
{
	*end = t->config.msi_first + t->config.msi_bytes - 1;
	if (t->config.msi_bytes && !(pe->flags & VIOMMU_TCE_PE_VIO) &&
	    range_overlaps(first, last, t->config.msi_first, *end))
		return true;
	*end = pe->mmio_last;
	return pe->mmio_last && range_overlaps(first, last, pe->mmio_first, pe->mmio_last);
}

/* The same, or where one is. */
static bool taken(const struct tce *t, const struct tce_pe *pe, uint64_t first, uint64_t last,
		  uint64_t *end)
{
	const struct tce_window *w = tce_windows_of(t, (uint32_t)(pe - t->pe));

	if (reserved(t, &pe->config, first, last, end))
		return true;
	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		if (!tce_live(&w[i]))
			continue;
		*end = tce_last(&w[i]);
		if (range_overlaps(first, last, tce_start(&w[i]), *end))
			return true;
	}
	return false;
}

/* The last address of a window that does not wrap. */
static bool window_last(uint32_t shift, uint64_t start, uint64_t entries, uint64_t *last)
{
	return entries && entries - 1 <= UINT64_MAX >> shift && !(start & bits_low(shift)) &&
	       range_add(start, (entries - 1) << shift | bits_low(shift), last);
}

bool tce_window_is_free(const struct tce *t, const struct viommu_tce_pe *pe,
			const struct viommu_tce_window *w)
{
	uint64_t last, end;

	return w->page_shift < 64 && w->entries <= TCE_ENTRIES &&
	       window_last(w->page_shift, w->start, w->entries, &last) &&
	       !reserved(t, pe, w->start, last, &end);
}

static bool fits(const struct tce *t, const struct tce_pe *pe, uint32_t shift, uint64_t start,
		 uint64_t entries)
{
	uint64_t last, end;

	return window_last(shift, start, entries, &last) && !taken(t, pe, start, last, &end);
}

bool tce_window_place(const struct tce *t, const struct tce_pe *pe, uint32_t shift,
		      uint64_t entries, uint64_t *start)
{
	uint64_t last, end;

	*start = pe->config.window.start;
	if (!pe->limited && fits(t, pe, shift, *start, entries))
		return true;
	*start = pe->limited ? UINT64_C(1) << 32 : pe->config.dynamic_start;
	/* each step passes by one of the few that are there */
	while (range_add(*start, bits_low(shift), start)) {
		*start &= ~bits_low(shift);
		if (!window_last(shift, *start, entries, &last))
			return false;
		if (!taken(t, pe, *start, last, &end))
			return true;
		*start = end + 1;
		if (*start == 0)
			return false;
	}
	return false;
}

/* ---- coming and going ---- */

static bool tell_host(const struct tce *t, const struct tce_window *w, bool present)
{
	const struct viommu_tce_window window = { .liobn = w->liobn,
						  .page_shift = tce_shift(w),
						  .start = tce_start(w),
						  .entries = tce_entries(w) };

	return !t->config.window || t->config.window(t->config.opaque, tce_owner_of_window(t, w),
						     &window, present) == VIOMMU_OK;
}

static void record(struct tce *t, const struct tce_window *w, bool present)
{
	if (UNLIKELY(t->unit.record))
		tce_record_window(t, w, present);
}

bool tce_window_come(struct tce *t, struct tce_window *w, uint32_t shift, uint64_t start,
		     uint64_t entries, enum tce_coming coming)
{
	atomic_store_explicit(&w->shift, shift, memory_order_relaxed);
	atomic_store_explicit(&w->start, start, memory_order_relaxed);
	atomic_store_explicit(&w->entries, entries, memory_order_relaxed);
	atomic_store_explicit(&w->table.top, tce_table_top(entries), memory_order_relaxed);
	w->is_default = coming == TCE_WINDOW_DEFAULT;
	if (!tell_host(t, w, true) && coming == TCE_WINDOW_ASKED)
		return false;
	record(t, w, true);
	atomic_store_explicit(&w->live, ++t->incarnations, memory_order_release);
	return true;
}

void tce_window_go(struct tce *t, struct tce_window *w)
{
	atomic_store_explicit(&w->live, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	tce_table_clear(&t->pool, &w->table);
	tell_host(t, w, false);
	record(t, w, false);
}

void tce_default_come(struct tce *t, uint32_t owner)
{
	const struct viommu_tce_window *c = &t->pe[owner].config.window;

	tce_window_come(t, tce_windows_of(t, owner), c->page_shift, c->start, c->entries,
			TCE_WINDOW_DEFAULT);
}

void tce_windows_reset(struct tce *t, uint32_t owner)
{
	struct tce_window *w = tce_windows_of(t, owner);

	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		if (!tce_live(&w[i]))
			continue;
		if (w[i].is_default)
			tce_table_clear(&t->pool, &w[i].table);
		else
			tce_window_go(t, &w[i]);
	}
	if (!tce_live(w))
		tce_default_come(t, owner);
	t->pe[owner].limited = false;
}

/* ---- caches ---- */

void tce_flush(struct tce *t, uint32_t owner, uint64_t first, uint64_t last)
{
	const bool all = first == 0 && last == UINT64_MAX;
	const struct domain_flush flush = { .match = { .group = owner,
						       .id = DOMAIN_ANY,
						       .kinds = all ? 0 : 1U << TCE_KIND_WINDOWS,
						       .whole = all ? 1U << TCE_KIND_WINDOWS : 0 },
					    .first = first,
					    .last = last,
					    .leaf = true };

	unit_flush_one(&t->unit, &flush);
	probe_invalidation(&t->unit, COUNT_RANGES, NULL, owner, VIOMMU_ANY_PASID, first, last);
}

void tce_flush_all(struct tce *t)
{
	unit_forget(&t->unit, true);
	probe_invalidation(&t->unit, COUNT_FLUSHES, NULL, 0, VIOMMU_ANY_PASID, 0, UINT64_MAX);
}
