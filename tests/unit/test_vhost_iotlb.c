/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vhost_iotlb.c - a device IOTLB by itself: boundaries, replacing and splitting ranges, what
 * is merged, eviction, misses, sections.
 */
#include "check.h"

#include <libvirtiommu/vhost.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vhost_iotlb.h"

#define R   VIOMMU_READ
#define W   VIOMMU_WRITE
#define RW  (VIOMMU_READ | VIOMMU_WRITE)
#define MAX UINT64_MAX

enum { ASKED = 32 };

struct rig {
	struct viommu_iotlb *t;
	struct viommu_iotlb_reader *r;
	struct {
		uint64_t iova;
		uint32_t access;
	} asked[ASKED];
	unsigned asks;
	unsigned works;
	/* Memory. */
	uint64_t blocks;
	uint64_t bytes;
	uint64_t fail_after; /* allocations that succeed from now on; 0: all */
	/* In the callback. */
	void (*on_miss)(struct rig *rig, uint64_t iova);
	void (*on_work)(struct rig *rig);
};

static void *rig_alloc(void *opaque, uint64_t bytes, uint64_t align)
{
	struct rig *rig = opaque;
	void *block;

	if (rig->fail_after && --rig->fail_after == 0)
		return NULL;
	align = align < sizeof(void *) ? sizeof(void *) : align;
	block = aligned_alloc(align, (bytes + align - 1) / align * align);
	memset(block, 0, bytes);
	rig->blocks++;
	rig->bytes += bytes;
	return block;
}

static void rig_dealloc(void *opaque, void *block, uint64_t bytes)
{
	struct rig *rig = opaque;

	rig->blocks--;
	rig->bytes -= bytes;
	free(block);
}

static void rig_miss(void *opaque, uint64_t iova, uint32_t access)
{
	struct rig *rig = opaque;

	assert_true(rig->asks < ASKED);
	rig->asked[rig->asks].iova = iova;
	rig->asked[rig->asks++].access = access;
	if (rig->on_miss)
		rig->on_miss(rig, iova);
}

static void rig_work(void *opaque)
{
	struct rig *rig = opaque;

	rig->works++;
	if (rig->on_work)
		rig->on_work(rig);
}

static struct viommu_iotlb_config rig_config(struct rig *rig, uint32_t ranges, uint32_t misses)
{
	return (struct viommu_iotlb_config){ .size = sizeof(struct viommu_iotlb_config),
					     .ranges = ranges,
					     .misses = misses,
					     .opaque = rig,
					     .miss = rig_miss,
					     .work = rig_work,
					     .alloc = rig_alloc,
					     .dealloc = rig_dealloc };
}

