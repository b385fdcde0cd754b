/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_commands.c - AMD-Vi commands (48882, 2.4): what each takes away and what it leaves, which are illegal, and
 * where the head is then.
 */
#include "check.h"

#include "amdvi_rig.h"

#define ID     UINT64_C(0x10)
#define DOMAIN 7U
#define IOVA   UINT64_C(0x201000)
#define TARGET UINT64_C(0x40001000)
#define OTHER  UINT64_C(0x50001000)
#define LEVELS 4U
#define OK     VIOMMU_OK
#define NO     VIOMMU_FAULT

static struct amdvi_rig r;
static uint64_t root;
static struct viommu_device *device;

static void open_rig(uint64_t efr, uint64_t control)
{
	ar_open(&r, &(struct amdvi_rig_config){ .efr = efr, .control = control });
	root = guest_table(&r.g);
	ar_map(&r, root, LEVELS, IOVA, TARGET, 1, AR_RW);
	ar_dte(&r, (uint32_t)ID, AR_V1(root, LEVELS), DOMAIN, 0);
	device = guest_device(&r.g, (uint32_t)ID);
}

static uint64_t status(void)
{
	return ar_read(&r, AMD_STATUS, 8);
}

/* ---- what is illegal (2.4, reserved bits) ---- */

#define OP(n) AR_OP(n)
#define B(n)  (UINT64_C(1) << (n))

static const struct {
	const char *name;
	uint64_t w0, w1;
	uint64_t without; /* EFR bits without which it is illegal */
	bool illegal;
} commands[] = {
	{ "opcode 0", 0, 0, 0, true },
	{ "COMPLETION_WAIT", OP(1), 0, 0, false },
	{ "COMPLETION_WAIT F", OP(1) | 4, 5, 0, false },
	{ "COMPLETION_WAIT bit 52", OP(1) | B(52), 0, 0, true },
	{ "COMPLETION_WAIT bit 59", OP(1) | B(59), 0, 0, true },
	{ "INVALIDATE_DEVTAB_ENTRY", OP(2) | 0xffff, 0, 0, false },
	{ "INVALIDATE_DEVTAB_ENTRY bit 16", OP(2) | B(16), 0, 0, true },
	{ "INVALIDATE_DEVTAB_ENTRY bit 32", OP(2) | B(32), 0, 0, true },
	{ "INVALIDATE_DEVTAB_ENTRY bit 64", OP(2), 1, 0, true },
	{ "INVALIDATE_IOMMU_PAGES", OP(3) | 0xffff000fffff, ~UINT64_C(0xff8), 0, false },
	{ "INVALIDATE_IOMMU_PAGES bit 20", OP(3) | B(20), 0, 0, true },
	{ "INVALIDATE_IOMMU_PAGES bit 48", OP(3) | B(48), 0, 0, true },
	{ "INVALIDATE_IOMMU_PAGES bit 67", OP(3), 8, 0, true },
	{ "INVALIDATE_IOMMU_PAGES bit 75", OP(3), B(11), 0, true },
	{ "INVALIDATE_IOTLB_PAGES", OP(4) | 0x0fffffffffffffff, ~UINT64_C(0xffa), 0, false },
	{ "INVALIDATE_IOTLB_PAGES type", OP(4), 0x30, AMD_EFR_INV_TYPE, false },
	{ "INVALIDATE_IOTLB_PAGES bit 65", OP(4), 2, 0, true },
	{ "INVALIDATE_IOTLB_PAGES bit 67", OP(4), 8, 0, true },
	{ "INVALIDATE_IOTLB_PAGES bit 70", OP(4), B(6), 0, true },
	{ "INVALIDATE_INTERRUPT_TABLE", OP(5) | 1, 0, 0, false },
	{ "INVALIDATE_INTERRUPT_TABLE bit 59", OP(5) | B(59), 0, 0, true },
	{ "INVALIDATE_INTERRUPT_TABLE bit 127", OP(5), B(63), 0, true },
	{ "PREFETCH_IOMMU_PAGES", OP(6) | 0x000fffffff00ffff, ~UINT64_C(0xfea), AMD_EFR_PREF,
	  false },
	{ "PREFETCH_IOMMU_PAGES bit 16", OP(6) | B(16), 0, 0, true },
	{ "PREFETCH_IOMMU_PAGES bit 65", OP(6), 2, 0, true },
	{ "PREFETCH_IOMMU_PAGES bit 69", OP(6), B(5), 0, true },
	{ "COMPLETE_PPR_REQUEST", OP(7) | 0xfffff0000ffff, 0xffff00000004, AMD_EFR_PPR, false },
	{ "COMPLETE_PPR_REQUEST bit 16", OP(7) | B(16), 0, 0, true },
	{ "COMPLETE_PPR_REQUEST bit 52", OP(7) | B(52), 0, 0, true },
	{ "COMPLETE_PPR_REQUEST bit 64", OP(7), 1, 0, true },
	{ "COMPLETE_PPR_REQUEST bit 112", OP(7), B(48), 0, true },
	{ "INVALIDATE_IOMMU_ALL", OP(8), 0, AMD_EFR_IA, false },
	{ "INVALIDATE_IOMMU_ALL bit 0", OP(8) | 1, 0, 0, true },
	{ "INVALIDATE_IOMMU_ALL bit 127", OP(8), B(63), 0, true },
	{ "INSERT_GUEST_EVENT", OP(9), 0, 0, true },
	{ "RESET_VMMIO", OP(10), 0, 0, true },
	{ "opcode 15", OP(15), 0, 0, true },
};

