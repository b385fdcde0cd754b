/* SPDX-License-Identifier: BSD-3-Clause */
/* test_regions.c - vm.h: regions come and go, old maps live until every section has closed. */
#include "check.h"

#include <string.h>

#include "bits.h"
#include "guest.h"
#include "machine.h"
#include "mem.h"

static uint8_t pages[8][4096] __attribute__((aligned(4096)));

static int add(struct viommu_vm *vm, uint64_t gpa, uint64_t bytes, void *host, uint32_t flags)
{
	struct viommu_region r = {
		.size = sizeof(r), .flags = flags, .gpa = gpa, .bytes = bytes, .host = host
	};

	return viommu_vm_add_region(vm, &r);
}

#define END (UINT64_MAX - 0xfff) /* the last page of the address space */

/* Against one region [0x3000, 0x4fff] that is there already. */
static const struct {
	const char *name;
	uint64_t gpa, bytes;
	int result;
} rows[] = {
	{ "before, adjacent", 0x1000, 0x2000, VIOMMU_OK },
	{ "behind, adjacent", 0x5000, 0x1000, VIOMMU_OK },
	{ "at 0", 0, 0x1000, VIOMMU_OK },
	{ "the last page", END, 0x1000, VIOMMU_OK },
	{ "up to the end", END - 0x1000, 0x2000, VIOMMU_OK },
	{ "the same", 0x3000, 0x2000, VIOMMU_EEXIST },
	{ "its first page", 0x3000, 0x1000, VIOMMU_EEXIST },
	{ "its last page", 0x4000, 0x1000, VIOMMU_EEXIST },
	{ "into it from below", 0x2000, 0x2000, VIOMMU_EEXIST },
	{ "out of it", 0x4000, 0x2000, VIOMMU_EEXIST },
	{ "around it", 0x2000, 0x4000, VIOMMU_EEXIST },
	{ "everything but a page", 0, END, VIOMMU_EEXIST },
	{ "empty", 0x8000, 0, VIOMMU_EINVAL },
	{ "wraps", END, 0x2000, VIOMMU_EINVAL },
	{ "wraps to its own start", 0x8000, UINT64_MAX - 0xfff, VIOMMU_EINVAL },
	{ "gpa not aligned", 0x8001, 0x1000, VIOMMU_EINVAL },
	{ "gpa half aligned", 0x8800, 0x1000, VIOMMU_EINVAL },
	{ "length not aligned", 0x8000, 0x1001, VIOMMU_EINVAL },
	{ "less than a page", 0x8000, 0xfff, VIOMMU_EINVAL },
};

static bool readable(struct viommu_vm *vm, uint64_t gpa)
{
	uint64_t word;

	return mem_load64(vm, gpa, &word);
}

static void what_may_be_added(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		bool ok = rows[i].result == VIOMMU_OK;
		struct guest g;

		guest_init(&g, GUEST_CALLBACKS, 1);
		assert_int_equal(add(g.vm, 0x3000, 0x2000, pages[0], 0), VIOMMU_OK);
		check_eq(rows[i].name, add(g.vm, rows[i].gpa, rows[i].bytes, pages[2], 0),
			 rows[i].result);
		/* first and last word of it, and nothing around it */
		if (ok) {
			uint64_t last = rows[i].gpa + (rows[i].bytes - 8);

			check_that(rows[i].name, readable(g.vm, rows[i].gpa));
			check_that(rows[i].name, readable(g.vm, last));
			if (last + 8 != 0 && last + 8 != 0x3000)
				check_that(rows[i].name, !readable(g.vm, last + 8));
		}
		check_that(rows[i].name, readable(g.vm, 0x3000) && readable(g.vm, 0x4ff8));
		check_eq(rows[i].name, viommu_vm_remove_region(g.vm, rows[i].gpa),
			 ok || rows[i].gpa == 0x3000 ? VIOMMU_OK : VIOMMU_ENOENT);
		guest_fini(&g);
	}
}

