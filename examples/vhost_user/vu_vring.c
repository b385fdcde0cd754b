/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_vring.c - virtqueues, the device's half. */
#define _GNU_SOURCE
#include "vu_vring.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define PACKED_AVAIL (1U << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED  (1U << VRING_PACKED_DESC_F_USED)

/* vhost-user: a position in a packed ring, and its wrap counter. */
#define BASE_AT	  0x7fffU
#define BASE_WRAP 0x8000U

/* ---- life ---- */

void vring_open(struct vu_vring *r)
{
	*r = (struct vu_vring){ .kick = -1, .call = -1, .err = -1 };
}

static void close_file(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vring_close(struct vu_vring *r)
{
	close_file(&r->kick);
	close_file(&r->call);
	close_file(&r->err);
}

static void signal_file(int fd)
{
	const uint64_t one = 1;

	if (fd >= 0) {
		ssize_t n = write(fd, &one, sizeof(one));

		(void)n; /* a full eventfd is as good */
	}
}

bool vring_works(const struct vu_vring *r)
{
	return r->started && r->enabled && r->size && !r->broken;
}

/* ---- positions ---- */

static uint32_t place(const struct vu_vring *r, uint16_t at)
{
	return at & (r->size - 1);
}

/* 2.8.1: the wrap counter begins with 1. */
static bool wrap(const struct vu_vring *r, uint16_t at)
{
	return !(at & r->size);
}

static uint16_t position_of(const struct vu_vring *r, uint32_t base)
{
	return (uint16_t)((base & BASE_AT) + (base & BASE_WRAP ? 0 : r->size));
}

bool vring_set_base(struct vu_vring *r, uint32_t base)
{
	if (!r->packed) {
		r->next_avail = r->next_used = r->seen = (uint16_t)base;
		return true;
	}
	if (!r->size || (base & BASE_AT) >= r->size || (base >> 16 & BASE_AT) >= r->size)
		return false;
	r->next_avail = position_of(r, base);
	r->next_used = position_of(r, base >> 16);
	return true;
}

static uint32_t base_of(const struct vu_vring *r, uint16_t at)
{
	return place(r, at) | (wrap(r, at) ? BASE_WRAP : 0);
}

uint32_t vring_base(const struct vu_vring *r)
{
	return r->packed ? base_of(r, r->next_avail) | base_of(r, r->next_used) << 16
			 : r->next_avail;
}

/* ---- the ring's own memory ---- */

/* What cannot be resolved now may be later, or the ring is at fault. */
static int resolved(struct vu_vring *r, int result)
{
	if (result == REFUSED && !r->broken) {
		r->broken = true;
		signal_file(r->err);
	}
	return result;
}

int vring_enter(struct vu_reader *reader, struct vu_vring *r)
{
	const uint64_t avail =
		r->packed ? sizeof(struct vring_packed_desc_event) : 6 + 2 * (uint64_t)r->size;
	const uint64_t used =
		r->packed ? sizeof(struct vring_packed_desc_event) : 6 + 8 * (uint64_t)r->size;
	int a, b, c;

	if (!vring_works(r))
		return REFUSED;
	/* The device gives buffers back where the packed ring has them. */
	r->desc = space_resolve_ring(reader, r->desc_at, 16 * (uint64_t)r->size,
				     r->packed ? VIOMMU_READ | VIOMMU_WRITE : VIOMMU_READ, &a);
	r->avail = space_resolve_ring(reader, r->avail_at, avail, VIOMMU_READ, &b);
	r->used = space_resolve_ring(reader, r->used_at, used, VIOMMU_WRITE, &c);
	if (r->desc && r->avail && r->used)
		return RESOLVED;
	return resolved(r, a == REFUSED || b == REFUSED || c == REFUSED ? REFUSED : MISSING);
}

/* ---- buffers ---- */

static void begin(struct vu_buffer *b)
{
	b->count = 0;
	b->bytes = 0;
	b->slots = 0;
}

/* Adds a descriptor's memory. Every descriptor has to be of the ring's direction. */
static int gather(struct vu_reader *reader, struct vu_buffer *b, const struct vring_desc *desc,
		  uint32_t access)
{
	unsigned count = VRING_SPANS - b->count;
	int result;

	if (!(desc->flags & VRING_DESC_F_WRITE) != (access == VIOMMU_READ) ||
	    (desc->flags & VRING_DESC_F_INDIRECT) || desc->len > VRING_BYTES_MAX)
		return REFUSED;
	result = space_resolve(reader, desc->addr, desc->len, access, &b->span[b->count], &count);
	if (!b->slots++)
		b->first = desc->addr;
	b->bytes += desc->len;
	if (result == RESOLVED)
		b->count += count;
	return result;
}

/* ---- split ---- */

static struct vring_desc split_desc(const struct vu_vring *r, uint16_t at)
{
	const struct vring_desc *desc = r->desc;
	struct vring_desc raw;

	memcpy(&raw, &desc[at], sizeof(raw));
	__asm__ volatile("" ::: "memory");
	return (struct vring_desc){ le64toh(raw.addr), le32toh(raw.len), le16toh(raw.flags),
				    le16toh(raw.next) };
}

/* An index that cannot be says that there is nothing. */
static bool split_has(struct vu_vring *r, uint16_t at)
{
	const struct vring_avail *avail = r->avail;
	uint16_t count = (uint16_t)(r->seen - at);

	if (!count || count > r->size)
		r->seen = le16toh(__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE));
	count = (uint16_t)(r->seen - at);
	return count && count <= r->size;
}

