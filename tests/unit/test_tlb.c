/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tlb.c - cache/tlb.h: what is found under which tag, and what is never found again. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "guest.h"
#include "tlb.h"

#define SIZES (BIT(12) | BIT(21) | BIT(30))

struct world {
	struct guest g;
	struct window *window;
	struct tlb tlb;
	_Atomic uint64_t changes;
};

static void open_tlb(struct world *w, uint32_t entries)
{
	const struct window_size size = { entries, 1, 1, 1 };

	w->window = window_new(w->g.vm, &size, 0);
	assert_non_null(w->window);
	tlb_attach(&w->tlb, w->window);
}

static void setup_world(struct world *w, uint32_t entries)
{
	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_CALLBACKS, 1);
	open_tlb(w, entries);
}

static void end_world(struct world *w)
{
	window_free(w->window, w->g.vm);
	guest_fini(&w->g);
}

/* Every tag with a salt of its own, as if each were another domain's. */
static struct tlb_space space(uint64_t tag)
{
	return (struct tlb_space){ .tag = tag, .salt = tag * 0x9e3779b97f4a7c15U };
}

static void add(struct world *w, uint64_t tag, uint64_t iova, uint64_t gpa, unsigned lg2,
		uint64_t perm)
{
	struct translation t = {
		.iova = iova, .gpa = gpa, .size_lg2 = (uint8_t)lg2, .perm = (uint8_t)perm
	};

	tlb_add(&w->tlb, space(tag), &t, &w->changes, atomic_load(&w->changes));
}

static bool find(struct world *w, uint64_t tag, uint64_t iova, struct translation *t)
{
	return tlb_find(&w->tlb, space(tag), SIZES, iova, t);
}

static bool has(struct world *w, uint64_t tag, uint64_t iova)
{
	struct translation t;

	return find(w, tag, iova, &t);
}

