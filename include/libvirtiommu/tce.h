/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tce.h - TCE tables of POWER guests (sPAPR, LoPAR 2.9): hypercalls, RTAS calls, DMA windows.
 *
 * One IOMMU has all DMA windows of a virtual machine. A window belongs to a PE: a host bridge, a slot below one, or a
 * virtual I/O device; all devices of a PE share its windows. There are no registers: the VMM takes hypercalls and RTAS
 * calls to viommu_tce_hcall() and viommu_tce_rtas(), and builds the device tree, which has to say what is configured here.
 *
 * Devices (viommu_device_new()) name their PE by the upper bits of their id: id >> function_bits. A device whose PE does
 * not exist is refused. A device that comes to a PE with mappings, or is given an id there, is told by the mode callback of
 * its listeners alone: they replay (viommu_replay()). Listeners' addresses are bus addresses. A new mapping is told page by page
 * (viommu_listener_config.map); if a listener refuses one, the call fails as if the host had no memory for it, and
 * nothing of it has happened.
 *
 * A call that takes entries away is complete when nobody uses them any more: sections of devices of this PE have to
 * close, and their own caches to be invalidated. Until then it is VIOMMU_PENDING, and the virtual CPU waits.
 *
 * The reason of a refused translation is LoPAR's class of DMA errors: VIOMMU_TCE_*. There are neither PASIDs nor ATS.
 * Writes to the range for interrupt messages are those, whatever windows there are (VIOMMU_INTERRUPT).
 *
 * A saved state has windows and their entries. It restores where the PEs are configured as they were, and, unless
 * VIOMMU_TCE_ANY_ADDRESS is set, where the memory that valid entries lead to is there. Calls that are pending are not part of
 * it: they have been carried out, and whoever restores it gives the virtual CPUs the status that the VMM has. Therefore
 * viommu_save() carries out the rest of one that is under way, whatever limits.steps is; if it cannot, because more
 * device-TLB invalidations are outstanding than limits.outstanding, or it is longer than 2^32 steps, it answers VIOMMU_EBUSY:
 * there is no state until viommu_run() has gone on. A listener with map that comes while others are being told is refused
 * with VIOMMU_EBUSY likewise, after limits.steps. */
#ifndef LIBVIRTIOMMU_TCE_H
#define LIBVIRTIOMMU_TCE_H

#include <libvirtiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Windows that one PE can have at a time. */
#define VIOMMU_TCE_WINDOWS 8U

/**
 * @name Reasons (LoPAR, "DMA error classes")
 * @{
 */
#define VIOMMU_TCE_INVALID_ADDRESS 2U /**< in no window of the PE, or there is no such PE */
#define VIOMMU_TCE_EXTENT	   3U /**< behind the window of a virtual I/O device */
#define VIOMMU_TCE_MAPPING	   5U /**< the entry does not permit the access, or nothing */
/** @} */

/** A refused DMA. */
struct viommu_tce_fault {
	uint32_t pe;	     /**< number of the PE, or VIOMMU_NO_ID: there is none */
	uint32_t liobn;	     /**< of the window that has the address; 0 with has_window 0 */
	uint32_t has_window; /**< 1: liobn is valid */
	uint32_t device;     /**< id of the device */
	uint64_t address;    /**< on the bus */
	uint32_t access;     /**< VIOMMU_READ, VIOMMU_WRITE */
	uint32_t reason;     /**< VIOMMU_TCE_* */
};

/** A DMA window. It may not wrap. */
struct viommu_tce_window {
	uint32_t liobn;	     /**< handle */
	uint32_t page_shift; /**< bytes of a page, as a power of two: 12, 16, 21 or 24 */
	uint64_t start;	     /**< bus address, a multiple of the page size */
	uint64_t entries;    /**< pages, 1 to 2^52 */
};

/** H_STUFF_TCE has no limit of 512 entries if it takes permissions away: guests before Linux 6.3 ask for more. */
#define VIOMMU_TCE_STUFF_UNLIMITED 1U
/** TCEs may lead anywhere, not only to memory of the partition. */
#define VIOMMU_TCE_ANY_ADDRESS 2U
/** hcall-multi-tce is not offered: H_STUFF_TCE and H_PUT_TCE_INDIRECT answer H_Function. */
#define VIOMMU_TCE_NO_MULTI 4U

/** How to create the TCE tables of a VM. Zero the structure, set size, fill in what is wanted. 0 in a field of numbers:
 * the default. */
