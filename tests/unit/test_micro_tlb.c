/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_micro_tlb.c - unit/channel.c: the micro-TLB of a channel, of every size (limits.channel_entries): what it
 * answers is what the tables and the regions say, whatever takes whose place in it, and at every border.
 */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "channel.h"
#include "guest.h"

/*
 *	iova			gpa
 *	PAGES		4K	SPACE + n * 4K, n: 0 .. 4095
 *	LARGE		2M	4M .. 6M	a region ends at 5M, ROM at 5M + 64K, then nothing
 *	HUGE		1G	1G .. 2G	regions only at its start and its end
 *	MIXED		4K	single pages: memory, ROM, hole, read-only, write-only
 */
#define PAGES UINT64_C(0x40000000)
#define LARGE UINT64_C(0x50000000)
#define HUGE  UINT64_C(0x80000000)
#define MIXED UINT64_C(0x60000000)
#define SPACE (UINT64_C(1) << 32)
#define MIB   (UINT64_C(1) << 20)
#define GIB   (UINT64_C(1) << 30)
#define COUNT 4096U
#define RID   0x10U

struct region {
	uint64_t gpa, bytes;
	uint32_t flags;
};

static const struct region regions[] = {
	{ SPACE, COUNT * 4096, 0 },
	{ 4 * MIB, MIB, 0 },
	{ 5 * MIB, 0x10000, VIOMMU_REGION_READONLY },
	{ GIB, 0x2000, 0 },
	{ 2 * GIB - 0x3000, 0x3000, 0 },
};

struct world {
	struct guest g;
	struct viommu_device *device;
	struct viommu_channel *channel;
	uint64_t root;
	bool bare; /* no region */
	uint64_t random;
};

static struct world world;

/* Host memory is only pointed at, never touched: an address for each region. */
static uint8_t *host_base(unsigned region)
{
	return (uint8_t *)((uintptr_t)(region + 1) << 40);
}

static uint64_t next(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random >> 8;
}

static const struct {
	uint64_t gpa;
	uint64_t bits;
} mixed[] = {
	{ SPACE, 3 },
	{ 5 * MIB, 3 },
	{ 9 * GIB, 3 },
	{ SPACE + 0x1000, 1 },
	{ SPACE + 0x2000, 2 },
	{ 5 * MIB + 0x1000, 1 },
	{ 5 * MIB - 0x1000, 3 },
	{ 5 * MIB + 0xf000, 3 },
};

static struct world *open_world(uint32_t entries, uint32_t tlb, bool bare)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = tlb,
					      .contexts = 8,
					      .domains = 8,
					      .channel_entries = entries };
	struct viommu_vtd_config config = { .size = sizeof(config),
					    .cap = GUEST_CAP,
					    .ecap = GUEST_ECAP_LEGACY,
					    .limits = &limits };
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	w->random = 88172645463325252U;
	w->bare = bare;
	guest_init(&w->g, GUEST_CALLBACKS, 64);
	for (unsigned i = 0; !bare && i < ARRAY_COUNT(regions); i++) {
		struct viommu_region r = { .size = sizeof(r),
					   .flags = regions[i].flags,
					   .gpa = regions[i].gpa,
					   .bytes = regions[i].bytes,
					   .host = host_base(i) };

		assert_int_equal(viommu_vm_add_region(w->g.vm, &r), VIOMMU_OK);
	}
	assert_int_equal(guest_try_vtd_config(&w->g, &config), VIOMMU_OK);
	w->root = guest_table(&w->g);
	for (unsigned n = 0; n < COUNT; n++)
		guest_ss_map(&w->g, w->root, 4, PAGES + n * 4096, SPACE + n * 4096, 12, GUEST_RW);
	for (unsigned n = 0; n < ARRAY_COUNT(mixed); n++)
		guest_ss_map(&w->g, w->root, 4, MIXED + n * 4096, mixed[n].gpa, 12, mixed[n].bits);
	guest_ss_map(&w->g, w->root, 4, LARGE, 4 * MIB, 21, GUEST_RW);
	guest_ss_map(&w->g, w->root, 4, HUGE, GIB, 30, GUEST_RW);
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

