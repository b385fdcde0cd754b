/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_page_request.c - page requests (7.4 to 7.7, 11.4.11): the queue, its event, overflow,
 * refusals and their responses, group responses (notes section 4).
 */

#include <string.h>

#include "vtd_unit.h"

#define NONE VIOMMU_NO_PASID
#define PPR  1U
#define PRO  2U
#define IM   BIT(31)
#define IP   BIT(30)

static struct unit *open_requests(unsigned pqs)
{
	struct unit *u = unit_scalable();

	guest_page_queue_on(&u->g, pqs);
	guest_events(&u->g);
	trace_clear(&u->t);
	return u;
}

static struct viommu_page_request request_of(uint64_t address, uint32_t pasid, unsigned access,
					     uint16_t group, bool last)
{
	return (struct viommu_page_request){ .address = address,
					     .pasid = pasid,
					     .group = group,
					     .access = (uint16_t)access,
					     .last = last };
}

static int ask(struct unit *u, uint32_t pasid, unsigned access, uint16_t group, bool last)
{
	struct viommu_page_request r = request_of(UNIT_IOVA, pasid, access, group, last);

	return viommu_request_page(u->dev, &r);
}

/* ---- the descriptor ---- */

static const struct {
	const char *name;
	uint64_t address;
	uint32_t pasid;
	unsigned access;
	uint16_t group;
	bool last;
	uint64_t q[2];
} layouts[] = {
	{ "read", 0x1000, NONE, VIOMMU_READ, 0, false, { 0x00100001, 0x1001 } },
	{ "write, last", 0x1000, NONE, VIOMMU_WRITE, 0, true, { 0x00100001, 0x1006 } },
	{ "both, group 511",
	  ~UINT64_C(0xfff),
	  NONE,
	  VIOMMU_READ | VIOMMU_WRITE,
	  511,
	  false,
	  { 0x00100001, UINT64_C(0xfffffffffffffffb) } },
	{ "PASID",
	  0,
	  0xfffff,
	  VIOMMU_READ,
	  0x155,
	  true,
	  { UINT64_C(0x000fffff00100101), 0xaa8 | 5 } },
	{ "PASID, execute",
	  0,
	  1,
	  VIOMMU_READ | VIOMMU_EXEC,
	  0,
	  true,
	  { UINT64_C(0x0010000100100101), 5 } },
	{ "PASID, privileged",
	  0,
	  1,
	  VIOMMU_WRITE | VIOMMU_PRIV,
	  0,
	  true,
	  { UINT64_C(0x0020000100100101), 6 } },
	{ "stop marker", 0, 7, 0, 3, true, { UINT64_C(0x0000000700100101), 0x1c } },
};

static void test_layout(void **state)
{
	struct unit *u = open_requests(0);

	for (size_t i = 0; i < ROWS(layouts); i++) {
		struct viommu_page_request r =
			request_of(layouts[i].address, layouts[i].pasid, layouts[i].access,
				   layouts[i].group, layouts[i].last);
		uint64_t at = u->g.pages + 32 * i;

		row_name = layouts[i].name;
		for (unsigned k = 0; k < 4; k++)
			guest_put64(&u->g, at + 8 * k, UINT64_MAX);
		row_equal(viommu_request_page(u->dev, &r), VIOMMU_OK);
		row_equal(guest_read64(&u->g, VTD_PQT), 32 * (i + 1));
		row_equal(guest_get64(&u->g, at), layouts[i].q[0]);
		row_equal(guest_get64(&u->g, at + 8), layouts[i].q[1]);
		row_equal(guest_get64(&u->g, at + 16), 0);
		row_equal(guest_get64(&u->g, at + 24), 0);
	}
	row_equal(guest_read64(&u->g, VTD_PQH), 0);
	row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 0);
	row_equal(fsts(u), 0);
	unit_close(u);
}

/* ---- the event ---- */

