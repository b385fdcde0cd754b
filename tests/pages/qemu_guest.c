/* SPDX-License-Identifier: BSD-3-Clause */
/* qemu_guest.c - a guest that drives the VT-d unit of docs/qemu.md, and QEMU around it: DMA is translated and refused,
 * messages are remapped, VFIO's notifier is told what is mapped, buses are renumbered, and all of it survives migration. */

#include "qemu_machine.h"

#include <stdio.h>
#include <string.h>

#define TYPE  "viommu-vtd"
#define DEVFN 0x10

static uint64_t queue_tail;

static uint64_t reg_read(hwaddr offset, unsigned bytes)
{
	return machine.mmio->ops->read(machine.mmio->opaque, offset, bytes);
}

static void reg_write(hwaddr offset, unsigned bytes, uint64_t value)
{
	machine.mmio->ops->write(machine.mmio->opaque, offset, value, bytes);
	machine_run();
}

static void put(hwaddr gpa, uint64_t value)
{
	memcpy(machine.ram + gpa, &value, sizeof(value));
}

/* Root table at 0x1000, contexts 0x2000, tables 0x3000 to 0x6000, queue 0x7000, interrupts 0x8000, status 0x9000. */
static void build_tables(void)
{
	put(0x1000, 0x2001);
	put(0x1000 + 5 * 16, 0x2001);
	put(0x2000 + DEVFN * 16, 0x3001);
	put(0x2008 + DEVFN * 16, 2 | 7 << 8);
	put(0x3000, 0x4003);
	put(0x4000, 0x5003);
	put(0x5000, 0x6003);
	put(0x6000 + 2 * 8, 0xa000 | 3);
	put(0x6000 + 3 * 8, 0xb000 | 1);
	put(0x8050, 1 | 0x51 << 16 | UINT64_C(3) << 40);
	put(0x8058, 1 << 18 | DEVFN);
	put(0x8060, 1 | 0x61 << 16 | UINT64_C(3) << 40);
	put(0x8068, 1 << 18 | 0xff00);
}

static void enable(void)
{
	reg_write(0x20, 8, 0x1000);
	reg_write(0x18, 4, 1U << 30);
	reg_write(0x90, 8, 0x7000);
	reg_write(0x18, 4, 1U << 26);
	reg_write(0xb8, 8, 0x8007);
	reg_write(0x18, 4, 1U << 26 | 1U << 24);
	reg_write(0x18, 4, 1U << 31 | 1U << 26 | 1U << 25);
	g_assert_cmphex(reg_read(0x1c, 4), ==, 0xc7000000);
}

/* One descriptor, and a wait that is over when this returns. */
static void invalidate(uint64_t low, uint64_t high)
{
	static uint32_t waits;
	const uint64_t words[4] = { low, high, 5 | 1 << 5 | (uint64_t)++waits << 32, 0x9000 };
	uint32_t status;

	memcpy(machine.ram + 0x7000 + queue_tail, words, sizeof(words));
	queue_tail = (queue_tail + sizeof(words)) % 4096;
	reg_write(0x88, 8, queue_tail);
	memcpy(&status, machine.ram + 0x9000, sizeof(status));
	g_assert_cmpuint(status, ==, waits);
}

/* The parts of a device's address space, by where the glue has them. */
static IOMMUMemoryRegion *translated_of(AddressSpace *as)
{
	/* struct Requester: as, root, direct, translated, messages */
	return (IOMMUMemoryRegion *)(as->root + 2);
}

static MemoryRegion *direct_of(AddressSpace *as)
{
	return as->root + 1;
}

static MemoryRegion *messages_of(AddressSpace *as)
{
	return (MemoryRegion *)(translated_of(as) + 1);
}

static IOMMUTLBEntry translate(IOMMUMemoryRegion *mr, hwaddr addr, IOMMUAccessFlags flag)
{
	return machine_region_class(mr)->translate(mr, addr, flag, 0);
}

/* ---- what VFIO would have mapped ---- */

static uint64_t mapped[16]; /* page -> page, + 1 */