/* The head stays at an illegal command; software replaces it and goes on (3.4.13). */
static void check_illegal(const char *name)
{
	struct ar_event event;

	check_eq(name, ar_read(&r, AMD_CMD_HEAD, 8), 16);
	check_eq(name, status() & AMD_ST_CMD_RUN, 0);
	check_that(name, !ar_waited(&r));
	check_that(name, ar_event(&r, &event));
	check_eq(name, event.w[0], UINT64_C(5) << 60);
	check_eq(name, event.w[1], r.commands + 16);
	guest_put64(&r.g, r.commands + 16, OP(1));
	guest_put64(&r.g, r.commands + 24, 0);
	ar_kick(&r);
	check_eq(name, ar_read(&r, AMD_CMD_HEAD, 8), 16);
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_CMD_BUF_EN);
	ar_write(&r, AMD_CONTROL, 8, r.control);
	check_that(name, ar_waited(&r));
	check_eq(name, ar_read(&r, AMD_CMD_HEAD, 8), 48);
}

static void one_command(unsigned i, uint64_t efr, bool illegal)
{
	open_rig(efr, 0);
	ar_command(&r, OP(1), 0);
	ar_command(&r, commands[i].w0, commands[i].w1);
	ar_submit_wait(&r);
	ar_kick(&r);
	if (illegal)
		check_illegal(commands[i].name);
	check_that(commands[i].name, ar_waited(&r));
	check_eq(commands[i].name, ar_take_events(&r), 0);
	ar_close(&r);
}

static void test_legal(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		uint64_t dependents = AMD_EFR_PPR_AUTO;

		one_command(i, AR_EFR_ALL, commands[i].illegal);
		if (commands[i].without)
			one_command(i, AR_EFR_ALL & ~(commands[i].without | dependents), true);
	}
}

/* 2.4.4: without IotlbSup there is no such command. */
static void test_no_iotlb(void **state)
{
	struct ar_event event;

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ .capability = VIOMMU_AMDVI_CAP_EFR });
	ar_command(&r, AR_IOTLB(ID), 0);
	ar_kick(&r);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(5) << 60);
	ar_close(&r);
}

/* ---- what is taken away ---- */

/* EITHER: nothing says that it has to go, but the first request afterwards is asked of the tables. */
enum effect { STAYS, GOES, EITHER };

