/* SPDX-License-Identifier: BSD-3-Clause */
/* permits.c - the rows of permits.h. */

#include "permits.h"

#include "bits.h"

#define MAY(perm, shift) ((perm) >> (shift)&7)

#define GRANT(perm, shift)                                                                         \
	{                                                                                          \
		MAY(perm, shift), (MAY(perm, shift) & VIOMMU_WRITE) && !((perm)&PERM_DIRTY)        \
					  ? VIOMMU_FRAGMENT_CLEAN                                  \
					  : 0                                                      \
	}

/* Of the eight combinations of read, write and fetch, those that three permission bits suffice for: a byte for
 * each value of these. */
#define SUFFICES UINT64_C(0xfe0432000e040200)

/* Writing that is not dirty yet asks the tables. */
#define ACCEPTS(perm, shift)                                                                       \
	(SUFFICES >> 8 * (MAY(perm, shift) & ((perm)&PERM_DIRTY ? 7U : ~VIOMMU_WRITE)) & 0xff)

#define ROW(perm)                                                                                  \
	{                                                                                          \
		{ GRANT(perm, 0), GRANT(perm, 3) }, ACCEPTS(perm, 0) | ACCEPTS(perm, 3) << 8       \
	}
#define ROWS_4(perm)  ROW(perm), ROW((perm) + 1), ROW((perm) + 2), ROW((perm) + 3)
#define ROWS_16(perm) ROWS_4(perm), ROWS_4((perm) + 4), ROWS_4((perm) + 8), ROWS_4((perm) + 12)
#define ROWS_64(perm)                                                                              \
	ROWS_16(perm), ROWS_16((perm) + 16), ROWS_16((perm) + 32), ROWS_16((perm) + 48)

const struct permit permits[PERMITS] = { ROWS_64(0U), ROWS_64(64U) };
