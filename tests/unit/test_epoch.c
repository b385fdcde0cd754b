/* SPDX-License-Identifier: BSD-3-Clause */
/* test_epoch.c - core/epoch.h: sections, visitors, and who waits for whom. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "epoch.h"

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

/* Each of the visitors has a section of its own; whoever comes after that is counted. */
static void more_visitors_than_sections(void **state)
{
	struct epoch_section *v[EPOCH_VISITORS];
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	for (unsigned i = 0; i < EPOCH_VISITORS; i++) {
		v[i] = epoch_visit(&e);
		assert_non_null(v[i]);
		for (unsigned j = 0; j < i; j++)
			assert_ptr_not_equal(v[i], v[j]);
	}
	assert_null(epoch_visit(&e));
	assert_null(epoch_visit(&e));
	for (unsigned i = 0; i < EPOCH_VISITORS; i++)
		epoch_visit_end(&e, v[i]);
	target = epoch_start(&e);
	assert_false(epoch_passed(&e, target, NULL));
	epoch_visit_end(&e, NULL);
	assert_false(epoch_passed(&e, target, NULL));
	epoch_visit_end(&e, NULL);
	assert_true(epoch_passed(&e, target, NULL));
	v[0] = epoch_visit(&e);
	assert_non_null(v[0]);
	epoch_visit_end(&e, v[0]);
	epoch_fini(&e);
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

static void the_crowd_wakes_too(void **state)
{
	struct epoch_section *v[EPOCH_VISITORS];
	struct epoch e;
	uint64_t target;

	setup_epoch(&e);
	for (unsigned i = 0; i < EPOCH_VISITORS; i++)
		v[i] = epoch_visit(&e);
	assert_null(epoch_visit(&e));
	target = epoch_start(&e);
	for (unsigned i = 0; i < EPOCH_VISITORS; i++)
		epoch_visit_end(&e, v[i]);
	assert_false(epoch_wait(&e, target, NULL));
	assert_true(epoch_visit_end(&e, NULL));
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
		cmocka_unit_test(the_crowd_wakes_too),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	membarrier = epoch_membarrier_register();
	if (membarrier)
		failed += cmocka_run_group_tests_name("membarrier", tests, NULL, NULL);
	else
		print_message("the kernel has no membarrier\n");
	return failed;
}
