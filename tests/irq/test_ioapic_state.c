/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ioapic_state.c - save and restore of the I/O APIC; states that are not believed. */
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "ioapic_rig.h"

/* lib/base/state.h and ioapic_state.c: header 16, "conf" 8 + 8, "regs" 8 + 8, "pins" 8 + 12 a pin,
 * "end." 8 + 8. */
#define AT_CONF		  24U
#define AT_REGS		  40U
#define AT_PIN(n)	  (56U + 12U * (n))
#define STATE_BYTES(pins) (AT_PIN(pins) + 16U)

#define V 0x61U

/* Everything that a state has: entries of all kinds, lines, index, id. */
static void fill(struct rig *r)
{
	rig_write(r, 0, 0x0b000000);
	for (uint32_t n = 0; n < r->pins; n++) {
		rig_set_entry(r, n,
			      (n & 1 ? RTE_LEVEL : 0) | (n & 2 ? RTE_LOW : 0) |
				      (n & 4 ? RTE_MASKED : 0) | RTE_DST(n) | (0x20 + n));
		rig_line(r, n, n % 3 == 0);
	}
	rig_read(r, 0x15);
	rig_forget(r);
}

static void test_round_trip(void **state)
{
	static const uint32_t pins[] = { 24, 120, 240 };
	uint8_t saved[8192], again[8192];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(pins); i++) {
		struct viommu_ioapic *first, *second;
		uint64_t bytes = 0;
		struct rig r;

		rig_open(&r, RIG_NONE, pins[i], 0x20);
		fill(&r);
		assert_int_equal(viommu_ioapic_save(r.a, NULL, &bytes), VIOMMU_ENOSPC);
		assert_int_equal(bytes, STATE_BYTES(pins[i]));
		bytes--;
		assert_int_equal(viommu_ioapic_save(r.a, saved, &bytes), VIOMMU_ENOSPC);
		assert_int_equal(bytes, STATE_BYTES(pins[i]));
		assert_int_equal(rig_save(r.a, saved), bytes);
		assert_int_equal(rig_try_new(&r, pins[i], 0x20, &second), VIOMMU_OK);
		first = r.a;
		r.a = second;
		assert_int_equal(viommu_ioapic_restore(second, saved, bytes), VIOMMU_OK);
		for (uint32_t n = 0; n < pins[i]; n++)
			check_eq("changed for every pin", r.pin[RIG_CHANGED][n], n);
		rig_expect(&r, "nothing is delivered", 0, pins[i], 0);
		assert_int_equal(rig_save(second, again), bytes);
		assert_memory_equal(saved, again, bytes);
		assert_int_equal(rig_read(&r, 0), 0x0b000000);
		viommu_ioapic_free(first);
		rig_close(&r);
	}
}

/* What was on its way goes on where it was. */
static void test_goes_on(void **state)
{
	uint8_t saved[8192];
	uint64_t bytes;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x11);
	rig_set_entry(&r, 0, RTE_LEVEL | V);
	rig_set_entry(&r, 1, V);
	rig_set_entry(&r, 2, RTE_MASKED | RTE_LEVEL | V);
	for (uint32_t n = 0; n < 3; n++)
		rig_line(&r, n, 1);
	bytes = rig_save(r.a, saved);
	viommu_ioapic_free(r.a);
	assert_int_equal(rig_try_new(&r, 24, 0x11, &r.a), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_restore(r.a, saved, bytes), VIOMMU_OK);
	rig_forget(&r);
	rig_line(&r, 0, 1);
	rig_line(&r, 1, 1);
	rig_line(&r, 2, 1);
	rig_expect(&r, "remote IRR, edge, mask", 0, 0, 0);
	rig_eoi(&r, V);
	rig_expect(&r, "acknowledged", 1, 0, 2);
	rig_write(&r, 0x14, RTE_LEVEL | V);
	rig_expect(&r, "unmasked", 1, 1, 0);
	rig_close(&r);
}

/* ---- states that are refused ---- */

