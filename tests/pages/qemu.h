/* SPDX-License-Identifier: BSD-3-Clause */
/* qemu.h - as much of QEMU's interface as the glue of docs/qemu.md uses, declared anew: names and parameters are QEMU's, what is
 * behind them (qemu.c) is a machine with a megabyte of memory and one PCI bus. */
#ifndef QEMU_H
#define QEMU_H

#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#undef container_of
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

typedef uint64_t hwaddr;
typedef uint64_t Int128;
typedef struct Error Error;
void error_setg(Error **errp, const char *format, ...) G_GNUC_PRINTF(2, 3);
void error_report(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* ---- locks, bottom halves ---- */

typedef struct QemuMutex {
	int taken;
} QemuMutex;
typedef QemuMutex *QemuMutexGuard;
void qemu_mutex_init(QemuMutex *mutex);
QemuMutex *qemu_standin_lock(QemuMutex *mutex);
void qemu_standin_unlock(QemuMutex **mutex);
#define QEMU_LOCK_GUARD(mutex)                                                                     \
	__attribute__((cleanup(qemu_standin_unlock))) QemuMutex *lock_guard =                      \
		qemu_standin_lock(mutex);                                                          \
	(void)lock_guard
#define WITH_QEMU_LOCK_GUARD(mutex)                                                                \
	for (__attribute__((cleanup(qemu_standin_unlock)))                                         \
	     QemuMutex *lock_guard = qemu_standin_lock(mutex);                                     \
	     lock_guard; qemu_standin_unlock(&lock_guard))

typedef struct QEMUBH QEMUBH;
QEMUBH *qemu_bh_new(void (*run)(void *opaque), void *opaque);
void qemu_bh_schedule(QEMUBH *bh);

/* ---- objects: a class is what a type's class_init has filled in ---- */

typedef struct Object {
	const void *class;
} Object;
typedef struct ObjectClass ObjectClass;
typedef struct TypeInfo {
	const char *name;
	const char *parent;
	size_t instance_size;
	void (*class_init)(ObjectClass *class, const void *data);
} TypeInfo;
void qemu_standin_register(const TypeInfo *types, size_t count);
#define DEFINE_TYPES(types)                                                                        \
	static void __attribute__((constructor)) register_types(void)                              \
	{                                                                                          \
		qemu_standin_register(types, G_N_ELEMENTS(types));                                 \
	}
#define OBJECT(object) ((Object *)(object))
#define OBJECT_DECLARE_SIMPLE_TYPE(Type, NAME)                                                     \
	typedef struct Type Type;                                                                  \
	static inline Type *NAME(void *object)                                                     \
	{                                                                                          \
		return object;                                                                     \
	}

typedef struct Property {
	const char *name;
	size_t offset;
} Property;
#define DEFINE_PROP_BOOL(text, Type, field, value)                                                 \
	{                                                                                          \
		.name = (text), .offset = offsetof(Type, field)                                    \
	}

typedef struct VMStateField {
	const char *name;
	size_t offset;
	size_t size_offset; /* of a buffer; 0: a uint32_t */
} VMStateField;
#define VMSTATE_UINT32(field, Type)                                                                \
	{                                                                                          \
		.name = #field, .offset = offsetof(Type, field)                                    \
	}
#define VMSTATE_VBUFFER_ALLOC_UINT32(field, Type, version, test, bytes)                            \
	{                                                                                          \
		.name = #field, .offset = offsetof(Type, field),                                   \
		.size_offset = offsetof(Type, bytes)                                               \
	}
#define VMSTATE_END_OF_LIST()                                                                      \
	{                                                                                          \
		.name = NULL                                                                       \
	}
typedef struct VMStateDescription {
	const char *name;
	int version_id, minimum_version_id, priority;
	int (*pre_save)(void *opaque);
	int (*post_load)(void *opaque, int version);
	const VMStateField *fields;
} VMStateDescription;
#define MIG_PRI_IOMMU 1

typedef struct DeviceState {
	Object object;
} DeviceState;
typedef struct DeviceClass {
	const VMStateDescription *vmsd;
	bool hotpluggable, user_creatable;
	void (*standin_reset)(DeviceState *dev);
	const Property *standin_properties;
} DeviceClass;
#define device_class_set_legacy_reset(dc, function) ((dc)->standin_reset = (function))
#define device_class_set_props(dc, properties)	    ((dc)->standin_properties = (properties))

/* ---- memory ---- */

typedef struct MemTxAttrs {
	unsigned requester_id;
} MemTxAttrs;
#define MEMTXATTRS_UNSPECIFIED ((MemTxAttrs){ 0 })
typedef uint32_t MemTxResult;
#define MEMTX_OK    0U
#define MEMTX_ERROR 1U

enum device_endian { DEVICE_LITTLE_ENDIAN };
typedef struct MemoryRegionOps {
	uint64_t (*read)(void *opaque, hwaddr addr, unsigned size);
	void (*write)(void *opaque, hwaddr addr, uint64_t data, unsigned size);
	MemTxResult (*read_with_attrs)(void *opaque, hwaddr addr, uint64_t *data, unsigned size,
				       MemTxAttrs attrs);
	MemTxResult (*write_with_attrs)(void *opaque, hwaddr addr, uint64_t data, unsigned size,
					MemTxAttrs attrs);
	enum device_endian endianness;
	struct {
		unsigned min_access_size, max_access_size;
	} valid, impl;
} MemoryRegionOps;

typedef struct MemoryRegion {
	Object object;
	const MemoryRegionOps *ops;
	void *opaque;
	uint8_t *ram; /* NULL: none */
	uint64_t size;
	bool enabled;
	unsigned references;
	uint64_t dirty; /* bytes noted */
} MemoryRegion;
typedef struct AddressSpace {
	MemoryRegion *root;
} AddressSpace;
extern AddressSpace address_space_memory;

MemoryRegion *get_system_memory(void);
uint64_t memory_region_size(MemoryRegion *mr);
void memory_region_init(MemoryRegion *mr, Object *owner, const char *name, uint64_t size);
void memory_region_init_io(MemoryRegion *mr, Object *owner, const MemoryRegionOps *ops,
			   void *opaque, const char *name, uint64_t size);
void memory_region_init_alias(MemoryRegion *mr, Object *owner, const char *name,
			      MemoryRegion *original, hwaddr offset, uint64_t size);
void memory_region_add_subregion_overlap(MemoryRegion *mr, hwaddr offset, MemoryRegion *subregion,
					 int priority);
void memory_region_set_enabled(MemoryRegion *mr, bool enabled);
void memory_region_transaction_begin(void);
void memory_region_transaction_commit(void);
bool memory_region_is_ram(MemoryRegion *mr);
bool memory_region_is_ram_device(MemoryRegion *mr);
void *memory_region_get_ram_ptr(MemoryRegion *mr);
void memory_region_set_dirty(MemoryRegion *mr, hwaddr addr, hwaddr size);
void memory_region_ref(MemoryRegion *mr);
void memory_region_unref(MemoryRegion *mr);
void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name);
MemTxResult address_space_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs, void *to,
			       hwaddr bytes);
