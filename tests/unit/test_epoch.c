/* SPDX-License-Identifier: BSD-3-Clause */
/* test_epoch.c - memory/epoch.h: sections, visitors, and who waits for whom. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "epoch.h"

enum { MANY = 10000 };

/* Who waits for whom is the same, whether readers have fences or not. */
static bool membarrier;

static void setup_epoch(struct epoch *e)
{
	memset(e, 0, sizeof(*e));
	epoch_init(e, membarrier);
}

static void nobody_inside(void **state)
{
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	target = epoch_start(&e);
	assert_true(epoch_passed(&e, target, NULL));
	assert_true(epoch_wait(&e, target, NULL));
	epoch_done(&e);
	assert_int_equal(atomic_load(&e.waiting), 0);
	assert_true(epoch_start(&e) > target);
	epoch_fini(&e);
}

/* Only sections older than the change hold it back. */
static void older_and_newer(void **state)
{
	struct epoch_section a = { 0 }, b = { 0 };
	struct epoch e;
	uint64_t first, second;

	setup_epoch(&e);
	epoch_add(&e, &a);
	epoch_add(&e, &b);
	epoch_enter(&e, &a);
	first = epoch_start(&e);
	epoch_enter(&e, &b);
	assert_false(epoch_passed(&e, first, NULL));
	second = epoch_start(&e);
	assert_false(epoch_passed(&e, second, NULL));
	epoch_leave(&e, &a);
	assert_true(epoch_passed(&e, first, NULL));
	assert_false(epoch_passed(&e, second, NULL));
	epoch_enter(&e, &a);
	assert_false(epoch_passed(&e, second, NULL));
	epoch_leave(&e, &b);
	assert_true(epoch_passed(&e, second, NULL));
	epoch_leave(&e, &a);
	epoch_remove(&e, &a);
	epoch_remove(&e, &b);
	assert_null(e.sections);
	epoch_fini(&e);
}

/* A section that is taken away no longer counts; the others stay linked. */
static void removal(void **state)
{
	struct epoch_section s[4] = { { 0 } };
	struct epoch e;

	for (unsigned gone = 0; gone < 4; gone++) {
		uint64_t target;

		setup_epoch(&e);
		for (unsigned i = 0; i < 4; i++)
			epoch_add(&e, &s[i]);
		epoch_remove(&e, &s[gone]);
		epoch_enter(&e, &s[gone]);
		target = epoch_start(&e);
		assert_true(epoch_passed(&e, target, NULL));
		for (unsigned i = 0; i < 4; i++) {
			if (i == gone)
				continue;
			epoch_enter(&e, &s[i]);
			assert_false(epoch_passed(&e, epoch_start(&e), NULL));
			epoch_leave(&e, &s[i]);
		}
		epoch_fini(&e);
	}
}

static void own_section_is_not_counted(void **state)
{
	struct epoch_section own = { 0 }, *visitor, *other;
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	epoch_add(&e, &own);
	epoch_enter(&e, &own);
	target = epoch_start(&e);
	assert_false(epoch_passed(&e, target, NULL));
	assert_true(epoch_passed(&e, target, &own));
	visitor = epoch_visit(&e);
	target = epoch_start(&e);
	assert_false(epoch_passed(&e, target, &own));
	assert_false(epoch_passed(&e, target, visitor));
	epoch_leave(&e, &own);
	assert_true(epoch_passed(&e, target, visitor));
	other = epoch_visit(&e);
	target = epoch_start(&e);
	assert_false(epoch_passed(&e, target, visitor));
	epoch_visit_end(&e, other);
	epoch_visit_end(&e, visitor);
	epoch_remove(&e, &own);
	epoch_fini(&e);
}

/* Each of the visitors has a section of its own; whoever comes after that is counted, and holds back
 * what is younger and nothing else. */
