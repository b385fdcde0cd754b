/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_arm64_format.h - descriptors of VMSAv8-64 tables (Arm DDI 0487, D8.3 and D8.4), for walks of them.
 *
 * The manual's levels: level 3 is level 0 here, level 0 is 3, level -1 is 4.
 */
#ifndef PT_ARM64_FORMAT_H
#define PT_ARM64_FORMAT_H

#include <libvirtiommu/base.h>

#include "pt_arm64.h"
#include "pt_hurry.h"

/* D8.3 Descriptors of 64 bits. Where an address is, D8.3: arm_address_of(). */
#define D_VALID BIT(0)
#define D_TABLE BIT(1) /* and, of level 0, page */
#define D_AF	BIT(10)
/* D8.3 tables of stage 1 */
#define D_PXN_TABLE    BIT(59)
#define D_UXN_TABLE    BIT(60) /* XNTable, where there is one privilege */
#define D_AP_TABLE_NOT BIT(61) /* no access for users */
#define D_AP_TABLE_RO  BIT(62)
#define D_TABLE_TAKES  (D_PXN_TABLE | D_UXN_TABLE | D_AP_TABLE_NOT | D_AP_TABLE_RO)
/* D8.3 blocks and pages of stage 1 */
#define D_AP_USER BIT(6)
#define D_AP_RO	  BIT(7)
#define D_NG	  BIT(11)
#define D_NT	  BIT(16) /* ignored: sizes never conflict (IHI 0070, 3.21.1.3) */
#define D_DBM	  BIT(51)
#define D_CONT	  BIT(52)
#define D_PXN	  BIT(53)
#define D_UXN	  BIT(54) /* XN */
/* of stage 2 */
#define D_S2_ATTR  BITS(5, 2)
#define D_S2_READ  BIT(6)
#define D_S2_WRITE BIT(7)
#define D_S2_XN0   BIT(53)
#define D_S2_XN1   BIT(54)

#define USER(access)	   ((unsigned)(access))
#define SUPERVISOR(access) ((unsigned)(access) << 3)
#define BOTH(access)	   (USER(access) | SUPERVISOR(access))

ALWAYS_INLINE bool arm_sets_access(const struct pt_config *c)
{
	return c->flags & PT_ARM_HA;
}

ALWAYS_INLINE bool arm_sets_dirty(const struct pt_config *c)
{
	return (c->flags & (PT_ARM_HA | PT_ARM_HD)) == (PT_ARM_HA | PT_ARM_HD);
}

/* The address in a descriptor, of which the bits from @lg2 on count. */
ALWAYS_INLINE uint64_t arm_address_of(const struct pt_config *c, uint64_t raw, unsigned lg2)
{
	uint64_t address = raw & BITS(47, 12);

	if (c->page_lg2 == 16) {
		if (c->flags & PT_ARM_LPA)
			address |= bits_get(raw, BITS(15, 12)) << 48;
	} else if (c->flags & PT_ARM_DS) {
		address |= (raw & BITS(49, 48)) | bits_get(raw, BITS(9, 8)) << 50;
	}
	return address & ~bits_low(lg2);
}

/* D8.3: which levels have blocks. */
ALWAYS_INLINE bool arm_has_blocks(const struct pt_config *c, unsigned level)
{
	switch (c->page_lg2) {
	case 12:
		return level <= 2 || (level == 3 && (c->flags & PT_ARM_DS));
	case 14:
		return level <= 1 || (level == 2 && (c->flags & PT_ARM_DS));
	default:
		return level <= 1 || (level == 2 && (c->flags & PT_ARM_LPA));
	}
}

/* D8.7: neighbours that may be taken as one; 0: this level has none. */
ALWAYS_INLINE unsigned arm_neighbours_lg2(const struct pt_config *c, unsigned level)
{
	switch (c->page_lg2) {
	case 12:
		return level <= 2 ? 4 : 0;
	case 14:
		return level == 0 ? 7 : level == 1 ? 5 : 0;
	default:
		return level <= 1 ? 5 : 0;
	}
}

/*
 * A block or page: its address, and its size with its neighbours. What is recorded of accesses is recorded of
 * each neighbour, so that they are not one then; nor are those of which some would be beyond the widths.
 */
