/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_nesting.c - first stages that the host walks: what it is told, that it is told before the guest can know, and
 * what the guest sees if the host refuses.
 */

#include <libvirtiommu/nesting.h>

#include <string.h>

#include "vtd_unit.h"

#define NONE	 VIOMMU_NO_PASID
#define CALLS	 64U
#define ALL	 UINT64_MAX
#define HOST_CAP (viommu_vtd_default_cap() | VTD_CAP_FS1GP)
#define HOST_ECAP                                                                                  \
	(viommu_vtd_default_ecap() | VTD_ECAP_SMTS | VTD_ECAP_NEST | VTD_ECAP_FSTS |               \
	 VTD_ECAP_SSTS | VTD_ECAP_PASID | bits_put(VTD_ECAP_PSS, 19) | VTD_ECAP_SRS)

enum kind { INSTALL, MODE, INVALIDATE };

struct call {
	enum kind kind;
	struct viommu_device *device;
	uint32_t pasid;
	uint32_t mode;
	uint32_t count;
	struct viommu_nested_stage stage;
	struct viommu_nested_range range[40];
	bool waited; /* the guest knew already that its wait is complete */
};

/* The host, as far as it is asked. */
static struct host {
	struct call call[CALLS];
	unsigned calls;
	uint32_t take; /* entries, of each call */
	int result;    /* of install */
} host;

static struct unit *u;
static struct viommu_nesting *nesting;

static struct call *note(enum kind kind, struct viommu_device *device, uint32_t pasid)
{
	struct call *c = &host.call[host.calls++];

	assert_true(host.calls < CALLS);
	*c = (struct call){ .kind = kind, .device = device, .pasid = pasid };
	c->waited = u->g.status && guest_waited(&u->g);
	return c;
}

static int install(void *opaque, struct viommu_device *device, uint32_t pasid,
		   const struct viommu_nested_stage *stage)
{
	assert_ptr_equal(opaque, &host);
	note(INSTALL, device, pasid)->stage = *stage;
	return host.result;
}

static void mode(void *opaque, struct viommu_device *device, uint32_t pasid, uint32_t mode)
{
	assert_ptr_equal(opaque, &host);
	note(MODE, device, pasid)->mode = mode;
}

static uint32_t invalidate(void *opaque, struct viommu_device *device, uint32_t pasid,
			   uint32_t type, const void *entries, uint32_t count)
{
	struct call *c = note(INVALIDATE, device, pasid);

	assert_ptr_equal(opaque, &host);
	assert_int_equal(type, VIOMMU_NESTED_VTD_S1);
	assert_true(count > 0 && count <= ROWS(c->range));
	c->count = count;
	memcpy(c->range, entries, count * sizeof(c->range[0]));
	return count < host.take ? count : host.take;
}

static const struct viommu_nesting_config callbacks = { .size = sizeof(callbacks),
							.opaque = &host,
							.install = install,
							.mode = mode,
							.invalidate = invalidate };

static void forget_calls(void)
{
	host.calls = 0;
}

/* The only call. */
static const struct call *only(void)
{
	row_equal(host.calls, 1);
	return &host.call[0];
}

static void expect_mode(uint32_t mode)
{
	const struct call *c = only();

	row_equal(c->kind, MODE);
	row_equal(c->mode, mode);
	forget_calls();
}

static void expect_install(struct viommu_device *device, uint64_t root, uint64_t flags,
			   uint32_t width)
{
	const struct call *c = only();

	row_equal(c->kind, INSTALL);
	row_equal(c->device == device, true);
	row_equal(c->stage.type, VIOMMU_NESTED_VTD_S1);
	row_equal(c->stage.bytes, 24);
	row_equal(c->stage.data[0], flags);
	row_equal(c->stage.data[1], root);
	row_equal(c->stage.data[2], width);
	row_equal(c->stage.data[3], 0);
	forget_calls();
}

static void expect_range(const struct call *c, unsigned i, uint64_t address, uint64_t pages,
			 uint32_t flags)
{
	row_equal(c->range[i].address, address);
	row_equal(c->range[i].pages, pages);
	row_equal(c->range[i].flags, flags);
	row_equal(c->range[i].reserved, 0);
}

/* The entry that decides on requests without PASID. */
static void first_stage(uint16_t rid, uint16_t did, uint64_t root, uint64_t extra)
{
	const struct guest_pasid p = {
		.did = did, .pgtt = VTD_PGTT_FIRST, .fs = root, .fs_levels = 4, .extra2 = extra
	};

	guest_pasid(&u->g, rid, 0, &p);
}

