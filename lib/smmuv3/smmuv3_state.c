/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smmuv3_state.c - save and restore.
 *
 *	"conf"  IDR0 to IDR5, IIDR, AIDR, GBPA after a reset: must be those of the SMMU that restores
 *	"regs"  count, then offset and value of each register
 *	"unit"  GBPA as latched, bits of CR0ACK and GBPA on their way, the next STAG's number, a time-out that no CMD_SYNC has
 *		told of
 *
 * Stalled transactions are not in it: devices ask again where it is restored.
 */

#include "smmuv3_engine.h"
#include "state.h"

#define IDRS 6U

static void save_config(const struct smmu *s, struct state_writer *state)
{
	state_record(state, "conf");
	for (unsigned i = 0; i < IDRS; i++)
		state_put32(state, s->config.idr[i]);
	state_put32(state, s->config.iidr);
	state_put32(state, s->config.aidr);
	state_put32(state, s->config.gbpa);
}

void smmu_save(struct viommu *u, struct state_writer *state)
{
	struct smmu *s = smmu_of(u);
	const struct deferred_bits cr0ack = deferred_of(&s->deferred, SMMU_CR0ACK);
	const struct deferred_bits gbpa = deferred_of(&s->deferred, SMMU_GBPA);

	/* Events that are recorded while we write would be half in it. */
	pthread_mutex_lock(&s->event_lock);
	save_config(s, state);
	state_record(state, "regs");
	regs_save(&s->regs, state);
	state_record(state, "unit");
	state_put64(state, atomic_load(&s->gbpa));
	state_put64(state, cr0ack.set);
	state_put64(state, cr0ack.clear);
	state_put64(state, gbpa.clear);
	state_put64(state, s->stall_count);
	state_put32(state, atomic_load(&s->timed_out));
	pthread_mutex_unlock(&s->event_lock);
}

/* What a state says, before any of it is believed. */
struct loaded {
	uint64_t *value; /* by row */
	uint64_t gbpa;
	uint64_t ack_set;
	uint64_t ack_clear;
	uint64_t gbpa_clear;
	uint64_t stall_count;
	uint32_t timed_out;
};

static bool load_config(const struct smmu *s, struct state_reader *state)
{
	if (!state_find(state, "conf"))
		return false;
	for (unsigned i = 0; i < IDRS; i++) {
		if (state_get32(state) != s->config.idr[i])
			return false;
	}
	return state_get32(state) == s->config.iidr && state_get32(state) == s->config.aidr &&
	       state_get32(state) == s->config.gbpa && state_left(state) == 0;
}

static bool load_unit(struct state_reader *state, struct loaded *l)
{
	if (!state_find(state, "unit"))
		return false;
	l->gbpa = state_get64(state);
	l->ack_set = state_get64(state);
	l->ack_clear = state_get64(state);
	l->gbpa_clear = state_get64(state);
	l->stall_count = state_get64(state);
	l->timed_out = state_get32(state);
	return !state->bad && state_left(state) == 0;
}

static uint64_t value_of(const struct smmu *s, const struct loaded *l, uint32_t offset)
{
	for (uint32_t i = 0; i < s->regs.count; i++) {
		if (s->regs.row[i].offset == offset)
			return l->value[i];
	}
	return 0;
}

#define ACK_LATER (CR0_SMMUEN | CR0_ATSCHK | CR0_EVENTQEN | CR0_PRIQEN)

/* Whether the parts agree: what is acknowledged, what is on its way, and what the registers say. */
static bool consistent(const struct smmu *s, const struct loaded *l)
{
	uint64_t cr0 = value_of(s, l, SMMU_CR0);
	uint64_t ack = value_of(s, l, SMMU_CR0ACK);
	uint64_t later = l->ack_set | l->ack_clear;
	uint64_t gbpa = value_of(s, l, SMMU_GBPA);

	if (l->stall_count >= SMMU_STALLS_MAX)
		return false;
	if ((l->gbpa & ~GBPA_FIELDS) || (l->gbpa_clear & ~GBPA_UPDATE) || l->timed_out > 1)
		return false;
	if ((l->ack_set & l->ack_clear) || (later & ~ACK_LATER))
		return false;
	if (((cr0 ^ ack) & ~later) || (cr0 & l->ack_clear) || (l->ack_set & ~cr0) ||
	    (ack & l->ack_set) || (l->ack_clear & ~ack))
		return false;
	if ((gbpa & GBPA_UPDATE) != l->gbpa_clear || (gbpa & GBPA_FIELDS) != l->gbpa)
		return false;
	return !(value_of(s, l, SMMU_GATOS_CTRL) & ATOS_RUN);
}

