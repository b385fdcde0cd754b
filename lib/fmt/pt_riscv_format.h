/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_riscv_format.h - entries of RISC-V page tables (Privileged specification 12.3 to 12.6, 18.5), for walks of them.
 *
 * The manual's levels are ours: 0 has the smallest pages. Entries of 8 bytes (Sv39, Sv48, Sv57 and x4) and of 4 (Sv32,
 * Sv32x4) have the same low bits. The top table of a second stage is four times as long, which is a matter of in_bits.
 */
#ifndef PT_RISCV_FORMAT_H
#define PT_RISCV_FORMAT_H

#include <libvirtiommu/base.h>

#include "pt_hurry.h"
#include "pt_riscv.h"

/* Page table entry, Sv39 and longer */
#define PTE_V	   BIT(0)
#define PTE_R	   BIT(1)
#define PTE_W	   BIT(2)
#define PTE_X	   BIT(3)
#define PTE_U	   BIT(4)
#define PTE_G	   BIT(5) /* no page is found under another PSCID here: not looked at */
#define PTE_A	   BIT(6)
#define PTE_D	   BIT(7)
#define PTE_RSW	   BITS(9, 8) /* software's */
#define PTE_PPN	   BITS(53, 10)
#define PTE_RSVD   BITS(58, 54)
#define PTE_RSW_HI BITS(60, 59) /* software's with Svrsw60t59b, else reserved */
#define PTE_PBMT   PT_RISCV_PBMT_FIELD
#define PTE_N	   BIT(63) /* Svnapot */
static_assert(PTE_V + PTE_R + PTE_W + PTE_X + PTE_U + PTE_G + PTE_A + PTE_D + PTE_RSW + PTE_PPN +
			      PTE_RSVD + PTE_RSW_HI + PTE_PBMT + PTE_N ==
		      UINT64_MAX,
	      "Sv39 PTE");
#define PTE_PPN32 BITS(31, 10)
#define PBMT_RSVD UINT64_C(3)

/* Svnapot: sixteen pages as one, of which the low PPN bits of the entry say so. */
#define NAPOT_LG2  16U
#define NAPOT_BITS UINT64_C(0xf)
#define NAPOT_64K  UINT64_C(0x8)

ALWAYS_INLINE uint64_t rv_reserved_bits(const struct pt_config *c, bool page, unsigned level)
{
	uint64_t rsvd = PTE_RSVD;

	if (!(c->flags & PT_RISCV_RSW60))
		rsvd |= PTE_RSW_HI;
	if (!page)
		return rsvd | PTE_PBMT | PTE_N | PTE_A | PTE_D | PTE_U;
	if (!(c->flags & PT_RISCV_PBMT))
		rsvd |= PTE_PBMT;
	return level > 0 ? rsvd | PTE_N : rsvd;
}

/* Users need U; so does a second stage, whoever asks. Supervisors need SUM for a user's page, and never execute it. */
ALWAYS_INLINE unsigned rv_permits(const struct pt_config *c, uint64_t raw)
{
	unsigned access = (unsigned)bits_get(raw, PTE_R | PTE_W | PTE_X);
	unsigned user = raw & PTE_U ? access : 0;
	unsigned supervisor = access;

	if (!(raw & PTE_D) && !(c->flags & PT_RISCV_AD)) {
		user &= ~VIOMMU_WRITE;
		supervisor &= ~VIOMMU_WRITE;
	}
	if (c->flags & PT_RISCV_STAGE2)
		supervisor = user;
	else if (raw & PTE_U)
		supervisor &= c->flags & PT_RISCV_SUM ? ~VIOMMU_EXEC : 0;
	return user | supervisor << 3;
}

/* @lg2: what an entry of this level maps */
ALWAYS_INLINE struct pt_item rv_leaf(const struct pt_config *c, uint64_t raw, uint64_t ppn,
				     unsigned lg2)
{
	struct pt_item item = { .kind = PT_RESERVED };

	if (raw & PTE_N) {
		if ((ppn & NAPOT_BITS) != NAPOT_64K)
			return item;
		ppn &= ~NAPOT_BITS;
		if (c->flags & PT_RISCV_AD)
			item.own_lg2 = lg2;
		lg2 = NAPOT_LG2;
	}
	if ((ppn & bits_low(lg2 - 12)) || (!(raw & PTE_A) && !(c->flags & PT_RISCV_AD)))
		return item;
	item.kind = PT_LEAF;
	item.addr = ppn << 12;
	item.lg2 = lg2;
	item.perm = rv_permits(c, raw);
	/* without AD a page that is not dirty cannot be written: nothing is to be recorded */
	if ((raw & PTE_D) || !(c->flags & PT_RISCV_AD))
		item.perm |= PERM_DIRTY;
	return item;
}