/* ---- what the tables and regions say ---- */

/* How far it goes in guest memory as the tables have it, with the same permission. */
static bool meaning(uint64_t iova, uint64_t *gpa, uint64_t *bits)
{
	*bits = 3;
	if (iova - PAGES < COUNT * 4096)
		*gpa = SPACE + (iova - PAGES);
	else if (iova - LARGE < 2 * MIB)
		*gpa = 4 * MIB + (iova - LARGE);
	else if (iova - HUGE < GIB)
		*gpa = GIB + (iova - HUGE);
	else if (iova - MIXED < ARRAY_COUNT(mixed) * 4096) {
		*gpa = mixed[(iova - MIXED) / 4096].gpa + iova % 4096;
		*bits = mixed[(iova - MIXED) / 4096].bits;
	} else {
		return false;
	}
	return true;
}

static void *host_of(const struct world *w, uint64_t gpa, unsigned access)
{
	for (unsigned i = 0; !w->bare && i < ARRAY_COUNT(regions); i++) {
		if (gpa - regions[i].gpa >= regions[i].bytes)
			continue;
		if (regions[i].flags && (access & VIOMMU_WRITE))
			return NULL;
		return host_base(i) + (gpa - regions[i].gpa);
	}
	return NULL;
}

/* What may be done where that is: ROM is read only (obligation 43). */
static uint64_t may_do(const struct world *w, uint64_t gpa, const void *host, uint64_t bits)
{
	for (unsigned i = 0; !w->bare && host && i < ARRAY_COUNT(regions); i++) {
		if (gpa - regions[i].gpa < regions[i].bytes && regions[i].flags)
			return bits & 1;
	}
	return bits;
}

/* What fragment f says of the byte at @offset of it. */
static void check_byte(const struct world *w, const char *row, const struct viommu_request *r,
		       uint64_t iova, const struct viommu_fragment *f, uint64_t offset)
{
	uint64_t bits;
	uint64_t gpa;
	void *host;

	check_that(row, meaning(iova, &gpa, &bits));
	host = host_of(w, gpa, r->access);
	check_eq(row, f->gpa + offset, gpa);
	check_eq(row, f->perm & 3, may_do(w, gpa, host, bits));
	check_eq(row, f->flags, 0);
	if (f->host && host)
		check_eq(row, (uintptr_t)f->host + offset, (uintptr_t)host);
	else
		check_that(row, f->host == host);
}

/* The answer is right at the ends of every fragment, at every border of a page, and as a whole. */
static void check_answer(const struct world *w, const char *row, const struct viommu_request *r,
			 int result, const struct viommu_fragment *f,
			 const struct viommu_answer *answer)
{
	uint64_t at = r->first;
	uint64_t gpa;
	uint64_t bits;

	for (uint32_t i = 0; i < answer->count; i++) {
		for (uint64_t o = 0; o < f[i].length; o = (o + 4096) & ~UINT64_C(0xfff))
			check_byte(w, row, r, at + o, &f[i], o);
		check_byte(w, row, r, at + f[i].length - 1, &f[i], f[i].length - 1);
		at += f[i].length;
	}
	check_eq(row, answer->next, at);
	if (result == VIOMMU_OK) {
		check_eq(row, at, r->last + 1);
		return;
	}
	check_eq(row, result, VIOMMU_FAULT);
	check_that(row,
		   at <= r->last && (!meaning(at, &gpa, &bits) || (r->access & ~bits & 3) != 0));
}

static int ask(struct world *w, const char *row, uint64_t first, uint64_t bytes, unsigned access)
{
	struct viommu_request r = { .first = first,
				    .last = first + bytes - 1,
				    .pasid = VIOMMU_NO_PASID,
				    .access = (uint16_t)access };
	struct viommu_answer answer;
	struct viommu_fragment f[16];
	int result = viommu_translate(w->channel, &r, f, 16, &answer);

	check_answer(w, row, &r, result, f, &answer);
	return result;
}

