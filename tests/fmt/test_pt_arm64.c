/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pt_arm64.c - every granule, size, level, bit and pair of bits of Arm's tables, against the rules said once more
 * (arm64_oracle.h): where it leads, what is permitted, which fault of which stage and level, and what is left in memory.
 */
#include "check.h"
#include "arm64_rig.h"

#include <stdio.h>

#include <libvirtiommu/base.h>

#include "bits.h"
#include "run.h"

enum { SLOW = RUN_SLOW ? 8 : 1 }; /* one of so many */

static struct a64_rig rig;
static char row[200];

/* ---- trees ---- */

static const struct shape {
	const char *name;
	unsigned kib, bits, ps;
	bool ds, wide;
	int start; /* of stage 2 */
} shapes[] = {
	{ "4K, 48 bits", 4, 48, 44, false, false, 0 },
	{ "4K, 39 bits", 4, 39, 40, false, false, 1 },
	{ "4K, 52 bits", 4, 52, 52, true, false, -1 },
	{ "4K, 52 bits to 48", 4, 52, 48, true, false, 0 },
	{ "16K, 48 bits", 16, 48, 48, false, false, 1 },
	{ "16K, 40 bits, IPS 52", 16, 40, 52, false, false, 1 },
	{ "16K, 52 bits", 16, 52, 52, true, false, 0 },
	{ "16K, 50 bits to 42", 16, 50, 42, true, false, 1 },
	{ "64K, 48 bits", 64, 48, 48, false, false, 1 },
	{ "64K, 42 bits", 64, 42, 40, false, false, 2 },
	{ "64K, 52 bits", 64, 52, 52, false, true, 1 },
	{ "64K, 44 bits to 36", 64, 44, 36, false, true, 2 },
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static struct a64_tables tables_of(const struct shape *s, uint64_t base)
{
	return (struct a64_tables){ .kib = s->kib,
				    .bits = s->bits,
				    .base = base,
				    .ps = s->ps,
				    .start = s->start,
				    .ds = s->ds,
				    .wide = s->wide };
}

/* Bit n of the choice is the nth switch. */
static void choose(struct a64_tables *t, unsigned n)
{
	t->ha = n & 1;
	t->hd = n >> 1 & 1;
	t->haft = n >> 2 & 1;
	t->affd = n >> 3 & 1;
	t->had = n >> 4 & 1;
	t->wxn = n >> 5 & 1;
	t->pan = n >> 6 & 1;
	t->epan = n >> 7 & 1;
	t->el2 = n >> 8 & 1;
	t->xnx = n >> 4 & 1;
	t->fwb = n >> 5 & 1;
	t->ptw = n >> 6 & 1;
	t->big_endian = n >> 9 & 1;
}

enum { CHOICES = 10 };

/* One after the other, so that all come by: whatever is asked of a tree that has been changed somewhere. */
static struct a64_request request(unsigned n, uint64_t address)
{
	unsigned access = n % 5; /* read, write, both, fetch, nothing */

	return (struct a64_request){ .address = address,
				     .read = access == 0 || access == 2,
				     .write = access == 1 || access == 2,
				     .fetch = access == 3,
				     .privileged = n / 5 & 1,
				     .trace = !(n / 10 % 4 == 0) };
}

/* An address with bits everywhere. */
static uint64_t somewhere(const struct a64_tables *t)
{
	return UINT64_C(0xa5b6c7d8e9f12345) & bits_low(t->bits);
}

/* Where a page of the level is: of neighbours, beside them; high bits as far as the tables have any. */
static uint64_t target(const struct a64_tables *t, int level, uint64_t address)
{
	unsigned low = a64_rig_low(t, level);
	uint64_t high = BIT(t->ps - 1) | BIT(t->ps - 3);

	if (t->ps > 48 && !(t->kib == 64 ? t->wide : t->ds))
		high = BIT(47);
	return ((high & ~bits_low(low)) | (address & bits_low(low + 8) & bits_low(t->ps - 4))) &
	       ~bits_low(low);
}

static bool has_block(const struct a64_tables *t, int level)
{
	if (level >= 2)
		return true;
	if (level == 1)
		return t->kib == 4 || (t->kib == 16 ? t->ds : t->wide);
	return level == 0 && t->kib == 4 && t->ds;
}

/* What a page says to begin with: accessed, users may, Normal memory. */
#define S1_PAGE (BIT(10) | BIT(6) | BIT(11))
#define S2_PAGE (BIT(10) | BIT(6) | BIT(7) | 0xfU << 2)

static uint64_t flip(const struct a64_tables *t, uint64_t bits)
{
	return t->big_endian ? __builtin_bswap64(bits) : bits;
}

/* A tree with a page of the level, and the descriptors on the way to it. */
struct tree {
	struct a64_tables t;
	bool stage2;
	int start, level;
	uint64_t address;
	uint64_t at[5]; /* of level start, start + 1, ... */
	unsigned n;
};

static struct tree plant(const struct shape *s, bool stage2, int level, unsigned choice)
{
	struct tree tree = { .stage2 = stage2, .level = level };
	uint64_t leaf;

	a64_rig_clear(&rig);
	tree.t = tables_of(s, a64_rig_table(&rig));
	choose(&tree.t, choice);
	tree.start = a64_rig_start(&tree.t, stage2);
	tree.address = somewhere(&tree.t);
	for (int l = tree.start; l <= level; l++)
		tree.at[tree.n++] = a64_rig_entry(&rig, &tree.t, tree.start, tree.address, l);
	leaf = a64_rig_leaf_word(&tree.t, target(&tree.t, level, tree.address), level);
	a64_rig_put(&rig, tree.at[tree.n - 1], leaf | flip(&tree.t, stage2 ? S2_PAGE : S1_PAGE));
	return tree;
}

/* Asks with bits of two descriptors turned over, and puts them back. */
static void ask(const struct tree *tree, uint64_t at_1, uint64_t bits_1, uint64_t at_2,
		uint64_t bits_2, unsigned n)
{
	struct a64_request q = request(n, tree->address);
	struct a64_answer a;
	uint64_t old[5];

	for (unsigned i = 0; i < tree->n; i++)
		old[i] = a64_rig_get(&rig, tree->at[i]);
	a64_rig_put(&rig, at_1, a64_rig_get(&rig, at_1) ^ flip(&tree->t, bits_1));
	a64_rig_put(&rig, at_2, a64_rig_get(&rig, at_2) ^ flip(&tree->t, bits_2));
	a64_rig_compare(&rig, row, tree->stage2 ? A64_S2 : A64_S1, &tree->t, &tree->t, &q, &a);
	for (unsigned i = 0; i < tree->n; i++)
		a64_rig_put(&rig, tree->at[i], old[i]);
}

/* Every tree that there is, of both stages. */
static void each_tree(unsigned choice, void (*body)(const struct tree *tree, unsigned n))
{
	unsigned n = choice;

	for (unsigned k = 0; k < SHAPES; k++) {
		for (unsigned stage2 = 0; stage2 < 2; stage2++) {
			struct a64_tables t = tables_of(&shapes[k], 0);

			for (int level = a64_rig_start(&t, stage2); level <= 3; level++) {
				struct tree tree = plant(&shapes[k], stage2, level, choice);

				(void)snprintf(row, sizeof(row),
					       "%s, stage %u, level %d, choice %x", shapes[k].name,
					       stage2 + 1, level, choice);
				body(&tree, n);
				n += 7;
			}
		}
	}
}

/* ---- bits ---- */

static void as_it_is(const struct tree *tree, unsigned n)
{
	struct a64_request q = request(n % 2 ? 0 : 9, tree->address);
	struct a64_answer a;

	a64_rig_compare(&rig, row, tree->stage2 ? A64_S2 : A64_S1, &tree->t, &tree->t, &q, &a);
	if (!has_block(&tree->t, tree->level)) {
		check_eq(row, a.fault, A64_TRANSLATION);
		return;
	}
	check_eq(row, a.pa,
		 target(&tree->t, tree->level, tree->address) |
			 (tree->address & bits_low(a64_rig_low(&tree->t, tree->level))));
}

static void every_page(void **state)
{
	each_tree(0, as_it_is);
	each_tree(BIT(9), as_it_is);
}

/* Every bit of every descriptor on the way, with every request. */
static void each_bit(const struct tree *tree, unsigned n)
{
	for (unsigned i = 0; i < tree->n; i++)
		for (unsigned bit = 0; bit < 64; bit++)
			for (unsigned r = 0; r<20; r += SLOW> 1 ? 3 : 1)
				ask(tree, tree->at[i], BIT(bit), tree->at[i], 0, r);
}

static void every_bit(void **state)
{
	for (unsigned choice = 0; choice < CHOICES; choice++)
		each_tree((unsigned)BIT(choice), each_bit);
	each_tree(0x003, each_bit); /* HA and HD */
	each_tree(0x007, each_bit); /* and HAFT */
	each_tree(0x0c0, each_bit); /* PAN and EPAN */
	each_tree(0x0e3, each_bit); /* all of these and WXN */
	each_tree(0x123, each_bit); /* EL2 */
}

/* Every pair of bits of a page; of the table above; and one of each. */
static void each_pair(const struct tree *tree, unsigned n)
{
	uint64_t leaf = tree->at[tree->n - 1];
	uint64_t table = tree->at[tree->n > 1 ? tree->n - 2 : 0];

	for (unsigned a = 0; a < 64; a++) {
		for (unsigned b = 0; b < 64; b++) {
			if (b > a)
				ask(tree, leaf, BIT(a), leaf, BIT(b), n++);
			if (b > a && tree->n > 1)
				ask(tree, table, BIT(a), table, BIT(b), n++);
			if (tree->n > 1)
				ask(tree, table, BIT(a), leaf, BIT(b), n++);
		}
	}
}

static void every_pair(void **state)
{
	const size_t step = SLOW == 1 ? 1 : 3;
	static const unsigned choices[] = { 0, 0x00b, 0x007, 0x020, 0x0e3, 0x121, 0x253 };

	for (size_t i = 0; i < ARRAY_COUNT(choices); i += step)
		each_tree(choices[i], each_pair);
}

/* Whole descriptors by chance, in every place and with every switch. */
static uint64_t seed = 1;

static uint64_t chance(void)
{
	uint64_t high;

	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	high = seed >> 32;
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return high << 32 | seed >> 32;
}

static void each_chance(const struct tree *tree, unsigned n)
{
	const uint64_t addresses = BITS(51, 12) & ~BITS(47, 20);

	for (unsigned i = 0; i < 400; i++) {
		uint64_t which = tree->at[chance() % tree->n];
		uint64_t bits = chance() & chance();

		if (chance() % 4)
			bits &= ~(addresses | BITS(47, 20) | BITS(9, 8));
		if (chance() % 4)
			bits &= ~(uint64_t)3;
		ask(tree, which, bits, tree->at[tree->n - 1], chance() % 2 ? BIT(51) | BIT(7) : 0,
		    (unsigned)chance() % 40);
	}
}

static void by_chance(void **state)
{
	for (unsigned i = 0; i < 40 / SLOW; i++)
		each_tree((unsigned)chance() % BIT(CHOICES), each_chance);
}

/* ---- stage 1 on stage 2 ---- */

/* Stage 2 has what stage 1 has at an address as a page of this level, at the same address but for one bit. */
static uint64_t below(const struct a64_tables *s2, uint64_t ipa, int level, uint64_t moved)
{
	uint64_t at = a64_rig_entry(&rig, s2, s2->start, ipa, level);
	unsigned low = a64_rig_low(s2, level);

	if (!a64_rig_get(&rig, at))
		a64_rig_put(&rig, at,
			    a64_rig_leaf_word(s2, (ipa ^ moved) & ~bits_low(low), level) |
				    flip(s2, S2_PAGE));
	return at;
}

/* Descriptors of a nested walk: of stage 1, of stage 2 for the last table, and for the page. */
struct nest {
	struct a64_tables s1, s2;
	uint64_t address;
	uint64_t at[3];
	const struct a64_tables *of[3];
};

enum { MOVED_BIT = 31 };

static bool nest(struct nest *nest, const struct shape *a, const struct shape *b, unsigned choice_1,
		 unsigned choice_2)
{
	uint64_t moved = BIT(MOVED_BIT);
	int start, level = 3;
	uint64_t base, ipa;

	a64_rig_clear(&rig);
	nest->s2 = tables_of(b, a64_rig_table(&rig));
	choose(&nest->s2, choice_2);
	base = a64_rig_table(&rig);
	nest->s1 = tables_of(a, base);
	choose(&nest->s1, choice_1);
	nest->s1.ps = nest->s2.bits < nest->s1.ps ? nest->s2.bits : nest->s1.ps;
	if (nest->s1.ps < 40 || nest->s2.ps < 36)
		return false;
	start = a64_rig_start(&nest->s1, false);
	nest->address = somewhere(&nest->s1);
	ipa = BIT(35) |
	      (nest->address & bits_low(a64_rig_low(&nest->s1, 3) + 8)); /* with its neighbours */
	/* tables of stage 1 are written where stage 2 has them */
	nest->s1.base = base ^ moved;
	for (int l = start;; l++) {
		unsigned top = l == start ? nest->s1.bits : a64_rig_low(&nest->s1, l - 1);
		uint64_t index = bits_get(nest->address, BITS(top - 1, a64_rig_low(&nest->s1, l)));
		uint64_t pa = base + 8 * index;

		nest->at[1] = below(&nest->s2, pa ^ moved, 3, moved);
		if (l == level) {
			nest->at[0] = pa;
			a64_rig_put(&rig, pa,
				    a64_rig_leaf_word(&nest->s1,
						      ipa & ~bits_low(a64_rig_low(&nest->s1, 3)),
						      l) |
					    flip(&nest->s1, S1_PAGE));
			break;
		}
		base = a64_rig_table(&rig);
		a64_rig_put(&rig, pa, a64_rig_table_word(&nest->s1, base ^ moved));
	}
	nest->at[2] = below(&nest->s2, ipa, 3, moved);
	nest->of[0] = &nest->s1;
	nest->of[1] = nest->of[2] = &nest->s2;
	return true;
}

static void ask_nest(const struct nest *nest, unsigned i, uint64_t bits, unsigned j, uint64_t more,
		     unsigned n)
{
	struct a64_request q = request(n, nest->address);
	struct a64_words mine = rig.mine, theirs = rig.theirs;
	struct a64_answer a;

	a64_rig_put(&rig, nest->at[i], a64_rig_get(&rig, nest->at[i]) ^ flip(nest->of[i], bits));
	a64_rig_put(&rig, nest->at[j], a64_rig_get(&rig, nest->at[j]) ^ flip(nest->of[j], more));
	a64_rig_compare(&rig, row, A64_BOTH, &nest->s1, &nest->s2, &q, &a);
	rig.mine = mine;
	rig.theirs = theirs;
}

static void one_nest(const struct shape *a, const struct shape *b, unsigned choice_1,
		     unsigned choice_2)
{
	struct nest n;
	unsigned r = choice_1 + choice_2;

	if (!nest(&n, a, b, choice_1, choice_2))
		return;
	(void)snprintf(row, sizeof(row), "%s (%x) on %s (%x)", a->name, choice_1, b->name,
		       choice_2);
	for (unsigned i = 0; i < 10; i++)
		ask_nest(&n, 0, 0, 0, 0, i);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned bit = 0; bit < 64; bit++)
			for (unsigned k = 0; k < 5; k++)
				ask_nest(&n, i, BIT(bit), i, 0, r++);
	for (unsigned k = 0; k < 600; k++) {
		static const uint64_t bits[] = { BIT(10), BIT(7),  BIT(6),	    BIT(51),
						 BIT(54), BIT(53), BIT(5),	    BIT(40),
						 BIT(52), BIT(0),  BIT(7) | BIT(51) };
		unsigned i = (unsigned)chance() % 3, j = (unsigned)chance() % 3;

		ask_nest(&n, i, bits[chance() % ARRAY_COUNT(bits)], j,
			 bits[chance() % ARRAY_COUNT(bits)], r++);
	}
}

