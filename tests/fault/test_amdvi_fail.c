/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_amdvi_fail.c - AMD-Vi on memory that fails at the nth access, for every n, and on memory that answers otherwise
 * when it is asked again (obligation 1; device table entries are excepted: they are read until two readings agree).
 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "amdvi_rig.h"

#define ID     0x10U
#define PASID  5U
#define DOMAIN 7U
#define IOVA   UINT64_C(0x1000)
#define LEVELS 4U
#define OK     VIOMMU_OK
#define WORDS  (256 * 512)

static struct amdvi_rig r;
static struct viommu_device *device;
static uint64_t page, root, gcr3, host, host_end, table, vapic;

enum tables { V1, V2, NESTED };

static void open_rig(enum tables tables)
{
	ar_open(&r, &(struct amdvi_rig_config){ .memory = GUEST_CALLBACKS,
						.efr = AR_EFR_ALL,
						.control = AMD_CTRL_GT_EN | AMD_CTRL_GA_EN |
							   AMD_CTRL_HAD_UPDATE | UINT64_C(1) << 25 |
							   AMD_CTRL_GA_LOG_EN });
	page = guest_alloc(&r.g, 1);
	table = guest_alloc(&r.g, 1);
	vapic = guest_alloc(&r.g, 1);
	gcr3 = guest_table(&r.g);
	root = guest_table(&r.g);
	guest_put64(&r.g, gcr3 + PASID * 8, root | 1);
	guest_fs_map(&r.g, root, LEVELS, IOVA, page, 12, GUEST_FS);
	guest_put64(&r.g, table + 16, 1 | 0x12 << 8);
	guest_put64(&r.g, table + 24, 0x31);
	guest_put64(&r.g, table + 32, 0x85); /* guest form, GALogIntr */
	guest_put64(&r.g, table + 40, vapic | 0x45);
	host = r.g.used;
	if (tables != V2) {
		uint64_t top = guest_table(&r.g);

		for (uint64_t gpa = GUEST_BASE; gpa < GUEST_BASE + 256 * GUEST_PAGE;
		     gpa += GUEST_PAGE)
			ar_map(&r, top, LEVELS, gpa, gpa, 1, AR_RW);
		ar_map(&r, top, LEVELS, IOVA, page, 1, AR_RW);
	}
	host_end = r.g.used;
	ar_dte(&r, ID,
	       (tables == V2 ? AR_VALID : AR_V1(host, LEVELS) | AMD_DTE_HAD) |
		       (tables == V1 ? 0 : AR_GCR3_0(gcr3)),
	       (tables == V1 ? 0 : AR_GCR3_1(gcr3)) | DOMAIN | AMD_DTE_I,
	       1 | 9 << 1 | table | UINT64_C(2) << 60);
	device = guest_device(&r.g, ID);
	memset(r.g.count, 0, sizeof(r.g.count));
}

/* ---- operations ---- */

static int dma(void)
{
	struct guest_dma d = guest_dma(device, IOVA + 8, VIOMMU_WRITE);

	return d.result == OK && d.f.gpa != page + 8 ? -1 : d.result;
}

static int dma_pasid(void)
{
	struct guest_dma d = guest_dma_pasid(device, PASID, IOVA + 8, VIOMMU_WRITE);

	return d.result == OK && d.f.gpa != page + 8 ? -1 : d.result;
}

static int send(uint32_t index)
{
	struct viommu_msi msi;

	return viommu_remap_msi(r.g.iommu, ID, 0xfee00000, index, 0, &msi);
}

static int remapped(void)
{
	return send(1);
}

static int to_vapic(void)
{
	memset(guest_at(&r.g, vapic + 0x220), 0, 4);
	return send(2);
}

static const struct {
	const char *name;
	enum tables tables;
	int (*run)(void);
} operations[] = {
	{ "v1", V1, dma },
	{ "v2", V2, dma_pasid },
	{ "nested", NESTED, dma_pasid },
	{ "a request without PASID", NESTED, dma },
	{ "remapped", V1, remapped },
	{ "virtual APIC", V1, to_vapic },
};

/* The nth access fails: refused, with an event of a hardware error. Then memory works, and so does the request. */
static void test_fail_nth(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		bool reached = true;

		for (unsigned n = 1; reached; n++) {
			struct ar_event event;
			int result;

			open_rig(operations[i].tables);
			r.g.fail_in = n;
			result = operations[i].run();
			reached = r.g.failures != 0;
			r.g.fail_in = 0;
			if (reached && result != OK) {
				check_eq(operations[i].name, result, VIOMMU_FAULT);
				check_that(operations[i].name, ar_event(&r, &event));
				check_that(operations[i].name,
					   event.w[0] >> 60 == 3 || event.w[0] >> 60 == 4);
				check_that(operations[i].name, !ar_event(&r, &event));
			} else { /* not reached, or the log of guest interrupts could not be written */
				check_eq(operations[i].name, result, OK);
				check_that(operations[i].name,
					   !reached || (ar_read(&r, AMD_STATUS, 8) &
							AMD_ST_GA_OVERFLOW));
			}
			check_eq(operations[i].name, operations[i].run(), OK);
			check_that(operations[i].name, n < 200);
			ar_close(&r);
		}
		check_that(operations[i].name, !reached);
	}
}

