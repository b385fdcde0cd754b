/* SPDX-License-Identifier: BSD-3-Clause */
/* test_smmuv3_ats.c - translation requests, translated requests and page requests (IHI 0070, 3.9, 8, 13.6, 13.7). */
#include "check.h"

#include "smmuv3_rig.h"

#define IOVA   UINT64_C(0x7000)
#define IPA    UINT64_C(0x9000)
#define TARGET UINT64_C(0x40000000)
#define SID    8U
#define NONE   VIOMMU_NO_PASID

static struct smmu_rig r;
static uint64_t root1, root2;

static void open_ats(uint64_t cr0, uint64_t cr2, uint64_t idr3_off)
{
	struct viommu_smmuv3_config config;

	sm_everything(&config);
	config.idr[3] &= (uint32_t)~idr3_off;
	sm_open(&r, &config);
	sm_write(&r, SMMU_CR2, 4, cr2);
	sm_start_with(&r, cr0);
	root1 = guest_alloc(&r.g, 1);
	root2 = guest_alloc(&r.g, 1);
	for (uint64_t at = GUEST_BASE; at < GUEST_BASE + 192 * GUEST_PAGE; at += GUEST_PAGE)
		sm_map(&r, root2, at, at, SM_S2_RW);
}

/* Config, EATS; @page1 and @page2: the descriptors' bits, 0: not mapped */
static void stream(unsigned config, unsigned eats, uint64_t page1, uint64_t page2)
{
	if (page1)
		sm_map(&r, root1, IOVA, config == 7 ? IPA : TARGET, page1);
	if (page2)
		sm_map(&r, root2, config == 7 ? IPA : IOVA, TARGET, page2);
	sm_put_ste(&r, SID, SM_STE0(config) | sm_cd(&r, 5, root1, 0), SM_PUT(STE1_EATS, eats),
		   SM_STE2(2), root2);
}

/* ---- 13.6.3: translation requests ---- */

#define RO  SM_S1_RO
#define RW  SM_S1_RW
#define DBM BIT(51)

static const struct {
	const char *name;
	unsigned config;
	unsigned eats;
	uint64_t page1;
	uint64_t page2;
	unsigned access; /* without VIOMMU_WRITE: NW */
	uint64_t to;
	uint32_t perm;
	unsigned ats;
	unsigned event;
	uint64_t cr0;
	uint64_t cr2;
} requests[] = {
	{ "Config 4: UR, F_BAD_ATS_TREQ", 4, 1, 0, 0, 3, 0, 0, VIOMMU_ATS_UNSUPPORTED,
	  F_BAD_ATS_TREQ, 0, 0 },
	{ "EATS 0", 5, 0, RW, 0, 3, 0, 0, VIOMMU_ATS_UNSUPPORTED, F_BAD_ATS_TREQ, 0, 0 },
	{ "EATS 2 without ATSCHK", 7, 2, RW, SM_S2_RW, 3, 0, 0, VIOMMU_ATS_UNSUPPORTED,
	  F_BAD_ATS_TREQ, 0, 0 },
	{ "Config 0: UR, no event", 0, 1, 0, 0, 3, 0, 0, VIOMMU_ATS_UNSUPPORTED, 0, 0, 0 },
	{ "stage 1", 5, 1, RW, 0, 3, TARGET, 3, VIOMMU_ATS_SUCCESS, 0, 0, 0 },
	{ "stage 1, read-only", 5, 1, RO, 0, 3, TARGET, 1, VIOMMU_ATS_SUCCESS, 0, 0, 0 },
	{ "not mapped: success without access, no event", 5, 1, 0, 0, 3, 0, 0, VIOMMU_ATS_SUCCESS,
	  0, 0, 0 },
	{ "access flag: the same", 5, 1, RW & ~SM_AF, 0, 3, 0, 0, VIOMMU_ATS_SUCCESS, 0, 0, 0 },
	{ "not the user's: the same", 5, 1, RW & ~BIT(6), 0, 3, 0, 0, VIOMMU_ATS_SUCCESS, 0, 0, 0 },
	{ "stage 2", 6, 1, 0, SM_S2_RW, 3, TARGET, 3, VIOMMU_ATS_SUCCESS, 0, 0, 0 },
	{ "nested", 7, 1, RW, SM_S2_RW, 3, TARGET, 3, VIOMMU_ATS_SUCCESS, 0, 0, 0 },
	{ "nested, stage 2 is read-only", 7, 1, RW, SM_S2_RO, 3, TARGET, 1, VIOMMU_ATS_SUCCESS, 0,
	  0, 0 },
	{ "nested, not mapped in stage 2", 7, 1, RW, 0, 3, 0, 0, VIOMMU_ATS_SUCCESS, 0, 0, 0 },
	{ "split stages: the intermediate address", 7, 2, RW, SM_S2_RW, 3, IPA, 3,
	  VIOMMU_ATS_SUCCESS, 0, CR0_ATSCHK, 0 },
	{ "split stages: permission of both", 7, 2, RW, SM_S2_RO, 3, IPA, 1, VIOMMU_ATS_SUCCESS, 0,
	  CR0_ATSCHK, 0 },
	{ "split stages: not mapped in stage 2", 7, 2, RW, 0, 3, 0, 0, VIOMMU_ATS_SUCCESS, 0,
	  CR0_ATSCHK, 0 },
	{ "C_BAD_STE: CA, no event", 5, 3, RW, 0, 3, 0, 0, VIOMMU_ATS_UNSUPPORTED, F_BAD_ATS_TREQ,
	  0, 0 },
	{ "EATS 2 on stage 1: C_BAD_STE", 5, 2, RW, 0, 3, 0, 0, VIOMMU_ATS_ABORT, 0, 0, 0 },
	{ "the same with REC_CFG_ATS", 5, 2, RW, 0, 3, 0, 0, VIOMMU_ATS_ABORT, C_BAD_STE, 0,
	  CR2_REC_CFG_ATS },
};

