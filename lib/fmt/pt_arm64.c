/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pt_arm64.c - VMSAv8-64 tables (Arm DDI 0487, D8.3 and D8.4): stage 1, stage 2, and one on the other.
 *
 * The manual's levels: level 3 is level 0 here, level 0 is 3, level -1 is 4.
 */

#include <libvirtiommu/base.h>

#include "pt_arm64.h"
#include "pt_nested.h"

/* D8.3 Descriptors of 64 bits. Where an address is, D8.3: address_of(). */
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

ALWAYS_INLINE bool sets_access(const struct pt_config *c)
{
	return c->flags & PT_ARM_HA;
}

ALWAYS_INLINE bool sets_dirty(const struct pt_config *c)
{
	return (c->flags & (PT_ARM_HA | PT_ARM_HD)) == (PT_ARM_HA | PT_ARM_HD);
}

/* The address in a descriptor, of which the bits from @lg2 on count. */
ALWAYS_INLINE uint64_t address_of(const struct pt_config *c, uint64_t raw, unsigned lg2)
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
ALWAYS_INLINE bool has_blocks(const struct pt_config *c, unsigned level)
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
ALWAYS_INLINE unsigned neighbours_lg2(const struct pt_config *c, unsigned level)
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
ALWAYS_INLINE void set_block(const struct pt_config *c, struct pt_item *item, uint64_t raw,
			     unsigned level)
{
	unsigned lg2 = pt_shift(c, level);
	unsigned more = neighbours_lg2(c, level);

	item->lg2 = lg2;
	item->addr = address_of(c, raw, lg2);
	if (UNLIKELY(raw & D_CONT) && more && !sets_access(c) && lg2 + more <= c->in_bits &&
	    lg2 + more <= c->out_bits) {
		item->lg2 = (lg2 + more);
		item->addr &= ~bits_low(item->lg2);
	}
}

/* What both stages have in common: all but the permissions. Table, leaf, or why not. */
ALWAYS_INLINE struct pt_item decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				    unsigned level)
{
	struct pt_item item = { .kind = PT_EMPTY };

	if (!(raw & D_VALID))
		return item;
	if (level != 0 && (raw & D_TABLE)) {
		item.kind = PT_TABLE;
		item.next = (level - 1);
		item.addr = address_of(c, raw, c->page_lg2);
	} else if (level == 0 ? raw & D_TABLE : has_blocks(c, level)) {
		item.kind = PT_LEAF;
		set_block(c, &item, raw, level);
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
ALWAYS_INLINE uint64_t touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write,
			     uint64_t bit, uint64_t set)
{
	if (!sets_access(c) || (!leaf && !(c->flags & PT_ARM_HAFT)))
		return raw;
	if (leaf && write && (raw & D_DBM) && sets_dirty(c))
		raw = (raw & ~bit) | set;
	return raw | D_AF;
}

/* ---- stage 1 ---- */

/* D8.4: what a table takes away from all below it. */
ALWAYS_INLINE unsigned table_permits(const struct pt_config *c, uint64_t raw)
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
ALWAYS_INLINE unsigned page_permits(const struct pt_config *c, uint64_t raw)
{
	bool write = !(raw & D_AP_RO) || ((raw & D_DBM) && sets_dirty(c));
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
ALWAYS_INLINE unsigned s1_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	bool clean = (raw & D_AP_RO) && (raw & D_DBM) && sets_dirty(c);

	*global = !(raw & D_NG);
	return page_permits(c, raw) | (clean ? 0 : PERM_DIRTY);
}

ALWAYS_INLINE struct pt_item s1_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				       unsigned level)
{
	struct pt_item item = decode(c, beyond, raw, level);

	if (item.kind == PT_TABLE)
		item.perm = (table_permits(c, raw) | PERM_DIRTY);
	else if (item.kind == PT_LEAF)
		item.perm = s1_page(c, raw, &item.global);
	return item;
}

ALWAYS_INLINE uint64_t s1_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	return touch(c, raw, leaf, write, D_AP_RO, 0);
}

