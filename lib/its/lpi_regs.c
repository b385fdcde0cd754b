/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi_regs.c - a redistributor's registers of LPIs (IHI 0069 12.11), and what writing them does. */

#include "lpi.h"
#include "lpi_virtual.h"

static uint32_t number_of(const struct lpi_cpu *c)
{
	return (uint32_t)(c - c->lpis->cpu);
}

/* ---- EnableLPIs ---- */

static void latch_tables(struct lpi_cpu *c)
{
	uint64_t base = regs_get(&c->regs, GICR_PROPBASER);
	unsigned bits = (unsigned)bits_get(base, GICR_PROPBASER_IDBITS) + 1;

	if (bits > c->lpis->bits)
		bits = c->lpis->bits;
	if (bits < 14) /* not one LPI */
		bits = 0;
	c->table = regs_get(&c->regs, GICR_PENDBASER) & GICR_PENDBASER_ADDRESS;
	atomic_store_explicit(&c->latch, (base & LPI_LATCH_ADDRESS) | bits | LPI_LATCH_ON,
			      memory_order_release);
}

/* A delivery that is under way comes too late, as if it had come afterwards, or its bit goes to memory. */
static void unlatch(struct lpi_cpu *c)
{
	atomic_store(&c->latch, 0);
}

static void drop_pending(const struct lpi_cpu *c)
{
	const uint32_t words = lpi_words(c->lpis);

	for (uint32_t i = 0; i < words; i++)
		atomic_store_explicit(&c->pending[i], 0, memory_order_relaxed);
}

/* All words at once, of ours and of the table: they do not stop in between, but what comes after them has fewer steps. */
#define WORDS_OF_A_STEP 16U

static void pay_words(struct lpi_cpu *c)
{
	unit_pay(&c->lpis->unit, lpi_words(c->lpis) / WORDS_OF_A_STEP);
}

static void begin(struct lpi_cpu *c)
{
	c->lpis->tasks += c->task == LPI_IDLE;
	c->task = LPI_REREAD;
	c->word = 0;
	regs_set_bits(&c->regs, GICR_SYNCR, GICR_SYNCR_BUSY);
}

void lpi_resume(struct lpi_cpu *c)
{
	latch_tables(c);
	begin(c);
}

static void enable(struct lpi_cpu *c)
{
	uint64_t bits;

	pay_words(c);
	drop_pending(c);
	latch_tables(c);
	bits = bits_get(atomic_load_explicit(&c->latch, memory_order_relaxed), LPI_LATCH_BITS);
	if (!c->ptz)
		lpi_table_read(c->lpis, c->table, (unsigned)bits, c->pending);
	lpi_forget(c->lpis);
	begin(c);
	regs_set_bits(&c->regs, GICR_CTLR, GICR_CTLR_RWP);
}

static void disable(struct lpi_cpu *c)
{
	uint64_t latch = atomic_load_explicit(&c->latch, memory_order_relaxed);

	pay_words(c);
	unlatch(c);
	lpi_table_write(c->lpis, c->table, (unsigned)bits_get(latch, LPI_LATCH_BITS), c->pending,
			true);
}

static void write_ctlr(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;
	bool stays = c->task != LPI_IDLE || ((c->lpis->flags & VIOMMU_LPIS_NO_GUEST_WRITES) &&
					     (w->old & GICR_CTLR_ENABLE));

	if (!((w->old ^ w->written) & GICR_CTLR_ENABLE))
		return;
	if (stays)
		regs_put(&c->regs, GICR_CTLR, w->old);
	else if (w->written & GICR_CTLR_ENABLE)
		enable(c);
	else
		disable(c);
}

/* ---- tables ---- */

static bool is_on(const struct lpi_cpu *c)
{
	return atomic_load_explicit(&c->latch, memory_order_relaxed) & LPI_LATCH_ON;
}

static void write_propbaser(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;

	if (is_on(c))
		regs_put(&c->regs, GICR_PROPBASER, w->old);
}

static void write_pendbaser(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;

	if (is_on(c))
		regs_put(&c->regs, GICR_PENDBASER, w->old);
	else if (w->mask & GICR_PENDBASER_PTZ)
		c->ptz = w->written & GICR_PENDBASER_PTZ;
}

/* ---- registers that act: when their lower half is written; the upper half is kept until then ---- */

static bool acts(struct lpi_cpu *c, const struct regs_write *w, uint64_t *value)
{
	if (w->mask >> 32)
		c->half = w->written & ~UINT64_C(0xffffffff);
	if (!(w->mask & 1))
		return false;
	*value = c->half | (w->written & 0xffffffff);
	c->half = 0;
	return true;
}

static void write_setlpir(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;
	uint64_t value;

	if (acts(c, w, &value))
		lpi_deliver(c->lpis, number_of(c), (uint32_t)bits_get(value, GICR_LPIR_INTID));
}

static void write_clrlpir(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;
	uint64_t value;

	if (acts(c, w, &value) && lpi_exists(c->lpis, bits_get(value, GICR_LPIR_INTID)))
		lpi_clear(c->lpis, number_of(c), (uint32_t)bits_get(value, GICR_LPIR_INTID));
}

static bool names_vpe(const struct lpi_cpu *c, uint64_t value)
{
	return (c->lpis->flags & VIOMMU_LPIS_V41) && (value & GICR_INV_V);
}

