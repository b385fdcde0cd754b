/* SPDX-License-Identifier: BSD-3-Clause */
/* smmu_trees.c - tables by chance, with addresses that lead through them. */
#include "smmu_trees.h"

#include <endian.h>
#include <string.h>

#define B(n) (UINT64_C(1) << (n))

static bool one_in(struct si_image *image, uint32_t n)
{
	return si_pick(image, n) == 0;
}

static unsigned page_bits(const struct a64_tables *t)
{
	return t->kib == 4 ? 12 : t->kib == 16 ? 14 : 16;
}

static unsigned low_bits(const struct a64_tables *t, int level)
{
	return page_bits(t) + (unsigned)(3 - level) * (page_bits(t) - 3);
}

static uint64_t order(const struct a64_tables *t, uint64_t d)
{
	return t->big_endian ? htobe64(d) : htole64(d);
}

static uint64_t spread(const struct a64_tables *t, uint64_t address)
{
	if (t->kib == 64 && t->wide)
		return (address & (B(48) - B(16))) | (address >> 48 & 15) << 12;
	if (t->kib != 64 && t->ds)
		return (address & (B(50) - B(12))) | (address >> 50 & 3) << 8;
	return address & (B(48) - B(12));
}

static uint64_t gather(const struct a64_tables *t, uint64_t d)
{
	if (t->kib == 64 && t->wide)
		return (d & (B(48) - B(16))) | (d >> 12 & 15) << 48;
	if (t->kib != 64 && t->ds)
		return (d & (B(50) - B(12))) | (d >> 8 & 3) << 50;
	return d & (B(48) - B(page_bits(t)));
}

static int first_level(const struct si_tree *tree)
{
	int level = 3;

	if (tree->stage2)
		return tree->t.start;
	while (low_bits(&tree->t, level) + page_bits(&tree->t) - 3 < tree->t.bits)
		level--;
	return level;
}

static bool may_be_block(const struct a64_tables *t, int level)
{
	if (level >= 2)
		return true;
	if (level == 1)
		return t->kib == 4 || (t->kib == 16 ? t->ds : t->wide);
	return level == 0 && t->kib == 4 && t->ds;
}

/* ---- descriptors ---- */

static uint64_t stage1_flags(struct si_image *image)
{
	uint64_t d = 0;

	d |= one_in(image, 12) ? 0 : B(10);
	d |= one_in(image, 3) ? 0 : B(6);
	d |= one_in(image, 3) ? B(7) : 0;
	d |= one_in(image, 2) ? B(11) : 0;
	d |= one_in(image, 2) ? B(51) : 0;
	d |= one_in(image, 4) ? B(53) : 0;
	d |= one_in(image, 4) ? B(54) : 0;
	return d | (uint64_t)si_pick(image, 16) << 2 | (uint64_t)si_pick(image, 16) << 55;
}

static uint64_t stage2_flags(struct si_image *image, bool plain)
{
	uint64_t d = B(10) | B(6) | B(7) | 15 << 2;

	if (one_in(image, 3))
		d |= B(51) | (one_in(image, 2) ? B(7) : 0);
	if (d & B(51) && one_in(image, 2))
		d ^= B(7);
	if (plain)
		return d;
	d ^= one_in(image, 12) ? B(10) : 0;
	d ^= one_in(image, 8) ? B(6) : 0;
	d ^= one_in(image, 6) ? B(7) : 0;
	d |= one_in(image, 3) ? (uint64_t)si_pick(image, 4) << 53 : 0;
	d ^= one_in(image, 6) ? (uint64_t)si_pick(image, 16) << 2 : 0;
	return d;
}

static uint64_t table_flags(struct si_image *image, bool stage2)
{
	uint64_t d = one_in(image, 2) ? B(10) : 0;

	if (!stage2 && one_in(image, 4))
		d |= (uint64_t)si_pick(image, 32) << 59;
	return d;
}

/* How many neighbours of this level form one page; 0: none. */
static unsigned group_bits(const struct a64_tables *t, int level)
{
	if (t->kib == 4)
		return level >= 1 ? 4 : 0;
	return level < 2 ? 0 : t->kib == 16 && level == 3 ? 7 : 5;
}

