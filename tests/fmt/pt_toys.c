/* SPDX-License-Identifier: BSD-3-Clause */
/* pt_toys.c - small formats with what walk.h can do and no engine of ours has yet. */
#include <libvirtiommu/iommu.h>

#include "pt_memory.h"
#include "pt_toys.h"

ALWAYS_INLINE uint8_t both(unsigned access)
{
	return (uint8_t)(access | access << 3 | PERM_DIRTY);
}

/* ---- entries that name levels ---- */

/* The page's size is in its address: twice that of the lowest 0 bit from 12 on. */
ALWAYS_INLINE void sized_page(struct pt_item *item, unsigned natural)
{
	uint64_t zeros = ~(item->addr | bits_low(12)) & BITS(51, 12);

	item->lg2 = zeros ? (unsigned)__builtin_ctzll(zeros) + 1 : 63;
	item->addr &= ~bits_low(item->lg2);
	item->kind = item->lg2 > natural && item->lg2 < natural + 9 ? PT_LEAF : PT_RESERVED;
}

ALWAYS_INLINE struct pt_item hop_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
					unsigned level)
{
	struct pt_item item = { .kind = PT_EMPTY };
	unsigned next = (unsigned)bits_get(raw, BITS(11, 9));

	if (!(raw & HOP_P))
		return item;
	item.kind = PT_RESERVED;
	if (raw & HOP_RSVD)
		return item;
	item.perm = both((raw & HOP_R ? VIOMMU_READ : 0) | (raw & HOP_W ? VIOMMU_WRITE : 0));
	item.addr = raw & BITS(51, 12);
	if (next != 0 && next != 7) {
		item.kind = PT_TABLE;
		item.next = (next - 1);
		return item;
	}
	if (!(raw & HOP_D))
		item.perm &= ~(unsigned)PERM_DIRTY;
	if (next == 7) {
		sized_page(&item, pt_shift(c, level));
		return item;
	}
	item.kind = PT_LEAF;
	item.lg2 = pt_shift(c, level);
	return item;
}

ALWAYS_INLINE uint64_t hop_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	(void)c;
	return raw | HOP_A | (leaf && write ? HOP_D : 0);
}

static const struct pt_format hop = { .decode = hop_decode,
				      .touch = hop_touch,
				      .page_lg2 = 12,
				      .index_lg2 = 9,
				      .entry_lg2 = 3,
				      .skips = true };
static const struct pt_memory plain = { .load = pt_plain_load, .update = pt_plain_update };
static const struct pt_memory still = { .load = pt_plain_load };

enum pt_end pt_hop_walk(struct pt_walk *w)
{
	return pt_walk(&hop, &plain, w);
}

enum pt_end pt_hop_peek(struct pt_walk *w)
{
	return pt_walk(&hop, &still, w);
}

enum pt_visit_end pt_hop_visit(struct pt_visit *v)
{
	return pt_visit(&hop, &still, v);
}

/* ---- entries of 4 bytes ---- */

ALWAYS_INLINE struct pt_item short_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
					  unsigned level)
{
	struct pt_item item = { .kind = PT_EMPTY, .perm = both(7) };

	if (!(raw & SHORT_P))
		return item;
	item.addr = bits_get(raw, BITS(31, 10)) << 12;
	if (!(raw & SHORT_RW)) {
		item.kind = level ? PT_TABLE : PT_RESERVED;
		item.next = (level - 1);
		return item;
	}
	item.lg2 = pt_shift(c, level);
	item.kind = item.addr & bits_low(item.lg2) ? PT_RESERVED : PT_LEAF;
	item.perm = both((raw & SHORT_R ? VIOMMU_READ : 0) | (raw & SHORT_W ? VIOMMU_WRITE : 0));
	if (!(raw & SHORT_D))
		item.perm &= ~(unsigned)PERM_DIRTY;
	return item;
}

/* Tables have no accessed bit. */
ALWAYS_INLINE uint64_t short_touch(const struct pt_config *c, uint64_t raw, bool leaf, bool write)
{
	(void)c;
	return leaf ? raw | SHORT_A | (write ? SHORT_D : 0) : raw;
}

static const struct pt_format words = { .decode = short_decode,
					.touch = short_touch,
					.page_lg2 = 12,
					.index_lg2 = 10,
					.entry_lg2 = 2 };
static const struct pt_memory plain32 = { .load = pt_plain_load32, .update = pt_plain_update32 };
static const struct pt_memory still32 = { .load = pt_plain_load32 };

enum pt_end pt_short_walk(struct pt_walk *w)
{
	return pt_walk(&words, &plain32, w);
}

enum pt_end pt_short_peek(struct pt_walk *w)
{
	return pt_walk(&words, &still32, w);
}

enum pt_visit_end pt_short_visit(struct pt_visit *v)
{
	return pt_visit(&words, &still32, v);
}

/* ---- several granules ---- */

ALWAYS_INLINE struct pt_item grain_decode(const struct pt_config *c, uint64_t beyond, uint64_t raw,
					  unsigned level)
{
	struct pt_item item = { .kind = PT_EMPTY, .perm = both(7), .global = raw & GRAIN_GLOBAL };

	if (!(raw & GRAIN_P) || (level == 0 && !(raw & GRAIN_TABLE)))
		return item;
	item.addr = raw & BITS(47, 0) & ~bits_low(c->page_lg2);
	if (level && (raw & GRAIN_TABLE)) {
		item.kind = PT_TABLE;
		item.next = (level - 1);
		return item;
	}
	item.lg2 = (pt_shift(c, level) + (raw & GRAIN_CONT ? pt_grain_neighbours(c, level) : 0));
	item.addr &= ~bits_low(item.lg2);
	item.kind = PT_LEAF;
	return item;
}

static const struct pt_format grain = { .decode = grain_decode };

enum pt_end pt_grain_walk(struct pt_walk *w)
{
	return pt_walk(&grain, &plain, w);
}

enum pt_end pt_grain_peek(struct pt_walk *w)
{
	return pt_walk(&grain, &still, w);
}

enum pt_visit_end pt_grain_visit(struct pt_visit *v)
{
	return pt_visit(&grain, &still, v);
}