/* Any number of entries: a power of two of sets, all of them usable. */
static void sets(void **state)
{
	static const struct {
		const char *name;
		uint32_t entries;
		uint64_t sets;
	} rows[] = {
		{ "at least one set", 1, 1 },	  { "exactly a set", TLB_WAYS, 1 },
		{ "one more", TLB_WAYS + 1, 2 },  { "rounded up", 1000, 256 },
		{ "exact", 256 * TLB_WAYS, 256 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct world w;

		setup_world(&w, rows[i].entries);
		check_eq(rows[i].name, w.tlb.places / sizeof(struct tlb_set) + 1, rows[i].sets);
		check_that(rows[i].name, !has(&w, 0, 0) && !has(&w, 1, 0));
		add(&w, 1, 0x1000, 0x2000, 12, PERM_ALL);
		check_that(rows[i].name, has(&w, 1, 0x1000));
		end_world(&w);
	}
}

/* Each size is one entry that serves all of its block and nothing beyond (obligation 6). */
static void sizes(void **state)
{
	static const unsigned lg2[] = { 12, 21, 30 };
	struct translation t;

	for (size_t i = 0; i < ARRAY_COUNT(lg2); i++) {
		uint64_t bytes = BIT(lg2[i]);
		uint64_t iova = 5 * bytes;
		struct world w;

		setup_world(&w, 4096);
		add(&w, 7, iova, 9 * bytes, lg2[i], VIOMMU_READ);
		for (uint64_t at = iova; at < iova + bytes; at += bytes / 8 - 1) {
			assert_true(find(&w, 7, at, &t));
			assert_int_equal(t.iova, iova);
			assert_int_equal(t.gpa, 9 * bytes);
			assert_int_equal(t.size_lg2, lg2[i]);
			assert_int_equal(t.perm, VIOMMU_READ);
		}
		assert_true(has(&w, 7, iova + bytes - 1));
		assert_false(has(&w, 7, iova - 1));
		assert_false(has(&w, 7, iova + bytes));
		assert_false(tlb_find(&w.tlb, space(7), SIZES & ~bytes, iova, &t));
		assert_false(tlb_find(&w.tlb, space(7), 0, iova, &t));
		end_world(&w);
	}
}

/* The first and the last pages of the address space. */
static void ends_of_the_space(void **state)
{
	struct translation t;
	struct world w;

	setup_world(&w, 4096);
	add(&w, 3, 0, 0, 12, 1);
	add(&w, 3, UINT64_MAX - 0xfff, UINT64_MAX - 0xfff, 12, 2);
	assert_true(find(&w, 3, 0xfff, &t));
	assert_int_equal(t.perm, 1);
	assert_int_equal(t.gpa, 0);
	assert_true(find(&w, 3, UINT64_MAX, &t));
	assert_int_equal(t.gpa, UINT64_MAX - 0xfff);
	assert_int_equal(t.perm, 2);
	tlb_remove(&w.tlb, space(3), 12, UINT64_MAX, UINT64_MAX);
	assert_false(has(&w, 3, UINT64_MAX));
	assert_true(has(&w, 3, 0));
	tlb_remove(&w.tlb, space(3), 12, 0, 0);
	assert_false(has(&w, 3, 0));
	end_world(&w);
}

/* Every permission that there is comes back as it was put in. */
static void permissions(void **state)
{
	struct translation t;
	struct world w;

	setup_world(&w, 64);
	for (unsigned perm = 0; perm <= (unsigned)(PERM_ALL | PERM_DIRTY); perm++) {
		add(&w, 1, 0x5000, 0x7000, 12, perm);
		assert_true(find(&w, 1, 0x5000, &t));
		assert_int_equal(t.perm, perm);
		assert_int_equal(t.gpa, 0x7000);
	}
	end_world(&w);
}

/* Nothing is found under a tag other than its own, in a table small enough for everything to
 * collide. Tags that differ in one bit, tags and pages exchanged (obligation 10). */
static void tags(void **state)
{
	struct world w;

	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t tag = 0x123456789 ^ BIT(bit);

		setup_world(&w, 1);
		add(&w, 0x123456789, 0x5000, 0x1000, 12, 1);
		assert_true(has(&w, 0x123456789, 0x5000));
		assert_false(has(&w, tag, 0x5000));
		if (bit >= 12)
			assert_false(has(&w, 0x123456789, 0x5000 ^ BIT(bit)));
		add(&w, tag, 0x5000, 0x2000, 12, 2);
		assert_true(has(&w, 0x123456789, 0x5000));
		assert_true(has(&w, tag, 0x5000));
		end_world(&w);
	}
	setup_world(&w, 1);
	add(&w, 0x5000, 0x7000, 0, 12, 1);
	assert_false(has(&w, 0x7000, 0x5000));
	end_world(&w);
}

/* A page that is there already takes its own place; otherwise an empty one, then another's. */
static void replacement(void **state)
{
	struct world w;
	unsigned left = 0;

	setup_world(&w, 1);
	for (unsigned i = 0; i < 3 * TLB_WAYS; i++)
		add(&w, 1, 0x1000, i * 0x1000U, 12, 1);
	for (unsigned i = 1; i < TLB_WAYS; i++)
		add(&w, 1, 0x1000 + i * 0x1000U, 0, 12, 1);
	for (unsigned i = 0; i < TLB_WAYS; i++)
		assert_true(has(&w, 1, 0x1000 + i * 0x1000U));
	for (unsigned i = 0; i < 100; i++) {
		add(&w, 1, 0x100000 + i * 0x1000U, 0, 12, 1);
		assert_true(has(&w, 1, 0x100000 + i * 0x1000U));
	}
	for (unsigned i = 0; i < 200; i++)
		left += has(&w, 1, i * 0x1000U) + has(&w, 1, 0x100000 + i * 0x1000U);
	assert_int_equal(left, TLB_WAYS);
	end_world(&w);
}

