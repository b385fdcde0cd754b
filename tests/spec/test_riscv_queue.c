/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_queue.c - commands of the RISC-V IOMMU (3.1), their errors, fences, and the interrupts of all queues (6.15 to 6.27). */

#include "check.h"

#include <string.h>

#include "riscv_rig.h"

static struct riscv_rig r;

static uint64_t csr(void)
{
	return rv_read(&r, RISCV_CQCSR, 4);
}

/* ---- which commands there are ---- */

#define OP(opcode, func3) RV_OPERATION(opcode, func3)

static const struct {
	const char *name;
	uint64_t without; /* capabilities */
	uint64_t word[2];
	bool illegal;
	uint32_t fctl;
	enum riscv_mode mode; /* Off: 3LVL */
} commands[] = {
	{ "3.1 opcode 0", 0, { 0, 0 }, true, 0, 0 },
	{ "3.1 opcode 5", 0, { OP(5, 0), 0 }, true, 0, 0 },
	{ "3.1 opcode 63", 0, { OP(63, 0), 0 }, true, 0, 0 },
	{ "3.1 opcode 64 (custom)", 0, { OP(64, 0), 0 }, true, 0, 0 },
	{ "3.1 opcode 127 (custom)", 0, { OP(127, 0), 0 }, true, 0, 0 },
	{ "3.1.1 VMA", 0, { RV_VMA, 0 }, false, 0, 0 },
	{ "3.1.1 VMA, everything",
	  0,
	  { RV_VMA | BIT(10) | BITS(34, 12) | BITS(59, 44), BITS(61, 9) },
	  false,
	  0,
	  0 },
	{ "3.1.1 GVMA", 0, { RV_GVMA, 0 }, false, 0, 0 },
	{ "3.1.1 GVMA, GV and AV",
	  0,
	  { RV_GVMA | BIT(10) | BITS(34, 33) | BITS(59, 44), BITS(61, 10) },
	  false,
	  0,
	  0 },
	{ "3.1.1 GVMA with PSCV", 0, { RV_GVMA | BIT(32), 0 }, true, 0, 0 },
	{ "3.1.1 func3 2", 0, { OP(1, 2), 0 }, true, 0, 0 },
	{ "3.1.1 func3 7", 0, { OP(1, 7), 0 }, true, 0, 0 },
	{ "3.1.1 reserved bit 11", 0, { RV_VMA | BIT(11), 0 }, true, 0, 0 },
	{ "3.1.1 reserved bit 35", 0, { RV_VMA | BIT(35), 0 }, true, 0, 0 },
	{ "3.1.1 reserved bit 43", 0, { RV_VMA | BIT(43), 0 }, true, 0, 0 },
	{ "3.1.1 reserved bit 60", 0, { RV_VMA | BIT(60), 0 }, true, 0, 0 },
	{ "3.1.1 reserved bit 63", 0, { RV_GVMA | BIT(63), 0 }, true, 0, 0 },
	{ "3.1.1 reserved bit 64", 0, { RV_VMA, BIT(0) }, true, 0, 0 },
	{ "3.1.1 reserved bit 72", 0, { RV_VMA, BIT(8) }, true, 0, 0 },
	{ "3.1.1 reserved bit 126", 0, { RV_VMA, BIT(62) }, true, 0, 0 },
	{ "4.3 NL without NL", RISCV_CAP_NL, { RV_VMA | BIT(10) | BIT(34), 0 }, true, 0, 0 },
	{ "4.4 S without S", RISCV_CAP_S, { RV_VMA | BIT(10), BIT(9) }, true, 0, 0 },
	{ "3.1.2 IOFENCE.C", 0, { RV_FENCE, 0 }, false, 0, 0 },
	{ "3.1.2 PR, PW", 0, { RV_FENCE | BITS(13, 12), 0 }, false, 0, 0 },
	{ "3.1.2 WSI", 0, { RV_FENCE | BIT(11), 0 }, false, RISCV_FCTL_WSI, 0 },
	{ "3.1.2 WSI, fctl.WSI = 0", 0, { RV_FENCE | BIT(11), 0 }, true, 0, 0 },
	{ "3.1.2 func3 1", 0, { OP(2, 1), 0 }, true, 0, 0 },
	{ "3.1.2 reserved bit 14", 0, { RV_FENCE | BIT(14), 0 }, true, 0, 0 },
	{ "3.1.2 reserved bit 31", 0, { RV_FENCE | BIT(31), 0 }, true, 0, 0 },
	{ "3.1.2 reserved bit 126", 0, { RV_FENCE, BIT(62) }, true, 0, 0 },
	{ "3.1.3 INVAL_DDT", 0, { RV_DDT, 0 }, false, 0, 0 },
	{ "3.1.3 INVAL_DDT of a device", 0, { RV_DDT | RV_DID(0xffffff), 0 }, false, 0, 0 },
	{ "3.1.3 INVAL_DDT with PID", 0, { RV_DDT | RV_DID(1) | BIT(12), 0 }, true, 0, 0 },
	{ "3.1.3 INVAL_PDT", 0, { RV_PDT | RV_DID(1) | BITS(31, 12), 0 }, false, 0, 0 },
	{ "3.1.3 INVAL_PDT without DV", 0, { RV_PDT, 0 }, true, 0, 0 },
	{ "3.1.3 PID wider than PD17",
	  RISCV_CAP_PD20,
	  { RV_PDT | RV_DID(1) | BIT(29), 0 },
	  true,
	  0,
	  0 },
	{ "3.1.3 PID of PD17", RISCV_CAP_PD20, { RV_PDT | RV_DID(1) | BIT(28), 0 }, false, 0, 0 },
	{ "3.1.3 DID wider than 2LVL",
	  0,
	  { RV_DDT | RV_DID(0x8000), 0 },
	  true,
	  0,
	  RISCV_MODE_2LVL },
	{ "3.1.3 DID of 2LVL", 0, { RV_DDT | RV_DID(0x7fff), 0 }, false, 0, RISCV_MODE_2LVL },
	{ "3.1.3 DID wider than 1LVL", 0, { RV_DDT | RV_DID(0x40), 0 }, true, 0, RISCV_MODE_1LVL },
	{ "3.1.3 func3 2", 0, { OP(3, 2), 0 }, true, 0, 0 },
	{ "3.1.3 reserved bit 10", 0, { RV_DDT | BIT(10), 0 }, true, 0, 0 },
	{ "3.1.3 reserved bit 32", 0, { RV_DDT | BIT(32), 0 }, true, 0, 0 },
	{ "3.1.3 reserved bit 34", 0, { RV_DDT | BIT(34), 0 }, true, 0, 0 },
	{ "3.1.3 reserved bit 64", 0, { RV_DDT, 1 }, true, 0, 0 },
	{ "3.1.4 INVAL", 0, { RV_INVAL | BITS(33, 32), BITS(63, 11) | 1 }, false, 0, 0 },
	{ "3.1.4 PRGR", 0, { RV_PRGR, 0 }, false, 0, 0 },
	{ "3.1.4 INVAL without ATS", RISCV_CAP_ATS | RISCV_CAP_T2GPA, { RV_INVAL, 0 }, true, 0, 0 },
	{ "3.1.4 PRGR without ATS", RISCV_CAP_ATS | RISCV_CAP_T2GPA, { RV_PRGR, 0 }, true, 0, 0 },
	{ "3.1.4 func3 2", 0, { OP(4, 2), 0 }, true, 0, 0 },
	{ "3.1.4 reserved bit 10", 0, { RV_INVAL | BIT(10), 0 }, true, 0, 0 },
	{ "3.1.4 reserved bit 34", 0, { RV_INVAL | BIT(34), 0 }, true, 0, 0 },
};

