/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_irq.c - AMD-Vi interrupt remapping (48882, 2.2.5): device table entries, entries of 32 and 128 bits, the
 * virtual APIC, and which routes an invalidation concerns.
 */
#include "check.h"

#include <libvirtiommu/routes.h>

#include <string.h>

#include "amdvi_rig.h"

#define ID	  0x13U
#define OK	  VIOMMU_OK
#define NO	  VIOMMU_FAULT
#define FEE	  UINT64_C(0xfee00000)
#define B(n)	  (UINT64_C(1) << (n))
#define INDEX	  5U
#define DELIVERED 0x4000U

#define GA  AMD_CTRL_GA_EN
#define XT  AMD_CTRL_XT_EN
#define GAM B(25)

/* Third word of a device table entry: IV, IntTabLen 9, remapped. */
#define REMAP	   (1 | 9 << 1 | UINT64_C(2) << 60)
#define INT_CTL(n) ((uint64_t)(n) << 60)

/* Events, in numbers. */
#define I	B(51)
#define ILLEGAL (UINT64_C(1) << 60 | I | ID)
#define FAULT	(UINT64_C(2) << 60 | I | ID)
#define PR	B(52)
#define RZ	B(55)

static struct amdvi_rig r;
static uint64_t table;

static void open_rig(uint64_t control, uint64_t efr)
{
	ar_open(&r, &(struct amdvi_rig_config){ .control = control, .efr = efr });
	table = guest_alloc(&r.g, 8);
}

static int deliver(uint32_t source, uint64_t address, uint32_t data, struct viommu_msi *msi)
{
	memset(msi, 0, sizeof(*msi));
	return viommu_remap_msi(r.g.iommu, source, address, data, 0, msi);
}

/* ---- what the device table entry says ---- */

static const struct {
	const char *name;
	uint64_t w2, w3;
	uint64_t address;
	uint32_t data;
	int result;
	bool as_it_is;
	uint64_t event;
} entries[] = {
	{ "IV = 0: as it came", 0, 0, FEE | 0x3000, 0x31, OK, true, 0 },
	{ "IV = 0: NMI too", 0, 0, FEE | 0x3000, 0x400, OK, true, 0 },
	{ "IntCtl 0: abort", REMAP & ~INT_CTL(3), 0, FEE, INDEX, NO, false, 0 },
	{ "IntCtl 1: forward", (REMAP & ~INT_CTL(3)) | INT_CTL(1), 0, FEE | 0x3000, 0x31, OK, true,
	  0 },
	{ "IntCtl 2: remap", REMAP, 0, FEE, INDEX, OK, false, 0 },
	{ "IntCtl 3", REMAP | INT_CTL(3), 0, FEE, INDEX, NO, false, ILLEGAL | RZ },
	{ "reserved bit 180", REMAP | B(52), 0, FEE, INDEX, NO, false, ILLEGAL | RZ },
	{ "reserved bit 192", REMAP, 1, FEE, INDEX, NO, false, ILLEGAL | RZ },
	{ "vImuEn without vIOMMU", REMAP, B(15), FEE, INDEX, NO, false, ILLEGAL | RZ },
	{ "reserved bit 245", REMAP, B(53), FEE, INDEX, NO, false, ILLEGAL | RZ },
	{ "IntTabLen 12", (REMAP & ~UINT64_C(0x1e)) | 12 << 1, 0, FEE, INDEX, NO, false, ILLEGAL },
	{ "index beyond IntTabLen", (REMAP & ~UINT64_C(0x1e)) | 2 << 1, 0, FEE, 4, NO, false,
	  FAULT },
	{ "last index of IntTabLen", (REMAP & ~UINT64_C(0x1e)) | 3 << 1, 0, FEE, INDEX, OK, false,
	  0 },
	{ "IG: no page fault is logged", (REMAP & ~UINT64_C(0x1e)) | 2 << 1 | 0x20, 0, FEE, 4, NO,
	  false, 0 },
	{ "SMI passes", REMAP, 0, FEE, 0x200, OK, true, 0 },
	{ "NMI without NMIPass", REMAP, 0, FEE, 0x400, NO, false, 0 },
	{ "NMI with NMIPass", REMAP | B(58), 0, FEE, 0x400, OK, true, 0 },
	{ "NMI with NMIPass, logical", REMAP | B(58), 0, FEE | 4, 0x400, NO, false, 0 },
	{ "INIT without InitPass", REMAP | B(58) | B(57), 0, FEE, 0x500, NO, false, 0 },
	{ "INIT with InitPass", REMAP | B(56), 0, FEE, 0x500, OK, true, 0 },
	{ "ExtInt without EIntPass", REMAP | B(58) | B(56), 0, FEE, 0x700, NO, false, 0 },
	{ "ExtInt with EIntPass", REMAP | B(57), 0, FEE, 0x700, OK, true, 0 },
	{ "type 3", REMAP | B(56) | B(57) | B(58), 0, FEE, 0x300, NO, false, 0 },
	{ "type 6", REMAP | B(56) | B(57) | B(58), 0, FEE, 0x600, NO, false, 0 },
	{ "not an interrupt address", REMAP, 0, 0xfed00000, INDEX, NO, false, 0 },
};

