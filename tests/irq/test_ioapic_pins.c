/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ioapic_pins.c - edges, levels, masks, remote IRR and EOI of the I/O APIC; rows named by
 * clause of the 82093AA data sheet. */
#include <string.h>

#include "bits.h"
#include "ioapic_rig.h"

/* ---- 3.2.4: pins ---- */

enum op { END, LINE, RTE, DESTINATION, EOI, EOI_REGISTER };

/* What is done to the pin, and what comes of it. */
struct step {
	enum op op;
	uint32_t value;
	uint8_t delivered, changed, acknowledged;
	bool irr;
};

/* step(value, delivered, ..., remote IRR) */
#define HIGH(d, irr)	    LINE, 1, d, 0, 0, irr
#define LOW(d, irr)	    LINE, 0, d, 0, 0, irr
#define SET(v, d, c, irr)   RTE, (uint32_t)(v), d, c, 0, irr
#define DEST(v, d, c, irr)  DESTINATION, v, d, c, 0, irr
#define ACK(v, d, a, irr)   EOI, v, d, 0, a, irr
#define CLEAR(v, d, a, irr) EOI_REGISTER, v, d, 0, a, irr

#define V   0x61U
#define LV  (RTE_LEVEL | V)
#define MV  (RTE_MASKED | V)
#define MLV (RTE_MASKED | LV)

