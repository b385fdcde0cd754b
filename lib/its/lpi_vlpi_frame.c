/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi_vlpi_frame.c - the VLPI frame of a redistributor (IHI 0069 12.13): which vPE is resident, and what
 * software learns when it is no longer. */

#include "lpi_virtual.h"

static uint32_t number_of(const struct lpi_cpu *c)
{
	return (uint32_t)(c - c->lpis->cpu);
}

#define VPES_OF_A_STEP 64U

/* 4.1: the vPEID. 4.0: whoever has this VPT; all vPEs are looked at, and paid for. vPEID + 1, or 0 */
static uint32_t named(struct lpis *l, uint64_t base)
{
	uint32_t vpe = (uint32_t)bits_get(base, GICR_VPENDBASER_VPE);

	if (l->flags & VIOMMU_LPIS_V41)
		return vpe_mapped(l, vpe) ? vpe + 1 : 0;
	unit_pay(&l->unit, l->vpes / VPES_OF_A_STEP);
	for (uint32_t i = 0; i < l->vpes; i++) {
		const struct vpe *v = vpe_mapped(l, i);

		if (v &&
		    (atomic_load(&v->vpt) & VPE_VPT_ADDRESS) == (base & GICR_VPENDBASER_ADDRESS))
			return i + 1;
	}
	return 0;
}

static void begin(struct lpi_cpu *c, enum vpe_task task)
{
	c->vpe_task = task;
	c->vpe_word = 0;
	c->vpe_pending = false;
	c->lpis->tasks++;
	regs_set_bits(&c->regs, GICR_VPENDBASER, GICR_VPENDBASER_DIRTY);
}

static void write_vpendbaser(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;
	struct lpis *l = c->lpis;
	bool was = w->old & GICR_VPENDBASER_VALID;
	bool is = w->written & GICR_VPENDBASER_VALID;

	if (c->vpe_task != VPE_IDLE || (was && is)) {
		regs_put(&c->regs, GICR_VPENDBASER, w->old);
		return;
	}
	if (was == is)
		return;
	regs_clear_bits(&c->regs, GICR_VPENDBASER, GICR_VPENDBASER_LAST);
	if (is) {
		c->vpe = named(l, w->written);
		if (c->vpe)
			atomic_store(&l->vpe[c->vpe - 1].resident, number_of(c) + 1);
		begin(c, VPE_ARRIVING);
		return;
	}
	if (c->vpe) {
		uint32_t here = number_of(c) + 1;

		atomic_compare_exchange_strong(&l->vpe[c->vpe - 1].resident, &here, 0);
	}
	begin(c, VPE_LEAVING);
}

void vpe_resume(struct lpi_cpu *c, bool leaving)
{
	if (!leaving)
		atomic_store(&c->lpis->vpe[c->vpe - 1].resident, number_of(c) + 1);
	begin(c, leaving ? VPE_LEAVING : VPE_ARRIVING);
}

/* If the vPE is resident, a task of its redistributor announces what is pending. Otherwise one doorbell is
 * enough, and it rings as well if steps run out before we know whether anything is pending. */
void vpe_retell(struct lpis *l, uint32_t vpe)
{
	struct vpe_at at = { .l = l, .v = vpe_mapped(l, vpe) };
	uint32_t resident = at.v ? atomic_load(&at.v->resident) : 0;
	struct lpi_cpu *c = resident ? lpi_cpu_at(l, resident - 1) : NULL;
	uint32_t word = 0;

	if (c && c->vpe_task == VPE_IDLE)
		begin(c, VPE_ARRIVING);
	else if (c && c->vpe_task == VPE_ARRIVING)
		c->vpe_word = 0;
	else if (!c && at.v && !vpe_for_pending(&l->unit, &at, &word, vpe_announce_each))
		vpe_announce(l, at.v, ITS_FIRST_LPI, ITS_NO_DOORBELL);
}

static bool note_enabled(void *what, uint32_t intid)
{
	const struct vpe_at *at = what;

	at->c->vpe_pending =
		vpe_config(at->l, at->v, intid, number_of(at->c) + 1) & LPI_CONFIG_ENABLE;
	return !at->c->vpe_pending;
}

/* Calls @each for virtual SGIs that are pending, until it says false. */
static void for_sgis(struct vpe_at *at, bool (*each)(void *at, uint32_t intid))
{
	for (uint32_t i = 0; i < 16; i++) {
		if ((atomic_load(&at->v->sgi) & UINT32_C(1) << i) && !each(at, i))
			return;
	}
}

