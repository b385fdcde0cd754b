/* SPDX-License-Identifier: BSD-3-Clause */
/* qemu_machine.c - what is behind qemu.h: a machine with a megabyte of memory, one PCI bus, and one thread. */

#include "qemu_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct QEMUBH {
	void (*run)(void *opaque);
	void *opaque;
	bool scheduled;
};

static PCIBus root_bus = { .number = 0, .root = true };
struct machine machine = { .pc = { .pcibus = &root_bus } };
AddressSpace address_space_memory = { &machine.memory };
static QEMUBH bottom_halves[4];
static unsigned bottom_half_count;

/* ---- errors, locks, bottom halves ---- */

static void note_error(const char *format, va_list list)
{
	g_free(machine.error);
	machine.error = g_strdup_vprintf(format, list);
}

void error_setg(Error **errp, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	note_error(format, list);
	va_end(list);
	*errp = (Error *)machine.error;
}

void error_report(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	note_error(format, list);
	va_end(list);
}

void qemu_mutex_init(QemuMutex *mutex)
{
	mutex->taken = 0;
}

QemuMutex *qemu_standin_lock(QemuMutex *mutex)
{
	g_assert(!mutex->taken++);
	return mutex;
}

void qemu_standin_unlock(QemuMutex **mutex)
{
	if (*mutex)
		(*mutex)->taken--;
	*mutex = NULL;
}

QEMUBH *qemu_bh_new(void (*run)(void *opaque), void *opaque)
{
	QEMUBH *bh = &bottom_halves[bottom_half_count++];

	*bh = (QEMUBH){ .run = run, .opaque = opaque };
	return bh;
}

void qemu_bh_schedule(QEMUBH *bh)
{
	bh->scheduled = true;
}

void machine_run(void)
{
	for (unsigned turn = 0; turn < 1000; turn++) {
		for (unsigned i = 0; i < bottom_half_count; i++) {
			if (bottom_halves[i].scheduled) {
				bottom_halves[i].scheduled = false;
				bottom_halves[i].run(bottom_halves[i].opaque);
			}
		}
	}
}

/* ---- types ---- */

static struct type {
	TypeInfo info;
	union {
		X86IOMMUClass x86;
		IOMMUMemoryRegionClass region;
	} class;
} types[8];
static unsigned type_count;

void qemu_standin_register(const TypeInfo *infos, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct type *type = &types[type_count++];

		type->info = infos[i];
		infos[i].class_init((ObjectClass *)&type->class, NULL);
	}
}

static struct type *find_type(const char *name)
{
	for (unsigned i = 0; i < type_count; i++) {
		if (!strcmp(types[i].info.name, name))
			return &types[i];
	}
	g_assert_not_reached();
}

DeviceState *machine_new_device(const char *name)
{
	struct type *type = find_type(name);
	DeviceState *dev = calloc(1, type->info.instance_size);
	const Property *properties = type->class.x86.parent.standin_properties;
	Error *error = NULL;

	*((char *)dev + properties[0].offset) = 1; /* caching-mode=on */
	dev->object.class = &type->class;
	type->class.x86.realize(dev, &error);
	g_assert_null(error);
	return dev;
}

const X86IOMMUClass *machine_class(const char *type)
{
	return &find_type(type)->class.x86;
}

const IOMMUMemoryRegionClass *machine_region_class(const IOMMUMemoryRegion *mr)
{
	return mr->parent.object.class;
}

int machine_migrate(DeviceState *from, DeviceState *to, const VMStateDescription *vmsd)
{
	int r = vmsd->pre_save(from);

	for (const VMStateField *field = vmsd->fields; r == 0 && field->name; field++) {
		void *source = (char *)from + field->offset, *target = (char *)to + field->offset;

		if (field->size_offset) {
			uint32_t bytes = *(uint32_t *)((char *)from + field->size_offset);

			*(void **)target = g_memdup2(*(void **)source, bytes);
		} else {
			memcpy(target, source, sizeof(uint32_t));
		}
	}
	return r ? r : vmsd->post_load(to, vmsd->version_id);
}

/* ---- memory ---- */

MemoryRegion *get_system_memory(void)
{
	return &machine.memory;
}

uint64_t memory_region_size(MemoryRegion *mr)
{
	return mr->size;
}

void memory_region_init(MemoryRegion *mr, Object *owner, const char *name, uint64_t size)
{
	(void)owner, (void)name;
	*mr = (MemoryRegion){ .size = size, .enabled = true };
}

void memory_region_init_io(MemoryRegion *mr, Object *owner, const MemoryRegionOps *ops,
			   void *opaque, const char *name, uint64_t size)
{
	memory_region_init(mr, owner, name, size);
	mr->ops = ops;
	mr->opaque = opaque;
}

void memory_region_init_alias(MemoryRegion *mr, Object *owner, const char *name,
			      MemoryRegion *original, hwaddr offset, uint64_t size)
{
	(void)original, (void)offset;
	memory_region_init(mr, owner, name, size);
}

