/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * work.h - how much a call does, whatever it says that it pays for: the functions of the library that it enters.
 *
 * Fuzzers are built with a library that calls us as it enters and leaves each of its functions, inlined ones too
 * (-finstrument-functions). Every call of a public function is counted, and compared with what limits.steps permit, when it
 * returns. Built without (ctest with other compilers), nothing is counted here; callbacks and accesses of memory still are
 * (harness.c).
 *
 * VIOMMU_WORK=1 prints, at the end, the most that each public function took: the constants were found that way.
 */
#ifndef TESTS_FUZZ_WORK_H
#define TESTS_FUZZ_WORK_H

#include <stdint.h>

/* From here on, no call enters more functions than @each for each of so many steps, and @base. */
void work_expect(uint64_t steps, uint64_t each, uint64_t base);

/* Around what a callback calls: that is measured by itself. */
struct work {
	unsigned depth;
	uint64_t entered;
};

struct work work_pause(void);
void work_resume(struct work paused);

#endif
