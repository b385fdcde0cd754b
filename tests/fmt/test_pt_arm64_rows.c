/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pt_arm64_rows.c - Arm's tables, clause by clause: permissions, sizes, first tables, what is left in memory. */
#include "check.h"
#include "arm64_rig.h"

#include <stdio.h>
#include <string.h>

#include <libvirtiommu/base.h>

#include "bits.h"

static struct a64_rig rig;
static char row[200];

#define R VIOMMU_READ
#define W VIOMMU_WRITE
#define X VIOMMU_EXEC

#define AF     BIT(10)
#define USERS  BIT(6) /* AP[1] */
#define RO     BIT(7) /* AP[2] */
#define NG     BIT(11)
#define DBM    BIT(51)
#define CONT   BIT(52)
#define PXN    BIT(53)
#define UXN    BIT(54)
#define PXNT   BIT(59)
#define UXNT   BIT(60)
#define APT_NO BIT(61)
#define APT_RO BIT(62)

/* ---- stage 1 permissions ---- */

/* One table of 512 entries leads to another: 4 KiB, 30 bits. */
static const struct {
	const char *name;
	unsigned flags;
	uint64_t table, page;
	unsigned users, others;
} permissions[] = {
	{ "D8.4 AP 00", 0, 0, AF, X, R | W | X },
	{ "D8.4 AP 01: what users write others do not execute", 0, 0, AF | USERS, R | W | X,
	  R | W },
	{ "D8.4 AP 10", 0, 0, AF | RO, X, R | X },
	{ "D8.4 AP 11", 0, 0, AF | RO | USERS, R | X, R | X },
	{ "D8.4 PXN", 0, 0, AF | RO | USERS | PXN, R | X, R },
	{ "D8.4 UXN", 0, 0, AF | RO | USERS | UXN, R, R | X },
	{ "D8.4 PXNTable", 0, PXNT, AF | RO | USERS, R | X, R },
	{ "D8.4 UXNTable", 0, UXNT, AF | RO | USERS, R, R | X },
	{ "D8.4 APTable 01", 0, APT_NO, AF | USERS, X, R | W | X },
	{ "D8.4 APTable 10", 0, APT_RO, AF | USERS, R | X, R | X },
	{ "D8.4 APTable 11", 0, APT_NO | APT_RO, AF | USERS, X, R | X },
	{ "5.4 HAD: APTable, PXNTable and UXNTable are ignored", PT_ARM_HPD,
	  APT_NO | APT_RO | PXNT | UXNT, AF | USERS, R | W | X, R | W },
	{ "5.4 WXN", PT_ARM_WXN, 0, AF | USERS, R | W, R | W },
	{ "5.4 WXN, of the privileged", PT_ARM_WXN, 0, AF, X, R | W },
	{ "5.4 WXN, read only", PT_ARM_WXN, 0, AF | RO | USERS, R | X, R | X },
	{ "5.4 WXN, written no more by a table", PT_ARM_WXN, APT_RO, AF | USERS, R | X, R | X },
	{ "5.4 PAN: users have access", PT_ARM_PAN, 0, AF | RO | USERS, R | X, X },
	{ "5.4 PAN: users write", PT_ARM_PAN, 0, AF | USERS | UXN, R | W, 0 },
	{ "5.4 PAN: users only execute", PT_ARM_PAN, 0, AF, X, R | W | X },
	{ "5.4 PAN: users have lost access by a table", PT_ARM_PAN, APT_NO, AF | USERS, X,
	  R | W | X },
	{ "5.4 EPAN: users only execute", PT_ARM_PAN | PT_ARM_EPAN, 0, AF, X, X },
	{ "5.4 EPAN: not even that", PT_ARM_PAN | PT_ARM_EPAN, 0, AF | UXN, 0, R | W | X },
	{ "5.4 EPAN without PAN", PT_ARM_EPAN, 0, AF, X, R | W | X },
	{ "5.4 PAN is about data: WXN looks at what is written",
	  PT_ARM_PAN | PT_ARM_EPAN | PT_ARM_WXN, 0, AF, X, 0 },
	{ "EL2: AP[1] is 1, one XN", PT_ARM_EL2, 0, AF, R | W | X, R | W | X },
	{ "EL2: XN", PT_ARM_EL2, 0, AF | UXN, R | W, R | W },
	{ "EL2: PXN is nothing", PT_ARM_EL2, PXNT, AF | PXN, R | W | X, R | W | X },
	{ "EL2: XNTable", PT_ARM_EL2, UXNT, AF, R | W, R | W },
	{ "EL2: APTable[0] is nothing", PT_ARM_EL2, APT_NO, AF, R | W | X, R | W | X },
	{ "EL2: APTable[1]", PT_ARM_EL2, APT_RO, AF, R | X, R | X },
	{ "EL2: PAN is nothing", PT_ARM_EL2 | PT_ARM_PAN, 0, AF, R | W | X, R | W | X },
	{ "EL2: WXN", PT_ARM_EL2 | PT_ARM_WXN, 0, AF, R | W, R | W },
	{ "5.4 E0PD", PT_ARM_E0PD, 0, AF | USERS | RO, 0, R | X },
	{ "3.13.3 DBM without HD", PT_ARM_HA, 0, AF | RO | USERS | DBM, R | X, R | X },
	{ "3.13.3 writable and clean is writable", PT_ARM_HA | PT_ARM_HD, 0, AF | RO | USERS | DBM,
	  R | W | X, R | W },
	{ "3.13.3 HD without HA", PT_ARM_HD, 0, AF | RO | USERS | DBM, R | X, R | X },
	{ "3.13.3 and WXN knows it as such", PT_ARM_HA | PT_ARM_HD | PT_ARM_WXN, 0,
	  AF | RO | USERS | DBM, R | W, R | W },
	{ "3.13.3 writable and clean, but for a table", PT_ARM_HA | PT_ARM_HD, APT_RO,
	  AF | RO | USERS | DBM, R | X, R | X },
};

