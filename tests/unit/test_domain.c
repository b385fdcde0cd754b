/* SPDX-License-Identifier: BSD-3-Clause */
/* test_domain.c - cache/domain.h: which requests share a domain, and what each invalidation reaches. */
#include "check.h"

#include <libvirtiommu/iommu.h>

#include <string.h>

#include "bits.h"
#include "domain.h"
#include "guest.h"

/* struct domain_match: all of a group, and one member of it */
#define ALL(g)	  .group = (g), .id = DOMAIN_ANY
#define ONE(g, m) .group = (g), .id = (uint64_t)(g) << 32 | (m)

struct world {
	struct guest g;
	struct tlb tlb;
	struct table_cache tables;
	struct domains domains;
	struct window *window;
};

static void setup_world(struct world *w, uint32_t count)
{
	const struct window_size size = { 4096, 1, count, 1 };

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_CALLBACKS, 1);
	w->window = window_new(w->g.vm, &size, 0);
	assert_non_null(w->window);
	tlb_attach(&w->tlb, w->window);
	assert_int_equal(table_cache_init(&w->tables, w->g.vm, 64), VIOMMU_OK);
	assert_int_equal(domains_init(&w->domains, w->g.vm, w->window, &w->tlb, &w->tables),
			 VIOMMU_OK);
}

static void end_world(struct world *w)
{
	domains_fini(&w->domains, w->g.vm);
	table_cache_fini(&w->tables, w->g.vm);
	window_free(w->window, w->g.vm);
	guest_fini(&w->g);
}

static struct domain_key key(uint32_t id, uint32_t pasid, uint32_t kind)
{
	struct domain_key k = { .group = id, .id = domain_id(id, pasid), .kind = kind };

	k.stage1.root = 0x1000;
	k.stage2.root = 0x2000;
	return k;
}

static struct domain *get(struct world *w, const struct domain_key *k)
{
	uint64_t life;

	return domains_get(&w->domains, k, 1, &life);
}

/* As unit/translate.c fills: size first, then the entry, under what was read before. */
static void fill_seen(struct world *w, struct domain *d, uint64_t iova, unsigned lg2, uint64_t tag,
		      uint64_t seen)
{
	struct translation t = {
		.iova = iova, .gpa = iova, .size_lg2 = (uint8_t)lg2, .perm = (uint8_t)PERM_ALL
	};

	atomic_fetch_or(&d->sizes, BIT(lg2));
	tlb_add(&w->tlb, domain_space(d, tag), &t, &d->changes, seen);
}

static void fill(struct world *w, struct domain *d, uint64_t iova, unsigned lg2)
{
	fill_seen(w, d, iova, lg2, atomic_load(&d->tag), atomic_load(&d->changes));
}

static bool cached(struct world *w, struct domain *d, uint64_t iova)
{
	struct translation t;

	return tlb_find(&w->tlb, domain_space(d, atomic_load(&d->tag)), atomic_load(&d->sizes),
			iova, &t);
}

/* ---- keys ---- */

/* Equal keys are one domain; a key that differs in any bit of any field is another (obligation 10). */
static void every_bit_of_the_key_counts(void **state)
{
	struct domain_key k = key(7, VIOMMU_NO_PASID, 1);
	struct domain *first;
	uint64_t tag;
	struct world w;

	setup_world(&w, 4096);
	first = get(&w, &k);
	tag = atomic_load(&first->tag);
	assert_int_not_equal(tag, 0);
	for (unsigned bit = 0; bit < 8 * sizeof(k); bit++) {
		struct domain_key other = k;
		struct domain *d;

		((unsigned char *)&other)[bit / 8] ^= (unsigned char)(1U << bit % 8);
		d = get(&w, &other);
		assert_ptr_not_equal(d, first);
		assert_int_not_equal(atomic_load(&d->tag), tag);
		assert_ptr_equal(get(&w, &other), d);
		assert_ptr_equal(get(&w, &k), first);
	}
	assert_int_equal(atomic_load(&first->tag), tag);
	end_world(&w);
}

/* When its set is full, the domain not asked for longest loses its place: its entries are never
 * found again, and contexts that point to it see that it lives no more; all others see nothing
 * (obligation 42). Tags and lives are never used twice. */
static void recycling(void **state)
{
	struct domain_key k[DOMAIN_WAYS + 1];
	struct domain *d[DOMAIN_WAYS + 1];
	uint64_t tags[DOMAIN_WAYS + 1];
	uint64_t lives[DOMAIN_WAYS];
	uint64_t life;
	uint64_t changes;
	struct world w;

	setup_world(&w, 1);
	assert_int_equal(w.domains.count, DOMAIN_WAYS);
	for (uint32_t i = 0; i < DOMAIN_WAYS; i++) {
		k[i] = key(i, i, 1);
		d[i] = domains_get(&w.domains, &k[i], 1, &lives[i]);
		tags[i] = atomic_load(&d[i]->tag);
		fill(&w, d[i], 0x1000, 12);
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(tags[i], tags[j]);
	}
	assert_int_equal(atomic_load(&w.window->generation), 1);
	assert_ptr_equal(get(&w, &k[0]), d[0]); /* now 1 is the oldest */
	changes = atomic_load(&d[1]->changes);
	k[DOMAIN_WAYS] = key(100, 100, 1);
	d[DOMAIN_WAYS] = domains_get(&w.domains, &k[DOMAIN_WAYS], 1, &life);
	assert_ptr_equal(d[DOMAIN_WAYS], d[1]);
	assert_true(domain_life(d[1]) == life);
	assert_int_equal(atomic_load(&w.window->generation), 1);
	assert_true(atomic_load(&d[1]->tag) > tags[DOMAIN_WAYS - 1]);
	assert_int_not_equal(atomic_load(&d[1]->changes), changes);
	assert_false(cached(&w, d[1], 0x1000));
	for (uint32_t i = 0; i < DOMAIN_WAYS; i++) {
		check_eq("lives", domain_life(d[i]) == lives[i], i != 1);
		if (i == 1)
			continue;
		assert_int_equal(atomic_load(&d[i]->tag), tags[i]);
		assert_true(cached(&w, d[i], 0x1000));
	}
	/* the chain of its former id no longer has it */
	domains_flush(&w.domains, &(struct domain_match){ ALL(1), .kinds = 0xf });
	assert_ptr_equal(get(&w, &k[DOMAIN_WAYS]), d[1]);
	fill(&w, d[1], 0x3000, 12);
	domains_flush(&w.domains, &(struct domain_match){ ALL(1), .kinds = 0xf });
	assert_true(cached(&w, d[1], 0x3000));
	end_world(&w);
}

