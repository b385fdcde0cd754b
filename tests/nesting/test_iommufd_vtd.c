/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_iommufd_vtd.c - examples/iommufd_nesting on a kernel that is made up, with VT-d: what the kernel is asked for while
 * a guest lives, what a guest sees when the kernel refuses, page requests both ways.
 */

#include <errno.h>
#include <string.h>

#include "check.h"

#include "fake_kernel.h"
#include "guest.h"

#define RID	 0x10
#define DID	 5
#define IQE	 ((uint32_t)VTD_FSTS_IQE)
#define PAGES(a) GUEST_PIOTLB(VTD_PIOTLB_PAGES, DID, 0), (a)

static struct guest g;
static struct nest_host h;
static struct nest_device nested;
static struct viommu_device *device;
static uint64_t fs;

static void set_entry(uint64_t root)
{
	const struct guest_pasid p = {
		.did = DID, .pgtt = VTD_PGTT_FIRST, .fs = root, .fs_levels = 4
	};

	guest_pasid(&g, RID, 0, &p);
}

static void first_stage(uint64_t root)
{
	set_entry(root);
	guest_submit(&g, GUEST_PC(VTD_PC_DOMAIN, DID, 0), 0, 0, 0);
	guest_submit_wait(&g);
	guest_ring(&g);
}

static void open_guest(void)
{
	struct viommu_vtd_config config = { .size = sizeof(config) };
	const struct viommu_device_config requester = { .size = sizeof(requester),
							.id = RID,
							.opaque = &nested,
							.page_response = nest_respond };

	fake_reset(false);
	assert_int_equal(nest_fit_vtd(&fake_calls, FAKE_IOMMUFD, FAKE_DEV_ID, &config), 0);
	config.ecap |= VTD_ECAP_DT | VTD_ECAP_PRS | VTD_ECAP_PASID;
	guest_init(&g, GUEST_REGION, 200);
	assert_int_equal(guest_try_vtd_config(&g, &config), VIOMMU_OK);
	assert_int_equal(nest_open(&h, &fake_calls, FAKE_IOMMUFD, FAKE_DEV_ID, FAKE_IOAS, g.iommu,
				   VIOMMU_NESTED_VTD_S1),
			 0);
	assert_int_equal(viommu_device_new(g.iommu, &requester, &device), VIOMMU_OK);
	fs = guest_table(&g);
}

static void open_all(void)
{
	open_guest();
	assert_int_equal(nest_add(&h, &nested, device, FAKE_DEVICE, FAKE_DEV_ID), 0);
	assert_int_equal(fake.attached[0], h.parent);
	set_entry(fs);
	guest_page_queue_on(&g, 0);
	guest_start(&g, VTD_TTM_SCALABLE);
	guest_invalidate_all(&g);
	assert_int_equal(fake.attached[0], nested.hwpt);
	fake.entries = 0;
	fake.invalidations = 0;
}

static void close_all(void)
{
	nest_remove(&nested);
	assert_int_equal(fake.attached[0], 0);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	nest_close(&h);
	fake_check_empty();
	guest_fini(&g);
}

static void test_life(void **state)
{
	uint32_t before;
	uint64_t other;

	open_all();
	assert_int_equal(fake.object[nested.hwpt].data[1], fs);
	assert_int_equal(fake.object[nested.hwpt].data[2], 48);
	before = nested.hwpt;
	other = guest_table(&g);
	first_stage(other);
	/* the old one is gone, and the device was never without */
	assert_true(guest_waited(&g));
	assert_int_not_equal(nested.hwpt, before);
	assert_int_equal(fake.object[before].kind, FAKE_NONE);
	assert_int_equal(fake.object[nested.hwpt].data[1], other);
	assert_int_equal(fake.attached[0], nested.hwpt);
	/* not present: nothing is attached */
	guest_put64(&g, guest_pasid_entry(&g, RID, 0), 0);
	guest_submit(&g, GUEST_PC(VTD_PC_DOMAIN, DID, 0), 0, 0, 0);
	guest_wait(&g);
	assert_int_equal(fake.attached[0], 0);
	assert_int_equal(nested.hwpt, 0);
	first_stage(fs);
	assert_int_equal(fake.attached[0], nested.hwpt);
	/* remapping is off: guest-physical addresses */
	guest_command(&g, VTD_G_TE, false);
	assert_int_equal(fake.attached[0], h.parent);
	close_all();
}

static void test_invalidations(void **state)
{
	open_all();
	guest_submit(&g, PAGES(0x5000), 0, 0);
	guest_submit(&g, PAGES(0x200000 | VTD_QI_IH | bits_put(VTD_QI_AM, 9)), 0, 0);
	guest_wait(&g);
	assert_int_equal(fake.invalidations, 1);
	assert_int_equal(fake.entries, 2);
	assert_int_equal(fake.entry[0][0], 0x5000);
	assert_int_equal(fake.entry[0][1], 1);
	assert_int_equal(fake.entry[0][2], 0);
	assert_int_equal(fake.entry[1][0], 0x200000);
	assert_int_equal(fake.entry[1][1], 512);
	assert_int_equal(fake.entry[1][2], 1);
	assert_int_equal(fake.entry_object[0], nested.hwpt);
	close_all();
}