/* D8.4: what users may do withholds something from others, as far as the whole walk permits the users. Fetches are
 * decided before PAN, which is about data. */
ALWAYS_INLINE unsigned s1_fold(const struct pt_config *c, unsigned perm)
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
ALWAYS_INLINE unsigned s2_executes(const struct pt_config *c, uint64_t raw)
{
	bool all = !(raw & D_S2_XN1);

	if (!(c->flags & PT_ARM_XNX))
		return all ? BOTH(VIOMMU_EXEC) : 0;
	if (!(raw & D_S2_XN0))
		return all ? BOTH(VIOMMU_EXEC) : 0;
	return all ? USER(VIOMMU_EXEC) : SUPERVISOR(VIOMMU_EXEC);
}

/* 0 to 3 are Device; with FWB whatever is not Normal by this field, or by stage 1, is taken for it. */
ALWAYS_INLINE bool is_device(const struct pt_config *c, uint64_t raw)
{
	uint64_t attr = bits_get(raw, D_S2_ATTR);

	return c->flags & PT_ARM_FWB ? attr < 5 || attr > 7 : attr < 4;
}

ALWAYS_INLINE unsigned s2_page(const struct pt_config *c, uint64_t raw, bool *global)
{
	bool clean = !(raw & D_S2_WRITE) && (raw & D_DBM) && sets_dirty(c);
	unsigned perm = 0;

	(void)global;
	if (raw & D_S2_READ)
		perm |= BOTH(VIOMMU_READ);
	if ((raw & D_S2_WRITE) || clean)
		perm |= BOTH(VIOMMU_WRITE);
	perm |= s2_executes(c, raw);
	if ((c->flags & PT_ARM_PTW) && is_device(c, raw))
		perm = 0;
	return perm | (clean ? 0 : PERM_DIRTY);
}

ALWAYS_INLINE struct pt_item s2_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
				       unsigned level)
{
	struct pt_item item = decode(c, beyond, raw, level);

	if (item.kind == PT_TABLE)
		item.perm = PERM_ALL | PERM_DIRTY;
	else if (item.kind == PT_LEAF)
		item.perm = s2_page(c, raw, &item.global);
	return item;
}

ALWAYS_INLINE uint64_t s2_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	return touch(c, raw, leaf, write, 0, D_S2_WRITE);
}

/* ---- in a hurry ---- */

/* Of both stages, with addresses of up to 48 bits. */
#define USUAL_ADDR BITS(47, 12)

ALWAYS_INLINE struct pt_usual usual(const struct pt_config *c, uint64_t beyond, uint64_t rsvd,
				    uint64_t set)
{
	if (UNLIKELY(c->flags & (PT_ARM_BE | PT_ARM_DS)))
		return PT_UNUSUAL;
	return (struct pt_usual){ .mask = rsvd | set | D_VALID | D_TABLE | (USUAL_ADDR & beyond),
				  .value = set | D_VALID };
}

ALWAYS_INLINE struct pt_usual usual_table(const struct pt_config *c, uint64_t beyond,
					  const struct pt_walk *w, uint64_t takes)
{
	bool accessed = (c->flags & PT_ARM_HAFT) && sets_access(c);

	(void)w;
	return usual(c, beyond, takes, D_TABLE | (accessed ? D_AF : 0));
}

ALWAYS_INLINE struct pt_usual s1_usual_table(const struct pt_config *c, uint64_t beyond,
					     const struct pt_walk *w)
{
	return usual_table(c, beyond, w, D_TABLE_TAKES);
}

ALWAYS_INLINE struct pt_usual s2_usual_table(const struct pt_config *c, uint64_t beyond,
					     const struct pt_walk *w)
{
	return usual_table(c, beyond, w, 0);
}

/* Pages and blocks that are by themselves. @recorded: bits that say in @set that a page is dirty */
ALWAYS_INLINE struct pt_usual usual_page(const struct pt_config *c, uint64_t beyond,
					 const struct pt_walk *w, unsigned level, uint64_t recorded,
					 uint64_t set)
{
	if (level && !has_blocks(c, level))
		return PT_UNUSUAL;
	if (!w->dirty || !sets_dirty(c))
		recorded = set = 0;
	return usual(c, beyond & ~bits_low(pt_shift(c, level)), D_CONT | recorded,
		     D_AF | set | (level ? 0 : D_TABLE));
}