static void two_tables(uint64_t table, uint64_t page)
{
	a64_rig_clear(&rig);
	a64_rig_put(&rig, 0x10008, 0x20003 | table);
	a64_rig_put(&rig, 0x20010, 0x1234003 | page);
}

/* Of table 1, page 2. */
#define ADDRESS 0x202123U

static struct pt_walk ask(const struct pt_config *c, uint64_t iova, unsigned need)
{
	return (struct pt_walk){ .vm = rig.vm,
				 .config = c,
				 .iova = iova,
				 .need = (uint8_t)need,
				 .dirty = (uint8_t)(need & (W | W << 3)) };
}

static int one_page(void *opaque, const struct translation *page)
{
	*(struct translation *)opaque = *page;
	return 1;
}

static void stage1_permissions(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(permissions); i++) {
		const char *name = permissions[i].name;
		struct pt_config c = pt_arm64_stage1(0x10000, 12, 30, 48, permissions[i].flags);
		unsigned perm = permissions[i].users | permissions[i].others << 3;
		struct translation page = { .perm = 0 };
		struct pt_visit v = { .walk = { .vm = rig.vm, .config = &c },
				      .last = bits_low(30),
				      .budget = 2000,
				      .page = one_page,
				      .opaque = &page };

		two_tables(permissions[i].table, permissions[i].page);
		for (unsigned bit = 0; bit < 6; bit++) {
			struct pt_walk w = ask(&c, ADDRESS, 1U << bit);
			bool off = (permissions[i].flags & PT_ARM_E0PD) && bit < 3;

			check_eq(name, pt_arm64_s1_peek(&w),
				 off		    ? PT_NOT_PRESENT
				 : perm & 1U << bit ? PT_OK
						    : PT_DENIED);
			if (!off)
				check_eq(name, w.found.perm & PERM_ALL, perm);
		}
		check_eq(name, pt_arm64_s1_visit(&v), PT_VISIT_STOPPED); /* visits say the same */
		check_eq(name, page.perm & PERM_ALL, perm);
	}
}

