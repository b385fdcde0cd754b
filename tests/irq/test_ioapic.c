/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ioapic.c - creation, window and registers of the I/O APIC; rows named by clause of the
 * 82093AA data sheet. */
#include <string.h>

#include "bits.h"
#include "ioapic_rig.h"

/* ---- creation ---- */

static const struct {
	const char *name;
	uint32_t size, flags, pins, version, source, id;
	int result;
} configs[] = {
	{ "defaults", sizeof(struct viommu_ioapic_config), 0, 0, 0, 0, 0, VIOMMU_OK },
	{ "an older caller", 24, 0, 24, 0x11, 0xffff, 15, VIOMMU_OK },
	{ "too short", 20, 0, 24, 0x11, 0, 0, VIOMMU_ESIZE },
	{ "too long", 1U << 20, 0, 24, 0x11, 0, 0, VIOMMU_ESIZE },
	{ "unknown flags", 24, 2, 24, 0x11, 0, 0, VIOMMU_EINVAL },
	{ "23 pins", 24, 0, 23, 0x20, 0, 0, VIOMMU_EINVAL },
	{ "1 pin", 24, 0, 1, 0x20, 0, 0, VIOMMU_EINVAL },
	{ "240 pins", 24, 0, 240, 0x20, 0, 0, VIOMMU_OK },
	{ "241 pins", 24, 0, 241, 0x20, 0, 0, VIOMMU_EINVAL },
	{ "2^32 - 1 pins", 24, 0, UINT32_MAX, 0x20, 0, 0, VIOMMU_EINVAL },
	{ "version 0x10", 24, 0, 24, 0x10, 0, 0, VIOMMU_EINVAL },
	{ "version 0x21", 24, 0, 24, 0x21, 0, 0, VIOMMU_EINVAL },
	{ "version 0x120", 24, 0, 24, 0x120, 0, 0, VIOMMU_EINVAL },
	{ "a source of 17 bits", 24, 0, 24, 0x20, 0x10000, 0, VIOMMU_EINVAL },
	{ "an id of 5 bits", 24, 0, 24, 0x20, 0, 16, VIOMMU_EINVAL },
};

static void test_new(void **state)
{
	struct viommu_ioapic_config config;
	struct guest g;

	(void)state;
	guest_init(&g, GUEST_REGION, 1);
	for (size_t i = 0; i < ARRAY_COUNT(configs); i++) {
		struct viommu_ioapic *a = NULL;

		config = (struct viommu_ioapic_config){ .size = configs[i].size,
							.flags = configs[i].flags,
							.pins = configs[i].pins,
							.version = configs[i].version,
							.source = configs[i].source,
							.id = configs[i].id };
		check_eq(configs[i].name, viommu_ioapic_new(g.vm, NULL, &config, &a),
			 configs[i].result);
		check_eq(configs[i].name, a != NULL, configs[i].result == VIOMMU_OK);
		viommu_ioapic_free(a);
	}
	guest_fini(&g);
}

