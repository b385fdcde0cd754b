/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_dma.c - dma.h: bytes and words at a device's addresses, in a channel and in a device, from caches and from
 * tables; maps; sections of a device.
 */
#include "check.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include <libvirtiommu/dma.h>

#include "bits.h"
#include "guest.h"
#include "unit.h"

/*
 *	iova			gpa
 *	BACK	8 pages		MEMORY, the last page first: no two are neighbours
 *	ABSENT
 *	ROM			ROM_GPA, a region for reading only; everything permitted
 *	OUT	2 pages		OUTSIDE, behind the callbacks
 *	HOLE			where no callback has anything
 *	ONLY_R, ONLY_W		MEMORY
 *	LINE	4 pages		MEMORY, neighbours
 *	EDGE			MEMORY: the page before the addresses of interrupts
 */
#define PAGE	GUEST_PAGE
#define MEMORY	(GUEST_BASE + 64 * PAGE)
#define ROM_GPA (GUEST_BASE + 72 * PAGE)
#define OUTSIDE (GUEST_BASE + 80 * PAGE)
#define PAGES	96U
#define BACK	UINT64_C(0x10000)
#define ABSENT	UINT64_C(0x18000)
#define ROM	UINT64_C(0x20000)
#define OUT	UINT64_C(0x21000)
#define HOLE	UINT64_C(0x23000)
#define ONLY_R	UINT64_C(0x24000)
#define ONLY_W	UINT64_C(0x25000)
#define LINE	UINT64_C(0x30000)
#define EDGE	UINT64_C(0xfedff000)
#define IRQ	UINT64_C(0xfee00000)
#define RID	0x10U
#define BIG	(8 * PAGE)

static const struct {
	uint64_t iova, gpa, pages, bits;
	bool back;
} mappings[] = {
	{ BACK, MEMORY, 8, 3, true },	 { ROM, ROM_GPA, 1, 3, false },
	{ OUT, OUTSIDE, 2, 3, false },	 { HOLE, UINT64_C(0x40000000), 1, 3, false },
	{ ONLY_R, MEMORY, 1, 1, false }, { ONLY_W, MEMORY + PAGE, 1, 2, false },
	{ LINE, MEMORY, 4, 3, false },	 { EDGE, MEMORY + 2 * PAGE, 1, 3, false },
};

struct world {
	struct guest g;
	uint64_t root;
	struct viommu_device *device;
	struct viommu_channel *channel;
};

static struct world world;

static void add_region(struct guest *g, uint64_t gpa, uint64_t pages, uint32_t flags)
{
	struct viommu_region region = { .size = sizeof(region),
					.flags = flags,
					.gpa = gpa,
					.bytes = pages * PAGE,
					.host = guest_at(g, gpa) };

	assert_int_equal(viommu_vm_add_region(g->vm, &region), VIOMMU_OK);
}

static struct world *open_world(void)
{
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	guest_init(&w->g, GUEST_CALLBACKS, PAGES);
	add_region(&w->g, MEMORY, 8, 0);
	add_region(&w->g, ROM_GPA, 2, VIOMMU_REGION_READONLY);
	guest_vtd(&w->g, GUEST_CAP, GUEST_ECAP_LEGACY);
	w->root = guest_table(&w->g);
	for (unsigned i = 0; i < ARRAY_COUNT(mappings); i++) {
		for (uint64_t n = 0; n < mappings[i].pages; n++) {
			uint64_t to = mappings[i].back ? mappings[i].pages - 1 - n : n;

			guest_ss_map(&w->g, w->root, 4, mappings[i].iova + n * PAGE,
				     mappings[i].gpa + to * PAGE, 12, mappings[i].bits);
		}
	}
	guest_legacy(&w->g, RID, 7, w->root, 4);
	guest_start(&w->g, VTD_TTM_LEGACY);
	w->device = guest_device(&w->g, RID);
	w->channel = guest_channel(&w->g, w->device, VIOMMU_NO_PASID);
	return w;
}

static void close_world(struct world *w)
{
	guest_fini(&w->g);
}

/* ---- what it has to come to ---- */

static uint64_t gpa_of(uint64_t iova)
{
	for (unsigned i = 0; i < ARRAY_COUNT(mappings); i++) {
		uint64_t n = (iova - mappings[i].iova) / PAGE;

		if (iova >= mappings[i].iova && n < mappings[i].pages)
			return mappings[i].gpa + iova % PAGE +
			       (mappings[i].back ? mappings[i].pages - 1 - n : n) * PAGE;
	}
	fail_msg("no mapping of 0x%llx", (unsigned long long)iova);
	return 0;
}

static uint8_t *at(struct world *w, uint64_t iova)
{
	return guest_at(&w->g, gpa_of(iova));
}

static void fill(struct world *w, unsigned seed)
{
	uint8_t *from = guest_at(&w->g, MEMORY);

	for (uint64_t i = 0; i < 32 * PAGE; i++)
		from[i] = (uint8_t)(i * 7 + (i >> 8) + (i >> 12) * 3 + seed);
}

/* ---- ways to do it ---- */

enum way { IN_CHANNEL, IN_SECTION, IN_DEVICE, WAYS };

static const char *const way_names[] = { "channel", "channel, section open", "device" };

static int do_read(struct world *w, enum way way, uint64_t iova, void *to, uint64_t bytes,
		   uint64_t *done)
{
	return way == IN_DEVICE ? viommu_device_dma_read(w->device, VIOMMU_NO_PASID, iova, to,
							 bytes, 0, done)
				: viommu_dma_read(w->channel, iova, to, bytes, 0, done);
}

static int do_write(struct world *w, enum way way, uint64_t iova, const void *from, uint64_t bytes,
		    uint64_t *done)
{
	return way == IN_DEVICE ? viommu_device_dma_write(w->device, VIOMMU_NO_PASID, iova, from,
							  bytes, 0, done)
				: viommu_dma_write(w->channel, iova, from, bytes, 0, done);
}

