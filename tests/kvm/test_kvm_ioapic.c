/* SPDX-License-Identifier: BSD-3-Clause */
/* test_kvm_ioapic.c - lines of an I/O APIC in user space, delivered by a real KVM with the split irqchip. */
#include "kvm_rig.h"

#define PIN    11U
#define INDEX  3U
#define VECTOR 0x61U

/* 82093AA 3.1, 3.2.4; the EOI register is version 0x20's */
#define IOREGSEL   0x00U
#define IOWIN	   0x10U
#define IOEOI	   0x40U
#define RTE_MASK   UINT64_C(0x10000)
#define RTE_LEVEL  UINT64_C(0x8000)
#define RTE_IRR	   UINT64_C(0x4000)
#define RTE_FORMAT (UINT64_C(1) << 48) /* VT-d 5.1.5 */

static void write_half(struct rig *r, uint32_t index, uint32_t value)
{
	assert_int_equal(viommu_ioapic_write(r->ioapic, IOREGSEL, 4, index), VIOMMU_OK);
	assert_int_equal(viommu_ioapic_write(r->ioapic, IOWIN, 4, value), VIOMMU_OK);
}

static void write_entry(struct rig *r, uint64_t entry)
{
	write_half(r, 0x11 + 2 * PIN, (uint32_t)(entry >> 32));
	write_half(r, 0x10 + 2 * PIN, (uint32_t)entry);
}

static bool remote_irr(struct rig *r)
{
	uint64_t low;

	viommu_ioapic_write(r->ioapic, IOREGSEL, 4, 0x10 + 2 * PIN);
	assert_int_equal(viommu_ioapic_read(r->ioapic, IOWIN, 4, &low), VIOMMU_OK);
	return low & RTE_IRR;
}

static void line(struct rig *r, uint32_t level)
{
	assert_int_equal(viommu_ioapic_set_line(r->ioapic, PIN, level), VIOMMU_OK);
}

static uint64_t remappable(unsigned index, uint8_t vector)
{
	return (uint64_t)index << 49 | RTE_FORMAT | vector;
}

/* A table entry that only the I/O APIC may use, and the pin that uses it. */
static void program(struct rig *r, unsigned cpu, bool level)
{
	const struct rig_entry e = { .destination = rig_apic(r, cpu),
				     .vector = VECTOR,
				     .level = level,
				     .svt = 1,
				     .sid = RIG_IOAPIC };

	rig_put(r, INDEX, &e);
	rig_invalidate(r, INDEX, 0);
	write_entry(r, remappable(INDEX, VECTOR) | (level ? RTE_LEVEL : 0));
	rig_forget(r);
}

static void eoi(struct rig *r, unsigned vector)
{
	assert_int_equal(viommu_ioapic_eoi(r->ioapic, vector), VIOMMU_OK);
}

static void test_level(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	program(&r, RIG_CPU_1, true);
	line(&r, 1);
	assert_int_equal(r.taken, 1);
	assert_true(rig_is_level(&r, RIG_CPU_1, VECTOR));
	rig_expect(&r, "asserted", RIG_CPU_1, VECTOR);
	assert_true(remote_irr(&r));

	line(&r, 1);
	line(&r, 0);
	line(&r, 1);
	rig_expect_nothing(&r, "not again while remote IRR is set");
	eoi(&r, VECTOR + 1);
	rig_expect_nothing(&r, "not by the EOI of another vector");
	assert_int_equal(r.sent, 1);
	assert_int_equal(r.acknowledged, 0);

	eoi(&r, VECTOR);
	rig_expect(&r, "EOI, still asserted", RIG_CPU_1, VECTOR);
	assert_true(remote_irr(&r));
	assert_int_equal(viommu_ioapic_write(r.ioapic, IOEOI, 4, VECTOR), VIOMMU_OK);
	rig_expect(&r, "EOI register, still asserted", RIG_CPU_1, VECTOR);

	line(&r, 0);
	eoi(&r, VECTOR);
	rig_expect_nothing(&r, "EOI, no longer asserted");
	assert_false(remote_irr(&r));
	assert_int_equal(r.sent, 3);
	assert_int_equal(r.acknowledged, 3);
	rig_close(&r);
}

static void test_level_masked(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	program(&r, RIG_CPU_X2, true);
	write_entry(&r, remappable(INDEX, VECTOR) | RTE_LEVEL | RTE_MASK);
	line(&r, 1);
	rig_expect_nothing(&r, "masked");
	write_entry(&r, remappable(INDEX, VECTOR) | RTE_LEVEL);
	rig_expect(&r, "unmasked while asserted", RIG_CPU_X2, VECTOR);
	/* Obligation 36: KVM reports an EOI only while a level-triggered route has its vector. */
	write_entry(&r, remappable(INDEX, VECTOR) | RTE_LEVEL | RTE_MASK);
	assert_true(remote_irr(&r));
	assert_true(r.kernel.place[PIN]);
	eoi(&r, VECTOR);
	rig_expect_nothing(&r, "acknowledged while masked");
	assert_false(remote_irr(&r));
	rig_remove(&r, INDEX);
	assert_false(r.kernel.place[PIN]);
	rig_close(&r);
}

