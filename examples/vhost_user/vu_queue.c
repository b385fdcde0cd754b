/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_queue.c - the driver's half of a split virtqueue (virtio 1.3, 2.7). */
#define _GNU_SOURCE
#include "vu_queue.h"

#include <endian.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

void queue_reset(struct vu_queue *q)
{
	memset(q->desc, 0, QUEUE_BYTES);
	q->next_avail = q->next_used = 0;
	/* The driver polls. */
	q->avail->flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);
}

void queue_put(struct vu_queue *q, uint16_t id, uint64_t address, uint32_t bytes,
	       bool device_writes)
{
	struct vring_desc *desc = &q->desc[id];

	desc->addr = htole64(address);
	desc->len = htole32(bytes);
	desc->flags = htole16(device_writes ? VRING_DESC_F_WRITE : 0);
	q->avail->ring[q->next_avail++ % QUEUE_SIZE] = htole16(id);
}

void queue_publish(struct vu_queue *q)
{
	const uint64_t one = 1;

	__atomic_store_n(&q->avail->idx, htole16(q->next_avail), __ATOMIC_RELEASE);
	/* 2.7.13.4.1: the flag is read after the index is visible. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&q->used->flags, __ATOMIC_RELAXED) &
	      htole16(VRING_USED_F_NO_NOTIFY))) {
		ssize_t n = write(q->kick, &one, sizeof(one));

		(void)n; /* a full eventfd is as good */
	}
}

bool queue_take(struct vu_queue *q, uint32_t *id, uint32_t *bytes)
{
	const struct vring_used_elem *elem = &q->used->ring[q->next_used % QUEUE_SIZE];

	if (le16toh(__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE)) == q->next_used)
		return false;
	*id = le32toh(elem->id);
	*bytes = le32toh(elem->len);
	q->next_used++;
	return true;
}