ALWAYS_INLINE struct pt_usual s1_usual_page(const struct pt_config *c, uint64_t beyond,
					    const struct pt_walk *w, unsigned level)
{
	return usual_page(c, beyond, w, level, D_AP_RO, 0);
}

ALWAYS_INLINE struct pt_usual s2_usual_page(const struct pt_config *c, uint64_t beyond,
					    const struct pt_walk *w, unsigned level)
{
	return usual_page(c, beyond, w, level, D_S2_WRITE, D_S2_WRITE);
}

ALWAYS_INLINE unsigned tables(const struct pt_config *c, uint64_t all)
{
	(void)c;
	(void)all;
	return PERM_ALL | PERM_DIRTY;
}

/* ---- memory ---- */

ALWAYS_INLINE uint64_t ordered(const struct pt_walk *w, uint64_t raw)
{
	return UNLIKELY(w->config->flags & PT_ARM_BE) ? __builtin_bswap64(raw) : raw;
}

ALWAYS_INLINE enum pt_end load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	enum pt_end end = pt_plain_load(w, s, raw);

	*raw = end == PT_OK ? ordered(w, *raw) : 0;
	return end;
}

ALWAYS_INLINE enum pt_end update(struct pt_walk *w, struct pt_step *s, uint64_t raw,
				 uint64_t desired)
{
	return pt_plain_update(w, s, ordered(w, raw), ordered(w, desired));
}

static void observe(const struct pt_walk *w, const struct pt_step *s, const char *stage,
		    const uint64_t *raw, bool ok)
{
	w->observer->saw(w->observer->opaque, stage, s->level, s->at, raw, ok);
}

static enum pt_end s1_observed_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	enum pt_end end = load(w, s, raw);

	observe(w, s, "stage 1", raw, end == PT_OK);
	return end;
}

static enum pt_end s2_observed_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	enum pt_end end = load(w, s, raw);

	observe(w, s, "stage 2", raw, end == PT_OK);
	return end;
}

static const struct pt_format s1_format = { .decode = s1_decode,
					    .touch = s1_touch,
					    .fold = s1_fold };
static const struct pt_format s2_format = { .decode = s2_decode, .touch = s2_touch };
/* The same of the usual granule, known when the walk is compiled. */
static const struct pt_format s1_format_4k = { .decode = s1_decode,
					       .touch = s1_touch,
					       .fold = s1_fold,
					       .usual_table = s1_usual_table,
					       .usual_page = s1_usual_page,
					       .address = USUAL_ADDR,
					       .tables = tables,
					       .page = s1_page,
					       .page_lg2 = 12,
					       .index_lg2 = 9,
					       .entry_lg2 = 3 };
static const struct pt_format s2_format_4k = { .decode = s2_decode,
					       .touch = s2_touch,
					       .usual_table = s2_usual_table,
					       .usual_page = s2_usual_page,
					       .address = USUAL_ADDR,
					       .tables = tables,
					       .page = s2_page,
					       .page_lg2 = 12,
					       .index_lg2 = 9,
					       .entry_lg2 = 3 };
static const struct pt_memory plain = { .load = load, .update = update };
static const struct pt_memory still = { .load = load };
static const struct pt_memory s1_observed = { .load = s1_observed_load };
static const struct pt_memory s2_observed = { .load = s2_observed_load };

/* ---- geometry ---- */

/* The first table is aligned to its size; to 64 bytes at least where addresses have 52 bits (IHI 0070, 5.4 TTB0). */
static uint64_t align(uint64_t ttb, const struct pt_config *c, unsigned out_bits)
{
	unsigned lg2 = c->in_bits - pt_shift(c, c->top) + c->entry_lg2;

	if (out_bits >= 52 && lg2 < 6)
		lg2 = 6;
	return ttb & ~bits_low(lg2);
}

