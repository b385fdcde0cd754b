/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tce_state.c - saved states of TCE tables (obligation 29): what is restored elsewhere goes on as what was saved would; windows
 * that are not there are made; what could not have been saved is refused whole.
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "tce_rig.h"

#define PAGE  GUEST_PAGE
#define RAM   GUEST_BASE
#define RW    3U
#define LIOBN TR_LIOBN(TR_BRIDGE)
#define MAX   (1 << 20)

static unsigned char good[MAX], now[MAX];
static uint64_t length;

/* ---- a life, step by step ---- */

static void put(struct tce_rig *r)
{
	check_eq("put", tr_put(r, LIOBN, 0x3000, RAM | RW), 0);
}

static void poison(struct tce_rig *r)
{
	check_eq("poison", tr_put(r, LIOBN, 0x5000, UINT64_C(0xdead000000000ffc)), 0);
}

static void create(struct tce_rig *r)
{
	check_eq("create", tr_create(r, TR_BRIDGE, 12, 49), 0); /* 2^37 entries */
}

static void far_apart(struct tce_rig *r)
{
	for (unsigned shift = 12; shift < 49; shift += 4)
		check_eq("put", tr_put(r, LIOBN + 1, TR_DYNAMIC + (UINT64_C(1) << shift), RAM | 1),
			 0);
}

static void many(struct tce_rig *r)
{
	check_eq("stuff", tr_stuff(r, TR_LIOBN(TR_PLAIN), 0x6000, (RAM + PAGE) | 2, 512), 0);
	check_eq("stuff", tr_stuff(r, TR_LIOBN(TR_PLAIN), 0x300000, (RAM + PAGE) | 1, 512), 0);
	check_eq("hole", tr_put(r, TR_LIOBN(TR_PLAIN), 0x100000, 0), 0);
}

static void no_default(struct tce_rig *r)
{
	check_eq("remove", tr_remove(r, LIOBN), 0);
}

static void in_its_place(struct tce_rig *r)
{
	check_eq("create", tr_create(r, TR_BRIDGE, 16, 30), 0);
	check_eq("put", tr_put(r, LIOBN, 0x30000, RAM | RW), 0);
}

static void bypass(struct tce_rig *r)
{
	check_eq("bypass", tr_bypass(r, TR_VIO_LIOBN + 1, 1), 0);
	check_eq("put", tr_put(r, TR_VIO_LIOBN, 0x3000, RAM | RW), 0);
}

static void limited(struct tce_rig *r)
{
	const struct viommu_tce_pe pe = tr_pe(TR_BRIDGE);
	uint32_t a[4] = { 0, (uint32_t)(pe.buid >> 32), (uint32_t)pe.buid, 1 };

	check_eq("limited", tr_rtas(r, VIOMMU_TCE_RTAS_RESET, 4, 1, a), 0);
}

static void nothing(struct tce_rig *r)
{
	check_eq("remove", tr_remove(r, LIOBN), 0);
}

static void (*const life[])(struct tce_rig *r) = { put,	    poison,	create,	      far_apart,
						   many,    no_default, in_its_place, bypass,
						   limited, nothing };

#define STEPS (sizeof(life) / sizeof(life[0]))

/* ---- comparing ---- */

static uint64_t save(struct tce_rig *r, unsigned char *to)
{
	uint64_t bytes = MAX, needed = 0;

	check_eq("save", viommu_save(r->g.iommu, NULL, &needed), VIOMMU_ENOSPC);
	check_eq("save", viommu_save(r->g.iommu, to, &bytes), VIOMMU_OK);
	check_eq("needed", needed, bytes);
	return bytes;
}

static int restore(struct tce_rig *r, const unsigned char *from, uint64_t bytes)
{
	int result = viommu_restore(r->g.iommu, from, bytes);

	while (result == VIOMMU_PENDING)
		result = viommu_run(r->g.iommu);
	return result;
}

static void check_same(struct tce_rig *a, struct tce_rig *b)
{
	static const uint64_t looks[] = { 0,
					  0x3000,
					  0x5000,
					  0x6000,
					  0x100000,
					  0x205000,
					  0x206000,
					  0x30000,
					  RAM,
					  TR_DYNAMIC,
					  TR_DYNAMIC + 0x1000,
					  TR_DYNAMIC + (UINT64_C(1) << 48) };

	for (unsigned n = 1; n < TR_PES; n++) {
		for (unsigned i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
			struct guest_dma x = guest_dma(a->device[n], looks[i], 1);
			struct guest_dma y = guest_dma(b->device[n], looks[i], 1);

			check_eq("result", x.result, y.result);
			if (x.result == VIOMMU_OK) {
				check_eq("gpa", x.f.gpa, y.f.gpa);
				check_eq("perm", x.f.perm, y.f.perm);
			}
		}
	}
	check_eq("poison", tr_get(a, LIOBN, 0x5000), tr_get(b, LIOBN, 0x5000));
	check_eq("poison", a->r4, b->r4);
}

