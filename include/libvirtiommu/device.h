/* SPDX-License-Identifier: BSD-3-Clause */
/** @file device.h - requesters behind an IOMMU, channels, and sections. Included by iommu.h. */
#ifndef LIBVIRTIOMMU_DEVICE_H
#define LIBVIRTIOMMU_DEVICE_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- devices and channels ---- */

/** What part of a device's translation cache must go. Ranges are closed. */
struct viommu_device_invalidation {
	uint64_t first; /**< first untranslated address */
	uint64_t last;	/**< last one; UINT64_MAX with first 0: everything */
	uint32_t pasid; /**< VIOMMU_NO_PASID: the request had none */
	uint32_t flags; /**< VIOMMU_INVALIDATE_* */
	uint64_t token; /**< for viommu_invalidation_done() */
};

/** The invalidation applies to every PASID of the device. */
#define VIOMMU_INVALIDATE_ALL_PASIDS 1U

/** A guest's answer to a page request group. */
struct viommu_page_response {
	uint32_t pasid; /**< VIOMMU_NO_PASID: none */
	uint16_t group; /**< page request group index */
	uint16_t code; /**< PCIe response code: 0 success, 1 invalid request, 15 response failure */
	uint64_t data[2]; /**< private data, if the guest returned some */
};

struct viommu_virtio_endpoint;

/** A device that has no id yet, as behind a bridge that the guest has not given a bus, or none any more. Any
 * number of devices have it. What they ask is refused, with reason 0 and without a record, since there is
 * nobody to name; their mode is VIOMMU_MODE_BLOCK. */
#define VIOMMU_NO_ID 0xffffffffU

/** How to create a device. Zero the structure, set size, fill in what is wanted. */
struct viommu_device_config {
	uint32_t size;	/**< sizeof(struct viommu_device_config) */
	uint32_t flags; /**< 0 */
	/** Requester id (bus << 8 | devfn, 16 bits), StreamID or endpoint id; or VIOMMU_NO_ID. */
	uint32_t id;
	/** Its partition, less than viommu_limits.partitions; 0 if there are none. Devices of different partitions share
	 * nothing that is cached, and learn nothing of each other's invalidations. */
	uint32_t partition;
	void *opaque; /**< passed to the callbacks */
	/** The device's own translation cache (ATS, vhost) must drop a range. Return VIOMMU_OK when
	 * it has, or VIOMMU_PENDING and call viommu_invalidation_done() later. Anything else: it has
	 * not, as viommu_invalidation_done() with VIOMMU_FAULT. NULL: the device has no such cache. */
	int (*invalidate)(void *opaque, const struct viommu_device_invalidation *invalidation);
	/** The guest answered a page request group: from a call on the registers; or its request was refused: from
	 * viommu_request_page(). */
	void (*page_response)(void *opaque, const struct viommu_page_response *response);
	/** Behind a virtio-iommu: what is particular to the endpoint (virtio.h), so that a guest
	 * never sees it without; NULL: nothing. NULL for other engines. Copied. */
	const struct viommu_virtio_endpoint *virtio;
	/** The device can wait: where the guest's tables ask for it (Arm SMMUv3, 3.12.2), a request is answered
	 * VIOMMU_STALLED, with viommu_answer.token, and this says how it ends, from a call on the registers or
	 * viommu_run(): VIOMMU_RESUME_*. It may be called before the call that answered VIOMMU_STALLED has returned. Token 0:
	 * all requests that were answered so with token 0, which the guest has not been told of yet, are to be asked
	 * again; there may be none. Requests that wait hold no section open. Who was answered by a function of dma.h is not
	 * told the token, and asks again whatever this says. NULL: requests of the device never wait. */
	void (*resume)(void *opaque, uint64_t token, uint32_t action);
};

/** @name How a stalled request ends
 * @{
 */
#define VIOMMU_RESUME_RETRY 0U /**< it is to be asked again */
#define VIOMMU_RESUME_ABORT 1U /**< it has failed */
#define VIOMMU_RESUME_ZERO  2U /**< it has ended as VIOMMU_ANSWER_ZERO says */
/** @} */

/**
 * Creates a requester. Listeners of the whole IOMMU learn of it by the next viommu_run(), which the
 * host's work callback asks for.
 *
 * Any thread, any time. May call the host's work callback.
 * @param iommu   the IOMMU it is behind
 * @param config  copied
 * @param device  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_EEXIST (the id is in use),
 * VIOMMU_ELIMIT; VIOMMU_ENOSPC: config->virtio has more regions than fit in probe_size
 */
VIOMMU_API int viommu_device_new(struct viommu *iommu, const struct viommu_device_config *config,
				 struct viommu_device **device);

/**
 * Frees a requester. What it had cached is never used again. Interrupt routes behind a virtio-iommu that
 * are its are revoked by the next viommu_run(), which the host's work callback asks for. A guest memory
 * callback of one of its translations is inside a call on it: do not free it there.
 *
 * Alone: nothing else may run on this handle. May call the host's work callback.
 * @param device  may be NULL
 * @return VIOMMU_OK, or VIOMMU_EBUSY while a channel, a listener or an open section of it exists, from inside its own
 * callback, or for the moment in which a call on the IOMMU by another thread has to do with it (a guest's
 * request names it, a listener of the whole IOMMU is told of it, an interrupt message of it behind a
 * virtio-iommu is translated): try again then
 */
VIOMMU_API int viommu_device_free(struct viommu_device *device);

