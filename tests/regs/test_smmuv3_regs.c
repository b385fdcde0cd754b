/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_regs.c - the registers of an SMMUv3 (IHI 0070, 6.3): reset, what can be written, guards, every size at every offset;
 * what can be configured. */
#include "check.h"

#include <string.h>

#include "smmuv3_rig.h"

static struct smmu_rig r;

/* Of everything that there is; the offsets of page 1 are its own. */
static const struct {
	const char *name;
	uint32_t offset;
	uint32_t bytes;
	uint64_t writable;
	/* Bits of CR0 or IRQ_CTRL while which are set nothing can be written. */
	uint64_t guard_cr0;
	uint64_t guard_irq;
} rows[] = {
	{ "IDR0", SMMU_IDR0, 4, 0, 0, 0 },
	{ "IDR1", SMMU_IDR1, 4, 0, 0, 0 },
	{ "IDR3", SMMU_IDR3, 4, 0, 0, 0 },
	{ "IDR5", SMMU_IDR5, 4, 0, 0, 0 },
	{ "IIDR", SMMU_IIDR, 4, 0, 0, 0 },
	{ "AIDR", SMMU_AIDR, 4, 0, 0, 0 },
	{ "CR0ACK", SMMU_CR0ACK, 4, 0, 0, 0 },
	{ "CR1", SMMU_CR1, 4, 0xfff, 0, 0 },
	{ "CR2", SMMU_CR2, 4, 0xb, CR0_SMMUEN, 0 },
	{ "STATUSR", SMMU_STATUSR, 4, 0, 0, 0 },
	{ "IRQ_CTRLACK", SMMU_IRQ_CTRLACK, 4, 0, 0, 0 },
	{ "GERROR", SMMU_GERROR, 4, 0, 0, 0 },
	{ "GERROR_IRQ_CFG0", 0x68, 8, MSI_ADDR, 0, IRQ_GERROR },
	{ "GERROR_IRQ_CFG1", 0x70, 4, UINT32_MAX, 0, IRQ_GERROR },
	{ "GERROR_IRQ_CFG2", 0x74, 4, 0x3f, 0, IRQ_GERROR },
	{ "STRTAB_BASE", 0x80, 8, STRTAB_RA | STRTAB_ADDR, CR0_SMMUEN, 0 },
	{ "STRTAB_BASE_CFG", 0x88, 4, 0x307ff, CR0_SMMUEN, 0 },
	{ "CMDQ_BASE", 0x90, 8, BIT(62) | QUEUE_ADDR | 0x1f, CR0_CMDQEN, 0 },
	{ "CMDQ_CONS, writable while disabled", 0x9c, 4, 0xfffff, CR0_CMDQEN, 0 },
	{ "EVENTQ_BASE", 0xa0, 8, BIT(62) | QUEUE_ADDR | 0x1f, CR0_EVENTQEN, 0 },
	{ "EVENTQ_PROD", 0x100a8, 4, 0x800fffff, CR0_EVENTQEN, 0 },
	{ "EVENTQ_CONS", 0x100ac, 4, 0x800fffff, 0, 0 },
	{ "EVENTQ_PROD in page 0", 0xa8, 4, 0x800fffff, CR0_EVENTQEN, 0 },
	{ "EVENTQ_IRQ_CFG0", 0xb0, 8, MSI_ADDR, 0, IRQ_EVENTQ },
	{ "EVENTQ_IRQ_CFG1", 0xb8, 4, UINT32_MAX, 0, IRQ_EVENTQ },
	{ "EVENTQ_IRQ_CFG2", 0xbc, 4, 0x3f, 0, IRQ_EVENTQ },
	{ "PRIQ_BASE", 0xc0, 8, BIT(62) | QUEUE_ADDR | 0x1f, CR0_PRIQEN, 0 },
	{ "PRIQ_PROD", 0x100c8, 4, 0x800fffff, CR0_PRIQEN, 0 },
	{ "PRIQ_CONS", 0x100cc, 4, 0x800fffff, 0, 0 },
	{ "PRIQ_IRQ_CFG0", 0xd0, 8, MSI_ADDR, 0, IRQ_PRIQ },
	{ "PRIQ_IRQ_CFG1", 0xd8, 4, UINT32_MAX, 0, IRQ_PRIQ },
	{ "PRIQ_IRQ_CFG2", 0xdc, 4, 0x8000003f, 0, IRQ_PRIQ },
	{ "GATOS_SID", 0x108, 8, BITS(52, 0), 0, 0 },
	{ "GATOS_ADDR", 0x110, 8, BITS(63, 6), 0, 0 },
	{ "GATOS_PAR", 0x118, 8, 0, 0, 0 },
};

