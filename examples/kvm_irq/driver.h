/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * driver.h - what a guest's driver of VT-d interrupt remapping does: a table and an invalidation queue in guest memory,
 * registers, messages for its devices (VT-d 5, 6.5, 9.10, 11.4).
 */
#ifndef EXAMPLES_KVM_IRQ_DRIVER_H
#define EXAMPLES_KVM_IRQ_DRIVER_H

#include <libvirtiommu/iommu.h>

#include <stdbool.h>

#define DRIVER_MEMORY 0x10000U /* bytes of guest memory, from gpa 0, that it wants */

struct driver {
	struct viommu *iommu;
	uint8_t *memory; /* guest memory */
	uint32_t tail;	 /* of the queue, in bytes */
	uint32_t ticket; /* what the last wait writes */
};

/* A fault that the unit recorded. */
struct driver_fault {
	uint16_t source; /* requester id */
	uint16_t index;	 /* of the table entry */
	uint8_t reason;
};

/* The table (32-bit destinations), the queue, and remapping on. False: the unit did not follow. */
bool driver_start(struct driver *d);

/* Table entry: vector to an APIC id, for messages of one source. The unit may still know the old. */
void driver_set_entry(struct driver *d, uint16_t index, uint8_t vector, uint32_t apic_id,
		      uint16_t source, bool level);
void driver_clear_entry(struct driver *d, uint16_t index);
/* Tells the unit, and waits until it says that it is done. */
bool driver_invalidate_entry(struct driver *d, uint16_t index);
/* Whether the last invalidation has been reported as complete. */
bool driver_completed(const struct driver *d);

/* What a device is to write so that an entry is used. Its data is 0. */
uint64_t driver_message(uint16_t index);
/* A redirection entry of an I/O APIC that uses a table entry, unmasked. */
uint64_t driver_redirection(uint16_t index, uint8_t vector, bool level);

/* Takes the oldest fault. False: there is none. */
bool driver_take_fault(struct driver *d, struct driver_fault *fault);

#endif
