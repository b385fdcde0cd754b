/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_tables.c - devices, their events, collections: ours, in memory that is capped (IHI 0069 5.2).
 *
 * What a guest says about tables in its memory is kept, and asked only for whether they have room for
 * an id. Events of all devices are in one pool of blocks that is never given back: who has read an
 * event looks whether its device is still the same.
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

/* ---- blocks of the pool ---- */

/* The first run of @count free blocks, less than 64, in a word of the pool's map, at a multiple of it;
 * 64: there is none. */
static unsigned find_run(uint64_t used, uint32_t count)
{
	unsigned at = 0;

	if (used == UINT64_MAX)
		return 64;
	while (at < 64 && (used & bits_low(count) << at))
		at += count;
	return at;
}

/* A run of @count blocks, a power of two, at a multiple of it; UINT32_MAX: there is none. At most a
 * step a word of the pool's map: 1024. */
static uint32_t find_blocks(const struct its *its, uint32_t count)
{
	uint32_t words = (count + 63) / 64;

	for (uint32_t w = 0; w + words <= its->blocks / 64; w += words) {
		uint64_t taken = 0;

		if (count < 64) {
			unsigned at = find_run(its->used[w], count);

			if (at < 64)
				return w * 64 + at;
			continue;
		}
		for (uint32_t i = 0; i < words; i++)
			taken |= its->used[w + i];
		if (!taken)
			return w * 64;
	}
	return UINT32_MAX;
}

static void mark_blocks(struct its *its, uint32_t first, uint32_t count, bool used)
{
	for (uint32_t i = 0; i < count; i += 64) {
		uint64_t run = bits_low(count < 64 ? count : 64) << first % 64;
		uint64_t *word = &its->used[(first + i) / 64];

		*word = used ? *word | run : *word & ~run;
	}
}

static uint32_t blocks_of(unsigned bits)
{
	return bits <= 4 ? 1 : UINT32_C(1) << (bits - 4);
}

/* ---- devices ---- */

static uint32_t first_of(uint64_t device)
{
	return (uint32_t)bits_get(device, DEVICE_BLOCK);
}

static uint32_t count_of(uint64_t device)
{
	return blocks_of((unsigned)bits_get(device, DEVICE_BITS));
}

/* Where @count blocks are free, or would be without device @old. */
static uint32_t find_instead(struct its *its, uint64_t old, uint32_t count)
{
	uint32_t first;

	if (its->incarnations == bits_get(UINT64_MAX, DEVICE_INCARNATION) ||
	    (!old && its->device_count == its->devices))
		return UINT32_MAX;
	if (old)
		mark_blocks(its, first_of(old), count_of(old), false);
	first = find_blocks(its, count);
	if (old)
		mark_blocks(its, first_of(old), count_of(old), true);
	return first;
}

bool its_map_device(struct its *its, uint32_t device, unsigned bits, uint64_t itt)
{
	uint32_t count = blocks_of(bits);
	uint32_t first = find_instead(its, its_device(its, device), count);

	if (first == UINT32_MAX)
		return false;
	its_unmap_device(its, device);
	mark_blocks(its, first, count, true);
	for (uint32_t i = 0; i < count; i++)
		its->owner[first + i] =
			(struct its_owner){ .itt = itt, .device = device, .first = first };
	its->device_count++;
	/* Who still reads these for another device sees that it is no longer mapped. */
	atomic_thread_fence(memory_order_release);
	for (uint32_t i = 0; i < count * ITS_BLOCK; i++)
		atomic_store_explicit(&its->event[(uint64_t)first * ITS_BLOCK + i], 0,
				      memory_order_relaxed);
	atomic_store_explicit(&its->device[device],
			      bits | bits_put(DEVICE_BLOCK, first) |
				      bits_put(DEVICE_INCARNATION, ++its->incarnations),
			      memory_order_release);
	return true;
}

void its_unmap_device(struct its *its, uint32_t device)
{
	uint64_t word = its_device(its, device);

	if (!word)
		return;
	atomic_store_explicit(&its->device[device], 0, memory_order_release);
	mark_blocks(its, first_of(word), count_of(word), false);
	its->device_count--;
}

void its_drop_devices(struct its *its)
{
	for (uint32_t i = 0; its->device_count && i < its->blocks; i++) {
		if (its_used(its, i))
			its_unmap_device(its, its->owner[i].device);
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
	word = its_device(its, (uint32_t)bits_clamp_index(device, UINT64_C(1) << its->device_bits));
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