static void test_arguments(void **state)
{
	struct viommu_ioapic_config config = { .size = sizeof(config) };
	struct viommu_ioapic_message message;
	struct viommu_ioapic *a;
	uint8_t buffer[1024];
	uint64_t value = 24;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 0, 0);
	assert_int_equal(viommu_ioapic_new(NULL, NULL, &config, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_new(r.g.vm, NULL, NULL, &a), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_new(r.g.vm, NULL, &config, NULL), VIOMMU_EINVAL);
	r.g.no_memory_in = 1;
	assert_int_equal(viommu_ioapic_new(r.g.vm, NULL, &config, &a), VIOMMU_ENOMEM);
	viommu_ioapic_free(NULL);
	assert_int_equal(viommu_ioapic_read(NULL, 0, 4, &value), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_read(r.a, 0, 4, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_read(r.a, 0, 0, &value), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_read(r.a, 0, 9, &value), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_write(NULL, 0, 4, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_write(r.a, 0, 0, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_write(r.a, 0, 9, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_set_line(NULL, 0, 1), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_set_line(r.a, 24, 1), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_set_line(r.a, UINT32_MAX, 1), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_set_line(r.a, 0, 2), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_eoi(NULL, 0), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_eoi(r.a, 256), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_get_message(NULL, 0, &message), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_get_message(r.a, 24, &message), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_get_message(r.a, 0, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_save(NULL, buffer, &value), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_save(r.a, NULL, &value), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_save(r.a, buffer, NULL), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_restore(NULL, buffer, 8), VIOMMU_EINVAL);
	assert_int_equal(viommu_ioapic_restore(r.a, NULL, 8), VIOMMU_EINVAL);
	rig_close(&r);
}

/* Callbacks may be left out. */
static void test_without_callbacks(void **state)
{
	struct viommu_ioapic_config config = { .size = sizeof(config) };
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 0, 0);
	viommu_ioapic_free(r.a);
	assert_int_equal(viommu_ioapic_new(r.g.vm, NULL, &config, &r.a), VIOMMU_OK);
	rig_set_entry(&r, 3, RTE_LEVEL | 0x33);
	rig_line(&r, 3, 1);
	assert_int_equal(rig_entry(&r, 3), RTE_LEVEL | RTE_IRR | 0x33);
	rig_eoi(&r, 0x33);
	assert_int_equal(rig_entry(&r, 3), RTE_LEVEL | RTE_IRR | 0x33);
	rig_close(&r);
}

/* ---- 3.1, 3.2: window and registers ---- */

static const struct {
	uint32_t pins, version;
} models[] = { { 24, 0x11 }, { 24, 0x20 }, { 120, 0x11 }, { 121, 0x20 }, { 240, 0x20 } };

static void test_registers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(models); i++) {
		uint32_t arbitration = models[i].version == 0x11;
		struct rig r;

		rig_open(&r, RIG_NONE, models[i].pins, models[i].version);
		check_eq("3.2.1 id", rig_read(&r, 0), 0x02000000);
		check_eq("3.2.2 version, last entry", rig_read(&r, 1),
			 models[i].version | (models[i].pins - 1) << 16);
		check_eq("3.2.3 arbitration", rig_read(&r, 2), arbitration * 0x02000000);
		rig_write(&r, 0, 0xffffffff);
		check_eq("3.2.1 four bits", rig_read(&r, 0), 0x0f000000);
		check_eq("3.2.3 loaded from the id", rig_read(&r, 2), arbitration * 0x0f000000);
		rig_write(&r, 2, 0);
		check_eq("3.2.3 read-only", rig_read(&r, 2), arbitration * 0x0f000000);
		rig_write(&r, 1, 0);
		check_eq("3.2.2 read-only", rig_read(&r, 1),
			 models[i].version | (models[i].pins - 1) << 16);
		rig_write(&r, 0, 0xf0ffffff);
		check_eq("3.2.1 reserved bits", rig_read(&r, 0), 0);
		for (uint32_t index = 3; index < 0x10; index++) {
			rig_write(&r, index, 0xffffffff);
			check_eq("3.2 reserved index", rig_read(&r, index), 0);
		}
		rig_expect(&r, "nothing is called", 0, 0, 0);
		rig_close(&r);
	}
}

/* Every index that there is: entries where there are pins, nothing behind them. */
static void test_every_index(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(models); i++) {
		uint32_t end = 0x10 + 2 * models[i].pins;
		uint32_t indices = models[i].pins > 120 ? 0x200 : 0x100;
		struct rig r;

		rig_open(&r, RIG_NONE, models[i].pins, models[i].version);
		for (uint32_t index = 0x10; index < indices; index++) {
			bool high = index & 1;

			check_eq("3.2.4 power-on: masked", rig_read(&r, index),
				 index < end && !high ? 0x10000 : 0);
			rig_write(&r, index, 0xffffffff);
			check_eq("3.2.4 writable bits", rig_read(&r, index),
				 index >= end ? 0
				 : high	      ? 0xffff0000
					      : 0x1afff);
			rig_write(&r, index, 0);
			check_eq("3.2.4 all zero", rig_read(&r, index), 0);
			rig_expect(&r, "changed", 0, index < end ? 2 : 0, 0);
		}
		rig_write(&r, indices, 0x05000000);
		check_eq("3.1.1 index bits beyond are reserved", rig_read(&r, 0), 0x05000000);
		rig_close(&r);
	}
}

static uint64_t low_bytes(uint64_t value, unsigned bytes)
{
	return bytes == 8 ? value : value & (((uint64_t)1 << 8 * bytes) - 1);
}

static void test_every_read(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x20);
	rig_set_entry(&r, 0x11, RTE_MASKED | RTE_LEVEL | RTE_MODE(5) | 0x71);
	rig_read(&r, 0x32);
	for (uint64_t offset = 0; offset < 0x1000; offset++) {
		for (unsigned bytes = 1; bytes <= 8; bytes++) {
			uint64_t value = ~UINT64_C(0);
			uint64_t expected = offset == 0x00 ? 0x32 : offset == 0x10 ? 0x18571 : 0;

			assert_int_equal(viommu_ioapic_read(r.a, offset, bytes, &value), VIOMMU_OK);
			check_eq("3.1 reads", value, low_bytes(expected, bytes));
		}
	}
	rig_close(&r);
}

