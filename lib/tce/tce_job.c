/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_job.c - what a call, a reset or a restore does, in steps.
 *
 * There is one at a time, and it is taken on by whatever call comes next, until steps run out (unit_pay()). Entries are
 * stored in pieces of at most TCE_COUNT_MAX, each all or nothing: first there is room, then they are stored, then devices are told; a
 * listener that refuses one has the piece put back as it was. Only taking away may need more than one piece, and cannot fail.
 *
 * The device that the job is at may be freed by another thread: the job goes on with the next, from the beginning.
 */

#include "tce_engine.h"

/* ---- devices, one after the other ---- */

static bool concerns(const struct tce *t, const struct tce_device *d)
{
	uint32_t id = tce_id(d);
	const struct tce_pe *pe = tce_pe_of(t, id);

	if (t->job.scope == TCE_ALL)
		return true;
	if (t->job.scope == TCE_NUMBER) /* whether there is such a PE or not */
		return id != VIOMMU_NO_ID && id >> t->config.function_bits == t->job.owner;
	if (!pe)
		return false;
	return t->job.scope == TCE_VIRTUAL_IO
		       ? atomic_load_explicit(&pe->virtual_io, memory_order_relaxed) != 0
		       : atomic_load_explicit(&pe->owner, memory_order_relaxed) == t->job.owner;
}

static void walk(struct tce *t)
{
	pthread_mutex_lock(&t->unit.devices_lock);
	t->at = (struct tce_device *)(void *)t->unit.all_devices;
	pthread_mutex_unlock(&t->unit.devices_lock);
	t->job.serial = 0; /* nobody's */
}

/* The device the job is at, in use until pass_by(); NULL: there are no more. What another one was told is not what it
 * knows. */
static struct tce_device *come_to(struct tce *t)
{
	struct tce_device *d;

	pthread_mutex_lock(&t->unit.devices_lock);
	d = t->at;
	if (d)
		atomic_fetch_add(&d->device.users, 1);
	pthread_mutex_unlock(&t->unit.devices_lock);
	if (d && d->device.serial != t->job.serial) {
		t->job.serial = d->device.serial;
		t->job.told = 0;
		t->job.unmapped = false;
	}
	return d;
}

static void pass_by(struct tce *t, struct tce_device *d, bool next)
{
	if (next) {
		pthread_mutex_lock(&t->unit.devices_lock);
		t->at = (struct tce_device *)(void *)d->device.next_of_all;
		pthread_mutex_unlock(&t->unit.devices_lock);
	}
	device_put(&d->device);
}

/* Tells each device that is concerned, as long as the phase lasts. False: @tell could not go on. */
static bool tell_each(struct tce *t, enum tce_phase phase,
		      bool (*tell)(struct tce *t, struct tce_device *d))
{
	struct tce_device *d;

	while (t->job.phase == phase && (d = come_to(t)) != NULL) {
		/* who is told pays for himself */
		bool done = concerns(t, d) ? tell(t, d) : unit_pay(&t->unit, 1);

		pass_by(t, d, done);
		if (!done)
			return false;
	}
	return true;
}

/* Its own cache, too. False: too many invalidations are outstanding, and the answer to one lets this go on. */
static bool unmap(struct tce *t, struct tce_device *d, uint64_t first, uint64_t last)
{
	struct viommu_device_invalidation invalidation = { .first = first,
							   .last = last,
							   .pasid = VIOMMU_NO_PASID };
	bool gave_up = false;

	device_invalidate(&d->device, &invalidation, &gave_up);
	if (!gave_up)
		notify_device_unmap(&t->unit, &d->device, first, last);
	return !gave_up;
}

enum told { TOLD, TOLD_LATER, TOLD_REFUSED };

/* One entry, in pieces that are contiguous in host memory: at most two steps a region of the VM, and one more. */
static enum told map(struct tce *t, struct tce_device *d, uint64_t iova, uint64_t entry,
		     uint32_t shift)
{
	uint64_t gpa = tce_address(entry, shift);
	uint64_t end = gpa + bits_low(shift);

	for (;;) {
		struct viommu_fragment f = { .gpa = gpa,
					     .perm = tce_perm(entry) & (unsigned)PERM_USER };
		uint64_t last = mem_piece(t->unit.vm, gpa, end, f.perm & VIOMMU_WRITE, &f.host);

		f.length = last - gpa + 1;
		if (notify_device_map(&t->unit, &d->device, iova, &f))
			return TOLD_REFUSED;
		if (last == end)
			return TOLD;
		iova += f.length;
		gpa += f.length;
		unit_pay(&t->unit, 1);
	}
}

/* ---- entries of a window ---- */

static uint64_t address_of(const struct tce_window *w, uint64_t index)
{
	return tce_start(w) + (index << tce_shift(w));
}

