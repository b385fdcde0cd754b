/* SPDX-License-Identifier: BSD-3-Clause */
/* vtd_tables.c - guest table images and requests for comparing a VT-d engine with the oracle. */
#include "vtd_tables.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BIT(n) (UINT64_C(1) << (n))
#define PAGE   UINT64_C(4096)
#define WINDOW UINT64_C(0xfee00000)

/* --- Random numbers --- */

uint64_t vt_random(struct vt_rng *rng)
{
	uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned below(struct vt_rng *rng, unsigned n)
{
	return (unsigned)(vt_random(rng) >> 32) % n;
}

static bool permille(struct vt_rng *rng, unsigned p)
{
	return below(rng, 1000) < p;
}

static uint64_t maybe(struct vt_rng *rng, unsigned p, uint64_t bits)
{
	return permille(rng, p) ? bits : 0;
}

/* --- Memory --- */

bool vt_memory_init(struct vt_memory *m, size_t nwords)
{
	*m = (struct vt_memory){ .words = calloc(nwords, 8), .nwords = nwords, .ro_first = 1 };
	return m->words;
}

void vt_memory_fini(struct vt_memory *m)
{
	free(m->words);
	m->words = NULL;
}

bool vt_load64(void *opaque, uint64_t gpa, uint64_t *value)
{
	const struct vt_memory *m = opaque;

	if (gpa & 7 || gpa / 8 >= m->nwords)
		return false;
	*value = m->words[gpa / 8];
	return true;
}

bool vt_store64(void *opaque, uint64_t gpa, uint64_t value)
{
	struct vt_memory *m = opaque;

	if (gpa & 7 || gpa / 8 >= m->nwords || (gpa >= m->ro_first && gpa <= m->ro_last))
		return false;
	m->words[gpa / 8] = value;
	return true;
}

struct vt_image *vt_image_new(size_t nwords)
{
	struct vt_image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->is_slot = calloc(nwords, 1);
	if (!vt_memory_init(&image->mem, nwords) || !image->is_slot) {
		vt_image_free(image);
		return NULL;
	}
	return image;
}

void vt_image_free(struct vt_image *image)
{
	if (!image)
		return;
	vt_memory_fini(&image->mem);
	free(image->is_slot);
	free(image);
}

void vt_load(struct vt_memory *m, const struct vt_image *image)
{
	assert(m->nwords == image->mem.nwords);
	m->ro_first = image->mem.ro_first;
	m->ro_last = image->mem.ro_last;
	vt_restore(m, image);
}

void vt_restore(struct vt_memory *m, const struct vt_image *image)
{
	for (unsigned i = 0; i < image->nslots; i++)
		m->words[image->slot[i]] = image->mem.words[image->slot[i]];
}

bool vt_equal(const struct vt_memory *a, const struct vt_memory *b, const struct vt_image *image)
{
	for (unsigned i = 0; i < image->nslots; i++)
		if (a->words[image->slot[i]] != b->words[image->slot[i]])
			return false;
	return true;
}

void vt_unload(struct vt_memory *m, const struct vt_image *image)
{
	for (unsigned i = 0; i < image->nslots; i++)
		m->words[image->slot[i]] = 0;
}

/* --- Images --- */

static void clear_image(struct vt_image *image)
{
	for (unsigned i = 0; i < image->nslots; i++) {
		image->mem.words[image->slot[i]] = 0;
		image->is_slot[image->slot[i]] = 0;
	}
	image->mem.ro_first = 1;
	image->mem.ro_last = 0;
	image->nslots = image->next_page = image->ntrees = image->nbindings = image->mutations = 0;
}

/* False when the list of slots is full, and for addresses outside. */
static bool put(struct vt_image *image, enum vt_kind kind, uint64_t gpa, uint64_t value)
{
	size_t word = gpa / 8;

	if (word >= image->mem.nwords)
		return false;
	if (!image->is_slot[word]) {
		if (image->nslots == VT_MAX_SLOTS)
			return false;
		image->is_slot[word] = 1;
		image->slot[image->nslots] = (uint32_t)word;
		image->slot_kind[image->nslots++] = (uint8_t)kind;
	}
	image->mem.words[word] = value;
	return true;
}

static uint64_t get(const struct vt_image *image, uint64_t gpa)
{
	return gpa / 8 < image->mem.nwords ? image->mem.words[gpa / 8] : 0;
}

/* A fresh page; when there is none left, a used one. */
static uint64_t new_page(struct vt_image *image, struct vt_rng *rng)
{
	unsigned pages = (unsigned)(image->mem.nwords / 512);

	if (image->next_page < pages)
		return PAGE * image->next_page++;
	return PAGE * below(rng, pages);
}

static bool has_cap(const struct vt_image *image, unsigned bit)
{
	return image->unit.cap & BIT(bit);
}

static bool has_ecap(const struct vt_image *image, unsigned bit)
{
	return image->unit.ecap & BIT(bit);
}

enum { SSLPS_2M = 34, SSLPS_1G = 35, FS1GP = 56, FS5LP = 60 };
enum {
	E_DT = 2,
	E_PT = 6,
	E_SC = 7,
	E_NEST = 26,
	E_PRS = 29,
	E_ERS = 30,
	E_SRS = 31,
	E_NWFS = 33,
	E_EAFS = 34,
	E_PASID = 40,
	E_SMTS = 43,
	E_SSADS = 45,
	E_SSTS = 46,
	E_FSTS = 47,
	E_SMPWCS = 48,
	E_RPS = 49,
	E_ADMS = 52,
	E_RPRIVS = 53,
};

/* SAGAW 39, 48, 57; MGAW 56 (57 bits), 47, 38; SSLPS both or random; FS1GP, FS5LP. */
#define SAGAW(bits) ((uint64_t)(bits) << 8)
#define MGAW(bits)  ((uint64_t)((bits)-1) << 16)
#define SSLPS	    (BIT(SSLPS_2M) | BIT(SSLPS_1G))
#define SCALABLE_ALL                                                                               \
	(BIT(E_SMTS) | BIT(E_SSTS) | BIT(E_FSTS) | BIT(E_NEST) | BIT(E_PASID) | BIT(E_PT) |        \
	 BIT(E_DT) | BIT(E_SC) | BIT(E_SRS) | BIT(E_ERS) | BIT(E_PRS) | BIT(E_EAFS) |              \
	 BIT(E_NWFS) | BIT(E_SSADS) | BIT(E_SMPWCS) | BIT(E_RPS) | BIT(E_ADMS) | BIT(E_RPRIVS))

static const struct vt_caps default_caps[] = {
	/* all there is */
	{ SAGAW(0xe) | MGAW(57) | SSLPS | BIT(FS1GP) | BIT(FS5LP), 0, SCALABLE_ALL, 0, 46 },
	/* 48 bits, optional pieces at random */
	{ SAGAW(0x4) | MGAW(48), SAGAW(0x2) | SSLPS | BIT(FS1GP),
	  BIT(E_SMTS) | BIT(E_SSTS) | BIT(E_FSTS) | BIT(E_SMPWCS), SCALABLE_ALL, 39 },
	/* everything at random on a wide machine */
	{ SAGAW(0x4) | MGAW(57), SAGAW(0xa) | SSLPS | BIT(FS1GP) | BIT(FS5LP), BIT(E_SMTS),
	  SCALABLE_ALL, 52 },
	/* an early unit: legacy only, narrow */
	{ SAGAW(0x2) | MGAW(39), SAGAW(0x4) | SSLPS, 0, BIT(E_DT) | BIT(E_PT) | BIT(E_SC), 39 },
	/* MGAW smaller than the deepest table */
	{ SAGAW(0xe) | MGAW(42), SSLPS | BIT(FS1GP), SCALABLE_ALL & ~BIT(E_SMPWCS),
	  BIT(E_SMPWCS) | BIT(E_RPS) | BIT(E_NWFS) | BIT(E_RPRIVS), 42 },
};

const struct vt_params vt_params_default = {
	.caps = default_caps,
	.ncaps = sizeof(default_caps) / sizeof(default_caps[0]),
	.mutate_permille = 450,
	.fpd_permille = 60,
};

static void build_unit(struct vt_image *image, struct vt_rng *rng)
{
	const struct vt_caps *c = &image->params->caps[below(rng, image->params->ncaps)];
	struct vo_unit *u = &image->unit;

	*u = (struct vo_unit){
		.cap = c->cap | (c->cap_random & vt_random(rng)),
		.ecap = c->ecap | (c->ecap_random & vt_random(rng)),
		.haw = c->haw,
		.te = !permille(rng, 25),
		.pmr_enabled = permille(rng, 120),
		.plm_base = PAGE * 16,
		.plm_limit = PAGE * 32 - 1,
		.phm_base = BIT(32) + BIT(21) * below(rng, 4),
		.phm_limit = BIT(32) + BIT(21) * below(rng, 4) + BIT(21) - 1,
	};
}

/* --- Page-table trees --- */

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

static uint64_t pick_output(const struct vt_image *image, struct vt_rng *rng)
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
static void build_trees(struct vt_image *image, struct vt_rng *rng, bool scalable)
{
	int under = (int)below(rng, 2);

	for (unsigned i = 0; i < 2; i++)
		fill_tree(image, rng, new_tree(image, rng, VT_SS, pick_ss_levels(image, rng), -1));
	if (!scalable)
		return;
	fill_tree(image, rng, new_tree(image, rng, VT_FS, pick_fs_levels(image, rng), -1));
	fill_tree(image, rng, new_tree(image, rng, VT_FS, pick_fs_levels(image, rng), under));
}

/* --- Root, context and PASID tables --- */

static void bind_to(struct vt_image *image, uint16_t rid, bool has_pasid, uint32_t pasid, int tree)
{
	if (image->nbindings < VT_MAX_BINDINGS)
		image->binding[image->nbindings++] =
			(struct vt_binding){ rid, has_pasid, pasid, tree };
}

static uint64_t fpd(const struct vt_image *image, struct vt_rng *rng)
{
	return maybe(rng, image->params->fpd_permille, BIT(1));
}

/* The page behind a root entry's half; made on first use. */
static uint64_t context_table(struct vt_image *image, struct vt_rng *rng, uint64_t root_word)
{
	uint64_t e = get(image, root_word);

	if (!e) {
		e = new_page(image, rng) | 1;
		put(image, VT_ROOT, root_word, e);
	}
	return e & ~(PAGE - 1);
}

static void build_legacy_device(struct vt_image *image, struct vt_rng *rng, uint64_t root,
				uint16_t rid)
{
	uint64_t entry = context_table(image, rng, root + 16u * (rid >> 8)) + 16u * (rid & 0xff);
	unsigned tree = below(rng, 2);
	uint64_t tt = has_ecap(image, E_DT) && permille(rng, 500);
	uint64_t aw = image->tree[tree].levels - 2;
	uint64_t did = below(rng, 0x10000);

	if (has_ecap(image, E_PT) && permille(rng, 200))
		tt = 2;
	put(image, VT_CONTEXT, entry, image->tree[tree].root | tt << 2 | fpd(image, rng) | 1);
	put(image, VT_CONTEXT, entry + 8, aw | did << 8 | maybe(rng, 100, 0x78));
	bind_to(image, rid, false, 0, tt == 2 ? -1 : (int)tree);
}

/* Which translation a PASID gets; 0 when the unit has none at all. */
static unsigned pick_pgtt(const struct vt_image *image, struct vt_rng *rng)
{
	static const unsigned bit[] = { E_FSTS, E_SSTS, E_NEST, E_PT };
	static const uint8_t draw[] = { 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 4 };

	for (unsigned tries = 0; tries < 20; tries++) {
		unsigned pgtt = draw[below(rng, sizeof(draw))];

		if (has_ecap(image, bit[pgtt - 1]))
			return pgtt;
	}
	return 2;
}

static uint64_t pasid_qw1(const struct vt_image *image, struct vt_rng *rng)
{
	uint64_t q = below(rng, 0x10000);

	if (has_ecap(image, E_SMPWCS))
		q |= maybe(rng, 930, BIT(23));
	if (has_ecap(image, E_SC))
		q |= maybe(rng, 400, BIT(24));
	return q | maybe(rng, 50, vt_random(rng) << 25);
}

static uint64_t pasid_qw2(const struct vt_image *image, struct vt_rng *rng)
{
	uint64_t q = maybe(rng, 600, BIT(4)) | maybe(rng, 800, BIT(5)) | maybe(rng, 400, BIT(6));

	if (has_ecap(image, E_SRS))
		q |= maybe(rng, 850, BIT(0));
	if (has_ecap(image, E_ERS))
		q |= maybe(rng, 850, BIT(1));
	if (has_ecap(image, E_EAFS))
		q |= maybe(rng, 400, BIT(7));
	return q;
}

/* Returns the tree, or -1 for pass-through. */
static int build_pasid_entry(struct vt_image *image, struct vt_rng *rng, uint64_t entry)
{
	unsigned pgtt = pick_pgtt(image, rng);
	int tree = pgtt == 1 ? 2 : pgtt == 2 ? (int)below(rng, 2) : pgtt == 3 ? 3 : -1;
	const struct vt_tree *fs = pgtt == 1 || pgtt == 3 ? &image->tree[tree] : NULL;
	const struct vt_tree *ss = NULL;
	uint64_t q0 = (uint64_t)pgtt << 6 | fpd(image, rng) | 1;
	uint64_t q2 = pasid_qw2(image, rng);

	if (pgtt == 2)
		ss = &image->tree[tree];
	if (pgtt == 3)
		ss = &image->tree[fs->under];
	if (ss)
		q0 |= ss->root | (uint64_t)(ss->levels - 2) << 2;
	if (ss && has_ecap(image, E_SSADS))
		q0 |= maybe(rng, 500, BIT(9));
	if (fs)
		q2 |= fs->root | (fs->levels == 5 ? BIT(2) : 0);
	put(image, VT_PASID, entry, q0);
	put(image, VT_PASID, entry + 8, pasid_qw1(image, rng));
	put(image, VT_PASID, entry + 16, q2);
	return tree;
}

/* Its directory page serves PASIDs below 32768; tables are made on first use. */
static void build_pasid(struct vt_image *image, struct vt_rng *rng, uint64_t directory,
			uint16_t rid, bool has_pasid, uint32_t pasid)
{
	uint64_t word = directory + 8u * (pasid >> 6);
	uint64_t e = get(image, word);
	uint64_t entry;

	if (!e) {
		e = new_page(image, rng) | fpd(image, rng) | 1;
		put(image, VT_DIRECTORY, word, e);
	}
	entry = (e & ~(PAGE - 1)) + 64u * (pasid & 63);
	if (get(image, entry))
		return;
	bind_to(image, rid, has_pasid, pasid, build_pasid_entry(image, rng, entry));
}

static uint32_t pick_pasid(struct vt_rng *rng, unsigned pdts)
{
	uint32_t limit = UINT32_C(1) << (pdts + 13);

	if (limit > 32768)
		limit = 32768;
	return permille(rng, 800) ? below(rng, 130) : below(rng, limit);
}

static void build_scalable_device(struct vt_image *image, struct vt_rng *rng, uint64_t root,
				  uint16_t rid)
{
	uint64_t half = root + 16u * (rid >> 8) + 8u * (rid >> 7 & 1);
	uint64_t entry = context_table(image, rng, half) + 32u * (rid & 0x7f);
	uint64_t directory = new_page(image, rng);
	unsigned pdts = below(rng, 8);
	uint32_t rid_pasid = has_ecap(image, E_RPS) ? pick_pasid(rng, pdts) : 0;
	uint64_t q0 = directory | (uint64_t)pdts << 9 | fpd(image, rng) | 1;
	bool paside = has_ecap(image, E_PASID) && permille(rng, 900);

	if (has_ecap(image, E_DT))
		q0 |= maybe(rng, 850, BIT(2));
	if (has_ecap(image, E_PRS))
		q0 |= maybe(rng, 300, BIT(4));
	put(image, VT_CONTEXT, entry, q0 | (paside ? BIT(3) : 0));
	put(image, VT_CONTEXT, entry + 8,
	    rid_pasid | (has_ecap(image, E_RPRIVS) ? maybe(rng, 200, BIT(20)) : 0));
	build_pasid(image, rng, directory, rid, false, rid_pasid);
	for (unsigned i = 0; paside && i < 3; i++)
		build_pasid(image, rng, directory, rid, true, pick_pasid(rng, pdts));
}

/* --- Mutations --- */

static bool pick_slot(const struct vt_image *image, struct vt_rng *rng, unsigned *slot)
{
	unsigned kind = below(rng, VT_KINDS);

	for (unsigned tries = 0; tries < 400; tries++) {
		*slot = below(rng, image->nslots);
		if (image->slot_kind[*slot] == kind)
			return true;
	}
	return false;
}

/* Somewhere below 2^HAW that is not memory. */
static uint64_t unbacked(const struct vt_image *image, struct vt_rng *rng)
{
	return (vt_random(rng) & (BIT(image->unit.haw) - PAGE)) | BIT(image->unit.haw - 2);
}

static void mutate_word(struct vt_image *image, struct vt_rng *rng)
{
	unsigned haw = image->unit.haw;
	unsigned slot;
	uint64_t *word;

	if (!pick_slot(image, rng, &slot))
		return;
	word = &image->mem.words[image->slot[slot]];
	switch (below(rng, 8)) {
	case 0:
		*word ^= BIT(below(rng, 64));
		break;
	case 1:
		*word ^= BIT(below(rng, 12));
		break;
	case 2:
	case 3:
		*word = (*word & (UINT64_C(0xfff) << 52 | 0xfff)) | unbacked(image, rng);
		break;
	case 4:
		*word &= ~UINT64_C(3);
		break;
	case 5:
		*word |= BIT(haw < 52 ? haw + below(rng, 52 - haw) : 51);
		break;
	case 6:
		*word = (*word & (UINT64_C(0xfff) << 52 | 0xfff)) | PAGE * below(rng, VT_PAGES);
		break;
	default:
		*word |= BIT(12 + below(rng, 10)) | maybe(rng, 200, BIT(7));
	}
}

/* A whole unused qword of an entry that ought to be zero. */
static void mutate_reserved_word(struct vt_image *image, struct vt_rng *rng)
{
	unsigned slot;

	if (!pick_slot(image, rng, &slot) || image->slot_kind[slot] > VT_PASID)
		return;
	put(image, (enum vt_kind)image->slot_kind[slot],
	    8 * ((uint64_t)image->slot[slot] + 1 + below(rng, 5)), BIT(below(rng, 64)));
}

static void mutate_unit(struct vt_image *image, struct vt_rng *rng)
{
	struct vo_unit *u = &image->unit;
	unsigned page = below(rng, image->next_page ? image->next_page : 1);

	switch (below(rng, 12)) {
	case 0:
		u->rtaddr ^= BIT(10 + below(rng, 2));
		break;
	case 1:
		u->rtaddr |= BIT(u->haw < 63 ? u->haw : 63);
		break;
	case 2:
		u->rtaddr = (u->rtaddr & 0xfff) | unbacked(image, rng);
		break;
	case 3:
		u->ecap &= ~BIT(below(rng, 64));
		break;
	default:
		image->mem.ro_first = PAGE * page;
		image->mem.ro_last = PAGE * (page + 1 + below(rng, 24)) - 1;
	}
}

static void mutate(struct vt_image *image, struct vt_rng *rng)
{
	image->mutations = 1 + below(rng, 4);
	for (unsigned i = 0; i < image->mutations; i++) {
		unsigned kind = below(rng, 20);

		if (kind == 0)
			mutate_reserved_word(image, rng);
		else if (kind <= 3)
			mutate_unit(image, rng);
		else
			mutate_word(image, rng);
	}
}

/* --- A whole image --- */

static const uint16_t rids[] = { 0x0000, 0x0008, 0x0080, 0x01ff, 0x017f, 0xff18 };
enum { NRIDS = sizeof(rids) / sizeof(rids[0]) };

void vt_build(struct vt_image *image, const struct vt_params *params, struct vt_rng *rng)
{
	bool scalable;
	uint64_t root;
	unsigned first = below(rng, NRIDS), n = 2 + below(rng, 3);

	clear_image(image);
	image->params = params;
	build_unit(image, rng);
	scalable = has_ecap(image, E_SMTS) && permille(rng, 800);
	root = new_page(image, rng);
	image->unit.rtaddr = root | (scalable ? BIT(10) : 0);
	build_trees(image, rng, scalable);
	for (unsigned i = 0; i < n; i++) {
		uint16_t rid = rids[(first + i) % NRIDS];

		if (scalable)
			build_scalable_device(image, rng, root, rid);
		else
			build_legacy_device(image, rng, root, rid);
	}
	if (permille(rng, params->mutate_permille))
		mutate(image, rng);
}

/* --- Requests --- */

static uint64_t edge_address(const struct vt_image *image, struct vt_rng *rng)
{
	static const uint8_t bits[] = { 12, 21, 30, 32, 38, 39, 42, 47, 48, 52, 56, 57, 63 };
	uint64_t addr;

	switch (below(rng, 6)) {
	case 0:
		return WINDOW + below(rng, 0x100000);
	case 1:
		return WINDOW - 1 + below(rng, 2) * UINT64_C(0x100001);
	case 2:
		return BIT(image->unit.haw) - 1 + below(rng, 2);
	case 3:
		addr = BIT(bits[below(rng, sizeof(bits))]) - 1 + below(rng, 2);
		return ~addr;
	case 4:
		return vt_random(rng) >> below(rng, 64);
	default:
		return BIT(bits[below(rng, sizeof(bits))]) - 1 + below(rng, 2);
	}
}

static uint64_t mapped_address(const struct vt_image *image, struct vt_rng *rng, int tree)
{
	const struct vt_tree *t;
	unsigned m;

	if (tree < 0)
		return pick_output(image, rng) + below(rng, 4096);
	t = &image->tree[tree];
	if (!t->nmaps)
		return PAGE * below(rng, 1024);
	m = below(rng, t->nmaps);
	return t->map_in[m] + (vt_random(rng) & (BIT(t->map_lg2[m]) - 1));
}

static void pick_access(struct vt_rng *rng, struct vo_request *req)
{
	unsigned kind = below(rng, 100);

	req->read = kind < 52;
	req->write = kind >= 44 && kind < 90;
	if (kind >= 90) {
		req->read = true;
		req->exec = req->has_pasid;
	}
	req->priv = req->has_pasid && permille(rng, 300);
	if (permille(rng, 150))
		req->at = VO_AT_TRANSLATION_REQUEST;
	else if (permille(rng, 60))
		req->at = VO_AT_TRANSLATED;
	req->no_write = req->at == VO_AT_TRANSLATION_REQUEST && permille(rng, 300);
}

/* Small changes to a good request: another requester, another PASID, none, one too many. */
static void disturb(const struct vt_image *image, struct vt_rng *rng, struct vo_request *req)
{
	switch (below(rng, 5)) {
	case 0:
		req->rid = rids[below(rng, NRIDS)];
		break;
	case 1:
		req->rid = (uint16_t)vt_random(rng);
		break;
	case 2:
		req->has_pasid = !req->has_pasid;
		req->pasid = req->has_pasid ? below(rng, 130) : 0;
		break;
	case 3:
		req->pasid = req->has_pasid ? (uint32_t)vt_random(rng) & 0xfffff : 0;
		break;
	default:
		req->iova = edge_address(image, rng);
	}
}

void vt_request(const struct vt_image *image, struct vt_rng *rng, struct vo_request *req)
{
	const struct vt_binding *b;

	*req = (struct vo_request){ .rid = rids[below(rng, NRIDS)], .iova = vt_random(rng) };
	if (image->nbindings) {
		b = &image->binding[below(rng, image->nbindings)];
		req->rid = b->rid;
		req->has_pasid = b->has_pasid;
		req->pasid = b->pasid;
		req->iova = mapped_address(image, rng, b->tree);
	}
	if (permille(rng, 130))
		disturb(image, rng, req);
	pick_access(rng, req);
	if (vo_is_interrupt_request(req)) {
		req->write = false;
		req->read = true;
	}
}

/* --- Exhaustive rows --- */

struct rows {
	struct vt_image *image;
	vt_row_fn fn;
	void *opaque;
	struct vt_row row;
	uint64_t count;
	bool stopped;
};

/* One kind of access. */
struct access {
	bool has_pasid, read, write, exec, priv;
	unsigned at;
	bool no_write;
};

#define UT VO_AT_UNTRANSLATED
#define TR VO_AT_TRANSLATION_REQUEST
#define TD VO_AT_TRANSLATED

/* pasid, read, write, exec, priv, at, nw */
static const struct access plain_access[] = {
	{ 0, 1, 0, 0, 0, UT, 0 }, { 0, 0, 1, 0, 0, UT, 0 }, { 0, 1, 1, 0, 0, UT, 0 },
	{ 0, 1, 0, 0, 0, TR, 0 }, { 0, 1, 0, 0, 0, TR, 1 }, { 0, 1, 0, 0, 0, TD, 0 },
};
static const struct access pasid_access[] = {
	{ 1, 1, 0, 0, 0, UT, 0 }, { 1, 1, 0, 0, 1, UT, 0 }, { 1, 0, 1, 0, 0, UT, 0 },
	{ 1, 0, 1, 0, 1, UT, 0 }, { 1, 1, 1, 0, 0, UT, 0 }, { 1, 1, 0, 1, 0, UT, 0 },
	{ 1, 1, 0, 1, 1, UT, 0 }, { 1, 1, 0, 0, 0, TR, 0 }, { 1, 1, 0, 0, 1, TR, 0 },
	{ 1, 1, 0, 1, 0, TR, 1 }, { 0, 1, 0, 0, 0, UT, 0 }, { 0, 1, 0, 0, 0, TR, 0 },
};
enum {
	NPLAIN = sizeof(plain_access) / sizeof(plain_access[0]),
	NPASID = sizeof(pasid_access) / sizeof(pasid_access[0]),
};

/* Where things are: pages 0 to 3 are four copies of the table below the entry under test. */
enum {
	ROW_RID = 0x0108,
	ROW_PASID = 1,
	ROW_ROOT = 16 * 4096,
	ROW_CONTEXT_TABLE = 17 * 4096,
	ROW_DIRECTORY = 18 * 4096,
	ROW_PASID_TABLE = 19 * 4096,
	ROW_SS_ROOT = 20 * 4096,
	ROW_FS_ROOT = 21 * 4096,
	ROW_FS_HOST = 22 * 4096,
	ROW_TARGET = 23 * 4096,
	ROW_FIRST_FREE = 32,
};

/* The address whose index is i at every level. */
static uint64_t address_of_index(unsigned levels, uint64_t i)
{
	uint64_t addr = 0;

	for (unsigned level = 1; level <= levels; level++)
		addr |= i << (3 + 9 * level);
	return addr;
}

/* A unit with everything, less @no_cap and @no_ecap; slots stay, so that copies can be restored. */
static void row_begin(struct rows *rows, unsigned variant, uint64_t no_cap, uint64_t no_ecap,
		      bool scalable)
{
	struct vt_image *image = rows->image;

	for (unsigned i = 0; i < image->nslots; i++)
		image->mem.words[image->slot[i]] = 0;
	image->next_page = ROW_FIRST_FREE;
	image->unit = (struct vo_unit){
		.cap = default_caps[0].cap & ~no_cap,
		.ecap = default_caps[0].ecap & ~no_ecap,
		.haw = default_caps[0].haw,
		.te = true,
		.plm_base = 1,
		.phm_base = 1,
		.rtaddr = ROW_ROOT | (scalable ? BIT(10) : 0),
	};
	rows->row.variant = variant;
	put(image, VT_ROOT, ROW_ROOT + 16 * (ROW_RID >> 8), ROW_CONTEXT_TABLE | 1);
}

static void row_legacy_context(struct rows *rows, unsigned levels)
{
	uint64_t entry = ROW_CONTEXT_TABLE + 16 * (ROW_RID & 0xff);

	put(rows->image, VT_CONTEXT, entry, ROW_SS_ROOT | 1 << 2 | 1);
	put(rows->image, VT_CONTEXT, entry + 8, levels - 2);
}

/* Requests without PASID use the same PASID entry. */
static void row_scalable_context(struct rows *rows)
{
	uint64_t entry = ROW_CONTEXT_TABLE + 32 * (ROW_RID & 0x7f);

	put(rows->image, VT_CONTEXT, entry, ROW_DIRECTORY | BIT(3) | BIT(2) | 1);
	put(rows->image, VT_CONTEXT, entry + 8, ROW_PASID);
	put(rows->image, VT_DIRECTORY, ROW_DIRECTORY, ROW_PASID_TABLE | 1);
}

static void row_pasid_entry(struct rows *rows, uint64_t q0, uint64_t q1, uint64_t q2)
{
	uint64_t entry = ROW_PASID_TABLE + 64 * ROW_PASID;

	put(rows->image, VT_PASID, entry, q0);
	put(rows->image, VT_PASID, entry + 8, q1);
	put(rows->image, VT_PASID, entry + 16, q2);
}

enum { SS_FULL = 7, FS_FULL = 7 };

/* A valid path; returns the address of the entry at @level. */
static uint64_t lay_path(struct rows *rows, enum vt_kind kind, uint64_t root, unsigned levels,
			 uint64_t in, uint64_t out, unsigned level)
{
	struct vt_image *image = rows->image;
	uint64_t table = root, wanted = 0;

	for (unsigned l = levels; l >= 1; l--) {
		uint64_t entry = table + 8 * (in >> (3 + 9 * l) & 511);

		if (l == level)
			wanted = entry;
		if (l > 1 && !get(image, entry))
			put(image, kind, entry, PAGE * image->next_page++ | 7);
		if (l == 1)
			put(image, kind, entry, out | 7);
		table = get(image, entry) & ~(PAGE - 1);
	}
	return wanted;
}

/* The table below the entry under test, copied to where a zero address field finds it. */
static void copy_table_below(struct rows *rows, enum vt_kind kind, uint64_t entry, uint64_t in,
			     unsigned level)
{
	uint64_t table = get(rows->image, entry) & ~(PAGE - 1);
	uint64_t offset = level > 1 ? 8 * (in >> (3 + 9 * (level - 1)) & 511) : 0;

	for (unsigned page = 0; level > 1 && page < 4; page++)
		put(rows->image, kind, PAGE * page + offset, get(rows->image, table + offset));
}

static void emit(struct rows *rows, const struct access *a, uint32_t pasid, uint64_t iova)
{
	struct vo_request req = {
		.rid = ROW_RID,
		.has_pasid = a->has_pasid,
		.pasid = a->has_pasid ? pasid : 0,
		.iova = iova,
		.read = a->read,
		.write = a->write,
		.exec = a->exec,
		.priv = a->priv,
		.at = a->at,
		.no_write = a->no_write,
	};

	if (rows->stopped)
		return;
	rows->row.req = &req;
	rows->stopped = !rows->fn(rows->opaque, &rows->row);
	rows->count++;
}

/* Spread the low bits of n over the masks: every subset of them comes up once. */
static uint64_t subset(const uint64_t *mask, unsigned nmasks, unsigned n)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < nmasks; i++)
		if (n >> i & 1)
			word |= mask[i];
	return word;
}

