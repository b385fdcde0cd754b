/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_irq_exhaustive.c - interrupt remapping against the oracle on whole spaces of bits: control
 * bits of table entries, source validation for all requester ids, message formats, table sizes,
 * descriptors.
 */
#include <string.h>

#include "check.h"
#include "irq_rig.h"
#include "run.h"

#define REMAPPABLE UINT32_C(0xfee00010)
#define S_MAX	   15U
#define DESCRIPTOR IRQ_POSTED
#define SOURCE	   0x0110U
#define ENTRY_HIGH (SOURCE | UINT64_C(1) << 18) /* SVT 1, SQ 0 */
#define BUS_RANGE  UINT64_C(2)

static struct irq_rig rig;

static void open_rig(bool posting, bool eime)
{
	const struct irq_config config = {
		.region = true, .posting = posting, .eim = eime, .haw = 46
	};

	irq_open(&rig, &config);
	irq_program(&rig, IRQ_TABLES | (eime ? VTD_IRTA_EIME : 0) | S_MAX, true, false);
}

static struct io_request message(uint32_t index, uint16_t source, bool resolve)
{
	return (struct io_request){ .source = source,
				    .address =
					    REMAPPABLE | (index & 0x7fff) << 5 | (index >> 15) << 2,
				    .resolve = resolve };
}

/* Compares without looking for fault records: nothing may have been recorded at the end. */
static void compare_plain(const char *what, const struct io_request *req)
{
	struct io_answer oracle;
	struct irq_answer engine;
	const char *differs;

	io_remap(&rig.memory, &rig.unit, req, &oracle);
	irq_ask_plain(&rig, req, &engine);
	differs = irq_differs(&oracle, req, &engine);
	if (!differs)
		return;
	print_message("--- %s: %s differs\n", what, differs);
	irq_print(&rig, req, &oracle, &engine);
	fail();
}

static void no_faults(void)
{
	assert_int_equal(guest_read32(&rig.g, VTD_FSTS) & ~VTD_FSTS_FRI, 0);
}

/* ---- control bits ---- */

static uint64_t posted_low(void)
{
	return (DESCRIPTOR >> 6) << 38 | BIT(15) | UINT64_C(0x31) << 16 | 1;
}

static uint64_t remapped_low(bool eime)
{
	return (eime ? UINT64_C(0x80706050) << 32 : UINT64_C(0xa5) << 40) | UINT64_C(0x31) << 16 |
	       1;
}

/* 9.9, 9.10: bits 15:0 of an entry, all of them, under all SVT and SQ, for a source that matches
 * and others. Each entry has its index as bits 15:0. */
static void all_controls(bool posting, bool eime)
{
	static const uint16_t asking[] = { SOURCE, SOURCE ^ 1, SOURCE ^ 2, SOURCE ^ 4, SOURCE ^ 8 };

	open_rig(posting, eime);
	for (uint32_t svt_sq = 0; svt_sq < 16; svt_sq++) {
		for (uint32_t i = 0; i < 65536; i++) {
			bool posted = i & BIT(15);
			uint64_t low = posted ? posted_low() : remapped_low(eime);

			irq_put_entry(&rig, i, (low & ~UINT64_C(0xffff)) | i,
				      SOURCE | (uint64_t)svt_sq << 16);
		}
		irq_invalidate(&rig, GUEST_IEC_GLOBAL);
		for (uint32_t i = 0; i < 65536; i++) {
			struct io_request req = message(i, asking[(i + svt_sq) % 5], true);

			compare_plain("controls", &req);
			if (svt_sq % 5 == 0 && i % 16 == svt_sq % 16) {
				req.resolve = false;
				irq_compare(&rig, "controls, delivered", &req);
			}
		}
	}
	no_faults();
	irq_close(&rig);
}

static void test_controls(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		all_controls(i & 1, i & 2);
}

/* The same entry with one or two bits changed, out of all 128. */
static void two_bits(bool posting, bool eime, bool posted)
{
	open_rig(posting, eime);
	for (unsigned a = 0; a < 128; a++) {
		for (unsigned b = a; b < 128; b++) {
			uint64_t entry[2] = { posted ? posted_low() : remapped_low(eime),
					      ENTRY_HIGH };

			entry[a / 64] ^= UINT64_C(1) << a % 64;
			if (b != a)
				entry[b / 64] ^= UINT64_C(1) << b % 64;
			irq_put_entry(&rig, a * 128 + b, entry[0], entry[1]);
		}
	}
	irq_invalidate(&rig, GUEST_IEC_GLOBAL);
	for (unsigned i = 0; i < 128 * 128; i++) {
		struct io_request req = message(i, SOURCE, i % 2);

		irq_compare(&rig, "two bits", &req);
	}
	irq_close(&rig);
}

