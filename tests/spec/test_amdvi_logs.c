/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_logs.c - AMD-Vi event log, page request log and the IOMMU's own interrupts (48882, 2.5, 2.6, 3.2.5,
 * 3.4.15): overflow, re-arming, messages, and what happens while an entry is being written.
 */
#include "check.h"

#include "amdvi_rig.h"

#define ID	0x10U
#define DOMAIN	7U
#define OK	VIOMMU_OK
#define NO	VIOMMU_FAULT
#define ENTRIES 256U

static struct amdvi_rig r;
static struct viommu_device *device;

static void open_in(enum guest_memory memory, uint64_t control)
{
	const struct viommu_amdvi_msi msi = {
		.size = sizeof(msi), .enabled = 1, .address = UINT64_C(0x1fee01000), .data = 0x40
	};

	ar_open(&r, &(struct amdvi_rig_config){
			    .memory = memory, .efr = AR_EFR_ALL, .control = control });
	assert_int_equal(viommu_amdvi_set_msi(r.g.iommu, &msi), OK);
	ar_dte(&r, ID, AMD_DTE_V | AMD_DTE_PPR, DOMAIN, 0);
	device = guest_device(&r.g, ID);
}

static void open_rig(uint64_t control)
{
	open_in(GUEST_REGION, control);
}

static uint64_t status(void)
{
	return ar_read(&r, AMD_STATUS, 8);
}

static void faults(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(guest_dma(device, 0x1000, VIOMMU_READ).result, NO);
}

/* 3.4.15: EvtInt on each entry; the message when the bit rises, and only with the enable. The address has 64 bits. */
static void test_interrupt(void **state)
{
	(void)state;
	for (unsigned enable = 0; enable < 2; enable++) {
		open_rig(enable ? AMD_CTRL_EVENT_INT_EN : 0);
		faults(3);
		assert_int_equal(status() & (AMD_ST_EVT_INT | AMD_ST_EVT_OVERFLOW), AMD_ST_EVT_INT);
		assert_int_equal(r.g.count[GUEST_ON_MSI], enable);
		if (enable) {
			assert_int_equal(r.g.msi[0].address, UINT64_C(0x1fee01000));
			assert_int_equal(r.g.msi[0].data, 0x40);
		}
		ar_write(&r, AMD_STATUS, 4, AMD_ST_EVT_INT);
		assert_int_equal(status() & AMD_ST_EVT_INT, 0);
		faults(1);
		assert_int_equal(r.g.count[GUEST_ON_MSI], 2 * enable);
		ar_close(&r);
	}
}

/* 2.5.1: full: EvtOverflow, EvtRun falls, entries are lost; EventLogEn off, clear, on: it goes on where it was. */
static void test_overflow(void **state)
{
	(void)state;
	open_rig(AMD_CTRL_EVENT_INT_EN);
	faults(ENTRIES - 1);
	assert_int_equal(status() & (AMD_ST_EVT_OVERFLOW | AMD_ST_EVT_RUN), AMD_ST_EVT_RUN);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 1);
	faults(2);
	assert_int_equal(status() & (AMD_ST_EVT_OVERFLOW | AMD_ST_EVT_RUN), AMD_ST_EVT_OVERFLOW);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 2);
	assert_int_equal(ar_take_events(&r), ENTRIES - 1);
	faults(1); /* there is room, but the log is off */
	assert_int_equal(ar_take_events(&r), 0);
	/* enabled again with the bit still set: it does not run */
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_EVENT_LOG_EN);
	ar_write(&r, AMD_CONTROL, 8, r.control);
	assert_int_equal(status() & AMD_ST_EVT_RUN, 0);
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_EVENT_LOG_EN);
	ar_write(&r, AMD_STATUS, 8, AMD_ST_EVT_OVERFLOW);
	ar_write(&r, AMD_CONTROL, 8, r.control);
	assert_int_equal(status() & (AMD_ST_EVT_OVERFLOW | AMD_ST_EVT_RUN), AMD_ST_EVT_RUN);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), (ENTRIES - 1) * 16);
	faults(2);
	assert_int_equal(ar_take_events(&r), 2);
	ar_close(&r);
}