static void all_words(struct rows *rows, enum vt_kind kind, uint64_t addr, const uint64_t *mask,
		      unsigned nmasks, const struct access *access, unsigned naccess, uint64_t iova)
{
	rows->row.word_addr = addr;
	for (unsigned n = 0; n < 1u << nmasks && !rows->stopped; n++) {
		rows->row.bits = subset(mask, nmasks, n);
		put(rows->image, kind, addr, rows->row.bits);
		for (unsigned i = 0; i < naccess; i++)
			emit(rows, &access[i], ROW_PASID, iova);
	}
}

/* R W X, ignored, PS, A, D, SNP, two low address bits, a bit at HAW, ignored, TM. */
static const uint64_t ss_masks[] = {
	BIT(0),	 BIT(1),  BIT(2),  BIT(3) | BIT(6), BIT(7),  BIT(8),
	BIT(9),	 BIT(11), BIT(12), BIT(13),	    BIT(46), BIT(52) | BIT(10) | BIT(63),
	BIT(62),
};
/* P RW US, ignored, A, D, PS, EA, two low address bits, a bit at HAW, XD. */
static const uint64_t fs_masks[] = {
	BIT(0),	 BIT(1),  BIT(2),  BIT(3) | BIT(4) | BIT(8) | BIT(9) | BIT(11) | BIT(52) | BIT(62),
	BIT(5),	 BIT(6),  BIT(7),  BIT(10),
	BIT(12), BIT(13), BIT(46), BIT(63),
};
enum {
	NSS = sizeof(ss_masks) / sizeof(ss_masks[0]),
	NFS = sizeof(fs_masks) / sizeof(fs_masks[0]),
};

