/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_irq.c - interrupt remapping (5.1, 9.9, 9.10): formats, index bounds, entries, source
 * validation, faults and their order (obligations 4, 22, 23; notes section 10).
 */

#include "vtd_unit.h"

#define FEE	UINT64_C(0xfee00000)
#define RESOLVE VIOMMU_MSI_RESOLVE
#define SID	0x1234U
#define EIME	true

/* Remappable format (5.1.2.2): handle 14:0 in bits 19:5, handle 15 in bit 2. */
static uint64_t remappable(uint32_t handle, bool shv)
{
	return FEE | (uint64_t)(handle & 0x7fff) << 5 | BIT(4) | (shv ? BIT(3) : 0) |
	       (handle & 0x8000 ? BIT(2) : 0);
}

struct table {
	struct unit *u;
	uint64_t gpa;
};

/* 2 << s entries. */
static struct table open_table(unsigned s, bool eime)
{
	struct table t = { .u = unit_open(0, GUEST_ECAP_LEGACY) };

	t.gpa = guest_interrupts_on(&t.u->g, s, eime);
	guest_queue_on(&t.u->g, false, 0);
	return t;
}

static void put_entry(const struct table *t, uint32_t index, uint64_t low, uint64_t high)
{
	guest_put64(&t->u->g, t->gpa + 16 * (uint64_t)index, low);
	guest_put64(&t->u->g, t->gpa + 16 * (uint64_t)index + 8, high);
}

/* The same, and what was cached of it is invalidated. */
static void set_entry(const struct table *t, uint32_t index, uint64_t low, uint64_t high)
{
	put_entry(t, index, low, high);
	guest_submit(&t->u->g, Q_IEC(index, 0), 0, 0, 0);
	guest_wait(&t->u->g);
}

/* Vector, or FAULT(). */
static uint64_t vector_of(const struct table *t, uint32_t source, uint64_t address, uint32_t data)
{
	struct viommu_msi msi;
	int result = viommu_remap_msi(t->u->g.iommu, source, address, data, RESOLVE, &msi);

	row_equal(result == VIOMMU_OK || result == VIOMMU_FAULT, true);
	return result ? FAULT(msi.reason) : msi.vector;
}

/* ---- the message ---- */

static void test_index(void **state)
{
	static const struct {
		const char *name;
		uint64_t address;
		uint32_t data;
		uint64_t index; /* or FAULT */
	} rows[] = {
		{ "handle 0", FEE | 0x10, 0, 0 },
		{ "handle 1", FEE | 0x30, 0, 1 },
		{ "handle 14", FEE | 0x80010, 0, 0x4000 },
		{ "handle 15", FEE | 0x14, 0, 0x8000 },
		{ "handle, all bits", FEE | 0xffff4, 0, 0xffff },
		{ "bits 1:0 are ignored", FEE | 0x33, 0, 1 },
		{ "SHV=0: data is not looked at", FEE | 0x30, UINT32_MAX, 1 },
		{ "SHV: subhandle is added", FEE | 0x38, 5, 6 },
		{ "SHV: subhandle, 16 bits", FEE | 0x18, 0xffff, 0xffff },
		{ "SHV: the sum is beyond 16 bits", FEE | 0x38, 0xffff, FAULT(0x21) },
		{ "SHV: data bit 16 is reserved", FEE | 0x38, 0x10000, FAULT(0x20) },
		{ "SHV: data bit 31 is reserved", FEE | 0x38, 0x80000000, FAULT(0x20) },
		{ "upper address is reserved", FEE | 0x30 | BIT(32), 0, FAULT(0x20) },
		{ "upper address, bit 63", FEE | 0x30 | BIT(63), 0, FAULT(0x20) },
	};
	struct table t = open_table(15, EIME);

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct viommu_msi msi;
		uint64_t index = rows[i].index;

		row_name = rows[i].name;
		if (index < 0x10000)
			set_entry(&t, (uint32_t)index, 1 | 0x77 << 16, 0);
		row_equal(vector_of(&t, SID, rows[i].address, rows[i].data),
			  index < 0x10000 ? 0x77 : index);
		viommu_remap_msi(t.u->g.iommu, SID, rows[i].address, rows[i].data, RESOLVE, &msi);
		if (index < 0x10000) {
			row_equal(msi.index, index);
			set_entry(&t, (uint32_t)index, 0, 0);
		}
	}
	unit_close(t.u);
}

