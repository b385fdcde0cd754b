/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_link.h - a front end's connection to a vhost-user backend: negotiation, rings, device IOTLB
 * messages. */
#ifndef EXAMPLES_VHOST_USER_VU_LINK_H
#define EXAMPLES_VHOST_USER_VU_LINK_H

#include <libvirtiommu/vhost.h>

#include "vu_iotlb_ring.h"
#include "vu_ram.h"

struct vu_link {
	int socket;
	int channel; /* our end of the backend's request channel; -1: there is none */
	uint64_t features;
	uint64_t protocol;
	struct iotlb_ring
		ring;	/* for device IOTLB messages; without memory: they go through sockets */
	unsigned looks; /* at the ring */
	unsigned outstanding; /* device IOTLB messages since link_settle() */
	unsigned answered;    /* of these, by the backend */
	unsigned refused;     /* answered with an error */
	unsigned pairs;	      /* of queues */
	bool packed;
	bool broken; /* the backend is gone, or does not follow the protocol */
};

/* What a ring needs. Addresses are the front end's own, or with an IOMMU the guest's I/O virtual
 * ones. */
struct vu_ring_setup {
	unsigned index;
	uint32_t size;
	uint64_t desc, avail, used;
	int kick, call;
};

/* What a connection is to have. */
enum vu_link_wants {
	LINK_PLAIN,
	LINK_IOMMU,
	LINK_RING, /* an IOMMU, and a ring for its messages if the backend knows that */
};

/* Connects, waiting for the socket to appear; negotiates, so many pairs of queues among it; hands over guest memory. */
bool link_open(struct vu_link *link, const char *path, const struct vu_ram *ram,
	       enum vu_link_wants wants, unsigned pairs, bool packed);
void link_close(struct vu_link *link);

bool link_start_ring(struct vu_link *link, const struct vu_ring_setup *ring);

/* Afterwards the backend does not touch the ring any more. */
bool link_stop_ring(struct vu_link *link, unsigned index);

/* Sends a device IOTLB message that the backend will answer; see link_settle(). */
bool link_iotlb(struct vu_link *link, const struct viommu_iotlb_msg *message);

/* Waits for all answers that are outstanding. How many there were. */
unsigned link_settle(struct vu_link *link);

/* Takes a message from the backend's channel, if there is one. */
bool link_next(struct vu_link *link, struct viommu_iotlb_msg *message);

#endif