/* Commands: one that cannot be read, or whose store fails, stops the buffer; when memory works, it goes on. */
static void test_fail_commands(void **state)
{
	bool reached = true;

	(void)state;
	for (unsigned n = 1; reached; n++) {
		open_rig(V1);
		ar_command(&r, AR_PAGES(DOMAIN), AR_ALL);
		ar_command(&r, AR_DEVTAB(ID), 0);
		ar_submit_wait(&r);
		r.g.fail_in = n;
		ar_kick(&r);
		reached = r.g.failures != 0;
		r.g.fail_in = 0;
		assert_int_equal(ar_waited(&r), !reached);
		assert_int_equal(ar_take_events(&r), reached);
		if (reached) {
			ar_write(&r, AMD_CONTROL, 8, r.control & ~AMD_CTRL_CMD_BUF_EN);
			ar_write(&r, AMD_CONTROL, 8, r.control);
		}
		assert_true(ar_waited(&r));
		ar_close(&r);
	}
}

/* ---- read once ---- */

static bool seen[WORDS];
static unsigned again;

/* Words that the operation under way has read already read as their complement. */
static void alter(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	(void)opaque;
	/* device table entries; each walk of the host tables below guest tables reads its entries; the virtual APIC page
	 * is no table but a variable that is updated in place */
	if (gpa / GUEST_PAGE == r.table / GUEST_PAGE || (gpa >= host && gpa < host_end) ||
	    gpa / GUEST_PAGE == vapic / GUEST_PAGE)
		return;
	for (uint32_t at = 0; at + 8 <= count; at += 8) {
		uint64_t word = (gpa + at - GUEST_BASE) / 8;
		uint64_t value;

		assert_true(word < WORDS);
		if (seen[word]) {
			again++;
			memcpy(&value, (char *)bytes + at, sizeof(value));
			value = ~value;
			memcpy((char *)bytes + at, &value, sizeof(value));
		}
		seen[word] = true;
	}
}

static void test_read_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		open_rig(operations[i].tables);
		memset(seen, 0, sizeof(seen));
		again = 0;
		r.g.alter = alter;
		check_eq(operations[i].name, operations[i].run(), OK);
		r.g.alter = NULL;
		check_eq(operations[i].name, again, 0);
		ar_close(&r);
	}
	/* a command that is legal when it is read */
	open_rig(V1);
	memset(seen, 0, sizeof(seen));
	again = 0;
	for (unsigned i = 0; i < 10; i++)
		ar_command(&r, AR_PAGES(DOMAIN), AR_ALL);
	ar_submit_wait(&r);
	r.g.alter = alter;
	ar_kick(&r);
	r.g.alter = NULL;
	assert_true(ar_waited(&r));
	assert_int_equal(again, 0);
	ar_close(&r);
}

/* ---- the entry of a device, written in two halves while it is read ---- */

static unsigned dte_reads;
static unsigned settles_after;

/* What is read changes a few times, and then stays. */
static void change_dte(void *opaque, uint64_t gpa, void *bytes, uint32_t count)
{
	uint64_t word;

	(void)opaque;
	if (gpa / 32 != ar_dte_at(&r, ID) / 32 || count < 16)
		return;
	if (gpa % 32 == 0)
		dte_reads++;
	if (dte_reads > settles_after || gpa % 32)
		return;
	memcpy(&word, bytes, sizeof(word));
	word ^= (uint64_t)dte_reads << 12; /* another root each time */
	memcpy(bytes, &word, sizeof(word));
}

/* 2.2.2: read until two readings agree, at most three times, and the last one counts. */
static void test_snapshot(void **state)
{
	static const unsigned reads[] = { 2, 3, 3, 3 };

	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		open_rig(V1);
		dte_reads = 0;
		settles_after = n;
		r.g.alter = change_dte;
		guest_dma(device, IOVA, VIOMMU_READ);
		r.g.alter = NULL;
		assert_int_equal(dte_reads, reads[n]);
		if (n < 3)
			assert_int_equal(guest_dma(device, IOVA, VIOMMU_READ).f.gpa, page);
		ar_close(&r);
	}
}

/* ---- allocations ---- */

static void test_no_memory(void **state)
{
	struct guest g;
	unsigned n = 0;
	int result;

	(void)state;
	do {
		struct viommu_amdvi_config config = { .size = sizeof(config) };
		uint64_t blocks;

		guest_init(&g, GUEST_REGION, 4);
		blocks = g.blocks;
		g.no_memory_in = ++n;
		result = viommu_amdvi_new(g.vm, &config, &g.iommu);
		g.no_memory_in = 0;
		if (result) {
			assert_int_equal(result, VIOMMU_ENOMEM);
			assert_int_equal(g.blocks, blocks);
			g.iommu = NULL;
		}
		guest_fini(&g);
	} while (result);
	assert_true(n > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail_nth),  cmocka_unit_test(test_fail_commands),
		cmocka_unit_test(test_read_once), cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
