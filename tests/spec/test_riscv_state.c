/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_state.c - the RISC-V IOMMU saved, restored, refused and reset. */

#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "riscv_rig.h"

#define DEVICE 0x10U

static struct riscv_rig r;
static struct rv_tree first;
static struct viommu_device *device;

static void open_rig(void)
{
	rv_open(&r, GUEST_REGION, 64, RV_ALL);
	rv_start(&r, 0, RISCV_MODE_1LVL);
	first = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, false, false };
	rv_map(&r, &first, 0x5000, GUEST_BASE, 0, RV_PAGE);
	rv_put_dc(&r, DEVICE, RISCV_TC_EN_ATS, 0, 0, rv_satp(8, first.root));
	device = guest_device(&r.g, DEVICE);
}

static void *save(uint64_t *bytes)
{
	void *state;

	*bytes = 0;
	assert_int_equal(viommu_save(r.g.iommu, NULL, bytes), VIOMMU_ENOSPC);
	state = malloc(*bytes);
	assert_non_null(state);
	assert_int_equal(viommu_save(r.g.iommu, state, bytes), VIOMMU_OK);
	return state;
}

static int run(int result)
{
	for (unsigned i = 0; result == VIOMMU_PENDING && i < 100; i++)
		result = viommu_run(r.g.iommu);
	return result;
}

/* To another IOMMU, in which the same goes on. */
static void move(void)
{
	struct viommu *old = r.g.iommu;
	uint64_t bytes;
	void *state = save(&bytes);

	guest_drop(&r.g);
	assert_int_equal(rv_try(&r), VIOMMU_OK);
	assert_int_equal(run(viommu_restore(r.g.iommu, state, bytes)), VIOMMU_OK);
	assert_int_equal(viommu_free(old), VIOMMU_OK);
	free(state);
	device = guest_device(&r.g, DEVICE);
}

static void test_registers_travel(void **state)
{
	uint64_t before[512];

	(void)state;
	open_rig();
	rv_do(&r, RV_VMA, 0);
	guest_dma(device, 0x9000, VIOMMU_READ);
	rv_write(&r, RISCV_MSI_ADDR(3), 8, 0x1234);
	rv_write(&r, RISCV_MSI_CTL(3), 4, 1);
	rv_write(&r, RISCV_ICVEC, 8, 0x3333);
	rv_write(&r, RISCV_IOHPMEVT(4), 8, 1);
	guest_dma(device, 0x5000, VIOMMU_READ);
	for (uint32_t i = 0; i < 512; i++)
		before[i] = rv_read(&r, i * 8, 8);
	move();
	for (uint32_t i = 0; i < 512; i++)
		assert_int_equal(rv_read(&r, i * 8, 8), before[i]);
	assert_int_equal(guest_dma(device, 0x5000, VIOMMU_READ).f.gpa, GUEST_BASE);
	assert_int_equal(rv_read(&r, RISCV_IOHPMCTR(4), 8), 2);
	assert_int_equal(rv_take_faults(&r), 1);
	rv_do(&r, RV_VMA, 0);
	rv_close(&r);
}

/* A fence that waits, a directory and a queue that are being turned off, a message that is masked. */
static void test_unfinished(void **state)
{
	struct viommu_channel *channel;

	(void)state;
	open_rig();
	channel = guest_channel(&r.g, device, VIOMMU_NO_PASID);
	rv_write(&r, RISCV_MSI_CTL(0), 4, 1);
	rv_write(&r, RISCV_MSI_DATA(0), 4, 0x77);
	guest_dma(device, 0x9000, VIOMMU_READ);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	rv_command(&r, RV_VMA, 0);
	assert_int_equal(rv_fence(&r), VIOMMU_PENDING);
	rv_write(&r, RISCV_FQCSR, 4, 0);
	rv_write(&r, RISCV_DDTP, 8, RISCV_MODE_OFF);
	assert_true(rv_read(&r, RISCV_DDTP, 8) & RISCV_DDTP_BUSY);
	assert_true(rv_read(&r, RISCV_FQCSR, 4) & RISCV_CSR_BUSY);
	{
		struct viommu *old = r.g.iommu;
		uint64_t bytes;
		void *saved = save(&bytes);

		assert_int_equal(viommu_leave(channel), VIOMMU_OK);
		guest_drop(&r.g);
		assert_int_equal(rv_try(&r), VIOMMU_OK);
		assert_int_equal(run(viommu_restore(r.g.iommu, saved, bytes)), VIOMMU_OK);
		assert_int_equal(viommu_free(old), VIOMMU_OK);
		free(saved);
	}
	assert_true(rv_fenced(&r));
	assert_int_equal(rv_read(&r, RISCV_DDTP, 8), RISCV_MODE_OFF);
	assert_int_equal(rv_read(&r, RISCV_FQCSR, 4), 0);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 0);
	rv_write(&r, RISCV_MSI_CTL(0), 4, 0);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	assert_int_equal(r.g.msi[0].data, 0x77);
	rv_close(&r);
}