/* Of the piece, by number from its beginning. */
static uint64_t entry_of(const struct tce *t, uint64_t i)
{
	return t->job.listed ? t->list[i] : t->job.entry;
}

static bool hears(const struct tce *t)
{
	return notify_anybody(&t->unit) ||
	       atomic_load_explicit(&t->caching, memory_order_relaxed) != 0;
}

/* One step a region of the VM that is in [gpa, end], and for each gap. */
static __attribute__((noinline)) bool find_owned(struct tce *t, uint64_t gpa, uint64_t end)
{
	for (;;) {
		uint64_t last;
		bool owned;

		mem_find_near(t->unit.vm, gpa, &t->memory);
		last = t->memory.last < end ? t->memory.last : end;
		owned = t->memory.host ||
			(t->config.owns && t->config.owns(t->config.opaque, gpa, last - gpa + 1));
		if (UNLIKELY(t->unit.record))
			tce_record_memory(t, t->memory.host ? t->memory.first : gpa,
					  t->memory.host ? t->memory.last : last, owned);
		if (!owned)
			return false;
		if (last == end)
			return true;
		gpa = last + 1;
	}
}

static inline bool is_owned(struct tce *t, uint64_t entry, uint32_t shift)
{
	uint64_t gpa = tce_address(entry, shift);
	uint64_t end = gpa + bits_low(shift);

	return (gpa >= t->memory.first && end <= t->memory.last && t->memory.host &&
		atomic_load_explicit(&t->unit.vm->map_version, memory_order_acquire) ==
			t->memory.version) ||
	       (t->config.flags & VIOMMU_TCE_ANY_ADDRESS) || find_owned(t, gpa, end);
}

bool tce_address_owned(struct tce *t, uint64_t entry, uint32_t shift)
{
	return is_owned(t, entry, shift);
}

/* Entries that are paid for at a time. */
#define CHECKED 16U

static bool check_some(struct tce *t, uint64_t first, uint64_t end, uint32_t shift)
{
	for (uint64_t i = first; i < end; i++) {
		if (tce_is_valid(t->list[i]) && !is_owned(t, t->list[i], shift))
			return false;
	}
	return true;
}

static bool go_on_checking(struct tce *t)
{
	struct tce_job *job = &t->job;
	uint32_t shift = tce_shift(job->window);

	for (; job->at < job->count; job->at += CHECKED) {
		uint64_t end = job->at + CHECKED < job->count ? job->at + CHECKED : job->count;

		if (!unit_pay(&t->unit, CHECKED))
			return false;
		if (!check_some(t, job->at, end, shift)) {
			job->status = H_PARAMETER;
			job->phase = TCE_IDLE;
			return true;
		}
	}
	job->at = 0;
	job->phase = TCE_STORING;
	return true;
}

/* Whether something of the piece needs a place in the table. */
static bool needs_room(const struct tce *t)
{
	uint64_t any = t->job.listed ? 0 : t->job.entry;

	for (uint32_t i = 0; t->job.listed && i < t->job.piece; i++)
		any |= t->list[i];
	return any != 0;
}

static void flush_piece(struct tce *t)
{
	const struct tce_job *job = &t->job;
	uint64_t first = address_of(job->window, job->index + job->at);

	tce_flush(t, job->owner, first,
		  first + (((uint64_t)job->piece << tce_shift(job->window)) - 1));
}

/* There is room if need be. True: one that was valid has changed. */
static bool write_piece(struct tce *t, uint64_t index)
{
	struct tce_job *job = &t->job;
	struct tce_table *table = &job->window->table;

	return job->listed ? tce_table_write(&t->pool, table, index, job->piece, t->list)
			   : tce_table_fill(&t->pool, table, index, job->piece, job->entry);
}

/* False: there is no room. */
static bool store_piece(struct tce *t)
{
	struct tce_job *job = &t->job;
	struct tce_table *table = &job->window->table;
	uint64_t index = job->index + job->at;
	bool took;

	job->heard = hears(t);
	if (UNLIKELY(job->heard))
		tce_table_read(&t->pool, table, index, job->piece, t->old);
	if (job->piece == 1 && !job->listed) {
		if (!tce_table_put(&t->pool, table, index, job->entry, &took))
			return false;
	} else {
		if (needs_room(t) && !tce_table_prepare(&t->pool, table, index, job->piece))
			return false;
		took = write_piece(t, index);
	}
	if (took)
		flush_piece(t);
	job->took |= took;
	return true;
}

static bool go_on_storing(struct tce *t)
{
	struct tce_job *job = &t->job;

	while (job->at < job->count) {
		uint64_t left = job->count - job->at;

		job->piece = left < TCE_COUNT_MAX ? (uint32_t)left : TCE_COUNT_MAX;
		if (!unit_pay(&t->unit, job->piece))
			return false;
		if (!store_piece(t)) {
			job->status = H_NOT_ENOUGH_RESOURCES;
			break;
		}
		if (UNLIKELY(job->heard)) {
			job->phase = TCE_TELLING;
			walk(t);
			return true;
		}
		job->at += job->piece;
	}
	job->phase = TCE_IDLE;
	return true;
}

