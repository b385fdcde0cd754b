/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_range_map_threads.c - range maps that are read while they change: every answer is one that
 * was right at some time during the lookup.
 *
 * Places have one item at a time or none, and a clock of four phases: none, being added, there,
 * being removed. An item's target names its place and the turn of the clock. A reader looks at the
 * clock before and after the lookup.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bits.h"
#include "range_node.h"
#include "run.h"
#include "seqlock.h"
#include "thread_world.h"

enum { READERS = 3, PLACES = 6000 };

#define PLACE_BYTES		UINT64_C(16) /* an item has the first ones of its place */
#define ITEM_BYTES(place, turn) (1 + ((place)*5 + (turn)) % PLACE_BYTES)

enum phase { NONE, ADDING, THERE, REMOVING, PHASES };

struct shared {
	struct range_pool *pool;
	struct range_map map;
	uint64_t origin;		/* address of place 0 */
	_Atomic uint64_t clock[PLACES]; /* turn * PHASES + phase */
	_Atomic uint64_t hot;		/* a place that is being changed */
	_Atomic bool stop;
	_Atomic uint64_t found;
	_Atomic uint64_t missed;
	_Atomic bool failed;
	char failure[256];
	uint64_t seed; /* of the writer */
};

struct reader {
	struct shared *s;
	uint64_t seed;
	pthread_t thread;
};

static void *zeroed(void *opaque, uint64_t bytes, uint64_t align)
{
	void *block = aligned_alloc(align, (bytes + align - 1) / align * align);

	(void)opaque;
	return block ? memset(block, 0, bytes) : NULL;
}

static void dealloc(void *opaque, void *block, uint64_t bytes)
{
	(void)opaque;
	(void)bytes;
	free(block);
}

static void wrong(struct shared *s, const char *what, uint64_t place, const struct range_item *item)
{
	if (atomic_exchange(&s->failed, true))
		return;
	snprintf(s->failure, sizeof(s->failure), "%s: place %llu, item 0x%llx-0x%llx target 0x%llx",
		 what, (unsigned long long)place, (unsigned long long)item->first,
		 (unsigned long long)item->last, (unsigned long long)item->target);
}

static struct range_item item_at(const struct shared *s, uint64_t place, uint64_t turn)
{
	uint64_t first = s->origin + place * PLACE_BYTES;

	return (struct range_item){ .first = first,
				    .last = first + (ITEM_BYTES(place, turn) - 1),
				    .target = place << 32 | turn,
				    .perm = (uint32_t)(place ^ turn) & 0xff };
}

static uint64_t clock_of(struct shared *s, uint64_t place)
{
	return atomic_load(&s->clock[place]);
}

/* ---- readers ---- */

/* The item is one of ours, whole, and its place had it at or after @before and before now. */
static void check_item(struct shared *s, const struct range_item *item, uint64_t before)
{
	uint64_t place = item->target >> 32;
	uint64_t turn = item->target & UINT32_MAX;
	struct range_item whole;

	if (place >= PLACES) {
		wrong(s, "no item of ours", place, item);
		return;
	}
	whole = item_at(s, place, turn);
	if (whole.first != item->first || whole.last != item->last || whole.perm != item->perm)
		wrong(s, "torn item", place, item);
	if (turn < before / PHASES)
		wrong(s, "item of the past", place, item);
	if (turn * PHASES + ADDING > clock_of(s, place))
		wrong(s, "item of the future", place, item);
}

/* Its item was there all the time since @before. */
static bool was_there(struct shared *s, uint64_t place, uint64_t before)
{
	return before % PHASES == THERE && clock_of(s, place) == before;
}

static void look_up(struct shared *s, uint64_t place, uint64_t offset)
{
	uint64_t address = s->origin + place * PLACE_BYTES + offset;
	uint64_t before = clock_of(s, place);
	struct range_item item = { .first = address };

	if (range_map_find(s->pool, &s->map, address, &item)) {
		check_item(s, &item, before);
		if (item.target >> 32 != place || address < item.first || address > item.last)
			wrong(s, "another place", place, &item);
		atomic_fetch_add_explicit(&s->found, 1, memory_order_relaxed);
		return;
	}
	if (offset < ITEM_BYTES(place, before / PHASES) && was_there(s, place, before))
		wrong(s, "not found", place, &item);
	atomic_fetch_add_explicit(&s->missed, 1, memory_order_relaxed);
}