static int do_load(struct world *w, enum way way, uint64_t iova, uint32_t bytes, uint64_t *value)
{
	return way == IN_DEVICE
		       ? viommu_device_dma_load(w->device, VIOMMU_NO_PASID, iova, bytes, 0, value)
		       : viommu_dma_load(w->channel, iova, bytes, 0, value);
}

static int do_store(struct world *w, enum way way, uint64_t iova, uint32_t bytes, uint64_t value)
{
	return way == IN_DEVICE
		       ? viommu_device_dma_store(w->device, VIOMMU_NO_PASID, iova, bytes, 0, value)
		       : viommu_dma_store(w->channel, iova, bytes, 0, value);
}

static int do_swap(struct world *w, enum way way, uint64_t iova, uint32_t bytes, uint64_t *expected,
		   uint64_t desired)
{
	return way == IN_DEVICE ? viommu_device_dma_cmpxchg(w->device, VIOMMU_NO_PASID, iova, bytes,
							    0, expected, desired)
				: viommu_dma_cmpxchg(w->channel, iova, bytes, 0, expected, desired);
}

static int do_map(struct world *w, enum way way, uint64_t iova, uint64_t bytes, uint32_t access,
		  struct viommu_mapping *map)
{
	return way == IN_DEVICE
		       ? viommu_device_dma_map(w->device, VIOMMU_NO_PASID, iova, bytes, access, map)
		       : viommu_dma_map(w->channel, iova, bytes, access, map);
}

static void begin_way(struct world *w, enum way way)
{
	if (way == IN_SECTION)
		assert_int_equal(viommu_enter(w->channel), VIOMMU_OK);
}

static void end_way(struct world *w, enum way way)
{
	if (way == IN_SECTION)
		assert_int_equal(viommu_leave(w->channel), VIOMMU_OK);
	/* its own section is closed again */
	else
		assert_int_equal(viommu_leave(w->channel), VIOMMU_EINVAL);
}

/* ---- bytes ---- */

enum { READS = 1, WRITES = 2, BOTH = 3 };

static const struct {
	const char *name;
	unsigned which;
	uint64_t iova, bytes;
	int result;
	uint64_t done;
	unsigned faults;
} rows[] = {
	{ "a word", BOTH, BACK, 8, VIOMMU_OK, 8, 0 },
	{ "the first byte of a page", BOTH, BACK + PAGE, 1, VIOMMU_OK, 1, 0 },
	{ "the last byte of a page", BOTH, BACK + PAGE - 1, 1, VIOMMU_OK, 1, 0 },
	{ "the last word of a page", BOTH, BACK + PAGE - 8, 8, VIOMMU_OK, 8, 0 },
	{ "a word across pages", BOTH, BACK + PAGE - 4, 8, VIOMMU_OK, 8, 0 },
	{ "two bytes across pages", BOTH, BACK + PAGE - 1, 2, VIOMMU_OK, 2, 0 },
	{ "a word that is not aligned", BOTH, BACK + 3, 8, VIOMMU_OK, 8, 0 },
	{ "half a word that is not aligned", BOTH, BACK + 2, 4, VIOMMU_OK, 4, 0 },
	{ "two bytes that are not aligned", BOTH, BACK + 5, 2, VIOMMU_OK, 2, 0 },
	{ "seven bytes", BOTH, BACK + 1, 7, VIOMMU_OK, 7, 0 },
	{ "a page", BOTH, BACK + PAGE, PAGE, VIOMMU_OK, PAGE, 0 },
	{ "pages that are not neighbours", BOTH, BACK, BIG, VIOMMU_OK, BIG, 0 },
	{ "from the middle to the middle", BOTH, BACK + 0x123, 5 * PAGE, VIOMMU_OK, 5 * PAGE, 0 },
	{ "neighbours", BOTH, LINE + 1, 4 * PAGE - 2, VIOMMU_OK, 4 * PAGE - 2, 0 },
	{ "nothing, anywhere", BOTH, ABSENT, 0, VIOMMU_OK, 0, 0 },
	{ "absent", BOTH, ABSENT, 8, VIOMMU_FAULT, 0, 1 },
	{ "into what is absent", BOTH, ABSENT - 0x18, 0x30, VIOMMU_FAULT, 0x18, 1 },
	{ "a word into what is absent", BOTH, ABSENT - 4, 8, VIOMMU_FAULT, 4, 1 },
	{ "eight pages, then absent", BOTH, BACK, BIG + 1, VIOMMU_FAULT, BIG, 1 },
	{ "read-only", READS, ONLY_R + 8, 8, VIOMMU_OK, 8, 0 },
	{ "read-only", WRITES, ONLY_R + 8, 8, VIOMMU_FAULT, 0, 1 },
	{ "write-only", WRITES, ONLY_W + 8, 8, VIOMMU_OK, 8, 0 },
	{ "write-only", READS, ONLY_W + 8, 8, VIOMMU_FAULT, 0, 1 },
	{ "read-only, then write-only", READS, ONLY_W - 8, 16, VIOMMU_FAULT, 8, 1 },
	{ "ROM", READS, ROM + 8, 16, VIOMMU_OK, 16, 0 },
	{ "ROM", WRITES, ROM + 8, 16, VIOMMU_UNREACHABLE, 0, 0 },
	{ "ROM, then behind the callbacks", READS, OUT - 8, 16, VIOMMU_OK, 16, 0 },
	{ "ROM, then behind the callbacks", WRITES, OUT - 8, 16, VIOMMU_UNREACHABLE, 0, 0 },
	{ "behind the callbacks", BOTH, OUT + 8, 4, VIOMMU_OK, 4, 0 },
	{ "behind them, across pages", BOTH, OUT + PAGE - 45, 90, VIOMMU_OK, 90, 0 },
	{ "from behind them into a hole", BOTH, HOLE - 0x13, 0x20, VIOMMU_UNREACHABLE, 0x13, 0 },
	{ "a hole", BOTH, HOLE, 8, VIOMMU_UNREACHABLE, 0, 0 },
	{ "before interrupts", BOTH, IRQ - 8, 8, VIOMMU_OK, 8, 0 },
	{ "an interrupt", WRITES, IRQ, 4, VIOMMU_INTERRUPT, 0, 0 },
	{ "into the addresses of interrupts", WRITES, IRQ - 8, 16, VIOMMU_INTERRUPT, 8, 0 },
	{ "beyond the address width", BOTH, UINT64_C(1) << 60, 8, VIOMMU_FAULT, 0, 1 },
	{ "over the end of the address space", BOTH, UINT64_MAX - 3, 8, VIOMMU_UNREACHABLE, 0, 0 },
};