/* Entries of the micro-TLB that are valid. */
static unsigned kept(const struct world *w)
{
	const struct viommu_channel *c = w->channel;
	unsigned count = 0;

	for (uint64_t i = 0; i <= c->mask; i++)
		count += c->micro[i].tag && c->micro[i].tag % 4096 == c->serial;
	return count;
}

static const uint32_t sizes[] = { 1, 2, 3, 64, 4096, 65536 };

static void entries(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		uint64_t rounded = sizes[i] == 3 ? 4 : sizes[i];
		struct world *w = open_world(sizes[i], 320, false);

		assert_int_equal(w->channel->mask + 1, rounded);
		assert_int_equal(kept(w), 0);
		/* pages in a row have places of their own, as many as there are */
		for (unsigned n = 0; n < COUNT && n < rounded; n++)
			ask(w, "in a row", PAGES + n * 4096, 1, VIOMMU_READ);
		assert_int_equal(kept(w), rounded < COUNT ? rounded : COUNT);
		for (unsigned n = 0; n < COUNT; n++)
			ask(w, "more of them", PAGES + n * 4096, 4096, VIOMMU_WRITE);
		assert_int_equal(kept(w), rounded < COUNT ? rounded : COUNT);
		/* an invalidation empties it */
		guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_DOMAIN, 7), 0, 0, 0);
		guest_wait(&w->g);
		ask(w, "one again", PAGES, 1, VIOMMU_READ);
		assert_int_equal(kept(w), 1);
		close_world(w);
	}
}

/* Addresses that take one another's places, in the order that hurts. */
static void conflicts(void **state)
{
	static const uint64_t strides[] = { 1, 2, 63, 64, 65, 128, 1024, 1040 };

	for (size_t i = 0; i < ARRAY_COUNT(sizes) * ARRAY_COUNT(strides); i++) {
		uint64_t stride = strides[i % ARRAY_COUNT(strides)];
		struct world *w = open_world(sizes[i / ARRAY_COUNT(strides)], 5, false);

		for (unsigned round = 0; round < 3; round++) {
			for (uint64_t n = 0; n * stride < COUNT && n < 200; n++) {
				ask(w, "conflict", PAGES + n * stride * 4096 + n, 8, VIOMMU_READ);
				ask(w, "the first again", PAGES, 8, VIOMMU_WRITE);
				ask(w, "a large one", LARGE + n * 4096, 8, VIOMMU_READ);
			}
		}
		close_world(w);
	}
}

/* Pages at any stride of a power of two have places of their own, as many as there are. */
static void strides(void **state)
{
	static const uint32_t counts[] = { 64, 1024, 4096, 65536 };

	for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
		struct world *w = open_world(counts[i], 5, true);
		struct viommu_channel *c = w->channel;
		struct mem_place place = { .last = UINT64_MAX };
		unsigned most = counts[i] == 64 ? 24 : 30;

		for (unsigned lg2 = 12; lg2 <= most; lg2++) {
			w->random += 2; /* other changes: what was kept is not valid */
			for (uint64_t n = 0; n <= c->mask; n++) {
				struct translation t = { .iova = BIT(52) + (n << lg2),
							 .size_lg2 = 12 };

				channel_keep(c, t.iova, w->random, &t, &place);
			}
			assert_int_equal(kept(w), counts[i]);
		}
		close_world(w);
	}
}