static void test_every_point(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= STEPS; i++) {
		struct tce_rig *a = tr_open(NULL, 16);
		struct tce_rig *b = tr_open(NULL, 16);

		for (unsigned k = 0; k < i; k++)
			life[k](a);
		for (unsigned k = 0; k < (i * 3) % STEPS; k++) /* something else, which must go */
			life[k](b);
		length = save(a, good);
		check_eq("restore", restore(b, good, length), VIOMMU_OK);
		check_same(a, b);
		check_eq("length", save(b, now), length);
		assert_memory_equal(now, good, length);
		check_eq("over itself", restore(a, good, length), VIOMMU_OK);
		check_same(a, b);
		for (unsigned k = i; k < STEPS; k++) {
			life[k](a);
			life[k](b);
		}
		check_same(a, b);
		check_eq("length", save(b, now), save(a, good));
		assert_memory_equal(now, good, length = save(a, good));
		tr_close(a);
		tr_close(b);
	}
}

/* While a call is under way, or waits: the state is one after it. */
static void test_pending(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .steps = 1 };
	const struct viommu_tce_config config = { .limits = &limits };
	struct tce_rig *a = tr_open(&config, 16), *b = tr_open(NULL, 16);

	(void)state;
	check_eq("stuff", tr_stuff(a, LIOBN, 0, RAM | RW, 100), 0);
	check_eq("told", tr_told(a), true);
	check_eq("enter", viommu_enter(a->channel[TR_BRIDGE]), VIOMMU_OK);
	check_eq("use", guest_channel_dma(a->channel[TR_BRIDGE], VIOMMU_NO_PASID, 0, 1).result,
		 VIOMMU_OK);
	tr_stuff(a, LIOBN, 0, 0, 50);
	check_eq("pending", a->result, VIOMMU_PENDING);
	length = save(a, good);
	check_eq("restore", restore(b, good, length), VIOMMU_OK);
	check_eq("gone", guest_dma(b->device[TR_BRIDGE], 49 * PAGE, 1).result, VIOMMU_FAULT);
	check_eq("stays", guest_dma(b->device[TR_BRIDGE], 50 * PAGE, 1).result, VIOMMU_OK);
	check_eq("leave", viommu_leave(a->channel[TR_BRIDGE]), VIOMMU_OK);
	check_eq("told", tr_told(a), true);
	tr_close(a);
	tr_close(b);
}

/* ---- what is refused ---- */

static void make_sum(unsigned char *s, uint64_t bytes)
{
	uint64_t total = 0;

	for (uint64_t i = 0; i < bytes - 16; i++)
		total = (total << 1 | total >> 63) + s[i];
	for (unsigned i = 0; i < 8; i++)
		s[bytes - 8 + i] = (unsigned char)(total >> 8 * i);
}

static uint64_t record(const unsigned char *s, const char *name)
{
	uint64_t at = 16;

	while (memcmp(s + at, name, 4) != 0) {
		uint32_t bytes;

		memcpy(&bytes, s + at + 4, 4);
		at += 8 + bytes;
	}
	return at + 8;
}

/* Of PE 1 in the life's end: its words, and those of its first run. */
static const struct {
	const char *name;
	const char *record;
	unsigned at, bytes;
	uint64_t value;
} hostile[] = {
	{ "number", "pes ", 0, 4, 77 },
	{ "number of another", "pes ", 0, 4, 2 },
	{ "owner", "pes ", 4, 4, 2 },
	{ "LIOBN of its window", "pes ", 8, 4, 1 },
	{ "page shift of it", "pes ", 12, 4, 16 },
	{ "start of it", "pes ", 16, 8, 0x1000 },
	{ "entries of it", "pes ", 24, 8, 1 },
	{ "bypass of a bridge", "pes ", 32, 4, 1 },
	{ "limited", "pes ", 36, 4, 2 },
	{ "windows", "pes ", 40, 4, 9 },
	{ "fewer windows", "pes ", 40, 4, 1 },
	{ "place", "pes ", 44, 4, 3 },
	{ "place of another", "pes ", 44, 4, 1 },
	{ "LIOBN", "pes ", 48, 4, 0x1234 },
	{ "page shift", "pes ", 52, 4, 13 },
	{ "page shift 64", "pes ", 52, 4, 64 },
	{ "page shift that the default one has not", "pes ", 52, 4, 16 },
	{ "default", "pes ", 56, 4, 2 },
	{ "start within a page", "pes ", 60, 8, 0x800 },
	{ "start over messages", "pes ", 60, 8, TR_MSI },
	{ "wraps", "pes ", 60, 8, UINT64_MAX - 0xfff },
	{ "no entries", "pes ", 68, 8, 0 },
	{ "2^64 - 1 entries", "pes ", 68, 8, UINT64_MAX },
	{ "two that overlap", "pes ", 92, 8, 0 },
	{ "larger than may be", "pes ", 100, 8, UINT64_C(1) << 40 },
	{ "run: PE", "tces", 0, 4, 16 },
	{ "run: PE without windows", "tces", 0, 4, 9 },
	{ "run: place", "tces", 4, 4, 8 },
	{ "run: place without window", "tces", 4, 4, 2 },
	{ "run: beyond", "tces", 8, 8, TR_ENTRIES },
	{ "run: wraps", "tces", 8, 8, UINT64_MAX },
	{ "run: empty", "tces", 16, 4, 0 },
	{ "run: long", "tces", 16, 4, 513 },
	{ "run: longer than the record", "tces", 16, 4, 512 },
	{ "entry 0", "tces", 20, 8, 0 },
	{ "entry leads nowhere", "tces", 20, 8, UINT64_C(0x7fffffff000) | RW },
};

