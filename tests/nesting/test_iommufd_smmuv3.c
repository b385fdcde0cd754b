/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_iommufd_smmuv3.c - examples/iommufd_nesting on a kernel that is made up, with an SMMUv3: stream table entries and
 * commands as the kernel takes them, errors in the middle of a batch, events of the host's.
 */

#include <errno.h>
#include <string.h>

#include "check.h"

#include "fake_kernel.h"
#include "smmuv3_rig.h"

#define SID	 8U
#define EMULATED 9U
#define IOVA	 UINT64_C(0x40000000)

static const uint32_t host_idr[6] = {
	[0] = 2U << 2 | 1U << 10 | 1U << 12 | 1U << 19 | 2U << 21 | 1U << 26 | 1U << 27 | 3U,
	[1] = 16U | 6U << 6,
	[3] = 1U << 10 | 2U << 11,
	[5] = 5U | 1U << 4 | 1U << 6,
};

static struct smmu_rig r;
static struct nest_host h;
static struct nest_device nested;
static struct viommu_device *device, *emulated;
static uint64_t root;

static void fitted(struct viommu_smmuv3_config *config)
{
	*config = (struct viommu_smmuv3_config){ .size = sizeof(*config) };
	assert_int_equal(viommu_smmuv3_fit(config, host_idr), VIOMMU_OK);
	config->idr[0] |= (uint32_t)IDR0_ATS; /* the VMM has such a device */
}

static void open_guest(void)
{
	struct viommu_smmuv3_config config;

	fake_reset(true);
	fitted(&config);
	sm_open(&r, &config);
	device = guest_device(&r.g, SID);
	emulated = guest_device(&r.g, EMULATED);
	root = guest_table(&r.g);
	sm_map(&r, root, IOVA, guest_alloc(&r.g, 1), SM_S1_RW);
}

static void open_all(void)
{
	open_guest();
	assert_int_equal(nest_open(&h, &fake_calls, FAKE_IOMMUFD, FAKE_DEV_ID, FAKE_IOAS, r.g.iommu,
				   VIOMMU_NESTED_SMMUV3),
			 0);
	assert_int_equal(nest_add(&h, &nested, device, FAKE_DEVICE, FAKE_DEV_ID), 0);
	sm_start(&r);
	sm_stage1(&r, SID, 5, root);
	sm_stage1(&r, EMULATED, 5, root);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	sm_do(&r, SM_CFGI_STE(EMULATED), 0);
	assert_int_equal(fake.attached[0], nested.hwpt);
	assert_int_not_equal(nested.hwpt, 0);
	fake.entries = 0;
	fake.invalidations = 0;
}

static void close_all(void)
{
	nest_remove(&nested);
	nest_close(&h);
	fake_check_empty();
	sm_close(&r);
}

static void expect_command(unsigned i, uint64_t w0, uint64_t w1)
{
	assert_true(i < fake.entries);
	assert_int_equal(fake.entry[i][0], w0);
	assert_int_equal(fake.entry[i][1], w1);
	assert_int_equal(fake.entry_object[i], h.viommu);
}

/* ---- what applies ---- */

static void test_life(void **state)
{
	uint64_t ste;

	open_all();
	ste = guest_get64(&r.g, sm_ste(&r, SID));
	assert_int_equal(fake.object[nested.hwpt].data[0], ste);
	assert_int_equal(fake.object[nested.vdevice].virt_id, SID);
	/* what the kernel does not take is not handed over */
	sm_put_ste(&r, SID, ste, bits_put(STE1_S1DSS, 2) | STE1_MEV | bits_put(STE1_SHCFG, 1), 0,
		   0);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_equal(fake.object[nested.hwpt].data[1], 2);
	/* bypass, abort, not valid */
	sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_BYPASS), 0, 0, 0);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_equal(fake.attached[0], h.parent);
	sm_put_ste(&r, SID, SM_STE0(0), 0, 0, 0);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_equal(fake.attached[0], 0);
	sm_stage1(&r, SID, 5, root);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_equal(fake.attached[0], nested.hwpt);
	sm_put_ste(&r, SID, 0, 0, 0, 0);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_equal(fake.attached[0], 0);
	assert_int_equal(nested.hwpt, 0);
	/* all of them, and the SMMU is switched off */
	sm_stage1(&r, SID, 5, root);
	sm_do(&r, CMD_CFGI_RANGE, CMD_CFGI_ALL);
	assert_int_equal(fake.attached[0], nested.hwpt);
	sm_write(&r, SMMU_CR0, 4, sm_read(&r, SMMU_CR0, 4) & ~CR0_SMMUEN);
	sm_run(&r);
	assert_int_equal(fake.attached[0], h.parent);
	close_all();
}

