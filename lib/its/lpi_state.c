/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lpi_state.c - save and restore of LPIs; guest memory is neither read nor written.
 *
 *	"conf"  flags, redistributors, bits of an INTID, vPEs: must be those of who restores
 *	"cpus"  per redistributor: its registers, what was written in halves, PTZ, the vPE in its VLPI frame
 *	"pend"  pending bits: redistributor, word, bits
 *	"vpes"  per vPE: its tables, doorbells, virtual SGIs; who maps it is with the ITSs
 *	"vpen"  pending bits of vPEs: vPE, word, bits
 */

#include "lpi.h"
#include "lpi_virtual.h"
#include "state.h"

/* ---- save ---- */

static void save_cpu(const struct lpi_cpu *c, struct state_writer *state)
{
	regs_save(&c->regs, state);
	state_put64(state, c->half);
	state_put32(state, c->ptz);
	state_put32(state, c->vpe);
	state_put32(state, c->vpe_task == VPE_LEAVING);
}

static void save_words(struct state_writer *state, uint32_t whose, const _Atomic uint64_t *pending,
		       uint32_t words)
{
	for (uint32_t i = 0; pending && i < words; i++) {
		uint64_t word = atomic_load_explicit(&pending[i], memory_order_relaxed);

		if (!word)
			continue;
		state_put32(state, whose);
		state_put32(state, i);
		state_put64(state, word);
	}
}

static void save_vpe(struct vpe *v, struct state_writer *state)
{
	state_put32(state, atomic_load(&v->cpu));
	state_put64(state, atomic_load(&v->vpt));
	state_put64(state, atomic_load(&v->vconf));
	state_put32(state, atomic_load(&v->doorbell));
	state_put32(state, atomic_load(&v->ring));
	state_put32(state, atomic_load(&v->sgi));
	for (unsigned i = 0; i < 16; i++)
		state_put32(state, atomic_load(&v->sgi_config[i]));
}

void lpi_save(struct viommu *u, struct state_writer *state)
{
	struct lpis *l = lpis_of(u);

	state_record(state, "conf");
	state_put32(state, l->flags);
	state_put32(state, l->cpus);
	state_put32(state, l->bits);
	state_put32(state, l->vpes);
	state_record(state, "cpus");
	for (uint32_t i = 0; i < l->cpus; i++)
		save_cpu(&l->cpu[i], state);
	state_record(state, "pend");
	for (uint32_t i = 0; i < l->cpus; i++) {
		/* a delivery that came too late may have left a bit where EnableLPIs is 0 */
		if (atomic_load(&l->cpu[i].latch) & LPI_LATCH_ON)
			save_words(state, i, l->cpu[i].pending, lpi_words(l));
	}
	state_record(state, "vpes");
	for (uint32_t i = 0; i < l->vpes; i++)
		save_vpe(&l->vpe[i], state);
	state_record(state, "vpen");
	for (uint32_t i = 0; i < l->vpes; i++)
		save_words(state, i, atomic_load(&l->vpe[i].pending), lpi_words(l));
}

/* ---- restore: everything is looked at twice, and the second time taken ---- */

struct loaded_cpu {
	uint64_t value[16]; /* by row */
	uint64_t half;
	uint32_t ptz;
	uint32_t vpe;
	uint32_t leaving;
};

static bool load_config(const struct lpis *l, struct state_reader *state)
{
	return state_find(state, "conf") && state_get32(state) == l->flags &&
	       state_get32(state) == l->cpus && state_get32(state) == l->bits &&
	       state_get32(state) == l->vpes && state_left(state) == 0;
}

static bool load_cpu(const struct lpi_cpu *c, struct state_reader *state, struct loaded_cpu *l)
{
	if (!regs_load(&c->regs, state, l->value))
		return false;
	l->half = state_get64(state);
	l->ptz = state_get32(state);
	l->vpe = state_get32(state);
	l->leaving = state_get32(state);
	return !(l->half & UINT32_MAX) && l->ptz <= 1 && l->vpe <= c->lpis->vpes &&
	       l->leaving <= (l->vpe != 0);
}

static bool is_valid_frame(const struct lpi_cpu *c)
{
	return (c->lpis->flags & VIOMMU_LPIS_V4) &&
	       (regs_get(&c->regs, GICR_VPENDBASER) & GICR_VPENDBASER_VALID);
}

