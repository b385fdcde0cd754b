/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_vtd_regs.c - one body over every register of every configuration: reset value, what can be
 * written, halves, pairs, sizes and alignments that are not defined, and the holes in between.
 */

#include "trace.h"
#include "vtd_register_rows.h"

#define SPACE_MAX UINT32_C(0x6000)

static struct register_row rows[REGISTER_ROWS_MAX];
static size_t row_count;

/* A unit of configuration n in its power-on state, and its rows. */
static void open_unit(struct guest *g, size_t n)
{
	const struct register_config *c = &register_configs[n];
	struct viommu_vtd_config config = {
		.size = sizeof(config), .cap = c->cap, .ecap = c->ecap, .version = c->version
	};

	guest_init(g, GUEST_REGION, 1);
	row_name = c->name;
	row_equal(guest_try_vtd_config(g, &config), VIOMMU_OK);
	row_count = register_rows(c->cap ? c->cap : viommu_vtd_default_cap(),
				  c->cap ? c->ecap : viommu_vtd_default_ecap(),
				  c->version ? c->version : 0x10, rows);
	assert_true(row_count <= REGISTER_ROWS_MAX);
}

static uint64_t get(struct guest *g, uint64_t offset, uint32_t bytes)
{
	uint64_t value = UINT64_MAX;

	row_equal(viommu_reg_read(g->iommu, offset, bytes, &value), VIOMMU_OK);
	return value;
}

static void put(struct guest *g, uint64_t offset, uint32_t bytes, uint64_t value)
{
	row_equal(viommu_reg_write(g->iommu, offset, bytes, value), VIOMMU_OK);
}

static uint64_t all(const struct register_row *r)
{
	return r->bytes == 8 ? UINT64_MAX : UINT32_MAX;
}

/* What a register reads after `written` went to the bits of `mask`. */
static void expect(struct guest *g, const struct register_row *r, uint64_t written)
{
	uint64_t wanted = (r->reset & ~r->rw) | (written & r->rw);

	row_name = r->name;
	row_equal(get(g, r->offset, r->bytes) & ~r->ignore, wanted & ~r->ignore);
}

/* For each row of each configuration, on a fresh unit per configuration. */
static void for_each_row(void (*body)(struct guest *, const struct register_row *))
{
	for (size_t n = 0; n < register_config_count; n++) {
		struct guest g;

		open_unit(&g, n);
		for (size_t i = 0; i < row_count; i++) {
			row_name = rows[i].name;
			body(&g, &rows[i]);
			put(&g, rows[i].offset, rows[i].bytes, rows[i].reset & ~rows[i].skip);
		}
		guest_fini(&g);
	}
}

static void check_reset(struct guest *g, const struct register_row *r)
{
	row_equal(get(g, r->offset, r->bytes) & ~r->ignore, r->reset & ~r->ignore);
	if (r->bytes == 4)
		return;
	row_equal(get(g, r->offset, 4) & ~r->ignore, r->reset & ~r->ignore & UINT32_MAX);
	row_equal(get(g, r->offset + 4, 4) & ~(r->ignore >> 32), (r->reset & ~r->ignore) >> 32);
}

static void test_reset_values(void **state)
{
	for_each_row(check_reset);
}

static void check_masks(struct guest *g, const struct register_row *r)
{
	uint64_t ones = all(r) & ~r->skip;

	put(g, r->offset, r->bytes, ones);
	expect(g, r, ones);
	put(g, r->offset, r->bytes, 0);
	expect(g, r, 0);
	for (unsigned bit = 0; bit < 8 * r->bytes; bit++) {
		if (r->skip >> bit & 1)
			continue;
		put(g, r->offset, r->bytes, BIT(bit));
		expect(g, r, BIT(bit));
	}
}

static void test_writable_bits(void **state)
{
	for_each_row(check_masks);
}

static void check_halves(struct guest *g, const struct register_row *r)
{
	const uint64_t low = UINT64_C(0x5a5a5a5aa5a5a5a5) & ~r->skip;

	if (r->bytes == 4)
		return;
	put(g, r->offset, 8, 0);
	put(g, r->offset, 4, low & UINT32_MAX);
	expect(g, r, low & UINT32_MAX);
	put(g, r->offset + 4, 4, low >> 32);
	expect(g, r, low);
	put(g, r->offset, 4, 0);
	expect(g, r, low & ~(uint64_t)UINT32_MAX);
	put(g, r->offset + 4, 4, 0);
	expect(g, r, 0);
	/* only the low 32 bits of the value of a 32-bit write count */
	put(g, r->offset, 4, ~r->skip << 32);
	expect(g, r, 0);
}

static void test_halves(void **state)
{
	for_each_row(check_halves);
}