static void test_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		const char *name = commands[i].name;

		rv_open(&r, GUEST_REGION, 64, RV_ALL & ~commands[i].without);
		rv_start(&r, commands[i].fctl,
			 commands[i].mode ? commands[i].mode : RISCV_MODE_3LVL);
		rv_command(&r, RV_VMA, 0);
		rv_command(&r, commands[i].word[0], commands[i].word[1]);
		rv_command(&r, RV_VMA, 0);
		rv_ring(&r);
		/* 3.1: the head stays at the illegal one, which is tried again when software has cleared that */
		check_eq(name, rv_read(&r, RISCV_CQH, 4), commands[i].illegal ? 1 : 3);
		check_eq(name, csr() & RISCV_CQCSR_ERRORS,
			 commands[i].illegal ? RISCV_CQCSR_CMD_ILL : 0);
		check_eq(name, rv_read(&r, RISCV_IPSR, 4) & RISCV_IPSR_CIP,
			 commands[i].illegal || (commands[i].fctl & RISCV_FCTL_WSI) ? 1 : 0);
		rv_write(&r, RISCV_CQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE | RISCV_CQCSR_CMD_ILL);
		check_eq(name, csr() & RISCV_CQCSR_ERRORS,
			 commands[i].illegal ? RISCV_CQCSR_CMD_ILL : 0);
		rv_put(&r, r.cq + 16, RV_VMA);
		rv_put(&r, r.cq + 24, 0);
		rv_write(&r, RISCV_CQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE | RISCV_CQCSR_CMD_ILL);
		check_eq(name, rv_read(&r, RISCV_CQH, 4), 3);
		rv_close(&r);
	}
	print_message("%zu rows\n", ARRAY_COUNT(commands));
}