/* IRTA.S: 2 << S entries, the first and the last of each size, and the one after. */
static void test_bounds(void **state)
{
	row_name = "4 11.4.10 index and table size";
	for (unsigned s = 0; s < 16; s++) {
		struct table t = open_table(s, EIME);
		uint32_t count = UINT32_C(2) << s;

		set_entry(&t, 0, 1 | 0x31 << 16, 0);
		set_entry(&t, count - 1, 1 | 0x32 << 16, 0);
		row_equal(vector_of(&t, SID, remappable(0, false), 0), 0x31);
		row_equal(vector_of(&t, SID, remappable(count - 1, false), 0), 0x32);
		row_equal(vector_of(&t, SID, remappable(count - 1, true), 0), 0x32);
		row_equal(vector_of(&t, SID, remappable(count - 1, true), 1), FAULT(0x21));
		if (count <= 0xffff)
			row_equal(vector_of(&t, SID, remappable(count, false), 0), FAULT(0x21));
		row_equal(vector_of(&t, SID, remappable(0, true), 0xffff),
			  s == 15 ? 0x32 : FAULT(0x21));
		unit_close(t.u);
	}
}

/* ---- the entry ---- */

static const struct {
	const char *name;
	bool eime;
	uint64_t low;	       /* besides P */
	struct viommu_msi msi; /* what comes of it */
} field_rows[] = {
	{ "vector",
	  true,
	  UINT64_C(0xa5) << 16,
	  { .address = FEE, .data = 0x40a5, .vector = 0xa5 } },
	{ "DM: logical", true, BIT(2), { .address = FEE | 4, .data = 0x4000, .logical = 1 } },
	{ "RH", true, BIT(3), { .address = FEE | 8, .data = 0x4000, .redirection_hint = 1 } },
	{ "TM: level", true, BIT(4), { .address = FEE, .data = 0xc000, .level = 1 } },
	{ "DLM lowest priority",
	  true,
	  1 << 5,
	  { .address = FEE, .data = 0x4100, .delivery_mode = 1 } },
	{ "DLM NMI", true, 4 << 5, { .address = FEE, .data = 0x4400, .delivery_mode = 4 } },
	{ "DLM ExtINT", true, 7 << 5, { .address = FEE, .data = 0x4700, .delivery_mode = 7 } },
	{ "FPD and available bits change nothing",
	  true,
	  BIT(1) | BITS(11, 8),
	  { .address = FEE, .data = 0x4000 } },
	{ "EIME=1: 32-bit destination",
	  true,
	  UINT64_C(0x89abcdef) << 32,
	  { .address = UINT64_C(0x89abcd00feeef000), .data = 0x4000, .destination = 0x89abcdef } },
	{ "EIME=0: destination in bits 47:40",
	  false,
	  UINT64_C(0xef) << 40,
	  { .address = FEE | 0xef000, .data = 0x4000, .destination = 0xef } },
	{ "all at once",
	  true,
	  UINT64_C(0xffffffff) << 32 | UINT64_C(0xff) << 16 | BITS(7, 2),
	  { .address = UINT64_C(0xffffff00feeff00c),
	    .data = 0xc7ff,
	    .destination = UINT32_MAX,
	    .vector = 0xff,
	    .delivery_mode = 7,
	    .logical = 1,
	    .level = 1,
	    .redirection_hint = 1 } },
};

