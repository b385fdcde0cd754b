/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rvic_state.c - save and restore of an RVIC.
 *
 *	"conf"  CPUs, trusted and untrusted interrupts: must be those of the one that restores
 *	"cpus"  of each CPU: enabled; flags of each interrupt; how many are in the FIFO, and these in
 *		order
 */

#include "rvic_engine.h"

#define SAVED (RVIC_PENDING | RVIC_MASKED | RVIC_LINE)

static void save_cpu(const struct rvic_cpu *c, struct state_writer *state)
{
	uint32_t queued = 0;

	state_put32(state, c->enabled);
	for (uint32_t i = 0; i < c->total; i++) {
		state_put32(state, c->irq[i].flags & SAVED);
		queued += (c->irq[i].flags & RVIC_QUEUED) != 0;
	}
	state_put32(state, queued);
	for (uint32_t at = c->head; at; at = c->irq[at - 1].next)
		state_put32(state, at - 1);
}

int viommu_rvic_save(struct viommu_rvic *r, void *buffer, uint64_t *bytes)
{
	struct state_writer state;

	if (!r || !rvic_save_begin(&r->interface, &state, buffer, bytes))
		return VIOMMU_EINVAL;
	for (uint32_t i = 0; i < r->interface.config.cpus; i++) {
		struct rvic_cpu *c = rvic_lock(r, i);

		save_cpu(c, &state);
		rvic_unlock(r, c, true);
	}
	return state_end(&state, bytes);
}

/* ---- restore: first into a CPU that is nobody's, until everything has been checked ---- */

/* A CPU that is enabled queues what settles; only then is the saved flag believed. */
static bool load_cpu(struct rvic_cpu *c, uint32_t trusted, struct state_reader *state)
{
	uint32_t enabled = state_get32(state), deliverable = 0, queued;

	rvic_cpu_reset(c);
	for (uint32_t i = 0; i < c->total; i++) {
		uint32_t flags = state_get32(state);

		if (flags & ~(i < trusted ? SAVED : SAVED & ~RVIC_LINE))
			return false;
		c->irq[i].flags = (uint8_t)flags;
		deliverable += rvic_cpu_left_out(c, i);
	}
	c->enabled = true;
	queued = state_get32(state);
	for (uint32_t i = 0; i < queued && !state->bad; i++) {
		uint32_t intid = state_get32(state);

		if (intid >= c->total || !rvic_cpu_left_out(c, intid))
			return false;
		rvic_cpu_change(c, intid, 0, 0);
	}
	c->enabled = enabled;
	return enabled <= 1 && !state->bad && (!enabled || queued == deliverable);
}

/* @nobody: for all CPUs in turn; NULL: into those of the RVIC */
static bool load(struct viommu_rvic *r, struct rvic_cpu *nobody, struct state_reader *state)
{
	bool ok = state_find(state, "cpus");

	for (uint32_t i = 0; ok && i < r->interface.config.cpus; i++) {
		struct rvic_cpu *c = nobody ? nobody : rvic_lock(r, i);

		ok = load_cpu(c, r->interface.config.trusted, state);
		if (!nobody)
			rvic_unlock(r, c, false);
	}
	return ok && state_left(state) == 0;
}

int viommu_rvic_restore(struct viommu_rvic *r, const void *buffer, uint64_t bytes)
{
	struct rvic_cpu nobody = { .total = r ? r->interface.total : 0 };
	uint64_t size = nobody.total * sizeof(*nobody.irq);
	struct state_reader state;
	bool ok;

	if (!r || !buffer)
		return VIOMMU_EINVAL;
	if (!rvic_load_begin(&r->interface, &state, buffer, bytes))
		return VIOMMU_ESTATE;
	nobody.irq = vm_alloc(r->interface.vm, size, _Alignof(struct rvic_irq));
	if (!nobody.irq)
		return VIOMMU_ENOMEM;
	ok = load(r, &nobody, &state) && load(r, NULL, &state);
	vm_dealloc(r->interface.vm, nobody.irq, size);
	return ok ? VIOMMU_OK : VIOMMU_ESTATE;
}