/* Many more domains than places, in a table of several sets: places stay bounded (obligation 27),
 * and what a place says of itself is always true. */
static void many_more_than_places(void **state)
{
	struct world w;

	setup_world(&w, 32);
	assert_int_equal(w.domains.count, 32);
	for (uint32_t i = 0; i < 5000; i++) {
		struct domain_key k = key(i % 700, i % 13, i % 4);
		struct domain *d = get(&w, &k);
		uint64_t page = (uint64_t)i << 12;

		assert_true(d >= w.domains.slot && d < w.domains.slot + 32);
		assert_memory_equal(&w.domains.own[d - w.domains.slot].key, &k, sizeof(k));
		fill(&w, d, page, 12);
		assert_true(cached(&w, d, page));
		if (i % 3 == 0) {
			domains_flush(&w.domains,
				      &(struct domain_match){ ALL(i % 700), .kinds = 0xf });
			assert_false(cached(&w, d, page));
		}
	}
	end_world(&w);
}

/* A flush of the whole IOMMU reaches a domain when it is next asked for, once. */
static void flush_of_everything(void **state)
{
	struct domain_key k = key(1, 1, 1);
	struct domain *d;
	struct world w;
	uint64_t life;
	uint64_t tag;

	setup_world(&w, 64);
	d = domains_get(&w.domains, &k, 5, &life);
	fill(&w, d, 0x1000, 12);
	assert_ptr_equal(domains_get(&w.domains, &k, 5, &life), d);
	assert_true(cached(&w, d, 0x1000));
	/* one who read the count before the flush comes late: nothing to do */
	assert_ptr_equal(domains_get(&w.domains, &k, 4, &life), d);
	assert_true(cached(&w, d, 0x1000));
	tag = atomic_load(&d->tag);
	assert_ptr_equal(domains_get(&w.domains, &k, 6, &life), d);
	assert_int_not_equal(atomic_load(&d->tag), tag);
	assert_false(cached(&w, d, 0x1000));
	tag = atomic_load(&d->tag);
	assert_ptr_equal(domains_get(&w.domains, &k, 6, &life), d);
	assert_int_equal(atomic_load(&d->tag), tag);
	end_world(&w);
}

/* ---- who is meant ---- */

static const struct {
	const char *name;
	struct domain_match match;
	unsigned reached; /* bit n: domain n of the list below */
} matches[] = {
	{ "all of an id", { ALL(7), .kinds = 0xf }, 0x0f },
	{ "another id", { ALL(8), .kinds = 0xf }, 0x10 },
	{ "an id that nobody has", { ALL(9), .kinds = 0xf }, 0 },
	{ "the id only, bits above 16", { ALL(0x10007), .kinds = 0xf }, 0 },
	{ "a PASID", { ONE(7, 5), .kinds = 0xf }, 0x06 },
	{ "without PASID", { ONE(7, VIOMMU_NO_PASID), .kinds = 0xf }, 0x01 },
	{ "PASID 0", { ONE(7, 0), .kinds = 0xf }, 0x08 },
	{ "a kind", { ALL(7), .kinds = 1 << 1 }, 0x01 },
	{ "two kinds", { ALL(7), .kinds = 1 << 2 | 1 << 3 }, 0x0e },
	{ "a kind of a PASID", { ONE(7, 5), .kinds = 1 << 3 }, 0x04 },
	{ "no kind", { ALL(7), .kinds = 0 }, 0 },
};

static const struct {
	uint32_t id, pasid, kind;
} listed[] = {
	{ 7, VIOMMU_NO_PASID, 1 }, { 7, 5, 2 }, { 7, 5, 3 }, { 7, 0, 2 }, { 8, 5, 2 },
};

static void who_is_meant(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(matches); i++) {
		for (unsigned ranged = 0; ranged < 2; ranged++) {
			struct domain *d[ARRAY_COUNT(listed)];
			struct world w;

			setup_world(&w, 64);
			for (size_t n = 0; n < ARRAY_COUNT(listed); n++) {
				struct domain_key k =
					key(listed[n].id, listed[n].pasid, listed[n].kind);

				d[n] = get(&w, &k);
				fill(&w, d[n], 0x1000, 12);
				fill(&w, d[n], 0x5000, 12);
			}
			if (ranged)
				domains_flush_range(&w.domains, &matches[i].match, 0x1000, 0x1fff,
						    false);
			else
				domains_flush(&w.domains, &matches[i].match);
			for (size_t n = 0; n < ARRAY_COUNT(listed); n++) {
				bool reached = matches[i].reached >> n & 1;

				check_eq(matches[i].name, cached(&w, d[n], 0x1000), !reached);
				check_eq(matches[i].name, cached(&w, d[n], 0x5000),
					 ranged || !reached);
			}
			assert_int_equal(atomic_load(&w.window->generation), 1);
			end_world(&w);
		}
	}
}