static void test_fields(void **state)
{

	for (size_t i = 0; i < ROWS(field_rows); i++) {
		const struct viommu_msi *want = &field_rows[i].msi;
		struct table t = open_table(0, field_rows[i].eime);
		struct viommu_msi msi;

		row_name = field_rows[i].name;
		set_entry(&t, 1, 1 | field_rows[i].low, 0);
		row_equal(viommu_remap_msi(t.u->g.iommu, SID, remappable(1, false), 0, 0, &msi),
			  VIOMMU_OK);
		row_equal(msi.address, want->address);
		row_equal(msi.data, want->data);
		row_equal(msi.destination, want->destination);
		row_equal(msi.vector, want->vector);
		row_equal(msi.delivery_mode, want->delivery_mode);
		row_equal(msi.logical, want->logical);
		row_equal(msi.level, want->level);
		row_equal(msi.redirection_hint, want->redirection_hint);
		row_equal(msi.flags, 0);
		row_equal(msi.reason, 0);
		row_equal(msi.index, 1);
		row_equal(msi.kind, VIOMMU_MSI_KIND_MESSAGE);
		row_equal(msi.intid, 0);
		row_equal(msi.cpu, 0);
		row_equal(fsts(t.u), 0);
		unit_close(t.u);
	}
}

/* Without EIM the EIME bit of IRTA means nothing: destinations have 8 bits. */
static void test_no_eim(void **state)
{
	struct table t = { .u = unit_open(0, GUEST_ECAP_LEGACY & ~VTD_ECAP_EIM) };
	struct viommu_msi msi;

	row_name = "11.4.10 EIME without EIM";
	t.gpa = guest_interrupts_on(&t.u->g, 0, EIME);
	put_entry(&t, 0, 1 | UINT64_C(0xab) << 40, 0);
	row_equal(viommu_remap_msi(t.u->g.iommu, SID, remappable(0, false), 0, 0, &msi), VIOMMU_OK);
	row_equal(msi.destination, 0xab);
	unit_close(t.u);
}

/* Every bit of a remapped entry: reserved or not (9.10; obligation 20). */
static void check_reserved(bool eime, uint64_t low, uint64_t high)
{
	struct table t = open_table(0, eime);

	for (unsigned bit = 1; bit < 128; bit++) {
		uint64_t q[2] = { 1, 0 };
		bool reserved = bit < 64 ? low >> bit & 1 : high >> (bit - 64) & 1;

		if (bit == 15 || bit == 82 || bit == 83) /* IM, SVT: other rows */
			continue;
		q[bit / 64] |= BIT(bit % 64);
		set_entry(&t, 0, q[0], q[1]);
		if ((vector_of(&t, 0, remappable(0, false), 0) == FAULT(0x24)) != reserved)
			fail_msg("bit %u", bit);
	}
	unit_close(t.u);
}

static void test_reserved(void **state)
{
	row_name = "9.10 reserved bits";
	check_reserved(true, BITS(31, 24) | BITS(14, 12), BITS(63, 20));
	check_reserved(false, BITS(63, 48) | BITS(39, 24) | BITS(14, 12), BITS(63, 20));
}

/* ---- source validation (9.10 SVT, SQ, SID) ---- */

static bool valid(unsigned svt, unsigned sq, uint32_t sid, uint32_t source)
{
	static const uint32_t ignored[] = { 0, 4, 6, 7 };

	switch (svt) {
	case 0:
		return true;
	case 1:
		return (sid & ~ignored[sq]) == (source & ~ignored[sq]);
	case 2: /* start bus in SID 15:8, end bus in SID 7:0 */
		return source >> 8 >= sid >> 8 && source >> 8 <= (sid & 0xff);
	default:
		return false;
	}
}

static void test_source(void **state)
{
	static const uint32_t sids[] = { 0,	 0x1234, 0x1235, 0x0007, 0x8000, 0xffff,
					 0x0510, 0x1005, 0x1010, 0x00ff, 0xff00, 0x7f80 };
	struct table t = open_table(0, EIME);

	row_name = "22 9.10 every SVT and SQ, every source id";
	for (size_t i = 0; i < ROWS(sids); i++) {
		for (unsigned mode = 0; mode < 16; mode++) {
			set_entry(&t, 0, 1, sids[i] | (uint64_t)mode << 16);
			for (uint32_t source = 0; source < 0x10000; source += 1 + mode / 8 * 12) {
				bool ok = valid(mode >> 2, mode & 3, sids[i], source);

				if ((vector_of(&t, source, remappable(0, false), 0) == 0) != ok)
					fail_msg("SVT %u, SQ %u, SID %x, source %x", mode >> 2,
						 mode & 3, sids[i], source);
			}
		}
	}
	unit_close(t.u);
}