static void open_all(void)
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	sm_open(&r, &config);
}

static void what_can_be_written(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		uint64_t before, ones = rows[i].bytes == 8 ? UINT64_MAX : UINT32_MAX;

		open_all();
		before = sm_read(&r, rows[i].offset, rows[i].bytes);
		if (rows[i].writable)
			check_eq(rows[i].name, before, 0);
		sm_write(&r, rows[i].offset, rows[i].bytes, ones);
		check_eq(rows[i].name, sm_read(&r, rows[i].offset, rows[i].bytes),
			 before | rows[i].writable);
		if (rows[i].bytes == 8 && rows[i].writable) { /* each half by itself */
			sm_write(&r, rows[i].offset, 4, 0);
			check_eq(rows[i].name, sm_read(&r, rows[i].offset, 8),
				 rows[i].writable & ~bits_low(32));
			sm_write(&r, rows[i].offset + 4, 4, 0);
			check_eq(rows[i].name, sm_read(&r, rows[i].offset, 8), 0);
		}
		sm_close(&r);
	}
}

static void guards(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		if (!rows[i].guard_cr0 && !rows[i].guard_irq)
			continue;
		open_all();
		sm_write(&r, SMMU_CR0, 4, rows[i].guard_cr0);
		sm_write(&r, SMMU_IRQ_CTRL, 4, rows[i].guard_irq);
		sm_run(&r);
		sm_write(&r, rows[i].offset, rows[i].bytes, UINT64_MAX >> (64 - 8 * rows[i].bytes));
		check_eq(rows[i].name, sm_read(&r, rows[i].offset, rows[i].bytes), 0);
		sm_close(&r);
	}
}

/* The guard holds until its acknowledgement has come, too. */
static void guard_until_acknowledged(void **state)
{
	struct viommu_channel *channel;
	struct viommu_device *device;

	open_all();
	sm_start(&r);
	device = guest_device(&r.g, 8);
	channel = guest_channel(&r.g, device, VIOMMU_NO_PASID);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	assert_int_equal(sm_write(&r, SMMU_CR0, 4, 0), VIOMMU_PENDING);
	/* commands are executed by this thread; events may be on their way */
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), CR0_SMMUEN | CR0_EVENTQEN);
	sm_write(&r, SMMU_EVENTQ_BASE, 8, 0);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_BASE, 8), r.eventq | SM_QUEUE_LG2);
	sm_write(&r, SMMU_STRTAB_BASE_CFG, 4, 9);
	assert_int_equal(sm_read(&r, SMMU_STRTAB_BASE_CFG, 4), SM_STREAMS_LG2);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_OK);
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), 0);
	sm_write(&r, SMMU_STRTAB_BASE_CFG, 4, 9);
	assert_int_equal(sm_read(&r, SMMU_STRTAB_BASE_CFG, 4), 9);
	sm_close(&r);
}

/* 6.3.11: each half of CR1 has its own. */
static void cr1(void **state)
{
	open_all();
	sm_write(&r, SMMU_CR0, 4, CR0_EVENTQEN);
	sm_write(&r, SMMU_CR1, 4, UINT32_MAX);
	assert_int_equal(sm_read(&r, SMMU_CR1, 4), 0xfc0);
	sm_write(&r, SMMU_CR0, 4, CR0_SMMUEN);
	sm_run(&r);
	sm_write(&r, SMMU_CR1, 4, 0x3f);
	assert_int_equal(sm_read(&r, SMMU_CR1, 4), 0xfff);
	sm_close(&r);
}

