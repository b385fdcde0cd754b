/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_trees.c - random page-table trees. */
#include "vtd_tables_internal.h"

static unsigned ss_limit_bits(const struct vt_image *image, const struct vt_tree *tree)
{
	unsigned depth = 12 + 9 * tree->levels;
	unsigned mgaw = (unsigned)(image->unit.cap >> 16 & 0x3f) + 1;

	return depth < mgaw ? depth : mgaw;
}

static uint64_t ss_bits(const struct vt_image *image, struct vt_rng *rng, bool leaf)
{
	uint64_t e = maybe(rng, leaf ? 920 : 975, BIT(0)) | maybe(rng, leaf ? 850 : 960, BIT(1));

	if (leaf && has_ecap(image, E_SC))
		e |= maybe(rng, 300, BIT(11));
	e |= maybe(rng, 400, BIT(8)) | maybe(rng, 300, BIT(9)) | maybe(rng, 500, BIT(2));
	return e | maybe(rng, 80, vt_random(rng) & (UINT64_C(0xbff) << 52 | BIT(10) | 0x78));
}

static uint64_t fs_bits(struct vt_rng *rng, bool leaf)
{
	uint64_t e = BIT(0) | maybe(rng, leaf ? 870 : 965, BIT(1)) |
		     maybe(rng, leaf ? 880 : 970, BIT(2)) | maybe(rng, leaf ? 60 : 15, BIT(63));

	e |= maybe(rng, 450, BIT(5)) | maybe(rng, 350, BIT(6)) | maybe(rng, 400, BIT(10));
	return e | maybe(rng, 80, vt_random(rng) & (UINT64_C(0x7ff) << 52 | 0xb18));
}

static uint64_t entry_bits(const struct vt_image *image, struct vt_rng *rng,
			   const struct vt_tree *tree, bool leaf)
{
	return tree->kind == VT_SS ? ss_bits(image, rng, leaf) : fs_bits(rng, leaf);
}

static bool map(struct vt_image *image, struct vt_rng *rng, struct vt_tree *tree, uint64_t in,
		uint64_t out, unsigned leaf_level, uint64_t leaf_bits);

/* Guest addresses for first-stage tables: identity, or anywhere the second stage can reach. */
static uint64_t guest_address_for(struct vt_image *image, struct vt_rng *rng, struct vt_tree *ss,
				  uint64_t host)
{
	for (unsigned tries = 0; tries < 6; tries++) {
		uint64_t guest =
			tries == 0 && permille(rng, 500) ? host : PAGE * below(rng, 1u << 20);
		uint64_t bits = 1 | maybe(rng, 975, BIT(1));

		if (permille(rng, 8))
			bits = BIT(1); /* 75h, 76h */
		if (map(image, rng, ss, guest, host, 1, bits | maybe(rng, 500, BIT(8) | BIT(9))))
			return guest;
	}
	return host;
}

static uint64_t new_table(struct vt_image *image, struct vt_rng *rng, struct vt_tree *tree)
{
	uint64_t host = new_page(image, rng);
	uint64_t guest = host;

	if (tree->under >= 0)
		guest = guest_address_for(image, rng, &image->tree[tree->under], host);
	if (tree->npages < VT_MAX_TREE_PAGES) {
		tree->page_guest[tree->npages] = guest;
		tree->page_host[tree->npages++] = host;
	}
	return guest;
}

static uint64_t host_of_table(const struct vt_tree *tree, uint64_t guest)
{
	for (unsigned i = 0; i < tree->npages; i++)
		if (tree->page_guest[i] == guest)
			return tree->page_host[i];
	return guest;
}

/* The table that entry points to; made when the entry is empty. UINT64_MAX: a leaf is there. */
static uint64_t next_table(struct vt_image *image, struct vt_rng *rng, struct vt_tree *tree,
			   uint64_t entry, unsigned level)
{
	uint64_t e = get(image, entry);
	uint64_t table;

	if (e) {
		bool leaf = (level == 2 || level == 3) && e & BIT(7);

		return leaf ? UINT64_MAX : e & (BIT(52) - PAGE);
	}
	if (tree->npages && permille(rng, 30))
		table = tree->page_guest[below(rng, tree->npages)]; /* shared, or itself */
	else
		table = new_table(image, rng, tree);
	put(image, tree->kind, entry, table | entry_bits(image, rng, tree, false));
	return table;
}

/* One translation. False when its place is taken by something else. */
static bool map(struct vt_image *image, struct vt_rng *rng, struct vt_tree *tree, uint64_t in,
		uint64_t out, unsigned leaf_level, uint64_t leaf_bits)
{
	uint64_t table = tree->root, entry;

	for (unsigned level = tree->levels;; level--) {
		entry = host_of_table(tree, table) + 8 * (in >> (3 + 9 * level) & 511);
		if (level == leaf_level)
			break;
		table = next_table(image, rng, tree, entry, level);
		if (table == UINT64_MAX)
			return false;
	}
	if (get(image, entry))
		return false;
	out &= ~(BIT(3 + 9 * leaf_level) - 1);
	return put(image, tree->kind, entry, out | leaf_bits | (leaf_level > 1 ? BIT(7) : 0));
}