static void test_event(void **state)
{
	struct unit *u = open_requests(0);

	row_name = "4 PPR and the event come with the last request of a group only";
	row_equal(ask(u, NONE, VIOMMU_READ, 1, false), VIOMMU_OK);
	row_equal(guest_read32(&u->g, VTD_PRS), 0);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 0);
	row_equal(ask(u, NONE, VIOMMU_READ, 1, true), VIOMMU_OK);
	row_equal(guest_read32(&u->g, VTD_PRS), PPR);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_equal(trace_msi(&u->t, 0).data, 0x32);
	row_equal(trace_msi(&u->t, 0).address, 0xfee03000);
	row_name = "none while PPR is set";
	row_equal(ask(u, NONE, VIOMMU_READ, 2, true), VIOMMU_OK);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_name = "PPR is W1C";
	guest_write32(&u->g, VTD_PRS, 0);
	row_equal(guest_read32(&u->g, VTD_PRS), PPR);
	guest_write32(&u->g, VTD_PRS, PPR);
	row_equal(guest_read32(&u->g, VTD_PRS), 0);
	row_name = "masked: IP, sent when unmasked";
	guest_write32(&u->g, VTD_PECTL, (uint32_t)IM);
	row_equal(ask(u, NONE, VIOMMU_READ, 3, true), VIOMMU_OK);
	row_equal(guest_read32(&u->g, VTD_PECTL), IM | IP);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	guest_write32(&u->g, VTD_PECTL, 0);
	row_equal(guest_read32(&u->g, VTD_PECTL), 0);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 2);
	row_name = "clearing the status clears IP";
	guest_write32(&u->g, VTD_PRS, PPR);
	guest_write32(&u->g, VTD_PECTL, (uint32_t)IM);
	row_equal(ask(u, NONE, VIOMMU_READ, 4, true), VIOMMU_OK);
	guest_write32(&u->g, VTD_PRS, PPR);
	row_equal(guest_read32(&u->g, VTD_PECTL), IM);
	guest_write32(&u->g, VTD_PECTL, 0);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 2);
	row_name = "25 64-bit message address";
	guest_write32(&u->g, VTD_PEUADDR, 0x1234);
	row_equal(ask(u, NONE, VIOMMU_READ, 5, true), VIOMMU_OK);
	row_equal(trace_msi(&u->t, 2).address, UINT64_C(0x1234fee03000));
	row_name = "the entry is in the queue before the event is sent";
	guest_write32(&u->g, VTD_PRS, PPR);
	u->t.watch = (uint32_t *)guest_at(&u->g, u->g.pages + guest_read64(&u->g, VTD_PQT));
	row_equal(ask(u, NONE, VIOMMU_READ, 6, true), VIOMMU_OK);
	row_equal(trace_nth(&u->t, GUEST_ON_MSI, 3)->watched, 0x00100001);
	unit_close(u);
}

/* ---- overflow ---- */

static void test_overflow(void **state)
{
	struct unit *u = open_requests(0);

	row_name = "7.4.1 full is one less than the size";
	for (unsigned i = 0; i < 127; i++)
		row_equal(ask(u, NONE, VIOMMU_READ, 1, false), VIOMMU_OK);
	row_equal(guest_read64(&u->g, VTD_PQT), 127 * 32);
	row_equal(guest_read32(&u->g, VTD_PRS), 0);
	row_name = "overflow: PRO, the event, nothing queued, LPIG=0 gets no response";
	row_equal(ask(u, NONE, VIOMMU_READ, 2, false), VIOMMU_FAULT);
	row_equal(guest_read32(&u->g, VTD_PRS), PRO);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_equal(guest_read64(&u->g, VTD_PQT), 127 * 32);
	row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 0);
	row_name = "4 LPIG=1 is answered with Success";
	row_equal(ask(u, 5, VIOMMU_READ, 0x1ff, true), VIOMMU_FAULT);
	row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 1);
	row_equal(trace_response(&u->t, 0)->code, 0);
	row_equal(trace_response(&u->t, 0)->group, 0x1ff);
	row_equal(trace_response(&u->t, 0)->pasid, 5);
	row_name = "4 a stop marker is dropped silently";
	row_equal(ask(u, 5, 0, 1, true), VIOMMU_FAULT);
	row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 1);
	row_name = "4 nothing is queued while PRO is set, even if there is room";
	guest_write64(&u->g, VTD_PQH, 64 * 32);
	row_equal(ask(u, NONE, VIOMMU_READ, 2, true), VIOMMU_FAULT);
	row_equal(guest_read64(&u->g, VTD_PQT), 127 * 32);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_equal(trace_response(&u->t, 1)->pasid, NONE);
	row_name = "PRO cleared: goes on, around the end";
	guest_write32(&u->g, VTD_PRS, PRO);
	row_equal(ask(u, NONE, VIOMMU_READ, 3, true), VIOMMU_OK);
	row_equal(guest_read64(&u->g, VTD_PQT), 0);
	row_equal(ask(u, NONE, VIOMMU_WRITE, 3, true), VIOMMU_OK);
	row_equal(guest_read64(&u->g, VTD_PQT), 32);
	row_equal(guest_get64(&u->g, u->g.pages + 8), UNIT_IOVA | 3 << 3 | 6);
	row_equal(fsts(u), 0); /* no fault of it */
	unit_close(u);
}