/**
 * Says that a device is dead, or has been reset: it uses nothing any more that it was told before, and what
 * it still owes (invalidations without an answer) is given up. Completions that waited for it go on.
 *
 * Any thread, any time. May call the host's work callback.
 * @param device  the device; it can be used again afterwards
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_device_fail(struct viommu_device *device);

/**
 * Gives a requester another id, as when a guest renumbers buses. Translations that start afterwards
 * use the new one. Listeners are told that everything may have changed, and the mode, by the next
 * viommu_run(), which the host's work callback asks for; until then a cache behind the device (ATS,
 * vhost) may have translations of the old id, and so may interrupt routes behind a virtio-iommu.
 *
 * Any thread, any time. May call the host's work callback.
 * @param device  the device
 * @param id      the new id, or VIOMMU_NO_ID
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EEXIST (another device has it), VIOMMU_EBUSY (VIOMMU_NO_ID, and a
 * virtio-iommu guest has attached the endpoint)
 */
VIOMMU_API int viommu_device_set_id(struct viommu_device *device, uint32_t id);

/**
 * The same for several devices in one step: they may swap ids, and one may take over the id of another that is
 * given VIOMMU_NO_ID. Either all of them change, or none does.
 *
 * Any thread, any time. May call the host's work callback.
 * @param devices  of one IOMMU, each once
 * @param ids      the new id of each, or VIOMMU_NO_ID
 * @param count    at least 1
 * @return as viommu_device_set_id(); VIOMMU_EEXIST also: an id is there twice
 */
VIOMMU_API int viommu_devices_set_ids(struct viommu_device *const *devices, const uint32_t *ids,
				      uint32_t count);

/**
 * The device that has an id. The caller makes sure that nobody frees it meanwhile.
 *
 * Any thread, any time.
 * @param iommu   the IOMMU it is behind
 * @param id      its id
 * @param device  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOENT (no device has it)
 */
VIOMMU_API int viommu_find_device(struct viommu *iommu, uint32_t id, struct viommu_device **device);

/**
 * What viommu_device_config.opaque was.
 *
 * Any thread, any time.
 * @param device  the device
 * @return the pointer; NULL for NULL
 */
VIOMMU_API void *viommu_device_get_opaque(const struct viommu_device *device);

/**
 * The id that a device has now.
 *
 * Any thread, any time.
 * @param device  the device
 * @return the id; VIOMMU_NO_ID for NULL
 */
VIOMMU_API uint32_t viommu_device_get_id(const struct viommu_device *device);

/**
 * The IOMMU that a device is behind.
 *
 * Any thread, any time.
 * @param device  the device
 * @return the IOMMU; NULL for NULL
 */
VIOMMU_API struct viommu *viommu_device_get_iommu(const struct viommu_device *device);

/**
 * Creates a channel: a private micro-TLB for one thread at a time that does DMA as (device, PASID).
 *
 * Any thread, any time.
 * @param device   the device
 * @param pasid    VIOMMU_NO_PASID or a 20-bit PASID
 * @param channel  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOMEM, VIOMMU_ELIMIT
 */
VIOMMU_API int viommu_channel_new(struct viommu_device *device, uint32_t pasid,
				  struct viommu_channel **channel);

/**
 * Frees a channel.
 *
 * Alone: nothing else may run on this handle.
 * @param channel  may be NULL
 * @return VIOMMU_OK, or VIOMMU_EBUSY while its section is open or it is translating
 */
VIOMMU_API int viommu_channel_free(struct viommu_channel *channel);

/**
 * Opens a section: from here to viommu_leave() the guest is not told that an invalidation is
 * complete if it concerns a translation this channel may be using. Sections do not nest.
 *
 * One at a time per handle.
 * @param channel  the channel
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EBUSY (already open, or from inside a callback of a
 * translation of this very channel)
 */
VIOMMU_API int viommu_enter(struct viommu_channel *channel);

/**
 * Closes the section. Calls the host's work callback if that lets something go on.
 *
 * One at a time per handle.
 * @param channel  the channel
 * @return VIOMMU_OK, VIOMMU_EINVAL (also: no section is open, or from inside a callback of a
 * translation of this very channel: it stays open)
 */
VIOMMU_API int viommu_leave(struct viommu_channel *channel);

/** A section without a channel. Zero it before its first use. Layout is frozen: 16 bytes on 64-bit
 * hosts. */
struct viommu_section {
	struct viommu_device *device; /**< NULL: it is not open */
	uint64_t state;		      /**< the library's */
};

/**
 * Opens a section of a device, for callers that translate without a channel: until viommu_device_leave() the
 * guest is not told that an invalidation is complete if it concerns anything that viommu_device_translate() has
 * answered for this device since then. Any number may be open at a time, and they may overlap.
 *
 * Any thread, any time; one at a time per section.
 * @param device   the device; it cannot be freed while one is open
 * @param section  not open; it may be moved, and closed by another thread
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EBUSY (it is open)
 */
VIOMMU_API int viommu_device_enter(struct viommu_device *device, struct viommu_section *section);

/**
 * Closes the section. May call the host's work callback.
 *
 * Any thread, any time; one at a time per section.
 * @param section  can be opened again
 * @return VIOMMU_OK, VIOMMU_EINVAL (also: it is not open)
 */
VIOMMU_API int viommu_device_leave(struct viommu_section *section);

#ifdef __cplusplus
}
#endif

#endif
