/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_dirty_threads.c - migration while devices write: memory is copied as a whole, then what has been collected as
 * dirty, again and again; when the devices rest, one more time. Then the copy is the memory: no page was missed that was
 * written, at whatever moment of starting, collecting and invalidating it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>

#include <libvirtiommu/dirty.h>
#include <libvirtiommu/dma.h>

#include "bits.h"
#include "run.h"
#include "thread_world.h"

#define RID   UINT16_C(0x10)
#define DID   7U
#define IOVA  UINT64_C(0x40000000) /* SMALL pages */
#define LARGE UINT64_C(0x80000000) /* one of 2 MiB */

enum { WRITERS = 4, SMALL = 192, BIG = 512, PAGES = SMALL + BIG, TRACKED = 4096 };

struct bed {
	struct world w;
	struct viommu_device *device[2]; /* the same domain */
	struct viommu_dirty *dirty;
	uint64_t gpa[PAGES];
	uint64_t copy[PAGES]; /* of the first word of each page */
	uint64_t bitmap[TRACKED / 64];
	bool mine; /* track device 0 alone; only it writes then */
	_Atomic bool stop;
	_Atomic bool pause;
	_Atomic unsigned parked;
	_Atomic uint64_t writes;
	struct writer {
		struct bed *bed;
		struct viommu_device *device;
		struct viommu_channel *channel;
		unsigned number;
		uint64_t seed;
		pthread_t thread;
	} writer[WRITERS];
};

static struct bed bed;

/* ---- devices ---- */

static uint64_t iova_of(unsigned page)
{
	return page < SMALL ? IOVA + page * PAGE : LARGE + (page - SMALL) * PAGE;
}