static void vfio_notify(IOMMUNotifier *n, IOMMUTLBEntry *entry)
{
	(void)n;
	for (uint64_t page = 0; page < 16; page++) {
		if (page >= entry->iova >> 12 && page <= (entry->iova + entry->addr_mask) >> 12)
			mapped[page] = entry->perm ? (entry->translated_addr >> 12) + page -
							     (entry->iova >> 12) + 1
						   : 0;
	}
}

static void check_dma(AddressSpace *as)
{
	IOMMUMemoryRegion *mr = translated_of(as);
	IOMMUTLBEntry entry = translate(mr, 0x2010, IOMMU_RW);

	g_assert_cmphex(entry.translated_addr, ==, 0xa000);
	g_assert_cmphex(entry.addr_mask, ==, 0xfff);
	g_assert_cmpint(entry.perm, ==, IOMMU_RW);
	g_assert_cmpint(translate(mr, 0x3000, IOMMU_RO).perm, ==, IOMMU_RO);
	g_assert_cmphex(reg_read(0x34, 4) & 2, ==, 0);
	g_assert_cmpint(translate(mr, 0x3000, IOMMU_WO).perm, ==, IOMMU_NONE);
	g_assert_cmphex(reg_read(0x34, 4) & 2, ==, 2); /* FSTS.PPF: recorded */
	g_assert_cmpint(translate(mr, 0x3000, IOMMU_NONE).perm, ==, IOMMU_RO);
	g_assert_false(direct_of(as)->enabled);
	g_assert_true(mr->parent.enabled);
}

/* The I/O APIC is verified as what the DMAR table calls it, and has an address space that is no device's. */
static void check_ioapic(const X86IOMMUClass *class, X86IOMMUState *iommu)
{
	MSIMessage from = { .address = 0xfee00010 | 6 << 5, .data = 0 }, to = { 0 };
	AddressSpace *as = machine.pc.x86.ioapic_as;
	MemoryRegion *messages = messages_of(as);

	g_assert_true(machine.iommu_ops->get_address_space(machine.pc.pcibus, machine.iommu_opaque,
							   0) != as);
	g_assert_cmpint(class->int_remap(iommu, &from, &to, X86_IOMMU_SID_INVALID), ==, 0);
	g_assert_cmphex(to.data & 0xff, ==, 0x61);
	g_assert_cmpint(class->int_remap(iommu, &from, &to, DEVFN), ==, -EINVAL);
	g_assert_cmpuint(messages->ops->write_with_attrs(messages->opaque,
							 from.address - 0xfee00000, 0, 4,
							 MEMTXATTRS_UNSPECIFIED),
			 ==, MEMTX_OK);
	g_assert_cmphex(machine.sent.data & 0xff, ==, 0x61);
}

static void check_messages(X86IOMMUState *iommu, AddressSpace *as)
{
	const X86IOMMUClass *class = machine_class(TYPE);
	MSIMessage from = { .address = 0xfee00010 | 5 << 5, .data = 0 }, to = { 0 };
	MemoryRegion *messages = messages_of(as);

	g_assert_cmpint(class->int_remap(iommu, &from, &to, DEVFN), ==, 0);
	g_assert_cmphex(to.data & 0xff, ==, 0x51);
	g_assert_cmpint(class->int_remap(iommu, &from, &to, DEVFN + 8), ==, -EINVAL);
	g_assert_cmpint(class->int_remap(iommu, &from, &to, X86_IOMMU_SID_INVALID), ==, -EINVAL);
	g_assert_cmpuint(messages->ops->write_with_attrs(messages->opaque,
							 from.address - 0xfee00000, 0, 4,
							 MEMTXATTRS_UNSPECIFIED),
			 ==, MEMTX_OK);
	g_assert_cmpuint(machine.sent_count, ==, 1);
	g_assert_cmphex(machine.sent.data & 0xff, ==, 0x51);
	check_ioapic(class, iommu);
	machine.iec_count = 0;
	invalidate(4, 0);
	g_assert_cmpuint(machine.iec_count, >, 0);
}

