/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_walk.c - page tables as the RISC-V IOMMU walks them: each rule in each mode, alone and on another stage. */

#include "check.h"

#include <stdio.h>

#include "riscv_rig.h"

#define DEVICE 0x10U
#define GSCID  9U
#define PSCID  7U

/* How addresses are translated. Levels 0: the stage is Bare. */
struct shape {
	const char *name;
	unsigned first;	 /* levels of the first stage */
	unsigned second; /* of the second */
	bool narrow;	 /* Sv32, Sv32x4 */
	bool big_endian; /* both stages */
};

static const struct shape shapes[] = {
	{ "Sv39", 3, 0, false, false },
	{ "Sv48", 4, 0, false, false },
	{ "Sv57", 5, 0, false, false },
	{ "Sv32", 2, 0, true, false },
	{ "Sv39x4", 0, 3, false, false },
	{ "Sv48x4", 0, 4, false, false },
	{ "Sv57x4", 0, 5, false, false },
	{ "Sv32x4", 0, 2, true, false },
	{ "Sv39 on Sv39x4", 3, 3, false, false },
	{ "Sv48 on Sv57x4", 4, 5, false, false },
	{ "Sv32 on Sv32x4", 2, 2, true, false },
	{ "Sv57, big-endian", 5, 0, false, true },
	{ "Sv39x4, big-endian", 0, 3, false, true },
	{ "Sv39 on Sv39x4, big-endian", 3, 3, false, true },
	{ "Sv32 on Sv32x4, big-endian", 2, 2, true, true },
};

static struct riscv_rig r;
static struct rv_tree first, second;
static struct viommu_device *device;
static const struct shape *shape;

static void open_shape(const struct shape *s, uint64_t without, uint64_t tc)
{
	uint32_t fctl =
		(s->narrow && s->second ? RISCV_FCTL_GXL : 0) | (s->big_endian ? RISCV_FCTL_BE : 0);
	uint64_t iohgatp = 0;
	uint64_t fsc = 0;

	shape = s;
	rv_open(&r, GUEST_RAW_SWAP, 128, RV_ALL & ~without);
	rv_start(&r, fctl, RISCV_MODE_1LVL);
	first = (struct rv_tree){ guest_alloc(&r.g, 1), s->first, s->narrow, s->big_endian, false };
	second = (struct rv_tree){ rv_root(&r), s->second, s->narrow, s->big_endian, true };
	if (s->second)
		iohgatp = rv_hgatp(s->narrow ? 8 : s->second + 5, GSCID, second.root);
	if (s->first)
		fsc = rv_satp(s->narrow ? 8 : s->first + 5, first.root);
	for (uint64_t at = 0; at < r.g.bytes && s->second && s->first; at += GUEST_PAGE)
		rv_map(&r, &second, GUEST_BASE + at, GUEST_BASE + at, 0, RV_PAGE | RV_X);
	rv_put_dc(&r, DEVICE,
		  tc | (s->narrow ? RISCV_TC_SXL : 0) | (s->big_endian ? RISCV_TC_SBE : 0), iohgatp,
		  bits_put(RISCV_TA_PSCID, PSCID), fsc);
	device = guest_device(&r.g, DEVICE);
}

/* The tree that a row is about: the first stage if there is one. */
static const struct rv_tree *tree(void)
{
	return shape->first ? &first : &second;
}

static unsigned page_fault(unsigned access)
{
	unsigned base = shape->first ? RISCV_FAULT_PAGE_READ : RISCV_FAULT_GUEST_READ;

	return access & VIOMMU_WRITE ? base + 2 : access & VIOMMU_EXEC ? base - 1 : base;
}

static unsigned access_fault(unsigned access)
{
	return access & VIOMMU_WRITE  ? RISCV_FAULT_ACCESS_WRITE
	       : access & VIOMMU_EXEC ? RISCV_FAULT_ACCESS_EXEC
				      : RISCV_FAULT_ACCESS_READ;
}

