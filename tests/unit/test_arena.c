/* SPDX-License-Identifier: BSD-3-Clause */
/* test_arena.c - all that the library has of a VM lies in memory that the VMM gives, and nothing is left in it. */
#include "check.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <libvirtiommu/vtd.h>

#include "arena.h"
#include "unit.h"

#define PAGE UINT64_C(4096)

enum { ENOUGH_DEVICES = 5, ENOUGH_CHANNELS = 7, PARTITIONS = 2 };

static const struct viommu_limits limits = { .size = sizeof(limits),
					     .tlb_entries = 320,
					     .contexts = 64,
					     .domains = 64,
					     .devices = ENOUGH_DEVICES,
					     .channels = ENOUGH_CHANNELS,
					     .outstanding = 16,
					     .tables = 64,
					     .channel_entries = 16,
					     .shadow = 64,
					     .partitions = PARTITIONS };

struct life {
	unsigned char *base;
	uint64_t bytes;
	uint64_t windows; /* where they begin */
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device[ENOUGH_DEVICES];
	struct viommu_channel *channel[ENOUGH_CHANNELS];
	struct viommu_listener *listener;
};

static void map_arena(struct life *l, uint64_t own, uint64_t windows)
{
	*l = (struct life){ .bytes = own + windows, .windows = own };
	l->base = mmap(NULL, l->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(l->base != MAP_FAILED);
}

static void map_enough(struct life *l)
{
	uint64_t own, windows;

	assert_int_equal(viommu_arena_bytes(&limits, &own, &windows), VIOMMU_OK);
	map_arena(l, own, windows);
}

static void unmap(struct life *l)
{
	assert_int_equal(munmap(l->base, l->bytes), 0);
}

static int new_vm(struct life *l)
{
	const struct viommu_vm_config config = { .size = sizeof(config),
						 .arena = l->base,
						 .arena_bytes = l->bytes,
						 .arena_windows = l->windows };

	return viommu_vm_new(&config, &l->vm);
}

static int new_iommu(struct life *l)
{
	const struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };

	return viommu_vtd_new(l->vm, &config, &l->iommu);
}

static int new_device(struct life *l, uint32_t i)
{
	const struct viommu_device_config config = { .size = sizeof(config),
						     .id = i,
						     .partition = i % PARTITIONS };

	return viommu_device_new(l->iommu, &config, &l->device[i]);
}

static int new_listener(struct life *l)
{
	const struct viommu_listener_config config = { .size = sizeof(config) };

	return viommu_listener_new(l->iommu, NULL, &config, &l->listener);
}

/* All that there may be, as far as it goes. */
static int live(struct life *l)
{
	int result = new_vm(l);

	if (!result)
		result = new_iommu(l);
	for (uint32_t i = 0; !result && i < ENOUGH_DEVICES; i++)
		result = new_device(l, i);
	for (uint32_t i = 0; !result && i < ENOUGH_CHANNELS; i++)
		result = viommu_channel_new(l->device[i % ENOUGH_DEVICES], VIOMMU_NO_PASID,
					    &l->channel[i]);
	return result ? result : new_listener(l);
}

