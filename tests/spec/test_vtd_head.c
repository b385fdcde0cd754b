/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_head.c - IQH as the only sign of completion (drivers of OpenBSD and Genode have no wait descriptors), errors
 * that come after what precedes them, and bits of invalidations that the unit does not have.
 */

#include <string.h>

#include "vtd_unit.h"

#define IQH(u)	   guest_read64(&(u)->g, VTD_IQH)
#define INVALID	   UINT64_C(0xf) /* no such type */
#define IOTLB_REG  0xf8U
#define GLOBAL	   UINT64_C(0x12)
#define PAGES(did) Q_IOTLB(3, did)

/* ---- the head ---- */

static void test_sections(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *a = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);
	struct viommu_channel *b = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);

	row_name = "13 IQH is complete, not fetched: a section is open";
	viommu_enter(a);
	row_equal(submit(u, GLOBAL, 0), VIOMMU_PENDING);
	row_equal(IQH(u), 0);
	row_name = "what it waits for does not grow with what comes later";
	viommu_enter(b);
	row_equal(submit(u, GLOBAL, 0), VIOMMU_PENDING);
	row_equal(IQH(u), 0);
	trace_clear(&u->t);
	viommu_leave(a);
	row_equal(trace_count(&u->t, GUEST_ON_WORK), 1);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(IQH(u), 0x10);
	viommu_leave(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(IQH(u), 0x20);
	row_name = "nobody is inside: at once";
	row_equal(submit(u, GLOBAL, 0), VIOMMU_OK);
	row_equal(IQH(u), 0x30);
	row_name = "the queue runs on meanwhile";
	viommu_enter(a);
	row_equal(submit(u, GLOBAL, 0), VIOMMU_PENDING);
	trace_clear(&u->t);
	row_equal(submit(u, Q_DEVTLB(UNIT_RID), 0), VIOMMU_PENDING);
	row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), 1);
	row_equal(IQH(u), 0x30);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(IQH(u), 0x50);
	unit_close(u);
}

static void test_devices(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	row_name = "6.5.2.10 IQH: a device has not answered";
	u->g.invalidate_result = VIOMMU_PENDING;
	row_equal(submit(u, Q_DEVTLB(UNIT_RID), 0), VIOMMU_PENDING);
	row_equal(submit(u, Q_DEVTLB(UNIT_RID2), 0), VIOMMU_PENDING);
	row_equal(IQH(u), 0);
	row_equal(viommu_invalidation_done(u->dev, trace_invalidation(&u->t, 0)->token, VIOMMU_OK),
		  VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(IQH(u), 0x10);
	row_equal(viommu_device_fail(u->dev2), VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(IQH(u), 0x20);
	row_equal(fsts(u), 0);
	unit_close(u);
}

/* The queue is turned off: QIES stays until all is complete. */
static void test_off(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *a = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);

	row_name = "11.4.4 QIES waits for what the queue has begun";
	u->g.invalidate_result = VIOMMU_PENDING;
	viommu_enter(a);
	row_equal(submit(u, GLOBAL, 0), VIOMMU_PENDING);
	row_equal(submit(u, Q_DEVTLB(UNIT_RID), 0), VIOMMU_PENDING);
	row_equal(gcmd(u, 0, VTD_G_QIE), VIOMMU_PENDING);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(gsts(u) & VTD_G_QIE, VTD_G_QIE);
	row_equal(viommu_invalidation_done(u->dev, trace_invalidation(&u->t, 0)->token, VIOMMU_OK),
		  VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(gsts(u) & VTD_G_QIE, 0);
	row_name = "11.4.9.1 IQH reads 0 while QIES is 0";
	row_equal(IQH(u), 0);
	row_equal(guest_read64(&u->g, VTD_IQT), 0x20);
	unit_close(u);
}

/* ---- errors ---- */

static void test_error_after_the_rest(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *a = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);

	row_name = "11.4.9.9 IQE shows once what precedes it is complete";
	viommu_enter(a);
	guest_submit(&u->g, GLOBAL, 0, 0, 0);
	row_equal(submit(u, INVALID, 0), VIOMMU_PENDING);
	row_equal(fsts(u), 0);
	row_equal(IQH(u), 0);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(fsts(u), 0);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(fsts(u), VTD_FSTS_IQE);
	row_equal(IQH(u), 0x10);
	queue_recover(u);
	row_name = "and a tail that is out of range";
	viommu_enter(a);
	guest_submit(&u->g, GLOBAL, 0, 0, 0);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(guest_write64(&u->g, VTD_IQT, 0x7fff0), VIOMMU_PENDING);
	row_equal(fsts(u), 0);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(fsts(u), VTD_FSTS_IQE);
	row_equal(IQH(u), 0x20);
	unit_close(u);
}

static void test_time_out_before_an_error(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);

	row_name = "6.5.2.10 a time-out comes before the error behind it";
	u->g.invalidate_result = VIOMMU_PENDING;
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	row_equal(submit(u, INVALID, 0), VIOMMU_PENDING);
	row_equal(fsts(u), 0);
	row_equal(viommu_invalidation_done(u->dev, trace_invalidation(&u->t, 0)->token,
					   VIOMMU_FAULT),
		  VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(fsts(u), VTD_FSTS_ITE);
	row_equal(IQH(u), 0x10);
	guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_ITE);
	row_equal(fsts(u), VTD_FSTS_IQE);
	row_equal(IQH(u), 0x10);
	unit_close(u);
}