static struct pt_config geometry(unsigned page_lg2, unsigned in_bits, unsigned out_bits,
				 unsigned flags)
{
	return (struct pt_config){ .page_lg2 = (uint8_t)page_lg2,
				   .index_lg2 = (uint8_t)(page_lg2 - 3),
				   .entry_lg2 = 3,
				   .in_bits = (uint8_t)in_bits,
				   .out_bits =
					   (uint8_t)pt_arm64_out_bits(page_lg2, out_bits, flags),
				   .flags = (uint16_t)flags };
}

struct pt_config pt_arm64_stage1(uint64_t ttb, unsigned page_lg2, unsigned in_bits,
				 unsigned out_bits, unsigned flags)
{
	struct pt_config c = geometry(page_lg2, in_bits, out_bits, flags);

	c.top = (uint8_t)((in_bits - page_lg2 - 1) / c.index_lg2);
	c.root = align(ttb, &c, out_bits);
	return c;
}

/* IHI 0070, 5.2 S2SL0: the level of the first table, this file's; false: none. */
static bool start_level(unsigned page_lg2, unsigned start, unsigned *level)
{
	static const uint8_t of_4k[] = { 1, 2, 3, 0, 4 };

	if (page_lg2 != 12)
		*level = start;
	else if (start < ARRAY_COUNT(of_4k))
		*level = of_4k[bits_clamp_index(start, ARRAY_COUNT(of_4k))];
	else
		return false;
	return page_lg2 == 12 || *level <= (page_lg2 == 14 ? 3U : 2U);
}

bool pt_arm64_stage2(struct pt_config *config, uint64_t ttb, unsigned page_lg2, unsigned in_bits,
		     unsigned out_bits, unsigned start, unsigned flags)
{
	struct pt_config c = geometry(page_lg2, in_bits, out_bits, flags);
	unsigned level;
	unsigned shift;

	if (!start_level(page_lg2, start, &level))
		return false;
	c.top = (uint8_t)level;
	shift = pt_shift(&c, level);
	if (in_bits <= shift || in_bits > shift + c.index_lg2 + 4)
		return false;
	c.root = align(ttb, &c, out_bits);
	*config = c;
	return true;
}

/* ---- walks of one stage ---- */

/* EPDx, E0PDx: nothing is mapped. */
ALWAYS_INLINE bool is_off(const struct pt_walk *w)
{
	return !w->config->page_lg2 ||
	       ((w->config->flags & PT_ARM_E0PD) && ((w->need | w->any) & PERM_USER));
}

ALWAYS_INLINE enum pt_end walk_s1(const struct pt_memory *memory, struct pt_walk *w)
{
	if (UNLIKELY(is_off(w))) {
		w->level = w->config->top;
		return PT_NOT_PRESENT;
	}
	return pt_walk(&s1_format, memory, w);
}

static __attribute__((noinline)) enum pt_end go_on_s1(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&s1_format_4k, &plain, w, s);
}

static __attribute__((noinline)) enum pt_end other_s1(struct pt_walk *w)
{
	return walk_s1(&plain, w);
}

enum pt_end pt_arm64_s1_walk(struct pt_walk *w)
{
	if (LIKELY(w->config->page_lg2 == 12 && !is_off(w)))
		return pt_hurry(&s1_format_4k, w, go_on_s1);
	return other_s1(w);
}

enum pt_end pt_arm64_s1_peek(struct pt_walk *w)
{
	return walk_s1(&still, w);
}

enum pt_end pt_arm64_s1_observe(struct pt_walk *w)
{
	return walk_s1(&s1_observed, w);
}

enum pt_visit_end pt_arm64_s1_visit(struct pt_visit *v)
{
	return pt_visit(&s1_format, &still, v);
}

static __attribute__((noinline)) enum pt_end go_on_s2(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&s2_format_4k, &plain, w, s);
}

static __attribute__((noinline)) enum pt_end other_s2(struct pt_walk *w)
{
	return pt_walk(&s2_format, &plain, w);
}

enum pt_end pt_arm64_s2_walk_for_table(struct pt_walk *w)
{
	return LIKELY(w->config->page_lg2 == 12) ? pt_hurry(&s2_format_4k, w, go_on_s2)
						 : other_s2(w);
}