static void test_bus_range(void **state)
{
	static const struct {
		const char *name;
		uint32_t sid;
		uint32_t source;
		bool ok;
	} rows[] = {
		{ "22 below the start bus", 0x0510, 0x04ff, false },
		{ "22 first of the start bus", 0x0510, 0x0500, true },
		{ "22 between", 0x0510, 0x0a55, true },
		{ "22 last of the end bus", 0x0510, 0x10ff, true },
		{ "22 above the end bus", 0x0510, 0x1100, false },
		{ "22 one bus", 0x0505, 0x0542, true },
		{ "22 start after end: nobody", 0x1005, 0x0a00, false },
	};
	struct table t = open_table(0, EIME);

	for (size_t i = 0; i < ROWS(rows); i++) {
		row_name = rows[i].name;
		set_entry(&t, 0, 1, rows[i].sid | BIT(19));
		row_equal(vector_of(&t, rows[i].source, remappable(0, false), 0),
			  rows[i].ok ? 0 : FAULT(0x26));
	}
	unit_close(t.u);
}

/* Of a sender that is not known, an entry that has sources verified does not hold: unless the VMM vouches for
 * him. Cold and warm. */
static void test_no_source(void **state)
{
	static const struct {
		const char *name;
		unsigned svt;
		uint32_t sid; /* 0: what a source of 0 would satisfy */
		bool unknown, trusted;
	} rows[] = {
		{ "22 no source, none is verified", 0, 0x1234, true, true },
		{ "22 no source, SID", 1, 0x1234, false, true },
		{ "22 no source, SID 0", 1, 0, false, true },
		{ "22 no source, bus", 2, 0x1234, false, true },
		{ "22 no source, bus 0 to 255", 2, 0x00ff, false, true },
		{ "22 no source, reserved SVT", 3, 0, false, false },
	};
	struct table t = open_table(0, EIME);

	for (size_t i = 0; i < 4 * ROWS(rows); i++) {
		bool trusted = i & 1;
		bool resolve = i & 2;
		bool ok = trusted ? rows[i / 4].trusted : rows[i / 4].unknown;
		uint32_t flags = VIOMMU_MSI_NO_SOURCE | (trusted ? VIOMMU_MSI_TRUSTED : 0) |
				 (resolve ? VIOMMU_MSI_RESOLVE : 0);
		struct guest_fault fault;
		struct viommu_msi msi;

		row_name = rows[i / 4].name;
		set_entry(&t, 0, 1 | 0x55 << 16, rows[i / 4].sid | (uint64_t)rows[i / 4].svt << 18);
		for (unsigned warm = 0; warm < 2; warm++) {
			row_equal(viommu_remap_msi(t.u->g.iommu, UINT32_MAX, remappable(0, false),
						   0, flags, &msi),
				  ok ? VIOMMU_OK : VIOMMU_FAULT);
			row_equal(ok ? msi.vector : msi.reason, ok ? 0x55 : 0x26);
			row_equal(guest_take_fault(&t.u->g, &fault), !ok && !resolve);
			if (!ok && !resolve)
				row_equal(fault.sid, 0);
		}
	}
	row_name = "vouched for, but for whom";
	row_equal(viommu_remap_msi(t.u->g.iommu, 8, remappable(0, false), 0, VIOMMU_MSI_TRUSTED,
				   &(struct viommu_msi){ 0 }),
		  VIOMMU_EINVAL);
	row_name = "nobody's id";
	for (uint32_t id = UINT32_MAX - 2; id != 0; id++) /* up to the last */
		row_equal(viommu_remap_msi(t.u->g.iommu, id, remappable(0, false), 0, 0,
					   &(struct viommu_msi){ 0 }),
			  VIOMMU_EINVAL);
	row_name = "an unknown flag";
	row_equal(viommu_remap_msi(t.u->g.iommu, 8, remappable(0, false), 0, 8,
				   &(struct viommu_msi){ 0 }),
		  VIOMMU_EINVAL);
	unit_close(t.u);
}

