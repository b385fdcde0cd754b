/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_invalidate.c - register-based invalidation (6.5.1, 11.4.6): granularities and how they
 * are reported, when it is refused, and what it does.
 */

#include "vtd_unit.h"

#define CCMD  0x28U
#define IVA   0xf0U /* ECAP.IRO of the default */
#define IOTLB 0xf8U
#define NONE  VIOMMU_NO_PASID

#define ICC	 BIT(63)
#define IVT	 BIT(63)
#define CIRG(g)	 (UINT64_C(g) << 61)
#define IIRG(g)	 (UINT64_C(g) << 60)
#define DID(did) ((uint64_t)(did) << 32)

static struct unit *open_registers(uint64_t cap, uint64_t ecap)
{
	struct unit *u = unit_open(cap, ecap);

	unit_legacy_tables(u);
	guest_root(&u->g, VTD_TTM_LEGACY);
	gcmd(u, VTD_G_TE, 0);
	return u;
}

static unsigned caig(struct unit *u)
{
	return guest_read64(&u->g, CCMD) >> 59 & 3;
}

static unsigned iaig(struct unit *u)
{
	return guest_read64(&u->g, IOTLB) >> 57 & 3;
}

static void iotlb(struct unit *u, uint64_t iva, uint64_t command)
{
	guest_write64(&u->g, IVA, iva);
	row_equal(guest_write64(&u->g, IOTLB, command), VIOMMU_OK);
	row_equal(guest_read64(&u->g, IOTLB) & IVT, 0);
}

static void contexts(struct unit *u, uint64_t command)
{
	row_equal(guest_write64(&u->g, CCMD, command), VIOMMU_OK);
	row_equal(guest_read64(&u->g, CCMD) & ICC, 0);
}

/* ---- what is reported ---- */

static void test_granularities(void **state)
{
	static const struct {
		const char *name;
		bool context;
		uint64_t iva;
		uint64_t command;
		unsigned at_least; /* actual granularity: this, or coarser (smaller); 0: an error */
	} rows[] = {
		{ "11.4.6.1 CIRG 0 is reserved", true, 0, ICC, 0 },
		{ "11.4.6.1 global", true, 0, ICC | CIRG(1), 1 },
		{ "11.4.6.1 domain", true, 0, ICC | CIRG(2) | 7, 2 },
		{ "11.4.6.1 device", true, 0, ICC | CIRG(3) | UNIT_RID << 16 | 7, 3 },
		{ "11.4.6.1 device, function mask", true, 0, ICC | CIRG(3) | BITS(33, 32), 3 },
		{ "11.4.6.2 IIRG 0 is reserved", false, 0, IVT, 0 },
		{ "11.4.6.2 global", false, 0, IVT | IIRG(1), 1 },
		{ "11.4.6.2 domain", false, 0, IVT | IIRG(2) | DID(7), 2 },
		{ "11.4.6.2 page", false, UNIT_IOVA, IVT | IIRG(3) | DID(7), 3 },
		{ "11.4.6.2 AM = MAMV", false, 18, IVT | IIRG(3) | DID(7), 3 },
		{ "11.4.6.2 AM > MAMV", false, 19, IVT | IIRG(3) | DID(7), 0 },
		{ "11.4.6.2 AM 63", false, 63, IVT | IIRG(3) | DID(7), 0 },
		{ "11.4.6.2 drains and hint", false, 0x40, IVT | IIRG(3) | BITS(49, 48) | DID(7),
		  3 },
	};
	struct unit *u = open_registers(0, GUEST_ECAP_LEGACY);

	for (size_t i = 0; i < ROWS(rows); i++) {
		unsigned actual;

		row_name = rows[i].name;
		if (rows[i].context)
			contexts(u, rows[i].command);
		else
			iotlb(u, rows[i].iva, rows[i].command);
		actual = rows[i].context ? caig(u) : iaig(u);
		row_equal(actual != 0, rows[i].at_least != 0);
		row_equal(actual <= rows[i].at_least, true);
	}
	row_name = "without ICC or IVT nothing is done, whatever else is written";
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	guest_put64(&u->g, guest_entry(&u->g, u->ss, 4, UNIT_IOVA, 0, GUEST_RW), u->page[3] | 3);
	guest_write64(&u->g, CCMD, CIRG(1));
	guest_write64(&u->g, IOTLB, IIRG(1));
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	unit_close(u);
}