/* A device that asks again from inside of its answer. */
static struct {
	struct viommu_device *device;
	unsigned depth;
	unsigned deepest;
	unsigned answers;
	int result;
} again;

static void ask_again(void *opaque, const struct viommu_page_response *response)
{
	const struct viommu_page_request request = { .address = UNIT_IOVA,
						     .pasid = response->pasid,
						     .group = response->group,
						     .access = VIOMMU_READ,
						     .last = 1 };

	(void)opaque;
	again.answers++;
	if (++again.depth > again.deepest)
		again.deepest = again.depth;
	if (again.answers < 100)
		again.result = viommu_request_page(again.device, &request);
	again.depth--;
}

static void test_asked_again(void **state)
{
	struct viommu_device_config config = { .size = sizeof(config),
					       .id = 0x200,
					       .page_response = ask_again };
	struct viommu_page_request request = {
		.address = UNIT_IOVA, .pasid = NONE, .group = 1, .access = VIOMMU_READ, .last = 1
	};
	struct unit *u = open_requests(0);
	struct guest_pasid p = { .did = 9, .pgtt = VTD_PGTT_SECOND, .ss = u->ss, .ss_levels = 4 };

	memset(&again, 0, sizeof(again));
	guest_pasid(&u->g, 0x200, 0, &p);
	row_equal(viommu_device_new(u->g.iommu, &config, &again.device), VIOMMU_OK);
	for (unsigned i = 0; i < 127; i++)
		row_equal(ask(u, NONE, VIOMMU_READ, 1, false), VIOMMU_OK);
	row_name = "overflow: who asks again from inside the answer is not answered from inside";
	row_equal(viommu_request_page(again.device, &request), VIOMMU_FAULT);
	row_equal(again.deepest, 1);
	row_equal(again.answers, 1);
	row_equal(again.result, VIOMMU_EBUSY);
	row_name = "afterwards as before";
	row_equal(viommu_request_page(again.device, &request), VIOMMU_FAULT);
	row_equal(again.answers, 2);
	row_equal(viommu_device_free(again.device), VIOMMU_OK);
	unit_close(u);
}

static void test_sizes(void **state)
{
	row_name = "11.4.11.3 2^(PQS+7) entries";
	for (unsigned pqs = 0; pqs < 8; pqs++) {
		struct unit *u = open_requests(pqs);
		unsigned n = 0;

		while (ask(u, NONE, VIOMMU_READ, 1, false) == VIOMMU_OK)
			assert_true(++n < 100000);
		row_equal(n, (128U << pqs) - 1);
		guest_write64(&u->g, VTD_PQH, 32);
		guest_write32(&u->g, VTD_PRS, PRO);
		row_equal(ask(u, NONE, VIOMMU_READ, 1, false), VIOMMU_OK);
		row_equal(guest_read64(&u->g, VTD_PQT), 0);
		unit_close(u);
	}
}

