/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_riscv_invalidate.c - what each invalidation has to take away (3.1.1, 3.1.3): after a change and its command, nobody gets
 * what was there before; and sections hold back the fence.
 */

#include "check.h"

#include "riscv_rig.h"

#define IOVA UINT64_C(0x5000)
#define OLD  (GUEST_BASE + 0x3000)
#define NEW  (GUEST_BASE + 0x4000)

enum { HOST, HOST_2, GUEST_SECOND, NESTED, NESTED_2, PROCESS, DEVICES };

/* Devices: first stage alone with PSCID 1 and 2; second stage of GSCID 5; both, of GSCID 5 with PSCID 1 and of GSCID 6 with
 * PSCID 1; and a process on no second stage, PSCID 1. */
static struct riscv_rig r;
static struct rv_tree first[DEVICES], second[2];
static struct viommu_device *device[DEVICES];
static struct viommu_channel *channel[DEVICES];
static uint64_t pdt;

static const struct {
	unsigned pscid;
	unsigned gscid; /* 0: none */
	bool first;
} shapes[DEVICES] = { { 1, 0, true }, { 2, 0, true }, { 0, 5, false },
		      { 1, 5, true }, { 1, 6, true }, { 1, 0, true } };

static void put_context(unsigned d)
{
	const struct rv_tree *below = shapes[d].gscid ? &second[shapes[d].gscid - 5] : NULL;
	uint64_t hgatp = below ? rv_hgatp(8, shapes[d].gscid, below->root) : 0;

	if (d == PROCESS) {
		rv_put(&r, pdt + 3 * 16 + 8, rv_satp(8, first[d].root));
		rv_put(&r, pdt + 3 * 16, RISCV_PC_V | bits_put(RISCV_PC_PSCID, 1));
		rv_put_dc(&r, d, RISCV_TC_PDTV, 0, 0, rv_satp(RISCV_PDTP_PD8, pdt));
	} else {
		rv_put_dc(&r, d, 0, hgatp, bits_put(RISCV_TA_PSCID, shapes[d].pscid),
			  shapes[d].first ? rv_satp(8, first[d].root) : 0);
	}
}

static uint64_t bits_of(bool global)
{
	return RV_PAGE | (global ? RV_G : 0);
}

static void open_rig(bool global)
{
	rv_open(&r, GUEST_REGION, 192, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_1LVL);
	pdt = guest_alloc(&r.g, 1);
	for (unsigned i = 0; i < 2; i++) {
		second[i] = (struct rv_tree){ rv_root(&r), 3, false, false, true };
		for (uint64_t at = 0; at < r.g.bytes; at += GUEST_PAGE)
			rv_map(&r, &second[i], GUEST_BASE + at, GUEST_BASE + at, 0, RV_PAGE);
		rv_map(&r, &second[i], IOVA, OLD, 0, RV_PAGE);
	}
	for (unsigned d = 0; d < DEVICES; d++) {
		first[d] = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, false, false };
		rv_map(&r, &first[d], IOVA, d == NESTED || d == NESTED_2 ? IOVA : OLD, 0,
		       bits_of(global));
		put_context(d);
		device[d] = guest_device(&r.g, d);
		channel[d] = guest_channel(&r.g, device[d], d == PROCESS ? 3 : VIOMMU_NO_PASID);
	}
}

static uint64_t ask(unsigned d)
{
	struct guest_dma dma = guest_channel_dma(channel[d], d == PROCESS ? 3 : VIOMMU_NO_PASID,
						 IOVA, VIOMMU_READ);

	return dma.result == VIOMMU_OK ? dma.f.gpa : 0;
}

#define FIRST(d)   (1U << (d))
#define SECOND(n)  (1U << (16 + (n)))
#define CONTEXT(d) (1U << (8 + (d)))

