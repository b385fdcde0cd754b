/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_device.c - macswap over split rings (virtio 1.3, 2.7 and 5.1). Nothing that the driver wrote
 * is read twice. */
#define _GNU_SOURCE
#include "vu_device.h"

#include <endian.h>
#include <string.h>
#include <unistd.h>

enum {
	BURST = 32,
	SPANS = 18,	   /* of one frame */
	FRAME_MAX = 65562, /* with its header */
	HEADER = 12,	   /* struct virtio_net_hdr_v1 */
	NUM_BUFFERS_AT = 10,
	MAC = 6,
};

/* A buffer of the driver. */
struct buffer {
	uint16_t head;
	unsigned count;
	uint64_t bytes;
	uint64_t first; /* its address, as the driver gave it */
	struct vu_span span[SPANS];
};

bool device_open(struct vu_device *d)
{
	*d = (struct vu_device){ 0 };
	for (unsigned i = 0; i < VU_RINGS; i++)
		d->ring[i].kick = d->ring[i].call = d->ring[i].err = -1;
	return space_open(&d->space);
}

static void close_file(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void device_close(struct vu_device *d)
{
	for (unsigned i = 0; i < VU_RINGS; i++) {
		close_file(&d->ring[i].kick);
		close_file(&d->ring[i].call);
		close_file(&d->ring[i].err);
	}
	space_close(&d->space);
}

static void signal_file(int fd)
{
	const uint64_t one = 1;

	if (fd >= 0) {
		ssize_t n = write(fd, &one, sizeof(one));

		(void)n; /* a full eventfd is as good */
	}
}

/* ---- rings ---- */

/* What cannot be resolved now may be later, or the ring is at fault. */
static int resolved(struct vu_vring *r, int result)
{
	if (result == REFUSED && !r->broken) {
		r->broken = true;
		signal_file(r->err);
	}
	return result;
}

static int enter_ring(struct vu_device *d, struct vu_vring *r)
{
	int a, b, c;

	if (!r->started || !r->enabled || !r->size || r->broken)
		return REFUSED;
	r->desc =
		space_resolve_ring(&d->space, r->desc_at, 16 * (uint64_t)r->size, VIOMMU_READ, &a);
	r->avail = space_resolve_ring(&d->space, r->avail_at, 6 + 2 * (uint64_t)r->size,
				      VIOMMU_READ, &b);
	r->used = space_resolve_ring(&d->space, r->used_at, 6 + 8 * (uint64_t)r->size, VIOMMU_WRITE,
				     &c);
	if (r->desc && r->avail && r->used)
		return RESOLVED;
	return resolved(r, a == REFUSED || b == REFUSED || c == REFUSED ? REFUSED : MISSING);
}

static unsigned available(const struct vu_vring *r)
{
	uint16_t idx = le16toh(__atomic_load_n(&r->avail->idx, __ATOMIC_ACQUIRE));
	unsigned count = (uint16_t)(idx - r->next_avail);

	return count <= r->size ? count : 0;
}

static void put_used(struct vu_vring *r, uint16_t head, uint64_t bytes)
{
	struct vring_used_elem *elem = &r->used->ring[r->next_used++ & (r->size - 1)];

	elem->id = htole32(head);
	elem->len = htole32((uint32_t)bytes);
}

static void publish(struct vu_vring *r)
{
	__atomic_store_n(&r->used->idx, htole16(r->next_used), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&r->avail->flags, __ATOMIC_RELAXED) &
	      htole16(VRING_AVAIL_F_NO_INTERRUPT)))
		signal_file(r->call);
}

/* ---- buffers ---- */

static struct vring_desc read_desc(const struct vu_vring *r, uint16_t at)
{
	struct vring_desc raw;

	memcpy(&raw, &r->desc[at], sizeof(raw));
	__asm__ volatile("" ::: "memory");
	return (struct vring_desc){ le64toh(raw.addr), le32toh(raw.len), le16toh(raw.flags),
				    le16toh(raw.next) };
}

/* Adds a descriptor's memory. Every descriptor has to be of the ring's direction. */
static int gather(struct vu_device *d, struct buffer *b, const struct vring_desc *desc,
		  uint32_t access)
{
	unsigned count = SPANS - b->count;
	int result;

	if (!(desc->flags & VRING_DESC_F_WRITE) != (access == VIOMMU_READ) ||
	    (desc->flags & VRING_DESC_F_INDIRECT) || desc->len > FRAME_MAX)
		return REFUSED;
	result =
		space_resolve(&d->space, desc->addr, desc->len, access, &b->span[b->count], &count);
	if (result != RESOLVED)
		return result;
	b->count += count;
	b->bytes += desc->len;
	return RESOLVED;
}

/* The buffer `ahead` of the next one. At most `size` descriptors. */
static int get_buffer(struct vu_device *d, struct vu_vring *r, unsigned ahead, uint32_t access,
		      struct buffer *b)
{
	uint16_t at = le16toh(r->avail->ring[(r->next_avail + ahead) & (r->size - 1)]);