static void test_two_bits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		two_bits(i & 1, i & 2, i & 4);
}

/* ---- sources ---- */

/* 9.10 SVT, SQ, SID: all requester ids. Obligation 22: the bus range starts in SID[15:8]. */
static void test_sources(void **state)
{
	static const uint16_t sids[] = { 0x0000, 0x0007, 0x0110, 0x0105, 0x0501,
					 0x00ff, 0xff00, 0x7f80, 0xffff, 0x0303 };

	(void)state;
	open_rig(true, false);
	for (unsigned i = 0; i < sizeof(sids) / sizeof(sids[0]); i++) {
		for (uint32_t form = 0; form < 32; form++)
			irq_put_entry(&rig, form, form & 16 ? posted_low() : remapped_low(false),
				      sids[i] | (uint64_t)(form & 15) << 16);
		irq_invalidate(&rig, GUEST_IEC_GLOBAL);
		for (uint32_t form = 0; form < 16; form++) {
			for (uint32_t source = 0; source < 65536; source++) {
				struct io_request req =
					message(form | (source & 1) << 4, (uint16_t)source, true);

				compare_plain("sources", &req);
			}
		}
	}
	no_faults();
	irq_close(&rig);
}

/* The same by plain words, without the oracle. */
static void test_bus_range(void **state)
{
	static const struct {
		const char *name;
		uint16_t sid, source;
		bool passes;
	} rows[] = {
		{ "the first bus", 0x0205, 0x0200, true },
		{ "the last bus", 0x0205, 0x05ff, true },
		{ "between", 0x0205, 0x0311, true },
		{ "below", 0x0205, 0x01ff, false },
		{ "above", 0x0205, 0x0600, false },
		{ "start behind end: nobody", 0x0502, 0x0300, false },
		{ "start behind end: not its start", 0x0502, 0x0500, false },
		{ "one bus", 0x0404, 0x0427, true },
		{ "another than the one", 0x0404, 0x0527, false },
	};

	(void)state;
	open_rig(false, false);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct io_request req = message(i, rows[i].source, true);
		struct irq_answer answer;

		irq_put_entry(&rig, i, remapped_low(false), rows[i].sid | BUS_RANGE << 18);
		irq_ask(&rig, &req, &answer);
		check_eq(rows[i].name, answer.result, rows[i].passes ? VIOMMU_OK : VIOMMU_FAULT);
		check_eq(rows[i].name, answer.msi.reason, rows[i].passes ? 0 : 0x26);
	}
	irq_close(&rig);
}

/* Obligation 10: a requester id has 16 bits; more are not cut off. */
static void test_arguments(void **state)
{
	static const struct {
		const char *name;
		uint32_t source;
		uint64_t address;
		uint32_t flags;
		int result;
		unsigned reason;
	} rows[] = {
		{ "as it should be", SOURCE, REMAPPABLE, VIOMMU_MSI_RESOLVE, VIOMMU_OK, 0 },
		{ "source, bit 16", 0x10000 | SOURCE, REMAPPABLE, 0, VIOMMU_EINVAL, 0 },
		{ "source, bit 31", UINT32_C(1) << 31 | SOURCE, REMAPPABLE, 0, VIOMMU_EINVAL, 0 },
		{ "flags", SOURCE, REMAPPABLE, 8, VIOMMU_EINVAL, 0 },
		{ "address above 4 GiB", SOURCE, UINT64_C(1) << 32 | REMAPPABLE, 0, VIOMMU_FAULT,
		  0x20 },
		{ "address not in the window", SOURCE, 0xfed00010, 0, VIOMMU_FAULT, 0x20 },
	};
	struct viommu_msi msi;

	(void)state;
	open_rig(false, false);
	irq_put_entry(&rig, 0, remapped_low(false), ENTRY_HIGH);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int result = viommu_remap_msi(rig.g.iommu, rows[i].source, rows[i].address, 0,
					      rows[i].flags, &msi);

		check_eq(rows[i].name, result, rows[i].result);
		if (result >= 0)
			check_eq(rows[i].name, msi.reason, rows[i].reason);
		check_eq(rows[i].name, guest_take_faults(&rig.g), result == VIOMMU_FAULT);
	}
	assert_int_equal(viommu_remap_msi(NULL, 0, REMAPPABLE, 0, 0, &msi), VIOMMU_EINVAL);
	assert_int_equal(viommu_remap_msi(rig.g.iommu, 0, REMAPPABLE, 0, 0, NULL), VIOMMU_EINVAL);
	irq_close(&rig);
}

