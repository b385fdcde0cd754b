/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_stall.c - transactions that wait for software (IHI 0070, 3.12.2, 4.6): who waits, and how it ends. */
#include "check.h"

#include <libvirtiommu/dma.h>
#include <libvirtiommu/irq.h>

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x7000)
#define TARGET UINT64_C(0x40000000)
#define SID    8U

static struct smmu_rig r;
static struct viommu_device *device;
static uint64_t root;

/* Stage 1 with S = 1; 4 places. */
static void open_stalling(uint64_t idr0)
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	config.idr[0] |= (uint32_t)idr0;
	sm_open(&r, &config);
	sm_start(&r);
	root = guest_alloc(&r.g, 1);
	sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_S1) | sm_cd(&r, 5, root, CD0_S), 0, 0, 0);
	sm_entry(&r, root, IOVA, 3);
	device = sm_waiting_device(&r, SID);
}

static uint64_t stall(uint64_t iova, uint64_t word[4])
{
	struct guest_dma dma = guest_dma(device, iova, VIOMMU_READ);

	assert_int_equal(dma.result, VIOMMU_STALLED);
	assert_int_equal(dma.answer.next, iova);
	assert_int_equal(dma.answer.reason, F_TRANSLATION);
	if (word)
		assert_true(sm_event(&r, word));
	return dma.answer.token;
}

static uint64_t resume(unsigned sid, uint64_t stag, uint64_t how)
{
	sm_command(&r, CMD_RESUME | SM_PUT(CMD_SID, sid) | how, stag);
	sm_ring(&r);
	return r.resumes;
}

/* ---- 4.6.1: RESUME ---- */

static void resumed(void **state)
{
	static const struct {
		const char *name;
		uint64_t how;
		uint32_t action;
		uint64_t idr0;
	} rows[] = {
		{ "Ac 1", CMD_RESUME_AC, VIOMMU_RESUME_RETRY, 0 },
		{ "Ac 1, Ab 1", CMD_RESUME_AC | CMD_RESUME_AB, VIOMMU_RESUME_RETRY, 0 },
		{ "Ac 0, Ab 1", CMD_RESUME_AB, VIOMMU_RESUME_ABORT, 0 },
		{ "Ac 0, Ab 0", 0, VIOMMU_RESUME_ZERO, 0 },
		{ "Ac 0, Ab 0, TERM_MODEL", 0, VIOMMU_RESUME_ABORT, IDR0_TERM_MODEL },
	};

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		uint64_t word[4];
		uint64_t token;

		open_stalling(rows[i].idr0);
		token = stall(IOVA, word);
		check_that(rows[i].name, token != 0);
		check_eq(rows[i].name, word[1] & ~EVENT1_STAG,
			 EVENT1_STALL | EVENT1_RNW | SM_PUT(EVENT1_CLASS, CLASS_IN));
		check_eq(rows[i].name, resume(SID, word[1] & EVENT1_STAG, rows[i].how), 1);
		check_eq(rows[i].name, r.resumed[0].token, token);
		check_eq(rows[i].name, r.resumed[0].action, rows[i].action);
		/* once */
		check_eq(rows[i].name, resume(SID, word[1] & EVENT1_STAG, rows[i].how), 1);
		sm_close(&r);
	}
}

static void mismatches_have_no_effect(void **state)
{
	uint64_t word[4];

	open_stalling(0);
	guest_device(&r.g, SID + 1);
	stall(IOVA, word);
	assert_int_equal(resume(SID + 1, word[1] & EVENT1_STAG, CMD_RESUME_AC), 0);
	assert_int_equal(resume(SID + 2, word[1] & EVENT1_STAG, CMD_RESUME_AC), 0);
	assert_int_equal(resume(SID, (word[1] & EVENT1_STAG) + 1, CMD_RESUME_AC), 0);
	assert_int_equal(resume(SID, 0xffff, CMD_RESUME_AC), 0);
	/* 4.6: invalidations do not touch it */
	sm_do(&r, CMD_NSNH_ALL, 0);
	sm_do(&r, CMD_CFGI_RANGE, 31);
	assert_int_equal(r.resumes, 0);
	assert_int_equal(resume(SID, word[1] & EVENT1_STAG, CMD_RESUME_AC), 1);
	sm_close(&r);
}