	b->head = at;
	b->count = 0;
	b->bytes = 0;
	for (uint32_t n = 0; n < r->size; n++) {
		struct vring_desc desc;
		int result;

		if (at >= r->size)
			return resolved(r, REFUSED);
		desc = read_desc(r, at);
		if (!n)
			b->first = desc.addr;
		result = gather(d, b, &desc, access);
		if (result != RESOLVED)
			return resolved(r, result);
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return b->bytes >= HEADER ? RESOLVED : resolved(r, REFUSED);
		at = desc.next;
	}
	return resolved(r, REFUSED);
}

/* ---- frames ---- */

static void swap_addresses(uint8_t *to, const uint8_t *from)
{
	uint8_t address[2 * MAC];

	memcpy(address, from, sizeof(address));
	memcpy(to, address + MAC, MAC);
	memcpy(to + MAC, address, MAC);
}

/* virtio 1.3, 5.1.6.4: no offloads, one buffer. */
static void put_header(uint8_t *to)
{
	memset(to, 0, HEADER);
	to[NUM_BUFFERS_AT] = 1;
}

/* The usual frame is one piece on both sides. */
static void copy_whole(uint8_t *to, const uint8_t *from, uint64_t bytes)
{
	const uint64_t addresses = HEADER + 2 * MAC;

	put_header(to);
	swap_addresses(to + HEADER, from + HEADER);
	memcpy(to + addresses, from + addresses, bytes - addresses);
}

static void scatter(const struct buffer *b, const uint8_t *from, uint64_t bytes)
{
	for (unsigned i = 0; i < b->count && bytes; i++) {
		uint64_t n = b->span[i].bytes < bytes ? b->span[i].bytes : bytes;

		memcpy(b->span[i].base, from, n);
		from += n;
		bytes -= n;
	}
}

static void copy_pieces(const struct buffer *to, const struct buffer *from, uint64_t bytes)
{
	static uint8_t whole[FRAME_MAX], turned[FRAME_MAX];
	uint64_t at = 0;

	for (unsigned i = 0; i < from->count; i++) {
		memcpy(whole + at, from->span[i].base, from->span[i].bytes);
		at += from->span[i].bytes;
	}
	copy_whole(turned, whole, bytes);
	scatter(to, turned, bytes);
}

/* Copies a frame and turns it round. Too short or too long: it is dropped, the buffer to receive
 * stays. */
static bool forward(const struct buffer *to, const struct buffer *from)
{
	if (from->bytes < HEADER + 2 * MAC || from->bytes > to->bytes || from->bytes > FRAME_MAX)
		return false;
	if (to->count == 1 && from->count == 1)
		copy_whole(to->span[0].base, from->span[0].base, from->bytes);
	else
		copy_pieces(to, from, from->bytes);
	return true;
}

/* ---- bursts ---- */

/* After a miss: asks for what comes next, too, so that one round trip serves all of it. */
static void look_ahead(struct vu_device *d, struct vu_vring *r, unsigned from, uint32_t access)
{
	unsigned count = available(r);
	struct buffer b;

	for (unsigned i = from; i < count && i < BURST && !r->broken; i++)
		get_buffer(d, r, i, access, &b);
}

static unsigned burst(struct vu_device *d, struct vu_vring *rx, struct vu_vring *tx)
{
	unsigned frames = available(tx), room = available(rx), count = 0;
	struct buffer from, to;

	if (frames > BURST)
		frames = BURST;
	for (; count < frames && room; count++) {
		int a = get_buffer(d, tx, 0, VIOMMU_READ, &from);
		int b = get_buffer(d, rx, 0, VIOMMU_WRITE, &to);

		if (a == MISSING)
			look_ahead(d, tx, 1, VIOMMU_READ);
		if (b == MISSING)
			look_ahead(d, rx, 1, VIOMMU_WRITE);
		if (a != RESOLVED || b != RESOLVED)
			break;
		if (forward(&to, &from)) {
			rx->next_avail++;
			room--;
			put_used(rx, to.head, from.bytes);
			d->last_rx = to.first;
			d->has_last_rx = true;
		}
		tx->next_avail++;
		put_used(tx, from.head, 0);
	}
	if (count) {
		publish(rx);
		publish(tx);
	}
	d->packets += count;
	return count;
}

void device_poll(struct vu_device *d, unsigned bursts)
{
	struct vu_vring *rx = &d->ring[DEVICE_RX], *tx = &d->ring[DEVICE_TX];

	space_enter(&d->space);
	/* Both are asked for, even if the first is missing. */
	if (!(enter_ring(d, rx) | enter_ring(d, tx))) {
		while (bursts-- && !rx->broken && !tx->broken && burst(d, rx, tx))
			;
	}
	space_leave(&d->space);
}
