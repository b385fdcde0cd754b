/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_ats.c - translation requests, translated requests and page requests (2.3.5, 2.3.6, 3.3). */

#include "check.h"

#include "riscv_rig.h"

#define DEVICE	0x10U
#define PROCESS 0x34U
#define PAGE_A	(GUEST_BASE + 0x3000)

static struct riscv_rig r;
static struct rv_tree first, second;
static struct viommu_device *device;

/* One page at 0x5000, through both stages: what these say of it. */
static void open_page(uint64_t tc, uint64_t first_bits, uint64_t second_bits, uint64_t pc)
{
	uint64_t pdt;

	rv_open(&r, GUEST_REGION, 128, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_1LVL);
	pdt = guest_alloc(&r.g, 1);
	first = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, false, false };
	second = (struct rv_tree){ rv_root(&r), 3, false, false, true };
	for (uint64_t at = 0; at < r.g.bytes; at += GUEST_PAGE)
		rv_map(&r, &second, GUEST_BASE + at, GUEST_BASE + at, 0, RV_PAGE);
	rv_map(&r, &first, 0x5000, 0x7000, 0, first_bits);
	rv_map(&r, &second, 0x7000, PAGE_A, 0, second_bits);
	rv_put(&r, pdt + PROCESS * 16, pc | RISCV_PC_V);
	rv_put(&r, pdt + PROCESS * 16 + 8, rv_satp(8, first.root));
	rv_put_dc(&r, DEVICE, tc | RISCV_TC_EN_ATS | RISCV_TC_PDTV, rv_hgatp(8, 3, second.root), 0,
		  rv_satp(RISCV_PDTP_PD8, pdt));
	device = guest_device(&r.g, DEVICE);
}

#define FULL (RV_PAGE | RV_X)
#define R_   VIOMMU_READ
#define W_   VIOMMU_WRITE
#define X_   VIOMMU_EXEC
#define P_   VIOMMU_PRIV

static const struct {
	const char *name;
	uint64_t first, second, tc, pc;
	unsigned access, granted;
} grants[] = {
	{ "all", FULL, FULL, 0, 0, R_ | W_ | X_, R_ | W_ | X_ },
	{ "no write wanted", FULL, FULL, 0, 0, R_ | X_, R_ | X_ },
	{ "no execute wanted", FULL, FULL, 0, 0, R_ | W_, R_ | W_ },
	{ "first stage: no W", FULL & ~RV_W, FULL, 0, 0, R_ | W_, R_ },
	{ "second stage: no W", FULL, FULL & ~RV_W, 0, 0, R_ | W_, R_ },
	{ "first stage: no X", RV_PAGE, FULL, 0, 0, R_ | W_ | X_, R_ | W_ },
	{ "second stage: no X", FULL, RV_PAGE, 0, 0, R_ | X_, R_ },
	{ "X without R", FULL & ~(RV_R | RV_W), FULL, 0, 0, R_ | X_, 0 },
	{ "first stage: U = 0", FULL & ~RV_U, FULL, 0, 0, R_ | W_, 0 },
	{ "second stage: U = 0", FULL, FULL & ~RV_U, 0, 0, R_ | W_, 0 },
	{ "supervisor, U = 0", FULL & ~RV_U, FULL, 0, RISCV_PC_ENS, R_ | W_ | X_ | P_,
	  R_ | W_ | X_ },
	{ "supervisor, U = 1, SUM = 0", FULL, FULL, 0, RISCV_PC_ENS, R_ | P_, 0 },
	{ "supervisor, U = 1, SUM = 1", FULL, FULL, 0, RISCV_PC_ENS | RISCV_PC_SUM,
	  R_ | W_ | X_ | P_, R_ | W_ },
	{ "D = 0", FULL & ~RV_D, FULL, 0, 0, R_ | W_, R_ },
	{ "second stage: D = 0", FULL, FULL & ~RV_D, 0, 0, R_ | W_, R_ },
	{ "D = 0, SADE", FULL & ~RV_D, FULL, RISCV_TC_SADE, 0, R_ | W_, R_ | W_ },
	{ "D = 0, GADE", FULL, FULL & ~RV_D, RISCV_TC_GADE, 0, R_ | W_, R_ | W_ },
	{ "A = 0", FULL & ~RV_A, FULL, 0, 0, R_, 0 },
	{ "A = 0, SADE", FULL & ~RV_A, FULL, RISCV_TC_SADE, 0, R_, R_ },
	{ "first stage: V = 0", 0, FULL, 0, 0, R_, 0 },
	{ "second stage: V = 0", FULL, 0, 0, 0, R_, 0 },
	{ "SADE, second stage: no W", FULL & ~RV_D, FULL & ~RV_W, RISCV_TC_SADE, 0, R_ | W_, R_ },
};

