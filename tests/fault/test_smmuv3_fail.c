/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_smmuv3_fail.c - an SMMUv3 when the nth access to guest memory or the nth allocation fails, for every n: an architected
 * answer, and an SMMU that works as soon as memory does; and memory that answers otherwise when it is asked again.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smmuv3_rig.h"

#define SID  8U
#define SSID 70U
#define IOVA UINT64_C(0x5000)
#define IPA  UINT64_C(0x9000)

enum kind { STAGE1, STAGE2, NESTED };

struct world {
	struct smmu_rig r;
	struct viommu_device *device;
	uint64_t target;
	uint64_t second, second_end; /* tables of stage 2 */
	uint32_t pasid;
};

/* Two levels of stream tables and of context descriptors; access flags and dirty states are to be set. */
static void put_stream(struct world *w, enum kind kind)
{
	struct smmu_rig *r = &w->r;
	uint64_t root1 = guest_alloc(&r->g, 1), l1cd = guest_alloc(&r->g, 1),
		 cds = guest_alloc(&r->g, 1);
	uint64_t root2, cd = cds + (SSID & 63) * 64;

	guest_put64(&r->g, l1cd + (SSID >> 6) * 8, cds | L1CD_V);
	sm_map(r, root1, IOVA, kind == NESTED ? IPA : w->target, (SM_S1_RO | BIT(51)) & ~SM_AF);
	guest_put64(&r->g, cd + 8, root1);
	guest_put64(&r->g, cd, SM_CD0(5) | CD0_HA | CD0_HD);
	w->second = r->g.used;
	root2 = guest_alloc(&r->g, 1);
	for (uint64_t at = 0; at < r->g.bytes; at += GUEST_PAGE)
		sm_map(r, root2, GUEST_BASE + at, GUEST_BASE + at, SM_S2_RW & ~SM_AF);
	sm_map(r, root2, kind == NESTED ? IPA : IOVA, w->target, (SM_S2_RO | BIT(51)) & ~SM_AF);
	w->second_end = r->g.used;
	sm_put_ste(r, SID,
		   SM_STE0(kind == STAGE1   ? STE_CONFIG_S1
			   : kind == STAGE2 ? STE_CONFIG_S2
					    : STE_CONFIG_BOTH) |
			   SM_PUT(STE0_S1FMT, STE_S1FMT_4K) | SM_PUT(STE0_S1CDMAX, 8) | l1cd,
		   SM_PUT(STE1_EATS, EATS_FULL), SM_STE2(2) | STE2_S2HA | STE2_S2HD, root2);
}

static void open_world(struct world *w, enum guest_memory memory, enum kind kind)
{
	struct viommu_smmuv3_config config;
	uint64_t l1;

	sm_everything(&config);
	sm_open_memory(&w->r, &config, memory);
	w->target = guest_alloc(&w->r.g, 1);
	w->pasid = kind == STAGE2 ? VIOMMU_NO_PASID : SSID;
	sm_start_with(&w->r, CR0_PRIQEN);
	put_stream(w, kind);
	l1 = guest_alloc(&w->r.g, 1);
	guest_put64(&w->r.g, l1, w->r.strtab | 7);
	sm_write(&w->r, SMMU_CR0, 4, 0);
	sm_run(&w->r);
	sm_write(&w->r, SMMU_STRTAB_BASE, 8, l1);
	sm_write(&w->r, SMMU_STRTAB_BASE_CFG, 4, BIT(16) | SM_PUT(STRTAB_SPLIT, 6) | 8);
	sm_write(&w->r, SMMU_CR0, 4, CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | CR0_PRIQEN);
	sm_run(&w->r);
	w->device = guest_device(&w->r.g, SID);
}

/* ---- operations ---- */

struct outcome {
	int result;
	unsigned reason;
	unsigned ats;
	uint64_t gpa;
};

static struct outcome outcome_of(struct guest_dma d)
{
	return (struct outcome){ d.result, d.answer.reason, d.answer.ats,
				 d.result == VIOMMU_OK ? d.f.gpa : 0 };
}

static struct outcome run_read(struct world *w)
{
	return outcome_of(guest_dma_pasid(w->device, w->pasid, IOVA, VIOMMU_READ));
}

static struct outcome run_write(struct world *w)
{
	return outcome_of(guest_dma_pasid(w->device, w->pasid, IOVA, VIOMMU_WRITE));
}

