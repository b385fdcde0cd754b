/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ioapic_remap.c - the I/O APIC behind a VT-d unit that remaps interrupts; rows named by
 * clause of VT-d. */
#include <string.h>

#include "bits.h"
#include "ioapic_rig.h"

#define V 0x61U

/* ---- remapped ---- */

#define IRTE(dst, v)			 ((uint64_t)(dst) << 32 | (uint64_t)(v) << 16 | VTD_IRTE_P)
#define IRTE_MODE(n)			 ((uint64_t)(n) << 5)
#define XAPIC(n)			 ((uint64_t)(n) << 8)
#define SVT(svt, sq, sid)		 ((uint64_t)(svt) << 18 | (uint64_t)(sq) << 16 | (sid))
#define SENT(address, data, destination) 0, address, data, destination
#define REFUSED(reason)			 reason, 0, 0, 0
#define COMPATIBLE			 (V | RTE_DST(3))
#define COMPATIBLE_EXTINT		 (RTE_MODE(7) | RTE_DST(3))
#define REMAPPABLE(index)		 (V | RTE_REMAP(index))
#define LEVEL_REMAPPABLE(index)		 (RTE_LEVEL | V | RTE_REMAP(index))

/* Tables of 65536 entries, of which one is filled in: @index. */
/* clang-format off */
static const struct remapping {
	const char *name;
	uint64_t entry;
	bool cfi, eime;
	uint32_t index;
	uint64_t irte[2];
	unsigned fault; /* 0: delivered */
	uint64_t address;
	uint32_t data;
	uint32_t destination;
} remappings[] = {
	{ "5.1.5.1 index",
	  REMAPPABLE(0x1234), 0, 0, 0x1234, { IRTE(XAPIC(5), 0x77), 0 },
	  SENT(0xfee05000, 0x4077, 5) },
	{ "5.1.5.1 index bit 15",
	  REMAPPABLE(0x8001), 0, 0, 0x8001, { IRTE(XAPIC(5), 0x77), 0 },
	  SENT(0xfee05000, 0x4077, 5) },
	{ "5.1.5.1 last index",
	  REMAPPABLE(0xffff), 0, 0, 0xffff, { IRTE(XAPIC(0xff), 0x77), 0 },
	  SENT(0xfeeff000, 0x4077, 0xff) },
	{ "5.1.5.1 index 0",
	  REMAPPABLE(0), 0, 0, 0, { IRTE(XAPIC(5), 0x77), 0 }, SENT(0xfee05000, 0x4077, 5) },
	{ "5.1.5.1 bit 11 is not the destination mode",
	  REMAPPABLE(0x8001), 0, 0, 1, { IRTE(XAPIC(5), 0x77), 0 }, REFUSED(VTD_FR_IR_ABSENT) },
	{ "9.10 trigger is the table's",
	  LEVEL_REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77) | VTD_IRTE_TM, 0 },
	  SENT(0xfee05000, 0xc077, 5) },
	{ "9.10 ExtINT",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77) | IRTE_MODE(7), 0 },
	  SENT(0xfee05000, 0x4777, 5) },
	{ "9.10 NMI",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0) | IRTE_MODE(4), 0 },
	  SENT(0xfee05000, 0x4400, 5) },
	{ "9.10 logical, redirection hint, lowest priority",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77)
	    | VTD_IRTE_DM | VTD_IRTE_RH | IRTE_MODE(1), 0 },
	  SENT(0xfee0500c, 0x4177, 5) },
	{ "9.10 32 bits of destination",
	  REMAPPABLE(2), 0, 1, 2, { IRTE(0x89abcdef, 0x77), 0 },
	  SENT(UINT64_C(0x89abcd00feeef000), 0x4077, 0x89abcdef) },
	{ "9.10 256 is not 0",
	  REMAPPABLE(2), 0, 1, 2, { IRTE(0x100, 0x77), 0 },
	  SENT(UINT64_C(0x100fee00000), 0x4077, 0x100) },
	{ "9.10 SVT 1: the I/O APIC's source",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77), SVT(1, 0, RIG_SOURCE) },
	  SENT(0xfee05000, 0x4077, 5) },
	{ "9.10 SVT 1: another bus",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77), SVT(1, 0, RIG_SOURCE ^ 0x100) },
	  REFUSED(VTD_FR_IR_SID) },
	{ "9.10 SVT 1: another function",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77), SVT(1, 0, RIG_SOURCE ^ 1) },
	  REFUSED(VTD_FR_IR_SID) },
	{ "9.10 SQ 3: any function",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77), SVT(1, 3, RIG_SOURCE ^ 7) },
	  SENT(0xfee05000, 0x4077, 5) },
	{ "9.10 SVT 2: start bus is SID 15:8",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77), SVT(2, 0, 0xeff1) },
	  SENT(0xfee05000, 0x4077, 5) },
	{ "9.10 SVT 2: below the first bus",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77), SVT(2, 0, 0xf1ff) },
	  REFUSED(VTD_FR_IR_SID) },
	{ "9.10 SVT 2: the other way round",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77), SVT(2, 0, 0xf1ef) },
	  REFUSED(VTD_FR_IR_SID) },
	{ "5.1.4 absent",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77) & ~VTD_IRTE_P, 0 },
	  REFUSED(VTD_FR_IR_ABSENT) },
	{ "5.1.4 reserved bits",
	  REMAPPABLE(2), 0, 0, 2, { IRTE(XAPIC(5), 0x77) | BIT(12), 0 }, REFUSED(VTD_FR_IR_RSVD) },
	{ "5.1.2.1 compatibility format, not enabled",
	  COMPATIBLE, 0, 0, 2, { 0 }, REFUSED(VTD_FR_IR_COMPATIBILITY) },
	{ "5.1.2.1 compatibility format, enabled",
	  COMPATIBLE, 1, 0, 2, { 0 }, SENT(0xfee03000, 0x61, 3) },
	{ "5.1.2.1 compatibility format, 32-bit ids",
	  COMPATIBLE, 1, 1, 2, { 0 }, REFUSED(VTD_FR_IR_COMPATIBILITY) },
	{ "5.1.2.1 ExtINT, not enabled",
	  COMPATIBLE_EXTINT, 0, 0, 2, { 0 }, REFUSED(VTD_FR_IR_COMPATIBILITY) },
	{ "5.1.2.1 ExtINT, enabled",
	  COMPATIBLE_EXTINT, 1, 0, 2, { 0 }, SENT(0xfee03000, 0x700, 3) },
};
/* clang-format on */

