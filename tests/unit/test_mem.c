/* SPDX-License-Identifier: BSD-3-Clause */
/* test_mem.c - memory/mem.h: loads, stores and swaps in regions, in ROM and behind callbacks. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "guest.h"
#include "mem.h"

/*
 * Two pages of RAM and a page of ROM, with the callbacks around them:
 *
 *	GUEST_BASE + 0x0000  callbacks
 *	           + 0x1000  RAM
 *	           + 0x2000  RAM, another region
 *	           + 0x3000  ROM
 *	           + 0x4000  callbacks
 *	           + 0x5000  nothing: callbacks fail
 */
#define OUTSIDE (GUEST_BASE + 0x0000)
#define RAM	(GUEST_BASE + 0x1000)
#define RAM_2	(GUEST_BASE + 0x2000)
#define ROM	(GUEST_BASE + 0x3000)
#define AFTER	(GUEST_BASE + 0x4000)
#define NOTHING (GUEST_BASE + 0x5000)

struct world {
	struct guest g;
	uint8_t ram[2][4096] __attribute__((aligned(16)));
	uint8_t rom[4096] __attribute__((aligned(16)));
};

static void add(struct guest *g, uint64_t gpa, void *host, uint32_t flags)
{
	struct viommu_region r = {
		.size = sizeof(r), .flags = flags, .gpa = gpa, .bytes = 4096, .host = host
	};

	assert_int_equal(viommu_vm_add_region(g->vm, &r), VIOMMU_OK);
}

static void setup_world(struct world *w, enum guest_memory kind)
{
	guest_init(&w->g, kind, 5);
	for (unsigned i = 0; i < 4096; i++) {
		w->ram[0][i] = (uint8_t)(i * 3);
		w->ram[1][i] = (uint8_t)(i * 5);
		w->rom[i] = (uint8_t)(i * 7);
	}
	for (unsigned i = 0; i < 5 * 4096; i++)
		w->g.ram[i] = (uint8_t)(i * 11);
	add(&w->g, RAM, w->ram[0], 0);
	add(&w->g, RAM_2, w->ram[1], 0);
	add(&w->g, ROM, w->rom, VIOMMU_REGION_READONLY);
	memset(w->g.count, 0, sizeof(w->g.count));
}

static uint64_t word_of(const uint8_t *at)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < 8; i++)
		word |= (uint64_t)at[i] << 8 * i;
	return word;
}

/* Where a load of @bytes at gpa is served from; NULL: it fails. A load that no single region has
 * whole goes to the callbacks whole. */
static const uint8_t *expected_at(struct world *w, uint64_t gpa, uint64_t bytes, bool *region)
{
	*region = true;
	if (gpa >= RAM && gpa + bytes <= RAM_2)
		return w->ram[0] + (gpa - RAM);
	if (gpa >= RAM_2 && gpa + bytes <= ROM)
		return w->ram[1] + (gpa - RAM_2);
	if (gpa >= ROM && gpa + bytes <= AFTER)
		return w->rom + (gpa - ROM);
	*region = false;
	if (gpa >= OUTSIDE && gpa + bytes <= NOTHING)
		return w->g.ram + (gpa - OUTSIDE);
	return NULL;
}

/* 1 to 8 words around every boundary. */
static void loads(void **state)
{
	static const uint64_t edges[] = { OUTSIDE, RAM, RAM_2, ROM, AFTER, NOTHING };
	struct world w;

	setup_world(&w, GUEST_CALLBACKS);
	for (size_t e = 0; e < ARRAY_COUNT(edges); e++) {
		for (uint64_t gpa = edges[e] - 80; gpa <= edges[e] + 16; gpa += 8) {
			for (unsigned words = 1; words <= 8; words++) {
				uint64_t word[8];
				bool region;
				const uint8_t *at = expected_at(&w, gpa, words * 8, &region);
				unsigned reads = w.g.count[GUEST_ON_READ];

				assert_int_equal(mem_load(w.g.vm, gpa, word, words), at != NULL);
				assert_int_equal(w.g.count[GUEST_ON_READ] - reads, !region);
				for (unsigned i = 0; at && i < words; i++)
					assert_int_equal(word[i], word_of(at + i * 8));
				if (words == 1) {
					assert_int_equal(mem_load64(w.g.vm, gpa, word), at != NULL);
					if (at)
						assert_int_equal(word[0], word_of(at));
				}
			}
		}
	}
	guest_fini(&w.g);
}

