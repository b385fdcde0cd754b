/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_devtlb.c - device-TLB invalidation (6.5.2.5, 6.5.2.6, 6.5.2.10): ranges, answers that
 * come later or never, and the cap on outstanding ones (obligation 27).
 */

#include "vtd_unit.h"

#define DONE(u, n, status)                                                                         \
	viommu_invalidation_done((u)->dev, trace_invalidation(&(u)->t, n)->token, status)

/* ---- ranges ---- */

static void test_ranges(void **state)
{
	static const struct {
		const char *name;
		uint64_t address; /* bits 63:12 of word 1 */
		bool s;
		uint64_t first;
		uint64_t last;
	} rows[] = {
		{ "S=0: one page", 0x12345000, false, 0x12345000, 0x12345fff },
		{ "S=0 at 0", 0, false, 0, 0xfff },
		{ "S=0 at the top", ~UINT64_C(0xfff), false, ~UINT64_C(0xfff), UINT64_MAX },
		{ "S=1, no ones: 2 pages", 0x12344000, true, 0x12344000, 0x12345fff },
		{ "S=1, 1 one: 4 pages", 0x12341000, true, 0x12340000, 0x12343fff },
		{ "S=1, 2 ones: 8 pages", 0x12343000, true, 0x12340000, 0x12347fff },
		{ "S=1, 8 ones: 2 MiB", 0x122ff000, true, 0x12200000, 0x123fffff },
		{ "S=1, 17 ones: 1 GiB", 0x1dffff000, true, 0x1c0000000, 0x1ffffffff },
		{ "S=1, 50 ones: half of everything", UINT64_C(0xbffffffffffff000), true,
		  UINT64_C(0x8000000000000000), UINT64_MAX },
		{ "S=1, 51 ones: everything", UINT64_C(0x7ffffffffffff000), true, 0, UINT64_MAX },
		{ "S=1, all ones: everything", ~UINT64_C(0xfff), true, 0, UINT64_MAX },
	};
	struct unit *u = unit_scalable();

	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		trace_clear(&u->t);
		submit(u, Q_DEVTLB(UNIT_RID), rows[i].address | (rows[i].s ? 1 : 0));
		submit(u, Q_PDEVTLB(UNIT_RID, 0x12345),
		       rows[i].address | (rows[i].s ? BIT(11) : 0));
		row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), 2);
		for (unsigned k = 0; k < 2; k++) {
			row_equal(trace_invalidation(&u->t, k)->first, rows[i].first);
			row_equal(trace_invalidation(&u->t, k)->last, rows[i].last);
			row_equal(trace_invalidation(&u->t, k)->pasid,
				  k ? 0x12345 : VIOMMU_NO_PASID);
			row_equal(trace_invalidation(&u->t, k)->flags, 0);
		}
	}
	unit_close(u);
}

/* ---- who is asked ---- */

static void test_targets(void **state)
{
	const struct {
		const char *name;
		uint64_t q[2];
		unsigned asked; /* id of the only device that is asked; 0: none */
		uint32_t pasid;
		uint32_t flags;
	} rows[] = {
		{ "6.5.2.5 SID", { Q_DEVTLB(UNIT_RID), 0 }, UNIT_RID, VIOMMU_NO_PASID, 0 },
		{ "6.5.2.5 the other", { Q_DEVTLB(UNIT_RID2), 0 }, UNIT_RID2, VIOMMU_NO_PASID, 0 },
		{ "6.5.2.5 nobody", { Q_DEVTLB(0x0011), 0 }, 0, 0, 0 },
		{ "6.5.2.5 PFSID and QDEP name nobody",
		  { Q_DEVTLB(UNIT_RID) | BITS(63, 52) | BITS(20, 16) | BITS(15, 12), 0 },
		  UNIT_RID,
		  VIOMMU_NO_PASID,
		  0 },
		{ "6.5.2.6 SID and PASID", { Q_PDEVTLB(UNIT_RID, 1), 0 }, UNIT_RID, 1, 0 },
		{ "6.5.2.6 PASID has 20 bits",
		  { Q_PDEVTLB(UNIT_RID2, 0xfffff), 0 },
		  UNIT_RID2,
		  0xfffff,
		  0 },
		{ "6.5.2.6 G: all PASIDs",
		  { Q_PDEVTLB(UNIT_RID, 1), 1 },
		  UNIT_RID,
		  1,
		  VIOMMU_INVALIDATE_ALL_PASIDS },
		{ "6.5.2.6 nobody", { Q_PDEVTLB(0x0111, 1), 0 }, 0, 0, 0 },
	};
	struct unit *u = unit_scalable();

	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		trace_clear(&u->t);
		row_equal(submit(u, rows[i].q[0], rows[i].q[1]), VIOMMU_OK);
		row_equal(fsts(u), 0);
		row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), rows[i].asked != 0);
		if (rows[i].asked) {
			row_equal(u->g.invalidation[0].id, rows[i].asked);
			row_equal(trace_invalidation(&u->t, 0)->flags, rows[i].flags);
			if (!rows[i].flags)
				row_equal(trace_invalidation(&u->t, 0)->pasid, rows[i].pasid);
		}
		guest_wait(&u->g);
	}
	unit_close(u);
}