static void test_time_out_in_a_section(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *a = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);

	row_name = "ITE moves IQH: not while a section is open";
	u->g.invalidate_result = VIOMMU_FAULT;
	viommu_enter(a);
	guest_submit(&u->g, GLOBAL, 0, 0, 0);
	guest_submit(&u->g, Q_DEVTLB(UNIT_RID), 0, 0, 0);
	guest_submit_wait(&u->g);
	row_equal(guest_ring(&u->g), VIOMMU_PENDING);
	row_equal(fsts(u), 0);
	row_equal(IQH(u), 0);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(fsts(u), VTD_FSTS_ITE);
	row_equal(IQH(u), 0x30);
	guest_write32(&u->g, VTD_FSTS, (uint32_t)VTD_FSTS_ITE);
	row_equal(guest_waited(&u->g), false);
	row_name = "nor past what was executed since";
	u->g.invalidate_result = VIOMMU_PENDING;
	trace_clear(&u->t);
	row_equal(submit(u, Q_DEVTLB(UNIT_RID), 0), VIOMMU_PENDING);
	viommu_enter(a);
	row_equal(submit(u, GLOBAL, 0), VIOMMU_PENDING);
	row_equal(viommu_invalidation_done(u->dev, trace_invalidation(&u->t, 0)->token,
					   VIOMMU_FAULT),
		  VIOMMU_OK);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(fsts(u), 0);
	row_equal(IQH(u), 0x30);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(fsts(u), VTD_FSTS_ITE);
	row_equal(IQH(u), 0x50);
	unit_close(u);
}

/* ---- saved in between ---- */

static void test_both_positions_are_saved(void **state)
{
	static unsigned char saved[65536];
	uint64_t bytes = sizeof(saved);
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *a = guest_channel(&u->g, u->dev, VIOMMU_NO_PASID);

	row_name = "29 what is executed is not executed again, and shown when it is complete";
	viommu_enter(a);
	row_equal(submit(u, Q_DEVTLB(UNIT_RID), 0), VIOMMU_OK);
	row_equal(submit(u, GLOBAL, 0), VIOMMU_PENDING);
	row_equal(IQH(u), 0x10);
	row_equal(viommu_save(u->g.iommu, saved, &bytes), VIOMMU_OK);
	trace_clear(&u->t);
	row_equal(viommu_restore(u->g.iommu, saved, bytes), VIOMMU_PENDING);
	row_equal(IQH(u), 0x10);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(IQH(u), 0x10);
	viommu_leave(a);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(IQH(u), 0x20);
	row_equal(trace_count(&u->t, GUEST_ON_INVALIDATE), 0);
	unit_close(u);
}

/* ---- bits that are not there (11.4.6; notes section 8) ---- */