struct viommu_tce_config {
	uint32_t size;	/**< sizeof(struct viommu_tce_config) */
	uint32_t flags; /**< VIOMMU_TCE_* */
	uint32_t pes;	/**< PEs at a time, numbers are less than that; default 256, at most 4096 */
	/** Low bits of a device's id that say which of its PE's devices it is, such as 16 for requester ids; the others are
	 * the number of the PE. At most 20; 0: a device's id is the number of its PE. */
	uint32_t function_bits;
	/** Memory of all tables together, at most; default 256 MiB, at least 64 KiB. What a guest maps beyond is
	 * refused (H_NOT_ENOUGH_RESOURCES, -44). */
	uint64_t table_bytes;
	uint64_t
		msi_first; /**< first bus address of interrupt messages of PCI devices; a multiple of 4096 */
	uint64_t msi_bytes; /**< how many, a multiple of 4096; 0: there are none */
	void *opaque;	    /**< passed to the callbacks below */
	/** A call that was VIOMMU_PENDING is complete: status is what goes into r3 of a hypercall, or into the first result of
	 * an RTAS call (if it has one). From viommu_run(). May be NULL if no call is ever pending: nobody has channels,
	 * sections, listeners or device caches, and limits.steps is the default. */
	void (*complete)(void *opaque, uint64_t token, int64_t status);
	/** A DMA was refused; not for VIOMMU_QUIET. From any thread that translates; no lock is held. May be NULL. */
	void (*fault)(void *opaque, const struct viommu_tce_fault *fault);
	/** Whether [gpa, gpa + bytes), which no region of the VM has, is memory of the partition: not 0. NULL: it is not.
	 * From the guest's calls (hypercalls) that name it. No lock is held. */
	int (*owns)(void *opaque, uint64_t gpa, uint64_t bytes);
	/** A window of a PE comes (present 1, empty) or has gone (0). From the call that does it. One that comes may be
	 * refused by anything but VIOMMU_OK, as when the host's IOMMU cannot have such a one: the guest's call fails
	 * (hardware error); it is not asked for a default window that comes back. May be NULL. */
	int (*window)(void *opaque, uint32_t pe, const struct viommu_tce_window *window,
		      uint32_t present);
	/** Callbacks; may be NULL. Copied. */
	const struct viommu_host *host;
	/** Cache sizes and caps; may be NULL. Copied. */
	const struct viommu_limits *limits;
};

/**
 * Creates the TCE tables of a VM, without PEs.
 *
 * Any thread, any time.
 * @param vm      the VM
 * @param config  copied
 * @param iommu   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL (a field is out of range), VIOMMU_ESIZE, VIOMMU_ENOTSUP (an unknown flag),
 * VIOMMU_ENOMEM. Each refusal is explained through host->message.
 */
VIOMMU_API int viommu_tce_new(struct viommu_vm *vm, const struct viommu_tce_config *config,
			      struct viommu **iommu);

/**
 * The configuration of TCE tables: what was given, defaults filled in. host and limits are NULL (viommu_get_limits()).
 *
 * Any thread, any time.
 * @param iommu   TCE tables
 * @param config  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_ESIZE, VIOMMU_EINVAL (also: another engine)
 */
VIOMMU_API int viommu_tce_get_config(const struct viommu *iommu, struct viommu_tce_config *config);

/* ---- PEs ---- */

/** A virtual I/O device: buid is its unit address, bypass and quiesce are for it, dynamic windows and interrupt messages
 * are not. Its LIOBN may be that of another one, which then shares the window. */
#define VIOMMU_TCE_PE_VIO 1U
/** It has dynamic windows: ibm,ddw-applicable. */
#define VIOMMU_TCE_PE_DDW 2U
/** The PE is a slot: RTAS calls have to name config_addr, too. Without it a PE is all of a host bridge. */
#define VIOMMU_TCE_PE_SLOT 4U
/** ibm,ddw-extensions: without ibm,reset-pe-dma-windows. */
#define VIOMMU_TCE_PE_NO_RESET 8U
/** ibm,ddw-extensions: ibm,query-pe-dma-window has five outputs, and not six, too. */
#define VIOMMU_TCE_PE_FIVE 16U
/** ibm,ddw-extensions: limited addressing is offered (reset with four arguments). */
#define VIOMMU_TCE_PE_LIMITED 32U

/** A PE. Zero the structure, set size, fill in what is wanted. 0 in a field of numbers: the default. */
struct viommu_tce_pe {
	uint32_t size;	      /**< sizeof(struct viommu_tce_pe) */
	uint32_t flags;	      /**< VIOMMU_TCE_PE_* */
	uint32_t number;      /**< less than viommu_tce_config.pes; none has it yet */
	uint32_t config_addr; /**< bus << 16 | devfn << 8, with VIOMMU_TCE_PE_SLOT */
	uint64_t buid;	      /**< of the host bridge, or the unit address */
	/** The default window. Its LIOBN is the first that is given out. */
	struct viommu_tce_window window;
	/** LIOBNs of further windows, in the order in which they are given out; none that another PE has. Copied. */
	const uint32_t *liobns;
	uint32_t liobn_count; /**< of liobns, at most VIOMMU_TCE_WINDOWS - 1 */
	uint32_t reserved;    /**< 0 */
	/** Page sizes of created windows: bit n for 2^n bytes, n of 12, 16, 21, 24. Default: 4 KiB. */
	uint64_t page_sizes;
	/** Entries of a created window, at most: what ibm,query-pe-dma-window says. Default 2^37. */
	uint64_t largest;
	/** Bus address of a window that is created while the default address is taken, or not fit for it. Default
	 * 2^59. */
	uint64_t dynamic_start;
	uint64_t
		mmio_first; /**< bus addresses of the bridge's own memory, where no window may be: the first, */
	uint64_t mmio_last; /**< and the last one; 0 with mmio_first 0: none */
};