/* Whether an entry of the piece has gone, and where the run of such ends. */
static uint64_t run_of_gone(const struct tce *t, uint64_t i)
{
	while (i < t->job.piece && tce_is_valid(t->old[i]) && t->old[i] != entry_of(t, i))
		i++;
	return i;
}

/* The entries that have gone, in runs. What has been told: those, and then, counted from piece on, what has come. */
static bool tell_gone(struct tce *t, struct tce_device *d)
{
	struct tce_job *job = &t->job;

	while (job->told < job->piece) {
		uint64_t end = run_of_gone(t, job->told);
		uint64_t first = address_of(job->window, job->index + job->at + job->told);
		uint64_t pages = end - job->told;

		if (!unit_pay(&t->unit, 1 + (uint32_t)pages / 16))
			return false;
		if (pages && !unmap(t, d, first, first + ((pages << tce_shift(job->window)) - 1)))
			return false;
		job->told += pages ? pages : 1;
	}
	return true;
}

static void undo(struct tce *t)
{
	struct tce_job *job = &t->job;

	tce_table_prepare(&t->pool, &job->window->table, job->index + job->at, job->piece);
	tce_table_write(&t->pool, &job->window->table, job->index + job->at, job->piece, t->old);
	flush_piece(t);
	job->took = true;
	job->status = H_NOT_ENOUGH_RESOURCES;
	job->phase = TCE_UNDOING;
}

static bool tell_piece(struct tce *t, struct tce_device *d)
{
	struct tce_job *job = &t->job;
	enum told told = TOLD;

	if (!tell_gone(t, d))
		return false;
	if (!notify_wants_map(&t->unit, &d->device))
		return true;
	for (; told == TOLD && job->told < 2 * (uint64_t)job->piece; job->told++) {
		uint64_t i = job->told - job->piece;
		uint64_t entry = entry_of(t, i);

		if (!unit_pay(&t->unit, 1))
			return false;
		if (tce_is_valid(entry) && entry != t->old[i])
			told = map(t, d, address_of(job->window, job->index + job->at + i), entry,
				   tce_shift(job->window));
	}
	if (told == TOLD_REFUSED)
		undo(t);
	return true;
}

static bool go_on_telling(struct tce *t)
{
	struct tce_job *job = &t->job;

	if (!tell_each(t, TCE_TELLING, tell_piece))
		return false;
	if (job->phase == TCE_UNDOING) {
		walk(t);
		return true;
	}
	job->at += job->piece;
	job->phase = TCE_STORING;
	return true;
}

/* As it was: what cannot be mapped again is not, and the device finds nothing there. */
static bool tell_undone(struct tce *t, struct tce_device *d)
{
	struct tce_job *job = &t->job;
	uint64_t first = address_of(job->window, job->index + job->at);

	if (!job->unmapped &&
	    (!unit_pay(&t->unit, 1) ||
	     !unmap(t, d, first, first + (((uint64_t)job->piece << tce_shift(job->window)) - 1))))
		return false;
	job->unmapped = true;
	if (!notify_wants_map(&t->unit, &d->device))
		return true;
	for (; job->told < job->piece; job->told++) {
		if (!unit_pay(&t->unit, 1))
			return false;
		if (tce_is_valid(t->old[job->told]))
			map(t, d, address_of(job->window, job->index + job->at + job->told),
			    t->old[job->told], tce_shift(job->window));
	}
	return true;
}

static bool go_on_undoing(struct tce *t)
{
	if (!tell_each(t, TCE_UNDOING, tell_undone))
		return false;
	t->job.phase = TCE_IDLE;
	return true;
}

void tce_begin_entries(struct tce *t, struct tce_window *w, uint64_t index, uint64_t count,
		       bool listed, uint64_t entry)
{
	struct tce_job *job = &t->job;

	job->phase = listed ? TCE_CHECKING : TCE_STORING;
	job->scope = TCE_PE;
	job->owner = tce_owner_of_window(t, w);
	job->window = w;
	job->index = index;
	job->count = count;
	job->listed = listed;
	job->entry = entry;
	job->at = 0;
}

/* ---- devices as a whole ---- */

/* What is mapped in one window, from entry job->told on. */
static enum told tell_window(struct tce *t, struct tce_device *d, const struct tce_window *w)
{
	uint64_t index = t->job.told;
	enum told told = TOLD;
	uint64_t entry;

