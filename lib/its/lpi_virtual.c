/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lpi_virtual.c - virtual processors (IHI 0069 chapters 5.2.11, 5.4, 12.13): what is pending for them
 * is ours; the VPT in guest memory is read when one is mapped, and written when it leaves.
 */

#include "lpi_virtual.h"

static struct vpe *at(const struct lpis *l, uint32_t vpe)
{
	return vpe < l->vpes ? &l->vpe[bits_clamp_index(vpe, l->vpes)] : NULL;
}

struct vpe *vpe_mapped(const struct lpis *l, uint32_t vpe)
{
	struct vpe *v = at(l, vpe);

	return v && atomic_load_explicit(&v->its, memory_order_acquire) ? v : NULL;
}

struct vpe *vpe_mapped_by(const struct lpis *l, uint32_t vpe, uint32_t its)
{
	struct vpe *v = at(l, vpe);

	return v && (atomic_load_explicit(&v->its, memory_order_acquire) & BIT(its)) ? v : NULL;
}

static _Atomic uint64_t *word_of(struct vpe *v, uint32_t intid)
{
	return atomic_load_explicit(&v->pending, memory_order_acquire) + intid / 64;
}

static uint32_t words_of(struct vpe *v)
{
	unsigned bits = (unsigned)bits_get(atomic_load(&v->vpt), VPE_VPT_BITS);

	return bits < 14 ? 0 : UINT32_C(1) << (bits - 6);
}

/* ---- all of them ---- */

bool vpe_init(struct lpis *l)
{
	l->vpe = vm_alloc(l->unit.vm, l->vpes * sizeof(*l->vpe), _Alignof(struct vpe));
	return l->vpe || !l->vpes;
}

void vpe_free(struct lpis *l)
{
	for (uint32_t i = 0; l->vpe && i < l->vpes; i++)
		vm_dealloc(l->unit.vm, atomic_load(&l->vpe[i].pending),
			   lpi_words(l) * sizeof(uint64_t));
	vm_dealloc(l->unit.vm, l->vpe, l->vpes * sizeof(*l->vpe));
}

static void drop_pending(struct lpis *l, struct vpe *v)
{
	_Atomic uint64_t *pending = atomic_load(&v->pending);

	for (uint32_t i = 0; pending && i < lpi_words(l); i++)
		atomic_store_explicit(&pending[i], 0, memory_order_relaxed);
	atomic_store(&v->sgi, 0);
	atomic_store(&v->resident, 0);
	atomic_store(&v->ring, 0);
}

void vpe_drop(struct lpis *l)
{
	for (uint32_t i = 0; i < l->vpes; i++) {
		atomic_store_explicit(&l->vpe[i].its, 0, memory_order_release);
		drop_pending(l, &l->vpe[i]);
		for (unsigned sgi = 0; sgi < 16; sgi++)
			atomic_store(&l->vpe[i].sgi_config[sgi], 0);
	}
}

/* ---- configuration: not cached ---- */

static unsigned config_byte(struct lpis *l, struct vpe *v, uint32_t intid)
{
	uint64_t table = atomic_load(&v->vconf);
	uint32_t resident = atomic_load(&v->resident);
	uint64_t word;

	if (!(l->flags & VIOMMU_LPIS_V41)) {
		if (!resident)
			return 0;
		table = regs_get(&lpi_cpu_at(l, resident - 1)->regs, GICR_VPROPBASER) &
			GICR_PROPBASER_ADDRESS;
	}
	table += intid - ITS_FIRST_LPI;
	if (!mem_load64(l->unit.vm, table & ~UINT64_C(7), &word))
		return 0;
	return (unsigned)(word >> (table % 8) * 8) &
	       (unsigned)(LPI_CONFIG_ENABLE | LPI_CONFIG_PRIORITY);
}

static unsigned config_of(struct lpis *l, struct vpe *v, uint32_t intid)
{
	if (intid < 16)
		return atomic_load(&v->sgi_config[intid]) &
		       (unsigned)(LPI_CONFIG_ENABLE | LPI_CONFIG_PRIORITY);
	return config_byte(l, v, intid);
}