static void translation_requests(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(requests); i++) {
		struct viommu_device *device;

		open_ats(requests[i].cr0, requests[i].cr2, 0);
		stream(requests[i].config, requests[i].eats, requests[i].page1, requests[i].page2);
		device = guest_device(&r.g, SID);
		/* cold, and warm from what DMA has left */
		for (unsigned warm = 0; warm < 2; warm++) {
			struct guest_dma dma = guest_ats(device, NONE, IOVA, requests[i].access);
			bool refused = requests[i].ats != VIOMMU_ATS_SUCCESS;

			check_eq(requests[i].name, dma.result, refused ? VIOMMU_FAULT : VIOMMU_OK);
			check_eq(requests[i].name, dma.answer.ats, requests[i].ats);
			if (!refused) {
				check_eq(requests[i].name, dma.f.perm, requests[i].perm);
				check_eq(requests[i].name, dma.f.perm ? dma.f.gpa : 0,
					 requests[i].to);
			}
			check_eq(requests[i].name, sm_event_type(&r), requests[i].event);
			guest_dma(device, IOVA, VIOMMU_READ);
			guest_dma(device, IOVA, VIOMMU_WRITE);
			sm_events(&r);
		}
		/* and DMA is not confused by it */
		if (requests[i].page1 == RW && requests[i].page2 == SM_S2_RW)
			check_eq(requests[i].name, guest_dma(device, IOVA, VIOMMU_WRITE).f.gpa,
				 TARGET);
		sm_close(&r);
	}
}

/* NW: a page that is writable and clean stays clean, and is not granted. */
static void no_write(void **state)
{
	struct viommu_device *device;
	struct guest_dma dma;
	uint64_t entry;

	open_ats(0, 0, 0);
	stream(5, 1, RO | DBM, 0);
	guest_put64(&r.g, guest_get64(&r.g, sm_ste(&r, SID)) & STE0_S1CONTEXTPTR,
		    SM_CD0(5) | CD0_HA | CD0_HD);
	device = guest_device(&r.g, SID);
	entry = sm_entry(&r, root1, IOVA, 3);
	dma = guest_ats(device, NONE, IOVA, VIOMMU_READ);
	assert_int_equal(dma.f.perm, VIOMMU_READ);
	assert_true(guest_get64(&r.g, entry) & BIT(7));
	dma = guest_ats(device, NONE, IOVA, VIOMMU_READ | VIOMMU_WRITE);
	assert_int_equal(dma.f.perm, VIOMMU_READ | VIOMMU_WRITE);
	assert_false(guest_get64(&r.g, entry) & BIT(7));
	sm_close(&r);
}

