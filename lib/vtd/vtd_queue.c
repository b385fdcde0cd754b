/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_queue.c - the invalidation queue (6.5.2): fetching, checking and executing descriptors. */

#include "mem.h"
#include "nested.h"
#include "probe.h"
#include "vtd_engine.h"

struct descriptor {
	const uint64_t *word; /* 2 of them, or, if it is wide, 4 */
	bool wide;
};

/* ---- what is complete ---- */

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

static void show_time_out(struct vtd *v)
{
	show(v, &v->timed_out, VTD_IQERCD_ITESID, VTD_FSTS_ITE);
}

static void show_unexpected(struct vtd *v)
{
	if (atomic_load_explicit(&v->unexpected, memory_order_relaxed))
		show(v, &v->unexpected, VTD_IQERCD_ICESID, VTD_FSTS_ICE);
}

/* TIMED_OUT: as far as sections are concerned it is complete, but a device has not dropped what it was to
 * drop. Whatever others still owe, the guest is told now. REFUSED: host_refused(); it has been shown. */
enum earlier { COMPLETE, INCOMPLETE, TIMED_OUT, REFUSED };

/* @settled: notify_settled() has just said so. */
static enum earlier in_flight(struct vtd *v, bool settled)
{
	struct completion *c = &v->sync.completion;
	enum completion_state state = COMPLETION_DONE;

	if (c->epoch)
		state = settled ? completion_wait(&v->unit, c) : completion_poll(&v->unit, c);
	if (state == COMPLETION_IN_USE)
		return INCOMPLETE;
	/* A time-out is noted before it is over: one that came just now is seen here. */
	if (atomic_load(&v->timed_out))
		return TIMED_OUT;
	if (state == COMPLETION_OWED)
		return INCOMPLETE;
	c->epoch = 0;
	return COMPLETE;
}

static void show_position(struct vtd *v, uint32_t position)
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

/* All that was executed before the descriptor at the head; with @drain, the page requests of now as well.
 * What else is unsynced came from registers, and has completions of its own. */
static enum earlier earlier(struct vtd *v, bool drain)
{
	bool covered = v->sync.completion.epoch && v->sync.last && v->sync.drain >= drain;
	bool begin = !covered && (v->unsynced || drain);

	if (drain)
		unit_wait_for_all(&v->unit);
	if (begin && !begin_sync(v))
		return INCOMPLETE;
	if (host_refused(v))
		return REFUSED;
	v->sync.drain |= drain;
	return in_flight(v, begin);
}

/* Drivers without wait descriptors poll IQH (OpenBSD, Genode): it passes only what is complete. The queue
 * does not wait for it: what was executed after one batch is in flight is the next. Whether it shows
 * everything. */
static bool show_head(struct vtd *v)
{
	for (unsigned batch = 0; batch < 2; batch++) {
		bool flying = v->sync.completion.epoch != 0;
		enum earlier now = in_flight(v, batch);

		if (now == INCOMPLETE)
			return false;
		if (!v->unsynced) {
			if (now == TIMED_OUT)
				show_time_out(v);
			show_position(v, v->commands.head);
			return true;
		}
		if (flying && now == COMPLETE)
			show_position(v, v->sync.head);
		if (!begin_sync(v))
			return false;
		if (host_refused(v)) {
			show_position(v, v->commands.head);
			return true;
		}
	}
	return false;
}

/* 6.5.2.10, 11.4.9.9: shown when what came before it is complete; if that has timed out, with the next try. */
static enum ring_executed error(struct vtd *v, unsigned iqei)
{
	enum earlier before = earlier(v, false);

	if (before == INCOMPLETE)
		return RING_WAITING;
	if (before == TIMED_OUT)
		show_time_out(v);
	else if (before == COMPLETE)
		stop_at_head(v, iqei);
	return RING_ERROR;
}

static inline enum ring_executed check(struct vtd *v, bool ok)
{
	return ok ? RING_DONE : error(v, VTD_IQEI_RESERVED);
}

