/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file view.h - translations in another process: a device model that an attacker may take over.
 *
 * The owner is the process that has the IOMMU: registers, walks, host pointers. A device process has a *view*: it maps
 * the window of the device's partition read-only, and finds there what the owner has cached. What it does not find it
 * asks the owner for, in messages of plain bytes over whatever transport the VMM gives it. It maps nothing else of the
 * library's memory, so there is nothing else to be read by it, speculation or not. docs/isolation.md has the threats, and
 * what a VMM has to do.
 *
 *	device process				owner
 *	viommu_view_new(window, ...)		viommu_viewer_new(device, section page, ...)
 *	viommu_view_enter()
 *	viommu_view_translate(): a hit
 *	viommu_view_translate(): VIOMMU_MISS
 *	viommu_view_request()	-- message -->	viommu_serve()
 *	viommu_view_reply()	<-- reply --
 *	viommu_view_translate(): a hit
 *	viommu_view_leave()			goes on with what waited for that
 *
 * Sections are as those of a channel: as long as one is open, the guest is not told that an invalidation is complete if
 * it concerns the partition. What the process writes into its section page is not trusted. It can hold up completions of
 * its own partition, and nothing else; for that there is a deadline, and viommu_view_revoke().
 *
 * Functions of a view make no system call and call nothing back. Functions of the owner check every field of what
 * they are given, and take device and PASID from their own record of who asks.
 */
#ifndef LIBVIRTIOMMU_VIEW_H
#define LIBVIRTIOMMU_VIEW_H

#include <libvirtiommu/iommu.h>
#include <libvirtiommu/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A view, in a device process. For one thread at a time. */
struct viommu_view;
/** The owner's record of a view: whose it is, and what it waits for. */
struct viommu_viewer;

/** Bytes of a section in a section page, which has as many as fit; aligned to as many. The process has it writable; a
 * section is one view's. */
#define VIOMMU_VIEW_SECTION_BYTES 64U
/** The longest message, in either direction. */
#define VIOMMU_VIEW_MESSAGE_BYTES 4160U
/** Bytes that one message can read or write: see viommu_view_request_copy(). */
#define VIOMMU_VIEW_COPY_BYTES 4096U
/** Fragments of one reply. */
#define VIOMMU_VIEW_FRAGMENTS 8U
/** Requests of a view that may be under way, and of them the default. */
#define VIOMMU_VIEW_REQUESTS_MAX     256U
#define VIOMMU_VIEW_REQUESTS_DEFAULT 64U /**< if 0 is given */
/** Regions that a process may have mapped in a view. */
#define VIOMMU_VIEW_REGIONS 64U

/* ---- the owner ---- */

/** Requests may claim privileged mode (VIOMMU_PRIV). */
#define VIOMMU_VIEWER_PRIV 1U

/** What the owner knows of a view. Zero the structure, set size, fill in what is wanted. */
struct viommu_viewer_config {
	uint32_t size;	/**< sizeof(struct viommu_viewer_config) */
	uint32_t flags; /**< VIOMMU_VIEWER_* */
	/** VIOMMU_NO_PASID or a 20-bit PASID: of all that the view asks for. */
	uint32_t pasid;
	/** Requests that are answered at a time, by however many threads; 0: VIOMMU_VIEW_REQUESTS_DEFAULT. More are
	 * answered with VIOMMU_ELIMIT. */
	uint32_t requests;
	/** Where the owner has the view's section: VIOMMU_VIEW_SECTION_BYTES, zeroed, not given to the process yet, in memory that stays mapped until
	 * the viewer is freed and cannot be truncated (a memfd that is sealed against shrinking). */
	void *section;
	/** Nanoseconds of viommu_host.now for which a section of the view may be older than a change of its partition, and
	 * so hold back whoever waits for that; then it has expired. 0: never. Seen by viommu_run(): call it from time to time
	 * while it has answered VIOMMU_PENDING. */
	uint64_t deadline;
	/** It has. Called by viommu_run(), once for a section. Nothing is completed by it: stop the process, then call
	 * viommu_view_revoke(), not from inside. */
	void (*expired)(void *opaque);
	void *opaque; /**< passed to expired */
};

/**
 * Notes a view of a device: from now on its section holds back completions of the device's partition, and its requests
 * are answered. The device cannot be freed before the viewer is.
 *
 * One at a time per handle of the IOMMU, together with viommu_reg_write() and viommu_run().
 * @param device  the device
 * @param config  copied
 * @param viewer  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_EBUSY (another thread's call is under way);
 * VIOMMU_ENOTSUP (a deadline, and the host has no clock; or the device has a resume callback; or
 * the IOMMU has no partitions: viommu_limits.partitions is 0)
 */
