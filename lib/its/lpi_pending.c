/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi_pending.c - pending LPIs, and the cache of their configuration bytes (IHI 0069 5.1). */

#include "lpi.h"
#include "recorder.h"

/* ---- configuration ---- */

static _Atomic uint64_t *entry_of(const struct lpis *l, uint32_t intid)
{
	return &l->config[bits_clamp_index(intid - ITS_FIRST_LPI,
					   (UINT64_C(1) << l->bits) - ITS_FIRST_LPI)];
}

/* A byte that cannot be read is 0: disabled. */
static unsigned read_byte(struct lpis *l, uint64_t latch, uint32_t intid)
{
	uint64_t at = (latch & LPI_LATCH_ADDRESS) + (intid - ITS_FIRST_LPI);
	uint64_t word;

	if (!mem_load64(l->unit.vm, at & ~UINT64_C(7), &word))
		return 0;
	return (unsigned)(word >> (at % 8) * 8) &
	       (unsigned)(LPI_CONFIG_ENABLE | LPI_CONFIG_PRIORITY);
}

void lpi_forget(struct lpis *l)
{
	atomic_fetch_add(&l->generation, 1);
}

/* ---- telling ---- */

#define NOBODY UINT32_MAX

static void tell(const struct lpis *l, uint32_t cpu, uint32_t intid, unsigned byte, bool pending)
{
	if (l->lpi)
		l->lpi(l->opaque, cpu, intid, byte & (unsigned)LPI_CONFIG_PRIORITY,
		       pending && (byte & LPI_CONFIG_ENABLE));
}

/* It is no longer pending: @intid was told under what is kept of its configuration. */
static void tell_gone(const struct lpis *l, uint32_t cpu, uint32_t intid)
{
	unsigned byte = (unsigned)bits_get(
		atomic_load_explicit(entry_of(l, intid), memory_order_relaxed), LPI_ENTRY_BYTE);

	if (byte & LPI_CONFIG_ENABLE)
		tell(l, cpu, intid, byte, false);
}

/* The first redistributor from @cpu on that has it pending, or NOBODY. Whoever sets a pending bit looks at
 * the byte afterwards, and who changes the byte looks at the bits: one of them sees the other. */
static uint32_t who_has(const struct lpis *l, uint32_t cpu, uint32_t intid)
{
	for (; cpu < l->cpus; cpu++) {
		if (atomic_load(&l->cpu[cpu].pending[intid / 64]) & BIT(intid % 64))
			return cpu;
	}
	return NOBODY;
}

enum how {
	IF_UNKNOWN,
	AGAIN,
	ASKING /* a byte that would be a change to tell of is not kept: whoever asks may hold a lock */
};

/* The byte, read if it is not known, or AGAIN, where @c has its table. The one that is kept is the one that
 * everyone was told under who has the LPI pending: a change is told to all of them, but to @except. 0 if @c
 * does not have the LPI, which says nothing of it at others. */
static unsigned refresh(struct lpis *l, const struct lpi_cpu *c, uint32_t intid, enum how how,
			uint32_t except)
{
	_Atomic uint64_t *entry = entry_of(l, intid);
	uint64_t found = atomic_load(entry);

	for (unsigned i = 0; i < 2; i++) {
		/* before the table is looked for, and read: what is forgotten meanwhile stays forgotten */
		uint64_t generation = atomic_load(&l->generation);
		uint64_t latch = atomic_load(&c->latch);
		unsigned before = (unsigned)bits_get(found, LPI_ENTRY_BYTE);
		unsigned byte;
		bool changes;
		uint64_t kept;

		if (how != AGAIN && bits_get(found, LPI_ENTRY_GENERATION) == generation)
			return before;
		if (!lpi_in(latch, intid))
			return 0;
		byte = read_byte(l, latch, intid);
		/* of what was never read nobody has been told */
		changes = byte != before && ((byte | before) & LPI_CONFIG_ENABLE) &&
			  bits_get(found, LPI_ENTRY_GENERATION);
		if (how == ASKING && changes && who_has(l, 0, intid) != NOBODY)
			return byte;
		kept = byte | bits_put(LPI_ENTRY_COUNT, bits_get(found, LPI_ENTRY_COUNT) + 1) |
		       bits_put(LPI_ENTRY_GENERATION, generation);
		if (!atomic_compare_exchange_strong(entry, &found, kept))
			continue;
		for (uint32_t cpu = changes ? who_has(l, 0, intid) : NOBODY; cpu != NOBODY;
		     cpu = who_has(l, cpu + 1, intid)) {
			if (cpu != except)
				tell(l, cpu, intid, byte, true);
		}
		return byte;
	}
	/* The second who was faster began after we did: what they have read is what we would. */
	return (unsigned)bits_get(found, LPI_ENTRY_BYTE);
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
	intid = (uint32_t)bits_clamp_index(intid, UINT64_C(1) << l->bits);
	if (!set_pending(c, intid))
		return 0;
	byte = refresh(l, c, intid, IF_UNKNOWN, cpu);
	/* EnableLPIs became 0 meanwhile: the bit is in memory, or still here, too late */
	if (!lpi_in(atomic_load(&c->latch), intid))
		return clear_pending(c, intid) ? VIOMMU_ITS_REASON_LPI_OFF : 0;
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

	if (from == to || !(latch & LPI_LATCH_ON) || !lpi_in(latch, intid))
		return;
	intid = (uint32_t)bits_clamp_index(intid, UINT64_C(1) << l->bits);
	if (!clear_pending(lpi_cpu_at(l, from), intid))
		return;
	tell_gone(l, from, intid);
	/* EnableLPIs of @to may have become 0 */
	if (lpi_deliver(l, to, intid))
		lpi_deliver(l, from, intid);
}

