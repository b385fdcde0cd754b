/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_exhaustive.h - every combination of control bits of each entry format, at each level, for each
 * kind of access, against the oracle, cold and warm.
 *
 * All rows are compared where code is optimised and not instrumented. Elsewhere, and when
 * VIOMMU_TEST_SCALE (per cent) is below 100, one row in so many is, from an offset that the seed
 * chooses, and each test says how many. VIOMMU_EXHAUSTIVE=1 compares all of them anywhere.
 */
#ifndef VTD_EXHAUSTIVE_H
#define VTD_EXHAUSTIVE_H

#include "vtd_tables.h"

/* The main function of a test of formats first to last. */
int exhaustive_main(const char *name, enum vt_format first, enum vt_format last);

#endif
