/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_threads.c - AMD-Vi with several threads: no translation and no interrupt that started after an invalidation
 * was complete is the old one (obligation 12), whatever the invalidation was; and a guest interrupt log that several
 * threads write to (2.7): every entry once, in memory before the tail says so; and an event log that is switched off and
 * moved beside them: nobody writes to it from when EvtRun is 0.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "amdvi_rig.h"
#include "thread_world.h"

#define ID	0x10U
#define PASID	5U
#define DOMAIN	7U
#define IOVA	UINT64_C(0x200000)
#define BASE	UINT64_C(0x40000000)
#define LEVELS	4U
#define PAGES	4U
#define READERS 2U

enum how { BY_PAGE, BY_DOMAIN, GLOBALLY, GUEST_PAGE_ONLY, NESTED_HOST, DEVICE_ENTRY, INTERRUPTS };

static const struct {
	const char *name;
	enum how how;
} rows[] = {
	{ "v1, by page", BY_PAGE },
	{ "v1, by domain", BY_DOMAIN },
	{ "v1, all", GLOBALLY },
	{ "v2, by page", GUEST_PAGE_ONLY },
	{ "nested, by host page", NESTED_HOST },
	{ "device table entry", DEVICE_ENTRY },
	{ "interrupt table", INTERRUPTS },
};

static struct amdvi_rig r;
static struct viommu_device *device;
static uint64_t root[2], entry[2][PAGES];
static unsigned used; /* root, of DEVICE_ENTRY */
static enum how how;
static const char *row;
static _Atomic uint64_t published[PAGES], completed[PAGES];
static _Atomic bool stop;
static _Atomic unsigned failures;

static void put(uint64_t gpa, uint64_t value)
{
	__atomic_store_n((uint64_t *)guest_at(&r.g, gpa), value, __ATOMIC_RELEASE);
}

/* A guest without callbacks: they would count without atomics. */
static void open_rig(uint64_t control)
{
	memset(&r, 0, sizeof(r));
	guest_init(&r.g, GUEST_REGION, 256);
	r.config = (struct viommu_amdvi_config){ .size = sizeof(r.config), .efr = AR_EFR_ALL };
	assert_int_equal(viommu_amdvi_new(r.g.vm, &r.config, &r.g.iommu), VIOMMU_OK);
	r.table = guest_alloc(&r.g, 1);
	r.commands = guest_alloc(&r.g, 1);
	for (unsigned i = 0; i < 3; i++)
		r.log[i] = guest_alloc(&r.g, 1);
	r.status = guest_alloc(&r.g, 1);
	r.control = AMD_CTRL_IOMMU_EN | AMD_CTRL_CMD_BUF_EN | control;
	ar_start(&r);
	device = guest_device(&r.g, ID);
}

static uint64_t bits_of_entry(void)
{
	return how == GUEST_PAGE_ONLY ? GUEST_FS : AR_RW | 1;
}

static uint64_t target(unsigned page, uint64_t version)
{
	return BASE + (version * PAGES + page) * GUEST_PAGE;
}

/* ---- tables ---- */

static void build_v1(unsigned which)
{
	root[which] = guest_table(&r.g);
	for (unsigned page = 0; page < PAGES; page++) {
		entry[which][page] = ar_entry(&r, root[which], LEVELS, IOVA + page * GUEST_PAGE, 1);
		put(entry[which][page], target(page, 0) | AR_RW | 1);
	}
}

/* Guest tables lead to IOVA itself, and host tables from there to the target; or there are no host tables. */
static void build_guest(uint64_t gcr3, bool nested)
{
	uint64_t top = guest_table(&r.g);

	put(gcr3 + PASID * 8, top | 1);
	for (unsigned page = 0; page < PAGES; page++) {
		uint64_t iova = IOVA + page * GUEST_PAGE;

		guest_fs_map(&r.g, top, LEVELS, iova, nested ? iova : target(page, 0), 12,
			     GUEST_FS);
		if (!nested)
			entry[0][page] = guest_entry(&r.g, top, LEVELS, iova, 0, GUEST_FS);
	}
	for (uint64_t gpa = GUEST_BASE; nested && gpa < GUEST_BASE + 256 * GUEST_PAGE;
	     gpa += GUEST_PAGE)
		if (gpa < IOVA || gpa >= IOVA + PAGES * GUEST_PAGE)
			ar_map(&r, root[0], LEVELS, gpa, gpa, 1, AR_RW);
}

