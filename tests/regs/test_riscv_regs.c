/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_riscv_regs.c - every register of the RISC-V IOMMU in several configurations: reset value, what can be written, halves,
 * accesses that are not defined, and the holes in between (chapter 6). Numbers, not the library's names: the expected values.
 */

#include "check.h"

#include <stdio.h>
#include <string.h>

#include "riscv_rig.h"

#define M(high, low) ((UINT64_MAX >> (63 - (high))) & (UINT64_MAX << (low)))
#define B(n)	     (UINT64_C(1) << (n))

struct row {
	const char *name;
	uint32_t offset;
	uint32_t bytes;
	uint64_t reset;
	uint64_t rw;   /* bits that read as written */
	uint64_t skip; /* not written by these tests: they do something */
};

enum { ROWS_MAX = 200 };
static struct row rows[ROWS_MAX];
static unsigned count;

static const struct config {
	const char *name;
	uint64_t capabilities;
	uint64_t ddtp;
	uint32_t vectors;
	uint32_t counters;
	uint32_t qosid_bits;
} configs[] = {
	{ "default", 0, 0, 0, 0, 0 },
	{ "everything", RV_ALL, 0, 16, 31, 12 },
	{ "Bare after a reset, 4 vectors, 3 counters, 5 bits", RV_ALL, 1, 4, 3, 5 },
	{ "messages only", RV_ALL & ~M(29, 28), 0, 8, 0, 0 },
	{ "wires only", (RV_ALL & ~M(29, 28)) | B(28), 0, 2, 0, 0 },
	{ "little", B(4) | B(9) | B(28) | (uint64_t)40 << 32, 0, 1, 0, 0 },
	{ "32 bits", B(4) | B(8) | B(16) | (uint64_t)34 << 32, 0, 16, 0, 0 },
	{ "a recording's", UINT64_C(0x78a2cf4f10), 0, 4, 0, 0 },
};

static void add(const char *name, uint32_t offset, uint32_t bytes, uint64_t reset, uint64_t rw,
		uint64_t skip)
{
	assert_true(count < ROWS_MAX);
	rows[count++] = (struct row){ name, offset, bytes, reset, rw, skip };
}

static void fill(const struct config *c)
{
	uint64_t cap = c->capabilities ? c->capabilities : viommu_riscv_default_capabilities();
	unsigned igs = (unsigned)(cap >> 28 & 3);
	uint64_t vector = (c->vectors ? c->vectors : 16) - 1;
	uint64_t ids = ((uint64_t)1 << (c->qosid_bits ? c->qosid_bits : 12)) - 1;
	unsigned counters = c->counters ? c->counters : 31;
	bool narrow = cap & (B(8) | B(16));
	bool wide = cap & (M(11, 9) | M(19, 17));
	uint64_t fctl = (cap & B(27) ? 1 : 0) | (igs == 2 ? 2 : 0) | (narrow && wide ? 4 : 0);

	count = 0;
	add("capabilities", 0, 8, cap, 0, 0);
	add("fctl", 8, 4, (igs == 1 ? 2 : 0) | (narrow && !wide ? 4 : 0), c->ddtp ? 0 : fctl, 0);
	add("ddtp", 16, 8, c->ddtp, M(53, 10), M(3, 0));
	add("cqb", 24, 8, 0, M(53, 10) | M(4, 0), 0);
	add("cqh", 32, 4, 0, 0, 0);
	add("cqt", 36, 4, 0, 1, 0);
	add("fqb", 40, 8, 0, M(53, 10) | M(4, 0), 0);
	add("fqh", 48, 4, 0, 1, 0);
	add("fqt", 52, 4, 0, 0, 0);
	if (cap & B(25)) {
		add("pqb", 56, 8, 0, M(53, 10) | M(4, 0), 0);
		add("pqh", 64, 4, 0, 1, 0);
		add("pqt", 68, 4, 0, 0, 0);
		add("pqcsr", 80, 4, 0, 2, 1);
	}
	add("cqcsr", 72, 4, 0, 2, 1);
	add("fqcsr", 76, 4, 0, 2, 1);
	add("ipsr", 84, 4, 0, 0, 0);
	if (cap & B(30)) {
		add("iocountovf", 88, 4, 0, 0, 0);
		add("iocountinh", 92, 4, 0, ((uint64_t)1 << (counters + 1)) - 1, 0);
		add("iohpmcycles", 96, 8, 0, UINT64_MAX, 0);
		for (unsigned n = 0; n < counters; n++) {
			add("iohpmctr", 104 + 8 * n, 8, 0, UINT64_MAX, 0);
			add("iohpmevt", 352 + 8 * n, 8, 0, M(63, 15) | 7, M(14, 3));
		}
	}
	if (cap & B(31)) {
		add("tr_req_iova", 600, 8, 0, M(63, 12), 0);
		add("tr_req_ctl", 608, 8, 0, M(63, 40) | M(32, 12) | M(3, 1), 1);
		add("tr_response", 616, 8, 0, 0, 0);
	}
	if (cap & B(41))
		add("iommu_qosid", 624, 4, 0, ids | ids << 16, 0);
	add("icvec", 760, 8, 0, vector * 0x1111, 0);
	for (uint32_t n = 0; n < 16 && igs != 1; n++) {
		add("msi_addr", 768 + 16 * n, 8, 0, M(55, 2), 0);
		add("msi_data", 776 + 16 * n, 4, 0, UINT32_MAX, 0);
		add("msi_vec_ctl", 780 + 16 * n, 4, 0, 1, 0);
	}
}

