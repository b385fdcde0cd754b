/* SPDX-License-Identifier: BSD-3-Clause */
/** @file vhost.h - device IOTLBs of vhost and vhost-user: the VMM's side, the device's side, and
 * the messages between them. */
#ifndef LIBVIRTIOMMU_VHOST_H
#define LIBVIRTIOMMU_VHOST_H

#include <libvirtiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- messages ---- */

/**
 * @name Message types
 * @{
 */
#define VIOMMU_IOTLB_MISS	 1U /**< device to VMM: translate iova for perm */
#define VIOMMU_IOTLB_UPDATE	 2U /**< VMM to device: [iova, iova + size) is at uaddr */
#define VIOMMU_IOTLB_INVALIDATE	 3U /**< VMM to device: forget [iova, iova + size) */
#define VIOMMU_IOTLB_ACCESS_FAIL 4U /**< device to VMM: an access was refused */
#define VIOMMU_IOTLB_BATCH_BEGIN 5U /**< VMM to device: updates follow */
#define VIOMMU_IOTLB_BATCH_END	 6U /**< VMM to device: that was the last */
/** @} */

/** One message, decoded. A miss and a failure have iova and perm, an update all fields, an
 * invalidation iova and size, a batch none; asid is of the form. A field that the type does not
 * have is 0 when decoded and ignored when encoded. All of the space, 2^64 bytes, cannot be said in
 * one message: it takes two. */
struct viommu_iotlb_msg {
	uint64_t iova;	/**< first address */
	uint64_t size;	/**< bytes, not 0 where the type has a range */
	uint64_t uaddr; /**< VIOMMU_IOTLB_UPDATE: where iova is, in the VMM's address space */
	uint32_t asid;	/**< address space; 0 where the form has none */
	uint16_t perm;	/**< VIOMMU_READ, VIOMMU_WRITE; not 0 where the type has it */
	uint16_t type;	/**< VIOMMU_IOTLB_* */
};

/**
 * @name Forms on the wire
 * @{
 */
#define VIOMMU_IOTLB_FORM_V1   1U /**< kernel, struct vhost_msg: 72 bytes */
#define VIOMMU_IOTLB_FORM_V2   2U /**< kernel, struct vhost_msg_v2: 72 bytes, with asid */
#define VIOMMU_IOTLB_FORM_USER 3U /**< vhost-user payload: 32 bytes */
/** @} */

/** Bytes of the longest form. */
#define VIOMMU_IOTLB_BYTES_MAX 72U

/**
 * Encodes a message, in the byte order of the host as vhost has it.
 *
 * Any thread, any time.
 * @param message   what to send; every field is checked
 * @param form      VIOMMU_IOTLB_FORM_*
 * @param buffer    receives the message; bytes that mean nothing are 0
 * @param capacity  bytes
 * @param bytes     receives the length of the form
 * @return VIOMMU_OK, VIOMMU_EINVAL (a type, permission or form that does not exist; size 0 or a
 * range beyond 2^64 - 1; asid in a form without), VIOMMU_ENOSPC
 */
VIOMMU_API int viommu_iotlb_encode(const struct viommu_iotlb_msg *message, uint32_t form,
				   void *buffer, uint32_t capacity, uint32_t *bytes);

/**
 * Decodes a message from an untrusted peer.
 *
 * Any thread, any time.
 * @param form     VIOMMU_IOTLB_FORM_*
 * @param buffer   the message
 * @param bytes    its length: exactly that of the form
 * @param message  receives it
 * @return VIOMMU_OK, VIOMMU_EINVAL (unknown type, wrong length or form, size 0, a range or uaddr
 * range that wraps, permission bits that do not exist, a miss, failure or update without
 * permission). What a type has no use for is ignored, whatever the peer left there.
 */
VIOMMU_API int viommu_iotlb_decode(uint32_t form, const void *buffer, uint32_t bytes,
				   struct viommu_iotlb_msg *message);

/* ---- device side: what a backend has of the VMM's IOMMU ---- */

/** The translations a backend has been given. */
struct viommu_iotlb;
/** One queue thread's way to look them up. */
struct viommu_iotlb_reader;

/**
 * @name Caps of a device IOTLB's configuration
 * @{
 */
#define VIOMMU_IOTLB_RANGES_MAX (1U << 24) /**< ranges */
#define VIOMMU_IOTLB_MISSES_MAX 4096U	   /**< misses outstanding */
/** @} */

