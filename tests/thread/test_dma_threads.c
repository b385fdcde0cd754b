/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_dma_threads.c - dma.h between threads: words are stored, loaded and swapped whole; and while one thread, which
 * owns the registers, moves a page again and again, nobody touches what it was moved from once the guest has been told
 * that the invalidation is complete: not a copy, not a map, not a translation in a section of the device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>

#include <libvirtiommu/dma.h>

#include "thread_world.h"

#define RID  UINT16_C(0x10)
#define DID  7U
#define IOVA UINT64_C(0x40000000)

enum { THREADS = 4 };

struct bed {
	struct world w;
	struct viommu_device *device;
	uint64_t leaf;	  /* gpa of the entry that moves */
	uint64_t page[2]; /* what it points to, in turn */
	_Atomic bool stop;
	_Atomic uint64_t turns;
	struct member {
		struct bed *bed;
		struct viommu_channel *channel;
		unsigned number;
		pthread_t thread;
	} member[THREADS];
};

static struct bed bed;

static void open_bed(bool membarrier)
{
	struct world_config config = { .membarrier = membarrier };
	struct viommu_device_config device = { .size = sizeof(device), .id = RID };
	struct bed *b = &bed;
	uint64_t context, tree;

	memset(b, 0, sizeof(*b));
	world_open(&b->w, &config);
	tree = world_alloc(&b->w, 1);
	for (unsigned i = 0; i < 2; i++)
		b->page[i] = world_alloc(&b->w, 1);
	b->leaf = world_map(&b->w, tree, IOVA, b->page[0], 12, GUEST_RW);
	context = world_context(&b->w, RID);
	world_put64(&b->w, context + 8, bits_put(VTD_CE_AW, 2) | bits_put(VTD_CE_DID, DID));
	world_put64(&b->w, context, tree | VTD_CE_P);
	assert_int_equal(viommu_device_new(b->w.iommu, &device, &b->device), VIOMMU_OK);
}

static void start(void *(*run)(void *))
{
	for (unsigned i = 0; i < THREADS; i++) {
		struct member *m = &bed.member[i];

		m->bed = &bed;
		m->number = i;
		assert_int_equal(viommu_channel_new(bed.device, VIOMMU_NO_PASID, &m->channel),
				 VIOMMU_OK);
		world_start(&m->thread, run, m);
	}
}

static void join(void)
{
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(bed.member[i].thread, NULL);
		assert_int_equal(viommu_channel_free(bed.member[i].channel), VIOMMU_OK);
	}
	world_check(&bed.w);
}

static void close_bed(void)
{
	assert_int_equal(viommu_device_free(bed.device), VIOMMU_OK);
	world_close(&bed.w);
}

/* ---- words ---- */

static unsigned rounds;

/* Two threads store words of which every byte is the same, two look whether they are. */
static void *whole_words(void *opaque)
{
	struct member *m = opaque;
	struct world *w = &m->bed->w;

	for (unsigned i = 0; i < rounds; i++) {
		uint32_t bytes = 1U << (i & 3);
		uint64_t iova = IOVA + 64 * (i & 3);
		uint64_t value = (uint64_t)(i % 251) * UINT64_C(0x0101010101010101), mask;
		bool in_device = i & 4;
		int result;

		if (m->number < 2) {
			result = in_device
					 ? viommu_device_dma_store(m->bed->device, VIOMMU_NO_PASID,
								   iova, bytes, 0, value)
					 : viommu_dma_store(m->channel, iova, bytes, 0, value);
		} else {
			result = in_device ? viommu_device_dma_load(m->bed->device, VIOMMU_NO_PASID,
								    iova, bytes, 0, &value)
					   : viommu_dma_load(m->channel, iova, bytes, 0, &value);
			mask = bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
			if (value != ((value & 0xff) * UINT64_C(0x0101010101010101) & mask))
				world_fail(w, "a torn word of %u bytes", bytes);
		}
		if (result)
			world_fail(w, "result %d", result);
	}
	return NULL;
}

static void test_words(void **state)
{
	(void)state;
	rounds = scaled(20000);
	open_bed(false);
	start(whole_words);
	join();
	close_bed();
}

static void *count_up(void *opaque)
{
	struct member *m = opaque;
	uint32_t bytes = 8;

	for (unsigned i = 0; i < 2 * rounds; i++) {
		uint64_t expected = 0, found;
		int result;

		bytes = 12 - bytes; /* 4, 8 */
		do {
			found = expected;
			result = m->number % 2 ? viommu_dma_cmpxchg(m->channel, IOVA + 8 * bytes,
								    bytes, 0, &found, expected + 1)
					       : viommu_device_dma_cmpxchg(m->bed->device,
									   VIOMMU_NO_PASID,
									   IOVA + 8 * bytes, bytes,
									   0, &found, expected + 1);
			if (result)
				world_fail(&m->bed->w, "result %d", result);
		} while (!result && found != expected && (expected = found, true));
	}
	return NULL;
}

