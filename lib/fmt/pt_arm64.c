/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_arm64.c - walks of VMSAv8-64 tables: stage 1, stage 2, and one on the other. */

#include "pt_arm64_format.h"
#include "pt_nested.h"

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
	return pt_walk(&arm_s1_format, memory, w);
}

static __attribute__((noinline)) enum pt_end go_on_s1(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&arm_s1_format_4k, &plain, w, s);
}

static __attribute__((noinline)) enum pt_end other_s1(struct pt_walk *w)
{
	return walk_s1(&plain, w);
}

enum pt_end pt_arm64_s1_walk(struct pt_walk *w)
{
	if (LIKELY(w->config->page_lg2 == 12 && !is_off(w)))
		return pt_hurry(&arm_s1_format_4k, w, go_on_s1);
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
	return pt_visit(&arm_s1_format, &still, v);
}

static __attribute__((noinline)) enum pt_end go_on_s2(struct pt_walk *w, struct pt_step s)
{
	return pt_go_on(&arm_s2_format_4k, &plain, w, s);
}

static __attribute__((noinline)) enum pt_end other_s2(struct pt_walk *w)
{
	return pt_walk(&arm_s2_format, &plain, w);
}

enum pt_end pt_arm64_s2_walk_for_table(struct pt_walk *w)
{
	return LIKELY(w->config->page_lg2 == 12) ? pt_hurry(&arm_s2_format_4k, w, go_on_s2)
						 : other_s2(w);
}

enum pt_end pt_arm64_s2_peek_for_table(struct pt_walk *w)
{
	return pt_walk(&arm_s2_format, &still, w);
}

enum pt_end pt_arm64_s2_observe_for_table(struct pt_walk *w)
{
	return pt_walk(&arm_s2_format, &s2_observed, w);
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
	end = pt_visit(&arm_s2_format, &still, v);
	v->walk.config = config;
	return end;
}

bool pt_arm64_s2_hurry(const struct pt_config *c, const struct pt_near *near, uint64_t ipa,
		       unsigned need, bool table, struct translation *found)
{
	struct pt_config config;
	struct pt_walk w;
	struct pt_step s;

	if (c->page_lg2 != 12 || !pt_fits(c, ipa))
		return false;
	pt_walk_init(&w, NULL, c, ipa, NULL);
	w.need = (uint8_t)need;
	w.dirty = w.need & (VIOMMU_WRITE | VIOMMU_WRITE << 3);
	config = pt_geometry(&arm_s2_format_4k, &w);
	if (!table)
		config.flags &= (uint16_t)~PT_ARM_PTW;
	s = pt_begin(&config, &w);
	s.near = *near;
	if (!pt_hurry_on(&arm_s2_format_4k, pt_reach_near, &config, &w, &s))
		return false;
	*found = w.found;
	return true;
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
				  ? pt_walk(&arm_s1_format_4k, &nested_memory, w)
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
	return pt_visit(&arm_s1_format, &nested_still, v);
}
