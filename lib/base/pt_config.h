/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_config.h - geometry of page tables: what a context says of them, and a walk goes by. */
#ifndef PT_CONFIG_H
#define PT_CONFIG_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "bits.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Geometry of one tree of tables, computed when a context is parsed. 16 bytes without padding: part
 * of a domain's key. */
struct pt_config {
	uint64_t root;	   /* address of the top table */
	uint8_t top;	   /* level of the top table */
	uint8_t page_lg2;  /* of the smallest page */
	uint8_t index_lg2; /* entries of a table */
	uint8_t entry_lg2; /* bytes of an entry, 3 */
	uint8_t in_bits;   /* input address width: decides how many entries the top table has */
	uint8_t out_bits;  /* output address width; higher bits of an entry are reserved */
	uint16_t flags;	   /* of the format, PT_* in its header */
};

static_assert(sizeof(struct pt_config) == 16, "no padding");

/* No table is deeper. */
#define PT_LEVELS 6U

/* Whether an address is within the input width. */
ALWAYS_INLINE bool pt_fits(const struct pt_config *c, uint64_t iova)
{
	return (iova & ~bits_low(c->in_bits)) == 0;
}

ALWAYS_INLINE unsigned pt_shift(const struct pt_config *c, unsigned level)
{
	return c->page_lg2 + level * c->index_lg2;
}

ALWAYS_INLINE uint64_t pt_entry_address(const struct pt_config *c, uint64_t table, uint64_t iova,
					unsigned level)
{
	unsigned shift = pt_shift(c, level);
	uint64_t index = iova >> shift;

	/* the top table may be shorter or longer: above its input width the address has no bits */
	if (level != c->top)
		index &= BIT(c->index_lg2) - 1;
	else
		index &= c->in_bits > shift ? bits_low(c->in_bits - shift) : 0;
	return table + (index << c->entry_lg2);
}

#endif