/* ---- stage 2 permissions ---- */

static void stage2_permissions(void **state)
{
	for (unsigned bits = 0; bits < 16; bits++) {
		unsigned ap = bits & 3, xn = bits >> 2;
		unsigned data = (ap & 1 ? R : 0U) | (ap & 2 ? W : 0U);
		const unsigned users[] = { X, X, 0, 0 }, others[] = { X, 0, 0, X };

		for (unsigned xnx = 0; xnx < 2; xnx++) {
			struct pt_config c;
			struct pt_walk w;
			unsigned perm = data | data << 3;

			perm |= xnx ? users[xn] | others[xn] << 3 : xn < 2 ? X | X << 3 : 0;
			(void)snprintf(row, sizeof(row), "D8.4 S2AP %u XN %u XNX %u", ap, xn, xnx);
			two_tables(0, AF | 0xfU << 2 | (uint64_t)ap << 6 | (uint64_t)xn << 53);
			check_that(row, pt_arm64_stage2(&c, 0x10000, 12, 30, 48, 0,
							xnx ? PT_ARM_XNX : 0));
			w = ask(&c, ADDRESS, perm);
			check_eq(row, pt_arm64_s2_peek(&w), PT_OK);
			check_eq(row, w.found.perm & PERM_ALL, perm);
			w = ask(&c, ADDRESS, PERM_ALL & ~perm);
			check_eq(row, pt_arm64_s2_peek(&w), perm == PERM_ALL ? PT_OK : PT_DENIED);
		}
	}
}

/* 5.2 S2PTW: tables in Device memory are refused, to context descriptors as well; data is not. */
static void device_memory(void **state)
{
	for (unsigned attr = 0; attr < 16; attr++) {
		for (unsigned fwb = 0; fwb < 2; fwb++) {
			bool device = fwb ? attr < 5 || attr > 7 : attr < 4;
			struct pt_config c;
			struct pt_walk w;

			(void)snprintf(row, sizeof(row), "S2PTW, MemAttr %u, FWB %u", attr, fwb);
			two_tables(0, AF | (uint64_t)attr << 2 | BIT(6) | BIT(7));
			check_that(row, pt_arm64_stage2(&c, 0x10000, 12, 30, 48, 0,
							PT_ARM_PTW | (fwb ? PT_ARM_FWB : 0U)));
			w = ask(&c, ADDRESS, R);
			check_eq(row, pt_arm64_s2_walk(&w), PT_OK);
			check_that(row, w.config == &c);
			w = ask(&c, ADDRESS, R);
			check_eq(row, pt_arm64_s2_walk_for_table(&w), device ? PT_DENIED : PT_OK);
			c.flags &= (uint16_t)~PT_ARM_PTW;
			w = ask(&c, ADDRESS, R);
			check_eq(row, pt_arm64_s2_peek_for_table(&w), PT_OK);
		}
	}
}

/* ---- faults in their order ---- */

static const struct {
	const char *name;
	unsigned flags;
	uint64_t page;
	enum pt_end end;
} faults[] = {
	{ "7.3.22 the descriptor is not valid", 0, BIT(0) | AF, PT_NOT_PRESENT },
	{ "D8.3 level 3 has no blocks", 0, BIT(1) | AF, PT_NOT_PRESENT },
	{ "7.3.22 address size comes before access flag", 0, BIT(47), PT_BAD_ENTRY },
	{ "7.3.22 and before permission", 0, BIT(47) | AF | RO, PT_BAD_ENTRY },
	{ "7.3.22 access flag comes before permission", 0, RO, PT_NOT_ACCESSED },
	{ "5.4 AFFD", PT_ARM_AFFD, 0, PT_OK },
	{ "5.4 AFFD leaves permission", PT_ARM_AFFD, RO, PT_DENIED },
	{ "5.4 HA", PT_ARM_HA, 0, PT_OK },
	{ "3.21.1.3 nT is ignored", 0, AF | BIT(16), PT_OK },
	{ "DBM is no permission", 0, AF | RO | DBM, PT_DENIED },
	{ "D8.3 bits 51:48 are not of the address", 0, AF | BITS(51, 48), PT_OK },
};

