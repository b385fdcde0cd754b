/* SPDX-License-Identifier: BSD-3-Clause */
/** @file iommu.h - what is the same for every engine: devices, channels, translation, registers,
 * state. */
#ifndef LIBVIRTIOMMU_IOMMU_H
#define LIBVIRTIOMMU_IOMMU_H

#include <libvirtiommu/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- creation: what every engine's configuration refers to ---- */

struct viommu_trace;

/** What an IOMMU asks of its host. No callback here is made with a lock held. */
struct viommu_host {
	uint32_t size;	   /**< sizeof(struct viommu_host) */
	uint32_t reserved; /**< 0 */
	void *opaque;	   /**< passed to every callback */
	/** The engine raises an interrupt of its own: write data to address. From any thread that
	 * uses the IOMMU. */
	void (*msi)(void *opaque, uint64_t address, uint32_t data);
	/** Something that was pending can go on: call viommu_run() soon, from the thread that owns
	 * the registers. From any thread; do not call viommu_run() from inside. */
	void (*work)(void *opaque);
	/** Why a configuration was refused, for a person to read. */
	void (*message)(void *opaque, const char *text);
	/** Nanoseconds of a clock that never goes back, for deadlines (struct viommu_vhost_config) and the
	 * longest completion (struct viommu_statistics). From viommu_run() only. NULL: there are none. */
	uint64_t (*now)(void *opaque);
	/** Told of faults, fills, invalidations and completions (observe.h); hits are not slower for it. From
	 * any thread that uses the IOMMU, inside its call. event: only during the callback. */
	void (*trace)(void *opaque, const struct viommu_trace *event);
	/** A wired interrupt of the engine's own changes: to 1, asserted, or to 0. Which numbers there are, and
	 * what for, is said where the engine is created; an interrupt that is triggered by its edge is told 1,
	 * then 0. All are 0 at the beginning, and in a restored IOMMU until it tells otherwise. From any thread
	 * that uses the IOMMU, one call at a time and in order: a change that comes while another thread is
	 * inside is told by that thread. */
	void (*line)(void *opaque, uint32_t number, uint32_t level);
};

/** Sizes of caches and caps on what a guest can make the library allocate. 0 in a field: the
 * default. */
struct viommu_limits {
	uint32_t size;	       /**< sizeof(struct viommu_limits) */
	uint32_t tlb_entries;  /**< shared TLB, rounded up to whole sets; default 65536 */
	uint32_t contexts;     /**< context cache; default 1024 */
	uint32_t domains;      /**< translation domains known at a time; default 4096 */
	uint32_t devices;      /**< viommu_device_new() refuses more; default 65536 */
	uint32_t channels;     /**< viommu_channel_new() refuses more; default 65536 */
	uint32_t queue_budget; /**< commands processed by one call; default 256 */
	uint32_t outstanding;  /**< device-TLB invalidations not yet answered; default 1024 */
	uint32_t tables; /**< paging-structure cache, rounded up to a power of two; default 4096 */
	/** Micro-TLB of each channel, 64 bytes an entry, rounded up to a power of two; default 1024,
	 * at most 65536. */
	uint32_t channel_entries;
	/** Steps that one call may take before it answers VIOMMU_PENDING, whatever the guest asked
	 * for: entries visited, routes resolved, mappings removed; default 4096. */
	uint32_t steps;
	/** Ranges that the library remembers of what viommu_replay() has reported, at 27 to 48 bytes
	 * each: see viommu_listener_config.unmap. Default 2^20. */
	uint32_t shadow;
	uint32_t partitions; /**< of the caches, for devices to be told apart: 0 */
	uint32_t reserved;   /**< 0 */
};

/**
 * Frees an IOMMU.
 *
 * Alone: nothing else may run on this handle.
 * @param iommu  may be NULL
 * @return VIOMMU_OK, or VIOMMU_EBUSY while a device, a listener or an I/O APIC of it exists, or a
 * call on it is under way
 */
VIOMMU_API int viommu_free(struct viommu *iommu);

