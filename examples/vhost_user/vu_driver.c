/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_driver.c - the guest's network driver: buffers, mappings, frames. */
#include "vu_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vu_packet.h"

enum {
	POOL = 3 * QUEUE_SIZE, /* more than slots: a page rests before it is used again */
	SEND_AT_ONCE = 32,
	IDLE_ROUNDS = 1024, /* before a static mapping's misses are looked for */
};

#define FREE		  UINT64_MAX
#define STUCK_NANOSECONDS UINT64_C(30000000000)
#define DRAIN_NANOSECONDS UINT64_C(50000000)

/* ---- addresses ---- */

static bool is_dynamic(const struct vu_driver *d)
{
	return d->strategy == DRIVER_DYNAMIC;
}

static unsigned ring_of(const struct vu_driver *d, unsigned lane)
{
	return d->pair * DRIVER_LANES + lane;
}

uint64_t driver_slot_iova(const struct vu_driver *d, unsigned lane, unsigned slot)
{
	uint64_t number = ring_of(d, lane) * (uint64_t)QUEUE_SIZE + slot;

	switch (d->strategy) {
	case DRIVER_DYNAMIC:
		return DRIVER_IOVA + number * d->stride;
	case DRIVER_STATIC:
		return DRIVER_STATIC_IOVA + d->lane[lane].slot[slot].gpa;
	default:
		return d->lane[lane].slot[slot].gpa;
	}
}

uint64_t driver_ring_iova(const struct vu_driver *d, unsigned lane)
{
	uint64_t gpa = d->lane[lane].queue.gpa;

	switch (d->strategy) {
	case DRIVER_DYNAMIC:
		return DRIVER_RINGS_IOVA + ring_of(d, lane) * (uint64_t)QUEUE_BYTES;
	case DRIVER_STATIC:
		return DRIVER_STATIC_IOVA + gpa;
	default: /* the front end's own address, as vhost-user has it */
		return (uint64_t)(uintptr_t)ram_at(d->ram, gpa);
	}
}

static uint8_t *slot_memory(const struct vu_driver *d, const struct vu_slot *slot)
{
	return ram_at(d->ram, slot->gpa);
}

/* ---- pages ---- */

static uint64_t take_page(struct vu_driver *d)
{
	uint64_t gpa = d->pool[d->pool_head];

	d->pool_head = (d->pool_head + 1) % POOL;
	d->pool_count--;
	return gpa;
}

static void give_page(struct vu_driver *d, uint64_t gpa)
{
	d->pool[(d->pool_head + d->pool_count++) % POOL] = gpa;
}

/* Physical neighbours are rarely I/O virtual ones: pages are dealt out in another order. */
static bool open_pool(struct vu_driver *d)
{
	uint64_t first = ram_alloc(d->ram, POOL * (uint64_t)VU_PAGE);

	d->pool = calloc(POOL, sizeof(*d->pool));
	if (!d->pool)
		return false;
	for (unsigned i = 0; i < POOL; i++)
		give_page(d, first + (i * 257U % POOL) * (uint64_t)VU_PAGE);
	return true;
}

/* ---- slots without a buffer, first in first out: neighbours stay together ---- */

static unsigned take_slot(struct vu_lane *l)
{
	unsigned id = l->free[l->free_head];

	l->free_head = (l->free_head + 1) % QUEUE_SIZE;
	l->free_count--;
	return id;
}

static void give_slot(struct vu_lane *l, unsigned id)
{
	l->free[(l->free_head + l->free_count++) % QUEUE_SIZE] = (uint16_t)id;
}

unsigned driver_take_slot(struct vu_driver *d)
{
	return take_slot(&d->lane[DRIVER_TX]);
}

/* ---- buffers ---- */

static uint32_t perm_of(const struct vu_driver *d, unsigned lane)
{
	return lane == DRIVER_TX ? VIOMMU_READ : d->receive_perm;
}