/* After a retry the page is there. Sections are not held: a SYNC completes while somebody waits. */
static void retried(void **state)
{
	uint64_t word[4];

	open_stalling(0);
	stall(IOVA, word);
	sm_map(&r, root, IOVA, TARGET, SM_S1_RW);
	sm_do(&r, SM_ASID(CMD_NH_VA, 0, 5), IOVA);
	resume(SID, word[1] & EVENT1_STAG, CMD_RESUME_AC);
	assert_int_equal(r.resumed[0].action, VIOMMU_RESUME_RETRY);
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).f.gpa, TARGET);
	sm_close(&r);
}

/* ---- how else it ends ---- */

static void ended(const char *name, unsigned count)
{
	sm_run(&r);
	check_eq(name, r.resumes, count);
	for (unsigned i = 0; i < count; i++)
		check_eq(name, r.resumed[i].action, VIOMMU_RESUME_ABORT);
}

static void terminated(void **state)
{
	uint64_t word[4];

	open_stalling(0);
	stall(IOVA, word);
	stall(IOVA + GUEST_PAGE, word);
	sm_do(&r, CMD_STALL_TERM | SM_PUT(CMD_SID, SID + 1), 0);
	ended("STALL_TERM of another", 0);
	sm_do(&r, CMD_STALL_TERM | SM_PUT(CMD_SID, SID), 0);
	ended("STALL_TERM", 2);
	sm_close(&r);

	open_stalling(0);
	stall(IOVA, word);
	sm_write(&r, SMMU_CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
	ended("6.3.9 SMMUEN 1 to 0", 1);
	sm_close(&r);

	open_stalling(0);
	stall(IOVA, word);
	assert_int_equal(viommu_reset(r.g.iommu), VIOMMU_OK);
	ended("reset", 1);
	sm_close(&r);

	open_stalling(0);
	stall(IOVA, word);
	assert_int_equal(viommu_device_fail(device), VIOMMU_OK);
	ended("viommu_device_fail", 0);
	assert_int_equal(resume(SID, word[1] & EVENT1_STAG, CMD_RESUME_AC), 0);
	sm_close(&r);

	open_stalling(0);
	stall(IOVA, word);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	r.waits = NULL;
	sm_waiting_device(&r, SID); /* another one, of the same id */
	assert_int_equal(resume(SID, word[1] & EVENT1_STAG, CMD_RESUME_AC), 0);
	sm_close(&r);
}

/* ---- who waits ---- */

static void who_cannot_wait(void **state)
{
	struct viommu_device *other;
	uint64_t word[4];

	open_stalling(0);
	sm_put_ste(&r, 9, guest_get64(&r.g, sm_ste(&r, SID)), 0, 0, 0);
	other = guest_device(&r.g, 9); /* no resume callback */
	assert_int_equal(guest_dma(other, IOVA, VIOMMU_READ).result, VIOMMU_FAULT);
	assert_true(sm_event(&r, word));
	assert_false(word[1] & EVENT1_STALL);
	/* questions do not wait either */
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ | VIOMMU_QUIET).result, VIOMMU_FAULT);
	assert_int_equal(sm_events(&r), 0);
	/* C_BAD_STE and their like never stall */
	sm_put_ste(&r, SID, 0, 0, 0, 0);
	sm_do(&r, SM_CFGI_STE(SID), 0);
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).result, VIOMMU_FAULT);
	assert_int_equal(sm_event_type(&r), C_BAD_STE);
	sm_close(&r);
}

static void stage2_stalls(void **state)
{
	uint64_t word[4];

	open_stalling(0);
	sm_put_ste(&r, SID, SM_STE0(STE_CONFIG_S2), 0, (SM_STE2(2) & ~STE2_S2R) | STE2_S2S, root);
	stall(IOVA, word); /* recorded whatever S2R says */
	assert_true((word[1] & EVENT1_STALL) && (word[1] & EVENT1_S2));
	/* 3.4: an address beyond IAS is aborted, whatever S2S says */
	assert_int_equal(guest_dma(device, BIT(52), VIOMMU_READ).result, VIOMMU_FAULT);
	assert_true(sm_event(&r, word));
	assert_int_equal(bits_get(word[0], EVENT0_TYPE), F_ADDR_SIZE);
	sm_close(&r);
}

