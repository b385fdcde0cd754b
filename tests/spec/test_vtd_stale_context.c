/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_stale_context.c - context and PASID cache invalidation by the queue (6.5.2.1, 6.5.2.2):
 * an entry is changed, and after the invalidation has completed it is the new one that counts
 * (obligation 12).
 */

#include "vtd_unit.h"

#define NONE VIOMMU_NO_PASID
#define IOVA UNIT_IOVA
#define P    UNIT_PASID

struct context_row {
	const char *name;
	uint32_t pasid;	  /* of the request */
	uint64_t q[2][2]; /* what is invalidated; the second may be nothing */
	bool gone;
};

/* Once through the device and once through a channel. */
static void ask(struct unit *u, struct viommu_channel *c, uint32_t pasid, uint64_t wanted)
{
	row_equal(where_pasid(u->dev, pasid, IOVA, VIOMMU_READ), wanted);
	row_equal(where_channel(c, pasid, IOVA, VIOMMU_READ), wanted);
}

static void run_row(struct unit *u, const struct context_row *row, void (*change)(struct unit *))
{
	struct viommu_channel *c = guest_channel(&u->g, u->dev, row->pasid);

	row_name = row->name;
	ask(u, c, row->pasid, u->page[0]);
	change(u);
	ask(u, c, row->pasid, u->page[0]);
	for (unsigned i = 0; i < 2; i++) {
		if (row->q[i][0])
			guest_submit(&u->g, row->q[i][0], row->q[i][1], 0, 0);
	}
	guest_wait(&u->g);
	ask(u, c, row->pasid, row->gone ? u->page[2] : u->page[0]);
	unit_close(u);
}

/* ---- legacy mode ---- */

static void change_context(struct unit *u)
{
	guest_legacy(&u->g, UNIT_RID, 9, u->ss2, 4);
}