/* 6.3.9: while the SMMU is off. */
static void off(void **state)
{
	struct viommu_device *device;
	struct viommu_request request = { .first = IOVA,
					  .last = IOVA,
					  .pasid = NONE,
					  .access = VIOMMU_READ,
					  .type = VIOMMU_AT_TRANSLATED };
	struct viommu_fragment f;
	struct viommu_answer answer;

	open_ats(0, 0, 0);
	device = guest_device(&r.g, SID);
	sm_write(&r, SMMU_CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
	sm_run(&r);
	assert_int_equal(guest_ats(device, NONE, IOVA, 1).answer.ats, VIOMMU_ATS_UNSUPPORTED);
	assert_int_equal(sm_event_type(&r), F_BAD_ATS_TREQ);
	assert_int_equal(viommu_device_translate(device, &request, &f, 1, &answer), VIOMMU_FAULT);
	assert_int_equal(sm_event_type(&r), F_TRANSL_FORBIDDEN);
	/* 4.5.1: ATC_INV does nothing */
	sm_do(&r, CMD_ATC_INV | SM_PUT(CMD_SID, SID), 52);
	assert_int_equal(r.g.count[GUEST_ON_INVALIDATE], 0);
	sm_close(&r);
}

/* ---- 13.6.4: translated requests ---- */

static const struct {
	const char *name;
	uint64_t cr0;
	unsigned config;
	unsigned eats;
	uint64_t page2;
	uint64_t iova;
	uint64_t to; /* 0: refused */
	unsigned event;
	unsigned access;
} translated[] = {
	{ "ATSCHK 0: passes", 0, 5, 0, 0, TARGET, TARGET, 0, 1 },
	{ "ATSCHK 0: whatever the STE is", 0, 0, 0, 0, TARGET, TARGET, 0, 1 },
	{ "beyond OAS: no event", 0, 5, 0, 0, BIT(52), 0, 0, 1 },
	{ "ATSCHK, EATS 1", CR0_ATSCHK, 5, 1, 0, TARGET, TARGET, 0, 1 },
	{ "ATSCHK, EATS 0", CR0_ATSCHK, 5, 0, 0, TARGET, 0, F_TRANSL_FORBIDDEN, 1 },
	{ "ATSCHK, Config 4", CR0_ATSCHK, 4, 1, 0, TARGET, 0, F_TRANSL_FORBIDDEN, 1 },
	{ "ATSCHK, Config 0: no event", CR0_ATSCHK, 0, 1, 0, TARGET, 0, 0, 1 },
	{ "ATSCHK, EATS 2: stage 2", CR0_ATSCHK, 7, 2, SM_S2_RW, IPA, TARGET, 0, 2 },
	{ "ATSCHK, EATS 2: not mapped", CR0_ATSCHK, 7, 2, 0, IPA, 0, F_TRANSLATION, 1 },
	{ "ATSCHK, EATS 2: read-only", CR0_ATSCHK, 7, 2, SM_S2_RO, IPA, 0, F_PERMISSION, 2 },
	{ "ATSCHK, EATS 2: beyond IAS", CR0_ATSCHK, 7, 2, SM_S2_RW, BIT(52), 0, F_ADDR_SIZE, 1 },
};

static void translated_requests(void **state)
{
	for (unsigned i = 0; i < ARRAY_COUNT(translated); i++) {
		struct viommu_request request = { .first = translated[i].iova,
						  .last = translated[i].iova,
						  .pasid = NONE,
						  .access = (uint16_t)translated[i].access,
						  .type = VIOMMU_AT_TRANSLATED };
		struct viommu_device *device;

		open_ats(translated[i].cr0, 0, 0);
		stream(translated[i].config, translated[i].eats, RW, translated[i].page2);
		device = guest_device(&r.g, SID);
		for (unsigned warm = 0; warm < 2; warm++) {
			struct viommu_fragment f = { 0 };
			struct viommu_answer answer;
			int result = viommu_device_translate(device, &request, &f, 1, &answer);

			check_eq(translated[i].name, result,
				 translated[i].to ? VIOMMU_OK : VIOMMU_FAULT);
			check_eq(translated[i].name, f.gpa, translated[i].to);
			check_eq(translated[i].name, sm_event_type(&r), translated[i].event);
		}
		sm_close(&r);
	}
}

/* ---- 8: page requests ---- */

static int ask(struct viommu_device *device, uint32_t pasid, unsigned access, bool last)
{
	const struct viommu_page_request request = { .address = 0x5000,
						     .pasid = pasid,
						     .group = 0x155,
						     .access = (uint16_t)access,
						     .last = last };

	return viommu_request_page(device, &request);
}

static void page_requests(void **state)
{
	struct viommu_device *device;

	open_ats(CR0_PRIQEN, 0, 0);
	device = guest_device(&r.g, SID);
	assert_int_equal(ask(device, 3, VIOMMU_READ | VIOMMU_PRIV, true), VIOMMU_OK);
	assert_int_equal(sm_read(&r, SMMU_PRIQ_PROD, 4), 1);
	assert_int_equal(guest_get64(&r.g, r.priq),
			 SID | SM_PUT(PRI0_SSID, 3) | PRI0_SSV | PRI0_R | PRI0_PRIV | PRI0_LAST);
	assert_int_equal(guest_get64(&r.g, r.priq + 8), 0x5155);
	/* 8.2: without PASID neither X nor Priv */
	assert_int_equal(ask(device, NONE, VIOMMU_WRITE | VIOMMU_EXEC | VIOMMU_PRIV, false),
			 VIOMMU_OK);
	assert_int_equal(guest_get64(&r.g, r.priq + 16), SID | PRI0_W);
	assert_int_equal(r.lines[VIOMMU_SMMUV3_LINE_PRIQ], 1);
	assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 0);
	/* 4.5.2: codes are PCIe's in another order */
	for (unsigned code = 0; code < 3; code++) {
		static const uint16_t pcie[] = { 15, 1, 0 };

		sm_do(&r, CMD_PRI_RESP | SM_PUT(CMD_SID, SID) | CMD_SSV | SM_PUT(CMD_SSID, 3),
		      0x155 | SM_PUT(CMD_PRG_RESP, code));
		assert_int_equal(r.g.response[code].what.code, pcie[code]);
		assert_int_equal(r.g.response[code].what.group, 0x155);
		assert_int_equal(r.g.response[code].what.pasid, 3);
	}
	sm_close(&r);
}

