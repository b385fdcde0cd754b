/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lpi_virtual.c - virtual processors (IHI 0069 chapters 5.2.11, 5.4): what is pending for them is
 * ours; the VPT in guest memory is read when one is mapped, and written when it leaves. Who is resident
 * is lpi_vlpi_frame.c.
 */

#include "lpi_virtual.h"
#include "recorder.h"

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
	const uint32_t words = pending ? lpi_words(l) : 0;

	for (uint32_t i = 0; i < words; i++)
		atomic_store_explicit(&pending[i], 0, memory_order_relaxed);
	atomic_store(&v->sgi, 0);
	atomic_store(&v->resident, 0);
	atomic_store(&v->ring, 0);
}

void vpe_drop(struct lpis *l)
{
	for (uint32_t i = 0; i < l->vpes; i++) {
		atomic_store_explicit(&l->vpe[i].its, 0, memory_order_release);
		atomic_store(&l->vpe[i].held, 0);
		drop_pending(l, &l->vpe[i]);
		for (unsigned sgi = 0; sgi < 16; sgi++)
			atomic_store(&l->vpe[i].sgi_config[sgi], 0);
	}
}

/* ---- configuration: not cached ---- */

static unsigned config_byte(struct lpis *l, const struct vpe *v, uint32_t intid, uint32_t where)
{
	uint64_t table = atomic_load(&v->vconf);
	uint64_t word;

	if (!(l->flags & VIOMMU_LPIS_V41)) {
		if (!where)
			return 0;
		table = regs_get(&lpi_cpu_at(l, where - 1)->regs, GICR_VPROPBASER) &
			GICR_PROPBASER_ADDRESS;
	}
	table += intid - ITS_FIRST_LPI;
	if (!mem_load64(l->unit.vm, table & ~UINT64_C(7), &word))
		return 0;
	return (unsigned)(word >> (table % 8) * 8) &
	       (unsigned)(LPI_CONFIG_ENABLE | LPI_CONFIG_PRIORITY);
}

unsigned vpe_config(struct lpis *l, const struct vpe *v, uint32_t intid, uint32_t where)
{
	if (intid < 16)
		return atomic_load(&v->sgi_config[intid]) &
		       (unsigned)(LPI_CONFIG_ENABLE | LPI_CONFIG_PRIORITY);
	return config_byte(l, v, intid, where);
}