VIOMMU_API int viommu_viewer_new(struct viommu_device *device,
				 const struct viommu_viewer_config *config,
				 struct viommu_viewer **viewer);

/**
 * Answers a message of the view. It translates as viommu_device_translate() does, and records faults.
 *
 * Any thread, any time. May call the VM's memory callbacks and the host's.
 * @param viewer   who asks
 * @param message  what came
 * @param bytes    how many
 * @param reply    receives what is to be sent back
 * @param max      room for it: VIOMMU_VIEW_MESSAGE_BYTES is enough
 * @param length   receives how many bytes to send; 0: none
 * @return VIOMMU_OK: send the reply; VIOMMU_EINVAL: it is no message of a view, or an argument is NULL: nothing was done,
 * and whoever sends such a thing may be stopped; VIOMMU_ENOSPC; VIOMMU_ENOENT: the view was revoked
 */
VIOMMU_API int viommu_serve(struct viommu_viewer *viewer, const void *message, uint32_t bytes,
			    void *reply, uint32_t max, uint32_t *length);

/**
 * Promises that the process of the view can touch guest memory no more, through what it has mapped or otherwise: it has
 * been killed and waited for, or never had any. From now on its section holds back nothing, whatever the section page says,
 * and its messages are not answered.
 *
 * Any thread, any time. May call the host's work callback.
 * @param viewer  the viewer; again is VIOMMU_OK
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_revoke(struct viommu_viewer *viewer);

/**
 * Frees the record of a view that was revoked.
 *
 * One at a time per handle of the IOMMU, together with viommu_reg_write() and viommu_run(); nothing else may run on this
 * handle.
 * @param viewer  may be NULL
 * @return VIOMMU_OK, VIOMMU_EBUSY: it has not been revoked, a message is being answered, or another thread's call is under
 * way
 */
VIOMMU_API int viommu_viewer_free(struct viommu_viewer *viewer);

/** Where the window of a device is, and what the device is called in it. Zero it and set size. */
struct viommu_window {
	uint32_t size;	   /**< sizeof(struct viommu_window) */
	uint32_t reserved; /**< 0 */
	/** Owner's address of the window, aligned to 4096: with an arena (vm.h), in its part for windows. */
	const void *base;
	uint64_t bytes;	 /**< a multiple of 4096 */
	uint64_t device; /**< for viommu_view_config.device; tells nothing else */
};

/**
 * The window of a device's partition: map the pages of it, and no others, read-only into the process.
 *
 * Any thread, any time.
 * @param device  the device
 * @param window  is filled in
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE; VIOMMU_ENOTSUP: the IOMMU has no partitions
 */
VIOMMU_API int viommu_device_get_window(const struct viommu_device *device,
					struct viommu_window *window);

/* ---- the device process ---- */

/** How to create a view. Zero the structure, set size, fill in what is wanted. */
struct viommu_view_config {
	uint32_t size;	/**< sizeof(struct viommu_view_config) */
	uint32_t flags; /**< 0 */
	/** The window, mapped read-only: all of its bytes, at any address that is a multiple of 4096. */
	const void *window;
	uint64_t window_bytes; /**< viommu_window.bytes */
	void *section;	       /**< this process's mapping of viommu_viewer_config.section */
	uint64_t device;       /**< viommu_window.device */
	uint32_t pasid;	       /**< viommu_viewer_config.pasid */
	/** Pages that the view remembers by itself, 64 bytes each: rounded up to a power of two, at most 65536; 0: 1024. */
	uint32_t entries;
	/** Requests without a reply, at a time; 0: VIOMMU_VIEW_REQUESTS_DEFAULT. More than the owner answers make no
	 * sense. */
	uint32_t requests;
	uint32_t reserved; /**< 0 */
};

/**
 * Creates a view. It allocates memory here, and nowhere else.
 *
 * Any thread, any time.
 * @param config  copied
 * @param view    receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM; VIOMMU_ESTATE: this is no window of this version
 */
VIOMMU_API int viommu_view_new(const struct viommu_view_config *config, struct viommu_view **view);

/**
 * Frees a view.
 *
 * Alone: nothing else may run on this handle.
 * @param view  may be NULL
 * @return VIOMMU_OK, or VIOMMU_EBUSY while its section is open
 */
VIOMMU_API int viommu_view_free(struct viommu_view *view);

/**
 * Says where this process has guest memory mapped: a part of one region of the owner's, such as a pool that has
 * nothing else in it. What lies elsewhere is translated without a host pointer. It counts as long as the owner's region
 * stays the same memory.
 *
 * One at a time per handle.
 * @param view    the view; its section is not open
 * @param region  flags, gpa, bytes, host; copied. VIOMMU_REGION_READONLY: it is mapped read-only
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_EEXIST (overlaps another), VIOMMU_EBUSY (the section is
 * open), VIOMMU_ELIMIT, VIOMMU_ENOENT (the owner has no such region)
 */