/* clang-format off */
static const struct script {
	const char *name;
	uint64_t entry;
	struct step step[10];
} scripts[] = {
	{ "3.2.4 bit 15 edge: once for each rise",
	  V, { { HIGH(1, 0) }, { HIGH(0, 0) }, { LOW(0, 0) }, { LOW(0, 0) },
	    { HIGH(1, 0) } } },
	{ "3.2.4 bit 13 edge, active low: once for each fall",
	  RTE_LOW | V, { { HIGH(0, 0) }, { LOW(1, 0) }, { LOW(0, 0) }, { HIGH(0, 0) },
	    { LOW(1, 0) } } },
	{ "3.2.4 bit 16: an edge at a masked pin is lost",
	  MV, { { HIGH(0, 0) }, { SET(V, 0, 1, 0) }, { HIGH(0, 0) }, { LOW(0, 0) },
	    { HIGH(1, 0) } } },
	{ "3.2.4 bit 16: masking does not take an edge back",
	  V, { { HIGH(1, 0) }, { SET(MV, 0, 1, 0) }, { LOW(0, 0) }, { HIGH(0, 0) } } },
	{ "writing an entry is no edge",
	  V, { { SET(RTE_LOW | V, 0, 0, 0) }, { SET(V, 0, 0, 0) },
	    { DEST(0, 0, 1, 0) } } },
	{ "an edge is not acknowledged",
	  V, { { HIGH(1, 0) }, { ACK(V, 0, 0, 0) }, { CLEAR(V, 0, 0, 0) } } },
	{ "3.2.4 bit 14 level: again when acknowledged while asserted",
	  LV, { { HIGH(1, 1) }, { HIGH(0, 1) }, { ACK(V, 1, 1, 1) }, { LOW(0, 1) },
	    { ACK(V, 0, 1, 0) } } },
	{ "3.2.4 bit 14 level: not again before it is acknowledged",
	  LV, { { HIGH(1, 1) }, { LOW(0, 1) }, { HIGH(0, 1) }, { LOW(0, 1) },
	    { ACK(V, 0, 1, 0) } } },
	{ "3.2.4 bit 13 level, active low",
	  MLV | RTE_LOW, { { HIGH(0, 0) }, { SET(LV | RTE_LOW, 0, 1, 0) }, { LOW(1, 1) },
	    { ACK(V, 1, 1, 1) }, { HIGH(0, 1) }, { ACK(V, 0, 1, 0) } } },
	{ "3.2.4 bit 13 level, active low: a low line is asserted",
	  MLV | RTE_LOW, { { LOW(0, 0) }, { SET(LV | RTE_LOW, 1, 1, 1) } } },
	{ "3.2.4 bit 13 level, active low: a line that was never set is not",
	  MLV | RTE_LOW, { { SET(LV | RTE_LOW, 0, 1, 0) }, { ACK(V, 0, 1, 0) },
	    { SET(LV, 0, 0, 0) }, { SET(LV | RTE_LOW, 0, 0, 0) }, { LOW(1, 1) } } },
	{ "3.2.4 bit 13 edge, active low: the first fall of a line that was never set",
	  RTE_LOW | V, { { LOW(1, 0) }, { LOW(0, 0) }, { HIGH(0, 0) }, { LOW(1, 0) } } },
	{ "3.2.4 bit 16 level: unmasked while asserted",
	  MLV, { { HIGH(0, 0) }, { SET(LV, 1, 1, 1) }, { SET(MLV, 0, 1, 1) },
	    { SET(LV, 0, 1, 1) } } },
	{ "3.2.4 bit 16 level: asserted and gone while masked",
	  MLV, { { HIGH(0, 0) }, { LOW(0, 0) }, { SET(LV, 0, 1, 0) } } },
	{ "3.2.4 bit 16 level: acknowledged while masked, sent when unmasked",
	  LV, { { HIGH(1, 1) }, { SET(MLV, 0, 1, 1) }, { ACK(V, 0, 1, 0) },
	    { SET(LV, 1, 1, 1) } } },
	{ "level: acknowledged though the kernel delivered it",
	  MLV, { { ACK(V, 0, 1, 0) }, { SET(LV, 0, 1, 0) }, { ACK(V, 0, 1, 0) },
	    { CLEAR(V, 0, 1, 0) } } },
	{ "3.2.4 bit 14: another vector",
	  LV, { { HIGH(1, 1) }, { ACK(V + 1, 0, 0, 1) }, { ACK(V ^ 0x80, 0, 0, 1) },
	    { ACK(0, 0, 0, 1) } } },
	{ "3.2.4 bit 14: the vector that the entry has now",
	  LV, { { HIGH(1, 1) }, { SET(LV + 1, 0, 1, 1) }, { ACK(V, 0, 0, 1) },
	    { ACK(V + 1, 1, 1, 1) } } },
	{ "EOI register",
	  LV, { { HIGH(1, 1) }, { CLEAR(V + 1, 0, 0, 1) }, { CLEAR(V, 1, 1, 1) },
	    { LOW(0, 1) }, { CLEAR(0xabcdef00 | V, 0, 1, 0) } } },
	{ "3.2.4 bit 14: cleared by a turn to edge",
	  LV, { { HIGH(1, 1) }, { SET(V, 0, 1, 0) }, { SET(LV, 1, 1, 1) },
	    { SET(V, 0, 1, 0) }, { LOW(0, 0) }, { SET(LV, 0, 1, 0) } } },
	{ "3.2.4 bit 14: cleared by a turn to edge while masked, as Linux does",
	  LV, { { HIGH(1, 1) }, { SET(MLV, 0, 1, 1) }, { SET(MV, 0, 1, 0) },
	    { SET(MLV, 0, 1, 0) }, { LOW(0, 0) }, { SET(LV, 0, 1, 0) },
	    { HIGH(1, 1) } } },
	{ "3.2.4 bits 14, 12: read-only",
	  LV, { { SET(LV | RTE_IRR | RTE_STATUS, 0, 0, 0) }, { HIGH(1, 1) },
	    { SET(LV, 0, 0, 1) }, { ACK(V, 1, 1, 1) } } },
	{ "3.2.4 bit 15: an asserted edge turned to level",
	  V, { { HIGH(1, 0) }, { SET(LV, 1, 1, 1) } } },
	{ "3.2.4 bit 15: an asserted level turned to edge is no edge",
	  MLV, { { HIGH(0, 0) }, { SET(V, 0, 1, 0) }, { LOW(0, 0) }, { HIGH(1, 0) } } },
	{ "3.2.4 bit 13: a level turned round",
	  LV, { { LOW(0, 0) }, { SET(LV | RTE_LOW, 1, 0, 1) }, { SET(LV, 0, 0, 1) }, { ACK(V, 0, 1, 0) },
	    { SET(LV | RTE_LOW, 1, 0, 1) } } },
	{ "3.2.4 bits 63:56: another destination",
	  LV, { { HIGH(1, 1) }, { DEST(0xff000000, 0, 1, 1) },
	    { DEST(0xff000000, 0, 0, 1) }, { DEST(0xff00ffff, 0, 0, 1) } } },
	{ "3.2.4 bits 10:8: NMI is an edge, programmed as level",
	  LV | RTE_MODE(4), { { HIGH(1, 0) }, { HIGH(0, 0) }, { ACK(V, 0, 0, 0) },
	    { LOW(0, 0) }, { HIGH(1, 0) } } },
	{ "3.2.4 bits 10:8: INIT is an edge, programmed as level",
	  LV | RTE_MODE(5), { { HIGH(1, 0) }, { HIGH(0, 0) }, { ACK(V, 0, 0, 0) },
	    { LOW(0, 0) }, { HIGH(1, 0) } } },
	{ "3.2.4 bits 10:8: level turned to NMI loses remote IRR",
	  LV, { { HIGH(1, 1) }, { SET(LV | RTE_MODE(4), 0, 1, 0) },
	    { SET(LV, 1, 1, 1) } } },
	{ "3.2.4 bits 10:8: lowest priority is level",
	  LV | RTE_MODE(1), { { HIGH(1, 1) }, { ACK(V, 1, 1, 1) } } },
	{ "3.2.4 bits 10:8: SMI and ExtINT, edges",
	  V | RTE_MODE(2), { { HIGH(1, 0) }, { SET(V | RTE_MODE(7), 0, 1, 0) },
	    { LOW(0, 0) }, { HIGH(1, 0) } } },
};
/* clang-format on */

