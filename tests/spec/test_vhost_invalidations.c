/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vhost_invalidations.c - what invalidates a backend's translations, and in how many messages
 * (obligations 17, 31). */

#include <stdlib.h>

#include "vhost_backend.h"

/* ---- no translation, pass-through ---- */

static void test_identity(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	struct backend *b;

	(void)state;
	unit_legacy_tables(u);
	b = attach(u, 0, u->dev, NONE, 0, 0);
	row_name = "remapping is off: as far as the region goes";
	row_equal(viommu_vhost_miss(b->v, u->page[0] + 9, RW), VIOMMU_OK);
	expect_update(b, 0, GUEST_BASE, 400 * GUEST_PAGE, host(u, GUEST_BASE), RW);
	row_equal(viommu_vhost_miss(b->v, GUEST_BASE - 1, R), (uint64_t)VIOMMU_ENOTSUP);
	row_name = "17 TE on: everything, as two messages";
	b->count = 0;
	guest_start(&u->g, VTD_TTM_LEGACY);
	expect_invalidate(b, 0, 0, UINT64_MAX / 2);
	expect_invalidate(b, 1, UINT64_MAX / 2 + 1, UINT64_MAX);
	row_equal(b->count, 2);
	row_equal(viommu_vhost_miss(b->v, u->page[0], R), VIOMMU_FAULT);
	guest_take_faults(&u->g);
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(b, 2, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[0]), RW);
	row_name = "17 TE off";
	guest_command(&u->g, VTD_G_TE, false);
	row_equal(b->count, 5);
	expect_invalidate(b, 3, 0, UINT64_MAX / 2);
	expect_invalidate(b, 4, UINT64_MAX / 2 + 1, UINT64_MAX);
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), (uint64_t)VIOMMU_ENOTSUP);
	row_name = "17 reset";
	row_equal(viommu_vhost_miss(b->v, u->page[0], R), VIOMMU_OK);
	b->count = 0;
	row_equal(viommu_reset(u->g.iommu), VIOMMU_OK);
	row_equal(b->count, 2);
	row_name = "17 restore";
	uint64_t bytes = 0;
	void *saved;

	row_equal(viommu_save(u->g.iommu, NULL, &bytes), (uint64_t)VIOMMU_ENOSPC);
	saved = malloc(bytes);
	row_equal(viommu_save(u->g.iommu, saved, &bytes), VIOMMU_OK);
	row_equal(viommu_vhost_miss(b->v, u->page[0], R), VIOMMU_OK);
	b->count = 0;
	row_equal(viommu_restore(u->g.iommu, saved, bytes), VIOMMU_PENDING);
	row_equal(b->count, 2);
	free(saved);
	detach(b);
	unit_close(u);
}

static void test_pass_through(void **state)
{
	struct unit *u = open_pass_through();
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	row_name = "pass-through: as far as the region goes";
	row_equal(viommu_vhost_miss(b->v, u->page[0] + 9, RW), VIOMMU_OK);
	expect_update(b, 0, GUEST_BASE, 400 * GUEST_PAGE, host(u, GUEST_BASE), RW);
	detach(b);
	unit_close(u);
}

/* ---- invalidations ---- */

static void test_gathering(void **state)
{
	static const struct {
		const char *name;
		unsigned count;
		unsigned page[6]; /* of the burst, in order */
		unsigned am[6];
		unsigned messages;
		struct {
			unsigned first;
			unsigned last;
		} sent[4];
		unsigned coalesced;
	} rows[] = {
		{ "one page", 1, { 3 }, { 0 }, 1, { { 3, 3 } }, 0 },
		{ "ascending pages", 4, { 3, 4, 5, 6 }, { 0 }, 1, { { 3, 6 } }, 3 },
		{ "descending pages", 3, { 6, 5, 4 }, { 0 }, 1, { { 4, 6 } }, 2 },
		{ "one page over and over", 3, { 6, 6, 6 }, { 0 }, 1, { { 6, 6 } }, 2 },
		{ "inside another", 2, { 8, 10 }, { 3, 0 }, 1, { { 8, 15 } }, 1 },
		{ "around another", 2, { 10, 8 }, { 0, 3 }, 1, { { 8, 15 } }, 1 },
		{ "apart", 3, { 3, 5, 7 }, { 0 }, 3, { { 3, 3 }, { 5, 5 }, { 7, 7 } }, 0 },
		{ "two runs", 6, { 3, 4, 5, 20, 21, 22 }, { 0 }, 2, { { 3, 5 }, { 20, 22 } }, 4 },
		{ "what the backend does not have", 2, { 40, 48 }, { 3, 2 }, 0, { { 0, 0 } }, 2 },
		{ "part of it it does", 1, { 24 }, { 3 }, 1, { { 24, 31 } }, 0 },
	};
	struct layout l;
	struct unit *u = open_layout(&l);

	(void)state;
	for (size_t r = 0; r < ROWS(rows); r++) {
		struct backend *b = attach(u, 0, u->dev, NONE, 1, 0);

		for (unsigned i = 0; i < 32; i++)
			row_equal(viommu_vhost_miss(b->v, AT(i), R), VIOMMU_OK);
		row_name = rows[r].name;
		b->count = 0;
		for (unsigned i = 0; i < rows[r].count; i++)
			guest_submit(&u->g, Q_IOTLB(3, UNIT_DID),
				     AT(rows[r].page[i]) | rows[r].am[i], 0, 0);
		guest_submit_wait(&u->g);
		row_equal(guest_ring(&u->g), VIOMMU_OK);
		row_equal(guest_waited(&u->g), true);
		row_equal(b->count, rows[r].messages);
		for (unsigned i = 0; i < rows[r].messages; i++)
			expect_invalidate(b, i, AT(rows[r].sent[i].first),
					  AT(rows[r].sent[i].last) + 0xfff);
		if (b->count) /* the guest did not know yet when the last went out */
			row_equal(b->waited, false);
		row_equal(statistics(b).coalesced, rows[r].coalesced);
		row_equal(statistics(b).invalidations, rows[r].messages);
		row_equal(statistics(b).updates, 32);
		row_name = "once is enough";
		for (unsigned i = 0; i < rows[r].count; i++)
			submit(u, Q_IOTLB(3, UNIT_DID), AT(rows[r].page[i]) | rows[r].am[i]);
		guest_wait(&u->g);
		row_equal(b->count, rows[r].messages);
		row_name = "without a wait it is sent at the end of the call";
		row_equal(viommu_vhost_miss(b->v, AT(30), R), VIOMMU_OK);
		b->count = 0;
		submit(u, Q_IOTLB(3, UNIT_DID), AT(30));
		row_equal(b->count, 1);
		detach(b);
	}
	unit_close(u);
}