/* At most `size` descriptors. */
static int split_get(struct vu_reader *reader, struct vu_vring *r, uint16_t *at, uint32_t access,
		     struct vu_buffer *b)
{
	const struct vring_avail *avail = r->avail;
	int worst = RESOLVED;
	uint16_t next;

	if (!split_has(r, *at))
		return NOTHING;
	next = b->id = le16toh(avail->ring[place(r, (*at)++)]);
	for (uint32_t n = 0; n < r->size && next < r->size; n++) {
		struct vring_desc desc = split_desc(r, next);
		int result = gather(reader, b, &desc, access);

		if (result == REFUSED)
			return result;
		worst |= result;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return worst;
		next = desc.next;
	}
	return REFUSED;
}

static void split_use(struct vu_vring *r, const struct vu_buffer *b, uint64_t bytes)
{
	struct vring_used *used = r->used;
	struct vring_used_elem *elem = &used->ring[place(r, r->next_used++)];

	elem->id = htole32(b->id);
	elem->len = htole32((uint32_t)bytes);
}

static bool split_publish(struct vu_vring *r)
{
	const struct vring_avail *avail = r->avail;
	struct vring_used *used = r->used;

	__atomic_store_n(&used->idx, htole16(r->next_used), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) &
		 htole16(VRING_AVAIL_F_NO_INTERRUPT));
}

/* ---- packed ---- */

static uint16_t packed_flags(const struct vu_vring *r, uint16_t at)
{
	const struct vring_packed_desc *desc = r->desc;

	return le16toh(__atomic_load_n(&desc[place(r, at)].flags, __ATOMIC_ACQUIRE));
}

/* 2.8.1: available, and not used, in this round. */
static bool packed_has(const struct vu_vring *r, uint16_t at, uint16_t flags)
{
	bool w = wrap(r, at);

	return !!(flags & PACKED_AVAIL) == w && !!(flags & PACKED_USED) != w;
}

/* All but the flags, which have been read. */
static struct vring_desc packed_desc(const struct vu_vring *r, uint16_t at, uint16_t flags,
				     uint16_t *id)
{
	const struct vring_packed_desc *desc = r->desc;
	struct vring_packed_desc raw;

	memcpy(&raw, &desc[place(r, at)], offsetof(struct vring_packed_desc, flags));
	__asm__ volatile("" ::: "memory");
	*id = le16toh(raw.id);
	return (struct vring_desc){ le64toh(raw.addr), le32toh(raw.len), flags, 0 };
}

/* The first descriptor says whether there is a buffer, the last one (of `size` at most) which. */
static int packed_get(struct vu_reader *reader, struct vu_vring *r, uint16_t *at, uint32_t access,
		      struct vu_buffer *b)
{
	uint16_t flags = packed_flags(r, *at);
	int worst = RESOLVED;

	if (!packed_has(r, *at, flags))
		return NOTHING;
	for (uint32_t n = 0; n < r->size; n++) {
		struct vring_desc desc = packed_desc(r, (*at)++, flags, &b->id);
		int result = gather(reader, b, &desc, access);

		if (result == REFUSED)
			return result;
		worst |= result;
		if (!(flags & VRING_DESC_F_NEXT))
			return worst;
		flags = packed_flags(r, *at);
	}
	return REFUSED;
}

/* 2.8.6: the flags come last. */
static void packed_use(struct vu_vring *r, const struct vu_buffer *b, uint64_t bytes)
{
	struct vring_packed_desc *desc = r->desc;
	uint16_t flags = wrap(r, r->next_used) ? PACKED_AVAIL | PACKED_USED : 0;

	desc += place(r, r->next_used);
	desc->id = htole16(b->id);
	desc->len = htole32((uint32_t)bytes);
	flags |= bytes ? VRING_DESC_F_WRITE : 0;
	__atomic_store_n(&desc->flags, htole16(flags), __ATOMIC_RELEASE);
	r->next_used = (uint16_t)(r->next_used + b->slots);
}

static bool packed_publish(const struct vu_vring *r)
{
	const struct vring_packed_desc_event *driver = r->avail;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return le16toh(__atomic_load_n(&driver->flags, __ATOMIC_RELAXED)) !=
	       VRING_PACKED_EVENT_FLAG_DISABLE;
}

/* ---- either ---- */

int vring_get(struct vu_reader *reader, struct vu_vring *r, uint16_t *at, uint32_t access,
	      struct vu_buffer *b)
{
	begin(b);
	return resolved(r, r->packed ? packed_get(reader, r, at, access, b)
				     : split_get(reader, r, at, access, b));
}

void vring_use(struct vu_vring *r, const struct vu_buffer *b, uint64_t bytes)
{
	if (r->packed)
		packed_use(r, b, bytes);
	else
		split_use(r, b, bytes);
}

void vring_publish(struct vu_vring *r)
{
	if (r->packed ? packed_publish(r) : split_publish(r))
		signal_file(r->call);
}