/* What the guest changes, what it says, and who must see it. Others may, or not. */
static const struct {
	const char *name;
	unsigned changes;
	uint64_t word[2];
	unsigned see; /* bit n: device n */
	bool global;
} rows[] = {
	{ "VMA, all",
	  FIRST(HOST) | FIRST(HOST_2) | FIRST(PROCESS),
	  { RV_VMA, 0 },
	  FIRST(HOST) | FIRST(HOST_2) | FIRST(PROCESS),
	  false },
	{ "VMA, all, global",
	  FIRST(HOST) | FIRST(HOST_2),
	  { RV_VMA, 0 },
	  FIRST(HOST) | FIRST(HOST_2),
	  true },
	{ "VMA, PSCV",
	  FIRST(HOST) | FIRST(PROCESS),
	  { RV_VMA | RISCV_CMD_PSCV | 1 << 12, 0 },
	  FIRST(HOST) | FIRST(PROCESS),
	  false },
	{ "VMA, AV",
	  FIRST(HOST) | FIRST(HOST_2),
	  { RV_VMA | RISCV_CMD_AV, RV_ADDR(IOVA) },
	  FIRST(HOST) | FIRST(HOST_2),
	  false },
	{ "VMA, AV, global",
	  FIRST(HOST) | FIRST(HOST_2),
	  { RV_VMA | RISCV_CMD_AV, RV_ADDR(IOVA) },
	  FIRST(HOST) | FIRST(HOST_2),
	  true },
	{ "VMA, AV, PSCV",
	  FIRST(HOST_2),
	  { RV_VMA | RISCV_CMD_AV | RISCV_CMD_PSCV | 2 << 12, RV_ADDR(IOVA) },
	  FIRST(HOST_2),
	  false },
	{ "VMA, AV, S: 32 KiB",
	  FIRST(HOST),
	  { RV_VMA | RISCV_CMD_AV, RV_ADDR(0x3000) | RISCV_CMD_S },
	  FIRST(HOST),
	  false },
	{ "VMA, AV, S: everything",
	  FIRST(HOST),
	  { RV_VMA | RISCV_CMD_AV, RV_ADDR(BITS(62, 12)) | RISCV_CMD_S },
	  FIRST(HOST),
	  false },
	{ "VMA, GV",
	  FIRST(NESTED),
	  { RV_VMA | RISCV_CMD_GV | UINT64_C(5) << 44, 0 },
	  FIRST(NESTED),
	  false },
	{ "VMA, GV, PSCV",
	  FIRST(NESTED),
	  { RV_VMA | RISCV_CMD_GV | RISCV_CMD_PSCV | 1 << 12 | UINT64_C(5) << 44, 0 },
	  FIRST(NESTED),
	  false },
	{ "VMA, GV, AV",
	  FIRST(NESTED_2),
	  { RV_VMA | RISCV_CMD_GV | RISCV_CMD_AV | UINT64_C(6) << 44, RV_ADDR(IOVA) },
	  FIRST(NESTED_2),
	  false },
	{ "VMA, GV, AV, PSCV",
	  FIRST(NESTED_2),
	  { RV_VMA | RISCV_CMD_GV | RISCV_CMD_AV | RISCV_CMD_PSCV | 1 << 12 | UINT64_C(6) << 44,
	    RV_ADDR(IOVA) },
	  FIRST(NESTED_2),
	  false },
	{ "GVMA, all",
	  SECOND(0) | SECOND(1),
	  { RV_GVMA, 0 },
	  FIRST(GUEST_SECOND) | FIRST(NESTED) | FIRST(NESTED_2),
	  false },
	{ "GVMA, GV",
	  SECOND(0),
	  { RV_GVMA | RISCV_CMD_GV | UINT64_C(5) << 44, 0 },
	  FIRST(GUEST_SECOND) | FIRST(NESTED),
	  false },
	{ "GVMA, GV, AV",
	  SECOND(0),
	  { RV_GVMA | RISCV_CMD_GV | RISCV_CMD_AV | UINT64_C(5) << 44, RV_ADDR(IOVA) },
	  FIRST(GUEST_SECOND) | FIRST(NESTED),
	  false },
	{ "INVAL_DDT, all",
	  CONTEXT(HOST) | CONTEXT(NESTED),
	  { RV_DDT, 0 },
	  FIRST(HOST) | FIRST(NESTED),
	  false },
	{ "INVAL_DDT, a device", CONTEXT(HOST), { RV_DDT | RV_DID(HOST), 0 }, FIRST(HOST), false },
	{ "INVAL_DDT takes its processes, too",
	  CONTEXT(PROCESS),
	  { RV_DDT | RV_DID(PROCESS), 0 },
	  FIRST(PROCESS),
	  false },
	{ "INVAL_PDT",
	  CONTEXT(PROCESS),
	  { RV_PDT | RV_DID(PROCESS) | 3 << 12, 0 },
	  FIRST(PROCESS),
	  false },
};

