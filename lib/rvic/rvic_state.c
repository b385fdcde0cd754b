/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rvic_state.c - save and restore of an RVIC.
 *
 *	"conf"  CPUs, trusted and untrusted interrupts: must be those of the one that restores
 *	"cpus"  of each CPU: enabled; flags of each interrupt; how many are in the FIFO, and these in
 *		order
 */

#include "rvic_object.h"
#include "state.h"

#define STATE_NAME "rvic"
#define SAVED	   (RVIC_PENDING | RVIC_MASKED | RVIC_LINE)

static void save_cpu(struct rvic_cpu *c, struct state_writer *state)
{
	uint32_t queued = 0;

	pthread_mutex_lock(&c->lock);
	state_put32(state, c->enabled);
	for (uint32_t i = 0; i < c->total; i++) {
		state_put32(state, c->irq[i].flags & SAVED);
		queued += (c->irq[i].flags & RVIC_QUEUED) != 0;
	}
	state_put32(state, queued);
	for (uint32_t at = c->head; at; at = c->irq[at - 1].next)
		state_put32(state, at - 1);
	pthread_mutex_unlock(&c->lock);
}

int viommu_rvic_save(struct viommu_rvic *r, void *buffer, uint64_t *bytes)
{
	struct state_writer state;

	if (!r || !bytes || (!buffer && *bytes))
		return VIOMMU_EINVAL;
	state_begin(&state, STATE_NAME, buffer, *bytes);
	rvic_save_config(&r->interface, &state);
	state_record(&state, "cpus");
	for (uint32_t i = 0; i < r->interface.config.cpus; i++)
		save_cpu(&r->cpu[i], &state);
	return state_end(&state, bytes);
}

/* ---- restore: into an RVIC of its own before anything is changed ---- */

/* A CPU that is enabled queues what settles; only then is the saved flag believed. */
static bool load_cpu(struct rvic_cpu *c, uint32_t trusted, struct state_reader *state)
{
	uint32_t enabled = state_get32(state);
	uint32_t queued;

	for (uint32_t i = 0; i < c->total; i++) {
		uint32_t flags = state_get32(state);

		if (flags & ~(i < trusted ? SAVED : SAVED & ~RVIC_LINE))
			return false;
		c->irq[i].flags = (uint8_t)flags;
	}
	c->enabled = true;
	queued = state_get32(state);
	for (uint32_t i = 0; i < queued && !state->bad; i++) {
		uint32_t intid = state_get32(state);

		if (intid >= c->total || (c->irq[intid].flags & RVIC_QUEUED))
			return false;
		rvic_cpu_change(c, intid, 0, 0);
		if (!(c->irq[intid].flags & RVIC_QUEUED)) /* masked, or not pending */
			return false;
	}
	/* of an enabled CPU, whatever can be delivered is in the FIFO */
	for (uint32_t i = 0; enabled && i < c->total; i++) {
		if ((c->irq[i].flags & (RVIC_PENDING | RVIC_MASKED | RVIC_QUEUED)) == RVIC_PENDING)
			return false;
	}
	c->enabled = enabled;
	return enabled <= 1 && !state->bad;
}

static bool load(struct viommu_rvic *r, struct state_reader *state)
{
	bool ok = state_find(state, "cpus");

	for (uint32_t i = 0; ok && i < r->interface.config.cpus; i++)
		ok = load_cpu(&r->cpu[i], r->interface.config.trusted, state);
	return ok && state_left(state) == 0;
}

static void take(struct viommu_rvic *r, uint32_t i, const struct rvic_cpu *loaded)
{
	struct rvic_cpu *c = &r->cpu[i];
	bool was;

	pthread_mutex_lock(&c->lock);
	was = rvic_cpu_can_signal(c);
	c->enabled = loaded->enabled;
	c->head = loaded->head;
	c->tail = loaded->tail;
	for (uint32_t j = 0; j < c->total; j++)
		c->irq[j] = loaded->irq[j];
	rvic_unlock(r, i, was);
}

int viommu_rvic_restore(struct viommu_rvic *r, const void *buffer, uint64_t bytes)
{
	struct viommu_rvic *loaded;
	struct state_reader state;
	int result;

	if (!r || !buffer)
		return VIOMMU_EINVAL;
	if (!state_open(&state, STATE_NAME, buffer, bytes) ||
	    !rvic_load_config(&r->interface, &state))
		return VIOMMU_ESTATE;
	result = rvic_new(r->vm, &r->interface.config, true, &loaded);
	if (result)
		return result;
	result = load(loaded, &state) ? VIOMMU_OK : VIOMMU_ESTATE;
	for (uint32_t i = 0; result == VIOMMU_OK && i < r->interface.config.cpus; i++)
		take(r, i, &loaded->cpu[i]);
	viommu_rvic_free(loaded);
	return result;
}
