/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_job.c - what a call, a reset or a restore does, in steps.
 *
 * There is one at a time, and it is taken on by whatever call comes next, until steps run out (unit_pay()). Entries are
 * stored in pieces of at most TCE_COUNT_MAX, each all or nothing: first there is room, then they are stored, then devices are told; a
 * listener that refuses one has the piece put back as it was. Only taking away may need more than one piece, and cannot fail.
 * tce_tell.c tells the devices.
 */

#include "tce_engine.h"

/* ---- entries of a window ---- */

/* One step a region of the VM that is in [gpa, end], and for each gap: the first is paid for with the entry. */
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
		unit_pay(&t->unit, 1);
	}
}

/* Whether that needs no search: most pages are where the last one was. */
static inline bool is_near(const struct tce *t, uint64_t entry, uint32_t shift)
{
	uint64_t gpa = tce_address(entry, shift);
	uint64_t end = gpa + bits_low(shift);

	return (gpa >= t->memory.first && end <= t->memory.last && t->memory.host &&
		atomic_load_explicit(&t->unit.vm->map_version, memory_order_acquire) ==
			t->memory.version) ||
	       (t->config.flags & VIOMMU_TCE_ANY_ADDRESS);
}

static bool is_owned(struct tce *t, uint64_t entry, uint32_t shift)
{
	uint64_t gpa = tce_address(entry, shift);

	return is_near(t, entry, shift) || find_owned(t, gpa, gpa + bits_low(shift));
}

bool tce_address_owned(struct tce *t, uint64_t entry, uint32_t shift)
{
	return is_owned(t, entry, shift);
}

/* Entries that are paid for at a time. */
#define CHECKED 16U

/* At least one entry, and none after steps have run out: a page may be in many regions. False: one is not allowed. */
static bool check_some(struct tce *t, uint64_t end, uint32_t shift)
{
	uint64_t i = t->job.at;

	while (i < end) {
		uint64_t entry = t->list[i++];

		if (!tce_is_valid(entry) || is_near(t, entry, shift))
			continue;
		if (!is_owned(t, entry, shift))
			return false;
		if (!t->unit.steps)
			break;
	}
	t->job.at = i;
	return true;
}

static bool go_on_checking(struct tce *t)
{
	struct tce_job *job = &t->job;
	uint32_t shift = tce_shift(job->window);

	while (job->at < job->count) {
		uint64_t end = job->at + CHECKED < job->count ? job->at + CHECKED : job->count;

		if (!unit_pay(&t->unit, CHECKED))
			return false;
		if (!check_some(t, end, shift)) {
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

	job->heard = tce_hears(t);
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
		tce_flush_piece(t);
	job->took |= took;
	return true;
}

/* What is cleared in many pieces may be nearly all of an empty window: whatever has no page is passed by. */
static bool pass_by_nothing(struct tce *t)
{
	struct tce_job *job = &t->job;
	uint64_t left, next;

	if (LIKELY(job->count <= TCE_COUNT_MAX || job->entry))
		return false;
	next = tce_table_skip(&t->pool, &job->window->table, job->index + job->at) -
	       (job->index + job->at);
	left = job->count - job->at;
	job->at += next < left ? next : left;
	return next != 0;
}

static bool go_on_storing(struct tce *t)
{
	struct tce_job *job = &t->job;

	while (job->at < job->count) {
		uint64_t left;

		if (pass_by_nothing(t)) {
			if (!unit_pay(&t->unit, 1))
				return false;
			continue;
		}
		left = job->count - job->at;
		job->piece = left < TCE_COUNT_MAX ? (uint32_t)left : TCE_COUNT_MAX;
		if (!unit_pay(&t->unit, job->piece))
			return false;
		if (!store_piece(t)) {
			job->status = H_NOT_ENOUGH_RESOURCES;
			break;
		}
		if (UNLIKELY(job->heard)) {
			job->phase = TCE_TELLING;
			tce_walk(t);
			return true;
		}
		job->at += job->piece;
	}
	job->phase = TCE_IDLE;
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

/* ---- going on ---- */

static bool (*const go_on[])(struct tce *t) = {
	[TCE_CHECKING] = go_on_checking,
	[TCE_STORING] = go_on_storing,
	[TCE_TELLING] = tce_go_on_telling,
	[TCE_UNDOING] = tce_go_on_undoing,
	[TCE_TELLING_DEVICES] = tce_go_on_telling_devices,
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
	struct tce_pending p;

	if (!t->job.call && t->job.took) {
		tce_hold_back(t);
	} else if (t->job.pending) {
		p = pending_of(&t->job);
		tce_finish_later(t, &p, t->job.took);
	}
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
	/* the rest is set by what begins */
	t->job.call = true;
	t->job.took = false;
	t->job.token = 0;
	t->job.status = 0;
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
