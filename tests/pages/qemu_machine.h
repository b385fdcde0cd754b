/* SPDX-License-Identifier: BSD-3-Clause */
/* qemu_machine.h - the machine behind qemu.h, as the test sees it. */
#ifndef QEMU_MACHINE_H
#define QEMU_MACHINE_H

#include "qemu.h"

#define MACHINE_RAM (1U << 20)

struct machine {
	PCMachineState pc; /* first: what qdev_get_machine() is */
	uint8_t *ram;
	MemoryRegion memory;
	MemoryListener *listener;
	const PCIIOMMUOps *iommu_ops;
	void *iommu_opaque;
	MemoryRegion *mmio;
	MSIMessage sent; /* the last message, and how many */
	unsigned sent_count;
	unsigned iec_count; /* how often interrupts were to be looked up again */
	char *error;	    /* the last one */
};
extern struct machine machine;

/* A device of this type, realized. */
DeviceState *machine_new_device(const char *type);
const X86IOMMUClass *machine_class(const char *type);
const IOMMUMemoryRegionClass *machine_region_class(const IOMMUMemoryRegion *mr);
/* What the main loop does: bottom halves, as often as they schedule themselves. */
void machine_run(void);
/* Saves a device, and loads it into another. */
int machine_migrate(DeviceState *from, DeviceState *to, const VMStateDescription *vmsd);
/* Removes all memory, and puts it back. */
void machine_unplug_memory(bool plug);

#endif