static const struct {
	const char *name;
	uint64_t gpa;
	bool ok;
	bool outside; /* a callback is asked */
} places[] = {
	{ "first word of a region", RAM, true, false },
	{ "last word of a region", RAM + 4088, true, false },
	{ "first word of the next", RAM_2, true, false },
	{ "last word before ROM", ROM - 8, true, false },
	{ "first word of ROM", ROM, false, false },
	{ "last word of ROM", AFTER - 8, false, false },
	{ "just before the regions", RAM - 8, true, true },
	{ "just behind the regions", AFTER, true, true },
	{ "nothing there", NOTHING, false, true },
	{ "top of the address space", UINT64_MAX - 7, false, true },
};

static uint64_t peek(struct world *w, uint64_t gpa)
{
	bool region;

	return word_of(expected_at(w, gpa, 8, &region));
}

static unsigned asked(const struct guest *g)
{
	return g->count[GUEST_ON_READ] + g->count[GUEST_ON_WRITE] + g->count[GUEST_ON_SWAP];
}

/* What was written is reported: once, with address and length, and only if it was written. */
static void check_dirty(const char *row, struct guest *g, bool ok, uint64_t gpa, uint64_t bytes)
{
	check_eq(row, g->count[GUEST_ON_DIRTY], ok);
	if (ok) {
		check_eq(row, g->dirty[0].gpa, gpa);
		check_eq(row, g->dirty[0].bytes, bytes);
	}
	memset(g->count, 0, sizeof(g->count));
}

static void stores(void **state)
{
	struct world w;

	setup_world(&w, GUEST_CALLBACKS);
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		const uint64_t words[2] = { 0x0123456789abcdef + i, 0xfedcba9876543210 };
		uint64_t gpa = places[i].gpa;
		bool ok = places[i].ok;

		check_eq(places[i].name, mem_store(w.g.vm, gpa, words, 1), ok);
		check_eq(places[i].name, asked(&w.g) != 0, places[i].outside);
		check_dirty(places[i].name, &w.g, ok, gpa, 8);
		if (ok)
			check_eq(places[i].name, peek(&w, gpa), words[0]);
		check_eq(places[i].name, mem_store32(w.g.vm, gpa + 4, 0x5a5a5a5a), ok);
		check_eq(places[i].name, asked(&w.g) != 0, places[i].outside);
		check_dirty(places[i].name, &w.g, ok, gpa + 4, 4);
		if (ok)
			check_eq(places[i].name, peek(&w, gpa),
				 (words[0] & UINT32_MAX) | (uint64_t)0x5a5a5a5a << 32);
	}
	guest_fini(&w.g);
}

static void store_of_many_words(void **state)
{
	const uint64_t word[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct world w;

	setup_world(&w, GUEST_CALLBACKS);
	for (unsigned words = 1; words <= 8; words++) {
		uint64_t gpa = RAM + 64 * words;
		uint64_t after = peek(&w, gpa + 8 * words);

		assert_true(mem_store(w.g.vm, gpa, word, words));
		check_dirty("region", &w.g, true, gpa, 8 * words);
		for (unsigned i = 0; i < words; i++)
			assert_int_equal(peek(&w, gpa + 8 * i), i + 1);
		assert_int_equal(peek(&w, gpa + 8 * words), after);
		gpa = AFTER + 64 * words;
		assert_true(mem_store(w.g.vm, gpa, word, words));
		assert_int_equal(w.g.count[GUEST_ON_WRITE], 1);
		check_dirty("callbacks", &w.g, true, gpa, 8 * words);
		for (unsigned i = 0; i < words; i++)
			assert_int_equal(peek(&w, gpa + 8 * i), i + 1);
	}
	guest_fini(&w.g);
}

static void swaps(enum guest_memory kind)
{
	struct world w;

	setup_world(&w, kind);
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		uint64_t gpa = places[i].gpa;
		bool ok = places[i].ok;
		uint64_t before = ok ? peek(&w, gpa) : 0;
		uint64_t expected = before ^ 1;

		/* another value is there: it is told, and nothing is written */
		check_eq(places[i].name, mem_swap64(w.g.vm, gpa, &expected, 7),
			 ok ? MEM_CHANGED : MEM_FAILED);
		if (ok) {
			check_eq(places[i].name, expected, before);
			check_eq(places[i].name, peek(&w, gpa), before);
		}
		check_eq(places[i].name, asked(&w.g) != 0, places[i].outside);
		check_dirty(places[i].name, &w.g, false, 0, 0);
		expected = before;
		check_eq(places[i].name, mem_swap64(w.g.vm, gpa, &expected, 7 + i),
			 ok ? MEM_SWAPPED : MEM_FAILED);
		if (ok)
			check_eq(places[i].name, peek(&w, gpa), 7 + i);
		check_dirty(places[i].name, &w.g, ok, gpa, 8);
	}
	guest_fini(&w.g);
}