static void faults_in_order(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(faults); i++) {
		struct pt_config c = pt_arm64_stage1(0x10000, 12, 30, 44, faults[i].flags);
		struct pt_walk w = ask(&c, ADDRESS, W << 3);

		two_tables(0, 0);
		a64_rig_put(&rig, 0x20010, (0x1234003 | USERS) ^ faults[i].page);
		check_eq(faults[i].name, pt_arm64_s1_walk(&w), faults[i].end);
		check_eq(faults[i].name, w.level, 0);
	}
}

/* 5.4 EPDx: there are no tables. */
static void no_tables(void **state)
{
	struct pt_config c = { .root = 0 };
	struct pt_walk w = ask(&c, ADDRESS, R);

	check_eq("EPD", pt_arm64_s1_walk(&w), PT_NOT_PRESENT);
	check_eq("EPD", w.entry, 0);
}

/* ---- accessed and dirty ---- */

static const struct {
	const char *name;
	unsigned flags;
	uint64_t table, page;
	unsigned need;
	enum pt_end end;
	uint64_t table_set, page_xor;
} traces[] = {
	{ "3.13.2 a read sets AF", PT_ARM_HA, 0, RO, R, PT_OK, 0, AF },
	{ "3.13.2 AF is set already", PT_ARM_HA, 0, AF | RO, R, PT_OK, 0, 0 },
	{ "3.13.2 not without HA", PT_ARM_AFFD | PT_ARM_HD | PT_ARM_HAFT, 0, RO | DBM, R, PT_OK, 0,
	  0 },
	{ "3.13.3 a read does not make dirty", PT_ARM_HA | PT_ARM_HD, 0, RO | DBM, R, PT_OK, 0,
	  AF },
	{ "3.13.3 a write does", PT_ARM_HA | PT_ARM_HD, 0, RO | DBM, W, PT_OK, 0, AF | RO },
	{ "3.13.3 without DBM it is refused, and leaves nothing", PT_ARM_HA | PT_ARM_HD, 0, RO, W,
	  PT_DENIED, 0, 0 },
	{ "3.13.3 writable anyway", PT_ARM_HA | PT_ARM_HD, 0, DBM, W, PT_OK, 0, AF },
	{ "3.13.3 a table takes writing away", PT_ARM_HA | PT_ARM_HD, APT_RO, RO | DBM, W,
	  PT_DENIED, 0, 0 },
	{ "3.13.6 HAFT", PT_ARM_HA | PT_ARM_HAFT, 0, RO, R, PT_OK, AF, AF },
	{ "3.13.6 HAFT, and the page is not there", PT_ARM_HA | PT_ARM_HAFT, 0, BIT(0), R,
	  PT_NOT_PRESENT, AF, 0 },
};