static void build(void)
{
	uint64_t gcr3 = guest_table(&r.g);

	build_v1(0);
	build_v1(1);
	if (how == GUEST_PAGE_ONLY || how == NESTED_HOST) {
		build_guest(gcr3, how == NESTED_HOST);
		ar_dte(&r, ID,
		       (how == NESTED_HOST ? AR_V1(root[0], LEVELS) : AR_VALID) | AR_GCR3_0(gcr3),
		       AR_GCR3_1(gcr3) | DOMAIN, 0);
		return;
	}
	for (unsigned page = 0; how == INTERRUPTS && page < PAGES; page++) {
		put(root[0] + page * 16 + 8, page);
		put(root[0] + page * 16, 1);
	}
	ar_dte(&r, ID, AR_V1(how == INTERRUPTS ? root[1] : root[0], LEVELS), DOMAIN,
	       how == INTERRUPTS ? 1 | 9 << 1 | root[0] | UINT64_C(2) << 60 : 0);
}

/* ---- readers ---- */

static uint64_t ask(struct viommu_channel *channel, unsigned page)
{
	const struct viommu_request request = {
		.first = IOVA + page * GUEST_PAGE + 8,
		.last = IOVA + page * GUEST_PAGE + 15,
		.pasid = how == GUEST_PAGE_ONLY || how == NESTED_HOST ? PASID : VIOMMU_NO_PASID,
		.access = VIOMMU_READ
	};
	struct viommu_fragment f;
	struct viommu_answer answer;
	struct viommu_msi msi;
	int result;

	if (how == INTERRUPTS) {
		result = viommu_remap_msi(r.g.iommu, ID, 0xfee00000, page, 0, &msi);
		return result == VIOMMU_OK && msi.vector == page ? msi.destination : UINT64_MAX;
	}
	result = channel ? viommu_translate(channel, &request, &f, 1, &answer)
			 : viommu_device_translate(device, &request, &f, 1, &answer);
	if (result != VIOMMU_OK || (f.gpa - BASE - 8) / GUEST_PAGE % PAGES != page)
		return UINT64_MAX;
	return (f.gpa - BASE) / GUEST_PAGE / PAGES;
}

static void *read_pages(void *opaque)
{
	struct viommu_channel *channel = opaque;
	unsigned page = 0;

	while (!atomic_load(&stop)) {
		uint64_t least = atomic_load(&completed[page]);
		uint64_t got = ask(channel, page);

		if (got < least || got > atomic_load(&published[page])) {
			if (!atomic_fetch_add(&failures, 1))
				fprintf(stderr, "%s: page %u: version %llu, not %llu or later\n",
					row, page, (unsigned long long)got,
					(unsigned long long)least);
		}
		page = (page + 1) % PAGES;
	}
	return NULL;
}

/* ---- the writer ---- */

static void wait_for_all(void)
{
	int result;

	ar_submit_wait(&r);
	result = ar_kick(&r);
	while (result == VIOMMU_PENDING) {
		sched_yield();
		result = viommu_run(r.g.iommu);
	}
	assert_int_equal(result, VIOMMU_OK);
	assert_true(ar_waited(&r));
}

/* The other tree, which has what is newest of every page, and one page newer still. */
static void switch_roots(unsigned page, uint64_t version)
{
	used ^= 1;
	for (unsigned i = 0; i < PAGES; i++)
		put(entry[used][i],
		    target(i, i == page ? version : atomic_load(&published[i])) | AR_RW | 1);
	put(ar_dte_at(&r, ID), AR_V1(root[used], LEVELS));
	ar_command(&r, AR_DEVTAB(ID), 0);
	ar_command(&r, AR_PAGES(DOMAIN), AR_ALL);
}

