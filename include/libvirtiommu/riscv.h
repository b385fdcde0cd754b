/* SPDX-License-Identifier: BSD-3-Clause */
/** @file riscv.h - the RISC-V IOMMU (RISC-V IOMMU Architecture Specification, 1.0.1). */
#ifndef LIBVIRTIOMMU_RISCV_H
#define LIBVIRTIOMMU_RISCV_H

#include <libvirtiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to create a RISC-V IOMMU. Zero the structure, set size, fill in what is wanted. */
struct viommu_riscv_config {
	uint32_t size;	/**< sizeof(struct viommu_riscv_config) */
	uint32_t flags; /**< 0 */
	/** The capabilities register, presented exactly (6.3); 0: viommu_riscv_default_capabilities(). */
	uint64_t capabilities;
	/** What ddtp shows after a reset (6.5): 0 (Off: nothing is let through) or 1 (Bare: everything is). */
	uint64_t ddtp;
	/** Interrupt vectors that icvec can name: 1, 2, 4, 8 or 16; 0: 16. */
	uint32_t vectors;
	/** Event counters, 1 to 31, where capabilities.HPM is set; 0: 31. */
	uint32_t counters;
	/** Bits of resource-control and of monitoring-counter ids (4.1), 1 to 12, where capabilities.QOSID is set; 0: 12. */
	uint32_t qosid_bits;
	uint32_t reserved; /**< 0 */
	/** Callbacks; may be NULL. Copied. msi: messages of msi_cfg_tbl. line: with fctl.WSI, the wire of an interrupt vector
	 * of icvec, high as long as a bit of ipsr that has it is set. now: where capabilities.HPM is set, iohpmcycles counts
	 * its nanoseconds, and viommu_reg_read() and viommu_reg_write() call it, too. */
	const struct viommu_host *host;
	/** Cache sizes and caps; may be NULL. Copied. */
	const struct viommu_limits *limits;
};

/**
 * Default capabilities register: Sv39 to Sv57 and their x4 forms, Svpbmt, accessed and dirty, MSI page tables with MRIF,
 * wires and messages, debug, PD8 to PD20, 56-bit physical addresses. No ATS, no counters.
 *
 * Any thread, any time.
 * @return the register
 */
VIOMMU_API uint64_t viommu_riscv_default_capabilities(void);

/**
 * Creates a RISC-V IOMMU behind no device yet, in its state after a reset.
 *
 * Device ids have 24 bits; a process_id is a PASID. What a device writes to a virtual interrupt file whose MSI page table entry
 * is in basic mode is translated as any DMA; in MRIF mode, viommu_translate() answers VIOMMU_INTERRUPT, and viommu_remap_msi() does
 * what the write would have done: the interrupt is then pending in guest memory, and the answer is the notice to be delivered
 * (VIOMMU_MSI_KIND_NOTICE; without VIOMMU_MSI_NOTIFY there is none: the write was one that the interrupt file ignores). A
 * read of such a page gives 0. A translation request (ATS) for one is answered with VIOMMU_INTERRUPT and VIOMMU_ATS_SUCCESS:
 * complete it with R, W and U set. viommu_remap_msi() needs the device to exist.
 *
 * Any thread, any time.
 * @param vm      the VM
 * @param config  copied
 * @param iommu   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL (a field is out of range, or capabilities contradict each other), VIOMMU_ESIZE,
 * VIOMMU_ENOTSUP (a capability names a feature this library does not have), VIOMMU_ENOMEM. Each refusal is explained through
 * host->message.
 */
VIOMMU_API int viommu_riscv_new(struct viommu_vm *vm, const struct viommu_riscv_config *config,
				struct viommu **iommu);

/**
 * The configuration that a RISC-V IOMMU presents: what was given, defaults filled in. host and limits are NULL.
 *
 * Any thread, any time.
 * @param iommu   a RISC-V IOMMU
 * @param config  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_ESIZE, VIOMMU_EINVAL (also: another engine)
 */
VIOMMU_API int viommu_riscv_get_config(const struct viommu *iommu,
				       struct viommu_riscv_config *config);

#ifdef __cplusplus
}
#endif

#endif
