/* SPDX-License-Identifier: BSD-3-Clause */
/* run.h - how much a test that is random or long does, and from where it starts: what the environment says of it. */
#ifndef RUN_H
#define RUN_H

#include <stdint.h>

/* VIOMMU_TEST_SCALE, per cent; @otherwise if it is not set. */
uint64_t run_percent(uint64_t otherwise);

/* @count scaled by it; a tenth under Valgrind, sanitizers and without optimisation if it is not set; at least 1. */
uint64_t run_scaled(uint64_t count);

/* The seed of this run, printed: VIOMMU_SEED, or @otherwise; RUN_ANY_SEED: another one each time. */
#define RUN_ANY_SEED 0
uint64_t run_seed(uint64_t otherwise);

#endif