static uint8_t buffer[BIG + 2], before[32 * PAGE], told[32 * PAGE];

static void check_read(struct world *w, const char *row, uint64_t iova, uint64_t done)
{
	for (uint64_t i = 0; i < done; i++)
		check_eq(row, buffer[i], *at(w, iova + i));
	check_eq(row, buffer[done], 0xee);
	check_eq(row, w->g.count[GUEST_ON_DIRTY], 0);
}

/* Exactly the bytes that are done have changed, and have been reported. */
static void check_write(struct world *w, const char *row, uint64_t iova, uint64_t done)
{
	uint8_t *now = guest_at(&w->g, MEMORY);

	assert_in_range(w->g.count[GUEST_ON_DIRTY], 0, GUEST_LOG);
	memset(told, 0, sizeof(told));
	for (unsigned i = 0; i < w->g.count[GUEST_ON_DIRTY]; i++)
		memset(told + (w->g.dirty[i].gpa - MEMORY), 1, w->g.dirty[i].bytes);
	for (uint64_t i = 0; i < done; i++) {
		uint64_t offset = gpa_of(iova + i) - MEMORY;

		check_eq(row, now[offset], buffer[i]);
		check_eq(row, told[offset], 1);
		told[offset] = 0;
		before[offset] = now[offset];
	}
	for (uint64_t i = 0; i < sizeof(told); i++)
		check_eq(row, told[i], 0);
	assert_memory_equal(now, before, sizeof(before));
}

static void one_row(struct world *w, unsigned i, unsigned which, enum way way, unsigned turn)
{
	uint64_t done = 77;
	char row[128];
	int result;

	snprintf(row, sizeof(row), "%s, %s, %s, time %u", rows[i].name,
		 which == READS ? "read" : "write", way_names[way], turn);
	fill(w, turn);
	memcpy(before, guest_at(&w->g, MEMORY), sizeof(before));
	w->g.count[GUEST_ON_DIRTY] = 0;
	begin_way(w, way);
	if (which == READS) {
		memset(buffer, 0xee, sizeof(buffer));
		result = do_read(w, way, rows[i].iova, buffer, rows[i].bytes, &done);
	} else {
		for (uint64_t n = 0; n < sizeof(buffer); n++)
			buffer[n] = (uint8_t)(n * 11 + turn + 5);
		result = do_write(w, way, rows[i].iova, buffer, rows[i].bytes, &done);
	}
	end_way(w, way);
	check_eq(row, result, rows[i].result);
	check_eq(row, done, rows[i].done);
	check_eq(row, guest_take_faults(&w->g), rows[i].faults);
	if (which == READS)
		check_read(w, row, rows[i].iova, done);
	else
		check_write(w, row, rows[i].iova, done);
}

/* Each in a new world, and again when it is cached. */
static void test_bytes(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		for (unsigned n = 0; n < 2 * WAYS; n++) {
			unsigned which = n % 2 ? WRITES : READS;
			struct world *w;

			if (!(rows[i].which & which))
				continue;
			w = open_world();
			for (unsigned turn = 0; turn < 3; turn++)
				one_row(w, i, which, (enum way)(n / 2), turn);
			close_world(w);
		}
	}
}

/* At every place of a page's end, and every length. */
static void test_borders(void **state)
{
	struct world *w = open_world();

	fill(w, 1);
	for (enum way way = 0; way < WAYS; way++) {
		begin_way(w, way);
		for (uint64_t bytes = 1; bytes <= 33; bytes++) {
			for (uint64_t first = 0; first <= 34; first++) {
				uint64_t iova = BACK + 2 * PAGE - 17 + first;
				uint64_t done;

				w->g.count[GUEST_ON_DIRTY] = 0;
				memset(buffer, 0xee, bytes + 1);
				assert_int_equal(do_read(w, way, iova, buffer, bytes, &done),
						 VIOMMU_OK);
				assert_int_equal(done, bytes);
				check_read(w, "border", iova, done);
				for (uint64_t i = 0; i < bytes; i++)
					buffer[i] = (uint8_t)~buffer[i];
				memcpy(before, guest_at(&w->g, MEMORY), sizeof(before));
				assert_int_equal(do_write(w, way, iova, buffer, bytes, &done),
						 VIOMMU_OK);
				check_write(w, "border", iova, done);
			}
		}
		end_way(w, way);
	}
	close_world(w);
}

/* The callbacks get pieces that are naturally aligned, and at most 64 bytes. */
static struct piece {
	uint64_t gpa;
	uint32_t bytes;
} seen[64];
static unsigned seen_count;

static void see_piece(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	(void)opaque;
	(void)bytes;
	if (gpa < OUTSIDE) /* tables */
		return;
	assert_in_range(seen_count, 0, ARRAY_COUNT(seen) - 1);
	seen[seen_count++] = (struct piece){ gpa, count };
}