/* ---- ranges ---- */

/* Precise while few probes do, the whole domain when they would be too many; never too little. */
static const struct {
	const char *name;
	uint64_t first, last;
	bool near_stays; /* the page behind the range, in the same domain */
} ranges[] = {
	{ "one page", 0x200000, 0x200fff, true },
	{ "32 pages of two sizes", 0x200000, 0x21ffff, true },
	{ "as many probes as are allowed", 0x200000, 0x200000 + 63 * 0x1000 - 1, true },
	{ "one probe more", 0x200000, 0x200000 + 64 * 0x1000 - 1, false },
	{ "2 GiB", 0, BIT(31) - 1, false },
	{ "everything", 0, UINT64_MAX, false },
};

static void ranges_of_a_domain(void **state)
{
	const struct domain_match match = { ALL(7), .kinds = 0xf };

	for (size_t i = 0; i < ARRAY_COUNT(ranges); i++) {
		struct domain_key k = key(7, 1, 1);
		struct domain_key o = key(7, 2, 1);
		struct domain *d, *other;
		struct world w;

		setup_world(&w, 64);
		d = get(&w, &k);
		other = get(&w, &o);
		fill(&w, d, ranges[i].first & ~UINT64_C(0xfff), 12);
		fill(&w, d, ranges[i].last & ~UINT64_C(0xfff) & BITS(47, 0), 12);
		fill(&w, d, 0x40000000, 12);
		fill(&w, d, 0x80000000, 21);
		fill(&w, other, 0x40000000, 12);
		domains_flush_range(&w.domains, &match, ranges[i].first, ranges[i].last, false);
		check_that(ranges[i].name, !cached(&w, d, ranges[i].first));
		check_that(ranges[i].name, !cached(&w, d, ranges[i].last & BITS(47, 0)));
		check_eq(ranges[i].name, cached(&w, d, 0x40000000), ranges[i].near_stays);
		check_eq(ranges[i].name, cached(&w, d, 0x80000000), ranges[i].near_stays);
		end_world(&w);
	}
}

/* A page invalidation in the middle of a large page takes the large page; first and last byte. */
static void a_page_of_a_large_page(void **state)
{
	static const uint64_t at[] = { 0x40000000, 0x40000fff, 0x5fffffff, 0x7ffff000, 0x7fffffff };
	const struct domain_match match = { ALL(7), .kinds = 0xf };

	for (size_t i = 0; i < ARRAY_COUNT(at); i++) {
		struct domain_key k = key(7, 1, 1);
		struct domain *d;
		struct world w;

		setup_world(&w, 64);
		d = get(&w, &k);
		fill(&w, d, 0x40000000, 30);
		fill(&w, d, 0x00000000, 30);
		fill(&w, d, 0x80000000, 30);
		fill(&w, d, 0x3ffff000, 12);
		fill(&w, d, 0x80000000, 12);
		domains_flush_range(&w.domains, &match, at[i], at[i], false);
		assert_false(cached(&w, d, 0x40000000));
		assert_false(cached(&w, d, 0x7fffffff));
		assert_true(cached(&w, d, 0x3fffffff));
		assert_true(cached(&w, d, 0x80000000));
		end_world(&w);
	}
}

/* ---- pages that are cached in pieces ---- */

static void fill_piece(struct world *w, struct domain *d, uint64_t iova, unsigned lg2,
		       unsigned leaf)
{
	const struct translation t = { .iova = iova,
				       .gpa = iova,
				       .size_lg2 = (uint8_t)lg2,
				       .perm = (uint8_t)PERM_ALL,
				       .leaf_lg2 = (uint8_t)leaf };

	domains_announce(&w->domains, d, &t);
	assert_true(domain_expects(d, &t));
	tlb_add(&w->tlb, domain_space(d, atomic_load(&d->tag)), &t, &d->changes,
		atomic_load(&d->changes));
}

static const struct {
	const char *name;
	unsigned leaf, piece; /* of a page at 1 GiB */
	uint64_t first, last; /* what is invalidated */
	bool gone;	      /* the piece at 1 GiB and 64 KiB */
	bool other_gone;      /* a page before it, of 4 KiB */
} pieces[] = {
	{ "the piece", 16, 12, 0x40008000, 0x40008fff, true, false },
	{ "the first", 16, 12, 0x40000000, 0x40000fff, true, false },
	{ "the last byte", 16, 12, 0x4000ffff, 0x4000ffff, true, false },
	{ "the page after", 16, 12, 0x40010000, 0x40010fff, false, false },
	{ "the page before", 16, 12, 0x3ffff000, 0x3fffffff, false, true },
	{ "from the page before", 16, 12, 0x3ffff000, 0x40000fff, true, true },
	{ "another piece of 1 GiB", 30, 12, 0x7ffff000, 0x7fffffff, true, true },
	{ "another piece of 2 MiB of 1 GiB", 30, 21, 0x40000000, 0x40000fff, true, true },
	{ "no piece", 12, 12, 0x40009000, 0x40009fff, false, false },
};

