/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_debug.c - translations by register (chapter 5), and counters of events (6.19 to 6.23). */

#include "check.h"

#include <libvirtiommu/observe.h>

#include <string.h>

#include "riscv_rig.h"

#define DEVICE 0x10U
#define GSCID  9U
#define PSCID  7U

static struct riscv_rig r;
static struct rv_tree first, second;

static void fill_rig(uint64_t tc)
{
	rv_start(&r, 0, RISCV_MODE_1LVL);
	first = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, false, false };
	second = (struct rv_tree){ rv_root(&r), 3, false, false, true };
	rv_map(&r, &second, 0x80000000, 0x40000000, 2, RV_PAGE);
	rv_map(&r, &second, GUEST_BASE & ~bits_low(21), GUEST_BASE & ~bits_low(21), 1,
	       RV_PAGE | RV_X);
	rv_put_dc(&r, DEVICE, tc, rv_hgatp(8, GSCID, second.root), bits_put(RISCV_TA_PSCID, PSCID),
		  rv_satp(8, first.root));
}

static void open_rig(uint64_t tc)
{
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	fill_rig(tc);
}

static uint64_t ask(uint64_t iova, uint64_t ctl)
{
	rv_write(&r, RISCV_TR_REQ_IOVA, 8, iova);
	rv_write(&r, RISCV_TR_REQ_CTL, 8, ctl | RISCV_TR_GO | (uint64_t)DEVICE << 40);
	assert_false(rv_read(&r, RISCV_TR_REQ_CTL, 8) & RISCV_TR_GO);
	return rv_read(&r, RISCV_TR_RESPONSE, 8);
}

/* 6.25: page number, size and memory type; no device of this id need exist. */
static void test_responses(void **state)
{
	(void)state;
	open_rig(0);
	rv_map(&r, &first, 0x5000, 0x80003000, 0, RV_PAGE);
	rv_map(&r, &first, 0x6000, 0x80003000, 0, RV_PAGE | BIT(61));
	rv_map(&r, &first, 0x10000, 0x80018000, 0, RV_PAGE | RV_N);
	rv_map(&r, &first, 0x200000, 0x80400000, 1, RV_PAGE & ~RV_W);
	assert_int_equal(ask(0x5000, 0), RV_PPN(0x40003000));
	assert_int_equal(ask(0x6000, 0), RV_PPN(0x40003000) | 1 << 7);
	assert_int_equal(ask(0x10000, 0),
			 RV_PPN(0x40010000) | UINT64_C(7) << 10 | RISCV_RESPONSE_S);
	assert_int_equal(ask(0x345000, RISCV_TR_NW),
			 RV_PPN(0x40400000) | UINT64_C(0xff) << 10 | RISCV_RESPONSE_S);
	/* the second stage's type, where the first has none */
	rv_map(&r, &second, 0x80000000, 0x40000000, 2, RV_PAGE | BIT(62));
	rv_invalidate(&r);
	assert_int_equal(ask(0x5000, 0), RV_PPN(0x40003000) | 2 << 7);
	assert_int_equal(ask(0x6000, 0), RV_PPN(0x40003000) | 1 << 7);
	rv_close(&r);
}

/* The same where devices are told apart: there is none, and so none that is of a partition. */
static void test_apart(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits), .partitions = 2 };

	(void)state;
	memset(&r, 0, sizeof(r));
	guest_init(&r.g, GUEST_REGION, 64);
	r.config.capabilities = RV_ALL;
	r.config.limits = &limits;
	assert_int_equal(rv_try(&r), VIOMMU_OK);
	fill_rig(0);
	rv_map(&r, &first, 0x5000, 0x80003000, 0, RV_PAGE);
	assert_int_equal(ask(0x5000, 0), RV_PPN(0x40003000));
	rv_map(&r, &first, 0x5000, 0x80004000, 0, RV_PAGE);
	rv_invalidate(&r);
	assert_int_equal(ask(0x5000, 0), RV_PPN(0x40004000));
	assert_int_equal(ask(0x9000, 0), RISCV_RESPONSE_FAULT);
	rv_close(&r);
}

static void test_faults(void **state)
{
	struct rv_fault fault;

	(void)state;
	open_rig(0);
	rv_map(&r, &first, 0x5000, 0x80003000, 0, RV_PAGE & ~RV_W);
	assert_int_equal(ask(0x5000, 0), RISCV_RESPONSE_FAULT);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.cause, RISCV_FAULT_PAGE_WRITE);
	assert_int_equal(fault.ttyp, 3);
	assert_int_equal(fault.word[2], 0x5000);
	assert_int_equal(ask(0x5000, RISCV_TR_NW | RISCV_TR_EXE), RISCV_RESPONSE_FAULT);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.cause, RISCV_FAULT_PAGE_EXEC);
	assert_int_equal(ask(0x5000, RISCV_TR_NW | RISCV_TR_PV | 3 << 12), RISCV_RESPONSE_FAULT);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.cause, RISCV_FAULT_TYPE);
	assert_int_equal(bits_get(fault.word[0], RISCV_FR_PID), 3);
	rv_write(&r, RISCV_DDTP, 8, 0);
	assert_int_equal(ask(0x5000, 0), RISCV_RESPONSE_FAULT);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.cause, RISCV_FAULT_OFF);
	rv_close(&r);
}