/* A log that cannot be written is one that overflows. */
static void test_unwritable(void **state)
{
	(void)state;
	open_rig(0);
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_EVENT_LOG_EN);
	ar_write(&r, AMD_EVT_BASE, 8, UINT64_C(0x7fff0000000) | UINT64_C(8) << 56);
	ar_write(&r, AMD_CONTROL, 8, r.control);
	faults(1);
	assert_int_equal(status() & (AMD_ST_EVT_OVERFLOW | AMD_ST_EVT_RUN), AMD_ST_EVT_OVERFLOW);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 0);
	ar_close(&r);
}

/* 3.4.2: base and tail are ignored while the log runs; the head is software's, inside the ring. */
static void test_pointers(void **state)
{
	(void)state;
	open_rig(0);
	faults(2);
	ar_write(&r, AMD_EVT_BASE, 8, UINT64_C(9) << 56);
	ar_write(&r, AMD_EVT_TAIL, 8, 0);
	ar_write(&r, AMD_EVT_HEAD, 8, 4096);
	assert_int_equal(ar_read(&r, AMD_EVT_BASE, 8), r.log[0] | UINT64_C(8) << 56);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 32);
	assert_int_equal(ar_read(&r, AMD_EVT_HEAD, 8), 0);
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_EVENT_LOG_EN);
	ar_write(&r, AMD_EVT_TAIL, 8, 0x40);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 0x40);
	ar_write(&r, AMD_EVT_BASE, 8, r.log[0] | UINT64_C(9) << 56);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 0);
	ar_close(&r);
}

/* ---- while an entry is being written ---- */

#define RUN	 AMD_ST_EVT_RUN
#define OVERFLOW AMD_ST_EVT_OVERFLOW

static uint64_t other_log;

static void event_log(bool on)
{
	ar_write(&r, AMD_CONTROL, 8, on ? r.control : r.control & ~AMD_CTRL_EVENT_LOG_EN);
}

/* EvtRun falls when nobody writes any more; until then the base cannot be changed, and nothing new is logged. */
static void switch_off(void)
{
	event_log(false);
	assert_int_equal(status() & RUN, RUN);
	ar_write(&r, AMD_EVT_BASE, 8, other_log | UINT64_C(9) << 56);
	assert_int_equal(ar_read(&r, AMD_EVT_BASE, 8), r.log[0] | UINT64_C(8) << 56);
	faults(1);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 0);
}

static void after_off(void)
{
	assert_int_equal(status() & (RUN | OVERFLOW), 0);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 16);
	assert_true(guest_get64(&r.g, r.log[0]));
	/* now another base */
	ar_write(&r, AMD_EVT_BASE, 8, other_log | UINT64_C(9) << 56);
	event_log(true);
	assert_int_equal(status() & RUN, RUN);
	faults(2);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 32);
	assert_true(guest_get64(&r.g, other_log + 16));
	assert_int_equal(guest_get64(&r.g, r.log[0] + 16), 0);
}

/* On again before it has stopped: it goes on, and entries do not share a place. */
static void switch_off_and_on(void)
{
	event_log(false);
	event_log(true);
	assert_int_equal(status() & RUN, RUN);
	faults(1);
}

static void after_off_and_on(void)
{
	assert_int_equal(status() & (RUN | OVERFLOW), RUN);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 32);
	assert_int_equal(ar_take_events(&r), 2);
}

/* An overflow stops the log no earlier, either. */
static void overflow(void)
{
	faults(ENTRIES);
	assert_int_equal(status() & (RUN | OVERFLOW), RUN | OVERFLOW);
	event_log(false);
	event_log(true);
	faults(1);
	assert_int_equal(status() & (RUN | OVERFLOW), RUN | OVERFLOW);
}

static void after_overflow(void)
{
	assert_int_equal(status() & (RUN | OVERFLOW), OVERFLOW);
	assert_int_equal(ar_take_events(&r), ENTRIES - 1);
	event_log(false);
	ar_write(&r, AMD_STATUS, 8, OVERFLOW);
	event_log(true);
	faults(1);
	assert_int_equal(ar_take_events(&r), 1);
}

