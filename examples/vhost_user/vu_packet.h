/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_packet.h - frames whose every byte follows from a number, and what a macswap loop makes of
 * them. */
#ifndef EXAMPLES_VHOST_USER_VU_PACKET_H
#define EXAMPLES_VHOST_USER_VU_PACKET_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PACKET_HEADER = 12, /* struct virtio_net_hdr_v1 */
	PACKET_MIN = 64,    /* bytes of a frame, without its checksum */
	PACKET_MAX = 1514,
};

/* Writes header and frame as they are sent. */
void packet_fill(uint8_t *buffer, uint64_t number, unsigned bytes);

/* What comes back: the frame of this number with its addresses swapped. The number is left at
 * *number whatever it is. */
bool packet_check(const uint8_t *buffer, uint64_t *number, unsigned bytes);

#endif