/* What the fields say is what address and data say. */
static void check_fields(const char *name, const struct viommu_msi *msi)
{
	check_eq(name, msi->vector, msi->data & 0xff);
	check_eq(name, msi->delivery_mode, msi->data >> 8 & 7);
	check_eq(name, msi->level, msi->data >> 15 & 1);
	check_eq(name, msi->logical, msi->address >> 2 & 1);
	check_eq(name, msi->redirection_hint, msi->address >> 3 & 1);
	check_eq(name, msi->destination, (msi->address >> 12 & 0xff) | msi->address >> 40 << 8);
}

static void test_device_entries(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct ar_event event;
		struct viommu_msi msi;

		open_rig(GA, 0);
		guest_put64(&r.g, table, 1 | 0x6 << 8); /* nobody's who names another */
		guest_put64(&r.g, table + INDEX * 16, 1 | 0x7 << 8);
		guest_put64(&r.g, table + INDEX * 16 + 8, 0x31);
		ar_dte(&r, ID, AMD_DTE_V, 7, entries[i].w2 ? entries[i].w2 | table : 0);
		guest_put64(&r.g, ar_dte_at(&r, ID) + 24, entries[i].w3);
		for (unsigned again = 0; again < 2; again++) {
			check_eq(entries[i].name,
				 deliver(ID, entries[i].address, entries[i].data, &msi),
				 entries[i].result);
			check_eq(entries[i].name, ar_event(&r, &event), entries[i].event != 0);
			check_eq(entries[i].name, event.w[0], entries[i].event);
			check_eq(entries[i].name, event.w[1],
				 entries[i].event ? entries[i].address : 0);
			if (entries[i].as_it_is) {
				check_eq(entries[i].name, msi.address, entries[i].address);
				check_eq(entries[i].name, msi.data, entries[i].data);
				check_eq(entries[i].name, msi.flags, VIOMMU_MSI_UNREMAPPED);
				check_fields(entries[i].name, &msi);
			} else if (msi.reason == 0 && entries[i].result == OK) {
				check_eq(entries[i].name, msi.address, FEE | 0x7000);
				check_eq(entries[i].name, msi.data, 0x31 | DELIVERED);
				check_eq(entries[i].name, msi.index, INDEX);
				check_fields(entries[i].name, &msi);
			}
		}
		ar_close(&r);
	}
}

/* ---- entries of the tables ---- */