/**
 * The VM that an IOMMU was made for.
 *
 * Any thread, any time.
 * @param iommu  the IOMMU
 * @return the VM; NULL for NULL
 */
VIOMMU_API struct viommu_vm *viommu_get_vm(const struct viommu *iommu);

/**
 * What an IOMMU is: "vtd", "smmuv3", "virtio", "its", "lpis".
 *
 * Any thread, any time.
 * @param iommu  the IOMMU
 * @return a constant string, the same in every version; NULL for NULL
 */
VIOMMU_API const char *viommu_get_engine(const struct viommu *iommu);

/**
 * How large the register space is (viommu_reg_read()): what lies beyond reads as 0 and ignores writes. With
 * VT-d whole pages (11.1), by where its configuration puts registers; of virtio-iommu the configuration
 * space.
 *
 * Any thread, any time.
 * @param iommu  the IOMMU
 * @return bytes; 0 for NULL
 */
VIOMMU_API uint64_t viommu_get_register_bytes(const struct viommu *iommu);

/**
 * The sizes and caps that an IOMMU was made with, defaults filled in.
 *
 * Any thread, any time.
 * @param iommu   the IOMMU
 * @param limits  size is set by the caller
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE
 */
VIOMMU_API int viommu_get_limits(const struct viommu *iommu, struct viommu_limits *limits);

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
	/** Which part of the caches it uses: 0; others are refused until there are partitions. */
	uint32_t partition;
	void *opaque; /**< passed to the callbacks */
	/** The device's own translation cache (ATS, vhost) must drop a range. Return VIOMMU_OK when
	 * it has, or VIOMMU_PENDING and call viommu_invalidation_done() later. Anything else: it has
	 * not, as viommu_invalidation_done() with VIOMMU_FAULT. NULL: the device has no such cache. */
	int (*invalidate)(void *opaque, const struct viommu_device_invalidation *invalidation);
	/** The guest answered a page request group. */
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
 * use it. Listeners are told that everything may have changed, and the mode, by the next
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
 * The same for several devices in one step: they may have one another's ids, and one that takes over
 * another's id can leave it with VIOMMU_NO_ID. All of them, or none.
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
 * The device that has an id. It is the caller's to see to that nobody frees it meanwhile.
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

/** A section that no channel has. Zero it before it is first used. Layout is frozen: 16 bytes on 64-bit
 * hosts. */
struct viommu_section {
	struct viommu_device *device; /**< NULL: it is not open */
	uint64_t state;		      /**< the library's */
};

/**
 * Opens a section of a device, for who translates without a channel: until viommu_device_leave() the
 * guest is not told that an invalidation is complete if it concerns what viommu_device_translate() has
 * answered for this device since. Any number may be open at a time, and they may overlap.
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

/* ---- translation ---- */

/** A piece of host memory. */
struct viommu_part {
	void *base;	/**< host pointer; the guest may write there at any time */
	uint64_t bytes; /**< may be 0 in a request (virtio.h) */
};

/** Address type of a request (PCIe AT). */
#define VIOMMU_AT_UNTRANSLATED 0U /**< an ordinary DMA */
#define VIOMMU_AT_TRANSLATION                                                                      \
	1U /**< an ATS translation request; without VIOMMU_WRITE: "no write" is set */
#define VIOMMU_AT_TRANSLATED 2U /**< the device says that the address is already translated */

/** One request. The range is closed and may span pages. Layout is frozen: 24 bytes. */
struct viommu_request {
	uint64_t first;	 /**< first address */
	uint64_t last;	 /**< last address, not below first */
	uint32_t pasid;	 /**< VIOMMU_NO_PASID: none */
	uint16_t access; /**< VIOMMU_READ, _WRITE, _EXEC, _PRIV, _QUIET */
	uint16_t type;	 /**< VIOMMU_AT_* */
};

/** Write permission is granted by the tables, but dirty is not recorded yet: ask with VIOMMU_WRITE
 * before writing. */
#define VIOMMU_FRAGMENT_CLEAN 1U