/* Depth, and what the unit lacks. */
static const struct {
	unsigned levels;
	uint64_t no_cap, no_ecap;
	uint64_t q0, q1; /* of the PASID entry: SSADE, PWSNP */
} ss_variants[] = {
	{ 5, 0, 0, 0, BIT(23) },
	{ 4, 0, 0, BIT(9), BIT(23) },
	{ 3, 0, 0, BIT(9), 0 },
	{ 5, 0, BIT(E_SC), BIT(9), BIT(23) },
	{ 5, BIT(SSLPS_2M), 0, BIT(9), BIT(23) },
	{ 5, BIT(SSLPS_1G), 0, 0, 0 },
	{ 5, 0, BIT(E_NWFS), BIT(9), BIT(23) },
};
enum { NSSV = sizeof(ss_variants) / sizeof(ss_variants[0]) };

static void ss_row(struct rows *rows, unsigned v, unsigned level, bool scalable)
{
	unsigned levels = ss_variants[v].levels;
	uint64_t in = address_of_index(levels, 1), entry;

	row_begin(rows, v, ss_variants[v].no_cap, ss_variants[v].no_ecap, scalable);
	rows->row.level = level;
	if (scalable) {
		row_scalable_context(rows);
		row_pasid_entry(rows,
				ROW_SS_ROOT | (uint64_t)(levels - 2) << 2 | 2 << 6 | 1 |
					ss_variants[v].q0,
				ss_variants[v].q1, 0);
	} else {
		row_legacy_context(rows, levels);
	}
	entry = lay_path(rows, VT_SS, ROW_SS_ROOT, levels, in, ROW_TARGET, level);
	copy_table_below(rows, VT_SS, entry, in, level);
	all_words(rows, VT_SS, entry, ss_masks, NSS, plain_access, NPLAIN, in | 0x123);
}