/* One access, twice, and what is recorded of it. @cause 0: it comes to gpa */
static void expect(const char *name, uint64_t iova, unsigned access, unsigned cause,
		   uint64_t iotval2, uint64_t gpa)
{
	char text[120];

	snprintf(text, sizeof(text), "%s: %s", shape->name, name);
	for (unsigned again = 0; again < 2; again++) {
		struct guest_dma d = guest_dma(device, iova, access);
		struct rv_fault fault;

		check_eq(text, d.result == VIOMMU_FAULT ? d.answer.reason : 0, cause);
		check_eq(text, d.result, cause ? VIOMMU_FAULT : VIOMMU_OK);
		check_eq(text, rv_take_fault(&r, &fault), cause != 0);
		if (!cause) {
			check_eq(text, d.f.gpa, gpa);
			continue;
		}
		check_eq(text, fault.cause, cause);
		check_eq(text, fault.word[2], iova);
		check_eq(text, fault.word[3], iotval2);
		check_eq(text, fault.ttyp,
			 access & VIOMMU_WRITE	? 3
			 : access & VIOMMU_EXEC ? 1
						: 2);
	}
}

/* ---- a page's entry ---- */

#define WIDE	  1U /* only of 8-byte entries */
#define NO_FAULT  2U
#define MISSING	  4U /* a table that cannot be read */
#define FIRST	  8U /* only of a first stage */
#define UNLESS_AD 16U

static const struct {
	const char *name;
	uint64_t change;
	uint64_t without; /* capabilities */
	unsigned access;
	unsigned flags;
	unsigned level;
} entries[] = {
	{ "read", 0, 0, VIOMMU_READ, NO_FAULT, 0 },
	{ "write", 0, 0, VIOMMU_WRITE, NO_FAULT, 0 },
	{ "execute", RV_X, 0, VIOMMU_EXEC, NO_FAULT, 0 },
	{ "execute only", RV_X | RV_R | RV_W, 0, VIOMMU_EXEC, NO_FAULT, 0 },
	{ "execute only, read", RV_X | RV_R | RV_W, 0, VIOMMU_READ, 0, 0 },
	{ "V", RV_V, 0, VIOMMU_READ, 0, 0 },
	{ "V, write", RV_V, 0, VIOMMU_WRITE, 0, 0 },
	{ "V, execute", RV_V, 0, VIOMMU_EXEC, 0, 0 },
	{ "R = 0, W = 1", RV_R, 0, VIOMMU_WRITE, 0, 0 },
	{ "R = 0, W = 1, X = 1", RV_R | RV_X, 0, VIOMMU_EXEC, 0, 0 },
	{ "a table at level 0", RV_R | RV_W, 0, VIOMMU_READ, 0, 0 },
	{ "not writable", RV_W, 0, VIOMMU_WRITE, 0, 0 },
	{ "not writable, read", RV_W, 0, VIOMMU_READ, NO_FAULT, 0 },
	{ "not executable", 0, 0, VIOMMU_EXEC, 0, 0 },
	{ "U = 0", RV_U, 0, VIOMMU_READ, 0, 0 },
	{ "G", RV_G, 0, VIOMMU_READ, NO_FAULT, 0 },
	{ "A = 0", RV_A, 0, VIOMMU_READ, UNLESS_AD, 0 },
	{ "D = 0, write", RV_D, 0, VIOMMU_WRITE, UNLESS_AD, 0 },
	{ "D = 0, read", RV_D, 0, VIOMMU_READ, NO_FAULT, 0 },
	{ "RSW", BITS(9, 8), 0, VIOMMU_READ, NO_FAULT, 0 },
	{ "reserved bit 54", BIT(54), 0, VIOMMU_READ, WIDE, 0 },
	{ "reserved bit 58", BIT(58), 0, VIOMMU_READ, WIDE, 0 },
	{ "bits 60:59, Svrsw60t59b", BITS(60, 59), 0, VIOMMU_READ, WIDE | NO_FAULT, 0 },
	{ "bit 59 without Svrsw60t59b", BIT(59), RISCV_CAP_RSW60, VIOMMU_READ, WIDE, 0 },
	{ "bit 60 without Svrsw60t59b", BIT(60), RISCV_CAP_RSW60, VIOMMU_READ, WIDE, 0 },
	{ "PBMT NC", BIT(61), 0, VIOMMU_READ, WIDE | NO_FAULT, 0 },
	{ "PBMT IO", BIT(62), 0, VIOMMU_READ, WIDE | NO_FAULT, 0 },
	{ "PBMT 3", BITS(62, 61), 0, VIOMMU_READ, WIDE, 0 },
	{ "PBMT without Svpbmt", BIT(61), RISCV_CAP_SVPBMT, VIOMMU_READ, WIDE, 0 },
	{ "level 1", 0, 0, VIOMMU_READ, NO_FAULT, 1 },
	{ "level 1, misaligned", BIT(10), 0, VIOMMU_READ, 0, 1 },
	{ "level 1, N", RV_N, 0, VIOMMU_READ, WIDE, 1 },
	{ "N, not 64 KiB", RV_N, 0, VIOMMU_READ, WIDE, 0 },
	{ "N, 0111", RV_N | UINT64_C(7) << 10, 0, VIOMMU_READ, WIDE, 0 },
};