static void test_pieces(void **state)
{
	static const struct piece expected[] = { { OUTSIDE + 1, 1 },   { OUTSIDE + 2, 2 },
						 { OUTSIDE + 4, 4 },   { OUTSIDE + 8, 8 },
						 { OUTSIDE + 16, 16 }, { OUTSIDE + 32, 32 },
						 { OUTSIDE + 64, 64 }, { OUTSIDE + 128, 4 },
						 { OUTSIDE + 132, 1 } };
	struct world *w = open_world();
	uint64_t value;

	w->g.alter = see_piece;
	seen_count = 0;
	assert_int_equal(viommu_dma_read(w->channel, OUT + 1, buffer, 132, 0, NULL), VIOMMU_OK);
	assert_int_equal(seen_count, ARRAY_COUNT(expected));
	for (unsigned i = 0; i < seen_count; i++) {
		assert_int_equal(seen[i].gpa, expected[i].gpa);
		assert_int_equal(seen[i].bytes, expected[i].bytes);
	}
	for (uint32_t bytes = 1; bytes <= 8; bytes *= 2) { /* a word is one access */
		seen_count = 0;
		assert_int_equal(viommu_dma_load(w->channel, OUT + 16 + bytes, bytes, 0, &value),
				 VIOMMU_OK);
		assert_int_equal(seen_count, 1);
		assert_int_equal(seen[0].bytes, bytes);
	}
	close_world(w);
}

/* ---- words ---- */

static void test_words(void **state)
{
	static const uint64_t places[] = { BACK + 0x40,	    BACK + PAGE - 8, OUT + 0x40, LINE + 8,
					   BACK + PAGE - 3, BACK + 0x41,     OUT + 1 };
	struct world *w = open_world();

	fill(w, 3);
	for (enum way way = 0; way < WAYS; way++) {
		begin_way(w, way);
		for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
			for (uint32_t bytes = 1; bytes <= 8; bytes *= 2) {
				uint64_t word = UINT64_C(0x8877665544332211) * (i + 1);
				uint64_t value = 1;

				assert_int_equal(do_store(w, way, places[i], bytes, word),
						 VIOMMU_OK);
				for (unsigned b = 0; b < bytes; b++)
					assert_int_equal(*at(w, places[i] + b),
							 (uint8_t)(word >> 8 * b));
				assert_int_equal(do_load(w, way, places[i], bytes, &value),
						 VIOMMU_OK);
				assert_int_equal(value, word & bits_low(8 * bytes));
			}
		}
		end_way(w, way);
	}
	close_world(w);
}

/* What is refused leaves the caller's word as it was. */
static void test_words_refused(void **state)
{
	static const struct {
		const char *name;
		uint64_t iova;
		int load, store, swap;
	} refused[] = {
		{ "absent", ABSENT, VIOMMU_FAULT, VIOMMU_FAULT, VIOMMU_FAULT },
		{ "read-only", ONLY_R, VIOMMU_OK, VIOMMU_FAULT, VIOMMU_FAULT },
		{ "write-only", ONLY_W, VIOMMU_FAULT, VIOMMU_OK, VIOMMU_FAULT },
		{ "ROM", ROM, VIOMMU_OK, VIOMMU_UNREACHABLE, VIOMMU_UNREACHABLE },
		{ "hole", HOLE, VIOMMU_UNREACHABLE, VIOMMU_UNREACHABLE, VIOMMU_UNREACHABLE },
	};

	for (unsigned i = 0; i < ARRAY_COUNT(refused); i++) {
		for (enum way way = 0; way < WAYS; way++) {
			struct world *w = open_world();
			uint64_t value = 0x1234;
			const char *row = refused[i].name;

			check_eq(row, do_load(w, way, refused[i].iova, 8, &value), refused[i].load);
			check_eq(row, guest_take_faults(&w->g), refused[i].load == VIOMMU_FAULT);
			if (refused[i].load)
				check_eq(row, value, 0x1234);
			check_eq(row, do_store(w, way, refused[i].iova, 8, value),
				 refused[i].store);
			check_eq(row, guest_take_faults(&w->g), refused[i].store == VIOMMU_FAULT);
			value = 0x1234;
			check_eq(row, do_swap(w, way, refused[i].iova, 8, &value, 5),
				 refused[i].swap);
			check_eq(row, value, 0x1234);
			check_eq(row, guest_take_faults(&w->g), refused[i].swap == VIOMMU_FAULT);
			close_world(w);
		}
	}
}

static void test_interrupts(void **state)
{
	struct world *w = open_world();

	for (enum way way = 0; way < WAYS; way++)
		assert_int_equal(do_store(w, way, IRQ + 0x30, 4, 0x41), VIOMMU_INTERRUPT);
	assert_int_equal(w->g.count[GUEST_ON_WRITE], 0);
	assert_int_equal(w->g.count[GUEST_ON_DIRTY], 0);
	assert_int_equal(guest_take_faults(&w->g), 0);
	close_world(w);
}

static void put(struct world *w, uint64_t iova, uint32_t bytes, uint64_t word)
{
	uint64_t raw = htole64(word);

	memcpy(at(w, iova), &raw, bytes);
}

static uint64_t get(struct world *w, uint64_t iova, uint32_t bytes)
{
	uint64_t raw = 0;

	memcpy(&raw, at(w, iova), bytes);
	return le64toh(raw);
}

static void test_swap(void **state)
{
	static const uint64_t places[] = { BACK + 0x40, BACK + PAGE - 8, OUT + 0x40 };
	struct world *w = open_world();

	for (enum way way = 0; way < WAYS; way++) {
		begin_way(w, way);
		for (unsigned n = 0; n < 2 * ARRAY_COUNT(places); n++) {
			uint32_t bytes = n % 2 ? 4 : 8;
			uint64_t iova = places[n / 2], mask = bits_low(8 * bytes);
			uint64_t value = UINT64_C(0xa1a2a3a4a5a6a7a8);
			uint64_t beyond = bytes == 4 ? 0x77665544 : 0;

			put(w, iova, 8, (value & mask) | beyond << 32);
			w->g.count[GUEST_ON_DIRTY] = 0;
			assert_int_equal(do_swap(w, way, iova, bytes, &value,
						 UINT64_C(0x1112131415161718)),
					 VIOMMU_OK);
			assert_int_equal(value & mask, UINT64_C(0xa1a2a3a4a5a6a7a8) & mask);
			assert_int_equal(get(w, iova, bytes), UINT64_C(0x1112131415161718) & mask);
			assert_int_equal(w->g.count[GUEST_ON_DIRTY], 1);
			assert_int_equal(w->g.dirty[0].gpa, gpa_of(iova));
			assert_int_equal(w->g.dirty[0].bytes, bytes);
			value = 3;
			assert_int_equal(do_swap(w, way, iova, bytes, &value, 4), VIOMMU_OK);
			assert_int_equal(value, UINT64_C(0x1112131415161718) & mask);
			assert_int_equal(get(w, iova, bytes), value);
			assert_int_equal(w->g.count[GUEST_ON_DIRTY], 1);
			if (bytes == 4)
				assert_int_equal(get(w, iova + 4, 4), beyond);
		}
		end_way(w, way);
	}
	assert_int_equal(w->g.count[GUEST_ON_SWAP], 2 * WAYS);
	close_world(w);
}