/* What is no interrupt message is not passed on either while remapping is off: there is nothing to
 * record, and nobody who would take it. */
static void test_not_a_message(void **state)
{
	static const struct {
		const char *name;
		uint64_t address;
		int result;
	} rows[] = {
		{ "the first", 0xfee00000, VIOMMU_OK },
		{ "the last", 0xfeefffff, VIOMMU_OK },
		{ "below", 0xfedfffff, VIOMMU_FAULT },
		{ "above", 0xfef00000, VIOMMU_FAULT },
		{ "bit 32", UINT64_C(0x1fee00000), VIOMMU_FAULT },
		{ "bit 39", UINT64_C(0x80fee00000), VIOMMU_FAULT },
		{ "KVM's destination bits, the first", UINT64_C(0x100fee00000), VIOMMU_OK },
		{ "KVM's destination bits, the last", UINT64_C(0x80000000fee00000), VIOMMU_OK },
		{ "zero", 0, VIOMMU_FAULT },
	};
	struct viommu_msi msi;

	(void)state;
	open_rig(false, false);
	irq_program(&rig, IRQ_TABLES | S_MAX, false, false);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_eq(rows[i].name,
			 viommu_remap_msi(rig.g.iommu, SOURCE, rows[i].address, 0, 0, &msi),
			 rows[i].result);
		check_eq(rows[i].name, msi.reason, 0);
		if (rows[i].result == VIOMMU_OK)
			check_eq(rows[i].name, msi.destination,
				 (rows[i].address >> 12 & 0xff) | rows[i].address >> 40 << 8);
	}
	no_faults();
	irq_close(&rig);
}

/* ---- messages ---- */

/* 5.1.2: every address in the window, with data for and against a subhandle; CFI and EIME in all
 * combinations, and remapping off. Obligation 22: the compatibility format is refused. */
static void all_messages(bool eime, bool cfi, bool enabled)
{
	static const uint32_t datas[] = { 0, 1, 0x8fff, 0xffff, 0x10000, 0x40310001, 0xffffffff };

	open_rig(true, eime);
	irq_program(&rig, IRQ_TABLES | (eime ? VTD_IRTA_EIME : 0) | 12, enabled, cfi);
	for (uint32_t i = 0; i < 2U << 12; i++)
		irq_put_entry(&rig, i, remapped_low(eime), 0);
	for (uint32_t low = 0; low < 1U << 20; low++) {
		struct io_request req = { .source = (uint16_t)low,
					  .address = 0xfee00000 | low,
					  .data = datas[low % 7],
					  .resolve = true };

		compare_plain("messages", &req);
		if (low % 64 == 17) {
			req.resolve = false;
			irq_compare(&rig, "messages, delivered", &req);
		}
	}
	no_faults();
	irq_close(&rig);
}

static void test_messages(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		all_messages(i & 1, i & 2, i & 4);
}

/* Obligation 4: the first and last entry of every table size, by handle and by subhandle; sums that
 * leave 16 bits. */
static void test_sizes(void **state)
{
	(void)state;
	open_rig(false, false);
	for (uint32_t i = 0; i < 65536; i++)
		irq_put_entry(&rig, i, remapped_low(false), 0);
	for (unsigned s = 0; s <= S_MAX; s++) {
		irq_program(&rig, IRQ_TABLES | s, true, false);
		for (uint32_t sub = 0; sub < 65536; sub += sub < 4 ? 1 : 4093) {
			for (uint32_t k = 0; k < 4; k++) {
				struct io_request req =
					message(((2U << s) - 2 + k - sub) & 0xffff, 3, k % 2);

				req.address |= 8;
				req.data = sub;
				irq_compare(&rig, "sizes, subhandle", &req);
				req = message(((2U << s) - 2 + k) & 0xffff, 3, k % 2);
				irq_compare(&rig, "sizes, handle", &req);
				req.address |= 8;
				req.data = 0xffff - sub % 3;
				irq_compare(&rig, "sizes, sum", &req);
			}
		}
	}
	irq_close(&rig);
}

