/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_riscv_stale.c - no translation of the RISC-V IOMMU that started after a fence was complete returns what was there before its
 * invalidations, and inside a section nothing becomes older.
 *
 * The target of the page says which version it is. The main thread changes it, invalidates in one of the ways of the
 * specification, waits for the fence and says that the version is completed; others translate all the time.
 */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>
#include <stdio.h>

#include "riscv_rig.h"

#define DEVICE	  0x10U
#define PSCID	  7U
#define GSCID	  9U
#define IOVA	  UINT64_C(0x5000)
#define TARGET(n) (BIT(40) + ((n) << 12)) /* version n */
#define VERSIONS  400U

enum shape { FIRST, SECOND, NESTED };

static const struct row {
	const char *name;
	enum shape shape;
	bool below;   /* of nested: the second stage changes */
	bool process; /* requests have a process */
	bool context; /* the root changes, in the device or process context */
	bool counted; /* event counters are switched on and off meanwhile */
	uint64_t word[2];
} rows[] = {
	{ "VMA, page",
	  FIRST,
	  false,
	  false,
	  false,
	  false,
	  { RV_VMA | RISCV_CMD_AV | RISCV_CMD_PSCV | PSCID << 12, RV_ADDR(IOVA) } },
	{ "VMA, page, counted",
	  FIRST,
	  false,
	  false,
	  false,
	  true,
	  { RV_VMA | RISCV_CMD_AV | RISCV_CMD_PSCV | PSCID << 12, RV_ADDR(IOVA) } },
	{ "VMA, PSCID",
	  FIRST,
	  false,
	  false,
	  false,
	  false,
	  { RV_VMA | RISCV_CMD_PSCV | PSCID << 12, 0 } },
	{ "VMA, all", FIRST, false, true, false, false, { RV_VMA, 0 } },
	{ "GVMA, page",
	  SECOND,
	  false,
	  false,
	  false,
	  false,
	  { RV_GVMA | RISCV_CMD_GV | RISCV_CMD_AV | (uint64_t)GSCID << 44, RV_ADDR(IOVA) } },
	{ "GVMA, GSCID",
	  SECOND,
	  false,
	  false,
	  false,
	  false,
	  { RV_GVMA | RISCV_CMD_GV | (uint64_t)GSCID << 44, 0 } },
	{ "GVMA, all", SECOND, false, false, false, false, { RV_GVMA, 0 } },
	{ "nested, VMA",
	  NESTED,
	  false,
	  true,
	  false,
	  false,
	  { RV_VMA | RISCV_CMD_GV | RISCV_CMD_AV | RISCV_CMD_PSCV | (uint64_t)GSCID << 44 |
		    PSCID << 12,
	    RV_ADDR(IOVA) } },
	{ "nested, GVMA",
	  NESTED,
	  true,
	  true,
	  false,
	  false,
	  { RV_GVMA | RISCV_CMD_GV | RISCV_CMD_AV | (uint64_t)GSCID << 44, RV_ADDR(0x7000) } },
	{ "INVAL_DDT", FIRST, false, false, true, false, { RV_DDT | RV_DID(DEVICE), 0 } },
	{ "INVAL_DDT, all", FIRST, false, false, true, false, { RV_DDT, 0 } },
	{ "INVAL_PDT", FIRST, false, true, true, false, { RV_PDT | RV_DID(DEVICE) | 3 << 12, 0 } },
};

static struct riscv_rig r;
static struct rv_tree first[2], second;
static struct viommu_device *device;
static uint64_t pdt;
static const struct row *row;
static _Atomic uint64_t published, completed;
static _Atomic bool stop;
static _Atomic uint64_t rounds[2]; /* of the readers */
static char failure[200];
static _Atomic bool failed;

static uint32_t pasid(void)
{
	return row->process ? 3 : VIOMMU_NO_PASID;
}

/* ---- readers ---- */

static void fail_reader(const char *what, uint64_t got, uint64_t least, uint64_t most)
{
	if (!atomic_exchange(&failed, true))
		snprintf(failure, sizeof(failure), "%s: %s: version %llu, not %llu to %llu",
			 row->name, what, (unsigned long long)got, (unsigned long long)least,
			 (unsigned long long)most);
}

static uint64_t look(struct viommu_channel *channel, uint64_t floor)
{
	const struct viommu_request request = {
		.first = IOVA + 8, .last = IOVA + 15, .pasid = pasid(), .access = VIOMMU_READ
	};
	uint64_t least = atomic_load(&completed);
	struct viommu_fragment f = { 0 };
	struct viommu_answer answer;
	uint64_t got, most;
	int result = channel ? viommu_translate(channel, &request, &f, 1, &answer)
			     : viommu_device_translate(device, &request, &f, 1, &answer);

	most = atomic_load(&published);
	least = least > floor ? least : floor;
	got = (f.gpa - 8 - TARGET(0)) >> 12;
	if (result != VIOMMU_OK)
		fail_reader("refused", answer.reason, 0, 0);
	else if (got < least || got > most)
		fail_reader(channel ? "channel" : "device", got, least, most);
	return got;
}