/* ---- fences (3.1.2) ---- */

static void test_fence_store(void **state)
{
	static const uint32_t fctl[] = { 0, RISCV_FCTL_BE };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(fctl); i++) {
		rv_open(&r, GUEST_REGION, 64, RV_ALL);
		rv_start(&r, fctl[i], RISCV_MODE_3LVL);
		rv_command(&r, RV_FENCE | RISCV_CMD_AV | UINT64_C(0x11223344) << 32,
			   (r.status + 4) >> 2);
		rv_ring(&r);
		assert_int_equal(guest_get32(&r.g, r.status + 4),
				 fctl[i] ? 0x44332211 : 0x11223344);
		assert_int_equal(guest_get32(&r.g, r.status), 0);
		/* without AV nothing is stored */
		rv_command(&r, RV_FENCE | UINT64_C(7) << 32, r.status >> 2);
		rv_ring(&r);
		assert_int_equal(guest_get32(&r.g, r.status), 0);
		assert_int_equal(rv_read(&r, RISCV_CQH, 4), 2);
		rv_close(&r);
	}
}

static void test_fence_store_fails(void **state)
{
	static const uint64_t where[] = { UINT64_C(0x10), BIT(56) };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(where); i++) {
		rv_open(&r, GUEST_REGION, 64, RV_ALL);
		rv_start(&r, 0, RISCV_MODE_3LVL);
		rv_command(&r, RV_FENCE | RISCV_CMD_AV, where[i] >> 2);
		rv_ring(&r);
		assert_int_equal(csr() & RISCV_CQCSR_ERRORS, RISCV_CSR_MF);
		assert_int_equal(rv_read(&r, RISCV_CQH, 4), 0);
		rv_close(&r);
	}
}

/* A command that cannot be fetched. */
static void test_fetch_fails(void **state)
{
	(void)state;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_3LVL);
	rv_write(&r, RISCV_CQCSR, 4, 0);
	rv_write(&r, RISCV_CQB, 8, RV_PPN(0) | 3);
	rv_write(&r, RISCV_CQCSR, 4, RISCV_CSR_EN);
	rv_write(&r, RISCV_CQT, 4, 1);
	assert_int_equal(csr() & RISCV_CQCSR_ERRORS, RISCV_CSR_MF);
	/* without cie no interrupt; setting it while the error stands raises it */
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), 0);
	rv_write(&r, RISCV_CQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), RISCV_IPSR_CIP);
	rv_close(&r);
}