enum pt_end pt_arm64_s2_peek_for_table(struct pt_walk *w)
{
	return pt_walk(&s2_format, &still, w);
}

enum pt_end pt_arm64_s2_observe_for_table(struct pt_walk *w)
{
	return pt_walk(&s2_format, &s2_observed, w);
}

/* What is no table may be Device memory. */
ALWAYS_INLINE enum pt_end for_data(struct pt_walk *w, enum pt_end (*walk)(struct pt_walk *))
{
	const struct pt_config *config = w->config;
	struct pt_config any = *config;
	enum pt_end end;

	any.flags &= (uint16_t)~PT_ARM_PTW;
	w->config = &any;
	end = walk(w);
	w->config = config;
	return end;
}

enum pt_end pt_arm64_s2_walk(struct pt_walk *w)
{
	return for_data(w, pt_arm64_s2_walk_for_table);
}

enum pt_end pt_arm64_s2_peek(struct pt_walk *w)
{
	return for_data(w, pt_arm64_s2_peek_for_table);
}

enum pt_end pt_arm64_s2_observe(struct pt_walk *w)
{
	return for_data(w, pt_arm64_s2_observe_for_table);
}

enum pt_visit_end pt_arm64_s2_visit(struct pt_visit *v)
{
	const struct pt_config *config = v->walk.config;
	struct pt_config any = *config;
	enum pt_visit_end end;

	any.flags &= (uint16_t)~PT_ARM_PTW;
	v->walk.config = &any;
	end = pt_visit(&s2_format, &still, v);
	v->walk.config = config;
	return end;
}

/* ---- stage 1 on stage 2 ---- */

ALWAYS_INLINE enum pt_end load_below(struct pt_walk *w, struct pt_step *s, uint64_t *raw,
				     enum pt_end (*stage)(struct pt_walk *))
{
	enum pt_end end = pt_nested_load(w, s, raw, stage);

	*raw = end == PT_OK ? ordered(w, *raw) : 0;
	return end;
}

static enum pt_end nested_load(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return load_below(w, s, raw, pt_arm64_s2_walk_for_table);
}

static enum pt_end nested_peek(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	return load_below(w, s, raw, pt_arm64_s2_peek_for_table);
}

static enum pt_end nested_observe(struct pt_walk *w, struct pt_step *s, uint64_t *raw)
{
	enum pt_end end = load_below(w, s, raw, pt_arm64_s2_observe_for_table);

	if (end != PT_STAGE2_TABLE)
		observe(w, s, "stage 1", raw, end == PT_OK);
	return end;
}

static enum pt_end nested_update(struct pt_walk *w, struct pt_step *s, uint64_t raw,
				 uint64_t desired)
{
	return pt_nested_update(w, s, ordered(w, raw), ordered(w, desired),
				pt_arm64_s2_walk_for_table);
}

static const struct pt_memory nested_memory = { .load = nested_load, .update = nested_update };
static const struct pt_memory nested_still = { .load = nested_peek };
static const struct pt_memory nested_observed = { .load = nested_observe };

enum pt_end pt_arm64_s1_walk_on_s2(struct pt_walk *w)
{
	enum pt_end end = LIKELY(w->config->page_lg2 == 12 && !is_off(w))
				  ? pt_walk(&s1_format_4k, &nested_memory, w)
				  : walk_s1(&nested_memory, w);

	return pt_nested_result(w, end, pt_arm64_s2_walk);
}

enum pt_end pt_arm64_s1_peek_on_s2(struct pt_walk *w)
{
	return pt_nested_result(w, walk_s1(&nested_still, w), pt_arm64_s2_peek);
}

enum pt_end pt_arm64_s1_observe_on_s2(struct pt_walk *w)
{
	return pt_nested_result(w, walk_s1(&nested_observed, w), pt_arm64_s2_observe);
}

enum pt_visit_end pt_arm64_s1_visit_on_s2(struct pt_visit *v)
{
	return pt_visit(&s1_format, &nested_still, v);
}