static void other_misuse(void **state)
{
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 1);
	assert_int_equal(add(g.vm, 0, 0x1000, NULL, 0), VIOMMU_EINVAL);
	assert_int_equal(add(g.vm, 0, 0x1000, pages[0] + 8, 0), VIOMMU_EINVAL);
	assert_int_equal(add(g.vm, 0, 0x1000, pages[0], 2), VIOMMU_EINVAL);
	assert_int_equal(add(NULL, 0, 0x1000, pages[0], 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_vm_add_region(g.vm, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_vm_remove_region(NULL, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_vm_remove_region(g.vm, 0), VIOMMU_ENOENT);
	assert_int_equal(viommu_vm_quiesce(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_vm_wait(NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_vm_wait(g.vm), VIOMMU_OK);
	assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(NULL), VIOMMU_OK);
	assert_false(readable(g.vm, 0));
	guest_fini(&g);
}

/* Added in any order, found in any order; taken out of the middle, the neighbours stay. */
static void order_does_not_matter(void **state)
{
	static const uint8_t orders[][5] = {
		{ 0, 1, 2, 3, 4 }, { 4, 3, 2, 1, 0 }, { 2, 0, 4, 1, 3 }, { 3, 1, 4, 0, 2 }
	};

	for (size_t o = 0; o < ARRAY_COUNT(orders); o++) {
		struct guest g;
		uint64_t word;

		guest_init(&g, GUEST_CALLBACKS, 1);
		for (unsigned i = 0; i < 5; i++) {
			unsigned n = orders[o][i];

			memset(pages[n], (int)n + 1, 8);
			assert_int_equal(add(g.vm, n * 0x2000U, 0x1000, pages[n], 0), VIOMMU_OK);
		}
		for (unsigned i = 0; i < 5; i++) {
			unsigned gone = orders[o][i];

			assert_int_equal(viommu_vm_remove_region(g.vm, gone * 0x2000U), VIOMMU_OK);
			assert_int_equal(viommu_vm_remove_region(g.vm, gone * 0x2000U),
					 VIOMMU_ENOENT);
			for (unsigned j = 0; j < 5; j++) {
				bool there = true;

				for (unsigned k = 0; k <= i; k++)
					there &= orders[o][k] != j;
				assert_int_equal(mem_load64(g.vm, j * 0x2000U, &word), there);
				if (there)
					assert_int_equal(word & 0xff, j + 1);
				assert_false(readable(g.vm, j * 0x2000U + 0x1000));
			}
		}
		guest_fini(&g);
	}
}

/* ---- who may still be using it ---- */

/* An open section holds back the end of a region. Changing regions to and fro takes no memory. */
static void quiesce(void **state)
{
	struct viommu_channel *channel;
	struct guest g;
	uint64_t blocks;

	guest_init(&g, GUEST_CALLBACKS, 16);
	guest_vtd(&g, 0, 0);
	channel = guest_channel(&g, guest_device(&g, 8), VIOMMU_NO_PASID);
	assert_int_equal(add(g.vm, 0, 0x1000, pages[0], 0), VIOMMU_OK);
	assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
	blocks = g.blocks;
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(add(g.vm, 0x4000, 0x1000, pages[1], 0), VIOMMU_OK);
		assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_PENDING);
		assert_int_equal(viommu_vm_remove_region(g.vm, 0x4000), VIOMMU_OK);
		assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_PENDING);
	}
	assert_int_equal(g.blocks, blocks);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
	assert_int_equal(g.blocks, blocks);
	/* a section that is opened afterwards is nobody's business */
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	guest_fini(&g);
}

/* Every IOMMU of the VM counts, and one that is gone does not. */
static void several_units(void **state)
{
	struct viommu_vtd_config config = { .size = sizeof(config) };
	struct viommu_device_config device_config = { .size = sizeof(device_config), .id = 1 };
	struct viommu_channel *channel[3];
	struct viommu_device *device[3];
	struct viommu *iommu[3];
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 16);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(viommu_vtd_new(g.vm, &config, &iommu[i]), VIOMMU_OK);
		assert_int_equal(viommu_device_new(iommu[i], &device_config, &device[i]),
				 VIOMMU_OK);
		assert_int_equal(viommu_channel_new(device[i], VIOMMU_NO_PASID, &channel[i]),
				 VIOMMU_OK);
	}
	for (unsigned open = 1; open < 8; open++) {
		for (unsigned i = 0; i < 3; i++) {
			if (open & 1U << i)
				assert_int_equal(viommu_enter(channel[i]), VIOMMU_OK);
		}
		assert_int_equal(add(g.vm, 0, 0x1000, pages[0], 0), VIOMMU_OK);
		assert_int_equal(viommu_vm_remove_region(g.vm, 0), VIOMMU_OK);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(viommu_vm_quiesce(g.vm),
					 open >> i ? VIOMMU_PENDING : VIOMMU_OK);
			if (open & 1U << i)
				assert_int_equal(viommu_leave(channel[i]), VIOMMU_OK);
		}
		assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
	}
	for (unsigned i = 0; i < 3; i++) {
		static const unsigned order[] = { 1, 0, 2 };
		unsigned n = order[i];

		assert_int_equal(viommu_vm_free(g.vm), VIOMMU_EBUSY);
		assert_int_equal(viommu_channel_free(channel[n]), VIOMMU_OK);
		assert_int_equal(viommu_device_free(device[n]), VIOMMU_OK);
		assert_int_equal(viommu_free(iommu[n]), VIOMMU_OK);
		assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
	}
	guest_fini(&g);
}