static void ss_rows(struct rows *rows, bool scalable)
{
	for (unsigned v = 0; v < NSSV; v++)
		for (unsigned level = 1; level <= ss_variants[v].levels; level++)
			ss_row(rows, v, level, scalable);
}

/* Identity for all of memory: a 2 MiB page, or a 1 GiB page under five levels. */
static void lay_identity(struct rows *rows, unsigned levels, uint64_t bits)
{
	uint64_t entry = lay_path(rows, VT_SS, ROW_SS_ROOT, levels, 0, 0, 2);

	put(rows->image, VT_SS, entry, bits | BIT(7));
}

static const struct access nested_access[] = {
	{ 1, 1, 0, 0, 0, UT, 0 }, { 1, 0, 1, 0, 0, UT, 0 }, { 1, 1, 0, 1, 0, UT, 0 },
	{ 1, 1, 0, 0, 0, TR, 0 }, { 1, 1, 0, 0, 0, TR, 1 },
};
enum { NNESTED = sizeof(nested_access) / sizeof(nested_access[0]) };

enum maps { MAPS_RESULT, MAPS_TOP_TABLE, MAPS_LOWER_TABLE, NMAPS };

/* First-stage tables for nested_row(); returns FSPTPTR. @in is what the entry under test maps. */
static uint64_t lay_nested_tables(struct rows *rows, enum maps maps, uint64_t in, uint64_t iova)
{
	uint64_t index = 8 * (iova >> 12 & 511); /* the same at every level */

	switch (maps) {
	case MAPS_TOP_TABLE:
		lay_path(rows, VT_FS, ROW_FS_HOST, 4, iova, ROW_TARGET, 1);
		return in;
	case MAPS_LOWER_TABLE:
		put(rows->image, VT_FS, ROW_FS_ROOT + index, in | FS_FULL);
		lay_path(rows, VT_FS, ROW_FS_HOST, 3, iova, ROW_TARGET, 1);
		return ROW_FS_ROOT;
	default:
		lay_path(rows, VT_FS, ROW_FS_ROOT, 4, iova, in, 1);
		return ROW_FS_ROOT;
	}
}