static void test_refused(void **state)
{
	struct tce_rig *a = tr_open(NULL, 16), *b = tr_open(NULL, 16);

	(void)state;
	put(a);
	create(a);
	far_apart(a);
	many(b);
	length = save(a, good);
	for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		uint64_t at = record(good, hostile[i].record) + hostile[i].at;
		uint64_t before = save(b, now);
		unsigned char *s = malloc(length);

		assert_non_null(s);
		memcpy(s, good, length);
		memcpy(s + at, &hostile[i].value, hostile[i].bytes);
		make_sum(s, length);
		check_eq(hostile[i].name, viommu_restore(b->g.iommu, s, length), VIOMMU_ESTATE);
		memcpy(s, good, length);
		free(s);
		s = malloc(MAX);
		check_eq(hostile[i].name, save(b, s), before);
		assert_memory_equal(s, now, before);
		free(s);
	}
	check_eq("good", restore(b, good, length), VIOMMU_OK);
	print_message("%zu rows\n", sizeof(hostile) / sizeof(hostile[0]));
	tr_close(a);
	tr_close(b);
}

/* Runs twice, or backwards; more pages than there may be. */
static void test_refused_runs(void **state)
{
	const struct viommu_tce_config small = { .table_bytes = 65536 };
	struct tce_rig *a = tr_open(NULL, 16), *b = tr_open(&small, 16);
	uint64_t tces;
	unsigned char swapped[28];

	(void)state;
	for (unsigned i = 0; i < 15; i++)
		check_eq("put", tr_put(a, LIOBN, i * 512 * PAGE, RAM | RW), 0);
	length = save(a, good);
	check_eq("as many as there may be", restore(b, good, length), VIOMMU_OK);
	tces = record(good, "tces");
	memcpy(swapped, good + tces, 28);
	memcpy(good + tces, good + tces + 28, 28);
	make_sum(good, length);
	check_eq("twice", viommu_restore(b->g.iommu, good, length), VIOMMU_ESTATE);
	memcpy(good + tces + 28, swapped, 28);
	make_sum(good, length);
	check_eq("backwards", viommu_restore(b->g.iommu, good, length), VIOMMU_ESTATE);
	check_eq("put", tr_put(a, LIOBN, 15 * 512 * PAGE, RAM | RW), 0);
	length = save(a, good);
	check_eq("more than there may be", viommu_restore(b->g.iommu, good, length), VIOMMU_ESTATE);
	check_eq("nothing has changed", tr_entry(b, LIOBN, 14 * 512 * PAGE), RAM | RW);
	/* it can be restored again and again: what there was makes room */
	check_eq("remove", tr_put(a, LIOBN, 15 * 512 * PAGE, 0), 0);
	length = save(a, good);
	for (unsigned i = 0; i < 50; i++)
		check_eq("again", restore(b, good, length), VIOMMU_OK);
	tr_close(a);
	tr_close(b);
}

/* ---- listeners and the host hear of what is restored ---- */

static uint64_t mapped;
static unsigned modes;

static int on_map(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		  const struct viommu_fragment *f)
{
	(void)opaque;
	(void)device;
	(void)pasid;
	(void)iova;
	mapped += f->length;
	return VIOMMU_OK;
}

static void on_unmap(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		     uint64_t last)
{
	(void)opaque;
	(void)device;
	(void)pasid;
	if (first == 0 && last == UINT64_MAX)
		mapped = 0;
}

static void on_mode(void *opaque, struct viommu_device *device, uint32_t mode)
{
	(void)opaque;
	(void)device;
	(void)mode;
	modes++;
}

static void test_told(void **state)
{
	const struct viommu_listener_config config = {
		.size = sizeof(config), .unmap = on_unmap, .map = on_map, .mode = on_mode
	};
	struct tce_rig *a = tr_open(NULL, 16), *b = tr_open(NULL, 16);
	struct viommu_listener *l;

	(void)state;
	put(a);
	create(a);
	far_apart(a);
	check_eq("listen", viommu_listener_new(b->g.iommu, b->device[TR_BRIDGE], &config, &l),
		 VIOMMU_OK);
	check_eq("put", tr_put(b, LIOBN, 0x9000, RAM | RW), 0);
	check_eq("mapped", mapped, PAGE);
	modes = 0;
	b->windows = 0;
	length = save(a, good);
	check_eq("restore", restore(b, good, length), VIOMMU_OK);
	check_eq("what there is now", mapped, 11 * PAGE);
	check_eq("mode", modes, 1);
	check_that("the host", b->windows > 0);
	viommu_listener_free(l);
	tr_close(a);
	tr_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_point), cmocka_unit_test(test_pending),
		cmocka_unit_test(test_refused),	    cmocka_unit_test(test_refused_runs),
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
