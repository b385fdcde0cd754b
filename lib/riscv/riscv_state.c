/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * riscv_state.c - save and restore.
 *
 *	"conf"  capabilities, and what else the configuration decides: must be those of the IOMMU that restores
 *	"regs"  count, then offset and value of each register; what busy bits wait for is due at once on the other side
 *	"unit"  ddtp as translations go by it, messages that are masked, and whether an invalidation has timed out
 */

#include "riscv_engine.h"
#include "state.h"

static void save_config(const struct riscv *v, struct state_writer *state)
{
	state_record(state, "conf");
	state_put64(state, v->cap);
	state_put64(state, v->config.ddtp);
	state_put32(state, v->config.vectors);
	state_put32(state, v->config.counters);
	state_put32(state, v->config.qosid_bits);
}

void riscv_save(struct viommu *u, struct state_writer *state)
{
	struct riscv *v = riscv_of(u);

	riscv_hpm_show(v, RISCV_REGISTERS);
	/* Faults that are recorded while we write would be half in it. */
	pthread_mutex_lock(&v->lock);
	save_config(v, state);
	state_record(state, "regs");
	regs_save(&v->regs, state);
	state_record(state, "unit");
	state_put64(state, atomic_load(&v->ddtp));
	state_put32(state, v->due);
	state_put32(state, atomic_load(&v->timed_out));
	pthread_mutex_unlock(&v->lock);
}

/* What a state says, before any of it is believed. */
struct loaded {
	uint64_t *value; /* by row */
	uint64_t ddtp;
	uint32_t due;
	uint32_t timed_out;
};

static bool load_config(const struct riscv *v, struct state_reader *state)
{
	return state_find(state, "conf") && state_get64(state) == v->cap &&
	       state_get64(state) == v->config.ddtp && state_get32(state) == v->config.vectors &&
	       state_get32(state) == v->config.counters &&
	       state_get32(state) == v->config.qosid_bits && state_left(state) == 0;
}

static bool load_unit(struct state_reader *state, struct loaded *l)
{
	if (!state_find(state, "unit"))
		return false;
	l->ddtp = state_get64(state);
	l->due = state_get32(state);
	l->timed_out = state_get32(state);
	return !state->bad && state_left(state) == 0;
}

static uint64_t value_of(const struct riscv *v, const struct loaded *l, uint32_t offset)
{
	for (uint32_t i = 0; i < v->regs.count; i++) {
		if (v->regs.row[i].offset == offset)
			return l->value[i];
	}
	return 0;
}

static bool ring_consistent(const struct riscv *v, const struct loaded *l, uint32_t base,
			    uint32_t csr)
{
	uint64_t status = value_of(v, l, csr);
	unsigned lg2 = (unsigned)bits_get(value_of(v, l, base), RISCV_QB_LOG2SZ) + 1;
	uint64_t entries = BIT(lg2 < 30 ? lg2 : 30);

	/* base, head, tail are neighbours; it is on if it is enabled, or being turned off */
	return value_of(v, l, base + 8) < entries && value_of(v, l, base + 12) < entries &&
	       (status & RISCV_CSR_BUSY || !(status & RISCV_CSR_EN) == !(status & RISCV_CSR_ON));
}

/* Whether the parts agree: what is latched, and what the registers say. */
static bool consistent(const struct riscv *v, const struct loaded *l)
{
	uint64_t ddtp = value_of(v, l, RISCV_DDTP);
	uint64_t mode = bits_get(l->ddtp, RISCV_DDTP_MODE);

	if (mode > RISCV_MODE_3LVL || mode != bits_get(ddtp, RISCV_DDTP_MODE) ||
	    (l->ddtp & ~(RISCV_DDTP_MODE | RISCV_DDTP_PPN)) ||
	    (mode > RISCV_MODE_BARE && (ddtp & RISCV_DDTP_PPN) != (l->ddtp & RISCV_DDTP_PPN)))
		return false;
	if ((l->due & ~bits_low(RISCV_VECTORS)) || l->timed_out > 1)
		return false;
	if (v->cap & RISCV_CAP_DBG && (value_of(v, l, RISCV_TR_REQ_CTL) & RISCV_TR_GO))
		return false;
	/* commands are executed by whoever turns their queue off: it is never busy */
	return !(value_of(v, l, RISCV_CQCSR) & RISCV_CSR_BUSY) &&
	       ring_consistent(v, l, RISCV_CQB, RISCV_CQCSR) &&
	       ring_consistent(v, l, RISCV_FQB, RISCV_FQCSR) &&
	       ring_consistent(v, l, RISCV_PQB, RISCV_PQCSR);
}

/* A queue that is busy becomes what its enable bit says. */
static void take_busy(struct riscv *v, uint32_t csr)
{
	uint64_t value = regs_get(&v->regs, csr);

	if (!(value & RISCV_CSR_BUSY))
		return;
	if (value & RISCV_CSR_EN)
		deferred_bits(&v->deferred, &v->regs, csr, RISCV_CSR_ON, RISCV_CSR_BUSY);
	else
		deferred_bits(&v->deferred, &v->regs, csr, 0, RISCV_CSR_ON | RISCV_CSR_BUSY);
}

static void take(struct riscv *v, const struct loaded *l)
{
	pthread_mutex_lock(&v->lock);
	regs_take(&v->regs, l->value);
	ring_records_reset(&v->faults);
	ring_records_reset(&v->requests);
	v->due = l->due;
	pthread_mutex_unlock(&v->lock);
	atomic_store_explicit(&v->ddtp, l->ddtp, memory_order_release);
	atomic_store(&v->timed_out, l->timed_out != 0);
	v->commands.ring = riscv_ring(v, RISCV_CQB, 2);
	ring_restart(&v->commands, (uint32_t)regs_get(&v->regs, RISCV_CQH), true);
	v->sync = (struct completion){ .epoch = 0 };
	v->deferred = (struct deferred){ .due = false };
	if (regs_get(&v->regs, RISCV_DDTP) & RISCV_DDTP_BUSY)
		deferred_bits(&v->deferred, &v->regs, RISCV_DDTP, 0, RISCV_DDTP_BUSY);
	take_busy(v, RISCV_FQCSR);
	if (v->cap & RISCV_CAP_ATS)
		take_busy(v, RISCV_PQCSR);
	riscv_hpm_restart(v);
}

int riscv_restore(struct viommu *u, struct state_reader *state)
{
	struct riscv *v = riscv_of(u);
	uint64_t bytes = v->regs.count * sizeof(uint64_t);
	struct loaded l = { .value = vm_alloc(u->vm, bytes, _Alignof(uint64_t)) };
	bool ok;

	if (!l.value)
		return VIOMMU_ENOMEM;
	ok = load_config(v, state) && state_find(state, "regs") &&
	     regs_load(&v->regs, state, l.value) && state_left(state) == 0 &&
	     load_unit(state, &l) && consistent(v, &l);
	if (ok)
		take(v, &l);
	vm_dealloc(u->vm, l.value, bytes);
	if (!ok)
		return VIOMMU_ESTATE;
	riscv_begin(v);
	/* What listeners do about this comes before a completion that was saved. */
	deferred_again(&v->deferred);
	return VIOMMU_PENDING;
}