/* A translation that a channel remembers, with its host pointer, follows the map (obligation 31). */
static void channels_follow_the_map(void **state)
{
	struct viommu_channel *channel;
	struct viommu_device *device;
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 16);
	guest_vtd(&g, 0, 0);
	guest_legacy_tt(&g, 8, 1, 0, 4, VTD_TT_PASS);
	guest_start(&g, VTD_TTM_LEGACY);
	device = guest_device(&g, 8);
	channel = guest_channel(&g, device, VIOMMU_NO_PASID);
	for (unsigned round = 0; round < 3; round++) {
		struct viommu_device *d = device;

		for (unsigned twice = 0; twice < 2; twice++) {
			assert_null(guest_channel_dma(channel, VIOMMU_NO_PASID, 0x4010, 1).f.host);
			assert_null(guest_dma(d, 0x4010, VIOMMU_READ).f.host);
		}
		assert_int_equal(add(g.vm, 0x4000, 0x1000, pages[round], 0), VIOMMU_OK);
		for (unsigned twice = 0; twice < 2; twice++) {
			struct guest_dma c = guest_channel_dma(channel, VIOMMU_NO_PASID, 0x4010, 1);

			assert_int_equal(c.result, VIOMMU_OK);
			assert_ptr_equal(c.f.host, &pages[round][0x10]);
			assert_ptr_equal(guest_dma(d, 0x4010, 1).f.host, &pages[round][0x10]);
		}
		assert_int_equal(viommu_vm_remove_region(g.vm, 0x4000), VIOMMU_OK);
	}
	guest_fini(&g);
}

static int note(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	if (iova <= 0x4000 && iova + f->length > 0x4000)
		*(struct viommu_fragment *)opaque = *f;
	return 0;
}

/* ---- other memory in the same place ---- */

static int replace(struct viommu_vm *vm, uint64_t gpa, uint64_t bytes, void *host, uint32_t flags)
{
	struct viommu_region r = {
		.size = sizeof(r), .flags = flags, .gpa = gpa, .bytes = bytes, .host = host
	};

	return viommu_vm_replace_region(vm, &r);
}

/* Against one region [0x3000, 0x4fff]. */
static const struct {
	const char *name;
	uint64_t gpa, bytes;
	int result;
} replacements[] = {
	{ "the same", 0x3000, 0x2000, VIOMMU_OK },
	{ "its first page", 0x3000, 0x1000, VIOMMU_ENOENT },
	{ "its last page", 0x4000, 0x1000, VIOMMU_ENOENT },
	{ "more than it", 0x3000, 0x3000, VIOMMU_ENOENT },
	{ "another", 0x8000, 0x2000, VIOMMU_ENOENT },
	{ "below it", 0x1000, 0x2000, VIOMMU_ENOENT },
	{ "empty", 0x3000, 0, VIOMMU_EINVAL },
	{ "not aligned", 0x3000, 0x1001, VIOMMU_EINVAL },
};

static void what_may_be_replaced(void **state)
{
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 1);
	assert_int_equal(add(g.vm, 0x3000, 0x2000, pages[0], 0), VIOMMU_OK);
	for (size_t i = 0; i < ARRAY_COUNT(replacements); i++) {
		bool ok = replacements[i].result == VIOMMU_OK;
		uint64_t word;

		memset(pages[0], 1, sizeof(pages[0]));
		memset(pages[2], 2, sizeof(pages[2]));
		check_eq(replacements[i].name,
			 replace(g.vm, replacements[i].gpa, replacements[i].bytes, pages[2], 0),
			 replacements[i].result);
		assert_true(mem_load64(g.vm, 0x3000, &word));
		check_eq(replacements[i].name, word & 0xff, ok ? 2 : 1);
		check_that(replacements[i].name, !readable(g.vm, 0x5000));
		assert_int_equal(replace(g.vm, 0x3000, 0x2000, pages[0], 0), VIOMMU_OK);
	}
	assert_int_equal(replace(NULL, 0x3000, 0x2000, pages[0], 0), VIOMMU_EINVAL);
	assert_int_equal(replace(g.vm, 0x3000, 0x2000, NULL, 0), VIOMMU_EINVAL);
	assert_int_equal(replace(g.vm, 0x3000, 0x2000, pages[0], 2), VIOMMU_EINVAL);
	assert_int_equal(viommu_vm_replace_region(g.vm, NULL), VIOMMU_EINVAL);
	guest_fini(&g);
}