/* All of a group that is one page, if nothing is there yet. */
static bool put_group(struct si_image *image, struct si_tree *tree, uint64_t at, int level,
		      uint64_t target, uint64_t flags)
{
	unsigned bits = group_bits(&tree->t, level), low = low_bits(&tree->t, level);
	uint64_t first = at >> (bits + 3) << (bits + 3);

	if (!bits || low + bits > tree->t.bits || low + bits > 40)
		return false;
	for (unsigned i = 0; i < 1U << bits; i++)
		if (first + 8 * i >= SI_BYTES || image->mem.words[first / 8 + i])
			return false;
	for (unsigned i = 0; i < 1U << bits; i++)
		if (!si_put(image, first + 8 * i,
			    order(&tree->t,
				  spread(&tree->t, (target >> (low + bits) << (low + bits)) +
							   ((uint64_t)i << low)) |
					  flags | B(52) | (level == 3 ? 3 : 1)),
			    SI_GROUP))
			return false;
	return true;
}

/* Leads @address to @target by a page of @level; tables of a nested stage 1 are where stage 2 has them. */
static bool map(struct si_image *image, struct si_tree *tree, uint64_t address, int level,
		uint64_t target, uint64_t flags)
{
	const struct a64_tables *t = &tree->t;
	uint64_t delta = tree->nested && !tree->stage2 ? image->delta : 0;
	uint64_t table = t->base - delta;
	unsigned top = t->bits;

	for (int l = first_level(tree);; l++) {
		unsigned low = low_bits(t, l);
		uint64_t at = table + 8 * (address >> low & (B(top - low) - 1));
		uint64_t d;

		if (at >= SI_BYTES)
			return false;
		d = order(t, image->mem.words[at / 8]);
		if (delta)
			si_cover(image, at);
		if (l == level) {
			if (d & 1)
				return false;
			if (one_in(image, 12) && put_group(image, tree, at, l, target, flags))
				return true;
			return si_put(image, at,
				      order(t, spread(t, target >> low << low) | flags |
						       (l == 3 ? 3 : 1)),
				      SI_TABLE);
		}
		if (!d) {
			uint64_t next = si_alloc(image, B(page_bits(t)));

			d = spread(t, next + delta) | 3 | table_flags(image, tree->stage2);
			if (one_in(image, tree == image->below
						  ? 30
						  : 150)) /* nothing there, or too high */
				d = spread(t, one_in(image, 2) ? 2ULL * SI_BYTES : B(t->ps)) | 3;
			if (!next || !si_put(image, at, order(t, d), SI_TABLE))
				return false;
		}
		if ((d & 3) != 3)
			return false;
		table = gather(t, d) - delta;
		top = low;
	}
}

/* ---- stage 2 ---- */

void si_cover(struct si_image *image, uint64_t pa)
{
	struct si_tree *tree = image->below;
	int level = 3;
	uint64_t page;

	if (!tree)
		return;
	if (one_in(image, 3))
		level = 2;
	page = pa >> low_bits(&tree->t, level) << low_bits(&tree->t, level);
	/* a block has all of memory around it; what is mapped already stays */
	map(image, tree, page + image->delta, level,
	    one_in(image, 64) && level == 3 ? page | B(tree->t.ps) : page,
	    stage2_flags(image, !one_in(image, 10)));
}

/* ---- all of them ---- */

static uint64_t pick_target(struct si_image *image, const struct si_tree *tree)
{
	uint64_t target = si_random(image) &
			  (B(tree->t.ps < 48 || tree->t.ds || tree->t.wide ? tree->t.ps : 48) - 1);

	if (tree->nested && !tree->stage2 && image->below && image->below->n && !one_in(image, 8))
		return image->below->address[si_pick(image, image->below->n)] ^
		       (uint64_t)(one_in(image, 4) ? si_pick(image, 16) : 0) << 12;
	if (tree->nested && !tree->stage2)
		return image->delta + (target & (SI_BYTES - 1));
	return one_in(image, 2) ? target : target & (SI_BYTES - 1);
}

static int pick_level(struct si_image *image, const struct si_tree *tree)
{
	int level = one_in(image, 3) ? first_level(tree) + (int)si_pick(image, 5) : 3;

	while (level > 3 || !may_be_block(&tree->t, level))
		level = level > 3 ? 3 : level + 1;
	return level < first_level(tree) ? first_level(tree) : level;
}

/* Addresses near one another, and far away. */
static void grow(struct si_image *image, struct si_tree *tree)
{
	uint64_t base[3];

	for (unsigned i = 0; i < 3; i++)
		base[i] = si_random(image) & (B(tree->t.bits) - 1);
	for (unsigned i = 0; i < SI_ADDRESSES - 8; i++) {
		uint64_t address = base[si_pick(image, 3)] ^ si_pick(image, 64)
								     << page_bits(&tree->t);

		if (one_in(image, 4))
			address ^= (uint64_t)si_pick(image, 8) << low_bits(&tree->t, 2);
		address &= B(tree->t.bits) - 1;
		map(image, tree, address, pick_level(image, tree), pick_target(image, tree),
		    tree->stage2 ? stage2_flags(image, false) : stage1_flags(image));
		tree->address[tree->n++] = address;
	}
}

