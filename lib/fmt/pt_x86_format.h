/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_x86_format.h - entries of x86-64 tables as VT-d first-stage tables (3.6, 9.7) and AMD-Vi guest tables (AMD 2.2.6),
 * for walks of them.
 *
 * The manual's levels: FS-PTE is level 0 here, FS-PDE 1, FS-PDPE 2, FS-PML4E 3, FS-PML5E 4.
 */
#ifndef PT_X86_FORMAT_H
#define PT_X86_FORMAT_H

#include <libvirtiommu/base.h>

#include "pt_hurry.h"
#include "pt_x86.h"

/* 9.7 First-stage paging entries */
#define FS_P	  BIT(0)
#define FS_RW	  BIT(1)
#define FS_US	  BIT(2)
#define FS_PWT	  BIT(3) /* ignored */
#define FS_PCD	  BIT(4) /* ignored */
#define FS_A	  BIT(5)
#define FS_D	  BIT(6) /* pages */
#define FS_PS	  BIT(7) /* levels 1 and 2: page; levels 3 and 4: reserved; level 0: PAT, ignored */
#define FS_G	  BIT(8) /* ignored */
#define FS_IGN_9  BIT(9)
#define FS_EA	  BIT(10)
#define FS_IGN_11 BIT(11)
#define FS_ADDR	  BITS(51, 12) /* of a large page, bit 12 is PAT */
#define FS_IGN_HI BITS(62, 52)
#define FS_XD	  BIT(63)
static_assert(FS_P + FS_RW + FS_US + FS_PWT + FS_PCD + FS_A + FS_D + FS_PS + FS_G + FS_IGN_9 +
			      FS_EA + FS_IGN_11 + FS_ADDR + FS_IGN_HI + FS_XD ==
		      UINT64_MAX,
	      "9.7");
#define FS_PAT_LARGE BIT(12)

ALWAYS_INLINE uint64_t fs_reserved_bits(const struct pt_config *c, unsigned level, bool page)
{
	uint64_t rsvd = 0;

	if (!(c->flags & (PT_X86_NXE | PT_X86_XD_IGN)))
		rsvd |= FS_XD;
	if (!page)
		return rsvd | FS_PS;
	if (level > 0)
		rsvd |= FS_ADDR & (BIT(12 + 9 * level) - 1) & ~FS_PAT_LARGE;
	return rsvd;
}

ALWAYS_INLINE bool fs_is_page(const struct pt_config *c, uint64_t raw, unsigned level)
{
	if (level == 0)
		return true;
	return (raw & FS_PS) && (level == 1 || (level == 2 && (c->flags & PT_X86_1G)));
}

/* What one entry permits to users and supervisors (3.6.1); fs_fold() adds what depends on the whole
 * walk. */
ALWAYS_INLINE unsigned fs_permits(const struct pt_config *c, uint64_t raw)
{
	unsigned user = VIOMMU_READ;
	unsigned supervisor = VIOMMU_READ;

	if (raw & FS_RW)
		user |= VIOMMU_WRITE;
	if ((raw & FS_RW) || !(c->flags & PT_X86_WPE))
		supervisor |= VIOMMU_WRITE;
	if (!(raw & FS_XD) || (c->flags & PT_X86_XD_IGN)) {
		user |= VIOMMU_EXEC;
		supervisor |= VIOMMU_EXEC;
	}
	return (raw & FS_US ? user : 0) | supervisor << 3;
}

ALWAYS_INLINE struct pt_item fs_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				       unsigned level)
{
	struct pt_item item = { .kind = PT_EMPTY };
	bool page = fs_is_page(c, raw, level);

	if (!(raw & FS_P))
		return item;
	item.addr = raw & FS_ADDR;
	if ((raw & fs_reserved_bits(c, level, page)) || (item.addr & beyond)) {
		item.kind = PT_RESERVED;
		return item;
	}
	item.perm = (fs_permits(c, raw) | PERM_DIRTY);
	if (!page) {
		item.kind = PT_TABLE;
		item.next = (level - 1);
		return item;
	}
	item.kind = PT_LEAF;
	item.lg2 = (12 + 9 * level);
	item.addr &= ~bits_low(item.lg2);
	if (!(raw & FS_D) && !(c->flags & PT_X86_STILL_D))
		item.perm &= ~(unsigned)PERM_DIRTY;
	return item;
}

/* A page is a user page if every entry on the way says so; with SMEP supervisors do not execute it.
 */
ALWAYS_INLINE unsigned fs_fold(const struct pt_config *c, unsigned perm)
{
	if ((c->flags & PT_X86_SMEP) && (perm & VIOMMU_READ))
		perm &= ~(VIOMMU_EXEC << 3);
	return perm;
}

ALWAYS_INLINE uint64_t fs_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	uint64_t still =
		(c->flags & PT_X86_STILL_A ? FS_A : 0) | (c->flags & PT_X86_STILL_D ? FS_D : 0);
	uint64_t set = FS_A | (leaf && write ? FS_D : 0);

	return raw | (set & ~still) | (c->flags & PT_X86_EAFE ? FS_EA : 0);
}

/* ---- in a hurry ---- */

/* What touching an entry leaves as it is, and no reserved bit. */
ALWAYS_INLINE struct pt_usual fs_usual(const struct pt_config *c, uint64_t rsvd, bool write)
{
	uint64_t set = fs_touch(c, FS_P, true, write);

	return (struct pt_usual){ .mask = rsvd | set, .value = set };
}

ALWAYS_INLINE struct pt_usual fs_usual_table(const struct pt_config *c, uint64_t beyond,
					     const struct pt_walk *w)
{
	(void)w;
	return fs_usual(c, fs_reserved_bits(c, 1, false) | (FS_ADDR & beyond), false);
}

ALWAYS_INLINE struct pt_usual fs_usual_page(const struct pt_config *c, uint64_t beyond,
					    const struct pt_walk *w, unsigned level)
{
	struct pt_usual page =
		fs_usual(c, fs_reserved_bits(c, level, true) | (FS_ADDR & beyond), w->dirty);

	if (level == 0)
		return page;
	if (!fs_is_page(c, FS_PS, level))
		return PT_UNUSUAL;
	page.mask |= FS_PS;
	page.value |= FS_PS;
	return page;
}

ALWAYS_INLINE unsigned fs_tables(const struct pt_config *c, uint64_t all)
{
	return fs_permits(c, all ^ FS_XD) | PERM_DIRTY;
}

ALWAYS_INLINE unsigned fs_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	(void)global;
	return fs_permits(c, raw) | ((raw & FS_D) || (c->flags & PT_X86_STILL_D) ? PERM_DIRTY : 0);
}

static const struct pt_format fs_format = { .decode = fs_decode,
					    .touch = fs_touch,
					    .fold = fs_fold,
					    .usual_table = fs_usual_table,
					    .usual_page = fs_usual_page,
					    .address = FS_ADDR,
					    .withdraws = FS_XD,
					    .tables = fs_tables,
					    .page = fs_page,
					    .page_lg2 = 12,
					    .index_lg2 = 9,
					    .entry_lg2 = 3 };

#endif
