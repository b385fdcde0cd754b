/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_device.c - macswap over pairs of queues (virtio 1.3, 5.1), and their threads (vu_device.h). */
#define _GNU_SOURCE
#include "vu_device.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	BURST = 32,
	BURSTS = 16,  /* before messages are looked for again */
	LOOKS = 4096, /* vu_device.looks: about a millisecond */
	SHORT_MILLISECONDS =
		1,   /* to sleep where nobody may wake us; between looks at what is missing */
	HEADER = 12, /* struct virtio_net_hdr_v1 */
	NUM_BUFFERS_AT = 10,
	MAC = 6,
};

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

static void scatter(const struct vu_buffer *b, const uint8_t *from, uint64_t bytes)
{
	for (unsigned i = 0; i < b->count && bytes; i++) {
		uint64_t n = b->span[i].bytes < bytes ? b->span[i].bytes : bytes;

		memcpy(b->span[i].base, from, n);
		from += n;
		bytes -= n;
	}
}

static void copy_pieces(const struct vu_buffer *to, const struct vu_buffer *from, uint64_t bytes)
{
	static _Thread_local uint8_t whole[VRING_BYTES_MAX], turned[VRING_BYTES_MAX];
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
static bool forward(const struct vu_buffer *to, const struct vu_buffer *from)
{
	if (from->bytes < HEADER + 2 * MAC || from->bytes > to->bytes ||
	    from->bytes > VRING_BYTES_MAX)
		return false;
	if (to->count == 1 && from->count == 1)
		copy_whole(to->span[0].base, from->span[0].base, from->bytes);
	else
		copy_pieces(to, from, from->bytes);
	return true;
}

/* ---- bursts ---- */

/* After a miss: asks for what comes next, too, so that one round trip serves all of it. */
static void look_ahead(struct vu_pair *p, struct vu_vring *r, uint16_t at, uint32_t access)
{
	struct vu_buffer b;

	for (unsigned i = 1; i < BURST; i++) {
		int result = vring_get(&p->reader, r, &at, access, &b);

		if (result == NOTHING || result == REFUSED)
			return;
	}
}

/* RESOLVED: a frame has been forwarded, or dropped. */
static int forward_next(struct vu_pair *p)
{
	struct vu_vring *rx = &p->ring[DEVICE_RX], *tx = &p->ring[DEVICE_TX];
	uint16_t rx_at = rx->next_avail, tx_at = tx->next_avail;
	struct vu_buffer from, to;
	int a = vring_get(&p->reader, tx, &tx_at, VIOMMU_READ, &from), b;

	if (a == NOTHING || a == REFUSED)
		return a;
	b = vring_get(&p->reader, rx, &rx_at, VIOMMU_WRITE, &to);
	if (b == NOTHING || b == REFUSED)
		return b;
	if (a == MISSING)
		look_ahead(p, tx, tx_at, VIOMMU_READ);
	if (b == MISSING)
		look_ahead(p, rx, rx_at, VIOMMU_WRITE);
	if (a == MISSING || b == MISSING)
		return MISSING;
	if (forward(&to, &from)) {
		rx->next_avail = rx_at;
		vring_use(rx, &to, from.bytes);
		p->last_rx = to.first;
		p->has_last_rx = true;
	}
	tx->next_avail = tx_at;
	p->frames++;
	vring_use(tx, &from, 0);
	return RESOLVED;
}

static enum vu_poll burst(struct vu_pair *p)
{
	int result = RESOLVED;
	unsigned count = 0;

	for (; count < BURST; count++) {
		result = forward_next(p);
		if (result != RESOLVED)
			break;
	}
	if (count) {
		vring_publish(&p->ring[DEVICE_RX]);
		vring_publish(&p->ring[DEVICE_TX]);
	}
	return result == MISSING ? POLL_MISSING : count ? POLL_MOVED : POLL_IDLE;
}

static enum vu_poll bursts(struct vu_pair *p)
{
	enum vu_poll result = POLL_IDLE, last = POLL_MOVED;

	for (unsigned i = 0; i < BURSTS && last == POLL_MOVED && pair_works(p); i++) {
		last = burst(p);
		result = last == POLL_IDLE ? result : last;
	}
	return result;
}

static enum vu_poll poll_once(struct vu_pair *p)
{
	enum vu_poll result = POLL_IDLE;
	int rx, tx;

	space_enter(&p->reader);
	/* Both are asked for, even if the first is missing. */
	rx = vring_enter(&p->reader, &p->ring[DEVICE_RX]);
	tx = vring_enter(&p->reader, &p->ring[DEVICE_TX]);
	if (rx == RESOLVED && tx == RESOLVED)
		result = bursts(p);
	else if (rx != REFUSED && tx != REFUSED)
		result = POLL_MISSING;
	space_leave(&p->reader);
	return result;
}

bool pair_works(const struct vu_pair *p)
{
	return vring_works(&p->ring[DEVICE_RX]) && vring_works(&p->ring[DEVICE_TX]);
}

static int64_t milliseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* By time, not by polls: while an invalidation waits for another pair's section, nobody sleeps between these. */
static bool looks_in_vain(struct vu_pair *p, bool told)
{
	int64_t now;

	if (p->last != POLL_MISSING)
		return false;
	now = milliseconds_now();
	if (!told && now - p->looked <= SHORT_MILLISECONDS)
		return true;
	p->looked = now;
	return false;
}

void pair_poll(struct vu_pair *p)
{
	uint32_t told = __atomic_load_n(&p->device->told, __ATOMIC_ACQUIRE);

	p->idle = told == p->told ? p->idle + 1 : 0;
	if (looks_in_vain(p, told != p->told))
		return;
	p->told = told;
	p->last = poll_once(p);
	p->idle = p->last == POLL_MOVED ? 0 : p->idle;
}

int pair_patience(const struct vu_pair *p)
{
	if (!pair_works(p))
		return SLEEP_MILLISECONDS;
	if (p->idle < p->device->looks)
		return 0;
	/* vhost-user: a driver without a kick is to be polled. */
	return p->last == POLL_MISSING || p->ring[DEVICE_RX].kick < 0 || p->ring[DEVICE_TX].kick < 0
		       ? SHORT_MILLISECONDS
		       : SLEEP_MILLISECONDS;
}

void pair_sleep(const struct vu_pair *p, int file, int milliseconds)
{
	struct pollfd fds[1 + PAIR_RINGS] = { { .fd = file, .events = POLLIN } };
	uint64_t kicks;

	for (unsigned i = 0; i < PAIR_RINGS; i++)
		fds[1 + i] = (struct pollfd){ .fd = p->ring[i].kick, .events = POLLIN };
	if (poll(fds, 1 + PAIR_RINGS, milliseconds) <= 0)
		return;
	for (unsigned i = 0; i < PAIR_RINGS; i++) {
		if ((fds[1 + i].revents & POLLIN) && read(fds[1 + i].fd, &kicks, sizeof(kicks)) < 0)
			continue;
	}
}

/* ---- threads ---- */

static void wake(const struct vu_pair *p)
{
	const uint64_t one = 1;
	ssize_t n = write(p->wake, &one, sizeof(one));

	(void)n; /* a full eventfd is as good */
}

/* Pairs with device_told() and device_pause(): either they see that we sleep, or we see what they want. */
static void sleep_alone(struct vu_pair *p)
{
	int milliseconds = pair_patience(p);
	uint64_t wakes;

	if (!milliseconds)
		return;
	__atomic_store_n(&p->sleeps, true, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&p->wanted, __ATOMIC_RELAXED) &&
	    __atomic_load_n(&p->device->told, __ATOMIC_RELAXED) == p->told)
		pair_sleep(p, p->wake, milliseconds);
	__atomic_store_n(&p->sleeps, false, __ATOMIC_RELAXED);
	while (read(p->wake, &wakes, sizeof(wakes)) > 0)
		;
}