/* A write that takes its time between asking and storing. */
static int through_fragment(struct writer *m, uint64_t iova, bool use_channel)
{
	struct viommu_request request = {
		.first = iova, .last = iova + 7, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_section section = { .device = NULL };
	struct viommu_fragment f;
	struct viommu_answer answer;
	int result =
		use_channel ? viommu_enter(m->channel) : viommu_device_enter(m->device, &section);

	/* who reads first, and may write, writes without asking again */
	if (world_random(&m->seed) % 2)
		request.access = VIOMMU_WRITE;
	for (unsigned try = 0; !result && try < 2; try++) {
		result = use_channel ? viommu_translate(m->channel, &request, &f, 1, &answer)
				     : viommu_device_translate(m->device, &request, &f, 1, &answer);
		if (result || !(f.flags & VIOMMU_FRAGMENT_CLEAN))
			break;
		request.access = VIOMMU_WRITE;
	}
	if (!result) {
		if (world_random(&m->seed) % 4 == 0)
			sched_yield();
		__atomic_fetch_add((uint64_t *)f.host, 1, __ATOMIC_RELAXED);
	}
	if (use_channel)
		return viommu_leave(m->channel) ? -1 : result;
	return viommu_device_leave(&section) ? -1 : result;
}

static int through_map(struct writer *m, uint64_t iova)
{
	struct viommu_part part;
	uint64_t gpa;
	struct viommu_mapping map = { .parts = &part, .gpas = &gpa, .max = 1 };
	int result = viommu_dma_map(m->channel, iova, 8, VIOMMU_WRITE, &map);

	if (result)
		return result;
	sched_yield();
	__atomic_fetch_add((uint64_t *)part.base, 1, __ATOMIC_RELAXED);
	return viommu_dma_unmap(&map, 8);
}

static int through_swap(struct writer *m, uint64_t iova)
{
	uint64_t expected = 0, found;
	int result;

	do {
		found = expected;
		result = viommu_dma_cmpxchg(m->channel, iova, 8, 0, &found, expected + 1);
	} while (!result && found != expected && (expected = found, true));
	return result;
}

static int write_page(struct writer *m, uint64_t iova)
{
	switch (world_random(&m->seed) % 8) {
	case 0:
		return through_map(m, iova);
	case 1:
		return through_swap(m, iova);
	case 2:
	case 3:
		return through_fragment(m, iova, false);
	default:
		return through_fragment(m, iova, true);
	}
}

static void park(struct bed *b)
{
	atomic_fetch_add(&b->parked, 1);
	while (atomic_load(&b->pause) && !atomic_load(&b->stop))
		sched_yield();
	atomic_fetch_sub(&b->parked, 1);
}

static void *run(void *opaque)
{
	struct writer *m = opaque;
	struct bed *b = m->bed;

	while (!atomic_load_explicit(&b->stop, memory_order_relaxed)) {
		unsigned page = (unsigned)(world_random(&m->seed) % PAGES);
		int result = write_page(m, iova_of(page));

		if (result)
			world_fail(&b->w, "page %u: result %d", page, result);
		atomic_fetch_add_explicit(&b->writes, 1, memory_order_relaxed);
		if (atomic_load(&b->pause))
			park(b);
	}
	return NULL;
}

/* ---- the migration ---- */

static uint64_t word_of(struct bed *b, unsigned page)
{
	return world_get64(&b->w, b->gpa[page]);
}

static void collect(struct bed *b)
{
	for (;;) {
		int result = viommu_dirty_collect(b->dirty, b->bitmap);

		if (result == VIOMMU_OK)
			return;
		if (result < 0)
			world_fail(&b->w, "collecting: %d", result);
		sched_yield();
	}
}

/* Lets devices write for a while. */
static void let_write(struct bed *b, uint64_t count)
{
	uint64_t until = atomic_load(&b->writes) + count;

	while (atomic_load(&b->writes) < until && !atomic_load(&b->w.failed))
		sched_yield();
}

/* Copies what has been collected, and forgets that. */
static unsigned copy_dirty(struct bed *b)
{
	unsigned copied = 0;

	for (unsigned page = 0; page < PAGES; page++) {
		uint64_t n = b->gpa[page] / PAGE;

		if (!(b->bitmap[n / 64] >> n % 64 & 1))
			continue;
		b->copy[page] = word_of(b, page);
		copied++;
	}
	memset(b->bitmap, 0, sizeof(b->bitmap));
	return copied;
}

/* The guest's own invalidations go on. */
static void disturb(struct bed *b, unsigned n)
{
	if (n % 3 == 0)
		return;
	world_submit(&b->w,
		     n % 3 == 1 ? GUEST_IOTLB(VTD_GRAN_DOMAIN, DID)
				: GUEST_IOTLB(VTD_GRAN_LOCAL, DID),
		     IOVA + n % SMALL * PAGE);
	world_sync(&b->w);
}

static void compare(struct bed *b, unsigned n)
{
	for (unsigned page = 0; page < PAGES; page++) {
		if (b->copy[page] != word_of(b, page))
			world_fail(&b->w, "migration %u missed page %u: copied %llu, is %llu", n,
				   page, (unsigned long long)b->copy[page],
				   (unsigned long long)word_of(b, page));
	}
}

static unsigned migrate(struct bed *b, unsigned n)
{
	unsigned copied = 0;

	if (viommu_dirty_start(b->w.iommu, b->mine ? b->device[0] : NULL, 0, TRACKED * PAGE - 1,
			       &b->dirty) != VIOMMU_OK)
		world_fail(&b->w, "cannot start");
	let_write(b, n % 5);
	collect(b);
	memset(b->bitmap, 0, sizeof(b->bitmap));
	for (unsigned page = 0; page < PAGES; page++)
		b->copy[page] = word_of(b, page);
	for (unsigned round = 0; round < 1 + n % 3; round++) {
		let_write(b, 1 + n * 7 % 40);
		disturb(b, n + round);
		collect(b);
		copied += copy_dirty(b);
	}
	let_write(b, n % 11);
	atomic_store(&b->pause, true);
	while (atomic_load(&b->parked) != WRITERS)
		sched_yield();
	collect(b);
	copied += copy_dirty(b);
	compare(b, n);
	atomic_store(&b->pause, false);
	while (atomic_load(&b->parked))
		sched_yield();
	while (viommu_dirty_stop(b->dirty) == VIOMMU_PENDING)
		sched_yield();
	return copied;
}

/* ---- life ---- */

static void open_bed(bool membarrier, bool tiny, bool mine)
{
	struct world_config config = { .membarrier = membarrier, .tiny = tiny };
	struct bed *b = &bed;
	uint64_t tree, big;

	memset(b, 0, sizeof(*b));
	b->mine = mine;
	world_open(&b->w, &config);
	tree = world_alloc(&b->w, 1);
	for (unsigned i = 0; i < SMALL; i++) {
		b->gpa[i] = world_alloc(&b->w, 1);
		world_map(&b->w, tree, IOVA + i * PAGE, b->gpa[i], 12, GUEST_RW);
	}
	do
		big = world_alloc(&b->w, 1);
	while (big & ((UINT64_C(1) << 21) - 1));
	world_alloc(&b->w, BIG - 1);
	for (unsigned i = 0; i < BIG; i++)
		b->gpa[SMALL + i] = big + i * PAGE;
	world_map(&b->w, tree, LARGE, big, 21, GUEST_RW);
	for (unsigned i = 0; i < 2; i++) {
		struct viommu_device_config device = { .size = sizeof(device), .id = RID + i };
		uint64_t context = world_context(&b->w, (uint16_t)(RID + i));

		world_put64(&b->w, context + 8, bits_put(VTD_CE_AW, 2) | bits_put(VTD_CE_DID, DID));
		world_put64(&b->w, context, tree | VTD_CE_P);
		assert_int_equal(viommu_device_new(b->w.iommu, &device, &b->device[i]), VIOMMU_OK);
	}
}

static void migrations(bool membarrier, bool tiny, bool mine)
{
	uint64_t copied = 0;
	uint64_t seed = run_seed(RUN_ANY_SEED);
	struct pace pace;
	unsigned n;

	watchdog();
	open_bed(membarrier, tiny, mine);
	for (unsigned i = 0; i < WRITERS; i++) {
		struct writer *m = &bed.writer[i];

		m->bed = &bed;
		m->number = i;
		m->seed = seed + i * UINT64_C(0x9e3779b97f4a7c15) + 1;
		m->device = bed.device[mine ? 0 : i % 2];
		assert_int_equal(viommu_channel_new(m->device, VIOMMU_NO_PASID, &m->channel),
				 VIOMMU_OK);
		world_start(&m->thread, run, m);
	}
	while (atomic_load(&bed.writes) < 10)
		sched_yield();
	pace = pace_begin(scaled(400), 4);
	for (n = 0; pace_on(&pace, n) && !atomic_load(&bed.w.failed); n++)
		copied += migrate(&bed, n);
	atomic_store(&bed.stop, true);
	for (unsigned i = 0; i < WRITERS; i++) {
		pthread_join(bed.writer[i].thread, NULL);
		assert_int_equal(viommu_channel_free(bed.writer[i].channel), VIOMMU_OK);
	}
	world_check(&bed.w);
	print_message("%u migrations, %llu writes, %llu pages copied again\n", n,
		      (unsigned long long)atomic_load(&bed.writes), (unsigned long long)copied);
	assert_true(copied > 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(viommu_device_free(bed.device[i]), VIOMMU_OK);
	world_close(&bed.w);
}

static void test_all_devices(void **state)
{
	(void)state;
	migrations(false, false, false);
}

static void test_one_device(void **state)
{
	(void)state;
	migrations(false, false, true);
}

static void test_tiny_caches(void **state)
{
	(void)state;
	migrations(false, true, false);
}

static void test_membarrier(void **state)
{
	const struct world_config config = { .membarrier = true };
	static struct world w;

	(void)state;
	if (!world_try_open(&w, &config))
		return;
	world_close(&w);
	migrations(true, false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_devices),
		cmocka_unit_test(test_one_device),
		cmocka_unit_test(test_tiny_caches),
		cmocka_unit_test(test_membarrier),
	};

	return cmocka_run_group_tests_name("dirty", tests, NULL, NULL);
}
