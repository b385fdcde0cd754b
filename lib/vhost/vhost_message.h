/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_message.h - where the fields of an IOTLB message are, in bytes. The kernel's structures are
 * its user interface for 64-bit hosts; the layout is written down here so that the library builds
 * without kernel headers, and a test compares the two.
 */
#ifndef VHOST_MESSAGE_H
#define VHOST_MESSAGE_H

#include <assert.h>
#include <stdint.h>

/* struct vhost_iotlb_msg; it is the payload of a vhost-user IOTLB message as it is. */
#define VHOST_IOTLB_IOVA  0U  /* u64 */
#define VHOST_IOTLB_SIZE  8U  /* u64 */
#define VHOST_IOTLB_UADDR 16U /* u64 */
#define VHOST_IOTLB_PERM  24U /* u8: 1 read, 2 write */
#define VHOST_IOTLB_TYPE  25U /* u8 */
#define VHOST_IOTLB_BYTES 32U /* the last six mean nothing */

/* struct vhost_msg (V1) and struct vhost_msg_v2. */
#define VHOST_MSG_TYPE	  0U /* u32: VHOST_MSG_V1 or VHOST_MSG_V2 */
#define VHOST_MSG_V2_ASID 4U /* u32; a hole in V1 */
#define VHOST_MSG_IOTLB	  8U /* the union's first bytes, of 64 */
#define VHOST_MSG_BYTES	  72U

#define VHOST_MSG_V1 1U
#define VHOST_MSG_V2 2U

static_assert(VHOST_IOTLB_UADDR + sizeof(uint64_t) == VHOST_IOTLB_PERM, "packed up to here");
static_assert(VHOST_IOTLB_TYPE < VHOST_IOTLB_BYTES, "inside");
static_assert(VHOST_MSG_IOTLB + 64 == VHOST_MSG_BYTES && VHOST_IOTLB_BYTES <= 64, "a union of 64");

#endif