ALWAYS_INLINE void arm_set_block(const struct pt_config *c, struct pt_item *item, uint64_t raw,
				 unsigned level)
{
	unsigned lg2 = pt_shift(c, level);
	unsigned more = arm_neighbours_lg2(c, level);

	item->lg2 = lg2;
	item->addr = arm_address_of(c, raw, lg2);
	if (UNLIKELY(raw & D_CONT) && more && !arm_sets_access(c) && lg2 + more <= c->in_bits &&
	    lg2 + more <= c->out_bits) {
		item->lg2 = (lg2 + more);
		item->addr &= ~bits_low(item->lg2);
	}
}

/* What both stages have in common: all but the permissions. Table, leaf, or why not. */
ALWAYS_INLINE struct pt_item arm_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
					unsigned level)
{
	struct pt_item item = { .kind = PT_EMPTY };

	if (!(raw & D_VALID))
		return item;
	if (level != 0 && (raw & D_TABLE)) {
		item.kind = PT_TABLE;
		item.next = (level - 1);
		item.addr = arm_address_of(c, raw, c->page_lg2);
	} else if (level == 0 ? raw & D_TABLE : arm_has_blocks(c, level)) {
		item.kind = PT_LEAF;
		arm_set_block(c, &item, raw, level);
	} else {
		return item;
	}
	if (item.addr & beyond)
		item.kind = PT_RESERVED;
	else if (item.kind == PT_LEAF && !(raw & D_AF) && !(c->flags & (PT_ARM_HA | PT_ARM_AFFD)))
		item.kind = PT_UNACCESSED;
	return item;
}

/* Accessed, and dirty by @bit being as @set says. */
ALWAYS_INLINE uint64_t arm_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write,
				 uint64_t bit, uint64_t set)
{
	if (!arm_sets_access(c) || (!leaf && !(c->flags & PT_ARM_HAFT)))
		return raw;
	if (leaf && write && (raw & D_DBM) && arm_sets_dirty(c))
		raw = (raw & ~bit) | set;
	return raw | D_AF;
}

/* ---- stage 1 ---- */

/* D8.4: what a table takes away from all below it. */
ALWAYS_INLINE unsigned arm_table_permits(const struct pt_config *c, uint64_t raw)
{
	unsigned none = 0;

	if (LIKELY(!(raw & D_TABLE_TAKES)) || (c->flags & PT_ARM_HPD))
		return PERM_ALL;
	if (raw & D_AP_TABLE_RO)
		none |= BOTH(VIOMMU_WRITE);
	if (c->flags & PT_ARM_EL2)
		return PERM_ALL & ~(none | (raw & D_UXN_TABLE ? BOTH(VIOMMU_EXEC) : 0));
	if (raw & D_AP_TABLE_NOT)
		none |= USER(VIOMMU_READ | VIOMMU_WRITE);
	if (raw & D_PXN_TABLE)
		none |= SUPERVISOR(VIOMMU_EXEC);
	if (raw & D_UXN_TABLE)
		none |= USER(VIOMMU_EXEC);
	return PERM_ALL & ~none;
}

/* D8.4: what a page permits by itself. One that is writable and clean is writable. */
ALWAYS_INLINE unsigned arm_page_permits(const struct pt_config *c, uint64_t raw)
{
	bool write = !(raw & D_AP_RO) || ((raw & D_DBM) && arm_sets_dirty(c));
	unsigned access = VIOMMU_READ | (write ? VIOMMU_WRITE : 0U);
	unsigned perm = SUPERVISOR(access);

	if (c->flags & PT_ARM_EL2)
		return BOTH(access | (raw & D_UXN ? 0 : VIOMMU_EXEC));
	if (raw & D_AP_USER)
		perm |= USER(access);
	if (!(raw & D_PXN))
		perm |= SUPERVISOR(VIOMMU_EXEC);
	if (!(raw & D_UXN))
		perm |= USER(VIOMMU_EXEC);
	return perm;
}

/* The same, and whether it is dirty. */
ALWAYS_INLINE unsigned arm_s1_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	bool clean = (raw & D_AP_RO) && (raw & D_DBM) && arm_sets_dirty(c);

	*global = !(raw & D_NG);
	return arm_page_permits(c, raw) | (clean ? 0 : PERM_DIRTY);
}

