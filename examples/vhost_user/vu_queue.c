/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_queue.c - the driver's half of a virtqueue, split or packed (virtio 1.3, 2.7 and 2.8). */
#define _GNU_SOURCE
#include "vu_queue.h"

#include <endian.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PACKED_AVAIL (1U << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED  (1U << VRING_PACKED_DESC_F_USED)

bool queue_open(struct vu_queue *q, struct vu_ram *ram)
{
	q->gpa = ram_alloc(ram, QUEUE_BYTES);
	q->desc = ram_at(ram, q->gpa + QUEUE_DESC);
	q->avail = ram_at(ram, q->gpa + QUEUE_AVAIL);
	q->used = ram_at(ram, q->gpa + QUEUE_USED);
	q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue_reset(q);
	return q->kick >= 0 && q->call >= 0;
}

void queue_close(struct vu_queue *q)
{
	if (!q->desc)
		return;
	close(q->kick);
	close(q->call);
}

static uint16_t *packed_event(void *area)
{
	return &((struct vring_packed_desc_event *)area)->flags;
}

void queue_reset(struct vu_queue *q)
{
	memset(q->desc, 0, QUEUE_BYTES);
	q->next_avail = q->next_used = 0;
	/* The driver polls. */
	if (q->packed)
		*packed_event(q->avail) = htole16(VRING_PACKED_EVENT_FLAG_DISABLE);
	else
		q->avail->flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);
}

/* ---- packed ---- */

static struct vring_packed_desc *packed_at(const struct vu_queue *q, uint16_t at)
{
	return (struct vring_packed_desc *)(void *)q->desc + at % QUEUE_SIZE;
}

/* 2.8.1: the wrap counter begins with 1. */
static bool wrap(uint16_t at)
{
	return !(at & QUEUE_SIZE);
}

static void packed_put(struct vu_queue *q, uint16_t id, uint64_t address, uint32_t bytes,
		       bool device_writes)
{
	struct vring_packed_desc *desc = packed_at(q, q->next_avail);
	uint16_t flags = wrap(q->next_avail++) ? PACKED_AVAIL : PACKED_USED;

	flags |= device_writes ? VRING_DESC_F_WRITE : 0;
	desc->addr = htole64(address);
	desc->len = htole32(bytes);
	desc->id = htole16(id);
	__atomic_store_n(&desc->flags, htole16(flags), __ATOMIC_RELEASE);
}

static bool packed_take(struct vu_queue *q, uint32_t *id, uint32_t *bytes)
{
	const struct vring_packed_desc *desc = packed_at(q, q->next_used);
	uint16_t flags = le16toh(__atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE));

	if (!!(flags & PACKED_AVAIL) != wrap(q->next_used) ||
	    !!(flags & PACKED_USED) != wrap(q->next_used))
		return false;
	*id = le16toh(desc->id);
	*bytes = le32toh(desc->len);
	q->next_used++;
	return true;
}

/* ---- either ---- */

void queue_put(struct vu_queue *q, uint16_t id, uint64_t address, uint32_t bytes,
	       bool device_writes)
{
	struct vring_desc *desc = &q->desc[id];

	if (q->packed) {
		packed_put(q, id, address, bytes, device_writes);
		return;
	}
	desc->addr = htole64(address);
	desc->len = htole32(bytes);
	desc->flags = htole16(device_writes ? VRING_DESC_F_WRITE : 0);
	q->avail->ring[q->next_avail++ % QUEUE_SIZE] = htole16(id);
}

static bool is_kick_wanted(const struct vu_queue *q)
{
	if (q->packed)
		return __atomic_load_n(packed_event(q->used), __ATOMIC_RELAXED) !=
		       htole16(VRING_PACKED_EVENT_FLAG_DISABLE);
	return !(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) &
		 htole16(VRING_USED_F_NO_NOTIFY));
}

void queue_publish(struct vu_queue *q)
{
	const uint64_t one = 1;

	if (!q->packed)
		__atomic_store_n(&q->avail->idx, htole16(q->next_avail), __ATOMIC_RELEASE);
	/* 2.7.13.4.1, 2.8.21.4: the flag is read after the buffers are visible. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (is_kick_wanted(q)) {
		ssize_t n = write(q->kick, &one, sizeof(one));

		(void)n; /* a full eventfd is as good */
	}
}

bool queue_take(struct vu_queue *q, uint32_t *id, uint32_t *bytes)
{
	const struct vring_used_elem *elem = &q->used->ring[q->next_used % QUEUE_SIZE];

	if (q->packed)
		return packed_take(q, id, bytes);
	if (le16toh(__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE)) == q->next_used)
		return false;
	*id = le32toh(elem->id);
	*bytes = le32toh(elem->len);
	q->next_used++;
	return true;
}