static struct vt_tree *new_tree(struct vt_image *image, struct vt_rng *rng, enum vt_kind kind,
				unsigned levels, int under)
{
	struct vt_tree *tree = &image->tree[image->ntrees];

	*tree = (struct vt_tree){ .kind = kind, .levels = levels, .under = under };
	tree->root = new_table(image, rng, tree);
	image->ntrees++;
	return tree;
}

/* Input addresses that stay close together, so that tables are shared, and at every edge. */
static uint64_t pick_input(const struct vt_image *image, struct vt_rng *rng,
			   const struct vt_tree *tree)
{
	unsigned bits = tree->kind == VT_SS ? ss_limit_bits(image, tree) : 12 + 9 * tree->levels;
	uint64_t limit = BIT(bits);
	uint64_t in;

	switch (below(rng, 14)) {
	case 0:
		in = limit - BIT(21) + PAGE * below(rng, 512);
		break;
	case 1:
		in = limit / 2 - PAGE * (1 + below(rng, 4));
		break;
	case 2:
		in = WINDOW + PAGE * below(rng, 258) - PAGE;
		break;
	case 3:
		in = BIT(30) + BIT(21) * below(rng, 4) + PAGE * below(rng, 4);
		break;
	case 4:
		in = BIT(32) + BIT(21) * below(rng, 512);
		break;
	default:
		in = PAGE * below(rng, 1024);
	}
	if (tree->kind == VT_FS && in & limit >> 1)
		in |= ~(limit - 1);
	return in;
}

uint64_t pick_output(const struct vt_image *image, struct vt_rng *rng)
{
	unsigned kind = below(rng, 40);

	if (kind < 20)
		return PAGE * below(rng, VT_PAGES);
	if (kind < 21)
		return WINDOW + PAGE * below(rng, 258) - PAGE;
	if (kind < 26)
		return BIT(32) + PAGE * below(rng, 1u << 14);
	return vt_random(rng) & (BIT(image->unit.haw) - PAGE);
}

static unsigned pick_leaf_level(const struct vt_image *image, struct vt_rng *rng,
				const struct vt_tree *tree)
{
	unsigned level = below(rng, 6);
	bool large2 = tree->kind == VT_FS || has_cap(image, SSLPS_2M);
	bool large3 = has_cap(image, tree->kind == VT_FS ? FS1GP : SSLPS_1G);

	if (level == 2 && (large2 || permille(rng, 100)))
		return 2;
	if (level == 3 && (large3 || permille(rng, 100)))
		return 3;
	return 1;
}

/* Under nesting the result is a guest address, which the second stage maps onward. */
static uint64_t guest_output(struct vt_image *image, struct vt_rng *rng, struct vt_tree *fs,
			     unsigned leaf_level)
{
	struct vt_tree *ss = &image->tree[fs->under];
	uint64_t guest = pick_input(image, rng, ss) & ~(BIT(3 + 9 * leaf_level) - 1);

	if (ss->nmaps && permille(rng, 400))
		guest = ss->map_in[below(rng, ss->nmaps)];
	else
		map(image, rng, ss, guest, pick_output(image, rng), pick_leaf_level(image, rng, ss),
		    ss_bits(image, rng, true));
	if (permille(rng, 20))
		guest |= BIT(ss_limit_bits(image, ss) < 51 ? ss_limit_bits(image, ss) : 51);
	return guest;
}

static void fill_tree(struct vt_image *image, struct vt_rng *rng, struct vt_tree *tree)
{
	unsigned n = 4 + below(rng, 8);

	for (unsigned i = 0; i < n && tree->nmaps < VT_MAX_MAPS; i++) {
		unsigned level = pick_leaf_level(image, rng, tree);
		uint64_t in = pick_input(image, rng, tree);
		uint64_t out = tree->under >= 0 ? guest_output(image, rng, tree, level)
						: pick_output(image, rng);

		if (!map(image, rng, tree, in, out, level, entry_bits(image, rng, tree, true)))
			continue;
		tree->map_in[tree->nmaps] = in & ~(BIT(3 + 9 * level) - 1);
		tree->map_lg2[tree->nmaps++] = 3 + 9 * level;
	}
}

static unsigned pick_ss_levels(const struct vt_image *image, struct vt_rng *rng)
{
	unsigned aw;

	do
		aw = 1 + below(rng, 3);
	while (!has_cap(image, 8 + aw));
	return aw + 2;
}

static unsigned pick_fs_levels(const struct vt_image *image, struct vt_rng *rng)
{
	return has_cap(image, FS5LP) && permille(rng, 400) ? 5 : 4;
}

/* Trees 0 and 1 are second-stage; in scalable mode 2 is first-stage, 3 nested on tree 0 or 1. */
void build_trees(struct vt_image *image, struct vt_rng *rng, bool scalable)
{
	int under = (int)below(rng, 2);

	for (unsigned i = 0; i < 2; i++)
		fill_tree(image, rng, new_tree(image, rng, VT_SS, pick_ss_levels(image, rng), -1));
	if (!scalable)
		return;
	fill_tree(image, rng, new_tree(image, rng, VT_FS, pick_fs_levels(image, rng), -1));
	fill_tree(image, rng, new_tree(image, rng, VT_FS, pick_fs_levels(image, rng), under));
}