/* What a channel remembers follows, memory and flags; an open section holds back the old memory's end. */
static void replaced_under_a_channel(void **state)
{
	struct viommu_channel *channel;
	struct guest_dma d;
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 16);
	guest_vtd(&g, 0, 0);
	guest_legacy_tt(&g, 8, 1, 0, 4, VTD_TT_PASS);
	guest_start(&g, VTD_TTM_LEGACY);
	channel = guest_channel(&g, guest_device(&g, 8), VIOMMU_NO_PASID);
	assert_int_equal(add(g.vm, 0x4000, 0x1000, pages[0], 0), VIOMMU_OK);
	for (unsigned round = 1; round < 4; round++) {
		uint32_t flags = round & 1 ? VIOMMU_REGION_READONLY : 0;

		assert_int_equal(viommu_enter(channel), VIOMMU_OK);
		d = guest_channel_dma(channel, VIOMMU_NO_PASID, 0x4010, VIOMMU_READ);
		assert_ptr_equal(d.f.host, &pages[round - 1][0x10]);
		assert_int_equal(replace(g.vm, 0x4000, 0x1000, pages[round], flags), VIOMMU_OK);
		assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_PENDING);
		d = guest_channel_dma(channel, VIOMMU_NO_PASID, 0x4010, VIOMMU_READ);
		assert_ptr_equal(d.f.host, &pages[round][0x10]);
		assert_int_equal(d.f.perm & VIOMMU_WRITE, flags ? 0 : VIOMMU_WRITE);
		assert_int_equal(viommu_leave(channel), VIOMMU_OK);
		assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
	}
	guest_fini(&g);
}

/* ---- who is told when nobody uses it any more ---- */

/* work is called when the section closes that quiesce waits for, and not before; whatever the unit itself
 * waits for, has waited for, or does meanwhile. */
static void work_says_when_it_is_quiet(void **state)
{
	enum { PLAIN, RUN_BETWEEN, WAIT_BEFORE, WAIT_BETWEEN, YOUNGER_SECTION, WAYS };

	for (unsigned way = PLAIN; way < WAYS; way++) {
		struct viommu_channel *channel, *other;
		struct guest g;

		guest_init(&g, GUEST_REGION, 64);
		guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
		guest_start(&g, VTD_TTM_LEGACY);
		channel = guest_channel(&g, guest_device(&g, 8), VIOMMU_NO_PASID);
		other = guest_channel(&g, guest_device(&g, 16), VIOMMU_NO_PASID);
		assert_int_equal(add(g.vm, 0, 0x1000, pages[0], 0), VIOMMU_OK);
		assert_int_equal(viommu_enter(channel), VIOMMU_OK);
		assert_int_equal(viommu_vm_remove_region(g.vm, 0), VIOMMU_OK);
		if (way == WAIT_BEFORE) {
			guest_submit(&g, GUEST_IOTLB(1, 0), 0, 0, 0);
			guest_submit_wait(&g);
			assert_int_equal(guest_ring(&g), VIOMMU_PENDING);
		}
		assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_PENDING);
		if (way == RUN_BETWEEN)
			assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
		if (way == WAIT_BETWEEN) {
			guest_submit(&g, GUEST_IOTLB(1, 0), 0, 0, 0);
			guest_submit_wait(&g);
			assert_int_equal(guest_ring(&g), VIOMMU_PENDING);
		}
		g.count[GUEST_ON_WORK] = 0;
		if (way == YOUNGER_SECTION) {
			assert_int_equal(viommu_enter(other), VIOMMU_OK);
			assert_int_equal(viommu_leave(other), VIOMMU_OK);
			check_eq("younger", g.count[GUEST_ON_WORK], 0);
		}
		assert_int_equal(viommu_leave(channel), VIOMMU_OK);
		check_eq("work", g.count[GUEST_ON_WORK], 1);
		/* and who has to do with both is told of both, whoever asks first */
		assert_int_equal(viommu_run(g.iommu), VIOMMU_OK);
		assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
		g.count[GUEST_ON_WORK] = 0;
		assert_int_equal(viommu_enter(channel), VIOMMU_OK);
		assert_int_equal(viommu_leave(channel), VIOMMU_OK);
		check_eq("nobody waits", g.count[GUEST_ON_WORK], 0);
		guest_fini(&g);
	}
}