static void tell(struct lpis *l, struct vpe *v, uint32_t intid, bool pending)
{
	uint32_t resident = atomic_load(&v->resident);
	unsigned byte;

	if (!resident || !l->vlpi)
		return;
	byte = config_of(l, v, intid);
	l->vlpi(l->opaque, resident - 1, (uint32_t)(v - l->vpe), intid,
		byte & (unsigned)LPI_CONFIG_PRIORITY, pending && (byte & LPI_CONFIG_ENABLE));
}

/* ---- one vLPI ---- */

static void ring(struct lpis *l, struct vpe *v, uint32_t doorbell)
{
	if (l->flags & VIOMMU_LPIS_V41) { /* once, if it was asked for */
		if (!atomic_exchange(&v->ring, 0))
			return;
		doorbell = atomic_load(&v->doorbell);
	}
	if (doorbell != ITS_NO_DOORBELL && lpi_exists(l, doorbell))
		lpi_deliver(l, atomic_load(&v->cpu), doorbell);
}

unsigned vpe_deliver(struct lpis *l, uint32_t vpe, uint32_t intid, uint32_t doorbell)
{
	struct vpe *v = at(l, vpe);

	if (!v || !vpe_has(v, intid))
		return VIOMMU_ITS_ERROR_VIRTUALID_OOR;
	if (atomic_fetch_or(word_of(v, intid), BIT(intid % 64)) & BIT(intid % 64))
		return 0;
	if (atomic_load(&v->resident))
		tell(l, v, intid, true);
	else
		ring(l, v, doorbell);
	return 0;
}

static bool clear_pending(struct vpe *v, uint32_t intid)
{
	return vpe_has(v, intid) &&
	       (atomic_fetch_and(word_of(v, intid), ~BIT(intid % 64)) & BIT(intid % 64));
}

void vpe_clear(struct lpis *l, uint32_t vpe, uint32_t intid)
{
	struct vpe *v = vpe_mapped(l, vpe);

	if (v && clear_pending(v, intid))
		tell(l, v, intid, false);
}

void vpe_move(struct lpis *l, uint32_t from, uint32_t to, uint32_t intid, uint32_t doorbell)
{
	struct vpe *v = vpe_mapped(l, from);

	if (from == to || !v || !vpe_mapped(l, to) || !clear_pending(v, intid))
		return;
	tell(l, v, intid, false);
	vpe_deliver(l, to, intid, doorbell);
}

void vpe_invalidate(struct lpis *l, uint32_t vpe, uint32_t intid)
{
	struct vpe *v = vpe_mapped(l, vpe);

	if (v && vpe_has(v, intid) && (atomic_load(word_of(v, intid)) & BIT(intid % 64)))
		tell(l, v, intid, true);
}

/* ---- all of a vPE ---- */

#define FIRST_WORD (ITS_FIRST_LPI / 64)

/* Calls @each for what is pending until it says false. False: steps ran out. */
static bool for_pending(struct viommu *payer, struct lpis *l, struct vpe *v, uint32_t *word,
			bool (*each)(struct lpis *l, struct vpe *v, uint32_t intid))
{
	_Atomic uint64_t *pending = atomic_load_explicit(&v->pending, memory_order_acquire);

	if (*word < FIRST_WORD)
		*word = FIRST_WORD;
	for (; pending && *word < words_of(v); ++*word) {
		uint64_t bits = atomic_load(&pending[*word]);

		if ((bits || *word % 16 == 0) &&
		    !unit_pay(payer, 1 + (uint32_t)__builtin_popcountll(bits)))
			return false;
		for (; bits; bits &= bits - 1) {
			if (!each(l, v, *word * 64 + (uint32_t)__builtin_ctzll(bits)))
				return true;
		}
	}
	return true;
}

static bool tell_each(struct lpis *l, struct vpe *v, uint32_t intid)
{
	tell(l, v, intid, true);
	return true;
}

