/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_range_map.c - store/range_map.h: rows at the edges, the cap, failing allocations, and random
 * operations beside a plain sorted array.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/base.h>

#include "bits.h"
#include "range_check.h"
#include "run.h"

#define TOP UINT64_MAX

/* ---- a map, and an allocator that counts and fails ---- */

struct world {
	struct range_pool *pool;
	struct range_map map;
	int64_t blocks;	  /* allocated now */
	int64_t bytes;	  /* of them */
	uint32_t calls;	  /* of alloc */
	uint32_t fail_at; /* this call of alloc fails, 0: none */
};

static void *world_alloc(void *opaque, uint64_t bytes, uint64_t align)
{
	struct world *w = opaque;
	void *block;

	if (++w->calls == w->fail_at)
		return NULL;
	block = aligned_alloc(align, (bytes + align - 1) / align * align);
	assert_non_null(block);
	w->blocks++;
	w->bytes += (int64_t)bytes;
	return memset(block, 0, bytes);
}

static void world_dealloc(void *opaque, void *block, uint64_t bytes)
{
	struct world *w = opaque;

	w->blocks--;
	w->bytes -= (int64_t)bytes;
	free(block);
}

static void open_world(struct world *w, uint32_t items)
{
	memset(w, 0, sizeof(*w));
	assert_int_equal(
		range_pool_new(&(struct range_pool_config){ world_alloc, world_dealloc, w, items },
			       &w->pool),
		VIOMMU_OK);
}

static void check_world(const struct world *w)
{
	range_check_pool(w->pool, range_check(w->pool, &w->map));
	assert_int_equal(range_pool_count(w->pool), w->map.count);
}

static void close_world(struct world *w)
{
	check_world(w);
	range_pool_free(w->pool);
	assert_int_equal(w->blocks, 0);
	assert_int_equal(w->bytes, 0);
}

static struct range_item item_of(uint64_t first, uint64_t last)
{
	return (struct range_item){ first, last, first ^ 0xabc000, (uint32_t)(first * 7 & 0xff) };
}

static int add(struct world *w, uint64_t first, uint64_t last)
{
	struct range_item item = item_of(first, last);

	return range_map_add(w->pool, &w->map, &item);
}

static void check_item(const char *row, const struct range_item *item, uint64_t first,
		       uint64_t last)
{
	struct range_item expected = item_of(first, last);

	check_eq(row, item->first, first);
	check_eq(row, item->last, last);
	check_eq(row, item->target, expected.target);
	check_eq(row, item->perm, expected.perm);
}

/* ---- rows ---- */

struct span {
	uint64_t first;
	uint64_t last;
};

#define SPANS 4
#define NONE                                                                                       \
	{                                                                                          \
		1, 0                                                                               \
	}

/* Those that are not NONE; behind the first, those that a row does not have. */
static void add_spans(struct world *w, const struct span *has)
{
	for (unsigned i = 0; i < SPANS && has[i].first <= has[i].last && (!i || has[i].last); i++)
		assert_int_equal(add(w, has[i].first, has[i].last), VIOMMU_OK);
}

