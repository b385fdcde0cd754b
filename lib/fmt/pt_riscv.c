/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_riscv.c - RISC-V page tables (Privileged specification 12.3 to 12.6, 18.5), either stage, and the first on the second.
 *
 * The manual's levels are ours: 0 has the smallest pages. Entries of 8 bytes (Sv39, Sv48, Sv57 and x4) and of 4 (Sv32,
 * Sv32x4) have the same low bits. The top table of a second stage is four times as long, which is a matter of in_bits.
 */

#include <libvirtiommu/base.h>

#include "pt_memory.h"
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

ALWAYS_INLINE uint64_t reserved_bits(const struct pt_config *c, bool page, unsigned level)
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
ALWAYS_INLINE unsigned permits(const struct pt_config *c, uint64_t raw)
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
ALWAYS_INLINE struct pt_item leaf(const struct pt_config *c, uint64_t raw, uint64_t ppn,
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
	item.perm = permits(c, raw);
	/* without AD a page that is not dirty cannot be written: nothing is to be recorded */
	if ((raw & PTE_D) || !(c->flags & PT_RISCV_AD))
		item.perm |= PERM_DIRTY;
	return item;
}

ALWAYS_INLINE struct pt_item decode(const struct pt_config *c, uint64_t raw, unsigned level,
				    uint64_t field, unsigned index_lg2)
{
	struct pt_item item = { .kind = PT_EMPTY };
	bool page = raw & (PTE_R | PTE_X);

	if (!(raw & PTE_V))
		return item;
	item.kind = PT_RESERVED;
	if ((raw & (PTE_R | PTE_W)) == PTE_W || (raw & reserved_bits(c, page, level)) ||
	    bits_get(raw, PTE_PBMT) == PBMT_RSVD)
		return item;
	if (page)
		return leaf(c, raw, bits_get(raw, field), 12 + level * index_lg2);
	if (level == 0)
		return item;
	item.kind = PT_TABLE;
	item.next = (level - 1);
	item.addr = bits_get(raw, field) << 12;
	item.perm = (PERM_ALL | PERM_DIRTY);
	return item;
}

ALWAYS_INLINE struct pt_item decode64(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				      unsigned level)
{
	(void)beyond; /* what lies there is not found */
	return decode(c, raw, level, PTE_PPN, 9);
}

ALWAYS_INLINE struct pt_item decode32(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				      unsigned level)
{
	(void)beyond; /* what lies there is not found */
	return decode(c, raw, level, PTE_PPN32, 10);
}

/* Entries that lead to tables have neither accessed nor dirty. */
ALWAYS_INLINE uint64_t touch(const struct pt_config *c, uint64_t raw, bool page, bool write)
{
	if (!page || !(c->flags & PT_RISCV_AD))
		return raw;
	return raw | PTE_A | (write ? PTE_D : 0);
}

/* ---- in a hurry ---- */

/* Where an address is beyond the physical ones, or bytes are the other way round, nothing is as usual. */
ALWAYS_INLINE struct pt_usual usual(const struct pt_config *c, uint64_t beyond, uint64_t rsvd,
				    uint64_t set)
{
	if (UNLIKELY((c->flags & PT_RISCV_BE) || ((c->root | bits_low(14)) & beyond)))
		return PT_UNUSUAL;
	return (struct pt_usual){ .mask = rsvd | set | PTE_PBMT | PTE_N | (beyond >> 2 & PTE_PPN),
				  .value = set };
}

ALWAYS_INLINE struct pt_usual usual_table(const struct pt_config *c, uint64_t beyond,
					  const struct pt_walk *w)
{
	(void)w;
	return usual(c, beyond, reserved_bits(c, false, 1) | PTE_R | PTE_W | PTE_X, PTE_V);
}

/* That may be read, and was. */
ALWAYS_INLINE struct pt_usual usual_page(const struct pt_config *c, uint64_t beyond,
					 const struct pt_walk *w, unsigned level)
{
	bool dirty = w->dirty && (c->flags & PT_RISCV_AD);
	uint64_t low = bits_low(9 * level) << 10;

	return usual(c, beyond, reserved_bits(c, true, level) | low,
		     PTE_V | PTE_R | PTE_A | (dirty ? PTE_D : 0));
}

ALWAYS_INLINE unsigned tables(const struct pt_config *c, uint64_t all)
{
	(void)c;
	(void)all;
	return PERM_ALL | PERM_DIRTY;
}

ALWAYS_INLINE unsigned page(const struct pt_config *c, uint64_t raw, bool *global)
{
	(void)global;
	return permits(c, raw) | ((raw & PTE_D) || !(c->flags & PT_RISCV_AD) ? PERM_DIRTY : 0);
}

