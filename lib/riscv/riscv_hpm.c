/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_hpm.c - counters of events (6.19 to 6.23). While one counts, every request is asked of the engine, hits of the caches
 * too (unit.counted); otherwise nothing is paid.
 *
 * What channels count they count in words of their own, their lane. A counter has to wrap at the very event that makes it
 * (6.23: OF, and the interrupt), which no sum that is made later can do. So a lane counts down what it has been given in
 * advance: as much as all lanes together can use up without the counter reaching its end. When that has become little, it is
 * taken back from all, and the last few thousand events before the end are counted one by one. A counter that is read is what has been given
 * less what the lanes have left.
 *
 *	given = counted + left of all lanes <= UINT64_MAX
 */

#include "riscv_engine.h"

/* 6.23: events whose filter may be by GSCID and PSCID. */
static bool has_soft_ids(unsigned event)
{
	return event == RISCV_EVENT_TLB_MISS || event >= RISCV_EVENT_FIRST_WALK;
}

static bool counts(const struct riscv *v, unsigned n)
{
	uint64_t event = regs_get(&v->regs, RISCV_IOHPMEVT(n));
	unsigned id = (unsigned)bits_get(event, RISCV_EVT_ID);

	return id && !(regs_get(&v->regs, RISCV_IOCOUNTINH) >> (n + 1) & 1) &&
	       (!(event & RISCV_EVT_IDT) || has_soft_ids(id));
}

/* DMASK: up to the lowest 0, bits are not compared. */
static bool same_id(uint64_t event, uint64_t id)
{
	uint64_t wanted = bits_get(event, RISCV_EVT_DID_GSCID);
	uint64_t ignored = event & RISCV_EVT_DMASK ? wanted ^ (wanted + 1) : 0;

	return ((wanted ^ id) & ~ignored & bits_low(24)) == 0;
}

static bool passes(uint64_t event, const struct query *q, const struct context *c)
{
	bool soft = event & RISCV_EVT_IDT;
	bool has_id = !soft || (c && c->key.stage2.page_lg2);
	bool has_process = soft ? c && c->key.stage1.page_lg2 : q->pasid != VIOMMU_NO_PASID;

	if ((event & RISCV_EVT_DV_GSCV) && !(has_id && same_id(event, soft ? c->key.group : q->id)))
		return false;
	return !(event & RISCV_EVT_PV_PSCV) ||
	       (has_process &&
		bits_get(event, RISCV_EVT_PID_PSCID) == (soft ? (uint32_t)c->key.id : q->pasid));
}

/* A counter has wrapped: that is said once, until software clears OF. */
static void overflow(struct riscv *v, uint32_t offset, uint64_t of)
{
	pthread_mutex_lock(&v->lock);
	if (!(regs_get(&v->regs, offset) & of)) {
		regs_set_bits(&v->regs, offset, of);
		riscv_raise(v, RISCV_IPSR_PMIP);
	}
	pthread_mutex_unlock(&v->lock);
	riscv_tell(v);
}

/* ---- lanes ---- */

/* What a lane is given at a time; less than the least is not worth it. */
#define GIFT_MOST  BIT(20)
#define GIFT_LEAST 16U

static uint64_t gift(const struct riscv_hpm *h, unsigned n)
{
	uint64_t share = (UINT64_MAX - h->given[n]) / (2 * RISCV_LANES);

	return share < GIFT_MOST ? share : GIFT_MOST;
}

/* With the lock. RISCV_LANES steps, as others here. */
static void take_back(struct riscv_hpm *h, unsigned n)
{
	for (uint32_t i = 0; i < RISCV_LANES && (h->lent >> n & 1); i++)
		h->given[n] -= atomic_exchange(&h->lanes[i].left[n], 0);
	h->lent &= ~(UINT32_C(1) << n);
}

/* With the lock: what has been counted. */
static uint64_t counted(const struct riscv_hpm *h, unsigned n)
{
	uint64_t sum = h->given[n];

	for (uint32_t i = 0; i < RISCV_LANES && (h->lent >> n & 1); i++)
		sum -= atomic_load(&h->lanes[i].left[n]);
	return sum;
}

/* An event that the lane had nothing left for. True: the counter wraps with it. */
static bool count_with_lock(struct riscv_hpm *h, unsigned n, struct riscv_lane *lane)
{
	uint64_t more;
	bool wraps;

	pthread_mutex_lock(&h->lock);
	if (gift(h, n) < GIFT_LEAST)
		take_back(h, n);
	more = gift(h, n) < GIFT_LEAST ? 0 : gift(h, n);
	wraps = h->given[n] == UINT64_MAX; /* nothing was left anywhere */
	h->given[n] += 1 + more;
	atomic_fetch_add(&lane->left[n], more);
	h->lent |= more ? UINT32_C(1) << n : 0;
	pthread_mutex_unlock(&h->lock);
	return wraps;
}

/* Somebody may be about to take it back. */
static inline bool take_own(struct riscv_lane *lane, unsigned n)
{
	uint64_t left = atomic_load_explicit(&lane->left[n], memory_order_relaxed);

	while (left) { /* again only if it was taken back, or the lane is shared */
		if (atomic_compare_exchange_weak(&lane->left[n], &left, left - 1))
			return true;
	}
	return false;
}