static void test_grants(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(grants); i++) {
		const char *name = grants[i].name;
		bool dirty = (grants[i].first & RV_D) ||
			     ((grants[i].granted & W_) && (grants[i].tc & RISCV_TC_SADE));

		open_page(grants[i].tc, grants[i].first, grants[i].second, grants[i].pc);
		for (unsigned again = 0; again < 2; again++) {
			struct guest_dma d = guest_ats(device, PROCESS, 0x5123, grants[i].access);

			check_eq(name, d.result, VIOMMU_OK);
			check_eq(name, d.answer.ats, VIOMMU_ATS_SUCCESS);
			check_eq(name, d.f.perm, grants[i].granted);
			if (grants[i].granted)
				check_eq(name, d.f.gpa, PAGE_A + 0x123);
		}
		/* 2.3.5: dirty is recorded where writing was granted, and nowhere else */
		check_eq(name, !!(guest_get64(&r.g, rv_entry(&r, &first, 0x5000, 0)) & RV_D),
			 dirty);
		check_eq(name, rv_take_faults(&r), 0);
		rv_close(&r);
	}
	print_message("%zu rows\n", ARRAY_COUNT(grants));
}

/* 2.3.5, causes: unsupported, aborted, or no access; and what is recorded. */
static void test_outcomes(void **state)
{
	struct guest_dma d;
	struct rv_fault fault;

	(void)state;
	open_page(0, FULL, FULL, 0);
	d = guest_ats(device, PROCESS + 1, 0x5000, R_); /* PDT entry not valid */
	assert_int_equal(d.result, VIOMMU_OK);
	assert_int_equal(d.f.perm, 0);
	assert_int_equal(rv_take_faults(&r), 0);
	d = guest_ats(device, 0x100, 0x5000, R_);
	assert_int_equal(d.answer.reason, RISCV_FAULT_TYPE);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_UNSUPPORTED);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.ttyp, RISCV_TTYP_ATS);
	assert_int_equal(bits_get(fault.word[0], RISCV_FR_PID), 0x100);
	/* a first-stage table where there is no memory, below a second stage that maps it */
	rv_map(&r, &second, 0x8000, BIT(40), 0, FULL);
	rv_map(&r, &first, 0x40000000, 0x8000, 1, RV_V);
	d = guest_ats(device, PROCESS, 0x40000000, R_);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_ABORT);
	assert_int_equal(d.answer.reason, RISCV_FAULT_ACCESS_READ);
	assert_int_equal(rv_take_faults(&r), 1);
	/* the same of a page's second-stage table: not asked where the first stage has nothing to grant */
	rv_map(&r, &second, 0x200000000, BIT(40), 1, RV_V);
	rv_map(&r, &first, 0x6000, 0x200000000, 0, FULL & ~RV_U);
	d = guest_ats(device, PROCESS, 0x6000, R_ | W_);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_SUCCESS);
	assert_int_equal(d.f.perm, 0);
	assert_int_equal(rv_take_faults(&r), 0);
	rv_map(&r, &first, 0x6000, 0x200000000, 0, FULL);
	d = guest_ats(device, PROCESS, 0x6000, R_ | W_);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_ABORT);
	assert_int_equal(rv_take_faults(&r), 1);
	d = guest_ats(guest_device(&r.g, DEVICE + 1), VIOMMU_NO_PASID, 0x5000, R_);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_UNSUPPORTED);
	assert_int_equal(d.answer.reason, RISCV_FAULT_DDT_INVALID);
	assert_int_equal(rv_take_faults(&r), 1);
	rv_close(&r);
}

static struct guest_dma translated(uint32_t process, uint64_t address, unsigned access)
{
	struct viommu_request request = { .first = address,
					  .last = address,
					  .pasid = process,
					  .access = (uint16_t)access,
					  .type = VIOMMU_AT_TRANSLATED };
	struct guest_dma d = { .result = 0 };

	d.result = viommu_device_translate(device, &request, &d.f, 1, &d.answer);
	return d;
}