/* Indices that software has put beyond the queue: bounded, inside the queue (obligation 4). */
static void test_wild_indices(void **state)
{
	struct unit *u = open_requests(0);
	uint64_t behind = guest_alloc(&u->g, 1);

	row_name = "4 a tail beyond the queue";
	guest_write64(&u->g, VTD_PQT, 0x7ffe0);
	for (unsigned i = 0; i < 300; i++)
		ask(u, NONE, VIOMMU_READ, 1, false);
	for (unsigned i = 0; i < 512; i++)
		row_equal(guest_get64(&u->g, behind + 8 * i), 0);
	unit_close(u);
}

/* ---- refusals ---- */

enum place { NOTHING, ROOT, CONTEXT, CONTEXT1, RTADDR, QUEUE, TE_OFF };

static void damage(struct unit *u, enum place place, uint64_t clear, uint64_t set)
{
	uint64_t context = guest_scalable_entry(&u->g, UNIT_RID);
	uint64_t at = place == ROOT ? u->g.root : place == CONTEXT1 ? context + 8 : context;

	if (place == RTADDR) {
		guest_write64(&u->g, VTD_RTADDR, (u->g.root & ~clear) | set);
		gcmd(u, VTD_G_RTP, 0);
	} else if (place == TE_OFF) {
		gcmd(u, 0, VTD_G_TE);
	} else if (place == QUEUE) {
		guest_write64(&u->g, VTD_PQA, set);
	} else if (place != NOTHING) {
		guest_put64(&u->g, at, (guest_get64(&u->g, at) & ~clear) | set);
	}
}

#define NOWHERE UINT64_C(0x80000000)
#define ADDRESS BITS(63, 12)

static const struct {
	const char *name;
	enum place place;
	uint64_t clear;
	uint64_t set;
	uint32_t pasid;
	unsigned reason; /* recorded; 0: nothing */
	bool qualified;
	unsigned code;
} refusals[] = {
	{ "RTA.3 legacy TTM", RTADDR, 0, 0, NONE, 0x32, false, 15 },
	{ "RTA.1 TTM=2", RTADDR, 0, BIT(11), NONE, 0x30, false, 15 },
	{ "2 abort mode", RTADDR, 0, BITS(11, 10), NONE, 0, false, 15 },
	{ "TE=0", TE_OFF, 0, 0, NONE, 0, false, 15 },
	{ "SRT.1", RTADDR, UINT64_MAX, NOWHERE | BIT(10), NONE, 0x38, false, 15 },
	{ "SRT.2", ROOT, 1, 0, NONE, 0x39, false, 15 },
	{ "SRT.3", ROOT, 0, BIT(1), NONE, 0x3a, false, 15 },
	{ "SCT.1", ROOT, ADDRESS, NOWHERE, NONE, 0x40, false, 15 },
	{ "SCT.2", CONTEXT, 1, 0, NONE, 0x41, true, 15 },
	{ "SCT.3", CONTEXT, 0, BIT(5), NONE, 0x42, true, 15 },
	{ "SCT.5 DTE=0", CONTEXT, BIT(2), 0, NONE, 0x44, true, 1 },
	{ "SCT.6 PASIDE=0", CONTEXT, BIT(3), 0, 5, 0x45, true, 1 },
	{ "SCT.7 PASID beyond PDTS", CONTEXT, BITS(11, 9), 0, 0x2000, 0x46, true, 15 },
	{ "SCT.8 PRE=0", CONTEXT, BIT(4), 0, NONE, 0x47, true, 1 },
	{ "queue cannot be written", QUEUE, 0, NOWHERE, NONE, 0, false, 15 },
	{ "queue above HAW", QUEUE, 0, BIT(52), NONE, 0, false, 15 },
};

