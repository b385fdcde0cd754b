/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_fault.c - the fault queue of the RISC-V IOMMU (3.2): records, which are kept back, and a queue that cannot take them. */

#include "check.h"

#include <libvirtiommu/observe.h>

#include "riscv_rig.h"

#define DEVICE 0x10U

static struct riscv_rig r;
static struct rv_tree first;
static struct viommu_device *device;

static void open_rig(uint64_t tc, uint32_t fctl)
{
	bool be = fctl & RISCV_FCTL_BE;

	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, fctl, RISCV_MODE_1LVL);
	first = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, be, false };
	rv_put_dc(&r, DEVICE, tc | (be ? RISCV_TC_SBE : 0), 0, 0, rv_satp(8, first.root));
	device = guest_device(&r.g, DEVICE);
}

/* 3.2 TTYP, and the byte order of records. */
static void test_types(void **state)
{
	static const struct {
		unsigned access;
		unsigned ttyp;
		unsigned cause;
	} types[] = {
		{ VIOMMU_EXEC, 1, RISCV_FAULT_PAGE_EXEC },
		{ VIOMMU_READ, 2, RISCV_FAULT_PAGE_READ },
		{ VIOMMU_WRITE, 3, RISCV_FAULT_PAGE_WRITE },
		{ VIOMMU_READ | VIOMMU_WRITE, 3, RISCV_FAULT_PAGE_WRITE },
	};

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_COUNT(types); i++) {
		struct rv_fault fault;

		open_rig(0, i % 2 ? RISCV_FCTL_BE : 0);
		assert_int_equal(guest_dma(device, 0x123456, types[i / 2].access).answer.reason,
				 types[i / 2].cause);
		assert_true(rv_take_fault(&r, &fault));
		assert_int_equal(fault.word[0], types[i / 2].cause |
							(uint64_t)types[i / 2].ttyp << 34 |
							(uint64_t)DEVICE << 40);
		assert_int_equal(fault.word[1], 0);
		assert_int_equal(fault.word[2], 0x123456);
		assert_int_equal(fault.word[3], 0);
		rv_close(&r);
	}
}

/* 3.2, DTF: page faults are kept back, faults of the directory are not. */
static void test_dtf(void **state)
{
	(void)state;
	open_rig(RISCV_TC_DTF, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(guest_dma(device, 0x1000, VIOMMU_READ).result, VIOMMU_FAULT);
		assert_int_equal(rv_take_faults(&r), 0);
	}
	assert_int_equal(guest_dma_pasid(device, 1, 0x1000, VIOMMU_READ).answer.reason,
			 RISCV_FAULT_TYPE);
	assert_int_equal(rv_take_faults(&r), 0);
	rv_put(&r, rv_dc(&r, DEVICE), rv_get(&r, rv_dc(&r, DEVICE)) | BIT(12));
	rv_do(&r, RV_DDT, 0);
	assert_int_equal(guest_dma(device, 0x1000, VIOMMU_READ).answer.reason,
			 RISCV_FAULT_DDT_CONFIG);
	assert_int_equal(rv_take_faults(&r), 1);
	rv_write(&r, RISCV_DDTP, 8, RISCV_MODE_OFF);
	assert_int_equal(guest_dma(device, 0x1000, VIOMMU_READ).answer.reason, RISCV_FAULT_OFF);
	assert_int_equal(rv_take_faults(&r), 1);
	rv_close(&r);
}

/* A question records nothing. */
static void test_quiet(void **state)
{
	(void)state;
	open_rig(0, 0);
	assert_int_equal(guest_dma(device, 0x1000, VIOMMU_READ | VIOMMU_QUIET).answer.reason,
			 RISCV_FAULT_PAGE_READ);
	assert_int_equal(rv_take_faults(&r), 0);
	rv_close(&r);
}

static uint64_t csr(void)
{
	return rv_read(&r, RISCV_FQCSR, 4);
}

/* 3.2: full with one entry free; then records are dropped until fqof is cleared. */
static void test_overflow(void **state)
{
	(void)state;
	open_rig(0, 0);
	for (unsigned i = 0; i < (1U << RV_LG2) - 1; i++)
		guest_dma(device, i << 12, VIOMMU_READ);
	assert_int_equal(rv_read(&r, RISCV_FQT, 4), (1U << RV_LG2) - 1);
	assert_int_equal(csr() & RISCV_QCSR_CONDITION, 0);
	rv_write(&r, RISCV_IPSR, 4, RISCV_IPSR_FIP);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(csr() & RISCV_QCSR_CONDITION, RISCV_CSR_OF);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), RISCV_IPSR_FIP);
	assert_int_equal(rv_take_faults(&r), (1U << RV_LG2) - 1);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(rv_take_faults(&r), 0);
	rv_write(&r, RISCV_FQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE | RISCV_CSR_OF);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(rv_take_faults(&r), 1);
	rv_close(&r);
}

/* 3.2: a record that cannot be written. */
static void test_memory_fault(void **state)
{
	(void)state;
	open_rig(0, 0);
	rv_write(&r, RISCV_FQCSR, 4, 0);
	rv_write(&r, RISCV_FQB, 8, RV_PPN(0) | 3);
	rv_write(&r, RISCV_FQCSR, 4, RISCV_CSR_EN | RISCV_CSR_IE);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(csr() & RISCV_QCSR_CONDITION, RISCV_CSR_MF);
	assert_int_equal(rv_read(&r, RISCV_FQT, 4), 0);
	assert_int_equal(rv_read(&r, RISCV_IPSR, 4), RISCV_IPSR_FIP);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(rv_read(&r, RISCV_FQT, 4), 0);
	/* 6.16: enabled anew, it is as if nothing had been */
	rv_write(&r, RISCV_FQCSR, 4, 0);
	rv_write(&r, RISCV_FQB, 8, RV_PPN(r.fq) | (RV_LG2 - 1));
	rv_write(&r, RISCV_FQCSR, 4, RISCV_CSR_EN);
	assert_int_equal(csr(), RISCV_CSR_EN | RISCV_CSR_ON);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(rv_read(&r, RISCV_FQT, 4), 1);
	rv_close(&r);
}

/* 3.2: a queue that is off takes none. */
static void test_off(void **state)
{
	(void)state;
	open_rig(0, 0);
	guest_dma(device, 0, VIOMMU_READ);
	rv_write(&r, RISCV_FQCSR, 4, 0);
	guest_dma(device, 0, VIOMMU_READ);
	assert_int_equal(rv_read(&r, RISCV_FQT, 4), 1);
	rv_write(&r, RISCV_FQCSR, 4, RISCV_CSR_EN);
	assert_int_equal(rv_read(&r, RISCV_FQT, 4), 0);
	rv_close(&r);
}

/* 3.2: every cause is in words. */
static void test_texts(void **state)
{
	unsigned texts = 0;

	(void)state;
	open_rig(0, 0);
	for (unsigned cause = 0; cause < 511; cause++)
		texts += viommu_reason_text(r.g.iommu, cause) != viommu_reason_text(r.g.iommu, 511);
	assert_int_equal(texts, 11 + 19 + 1); /* and 0 */
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),	     cmocka_unit_test(test_dtf),
		cmocka_unit_test(test_quiet),	     cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_memory_fault), cmocka_unit_test(test_off),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
