/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * its_pool.c - the events of all devices, in one pool of blocks (IHI 0069 5.2.3: ours instead of ITTs).
 *
 * A device has 2^n blocks in a row, at a multiple of as many: a translation has to add nothing up. If as many are
 * free but nowhere in a row, smaller devices are moved out of the way, so that only counts decide whether
 * there is room. Whoever reads an event looks whether its device's word is still the same: it is not, once
 * the device was moved. The pool is never given back.
 */

#include "its_engine.h"

#define NOWHERE UINT32_MAX

/* A run of blocks from which devices are moved: nothing goes there, nor to the runs that are outside of it
 * because room in this one is for one of theirs. */
struct clearing {
	uint32_t first;
	uint32_t count;
	const struct clearing *outer;
};

static uint32_t blocks_of(unsigned bits)
{
	return bits <= 4 ? 1 : UINT32_C(1) << (bits - 4);
}

static uint32_t first_of(uint64_t device)
{
	return (uint32_t)bits_get(device, DEVICE_BLOCK);
}

static uint32_t count_of(uint64_t device)
{
	return blocks_of((unsigned)bits_get(device, DEVICE_BITS));
}

/* ---- the map of used blocks ---- */

/* The bits that a run has in each of its words. */
static uint64_t run_bits(uint32_t first, uint32_t count)
{
	return bits_low(count < 64 ? count : 64) << first % 64;
}

static void mark(struct its *its, uint32_t first, uint32_t count, bool used)
{
	for (uint32_t i = 0; i < count; i += 64) {
		uint64_t *word = &its->used[(first + i) / 64];

		*word = used ? *word | run_bits(first, count) : *word & ~run_bits(first, count);
	}
	its->used_blocks += used ? count : -count;
}

static bool is_inside(const struct clearing *c, uint32_t block)
{
	return block >= c->first && block - c->first < c->count;
}

/* A word of the map: what is being cleared is not free. */
static uint64_t taken(const struct its *its, uint32_t word, const struct clearing *c)
{
	uint64_t bits = its->used[word];

	for (; c; c = c->outer) {
		if (word >= c->first / 64 && word <= (c->first + c->count - 1) / 64)
			bits |= run_bits(c->first, c->count);
	}
	return bits;
}

/* The first run of @count free blocks, less than 64, in a word of the map, at a multiple of it; 64: there
 * is none. */
static unsigned find_run(uint64_t used, uint32_t count)
{
	unsigned at = 0;

	if (used == UINT64_MAX)
		return 64;
	while (at < 64 && (used & bits_low(count) << at))
		at += count;
	return at;
}

/* A run of @count blocks that is free, or NOWHERE. At most a step a word of the map: 1024. */
static uint32_t find_free(const struct its *its, uint32_t count, const struct clearing *c)
{
	uint32_t words = (count + 63) / 64;

	for (uint32_t w = 0; w + words <= its->blocks / 64; w += words) {
		uint64_t bits = 0;

		if (count < 64) {
			unsigned at = find_run(taken(its, w, c), count);

			if (at < 64)
				return w * 64 + at;
			continue;
		}
		for (uint32_t i = 0; i < words; i++)
			bits |= taken(its, w + i, c);
		if (!bits)
			return w * 64;
	}
	return NOWHERE;
}

/* ---- making room ---- */

/* The first run of @count blocks that has smaller devices only, or NOWHERE. It is the same until it is
 * free: those before it are full. At most a step a device, or a run. */
static uint32_t find_clearable(const struct its *its, uint32_t count, const struct clearing *outer)
{
	uint32_t at = 0;

	while (at + count <= its->blocks) {
		const struct clearing *c = outer;
		uint32_t has =
			its_used(its, at) ? count_of(its_device(its, its->owner[at].device)) : 0;

		while (c && !is_inside(c, at))
			c = c->outer;
		if (!c && has < count)
			return at;
		at += c ? c->count : has;
	}
	return NOWHERE;
}

static void take(struct its *its, uint32_t first, uint32_t device, unsigned bits, uint64_t itt)
{
	uint32_t count = blocks_of(bits);

	mark(its, first, count, true);
	for (uint32_t i = 0; i < count; i++)
		its->owner[first + i] =
			(struct its_owner){ .itt = itt, .device = device, .first = first };
	/* Who still reads these blocks for another device sees that it is no longer there. */
	atomic_thread_fence(memory_order_release);
}