bool vpe_reread(struct viommu *payer, struct lpis *l, uint32_t vpe, uint32_t *word)
{
	struct vpe *v = vpe_mapped(l, vpe);

	return !v || !atomic_load(&v->resident) || for_pending(payer, l, v, word, tell_each);
}

/* ---- virtual SGIs ---- */

void vpe_sgi(struct lpis *l, uint32_t vpe, uint32_t intid)
{
	struct vpe *v = vpe_mapped(l, vpe);

	if (!v || (atomic_fetch_or(&v->sgi, UINT32_C(1) << intid) & UINT32_C(1) << intid))
		return;
	if (atomic_load(&v->resident))
		tell(l, v, intid, true);
	else
		ring(l, v, ITS_NO_DOORBELL);
}

void vpe_configure_sgi(struct lpis *l, uint32_t vpe, uint32_t intid, uint32_t config)
{
	struct vpe *v = vpe_mapped(l, vpe);

	if (!v)
		return;
	atomic_store(&v->sgi_config[intid], config);
	if (atomic_load(&v->sgi) & UINT32_C(1) << intid)
		tell(l, v, intid, true);
}

void vpe_clear_sgi(struct lpis *l, uint32_t vpe, uint32_t intid)
{
	struct vpe *v = vpe_mapped(l, vpe);

	if (v && (atomic_fetch_and(&v->sgi, ~(UINT32_C(1) << intid)) & UINT32_C(1) << intid))
		tell(l, v, intid, false);
}

/* ---- mapping ---- */

/* Once they are there, they stay: whoever delivers may come late. */
bool vpe_have_pending(struct lpis *l, struct vpe *v)
{
	uint64_t bytes = lpi_words(l) * sizeof(uint64_t);
	_Atomic uint64_t *none = NULL;
	_Atomic uint64_t *words;

	if (atomic_load_explicit(&v->pending, memory_order_acquire))
		return true;
	words = vm_alloc(l->unit.vm, bytes, _Alignof(uint64_t));
	if (words && !atomic_compare_exchange_strong(&v->pending, &none, words))
		vm_dealloc(l->unit.vm, words, bytes); /* another ITS was faster */
	return words;
}

bool vpe_bind(struct lpis *l, uint32_t its, const struct vpe_map *map)
{
	struct vpe *v = at(l, map->vpe);

	if (!vpe_have_pending(l, v))
		return false;
	atomic_store(&v->cpu, map->cpu);
	atomic_store(&v->vpt, map->vpt);
	atomic_store(&v->vconf, map->vconf);
	atomic_store(&v->doorbell, map->doorbell);
	/* nothing is pending for a vPE that nobody maps */
	if (!atomic_fetch_or(&v->its, BIT(its)) && map->fresh && !map->zero)
		lpi_table_read(l, map->vpt & VPE_VPT_ADDRESS,
			       (unsigned)bits_get(map->vpt, VPE_VPT_BITS),
			       atomic_load(&v->pending));
	return true;
}

void vpe_unbind(struct lpis *l, uint32_t its, uint32_t vpe)
{
	atomic_fetch_and(&at(l, vpe)->its, ~BIT(its));
}

void vpe_retire(struct lpis *l, uint32_t vpe)
{
	struct vpe *v = at(l, vpe);
	uint64_t vpt = v ? atomic_load(&v->vpt) : 0;

	if (!v || atomic_load(&v->its) || !atomic_load(&v->pending))
		return;
	if (!(l->flags & VIOMMU_LPIS_NO_GUEST_WRITES))
		lpi_table_write(l, vpt & VPE_VPT_ADDRESS, (unsigned)bits_get(vpt, VPE_VPT_BITS),
				atomic_load(&v->pending));
	drop_pending(l, v);
}

void vpe_unbind_all(struct lpis *l, uint32_t its)
{
	for (uint32_t i = 0; i < l->vpes; i++) {
		if (!vpe_mapped_by(l, i, its))
			continue;
		vpe_unbind(l, its, i);
		if (!vpe_mapped(l, i))
			drop_pending(l, &l->vpe[i]);
	}
}