/* The hash is keyed: which pages share a set depends on the VM's secret (obligation 11). */
static uint64_t survivors(uint64_t secret)
{
	struct viommu_vm_config config = { .size = sizeof(config), .hash_key = { secret, 1 } };
	uint64_t which = 0;
	struct world w;

	memset(&w, 0, sizeof(w));
	assert_int_equal(viommu_vm_new(&config, &w.g.vm), VIOMMU_OK);
	open_tlb(&w, 8 * TLB_WAYS);
	for (unsigned i = 0; i < 16 * TLB_WAYS; i++)
		add(&w, 1, i * 0x1000U, 0, 12, 1);
	for (unsigned i = 0; i < 64; i++) /* the last 64: of those before them none may be left */
		which |= (uint64_t)has(&w, 1, (16 * TLB_WAYS - 1 - i) * 0x1000U) << i;
	window_free(w.window, w.g.vm);
	assert_int_equal(viommu_vm_free(w.g.vm), VIOMMU_OK);
	return which;
}

static void keyed(void **state)
{
	assert_int_equal(survivors(1), survivors(1));
	assert_true(survivors(1) != survivors(2) || survivors(2) != survivors(3));
}

/* ---- removal ---- */

static const struct {
	const char *name;
	uint64_t first, last;
	unsigned gone; /* bit n: page n of 8 */
} removals[] = {
	{ "a page", 0x2000, 0x2fff, 1 << 2 },
	{ "a byte of it", 0x2800, 0x2800, 1 << 2 },
	{ "its first byte", 0x2000, 0x2000, 1 << 2 },
	{ "its last byte", 0x2fff, 0x2fff, 1 << 2 },
	{ "one byte into the next", 0x2fff, 0x3000, 3 << 2 },
	{ "one byte from the one before", 0x1fff, 0x2000, 3 << 1 },
	{ "all but the ends", 0x1000, 0x6fff, 0x7e },
	{ "everything", 0, 0x7fff, 0xff },
	{ "nothing that is there", 0x8000, 0x9fff, 0 },
};

static void remove_pages(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(removals); i++) {
		struct world w;

		setup_world(&w, 4096);
		for (uint64_t tag = 1; tag <= 2; tag++) {
			for (unsigned n = 0; n < 8; n++)
				add(&w, tag, n * 0x1000U, 0, 12, 1);
		}
		add(&w, 1, 0, 0, 21, 1);
		tlb_remove(&w.tlb, space(1), 12, removals[i].first, removals[i].last);
		for (unsigned n = 0; n < 8; n++) {
			struct translation t;

			check_eq(removals[i].name,
				 tlb_find(&w.tlb, space(1), BIT(12), n * 0x1000U, &t),
				 !(removals[i].gone >> n & 1));
			check_that(removals[i].name, has(&w, 2, n * 0x1000U));
		}
		check_that(removals[i].name, has(&w, 1, 0x100000)); /* another size stays */
		end_world(&w);
	}
}

/* A large page that is hit only partly goes as a whole (obligation 12). */
static void remove_part_of_a_large_page(void **state)
{
	static const unsigned lg2[] = { 21, 30 };

	for (size_t i = 0; i < ARRAY_COUNT(lg2); i++) {
		uint64_t bytes = BIT(lg2[i]);
		static const int where[] = { 0, 1, 2 };

		for (size_t n = 0; n < ARRAY_COUNT(where); n++) {
			uint64_t first = bytes + (uint64_t)where[n] * (bytes / 2 - 0x800);
			struct world w;

			setup_world(&w, 64);
			add(&w, 1, 0, 0, lg2[i], 1);
			add(&w, 1, bytes, 0, lg2[i], 1);
			add(&w, 1, 2 * bytes, 0, lg2[i], 1);
			tlb_remove(&w.tlb, space(1), lg2[i], first, first + 0xfff);
			assert_true(has(&w, 1, 0));
			assert_false(has(&w, 1, bytes));
			assert_false(has(&w, 1, 2 * bytes - 1));
			assert_true(has(&w, 1, 2 * bytes));
			end_world(&w);
		}
	}
}

/* ---- the fill rule ---- */