static void more_visitors_than_sections(void **state)
{
	struct epoch_section *v[EPOCH_VISITORS], *late, *later, *last;
	struct epoch e;
	uint64_t target, next;

	setup_epoch(&e);
	for (unsigned i = 0; i < EPOCH_VISITORS; i++) {
		v[i] = epoch_visit(&e);
		assert_non_null(v[i]);
		for (unsigned j = 0; j < i; j++)
			assert_ptr_not_equal(v[i], v[j]);
	}
	late = epoch_visit(&e);
	later = epoch_visit(&e);
	for (unsigned i = 0; i < EPOCH_VISITORS; i++)
		assert_ptr_not_equal(late, v[i]);
	target = epoch_start(&e);
	assert_false(epoch_passed(&e, target, NULL));
	last = epoch_visit(&e);
	for (unsigned i = 0; i < EPOCH_VISITORS; i++)
		epoch_visit_end(&e, v[i]);
	assert_false(epoch_passed(&e, target, NULL));
	epoch_visit_end(&e, late);
	assert_false(epoch_passed(&e, target, NULL));
	epoch_visit_end(&e, later);
	assert_true(epoch_passed(&e, target, NULL));
	next = epoch_start(&e);
	assert_false(epoch_passed(&e, next, NULL));
	epoch_visit_end(&e, last);
	assert_true(epoch_passed(&e, next, NULL));
	v[0] = epoch_visit(&e);
	assert_ptr_not_equal(v[0], late);
	epoch_visit_end(&e, v[0]);
	epoch_fini(&e);
}

/* ---- sections that are counted ---- */

static void setup_group_in(struct epoch *e, struct epoch_group *group)
{
	epoch_group_init(group, NULL);
	epoch_part(e, group, epoch_join(e, group));
}

static void setup_group(struct epoch *e, struct epoch_group *group, const void *owner)
{
	setup_epoch(e);
	epoch_group_init(group, owner);
}

static void end_group(struct epoch *e, struct epoch_group *group)
{
	assert_true(epoch_group_is_empty(group));
	epoch_unlist(e, group);
	assert_null(e->groups);
	epoch_fini(e);
}

/* However many are open: those that are older hold it back, and only the last of them to close wakes
 * who waits. */
static void many_in_a_group(void **state)
{
	static unsigned older[MANY], younger[MANY];
	struct epoch_group group;
	struct epoch e;
	uint64_t target;

	setup_group(&e, &group, NULL);
	for (unsigned i = 0; i < MANY; i++)
		older[i] = epoch_join(&e, &group);
	target = epoch_start(&e);
	assert_false(epoch_wait(&e, target, NULL));
	for (unsigned i = 0; i < MANY; i++)
		younger[i] = epoch_join(&e, &group);
	for (unsigned i = 0; i < MANY; i++) {
		assert_false(epoch_passed(&e, target, NULL));
		assert_int_equal(epoch_part(&e, &group, older[i]), i == MANY - 1);
	}
	assert_true(epoch_wait(&e, target, NULL));
	epoch_done(&e);
	assert_false(epoch_group_is_empty(&group));
	assert_false(epoch_passed(&e, epoch_start(&e), NULL));
	for (unsigned i = 0; i < MANY; i++)
		assert_false(epoch_part(&e, &group, younger[i]));
	end_group(&e, &group);
}

/* The first section of a group is as young as it is, whatever went on before. */
static void first_in_a_group(void **state)
{
	struct epoch_group group;
	struct epoch e;
	uint64_t target = 0;
	unsigned bucket;

	setup_group(&e, &group, NULL);
	for (unsigned i = 0; i < 100; i++)
		target = epoch_start(&e);
	bucket = epoch_join(&e, &group);
	assert_true(epoch_passed(&e, target, NULL));
	assert_false(epoch_passed(&e, epoch_start(&e), NULL));
	epoch_part(&e, &group, bucket);
	end_group(&e, &group);
}

/* Sections that overlap, so that at no time none is open: each epoch passes when what is older has
 * closed. */
static void overlapping(void **state)
{
	struct epoch_group group;
	struct epoch e;
	unsigned open;

	setup_group(&e, &group, NULL);
	open = epoch_join(&e, &group);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t target = epoch_start(&e);
		unsigned next;

		assert_false(epoch_wait(&e, target, NULL));
		next = epoch_join(&e, &group);
		assert_true(epoch_part(&e, &group, open));
		assert_true(epoch_wait(&e, target, NULL));
		open = next;
	}
	epoch_done(&e);
	epoch_part(&e, &group, open);
	end_group(&e, &group);
}