static void pages_in_pieces(void **state)
{
	const struct domain_match match = { ALL(7), .kinds = 0xf };
	struct domain_key k = key(7, 1, 1);

	for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
		uint64_t at = 0x40008000 & ~bits_low(pieces[i].piece);
		struct domain *d;
		struct world w;

		setup_world(&w, 64);
		d = get(&w, &k);
		fill_piece(&w, d, at, pieces[i].piece, pieces[i].leaf);
		fill(&w, d, 0x3ffff000, 12);
		domains_flush_range(&w.domains, &match, pieces[i].first, pieces[i].last, false);
		check_eq(pieces[i].name, cached(&w, d, 0x40008000), !pieces[i].gone);
		check_eq(pieces[i].name, cached(&w, d, 0x3ffff000), !pieces[i].other_gone);
		end_world(&w);
	}
}

/* When all of a domain has gone it has no pieces either, and pages go one by one again. */
static void pieces_are_forgotten(void **state)
{
	const struct domain_match match = { ALL(7), .kinds = 0xf };
	const struct translation piece = { .size_lg2 = 12, .leaf_lg2 = 30 };
	struct domain_key k = key(7, 1, 1);
	struct domain *d;
	struct world w;

	setup_world(&w, 64);
	d = get(&w, &k);
	fill_piece(&w, d, 0x40008000, 12, 30);
	domains_flush(&w.domains, &match);
	assert_false(domain_expects(d, &piece));
	fill(&w, d, 0x40008000, 12);
	fill(&w, d, 0x40009000, 12);
	assert_false(domain_expects(d, &piece));
	domains_flush_range(&w.domains, &match, 0x40009000, 0x40009fff, false);
	assert_true(cached(&w, d, 0x40008000));
	assert_false(cached(&w, d, 0x40009000));
	end_world(&w);
}

/* ---- global pages ---- */

/* As unit_fill(): what was read before is dropped if it is the first. */
static void fill_global(struct world *w, struct domain *d, uint64_t iova)
{
	const struct translation t = {
		.iova = iova, .gpa = iova, .size_lg2 = 12, .perm = (uint8_t)PERM_ALL, .global = true
	};
	uint64_t seen = atomic_load(&d->changes);

	if (!domain_expects(d, &t))
		domains_announce(&w->domains, d, &t);
	assert_true(domain_expects(d, &t));
	tlb_add(&w->tlb, domain_space(d, atomic_load(&d->tag)), &t, &d->changes, seen);
}

enum { OWN, OTHER, OTHER_KIND, PLAIN, STRANGER, MEMBERS };

static const struct {
	const char *name;
	struct domain_match match;
	unsigned gone; /* bit n: page 1 of member n */
} global_rows[] = {
	{ "of an id, and global ones of its group",
	  { ONE(7, 1), .kinds = 0x2, .globals = 0x2 },
	  1 << OWN | 1 << OTHER },
	{ "of all kinds",
	  { ONE(7, 1), .kinds = 0x6, .globals = 0x6 },
	  1 << OWN | 1 << OTHER | 1 << OTHER_KIND },
	{ "of an id that nobody has, and global ones",
	  { ONE(7, 99), .kinds = 0x2, .globals = 0x2 },
	  1 << OWN | 1 << OTHER },
	{ "of an id only", { ONE(7, 1), .kinds = 0x2 }, 1 << OWN },
	{ "global ones only of another kind",
	  { ONE(7, 1), .kinds = 0x2, .globals = 0x4 },
	  1 << OWN | 1 << OTHER_KIND },
	{ "of all of the group", { ALL(7), .kinds = 0x2 }, 1 << OWN | 1 << OTHER | 1 << PLAIN },
	{ "of another group", { ONE(9, 1), .kinds = 0x2, .globals = 0x2 }, 0 },
};

static void global_pages(void **state)
{
	const struct domain_key k[MEMBERS] = {
		[OWN] = key(7, 1, 1),	[OTHER] = key(7, 2, 1),	   [OTHER_KIND] = key(7, 2, 2),
		[PLAIN] = key(7, 3, 1), [STRANGER] = key(8, 2, 1),
	};

	for (size_t i = 0; i < ARRAY_COUNT(global_rows); i++) {
		struct domain *d[MEMBERS];
		struct world w;

		setup_world(&w, 64);
		for (unsigned n = 0; n < MEMBERS; n++) {
			d[n] = get(&w, &k[n]);
			for (unsigned twice = 0; twice < 2 && n != PLAIN; twice++)
				fill_global(&w, d[n], 0x1000);
			fill(&w, d[n], n == PLAIN ? 0x1000 : 0x9000, 12);
			fill(&w, d[n], 0x9000, 12);
		}
		domains_flush_range(&w.domains, &global_rows[i].match, 0x1000, 0x1fff, false);
		for (unsigned n = 0; n < MEMBERS; n++) {
			check_eq(global_rows[i].name, cached(&w, d[n], 0x1000),
				 !(global_rows[i].gone >> n & 1));
			check_that(global_rows[i].name, cached(&w, d[n], 0x9000));
		}
		end_world(&w);
	}
}

/* An invalidation that finds no global page in the group does not visit it, and so does not count there: the first
 * one, which may have been read before, is not kept. */