/* Halves: the command is in the upper one, and takes what the lower one was given. */
static void test_halves(void **state)
{
	struct unit *u = open_registers(0, GUEST_ECAP_LEGACY);
	uint64_t leaf = guest_entry(&u->g, u->ss, 4, UNIT_IOVA, 0, GUEST_RW);

	row_name = "11.2 IVA and IOTLB in halves";
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	guest_put64(&u->g, leaf, u->page[3] | 3);
	guest_write32(&u->g, IVA, (uint32_t)UNIT_IOVA);
	guest_write32(&u->g, IVA + 4, (uint32_t)(UNIT_IOVA >> 32));
	guest_write32(&u->g, IOTLB, UINT32_MAX);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	guest_write32(&u->g, IOTLB + 4, (uint32_t)((IVT | IIRG(3) | DID(7)) >> 32));
	row_equal(iaig(u), 3);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[3]);
	row_name = "11.2 CCMD in halves";
	guest_legacy(&u->g, UNIT_RID, 7, u->ss2, 4);
	guest_write32(&u->g, CCMD, UNIT_RID << 16 | 7);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[3]);
	guest_write32(&u->g, CCMD + 4, (uint32_t)((ICC | CIRG(3)) >> 32));
	iotlb(u, 0, IVT | IIRG(2) | DID(7));
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[2]);
	row_name = "11.2 the lower half alone is no command";
	guest_legacy(&u->g, UNIT_RID, 9, u->ss, 4);
	guest_write32(&u->g, CCMD, UNIT_RID << 16 | 7);
	guest_write32(&u->g, IOTLB, 0);
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[2]);
	unit_close(u);
}

/* ---- when it is refused (notes section 9) ---- */

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		uint32_t version;
		bool queue;
		bool scalable;
		unsigned granularity; /* reported for a global request */
	} rows[] = {
		{ "version 1", 0x10, false, false, 1 },
		{ "version 5", 0x50, false, false, 1 },
		{ "version 6: no register-based invalidation", 0x60, false, false, 0 },
		{ "version 15", 0xf0, false, false, 0 },
		{ "with the queue enabled: notes section 9", 0x10, true, false, 1 },
		{ "version 6 with the queue enabled", 0x60, true, false, 0 },
		{ "in scalable mode", 0x10, false, true, 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct viommu_vtd_config config = { .size = sizeof(config),
						    .cap = GUEST_CAP,
						    .ecap = GUEST_ECAP_SCALABLE,
						    .version = rows[i].version };
		struct unit *u = &unit;

		row_name = rows[i].name;
		guest_init(&u->g, GUEST_REGION, 8);
		row_equal(guest_try_vtd_config(&u->g, &config), VIOMMU_OK);
		trace_start(&u->t, &u->g);
		guest_root(&u->g, rows[i].scalable);
		if (rows[i].queue)
			guest_queue_on(&u->g, false, 0);
		contexts(u, ICC | CIRG(1)); /* completed in any case, never left pending */
		row_equal(caig(u), rows[i].granularity);
		iotlb(u, 0, IVT | IIRG(1));
		row_equal(iaig(u), rows[i].granularity);
		if (rows[i].queue) {
			gcmd(u, 0, VTD_G_QIE);
			contexts(u, ICC | CIRG(1));
			row_equal(caig(u), rows[i].granularity);
		}
		unit_close(u);
	}
}

static void test_no_psi(void **state)
{
	struct unit *u = open_registers(GUEST_CAP & ~VTD_CAP_PSI, GUEST_ECAP_LEGACY);

	row_name = "PSI=0: page-selective is never reported as done by page";
	iotlb(u, UNIT_IOVA, IVT | IIRG(3) | DID(7));
	row_equal(iaig(u) <= 2, true);
	iotlb(u, 0, IVT | IIRG(2) | DID(7));
	row_equal(iaig(u), 2);
	unit_close(u);
}

/* ---- what it does ---- */

