/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_vring.h - a virtqueue, the device's half, split or packed (virtio 1.3, 2.7 and 2.8). Nothing that the driver
 * wrote is read twice. */
#ifndef EXAMPLES_VHOST_USER_VU_VRING_H
#define EXAMPLES_VHOST_USER_VU_VRING_H

#include <linux/virtio_ring.h>

#include "vu_resolve.h"

enum {
	VRING_SPANS = 18,	 /* of one buffer */
	VRING_BYTES_MAX = 65562, /* of one frame with its header */
};

/*
 * Positions count on without end, so that the low bits are the place in the ring; in a packed one, the bit above them
 * is the wrap counter, inverted.
 */
struct vu_vring {
	uint32_t size; /* a power of two; 0: unknown */
	uint64_t desc_at, avail_at, used_at;
	uint16_t next_avail, next_used;
	uint16_t seen; /* split: the driver's index, as it was read last */
	bool packed, started, enabled;
	bool broken; /* what the driver put in there cannot be used: until it is set up again */
	int kick, call, err; /* -1: none */
	/* Within a section; packed: descriptors, what the driver and what the device want to be told. */
	void *desc;
	const void *avail;
	void *used;
};

/* A buffer of the driver. */
struct vu_buffer {
	uint16_t id;
	uint16_t slots; /* that it takes in a packed ring */
	unsigned count;
	uint64_t bytes;
	uint64_t first; /* its address, as the driver gave it */
	struct vu_span span[VRING_SPANS];
};

/* Besides RESOLVED, MISSING and REFUSED: there is no further buffer. */
#define NOTHING 3

void vring_open(struct vu_vring *r);
void vring_close(struct vu_vring *r);

/* Where the device goes on, as vhost-user has it; the size is known. */
bool vring_set_base(struct vu_vring *r, uint32_t base);
uint32_t vring_base(const struct vu_vring *r);

bool vring_works(const struct vu_vring *r);

/* At the beginning of a section. */
int vring_enter(struct vu_reader *reader, struct vu_vring *r);

/* The buffer at a position, of descriptors of one direction (VIOMMU_*), and behind it the next. After MISSING, all of
 * the buffer has been asked for. */
int vring_get(struct vu_reader *reader, struct vu_vring *r, uint16_t *at, uint32_t access,
	      struct vu_buffer *b);

/* Gives a buffer back with so many bytes written. */
void vring_use(struct vu_vring *r, const struct vu_buffer *b, uint64_t bytes);
void vring_publish(struct vu_vring *r);

#endif
