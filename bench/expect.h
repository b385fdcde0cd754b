/* SPDX-License-Identifier: BSD-3-Clause */
/* expect.h - what benchmarks and drivers do not go on without. */
#ifndef BENCH_EXPECT_H
#define BENCH_EXPECT_H

#include <libvirtiommu/base.h>

/* Says what answered what, and ends the program. */
_Noreturn void unexpected(const char *what, int result);

static inline void expect_ok(const char *what, int result)
{
	if (result != VIOMMU_OK)
		unexpected(what, result);
}

#endif