/* Every offset and size: what does not write the index, a register or EOI changes nothing. */
static void every_write(struct rig *r, uint32_t version, uint64_t offset, unsigned bytes)
{
	uint8_t before[8192], after[8192];
	uint64_t size = rig_save(r->a, before);
	bool writes_index = offset == 0x00;
	bool writes_data = offset == 0x10 && bytes == 4;
	bool eoi = offset == 0x40 && bytes == 4 && version == 0x20;

	assert_int_equal(viommu_ioapic_write(r->a, offset, bytes, UINT64_C(0x7654321076543241)),
			 VIOMMU_OK);
	assert_int_equal(rig_save(r->a, after), size);
	check_eq("3.1 writes", memcmp(before, after, size) != 0,
		 writes_index || writes_data || eoi);
	rig_expect(r, "3.1 writes", 0, writes_data, eoi);
	if (writes_index) {
		uint64_t index;

		assert_int_equal(viommu_ioapic_read(r->a, 0, 8, &index), VIOMMU_OK);
		check_eq("3.1.1 eight bits", index, 0x41);
	}
	check_eq("the entry", rig_entry(r, 3), writes_data ? 0x2241 : RTE_MASKED);
	check_eq("EOI register", rig_entry(r, 1), RTE_LEVEL | 0x41 | (eoi ? 0 : RTE_IRR));
	assert_int_equal(viommu_ioapic_restore(r->a, before, size), VIOMMU_OK);
	rig_forget(r);
}

static void test_every_write(void **state)
{
	static const uint64_t far[] = { 0x110, 0x140, 0xfff, BIT(32), BIT(32) + 0x10 };
	static const uint32_t versions[] = { 0x11, 0x20 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
		struct rig r;

		rig_open(&r, RIG_NONE, 24, versions[i]);
		rig_set_entry(&r, 1, RTE_LEVEL | 0x41);
		rig_line(&r, 1, 1);
		rig_line(&r, 1, 0);
		rig_read(&r, 0x16);
		rig_forget(&r);
		for (unsigned bytes = 1; bytes <= 8; bytes++) {
			for (uint64_t offset = 0; offset < 0x80; offset++)
				every_write(&r, versions[i], offset, bytes);
			for (size_t n = 0; n < ARRAY_COUNT(far); n++)
				every_write(&r, versions[i], far[n], bytes);
		}
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_without_callbacks),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_every_index),
		cmocka_unit_test(test_every_read),
		cmocka_unit_test(test_every_write),
	};

	return cmocka_run_group_tests_name("ioapic", tests, NULL, NULL);
}