VIOMMU_API int viommu_view_map(struct viommu_view *view, const struct viommu_region *region);

/**
 * Takes that back: the memory may be unmapped afterwards.
 *
 * One at a time per handle.
 * @param view  the view; its section is not open
 * @param gpa   first byte of what was mapped
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOENT, VIOMMU_EBUSY (the section is open)
 */
VIOMMU_API int viommu_view_unmap(struct viommu_view *view, uint64_t gpa);

/**
 * Opens the view's section: see viommu_enter(). Sections of views have real fences, whatever the owner's have.
 *
 * One at a time per handle.
 * @param view  the view
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EBUSY (it is open)
 */
VIOMMU_API int viommu_view_enter(struct viommu_view *view);

/**
 * Closes the section.
 *
 * One at a time per handle.
 * @param view  the view
 * @return VIOMMU_OK; VIOMMU_PENDING: closed, and the owner may be waiting for that: send it viommu_view_wake(). If that is
 * forgotten, the owner finds out by itself when it looks again (viommu_run()); VIOMMU_EINVAL (also: no section is open)
 */
VIOMMU_API int viommu_view_leave(struct viommu_view *view);

/**
 * Translates a request, as viommu_translate() does, as far as it is known here.
 *
 * One at a time per handle. Host pointers are this process's, of viommu_view_map(); they and addresses may be used until the
 * section is closed.
 * @param view       the view; its PASID must be the request's
 * @param request    the request
 * @param fragments  receives at most max fragments
 * @param max        at least 1
 * @param answer     always written, except with a negative result
 * @return VIOMMU_OK; VIOMMU_MORE: fragments cover a part of it, go on at answer->next; VIOMMU_MISS: nothing is known of
 * the address answer->next, what lies before it is in the fragments: ask the owner (viommu_view_request()), which may
 * say that it is a fault; VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_translate(struct viommu_view *view, const struct viommu_request *request,
				     struct viommu_fragment *fragments, uint32_t max,
				     struct viommu_answer *answer);

/**
 * Translates requests in order, up to the first of which something is not known.
 *
 * One at a time per handle.
 * @param view       the view
 * @param requests   count of them
 * @param count      how many
 * @param fragments  receives at most max fragments, those of each request after those before
 * @param max        at least 1
 * @param answers    count of them, written for each request that was looked at
 * @param done       receives how many are done
 * @return VIOMMU_OK: all are; else what viommu_view_translate() says of requests[*done]; VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_translate_list(struct viommu_view *view,
					  const struct viommu_request *requests, uint32_t count,
					  struct viommu_fragment *fragments, uint32_t max,
					  struct viommu_answer *answers, uint32_t *done);

/**
 * Reads bytes of guest memory that this process has mapped, inside the view's section or one of its own. 1, 2, 4 or 8
 * bytes that are naturally aligned are read in one access.
 *
 * One at a time per handle.
 * @param view    the view
 * @param iova    first address
 * @param buffer  receives the bytes
 * @param bytes   how many; 0: nothing is asked
 * @param access  0, VIOMMU_PRIV, VIOMMU_EXEC
 * @param done    receives how many were read, with a result that is not negative; may be NULL
 * @return VIOMMU_OK; VIOMMU_MISS: ask the owner for iova + *done, and go on there; VIOMMU_UNREACHABLE: permitted, but this
 * process has no such memory: viommu_view_request_copy(); VIOMMU_PENDING: all is done, and viommu_view_leave() would have
 * said so; VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_dma_read(struct viommu_view *view, uint64_t iova, void *buffer,
				    uint64_t bytes, uint32_t access, uint64_t *done);

/**
 * The same in the other direction. Nobody is told what was written: pages that are to be noted are misses while the owner
 * notes them.
 *
 * One at a time per handle.
 * @param view    the view
 * @param iova    first address
 * @param buffer  the bytes
 * @param bytes   how many; 0: nothing is asked
 * @param access  0, VIOMMU_PRIV
 * @param done    receives how many were written, with a result that is not negative; may be NULL
 * @return as viommu_view_dma_read(): VIOMMU_OK, VIOMMU_MISS, VIOMMU_UNREACHABLE, VIOMMU_PENDING, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_dma_write(struct viommu_view *view, uint64_t iova, const void *buffer,
				     uint64_t bytes, uint32_t access, uint64_t *done);

/**
 * Loads a little-endian word in one access (acquire).
 *
 * One at a time per handle.
 * @param view    the view
 * @param iova    a multiple of bytes
 * @param bytes   1, 2, 4, 8
 * @param access  0, VIOMMU_PRIV, VIOMMU_EXEC
 * @param value   receives it
 * @return as viommu_view_dma_read(): VIOMMU_OK, VIOMMU_MISS, VIOMMU_UNREACHABLE, VIOMMU_PENDING, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_dma_load(struct viommu_view *view, uint64_t iova, uint32_t bytes,
				    uint32_t access, uint64_t *value);

/**
 * Stores a little-endian word in one access (release).
 *
 * One at a time per handle.
 * @param view    the view
 * @param iova    a multiple of bytes
 * @param bytes   1, 2, 4, 8
 * @param access  0, VIOMMU_PRIV
 * @param value   of which the low bytes are stored
 * @return as viommu_view_dma_read(): VIOMMU_OK, VIOMMU_MISS, VIOMMU_UNREACHABLE, VIOMMU_PENDING, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_dma_store(struct viommu_view *view, uint64_t iova, uint32_t bytes,
				     uint32_t access, uint64_t value);

/**
 * Compares a little-endian word with *expected and, if it is equal, stores desired, in one access. Asks for permission to
 * read and to write, also if it does not store.
 *
 * One at a time per handle.
 * @param view      the view
 * @param iova      a multiple of bytes
 * @param bytes     4 or 8
 * @param access    0, VIOMMU_PRIV
 * @param expected  in: the value compared; out: the value found; it has been stored if they are equal. Unchanged with another
 * result than VIOMMU_OK and VIOMMU_PENDING
 * @param desired   stored
 * @return as viommu_view_dma_read(): VIOMMU_OK, VIOMMU_MISS, VIOMMU_UNREACHABLE, VIOMMU_PENDING, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_dma_cmpxchg(struct viommu_view *view, uint64_t iova, uint32_t bytes,
				       uint32_t access, uint64_t *expected, uint64_t desired);

/* ---- messages ---- */