/* A slot gets a page, if it has none, and the page its mapping. */
static bool prepare(struct vu_driver *d, unsigned lane, unsigned id)
{
	struct vu_slot *slot = &d->lane[lane].slot[id];

	if (slot->gpa == FREE)
		slot->gpa = take_page(d);
	slot->done = false;
	return !is_dynamic(d) || engine_map(d->engine, driver_slot_iova(d, lane, id), slot->gpa,
					    VU_PAGE, perm_of(d, lane));
}

static void offer(struct vu_driver *d, unsigned lane, unsigned id, uint32_t bytes)
{
	queue_put(&d->lane[lane].queue, (uint16_t)id, driver_slot_iova(d, lane, id), bytes,
		  lane == DRIVER_RX);
}

static void offer_to_receive(struct vu_driver *d, unsigned id)
{
	if (!prepare(d, DRIVER_RX, id))
		d->failed = true;
	else
		offer(d, DRIVER_RX, id, DRIVER_BUFFER);
}

static void check(struct vu_driver *d, const struct vu_slot *slot)
{
	uint64_t number = 0;
	bool right = slot->bytes == PACKET_HEADER + d->frame_bytes &&
		     packet_check(slot_memory(d, slot), &number, d->frame_bytes);

	/* One that the backend had when the rings were stopped. */
	if (right && number < d->born) {
		d->late++;
		return;
	}
	d->received++;
	if (right && number < d->sent && d->on_way[number % DRIVER_ON_WAY])
		d->on_way[number % DRIVER_ON_WAY] = false;
	else
		d->wrong++;
}

/* The device is done with the buffer, and cannot reach it any more. */
static void finish(struct vu_driver *d, unsigned lane, unsigned id)
{
	struct vu_lane *l = &d->lane[lane];
	struct vu_slot *slot = &l->slot[id];

	if (lane == DRIVER_RX)
		check(d, slot);
	slot->done = false;
	if (is_dynamic(d)) {
		give_page(d, slot->gpa);
		slot->gpa = FREE;
	}
	if (lane == DRIVER_RX)
		offer_to_receive(d, id);
	else
		give_slot(l, id);
}

/* ---- taking mappings away ---- */

static void unmap_block(struct vu_driver *d, unsigned lane, unsigned first)
{
	for (unsigned i = 0; i < d->block; i++) {
		if (d->lane[lane].slot[first + i].gpa != FREE)
			engine_unmap(d->engine, driver_slot_iova(d, lane, first + i), VU_PAGE);
	}
	if (!engine_flush(d->engine, driver_slot_iova(d, lane, first), d->block * d->stride))
		d->failed = true;
}

/* All buffers of a block have been used. */
static void take_block(struct vu_driver *d, unsigned lane, unsigned first)
{
	unmap_block(d, lane, first);
	for (unsigned i = 0; i < d->block && !d->failed; i++)
		finish(d, lane, first + i);
}

static void used(struct vu_driver *d, unsigned lane, uint32_t id, uint32_t bytes)
{
	struct vu_lane *l = &d->lane[lane];

	if (id >= QUEUE_SIZE || l->slot[id].gpa == FREE || l->slot[id].done) {
		fprintf(stderr, "the device used a buffer that it did not have\n");
		d->failed = true;
		return;
	}
	l->slot[id].bytes = bytes;
	l->slot[id].done = true;
	if (!is_dynamic(d)) {
		finish(d, lane, id);
	} else if (++l->used_of_block[id / d->block] == d->block) {
		l->used_of_block[id / d->block] = 0;
		take_block(d, lane, id / d->block * d->block);
	}
}

/* What the device has used; at most once around the ring. */
static bool reap(struct vu_driver *d, unsigned lane)
{
	struct vu_queue *q = &d->lane[lane].queue;
	uint16_t before = q->next_avail;
	uint32_t id, bytes;
	unsigned count = 0;

	while (count < QUEUE_SIZE && !d->failed && queue_take(q, &id, &bytes)) {
		used(d, lane, id, bytes);
		count++;
	}
	if (q->next_avail != before)
		queue_publish(q);
	return count;
}

/* ---- sending ---- */

