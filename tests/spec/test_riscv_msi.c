/* SPDX-License-Identifier: BSD-3-Clause */
/* test_riscv_msi.c - virtual interrupt files: MSI page tables (2.3.3), and files in memory (AIA, "IOMMU Support for MSIs"). */

#include "check.h"

#include "riscv_rig.h"

#define DEVICE	   0x10U
#define FILES	   UINT64_C(0x28000000) /* guest-physical address of file 0 */
#define MASK	   UINT64_C(0x1005)	/* three bits: eight files */
#define BASIC(gpa) (RISCV_MSIPTE_V | UINT64_C(3) << 1 | RV_PPN(gpa))

static struct riscv_rig r;
static struct rv_tree first, second;
static struct viommu_device *device;
static uint64_t table, file;

/* @nested: a first stage, too, which sends page 0x5000 to file 3 */
static void open_rig(uint64_t without, uint32_t fctl, bool nested)
{
	bool be = fctl & RISCV_FCTL_BE;

	rv_open(&r, GUEST_RAW_SWAP, 64, RV_ALL & ~without);
	rv_start(&r, fctl, RISCV_MODE_1LVL);
	first = (struct rv_tree){ guest_alloc(&r.g, 1), 3, false, false, false };
	second = (struct rv_tree){ rv_root(&r), 3, false, be, true };
	table = guest_alloc(&r.g, 1);
	file = guest_alloc(&r.g, 1) + 512;
	/* the whole gigabyte around the files */
	rv_map(&r, &second, 0, 0x40000000, 2, RV_PAGE | RV_X);
	for (uint64_t at = 0; at < r.g.bytes && nested; at += GUEST_PAGE)
		rv_map(&r, &second, 0x80000000 + GUEST_BASE + at, GUEST_BASE + at, 0, RV_PAGE);
	rv_put_files(&r, DEVICE, table, MASK, FILES >> 12);
	rv_put_dc(&r, DEVICE, RISCV_TC_EN_ATS, rv_hgatp(8, 3, second.root), 0, 0);
	if (nested)
		rv_put_dc(&r, DEVICE, RISCV_TC_EN_ATS, rv_hgatp(8, 3, second.root),
			  bits_put(RISCV_TA_PSCID, 1), rv_satp(8, 0x80000000 + first.root));
	device = guest_device(&r.g, DEVICE);
}

/* Address of file n: bits 0, 2 and 12 of the page number. */
static uint64_t address_of(unsigned n)
{
	return FILES | (uint64_t)(n & 1) << 12 | (uint64_t)(n >> 1 & 1) << 14 |
	       (uint64_t)(n >> 2 & 1) << 24;
}

static void put_entry(unsigned n, uint64_t word0, uint64_t word1)
{
	rv_put(&r, table + n * 16, word0);
	rv_put(&r, table + n * 16 + 8, word1);
}

static unsigned cause_of(struct guest_dma d)
{
	return d.result == VIOMMU_FAULT ? d.answer.reason : 0;
}

/* 2.1.3.6: which pages are files, and their numbers; what is around them is the second stage's. */
static void test_files(void **state)
{
	static const uint32_t fctl[] = { 0, RISCV_FCTL_BE };

	(void)state;
	for (size_t e = 0; e < ARRAY_COUNT(fctl); e++) {
		open_rig(0, fctl[e], false);
		for (unsigned n = 0; n < 8; n++)
			put_entry(n, BASIC(0x80000000 + n * GUEST_PAGE), UINT64_MAX);
		for (unsigned again = 0; again < 2; again++) {
			for (unsigned n = 0; n < 8; n++) {
				struct guest_dma d =
					guest_dma(device, address_of(n) + 4, VIOMMU_WRITE);

				assert_int_equal(d.result, VIOMMU_OK);
				assert_int_equal(d.f.gpa, 0x80000000 + n * GUEST_PAGE + 4);
				assert_int_equal(d.f.perm, VIOMMU_READ | VIOMMU_WRITE);
			}
			for (uint64_t page = FILES - 0x10000; page < FILES + 0x10000;
			     page += GUEST_PAGE) {
				if (((page ^ FILES) >> 12 & ~MASK) != 0)
					assert_int_equal(
						guest_dma(device, page, VIOMMU_WRITE).f.gpa,
						0x40000000 + page);
			}
		}
		rv_close(&r);
	}
}