enum { NEAR = 8 };

/* Items of the next places may not be passed over. */
static void look_next(struct shared *s, uint64_t place)
{
	uint64_t address = s->origin + place * PLACE_BYTES;
	struct range_item item = { .first = address };
	uint64_t before[NEAR];
	uint64_t met = PLACES;

	for (unsigned i = 0; i < NEAR; i++)
		before[i] = place + i < PLACES ? clock_of(s, place + i) : NONE;
	if (range_map_next(s->pool, &s->map, address, &item)) {
		met = item.target >> 32;
		check_item(s, &item, met >= place && met - place < NEAR ? before[met - place] : 0);
		if (met < place)
			wrong(s, "went back", place, &item);
	}
	for (unsigned i = 0; i < NEAR && place + i < met; i++)
		if (was_there(s, place + i, before[i]))
			wrong(s, "passed over", place + i, &item);
}

static void *read_all(void *opaque)
{
	struct reader *r = opaque;
	struct shared *s = r->s;

	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		uint64_t place = (world_random(&r->seed) >> 8) % PLACES;

		if (r->seed & 6)
			place = (atomic_load(&s->hot) + place % 32) % PLACES;
		if (r->seed >> 60 & 1)
			look_up(s, place, r->seed >> 4 & (PLACE_BYTES - 1));
		else
			look_next(s, place);
	}
	return NULL;
}

/* ---- the writer ---- */

static void tick(struct shared *s, uint64_t from, uint64_t to, enum phase phase)
{
	for (uint64_t i = from; i < to; i++) {
		uint64_t now = clock_of(s, i);

		/* those that have no item stay as they are */
		if (now % PHASES == (phase + PHASES - 1) % PHASES)
			atomic_store(&s->clock[i], now + 1);
	}
}

static void put(struct shared *s, uint64_t place)
{
	uint64_t now = clock_of(s, place);
	struct range_item item = item_at(s, place, now / PHASES);

	atomic_store(&s->hot, place);
	if (now % PHASES != NONE)
		return;
	tick(s, place, place + 1, ADDING);
	if (range_map_add(s->pool, &s->map, &item) != VIOMMU_OK)
		wrong(s, "cannot add", place, &item);
	tick(s, place, place + 1, THERE);
}

static void take(struct shared *s, uint64_t from, uint64_t to)
{
	atomic_store(&s->hot, from);
	tick(s, from, to, REMOVING);
	range_map_remove(s->pool, &s->map, s->origin + from * PLACE_BYTES,
			 s->origin + (to * PLACE_BYTES - 1), NULL, NULL);
	tick(s, from, to, NONE);
}

static void clear(struct shared *s)
{
	tick(s, 0, PLACES, REMOVING);
	range_map_clear(s->pool, &s->map);
	tick(s, 0, PLACES, NONE);
}

/* Up, down or anywhere, for a while; then one by one or many at once. */
static void change(struct shared *s)
{
	uint64_t at = (world_random(&s->seed) >> 8) % PLACES;
	uint64_t many = 1 + (world_random(&s->seed) >> 8) % 512;
	uint64_t how = (world_random(&s->seed) >> 8) % 64;

	for (uint64_t i = 0; i < many; i++) {
		uint64_t next = (world_random(&s->seed) >> 8) % PLACES;
		uint64_t up = (at + i) % PLACES;
		uint64_t down = (at + PLACES - i) % PLACES;

		if (how < 40)
			put(s, how < 12 ? up : how < 24 ? down : next);
		else if (how < 60)
			take(s, how < 44 ? up : next, (how < 44 ? up : next) + 1);
	}
	if (how == 60 && many < 64)
		clear(s);
	else if (how > 60)
		take(s, at, at + many < PLACES ? at + many : PLACES);
}