/* ---- faults: what is recorded, and which comes first ---- */

#define NOWHERE UINT64_C(0x80000000)
#define BAD	(BIT(24) | 1) /* reserved, present */

static void test_faults(void **state)
{
	static const struct {
		const char *name;
		uint64_t irta; /* besides EIME; 0: the table, S=0 */
		uint64_t address;
		uint32_t data;
		uint64_t low;
		uint64_t high;
		unsigned reason;
		uint64_t index; /* in FI 63:48 */
		bool recorded_with_fpd;
	} rows[] = {
		{ "20", 0, FEE | 0x38, 0x10000, 1, 0, 0x20, 0, true },
		{ "20 before 21", 0, FEE | 0xffffc, 0x10000, 1, 0, 0x20, 0, true },
		{ "21", 0, FEE | 0x50, 0, 1, 0, 0x21, 2, true },
		{ "21 index above 15 bits", 0, FEE | 0xffff4, 0, 1, 0, 0x21, 0xffff, true },
		{ "21 entry above HAW", BIT(52), FEE | 0x30, 0, 1, 0, 0x21, 1, true },
		{ "23", NOWHERE, FEE | 0x30, 0, 1, 0, 0x23, 1, true },
		{ "21 before 23", NOWHERE, FEE | 0x50, 0, 1, 0, 0x21, 2, true },
		{ "22", 0, FEE | 0x30, 0, 0, 0, 0x22, 1, false },
		{ "22 before 24", 0, FEE | 0x30, 0, BAD - 1, 0, 0x22, 1, false },
		{ "24", 0, FEE | 0x30, 0, BAD, 0, 0x24, 1, false },
		{ "24 before 26", 0, FEE | 0x30, 0, BAD, BIT(18) | 1, 0x24, 1, false },
		{ "26", 0, FEE | 0x30, 0, 1, BIT(18) | 1, 0x26, 1, false },
		{ "26 SVT=3", 0, FEE | 0x30, 0, 1, BITS(19, 18) | SID, 0x26, 1, false },
		{ "25", 0, FEE | 0x1000, 0x31, 1, 0, 0x25, 0, true },
	};

	for (size_t i = 0; i < 2 * ROWS(rows); i++) {
		const size_t n = i / 2;
		const bool fpd = i & 1;
		struct table t = open_table(0, EIME);
		struct viommu_msi msi;
		struct guest_fault fault;

		row_name = rows[n].name;
		if (rows[n].irta) {
			guest_write64(&t.u->g, VTD_IRTA, rows[n].irta | BIT(11));
			gcmd(t.u, VTD_G_IRTP, 0);
		}
		set_entry(&t, 1, rows[n].low | (fpd ? 2 : 0), rows[n].high);
		row_equal(viommu_remap_msi(t.u->g.iommu, SID, rows[n].address, rows[n].data,
					   RESOLVE, &msi),
			  VIOMMU_FAULT);
		row_equal(msi.reason, rows[n].reason);
		row_equal(fsts(t.u), 0); /* resolving records nothing */
		for (unsigned again = 0; again < 2; again++) {
			row_equal(viommu_remap_msi(t.u->g.iommu, SID, rows[n].address, rows[n].data,
						   0, &msi),
				  VIOMMU_FAULT);
			row_equal(msi.reason, rows[n].reason);
			row_equal(guest_take_fault(&t.u->g, &fault),
				  !fpd || rows[n].recorded_with_fpd);
			if (fpd && !rows[n].recorded_with_fpd)
				continue;
			row_equal(fault.info, rows[n].index << 48);
			row_equal(fault.high, BIT(63) | (uint64_t)rows[n].reason << 32 | SID);
		}
		unit_close(t.u);
	}
}

/* ---- compatibility format ---- */