static void change(unsigned changes, bool global)
{
	for (unsigned d = 0; d < DEVICES; d++) {
		/* a nested first stage goes to the page that the second one does not translate */
		if (changes & FIRST(d))
			rv_map(&r, &first[d], IOVA, NEW, 0, bits_of(global));
		if (changes & CONTEXT(d)) { /* another tree, and another id */
			first[d].root = guest_alloc(&r.g, 1);
			rv_map(&r, &first[d], IOVA, NEW, 0, bits_of(global));
			put_context(d);
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		if (changes & SECOND(i))
			rv_map(&r, &second[i], IOVA, NEW, 0, RV_PAGE);
	}
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		open_rig(rows[i].global);
		for (unsigned d = 0; d < DEVICES; d++) {
			check_eq(rows[i].name, ask(d), OLD);
			check_eq(rows[i].name, ask(d), OLD);
		}
		change(rows[i].changes, rows[i].global);
		rv_do(&r, rows[i].word[0], rows[i].word[1]);
		for (unsigned d = 0; d < DEVICES; d++)
			check_eq(rows[i].name, ask(d), rows[i].see & FIRST(d) ? NEW : OLD);
		rv_close(&r);
	}
	print_message("%zu rows\n", ARRAY_COUNT(rows));
}

/* 2.4: what is not valid is not remembered. */
static void test_nothing_invalid_is_cached(void **state)
{
	(void)state;
	open_rig(false);
	rv_map(&r, &first[HOST], IOVA, 0, 0, 0);
	rv_map(&r, &second[0], IOVA, 0, 0, 0);
	rv_put(&r, rv_dc(&r, HOST_2), 0);
	rv_put(&r, pdt + 3 * 16, 0);
	assert_int_equal(ask(HOST), 0);
	assert_int_equal(ask(NESTED), 0);
	assert_int_equal(ask(HOST_2), 0);
	assert_int_equal(ask(PROCESS), 0);
	rv_map(&r, &first[HOST], IOVA, NEW, 0, RV_PAGE);
	rv_map(&r, &second[0], IOVA, NEW, 0, RV_PAGE);
	put_context(HOST_2);
	put_context(PROCESS);
	assert_int_equal(ask(HOST), NEW);
	assert_int_equal(ask(NESTED), NEW);
	assert_int_equal(ask(HOST_2), OLD);
	assert_int_equal(ask(PROCESS), OLD);
	rv_close(&r);
}

/* 4.3: with NL, tables that led to the address go, too; without AV they always do. */
static void test_tables(void **state)
{
	static const struct {
		const char *name;
		uint64_t word[2];
	} commands[] = {
		{ "AV, NL", { RV_VMA | RISCV_CMD_AV | RISCV_CMD_NL, RV_ADDR(IOVA) } },
		{ "AV = 0", { RV_VMA, 0 } },
		{ "PSCV", { RV_VMA | RISCV_CMD_PSCV | 1 << 12, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		uint64_t table;

		open_rig(false);
		assert_int_equal(ask(HOST), OLD);
		table = guest_alloc(&r.g, 1);
		rv_map(&r, &first[HOST], IOVA, table, 1, RV_V);
		rv_map(&r, &first[HOST], IOVA, NEW, 0, RV_PAGE);
		rv_do(&r, commands[i].word[0], commands[i].word[1]);
		check_eq(commands[i].name, ask(HOST), NEW);
		rv_close(&r);
	}
}

/* 3.1.2: nobody is told while a section from before is open. */
static void test_sections(void **state)
{
	(void)state;
	open_rig(false);
	assert_int_equal(viommu_enter(channel[HOST]), VIOMMU_OK);
	assert_int_equal(ask(HOST), OLD);
	rv_map(&r, &first[HOST], IOVA, 0, 0, 0);
	rv_command(&r, RV_VMA | RISCV_CMD_AV | RISCV_CMD_PSCV | 1 << 12, RV_ADDR(IOVA));
	assert_int_equal(rv_fence(&r), VIOMMU_PENDING);
	assert_false(rv_fenced(&r));
	assert_int_equal(rv_read(&r, RISCV_CQH, 4), 1);
	assert_int_equal(viommu_leave(channel[HOST]), VIOMMU_OK);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_true(rv_fenced(&r));
	/* and ddtp.busy, and a queue of records that is turned off */
	assert_int_equal(viommu_enter(channel[HOST]), VIOMMU_OK);
	rv_write(&r, RISCV_DDTP, 8, RISCV_MODE_OFF);
	assert_true(rv_read(&r, RISCV_DDTP, 8) & RISCV_DDTP_BUSY);
	rv_write(&r, RISCV_FQCSR, 4, 0);
	assert_int_equal(rv_read(&r, RISCV_FQCSR, 4), RISCV_CSR_ON | RISCV_CSR_BUSY);
	assert_int_equal(viommu_leave(channel[HOST]), VIOMMU_OK);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_int_equal(rv_read(&r, RISCV_DDTP, 8), RISCV_MODE_OFF);
	assert_int_equal(rv_read(&r, RISCV_FQCSR, 4), 0);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_nothing_invalid_is_cached),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