/* As many may be on their way as there are buffers to receive them. */
static bool send_some(struct vu_driver *d, uint64_t until)
{
	struct vu_lane *l = &d->lane[DRIVER_TX];
	unsigned count = 0;

	while (count < SEND_AT_ONCE && l->free_count && d->sent < until &&
	       d->sent - d->received < QUEUE_SIZE && !d->failed) {
		unsigned id = take_slot(l);

		if (!prepare(d, DRIVER_TX, id)) {
			d->failed = true;
			break;
		}
		d->on_way[d->sent % DRIVER_ON_WAY] = true;
		packet_fill(slot_memory(d, &l->slot[id]), d->sent++, d->frame_bytes);
		offer(d, DRIVER_TX, id, PACKET_HEADER + d->frame_bytes);
		count++;
	}
	if (count)
		queue_publish(&l->queue);
	return count;
}

bool driver_poll(struct vu_driver *d, uint64_t send_until)
{
	bool moved = reap(d, DRIVER_RX);

	moved |= reap(d, DRIVER_TX);
	moved |= send_some(d, send_until);
	return moved;
}

/* At the end of a run: blocks that were not used up. */
static void take_rest(struct vu_driver *d)
{
	for (unsigned lane = 0; lane < DRIVER_LANES && is_dynamic(d); lane++) {
		struct vu_lane *l = &d->lane[lane];

		for (unsigned first = 0; first < QUEUE_SIZE && !d->failed; first += d->block) {
			if (!l->used_of_block[first / d->block])
				continue;
			l->used_of_block[first / d->block] = 0;
			unmap_block(d, lane, first);
			for (unsigned i = first; i < first + d->block; i++) {
				if (l->slot[i].done)
					finish(d, lane, i);
				else if (l->slot[i].gpa != FREE)
					prepare(d, lane, i);
			}
		}
		queue_publish(&l->queue);
	}
}

/* Looks for misses: at once where every buffer has one, else when nothing has moved for a while. */
static bool serve(struct vu_driver *d, unsigned idle)
{
	if (!d->engine || (!is_dynamic(d) && idle % IDLE_ROUNDS != IDLE_ROUNDS - 1))
		return false;
	return engine_serve(d->engine);
}

/* Until so many are back, or the time is over; false: something is wrong. */
static bool poll_until(struct vu_driver *d, uint64_t end, uint64_t send_until, uint64_t back)
{
	uint64_t moved_at = engine_now();
	unsigned idle = 0;

	for (unsigned round = 0;; round++) {
		bool moved = driver_poll(d, send_until);

		idle = moved ? 0 : idle + 1;
		moved |= serve(d, idle);
		if (d->failed || d->received >= back)
			return !d->failed;
		/* The clock is looked at now and then. */
		if (round % 16 == 0 || !moved) {
			uint64_t now = engine_now();

			if (moved)
				moved_at = now;
			if (now >= end)
				return true;
			if ((d->link && d->link->broken) || now - moved_at > STUCK_NANOSECONDS)
				break;
		}
	}
	d->stuck = true;
	return false;
}

bool driver_run(struct vu_driver *d, double seconds, uint64_t packets)
{
	uint64_t end = UINT64_MAX;
	uint64_t until = packets ? d->sent + packets : UINT64_MAX;

	if (seconds > 0)
		end = engine_now() + (uint64_t)(seconds * 1e9);
	/* The last packets of a block may have to wait for driver_drain(). */
	if (packets && is_dynamic(d) && d->block > 1)
		return poll_until(d, end, until,
				  until - (packets < QUEUE_SIZE ? packets : QUEUE_SIZE));
	return poll_until(d, end, until, until);
}

/* Blocks that will not be full any more are taken in between. */
bool driver_drain(struct vu_driver *d)
{
	uint64_t moved_at = engine_now();

	while (!d->failed && d->received < d->sent && engine_now() - moved_at < STUCK_NANOSECONDS) {
		uint64_t before = d->received;

		if (!poll_until(d, engine_now() + DRAIN_NANOSECONDS, 0, d->sent))
			return false;
		take_rest(d);
		if (d->received != before)
			moved_at = engine_now();
	}
	d->lost = d->sent - d->received;
	return !d->failed;
}