static void publish(struct its *its, uint32_t first, uint32_t device, unsigned bits)
{
	atomic_store_explicit(its_device_word(its, device),
			      bits | bits_put(DEVICE_BLOCK, first) |
				      bits_put(DEVICE_INCARNATION, ++its->incarnations),
			      memory_order_release);
}

static void move(struct its *its, uint32_t device, uint32_t to)
{
	uint64_t was = its_device(its, device);
	uint32_t from = first_of(was);
	unsigned bits = (unsigned)bits_get(was, DEVICE_BITS);

	take(its, to, device, bits, its->owner[from].itt);
	for (uint32_t i = 0; i < count_of(was) * ITS_BLOCK; i++)
		atomic_store_explicit(
			&its->event[(uint64_t)to * ITS_BLOCK + i],
			atomic_load_explicit(&its->event[(uint64_t)from * ITS_BLOCK + i],
					     memory_order_relaxed),
			memory_order_relaxed);
	publish(its, to, device, bits);
	mark(its, from, count_of(was), false);
}

/*
 * A run of @count free blocks outside of what is being cleared, where as many are free: there is one, or it is
 * made of one that has smaller devices only, for which as many blocks are free elsewhere as they use. (All
 * sizes and places being powers of two and multiples of them, if every run has a larger device, less than
 * @count blocks are free, at the end of the pool.) Sizes become smaller: at most 13 calls deep. NOWHERE: steps
 * ran out. Each move pays for itself and for looking; so each call of viommu_run() makes at least one.
 */
static uint32_t make_room(struct its *its, struct viommu *payer, uint32_t count,
			  const struct clearing *outer)
{
	uint32_t first = find_free(its, count, outer);
	struct clearing run = { .count = count, .outer = outer };

	if (first != NOWHERE)
		return first;
	run.first = find_clearable(its, count, outer);
	if (NEVER(run.first == NOWHERE))
		return NOWHERE;
	for (uint32_t at = run.first; at < run.first + count;) {
		uint32_t device = its->owner[at].device;
		uint32_t size = its_used(its, at) ? count_of(its_device(its, device)) : 0;
		uint32_t to;

		if (!size) {
			at++;
			continue;
		}
		to = make_room(its, payer, size, &run);
		if (to == NOWHERE || (payer && !unit_pay(payer, 1 + size + its->blocks / 256)))
			return NOWHERE;
		move(its, device, to);
		at += size;
	}
	return run.first;
}

/* ---- devices ---- */

bool its_device_fits(const struct its *its, uint32_t device, unsigned bits)
{
	uint64_t old = its_device(its, device);
	uint32_t used = its->used_blocks - (old ? count_of(old) : 0);

	/* a device that is mapped may move 2^20 others */
	return its->incarnations < bits_get(UINT64_MAX, DEVICE_INCARNATION) - (1 << 20) &&
	       (old || its->device_count < its->devices) && blocks_of(bits) <= its->blocks - used;
}

bool its_map_device(struct its *its, struct viommu *payer, uint32_t device, unsigned bits,
		    uint64_t itt)
{
	const uint32_t blocks = blocks_of(bits);
	const uint32_t looks = its->blocks / 1024;
	uint32_t first = make_room(its, payer, blocks, NULL);

	if (first == NOWHERE || (payer && !unit_pay(payer, 1 + looks + blocks)))
		return false;
	take(its, first, device, bits, itt);
	for (uint32_t i = 0; i < blocks * ITS_BLOCK; i++)
		atomic_store_explicit(&its->event[(uint64_t)first * ITS_BLOCK + i], 0,
				      memory_order_relaxed);
	publish(its, first, device, bits);
	its->device_count++;
	return true;
}

void its_unmap_device(struct its *its, uint32_t device)
{
	uint64_t word = its_device(its, device);

	if (!word)
		return;
	atomic_store_explicit(its_device_word(its, device), 0, memory_order_release);
	mark(its, first_of(word), count_of(word), false);
	its->device_count--;
}
