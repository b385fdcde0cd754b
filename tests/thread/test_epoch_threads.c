/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_epoch_threads.c - core/epoch.h between two threads: whoever has entered a section before an epoch has passed
 * sees the change that came before it, or holds it back. With fences in the readers, and with membarrier. (That a fence
 * is missing shows only on processors that are free at the same time; that the kernel is called: test_membarrier.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "epoch.h"

enum { ROUNDS = 4000, PATIENCE = 200 };

struct duel {
	struct epoch epoch;
	struct epoch_section section;
	_Atomic uint32_t current; /* what is in use */
	_Atomic uint8_t dead[ROUNDS + 2];
	_Atomic bool stop;
	_Atomic uint64_t sections, held, bad;
	bool visitor;
};

static struct duel duel;

/* What was current inside the section must stay alive until it closes. */
static void *reader(void *opaque)
{
	struct duel *d = opaque;
	uint64_t sections = 0;

	while (!atomic_load_explicit(&d->stop, memory_order_relaxed)) {
		struct epoch_section *section = &d->section;
		uint32_t now;

		if (d->visitor)
			section = epoch_visit(&d->epoch);
		else
			epoch_enter(&d->epoch, section);
		now = atomic_load_explicit(&d->current, memory_order_relaxed);
		for (unsigned i = 0; i < 4; i++) {
			if (atomic_load_explicit(&d->dead[now], memory_order_relaxed))
				atomic_fetch_add(&d->bad, 1);
			if (i == 2 && sections % 16 == 0)
				sched_yield(); /* the other one shall find it inside */
		}
		if (d->visitor)
			epoch_visit_end(&d->epoch, section);
		else
			epoch_leave(&d->epoch, section);
		atomic_store_explicit(&d->sections, ++sections, memory_order_relaxed);
	}
	return NULL;
}

/* The reader is about in the middle of its next section. */
static void meet(struct duel *d, uint32_t round)
{
	uint64_t seen = atomic_load_explicit(&d->sections, memory_order_relaxed);

	for (unsigned i = 0; atomic_load_explicit(&d->sections, memory_order_relaxed) == seen;
	     i++) {
		if (i > PATIENCE)
			sched_yield();
	}
	for (volatile unsigned i = 0; i < round % 32; i++)
		;
}

/* How many changes were held back: how often the two met. */
static uint64_t once(bool membarrier, bool visitor)
{
	const char *scale = getenv("VIOMMU_TEST_SCALE");
	unsigned long percent = scale ? strtoul(scale, NULL, 0) : 100;
	uint32_t rounds = (uint32_t)(percent < 100 ? ROUNDS * percent / 100 : ROUNDS);
	struct duel *d = &duel;
	pthread_t thread;

	memset(d, 0, sizeof(*d));
	d->visitor = visitor;
	epoch_init(&d->epoch, membarrier);
	epoch_add(&d->epoch, &d->section);
	assert_int_equal(pthread_create(&thread, NULL, reader, d), 0);
	while (!atomic_load(&d->sections))
		sched_yield();
	for (uint32_t i = 1; i <= rounds; i++) {
		uint64_t target;

		meet(d, i);
		/* relaxed: that it is seen in time is what the epoch promises */
		atomic_store_explicit(&d->current, i, memory_order_relaxed);
		target = epoch_start(&d->epoch);
		if (!epoch_passed(&d->epoch, target, NULL))
			d->held++;
		while (!epoch_passed(&d->epoch, target, NULL))
			sched_yield();
		atomic_store_explicit(&d->dead[i - 1], 1, memory_order_relaxed);
	}
	atomic_store(&d->stop, true);
	pthread_join(thread, NULL);
	print_message("%llu sections, %llu of %u changes were held back\n",
		      (unsigned long long)d->sections, (unsigned long long)d->held, rounds);
	assert_int_equal(d->bad, 0);
	epoch_remove(&d->epoch, &d->section);
	epoch_fini(&d->epoch);
	return d->held;
}

static void run(bool membarrier, bool visitor)
{
	alarm(250);
	if (membarrier && !epoch_membarrier_register()) {
		print_message("skipped: the kernel has no membarrier\n");
		return;
	}
	/* Whether they meet is the scheduler's choice: until they have. */
	while (!once(membarrier, visitor))
		;
}

static void test_fences(void **state)
{
	(void)state;
	run(false, false);
}

static void test_visitors(void **state)
{
	(void)state;
	run(false, true);
}

static void test_membarrier(void **state)
{
	(void)state;
	run(true, false);
}

static void test_membarrier_visitors(void **state)
{
	(void)state;
	run(true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_visitors),
		cmocka_unit_test(test_membarrier),
		cmocka_unit_test(test_membarrier_visitors),
	};

	return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
