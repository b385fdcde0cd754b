/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_riscv_fail.c - the RISC-V IOMMU when the nth access to guest memory or the nth allocation fails, for every n: an architected
 * answer, and an IOMMU that works as soon as memory does; and memory that answers otherwise when it is asked again.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "riscv_rig.h"

#define DEVICE	0x010203U
#define PROCESS 0x54321U
#define IOVA	UINT64_C(0x5000)
#define FILES	UINT64_C(0x28000000)

struct world {
	struct riscv_rig r;
	struct viommu_device *device;
	uint64_t page;
	uint64_t file;
	uint64_t second, second_end; /* tables of the second stage */
};

/* Process directory of three levels and a first stage on a second one; accessed and dirty are to be set. @nested: otherwise the
 * first stage alone. */
static void open_world(struct world *w, enum guest_memory memory, bool nested)
{
	struct rv_tree first = { .levels = 3 }, second = { .levels = 3, .second = true };
	struct riscv_rig *r = &w->r;
	uint64_t pdt[3], msi;

	rv_open(r, memory, 160, RV_ALL);
	rv_start(r, 0, RISCV_MODE_3LVL);
	w->page = guest_alloc(&r->g, 1);
	w->file = guest_alloc(&r->g, 1);
	msi = guest_alloc(&r->g, 1);
	rv_put(r, msi, RISCV_MSIPTE_V | UINT64_C(1) << 1 | w->file >> 2);
	rv_put(r, msi + 8, RV_PPN(0x24000000));
	for (unsigned i = 0; i < 3; i++)
		pdt[i] = guest_alloc(&r->g, 1);
	rv_put(r, pdt[2] + (PROCESS >> 17) * 8, RV_PPN(pdt[1]) | RISCV_DIR_V);
	rv_put(r, pdt[1] + (PROCESS >> 8 & 0x1ff) * 8, RV_PPN(pdt[0]) | RISCV_DIR_V);
	first.root = guest_alloc(&r->g, 1);
	rv_put(r, pdt[0] + (PROCESS & 0xff) * 16, RISCV_PC_V);
	rv_put(r, pdt[0] + (PROCESS & 0xff) * 16 + 8, rv_satp(8, first.root));
	rv_map(r, &first, IOVA, w->page, 0, RV_PAGE & ~(RV_A | RV_D));
	rv_map(r, &first, IOVA + 0x1000, FILES, 0, RV_PAGE);
	w->second = r->g.used;
	second.root = rv_root(r);
	for (uint64_t at = 0; at < r->g.bytes; at += GUEST_PAGE)
		rv_map(r, &second, GUEST_BASE + at, GUEST_BASE + at, 0, RV_PAGE & ~(RV_A | RV_D));
	rv_map(r, &second, FILES, FILES, 0, RV_PAGE);
	w->second_end = r->g.used;
	if (nested)
		rv_put_files(r, DEVICE, msi, 0, FILES >> 12);
	rv_put_dc(r, DEVICE,
		  RISCV_TC_PDTV | RISCV_TC_EN_ATS | RISCV_TC_EN_PRI | RISCV_TC_SADE | RISCV_TC_GADE,
		  nested ? rv_hgatp(8, 3, second.root) : 0, 0, rv_satp(RISCV_PDTP_PD20, pdt[2]));
	w->device = guest_device(&r->g, DEVICE);
}

static void close_world(struct world *w)
{
	rv_close(&w->r);
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
	return outcome_of(guest_dma_pasid(w->device, PROCESS, IOVA, VIOMMU_READ));
}

static struct outcome run_write(struct world *w)
{
	return outcome_of(guest_dma_pasid(w->device, PROCESS, IOVA, VIOMMU_WRITE));
}

static struct outcome run_ats(struct world *w)
{
	return outcome_of(guest_ats(w->device, PROCESS, IOVA, VIOMMU_READ | VIOMMU_WRITE));
}

/* Without a process, an address of the guest's: a file in memory, if there is a second stage. */
static struct outcome run_message(struct world *w)
{
	struct viommu_msi msi;
	int result = viommu_remap_msi(w->r.g.iommu, DEVICE, FILES, 5, 0, &msi);

	return (struct outcome){ result, msi.reason, 0, msi.address };
}

