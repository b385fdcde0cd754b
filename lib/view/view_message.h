/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * view_message.h - messages between a view and its owner, as bytes: little-endian, whatever the hosts are.
 *
 *	every message		0 magic 32, 4 kind 16, 6 zero 16, 8 id 64
 *	VIEW_TRANSLATE		16 first 64, 24 last 64, 32 access 16, 34 zero 48
 *	VIEW_READ, VIEW_WRITE	16 iova 64, 24 zero 64, 32 access 16, 34 zero 16, 36 bytes 32; and what is written
 *	VIEW_WAKE		16 zero 192; id 0
 *	replies			16 result 32, 20 count 32, 24 next 64, 32 zero 64, 40 reason 16, 42 zero 16, 44 extent 32,
 *				48 flags 32, 52 zero 32; and count bytes that were read, or fragments: gpa 64, length 64,
 *				perm 32, flags 32
 *
 * Requests have no device and no PASID: the owner knows whose they are. A message is copied once, and then judged as a
 * whole: whoever sends it may go on writing where it lies.
 */
#ifndef VIEW_MESSAGE_H
#define VIEW_MESSAGE_H

#include <libvirtiommu/view.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define VIEW_MAGIC UINT32_C(0x31577669) /* "ivW1" */

enum view_kind { VIEW_NONE, VIEW_TRANSLATE, VIEW_READ, VIEW_WRITE, VIEW_WAKE, VIEW_KINDS };

#define VIEW_ASK_BYTES	    40U
#define VIEW_REPLY_BYTES    56U
#define VIEW_FRAGMENT_BYTES 24U
/* Of a kind that is a reply. */
#define VIEW_IS_REPLY 0x8000U

static_assert(VIEW_ASK_BYTES + VIOMMU_VIEW_COPY_BYTES <= VIOMMU_VIEW_MESSAGE_BYTES, "fits");
static_assert(VIEW_REPLY_BYTES + VIOMMU_VIEW_COPY_BYTES <= VIOMMU_VIEW_MESSAGE_BYTES, "fits");

/* What a view asks. */
struct view_ask {
	uint64_t id;
	uint64_t first;
	uint64_t last; /* VIEW_TRANSLATE */
	uint32_t bytes;
	uint16_t kind; /* enum view_kind */
	uint16_t access;
};

/* What the owner says. */
struct view_said {
	uint64_t id;
	uint64_t next;
	int32_t result;
	uint32_t count; /* fragments, or bytes */
	uint32_t extent;
	uint32_t flags;
	uint16_t kind; /* of what was asked */
	uint16_t reason;
};

/* Bytes of a message of what is asked, without those that are written. 0: there is no room for all of it. The bytes to be
 * written belong behind it. */
uint32_t view_ask_put(const struct view_ask *ask, void *to, uint32_t max);
/* False: it is none. What is asked can be asked: kinds, access, ranges that do not wrap, bytes that are there. */
bool view_ask_get(struct view_ask *ask, const void *from, uint32_t bytes);

/* Bytes of a reply, with its fragments, or with room for the bytes that were read. */
uint32_t view_said_put(const struct view_said *said, const struct viommu_fragment *fragments,
		       void *to, uint32_t max);
/* False: it is none. Whether it answers what was asked is for the caller to see. @fragments: VIOMMU_VIEW_FRAGMENTS of
 * them, without host pointers */
bool view_said_get(struct view_said *said, struct viommu_fragment *fragments, const void *from,
		   uint32_t bytes);

#endif