/* The VM's own compare-and-swap of any width, and its regions. */
static unsigned swaps, swapped_bytes;
static void *dirty_of;

static int swap_any(void *opaque, uint64_t gpa, void *expected, const void *desired, uint32_t bytes)
{
	struct guest *g = opaque;
	void *word = guest_at(g, gpa);
	uint8_t found[8];

	swaps++;
	swapped_bytes = bytes;
	memcpy(found, word, bytes);
	if (memcmp(found, expected, bytes) == 0)
		memcpy(word, desired, bytes);
	memcpy(expected, found, bytes);
	return 0;
}

static void note_region(void *opaque, void *region, uint64_t gpa, uint64_t bytes)
{
	struct guest *g = opaque;

	(void)gpa;
	(void)bytes;
	g->count[GUEST_ON_DIRTY]++;
	dirty_of = region;
}

static void test_vm_callbacks(void **state)
{
	const uint64_t outside = GUEST_BASE + 8, inside_region = GUEST_BASE + 4 * PAGE;
	struct viommu_region region = {
		.size = sizeof(region), .gpa = inside_region, .bytes = PAGE, .opaque = &dirty_of
	};
	struct viommu_device *device;
	struct viommu_channel *channel;
	struct viommu_vm *vm;
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 16);
	g.vm_config.swap = swap_any;
	g.vm_config.dirty_region = note_region;
	assert_int_equal(viommu_vm_new(&g.vm_config, &vm), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(g.vm), VIOMMU_OK);
	g.vm = vm;
	region.host = guest_at(&g, inside_region);
	assert_int_equal(viommu_vm_add_region(vm, &region), VIOMMU_OK);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	device = guest_device(&g, RID);
	channel = guest_channel(&g, device, VIOMMU_NO_PASID);
	swaps = 0;
	for (uint32_t bytes = 4; bytes <= 8; bytes += 4) {
		uint64_t value = 5;

		g.count[GUEST_ON_DIRTY] = 0;
		guest_put64(&g, outside, UINT64_C(0x7777777700000000));
		if (bytes == 8)
			guest_put64(&g, outside, 0);
		for (unsigned i = 0; i < 2; i++) /* the second time it is what was found */
			assert_int_equal(viommu_dma_cmpxchg(channel, outside, bytes, 0, &value, 9),
					 VIOMMU_OK);
		assert_int_equal(value, 0);
		assert_int_equal(swapped_bytes, bytes);
		assert_int_equal(guest_get64(&g, outside),
				 bytes == 8 ? 9 : UINT64_C(0x7777777700000009));
		assert_int_equal(g.count[GUEST_ON_DIRTY], 1);
		assert_null(dirty_of);
	}
	assert_int_equal(swaps, 4);
	for (unsigned i = 0; i < 3; i++) { /* from the tables, and from the caches */
		dirty_of = NULL;
		assert_int_equal(viommu_dma_store(channel, inside_region + 8, 8, 0, 1), VIOMMU_OK);
		assert_ptr_equal(dirty_of, &dirty_of);
		dirty_of = NULL;
		assert_int_equal(viommu_device_dma_store(device, VIOMMU_NO_PASID, inside_region, 4,
							 0, 1),
				 VIOMMU_OK);
		assert_ptr_equal(dirty_of, &dirty_of);
	}
	guest_fini(&g);
}

/* ---- misuse ---- */

static void test_misuse(void **state)
{
	struct world *w = open_world();
	struct viommu_channel *c = w->channel;
	struct viommu_device *d = w->device;
	uint64_t value = 0, done;
	struct viommu_section section = { 0 }, bad = { d, 99 };
	const int results[] = {
		viommu_dma_read(NULL, BACK, buffer, 8, 0, &done),
		viommu_dma_read(c, BACK, NULL, 8, 0, &done),
		viommu_dma_read(c, BACK, buffer, 8, VIOMMU_WRITE, &done),
		viommu_dma_read(c, BACK, buffer, 8, 16, &done),
		viommu_dma_write(NULL, BACK, buffer, 8, 0, &done),
		viommu_dma_write(c, BACK, NULL, 8, 0, &done),
		viommu_dma_write(c, BACK, buffer, 8, VIOMMU_EXEC, &done),
		viommu_dma_load(c, BACK, 3, 0, &value),
		viommu_dma_load(c, BACK, 0, 0, &value),
		viommu_dma_load(c, BACK, 16, 0, &value),
		viommu_dma_load(c, BACK, 8, 0, NULL),
		viommu_dma_store(c, BACK, 5, 0, 0),
		viommu_dma_store(NULL, BACK, 8, 0, 0),
		viommu_dma_cmpxchg(c, BACK + 4, 8, 0, &value, 0),
		viommu_dma_cmpxchg(c, BACK + 2, 4, 0, &value, 0),
		viommu_dma_cmpxchg(c, BACK, 2, 0, &value, 0),
		viommu_dma_cmpxchg(c, BACK, 8, 0, NULL, 0),
		viommu_dma_cmpxchg(c, BACK, 8, VIOMMU_EXEC, &value, 0),
		viommu_dma_cmpxchg(NULL, BACK, 8, 0, &value, 0),
		viommu_device_dma_read(NULL, VIOMMU_NO_PASID, BACK, buffer, 8, 0, &done),
		viommu_device_dma_read(d, 1U << 20, BACK, buffer, 8, 0, &done),
		viommu_device_dma_write(d, 1U << 20, BACK, buffer, 8, 0, &done),
		viommu_device_dma_write(d, VIOMMU_NO_PASID, BACK, NULL, 8, 0, &done),
		viommu_device_dma_load(d, 1U << 20, BACK, 8, 0, &value),
		viommu_device_dma_load(d, VIOMMU_NO_PASID, BACK, 8, 0, NULL),
		viommu_device_dma_store(d, VIOMMU_NO_PASID, BACK, 6, 0, 0),
		viommu_device_dma_cmpxchg(d, 1U << 20, BACK, 8, 0, &value, 0),
		viommu_device_dma_cmpxchg(NULL, VIOMMU_NO_PASID, BACK, 8, 0, &value, 0),
		viommu_device_enter(NULL, &section),
		viommu_device_enter(d, NULL),
		viommu_device_leave(NULL),
		viommu_device_leave(&section),
		viommu_device_leave(&bad),
		viommu_dma_unmap(NULL, 0),
	};

	for (unsigned i = 0; i < ARRAY_COUNT(results); i++)
		check_eq("misuse", results[i], VIOMMU_EINVAL);
	assert_int_equal(guest_take_faults(&w->g), 0);
	close_world(w);
}