static const struct {
	const char *name;
	uint32_t at;
	uint64_t value; /* 8 bytes from there, of which mask are replaced */
	uint64_t mask;
	int result;
} patches[] = {
	{ "nothing changed", AT_CONF, 0, 0, VIOMMU_OK },
	{ "magic", 0, 'w', 0xff, VIOMMU_ESTATE },
	{ "format version", 7, 2, 0xff, VIOMMU_ESTATE },
	{ "another engine", 8, 'v', 0xff, VIOMMU_ESTATE },
	{ "record name", AT_CONF - 8, 'C', 0xff, VIOMMU_ESTATE },
	{ "record length, one less", AT_CONF - 4, 7, UINT32_MAX, VIOMMU_ESTATE },
	{ "record length, far too much", AT_CONF - 4, UINT32_MAX, UINT32_MAX, VIOMMU_ESTATE },
	{ "pins", AT_CONF, 25, UINT32_MAX, VIOMMU_ESTATE },
	{ "version", AT_CONF + 4, 0x11, UINT32_MAX, VIOMMU_ESTATE },
	{ "index, last", AT_REGS, 0xff, UINT32_MAX, VIOMMU_OK },
	{ "index, 9 bits", AT_REGS, 0x100, UINT32_MAX, VIOMMU_ESTATE },
	{ "index, all bits", AT_REGS, UINT32_MAX, UINT32_MAX, VIOMMU_ESTATE },
	{ "id, last", AT_REGS + 4, 15, UINT32_MAX, VIOMMU_OK },
	{ "id, 5 bits", AT_REGS + 4, 16, UINT32_MAX, VIOMMU_ESTATE },
	{ "entry, all that can be", AT_PIN(3), BITS(63, 48) | 0x1ebff, UINT64_MAX, VIOMMU_OK },
	{ "entry, delivery status", AT_PIN(3), BIT(12), UINT64_MAX, VIOMMU_ESTATE },
	{ "entry, bit 17", AT_PIN(3), BIT(17), UINT64_MAX, VIOMMU_ESTATE },
	{ "entry, bit 31", AT_PIN(3), BIT(31), UINT64_MAX, VIOMMU_ESTATE },
	{ "entry, bit 32", AT_PIN(3), BIT(32), UINT64_MAX, VIOMMU_ESTATE },
	{ "entry, bit 47", AT_PIN(3), BIT(47), UINT64_MAX, VIOMMU_ESTATE },
	{ "entry, remote IRR of a level", AT_PIN(3), RTE_LEVEL | RTE_IRR, UINT64_MAX, VIOMMU_OK },
	{ "entry, remote IRR of an edge", AT_PIN(3), RTE_IRR, UINT64_MAX, VIOMMU_ESTATE },
	{ "entry, remote IRR of an NMI", AT_PIN(3), RTE_LEVEL | RTE_IRR | RTE_MODE(4), UINT64_MAX,
	  VIOMMU_ESTATE },
	{ "entry, last pin", AT_PIN(23), BIT(20), UINT64_MAX, VIOMMU_ESTATE },
	{ "line, never set", AT_PIN(3) + 8, 2, UINT32_MAX, VIOMMU_OK },
	{ "line, 3", AT_PIN(3) + 8, 3, UINT32_MAX, VIOMMU_ESTATE },
	{ "line, last pin", AT_PIN(23) + 8, 0x100, UINT32_MAX, VIOMMU_ESTATE },
};

static void patch(uint8_t *saved, uint32_t at, uint64_t value, uint64_t mask)
{
	uint64_t old;

	memcpy(&old, saved + at, sizeof(old));
	old = (old & ~mask) | (value & mask);
	memcpy(saved + at, &old, sizeof(old));
}

/* Refused whole: what there was before is there afterwards, and nothing is called. */
static void expect_restore(struct rig *r, const char *name, const uint8_t *from, uint64_t bytes,
			   int result)
{
	uint8_t before[8192], after[8192];
	uint64_t size = rig_save(r->a, before);
	uint8_t *exact = malloc(bytes ? bytes : 1);

	assert_non_null(exact);
	memcpy(exact, from, bytes);
	check_eq(name, viommu_ioapic_restore(r->a, exact, bytes), result);
	free(exact);
	assert_int_equal(rig_save(r->a, after), size);
	if (result)
		check_eq(name, memcmp(before, after, size), 0);
	else
		check_eq(name, memcmp(from, after, size), 0);
	rig_expect(r, name, 0, result ? 0 : 24, 0);
}