/* ---- device TLBs (6.5.2.5, 6.5.2.6) ---- */

/* S = 0: one page. S = 1: twice as many pages as there are ones from bit 12 up; all ones:
 * everything. */
static void decode_range(uint64_t address, bool s, uint64_t *first, uint64_t *last)
{
	uint64_t page = address & VTD_QI_ADDR;
	uint64_t mask = bits_low(12);

	if (s) {
		uint64_t ones = (page | bits_low(12)) + 1;

		mask = ones ? (ones ^ (ones - 1)) : UINT64_MAX;
	}
	*first = page & ~mask;
	*last = page | mask;
}

static enum ring_executed tell_device(struct vtd *v, uint32_t sid,
				      struct viommu_device_invalidation *invalidation)
{
	struct viommu_device *device = device_get(&v->unit, sid);
	bool gave_up = false;

	/* No such device: it would have answered Unsupported Request, which completes the
	 * invalidation. */
	if (!device)
		return RING_DONE;
	if (!device_invalidate(device, invalidation, &gave_up))
		v->unsynced = true;
	device_put(device);
	/* So many are outstanding that no more can be noted: try again when some have been
	 * answered. */
	return gave_up ? RING_WAITING : RING_DONE;
}

static enum ring_executed devtlb(struct vtd *v, const struct descriptor *d)
{
	struct viommu_device_invalidation invalidation = { .pasid = VIOMMU_NO_PASID };

	decode_range(d->word[1], d->word[1] & VTD_QI_DEVTLB_S, &invalidation.first,
		     &invalidation.last);
	return tell_device(v, (uint32_t)bits_get(d->word[0], VTD_QI_DEVTLB_SID), &invalidation);
}

static enum ring_executed pasid_devtlb(struct vtd *v, const struct descriptor *d)
{
	struct viommu_device_invalidation invalidation = { .pasid = (uint32_t)bits_get(
								   d->word[0], VTD_QI_PASID) };

	if (d->word[1] & VTD_QI_PDEVTLB_G)
		invalidation.flags = VIOMMU_INVALIDATE_ALL_PASIDS;
	decode_range(d->word[1], d->word[1] & VTD_QI_PDEVTLB_S, &invalidation.first,
		     &invalidation.last);
	return tell_device(v, (uint32_t)bits_get(d->word[0], VTD_QI_PDEVTLB_SID), &invalidation);
}

/* ---- wait (6.5.2.8) ---- */

static void completion_event(struct vtd *v)
{
	struct vtd_message message = { .due = false };

	pthread_mutex_lock(&v->fault_lock);
	if (!(regs_get(&v->regs, VTD_ICS) & VTD_ICS_IWC)) {
		regs_set_bits(&v->regs, VTD_ICS, VTD_ICS_IWC);
		message = vtd_event_raise(v, VTD_IECTL);
	}
	pthread_mutex_unlock(&v->fault_lock);
	vtd_send(v, &message);
}

/* Every wait is a fence here: descriptors are executed in order. Page requests (PD) are queued or
 * answered at once. */
static enum ring_executed wait(struct vtd *v, const struct descriptor *d)
{
	uint64_t address = d->word[1] & VTD_QI_WAIT_ADDR;

	enum earlier before;

	if ((d->word[0] & VTD_QI_WAIT_PD) && !(v->ecap & VTD_ECAP_PDS))
		return error(v, VTD_IQEI_RESERVED);
	/* 7.10: page requests that are being queued or answered at the moment are in a section,
	 * too. */
	before = earlier(v, d->word[0] & VTD_QI_WAIT_PD);
	if (before == INCOMPLETE)
		return RING_WAITING;
	if (before == REFUSED)
		return RING_ERROR;
	if (before == TIMED_OUT) { /* 6.5.2.10: its status is never written */
		show_time_out(v);
		return RING_ABORTED;
	}
	if ((d->word[0] & VTD_QI_WAIT_SW) &&
	    (vtd_above_haw(v, address) ||
	     !mem_store32(v->unit.vm, address, (uint32_t)bits_get(d->word[0], VTD_QI_WAIT_DATA))))
		return error(v, VTD_IQEI_FETCH);
	if (d->word[0] & VTD_QI_WAIT_IF)
		completion_event(v);
	probe_completion(&v->unit);
	return RING_DONE;
}