/* ---- access to the tables ---- */

/* The entry at s->at. What lies beyond the physical addresses is not there. */
ALWAYS_INLINE enum pt_end load_at(struct pt_walk *w, struct pt_step *s, uint64_t *raw,
				  uint16_t flags, unsigned out_bits, bool wide)
{
	enum pt_end end;

	*raw = 0;
	if (s->at & ~bits_low(out_bits))
		return PT_LOAD_FAILED;
	end = wide ? pt_load_at(w, s, raw) : pt_load32_at(w, s, raw);
	if (UNLIKELY(flags & PT_RISCV_BE))
		*raw = wide ? __builtin_bswap64(*raw) : __builtin_bswap32((uint32_t)*raw);
	return end;
}

ALWAYS_INLINE enum pt_end update_at(struct pt_walk *w, struct pt_step *s, uint64_t raw,
				    uint64_t desired, bool wide)
{
	bool swap = w->config->flags & PT_RISCV_BE;

	if (wide) {
		raw = swap ? __builtin_bswap64(raw) : raw;
		desired = swap ? __builtin_bswap64(desired) : desired;
		return pt_swapped(mem_swap64(w->vm, s->at, &raw, desired));
	}
	raw = swap ? __builtin_bswap32((uint32_t)raw) : raw;
	desired = swap ? __builtin_bswap32((uint32_t)desired) : desired;
	return pt_swapped(mem_swap32(w->vm, s->at, &raw, (uint32_t)desired));
}

ALWAYS_INLINE enum pt_end load_plain(struct pt_walk *w, struct pt_step *s, uint64_t *raw, bool wide)
{
	s->at = s->entry;
	return load_at(w, s, raw, w->config->flags, w->config->out_bits, wide);
}

static enum pt_end load64(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return load_plain(w, s, raw, true);
}

static enum pt_end load32(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return load_plain(w, s, raw, false);
}

static enum pt_end update64(struct pt_walk *w, struct pt_step *s, uint64_t raw, uint64_t desired)
{
	return update_at(w, s, raw, desired, true);
}

static enum pt_end update32(struct pt_walk *w, struct pt_step *s, uint64_t raw, uint64_t desired)
{
	return update_at(w, s, raw, desired, false);
}

ALWAYS_INLINE enum pt_end tell(struct pt_walk *w, const struct pt_step *s, const uint64_t *raw,
			       enum pt_end end)
{
	bool second = w->config->flags & PT_RISCV_STAGE2;

	w->observer->saw(w->observer->opaque, second ? "second stage" : "first stage", s->level,
			 s->at, raw, end == PT_OK);
	return end;
}

static enum pt_end observe64(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return tell(w, s, raw, load_plain(w, s, raw, true));
}

static enum pt_end observe32(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return tell(w, s, raw, load_plain(w, s, raw, false));
}

static const struct pt_format format64 = { .decode = decode64,
					   .touch = touch,
					   .usual_table = usual_table,
					   .usual_page = usual_page,
					   .address = PTE_PPN,
					   .address_up = 2,
					   .tables = tables,
					   .page = page,
					   .page_lg2 = 12,
					   .index_lg2 = 9,
					   .entry_lg2 = 3 };
static const struct pt_format format32 = {
	.decode = decode32, .touch = touch, .page_lg2 = 12, .index_lg2 = 10, .entry_lg2 = 2
};
static const struct pt_memory memory64 = { .load = load64, .update = update64 };
static const struct pt_memory memory32 = { .load = load32, .update = update32 };
static const struct pt_memory still64 = { .load = load64 };
static const struct pt_memory still32 = { .load = load32 };
static const struct pt_memory observed64 = { .load = observe64 };
static const struct pt_memory observed32 = { .load = observe32 };

ALWAYS_INLINE bool is_wide(const struct pt_config *c)
{
	return c->entry_lg2 == 3;
}

static __attribute__((noinline)) enum pt_end go_on(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&format64, &memory64, w, s);
}

static __attribute__((noinline)) enum pt_end walk32(struct pt_walk *w)
{
	return pt_walk(&format32, &memory32, w);
}

enum pt_end pt_riscv_walk(struct pt_walk *w)
{
	return LIKELY(is_wide(w->config)) ? pt_hurry(&format64, w, go_on) : walk32(w);
}

enum pt_end pt_riscv_peek(struct pt_walk *w)
{
	return is_wide(w->config) ? pt_walk(&format64, &still64, w)
				  : pt_walk(&format32, &still32, w);
}