static void test_refused(void **state)
{
	uint8_t good[8192], bad[8192];
	uint64_t bytes;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x20);
	fill(&r);
	bytes = rig_save(r.a, good);
	for (size_t i = 0; i < ARRAY_COUNT(patches); i++) {
		memcpy(bad, good, bytes);
		patch(bad, patches[i].at, patches[i].value, patches[i].mask);
		rig_resum(bad, bytes);
		expect_restore(&r, patches[i].name, bad, bytes, patches[i].result);
		expect_restore(&r, "and back", good, bytes, VIOMMU_OK);
	}
	for (uint64_t length = 0; length < bytes; length++)
		expect_restore(&r, "cut off", good, length, VIOMMU_ESTATE);
	good[bytes] = 0;
	expect_restore(&r, "one byte more", good, bytes + 1, VIOMMU_ESTATE);
	for (uint64_t bit = 0; bit < bytes * 8; bit++) {
		memcpy(bad, good, bytes);
		bad[bit / 8] ^= (uint8_t)(1U << bit % 8);
		expect_restore(&r, "a bit turned round", bad, bytes, VIOMMU_ESTATE);
	}
	rig_close(&r);
}

/* Records that a later version adds are left alone; missing, repeated and longer ones are not. */
static void test_records(void **state)
{
	uint8_t good[8192], bad[8192];
	uint32_t end = AT_PIN(24);
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x20);
	rig_save(r.a, good);
	memcpy(bad, good, end);
	memcpy(bad + end, "more\4\0\0\0abcd", 12);
	memcpy(bad + end + 12, good + end, 16);
	rig_resum(bad, end + 28);
	assert_int_equal(viommu_ioapic_restore(r.a, bad, end + 28), VIOMMU_OK);
	memcpy(bad + end, "regs\4\0\0\0abcd", 12);
	rig_resum(bad, end + 28);
	assert_int_equal(viommu_ioapic_restore(r.a, bad, end + 28), VIOMMU_ESTATE);
	/* "pins" longer by 4 bytes */
	memcpy(bad, good, end);
	patch(bad, AT_PIN(0) - 4, 24 * 12 + 4, UINT32_MAX);
	memcpy(bad + end, "\0\0\0\0", 4);
	memcpy(bad + end + 4, good + end, 16);
	rig_resum(bad, end + 20);
	assert_int_equal(viommu_ioapic_restore(r.a, bad, end + 20), VIOMMU_ESTATE);
	/* no "pins" */
	memcpy(bad + AT_PIN(0) - 8, good + end, 16);
	rig_resum(bad, AT_PIN(0) + 8);
	assert_int_equal(viommu_ioapic_restore(r.a, bad, AT_PIN(0) + 8), VIOMMU_ESTATE);
	rig_close(&r);
}

/* One with more pins, fewer, or of the other version is another configuration. */
static void test_other_configuration(void **state)
{
	static const struct {
		uint32_t pins, version;
		int result;
	} others[] = { { 24, 0x20, VIOMMU_OK },
		       { 24, 0x11, VIOMMU_ESTATE },
		       { 25, 0x20, VIOMMU_ESTATE },
		       { 240, 0x20, VIOMMU_ESTATE } };
	uint8_t saved[8192];
	uint64_t bytes;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x20);
	bytes = rig_save(r.a, saved);
	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		struct viommu_ioapic *a;

		assert_int_equal(rig_try_new(&r, others[i].pins, others[i].version, &a), VIOMMU_OK);
		check_eq("configuration", viommu_ioapic_restore(a, saved, bytes), others[i].result);
		viommu_ioapic_free(a);
	}
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_other_configuration),
	};

	return cmocka_run_group_tests_name("ioapic_state", tests, NULL, NULL);
}
