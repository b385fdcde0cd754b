/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_device.h - a network device on two split rings that sends every frame back with its MAC
 * addresses swapped. */
#ifndef EXAMPLES_VHOST_USER_VU_DEVICE_H
#define EXAMPLES_VHOST_USER_VU_DEVICE_H

#include <linux/virtio_ring.h>

#include "vu_resolve.h"

/* Rings by index: the driver receives from the first and sends to the second. */
enum { DEVICE_RX, DEVICE_TX };

struct vu_vring {
	uint32_t size; /* a power of two; 0: unknown */
	uint64_t desc_at, avail_at, used_at;
	uint16_t next_avail, next_used;
	bool started, enabled;
	bool broken; /* what the driver put in there cannot be used: until it is set up again */
	int kick, call, err; /* -1: none */
	/* Within a section: */
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
};

struct vu_device {
	struct vu_space space;
	struct vu_vring ring[VU_RINGS];
	uint64_t packets;
	uint64_t last_rx; /* address of the last frame given to the driver, for vu_rude.c */
	bool has_last_rx;
};

bool device_open(struct vu_device *d);
void device_close(struct vu_device *d);

/* Forwards what there is, so many bursts at most, in one section: it ends before messages are looked
 * at, which is when an invalidation could have to wait for it. */
void device_poll(struct vu_device *d, unsigned bursts);

#endif