static void write_invlpir(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;
	uint64_t value;
	uint32_t intid;

	if (!acts(c, w, &value))
		return;
	intid = (uint32_t)bits_get(value, GICR_LPIR_INTID);
	if (names_vpe(c, value))
		vpe_invalidate(c->lpis, (uint32_t)bits_get(value, GICR_INV_VPE), intid,
			       ITS_NO_DOORBELL);
	else if (lpi_exists(c->lpis, intid))
		lpi_invalidate(c->lpis, number_of(c), intid);
}

static void write_invallr(void *engine, const struct regs_write *w)
{
	struct lpi_cpu *c = engine;
	uint64_t value;

	if (!acts(c, w, &value))
		return;
	if (names_vpe(c, value)) {
		vpe_retell(c->lpis, (uint32_t)bits_get(value, GICR_INV_VPE));
		return;
	}
	lpi_forget(c->lpis);
	if (c->task == LPI_IDLE) {
		begin(c);
		c->changed = true;
	} else {
		c->word = 0;
	}
}

/* ---- the table ---- */

#define BASER_COMMON (GICR_PROPBASER_INNER | GICR_PROPBASER_SHARE | GICR_PROPBASER_OUTER)

static bool add_rows(struct lpi_cpu *c)
{
	const struct lpis *l = c->lpis;
	bool writes = !(l->flags & VIOMMU_LPIS_NO_GUEST_WRITES);
	uint64_t typer = GICR_TYPER_PLPIS | bits_put(GICR_TYPER_NUMBER, number_of(c)) |
			 (l->flags & VIOMMU_LPIS_V4 ? GICR_TYPER_VLPIS : 0) |
			 (l->flags & VIOMMU_LPIS_V41 ? GICR_TYPER_RVPEID : 0) |
			 (l->flags & VIOMMU_LPIS_DIRECT ? GICR_TYPER_DIRECT : 0) |
			 (number_of(c) == l->cpus - 1 ? GICR_TYPER_LAST : 0);
	const struct regs_row rows[] = {
		{ GICR_CTLR, 4, (writes ? GICR_CTLR_CES : 0) | GICR_CTLR_IR, GICR_CTLR_ENABLE, 0,
		  GICR_CTLR_RWP, write_ctlr, "GICR_CTLR", 0 },
		{ GICR_TYPER, 8, typer, 0, 0, 0, NULL, "GICR_TYPER", 0 },
		{ GICR_PROPBASER, 8, 0,
		  GICR_PROPBASER_IDBITS | GICR_PROPBASER_ADDRESS | BASER_COMMON, 0, 0,
		  write_propbaser, "GICR_PROPBASER", 0 },
		{ GICR_PENDBASER, 8, 0, GICR_PENDBASER_ADDRESS | BASER_COMMON, 0, 0,
		  write_pendbaser, "GICR_PENDBASER", 0 },
		{ GICR_INVLPIR, 8, 0, 0, 0, 0, write_invlpir, "GICR_INVLPIR", 0 },
		{ GICR_INVALLR, 8, 0, 0, 0, 0, write_invallr, "GICR_INVALLR", 0 },
		{ GICR_SYNCR, 4, 0, 0, 0, GICR_SYNCR_BUSY, NULL, "GICR_SYNCR", 0 },
		{ GICR_SETLPIR, 8, 0, 0, 0, 0, write_setlpir, "GICR_SETLPIR", 0 },
		{ GICR_CLRLPIR, 8, 0, 0, 0, 0, write_clrlpir, "GICR_CLRLPIR", 0 },
	};
	size_t count = ARRAY_COUNT(rows) - (l->flags & VIOMMU_LPIS_DIRECT ? 0 : 2);

	for (size_t i = 0; i < count; i++) {
		if (!regs_add(&c->regs, &rows[i]))
			return false;
	}
	return !(l->flags & VIOMMU_LPIS_V4) || vpe_add_rows(c);
}

int lpi_regs_init(struct lpis *l, uint32_t cpu)
{
	struct lpi_cpu *c = &l->cpu[cpu];
	int result;

	c->lpis = l;
	result = regs_init(&c->regs, l->unit.vm, GICR_SPACE, 16, c);
	if (!result && NEVER(!add_rows(c)))
		result = VIOMMU_EINTERNAL;
	return result;
}

/* ---- tasks ---- */

static bool finish(struct lpi_cpu *c)
{
	if (!lpi_reread(&c->lpis->unit, c->lpis, number_of(c), !c->changed, &c->word))
		return false;
	c->task = LPI_IDLE;
	c->lpis->tasks--;
	c->changed = false;
	regs_clear_bits(&c->regs, GICR_CTLR, GICR_CTLR_RWP);
	regs_clear_bits(&c->regs, GICR_SYNCR, GICR_SYNCR_BUSY);
	return true;
}

int lpi_progress(struct lpis *l)
{
	for (uint32_t i = 0; l->tasks && i < l->cpus; i++) {
		struct lpi_cpu *c = &l->cpu[i];

		if ((c->task != LPI_IDLE && !finish(c)) ||
		    (c->vpe_task != VPE_IDLE && !vpe_finish(c))) {
			unit_work(&l->unit);
			return VIOMMU_PENDING;
		}
	}
	return VIOMMU_OK;
}

void lpi_drop(struct lpis *l)
{
	for (uint32_t i = 0; i < l->cpus; i++) {
		struct lpi_cpu *c = &l->cpu[i];

		atomic_store_explicit(&c->latch, 0, memory_order_release);
		drop_pending(c);
		regs_reset(&c->regs);
		c->ptz = false;
		c->half = 0;
		c->task = LPI_IDLE;
		c->changed = false;
		c->vpe_task = VPE_IDLE;
		c->vpe = 0;
	}
	l->tasks = 0;
	vpe_drop(l);
	lpi_forget(l);
}