static const struct {
	const char *name;
	uint64_t w0, w1;
	enum effect page;    /* of IOVA, whose table entry has changed */
	enum effect context; /* the device table entry has: another domain with other tables */
} effects[] = {
	{ "INVALIDATE_DEVTAB_ENTRY", AR_DEVTAB(ID), 0, EITHER, GOES },
	{ "INVALIDATE_DEVTAB_ENTRY of another", AR_DEVTAB(ID + 1), 0, STAYS, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, the page", AR_PAGES(DOMAIN), IOVA, GOES, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, PDE", AR_PAGES(DOMAIN), IOVA | 2, GOES, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, another page", AR_PAGES(DOMAIN), IOVA + 0x1000, STAYS, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, another domain", AR_PAGES(DOMAIN + 1), AR_ALL, STAYS, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, all", AR_PAGES(DOMAIN), AR_ALL, GOES, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, all ones", AR_PAGES(DOMAIN), ~UINT64_C(0xfff) | 3, GOES, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, S, 8 KiB", AR_PAGES(DOMAIN), 0x200000 | 1, GOES, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, S, 8 KiB behind", AR_PAGES(DOMAIN), 0x202000 | 1, STAYS, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, S, 2 MiB", AR_PAGES(DOMAIN), 0x2ff001, GOES, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, S, 64 KiB before", AR_PAGES(DOMAIN), 0x1f7001, STAYS, STAYS },
	{ "INVALIDATE_IOMMU_PAGES, GN", AR_PAGES(DOMAIN), IOVA | 4, STAYS, STAYS },
	{ "INVALIDATE_IOTLB_PAGES", AR_IOTLB(ID), AR_ALL & ~UINT64_C(2), STAYS, STAYS },
	{ "INVALIDATE_INTERRUPT_TABLE", AR_INTERRUPTS(ID), 0, STAYS, STAYS },
	{ "PREFETCH_IOMMU_PAGES", AR_OP(6) | ID, IOVA, STAYS, STAYS },
	{ "INVALIDATE_IOMMU_ALL", AR_OP(8), 0, GOES, GOES },
};

static uint64_t target(void)
{
	struct guest_dma d = guest_dma(device, IOVA, VIOMMU_READ);

	return d.result == OK ? d.f.gpa : 0;
}

static void test_effects(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(effects) / sizeof(effects[0]); i++) {
		uint64_t second;

		open_rig(AR_EFR_ALL, 0);
		check_eq(effects[i].name, target(), TARGET);
		ar_map(&r, root, LEVELS, IOVA, OTHER, 1, AR_RW);
		check_eq(effects[i].name, target(), TARGET);
		ar_command(&r, effects[i].w0, effects[i].w1);
		ar_sync(&r);
		if (effects[i].page != EITHER)
			check_eq(effects[i].name, target(),
				 effects[i].page == GOES ? OTHER : TARGET);
		ar_close(&r);

		open_rig(AR_EFR_ALL, 0);
		check_eq(effects[i].name, target(), TARGET);
		second = guest_table(&r.g);
		ar_map(&r, second, LEVELS, IOVA, OTHER, 1, AR_RW);
		ar_dte(&r, (uint32_t)ID, AR_V1(second, LEVELS), DOMAIN + 2, 0);
		ar_command(&r, effects[i].w0, effects[i].w1);
		ar_sync(&r);
		/* an entry that stays cached still leads to the old tables, which are as they were */
		check_eq(effects[i].name, target(), effects[i].context == GOES ? OTHER : TARGET);
		ar_close(&r);
	}
}

/* 2.4.3: a page of 8 KiB or more goes as a whole, whichever part is named. */
static void test_part_of_a_page(void **state)
{
	(void)state;
	open_rig(0, 0);
	for (unsigned i = 0; i < 8; i++) /* 32 KiB at 400000, in replicas */
		ar_map(&r, root, LEVELS, 0x400000 + i * GUEST_PAGE, 0x40000000 | 0x3000, 1,
		       AR_RW | UINT64_C(7) << 9);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(guest_dma(device, 0x400000 + i * GUEST_PAGE, VIOMMU_READ).f.gpa,
				 0x40000000 + i * GUEST_PAGE);
	for (unsigned i = 0; i < 8; i++)
		ar_map(&r, root, LEVELS, 0x400000 + i * GUEST_PAGE, 0x50000000 | 0x3000, 1,
		       AR_RW | UINT64_C(7) << 9);
	ar_command(&r, AR_PAGES(DOMAIN), 0x405000);
	ar_sync(&r);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(guest_dma(device, 0x400000 + i * GUEST_PAGE, VIOMMU_READ).f.gpa,
				 0x50000000 + i * GUEST_PAGE);
	ar_close(&r);
}