/* A device without a cache of its own. */
static void test_no_callback(void **state)
{
	struct viommu_device_config config = { .size = sizeof(config), .id = 0x42 };
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_device *device;

	row_name = "no callback: nothing to wait for";
	row_equal(viommu_device_new(u->g.iommu, &config, &device), VIOMMU_OK);
	row_equal(submit(u, Q_DEVTLB(0x42), 0), VIOMMU_OK);
	guest_wait(&u->g);
	row_equal(viommu_device_free(device), VIOMMU_OK);
	unit_close(u);
}

/* ---- answers that come later ---- */

static void test_asynchronous(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	row_name = "6.5.2.10 the wait completes after the device has answered";
	u->g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0x1000, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), 2);
	row_equal(trace_invalidation(&u->t, 0)->token == trace_invalidation(&u->t, 1)->token,
		  false);
	row_equal(guest_waited(&u->g), false);
	row_equal(guest_read64(&u->g, VTD_IQH), 0); /* who polls it is not told either */
	row_name = "answers that are none";
	row_equal(viommu_invalidation_done(NULL, 1, VIOMMU_OK), VIOMMU_EINVAL);
	row_equal(DONE(u, 0, VIOMMU_MORE), VIOMMU_EINVAL);
	row_equal(DONE(u, 0, VIOMMU_EINVAL), VIOMMU_EINVAL);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(fsts(u), 0);
	row_name = "in any order";
	row_equal(DONE(u, 1, VIOMMU_OK), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(guest_waited(&u->g), false);
	row_equal(DONE(u, 0, VIOMMU_OK), VIOMMU_OK);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	row_equal(guest_waited(&u->g), false);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(fsts(u), 0);
	unit_close(u);
}

/* 11.4.7.1 ICE: an answer that nobody waits for. It stops nothing. */
static void test_unexpected(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	row_name = "11.4.7.1 unexpected completion: ICE, ICESID, the fault event";
	guest_events(&u->g);
	u->g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(viommu_invalidation_done(u->dev2, trace_invalidation(&u->t, 0)->token, VIOMMU_OK),
		  VIOMMU_ENOENT);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(fsts(u), VTD_FSTS_ICE);
	row_equal(guest_read64(&u->g, VTD_IQERCD), (uint64_t)UNIT_RID2 << 48);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_equal(trace_msi(&u->t, 0).data, 0x30);
	row_name = "8 ICE does not stop the queue";
	row_equal(DONE(u, 0, VIOMMU_OK), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	row_equal(fsts(u), VTD_FSTS_ICE);
	guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_ICE);
	row_equal(fsts(u), 0);
	row_name = "an answer given twice";
	row_equal(DONE(u, 0, VIOMMU_OK), VIOMMU_ENOENT);
	viommu_run(u->g.iommu);
	row_equal(fsts(u), VTD_FSTS_ICE);
	row_equal(guest_read64(&u->g, VTD_IQERCD), (uint64_t)UNIT_RID << 48);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 2);
	unit_close(u);
}

/* ---- answers that do not come ---- */