/** How to create a device IOTLB. Zero the structure, set size, fill in what is wanted. */
struct viommu_iotlb_config {
	uint32_t size;	 /**< sizeof(struct viommu_iotlb_config) */
	uint32_t flags;	 /**< 0 */
	uint32_t ranges; /**< ranges kept, at most; the oldest goes when full; 0: 2048 */
	uint32_t misses; /**< misses outstanding, at most; 0: 256 */
	void *opaque;	 /**< passed to the callbacks */
	/** A translation is missing, or lacks a permission: send a VIOMMU_IOTLB_MISS. Not repeated
	 * while the same page of 4 KiB and access is outstanding: until something of the page is
	 * added or invalidated, or too many others have been asked for, or it has been looked up
	 * 512 times in vain: it may have been lost, or be granted by now. The number doubles each
	 * time; and while nothing at all is answered, not many are repeated. From viommu_iotlb_lookup(), no lock held. May be NULL. */
	void (*miss)(void *opaque, uint64_t iova, uint32_t access);
	/** What viommu_iotlb_invalidate() could not finish may be finished now: call
	 * viommu_iotlb_synced(). From viommu_iotlb_leave(). May be NULL. */
	void (*work)(void *opaque);
	/** Memory, as in struct viommu_vm_config; both NULL: calloc() and free(). From any call. */
	void *(*alloc)(void *opaque, uint64_t bytes, uint64_t align);
	/** Gives back what alloc returned. From any call. */
	void (*dealloc)(void *opaque, void *block, uint64_t bytes);
};

/**
 * Creates a device IOTLB.
 *
 * Any thread, any time.
 * @param config  copied
 * @param iotlb   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM
 */
VIOMMU_API int viommu_iotlb_new(const struct viommu_iotlb_config *config,
				struct viommu_iotlb **iotlb);

/**
 * Frees a device IOTLB.
 *
 * Alone: nothing else may run on this handle.
 * @param iotlb  may be NULL
 * @return VIOMMU_OK, or VIOMMU_EBUSY while a reader of it exists
 */
VIOMMU_API int viommu_iotlb_free(struct viommu_iotlb *iotlb);

/**
 * Adds a range (VIOMMU_IOTLB_UPDATE). What it overlaps is replaced: the parts outside stay. If
 * there are too many ranges then, those that were added first go; adding the very same range again
 * makes it new. Misses outstanding in its pages may be asked again.
 *
 * One at a time per handle, together with the other functions that change it.
 * @param iotlb  the device IOTLB
 * @param first  first address
 * @param last   last address
 * @param host   where first is mapped here, not NULL
 * @param gpa    where first is in guest-physical memory, if known; else 0: then fragments have 0
 * @param perm   VIOMMU_READ, VIOMMU_WRITE; not 0
 * @return VIOMMU_OK, VIOMMU_EINVAL (also: host or gpa wraps), VIOMMU_ENOMEM (nothing has changed)
 */
VIOMMU_API int viommu_iotlb_insert(struct viommu_iotlb *iotlb, uint64_t first, uint64_t last,
				   void *host, uint64_t gpa, uint32_t perm);

/**
 * Removes [first, last] (VIOMMU_IOTLB_INVALIDATE); parts of ranges outside stay, unless there is no
 * memory to keep two of them. Misses outstanding in its pages may be asked again.
 *
 * One at a time per handle, together with the other functions that change it.
 * @param iotlb  the device IOTLB
 * @param first  first address
 * @param last   last address
 * @return VIOMMU_OK: no section uses any of it: acknowledge. VIOMMU_PENDING: sections are open,
 * see viommu_iotlb_synced(). VIOMMU_EINVAL
 */
VIOMMU_API int viommu_iotlb_invalidate(struct viommu_iotlb *iotlb, uint64_t first, uint64_t last);

/**
 * The VMM has refused a miss, if there is a way to learn it (in vhost's messages there is none): the
 * next lookup of the page that wants some of that access answers VIOMMU_FAULT, and the one after it
 * asks again, because what is refused may be mapped later without a message.
 *
 * Any thread, any time.
 * @param iotlb   the device IOTLB
 * @param iova    as it was missed
 * @param access  the same
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_iotlb_refused(struct viommu_iotlb *iotlb, uint64_t iova, uint32_t access);

/**
 * Whether every section that was open at the last invalidation has closed.
 *
 * One at a time per handle, together with the other functions that change it.
 * @param iotlb  the device IOTLB
 * @return VIOMMU_OK, VIOMMU_PENDING, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_iotlb_synced(struct viommu_iotlb *iotlb);

/**
 * Creates a reader, with a small cache of its own.
 *
 * Any thread, any time.
 * @param iotlb   the device IOTLB
 * @param reader  receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ENOMEM
 */
