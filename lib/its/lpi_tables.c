/* SPDX-License-Identifier: BSD-3-Clause */
/* lpi_tables.c - pending tables in guest memory: a bit an INTID, those below 8192 not ours. */

#include "lpi.h"

#define FIRST_WORD (ITS_FIRST_LPI / 64)

void lpi_table_read(struct lpis *l, uint64_t table, unsigned bits, _Atomic uint64_t *pending)
{
	struct mem_place place = MEM_NOWHERE;

	/* at most 2^14 loads */
	for (uint32_t i = FIRST_WORD; i < (bits ? UINT32_C(1) << (bits - 6) : 0); i++) {
		uint64_t word;

		if (mem_load64_near(l->unit.vm, &place, table + i * 8, &word))
			atomic_fetch_or_explicit(&pending[i], word, memory_order_relaxed);
	}
}

static uint64_t word_at(_Atomic uint64_t *pending, uint32_t i, bool drain)
{
	if (!pending)
		return 0;
	return drain ? atomic_exchange(&pending[i], 0)
		     : atomic_load_explicit(&pending[i], memory_order_relaxed);
}

bool lpi_table_write(struct lpis *l, uint64_t table, unsigned bits, _Atomic uint64_t *pending,
		     bool drain)
{
	struct mem_place place = MEM_NOWHERE;
	bool ok = true;

	for (uint32_t i = FIRST_WORD; i < (bits ? UINT32_C(1) << (bits - 6) : 0); i++) {
		uint64_t word = word_at(pending, i, drain);
		uint64_t there;

		if (!mem_load64_near(l->unit.vm, &place, table + i * 8, &there) ||
		    (there != word && !mem_store(l->unit.vm, table + i * 8, &word, 1)))
			ok = false;
	}
	return ok;
}

int viommu_lpis_save_pending(struct viommu *u)
{
	struct lpis *l;
	bool ok = true;

	if (!u || !engine_is(u->engine, &lpis_engine))
		return VIOMMU_EINVAL;
	l = lpis_of(u);
	if (l->flags & VIOMMU_LPIS_NO_GUEST_WRITES)
		return VIOMMU_ENOTSUP;
	if (!unit_begin(u))
		return VIOMMU_EBUSY;
	for (uint32_t i = 0; i < l->cpus; i++) {
		const struct lpi_cpu *c = &l->cpu[i];
		uint64_t latch = atomic_load_explicit(&c->latch, memory_order_relaxed);

		if (latch & LPI_LATCH_ON)
			ok = lpi_table_write(l, c->table, (unsigned)bits_get(latch, LPI_LATCH_BITS),
					     c->pending, false) &&
			     ok;
	}
	unit_end(u);
	return ok ? VIOMMU_OK : VIOMMU_FAULT;
}