/* ---- from inside the callbacks ---- */

static struct world *inside;
static int inner[6];

static void again(void *opaque, enum guest_event event)
{
	uint64_t value;

	(void)opaque;
	if (event != GUEST_ON_DIRTY || !inside)
		return;
	inside = NULL;
	inner[0] = viommu_dma_load(world.channel, BACK, 8, 0, &value);
	inner[1] = viommu_device_dma_load(world.device, VIOMMU_NO_PASID, BACK, 8, 0, &value);
	inner[2] = viommu_enter(world.channel);
	inner[3] = viommu_leave(world.channel);
	inner[4] = guest_channel_dma(world.channel, VIOMMU_NO_PASID, ABSENT, VIOMMU_READ).result;
	inner[5] = inner[0] == VIOMMU_EBUSY ? viommu_channel_free(world.channel) : VIOMMU_EBUSY;
}

static void test_inside_dirty(void **state)
{
	for (enum way way = 0; way < WAYS; way++) {
		const struct world *in_channel = way == IN_DEVICE ? NULL : &world;
		struct world *w = open_world();

		w->g.hook = again;
		inside = w;
		begin_way(w, way);
		assert_int_equal(do_store(w, way, BACK, 8, 1), VIOMMU_OK);
		end_way(w, way);
		assert_null(inside);
		assert_int_equal(inner[0], in_channel ? VIOMMU_EBUSY : VIOMMU_OK);
		assert_int_equal(inner[1], VIOMMU_OK);
		if (in_channel) {
			assert_int_equal(inner[2], VIOMMU_EBUSY);
			assert_int_equal(inner[3], VIOMMU_EINVAL);
			assert_int_equal(inner[4], VIOMMU_EBUSY);
			assert_int_equal(inner[5], VIOMMU_EBUSY);
		}
		w->g.hook = NULL;
		close_world(w);
	}
}

/* ---- sections ---- */

/* An invalidation of everything, and a wait: whether it is complete. */
static bool invalidate(struct world *w)
{
	guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_GLOBAL, 0), 0, 0, 0);
	guest_submit_wait(&w->g);
	if (guest_ring(&w->g) != VIOMMU_OK)
		return false;
	assert_true(guest_waited(&w->g));
	return true;
}

/* From inside the callback of its store, a DMA holds back a completion. */
static bool complete_inside;

static void invalidate_inside(void *opaque, enum guest_event event)
{
	(void)opaque;
	if (event != GUEST_ON_DIRTY || !inside)
		return;
	inside = NULL;
	complete_inside = invalidate(&world);
}

static void test_holds_back(void **state)
{
	for (enum way way = 0; way < WAYS; way++) {
		struct world *w = open_world();

		assert_int_equal(do_store(w, way, BACK, 8, 1), VIOMMU_OK);
		w->g.hook = invalidate_inside;
		inside = w;
		begin_way(w, way);
		complete_inside = true;
		assert_int_equal(do_store(w, way, BACK, 8, 1), VIOMMU_OK);
		assert_false(complete_inside);
		end_way(w, way);
		assert_true(w->g.count[GUEST_ON_WORK] > 0);
		assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
		w->g.hook = NULL;
		close_world(w);
	}
}

static void test_device_section(void **state)
{
	struct world *w = open_world();
	struct viommu_section a = { 0 }, b = { 0 };

	assert_true(invalidate(w));
	assert_int_equal(viommu_device_enter(w->device, &a), VIOMMU_OK);
	assert_int_equal(viommu_device_enter(w->device, &a), VIOMMU_EBUSY);
	assert_int_equal(guest_dma(w->device, BACK, VIOMMU_READ).result, VIOMMU_OK);
	assert_false(invalidate(w));
	assert_int_equal(viommu_device_enter(w->device, &b), VIOMMU_OK);
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_PENDING);
	w->g.count[GUEST_ON_WORK] = 0;
	assert_int_equal(viommu_device_leave(&a), VIOMMU_OK);
	assert_int_equal(w->g.count[GUEST_ON_WORK], 1);
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK); /* b is younger */
	assert_int_equal(viommu_device_leave(&a), VIOMMU_EINVAL);
	assert_int_equal(viommu_channel_free(w->channel), VIOMMU_OK);
	w->g.channels = 0;
	assert_int_equal(viommu_device_free(w->device), VIOMMU_EBUSY);
	assert_int_equal(viommu_free(w->g.iommu), VIOMMU_EBUSY);
	assert_int_equal(viommu_device_leave(&b), VIOMMU_OK);
	close_world(w);
}

enum { MANY = 10000 };

static struct viommu_section many[MANY];
static struct viommu_mapping maps[MANY];
static struct viommu_part parts[MANY];
static uint64_t gpas[MANY];

