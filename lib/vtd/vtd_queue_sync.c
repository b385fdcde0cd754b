/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_queue_sync.c - the invalidation queue (6.5.2): what of it is complete, and what registers show of that and of errors. */

#include "nested.h"
#include "probe.h"
#include "vtd_queue.h"

/* Errors of devices become visible when the thread that owns the registers comes by. The first is
 * kept: IQERCD has room for one. */
static void note(_Atomic uint32_t *error, const struct viommu_device *device)
{
	uint32_t sid = atomic_load_explicit(&device->id, memory_order_relaxed) & 0xffff;
	uint32_t none = 0;

	atomic_compare_exchange_strong(error, &none, sid + 1);
}

void vtd_timed_out(struct viommu *u, struct viommu_device *device)
{
	note(&vtd_of(u)->timed_out, device);
}

void vtd_unexpected(struct viommu *u, struct viommu_device *device)
{
	note(&vtd_of(u)->unexpected, device);
}

/* 11.4.7, 11.4.9: shows an error of a device in FSTS and IQERCD. */
static void show(struct vtd *v, _Atomic uint32_t *error, uint64_t field, uint64_t fsts)
{
	uint32_t sid = v->ecap & VTD_ECAP_DT ? atomic_exchange(error, 0) : 0;

	if (!sid)
		return;
	regs_put(&v->regs, VTD_IQERCD,
		 (regs_get(&v->regs, VTD_IQERCD) & ~field) | bits_put(field, sid - 1));
	vtd_fault_queue(v, fsts);
}

void vtd_queue_show_time_out(struct vtd *v)
{
	show(v, &v->timed_out, VTD_IQERCD_ITESID, VTD_FSTS_ITE);
}

void vtd_queue_show_unexpected(struct vtd *v)
{
	if (atomic_load_explicit(&v->unexpected, memory_order_relaxed))
		show(v, &v->unexpected, VTD_IQERCD_ICESID, VTD_FSTS_ICE);
}

/* @settled: notify_settled() has just said so. */
static enum vtd_earlier in_flight(struct vtd *v, bool settled)
{
	struct completion *c = &v->sync.completion;
	enum completion_state state = COMPLETION_DONE;

	if (c->epoch)
		state = settled ? completion_wait(&v->unit, c) : completion_poll(&v->unit, c);
	if (state == COMPLETION_IN_USE)
		return VTD_INCOMPLETE;
	/* A time-out is noted before it is over: one that came just now is seen here. */
	if (atomic_load(&v->timed_out))
		return VTD_TIMED_OUT;
	if (state == COMPLETION_OWED)
		return VTD_INCOMPLETE;
	c->epoch = 0;
	return VTD_COMPLETE;
}

void vtd_queue_show_position(struct vtd *v, uint32_t position)
{
	regs_put(&v->regs, VTD_IQH, ring_register(&v->commands.ring, position));
}

/* IQEI 0: there is no more to say. */
#define IQEI_NONE 0U

static void stop_at_head(struct vtd *v, unsigned iqei)
{
	uint64_t iqercd = regs_get(&v->regs, VTD_IQERCD) & ~VTD_IQERCD_IQEI;

	count_own(&v->unit, COUNT_COMMAND_ERRORS);
	regs_put(&v->regs, VTD_IQERCD, iqercd | iqei);
	vtd_fault_queue(v, VTD_FSTS_IQE);
}

/* A host that nests did not take what came from a descriptor: the queue stops at that one, and is executed from there
 * when software has it go on. */
static bool host_refused(struct vtd *v)
{
	uint32_t position;

	if (LIKELY(!v->unit.nestings) || !nesting_refused(&v->unit, &position))
		return false;
	v->commands.head = position;
	v->commands.held = false;
	stop_at_head(v, IQEI_NONE);
	return true;
}

/* From here on, what has been executed is in flight, also what was before. */
static bool begin_sync(struct vtd *v)
{
	if (!notify_settled(&v->unit))
		return false;
	v->sync = (struct vtd_sync){ .head = v->commands.head, .last = true };
	completion_start(&v->unit, &v->sync.completion);
	completion_owed(&v->unit, &v->sync.completion);
	v->unsynced = false;
	return true;
}

enum vtd_earlier vtd_queue_earlier(struct vtd *v, bool drain)
{
	bool covered = v->sync.completion.epoch && v->sync.last && v->sync.drain >= drain;
	bool begin = !covered && (v->unsynced || drain);

	if (drain)
		unit_wait_for_all(&v->unit);
	if (begin && !begin_sync(v))
		return VTD_INCOMPLETE;
	if (host_refused(v))
		return VTD_REFUSED;
	v->sync.drain |= drain;
	return in_flight(v, begin);
}

bool vtd_queue_show_head(struct vtd *v)
{
	for (unsigned batch = 0; batch < 2; batch++) {
		bool flying = v->sync.completion.epoch != 0;
		enum vtd_earlier now = in_flight(v, batch);

		if (now == VTD_INCOMPLETE)
			return false;
		if (!v->unsynced) {
			if (now == VTD_TIMED_OUT)
				vtd_queue_show_time_out(v);
			vtd_queue_show_position(v, v->commands.head);
			return true;
		}
		if (flying && now == VTD_COMPLETE)
			vtd_queue_show_position(v, v->sync.head);
		if (!begin_sync(v))
			return false;
		if (host_refused(v)) {
			vtd_queue_show_position(v, v->commands.head);
			return true;
		}
	}
	return false;
}

enum ring_executed vtd_queue_error(struct vtd *v, unsigned iqei)
{
	enum vtd_earlier before = vtd_queue_earlier(v, false);

	if (before == VTD_INCOMPLETE)
		return RING_WAITING;
	if (before == VTD_TIMED_OUT)
		vtd_queue_show_time_out(v);
	else if (before == VTD_COMPLETE)
		stop_at_head(v, iqei);
	return RING_ERROR;
}
