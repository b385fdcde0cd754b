/* SPDX-License-Identifier: BSD-3-Clause */
/* run.c - what the environment says of a run. */
#include "run.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

uint64_t run_percent(uint64_t otherwise)
{
	const char *scale = getenv("VIOMMU_TEST_SCALE");

	return scale ? strtoull(scale, NULL, 10) : otherwise;
}

static uint64_t scaled_by(uint64_t percent, uint64_t count)
{
	uint64_t scaled = count * percent / 100;

	return scaled ? scaled : 1;
}

uint64_t run_scaled(uint64_t count)
{
	return scaled_by(run_percent(RUN_SLOW ? 10 : 100), count);
}

uint64_t run_scaled_anywhere(uint64_t count)
{
	return scaled_by(run_percent(100), count);
}

uint64_t run_seed(uint64_t otherwise)
{
	const char *given = getenv("VIOMMU_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : otherwise;

	if (seed == RUN_ANY_SEED)
		seed = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15) | 1;
	print_message("VIOMMU_SEED=0x%llx\n", (unsigned long long)seed);
	return seed;
}
