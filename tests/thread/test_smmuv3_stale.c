/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_smmuv3_stale.c - an SMMUv3 used by many threads: no translation that started after a CMD_SYNC was complete returns what
 * an invalidation before it took away; and transactions that stall while the guest resumes, terminates and switches off.
 *
 * Every target address is a version. One thread changes a page, invalidates, waits for the SYNC, and publishes the version as
 * completed; others translate all the time. Inside a section an answer does not become older either.
 */
#include "check.h"

#include <endian.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "smmuv3_rig.h"

#define READERS	 3U
#define PAGES	 4U
#define VERSIONS 300U
#define IOVA	 UINT64_C(0x10000)
#define IPA	 UINT64_C(0x80000000)
#define TARGET	 UINT64_C(0x100000000)
#define VMID	 2U
#define ASID	 5U

enum stages { STAGE1, STAGE2, NESTED, NESTED_S2 };

static const struct {
	const char *name;
	enum stages stages; /* NESTED_S2: stage 2 changes */
	uint64_t command;
	bool address;
	uint64_t then; /* another command, 0: none */
} rows[] = {
	{ "NH_VA", STAGE1, SM_ASID(CMD_NH_VA, VMID, ASID), true, 0 },
	{ "NH_VA, Leaf", STAGE1, SM_ASID(CMD_NH_VA, VMID, ASID), true, 0 },
	{ "NH_VAA", STAGE1, SM_ASID(CMD_NH_VAA, VMID, 0), true, 0 },
	{ "NH_ASID", STAGE1, SM_ASID(CMD_NH_ASID, VMID, ASID), false, 0 },
	{ "NH_ALL", STAGE1, SM_ASID(CMD_NH_ALL, VMID, 0), false, 0 },
	{ "NSNH_ALL", STAGE1, CMD_NSNH_ALL, false, 0 },
	{ "S2_IPA", STAGE2, SM_ASID(CMD_S2_IPA, VMID, 0), true, 0 },
	{ "S12_VMALL", STAGE2, SM_ASID(CMD_S12_VMALL, VMID, 0), false, 0 },
	{ "nested, NH_VA", NESTED, SM_ASID(CMD_NH_VA, VMID, ASID), true, 0 },
	{ "nested, S2_IPA and NH_ALL", NESTED_S2, SM_ASID(CMD_S2_IPA, VMID, 0), true,
	  SM_ASID(CMD_NH_ALL, VMID, 0) },
	{ "nested, S12_VMALL", NESTED_S2, SM_ASID(CMD_S12_VMALL, VMID, 0), false, 0 },
};

struct stale {
	struct smmu_rig r;
	const char *name;
	struct viommu_device *device;
	struct viommu_channel *channel[READERS];
	uint64_t entry[PAGES]; /* gpa of the descriptor that changes */
	uint64_t bits;
	_Atomic uint64_t published[PAGES];
	_Atomic uint64_t completed[PAGES];
	_Atomic uint64_t reads; /* of the readers */
	_Atomic uint64_t wrong;
	_Atomic bool stop;
};

static void put_atomic(struct stale *s, uint64_t gpa, uint64_t word)
{
	__atomic_store_n((uint64_t *)guest_at(&s->r.g, gpa), htole64(word), __ATOMIC_RELEASE);
}

static uint64_t target(unsigned page, uint64_t version)
{
	return TARGET + (version * PAGES + page) * GUEST_PAGE;
}

/* ---- readers ---- */

static uint64_t ask(struct stale *s, unsigned reader, unsigned page)
{
	struct viommu_request q = { .first = IOVA + page * GUEST_PAGE + 8,
				    .last = IOVA + page * GUEST_PAGE + 15,
				    .pasid = VIOMMU_NO_PASID,
				    .access = VIOMMU_READ };
	uint64_t least = atomic_load(&s->completed[page]);
	struct viommu_fragment f;
	struct viommu_answer a;
	int result = reader < 2 ? viommu_translate(s->channel[reader], &q, &f, 1, &a)
				: viommu_device_translate(s->device, &q, &f, 1, &a);
	uint64_t version;

	if (result != VIOMMU_OK) {
		atomic_fetch_add(&s->wrong, 1);
		return 0;
	}
	version = (f.gpa - 8 - TARGET) / GUEST_PAGE;
	if (version % PAGES != page || version / PAGES < least ||
	    version / PAGES > atomic_load(&s->published[page]))
		atomic_fetch_add(&s->wrong, 1);
	return version / PAGES;
}