/* 5: a file in memory has no address. Accessed and dirty may be set. */
static void test_files_and_traces(void **state)
{
	uint64_t table;
	struct rv_fault fault;

	(void)state;
	open_rig(RISCV_TC_SADE);
	table = guest_alloc(&r.g, 1);
	rv_put_files(&r, DEVICE, table, 0, 0x80009);
	rv_put(&r, table, RISCV_MSIPTE_V | UINT64_C(1) << 1 | GUEST_BASE >> 2);
	rv_map(&r, &first, 0x7000, 0x80009000, 0, RV_PAGE);
	assert_int_equal(ask(0x7000, 0), RISCV_RESPONSE_FAULT);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.cause, RISCV_FAULT_TYPE);
	rv_put(&r, table, RISCV_MSIPTE_V | UINT64_C(3) << 1 | RV_PPN(0x99000));
	assert_int_equal(ask(0x7000, 0), RV_PPN(0x99000));
	rv_map(&r, &first, 0x8000, 0x80001000, 0, RV_PAGE & ~(RV_A | RV_D));
	assert_int_equal(ask(0x8000, RISCV_TR_NW), RV_PPN(0x40001000));
	assert_int_equal(guest_get64(&r.g, rv_entry(&r, &first, 0x8000, 0)) & (RV_A | RV_D), RV_A);
	assert_int_equal(ask(0x8000, 0), RV_PPN(0x40001000));
	assert_int_equal(guest_get64(&r.g, rv_entry(&r, &first, 0x8000, 0)) & (RV_A | RV_D),
			 RV_A | RV_D);
	rv_close(&r);
}

/* ---- counters ---- */

static uint64_t count_of(unsigned n)
{
	return rv_read(&r, RISCV_IOHPMCTR(n), 8);
}

static uint64_t misses(struct viommu_device *device)
{
	struct viommu_statistics s = { .size = sizeof(s) };

	assert_int_equal(viommu_device_get_statistics(device, &s), VIOMMU_OK);
	return s.misses;
}

/* Hits of channels and of devices count, and cost nothing when nobody counts. */
static void test_requests(void **state)
{
	struct viommu_device *device;
	struct viommu_channel *channel;

	(void)state;
	open_rig(0);
	rv_map(&r, &first, 0x5000, 0x80003000, 0, RV_PAGE);
	device = guest_device(&r.g, DEVICE);
	channel = guest_channel(&r.g, device, VIOMMU_NO_PASID);
	for (unsigned i = 0; i < 3; i++)
		guest_channel_dma(channel, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ);
	for (unsigned n = 0; n < 8; n++)
		rv_write(&r, RISCV_IOHPMEVT(n), 8, n + 1);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(
			guest_channel_dma(channel, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ).f.gpa,
			0x40003000);
		assert_int_equal(guest_dma(device, 0x5008, VIOMMU_WRITE).f.gpa, 0x40003008);
	}
	assert_int_equal(count_of(0), 10);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(count_of(2), 0);
	assert_int_equal(count_of(3), 0);    /* cached from before */
	assert_int_equal(count_of(4), 1);    /* but contexts are asked for again */
	assert_int_equal(misses(device), 1); /* which are no misses of pages */
	rv_invalidate(&r);
	guest_dma(device, 0x5000, VIOMMU_READ);
	assert_int_equal(count_of(0), 11);
	assert_int_equal(count_of(3), 1);
	assert_int_equal(count_of(4), 2);
	assert_int_equal(count_of(6), 1);
	assert_int_equal(count_of(7), 1);
	/* a question is no request */
	guest_dma(device, 0x5000, VIOMMU_READ | VIOMMU_QUIET);
	assert_int_equal(count_of(0), 11);
	/* 6.20: inhibited */
	rv_write(&r, RISCV_IOCOUNTINH, 4, 2);
	guest_dma(device, 0x5000, VIOMMU_READ);
	assert_int_equal(count_of(0), 11);
	rv_write(&r, RISCV_IOCOUNTINH, 4, 0);
	for (unsigned n = 0; n < 8; n++)
		rv_write(&r, RISCV_IOHPMEVT(n), 8, 0);
	guest_channel_dma(channel, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ);
	guest_channel_dma(channel, VIOMMU_NO_PASID, 0x5000, VIOMMU_READ);
	assert_int_equal(count_of(0), 11);
	rv_close(&r);
}