/* 11.4.10: a table at and across the host address width, and at the end of what is there. */
static void test_table_addresses(void **state)
{
	static const struct {
		const char *name;
		uint64_t base;
	} rows[] = {
		{ "ends at HAW", (UINT64_C(1) << 46) - 0x1000 },
		{ "crosses HAW", (UINT64_C(1) << 46) - 0x800 * 16 },
		{ "at HAW", UINT64_C(1) << 46 },
		{ "end of 64 bits", ~UINT64_C(0xfff) },
		{ "crosses the end of memory", IRQ_END - 0x1000 },
		{ "nothing there", UINT64_C(1) << 40 },
		{ "at zero", 0 },
	};

	(void)state;
	open_rig(true, true);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		irq_program(&rig, rows[i].base | VTD_IRTA_EIME | 11, true, false);
		for (uint32_t index = 0; index < 4100; index++) {
			struct io_request req = message(index, 1, index % 2);

			irq_compare(&rig, rows[i].name, &req);
		}
	}
	irq_close(&rig);
}

/* ---- descriptors ---- */

static void fill_descriptor(uint64_t at, const uint64_t word[8])
{
	for (unsigned i = 0; i < 8; i++)
		irq_put(&rig, at + 8 * i, word[i]);
}

/* 5.2.3: every vector, under ON, SN, URG and its bit being set already. */
static void all_vectors(bool eime, bool rom)
{
	uint64_t at = rom ? IRQ_ROM : DESCRIPTOR;

	open_rig(true, eime);
	for (uint32_t i = 0; i < 65536; i++)
		irq_put_entry(&rig, i,
			      (at >> 6) << 38 | (uint64_t)(i & 255) << 16 | BIT(15) |
				      (uint64_t)(i >> 8 & 1) << 14 | 1,
			      0);
	for (uint32_t state = 0; state < 16; state++) {
		for (uint32_t vector = 0; vector < 256; vector++) {
			uint64_t word[8] = { 0 };
			struct io_request req = message(vector | (state & 1) << 8, 0x77, false);

			word[4] = (state >> 1 & 3) | UINT64_C(0xe2) << 16 |
				  (uint64_t)(0x01020300 + vector) << 32;
			if (state & 8)
				word[vector / 64] = UINT64_C(1) << vector % 64;
			fill_descriptor(at, word);
			req.resolve = true;
			irq_compare(&rig, "vectors, resolved", &req);
			req.resolve = false;
			irq_compare(&rig, "vectors", &req);
			irq_compare(&rig, "vectors, again", &req);
		}
	}
	irq_close(&rig);
}

static void test_vectors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		all_vectors(i & 1, i & 2);
}

/* 9.11: every bit of a descriptor, alone and over all ones of PIR. */
static void test_descriptor_bits(void **state)
{
	(void)state;
	open_rig(true, false);
	irq_put_entry(&rig, 0, posted_low(), 0);
	irq_put_entry(&rig, 1, posted_low() | 2, 0); /* FPD */
	for (unsigned bit = 0; bit < 512; bit++) {
		for (unsigned kind = 0; kind < 4; kind++) {
			struct io_request req = message(kind & 1, 1, false);
			uint64_t word[8] = { 0 };

			for (unsigned i = 0; i < 4; i++)
				word[i] = kind & 2 ? UINT64_MAX : 0;
			word[bit / 64] ^= UINT64_C(1) << bit % 64;
			fill_descriptor(DESCRIPTOR, word);
			irq_compare(&rig, "descriptor bits", &req);
		}
	}
	irq_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_controls),	cmocka_unit_test(test_two_bits),
		cmocka_unit_test(test_sources),		cmocka_unit_test(test_bus_range),
		cmocka_unit_test(test_messages),	cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_table_addresses), cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_descriptor_bits), cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_not_a_message),
	};

	return cmocka_run_group_tests_name("irq/exhaustive", tests, NULL, NULL);
}
