/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_run.c - environment of the oracle's tests. */
#include "vtd_run.h"

#include <stddef.h>
#include <stdlib.h>

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

uint64_t run_scaled(uint64_t count)
{
	const char *scale = getenv("VIOMMU_TEST_SCALE");
	uint64_t percent = scale ? strtoull(scale, NULL, 10) : DEFAULT_SCALE;
	uint64_t scaled = count * percent / 100;

	return scaled ? scaled : 1;
}

uint64_t run_seed(void)
{
	const char *given = getenv("VIOMMU_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 1;

	print_message("VIOMMU_SEED=0x%llx\n", (unsigned long long)seed);
	return seed;
}