static void plant(struct si_image *image, struct si_tree *tree, bool stage2, bool nested)
{
	static const uint8_t kib[] = { 4, 16, 64 };
	static const uint8_t oas_of[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned oas = oas_of[image->unit.idr[5] & 7], most, least = 25;
	struct a64_tables *t = &tree->t;
	bool vax = image->unit.idr[5] >> 10 & 1;

	memset(tree, 0, sizeof(*tree));
	tree->stage2 = stage2;
	tree->nested = nested;
	t->kib = kib[si_pick(image, 3)];
	t->ds = t->kib != 64 && image->ds[stage2];
	t->wide = t->kib == 64 && oas == 52;
	t->ps = oas - si_pick(image, 2) * 4;
	most = stage2 ? oas : vax && (t->kib == 64 || t->ds) ? 52 : 48;
	if (most > 48 && t->kib != 64 && !t->ds)
		most = 48;
	if (nested)
		t->ps = oas;
	if (nested && stage2) /* there is room for delta */
		least = 42;
	if (image->unit.idr[3] >> 9 & 1 && !nested)
		least = t->kib == 64 ? 17 : 16;
	t->bits = least + si_pick(image, most - least + 1);
	if (one_in(image, 3))
		t->bits = most;
	t->big_endian = image->big_endian[stage2];
}

static bool choose_start(struct si_image *image, struct si_tree *tree)
{
	unsigned first = si_pick(image, 8);

	if (!tree->stage2)
		return true;
	for (unsigned i = 0; i < 8; i++) {
		unsigned sl = (first + i) % 8;
		int level;

		if (sl >= 4 && !(tree->t.kib == 4 && tree->t.ds))
			continue;
		if (sl == 3 && tree->t.kib == 4 && !(image->unit.idr[3] >> 9 & 1))
			continue;
		if (sl == 3 && tree->t.kib == 16 && !tree->t.ds)
			continue;
		if (a64_start_level(tree->t.kib, sl, tree->t.bits, &level)) {
			tree->t.start = level;
			return true;
		}
	}
	return false;
}

/* A first table, of its size. */
static bool root(struct si_image *image, struct si_tree *tree)
{
	unsigned entries_bits = tree->t.bits - low_bits(&tree->t, first_level(tree));
	uint64_t bytes = B(entries_bits + 3) < 64 ? 64 : B(entries_bits + 3);

	tree->t.base = si_alloc(image, bytes);
	return tree->t.base;
}

void si_plant(struct si_image *image)
{
	unsigned stages = image->unit.idr[0] & 3;

	image->below = NULL;
	memset(image->tree, 0, sizeof(image->tree));
	image->delta = B(40) * si_pick(image, 4) + B(30) * si_pick(image, 4);
	/* stage 2 of nested streams first: what is planted later is mapped by it */
	for (unsigned i = 0; i < SI_TREES; i++) {
		struct si_tree *tree = &image->tree[i];
		bool stage2 = i < 2, nested = i == 0 || i == 2 || i == 3;

		if (!(stages >> !stage2 & 1) || (nested && stages != 3 && !stage2))
			continue;
		plant(image, tree, stage2, nested);
		if (one_in(image,
			   4)) /* out of reach of the tables of stage 2 that others are mapped by */
			image->next = (image->next | 0x1fffff) + 1;
		if (!choose_start(image, tree) || !root(image, tree))
			continue;
		if (nested && !stage2)
			tree->t.base += image->delta;
		if (i == 0)
			image->below = tree;
		grow(image, tree);
	}
}

bool si_find_leaf(const struct si_image *image, const struct si_memory *m,
		  const struct si_tree *tree, uint64_t address, uint64_t *word, unsigned *lg2)
{
	const struct a64_tables *t = &tree->t;
	uint64_t delta = tree->nested && !tree->stage2 ? image->delta : 0;
	uint64_t table = t->base - delta;
	unsigned top = t->bits;

	for (int l = first_level(tree); l <= 3; l++) {
		unsigned low = low_bits(t, l);
		uint64_t at = table + 8 * (address >> low & (B(top - low) - 1));
		uint64_t d;

		if (at >= SI_BYTES)
			return false;
		d = order(t, m->words[at / 8]);
		if (l == 3 || (d & 3) == 1) {
			*word = at / 8;
			*lg2 = low;
			return d & 1;
		}
		if ((d & 3) != 3)
			return false;
		table = gather(t, d) - delta;
		top = low;
	}
	return false;
}