struct reader {
	struct stale *s;
	unsigned number;
};

/* Number 1 keeps its section open over two questions. */
static void *read_all(void *opaque)
{
	const struct reader *reader = opaque;
	struct stale *s = reader->s;

	for (unsigned i = 0; !atomic_load(&s->stop); i++) {
		unsigned page = i % PAGES;

		if (reader->number != 1) {
			ask(s, reader->number, page);
		} else if (viommu_enter(s->channel[1]) == VIOMMU_OK) {
			uint64_t before = ask(s, 1, page);

			if (ask(s, 1, page) < before)
				atomic_fetch_add(&s->wrong, 1);
			viommu_leave(s->channel[1]);
		}
		atomic_fetch_add(&s->reads, 1);
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

/* ---- the writer ---- */

static void open_stale(struct stale *s, unsigned row)
{
	enum stages stages = rows[row].stages;
	uint64_t root1, root2;

	sm_open(&s->r, NULL);
	sm_start(&s->r);
	root1 = guest_alloc(&s->r.g, 1);
	root2 = guest_alloc(&s->r.g, 1);
	for (unsigned page = 0; page < PAGES; page++) {
		uint64_t offset = page * GUEST_PAGE;

		s->published[page] = s->completed[page] = 0;
		sm_map(&s->r, root1, IOVA + offset,
		       stages == NESTED_S2 ? IPA + offset : target(page, 0), SM_S1_RW);
		sm_map(&s->r, root2, stages == STAGE2 ? IOVA + offset : IPA + offset,
		       target(page, 0), SM_S2_RW);
		s->entry[page] = stages == STAGE2      ? sm_entry(&s->r, root2, IOVA + offset, 3)
				 : stages == NESTED_S2 ? sm_entry(&s->r, root2, IPA + offset, 3)
						       : sm_entry(&s->r, root1, IOVA + offset, 3);
	}
	for (uint64_t at = 0; at < s->r.g.bytes; at += GUEST_PAGE)
		sm_map(&s->r, root2, GUEST_BASE + at, GUEST_BASE + at, SM_S2_RW);
	/* what stage 1 gives out lies in 1 GiB blocks of stage 2 */
	for (uint64_t at = TARGET; at < TARGET + (UINT64_C(8) << 30); at += UINT64_C(1) << 30)
		guest_put64(&s->r.g, sm_entry(&s->r, root2, at, 1), at | (SM_S2_RW & ~UINT64_C(2)));
	s->bits = stages == STAGE2 || stages == NESTED_S2 ? SM_S2_RW : SM_S1_RW;
	sm_put_ste(&s->r, 8,
		   SM_STE0(stages == STAGE1   ? STE_CONFIG_S1
			   : stages == STAGE2 ? STE_CONFIG_S2
					      : STE_CONFIG_BOTH) |
			   sm_cd(&s->r, ASID, root1, 0),
		   0, SM_STE2(VMID), root2);
	s->device = guest_device(&s->r.g, 8);
	for (unsigned i = 0; i < 2; i++)
		s->channel[i] = guest_channel(&s->r.g, s->device, VIOMMU_NO_PASID);
}

static void synchronize(struct stale *s)
{
	int result = sm_sync(&s->r);

	while (result == VIOMMU_PENDING) {
		sched_yield();
		result = viommu_run(s->r.g.iommu);
	}
	assert_int_equal(sm_read(&s->r, SMMU_CMDQ_CONS, 4), s->r.prod);
}

static void change(struct stale *s, unsigned row, unsigned page, uint64_t version)
{
	uint64_t address = rows[row].stages == NESTED_S2 ? IPA : IOVA;
	bool leaf = row == 1;

	atomic_store(&s->published[page], version);
	put_atomic(s, s->entry[page], target(page, version) | s->bits);
	sm_command(&s->r, rows[row].command,
		   rows[row].address ? address + page * GUEST_PAGE + leaf : 0);
	if (rows[row].then)
		sm_command(&s->r, rows[row].then, 0);
	synchronize(s);
	atomic_store(&s->completed[page], version);
	/* who asks now has the new one */
	if (ask(s, 2, page) != version)
		atomic_fetch_add(&s->wrong, 1);
}

static void nothing_old(void **state)
{
	static struct stale s;

	for (unsigned row = 0; row < ARRAY_COUNT(rows); row++) {
		struct reader reader[READERS];
		pthread_t thread[READERS];

		atomic_store(&s.stop, false);
		atomic_store(&s.wrong, 0);
		atomic_store(&s.reads, 0);
		open_stale(&s, row);
		for (unsigned i = 0; i < READERS; i++) {
			reader[i] = (struct reader){ &s, i };
			assert_int_equal(pthread_create(&thread[i], NULL, read_all, &reader[i]), 0);
		}
		for (uint64_t version = 1; version <= VERSIONS; version++) {
			change(&s, row, version % PAGES, version);
			/* on a busy machine, too, they are there */
			while (version % 16 == 0 && atomic_load(&s.reads) < version)
				sched_yield();
		}
		atomic_store(&s.stop, true);
		for (unsigned i = 0; i < READERS; i++)
			pthread_join(thread[i], NULL);
		check_eq(rows[row].name, atomic_load(&s.wrong), 0);
		check_eq(rows[row].name, sm_events(&s.r), 0);
		sm_close(&s.r);
	}
}

/* ---- stalls ---- */

#define ROUNDS 300U

static struct smmu_rig sr;
static struct viommu_device *waiting;
static _Atomic uint64_t stalled, resumed, asked_again;
static _Atomic bool over;

static void count_resume(void *opaque, uint64_t token, uint32_t action)
{
	(void)opaque;
	(void)action;
	atomic_fetch_add(token ? &resumed : &asked_again, 1);
}

static void *fault_all(void *opaque)
{
	(void)opaque;
	while (!atomic_load(&over)) {
		struct guest_dma dma = guest_dma(waiting, 0x5000, VIOMMU_READ);

		if (dma.result == VIOMMU_STALLED && dma.answer.token)
			atomic_fetch_add(&stalled, 1);
		sched_yield();
	}
	return NULL;
}

/* Resumes whatever its event queue says, and now and then terminates all, or switches the SMMU off and on. */
static void drive(unsigned round)
{
	uint64_t word[4];

	while (sm_event(&sr, word)) {
		if (word[1] & EVENT1_STALL)
			sm_command(&sr, CMD_RESUME | CMD_RESUME_AC | SM_PUT(CMD_SID, 8),
				   word[1] & EVENT1_STAG);
		sm_ring(&sr);
	}
	if (round % 16 == 5)
		sm_command(&sr, CMD_STALL_TERM | SM_PUT(CMD_SID, 8), 0);
	if (round % 64 == 7) {
		sm_write(&sr, SMMU_CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
		while (viommu_run(sr.g.iommu) == VIOMMU_PENDING)
			sched_yield();
		sm_write(&sr, SMMU_CR0, 4, CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
	}
	sm_ring(&sr);
	while (viommu_run(sr.g.iommu) == VIOMMU_PENDING)
		sched_yield();
}

static void every_stall_ends(void **state)
{
	const struct viommu_device_config device = { .size = sizeof(device),
						     .id = 8,
						     .resume = count_resume };
	struct viommu_smmuv3_config config;
	pthread_t thread[2];

	sm_everything(&config);
	sm_open(&sr, &config);
	sm_start(&sr);
	sm_put_ste(&sr, 8, SM_STE0(STE_CONFIG_S1) | sm_cd(&sr, 5, guest_alloc(&sr.g, 1), CD0_S), 0,
		   0, 0);
	assert_int_equal(viommu_device_new(sr.g.iommu, &device, &sr.waits), VIOMMU_OK);
	waiting = sr.waits;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, fault_all, NULL), 0);
	for (unsigned round = 0; round < ROUNDS || atomic_load(&stalled) < ROUNDS; round++)
		drive(round);
	atomic_store(&over, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	sm_command(&sr, CMD_STALL_TERM | SM_PUT(CMD_SID, 8), 0);
	drive(1);
	/* each exactly once */
	assert_int_equal(atomic_load(&stalled), atomic_load(&resumed));
	assert_true(atomic_load(&stalled) > 0);
	print_message("%llu stalled, %llu asked again\n", (unsigned long long)stalled,
		      (unsigned long long)asked_again);
	sm_close(&sr);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_old),
					    cmocka_unit_test(every_stall_ends) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