/** One contiguous piece of an answer. Layout is frozen: 32 bytes on 64-bit hosts. */
struct viommu_fragment {
	uint64_t gpa;	 /**< first guest-physical address */
	uint64_t length; /**< bytes */
	void *host;	 /**< host pointer to gpa, or NULL where no region has one, or only ROM and
			    writing was asked for */
	uint32_t perm; /**< VIOMMU_READ, _WRITE, _EXEC: all that the tables grant to this requester,
			   without _WRITE where host points to ROM */
	uint32_t flags; /**< VIOMMU_FRAGMENT_* */
};

/** ATS completion status of a translation request. */
#define VIOMMU_ATS_SUCCESS     0U /**< success; perm 0 in the fragment: no access */
#define VIOMMU_ATS_UNSUPPORTED 1U /**< Unsupported Request: the device must not ask again */
#define VIOMMU_ATS_ABORT       4U /**< Completer Abort */

/** What else there is to say about a request. Layout is frozen: 32 bytes. */
struct viommu_answer {
	uint64_t next;	/**< first address that the fragments do not cover; wraps to 0 past 2^64 - 1
			 */
	uint32_t count; /**< fragments written; they cover [first, next) */
	uint16_t reason; /**< with VIOMMU_FAULT: the architecture's fault reason; 0: blocked,
			    nothing to record */
	uint16_t ats;	 /**< with VIOMMU_AT_TRANSLATION: VIOMMU_ATS_* */
	uint64_t token;	 /**< with VIOMMU_STALLED: see viommu_device_config.resume */
	/** How far the mapping of the first address goes: all of the naturally aligned block of
	 * 1 << extent_lg2 bytes around it is translated alike, contiguous in guest memory and with the same
	 * permission. The mapping may be larger. 0 where there are no fragments. */
	uint32_t extent_lg2;
	uint32_t flags; /**< VIOMMU_ANSWER_* */
};

/** With VIOMMU_FAULT: the guest asked that the device is not told of an error; reads are 0, writes have no effect
 * (Arm SMMUv3, CD.A = 0). */
#define VIOMMU_ANSWER_ZERO 1U

/**
 * Translates a request through a channel.
 *
 * One at a time per handle. Fragments are merged where address, target, permission and host pointer
 * continue. Host pointers and addresses may be used until the section is closed; without an open
 * section, nothing holds back the completion of an invalidation while they are used.
 *
 * @param channel    the channel; its PASID must be the request's
 * @param request    the request
 * @param fragments  receives at most max fragments
 * @param max        at least 1
 * @param answer     always written, except with a negative result
 * @return VIOMMU_OK: all of [first, last] is covered. VIOMMU_MORE: max fragments were not enough,
 * or 65536 pages have been looked at. VIOMMU_FAULT: refused at answer->next, and recorded unless
 * VIOMMU_QUIET was set.
 * VIOMMU_STALLED: it waits at answer->next for the guest (viommu_device_config.resume).
 * VIOMMU_INTERRUPT: an interrupt message, not a DMA. Negative: misuse (VIOMMU_EINVAL; VIOMMU_EBUSY
 * from inside a callback of this very channel, unless the channel's own cache has the answer);
 * nothing is recorded.
 */
VIOMMU_API int viommu_translate(struct viommu_channel *channel,
				const struct viommu_request *request,
				struct viommu_fragment *fragments, uint32_t max,
				struct viommu_answer *answer);

/**
 * Translates a list of requests, as a scatter list is: as if by viommu_translate() one after the
 * other, but what they need from memory is fetched for many of them at a time.
 *
 * One at a time per handle. Fragments of one request are merged, those of different requests are
 * not.
 *
 * @param channel    the channel; its PASID must be the requests'
 * @param requests   the requests
 * @param count      of requests
 * @param fragments  receives those of the first request, then those of the second, ...
 * @param max        room for fragments, at least 1
 * @param answers    one for each request; written up to and including number *done, if that was
 * not refused with a negative result
 * @param done       receives how many requests have been answered with VIOMMU_OK
 * @return VIOMMU_OK: all of them. VIOMMU_MORE, VIOMMU_FAULT, VIOMMU_STALLED, VIOMMU_INTERRUPT: what
 * viommu_translate() said of request *done, whose fragments follow the others'; go on from there.
 * Negative: misuse, as for viommu_translate(), of request *done; those before it are answered.
 */
