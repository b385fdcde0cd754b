/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_tce_stale.c - lookups while another thread puts, clears and stuffs entries, makes and removes windows (obligations 12, 13, 18):
 * no translation that started after a call was complete returns the old target, and none that was answered in a section becomes
 * stale before the section closes.
 *
 * Every target encodes its page and a version. One thread makes the calls; it publishes the version that is mapped, and after a
 * completion the lowest version that may still be seen. Pages are far apart, and others are mapped and cleared beside them, so
 * that pages of the table are unlinked, and linked again in the other window.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <libvirtiommu/tce.h>
#include <libvirtiommu/vm.h>

#include "thread_world.h"

enum { PAGES = 6, READERS = 3, ROUNDS = 20000 };

#define LIOBN	     0x80000000U
#define BUID	     1U
#define DYNAMIC	     (UINT64_C(1) << 59)
#define IOVA(page)   (UINT64_C(0x400000) * (1 + (page)))
#define TARGET(p, v) ((uint64_t)(p) << 44 | (uint64_t)(v) << 12)

struct checker {
	struct world w; /* its failure only */
	struct viommu_vm *vm;
	struct viommu *iommu;
	struct viommu_device *device;
	_Atomic uint64_t published[PAGES]; /* the newest version that was ever mapped */
	_Atomic uint64_t least[PAGES];	   /* no older one may be seen by who starts now */
	_Atomic uint64_t completed;	   /* calls */
	_Atomic bool stop;
	_Atomic uint64_t answers, misses;
	uint64_t held; /* calls that waited */
	uint64_t random;
	uint64_t tokens;
};

struct reader {
	struct checker *c;
	pthread_t thread;
	struct viommu_channel *channel; /* NULL: through the device */
	uint64_t random;
};

static struct checker checker;
static struct reader readers[READERS];

/* ---- readers ---- */

/* The version of an answer; 0: refused. */
static uint64_t look(struct reader *r, unsigned page, uint64_t offset)
{
	struct checker *c = r->c;
	const uint64_t least = atomic_load(&c->least[page]);
	struct viommu_request q = { .first = IOVA(page) + offset,
				    .last = IOVA(page) + offset + 7,
				    .pasid = VIOMMU_NO_PASID,
				    .access = VIOMMU_READ };
	struct viommu_fragment f[2];
	struct viommu_answer answer;
	uint64_t version, most;
	int result = r->channel ? viommu_translate(r->channel, &q, f, 2, &answer)
				: viommu_device_translate(c->device, &q, f, 2, &answer);

	if (result == VIOMMU_FAULT) {
		atomic_fetch_add(&c->misses, 1);
		return 0;
	}
	if (result != VIOMMU_OK || answer.count != 1) {
		world_fail(&c->w, "page %u: result %d", page, result);
		return 0;
	}
	most = atomic_load(&c->published[page]);
	version = (f[0].gpa - offset - TARGET(page, 0)) >> 12;
	if (f[0].gpa != TARGET(page, version) + offset || version < least || version > most)
		world_fail(&c->w, "page %u answers %llx: version %llu, not %llu to %llu", page,
			   (unsigned long long)f[0].gpa, (unsigned long long)version,
			   (unsigned long long)least, (unsigned long long)most);
	atomic_fetch_add(&c->answers, 1);
	return version;
}

/* What was answered in a section is complete, if at all, after the section. */
static void look_in_section(struct reader *r, unsigned page, uint64_t random)
{
	uint64_t got[3];

	if (viommu_enter(r->channel) != VIOMMU_OK)
		world_fail(&r->c->w, "cannot enter");
	for (unsigned i = 0; i < 3; i++)
		got[i] = look(r, (page + i) % PAGES, (random >> 8 * i & 0x1ff) * 8);
	if ((random & 7) == 0)
		sched_yield();
	for (unsigned i = 0; i < 3; i++) {
		if (got[i] && atomic_load(&r->c->least[(page + i) % PAGES]) > got[i])
			world_fail(&r->c->w, "completed inside a section");
	}
	if (viommu_leave(r->channel) != VIOMMU_OK)
		world_fail(&r->c->w, "cannot leave");
}