static void swaps_by_callback(void **state)
{
	swaps(GUEST_CALLBACKS);
}

static void swaps_by_read_and_write(void **state)
{
	swaps(GUEST_NO_SWAP);
}

static void swaps_of_raw_words(void **state)
{
	swaps(GUEST_RAW_SWAP);
}

/* ---- whose memory was written ---- */

struct written {
	uint8_t ram[2][4096] __attribute__((aligned(16)));
	unsigned calls;
	unsigned plain; /* of the older callback */
	void *region;
	uint64_t gpa, bytes;
};

static void note_region(void *opaque, void *region, uint64_t gpa, uint64_t bytes)
{
	struct written *n = opaque;

	n->calls++;
	n->region = region;
	n->gpa = gpa;
	n->bytes = bytes;
}

static void note_plainly(void *opaque, uint64_t gpa, uint64_t bytes)
{
	struct written *n = opaque;

	n->plain++;
}

static int write_nowhere(void *opaque, uint64_t gpa, const void *from, uint32_t bytes)
{
	return 0;
}

static int swap_nowhere(void *opaque, uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	return 0;
}

static void check_written(struct written *n, void *region, uint64_t gpa, uint64_t bytes)
{
	assert_int_equal(n->calls, 1);
	assert_ptr_equal(n->region, region);
	assert_int_equal(n->gpa, gpa);
	assert_int_equal(n->bytes, bytes);
	n->calls = 0;
}

static void write_in_each_way(struct viommu_vm *vm, struct written *n, uint64_t gpa, void *region)
{
	uint64_t word[2] = { 0 };

	assert_true(mem_store32(vm, gpa, 0));
	check_written(n, region, gpa, 4);
	assert_true(mem_store(vm, gpa, word, 2));
	check_written(n, region, gpa, 16);
	assert_int_equal(mem_swap64(vm, gpa, word, 0), MEM_SWAPPED);
	check_written(n, region, gpa, 8);
}