/* ---- no place, no room: never lost, and no overflow ---- */

static void no_place(void **state)
{
	uint64_t word[4][4];

	open_stalling(0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_not_equal(stall(IOVA + i * GUEST_PAGE, word[i]), 0);
	assert_int_equal(stall(IOVA, NULL), 0);
	assert_int_equal(stall(IOVA, NULL), 0);
	assert_int_equal(sm_events(&r), 0);
	assert_int_equal(sm_run(&r), VIOMMU_OK);
	assert_int_equal(r.resumes, 0); /* nothing has changed */
	resume(SID, word[2][1] & EVENT1_STAG, CMD_RESUME_AB);
	sm_run(&r);
	assert_int_equal(r.resumes, 2);
	assert_int_equal(r.resumed[1].token, 0);
	assert_int_equal(r.resumed[1].action, VIOMMU_RESUME_RETRY);
	/* its STAG is free again, and the only one */
	assert_int_not_equal(stall(IOVA, word[3]), 0);
	assert_int_equal(word[3][1] & EVENT1_STAG, word[2][1] & EVENT1_STAG);
	assert_int_equal(stall(IOVA, NULL), 0);
	sm_close(&r);
}

static void no_room(void **state)
{
	struct viommu_device *other;

	open_stalling(0);
	sm_stage1(&r, 9, 6, root);
	other = guest_device(&r.g, 9);
	for (unsigned i = 0; i < 1U << SM_QUEUE_LG2; i++)
		guest_dma(other, IOVA, VIOMMU_READ);
	assert_int_equal(stall(IOVA, NULL), 0);
	assert_int_equal(sm_read(&r, SMMU_EVENTQ_PROD, 4), 1U << SM_QUEUE_LG2); /* no OVFLG */
	assert_int_equal(sm_run(&r), VIOMMU_OK);
	assert_int_equal(r.resumes, 0);
	sm_write(&r, SMMU_EVENTQ_CONS, 4, 1);
	sm_run(&r);
	assert_int_equal(r.resumes, 1);
	assert_int_equal(r.resumed[0].token, 0);
	assert_int_not_equal(stall(IOVA, NULL), 0);
	/* 6.3.9: nor does anybody wait for room while the SMMU is off */
	assert_int_equal(stall(IOVA, NULL), 0);
	sm_write(&r, SMMU_CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
	sm_run(&r);
	assert_int_equal(r.resumes, 3);
	assert_int_equal(r.resumed[1].action, VIOMMU_RESUME_ABORT);
	assert_int_equal(r.resumed[2].token, 0);
	sm_close(&r);
}

/* A device that asks again from inside its callback does not keep the call going for ever. */
static void ask_again(void *opaque, uint64_t token, uint32_t action)
{
	struct guest_dma dma = guest_dma(device, IOVA, VIOMMU_READ);
	unsigned *calls = opaque;

	assert_int_equal(token, 0);
	assert_int_equal(action, VIOMMU_RESUME_RETRY);
	assert_int_equal(dma.result, VIOMMU_STALLED);
	++*calls;
}

static void asks_from_inside(void **state)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = SID };
	unsigned calls = 0;

	open_stalling(0);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	config.opaque = &calls;
	config.resume = ask_again;
	assert_int_equal(viommu_device_new(r.g.iommu, &config, &r.waits), VIOMMU_OK);
	device = r.waits;
	sm_write(&r, SMMU_CR0, 4, CR0_SMMUEN | CR0_CMDQEN); /* no event queue */
	assert_int_equal(stall(IOVA, NULL), 0);
	sm_write(&r, SMMU_EVENTQ_CONS, 4, 0);
	assert_int_equal(sm_run(&r), VIOMMU_OK);
	assert_int_equal(calls, 1);
	sm_close(&r);
}

