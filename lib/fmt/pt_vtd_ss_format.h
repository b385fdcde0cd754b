/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_vtd_ss_format.h - entries of VT-d second-stage tables (3.7, 9.8), for walks of them.
 *
 * The manual's levels: SS-PTE is level 0 here, SS-PDE 1, SS-PDPE 2, SS-PML4E 3, SS-PML5E 4.
 */
#ifndef PT_VTD_SS_FORMAT_H
#define PT_VTD_SS_FORMAT_H

#include <libvirtiommu/base.h>

#include "pt_hurry.h"
#include "pt_vtd_ss.h"

/* 9.8 Second-stage paging entries */
#define SS_R	  BIT(0)
#define SS_W	  BIT(1)
#define SS_X	  BIT(2)     /* ignored: no execute-request support in the second stage */
#define SS_EMT	  BITS(5, 3) /* ignored */
#define SS_IPAT	  BIT(6)     /* ignored */
#define SS_PS	  BIT(7)     /* levels 1 and 2: page; levels 3 and 4: reserved; level 0: ignored */
#define SS_A	  BIT(8)
#define SS_D	  BIT(9) /* pages */
#define SS_IGN_10 BIT(10)
#define SS_SNP	  BIT(11) /* pages, with ECAP.SC; else reserved */
#define SS_ADDR	  BITS(51, 12)
#define SS_IGN_HI BITS(61, 52)
#define SS_TM	  BIT(62) /* pages, with ECAP.DT: ignored; else reserved */
#define SS_IGN_63 BIT(63)
static_assert(SS_R + SS_W + SS_X + SS_EMT + SS_IPAT + SS_PS + SS_A + SS_D + SS_IGN_10 + SS_SNP +
			      SS_ADDR + SS_IGN_HI + SS_TM + SS_IGN_63 ==
		      UINT64_MAX,
	      "9.8");

ALWAYS_INLINE bool ss_is_page(const struct pt_config *c, uint64_t raw, unsigned level)
{
	if (level == 0)
		return true;
	if (!(raw & SS_PS))
		return false;
	return (level == 1 && (c->flags & PT_SS_2M)) || (level == 2 && (c->flags & PT_SS_1G));
}

/* Of entries that lead to tables, beside addresses that are too wide. */
#define TABLE_RSVD (SS_TM | SS_PS | SS_SNP)

/* The same of pages. */
ALWAYS_INLINE uint64_t ss_page_reserved(const struct pt_config *c, unsigned lg2)
{
	return (c->flags & PT_SS_TM ? 0 : SS_TM) | (c->flags & PT_SS_SNP ? 0 : SS_SNP) |
	       (SS_ADDR & (BIT(lg2) - 1));
}

ALWAYS_INLINE struct pt_item ss_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				       unsigned level)
{
	struct pt_item item = { .kind = PT_EMPTY, .perm = PERM_DIRTY };
	unsigned access = (unsigned)(raw & (SS_R | SS_W));

	if (!access)
		return item;
	item.addr = raw & SS_ADDR;
	item.kind = PT_RESERVED;
	access |= VIOMMU_EXEC;
	item.perm |= (access | access << 3);
	if (!ss_is_page(c, raw, level)) {
		if (raw & (TABLE_RSVD | (SS_ADDR & beyond)))
			return item;
		item.kind = PT_TABLE;
		item.next = (level - 1);
		return item;
	}
	item.lg2 = (12 + 9 * level);
	if (raw & (ss_page_reserved(c, item.lg2) | (SS_ADDR & beyond)))
		return item;
	item.kind = PT_LEAF;
	if ((c->flags & PT_SS_AD) && !(raw & SS_D))
		item.perm &= ~(unsigned)PERM_DIRTY;
	return item;
}

ALWAYS_INLINE uint64_t ss_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	if (!(c->flags & PT_SS_AD))
		return raw;
	return raw | SS_A | (leaf && write ? SS_D : 0);
}

/* ---- in a hurry ---- */

ALWAYS_INLINE struct pt_usual ss_usual(const struct pt_config *c, uint64_t rsvd, uint64_t recorded)
{
	if (!(c->flags & PT_SS_AD))
		recorded = 0;
	return (struct pt_usual){ .mask = rsvd | SS_R | recorded, .value = SS_R | recorded };
}

ALWAYS_INLINE struct pt_usual ss_usual_table(const struct pt_config *c, uint64_t beyond,
					     const struct pt_walk *w)
{
	(void)w;
	return ss_usual(c, TABLE_RSVD | (SS_ADDR & beyond), SS_A);
}

ALWAYS_INLINE struct pt_usual ss_usual_page(const struct pt_config *c, uint64_t beyond,
					    const struct pt_walk *w, unsigned level)
{
	uint64_t rsvd = SS_TM | (c->flags & PT_SS_SNP ? 0 : SS_SNP) | (SS_ADDR & beyond);
	struct pt_usual page = ss_usual(c, rsvd, w->dirty ? SS_A | SS_D : SS_A);

	if (level == 0)
		return page;
	if (!ss_is_page(c, SS_PS, level))
		return PT_UNUSUAL;
	page.mask |= SS_PS | (SS_ADDR & bits_low(12 + 9 * level));
	page.value |= SS_PS;
	return page;
}

/* Of entries that may be read. */
ALWAYS_INLINE unsigned ss_tables(const struct pt_config *c, uint64_t all)
{
	unsigned access = VIOMMU_READ | VIOMMU_EXEC | (unsigned)(all & SS_W);

	(void)c;
	return access | access << 3 | PERM_DIRTY;
}

ALWAYS_INLINE unsigned ss_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	unsigned perm = ss_tables(c, raw);

	(void)global;
	if (UNLIKELY(c->flags & PT_SS_AD) && !(raw & SS_D))
		perm &= ~(unsigned)PERM_DIRTY;
	return perm;
}

static const struct pt_format ss_format = { .decode = ss_decode,
					    .touch = ss_touch,
					    .usual_table = ss_usual_table,
					    .usual_page = ss_usual_page,
					    .address = SS_ADDR,
					    .tables = ss_tables,
					    .page = ss_page,
					    .page_lg2 = 12,
					    .index_lg2 = 9,
					    .entry_lg2 = 3 };

#endif