enum pt_end pt_riscv_observe(struct pt_walk *w)
{
	return is_wide(w->config) ? pt_walk(&format64, &observed64, w)
				  : pt_walk(&format32, &observed32, w);
}

enum pt_visit_end pt_riscv_visit(struct pt_visit *v)
{
	return is_wide(v->walk.config) ? pt_visit(&format64, &still64, v)
				       : pt_visit(&format32, &still32, v);
}

/* ---- a first stage above a second ---- */

/* Where an entry of the first stage is: an implicit access, a write if accessed or dirty is to be recorded. */
ALWAYS_INLINE enum pt_end find_entry(struct pt_walk *w, struct pt_step *s, unsigned need,
				     enum pt_end (*walk)(struct pt_walk *))
{
	struct pt_walk stage2 = { .vm = w->vm,
				  .config = w->nested,
				  .iova = s->entry,
				  .need = (uint8_t)need,
				  .dirty = need & VIOMMU_WRITE,
				  .place = w->place,
				  .observer = w->observer };
	enum pt_end end = pt_fits(stage2.config, stage2.iova) ? walk(&stage2) : PT_TOO_WIDE;

	w->stage2 = (uint8_t)end;
	w->stage2_level = stage2.level;
	w->stage2_perm = stage2.found.perm;
	s->at = stage2.found.gpa | (s->entry & bits_low(stage2.found.size_lg2));
	return end;
}

ALWAYS_INLINE enum pt_end load_above(struct pt_walk *w, struct pt_step *s, uint64_t *raw, bool wide,
				     enum pt_end (*walk)(struct pt_walk *))
{
	if (w->start)
		s->at = w->start->gpa + (s->entry - w->start->table);
	else if (find_entry(w, s, VIOMMU_READ, walk) != PT_OK)
		return PT_STAGE2_TABLE;
	return load_at(w, s, raw, w->config->flags, w->nested->out_bits, wide);
}

ALWAYS_INLINE enum pt_end update_above(struct pt_walk *w, struct pt_step *s, uint64_t raw,
				       uint64_t desired, bool wide)
{
	if (find_entry(w, s, VIOMMU_READ | VIOMMU_WRITE, pt_riscv_walk) != PT_OK)
		return PT_STAGE2_TOUCH;
	return update_at(w, s, raw, desired, wide);
}

#define ABOVE(wide)                                                                                \
	static enum pt_end load##wide##_above(struct pt_walk *w, struct pt_step *s, uint64_t *raw) \
	{                                                                                          \
		return load_above(w, s, raw, wide == 64, pt_riscv_walk);                           \
	}                                                                                          \
	static enum pt_end peek##wide##_above(struct pt_walk *w, struct pt_step *s, uint64_t *raw) \
	{                                                                                          \
		return load_above(w, s, raw, wide == 64, pt_riscv_peek);                           \
	}                                                                                          \
	static enum pt_end observe##wide##_above(struct pt_walk *w, struct pt_step *s,             \
						 uint64_t *raw)                                    \
	{                                                                                          \
		return tell(w, s, raw, load_above(w, s, raw, wide == 64, pt_riscv_observe));       \
	}                                                                                          \
	static enum pt_end update##wide##_above(struct pt_walk *w, struct pt_step *s,              \
						uint64_t raw, uint64_t desired)                    \
	{                                                                                          \
		return update_above(w, s, raw, desired, wide == 64);                               \
	}                                                                                          \
	static const struct pt_memory memory##wide##_above = { .load = load##wide##_above,         \
							       .update = update##wide##_above };   \
	static const struct pt_memory still##wide##_above = { .load = peek##wide##_above };        \
	static const struct pt_memory observed##wide##_above = { .load = observe##wide##_above };

ABOVE(64)
ABOVE(32)

enum pt_end pt_riscv_walk_above(struct pt_walk *w)
{
	return LIKELY(is_wide(w->config)) ? pt_walk(&format64, &memory64_above, w)
					  : pt_walk(&format32, &memory32_above, w);
}

enum pt_end pt_riscv_peek_above(struct pt_walk *w)
{
	return is_wide(w->config) ? pt_walk(&format64, &still64_above, w)
				  : pt_walk(&format32, &still32_above, w);
}

enum pt_end pt_riscv_observe_above(struct pt_walk *w)
{
	return is_wide(w->config) ? pt_walk(&format64, &observed64_above, w)
				  : pt_walk(&format32, &observed32_above, w);
}

enum pt_visit_end pt_riscv_visit_above(struct pt_visit *v)
{
	return is_wide(v->walk.config) ? pt_visit(&format64, &still64_above, v)
				       : pt_visit(&format32, &still32_above, v);
}
