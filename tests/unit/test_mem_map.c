/* SPDX-License-Identifier: BSD-3-Clause */
/* test_mem_map.c - memory/mem.h: hundreds of regions, with gaps and without, against a list that is searched from its
 * start; the map grows, loses regions in its middle, and has no memory to grow. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "guest.h"
#include "machine.h"
#include "mem.h"
#include "run.h"

enum { MOST = 400, SLOTS = 512 };

struct entry {
	uint64_t first, last;
	uint8_t *host;
	bool rom;
};

struct world {
	struct guest g;
	struct entry list[MOST]; /* in no order */
	unsigned count;
	uint64_t random;
	struct mem_place near; /* kept while regions come and go */
};

static struct world world;

static uint64_t next(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random >> 8;
}

static struct world *open_world(uint64_t seed)
{
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	w->random = seed;
	w->near = (struct mem_place)MEM_NOWHERE;
	guest_init(&w->g, GUEST_CALLBACKS, 1);
	return w;
}

static int add(struct world *w, uint64_t gpa, uint64_t bytes, bool rom)
{
	struct entry *e = &w->list[w->count];
	struct viommu_region r = { .size = sizeof(r),
				   .flags = rom ? VIOMMU_REGION_READONLY : 0,
				   .gpa = gpa,
				   .bytes = bytes };
	int result;

	assert_true(w->count < MOST);
	*e = (struct entry){ .first = gpa, .last = gpa + (bytes - 1), .rom = rom };
	/* pointed at, never touched */
	e->host = (uint8_t *)(uintptr_t)((next(w) & BITS(45, 12)) | BIT(46));
	r.host = e->host;
	result = viommu_vm_add_region(w->g.vm, &r);
	if (!result)
		w->count++;
	return result;
}

static void drop(struct world *w, unsigned n)
{
	assert_int_equal(viommu_vm_remove_region(w->g.vm, w->list[n].first), VIOMMU_OK);
	w->list[n] = w->list[--w->count];
}

/* The region of an address, or the gap around it. */
static const struct entry *scan(const struct world *w, uint64_t gpa, struct entry *gap)
{
	*gap = (struct entry){ .first = 0, .last = UINT64_MAX };
	for (unsigned i = 0; i < w->count; i++) {
		const struct entry *e = &w->list[i];

		if (gpa >= e->first && gpa <= e->last)
			return e;
		if (e->last < gpa && e->last + 1 > gap->first)
			gap->first = e->last + 1;
		if (e->first > gpa && e->first - 1 < gap->last)
			gap->last = e->first - 1;
	}
	return gap;
}

static void check_place(const struct entry *wanted, const struct mem_place *place, uint64_t gpa)
{
	uint8_t *host = wanted->host ? wanted->host + (gpa - wanted->first) : NULL;

	assert_int_equal(place->first, wanted->first);
	assert_int_equal(place->last, wanted->last);
	assert_ptr_equal(mem_host(place, gpa, false), host);
	assert_ptr_equal(mem_host(place, gpa, true), wanted->rom ? NULL : host);
	assert_true(mem_is_in(place, gpa));
}

static void look(struct world *w, uint64_t gpa, struct mem_place *near)
{
	struct mem_place place = MEM_NOWHERE;
	struct entry gap;
	const struct entry *wanted = scan(w, gpa, &gap);
	uint64_t last = gpa + next(w) % 0x10000;
	bool write = next(w) & 1;
	uint64_t until;
	void *host;

	mem_find(w->g.vm, gpa, &place);
	check_place(wanted, &place, gpa);
	mem_find_near(w->g.vm, gpa, near);
	check_place(wanted, near, gpa);
	if (last < gpa)
		last = UINT64_MAX;
	until = mem_piece(w->g.vm, gpa, last, write, &host);
	assert_int_equal(until, last < wanted->last ? last : wanted->last);
	assert_ptr_equal(host, mem_host(&place, gpa, write));
}

/* Around both ends of every region, and anywhere. */
static void look_everywhere(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		const struct entry e = w->list[i];

		look(w, e.first, &w->near);
		look(w, e.last, &w->near);
		look(w, e.first - 1, &w->near);
		look(w, e.last + 1, &w->near);
		look(w, e.first + (e.last - e.first) / 2, &w->near);
	}
	for (unsigned i = 0; i < 200; i++)
		look(w, next(w) % (SLOTS * UINT64_C(0x100000)), &w->near);
	look(w, 0, &w->near);
	look(w, UINT64_MAX, &w->near);
	look(w, next(w), &w->near);
}

/* A slot is 1 MiB: all of it, its start, its end, or a page in it. */
static void random_region(struct world *w, uint64_t slot, uint64_t *gpa, uint64_t *bytes)
{
	*gpa = slot * 0x100000;
	*bytes = 0x100000;
	switch (next(w) % 4) {
	case 0:
		*bytes = 4096;
		break;
	case 1:
		*gpa += 0xff000;
		*bytes = 4096;
		break;
	case 2:
		*gpa += 0x40000;
		*bytes = 0x1000 * (1 + next(w) % 32);
		break;
	default:
		break;
	}
}