struct asking {
	struct viommu_vm *vm;
	int during;
};

static void ask_from_inside(void *opaque, enum guest_event event)
{
	struct asking *a = opaque;

	if (event != GUEST_ON_READ || a->during != VIOMMU_EINVAL)
		return;
	viommu_vm_remove_region(a->vm, 0);
	a->during = viommu_vm_quiesce(a->vm);
}

/* A call on the registers is one that may be using the region; its end is told. */
static void work_says_that_a_call_ended(void **state)
{
	struct asking a = { .during = VIOMMU_EINVAL };
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 64);
	guest_vtd(&g, GUEST_CAP, GUEST_ECAP_LEGACY);
	guest_start(&g, VTD_TTM_LEGACY);
	assert_int_equal(add(g.vm, 0, 0x1000, pages[0], 0), VIOMMU_OK);
	a.vm = g.vm;
	g.hook_opaque = &a;
	g.hook = ask_from_inside;
	g.count[GUEST_ON_WORK] = 0;
	guest_submit(&g, GUEST_IOTLB(1, 0), 0, 0, 0);
	guest_ring(&g);
	assert_int_equal(a.during, VIOMMU_PENDING);
	assert_int_equal(g.count[GUEST_ON_WORK], 1);
	assert_int_equal(viommu_vm_quiesce(g.vm), VIOMMU_OK);
	guest_fini(&g);
}

/* ROM has a host pointer for those who read, and none for those who write; cold and warm. With a
 * pointer, permission is what may be done there (obligation 43). */
static void rom_through_a_channel(void **state)
{
	struct viommu_fragment f = { .length = 0 };
	struct viommu_channel *channel;
	struct viommu_device *device;
	uint64_t first = 0;
	struct guest g;

	guest_init(&g, GUEST_CALLBACKS, 16);
	guest_vtd(&g, 0, 0);
	assert_int_equal(add(g.vm, 0x4000, 0x1000, pages[0], VIOMMU_REGION_READONLY), VIOMMU_OK);
	guest_legacy_tt(&g, 8, 1, 0, 4, VTD_TT_PASS);
	guest_start(&g, VTD_TTM_LEGACY);
	device = guest_device(&g, 8);
	channel = guest_channel(&g, device, VIOMMU_NO_PASID);
	for (unsigned i = 0; i < 6; i++) {
		unsigned access = i & 1 ? VIOMMU_WRITE : VIOMMU_READ;
		struct guest_dma d = guest_channel_dma(channel, VIOMMU_NO_PASID, 0x4fff, access);

		assert_int_equal(d.result, VIOMMU_OK);
		assert_int_equal(d.f.gpa, 0x4fff);
		assert_ptr_equal(d.f.host, i & 1 ? NULL : &pages[0][0xfff]);
		assert_int_equal(d.f.perm & VIOMMU_WRITE, access & VIOMMU_WRITE);
		assert_true(d.f.perm & VIOMMU_READ);
		d = guest_dma(device, 0x4fff, access);
		assert_ptr_equal(d.f.host, i & 1 ? NULL : &pages[0][0xfff]);
		assert_int_equal(d.f.perm & VIOMMU_WRITE, access & VIOMMU_WRITE);
	}
	assert_int_equal(viommu_replay(device, VIOMMU_NO_PASID, &first, 0x5fff, 0, note, &f),
			 VIOMMU_OK);
	assert_ptr_equal(f.host, pages[0]);
	assert_int_equal(f.perm & (VIOMMU_READ | VIOMMU_WRITE), VIOMMU_READ);
	assert_int_equal(f.flags, 0);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_be_added),
		cmocka_unit_test(other_misuse),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(quiesce),
		cmocka_unit_test(several_units),
		cmocka_unit_test(channels_follow_the_map),
		cmocka_unit_test(rom_through_a_channel),
		cmocka_unit_test(what_may_be_replaced),
		cmocka_unit_test(replaced_under_a_channel),
		cmocka_unit_test(work_says_when_it_is_quiet),
		cmocka_unit_test(work_says_that_a_call_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