/*
 * The entry under test maps the result, or the host page of a first-stage table. Indices of the
 * first stage are 2, of the second 1, so that the two do not share words. A leaf with a zero
 * address finds first-stage tables in pages 0 to 3 as well.
 */
static void ss_nested_row(struct rows *rows, unsigned v, unsigned level, enum maps maps)
{
	unsigned levels = ss_variants[v].levels;
	uint64_t in = address_of_index(levels, 1), iova = address_of_index(4, 2);
	uint64_t host = maps == MAPS_RESULT ? ROW_TARGET : ROW_FS_HOST, fs_root, entry;

	row_begin(rows, NMAPS * v + maps, ss_variants[v].no_cap, ss_variants[v].no_ecap, true);
	rows->row.level = level;
	fs_root = lay_nested_tables(rows, maps, in, iova);
	row_scalable_context(rows);
	row_pasid_entry(rows,
			ROW_SS_ROOT | (uint64_t)(levels - 2) << 2 | 3 << 6 | 1 | ss_variants[v].q0,
			ss_variants[v].q1, fs_root | BIT(5) | BIT(1));
	for (uint64_t page = 0; page < 64; page++)
		lay_path(rows, VT_SS, ROW_SS_ROOT, levels, PAGE * page, PAGE * page, 1);
	entry = lay_path(rows, VT_SS, ROW_SS_ROOT, levels, in, host, level);
	copy_table_below(rows, VT_SS, entry, in, level);
	for (uint64_t page = 0; page < 4; page++)
		put(rows->image, VT_FS, PAGE * page + 16, get(rows->image, ROW_FS_HOST + 16));
	all_words(rows, VT_SS, entry, ss_masks, NSS, nested_access, NNESTED, iova | 0x123);
}

