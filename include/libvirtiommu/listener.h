/* SPDX-License-Identifier: BSD-3-Clause */
/** @file listener.h - who is told what has changed, or is mapped: shadowing, replays. Included by iommu.h. */
#ifndef LIBVIRTIOMMU_LISTENER_H
#define LIBVIRTIOMMU_LISTENER_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct viommu_fragment;

/* ---- listeners ---- */

/** How requests of a device are treated as a whole: by its own context, as far as it has one. */
#define VIOMMU_MODE_BLOCK     0U /**< every request is refused */
#define VIOMMU_MODE_BYPASS    1U /**< addresses are not translated */
#define VIOMMU_MODE_TRANSLATE 2U /**< addresses are translated through tables */

/** Who wants to be told. Zero the structure, set size, fill in what is wanted; a NULL callback is
 * not called. All callbacks are made from calls on the registers of the IOMMU (viommu_reg_write(), viommu_run(), ...),
 * one at a time, with no lock held. */
struct viommu_listener_config {
	uint32_t size;	/**< sizeof(struct viommu_listener_config) */
	uint32_t flags; /**< 0 */
	void *opaque;	/**< passed to the callbacks */
	/** Translations of [first, last] may have changed or gone: forget them; where mappings are
	 * shadowed, viommu_replay() the range here, or when complete is called. Made before the guest
	 * learns that its invalidation is complete, for each device that may use something of the
	 * domain. pasid VIOMMU_NO_PASID: requests without one; VIOMMU_ANY_PASID: all.
	 *
	 * A mapping that stays as it is never goes away, since an assigned device may be using it: of
	 * a device that was only ever replayed, and never translated through the library, the library
	 * remembers what viommu_replay() has reported, and tells only what is gone, has another target
	 * or permission, or is newly mapped; of the PASIDs that were replayed, each by itself. A device
	 * that is also translated may have caches, and is told of all of the range; so is one whose
	 * mappings are more than limits.shadow ranges, or that is being replayed by another thread at
	 * the moment. Replay while you listen. */
	void (*unmap)(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t first,
		      uint64_t last);
	/** What the device's requests without PASID are subject to: VIOMMU_MODE_*. Told of each device
	 * before viommu_listener_new() returns (with very many devices: the last of them by
	 * viommu_run()), of a new device by the next call on the registers or viommu_run(), which
	 * the host's work callback asks for; when a context invalidation has changed it; and,
	 * changed or not, when translation is switched or gets other tables. */
	void (*mode)(void *opaque, struct viommu_device *device, uint32_t mode);
	/** Interrupt table entries [first, last] may have changed: those of a requester if each has
	 * a table of its own, or of all (VIOMMU_ANY_SOURCE). Only for listeners of the whole IOMMU. */
	void (*interrupts)(void *opaque, uint32_t source, uint32_t first, uint32_t last);
	/** What the callbacks above have told since the last call is about to be reported to the
	 * guest as complete, or the call that told it ends: a listener that gathers what it is told acts upon
	 * it now. A section opened no later than here holds back the completion. Only made to listeners
	 * that were told something. */
	void (*complete)(void *opaque);
	/** A range is mapped that was not. Only of engines whose tables are not in guest memory
	 * (virtio.h), where the guest says so; made for each mapping when a device is attached to a
	 * domain, and for each new one afterwards, in pieces that are contiguous in host memory.
	 * complete follows. Return VIOMMU_OK, or anything else if it cannot be mapped: the guest's
	 * request fails then, and what was told of it is unmapped again. */
	int (*map)(void *opaque, struct viommu_device *device, uint32_t pasid, uint64_t iova,
		   const struct viommu_fragment *fragment);
};

/** Every PASID, and requests without one. */
#define VIOMMU_ANY_PASID 0xfffffffeU
/** Every requester. */
#define VIOMMU_ANY_SOURCE 0xffffffffU

/**
 * Adds a listener. It may be called before this returns: see mode.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run(); also from inside a
 * callback of such a call. Then it is told the mode before that call returns, or by the next
 * viommu_run(), which the host's work callback asks for; and of changes from now on, so that it can replay
 * at once.
 * @param iommu     the IOMMU
 * @param device    one device, or NULL: all of the IOMMU's, also those that come later
 * @param config    copied
 * @param listener  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_EBUSY (another thread's call is
 * under way; or config has map, while listeners are being told of mappings, one after the other: from inside a
 * callback, or, with TCE tables, until viommu_run() has told them)
 */