static void change(unsigned page, uint64_t version)
{
	uint64_t iova = IOVA + page * GUEST_PAGE;

	if (how == DEVICE_ENTRY) {
		atomic_store(&published[page], version);
		switch_roots(page, version);
		return;
	}
	atomic_store(&published[page], version);
	if (how == INTERRUPTS)
		put(root[0] + page * 16, 1 | (version & 0xff) << 8);
	else
		put(entry[0][page], target(page, version) | bits_of_entry());
	switch (how) {
	case BY_PAGE:
	case NESTED_HOST:
		ar_command(&r, AR_PAGES(DOMAIN), iova);
		break;
	case BY_DOMAIN:
		ar_command(&r, AR_PAGES(DOMAIN), AR_ALL);
		break;
	case GUEST_PAGE_ONLY:
		ar_command(&r, AR_PAGES(DOMAIN) | PASID, iova | AMD_CMD_GN);
		break;
	case INTERRUPTS:
		ar_command(&r, AR_INTERRUPTS(ID), 0);
		break;
	default:
		ar_command(&r, AR_OP(AMD_INVALIDATE_IOMMU_ALL), 0);
		break;
	}
}

static void test_stale(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct viommu_channel *channel[READERS];
		pthread_t thread[READERS];
		unsigned rounds = scaled(20000);

		how = rows[i].how;
		row = rows[i].name;
		used = 0;
		open_rig(AMD_CTRL_GT_EN | AMD_CTRL_GA_EN);
		build();
		atomic_store(&stop, false);
		for (unsigned page = 0; page < PAGES; page++) {
			atomic_store(&published[page], 0);
			atomic_store(&completed[page], 0);
		}
		for (unsigned t = 0; t < READERS; t++) {
			channel[t] = t ? NULL
				       : guest_channel(&r.g, device,
						       how == GUEST_PAGE_ONLY || how == NESTED_HOST
							       ? PASID
							       : VIOMMU_NO_PASID);
			assert_int_equal(pthread_create(&thread[t], NULL, read_pages, channel[t]),
					 0);
		}
		/* destinations are bytes */
		for (unsigned n = 1;
		     n <= (how == INTERRUPTS && rounds > 255 * PAGES ? 255 * PAGES : rounds); n++) {
			unsigned page = n % PAGES;
			uint64_t version = atomic_load(&published[page]) + 1;

			if (how == INTERRUPTS && version > 255)
				break;
			change(page, version);
			wait_for_all();
			atomic_store(&completed[page], version);
		}
		atomic_store(&stop, true);
		for (unsigned t = 0; t < READERS; t++)
			pthread_join(thread[t], NULL);
		check_eq(row, atomic_load(&failures), 0);
		ar_close(&r);
	}
}

/* ---- the guest interrupt log ---- */

#define WRITERS	 3U
#define MESSAGES 150U

static uint64_t vapic[WRITERS];

static void *send(void *opaque)
{
	unsigned t = *(unsigned *)opaque;
	uint32_t *irr = guest_at(&r.g, vapic[t] + 0x220);

	for (unsigned i = 0; i < MESSAGES; i++) {
		struct viommu_msi msi;

		__atomic_store_n(irr, 0, __ATOMIC_RELEASE);
		if (viommu_remap_msi(r.g.iommu, ID, 0xfee00000, t, 0, &msi) != VIOMMU_OK)
			atomic_fetch_add(&failures, 1);
	}
	return NULL;
}

