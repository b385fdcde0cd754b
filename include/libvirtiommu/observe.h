/* SPDX-License-Identifier: BSD-3-Clause */
/** @file observe.h - what goes on in an IOMMU, for people and tools: texts of fault reasons,
 * counters, tracing. */
#ifndef LIBVIRTIOMMU_OBSERVE_H
#define LIBVIRTIOMMU_OBSERVE_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a fault reason means, for a person to read: one line without a full stop.
 *
 * Any thread, any time.
 * @param iommu   the IOMMU that gave the reason
 * @param reason  viommu_answer.reason, viommu_msi.reason, viommu_step.reason; of an ITS also the code that
 * its error callback was given
 * @return a constant string, never NULL; "unknown" if the engine has no such reason, and for NULL
 */
VIOMMU_API const char *viommu_reason_text(const struct viommu *iommu, uint32_t reason);

/* ---- counters ---- */

/**
 * What an IOMMU, or one device of it, has done since it was made. Counters never go back; each is right by
 * itself, but they are not all of one moment. Hits are not counted, nor are questions (VIOMMU_QUIET, viommu_explain(),
 * VIOMMU_MSI_RESOLVE, viommu_replay()).
 */
struct viommu_statistics {
	uint32_t size;	      /**< sizeof(struct viommu_statistics), set by the caller */
	uint32_t outstanding; /**< device-TLB invalidations that have not been answered */
	uint64_t misses;      /**< pages that no cache had, or not with this permission */
	uint64_t fills;	      /**< of these, kept in the shared TLB */
	uint64_t
		evictions; /**< fills that took the place of another page, maybe of one no longer valid */
	uint64_t faults;		   /**< DMA refused: viommu_get_faults() by reason */
	uint64_t page_requests;		   /**< viommu_request_page() */
	uint64_t device_tlb_invalidations; /**< viommu_device_config.invalidate was called */
	/* Of the IOMMU alone; 0 for a device. */
	uint64_t message_faults;	/**< interrupt messages refused, by reason as faults are */
	uint64_t flushes;		/**< invalidations of everything */
	uint64_t context_invalidations; /**< of contexts: of all, a domain, or a device */
	uint64_t domain_invalidations;	/**< of everything of a domain */
	uint64_t range_invalidations;	/**< of addresses of a domain */
	uint64_t interrupt_invalidations; /**< of interrupt table entries */
	uint64_t commands;		  /**< commands, descriptors, requests that were executed */
	uint64_t command_errors;	  /**< those that were refused */
	uint64_t completions;		  /**< of invalidations, that the guest was told of */
	/** Nanoseconds that the longest of these was pending, at least: as seen by viommu_run(), which reads the
	 * host's clock. 0 without viommu_host.now. */
	uint64_t longest_completion;
};

/**
 * Reads the counters of an IOMMU: those of its devices, present and past, together.
 *
 * Any thread, any time.
 * @param iommu       the IOMMU
 * @param statistics  size set; receives them
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE
 */
VIOMMU_API int viommu_get_statistics(const struct viommu *iommu,
				     struct viommu_statistics *statistics);

/**
 * Reads the counters of a device.
 *
 * Any thread, any time.
 * @param device      the device
 * @param statistics  size set; receives them
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE
 */
VIOMMU_API int viommu_device_get_statistics(const struct viommu_device *device,
					    struct viommu_statistics *statistics);

/**
 * How often DMA or messages were refused for a reason, and of an ITS commands.
 *
 * Any thread, any time.
 * @param iommu   the IOMMU
 * @param reason  as for viommu_reason_text(); 0: what was blocked without a reason, or the engine's reason 0
 * @return how often; 0 for NULL, and for what is no reason of the engine's
 */
VIOMMU_API uint64_t viommu_get_faults(const struct viommu *iommu, uint32_t reason);

/* ---- tracing ---- */

/** @name What is traced
 * The static probes of the library (provider libvirtiommu, where it was built with sys/sdt.h) are at the same
 * places: fault, message_fault, fill, invalidation, completion.
 * @{
 */
#define VIOMMU_TRACE_FAULT 1U /**< a DMA was refused */
#define VIOMMU_TRACE_MESSAGE_FAULT                                                                 \
	2U /**< an interrupt message was: of id, first its address, what its data */
#define VIOMMU_TRACE_FILL	  3U /**< the shared TLB keeps a translation from now on */
#define VIOMMU_TRACE_INVALIDATION 4U /**< the caches have forgotten something: the guest said so */
#define VIOMMU_TRACE_COMPLETION	  5U /**< the guest has been told that what it invalidated is gone */
/** @} */

/** @name Kinds of invalidations
 * @{
 */
#define VIOMMU_INVALIDATED_ALL	    1U /**< everything */
#define VIOMMU_INVALIDATED_CONTEXTS 2U /**< contexts, of all devices or of one */
#define VIOMMU_INVALIDATED_DOMAIN   3U /**< id is the domain's */
#define VIOMMU_INVALIDATED_RANGE    4U /**< the same, of [first, last] */
#define VIOMMU_INVALIDATED_INTERRUPTS                                                              \
	5U /**< interrupts [first, last]; id: the requester, or VIOMMU_ANY_SOURCE */
/** @} */

/** What a trace callback is told. Later versions of the library may append to it. */
struct viommu_trace {
	uint32_t kind;		      /**< VIOMMU_TRACE_* */
	uint32_t what;		      /**< of an invalidation: VIOMMU_INVALIDATED_* */
	struct viommu_device *device; /**< or NULL */
	uint32_t id;		      /**< of the device, the domain or the requester */
	uint32_t pasid;	 /**< VIOMMU_NO_PASID, VIOMMU_ANY_PASID (of an invalidation), or a PASID */
	uint64_t first;	 /**< first untranslated address */
	uint64_t last;	 /**< last one */
	uint64_t gpa;	 /**< of a fill: where first is */
	uint32_t access; /**< what was wanted; of a fill, what is permitted */
	uint32_t reason; /**< of a fault */
	uint64_t took;	 /**< of a completion: as longest_completion */
};

#ifdef __cplusplus
}
#endif

#endif