static void do_step(struct rig *r, uint32_t pin, const struct step *step)
{
	switch (step->op) {
	case END:
		break;
	case LINE:
		rig_line(r, pin, step->value);
		break;
	case RTE:
		rig_write(r, 0x10 + 2 * pin, step->value);
		break;
	case DESTINATION:
		rig_write(r, 0x11 + 2 * pin, step->value);
		break;
	case EOI:
		rig_eoi(r, step->value);
		break;
	case EOI_REGISTER:
		assert_int_equal(viommu_ioapic_write(r->a, 0x40, 4, step->value), VIOMMU_OK);
		break;
	}
}

static bool has(const struct script *script, enum op op)
{
	for (size_t i = 0; i < ARRAY_COUNT(script->step); i++) {
		if (script->step[i].op == op)
			return true;
	}
	return false;
}

/* @high: upper half of the entry */
static void run_script(struct rig *r, uint32_t pin, const struct script *script, uint64_t high)
{
	rig_set_entry(r, pin, script->entry | high);
	rig_forget(r);
	for (size_t i = 0; i < ARRAY_COUNT(script->step); i++) {
		const struct step *step = &script->step[i];
		uint64_t entry;

		if (step->op == END)
			break;
		do_step(r, pin, step);
		for (unsigned n = 0; n < r->count[RIG_DELIVER]; n++)
			check_eq(script->name, r->pin[RIG_DELIVER][n], pin);
		rig_expect(r, script->name, step->delivered, step->changed, step->acknowledged);
		entry = rig_entry(r, pin);
		check_eq(script->name, (entry & RTE_IRR) != 0, step->irr);
		check_eq(script->name, entry & RTE_STATUS, 0);
	}
}

static void test_scripts(void **state)
{
	static const uint32_t pins[] = { 0, 9, 23 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(scripts); i++) {
		for (unsigned n = 0; n < ARRAY_COUNT(pins) + 1; n++) {
			bool wide = n == ARRAY_COUNT(pins);
			bool old = n == 1 && !has(&scripts[i], EOI_REGISTER);
			struct rig r;

			rig_open(&r, n & 1 ? RIG_VTD : RIG_NONE, wide ? 240 : 24,
				 old ? 0x11 : 0x20);
			run_script(&r, wide ? 239 : pins[n], &scripts[i], RTE_DST(3));
			rig_close(&r);
		}
	}
}