static void test_context(void **state)
{
	const struct context_row rows[] = {
		{ "6.5.2.1 global", NONE, { { Q_CC(1, 0, 0, 0), 0 } }, true },
		{ "6.5.2.1 domain", NONE, { { Q_CC(2, UNIT_DID, 0, 0), 0 } }, true },
		{ "6.5.2.1 device", NONE, { { Q_CC(3, UNIT_DID, UNIT_RID, 0), 0 } }, true },
		{ "6.5.2.1 device, FM 1",
		  NONE,
		  { { Q_CC(3, UNIT_DID, UNIT_RID | 4, 1), 0 } },
		  true },
		{ "6.5.2.1 device, FM 2",
		  NONE,
		  { { Q_CC(3, UNIT_DID, UNIT_RID | 6, 2), 0 } },
		  true },
		{ "6.5.2.1 device, FM 3",
		  NONE,
		  { { Q_CC(3, UNIT_DID, UNIT_RID | 7, 3), 0 } },
		  true },
		{ "6.5.2.1 another device",
		  NONE,
		  { { Q_CC(3, UNIT_DID, UNIT_RID | 8, 3), 0 } },
		  false },
		{ "6.5.2.1 another bus", NONE, { { Q_CC(3, UNIT_DID, 0x8010, 0), 0 } }, false },
		{ "no context-cache invalidation", NONE, { { Q_IEC_GLOBAL, 0 } }, false },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		run_row(unit_legacy(GUEST_ECAP_LEGACY), &rows[i], change_context);
}

/* The same domain, another table: the IOTLB has to be invalidated as well. */
static void change_table(struct unit *u)
{
	guest_legacy(&u->g, UNIT_RID, UNIT_DID, u->ss2, 4);
}

static void test_table_of_the_same_domain(void **state)
{
	const struct context_row row = { "6.5.2.1 device, then IOTLB domain",
					 NONE,
					 { { Q_CC(3, UNIT_DID, UNIT_RID, 0), 0 },
					   { Q_IOTLB(2, UNIT_DID), 0 } },
					 true };

	run_row(unit_legacy(GUEST_ECAP_LEGACY), &row, change_table);
}

/* A context that goes away. */
static void test_context_goes(void **state)
{
	struct unit *u = unit_legacy(GUEST_ECAP_LEGACY);
	struct viommu_channel *c = guest_channel(&u->g, u->dev, NONE);
	uint64_t entry = guest_legacy_entry(&u->g, UNIT_RID);

	row_name = "12 a context that is cleared";
	ask(u, c, NONE, u->page[0]);
	guest_put64(&u->g, entry, 0);
	guest_submit(&u->g, Q_CC(3, UNIT_DID, UNIT_RID, 0), 0, 0, 0);
	guest_submit(&u->g, Q_IOTLB(2, UNIT_DID), 0, 0, 0);
	guest_wait(&u->g);
	ask(u, c, NONE, FAULT(0x02));
	row_equal(recorded(u), 0x02);
	row_name = "6.5 an absent context that becomes present needs no invalidation";
	guest_legacy(&u->g, UNIT_RID, UNIT_DID, u->ss, 4);
	ask(u, c, NONE, u->page[0]);
	unit_close(u);
}

/* ---- scalable mode ---- */

/* PASIDs 0 and P of the first device lead to the second device's pages, in other domains. */
static void change_pasids(struct unit *u)
{
	struct guest_pasid p = { .did = 9, .pgtt = VTD_PGTT_SECOND, .ss = u->ss2, .ss_levels = 4 };

	guest_pasid(&u->g, UNIT_RID, 0, &p);
	guest_pasid(&u->g, UNIT_RID, P, &p);
}

static void test_pasids(void **state)
{
	const uint64_t flush = Q_PIOTLB(2, UNIT_DID, P);
	const struct context_row rows[] = {
		{ "6.5.2.2 PASID in domain",
		  P,
		  { { Q_PC(1, UNIT_DID, P), 0 }, { flush, 0 } },
		  true },
		{ "6.5.2.2 PASID 0 in domain", NONE, { { Q_PC(1, UNIT_DID, 0), 0 } }, true },
		{ "6.5.2.2 domain", P, { { Q_PC(0, UNIT_DID, 0), 0 } }, true },
		{ "6.5.2.2 global", P, { { Q_PC(3, 0, 0), 0 } }, true },
		{ "6.5.2.2 global, without PASID", NONE, { { Q_PC(3, 0, 0), 0 } }, true },
		{ "6.5.2.1 CC global reaches PASIDs", P, { { Q_CC(1, 0, 0, 0), 0 } }, true },
		{ "6.5.2.1 CC domain reaches PASIDs", P, { { Q_CC(2, UNIT_DID, 0, 0), 0 } }, true },
		{ "6.5.2.1 CC device, then PASIDs",
		  P,
		  { { Q_CC(3, UNIT_DID, UNIT_RID, 0), 0 }, { Q_PC(0, UNIT_DID, 0), 0 } },
		  true },
		{ "IOTLB only", P, { { Q_IEC_GLOBAL, 0 } }, false },
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		run_row(unit_scalable(), &rows[i], change_pasids);
}

/* The same domain, PASID and type, another first-stage table. */
static void change_first_stage(struct unit *u)
{
	uint64_t fs = guest_table(&u->g);
	struct guest_pasid p = {
		.did = UNIT_DID, .pgtt = VTD_PGTT_FIRST, .fs = fs, .fs_levels = 4
	};

	guest_fs_map(&u->g, fs, 4, IOVA, u->page[2], 12, GUEST_FS);
	guest_pasid(&u->g, UNIT_RID, P, &p);
}

static void test_first_stage_of_the_same_pasid(void **state)
{
	const struct context_row row = { "6.5.2.2 PASID, then PASID-IOTLB",
					 P,
					 { { Q_PC(1, UNIT_DID, P), 0 },
					   { Q_PIOTLB(2, UNIT_DID, P), 0 } },
					 true };

	run_row(unit_scalable(), &row, change_first_stage);
}

/* Privilege of requests is part of what is cached (obligation 7). */
static void test_privilege(void **state)
{
	struct unit *u = unit_scalable();
	struct guest_pasid p = { .did = UNIT_DID,
				 .pgtt = VTD_PGTT_FIRST,
				 .fs = u->fs,
				 .fs_levels = 4,
				 .extra2 = VTD_PE_SRE };
	uint64_t leaf = guest_entry(&u->g, u->fs, 4, IOVA, 0, GUEST_FS);

	row_name = "7 a page of the supervisor is not a page of the user, warm or cold";
	guest_pasid(&u->g, UNIT_RID, P, &p);
	guest_put64(&u->g, leaf, u->page[0] | 3);
	for (unsigned i = 0; i < 3; i++) {
		row_equal(where_pasid(u->dev, P, IOVA, VIOMMU_READ | VIOMMU_PRIV), u->page[0]);
		row_equal(where_pasid(u->dev, P, IOVA, VIOMMU_READ), FAULT(0x81));
		row_equal(recorded(u), 0x81);
	}
	unit_close(u);
}

/* Requests that differ in who makes them never share an answer (obligation 10). */
static void test_tags(void **state)
{
	struct unit *u = unit_scalable();
	struct guest_pasid p = { .did = UNIT_DID, .pgtt = VTD_PGTT_FIRST, .fs_levels = 4 };

	row_name = "10 PASIDs that differ in one bit";
	for (unsigned bit = 0; bit < 20; bit++) {
		uint32_t pasid = 1U << bit;

		p.fs = guest_table(&u->g);
		guest_fs_map(&u->g, p.fs, 4, IOVA, (uint64_t)(bit + 16) << 20, 12, GUEST_FS);
		guest_pasid(&u->g, UNIT_RID, pasid, &p);
	}
	for (unsigned again = 0; again < 2; again++) {
		row_equal(where(u->dev, IOVA, VIOMMU_READ), u->page[0]);
		row_equal(where(u->dev2, IOVA, VIOMMU_READ), u->page[2]);
		for (unsigned bit = 0; bit < 20; bit++)
			row_equal(where_pasid(u->dev, 1U << bit, IOVA, VIOMMU_READ),
				  (uint64_t)(bit + 16) << 20);
	}
	row_name = "10 a device with another id is another requester";
	row_equal(viommu_device_set_id(u->dev, UNIT_RID | 1), VIOMMU_OK);
	row_equal(where(u->dev, IOVA, VIOMMU_READ), FAULT(0x41));
	row_equal(viommu_device_set_id(u->dev, UNIT_RID), VIOMMU_OK);
	row_equal(where(u->dev, IOVA, VIOMMU_READ), u->page[0]);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_table_of_the_same_domain),
		cmocka_unit_test(test_context_goes),
		cmocka_unit_test(test_pasids),
		cmocka_unit_test(test_first_stage_of_the_same_pasid),
		cmocka_unit_test(test_privilege),
		cmocka_unit_test(test_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
