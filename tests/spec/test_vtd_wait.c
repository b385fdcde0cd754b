/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_wait.c - invalidation wait descriptors (6.5.2.8), the completion event, and completion
 * after the sections that were open (obligation 13).
 */

#include "vtd_unit.h"

#define WAIT 5U
#define IF   BIT(4)
#define SW   BIT(5)
#define FN   BIT(6)
#define IM   BIT(31)
#define IP   BIT(30)
#define IWC  1U

static void events_on(struct unit *u)
{
	guest_write32(&u->g, VTD_IEDATA, 0x61);
	guest_write32(&u->g, VTD_IEADDR, 0xfee03000);
	guest_write32(&u->g, VTD_IEUADDR, 0x77);
	guest_write32(&u->g, VTD_IECTL, 0);
	trace_clear(&u->t);
}

/* ---- SW, IF, FN ---- */

static void test_all_combinations(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	uint64_t status = u->g.status;

	events_on(u);
	u->t.watch = guest_at(&u->g, status + 8);
	for (uint64_t bits = 0; bits < 8; bits++) {
		uint64_t flags = bits << 4;

		row_name = "6.5.2.8 any combination of SW, IF and FN";
		for (unsigned i = 0; i < 3; i++)
			guest_put64(&u->g, status + 8 * i, UINT64_MAX);
		trace_clear(&u->t);
		row_equal(submit(u, WAIT | flags | UINT64_C(0x12345678) << 32, status + 8),
			  VIOMMU_OK);
		row_equal(guest_read64(&u->g, VTD_IQH), u->g.tail);
		row_name = "32 bits are written, and no more";
		row_equal(guest_get64(&u->g, status), UINT64_MAX);
		row_equal(guest_get64(&u->g, status + 8),
			  flags & SW ? UINT64_C(0xffffffff12345678) : UINT64_MAX);
		row_equal(guest_get64(&u->g, status + 16), UINT64_MAX);
		row_equal(trace_count(&u->t, GUEST_ON_DIRTY), (flags & SW) != 0);
		if (flags & SW) {
			row_equal(u->g.dirty[0].gpa, status + 8);
			row_equal(u->g.dirty[0].bytes, 4);
		}
		row_name = "IF: IWC and the event, after the status";
		row_equal(guest_read32(&u->g, VTD_ICS), flags & IF ? IWC : 0);
		row_equal(trace_count(&u->t, GUEST_ON_MSI), (flags & IF) != 0);
		if (flags & IF) {
			row_equal(trace_msi(&u->t, 0).address, UINT64_C(0x77fee03000));
			row_equal(trace_msi(&u->t, 0).data, 0x61);
			row_equal(trace_nth(&u->t, GUEST_ON_MSI, 0)->watched,
				  flags & SW ? 0x12345678 : UINT32_MAX);
		}
		guest_write32(&u->g, VTD_ICS, IWC);
		row_equal(guest_read32(&u->g, VTD_ICS), 0);
	}
	row_name = "the odd word of a quadword";
	row_equal(submit(u, WAIT | SW | UINT64_C(0xabcd) << 32, status + 4), VIOMMU_OK);
	row_equal(guest_get64(&u->g, status), UINT64_C(0x0000abcdffffffff));
	unit_close(u);
}

/* ---- the event ---- */

struct event_step {
	const char *name;
	enum { COMPLETE, CLEAR, NOT_CLEAR, CONTROL } what;
	uint64_t with;
	unsigned msis;
	uint64_t iectl;
	uint32_t ics;
};