/* 2.3, steps 8 and 9 */
static void test_translated(void **state)
{
	struct rv_fault fault;
	struct guest_dma d;

	(void)state;
	open_page(0, FULL, FULL, 0);
	d = translated(VIOMMU_NO_PASID, 0x123456789, W_);
	assert_int_equal(d.result, VIOMMU_OK);
	assert_int_equal(d.f.gpa, 0x123456789);
	d = translated(0x100, 0x1000, R_);
	assert_int_equal(d.answer.reason, RISCV_FAULT_TYPE);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.ttyp, 6);
	rv_close(&r);

	open_page(RISCV_TC_T2GPA, FULL, RV_PAGE & ~RV_W, 0);
	d = guest_ats(device, PROCESS, 0x5010, R_ | W_);
	assert_int_equal(d.f.gpa, 0x7010); /* an address of the guest's, */
	assert_int_equal(d.f.perm, R_);	   /* and what both stages permit */
	d = translated(VIOMMU_NO_PASID, 0x7010, R_);
	assert_int_equal(d.f.gpa, PAGE_A + 0x10);
	d = translated(PROCESS, 0x7010, W_);
	assert_int_equal(d.answer.reason, RISCV_FAULT_GUEST_WRITE);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.ttyp, 7);
	assert_int_equal(fault.word[2], 0x7010);
	assert_int_equal(fault.word[3], 0x7010);
	rv_close(&r);
}

/* ---- page requests ---- */

static int ask(uint32_t process, unsigned access, bool last)
{
	struct viommu_page_request request = { .address = 0x5000,
					       .pasid = process,
					       .group = 0x155,
					       .access = (uint16_t)access,
					       .last = last };

	return viommu_request_page(device, &request);
}

static void test_page_requests(void **state)
{
	(void)state;
	open_page(RISCV_TC_EN_PRI, FULL, FULL, 0);
	assert_int_equal(ask(VIOMMU_NO_PASID, R_ | X_ | P_, true), VIOMMU_OK);
	assert_int_equal(rv_read(&r, RISCV_PQT, 4), 1);
	assert_int_equal(rv_get(&r, r.pq), (uint64_t)DEVICE << 40);
	assert_int_equal(rv_get(&r, r.pq + 8),
			 0x5000 | 0x155 << 3 | RISCV_PRM_LAST | RISCV_PRM_READ);
	assert_int_equal(ask(PROCESS, W_ | X_ | P_, false), VIOMMU_OK);
	assert_int_equal(rv_get(&r, r.pq + 16), (uint64_t)DEVICE << 40 | RISCV_PRM_PV |
							RISCV_PRM_PRIV | RISCV_PRM_EXEC |
							PROCESS << 12);
	assert_int_equal(rv_get(&r, r.pq + 24), 0x5000 | 0x155 << 3 | RISCV_PRM_WRITE);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), RISCV_IPSR_PIP);
	/* 3.1.4: the answer */
	rv_do(&r, RV_PRGR | (uint64_t)DEVICE << 40 | RISCV_ATS_PV | PROCESS << 12,
	      UINT64_C(0x155) << 32 | UINT64_C(1) << 44);
	assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 1);
	assert_int_equal(r.g.response[0].what.pasid, PROCESS);
	assert_int_equal(r.g.response[0].what.group, 0x155);
	assert_int_equal(r.g.response[0].what.code, 1);
	rv_close(&r);
}

enum situation {
	QUEUE_FULL,
	QUEUE_OVERFLOWED,
	QUEUE_OFF,
	QUEUE_FAULT,
	NOT_PRI,
	OFF,
	BARE,
	INVALID,
	MISCONFIGURED
};

/* 2.3.6: what the IOMMU answers by itself. */
static const struct {
	const char *name;
	enum situation situation;
	uint64_t prpr;
	unsigned code;
	bool with_pasid;
	unsigned cause; /* recorded; 0: none is */
} answers[] = {
	{ "queue full", QUEUE_FULL, 0, 0, false, 0 },
	{ "queue full, PRPR", QUEUE_FULL, RISCV_TC_PRPR, 0, true, 0 },
	{ "pqof", QUEUE_OVERFLOWED, RISCV_TC_PRPR, 0, true, 0 },
	{ "queue off", QUEUE_OFF, 0, 15, true, 0 },
	{ "pqmf", QUEUE_FAULT, 0, 15, true, 0 },
	{ "EN_PRI = 0", NOT_PRI, 0, 1, false, RISCV_FAULT_TYPE },
	{ "Off", OFF, 0, 15, true, RISCV_FAULT_OFF },
	{ "Bare", BARE, RISCV_TC_PRPR, 1, false, RISCV_FAULT_TYPE },
	{ "not valid", INVALID, 0, 15, true, RISCV_FAULT_DDT_INVALID },
	{ "misconfigured", MISCONFIGURED, 0, 15, true, RISCV_FAULT_DDT_CONFIG },
};