/* The entry of before a reset is none of the log that is programmed then. */
static void start_anew(void)
{
	assert_int_equal(viommu_reset(r.g.iommu), VIOMMU_PENDING);
	r.log[0] = other_log;
	ar_start(&r);
}

static void after_start(void)
{
	assert_int_equal(status() & (RUN | OVERFLOW | AMD_ST_EVT_INT), RUN);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 0);
	faults(1);
	assert_int_equal(ar_read(&r, AMD_EVT_TAIL, 8), 16);
}

static void fail_anew(void)
{
	start_anew();
	r.g.fail_in = 1;
}

static uint8_t saved[65536];
static uint64_t saved_bytes;

/* A state of then: the log does not run where it is restored, since nobody writes there. */
static void save_off(void)
{
	event_log(false);
	saved_bytes = sizeof(saved);
	assert_int_equal(viommu_save(r.g.iommu, saved, &saved_bytes), OK);
}

static void after_restore(void)
{
	assert_int_equal(viommu_restore(r.g.iommu, saved, saved_bytes), VIOMMU_PENDING);
	assert_int_equal(viommu_run(r.g.iommu), OK);
	assert_int_equal(status() & (RUN | AMD_ST_CMD_RUN), AMD_ST_CMD_RUN);
	event_log(true);
	assert_int_equal(status() & RUN, RUN);
}

static void (*meanwhile)(void);

static void on_write(void *opaque, enum guest_event event)
{
	void (*now)(void) = meanwhile;

	(void)opaque;
	if (event != GUEST_ON_WRITE || !now)
		return;
	meanwhile = NULL;
	now();
}

static void test_being_written(void **state)
{
	static const struct {
		const char *name;
		void (*meanwhile)(void);
		void (*after)(void);
	} rows[] = {
		{ "off", switch_off, after_off },
		{ "off and on", switch_off_and_on, after_off_and_on },
		{ "overflow", overflow, after_overflow },
		{ "reset", start_anew, after_start },
		{ "reset, and the entry is lost", fail_anew, after_start },
		{ "saved", save_off, after_restore },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		open_in(GUEST_CALLBACKS, 0);
		other_log = guest_alloc(&r.g, 2);
		r.g.hook = on_write;
		meanwhile = rows[i].meanwhile;
		faults(1);
		check_that(rows[i].name, !meanwhile);
		rows[i].after();
		ar_close(&r);
	}
}

/* ---- messages ---- */

static const struct {
	const char *name;
	uint64_t x; /* AMD_XT_EVENT */
	uint64_t address;
	uint32_t data;
} extended[] = {
	{ "fixed, 8 bits", UINT64_C(0x31) << 32 | 0x12 << 8, 0xfee12000, 0x4031 },
	{ "logical", UINT64_C(0x31) << 32 | 0x12 << 8 | 4, 0xfee12004, 0x4031 },
	{ "32 bits", UINT64_C(0x31) << 32 | 0x123456 << 8 | UINT64_C(0x78) << 56,
	  UINT64_C(0x78123400fee56000), 0x4031 },
	{ "lowest priority", UINT64_C(0x131) << 32, 0xfee00000, 0x4131 },
};

/* IntCapXTEn: the messages are those of the registers. */
static void test_extended(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(extended) / sizeof(extended[0]); i++) {
		open_rig(AMD_CTRL_EVENT_INT_EN | AMD_CTRL_INT_CAP_XT_EN);
		ar_write(&r, AMD_XT_EVENT, 8, extended[i].x);
		faults(1);
		check_eq(extended[i].name, r.g.count[GUEST_ON_MSI], 1);
		check_eq(extended[i].name, r.g.msi[0].address, extended[i].address);
		check_eq(extended[i].name, r.g.msi[0].data, extended[i].data);
		ar_close(&r);
	}
}