/* All that the host is told meanwhile, it is told first. */
static void wait_told(void)
{
	unsigned from = host.calls;

	guest_wait(&u->g);
	for (unsigned i = from; i < host.calls; i++)
		row_equal(host.call[i].waited, false);
}

static void invalidate_pasids(uint16_t did)
{
	guest_submit(&u->g, Q_PC(VTD_PC_DOMAIN, did, 0), 0, 0, 0);
	wait_told();
}

static void open_unit(void)
{
	struct viommu_vtd_config config = { .size = sizeof(config) };

	host = (struct host){ .take = UINT32_MAX };
	assert_int_equal(viommu_vtd_fit(&config, HOST_CAP, HOST_ECAP), VIOMMU_OK);
	u = unit_open(config.cap | VTD_CAP_FS1GP, config.ecap | VTD_ECAP_SRS);
	u->fs = guest_table(&u->g);
	u->page[0] = guest_alloc(&u->g, 1);
	guest_fs_map(&u->g, u->fs, 4, UNIT_IOVA, u->page[0], 12, GUEST_FS);
	u->dev = guest_device(&u->g, UNIT_RID);
	u->dev2 = guest_device(&u->g, UNIT_RID2);
	assert_int_equal(viommu_nesting_new(u->g.iommu, &callbacks, &nesting), VIOMMU_OK);
}

/* The first device nests, the second is emulated, with the same tables and domain. */
static void start(void)
{
	open_unit();
	first_stage(UNIT_RID, UNIT_DID, u->fs, 0);
	first_stage(UNIT_RID2, UNIT_DID, u->fs, 0);
	assert_int_equal(viommu_nesting_add(nesting, u->dev, NONE), VIOMMU_OK);
	guest_start(&u->g, VTD_TTM_SCALABLE);
	guest_invalidate_all(&u->g);
	forget_calls();
}

static void stop(void)
{
	viommu_nesting_remove(nesting, u->dev, NONE);
	assert_int_equal(viommu_nesting_free(nesting), VIOMMU_OK);
	unit_close(u);
}

/* ---- what applies ---- */

static void test_installed(void **state)
{
	open_unit();
	first_stage(UNIT_RID, UNIT_DID, u->fs, 0);
	row_name = "remapping is off";
	assert_int_equal(viommu_nesting_add(nesting, u->dev, NONE), VIOMMU_OK);
	expect_mode(VIOMMU_MODE_BYPASS);
	row_name = "on";
	guest_start(&u->g, VTD_TTM_SCALABLE);
	row_equal(host.calls > 0, true);
	host.calls = 1;
	expect_install(u->dev, u->fs, 0, 48);
	row_name = "off";
	guest_command(&u->g, VTD_G_TE, false);
	host.calls = 1;
	expect_mode(VIOMMU_MODE_BYPASS);
	stop();
}

static void test_changes(void **state)
{
	uint64_t other;

	start();
	other = guest_table(&u->g);
	row_name = "another root, and supervisor requests";
	first_stage(UNIT_RID, UNIT_DID, other, VTD_PE_SRE);
	invalidate_pasids(UNIT_DID);
	expect_install(u->dev, other, 1, 48);
	row_name = "the same: nothing is installed, everything is forgotten";
	invalidate_pasids(UNIT_DID);
	row_equal(only()->kind, INVALIDATE);
	expect_range(&host.call[0], 0, 0, ALL, 0);
	forget_calls();
	row_name = "not present";
	guest_put64(&u->g, guest_pasid_entry(&u->g, UNIT_RID, 0), 0);
	invalidate_pasids(UNIT_DID);
	expect_mode(VIOMMU_MODE_BLOCK);
	row_name = "present again: with caching mode the guest says so";
	first_stage(UNIT_RID, UNIT_DID, u->fs, 0);
	invalidate_pasids(UNIT_DID);
	expect_install(u->dev, u->fs, 0, 48);
	row_name = "pass-through";
	guest_pasid(
		&u->g, UNIT_RID, 0,
		&(struct guest_pasid){ .did = UNIT_DID, .pgtt = VTD_PGTT_PASS, .ss_levels = 4 });
	invalidate_pasids(UNIT_DID);
	expect_mode(VIOMMU_MODE_BYPASS);
	row_name = "reset";
	first_stage(UNIT_RID, UNIT_DID, u->fs, 0);
	invalidate_pasids(UNIT_DID);
	forget_calls();
	row_equal(viommu_reset(u->g.iommu), VIOMMU_OK);
	expect_mode(VIOMMU_MODE_BYPASS);
	stop();
}

