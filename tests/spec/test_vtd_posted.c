/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_posted.c - interrupt posting (5.2, 9.11, 9.12): what is written to the descriptor, when
 * a notification is due, faults 27 and 28, and that resolving changes nothing.
 */

#include "vtd_unit.h"

#define SID	0x1234U
#define MESSAGE UINT64_C(0xfee00010) /* index 0 */
#define URG	BIT(14)
#define IM	BIT(15)
#define NOWHERE UINT64_C(0x80000000)

struct posting {
	struct unit *u;
	uint64_t table;
	uint64_t descriptor;
};

static struct posting open_posting(bool eime)
{
	struct posting p = { .u = unit_open(0, GUEST_ECAP_LEGACY) };

	p.table = guest_interrupts_on(&p.u->g, 0, eime);
	p.descriptor = guest_alloc(&p.u->g, 1) + 0x440; /* aligned to 64 bytes, not to more */
	guest_queue_on(&p.u->g, false, 0);
	return p;
}

/* 9.11: PDA 31:6 in bits 63:38, PDA 63:32 in bits 127:96. */
static void set_entry(const struct posting *p, uint64_t low, uint64_t high, uint64_t pda)
{
	guest_put64(&p->u->g, p->table, 1 | IM | low | (pda & 0xffffffc0) << 32);
	guest_put64(&p->u->g, p->table + 8, high | (pda >> 32) << 32);
	guest_submit(&p->u->g, Q_IEC_GLOBAL, 0, 0, 0);
	guest_wait(&p->u->g);
	trace_clear(&p->u->t);
}

static void set_descriptor(const struct posting *p, uint64_t pir, uint64_t control)
{
	for (unsigned i = 0; i < 8; i++)
		guest_put64(&p->u->g, p->descriptor + 8 * i, i < 4 ? pir : i == 4 ? control : 0);
}

static int post(const struct posting *p, uint32_t flags, struct viommu_msi *msi)
{
	return viommu_remap_msi(p->u->g.iommu, SID, MESSAGE, 0, flags, msi);
}

/* ---- ON, SN, URG ---- */

static void test_matrix(void **state)
{
	struct posting p = open_posting(true);
	const uint64_t target = UINT64_C(0xe7) << 16 | UINT64_C(0x89abcdef) << 32;

	row_name = "5.2.3 ON, SN and URG";
	for (unsigned bits = 0; bits < 8; bits++) {
		const bool on = bits & 1;
		const bool sn = bits & 2;
		const bool urgent = bits & 4;
		const bool due = !on && (urgent || !sn);
		struct viommu_msi msi;

		set_entry(&p, (urgent ? URG : 0) | UINT64_C(0x45) << 16, 0, p.descriptor);
		set_descriptor(&p, 0, target | (on ? 1 : 0) | (sn ? 2 : 0));
		row_equal(post(&p, VIOMMU_MSI_RESOLVE, &msi), VIOMMU_OK);
		row_equal(trace_count(&p.u->t, GUEST_ON_DIRTY), 0);
		row_equal(guest_get64(&p.u->g, p.descriptor + 8), 0);
		row_equal(guest_get64(&p.u->g, p.descriptor + 32), target | (bits & 3));
		row_equal(msi.flags & VIOMMU_MSI_POSTED, VIOMMU_MSI_POSTED);
		row_equal(post(&p, 0, &msi), VIOMMU_OK);
		row_equal(msi.flags, VIOMMU_MSI_POSTED | (due ? VIOMMU_MSI_NOTIFY : 0));
		row_equal(guest_get64(&p.u->g, p.descriptor + 8), BIT(5)); /* PIR[0x45] */
		row_equal(guest_get64(&p.u->g, p.descriptor + 32),
			  target | (sn ? 2 : 0) | (on || due ? 1 : 0));
		if (due) {
			row_equal(msi.vector, 0xe7); /* NV to NDST */
			row_equal(msi.destination, 0x89abcdef);
			row_equal(msi.delivery_mode, 0);
			row_equal(msi.address, UINT64_C(0x89abcd00feeef000));
			row_equal(msi.data & 0xff, 0xe7);
		}
		row_equal(trace_count(&p.u->t, GUEST_ON_DIRTY) >= 1, true);
	}
	unit_close(p.u);
}