/**
 * Adds a PE, with its default window, empty.
 *
 * One at a time per handle, together with viommu_tce_hcall() and viommu_run().
 * @param iommu  TCE tables
 * @param pe     copied
 * @return VIOMMU_OK, VIOMMU_ESIZE, VIOMMU_EINVAL (also: not TCE tables, or the window may not be there), VIOMMU_EEXIST (the
 * number, a LIOBN, or what RTAS calls name it by is another's), VIOMMU_EBUSY (as viommu_reg_write()), VIOMMU_ELIMIT (a call
 * is still under way: try again after viommu_run())
 */
VIOMMU_API int viommu_tce_add_pe(struct viommu *iommu, const struct viommu_tce_pe *pe);

/**
 * Removes a PE with its windows. Its devices have to be freed, or have other ids, before.
 *
 * One at a time per handle, together with viommu_tce_hcall() and viommu_run().
 * @param iommu   TCE tables
 * @param number  of the PE
 * @return VIOMMU_OK; VIOMMU_EINVAL, VIOMMU_ENOENT; VIOMMU_EBUSY (a device has an id of this PE, another PE shares its window;
 * or as viommu_reg_write()), VIOMMU_ELIMIT (as viommu_tce_add_pe())
 */
VIOMMU_API int viommu_tce_remove_pe(struct viommu *iommu, uint32_t number);

/**
 * The windows that a PE has now, in the order of its LIOBNs.
 *
 * One at a time per handle, together with viommu_tce_hcall() and viommu_run().
 * @param iommu    TCE tables
 * @param number   of the PE
 * @param windows  receives them: room for VIOMMU_TCE_WINDOWS
 * @param count    receives how many
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOENT, VIOMMU_EBUSY (as viommu_reg_write())
 */
VIOMMU_API int viommu_tce_get_windows(struct viommu *iommu, uint32_t number,
				      struct viommu_tce_window *windows, uint32_t *count);

/* ---- calls of the guest ---- */

/** Registers of a hypercall: r3 to r8. */
#define VIOMMU_TCE_REGISTERS 6U

/**
 * Executes a hypercall: H_GET_TCE, H_PUT_TCE, H_STUFF_TCE, H_PUT_TCE_INDIRECT. Of those for RTCE tables, RDMA, LIOBN attributes
 * and migration of pages none is offered (H_Function). That the caller is privileged and in 64-bit mode is for the VMM
 * to check.
 *
 * One at a time per handle, together with viommu_run().
 * @param iommu      TCE tables
 * @param registers  r3 to r8: token and arguments; on return r3 has the status, and r4 what H_GET_TCE found
 * @param token      passed to the complete callback if the call is pending
 * @return VIOMMU_OK: done. VIOMMU_PENDING: it is under way (limits.steps), or someone may still use what it takes away: the
 * complete callback will have the status. VIOMMU_ENOENT: no hypercall of TCEs, registers are unchanged. VIOMMU_EINVAL (not TCE
 * tables, or NULL), VIOMMU_EBUSY (as viommu_reg_write()); VIOMMU_ELIMIT: an earlier call or a reset is still under way, or 1024
 * calls are pending: nothing has been done, try again after viommu_run().
 */
VIOMMU_API int viommu_tce_hcall(struct viommu *iommu, uint64_t registers[VIOMMU_TCE_REGISTERS],
				uint64_t token);

/** RTAS calls. */
enum viommu_tce_rtas_call {
	VIOMMU_TCE_RTAS_QUERY,	/**< ibm,query-pe-dma-window */
	VIOMMU_TCE_RTAS_CREATE, /**< ibm,create-pe-dma-window */
	VIOMMU_TCE_RTAS_REMOVE, /**< ibm,remove-pe-dma-window */
	VIOMMU_TCE_RTAS_RESET,	/**< ibm,reset-pe-dma-windows */
	VIOMMU_TCE_RTAS_BYPASS, /**< ibm,set-tce-bypass: unit address, 1 on or 0 off */
	VIOMMU_TCE_RTAS_QUIESCE /**< quiesce: virtual I/O devices have no mappings any more */
};

/**
 * Executes an RTAS call. Cells are in the byte order of the host.
 *
 * One at a time per handle, together with viommu_run().
 * @param iommu      TCE tables
 * @param call       VIOMMU_TCE_RTAS_*
 * @param arguments  cells
 * @param nargs      how many
 * @param results    receives nret cells, the status first; whole, also if the call is pending
 * @param nret       how many; firmware calls VIOMMU_TCE_RTAS_BYPASS and _QUIESCE with 0
 * @param token      passed to the complete callback if the call is pending
 * @return as viommu_tce_hcall(); VIOMMU_EINVAL also: no such call
 */
VIOMMU_API int viommu_tce_rtas(struct viommu *iommu, uint32_t call, const uint32_t *arguments,
			       uint32_t nargs, uint32_t *results, uint32_t nret, uint64_t token);

#ifdef __cplusplus
}
#endif

#endif