/* What can be called from inside the callback: whatever is not of the call that is under way. */
static void look_around(void *opaque, uint64_t token, uint32_t action)
{
	unsigned *calls = opaque;
	uint64_t value;

	assert_int_not_equal(token, 0);
	assert_int_equal(action, VIOMMU_RESUME_RETRY);
	assert_int_equal(viommu_reg_write(r.g.iommu, SMMU_CR0, 4, 0), VIOMMU_EBUSY);
	assert_int_equal(viommu_reg_read(r.g.iommu, SMMU_CR0, 4, &value), VIOMMU_EBUSY);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_EBUSY);
	assert_int_equal(viommu_reset(r.g.iommu), VIOMMU_EBUSY);
	assert_int_equal(viommu_device_free(device), VIOMMU_EBUSY);
	assert_int_equal(viommu_device_fail(device), VIOMMU_OK);
	assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).f.gpa, TARGET);
	++*calls;
}

static void calls_from_inside(void **state)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = SID };
	unsigned calls = 0;
	uint64_t word[4];

	open_stalling(0);
	assert_int_equal(viommu_device_free(device), VIOMMU_OK);
	config.opaque = &calls;
	config.resume = look_around;
	assert_int_equal(viommu_device_new(r.g.iommu, &config, &r.waits), VIOMMU_OK);
	device = r.waits;
	stall(IOVA, word);
	sm_map(&r, root, IOVA, TARGET, SM_S1_RW);
	resume(SID, word[1] & EVENT1_STAG, CMD_RESUME_AC);
	assert_int_equal(calls, 1);
	sm_close(&r);
}

/* A channel, lists, bytes and messages: who cannot be told a token asks again; a message is refused. */
static void other_ways(void **state)
{
	struct viommu_request request = { .first = IOVA,
					  .last = IOVA + 2 * GUEST_PAGE - 1,
					  .pasid = VIOMMU_NO_PASID,
					  .access = VIOMMU_READ };
	struct viommu_channel *channel;
	struct viommu_fragment f[4];
	struct viommu_answer a;
	struct viommu_msi msi;
	uint64_t value;
	uint32_t done;

	open_stalling(0);
	sm_map(&r, root, IOVA, GUEST_BASE, SM_S1_RW);
	assert_int_equal(viommu_channel_new(device, VIOMMU_NO_PASID, &channel), VIOMMU_OK);
	assert_int_equal(viommu_translate(channel, &request, f, 4, &a), VIOMMU_STALLED);
	assert_int_equal(a.next, IOVA + GUEST_PAGE);
	assert_int_equal(a.count, 1);
	assert_int_not_equal(a.token, 0);
	assert_int_equal(viommu_translate_list(channel, &request, 1, f, 4, &a, &done),
			 VIOMMU_STALLED);
	assert_int_equal(done, 0);
	assert_int_equal(viommu_dma_load(channel, IOVA + GUEST_PAGE, 8, 0, &value), VIOMMU_STALLED);
	assert_int_equal(sm_events(&r), 3);
	assert_int_equal(viommu_remap_msi(r.g.iommu, SID, IOVA + GUEST_PAGE, 1, 0, &msi),
			 VIOMMU_FAULT);
	assert_int_equal(sm_events(&r), 1);
	/* it holds no section */
	sm_do(&r, CMD_NSNH_ALL, 0);
	sm_do(&r, CMD_STALL_TERM | SM_PUT(CMD_SID, SID), 0);
	assert_int_equal(r.resumes, 3);
	assert_int_equal(viommu_channel_free(channel), VIOMMU_OK);
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resumed),	    cmocka_unit_test(mismatches_have_no_effect),
		cmocka_unit_test(retried),	    cmocka_unit_test(terminated),
		cmocka_unit_test(who_cannot_wait),  cmocka_unit_test(stage2_stalls),
		cmocka_unit_test(no_place),	    cmocka_unit_test(no_room),
		cmocka_unit_test(asks_from_inside), cmocka_unit_test(calls_from_inside),
		cmocka_unit_test(other_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
