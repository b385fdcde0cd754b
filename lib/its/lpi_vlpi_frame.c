/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi_vlpi_frame.c - the VLPI frame of a redistributor (IHI 0069 12.13): which vPE is resident, and what
 * software learns when it is no longer. */

#include "lpi_virtual.h"

/* 4.1: the vPEID. 4.0: whoever has this VPT; at most a step a vPE. vPEID + 1, or 0 */
static uint32_t named(const struct lpis *l, uint64_t base)
{
	uint32_t vpe = (uint32_t)bits_get(base, GICR_VPENDBASER_VPE);

	if (l->flags & VIOMMU_LPIS_V41)
		return vpe_mapped(l, vpe) ? vpe + 1 : 0;
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
			atomic_store(&l->vpe[c->vpe - 1].resident, (uint32_t)(c - l->cpu) + 1);
		begin(c, VPE_ARRIVING);
		return;
	}
	if (c->vpe) {
		uint32_t here = (uint32_t)(c - l->cpu) + 1;

		atomic_compare_exchange_strong(&l->vpe[c->vpe - 1].resident, &here, 0);
	}
	begin(c, VPE_LEAVING);
}

void vpe_resume(struct lpi_cpu *c, bool leaving)
{
	if (!leaving)
		atomic_store(&c->lpis->vpe[c->vpe - 1].resident, (uint32_t)(c - c->lpis->cpu) + 1);
	begin(c, leaving ? VPE_LEAVING : VPE_ARRIVING);
}

void vpe_retell(struct lpis *l, uint32_t vpe)
{
	const struct vpe *v = vpe_mapped(l, vpe);
	uint32_t resident = v ? atomic_load(&v->resident) : 0;
	struct lpi_cpu *c = resident ? lpi_cpu_at(l, resident - 1) : NULL;

	if (c && c->vpe_task == VPE_IDLE)
		begin(c, VPE_ARRIVING);
	else if (c && c->vpe_task == VPE_ARRIVING)
		c->vpe_word = 0;
}

static bool note_enabled(struct lpis *l, struct vpe *v, uint32_t intid)
{
	uint32_t cpu = atomic_load(&v->leaving);

	/* 4.0: without its configuration table whatever is pending counts */
	if ((l->flags & VIOMMU_LPIS_V41) && !(vpe_config(l, v, intid) & LPI_CONFIG_ENABLE))
		return true;
	lpi_cpu_at(l, cpu)->vpe_pending = true;
	return false;
}

static bool sgi_pending(struct lpis *l, struct vpe *v)
{
	for (uint32_t i = 0; i < 16; i++) {
		if ((atomic_load(&v->sgi) & UINT32_C(1) << i) &&
		    (vpe_config(l, v, i) & LPI_CONFIG_ENABLE))
			return true;
	}
	return false;
}

/* It has left: software learns whether anything is pending, and with 4.1 has asked to be rung. */
static void left(struct lpi_cpu *c, struct vpe *v)
{
	struct lpis *l = c->lpis;
	uint64_t vpt = atomic_load(&v->vpt);

	if (sgi_pending(l, v))
		c->vpe_pending = true;
	if (c->vpe_pending)
		regs_set_bits(&c->regs, GICR_VPENDBASER, GICR_VPENDBASER_LAST);
	else if (l->flags & VIOMMU_LPIS_V41)
		atomic_store(&v->ring,
			     (regs_get(&c->regs, GICR_VPENDBASER) & GICR_VPENDBASER_DOORBELL) != 0);
	if (!(l->flags & VIOMMU_LPIS_NO_GUEST_WRITES))
		lpi_table_write(l, vpt & VPE_VPT_ADDRESS, (unsigned)bits_get(vpt, VPE_VPT_BITS),
				atomic_load(&v->pending));
}

static void tell_sgis(struct lpis *l, struct vpe *v)
{
	for (uint32_t i = 0; i < 16; i++) {
		if (atomic_load(&v->sgi) & UINT32_C(1) << i)
			vpe_tell(l, v, i, true);
	}
}

bool vpe_finish(struct lpi_cpu *c)
{
	struct lpis *l = c->lpis;
	struct vpe *v = c->vpe ? vpe_mapped(l, c->vpe - 1) : NULL;

	if (v && c->vpe_task == VPE_ARRIVING) {
		if (c->vpe_word == 0)
			tell_sgis(l, v);
		if (!vpe_for_pending(&l->unit, l, v, &c->vpe_word, vpe_tell_each))
			return false;
	} else if (v) {
		atomic_store(&v->leaving, (uint32_t)(c - l->cpu));
		if (!vpe_for_pending(&l->unit, l, v, &c->vpe_word, note_enabled))
			return false;
		left(c, v);
	}
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
