/* SPDX-License-Identifier: BSD-3-Clause */
/** @file vtd.h - Intel VT-d (Virtualization Technology for Directed I/O, revision 4.1). */
#ifndef LIBVIRTIOMMU_VTD_H
#define LIBVIRTIOMMU_VTD_H

#include <libvirtiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to create a VT-d unit. Zero the structure, set size, fill in what is wanted. */
struct viommu_vtd_config {
	uint32_t size;	/**< sizeof(struct viommu_vtd_config) */
	uint32_t flags; /**< 0 */
	/** Capability register, presented exactly (11.4.2); 0: viommu_vtd_default_cap(). */
	uint64_t cap;
	/** Extended capability register, presented exactly (11.4.3); 0 together with cap 0: the
	 * default. */
	uint64_t ecap;
	/** Version register (11.4.1), minor in bits 3:0, major in bits 7:4; 0: 1.0. */
	uint32_t version;
	/** Host address width in bits (36 to 52): pointers and addresses above it are reserved; 0:
	 * the guest address width of cap (MGAW), within these limits. */
	uint32_t haw;
	/** Callbacks; may be NULL. Copied. */
	const struct viommu_host *host;
	/** Cache sizes and caps; may be NULL. Copied. */
	const struct viommu_limits *limits;
};

/**
 * Default capability register: 48-bit, 3 to 4 levels, superpages, 8 fault records at 0x220.
 *
 * Any thread, any time.
 * @return the register
 */
VIOMMU_API uint64_t viommu_vtd_default_cap(void);

/**
 * Default extended capability register: queued invalidation, interrupt remapping with 32-bit destinations (EIM),
 * pass-through, snoop control.
 *
 * Any thread, any time.
 * @return the register
 */
VIOMMU_API uint64_t viommu_vtd_default_ecap(void);

/**
 * Creates a VT-d unit behind no device yet, in its power-on state.
 *
 * Any thread, any time.
 * @param vm      the VM
 * @param config  copied
 * @param iommu   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL (a field is out of range, or cap and ecap contradict each
 * other), VIOMMU_ESIZE, VIOMMU_ENOTSUP (a capability bit names a feature this library does not
 * have), VIOMMU_ENOMEM. Each refusal is explained through host->message.
 */
VIOMMU_API int viommu_vtd_new(struct viommu_vm *vm, const struct viommu_vtd_config *config,
			      struct viommu **iommu);

/**
 * The configuration that a VT-d unit presents: what was given, defaults filled in. host and limits are NULL
 * (viommu_get_limits()).
 *
 * Any thread, any time.
 * @param iommu   a VT-d unit
 * @param config  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_ESIZE, VIOMMU_EINVAL (also: another engine)
 */
VIOMMU_API int viommu_vtd_get_config(const struct viommu *iommu, struct viommu_vtd_config *config);

#ifdef __cplusplus
}
#endif

#endif