static void fill(struct unit *u)
{
	row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ), u->page[0]);
	row_equal(where(u->dev, UNIT_IOVA + 0x1000, VIOMMU_READ), u->page[1]);
	row_equal(where(u->dev2, UNIT_IOVA, VIOMMU_READ), u->page[2]);
}

static void test_iotlb_effect(void **state)
{
	static const struct {
		const char *name;
		uint64_t iva;
		uint64_t command;
		bool gone[3]; /* dev's two pages, dev2's: must be looked up again */
	} rows[] = {
		{ "page", UNIT_IOVA, IVT | IIRG(3) | DID(7), { true, false, false } },
		{ "the other page",
		  UNIT_IOVA + 0x1000,
		  IVT | IIRG(3) | DID(7),
		  { false, true, false } },
		{ "both", (UNIT_IOVA + 0x1000) | 1, IVT | IIRG(3) | DID(7), { true, true, false } },
		{ "domain", 0, IVT | IIRG(2) | DID(7), { true, true, false } },
		{ "other domain", 0, IVT | IIRG(2) | DID(8), { false, false, true } },
		{ "global", 0, IVT | IIRG(1), { true, true, true } },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = open_registers(0, GUEST_ECAP_LEGACY);

		row_name = rows[i].name;
		fill(u);
		guest_ss_map(&u->g, u->ss, 4, UNIT_IOVA, u->page[3], 12, GUEST_RW);
		guest_ss_map(&u->g, u->ss, 4, UNIT_IOVA + 0x1000, u->page[3], 12, GUEST_RW);
		guest_ss_map(&u->g, u->ss2, 4, UNIT_IOVA, u->page[3], 12, GUEST_RW);
		fill(u); /* nothing has been invalidated: a cache that keeps nothing tests nothing */
		iotlb(u, rows[i].iva, rows[i].command);
		row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ),
			  rows[i].gone[0] ? u->page[3] : u->page[0]);
		row_equal(where(u->dev, UNIT_IOVA + 0x1000, VIOMMU_READ),
			  rows[i].gone[1] ? u->page[3] : u->page[1]);
		row_equal(where(u->dev2, UNIT_IOVA, VIOMMU_READ),
			  rows[i].gone[2] ? u->page[3] : u->page[2]);
		unit_close(u);
	}
}

static void test_context_effect(void **state)
{
	static const struct {
		const char *name;
		uint64_t command;
		bool gone;
	} rows[] = {
		{ "CC global", ICC | CIRG(1), true },
		{ "CC domain", ICC | CIRG(2) | 7, true },
		{ "CC device", ICC | CIRG(3) | UNIT_RID << 16 | 7, true },
		{ "CC device, FM 1: bit 2", ICC | CIRG(3) | BIT(32) | (UNIT_RID | 4) << 16 | 7,
		  true },
		{ "CC device, FM 2: bits 2:1", ICC | CIRG(3) | BIT(33) | (UNIT_RID | 6) << 16 | 7,
		  true },
		{ "CC device, FM 3: bits 2:0",
		  ICC | CIRG(3) | BITS(33, 32) | (UNIT_RID | 7) << 16 | 7, true },
		{ "CC device, FM 0: another function", ICC | CIRG(3) | (UNIT_RID | 4) << 16 | 7,
		  false },
		{ "CC device, FM 1: another function",
		  ICC | CIRG(3) | BIT(32) | (UNIT_RID | 1) << 16 | 7, false },
		{ "CC device, FM 3: another device",
		  ICC | CIRG(3) | BITS(33, 32) | (UNIT_RID | 8) << 16 | 7, false },
		{ "CC device: another bus", ICC | CIRG(3) | (UNIT_RID | 0x100) << 16 | 7, false },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct unit *u = open_registers(0, GUEST_ECAP_LEGACY);

		row_name = rows[i].name;
		fill(u);
		guest_legacy(&u->g, UNIT_RID, 9, u->ss2, 4);
		fill(u);
		contexts(u, rows[i].command);
		row_equal(where(u->dev, UNIT_IOVA, VIOMMU_READ),
			  rows[i].gone ? u->page[2] : u->page[0]);
		unit_close(u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_granularities), cmocka_unit_test(test_halves),
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_no_psi),
		cmocka_unit_test(test_iotlb_effect),  cmocka_unit_test(test_context_effect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