static const struct {
	const char *name;
	uint64_t control;
	uint64_t w0, w1; /* of 128 bits; of 32 bits in w0 */
	uint64_t address;
	uint32_t data;
	int result;
	uint64_t to; /* or the event */
	uint32_t to_data;
} irtes[] = {
	{ "32: fixed", 0, 1 | 0x12 << 8 | 0x34 << 16, 0, FEE, 0, OK, FEE | 0x12000,
	  DELIVERED | 0x34 },
	{ "32: lowest priority, logical", 0, 1 | 1 << 2 | 1 << 6 | 0xff << 8, 0, FEE, 0, OK,
	  FEE | 0xff004, DELIVERED | 0x100 },
	{ "32: RqEoi says nothing of the message", 0, 1 | 1 << 5, 0, FEE, 0, OK, FEE, DELIVERED },
	{ "32: trigger and hint of the original", 0, 1 | 0x34 << 16, 0, FEE | 8, 0x8000, OK,
	  FEE | 8, DELIVERED | 0x8034 },
	{ "32: RemapEn = 0", 0, 0x12 << 8, 0, FEE, 0, NO, FAULT, 0 },
	{ "32: RemapEn = 0, SupIOPF", 0, 0x12 << 8 | 2, 0, FEE, 0, NO, 0, 0 },
	{ "32: type 2", 0, 1 | 2 << 2, 0, FEE, 0, NO, FAULT | PR | RZ, 0 },
	{ "32: type 7, SupIOPF", 0, 3 | 7 << 2, 0, FEE, 0, NO, 0, 0 },
	{ "32: GuestMode", 0, 1 | 1 << 7, 0, FEE, 0, NO, FAULT | PR | RZ, 0 },
	{ "32: reserved bit 24", 0, 1 | 1 << 24, 0, FEE, 0, NO, FAULT | PR | RZ, 0 },
	{ "32: reserved bit 31", 0, 1 | UINT64_C(1) << 31, 0, FEE, 0, NO, FAULT | PR | RZ, 0 },
	{ "128: 8 bits of destination without XTEn", GA, 1 | UINT64_C(0x123456) << 8,
	  UINT64_C(0x78) << 56 | 0x34, FEE, 0, OK, FEE | 0x56000, DELIVERED | 0x34 },
	{ "128: 32 bits with XTEn", GA | XT, 1 | UINT64_C(0x123456) << 8,
	  UINT64_C(0x78) << 56 | 0x34, FEE, 0, OK, UINT64_C(0x78123400fee56000), DELIVERED | 0x34 },
	{ "128: bits 63:32 are software's", GA, 1 | UINT64_C(0xffffffff) << 32, 0xff, FEE, 0, OK,
	  FEE, DELIVERED | 0xff },
	{ "128: RemapEn = 0", GA, 0, 0x34, FEE, 0, NO, FAULT, 0 },
	{ "128: type 2", GA, 1 | 2 << 2, 0x34, FEE, 0, NO, FAULT | PR | RZ, 0 },
	{ "128: reserved bit 72", GA, 1, 0x134, FEE, 0, NO, FAULT | PR | RZ, 0 },
	{ "128: reserved bit 116", GA, 1, B(52), FEE, 0, NO, FAULT | PR | RZ, 0 },
	{ "128: GuestMode without GAMEn", GA, 1 | 1 << 7, 0x34, FEE, 0, NO, FAULT | PR | RZ, 0 },
	{ "128: guest form, reserved bit 3", GA | GAM, 1 | 1 << 7 | 1 << 3, 0x34, FEE, 0, NO,
	  FAULT | PR | RZ, 0 },
};

static void test_table_entries(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(irtes) / sizeof(irtes[0]); i++) {
		bool wide = irtes[i].control & GA;

		open_rig(irtes[i].control, AR_EFR_ALL);
		for (unsigned again = 0; again < 2; again++) {
			uint64_t at = table + INDEX * (wide ? 16 : 4);
			struct ar_event event;
			struct viommu_msi msi;

			if (wide) {
				guest_put64(&r.g, at, irtes[i].w0);
				guest_put64(&r.g, at + 8, irtes[i].w1);
			} else {
				memcpy(guest_at(&r.g, at), &irtes[i].w0, 4);
			}
			ar_dte(&r, ID, AMD_DTE_V, 7, REMAP | table);
			check_eq(irtes[i].name,
				 deliver(ID, irtes[i].address, irtes[i].data | INDEX, &msi),
				 irtes[i].result);
			if (irtes[i].result == OK) {
				check_eq(irtes[i].name, msi.address, irtes[i].to);
				check_eq(irtes[i].name, msi.data, irtes[i].to_data);
				check_fields(irtes[i].name, &msi);
				check_that(irtes[i].name, !ar_event(&r, &event));
				continue;
			}
			check_eq(irtes[i].name, ar_event(&r, &event), irtes[i].to != 0);
			check_eq(irtes[i].name, event.w[0], irtes[i].to);
			check_eq(irtes[i].name, msi.index, INDEX);
		}
		ar_close(&r);
	}
}

/* ForcePhyDest: DM counts as 0. */
static void test_physical(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig(GA, AR_EFR_ALL | AMD_EFR_PHY_DEST);
	guest_put64(&r.g, table, 1 | 1 << 6);
	ar_dte(&r, ID, AMD_DTE_V, 7, REMAP | table);
	assert_int_equal(deliver(ID, FEE, 0, &msi), OK);
	assert_int_equal(msi.address, FEE);
	ar_close(&r);
}

