/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vu_rogue.c - a driver that gives the device addresses it has not mapped, or not for this.
 *
 * Around each address is memory with known content: none of it may change, none of it may come back
 * in a frame. The fault has to be recorded, and afterwards the same backend has to forward frames
 * again.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vu_packet.h"
#include "vu_rogue.h"

#define PAGES_IOVA (UINT64_C(4) << 32)

#define FAULT_NANOSECONDS UINT64_C(20000000000)
#define CALM_NANOSECONDS  UINT64_C(100000000)

enum { FRAMES = 500, CANARY = 0xc5 };

/* ---- memory that is watched ---- */

bool watch_open(struct vu_watch *w, struct vu_session *s)
{
	w->session = s;
	w->gpa = ram_alloc(&s->ram, WATCH_PAGES * (uint64_t)VU_PAGE);
	watch_renew(w);
	/* The first may be read, the second read and written, the third is not mapped. */
	return engine_map(&s->engine, watch_iova(WATCH_READABLE), watch_gpa(w, WATCH_READABLE),
			  VU_PAGE, VIOMMU_READ) &&
	       engine_map(&s->engine, watch_iova(WATCH_WRITABLE), watch_gpa(w, WATCH_WRITABLE),
			  VU_PAGE, VIOMMU_READ | VIOMMU_WRITE);
}

uint64_t watch_iova(unsigned page)
{
	return PAGES_IOVA + page * (uint64_t)VU_PAGE;
}

uint64_t watch_gpa(const struct vu_watch *w, unsigned page)
{
	return w->gpa + page * (uint64_t)VU_PAGE;
}

uint8_t *watch_memory(const struct vu_watch *w, unsigned page)
{
	return ram_at(&w->session->ram, watch_gpa(w, page));
}

void watch_renew(struct vu_watch *w)
{
	memset(watch_memory(w, 0), CANARY, WATCH_PAGES * (size_t)VU_PAGE);
}

bool watch_is_untouched(const struct vu_watch *w)
{
	const uint8_t *memory = watch_memory(w, 0);

	for (unsigned i = 0; i < WATCH_PAGES * VU_PAGE; i++) {
		if (memory[i] != CANARY)
			return false;
	}
	return true;
}

/* ---- what a driver can do wrong ---- */

static struct vu_queue *queue_of(struct vu_session *s, unsigned lane)
{
	return &s->driver->lane[lane].queue;
}

/* Whether the device gave anything back to receive, or any buffer that was to be sent. */
static bool nothing_used(struct vu_session *s)
{
	uint32_t id, bytes;

	return !queue_take(queue_of(s, DRIVER_RX), &id, &bytes);
}

/* Serves the backend until a fault is recorded. */
static bool await_fault(struct vu_session *s, struct vu_fault *fault)
{
	uint64_t start = engine_now();

	while (engine_now() - start < FAULT_NANOSECONDS && !s->link.broken) {
		engine_serve(&s->engine);
		if (engine_take_fault(&s->engine, fault))
			return true;
	}
	return false;
}

static void stay_calm(struct vu_session *s)
{
	uint64_t start = engine_now();

	while (engine_now() - start < CALM_NANOSECONDS)
		engine_serve(&s->engine);
}

static void forget_faults(struct vu_session *s)
{
	struct vu_fault fault;

	while (engine_take_fault(&s->engine, &fault))
		;
}

bool rogue_send(struct vu_session *s, uint64_t address, uint32_t bytes)
{
	struct vu_lane *tx = &s->driver->lane[DRIVER_TX];

	if (!driver_start(s->driver))
		return false;
	queue_put(&tx->queue, (uint16_t)driver_take_slot(s->driver), address, bytes, false);
	queue_publish(&tx->queue);
	return true;
}

/* All buffers for receiving are at this address when a good frame is sent. */
bool rogue_receive(struct vu_session *s, uint64_t address, uint32_t bytes)
{
	struct vu_queue *rx = queue_of(s, DRIVER_RX);

	if (!driver_fill(s->driver))
		return false;
	for (unsigned i = 0; i < QUEUE_SIZE; i++) {
		rx->desc[i].addr = htole64(address);
		rx->desc[i].len = htole32(bytes);
	}
	if (!driver_connect(s->driver))
		return false;
	driver_poll(s->driver, s->driver->sent + 1);
	return true;
}

