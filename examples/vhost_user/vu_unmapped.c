/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_unmapped.c - once the guest has been told that an invalidation is complete, the backend cannot
 * touch the page.
 *
 * Any backend: it has used a page both ways; the page is unmapped, flushed, and gets a secret; then
 * the driver asks for the same I/O virtual address again. Our own backend, in its rude manner,
 * keeps writing to the page in an open section: it may do so until it acknowledges, which is what
 * the guest has to wait for.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "vu_packet.h"
#include "vu_rogue.h"

#define LATER_NANOSECONDS UINT64_C(300000000)
#define USE_NANOSECONDS	  UINT64_C(20000000000)

#define WRITE_AT 3072U /* where vu_rude.c writes */

/* ---- any backend ---- */

/* Polls until the device has put something into the receive ring. */
static bool await_frame(struct vu_session *s)
{
	uint64_t start = engine_now();
	uint32_t id, bytes;

	while (engine_now() - start < USE_NANOSECONDS && !s->link.broken) {
		engine_serve(&s->engine);
		if (queue_take(&s->driver->lane[DRIVER_RX].queue, &id, &bytes))
			return true;
	}
	return false;
}

/* Has the backend send from the page, or receive into it, so that it has the translation. */
static bool use_page(struct vu_watch *w, bool receive)
{
	uint64_t iova = watch_iova(WATCH_WRITABLE);
	unsigned bytes = w->session->driver->frame_bytes;

	if (receive)
		return rogue_receive(w->session, iova, 2048) && await_frame(w->session);
	packet_fill(watch_memory(w, WATCH_WRITABLE), 0, bytes);
	return rogue_send(w->session, iova, PACKET_HEADER + bytes) && await_frame(w->session);
}

static bool unmap_page(struct vu_watch *w)
{
	engine_unmap(&w->session->engine, watch_iova(WATCH_WRITABLE), VU_PAGE);
	return engine_flush(&w->session->engine, watch_iova(WATCH_WRITABLE), VU_PAGE);
}

static bool map_page(struct vu_watch *w)
{
	return engine_map(&w->session->engine, watch_iova(WATCH_WRITABLE),
			  watch_gpa(w, WATCH_WRITABLE), VU_PAGE, VIOMMU_READ | VIOMMU_WRITE);
}

/* The same rings go on: nothing but the invalidation takes the translation away. */
static bool try_again(struct vu_watch *w, bool receive)
{
	struct vu_driver *d = w->session->driver;
	struct vu_lane *tx = &d->lane[DRIVER_TX];

	if (receive) {
		/* The ring is full of that address. */
		driver_poll(d, d->sent + 1);
		return true;
	}
	queue_put(&tx->queue, (uint16_t)driver_take_slot(d), watch_iova(WATCH_WRITABLE),
		  PACKET_HEADER + d->frame_bytes, false);
	queue_publish(&tx->queue);
	return true;
}

static bool show_direction(struct vu_child *child, struct vu_watch *w, bool receive)
{
	const char *what = receive ? "receiving after an unmap" : "sending after an unmap";
	char line[96];
	bool good;

	snprintf(line, sizeof(line), "%s: before it, the page is used", what);
	good = session_show(line, use_page(w, receive));
	snprintf(line, sizeof(line), "%s: the unmap is completed", what);
	good = good && session_show(line, unmap_page(w));
	watch_renew(w);
	if (!good || !try_again(w, receive))
		return false;
	good = rogue_show(child, w, what, watch_iova(WATCH_WRITABLE));
	return map_page(w) && good;
}

/* ---- our own backend, being rude ---- */

static uint32_t counter(const struct vu_session *s, uint64_t gpa)
{
	return __atomic_load_n((uint32_t *)ram_at(&s->ram, gpa + WRITE_AT), __ATOMIC_ACQUIRE);
}

static void wait_for(uint64_t nanoseconds)
{
	uint64_t start = engine_now();

	while (engine_now() - start < nanoseconds)
		;
}

static bool await_counter(const struct vu_session *s, uint64_t gpa)
{
	uint64_t start = engine_now();
	uint32_t first = counter(s, gpa);

	while (engine_now() - start < USE_NANOSECONDS) {
		if (counter(s, gpa) != first)
			return true;
	}
	return false;
}

/* The page of the first buffer for receiving. The backend writes to it behind the frame. */
static bool show_held(struct vu_session *s)
{
	struct vu_driver *d = s->driver;
	uint64_t iova = driver_slot_iova(d, DRIVER_RX, 0);
	uint32_t before, completed;
	uint64_t gpa;
	bool good;

	if (!driver_start(d))
		return false;
	gpa = d->lane[DRIVER_RX].slot[0].gpa;
	driver_poll(d, 1);
	good = session_show("a rude backend: it writes to a page that it has used",
			    await_frame(s) && await_counter(s, gpa));
	s->engine.work.held = 0;
	engine_unmap(&s->engine, iova, VU_PAGE);
	before = counter(s, gpa);
	if (!good || !engine_flush(&s->engine, iova, VU_PAGE))
		return false;
	completed = counter(s, gpa);
	wait_for(LATER_NANOSECONDS);
	good = session_show("a rude backend: it writes on while the unmap is under way",
			    completed != before);
	good &= session_show("a rude backend: the flush has to wait for its answer",
			     s->engine.work.held == 1);
	return good & session_show("a rude backend: not one write after the guest was told",
				   counter(s, gpa) == completed);
}

bool held_run(const char *socket, const struct vu_options *options)
{
	struct vu_session session;
	bool good = session_open(&session, socket, MODE_HELD, options) && show_held(&session);

	session_close(&session);
	return good;
}

bool unmapped_run(struct vu_child *child, const char *socket, const struct vu_options *options)
{
	struct vu_session session;
	struct vu_watch watch;
	bool good = session_open(&session, socket, MODE_UNMAPPED, options) &&
		    watch_open(&watch, &session) && show_direction(child, &watch, false) &&
		    show_direction(child, &watch, true);

	session_close(&session);
	return good;
}
