/* SPDX-License-Identifier: BSD-3-Clause */
/* tce_rtas.c - RTAS calls on DMA windows (LoPAR, "DMA Window Option"), and two of firmware. */

#include <string.h>

#include "probe.h"
#include "recorder.h"
#include "tce_engine.h"

/* config_addr, BUID: the first three arguments. */
static struct tce_pe *pe_of(const struct tce *t, const uint32_t *a)
{
	struct tce_pe *pe = tce_pe_find(t, a[0], (uint64_t)a[1] << 32 | a[2]);

	return pe && (pe->config.flags & VIOMMU_TCE_PE_DDW) ? pe : NULL;
}

static uint32_t number_of(const struct tce *t, const struct tce_pe *pe)
{
	return (uint32_t)(pe - t->pe);
}

/* ---- ibm,query-pe-dma-window ---- */

static const struct {
	uint32_t shift;
	uint32_t bit;
} page_sizes[] = {
	{ 12, RTAS_PAGES_4K },
	{ 16, RTAS_PAGES_64K },
	{ 21, RTAS_PAGES_2M },
	{ 24, RTAS_PAGES_16M },
};

static uint32_t page_size_bits(const struct tce_pe *pe)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < ARRAY_COUNT(page_sizes); i++) {
		if (pe->config.page_sizes >> page_sizes[i].shift & 1)
			bits |= page_sizes[i].bit;
	}
	return bits;
}

static int query(struct tce *t, const uint32_t *a, uint32_t nargs, uint32_t *r, uint32_t nret)
{
	const struct tce_pe *pe = pe_of(t, a);
	uint64_t largest;

	(void)nargs;
	if (!pe || (nret == 6 && (pe->config.flags & VIOMMU_TCE_PE_FIVE)))
		return RTAS_PARAMETER;
	largest = pe->config.largest;
	*++r = pe->liobns - tce_windows_active(t, number_of(t, pe));
	if (nret == 6)
		*++r = (uint32_t)(largest >> 32);
	else if (largest > UINT32_MAX)
		largest = UINT64_C(1)
			  << 31; /* windows are powers of two: the largest that can be said */
	*++r = (uint32_t)largest;
	*++r = page_size_bits(pe);
	*++r = 0; /* no page size for which pages can be migrated */
	return RTAS_SUCCESS;
}

/* ---- ibm,create-pe-dma-window ---- */

static int create(struct tce *t, const uint32_t *a, uint32_t nargs, uint32_t *r, uint32_t nret)
{
	const struct tce_pe *pe = pe_of(t, a);
	uint32_t shift = a[3];
	struct tce_window *w;
	uint64_t entries, start;
	uint32_t place = 0;

	(void)nargs;
	(void)nret;
	if (!pe || shift > 63 || !(pe->config.page_sizes >> shift & 1) || a[4] < shift || a[4] > 63)
		return RTAS_PARAMETER;
	entries = UINT64_C(1) << (a[4] - shift);
	w = tce_windows_of(t, number_of(t, pe));
	while (place < pe->liobns && tce_live(&w[place]))
		place++;
	if (entries > pe->config.largest || place == pe->liobns ||
	    !tce_window_place(t, pe, shift, entries, &start))
		return RTAS_PARAMETER;
	if (!tce_window_come(t, &w[place], shift, start, entries, TCE_WINDOW_ASKED))
		return RTAS_HARDWARE;
	r[1] = w[place].liobn;
	r[2] = (uint32_t)(start >> 32);
	r[3] = (uint32_t)start;
	return RTAS_SUCCESS;
}

/* ---- ibm,remove-pe-dma-window, ibm,reset-pe-dma-windows ---- */

static int remove_window(struct tce *t, const uint32_t *a, uint32_t nargs, uint32_t *r,
			 uint32_t nret)
{
	struct tce_window *w = tce_window_find(t, a[0]);
	uint64_t first, last;
	uint32_t owner;

	(void)nargs;
	(void)r;
	(void)nret;
	if (!w || !tce_live(w))
		return RTAS_PARAMETER;
	owner = tce_owner_of_window(t, w);
	if (!(t->pe[owner].config.flags & VIOMMU_TCE_PE_DDW))
		return RTAS_PARAMETER;
	first = tce_start(w);
	last = tce_last(w);
	tce_window_go(t, w);
	if (!w->is_default && !tce_windows_active(t, owner))
		tce_default_come(t, owner);
	tce_flush(t, owner, first, last);
	tce_begin_telling(t, TCE_PE, owner, first, last, false);
	return RTAS_SUCCESS;
}

static int reset(struct tce *t, const uint32_t *a, uint32_t nargs, uint32_t *r, uint32_t nret)
{
	struct tce_pe *pe = pe_of(t, a);
	uint32_t owner;

	(void)r;
	(void)nret;
	if (!pe || (pe->config.flags & VIOMMU_TCE_PE_NO_RESET) ||
	    (nargs == 4 && (!(pe->config.flags & VIOMMU_TCE_PE_LIMITED) || a[3] > 1)))
		return RTAS_PARAMETER;
	owner = number_of(t, pe);
	tce_windows_reset(t, owner);
	pe->limited = nargs == 4 && a[3] == 1;
	tce_flush(t, owner, 0, UINT64_MAX);
	tce_begin_telling(t, TCE_PE, owner, 0, UINT64_MAX, false);
	return RTAS_SUCCESS;
}

