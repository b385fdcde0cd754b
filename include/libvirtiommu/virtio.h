/* SPDX-License-Identifier: BSD-3-Clause */
/** @file virtio.h - virtio-iommu (virtio 1.3, section 5.13): requests, configuration, events.
 *
 * The VMM owns the transport: virtqueues, feature negotiation, interrupts. Endpoints are devices
 * (viommu_device_new(), the id is the endpoint's). The configuration space is the register space:
 * viommu_reg_read() and viommu_reg_write(). viommu_reset() is a reset of the machine,
 * viommu_virtio_reset() one of the virtio device.
 *
 * The reason of a refused translation (struct viommu_answer) is that of the fault record: 0 unknown
 * (the request has a PASID, or claims to be translated), 1 the endpoint is not attached, 2 nothing
 * is mapped, or not for this access. Listeners hear of mappings as they are made
 * (viommu_listener_config.map). While an endpoint is being attached, until its listeners have heard of
 * all mappings, its requests are refused, whatever config.bypass says; if a listener refuses one, the
 * endpoint is detached, and the request fails (NOMEM).
 *
 * A request that takes something away is complete when those that it concerns have let go of it:
 * ATTACH and DETACH the endpoint, UNMAP the endpoints that are attached to the domain, or were when
 * they began to use what they still use. Sections of their channels and backends have to close, and
 * their own caches to be invalidated; what fails to (viommu_invalidation_done()) holds the request
 * back, and no other endpoint's. Requests of different domains may be completed out of order. A
 * reset concerns everybody, and requests wait for it.
 *
 * A saved state has domains, mappings, who is attached to what, and fault records that wait.
 * Requests that are pending are not part of it: their answers are in their buffers, so that whoever
 * restores it returns these to the guest. It restores only where its endpoints exist, and have no
 * reserved regions or page sizes that contradict its mappings; that they are described as they were
 * (viommu_virtio_set_endpoint()) is otherwise for the VMM to see to. A restore takes time in proportion
 * to the state, whatever limits.steps says, and so does viommu_listener_new() with what is under way. */
#ifndef LIBVIRTIOMMU_VIRTIO_H
#define LIBVIRTIOMMU_VIRTIO_H