MemTxResult address_space_write(AddressSpace *as, hwaddr addr, MemTxAttrs attrs, const void *from,
				hwaddr bytes);

typedef struct MemoryRegionSection {
	Int128 size;
	MemoryRegion *mr;
	hwaddr offset_within_region;
	hwaddr offset_within_address_space;
	bool readonly;
} MemoryRegionSection;
#define int128_get64(value) ((uint64_t)(value))
typedef struct MemoryListener {
	void (*region_add)(struct MemoryListener *listener, MemoryRegionSection *section);
	void (*region_del)(struct MemoryListener *listener, MemoryRegionSection *section);
	const char *name;
} MemoryListener;
void memory_listener_register(MemoryListener *listener, AddressSpace *as);

/* ---- memory behind an IOMMU ---- */

typedef enum { IOMMU_NONE = 0, IOMMU_RO = 1, IOMMU_WO = 2, IOMMU_RW = 3 } IOMMUAccessFlags;
typedef enum {
	IOMMU_NOTIFIER_NONE = 0,
	IOMMU_NOTIFIER_UNMAP = 1,
	IOMMU_NOTIFIER_MAP = 2,
	IOMMU_NOTIFIER_DEVIOTLB_UNMAP = 4,
} IOMMUNotifierFlag;
typedef struct IOMMUTLBEntry {
	AddressSpace *target_as;
	hwaddr iova, translated_addr, addr_mask;
	IOMMUAccessFlags perm;
} IOMMUTLBEntry;
typedef struct IOMMUTLBEvent {
	IOMMUNotifierFlag type;
	IOMMUTLBEntry entry;
} IOMMUTLBEvent;
typedef struct IOMMUNotifier {
	void (*notify)(struct IOMMUNotifier *notifier, IOMMUTLBEntry *entry);
	IOMMUNotifierFlag notifier_flags;
	hwaddr start, end;
	struct IOMMUNotifier *next;
} IOMMUNotifier;
typedef struct IOMMUMemoryRegion {
	MemoryRegion parent;
	IOMMUNotifier *notifiers;
} IOMMUMemoryRegion;
typedef struct IOMMUMemoryRegionClass {
	IOMMUTLBEntry (*translate)(IOMMUMemoryRegion *mr, hwaddr addr, IOMMUAccessFlags flag,
				   int iommu_idx);
	int (*notify_flag_changed)(IOMMUMemoryRegion *mr, IOMMUNotifierFlag before,
				   IOMMUNotifierFlag now, Error **errp);
	void (*replay)(IOMMUMemoryRegion *mr, IOMMUNotifier *notifier);
} IOMMUMemoryRegionClass;
#define TYPE_IOMMU_MEMORY_REGION	 "iommu-memory-region"
#define MEMORY_REGION(mr)		 ((MemoryRegion *)(mr))
#define IOMMU_MEMORY_REGION_CLASS(class) ((IOMMUMemoryRegionClass *)(class))
#define IOMMU_NOTIFIER_FOREACH(n, mr)	 for ((n) = (mr)->notifiers; (n); (n) = (n)->next)
void memory_region_init_iommu(void *mr, size_t instance_size, const char *type, Object *owner,
			      const char *name, uint64_t size);