/* NumIntRemapMode: all of data 10:0 is the index of a table with 2048 entries. */
static void test_2048(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig(GA | B(43), 0);
	ar_dte(&r, ID, AMD_DTE_V, 7, (REMAP & ~UINT64_C(0x1e)) | 11 << 1 | table);
	for (uint32_t index = 0; index < 2048; index++)
		guest_put64(&r.g, table + index * 16, 1 | (index & 0xff) << 8);
	for (uint32_t index = 0; index < 2048; index++) {
		assert_int_equal(deliver(ID, FEE, index, &msi), OK);
		assert_int_equal(msi.destination, index & 0xff);
		assert_int_equal(msi.index, index);
	}
	ar_close(&r);
}

static void test_unreadable(void **state)
{
	struct ar_event event;
	struct viommu_msi msi;

	(void)state;
	open_rig(GA, 0);
	ar_dte(&r, ID, AMD_DTE_V, 7, REMAP | UINT64_C(0x7fff0000000));
	assert_int_equal(deliver(ID, FEE, INDEX, &msi), NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(4) << 60 | UINT64_C(2) << 57 | I | ID);
	assert_int_equal(event.w[1], 0x7fff0000050);
	assert_int_equal(deliver(128, FEE, INDEX, &msi), NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(1) << 60 | I | 128);
	/* resolving leaves no trace */
	assert_int_equal(viommu_remap_msi(r.g.iommu, ID, FEE, INDEX, VIOMMU_MSI_RESOLVE, &msi), NO);
	assert_false(ar_event(&r, &event));
	ar_close(&r);
}

/* ---- the virtual APIC (2.2.5.3, 2.7) ---- */

#define TAG UINT64_C(0xdeadbeef)

static uint64_t vapic;

static void open_vapic(uint64_t bits)
{
	open_rig(GA | GAM | AMD_CTRL_GA_LOG_EN | AMD_CTRL_GA_INT_EN |
			 (bits >> 32 ? AMD_CTRL_GAPPI_EN : 0),
		 AR_EFR_ALL);
	vapic = guest_alloc(&r.g, 1);
	guest_put64(&r.g, table, (bits & UINT32_MAX) | 0x81 | 0x12 << 8 | TAG << 32);
	guest_put64(&r.g, table + 8, 0x45 | vapic);
	ar_dte(&r, ID, AMD_DTE_V, 7, REMAP | table);
	ar_write(&r, AMD_GA_TAIL_ADDR, 8, r.status + 64);
}

#define LOG_INTR   4
#define IS_RUN	   0x40
#define GAPPI_DIS  0x20
#define WITH_GAPPI B(32)

