/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vtd_register_rows.h - the registers of a VT-d unit as the manual has them (11.4), for a given
 * CAP and ECAP, and the configurations that they are looked at in. Numbers, not the library's
 * names: these are the expected values.
 */
#ifndef VTD_REGISTER_ROWS_H
#define VTD_REGISTER_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define RB(n)	      (UINT64_C(1) << (n))
#define RM(high, low) ((UINT64_MAX >> (63 - (high))) & (UINT64_MAX << (low)))
#define RV(at, v)     ((uint64_t)(v) << (at))

struct register_row {
	const char *name;
	uint32_t offset;
	uint32_t bytes; /* 4 or 8 */
	uint64_t reset;
	uint64_t rw;	 /* bits that read as written */
	uint64_t skip;	 /* commands: not written by a test of masks */
	uint64_t ignore; /* undefined when read, or a consequence of others */
};

struct register_config {
	const char *name;
	uint64_t cap; /* 0: the library's defaults */
	uint64_t ecap;
	uint32_t version; /* 0: 1.0 */
};

extern const struct register_config register_configs[];
extern const size_t register_config_count;

enum { REGISTER_ROWS_MAX = 600 };

/* Fills rows for what a unit presents; returns how many. */
size_t register_rows(uint64_t cap, uint64_t ecap, uint32_t version, struct register_row *rows);

#endif