VIOMMU_API int viommu_translate_list(struct viommu_channel *channel,
				     const struct viommu_request *requests, uint32_t count,
				     struct viommu_fragment *fragments, uint32_t max,
				     struct viommu_answer *answers, uint32_t *done);

/**
 * Translates as viommu_translate(), from any thread, with the shared TLB only.
 *
 * Any thread, any time.
 * @param device     the requester; the request may carry any PASID
 * @param request    the request
 * @param fragments  receives at most max fragments
 * @param max        at least 1
 * @param answer     always written, except with a negative result
 * @return as viommu_translate()
 */
VIOMMU_API int viommu_device_translate(struct viommu_device *device,
				       const struct viommu_request *request,
				       struct viommu_fragment *fragments, uint32_t max,
				       struct viommu_answer *answer);

/** One step of an explanation. */
struct viommu_step {
	uint64_t gpa; /**< where a structure was read; UINT64_MAX: nothing was read in this step */
	uint64_t raw[8];   /**< what was read, `words` of it */
	uint32_t words;	   /**< 64-bit words in raw */
	uint32_t reason;   /**< fault reason if the step failed, else 0 */
	const char *what;  /**< such as "context entry" or "second stage, level 2"; constant */
	uint32_t flags;	   /**< VIOMMU_STEP_* */
	uint32_t reserved; /**< 0 */
};

/** @name Steps that are not structures of the guest's tables
 * @{
 */
/** A cache, and what a request would have found in it; words 0: nothing. "context cache": domain id, roots of
 * first and second stage. "paging-structure cache": the table of the lowest level. "shared TLB", "micro-TLB":
 * as the answer. */
#define VIOMMU_STEP_CACHE 1U
/** It says more than the tables do: another address, or a permission that they do not grant. The guest has
 * changed a table and not invalidated it, or the invalidation is not executed yet. */
#define VIOMMU_STEP_STALE 2U
/** The last step. Translated: guest-physical address, permission (VIOMMU_READ, ...), bytes of the naturally
 * aligned block that is translated alike; else words is 0. */
#define VIOMMU_STEP_ANSWER 4U
/** @} */

/** After the tables, show what the caches would have said (VIOMMU_STEP_CACHE). */
#define VIOMMU_EXPLAIN_CACHES 1U

/**
 * Replays the translation of request->first from the tables, without caches and without recording
 * or changing anything, and reports every structure that it reads, and then the answer.
 *
 * Any thread, any time.
 * @param device   the requester
 * @param request  what to explain
 * @param flags    VIOMMU_EXPLAIN_*
 * @param step     called for each step, in order, without a lock held; non-zero: no more steps
 * @param opaque   passed to step
 * @return as viommu_device_translate() would have: VIOMMU_OK, VIOMMU_FAULT, VIOMMU_INTERRUPT;
 * VIOMMU_MORE: step stopped it; VIOMMU_EINVAL
 */
VIOMMU_API int viommu_explain(struct viommu_device *device, const struct viommu_request *request,
			      uint32_t flags,
			      int (*step)(void *opaque, const struct viommu_step *step),
			      void *opaque);

/**
 * The same of a channel, whose micro-TLB is one of the caches.
 *
 * One at a time per handle.
 * @param channel  the channel; its PASID must be the request's
 * @param request  what to explain
 * @param flags    VIOMMU_EXPLAIN_*
 * @param step     called for each step, in order, without a lock held; non-zero: no more steps
 * @param opaque   passed to step
 * @return as viommu_explain()
 */
VIOMMU_API int viommu_channel_explain(struct viommu_channel *channel,
				      const struct viommu_request *request, uint32_t flags,
				      int (*step)(void *opaque, const struct viommu_step *step),
				      void *opaque);