static void test_event(void **state)
{
	static const struct event_step steps[] = {
		{ "masked: IP", COMPLETE, 0, 0, IM | IP, IWC },
		{ "IP is read-only", CONTROL, IM, 0, IM | IP, IWC },
		{ "unmask sends", CONTROL, 0, 1, 0, IWC },
		{ "unmask again does not", CONTROL, 0, 0, 0, IWC },
		{ "IWC=1: no new event", COMPLETE, 0, 0, 0, IWC },
		{ "writing 0 does not clear IWC", NOT_CLEAR, 0, 0, 0, IWC },
		{ "IWC cleared", CLEAR, 0, 0, 0, 0 },
		{ "unmasked: sends", COMPLETE, 0, 1, 0, IWC },
		{ "mask", CONTROL, IM, 0, IM, IWC },
		{ "IWC=1 and masked: not even IP", COMPLETE, 0, 0, IM, IWC },
		{ "IWC cleared", CLEAR, 0, 0, IM, 0 },
		{ "IP", COMPLETE, 0, 0, IM | IP, IWC },
		{ "clearing IWC clears IP", CLEAR, 0, 0, IM, 0 },
		{ "nothing is left to send", CONTROL, 0, 0, 0, 0 },
	};
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	events_on(u);
	guest_write32(&u->g, VTD_IECTL, (uint32_t)IM);
	for (size_t i = 0; i < ROWS(steps); i++) {
		row_name = steps[i].name;
		trace_clear(&u->t);
		if (steps[i].what == COMPLETE)
			row_equal(submit(u, WAIT | IF, 0), VIOMMU_OK);
		else if (steps[i].what == CONTROL)
			guest_write32(&u->g, VTD_IECTL, (uint32_t)steps[i].with);
		else
			guest_write32(&u->g, VTD_ICS, steps[i].what == CLEAR ? IWC : ~IWC);
		row_equal(trace_count(&u->t, GUEST_ON_MSI), steps[i].msis);
		row_equal(guest_read32(&u->g, VTD_IECTL), steps[i].iectl);
		row_equal(guest_read32(&u->g, VTD_ICS), steps[i].ics);
	}
	unit_close(u);
}

/* ---- status that cannot be written ---- */

static void test_status_fails(void **state)
{
	static const uint64_t addresses[] = { UINT64_C(0x80000000), BIT(52), ~UINT64_C(3),
					      UINT64_C(0x40000000) };
	static uint8_t rom[4096] __attribute__((aligned(4096)));
	const struct viommu_region region = { .size = sizeof(region),
					      .flags = VIOMMU_REGION_READONLY,
					      .gpa = UINT64_C(0x40000000),
					      .bytes = 4096,
					      .host = rom };
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	row_name = "8 the status cannot be written: IQE 2, the head stays, no event";
	events_on(u);
	row_equal(viommu_vm_add_region(u->g.vm, &region), VIOMMU_OK);
	for (size_t i = 0; i < ROWS(addresses); i++) {
		uint64_t head = guest_read64(&u->g, VTD_IQH);

		row_equal(submit(u, WAIT | SW | IF, addresses[i]), VIOMMU_OK);
		row_equal(fsts(u), VTD_FSTS_IQE);
		row_equal(guest_read64(&u->g, VTD_IQERCD), 2);
		row_equal(guest_read64(&u->g, VTD_IQH), head);
		row_equal(guest_read32(&u->g, VTD_ICS), 0);
		row_equal(trace_count(&u->t, GUEST_ON_MSI), 0);
		queue_recover(u);
	}
	row_equal(rom[0], 0);
	guest_wait(&u->g);
	unit_close(u);
}

/* ---- sections ---- */

static void test_section_holds_back_status(void **state)
{
	const uint64_t descriptors[] = { 0x11, Q_IOTLB(2, UNIT_DID), 4, 0x14, 0x12 };
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *a = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);
	struct viommu_channel *b = guest_channel(&u->g, u->dev2, VIOMMU_NO_PASID);

	for (size_t i = 0; i < ROWS(descriptors); i++) {
		row_name = "13 a section that was open holds back the status";
		row_equal(where_channel(a, VIOMMU_NO_PASID, UNIT_IOVA, VIOMMU_READ), u->page[0]);
		row_equal(viommu_enter(a), VIOMMU_OK);
		guest_submit(&u->g, descriptors[i], 0, 0, 0);
		guest_submit_wait(&u->g);
		row_equal(guest_ring(&u->g), VIOMMU_PENDING);
		row_equal(guest_waited(&u->g), false);
		row_equal(guest_read64(&u->g, VTD_IQH) == u->g.tail, false);
		row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
		row_equal(guest_waited(&u->g), false);
		row_name = "13 one that was opened afterwards does not";
		row_equal(viommu_enter(b), VIOMMU_OK);
		trace_clear(&u->t);
		row_equal(viommu_leave(a), VIOMMU_OK);
		row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
		row_equal(guest_waited(&u->g), false); /* done by viommu_run() only */
		row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
		row_equal(guest_waited(&u->g), true);
		row_equal(guest_read64(&u->g, VTD_IQH), u->g.tail);
		row_equal(viommu_leave(b), VIOMMU_OK);
	}
	unit_close(u);
}