ALWAYS_INLINE struct pt_item arm_s1_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
					   unsigned level)
{
	struct pt_item item = arm_decode(c, beyond, raw, level);

	if (item.kind == PT_TABLE)
		item.perm = (arm_table_permits(c, raw) | PERM_DIRTY);
	else if (item.kind == PT_LEAF)
		item.perm = arm_s1_page(c, raw, &item.global);
	return item;
}

ALWAYS_INLINE uint64_t arm_s1_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	return arm_touch(c, raw, leaf, write, D_AP_RO, 0);
}

/* D8.4: what users may do withholds something from others, as far as the whole walk permits the users. Fetches are
 * decided before PAN, which is about data. */
ALWAYS_INLINE unsigned arm_s1_fold(const struct pt_config *c, unsigned perm)
{
	unsigned users = perm & USER(VIOMMU_READ | VIOMMU_WRITE);

	if (c->flags & PT_ARM_EPAN)
		users |= perm & USER(VIOMMU_EXEC);
	if (c->flags & PT_ARM_EL2)
		users = 0;
	else if (perm & USER(VIOMMU_WRITE))
		perm &= ~SUPERVISOR(VIOMMU_EXEC);
	if ((c->flags & PT_ARM_WXN) && (perm & USER(VIOMMU_WRITE)))
		perm &= ~USER(VIOMMU_EXEC);
	if ((c->flags & PT_ARM_WXN) && (perm & SUPERVISOR(VIOMMU_WRITE)))
		perm &= ~SUPERVISOR(VIOMMU_EXEC);
	if ((c->flags & PT_ARM_PAN) && users)
		perm &= ~SUPERVISOR(VIOMMU_READ | VIOMMU_WRITE);
	if (c->flags & PT_ARM_E0PD)
		perm &= ~(unsigned)PERM_USER;
	return perm;
}

/* ---- stage 2 ---- */

/* D8.4: execution, of users and of others. */
ALWAYS_INLINE unsigned arm_s2_executes(const struct pt_config *c, uint64_t raw)
{
	bool all = !(raw & D_S2_XN1);

	if (!(c->flags & PT_ARM_XNX))
		return all ? BOTH(VIOMMU_EXEC) : 0;
	if (!(raw & D_S2_XN0))
		return all ? BOTH(VIOMMU_EXEC) : 0;
	return all ? USER(VIOMMU_EXEC) : SUPERVISOR(VIOMMU_EXEC);
}

/* 0 to 3 are Device; with FWB whatever is not Normal by this field, or by stage 1, is taken for it. */
ALWAYS_INLINE bool arm_is_device(const struct pt_config *c, uint64_t raw)
{
	uint64_t attr = bits_get(raw, D_S2_ATTR);

	return c->flags & PT_ARM_FWB ? attr < 5 || attr > 7 : attr < 4;
}

ALWAYS_INLINE unsigned arm_s2_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	bool clean = !(raw & D_S2_WRITE) && (raw & D_DBM) && arm_sets_dirty(c);
	unsigned perm = 0;

	(void)global;
	if (raw & D_S2_READ)
		perm |= BOTH(VIOMMU_READ);
	if ((raw & D_S2_WRITE) || clean)
		perm |= BOTH(VIOMMU_WRITE);
	perm |= arm_s2_executes(c, raw);
	if ((c->flags & PT_ARM_PTW) && arm_is_device(c, raw))
		perm = 0;
	return perm | (clean ? 0 : PERM_DIRTY);
}

ALWAYS_INLINE struct pt_item arm_s2_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
					   unsigned level)
{
	struct pt_item item = arm_decode(c, beyond, raw, level);

	if (item.kind == PT_TABLE)
		item.perm = PERM_ALL | PERM_DIRTY;
	else if (item.kind == PT_LEAF)
		item.perm = arm_s2_page(c, raw, &item.global);
	return item;
}

ALWAYS_INLINE uint64_t arm_s2_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	return arm_touch(c, raw, leaf, write, 0, D_S2_WRITE);
}