static void test_time_out(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	guest_events(&u->g);
	row_name = "6.5.2.10 time-out: ITE, ITESID, the fault event";
	u->g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID2), 0, 0, 0);
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(viommu_invalidation_done(u->dev2, trace_invalidation(&u->t, 0)->token,
					   VIOMMU_FAULT),
		  VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu) >= 0, true);
	row_equal(fsts(u), VTD_FSTS_ITE);
	row_equal(guest_read64(&u->g, VTD_IQERCD), (uint64_t)UNIT_RID2 << 32);
	row_equal(trace_count(&u->t, GUEST_ON_MSI), 1);
	row_equal(trace_msi(&u->t, 0).data, 0x30);
	row_name = "the wait is aborted: IQH is behind it, where drivers look for such";
	row_equal(guest_read64(&u->g, VTD_IQH), 0x30);
	row_name = "fetching stops while ITE is set, whatever is answered";
	guest_submit_wait(&u->g);
	row_equal(DONE(u, 1, VIOMMU_OK), VIOMMU_OK);
	viommu_run(u->g.iommu);
	guest_ring(&u->g);
	row_equal(guest_waited(&u->g), false);
	row_equal(guest_read64(&u->g, VTD_IQH), 0x30);
	row_name = "6.5.2.10 and goes on behind the aborted wait when it is cleared";
	guest_put64(&u->g, u->g.status, 0);
	guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_ITE);
	row_equal(fsts(u), 0);
	row_equal(guest_waited(&u->g), true); /* the second one */
	row_equal(guest_read64(&u->g, VTD_IQH), 0x40);
	row_equal(trace_count(&u->t, GUEST_ON_DIRTY), 1);
	unit_close(u);
}

static void test_two_time_outs(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	row_name = "the first of two time-outs is named";
	u->g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID2), 0, 0, 0);
	guest_submit_wait(&u->g);
	guest_ring(&u->g);
	row_equal(DONE(u, 0, VIOMMU_FAULT), VIOMMU_OK);
	row_equal(viommu_invalidation_done(u->dev2, trace_invalidation(&u->t, 1)->token,
					   VIOMMU_FAULT),
		  VIOMMU_OK);
	viommu_run(u->g.iommu);
	row_equal(fsts(u), VTD_FSTS_ITE);
	row_equal(guest_read64(&u->g, VTD_IQERCD), (uint64_t)UNIT_RID << 32);
	guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_ITE);
	if (fsts(u)) /* a second ITE is as good */
		guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_ITE);
	row_equal(guest_waited(&u->g), false); /* aborted */
	guest_wait(&u->g);
	unit_close(u);
}

/* ---- more than the cap ---- */

static void test_cap(void **state)
{
	struct unit *u = unit_open_limited(0, GUEST_ECAP_LEGACY, 0, 2);

	row_name = "27 more outstanding than the cap: the queue waits, nothing is lost";
	u->dev = guest_device(&u->g, UNIT_RID);
	guest_queue_on(&u->g, false, 0);
	u->g.invalidate_result = VIOMMU_PENDING;
	for (unsigned i = 0; i < 5; i++)
		guest_submit(&u->g, Q_DEVTLB(UNIT_RID), i * GUEST_PAGE, 0, 0);
	guest_submit_wait(&u->g);
	trace_clear(&u->t);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), 2);
	row_equal(guest_read64(&u->g, VTD_IQH), 0); /* none is complete */
	for (unsigned i = 0; i < 5; i++) {
		row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
		row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), i < 3 ? i + 2 : 5);
		row_equal(guest_waited(&u->g), false);
		row_equal(trace_invalidation(&u->t, i)->first, i * GUEST_PAGE);
		row_equal(DONE(u, i, VIOMMU_OK), VIOMMU_OK);
	}
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	unit_close(u);
}

/* A device that goes away owes nothing any more. */
static void test_device_freed(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	row_name = "a device that is freed has answered";
	u->g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	guest_drop(&u->g);
	row_equal(trace_count(&u->t, GUEST_ON_WORK) >= 1, true);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_waited(&u->g), true);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),	      cmocka_unit_test(test_targets),
		cmocka_unit_test(test_no_callback),   cmocka_unit_test(test_asynchronous),
		cmocka_unit_test(test_unexpected),    cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_two_time_outs), cmocka_unit_test(test_cap),
		cmocka_unit_test(test_device_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