static void test_entries(void **state)
{
	static const uint64_t ad[] = { 0, RISCV_TC_SADE | RISCV_TC_GADE };
	unsigned rows = 0;

	(void)state;
	for (size_t s = 0; s < ARRAY_COUNT(shapes); s++) {
		for (size_t i = 0; i < 2 * ARRAY_COUNT(entries); i++) {
			const unsigned n = (unsigned)(i / 2);
			unsigned flags = entries[n].flags;
			unsigned index = shapes[s].narrow ? 10 : 9;
			uint64_t iova = 0x40000000;
			uint64_t gpa = entries[n].level ? BIT(12 + index) : GUEST_BASE;
			unsigned fault;

			if ((flags & WIDE) && shapes[s].narrow)
				continue;
			open_shape(&shapes[s], entries[n].without, ad[i % 2]);
			if (shapes[s].first && shapes[s].second && entries[n].level)
				rv_map(&r, &second, gpa, gpa, 0, RV_PAGE | RV_X);
			rv_map(&r, tree(), iova, gpa, entries[n].level,
			       RV_PAGE ^ entries[n].change);
			if (flags & UNLESS_AD)
				flags |= i % 2 ? NO_FAULT : 0;
			fault = flags & NO_FAULT ? 0 : page_fault(entries[n].access);
			expect(entries[n].name, iova, entries[n].access, fault,
			       fault >= 20 ? iova : 0, gpa);
			rv_close(&r);
			rows++;
		}
	}
	print_message("%u rows\n", rows);
}

/* ---- entries that lead to tables ---- */

static void test_tables(void **state)
{
	static const struct {
		const char *name;
		uint64_t change;
		unsigned flags;
	} tables[] = {
		{ "valid", 0, NO_FAULT },
		{ "V", RV_V, 0 },
		{ "A", RV_A, 0 },
		{ "D", RV_D, 0 },
		{ "U", RV_U, 0 },
		{ "G", RV_G, NO_FAULT },
		{ "RSW", BIT(8), NO_FAULT },
		{ "W", RV_W, 0 },
		{ "reserved bit 54", BIT(54), WIDE },
		{ "PBMT", BIT(61), WIDE },
		{ "N", RV_N, WIDE },
		{ "no memory", BIT(31), MISSING },
		{ "beyond PAS", BIT(53), WIDE | MISSING },
	};

	(void)state;
	for (size_t s = 0; s < ARRAY_COUNT(shapes); s++) {
		for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
			bool nested = shapes[s].first && shapes[s].second;
			unsigned cause;
			uint64_t iotval2;
			uint64_t at;
			uint64_t raw;

			if ((tables[i].flags & WIDE) && shapes[s].narrow)
				continue;
			open_shape(&shapes[s], 0, 0);
			cause = page_fault(VIOMMU_WRITE);
			rv_map(&r, tree(), 0x40000000, GUEST_BASE, 0, RV_PAGE);
			at = rv_entry(&r, tree(), 0x40000000, 1);
			raw = shapes[s].narrow ? guest_get32(&r.g, at) : guest_get64(&r.g, at);
			if (shapes[s].big_endian)
				raw = shapes[s].narrow ? __builtin_bswap32((uint32_t)raw)
						       : __builtin_bswap64(raw);
			rv_map(&r, tree(), 0x40000000, 0, 1, raw ^ tables[i].change);
			if (tables[i].flags & NO_FAULT)
				cause = 0;
			else if (tables[i].flags & MISSING)
				cause = nested ? RISCV_FAULT_GUEST_WRITE
					       : access_fault(VIOMMU_WRITE);
			iotval2 = cause >= 20 && cause < 256 ? 0x40000000 : 0;
			if (nested &&
			    cause == RISCV_FAULT_GUEST_WRITE) /* the address of the entry below */
				iotval2 =
					((bits_get(raw ^ tables[i].change, BITS(53, 10)) << 12) +
					 ((0x40000000U >> 12 & (shapes[s].narrow ? 0x3ffU : 0x1ffU))
					  << (shapes[s].narrow ? 2 : 3))) |
					RISCV_IOTVAL2_IMPLICIT;
			expect(tables[i].name, 0x40000000, VIOMMU_WRITE, cause, iotval2,
			       GUEST_BASE);
			rv_close(&r);
		}
	}
}