static void test_refusals(void **state)
{

	for (size_t i = 0; i < 2 * ROWS(refusals); i++) {
		const bool fpd = i >= ROWS(refusals);
		const size_t n = i % ROWS(refusals);
		struct unit *u = open_requests(0);
		struct guest_fault fault;
		bool expect = refusals[n].reason && !(fpd && refusals[n].qualified);

		row_name = refusals[n].name;
		damage(u, CONTEXT, 0, fpd ? BIT(1) : 0);
		damage(u, refusals[n].place, refusals[n].clear, refusals[n].set);
		row_equal(ask(u, refusals[n].pasid, VIOMMU_READ, 9, true), VIOMMU_FAULT);
		row_equal(guest_take_fault(&u->g, &fault), expect);
		if (expect) {
			uint64_t prefix = BIT(31) | (uint64_t)refusals[n].pasid << 40;

			row_equal(fault.info, UNIT_IOVA);
			/* page request: (T1, T2) = 01 */
			row_equal(fault.high,
				  BIT(63) | BIT(28) | (uint64_t)refusals[n].reason << 32 |
					  UNIT_RID | (refusals[n].pasid == NONE ? 0 : prefix));
		}
		row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 1);
		row_equal(trace_response(&u->t, 0)->code, refusals[n].code);
		row_equal(trace_response(&u->t, 0)->group, 9);
		row_equal(trace_response(&u->t, 0)->pasid, refusals[n].pasid);
		row_name = "LPIG=0 gets no response";
		row_equal(ask(u, refusals[n].pasid, VIOMMU_READ, 9, false), VIOMMU_FAULT);
		row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 1);
		row_equal(guest_read64(&u->g, VTD_PQT), 0);
		row_equal(guest_read32(&u->g, VTD_PRS), 0);
		unit_close(u);
	}
}

static void test_arguments(void **state)
{
	struct viommu_page_request good = request_of(0x1000, NONE, VIOMMU_READ, 1, true);
	struct unit *u = open_requests(0);
	struct viommu_page_request r;

	row_name = "misuse";
	row_equal(viommu_request_page(NULL, &good), VIOMMU_EINVAL);
	row_equal(viommu_request_page(u->dev, NULL), VIOMMU_EINVAL);
#define WRONG(field, value)                                                                        \
	do {                                                                                       \
		r = good;                                                                          \
		r.field = value;                                                                   \
		row_equal(viommu_request_page(u->dev, &r), VIOMMU_EINVAL);                         \
	} while (0)
	WRONG(address, 0x1001);
	WRONG(pasid, 0x100000);
	WRONG(group, 0x200);
	WRONG(access, 16);
	WRONG(last, 2);
	WRONG(reserved, 1);
	row_equal(guest_read64(&u->g, VTD_PQT), 0);
	unit_close(u);
	u = unit_legacy(GUEST_ECAP_LEGACY);
	row_name = "PRS=0";
	row_equal(viommu_request_page(u->dev, &good), VIOMMU_ENOTSUP);
	unit_close(u);
}

/* ---- group responses: descriptor 9 (6.5.2.9) ---- */

static const struct {
	const char *name;
	uint64_t q[4];
	uint32_t pasid;
	uint16_t group;
	uint16_t code;
	uint64_t data[2];
} responses[] = {
	{ "success", { 9 | UNIT_RID << 16, 4, 0, 0 }, NONE, 0, 0, { 0, 0 } },
	{ "PASID",
	  { 9 | BIT(4) | UNIT_RID << 16 | UINT64_C(0xfffff) << 32, 4, 0, 0 },
	  0xfffff,
	  0,
	  0,
	  { 0, 0 } },
	{ "no PASID_P: the field is ignored",
	  { 9 | UNIT_RID << 16 | UINT64_C(0xfffff) << 32, 4, 0, 0 },
	  NONE,
	  0,
	  0,
	  { 0, 0 } },
	{ "group 511", { 9 | UNIT_RID << 16, 4 | 511 << 3, 0, 0 }, NONE, 511, 0, { 0, 0 } },
	{ "invalid request", { 9 | 1 << 12 | UNIT_RID << 16, 4, 0, 0 }, NONE, 0, 1, { 0, 0 } },
	{ "failure", { 9 | 15 << 12 | UNIT_RID << 16, 4, 0, 0 }, NONE, 0, 15, { 0, 0 } },
	{ "4 other codes are failures",
	  { 9 | 2 << 12 | UNIT_RID << 16, 4, 0, 0 },
	  NONE,
	  0,
	  15,
	  { 0, 0 } },
	{ "4 other codes are failures: 14",
	  { 9 | 14 << 12 | UNIT_RID << 16, 4, 0, 0 },
	  NONE,
	  0,
	  15,
	  { 0, 0 } },
	{ "private data",
	  { 9 | BIT(5) | UNIT_RID << 16, 4, UINT64_C(0x0123456789abcdef), UINT64_MAX },
	  NONE,
	  0,
	  0,
	  { UINT64_C(0x0123456789abcdef), UINT64_MAX } },
	{ "private data without the last request of a group",
	  { 9 | BIT(5) | UNIT_RID << 16, 0, 1, 2 },
	  NONE,
	  0,
	  0,
	  { 1, 2 } },
};