static void run(uint64_t origin, uint64_t seed, unsigned changes)
{
	static struct shared s;
	struct reader reader[READERS];
	struct range_pool_config config = { zeroed, dealloc, NULL, PLACES };

	memset(&s, 0, sizeof(s));
	s.origin = origin;
	s.seed = seed;
	assert_int_equal(range_pool_new(&config, &s.pool), VIOMMU_OK);
	for (unsigned i = 0; i < READERS; i++) {
		reader[i] = (struct reader){ .s = &s, .seed = seed + 2 * (i + 1) };
		world_start(&reader[i].thread, read_all, &reader[i]);
	}
	for (unsigned i = 0; i < changes && !atomic_load(&s.failed); i++)
		change(&s);
	atomic_store(&s.stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(reader[i].thread, NULL);
	print_message("%llu found, %llu not\n", (unsigned long long)s.found,
		      (unsigned long long)s.missed);
	if (s.failed)
		fail_msg("%s", s.failure);
	assert_true(s.found > 0 && s.missed > 0);
	range_pool_free(s.pool);
}

static void test_low(void **state)
{
	(void)state;
	run(0, run_seed(RUN_ANY_SEED) | 1, scaled(8000));
}

/* The last place ends with the last address. */
static void test_high(void **state)
{
	(void)state;
	run(UINT64_MAX - (PLACES * PLACE_BYTES - 1), run_seed(RUN_ANY_SEED) | 1, scaled(8000));
}

/* ---- readers who ask ---- */

struct asked {
	struct range_pool *pool;
	struct range_map map;
	_Atomic bool added;
	bool found;
};

static void *find_five(void *opaque)
{
	struct asked *a = opaque;
	struct range_item item;

	a->found = range_map_find(a->pool, &a->map, 5, &item) && item.target == 55;
	return NULL;
}

static void *find_next_of_four(void *opaque)
{
	struct asked *a = opaque;
	struct range_item item;

	a->found = range_map_next(a->pool, &a->map, 4, &item) && item.target == 55;
	return NULL;
}

static void *add_seven(void *opaque)
{
	struct asked *a = opaque;
	const struct range_item item = { .first = 7, .last = 7, .target = 77 };

	assert_int_equal(range_map_add(a->pool, &a->map, &item), VIOMMU_OK);
	atomic_store(&a->added, true);
	return NULL;
}

static void until_asking(struct asked *a, uint32_t count)
{
	while (atomic_load(&a->pool->asking) != count)
		usleep(100);
}

static void open_asked(struct asked *a)
{
	const struct range_pool_config config = { zeroed, dealloc, NULL, 100 };
	const struct range_item item = { .first = 5, .last = 5, .target = 55 };

	memset(a, 0, sizeof(*a));
	assert_int_equal(range_pool_new(&config, &a->pool), VIOMMU_OK);
	assert_int_equal(range_map_add(a->pool, &a->map, &item), VIOMMU_OK);
}

/* A change that does not end: the reader asks, and sleeps. Nobody tells him that it has ended, as if he
 * had asked too late to be seen: he looks again. */
static void test_change_that_takes_long(void **state)
{
	void *(*const look[])(void *) = { find_five, find_next_of_four };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct asked a;
		pthread_t reader;

		open_asked(&a);
		seq_write_begin(&a.map.version);
		world_start(&reader, look[i], &a);
		until_asking(&a, 1);
		usleep(5000);
		assert_int_equal(atomic_load(&a.pool->asking), 1);
		seq_write_end(&a.map.version);
		pthread_join(reader, NULL);
		assert_true(a.found);
		assert_int_equal(atomic_load(&a.pool->asking), 0);
		range_pool_free(a.pool);
	}
}

/* While somebody asks, no change begins; it does when he has found what he looks for. */
static void test_writer_waits_for_who_asks(void **state)
{
	unsigned tries = 0;
	struct asked a;
	pthread_t writer;

	(void)state;
	open_asked(&a);
	while (tries <= SEQ_TRIES) /* as if each had met a change */
		range_map_again(a.pool, tries++);
	until_asking(&a, 1);
	world_start(&writer, add_seven, &a);
	usleep(20000);
	assert_false(atomic_load(&a.added));
	assert_int_equal(atomic_load(&a.map.version) & 1, 0);
	range_map_found(a.pool, tries);
	pthread_join(writer, NULL);
	assert_true(atomic_load(&a.added));
	range_pool_free(a.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_low),
		cmocka_unit_test(test_high),
		cmocka_unit_test(test_change_that_takes_long),
		cmocka_unit_test(test_writer_waits_for_who_asks),
	};

	watchdog();
	return cmocka_run_group_tests_name("range_map_threads", tests, NULL, NULL);
}
