/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_ext_dest.c - extended destination ids (KVM_FEATURE_MSI_EXT_DEST_ID): bits 11:5 of the address of
 * a message that is not remapped are destination bits 14:8, and KVM has them in bits 46:40.
 */
#include "check.h"

#include <libvirtiommu/ioapic.h>
#include <libvirtiommu/vm.h>
#include <libvirtiommu/vtd.h>

static const struct {
	const char *name;
	uint32_t flags; /* of the VM */
	uint64_t address;
	uint64_t to;
	uint32_t destination;
} rows[] = {
	{ "not presented", 0, 0xfee01020, 0xfee01020, 0x01 },
	{ "bit 8", VIOMMU_VM_EXT_DEST_ID, 0xfee01020, 0x100fee01000, 0x101 },
	{ "bit 14", VIOMMU_VM_EXT_DEST_ID, 0xfee01800, 0x4000fee01000, 0x4001 },
	{ "all bits", VIOMMU_VM_EXT_DEST_ID, 0xfeefffec, 0x7f00feeff00c, 0x7fff },
	{ "none, and the hint and mode stay", VIOMMU_VM_EXT_DEST_ID, 0xfee0500c, 0xfee0500c, 5 },
	{ "format bit: not an id", VIOMMU_VM_EXT_DEST_ID, 0xfee01030, 0xfee01030, 1 },
	{ "in KVM's form already", VIOMMU_VM_EXT_DEST_ID, 0x200fee01020, 0x200fee01020, 0x201 },
};

static void open_vm(uint32_t flags, struct viommu_vm **vm, struct viommu **iommu)
{
	struct viommu_vm_config config = { .size = sizeof(config), .flags = flags };
	struct viommu_vtd_config vtd = { .size = sizeof(vtd) };

	assert_int_equal(viommu_vm_new(&config, vm), VIOMMU_OK);
	assert_int_equal(viommu_vtd_new(*vm, &vtd, iommu), VIOMMU_OK);
}

static void test_messages(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *row = rows[i].name;
		struct viommu *iommu;
		struct viommu_vm *vm;
		struct viommu_msi msi;

		open_vm(rows[i].flags, &vm, &iommu);
		check_eq(row, viommu_remap_msi(iommu, 8, rows[i].address, 0x41, 0, &msi),
			 VIOMMU_OK);
		check_eq(row, msi.address, rows[i].to);
		check_eq(row, msi.destination, rows[i].destination);
		check_eq(row, msi.vector, 0x41);
		check_eq(row, msi.flags, VIOMMU_MSI_UNREMAPPED);
		viommu_free(iommu);
		viommu_vm_free(vm);
	}
}

static struct viommu_msi delivered;

static void deliver(void *opaque, uint32_t pin, const struct viommu_msi *msi)
{
	(void)opaque, (void)pin;
	delivered = *msi;
}

/* A pin's entry has them in bits 55:49, with an IOMMU that does not remap and without one. */
static void test_pin(void **state)
{
	(void)state;
	for (unsigned with = 0; with < 2; with++) {
		struct viommu_ioapic_config config = { .size = sizeof(config), .deliver = deliver };
		struct viommu_ioapic *a;
		struct viommu *iommu;
		struct viommu_vm *vm;

		open_vm(VIOMMU_VM_EXT_DEST_ID, &vm, &iommu);
		assert_int_equal(viommu_ioapic_new(vm, with ? iommu : NULL, &config, &a),
				 VIOMMU_OK);
		viommu_ioapic_write(a, 0x00, 4, 0x11);
		viommu_ioapic_write(a, 0x10, 4, 1U << 24 | 1U << 17);
		viommu_ioapic_write(a, 0x00, 4, 0x10);
		viommu_ioapic_write(a, 0x10, 4, 0x41);
		delivered.destination = 0;
		assert_int_equal(viommu_ioapic_set_line(a, 0, 1), VIOMMU_OK);
		check_eq("pin", delivered.destination, 0x101);
		check_eq("pin", delivered.address, 0x100fee01000);
		assert_int_equal(viommu_ioapic_free(a), VIOMMU_OK);
		viommu_free(iommu);
		viommu_vm_free(vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_pin),
	};

	return cmocka_run_group_tests_name("irq/ext_dest", tests, NULL, NULL);
}
