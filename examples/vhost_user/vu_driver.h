/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_driver.h - a guest's network driver in small: sends numbered frames, checks every one that
 * comes back.
 *
 * Where its buffers are, as the device sees it, is its strategy: guest-physical addresses;
 * everything mapped once; or a mapping for each use, taken away in blocks of 1 (strict) or 64
 * buffers (batched) with one flush.
 */
#ifndef EXAMPLES_VHOST_USER_VU_DRIVER_H
#define EXAMPLES_VHOST_USER_VU_DRIVER_H

#include "vu_engine.h"
#include "vu_queue.h"

enum { DRIVER_RX, DRIVER_TX, DRIVER_LANES };

enum { DRIVER_ON_WAY = 4 * QUEUE_SIZE }; /* more than can be on their way */

#define DRIVER_STATIC_IOVA (UINT64_C(1) << 32) /* guest memory, if mapped as a whole */
#define DRIVER_RINGS_IOVA  (UINT64_C(2) << 32) /* of the lanes, QUEUE_BYTES each */
#define DRIVER_IOVA	   (UINT64_C(3) << 32) /* of the slots */

#define DRIVER_BUFFER 2048U /* bytes of a buffer for receiving */

/* A place in a ring: always the same I/O virtual address, another page each time. */
struct vu_slot {
	uint64_t gpa; /* of its page; UINT64_MAX: free */
	uint32_t bytes;
	bool done;
};

struct vu_lane {
	struct vu_queue queue;
	struct vu_slot slot[QUEUE_SIZE];
	uint16_t used_of_block[QUEUE_SIZE];
	uint16_t free[QUEUE_SIZE]; /* slots without a buffer */
	unsigned free_head, free_count;
};

enum vu_strategy { DRIVER_PHYSICAL, DRIVER_STATIC, DRIVER_DYNAMIC };

struct vu_driver {
	struct vu_ram *ram;
	struct vu_link *link;
	struct vu_engine *engine; /* NULL: no IOMMU */
	unsigned pair;		  /* of queues */
	bool packed;
	enum vu_strategy strategy;
	unsigned block; /* slots that are taken away with one flush */
	/* From one slot's I/O virtual address to the next: a page, or two, of which one stays
	 * unmapped. */
	uint64_t stride;
	uint32_t receive_perm; /* VIOMMU_* of a mapping for receiving */
	unsigned frame_bytes;
	struct vu_lane lane[DRIVER_LANES];
	uint64_t *pool; /* pages that are in no slot, first in first out */
	unsigned pool_head, pool_count;
	uint64_t sent, received; /* frames; a frame's number is how many were sent before */
	uint64_t born,
		late; /* number of the first since the rings were started; older ones that came */
	/* By number: frames that have not come back. Each comes once, in any order: slots are
	 * looked at block by block. */
	bool on_way[DRIVER_ON_WAY];
	uint64_t wrong, lost; /* content that was not sent, or twice; numbers that never came */
	bool stuck;	      /* nothing happens any more */
	bool failed;	      /* the device did what it may not, or a flush did not end */
};

/* Allocates rings and pages; maps the rings, and everything if that is the strategy. */
bool driver_open(struct vu_driver *d);
void driver_close(struct vu_driver *d);

/* Gives the backend the rings, with buffers to receive into: fills them, and connects them. */
bool driver_start(struct vu_driver *d);
bool driver_fill(struct vu_driver *d);
bool driver_connect(struct vu_driver *d);
/* Takes the rings back. All buffers are free then, and unmapped. */
bool driver_stop(struct vu_driver *d);

/* Sends and receives for so long or so many packets, whichever ends first (0: no bound). */
bool driver_run(struct vu_driver *d, double seconds, uint64_t packets);
/* Sends nothing more and waits for what is on its way; what does not come back is lost. */
bool driver_drain(struct vu_driver *d);

/* One round: takes what the device has used, sends if wanted. Whether anything happened. */
bool driver_poll(struct vu_driver *d, uint64_t send_until);

/* A free slot to send from, for who puts a descriptor there by hand. */
unsigned driver_take_slot(struct vu_driver *d);

uint64_t driver_slot_iova(const struct vu_driver *d, unsigned lane, unsigned slot);
uint64_t driver_ring_iova(const struct vu_driver *d, unsigned lane);

#endif