/* A section stays open in every bucket, and others come and go without end: nothing passes that is
 * held back, and as soon as one bucket is empty the stream is younger again. */
static void buckets_in_use(void **state)
{
	unsigned held[EPOCH_BUCKETS], stream;
	struct epoch_group group;
	uint64_t target[EPOCH_BUCKETS];
	struct epoch e;

	for (unsigned free = 0; free + 1 < EPOCH_BUCKETS; free++) {
		setup_group(&e, &group, NULL);
		for (unsigned i = 0; i < EPOCH_BUCKETS; i++) {
			held[i] = epoch_join(&e, &group);
			for (unsigned j = 0; j < i; j++)
				assert_int_not_equal(held[i], held[j]);
			target[i] = epoch_start(&e);
			assert_false(epoch_passed(&e, target[i], NULL));
		}
		stream = epoch_join(&e, &group);
		assert_int_equal(stream, held[EPOCH_BUCKETS - 1]);
		epoch_part(&e, &group, held[EPOCH_BUCKETS - 1]);
		for (unsigned i = 0; i < EPOCH_BUCKETS; i++)
			assert_false(epoch_passed(&e, target[i], NULL));
		epoch_part(&e, &group, held[free]);
		assert_int_equal(epoch_passed(&e, target[0], NULL), free == 0);
		for (unsigned i = 0; i < 10; i++) { /* without a gap */
			unsigned next = epoch_join(&e, &group);

			assert_int_equal(next, held[free]);
			epoch_part(&e, &group, stream);
			stream = next;
		}
		for (unsigned i = 0; i + 1 < EPOCH_BUCKETS; i++) {
			if (i != free)
				epoch_part(&e, &group, held[i]);
		}
		for (unsigned i = 0; i < EPOCH_BUCKETS; i++)
			assert_true(epoch_passed(&e, target[i], NULL));
		epoch_part(&e, &group, stream);
		end_group(&e, &group);
	}
}

/* All are in use, and the current one is the first, whose number is what an empty bucket counts: there is no other to go
 * to. */
static void no_bucket_after_the_last(void **state)
{
	unsigned held[EPOCH_BUCKETS];
	struct epoch_group group;
	struct epoch e;

	setup_group(&e, &group, NULL);
	for (unsigned i = 0; i < EPOCH_BUCKETS; i++) {
		held[i] = epoch_join(&e, &group);
		assert_false(epoch_passed(&e, epoch_start(&e), NULL));
	}
	assert_int_equal(held[0], 0);
	epoch_part(&e, &group, held[0]);
	assert_false(epoch_passed(&e, epoch_start(&e), NULL));
	for (unsigned i = 0; i < 3; i++) {
		held[0] = epoch_join(&e, &group);
		assert_int_equal(held[0], 0);
		assert_false(epoch_passed(&e, epoch_start(&e), NULL));
		assert_int_equal(epoch_join(&e, &group), 0);
		epoch_part(&e, &group, 0);
	}
	for (unsigned i = 0; i < 2; i++)
		epoch_part(&e, &group, 0);
	for (unsigned i = 0; i < EPOCH_BUCKETS; i++)
		epoch_part(&e, &group, held[i]);
	end_group(&e, &group);
}

/* A bucket that somebody is in never gets younger. */
static void label_of_an_open_bucket(void **state)
{
	struct epoch_group group;
	struct epoch e;
	uint64_t target;
	unsigned old;

	setup_group(&e, &group, NULL);
	old = epoch_join(&e, &group);
	target = epoch_start(&e);
	for (unsigned i = 0; i < 3 * EPOCH_BUCKETS; i++) {
		unsigned other;

		epoch_passed(&e, epoch_start(&e), NULL);
		other = epoch_join(&e, &group);
		assert_int_not_equal(other, old);
		epoch_part(&e, &group, other);
		assert_false(epoch_passed(&e, target, NULL));
	}
	epoch_part(&e, &group, old);
	assert_true(epoch_passed(&e, target, NULL));
	end_group(&e, &group);
}

