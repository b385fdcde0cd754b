/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_hpm.c - counters of events (6.19 to 6.23). While one counts, every request is asked of the engine, hits of the caches
 * too (unit.counted); otherwise nothing is paid.
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

static __attribute__((noinline, cold)) void count(struct riscv *v, uint32_t on,
						  const struct query *q, const struct context *c,
						  unsigned what)
{
	for (; on; on &= on - 1) { /* at most RISCV_COUNTERS rounds */
		unsigned n = (unsigned)__builtin_ctz(on);
		uint64_t event = atomic_load_explicit(&v->hpm.event[n], memory_order_relaxed);

		if (bits_get(event, RISCV_EVT_ID) == what && passes(event, q, c) &&
		    atomic_fetch_add(&v->hpm.count[n], 1) == UINT64_MAX)
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

void riscv_hpm_show(struct riscv *v)
{
	uint64_t cycles;
	uint64_t ovf;

	if (!(v->cap & RISCV_CAP_HPM))
		return;
	take_cycles(v);
	cycles = regs_get(&v->regs, RISCV_IOHPMCYCLES) & RISCV_CYCLES_OF;
	regs_put(&v->regs, RISCV_IOHPMCYCLES, cycles | v->hpm.cycles);
	ovf = cycles ? 1 : 0;
	for (unsigned n = 0; n < v->config.counters; n++) {
		regs_put(&v->regs, RISCV_IOHPMCTR(n), atomic_load(&v->hpm.count[n]));
		if (regs_get(&v->regs, RISCV_IOHPMEVT(n)) & RISCV_EVT_OF)
			ovf |= BIT(n + 1);
	}
	regs_put(&v->regs, RISCV_IOCOUNTOVF, ovf);
}

void riscv_hpm_written(struct riscv *v, uint32_t offset)
{
	uint64_t value = regs_get(&v->regs, offset);

	if (offset == RISCV_IOHPMCYCLES)
		v->hpm.cycles = value & RISCV_CYCLES_COUNT;
	else
		atomic_store(&v->hpm.count[(offset - RISCV_IOHPMCTR(0)) / 8 % RISCV_COUNTERS],
			     value);
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
