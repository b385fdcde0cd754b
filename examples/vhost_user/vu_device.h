/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_device.h - a network device that sends every frame back with its MAC addresses swapped, by the pair of queues on
 * which it came.
 *
 * The first pair is polled by the thread that serves the front end, every other by one of its own, with its own reader
 * of the device IOTLB. Such a thread has its pair's lock but while it is asked to give it back (device_pause()).
 */
#ifndef EXAMPLES_VHOST_USER_VU_DEVICE_H
#define EXAMPLES_VHOST_USER_VU_DEVICE_H

#include "vu_vring.h"

/* Rings of a pair: the driver receives from the first and sends to the second. */
enum { DEVICE_RX, DEVICE_TX, PAIR_RINGS };

/* What a poll came to. */
enum vu_poll {
	POLL_IDLE,
	POLL_MOVED,
	POLL_MISSING /* nothing moves before the front end has answered */
};

enum { SLEEP_MILLISECONDS = 1000 }; /* unless something comes */

struct vu_pair {
	struct vu_vring ring[PAIR_RINGS];
	struct vu_reader reader;
	enum vu_poll last;
	unsigned idle;	/* polls, or looks instead, in which nothing has moved */
	uint32_t told;	/* device.told, as the pair knows it */
	int64_t looked; /* when, after a miss, in milliseconds */
	uint64_t frames;
	uint64_t last_rx; /* address of the last frame given to the driver, for vu_rude.c */
	bool has_last_rx;
	/* Of a thread of its own: */
	struct vu_device *device;
	bool has_thread;
	pthread_t thread;
	pthread_mutex_t lock; /* all of the pair but what follows */
	pthread_cond_t resumed;
	bool wanted, ends; /* by the front end's thread: set without the lock, cleared with it */
	bool sleeps;
	int wake;
};

struct vu_device {
	struct vu_space space;
	struct vu_pair pair[VU_PAIRS];
	unsigned looks; /* in vain, before a thread sleeps */
	uint32_t told;	/* translations that have come, counted */
};

bool device_open(struct vu_device *d);
void device_close(struct vu_device *d);

static inline struct vu_vring *device_ring(struct vu_device *d, unsigned index)
{
	return &d->pair[index / PAIR_RINGS].ring[index % PAIR_RINGS];
}

/* Between these, nobody but the caller uses a pair. */
void device_pause(struct vu_device *d);
void device_resume(struct vu_device *d);

/* A translation has come. */
void device_told(struct vu_device *d);

/* A pair of queues has been started; it gets its thread. */
bool device_start_pair(struct vu_device *d, unsigned pair);

bool pair_works(const struct vu_pair *p);

/*
 * Forwards what there is, so many bursts at most, in one section: it ends before messages are looked at, which is when
 * an invalidation could have to wait for it. After a miss, looks again only when a translation has come, or
 * nothing has for a millisecond: what is asked for again and again is answered as often, and by then it may be gone, which is a
 * fault that the guest sees.
 */
void pair_poll(struct vu_pair *p);

/* How long to sleep when there is nothing else to do. */
int pair_patience(const struct vu_pair *p);

/* Until the driver says that there is something in a ring, or there is something to be read from a file. */
void pair_sleep(const struct vu_pair *p, int file, int milliseconds);

#endif