/* 300 and more, added and removed in random order; each refusal is right. */
static void many(void **state)
{
	struct world *w = open_world(run_seed(RUN_ANY_SEED));
	unsigned refused = 0;
	unsigned most = 0;

	for (unsigned step = 0; step < 3000; step++) {
		uint64_t gpa;
		uint64_t bytes;
		bool overlaps = false;
		bool grow = step % 1000 < 600;

		if (w->count && (next(w) % 8 < (grow ? 2U : 6U) || w->count >= MOST - 1)) {
			drop(w, (unsigned)(next(w) % w->count));
		} else {
			random_region(w, next(w) % SLOTS, &gpa, &bytes);
			for (unsigned i = 0; i < w->count; i++)
				overlaps |= gpa <= w->list[i].last &&
					    w->list[i].first <= gpa + bytes - 1;
			assert_int_equal(add(w, gpa, bytes, next(w) % 8 == 0),
					 overlaps ? VIOMMU_EEXIST : VIOMMU_OK);
			refused += overlaps;
		}
		most = w->count > most ? w->count : most;
		if (step % 25 == 0)
			look_everywhere(w);
	}
	assert_true(most > 200 && refused > 10);
	while (w->count)
		drop(w, w->count / 2);
	look_everywhere(w);
	guest_fini(&w->g);
}

/* Every number of regions from none to 300, from below, from above and from the middle. */
static void every_count(void **state)
{
	for (unsigned order = 0; order < 3; order++) {
		struct world *w = open_world(4711);

		for (unsigned n = 0; n < 300; n++) {
			uint64_t slot = order == 0   ? n
					: order == 1 ? 299 - n
					: n % 2	     ? 150 + n / 2
						     : 149 - n / 2;
			struct mem_place near = MEM_NOWHERE;

			assert_int_equal(add(w, slot * 0x3000 + 0x1000, 0x1000 * (1 + n % 2),
					     n % 3 == 0),
					 VIOMMU_OK);
			for (unsigned i = 0; i < w->count; i++)
				look(w, w->list[i].first - (i & 1), &near);
			if (n < 40 || n % 50 == 0)
				look_everywhere(w);
		}
		/* and from the middle, one by one */
		while (w->count) {
			struct entry gone = w->list[w->count / 2];
			struct mem_place near = MEM_NOWHERE;

			drop(w, w->count / 2);
			look(w, gone.first, &near);
			look(w, gone.last, &near);
			assert_int_equal(viommu_vm_remove_region(w->g.vm, gone.first),
					 VIOMMU_ENOENT);
			if (w->count % 50 == 7)
				look_everywhere(w);
		}
		guest_fini(&w->g);
	}
}

/* Only the first byte names a region. */
static void names(void **state)
{
	struct world *w = open_world(5);

	for (unsigned n = 0; n < 100; n++)
		assert_int_equal(add(w, n * 0x4000, 0x3000, false), VIOMMU_OK);
	for (unsigned n = 0; n < 100; n++) {
		assert_int_equal(viommu_vm_remove_region(w->g.vm, n * 0x4000 + 0x1000),
				 VIOMMU_ENOENT);
		assert_int_equal(viommu_vm_remove_region(w->g.vm, n * 0x4000 + 0x3000),
				 VIOMMU_ENOENT);
	}
	assert_int_equal(viommu_vm_remove_region(w->g.vm, UINT64_MAX), VIOMMU_ENOENT);
	look_everywhere(w);
	guest_fini(&w->g);
}

/* No memory when the map has to grow: refused, and all is as it was. */
static void no_memory(void **state)
{
	struct world *w = open_world(6);
	unsigned refused = 0;

	for (unsigned n = 0; n < 300; n++) {
		w->g.no_memory_in = 1;
		if (add(w, n * 0x2000, 0x1000, false) == VIOMMU_ENOMEM) {
			refused++;
			look_everywhere(w);
			w->g.no_memory_in = 0;
			assert_int_equal(add(w, n * 0x2000, 0x1000, false), VIOMMU_OK);
		}
		look(w, n * 0x2000, &(struct mem_place)MEM_NOWHERE);
	}
	w->g.no_memory_in = 0;
	assert_int_equal(refused, 6); /* 8, 16, ... 256 are full */
	look_everywhere(w);
	guest_fini(&w->g);
}

/* What a map is too small for is not allocated again once there is room: regions that come and go cost nothing. */
static void room_is_kept(void **state)
{
	struct world *w = open_world(7);
	uint64_t allocations;

	for (unsigned n = 0; n < 300; n++)
		assert_int_equal(add(w, n * 0x2000, 0x1000, false), VIOMMU_OK);
	allocations = w->g.allocations;
	for (unsigned i = 0; i < 1000; i++) {
		unsigned n = (unsigned)(next(w) % w->count);
		uint64_t gpa = w->list[n].first;

		drop(w, n);
		assert_int_equal(add(w, gpa, 0x1000, i & 1), VIOMMU_OK);
	}
	assert_int_equal(w->g.allocations, allocations);
	look_everywhere(w);
	guest_fini(&w->g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many),		cmocka_unit_test(every_count),
		cmocka_unit_test(names),	cmocka_unit_test(no_memory),
		cmocka_unit_test(room_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