static void *read_channel(void *opaque)
{
	struct viommu_channel *channel = opaque;

	while (!atomic_load(&stop)) {
		uint64_t floor = 0;

		viommu_enter(channel);
		for (unsigned i = 0; i < 8; i++)
			floor = look(channel, floor);
		viommu_leave(channel);
		look(channel, 0);
		atomic_fetch_add(&rounds[0], 1);
		sched_yield();
	}
	return NULL;
}

static void *read_device(void *opaque)
{
	(void)opaque;
	while (!atomic_load(&stop)) {
		for (unsigned i = 0; i < 16; i++)
			look(NULL, 0);
		atomic_fetch_add(&rounds[1], 1);
		sched_yield();
	}
	return NULL;
}

/* ---- the guest ---- */

static void put_context(unsigned tree)
{
	uint64_t hgatp = row->shape == FIRST ? 0 : rv_hgatp(8, GSCID, second.root);
	uint64_t satp = row->shape == SECOND ? 0 : rv_satp(8, first[tree].root);

	if (row->process && row->context) { /* one word changes, and nobody sees it half */
		rv_put(&r, pdt + 3 * 16 + 8, satp);
		return;
	}
	if (row->context) {
		rv_put(&r, rv_dc(&r, DEVICE) + 24, satp);
		return;
	}
	rv_put(&r, pdt + 3 * 16 + 8, satp);
	rv_put(&r, pdt + 3 * 16, RISCV_PC_V | bits_put(RISCV_PC_PSCID, PSCID));
	rv_put_dc(&r, DEVICE, row->process ? RISCV_TC_PDTV : 0, hgatp,
		  bits_put(RISCV_TA_PSCID, PSCID),
		  row->process ? rv_satp(RISCV_PDTP_PD8, pdt) : satp);
}

static void open_rig(void)
{
	struct row plain = *row;

	rv_open(&r, GUEST_REGION, 128, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_1LVL);
	pdt = guest_alloc(&r.g, 1);
	second = (struct rv_tree){ rv_root(&r), 3, false, false, true };
	for (uint64_t at = 0; at < r.g.bytes; at += GUEST_PAGE)
		rv_map(&r, &second, GUEST_BASE + at, GUEST_BASE + at, 0, RV_PAGE);
	/* versions of a nested first stage are addresses of the guest's, beyond 39 bits of them */
	if (row->shape == NESTED)
		rv_map(&r, &second, BIT(40), BIT(40), 2, RV_PAGE);
	rv_map(&r, &second, row->shape == NESTED ? 0x7000 : IOVA, TARGET(0), 0, RV_PAGE);
	for (unsigned i = 0; i < 2; i++) {
		first[i] = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, false, false };
		rv_map(&r, &first[i], IOVA, row->below ? 0x7000 : TARGET(0), 0, RV_PAGE);
	}
	plain.context = false;
	{
		const struct row *given = row;

		row = &plain;
		put_context(0);
		row = given;
	}
	device = guest_device(&r.g, DEVICE);
}

static void change(uint64_t version)
{
	unsigned tree = row->context ? (unsigned)version % 2 : 0;
	const struct rv_tree *t = row->shape == SECOND || row->below ? &second : &first[tree];
	uint64_t address = row->below ? 0x7000 : IOVA;

	rv_map(&r, t, address, TARGET(version), 0, RV_PAGE);
	if (row->context)
		put_context(tree);
	if (row->counted)
		rv_write(&r, RISCV_IOHPMEVT(0), 8, version & 1);
}

/* Both readers come by, so that there is something to be stale. */
static void let_read(void)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t before = atomic_load(&rounds[i]);

		while (atomic_load(&rounds[i]) == before && !atomic_load(&failed))
			sched_yield();
	}
}

static void run_row(void)
{
	pthread_t thread[2];

	open_rig();
	atomic_store(&published, 0);
	atomic_store(&completed, 0);
	atomic_store(&stop, false);
	pthread_create(&thread[0], NULL, read_channel, guest_channel(&r.g, device, pasid()));
	pthread_create(&thread[1], NULL, read_device, NULL);
	for (uint64_t version = 1; version <= VERSIONS && !atomic_load(&failed); version++) {
		int result;

		atomic_store(&published, version);
		change(version);
		rv_command(&r, row->word[0], row->word[1]);
		/* another tree of a known address space: its pages, too */
		if (row->context)
			rv_command(&r, RV_VMA, 0);
		for (result = rv_fence(&r); result == VIOMMU_PENDING;
		     result = viommu_run(r.g.iommu))
			sched_yield();
		if (result != VIOMMU_OK || !rv_fenced(&r))
			fail_reader("fence", (uint64_t)result, 0, 0);
		atomic_store(&completed, version);
		let_read();
		look(NULL, 0);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	if (atomic_load(&failed))
		fail_msg("%s", failure);
	rv_close(&r);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		row = &rows[i];
		run_row();
	}
	print_message("%zu rows of %u versions\n", ARRAY_COUNT(rows), VERSIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