/* With a section open. */
static void rig_open(struct rig *rig, uint32_t ranges, uint32_t misses)
{
	struct viommu_iotlb_config config = rig_config(rig, ranges, misses);

	memset(rig, 0, sizeof(*rig));
	assert_int_equal(viommu_iotlb_new(&config, &rig->t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_new(rig->t, &rig->r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_enter(rig->r), VIOMMU_OK);
}

static void rig_close(struct rig *rig)
{
	if (rig->r->open)
		assert_int_equal(viommu_iotlb_leave(rig->r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_free(rig->r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_free(rig->t), VIOMMU_OK);
	assert_int_equal(rig->blocks, 0);
	assert_int_equal(rig->bytes, 0);
}

static void *at(uint64_t host)
{
	return (void *)(uintptr_t)host;
}

static void insert(struct rig *rig, uint64_t first, uint64_t last, uint64_t host, uint64_t gpa,
		   uint32_t perm)
{
	assert_int_equal(viommu_iotlb_insert(rig->t, first, last, at(host), gpa, perm), VIOMMU_OK);
}

/* One address. Returns where it is, 0 if it is missing, 1 if it is refused. */
static uint64_t look(struct rig *rig, uint64_t iova, uint32_t access)
{
	struct viommu_fragment f;
	struct viommu_answer answer;
	int result = viommu_iotlb_lookup(rig->r, iova, iova, access, &f, 1, &answer);

	assert_int_equal(answer.reason | answer.ats, 0);
	if (result == VIOMMU_OK) {
		assert_int_equal(answer.count, 1);
		assert_int_equal(answer.next, iova + 1);
		assert_int_equal(f.length, 1);
		assert_int_equal(f.flags, 0);
		assert_true((f.perm & access) == access);
		return (uintptr_t)f.host;
	}
	assert_int_equal(answer.count, 0);
	assert_int_equal(answer.next, iova);
	assert_true(result == VIOMMU_PENDING || result == VIOMMU_FAULT);
	return result == VIOMMU_FAULT;
}

/* ---- creation ---- */

static void configurations(void **state)
{
	struct rig rig = { 0 };
	struct viommu_iotlb *t;
	static const struct {
		const char *name;
		uint32_t size, flags, ranges, misses;
		bool alloc, dealloc;
		int result;
	} rows[] = {
		{ "defaults", sizeof(struct viommu_iotlb_config), 0, 0, 0, 1, 1, VIOMMU_OK },
		{ "no allocator", sizeof(struct viommu_iotlb_config), 0, 0, 0, 0, 0, VIOMMU_OK },
		{ "alloc alone", sizeof(struct viommu_iotlb_config), 0, 0, 0, 1, 0, VIOMMU_EINVAL },
		{ "dealloc alone", sizeof(struct viommu_iotlb_config), 0, 0, 0, 0, 1,
		  VIOMMU_EINVAL },
		{ "flags", sizeof(struct viommu_iotlb_config), 1, 0, 0, 1, 1, VIOMMU_EINVAL },
		{ "one of each", sizeof(struct viommu_iotlb_config), 0, 1, 1, 1, 1, VIOMMU_OK },
		{ "too many ranges", sizeof(struct viommu_iotlb_config), 0,
		  VIOMMU_IOTLB_RANGES_MAX + 1, 0, 1, 1, VIOMMU_EINVAL },
		{ "too many misses", sizeof(struct viommu_iotlb_config), 0, 0,
		  VIOMMU_IOTLB_MISSES_MAX + 1, 1, 1, VIOMMU_EINVAL },
		{ "size 0", 0, 0, 0, 0, 1, 1, VIOMMU_ESIZE },
		{ "size too small", sizeof(struct viommu_iotlb_config) - 8, 0, 0, 0, 1, 1,
		  VIOMMU_ESIZE },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct viommu_iotlb_config config =
			rig_config(&rig, rows[i].ranges, rows[i].misses);

		config.size = rows[i].size;
		config.flags = rows[i].flags;
		config.alloc = rows[i].alloc ? rig_alloc : NULL;
		config.dealloc = rows[i].dealloc ? rig_dealloc : NULL;
		t = NULL;
		check_eq(rows[i].name, viommu_iotlb_new(&config, &t), rows[i].result);
		check_eq(rows[i].name, t != NULL, rows[i].result == VIOMMU_OK);
		check_eq(rows[i].name, viommu_iotlb_free(t), VIOMMU_OK);
		check_eq(rows[i].name, rig.blocks, 0);
	}
	assert_int_equal(viommu_iotlb_new(NULL, &t), VIOMMU_EINVAL);
}

static void arguments(void **state)
{
	struct viommu_answer answer = { .next = 99 };
	struct viommu_iotlb_reader *reader;
	struct viommu_iotlb_config config;
	struct viommu_fragment f;
	struct rig rig;
	static const struct {
		const char *name;
		uint64_t first, last, host, gpa;
		uint32_t perm;
		int result;
	} rows[] = {
		{ "first beyond last", 2, 1, 0x1000, 0, RW, VIOMMU_EINVAL },
		{ "no host", 1, 1, 0, 0, RW, VIOMMU_EINVAL },
		{ "no permission", 1, 1, 0x1000, 0, 0, VIOMMU_EINVAL },
		{ "execute", 1, 1, 0x1000, 0, RW | VIOMMU_EXEC, VIOMMU_EINVAL },
		{ "privileged", 1, 1, 0x1000, 0, RW | VIOMMU_PRIV, VIOMMU_EINVAL },
		{ "bit 31", 1, 1, 0x1000, 0, RW | 1U << 31, VIOMMU_EINVAL },
		{ "host to its end", 0, 0xfff, MAX - 0xfff, 0, RW, VIOMMU_OK },
		{ "host wraps", 0, 0x1000, MAX - 0xfff, 0, RW, VIOMMU_EINVAL },
		{ "host wraps, everything", 0, MAX, 1, 0, RW, VIOMMU_EINVAL },
		{ "everything but one", 1, MAX, 1, 0, RW, VIOMMU_OK },
		{ "gpa to its end", 0, 0xfff, 0x1000, MAX - 0xfff, RW, VIOMMU_OK },
		{ "gpa wraps", 0, 0x1000, 0x1000, MAX - 0xfff, RW, VIOMMU_EINVAL },
	};

	rig_open(&rig, 0, 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_eq(rows[i].name,
			 viommu_iotlb_insert(rig.t, rows[i].first, rows[i].last, at(rows[i].host),
					     rows[i].gpa, rows[i].perm),
			 rows[i].result);
		check_eq(rows[i].name, rig.t->map.count, rows[i].result == VIOMMU_OK);
		viommu_iotlb_invalidate(rig.t, 0, MAX);
	}
	assert_int_equal(viommu_iotlb_insert(NULL, 0, 0, at(1), 0, R), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_invalidate(NULL, 0, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_invalidate(rig.t, 1, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_synced(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_reader_new(NULL, &reader), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_reader_new(rig.t, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_enter(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_leave(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_free(NULL), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_free(NULL), VIOMMU_OK);
	config = rig_config(&rig, 0, 0);
	assert_int_equal(viommu_iotlb_new(&config, NULL), VIOMMU_EINVAL);
#define LOOKUP(...) assert_int_equal(viommu_iotlb_lookup(__VA_ARGS__), VIOMMU_EINVAL)
	insert(&rig, 0, 0xfff, 0x1000, 0, RW);
	LOOKUP(NULL, 0, 0, R, &f, 1, &answer);
	LOOKUP(rig.r, 1, 0, R, &f, 1, &answer);
	LOOKUP(rig.r, 0, 0, 0, &f, 1, &answer);
	LOOKUP(rig.r, 0, 0, R | VIOMMU_EXEC, &f, 1, &answer);
	LOOKUP(rig.r, 0, 0, R | VIOMMU_PRIV, &f, 1, &answer);
	LOOKUP(rig.r, 0, 0, R, NULL, 1, &answer);
	LOOKUP(rig.r, 0, 0, R, &f, 0, &answer);
	LOOKUP(rig.r, 0, 0, R, &f, 1, NULL);
	assert_int_equal(viommu_iotlb_leave(rig.r), VIOMMU_OK);
	LOOKUP(rig.r, 0, 0, R, &f, 1, &answer);
#undef LOOKUP
	assert_int_equal(answer.next, 99);
	rig_close(&rig);
}

/* ---- obligations 5 and 6: first and last byte, and their neighbours ---- */

static void boundaries(void **state)
{
	static const struct {
		uint64_t first, last;
	} rows[] = {
		{ 0, 0 },
		{ 0, 0xfff },
		{ 1, 1 },
		{ 0x1000, 0x1fff },
		{ 0x1003, 0x1003 },
		{ 0xfff, 0x1000 },
		{ 0, MAX / 2 },
		{ MAX / 2 + 1, MAX },
		{ MAX, MAX },
		{ MAX - 0xfff, MAX },
		{ MAX - 1, MAX - 1 },
		{ UINT32_MAX, UINT64_C(1) << 32 },
		{ 1, MAX - 1 },
		{ INT64_MAX, INT64_MAX },
		{ 0x12345, UINT64_C(1) << 63 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t first = rows[i].first, last = rows[i].last, host = 2;
		struct rig rig;

		rig_open(&rig, 0, 0);
		insert(&rig, first, last, host, 0, RW);
		for (unsigned turn = 0; turn < 3; turn++) { /* from the tree, and from the cache */
			assert_int_equal(look(&rig, first, R), host);
			assert_int_equal(look(&rig, last, W), host + (last - first));
			assert_int_equal(look(&rig, first + (last - first) / 2, RW),
					 host + (last - first) / 2);
			if (first > 0)
				assert_int_equal(look(&rig, first - 1, R), 0);
			if (last < MAX)
				assert_int_equal(look(&rig, last + 1, R), 0);
			if (last < MAX) {
				struct viommu_fragment f[2];
				struct viommu_answer answer;

				assert_int_equal(viommu_iotlb_lookup(rig.r, last, last + 1, R, f, 2,
								     &answer),
						 VIOMMU_PENDING);
				assert_int_equal(answer.next, last + 1);
				assert_int_equal(answer.count, 1);
				assert_int_equal(f[0].length, 1);
			}
		}
		rig_close(&rig);
	}
}

/* All of the address space, in the two halves that messages can say. */
static void whole_space(void **state)
{
	struct viommu_fragment f[2];
	struct viommu_answer answer;
	struct rig rig;

	rig_open(&rig, 0, 0);
	insert(&rig, 0, MAX / 2, 0x1000, 0, R);
	insert(&rig, MAX / 2 + 1, MAX, 0x2000, 0, R);
	for (unsigned turn = 0; turn < 2; turn++) {
		assert_int_equal(viommu_iotlb_lookup(rig.r, 0, MAX, R, f, 2, &answer), VIOMMU_OK);
		assert_int_equal(answer.count, 2);
		assert_int_equal(answer.next, 0);
		assert_int_equal(f[0].length, MAX / 2 + 1);
		assert_int_equal(f[1].length, MAX / 2 + 1);
		assert_int_equal(viommu_iotlb_lookup(rig.r, 0, MAX, R, f, 1, &answer), VIOMMU_MORE);
		assert_int_equal(answer.next, MAX / 2 + 1);
		assert_int_equal(look(&rig, MAX, R), 0x2000 + MAX / 2);
	}
	/* each is kept once, although the highest address is always looked for in the tree */
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(look(&rig, MAX, R), 0x2000 + MAX / 2);
	assert_int_equal(rig.r->cache.count, 3);
	viommu_iotlb_invalidate(rig.t, 0, MAX);
	assert_int_equal(look(&rig, 0, R), 0);
	assert_int_equal(look(&rig, MAX, R), 0);
	assert_int_equal(rig.t->map.count, 0);
	rig_close(&rig);
}

/* ---- replacing and splitting: every pair of ranges of a small space, against an array ---- */

enum { SPACE = 9 };

struct model {
	uint64_t host[SPACE]; /* 0: missing */
};

static void model_set(struct model *m, uint64_t first, uint64_t last, uint64_t host)
{
	for (uint64_t i = first; i <= last; i++)
		m->host[i] = host ? host + (i - first) : 0;
}

/* Each address, and all ranges from each address. @base: where the space begins. */
static void compare(struct rig *rig, const struct model *m, uint64_t base)
{
	for (uint64_t i = 0; i < SPACE; i++)
		assert_int_equal(look(rig, base + i, R), m->host[i]);
	for (uint64_t i = 0; i < SPACE; i++) {
		struct viommu_fragment f[SPACE];
		struct viommu_answer answer;
		uint64_t k = i;
		int result = viommu_iotlb_lookup(rig->r, base + i, base + SPACE - 1, R, f, SPACE,
						 &answer);

		for (uint32_t n = 0; n < answer.count; n++) {
			for (uint64_t j = 0; j < f[n].length; j++)
				assert_int_equal((uintptr_t)f[n].host + j, m->host[k++]);
			/* what continues is one fragment */
			if (n + 1 < answer.count)
				assert_int_not_equal((uintptr_t)f[n].host + f[n].length,
						     (uintptr_t)f[n + 1].host);
		}
		assert_int_equal(answer.next, base + k);
		if (k == SPACE)
			assert_int_equal(result, VIOMMU_OK);
		else
			assert_true(result == VIOMMU_PENDING && m->host[k] == 0);
	}
}

static void change(struct rig *rig, struct model *m, uint64_t base, unsigned range, uint64_t host)
{
	uint64_t first = range / SPACE, last = range % SPACE;

	rig->asks = 0;
	if (host)
		insert(rig, base + first, base + last, host, 0, R);
	else
		assert_true(viommu_iotlb_invalidate(rig->t, base + first, base + last) >= 0);
	model_set(m, first, last, host);
	compare(rig, m, base);
}

static void every_overlap(void **state)
{
	static const uint64_t bases[] = { 0, 0x1000 - 4, MAX - SPACE + 1 };

	for (unsigned one = 0; one < SPACE * SPACE; one++) {
		for (unsigned two = 0; two < SPACE * SPACE; two++) {
			uint64_t base = bases[(one + two) % 3];
			struct model m = { 0 };
			struct rig rig;

			if (one / SPACE > one % SPACE || two / SPACE > two % SPACE)
				continue;
			rig_open(&rig, 16, 1);
			rig.t->config.miss = NULL;
			change(&rig, &m, base, one, 0x1000);
			change(&rig, &m, base, two, 0x2000);
			change(&rig, &m, base, (one * 7 + two) % SPACE * SPACE + SPACE - 1, 0x3000);
			change(&rig, &m, base, two, 0x1000 + two / SPACE);
			change(&rig, &m, base, one, 0);
			rig_close(&rig);
		}
	}
}

/* Parts keep their guest-physical address and permission. */
static void parts_keep_everything(void **state)
{
	struct viommu_fragment f[3];
	struct viommu_answer answer;
	struct rig rig;

	rig_open(&rig, 0, 0);
	insert(&rig, 0x1000, 0x8fff, 0x100000, 0x7000, RW);
	insert(&rig, 0x4000, 0x4fff, 0x900000, 0x1000, R);
	for (unsigned turn = 0; turn < 2; turn++) {
		assert_int_equal(viommu_iotlb_lookup(rig.r, 0x1800, 0x8fff, R, f, 3, &answer),
				 VIOMMU_OK);
		assert_int_equal(answer.count, 3);
		assert_true(f[0].gpa == 0x7800 && f[0].length == 0x2800 && f[0].perm == RW &&
			    f[0].host == at(0x100800));
		assert_true(f[1].gpa == 0x1000 && f[1].length == 0x1000 && f[1].perm == R &&
			    f[1].host == at(0x900000));
		assert_true(f[2].gpa == 0xb000 && f[2].length == 0x4000 && f[2].perm == RW &&
			    f[2].host == at(0x104000));
		assert_int_equal(viommu_iotlb_lookup(rig.r, 0x3fff, 0x5000, W, f, 3, &answer),
				 VIOMMU_PENDING); /* asked for: see permission() */
		assert_int_equal(answer.next, 0x4000);
		assert_int_equal(answer.count, 1);
	}
	viommu_iotlb_invalidate(rig.t, 0x4000, 0x4fff);
	assert_int_equal(viommu_iotlb_lookup(rig.r, 0x5000, 0x5000, W, f, 1, &answer), VIOMMU_OK);
	assert_int_equal(f[0].gpa, 0xb000);
	rig_close(&rig);
}

/* ---- obligation 32: merged where everything continues ---- */

static void merging(void **state)
{
	static const struct {
		const char *name;
		uint64_t second, host, gpa; /* of the second range; the first ends at 0x1fff */
		uint64_t first_gpa;
		uint32_t perm, count;
	} rows[] = {
		{ "all continues", 0x2000, 0x11000, 0x8000, 0x7000, RW, 1 },
		{ "other host", 0x2000, 0x12000, 0x8000, 0x7000, RW, 2 },
		{ "same host again", 0x2000, 0x10000, 0x8000, 0x7000, RW, 2 },
		{ "host before", 0x2000, 0xf000, 0x8000, 0x7000, RW, 2 },
		{ "other gpa", 0x2000, 0x11000, 0x9000, 0x7000, RW, 2 },
		{ "less permission", 0x2000, 0x11000, 0x8000, 0x7000, R, 2 },
		{ "gpa not known", 0x2000, 0x11000, 0, 0, RW, 1 },
		{ "gpa not known, other host", 0x2000, 0x13000, 0, 0, RW, 2 },
		{ "gpa known of the first", 0x2000, 0x11000, 0, 0x7000, RW, 2 },
		{ "gpa known of the second", 0x2000, 0x11000, 0x1000, 0, RW, 2 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct viommu_fragment f[2];
		struct viommu_answer answer;
		struct rig rig;

		rig_open(&rig, 0, 0);
		insert(&rig, 0x1000, 0x1fff, 0x10000, rows[i].first_gpa, RW);
		insert(&rig, rows[i].second, 0x2fff, rows[i].host, rows[i].gpa, rows[i].perm);
		for (unsigned turn = 0; turn < 2; turn++) {
			check_eq(rows[i].name,
				 viommu_iotlb_lookup(rig.r, 0x1800, 0x27ff, R, f, 2, &answer),
				 VIOMMU_OK);
			check_eq(rows[i].name, answer.count, rows[i].count);
			check_eq(rows[i].name, f[0].length, rows[i].count == 1 ? 0x1000 : 0x800);
			check_eq(rows[i].name, (uintptr_t)f[0].host, 0x10800);
			check_eq(rows[i].name, f[0].gpa,
				 rows[i].first_gpa ? rows[i].first_gpa + 0x800 : 0);
			if (answer.count == 2) {
				check_eq(rows[i].name, f[1].gpa, rows[i].gpa);
				check_eq(rows[i].name, f[1].perm, rows[i].perm);
			}
			check_eq(rows[i].name,
				 viommu_iotlb_lookup(rig.r, 0x1800, 0x27ff, R, f, 1, &answer),
				 rows[i].count == 1 ? VIOMMU_OK : VIOMMU_MORE);
		}
		rig_close(&rig);
	}
}

/* A hole between ranges whose memory continues is a hole. */
static void no_merging_across_holes(void **state)
{
	struct viommu_fragment f[2];
	struct viommu_answer answer;
	struct rig rig;

	rig_open(&rig, 0, 0);
	insert(&rig, 0x1000, 0x1fff, 0x10000, 0, RW);
	insert(&rig, 0x2001, 0x2fff, 0x11000, 0, RW);
	assert_int_equal(viommu_iotlb_lookup(rig.r, 0x1000, 0x2fff, R, f, 2, &answer),
			 VIOMMU_PENDING);
	assert_int_equal(answer.next, 0x2000);
	assert_int_equal(answer.count, 1);
	assert_int_equal(f[0].length, 0x1000);
	rig_close(&rig);
}

/* ---- permission ---- */

/* What lacks a permission is asked for: it may have been granted since, and backends that do not ask
 * would be refused for ever. With nobody to ask, it is refused at once. */
static void permission(void **state)
{
	static const uint32_t perms[] = { R, W, RW };
	struct rig rig;

	for (unsigned alone = 0; alone < 2; alone++) {
		rig_open(&rig, 0, 0);
		if (alone)
			rig.t->config.miss = NULL;
		for (unsigned p = 0; p < 3; p++) {
			uint64_t iova = 0x1000 * (p + 1);

			insert(&rig, iova, iova + 0xfff, 0x10000, 0, perms[p]);
			for (unsigned a = 0; a < 3; a++)
				for (unsigned turn = 0; turn < 2; turn++)
					assert_int_equal(look(&rig, iova, perms[a]),
							 perms[a] & ~perms[p] ? alone : 0x10000);
		}
		/* of the page that may be read: W, then R with the W that is outstanding; of the
		 * one that may be written: R, then W */
		assert_int_equal(rig.asks, alone ? 0 : 4);
		rig_close(&rig);
	}
}

/* Obligation 31: less permission, or other memory, is seen by who has used the range. */
static void changes_are_seen(void **state)
{
	struct rig rig;

	rig_open(&rig, 0, 0);
	insert(&rig, 0x1000, 0x1fff, 0x10000, 0, RW);
	assert_int_equal(look(&rig, 0x1000, W), 0x10000);
	assert_int_equal(look(&rig, 0x1000, W), 0x10000);
	insert(&rig, 0x1000, 0x1fff, 0x10000, 0, R);
	assert_int_equal(look(&rig, 0x1000, W), 0); /* asked for: see permission() */
	insert(&rig, 0x1000, 0x1fff, 0x20000, 0, R);
	assert_int_equal(look(&rig, 0x1000, R), 0x20000);
	insert(&rig, 0x1800, 0x1800, 0x30000, 0, R);
	assert_int_equal(look(&rig, 0x17ff, R), 0x207ff);
	assert_int_equal(look(&rig, 0x1800, R), 0x30000);
	assert_int_equal(look(&rig, 0x1801, R), 0x20801);
	viommu_iotlb_invalidate(rig.t, 0x1000, 0x1000);
	assert_int_equal(look(&rig, 0x1000, R), 0);
	assert_int_equal(look(&rig, 0x1001, R), 0x20001);
	rig_close(&rig);
}

/* ---- the reader's cache: as many ranges as it has, and more, of all sizes ---- */

static void working_sets(void **state)
{
	static const unsigned sets[] = { 1, 7, 8, 9, 16, 30, 31, 32, 33, 64, 200 };
	struct rig rig;

	for (unsigned s = 0; s < sizeof(sets) / sizeof(sets[0]); s++) {
		rig_open(&rig, 0, 0);
		for (uint64_t n = 0; n < sets[s]; n++) { /* 1 byte to 1 TiB */
			uint64_t first = (n + 1) << 42;
			uint64_t bytes = UINT64_C(1) << (n * 5 % 41);

			insert(&rig, first, first + bytes - 1, first / 2, 0, RW);
		}
		for (unsigned turn = 0; turn < 6; turn++) {
			for (uint64_t i = 0; i < sets[s]; i++) {
				/* in another order each time */
				uint64_t n = (i * 211 + turn) % sets[s];
				uint64_t first = (n + 1) << 42;
				uint64_t last = first + (UINT64_C(1) << (n * 5 % 41)) - 1;

				assert_int_equal(look(&rig, first, R), first / 2);
				assert_int_equal(look(&rig, last, W), first / 2 + (last - first));
				rig.asks = 0;
				assert_int_equal(look(&rig, last + 1, R), 0);
				viommu_iotlb_invalidate(rig.t, 0, 0); /* nothing there */
			}
		}
		/* the cache serves a working set that fits, and is not made void by nothing */
		if (sets[s] < IOTLB_CACHE_SIZE)
			assert_int_equal(rig.r->cache.count, sets[s] + 1);
		else
			assert_int_equal(rig.r->cache.count, IOTLB_CACHE_SIZE);
		rig_close(&rig);
	}
}

/* A full cache whose last range has the highest address: nothing of it is left behind. */
static void full_to_the_end(void **state)
{
	struct rig rig;

	rig_open(&rig, 0, 0);
	for (uint64_t i = 0; i < IOTLB_CACHE_SIZE - 1; i++) {
		insert(&rig, MAX - 0x100 * i - 0xff, MAX - 0x100 * i, 0x1000 * (i + 1), 0, RW);
		assert_int_equal(look(&rig, MAX - 0x100 * i - 0xff, R), 0x1000 * (i + 1));
	}
	assert_int_equal(rig.r->cache.count, IOTLB_CACHE_SIZE);
	assert_int_equal(look(&rig, MAX, R), 0x10ff);
	viommu_iotlb_invalidate(rig.t, MAX, MAX);
	assert_int_equal(look(&rig, 0x5000, R), 0);
	assert_int_equal(look(&rig, MAX - 1, R), 0x10fe);
	assert_int_equal(look(&rig, MAX, R), 0);
	viommu_iotlb_invalidate(rig.t, 0, MAX);
	assert_int_equal(look(&rig, MAX, R), 0);
	rig_close(&rig);
}

/* Ranges are added without making void what readers have; taking some away does. */
static void what_makes_copies_void(void **state)
{
	uint64_t changes;
	struct rig rig;

	rig_open(&rig, 4, 0);
	insert(&rig, 0x1000, 0x1fff, 0x10000, 0, RW);
	changes = atomic_load(&rig.t->changes);
	insert(&rig, 0x3000, 0x3fff, 0x10000, 0, RW);
	insert(&rig, 0x2000, 0x2fff, 0x10000, 0, RW);
	insert(&rig, 0x1000, 0x1fff, 0x10000, 0, RW);
	viommu_iotlb_invalidate(rig.t, 0x4000, MAX);
	viommu_iotlb_invalidate(rig.t, 0, 0xfff);
	assert_int_equal(atomic_load(&rig.t->changes), changes);
	insert(&rig, 0x1000, 0x1fff, 0x10000, 0, R);
	assert_int_equal(atomic_load(&rig.t->changes), changes + 1);
	insert(&rig, 0x1000, 0x1fff, 0x10000, 0x5000, R);
	assert_int_equal(atomic_load(&rig.t->changes), changes + 2);
	insert(&rig, 0x1000, 0x1ffe, 0x10000, 0x5000, R);
	assert_int_equal(atomic_load(&rig.t->changes), changes + 3);
	viommu_iotlb_invalidate(rig.t, 0x1fff, 0x1fff);
	assert_int_equal(atomic_load(&rig.t->changes), changes + 4);
	viommu_iotlb_invalidate(rig.t, 0x1fff, 0x1fff);
	assert_int_equal(atomic_load(&rig.t->changes), changes + 4);
	insert(&rig, 0x5000, 0x5fff, 0x10000, 0, R);
	insert(&rig, 0x6000, 0x6fff, 0x10000, 0, R); /* the fifth */
	assert_int_equal(atomic_load(&rig.t->changes), changes + 5);
	rig_close(&rig);
}

/* ---- obligation 27: the cap, and who goes ---- */

static uint64_t page(uint64_t n)
{
	return 0x1000 * (n + 1);
}

static void insert_page(struct rig *rig, uint64_t n)
{
	insert(rig, page(n), page(n) + 0xfff, 0x1000000 + page(n), 0, RW);
}

/* The pages of 0 .. 63 that are there. */
static uint64_t there(struct rig *rig)
{
	uint64_t set = 0;

	for (uint64_t n = 0; n < 64; n++) {
		rig->asks = 0;
		set |= (uint64_t)(look(rig, page(n) + 0x10, R) != 0) << n;
	}
	return set;
}

static void eviction_order(void **state)
{
	struct rig rig;

	rig_open(&rig, 4, 0);
	for (uint64_t n = 0; n < 4; n++)
		insert_page(&rig, 3 - n);
	assert_int_equal(there(&rig), 0xf);
	insert_page(&rig, 10); /* page 3 was the first */
	assert_int_equal(there(&rig), 0x407);
	insert_page(&rig, 2); /* again: it is new now */
	assert_int_equal(there(&rig), 0x407);
	insert_page(&rig, 11);
	assert_int_equal(there(&rig), 0xc05);
	insert_page(&rig, 12);
	assert_int_equal(there(&rig), 0x1c04);
	/* what is replaced makes room */
	insert(&rig, page(10), page(11) + 0xfff, 0x100000, 0, RW);
	assert_int_equal(there(&rig), 0x1c04);
	insert_page(&rig, 13);
	assert_int_equal(there(&rig), 0x3c04);
	/* in the middle of one: 3 for 1, the two oldest go: page 2, then page 12 */
	insert(&rig, page(10) + 0x800, page(10) + 0x8ff, 0x200000, 0, RW);
	assert_int_equal(there(&rig), 0x2c00);
	rig_close(&rig);
}

/* Parts are as old as what they are parts of. */
static void eviction_of_parts(void **state)
{
	struct rig rig;

	rig_open(&rig, 4, 0);
	insert_page(&rig, 0);
	insert_page(&rig, 1);
	viommu_iotlb_invalidate(rig.t, page(0) + 0x800, page(0) + 0x8ff);
	assert_int_equal(there(&rig), 3);
	insert_page(&rig, 2);
	insert_page(&rig, 3); /* one part of page 0 */
	insert_page(&rig, 4); /* and the other */
	assert_int_equal(there(&rig), 0x1e);
	assert_int_equal(look(&rig, page(0) + 0xfff, R), 0);
	insert_page(&rig, 5);
	assert_int_equal(there(&rig), 0x3c);
	rig_close(&rig);
}

/* An invalidation that makes two of one, with no room for it. */
static void invalidation_at_the_cap(void **state)
{
	struct rig rig;

	rig_open(&rig, 3, 0);
	insert_page(&rig, 0);
	insert_page(&rig, 1);
	insert_page(&rig, 2);
	viommu_iotlb_invalidate(rig.t, page(2) + 0x800, page(2) + 0x8ff);
	assert_int_equal(there(&rig), 6);
	assert_int_equal(look(&rig, page(2) + 0x900, R), 0x1000000 + page(2) + 0x900);
	assert_int_equal(rig.t->map.count, 3);
	rig_close(&rig);
	rig_open(&rig, 1, 0);
	insert_page(&rig, 0);
	viommu_iotlb_invalidate(rig.t, page(0) + 0x800, page(0) + 0x8ff);
	assert_int_equal(rig.t->map.count, 1);
	assert_int_equal(look(&rig, page(0) + 0x800, R), 0);
	insert(&rig, 0, 0xffff, 0x10000, 0, R);
	insert(&rig, 0x100, 0x100, 0x20000, 0, R);
	assert_int_equal(rig.t->map.count, 1);
	assert_int_equal(look(&rig, 0x100, R), 0x20000);
	assert_int_equal(look(&rig, 0xff, R), 0);
	rig_close(&rig);
}

/* Whatever a peer sends, memory and ranges stay within the cap. */
static void bounded_memory(void **state)
{
	uint64_t most = 0;
	struct rig rig;

	rig_open(&rig, 100, 8);
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t n = i * 0x9e3779b97f4a7c15U >> 50;

		rig.asks = 0;
		insert(&rig, n, n + i % 97 * 8, 0x100000 + i, 0, RW);
		assert_true(rig.t->map.count <= 100);
		if (i % 7 == 0)
			viommu_iotlb_invalidate(rig.t, n + 1, n + 2);
		assert_true(rig.t->map.count <= 100);
		assert_true(rig.t->used < rig.t->capacity);
		look(&rig, n * 3, R);
		if (i == 2000)
			most = rig.bytes;
		if (i > 2000)
			assert_true(rig.bytes <= 2 * most);
	}
	rig_close(&rig);
}

/* ---- misses ---- */

static void check_asked(const struct rig *rig, unsigned n, uint64_t iova, uint32_t access)
{
	assert_int_equal(rig->asks, n);
	assert_int_equal(rig->asked[n - 1].iova, iova);
	assert_int_equal(rig->asked[n - 1].access, access);
}

static void misses_once(void **state)
{
	struct rig rig;

	rig_open(&rig, 0, 0);
	assert_int_equal(look(&rig, 0x5123, R), 0);
	check_asked(&rig, 1, 0x5123, R);
	look(&rig, 0x5123, R);
	look(&rig, 0x5000, R);
	look(&rig, 0x5fff, R);
	assert_int_equal(rig.asks, 1);
	look(&rig, 0x6000, R);
	check_asked(&rig, 2, 0x6000, R);
	look(&rig, 0x4fff, RW);
	check_asked(&rig, 3, 0x4fff, RW);
	look(&rig, 0x4fff, R);
	look(&rig, 0x4fff, W);
	assert_int_equal(rig.asks, 3);
	/* only what has not been asked for */
	look(&rig, 0x5000, RW);
	check_asked(&rig, 4, 0x5000, W);
	look(&rig, 0x5000, RW);
	assert_int_equal(rig.asks, 4);
	look(&rig, MAX, W);
	check_asked(&rig, 5, MAX, W);
	look(&rig, 0, W);
	check_asked(&rig, 6, 0, W);
	rig_close(&rig);
}

static void misses_forgotten(void **state)
{
	static const struct {
		const char *name;
		uint64_t first, last;
		unsigned asks; /* by a second lookup of 0x5123 */
	} rows[] = {
		{ "the page", 0x5000, 0x5fff, 1 },
		{ "the address", 0x5123, 0x5123, 1 },
		{ "all", 0, MAX, 1 },
		{ "another address of the page", 0x5fff, 0x8fff, 1 },
		{ "up to the page", 0x4000, 0x5000, 1 },
		{ "before the page", 0, 0x4fff, 0 },
		{ "behind the page", 0x6000, MAX, 0 },
	};
	struct rig rig;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned by_insert = 0; by_insert < 2; by_insert++) {
			rig_open(&rig, 0, 0);
			look(&rig, 0x5123, R);
			check_eq(rows[i].name, rig.asks, 1);
			if (by_insert && rows[i].last - rows[i].first != MAX)
				insert(&rig, rows[i].first, rows[i].last, 0x1000, 0, R);
			viommu_iotlb_invalidate(rig.t, rows[i].first, rows[i].last);
			look(&rig, 0x5123, R);
			check_eq(rows[i].name, rig.asks, 1 + rows[i].asks);
			rig_close(&rig);
		}
	}
	/* by an update with less permission, which may have been under way: asked again, and then it
	 * is refused, once */
	rig_open(&rig, 0, 0);
	for (unsigned turn = 0; turn < 2; turn++) {
		look(&rig, 0x5123, W);
		check_asked(&rig, turn * 2 + 1, 0x5123, W);
		insert(&rig, 0x5000, 0x5fff, 0x1000, 0, R);
		assert_int_equal(look(&rig, 0x5123, W), 0);
		check_asked(&rig, turn * 2 + 2, 0x5123, W);
		assert_int_equal(look(&rig, 0x5123, W), 0);
		viommu_iotlb_invalidate(rig.t, 0x5000, 0x5fff);
		insert(&rig, 0x5000, 0x5fff, 0x1000, 0, R);
		assert_int_equal(look(&rig, 0x5123, R), 0x1123);
		assert_int_equal(rig.asks, turn * 2 + 2);
		assert_int_equal(look(&rig, 0x5123, W), 1);
		assert_int_equal(rig.t->misses.count, 0);
	}
	assert_int_equal(rig.asks, 4);
	/* granted at last */
	assert_int_equal(look(&rig, 0x5123, W), 0);
	insert(&rig, 0x5000, 0x5fff, 0x1000, 0, RW);
	assert_int_equal(rig.t->misses.count, 0);
	assert_int_equal(look(&rig, 0x5123, W), 0x1123);
	rig.asks = 0;
	/* also one that was there, as a late answer is */
	look(&rig, 0x6000, R);
	insert(&rig, 0x5000, 0x5fff, 0x1000, 0, R);
	assert_int_equal(rig.t->misses.count, 1);
	rig_close(&rig);
}

/* A miss that nobody answers is repeated, ever more seldom. */
static void misses_lost(void **state)
{
	struct rig rig;

	rig_open(&rig, 0, 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(look(&rig, 0x5000 + i, RW), 0);
	assert_int_equal(rig.asks, 2);
	check_asked(&rig, 2, 0x5000 + 512, RW);
	for (unsigned i = 0; i < 20000; i++)
		look(&rig, 0x5000, R);
	assert_int_equal(rig.asks, 6); /* after 1024, 2048, 4096, 8192 more, and a few */
	check_asked(&rig, 6, 0x5000, R);
	/* one that was answered begins anew */
	viommu_iotlb_invalidate(rig.t, 0x5000, 0x5000);
	look(&rig, 0x5000, R);
	assert_int_equal(rig.asks, 7);
	for (unsigned i = 0; i < 512; i++)
		look(&rig, 0x5000, R);
	assert_int_equal(rig.asks, 8);
	rig_close(&rig);
}

/* Many of them: a VMM that is busy finds not much more than one of each. */
static void misses_of_the_busy(void **state)
{
	unsigned asks = 0;
	struct rig rig;

	rig_open(&rig, 0, 0);
	for (unsigned i = 0; i < 1000000; i++) {
		rig.asks = 0;
		look(&rig, page(i % 200), W);
		asks += rig.asks;
	}
	assert_in_range(asks, 210, 220);
	/* the first answer, to another: there is someone */
	insert_page(&rig, 300);
	for (unsigned i = 0; i < 200; i++) {
		rig.asks = 0;
		look(&rig, page(i), W);
		asks += rig.asks;
	}
	assert_in_range(asks, 215, 230);
	rig_close(&rig);
}

/* Who is told that a miss was refused answers a lookup with it; mapped later, it is asked again. */
static void misses_refused(void **state)
{
	struct viommu_iotlb_range range;
	struct rig rig;

	rig_open(&rig, 0, 0);
	look(&rig, 0x5123, W);
	assert_int_equal(viommu_iotlb_refused(rig.t, 0x5123, W), VIOMMU_OK);
	assert_int_equal(look(&rig, 0x5fff, W), 1);
	assert_int_equal(rig.asks, 1);
	assert_int_equal(look(&rig, 0x5123, W), 0);
	check_asked(&rig, 2, 0x5123, W);
	/* what was not refused */
	assert_int_equal(viommu_iotlb_refused(rig.t, 0x5123, W), VIOMMU_OK);
	assert_int_equal(look(&rig, 0x5123, R), 0);
	check_asked(&rig, 3, 0x5123, R);
	assert_int_equal(viommu_iotlb_get_range(rig.r, 0x5123, RW, &range), VIOMMU_FAULT);
	/* of what was never asked for, and what is there */
	assert_int_equal(viommu_iotlb_refused(rig.t, 0x8000, R), VIOMMU_OK);
	insert(&rig, 0x8000, 0x8fff, 0x1000, 0, R);
	assert_int_equal(look(&rig, 0x8000, R), 0x1000);
	assert_int_equal(look(&rig, 0x8000, W), 0);
	check_asked(&rig, 4, 0x8000, W);
	assert_int_equal(viommu_iotlb_refused(NULL, 0, R), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_refused(rig.t, 0, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_refused(rig.t, 0, VIOMMU_EXEC), VIOMMU_EINVAL);
	rig_close(&rig);
}

static void misses_table_full(void **state)
{
	struct rig rig;

	rig_open(&rig, 0, 3);
	for (uint64_t n = 0; n < 3; n++)
		look(&rig, page(n), R);
	assert_int_equal(rig.asks, 3);
	look(&rig, page(3), R); /* page 0 is forgotten */
	check_asked(&rig, 4, page(3), R);
	look(&rig, page(1), R);
	look(&rig, page(2), R);
	assert_int_equal(rig.asks, 4);
	look(&rig, page(0), R); /* page 1 is forgotten */
	check_asked(&rig, 5, page(0), R);
	look(&rig, page(2), R);
	assert_int_equal(rig.asks, 5);
	look(&rig, page(1), R);
	assert_int_equal(rig.asks, 6);
	assert_int_equal(rig.t->misses.count, 3);
	rig_close(&rig);
}

/* A range with a hole is asked for at the hole, and answered up to there. */
static void misses_in_the_middle(void **state)
{
	struct viommu_fragment f[4];
	struct viommu_answer answer;
	struct rig rig;

	rig_open(&rig, 0, 0);
	insert_page(&rig, 0);
	insert_page(&rig, 2);
	assert_int_equal(viommu_iotlb_lookup(rig.r, page(0) + 8, page(2), W, f, 4, &answer),
			 VIOMMU_PENDING);
	check_asked(&rig, 1, page(1), W);
	assert_int_equal(answer.next, page(1));
	assert_int_equal(answer.count, 1);
	assert_int_equal(f[0].length, 0xff8);
	/* one fragment is not enough, whatever comes after it */
	insert(&rig, page(1), page(1) + 0xfff, 0x5000, 0, RW);
	assert_int_equal(viommu_iotlb_lookup(rig.r, page(0), page(3), W, f, 1, &answer),
			 VIOMMU_MORE);
	assert_int_equal(answer.next, page(1));
	rig.asks = 0;
	assert_int_equal(viommu_iotlb_lookup(rig.r, page(0), page(3), W, f, 3, &answer),
			 VIOMMU_PENDING);
	check_asked(&rig, 1, page(3), W);
	rig_close(&rig);
}

static void insert_at_once(struct rig *rig, uint64_t iova)
{
	insert(rig, iova & ~UINT64_C(0xfff), iova | 0xfff, 0x100000, 0, RW);
}

/* The VMM may answer from inside the callback: the next lookup has it. */
static void miss_answered_inside(void **state)
{
	struct rig rig;

	rig_open(&rig, 0, 0);
	rig.on_miss = insert_at_once;
	assert_int_equal(look(&rig, 0x5123, R), 0);
	assert_int_equal(look(&rig, 0x5123, R), 0x100123);
	assert_int_equal(rig.asks, 1);
	rig_close(&rig);
}

static void everything_inside(struct rig *rig, uint64_t iova)
{
	rig->on_miss = NULL;
	assert_int_equal(viommu_iotlb_free(rig->t), VIOMMU_EBUSY);
	assert_int_equal(viommu_iotlb_reader_free(rig->r), VIOMMU_EBUSY);
	assert_int_equal(viommu_iotlb_enter(rig->r), VIOMMU_EBUSY);
	assert_int_equal(viommu_iotlb_invalidate(rig->t, 0, MAX), VIOMMU_PENDING);
	insert_at_once(rig, iova);
	assert_int_equal(look(rig, iova, R), 0x100000 + (iova & 0xfff));
	assert_int_equal(viommu_iotlb_leave(rig->r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_synced(rig->t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_enter(rig->r), VIOMMU_OK);
}

static void free_everything(struct rig *rig)
{
	assert_int_equal(viommu_iotlb_synced(rig->t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_free(rig->r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_free(rig->t), VIOMMU_OK);
}

/* Obligation 19: every function from inside the callbacks, where it is the same thread. */
static void reentry(void **state)
{
	struct rig rig;

	rig_open(&rig, 0, 0);
	rig.on_miss = everything_inside;
	assert_int_equal(look(&rig, 0x5123, R), 0);
	assert_int_equal(rig.works, 1);
	rig.on_work = free_everything;
	assert_int_equal(viommu_iotlb_invalidate(rig.t, 0, MAX), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_leave(rig.r), VIOMMU_OK);
	assert_int_equal(rig.works, 2);
	assert_int_equal(rig.blocks, 0);
}

static void no_callbacks(void **state)
{
	struct viommu_iotlb_config config = { .size = sizeof(config) };
	struct viommu_iotlb_reader *r;
	struct viommu_answer answer;
	struct viommu_fragment f;
	struct viommu_iotlb *t;

	assert_int_equal(viommu_iotlb_new(&config, &t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_new(t, &r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_enter(r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_lookup(r, 5, 5, R, &f, 1, &answer), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_lookup(r, 5, 5, R, &f, 1, &answer), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_insert(t, 5, 5, at(8), 0, R), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_lookup(r, 5, 5, R, &f, 1, &answer), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_invalidate(t, 5, 5), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_leave(r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_synced(t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_free(r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_free(t), VIOMMU_OK);
}

/* ---- obligation 13: sections ---- */

static void sections(void **state)
{
	struct viommu_iotlb_reader *other;
	struct rig rig;

	rig_open(&rig, 0, 0);
	assert_int_equal(viommu_iotlb_reader_new(rig.t, &other), VIOMMU_OK);
	insert_page(&rig, 0);
	look(&rig, page(0), R);
	assert_int_equal(viommu_iotlb_synced(rig.t), VIOMMU_OK); /* nothing was invalidated */
	assert_int_equal(viommu_iotlb_enter(rig.r), VIOMMU_EBUSY);
	assert_int_equal(viommu_iotlb_leave(other), VIOMMU_EINVAL);
	assert_int_equal(viommu_iotlb_invalidate(rig.t, page(0), page(0)), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_synced(rig.t), VIOMMU_PENDING);
	/* a younger section holds nothing back, but who leaves it says so */
	assert_int_equal(viommu_iotlb_enter(other), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_reader_free(other), VIOMMU_EBUSY);
	assert_int_equal(viommu_iotlb_leave(rig.r), VIOMMU_OK);
	assert_int_equal(rig.works, 1);
	assert_int_equal(viommu_iotlb_synced(rig.t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_synced(rig.t), VIOMMU_OK);
	/* nobody waits any more: no call */
	assert_int_equal(viommu_iotlb_enter(rig.r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_leave(rig.r), VIOMMU_OK);
	assert_int_equal(rig.works, 1);
	/* the younger one holds back the next */
	assert_int_equal(viommu_iotlb_invalidate(rig.t, page(0), page(0)), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_leave(other), VIOMMU_OK);
	assert_int_equal(rig.works, 2);
	assert_int_equal(viommu_iotlb_leave(rig.r), VIOMMU_EINVAL);
	/* an invalidation while one is pending: one answer for both */
	assert_int_equal(viommu_iotlb_enter(other), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_invalidate(rig.t, 0, MAX), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_enter(rig.r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_invalidate(rig.t, 0, MAX), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_leave(other), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_synced(rig.t), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_leave(rig.r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_synced(rig.t), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_invalidate(rig.t, 0, MAX), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_free(rig.t), VIOMMU_EBUSY);
	assert_int_equal(viommu_iotlb_reader_free(other), VIOMMU_OK);
	rig_close(&rig);
}

/* A section may be using what was evicted or replaced before: it holds back the invalidation of
 * that although nothing of it is there. */
static void sections_of_what_is_gone(void **state)
{
	struct rig rig;

	rig_open(&rig, 1, 0);
	insert_page(&rig, 0);
	look(&rig, page(0), R);
	insert_page(&rig, 1);
	assert_int_equal(look(&rig, page(0), R), 0);
	assert_int_equal(viommu_iotlb_invalidate(rig.t, page(0), page(0) + 0xfff), VIOMMU_PENDING);
	assert_int_equal(viommu_iotlb_leave(rig.r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_synced(rig.t), VIOMMU_OK);
	rig_close(&rig);
}

/* ---- memory ---- */

static void out_of_memory(void **state)
{
	struct rig rig = { 0 };
	struct viommu_iotlb_config config = rig_config(&rig, 200, 8);
	int result = VIOMMU_ENOMEM;
	unsigned refused = 0;

	for (uint64_t n = 1; result != VIOMMU_OK; n++) {
		rig.fail_after = n;
		result = viommu_iotlb_new(&config, &rig.t);
		if (result == VIOMMU_OK)
			break;
		assert_int_equal(result, VIOMMU_ENOMEM);
		assert_int_equal(rig.blocks, 0);
		refused++;
	}
	assert_true(refused >= 3);
	rig.fail_after = 1;
	assert_int_equal(viommu_iotlb_reader_new(rig.t, &rig.r), VIOMMU_ENOMEM);
	rig.fail_after = 0;
	assert_int_equal(viommu_iotlb_reader_new(rig.t, &rig.r), VIOMMU_OK);
	assert_int_equal(viommu_iotlb_enter(rig.r), VIOMMU_OK);
	/* Whatever fails, nothing changes; an invalidation does not fail. */
	refused = 0;
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t first = i * 0x9e3779b97f4a7c15U >> 44;
		uint64_t changes = atomic_load(&rig.t->changes);
		uint32_t count = rig.t->map.count;

		rig.fail_after = 1;
		rig.asks = 0;
		result = viommu_iotlb_insert(rig.t, first, first + i % 17, at(0x1000), 0, R);
		if (result != VIOMMU_OK) {
			assert_int_equal(result, VIOMMU_ENOMEM);
			assert_int_equal(rig.t->map.count, count);
			assert_int_equal(atomic_load(&rig.t->changes), changes);
			refused++;
			rig.fail_after = 0;
			insert(&rig, first, first + i % 17, 0x1000, 0, R);
			rig.fail_after = 1;
		}
		assert_int_equal(look(&rig, first, R), 0x1000);
		assert_true(viommu_iotlb_invalidate(rig.t, first + 4, first + 5) >= 0);
		assert_int_equal(look(&rig, first + 4, R), 0);
	}
	assert_true(refused >= 1 && refused < 16);
	rig.fail_after = 0;
	rig_close(&rig);
}

/* Obligation 28: an update in the middle of a range for which there is no memory. */
static void out_of_memory_in_the_middle(void **state)
{
	unsigned refused = 0;
	struct rig rig;

	rig_open(&rig, 0, 0);
	for (uint64_t n = 0; n < 600; n++)
		insert(&rig, 0x100 * n, 0x100 * n + 0xff, 0x10000, 0, R);
	for (uint64_t n = 0; n < 600; n++) {
		uint64_t first = 0x100 * n + 0x40;
		int result;

		rig.asks = 0;
		rig.fail_after = 1;
		result = viommu_iotlb_insert(rig.t, first, first + 0xf, at(0x20000), 0, R);
		rig.fail_after = 0;
		if (result == VIOMMU_OK)
			continue;
		assert_int_equal(result, VIOMMU_ENOMEM);
		refused++;
		for (uint64_t i = 0; i < 0x100; i++)
			assert_int_equal(look(&rig, 0x100 * n + i, R), 0x10000 + i);
		insert(&rig, first, first + 0xf, 0x20000, 0, R);
	}
	assert_true(refused >= 2);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configurations),
		cmocka_unit_test(arguments),
		cmocka_unit_test(boundaries),
		cmocka_unit_test(whole_space),
		cmocka_unit_test(every_overlap),
		cmocka_unit_test(parts_keep_everything),
		cmocka_unit_test(merging),
		cmocka_unit_test(no_merging_across_holes),
		cmocka_unit_test(permission),
		cmocka_unit_test(changes_are_seen),
		cmocka_unit_test(working_sets),
		cmocka_unit_test(full_to_the_end),
		cmocka_unit_test(what_makes_copies_void),
		cmocka_unit_test(eviction_order),
		cmocka_unit_test(eviction_of_parts),
		cmocka_unit_test(invalidation_at_the_cap),
		cmocka_unit_test(bounded_memory),
		cmocka_unit_test(misses_once),
		cmocka_unit_test(misses_forgotten),
		cmocka_unit_test(misses_lost),
		cmocka_unit_test(misses_of_the_busy),
		cmocka_unit_test(misses_refused),
		cmocka_unit_test(misses_table_full),
		cmocka_unit_test(misses_in_the_middle),
		cmocka_unit_test(miss_answered_inside),
		cmocka_unit_test(reentry),
		cmocka_unit_test(no_callbacks),
		cmocka_unit_test(sections),
		cmocka_unit_test(sections_of_what_is_gone),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(out_of_memory_in_the_middle),
	};

	return cmocka_run_group_tests_name("unit/vhost_iotlb", tests, NULL, NULL);
}