/* ---- ibm,set-tce-bypass, quiesce ---- */

static int bypass(struct tce *t, const uint32_t *a, uint32_t nargs, uint32_t *r, uint32_t nret)
{
	struct tce_pe *pe = tce_unit_find(t, a[0]);
	uint32_t owner;

	(void)nargs;
	(void)r;
	(void)nret;
	if (!pe || a[1] > 1)
		return RTAS_PARAMETER;
	if (atomic_exchange(&pe->bypass, a[1]) == a[1])
		return RTAS_SUCCESS;
	owner = atomic_load_explicit(&pe->owner, memory_order_relaxed);
	unit_forget_domain(&t->unit, owner);
	probe_invalidation(&t->unit, COUNT_CONTEXTS, NULL, 0, VIOMMU_ANY_PASID, 0, UINT64_MAX);
	tce_begin_telling(t, TCE_PE, owner, 0, UINT64_MAX, true);
	return RTAS_SUCCESS;
}

static int quiesce(struct tce *t, const uint32_t *a, uint32_t nargs, uint32_t *r, uint32_t nret)
{
	(void)a;
	(void)nargs;
	(void)r;
	(void)nret;
	/* at most TCE_PES_MAX steps */
	for (uint32_t i = 0; i < t->config.pes; i++) {
		if (atomic_load_explicit(&t->pe[i].virtual_io, memory_order_relaxed) &&
		    tce_table_clear(&t->pool, &tce_windows_of(t, i)->table))
			tce_flush(t, i, 0, UINT64_MAX);
	}
	tce_begin_telling(t, TCE_VIRTUAL_IO, 0, 0, UINT64_MAX, false);
	return RTAS_SUCCESS;
}

/* ---- calls ---- */

#define RESULTS_MAX   6U
#define ARGUMENTS_MAX 5U

static const struct row {
	int (*execute)(struct tce *t, const uint32_t *a, uint32_t nargs, uint32_t *r,
		       uint32_t nret);
	uint32_t nargs[2]; /* at least, at most */
	uint32_t nret[2];
} rows[] = {
	[VIOMMU_TCE_RTAS_QUERY] = { query, { 3, 3 }, { 5, 6 } },
	[VIOMMU_TCE_RTAS_CREATE] = { create, { 5, 5 }, { 4, 4 } },
	[VIOMMU_TCE_RTAS_REMOVE] = { remove_window, { 1, 1 }, { 1, 1 } },
	[VIOMMU_TCE_RTAS_RESET] = { reset, { 3, 4 }, { 1, 1 } },
	[VIOMMU_TCE_RTAS_BYPASS] = { bypass, { 2, 2 }, { 0, 1 } },
	[VIOMMU_TCE_RTAS_QUIESCE] = { quiesce, { 0, 0 }, { 0, 1 } },
};

static int execute(struct tce *t, const struct row *row, const uint32_t *arguments, uint32_t nargs,
		   uint32_t *results, uint32_t nret)
{
	uint32_t a[ARGUMENTS_MAX] = { 0 };
	uint32_t r[RESULTS_MAX] = { 0 };
	int status = RTAS_PARAMETER;

	if (nargs >= row->nargs[0] && nargs <= row->nargs[1] && nret >= row->nret[0] &&
	    nret <= row->nret[1]) {
		if (nargs)
			memcpy(a, arguments, nargs * sizeof(*a));
		status = row->execute(t, a, nargs, r, nret);
	}
	r[0] = (uint32_t)status;
	for (uint32_t i = 0; i < nret; i++)
		results[i] = i < RESULTS_MAX ? r[i] : 0;
	return status;
}

static inline __attribute__((always_inline)) int serve(struct viommu *u, uint32_t call,
						       const uint32_t *arguments, uint32_t nargs,
						       uint32_t *results, uint32_t nret,
						       uint64_t token)
{
	struct tce *t;
	int result;

	if (call >= ARRAY_COUNT(rows) || (nargs && !arguments) || (nret && !results))
		return VIOMMU_EINVAL;
	result = tce_begin(u);
	if (result)
		return result;
	t = tce_of(u);
	t->job.token = token;
	count_own(u, COUNT_COMMANDS);
	t->job.status = execute(t, &rows[bits_clamp_index(call, ARRAY_COUNT(rows))], arguments,
				nargs, results, nret);
	if (t->job.status)
		count_own(u, COUNT_COMMAND_ERRORS);
	result = tce_answer(t);
	unit_end(u);
	return result;
}

/* It is not in the way of those who are not recorded. */
static __attribute__((noinline)) int record(struct viommu *u, uint32_t call,
					    const uint32_t *arguments, uint32_t nargs,
					    uint32_t *results, uint32_t nret, uint64_t token)
{
	struct record_event e;
	int result;

	unit_record_call(u, &e);
	result = serve(u, call, arguments, nargs, results, nret, token);
	if (result >= 0)
		tce_record_rtas(&e, call, arguments, nargs, results, nret);
	record_end(&e, record_after(result));
	return result;
}

int viommu_tce_rtas(struct viommu *u, uint32_t call, const uint32_t *arguments, uint32_t nargs,
		    uint32_t *results, uint32_t nret, uint64_t token)
{
	if (UNLIKELY(u && u->record))
		return record(u, call, arguments, nargs, results, nret, token);
	return serve(u, call, arguments, nargs, results, nret, token);
}
