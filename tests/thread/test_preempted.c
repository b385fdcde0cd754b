/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_preempted.c - a thread that has a lock and does not run (obligation 39): on one processor, a real-time thread
 * translates while an ordinary one is in the middle of writing what it looks at.
 *
 * For a cache nobody waits: the answer is there before the owner has gone on. For what there is nowhere else, the real-time
 * thread sleeps until the writer, who can run then, has finished. A spin would show neither.
 */
#define _GNU_SOURCE /* processor sets, RUSAGE_THREAD */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/resource.h>

#include "channel.h"
#include "mem_map.h"
#include "thread_world.h"
#include "virtio_engine.h"

#define IOVA UINT64_C(0x40000000)

enum owned { SETS, TABLES, REGIONS, RANGES };

static const struct {
	const char *name;
	enum owned owned;
} rows[] = {
	{ "sets of the TLB", SETS },
	{ "slots of the paging-structure cache", TABLES },
	{ "the regions", REGIONS },
	{ "the mappings of a domain", RANGES },
};

static struct {
	struct viommu *iommu;
	struct viommu_vm *vm;
	struct viommu_device *device;
	unsigned char *ram;
	enum owned owned;
	sem_t has;	      /* the owner has the locks */
	_Atomic bool gone_on; /* and has given them back */
	/* of the real-time thread */
	int result;
	bool waited;
	long sleeps;
	uint64_t gpa;
} rig;

static uint64_t *word(uint64_t gpa)
{
	return (uint64_t *)(void *)(rig.ram + gpa);
}

static void set_locks(void (*take)(_Atomic uint64_t *version))
{
	struct tlb *tlb = &rig.iommu->partition->tlb;
	struct table_cache *tables = &rig.iommu->partition->tables;

	if (rig.owned == SETS)
		for (uint64_t i = 0; i <= tlb->places / sizeof(*tlb->set); i++)
			take(&tlb->set[i].version);
	else if (rig.owned == TABLES) /* slots of a cache line that begin with a version */
		for (uint64_t i = 0; i <= tables->mask; i++)
			take((_Atomic uint64_t *)(void *)((char *)tables->slot + 64 * i));
	else if (rig.owned == REGIONS)
		take(&rig.vm->map_version);
	else
		take(&virtio_of(rig.iommu)->domain[0].map.version);
}

static void *owner(void *arg)
{
	(void)arg;
	if (rig.owned == REGIONS)
		pthread_mutex_lock(&rig.vm->lock);
	set_locks(seq_write_begin);
	sem_post(&rig.has); /* here the real-time thread takes the processor */
	set_locks(seq_write_end);
	atomic_store(&rig.gone_on, true);
	if (rig.owned == REGIONS)
		pthread_mutex_unlock(&rig.vm->lock);
	return NULL;
}

static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void *real_time(void *arg)
{
	struct viommu_request r = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_fragment f = { .gpa = 0 };
	struct viommu_answer answer;
	long before;

	(void)arg;
	sem_wait(&rig.has);
	before = sleeps();
	rig.result = viommu_device_translate(rig.device, &r, &f, 1, &answer);
	rig.sleeps = sleeps() - before;
	rig.waited = atomic_load(&rig.gone_on);
	rig.gpa = f.gpa;
	return NULL;
}

/* False: not permitted here. */
static bool start(pthread_t *thread, int policy, int priority, void *(*run)(void *))
{
	struct sched_param param = { .sched_priority = priority };
	pthread_attr_t attributes;
	bool started;

	pthread_attr_init(&attributes);
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, policy);
	pthread_attr_setschedparam(&attributes, &param);
	started = pthread_create(thread, &attributes, run, NULL) == 0;
	pthread_attr_destroy(&attributes);
	return started;
}

/* A legacy root table, a context entry and four levels that lead to one page. */
static void tables(void)
{
	for (unsigned level = 0; level < 3; level++)
		*word(0x3000 + level * 0x1000 + 8 * (IOVA >> (39 - 9 * level) & 511)) =
			(0x4000 + level * 0x1000) | 3;
	*word(0x6000 + 8 * (IOVA >> 12 & 511)) = 0x8000 | 3;
	*word(0x1000) = 0x2000 | 1;
	*word(0x2000 + 0x10 * 16) = 0x3000 | 1;
	*word(0x2000 + 0x10 * 16 + 8) = 2 | 7 << 8;
}