/* A second stage of the guest's is nothing that the host can walk. */
static void test_second_stage(void **state)
{
	host = (struct host){ .take = UINT32_MAX };
	u = unit_open(GUEST_CAP_SCALABLE | VTD_CAP_CM, GUEST_ECAP_SCALABLE);
	unit_scalable_tables(u);
	assert_int_equal(viommu_nesting_new(u->g.iommu, &callbacks, &nesting), VIOMMU_OK);
	guest_start(&u->g, VTD_TTM_SCALABLE);
	assert_int_equal(viommu_nesting_add(nesting, u->dev, NONE), VIOMMU_OK);
	row_name = "second stage";
	expect_mode(VIOMMU_MODE_TRANSLATE);
	row_name = "a PASID's own first stage";
	assert_int_equal(viommu_nesting_add(nesting, u->dev, UNIT_PASID), VIOMMU_OK);
	expect_install(u->dev, u->fs, 0, 48);
	row_name = "one PASID is invalidated";
	guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PASID, UNIT_DID, UNIT_PASID), 0, 0, 0);
	guest_wait(&u->g);
	row_equal(only()->kind, INVALIDATE);
	row_equal(host.call[0].pasid, UNIT_PASID);
	assert_int_equal(viommu_nesting_remove(nesting, u->dev, UNIT_PASID), VIOMMU_OK);
	stop();
}

static void test_install_refused(void **state)
{
	uint64_t other;

	start();
	other = guest_table(&u->g);
	host.result = VIOMMU_FAULT;
	first_stage(UNIT_RID, UNIT_DID, other, 0);
	invalidate_pasids(UNIT_DID);
	row_name = "it is blocked";
	row_equal(host.calls, 2);
	row_equal(host.call[0].kind, INSTALL);
	row_equal(host.call[1].kind, MODE);
	row_equal(host.call[1].mode, VIOMMU_MODE_BLOCK);
	row_name = "and has nothing to forget";
	forget_calls();
	host.result = VIOMMU_OK;
	guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PAGES, UNIT_DID, 0), UNIT_IOVA, 0, 0);
	guest_wait(&u->g);
	row_equal(host.calls, 0);
	row_name = "with the next context invalidation it is tried again";
	invalidate_pasids(UNIT_DID);
	expect_install(u->dev, other, 0, 48);
	stop();
}

/* ---- what has to be forgotten ---- */

static void test_ranges(void **state)
{
	const struct call *c;

	start();
	row_name = "two invalidations, one wait: one call, in order, before the wait is complete";
	guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PAGES, UNIT_DID, 0), UNIT_IOVA, 0, 0);
	guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PAGES, UNIT_DID, 0),
		     0x200000 | VTD_QI_IH | bits_put(VTD_QI_AM, 9), 0, 0);
	wait_told();
	c = only();
	row_equal(c->count, 2);
	expect_range(c, 0, UNIT_IOVA, 1, 0);
	expect_range(c, 1, 0x200000, 512, VIOMMU_NESTED_LEAF);
	row_name = "the emulated device forgets, too";
	row_equal(where(u->dev2, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	guest_put64(&u->g, guest_entry(&u->g, u->fs, 4, UNIT_IOVA, 0, GUEST_FS), 0);
	forget_calls();
	guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PASID, UNIT_DID, 0), 0, 0, 0);
	guest_wait(&u->g);
	expect_range(only(), 0, 0, ALL, 0);
	row_equal(where(u->dev2, UNIT_IOVA, VIOMMU_READ), FAULT(VTD_FR_FS_ABSENT));
	row_name = "another domain";
	forget_calls();
	guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PASID, UNIT_DID2, 0), 0, 0, 0);
	guest_wait(&u->g);
	row_equal(host.calls, 0);
	stop();
}

static void test_too_many_ranges(void **state)
{
	start();
	row_name = "more than are gathered";
	for (unsigned i = 0; i < 40; i++)
		guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PAGES, UNIT_DID, 0),
			     UNIT_IOVA + i * 2 * GUEST_PAGE, 0, 0);
	guest_wait(&u->g);
	/* what came before is part of everything */
	row_equal(only()->range[0].pages, ALL);
	row_equal(host.call[0].range[0].address, 0);
	row_equal(host.call[0].count <= 8, true);
	stop();
}