static struct outcome run_ats(struct world *w)
{
	return outcome_of(guest_ats(w->device, w->pasid, IOVA, VIOMMU_READ | VIOMMU_WRITE));
}

static const struct operation {
	const char *name;
	struct outcome (*run)(struct world *w);
	enum kind kind;
} operations[] = {
	{ "read, stage 1", run_read, STAGE1 },	    { "read, stage 2", run_read, STAGE2 },
	{ "read, nested", run_read, NESTED },	    { "write, stage 1", run_write, STAGE1 },
	{ "write, stage 2", run_write, STAGE2 },    { "write, nested", run_write, NESTED },
	{ "translation request", run_ats, NESTED },
};

static bool may_give(unsigned reason)
{
	return reason == F_STE_FETCH || reason == F_CD_FETCH || reason == F_WALK_EABT;
}

static void fail_from(struct guest *g, unsigned nth, bool on)
{
	g->fail_in = nth;
	g->fail_on = on;
}

static bool stop_failing(struct guest *g)
{
	bool reached = g->failures != 0;

	g->failures = 0;
	fail_from(g, 0, false);
	return reached;
}

/* True: the nth access was reached. */
static bool one_operation(const struct operation *o, enum guest_memory memory, unsigned nth)
{
	struct outcome first, again, warm;
	uint64_t word[4] = { 0 };
	struct world w;
	char row[80];
	bool reached;

	snprintf(row, sizeof(row), "%s, memory %d, access %u", o->name, (int)memory, nth);
	open_world(&w, memory, o->kind);
	fail_from(&w.r.g, nth, false);
	first = o->run(&w);
	reached = stop_failing(&w.r.g);
	if (reached) {
		check_eq(row, first.result, VIOMMU_FAULT);
		if (!may_give(first.reason))
			fail_msg("%s: reason %x", row, first.reason);
		if (o->run == run_ats) { /* 13.6.3: completer abort, no event */
			check_eq(row, first.ats, VIOMMU_ATS_ABORT);
		} else {
			check_that(row, sm_event(&w.r, word));
			check_eq(row, bits_get(word[0], EVENT0_TYPE), first.reason);
			check_that(row, word[3] != 0);
		}
	}
	check_eq(row, sm_events(&w.r), 0);
	again = o->run(&w);
	check_eq(row, again.result, VIOMMU_OK);
	check_eq(row, again.gpa, w.target);
	if (o->run != run_ats) {
		fail_from(&w.r.g, 1, true);
		warm = o->run(&w);
		check_that(row, !stop_failing(&w.r.g) && warm.result == VIOMMU_OK &&
					warm.gpa == again.gpa);
	}
	sm_close(&w.r);
	return reached;
}

static void every_operation(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(operations); i++) {
		for (int memory = GUEST_CALLBACKS; memory <= GUEST_RAW_SWAP; memory++) {
			unsigned nth = 1;

			if (memory == GUEST_NO_SWAP) /* access flags cannot be set there */
				continue;
			while (one_operation(&operations[i], (enum guest_memory)memory, nth))
				nth++;
			assert_in_range(nth, 4, 100);
		}
	}
}

/* ---- the queue: CONS stays at what could not be read ---- */

static bool one_queue(unsigned nth)
{
	struct world w;
	bool reached;

	open_world(&w, GUEST_CALLBACKS, NESTED);
	fail_from(&w.r.g, nth, false);
	sm_command(&w.r, SM_ASID(CMD_NH_VA, 2, 5), IOVA);
	sm_command(&w.r, SM_CFGI_STE(SID), 0);
	sm_command(&w.r, CMD_ATC_INV | SM_PUT(CMD_SID, SID), 52);
	/* what a message's write in memory behind callbacks comes to is the host's */
	sm_command(&w.r, CMD_SYNC, 0);
	sm_ring(&w.r);
	reached = stop_failing(&w.r.g);
	assert_int_equal(sm_command_error(&w.r), reached ? CERROR_ABT : 0);
	assert_int_equal(sm_read(&w.r, SMMU_CMDQ_CONS, 4) & QUEUE_INDEX, reached ? nth - 1 : 4);
	sm_acknowledge(&w.r);
	assert_int_equal(sm_read(&w.r, SMMU_CMDQ_CONS, 4) & QUEUE_INDEX, 4);
	assert_int_equal(w.r.g.count[GUEST_ON_INVALIDATE], 1);
	sm_close(&w.r);
	return reached;
}