static void left_in_memory(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(traces); i++) {
		for (unsigned stage2 = 0; stage2 < 2; stage2++) {
			const char *name = traces[i].name;
			struct pt_config c = pt_arm64_stage1(0x10000, 12, 30, 44, traces[i].flags);
			/* S2AP[1] says the opposite of AP[2] */
			uint64_t page = (0x1234003 | USERS | (stage2 ? RO : 0)) ^ traces[i].page;
			struct pt_walk w = ask(&c, ADDRESS, traces[i].need);

			if (stage2 && traces[i].table)
				continue;
			if (stage2)
				check_that(name, pt_arm64_stage2(&c, 0x10000, 12, 30, 44, 0,
								 traces[i].flags));
			for (unsigned peek = 0; peek < 2; peek++) {
				two_tables(traces[i].table, 0);
				a64_rig_put(&rig, 0x20010, page);
				if (peek)
					check_eq(name,
						 stage2 ? pt_arm64_s2_peek(&w)
							: pt_arm64_s1_peek(&w),
						 traces[i].end);
				else
					check_eq(name,
						 stage2 ? pt_arm64_s2_walk(&w)
							: pt_arm64_s1_walk(&w),
						 traces[i].end);
				check_eq(name, a64_rig_get(&rig, 0x20010),
					 page ^ (peek ? 0 : traces[i].page_xor));
				check_eq(name, a64_rig_get(&rig, 0x10008),
					 0x20003 | traces[i].table |
						 (peek ? 0 : traces[i].table_set));
			}
		}
	}
}

/* ---- neighbours ---- */

static const struct {
	const char *name;
	unsigned page_lg2, level, lg2;
} groups[] = {
	{ "D8.7 16 pages of 4 KiB", 12, 0, 16 },    { "D8.7 16 blocks of 2 MiB", 12, 1, 25 },
	{ "D8.7 16 blocks of 1 GiB", 12, 2, 34 },   { "D8.7 128 pages of 16 KiB", 14, 0, 21 },
	{ "D8.7 32 blocks of 32 MiB", 14, 1, 30 },  { "D8.7 32 pages of 64 KiB", 16, 0, 21 },
	{ "D8.7 32 blocks of 512 MiB", 16, 1, 34 },
};

static void neighbours(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(groups); i++) {
		for (unsigned ha = 0; ha < 2; ha++) {
			const char *name = groups[i].name;
			struct a64_tables t = { .kib = 1U << (groups[i].page_lg2 - 10),
						.bits = 48,
						.base = 0x100000 };
			int level = 3 - (int)groups[i].level;
			struct pt_config c = pt_arm64_stage1(0x100000, groups[i].page_lg2, 48, 48,
							     ha ? PT_ARM_HA : 0);
			unsigned single = groups[i].page_lg2 + groups[i].level * c.index_lg2;
			unsigned lg2 = ha ? single : groups[i].lg2;
			uint64_t last = bits_low(groups[i].lg2) & ~bits_low(single);
			struct pt_walk w = ask(&c, BIT(44) | last | 0x123, R << 3);

			a64_rig_clear(&rig);
			a64_rig_table(&rig);
			a64_rig_put(&rig,
				    a64_rig_entry(&rig, &t, a64_rig_start(&t, false), w.iova,
						  level),
				    a64_rig_leaf_word(&t, BIT(45) | last, level) | AF | CONT);
			check_eq(name, pt_arm64_s1_walk(&w), PT_OK);
			check_eq(name, w.found.size_lg2, lg2);
			check_eq(name, w.found.gpa | (w.iova & bits_low(lg2)),
				 BIT(45) | last | 0x123);
			check_eq(name, w.found.iova, w.iova & ~bits_low(lg2));
			check_that(name, w.found.global);
		}
	}
}

/* Neighbours of which some are beyond the output size are not one page: each is looked at by itself. */
static void neighbours_too_high(void **state)
{
	static const struct {
		const char *name;
		uint64_t gpa;
		enum pt_end end;
	} rows[] = {
		{ "the first of 32 blocks of 512 MiB, 32 bits", 0, PT_OK },
		{ "the last one that fits", BIT(32) - BIT(29), PT_OK },
		{ "the first one that does not", BIT(32), PT_BAD_ENTRY },
		{ "the last", BIT(34) - BIT(29), PT_BAD_ENTRY },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct pt_config c = pt_arm64_stage1(0x100000, 16, 42, 32, 0);
		struct pt_walk w = ask(&c, BIT(40) | rows[i].gpa | 0x123, R << 3);

		a64_rig_clear(&rig);
		a64_rig_put(&rig, 0x100000 + 8 * (w.iova >> 29), rows[i].gpa | AF | CONT | 1);
		check_eq(rows[i].name, pt_arm64_s1_walk(&w), rows[i].end);
		if (rows[i].end == PT_OK)
			check_eq(rows[i].name, w.found.size_lg2, 29);
	}
}