static const struct operation {
	const char *name;
	struct outcome (*run)(struct world *w);
	bool nested;
	bool cached; /* what was found needs no memory the next time */
	uint16_t reasons[6];
} operations[] = {
	{ "read",
	  run_read,
	  false,
	  true,
	  { RISCV_FAULT_DDT_ACCESS, RISCV_FAULT_PDT_ACCESS, RISCV_FAULT_ACCESS_READ } },
	{ "read, nested",
	  run_read,
	  true,
	  true,
	  { RISCV_FAULT_DDT_ACCESS, RISCV_FAULT_PDT_ACCESS, RISCV_FAULT_ACCESS_READ } },
	{ "write",
	  run_write,
	  false,
	  true,
	  { RISCV_FAULT_DDT_ACCESS, RISCV_FAULT_PDT_ACCESS, RISCV_FAULT_ACCESS_WRITE } },
	{ "write, nested",
	  run_write,
	  true,
	  true,
	  { RISCV_FAULT_DDT_ACCESS, RISCV_FAULT_PDT_ACCESS, RISCV_FAULT_ACCESS_WRITE } },
	{ "translation request",
	  run_ats,
	  true,
	  true,
	  { RISCV_FAULT_DDT_ACCESS, RISCV_FAULT_PDT_ACCESS, RISCV_FAULT_ACCESS_READ } },
	{ "message",
	  run_message,
	  true,
	  false,
	  { RISCV_FAULT_DDT_ACCESS, RISCV_FAULT_MSI_ACCESS, RISCV_FAULT_MRIF } },
};

static bool may_give(const struct operation *o, unsigned reason)
{
	for (unsigned i = 0; i < ARRAY_COUNT(o->reasons) && o->reasons[i]; i++) {
		if (o->reasons[i] == reason)
			return true;
	}
	return false;
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
	struct outcome first, again, warm, expected;
	struct rv_fault fault;
	struct world w;
	char row[80];
	bool reached;

	snprintf(row, sizeof(row), "%s, memory %d, access %u", o->name, (int)memory, nth);
	open_world(&w, memory, o->nested);
	fail_from(&w.r.g, nth, false);
	first = o->run(&w);
	reached = stop_failing(&w.r.g);
	if (reached) {
		check_eq(row, first.result, VIOMMU_FAULT);
		if (!may_give(o, first.reason))
			fail_msg("%s: reason %u", row, first.reason);
		if (o->run == run_ats)
			check_eq(row, first.ats,
				 first.reason == RISCV_FAULT_DDT_ACCESS ? VIOMMU_ATS_UNSUPPORTED
									: VIOMMU_ATS_ABORT);
		check_that(row, rv_take_fault(&w.r, &fault));
		check_eq(row, fault.cause, first.reason);
		check_eq(row, fault.word[3], 0);
	}
	check_that(row, !rv_take_fault(&w.r, &fault));
	again = o->run(&w);
	check_eq(row, again.result, VIOMMU_OK);
	if (o->cached) {
		fail_from(&w.r.g, 1, true);
		warm = o->run(&w);
		check_that(row, !stop_failing(&w.r.g) && warm.result == VIOMMU_OK &&
					warm.gpa == again.gpa);
	}
	check_eq(row, rv_take_faults(&w.r), 0);
	close_world(&w);
	open_world(&w, memory, o->nested);
	expected = o->run(&w);
	check_eq(row, again.gpa, expected.gpa);
	close_world(&w);
	return reached;
}

static void every_operation(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(operations); i++) {
		for (int memory = GUEST_CALLBACKS; memory <= GUEST_RAW_SWAP; memory++) {
			unsigned nth = 1;

			while (one_operation(&operations[i], (enum guest_memory)memory, nth))
				nth++;
			assert_in_range(nth, 4, 100);
		}
	}
}

/* ---- the queue: the head stays at what could not be read, or whose store failed ---- */

static bool one_queue(unsigned nth)
{
	struct world w;
	bool reached;

	open_world(&w, GUEST_CALLBACKS, true);
	fail_from(&w.r.g, nth, false);
	rv_command(&w.r, RV_VMA, 0);
	rv_command(&w.r, RV_GVMA, 0);
	rv_command(&w.r, RV_DDT, 0);
	rv_command(&w.r,
		   RV_INVAL | (uint64_t)DEVICE << 40 | (uint64_t)(DEVICE >> 16) << 56 |
			   RISCV_ATS_DSV,
		   0);
	rv_fence(&w.r);
	reached = stop_failing(&w.r.g);
	assert_int_equal(rv_fenced(&w.r), !reached);
	assert_int_equal(rv_read(&w.r, RISCV_CQCSR, 4) & RISCV_CQCSR_ERRORS,
			 reached ? RISCV_CSR_MF : 0);
	if (reached)
		assert_int_equal(rv_read(&w.r, RISCV_CQH, 4), nth > 5 ? 4 : nth - 1);
	rv_write(&w.r, RISCV_CQCSR, 4, RISCV_CSR_EN | RISCV_CSR_MF);
	assert_true(rv_fenced(&w.r));
	assert_int_equal(rv_read(&w.r, RISCV_CQH, 4), 5);
	assert_int_equal(w.r.g.count[GUEST_ON_INVALIDATE], 1);
	close_world(&w);
	return reached;
}