/* Nobody has waited for it, but channels notice: a guest that polls the head sees what it says. */
static void test_without_a_wait(void **state)
{
	struct viommu_channel *channel;

	(void)state;
	open_rig(0, 0);
	channel = guest_channel(&r.g, device, VIOMMU_NO_PASID);
	assert_int_equal(guest_channel_dma(channel, VIOMMU_NO_PASID, IOVA, VIOMMU_READ).f.gpa,
			 TARGET);
	ar_map(&r, root, LEVELS, IOVA, OTHER, 1, AR_RW);
	ar_command(&r, AR_PAGES(DOMAIN), IOVA);
	assert_int_equal(ar_kick(&r), OK);
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 16);
	assert_int_equal(guest_channel_dma(channel, VIOMMU_NO_PASID, IOVA, VIOMMU_READ).f.gpa,
			 OTHER);
	ar_close(&r);
}

/* ---- COMPLETION_WAIT (2.4.1) ---- */

/* S stores 64 bits; I sets ComWaitInt, and the message goes out only with the enable, once until it is cleared. */
static void test_wait(void **state)
{
	(void)state;
	for (unsigned enable = 0; enable < 2; enable++) {
		const struct viommu_amdvi_msi msi = {
			.size = sizeof(msi), .enabled = 1, .address = 0xfee01000, .data = 0x40
		};

		open_rig(0, enable ? AMD_CTRL_COM_WAIT_INT_EN : 0);
		assert_int_equal(viommu_amdvi_set_msi(r.g.iommu, &msi), OK);
		ar_command(&r, OP(1) | r.status | 1, UINT64_C(0x1122334455667788));
		ar_kick(&r);
		assert_int_equal(guest_get64(&r.g, r.status), UINT64_C(0x1122334455667788));
		assert_int_equal(status() & AMD_ST_COM_WAIT_INT, 0);
		for (unsigned i = 0; i < 2; i++) {
			ar_command(&r, OP(1) | r.status | 2, 5);
			ar_kick(&r);
		}
		assert_int_equal(guest_get64(&r.g, r.status), UINT64_C(0x1122334455667788));
		assert_int_equal(status() & AMD_ST_COM_WAIT_INT, AMD_ST_COM_WAIT_INT);
		assert_int_equal(r.g.count[GUEST_ON_MSI], enable);
		ar_write(&r, AMD_STATUS, 8, AMD_ST_COM_WAIT_INT);
		assert_int_equal(status() & AMD_ST_COM_WAIT_INT, 0);
		ar_command(&r, OP(1) | 2, 0);
		ar_kick(&r);
		assert_int_equal(r.g.count[GUEST_ON_MSI], 2 * enable);
		ar_close(&r);
	}
}

/* The buffer, or what a wait writes to, cannot be accessed: COMMAND_HARDWARE_ERROR, and it stops. */
static void test_hardware_errors(void **state)
{
	struct ar_event event;

	(void)state;
	open_rig(0, 0);
	ar_command(&r, OP(1) | UINT64_C(0x7fff0000000) | 1, 0);
	ar_submit_wait(&r);
	ar_kick(&r);
	assert_false(ar_waited(&r));
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 0);
	assert_int_equal(status() & AMD_ST_CMD_RUN, 0);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(6) << 60 | UINT64_C(3) << 57);
	assert_int_equal(event.w[1], UINT64_C(0x7fff0000000));
	/* the buffer itself */
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_CMD_BUF_EN);
	ar_write(&r, AMD_CMD_BASE, 8, UINT64_C(0x7ffe0000000) | UINT64_C(8) << 56);
	ar_write(&r, AMD_CONTROL, 8, r.control);
	ar_write(&r, AMD_CMD_TAIL, 8, 16);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(6) << 60 | UINT64_C(3) << 57);
	assert_int_equal(event.w[1], UINT64_C(0x7ffe0000000));
	ar_close(&r);
}

/* ---- the buffer ---- */