void memory_region_init_iommu(void *mr, size_t instance_size, const char *type, Object *owner,
			      const char *name, uint64_t size)
{
	g_assert_cmpuint(instance_size, ==, sizeof(IOMMUMemoryRegion));
	memory_region_init(mr, owner, name, size);
	((MemoryRegion *)mr)->object.class = &find_type(type)->class;
}

void memory_region_add_subregion_overlap(MemoryRegion *mr, hwaddr offset, MemoryRegion *subregion,
					 int priority)
{
	(void)mr, (void)offset, (void)subregion, (void)priority;
}

void memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
	mr->enabled = enabled;
}

void memory_region_transaction_begin(void)
{
}

void memory_region_transaction_commit(void)
{
}

bool memory_region_is_ram(MemoryRegion *mr)
{
	return mr->ram != NULL;
}

bool memory_region_is_ram_device(MemoryRegion *mr)
{
	(void)mr;
	return false;
}

void *memory_region_get_ram_ptr(MemoryRegion *mr)
{
	return mr->ram;
}

void memory_region_set_dirty(MemoryRegion *mr, hwaddr addr, hwaddr size)
{
	g_assert_cmpuint(addr + size, <=, mr->size);
	mr->dirty += size;
}

void memory_region_ref(MemoryRegion *mr)
{
	mr->references++;
}

void memory_region_unref(MemoryRegion *mr)
{
	g_assert_cmpuint(mr->references, >, 0);
	mr->references--;
}

void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name)
{
	(void)name;
	as->root = root;
}

static MemTxResult access(hwaddr addr, void *to, const void *from, hwaddr bytes)
{
	if (addr >= MACHINE_RAM || bytes > MACHINE_RAM - addr)
		return MEMTX_ERROR;
	memcpy(to ? to : machine.ram + addr, from ? from : machine.ram + addr, bytes);
	return MEMTX_OK;
}

MemTxResult address_space_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs, void *to,
			       hwaddr bytes)
{
	(void)as, (void)attrs;
	return access(addr, to, NULL, bytes);
}

MemTxResult address_space_write(AddressSpace *as, hwaddr addr, MemTxAttrs attrs, const void *from,
				hwaddr bytes)
{
	(void)as, (void)attrs;
	return access(addr, NULL, from, bytes);
}

void machine_unplug_memory(bool plug)
{
	MemoryRegionSection section = { .size = MACHINE_RAM, .mr = &machine.memory };

	(plug ? machine.listener->region_add : machine.listener->region_del)(machine.listener,
									     &section);
}

void memory_listener_register(MemoryListener *listener, AddressSpace *as)
{
	(void)as;
	if (!machine.ram) {
		machine.ram = aligned_alloc(4096, MACHINE_RAM);
		memset(machine.ram, 0, MACHINE_RAM);
		machine.memory = (MemoryRegion){ .ram = machine.ram, .size = MACHINE_RAM };
	}
	machine.listener = listener;
	machine_unplug_memory(true);
}

void memory_region_notify_iommu_one(IOMMUNotifier *notifier, const IOMMUTLBEvent *event)
{
	IOMMUTLBEntry entry = event->entry;

	g_assert_cmpuint(entry.iova & entry.addr_mask, ==, 0);
	g_assert_cmpuint(entry.addr_mask & (entry.addr_mask + 1), ==, 0);
	g_assert_cmpuint(entry.translated_addr & entry.addr_mask, ==, 0);
	g_assert_cmpuint(entry.iova, >=, notifier->start);
	g_assert_cmpuint(entry.iova + entry.addr_mask, <=, notifier->end);
	if (event->type & notifier->notifier_flags)
		notifier->notify(notifier, &entry);
}

/* ---- PCI, interrupts ---- */

int pci_bus_num(PCIBus *bus)
{
	return bus->number;
}

bool pci_bus_is_root(const PCIBus *bus)
{
	return bus->root;
}

void pci_setup_iommu(PCIBus *bus, const PCIIOMMUOps *ops, void *opaque)
{
	(void)bus;
	machine.iommu_ops = ops;
	machine.iommu_opaque = opaque;
}

void sysbus_init_mmio(SysBusDevice *dev, MemoryRegion *mr)
{
	(void)dev;
	machine.mmio = mr;
}

void sysbus_mmio_map(SysBusDevice *dev, int n, hwaddr addr)
{
	(void)dev, (void)n, (void)addr;
}

void *qdev_get_machine(void)
{
	return &machine;
}

static void send_msi(MSIMessage *message)
{
	machine.sent = *message;
	machine.sent_count++;
}

APICCommonClass *apic_get_class(Error **errp)
{
	static APICCommonClass class = { send_msi };

	(void)errp;
	return &class;
}

void x86_iommu_iec_notify_all(X86IOMMUState *iommu, bool global, uint32_t index, uint32_t mask)
{
	(void)iommu, (void)global, (void)index, (void)mask;
	machine.iec_count++;
}