bool rogue_show(struct vu_child *child, struct vu_watch *w, const char *what, uint64_t page)
{
	struct vu_session *s = w->session;
	struct vu_fault fault = { 0 };
	bool good = await_fault(s, &fault);
	char line[96];

	stay_calm(s);
	snprintf(line, sizeof(line), "%s: a fault is recorded for that page", what);
	if (good && (fault.iova != page || fault.source != ENGINE_NIC))
		printf("    not 0x%" PRIx64 ", but 0x%" PRIx64 " of 0x%x, reason 0x%x\n", page,
		       fault.iova, fault.source, fault.reason);
	good = session_show(line, good && fault.iova == page && fault.source == ENGINE_NIC);
	snprintf(line, sizeof(line), "%s: nothing came back, nothing was overwritten", what);
	good &= session_show(line, nothing_used(s) && watch_is_untouched(w));
	snprintf(line, sizeof(line), "%s: the backend forwards %d frames afterwards", what, FRAMES);
	return good & session_show(line, rogue_recover(child, w));
}

/* The driver resets its device and behaves. */
bool rogue_recover(struct vu_child *child, struct vu_watch *w)
{
	struct vu_session *s = w->session;
	struct vu_driver *d = s->driver;
	bool good;

	if (!driver_stop(d) || !driver_start(d))
		return false;
	good = driver_run(d, 0, FRAMES) && driver_drain(d) && d->received - d->born == FRAMES &&
	       !d->wrong && !d->lost && driver_stop(d) && (!child->pid || child_is_alive(child));
	watch_renew(w);
	forget_faults(s);
	return good;
}

/* ---- attacks on buffers ---- */

struct attack {
	const char *what;
	bool receive;
	bool physical; /* the address is the page's guest-physical one */
	unsigned page;
	unsigned offset;
	uint32_t bytes;
	unsigned fault_page;
};

static const struct attack attacks[] = {
	{ "sending from an unmapped page", false, false, WATCH_UNMAPPED, 0, 76, WATCH_UNMAPPED },
	{ "sending from a guest-physical address", false, true, WATCH_UNMAPPED, 64, 76,
	  WATCH_UNMAPPED },
	{ "sending across the end of a mapping", false, false, WATCH_WRITABLE, 4000, 200,
	  WATCH_UNMAPPED },
	{ "receiving to an unmapped page", true, false, WATCH_UNMAPPED, 0, 2048, WATCH_UNMAPPED },
	{ "receiving to a guest-physical address", true, true, WATCH_WRITABLE, 0, 2048,
	  WATCH_WRITABLE },
	{ "receiving to a read-only page", true, false, WATCH_READABLE, 0, 2048, WATCH_READABLE },
};

static uint64_t attack_page(const struct vu_watch *w, const struct attack *a, unsigned page)
{
	return a->physical ? watch_gpa(w, page) : watch_iova(page);
}

static bool attack_once(struct vu_child *child, struct vu_watch *w, const struct attack *a)
{
	uint64_t address = attack_page(w, a, a->page) + a->offset;
	bool (*attack)(struct vu_session *, uint64_t, uint32_t) =
		a->receive ? rogue_receive : rogue_send;

	return attack(w->session, address, a->bytes) &&
	       rogue_show(child, w, a->what, attack_page(w, a, a->fault_page));
}

/* ---- attacks on rings ---- */

struct ring_attack {
	const char *what;
	unsigned desc, avail, used; /* pages that they are in */
	unsigned fault_page;
};

/* What is in the pages is no ring: a backend that reads it nevertheless finds indices out of
 * bounds. */
static const struct ring_attack ring_attacks[] = {
	{ "a ring in unmapped memory", WATCH_UNMAPPED, WATCH_UNMAPPED, WATCH_UNMAPPED,
	  WATCH_UNMAPPED },
	{ "a used ring in read-only memory", WATCH_WRITABLE, WATCH_WRITABLE, WATCH_READABLE,
	  WATCH_READABLE },
};

static bool attack_ring(struct vu_child *child, struct vu_watch *w, const struct ring_attack *a)
{
	struct vu_session *s = w->session;
	struct vu_ring_setup setup = { .size = QUEUE_SIZE,
				       .desc = watch_iova(a->desc),
				       .avail = watch_iova(a->avail),
				       .used = watch_iova(a->used),
				       .kick = queue_of(s, DRIVER_RX)->kick,
				       .call = queue_of(s, DRIVER_RX)->call };

	return driver_fill(s->driver) && link_start_ring(&s->link, &setup) &&
	       rogue_show(child, w, a->what, watch_iova(a->fault_page));
}

bool rogue_run(struct vu_child *child, const char *socket, const struct vu_options *options)
{
	struct vu_session session;
	struct vu_watch watch;
	bool good =
		session_open(&session, socket, MODE_ROGUE, options) && watch_open(&watch, &session);

	for (unsigned i = 0; good && i < sizeof(attacks) / sizeof(attacks[0]); i++)
		good = attack_once(child, &watch, &attacks[i]);
	for (unsigned i = 0; good && i < sizeof(ring_attacks) / sizeof(ring_attacks[0]); i++)
		good = attack_ring(child, &watch, &ring_attacks[i]);
	session_close(&session);
	return good;
}