static void *run(void *opaque)
{
	struct vu_pair *p = opaque;

	pthread_mutex_lock(&p->lock);
	while (!p->ends) {
		if (__atomic_load_n(&p->wanted, __ATOMIC_ACQUIRE)) {
			pthread_cond_wait(&p->resumed, &p->lock);
			continue;
		}
		pair_poll(p);
		sleep_alone(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void wake_sleeper(const struct vu_pair *p)
{
	if (p->has_thread && __atomic_load_n(&p->sleeps, __ATOMIC_RELAXED))
		wake(p);
}

void device_told(struct vu_device *d)
{
	__atomic_fetch_add(&d->told, 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < VU_PAIRS; i++)
		wake_sleeper(&d->pair[i]);
}

static void pause_pair(struct vu_pair *p)
{
	__atomic_store_n(&p->wanted, true, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wake_sleeper(p);
	pthread_mutex_lock(&p->lock);
}

static void resume_pair(struct vu_pair *p)
{
	__atomic_store_n(&p->wanted, false, __ATOMIC_RELAXED);
	pthread_cond_signal(&p->resumed);
	pthread_mutex_unlock(&p->lock);
}

void device_pause(struct vu_device *d)
{
	for (unsigned i = 0; i < VU_PAIRS; i++) {
		if (d->pair[i].has_thread)
			pause_pair(&d->pair[i]);
	}
}

void device_resume(struct vu_device *d)
{
	for (unsigned i = 0; i < VU_PAIRS; i++) {
		if (d->pair[i].has_thread)
			resume_pair(&d->pair[i]);
	}
}

/* Threads that wait for each other's processor do not spin. */
static unsigned looks_for(const struct vu_device *d)
{
	int threads = 1;
	cpu_set_t may;

	for (unsigned i = 0; i < VU_PAIRS; i++)
		threads += d->pair[i].has_thread;
	return sched_getaffinity(0, sizeof(may), &may) || CPU_COUNT(&may) < threads ? 0 : LOOKS;
}

/* All pairs are paused, and this one with them. */
bool device_start_pair(struct vu_device *d, unsigned pair)
{
	struct vu_pair *p = &d->pair[pair];

	if (!pair || p->has_thread)
		return true;
	p->wanted = true;
	if (pthread_create(&p->thread, NULL, run, p))
		return false;
	pthread_mutex_lock(&p->lock);
	p->has_thread = true;
	d->looks = looks_for(d);
	return true;
}

static void end_thread(struct vu_pair *p)
{
	if (!p->has_thread)
		return;
	pause_pair(p);
	p->ends = true;
	resume_pair(p);
	pthread_join(p->thread, NULL);
	p->has_thread = false;
}

/* ---- life ---- */

static bool pair_open(struct vu_pair *p, struct vu_device *d)
{
	p->device = d;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->resumed, NULL);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned i = 0; i < PAIR_RINGS; i++)
		vring_open(&p->ring[i]);
	return reader_open(&p->reader, &d->space) && p->wake >= 0;
}

bool device_open(struct vu_device *d)
{
	bool good;

	*d = (struct vu_device){ .looks = LOOKS };
	good = space_open(&d->space);
	for (unsigned i = 0; i < VU_PAIRS; i++)
		good &= pair_open(&d->pair[i], d);
	return good;
}

void device_close(struct vu_device *d)
{
	for (unsigned i = 0; i < VU_PAIRS; i++) {
		struct vu_pair *p = &d->pair[i];

		end_thread(p);
		for (unsigned n = 0; n < PAIR_RINGS; n++)
			vring_close(&p->ring[n]);
		reader_close(&p->reader);
		if (p->wake >= 0)
			close(p->wake);
		pthread_cond_destroy(&p->resumed);
		pthread_mutex_destroy(&p->lock);
	}
	space_close(&d->space);
}