/* What another window has at the moment: any answer, but of one that is not this window's. */
static void look_elsewhere(struct reader *r, uint64_t random)
{
	uint64_t at = DYNAMIC + (random >> 20 & 0xfffff) * PAGE;
	struct viommu_request q = {
		.first = at, .last = at, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_fragment f;
	struct viommu_answer answer;
	int result = viommu_device_translate(r->c->device, &q, &f, 1, &answer);

	if (result != VIOMMU_FAULT &&
	    (result != VIOMMU_OK || f.gpa != (at & ~DYNAMIC) + (UINT64_C(0xff) << 52)))
		world_fail(&r->c->w, "window answers %d, %llx", result, (unsigned long long)f.gpa);
}

static void *read_all(void *opaque)
{
	struct reader *r = opaque;

	while (!atomic_load(&r->c->stop)) {
		uint64_t random = world_random(&r->random);
		unsigned page = (unsigned)(random >> 40) % PAGES;

		if ((random >> 16 & 3) == 0)
			look_elsewhere(r, random);
		else if (r->channel && (random & 3))
			look_in_section(r, page, random);
		else
			look(r, page, (random >> 8 & 0x1ff) * 8);
		if ((random >> 50 & 3) == 0)
			sched_yield();
	}
	return NULL;
}

/* ---- calls ---- */

static void complete(void *opaque, uint64_t token, int64_t status)
{
	struct checker *c = opaque;

	if (status)
		world_fail(&c->w, "call %llu: status %lld", (unsigned long long)token,
			   (long long)status);
	atomic_fetch_add(&c->completed, 1);
}

static void finish(struct checker *c, int result, int64_t status)
{
	uint64_t wanted = c->tokens + 1;

	if (result < 0 || status)
		world_fail(&c->w, "call: %d, status %lld", result, (long long)status);
	if (result != VIOMMU_PENDING)
		return;
	c->tokens++;
	c->held++;
	while (atomic_load(&c->completed) < wanted && !atomic_load(&c->w.failed)) {
		if (viommu_run(c->iommu) < 0)
			world_fail(&c->w, "cannot run");
		sched_yield();
	}
}

static void hcall(struct checker *c, uint64_t token, uint64_t liobn, uint64_t ioba, uint64_t third,
		  uint64_t count)
{
	uint64_t registers[VIOMMU_TCE_REGISTERS] = { token, liobn, ioba, third, count };
	int result = viommu_tce_hcall(c->iommu, registers, 1);

	finish(c, result, (int64_t)registers[0]);
}

static void rtas(struct checker *c, uint32_t call, const uint32_t *a, uint32_t nargs, uint32_t nret)
{
	uint32_t ret[8];
	int result = viommu_tce_rtas(c->iommu, call, a, nargs, ret, nret, 1);

	finish(c, result, (int32_t)ret[0]);
}

/* ---- the writer ---- */

static void map_page(struct checker *c, unsigned page)
{
	uint64_t version = atomic_load(&c->published[page]) + 1;

	atomic_store(&c->published[page], version);
	hcall(c, 0x20, LIOBN, IOVA(page), TARGET(page, version) | 1, 0);
	/* an entry that was there has gone with it */
	atomic_store(&c->least[page], version);
}

static void clear_page(struct checker *c, unsigned page, bool stuff)
{
	hcall(c, stuff ? 0x138 : 0x20, LIOBN, IOVA(page) - (stuff ? 0x5000 : 0), 0, 20);
	atomic_store(&c->least[page], atomic_load(&c->published[page]) + 1);
}

/* In another window pages come and go that were this one's. */
static void other_window(struct checker *c, uint64_t random)
{
	const uint32_t create[5] = { 0, 0, BUID, 12, 40 }, remove[1] = { LIOBN + 1 };

	rtas(c, VIOMMU_TCE_RTAS_CREATE, create, 5, 4);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t at = (world_random(&c->random) & 0xfffff) * PAGE;

		hcall(c, 0x20, LIOBN + 1, DYNAMIC + at, (at + (UINT64_C(0xff) << 52)) | 1, 0);
		if (random >> i & 1)
			hcall(c, 0x20, LIOBN + 1, DYNAMIC + at, 0, 0);
	}
	rtas(c, VIOMMU_TCE_RTAS_REMOVE, remove, 1, 1);
}