static struct riscv_rig r;
static char text[120];

static void open_config(const struct config *c)
{
	fill(c);
	memset(&r, 0, sizeof(r));
	guest_init(&r.g, GUEST_REGION, 1);
	r.config.capabilities = c->capabilities;
	r.config.ddtp = c->ddtp;
	r.config.vectors = c->vectors;
	r.config.counters = c->counters;
	r.config.qosid_bits = c->qosid_bits;
	assert_int_equal(rv_try(&r), VIOMMU_OK);
}

static void check(const struct row *row, uint64_t written)
{
	uint64_t wanted = (row->reset & ~(row->rw | row->skip)) | (written & row->rw);

	check_eq(text, rv_read(&r, row->offset, row->bytes) & ~row->skip, wanted & ~row->skip);
}

static void for_each(void (*body)(const struct row *))
{
	for (size_t c = 0; c < ARRAY_COUNT(configs); c++) {
		open_config(&configs[c]);
		for (unsigned i = 0; i < count; i++) {
			snprintf(text, sizeof(text), "%s: %s at %x", configs[c].name, rows[i].name,
				 rows[i].offset);
			body(&rows[i]);
			rv_write(&r, rows[i].offset, rows[i].bytes, rows[i].reset & ~rows[i].skip);
		}
		rv_close(&r);
	}
}

static void reset_value(const struct row *row)
{
	check_eq(text, rv_read(&r, row->offset, row->bytes), row->reset);
	if (row->bytes == 8) {
		check_eq(text, rv_read(&r, row->offset, 4), row->reset & UINT32_MAX);
		check_eq(text, rv_read(&r, row->offset + 4, 4), row->reset >> 32);
	}
}

static void test_reset_values(void **state)
{
	(void)state;
	for_each(reset_value);
}

static void writable(const struct row *row)
{
	uint64_t all = row->bytes == 8 ? UINT64_MAX : UINT32_MAX;

	rv_write(&r, row->offset, row->bytes, all & ~row->skip);
	check(row, all);
	rv_write(&r, row->offset, row->bytes, 0);
	check(row, 0);
	for (unsigned bit = 0; bit < 8 * row->bytes; bit++) {
		if (row->skip >> bit & 1)
			continue;
		rv_write(&r, row->offset, row->bytes, B(bit));
		check(row, B(bit));
	}
	rv_write(&r, row->offset, row->bytes, 0);
}

static void test_writable_bits(void **state)
{
	(void)state;
	for_each(writable);
}

/* High half first, as software does. */
static void halves(const struct row *row)
{
	const uint64_t pattern = UINT64_C(0x5a5a5a5aa5a5a5a5) & ~row->skip;

	if (row->bytes == 4)
		return;
	rv_write(&r, row->offset + 4, 4, pattern >> 32);
	rv_write(&r, row->offset, 4, pattern & UINT32_MAX);
	check(row, pattern);
	rv_write(&r, row->offset + 4, 4, 0);
	rv_write(&r, row->offset, 4, 0);
	check(row, 0);
}

static void test_halves(void **state)
{
	(void)state;
	for_each(halves);
}

/* 6.2: accesses that are not defined read as 0, and change nothing. */
static void undefined(const struct row *row)
{
	uint64_t before = rv_read(&r, row->offset, row->bytes);

	for (uint32_t at = row->offset; at < row->offset + row->bytes; at++) {
		for (uint32_t bytes = 1; bytes <= 8; bytes++) {
			if ((bytes == 4 || bytes == 8) && at % bytes == 0)
				continue;
			check_eq(text, rv_read(&r, at, bytes), 0);
			rv_write(&r, at, bytes, UINT64_MAX);
			check_eq(text, rv_read(&r, row->offset, row->bytes), before);
		}
	}
}

static void test_undefined(void **state)
{
	(void)state;
	for_each(undefined);
}

static bool has_row(uint32_t offset)
{
	for (unsigned i = 0; i < count; i++) {
		if (offset >= rows[i].offset && offset < rows[i].offset + rows[i].bytes)
			return true;
	}
	return false;
}

static void test_holes(void **state)
{
	(void)state;
	for (size_t c = 0; c < ARRAY_COUNT(configs); c++) {
		open_config(&configs[c]);
		for (uint32_t at = 0; at < 8192; at += 4) {
			if (has_row(at))
				continue;
			snprintf(text, sizeof(text), "%s: %x", configs[c].name, at);
			check_eq(text, rv_read(&r, at, 4), 0);
			rv_write(&r, at, 4, UINT32_MAX);
			check_eq(text, rv_read(&r, at, 4), 0);
		}
		for (unsigned i = 0; i < count; i++)
			check_eq(rows[i].name, rv_read(&r, rows[i].offset, rows[i].bytes),
				 rows[i].reset);
		rv_close(&r);
	}
}