static void adding(void **state)
{
	static const struct {
		const char *name;
		struct span has[SPANS];
		struct span add;
		int result;
	} rows[] = {
		{ "first", { NONE }, { 0x1000, 0x1fff }, VIOMMU_OK },
		{ "address 0", { NONE }, { 0, 0 }, VIOMMU_OK },
		{ "last address", { NONE }, { TOP, TOP }, VIOMMU_OK },
		{ "everything", { NONE }, { 0, TOP }, VIOMMU_OK },
		{ "last before first", { NONE }, { 1, 0 }, VIOMMU_EINVAL },
		{ "everything and 0", { { 0, TOP } }, { 0, 0 }, VIOMMU_EEXIST },
		{ "everything and last", { { 0, TOP } }, { TOP, TOP }, VIOMMU_EEXIST },
		{ "everything twice", { { 0, TOP } }, { 0, TOP }, VIOMMU_EEXIST },
		{ "touches the one before", { { 0x1000, 0x1fff } }, { 0x2000, 0x2fff }, VIOMMU_OK },
		{ "touches the one behind", { { 0x1000, 0x1fff } }, { 0, 0xfff }, VIOMMU_OK },
		{ "a byte of the one before",
		  { { 0x1000, 0x1fff } },
		  { 0x1fff, 0x2ffe },
		  VIOMMU_EEXIST },
		{ "a byte of the one behind",
		  { { 0x1000, 0x1fff } },
		  { 0x1, 0x1000 },
		  VIOMMU_EEXIST },
		{ "the same", { { 0x1000, 0x1fff } }, { 0x1000, 0x1fff }, VIOMMU_EEXIST },
		{ "in it", { { 0x1000, 0x1fff } }, { 0x1001, 0x1ffe }, VIOMMU_EEXIST },
		{ "around it", { { 0x1000, 0x1fff } }, { 0xfff, 0x2000 }, VIOMMU_EEXIST },
		{ "fits a gap", { { 0, 0xfff }, { 0x2000, TOP } }, { 0x1000, 0x1fff }, VIOMMU_OK },
		{ "gap too small before",
		  { { 0, 0xfff }, { 0x2000, TOP } },
		  { 0xfff, 0x1fff },
		  VIOMMU_EEXIST },
		{ "gap too small behind",
		  { { 0, 0xfff }, { 0x2000, TOP } },
		  { 0x1000, 0x2000 },
		  VIOMMU_EEXIST },
		{ "over two", { { 2, 3 }, { 6, 7 } }, { 0, TOP }, VIOMMU_EEXIST },
		{ "up to the last address", { { 0, 1 } }, { 2, TOP }, VIOMMU_OK },
		{ "the last address is taken", { { TOP, TOP } }, { 2, TOP }, VIOMMU_EEXIST },
		{ "just below the last", { { TOP, TOP } }, { 0, TOP - 1 }, VIOMMU_OK },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct range_item found;
		struct world w;
		uint32_t had;

		open_world(&w, 8);
		add_spans(&w, rows[i].has);
		had = w.map.count;
		check_eq(rows[i].name, add(&w, rows[i].add.first, rows[i].add.last),
			 rows[i].result);
		check_eq(rows[i].name, w.map.count, had + (rows[i].result == VIOMMU_OK));
		check_world(&w);
		if (rows[i].result == VIOMMU_OK) {
			check_that(rows[i].name,
				   range_map_find(w.pool, &w.map, rows[i].add.last, &found));
			check_item(rows[i].name, &found, rows[i].add.first, rows[i].add.last);
		}
		close_world(&w);
	}
}

static void permissions(void **state)
{
	struct range_item item = { .first = 1, .last = 1, .perm = 0x100 };
	struct range_item found;
	struct world w;

	(void)state;
	open_world(&w, 8);
	assert_int_equal(range_map_add(w.pool, &w.map, &item), VIOMMU_EINVAL);
	item.perm = 0xff;
	item.target = TOP;
	assert_int_equal(range_map_add(w.pool, &w.map, &item), VIOMMU_OK);
	assert_true(range_map_find(w.pool, &w.map, 1, &found));
	assert_int_equal(found.perm, 0xff);
	assert_true(found.target == TOP);
	item = (struct range_item){ .first = 5, .last = 8, .target = 3, .perm = 1 };
	assert_int_equal(range_map_add(w.pool, &w.map, &item), VIOMMU_OK);
	range_map_set_perm(w.pool, &w.map, 4, 2);
	range_map_set_perm(w.pool, &w.map, 9, 2);
	assert_true(range_map_find(w.pool, &w.map, 5, &found));
	assert_int_equal(found.perm, 1);
	range_map_set_perm(w.pool, &w.map, 7, 0xfe);
	assert_true(range_map_find(w.pool, &w.map, 5, &found));
	assert_int_equal(found.perm, 0xfe);
	assert_true(found.first == 5 && found.last == 8 && found.target == 3);
	assert_true(range_map_find(w.pool, &w.map, 1, &found));
	assert_int_equal(found.perm, 0xff);
	close_world(&w);
}