static bool arrive(struct vpe_at *at)
{
	struct lpi_cpu *c = at->c;

	if (c->vpe_word == 0) {
		atomic_store(&at->v->ring, 0);
		for_sgis(at, vpe_announce_each);
	}
	return vpe_for_pending(&at->l->unit, at, &c->vpe_word, vpe_announce_each);
}

/* Software learns whether anything is pending and enabled. If nothing is, on 4.1 the doorbell rings where
 * it was asked for: it is there before we look, so that what comes meanwhile is seen, or rings. */
static bool depart(struct vpe_at *at)
{
	struct lpi_cpu *c = at->c;

	if (c->vpe_word == 0) {
		atomic_store(&at->v->ring, (at->l->flags & VIOMMU_LPIS_V41) &&
						   (regs_get(&c->regs, GICR_VPENDBASER) &
						    GICR_VPENDBASER_DOORBELL));
		for_sgis(at, note_enabled);
	}
	if (!c->vpe_pending && !vpe_for_pending(&at->l->unit, at, &c->vpe_word, note_enabled))
		return false;
	if (!unit_pay(&at->l->unit, 1 + lpi_words(at->l) / 16))
		return false;
	if (c->vpe_pending) {
		atomic_store(&at->v->ring, 0);
		regs_set_bits(&c->regs, GICR_VPENDBASER, GICR_VPENDBASER_LAST);
	}
	vpe_write_vpt(at->l, at->v);
	return true;
}

bool vpe_finish(struct lpi_cpu *c)
{
	struct lpis *l = c->lpis;
	struct vpe_at at = { .l = l, .v = c->vpe ? vpe_mapped(l, c->vpe - 1) : NULL, .c = c };

	if (at.v && !(c->vpe_task == VPE_ARRIVING ? arrive(&at) : depart(&at)))
		return false;
	if (c->vpe_task == VPE_LEAVING)
		c->vpe = 0;
	c->vpe_task = VPE_IDLE;
	l->tasks--;
	regs_clear_bits(&c->regs, GICR_VPENDBASER, GICR_VPENDBASER_DIRTY);
	return true;
}

static void write_vsgir(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;
	const struct vpe *v = vpe_mapped(c->lpis, (uint32_t)bits_get(w->written, GICR_VSGIR_VPE));

	regs_put(&c->regs, GICR_VSGIPENDR, v ? atomic_load(&v->sgi) : 0);
}

#define VPROPBASER_40                                                                              \
	(GICR_PROPBASER_IDBITS | GICR_PROPBASER_INNER | GICR_PROPBASER_SHARE |                     \
	 GICR_PROPBASER_ADDRESS | GICR_PROPBASER_OUTER)
#define VPENDBASER_40                                                                              \
	(GICR_PENDBASER_INNER | GICR_PENDBASER_SHARE | GICR_PENDBASER_OUTER |                      \
	 GICR_VPENDBASER_ADDRESS | GICR_VPENDBASER_IDAI | GICR_VPENDBASER_VALID)
#define VPENDBASER_41                                                                              \
	(GICR_VPENDBASER_VPE | GICR_VPENDBASER_GRP1 | GICR_VPENDBASER_GRP0 |                       \
	 GICR_VPENDBASER_DOORBELL | GICR_VPENDBASER_VALID)

bool vpe_add_rows(struct lpi_cpu *c)
{
	bool v41 = c->lpis->flags & VIOMMU_LPIS_V41;
	const struct regs_row rows[] = {
		{ GICR_VPROPBASER, 8, 0, v41 ? GICR_VPROPBASER_41 : VPROPBASER_40, 0, 0, NULL,
		  "GICR_VPROPBASER", 0 },
		{ GICR_VPENDBASER, 8, 0, v41 ? VPENDBASER_41 : VPENDBASER_40, 0,
		  GICR_VPENDBASER_DIRTY | GICR_VPENDBASER_LAST, write_vpendbaser, "GICR_VPENDBASER",
		  0 },
		{ GICR_VSGIR, 4, 0, 0, 0, 0, write_vsgir, "GICR_VSGIR", 0 },
		{ GICR_VSGIPENDR, 4, 0, 0, 0, GICR_VSGIPENDR_PENDING, NULL, "GICR_VSGIPENDR", 0 },
	};

	for (size_t i = 0; i < (v41 ? 4U : 2U); i++) {
		if (!regs_add(&c->regs, &rows[i]))
			return false;
	}
	return true;
}