/* 6.3.9: reserved fields are not mirrored, and no feature that is not there. */
static void cr0(void **state)
{
	open_all();
	sm_write(&r, SMMU_CR0, 4, UINT32_MAX);
	sm_run(&r);
	assert_int_equal(sm_read(&r, SMMU_CR0, 4), 0x1df);
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), 0x1df);
	sm_close(&r);
	sm_open(&r, NULL);
	sm_write(&r, SMMU_CR0, 4, UINT32_MAX);
	sm_run(&r);
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), 0xd);
	sm_close(&r);
}

/* 6.3.14: Update, and what the attribute does while the SMMU is off. */
static void gbpa(void **state)
{
	struct viommu_smmuv3_config config;
	struct viommu_device *device;

	sm_everything(&config);
	config.gbpa = 0x1000;
	sm_open(&r, &config);
	device = guest_device(&r.g, 8);
	assert_int_equal(guest_dma(device, 0x123456, VIOMMU_WRITE).f.gpa, 0x123456);
	assert_int_equal(guest_dma(device, BIT(52), VIOMMU_WRITE).result, VIOMMU_FAULT);
	sm_write(&r, SMMU_GBPA, 4, GBPA_ABORT); /* without Update */
	assert_int_equal(sm_read(&r, SMMU_GBPA, 4), 0x1000);
	assert_int_equal(guest_dma(device, 0x123456, VIOMMU_WRITE).result, VIOMMU_OK);
	sm_write(&r, SMMU_GBPA, 4, GBPA_ABORT | GBPA_UPDATE);
	sm_run(&r);
	assert_int_equal(sm_read(&r, SMMU_GBPA, 4), GBPA_ABORT);
	assert_int_equal(guest_dma(device, 0x123456, VIOMMU_WRITE).result, VIOMMU_FAULT);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), 0);
	assert_int_equal(viommu_reset(r.g.iommu), VIOMMU_OK);
	assert_int_equal(sm_read(&r, SMMU_GBPA, 4), 0x1000);
	sm_close(&r);
}

/* Every size at every offset: what no register has reads as 0, and nothing goes wrong. */
static void every_access(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 8 };

	open_all();
	sm_start(&r);
	for (uint64_t offset = 0; offset < SMMU_SPACE + 16; offset++) {
		for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
			uint64_t value = 1;
			bool aligned = (sizes[i] == 4 || sizes[i] == 8) && offset % sizes[i] == 0;

			assert_int_equal(viommu_reg_read(r.g.iommu, offset, sizes[i], &value),
					 VIOMMU_OK);
			if (!aligned || (offset >= 0x200 && offset < 0x10000))
				assert_int_equal(value, 0);
			if (!aligned) {
				viommu_reg_write(r.g.iommu, offset, sizes[i], UINT64_MAX);
				continue;
			}
		}
	}
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN);
	sm_close(&r);
}

/* Two registers in one access. */
static void pairs(void **state)
{
	open_all();
	sm_write(&r, SMMU_CMDQ_PROD, 8, UINT64_C(0x1500000015));
	assert_int_equal(sm_read(&r, SMMU_CMDQ_PROD, 4), 0x15);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4), 0x15);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_PROD, 8), UINT64_C(0x1500000015));
	/* each with its own guard */
	sm_write(&r, SMMU_CMDQ_BASE, 8, r.cmdq | SM_QUEUE_LG2);
	sm_write(&r, SMMU_CR0, 4, CR0_CMDQEN);
	sm_write(&r, SMMU_CMDQ_PROD, 8, UINT64_C(0x0100000015));
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4), 0x15);
	sm_close(&r);
}