static void nested(void **state)
{
	for (unsigned a = 0; a < SHAPES; a++)
		for (unsigned b = 0; b < SHAPES; b++)
			for (unsigned i = 0; i < (SLOW > 1 ? 1 : 6); i++)
				one_nest(&shapes[a], &shapes[b], (unsigned)chance() % BIT(CHOICES),
					 (unsigned)chance() % BIT(CHOICES));
}

/* What cannot be read, at every place of a nested walk. */
static void holes(void **state)
{
	for (unsigned a = 0; a < SHAPES; a++) {
		for (unsigned i = 0; i < 3; i++) {
			struct nest n;
			struct a64_request q;
			struct a64_answer answer;

			if (!nest(&n, &shapes[a], &shapes[0], 0, 0))
				continue;
			(void)snprintf(row, sizeof(row), "%s, hole %u", shapes[a].name, i);
			rig.mine.hole = rig.theirs.hole = n.at[i];
			q = request(0, n.address);
			a64_rig_compare(&rig, row, A64_BOTH, &n.s1, &n.s2, &q, &answer);
			check_eq(row, answer.fault, A64_EABT);
			check_eq(row, answer.fetch, n.at[i]);
		}
	}
}

/* All that can happen has happened. */
static void everything_seen(void **state)
{
	for (unsigned fault = A64_TRANSLATION; fault <= A64_PERMISSION; fault++) {
		(void)snprintf(row, sizeof(row), "fault %u", fault);
		check_that(row, rig.seen[fault][1][A64_IN] > 100 / SLOW);
		check_that(row, rig.seen[fault][2][A64_IN] > 100 / SLOW);
		check_that(row, rig.seen[fault][2][A64_TT] > 100 / SLOW);
	}
	check_that("found", rig.seen[A64_NONE][0][0] > 100000 / SLOW);
	check_that("updates of tables", rig.refused_updates > 100 / SLOW);
}

static int setup(void **state)
{
	seed = run_seed(seed);
	a64_rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	a64_rig_fini(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page),	   cmocka_unit_test(every_bit),
		cmocka_unit_test(every_pair),	   cmocka_unit_test(by_chance),
		cmocka_unit_test(nested),	   cmocka_unit_test(holes),
		cmocka_unit_test(everything_seen),
	};

	return cmocka_run_group_tests_name("fmt/pt_arm64", tests, setup, teardown);
}