/* ---- page requests (PCIe PRI) ---- */

/** One page request message of a device. */
struct viommu_page_request {
	uint64_t address;  /**< page-aligned untranslated address */
	uint32_t pasid;	   /**< VIOMMU_NO_PASID: none */
	uint16_t group;	   /**< page request group index, 9 bits */
	uint16_t access;   /**< VIOMMU_READ, _WRITE, _EXEC, _PRIV */
	uint32_t last;	   /**< 1: last request in its group */
	uint32_t reserved; /**< 0 */
};

/**
 * Delivers a page request to the guest's queue. One that cannot be delivered is answered as the
 * architecture says: through the device's page_response callback, before the call returns.
 *
 * Any thread, any time.
 * @param device   the requester
 * @param request  the request
 * @return VIOMMU_OK: queued. VIOMMU_FAULT: refused, recorded where the architecture records it, and
 * answered if it was the last of its group. VIOMMU_EBUSY: refused as well, but not answered, since the
 * device's page_response callback is answering another refused one (this call may come from inside
 * it): ask again later. VIOMMU_EINVAL (also: the device has no id), VIOMMU_ENOTSUP (the engine presents no
 * page requests)
 */
VIOMMU_API int viommu_request_page(struct viommu_device *device,
				   const struct viommu_page_request *request);

/**
 * Reports that a device dropped what an invalidation named.
 *
 * Any thread, any time. May call the host's work callback.
 * @param device  the device
 * @param token   of the invalidation
 * @param status  VIOMMU_OK: dropped; VIOMMU_FAULT: the device did not answer in time (an ATS
 * time-out). Where the architecture has no way to tell the guest so (virtio), the invalidation stays
 * outstanding until it is answered with VIOMMU_OK, or the device is freed or given up
 * (viommu_device_fail())
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOENT (no such invalidation is outstanding; reported to
 * the guest where the architecture has a way to)
 */
VIOMMU_API int viommu_invalidation_done(struct viommu_device *device, uint64_t token, int status);

/* ---- registers ---- */

/**
 * The guest reads a register.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run(); but any thread, any
 * time, for the configuration space of virtio.h.
 * @param iommu   the IOMMU
 * @param offset  from the start of its register space
 * @param bytes   1 to 8; sizes, alignments and offsets the architecture does not define read as 0
 * @param value   receives the value, zero-extended
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EBUSY (a call on this handle is under way, in another
 * thread or around this one; never for the configuration space of virtio.h), VIOMMU_ENOTSUP
 */
VIOMMU_API int viommu_reg_read(struct viommu *iommu, uint64_t offset, uint32_t bytes,
			       uint64_t *value);

/**
 * The guest writes a register. Does bounded work and never waits.
 *
 * One at a time per handle, together with viommu_reg_read() and viommu_run().
 * @param iommu   the IOMMU
 * @param offset  from the start of its register space
 * @param bytes   1 to 8; sizes, alignments and offsets the architecture does not define are ignored
 * @param value   the value
 * @return VIOMMU_OK; VIOMMU_PENDING: work remains (see viommu_run()); VIOMMU_EINVAL, VIOMMU_EBUSY (as
 * viommu_reg_read(): nothing is done), VIOMMU_ENOTSUP
 */
VIOMMU_API int viommu_reg_write(struct viommu *iommu, uint64_t offset, uint32_t bytes,
				uint64_t value);

/**
 * Continues what an earlier call left: queued commands, completions that waited for sections or
 * devices.
 *
 * One at a time per handle, together with viommu_reg_read() and viommu_reg_write().
 * @param iommu  the IOMMU
 * @return VIOMMU_OK: nothing is left. VIOMMU_PENDING: something is; the host's work callback tells
 * when to call again (if it is the command budget, at once). VIOMMU_EINVAL, VIOMMU_EBUSY (as
 * viommu_reg_write())
 */
VIOMMU_API int viommu_run(struct viommu *iommu);