void memory_region_notify_iommu_one(IOMMUNotifier *notifier, const IOMMUTLBEvent *event);

/* ---- PCI and the machine ---- */

typedef struct PCIBus {
	int number;
	bool root;
} PCIBus;
typedef struct PCIIOMMUOps {
	AddressSpace *(*get_address_space)(PCIBus *bus, void *opaque, int devfn);
} PCIIOMMUOps;
#define PCI_BUILD_BDF(bus, devfn) ((uint16_t)((bus) << 8 | (devfn)))
int pci_bus_num(PCIBus *bus);
bool pci_bus_is_root(const PCIBus *bus);
void pci_setup_iommu(PCIBus *bus, const PCIIOMMUOps *ops, void *opaque);

typedef struct SysBusDevice SysBusDevice;
#define SYS_BUS_DEVICE(device) ((SysBusDevice *)(device))
void sysbus_init_mmio(SysBusDevice *dev, MemoryRegion *mr);
void sysbus_mmio_map(SysBusDevice *dev, int n, hwaddr addr);

typedef struct X86MachineState {
	AddressSpace *ioapic_as;
} X86MachineState;
typedef struct PCMachineState {
	X86MachineState x86;
	PCIBus *pcibus;
} PCMachineState;
#define X86_MACHINE(machine) ((X86MachineState *)(machine))
#define PC_MACHINE(machine)  ((PCMachineState *)(machine))
void *qdev_get_machine(void);

#define Q35_HOST_BRIDGE_IOMMU_ADDR 0xfed90000
#define Q35_PSEUDO_BUS_PLATFORM	   0xff
#define Q35_PSEUDO_DEVFN_IOAPIC	   0x00
#define APIC_DEFAULT_ADDRESS	   0xfee00000
#define APIC_SPACE_SIZE		   0x100000

typedef struct MSIMessage {
	uint64_t address;
	uint32_t data;
} MSIMessage;
typedef struct APICCommonClass {
	void (*send_msi)(MSIMessage *message);
} APICCommonClass;
APICCommonClass *apic_get_class(Error **errp);

typedef struct X86IOMMUState {
	DeviceState parent;
} X86IOMMUState;
typedef struct X86IOMMUClass {
	DeviceClass parent;
	void (*realize)(DeviceState *dev, Error **errp);
	int (*int_remap)(X86IOMMUState *iommu, MSIMessage *from, MSIMessage *to, uint16_t source);
} X86IOMMUClass;
#define TYPE_X86_IOMMU_DEVICE	      "x86-iommu"
#define DEVICE_CLASS(class)	      ((DeviceClass *)(class))
#define X86_IOMMU_DEVICE_CLASS(class) ((X86IOMMUClass *)(class))
#define X86_IOMMU_SID_INVALID	      0xffff
void x86_iommu_iec_notify_all(X86IOMMUState *iommu, bool global, uint32_t index, uint32_t mask);

#endif