/* ---- first tables ---- */

static const struct {
	const char *name;
	unsigned page_lg2, bits, start;
	int level; /* of the manual; -2: none */
} starts[] = {
	{ "4K SL0 0", 12, 30, 0, 2 },
	{ "4K SL0 0, least", 12, 22, 0, 2 },
	{ "4K SL0 0, too few", 12, 21, 0, -2 },
	{ "4K SL0 0, 16 tables", 12, 34, 0, 2 },
	{ "4K SL0 0, 32 tables", 12, 35, 0, -2 },
	{ "4K SL0 1", 12, 39, 1, 1 },
	{ "4K SL0 1, 16 tables", 12, 43, 1, 1 },
	{ "4K SL0 1, 32 tables", 12, 44, 1, -2 },
	{ "4K SL0 2", 12, 48, 2, 0 },
	{ "4K SL0 2, least", 12, 40, 2, 0 },
	{ "4K SL0 2, too few", 12, 39, 2, -2 },
	{ "4K SL0 2, 52 bits", 12, 52, 2, 0 },
	{ "4K SL0 3: level 3", 12, 16, 3, 3 },
	{ "4K SL0 3, 16 tables", 12, 25, 3, 3 },
	{ "4K SL0_2", 12, 52, 4, -1 },
	{ "4K SL0_2, least", 12, 49, 4, -1 },
	{ "4K SL0_2, too few", 12, 48, 4, -2 },
	{ "4K SL0_2 and SL0", 12, 52, 5, -2 },
	{ "4K SL0_2 and SL0, few", 12, 20, 5, -2 },
	{ "4K SL0_2 and SL0 2", 12, 45, 6, -2 },
	{ "16K SL0 0: level 3", 14, 25, 0, 3 },
	{ "16K SL0 1", 14, 36, 1, 2 },
	{ "16K SL0 1, 16 tables", 14, 40, 1, 2 },
	{ "16K SL0 1, 32 tables", 14, 41, 1, -2 },
	{ "16K SL0 2", 14, 47, 2, 1 },
	{ "16K SL0 2, least", 14, 37, 2, 1 },
	{ "16K SL0 3", 14, 52, 3, 0 },
	{ "16K SL0 3, least", 14, 48, 3, 0 },
	{ "16K SL0 3, too few", 14, 47, 3, -2 },
	{ "16K SL0_2", 14, 48, 4, -2 },
	{ "64K SL0 0: level 3", 16, 29, 0, 3 },
	{ "64K SL0 1", 16, 42, 1, 2 },
	{ "64K SL0 1, 16 tables", 16, 46, 1, 2 },
	{ "64K SL0 1, 32 tables", 16, 47, 1, -2 },
	{ "64K SL0 2", 16, 52, 2, 1 },
	{ "64K SL0 2, least", 16, 43, 2, 1 },
	{ "64K SL0 3", 16, 52, 3, -2 },
};

static void start_levels(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(starts); i++) {
		struct pt_config c;
		int level = -9;

		check_eq(starts[i].name,
			 pt_arm64_stage2(&c, 0, starts[i].page_lg2, starts[i].bits, 48,
					 starts[i].start, PT_ARM_DS),
			 starts[i].level != -2);
		check_eq(starts[i].name,
			 a64_start_level(1U << (starts[i].page_lg2 - 10), starts[i].start,
					 starts[i].bits, &level),
			 starts[i].level != -2);
		if (starts[i].level == -2)
			continue;
		check_eq(starts[i].name, 3 - (int)c.top, starts[i].level);
		check_eq(starts[i].name, level, starts[i].level);
	}
}

