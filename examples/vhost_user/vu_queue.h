/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_queue.h - a virtqueue, the driver's half, split or packed. Every buffer is one descriptor. */
#ifndef EXAMPLES_VHOST_USER_VU_QUEUE_H
#define EXAMPLES_VHOST_USER_VU_QUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "vu_ram.h"

enum {
	QUEUE_SIZE = 256,
	QUEUE_DESC =
		0, /* each part has a page, from gpa on (packed: descriptors, and what either side wants to be told) */
	QUEUE_AVAIL = VU_PAGE,
	QUEUE_USED = 2 * VU_PAGE,
	QUEUE_BYTES = 4 * VU_PAGE, /* the last page stays empty */
};

struct vu_queue {
	bool packed;
	uint64_t gpa;
	struct vring_desc *desc; /* a packed one begins as this does */
	struct vring_avail *avail;
	struct vring_used *used;
	/* They count on without end; in a packed ring, the bit above the place is the wrap counter, inverted. */
	uint16_t next_avail;
	uint16_t next_used;
	int kick;
	int call;
};

bool queue_open(struct vu_queue *q, struct vu_ram *ram);
void queue_close(struct vu_queue *q);

/* As before the first buffer. The device has stopped. */
void queue_reset(struct vu_queue *q);

/* Puts buffer `id` into the ring; the device is sure to see it after queue_publish(). */
void queue_put(struct vu_queue *q, uint16_t id, uint64_t address, uint32_t bytes,
	       bool device_writes);
void queue_publish(struct vu_queue *q);

/* Takes a buffer that the device has used. */
bool queue_take(struct vu_queue *q, uint32_t *id, uint32_t *bytes);

#endif