/* ---- the others ---- */

static enum ring_executed contexts(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_contexts(v, (unsigned)bits_get(d->word[0], VTD_QI_G),
						(uint32_t)bits_get(d->word[0], VTD_QI_DID),
						(uint32_t)bits_get(d->word[0], VTD_QI_CC_SID),
						(unsigned)bits_get(d->word[0], VTD_QI_CC_FM)));
}

static enum ring_executed iotlb(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_iotlb(v, (unsigned)bits_get(d->word[0], VTD_QI_G),
					     (uint32_t)bits_get(d->word[0], VTD_QI_DID),
					     d->word[1] & VTD_QI_ADDR,
					     (unsigned)bits_get(d->word[1], VTD_QI_AM),
					     d->word[1] & VTD_QI_IH));
}

static enum ring_executed interrupts(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_interrupts(v, !(d->word[0] & VTD_QI_IEC_G),
						  (uint32_t)bits_get(d->word[0], VTD_QI_IEC_IIDX),
						  (unsigned)bits_get(d->word[0], VTD_QI_IEC_IM)));
}

static enum ring_executed pasid_iotlb(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_piotlb(v, (unsigned)bits_get(d->word[0], VTD_QI_G),
					      (uint32_t)bits_get(d->word[0], VTD_QI_DID),
					      (uint32_t)bits_get(d->word[0], VTD_QI_PASID),
					      d->word[1] & VTD_QI_ADDR,
					      (unsigned)bits_get(d->word[1], VTD_QI_AM),
					      d->word[1] & VTD_QI_IH));
}

static enum ring_executed pasid_cache(struct vtd *v, const struct descriptor *d)
{
	return check(v, vtd_invalidate_pasids(v, (unsigned)bits_get(d->word[0], VTD_QI_G),
					      (uint32_t)bits_get(d->word[0], VTD_QI_DID),
					      (uint32_t)bits_get(d->word[0], VTD_QI_PASID)));
}

static enum ring_executed page_response(struct vtd *v, const struct descriptor *d)
{
	if (d->wide && !(d->word[0] & VTD_QI_PGRESP_PDP) && (d->word[2] | d->word[3]))
		return error(v, VTD_IQEI_RESERVED);
	vtd_page_response(v, d->word, d->wide);
	return RING_DONE;
}

/* AM, IH and the address. */
#define PAGES UINT64_C(0xfffffffffffff07f)

/* 6.5.2: every descriptor type: the bits it defines (some of them only with a capability, or another bit: those who
 * execute it look), the capabilities it needs, and what it does. */
static const struct {
	enum ring_executed (*execute)(struct vtd *v, const struct descriptor *d);
	uint64_t defined[4];
	uint64_t ecap; /* needed */
	bool scalable; /* not in legacy mode */
} types[] = {
	[VTD_QI_CC] = { contexts, { UINT64_C(0x0003ffffffff0e3f), 0 }, 0, false },
	[VTD_QI_IOTLB] = { iotlb, { UINT64_C(0x00000000ffff0eff), PAGES }, 0, false },
	[VTD_QI_DEVTLB] = { devtlb,
			    { UINT64_C(0xfff0ffff001ffe0f), UINT64_C(0xfffffffffffff001) },
			    VTD_ECAP_DT,
			    false },
	[VTD_QI_IEC] = { interrupts, { UINT64_C(0x0000fffff8000e1f), 0 }, VTD_ECAP_IR, false },
	[VTD_QI_WAIT] = { wait, { UINT64_C(0xffffffff00000eff), VTD_QI_WAIT_ADDR }, 0, false },
	[VTD_QI_PIOTLB] = { pasid_iotlb,
			    { UINT64_C(0x000fffffffff0e3f), PAGES },
			    VTD_ECAP_SMTS,
			    true },
	[VTD_QI_PC] = { pasid_cache, { UINT64_C(0x000fffffffff0e3f), 0 }, VTD_ECAP_SMTS, true },
	[VTD_QI_PDEVTLB] = { pasid_devtlb,
			     { UINT64_MAX, UINT64_C(0xfffffffffffff801) },
			     VTD_ECAP_SMTS | VTD_ECAP_DT,
			     true },
	[VTD_QI_PGRESP] = { page_response,
			    { UINT64_C(0x000ffffffffffe3f), UINT64_C(0x0000000000000ffc),
			      UINT64_MAX, UINT64_MAX },
			    VTD_ECAP_PRS,
			    true },
};