/* 10,000 at once: the 64 visitors are nobody's, and completions are those of others at once. */
static void test_many_sections(void **state)
{
	struct world *w = open_world();

	memset(many, 0, sizeof(many));
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(viommu_device_enter(w->device, &many[i]), VIOMMU_OK);
	assert_int_equal(atomic_load(&w->g.iommu->epoch.used), 0);
	assert_false(invalidate(w));
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(w->g.count[GUEST_ON_WORK], 0);
		assert_int_equal(viommu_device_leave(&many[i]), VIOMMU_OK);
	}
	assert_int_equal(w->g.count[GUEST_ON_WORK], 1);
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
	close_world(w);
}

/* ---- maps ---- */

static struct viommu_mapping new_map(unsigned first, uint32_t max)
{
	return (struct viommu_mapping){ .parts = &parts[first], .gpas = &gpas[first], .max = max };
}

static const struct {
	const char *name;
	uint64_t iova, bytes;
	uint32_t access, max;
	int result;
	uint64_t mapped;
	uint32_t count;
	unsigned faults;
} map_rows[] = {
	{ "a byte", BACK + 5, 1, VIOMMU_READ, 4, VIOMMU_OK, 1, 1, 0 },
	{ "a page", BACK, PAGE, VIOMMU_READ | VIOMMU_WRITE, 4, VIOMMU_OK, PAGE, 1, 0 },
	{ "neighbours are one part", LINE + 3, 3 * PAGE, VIOMMU_READ, 1, VIOMMU_OK, 3 * PAGE, 1,
	  0 },
	{ "others are not", BACK + 3, 3 * PAGE, VIOMMU_WRITE, 4, VIOMMU_OK, 3 * PAGE, 4, 0 },
	{ "no room", BACK + 3, 3 * PAGE, VIOMMU_READ, 3, VIOMMU_MORE, 3 * PAGE - 3, 3, 0 },
	{ "room for one", BACK, BIG, VIOMMU_READ, 1, VIOMMU_MORE, PAGE, 1, 0 },
	{ "into what is absent", ABSENT - 9, 20, VIOMMU_READ, 4, VIOMMU_FAULT, 9, 1, 1 },
	{ "absent", ABSENT, 20, VIOMMU_READ, 4, VIOMMU_FAULT, 0, 0, 1 },
	{ "read-only", ONLY_R, 20, VIOMMU_WRITE, 4, VIOMMU_FAULT, 0, 0, 1 },
	{ "ROM for reading", ROM, 20, VIOMMU_READ, 4, VIOMMU_OK, 20, 1, 0 },
	{ "ROM for writing", ROM, 20, VIOMMU_WRITE, 4, VIOMMU_UNREACHABLE, 0, 0, 0 },
	{ "behind the callbacks", OUT, 20, VIOMMU_READ, 4, VIOMMU_UNREACHABLE, 0, 0, 0 },
	{ "ROM, then behind them", OUT - 4, 20, VIOMMU_READ, 4, VIOMMU_UNREACHABLE, 4, 1, 0 },
	{ "interrupts", IRQ - 4, 8, VIOMMU_WRITE, 4, VIOMMU_INTERRUPT, 4, 1, 0 },
	{ "over the end", UINT64_MAX, 2, VIOMMU_READ, 4, VIOMMU_UNREACHABLE, 0, 0, 0 },
};

static void one_map(struct world *w, unsigned i, enum way way)
{
	const char *row = map_rows[i].name;
	struct viommu_mapping map = new_map(0, map_rows[i].max);
	uint64_t iova = map_rows[i].iova, sum = 0;

	memset(gpas, 0xee, sizeof(gpas));
	check_eq(row, do_map(w, way, iova, map_rows[i].bytes, map_rows[i].access, &map),
		 map_rows[i].result);
	check_eq(row, map.bytes, map_rows[i].mapped);
	check_eq(row, map.count, map_rows[i].count);
	check_eq(row, guest_take_faults(&w->g), map_rows[i].faults);
	check_eq(row, gpas[map.count], UINT64_C(0xeeeeeeeeeeeeeeee));
	for (unsigned n = 0; n < map.count; n++) {
		check_eq(row, (uintptr_t)parts[n].base, (uintptr_t)at(w, iova + sum));
		check_eq(row, gpas[n], gpa_of(iova + sum));
		sum += parts[n].bytes;
	}
	check_eq(row, sum, map.bytes);
	check_eq(row, w->g.count[GUEST_ON_DIRTY], 0);
	/* it holds back what is younger, while something is mapped */
	check_eq(row, invalidate(w), map.bytes == 0);
	w->g.count[GUEST_ON_DIRTY] = 0;
	check_eq(row, viommu_dma_unmap(&map, 0), VIOMMU_OK);
	check_eq(row, w->g.count[GUEST_ON_DIRTY], 0);
	check_eq(row, viommu_run(w->g.iommu), VIOMMU_OK);
	check_eq(row, viommu_dma_unmap(&map, 0), VIOMMU_OK);
}

static void test_map(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(map_rows); i++) {
		for (enum way way = 0; way < WAYS; way += 2) {
			struct world *w = open_world();

			w->g.count[GUEST_ON_DIRTY] = 0;
			one_map(w, i, way);
			w->g.count[GUEST_ON_DIRTY] = 0;
			one_map(w, i, way);
			close_world(w);
		}
	}
}

/* More parts than are asked for at a time. */
static void test_map_many_parts(void **state)
{
	enum { HERE = 100 };
	struct world *w = open_world();
	struct viommu_mapping map = new_map(0, MANY);
	uint64_t iova = UINT64_C(0x100000);

	for (unsigned i = 0; i < HERE; i++)
		guest_ss_map(&w->g, w->root, 4, iova + i * PAGE, MEMORY + i % 2 * 2 * PAGE, 12,
			     GUEST_RW);
	assert_int_equal(do_map(w, IN_CHANNEL, iova + 1, HERE * PAGE - 1, VIOMMU_READ, &map),
			 VIOMMU_OK);
	assert_int_equal(map.count, HERE);
	assert_int_equal(map.bytes, HERE * PAGE - 1);
	assert_int_equal(viommu_dma_unmap(&map, 0), VIOMMU_OK);
	close_world(w);
}

