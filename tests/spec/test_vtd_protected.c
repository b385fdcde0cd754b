/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_protected.c - protected memory regions (11.4.8; notes section 12): what is blocked,
 * where the regions end, that nothing is recorded, and that nothing that was cached escapes.
 */

#include "vtd_unit.h"

#define NONE	 VIOMMU_NO_PASID
#define PMEN	 0x64U
#define PLMBASE	 0x68U
#define PLMLIMIT 0x6cU
#define PHMBASE	 0x70U
#define PHMLIMIT 0x78U
#define EPM	 (UINT32_C(1) << 31)
#define BLOCKED	 FAULT(0)

/* Low region 4 to 8 MiB, high region 5 to 5.25 GiB. */
static void program(struct unit *u)
{
	if (u->g.cap & VTD_CAP_PLMR) {
		guest_write32(&u->g, PLMBASE, 0x400000);
		guest_write32(&u->g, PLMLIMIT, 0x600000);
	}
	if (u->g.cap & VTD_CAP_PHMR) {
		guest_write64(&u->g, PHMBASE, UINT64_C(0x140000000));
		guest_write64(&u->g, PHMLIMIT, UINT64_C(0x14fe00000));
	}
}

struct edge {
	const char *name;
	uint64_t address;
	bool low; /* inside the low region, or the high one */
	bool high;
};

static const struct edge edges[] = {
	{ "first byte of memory", 0, false, false },
	{ "below the low region", 0x3fffff, false, false },
	{ "first byte of the low region", 0x400000, true, false },
	{ "inside", 0x5a5a5a, true, false },
	{ "the limit is inclusive, to the end of its granule", 0x7fffff, true, false },
	{ "above the low region", 0x800000, false, false },
	{ "below the high region", 0x13fffffff, false, false },
	{ "first byte of the high region", 0x140000000, false, true },
	{ "last byte of the high region", 0x14fffffff, false, true },
	{ "above the high region", 0x150000000, false, false },
};

static void check_edges(struct unit *u, struct viommu_channel *c, uint64_t base, bool exempt)
{
	const bool low = u->g.cap & VTD_CAP_PLMR;
	const bool high = u->g.cap & VTD_CAP_PHMR;
	const bool on = guest_read32(&u->g, PMEN) & EPM;

	for (size_t i = 0; i < ROWS(edges); i++) {
		const struct edge *e = &edges[i];
		bool blocked = on && !exempt && ((low && e->low) || (high && e->high));
		uint64_t wanted = blocked ? BLOCKED : e->address;

		row_name = e->name;
		for (unsigned access = 1; access < 4; access++) {
			row_equal(where(u->dev, base + e->address, access), wanted);
			row_equal(where_channel(c, NONE, base + e->address, access), wanted);
		}
		row_equal(fsts(u), 0); /* blocked requests are not recorded */
	}
}

