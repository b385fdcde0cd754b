/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pt_joined.c - pages that several entries make, alike but for accessed and dirty: RISC-V's Svnapot. (Arm's, whose
 * entries have addresses of their own, are in test_pt_arm64_rows.c.)
 */
#include "check.h"
#include "pt_riscv.h"
#include "pt_rig.h"

#include <string.h>

#include "bits.h"

static _Alignas(4096) struct pt_rig rig;

#define RW    (VIOMMU_READ | VIOMMU_WRITE)
#define PTE_A BIT(6)
#define PTE_D BIT(7)
/* V, R, W, U, and N: 64 KiB at 0x40000000 */
#define NAPOT (BIT(63) | (UINT64_C(0x40000) | 8) << 10 | 0x17)
#define IOVA  UINT64_C(0x30000)
#define GPA   UINT64_C(0x40000000)

/* Three levels, in pages 1, 2 and 3; the sixteen entries of the page are alike. */
static struct pt_config sv39(uint16_t flags)
{
	return (struct pt_config){ .root = 0x1000,
				   .top = 2,
				   .page_lg2 = 12,
				   .index_lg2 = 9,
				   .entry_lg2 = 3,
				   .in_bits = 39,
				   .out_bits = 56,
				   .flags = flags };
}

static uint64_t *entry(unsigned n)
{
	return &rig.word[3][(IOVA >> 12) + n];
}

static void map(uint64_t with)
{
	pt_rig_clear(&rig);
	memset(rig.word[1], 0, 3 * sizeof(rig.word[1]));
	rig.word[1][0] = UINT64_C(2) << 10 | 1;
	rig.word[2][0] = UINT64_C(3) << 10 | 1;
	for (unsigned n = 0; n < 16; n++)
		*entry(n) = NAPOT | with;
}

static struct pt_walk ask(const struct pt_config *c, unsigned n, bool write)
{
	return (struct pt_walk){ .vm = rig.vm,
				 .config = c,
				 .iova = IOVA + n * 4096 + 0x123,
				 .need = write ? VIOMMU_WRITE : VIOMMU_READ,
				 .dirty = write ? VIOMMU_WRITE : 0 };
}

/* Nothing is recorded: it is one page. */
static void one_page(void **state)
{
	const struct pt_config c = sv39(0);

	map(PTE_A | PTE_D);
	for (unsigned n = 0; n < 16; n++) {
		struct pt_walk w = ask(&c, n, true);

		assert_int_equal(pt_riscv_walk(&w), PT_OK);
		assert_int_equal(w.found.size_lg2, 16);
		assert_int_equal(w.found.iova, IOVA);
		assert_int_equal(w.found.gpa, GPA);
		assert_false(translation_is_piece(&w.found));
	}
}

/* Each entry records what was done to its own 4 KiB, so that is all that is known of the page; and it goes with all
 * of the page. */
static void own_page(void **state)
{
	const struct pt_config c = sv39(PT_RISCV_AD);

	map(0);
	for (unsigned n = 0; n < 16; n++) {
		struct pt_walk w = ask(&c, n, n % 2);

		for (unsigned other = 0; other < 16; other++)
			assert_int_equal(*entry(other) & (PTE_A | PTE_D), other >= n ? 0
									  : other % 2
										  ? PTE_A | PTE_D
										  : PTE_A);
		assert_int_equal(pt_riscv_walk(&w), PT_OK);
		assert_int_equal(w.found.size_lg2, 12);
		assert_int_equal(w.found.leaf_lg2, 16);
		assert_int_equal(w.found.iova, IOVA + n * 4096);
		assert_int_equal(w.found.gpa, GPA + n * 4096);
		assert_int_equal(!(w.found.perm & PERM_DIRTY), n % 2 == 0);
		assert_true(translation_is_piece(&w.found));
	}
}

static struct translation seen[32];
static unsigned pages;

static int see(void *opaque, const struct translation *t)
{
	seen[pages++] = *t;
	return pages == ARRAY_COUNT(seen);
}

/* Some entries are dirty: whoever shadows the page learns which. */
static void visited(void **state)
{
	for (unsigned ad = 0; ad < 2; ad++) {
		const struct pt_config c = sv39(ad ? PT_RISCV_AD : 0);
		struct pt_visit v = { .walk = { .vm = rig.vm, .config = &c },
				      .last = BIT(21) - 1,
				      .budget = 10000,
				      .page = see };

		map(PTE_A);
		for (unsigned n = 0; n < 16; n += 3)
			*entry(n) |= PTE_D;
		pages = 0;
		assert_int_equal(pt_riscv_visit(&v), PT_VISIT_DONE);
		assert_int_equal(pages, ad ? 16 : 1);
		for (unsigned n = 0; ad && n < 16; n++) {
			assert_int_equal(seen[n].iova, IOVA + n * 4096);
			assert_int_equal(seen[n].gpa, GPA + n * 4096);
			assert_int_equal(seen[n].size_lg2, 12);
			assert_int_equal(!(seen[n].perm & PERM_DIRTY), n % 3 != 0);
		}
	}
}

static int setup(void **state)
{
	pt_rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	pt_rig_fini(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_page),
		cmocka_unit_test(own_page),
		cmocka_unit_test(visited),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