/* ---- addresses ---- */

static void test_widths(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_COUNT(shapes); s++) {
		const struct shape *h = &shapes[s];
		unsigned index = h->narrow ? 10 : 9;
		unsigned bits = 12 + index * (h->first ? h->first : h->second) + (h->first ? 0 : 2);
		uint64_t last;

		open_shape(h, 0, 0);
		last = bits_low(h->first && !h->narrow ? bits - 1 : bits) & ~bits_low(12);
		rv_map(&r, tree(), last, GUEST_BASE, 0, RV_PAGE);
		expect("last address", last, VIOMMU_READ, 0, 0, GUEST_BASE);
		expect("beyond it", last + GUEST_PAGE, VIOMMU_READ, page_fault(VIOMMU_READ),
		       h->first ? 0 : last + GUEST_PAGE, 0);
		if (h->first && !h->narrow) {
			rv_map(&r, tree(), ~bits_low(bits - 1), GUEST_BASE, 0, RV_PAGE);
			expect("first address of the upper half", ~bits_low(bits - 1), VIOMMU_READ,
			       0, 0, GUEST_BASE);
			expect("not canonical", UINT64_MAX & ~BIT(bits - 1), VIOMMU_READ,
			       RISCV_FAULT_PAGE_READ, 0, 0);
		}
		rv_close(&r);
	}
}

/* SXL: the second stage has 34 bits, whatever its mode; the first 32. */
static void test_sxl(void **state)
{
	static const struct shape sv39x4 = { "Sv39x4, SXL = 1", 0, 3, false, false };

	(void)state;
	open_shape(&sv39x4, 0, RISCV_TC_SXL);
	rv_map(&r, &second, bits_low(34) & ~bits_low(12), GUEST_BASE, 0, RV_PAGE);
	rv_map(&r, &second, BIT(34), GUEST_BASE, 0, RV_PAGE);
	expect("34 bits", bits_low(34) & ~bits_low(12), VIOMMU_READ, 0, 0, GUEST_BASE);
	expect("35 bits", BIT(34), VIOMMU_READ, RISCV_FAULT_GUEST_READ, BIT(34), 0);
	rv_close(&r);
}

/* Physical addresses beyond PAS are not there. */
static void test_pas(void **state)
{
	static const struct shape sv39 = { "Sv39, PAS 40", 3, 0, false, false };

	(void)state;
	shape = &sv39;
	rv_open(&r, GUEST_REGION, 64, (RV_ALL & ~RISCV_CAP_PAS) | bits_put(RISCV_CAP_PAS, 40));
	rv_start(&r, 0, RISCV_MODE_1LVL);
	first = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, false, false };
	rv_put_dc(&r, DEVICE, 0, 0, 0, rv_satp(8, first.root));
	device = guest_device(&r.g, DEVICE);
	rv_map(&r, &first, 0x1000, BIT(40), 0, RV_PAGE);
	rv_map(&r, &first, 0x2000, BIT(39), 0, RV_PAGE);
	expect("a page", 0x1000, VIOMMU_WRITE, RISCV_FAULT_ACCESS_WRITE, 0, 0);
	expect("the last bit", 0x2000, VIOMMU_WRITE, 0, 0, BIT(39));
	rv_put_dc(&r, DEVICE + 1, 0, 0, 0, rv_satp(8, BIT(40)));
	device = guest_device(&r.g, DEVICE + 1);
	expect("the root", 0x1000, VIOMMU_READ, RISCV_FAULT_ACCESS_READ, 0, 0);
	rv_close(&r);
}

/* ---- sizes ---- */