static void test_two_sections(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *a = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);
	struct viommu_channel *b = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);

	row_name = "13 each section that was open";
	viommu_enter(a);
	viommu_enter(b);
	guest_submit(&u->g, 0x12, 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_name = "13 leaving and entering again is another section";
	viommu_enter(a);
	viommu_leave(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_name = "13 and it holds back the next one";
	guest_submit(&u->g, 0x12, 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	unit_close(u);
}

/* A wait that was held back: what comes behind it is executed when it is done. */
static void test_behind_a_wait(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *a = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);

	row_name = "FN=1 holds back what comes later";
	viommu_enter(a);
	guest_submit(&u->g, 0x12, 0, 0, 0);
	guest_submit_wait(&u->g);
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	guest_submit(&u->g, 0xf, 0, 0, 0);
	trace_clear(&u->t);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), 0);
	row_equal(fsts(u), 0);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), 1);
	row_equal(fsts(u), VTD_FSTS_IQE);
	unit_close(u);
}

/* ---- registers whose completion waits for sections ---- */

#define IOTLB_REG 0xf8U /* ECAP.IRO of the default */

static void test_section_holds_back_registers(void **state)
{
	static const struct {
		const char *name;
		uint32_t offset;
		uint32_t bytes;
		uint64_t value;
		uint32_t status; /* register that tells */
		uint64_t mask;	 /* bits of its upper or only half, */
		uint64_t before; /* while the section is open */
		uint64_t after;
		unsigned prepare; /* GCMD bits that are on before, in units of bit 23 */
	} rows[] = {
		{ "ICC", 0x28, 8, BIT(63) | BIT(61), 0x2c, BIT(31), BIT(31), 0, 0 },
		{ "ICC, upper half written", 0x2c, 4, BIT(31) | BIT(29), 0x2c, BIT(31), BIT(31), 0,
		  0 },
		{ "IVT", IOTLB_REG, 8, BIT(63) | BIT(60), IOTLB_REG + 4, BIT(31), BIT(31), 0, 0 },
		{ "TES on", 0x18, 4, BIT(31), 0x1c, BIT(31), 0, BIT(31), 0 },
		{ "TES off", 0x18, 4, 0, 0x1c, BIT(31), BIT(31), 0, 0x100 },
		{ "RTPS", 0x18, 4, BIT(30), 0x1c, BIT(30), 0, BIT(30), 0 },
		{ "IRES on", 0x18, 4, BIT(25), 0x1c, BIT(25), 0, BIT(25), 0 },
		{ "IRES off", 0x18, 4, 0, 0x1c, BIT(25), BIT(25), 0, 4 },
		{ "IRTPS", 0x18, 4, BIT(24), 0x1c, BIT(24), 0, BIT(24), 0 },
		{ "CFIS on", 0x18, 4, BIT(23), 0x1c, BIT(23), 0, BIT(23), 0 },
		{ "11.4.8 PRS on", 0x64, 4, BIT(31), 0x64, 1, 0, 1, 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = unit_open(GUEST_CAP | VTD_CAP_PLMR, GUEST_ECAP_LEGACY);
		struct viommu_channel *c;

		row_name = rows[i].name;
		u->dev = guest_device(&u->g, UNIT_RID);
		c = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);
		if (rows[i].prepare)
			gcmd(u, (uint64_t)rows[i].prepare << 23, 0);
		viommu_enter(c);
		row_equal(viommu_reg_write(u->g.iommu, rows[i].offset, rows[i].bytes,
					   rows[i].value),
			  VIOMMU_PENDING);
		row_equal(guest_read32(&u->g, rows[i].status) & rows[i].mask, rows[i].before);
		row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
		row_equal(guest_read32(&u->g, rows[i].status) & rows[i].mask, rows[i].before);
		trace_clear(&u->t);
		viommu_leave(c);
		row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
		row_equal(guest_read32(&u->g, rows[i].status) & rows[i].mask, rows[i].before);
		row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
		row_equal(guest_read32(&u->g, rows[i].status) & rows[i].mask, rows[i].after);
		row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
		unit_close(u);
	}
}