/* A translation that was looked up before a change of its domain is not kept (obligation 12). */
static void overtaken_fill_is_dropped(void **state)
{
	const struct translation t = { .iova = 0x1000, .gpa = 0x9000, .size_lg2 = 12, .perm = 1 };
	struct translation found;
	struct world w;
	uint64_t seen;

	setup_world(&w, 64);
	seen = atomic_load(&w.changes);
	atomic_fetch_add(&w.changes, 1);
	tlb_add(&w.tlb, space(1), &t, &w.changes, seen);
	assert_false(has(&w, 1, 0x1000));
	tlb_add(&w.tlb, space(1), &t, &w.changes, seen + 1);
	assert_true(find(&w, 1, 0x1000, &found));
	/* neither does it replace what is there */
	tlb_add(&w.tlb, space(1), &(struct translation){ .iova = 0x1000, .size_lg2 = 12 },
		&w.changes, seen);
	assert_true(find(&w, 1, 0x1000, &found));
	assert_int_equal(found.gpa, 0x9000);
	end_world(&w);
}

/* A set that a writer has and does not let go: a fill does without, and a removal says that it could
 * not be done (obligation 39). */
static void a_set_that_stays_locked(void **state)
{
	const struct translation t = { .iova = 0x1000, .gpa = 0x9000, .size_lg2 = 12, .perm = 1 };
	struct world w;

	setup_world(&w, 1);
	atomic_fetch_add(&w.tlb.set[0].version, 1);
	tlb_add(&w.tlb, space(1), &t, &w.changes, atomic_load(&w.changes));
	assert_false(tlb_remove(&w.tlb, space(1), 12, 0x1000, 0x1fff));
	atomic_fetch_add(&w.tlb.set[0].version, 1);
	assert_false(has(&w, 1, 0x1000));
	add(&w, 1, 0x1000, 0x9000, 12, 1);
	assert_true(tlb_remove(&w.tlb, space(1), 12, 0x1000, 0x1fff));
	assert_false(has(&w, 1, 0x1000));
	end_world(&w);
}

/* A set that a writer has at the moment is a miss, not a wait and not a torn answer. */
static void a_set_being_written_is_a_miss(void **state)
{
	struct world w;

	setup_world(&w, 1);
	add(&w, 1, 0x1000, 0x9000, 12, 1);
	assert_true(has(&w, 1, 0x1000));
	atomic_fetch_add(&w.tlb.set[0].version, 1);
	assert_false(has(&w, 1, 0x1000));
	atomic_fetch_add(&w.tlb.set[0].version, 1);
	assert_true(has(&w, 1, 0x1000));
	end_world(&w);
}

/* What was looked for and is kept takes the entry that it would take if nobody had looked: of several of the page that have
 * died, the first. */
static void kept_where_it_was_sought(void **state)
{
	const uint64_t page = tlb_page(0x1000, 12);

	for (unsigned sought = 0; sought < 2; sought++) {
		struct tlb_seek seek;
		struct world w;
		uint64_t to;

		setup_world(&w, TLB_WAYS);
		add(&w, 1, 0x1000, 0x9000, 12, 1);
		add(&w, 2, 0x1000, 0xa000, 12, 1);
		for (unsigned i = 2; i < TLB_WAYS; i++)
			add(&w, 1, 0x1000 * i, 0x9000, 12, 1);
		if (sought) {
			assert_false(tlb_seek(w.tlb.set, 3, page, &seek, &to));
			check_eq("kept", tlb_keep(&seek, 3, page, 0xb001, &w.changes, 0),
				 TLB_ADDED);
		} else {
			add(&w, 3, 0x1000, 0xb000, 12, 1);
		}
		check_that("the first", !has(&w, 1, 0x1000));
		check_that("not the second", has(&w, 2, 0x1000));
		check_that("it is there", has(&w, 3, 0x1000));
		end_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets),
		cmocka_unit_test(sizes),
		cmocka_unit_test(ends_of_the_space),
		cmocka_unit_test(permissions),
		cmocka_unit_test(tags),
		cmocka_unit_test(replacement),
		cmocka_unit_test(keyed),
		cmocka_unit_test(remove_pages),
		cmocka_unit_test(remove_part_of_a_large_page),
		cmocka_unit_test(overtaken_fill_is_dropped),
		cmocka_unit_test(a_set_being_written_is_a_miss),
		cmocka_unit_test(kept_where_it_was_sought),
		cmocka_unit_test(a_set_that_stays_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