/**
 * Puts the IOMMU in its state after power-on, as a reset of the machine does. Devices, channels and listeners
 * stay; device-TLB invalidations without an answer are given up, since the devices are reset, too.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param iommu  the IOMMU
 * @return VIOMMU_OK; VIOMMU_PENDING: done, but something that was looked up before may be in use (a section
 * is open, a backend has not acknowledged): see viommu_run(); VIOMMU_EINVAL, VIOMMU_EBUSY
 * (as viommu_reg_write())
 */
VIOMMU_API int viommu_reset(struct viommu *iommu);

/**
 * Forgets everything that is cached, as if the guest had invalidated all of it: for a VMM that has changed the
 * guest's tables by itself, such as by loading memory. Listeners are told that all may have changed, routes
 * are resolved again. Not what devices cache (viommu_device_config.invalidate): the VMM has them drop it.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param iommu  the IOMMU
 * @return VIOMMU_OK: what is asked from now on is asked of the tables, and listeners know it (who may
 * still be using what he asked before: viommu_vm_quiesce()). VIOMMU_PENDING: listeners are still to be
 * told (see viommu_run()). VIOMMU_EINVAL, VIOMMU_EBUSY (as viommu_reg_write())
 */
VIOMMU_API int viommu_flush(struct viommu *iommu);

/* ---- listeners ---- */

/** How requests of a device are treated as a whole: by its own context, as far as it has one. */
#define VIOMMU_MODE_BLOCK     0U /**< every request is refused */
#define VIOMMU_MODE_BYPASS    1U /**< addresses are not translated */
#define VIOMMU_MODE_TRANSLATE 2U /**< addresses are translated through tables */

/** Who wants to be told. Zero the structure, set size, fill in what is wanted; a NULL callback is
 * not called. */
struct viommu_listener_config {
	uint32_t size;	/**< sizeof(struct viommu_listener_config) */
	uint32_t flags; /**< 0 */
	void *opaque;	/**< passed to the callbacks */
	/** Translations of [first, last] may have changed or gone: forget them; where mappings are
	 * shadowed, viommu_replay() the range when complete is called, or here. Made before the guest
	 * learns that its invalidation is complete, of the devices that may use something of the
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
	 * guest as complete, or the call that told it ends: who gathers what it is told acts upon
	 * it now. A section opened no later than here holds back the completion. Only made to who
	 * was told something. */
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
 * under way; or config has map, and from inside a callback while listeners are being told of mappings, one
 * after the other)
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
	uint64_t iova;	/**< the untranslated address */
	uint64_t bytes; /**< from there on, translated to what follows the guest-physical address */
	uint32_t perm;	/**< VIOMMU_READ, _WRITE, _EXEC */
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

/* ---- state ---- */

/**
 * Saves the architectural state in a versioned, self-describing, little-endian format. Tables in
 * guest memory and caches are not part of it; device-TLB invalidations still outstanding are taken
 * as done, since device caches do not travel.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param iommu   the IOMMU
 * @param buffer  receives the state; NULL with capacity 0 asks for the size
 * @param bytes   in: capacity; out: bytes needed
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOSPC (bytes is set, also when only the size was asked for;
 * what is in the buffer then is no state), VIOMMU_EBUSY (as viommu_reg_write())
 */
VIOMMU_API int viommu_save(struct viommu *iommu, void *buffer, uint64_t *bytes);

/**
 * Restores a saved state into an IOMMU of the same configuration. Refused whole if anything in it
 * is invalid.
 *
 * One at a time per handle, together with viommu_reg_write() and viommu_run().
 * @param iommu   the IOMMU
 * @param buffer  what viommu_save() wrote; not trusted
 * @param bytes   its length
 * @return VIOMMU_OK; VIOMMU_PENDING: restored, and work remains, or something that was looked up before may
 * be in use (see viommu_run()); VIOMMU_EINVAL,
 * VIOMMU_ESTATE, VIOMMU_ENOMEM, VIOMMU_EBUSY (as viommu_reg_write())
 */
VIOMMU_API int viommu_restore(struct viommu *iommu, const void *buffer, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