static void test_vectors(void **state)
{
	struct posting p = open_posting(true);
	struct viommu_msi msi;

	row_name = "9.12 PIR: each vector has its bit, others stay";
	for (unsigned vector = 0; vector < 256; vector++) {
		uint64_t wanted[4] = { 0x1111, 0x1111, 0x1111, 0x1111 };

		set_entry(&p, (uint64_t)vector << 16, 0, p.descriptor);
		set_descriptor(&p, 0x1111, 0);
		row_equal(post(&p, 0, &msi), VIOMMU_OK);
		wanted[vector / 64] |= BIT(vector % 64);
		for (unsigned i = 0; i < 4; i++)
			row_equal(guest_get64(&p.u->g, p.descriptor + 8 * i), wanted[i]);
		row_equal(guest_get64(&p.u->g, p.descriptor + 32), 1);
		for (unsigned i = 5; i < 8; i++)
			row_equal(guest_get64(&p.u->g, p.descriptor + 8 * i), 0);
	}
	row_name = "posted again while ON: nothing is due";
	row_equal(post(&p, 0, &msi), VIOMMU_OK);
	row_equal(msi.flags, VIOMMU_MSI_POSTED);
	unit_close(p.u);
}

static void test_destination(void **state)
{
	struct posting p = open_posting(false);
	struct viommu_msi msi;

	row_name = "10 NDST with EIME=0: bits 15:8";
	set_entry(&p, 0, 0, p.descriptor);
	set_descriptor(&p, 0, UINT64_C(0x7b) << 40 | UINT64_C(0x31) << 16);
	row_equal(post(&p, 0, &msi), VIOMMU_OK);
	row_equal(msi.destination, 0x7b);
	row_equal(msi.address, 0xfee7b000);
	unit_close(p.u);
}

/* ---- faults ---- */

struct posting_fault {
	const char *name;
	uint64_t low;	  /* of the entry, besides P and IM */
	uint64_t high;	  /* besides the address */
	uint64_t pda;	  /* 0: the descriptor */
	unsigned word;	  /* of the descriptor that has */
	uint64_t control; /* this */
	unsigned reason;  /* 0: none */
};

static void check_fault(const struct posting_fault *row, bool fpd)
{
	struct posting p = open_posting(true);
	struct viommu_msi msi;

	row_name = row->name;
	set_entry(&p, row->low | (fpd ? 2 : 0), row->high, row->pda ? row->pda : p.descriptor);
	set_descriptor(&p, 0, 0);
	guest_put64(&p.u->g, p.descriptor + 8 * row->word, row->control);
	row_equal(post(&p, VIOMMU_MSI_RESOLVE, &msi), row->reason ? VIOMMU_FAULT : VIOMMU_OK);
	row_equal(msi.reason, row->reason);
	row_equal(fsts(p.u), 0);
	row_equal(post(&p, 0, &msi), row->reason ? VIOMMU_FAULT : VIOMMU_OK);
	row_equal(msi.reason, row->reason);
	row_equal(recorded(p.u), fpd ? 0 : row->reason);
	if (row->reason) { /* and nothing was posted */
		row_equal(guest_get64(&p.u->g, p.descriptor + 8 * row->word), row->control);
		row_equal(row->word == 0 || guest_get64(&p.u->g, p.descriptor) == 0, true);
		row_equal(trace_count(&p.u->t, GUEST_ON_DIRTY), 0);
	}
	unit_close(p.u);
}

