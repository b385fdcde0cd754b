/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi_pending.c - pending LPIs, and the cache of their configuration bytes (IHI 0069 5.1). */

#include "lpi.h"

/* ---- configuration ---- */

static _Atomic uint32_t *entry_of(const struct lpis *l, uint32_t intid)
{
	return &l->config[bits_clamp_index(intid - ITS_FIRST_LPI,
					   (UINT64_C(1) << l->bits) - ITS_FIRST_LPI)];
}

/* A byte that cannot be read is 0: disabled. */
static unsigned read_byte(struct lpis *l, uint64_t latch, uint32_t intid)
{
	uint64_t at = (latch & LPI_LATCH_ADDRESS) + (intid - ITS_FIRST_LPI);
	uint64_t word;

	if (!lpi_in(latch, intid) || !mem_load64(l->unit.vm, at & ~UINT64_C(7), &word))
		return 0;
	return (unsigned)(word >> (at % 8) * 8) &
	       (unsigned)(LPI_CONFIG_ENABLE | LPI_CONFIG_PRIORITY);
}

/* So often in a row only if others invalidate this very LPI all the time; then it is not kept. */
#define TRIES 8U

/* Reads the byte and keeps it; *before: what was known of it. @again: also if it is known */
static unsigned refresh(struct lpis *l, uint64_t latch, uint32_t intid, bool again,
			unsigned *before)
{
	_Atomic uint32_t *entry = entry_of(l, intid);
	uint32_t found = atomic_load_explicit(entry, memory_order_acquire);
	unsigned byte = 0;

	for (unsigned i = 0; i < TRIES; i++) {
		/* before memory is read: what is forgotten meanwhile stays forgotten */
		uint32_t generation = atomic_load_explicit(&l->generation, memory_order_acquire);
		uint32_t kept;

		*before = (unsigned)bits_get(found, LPI_ENTRY_BYTE);
		if (!again && generation && bits_get(found, LPI_ENTRY_GENERATION) == generation)
			return *before;
		byte = read_byte(l, latch, intid);
		kept = (uint32_t)(byte |
				  bits_put(LPI_ENTRY_COUNT, bits_get(found, LPI_ENTRY_COUNT) + 1) |
				  bits_put(LPI_ENTRY_GENERATION, generation));
		if (atomic_compare_exchange_strong(entry, &found, kept))
			return byte;
	}
	lpi_forget(l);
	return byte;
}

unsigned lpi_config(struct lpis *l, uint64_t latch, uint32_t intid)
{
	unsigned before;

	return refresh(l, latch, intid, false, &before);
}

void lpi_forget(struct lpis *l)
{
	uint32_t now = atomic_load(&l->generation);

	while (now && !atomic_compare_exchange_weak(&l->generation, &now, (now + 1) & 0xffff))
		;
	if (now != 0xffff)
		return;
	/* Numbers begin again: nothing may be left that has one. Meanwhile nothing is kept. */
	for (uint64_t i = 0; i < (UINT64_C(1) << l->bits) - ITS_FIRST_LPI; i++)
		atomic_fetch_and_explicit(&l->config[i], (uint32_t)~LPI_ENTRY_GENERATION,
					  memory_order_relaxed);
	atomic_store(&l->generation, 1);
}

/* ---- telling ---- */

static void tell(const struct lpis *l, uint32_t cpu, uint32_t intid, unsigned byte, bool pending)
{
	if (l->lpi)
		l->lpi(l->opaque, cpu, intid, byte & (unsigned)LPI_CONFIG_PRIORITY,
		       pending && (byte & LPI_CONFIG_ENABLE));
}

/* It is no longer pending: @intid was told under what is known of its configuration. */
static void tell_gone(const struct lpis *l, uint32_t cpu, uint32_t intid)
{
	unsigned byte = atomic_load_explicit(entry_of(l, intid), memory_order_relaxed) &
			(unsigned)LPI_ENTRY_BYTE;

	if (byte & LPI_CONFIG_ENABLE)
		tell(l, cpu, intid, byte, false);
}

/* The configuration of a pending LPI has changed. */
static void tell_change(const struct lpis *l, uint32_t cpu, uint32_t intid, unsigned before,
			unsigned byte)
{
	if (before != byte && ((before | byte) & LPI_CONFIG_ENABLE))
		tell(l, cpu, intid, byte, true);
}

/* ---- one LPI ---- */

/* Whether the bit was not set before. */
static bool set_pending(const struct lpi_cpu *cpu, uint32_t intid)
{
	_Atomic uint64_t *word = &cpu->pending[intid / 64];

	if (atomic_load_explicit(word, memory_order_relaxed) & BIT(intid % 64))
		return false;
	return !(atomic_fetch_or(word, BIT(intid % 64)) & BIT(intid % 64));
}

static bool clear_pending(const struct lpi_cpu *cpu, uint32_t intid)
{
	return lpi_is_pending(cpu, intid) &&
	       (atomic_fetch_and(&cpu->pending[intid / 64], ~BIT(intid % 64)) & BIT(intid % 64));
}

unsigned lpi_deliver(struct lpis *l, uint32_t cpu, uint32_t intid)
{
	struct lpi_cpu *c = lpi_cpu_at(l, cpu);
	uint64_t latch = atomic_load_explicit(&c->latch, memory_order_acquire);
	unsigned byte;

	if (!(latch & LPI_LATCH_ON))
		return VIOMMU_ITS_REASON_LPI_OFF;
	if (!lpi_in(latch, intid))
		return VIOMMU_ITS_ERROR_PHYSICALID_OOR;
	if (!set_pending(c, intid))
		return 0;
	byte = lpi_config(l, latch, intid);
	if (byte & LPI_CONFIG_ENABLE)
		tell(l, cpu, intid, byte, true);
	return 0;
}