static void die(struct life *l)
{
	assert_int_equal(viommu_listener_free(l->listener), VIOMMU_OK);
	for (uint32_t i = 0; i < ENOUGH_CHANNELS; i++)
		assert_int_equal(viommu_channel_free(l->channel[i]), VIOMMU_OK);
	for (uint32_t i = 0; i < ENOUGH_DEVICES; i++)
		assert_int_equal(viommu_device_free(l->device[i]), VIOMMU_OK);
	assert_int_equal(viommu_free(l->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(l->vm), VIOMMU_OK);
}

static bool is_zero(const unsigned char *from, uint64_t bytes)
{
	return !bytes || (from[0] == 0 && !memcmp(from, from + 1, bytes - 1));
}

static bool own(const struct life *l, const void *at, uint64_t bytes)
{
	uint64_t from = (uint64_t)((const unsigned char *)at - l->base);

	return (const unsigned char *)at >= l->base && from < l->windows &&
	       bytes <= l->windows - from;
}

/* ---- rows ---- */

static void all_of_it_lies_in_the_arena(void **state)
{
	struct mallinfo2 before, after;
	struct life l;

	map_enough(&l);
	before = mallinfo2();
	assert_int_equal(live(&l), VIOMMU_OK);
	after = mallinfo2();
	assert_int_equal(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd);
	assert_true(own(&l, l.vm, sizeof(*l.vm)));
	assert_true(own(&l, l.iommu, sizeof(*l.iommu)));
	assert_true(own(&l, l.listener, 1));
	for (uint32_t i = 0; i < ENOUGH_DEVICES; i++)
		assert_true(own(&l, l.device[i], sizeof(*l.device[i])));
	for (uint32_t i = 0; i < ENOUGH_CHANNELS; i++)
		assert_true(own(&l, l.channel[i], 1));
	die(&l);
	unmap(&l);
}

/* Windows are pages of their own, behind what is private. */
static void windows_lie_behind(void **state)
{
	struct life l;

	map_enough(&l);
	assert_int_equal(live(&l), VIOMMU_OK);
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		const struct window *w = l.iommu->partition[i].window;
		uint64_t at = (uint64_t)((const unsigned char *)w - l.base);

		assert_true(at >= l.windows && at % PAGE == 0 && w->bytes % PAGE == 0);
		assert_true(at + w->bytes <= l.bytes);
	}
	die(&l);
	unmap(&l);
}

/* Without a part for them they lie among the rest. */
static void windows_among_the_rest(void **state)
{
	struct life l;

	map_enough(&l);
	l.windows = 0;
	assert_int_equal(live(&l), VIOMMU_OK);
	die(&l);
	assert_true(is_zero(l.base, l.bytes));
	unmap(&l);
}

/* Nothing is left of keys, pointers, or anything else. */
static void freed_is_zero(void **state)
{
	struct life l;

	map_enough(&l);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(live(&l), VIOMMU_OK);
		assert_false(is_zero(l.base + l.windows, l.bytes - l.windows));
		die(&l);
		assert_true(is_zero(l.base, l.bytes));
	}
	unmap(&l);
}

/* The nth page is not there: VIOMMU_ENOMEM, and the arena is as it was when what there is has been freed. */
static void exhausted(void **state)
{
	unsigned refused = 0;
	struct life enough;

	map_enough(&enough);
	for (uint64_t own_bytes = 0; own_bytes <= enough.windows; own_bytes += 4 * PAGE) {
		struct life l;
		int result;

		map_arena(&l, own_bytes + PAGE, enough.bytes - enough.windows);
		result = live(&l);
		assert_true(result == VIOMMU_OK || result == VIOMMU_ENOMEM);
		refused += result == VIOMMU_ENOMEM;
		if (result && l.vm) { /* and goes on, with what fits */
			l.listener = NULL;
			if (!l.iommu)
				assert_int_equal(new_iommu(&l), VIOMMU_ENOMEM);
		}
		die(&l);
		assert_true(is_zero(l.base, l.bytes));
		unmap(&l);
	}
	assert_true(refused > 3);
	unmap(&enough);
}

/* A page too few for windows; and those that were given are not given again, for whoever has mapped them. */
static void windows_are_given_once(void **state)
{
	const struct window *first;
	struct life l;

	map_enough(&l);
	l.bytes -= PAGE;
	assert_int_equal(live(&l), VIOMMU_ENOMEM);
	die(&l);
	assert_true(is_zero(l.base, l.bytes));
	l.bytes += PAGE;
	unmap(&l);
	map_enough(&l);
	assert_int_equal(new_vm(&l), VIOMMU_OK);
	assert_int_equal(new_iommu(&l), VIOMMU_OK);
	first = l.iommu->partition->window;
	assert_int_equal(viommu_free(l.iommu), VIOMMU_OK);
	assert_true(is_zero((const unsigned char *)first, l.bytes - l.windows));
	l.iommu = NULL;
	assert_int_equal(new_iommu(&l), VIOMMU_ENOMEM);
	die(&l);
	unmap(&l);
}