/* The same through a remapping table; delivery modes other than 0 are reserved in such entries. */
static void test_scripts_remapped(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(scripts); i++) {
		uint64_t table;
		struct rig r;

		if ((scripts[i].entry & RTE_MODE(7)) || has(&scripts[i], DESTINATION))
			continue;
		rig_open(&r, RIG_VTD, 24, 0x20);
		table = guest_interrupts_on(&r.g, 7, false);
		guest_put64(&r.g, table + 0x55 * 16, bits_put(VTD_IRTE_V, V) | VTD_IRTE_P);
		run_script(&r, 4, &scripts[i], RTE_REMAP(0x55));
		rig_close(&r);
	}
}

/* ---- EOI broadcasts ---- */

/* Each vector acknowledges the level pins that have it, and no others. */
static void test_broadcast(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 240, 0x20);
	for (uint32_t n = 0; n < 240; n++) {
		rig_set_entry(&r, n, (n % 3 ? RTE_LEVEL : 0) | (0x10 + n / 2));
		rig_line(&r, n, 1);
	}
	rig_forget(&r);
	for (uint32_t vector = 0; vector < 256; vector++) {
		unsigned expected = 0;

		if (vector & 1)
			rig_eoi(&r, vector);
		else
			assert_int_equal(viommu_ioapic_write(r.a, 0x40, 4, vector), VIOMMU_OK);
		for (uint32_t n = 0; n < 240; n++) {
			if (n % 3 == 0 || 0x10 + n / 2 != vector)
				continue;
			check_eq("EOI", r.pin[RIG_ACKNOWLEDGED][expected], n);
			check_eq("EOI", r.pin[RIG_DELIVER][expected], n);
			check_eq("EOI", r.msi[expected].vector, vector);
			expected++;
		}
		rig_expect(&r, "EOI", expected, 0, expected);
	}
	rig_close(&r);
}

/* All pins on one vector: one message each, every one acknowledged before it is sent again. */
static void test_broadcast_to_all(void **state)
{
	char expected[2 * 24 + 1];
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x11);
	for (uint32_t n = 0; n < 24; n++) {
		rig_set_entry(&r, n, RTE_LEVEL | 0x99);
		rig_line(&r, n, 1);
		memcpy(expected + n * 2, "ad", 3);
	}
	rig_forget(&r);
	rig_eoi(&r, 0x99);
	assert_string_equal(r.order, expected);
	rig_expect(&r, "bounded", 24, 0, 24);
	rig_close(&r);
}

/* Routes are told of before the message that they concern. */
static void test_order(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x20);
	rig_set_entry(&r, 2, MLV);
	rig_line(&r, 2, 1);
	rig_forget(&r);
	rig_write(&r, 0x14, LV);
	assert_string_equal(r.order, "cd");
	rig_close(&r);
}

/* VIOMMU_IOAPIC_LOGICAL_LINES: an entry that says active low is asserted by 1 nevertheless. */
static void test_logical_lines(void **state)
{
	struct viommu_ioapic_config config = { .size = sizeof(config),
					       .flags = VIOMMU_IOAPIC_LOGICAL_LINES };
	struct viommu_ioapic *physical;
	uint64_t value;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x20);
	physical = r.a;
	assert_int_equal(viommu_ioapic_new(r.g.vm, NULL, &config, &r.a), VIOMMU_OK);
	rig_set_entry(&r, 4, LV | RTE_LOW);
	value = rig_entry(&r, 4);
	assert_false(value & RTE_IRR);
	rig_line(&r, 4, 1);
	assert_true(rig_entry(&r, 4) & RTE_IRR);
	viommu_ioapic_free(r.a);
	r.a = physical;
	rig_set_entry(&r, 4, LV | RTE_LOW);
	rig_line(&r, 4, 0);
	assert_true(rig_entry(&r, 4) & RTE_IRR);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),	  cmocka_unit_test(test_scripts_remapped),
		cmocka_unit_test(test_broadcast), cmocka_unit_test(test_broadcast_to_all),
		cmocka_unit_test(test_order),	  cmocka_unit_test(test_logical_lines),
	};

	return cmocka_run_group_tests_name("ioapic_pins", tests, NULL, NULL);
}