/* Obligation 22: format, source and bus range are checked, and a refusal names them. */
static void expect_refused(struct rig *r, const struct remapping *row)
{
	struct guest_fault fault;

	rig_expect(r, row->name, 0, 0, 0);
	check_eq(row->name, rig_entry(r, 11) & RTE_IRR, 0);
	check_that(row->name, guest_take_fault(&r->g, &fault));
	check_eq(row->name, fault.reason, row->fault);
	check_eq(row->name, fault.sid, RIG_SOURCE);
	check_eq(row->name, fault.info >> 48,
		 row->fault == VTD_FR_IR_COMPATIBILITY
			 ? 0
			 : (row->entry >> 49) | (row->entry & RTE_LOGICAL ? 0x8000 : 0));
	check_eq(row->name, guest_take_faults(&r->g), 0);
}

static void expect_delivered(struct rig *r, const struct remapping *row)
{
	const struct viommu_msi *msi = &r->msi[0];

	check_eq(row->name, r->count[RIG_DELIVER], 1);
	check_eq(row->name, msi->address, row->address);
	check_eq(row->name, msi->data, row->data);
	check_eq(row->name, msi->destination, row->destination);
	check_eq(row->name, msi->vector, row->data & 0xff);
	check_eq(row->name, msi->delivery_mode, row->data >> 8 & 7);
	check_eq(row->name, msi->level, row->data >> 15 & 1);
	check_eq(row->name, msi->logical, row->address >> 2 & 1);
	check_eq(row->name, msi->redirection_hint, row->address >> 3 & 1);
	check_eq(row->name, msi->flags, row->entry & BIT(48) ? 0 : VIOMMU_MSI_UNREMAPPED);
	check_eq(row->name, rig_entry(r, 11) & RTE_IRR, row->entry & RTE_LEVEL ? RTE_IRR : 0);
	check_eq(row->name, guest_take_faults(&r->g), 0);
}

static void test_remappings(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(remappings); i++) {
		const struct remapping *row = &remappings[i];
		uint64_t table;
		struct rig r;

		rig_open(&r, RIG_VTD, 24, 0x20);
		table = guest_interrupts_on(&r.g, 15, row->eime);
		if (row->cfi)
			guest_command(&r.g, VTD_G_CFI, true);
		guest_put64(&r.g, table + 16 * row->index + 8, row->irte[1]);
		guest_put64(&r.g, table + 16 * row->index, row->irte[0]);
		rig_set_entry(&r, 11, row->entry);
		rig_forget(&r);
		rig_line(&r, 11, 1);
		if (row->fault)
			expect_refused(&r, row);
		else
			expect_delivered(&r, row);
		rig_close(&r);
	}
}

/* ---- refused messages ---- */

struct refusal {
	struct rig r;
	uint64_t irte;
};

/* A pin whose table entry is absent. */
static void open_refusal(struct refusal *f, uint64_t entry)
{
	rig_open(&f->r, RIG_VTD, 24, 0x20);
	f->irte = guest_interrupts_on(&f->r.g, 7, false) + 6 * 16;
	guest_queue_on(&f->r.g, false, 0);
	rig_set_entry(&f->r, 1, entry | RTE_REMAP(6));
	rig_forget(&f->r);
}

/* CM = 0: what was not present need not be invalidated. */
static void make_present_quietly(struct refusal *f)
{
	guest_put64(&f->r.g, f->irte, IRTE(XAPIC(1), V));
}

static void make_present(struct refusal *f, bool present)
{
	guest_put64(&f->r.g, f->irte, present ? IRTE(XAPIC(1), V) : 0);
	guest_submit(&f->r.g, GUEST_IEC_GLOBAL, 0, 0, 0);
	guest_wait(&f->r.g);
}

