/* SPDX-License-Identifier: BSD-3-Clause */
/* run.h - how much a test that is random or long does, and from where it starts: what the environment says of it. */
#ifndef RUN_H
#define RUN_H

#include <stdint.h>

/* Whether a sanitizer is built in, and whether the build is slow, be it only for want of optimisation. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUN_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RUN_SANITIZED 1
#endif
#endif
#ifndef RUN_SANITIZED
#define RUN_SANITIZED 0
#endif
#ifdef __OPTIMIZE__
#define RUN_SLOW RUN_SANITIZED
#else
#define RUN_SLOW 1
#endif

/* VIOMMU_TEST_SCALE, per cent; @otherwise if it is not set. */
uint64_t run_percent(uint64_t otherwise);

/* @count scaled by it, at least 1. If it is not set: a tenth in a slow build; the second: all of it in any. */
uint64_t run_scaled(uint64_t count);
uint64_t run_scaled_anywhere(uint64_t count);

/* The seed of this run, printed: VIOMMU_SEED, or @otherwise; RUN_ANY_SEED: another one each time. */
#define RUN_ANY_SEED 0
uint64_t run_seed(uint64_t otherwise);

#endif