static void test_responses(void **state)
{
	struct unit *u = open_requests(0);

	for (size_t i = 0; i < ROWS(responses); i++) {
		row_name = responses[i].name;
		trace_clear(&u->t);
		row_equal(submit4(u, responses[i].q), VIOMMU_OK);
		row_equal(fsts(u), 0);
		row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 1);
		row_equal(u->g.response[0].id, UNIT_RID);
		row_equal(trace_response(&u->t, 0)->pasid, responses[i].pasid);
		row_equal(trace_response(&u->t, 0)->group, responses[i].group);
		row_equal(trace_response(&u->t, 0)->code, responses[i].code);
		row_equal(trace_response(&u->t, 0)->data[0], responses[i].data[0]);
		row_equal(trace_response(&u->t, 0)->data[1], responses[i].data[1]);
	}
	row_name = "nobody's";
	trace_clear(&u->t);
	row_equal(submit(u, 9 | UINT64_C(0x77) << 16, 4), VIOMMU_OK);
	row_equal(fsts(u), 0);
	row_equal(trace_count(&u->t, GUEST_ON_RESPONSE), 0);
	unit_close(u);
}

/* Wait with PD (6.5.2.8): earlier requests are in the queue, earlier responses have left. */
static void test_drain(void **state)
{
	struct unit *u = open_requests(0);

	row_name = "7.10 wait with PD, after the responses";
	row_equal(ask(u, 5, VIOMMU_READ, 1, true), VIOMMU_OK);
	guest_submit(&u->g, 9 | BIT(4) | UNIT_RID << 16 | UINT64_C(5) << 32, 4 | 1 << 3, 0, 0);
	guest_submit(&u->g, 5 | BIT(7) | BIT(5) | BIT(6) | UINT64_C(0xd0) << 32, u->g.status, 0, 0);
	u->t.watch = guest_at(&u->g, u->g.status);
	row_equal(guest_ring(&u->g), VIOMMU_OK);
	row_equal(guest_get32(&u->g, u->g.status), 0xd0);
	row_equal(trace_nth(&u->t, GUEST_ON_RESPONSE, 0)->watched, 0);
	row_equal(guest_read64(&u->g, VTD_PQT), 32);
	unit_close(u);
}

/* 11.4.11: the queue's address and an index of it may not wrap to the start of memory. */
static void test_queue_wraps(void **state)
{
	static _Alignas(4096) uint64_t start[512];
	struct viommu_region low = { .size = sizeof(low), .bytes = sizeof(start), .host = start };
	struct unit *u = open_requests(1);

	(void)state;
	memset(start, 0, sizeof(start));
	row_equal(viommu_vm_add_region(u->g.vm, &low), VIOMMU_OK);
	guest_write64(&u->g, VTD_PQA, ~UINT64_C(0xfff) | 1);
	guest_write64(&u->g, VTD_PQT, 0x1000);
	row_equal(ask(u, NONE, VIOMMU_READ, 3, true), VIOMMU_FAULT);
	row_equal(start[0], 0);
	row_equal(guest_read64(&u->g, VTD_PQT), 0x1000);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	    cmocka_unit_test(test_event),
		cmocka_unit_test(test_overflow),    cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_sizes),	    cmocka_unit_test(test_wild_indices),
		cmocka_unit_test(test_refusals),    cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_responses),   cmocka_unit_test(test_drain),
		cmocka_unit_test(test_queue_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