/* Groups come and go. */
static void groups_unlisted(void **state)
{
	struct epoch_group group[4];
	struct epoch e;

	for (unsigned gone = 0; gone < 4; gone++) {
		unsigned bucket[4];

		setup_epoch(&e);
		for (unsigned i = 0; i < 4; i++) {
			epoch_group_init(&group[i], NULL);
			bucket[i] = epoch_join(&e, &group[i]);
		}
		epoch_part(&e, &group[gone], bucket[gone]);
		epoch_unlist(&e, &group[gone]);
		for (unsigned i = 0; i < 4; i++) {
			if (i == gone)
				continue;
			assert_false(epoch_passed(&e, epoch_start(&e), NULL));
			epoch_part(&e, &group[i], bucket[i]);
			epoch_unlist(&e, &group[i]);
		}
		assert_true(epoch_passed(&e, UINT64_MAX, NULL));
		end_group(&e, &group[gone]);
	}
}

/* Leaving says so if, and only if, that lets someone go on; also when another wait was over sooner. */
static void wait_and_wake(void **state)
{
	struct epoch_section a = { 0 }, *visitor;
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	epoch_add(&e, &a);
	epoch_enter(&e, &a);
	target = epoch_start(&e);
	assert_false(epoch_passed(&e, target, NULL));
	assert_false(epoch_leave(&e, &a));
	epoch_enter(&e, &a);
	target = epoch_start(&e);
	assert_false(epoch_wait(&e, target, NULL));
	visitor = epoch_visit(&e);
	assert_false(epoch_visit_end(&e, visitor)); /* not the one */
	assert_false(epoch_wait(&e, target, NULL));
	assert_true(epoch_wait(&e, 1, NULL));
	assert_true(epoch_leave(&e, &a));
	assert_true(epoch_wait(&e, target, NULL));
	epoch_done(&e);
	epoch_enter(&e, &a);
	assert_false(epoch_leave(&e, &a));
	epoch_remove(&e, &a);
	epoch_fini(&e);
}

/* Whoever leaves while another holds back what is waited for says nothing, the last one does, once; and the
 * older of two waits is the one that counts. */
static void the_last_one_wakes(void **state)
{
	struct epoch_section a = { 0 }, b = { 0 }, c = { 0 };
	struct epoch e;
	uint64_t first, second;
	unsigned woken = 0;

	setup_epoch(&e);
	epoch_add(&e, &a);
	epoch_add(&e, &b);
	epoch_add(&e, &c);
	e.own = &c;
	epoch_enter(&e, &a);
	epoch_enter(&e, &b);
	first = epoch_start(&e);
	epoch_enter(&e, &c); /* of who waits */
	second = epoch_start(&e);
	assert_false(epoch_wait(&e, second, &c));
	assert_false(epoch_wait(&e, first, &c));
	assert_false(epoch_leave(&e, &a));
	for (unsigned i = 0; i < 5000; i++) {
		epoch_enter(&e, &a);
		woken += epoch_leave(&e, &a);
		woken += epoch_visit_end(&e, epoch_visit(&e));
	}
	assert_int_equal(woken, 0);
	epoch_enter(&e, &a); /* younger than both */
	assert_true(epoch_leave(&e, &b));
	assert_false(epoch_leave(&e, &a));
	assert_true(epoch_wait(&e, first, &c));
	assert_true(epoch_wait(&e, second, &c));
	/* only the younger one is left */
	epoch_enter(&e, &a);
	first = epoch_start(&e);
	epoch_enter(&e, &b);
	second = epoch_start(&e);
	assert_false(epoch_wait(&e, first, &c));
	assert_false(epoch_wait(&e, second, &c));
	assert_true(epoch_leave(&e, &a));
	assert_false(epoch_wait(&e, second, &c));
	assert_true(epoch_leave(&e, &b));
	assert_true(epoch_wait(&e, second, &c));
	epoch_done(&e);
	epoch_remove(&e, &a);
	epoch_remove(&e, &b);
	epoch_remove(&e, &c);
	epoch_fini(&e);
}

static bool wait_too(struct epoch *e, uint64_t target)
{
	uint32_t all = UINT32_MAX;

	return epoch_wait_too(e, target, &all) == EPOCH_PASSED;
}

/* Two wait, each on his own account: who closes what one of them waits for wakes once, and who holds back
 * neither wakes nobody; sections that are no older than the epoch that is asked for neither. */