static const struct {
	const char *name;
	uint64_t word[2];
	uint64_t without;
	unsigned access;
	unsigned cause;
} entries[] = {
	{ "basic", { BASIC(0x80000000), 0 }, 0, VIOMMU_WRITE, 0 },
	{ "basic, read", { BASIC(0x80000000), 0 }, 0, VIOMMU_READ, 0 },
	{ "basic, execute", { BASIC(0x80000000), 0 }, 0, VIOMMU_EXEC, RISCV_FAULT_ACCESS_EXEC },
	{ "V = 0",
	  { BASIC(0x80000000) & ~RISCV_MSIPTE_V, 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_INVALID },
	{ "M = 0", { RISCV_MSIPTE_V, 0 }, 0, VIOMMU_WRITE, RISCV_FAULT_MSI_CONFIG },
	{ "M = 2",
	  { RISCV_MSIPTE_V | UINT64_C(2) << 1, 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "C = 1", { BASIC(0x80000000) | BIT(63), 0 }, 0, VIOMMU_WRITE, RISCV_FAULT_MSI_CONFIG },
	{ "basic, reserved bit 3",
	  { BASIC(0x80000000) | BIT(3), 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "basic, reserved bit 9",
	  { BASIC(0x80000000) | BIT(9), 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "basic, reserved bit 54",
	  { BASIC(0x80000000) | BIT(54), 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "basic, reserved bit 62",
	  { BASIC(0x80000000) | BIT(62), 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "MRIF without MSI_MRIF",
	  { RISCV_MSIPTE_V | UINT64_C(1) << 1, 0 },
	  RISCV_CAP_MSI_MRIF | RISCV_CAP_AMO_MRIF,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "MRIF, reserved bit 3",
	  { RISCV_MSIPTE_V | UINT64_C(1) << 1 | BIT(3), 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "MRIF, reserved bit 6",
	  { RISCV_MSIPTE_V | UINT64_C(1) << 1 | BIT(6), 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "MRIF, reserved bit 54",
	  { RISCV_MSIPTE_V | UINT64_C(1) << 1 | BIT(54), 0 },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "MRIF, reserved bit 118",
	  { RISCV_MSIPTE_V | UINT64_C(1) << 1, BIT(54) },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "MRIF, reserved bit 123",
	  { RISCV_MSIPTE_V | UINT64_C(1) << 1, BIT(59) },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "MRIF, reserved bit 127",
	  { RISCV_MSIPTE_V | UINT64_C(1) << 1, BIT(63) },
	  0,
	  VIOMMU_WRITE,
	  RISCV_FAULT_MSI_CONFIG },
	{ "MRIF, execute",
	  { RISCV_MSIPTE_V | UINT64_C(1) << 1, 0 },
	  0,
	  VIOMMU_EXEC,
	  RISCV_FAULT_ACCESS_EXEC },
};

static void test_entries(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
		struct rv_fault fault;

		open_rig(entries[i].without, 0, false);
		put_entry(5, entries[i].word[0], entries[i].word[1]);
		check_eq(entries[i].name,
			 cause_of(guest_dma(device, address_of(5), entries[i].access)),
			 entries[i].cause);
		check_eq(entries[i].name, rv_take_fault(&r, &fault), entries[i].cause != 0);
		check_eq(entries[i].name, fault.word[2], entries[i].cause ? address_of(5) : 0);
		check_eq(entries[i].name, fault.word[3], 0);
		rv_close(&r);
	}
}

static void test_no_table(void **state)
{
	(void)state;
	open_rig(0, 0, false);
	rv_put_files(&r, DEVICE, BIT(40), MASK, FILES >> 12);
	check_eq("261", cause_of(guest_dma(device, address_of(0), VIOMMU_WRITE)),
		 RISCV_FAULT_MSI_ACCESS);
	rv_close(&r);
}

/* The address that counts is that after the first stage, whose permission does, too. */
static void test_after_first_stage(void **state)
{
	struct guest_dma d;

	(void)state;
	open_rig(0, 0, true);
	put_entry(3, BASIC(0x90000000), 0);
	rv_map(&r, &first, 0x5000, address_of(3), 0, RV_PAGE);
	/* tables of the first stage are at the guest's addresses */
	for (unsigned level = 1; level <= 2; level++) { /* the upper one leads to the lower */
		uint64_t at = rv_entry(&r, &first, 0x5000, level);

		rv_put(&r, at, guest_get64(&r.g, at) + RV_PPN(0x80000000));
	}
	d = guest_dma(device, 0x5008, VIOMMU_WRITE);
	assert_int_equal(d.result, VIOMMU_OK);
	assert_int_equal(d.f.gpa, 0x90000008);
	rv_close(&r);
}

/* ---- files in memory ---- */

#define NOTICE	 UINT64_C(0x24000000)
#define MRIF(at) (RISCV_MSIPTE_V | UINT64_C(1) << 1 | ((at) >> 9 << 7))

static const struct {
	const char *name;
	uint64_t offset;
	uint32_t data;
	uint64_t without;
	int identity; /* -1: accepted, and nothing happens */
} writes[] = {
	{ "identity 1", 0, 1, 0, 1 },
	{ "identity 0 is as any other", 0, 0, 0, 0 },
	{ "identity 63", 0, 63, 0, 63 },
	{ "identity 64", 0, 64, 0, 64 },
	{ "identity 2047", 0, 2047, 0, 2047 },
	{ "identity 2048", 0, 2048, 0, -1 },
	{ "data beyond 11 bits", 0, 0x80000001, 0, -1 },
	{ "big-endian", 4, 0x25000000, 0, 0x25 },
	{ "big-endian, without END", 4, 0x25000000, RISCV_CAP_END, -1 },
	{ "another register", 8, 1, 0, -1 },
	{ "the last register", 0xffc, 1, 0, -1 },
};

static void test_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(writes); i++) {
		struct viommu_msi msi;
		unsigned flags = writes[i].identity >= 0 ? VIOMMU_MSI_POSTED | VIOMMU_MSI_NOTIFY
							 : VIOMMU_MSI_POSTED;

		open_rig(writes[i].without, 0, false);
		put_entry(2, MRIF(file), RV_PPN(NOTICE) | 0x3ff | BIT(60));
		check_eq(writes[i].name,
			 guest_dma(device, address_of(2) + writes[i].offset, VIOMMU_WRITE).result,
			 VIOMMU_INTERRUPT);
		/* resolved: what it would be */
		check_eq(writes[i].name,
			 viommu_remap_msi(r.g.iommu, DEVICE, address_of(2) + writes[i].offset,
					  writes[i].data, VIOMMU_MSI_RESOLVE, &msi),
			 VIOMMU_OK);
		check_eq(writes[i].name, msi.kind, VIOMMU_MSI_KIND_NOTICE);
		check_eq(writes[i].name, msi.flags, VIOMMU_MSI_POSTED);
		for (unsigned w = 0; w < 64; w++)
			check_eq(writes[i].name, guest_get64(&r.g, file + 8 * w), 0);
		check_eq(writes[i].name,
			 viommu_remap_msi(r.g.iommu, DEVICE, address_of(2) + writes[i].offset,
					  writes[i].data, 0, &msi),
			 VIOMMU_OK);
		check_eq(writes[i].name, msi.flags, flags);
		check_eq(writes[i].name, msi.kind, VIOMMU_MSI_KIND_NOTICE);
		check_eq(writes[i].name, msi.address, NOTICE);
		check_eq(writes[i].name, msi.data, 0x7ff);
		for (unsigned w = 0; w < 64; w++) {
			bool here = writes[i].identity >= 0 &&
				    w == (unsigned)writes[i].identity / 64 * 2;

			check_eq(writes[i].name, guest_get64(&r.g, file + 8 * w),
				 here ? BIT(writes[i].identity % 64) : 0);
		}
		check_eq(writes[i].name, rv_take_faults(&r), 0);
		rv_close(&r);
	}
}

/* An interrupt that is pending already, and other bits of its word, stay; the notice is due again. */
static void test_pending_stays(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig(0, 0, false);
	put_entry(0, MRIF(file), RV_PPN(NOTICE));
	guest_put64(&r.g, file, 0xf0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(viommu_remap_msi(r.g.iommu, DEVICE, address_of(0), 1, 0, &msi),
				 VIOMMU_OK);
		assert_true(msi.flags & VIOMMU_MSI_NOTIFY);
		assert_int_equal(guest_get64(&r.g, file), 0xf2);
	}
	rv_close(&r);
}

/* 3.2, cause 264 */
static void test_no_file(void **state)
{
	struct viommu_msi msi;
	struct rv_fault fault;

	(void)state;
	open_rig(0, 0, false);
	put_entry(0, MRIF(BIT(40)), RV_PPN(NOTICE));
	assert_int_equal(viommu_remap_msi(r.g.iommu, DEVICE, address_of(0), 1, 0, &msi),
			 VIOMMU_FAULT);
	assert_int_equal(msi.reason, RISCV_FAULT_MRIF);
	assert_true(rv_take_fault(&r, &fault));
	assert_int_equal(fault.cause, RISCV_FAULT_MRIF);
	assert_int_equal(fault.word[2], address_of(0));
	rv_close(&r);
}

/* viommu_remap_msi() of basic entries, and of writes to no file at all. */
static void test_messages(void **state)
{
	struct viommu_msi msi;

	(void)state;
	open_rig(0, 0, false);
	put_entry(1, BASIC(0x80000000), 0);
	assert_int_equal(viommu_remap_msi(r.g.iommu, DEVICE, address_of(1), 7, 0, &msi), VIOMMU_OK);
	assert_int_equal(msi.address, 0x80000000);
	assert_int_equal(msi.data, 7);
	assert_int_equal(msi.kind, VIOMMU_MSI_KIND_MESSAGE);
	assert_int_equal(viommu_remap_msi(r.g.iommu, DEVICE, 0x3000, 7, 0, &msi), VIOMMU_OK);
	assert_int_equal(msi.address, 0x40003000);
	assert_int_equal(viommu_remap_msi(r.g.iommu, DEVICE, BIT(40), 7, 0, &msi), VIOMMU_FAULT);
	assert_int_equal(msi.reason, RISCV_FAULT_GUEST_WRITE);
	assert_int_equal(rv_take_faults(&r), 1);
	assert_int_equal(viommu_remap_msi(r.g.iommu, DEVICE, BIT(40), 7, VIOMMU_MSI_RESOLVE, &msi),
			 VIOMMU_FAULT);
	assert_int_equal(rv_take_faults(&r), 0);
	rv_close(&r);
}

/* 2.3.5: an ATS request for a file in memory gets R, W and U; in basic mode an address. */
static void test_ats(void **state)
{
	struct guest_dma d;

	(void)state;
	open_rig(0, 0, false);
	put_entry(0, MRIF(file), RV_PPN(NOTICE));
	put_entry(1, BASIC(0x80000000), 0);
	d = guest_ats(device, VIOMMU_NO_PASID, address_of(0), VIOMMU_READ | VIOMMU_WRITE);
	assert_int_equal(d.result, VIOMMU_INTERRUPT);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_SUCCESS);
	d = guest_ats(device, VIOMMU_NO_PASID, address_of(1),
		      VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC);
	assert_int_equal(d.result, VIOMMU_OK);
	assert_int_equal(d.f.gpa, 0x80000000);
	assert_int_equal(d.f.perm, VIOMMU_READ | VIOMMU_WRITE);
	put_entry(1, 0, 0);
	d = guest_ats(device, VIOMMU_NO_PASID, address_of(1), VIOMMU_READ);
	assert_int_equal(d.result, VIOMMU_OK);
	assert_int_equal(d.f.perm, 0);
	assert_int_equal(rv_take_faults(&r), 0);
	put_entry(1, BASIC(0) | BIT(3), 0);
	d = guest_ats(device, VIOMMU_NO_PASID, address_of(1), VIOMMU_READ);
	assert_int_equal(d.result, VIOMMU_FAULT);
	assert_int_equal(d.answer.ats, VIOMMU_ATS_ABORT);
	assert_int_equal(rv_take_faults(&r), 1);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),	 cmocka_unit_test(test_entries),
		cmocka_unit_test(test_no_table), cmocka_unit_test(test_after_first_stage),
		cmocka_unit_test(test_writes),	 cmocka_unit_test(test_pending_stays),
		cmocka_unit_test(test_no_file),	 cmocka_unit_test(test_messages),
		cmocka_unit_test(test_ats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