static void ss_nested_rows(struct rows *rows)
{
	for (unsigned v = 0; v < NSSV; v++)
		for (unsigned level = 1; level <= ss_variants[v].levels; level++)
			for (unsigned maps = 0; maps < NMAPS; maps++)
				ss_nested_row(rows, v, level, (enum maps)maps);
}

/* Bits 3:0 of v are WPE, NXE, SMEP, EAFE; v from 16 on: other settings with the last three set. */
static void fs_row(struct rows *rows, unsigned v, unsigned level)
{
	unsigned levels = v == 16 ? 4 : 5;
	uint64_t settings = v < 16 ? (uint64_t)v << 4 : 0xf0;
	uint64_t in = address_of_index(levels, 1), entry;

	if (level > levels)
		return;
	row_begin(rows, v, v == 17 ? BIT(FS1GP) : 0, 0, true);
	rows->row.level = level;
	row_scalable_context(rows);
	row_pasid_entry(rows, 1 << 6 | 1, v == 18 ? 0 : BIT(23),
			ROW_FS_ROOT | settings | (levels == 5 ? BIT(2) : 0) | BIT(1) | BIT(0));
	entry = lay_path(rows, VT_FS, ROW_FS_ROOT, levels, in, ROW_TARGET, level);
	copy_table_below(rows, VT_FS, entry, in, level);
	all_words(rows, VT_FS, entry, fs_masks, NFS, pasid_access, NPASID, in | 0x123);
}