/* dirty_region is told whose memory it is, by a region's present opaque, instead of dirty. */
static void regions_have_an_opaque(void **state)
{
	static struct written n;
	struct viommu_vm_config config = { .size = sizeof(config),
					   .opaque = &n,
					   .write = write_nowhere,
					   .cmpxchg = swap_nowhere,
					   .dirty = note_plainly,
					   .dirty_region = note_region };
	struct viommu_region r = { .size = sizeof(r), .bytes = 4096 };
	struct viommu_vm *vm;

	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	for (unsigned i = 0; i < 2; i++) {
		r.gpa = 4096 * i;
		r.host = n.ram[i];
		r.opaque = &n.ram[i];
		assert_int_equal(viommu_vm_add_region(vm, &r), VIOMMU_OK);
	}
	for (unsigned i = 0; i < 2; i++)
		write_in_each_way(vm, &n, 4096 * i + 16, &n.ram[i]);
	write_in_each_way(vm, &n, 8192, NULL);
	r.opaque = &r;
	assert_int_equal(viommu_vm_replace_region(vm, &r), VIOMMU_OK);
	write_in_each_way(vm, &n, 4096, &r);
	/* an older caller's region has none */
	r.size = offsetof(struct viommu_region, opaque);
	assert_int_equal(viommu_vm_replace_region(vm, &r), VIOMMU_OK);
	write_in_each_way(vm, &n, 4096, NULL);
	/* what lies behind it keeps its own when it moves up */
	assert_int_equal(viommu_vm_remove_region(vm, 0), VIOMMU_OK);
	r.size = sizeof(r);
	assert_int_equal(viommu_vm_replace_region(vm, &r), VIOMMU_OK);
	r.gpa = 0;
	r.opaque = NULL;
	assert_int_equal(viommu_vm_add_region(vm, &r), VIOMMU_OK);
	write_in_each_way(vm, &n, 4096, &r);
	write_in_each_way(vm, &n, 0, NULL);
	assert_int_equal(n.plain, 0);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

/* Every callback may fail; then the access fails, nothing is reported, and the next one works. */
static void callbacks_that_fail(void **state)
{
	for (int kind = GUEST_CALLBACKS; kind <= GUEST_RAW_SWAP; kind++) {
		struct world w;
		uint64_t word[8];
		uint64_t expected;

		setup_world(&w, (enum guest_memory)kind);
		w.g.fail_in = 1;
		assert_false(mem_load64(w.g.vm, AFTER, word));
		assert_true(mem_load64(w.g.vm, AFTER, word));
		w.g.fail_in = 1;
		assert_false(mem_load(w.g.vm, AFTER, word, 8));
		w.g.fail_in = 1;
		assert_false(mem_store(w.g.vm, AFTER, word, 2));
		w.g.fail_in = 1;
		assert_false(mem_store32(w.g.vm, AFTER, 1));
		/* nth = 2: without cmpxchg, the write behind the read */
		for (unsigned nth = 1; nth <= (kind == GUEST_NO_SWAP ? 2 : 1); nth++) {
			expected = peek(&w, AFTER);
			w.g.fail_in = nth;
			assert_int_equal(mem_swap64(w.g.vm, AFTER, &expected, 5), MEM_FAILED);
		}
		assert_int_equal(w.g.count[GUEST_ON_DIRTY], 0);
		assert_int_not_equal(peek(&w, AFTER), 5);
		expected = peek(&w, AFTER);
		assert_int_equal(mem_swap64(w.g.vm, AFTER, &expected, 5), MEM_SWAPPED);
		guest_fini(&w.g);
	}
}

/* A VM without callbacks: what no region has cannot be accessed. */
static void no_callbacks(void **state)
{
	static uint8_t page[4096] __attribute__((aligned(16)));
	struct viommu_vm_config config = { .size = sizeof(config) };
	struct viommu_region r = { .size = sizeof(r), .bytes = 4096, .host = page };
	uint64_t word[2] = { 0 };
	struct viommu_vm *vm;

	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	assert_int_equal(viommu_vm_add_region(vm, &r), VIOMMU_OK);
	assert_true(mem_store(vm, 4088, word, 1));
	assert_true(mem_load64(vm, 4088, word));
	assert_false(mem_load64(vm, 4096, word));
	assert_false(mem_load(vm, 4088, word, 2));
	assert_false(mem_store(vm, 4096, word, 1));
	assert_false(mem_store32(vm, 4096, 0));
	assert_int_equal(mem_swap64(vm, 4096, word, 0), MEM_FAILED);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
}

/* ---- mem_piece ---- */

static const struct {
	const char *name;
	uint64_t gpa, last;
	bool write;
	uint64_t until;
	uint64_t host; /* gpa that *host stands for; 0: NULL */
} pieces[] = {
	{ "inside", RAM + 8, RAM + 15, true, RAM + 15, RAM + 8 },
	{ "up to the end of a region", RAM, ROM, true, RAM_2 - 1, RAM },
	{ "from the last byte", RAM_2 - 1, UINT64_MAX, true, RAM_2 - 1, RAM_2 - 1 },
	{ "the next region", RAM_2, UINT64_MAX, false, ROM - 1, RAM_2 },
	{ "one byte", RAM, RAM, false, RAM, RAM },
	{ "ROM for reading", ROM, UINT64_MAX, false, AFTER - 1, ROM },
	{ "ROM for writing", ROM, UINT64_MAX, true, AFTER - 1, 0 },
	{ "hole up to a region", RAM - 1, UINT64_MAX, true, RAM - 1, 0 },
	{ "hole from 0", 0, UINT64_MAX, true, RAM - 1, 0 },
	{ "hole that ends before", 0, 9, true, 9, 0 },
	{ "hole up to the very region", 0, RAM - 1, true, RAM - 1, 0 },
	{ "hole to the end of all", AFTER, UINT64_MAX, false, UINT64_MAX, 0 },
	{ "the last byte of all", UINT64_MAX, UINT64_MAX, false, UINT64_MAX, 0 },
};

static void pieces_of_memory(void **state)
{
	struct world w;

	setup_world(&w, GUEST_CALLBACKS);
	for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
		void *host = &w;
		uint64_t until =
			mem_piece(w.g.vm, pieces[i].gpa, pieces[i].last, pieces[i].write, &host);
		bool region;

		check_eq(pieces[i].name, until, pieces[i].until);
		check_eq(pieces[i].name, (uintptr_t)host,
			 pieces[i].host ? (uintptr_t)expected_at(&w, pieces[i].host, 1, &region)
					: 0);
	}
	guest_fini(&w.g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),
		cmocka_unit_test(stores),
		cmocka_unit_test(store_of_many_words),
		cmocka_unit_test(swaps_by_callback),
		cmocka_unit_test(swaps_by_read_and_write),
		cmocka_unit_test(swaps_of_raw_words),
		cmocka_unit_test(regions_have_an_opaque),
		cmocka_unit_test(callbacks_that_fail),
		cmocka_unit_test(no_callbacks),
		cmocka_unit_test(pieces_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