/* Any byte of a state changed: refused, or believed as a whole; never a crash, never half. */
static void test_damaged(void **state)
{
	uint64_t bytes;
	unsigned char *saved;
	unsigned refused = 0;

	(void)state;
	open_rig();
	saved = save(&bytes);
	for (uint64_t i = 0; i < bytes; i++) {
		saved[i] ^= 0x10;
		refused += viommu_restore(r.g.iommu, saved, bytes) == VIOMMU_ESTATE;
		saved[i] ^= 0x10;
	}
	assert_int_equal(refused, bytes); /* there is a sum */
	assert_int_equal(guest_dma(device, 0x5000, VIOMMU_READ).f.gpa, GUEST_BASE);
	free(saved);
	rv_close(&r);
}

/* Where a register's value is, in a state: behind its offset. */
static void set_register(unsigned char *state, uint64_t bytes, uint32_t offset, uint64_t value)
{
	uint64_t sum = 0;

	for (uint64_t at = 0; at + 4 < bytes; at++) {
		uint32_t count, row;

		if (memcmp(state + at, "regs", 4) != 0)
			continue;
		memcpy(&count, state + at + 8, 4);
		for (uint32_t i = 0; i < count; i++) {
			memcpy(&row, state + at + 12 + 12 * (uint64_t)i, 4);
			if (row == offset)
				memcpy(state + at + 16 + 12 * (uint64_t)i, &value, 8);
		}
		break;
	}
	for (uint64_t i = 0; i < bytes - 16; i++)
		sum = (sum << 1 | sum >> 63) + state[i];
	memcpy(state + bytes - 8, &sum, 8);
}

/* States whose parts do not agree. */
static void test_inconsistent(void **state)
{
	static const struct {
		const char *name;
		uint32_t offset;
		uint64_t value;
	} values[] = {
		{ "capabilities", RISCV_CAPABILITIES, 1 },
		{ "fctl", RISCV_FCTL, 8 },
		{ "ddtp, another mode", RISCV_DDTP, 3 },
		{ "ddtp, no mode", RISCV_DDTP, 9 },
		{ "cqh beyond the queue", RISCV_CQH, 1U << RV_LG2 },
		{ "cqt beyond the queue", RISCV_CQT, 1U << RV_LG2 },
		{ "fqt beyond the queue", RISCV_FQT, 1U << RV_LG2 },
		{ "pqh beyond the queue", RISCV_PQH, 1U << RV_LG2 },
		{ "on, but not enabled", RISCV_CQCSR, RISCV_CSR_ON },
		{ "a command queue that is busy", RISCV_CQCSR,
		  RISCV_CSR_EN | RISCV_CSR_ON | RISCV_CSR_BUSY },
		{ "enabled, but not on", RISCV_FQCSR, RISCV_CSR_EN },
		{ "tr_req_ctl.Go", RISCV_TR_REQ_CTL, RISCV_TR_GO },
		{ "ipsr", RISCV_IPSR, 0x10 },
	};
	uint64_t bytes;
	unsigned char *saved, *changed;

	(void)state;
	open_rig();
	saved = save(&bytes);
	changed = malloc(bytes);
	assert_non_null(changed);
	memcpy(changed, saved, bytes);
	set_register(changed, bytes, RISCV_ICVEC, 0x1111); /* that this is how it is done */
	assert_true(viommu_restore(r.g.iommu, changed, bytes) >= 0);
	assert_int_equal(rv_read(&r, RISCV_ICVEC, 8), 0x1111);
	for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
		memcpy(changed, saved, bytes);
		set_register(changed, bytes, values[i].offset, values[i].value);
		check_eq(values[i].name, viommu_restore(r.g.iommu, changed, bytes), VIOMMU_ESTATE);
		check_eq(values[i].name, rv_read(&r, RISCV_ICVEC, 8), 0x1111);
	}
	free(changed);
	free(saved);
	rv_close(&r);
}

