/* SPDX-License-Identifier: BSD-3-Clause */
/* work.c - counts the functions that a public call enters, and says when they are too many. */
#include "work.h"

#include <libvirtiommu/its.h>
#include <libvirtiommu/rvic.h>
#include <libvirtiommu/virtio.h>
#include <libvirtiommu/vm.h>

#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

/* What is bounded by something else: sizes that the VMM chose, a budget or a range of its own, a request's pages. */
static void *const others[] = {
	(void *)viommu_vm_new,
	(void *)viommu_vm_free,
	(void *)viommu_free,
	(void *)viommu_listener_new,
	(void *)viommu_save,
	(void *)viommu_restore,
	(void *)viommu_its_save_tables,
	(void *)viommu_its_restore_tables,
	(void *)viommu_replay,
	(void *)viommu_explain,
	(void *)viommu_translate,
	(void *)viommu_translate_list,
	(void *)viommu_device_translate,
};

enum { SEEN = 256 };

static struct work now;
static uint64_t limit = UINT64_MAX;
static uint64_t expected; /* steps */
static struct {
	const void *function;
	uint64_t steps;
	uint64_t most;
} seen[SEEN];

static void print(void)
{
	for (unsigned i = 0; i < SEEN && seen[i].function; i++)
		fprintf(stderr, "work: %5ju steps %8ju %p\n", (uintmax_t)seen[i].steps,
			(uintmax_t)seen[i].most, seen[i].function);
}

static void note(const void *function, uint64_t entered)
{
	static int wanted = -1;
	unsigned i = 0;

	if (wanted < 0) {
		wanted = getenv("VIOMMU_WORK") != NULL;
		if (wanted)
			atexit(print);
	}
	if (!wanted)
		return;
	while (i < SEEN - 1 && seen[i].function &&
	       (seen[i].function != function || seen[i].steps != expected))
		i++;
	seen[i].function = function;
	seen[i].steps = expected;
	if (seen[i].most < entered)
		seen[i].most = entered;
}

static bool is_other(const void *function)
{
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i] == function)
			return true;
	}
	return false;
}

static void judge(void *function, uint64_t entered)
{
	note(function, entered);
	if (entered <= limit || is_other(function))
		return;
	fprintf(stderr, "%ju functions entered, at most %ju are paid for\n", (uintmax_t)entered,
		(uintmax_t)limit);
	check_failed("the work of a call is within its steps", __FILE__, __LINE__);
}

/* ---- what the library calls ---- */

#ifdef __clang__
#define FAST __attribute__((no_sanitize("address", "undefined", "coverage")))
#else
#define FAST
#endif

void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller);

FAST void __cyg_profile_func_enter(void *function, void *caller)
{
	(void)function, (void)caller;
	now.depth++;
	now.entered++;
}

FAST void __cyg_profile_func_exit(void *function, void *caller)
{
	uint64_t entered = now.entered;

	(void)caller;
	if (--now.depth)
		return;
	now.entered = 0;
	judge(function, entered);
}

/* ---- what fuzzers say ---- */

void work_expect(uint64_t steps, uint64_t each, uint64_t base)
{
	limit = base + steps * each;
	expected = steps;
}

struct work work_pause(void)
{
	struct work paused = now;

	now = (struct work){ 0 };
	return paused;
}

void work_resume(struct work paused)
{
	now = paused;
}