static void tell(struct lpis *l, const struct vpe *v, uint32_t intid, bool pending)
{
	uint32_t resident = atomic_load(&v->resident);
	unsigned byte;

	if (!resident || !l->vlpi)
		return;
	byte = vpe_config(l, v, intid, resident);
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

void vpe_announce(struct lpis *l, struct vpe *v, uint32_t intid, uint32_t doorbell)
{
	if (atomic_load(&v->resident))
		tell(l, v, intid, true);
	else
		ring(l, v, doorbell);
}

unsigned vpe_deliver(struct lpis *l, uint32_t vpe, uint32_t intid, uint32_t doorbell)
{
	struct vpe *v = at(l, vpe);

	if (!v || !vpe_has(v, intid))
		return VIOMMU_ITS_ERROR_VIRTUALID_OOR;
	if (atomic_fetch_or(word_of(v, intid), BIT(intid % 64)) & BIT(intid % 64))
		return 0;
	vpe_announce(l, v, intid, doorbell);
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
	/* another ITS may have given @to a smaller VPT */
	if (vpe_deliver(l, to, intid, doorbell))
		vpe_deliver(l, from, intid, doorbell);
}

void vpe_invalidate(struct lpis *l, uint32_t vpe, uint32_t intid, uint32_t doorbell)
{
	struct vpe *v = vpe_mapped(l, vpe);

	if (v && vpe_has(v, intid) && (atomic_load(word_of(v, intid)) & BIT(intid % 64)))
		vpe_announce(l, v, intid, doorbell);
}

/* ---- all of a vPE ---- */

bool vpe_for_pending(struct viommu *payer, struct vpe_at *at, uint32_t *word,
		     bool (*each)(void *at, uint32_t intid))
{
	const struct lpi_bits bits = { .pending = atomic_load(&at->v->pending),
				       .words = words_of(at->v),
				       .cost = 1 };

	return lpi_for_pending(payer, &bits, word, each, at);
}

/* One doorbell is enough. */
bool vpe_announce_each(void *what, uint32_t intid)
{
	const struct vpe_at *at = what;

	vpe_announce(at->l, at->v, intid, ITS_NO_DOORBELL);
	return atomic_load(&at->v->resident);
}

bool vpe_reread(struct viommu *payer, struct lpis *l, uint32_t vpe, uint32_t *word)
{
	struct vpe_at at = { .l = l, .v = vpe_mapped(l, vpe) };

	return !at.v || vpe_for_pending(payer, &at, word, vpe_announce_each);
}

/* ---- virtual SGIs ---- */

void vpe_sgi(struct lpis *l, uint32_t vpe, uint32_t intid)
{
	struct vpe *v = vpe_mapped(l, vpe);

	if (!v || (atomic_fetch_or(&v->sgi, UINT32_C(1) << intid) & UINT32_C(1) << intid))
		return;
	vpe_announce(l, v, intid, ITS_NO_DOORBELL);
}

void vpe_configure_sgi(struct lpis *l, uint32_t vpe, uint32_t intid, uint32_t config)
{
	struct vpe *v = vpe_mapped(l, vpe);

	if (!v)
		return;
	atomic_store(&v->sgi_config[intid], config);
	if (atomic_load(&v->sgi) & UINT32_C(1) << intid)
		vpe_announce(l, v, intid, ITS_NO_DOORBELL);
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

/* ---- the VPT in guest memory: of vLPIs, and on 4.1 of virtual SGIs, whose bits are those of INTIDs 0 to
 * 15 ---- */

static void read_vpt(struct lpis *l, struct vpe *v)
{
	uint64_t vpt = atomic_load(&v->vpt);
	uint64_t word;

	lpi_table_read(l, vpt & VPE_VPT_ADDRESS, (unsigned)bits_get(vpt, VPE_VPT_BITS),
		       atomic_load(&v->pending));
	if ((l->flags & VIOMMU_LPIS_V41) && mem_load64(l->unit.vm, vpt & VPE_VPT_ADDRESS, &word))
		atomic_fetch_or(&v->sgi, (uint32_t)(word & VPE_VPT_SGIS));
}

void vpe_write_vpt(struct lpis *l, struct vpe *v)
{
	uint64_t vpt = atomic_load(&v->vpt);
	uint64_t at = vpt & VPE_VPT_ADDRESS;
	uint64_t there;
	uint64_t word;

	if (!vpt || (l->flags & VIOMMU_LPIS_NO_GUEST_WRITES))
		return;
	lpi_table_write(l, at, (unsigned)bits_get(vpt, VPE_VPT_BITS), atomic_load(&v->pending),
			false);
	if (!(l->flags & VIOMMU_LPIS_V41) || !mem_load64(l->unit.vm, at, &there))
		return;
	word = (there & ~VPE_VPT_SGIS) | atomic_load(&v->sgi);
	if (word != there)
		(void)mem_store(l->unit.vm, at, &word, 1);
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
	if (!vpe_hold(l, its, map->vpe) || !map->fresh)
		return true;
	for (unsigned sgi = 0; sgi < 16; sgi++)
		atomic_store(&v->sgi_config[sgi], 0);
	if (!map->zero)
		read_vpt(l, v);
	return true;
}

/* Nothing is pending for a vPE that nobody holds. */
bool vpe_hold(struct lpis *l, uint32_t its, uint32_t vpe)
{
	struct vpe *v = at(l, vpe);
	bool first = v && !atomic_fetch_or(&v->held, BIT(its));

	if (v)
		atomic_fetch_or(&v->its, BIT(its));
	return first;
}

void vpe_unbind(struct lpis *l, uint32_t its, uint32_t vpe)
{
	struct vpe *v = at(l, vpe);

	if (v)
		atomic_fetch_and(&v->its, ~BIT(its));
}

/* The last who lets go: of two at once the other may still deliver. */
static bool let_go(struct vpe *v, uint32_t its)
{
	return !(atomic_fetch_and(&v->held, ~BIT(its)) & ~BIT(its));
}

void vpe_retire(struct lpis *l, uint32_t its, uint32_t vpe)
{
	struct vpe *v = at(l, vpe);

	if (!v || !let_go(v, its))
		return;
	vpe_write_vpt(l, v);
	drop_pending(l, v);
}

void vpe_unbind_all(struct lpis *l, uint32_t its)
{
	for (uint32_t i = 0; i < l->vpes; i++) {
		if (!(atomic_load(&l->vpe[i].held) & BIT(its)))
			continue;
		vpe_unbind(l, its, i);
		if (let_go(&l->vpe[i], its))
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

/* ---- the virtual CPU interface's side ---- */

static int check(struct viommu *u, uint32_t vpe, uint32_t intid, struct vpe **v)
{
	if (!u || !engine_is(u->engine, &lpis_engine))
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
		byte = vpe_config(lpis_of(u), v, intid, atomic_load(&v->resident));
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

static inline __attribute__((always_inline)) int acknowledge(struct viommu *u, uint32_t vpe,
							     uint32_t intid)
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

static __attribute__((noinline)) int record(struct viommu *u, uint32_t vpe, uint32_t intid)
{
	struct record_event e;
	int result;

	unit_record_begin(u, &e, true);
	result = acknowledge(u, vpe, intid);
	lpis_record_acknowledge(&e, "GAV", vpe, intid, result);
	record_end(&e, RECORD_AS_BEFORE);
	return result;
}

int viommu_lpis_acknowledge_virtual(struct viommu *u, uint32_t vpe, uint32_t intid)
{
	if (UNLIKELY(u && u->record))
		return record(u, vpe, intid);
	return acknowledge(u, vpe, intid);
}