/* What is given back becomes one again, in whatever order, and alignments hold. */
static void blocks(void **state)
{
	enum { BLOCKS = 64 };
	static const uint64_t aligns[] = { 1, 16, 64, 256, 4096 };
	void *block[BLOCKS];
	struct arena *a;
	void *whole;
	struct life l;

	map_arena(&l, 1024 * PAGE, 0);
	a = arena_new(l.base, l.bytes, l.bytes);
	assert_non_null(a);
	for (unsigned step = 1; step < BLOCKS; step += 2) {
		for (unsigned i = 0; i < BLOCKS; i++) {
			block[i] = arena_alloc(a, i * 97, aligns[i % ARRAY_COUNT(aligns)]);
			assert_non_null(block[i]);
			assert_int_equal((uintptr_t)block[i] % aligns[i % ARRAY_COUNT(aligns)], 0);
			assert_true(is_zero(block[i], i * 97));
			memset(block[i], 0xa5, i * 97);
		}
		for (unsigned i = 0; i < BLOCKS; i++)
			arena_dealloc(a, block[i * step % BLOCKS], i * step % BLOCKS * 97);
		whole = arena_alloc(a, l.bytes - PAGE, 1);
		assert_non_null(whole);
		assert_true(is_zero(whole, l.bytes - PAGE));
		assert_null(arena_alloc(a, PAGE, 1));
		assert_null(arena_alloc(a, UINT64_MAX, 1));
		arena_dealloc(a, whole, l.bytes - PAGE);
	}
	arena_free(a);
	assert_true(is_zero(l.base, l.bytes));
	unmap(&l);
}

static void *take(void *opaque, uint64_t bytes, uint64_t align)
{
	return NULL;
}

static void give(void *opaque, void *block, uint64_t bytes)
{
}

static void configurations(void **state)
{
	static unsigned char here[2 * 4096] __attribute__((aligned(4096)));
	const struct {
		const char *name;
		struct viommu_vm_config config;
		int result;
	} rows[] = {
		{ "bytes of nothing", { .arena_bytes = PAGE }, VIOMMU_EINVAL },
		{ "windows of nothing", { .arena_windows = PAGE }, VIOMMU_EINVAL },
		{ "not aligned", { .arena = here + 64, .arena_bytes = PAGE }, VIOMMU_EINVAL },
		{ "odd bytes", { .arena = here, .arena_bytes = PAGE + 64 }, VIOMMU_EINVAL },
		{ "odd windows",
		  { .arena = here, .arena_bytes = 2 * PAGE, .arena_windows = 64 },
		  VIOMMU_EINVAL },
		{ "windows behind its end",
		  { .arena = here, .arena_bytes = PAGE, .arena_windows = 2 * PAGE },
		  VIOMMU_EINVAL },
		{ "and an allocator",
		  { .arena = here, .arena_bytes = PAGE, .alloc = take, .dealloc = give },
		  VIOMMU_EINVAL },
		{ "no bytes", { .arena = here }, VIOMMU_ENOMEM },
	};
	uint64_t own_bytes, windows;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_vm_config config = rows[i].config;
		struct viommu_vm *vm = NULL;

		config.size = sizeof(config);
		check_eq(rows[i].name, viommu_vm_new(&config, &vm), rows[i].result);
		check_that(rows[i].name, !vm && is_zero(here, sizeof(here)));
	}
	assert_int_equal(viommu_arena_bytes(&limits, NULL, &windows), VIOMMU_EINVAL);
	assert_int_equal(viommu_arena_bytes(&limits, &own_bytes, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_arena_bytes(NULL, &own_bytes, &windows), VIOMMU_OK);
	assert_int_equal((own_bytes | windows) % PAGE, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_lies_in_the_arena),
		cmocka_unit_test(windows_lie_behind),
		cmocka_unit_test(windows_among_the_rest),
		cmocka_unit_test(freed_is_zero),
		cmocka_unit_test(exhausted),
		cmocka_unit_test(windows_are_given_once),
		cmocka_unit_test(blocks),
		cmocka_unit_test(configurations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