static void test_compatibility(void **state)
{
	struct unit *u = unit_open(0, GUEST_ECAP_LEGACY);
	const uint64_t address = FEE | 0x7700c;
	struct viommu_msi msi;

	row_name = "10 CFI allows it with IRES=1 and EIME=0, unchanged";
	guest_interrupts_on(&u->g, 0, false);
	gcmd(u, VTD_G_CFI, 0);
	row_equal(viommu_remap_msi(u->g.iommu, SID, address, 0xc931, 0, &msi), VIOMMU_OK);
	row_equal(msi.address, address);
	row_equal(msi.data, 0xc931);
	row_equal(msi.destination, 0x77);
	row_equal(msi.vector, 0x31);
	row_equal(msi.delivery_mode, 1);
	row_equal(msi.logical, 1);
	row_equal(msi.redirection_hint, 1);
	row_equal(msi.level, 1);
	row_equal(msi.flags, VIOMMU_MSI_UNREMAPPED);
	row_equal(msi.index, UINT32_MAX);
	row_name = "23 not remapped: no bit is lost";
	gcmd(u, 0, VTD_G_IRE);
	row_equal(viommu_remap_msi(u->g.iommu, SID, UINT64_C(0x12345600feeab00c), 0xffffffff, 0,
				   &msi),
		  VIOMMU_OK);
	row_equal(msi.address, UINT64_C(0x12345600feeab00c));
	row_equal(msi.data, 0xffffffff);
	row_equal(msi.destination, 0x123456ab);
	row_name = "no interrupt message: refused, not recorded";
	row_equal(viommu_remap_msi(u->g.iommu, SID, 0xfed01000, 0, 0, &msi), VIOMMU_FAULT);
	row_equal(msi.reason, 0);
	row_equal(viommu_remap_msi(u->g.iommu, SID, FEE | BIT(32), 0, 0, &msi), VIOMMU_FAULT);
	row_equal(msi.reason, 0);
	row_equal(fsts(u), 0);
	row_name = "misuse";
	row_equal(viommu_remap_msi(u->g.iommu, 0x10000, address, 0, 0, &msi), VIOMMU_EINVAL);
	row_equal(viommu_remap_msi(NULL, SID, address, 0, 0, &msi), VIOMMU_EINVAL);
	row_equal(viommu_remap_msi(u->g.iommu, SID, address, 0, 0, NULL), VIOMMU_EINVAL);
	row_equal(viommu_remap_msi(u->g.iommu, SID, address, 0, 8, &msi), VIOMMU_EINVAL);
	unit_close(u);
}

/* An entry that changes, and an invalidation of it (obligation 12). */
static void test_invalidation(void **state)
{
	struct table t = open_table(7, EIME);

	row_name = "6.5.2.7 after an invalidation the new entry counts";
	row_equal(vector_of(&t, SID, remappable(3, false), 0), FAULT(0x22)); /* not cached */
	for (uint32_t i = 0; i < 256; i++)
		put_entry(&t, i, 1 | 0x41 << 16, 0);
	for (uint32_t i = 0; i < 256; i++)
		row_equal(vector_of(&t, SID, remappable(i, false), 0), 0x41);
	for (uint32_t i = 0; i < 256; i++)
		put_entry(&t, i, 1 | 0x42 << 16, 0);
	guest_submit(&t.u->g, Q_IEC(0x23, 0), 0, 0, 0);
	guest_submit(&t.u->g, Q_IEC(0x85, 4), 0, 0, 0);
	guest_wait(&t.u->g);
	row_equal(vector_of(&t, SID, remappable(0x23, false), 0), 0x42);
	for (uint32_t i = 0x80; i < 0x90; i++)
		row_equal(vector_of(&t, SID, remappable(i, false), 0), 0x42);
	guest_submit(&t.u->g, Q_IEC_GLOBAL, 0, 0, 0);
	guest_wait(&t.u->g);
	for (uint32_t i = 0; i < 256; i++)
		row_equal(vector_of(&t, SID, remappable(i, false), 0), 0x42);
	unit_close(t.u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),	     cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_fields),	     cmocka_unit_test(test_no_eim),
		cmocka_unit_test(test_reserved),     cmocka_unit_test(test_source),
		cmocka_unit_test(test_no_source),    cmocka_unit_test(test_bus_range),
		cmocka_unit_test(test_faults),	     cmocka_unit_test(test_compatibility),
		cmocka_unit_test(test_invalidation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