void lpi_clear(struct lpis *l, uint32_t cpu, uint32_t intid)
{
	if (clear_pending(lpi_cpu_at(l, cpu), intid))
		tell_gone(l, cpu, intid);
}

void lpi_move(struct lpis *l, uint32_t from, uint32_t to, uint32_t intid)
{
	uint64_t latch = atomic_load_explicit(&lpi_cpu_at(l, to)->latch, memory_order_acquire);

	if (from == to || !(latch & LPI_LATCH_ON) || !lpi_in(latch, intid) ||
	    !clear_pending(lpi_cpu_at(l, from), intid))
		return;
	tell_gone(l, from, intid);
	lpi_deliver(l, to, intid);
}

void lpi_invalidate(struct lpis *l, uint32_t cpu, uint32_t intid)
{
	uint64_t latch = atomic_load_explicit(&lpi_cpu_at(l, cpu)->latch, memory_order_acquire);
	unsigned before;
	unsigned byte;

	/* what it cannot read says nothing of the LPI at others */
	if (!(latch & LPI_LATCH_ON) || !lpi_in(latch, intid)) {
		lpi_forget(l);
		return;
	}
	byte = refresh(l, latch, intid, true, &before);
	for (uint32_t i = 0; byte != before && i < l->cpus; i++) {
		if (lpi_is_pending(&l->cpu[i], intid))
			tell_change(l, i, intid, before, byte);
	}
}

/* ---- all of a redistributor ---- */

#define FIRST_WORD (ITS_FIRST_LPI / 64)

/* The next word that is not 0, at *word or behind; 0: there is none. False: steps ran out. What is
 * done with each bit of it is paid for. */
static bool next_word(struct viommu *payer, const struct lpi_cpu *c, uint32_t words, uint32_t *word,
		      uint64_t *bits)
{
	*bits = 0;
	if (*word < FIRST_WORD)
		*word = FIRST_WORD;
	for (; *word < words; ++*word) {
		*bits = atomic_load_explicit(&c->pending[*word], memory_order_relaxed);
		if (*bits)
			return unit_pay(payer, 1 + (uint32_t)__builtin_popcountll(*bits));
		if (*word % 16 == 0 && !unit_pay(payer, 1))
			return false;
	}
	return true;
}

bool lpi_move_all(struct viommu *payer, struct lpis *l, uint32_t from, uint32_t to, uint32_t *word)
{
	struct lpi_cpu *c = lpi_cpu_at(l, from);
	uint64_t bits;

	if (from == to)
		return true;
	for (;; ++*word) {
		if (!next_word(payer, c, lpi_words(l), word, &bits))
			return false;
		if (!bits)
			return true;
		for (; bits; bits &= bits - 1)
			lpi_move(l, from, to, *word * 64 + (uint32_t)__builtin_ctzll(bits));
	}
}

bool lpi_reread(struct viommu *payer, struct lpis *l, uint32_t cpu, bool all, uint32_t *word)
{
	struct lpi_cpu *c = lpi_cpu_at(l, cpu);
	uint64_t latch = atomic_load_explicit(&c->latch, memory_order_acquire);
	uint64_t bits;

	if (!(latch & LPI_LATCH_ON))
		return true;
	for (;; ++*word) {
		if (!next_word(payer, c, lpi_words(l), word, &bits))
			return false;
		if (!bits)
			return true;
		for (; bits; bits &= bits - 1) {
			uint32_t intid = *word * 64 + (uint32_t)__builtin_ctzll(bits);
			unsigned before;
			unsigned byte = refresh(l, latch, intid, true, &before);

			if (all && (byte & LPI_CONFIG_ENABLE))
				tell(l, cpu, intid, byte, true);
			else if (!all)
				tell_change(l, cpu, intid, before, byte);
		}
	}
}

/* ---- the CPU interface's side ---- */

static int check(struct viommu *u, uint32_t cpu, uint32_t intid)
{
	if (!u || u->engine != &lpis_engine || cpu >= lpis_of(u)->cpus ||
	    !lpi_exists(lpis_of(u), intid))
		return VIOMMU_EINVAL;
	return VIOMMU_OK;
}

int viommu_lpis_acknowledge(struct viommu *u, uint32_t cpu, uint32_t intid)
{
	int result = check(u, cpu, intid);

	if (result)
		return result;
	return clear_pending(lpi_cpu_at(lpis_of(u), cpu), intid) ? VIOMMU_OK : VIOMMU_ENOENT;
}

int viommu_lpis_get(struct viommu *u, uint32_t cpu, uint32_t intid, struct viommu_lpi *lpi)
{
	struct epoch_section *section;
	struct lpi_cpu *c;
	uint64_t latch;
	unsigned byte = 0;
	bool has;
	int result = check(u, cpu, intid);

	if (!result)
		result = lpi ? VIOMMU_OK : VIOMMU_EINVAL;
	if (!result && lpi->size != sizeof(*lpi))
		result = VIOMMU_ESIZE;
	if (result)
		return result;
	c = lpi_cpu_at(lpis_of(u), cpu);
	section = epoch_visit(&u->epoch);
	latch = atomic_load_explicit(&c->latch, memory_order_acquire);
	has = (latch & LPI_LATCH_ON) && lpi_in(latch, intid);
	if (has)
		byte = lpi_config(lpis_of(u), latch, intid);
	lpi->pending = has && lpi_is_pending(c, intid);
	lpi->enabled = byte & (unsigned)LPI_CONFIG_ENABLE;
	lpi->priority = byte & (unsigned)LPI_CONFIG_PRIORITY;
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	return VIOMMU_OK;
}