/* 6.5: which modes follow which. */
static void test_ddtp(void **state)
{
	(void)state;
	for (unsigned from = 0; from < 5; from++) {
		for (unsigned to = 0; to < 16; to++) {
			bool legal = to <= 4 && (from <= 1 || to <= 1);

			memset(&r, 0, sizeof(r));
			guest_init(&r.g, GUEST_REGION, 1);
			assert_int_equal(rv_try(&r), VIOMMU_OK);
			rv_write(&r, 16, 8, B(20) | from);
			snprintf(text, sizeof(text), "ddtp %u to %u", from, to);
			rv_write(&r, 16, 8, B(21) | to);
			check_eq(text, rv_read(&r, 16, 8), legal ? B(21) | to : B(20) | from);
			rv_close(&r);
		}
	}
}

/* 6.4: fctl cannot be changed while anything is on. */
static void test_fctl(void **state)
{
	static const struct {
		uint32_t offset;
		uint64_t value;
	} on[] = { { 16, 1 }, { 16, 2 }, { 72, 1 }, { 76, 1 }, { 80, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(on); i++) {
		rv_open(&r, GUEST_REGION, 1, RV_ALL);
		rv_write(&r, on[i].offset, on[i].offset == 16 ? 8 : 4, on[i].value);
		rv_write(&r, 8, 4, 7);
		assert_int_equal(rv_read(&r, 8, 4), 0);
		rv_write(&r, on[i].offset, on[i].offset == 16 ? 8 : 4, 0);
		rv_write(&r, 8, 4, 7);
		assert_int_equal(rv_read(&r, 8, 4), 7);
		rv_close(&r);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		struct viommu_riscv_config config;
		int result;
	} refused[] = {
		{ "version", { .capabilities = RV_ALL + 1 }, VIOMMU_ENOTSUP },
		{ "reserved 12", { .capabilities = RV_ALL | B(12) }, VIOMMU_ENOTSUP },
		{ "reserved 20", { .capabilities = RV_ALL | B(20) }, VIOMMU_ENOTSUP },
		{ "reserved 55", { .capabilities = RV_ALL | B(55) }, VIOMMU_ENOTSUP },
		{ "custom", { .capabilities = RV_ALL | B(63) }, VIOMMU_ENOTSUP },
		{ "IGS 3", { .capabilities = RV_ALL | M(29, 28) }, VIOMMU_EINVAL },
		{ "Sv48 without Sv39", { .capabilities = RV_ALL & ~B(9) }, VIOMMU_EINVAL },
		{ "Sv57x4 without Sv48x4", { .capabilities = RV_ALL & ~B(18) }, VIOMMU_EINVAL },
		{ "MSI_MRIF without MSI_FLAT", { .capabilities = RV_ALL & ~B(22) }, VIOMMU_EINVAL },
		{ "T2GPA without ATS", { .capabilities = RV_ALL & ~B(25) }, VIOMMU_EINVAL },
		{ "PAS 57",
		  { .capabilities = (RV_ALL & ~M(37, 32)) | (uint64_t)57 << 32 },
		  VIOMMU_EINVAL },
		{ "ddtp", { .ddtp = 2 }, VIOMMU_EINVAL },
		{ "vectors 3", { .vectors = 3 }, VIOMMU_EINVAL },
		{ "vectors 32", { .vectors = 32 }, VIOMMU_EINVAL },
		{ "counters 32", { .counters = 32 }, VIOMMU_EINVAL },
		{ "qosid_bits 13", { .qosid_bits = 13 }, VIOMMU_EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		memset(&r, 0, sizeof(r));
		guest_init(&r.g, GUEST_REGION, 1);
		r.config = refused[i].config;
		check_eq(refused[i].name, rv_try(&r), refused[i].result);
		check_eq(refused[i].name, r.g.count[GUEST_ON_MESSAGE], 1);
		rv_close(&r);
	}
}

static void test_get_config(void **state)
{
	struct viommu_riscv_config config = { .size = sizeof(config) };

	(void)state;
	rv_open(&r, GUEST_REGION, 1, 0);
	assert_int_equal(viommu_riscv_get_config(r.g.iommu, &config), VIOMMU_OK);
	assert_int_equal(config.capabilities, viommu_riscv_default_capabilities());
	assert_int_equal(config.vectors, 16);
	assert_null(config.host);
	assert_int_equal(viommu_riscv_get_config(NULL, &config), VIOMMU_EINVAL);
	assert_string_equal(viommu_get_engine(r.g.iommu), "riscv");
	assert_int_equal(viommu_get_register_bytes(r.g.iommu), 4096);
	rv_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset_values), cmocka_unit_test(test_writable_bits),
		cmocka_unit_test(test_halves),	     cmocka_unit_test(test_undefined),
		cmocka_unit_test(test_holes),	     cmocka_unit_test(test_ddtp),
		cmocka_unit_test(test_fctl),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_get_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