/* Every command that can change what a device may do, by queue and by register. */
static void test_commands(void **state)
{
	static const struct {
		const char *name;
		uint64_t q[2];
		unsigned messages;
	} rows[] = {
		{ "CC global", { Q_CC(1, 0, 0, 0), 0 }, 2 },
		{ "CC domain", { Q_CC(2, UNIT_DID, 0, 0), 0 }, 2 },
		{ "CC device", { Q_CC(3, UNIT_DID, UNIT_RID, 0), 0 }, 2 },
		{ "CC another device", { Q_CC(3, UNIT_DID2, UNIT_RID2, 0), 0 }, 0 },
		{ "IOTLB global", { Q_IOTLB(1, 0), 0 }, 2 },
		{ "IOTLB domain", { Q_IOTLB(2, UNIT_DID), 0 }, 2 },
		{ "IOTLB another domain", { Q_IOTLB(2, UNIT_DID2), 0 }, 0 },
		{ "IOTLB page", { Q_IOTLB(3, UNIT_DID), AT(1) }, 1 },
		{ "IOTLB another page", { Q_IOTLB(3, UNIT_DID), AT(PAGES) }, 0 },
		{ "interrupts", { Q_IEC_GLOBAL, 0 }, 0 },
		{ "all at once", { Q_CC(1, 0, 0, 0), 0 }, 2 },
	};
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		row_equal(viommu_vhost_miss(b->v, AT(0), R), VIOMMU_OK);
		b->count = 0;
		submit(u, rows[i].q[0], rows[i].q[1]);
		guest_wait(&u->g);
		row_equal(b->count, rows[i].messages);
	}
	detach(b);
	unit_close(u);
	u = unit_open(0, GUEST_ECAP_LEGACY);
	unit_legacy_tables(u);
	guest_root(&u->g, VTD_TTM_LEGACY);
	guest_command(&u->g, VTD_G_TE, true); /* without a queue */
	b = attach(u, 0, u->dev, NONE, 0, 0);
	row_name = "ICC";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	b->count = 0;
	b->answer = VIOMMU_PENDING;
	row_equal(guest_write64(&u->g, VTD_CCMD, BIT(63) | BIT(61)), VIOMMU_PENDING);
	row_equal(b->count, 2);
	row_equal(guest_read64(&u->g, VTD_CCMD) >> 63, 1);
	acknowledge(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_read64(&u->g, VTD_CCMD) >> 63, 0);
	row_name = "IVT";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	b->count = 0;
	row_equal(guest_write64(&u->g, 0xf8, BIT(63) | BIT(60)), VIOMMU_PENDING);
	row_equal(b->count, 2);
	row_equal(viommu_run(u->g.iommu), VIOMMU_PENDING);
	row_equal(guest_read64(&u->g, 0xf8) >> 63, 1);
	acknowledge(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(guest_read64(&u->g, 0xf8) >> 63, 0);
	row_name = "TE off waits for the backend, too";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	row_equal(gcmd(u, 0, VTD_G_TE), VIOMMU_PENDING);
	row_equal(gsts(u) & VTD_G_TE, VTD_G_TE);
	acknowledge(b);
	row_equal(viommu_run(u->g.iommu), VIOMMU_OK);
	row_equal(gsts(u) & VTD_G_TE, 0);
	detach(b);
	unit_close(u);
}

static void test_domain_switch(void **state)
{
	struct layout l;
	struct unit *u = open_layout(&l);
	struct backend *b = attach(u, 0, u->dev, NONE, 0, 0);

	(void)state;
	row_name = "31 another context: nothing of the old domain stays";
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(b, 0, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[0]), RW);
	guest_legacy(&u->g, UNIT_RID, UNIT_DID2, u->ss2, 4);
	submit(u, Q_CC(3, UNIT_DID, UNIT_RID, 0), 0);
	submit(u, Q_IOTLB(2, UNIT_DID), 0);
	guest_wait(&u->g);
	expect_invalidate(b, 1, 0, UINT64_MAX / 2);
	expect_invalidate(b, 2, UINT64_MAX / 2 + 1, UINT64_MAX);
	row_equal(b->count, 3);
	row_equal(viommu_vhost_miss(b->v, UNIT_IOVA, R), VIOMMU_OK);
	expect_update(b, 3, UNIT_IOVA, 2 * GUEST_PAGE, host(u, u->page[2]), RW);
	detach(b);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),      cmocka_unit_test(test_pass_through),
		cmocka_unit_test(test_gathering),     cmocka_unit_test(test_commands),
		cmocka_unit_test(test_domain_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
