/* SPDX-License-Identifier: BSD-3-Clause */
/* run.c - what the environment says of a run. */
#include "run.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define INSTRUMENTED 1
#endif
#endif
#if defined(INSTRUMENTED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||      \
	!defined(__OPTIMIZE__)
#define DEFAULT_SCALE 10
#else
#define DEFAULT_SCALE 100
#endif

uint64_t run_percent(uint64_t otherwise)
{
	const char *scale = getenv("VIOMMU_TEST_SCALE");

	return scale ? strtoull(scale, NULL, 10) : otherwise;
}

uint64_t run_scaled(uint64_t count)
{
	uint64_t scaled = count * run_percent(DEFAULT_SCALE) / 100;

	return scaled ? scaled : 1;
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