static void test_refused_in_a_batch(void **state)
{
	uint64_t head;

	open_all();
	head = g.tail;
	fake.take = 2;
	for (unsigned i = 0; i < 4; i++)
		guest_submit(&g, PAGES(0x5000 + i * 0x1000), 0, 0);
	guest_submit_wait(&g);
	guest_ring(&g);
	assert_false(guest_waited(&g));
	assert_int_equal(guest_read32(&g, VTD_FSTS) & IQE, IQE);
	assert_int_equal(guest_read64(&g, VTD_IQH), head + (g.wide ? 64U : 32U));
	/* the guest has it go on */
	fake.take = UINT32_MAX;
	guest_write32(&g, VTD_FSTS, IQE);
	guest_ring(&g);
	assert_true(guest_waited(&g));
	assert_int_equal(fake.entries, 4);
	assert_int_equal(fake.entry[3][0], 0x8000);
	close_all();
}

/* Each call of the kernel's fails once, at each place: nothing is left over, and the device has either what the guest
 * says, or nothing. */
static void test_each_call_fails(void **state)
{
	static const unsigned numbers[] = { 0x89, 0x8e, 119 };

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (unsigned n = 1; n < 6; n++) {
			struct viommu_vtd_config config = { .size = sizeof(config) };
			const struct viommu_device_config requester = { .size = sizeof(requester),
									.id = RID };
			int opened;

			fake_reset(false);
			assert_int_equal(
				nest_fit_vtd(&fake_calls, FAKE_IOMMUFD, FAKE_DEV_ID, &config), 0);
			guest_init(&g, GUEST_REGION, 200);
			assert_int_equal(guest_try_vtd_config(&g, &config), VIOMMU_OK);
			assert_int_equal(viommu_device_new(g.iommu, &requester, &device),
					 VIOMMU_OK);
			fake.fail_call = (unsigned long)(';' << 8 | numbers[i]);
			fake.fail_error = -ENOMEM;
			fake.fail_in = n;
			opened = nest_open(&h, &fake_calls, FAKE_IOMMUFD, FAKE_DEV_ID, FAKE_IOAS,
					   g.iommu, VIOMMU_NESTED_VTD_S1);
			if (opened == 0) {
				assert_int_equal(
					nest_add(&h, &nested, device, FAKE_DEVICE, FAKE_DEV_ID), 0);
				fs = guest_table(&g);
				set_entry(fs);
				guest_start(&g, VTD_TTM_SCALABLE);
				first_stage(guest_table(&g));
				first_stage(fs);
				assert_true(fake.attached[0] == nested.hwpt);
				assert_true(!nested.hwpt || fake.object[nested.hwpt].data[1] == fs);
				nest_remove(&nested);
				nest_close(&h);
			}
			fake_check_empty();
			assert_int_equal(viommu_device_free(device), VIOMMU_OK);
			guest_fini(&g);
		}
	}
}

/* ---- page requests ---- */

/* What the guest answers to the request at the head of its queue. */
static void answer(uint32_t group, unsigned code)
{
	const uint64_t word0 = VTD_QI_PGRESP | bits_put(VTD_QI_PGRESP_RID, RID) |
			       bits_put(VTD_QI_PGRESP_CODE, code);

	guest_submit(&g, word0, bits_put(VTD_QI_PGRESP_PRGI, group), 0, 0);
	guest_wait(&g);
}

static void test_page_requests(void **state)
{
	uint64_t context;

	open_all();
	context = guest_scalable_entry(&g, RID);
	guest_put64(&g, context, guest_get64(&g, context) | VTD_SCE_PRE | VTD_SCE_DTE);
	guest_invalidate_all(&g);
	fake_fault(FAKE_DEV_ID, 3, 0x40000000, 77, 2);
	assert_int_equal(nest_faults(&h), 0);
	assert_int_equal(fake.responses, 0);
	assert_int_equal(guest_read64(&g, VTD_PQT), 64); /* two of 32 bytes */
	answer(3, 0);
	assert_int_equal(fake.responses, 1);
	assert_int_equal(fake.response[0][0], 77);
	assert_int_equal(fake.response[0][1], 0);
	/* the guest refuses */
	fake_fault(FAKE_DEV_ID, 4, 0x50000000, 78, 1);
	assert_int_equal(nest_faults(&h), 0);
	answer(4, 1);
	assert_int_equal(fake.response[1][0], 78);
	assert_int_equal(fake.response[1][1], 1);
	/* nobody's device */
	fake_fault(FAKE_DEV_ID + 2, 5, 0x50000000, 79, 1);
	assert_int_equal(nest_faults(&h), 0);
	assert_int_equal(fake.response[2][0], 79);
	assert_int_equal(fake.response[2][1], 1);
	/* the guest's queue is off: the engine answers by itself */
	guest_put64(&g, context, guest_get64(&g, context) & ~VTD_SCE_PRE);
	guest_invalidate_all(&g);
	fake_fault(FAKE_DEV_ID, 6, 0x50000000, 80, 1);
	assert_int_equal(nest_faults(&h), 0);
	assert_int_equal(fake.responses, 4);
	assert_int_equal(fake.response[3][0], 80);
	assert_int_equal(fake.response[3][1], 1);
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_invalidations),
		cmocka_unit_test(test_refused_in_a_batch),
		cmocka_unit_test(test_each_call_fails),
		cmocka_unit_test(test_page_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
