/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_state.c - save and restore of an SMMUv3, at points where something is under way; explanations; messages of devices. */
#include "check.h"

#include <string.h>

#include <libvirtiommu/irq.h>

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x7000)
#define TARGET UINT64_C(0x40000000)
#define SID    8U

static struct smmu_rig r;
static unsigned char saved[8192];
static uint64_t root;

static void open_all(void)
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	sm_open(&r, &config);
	sm_start(&r);
	root = guest_alloc(&r.g, 1);
	sm_map(&r, root, IOVA, TARGET, SM_S1_RW);
	sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root, CD0_S), 0, 0, 0);
}

/* Goes on in another SMMU. */
static void travel(void)
{
	uint64_t bytes = sizeof(saved);
	struct viommu *old;
	int result;

	assert_int_equal(viommu_save(r.g.iommu, saved, &bytes), VIOMMU_OK);
	guest_drop(&r.g);
	assert_int_equal(viommu_device_free(r.waits), VIOMMU_OK);
	r.waits = NULL;
	old = sm_another(&r);
	result = viommu_restore(r.g.iommu, saved, bytes);
	assert_true(result == VIOMMU_OK || result == VIOMMU_PENDING);
	assert_int_equal(sm_run(&r), VIOMMU_OK);
	assert_int_equal(viommu_free(old), VIOMMU_OK);
}

static void a_sync_that_waits(void **state)
{
	struct viommu_channel *channel;
	struct viommu_device *device;

	open_all();
	device = guest_device(&r.g, SID);
	channel = guest_channel(&r.g, device, VIOMMU_NO_PASID);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	sm_command(&r, SM_ASID(CMD_NH_VA, 0, 5), IOVA);
	assert_int_equal(sm_sync(&r), VIOMMU_PENDING);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_false(sm_told(&r));
	travel();
	assert_true(sm_told(&r));
	assert_int_equal(guest_dma(guest_device(&r.g, SID), IOVA, VIOMMU_READ).f.gpa, TARGET);
	sm_close(&r);
}

static void an_acknowledgement_that_waits(void **state)
{
	struct viommu_channel *channel;
	struct viommu_device *device;

	open_all();
	device = guest_device(&r.g, SID);
	channel = guest_channel(&r.g, device, VIOMMU_NO_PASID);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	assert_int_equal(sm_write(&r, SMMU_CR0, 4, CR0_EVENTQEN | CR0_CMDQEN), VIOMMU_PENDING);
	assert_int_equal(sm_write(&r, SMMU_GBPA, 4, GBPA_ABORT | GBPA_UPDATE), VIOMMU_PENDING);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), 0xd);
	travel();
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), 0xc);
	assert_int_equal(sm_read(&r, SMMU_GBPA, 4), GBPA_ABORT);
	assert_int_equal(guest_dma(guest_device(&r.g, SID), IOVA, VIOMMU_READ).result,
			 VIOMMU_FAULT);
	sm_close(&r);
}

static void an_error(void **state)
{
	open_all();
	sm_command(&r, 0xff, 0);
	sm_ring(&r);
	travel();
	assert_int_equal(sm_command_error(&r), CERROR_ILL);
	guest_put64(&r.g, r.cmdq, CMD_PREFETCH_CFG);
	sm_acknowledge(&r);
	assert_int_equal(sm_command_error(&r), 0);
	assert_int_equal(sm_read(&r, SMMU_CMDQ_CONS, 4) & QUEUE_INDEX, 1);
	sm_close(&r);
}

/* Devices ask again where it is restored, with a STAG of their own. */
static void stalls(void **state)
{
	struct viommu_device *device;
	uint64_t word[4], token;
	struct guest_dma dma;

	open_all();
	device = sm_waiting_device(&r, SID);
	dma = guest_dma(device, 0x5000, VIOMMU_READ);
	assert_int_equal(dma.result, VIOMMU_STALLED);
	token = dma.answer.token;
	assert_true(sm_event(&r, word));
	travel();
	device = sm_waiting_device(&r, SID);
	sm_command(&r, CMD_RESUME | CMD_RESUME_AC | SM_PUT(CMD_SID, SID), word[1] & EVENT1_STAG);
	sm_ring(&r);
	assert_int_equal(r.resumes, 0);
	dma = guest_dma(device, 0x5000, VIOMMU_READ);
	assert_int_equal(dma.result, VIOMMU_STALLED);
	assert_int_not_equal(dma.answer.token, token);
	sm_close(&r);
}

static void other_configurations_refuse(void **state)
{
	struct viommu_smmuv3_config config;
	uint64_t bytes = sizeof(saved);

	open_all();
	assert_int_equal(viommu_save(r.g.iommu, saved, &bytes), VIOMMU_OK);
	sm_close(&r);
	sm_everything(&config);
	config.idr[1]--;
	sm_open(&r, &config);
	assert_int_equal(viommu_restore(r.g.iommu, saved, bytes), VIOMMU_ESTATE);
	sm_close(&r);
}

/* Queues and interrupts that are not off yet. */
static void queues_that_are_being_turned_off(void **state)
{
	const uint64_t on = CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | CR0_PRIQEN;
	struct viommu_channel *channel;

	open_all();
	sm_write(&r, SMMU_CR0, 4, on);
	channel = guest_channel(&r.g, guest_device(&r.g, SID), VIOMMU_NO_PASID);
	assert_int_equal(viommu_enter(channel), VIOMMU_OK);
	assert_int_equal(sm_write(&r, SMMU_CR0, 4, CR0_SMMUEN | CR0_CMDQEN), VIOMMU_PENDING);
	assert_int_equal(sm_write(&r, SMMU_IRQ_CTRL, 4, IRQ_GERROR), VIOMMU_PENDING);
	assert_int_equal(viommu_leave(channel), VIOMMU_OK);
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), on);
	assert_int_equal(sm_read(&r, SMMU_IRQ_CTRLACK, 4), IRQ_GERROR | IRQ_EVENTQ | IRQ_PRIQ);
	travel();
	assert_int_equal(sm_read(&r, SMMU_CR0ACK, 4), CR0_SMMUEN | CR0_CMDQEN);
	assert_int_equal(sm_read(&r, SMMU_IRQ_CTRLACK, 4), IRQ_GERROR);
	sm_close(&r);
}