static void test_ignored_bits(void **state)
{
	static const struct {
		const char *name;
		uint64_t iova;
		uint64_t address; /* to be added */
		uint32_t did;
		unsigned granularity;
	} rows[] = {
		{ "bit above MGAW", UNIT_IOVA, BIT(60), UNIT_DID, 3 },
		{ "the lowest bit above MGAW", UNIT_IOVA, BIT(48), UNIT_DID, 3 },
		{ "sign-extended", UINT64_C(0x800000005000), BITS(63, 48), UNIT_DID, 3 },
		{ "domain id beyond ND, pages", UNIT_IOVA, 0, 0x4200 | UNIT_DID, 3 },
		{ "domain id beyond ND, domain", UNIT_IOVA, 0, 0x0100 | UNIT_DID, 2 },
	};

	for (size_t i = 0; i < 2 * ROWS(rows); i++) {
		uint64_t cap = (viommu_vtd_default_cap() & ~VTD_CAP_ND) | bits_put(VTD_CAP_ND, 2);
		struct unit *u = unit_open(cap, GUEST_ECAP_LEGACY);
		uint64_t iova = rows[i / 2].iova;
		uint64_t address = iova | rows[i / 2].address;
		uint64_t g = rows[i / 2].granularity;

		row_name = rows[i / 2].name;
		unit_legacy_tables(u);
		guest_start(&u->g, VTD_TTM_LEGACY);
		guest_ss_map(&u->g, u->ss, 4, iova, u->page[0], 12, GUEST_RW);
		row_equal(where(u->dev, iova, VIOMMU_READ), u->page[0]);
		guest_ss_map(&u->g, u->ss, 4, iova, u->page[3], 12, GUEST_RW);
		if (i & 1) {
			guest_submit(&u->g, Q_IOTLB(g, rows[i / 2].did), address, 0, 0);
			guest_wait(&u->g);
		} else {
			row_equal(gcmd(u, 0, VTD_G_QIE), VIOMMU_OK);
			guest_write64(&u->g, IOTLB_REG - 8, address);
			guest_write64(&u->g, IOTLB_REG,
				      BIT(63) | g << 60 | (uint64_t)rows[i / 2].did << 32);
		}
		row_equal(where(u->dev, iova, VIOMMU_READ), u->page[3]);
		unit_close(u);
	}
}

/* Notes section 5: no second stage, no AW that could be wrong. */
static void test_no_second_stage(void **state)
{
	struct unit *u = unit_open(GUEST_CAP & ~VTD_CAP_SAGAW, GUEST_ECAP_LEGACY);

	unit_legacy_tables(u);
	guest_start(&u->g, VTD_TTM_LEGACY);
	row_name = "SAGAW = 0: tables cannot be used";
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), FAULT(0x03));
	row_equal(recorded(u), 0x03);
	for (unsigned aw = 0; aw < 8; aw++) {
		uint64_t entry = guest_legacy_entry(&u->g, UNIT_RID);

		row_name = "SAGAW = 0: pass-through, whatever AW says";
		guest_put64(&u->g, entry, bits_put(VTD_CE_TT, VTD_TT_PASS) | VTD_CE_P);
		guest_put64(&u->g, entry + 8, bits_put(VTD_CE_DID, UNIT_DID) | aw);
		guest_invalidate_all(&u->g);
		row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), UNIT_IOVA);
	}
	unit_close(u);
}

/* Notes section 7: TM is software's to set in pages where there are device TLBs. */
static void test_transient_mapping(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		uint64_t ecap = i ? GUEST_ECAP_LEGACY : GUEST_ECAP_LEGACY & ~VTD_ECAP_DT;
		struct unit *u = unit_open(0, ecap);
		uint64_t entry;

		row_name = i == 0   ? "bit 62 of a page without DT"
			   : i == 1 ? "bit 62 of a page with DT: TM"
				    : "bit 62 of a table with DT";
		unit_legacy_tables(u);
		entry = guest_entry(&u->g, u->ss, 4, UNIT_IOVA, i == 2, GUEST_RW);
		guest_put64(&u->g, entry, guest_get64(&u->g, entry) | BIT(62));
		guest_start(&u->g, VTD_TTM_LEGACY);
		row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), i == 1 ? u->page[0] : FAULT(0x0c));
		row_equal(recorded(u), i == 1 ? 0 : 0x0c);
		unit_close(u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_error_after_the_rest),
		cmocka_unit_test(test_time_out_before_an_error),
		cmocka_unit_test(test_time_out_in_a_section),
		cmocka_unit_test(test_both_positions_are_saved),
		cmocka_unit_test(test_ignored_bits),
		cmocka_unit_test(test_no_second_stage),
		cmocka_unit_test(test_transient_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
