/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_x86.c - x86-64 tables as VT-d first-stage tables (3.6, 9.7) and AMD-Vi guest tables (AMD 2.2.6), alone and
 * nested on a second stage (3.8) or on host tables.
 *
 * The manual's levels: FS-PTE is level 0 here, FS-PDE 1, FS-PDPE 2, FS-PML4E 3, FS-PML5E 4.
 */

#include <libvirtiommu/base.h>

#include "pt_amd_v1.h"
#include "pt_nested.h"
#include "pt_vtd_ss.h"
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

ALWAYS_INLINE uint64_t reserved_bits(const struct pt_config *c, unsigned level, bool page)
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

ALWAYS_INLINE bool is_page(const struct pt_config *c, uint64_t raw, unsigned level)
{
	if (level == 0)
		return true;
	return (raw & FS_PS) && (level == 1 || (level == 2 && (c->flags & PT_X86_1G)));
}

/* What one entry permits to users and supervisors (3.6.1); fs_fold() adds what depends on the whole
 * walk. */
ALWAYS_INLINE unsigned permits(const struct pt_config *c, uint64_t raw)
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
	bool page = is_page(c, raw, level);

	if (!(raw & FS_P))
		return item;
	item.addr = raw & FS_ADDR;
	if ((raw & reserved_bits(c, level, page)) || (item.addr & beyond)) {
		item.kind = PT_RESERVED;
		return item;
	}
	item.perm = (permits(c, raw) | PERM_DIRTY);
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
ALWAYS_INLINE struct pt_usual usual(const struct pt_config *c, uint64_t rsvd, bool write)
{
	uint64_t set = fs_touch(c, FS_P, true, write);

	return (struct pt_usual){ .mask = rsvd | set, .value = set };
}

ALWAYS_INLINE struct pt_usual fs_usual_table(const struct pt_config *c, uint64_t beyond,
					     const struct pt_walk *w)
{
	(void)w;
	return usual(c, reserved_bits(c, 1, false) | (FS_ADDR & beyond), false);
}

ALWAYS_INLINE struct pt_usual fs_usual_page(const struct pt_config *c, uint64_t beyond,
					    const struct pt_walk *w, unsigned level)
{
	struct pt_usual page =
		usual(c, reserved_bits(c, level, true) | (FS_ADDR & beyond), w->dirty);

	if (level == 0)
		return page;
	if (!is_page(c, FS_PS, level))
		return PT_UNUSUAL;
	page.mask |= FS_PS;
	page.value |= FS_PS;
	return page;
}

ALWAYS_INLINE unsigned fs_tables(const struct pt_config *c, uint64_t all)
{
	return permits(c, all ^ FS_XD) | PERM_DIRTY;
}

ALWAYS_INLINE unsigned fs_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	(void)global;
	return permits(c, raw) | ((raw & FS_D) || (c->flags & PT_X86_STILL_D) ? PERM_DIRTY : 0);
}

static enum pt_end observed_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_observed_load(w, s, raw, "first stage");
}

static enum pt_end nested_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_nested_load(w, s, raw, pt_vtd_ss_walk);
}

static enum pt_end nested_peek(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_nested_load(w, s, raw, pt_vtd_ss_peek);
}

static enum pt_end nested_observe(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	enum pt_end end = pt_nested_load(w, s, raw, pt_vtd_ss_observe);

	w->observer->saw(w->observer->opaque, "first stage", s->level, s->at, raw, end == PT_OK);
	return end;
}

/* Accessed and dirty of a nested first stage are writes, which the second stage must permit
 * (3.8.1). */
static enum pt_end nested_update(struct pt_walk *w, struct pt_step *s, uint64_t raw,
				 uint64_t desired)
{
	return pt_nested_update(w, s, raw, desired, pt_vtd_ss_walk);
}

/* The same on AMD-Vi host tables. */
static enum pt_end hosted_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_nested_load(w, s, raw, pt_amd_v1_walk);
}

static enum pt_end hosted_peek(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return pt_nested_load(w, s, raw, pt_amd_v1_peek);
}

static enum pt_end hosted_observe(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	enum pt_end end = pt_nested_load(w, s, raw, pt_amd_v1_observe);

	w->observer->saw(w->observer->opaque, "guest table", s->level, s->at, raw, end == PT_OK);
	return end;
}

static enum pt_end hosted_update(struct pt_walk *w, struct pt_step *s, uint64_t raw,
				 uint64_t desired)
{
	return pt_nested_update(w, s, raw, desired, pt_amd_v1_walk);
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
static const struct pt_memory fs_memory = { .load = pt_plain_load, .update = pt_plain_update };
static const struct pt_memory fs_still = { .load = pt_plain_load };
static const struct pt_memory fs_observed = { .load = observed_load };
static const struct pt_memory nested_memory = { .load = nested_load, .update = nested_update };
static const struct pt_memory nested_still = { .load = nested_peek };
static const struct pt_memory nested_observed = { .load = nested_observe };
static const struct pt_memory hosted_memory = { .load = hosted_load, .update = hosted_update };
static const struct pt_memory hosted_still = { .load = hosted_peek };
static const struct pt_memory hosted_observed = { .load = hosted_observe };

static __attribute__((noinline)) enum pt_end go_on(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&fs_format, &fs_memory, w, s);
}

enum pt_end pt_x86_walk(struct pt_walk *w)
{
	return pt_hurry(&fs_format, w, go_on);
}

enum pt_end pt_x86_peek(struct pt_walk *w)
{
	return pt_walk(&fs_format, &fs_still, w);
}

enum pt_end pt_x86_observe(struct pt_walk *w)
{
	return pt_walk(&fs_format, &fs_observed, w);
}

enum pt_visit_end pt_x86_visit(struct pt_visit *v)
{
	return pt_visit(&fs_format, &fs_still, v);
}

enum pt_end pt_x86_walk_on_vtd_ss(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &nested_memory, w), pt_vtd_ss_walk);
}

enum pt_end pt_x86_peek_on_vtd_ss(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &nested_still, w), pt_vtd_ss_peek);
}

enum pt_end pt_x86_observe_on_vtd_ss(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &nested_observed, w), pt_vtd_ss_observe);
}

enum pt_visit_end pt_x86_visit_on_vtd_ss(struct pt_visit *v)
{
	return pt_visit(&fs_format, &nested_still, v);
}

enum pt_end pt_x86_walk_on_amd_v1(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &hosted_memory, w), pt_amd_v1_walk);
}

enum pt_end pt_x86_peek_on_amd_v1(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &hosted_still, w), pt_amd_v1_peek);
}

enum pt_end pt_x86_observe_on_amd_v1(struct pt_walk *w)
{
	return pt_nested_result(w, pt_walk(&fs_format, &hosted_observed, w), pt_amd_v1_observe);
}

enum pt_visit_end pt_x86_visit_on_amd_v1(struct pt_visit *v)
{
	return pt_visit(&fs_format, &hosted_still, v);
}
