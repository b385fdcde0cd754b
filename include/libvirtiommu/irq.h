/* SPDX-License-Identifier: BSD-3-Clause */
/** @file irq.h - message-signalled interrupts through interrupt remapping. */
#ifndef LIBVIRTIOMMU_IRQ_H
#define LIBVIRTIOMMU_IRQ_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Resolve for a route: record no fault and change nothing in guest memory. Otherwise: deliver. */
#define VIOMMU_MSI_RESOLVE 1U
/** It is not known who sends the message: source is ignored. Where the guest has sources verified, the message is
 * refused like one from a wrong source, since it may be one; the same where each requester has tables or mappings of
 * its own (virtio-iommu, ITS). Faults are recorded with source 0. */
#define VIOMMU_MSI_NO_SOURCE 2U
/** With VIOMMU_MSI_NO_SOURCE: the VMM vouches that whoever sends the message may send it, and the guest's
 * verification of sources is skipped. */
#define VIOMMU_MSI_TRUSTED 4U

/** The message is a notification of a posted interrupt; it is due only if VIOMMU_MSI_NOTIFY is set
 * too. */
#define VIOMMU_MSI_POSTED 1U
/** A posted interrupt's notification is due. */
#define VIOMMU_MSI_NOTIFY 2U
/** The message was not remapped: it is delivered as it came. */
#define VIOMMU_MSI_UNREMAPPED 4U

/** What an interrupt has become. An LPI or a vLPI has no address. */
#define VIOMMU_MSI_KIND_MESSAGE                                                                    \
	0U /**< a message: address and data, and what they say to an x86 local APIC */
#define VIOMMU_MSI_KIND_LPI  1U /**< an LPI: intid, at a redistributor (cpu) */
#define VIOMMU_MSI_KIND_VLPI 2U /**< a virtual LPI: intid, of a virtual processor (cpu) */
/** The interrupt is stored in guest memory, and this message, address and data, is the notice of it. */
#define VIOMMU_MSI_KIND_NOTICE 3U

/** What an interrupt has become, raw and decoded. Layout is frozen: 40 bytes. */
struct viommu_msi {
	uint64_t address;      /**< as KVM wants it: destination bits 31:8 in address bits 63:40 */
	uint32_t data;	       /**< message data */
	uint32_t destination;  /**< APIC id or logical destination, 32 bits */
	uint8_t vector;	       /**< vector */
	uint8_t delivery_mode; /**< 0 fixed, 1 lowest priority, 2 SMI, 4 NMI, 5 INIT, 7 ExtINT */
	uint8_t logical;       /**< 1: destination is logical */
	uint8_t level;	       /**< 1: level-triggered */
	uint8_t redirection_hint; /**< 1: may go to any of the destinations */
	uint8_t flags;		  /**< VIOMMU_MSI_POSTED, _NOTIFY, _UNREMAPPED */
	uint16_t reason;	  /**< with VIOMMU_FAULT: the architecture's fault reason */
	uint32_t index;		  /**< table entry used; UINT32_MAX: none */
	uint32_t kind;		  /**< VIOMMU_MSI_KIND_* */
	uint32_t intid;		  /**< number of an LPI or vLPI; otherwise 0 */
	uint32_t cpu; /**< number of the redistributor, or of the virtual processor; otherwise 0 */
};

/**
 * What a device's (or an I/O APIC's) message means. Behind an IOMMU without interrupt remapping
 * (virtio-iommu), a message is the write that it is: in an MSI region or in bypass it passes
 * unremapped; elsewhere the mapping decides where it goes, and msi->address is that.
 *
 * The answer may be out of date as soon as it is given. If you deliver it, open a section (viommu_enter() of any
 * channel of the IOMMU) before you ask, and close it when it has been delivered: then no invalidation that concerns it
 * is complete in between.
 *
 * Any thread, any time.
 * @param iommu    the IOMMU
 * @param source   requester id that the bus reports; of an I/O APIC, the one that the guest was told: with VT-d
 * the bus, device and function of its scope in the DMAR table (device scope type 3), with AMD-Vi the DeviceID
 * of its special device entry in the IVRS table. It need not be that of a device that exists
 * @param address  message address
 * @param data     message data
 * @param flags    VIOMMU_MSI_RESOLVE, _NO_SOURCE, _TRUSTED
 * @param msi      receives the message
 * @return VIOMMU_OK; VIOMMU_FAULT: refused, and recorded unless resolving or msi->reason is 0;
 * VIOMMU_EINVAL (also: VIOMMU_MSI_TRUSTED without VIOMMU_MSI_NO_SOURCE)
 */
VIOMMU_API int viommu_remap_msi(struct viommu *iommu, uint32_t source, uint64_t address,
				uint32_t data, uint32_t flags, struct viommu_msi *msi);

struct viommu_step;

/**
 * Explains what a message would mean, as viommu_remap_msi() with VIOMMU_MSI_RESOLVE: every structure that is
 * read, with VIOMMU_EXPLAIN_CACHES what the cache of entries would have said, and the answer: address, data,
 * LPI and CPU of struct viommu_msi. Without interrupt remapping in the engine a message is a write, and
 * explained as such.
 *
 * Any thread, any time.
 * @param iommu    the IOMMU
 * @param source   who sends it, as for viommu_remap_msi()
 * @param address  message address
 * @param data     message data
 * @param flags    VIOMMU_EXPLAIN_*
 * @param step     called for each step, in order, without a lock held; non-zero: no more steps
 * @param opaque   passed to step
 * @return as viommu_remap_msi() would have: VIOMMU_OK, VIOMMU_FAULT; VIOMMU_MORE: step stopped it;
 * VIOMMU_EINVAL; VIOMMU_ENOTSUP (the engine has no messages)
 */
VIOMMU_API int viommu_explain_msi(struct viommu *iommu, uint32_t source, uint64_t address,
				  uint32_t data, uint32_t flags,
				  int (*step)(void *opaque, const struct viommu_step *step),
				  void *opaque);

#ifdef __cplusplus
}
#endif

#endif