static void two_wait(void **state)
{
	struct epoch_section a = { 0 }, b = { 0 }, c = { 0 }, stranger = { 0 };
	struct epoch e;
	uint64_t first, second;

	setup_epoch(&e);
	epoch_add(&e, &a);
	epoch_add(&e, &b);
	epoch_add(&e, &c);
	epoch_add(&e, &stranger);
	epoch_enter(&e, &a);
	first = epoch_start(&e);
	epoch_enter(&e, &b);
	epoch_enter(&e, &c);
	second = epoch_start(&e);
	assert_false(epoch_wait(&e, second, NULL));
	assert_false(wait_too(&e, first));
	epoch_enter(&e, &stranger);
	assert_false(epoch_leave(&e, &stranger));
	assert_false(epoch_leave(&e, &b)); /* not the last one */
	assert_true(epoch_leave(&e, &a));
	assert_true(wait_too(&e, first));
	epoch_enter(&e, &a);
	assert_false(epoch_leave(&e, &a));
	assert_true(epoch_leave(&e, &c));
	assert_true(epoch_wait(&e, second, NULL));
	epoch_done(&e);
	/* the owner is done: the other still waits */
	epoch_enter(&e, &a);
	first = epoch_start(&e);
	assert_false(wait_too(&e, first));
	assert_false(epoch_wait(&e, first, NULL));
	epoch_done(&e);
	assert_true(epoch_leave(&e, &a));
	assert_true(wait_too(&e, first));
	/* whoever is older may be concerned, and no one else */
	epoch_enter(&e, &a);
	epoch_start(&e);
	epoch_ask(&e);
	for (unsigned i = 0; i < 100; i++) {
		epoch_enter(&e, &stranger);
		assert_false(epoch_leave(&e, &stranger));
	}
	assert_true(epoch_leave(&e, &a));
	epoch_remove(&e, &a);
	epoch_remove(&e, &b);
	epoch_remove(&e, &c);
	epoch_remove(&e, &stranger);
	epoch_fini(&e);
}

/* The rows below look PIECE sections at a time. */
enum { PIECE = 100 };

static unsigned looked;

static enum epoch_answer wait_piece(struct epoch *e, uint64_t target)
{
	uint32_t looks = PIECE;
	enum epoch_answer answer = epoch_wait_some(e, target, e->own, &looks);

	looked += PIECE - looks;
	return answer;
}

/* What has been seen to be closed is not looked at again for the same epoch, however often it is asked for, and
 * by whomever. */
static void looks_at_many(void **state)
{
	static struct epoch_section s[MANY];
	/* in the order in which they are looked at */
	const unsigned open[] = { MANY - 1, MANY / 2, 7 };
	struct epoch e;
	uint64_t target;

	memset(s, 0, sizeof(s));
	setup_epoch(&e);
	for (unsigned i = 0; i < MANY; i++)
		epoch_add(&e, &s[i]);
	for (unsigned round = 0; round < 3; round++) {
		unsigned woken = 0, unknown = 0;

		for (unsigned i = 0; i < 3; i++)
			epoch_enter(&e, &s[open[i]]);
		looked = 0;
		target = epoch_start(&e);
		for (unsigned i = 0; i < 3; i++) {
			while (wait_piece(&e, target) == EPOCH_UNKNOWN)
				unknown++;
			for (unsigned again = 0; again < 1000; again++) {
				assert_int_equal(wait_piece(&e, target), EPOCH_HELD);
				looked--; /* at the one that holds it back */
			}
			/* one who has read the number before notes it now, and looks up what is new */
			if (i == 2)
				atomic_store(&s[MANY - 2].entered, target - 1);
			woken += epoch_leave(&e, &s[open[i]]);
		}
		assert_true(epoch_wait(&e, target, NULL));
		epoch_done(&e);
		atomic_store(&s[MANY - 2].entered, 0);
		assert_true(unknown > MANY / PIECE / 2 && unknown <= MANY / PIECE);
		assert_int_equal(woken, 3); /* there was more to look at, each time */
		assert_true(looked <= MANY + 10);
	}
	for (unsigned i = 0; i < MANY; i++)
		epoch_remove(&e, &s[i]);
	epoch_fini(&e);
}

