/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tce_sync.c - when a call that took entries away is complete (LoPAR: on return the old TCE is no longer in force).
 *
 * Sections that were open then, and invalidations that devices have not answered, hold it back, if they are of devices
 * that have used windows of this PE; what is nobody's in particular holds back everything. Who uses what is gathered once for all
 * calls that are pending; with many sections that takes several calls, and what is asked for meanwhile waits for the next time. A reset or a restored state concerns all, and calls that come after it wait for it.
 */

#include "probe.h"
#include "tce_engine.h"

static const struct tce_use none = { UINT64_MAX, UINT64_MAX };

static void lower(struct tce_use *to, const struct tce_use *use)
{
	if (use->epoch < to->epoch)
		to->epoch = use->epoch;
	if (use->token < to->token)
		to->token = use->token;
}

/* @used: as in struct tce_device. */
static void note(struct tce *t, uint32_t used, struct tce_use use)
{
	lower(&t->everybody, &use);
	if (used - 1 < t->config.pes)
		lower(&t->use[used - 1], &use);
	else
		lower(&t->anybody, &use);
}

/* Never holds anything back itself: it only takes down. Whoever has used nothing yet may just begin to. */
static bool see_section(void *opaque, const void *owner, uint64_t entered)
{
	const struct tce_device *d = owner; /* device is the first member */

	note(opaque, d ? atomic_load(&d->used) : TCE_SEVERAL,
	     (struct tce_use){ entered, UINT64_MAX });
	return false;
}

/* Of one that has used nothing, it is about what it could. */
static void see_outstanding(void *opaque, struct viommu_device *device, uint64_t token)
{
	const struct tce_device *d = tce_device_of(device);
	const struct tce_pe *pe = tce_pe_of(opaque, tce_id(d));
	uint32_t used = atomic_load(&d->used);

	if (!used && pe)
		used = 1 + atomic_load_explicit(&pe->owner, memory_order_relaxed);
	note(opaque, used, (struct tce_use){ UINT64_MAX, token });
}

#define PES_OF_A_STEP	64U
#define NOTES_OF_A_STEP 4U

static void begin(struct tce *t)
{
	t->gathering = true;
	t->since = atomic_load(&t->unit.epoch.now);
	t->asked = t->ask;
	t->ask = false;
	t->anybody = none;
	t->everybody = none;
	unit_pay(&t->unit, t->config.pes / PES_OF_A_STEP);
	for (uint32_t i = 0; i < t->config.pes; i++)
		t->use[i] = none;
	epoch_scan_begin(&t->unit.epoch, &t->scan);
}

/* In pieces, between which devices may use more: not what had been taken away when it began. False: steps ran out. */
static bool gather(struct tce *t)
{
	const struct epoch_filter filter = { see_section, t };
	enum epoch_answer answer;

	if (!t->gathering)
		begin(t);
	answer = unit_scan(&t->unit, &t->scan, &filter);
	if (answer == EPOCH_UNKNOWN)
		return false;
	t->gathering = false;
	/* membarrier has failed: they may be anybody's, and of any age */
	if (answer == EPOCH_HELD)
		lower(&t->anybody, &(struct tce_use){ 0, UINT64_MAX });
	unit_pay(&t->unit, atomic_load(&t->unit.outstanding_count) / NOTES_OF_A_STEP);
	devices_each_outstanding(&t->unit, see_outstanding, t);
	return true;
}

/* Whether what was gathered is from after asking to be told when somebody who held back such an epoch is gone. If not,
 * that is asked for, and to be gathered once more. */
static bool asked(struct tce *t, uint64_t epoch)
{
	if (t->asked && epoch <= t->since && epoch_asks(&t->unit.epoch))
		return true;
	epoch_ask(&t->unit.epoch);
	t->ask = true;
	return false;
}

static bool holds_back(const struct tce_use *use, const struct tce_pending *p)
{
	return use->epoch < p->completion.epoch || use->token <= p->completion.token;
}

/* As it was gathered. */
static bool in_use(const struct tce *t, const struct tce_pending *p)
{
	if (!p->completion.epoch)
		return false;
	if (p->completion.epoch > t->since)
		return true;
	if (holds_back(&t->anybody, p))
		return true;
	return holds_back(p->scope == TCE_PE ? &t->use[p->owner] : &t->everybody, p);
}