/* ---- in a hurry ---- */

/* Of both stages, with addresses of up to 48 bits. */
#define USUAL_ADDR BITS(47, 12)

ALWAYS_INLINE struct pt_usual arm_usual(const struct pt_config *c, uint64_t beyond, uint64_t rsvd,
					uint64_t set)
{
	if (UNLIKELY(c->flags & (PT_ARM_BE | PT_ARM_DS)))
		return PT_UNUSUAL;
	return (struct pt_usual){ .mask = rsvd | set | D_VALID | D_TABLE | (USUAL_ADDR & beyond),
				  .value = set | D_VALID };
}

ALWAYS_INLINE struct pt_usual arm_usual_table(const struct pt_config *c, uint64_t beyond,
					      const struct pt_walk *w, uint64_t takes)
{
	bool accessed = (c->flags & PT_ARM_HAFT) && arm_sets_access(c);

	(void)w;
	return arm_usual(c, beyond, takes, D_TABLE | (accessed ? D_AF : 0));
}

ALWAYS_INLINE struct pt_usual arm_s1_usual_table(const struct pt_config *c, uint64_t beyond,
						 const struct pt_walk *w)
{
	return arm_usual_table(c, beyond, w, D_TABLE_TAKES);
}

ALWAYS_INLINE struct pt_usual arm_s2_usual_table(const struct pt_config *c, uint64_t beyond,
						 const struct pt_walk *w)
{
	return arm_usual_table(c, beyond, w, 0);
}

/* Pages and blocks that are by themselves. @recorded: bits that say in @set that a page is dirty */
ALWAYS_INLINE struct pt_usual arm_usual_page(const struct pt_config *c, uint64_t beyond,
					     const struct pt_walk *w, unsigned level,
					     uint64_t recorded, uint64_t set)
{
	if (level && !arm_has_blocks(c, level))
		return PT_UNUSUAL;
	if (!w->dirty || !arm_sets_dirty(c))
		recorded = set = 0;
	return arm_usual(c, beyond & ~bits_low(pt_shift(c, level)), D_CONT | recorded,
			 D_AF | set | (level ? 0 : D_TABLE));
}

ALWAYS_INLINE struct pt_usual arm_s1_usual_page(const struct pt_config *c, uint64_t beyond,
						const struct pt_walk *w, unsigned level)
{
	return arm_usual_page(c, beyond, w, level, D_AP_RO, 0);
}

ALWAYS_INLINE struct pt_usual arm_s2_usual_page(const struct pt_config *c, uint64_t beyond,
						const struct pt_walk *w, unsigned level)
{
	return arm_usual_page(c, beyond, w, level, D_S2_WRITE, D_S2_WRITE);
}

ALWAYS_INLINE unsigned arm_tables(const struct pt_config *c, uint64_t all)
{
	(void)c;
	(void)all;
	return PERM_ALL | PERM_DIRTY;
}

/* ---- both stages ---- */

static const struct pt_format arm_s1_format = { .decode = arm_s1_decode,
						.touch = arm_s1_touch,
						.fold = arm_s1_fold };
static const struct pt_format arm_s2_format = { .decode = arm_s2_decode, .touch = arm_s2_touch };
/* The same of the usual granule, known when the walk is compiled. */
static const struct pt_format arm_s1_format_4k = { .decode = arm_s1_decode,
						   .touch = arm_s1_touch,
						   .fold = arm_s1_fold,
						   .usual_table = arm_s1_usual_table,
						   .usual_page = arm_s1_usual_page,
						   .address = USUAL_ADDR,
						   .tables = arm_tables,
						   .page = arm_s1_page,
						   .page_lg2 = 12,
						   .index_lg2 = 9,
						   .entry_lg2 = 3 };
static const struct pt_format arm_s2_format_4k = { .decode = arm_s2_decode,
						   .touch = arm_s2_touch,
						   .usual_table = arm_s2_usual_table,
						   .usual_page = arm_s2_usual_page,
						   .address = USUAL_ADDR,
						   .tables = arm_tables,
						   .page = arm_s2_page,
						   .page_lg2 = 12,
						   .index_lg2 = 9,
						   .entry_lg2 = 3 };

#endif