static const struct viommu_device_config device = { .size = sizeof(device), .id = 0x10 };

static void open_vtd(void)
{
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 64,
					      .tables = 64 };
	const struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };

	assert_int_equal(viommu_vtd_new(rig.vm, &config, &rig.iommu), VIOMMU_OK);
	assert_int_equal(viommu_device_new(rig.iommu, &device, &rig.device), VIOMMU_OK);
	tables();
	assert_int_equal(viommu_reg_write(rig.iommu, VTD_RTADDR, 8, 0x1000), VIOMMU_OK);
	assert_int_equal(viommu_reg_write(rig.iommu, VTD_GCMD, 4, VTD_G_RTP), VIOMMU_OK);
	assert_int_equal(viommu_reg_write(rig.iommu, VTD_GCMD, 4, VTD_G_TE), VIOMMU_OK);
}

static void request(unsigned char *bytes, uint64_t count)
{
	unsigned char tail[4] = { 0xff };
	const struct viommu_part in = { bytes, count }, out = { tail, sizeof(tail) };
	uint32_t used;

	assert_int_equal(viommu_virtio_request(rig.iommu, &in, 1, &out, 1, 1, &used), VIOMMU_OK);
	assert_int_equal(tail[0], 0);
}

/* Endpoint 0x10 in domain 1, which has one mapping: the same page. */
static void open_virtio(void)
{
	const struct viommu_virtio_config config = { .size = sizeof(config) };
	unsigned char attach[20] = { 1, [4] = 1, [8] = 0x10 };
	unsigned char map[36] = { 3,	       [4] = 1,	    [11] = 0x40, [16] = 0xff,
				  [17] = 0x0f, [19] = 0x40, [25] = 0x80, [32] = 3 };

	assert_int_equal(viommu_virtio_new(rig.vm, &config, &rig.iommu), VIOMMU_OK);
	assert_int_equal(viommu_device_new(rig.iommu, &device, &rig.device), VIOMMU_OK);
	request(attach, sizeof(attach));
	request(map, sizeof(map));
}

static void open_rig(enum owned owned)
{
	const struct viommu_vm_config vm = { .size = sizeof(vm) };
	struct viommu_region region = { .size = sizeof(region), .bytes = 0x10000 };

	static _Alignas(4096) unsigned char ram[0x10000];

	memset(&rig, 0, sizeof(rig));
	memset(ram, 0, sizeof(ram));
	rig.owned = owned;
	rig.ram = ram;
	region.host = ram;
	sem_init(&rig.has, 0, 0);
	assert_int_equal(viommu_vm_new(&vm, &rig.vm), VIOMMU_OK);
	assert_int_equal(viommu_vm_add_region(rig.vm, &region), VIOMMU_OK);
	if (owned == RANGES)
		open_virtio();
	else
		open_vtd();
}

static void close_rig(void)
{
	assert_int_equal(viommu_device_free(rig.device), VIOMMU_OK);
	assert_int_equal(viommu_free(rig.iommu), VIOMMU_OK);
	assert_int_equal(viommu_vm_free(rig.vm), VIOMMU_OK);
	sem_destroy(&rig.has);
}

static void an_owner_that_does_not_run(void **state)
{
	cpu_set_t all, one;
	size_t cpu;

	(void)state;
	watchdog();
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pthread_t threads[2];

		open_rig(rows[i].owned);
		if (!start(&threads[0], SCHED_FIFO, 10, real_time)) {
			print_message("skipped: threads may not be real-time here\n");
			close_rig();
			skip();
		}
		assert_true(start(&threads[1], SCHED_OTHER, 0, owner));
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
		check_eq(rows[i].name, rig.result, VIOMMU_OK);
		check_eq(rows[i].name, rig.gpa, 0x8000);
		check_eq(rows[i].name, rig.waited, rows[i].owned >= REGIONS);
		check_eq(rows[i].name, rig.sleeps > 0, rows[i].owned >= REGIONS);
		close_rig();
	}
	sched_setaffinity(0, sizeof(all), &all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_owner_that_does_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