static void fs_rows(struct rows *rows)
{
	for (unsigned v = 0; v < 19; v++)
		for (unsigned level = 1; level <= 5; level++)
			fs_row(rows, v, level);
}

/* What lies below a nested first-stage entry: second-stage permission, SSADE, PWSNP. */
static const struct {
	uint64_t ss, q0, q1;
} nested_variants[] = {
	{ 3, 0, BIT(23) },
	{ 3, BIT(9), BIT(23) },
	{ 1, BIT(9), BIT(23) }, /* no A/D store possible: 77h */
	{ 2, 0, BIT(23) },	/* no load possible: 75h */
	{ 3 | BIT(8) | BIT(9), BIT(9), 0 },
};

static void fs_nested_row(struct rows *rows, unsigned v, unsigned level)
{
	uint64_t in = address_of_index(5, 1), entry;

	row_begin(rows, v, 0, 0, true);
	rows->row.level = level;
	row_scalable_context(rows);
	row_pasid_entry(rows, ROW_SS_ROOT | 2 << 2 | 3 << 6 | 1 | nested_variants[v].q0,
			nested_variants[v].q1, ROW_FS_ROOT | 0xb0 | BIT(2) | BIT(1) | BIT(0));
	lay_identity(rows, 4, nested_variants[v].ss);
	entry = lay_path(rows, VT_FS, ROW_FS_ROOT, 5, in, ROW_TARGET, level);
	copy_table_below(rows, VT_FS, entry, in, level);
	all_words(rows, VT_FS, entry, fs_masks, NFS, pasid_access, NPASID, in | 0x123);
}

static void fs_nested_rows(struct rows *rows)
{
	for (unsigned v = 0; v < sizeof(nested_variants) / sizeof(nested_variants[0]); v++)
		for (unsigned level = 1; level <= 5; level++)
			fs_nested_row(rows, v, level);
}

/* Tables that are valid from any depth on: index 0 at every level, 2 MiB or 1 GiB identity below.
 */
static void lay_any_depth(struct rows *rows)
{
	struct vt_image *image = rows->image;
	uint64_t l2 = PAGE * 26;

	put(image, VT_SS, ROW_SS_ROOT, PAGE * 25 | SS_FULL);
	put(image, VT_SS, PAGE * 25, l2 | SS_FULL);
	put(image, VT_SS, l2, BIT(7) | SS_FULL);
	for (uint64_t page = 1; page < 64; page++)
		put(image, VT_SS, l2 + 8 * page, PAGE * page | SS_FULL);
	put(image, VT_FS, ROW_FS_ROOT, PAGE * 27 | FS_FULL);
	for (uint64_t page = 27; page < 31; page++)
		put(image, VT_FS, PAGE * page, PAGE * (page + 1) | FS_FULL);
}

static void all_low_words(struct rows *rows, enum vt_kind kind, uint64_t addr, uint64_t rest,
			  const struct access *access, unsigned naccess, uint32_t pasid)
{
	rows->row.word_addr = addr;
	for (uint64_t n = 0; n < 4096 && !rows->stopped; n++) {
		rows->row.bits = rest | n;
		put(rows->image, kind, addr, rows->row.bits);
		for (unsigned i = 0; i < naccess; i++)
			emit(rows, &access[i], pasid, 0x123);
	}
}

static void legacy_context_rows(struct rows *rows)
{
	static const uint64_t q1_extra[] = { 0, BIT(7), BIT(24), 0x78, BIT(63), BIT(8) | BIT(23) };
	static const uint64_t lacks[][2] = {
		{ 0, 0 }, { 0, BIT(E_DT) }, { 0, BIT(E_PT) }, { SAGAW(0xa), 0 }, { SAGAW(0x4), 0 },
	};
	uint64_t entry = ROW_CONTEXT_TABLE + 16 * (ROW_RID & 0xff);

	for (unsigned v = 0; v < 5; v++) {
		row_begin(rows, v, lacks[v][0], lacks[v][1], false);
		lay_any_depth(rows);
		for (uint64_t q1 = 0; q1 < 8 * 6; q1++) {
			put(rows->image, VT_CONTEXT, entry + 8, (q1 & 7) | q1_extra[q1 >> 3]);
			all_low_words(rows, VT_CONTEXT, entry, ROW_SS_ROOT, plain_access, NPLAIN,
				      0);
		}
	}
}

static const struct access context_access[] = {
	{ 0, 1, 0, 0, 0, UT, 0 }, { 1, 1, 0, 0, 0, UT, 0 }, { 1, 0, 1, 0, 1, UT, 0 },
	{ 0, 1, 0, 0, 0, TR, 0 }, { 1, 1, 0, 0, 0, TR, 0 }, { 0, 1, 0, 0, 0, TD, 0 },
	{ 1, 0, 1, 0, 0, TD, 0 },
};