static void test_swaps(void **state)
{
	(void)state;
	rounds = scaled(5000);
	open_bed(false);
	start(count_up);
	join();
	assert_int_equal(world_get32(&bed.w, bed.page[0] + 32), THREADS * rounds);
	assert_int_equal(world_get64(&bed.w, bed.page[0] + 64), THREADS * rounds);
	close_bed();
}

/* ---- pages that move ---- */

#define GOOD UINT64_C(0x600d600d600d600d)
#define GONE UINT64_C(0xdeaddeaddeaddead)

/* Through the host's pointer, for as long as a section is open. */
static void look(struct member *m, const uint64_t *host)
{
	for (unsigned i = 0; i < 8; i++) {
		if (__atomic_load_n(host, __ATOMIC_RELAXED) == GONE)
			world_fail(&m->bed->w, "used after it was complete");
		if (i == 4)
			sched_yield();
	}
}

static int use_section(struct member *m)
{
	struct viommu_request request = {
		.first = IOVA, .last = IOVA + 7, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_section section = { .device = NULL };
	struct viommu_fragment f;
	struct viommu_answer answer;
	int result = viommu_device_enter(m->bed->device, &section);

	if (!result)
		result = viommu_device_translate(m->bed->device, &request, &f, 1, &answer);
	if (!result)
		look(m, f.host);
	return result ? result : viommu_device_leave(&section);
}

/* The next one is mapped before the one before it is given up. */
static int use_maps(struct member *m, struct viommu_mapping *map, struct viommu_part *part,
		    unsigned turn)
{
	struct viommu_mapping *now = &map[turn % 2], *before = &map[(turn + 1) % 2];
	int result;

	now->parts = &part[turn % 2];
	now->max = 1;
	result = turn % 4 < 2 ? viommu_dma_map(m->channel, IOVA, 8, VIOMMU_READ, now)
			      : viommu_device_dma_map(m->bed->device, VIOMMU_NO_PASID, IOVA, 8,
						      VIOMMU_READ, now);
	if (result)
		return result;
	look(m, now->parts[0].base);
	if (before->section.device)
		look(m, before->parts[0].base);
	return viommu_dma_unmap(before, 0);
}

static void *use(void *opaque)
{
	struct member *m = opaque;
	struct bed *b = m->bed;
	struct viommu_mapping map[2] = { { .max = 1 } };
	struct viommu_part part[2];

	for (unsigned i = 0; !atomic_load_explicit(&b->stop, memory_order_relaxed); i++) {
		uint64_t value = GOOD;
		int result;

		switch (m->number) {
		case 0:
			result = use_section(m);
			break;
		case 1:
			result = use_maps(m, map, part, i);
			break;
		case 2:
			result = viommu_dma_load(m->channel, IOVA, 8, 0, &value);
			break;
		default: /* what is stored does no harm while it is nobody else's */
			result = i % 2 ? viommu_device_dma_store(b->device, VIOMMU_NO_PASID,
								 IOVA + 8, 8, 0, GOOD)
				       : viommu_dma_store(m->channel, IOVA + 8, 8, 0, GOOD);
			break;
		}
		if (result || value == GONE)
			world_fail(&b->w, "member %u: result %d, value %llx", m->number, result,
				   (unsigned long long)value);
		atomic_fetch_add_explicit(&b->turns, 1, memory_order_relaxed);
	}
	for (unsigned i = 0; i < 2; i++)
		viommu_dma_unmap(&map[i], 0);
	return NULL;
}

/* What the guest has been told is gone: it is poisoned, and stays so until it is mapped again. */
static void move(struct bed *b, unsigned i)
{
	struct world *w = &b->w;
	uint64_t from = b->page[i % 2], to = b->page[(i + 1) % 2];

	world_put64(w, to, GOOD);
	world_put64(w, b->leaf, to | GUEST_RW);
	world_submit(w, GUEST_IOTLB(VTD_GRAN_DOMAIN, DID), 0);
	world_sync(w);
	world_put64(w, from, GONE);
	world_put64(w, from + 8, GONE);
	for (unsigned n = 0; n < 3; n++) {
		if (world_get64(w, from + 8) != GONE)
			world_fail(w, "stored after it was complete");
		sched_yield();
	}
}

static void moves(bool membarrier)
{
	unsigned count = scaled(300);

	open_bed(membarrier);
	world_put64(&bed.w, bed.page[0], GOOD);
	start(use);
	while (atomic_load(&bed.turns) < 10)
		sched_yield();
	for (unsigned i = 0; i < count && !atomic_load(&bed.w.failed); i++)
		move(&bed, i);
	atomic_store(&bed.stop, true);
	join();
	print_message("%u moves, %llu uses\n", count, (unsigned long long)atomic_load(&bed.turns));
	close_bed();
}

static void test_moves(void **state)
{
	(void)state;
	watchdog();
	moves(false);
}

static void test_moves_membarrier(void **state)
{
	const struct world_config config = { .membarrier = true };
	static struct world w;

	(void)state;
	if (!world_try_open(&w, &config))
		return;
	world_close(&w);
	moves(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_swaps),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_moves_membarrier),
	};

	return cmocka_run_group_tests_name("dma", tests, NULL, NULL);
}