/* Several at once: none is lost. */
static void test_several_registers(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	struct viommu_channel *c;

	row_name = "13 several commands while a section is open";
	u->dev = guest_device(&u->g, UNIT_RID);
	c = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);
	viommu_enter(c);
	row_equal(guest_write32(&u->g, VTD_GCMD, (uint32_t)BIT(30)), VIOMMU_PENDING);
	row_equal(guest_write32(&u->g, VTD_GCMD, (uint32_t)BIT(31)), VIOMMU_PENDING);
	row_equal(guest_write64(&u->g, VTD_CCMD, BIT(63) | BIT(61)), VIOMMU_PENDING);
	row_equal(guest_write64(&u->g, IOTLB_REG, BIT(63) | BIT(60)), VIOMMU_PENDING);
	row_equal(guest_write32(&u->g, VTD_GCMD, (uint32_t)BIT(25)), VIOMMU_PENDING); /* TE off */
	row_equal(gsts(u), BIT(31)); /* not off before it is */
	viommu_leave(c);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(gsts(u), BIT(30) | BIT(25));
	row_equal(guest_read64(&u->g, VTD_CCMD) >> 63, 0);
	row_equal(guest_read64(&u->g, IOTLB_REG) >> 63, 0);
	unit_close(u);
}

/* A wait looks at every section that may be open, and pays for it: as many are complete in a call as it has
 * steps for, and with more sections than it may look at, a wait takes several calls. */
static void test_many_sections(void **state)
{
	enum { CHANNELS = 5000, WAITS = 40, A_STEP = 4, STEPS = 4096 };
	static struct viommu_channel *channel[CHANNELS];
	const struct viommu_limits limits = { .size = sizeof(limits), .channel_entries = 1 };
	struct viommu_vtd_config vtd = {
		.size = sizeof(vtd), .cap = GUEST_CAP, .ecap = GUEST_ECAP_LEGACY, .limits = &limits
	};
	unsigned calls = 0, open;
	struct guest g;

	row_name = "38 waits with thousands of sections";
	guest_init(&g, GUEST_REGION, 64);
	assert_int_equal(guest_try_vtd_config(&g, &vtd), VIOMMU_OK);
	guest_start(&g, VTD_TTM_LEGACY);
	for (unsigned i = 0; i < CHANNELS; i++)
		assert_int_equal(viommu_channel_new(i ? g.device[0].device : guest_device(&g, 8),
						    VIOMMU_NO_PASID, &channel[i]),
				 VIOMMU_OK);
	for (unsigned i = 0; i < WAITS; i++) {
		guest_submit(&g, Q_IOTLB(1, 0), 0, 0, 0);
		guest_submit_wait(&g);
	}
	for (int result = guest_ring(&g); result == VIOMMU_PENDING; calls++) {
		row_equal(g.count[GUEST_ON_WORK] > calls, true); /* nobody else says so */
		result = viommu_run(g.iommu);
	}
	row_equal(guest_waited(&g), true);
	row_equal(calls + 1 >= WAITS * CHANNELS / (A_STEP * STEPS), true);
	row_equal(calls <= 4 * WAITS, true);
	for (unsigned n = 0; n < 3; n++) { /* wherever it is */
		open = n * (CHANNELS - 1) / 2;
		viommu_enter(channel[open]);
		guest_submit(&g, Q_IOTLB(1, 0), 0, 0, 0);
		guest_submit_wait(&g);
		guest_ring(&g);
		for (unsigned i = 0; i < 10; i++)
			row_equal(viommu_run(g.iommu), VIOMMU_PENDING);
		row_equal(guest_waited(&g), false);
		viommu_leave(channel[open]);
		for (calls = 0; viommu_run(g.iommu) == VIOMMU_PENDING; calls++)
			;
		row_equal(guest_waited(&g), true);
		row_equal(calls <= 4, true);
	}
	for (unsigned i = 0; i < CHANNELS; i++)
		assert_int_equal(viommu_channel_free(channel[i]), VIOMMU_OK);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_combinations),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_status_fails),
		cmocka_unit_test(test_section_holds_back_status),
		cmocka_unit_test(test_two_sections),
		cmocka_unit_test(test_behind_a_wait),
		cmocka_unit_test(test_section_holds_back_registers),
		cmocka_unit_test(test_several_registers),
		cmocka_unit_test(test_many_sections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
