/* SPDX-License-Identifier: BSD-3-Clause */
/* test_line.c - unit/host.h: wired interrupts are told in order, once, and as they are in the end. */
#include "check.h"

#include <pthread.h>

#include "bits.h"
#include "plain_engine.h"

static struct plain_world w;
static _Atomic uint64_t level; /* as the engine's registers have it */

/* What the host has heard: the first of them. */
static struct {
	uint32_t number;
	uint32_t level;
} heard[64];
static unsigned hears;
static unsigned works;

/* Called inside the host's callback. */
static void (*inside)(void);

static uint64_t lines(struct viommu *u)
{
	return atomic_load(&level);
}

static void line(void *opaque, uint32_t number, uint32_t now)
{
	assert_ptr_equal(opaque, &w);
	assert_true(now <= 1);
	if (hears < ARRAY_COUNT(heard)) {
		heard[hears].number = number;
		heard[hears].level = now;
	}
	hears++;
	if (inside)
		inside();
}

static void work(void *opaque)
{
	works++;
}

static int run(struct viommu *u)
{
	return VIOMMU_OK;
}

static struct translation no_page(uint64_t iova)
{
	return (struct translation){ .iova = iova };
}

static int open_world(void **state)
{
	plain_open(&w, no_page);
	w.engine.lines = lines;
	w.engine.run = run;
	w.plain.unit.host.opaque = &w;
	w.plain.unit.host.line = line;
	w.plain.unit.host.work = work;
	atomic_store(&level, 0);
	hears = works = 0;
	inside = NULL;
	return 0;
}

static int close_world(void **state)
{
	plain_close(&w);
	return 0;
}

#define CHECK_HEARD(n, line, now)                                                                  \
	do {                                                                                       \
		assert_int_equal(heard[n].number, line);                                           \
		assert_int_equal(heard[n].level, now);                                             \
	} while (0)

static void test_levels(void **state)
{
	unit_lines(&w.plain.unit);
	assert_int_equal(hears, 0); /* all are 0 at the beginning */
	level = BIT(0) | BIT(63);
	unit_lines(&w.plain.unit);
	unit_lines(&w.plain.unit);
	assert_int_equal(hears, 2);
	CHECK_HEARD(0, 0, 1);
	CHECK_HEARD(1, 63, 1);
	level = BIT(63);
	unit_lines(&w.plain.unit);
	assert_int_equal(hears, 3);
	CHECK_HEARD(2, 0, 0);
}

static void test_edges(void **state)
{
	unit_edge(&w.plain.unit, 2);
	unit_edge(&w.plain.unit, 2); /* not told yet: one with it */
	level = BIT(1);
	unit_lines(&w.plain.unit);
	unit_lines(&w.plain.unit);
	assert_int_equal(hears, 3);
	CHECK_HEARD(0, 1, 1);
	CHECK_HEARD(1, 2, 1);
	CHECK_HEARD(2, 2, 0);
	unit_edge(&w.plain.unit, 2);
	unit_lines(&w.plain.unit);
	assert_int_equal(hears, 5);
}

/* Calls on registers tell by themselves; as do engines that have edges alone. */
static void test_calls_tell(void **state)
{
	level = BIT(5);
	assert_int_equal(viommu_run(&w.plain.unit), VIOMMU_OK);
	assert_int_equal(hears, 1);
	CHECK_HEARD(0, 5, 1);
	level = 0;
	viommu_run(&w.plain.unit);
	w.engine.lines = NULL;
	unit_edge(&w.plain.unit, 1);
	viommu_run(&w.plain.unit);
	assert_int_equal(hears, 4);
}

static void test_nobody_listens(void **state)
{
	w.plain.unit.host.line = NULL;
	level = BIT(5);
	unit_edge(&w.plain.unit, 1);
	unit_lines(&w.plain.unit);
	assert_int_equal(viommu_run(&w.plain.unit), VIOMMU_OK);
	assert_int_equal(hears, 0);
}

static void lower_it(void)
{
	unsigned before = hears;

	level = 0;
	unit_lines(&w.plain.unit);
	assert_int_equal(hears, before); /* not one call inside another */
}

static void test_change_inside_is_told_after_it(void **state)
{
	inside = lower_it;
	level = BIT(7);
	unit_lines(&w.plain.unit);
	assert_int_equal(hears, 2);
	CHECK_HEARD(0, 7, 1);
	CHECK_HEARD(1, 7, 0);
}

static void flap(void)
{
	level ^= BIT(7);
	unit_lines(&w.plain.unit);
}

/* Who tells does not do so for ever because of others: viommu_run() goes on. */
static void test_who_tells_gets_away(void **state)
{
	inside = flap;
	level = BIT(7);
	unit_lines(&w.plain.unit);
	assert_int_equal(works, 1);
	assert_true(hears <= 16);
	assert_true(level != w.plain.unit.lines.told);
	inside = NULL;
	viommu_run(&w.plain.unit);
	assert_true(level == w.plain.unit.lines.told);
	assert_int_equal(heard[hears - 1].level, level >> 7);
}

/* ---- threads ---- */

#define CHANGES 20000

static _Atomic unsigned within; /* calls of the host's callback */
static unsigned wrong;
static uint64_t shown;

static void line_of_threads(void *opaque, uint32_t number, uint32_t now)
{
	wrong += atomic_fetch_add(&within, 1) != 0;
	wrong += (shown >> number & 1) == now; /* it was so already */
	shown ^= BIT(number);
	atomic_fetch_sub(&within, 1);
}

static void *change(void *opaque)
{
	unsigned number = *(const unsigned *)opaque;

	for (unsigned i = 0; i < CHANGES + number; i++) {
		atomic_fetch_xor(&level, BIT(number));
		unit_lines(&w.plain.unit);
	}
	return NULL;
}

static void test_the_last_is_how_it_is(void **state)
{
	static const unsigned number[2] = { 0, 1 };
	pthread_t thread[2];

	w.plain.unit.host.line = line_of_threads;
	wrong = 0;
	shown = 0;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, change, (void *)&number[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	viommu_run(&w.plain.unit); /* who got away has asked for it */
	assert_int_equal(wrong, 0);
	assert_int_equal(level, BIT(1)); /* changed an odd number of times */
	assert_int_equal(shown, BIT(1));
}

#define LINE_TEST(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINE_TEST(test_levels),
		LINE_TEST(test_edges),
		LINE_TEST(test_calls_tell),
		LINE_TEST(test_nobody_listens),
		LINE_TEST(test_change_inside_is_told_after_it),
		LINE_TEST(test_who_tells_gets_away),
		LINE_TEST(test_the_last_is_how_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
