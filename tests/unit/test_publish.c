/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_publish.c - memory/mem.h: a structure that the guest publishes while it is being read is read
 * as not valid or as a whole (obligation 40): the word with the valid bit comes first.
 *
 * The structure lies across two pages that nobody may touch. Each fault opens a page, and the second
 * one, between the first load and the last, publishes: fields, then the valid bit.
 */
#include "check.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bits.h"
#include "guest.h"
#include "mem.h"

#define GPA UINT64_C(0x100000)

static const struct {
	const char *name;
	unsigned words;
	unsigned in_first; /* of them before the border */
} rows[] = {
	{ "two words, not aligned to a pair", 2, 1 },
	{ "three words, a pair first", 3, 2 },
	{ "three words, a pair last", 3, 1 },
	{ "four words: a scalable-mode context entry", 4, 2 },
	{ "four words, not aligned to pairs", 4, 1 },
	{ "eight words, two before", 8, 2 },
	{ "eight words, four before", 8, 4 },
	{ "eight words, six before: a PASID table entry", 8, 6 },
	{ "eight words, seven before", 8, 7 },
};

/* Of the fault handler. */
static struct {
	unsigned char *memory;
	size_t page;
	uint64_t *structure;
	unsigned words;
	unsigned faults;
} trap;

static void publish(void)
{
	for (unsigned i = trap.words - 1; i > 0; i--)
		__atomic_store_n(&trap.structure[i], 0x100 + i, __ATOMIC_RELAXED);
	__atomic_store_n(&trap.structure[0], 1, __ATOMIC_RELEASE);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	size_t offset = (size_t)((unsigned char *)info->si_addr - trap.memory);

	(void)context;
	if (offset >= 2 * trap.page || trap.faults == 2) { /* a fault of our own */
		signal(number, SIG_DFL);
		return;
	}
	mprotect(trap.memory + offset / trap.page * trap.page, trap.page, PROT_READ | PROT_WRITE);
	if (++trap.faults == 2)
		publish();
}

/* @near: for one who knows the region already */
static bool load(struct viommu_vm *vm, bool near, uint64_t gpa, uint64_t *word, unsigned words)
{
	struct mem_place place = MEM_NOWHERE;

	if (!near)
		return mem_load(vm, gpa, word, words);
	mem_find(vm, gpa, &place);
	return mem_load_near(vm, &place, gpa, word, words);
}

static void a_structure_across_pages(struct viommu_vm *vm, bool near, size_t n)
{
	uint64_t word[8] = { 0 };
	uint64_t offset = trap.page - rows[n].in_first * sizeof(word[0]);

	mprotect(trap.memory, 2 * trap.page, PROT_READ | PROT_WRITE);
	trap.structure = (uint64_t *)(void *)(trap.memory + offset);
	trap.words = rows[n].words;
	trap.faults = 0;
	for (unsigned i = 0; i < rows[n].words; i++)
		trap.structure[i] = 0;
	mprotect(trap.memory, 2 * trap.page, PROT_NONE);
	check_that(rows[n].name, load(vm, near, GPA + offset, word, rows[n].words));
	check_eq(rows[n].name, trap.faults, 2);
	for (unsigned i = 1; word[0] && i < rows[n].words; i++)
		check_eq(rows[n].name, word[i], 0x100 + i);
	/* by now it is published */
	check_that(rows[n].name, load(vm, near, GPA + offset, word, rows[n].words));
	check_eq(rows[n].name, word[0], 1);
	for (unsigned i = 1; i < rows[n].words; i++)
		check_eq(rows[n].name, word[i], 0x100 + i);
}

static void published_between_loads(void **state)
{
	const struct viommu_vm_config config = { .size = sizeof(config) };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	struct viommu_region region = { .size = sizeof(region), .gpa = GPA };
	struct sigaction before;
	struct viommu_vm *vm;

	trap.page = (size_t)sysconf(_SC_PAGESIZE);
	trap.memory = mmap(NULL, 2 * trap.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(trap.memory != MAP_FAILED);
	region.bytes = 2 * trap.page;
	region.host = trap.memory;
	assert_int_equal(viommu_vm_new(&config, &vm), VIOMMU_OK);
	assert_int_equal(viommu_vm_add_region(vm, &region), VIOMMU_OK);
	sigaction(SIGSEGV, &action, &before);
	for (size_t n = 0; n < 2 * ARRAY_COUNT(rows); n++)
		a_structure_across_pages(vm, n % 2, n / 2);
	sigaction(SIGSEGV, &before, NULL);
	assert_int_equal(viommu_vm_free(vm), VIOMMU_OK);
	munmap(trap.memory, 2 * trap.page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_between_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