	for (;;) {
		enum tce_step step;

		t->job.told = index;
		if (!unit_pay(&t->unit, 2))
			return TOLD_LATER;
		step = tce_table_next(&t->pool, &w->table, &index, &entry);
		if (step == TCE_STEP_END || index >= tce_entries(w))
			return told;
		if (step == TCE_STEP_PASSED)
			continue;
		if (tce_is_valid(entry) &&
		    map(t, d, address_of(w, index), entry, tce_shift(w)) == TOLD_REFUSED)
			told = TOLD_REFUSED; /* the device finds nothing there */
		index++;
	}
}

/* The number of the window is in the upper bits of what has been told. */
static bool tell_windows(struct tce *t, struct tce_device *d, uint32_t owner)
{
	struct tce_job *job = &t->job;

	for (; job->piece < VIOMMU_TCE_WINDOWS; job->piece++, job->told = 0) {
		const struct tce_window *w = &tce_windows_of(t, owner)[job->piece];

		if (tce_live(w) && tell_window(t, d, w) == TOLD_LATER)
			return false;
	}
	return true;
}

static bool tell_device(struct tce *t, struct tce_device *d)
{
	struct tce_job *job = &t->job;
	const struct tce_pe *pe;
	uint32_t mode;

	if (!job->unmapped && (!unit_pay(&t->unit, 1) || !unmap(t, d, job->first, job->last)))
		return false;
	if (!job->mode)
		return true;
	/* once, and not before callbacks, in which its id may change */
	pe = tce_pe_of(t, tce_id(d));
	mode = tce_mode_of(pe);
	if (!job->unmapped) {
		notify_device_mode(&t->unit, &d->device, mode);
		job->piece = 0;
	}
	job->unmapped = true;
	if (!pe || mode != VIOMMU_MODE_TRANSLATE || !notify_wants_map(&t->unit, &d->device))
		return true;
	return tell_windows(t, d, atomic_load_explicit(&pe->owner, memory_order_relaxed));
}

static bool go_on_telling_devices(struct tce *t)
{
	if (hears(t) && !tell_each(t, TCE_TELLING_DEVICES, tell_device))
		return false;
	t->job.phase = TCE_IDLE;
	return true;
}

void tce_begin_telling(struct tce *t, enum tce_scope scope, uint32_t owner, uint64_t first,
		       uint64_t last, bool mode)
{
	struct tce_job *job = &t->job;

	job->scope = scope;
	job->owner = owner;
	job->first = first;
	job->last = last;
	job->mode = mode;
	job->took = true;
	job->phase = TCE_TELLING_DEVICES;
	walk(t);
}

/* ---- going on ---- */

static bool (*const go_on[])(struct tce *t) = {
	[TCE_CHECKING] = go_on_checking,
	[TCE_STORING] = go_on_storing,
	[TCE_TELLING] = go_on_telling,
	[TCE_UNDOING] = go_on_undoing,
	[TCE_TELLING_DEVICES] = go_on_telling_devices,
};

static struct tce_pending pending_of(const struct tce_job *job)
{
	return (struct tce_pending){
		.token = job->token, .status = job->status, .scope = job->scope, .owner = job->owner
	};
}

/* A call that waits gets its place among those that are pending; whoever has not been told to wait asks himself. */
static void end(struct tce *t)
{
	struct tce_pending p = pending_of(&t->job);

	if (!t->job.call && t->job.took)
		tce_hold_back(t);
	else if (t->job.pending)
		tce_finish_later(t, &p, t->job.took);
	t->job.pending = false;
}

bool tce_go_on(struct tce *t)
{
	while (t->job.phase) {
		if (!go_on[t->job.phase](t)) {
			unit_work(&t->unit);
			return false;
		}
		if (!t->job.phase)
			end(t);
	}
	return true;
}

bool tce_finish_job(struct tce *t)
{
	bool done;

	t->unit.steps = UINT32_MAX;
	done = tce_advance(t);
	t->unit.steps = t->unit.limits.steps;
	return done;
}

/* ---- calls ---- */

int tce_begin(struct viommu *u)
{
	struct tce *t;

	if (!u || !engine_is(u->engine, &tce_engine))
		return VIOMMU_EINVAL;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	t = tce_of(u);
	if (UNLIKELY(!tce_advance(t) || t->quiet.completion.epoch ||
		     t->pending_count == TCE_PENDING_MAX)) {
		unit_end(u);
		return VIOMMU_ELIMIT;
	}
	t->job = (struct tce_job){ .call = true };
	return VIOMMU_OK;
}

int tce_answer(struct tce *t)
{
	struct tce_pending p;

	if (UNLIKELY(!tce_advance(t))) {
		t->job.pending = true;
		return VIOMMU_PENDING;
	}
	if (!t->job.took && notify_idle(&t->unit))
		return VIOMMU_OK;
	p = pending_of(&t->job);
	return tce_finish(t, &p, t->job.took);
}