static void scalable_context_words(struct rows *rows, uint64_t entry)
{
	static const uint64_t extra[][3] = {
		{ 0, 0, 0 },
		{ BIT(21), 0, 0 },
		{ 0, BIT(0), 0 },
		{ 0, 0, BIT(63) },
	};

	for (unsigned n = 0; n < 16; n++) {
		uint64_t rid_pasid = n & 1 ? 0xfffff : ROW_PASID;

		for (unsigned q = 0; q < 3; q++)
			put(rows->image, VT_CONTEXT, entry + 8 + 8 * q,
			    extra[n >> 2][q] | (q ? 0 : rid_pasid | (n & 2 ? BIT(20) : 0)));
		for (unsigned beyond = 0; beyond < 2; beyond++)
			all_low_words(rows, VT_CONTEXT, entry, ROW_DIRECTORY, context_access,
				      sizeof(context_access) / sizeof(context_access[0]),
				      beyond ? 0x7ffff : ROW_PASID);
	}
}

static void scalable_context_rows(struct rows *rows)
{
	static const uint64_t lacks[] = { 0, BIT(E_DT), BIT(E_PASID), BIT(E_PRS),
					  BIT(E_RPS) | BIT(E_RPRIVS) };

	for (unsigned v = 0; v < 5; v++) {
		row_begin(rows, v, 0, lacks[v], true);
		row_scalable_context(rows);
		row_pasid_entry(rows, 1 << 6 | 1, BIT(23), ROW_FS_ROOT);
		lay_any_depth(rows);
		scalable_context_words(rows, ROW_CONTEXT_TABLE + 32 * (ROW_RID & 0x7f));
	}
}

/* qw0 and qw2 of the PASID entry, with each capability missing in turn. */
static const uint64_t pasid_lacks[][2] = {
	{ 0, 0 },
	{ 0, BIT(E_FSTS) },
	{ 0, BIT(E_SSTS) },
	{ 0, BIT(E_NEST) },
	{ 0, BIT(E_PT) },
	{ 0, BIT(E_SSADS) },
	{ SAGAW(0xa), 0 },
	{ SAGAW(0x4), 0 },
	{ 0, BIT(E_SRS) },
	{ 0, BIT(E_ERS) },
	{ 0, BIT(E_EAFS) },
	{ BIT(FS5LP), 0 },
	{ 0, BIT(E_RPRIVS) },
};
enum { NPASID_LACKS = sizeof(pasid_lacks) / sizeof(pasid_lacks[0]) };

static void pasid_qw0_rows(struct rows *rows)
{
	uint64_t entry = ROW_PASID_TABLE + 64 * ROW_PASID;

	for (unsigned v = 0; v < NPASID_LACKS; v++) {
		row_begin(rows, v, pasid_lacks[v][0], pasid_lacks[v][1], true);
		row_scalable_context(rows);
		row_pasid_entry(rows, 0, BIT(23), ROW_FS_ROOT | 0x23);
		lay_any_depth(rows);
		all_low_words(rows, VT_PASID, entry, ROW_SS_ROOT, pasid_access, NPASID, ROW_PASID);
	}
}

static void pasid_qw1_rows(struct rows *rows)
{
	static const uint64_t masks[] = { BIT(15), BIT(16), BIT(22), BIT(23), BIT(24),
					  BIT(25), BIT(26), BIT(30), BIT(31), BIT(63) };
	static const uint64_t lacks[] = { 0, BIT(E_SMPWCS), BIT(E_SC) };
	uint64_t entry = ROW_PASID_TABLE + 64 * ROW_PASID;

	for (uint64_t v = 0; v < 12; v++) {
		row_begin(rows, (unsigned)v, 0, lacks[v % 3], true);
		row_scalable_context(rows);
		row_pasid_entry(rows, ROW_SS_ROOT | 2 << 2 | (v / 3 + 1) << 6 | BIT(9) | 1, 0,
				ROW_FS_ROOT | 0x23);
		lay_any_depth(rows);
		all_words(rows, VT_PASID, entry + 8, masks, sizeof(masks) / sizeof(masks[0]),
			  pasid_access, NPASID, 0x123);
	}
}

static void pasid_qw2_rows(struct rows *rows)
{
	uint64_t entry = ROW_PASID_TABLE + 64 * ROW_PASID;

	for (uint64_t v = 0; v < 4 * NPASID_LACKS; v++) {
		const uint64_t *lacks = pasid_lacks[v / 4];
		uint64_t aw = lacks[0] == SAGAW(0x4) ? 1 : 2;

		row_begin(rows, (unsigned)v, lacks[0], lacks[1], true);
		row_scalable_context(rows);
		row_pasid_entry(rows, ROW_SS_ROOT | aw << 2 | (v % 4 + 1) << 6 | 1, BIT(23), 0);
		lay_any_depth(rows);
		all_low_words(rows, VT_PASID, entry + 16, ROW_FS_ROOT, pasid_access, NPASID,
			      ROW_PASID);
	}
}

uint64_t vt_rows(struct vt_image *image, enum vt_format format, vt_row_fn fn, void *opaque)
{
	struct rows rows = { .image = image, .fn = fn, .opaque = opaque };

	clear_image(image);
	rows.row.format = format;
	rows.row.image = image;
	switch (format) {
	case VT_ROW_SS_LEGACY:
		ss_rows(&rows, false);
		break;
	case VT_ROW_SS_SCALABLE:
		ss_rows(&rows, true);
		break;
	case VT_ROW_SS_NESTED:
		ss_nested_rows(&rows);
		break;
	case VT_ROW_FS:
		fs_rows(&rows);
		break;
	case VT_ROW_FS_NESTED:
		fs_nested_rows(&rows);
		break;
	case VT_ROW_LEGACY_CONTEXT:
		legacy_context_rows(&rows);
		break;
	case VT_ROW_SCALABLE_CONTEXT:
		scalable_context_rows(&rows);
		break;
	case VT_ROW_PASID_QW0:
		pasid_qw0_rows(&rows);
		break;
	case VT_ROW_PASID_QW1:
		pasid_qw1_rows(&rows);
		break;
	case VT_ROW_PASID_QW2:
		pasid_qw2_rows(&rows);
		break;
	case VT_ROW_FORMATS:
		break;
	}
	return rows.count;
}

const char *vt_format_name(enum vt_format format)
{
	static const char *const name[] = {
		"second-stage entry, legacy",
		"second-stage entry, scalable",
		"second-stage entry, nested",
		"first-stage entry",
		"first-stage entry, nested",
		"legacy context",
		"scalable context",
		"PASID entry qw0",
		"PASID entry qw1",
		"PASID entry qw2",
	};

	return format < VT_ROW_FORMATS ? name[format] : "?";
}