#include <libvirtiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @name Feature bits (5.13.3)
 * @{
 */
#define VIOMMU_VIRTIO_F_INPUT_RANGE   (1ULL << 0) /**< config.input_range is valid */
#define VIOMMU_VIRTIO_F_DOMAIN_RANGE  (1ULL << 1) /**< config.domain_range is valid */
#define VIOMMU_VIRTIO_F_MAP_UNMAP     (1ULL << 2) /**< MAP and UNMAP requests */
#define VIOMMU_VIRTIO_F_BYPASS	      (1ULL << 3) /**< legacy: bypass if negotiated */
#define VIOMMU_VIRTIO_F_PROBE	      (1ULL << 4) /**< PROBE requests */
#define VIOMMU_VIRTIO_F_MMIO	      (1ULL << 5) /**< MAP flag MMIO */
#define VIOMMU_VIRTIO_F_BYPASS_CONFIG (1ULL << 6) /**< config.bypass, ATTACH flag BYPASS */
/** @} */

/** Bytes of the configuration space. */
#define VIOMMU_VIRTIO_CONFIG_BYTES 0x28U
/** Bytes of a fault record. */
#define VIOMMU_VIRTIO_EVENT_BYTES 24U

/** How to create a virtio-iommu. Zero the structure, set size, fill in what is wanted. 0 in a field
 * of numbers: the default. */
struct viommu_virtio_config {
	uint32_t size;	/**< sizeof(struct viommu_virtio_config) */
	uint32_t flags; /**< 0 */
	/** Device-specific features that are offered, VIOMMU_VIRTIO_F_*; default: all but BYPASS.
	 */
	uint64_t features;
	/** Page sizes; the lowest bit is the granule. Default: 4096 and every power of two above.
	 */
	uint64_t page_size_mask;
	uint64_t input_first;  /**< lowest address that can be mapped */
	uint64_t input_last;   /**< highest; default: 2^64 - 1 */
	uint64_t gpa_last;     /**< highest guest-physical address; default: 2^52 - 1 */
	uint32_t domain_first; /**< lowest domain id */
	uint32_t domain_last;  /**< highest; default: 2^32 - 1 */
	uint32_t probe_size;   /**< bytes of properties in a PROBE request; default 512 */
	uint32_t bypass;       /**< config.bypass after a reset of the machine: 0 or 1 */
	uint32_t domains;      /**< domains at a time, at most; default 65536 */
	uint32_t mappings;     /**< mappings of all domains together, at most; default 4194304 */
	/** Mappings of one domain, at most; default: `mappings`. */
	uint32_t domain_mappings;
	uint32_t events; /**< fault records kept until the guest has buffers; default 256 */
	/** A fault record waits: viommu_virtio_event(). From any thread that translates; no lock is
	 * held. May be NULL. */
	void (*event)(void *opaque);
	/** A request that was VIOMMU_PENDING is complete: its buffer may be returned to the guest.
	 * From viommu_run(). May be NULL if nobody uses channels or device TLBs. */
	void (*complete)(void *opaque, uint64_t token);
	void *opaque; /**< passed to event and complete */
	/** Callbacks; may be NULL. Copied. */
	const struct viommu_host *host;
	/** Cache sizes and caps; may be NULL. Copied. */
	const struct viommu_limits *limits;
};

/**
 * Creates a virtio-iommu without endpoints, as after a reset of the machine.
 *
 * Any thread, any time.
 * @param vm      the VM
 * @param config  copied
 * @param iommu   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL (a field is out of range, or features contradict each other),
 * VIOMMU_ESIZE, VIOMMU_ENOTSUP (an unknown feature bit), VIOMMU_ENOMEM. Each refusal is explained
 * through host->message.
 */
VIOMMU_API int viommu_virtio_new(struct viommu_vm *vm, const struct viommu_virtio_config *config,
				 struct viommu **iommu);

/**
 * The configuration that a virtio-iommu presents: what was given, defaults filled in. host and limits are NULL
 * (viommu_get_limits()).
 *
 * Any thread, any time.
 * @param iommu   a virtio-iommu
 * @param config  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_ESIZE, VIOMMU_EINVAL (also: another engine)
 */
VIOMMU_API int viommu_virtio_get_config(const struct viommu *iommu,
					struct viommu_virtio_config *config);

/**
 * The driver has accepted features (FEATURES_OK). What needs a feature that was not accepted is
 * refused from then on; before the first call, everything that is offered counts as accepted.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param iommu     a virtio-iommu
 * @param accepted  VIOMMU_VIRTIO_F_*; other bits of the transport may be set and are ignored
 * @return VIOMMU_OK; VIOMMU_PENDING: done, and listeners are still to be told, or somebody still uses
 * what is refused now (see viommu_run()). VIOMMU_EINVAL (not a virtio-iommu, or a device-specific bit that is not offered),
 * VIOMMU_EBUSY (as viommu_reg_write())
 */
VIOMMU_API int viommu_virtio_set_features(struct viommu *iommu, uint64_t accepted);

/**
 * Reset of the virtio device (status 0): endpoints are detached, domains and waiting fault records
 * gone, config.bypass stays (5.13.4.1). Features are as before the first
 * viommu_virtio_set_features().
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param iommu  a virtio-iommu
 * @return VIOMMU_OK; VIOMMU_PENDING: it is under way (limits.steps), or sections are open or devices
 * have not answered: the guest may see status 0 when viommu_run() answers VIOMMU_OK, and requests are
 * not taken before the first of that is over. VIOMMU_EINVAL (not a
 * virtio-iommu), VIOMMU_EBUSY (as viommu_reg_write()). Requests that were pending are never completed.
 */
VIOMMU_API int viommu_virtio_reset(struct viommu *iommu);

/**
 * Executes one request of the request queue (5.13.6). Its tail is at the beginning of the writable
 * part, and in PROBE behind probe_size bytes of properties, or, if there is less room than that, at
 * its end. A request without head or tail, or of an unknown type, is not executed, and has a used
 * length of 0; that of any other ends with the tail.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param iommu           a virtio-iommu
 * @param readable        what the device may read, in order; each byte is read at most once
 * @param readable_count  parts
 * @param writable        what the device may write, in order
 * @param writable_count  parts
 * @param token           passed to the complete callback if the request is pending
 * @param written         receives the used length
 * @return VIOMMU_OK: done, return the buffer to the guest with *written. VIOMMU_PENDING: the answer
 * is in the buffer, but the request is still under way (limits.steps), or someone may still use what
 * it took away: keep the buffer, and its memory, until the complete callback names its token; a
 * listener that refuses a mapping meanwhile changes the answer. A state that is saved meanwhile is
 * one after the request. VIOMMU_EINVAL (not a virtio-iommu, or bad arguments), VIOMMU_EBUSY (another
 * call is under way); VIOMMU_ELIMIT: an earlier request, a reset or a write of config.bypass is still
 * under way, or 1024 requests are pending: nothing has been done, try again after viommu_run().
 */
VIOMMU_API int viommu_virtio_request(struct viommu *iommu, const struct viommu_part *readable,
				     uint32_t readable_count, const struct viommu_part *writable,
				     uint32_t writable_count, uint64_t token, uint32_t *written);

/**
 * Takes the oldest fault record that waits (5.13.6.12), for a buffer of the event queue.
 *
 * Any thread, any time.
 * @param iommu     a virtio-iommu
 * @param buffer    receives VIOMMU_VIRTIO_EVENT_BYTES
 * @param capacity  bytes
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOENT (none waits), VIOMMU_ENOSPC (the buffer is too
 * small; the record stays)
 */
VIOMMU_API int viommu_virtio_event(struct viommu *iommu, void *buffer, uint32_t capacity);

#define VIOMMU_VIRTIO_RESV_RESERVED 0U /**< never mapped, accesses are refused */
#define VIOMMU_VIRTIO_RESV_MSI	    1U /**< writes are interrupt messages */

/** A reserved region of an endpoint. */
struct viommu_virtio_region {
	uint64_t first;	   /**< first address */
	uint64_t last;	   /**< last address */
	uint32_t subtype;  /**< VIOMMU_VIRTIO_RESV_* */
	uint32_t reserved; /**< 0 */
};

/** What is particular to an endpoint. */
struct viommu_virtio_endpoint {
	uint32_t size;	       /**< sizeof(struct viommu_virtio_endpoint) */
	uint32_t region_count; /**< of regions, at most 64 */
	/** Sorted or not, but not overlapping; at most one of subtype MSI. Copied. */
	const struct viommu_virtio_region *regions;
	/** Page sizes its mappings have to be multiples of: the lowest bit; 0: as the IOMMU. */
	uint64_t page_size_mask;
};

/**
 * Describes an endpoint: what PROBE reports and MAP respects. Before the guest runs.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param device    an endpoint of a virtio-iommu
 * @param endpoint  copied
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_ENOSPC (the properties do
 * not fit in probe_size), VIOMMU_EBUSY (attached, or as viommu_reg_write()). What is refused is
 * explained through host->message. One that may be attached before this is called, as when it is
 * plugged in while the guest runs, gets its description from viommu_device_config.virtio.
 */
VIOMMU_API int viommu_virtio_set_endpoint(struct viommu_device *device,
					  const struct viommu_virtio_endpoint *endpoint);

#ifdef __cplusplus
}
#endif

#endif