static void finding(void **state)
{
	static const struct {
		const char *name;
		struct span has[SPANS];
		uint64_t address;
		struct span find;
		struct span next;
	} rows[] = {
		{ "empty map", { NONE }, 0, NONE, NONE },
		{ "empty map, last", { NONE }, TOP, NONE, NONE },
		{ "first byte", { { 0x10, 0x1f } }, 0x10, { 0x10, 0x1f }, { 0x10, 0x1f } },
		{ "last byte", { { 0x10, 0x1f } }, 0x1f, { 0x10, 0x1f }, { 0x10, 0x1f } },
		{ "before it", { { 0x10, 0x1f } }, 0xf, NONE, { 0x10, 0x1f } },
		{ "behind it", { { 0x10, 0x1f } }, 0x20, NONE, NONE },
		{ "between", { { 0, 1 }, { 3, 4 } }, 2, NONE, { 3, 4 } },
		{ "touching, left", { { 0, 1 }, { 2, 4 } }, 1, { 0, 1 }, { 0, 1 } },
		{ "touching, right", { { 0, 1 }, { 2, 4 } }, 2, { 2, 4 }, { 2, 4 } },
		{ "everything, 0", { { 0, TOP } }, 0, { 0, TOP }, { 0, TOP } },
		{ "everything, last", { { 0, TOP } }, TOP, { 0, TOP }, { 0, TOP } },
		{ "last is not there", { { 0, TOP - 1 } }, TOP, NONE, NONE },
		{ "last byte of all", { { TOP, TOP } }, TOP, { TOP, TOP }, { TOP, TOP } },
		{ "last byte of all is next", { { TOP, TOP } }, TOP - 1, NONE, { TOP, TOP } },
		{ "0 is there", { { 0, 1 } }, 0, { 0, 1 }, { 0, 1 } },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct span *find = &rows[i].find, *next = &rows[i].next;
		struct range_item found;
		struct world w;

		open_world(&w, 8);
		add_spans(&w, rows[i].has);
		check_eq(rows[i].name, range_map_find(w.pool, &w.map, rows[i].address, &found),
			 find->first <= find->last);
		if (find->first <= find->last)
			check_item(rows[i].name, &found, find->first, find->last);
		check_eq(rows[i].name, range_map_next(w.pool, &w.map, rows[i].address, &found),
			 next->first <= next->last);
		if (next->first <= next->last)
			check_item(rows[i].name, &found, next->first, next->last);
		close_world(&w);
	}
}

static void count_removed(void *opaque, const struct range_item *item)
{
	(void)item;
	++*(uint32_t *)opaque;
}