static void test_faults(void **state)
{
	static const struct posting_fault rows[] = {
		{ "none", 0, 0, 0, 4, 0, 0 },
		{ "27 descriptor not there", 0, 0, NOWHERE, 4, 0, 0x27 },
		{ "27 descriptor above HAW", 0, 0, BIT(52), 4, 0, 0x27 },
		{ "27 descriptor at the top", 0, 0, ~UINT64_C(63), 4, 0, 0x27 },
		{ "28 bit 258", 0, 0, 0, 4, BIT(2), 0x28 },
		{ "28 bit 271", 0, 0, 0, 4, BIT(15), 0x28 },
		{ "28 bit 280", 0, 0, 0, 4, BIT(24), 0x28 },
		{ "28 bit 287", 0, 0, 0, 4, BIT(31), 0x28 },
		{ "28 bit 320", 0, 0, 0, 5, BIT(0), 0x28 },
		{ "28 bit 448", 0, 0, 0, 7, BIT(0), 0x28 },
		{ "28 bit 511", 0, 0, 0, 7, BIT(63), 0x28 },
		{ "24 bit 2 of a posted entry", BIT(2), 0, 0, 4, 0, 0x24 },
		{ "24 bit 7", BIT(7), 0, 0, 4, 0, 0x24 },
		{ "available bits", BITS(11, 8), 0, 0, 4, 0, 0 },
		{ "24 bit 12", BIT(12), 0, 0, 4, 0, 0x24 },
		{ "24 bit 13", BIT(13), 0, 0, 4, 0, 0x24 },
		{ "24 bit 24", BIT(24), 0, 0, 4, 0, 0x24 },
		{ "24 bit 37", BIT(37), 0, 0, 4, 0, 0x24 },
		{ "24 bit 84", 0, BIT(20), 0, 4, 0, 0x24 },
		{ "24 bit 95", 0, BIT(31), 0, 4, 0, 0x24 },
		{ "26 source", 0, BIT(18) | 1, 0, 4, 0, 0x26 },
		{ "26 before 27", 0, BIT(18) | 1, NOWHERE, 4, 0, 0x26 },
		{ "26 before 28", 0, BITS(19, 18), 0, 4, BIT(2), 0x26 },
		{ "source that fits", 0, BIT(18) | SID, 0, 4, 0, 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		check_fault(&rows[i], false);
		check_fault(&rows[i], true);
	}
}

static void test_no_posting(void **state)
{
	struct unit *u = unit_open(viommu_vtd_default_cap(), GUEST_ECAP_LEGACY);
	struct viommu_msi msi;
	uint64_t table = guest_interrupts_on(&u->g, 0, true);

	row_name = "CAP.PI=0: IM is reserved";
	guest_put64(&u->g, table, 1 | IM);
	row_equal(viommu_remap_msi(u->g.iommu, SID, MESSAGE, 0, 0, &msi), VIOMMU_FAULT);
	row_equal(msi.reason, 0x24);
	row_equal(recorded(u), 0x24);
	unit_close(u);
}

/* A descriptor that can be read and not written. */
static void test_read_only(void **state)
{
	static uint8_t rom[4096] __attribute__((aligned(4096)));
	const struct viommu_region region = { .size = sizeof(region),
					      .flags = VIOMMU_REGION_READONLY,
					      .gpa = UINT64_C(0x40000000),
					      .bytes = 4096,
					      .host = rom };
	struct posting p = open_posting(true);
	struct viommu_msi msi;

	row_name = "27 descriptor cannot be written";
	row_equal(viommu_vm_add_region(p.u->g.vm, &region), VIOMMU_OK);
	set_entry(&p, 0, 0, region.gpa);
	row_equal(post(&p, 0, &msi), VIOMMU_FAULT);
	row_equal(msi.reason, 0x27);
	row_equal(recorded(p.u), 0x27);
	row_equal(post(&p, VIOMMU_MSI_RESOLVE, &msi) >= 0, true);
	row_equal(rom[0], 0);
	row_equal(rom[32], 0);
	unit_close(p.u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),	    cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_destination), cmocka_unit_test(test_faults),
		cmocka_unit_test(test_no_posting),  cmocka_unit_test(test_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