static void bring_about(enum situation situation)
{
	uint64_t at = rv_dc(&r, DEVICE);

	switch (situation) {
	case QUEUE_FULL:
	case QUEUE_OVERFLOWED:
		rv_write(&r, RISCV_PQH, 4, 1);
		if (situation == QUEUE_OVERFLOWED)
			ask(VIOMMU_NO_PASID, R_, false);
		break;
	case QUEUE_OFF:
		rv_write(&r, RISCV_PQCSR, 4, 0);
		break;
	case QUEUE_FAULT:
		rv_write(&r, RISCV_PQCSR, 4, 0);
		rv_write(&r, RISCV_PQB, 8, RV_PPN(0) | 3);
		rv_write(&r, RISCV_PQCSR, 4, RISCV_CSR_EN);
		break;
	case NOT_PRI:
		rv_put(&r, at, rv_get(&r, at) & ~RISCV_TC_EN_PRI);
		break;
	case OFF:
		rv_write(&r, RISCV_DDTP, 8, RISCV_MODE_OFF);
		break;
	case BARE:
		rv_write(&r, RISCV_DDTP, 8, RISCV_MODE_BARE);
		break;
	case INVALID:
		rv_put(&r, at, 0);
		break;
	case MISCONFIGURED:
		rv_put(&r, at, rv_get(&r, at) | BIT(12));
		break;
	}
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(answers); i++) {
		const char *name = answers[i].name;
		struct rv_fault fault;

		open_page(RISCV_TC_EN_PRI | answers[i].prpr, FULL, FULL, 0);
		bring_about(answers[i].situation);
		check_eq(name, ask(PROCESS, R_, false), VIOMMU_FAULT);
		check_eq(name, ask(PROCESS, 0, true), VIOMMU_FAULT); /* a stop marker */
		check_eq(name, r.g.count[GUEST_ON_RESPONSE], 0);
		check_eq(name, ask(PROCESS, R_, true), VIOMMU_FAULT);
		check_eq(name, r.g.count[GUEST_ON_RESPONSE], 1);
		check_eq(name, r.g.response[0].what.code, answers[i].code);
		check_eq(name, r.g.response[0].what.group, 0x155);
		check_eq(name, r.g.response[0].what.pasid,
			 answers[i].with_pasid ? PROCESS : VIOMMU_NO_PASID);
		check_eq(name, rv_take_fault(&r, &fault), answers[i].cause != 0);
		check_eq(name, fault.cause, answers[i].cause);
		if (answers[i].cause) {
			check_eq(name, fault.ttyp, RISCV_TTYP_MESSAGE);
			check_eq(name, fault.word[2], 4);
		}
		rv_close(&r);
	}
}

/* 3.3: pqof and pqmf are said, and later messages dropped until they are cleared. */
static void test_page_queue_errors(void **state)
{
	(void)state;
	open_page(RISCV_TC_EN_PRI, FULL, FULL, 0);
	bring_about(QUEUE_FULL);
	ask(VIOMMU_NO_PASID, R_, false);
	assert_int_equal(rv_read(&r, RISCV_PQCSR, 4) & RISCV_QCSR_CONDITION, RISCV_CSR_OF);
	assert_int_equal(rv_read(&r, RISCV_PQT, 4), 0);
	rv_write(&r, RISCV_PQH, 4, 0);
	assert_int_equal(ask(VIOMMU_NO_PASID, R_, false), VIOMMU_FAULT);
	rv_write(&r, RISCV_PQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE | RISCV_CSR_OF);
	assert_int_equal(ask(VIOMMU_NO_PASID, R_, false), VIOMMU_OK);
	rv_close(&r);
	open_page(RISCV_TC_EN_PRI, FULL, FULL, 0);
	bring_about(QUEUE_FAULT);
	ask(VIOMMU_NO_PASID, R_, false);
	assert_int_equal(rv_read(&r, RISCV_PQCSR, 4) & RISCV_QCSR_CONDITION, RISCV_CSR_MF);
	assert_int_equal(rv_read(&r, RISCV_PQT, 4), 0);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grants),	   cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_translated), cmocka_unit_test(test_page_requests),
		cmocka_unit_test(test_answers),	   cmocka_unit_test(test_page_queue_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
