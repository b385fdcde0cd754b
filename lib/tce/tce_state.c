/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_state.c - save and restore. Windows and their entries are ours, so they are part of it.
 *
 *	"pes "  of each PE: number, owner, default window; bypass, limited addressing; windows, and of each of those place, LIOBN,
 *		page shift, whether it is the default one, bus address, entries
 *	"tces"  runs of entries that are not 0, in order: PE, place, first, count, entries
 *
 * Calls that are pending are not: nobody on the other side uses what they took away.
 */

#include "range.h"
#include "state.h"
#include "tce_engine.h"

#define RUN_MAX TCE_COUNT_MAX

/* ---- save ---- */

static void put_window(struct state_writer *state, const struct tce_window *w, uint32_t place)
{
	state_put32(state, place);
	state_put32(state, w->liobn);
	state_put32(state, tce_shift(w));
	state_put32(state, w->is_default);
	state_put64(state, tce_start(w));
	state_put64(state, tce_entries(w));
}

static void put_pe(const struct tce *t, struct state_writer *state, uint32_t number)
{
	const struct tce_pe *pe = &t->pe[number];
	const struct tce_window *w = tce_windows_of(t, number);

	state_put32(state, number);
	state_put32(state, atomic_load_explicit(&pe->owner, memory_order_relaxed));
	state_put32(state, pe->config.window.liobn);
	state_put32(state, pe->config.window.page_shift);
	state_put64(state, pe->config.window.start);
	state_put64(state, pe->config.window.entries);
	state_put32(state, atomic_load_explicit(&pe->bypass, memory_order_relaxed));
	state_put32(state, pe->limited);
	state_put32(state, tce_windows_active(t, number));
	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		if (tce_live(&w[i]))
			put_window(state, &w[i], i);
	}
}

/* The run that begins at an entry, in @run; its length. */
static uint32_t collect(const struct tce *t, const struct tce_window *w, uint64_t index,
			uint64_t *run)
{
	uint64_t left = tce_entries(w) - index;
	uint32_t most = left < RUN_MAX ? (uint32_t)left : RUN_MAX;
	uint32_t count = 0;

	while (count < most && (run[count] = tce_table_get(&t->pool, &w->table, index + count)))
		count++;
	return count;
}

static void put_entries(struct tce *t, struct state_writer *state, const struct tce_window *w)
{
	uint32_t owner = tce_owner_of_window(t, w);
	uint64_t index = 0;

	/* as many steps as there are entries and pages */
	while (index < tce_entries(w)) {
		uint64_t entry;
		uint32_t count;
		enum tce_step step = tce_table_next(&t->pool, &w->table, &index, &entry);

		if (step == TCE_STEP_END)
			return;
		if (step == TCE_STEP_PASSED)
			continue;
		count = collect(t, w, index, t->old);
		state_put32(state, owner);
		state_put32(state, (uint32_t)(w - tce_windows_of(t, owner)));
		state_put64(state, index);
		state_put32(state, count);
		for (uint32_t i = 0; i < count; i++)
			state_put64(state, t->old[i]);
		index += count;
	}
}

void tce_save(struct viommu *u, struct state_writer *state)
{
	struct tce *t = tce_of(u);

	if (!tce_finish_job(t)) {
		state->busy = true;
		return;
	}
	state_record(state, "pes ");
	for (uint32_t i = 0; i < t->config.pes; i++) {
		if (tce_is_there(&t->pe[i]))
			put_pe(t, state, i);
	}
	state_record(state, "tces");
	for (uint32_t i = 0; i < t->config.pes * VIOMMU_TCE_WINDOWS; i++) {
		if (tce_live(&t->window[i]))
			put_entries(t, state, &t->window[i]);
	}
}

/* ---- restore: everything is checked, and there is memory for it, before anything is changed ---- */

/* A PE as the state has it. */
struct loaded {
	bool there;
	uint32_t bypass;
	uint32_t limited;
	struct loaded_window {
		bool live;
		bool is_default;
		uint32_t shift;
		uint64_t start;
		uint64_t entries;
	} window[VIOMMU_TCE_WINDOWS];
};

