/* SPDX-License-Identifier: BSD-3-Clause */
/* test_table_cache.c - cache/table_cache.h: what is found under which tag, block and map, and what is never found
 * again. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "guest.h"
#include "table_cache.h"

struct world {
	struct guest g;
	struct table_cache cache;
	_Atomic uint64_t changes;
};

static const unsigned char memory[8];

static void setup_world(struct world *w, uint32_t entries)
{
	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_CALLBACKS, 1);
	assert_int_equal(table_cache_init(&w->cache, w->g.vm, entries), VIOMMU_OK);
}

static void end_world(struct world *w)
{
	table_cache_fini(&w->cache, w->g.vm);
	guest_fini(&w->g);
}

/* Every tag with a salt of its own, as if each were another domain's. */
static struct tlb_space space(uint64_t tag)
{
	return (struct tlb_space){ .tag = tag, .salt = tag * 0x9e3779b97f4a7c15U };
}

/* A place that says whose it is. */
static struct table_place place_of(uint64_t tag, uint64_t block)
{
	return (struct table_place){ .table = (tag << 24 | block << 12) & BITS(51, 12),
				     .gpa = (block << 12 ^ BIT(40)) & BITS(51, 12),
				     .host = &memory[block & 7],
				     .perm = (uint8_t)(tag & 0x7f) };
}

static void add_on(struct world *w, uint64_t tag, uint64_t block, uint64_t map)
{
	struct table_place place = place_of(tag, block);

	table_cache_add(&w->cache, space(tag), block, map, &place, &w->changes,
			atomic_load(&w->changes));
}

static void add(struct world *w, uint64_t tag, uint64_t block)
{
	add_on(w, tag, block, 2);
}

static bool has_on(struct world *w, uint64_t tag, uint64_t block, uint64_t map)
{
	struct table_place found;

	return table_cache_find(&w->cache, space(tag), block, map, &found);
}

static bool has(struct world *w, uint64_t tag, uint64_t block)
{
	return has_on(w, tag, block, 2);
}

static void sizes(void **state)
{
	static const struct {
		const char *name;
		uint32_t entries;
		uint64_t slots;
	} rows[] = {
		{ "one", 1, 1 },	   { "two", 2, 2 },	    { "rounded up", 3, 4 },
		{ "just above", 65, 128 }, { "exact", 4096, 4096 }, { "and beyond", 4097, 8192 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct world w;

		setup_world(&w, rows[i].entries);
		check_eq(rows[i].name, w.cache.mask + 1, rows[i].slots);
		for (uint64_t n = 0; n < 100; n++)
			check_that(rows[i].name, !has(&w, 1, n));
		add(&w, 1, 77);
		check_that(rows[i].name, has(&w, 1, 77));
		end_world(&w);
	}
}

static void no_memory(void **state)
{
	struct table_cache cache;
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 1);
	g.no_memory_in = 1;
	assert_int_equal(table_cache_init(&cache, g.vm, 16), VIOMMU_ENOMEM);
	table_cache_fini(&cache, g.vm);
	guest_fini(&g);
}

/* All of a place comes back: every bit of the addresses, every permission. */
static void places(void **state)
{
	struct world w;

	setup_world(&w, 1);
	for (unsigned bit = 0; bit < 52; bit++) {
		struct table_place in = { .table = BIT(bit) & BITS(51, 12),
					  .gpa = BIT(51 - bit) & BITS(51, 12),
					  .host = (const unsigned char *)((uintptr_t)1 << bit),
					  .perm = (uint8_t)(bit * 5 & (PERM_ALL | PERM_DIRTY)) };
		struct table_place out;

		table_cache_add(&w.cache, space(3), bit, 2, &in, &w.changes, 0);
		assert_true(table_cache_find(&w.cache, space(3), bit, 2, &out));
		assert_int_equal(out.table, in.table);
		assert_int_equal(out.gpa, in.gpa);
		assert_ptr_equal(out.host, in.host);
		assert_int_equal(out.perm, in.perm);
	}
	for (unsigned perm = 0; perm <= (PERM_ALL | PERM_DIRTY); perm++) {
		struct table_place in = { .table = BITS(51, 12), .perm = (uint8_t)perm };
		struct table_place out;

		table_cache_add(&w.cache, space(3), 9, 2, &in, &w.changes, 0);
		assert_true(table_cache_find(&w.cache, space(3), 9, 2, &out));
		assert_int_equal(out.perm, perm);
		assert_int_equal(out.table, BITS(51, 12));
	}
	end_world(&w);
}