static void round_of(struct checker *c)
{
	uint64_t random = world_random(&c->random);
	unsigned page = (unsigned)(random >> 32) % PAGES;

	if ((random & 15) == 0) {
		other_window(c, random >> 8);
	} else if (random & 16) {
		map_page(c, page); /* over what is there */
	} else {
		clear_page(c, page, random & 32);
		if (random & 64)
			sched_yield();
		map_page(c, page);
	}
}

/* ---- the world ---- */

static void open_checker(struct checker *c, bool tiny)
{
	static const uint32_t more[] = { LIOBN + 1 };
	const struct viommu_vm_config vm = { .size = sizeof(vm) };
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = tiny ? 16 : 1024,
					      .contexts = 16,
					      .domains = 16 };
	const struct viommu_tce_config config = { .size = sizeof(config),
						  .flags = VIOMMU_TCE_ANY_ADDRESS,
						  .opaque = c,
						  .complete = complete,
						  .table_bytes = 1 << 20,
						  .limits = &limits };
	const struct viommu_tce_pe pe = { .size = sizeof(pe),
					  .flags = VIOMMU_TCE_PE_DDW,
					  .buid = BUID,
					  .window = { LIOBN, 12, 0, 0x10000 },
					  .liobns = more,
					  .liobn_count = 1 };
	const struct viommu_device_config device = { .size = sizeof(device) };

	memset(c, 0, sizeof(*c));
	assert_int_equal(viommu_vm_new(&vm, &c->vm), VIOMMU_OK);
	assert_int_equal(viommu_tce_new(c->vm, &config, &c->iommu), VIOMMU_OK);
	assert_int_equal(viommu_tce_add_pe(c->iommu, &pe), VIOMMU_OK);
	assert_int_equal(viommu_device_new(c->iommu, &device, &c->device), VIOMMU_OK);
	for (unsigned p = 0; p < PAGES; p++)
		map_page(c, p);
}

static void run_world(uint64_t seed, bool tiny)
{
	struct checker *c = &checker;
	struct pace pace;
	unsigned done = 0;

	open_checker(c, tiny);
	c->random = seed;
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .c = c, .random = seed * 77 + i + 1 };
		if (i)
			assert_int_equal(viommu_channel_new(c->device, VIOMMU_NO_PASID,
							    &readers[i].channel),
					 VIOMMU_OK);
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]),
				 0);
	}
	pace = pace_begin(scaled(ROUNDS), 2);
	for (; pace_on(&pace, done) && !atomic_load(&c->w.failed); done++)
		round_of(c);
	atomic_store(&c->stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	if (atomic_load(&c->w.failed))
		fail_msg("seed 0x%llx: %s", (unsigned long long)seed, c->w.failure);
	for (unsigned i = 0; i < READERS; i++)
		viommu_channel_free(readers[i].channel);
	print_message("%u rounds: %llu answers, %llu refused, %llu calls waited\n", done,
		      (unsigned long long)c->answers, (unsigned long long)c->misses,
		      (unsigned long long)c->held);
	assert_true(c->answers > 0 && c->misses > 0);
	assert_int_equal(viommu_device_free(c->device), VIOMMU_OK);
	assert_int_equal(viommu_free(c->iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(c->vm), VIOMMU_OK);
}

static void test_stale(void **state)
{
	(void)state;
	watchdog();
	run_world(0x1234567, false);
	run_world(0x7654321, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stale) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
