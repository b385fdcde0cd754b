/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_run.h - how much the oracle's tests do, from where they start, and how they report. */
#ifndef VTD_RUN_H
#define VTD_RUN_H

#include <stdbool.h>
#include <stdint.h>

/* @count scaled by VIOMMU_TEST_SCALE (per cent), fewer under Valgrind and sanitizers; at least 1. */
uint64_t run_scaled(uint64_t count);

/* The seed of this run, printed; VIOMMU_SEED if that is set. */
uint64_t run_seed(void);

#endif
