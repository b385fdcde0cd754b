/* SPDX-License-Identifier: BSD-3-Clause */
/** @file ioapic.h - an I/O APIC (82093AA) for VMMs that keep it in user space (KVM's split
 * irqchip).
 */
#ifndef LIBVIRTIOMMU_IOAPIC_H
#define LIBVIRTIOMMU_IOAPIC_H

#include <libvirtiommu/irq.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An I/O APIC. */
struct viommu_ioapic;

/** Lines are asserted or not, whatever an entry's polarity says, as KVM and QEMU have it. Otherwise
 * they are high or low, as in the data sheet. */
#define VIOMMU_IOAPIC_LOGICAL_LINES 1U

/** How to create an I/O APIC. Zero the structure, set size, fill in what is wanted. */
struct viommu_ioapic_config {
	uint32_t size;	  /**< sizeof(struct viommu_ioapic_config) */
	uint32_t flags;	  /**< VIOMMU_IOAPIC_* */
	uint32_t pins;	  /**< 24 to 240; 0: 24 */
	uint32_t version; /**< 0x11, or 0x20: with the EOI register; 0: 0x20 */
	uint32_t source;  /**< requester id of its messages */
	uint32_t id;	  /**< initial APIC id, 4 bits */
	void *opaque;	  /**< passed to the callbacks */
	/** A pin's message, remapped (a NULL callback is not called); msi->flags as
	 * viommu_remap_msi() left them. From the call that sent it: on the I/O APIC, or on the IOMMU's registers.
	 * No lock is held. */
	void (*deliver)(void *opaque, uint32_t pin, const struct viommu_msi *msi);
	/** A pin's redirection entry changed in what it sends, or whether it does: its route is out
	 * of date. From viommu_ioapic_write() or viommu_ioapic_restore(). No lock is held. */
	void (*changed)(void *opaque, uint32_t pin);
	/** A level-triggered pin's interrupt was acknowledged (for resampling). From viommu_ioapic_eoi() or
	 * viommu_ioapic_write(). No lock is held. */
	void (*acknowledged)(void *opaque, uint32_t pin);
};

/** What a pin would send, before remapping. */
struct viommu_ioapic_message {
	uint64_t address;   /**< message address */
	uint32_t data;	    /**< message data */
	uint8_t masked;	    /**< 1: nothing is sent */
	uint8_t level;	    /**< 1: level-triggered */
	uint8_t vector;	    /**< of the redirection entry */
	uint8_t reserved;   /**< 0 */
	uint32_t source;    /**< requester id of the I/O APIC */
	uint32_t reserved2; /**< 0 */
};

/**
 * Creates an I/O APIC in its power-on state: every pin masked, no line asserted.
 *
 * One at a time per handle of the IOMMU, together with viommu_reg_write(); without one: any thread,
 * any time.
 * @param vm      whose allocator is used
 * @param iommu   through which messages go, as by viommu_remap_msi(); NULL: they leave as they are
 * @param config  copied
 * @param ioapic  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_EBUSY (a call on registers
 * of the IOMMU is under way)
 */
VIOMMU_API int viommu_ioapic_new(struct viommu_vm *vm, struct viommu *iommu,
				 const struct viommu_ioapic_config *config,
				 struct viommu_ioapic **ioapic);

/**
 * Frees an I/O APIC. It must be freed before its IOMMU and its VM.
 *
 * Alone: nothing else may run on this handle, and no call on registers of the IOMMU.
 * @param ioapic  may be NULL
 * @return VIOMMU_OK, VIOMMU_EBUSY (a call on registers of the IOMMU is under way; nothing is freed)
 */
VIOMMU_API int viommu_ioapic_free(struct viommu_ioapic *ioapic);

/**
 * The guest reads its window: index (0x00), data (0x10); other offsets read as 0.
 *
 * Any thread, any time.
 * @param ioapic  the I/O APIC
 * @param offset  from the start of its 4 KiB
 * @param bytes   1 to 8; the registers are 32 bits wide, of which the low bytes are read
 * @param value   receives the value
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_ioapic_read(struct viommu_ioapic *ioapic, uint64_t offset, uint32_t bytes,
				  uint64_t *value);

/**
 * The guest writes its window: index (0x00), data (0x10), EOI (0x40, version 0x20). May call every
 * callback.
 *
 * Any thread, any time.
 * @param ioapic  the I/O APIC
 * @param offset  from the start of its 4 KiB
 * @param bytes   1 to 8; data and EOI take 32-bit writes only
 * @param value   the value
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_ioapic_write(struct viommu_ioapic *ioapic, uint64_t offset, uint32_t bytes,
				   uint64_t value);

/**
 * Sets the level of an input line. May call deliver.
 *
 * Any thread, any time.
 * @param ioapic  the I/O APIC
 * @param pin     below pins
 * @param level   1: high, or with VIOMMU_IOAPIC_LOGICAL_LINES asserted; 0: not. Until its line is
 * set for the first time a pin is not asserted, whatever its polarity. A level interrupt that
 * remapping refused is tried again, also if the level is the same; by itself when the guest
 * invalidates interrupt table entries, or maps the message's address where there are none (deliver is called from
 * that call on registers, or request)
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_ioapic_set_line(struct viommu_ioapic *ioapic, uint32_t pin, uint32_t level);

/**
 * A local APIC broadcasts an EOI. May call deliver and acknowledged.
 *
 * Any thread, any time.
 * @param ioapic  the I/O APIC
 * @param vector  that was acknowledged
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_ioapic_eoi(struct viommu_ioapic *ioapic, uint32_t vector);

/**
 * What a pin would send.
 *
 * Any thread, any time.
 * @param ioapic   the I/O APIC
 * @param pin      below pins
 * @param message  receives it
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_ioapic_get_message(struct viommu_ioapic *ioapic, uint32_t pin,
					 struct viommu_ioapic_message *message);

/**
 * Saves the state, input lines included.
 *
 * Any thread, any time.
 * @param ioapic  the I/O APIC
 * @param buffer  receives the state; NULL with capacity 0 asks for the size
 * @param bytes   in: capacity; out: bytes needed
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOSPC
 */
VIOMMU_API int viommu_ioapic_save(struct viommu_ioapic *ioapic, void *buffer, uint64_t *bytes);

/**
 * Restores a saved state. Refused whole if anything in it is invalid. Nothing is delivered; changed
 * is called for every pin.
 *
 * Any thread, any time.
 * @param ioapic  the I/O APIC, with as many pins and the same version
 * @param buffer  what viommu_ioapic_save() wrote; not trusted
 * @param bytes   its length
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESTATE
 */
VIOMMU_API int viommu_ioapic_restore(struct viommu_ioapic *ioapic, const void *buffer,
				     uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
