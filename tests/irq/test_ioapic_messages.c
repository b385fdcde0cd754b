/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ioapic_messages.c - from redirection entry to message; rows named by clause of the 82093AA
 * data sheet. */
#include "bits.h"
#include "ioapic_rig.h"

#define V 0x61U

static const struct {
	const char *name;
	uint64_t entry;
	uint64_t address;
	uint32_t data;
	uint32_t destination;
	uint8_t mode, logical, level;
} messages[] = {
	{ "3.2.4 fixed, physical", V, 0xfee00000, 0x61, 0, 0, 0, 0 },
	{ "3.2.4 bits 63:56 destination", V | RTE_DST(0xa5), 0xfeea5000, 0x61, 0xa5, 0, 0, 0 },
	{ "3.2.4 bits 63:56 all", V | RTE_DST(0xff), 0xfeeff000, 0x61, 0xff, 0, 0, 0 },
	{ "ICH bits 55:48 extended destination", V | BITS(55, 49), 0xfee00fe0, 0x61, 0, 0, 0, 0 },
	{ "3.2.4 bit 11 logical", V | RTE_LOGICAL | RTE_DST(3), 0xfee03004, 0x61, 3, 0, 1, 0 },
	{ "3.2.4 bit 15 level", V | RTE_LEVEL, 0xfee00000, 0x8061, 0, 0, 0, 1 },
	{ "3.2.4 bit 13 is not sent", V | RTE_LOW | RTE_LEVEL, 0xfee00000, 0x8061, 0, 0, 0, 1 },
	{ "3.2.4 bits 10:8 lowest priority", V | RTE_MODE(1), 0xfee00000, 0x161, 0, 1, 0, 0 },
	{ "3.2.4 bits 10:8 SMI", RTE_MODE(2), 0xfee00000, 0x200, 0, 2, 0, 0 },
	{ "3.2.4 bits 10:8 reserved 3", V | RTE_MODE(3), 0xfee00000, 0x361, 0, 3, 0, 0 },
	{ "3.2.4 bits 10:8 NMI", RTE_MODE(4) | RTE_DST(2), 0xfee02000, 0x400, 2, 4, 0, 0 },
	{ "3.2.4 bits 10:8 NMI keeps its vector", V | RTE_MODE(4), 0xfee00000, 0x461, 0, 4, 0, 0 },
	{ "3.2.4 bits 10:8 INIT", RTE_MODE(5), 0xfee00000, 0x500, 0, 5, 0, 0 },
	{ "3.2.4 bits 10:8 reserved 6", V | RTE_MODE(6), 0xfee00000, 0x661, 0, 6, 0, 0 },
	{ "3.2.4 bits 10:8 ExtINT", RTE_MODE(7), 0xfee00000, 0x700, 0, 7, 0, 0 },
	{ "3.2.4 bits 7:0 all", 0xff, 0xfee00000, 0xff, 0, 0, 0, 0 },
	{ "3.2.4 bits 7:0 none", 0, 0xfee00000, 0, 0, 0, 0, 0 },
	{ "VT-d 5.1.5.1 index bits 14:0", V | RTE_REMAP(0x1234), 0xfee24690, 0x61, 0x24, 0, 0, 0 },
	{ "VT-d 5.1.5.1 index bit 15", V | RTE_REMAP(0x8000), 0xfee00014, 0x61, 0, 0, 1, 0 },
	{ "VT-d 5.1.5.1 index, all", V | RTE_REMAP(0xffff), 0xfeeffff4, 0x61, 0xff, 0, 1, 0 },
};

/* Obligation 23: types that pass through keep mode, vector and destination. */
static void expect_unremapped(struct rig *r, size_t i, uint32_t pin, uint64_t entry)
{
	struct viommu_ioapic_message message;

	assert_int_equal(viommu_ioapic_get_message(r->a, pin, &message), VIOMMU_OK);
	check_eq(messages[i].name, message.address, messages[i].address);
	check_eq(messages[i].name, message.data, messages[i].data);
	check_eq(messages[i].name, message.vector, messages[i].data & 0xff);
	check_eq(messages[i].name, message.level, messages[i].level);
	check_eq(messages[i].name, message.masked, 0);
	rig_line(r, pin, !(entry & RTE_LOW));
	check_eq(messages[i].name, r->msi[0].address, messages[i].address);
	check_eq(messages[i].name, r->msi[0].data, messages[i].data);
	check_eq(messages[i].name, r->msi[0].destination, messages[i].destination);
	check_eq(messages[i].name, r->msi[0].vector, messages[i].data & 0xff);
	check_eq(messages[i].name, r->msi[0].delivery_mode, messages[i].mode);
	check_eq(messages[i].name, r->msi[0].logical, messages[i].logical);
	check_eq(messages[i].name, r->msi[0].level, messages[i].level);
	check_eq(messages[i].name, r->msi[0].redirection_hint, 0);
	check_eq(messages[i].name, r->msi[0].flags, VIOMMU_MSI_UNREMAPPED);
	check_eq(messages[i].name, r->msi[0].index, UINT32_MAX);
	check_eq(messages[i].name, r->msi[0].reason, 0);
	check_eq(messages[i].name, r->msi[0].kind, VIOMMU_MSI_KIND_MESSAGE);
}

/* Without an IOMMU, behind one that does not remap, and in compatibility format behind one that
 * does: the same message. */
static void test_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(messages); i++) {
		for (unsigned kind = 0; kind < 3; kind++) {
			struct rig r;

			if (kind == 2 && (messages[i].entry & BIT(48)))
				continue;
			rig_open(&r, kind ? RIG_VTD : RIG_NONE, 24, 0x20);
			if (kind == 2) {
				guest_interrupts_on(&r.g, 7, false);
				guest_command(&r.g, VTD_G_CFI, true);
			}
			rig_line(&r, 7, (messages[i].entry & RTE_LOW) != 0);
			rig_set_entry(&r, 7, messages[i].entry);
			rig_forget(&r);
			expect_unremapped(&r, i, 7, messages[i].entry);
			rig_expect(&r, messages[i].name, 1, 0, 0);
			rig_close(&r);
		}
	}
}

/* get_message says what is sent, and whether; masking does not hide the message. */
static void test_get_message_masked(void **state)
{
	struct viommu_ioapic_message message;
	struct rig r;

	(void)state;
	rig_open(&r, RIG_NONE, 24, 0x20);
	assert_int_equal(viommu_ioapic_get_message(r.a, 23, &message), VIOMMU_OK);
	check_eq("power-on", message.masked, 1);
	check_eq("power-on", message.address, 0xfee00000);
	rig_set_entry(&r, 23, RTE_MASKED | RTE_LEVEL | V | RTE_DST(9));
	assert_int_equal(viommu_ioapic_get_message(r.a, 23, &message), VIOMMU_OK);
	check_eq("masked", message.masked, 1);
	check_eq("masked", message.level, 1);
	check_eq("masked", message.address, 0xfee09000);
	check_eq("masked", message.data, 0x8061);
	check_eq("masked", message.reserved, 0);
	rig_set_entry(&r, 23, RTE_LEVEL | RTE_MODE(4));
	assert_int_equal(viommu_ioapic_get_message(r.a, 23, &message), VIOMMU_OK);
	check_eq("3.2.4 bits 10:8 NMI is an edge", message.level, 0);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_get_message_masked),
	};

	return cmocka_run_group_tests_name("ioapic_messages", tests, NULL, NULL);
}