void vpe_set_cpu(struct lpis *l, uint32_t vpe, uint32_t cpu)
{
	atomic_store(&at(l, vpe)->cpu, cpu);
}

void vpe_set_doorbell(struct lpis *l, uint32_t vpe, uint32_t doorbell)
{
	atomic_store(&at(l, vpe)->doorbell, doorbell);
}

/* ---- the VLPI frame ---- */

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
	if ((l->flags & VIOMMU_LPIS_V41) && !(config_of(l, v, intid) & LPI_CONFIG_ENABLE))
		return true;
	lpi_cpu_at(l, cpu)->vpe_pending = true;
	return false;
}

static bool sgi_pending(struct lpis *l, struct vpe *v)
{
	for (uint32_t i = 0; i < 16; i++) {
		if ((atomic_load(&v->sgi) & UINT32_C(1) << i) &&
		    (config_of(l, v, i) & LPI_CONFIG_ENABLE))
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
			tell(l, v, i, true);
	}
}

bool vpe_finish(struct lpi_cpu *c)
{
	struct lpis *l = c->lpis;
	struct vpe *v = c->vpe ? vpe_mapped(l, c->vpe - 1) : NULL;

	if (v && c->vpe_task == VPE_ARRIVING) {
		if (c->vpe_word == 0)
			tell_sgis(l, v);
		if (!for_pending(&l->unit, l, v, &c->vpe_word, tell_each))
			return false;
	} else if (v) {
		atomic_store(&v->leaving, (uint32_t)(c - l->cpu));
		if (!for_pending(&l->unit, l, v, &c->vpe_word, note_enabled))
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

/* ---- the virtual CPU interface's side ---- */

static int check(struct viommu *u, uint32_t vpe, uint32_t intid, struct vpe **v)
{
	if (!u || u->engine != &lpis_engine)
		return VIOMMU_EINVAL;
	if (!lpis_of(u)->vpes)
		return VIOMMU_ENOTSUP;
	if (vpe >= lpis_of(u)->vpes || (intid >= 16 && !lpi_exists(lpis_of(u), intid)))
		return VIOMMU_EINVAL;
	*v = vpe_mapped(lpis_of(u), vpe);
	return *v ? VIOMMU_OK : VIOMMU_ENOENT;
}

int viommu_lpis_get_virtual(struct viommu *u, uint32_t vpe, uint32_t intid, struct viommu_lpi *lpi)
{
	struct epoch_section *section;
	unsigned byte = 0;
	struct vpe *v;
	int result = check(u, vpe, intid, &v);

	if (!lpi)
		return VIOMMU_EINVAL;
	if (!result && lpi->size != sizeof(*lpi))
		result = VIOMMU_ESIZE;
	if (result)
		return result;
	section = epoch_visit(&u->epoch);
	if (intid < 16 || vpe_has(v, intid))
		byte = config_of(lpis_of(u), v, intid);
	if (intid < 16)
		lpi->pending = atomic_load(&v->sgi) >> intid & 1;
	else
		lpi->pending =
			vpe_has(v, intid) && (atomic_load(word_of(v, intid)) & BIT(intid % 64));
	lpi->enabled = byte & (unsigned)LPI_CONFIG_ENABLE;
	lpi->priority = byte & (unsigned)LPI_CONFIG_PRIORITY;
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	return VIOMMU_OK;
}

int viommu_lpis_acknowledge_virtual(struct viommu *u, uint32_t vpe, uint32_t intid)
{
	uint32_t bit = UINT32_C(1) << intid % 16;
	struct vpe *v;
	int result = check(u, vpe, intid, &v);
	bool was;

	if (result)
		return result;
	was = intid < 16 ? atomic_fetch_and(&v->sgi, ~bit) & bit : clear_pending(v, intid);
	return was ? VIOMMU_OK : VIOMMU_ENOENT;
}
