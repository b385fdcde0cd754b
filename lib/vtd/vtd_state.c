/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_state.c - save and restore.
 *
 *	"conf"  CAP, ECAP, version, host address width: must be those of the unit that restores
 *	"regs"  count, then offset and value of each register
 *	"unit"  what was latched from registers, completions on their way, and the queue's head, of which IQH
 *		shows what is complete (not in states of 0.1: it was IQH)
 */

#include "state.h"
#include "vtd_engine.h"

static void save_config(struct vtd *v, struct state_writer *state)
{
	state_record(state, "conf");
	state_put64(state, v->cap);
	state_put64(state, v->ecap);
	state_put32(state, v->version);
	state_put32(state, v->haw);
}

/* Completions that wait for sections: nobody on the other side is inside one, so there they are due
 * at once. */
#define PENDING_CCMD  BIT(0)
#define PENDING_IOTLB BIT(1)
#define PENDING_ANY   BIT(2)
#define QUEUE_ON      BIT(3)
#define PENDING_PMEN  BIT(4)

static bool waits(const struct deferred *d, uint32_t offset)
{
	struct deferred_bits b = deferred_of(d, offset);

	return b.set | b.clear;
}

void vtd_save(struct viommu *u, struct state_writer *state)
{
	struct vtd *v = vtd_of(u);
	const struct deferred *d = &v->deferred;
	const struct deferred_bits gsts = deferred_of(d, VTD_GSTS);
	uint64_t pending = (waits(d, VTD_CCMD) ? PENDING_CCMD : 0) |
			   (waits(d, v->iva + 8) ? PENDING_IOTLB : 0) |
			   (waits(d, VTD_PMEN) ? PENDING_PMEN : 0);
	bool shows = gsts.set | gsts.clear | pending;

	/* Faults that are recorded while we write would be half in it. */
	pthread_mutex_lock(&v->fault_lock);
	pthread_mutex_lock(&v->page_lock);
	save_config(v, state);
	state_record(state, "regs");
	regs_save(&v->regs, state);
	state_record(state, "unit");
	state_put64(state, atomic_load(&v->root));
	state_put64(state, atomic_load(&v->irta));
	state_put64(state, v->gcmd);
	state_put64(state, v->iva_value);
	state_put64(state, v->ccmd_value);
	state_put64(state, v->iqa);
	state_put32(state, v->fault_next);
	state_put32(state, atomic_load(&v->timed_out));
	state_put32(state, atomic_load(&v->unexpected));
	state_put64(state, gsts.set);
	state_put64(state, gsts.clear);
	state_put64(state,
		    pending | (d->due && shows ? PENDING_ANY : 0) | (v->queue_on ? QUEUE_ON : 0));
	state_put64(state, ring_register(&v->commands.ring, v->commands.head));
	pthread_mutex_unlock(&v->page_lock);
	pthread_mutex_unlock(&v->fault_lock);
}

/* What a state says, before any of it is believed. */
struct loaded {
	uint64_t *value; /* by row */
	uint64_t root;
	uint64_t irta;
	uint64_t gcmd;
	uint64_t iva_value;
	uint64_t ccmd_value;
	uint64_t iqa;
	uint32_t fault_next;
	uint32_t timed_out;
	uint32_t unexpected;
	uint64_t gsts_set;
	uint64_t gsts_clear;
	uint64_t pending;
	uint64_t head_value; /* as IQH has it */
	uint32_t head;	     /* the position that it is */
	bool queue_on;
};

static bool load_config(const struct vtd *v, struct state_reader *state)
{
	if (!state_find(state, "conf"))
		return false;
	return state_get64(state) == v->cap && state_get64(state) == v->ecap &&
	       state_get32(state) == v->version && state_get32(state) == v->haw &&
	       state_left(state) == 0;
}

static bool load_regs(const struct vtd *v, struct state_reader *state, struct loaded *l)
{
	return state_find(state, "regs") && regs_load(&v->regs, state, l->value) &&
	       state_left(state) == 0;
}

/* After load_regs(). */
static uint64_t shown_head(const struct vtd *v, const struct loaded *l)
{
	for (uint32_t i = 0; i < v->regs.count; i++) {
		if (v->regs.row[i].offset == VTD_IQH)
			return l->value[i];
	}
	return 0;
}

static bool load_unit(const struct vtd *v, struct state_reader *state, struct loaded *l)
{
	if (!state_find(state, "unit"))
		return false;
	l->root = state_get64(state);
	l->irta = state_get64(state);
	l->gcmd = state_get64(state);
	l->iva_value = state_get64(state);
	l->ccmd_value = state_get64(state);
	l->iqa = state_get64(state);
	l->fault_next = state_get32(state);
	l->timed_out = state_get32(state);
	l->unexpected = state_get32(state);
	l->gsts_set = state_get64(state);
	l->gsts_clear = state_get64(state);
	l->pending = state_get64(state);
	l->head_value = state_left(state) ? state_get64(state) : shown_head(v, l);
	l->queue_on = l->pending & QUEUE_ON;
	l->pending &= ~QUEUE_ON;
	return !state->bad && state_left(state) == 0;
}