static void every_command(void **state)
{
	unsigned nth = 1;

	(void)state;
	while (one_queue(nth))
		nth++;
	assert_int_equal(nth, 7); /* five commands and a store */
}

/* ---- page requests ---- */

static bool one_page_request(unsigned nth)
{
	const struct viommu_page_request request = {
		.address = IOVA, .pasid = PROCESS, .access = VIOMMU_READ, .group = 5, .last = 1
	};
	struct world w;
	bool reached;
	int result;

	open_world(&w, GUEST_CALLBACKS, true);
	fail_from(&w.r.g, nth, false);
	result = viommu_request_page(w.device, &request);
	reached = stop_failing(&w.r.g);
	assert_int_equal(result, reached ? VIOMMU_FAULT : VIOMMU_OK);
	assert_int_equal(w.r.g.count[GUEST_ON_RESPONSE], reached);
	if (reached) {
		assert_int_equal(w.r.g.response[0].what.code, RISCV_RESPONSE_FAILURE);
		assert_int_equal(w.r.g.response[0].what.pasid, PROCESS);
	}
	assert_int_equal(rv_read(&w.r, RISCV_PQT, 4), !reached);
	close_world(&w);
	return reached;
}

static void every_page_request(void **state)
{
	unsigned nth = 1;

	(void)state;
	while (one_page_request(nth))
		nth++;
	assert_in_range(nth, 4, 10);
}

/* ---- records: one that cannot be written says so, and is not counted as there ---- */

static void every_record(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, GUEST_CALLBACKS, true);
	w.r.g.fail_kinds = 1U << GUEST_ON_WRITE;
	fail_from(&w.r.g, 1, false);
	assert_int_equal(guest_dma_pasid(w.device, 1, IOVA, VIOMMU_READ).answer.reason,
			 RISCV_FAULT_PDT_INVALID);
	assert_true(stop_failing(&w.r.g));
	assert_int_equal(rv_read(&w.r, RISCV_FQT, 4), 0);
	assert_int_equal(rv_read(&w.r, RISCV_FQCSR, 4) & RISCV_QCSR_CONDITION, RISCV_CSR_MF);
	close_world(&w);
}

/* ---- allocations ---- */

static void every_allocation(void **state)
{
	unsigned nth = 1;
	int result;

	(void)state;
	do {
		struct riscv_rig r;

		memset(&r, 0, sizeof(r));
		guest_init(&r.g, GUEST_REGION, 1);
		r.config.capabilities = RV_ALL;
		r.g.no_memory_in = nth++;
		result = rv_try(&r);
		assert_true(result == VIOMMU_OK || result == VIOMMU_ENOMEM);
		rv_close(&r);
	} while (result);
	assert_in_range(nth, 8, 40);
}

/* ---- every structure is read once ---- */

#define WORDS (160 * 512)

struct memory {
	struct world *w;
	bool seen[WORDS];
	unsigned again;
};

static void alter(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	struct memory *m = opaque;

	/* Each walk of the second stage reads its entries; several walks make a nested one. */
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

/* Translation requests look first what there is, without a trace: they read twice, and decide by the second time. */
static void read_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(operations); i++) {
		struct memory *m = calloc(1, sizeof(*m));
		struct outcome outcome[2];

		assert_non_null(m);
		if (operations[i].run == run_ats) {
			free(m);
			continue;
		}
		for (unsigned changing = 0; changing < 2; changing++) {
			struct world w;

			open_world(&w, GUEST_CALLBACKS, operations[i].nested);
			m->w = &w;
			w.r.g.alter_opaque = m;
			w.r.g.alter = changing ? alter : NULL;
			outcome[changing] = operations[i].run(&w);
			w.r.g.alter = NULL;
			close_world(&w);
		}
		check_eq(operations[i].name, m->again, 0);
		check_eq(operations[i].name, outcome[0].result, outcome[1].result);
		check_eq(operations[i].name, outcome[0].gpa, outcome[1].gpa);
		free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation),    cmocka_unit_test(every_command),
		cmocka_unit_test(every_page_request), cmocka_unit_test(every_record),
		cmocka_unit_test(every_allocation),   cmocka_unit_test(read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
