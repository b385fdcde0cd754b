/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_region_threads.c - the memory map while it changes: threads look addresses up, inside sections and without,
 * while one adds and removes hundreds of regions. A place is a region as it was added, or a gap between such; and
 * inside a section its host memory may be read until the section closes, which is when the memory is unmapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>
#include <sys/mman.h>

#include "mem.h"
#include "run.h"
#include "thread_world.h"

enum { SLOTS = 320, FIXED = 40, LOOKERS = 2 };

/* Slot n is [gpa_of(n), + 4 pages]; every eighth is always there. Behind each is a gap. */
#define FIRST_GPA (UINT64_C(1) << 40)
#define SLOT	  (8 * PAGE)
#define BYTES	  (4 * PAGE)

struct crowd {
	struct world w;
	struct viommu_device *device;
	struct viommu_channel *channel[LOOKERS];
	uint8_t *host[SLOTS];
	_Atomic bool stop;
	_Atomic unsigned started;
	_Atomic uint64_t looks, regions, gaps;
	uint64_t seed;
};

static uint64_t gpa_of(unsigned slot)
{
	return FIRST_GPA + slot * SLOT;
}

static bool is_fixed(unsigned slot)
{
	return slot % 8 == 3;
}

/* A region is whole and of its slot, a gap ends where regions end. */
static void check_place(struct crowd *c, const struct mem_place *place, uint64_t gpa)
{
	unsigned slot = (unsigned)((gpa - FIRST_GPA) / SLOT);
	bool inside = (gpa - FIRST_GPA) % SLOT < BYTES;
	bool region = place->host != 0;
	bool good = mem_is_in(place, gpa);

	if (region)
		good = good && inside && place->first == gpa_of(slot) &&
		       place->last == place->first + BYTES - 1;
	else
		good = good && !(inside && is_fixed(slot)) &&
		       (place->first - FIRST_GPA) % SLOT == BYTES &&
		       (place->last - FIRST_GPA) % SLOT == SLOT - 1;
	if (!good)
		world_fail(&c->w, "%llx is in %llx to %llx, %s", (unsigned long long)gpa,
			   (unsigned long long)place->first, (unsigned long long)place->last,
			   region ? "a region" : "a gap");
	atomic_fetch_add_explicit(region ? &c->regions : &c->gaps, 1, memory_order_relaxed);
}

/* Each word of the memory of a slot is its gpa. */
static void check_memory(struct crowd *c, uint64_t gpa)
{
	uint64_t word;

	if (mem_load64(c->w.vm, gpa, &word) && word != gpa)
		world_fail(&c->w, "memory at %llx says %llx", (unsigned long long)gpa,
			   (unsigned long long)word);
}

static void *look(void *opaque)
{
	struct crowd *c = opaque;
	unsigned n = atomic_fetch_add(&c->started, 1);
	uint64_t random = c->seed + n + 1;
	struct mem_place near = MEM_NOWHERE;

	while (!atomic_load(&c->stop) && !atomic_load(&c->w.failed)) {
		uint64_t r = world_random(&random);
		unsigned slot = 4 + (unsigned)(r >> 8) % (SLOTS - 8);
		uint64_t gpa = gpa_of(slot) + (r >> 24) % SLOT / 8 * 8;
		struct mem_place place = MEM_NOWHERE;

		mem_find(c->w.vm, gpa, &place);
		check_place(c, &place, gpa);
		mem_find_near(c->w.vm, gpa, &near);
		check_place(c, &near, gpa);
		viommu_enter(c->channel[n]);
		check_memory(c, gpa);
		if (r & 1)
			sched_yield();
		check_memory(c, gpa ^ 8);
		viommu_leave(c->channel[n]);
		if (atomic_fetch_add_explicit(&c->looks, 1, memory_order_relaxed) % 8 == 0)
			sched_yield();
	}
	return NULL;
}

static void add(struct crowd *c, unsigned slot)
{
	struct viommu_region r = { .size = sizeof(r), .gpa = gpa_of(slot), .bytes = BYTES };
	uint64_t *word =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(word, MAP_FAILED);
	for (unsigned i = 0; i < BYTES / 8; i++)
		__atomic_store_n(&word[i], r.gpa + i * 8, __ATOMIC_RELAXED);
	r.host = word;
	c->host[slot] = r.host;
	assert_int_equal(viommu_vm_add_region(c->w.vm, &r), VIOMMU_OK);
}

static void drop(struct crowd *c, unsigned slot)
{
	assert_int_equal(viommu_vm_remove_region(c->w.vm, gpa_of(slot)), VIOMMU_OK);
	while (viommu_vm_quiesce(c->w.vm) == VIOMMU_PENDING)
		sched_yield();
	munmap(c->host[slot], BYTES);
	c->host[slot] = NULL;
}

static void run(bool membarrier)
{
	const struct world_config config = { .ttm = VTD_TTM_LEGACY, .membarrier = membarrier };
	struct viommu_device_config device = { .size = sizeof(device), .id = 8 };
	unsigned rounds = scaled(6000);
	static struct crowd c;
	pthread_t thread[LOOKERS];
	uint64_t random;

	memset(&c, 0, sizeof(c));
	if (!world_try_open(&c.w, &config))
		return;
	c.seed = run_seed(RUN_ANY_SEED);
	random = c.seed;
	assert_int_equal(viommu_device_new(c.w.iommu, &device, &c.device), VIOMMU_OK);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		if (is_fixed(slot))
			add(&c, slot);
	}
	for (unsigned i = 0; i < LOOKERS; i++)
		assert_int_equal(viommu_channel_new(c.device, VIOMMU_NO_PASID, &c.channel[i]),
				 VIOMMU_OK);
	for (unsigned i = 0; i < LOOKERS; i++)
		world_start(&thread[i], look, &c);
	for (unsigned i = 0; i < rounds && !atomic_load(&c.w.failed); i++) {
		unsigned slot = (unsigned)world_random(&random) % SLOTS;

		if (is_fixed(slot))
			continue;
		if (c.host[slot])
			drop(&c, slot);
		else
			add(&c, slot);
	}
	while (atomic_load(&c.looks) < 100 && !atomic_load(&c.w.failed))
		sched_yield();
	atomic_store(&c.stop, true);
	for (unsigned i = 0; i < LOOKERS; i++)
		pthread_join(thread[i], NULL);
	print_message("%llu looks, %llu regions, %llu gaps\n", (unsigned long long)c.looks,
		      (unsigned long long)c.regions, (unsigned long long)c.gaps);
	world_check(&c.w);
	assert_true(c.regions && c.gaps);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		if (c.host[slot])
			drop(&c, slot);
	}
	for (unsigned i = 0; i < LOOKERS; i++)
		assert_int_equal(viommu_channel_free(c.channel[i]), VIOMMU_OK);
	assert_int_equal(viommu_device_free(c.device), VIOMMU_OK);
	world_close(&c.w);
}

static void test_fences(void **state)
{
	(void)state;
	run(false);
}

static void test_membarrier(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_membarrier),
	};

	return cmocka_run_group_tests_name("regions", tests, NULL, NULL);
}
