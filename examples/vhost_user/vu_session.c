/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_session.c - a guest, its IOMMU, its driver and a backend put together. */
#include "vu_session.h"

#include <stdio.h>
#include <string.h>

#define RAM_BYTES (UINT64_C(64) << 20)

#define WARM_UP_SECONDS 0.2
#define LEAST_PACKETS	256U
#define LEAST_SECONDS	60

enum { BATCH = 64 };

const char *const mode_names[MODES] = { "none",	 "static",   "dynamic", "batched",
					"rogue", "unmapped", "held" };

bool session_show(const char *what, bool good)
{
	printf("%-72s %s\n", what, good ? "yes" : "NO");
	fflush(stdout);
	return good;
}

static enum vu_strategy strategy_of(enum vu_mode mode)
{
	return mode == MODE_NONE     ? DRIVER_PHYSICAL
	       : mode == MODE_STATIC ? DRIVER_STATIC
				     : DRIVER_DYNAMIC;
}

/* Static: as much as the tables prove to be contiguous. Dynamic: a page lives no longer than its
 * mapping. */
static bool connect_engine(struct vu_session *s, enum vu_mode mode,
			   const struct vu_options *options)
{
	uint64_t reach = mode == MODE_STATIC ? 0 : 1;
	uint64_t ahead = mode == MODE_BATCHED ? options->ahead * (uint64_t)VU_PAGE : 0;

	return engine_connect(&s->engine, &s->link, reach, ahead);
}

static enum vu_link_wants wants(const struct vu_session *s, const struct vu_options *options)
{
	return !s->iommu ? LINK_PLAIN : options->ring ? LINK_RING : LINK_IOMMU;
}

bool session_open(struct vu_session *s, const char *socket, enum vu_mode mode,
		  const struct vu_options *options)
{
	memset(s, 0, sizeof(*s));
	s->link.socket = s->link.channel = s->link.ring.fd = -1;
	s->iommu = mode != MODE_NONE;
	s->driver = (struct vu_driver){
		.ram = &s->ram,
		.link = &s->link,
		.engine = s->iommu ? &s->engine : NULL,
		.strategy = strategy_of(mode),
		.block = mode == MODE_BATCHED ? BATCH : 1,
		.stride = options->gaps ? 2 * VU_PAGE : VU_PAGE,
		.receive_perm = options->write_only ? VIOMMU_WRITE : VIOMMU_READ | VIOMMU_WRITE,
		.frame_bytes = options->frame_bytes,
	};
	return ram_open(&s->ram, RAM_BYTES) &&
	       (!s->iommu || engine_open(&s->engine, options->engine, &s->ram)) &&
	       link_open(&s->link, socket, &s->ram, wants(s, options)) &&
	       (!s->iommu || connect_engine(s, mode, options)) && driver_open(&s->driver);
}

void session_close(struct vu_session *s)
{
	driver_close(&s->driver);
	engine_close(&s->engine);
	link_close(&s->link);
	ram_close(&s->ram);
}

static void measure(struct vu_session *s, const struct vu_options *options, struct vu_result *r)
{
	struct vu_driver *d = &s->driver;
	uint64_t start, before;

	if (!driver_start(d) ||
	    !driver_run(d, WARM_UP_SECONDS, options->packets ? options->packets / 10 + 1 : 0))
		return;
	s->engine.work = (struct vu_work){ 0 };
	before = d->received;
	start = engine_now();
	r->good = driver_run(d, options->seconds, options->packets);
	/* On a busy machine nothing may have come back in that time: that it does is what counts. */
	if (r->good && !options->packets && d->received - before < LEAST_PACKETS)
		r->good = driver_run(d, LEAST_SECONDS, LEAST_PACKETS);
	r->seconds = (double)(engine_now() - start) / 1e9;
	r->packets = d->received - before;
	r->work = s->engine.work;
	r->good = r->good && driver_drain(d);
	r->lost = d->lost;
	r->wrong = d->wrong;
	r->refused = s->link.refused;
	r->ring = s->link.ring.memory;
	r->good = r->good && r->packets && !r->lost && !r->wrong && !r->refused && driver_stop(d);
}

struct vu_result session_measure(const char *socket, enum vu_mode mode,
				 const struct vu_options *options)
{
	struct vu_result r = { .mode = mode };
	struct vu_session s;

	if (session_open(&s, socket, mode, options))
		measure(&s, options, &r);
	if (s.driver.stuck)
		fprintf(stderr, "%s: nothing moves: sent %llu, received %llu\n", mode_names[mode],
			(unsigned long long)s.driver.sent, (unsigned long long)s.driver.received);
	session_close(&s);
	return r;
}
