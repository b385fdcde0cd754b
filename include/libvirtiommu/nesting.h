/* SPDX-License-Identifier: BSD-3-Clause */
/** @file nesting.h - devices whose requests the host's IOMMU translates by itself, with the guest's own first stage on
 * top of the VM's second (iommufd).
 *
 * The engine reads what the guest configures and commands, as for any device, and hands it over instead of
 * translating: which tables are to be walked, and what has to be invalidated. It does so before the guest can learn that
 * a command is complete. Devices that nest and devices that are emulated may be behind the same IOMMU.
 *
 * Present nothing that the host does not have: viommu_vtd_fit(), viommu_smmuv3_fit().
 */
#ifndef LIBVIRTIOMMU_NESTING_H
#define LIBVIRTIOMMU_NESTING_H

#include <libvirtiommu/smmuv3.h>
#include <libvirtiommu/vtd.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name What a first stage, and the entries of an invalidation, are made of: the kernel's numbers (enum
 * iommu_hwpt_data_type)
 * @{
 */
/** A stage: struct iommu_hwpt_vtd_s1. Entries: struct viommu_nested_range, which is struct
 * iommu_hwpt_vtd_s1_invalidate; of one requester. */
#define VIOMMU_NESTED_VTD_S1 1U
/** A stage: words 0 and 1 of the stream table entry, as struct iommu_hwpt_arm_smmuv3. Entries: commands of 16 bytes,
 * as struct iommu_viommu_arm_smmuv3_invalidate; of all requesters, which the commands name. */
#define VIOMMU_NESTED_SMMUV3 2U
/** @} */

/** Tables that the host is to walk, in the form that the kernel takes. Layout is frozen: 40 bytes. */
struct viommu_nested_stage {
	uint32_t type;	  /**< VIOMMU_NESTED_* */
	uint32_t bytes;	  /**< of data; the rest is 0 */
	uint64_t data[4]; /**< addresses in it are guest-physical */
};

/** The range has the same upper tables as before. */
#define VIOMMU_NESTED_LEAF 1U

/** Pages of a first stage that are to be forgotten. Layout is frozen: 24 bytes. */
struct viommu_nested_range {
	uint64_t address;  /**< of the first, a multiple of 4096 */
	uint64_t pages;	   /**< of 4096 bytes; UINT64_MAX with address 0: everything */
	uint32_t flags;	   /**< VIOMMU_NESTED_LEAF */
	uint32_t reserved; /**< 0 */
};

/** Requesters of one IOMMU that one host IOMMU translates for. */
struct viommu_nesting;

/** Who hands over to the host. Zero the structure, set size, fill in all callbacks. They are made from calls on the
 * registers and viommu_run(), without a lock held, and must not call back into the IOMMU. */
struct viommu_nesting_config {
	uint32_t size;	/**< sizeof(struct viommu_nesting_config) */
	uint32_t flags; /**< 0 */
	void *opaque;	/**< passed to the callbacks */
	/** The requester's addresses are translated by these tables from now on, and nothing of before is used any
	 * more when it returns. Return VIOMMU_OK, or anything else if the host refuses them: the requester is blocked
	 * then. */
	int (*install)(void *opaque, struct viommu_device *device, uint32_t pasid,
		       const struct viommu_nested_stage *stage);
	/** The same without a first stage. VIOMMU_MODE_BLOCK: no request may pass. VIOMMU_MODE_BYPASS: addresses are
	 * guest-physical. VIOMMU_MODE_TRANSLATE: they are translated by tables that no host walks (a second stage of
	 * VT-d): block, or shadow the tables with a listener. */
	void (*mode)(void *opaque, struct viommu_device *device, uint32_t pasid, uint32_t mode);
	/** What the host has to forget, in the order of the guest's commands: all that was gathered up to where the
	 * guest waits. device is NULL, and pasid VIOMMU_NO_PASID, where entries name the requester themselves. Return
	 * how many were taken: with less than count, the guest is told of an error in the command that the first of
	 * the others comes from; what comes from no command (a register) blocks the requester instead. */
	uint32_t (*invalidate)(void *opaque, struct viommu_device *device, uint32_t pasid,
			       uint32_t type, const void *entries, uint32_t count);
};

/**
 * Makes a group of requesters, none at first.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param iommu    the IOMMU
 * @param config   copied
 * @param nesting  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_EBUSY (a call on the IOMMU is under way),
 * VIOMMU_ENOTSUP: there is no such interface for this engine, or VT-d does not present caching mode (CAP.CM),
 * without which a guest does not tell of tables that it adds
 */
VIOMMU_API int viommu_nesting_new(struct viommu *iommu, const struct viommu_nesting_config *config,
				  struct viommu_nesting **nesting);

/**
 * Frees a group.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param nesting  may be NULL
 * @return VIOMMU_OK; VIOMMU_EBUSY: there are requesters in it, or a call on the IOMMU is under way
 */
VIOMMU_API int viommu_nesting_free(struct viommu_nesting *nesting);

/**
 * Adds a requester. install or mode is called for it before this returns, and whenever something else applies.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param nesting  the group
 * @param device   of the same IOMMU; it cannot be freed while it is in a group
 * @param pasid    VIOMMU_NO_PASID: its requests without PASID; with SMMUv3 all of them, since the host walks the
 * guest's context descriptors, too
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EEXIST (it is in a group), VIOMMU_ENOMEM, VIOMMU_EBUSY
 */
VIOMMU_API int viommu_nesting_add(struct viommu_nesting *nesting, struct viommu_device *device,
				  uint32_t pasid);

/**
 * Takes a requester out: nothing of it is handed over any more. The VMM blocks it first.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param nesting  the group
 * @param device   the device
 * @param pasid    as it was added
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOENT (it is not in the group), VIOMMU_EBUSY
 */
VIOMMU_API int viommu_nesting_remove(struct viommu_nesting *nesting, struct viommu_device *device,
				     uint32_t pasid);

/**
 * Leaves a record of the host's in the guest's queue or registers, as if the engine had found the fault: the requester
 * in it is replaced by the device's id. Page requests of the host's go to viommu_request_page().
 *
 * Any thread, any time.
 * @param device  whose request it was
 * @param record  as the architecture lays it out; VT-d: the two words of a fault recording register (11.4.14). SMMUv3: the
 * four of an event
 * @param words   in record
 * @return VIOMMU_OK: recorded, or counted as lost if there is no room. VIOMMU_EINVAL (also: the device has no id, or
 * the record is none), VIOMMU_ENOTSUP (the engine has no such records)
 */
VIOMMU_API int viommu_report_event(struct viommu_device *device, const uint64_t *record,
				   uint32_t words);

/**
 * Narrows a configuration to what a host can nest: first stages only, with caching mode, and no capability of theirs
 * that the host lacks.
 *
 * Any thread, any time.
 * @param config     cap and ecap are changed; cap 0: the default is taken, in scalable mode with a first stage
 * @param host_cap   the host's capability register (struct iommu_hw_info_vtd)
 * @param host_ecap  its extended one
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOTSUP: the host cannot nest, or the configuration has no scalable mode
 */
VIOMMU_API int viommu_vtd_fit(struct viommu_vtd_config *config, uint64_t host_cap,
			      uint64_t host_ecap);

/**
 * The same of an SMMU: stage 1 only, without stalls, page requests, hardware update of tables, and what else the kernel's
 * interface has no place for. ATS is the VMM's to decide by the devices that it has.
 *
 * Any thread, any time.
 * @param config    idr is changed; all 0: the default is taken
 * @param host_idr  the host's SMMU_IDR0 to IDR5 (struct iommu_hw_info_arm_smmuv3), of which only those fields are read that
 * the kernel promises
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOTSUP: the host cannot nest, or there is no common granule
 */
VIOMMU_API int viommu_smmuv3_fit(struct viommu_smmuv3_config *config, const uint32_t host_idr[6]);

#ifdef __cplusplus
}
#endif

#endif