/* All is told again: whoever listens is another one. */
static void take_cpu(struct lpi_cpu *c, const struct loaded_cpu *l)
{
	regs_take(&c->regs, l->value);
	c->half = l->half;
	c->ptz = l->ptz;
	c->vpe = l->vpe;
	regs_clear_bits(&c->regs, GICR_CTLR, GICR_CTLR_RWP);
	regs_clear_bits(&c->regs, GICR_SYNCR, GICR_SYNCR_BUSY);
	if (c->lpis->flags & VIOMMU_LPIS_V4)
		regs_clear_bits(&c->regs, GICR_VPENDBASER, GICR_VPENDBASER_DIRTY);
	if (regs_get(&c->regs, GICR_CTLR) & GICR_CTLR_ENABLE)
		lpi_resume(c);
	if (c->vpe && (l->leaving || is_valid_frame(c)))
		vpe_resume(c, l->leaving);
}

static bool each_cpu(struct lpis *l, struct state_reader *state, bool take)
{
	if (!state_find(state, "cpus"))
		return false;
	for (uint32_t i = 0; i < l->cpus; i++) {
		struct loaded_cpu loaded;

		if (!load_cpu(&l->cpu[i], state, &loaded))
			return false;
		if (take)
			take_cpu(&l->cpu[i], &loaded);
	}
	return !state->bad && state_left(state) == 0;
}

/* @vpes: of vPEs. Each word once, in order. */
static bool each_word(struct lpis *l, struct state_reader *state, bool vpes, bool take)
{
	uint64_t last = 0;

	if (!state_find(state, vpes ? "vpen" : "pend"))
		return false;
	while (state_left(state)) {
		uint32_t whose = state_get32(state);
		uint32_t at = state_get32(state);
		uint64_t word = state_get64(state);
		uint64_t order = ((uint64_t)whose << 32 | at) + 1;

		if (state->bad || whose >= (vpes ? l->vpes : l->cpus) || at < ITS_FIRST_LPI / 64 ||
		    at >= lpi_words(l) || order <= last)
			return false;
		last = order;
		if (take)
			atomic_store(&(vpes ? atomic_load(&l->vpe[whose].pending)
					    : l->cpu[whose].pending)[at],
				     word);
		else if (vpes && !vpe_have_pending(l, &l->vpe[whose]))
			return false;
	}
	return true;
}

static bool each_vpe(struct lpis *l, struct state_reader *state, bool take)
{
	if (!state_find(state, "vpes"))
		return false;
	for (uint32_t i = 0; i < l->vpes; i++) {
		struct vpe *v = &l->vpe[i];
		uint32_t cpu = state_get32(state);
		uint64_t vpt = state_get64(state);
		uint64_t vconf = state_get64(state);
		uint32_t doorbell = state_get32(state);
		uint32_t ring = state_get32(state);
		uint32_t sgi = state_get32(state);

		if (cpu >= l->cpus || (vpt & ~(VPE_VPT_ADDRESS | VPE_VPT_BITS)) ||
		    bits_get(vpt, VPE_VPT_BITS) > l->bits || (vconf & ~ITS_0_VMAPP_VCONF) ||
		    ring > 1 || sgi > 0xffff)
			return false;
		if (take) {
			atomic_store(&v->cpu, cpu);
			atomic_store(&v->vpt, vpt);
			atomic_store(&v->vconf, vconf);
			atomic_store(&v->doorbell, doorbell);
			atomic_store(&v->ring, ring);
			atomic_store(&v->sgi, sgi);
		}
		for (unsigned j = 0; j < 16; j++) {
			uint32_t config = state_get32(state);

			if (config > 0xff)
				return false;
			if (take)
				atomic_store(&v->sgi_config[j], config);
		}
	}
	return !state->bad && state_left(state) == 0;
}

static bool each(struct lpis *l, struct state_reader *state, bool take)
{
	return each_word(l, state, false, take) && each_vpe(l, state, take) &&
	       each_word(l, state, true, take) && each_cpu(l, state, take);
}

int lpi_restore(struct viommu *u, struct state_reader *state)
{
	struct lpis *l = lpis_of(u);

	if (!load_config(l, state) || !each(l, state, false))
		return VIOMMU_ESTATE;
	lpi_drop(l);
	each(l, state, true);
	return l->tasks ? VIOMMU_PENDING : VIOMMU_OK;
}