/* 3.4.2: base resets head and tail; base and head are ignored while it runs; pointers beyond it always. */
static void test_pointers(void **state)
{
	(void)state;
	open_rig(0, 0);
	ar_sync(&r);
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 16);
	ar_write(&r, AMD_CMD_BASE, 8, UINT64_C(9) << 56);
	assert_int_equal(ar_read(&r, AMD_CMD_BASE, 8), r.commands | UINT64_C(8) << 56);
	ar_write(&r, AMD_CMD_HEAD, 8, 0);
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 16);
	ar_write(&r, AMD_CMD_TAIL, 8, 4096);
	assert_int_equal(ar_read(&r, AMD_CMD_TAIL, 8), 16);
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_CMD_BUF_EN);
	assert_int_equal(status() & AMD_ST_CMD_RUN, 0);
	ar_write(&r, AMD_CMD_HEAD, 8, 4096);
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 16);
	ar_write(&r, AMD_CMD_HEAD, 8, 32);
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 32);
	/* a length below 8 is reserved: it never runs */
	ar_write(&r, AMD_CMD_BASE, 8, r.commands | UINT64_C(7) << 56);
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 0);
	assert_int_equal(ar_read(&r, AMD_CMD_TAIL, 8), 0);
	ar_write(&r, AMD_CONTROL, 8, r.control);
	assert_int_equal(status() & AMD_ST_CMD_RUN, 0);
	ar_close(&r);
}

/* Commands that were left while it was off are executed when it is on; and the ring wraps. */
static void test_start_and_wrap(void **state)
{
	(void)state;
	open_rig(0, 0);
	ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_IOMMU_EN);
	ar_submit_wait(&r);
	ar_kick(&r);
	assert_false(ar_waited(&r));
	ar_write(&r, AMD_CONTROL, 8, r.control);
	assert_true(ar_waited(&r));
	for (unsigned i = 0; i < 1000; i++)
		ar_sync(&r);
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 1001 % 256 * 16);
	ar_close(&r);
}

/* A call executes a bounded number of commands, and says that there is more. */
static void test_budget(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits), .queue_budget = 3 };

	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ .limits = &limits });
	for (unsigned i = 0; i < 10; i++)
		ar_command(&r, OP(8), 0);
	ar_submit_wait(&r);
	assert_int_equal(ar_kick(&r), VIOMMU_PENDING);
	assert_int_equal(ar_read(&r, AMD_CMD_HEAD, 8), 3 * 16);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_PENDING);
	assert_int_equal(viommu_run(r.g.iommu), OK);
	assert_true(ar_waited(&r));
	ar_close(&r);
}

/* ---- device TLBs (2.4.4, 2.5.7) ---- */

static void test_iotlb(void **state)
{
	static const struct {
		const char *name;
		uint64_t w0, w1, first, last;
		uint32_t pasid;
	} ranges[] = {
		{ "a page", 0, 0x5000, 0x5000, 0x5fff, VIOMMU_NO_PASID },
		{ "8 KiB", 0, 0x4001, 0x4000, 0x5fff, VIOMMU_NO_PASID },
		{ "2 MiB", 0, 0x2ff001, 0x200000, 0x3fffff, VIOMMU_NO_PASID },
		{ "all", 0, 0x7ffffffffffff001, 0, UINT64_MAX, VIOMMU_NO_PASID },
		{ "PASID abcde", UINT64_C(0xa) << 56 | UINT64_C(0xde) << 48 | 0xbc << 16, 0x5004,
		  0x5000, 0x5fff, 0xabcde },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		open_rig(0, 0);
		ar_command(&r, AR_IOTLB(ID) | ranges[i].w0, ranges[i].w1);
		ar_sync(&r);
		check_eq(ranges[i].name, r.g.count[GUEST_ON_INVALIDATE], 1);
		check_eq(ranges[i].name, r.g.invalidation[0].what.first, ranges[i].first);
		check_eq(ranges[i].name, r.g.invalidation[0].what.last, ranges[i].last);
		check_eq(ranges[i].name, r.g.invalidation[0].what.pasid, ranges[i].pasid);
		ar_close(&r);
	}
}

/* A device that does not answer in time is logged, and the wait goes on; without a time-out it waits for ever, or
 * until the device is reset. */