static void every_command(void **state)
{
	unsigned nth = 1;

	while (one_queue(nth))
		nth++;
	assert_int_equal(nth, 5);
}

/* ---- records: one that cannot be written says so, and is not counted as there ---- */

static void every_record(void **state)
{
	const struct viommu_page_request request = {
		.address = IOVA, .pasid = SSID, .access = VIOMMU_READ, .group = 5, .last = 1
	};
	struct world w;

	open_world(&w, GUEST_CALLBACKS, STAGE1);
	w.r.g.fail_kinds = 1U << GUEST_ON_WRITE;
	fail_from(&w.r.g, 1, false);
	assert_int_equal(guest_dma(w.device, IOVA, VIOMMU_READ).answer.reason, F_STREAM_DISABLED);
	assert_true(stop_failing(&w.r.g));
	assert_int_equal(sm_read(&w.r, SMMU_EVENTQ_PROD, 4), 0);
	assert_int_equal(sm_read(&w.r, SMMU_GERROR, 4), GERROR_EVENTQ_ABT);
	fail_from(&w.r.g, 1, false);
	assert_int_equal(viommu_request_page(w.device, &request), VIOMMU_FAULT);
	assert_true(stop_failing(&w.r.g));
	assert_int_equal(sm_read(&w.r, SMMU_PRIQ_PROD, 4), 0);
	assert_int_equal(sm_read(&w.r, SMMU_GERROR, 4), GERROR_EVENTQ_ABT | GERROR_PRIQ_ABT);
	assert_int_equal(w.r.g.response[0].what.code, 15);
	sm_close(&w.r);
}

/* ---- allocations ---- */

static void every_allocation(void **state)
{
	struct viommu_smmuv3_config config;
	unsigned nth = 1;
	int result;

	sm_everything(&config);
	do {
		struct viommu *iommu = NULL;
		struct guest g;

		guest_init(&g, GUEST_REGION, 1);
		g.no_memory_in = nth++;
		result = viommu_smmuv3_new(g.vm, &config, &iommu);
		assert_true(result == VIOMMU_OK || result == VIOMMU_ENOMEM);
		assert_int_equal(viommu_free(iommu), VIOMMU_OK);
		guest_fini(&g); /* what is left fails there */
	} while (result);
	assert_in_range(nth, 8, 40);
}

/* ---- every structure is read once ---- */

#define WORDS (192 * 512)

struct memory {
	struct world *w;
	bool seen[WORDS];
	unsigned again;
};

static void alter(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	struct memory *m = opaque;

	/* Each walk of stage 2 reads its entries; several walks make a nested one. */
	if (gpa >= m->w->second && gpa < m->w->second_end)
		return;
	for (uint32_t at = 0; at + 8 <= count; at += 8) {
		uint64_t word = (gpa + at - GUEST_BASE) / 8;
		uint64_t value;

		assert_true(word < WORDS);
		memcpy(&value, (char *)bytes + at, sizeof(value));
		if (m->seen[word]) {
			m->again++;
			value = ~value;
			memcpy((char *)bytes + at, &value, sizeof(value));
		}
		m->seen[word] = true;
	}
}

static void read_once(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(operations); i++) {
		struct memory *m = calloc(1, sizeof(*m));
		struct outcome outcome[2];
		uint64_t target[2];

		assert_non_null(m);
		for (unsigned changing = 0; changing < 2; changing++) {
			struct world w;

			open_world(&w, GUEST_CALLBACKS, operations[i].kind);
			m->w = &w;
			w.r.g.alter_opaque = m;
			w.r.g.alter = changing ? alter : NULL;
			outcome[changing] = operations[i].run(&w);
			target[changing] = w.target;
			w.r.g.alter = NULL;
			sm_close(&w.r);
		}
		check_eq(operations[i].name, m->again, 0);
		check_eq(operations[i].name, outcome[0].result, outcome[1].result);
		check_eq(operations[i].name, outcome[1].gpa, target[1]);
		free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation), cmocka_unit_test(every_command),
		cmocka_unit_test(every_record),	   cmocka_unit_test(every_allocation),
		cmocka_unit_test(read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