/* Every bit of what it is found by counts (obligation 10): all of it is in one slot. */
static void every_bit(void **state)
{
	const uint64_t tag = 0x123456789abcdef0, block = 0x0fedcba987654321, map = 0x5555aaaa;
	struct world w;

	setup_world(&w, 1);
	add_on(&w, tag, block, map);
	assert_true(has_on(&w, tag, block, map));
	for (unsigned bit = 0; bit < 64; bit++) {
		assert_false(has_on(&w, tag ^ BIT(bit), block, map));
		assert_false(has_on(&w, tag, block ^ BIT(bit), map));
		assert_false(has_on(&w, tag, block, map ^ BIT(bit)));
	}
	assert_true(has_on(&w, tag, block, map));
	end_world(&w);
}

/* The salt decides where it is looked for. */
static void salts(void **state)
{
	struct table_place place = place_of(1, 5);
	struct tlb_space home = { .tag = 1, .salt = 77 };
	unsigned elsewhere = 0;
	struct world w;

	setup_world(&w, 4096);
	table_cache_add(&w.cache, home, 5, 2, &place, &w.changes, 0);
	assert_true(table_cache_find(&w.cache, home, 5, 2, &place));
	for (unsigned bit = 0; bit < 64; bit++) {
		struct tlb_space other = { .tag = 1, .salt = home.salt ^ BIT(bit) };

		elsewhere += !table_cache_find(&w.cache, other, 5, 2, &place);
	}
	assert_true(elsewhere >= 60); /* a few may share the slot */
	end_world(&w);
}

/* Blocks in a row do not take one another's places more often than by chance: of 256 in 256 slots, about 93 do. */
static void spread(void **state)
{
	for (uint64_t tag = 1; tag <= 4; tag++) {
		unsigned left = 0;
		struct world w;

		setup_world(&w, 256);
		for (uint64_t n = 0; n < 256; n++)
			add(&w, tag, 0x200 + n);
		for (uint64_t n = 0; n < 256; n++)
			left += has(&w, tag, 0x200 + n);
		assert_true(left >= 128);
		end_world(&w);
	}
}

/* ---- several in one slot ---- */

static void one_slot(void **state)
{
	struct table_place found;
	struct world w;

	setup_world(&w, 1);
	for (uint64_t tag = 1; tag <= 3; tag++) {
		for (uint64_t block = 0; block < 3; block++) {
			struct table_place wanted = place_of(tag, block);

			add(&w, tag, block);
			assert_true(table_cache_find(&w.cache, space(tag), block, 2, &found));
			assert_int_equal(found.table, wanted.table);
			assert_int_equal(found.gpa, wanted.gpa);
			assert_ptr_equal(found.host, wanted.host);
			assert_int_equal(found.perm, wanted.perm);
			for (uint64_t n = 0; n < 9; n++)
				assert_int_equal(has(&w, 1 + n / 3, n % 3),
						 1 + n / 3 == tag && n % 3 == block);
		}
	}
	/* of another domain, or another block: nothing happens to it */
	table_cache_remove(&w.cache, space(1), 2, 2);
	table_cache_remove(&w.cache, space(3), 0, 1);
	assert_true(has(&w, 3, 2));
	table_cache_remove(&w.cache, space(3), 2, 2);
	assert_false(has(&w, 3, 2));
	assert_false(has(&w, 1, 2));
	end_world(&w);
}

/* The same block again takes the place of what is there: with another map, too. */
static void replaced(void **state)
{
	struct table_place place = place_of(1, 9);
	struct table_place found;
	struct world w;

	setup_world(&w, 64);
	add_on(&w, 1, 9, 2);
	add_on(&w, 1, 9, 4);
	assert_false(has_on(&w, 1, 9, 2));
	assert_true(has_on(&w, 1, 9, 4));
	place.gpa = 0x7000;
	table_cache_add(&w.cache, space(1), 9, 4, &place, &w.changes, 0);
	assert_true(table_cache_find(&w.cache, space(1), 9, 4, &found));
	assert_int_equal(found.gpa, 0x7000);
	end_world(&w);
}

/* ---- removal ---- */

static const struct {
	const char *name;
	uint64_t first, last;
	unsigned gone; /* bit n: block BASE + n */
} removals[] = {
	{ "one in the middle", 3, 3, 1 << 3 },
	{ "the first", 0, 0, 1 },
	{ "the last", 7, 7, 1 << 7 },
	{ "two", 3, 4, 3 << 3 },
	{ "all but the ends", 1, 6, 0x7e },
	{ "all", 0, 7, 0xff },
	{ "all, and more behind", 0, 90, 0xff },
	{ "the one behind", 8, 8, 0 },
	{ "far away", 1 << 20, (1 << 20) + 3, 0 },
};