VIOMMU_API int viommu_listener_new(struct viommu *iommu, struct viommu_device *device,
				   const struct viommu_listener_config *config,
				   struct viommu_listener **listener);

/**
 * Removes a listener. None of its callbacks is made afterwards.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run(); also from inside a
 * callback of such a call, its own included. Then its device is in use until that call returns.
 * @param listener  may be NULL
 * @return VIOMMU_OK, VIOMMU_EBUSY (another thread's call is under way)
 */
VIOMMU_API int viommu_listener_free(struct viommu_listener *listener);

/**
 * Switches a listener's unmap callback off and on, for a VMM that shadows only while a device is
 * assigned: while it is off, unmaps cost nothing for it. What it missed is lost: forget everything,
 * and viommu_replay() after it was switched on. A new listener's is on; other callbacks stay as they
 * are.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run(); also from inside a
 * callback of such a call.
 * @param listener  the listener
 * @param unmap     0: off; 1: on
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EBUSY (another thread's call is under way)
 */
VIOMMU_API int viommu_listener_enable(struct viommu_listener *listener, uint32_t unmap);

/** Budget of viommu_replay() when 0 is given. */
#define VIOMMU_REPLAY_BUDGET_DEFAULT 65536U

/**
 * Reports every mapping of a device in [first, last], in order, merged where contiguous. Listeners
 * then hear of differences to it: see viommu_listener_config.unmap.
 *
 * Any thread, any time; may be called from a listener's callback. Records no fault and sets no
 * accessed or dirty bit.
 * @param device  the device
 * @param pasid   VIOMMU_NO_PASID or a PASID
 * @param first   first address; on return, where to resume
 * @param last    last address
 * @param budget  table entries to look at, at most; 0: VIOMMU_REPLAY_BUDGET_DEFAULT
 * @param mapped  called for each range, without a lock held; non-zero: the range is not taken, and
 * reported again next time
 * @param opaque  passed to mapped
 * @return VIOMMU_OK: done. VIOMMU_MORE: the budget is used up or mapped stopped it; go on from
 * *first. VIOMMU_FAULT: the device is blocked, nothing is mapped. VIOMMU_EINVAL, VIOMMU_ENOTSUP (the
 * engine translates no DMA)
 */
VIOMMU_API int viommu_replay(struct viommu_device *device, uint32_t pasid, uint64_t *first,
			     uint64_t last, uint32_t budget,
			     int (*mapped)(void *opaque, uint64_t iova,
					   const struct viommu_fragment *fragment),
			     void *opaque);

/** Where a device finds a guest-physical address. */
struct viommu_reverse {
	uint64_t iova; /**< the untranslated address */
	/** From there on, translated to what follows the guest-physical address: to the end of its page, whatever comes
	 * after that. */
	uint64_t bytes;
	uint32_t perm;	   /**< VIOMMU_READ, _WRITE, _EXEC */
	uint32_t reserved; /**< 0 */
};

/**
 * Looks for an untranslated address in [first, last] that is translated to a guest-physical one: what
 * viommu_replay() would report, searched. There may be several; the lowest comes first. Time is proportional
 * to the mappings of the device: for what happens seldom, such as a vdpa device that has to be told.
 *
 * Any thread, any time. Records no fault and sets no accessed or dirty bit.
 * @param device  the device
 * @param pasid   VIOMMU_NO_PASID or a PASID
 * @param gpa     guest-physical address
 * @param first   first address; on return, where to go on. After VIOMMU_OK that is behind the page
 * that was found, which looks for the next one; it wraps to 0 past 2^64 - 1
 * @param last    last address
 * @param budget  table entries to look at, at most; 0: VIOMMU_REPLAY_BUDGET_DEFAULT
 * @param found   written with VIOMMU_OK
 * @return VIOMMU_OK: found. VIOMMU_ENOENT: not mapped in [first, last]. VIOMMU_MORE: the budget is
 * used up; go on from *first. VIOMMU_FAULT: the device is blocked, nothing is mapped. VIOMMU_EINVAL,
 * VIOMMU_ENOTSUP (the engine translates no DMA)
 */
VIOMMU_API int viommu_find_iova(struct viommu_device *device, uint32_t pasid, uint64_t gpa,
				uint64_t *first, uint64_t last, uint32_t budget,
				struct viommu_reverse *found);

#ifdef __cplusplus
}
#endif

#endif