static void test_edge(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	program(&r, RIG_CPU_X2, false);
	for (unsigned i = 0; i < 3; i++) {
		line(&r, 1);
		assert_false(rig_is_level(&r, RIG_CPU_X2, VECTOR));
		rig_expect(&r, "rising edge", RIG_CPU_X2, VECTOR);
		assert_false(remote_irr(&r));
		line(&r, 1);
		line(&r, 0);
		rig_expect_nothing(&r, "no rising edge");
	}
	assert_int_equal(r.sent, 3);
	rig_close(&r);
}

/* The table entry moves under the pin: its line follows, and so does the pin's GSI. */
static void test_rewrite(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, PIN);
	program(&r, RIG_CPU_1, false);
	rig_raise_expect(&r, "the pin's GSI", PIN, RIG_CPU_1, VECTOR);

	rig_forget(&r);
	rig_redirect(&r, INDEX, RIG_CPU_X2, 0x62);
	assert_int_equal(r.changed, 1);
	assert_int_equal(r.changes, 1);
	assert_int_equal(r.late, 0);
	rig_raise_expect(&r, "the pin's GSI", PIN, RIG_CPU_X2, 0x62);
	line(&r, 1);
	rig_expect(&r, "its line", RIG_CPU_X2, 0x62);
	line(&r, 0);

	rig_remove(&r, INDEX);
	line(&r, 1);
	rig_raise_expect_nothing(&r, "P=0: neither", PIN);
	rig_close(&r);
}

/* A masked pin takes no slot; the eventfd on its GSI raises nothing. */
static void test_masked_gsi(void **state)
{
	static struct rig r;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, PIN);
	rig_raise_expect_nothing(&r, "power-on", PIN);
	program(&r, RIG_CPU_0, false);
	assert_int_not_equal(r.kernel.place[PIN], 0);
	write_entry(&r, remappable(INDEX, VECTOR) | RTE_MASK);
	assert_int_equal(r.kernel.place[PIN], 0);
	rig_raise_expect_nothing(&r, "masked", PIN);
	write_entry(&r, remappable(INDEX, VECTOR));
	rig_raise_expect(&r, "unmasked", PIN, RIG_CPU_0, VECTOR);
	rig_close(&r);
}

/* Obligation 22: the I/O APIC's messages are verified as any other's, also those of its routes. */
static void test_source(void **state)
{
	static struct rig r;
	struct rig_entry e = { .destination = 1, .vector = VECTOR, .svt = 1, .sid = RIG_NIC };
	struct guest_fault fault;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, PIN);
	program(&r, RIG_CPU_1, false);
	rig_put(&r, INDEX, &e);
	rig_invalidate(&r, INDEX, 0);
	rig_raise_expect_nothing(&r, "entry of the NIC, by GSI", PIN);
	assert_false(guest_take_fault(&r.g, &fault));

	line(&r, 1);
	rig_expect_nothing(&r, "entry of the NIC, by line");
	assert_int_equal(r.sent, 0);
	assert_true(guest_take_fault(&r.g, &fault));
	assert_int_equal(fault.sid, RIG_IOAPIC);
	assert_int_equal(fault.reason, VTD_FR_IR_SID);
	assert_int_equal(bits_get(fault.info, VTD_FRCD_FI_INDEX), INDEX);
	rig_close(&r);
}

/* 5.1.4: entries in compatibility format are blocked while remapping is on, and pass when off. */
static void test_compatibility(void **state)
{
	static struct rig r;
	struct guest_fault fault;

	rig_open(&r, 0, RIG_S_256, true);
	rig_bind(&r, PIN);
	write_entry(&r, UINT64_C(1) << 56 | VECTOR);
	line(&r, 1);
	rig_raise_expect_nothing(&r, "IRE=1", PIN);
	assert_true(guest_take_fault(&r.g, &fault));
	assert_int_equal(fault.reason, VTD_FR_IR_COMPATIBILITY);
	assert_int_equal(fault.sid, RIG_IOAPIC);
	line(&r, 0);

	guest_command(&r.g, VTD_G_IRE, false);
	rig_raise_expect(&r, "IRE=0, by GSI", PIN, RIG_CPU_1, VECTOR);
	line(&r, 1);
	rig_expect(&r, "IRE=0, by line", RIG_CPU_1, VECTOR);
	rig_close(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_level),	      cmocka_unit_test(test_level_masked),
		cmocka_unit_test(test_edge),	      cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_masked_gsi),    cmocka_unit_test(test_source),
		cmocka_unit_test(test_compatibility),
	};

	return rig_main("kvm I/O APIC", tests, sizeof(tests) / sizeof(tests[0]));
}