/* 3.2.5: several messages: the low bits of the data say which. MsiCapMmioSup: software sees and changes it. */
static void test_msi_registers(void **state)
{
	const struct viommu_amdvi_msi msi = { .size = sizeof(msi),
					      .enabled = 1,
					      .address = 0xfee02000,
					      .data = 0x47,
					      .messages_lg2 = 2 };

	(void)state;
	open_rig(AMD_CTRL_EVENT_INT_EN);
	assert_int_equal(viommu_amdvi_set_msi(r.g.iommu, &msi), OK);
	assert_int_equal(ar_read(&r, AMD_MSI_CAP, 4) & 0x710000, 0x210000);
	assert_int_equal(ar_read(&r, AMD_MSI_ADDR_LO, 4), 0xfee02000);
	assert_int_equal(ar_read(&r, AMD_MSI_DATA, 4), 0x47);
	faults(1);
	assert_int_equal(r.g.msi[0].data, 0x44); /* message 0 of 4 */
	ar_write(&r, AMD_STATUS, 8, AMD_ST_EVT_INT);
	ar_write(&r, AMD_MSI_ADDR_HI, 4, 5);
	ar_write(&r, AMD_MSI_DATA, 4, 0x50);
	faults(1);
	assert_int_equal(r.g.msi[1].address, UINT64_C(0x5fee02000));
	assert_int_equal(r.g.msi[1].data, 0x50);
	ar_write(&r, AMD_STATUS, 8, AMD_ST_EVT_INT);
	ar_write(&r, AMD_MSI_CAP, 4, 0);
	faults(1);
	assert_int_equal(r.g.count[GUEST_ON_MSI], 2);
	ar_close(&r);
}

/* ---- page requests (2.6) ---- */

#define PPR (AMD_CTRL_PPR_EN | AMD_CTRL_PPR_LOG_EN)

static int ask(uint32_t pasid, unsigned access, uint32_t last)
{
	const struct viommu_page_request request = { .address = 0x123456789000,
						     .pasid = pasid,
						     .group = 0x155,
						     .access = (uint16_t)access,
						     .last = last };

	return viommu_request_page(device, &request);
}

/* PprRun, too, falls when nobody writes any more. */
static void ppr_off(void)
{
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_PPR_LOG_EN);
	assert_int_equal(status() & AMD_ST_PPR_RUN, AMD_ST_PPR_RUN);
	assert_int_equal(ask(VIOMMU_NO_PASID, VIOMMU_READ, 0), NO);
}

static void test_page_request_being_written(void **state)
{
	(void)state;
	open_in(GUEST_CALLBACKS, PPR);
	r.g.hook = on_write;
	meanwhile = ppr_off;
	assert_int_equal(ask(VIOMMU_NO_PASID, VIOMMU_READ, 0), OK);
	assert_null(meanwhile);
	assert_int_equal(status() & (AMD_ST_PPR_RUN | AMD_ST_PPR_OVERFLOW), 0);
	assert_int_equal(ar_read(&r, AMD_PPR_TAIL, 8), 16);
	ar_close(&r);
}