static void check_vfio(AddressSpace *as)
{
	IOMMUMemoryRegion *mr = translated_of(as);
	IOMMUNotifier below = { vfio_notify, IOMMU_NOTIFIER_UNMAP | IOMMU_NOTIFIER_MAP, 0,
				0xfedfffff, NULL };
	IOMMUNotifier middle = { vfio_notify, below.notifier_flags, 0x4000, 0xfedfffff, &below };
	IOMMUNotifier above = { vfio_notify, IOMMU_NOTIFIER_UNMAP | IOMMU_NOTIFIER_MAP, 0xfef00000,
				UINT64_MAX, &below };
	const IOMMUMemoryRegionClass *class = machine_region_class(mr);
	Error *error = NULL;

	mr->notifiers = &above;
	g_assert_cmpint(class->notify_flag_changed(mr, IOMMU_NOTIFIER_NONE, below.notifier_flags,
						   &error),
			==, 0);
	class->replay(mr, &above);
	class->replay(mr, &middle);
	class->replay(mr, &below);
	g_assert_cmphex(mapped[2], ==, 0xb);
	g_assert_cmphex(mapped[3], ==, 0xc);
	put(0x6000 + 2 * 8, 0); /* unmap one, move one, map one behind it */
	put(0x6000 + 3 * 8, 0xc000 | 3);
	put(0x6000 + 4 * 8, 0xd000 | 3);
	invalidate(2 | 2 << 4 | 7 << 16, 0);
	g_assert_cmphex(mapped[2], ==, 0);
	g_assert_cmphex(mapped[3], ==, 0xd);
	g_assert_cmphex(mapped[4], ==, 0xe);
	g_assert_cmpint(class->notify_flag_changed(mr, below.notifier_flags, IOMMU_NOTIFIER_NONE,
						   &error),
			==, 0);
	mr->notifiers = NULL;
}

/* A device behind a bridge: no number, no DMA; then the number that the guest gives the bus. */
static void check_buses(void)
{
	static PCIBus bus = { .number = 0, .root = false };
	AddressSpace *as = machine.iommu_ops->get_address_space(&bus, machine.iommu_opaque, DEVFN);
	IOMMUMemoryRegion *mr = translated_of(as);

	g_assert_true(machine.iommu_ops->get_address_space(&bus, machine.iommu_opaque, DEVFN) ==
		      as);
	g_assert_cmpint(translate(mr, 0x4000, IOMMU_RO).perm, ==, IOMMU_NONE);
	bus.number = 5;
	g_assert_cmphex(translate(mr, 0x4000, IOMMU_RO).translated_addr, ==, 0xd000);
	bus.number = 6; /* there is nothing in its place of the root table */
	g_assert_cmpint(translate(mr, 0x4000, IOMMU_RO).perm, ==, IOMMU_NONE);
}

int main(void)
{
	DeviceState *dev = machine_new_device(TYPE), *target;
	AddressSpace *as = machine.iommu_ops->get_address_space(machine.pc.pcibus,
								machine.iommu_opaque, DEVFN);
	const DeviceClass *class = &machine_class(TYPE)->parent;

	machine_run();
	g_assert_nonnull(machine.pc.x86.ioapic_as);
	g_assert_true(direct_of(as)->enabled); /* off: memory as it is */
	build_tables();
	enable();
	check_dma(as);
	check_messages((X86IOMMUState *)dev, as);
	check_vfio(as);
	check_buses();
	g_assert_cmpuint(machine.memory.dirty, >, 0);

	machine_unplug_memory(false); /* tables are read through QEMU meanwhile */
	machine_run();
	g_assert_cmpuint(machine.memory.references, ==, 0);
	invalidate(2 | 1 << 4, 0);
	g_assert_cmphex(translate(translated_of(as), 0x4000, IOMMU_RW).translated_addr, ==, 0xd000);
	machine_unplug_memory(true);

	target = machine_new_device(TYPE);
	as = machine.iommu_ops->get_address_space(machine.pc.pcibus, machine.iommu_opaque, DEVFN);
	g_assert_cmpint(machine_migrate(dev, target, class->vmsd), ==, 0);
	machine_run();
	g_assert_cmphex(reg_read(0x1c, 4), ==, 0xc7000000);
	g_assert_cmphex(translate(translated_of(as), 0x4000, IOMMU_RW).translated_addr, ==, 0xd000);
	class->standin_reset(target);
	g_assert_cmphex(reg_read(0x1c, 4), ==, 0);
	puts("docs/qemu.md: DMA, messages, notifiers, buses, memory, migration");
	return 0;
}