static void the_first_global_page(void **state)
{
	const struct domain_match match = { ONE(7, 1), .kinds = 0xf, .globals = 0xf };
	const struct translation t = {
		.iova = 0x1000, .gpa = 0x1000, .size_lg2 = 12, .global = true
	};
	struct domain_key k = key(7, 2, 1);
	struct domain *d;
	struct world w;
	uint64_t seen;

	setup_world(&w, 64);
	d = get(&w, &k);
	seen = atomic_load(&d->changes); /* reads the page, and then */
	domains_flush_range(&w.domains, &match, 0x1000, 0x1fff, false);
	domains_announce(&w.domains, d, &t);
	tlb_add(&w.tlb, domain_space(d, atomic_load(&d->tag)), &t, &d->changes, seen);
	assert_false(cached(&w, d, 0x1000));
	assert_true(seen % 2 == 0 && atomic_load(&d->changes) % 2 == 0);
	/* from now on such an invalidation comes by */
	seen = atomic_load(&d->changes);
	domains_announce(&w.domains, d, &t);
	assert_int_equal(atomic_load(&d->changes), seen);
	domains_flush_range(&w.domains, &match, 0x1000, 0x1fff, false);
	tlb_add(&w.tlb, domain_space(d, atomic_load(&d->tag)), &t, &d->changes, seen);
	assert_false(cached(&w, d, 0x1000));
	end_world(&w);
}

/* The group is visited only while a domain of it has global pages, however they went; and a long chain not
 * even then. */
static void when_the_group_is_visited(void **state)
{
	const struct domain_match match = { ONE(7, 1), .kinds = 0xf, .globals = 0xf };
	const struct domain_match other = { ONE(7, 2), .kinds = 0xf };
	struct domain_key k;
	struct domain *d[40];
	struct world w;

	setup_world(&w, 4096);
	for (uint32_t i = 0; i < ARRAY_COUNT(d); i++) {
		k = key(7, i, 1);
		d[i] = get(&w, &k);
	}
	for (unsigned how = 0; how < 3; how++) {
		uint64_t old = domain_life(d[2]);
		uint64_t life;

		check_that("no global page",
			   domains_flush_range(&w.domains, &match, 0x1000, 0x1fff, true) <= 2);
		fill_global(&w, d[2], 0x1000);
		fill_global(&w, d[2], 0x1000);
		check_that("one",
			   domains_flush_range(&w.domains, &match, 0x5000, 0x5fff, true) >= 10);
		assert_true(cached(&w, d[2], 0x1000));
		if (how == 0)
			domains_flush(&w.domains, &other);
		k = key(7, 2, 1);
		if (how == 1)
			domains_get(&w.domains, &k, 2, &life);
		for (uint32_t i = 0; how == 2 && domain_life(d[2]) == old; i++) {
			k = key(1000 + i, 2, 1); /* sooner or later in its place */
			get(&w, &k);
		}
	}
	check_that("its domain lost its place",
		   domains_flush_range(&w.domains, &match, 0x1000, 0x1fff, true) <= 2);
	end_world(&w);
}

/* More domains with global pages than are looked through page by page, and more than are visited. */
static void many_global_pages(void **state)
{
	const struct domain_match match = { ONE(7, 1), .kinds = 0xf, .globals = 0xf };

	for (unsigned count = 20; count <= 200; count += 180) {
		struct world w;
		uint64_t generation;

		setup_world(&w, 4096);
		generation = atomic_load(&w.window->generation);
		for (uint32_t i = 2; i < count; i++) {
			struct domain_key k = key(7, i, 1);
			struct domain *d = get(&w, &k);

			fill_global(&w, d, 0x1000);
			fill_global(&w, d, 0x1000);
			assert_true(cached(&w, d, 0x1000));
		}
		domains_flush_range(&w.domains, &match, 0x1000, 0x1fff, true);
		assert_int_equal(atomic_load(&w.window->generation) != generation,
				 count > DOMAIN_VISITED_MAX);
		for (uint32_t i = 2; i < count; i++) {
			struct domain_key k = key(7, i, 1);

			check_that("gone", !cached(&w, get(&w, &k), 0x1000));
		}
		end_world(&w);
	}
}

/* What one invalidation looks at does not grow with the domains that have global pages, nor with the cap on them:
 * up to DOMAIN_VISITED_MAX are visited, the first few of them page by page, and longer chains go as a whole. */
static void global_pages_at_any_cap(void **state)
{
	const struct domain_match match = { ONE(7, 1), .kinds = 0xf, .globals = 0xf };
	const uint32_t bound = (2 * DOMAIN_VISITED_MAX + DOMAIN_PROBED_MAX * DOMAIN_PROBES_MAX) / 4;
	const uint64_t last = 0x1000 + DOMAIN_PROBES_MAX * UINT64_C(0x1000) - 1;
	uint32_t most = 0;

	for (uint32_t cap = 64; cap <= 65536; cap *= 32) {
		for (uint32_t count = 1; count <= cap; count *= count < 128 ? 2 : 8) {
			struct world w;
			uint32_t steps;

			setup_world(&w, cap);
			for (uint32_t i = 1; i <= count; i++) {
				struct domain_key k = key(7, i, 1);
				struct domain *d = get(&w, &k);

				fill_global(&w, d, 0x1000);
				fill_global(&w, d, 0x1000);
			}
			steps = domains_flush_range(&w.domains, &match, 0x1000, last, false);
			most = steps > most ? steps : most;
			assert_true(steps <= bound);
			for (uint32_t i = 1; i <= count; i++) {
				struct domain_key k = key(7, i, 1);

				assert_false(cached(&w, get(&w, &k), 0x1000));
			}
			end_world(&w);
		}
	}
	assert_true(most > bound / 2); /* else it shows nothing */
	print_message("at most %u of %u steps\n", most, bound);
}

/* ---- several invalidations at once ---- */

/* As many as one lock is held for: all if they are few, and at least one. Whoever looks for a domain waits no longer than
 * for the last of them. */