/* The kernel finds something wrong in an STE. */
static void test_stage_refused(void **state)
{
	open_all();
	fake.fail_call = IOMMUFD_HWPT_ALLOC;
	fake.fail_error = -EIO;
	fake.fail_in = 1;
	sm_put_ste(&r, SID, guest_get64(&r.g, sm_ste(&r, SID)), 1, 0, 0);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_equal(fake.attached[0], 0);
	assert_int_equal(nested.hwpt, 0);
	close_all();
}

/* ---- commands ---- */

static void test_commands(void **state)
{
	struct guest_dma d;

	open_all();
	d = guest_dma(emulated, IOVA, VIOMMU_READ);
	assert_int_equal(d.result, VIOMMU_OK);
	guest_put64(&r.g, sm_entry(&r, root, IOVA, 0), 0);
	sm_command(&r, SM_ASID(CMD_NH_VA, 0, 5), IOVA | CMD_LEAF);
	sm_command(&r, CMD_CFGI_CD | bits_put(CMD_SID, SID), 0);
	sm_command(&r, CMD_CFGI_CD | bits_put(CMD_SID, EMULATED), 0);
	sm_command(&r, CMD_ATC_INV | bits_put(CMD_SID, SID), bits_put(CMD_ATC_SIZE, 52));
	sm_command(&r, SM_ASID(CMD_NH_ASID, 0, 5), 0);
	sm_command(&r, CMD_NSNH_ALL, 0);
	sm_sync(&r);
	assert_true(sm_told(&r));
	/* in order, in one batch; without those of the device that the host does not have */
	assert_int_equal(fake.invalidations, 1);
	assert_int_equal(fake.entries, 5);
	expect_command(0, SM_ASID(CMD_NH_VA, 0, 5), IOVA | CMD_LEAF);
	expect_command(1, CMD_CFGI_CD | bits_put(CMD_SID, SID), 0);
	expect_command(2, CMD_ATC_INV | bits_put(CMD_SID, SID), bits_put(CMD_ATC_SIZE, 52));
	expect_command(3, SM_ASID(CMD_NH_ASID, 0, 5), 0);
	expect_command(4, CMD_NSNH_ALL, 0);
	/* the emulated device has the same tables, and has seen the same commands */
	d = guest_dma(emulated, IOVA, VIOMMU_READ);
	assert_int_equal(d.result, VIOMMU_FAULT);
	close_all();
}

static void test_more_than_a_batch(void **state)
{
	open_all();
	for (unsigned i = 0; i < 30; i++)
		sm_command(&r, SM_ASID(CMD_NH_VA, 0, 5), (uint64_t)i << 12);
	sm_ring(&r);
	for (unsigned i = 30; i < 60; i++)
		sm_command(&r, SM_ASID(CMD_NH_VA, 0, 5), (uint64_t)i << 12);
	sm_sync(&r);
	assert_true(sm_told(&r));
	assert_int_equal(fake.entries, 60);
	for (unsigned i = 0; i < 60; i++)
		expect_command(i, SM_ASID(CMD_NH_VA, 0, 5), (uint64_t)i << 12);
	close_all();
}

static void test_refused_in_a_batch(void **state)
{
	uint32_t cons;

	open_all();
	cons = (uint32_t)sm_read(&r, SMMU_CMDQ_CONS, 4);
	fake.take = 2;
	for (unsigned i = 0; i < 4; i++)
		sm_command(&r, SM_ASID(CMD_NH_VA, 0, 5), (uint64_t)i << 12);
	sm_sync(&r);
	/* CONS is at the one that was not taken */
	assert_false(sm_told(&r));
	assert_int_equal(sm_command_error(&r), CERROR_ILL);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4) & 0x3f, (cons + 2) & 0x3f);
	fake.take = UINT32_MAX;
	sm_acknowledge(&r);
	assert_true(sm_told(&r));
	assert_int_equal(fake.entries, 4);
	expect_command(3, SM_ASID(CMD_NH_VA, 0, 5), 0x3000);
	close_all();
}