ALWAYS_INLINE struct pt_item rv_decode(const struct pt_config *c, uint64_t raw, unsigned level,
				       uint64_t field, unsigned index_lg2)
{
	struct pt_item item = { .kind = PT_EMPTY };
	bool page = raw & (PTE_R | PTE_X);

	if (!(raw & PTE_V))
		return item;
	item.kind = PT_RESERVED;
	if ((raw & (PTE_R | PTE_W)) == PTE_W || (raw & rv_reserved_bits(c, page, level)) ||
	    bits_get(raw, PTE_PBMT) == PBMT_RSVD)
		return item;
	if (page)
		return rv_leaf(c, raw, bits_get(raw, field), 12 + level * index_lg2);
	if (level == 0)
		return item;
	item.kind = PT_TABLE;
	item.next = (level - 1);
	item.addr = bits_get(raw, field) << 12;
	item.perm = (PERM_ALL | PERM_DIRTY);
	return item;
}

ALWAYS_INLINE struct pt_item rv_decode64(const struct pt_config *c, uint64_t beyond, uint64_t raw,
					 unsigned level)
{
	(void)beyond; /* what lies there is not found */
	return rv_decode(c, raw, level, PTE_PPN, 9);
}

ALWAYS_INLINE struct pt_item rv_decode32(const struct pt_config *c, uint64_t beyond, uint64_t raw,
					 unsigned level)
{
	(void)beyond; /* what lies there is not found */
	return rv_decode(c, raw, level, PTE_PPN32, 10);
}

/* Entries that lead to tables have neither accessed nor dirty. */
ALWAYS_INLINE uint64_t rv_touch(const struct pt_config *c, uint64_t raw, bool page, bool write)
{
	if (!page || !(c->flags & PT_RISCV_AD))
		return raw;
	return raw | PTE_A | (write ? PTE_D : 0);
}

/* ---- in a hurry ---- */

/* Where an address is beyond the physical ones, or bytes are the other way round, nothing is as usual. */
ALWAYS_INLINE struct pt_usual rv_usual(const struct pt_config *c, uint64_t beyond, uint64_t rsvd,
				       uint64_t set)
{
	if (UNLIKELY((c->flags & PT_RISCV_BE) || ((c->root | bits_low(14)) & beyond)))
		return PT_UNUSUAL;
	return (struct pt_usual){ .mask = rsvd | set | PTE_PBMT | PTE_N | (beyond >> 2 & PTE_PPN),
				  .value = set };
}

ALWAYS_INLINE struct pt_usual rv_usual_table(const struct pt_config *c, uint64_t beyond,
					     const struct pt_walk *w)
{
	(void)w;
	return rv_usual(c, beyond, rv_reserved_bits(c, false, 1) | PTE_R | PTE_W | PTE_X, PTE_V);
}

/* That may be read, and was. */
ALWAYS_INLINE struct pt_usual rv_usual_page(const struct pt_config *c, uint64_t beyond,
					    const struct pt_walk *w, unsigned level)
{
	bool dirty = w->dirty && (c->flags & PT_RISCV_AD);
	uint64_t low = bits_low(9 * level) << 10;

	return rv_usual(c, beyond, rv_reserved_bits(c, true, level) | low,
			PTE_V | PTE_R | PTE_A | (dirty ? PTE_D : 0));
}

ALWAYS_INLINE unsigned rv_tables(const struct pt_config *c, uint64_t all)
{
	(void)c;
	(void)all;
	return PERM_ALL | PERM_DIRTY;
}

ALWAYS_INLINE unsigned rv_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	(void)global;
	return rv_permits(c, raw) | ((raw & PTE_D) || !(c->flags & PT_RISCV_AD) ? PERM_DIRTY : 0);
}

static const struct pt_format riscv_format64 = { .decode = rv_decode64,
						 .touch = rv_touch,
						 .usual_table = rv_usual_table,
						 .usual_page = rv_usual_page,
						 .address = PTE_PPN,
						 .address_up = 2,
						 .tables = rv_tables,
						 .page = rv_page,
						 .page_lg2 = 12,
						 .index_lg2 = 9,
						 .entry_lg2 = 3 };
static const struct pt_format riscv_format32 = {
	.decode = rv_decode32, .touch = rv_touch, .page_lg2 = 12, .index_lg2 = 10, .entry_lg2 = 2
};

#endif
