/* SPDX-License-Identifier: BSD-3-Clause */
/* test_context_cache.c - cache/context_cache.h: found by requester and PASID, while current. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "context_cache.h"
#include "guest.h"

/* Domains of the window. */
#define DOMAINS 64U

struct world {
	struct guest g;
	struct window *window;
	struct context_cache cache;
};

static void setup_world(struct world *w, uint32_t entries)
{
	const struct window_size size = { 1, entries, DOMAINS, 1 };

	guest_init(&w->g, GUEST_CALLBACKS, 1);
	w->window = window_new(w->g.vm, &size, 0);
	assert_non_null(w->window);
	assert_int_equal(context_cache_init(&w->cache, w->g.vm, w->window), VIOMMU_OK);
}

static void end_world(struct world *w)
{
	context_cache_fini(&w->cache, w->g.vm);
	window_free(w->window, w->g.vm);
	guest_fini(&w->g);
}

/* An entry of which every byte depends on seed; its domain is one of the window's. */
static struct context_entry entry(const struct world *w, uint64_t seed, uint64_t generation)
{
	struct context_entry e;

	for (size_t i = 0; i < sizeof(e); i++)
		((unsigned char *)&e)[i] = (unsigned char)(seed * 31 + i * 7);
	e.generation = generation;
	e.domain = &w->cache.domains[seed * 7 % DOMAINS];
	e.whole = 1;
	return e;
}

static bool has(struct world *w, uint64_t who, uint64_t generation, uint64_t seed)
{
	struct context_entry found = { .whole = 1 }, expected = entry(w, seed, generation);

	/* the comparison is left to whoever asks, and what is "whole" */
	if (!context_cache_find(&w->cache, who, &found) || found.generation != generation)
		return false;
	assert_memory_equal(&found, &expected, sizeof(found));
	return true;
}

static void add(struct world *w, uint64_t who, uint64_t generation, uint64_t seed)
{
	struct context_entry e = entry(w, seed, generation);

	context_cache_add(&w->cache, who, &e);
}

static void comes_back_whole(void **state)
{
	struct world w;

	setup_world(&w, 64);
	assert_false(has(&w, 0, 0, 0));
	assert_false(has(&w, BIT(32), 1, 5));
	add(&w, BIT(32), 1, 5);
	assert_true(has(&w, BIT(32), 1, 5));
	assert_true(has(&w, BIT(32), 1, 5));
	end_world(&w);
}

/* Only under the very generation it was parsed under: neither older nor newer. */
static void generations(void **state)
{
	struct world w;

	setup_world(&w, 64);
	add(&w, BIT(32), 10, 5);
	assert_false(has(&w, BIT(32), 9, 5));
	assert_false(has(&w, BIT(32), 11, 5));
	assert_false(has(&w, BIT(32), 10 + BIT(32), 5));
	assert_true(has(&w, BIT(32), 10, 5));
	add(&w, BIT(32), 11, 6); /* takes its place */
	assert_false(has(&w, BIT(32), 10, 5));
	assert_true(has(&w, BIT(32), 11, 6));
	end_world(&w);
}

/* Every bit of device and PASID counts, in a cache of one set (obligation 10). */
static void every_bit_of_who(void **state)
{
	uint64_t who = UINT64_C(0x0001234500054322);

	for (unsigned bit = 0; bit < 64; bit++) {
		struct world w;

		setup_world(&w, 1);
		add(&w, who, 1, 5);
		assert_false(has(&w, who ^ BIT(bit), 1, 5));
		add(&w, who ^ BIT(bit), 1, 6);
		assert_true(has(&w, who, 1, 5));
		assert_true(has(&w, who ^ BIT(bit), 1, 6));
		end_world(&w);
	}
}

/* More requesters than places: the one that was added last is there, and nobody has another's. */
static void replacement(void **state)
{
	unsigned left = 0;
	struct world w;

	setup_world(&w, 16);
	assert_int_equal(w.cache.mask + 1, 16);
	for (uint64_t i = 1; i <= 500; i++) {
		add(&w, i << 32, 1, i);
		assert_true(has(&w, i << 32, 1, i));
	}
	for (uint64_t i = 1; i <= 500; i++)
		left += has(&w, i << 32, 1, i);
	assert_true(left > 8 && left <= 16);
	end_world(&w);
}

static void sizes(void **state)
{
	static const struct {
		const char *name;
		uint32_t entries, slots;
	} rows[] = {
		{ "at least two", 1, 2 },     { "two", 2, 2 },
		{ "rounded up", 3, 4 },	      { "exact", 1024, 1024 },
		{ "rounded up", 1025, 2048 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct world w;

		setup_world(&w, rows[i].entries);
		check_eq(rows[i].name, w.cache.mask + 1, rows[i].slots);
		end_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_whole),
		cmocka_unit_test(generations),
		cmocka_unit_test(every_bit_of_who),
		cmocka_unit_test(replacement),
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
