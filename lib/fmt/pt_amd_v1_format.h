/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_amd_v1_format.h - entries of AMD-Vi host tables (2.2.3), for walks of them.
 *
 * The manual's levels: level 1 is level 0 here, level 6 is level 5.
 */
#ifndef PT_AMD_V1_FORMAT_H
#define PT_AMD_V1_FORMAT_H

#include <libvirtiommu/base.h>

#include "pt_amd_v1.h"
#include "pt_hurry.h"

/* 2.2.3 Page table entries */
#define V1_PR	   BIT(0)
#define V1_IGN_1   BITS(4, 1)
#define V1_A	   BIT(5)
#define V1_D	   BIT(6) /* pages */
#define V1_IGN_7   BITS(8, 7)
#define V1_NEXT	   BITS(11, 9) /* level of the table; 0: page; 7: page whose size is in the address */
#define V1_ADDR	   BITS(51, 12)
#define V1_RSVD_52 BITS(58, 52)
#define V1_U	   BIT(59) /* pages: ATS answers say untranslated only; tables: reserved */
#define V1_FC	   BIT(60) /* pages: coherent; tables: reserved */
#define V1_IR	   BIT(61)
#define V1_IW	   BIT(62)
#define V1_IGN_63  BIT(63)
static_assert(V1_PR + V1_IGN_1 + V1_A + V1_D + V1_IGN_7 + V1_NEXT + V1_ADDR + V1_RSVD_52 + V1_U +
			      V1_FC + V1_IR + V1_IW + V1_IGN_63 ==
		      UINT64_MAX,
	      "2.2.3");

#define V1_NEXT_PAGE 0U
#define V1_NEXT_SIZE 7U
#define V1_SIZE_MAX  51U
#define V1_TOP	     5U /* has tables only */

ALWAYS_INLINE uint8_t v1_permits(uint64_t raw)
{
	unsigned access =
		(raw & V1_IR ? VIOMMU_READ | VIOMMU_EXEC : 0) | (raw & V1_IW ? VIOMMU_WRITE : 0);

	return (uint8_t)(access | access << 3 | (unsigned)PERM_DIRTY);
}

/* An entry that cannot be at this level: the walk says so after it has looked at permissions. */
ALWAYS_INLINE struct pt_item v1_misplaced(struct pt_item item, unsigned level)
{
	item.kind = PT_TABLE;
	item.next = level;
	return item;
}

ALWAYS_INLINE struct pt_item v1_leaf(const struct pt_config *c, struct pt_item item, uint64_t raw,
				     unsigned lg2)
{
	if (raw & V1_RSVD_52) {
		item.kind = PT_RESERVED;
		return item;
	}
	item.kind = PT_LEAF;
	item.lg2 = lg2;
	item.addr = raw & V1_ADDR & ~bits_low(lg2);
	if ((c->flags & PT_AMD_D) && !(raw & V1_D))
		item.perm &= ~(unsigned)PERM_DIRTY;
	return item;
}

ALWAYS_INLINE struct pt_item v1_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				       unsigned level)
{
	struct pt_item item = { .kind = PT_EMPTY };
	unsigned next = (unsigned)bits_get(raw, V1_NEXT);
	unsigned shift = 12 + 9 * level;
	unsigned lg2;

	(void)beyond; /* no bit of an address is reserved */
	if (!(raw & V1_PR))
		return item;
	item.perm = v1_permits(raw);
	if (next == V1_NEXT_PAGE)
		return level == V1_TOP ? v1_misplaced(item, level) : v1_leaf(c, item, raw, shift);
	if (next == V1_NEXT_SIZE) {
		/* the lowest 0 from bit 12 on, and what is below it */
		lg2 = (unsigned)__builtin_ctzll(~((raw & V1_ADDR) | bits_low(12))) + 1;
		if (level == V1_TOP || lg2 <= shift || lg2 >= shift + 9 || lg2 > V1_SIZE_MAX)
			return v1_misplaced(item, level);
		return v1_leaf(c, item, raw, lg2);
	}
	if (next > level)
		return v1_misplaced(item, level);
	if (raw & (V1_RSVD_52 | V1_U | V1_FC)) {
		item.kind = PT_RESERVED;
		return item;
	}
	item.kind = PT_TABLE;
	item.next = (next - 1);
	item.addr = raw & V1_ADDR;
	return item;
}

ALWAYS_INLINE uint64_t v1_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	return raw | (c->flags & PT_AMD_A ? V1_A : 0) |
	       (leaf && write && (c->flags & PT_AMD_D) ? V1_D : 0);
}

/* ---- in a hurry ---- */

/* Every entry has to permit what is asked for. */
ALWAYS_INLINE struct pt_usual v1_usual(const struct pt_config *c, const struct pt_walk *w,
				       uint64_t rsvd, bool write)
{
	unsigned need = w->need | w->need >> 3;
	uint64_t set = v1_touch(c, V1_PR, true, write);

	if (UNLIKELY(w->deny & w->need)) /* the walk ends at its first entry */
		return PT_UNUSUAL;
	if (need & (VIOMMU_READ | VIOMMU_EXEC))
		set |= V1_IR;
	if (need & VIOMMU_WRITE)
		set |= V1_IW;
	return (struct pt_usual){ .mask = rsvd | V1_NEXT | set, .value = set };
}

ALWAYS_INLINE struct pt_usual v1_usual_table(const struct pt_config *c, uint64_t beyond,
					     const struct pt_walk *w)
{
	(void)beyond;
	return v1_usual(c, w, V1_RSVD_52 | V1_U | V1_FC, false);
}

ALWAYS_INLINE struct pt_usual v1_usual_page(const struct pt_config *c, uint64_t beyond,
					    const struct pt_walk *w, unsigned level)
{
	(void)beyond;
	return level == V1_TOP ? PT_UNUSUAL : v1_usual(c, w, V1_RSVD_52, w->dirty);
}

ALWAYS_INLINE unsigned v1_tables(const struct pt_config *c, uint64_t all)
{
	(void)c;
	return v1_permits(all);
}

ALWAYS_INLINE unsigned v1_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	(void)global;
	return v1_permits(raw) & ((c->flags & PT_AMD_D) && !(raw & V1_D) ? PERM_ALL : ~0U);
}

static const struct pt_format v1_format = { .decode = v1_decode,
					    .touch = v1_touch,
					    .usual_table = v1_usual_table,
					    .usual_page = v1_usual_page,
					    .usual_level = V1_NEXT & ~(V1_NEXT - 1),
					    .address = V1_ADDR,
					    .tables = v1_tables,
					    .page = v1_page,
					    .page_lg2 = 12,
					    .index_lg2 = 9,
					    .entry_lg2 = 3,
					    .skips = true,
					    .stepwise = true };

#endif