static void test_vapic(void **state)
{
	static const struct {
		const char *name;
		uint64_t bits;
		bool logged, notice;
	} forms[] = {
		{ "runs: the doorbell", IS_RUN, false, true },
		{ "runs: the doorbell, not the log", IS_RUN | LOG_INTR, false, true },
		{ "does not run", 0, false, false },
		{ "does not run, GALogIntr", LOG_INTR, true, false },
		{ "does not run, GAPPI", WITH_GAPPI | LOG_INTR, false, true },
		{ "does not run, GAPPIDis", WITH_GAPPI | LOG_INTR | GAPPI_DIS, true, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct ar_event entry;
		struct viommu_msi msi;

		open_vapic(forms[i].bits);
		assert_int_equal(viommu_remap_msi(r.g.iommu, ID, FEE, 0, VIOMMU_MSI_RESOLVE, &msi),
				 OK);
		check_eq(forms[i].name, guest_get32(&r.g, vapic + 0x220), 0);
		check_eq(forms[i].name, deliver(ID, FEE, 0, &msi), OK);
		check_eq(forms[i].name, guest_get32(&r.g, vapic + 0x220), 1 << 5); /* vector 0x45 */
		check_eq(forms[i].name, msi.flags,
			 VIOMMU_MSI_POSTED | (forms[i].notice ? VIOMMU_MSI_NOTIFY : 0));
		check_eq(forms[i].name, msi.destination, 0x12);
		check_eq(forms[i].name, msi.vector, 0x45);
		check_eq(forms[i].name, ar_take(&r, 2, &entry), forms[i].logged);
		if (forms[i].logged) {
			check_eq(forms[i].name, entry.w[0],
				 UINT64_C(1) << 60 | (uint64_t)ID << 32 | TAG);
			check_eq(forms[i].name, guest_get64(&r.g, r.status + 64), 8);
			check_eq(forms[i].name, ar_read(&r, AMD_STATUS, 8) & AMD_ST_GA_INT,
				 AMD_ST_GA_INT);
		}
		/* still pending: no other entry */
		check_eq(forms[i].name, deliver(ID, FEE, 0, &msi), OK);
		check_that(forms[i].name, !ar_take(&r, 2, &entry));
		check_eq(forms[i].name, ar_take_events(&r), 0);
		ar_close(&r);
	}
}

/* The log is full: GAOverflow; the interrupt is stored all the same. */
static void test_ga_overflow(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_vapic(LOG_INTR);
	for (unsigned i = 0; i < 512; i++) { /* 511 fit */
		memset(guest_at(&r.g, vapic + 0x220), 0, 4);
		assert_int_equal(deliver(ID, FEE, 0, &msi), OK);
		assert_int_equal(guest_get32(&r.g, vapic + 0x220), 1 << 5);
	}
	assert_int_equal(ar_read(&r, AMD_GA_TAIL, 8), 511 * 8);
	assert_int_equal(ar_read(&r, AMD_STATUS, 8) & (AMD_ST_GA_OVERFLOW | AMD_ST_GA_RUN),
			 AMD_ST_GA_OVERFLOW);
	ar_close(&r);
}

static void test_vapic_unwritable(void **state)
{
	struct ar_event event;
	struct viommu_msi msi;

	(void)state;
	open_vapic(LOG_INTR);
	guest_put64(&r.g, table + 8, 0x45 | UINT64_C(0x7fff0000000));
	assert_int_equal(deliver(ID, FEE, 0, &msi), NO);
	assert_true(ar_event(&r, &event));
	assert_int_equal(event.w[0], UINT64_C(4) << 60 | UINT64_C(2) << 57 | I | ID);
	assert_int_equal(event.w[1], 0x7fff0000000);
	assert_int_equal(ar_read(&r, AMD_GA_TAIL, 8), 0);
	ar_close(&r);
}

/* ---- what is cached, and routes (obligations 14 to 16) ---- */

static void set_entry(uint64_t at, uint32_t destination)
{
	guest_put64(&r.g, at, 1 | destination << 8);
}

static uint32_t where(uint32_t source, uint32_t index)
{
	struct viommu_msi msi;

	return deliver(source, FEE, index, &msi) == OK ? msi.destination : UINT32_MAX;
}

static void test_invalidation(void **state)
{
	static const struct {
		const char *name;
		uint64_t w0;
		bool goes;
	} ways[] = {
		{ "INVALIDATE_INTERRUPT_TABLE", AR_INTERRUPTS(ID), true },
		{ "INVALIDATE_INTERRUPT_TABLE of another", AR_INTERRUPTS(ID + 1), false },
		{ "INVALIDATE_DEVTAB_ENTRY", AR_DEVTAB(ID), true },
		{ "INVALIDATE_DEVTAB_ENTRY of another", AR_DEVTAB(ID + 1), false },
		{ "INVALIDATE_IOMMU_PAGES", AR_PAGES(7), false },
		{ "INVALIDATE_IOMMU_ALL", AR_OP(8), true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		open_rig(GA, 0);
		ar_dte(&r, ID, AMD_DTE_V, 7, REMAP | table);
		set_entry(table + 16, 3);
		check_eq(ways[i].name, where(ID, 1), 3);
		set_entry(table + 16, 4);
		check_eq(ways[i].name, where(ID, 1), 3);
		ar_command(&r, ways[i].w0, 0);
		ar_sync(&r);
		check_eq(ways[i].name, where(ID, 1), ways[i].goes ? 4 : 3);
		ar_close(&r);
	}
}

/* Each has a table of its own, and what is cached of one is not the other's, nor that of an id with more bits. */
static void test_requesters(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig(GA, 0);
	for (uint32_t d = 0; d < 2; d++) {
		ar_dte(&r, ID + d, AMD_DTE_V, 7, REMAP | (table + d * 0x2000));
		set_entry(table + d * 0x2000 + 16, 3 + d);
	}
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(where(ID, 1), 3);
		assert_int_equal(where(ID + 1, 1), 4);
		assert_int_equal(deliver(0x10000 | ID, FEE, 1, &msi), VIOMMU_EINVAL);
	}
	ar_close(&r);
}

/* A refused entry is read again. */
static void test_refusals_are_not_kept(void **state)
{
	(void)state;
	open_rig(GA, 0);
	ar_dte(&r, ID, AMD_DTE_V, 7, REMAP | table);
	assert_int_equal(where(ID, 1), UINT32_MAX);
	set_entry(table + 16, 4);
	assert_int_equal(where(ID, 1), 4);
	ar_close(&r);
}

/* Another table, another format, another width: what was cached is not used. */
static void test_register_changes(void **state)
{
	uint64_t second;

	(void)state;
	open_rig(GA, 0);
	ar_dte(&r, ID, AMD_DTE_V, 7, REMAP | table);
	set_entry(table + 16, 0x103);
	guest_put64(&r.g, table + 24, UINT64_C(0x12) << 56);
	assert_int_equal(where(ID, 1), 3);
	ar_write(&r, AMD_CONTROL, 8, r.control | XT);
	assert_int_equal(where(ID, 1), 0x12000103);
	second = guest_alloc(&r.g, 1);
	ar_write(&r, AMD_DEV_TABLE, 8, second);
	assert_int_equal(where(ID, 1), 0); /* V = 0, IV = 0: as it came */
	ar_write(&r, AMD_DEV_TABLE, 8, r.table);
	ar_write(&r, AMD_CONTROL, 8, r.control & ~GA);
	assert_int_equal(where(ID, 1), UINT32_MAX);
	ar_close(&r);
}

enum { ROUTES = 4 };

static void set_route(struct viommu_routes *routes, uint32_t gsi)
{
	const struct viommu_route route = { .size = sizeof(route),
					    .gsi = gsi,
					    .source = ID + gsi / 2,
					    .address = FEE,
					    .data = gsi % 2 };

	assert_int_equal(viommu_routes_set(routes, &route), OK);
}

/* Routes of a requester are resolved again when its table is invalidated, before the guest is told; others are not. */
static void test_routes(void **state)
{
	const struct viommu_routes_config config = { .size = sizeof(config), .gsis = ROUTES };
	struct viommu_routes_statistics before = { .size = sizeof(before) },
					after = { .size = sizeof(after) };
	struct viommu_route_change change;
	struct viommu_routes *routes;

	(void)state;
	open_rig(GA, 0);
	for (uint32_t d = 0; d < 2; d++) {
		ar_dte(&r, ID + d, AMD_DTE_V, 7, REMAP | (table + d * 0x2000));
		for (uint32_t index = 0; index < 2; index++)
			set_entry(table + d * 0x2000 + index * 16, 1 + 2 * d + index);
	}
	assert_int_equal(viommu_routes_new(r.g.iommu, &config, &routes), OK);
	for (uint32_t i = 0; i < ROUTES; i++) {
		set_route(routes, i);
		assert_int_equal(viommu_routes_lookup(routes, i, &change), OK);
		assert_int_equal(change.msi.destination, 1 + i);
	}
	assert_int_equal(viommu_routes_get_statistics(routes, &before), OK);
	set_entry(table, 0x11);
	guest_put64(&r.g, table + 16, 0); /* no longer delivers */
	ar_command(&r, AR_INTERRUPTS(ID), 0);
	ar_sync(&r);
	assert_int_equal(viommu_routes_get_statistics(routes, &after), OK);
	assert_int_equal(after.resolved - before.resolved, 2);
	assert_int_equal(viommu_routes_lookup(routes, 0, &change), OK);
	assert_int_equal(change.msi.destination, 0x11);
	viommu_routes_lookup(routes, 1, &change);
	assert_false(change.flags & VIOMMU_ROUTE_VALID);
	assert_int_equal(viommu_routes_free(routes), OK);
	ar_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_entries),
		cmocka_unit_test(test_table_entries),
		cmocka_unit_test(test_physical),
		cmocka_unit_test(test_2048),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_vapic),
		cmocka_unit_test(test_ga_overflow),
		cmocka_unit_test(test_vapic_unwritable),
		cmocka_unit_test(test_invalidation),
		cmocka_unit_test(test_requesters),
		cmocka_unit_test(test_refusals_are_not_kept),
		cmocka_unit_test(test_register_changes),
		cmocka_unit_test(test_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