/* ---- states that no SMMU has saved ---- */

/* Writes what is at an offset of the record "unit", and the sum of all. */
static void put_in_unit(uint64_t bytes, unsigned offset, uint64_t value)
{
	uint64_t sum = 0, at = 0;

	while (memcmp(saved + at, "unit", 4) != 0)
		assert_true(++at + 4 < bytes);
	memcpy(saved + at + 8 + offset, &value, 8);
	for (uint64_t i = 0; i < bytes - 16; i++)
		sum = (sum << 1 | sum >> 63) + saved[i];
	memcpy(saved + bytes - 8, &sum, 8);
}

static void inconsistent(void **state)
{
	static const struct {
		const char *name;
		unsigned offset;
		uint64_t value;
		int result;
	} values[] = {
		{ "the number of a token, the last one", 32, BIT(47) - 1, VIOMMU_OK },
		{ "the number of a token, too large", 32, BIT(47), VIOMMU_ESTATE },
		{ "the number of a token, wraps", 32, UINT64_MAX, VIOMMU_ESTATE },
		{ "GBPA", 0, BIT(63), VIOMMU_ESTATE },
		{ "CR0ACK, on and off", 8, CR0_EVENTQEN, VIOMMU_ESTATE },
		{ "CR0ACK, off, but wanted", 16, CR0_EVENTQEN, VIOMMU_ESTATE },
		{ "CR0ACK, a bit that is never late", 16, CR0_CMDQEN, VIOMMU_ESTATE },
		{ "GBPA.Update", 24, GBPA_UPDATE, VIOMMU_ESTATE },
	};

	for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
		uint64_t bytes = sizeof(saved);
		int result;

		open_all();
		assert_int_equal(viommu_save(r.g.iommu, saved, &bytes), VIOMMU_OK);
		put_in_unit(bytes, values[i].offset, values[i].value);
		result = viommu_restore(r.g.iommu, saved, bytes);
		check_eq(values[i].name, result == VIOMMU_PENDING ? sm_run(&r) : result,
			 values[i].result);
		sm_close(&r);
	}
}

/* ---- explanations ---- */

struct seen {
	char text[512];
};

static int note(void *opaque, const struct viommu_step *step)
{
	struct seen *s = opaque;

	strncat(s->text, step->what, sizeof(s->text) - strlen(s->text) - 1);
	strncat(s->text, "; ", sizeof(s->text) - strlen(s->text) - 1);
	return 0;
}

static void explanations(void **state)
{
	struct viommu_request request = {
		.first = IOVA, .last = IOVA, .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ
	};
	struct viommu_device *device;
	struct seen seen = { "" };

	open_all();
	device = guest_device(&r.g, SID);
	for (unsigned global = 0; global < 2;
	     global++) { /* the first global page is read again, by others */
		if (global)
			sm_map(&r, root, IOVA, TARGET, SM_S1_RW & ~BIT(11));
		memset(&seen, 0, sizeof(seen));
		assert_int_equal(viommu_explain(device, &request, 0, note, &seen), VIOMMU_OK);
		assert_string_equal(
			seen.text, "STE; CD; stage 1, level 0; stage 1, level 1; stage 1, level 2; "
				   "stage 1, level 3; translated; ");
	}
	memset(&seen, 0, sizeof(seen));
	request.pasid = 1;
	assert_int_equal(viommu_explain(device, &request, 0, note, &seen), VIOMMU_FAULT);
	assert_string_equal(seen.text, "STE; refused; ");
	sm_close(&r);
}

/* ---- messages of devices: writes to a doorbell, translated as any other ---- */

static void interrupt_messages(void **state)
{
	struct viommu_msi msi;

	open_all();
	guest_device(&r.g, SID);
	sm_map(&r, root, UINT64_C(0xfffff000), 0x8090000, SM_S1_RW);
	assert_int_equal(viommu_remap_msi(r.g.iommu, SID, UINT64_C(0xfffff040), 7, 0, &msi),
			 VIOMMU_OK);
	assert_int_equal(msi.address, 0x8090040);
	assert_int_equal(msi.data, 7);
	assert_int_equal(viommu_remap_msi(r.g.iommu, SID, UINT64_C(0xffffe040), 7,
					  VIOMMU_MSI_RESOLVE, &msi),
			 VIOMMU_FAULT);
	assert_int_equal(sm_events(&r), 0);
	assert_int_equal(viommu_remap_msi(r.g.iommu, SID, UINT64_C(0xffffe040), 7, 0, &msi),
			 VIOMMU_FAULT);
	assert_int_equal(sm_event_type(&r), F_TRANSLATION);
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sync_that_waits),
		cmocka_unit_test(an_acknowledgement_that_waits),
		cmocka_unit_test(an_error),
		cmocka_unit_test(stalls),
		cmocka_unit_test(other_configurations_refuse),
		cmocka_unit_test(queues_that_are_being_turned_off),
		cmocka_unit_test(inconsistent),
		cmocka_unit_test(explanations),
		cmocka_unit_test(interrupt_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
