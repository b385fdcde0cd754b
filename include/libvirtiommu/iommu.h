/* SPDX-License-Identifier: BSD-3-Clause */
/** @file iommu.h - what is the same for every engine: its host and its limits, translation, registers, page requests,
 * state. Includes device.h and listener.h. */
#ifndef LIBVIRTIOMMU_IOMMU_H
#define LIBVIRTIOMMU_IOMMU_H

#include <libvirtiommu/base.h>
#include <libvirtiommu/device.h>
#include <libvirtiommu/listener.h>

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
	/** Why a configuration was refused, for a person to read. From the call that refuses it. */
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
	/** Devices told apart: what is cached for those of one partition, and the words that tell them of invalidations,
	 * lie in a window of its own (viommu_device_config.partition), and completions wait for sections of the partitions that
	 * they concern. At most 64, each with caches of the sizes above; 0: devices are together, and cost least. */
	uint32_t partitions;
	uint32_t reserved; /**< 0 */
};

/**
 * How much of an arena (viommu_vm_config.arena) one IOMMU takes with these limits, with all devices and channels that it may
 * have. Pages that are not used are not touched. What a guest or a VMM has besides is not in it: interrupt routes, LPIs,
 * mappings of a virtio-iommu, TCE windows, what an iommufd nests, recorders, logs of dirty pages.
 *
 * Any thread, any time.
 * @param limits   as for the IOMMU; NULL: the defaults, which are large
 * @param own      receives the bytes of the private part, a multiple of 4096; the VM's are in it
 * @param windows  receives the bytes of windows, a multiple of 4096
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE
 */
VIOMMU_API int viommu_arena_bytes(const struct viommu_limits *limits, uint64_t *own,
				  uint64_t *windows);

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
 * What an IOMMU is: "vtd", "amdvi", "smmuv3", "riscv", "virtio", "tce", "its", "lpis".
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

/** The rest of the answer to a request. Layout is frozen: 32 bytes. */
struct viommu_answer {
	uint64_t next;	/**< first address that the fragments do not cover; wraps to 0 past 2^64 - 1
			 */
	uint32_t count; /**< fragments written; they cover [first, next) */
	uint16_t
		reason; /**< with VIOMMU_FAULT and VIOMMU_STALLED: the architecture's fault reason; 0: blocked,
			    nothing to record. Otherwise 0 */
	uint16_t ats;	/**< with VIOMMU_AT_TRANSLATION: VIOMMU_ATS_* */
	uint64_t token; /**< with VIOMMU_STALLED: see viommu_device_config.resume */
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
 * Translates a list of requests, such as a scatter list: as if by viommu_translate() one after the
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
 * @param answers    one for each request; written up to and including number *done, unless that one was
 * refused with a negative result
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
/** The cache says what the tables do not: another address, or a permission that they do not grant. The guest has
 * changed a table and has not invalidated it, or the invalidation has not been executed yet. */
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
 * time, for the configuration space of virtio.h, and VER, CAP and ECAP of vtd.h.
 * @param iommu   the IOMMU
 * @param offset  from the start of its register space
 * @param bytes   1 to 8; sizes, alignments and offsets the architecture does not define read as 0
 * @param value   receives the value, zero-extended
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EBUSY (a call on this handle is under way, in another
 * thread or around this one; never for what is read at any time), VIOMMU_ENOTSUP
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
 * what is in the buffer then is no state), VIOMMU_EBUSY (as viommu_reg_write(); or something is half done: tce.h)
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