VIOMMU_API int viommu_iotlb_reader_new(struct viommu_iotlb *iotlb,
				       struct viommu_iotlb_reader **reader);

/**
 * Frees a reader.
 *
 * Alone: nothing else may run on this handle.
 * @param reader  may be NULL
 * @return VIOMMU_OK, or VIOMMU_EBUSY while its section is open
 */
VIOMMU_API int viommu_iotlb_reader_free(struct viommu_iotlb_reader *reader);

/**
 * Opens a section: host pointers that lookups give may be used until viommu_iotlb_leave().
 *
 * One at a time per handle.
 * @param reader  with no section open
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_EBUSY (already open)
 */
VIOMMU_API int viommu_iotlb_enter(struct viommu_iotlb_reader *reader);

/**
 * Closes the section. May call the work callback.
 *
 * One at a time per handle.
 * @param reader  with an open section
 * @return VIOMMU_OK, VIOMMU_EINVAL (also: none is open)
 */
VIOMMU_API int viommu_iotlb_leave(struct viommu_iotlb_reader *reader);

/**
 * Looks a range up. Takes no lock, except a short one to note what is missing.
 *
 * One at a time per handle.
 * @param reader     with an open section
 * @param first      first address
 * @param last       last address
 * @param access     VIOMMU_READ, VIOMMU_WRITE
 * @param fragments  receives at most max fragments, merged where address, host memory and
 * permission continue
 * @param max        at least 1
 * @param answer     always written, except with a negative result; ats and reason are 0
 * @return VIOMMU_OK: all of [first, last] is covered. VIOMMU_MORE: max fragments were not enough.
 * VIOMMU_PENDING: answer->next is missing, or does not permit the access, and has been asked for
 * through the miss callback. VIOMMU_FAULT: it was refused, by viommu_iotlb_refused(), or twice by an
 * update without the permission (one may have been under way when the miss was sent); the next lookup
 * asks again. Without a miss callback, a range that does not permit the access is refused at once.
 * VIOMMU_EINVAL (also: no section is open)
 */
VIOMMU_API int viommu_iotlb_lookup(struct viommu_iotlb_reader *reader, uint64_t first,
				   uint64_t last, uint32_t access,
				   struct viommu_fragment *fragments, uint32_t max,
				   struct viommu_answer *answer);

/** A range that a backend has been given, or what is left of one. */
struct viommu_iotlb_range {
	uint64_t first;	   /**< first address */
	uint64_t last;	   /**< last address */
	void *host;	   /**< where first is mapped here */
	uint64_t gpa;	   /**< where first is in guest-physical memory; 0: not known */
	uint32_t perm;	   /**< VIOMMU_READ, VIOMMU_WRITE */
	uint32_t reserved; /**< 0 */
};

/**
 * Looks up the whole range that has an address. Until the section is closed it may be used like
 * the result of a lookup: where a burst's buffers are in few ranges, a comparison and an addition
 * for each of them are enough. Takes no lock.
 *
 * One at a time per handle.
 * @param reader  with an open section
 * @param iova    address
 * @param access  VIOMMU_READ, VIOMMU_WRITE
 * @param range   receives the range, with VIOMMU_OK only
 * @return as viommu_iotlb_lookup() of [iova, iova]
 */
VIOMMU_API int viommu_iotlb_get_range(struct viommu_iotlb_reader *reader, uint64_t iova,
				      uint32_t access, struct viommu_iotlb_range *range);

/* ---- VMM side: what feeds a backend's device IOTLB ---- */

/** One backend's connection to an IOMMU of any engine. */
struct viommu_vhost;

/** How far viommu_vhost_miss() looks around the address asked for, when 0 is given. */
#define VIOMMU_VHOST_REACH_DEFAULT (1ULL << 30)

/**
 * @name Ranges of a connection's configuration
 * @{
 */
#define VIOMMU_VHOST_RANGES_DEFAULT 4096U      /**< when 0 is given */
#define VIOMMU_VHOST_RANGES_MAX	    (1U << 20) /**< cap */
/** @} */