static void test_sizes(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_COUNT(shapes); s++) {
		const struct shape *h = &shapes[s];
		unsigned index = h->narrow ? 10 : 9;

		for (unsigned level = 0; level < (h->first ? h->first : h->second) && level < 3;
		     level++) {
			uint64_t size = BIT(12 + index * level);
			uint64_t iova = UINT64_C(0x80000000) & ~(size - 1);
			uint64_t gpa = h->first && h->second ? GUEST_BASE : size;

			if (h->first && h->second &&
			    level) /* the stage below has small pages only */
				continue;
			open_shape(h, 0, 0);
			rv_map(&r, tree(), iova, gpa, level, RV_PAGE);
			expect("size", iova + size - 0x1000, VIOMMU_READ, 0, 0,
			       gpa + size - 0x1000);
			expect("size, first page", iova, VIOMMU_READ, 0, 0, gpa);
			rv_close(&r);
		}
	}
}

/* Svnapot: sixteen pages are one, and each goes to its own place. */
static void test_napot(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_COUNT(shapes); s++) {
		if (shapes[s].narrow)
			continue;
		open_shape(&shapes[s], 0, 0);
		for (unsigned i = 0; i < 16; i++)
			rv_map(&r, tree(), 0x40010000 + i * GUEST_PAGE, GUEST_BASE + 0x18000, 0,
			       RV_PAGE | RV_N);
		for (unsigned i = 0; i < 16; i++)
			expect("64 KiB", 0x40010000 + i * GUEST_PAGE, VIOMMU_WRITE, 0, 0,
			       GUEST_BASE + 0x10000 + i * GUEST_PAGE);
		rv_close(&r);
	}
}

/* ---- accessed and dirty ---- */

static uint64_t entry_of(const struct rv_tree *t, uint64_t address)
{
	uint64_t at = rv_entry(&r, t, address, 0);
	uint64_t raw = t->narrow ? guest_get32(&r.g, at) : guest_get64(&r.g, at);

	if (!t->big_endian)
		return raw;
	return t->narrow ? __builtin_bswap32((uint32_t)raw) : __builtin_bswap64(raw);
}

static void test_accessed_and_dirty(void **state)
{
	(void)state;
	for (size_t s = 0; s < ARRAY_COUNT(shapes); s++) {
		uint64_t iova = 0x40000000;
		uint64_t bits = RV_A | RV_D;

		open_shape(&shapes[s], 0, RISCV_TC_SADE | RISCV_TC_GADE);
		rv_map(&r, tree(), iova, GUEST_BASE, 0, RV_PAGE & ~bits);
		expect("read", iova, VIOMMU_READ, 0, 0, GUEST_BASE);
		check_eq(shape->name, entry_of(tree(), iova) & bits, RV_A);
		expect("write", iova, VIOMMU_WRITE, 0, 0, GUEST_BASE);
		check_eq(shape->name, entry_of(tree(), iova) & bits, bits);
		rv_map(&r, tree(), iova, GUEST_BASE, 0, RV_PAGE & ~(bits | RV_W));
		rv_invalidate(&r);
		expect("refused write", iova, VIOMMU_WRITE, page_fault(VIOMMU_WRITE),
		       shapes[s].first ? 0 : iova, 0);
		check_eq(shape->name, entry_of(tree(), iova) & RV_D, 0);
		rv_close(&r);
	}
}

/* 3.2: accessed of a first-stage entry is a write, which the second stage has to permit. */
static void test_update_on_second_stage(void **state)
{
	static const struct shape nested = { "Sv39 on Sv39x4", 3, 3, false, false };
	uint64_t entry;

	(void)state;
	open_shape(&nested, 0, RISCV_TC_SADE);
	rv_map(&r, &first, 0x5000, GUEST_BASE, 0, RV_PAGE & ~RV_A);
	entry = rv_entry(&r, &first, 0x5000, 0);
	rv_map(&r, &second, entry & ~bits_low(12), entry & ~bits_low(12), 0, RV_PAGE & ~RV_W);
	expect("A", 0x5000, VIOMMU_READ, RISCV_FAULT_GUEST_READ,
	       entry | RISCV_IOTVAL2_IMPLICIT | RISCV_IOTVAL2_WRITE, 0);
	check_eq("untouched", entry_of(&first, 0x5000) & RV_A, 0);
	/* the final address: no implicit access */
	rv_map(&r, &first, 0x6000, BIT(38), 0, RV_PAGE);
	expect("page", 0x6123, VIOMMU_WRITE, RISCV_FAULT_GUEST_WRITE,
	       (BIT(38) | 0x123) & ~UINT64_C(3), 0);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_sxl),
		cmocka_unit_test(test_pas),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_napot),
		cmocka_unit_test(test_accessed_and_dirty),
		cmocka_unit_test(test_update_on_second_stage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