/* Whether the parts agree: what is latched, what software asked for, and what the registers say. */
static bool consistent(const struct vtd *v, struct loaded *l)
{
	const struct ring ring = vtd_queue_ring(v, l->iqa);
	const uint64_t lasting =
		VTD_G_TE | VTD_G_IRE | VTD_G_CFI | (v->ecap & VTD_ECAP_QI ? VTD_G_QIE : 0);
	const uint64_t status = lasting | VTD_G_RTP | VTD_G_IRTP;
	uint64_t irta = VTD_IRTA_S | VTD_IRTA_IRTA | VTD_LATCH_IRE | VTD_LATCH_CFI |
			(v->ecap & VTD_ECAP_EIM ? VTD_IRTA_EIME : 0);

	if ((l->root & ~(VTD_RTADDR_RTA | VTD_RTADDR_TTM | VTD_ROOT_TE)) || (l->irta & ~irta) ||
	    (l->gcmd & ~lasting))
		return false;
	if ((l->iqa & ~(VTD_IQA_IQA | VTD_IQA_QS | VTD_IQA_DW)) || l->fault_next >= v->frcds ||
	    l->timed_out > 0x10000 || l->unexpected > 0x10000)
		return false;
	if (!(l->gcmd & VTD_G_TE) != !(l->root & VTD_ROOT_TE) ||
	    !(l->gcmd & VTD_G_IRE) != !(l->irta & VTD_LATCH_IRE) ||
	    !(l->gcmd & VTD_G_CFI) != !(l->irta & VTD_LATCH_CFI))
		return false;
	if ((l->timed_out || l->unexpected) && !(v->ecap & VTD_ECAP_DT))
		return false;
	if ((l->pending & PENDING_PMEN) && !(v->cap & (VTD_CAP_PLMR | VTD_CAP_PHMR)))
		return false;
	if ((l->gcmd & VTD_G_QIE) && !l->queue_on)
		return false;
	if (l->queue_on && !(v->ecap & VTD_ECAP_QI))
		return false;
	if (!ring_position(&ring, l->head_value, &l->head) || (l->head && !(v->ecap & VTD_ECAP_QI)))
		return false;
	if ((l->gcmd & (VTD_G_IRE | VTD_G_CFI)) && !(v->ecap & VTD_ECAP_IR))
		return false;
	if ((l->gsts_set & l->gsts_clear) || ((l->gsts_set | l->gsts_clear) & ~status))
		return false;
	if (l->pending & ~(PENDING_CCMD | PENDING_IOTLB | PENDING_PMEN | PENDING_ANY))
		return false;
	return (l->pending & PENDING_ANY) || !(l->pending | l->gsts_set | l->gsts_clear);
}

static void take_deferred(struct vtd *v, const struct loaded *l)
{
	struct deferred *d = &v->deferred;

	if (l->gsts_set | l->gsts_clear)
		deferred_bits(d, &v->regs, VTD_GSTS, l->gsts_set, l->gsts_clear);
	if (l->pending & PENDING_CCMD)
		deferred_bits(d, &v->regs, VTD_CCMD, 0, VTD_CCMD_ICC);
	if (l->pending & PENDING_IOTLB)
		deferred_bits(d, &v->regs, v->iva + 8, 0, VTD_IOTLB_IVT);
	if (l->pending & PENDING_PMEN)
		vtd_defer_protection(v);
}

static void take(struct vtd *v, const struct loaded *l)
{
	pthread_mutex_lock(&v->fault_lock);
	pthread_mutex_lock(&v->page_lock);
	regs_take(&v->regs, l->value);
	vtd_page_queue_reset(v);
	v->fault_next = l->fault_next;
	pthread_mutex_unlock(&v->page_lock);
	pthread_mutex_unlock(&v->fault_lock);
	atomic_store_explicit(&v->root, l->root, memory_order_release);
	atomic_store_explicit(&v->irta, l->irta, memory_order_release);
	atomic_store(&v->timed_out, l->timed_out);
	atomic_store(&v->unexpected, l->unexpected);
	v->gcmd = l->gcmd;
	v->iva_value = l->iva_value;
	v->ccmd_value = l->ccmd_value;
	v->iqa = l->iqa;
	v->queue_on = l->queue_on;
	v->unsynced = true;
	v->commands.ring = vtd_queue_ring(v, l->iqa);
	ring_restart(&v->commands, l->head, true);
	v->sync = (struct vtd_sync){ .last = false };
	v->deferred = (struct deferred){ .due = false };
	take_deferred(v, l);
}

int vtd_restore(struct viommu *u, struct state_reader *state)
{
	struct vtd *v = vtd_of(u);
	uint64_t bytes = v->regs.count * sizeof(uint64_t);
	struct loaded l = { .value = vm_alloc(u->vm, bytes, _Alignof(uint64_t)) };
	bool ok;

	if (!l.value)
		return VIOMMU_ENOMEM;
	ok = load_config(v, state) && load_regs(v, state, &l) && load_unit(v, state, &l) &&
	     consistent(v, &l);
	if (ok)
		take(v, &l);
	vm_dealloc(u->vm, l.value, bytes);
	if (!ok)
		return VIOMMU_ESTATE;
	vtd_tables_changed(v);
	vtd_interrupts_changed(v);
	/* What listeners do about this comes before a completion that was saved, and before the VMM is
	 * told that nobody uses what was there before. */
	deferred_again(&v->deferred);
	/* Anything may be due: a completion, or descriptors between head and tail. */
	return VIOMMU_PENDING;
}
