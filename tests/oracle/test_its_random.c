/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_its_random.c - the ITS and the redistributors' LPIs against its_oracle.h: random commands,
 * messages, registers and tables, few ids so that they collide, states saved and restored both ways.
 */
#include "check.h"

#include <stdio.h>

#include "its_world.h"
#include "run.h"

enum { WORLDS = 50, STEPS = 600 };

/* What the guest avoids, since neither the architecture nor its.h says what happens. */
static const char *const avoided[] = {
	"VMAPP and VMOVP of a vPE that is resident, and changes of its configuration table",
	"VMAPP Alloc=0 of a vPE that no ITS maps, VMAPP of one that is mapped with another VPT_size",
};

static void say_what_is_avoided(void)
{
	for (unsigned i = 0; i < sizeof(avoided) / sizeof(avoided[0]); i++)
		print_message("not done: %s\n", avoided[i]);
}

static void print_totals(void)
{
	const struct itw_totals *t = &itw_total;

	for (unsigned i = 0; i < 64; i++) {
		if (t->ops[i] > 100)
			print_message("  %#x: %ju, %ju of them refused\n", i, (uintmax_t)t->ops[i],
				      (uintmax_t)t->refused_ops[i]);
	}
	print_message("%ju commands, %ju refused, %ju stalls, %ju retries, %ju resets\n",
		      (uintmax_t)t->commands, (uintmax_t)t->refused, (uintmax_t)t->stalls,
		      (uintmax_t)t->retries, (uintmax_t)t->resets);
	print_message(
		"compared: %ju registers, %ju messages (%ju delivered), %ju LPIs, %ju vLPIs, %ju "
		"calls of lpi, %ju memories\n",
		(uintmax_t)t->registers, (uintmax_t)t->messages, (uintmax_t)t->delivered,
		(uintmax_t)t->lpis, (uintmax_t)t->vlpis, (uintmax_t)t->told, (uintmax_t)t->memory);
	print_message("%ju routes compared, %ju LPIs set or cleared directly\n",
		      (uintmax_t)t->routes, (uintmax_t)t->direct);
	print_message("EnableLPIs set %ju times, vPEs scheduled or descheduled %ju times\n",
		      (uintmax_t)t->enables, (uintmax_t)t->schedules);
	print_message(
		"%ju saved and restored, %ju through tables, %ju tables changed by the guest, %ju "
		"of them refused\n",
		(uintmax_t)t->saves, (uintmax_t)t->tables, (uintmax_t)t->mutated,
		(uintmax_t)t->refused_tables);
}

static void test_random(void **nothing)
{
	uint64_t worlds = run_scaled(WORLDS);
	uint64_t seed = run_seed(1);

	(void)nothing;
	say_what_is_avoided();
	for (uint64_t i = 0; i < worlds; i++) {
		static struct its_world w;

		itw_open(&w, ((seed << 24) + i) * UINT64_C(0x9e3779b97f4a7c15));
		itw_trace(&w, "world %ju", (uintmax_t)i);
		itw_boot(&w);
		for (unsigned k = 0; k < STEPS && !w.o->beyond; k++)
			itw_step(&w);
		assert_false(w.o->beyond);
		itw_compare_all(&w);
		itw_compare_memory(&w);
		itw_close(&w);
	}
	print_totals();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
