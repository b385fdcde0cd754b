/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_message.h - messages of the vhost-user protocol on a Unix socket, with the files that go with
 * them.
 *
 * A message is a header of three 32-bit words (request, flags, bytes of payload) and the payload.
 * Both sides use this.
 */
#ifndef EXAMPLES_VHOST_USER_VU_MESSAGE_H
#define EXAMPLES_VHOST_USER_VU_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Requests of the front end. */
enum {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_IOTLB_MSG = 22,
	/* Our own: a file with a ring for VU_IOTLB_MSG, and that there is something in it (vu_iotlb_ring.h). */
	VU_SET_IOTLB_RING = 0x10001,
	VU_KICK_IOTLB_RING = 0x10002,
};

/* Requests of the backend, on its own channel. */
enum {
	VU_BACKEND_IOTLB_MSG = 1,
};

/* Flags: the version is in bits 1:0. */
#define VU_VERSION    1U
#define VU_REPLY      (1U << 2)
#define VU_NEED_REPLY (1U << 3)

/* Features: of vhost-user, and those of virtio that both sides know. */
#define VU_F_NET_MQ	       (UINT64_C(1) << 22)
#define VU_F_PROTOCOL_FEATURES (UINT64_C(1) << 30)
#define VU_F_VERSION_1	       (UINT64_C(1) << 32)
#define VU_F_ACCESS_PLATFORM   (UINT64_C(1) << 33)
#define VU_F_RING_PACKED       (UINT64_C(1) << 34)

/* Protocol features. */
#define VU_PROTOCOL_MQ		(UINT64_C(1) << 0)
#define VU_PROTOCOL_REPLY_ACK	(UINT64_C(1) << 3)
#define VU_PROTOCOL_BACKEND_REQ (UINT64_C(1) << 5)
#define VU_PROTOCOL_IOTLB_RING	(UINT64_C(1) << 62) /* our own */

/* SET_VRING_KICK, _CALL, _ERR: the ring's index, and that no file comes with it. */
#define VU_VRING_INDEX 0xffU
#define VU_VRING_NO_FD 0x100U

enum { VU_REGIONS = 8, VU_FDS = 8, VU_PAYLOAD = 512, VU_PAIRS = 4, VU_RINGS = 2 * VU_PAIRS };

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vu_region {
	uint64_t gpa;
	uint64_t bytes;
	uint64_t uaddr;	 /* in the front end's address space */
	uint64_t offset; /* in the file */
};

struct vu_memory {
	uint32_t count;
	uint32_t padding;
	struct vu_region region[VU_REGIONS];
};

struct vu_message {
	uint32_t request;
	uint32_t flags;
	uint32_t bytes; /* of payload */
	union {
		uint64_t number;
		struct vu_vring_state state;
		struct vu_vring_addr addr;
		struct vu_memory memory;
		uint8_t raw[VU_PAYLOAD];
	};
	unsigned fds;
	int fd[VU_FDS];
};

/* Sends a message with its files. */
bool vu_send(int socket, const struct vu_message *message);
/* The same, unless that would have to wait. */
bool vu_offer(int socket, const struct vu_message *message);

/*
 * Receives a message, waiting at most `milliseconds` for it to begin. 1: there is one, its files
 * are the caller's. 0: none. -1: the connection is over, or what came is no message.
 */
int vu_receive(int socket, struct vu_message *message, int milliseconds);

/* Closes the files that came with a message. */
void vu_drop_files(struct vu_message *message);

#endif