/* Whatever the map was when it was filled. */
static void removed(void **state)
{
	static const uint64_t bases[] = { 0, 0x200, BIT(43) - 8, UINT64_MAX - 7 };

	for (size_t i = 0; i < ARRAY_COUNT(removals) * ARRAY_COUNT(bases); i++) {
		size_t n = i / ARRAY_COUNT(bases);
		uint64_t base = bases[i % ARRAY_COUNT(bases)];
		uint64_t last = base + removals[n].last;
		struct world w;

		if (last < base) /* beyond the end of all */
			continue;
		setup_world(&w, 4096);
		for (unsigned k = 0; k < 8; k++) {
			add_on(&w, 1, base + k, k < 4 ? 2 : 4);
			add_on(&w, 2, base + k, 2);
		}
		table_cache_remove(&w.cache, space(1), base + removals[n].first, last);
		for (unsigned k = 0; k < 8; k++) {
			check_eq(removals[n].name, has_on(&w, 1, base + k, k < 4 ? 2 : 4),
				 !(removals[n].gone >> k & 1));
			check_that(removals[n].name, has(&w, 2, base + k));
		}
		end_world(&w);
	}
}

/* ---- the fill rule ---- */

/* What was walked before a change of its domain is not kept, nor does it take what is there (obligation 12). */
static void overtaken_fill_is_dropped(void **state)
{
	static const uint64_t moved[] = { 1, 2, 3, BIT(32), BIT(63), UINT64_MAX };
	struct table_place old = place_of(1, 6);
	struct table_place found;
	struct world w;

	old.gpa = 0x1000;
	setup_world(&w, 1);
	for (size_t i = 0; i < ARRAY_COUNT(moved); i++) {
		atomic_store(&w.changes, 10 + moved[i]);
		table_cache_add(&w.cache, space(1), 6, 2, &old, &w.changes, 10);
		assert_false(has(&w, 1, 6));
	}
	add(&w, 1, 6);
	table_cache_add(&w.cache, space(1), 6, 2, &old, &w.changes, atomic_load(&w.changes) - 1);
	table_cache_add(&w.cache, space(2), 6, 2, &old, &w.changes, atomic_load(&w.changes) + 1);
	assert_true(table_cache_find(&w.cache, space(1), 6, 2, &found));
	assert_int_equal(found.gpa, place_of(1, 6).gpa);
	assert_false(has(&w, 2, 6));
	/* and the slot is free for the next */
	add(&w, 2, 6);
	assert_true(has(&w, 2, 6));
	end_world(&w);
}

/* A slot that a writer has at the moment is a miss, not a wait and not a torn answer. Its version comes first. */
static void a_slot_being_written_is_a_miss(void **state)
{
	_Atomic uint64_t *version;
	struct world w;

	setup_world(&w, 1);
	add(&w, 1, 1);
	assert_true(has(&w, 1, 1));
	version = (_Atomic uint64_t *)(void *)w.cache.slot;
	atomic_fetch_add(version, 1);
	assert_false(has(&w, 1, 1));
	atomic_fetch_add(version, 1);
	assert_true(has(&w, 1, 1));
	end_world(&w);
}

/* A slot that a writer has and does not let go: a fill does without, and a removal says that it could
 * not be done (obligation 39). */
static void a_slot_that_stays_locked(void **state)
{
	_Atomic uint64_t *version;
	struct world w;

	setup_world(&w, 1);
	version = (_Atomic uint64_t *)(void *)w.cache.slot;
	atomic_fetch_add(version, 1);
	add(&w, 1, 1);
	assert_false(table_cache_remove(&w.cache, space(1), 1, 1));
	atomic_fetch_add(version, 1);
	assert_false(has(&w, 1, 1));
	add(&w, 1, 1);
	assert_true(table_cache_remove(&w.cache, space(1), 1, 1));
	assert_false(has(&w, 1, 1));
	end_world(&w);
}

/* Fetching ahead is for anything, and changes nothing. */
static void prefetch(void **state)
{
	struct world w;

	setup_world(&w, 4);
	add(&w, 1, 1);
	for (unsigned bit = 0; bit < 64; bit++)
		table_cache_prefetch(&w.cache, BIT(bit), ~BIT(bit));
	assert_true(has(&w, 1, 1));
	end_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(places),
		cmocka_unit_test(every_bit),
		cmocka_unit_test(salts),
		cmocka_unit_test(spread),
		cmocka_unit_test(one_slot),
		cmocka_unit_test(replaced),
		cmocka_unit_test(removed),
		cmocka_unit_test(overtaken_fill_is_dropped),
		cmocka_unit_test(a_slot_being_written_is_a_miss),
		cmocka_unit_test(a_slot_that_stays_locked),
		cmocka_unit_test(prefetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