/* 6.28 */
static void test_reset(void **state)
{
	(void)state;
	open_rig();
	rv_write(&r, RISCV_IOHPMEVT(0), 8, 1);
	assert_int_equal(guest_dma(device, 0x5000, VIOMMU_READ).f.gpa, GUEST_BASE);
	guest_dma(device, 0x9000, VIOMMU_READ);
	assert_int_equal(run(viommu_reset(r.g.iommu)), VIOMMU_OK);
	for (uint32_t offset = 8; offset < RISCV_REGISTERS; offset += 8)
		assert_int_equal(rv_read(&r, offset, 8), 0);
	assert_int_equal(guest_dma(device, 0x5000, VIOMMU_READ).answer.reason, RISCV_FAULT_OFF);
	rv_start(&r, 0, RISCV_MODE_1LVL);
	assert_int_equal(guest_dma(device, 0x5000, VIOMMU_READ).f.gpa, GUEST_BASE);
	rv_do(&r, RV_VMA, 0);
	rv_close(&r);
}

/* ---- explanations, replays ---- */

struct seen {
	char what[16][40];
	unsigned count;
};

static int step(void *opaque, const struct viommu_step *s)
{
	struct seen *seen = opaque;

	if (seen->count < 16)
		strncpy(seen->what[seen->count++], s->what, sizeof(seen->what[0]) - 1);
	return 0;
}

static void test_explain(void **state)
{
	static const char *const expected[] = { "device context", "first stage, level 3",
						"first stage, level 2", "first stage, level 1",
						"translated" };
	const struct viommu_request request = {
		.first = 0x5000, .last = 0x5000, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct seen seen = { .count = 0 };

	(void)state;
	open_rig();
	assert_int_equal(viommu_explain(device, &request, 0, step, &seen), VIOMMU_OK);
	assert_int_equal(seen.count, ARRAY_COUNT(expected));
	for (unsigned i = 0; i < seen.count; i++)
		assert_string_equal(seen.what[i], expected[i]);
	assert_int_equal(rv_take_faults(&r), 0);
	rv_close(&r);
}

struct mappings {
	uint64_t iova[16], gpa[16], length[16];
	unsigned count;
};

static int mapped(void *opaque, uint64_t iova, const struct viommu_fragment *f)
{
	struct mappings *m = opaque;

	assert_true(m->count < 16);
	m->iova[m->count] = iova;
	m->gpa[m->count] = f->gpa;
	m->length[m->count++] = f->length;
	return 0;
}

static struct mappings replay(void)
{
	struct mappings m = { .count = 0 };
	uint64_t at = 0;
	int result;

	do
		result = viommu_replay(device, VIOMMU_NO_PASID, &at, UINT64_MAX, 0, mapped, &m);
	while (result == VIOMMU_MORE);
	assert_int_equal(result, VIOMMU_OK);
	return m;
}

static void test_replay(void **state)
{
	struct rv_tree second = { .levels = 3, .second = true };
	struct mappings m;
	uint64_t table;

	(void)state;
	open_rig();
	rv_map(&r, &first, 0x6000, GUEST_BASE + 0x1000, 0, RV_PAGE);
	rv_map(&r, &first, UINT64_MAX & ~bits_low(12), GUEST_BASE + 0x2000, 0, RV_PAGE);
	m = replay();
	assert_int_equal(m.count, 2);
	assert_int_equal(m.iova[0], 0x5000);
	assert_int_equal(m.length[0], 0x2000);
	assert_int_equal(m.iova[1], UINT64_MAX & ~bits_low(12));
	/* through a second stage, with interrupt files at pages 0x40, 0x42, 0x44 and 0x46, of which 0x42 is in basic mode, and
	 * the others are not valid */
	second.root = rv_root(&r);
	rv_map(&r, &second, 0, 0x40000000, 1, RV_PAGE);
	table = guest_alloc(&r.g, 1);
	rv_put_dc(&r, DEVICE, 0, rv_hgatp(8, 1, second.root), 0, 0);
	rv_put_files(&r, DEVICE, table, 6, 0x40);
	rv_put(&r, table + 16, RISCV_MSIPTE_V | UINT64_C(3) << 1 | RV_PPN(0x90000000));
	rv_invalidate(&r);
	m = replay();
	assert_int_equal(m.count, 6);
	assert_int_equal(m.iova[0], 0);
	assert_int_equal(m.length[0], 0x40000);
	for (unsigned i = 1; i < 6; i++) {
		static const uint64_t pages[] = { 0x41000, 0x42000, 0x43000, 0x45000, 0x47000 };

		assert_int_equal(m.iova[i], pages[i - 1]);
		assert_int_equal(m.gpa[i], i == 2 ? 0x90000000 : 0x40000000 + pages[i - 1]);
		assert_int_equal(m.length[i], i == 5 ? 0x200000 - 0x47000 : 0x1000);
	}
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers_travel),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_inconsistent),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_replay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