/** How to connect a backend. Zero the structure, set size, fill in what is wanted. */
struct viommu_vhost_config {
	uint32_t size;	/**< sizeof(struct viommu_vhost_config) */
	uint32_t flags; /**< 0 */
	uint32_t pasid; /**< VIOMMU_NO_PASID or a PASID */
	uint32_t asid;	/**< put into each message */
	/** How far an update may reach around the address that was missed: it covers as much as the
	 * tables prove to be contiguous within the aligned block of this size; a power of two; 0:
	 * VIOMMU_VHOST_REACH_DEFAULT; 1: no further than the page of 4 KiB. */
	uint64_t reach;
	/** After an update, how many bytes beyond it are looked up and sent too, without faults and
	 * without recording accessed or dirty (read-ahead), up to the first that has been sent
	 * already; at most 15 further updates a miss. */
	uint64_t ahead;
	void *opaque; /**< passed to send */
	/** Sends a message to the backend: VIOMMU_OK: it has been acted upon; VIOMMU_PENDING:
	 * viommu_vhost_acknowledged() will say so, which may be before send returns. Anything else:
	 * it has not been sent; except VIOMMU_EEXIST to an update that was sent before, which says that
	 * the backend has it. After an invalidation that could not be sent the connection is
	 * broken: nothing more is sent, and the guest's invalidations do not complete until
	 * viommu_vhost_free() or viommu_vhost_fail(), which have to come after the backend has lost
	 * its translations.
	 * No lock is held, and one call is made at a time: from the thread that owns the registers
	 * or the one that calls viommu_vhost_miss(), whose messages whoever is sending sends too.
	 */
	int (*send)(void *opaque, const struct viommu_iotlb_msg *message);
	/** Ranges that are remembered as sent, at most; 0: VIOMMU_VHOST_RANGES_DEFAULT, up to
	 * VIOMMU_VHOST_RANGES_MAX. With more of them, neighbours are taken for one, and what is
	 * between them may be invalidated in vain. */
	uint32_t ranges;
	uint32_t reserved; /**< 0 */
	/** Nanoseconds by viommu_host.now within which each message is to be acknowledged; 0: any
	 * time. */
	uint64_t deadline;
	/** A message has not been acknowledged by the deadline; once, until all that was under way
	 * then has been. That completes nothing: stop the backend, then call viommu_vhost_fail() or,
	 * not from inside, viommu_vhost_free(). From viommu_run(), which is to be called as often as
	 * deadlines are to be noticed, no lock held. Not NULL if deadline is not 0. */
	void (*expired)(void *opaque);
};

/**
 * Connects a backend to a device. From then on, whatever invalidates translations of the device
 * is sent as VIOMMU_IOTLB_INVALIDATE before the guest learns that it is complete, and the guest
 * learns it when the backend has acknowledged. Nothing is sent for ranges of which the backend was
 * sent nothing, and ranges that touch are sent as one. The whole space is sent in two halves.
 * Updates never overlap what the backend was sent and not told to forget, unless they are the same in
 * range, memory and permission: a backend may be sent those again and again. It may add them, ignore
 * them, or refuse them.
 *
 * Regions of guest memory may change meanwhile: see viommu_vhost_forget_gpa().
 *
 * One at a time per handle of the IOMMU, together with viommu_reg_write() and viommu_run().
 * @param device  whose translations the backend is given
 * @param config  copied
 * @param vhost   receives the handle
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE, VIOMMU_ENOMEM, VIOMMU_EBUSY (a call on registers of
 * the IOMMU is under way), VIOMMU_ENOTSUP (a
 * deadline, and the IOMMU's host has no clock)
 */
VIOMMU_API int viommu_vhost_new(struct viommu_device *device,
				const struct viommu_vhost_config *config,
				struct viommu_vhost **vhost);

/**
 * Disconnects a backend, which must not use any more what it was sent: what it has not acknowledged
 * holds back nothing from now on.
 *
 * Alone: nothing else may run on this handle; nor may a call on the IOMMU's registers.
 * @param vhost  may be NULL
 * @return VIOMMU_OK, or VIOMMU_EBUSY (from inside a callback, or while a miss or a call on registers of
 * the IOMMU is under way: nothing is freed)
 */
VIOMMU_API int viommu_vhost_free(struct viommu_vhost *vhost);