static void test_page_requests(void **state)
{
	static const struct {
		const char *name;
		uint32_t pasid;
		unsigned access;
		uint32_t last;
		uint64_t w0;
	} asks[] = {
		{ "read", VIOMMU_NO_PASID, VIOMMU_READ, 0, 0x1004015500000010 },
		{ "write, last", VIOMMU_NO_PASID, VIOMMU_WRITE, 1, 0x1020035500000010 },
		{ "PASID, user", 0xabcde, VIOMMU_READ | VIOMMU_WRITE, 1, 0x11642b55bcde0010 },
		{ "PASID, supervisor, execute", 5, VIOMMU_READ | VIOMMU_EXEC | VIOMMU_PRIV, 0,
		  0x1106015500050010 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		struct ar_event entry;

		open_rig(PPR | AMD_CTRL_PPR_INT_EN);
		check_eq(asks[i].name, ask(asks[i].pasid, asks[i].access, asks[i].last), OK);
		check_that(asks[i].name, ar_take(&r, 1, &entry));
		check_eq(asks[i].name, entry.w[0], asks[i].w0);
		check_eq(asks[i].name, entry.w[1], 0x123456789000);
		check_eq(asks[i].name, status() & (AMD_ST_PPR_INT | AMD_ST_PPR_RUN),
			 AMD_ST_PPR_INT | AMD_ST_PPR_RUN);
		check_eq(asks[i].name, r.g.count[GUEST_ON_MSI], 1);
		ar_close(&r);
	}
}

/* 2.4.7: the answer. */
static void test_page_responses(void **state)
{
	static const struct {
		uint64_t w0, w1;
		uint32_t pasid;
		uint16_t group, code;
	} answers[] = {
		{ AR_OP(7) | ID, UINT64_C(0x0155) << 32, VIOMMU_NO_PASID, 0x155, 0 },
		{ AR_OP(7) | UINT64_C(0xabcde) << 32 | ID, UINT64_C(0x1003) << 32 | 4, 0xabcde, 3,
		  1 },
		{ AR_OP(7) | UINT64_C(0xabcde) << 32 | ID, UINT64_C(0xf003) << 32, VIOMMU_NO_PASID,
		  3, 15 },
		{ AR_OP(7) | ID, UINT64_C(0x5003) << 32, VIOMMU_NO_PASID, 3, 15 },
	};

	(void)state;
	open_rig(PPR);
	for (unsigned i = 0; i < 4; i++) {
		ar_command(&r, answers[i].w0, answers[i].w1);
		ar_sync(&r);
		assert_int_equal(r.g.count[GUEST_ON_RESPONSE], i + 1);
		assert_int_equal(r.g.response[i].what.pasid, answers[i].pasid);
		assert_int_equal(r.g.response[i].what.group, answers[i].group);
		assert_int_equal(r.g.response[i].what.code, answers[i].code);
	}
	ar_close(&r);
}

/* 2.5.9: a requester that may not ask: INVALID_PPR_REQUEST, and an answer. */
static void test_page_request_refused(void **state)
{
	struct ar_event event;

	(void)state;
	open_rig(PPR);
	ar_dte(&r, ID, AMD_DTE_V, DOMAIN, 0);
	assert_int_equal(ask(0xabcde, VIOMMU_READ, 1), NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], 0x90012b55bcde0010);
	assert_int_equal(event.w[1], 0x123456789000);
	assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 1);
	assert_int_equal(r.g.response[0].what.code, 1);
	assert_int_equal(ask(VIOMMU_NO_PASID, VIOMMU_READ, 0), NO);
	assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 1);
	ar_close(&r);
}

/* 2.6.2: full: PprOverflow; groups that end then are answered, with the automatic code if there is one. */
static void test_page_request_overflow(void **state)
{
	(void)state;
	for (unsigned automatic = 0; automatic < 2; automatic++) {
		open_rig(PPR | (automatic ? AMD_CTRL_PPR_AUTO_RSP : 0));
		ar_write(&r, AMD_PPR_AUTO, 8, 1);
		for (unsigned i = 0; i < ENTRIES - 1; i++)
			assert_int_equal(ask(VIOMMU_NO_PASID, VIOMMU_READ, 1), OK);
		assert_int_equal(ask(VIOMMU_NO_PASID, VIOMMU_READ, 0), NO);
		assert_int_equal(status() & (AMD_ST_PPR_RUN | AMD_ST_PPR_OVERFLOW),
				 AMD_ST_PPR_OVERFLOW);
		assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 0);
		assert_int_equal(ask(VIOMMU_NO_PASID, VIOMMU_READ, 1), NO);
		assert_int_equal(r.g.count[GUEST_ON_RESPONSE], 1);
		assert_int_equal(r.g.response[0].what.code, automatic);
		ar_close(&r);
	}
	/* PPRAutoRspAon: always */
	open_rig(PPR | AMD_CTRL_PPR_AUTO_RSP | AMD_CTRL_PPR_AUTO_AON);
	assert_int_equal(ask(VIOMMU_NO_PASID, VIOMMU_READ, 1), NO);
	assert_int_equal(r.g.response[0].what.code, 0);
	assert_int_equal(ar_read(&r, AMD_PPR_TAIL, 8), 0);
	ar_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_unwritable),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_being_written),
		cmocka_unit_test(test_extended),
		cmocka_unit_test(test_msi_registers),
		cmocka_unit_test(test_page_requests),
		cmocka_unit_test(test_page_request_being_written),
		cmocka_unit_test(test_page_responses),
		cmocka_unit_test(test_page_request_refused),
		cmocka_unit_test(test_page_request_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