/* Bits of a descriptor that its type does not define. */
static inline uint64_t undefined(const struct descriptor *d, const uint64_t defined[4])
{
	uint64_t bits = (d->word[0] & ~defined[0]) | (d->word[1] & ~defined[1]);

	if (d->wide)
		bits |= (d->word[2] & ~defined[2]) | (d->word[3] & ~defined[3]);
	return bits;
}

static bool is_legacy(const struct vtd *v)
{
	return vtd_ttm(atomic_load_explicit(&v->root, memory_order_relaxed)) == VTD_TTM_LEGACY;
}

static enum ring_executed execute(struct vtd *v, const struct descriptor *d)
{
	unsigned type = (unsigned)(bits_get(d->word[0], VTD_QI_TYPE_LO) |
				   bits_get(d->word[0], VTD_QI_TYPE_HI) << 4);

	if (type >= ARRAY_COUNT(types))
		return error(v, VTD_IQEI_TYPE);
	type = (unsigned)bits_clamp_index(type, ARRAY_COUNT(types));
	if (!types[type].execute || (types[type].ecap & ~v->ecap) ||
	    (UNLIKELY(types[type].scalable) && is_legacy(v)))
		return error(v, VTD_IQEI_TYPE);
	if (undefined(d, types[type].defined))
		return error(v, VTD_IQEI_RESERVED);
	return types[type].execute(v, d);
}

/* ---- the ring ---- */

struct ring vtd_queue_ring(const struct vtd *v, uint64_t iqa)
{
	bool wide = iqa & VTD_IQA_DW;
	uint32_t entries = UINT32_C(256) << bits_get(iqa, VTD_IQA_QS);

	return (struct ring){ .base = iqa & VTD_IQA_IQA,
			      .limit = bits_low(v->haw),
			      .entries = wide ? entries / 2 : entries,
			      .words = wide ? 4 : 2,
			      .index = RING_BYTES };
}

static bool ttm_known(const struct vtd *v, unsigned ttm)
{
	return ttm == VTD_TTM_LEGACY || (ttm == VTD_TTM_SCALABLE && (v->ecap & VTD_ECAP_SMTS)) ||
	       (ttm == VTD_TTM_ABORT && (v->ecap & VTD_ECAP_ADMS));
}

/* Whether the queue as a whole can be used: its width fits the mode, and the tail is one of it (11.4.9,
 * IQERCD). */
static unsigned queue_error(const struct vtd *v, uint64_t tail, uint32_t *position)
{
	uint64_t root = atomic_load_explicit(&v->root, memory_order_relaxed);
	bool wide = v->commands.ring.words == 4;

	if (!ttm_known(v, vtd_ttm(root)))
		return VTD_IQEI_TTM;
	if (wide && !(v->ecap & (VTD_ECAP_SMTS | VTD_ECAP_ADMS)))
		return VTD_IQEI_WIDTH;
	if (!wide && vtd_ttm(root) == VTD_TTM_SCALABLE)
		return VTD_IQEI_WIDTH;
	if (wide && (tail & 16))
		return VTD_IQEI_ALIGN;
	return ring_position(&v->commands.ring, tail, position) ? 0 : VTD_IQEI_TAIL;
}