static uint64_t submit_three(void)
{
	uint64_t head = u->g.tail;

	for (unsigned i = 0; i < 3; i++)
		guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PAGES, UNIT_DID, 0),
			     UNIT_IOVA + i * GUEST_PAGE, 0, 0);
	guest_submit_wait(&u->g);
	guest_ring(&u->g);
	return head;
}

static void test_not_taken(void **state)
{
	uint64_t head;
	unsigned bytes;

	start();
	bytes = u->g.wide ? 32 : 16;
	host.take = 1;
	head = submit_three();
	row_name = "the queue stops at the descriptor that the host did not take";
	row_equal(fsts(u) & VTD_FSTS_IQE, VTD_FSTS_IQE);
	row_equal(guest_read64(&u->g, VTD_IQH), head + bytes);
	row_equal(guest_waited(&u->g), false);
	row_equal(bits_get(guest_read64(&u->g, VTD_IQERCD), VTD_IQERCD_IQEI), 0);
	row_name = "and goes on from there";
	host.take = UINT32_MAX;
	forget_calls();
	guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_IQE);
	guest_ring(&u->g);
	row_equal(guest_waited(&u->g), true);
	row_equal(only()->count, 2);
	row_equal(host.call[0].range[0].address, UNIT_IOVA + GUEST_PAGE);
	row_equal(guest_read64(&u->g, VTD_IQH), u->g.tail);
	stop();
}

/* Two requesters, of whom the host is told in another order than the commands came: the first command counts. */
static void test_two_not_taken(void **state)
{
	uint64_t head;

	start();
	first_stage(UNIT_RID2, UNIT_DID2, u->fs, 0);
	invalidate_pasids(UNIT_DID);
	assert_int_equal(viommu_nesting_add(nesting, u->dev2, NONE), VIOMMU_OK);
	for (unsigned swapped = 0; swapped < 2; swapped++) {
		host.take = 0;
		forget_calls();
		head = u->g.tail;
		guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PASID, swapped ? UNIT_DID2 : UNIT_DID, 0),
			     0, 0, 0);
		guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PASID, swapped ? UNIT_DID : UNIT_DID2, 0),
			     0, 0, 0);
		guest_submit_wait(&u->g);
		guest_ring(&u->g);
		row_name = "the queue stops at the first";
		row_equal(host.calls, 2);
		row_equal(fsts(u) & VTD_FSTS_IQE, VTD_FSTS_IQE);
		row_equal(guest_read64(&u->g, VTD_IQH), head);
		row_name = "both are asked for again";
		host.take = UINT32_MAX;
		forget_calls();
		guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_IQE);
		guest_ring(&u->g);
		row_equal(guest_waited(&u->g), true);
		row_equal(host.calls, 2);
	}
	viommu_nesting_remove(nesting, u->dev2, NONE);
	stop();
}

/* Without a wait descriptor, too: the head is what such a guest looks at. */
static void test_not_taken_without_wait(void **state)
{
	uint64_t head;

	start();
	host.take = 0;
	head = u->g.tail;
	guest_submit(&u->g, Q_PIOTLB(VTD_PIOTLB_PAGES, UNIT_DID, 0), UNIT_IOVA, 0, 0);
	guest_ring(&u->g);
	row_name = "the head stays";
	row_equal(fsts(u) & VTD_FSTS_IQE, VTD_FSTS_IQE);
	row_equal(guest_read64(&u->g, VTD_IQH), head);
	stop();
}

/* There is no command to name: what the host may still use is cut off instead. */
static void test_not_taken_without_command(void **state)
{
	start();
	host.take = 0;
	row_name = "everything, by the VMM";
	row_equal(viommu_flush(u->g.iommu), VIOMMU_OK);
	row_equal(host.calls, 2);
	row_equal(host.call[0].kind, INVALIDATE);
	row_equal(host.call[1].kind, MODE);
	row_equal(host.call[1].mode, VIOMMU_MODE_BLOCK);
	stop();
}

/* ---- bounded ---- */