static void page_overflow(void **state)
{
	static const struct {
		const char *name;
		uint64_t pps; /* IDR3 bits off */
		uint64_t ste1;
		unsigned config;
		uint32_t pasid;
		uint16_t code;
		uint32_t answered; /* PASID */
	} rows[] = {
		{ "8.1 without PASID", 0, 0, 5, NONE, 0, NONE },
		{ "8.1 PPS", 0, 0, 5, 3, 0, 3 },
		{ "8.1 PPAR 1", IDR3_PPS, STE1_PPAR, 5, 3, 0, 3 },
		{ "8.1 PPAR 0", IDR3_PPS, 0, 5, 3, 0, NONE },
		{ "8.1 no usable STE", IDR3_PPS, STE1_PPAR, 0, 3, 15, NONE },
	};

	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct viommu_device *device;
		uint64_t full = 1U << SM_QUEUE_LG2;

		open_ats(CR0_PRIQEN, 0, rows[i].pps);
		sm_put_ste(&r, SID, SM_STE0(rows[i].config), rows[i].ste1, 0, 0);
		device = guest_device(&r.g, SID);
		for (unsigned n = 0; n < full; n++)
			ask(device, rows[i].pasid, VIOMMU_READ, false);
		check_eq(rows[i].name, ask(device, rows[i].pasid, VIOMMU_READ, false),
			 VIOMMU_FAULT);
		check_eq(rows[i].name, sm_read(&r, SMMU_PRIQ_PROD, 4), full | QUEUE_OVFLG);
		check_eq(rows[i].name, r.g.count[GUEST_ON_RESPONSE], 0); /* not its last */
		check_eq(rows[i].name, ask(device, rows[i].pasid, VIOMMU_READ, true), VIOMMU_FAULT);
		check_eq(rows[i].name, r.g.count[GUEST_ON_RESPONSE], 1);
		check_eq(rows[i].name, r.g.response[0].what.code, rows[i].code);
		check_eq(rows[i].name, r.g.response[0].what.pasid, rows[i].answered);
		/* unlike the event queue: nothing is written until the overflow is acknowledged */
		sm_write(&r, SMMU_PRIQ_CONS, 4, 4);
		ask(device, rows[i].pasid, VIOMMU_READ, false);
		check_eq(rows[i].name, sm_read(&r, SMMU_PRIQ_PROD, 4), full | QUEUE_OVFLG);
		sm_write(&r, SMMU_PRIQ_CONS, 4, 4 | QUEUE_OVFLG);
		check_eq(rows[i].name, ask(device, rows[i].pasid, VIOMMU_READ, false), VIOMMU_OK);
		check_eq(rows[i].name, sm_read(&r, SMMU_PRIQ_PROD, 4), (full + 1) | QUEUE_OVFLG);
		sm_close(&r);
	}
}

static void page_requests_off(void **state)
{
	struct viommu_device *device;

	open_ats(0, 0, 0);
	device = guest_device(&r.g, SID);
	assert_int_equal(ask(device, 3, VIOMMU_READ, false), VIOMMU_FAULT);
	assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 1);
	assert_int_equal(r.g.response[0].what.code, 15);
	assert_int_equal(r.g.response[0].what.pasid, NONE);
	ask(device, 3, 0, true); /* 8.1: a stop marker is never answered */
	assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 1);
	/* PRIQ_ABT */
	sm_write(&r, SMMU_PRIQ_BASE, 8, UINT64_C(0xff0000000) | SM_QUEUE_LG2);
	sm_write(&r, SMMU_CR0, 4, CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | CR0_PRIQEN);
	assert_int_equal(ask(device, 3, VIOMMU_READ, true), VIOMMU_FAULT);
	assert_int_equal(sm_read(&r, SMMU_GERROR, 4), GERROR_PRIQ_ABT);
	assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 2);
	assert_int_equal(r.g.response[1].what.code, 15);
	sm_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translation_requests),
		cmocka_unit_test(no_write),
		cmocka_unit_test(off),
		cmocka_unit_test(translated_requests),
		cmocka_unit_test(page_requests),
		cmocka_unit_test(page_overflow),
		cmocka_unit_test(page_requests_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