/* 6.3.1, PRI, ATOS and MSI: without the feature there are no registers. */
static void absent(void **state)
{
	static const uint32_t offsets[] = { SMMU_GERROR_IRQ, SMMU_EVENTQ_IRQ, SMMU_PRIQ_BASE,
					    SMMU_PRIQ_PROD,  SMMU_GATOS_SID,  SMMU_GATOS_ADDR };
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	config.idr[0] &= (uint32_t) ~(IDR0_MSI | IDR0_PRI | IDR0_ATOS);
	config.idr[3] &= (uint32_t)~IDR3_PPS;
	sm_open(&r, &config);
	for (unsigned i = 0; i < ARRAY_COUNT(offsets); i++) {
		sm_write(&r, offsets[i], 4, UINT32_MAX);
		assert_int_equal(sm_read(&r, offsets[i], 4), 0);
	}
	sm_close(&r);
}

/* ---- what can be configured ---- */

static const struct {
	const char *message; /* its beginning */
	int result;
	unsigned idr;
	uint64_t off;
	uint64_t on;
} refused[] = {
	{ "IDR0.BTM", VIOMMU_ENOTSUP, 0, 0, IDR0_BTM },
	{ "IDR0.VATOS", VIOMMU_ENOTSUP, 0, 0, IDR0_VATOS },
	{ "IDR0.RME", VIOMMU_ENOTSUP, 0, 0, IDR0_RME },
	{ "IDR0.TTF", VIOMMU_ENOTSUP, 0, IDR0_TTF, 1 << 2 },
	{ "IDR0.TTF", VIOMMU_ENOTSUP, 0, 0, 3 << 2 },
	{ "IDR1.QUEUES_PRESET", VIOMMU_ENOTSUP, 1, 0, IDR1_QUEUES_PRESET },
	{ "IDR1.TABLES_PRESET", VIOMMU_ENOTSUP, 1, 0, IDR1_TABLES_PRESET },
	{ "IDR1.ECMDQ", VIOMMU_ENOTSUP, 1, 0, IDR1_ECMDQ },
	{ "IDR3.MPAM", VIOMMU_ENOTSUP, 3, 0, IDR3_MPAM },
	{ "IDR3.DPT", VIOMMU_ENOTSUP, 3, 0, IDR3_DPT },
	{ "IDR3.S1PI", VIOMMU_ENOTSUP, 3, 0, IDR3_S1PI },
	{ "IDR3.S2PI", VIOMMU_ENOTSUP, 3, 0, IDR3_S2PI },
	{ "IDR3.S2PO", VIOMMU_ENOTSUP, 3, 0, IDR3_S2PO },
	{ "IDR3.THE", VIOMMU_ENOTSUP, 3, 0, IDR3_THE },
	{ "IDR3.AIE", VIOMMU_ENOTSUP, 3, 0, IDR3_AIE },
	{ "IDR5.D128", VIOMMU_ENOTSUP, 5, 0, IDR5_D128 },
	{ "IDR0: bits", VIOMMU_EINVAL, 0, 0, IDR0_RSVD_29 },
	{ "IDR2", VIOMMU_EINVAL, 2, 0, 1 },
	{ "IDR4", VIOMMU_EINVAL, 4, 0, 1 },
	{ "IDR0.Hyp", VIOMMU_EINVAL, 0, IDR0_S2P | IDR0_VMW | IDR0_VMID16, 0 },
	{ "IDR0.PRI", VIOMMU_EINVAL, 0, IDR0_ATS, 0 },
	{ "IDR0: neither", VIOMMU_EINVAL, 0,
	  IDR0_S1P | IDR0_S2P | IDR0_HYP | IDR0_VMW | IDR0_VMID16, 0 },
	{ "IDR0.ST_LEVEL", VIOMMU_EINVAL, 0, 0, IDR0_ST_LEVEL },
	{ "IDR1.SIDSIZE: 7", VIOMMU_EINVAL, 0, IDR0_ST_LEVEL, 0 },
	{ "IDR1.SIDSIZE: at", VIOMMU_EINVAL, 1, 0, 33 },
	{ "IDR1.SSIDSIZE", VIOMMU_EINVAL, 1, 0, 21 << 6 },
	{ "IDR1: PRIQS", VIOMMU_EINVAL, 1, 0, 20 << 21 },
	{ "IDR0.TTENDIAN", VIOMMU_EINVAL, 0, 0, UINT64_C(1) << 21 },
	{ "IDR5: no granule", VIOMMU_EINVAL, 5, IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K, 0 },
	{ "IDR5.OAS", VIOMMU_EINVAL, 5, 0, 7 },
	{ "IDR5.VAX", VIOMMU_EINVAL, 5, IDR5_VAX, UINT64_C(2) << 10 },
	{ "IDR5.DS", VIOMMU_EINVAL, 5, IDR5_VAX, 0 },
	{ "IDR5.STALL_MAX", VIOMMU_EINVAL, 5, IDR5_STALL_MAX, 0 },
	{ "IDR5.STALL_MAX", VIOMMU_EINVAL, 0, 0, UINT64_C(1) << 24 },
	{ "IDR0.STALL_MODEL", VIOMMU_EINVAL, 0, 0, IDR0_STALL_MODEL },
};