/* The same of groups; those that go, and that come, meanwhile. */
static void looks_at_many_groups(void **state)
{
	static struct epoch_group group[MANY / 10];
	const unsigned groups = MANY / 10, held = groups / 2;
	unsigned bucket, calls = 0;
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	for (unsigned i = 0; i < groups; i++)
		setup_group_in(&e, &group[i]);
	bucket = epoch_join(&e, &group[held]);
	target = epoch_start(&e);
	while (wait_piece(&e, target) == EPOCH_UNKNOWN)
		calls++;
	assert_int_equal(calls, (groups + groups / 2) / PIECE);
	/* the next one to look at, and one that has been looked at */
	epoch_unlist(&e, &group[held - 1]);
	epoch_unlist(&e, &group[held + 1]);
	setup_group_in(&e, &group[held - 1]);
	assert_int_equal(wait_piece(&e, target), EPOCH_HELD);
	/* younger sections, wherever, hold back nothing */
	for (unsigned i = 0; i < groups; i++) {
		if (i != held + 1)
			epoch_join(&e, &group[i]);
	}
	assert_true(epoch_part(&e, &group[held], bucket));
	for (calls = 0; wait_piece(&e, target) == EPOCH_UNKNOWN; calls++)
		;
	assert_true(calls <= groups / PIECE);
	assert_true(epoch_wait(&e, target, NULL));
	epoch_fini(&e);
}

static void drop(struct epoch *e, struct epoch_group *group)
{
	epoch_unlist(e, group);
	memset(group, 0x5a, sizeof(*group));
}

/* The very group that is the next to renew, and to look at. */
static void groups_that_go(void **state)
{
	static struct epoch_group group[3 * PIECE];
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	for (unsigned i = 0; i < 3 * PIECE; i++)
		setup_group_in(&e,
			       &group[3 * PIECE - 1 - i]); /* the first one is looked at first */
	target = epoch_start(&e);
	assert_int_equal(wait_piece(&e, target), EPOCH_UNKNOWN);
	drop(&e, &group[PIECE]);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(wait_piece(&e, target), EPOCH_UNKNOWN);
	drop(&e, &group[PIECE + 1]);
	drop(&e, &group[PIECE + 2]);
	drop(&e, &group[PIECE + 3]);
	while (wait_piece(&e, target) != EPOCH_PASSED)
		;
	epoch_fini(&e);
}

/* An older epoch than the last one that was waited for, one or the other first. */
static void older_after_younger(void **state)
{
	static struct epoch_section s[MANY];
	struct epoch e;
	uint64_t first, second;

	memset(s, 0, sizeof(s));
	setup_epoch(&e);
	for (unsigned i = 0; i < MANY; i++)
		epoch_add(&e, &s[i]);
	for (unsigned round = 0; round < 4; round++) {
		unsigned calls = 0;

		first = epoch_start(&e);
		epoch_enter(&e, &s[MANY - 1]); /* looked at first */
		second = epoch_start(&e);
		/* the first one passes in the end, while the second is held back at the beginning */
		for (bool passed = false; !passed; calls++) {
			if (round % 2)
				assert_int_not_equal(wait_piece(&e, second), EPOCH_PASSED);
			passed = wait_piece(&e, first) == EPOCH_PASSED;
			if (round / 2)
				assert_int_not_equal(wait_piece(&e, second), EPOCH_PASSED);
		}
		assert_true(calls <= MANY / PIECE + 2);
		assert_int_equal(wait_piece(&e, second), EPOCH_HELD);
		assert_true(epoch_leave(&e, &s[MANY - 1]));
		for (calls = 0; wait_piece(&e, second) != EPOCH_PASSED; calls++)
			;
		assert_true(calls <= 2 * MANY / PIECE + 2);
		assert_int_equal(wait_piece(&e, first), EPOCH_PASSED);
		epoch_done(&e);
	}
	/* one that is taken away while it is the next to look at */
	epoch_enter(&e, &s[2]);
	first = epoch_start(&e);
	assert_false(epoch_wait(&e, first, NULL));
	atomic_store(&s[2].entered, 0);
	epoch_remove(&e, &s[2]);
	memset(&s[2], 0x5a, sizeof(s[2]));
	s[2].entered = 1;
	epoch_enter(&e, &s[0]);
	assert_true(epoch_wait(&e, first, NULL));
	epoch_leave(&e, &s[0]);
	epoch_fini(&e);
}