static void a_burst_ends(void **state)
{
	struct domain_flush flush[32];
	struct domain_key k;
	struct world w;

	(void)state;
	for (uint32_t count = 1; count <= DOMAIN_VISITED_MAX; count *= 8) {
		uint32_t most = (DOMAIN_BURST_PARTS + count - 1) / count;
		uint32_t steps, done;

		setup_world(&w, 4096);
		for (uint32_t i = 0; i < count; i++) {
			k = key(7, i, 1);
			fill(&w, get(&w, &k), 0x1000, 12);
		}
		for (uint32_t i = 0; i < ARRAY_COUNT(flush); i++)
			flush[i] =
				domain_flush_whole(&(struct domain_match){ ALL(7), .kinds = 0xf });
		done = domains_flush_burst(&w.domains, flush, ARRAY_COUNT(flush), &steps);
		assert_int_equal(done, most < ARRAY_COUNT(flush) ? most : ARRAY_COUNT(flush));
		assert_int_equal(steps, done * count / 4);
		assert_int_equal(domains_flush_burst(&w.domains, flush, 1, &steps), 1);
		for (uint32_t i = 0; i < count; i++) {
			k = key(7, i, 1);
			assert_false(cached(&w, get(&w, &k), 0x1000));
		}
		end_world(&w);
	}
}

/* Each is done, and no more than each. */
static void a_burst_of_pages(void **state)
{
	struct domain_flush flush[8];
	struct domain *d[2];
	struct world w;
	uint32_t steps;

	(void)state;
	setup_world(&w, 4096);
	for (uint32_t n = 0; n < 2; n++) {
		struct domain_key k = key(7 + n, 0, 1);

		d[n] = get(&w, &k);
		for (uint64_t i = 0; i < 16; i++)
			fill(&w, d[n], i << 12, 12);
	}
	for (uint32_t i = 0; i < ARRAY_COUNT(flush); i++)
		flush[i] = (struct domain_flush){ .match = { ALL(7 + i % 2), .kinds = 0xf },
						  .first = 0x2000 * i,
						  .last = 0x2000 * i + 0xfff };
	assert_int_equal(domains_flush_burst(&w.domains, flush, ARRAY_COUNT(flush), &steps),
			 ARRAY_COUNT(flush));
	for (uint32_t n = 0; n < 2; n++) {
		for (uint64_t i = 0; i < 16; i++)
			assert_int_equal(cached(&w, d[n], i << 12), i % 2 || i / 2 % 2 != n);
	}
	end_world(&w);
}

/* ---- many domains of one id ---- */

/* Whether the flush of one reaches the other: their hashes are alike, which is rare. */
static bool share_chain(const struct world *w, uint32_t a, uint32_t b)
{
	uint64_t mask = w->domains.count - 1;

	return ((vm_hash_salted(w->domains.key, w->domains.key[1], a) ^
		 vm_hash_salted(w->domains.key, w->domains.key[1], b)) &
		mask) == 0;
}

/* An id with more domains than are visited: a flush is done with one of them as with all, what is
 * left to do is done as each is asked for, and no other id or PASID notices. */
/* More domains of an id than are looked through page by page, and not too many to be visited: those after the first few
 * are flushed, which costs less. */
static void some_domains_of_an_id(void **state)
{
	const struct domain_match all = { ALL(7), .kinds = 0xf };
	struct domain *d[DOMAIN_VISITED_MAX];
	struct world w;

	for (uint32_t count = DOMAIN_PROBED_MAX - 1; count <= DOMAIN_VISITED_MAX; count++) {
		uint64_t generation;
		uint32_t kept = 0;

		setup_world(&w, 4096);
		generation = atomic_load(&w.window->generation);
		for (uint32_t i = 0; i < count; i++) {
			struct domain_key k = key(7, i, 1);

			d[i] = get(&w, &k);
			fill(&w, d[i], 0x1000, 12);
			fill(&w, d[i], 0x9000, 12);
			assert_true(cached(&w, d[i], 0x1000) && cached(&w, d[i], 0x9000));
		}
		assert_true(domains_flush_range(&w.domains, &all, 0x1000, 0x1fff, true) <=
			    (count + DOMAIN_PROBED_MAX * DOMAIN_PROBES_FEW) / 4);
		for (uint32_t i = 0; i < count; i++) {
			assert_false(cached(&w, d[i], 0x1000));
			kept += cached(&w, d[i], 0x9000);
		}
		assert_int_equal(kept, count < DOMAIN_PROBED_MAX ? count : DOMAIN_PROBED_MAX);
		assert_int_equal(atomic_load(&w.window->generation), generation);
		end_world(&w);
	}
}