static const struct {
	const char *name;
	unsigned page_lg2, bits, out_bits, flags;
	unsigned top, align, out;
} roots[] = {
	{ "4K, 48 bits", 12, 48, 48, 0, 3, 12, 48 },
	{ "4K, 40 bits: two entries", 12, 40, 48, 0, 3, 4, 48 },
	{ "4K, 40 bits, IPS 52: 64 bytes", 12, 40, 52, 0, 3, 6, 48 },
	{ "4K, 25 bits", 12, 25, 32, 0, 1, 7, 32 },
	{ "4K, 16 bits (STT)", 12, 16, 32, 0, 0, 7, 32 },
	{ "4K, 52 bits (DS)", 12, 52, 52, PT_ARM_DS, 4, 7, 52 },
	{ "16K, 48 bits: two entries", 14, 48, 48, 0, 3, 4, 48 },
	{ "16K, 47 bits", 14, 47, 48, 0, 2, 14, 48 },
	{ "16K, 52 bits (DS)", 14, 52, 52, PT_ARM_DS, 3, 8, 52 },
	{ "64K, 52 bits", 16, 52, 52, PT_ARM_LPA, 2, 13, 52 },
	{ "64K, 48 bits, IPS 52, OAS less", 16, 48, 52, 0, 2, 9, 48 },
	{ "64K, 42 bits", 16, 42, 48, 0, 1, 16, 48 },
};

static void first_tables(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(roots); i++) {
		const char *name = roots[i].name;
		struct pt_config c =
			pt_arm64_stage1(0x5555fffffff0, roots[i].page_lg2, roots[i].bits,
					roots[i].out_bits, roots[i].flags);

		check_eq(name, c.top, roots[i].top);
		check_eq(name, c.root, UINT64_C(0x5555fffffff0) & ~bits_low(roots[i].align));
		check_eq(name, c.out_bits, roots[i].out);
	}
}

/* A table of 64 KiB on pages of 4 KiB does not lie beside itself: whoever keeps tables is told. */
static void tables_in_pieces(void **state)
{
	struct pt_config s1 = pt_arm64_stage1(0x10000, 16, 40, 48, 0), s2;
	struct pt_walk w = ask(&s1, 0x12345678, R << 3);

	a64_rig_clear(&rig);
	a64_rig_put(&rig, 0x10000, 0x20003);
	a64_rig_put(&rig, 0x20000 + 8 * 0x1234, 0x30403);
	a64_rig_put(&rig, 0x40000, 0x50003); /* stage 2: 4 KiB pages, all at their own places */
	for (uint64_t page = 0x10; page < 0x40; page++)
		a64_rig_put(&rig, 0x50000 + 8 * page, page << 12 | AF | BIT(6) | 3);
	assert_true(pt_arm64_stage2(&s2, 0x40000, 12, 30, 48, 0, 0));
	w.nested = &s2;
	check_eq("pieces", pt_arm64_s1_walk_on_s2(&w), PT_OK);
	check_eq("pieces", w.at, 0x20000 + 8 * 0x1234);
	check_eq("pieces", w.at_lg2, 12);
	check_eq("pieces", w.found.gpa, 0x35000);
	check_eq("pieces", w.found.size_lg2, 12);
	check_eq("pieces", w.found.leaf_lg2, 16);
}

static int setup(void **state)
{
	a64_rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	a64_rig_fini(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stage1_permissions), cmocka_unit_test(stage2_permissions),
		cmocka_unit_test(device_memory),      cmocka_unit_test(faults_in_order),
		cmocka_unit_test(no_tables),	      cmocka_unit_test(left_in_memory),
		cmocka_unit_test(neighbours),	      cmocka_unit_test(neighbours_too_high),
		cmocka_unit_test(start_levels),	      cmocka_unit_test(first_tables),
		cmocka_unit_test(tables_in_pieces),
	};

	return cmocka_run_group_tests_name("fmt/pt_arm64_rows", tests, setup, teardown);
}
