/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_iotlb_ring.h - device IOTLB messages in memory that both sides share, where they have agreed on that
 * (VU_PROTOCOL_IOTLB_RING, which is our own): no system call for a message, and none for its answer.
 *
 * The front end tells (updates, invalidations), and the backend counts what it has carried out, in that order: an
 * invalidation only when nothing uses what it takes away. The backend asks (misses). Neither side trusts the other: a
 * slot is copied before it is looked at, each side has its own counters in memory of its own, and a counter of the
 * other side's that cannot be ends the connection.
 *
 * Who has nothing to do sleeps where it sleeps without a ring. The backend says so (idle), and is woken by a message to
 * its socket; the front end waits for the count in a futex.
 */
#ifndef EXAMPLES_VHOST_USER_VU_IOTLB_RING_H
#define EXAMPLES_VHOST_USER_VU_IOTLB_RING_H

#include "vu_message.h"

struct iotlb_ring_memory;

struct iotlb_ring {
	struct iotlb_ring_memory *memory; /* NULL: there is none */
	int fd;				  /* the front end's, until it has been sent; -1 */
	uint32_t told, done;		  /* of the front end: put, and known to be carried out; */
	uint32_t asked, taken;		  /* of the backend: put; of the front end: taken */
	uint32_t refused;		  /* as last read */
};

/* Front end: makes one, or says why not. Backend: takes over the file of a message. */
bool iotlb_ring_create(struct iotlb_ring *ring);
bool iotlb_ring_attach(struct iotlb_ring *ring, int fd);
void iotlb_ring_close(struct iotlb_ring *ring);

/* ---- front end ---- */

/* Puts a message: payload and length as for the socket. There is room for as many as vu_link.c has on their way.
 * *kick: the backend has to be woken. */
bool iotlb_ring_tell(struct iotlb_ring *ring, const struct vu_message *message, bool *kick);

/* Waits until the oldest message that is not known to be carried out is, for so long at most. 1: it is; 0: it is not yet;
 * -1: the other side's counters are impossible. *refused: how many more it has refused since. */
int iotlb_ring_await(struct iotlb_ring *ring, int milliseconds, uint32_t *refused);

/* Takes what the backend asks for. 1: a message; 0: none; -1: impossible. */
int iotlb_ring_take(struct iotlb_ring *ring, struct vu_message *message);

/* ---- backend ---- */

/* The next message, which stays the next one until iotlb_ring_done(). 1: a message; 0: none; -1: impossible. */
int iotlb_ring_next(struct iotlb_ring *ring, struct vu_message *message);
void iotlb_ring_done(struct iotlb_ring *ring, bool refused);

/* Asks; false: there is no room, and the question is lost. */
bool iotlb_ring_ask(struct iotlb_ring *ring, const struct vu_message *message);

/* Says that from now on, or no more, it waits at its socket. True: it may. */
bool iotlb_ring_idle(struct iotlb_ring *ring, bool idle);

#endif