static __attribute__((noinline, cold)) void count(struct riscv *v, uint32_t on,
						  const struct query *q, const struct context *c,
						  unsigned what)
{
	struct riscv_lane *lane = &v->hpm.lanes[q->lane];

	for (; on; on &= on - 1) { /* at most RISCV_COUNTERS rounds */
		unsigned n = (unsigned)__builtin_ctz(on);
		uint64_t event = atomic_load_explicit(&v->hpm.event[n], memory_order_relaxed);

		if (bits_get(event, RISCV_EVT_ID) == what && passes(event, q, c) &&
		    !take_own(lane, n) && count_with_lock(&v->hpm, n, lane))
			overflow(v, RISCV_IOHPMEVT(n), RISCV_EVT_OF);
	}
}

void riscv_count(struct riscv *v, const struct query *q, const struct context *c,
		 enum riscv_event event)
{
	uint32_t on = atomic_load_explicit(&v->hpm.on, memory_order_relaxed);

	if (UNLIKELY(on) && !q->quiet)
		count(v, on, q, c, event);
}

void riscv_hpm_changed(struct riscv *v)
{
	uint32_t on = 0;

	for (unsigned n = 0; n < v->config.counters; n++) {
		atomic_store(&v->hpm.event[n], regs_get(&v->regs, RISCV_IOHPMEVT(n)));
		on |= (uint32_t)counts(v, n) << n;
	}
	if (!on != !atomic_exchange(&v->hpm.on, on)) {
		v->unit.counts = on != 0;
		atomic_store(&v->unit.counted, on != 0 || v->unit.record);
		unit_forget(&v->unit, false); /* hits ask for contexts again */
	}
}

/* ---- cycles ---- */

static bool cycles_count(const struct riscv *v)
{
	return v->unit.host.now && !(regs_get(&v->regs, RISCV_IOCOUNTINH) & 1);
}

static void take_cycles(struct riscv *v)
{
	uint64_t now = cycles_count(v) ? v->unit.host.now(v->unit.host.opaque) : 0;
	uint64_t old = v->hpm.cycles;

	if (now && v->hpm.since)
		v->hpm.cycles = (old + (now - v->hpm.since)) & RISCV_CYCLES_COUNT;
	v->hpm.since = now;
	if (v->hpm.cycles < old)
		overflow(v, RISCV_IOHPMCYCLES, RISCV_CYCLES_OF);
}

/* ---- registers ---- */

static void show_cycles(struct riscv *v)
{
	uint64_t of;

	take_cycles(v);
	of = regs_get(&v->regs, RISCV_IOHPMCYCLES) & RISCV_CYCLES_OF;
	regs_put(&v->regs, RISCV_IOHPMCYCLES, of | v->hpm.cycles);
}

static void show_overflows(struct riscv *v)
{
	uint64_t ovf = regs_get(&v->regs, RISCV_IOHPMCYCLES) & RISCV_CYCLES_OF ? 1 : 0;

	for (unsigned n = 0; n < v->config.counters; n++) {
		if (regs_get(&v->regs, RISCV_IOHPMEVT(n)) & RISCV_EVT_OF)
			ovf |= BIT(n + 1);
	}
	regs_put(&v->regs, RISCV_IOCOUNTOVF, ovf);
}

void riscv_hpm_show(struct riscv *v, uint64_t offset)
{
	bool all = offset == RISCV_REGISTERS;

	if (!(v->cap & RISCV_CAP_HPM))
		return;
	show_cycles(v);
	show_overflows(v);
	pthread_mutex_lock(&v->hpm.lock);
	for (unsigned n = 0; n < v->config.counters; n++) {
		if (all || (offset & ~UINT64_C(7)) == RISCV_IOHPMCTR(n))
			regs_put(&v->regs, RISCV_IOHPMCTR(n), counted(&v->hpm, n));
	}
	pthread_mutex_unlock(&v->hpm.lock);
}

void riscv_hpm_written(struct riscv *v, uint32_t offset)
{
	uint64_t value = regs_get(&v->regs, offset);
	unsigned n = (offset - RISCV_IOHPMCTR(0)) / 8 % RISCV_COUNTERS;

	if (offset == RISCV_IOHPMCYCLES) {
		v->hpm.cycles = value & RISCV_CYCLES_COUNT;
		return;
	}
	pthread_mutex_lock(&v->hpm.lock);
	take_back(&v->hpm, n);
	v->hpm.given[n] = value;
	pthread_mutex_unlock(&v->hpm.lock);
}

void riscv_hpm_restart(struct riscv *v)
{
	if (!(v->cap & RISCV_CAP_HPM))
		return;
	v->hpm.since = 0;
	riscv_hpm_written(v, RISCV_IOHPMCYCLES);
	for (unsigned n = 0; n < v->config.counters; n++)
		riscv_hpm_written(v, RISCV_IOHPMCTR(n));
	riscv_hpm_changed(v);
}

bool riscv_hpm_init(struct riscv *v)
{
	if (v->cap & RISCV_CAP_HPM)
		v->hpm.lanes = vm_alloc(v->unit.vm, RISCV_LANES * sizeof(*v->hpm.lanes),
					_Alignof(struct riscv_lane));
	return v->hpm.lanes || !(v->cap & RISCV_CAP_HPM);
}

void riscv_hpm_fini(struct riscv *v)
{
	if (v->hpm.lanes)
		vm_dealloc(v->unit.vm, v->hpm.lanes, RISCV_LANES * sizeof(*v->hpm.lanes));
	pthread_mutex_destroy(&v->hpm.lock);
}