/* 8 bytes over two 32-bit registers are both of them. */
static void check_pairs(struct guest *g, const struct register_row *r)
{
	const struct register_row *next = r + 1;

	if (r->bytes == 8 || r->offset % 8 || r == &rows[row_count - 1] ||
	    next->offset != r->offset + 4 || r->skip || next->skip)
		return;
	row_equal(get(g, r->offset, 8) & ~r->ignore & ~(next->ignore << 32),
		  r->reset | next->reset << 32);
	put(g, r->offset, 8, UINT64_MAX);
	expect(g, r, UINT32_MAX);
	expect(g, next, UINT32_MAX);
	put(g, r->offset, 8, r->reset | next->reset << 32);
	expect(g, r, r->reset);
	expect(g, next, next->reset);
}

static void test_pairs(void **state)
{
	for_each_row(check_pairs);
}

/* 11.2: accesses are aligned double- or quadwords; anything else reads as 0 and changes nothing. */
static void check_undefined(struct guest *g, const struct register_row *r)
{
	static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint64_t pattern = UINT64_C(0xffffffffffffffff) & all(r) & ~r->skip;

	put(g, r->offset, r->bytes, pattern);
	for (uint32_t at = r->offset; at < r->offset + r->bytes; at++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			uint32_t bytes = sizes[i];

			if ((bytes == 4 || bytes == 8) && at % bytes == 0)
				continue;
			row_equal(get(g, at, bytes), 0);
			put(g, at, bytes, 0);
			expect(g, r, pattern);
		}
	}
}

static void test_undefined_accesses(void **state)
{
	for_each_row(check_undefined);
}

/* ---- the space as a whole ---- */

static uint32_t before[SPACE_MAX / 4];

static bool has_row(uint32_t offset)
{
	for (size_t i = 0; i < row_count; i++) {
		if (offset >= rows[i].offset && offset < rows[i].offset + rows[i].bytes)
			return true;
	}
	return false;
}

/* Reserved space reads 0, ignores writes, and writing to it changes no register. */
static void test_reserved_space(void **state)
{
	for (size_t n = 0; n < register_config_count; n++) {
		struct guest g;

		open_unit(&g, n);
		for (uint32_t at = 0; at < SPACE_MAX; at += 4)
			before[at / 4] = (uint32_t)get(&g, at, 4);
		for (uint32_t at = 0; at < SPACE_MAX; at += 4) {
			if (has_row(at))
				continue;
			row_equal(before[at / 4], 0);
			put(&g, at, 4, UINT32_MAX);
			row_equal(get(&g, at, 4), 0);
		}
		for (uint32_t at = 0; at < SPACE_MAX; at += 4)
			row_equal(get(&g, at, 4), before[at / 4]);
		guest_fini(&g);
	}
}

/* Obligation 21: every offset and size, with every register left as it comes, does not crash. */
static void test_every_offset_and_size(void **state)
{
	static const uint64_t values[] = { UINT64_MAX, 0, UINT64_C(0xaaaaaaaaaaaaaaaa) };
	static const uint64_t far[] = { UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63,
					UINT64_C(1) << 32, (UINT64_C(1) << 32) + 0x18 };
	static const uint32_t sizes[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, UINT32_MAX };

	for (size_t n = 0; n < register_config_count; n++) {
		struct guest g;

		open_unit(&g, n);
		for (size_t v = 0; v < 3; v++) {
			for (uint64_t i = 0; i < 0x420 + 5; i++) {
				uint64_t at = i < 0x420 ? i : far[i - 0x420];

				for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
					uint64_t value = 0;

					viommu_reg_write(g.iommu, at, sizes[s], values[v]);
					viommu_reg_read(g.iommu, at, sizes[s], &value);
					if (i >= 0x420 || (sizes[s] != 4 && sizes[s] != 8))
						row_equal(value, 0);
				}
			}
		}
		row_equal(viommu_run(g.iommu) >= 0, true);
		guest_fini(&g);
	}
}

/* Every register comes back to its reset value, whatever was written before. */
static void test_reset_verb(void **state)
{
	for (size_t n = 0; n < register_config_count; n++) {
		struct guest g;

		open_unit(&g, n);
		for (uint32_t at = 0; at < 0x420; at += 4)
			viommu_reg_write(g.iommu, at, 4, UINT32_MAX);
		row_equal(viommu_reset(g.iommu), VIOMMU_OK);
		for (size_t i = 0; i < row_count; i++) {
			row_name = rows[i].name;
			check_reset(&g, &rows[i]);
		}
		guest_fini(&g);
	}
}

/* Misuse. */
static void test_arguments(void **state)
{
	struct guest g;
	uint64_t value = 7;

	open_unit(&g, 0);
	row_equal(viommu_reg_read(NULL, 0, 4, &value), VIOMMU_EINVAL);
	row_equal(viommu_reg_read(g.iommu, 0, 4, NULL), VIOMMU_EINVAL);
	row_equal(viommu_reg_write(NULL, 0, 4, 0), VIOMMU_EINVAL);
	row_equal(viommu_run(NULL), VIOMMU_EINVAL);
	row_equal(viommu_reset(NULL), VIOMMU_EINVAL);
	row_equal(value, 7);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset_values),
		cmocka_unit_test(test_writable_bits),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_undefined_accesses),
		cmocka_unit_test(test_reserved_space),
		cmocka_unit_test(test_every_offset_and_size),
		cmocka_unit_test(test_reset_verb),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