static void expect_refusal(struct refusal *f, unsigned faults)
{
	rig_expect(&f->r, "refused", 0, 0, 0);
	check_eq("refused", rig_entry(&f->r, 1) & RTE_IRR, 0);
	check_eq("refused", guest_take_faults(&f->r.g), faults);
}

static void expect_sent(struct refusal *f, unsigned acknowledged)
{
	rig_expect(&f->r, "sent", 1, 0, acknowledged);
	check_eq("sent", rig_entry(&f->r, 1) & RTE_IRR, RTE_IRR);
	check_eq("sent", guest_take_faults(&f->r.g), 0);
}

/* No local APIC accepted it: remote IRR stays clear, and the pin is tried again when its line is
 * set, its entry written, its vector acknowledged, or table entries invalidated. */
static void test_refused_level(void **state)
{
	struct refusal f;

	(void)state;
	open_refusal(&f, RTE_LEVEL | V);
	rig_line(&f.r, 1, 1);
	expect_refusal(&f, 1);
	make_present(&f, false); /* tried again without another fault record */
	expect_refusal(&f, 0);
	make_present(&f, true);
	expect_sent(&f, 0);
	make_present(&f, true);
	rig_expect(&f.r, "sent once", 0, 0, 0);
	make_present(&f, false);
	rig_eoi(&f.r, V);
	rig_forget(&f.r);
	expect_refusal(&f, 1);
	make_present_quietly(&f);
	expect_refusal(&f, 0);
	rig_line(&f.r, 1, 1);
	expect_sent(&f, 0);
	make_present(&f, false);
	rig_eoi(&f.r, V);
	rig_expect(&f.r, "acknowledged", 0, 0, 1);
	expect_refusal(&f, 1);
	make_present_quietly(&f);
	rig_write(&f.r, 0x12, RTE_LEVEL | V);
	expect_sent(&f, 0);
	make_present(&f, false);
	rig_eoi(&f.r, V);
	rig_forget(&f.r);
	expect_refusal(&f, 1);
	make_present_quietly(&f);
	rig_eoi(&f.r, V);
	expect_sent(&f, 1);
	/* gone before it could be sent */
	make_present(&f, false);
	rig_eoi(&f.r, V);
	rig_forget(&f.r);
	expect_refusal(&f, 1);
	rig_line(&f.r, 1, 0);
	make_present(&f, true);
	rig_eoi(&f.r, V);
	rig_expect(&f.r, "gone", 0, 0, 1);
	rig_close(&f.r);
}

/* A refused edge is lost. */
static void test_refused_edge(void **state)
{
	struct refusal f;

	(void)state;
	open_refusal(&f, V);
	rig_line(&f.r, 1, 1);
	expect_refusal(&f, 1);
	make_present(&f, true);
	rig_line(&f.r, 1, 1);
	rig_write(&f.r, 0x12, V);
	expect_refusal(&f, 0);
	rig_line(&f.r, 1, 0);
	rig_line(&f.r, 1, 1);
	rig_expect(&f.r, "the next one", 1, 0, 0);
	rig_close(&f.r);
}

/* ---- posted ---- */

static const struct {
	const char *name;
	uint64_t control; /* of the descriptor */
	uint8_t flags;
} posts[] = {
	{ "5.2.3 notified", 0, VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY },
	{ "5.2.3 outstanding", VTD_PID_ON, VIOMMU_MSI_POSTED },
	{ "5.2.3 suppressed", VTD_PID_SN, VIOMMU_MSI_POSTED },
};

static void test_posted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(posts); i++) {
		uint64_t table, descriptor;
		struct rig r;

		rig_open(&r, RIG_VTD, 24, 0x20);
		table = guest_interrupts_on(&r.g, 7, false);
		descriptor = guest_alloc(&r.g, 1);
		guest_put64(&r.g, descriptor + 32,
			    posts[i].control | bits_put(VTD_PID_NV, 0xf2) |
				    bits_put(VTD_PID_NDST_XAPIC, 4));
		guest_put64(&r.g, table + 3 * 16 + 8, 0);
		guest_put64(&r.g, table + 3 * 16,
			    VTD_IRTE_P | VTD_IRTE_IM | bits_put(VTD_IRTE_V, V) |
				    bits_put(VTD_PIRTE_PDA_LO, descriptor >> 6));
		rig_set_entry(&r, 0, V | RTE_REMAP(3));
		rig_forget(&r);
		rig_line(&r, 0, 1);
		check_eq(posts[i].name, r.msi[0].flags, posts[i].flags);
		check_eq(posts[i].name, r.msi[0].vector, 0xf2);
		check_eq(posts[i].name, r.msi[0].destination, 4);
		check_eq(posts[i].name, guest_get64(&r.g, descriptor + 8), BIT(V - 64));
		rig_expect(&r, posts[i].name, 1, 0, 0);
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {

		cmocka_unit_test(test_remappings),
		cmocka_unit_test(test_refused_level),
		cmocka_unit_test(test_refused_edge),
		cmocka_unit_test(test_posted),
	};

	return cmocka_run_group_tests_name("ioapic_remap", tests, NULL, NULL);
}
