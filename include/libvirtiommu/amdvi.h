/* SPDX-License-Identifier: BSD-3-Clause */
/** @file amdvi.h - AMD I/O virtualization (AMD-Vi, specification 48882). */
#ifndef LIBVIRTIOMMU_AMDVI_H
#define LIBVIRTIOMMU_AMDVI_H

#include <libvirtiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Bits of viommu_amdvi_config.capability, as in the first word of the capability block (3.2.1)
 * @{
 */
#define VIOMMU_AMDVI_CAP_IOTLB	  0x01000000U /**< device TLBs (ATS) are supported */
#define VIOMMU_AMDVI_CAP_NP_CACHE 0x04000000U /**< entries that are not present may be cached */
#define VIOMMU_AMDVI_CAP_EFR	  0x08000000U /**< the extended feature register is there; always set */
#define VIOMMU_AMDVI_CAP_EXT	  0x10000000U /**< miscellaneous register 1 is there */
/** @} */

/** How to create an AMD IOMMU. Zero the structure, set size, fill in what is wanted. */
struct viommu_amdvi_config {
	uint32_t size;	/**< sizeof(struct viommu_amdvi_config) */
	uint32_t flags; /**< 0 */
	/** Extended feature register, presented exactly (3.4.5); 0: viommu_amdvi_default_efr(). What the IVRS table
	 * says of it has to be the same. */
	uint64_t efr;
	/** Extended feature register 2, presented exactly; 0 together with efr 0: viommu_amdvi_default_efr2(). */
	uint64_t efr2;
	/** VIOMMU_AMDVI_CAP_*; 0: IOTLB, EFR and EXT. With NP_CACHE guests invalidate what they map, too: for a VMM
	 * that shadows mappings. */
	uint32_t capability;
	/** Which of the function's messages tells of events and completions, of page requests, and of the guest
	 * virtual APIC log (MsiNum, MsiNumPPR, MsiNumGA): 0 to 31 each. */
	uint8_t msi_event;
	uint8_t msi_ppr;  /**< see msi_event */
	uint8_t msi_ga;	  /**< see msi_event */
	uint8_t reserved; /**< 0 */
	/** Callbacks; may be NULL. Copied. */
	const struct viommu_host *host;
	/** Cache sizes and caps; may be NULL. Copied. */
	const struct viommu_limits *limits;
};

/**
 * Default extended features: v1 tables of up to 6 levels, v2 tables of 4, PASIDs of 16 bits, page requests,
 * accessed and dirty, 128-bit interrupt entries, 32-bit destinations.
 *
 * Any thread, any time.
 * @return the register
 */
VIOMMU_API uint64_t viommu_amdvi_default_efr(void);

/**
 * Default extended features 2: GCR3 tables in guest memory when nested, 2048 interrupt entries, no HyperTransport
 * addresses.
 *
 * Any thread, any time.
 * @return the register
 */
VIOMMU_API uint64_t viommu_amdvi_default_efr2(void);

/**
 * Creates an AMD IOMMU behind no device yet, in its power-on state.
 *
 * Any thread, any time.
 * @param vm      the VM
 * @param config  copied
 * @param iommu   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL (a field is out of range, or features contradict each other), VIOMMU_ESIZE,
 * VIOMMU_ENOTSUP (a bit names a feature this library does not have), VIOMMU_ENOMEM. Each refusal is explained
 * through host->message.
 */
VIOMMU_API int viommu_amdvi_new(struct viommu_vm *vm, const struct viommu_amdvi_config *config,
				struct viommu **iommu);

/**
 * The configuration that an AMD IOMMU presents: what was given, defaults filled in. host and limits are NULL
 * (viommu_get_limits()).
 *
 * Any thread, any time.
 * @param iommu   an AMD IOMMU
 * @param config  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_ESIZE, VIOMMU_EINVAL (also: another engine)
 */
VIOMMU_API int viommu_amdvi_get_config(const struct viommu *iommu,
				       struct viommu_amdvi_config *config);

/** 32-bit words of the capability block (3.2): header, base low, base high, range, miscellaneous 0 and 1. */
#define VIOMMU_AMDVI_CAPABILITY_WORDS 6U

/**
 * What the capability block in the PCI function's configuration space says. The pointer to the next capability is
 * 0, and so are the bits of the range; the VMM has the function, and adds them. The base is locked, as guests find it
 * behind firmware.
 *
 * Any thread, any time.
 * @param iommu  an AMD IOMMU
 * @param base   where the registers are in guest-physical memory, a multiple of 16 KiB
 * @param words  receives VIOMMU_AMDVI_CAPABILITY_WORDS words
 * @return VIOMMU_OK, VIOMMU_EINVAL (also: another engine, or base is not a multiple of 16 KiB)
 */
VIOMMU_API int viommu_amdvi_get_capability(const struct viommu *iommu, uint64_t base,
					   uint32_t *words);

/** The MSI capability of the PCI function, as the guest has programmed it. */
struct viommu_amdvi_msi {
	uint32_t size;	  /**< sizeof(struct viommu_amdvi_msi) */
	uint32_t enabled; /**< 0: messages are not sent */
	uint64_t address; /**< message address */
	uint32_t data;	  /**< message data */
	uint32_t
		messages_lg2; /**< log2 of the messages that may be used, 0 to 5: so many low bits of data say which */
};

/**
 * The guest has programmed the MSI capability of the PCI function, which is the VMM's: where interrupts of the
 * IOMMU's own go, unless the guest uses those in x2APIC format (IntCapXTEn). They are not remapped.
 *
 * Any thread, any time.
 * @param iommu  an AMD IOMMU
 * @param msi    copied
 * @return VIOMMU_OK, VIOMMU_EINVAL (also: another engine), VIOMMU_ESIZE
 */
VIOMMU_API int viommu_amdvi_set_msi(struct viommu *iommu, const struct viommu_amdvi_msi *msi);

#ifdef __cplusplus
}
#endif

#endif