/* 4.3.1: an STE goes with all that hangs on it, also if it is the same. */
static void test_structures_go(void **state)
{
	uint32_t before;

	open_all();
	before = nested.hwpt;
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_equal(fake.entries, 1);
	expect_command(0, CMD_CFGI_CD_ALL | bits_put(CMD_SID, SID), 0);
	sm_do(&r, SM_CFGI_STE(EMULATED), 0);
	assert_int_equal(fake.entries, 1);
	sm_do(&r, CMD_CFGI_RANGE, CMD_CFGI_ALL);
	assert_int_equal(fake.entries, 2);
	expect_command(1, CMD_CFGI_CD_ALL | bits_put(CMD_SID, SID), 0);
	assert_int_equal(nested.hwpt, before);
	close_all();
}

/* A command is gathered, and not handed over for want of steps; then everything is to be forgotten by nobody's command. The host
 * takes neither: the one comes again, the other would not. */
static void test_refused_with_and_without_command(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits), .steps = 1 };
	struct viommu_smmuv3_config config;

	fake_reset(true);
	fitted(&config);
	config.limits = &limits;
	sm_open(&r, &config);
	device = guest_device(&r.g, SID);
	root = guest_table(&r.g);
	assert_int_equal(nest_open(&h, &fake_calls, FAKE_IOMMUFD, FAKE_DEV_ID, FAKE_IOAS, r.g.iommu,
				   VIOMMU_NESTED_SMMUV3),
			 0);
	assert_int_equal(nest_add(&h, &nested, device, FAKE_DEVICE, FAKE_DEV_ID), 0);
	sm_start(&r);
	sm_stage1(&r, SID, 5, root);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_not_equal(fake.attached[0], h.parent);
	fake.entries = 0;
	fake.take = 0;
	sm_command(&r, CMD_NSNH_ALL, 0);
	sm_ring(&r);
	viommu_flush(r.g.iommu);
	sm_run(&r);
	assert_int_equal(fake.attached[0], 0);
	close_all();
}

/* No SYNC: what was gathered is handed over when the queue rests, and CONS does not pass it before. */
static void test_without_sync(void **state)
{
	uint32_t cons;

	open_all();
	cons = (uint32_t)sm_read(&r, SMMU_CMDQ_CONS, 4);
	fake.take = 0;
	sm_command(&r, SM_ASID(CMD_NH_VA, 0, 5), 0x1000);
	sm_ring(&r);
	assert_int_equal(fake.invalidations, 1);
	assert_int_equal(sm_command_error(&r), CERROR_ILL);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4) & 0x3f, cons & 0x3f);
	close_all();
}

/* By the VMM: also what the host has read of context descriptors. */
static void test_everything_by_the_vmm(void **state)
{
	uint32_t before;

	open_all();
	before = nested.hwpt;
	assert_int_equal(viommu_flush(r.g.iommu), VIOMMU_OK);
	assert_int_not_equal(nested.hwpt, before);
	assert_int_equal(fake.entries, 1);
	expect_command(0, CMD_NSNH_ALL, 0);
	/* and where the host does not take that, there is no command to blame */
	fake.take = 0;
	assert_int_equal(viommu_flush(r.g.iommu), VIOMMU_OK);
	assert_int_equal(fake.attached[0], 0);
	assert_int_equal(sm_command_error(&r), 0);
	close_all();
}

/* ---- events ---- */