static void many_domains_of_an_id(void **state)
{
	const struct domain_match all = { ALL(7), .kinds = 0xf };
	const struct domain_match one = { ONE(7, 300), .kinds = 0xf };
	struct domain *d[300];
	struct domain_key k;
	struct world w;

	setup_world(&w, 4096);
	for (unsigned how = 0; how < 3; how++) {
		unsigned visited = 0;

		for (uint32_t i = 0; i < 300; i++) {
			k = key(7, i, 1);
			d[i] = get(&w, &k);
			fill(&w, d[i], 0x1000, 12);
			visited += cached(&w, d[i], 0x1000);
		}
		assert_int_equal(visited, 300);
		if (how == 0) { /* of a PASID: exactly that, however many there are of its id */
			uint64_t generation = atomic_load(&w.window->generation);

			assert_true(domains_flush_range(&w.domains, &one, 0x1000, 0x1fff, true) <=
				    1);
			assert_true(domains_flush(&w.domains,
						  &(struct domain_match){ ONE(7, 299),
									  .kinds = 0xf }) <= 1);
			assert_int_equal(atomic_load(&w.window->generation), generation);
			for (uint32_t i = 0; i < 300; i++)
				assert_int_equal(cached(&w, d[i], 0x1000), i != 299);
			continue;
		}
		{
			struct domain_key o = key(8, 1, 1);
			struct domain *other = get(&w, &o);
			uint64_t generation = atomic_load(&w.window->generation);
			uint64_t tag = atomic_load(&d[0]->tag);
			uint64_t seen = atomic_load(&d[0]->changes);

			fill(&w, other, 0x1000, 12);
			if (how == 1)
				assert_true(domains_flush(&w.domains, &all) <= 1);
			else
				assert_true(domains_flush_range(&w.domains, &all, 0x1000, 0x1fff,
								true) <= 1);
			/* whoever has a context asks again */
			assert_int_not_equal(atomic_load(&w.window->generation), generation);
			/* a fill that was under way is under the old tag */
			fill_seen(&w, d[0], 0x5000, 12, tag, seen);
			for (uint32_t i = 0; i < 300; i++) {
				k = key(7, i, 1);
				assert_ptr_equal(get(&w, &k), d[i]);
				assert_false(cached(&w, d[i], 0x1000));
			}
			assert_false(cached(&w, d[0], 0x5000));
			/* once */
			tag = atomic_load(&d[0]->tag);
			k = key(7, 0, 1);
			assert_ptr_equal(get(&w, &k), d[0]);
			assert_int_equal(atomic_load(&d[0]->tag), tag);
			assert_ptr_equal(get(&w, &o), other);
			assert_int_equal(cached(&w, other, 0x1000), !share_chain(&w, 7, 8));
		}
	}
	end_world(&w);
}

/* ---- locks whose owner does not run ---- */

/* A fill that has compared the changes and then stops, with the lock of the set or slot: an
 * invalidation does not wait for it, and what it stores when it goes on is never found. */
static void an_owner_that_stops(void **state)
{
	const struct domain_match match = { ALL(7), .kinds = 0xf };

	for (unsigned of_tables = 0; of_tables < 2; of_tables++) {
		struct domain_key k = key(7, 1, 1);
		struct table_place place = { .table = 0x7000, .gpa = 0x7000, .host = (void *)&k };
		_Atomic uint64_t *version;
		uint64_t old, locked;
		struct domain *d;
		struct world w;

		k.stage1.page_lg2 = 12;
		k.stage1.index_lg2 = 9;
		setup_world(&w, 64);
		d = get(&w, &k);
		fill(&w, d, 0x1000, 12);
		old = atomic_load(&d->tag);
		table_cache_add(&w.tables, domain_space(d, old), 0, 2, &place, &d->changes,
				atomic_load(&d->changes));
		/* its version comes first in a slot, and every slot is asked for: 64 lines */
		for (unsigned i = 0; of_tables && i < 64; i++) {
			version = (_Atomic uint64_t *)((char *)w.tables.slot + i * 64);
			assert_true(seq_try_lock(version, &locked));
		}
		version = &tlb_set_of(&w.tlb, d->salt, tlb_page(0x1000, 12))->version;
		if (!of_tables)
			assert_true(seq_try_lock(version, &locked));
		domains_flush_range(&w.domains, &match, 0x1000, 0x1fff, false);
		assert_int_equal(atomic_load(&d->changes) & 1, 0);
		assert_int_not_equal(atomic_load(&d->tag), old);
		/* the owner goes on: nobody looks under the tag it has */
		if (!of_tables) {
			struct tlb_set *set = tlb_set_of(&w.tlb, d->salt, tlb_page(0x1000, 12));

			atomic_store(&set->way[0].tag, old);
			atomic_store(&set->way[0].page, tlb_page(0x1000, 12));
			atomic_store(&set->way[0].to, 0x8007);
			seq_unlock(version, locked);
			assert_false(cached(&w, d, 0x1000));
		} else {
			for (unsigned i = 0; i < 64; i++)
				atomic_fetch_add(
					(_Atomic uint64_t *)((char *)w.tables.slot + i * 64), 1);
			assert_false(table_cache_find(
				&w.tables, domain_space(d, atomic_load(&d->tag)), 0, 2, &place));
		}
		fill(&w, d, 0x1000, 12);
		assert_true(cached(&w, d, 0x1000));
		end_world(&w);
	}
}

/* ---- fills that are overtaken ---- */

/* At each step of a fill, an invalidation of each kind comes in between: what was read from the
 * tables before it is never found after it. */
static void fills_that_are_overtaken(void **state)
{
	const struct domain_match match = { ALL(7), .kinds = 0xf };

	for (unsigned step = 0; step < 3; step++) {
		for (unsigned kind = 0; kind < 4; kind++) {
			struct domain_key k = key(7, 1, 1);
			struct domain *d;
			uint64_t tag, seen, life;
			struct world w;

			setup_world(&w, 64);
			d = get(&w, &k);
			fill(&w, d, 0x9000, 12);
			tag = atomic_load(&d->tag);
			seen = atomic_load(&d->changes);
			for (unsigned i = 0; i < 3; i++) {
				if (i == 1)
					atomic_fetch_or(&d->sizes, BIT(21));
				if (i == 2)
					fill_seen(&w, d, 0x200000, 21, tag, seen);
				if (i != step)
					continue;
				if (kind == 0)
					domains_flush(&w.domains, &match);
				else if (kind == 1)
					domains_flush_range(&w.domains, &match, 0x201000, 0x201fff,
							    false);
				else if (kind == 2)
					domains_flush_range(&w.domains, &match, 0, UINT64_MAX,
							    false);
				else
					domains_get(&w.domains, &k, 2, &life);
			}
			assert_false(cached(&w, d, 0x201000));
			assert_int_not_equal(atomic_load(&d->changes), seen);
			fill(&w, d, 0x200000, 21);
			assert_true(cached(&w, d, 0x201000));
			end_world(&w);
		}
	}
}