/* How the addresses are reached: remapping off, pass-through, tables with each size of page. */
static void test_edges(void **state)
{
	static const uint64_t caps[] = { VTD_CAP_PLMR, VTD_CAP_PHMR, VTD_CAP_PLMR | VTD_CAP_PHMR };

	for (unsigned i = 0; i < 2 * 3 * 5; i++) {
		const unsigned how = i / 6;
		const uint64_t base = how < 2 ? 0 : UINT64_C(1) << 40;
		/* units before version 2 let through what page tables translate */
		const uint32_t version = i % 6 < 3 ? 0x20 : 0x1f;
		const bool exempt = version < 0x20 && how >= 2;
		struct viommu_vtd_config config = { .size = sizeof(config),
						    .cap = GUEST_CAP | caps[i % 3],
						    .ecap = GUEST_ECAP_LEGACY,
						    .version = version };
		struct unit *u = &unit;
		struct viommu_channel *c;

		guest_init(&u->g, GUEST_REGION, 60);
		row_equal(guest_try_vtd_config(&u->g, &config), VIOMMU_OK);
		trace_start(&u->t, &u->g);
		u->dev = guest_device(&u->g, UNIT_RID);
		c = guest_channel(&u->g, u->dev, NONE);
		u->ss = guest_table(&u->g);
		for (uint64_t g = 0; how == 2 && g < 6; g++)
			guest_ss_map(&u->g, u->ss, 4, base + (g << 30), g << 30, 30, 3);
		for (size_t k = 0; how > 2 && k < ROWS(edges); k++) {
			unsigned lg2 = how == 3 ? 21 : 12;
			uint64_t page = edges[k].address & ~bits_low(lg2);

			guest_ss_map(&u->g, u->ss, 4, base + page, page, lg2, 3);
		}
		guest_legacy_tt(&u->g, UNIT_RID, UNIT_DID, u->ss, 4,
				how == 1 ? VTD_TT_PASS : VTD_TT_UNTRANSLATED);
		guest_root(&u->g, VTD_TTM_LEGACY);
		if (how)
			gcmd(u, VTD_G_TE, 0);
		program(u);
		check_edges(u, c, base, exempt); /* off; and now everything is cached */
		guest_write32(&u->g, PMEN, EPM);
		row_equal(guest_read32(&u->g, PMEN), EPM | 1);
		check_edges(u, c, base, exempt);
		check_edges(u, c, base, exempt);
		guest_write32(&u->g, PMEN, 0);
		row_equal(guest_read32(&u->g, PMEN), 0);
		check_edges(u, c, base, exempt);
		unit_close(u);
	}
}

/* The unit's own accesses to its structures are exempt. */
static void test_structures_are_exempt(void **state)
{
	struct unit *u = unit_open(GUEST_CAP | VTD_CAP_PLMR, GUEST_ECAP_LEGACY);

	row_name = "12 tables, queue and status inside a protected region";
	unit_legacy_tables(u);
	guest_ss_map(&u->g, u->ss, 4, UNIT_IOVA, UINT64_C(0x10000000), 12, 3);
	guest_start(&u->g, VTD_TTM_LEGACY);
	guest_write32(&u->g, PLMBASE, 0);
	guest_write32(&u->g, PLMLIMIT, 0x600000);
	guest_write32(&u->g, PMEN, EPM);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_WRITE), 0x10000000);
	guest_wait(&u->g);
	unit_close(u);
}

/* A base above its limit protects nothing; a region that moves. */
static void test_moving(void **state)
{
	struct unit *u = unit_open(GUEST_CAP | VTD_CAP_PLMR | VTD_CAP_PHMR, GUEST_ECAP_LEGACY);

	row_name = "11.4.8 base above limit";
	u->dev = guest_device(&u->g, UNIT_RID);
	guest_write32(&u->g, PLMBASE, 0x800000);
	guest_write32(&u->g, PLMLIMIT, 0x400000);
	guest_write64(&u->g, PHMBASE, UINT64_MAX);
	guest_write32(&u->g, PMEN, EPM);
	row_equal(where(u->dev, 0x400000, VIOMMU_READ), 0x400000);
	row_equal(where(u->dev, 0x800000, VIOMMU_READ), 0x800000);
	row_name = "11.4.8 moved while protection is on";
	guest_write32(&u->g, PLMBASE, 0x400000);
	row_equal(where(u->dev, 0x400000, VIOMMU_READ), BLOCKED);
	row_equal(where(u->dev, 0x800000, VIOMMU_READ), 0x800000);
	guest_write32(&u->g, PLMLIMIT, 0x800000);
	row_equal(where(u->dev, 0x9fffff, VIOMMU_READ), BLOCKED);
	row_equal(where(u->dev, 0xa00000, VIOMMU_READ), 0xa00000);
	row_name = "11.4.8 base and limit alike: one granule";
	guest_write32(&u->g, PLMLIMIT, 0x400000);
	row_equal(where(u->dev, 0x3fffff, VIOMMU_READ), 0x3fffff);
	row_equal(where(u->dev, 0x400000, VIOMMU_READ), BLOCKED);
	row_equal(where(u->dev, 0x5fffff, VIOMMU_READ), BLOCKED);
	row_equal(where(u->dev, 0x600000, VIOMMU_READ), 0x600000);
	unit_close(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_structures_are_exempt),
		cmocka_unit_test(test_moving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