/* From here on nobody begins to use what was taken away. */
static void start(struct tce *t, struct tce_pending *p)
{
	p->completion.token = 0;
	completion_start(&t->unit, &p->completion);
	completion_owed(&t->unit, &p->completion);
}

/* Whether nobody does; if not, viommu_run() will be worthwhile when that changes. */
static bool nobody_uses(struct tce *t, const struct tce_pending *p)
{
	struct viommu *u = &t->unit;

	if (LIKELY(completion_passed(u, &p->completion)))
		return true;
	while (gather(t)) {
		if (!in_use(t, p))
			return true;
		if (asked(t, p->completion.epoch))
			return false;
	}
	unit_work(u);
	return false;
}

static void report(struct tce *t, const struct tce_pending *p)
{
	if (t->config.complete)
		t->config.complete(t->config.opaque, p->token, p->status);
	probe_completion(&t->unit);
}

int tce_finish(struct tce *t, struct tce_pending *p, bool took)
{
	if (!took) {
		/* complete, whatever is told on this occasion */
		notify_end(&t->unit, VIOMMU_OK);
		return VIOMMU_OK;
	}
	start(t, p);
	if (!notify_settled(&t->unit)) {
		unit_work(&t->unit);
	} else if (LIKELY(nobody_uses(t, p))) {
		probe_completion(&t->unit);
		return VIOMMU_OK;
	}
	/* there is room: else it would not have begun */
	t->pending[t->pending_count++] = *p;
	return VIOMMU_PENDING;
}

void tce_finish_later(struct tce *t, struct tce_pending *p, bool took)
{
	p->completion = (struct completion){ .epoch = 0 };
	if (took)
		start(t, p);
	t->pending[t->pending_count++] = *p;
	unit_work(&t->unit);
}

void tce_hold_back(struct tce *t)
{
	t->quiet = (struct tce_pending){ .scope = TCE_ALL };
	start(t, &t->quiet);
	if (notify_settled(&t->unit) && nobody_uses(t, &t->quiet))
		t->quiet.completion.epoch = 0;
}

/* Whatever is in use no more, in order. */
static void complete_some(struct tce *t)
{
	uint32_t left = 0;

	if (!in_use(t, &t->quiet))
		t->quiet.completion.epoch = 0;
	if (t->quiet.completion.epoch)
		return;
	/* at most TCE_PENDING_MAX steps */
	for (uint32_t i = 0; i < t->pending_count; i++) {
		const struct tce_pending p = t->pending[i];

		if (in_use(t, &p))
			t->pending[left++] = p;
		else
			report(t, &p);
	}
	t->pending_count = left;
}

static bool anything_pending(const struct tce *t)
{
	return t->pending_count || t->quiet.completion.epoch;
}

/* The youngest of what is pending. */
static uint64_t last_epoch(const struct tce *t)
{
	uint64_t last = t->quiet.completion.epoch;

	/* at most TCE_PENDING_MAX steps; one that has taken nothing away has none */
	for (uint32_t i = 0; i < t->pending_count; i++) {
		if (t->pending[i].completion.epoch > last)
			last = t->pending[i].completion.epoch;
	}
	return last;
}

/* What is complete now. False: not everything, and the host will be told. */
static bool complete_pending(struct tce *t)
{
	while (anything_pending(t)) {
		if (!gather(t)) {
			unit_work(&t->unit);
			return false;
		}
		complete_some(t);
		if (anything_pending(t) && asked(t, last_epoch(t)))
			return false;
	}
	return true;
}

int tce_complete(struct tce *t, bool done)
{
	struct viommu *u = &t->unit;

	if (anything_pending(t) && !notify_settled(u))
		return VIOMMU_PENDING;
	if (!complete_pending(t))
		return VIOMMU_PENDING;
	epoch_done(&u->epoch);
	return done ? VIOMMU_OK : VIOMMU_PENDING;
}

void tce_drop_pending(struct tce *t)
{
	t->pending_count = 0;
	t->quiet.completion.epoch = 0;
	epoch_done(&t->unit.epoch);
}