/* Whether it is one that the PE can have, apart from its others. */
static bool check_window(const struct tce *t, const struct tce_pe *pe, uint32_t liobn,
			 uint32_t place, const struct loaded_window *w)
{
	const struct viommu_tce_window *own = &pe->config.window;
	uint32_t number = (uint32_t)(pe - t->pe);
	struct viommu_tce_window window = { liobn, w->shift, w->start, w->entries };

	if (tce_windows_of(t, number)[place].liobn != liobn ||
	    !tce_window_is_free(t, &pe->config, &window))
		return false;
	if (w->is_default)
		return place == 0 && w->shift == own->page_shift && w->start == own->start &&
		       w->entries == own->entries;
	return (pe->config.flags & VIOMMU_TCE_PE_DDW) && w->shift < 64 &&
	       (pe->config.page_sizes >> w->shift & 1) && w->entries <= pe->config.largest;
}

static bool overlap(const struct loaded_window *a, const struct loaded_window *b)
{
	return range_overlaps(a->start, a->start + ((a->entries << a->shift) - 1), b->start,
			      b->start + ((b->entries << b->shift) - 1));
}

static bool load_window(const struct tce *t, const struct tce_pe *pe, struct state_reader *state,
			struct loaded *l)
{
	uint32_t place = state_get32(state);
	uint32_t liobn = state_get32(state);
	struct loaded_window w = { .live = true };
	uint32_t is_default;

	w.shift = state_get32(state);
	is_default = state_get32(state);
	w.is_default = is_default;
	w.start = state_get64(state);
	w.entries = state_get64(state);
	if (state->bad || is_default > 1 || place >= pe->liobns || l->window[place].live ||
	    !check_window(t, pe, liobn, place, &w))
		return false;
	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		if (l->window[i].live && overlap(&l->window[i], &w))
			return false;
	}
	l->window[place] = w;
	return true;
}

static bool load_pe(const struct tce *t, struct state_reader *state, struct loaded *loaded)
{
	uint32_t number = state_get32(state);
	const struct tce_pe *pe = number < t->config.pes ? &t->pe[number] : NULL;
	const struct viommu_tce_window *own;
	uint32_t windows;
	struct loaded *l;

	if (!pe || !tce_is_there(pe) || loaded[number].there)
		return false;
	l = &loaded[number];
	own = &pe->config.window;
	l->there = true;
	if (state_get32(state) != atomic_load_explicit(&pe->owner, memory_order_relaxed) ||
	    state_get32(state) != own->liobn || state_get32(state) != own->page_shift ||
	    state_get64(state) != own->start || state_get64(state) != own->entries)
		return false;
	l->bypass = state_get32(state);
	l->limited = state_get32(state);
	windows = state_get32(state);
	if (state->bad || l->bypass > !!(pe->config.flags & VIOMMU_TCE_PE_VIO) ||
	    l->limited > !!(pe->config.flags & VIOMMU_TCE_PE_LIMITED) ||
	    windows > VIOMMU_TCE_WINDOWS ||
	    (atomic_load_explicit(&pe->owner, memory_order_relaxed) != number && windows))
		return false;
	while (windows--) {
		if (!load_window(t, pe, state, l))
			return false;
	}
	return true;
}

static bool load_pes(const struct tce *t, struct state_reader *state, struct loaded *loaded)
{
	if (!state_find(state, "pes "))
		return false;
	while (state_left(state)) {
		if (!load_pe(t, state, loaded))
			return false;
	}
	for (uint32_t i = 0; i < t->config.pes; i++) {
		if (loaded[i].there != tce_is_there(&t->pe[i]))
			return false;
	}
	return !state->bad;
}

/* One run: where it is. */
struct run {
	uint32_t number;
	uint32_t place;
	uint64_t index;
	uint32_t count;
};

static struct run get_run(struct state_reader *state)
{
	struct run r = { .number = state_get32(state) };

	r.place = state_get32(state);
	r.index = state_get64(state);
	r.count = state_get32(state);
	return r;
}

/* In the order of windows, and of entries in them; @before: the run before, and the end of it in index. */
static const struct loaded_window *run_window(const struct tce *t, const struct loaded *loaded,
					      const struct run *r, const struct run *before)
{
	const struct loaded_window *w;
	bool same = r->number == before->number && r->place == before->place;
	uint64_t end;

	if (r->number >= t->config.pes || r->place >= VIOMMU_TCE_WINDOWS || r->count == 0 ||
	    r->count > RUN_MAX || r->number < before->number ||
	    (r->number == before->number && r->place < before->place) ||
	    (same && r->index < before->index))
		return NULL;
	w = &loaded[r->number].window[r->place];
	return w->live && range_add(r->index, r->count, &end) && end <= w->entries ? w : NULL;
}