/* ---- life ---- */

static bool map_rings(struct vu_driver *d)
{
	/* All of memory, once. */
	if (d->strategy == DRIVER_STATIC)
		return d->pair || engine_map(d->engine, DRIVER_STATIC_IOVA, 0, d->ram->bytes,
					     VIOMMU_READ | VIOMMU_WRITE);
	for (unsigned lane = 0; lane < DRIVER_LANES && is_dynamic(d); lane++) {
		if (!engine_map(d->engine, driver_ring_iova(d, lane), d->lane[lane].queue.gpa,
				QUEUE_USED + VU_PAGE, VIOMMU_READ | VIOMMU_WRITE))
			return false;
	}
	return true;
}

bool driver_open(struct vu_driver *d)
{
	for (unsigned lane = 0; lane < DRIVER_LANES; lane++) {
		struct vu_lane *l = &d->lane[lane];

		l->queue.packed = d->packed;
		if (!queue_open(&l->queue, d->ram))
			return false;
		for (unsigned i = 0; i < QUEUE_SIZE; i++)
			l->slot[i].gpa = FREE;
	}
	return open_pool(d) && map_rings(d);
}

void driver_close(struct vu_driver *d)
{
	for (unsigned lane = 0; lane < DRIVER_LANES; lane++)
		queue_close(&d->lane[lane].queue);
	free(d->pool);
	d->pool = NULL;
}

static bool start_ring(struct vu_driver *d, unsigned lane)
{
	uint64_t at = driver_ring_iova(d, lane);
	struct vu_ring_setup setup = { .index = ring_of(d, lane),
				       .size = QUEUE_SIZE,
				       .desc = at + QUEUE_DESC,
				       .avail = at + QUEUE_AVAIL,
				       .used = at + QUEUE_USED,
				       .kick = d->lane[lane].queue.kick,
				       .call = d->lane[lane].queue.call };

	return link_start_ring(d->link, &setup);
}

bool driver_fill(struct vu_driver *d)
{
	struct vu_lane *tx = &d->lane[DRIVER_TX];

	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		offer_to_receive(d, i);
	queue_publish(&d->lane[DRIVER_RX].queue);
	tx->free_count = 0;
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		give_slot(tx, i);
	if (d->strategy != DRIVER_DYNAMIC) {
		for (unsigned i = 0; i < QUEUE_SIZE; i++)
			prepare(d, DRIVER_TX, i);
	}
	return !d->failed;
}

bool driver_connect(struct vu_driver *d)
{
	return start_ring(d, DRIVER_RX) && start_ring(d, DRIVER_TX);
}

bool driver_start(struct vu_driver *d)
{
	return driver_fill(d) && driver_connect(d);
}

/* The device has stopped: what it had is taken back without a look at the contents. */
static void take_lane(struct vu_driver *d, unsigned lane)
{
	struct vu_lane *l = &d->lane[lane];

	for (unsigned first = 0; first < QUEUE_SIZE && is_dynamic(d); first += d->block)
		unmap_block(d, lane, first);
	for (unsigned i = 0; i < QUEUE_SIZE; i++) {
		if (l->slot[i].gpa != FREE)
			give_page(d, l->slot[i].gpa);
		l->slot[i] = (struct vu_slot){ .gpa = FREE };
		l->used_of_block[i] = 0;
	}
	queue_reset(&l->queue);
}

bool driver_stop(struct vu_driver *d)
{
	bool stopped = link_stop_ring(d->link, ring_of(d, DRIVER_RX)) &&
		       link_stop_ring(d->link, ring_of(d, DRIVER_TX));

	/* A miss may have been repeated, and is a fault where what it asks for is not mapped any more. */
	while (stopped && d->engine && engine_serve(d->engine))
		;
	for (unsigned lane = 0; lane < DRIVER_LANES && stopped; lane++)
		take_lane(d, lane);
	/* Frames that are still on their way belong to the past. */
	d->born = d->received = d->sent;
	d->lost = 0;
	memset(d->on_way, 0, sizeof(d->on_way));
	return stopped && !d->failed;
}