static void refusals(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(refused); i++) {
		struct viommu_smmuv3_config config;
		const char *name = refused[i].message;

		sm_everything(&config);
		if (strncmp(name, "IDR0: neither", 13) == 0)
			config.idr[1] &= (uint32_t)~IDR1_SSIDSIZE;
		config.idr[refused[i].idr] &= (uint32_t)~refused[i].off;
		config.idr[refused[i].idr] |= (uint32_t)refused[i].on;
		check_eq(name, sm_try_open(&r, &config), refused[i].result);
		check_that(name, r.g.message && strncmp(r.g.message, name, strlen(name)) == 0);
		guest_fini(&r.g);
	}
}

static void others_are_refused(void **state)
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	config.aidr = 5;
	assert_int_equal(sm_try_open(&r, &config), VIOMMU_EINVAL);
	guest_fini(&r.g);
	config.aidr = 4;
	config.gbpa = (uint32_t)GBPA_UPDATE;
	assert_int_equal(sm_try_open(&r, &config), VIOMMU_EINVAL);
	guest_fini(&r.g);
	config.gbpa = 0;
	config.reserved = 1;
	assert_int_equal(sm_try_open(&r, &config), VIOMMU_EINVAL);
	guest_fini(&r.g);
}

/* What QEMU, and a machine, present. */
static void as_others(void **state)
{
	static const uint32_t idrs[][6] = {
		{ 0xd44101b, 0x2730010, 0, 0x1414, 0, 0x74 },
		{ 0xd441019, 0x2730010, 0, 0x1414, 0, 0x74 },
		{ 0xd44101a, 0x2730010, 0, 0x1414, 0, 0x74 },
	};
	struct viommu_smmuv3_config config = { .size = sizeof(config) };

	for (unsigned i = 0; i < ARRAY_COUNT(idrs); i++) {
		struct viommu_smmuv3_config shown = { .size = sizeof(shown) };

		memcpy(config.idr, idrs[i], sizeof(config.idr));
		sm_open(&r, &config);
		for (unsigned n = 0; n < 6; n++)
			assert_int_equal(sm_read(&r, n * 4, 4), idrs[i][n]);
		assert_int_equal(viommu_smmuv3_get_config(r.g.iommu, &shown), VIOMMU_OK);
		assert_memory_equal(shown.idr, idrs[i], sizeof(shown.idr));
		sm_close(&r);
	}
	sm_open(&r, NULL);
	for (unsigned n = 0; n < 6; n++)
		assert_int_equal(sm_read(&r, n * 4, 4), viommu_smmuv3_default_idr(n));
	assert_int_equal(viommu_smmuv3_default_idr(6), 0);
	assert_int_equal(sm_read(&r, SMMU_AIDR, 4), 2);
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_written),
		cmocka_unit_test(guards),
		cmocka_unit_test(guard_until_acknowledged),
		cmocka_unit_test(cr1),
		cmocka_unit_test(cr0),
		cmocka_unit_test(gbpa),
		cmocka_unit_test(every_access),
		cmocka_unit_test(pairs),
		cmocka_unit_test(absent),
		cmocka_unit_test(refusals),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(as_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