/* Pages that a run needs beyond those of the one before. */
static uint64_t pages_of(const struct run *r, const struct run *before, uint64_t entries)
{
	bool same = r->number == before->number && r->place == before->place && before->count;
	uint64_t last = r->index + r->count - 1;
	uint64_t pages = 0;

	for (uint32_t level = 0; level <= tce_table_top(entries); level++) {
		uint32_t shift = TCE_PAGE_LG2 * (level + 1);
		uint64_t first = r->index >> shift;

		pages += (last >> shift) - first + 1;
		if (same && (before->index - 1) >> shift == first)
			pages--;
	}
	return pages;
}

/* VIOMMU_OK, VIOMMU_ESTATE, VIOMMU_ENOMEM */
static int load_entries(struct tce *t, struct state_reader *state, const struct loaded *loaded)
{
	struct run before = { .number = 0 };
	uint64_t pages = 0;

	if (!state_find(state, "tces"))
		return VIOMMU_ESTATE;
	while (state_left(state)) {
		struct run r = get_run(state);
		const struct loaded_window *w =
			state->bad ? NULL : run_window(t, loaded, &r, &before);

		if (!w)
			return VIOMMU_ESTATE;
		for (uint32_t i = 0; i < r.count; i++) {
			uint64_t entry = state_get64(state);

			if (!entry ||
			    (tce_is_valid(entry) && !tce_address_owned(t, entry, w->shift)))
				return VIOMMU_ESTATE;
		}
		pages += pages_of(&r, &before, w->entries);
		before = r;
		before.index += r.count;
	}
	if (state->bad || pages > t->pool.limit)
		return VIOMMU_ESTATE;
	return tce_pool_reserve(&t->pool, pages) ? VIOMMU_OK : VIOMMU_ENOMEM;
}

/* ---- taking it ---- */

static void take_pe(struct tce *t, uint32_t number, const struct loaded *l)
{
	struct tce_window *w = tce_windows_of(t, number);

	atomic_store_explicit(&t->pe[number].bypass, l->bypass, memory_order_relaxed);
	t->pe[number].limited = l->limited;
	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		if (tce_live(&w[i]))
			tce_window_go(t, &w[i]);
	}
	for (uint32_t i = 0; i < VIOMMU_TCE_WINDOWS; i++) {
		const struct loaded_window *from = &l->window[i];

		if (from->live)
			tce_window_come(t, &w[i], from->shift, from->start, from->entries,
					from->is_default ? TCE_WINDOW_DEFAULT : TCE_WINDOW_CREATED);
	}
}

static void take_entries(struct tce *t, struct state_reader *state)
{
	state_find(state, "tces");
	while (state_left(state)) {
		struct run r = get_run(state);
		struct tce_table *table = &tce_windows_of(t, r.number)[r.place].table;

		for (uint32_t i = 0; i < r.count; i++)
			t->list[i] = state_get64(state);
		if (NEVER(!tce_table_prepare(&t->pool, table, r.index, r.count)))
			return;
		tce_table_write(&t->pool, table, r.index, r.count, t->list);
	}
}

static int take(struct tce *t, struct state_reader *state, const struct loaded *loaded)
{
	tce_drop_pending(t);
	/* all go before any comes: what those need are pages of these */
	for (uint32_t i = 0; i < t->config.pes; i++) {
		if (loaded[i].there)
			take_pe(t, i, &loaded[i]);
	}
	take_entries(t, state);
	tce_flush_all(t);
	t->job = (struct tce_job){ .call = false };
	tce_begin_telling(t, TCE_ALL, 0, 0, UINT64_MAX, true);
	return tce_advance(t) && !t->quiet.completion.epoch ? VIOMMU_OK : VIOMMU_PENDING;
}

int tce_restore(struct viommu *u, struct state_reader *state)
{
	struct tce *t = tce_of(u);
	uint64_t bytes = t->config.pes * sizeof(struct loaded);
	struct loaded *loaded = vm_alloc(u->vm, bytes, _Alignof(struct loaded));
	int result = VIOMMU_ENOMEM;

	if (loaded)
		result =
			load_pes(t, state, loaded) ? load_entries(t, state, loaded) : VIOMMU_ESTATE;
	if (!result)
		result = take(t, state, loaded);
	vm_dealloc(u->vm, loaded, bytes);
	return result;
}