static void test_steps(void **state)
{
	const struct viommu_limits limits = { .size = sizeof(limits), .steps = 16 };
	struct viommu_vtd_config config = { .size = sizeof(config), .limits = &limits };
	struct guest_pasid p = { .did = UNIT_DID, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };
	unsigned calls = 0;

	host = (struct host){ .take = UINT32_MAX };
	assert_int_equal(viommu_vtd_fit(&config, HOST_CAP, HOST_ECAP), VIOMMU_OK);
	config.ecap |= VTD_ECAP_PASID | bits_put(VTD_ECAP_PSS, 19);
	u = &unit;
	guest_init(&u->g, GUEST_REGION, 400);
	assert_int_equal(guest_try_vtd_config(&u->g, &config), VIOMMU_OK);
	trace_start(&u->t, &u->g);
	u->dev = guest_device(&u->g, UNIT_RID);
	p.fs = guest_table(&u->g);
	assert_int_equal(viommu_nesting_new(u->g.iommu, &callbacks, &nesting), VIOMMU_OK);
	for (uint32_t pasid = 0; pasid < 30; pasid++)
		guest_pasid(&u->g, UNIT_RID, pasid, &p);
	guest_start(&u->g, VTD_TTM_SCALABLE);
	guest_invalidate_all(&u->g);
	for (uint32_t pasid = 0; pasid < 30; pasid++)
		assert_int_equal(viommu_nesting_add(nesting, u->dev, pasid), VIOMMU_OK);
	forget_calls();
	p.fs = guest_table(&u->g);
	for (uint32_t pasid = 0; pasid < 30; pasid++)
		guest_pasid(&u->g, UNIT_RID, pasid, &p);
	row_name = "more requesters than steps: some a call, and the wait last";
	guest_submit(&u->g, Q_PC(VTD_PC_DOMAIN, UNIT_DID, 0), 0, 0, 0);
	guest_submit_wait(&u->g);
	for (int result = guest_ring(&u->g); result == VIOMMU_PENDING;
	     result = viommu_run(u->g.iommu)) {
		unsigned before = host.calls;

		assert_true(++calls < 100);
		row_equal(guest_waited(&u->g), false);
		row_equal(host.calls - before <= 4, true);
	}
	row_equal(guest_waited(&u->g), true);
	row_equal(calls >= 7, true);
	row_equal(host.calls, 30);
	for (uint32_t pasid = 0; pasid < 30; pasid++)
		viommu_nesting_remove(nesting, u->dev, pasid);
	stop();
}

/* ---- records of the host's ---- */

static void test_report(void **state)
{
	const uint64_t high = bits_put(VTD_FRCD_SID, 0xffff) |
			      bits_put(VTD_FRCD_FR, VTD_FR_FS_ABSENT) | VTD_FRCD_T1 | VTD_FRCD_F;
	const struct {
		const char *name;
		uint64_t high;
		uint32_t words;
		int result;
	} bad[] = {
		{ "one word", high, 1, VIOMMU_EINVAL },
		{ "three words", high, 3, VIOMMU_EINVAL },
		{ "no reason", high & ~VTD_FRCD_FR, 2, VIOMMU_EINVAL },
		{ "a reason that there is not", high | VTD_FRCD_FR, 2, VIOMMU_EINVAL },
		{ "an interrupt's", (high & ~VTD_FRCD_FR) | bits_put(VTD_FRCD_FR, 0x22), 2,
		  VIOMMU_EINVAL },
		{ "an address type that there is not", high | VTD_FRCD_AT, 2, VIOMMU_EINVAL },
	};
	uint64_t record[3] = { UNIT_IOVA, 0, 0 };
	struct guest_fault fault;

	start();
	for (size_t i = 0; i < ROWS(bad); i++) {
		row_name = bad[i].name;
		record[1] = bad[i].high;
		row_equal(viommu_report_event(u->dev, record, bad[i].words), bad[i].result);
		row_equal(guest_take_fault(&u->g, &fault), false);
	}
	row_name = "the requester is the guest's";
	record[1] = high | VTD_FRCD_PP | bits_put(VTD_FRCD_PV, 9);
	row_equal(viommu_report_event(u->dev, record, 2), VIOMMU_OK);
	row_equal(guest_take_fault(&u->g, &fault), true);
	row_equal(fault.sid, UNIT_RID);
	row_equal(fault.reason, VTD_FR_FS_ABSENT);
	row_equal(fault.info, UNIT_IOVA);
	row_equal(bits_get(fault.high, VTD_FRCD_PV), 9);
	row_equal(fault.high & (VTD_FRCD_T1 | VTD_FRCD_T2), VTD_FRCD_T1);
	row_name = "who has no id";
	row_equal(viommu_device_set_id(u->dev, VIOMMU_NO_ID), VIOMMU_OK);
	row_equal(viommu_report_event(u->dev, record, 2), VIOMMU_EINVAL);
	stop();
}

