/* SPDX-License-Identifier: BSD-3-Clause */
/** @file smmuv3.h - Arm SMMUv3.0 to 3.4 (IHI 0070), the programming interface of the Non-secure state. */
#ifndef LIBVIRTIOMMU_SMMUV3_H
#define LIBVIRTIOMMU_SMMUV3_H

#include <libvirtiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Wired interrupts (viommu_host.line), all of them triggered by edges: those that the guest has given no message. */
#define VIOMMU_SMMUV3_LINE_EVENTQ 0U /**< the event queue is not empty any more */
#define VIOMMU_SMMUV3_LINE_PRIQ                                                                    \
	1U /**< the PRI queue is not empty any more, or has the last request of a group */
#define VIOMMU_SMMUV3_LINE_SYNC	  2U /**< a CMD_SYNC with CS = SIG_IRQ is complete */
#define VIOMMU_SMMUV3_LINE_GERROR 3U /**< an error has become active in GERROR */

/** How to create an SMMU. Zero the structure, set size, fill in what is wanted. */
struct viommu_smmuv3_config {
	uint32_t size;	/**< sizeof(struct viommu_smmuv3_config) */
	uint32_t flags; /**< 0 */
	/** SMMU_IDR0 to IDR5, presented exactly (6.3.1 to 6.3.6); IDR2 and IDR4 are 0. All 0:
	 * viommu_smmuv3_default_idr(). */
	uint32_t idr[6];
	uint32_t iidr; /**< SMMU_IIDR (6.3.7) */
	uint32_t
		aidr; /**< SMMU_AIDR (6.3.8): minor version in bits 3:0, 0 to 4 for SMMUv3.0 to 3.4 */
	/** What SMMU_GBPA is after a reset (6.3.14), without Update. Bit 20, ABORT: what comes while the SMMU is off is
	 * aborted, not passed on. */
	uint32_t gbpa;
	uint32_t reserved; /**< 0 */
	/** Callbacks; may be NULL. Copied. Messages of its own whose address is RAM, as Linux uses them for CMD_SYNC,
	 * are written there and are no call of msi. */
	const struct viommu_host *host;
	/** Cache sizes and caps; may be NULL. Copied. */
	const struct viommu_limits *limits;
};

/**
 * The identification registers of an SMMU that is not told what to be: SMMUv3.2 as machines have it, both stages,
 * 48-bit addresses, all granules, 16-bit StreamIDs in two levels, 16-bit ASIDs and VMIDs, access flag and dirty state,
 * range invalidation, messages; no substreams, ATS, PRI or stalls.
 *
 * Any thread, any time.
 * @param number  0 to 5
 * @return SMMU_IDR<number>; 0 for others
 */
VIOMMU_API uint32_t viommu_smmuv3_default_idr(uint32_t number);

/**
 * Creates an SMMU behind no device yet, in its state after a reset. Devices are known by their StreamIDs. Interrupt
 * messages of devices are writes to a doorbell, translated as any other: viommu_remap_msi() says where they go.
 *
 * A device whose configuration has a resume callback can have transactions stalled (3.12.2); those of others are
 * terminated where the guest's tables ask for a stall. A state does not have them: where it is restored, devices ask again.
 *
 * Any thread, any time.
 * @param vm      the VM
 * @param config  copied
 * @param iommu   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL (a field is out of range, or registers contradict each other),
 * VIOMMU_ESIZE, VIOMMU_ENOTSUP (a bit names a feature this library does not have), VIOMMU_ENOMEM. Each refusal
 * is explained through host->message.
 */
VIOMMU_API int viommu_smmuv3_new(struct viommu_vm *vm, const struct viommu_smmuv3_config *config,
				 struct viommu **iommu);

/**
 * The configuration that an SMMU presents: what was given, defaults filled in. host and limits are NULL
 * (viommu_get_limits()).
 *
 * Any thread, any time.
 * @param iommu   an SMMU
 * @param config  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_ESIZE, VIOMMU_EINVAL (also: another engine)
 */
VIOMMU_API int viommu_smmuv3_get_config(const struct viommu *iommu,
					struct viommu_smmuv3_config *config);

#ifdef __cplusplus
}
#endif

#endif