static void latch(struct smmu *s)
{
	atomic_store_explicit(&s->strtab, regs_get(&s->regs, SMMU_STRTAB_BASE),
			      memory_order_release);
	atomic_store_explicit(&s->strtab_cfg, regs_get(&s->regs, SMMU_STRTAB_BASE_CFG),
			      memory_order_release);
	atomic_store_explicit(&s->gbpa, regs_get(&s->regs, SMMU_GBPA) & GBPA_FIELDS,
			      memory_order_release);
	atomic_store_explicit(&s->control,
			      regs_get(&s->regs, SMMU_CR0) | regs_get(&s->regs, SMMU_CR2) << 32,
			      memory_order_release);
}

void smmu_begin_anew(struct smmu *s)
{
	latch(s);
	smmu_queues_reset(s, CR0_EVENTQEN | CR0_PRIQEN);
	smmu_queue_start(s);
	atomic_store(&s->timed_out, 0);
	s->deferred = (struct deferred){ .due = false };
	atomic_store(&s->seen, 0);
	s->terminate = true; /* devices that wait are waiting for what is no more */
	s->unsynced = true;
	notify_forget(&s->unit, true, true);
}

/* What IRQ_CTRLACK does not say yet is on its way. */
static void take_irq_ack(struct smmu *s)
{
	uint64_t irq = regs_get(&s->regs, SMMU_IRQ_CTRL);
	uint64_t ack = regs_get(&s->regs, SMMU_IRQ_CTRLACK);

	if (irq != ack)
		deferred_bits(&s->deferred, &s->regs, SMMU_IRQ_CTRLACK, irq & ~ack, ack & ~irq);
}

static void take(struct smmu *s, const struct loaded *l)
{
	pthread_mutex_lock(&s->event_lock);
	regs_take(&s->regs, l->value);
	pthread_mutex_unlock(&s->event_lock);
	smmu_begin_anew(s);
	if (l->ack_set | l->ack_clear)
		deferred_bits(&s->deferred, &s->regs, SMMU_CR0ACK, l->ack_set, l->ack_clear);
	if (l->gbpa_clear)
		deferred_bits(&s->deferred, &s->regs, SMMU_GBPA, 0, l->gbpa_clear);
	take_irq_ack(s);
	atomic_store(&s->timed_out, l->timed_out);
	pthread_mutex_lock(&s->stall_lock);
	if (l->stall_count > s->stall_count)
		s->stall_count = l->stall_count;
	pthread_mutex_unlock(&s->stall_lock);
}

int smmu_restore(struct viommu *u, struct state_reader *state)
{
	struct smmu *s = smmu_of(u);
	uint64_t bytes = s->regs.count * sizeof(uint64_t);
	struct loaded l = { .value = vm_alloc(u->vm, bytes, _Alignof(uint64_t)) };
	bool ok;

	if (!l.value)
		return VIOMMU_ENOMEM;
	ok = load_config(s, state) && state_find(state, "regs") &&
	     regs_load(&s->regs, state, l.value) && state_left(state) == 0 &&
	     load_unit(state, &l) && consistent(s, &l);
	if (ok)
		take(s, &l);
	vm_dealloc(u->vm, l.value, bytes);
	if (!ok)
		return VIOMMU_ESTATE;
	/* what listeners do about this comes before a completion that was saved */
	deferred_again(&s->deferred);
	return VIOMMU_PENDING; /* anything may be due: commands between CONS and PROD */
}