/* 6.23: filters. */
static void test_filters(void **state)
{
	static const struct {
		const char *name;
		uint64_t event;
		uint64_t count;
	} filters[] = {
		{ "DID", 1 | RISCV_EVT_DV_GSCV | (uint64_t)DEVICE << 36, 1 },
		{ "another DID", 1 | RISCV_EVT_DV_GSCV | (uint64_t)(DEVICE + 1) << 36, 0 },
		{ "DMASK", 1 | RISCV_EVT_DV_GSCV | RISCV_EVT_DMASK | (uint64_t)(DEVICE | 7) << 36,
		  1 },
		{ "DMASK, another",
		  1 | RISCV_EVT_DV_GSCV | RISCV_EVT_DMASK | (uint64_t)(DEVICE | 0x27) << 36, 0 },
		{ "DMASK off", 1 | RISCV_EVT_DV_GSCV | (uint64_t)(DEVICE | 7) << 36, 0 },
		{ "PV, without a process", 1 | RISCV_EVT_PV_PSCV, 0 },
		{ "IDT of requests", 1 | RISCV_EVT_IDT, 0 },
		{ "GSCID", 8 | RISCV_EVT_IDT | RISCV_EVT_DV_GSCV | (uint64_t)GSCID << 36, 1 },
		{ "another GSCID",
		  8 | RISCV_EVT_IDT | RISCV_EVT_DV_GSCV | (uint64_t)(GSCID + 1) << 36, 0 },
		{ "PSCID", 7 | RISCV_EVT_IDT | RISCV_EVT_PV_PSCV | PSCID << 16, 1 },
		{ "both",
		  7 | RISCV_EVT_IDT | RISCV_EVT_PV_PSCV | PSCID << 16 | RISCV_EVT_DV_GSCV |
			  (uint64_t)GSCID << 36,
		  1 },
		{ "one of both",
		  7 | RISCV_EVT_IDT | RISCV_EVT_PV_PSCV | (PSCID + 1) << 16 | RISCV_EVT_DV_GSCV |
			  (uint64_t)GSCID << 36,
		  0 },
		{ "no such event", 9, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(filters); i++) {
		open_rig(0);
		rv_map(&r, &first, 0x5000, 0x80003000, 0, RV_PAGE);
		rv_write(&r, RISCV_IOHPMEVT(30), 8, filters[i].event);
		guest_dma(guest_device(&r.g, DEVICE), 0x5000, VIOMMU_READ);
		check_eq(filters[i].name, count_of(30), filters[i].count);
		rv_close(&r);
	}
}

/* 6.19, 6.23: overflow, once; and cycles, of the host's clock. */
static void test_overflow(void **state)
{
	struct viommu_device *device;

	(void)state;
	open_rig(0);
	rv_map(&r, &first, 0x5000, 0x80003000, 0, RV_PAGE);
	device = guest_device(&r.g, DEVICE);
	rv_write(&r, RISCV_IOHPMEVT(1), 8, 1);
	rv_write(&r, RISCV_IOHPMCTR(1), 8, UINT64_MAX - 1);
	guest_dma(device, 0x5000, VIOMMU_READ);
	assert_int_equal(rv_read(&r, RISCV_IOCOUNTOVF, 4), 0);
	guest_dma(device, 0x5000, VIOMMU_READ);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(rv_read(&r, RISCV_IOCOUNTOVF, 4), 1 << 2);
	assert_int_equal(rv_read(&r, RISCV_IOHPMEVT(1), 8), RISCV_EVT_OF | 1);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), RISCV_IPSR_PMIP);
	rv_write(&r, RISCV_IPSR, 4, RISCV_IPSR_PMIP);
	rv_write(&r, RISCV_IOHPMCTR(1), 8, UINT64_MAX);
	guest_dma(device, 0x5000, VIOMMU_READ);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), 0);
	rv_write(&r, RISCV_IOHPMCYCLES, 8, bits_low(63) - 99);
	r.time += 99;
	assert_int_equal(rv_read(&r, RISCV_IOHPMCYCLES, 8), bits_low(63));
	r.time += 11;
	assert_int_equal(rv_read(&r, RISCV_IOHPMCYCLES, 8), RISCV_CYCLES_OF | 10);
	assert_int_equal(rv_read(&r, RISCV_IOCOUNTOVF, 4), 1 << 2 | 1);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), RISCV_IPSR_PMIP);
	rv_write(&r, RISCV_IOCOUNTINH, 4, 1);
	r.time += 1000;
	assert_int_equal(rv_read(&r, RISCV_IOHPMCYCLES, 8), RISCV_CYCLES_OF | 10);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_responses), cmocka_unit_test(test_apart),
		cmocka_unit_test(test_faults),	  cmocka_unit_test(test_files_and_traces),
		cmocka_unit_test(test_requests),  cmocka_unit_test(test_filters),
		cmocka_unit_test(test_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
