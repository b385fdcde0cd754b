/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_tables.c - devices, collections: ours, in memory that is capped (IHI 0069 5.2). Where a device's events
 * are is its_pool.c's. What a guest says about tables in its memory is kept, and asked only for whether they have
 * room for an id.
 */

#include "its_engine.h"

/* ---- the guest's tables: room for an id ---- */

/* What a BASER says. */
struct table {
	uint64_t address;
	uint64_t bytes; /* of the table, or of the level-1 table */
	uint64_t page;	/* bytes */
	bool indirect;
};

static bool parse(const struct its *its, unsigned n, struct table *t)
{
	uint64_t baser = regs_get(&its->regs, ITS_BASER + 8 * n);
	unsigned page = (unsigned)bits_get(baser, ITS_BASER_PAGE);

	t->page = UINT64_C(4096) << (page * 2);
	t->bytes = (bits_get(baser, ITS_BASER_SIZE) + 1) * t->page;
	t->address = baser & ITS_BASER_ADDRESS;
	if (page >= ITS_PAGE_64K)
		t->address = (baser & ITS_BASER_ADDRESS & ~ITS_BASER_HIGH) |
			     bits_get(baser, ITS_BASER_HIGH) << 48;
	t->indirect = baser & ITS_BASER_INDIRECT;
	return baser & ITS_BASER_VALID;
}

/* Entries have 8 bytes on both levels. */
bool its_table_entry(struct its *its, unsigned n, uint64_t id, uint64_t *gpa, bool *failed)
{
	struct table t;
	uint64_t word;

	if (!parse(its, n, &t))
		return false;
	if (!t.indirect) {
		*gpa = t.address + id * 8;
		return id < t.bytes / 8;
	}
	if (id / (t.page / 8) >= t.bytes / 8)
		return false;
	if (!mem_load64(its->unit.vm, t.address + id / (t.page / 8) * 8, &word)) {
		*failed = true;
		return false;
	}
	*gpa = (word & ITS_L1_ADDRESS & ~(t.page - 1)) + id % (t.page / 8) * 8;
	return word & ITS_L1_VALID;
}

bool its_table_has(struct its *its, unsigned n, uint64_t id, bool *failed)
{
	uint64_t gpa;

	return its_table_entry(its, n, id, &gpa, failed);
}

bool its_device_in_range(struct its *its, uint64_t device, bool *failed)
{
	return device >> its->device_bits == 0 && its_table_has(its, 0, device, failed);
}

bool its_collection_in_range(struct its *its, uint64_t icid, bool *failed)
{
	if (icid >> its->collection_bits)
		return false;
	return icid < bits_get(its->typer, ITS_TYPER_HCC) || its_table_has(its, 1, icid, failed);
}

uint32_t its_rdbase(const struct its *its, uint64_t field)
{
	const struct lpis *l = its->lpis;
	uint64_t cpu = field & 0xffff;

	if (its->typer & ITS_TYPER_PTA) {
		uint64_t at = (field << 16) - l->rd_base;

		cpu = at % l->rd_stride ? UINT64_MAX : at / l->rd_stride;
	}
	return cpu < l->cpus ? (uint32_t)cpu : ITS_NOBODY;
}

/* ---- devices, collections ---- */

void its_drop_devices(struct its *its)
{
	for (uint32_t w = 0; its->device_count && w < its->blocks / 64; w++) {
		while (its->used[w]) {
			uint32_t block = w * 64 + (uint32_t)__builtin_ctzll(its->used[w]);

			its_unmap_device(its, its->owner[block].device);
		}
	}
}

void its_drop_collections(struct its *its)
{
	for (uint32_t i = 0; i < UINT32_C(1) << its->collection_bits; i++)
		atomic_store_explicit(&its->collection[i], 0, memory_order_release);
}

_Atomic uint64_t *its_event(const struct its *its, uint64_t device, uint64_t event,
			    unsigned *reason)
{
	uint64_t word;

	if (device >> its->device_bits) {
		*reason = VIOMMU_ITS_ERROR_DEVICE_OOR;
		return NULL;
	}
	word = its_device(its, (uint32_t)device);
	if (!word) {
		*reason = VIOMMU_ITS_ERROR_UNMAPPED_DEVICE;
		return NULL;
	}
	if (event >= device_events(word)) {
		*reason = VIOMMU_ITS_ERROR_ID_OOR;
		return NULL;
	}
	*reason = 0;
	return &its->event[bits_get(word, DEVICE_BLOCK) * ITS_BLOCK +
			   bits_clamp_index(event, device_events(word))];
}