static void test_fence_wire(void **state)
{
	(void)state;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, RISCV_FCTL_WSI, RISCV_MODE_3LVL);
	rv_write(&r, RISCV_ICVEC, 8, 0x4321);
	rv_command(&r, RV_FENCE | RISCV_FENCE_WSI, 0);
	rv_ring(&r);
	assert_true(csr() & RISCV_CQCSR_FENCE_W);
	assert_int_equal(r.lines, 1U << 1);
	/* 6.18: clearing the pending bit alone is not enough, as long as the condition holds */
	rv_write(&r, RISCV_IPSR, 4, RISCV_IPSR_CIP);
	assert_int_equal(r.lines, 1U << 1);
	rv_write(&r, RISCV_CQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE | RISCV_CQCSR_FENCE_W);
	assert_int_equal(r.lines, 1U << 1);
	rv_write(&r, RISCV_IPSR, 4, RISCV_IPSR_CIP);
	assert_int_equal(r.lines, 0);
	rv_close(&r);
}

/* 3.1.4: an invalidation that a device does not answer in time. */
static void test_time_out(void **state)
{
	struct viommu_device *device;

	(void)state;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_3LVL);
	device = guest_device(&r.g, 0x21);
	r.g.invalidate_result = VIOMMU_PENDING;
	rv_command(&r, RV_INVAL | bits_put(RISCV_ATS_RID, 0x21), 0x5000);
	assert_int_equal(rv_fence(&r), VIOMMU_PENDING);
	assert_int_equal(rv_read(&r, RISCV_CQH, 4), 1);
	assert_false(rv_fenced(&r));
	assert_int_equal(viommu_invalidation_done(device, r.g.invalidation[0].what.token,
						  VIOMMU_FAULT),
			 VIOMMU_OK);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_int_equal(csr() & RISCV_CQCSR_ERRORS, RISCV_CQCSR_CMD_TO);
	assert_int_equal(rv_read(&r, RISCV_CQH, 4), 1);
	assert_false(rv_fenced(&r));
	rv_write(&r, RISCV_CQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE | RISCV_CQCSR_CMD_TO);
	assert_true(rv_fenced(&r));
	assert_int_equal(rv_read(&r, RISCV_CQH, 4), 2);
	rv_close(&r);
}

/* 3.1.4: what a device is told. */
static void test_device_invalidations(void **state)
{
	static const struct {
		uint64_t word[2];
		uint32_t id;
		uint64_t first, last;
		uint32_t pasid, flags;
	} cases[] = {
		{ { RV_INVAL | UINT64_C(0x21) << 40, 0x5000 },
		  0x21,
		  0x5000,
		  0x5fff,
		  VIOMMU_NO_PASID,
		  0 },
		{ { RV_INVAL | UINT64_C(0x21) << 40, 0x5000 | RISCV_ATS_S },
		  0x21,
		  0x4000,
		  0x7fff,
		  VIOMMU_NO_PASID,
		  0 },
		{ { RV_INVAL | UINT64_C(0x21) << 40, BITS(62, 11) },
		  0x21,
		  0,
		  UINT64_MAX,
		  VIOMMU_NO_PASID,
		  0 },
		{ { RV_INVAL | UINT64_C(0x21) << 40 | RISCV_ATS_PV | 0x12345000, 0x9000 },
		  0x21,
		  0x9000,
		  0x9fff,
		  0x12345,
		  0 },
		{ { RV_INVAL | UINT64_C(0x21) << 40 | RISCV_ATS_PV | 0x12345000, 0x9001 },
		  0x21,
		  0x9000,
		  0x9fff,
		  0x12345,
		  VIOMMU_INVALIDATE_ALL_PASIDS },
		{ { RV_INVAL | UINT64_C(0x50021) << 40 | RISCV_ATS_DSV, 0 },
		  0x50021,
		  0,
		  0xfff,
		  VIOMMU_NO_PASID,
		  0 },
	};

	(void)state;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_3LVL);
	guest_device(&r.g, 0x21);
	guest_device(&r.g, 0x50021);
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		rv_do(&r, cases[i].word[0], cases[i].word[1]);
		assert_int_equal(r.g.count[GUEST_ON_INVALIDATE], i + 1);
		assert_int_equal(r.g.invalidation[i].id, cases[i].id);
		assert_int_equal(r.g.invalidation[i].what.first, cases[i].first);
		assert_int_equal(r.g.invalidation[i].what.last, cases[i].last);
		assert_int_equal(r.g.invalidation[i].what.pasid, cases[i].pasid);
		assert_int_equal(r.g.invalidation[i].what.flags, cases[i].flags);
	}
	rv_close(&r);
}