static void test_ga_log(void **state)
{
	static unsigned number[WRITERS];
	unsigned seen[WRITERS] = { 0 };
	pthread_t thread[WRITERS];
	struct ar_event e;
	uint64_t table;

	(void)state;
	open_rig(AMD_CTRL_GA_EN | UINT64_C(1) << 25 | AMD_CTRL_GA_LOG_EN);
	table = guest_alloc(&r.g, 1);
	for (unsigned t = 0; t < WRITERS; t++) {
		vapic[t] = guest_alloc(&r.g, 1);
		guest_put64(&r.g, table + t * 16, 0x85 | (uint64_t)(t + 1) << 32);
		guest_put64(&r.g, table + t * 16 + 8, vapic[t] | 0x45);
	}
	ar_dte(&r, ID, AMD_DTE_V, DOMAIN, 1 | 9 << 1 | table | UINT64_C(2) << 60);
	ar_write(&r, AMD_GA_TAIL_ADDR, 8, r.status + 64);
	for (unsigned t = 0; t < WRITERS; t++) {
		number[t] = t;
		assert_int_equal(pthread_create(&thread[t], NULL, send, &number[t]), 0);
	}
	for (unsigned t = 0; t < WRITERS; t++)
		pthread_join(thread[t], NULL);
	while (ar_take(&r, 2, &e)) {
		uint64_t tag = e.w[0] & UINT32_MAX;

		assert_true(tag >= 1 && tag <= WRITERS);
		assert_int_equal(e.w[0] >> 32, 0x10000000 | ID);
		seen[tag - 1]++;
	}
	for (unsigned t = 0; t < WRITERS; t++)
		assert_int_equal(seen[t], MESSAGES);
	assert_int_equal(atomic_load(&failures), 0);
	assert_int_equal(guest_get64(&r.g, r.status + 64), ar_read(&r, AMD_GA_TAIL, 8));
	assert_int_equal(ar_read(&r, AMD_STATUS, 8) & AMD_ST_GA_OVERFLOW, 0);
	ar_close(&r);
}

/* ---- the event log, switched off and moved ---- */

static void *fault(void *opaque)
{
	const struct viommu_request request = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};

	(void)opaque;
	while (!atomic_load(&stop)) {
		struct viommu_answer answer;
		struct viommu_fragment f;

		if (viommu_device_translate(device, &request, &f, 1, &answer) != VIOMMU_FAULT)
			atomic_fetch_add(&failures, 1);
	}
	return NULL;
}

static uint64_t log_status(void)
{
	return ar_read(&r, AMD_STATUS, 8);
}

/* Entries that are in a log from one on; those that are not are 0. */
static unsigned entries(uint64_t log, unsigned first, unsigned end)
{
	unsigned count = 0;

	for (unsigned i = first; i < end; i++)
		count += guest_get64(&r.g, log + i * 16) != 0;
	return count;
}

static void log_round(uint64_t log, unsigned lg2)
{
	unsigned tail;

	ar_write(&r, AMD_STATUS, 8, AMD_ST_EVT_OVERFLOW);
	ar_write(&r, AMD_EVT_BASE, 8, log | (uint64_t)lg2 << 56);
	ar_write(&r, AMD_CONTROL, 8, r.control | AMD_CTRL_EVENT_LOG_EN);
	assert_int_equal(ar_read(&r, AMD_EVT_BASE, 8), log | (uint64_t)lg2 << 56);
	while (!ar_read(&r, AMD_EVT_TAIL, 8))
		sched_yield();
	ar_write(&r, AMD_CONTROL, 8, r.control);
	while (log_status() & AMD_ST_EVT_RUN)
		sched_yield();
	tail = (unsigned)ar_read(&r, AMD_EVT_TAIL, 8) / 16;
	assert_in_range(tail, 1, (1U << lg2) - 1);
	assert_int_equal(entries(log, 0, tail), tail);
	assert_int_equal(entries(log, tail, 1U << lg2), 0);
	memset(guest_at(&r.g, log), 0, UINT64_C(16) << lg2);
}

static void test_moved_log(void **state)
{
	unsigned rounds = scaled(200);
	pthread_t thread[WRITERS];
	uint64_t wide;

	(void)state;
	open_rig(0);
	wide = guest_alloc(&r.g, 2);
	ar_dte(&r, ID, AMD_DTE_V, DOMAIN, 0);
	atomic_store(&stop, false);
	for (unsigned t = 0; t < WRITERS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, fault, NULL), 0);
	for (unsigned n = 0; n < rounds; n++) {
		log_round(n & 1 ? wide : r.log[0], n & 1 ? 9 : 8);
		/* it has not been written since it was left */
		assert_int_equal(n & 1 ? entries(r.log[0], 0, 256) : entries(wide, 0, 512), 0);
	}
	atomic_store(&stop, true);
	for (unsigned t = 0; t < WRITERS; t++)
		pthread_join(thread[t], NULL);
	assert_int_equal(atomic_load(&failures), 0);
	ar_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_stale),
					    cmocka_unit_test(test_ga_log),
					    cmocka_unit_test(test_moved_log) };

	watchdog();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