static void test_timeout(void **state)
{
	struct ar_event event;

	(void)state;
	open_rig(0, UINT64_C(4) << 5);
	r.g.invalidate_result = VIOMMU_PENDING;
	ar_command(&r, AR_IOTLB(ID), 0x5000);
	ar_submit_wait(&r);
	assert_int_equal(ar_kick(&r), VIOMMU_PENDING);
	assert_false(ar_waited(&r));
	assert_int_equal(
		viommu_invalidation_done(device, r.g.invalidation[0].what.token, VIOMMU_FAULT), OK);
	assert_int_equal(viommu_run(r.g.iommu), OK);
	assert_true(ar_waited(&r));
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(7) << 60 | ID);
	assert_int_equal(event.w[1], r.commands);
	ar_close(&r);

	open_rig(0, 0);
	r.g.invalidate_result = VIOMMU_FAULT;
	ar_command(&r, AR_IOTLB(ID), 0x5000);
	ar_submit_wait(&r);
	assert_int_equal(ar_kick(&r), VIOMMU_PENDING);
	assert_int_equal(viommu_run(r.g.iommu), VIOMMU_PENDING);
	assert_false(ar_waited(&r));
	assert_int_equal(ar_take_events(&r), 0);
	assert_int_equal(viommu_device_fail(device), OK);
	assert_int_equal(viommu_run(r.g.iommu), OK);
	assert_true(ar_waited(&r));
	ar_close(&r);
}

/* Many at once: as many are logged in a call as there are steps for, and the wait is complete after all of them. */
static void test_timeouts_are_paid_for(void **state)
{
	enum { DEVICES = 6 };
	const struct viommu_limits limits = { .size = sizeof(limits),
					      .tlb_entries = 320,
					      .contexts = 64,
					      .domains = 64,
					      .steps = 4 };
	(void)state;
	ar_open(&r, &(struct amdvi_rig_config){ .control = UINT64_C(4) << 5, .limits = &limits });
	r.g.invalidate_result = VIOMMU_FAULT;
	for (uint32_t id = 0; id < DEVICES; id++) {
		ar_dte(&r, id, AR_VALID, DOMAIN | AMD_DTE_I, 0);
		guest_device(&r.g, id);
		ar_command(&r, AR_IOTLB(id), 0x5000);
	}
	ar_submit_wait(&r);
	for (int result = ar_kick(&r); result == VIOMMU_PENDING;) {
		uint64_t before = ar_read(&r, AMD_EVT_TAIL, 8);

		assert_false(ar_waited(&r));
		result = viommu_run(r.g.iommu);
		assert_in_range(ar_read(&r, AMD_EVT_TAIL, 8) - before, 0, 16);
	}
	assert_true(ar_waited(&r));
	assert_int_equal(ar_take_events(&r), DEVICES);
	ar_close(&r);
}

/* One that was not logged when the IOMMU was reset is not logged afterwards; what comes then is. */
static void test_timeout_before_reset(void **state)
{
	struct ar_event event;

	(void)state;
	open_rig(0, UINT64_C(4) << 5);
	r.g.invalidate_result = VIOMMU_PENDING;
	ar_command(&r, AR_IOTLB(ID), 0x5000);
	assert_int_equal(ar_kick(&r), OK);
	assert_int_equal(
		viommu_invalidation_done(device, r.g.invalidation[0].what.token, VIOMMU_FAULT), OK);
	assert_int_equal(viommu_reset(r.g.iommu), OK);
	r.tail = 0;
	r.ticket = 0;
	guest_put64(&r.g, r.status, 0);
	ar_start(&r);
	assert_int_equal(ar_take_events(&r), 0);
	r.g.invalidate_result = VIOMMU_FAULT;
	ar_command(&r, AR_IOTLB(ID), 0x6000);
	ar_sync(&r);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(7) << 60 | ID);
	ar_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legal),
		cmocka_unit_test(test_no_iotlb),
		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_part_of_a_page),
		cmocka_unit_test(test_without_a_wait),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_hardware_errors),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_start_and_wrap),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_iotlb),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_timeout_before_reset),
		cmocka_unit_test(test_timeouts_are_paid_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