static const struct {
	const char *name;
	uint64_t first, bytes;
	unsigned access;
	int result;
	unsigned kept; /* of an empty micro-TLB */
} rows[] = {
	{ "a byte", PAGES, 1, 1, VIOMMU_OK, 1 },
	{ "the last byte of a page", PAGES + 0xfff, 1, 2, VIOMMU_OK, 1 },
	{ "a page", PAGES, 4096, 3, VIOMMU_OK, 1 },
	{ "over the border of pages", PAGES + 0xfff, 2, 1, VIOMMU_OK, 2 },
	{ "the last page, and beyond", PAGES + (COUNT - 1) * 4096, 4097, 1, VIOMMU_FAULT, 1 },
	{ "before the first", PAGES - 1, 2, 1, VIOMMU_FAULT, 0 },
	{ "2M: its first byte", LARGE, 1, 1, VIOMMU_OK, 1 },
	{ "2M: all of its memory", LARGE, MIB, 3, VIOMMU_OK, 1 },
	{ "2M: from the middle to the end of the region", LARGE + MIB / 2, MIB / 2, 3, VIOMMU_OK,
	  1 },
	{ "2M: one more: ROM, which is not kept", LARGE, MIB + 1, 1, VIOMMU_OK, 1 },
	{ "2M: ROM is read", LARGE + MIB, 8, 1, VIOMMU_OK, 0 },
	{ "2M: ROM is written", LARGE + MIB, 8, 2, VIOMMU_OK, 0 },
	{ "2M: behind the ROM", LARGE + MIB + 0x10000, 8, 3, VIOMMU_OK, 1 },
	{ "2M: the last byte of the ROM, and on", LARGE + MIB + 0xffff, 2, 1, VIOMMU_OK, 1 },
	{ "2M: its last byte", LARGE + 2 * MIB - 1, 1, 1, VIOMMU_OK, 1 },
	{ "2M: beyond it", LARGE + 2 * MIB - 1, 2, 1, VIOMMU_FAULT, 1 },
	{ "2M: all", LARGE, 2 * MIB, 1, VIOMMU_OK, 2 },
	{ "1G: its memory", HUGE, 0x2000, 3, VIOMMU_OK, 1 },
	{ "1G: out of it", HUGE + 0x1fff, 2, 3, VIOMMU_OK, 2 },
	{ "1G: in the hole", HUGE + 0x10000000, 0x1000000, 3, VIOMMU_OK, 1 },
	{ "1G: from the hole into memory", HUGE + GIB - 0x3001, 2, 3, VIOMMU_OK, 2 },
	{ "1G: its last byte", HUGE + GIB - 1, 1, 3, VIOMMU_OK, 1 },
	{ "1G: beyond it", HUGE + GIB - 1, 2, 1, VIOMMU_FAULT, 1 },
	{ "ROM", MIXED + 0x1000, 4096, 3, VIOMMU_OK, 0 },
	{ "a hole", MIXED + 0x2000, 4096, 3, VIOMMU_OK, 1 },
	{ "read-only", MIXED + 0x3000, 8, 1, VIOMMU_OK, 1 },
	{ "read-only, written", MIXED + 0x3000, 8, 2, VIOMMU_FAULT, 0 },
	{ "write-only", MIXED + 0x4000, 8, 2, VIOMMU_OK, 1 },
	{ "write-only, read", MIXED + 0x4000, 8, 3, VIOMMU_FAULT, 0 },
	{ "all of them", MIXED, 3 * 4096, 1, VIOMMU_OK, 2 },
};

/* Each row by itself, then again, and after whatever else is in there; with one entry, too. */
static void borders(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows) * ARRAY_COUNT(sizes); i++) {
		size_t n = i / ARRAY_COUNT(sizes);
		uint32_t size = sizes[i % ARRAY_COUNT(sizes)];
		struct world *w = open_world(size, i & 1 ? 5 : 320, false);

		for (unsigned round = 0; round < 3; round++) {
			check_eq(rows[n].name,
				 ask(w, rows[n].name, rows[n].first, rows[n].bytes, rows[n].access),
				 rows[n].result);
			if (size == 65536)
				check_eq(rows[n].name, kept(w), rows[n].kept);
		}
		for (size_t k = 0; k < ARRAY_COUNT(rows); k++) {
			ask(w, rows[k].name, rows[k].first, rows[k].bytes, rows[k].access);
			ask(w, rows[n].name, rows[n].first, rows[n].bytes, rows[n].access);
		}
		close_world(w);
	}
}