/* ---- the queue as a whole ---- */

static void test_enable(void **state)
{
	(void)state;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_3LVL);
	rv_do(&r, RV_VMA, 0);
	assert_int_equal(rv_read(&r, RISCV_CQH, 4), 2);
	/* on: the base cannot be written; off: it can, and the tail is 0 */
	rv_write(&r, RISCV_CQB, 8, RV_PPN(r.fq) | 1);
	assert_int_equal(rv_read(&r, RISCV_CQB, 8), RV_PPN(r.cq) | (RV_LG2 - 1));
	rv_write(&r, RISCV_CQCSR, 4, 0);
	assert_int_equal(csr(), 0);
	rv_write(&r, RISCV_CQT, 4, 0xffffffff);
	assert_int_equal(rv_read(&r, RISCV_CQT, 4), (1U << RV_LG2) - 1);
	rv_write(&r, RISCV_CQB, 8, RV_PPN(r.cq) | 1);
	assert_int_equal(rv_read(&r, RISCV_CQT, 4), 0);
	rv_write(&r, RISCV_CQT, 4, 0xffffffff);
	assert_int_equal(rv_read(&r, RISCV_CQT, 4), 3);
	/* 6.15: enabled with commands in it, it begins at 0 */
	rv_put(&r, r.cq, RV_VMA);
	rv_put(&r, r.cq + 16, RV_VMA);
	rv_put(&r, r.cq + 32, 0);
	rv_write(&r, RISCV_CQCSR, 4, RISCV_CSR_EN);
	assert_int_equal(csr() & (RISCV_CSR_ON | RISCV_CSR_BUSY), RISCV_CSR_ON);
	assert_int_equal(rv_read(&r, RISCV_CQH, 4), 2);
	assert_true(csr() & RISCV_CQCSR_CMD_ILL);
	/* 6.15: from 0 to 1, errors are gone */
	rv_write(&r, RISCV_CQCSR, 4, 0);
	assert_true(csr() & RISCV_CQCSR_CMD_ILL);
	rv_put(&r, r.cq + 32, RV_VMA);
	rv_write(&r, RISCV_CQCSR, 4, RISCV_CSR_EN);
	assert_int_equal(csr(), RISCV_CSR_EN | RISCV_CSR_ON);
	assert_int_equal(rv_read(&r, RISCV_CQH, 4), 3);
	/* the index wraps */
	rv_put(&r, r.cq + 48, RV_VMA);
	rv_write(&r, RISCV_CQT, 4, 1);
	assert_int_equal(rv_read(&r, RISCV_CQH, 4), 1);
	rv_close(&r);
}

/* ---- interrupts ---- */

static void program_messages(void)
{
	for (unsigned n = 0; n < 16; n++) {
		rv_write(&r, RISCV_MSI_ADDR(n), 8, 0xfee00000 + n * 16);
		rv_write(&r, RISCV_MSI_DATA(n), 4, 0x100 + n);
	}
}