static enum ring_executed execute_word(struct viommu *u, const uint64_t *word)
{
	struct vtd *v = vtd_of(u);
	const struct descriptor d = { .word = word, .wide = v->commands.ring.words == 4 };
	enum ring_executed executed;

	if (!word)
		return error(v, VTD_IQEI_FETCH);
	executed = execute(v, &d);
	if (executed == RING_DONE || executed == RING_ABORTED)
		v->sync.last = false;
	return executed;
}

int vtd_complete(struct vtd *v)
{
	bool off;

	if (!v->deferred.due) /* the usual case */
		return VIOMMU_OK;
	off = deferred_of(&v->deferred, VTD_GSTS).clear & VTD_G_QIE;
	if (!deferred_show(&v->unit, &v->deferred, &v->regs))
		return VIOMMU_PENDING;
	if (off) { /* 11.4.9.1 */
		ring_restart(&v->commands, 0, true);
		show_position(v, 0);
	}
	return VIOMMU_OK;
}

/* Nothing is left that can be executed: if software has turned the queue off, now it is. */
static int rest(struct vtd *v)
{
	if (v->gcmd & VTD_G_QIE)
		return VIOMMU_OK;
	v->queue_on = false;
	deferred_bits(&v->deferred, &v->regs, VTD_GSTS, 0, VTD_G_QIE);
	completion_owed(&v->unit, &v->deferred.completion);
	return vtd_complete(v);
}

static bool stopped(const struct vtd *v)
{
	return regs_get(&v->regs, VTD_FSTS) & (VTD_FSTS_IQE | VTD_FSTS_ITE);
}

/* Runs descriptors until none is left (DONE), one is held back or the budget is used up (WAITING), or
 * something is wrong. */
static enum ring_executed run_ring(struct vtd *v)
{
	uint64_t tail = regs_get(&v->regs, VTD_IQT) & VTD_IQT_QT;
	uint32_t position;
	unsigned iqei;

	if (tail == ring_register(&v->commands.ring, v->commands.head))
		return RING_DONE;
	iqei = queue_error(v, tail, &position);
	/* A wait that is held back is read again: what lies there now counts. */
	v->commands.held = false;
	return iqei ? error(v, iqei) : ring_run(&v->unit, &v->commands, position, execute_word);
}

static int queue_run(struct vtd *v)
{
	enum ring_executed executed;
	bool shown = true;

	show_unexpected(v);
	if (!v->queue_on) {
		show_time_out(v);
		return VIOMMU_OK;
	}
	if (stopped(v))
		return rest(v);
	executed = run_ring(v);
	if (executed == RING_ERROR || executed == RING_ABORTED)
		/* also if others are in flight: software looks for waits that are aborted before it */
		show_position(v, v->commands.head);
	else
		shown = show_head(v);
	/* Nobody has waited for what was invalidated, but channels shall notice. */
	if (v->unsynced)
		unit_start(&v->unit);
	if (executed == RING_WAITING)
		return VIOMMU_PENDING;
	return rest(v) == VIOMMU_OK && shown ? VIOMMU_OK : VIOMMU_PENDING;
}

void vtd_queue_start(struct vtd *v)
{
	v->iqa = regs_get(&v->regs, VTD_IQA);
	v->unsynced |= v->sync.completion.epoch != 0;
	v->sync = (struct vtd_sync){ .last = false };
	nesting_forget_positions(&v->unit);
	v->commands.ring = vtd_queue_ring(v, v->iqa);
	ring_restart(&v->commands, 0, true);
	v->queue_on = true;
	show_position(v, 0);
}

int vtd_progress(struct vtd *v)
{
	int completed = vtd_complete(v);
	int queue = queue_run(v);

	if (completed == VIOMMU_OK && queue == VIOMMU_OK)
		epoch_done(&v->unit.epoch);
	return completed ? completed : queue;
}