/**
 * Answers a miss: translates and sends an update for as much around the address as the tables prove
 * to continue it in address, guest memory, host memory and permission, in one region; whole pages of
 * 4 KiB, except where a virtio-iommu has mappings or reserved regions that are not. What has been
 * sent of it is left out, unless it is the address itself: then the same update is sent again, if it
 * was one message, or is what an invalidation has left of one. A backend has that as a whole or not at
 * all. Before any other, which may overlap what was sent, an invalidation is sent, because backends do
 * not replace what they have. They do not all ask again either when a range lacks
 * a permission, so they are given what the tables grant at once: a page that may be written and is not
 * dirty is made dirty, as by an ATS request without "no write", and no other page like that is sent
 * with it. Where the tables refuse, the fault is recorded; if it was a write and reading is granted,
 * that is sent, otherwise nothing. At most viommu_limits.steps entries of tables are looked at besides
 * the translation: if they do not suffice, the update is smaller.
 *
 * One at a time per handle.
 * @param vhost   the connection
 * @param iova    address
 * @param access  VIOMMU_READ, VIOMMU_WRITE
 * @return VIOMMU_OK: sent, or left to the thread that is sending at the moment. VIOMMU_FAULT:
 * refused and recorded. VIOMMU_INTERRUPT: not memory. VIOMMU_ENOTSUP: the address is not in a
 * registered region, or ROM that is to be written: no backend can reach it. VIOMMU_EINVAL.
 * VIOMMU_EBUSY: another call is under way, or too many messages wait for a send that does not
 * return: ask again. VIOMMU_ENOENT: the connection is broken, see send, or has failed. VIOMMU_ENOMEM: nothing was
 * sent. Or what send returned, if negative
 */
VIOMMU_API int viommu_vhost_miss(struct viommu_vhost *vhost, uint64_t iova, uint32_t access);

/**
 * The backend has acted upon messages for which send returned VIOMMU_PENDING, in their order.
 *
 * Any thread, any time. May call the host's work callback.
 * @param vhost  the connection
 * @param count  how many more
 * @return VIOMMU_OK, VIOMMU_EINVAL (more than are outstanding), VIOMMU_ENOENT (after
 * viommu_vhost_fail())
 */
VIOMMU_API int viommu_vhost_acknowledged(struct viommu_vhost *vhost, uint32_t count);

/**
 * Invalidates whatever the backend was sent that is in a range of guest memory. A region is taken away
 * under a live connection in this order: viommu_vm_remove_region(); this, for every connection of the
 * VM; viommu_vm_quiesce() until it answers VIOMMU_OK, which waits for the backends too; then its memory
 * may be unmapped.
 *
 * Any thread, any time. Calls send.
 * @param vhost      the connection
 * @param gpa_first  first address
 * @param gpa_last   last address
 * @return VIOMMU_OK: the backend has nothing of it. VIOMMU_PENDING: it has to acknowledge that.
 * VIOMMU_EINVAL. VIOMMU_ENOENT: the connection is broken, see send
 */
VIOMMU_API int viommu_vhost_forget_gpa(struct viommu_vhost *vhost, uint64_t gpa_first,
				       uint64_t gpa_last);

/**
 * Says that a backend is dead: it has been stopped, and uses nothing any more of what it was sent. What
 * it has not acknowledged holds back nothing from now on, also if the connection was broken. Nothing
 * more is sent; what is left is to free the connection.
 *
 * Any thread, any time. May call the host's work callback.
 * @param vhost  the connection
 * @return VIOMMU_OK, VIOMMU_EINVAL
 */
VIOMMU_API int viommu_vhost_fail(struct viommu_vhost *vhost);

/** What a connection has done. */
struct viommu_vhost_statistics {
	uint32_t size;		/**< sizeof(struct viommu_vhost_statistics), set by the caller */
	uint32_t outstanding;	/**< messages not acknowledged, or still to be sent */
	uint64_t misses;	/**< viommu_vhost_miss() calls */
	uint64_t faults;	/**< of these, refused by the tables */
	uint64_t updates;	/**< messages sent */
	uint64_t invalidations; /**< messages sent */
	uint64_t coalesced;	/**< invalidations that needed no message of their own */
	uint64_t
		oldest; /**< nanoseconds that a message has been waiting for its acknowledgement, at
			    least, at the last viommu_run(); 0 without viommu_host.now */
	uint64_t expired; /**< calls of expired */
};

/**
 * Reads the counters.
 *
 * Any thread, any time.
 * @param vhost       the connection
 * @param statistics  size set; receives them
 * @return VIOMMU_OK, VIOMMU_EINVAL, VIOMMU_ESIZE
 */
VIOMMU_API int viommu_vhost_get_statistics(struct viommu_vhost *vhost,
					   struct viommu_vhost_statistics *statistics);

#ifdef __cplusplus
}
#endif

#endif