static void test_messages(void **state)
{
	struct viommu_device *device;

	(void)state;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_3LVL);
	program_messages();
	rv_write(&r, RISCV_ICVEC, 8, 0x9075);
	device = guest_device(&r.g, 1);
	/* 6.18: a record is an event */
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), RISCV_IPSR_FIP);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	assert_int_equal(r.g.msi[0].address, 0xfee00070);
	assert_int_equal(r.g.msi[0].data, 0x107);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	rv_write(&r, RISCV_IPSR, 4, RISCV_IPSR_FIP);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), 0);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 2);
	/* an error is a level */
	rv_command(&r, 0, 0);
	rv_ring(&r);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 3);
	assert_int_equal(r.g.msi[2].address, 0xfee00050);
	rv_write(&r, RISCV_IPSR, 4, RISCV_IPSR_CIP);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 4);
	assert_true(rv_read(&r, RISCV_IPSR, 4) & RISCV_IPSR_CIP);
	rv_close(&r);
}

/* 6.27: what is masked is sent when it is no more, with what the entry says then. */
static void test_masked(void **state)
{
	(void)state;
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_3LVL);
	program_messages();
	rv_write(&r, RISCV_MSI_CTL(0), 4, 1);
	guest_dma(guest_device(&r.g, 1), 0, VIOMMU_READ);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 0);
	rv_write(&r, RISCV_MSI_DATA(0), 4, 0x55);
	rv_write(&r, RISCV_MSI_CTL(0), 4, 0);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	assert_int_equal(r.g.msi[0].data, 0x55);
	rv_write(&r, RISCV_MSI_CTL(0), 4, 1);
	rv_write(&r, RISCV_MSI_CTL(0), 4, 0);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	rv_close(&r);
}

/* 3.2, cause 273; and fctl.BE of messages. */
static void test_own_message_fails(void **state)
{
	struct rv_fault fault;

	(void)state;
	rv_open(&r, GUEST_REGION, 64, (RV_ALL & ~RISCV_CAP_PAS) | bits_put(RISCV_CAP_PAS, 40));
	rv_start(&r, RISCV_FCTL_BE, RISCV_MODE_3LVL);
	program_messages();
	rv_write(&r, RISCV_ICVEC, 8, 0x0010);
	rv_write(&r, RISCV_MSI_ADDR(0), 8, BIT(40) | 0x100);
	rv_command(&r, 0, 0);
	rv_ring(&r);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.word[0], RISCV_FAULT_OWN_MSI);
	assert_int_equal(fault.word[2], BIT(40) | 0x100);
	assert_int_equal(fault.word[3], 0);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	assert_int_equal(r.g.msi[0].address, 0xfee00010);
	assert_int_equal(r.g.msi[0].data, 0x01010000);
	rv_close(&r);
}

/* 3.1.2, PR and PW: what was read or written before may be any device's, of whatever partition. */
static void test_fence_of_all(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits), .partitions = 2 };

	(void)state;
	for (uint32_t i = 0; i < limits.partitions; i++) {
		const struct viommu_device_config config = { .size = sizeof(config),
							     .id = 8,
							     .partition = i };
		struct viommu_device *device;
		struct viommu_section section = { .device = NULL };

		memset(&r, 0, sizeof(r));
		guest_init(&r.g, GUEST_REGION, 64);
		r.config.limits = &limits;
		r.time = 1;
		assert_int_equal(rv_try(&r), VIOMMU_OK);
		rv_start(&r, 0, RISCV_MODE_1LVL);
		assert_int_equal(viommu_device_new(r.g.iommu, &config, &device), VIOMMU_OK);
		assert_int_equal(viommu_device_enter(device, &section), VIOMMU_OK);
		assert_int_equal(rv_fence(&r), VIOMMU_PENDING);
		assert_false(rv_fenced(&r));
		assert_int_equal(viommu_device_leave(&section), VIOMMU_OK);
		assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
		assert_true(rv_fenced(&r));
		assert_int_equal(viommu_device_free(device), VIOMMU_OK);
		rv_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_fence_store),
		cmocka_unit_test(test_fence_store_fails),
		cmocka_unit_test(test_fetch_fails),
		cmocka_unit_test(test_fence_wire),
		cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_device_invalidations),
		cmocka_unit_test(test_enable),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_own_message_fails),
		cmocka_unit_test(test_fence_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