static void test_unmap_reports(void **state)
{
	struct world *w = open_world();
	struct viommu_mapping map = new_map(0, 8);

	w->g.count[GUEST_ON_DIRTY] = 0;
	assert_int_equal(do_map(w, IN_CHANNEL, BACK + PAGE - 8, 24, VIOMMU_WRITE, &map), VIOMMU_OK);
	assert_int_equal(viommu_dma_unmap(&map, 25), VIOMMU_EINVAL);
	assert_int_equal(viommu_dma_unmap(&map, 9), VIOMMU_OK);
	assert_int_equal(w->g.count[GUEST_ON_DIRTY], 2);
	assert_int_equal(w->g.dirty[0].gpa, gpa_of(BACK + PAGE - 8));
	assert_int_equal(w->g.dirty[0].bytes, 8);
	assert_int_equal(w->g.dirty[1].gpa, gpa_of(BACK + PAGE));
	assert_int_equal(w->g.dirty[1].bytes, 1);
	assert_int_equal(viommu_dma_unmap(&map, 1), VIOMMU_EINVAL);
	close_world(w);
}

static void test_map_misuse(void **state)
{
	struct world *w = open_world();
	struct viommu_mapping map = new_map(0, 4), none = new_map(0, 0), nowhere = { .max = 4 };
	struct viommu_mapping reading = { .parts = parts, .max = 4 };

	assert_int_equal(viommu_dma_map(NULL, BACK, 8, VIOMMU_READ, &map), VIOMMU_EINVAL);
	for (enum way way = 0; way < WAYS; way += 2) {
		assert_int_equal(do_map(w, way, BACK, 8, VIOMMU_READ, NULL), VIOMMU_EINVAL);
		assert_int_equal(do_map(w, way, BACK, 0, VIOMMU_READ, &map), VIOMMU_EINVAL);
		assert_int_equal(do_map(w, way, BACK, 8, 0, &map), VIOMMU_EINVAL);
		assert_int_equal(do_map(w, way, BACK, 8, VIOMMU_READ | VIOMMU_EXEC, &map),
				 VIOMMU_EINVAL);
		assert_int_equal(do_map(w, way, BACK, 8, VIOMMU_READ, &none), VIOMMU_EINVAL);
		assert_int_equal(do_map(w, way, BACK, 8, VIOMMU_READ, &nowhere), VIOMMU_EINVAL);
		assert_int_equal(do_map(w, way, BACK, 8, VIOMMU_WRITE, &reading), VIOMMU_EINVAL);
		assert_int_equal(do_map(w, way, BACK, 8, VIOMMU_READ, &reading), VIOMMU_OK);
		assert_int_equal(do_map(w, way, BACK, 8, VIOMMU_READ, &reading), VIOMMU_EBUSY);
		assert_int_equal(viommu_dma_unmap(&reading, 8), VIOMMU_EINVAL);
		assert_int_equal(viommu_dma_unmap(&reading, 0), VIOMMU_OK);
	}
	assert_int_equal(viommu_device_dma_map(w->device, 1U << 20, BACK, 8, VIOMMU_READ, &map),
			 VIOMMU_EINVAL);
	assert_true(invalidate(w));
	close_world(w);
}

/* 10,000 maps at once, that overlap; and one after the other without a gap: what is invalidated
 * meanwhile completes as soon as the older ones are gone. */
static void test_many_maps(void **state)
{
	struct world *w = open_world();

	for (unsigned i = 0; i < MANY; i++) {
		maps[i] = new_map(i, 1);
		assert_int_equal(do_map(w, i % 2 ? IN_DEVICE : IN_CHANNEL, LINE + i, 64,
					VIOMMU_READ, &maps[i]),
				 VIOMMU_OK);
	}
	assert_false(invalidate(w));
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(viommu_run(w->g.iommu), VIOMMU_PENDING);
		assert_int_equal(viommu_dma_unmap(&maps[i], 0), VIOMMU_OK);
	}
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
	assert_int_equal(do_map(w, IN_CHANNEL, LINE, 64, VIOMMU_READ, &maps[0]), VIOMMU_OK);
	for (unsigned i = 1; i < 1000; i++) {
		assert_false(invalidate(w));
		assert_int_equal(do_map(w, IN_CHANNEL, LINE, 64, VIOMMU_READ, &maps[i]), VIOMMU_OK);
		assert_int_equal(viommu_dma_unmap(&maps[i - 1], 0), VIOMMU_OK);
		assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
	}
	assert_int_equal(viommu_dma_unmap(&maps[999], 0), VIOMMU_OK);
	close_world(w);
}

/* A map lives longer than the channel that made it. */
static void test_map_without_channel(void **state)
{
	struct world *w = open_world();
	struct viommu_mapping map = new_map(0, 4);

	assert_int_equal(do_map(w, IN_CHANNEL, BACK, 64, VIOMMU_WRITE, &map), VIOMMU_OK);
	assert_int_equal(viommu_channel_free(w->channel), VIOMMU_OK);
	w->g.channels = 0;
	assert_false(invalidate(w));
	assert_int_equal(viommu_device_free(w->device), VIOMMU_EBUSY);
	assert_int_equal(viommu_dma_unmap(&map, 64), VIOMMU_OK);
	assert_int_equal(viommu_run(w->g.iommu), VIOMMU_OK);
	close_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_refused),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_vm_callbacks),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_inside_dirty),
		cmocka_unit_test(test_holds_back),
		cmocka_unit_test(test_device_section),
		cmocka_unit_test(test_many_sections),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_map_many_parts),
		cmocka_unit_test(test_unmap_reports),
		cmocka_unit_test(test_map_misuse),
		cmocka_unit_test(test_many_maps),
		cmocka_unit_test(test_map_without_channel),
	};

	return cmocka_run_group_tests_name("dma", tests, NULL, NULL);
}