void lpi_invalidate(struct lpis *l, uint32_t cpu, uint32_t intid)
{
	const struct lpi_cpu *c = lpi_cpu_at(l, cpu);

	if (lpi_in(atomic_load_explicit(&c->latch, memory_order_acquire), intid))
		refresh(l, c, intid, AGAIN, NOBODY);
	else
		lpi_forget(l);
}

/* ---- all that is pending ---- */

#define FIRST_WORD (ITS_FIRST_LPI / 64)

bool lpi_for_pending(struct viommu *payer, const struct lpi_bits *bits, uint32_t *word,
		     bool (*each)(void *what, uint32_t intid), void *what)
{
	if (*word < FIRST_WORD)
		*word = FIRST_WORD;
	for (; bits->pending && *word < bits->words; ++*word) {
		uint64_t left = atomic_load(&bits->pending[*word]);
		uint32_t steps = 1 + (uint32_t)__builtin_popcountll(left) * bits->cost;

		if ((left || *word % 16 == 0) && !unit_pay(payer, steps))
			return false;
		for (; left; left &= left - 1) {
			if (!each(what, *word * 64 + (uint32_t)__builtin_ctzll(left)))
				return true;
		}
	}
	return true;
}

/* What is done with what is pending at a redistributor. */
struct walk {
	struct lpis *l;
	uint32_t cpu;
	uint32_t to;
	bool all;
};

/* Of LPIs that the redistributor has: a bit beyond, of a delivery that came late, is left alone. */
static bool walk(struct viommu *payer, struct walk *w, bool (*each)(void *what, uint32_t intid),
		 uint32_t *word)
{
	const struct lpi_cpu *c = lpi_cpu_at(w->l, w->cpu);
	uint64_t latch = atomic_load_explicit(&c->latch, memory_order_acquire);
	const struct lpi_bits bits = { .pending = c->pending,
				       .words = (UINT32_C(1) << bits_get(latch, LPI_LATCH_BITS)) /
						64,
				       .cost = 1 + w->l->cpus / 16 };

	return lpi_for_pending(payer, &bits, word, each, w);
}

static bool move_each(void *what, uint32_t intid)
{
	const struct walk *w = what;

	lpi_move(w->l, w->cpu, w->to, intid);
	return true;
}

bool lpi_move_all(struct viommu *payer, struct lpis *l, uint32_t from, uint32_t to, uint32_t *word)
{
	struct walk w = { .l = l, .cpu = from, .to = to };

	return from == to || walk(payer, &w, move_each, word);
}

static bool reread_each(void *what, uint32_t intid)
{
	const struct walk *w = what;
	unsigned byte =
		refresh(w->l, lpi_cpu_at(w->l, w->cpu), intid, AGAIN, w->all ? w->cpu : NOBODY);

	if (w->all && (byte & LPI_CONFIG_ENABLE))
		tell(w->l, w->cpu, intid, byte, true);
	return true;
}

bool lpi_reread(struct viommu *payer, struct lpis *l, uint32_t cpu, bool all, uint32_t *word)
{
	struct walk w = { .l = l, .cpu = cpu, .all = all };

	return walk(payer, &w, reread_each, word);
}

/* ---- the CPU interface's side ---- */

static int check(struct viommu *u, uint32_t cpu, uint32_t intid)
{
	if (!u || !engine_is(u->engine, &lpis_engine) || cpu >= lpis_of(u)->cpus ||
	    !lpi_exists(lpis_of(u), intid))
		return VIOMMU_EINVAL;
	return VIOMMU_OK;
}

static inline __attribute__((always_inline)) int acknowledge(struct viommu *u, uint32_t cpu,
							     uint32_t intid)
{
	int result = check(u, cpu, intid);

	if (result)
		return result;
	return clear_pending(lpi_cpu_at(lpis_of(u), cpu), intid) ? VIOMMU_OK : VIOMMU_ENOENT;
}

static __attribute__((noinline)) int record(struct viommu *u, uint32_t cpu, uint32_t intid)
{
	struct record_event e;
	int result;

	unit_record_begin(u, &e, true);
	result = acknowledge(u, cpu, intid);
	lpis_record_acknowledge(&e, "GA", cpu, intid, result);
	record_end(&e, RECORD_AS_BEFORE);
	return result;
}

int viommu_lpis_acknowledge(struct viommu *u, uint32_t cpu, uint32_t intid)
{
	if (UNLIKELY(u && u->record))
		return record(u, cpu, intid);
	return acknowledge(u, cpu, intid);
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
	has = lpi_in(latch, intid);
	if (has)
		byte = refresh(lpis_of(u), c, intid, ASKING, NOBODY);
	lpi->pending = has && lpi_is_pending(c, intid);
	lpi->enabled = byte & (unsigned)LPI_CONFIG_ENABLE;
	lpi->priority = byte & (unsigned)LPI_CONFIG_PRIORITY;
	if (epoch_visit_end(&u->epoch, section))
		unit_work(u);
	return VIOMMU_OK;
}