/**
 * Makes the message that asks the owner for a translation. Open the section before, and send it in the section: then what
 * the reply says is known to the view until the section is closed, even if it could not be cached.
 *
 * One at a time per handle.
 * @param view     the view
 * @param request  what viommu_view_translate() has answered VIOMMU_MISS for, from answer->next on; only
 * VIOMMU_AT_UNTRANSLATED
 * @param message  receives the message
 * @param max      room for it
 * @param length   receives its length
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOSPC; VIOMMU_ELIMIT: so many are under way, take a reply first
 */
VIOMMU_API int viommu_view_request(struct viommu_view *view, const struct viommu_request *request,
				   void *message, uint32_t max, uint32_t *length);

/**
 * Makes the message that has the owner read or write for this process: the way of a process that maps no guest memory.
 *
 * One at a time per handle.
 * @param view     the view
 * @param iova     first address
 * @param bytes    1 to VIOMMU_VIEW_COPY_BYTES
 * @param access   VIOMMU_READ or VIOMMU_WRITE, with VIOMMU_PRIV, VIOMMU_EXEC as in dma.h
 * @param data     bytes to be written; NULL for reading
 * @param message  receives the message
 * @param max      room for it
 * @param length   receives its length
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOSPC, VIOMMU_ELIMIT
 */
VIOMMU_API int viommu_view_request_copy(struct viommu_view *view, uint64_t iova, uint32_t bytes,
					uint32_t access, const void *data, void *message,
					uint32_t max, uint32_t *length);

/**
 * Makes the message that a section has closed: see viommu_view_leave(). It has no reply.
 *
 * One at a time per handle.
 * @param view     the view
 * @param message  receives the message
 * @param max      room for it
 * @param length   receives its length
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOSPC
 */
VIOMMU_API int viommu_view_wake(struct viommu_view *view, void *message, uint32_t max,
				uint32_t *length);

/** What the owner has replied. */
struct viommu_view_answer {
	int32_t result; /**< of the translation, or of the copy (dma.h); VIOMMU_ELIMIT: it has not been looked at */
	uint32_t count;	  /**< of the fragments that follow */
	uint64_t iova;	  /**< the first address that was asked for */
	uint64_t done;	  /**< of a copy: bytes */
	const void *data; /**< of a read: these bytes, in the message that was given; or NULL */
	struct viommu_answer answer; /**< of a translation */
	struct viommu_fragment
		fragment[VIOMMU_VIEW_FRAGMENTS]; /**< with this process's host pointers */
};

/**
 * Takes a reply. Replies may come in another order than requests. One that nobody waits for, or that says what it cannot, is
 * refused, and changes nothing.
 *
 * One at a time per handle.
 * @param view     the view
 * @param message  what came
 * @param bytes    how many
 * @param reply    is filled in
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_view_reply(struct viommu_view *view, const void *message, uint32_t bytes,
				 struct viommu_view_answer *reply);

#ifdef __cplusplus
}
#endif

#endif
