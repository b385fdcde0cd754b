/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_epoch_threads.c - memory/epoch.h between two threads: whoever has entered a section before an epoch has passed
 * sees the change that came before it, or holds it back. With fences in the readers, and with membarrier; in sections
 * of its own, a visitor's, or counted. (That a fence
 * is missing shows only on processors that are free at the same time; that the kernel is called: test_membarrier.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "epoch.h"
#include "run.h"

enum { ROUNDS = 4000, PATIENCE = 200 };

struct duel {
	struct epoch epoch;
	struct epoch_section section;
	_Atomic uint32_t current; /* what is in use */
	_Atomic uint8_t dead[ROUNDS + 2];
	_Atomic bool stop;
	enum kind { OWN, VISITOR, COUNTED, CROWDED } kind;
	struct epoch_group group;
	uint64_t ignored; /* sections that are no younger */
	_Atomic uint64_t sections, held, bad;
};

static struct duel duel;

/* What was current inside the section must stay alive until it closes. */
static void *reader(void *opaque)
{
	struct duel *d = opaque;
	bool counted = d->kind >= COUNTED;
	uint64_t sections = 0;
	unsigned bucket = 0;

	while (!atomic_load_explicit(&d->stop, memory_order_relaxed)) {
		struct epoch_section *section = &d->section;
		uint32_t now;

		if (counted)
			bucket = epoch_join(&d->epoch, &d->group);
		else if (d->kind == VISITOR)
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
		if (counted)
			epoch_part(&d->epoch, &d->group, bucket);
		else if (d->kind == VISITOR)
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

/* CROWDED: buckets that are in use all the time, by who needs not be waited for. */
static bool is_reader(void *opaque, const void *owner, uint64_t entered)
{
	(void)owner;
	return entered > *(uint64_t *)opaque;
}

static void hold_all_but_two(struct duel *d, unsigned *held)
{
	for (unsigned i = 0; d->kind == CROWDED && i < EPOCH_BUCKETS - 2; i++) {
		held[i] = epoch_join(&d->epoch, &d->group);
		epoch_passed(&d->epoch, epoch_start(&d->epoch), NULL);
	}
	d->ignored = d->kind == CROWDED ? atomic_load(&d->epoch.now) - 1 : 0;
}

static void let_go(struct duel *d, const unsigned *held)
{
	for (unsigned i = 0; d->kind == CROWDED && i < EPOCH_BUCKETS - 2; i++)
		epoch_part(&d->epoch, &d->group, held[i]);
}

static bool passed(struct duel *d, uint64_t target)
{
	const struct epoch_filter filter = { is_reader, &d->ignored };

	return epoch_passed_for(&d->epoch, target, NULL, &filter);
}

/* How many changes were held back: how often the two met. */
static uint64_t once(bool membarrier, enum kind kind)
{
	uint64_t percent = run_percent(100);
	uint32_t rounds = (uint32_t)(percent < 100 ? ROUNDS * percent / 100 : ROUNDS);
	struct duel *d = &duel;
	unsigned held[EPOCH_BUCKETS];
	pthread_t thread;

	memset(d, 0, sizeof(*d));
	d->kind = kind;
	epoch_init(&d->epoch, membarrier);
	epoch_add(&d->epoch, &d->section);
	epoch_group_init(&d->group, NULL);
	hold_all_but_two(d, held);
	assert_int_equal(pthread_create(&thread, NULL, reader, d), 0);
	while (!atomic_load(&d->sections))
		sched_yield();
	for (uint32_t i = 1; i <= rounds; i++) {
		uint64_t target;

		meet(d, i);
		/* relaxed: that it is seen in time is what the epoch promises */
		atomic_store_explicit(&d->current, i, memory_order_relaxed);
		target = epoch_start(&d->epoch);
		if (!passed(d, target))
			d->held++;
		while (!passed(d, target))
			sched_yield();
		atomic_store_explicit(&d->dead[i - 1], 1, memory_order_relaxed);
	}
	atomic_store(&d->stop, true);
	pthread_join(thread, NULL);
	print_message("%llu sections, %llu of %u changes were held back\n",
		      (unsigned long long)d->sections, (unsigned long long)d->held, rounds);
	assert_int_equal(d->bad, 0);
	let_go(d, held);
	epoch_unlist(&d->epoch, &d->group);
	epoch_remove(&d->epoch, &d->section);
	epoch_fini(&d->epoch);
	return d->held;
}

static void run(bool membarrier, enum kind kind)
{
	alarm(250);
	if (membarrier && !epoch_membarrier_register()) {
		print_message("skipped: the kernel has no membarrier\n");
		return;
	}
	/* Whether they meet is the scheduler's choice: until they have. */
	while (!once(membarrier, kind))
		;
}

static void test_fences(void **state)
{
	(void)state;
	run(false, OWN);
}

static void test_visitors(void **state)
{
	(void)state;
	run(false, VISITOR);
}

static void test_membarrier(void **state)
{
	(void)state;
	run(true, OWN);
}

static void test_membarrier_visitors(void **state)
{
	(void)state;
	run(true, VISITOR);
}

static void test_counted(void **state)
{
	(void)state;
	run(false, COUNTED);
}

static void test_crowded(void **state)
{
	(void)state;
	run(false, CROWDED);
}

static void test_membarrier_counted(void **state)
{
	(void)state;
	run(true, COUNTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_visitors),
		cmocka_unit_test(test_membarrier),
		cmocka_unit_test(test_membarrier_visitors),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_crowded),
		cmocka_unit_test(test_membarrier_counted),
	};

	return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