static void the_crowd_wakes_too(void **state)
{
	struct epoch_section *v[EPOCH_VISITORS], *late;
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	for (unsigned i = 0; i < EPOCH_VISITORS; i++)
		v[i] = epoch_visit(&e);
	late = epoch_visit(&e);
	target = epoch_start(&e);
	for (unsigned i = 0; i < EPOCH_VISITORS; i++)
		epoch_visit_end(&e, v[i]);
	assert_false(epoch_wait(&e, target, NULL));
	assert_true(epoch_visit_end(&e, late));
	assert_true(epoch_wait(&e, target, NULL));
	epoch_fini(&e);
}

/* A completion that concerns one owner: his sections hold it back, and those of nobody. */
static bool is_his(void *opaque, const void *owner, uint64_t entered)
{
	assert_true(entered > 0);
	return !owner || owner == opaque;
}

static void test_owner(void **state)
{
	int mine, other;
	struct epoch_section a = { .owner = &mine }, b = { .owner = &other };
	const struct epoch_filter filter = { is_his, &mine };
	struct epoch_section *visit;
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	epoch_add(&e, &a);
	epoch_add(&e, &b);
	epoch_enter(&e, &b);
	target = epoch_start(&e);
	assert_false(epoch_passed(&e, target, NULL));
	assert_true(epoch_passed_for(&e, target, NULL, &filter));
	epoch_enter(&e, &a);
	assert_true(epoch_passed_for(&e, target, NULL, &filter)); /* younger */
	target = epoch_start(&e);
	assert_false(epoch_passed_for(&e, target, NULL, &filter));
	assert_true(epoch_passed_for(&e, target, &a, &filter));
	epoch_ask(&e);
	assert_true(epoch_leave(&e, &a));
	assert_true(epoch_passed_for(&e, target, NULL, &filter));
	visit = epoch_visit(&e);
	target = epoch_start(&e);
	assert_false(epoch_passed_for(&e, target, NULL, &filter));
	epoch_visit_end(&e, visit);
	assert_true(epoch_passed_for(&e, target, NULL, &filter));
	epoch_leave(&e, &b);
	for (unsigned i = 0; i < 2; i++) {
		struct epoch_group group;
		unsigned bucket;

		epoch_group_init(&group, i ? &mine : &other);
		bucket = epoch_join(&e, &group);
		target = epoch_start(&e);
		assert_int_equal(epoch_passed_for(&e, target, NULL, &filter), i == 0);
		epoch_part(&e, &group, bucket);
		epoch_unlist(&e, &group);
	}
	epoch_done(&e);
	epoch_remove(&e, &a);
	epoch_remove(&e, &b);
	epoch_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner),
		cmocka_unit_test(nobody_inside),
		cmocka_unit_test(older_and_newer),
		cmocka_unit_test(removal),
		cmocka_unit_test(own_section_is_not_counted),
		cmocka_unit_test(more_visitors_than_sections),
		cmocka_unit_test(wait_and_wake),
		cmocka_unit_test(the_last_one_wakes),
		cmocka_unit_test(two_wait),
		cmocka_unit_test(looks_at_many),
		cmocka_unit_test(looks_at_many_groups),
		cmocka_unit_test(groups_that_go),
		cmocka_unit_test(older_after_younger),
		cmocka_unit_test(the_crowd_wakes_too),
		cmocka_unit_test(many_in_a_group),
		cmocka_unit_test(first_in_a_group),
		cmocka_unit_test(overlapping),
		cmocka_unit_test(buckets_in_use),
		cmocka_unit_test(no_bucket_after_the_last),
		cmocka_unit_test(label_of_an_open_bucket),
		cmocka_unit_test(groups_unlisted),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	membarrier = epoch_membarrier_register();
	if (membarrier)
		failed += cmocka_run_group_tests_name("membarrier", tests, NULL, NULL);
	else
		print_message("the kernel has no membarrier\n");
	return failed;
}
