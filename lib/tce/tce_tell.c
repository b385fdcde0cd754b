/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_tell.c - devices are told what a call, a reset or a restore has changed, one after the other.
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

void tce_walk(struct tce *t)
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

void tce_flush_piece(struct tce *t)
{
	const struct tce_job *job = &t->job;
	uint64_t first = tce_address_of(job->window, job->index + job->at);

	tce_flush(t, job->owner, first,
		  first + (((uint64_t)job->piece << tce_shift(job->window)) - 1));
}

/* Whether an entry of the piece has gone, and where the run of such ends. */
static uint64_t run_of_gone(const struct tce *t, uint64_t i)
{
	while (i < t->job.piece && tce_is_valid(t->old[i]) && t->old[i] != tce_entry_of(t, i))
		i++;
	return i;
}

/* The entries that have gone, in runs. What has been told: those, and then, counted from piece on, what has come. */
static bool tell_gone(struct tce *t, struct tce_device *d)
{
	struct tce_job *job = &t->job;

	while (job->told < job->piece) {
		uint64_t end = run_of_gone(t, job->told);
		uint64_t first = tce_address_of(job->window, job->index + job->at + job->told);
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
	tce_flush_piece(t);
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
		uint64_t entry = tce_entry_of(t, i);

		if (!unit_pay(&t->unit, 1))
			return false;
		if (tce_is_valid(entry) && entry != t->old[i])
			told = map(t, d, tce_address_of(job->window, job->index + job->at + i),
				   entry, tce_shift(job->window));
	}
	if (told == TOLD_REFUSED)
		undo(t);
	return true;
}

bool tce_go_on_telling(struct tce *t)
{
	struct tce_job *job = &t->job;

	if (!tell_each(t, TCE_TELLING, tell_piece))
		return false;
	if (job->phase == TCE_UNDOING) {
		tce_walk(t);
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
	uint64_t first = tce_address_of(job->window, job->index + job->at);

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
			map(t, d, tce_address_of(job->window, job->index + job->at + job->told),
			    t->old[job->told], tce_shift(job->window));
	}
	return true;
}

bool tce_go_on_undoing(struct tce *t)
{
	if (!tell_each(t, TCE_UNDOING, tell_undone))
		return false;
	t->job.phase = TCE_IDLE;
	return true;
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
		    map(t, d, tce_address_of(w, index), entry, tce_shift(w)) == TOLD_REFUSED)
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

bool tce_go_on_telling_devices(struct tce *t)
{
	if (tce_hears(t) && !tell_each(t, TCE_TELLING_DEVICES, tell_device))
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
	tce_walk(t);
}
