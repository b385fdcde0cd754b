/* SPDX-License-Identifier: BSD-3-Clause */
/* vu_session.c - a guest, its IOMMU, its driver and a backend put together. */
#include "vu_session.h"

#include <stdio.h>
#include <string.h>

#define RAM_BYTES (UINT64_C(64) << 20)

#define WARM_UP_SECONDS 0.2
#define LEAST_PACKETS	256U
#define LEAST_SECONDS	60
#define TURN_SECONDS	0.002

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

static struct vu_driver driver_for(struct vu_session *s, unsigned pair, enum vu_mode mode,
				   const struct vu_options *options)
{
	return (struct vu_driver){
		.ram = &s->ram,
		.link = &s->link,
		.engine = s->iommu ? &s->engine : NULL,
		.pair = pair,
		.packed = options->packed,
		.strategy = strategy_of(mode),
		.block = mode == MODE_BATCHED ? BATCH : 1,
		.stride = options->gaps ? 2 * VU_PAGE : VU_PAGE,
		.receive_perm = options->write_only ? VIOMMU_WRITE : VIOMMU_READ | VIOMMU_WRITE,
		.frame_bytes = options->frame_bytes,
	};
}

bool session_open(struct vu_session *s, const char *socket, enum vu_mode mode,
		  const struct vu_options *options)
{
	bool good;

	memset(s, 0, sizeof(*s));
	s->link.socket = s->link.channel = s->link.ring.fd = -1;
	s->iommu = mode != MODE_NONE;
	s->pairs = mode < MODE_TIMED ? options->pairs : 1;
	good = ram_open(&s->ram, RAM_BYTES) &&
	       (!s->iommu || engine_open(&s->engine, options->engine, &s->ram)) &&
	       link_open(&s->link, socket, &s->ram, wants(s, options), s->pairs, options->packed) &&
	       (!s->iommu || connect_engine(s, mode, options));
	for (unsigned i = 0; good && i < s->pairs; i++) {
		s->driver[i] = driver_for(s, i, mode, options);
		good = driver_open(&s->driver[i]);
	}
	return good;
}

void session_close(struct vu_session *s)
{
	for (unsigned i = 0; i < s->pairs; i++)
		driver_close(&s->driver[i]);
	engine_close(&s->engine);
	link_close(&s->link);
	ram_close(&s->ram);
}

/* ---- all pairs ---- */

static uint64_t received(const struct vu_session *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->pairs; i++)
		sum += s->driver[i].received;
	return sum;
}

static bool each(struct vu_session *s, bool (*act)(struct vu_driver *d))
{
	bool good = true;

	for (unsigned i = 0; good && i < s->pairs; i++)
		good = act(&s->driver[i]);
	return good;
}

/* A driver for so long, then the next: meanwhile, the backend works on what the others have left it. */
static bool run_in_turn(struct vu_session *s, double seconds)
{
	uint64_t end = engine_now() + (uint64_t)(seconds * 1e9);
	bool good = true;

	while (good && engine_now() < end) {
		for (unsigned i = 0; good && i < s->pairs; i++)
			good = driver_run(&s->driver[i], TURN_SECONDS, 0);
	}
	return good;
}

static bool run(struct vu_session *s, double seconds, uint64_t packets)
{
	bool good = true;

	if (s->pairs > 1 && !packets)
		return run_in_turn(s, seconds);
	for (unsigned i = 0; good && i < s->pairs; i++)
		good = driver_run(&s->driver[i], seconds, packets);
	return good;
}

/* Of every pair: one that does not work would not be missed in a sum. */
static bool run_at_least(struct vu_session *s, const struct vu_options *options)
{
	uint64_t before[VU_PAIRS];
	bool good;

	for (unsigned i = 0; i < s->pairs; i++)
		before[i] = s->driver[i].received;
	good = run(s, options->seconds, options->packets);
	/* On a busy machine nothing may have come back in that time: that it does is what counts. */
	for (unsigned i = 0; good && i < s->pairs && !options->packets; i++) {
		if (s->driver[i].received - before[i] < LEAST_PACKETS)
			good = driver_run(&s->driver[i], LEAST_SECONDS, LEAST_PACKETS);
	}
	return good;
}

static void measure(struct vu_session *s, const struct vu_options *options, struct vu_result *r)
{
	uint64_t start, before;

	if (!each(s, driver_start) ||
	    !run(s, WARM_UP_SECONDS, options->packets ? options->packets / 10 + 1 : 0))
		return;
	s->engine.work = (struct vu_work){ 0 };
	before = received(s);
	start = engine_now();
	r->good = run_at_least(s, options);
	r->seconds = (double)(engine_now() - start) / 1e9;
	r->packets = received(s) - before;
	r->work = s->engine.work;
	r->good = r->good && each(s, driver_drain);
	for (unsigned i = 0; i < s->pairs; i++) {
		r->lost += s->driver[i].lost;
		r->wrong += s->driver[i].wrong;
	}
	r->refused = s->link.refused;
	r->ring = s->link.ring.memory;
	r->good = r->good && r->packets && !r->lost && !r->wrong && !r->refused &&
		  each(s, driver_stop);
}

struct vu_result session_measure(const char *socket, enum vu_mode mode,
				 const struct vu_options *options)
{
	struct vu_result r = { .mode = mode };
	struct vu_session s;

	if (session_open(&s, socket, mode, options))
		measure(&s, options, &r);
	for (unsigned i = 0; i < s.pairs; i++) {
		if (s.driver[i].stuck)
			fprintf(stderr, "%s: nothing moves in pair %u: sent %llu, received %llu\n",
				mode_names[mode], i, (unsigned long long)s.driver[i].sent,
				(unsigned long long)s.driver[i].received);
	}
	session_close(&s);
	return r;
}