/* ---- life ---- */

static void test_misuse(void **state)
{
	struct viommu_nesting_config config = callbacks;
	struct viommu_nesting *second = NULL;

	start();
	row_name = "callbacks are needed";
	config.invalidate = NULL;
	row_equal(viommu_nesting_new(u->g.iommu, &config, &second), VIOMMU_EINVAL);
	row_name = "twice";
	row_equal(viommu_nesting_add(nesting, u->dev, NONE), VIOMMU_EEXIST);
	assert_int_equal(viommu_nesting_new(u->g.iommu, &callbacks, &second), VIOMMU_OK);
	row_equal(viommu_nesting_add(second, u->dev, NONE), VIOMMU_EEXIST);
	row_equal(viommu_nesting_remove(second, u->dev, NONE), VIOMMU_ENOENT);
	row_equal(viommu_nesting_remove(nesting, u->dev2, NONE), VIOMMU_ENOENT);
	row_equal(viommu_nesting_add(nesting, u->dev, UINT32_C(1) << 20), VIOMMU_EINVAL);
	row_equal(viommu_nesting_free(second), VIOMMU_OK);
	row_name = "in use";
	row_equal(viommu_nesting_free(nesting), VIOMMU_EBUSY);
	row_equal(viommu_device_free(u->dev), VIOMMU_EBUSY);
	stop();
	row_name = "without caching mode";
	u = unit_open(GUEST_CAP_SCALABLE, GUEST_ECAP_SCALABLE);
	row_equal(viommu_nesting_new(u->g.iommu, &callbacks, &second), VIOMMU_ENOTSUP);
	unit_close(u);
}

static void test_renumbered(void **state)
{
	uint64_t other;

	start();
	other = guest_table(&u->g);
	first_stage(0x30, UNIT_DID, other, 0);
	row_name = "another id: its tables";
	row_equal(viommu_device_set_id(u->dev, 0x30), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	expect_install(u->dev, other, 0, 48);
	stop();
}

static void test_fit(void **state)
{
	struct viommu_vtd_config config = { .size = sizeof(config) };

	row_name = "a host that cannot nest";
	row_equal(viommu_vtd_fit(&config, HOST_CAP, HOST_ECAP & ~VTD_ECAP_NEST), VIOMMU_ENOTSUP);
	row_name = "legacy mode only";
	config.cap = viommu_vtd_default_cap();
	config.ecap = viommu_vtd_default_ecap();
	row_equal(viommu_vtd_fit(&config, HOST_CAP, HOST_ECAP), VIOMMU_ENOTSUP);
	row_name = "everything, on a host with little";
	config.cap = GUEST_CAP_SCALABLE;
	config.ecap = GUEST_ECAP_SCALABLE;
	row_equal(viommu_vtd_fit(&config, HOST_CAP,
				 (HOST_ECAP & ~(VTD_ECAP_PSS | VTD_ECAP_SRS)) |
					 bits_put(VTD_ECAP_PSS, 15)),
		  VIOMMU_OK);
	row_equal(config.cap & (VTD_CAP_FS5LP | VTD_CAP_FS1GP | VTD_CAP_CM),
		  VTD_CAP_FS1GP | VTD_CAP_CM);
	row_equal(config.ecap & (VTD_ECAP_NEST | VTD_ECAP_SSTS | VTD_ECAP_SRS | VTD_ECAP_ERS |
				 VTD_ECAP_EAFS | VTD_ECAP_DT | VTD_ECAP_PRS),
		  0);
	row_equal(bits_get(config.ecap, VTD_ECAP_PSS), 15);
	row_name = "and a unit presents it";
	u = unit_open(config.cap, config.ecap);
	unit_close(u);
	row_name = "no configuration";
	row_equal(viommu_vtd_fit(NULL, HOST_CAP, HOST_ECAP), VIOMMU_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_installed),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_second_stage),
		cmocka_unit_test(test_install_refused),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_too_many_ranges),
		cmocka_unit_test(test_not_taken),
		cmocka_unit_test(test_two_not_taken),
		cmocka_unit_test(test_not_taken_without_wait),
		cmocka_unit_test(test_not_taken_without_command),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_renumbered),
		cmocka_unit_test(test_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