static void test_events(void **state)
{
	uint64_t record[4] = { F_TRANSLATION | bits_put(EVENT0_SID, SID), EVENT1_RNW, IOVA, 0 };
	uint64_t got[4];

	open_all();
	fake_event(0, 0, record);
	record[2] = IOVA + 0x1000;
	fake_event(1, 0, record);
	assert_int_equal(nest_events(&h), 0);
	assert_true(sm_event(&r, got));
	assert_int_equal(bits_get(got[0], EVENT0_TYPE), F_TRANSLATION);
	assert_int_equal(bits_get(got[0], EVENT0_SID), SID);
	assert_int_equal(got[2], IOVA);
	assert_true(sm_event(&r, got));
	assert_int_equal(got[2], IOVA + 0x1000);
	assert_int_equal(h.lost, 0);
	/* three were lost before this one, two at the end */
	fake_event(5, 0, record);
	fake_event(8, IOMMUFD_VEVENT_LOST, NULL);
	assert_int_equal(nest_events(&h), 0);
	assert_int_equal(h.lost, 5);
	assert_int_equal(sm_events(&r), 1);
	/* nobody's, and none */
	record[0] = F_TRANSLATION | bits_put(EVENT0_SID, 77);
	fake_event(8, 0, record);
	record[0] = 0xff | bits_put(EVENT0_SID, SID);
	fake_event(9, 0, record);
	record[0] = F_TRANSLATION | bits_put(EVENT0_SID, SID);
	record[1] = EVENT1_STALL;
	fake_event(10, 0, record);
	assert_int_equal(nest_events(&h), 0);
	assert_int_equal(sm_events(&r), 0);
	close_all();
}

/* ---- life ---- */

static void test_each_call_fails(void **state)
{
	static const unsigned numbers[] = { 0x89, 0x8e, 0x90, 0x91, 0x93, 119 };

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (unsigned n = 1; n < 5; n++) {
			int result;

			open_guest();
			fake.fail_call = (unsigned long)(';' << 8 | numbers[i]);
			fake.fail_error = -ENOMEM;
			fake.fail_in = n;
			result = nest_open(&h, &fake_calls, FAKE_IOMMUFD, FAKE_DEV_ID, FAKE_IOAS,
					   r.g.iommu, VIOMMU_NESTED_SMMUV3);
			if (result == 0) {
				result = nest_add(&h, &nested, device, FAKE_DEVICE, FAKE_DEV_ID);
				sm_start(&r);
				sm_stage1(&r, SID, 5, root);
				sm_do(&r, SM_CFGI_STE(SID), 0);
				if (result == 0) {
					assert_int_equal(fake.attached[0], nested.hwpt);
					nest_remove(&nested);
				}
				nest_close(&h);
			}
			fake_check_empty();
			sm_close(&r);
		}
	}
}

static void test_fit(void **state)
{
	struct viommu_smmuv3_config config;
	uint32_t stalls[6];

	memcpy(stalls, host_idr, sizeof(stalls));
	fitted(&config);
	assert_int_equal(config.idr[0] & (IDR0_S2P | IDR0_HTTU | IDR0_HYP | IDR0_PRI | IDR0_VMID16),
			 0);
	assert_int_equal(config.idr[5] & (IDR5_GRAN4K | IDR5_GRAN16K | IDR5_GRAN64K),
			 IDR5_GRAN4K | IDR5_GRAN64K);
	sm_everything(&config);
	config.size = sizeof(config);
	assert_int_equal(viommu_smmuv3_fit(&config, host_idr), VIOMMU_OK);
	assert_int_equal(bits_get(config.idr[1], IDR1_SSIDSIZE), 6);
	assert_int_equal(bits_get(config.idr[0], IDR0_STALL_MODEL), 1);
	sm_open(&r, &config);
	sm_close(&r);
	stalls[0] |= 2U << 24;
	assert_int_equal(viommu_smmuv3_fit(&config, stalls), VIOMMU_ENOTSUP);
	memcpy(stalls, host_idr, sizeof(stalls));
	stalls[5] = 5U;
	assert_int_equal(viommu_smmuv3_fit(&config, stalls), VIOMMU_ENOTSUP);
	assert_int_equal(viommu_smmuv3_fit(NULL, host_idr), VIOMMU_EINVAL);
	assert_int_equal(viommu_smmuv3_fit(&config, NULL), VIOMMU_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_stage_refused),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_more_than_a_batch),
		cmocka_unit_test(test_refused_in_a_batch),
		cmocka_unit_test(test_structures_go),
		cmocka_unit_test(test_refused_with_and_without_command),
		cmocka_unit_test(test_without_sync),
		cmocka_unit_test(test_everything_by_the_vmm),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_each_call_fails),
		cmocka_unit_test(test_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