/* ---- blocks that are cut ---- */

static void check_block(const struct translation *t, uint64_t iova, uint64_t offset)
{
	assert_true(iova >= t->iova && iova - t->iova < BIT(t->size_lg2));
	assert_int_equal(t->iova & bits_low(t->size_lg2), 0);
	assert_int_equal(t->gpa - t->iova, offset);
}

/* The largest block around iova that avoids the range, found by trying all of them: exhaustive
 * over a block of 16 pages and ranges in halves of pages, before and after translation. */
static void avoid(void **state)
{
	const uint64_t base = 0x100000, target = 0x730000;

	for (unsigned code = 0; code < 16 * 36 * 36 * 2; code++) {
		uint64_t iova = base + (code % 16) * 0x1000U + 0x123;
		uint64_t first = 0x0ff000 + code / 16 % 36 * 0x800U;
		uint64_t last = 0x0ff000 + code / 16 / 36 % 36 * 0x800U + 0x7ff;
		bool output = code / 16 / 36 / 36;
		struct translation t = { .iova = base, .gpa = target, .size_lg2 = 16 };
		uint64_t shift = output ? target - base : 0;
		unsigned expected = 16;
		bool ok;

		if (first > last)
			continue;
		for (; expected > 12; expected--) {
			uint64_t at = iova & ~bits_low(expected);

			if (at > last || (at | bits_low(expected)) < first)
				break;
		}
		ok = (iova & ~UINT64_C(0xfff)) > last || (iova | 0xfff) < first;
		assert_int_equal(translation_avoid(&t, iova, output, first + shift, last + shift),
				 ok);
		assert_int_equal(t.size_lg2, expected);
		check_block(&t, iova, target - base);
	}
}

/* All of the address space, and ranges at its ends. */
static void avoid_in_the_whole_space(void **state)
{
	static const struct {
		const char *name;
		uint64_t iova, first, last;
		bool ok;
		unsigned lg2;
	} rows[] = {
		{ "window", 0, 0xfee00000, 0xfeefffff, true, 31 },
		{ "just below the window", 0xfedfffff, 0xfee00000, 0xfeefffff, true, 21 },
		{ "just above", 0xfef00000, 0xfee00000, 0xfeefffff, true, 20 },
		{ "first byte of it", 0xfee00000, 0xfee00000, 0xfeefffff, false, 12 },
		{ "last byte of it", 0xfeefffff, 0xfee00000, 0xfeefffff, false, 12 },
		{ "far above", BIT(40), 0xfee00000, 0xfeefffff, true, 40 },
		{ "the first byte", 0x1000, 0, 0, true, 12 },
		{ "the last byte of a half", 0, BIT(63) - 1, BIT(63) - 1, true, 62 },
		{ "beyond the block", 0, BIT(63), UINT64_MAX, true, 63 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct translation t = { .size_lg2 = 63 };

		check_eq(rows[i].name,
			 translation_avoid(&t, rows[i].iova, false, rows[i].first, rows[i].last),
			 rows[i].ok);
		check_eq(rows[i].name, t.size_lg2, rows[i].lg2);
		check_block(&t, rows[i].iova, 0);
	}
}

static void shrink(void **state)
{
	for (unsigned from = 12; from <= 63; from++) {
		for (unsigned to = 12; to <= 63; to++) {
			uint64_t inside = bits_low(from) & UINT64_C(0x5a5a5a5a5a5a5a5a);
			struct translation t = { .size_lg2 = (uint8_t)from };

			translation_shrink(&t, inside, to);
			assert_int_equal(t.size_lg2, from < to ? from : to);
			check_block(&t, inside, 0);
			t = (struct translation){ .size_lg2 = (uint8_t)from };
			translation_shrink(&t, bits_low(from), to);
			check_block(&t, bits_low(from), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_of_the_key_counts),
		cmocka_unit_test(recycling),
		cmocka_unit_test(many_more_than_places),
		cmocka_unit_test(flush_of_everything),
		cmocka_unit_test(who_is_meant),
		cmocka_unit_test(global_pages),
		cmocka_unit_test(the_first_global_page),
		cmocka_unit_test(when_the_group_is_visited),
		cmocka_unit_test(many_global_pages),
		cmocka_unit_test(global_pages_at_any_cap),
		cmocka_unit_test(a_burst_ends),
		cmocka_unit_test(a_burst_of_pages),
		cmocka_unit_test(pages_in_pieces),
		cmocka_unit_test(pieces_are_forgotten),
		cmocka_unit_test(ranges_of_a_domain),
		cmocka_unit_test(a_page_of_a_large_page),
		cmocka_unit_test(some_domains_of_an_id),
		cmocka_unit_test(many_domains_of_an_id),
		cmocka_unit_test(an_owner_that_stops),
		cmocka_unit_test(fills_that_are_overtaken),
		cmocka_unit_test(avoid),
		cmocka_unit_test(avoid_in_the_whole_space),
		cmocka_unit_test(shrink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