/* Kept for one access, asked for another. */
static void accesses(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(mixed) * 16; i++) {
		struct world *w = open_world(64, 320, false);
		uint64_t at = MIXED + i / 16 * 4096;
		unsigned before = (unsigned)(i % 4);
		unsigned after = (unsigned)(i / 4 % 4);

		if (before && after) {
			ask(w, "kept", at, 8, before);
			ask(w, "asked for otherwise", at, 8, after);
			ask(w, "and again", at, 8, before);
		}
		close_world(w);
	}
}

/* No regions at all: no pointers, and the same otherwise. */
static void no_regions(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		struct world *w = open_world(sizes[i], 320, true);

		for (size_t n = 0; n < 2 * ARRAY_COUNT(rows); n++) {
			size_t k = n % ARRAY_COUNT(rows);

			check_eq(rows[k].name,
				 ask(w, rows[k].name, rows[k].first, rows[k].bytes, rows[k].access),
				 rows[k].result);
		}
		assert_int_not_equal(kept(w), 0);
		close_world(w);
	}
}

/* A block of all addresses there are, 2^64 of them, is kept as far as the region goes. */
static void all_addresses(void **state)
{
	const struct translation all = { .size_lg2 = 64, .perm = PERM_ALL | PERM_DIRTY };
	const struct mem_place place = { .last = SPACE - 1 };
	struct world *w = open_world(64, 320, false);
	struct translation found;

	ask(w, "another", PAGES, 1, VIOMMU_READ);
	channel_keep(w->channel, 0x123, w->channel->changes, &all, &place);
	assert_true(channel_peek(w->channel, 0x123, &found));
	assert_int_equal(found.iova, 0);
	assert_int_equal(found.gpa, 0);
	assert_int_equal(channel_entry(w->channel, 0x123)->last, SPACE - 1);
	close_world(w);
}

/* Anything, in any order; regions come and go meanwhile, and pages are invalidated. */
static void at_random(void **state)
{
	static const uint64_t bases[] = { PAGES,
					  LARGE,
					  HUGE,
					  MIXED,
					  HUGE + GIB - 0x8000,
					  LARGE + MIB - 0x8000,
					  PAGES,
					  LARGE + MIB + 0x8000 };

	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		struct world *w = open_world(sizes[i], i & 1 ? 5 : 1000, false);
		struct viommu_region r = {
			.size = sizeof(r), .gpa = 64 * GIB, .bytes = 4096, .host = host_base(9)
		};
		bool more = false;

		for (unsigned n = 0; n < 20000; n++) {
			uint64_t x = next(w);
			uint64_t first = bases[x & 7] + (x >> 3) % 0x10000;
			uint64_t bytes = 1 + (x >> 24) % (x & 0x800000 ? 64 : 0x5000);

			ask(w, "random", first, bytes, 1 + (unsigned)(x >> 44) % 3);
			if (x % 997 == 0) {
				if (more)
					viommu_vm_remove_region(w->g.vm, r.gpa);
				else
					viommu_vm_add_region(w->g.vm, &r);
				more = !more;
			}
			if (x % 331 == 0) {
				guest_submit(&w->g, GUEST_IOTLB(VTD_GRAN_LOCAL, 7),
					     first & ~UINT64_C(0xfff), 0, 0);
				guest_ring(&w->g);
			}
			if (x % 64 == 0)
				guest_take_faults(&w->g);
		}
		close_world(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),    cmocka_unit_test(conflicts),
		cmocka_unit_test(borders),    cmocka_unit_test(accesses),
		cmocka_unit_test(no_regions), cmocka_unit_test(at_random),
		cmocka_unit_test(strides),    cmocka_unit_test(all_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