static void cutting_and_removing(void **state)
{
	static const struct {
		const char *name;
		struct span has[SPANS];
		struct span range;
		bool cuts;
		uint32_t removed;
	} rows[] = {
		{ "empty map", { NONE }, { 0, TOP }, false, 0 },
		{ "nothing there", { { 1, 2 }, { 8, 9 } }, { 3, 7 }, false, 0 },
		{ "the same", { { 3, 7 } }, { 3, 7 }, false, 1 },
		{ "larger", { { 3, 7 } }, { 2, 8 }, false, 1 },
		{ "all", { { 0, 7 }, { 9, TOP } }, { 0, TOP }, false, 2 },
		{ "all, touching", { { 0, 7 }, { 8, TOP } }, { 0, TOP }, false, 2 },
		{ "cut in front", { { 3, 7 } }, { 4, 7 }, true, 0 },
		{ "cut behind", { { 3, 7 } }, { 3, 6 }, true, 0 },
		{ "cut at its last byte", { { 3, 7 } }, { 7, 7 }, true, 0 },
		{ "cut at its first byte", { { 3, 7 } }, { 3, 3 }, true, 0 },
		{ "cut inside", { { 3, 7 } }, { 4, 6 }, true, 0 },
		{ "cut inside everything", { { 0, TOP } }, { 1, TOP - 1 }, true, 0 },
		{ "cut off 0", { { 0, TOP } }, { 1, TOP }, true, 0 },
		{ "cut off last", { { 0, TOP } }, { 0, TOP - 1 }, true, 0 },
		{ "cut in front, one whole", { { 3, 7 }, { 9, 9 } }, { 5, 10 }, true, 1 },
		{ "cut behind, one whole", { { 3, 7 }, { 9, 12 } }, { 3, 10 }, true, 1 },
		{ "cut behind, touching", { { 3, 7 }, { 8, 12 } }, { 3, 8 }, true, 1 },
		{ "beside, touching", { { 3, 7 }, { 8, 12 } }, { 3, 7 }, false, 1 },
		{ "beside, other", { { 3, 7 }, { 8, 12 } }, { 8, 12 }, false, 1 },
		{ "last byte of all", { { TOP, TOP } }, { TOP, TOP }, false, 1 },
		{ "last byte of all is not in it", { { TOP, TOP } }, { 0, TOP - 1 }, false, 0 },
		{ "0", { { 0, 0 } }, { 0, 0 }, false, 1 },
		{ "0 is not in it", { { 0, 0 } }, { 1, TOP }, false, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		uint32_t seen = 0;
		struct world w;
		uint32_t had;

		open_world(&w, 8);
		add_spans(&w, rows[i].has);
		had = w.map.count;
		check_eq(rows[i].name,
			 range_map_cuts(w.pool, &w.map, rows[i].range.first, rows[i].range.last),
			 rows[i].cuts);
		check_eq(rows[i].name,
			 range_map_remove(w.pool, &w.map, rows[i].range.first, rows[i].range.last,
					  count_removed, &seen),
			 rows[i].removed);
		check_eq(rows[i].name, seen, rows[i].removed);
		check_eq(rows[i].name, w.map.count, had - rows[i].removed);
		close_world(&w);
	}
}

/* ---- memory ---- */

static void cap(void **state)
{
	struct range_map other = { .version = 0 };
	struct range_item item = item_of(8, 8);
	struct world w;

	(void)state;
	open_world(&w, 3);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(add(&w, i, i), VIOMMU_OK);
	assert_int_equal(add(&w, 3, 3), VIOMMU_ELIMIT);
	assert_int_equal(add(&w, 2, 3), VIOMMU_EEXIST);
	assert_int_equal(range_map_add(w.pool, &other, &item), VIOMMU_ELIMIT);
	assert_int_equal(w.map.count, 3);
	assert_int_equal(range_map_remove(w.pool, &w.map, 1, 1, NULL, NULL), 1);
	assert_int_equal(range_map_add(w.pool, &other, &item), VIOMMU_OK);
	assert_int_equal(range_pool_count(w.pool), 3);
	assert_int_equal(add(&w, 1, 1), VIOMMU_ELIMIT);
	range_map_clear(w.pool, &other);
	assert_int_equal(other.count, 0);
	assert_int_equal(add(&w, 1, 1), VIOMMU_OK);
	close_world(&w);
}

/* A pool of nothing, and one whose own memory is refused. */
static void pools(void **state)
{
	struct world w = { .fail_at = 1 };
	struct range_pool_config config = { world_alloc, world_dealloc, &w, 0 };

	(void)state;
	assert_int_equal(range_pool_new(&config, &w.pool), VIOMMU_ENOMEM);
	assert_int_equal(range_pool_new(&config, &w.pool), VIOMMU_OK);
	assert_int_equal(w.blocks, 1);
	assert_int_equal(add(&w, 0, 0), VIOMMU_ELIMIT);
	assert_int_equal(range_map_remove(w.pool, &w.map, 0, TOP, NULL, NULL), 0);
	range_map_clear(w.pool, &w.map);
	assert_int_equal(w.blocks, 1);
	close_world(&w);
	range_pool_free(NULL);
}

/* Every allocation fails once: the map is as before, and the same works afterwards. Then all goes,
 * in another order. */
static void failing_allocations(void **state)
{
	enum { ITEMS = 60000 };
	struct range_item found;
	struct world w;
	uint32_t failed = 0;

	(void)state;
	open_world(&w, ITEMS);
	w.fail_at = w.calls + 1;
	for (uint64_t i = 0; i < ITEMS; i++) {
		uint64_t first = (i * 40503 & 0xffff) << 12;
		int result = add(&w, first, first | 0xfff);

		if (result == VIOMMU_ENOMEM) {
			failed++;
			w.fail_at = 0;
			assert_int_equal(w.map.count, i);
			assert_false(range_map_find(w.pool, &w.map, first, &found));
			check_world(&w);
			result = add(&w, first, first | 0xfff);
			w.fail_at = w.calls + 1;
		}
		assert_int_equal(result, VIOMMU_OK);
	}
	assert_int_equal(failed + 1, w.blocks);
	assert_true(failed > 8);
	check_world(&w);
	for (uint64_t i = 0; i < 0x10000; i++) {
		uint64_t first = (i * 25717 & 0xffff) << 12;
		bool had = range_map_find(w.pool, &w.map, first + 0xfff, &found);

		assert_int_equal(range_map_remove(w.pool, &w.map, first, first + 0xfff, NULL, NULL),
				 had);
		assert_false(range_map_find(w.pool, &w.map, first, &found));
		if (i % 4096 == 0)
			check_world(&w);
	}
	assert_int_equal(w.map.count, 0);
	assert_int_equal(failed + 1, w.blocks);
	close_world(&w);
}

/* A leaf, the node above it and the root are full: three nodes are needed at once, or none. */
static void reserve(struct world *w, uint32_t spare)
{
	struct range_map other[64] = { { .version = 0 } };
	struct range_item item = item_of(0, 0);
	const uint64_t full = (uint64_t)LEAF_ITEMS * INNER_CHILDREN;
	uint32_t nodes = 0;
	int result;

	open_world(w, 2000);
	for (uint64_t i = 0; i < full; i++)
		assert_int_equal(add(w, i, i), VIOMMU_OK);
	assert_int_equal(atomic_load(&w->map.height), 1);
	w->fail_at = w->calls + 1;
	for (; w->pool->spare > spare; nodes++)
		assert_int_equal(range_map_add(w->pool, &other[nodes], &item), VIOMMU_OK);
	result = add(w, full, full);
	assert_int_equal(result, spare < 3 ? VIOMMU_ENOMEM : VIOMMU_OK);
	range_check_pool(w->pool, range_check(w->pool, &w->map) + nodes);
	if (result != VIOMMU_OK)
		assert_int_equal(add(w, full, full), VIOMMU_OK);
	assert_int_equal(atomic_load(&w->map.height), 2);
	range_check_pool(w->pool, range_check(w->pool, &w->map) + nodes);
	while (nodes)
		range_map_clear(w->pool, &other[--nodes]);
	close_world(w);
}

static void reserving(void **state)
{
	struct world w;

	(void)state;
	for (uint32_t spare = 0; spare < 4; spare++)
		reserve(&w, spare);
}

/* A leaf loses addresses to the one before, for an item that ends behind what that had. */
static void over_the_edge_of_a_leaf(void **state)
{
	struct range_item found;
	struct world w;

	(void)state;
	open_world(&w, 100);
	for (uint64_t i = 0; i <= LEAF_ITEMS; i++)
		assert_int_equal(add(&w, i * 100, i * 100 + 9), VIOMMU_OK);
	assert_int_equal(range_map_remove(w.pool, &w.map, 1900, 1999, NULL, NULL), 1);
	assert_false(range_map_cuts(w.pool, &w.map, 1950, 1950));
	assert_int_equal(add(&w, 1905, 2000), VIOMMU_EEXIST);
	assert_int_equal(add(&w, 1905, 1955), VIOMMU_OK);
	assert_true(range_map_cuts(w.pool, &w.map, 1950, 1960));
	assert_true(range_map_find(w.pool, &w.map, 1955, &found));
	check_item("over the edge", &found, 1905, 1955);
	assert_int_equal(add(&w, 1956, 1999), VIOMMU_OK);
	close_world(&w);
}

/* What was given back is used again, and is given back to the allocator when all of it is. */
/* Of neighbouring leaves one has more than a few items, whatever was removed: 120 bytes an item, and the nodes above. */
static void thin_nodes_are_merged(void **state)
{
	static const struct {
		const char *name;
		uint64_t keep; /* one in so many */
		bool descending;
	} rows[] = {
		{ "one of each leaf", 20, false },
		{ "one of each leaf, from the end", 20, true },
		{ "one of ten", 10, false },
		{ "one of a hundred", 100, false },
		{ "one of a hundred, from the end", 100, true },
		{ "one of a thousand", 1000, false },
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_COUNT(rows); n++) {
		struct world w;

		open_world(&w, 100000);
		for (uint64_t i = 0; i < 100000; i++)
			assert_int_equal(add(&w, i, i), VIOMMU_OK);
		for (uint64_t i = 0; i < 100000; i++) {
			uint64_t at = rows[n].descending ? 99999 - i : i;

			if (at % rows[n].keep)
				check_eq(rows[n].name,
					 range_map_remove(w.pool, &w.map, at, at, NULL, NULL), 1);
		}
		check_world(&w);
		print_message("%s: %.1f bytes an item\n", rows[n].name,
			      (double)range_pool_bytes(w.pool) / w.map.count);
		check_that(rows[n].name, range_pool_bytes(w.pool) <= 130 * (uint64_t)w.map.count);
		close_world(&w);
	}
}

static void memory(void **state)
{
	struct range_map other = { .version = 0 };
	struct world w;
	int64_t own, most;

	(void)state;
	open_world(&w, 100000);
	own = w.bytes;
	assert_true(own < 4096);
	range_map_clear(w.pool, &w.map);
	assert_int_equal(w.bytes, own);
	add(&w, 0, 0);
	assert_true(w.bytes - own <= 8192);
	for (uint64_t i = 1; i < 100000; i++)
		assert_int_equal(add(&w, i, i), VIOMMU_OK);
	check_world(&w);
	most = w.bytes;
	print_message("%.1f bytes an item, %.1f of nodes\n", (double)(most - own) / 100000,
		      (double)range_pool_bytes(w.pool) / 100000);
	assert_true(range_pool_bytes(w.pool) < 32 * 100000);
	range_map_clear(w.pool, &w.map);
	range_check_pool(w.pool, 0);
	for (uint64_t i = 0; i < 100000; i++) {
		struct range_item item = item_of(TOP - i, TOP - i);

		assert_int_equal(range_map_add(w.pool, &other, &item), VIOMMU_OK);
	}
	assert_true(range_pool_bytes(w.pool) < 32 * 100000);
	assert_int_equal(w.bytes, most);
	range_check_pool(w.pool, range_check(w.pool, &other));
	range_pool_trim(w.pool);
	assert_int_equal(w.bytes, most);
	range_map_remove(w.pool, &other, 0, TOP, NULL, NULL);
	assert_int_equal(range_pool_bytes(w.pool), 0);
	range_pool_trim(w.pool);
	assert_int_equal(w.bytes, own);
	assert_int_equal(add(&w, 5, 5), VIOMMU_OK);
	close_world(&w);
}

/* ---- beside a sorted array ---- */

#define MOST 4000U

struct model {
	struct span span[MOST];
	uint64_t target[MOST];
	uint32_t perm[MOST];
	uint32_t count;
};

struct run {
	struct world w;
	struct model m;
	uint64_t seed;
	uint64_t origin; /* of the addresses in use, which may wrap */
	uint64_t size;	 /* of that many, a power of two less one */
	uint64_t cursor; /* of ascending and descending additions */
	uint32_t shown;
};

static uint64_t draw(struct run *r)
{
	uint64_t x = r->seed;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	r->seed = x;
	return x * UINT64_C(0x2545f4914f6cdd1d) >> 7;
}

/* Index of the first that ends at or after the address. */
static uint32_t model_find(const struct model *m, uint64_t address)
{
	uint32_t low = 0, high = m->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (m->span[middle].last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void model_move(struct model *m, uint32_t to, uint32_t from)
{
	memmove(&m->span[to], &m->span[from], (m->count - from) * sizeof(m->span[0]));
	memmove(&m->target[to], &m->target[from], (m->count - from) * sizeof(m->target[0]));
	memmove(&m->perm[to], &m->perm[from], (m->count - from) * sizeof(m->perm[0]));
	m->count += to - from;
}

static void same(const struct model *m, uint32_t i, const struct range_item *item)
{
	check_eq("first", item->first, m->span[i].first);
	check_eq("last", item->last, m->span[i].last);
	check_eq("target", item->target, m->target[i]);
	check_eq("perm", item->perm, m->perm[i]);
}

static void run_add(struct run *r, uint64_t first, uint64_t last)
{
	struct range_item item = { first, last, draw(r), (uint32_t)draw(r) & 0xff };
	struct model *m = &r->m;
	uint32_t i = model_find(m, first);
	int expected = VIOMMU_OK;

	if (i < m->count && m->span[i].first <= last)
		expected = VIOMMU_EEXIST;
	else if (m->count == MOST)
		expected = VIOMMU_ELIMIT;
	check_eq("add", range_map_add(r->w.pool, &r->w.map, &item), expected);
	if (expected != VIOMMU_OK)
		return;
	model_move(m, i + 1, i);
	m->span[i] = (struct span){ first, last };
	m->target[i] = item.target;
	m->perm[i] = item.perm;
}

static void run_find(struct run *r, uint64_t address)
{
	const struct model *m = &r->m;
	uint32_t i = model_find(m, address);
	struct range_item found;

	check_eq("next", range_map_next(r->w.pool, &r->w.map, address, &found), i < m->count);
	if (i < m->count)
		same(m, i, &found);
	check_eq("find", range_map_find(r->w.pool, &r->w.map, address, &found),
		 i < m->count && m->span[i].first <= address);
	if (i < m->count && m->span[i].first <= address)
		same(m, i, &found);
}

static bool across(const struct model *m, uint64_t edge_low, uint64_t edge_high)
{
	uint32_t i = model_find(m, edge_high);

	return i < m->count && m->span[i].first <= edge_low && edge_low < edge_high;
}

static void see_removed(void *opaque, const struct range_item *item)
{
	struct run *r = opaque;

	same(&r->m, r->shown++, item);
}

static void run_remove(struct run *r, uint64_t first, uint64_t last)
{
	struct model *m = &r->m;
	uint32_t from = model_find(m, first), to;

	check_eq("cuts", range_map_cuts(r->w.pool, &r->w.map, first, last),
		 (first > 0 && across(m, first - 1, first)) ||
			 (last < TOP && across(m, last, last + 1)));
	if (from < m->count && m->span[from].first < first)
		from++;
	for (to = from; to < m->count && m->span[to].last <= last; to++)
		;
	r->shown = from;
	check_eq("remove", range_map_remove(r->w.pool, &r->w.map, first, last, see_removed, r),
		 to - from);
	check_eq("shown", r->shown, to);
	model_move(m, from, to);
	check_eq("count", r->w.map.count, m->count);
}

/* Everything, in order, through the public functions; and the nodes themselves. */
static void run_compare(struct run *r)
{
	struct range_item found;
	uint64_t address = 0;

	for (uint32_t i = 0; i < r->m.count; i++) {
		assert_true(range_map_next(r->w.pool, &r->w.map, address, &found));
		same(&r->m, i, &found);
		if (found.last == TOP)
			assert_int_equal(i + 1, r->m.count);
		address = found.last + 1;
	}
	if (address)
		assert_false(range_map_next(r->w.pool, &r->w.map, address, &found));
	check_world(&r->w);
}

/* An address, more often than not near an edge of something. */
static uint64_t pick(struct run *r)
{
	uint64_t how = draw(r) % 8;
	const struct span *near;

	if (how == 0)
		return draw(r) % 2 ? TOP - draw(r) % 3 : draw(r) % 3;
	if (how < 4 || r->m.count == 0)
		return r->origin + (draw(r) & r->size);
	near = &r->m.span[draw(r) % r->m.count];
	return (how & 1 ? near->first : near->last) + draw(r) % 3 - 1;
}

static uint64_t past(uint64_t first, uint64_t bytes)
{
	return first > TOP - (bytes - 1) ? TOP : first + (bytes - 1);
}

/* What a guest does for a while, then something else. */
static void run_step(struct run *r, unsigned pattern)
{
	uint64_t bytes = 1 + draw(r) % (draw(r) % 16 ? 16 : 256);
	uint64_t at = pick(r);

	switch (pattern) {
	case 0: /* ascending */
		run_add(r, r->cursor, past(r->cursor, bytes));
		r->cursor = past(r->cursor, bytes + 1 + draw(r) % 2);
		break;
	case 1: /* descending */
		r->cursor -= bytes + draw(r) % 2;
		run_add(r, r->cursor, past(r->cursor, bytes));
		break;
	case 2: /* anywhere */
		run_add(r, at, past(at, bytes));
		break;
	case 3: /* the oldest, or the lowest */
		if (r->m.count)
			run_remove(r, r->m.span[0].first, r->m.span[0].last);
		break;
	case 4: /* the one that was added last, or near it */
		run_remove(r, r->cursor, past(r->cursor, bytes));
		break;
	case 5: /* one anywhere */
		if (r->m.count) {
			const struct span *s = &r->m.span[draw(r) % r->m.count];

			run_remove(r, s->first, s->last);
		}
		break;
	case 6: /* some */
		run_remove(r, at, past(at, bytes * (draw(r) % 64 ? 4 : 1024)));
		break;
	default:
		run_find(r, at);
		break;
	}
}

static void run_all(struct run *r, uint64_t seed, unsigned steps)
{
	unsigned pattern[2] = { 0, 3 };

	open_world(&r->w, MOST);
	r->m.count = 0;
	r->seed = seed;
	r->size = BITS(11, 0) << draw(r) % 30 | BITS(11, 0);
	/* somewhere, at 0, at the end, or about both */
	r->origin = (const uint64_t[]){ draw(r), 0, TOP - r->size, TOP - r->size / 2 }[draw(r) % 4];
	for (unsigned i = 0; i < steps; i++) {
		if (i % 512 == 0) {
			pattern[0] = (unsigned)(draw(r) % 3);
			pattern[1] = (unsigned)(3 + draw(r) % 4);
			r->cursor = r->origin + (draw(r) & r->size);
		}
		/* more come than go, then more go */
		run_step(r, draw(r) % 4 == 0 ? 7 : pattern[draw(r) % 8 < 3 + i / 4096 % 3]);
		if (draw(r) % 4096 == 0)
			run_compare(r);
	}
	run_compare(r);
	if (draw(r) % 2)
		run_remove(r, 0, TOP);
	else
		range_map_clear(r->w.pool, &r->w.map);
	assert_int_equal(r->w.map.count, 0);
	range_check_pool(r->w.pool, 0);
	close_world(&r->w);
}

static void random_operations(void **state)
{
	static struct run r;
	uint64_t seed = run_seed(0x5eed) | 1;

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		run_all(&r, seed + (uint64_t)i * 2, (unsigned)run_scaled(65536));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding),
		cmocka_unit_test(permissions),
		cmocka_unit_test(finding),
		cmocka_unit_test(cutting_and_removing),
		cmocka_unit_test(cap),
		cmocka_unit_test(pools),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(reserving),
		cmocka_unit_test(over_the_edge_of_a_leaf),
		cmocka_unit_test(memory),
		cmocka_unit_test(thin_nodes_are_merged),
		cmocka_unit_test(random_operations),
	};

	return cmocka_run_group_tests_name("range_map", tests, NULL, NULL);
}
