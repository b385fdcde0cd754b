/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_riscv.c - walks of RISC-V page tables, of either stage, and of the first on the second. */

#include "pt_memory.h"
#include "pt_riscv_format.h"

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
	return pt_go_on(&riscv_format64, &memory64, w, s);
}

static __attribute__((noinline)) enum pt_end walk32(struct pt_walk *w)
{
	return pt_walk(&riscv_format32, &memory32, w);
}

enum pt_end pt_riscv_walk(struct pt_walk *w)
{
	return LIKELY(is_wide(w->config)) ? pt_hurry(&riscv_format64, w, go_on) : walk32(w);
}

enum pt_end pt_riscv_peek(struct pt_walk *w)
{
	return is_wide(w->config) ? pt_walk(&riscv_format64, &still64, w)
				  : pt_walk(&riscv_format32, &still32, w);
}

enum pt_end pt_riscv_observe(struct pt_walk *w)
{
	return is_wide(w->config) ? pt_walk(&riscv_format64, &observed64, w)
				  : pt_walk(&riscv_format32, &observed32, w);
}

enum pt_visit_end pt_riscv_visit(struct pt_visit *v)
{
	return is_wide(v->walk.config) ? pt_visit(&riscv_format64, &still64, v)
				       : pt_visit(&riscv_format32, &still32, v);
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
	return LIKELY(is_wide(w->config)) ? pt_walk(&riscv_format64, &memory64_above, w)
					  : pt_walk(&riscv_format32, &memory32_above, w);
}

enum pt_end pt_riscv_peek_above(struct pt_walk *w)
{
	return is_wide(w->config) ? pt_walk(&riscv_format64, &still64_above, w)
				  : pt_walk(&riscv_format32, &still32_above, w);
}

enum pt_end pt_riscv_observe_above(struct pt_walk *w)
{
	return is_wide(w->config) ? pt_walk(&riscv_format64, &observed64_above, w)
				  : pt_walk(&riscv_format32, &observed32_above, w);
}

enum pt_visit_end pt_riscv_visit_above(struct pt_visit *v)
{
	return is_wide(v->walk.config) ? pt_visit(&riscv_format64, &still64_above, v)
				       : pt_visit(&riscv_format32, &still32_above, v);
}
