/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vhost_user_frontend.c - a guest's network driver and its VMM in one small program: drives a
 * vhost-user backend through an IOMMU of libvirtiommu, checks every frame, and measures what the
 * IOMMU costs.
 *
 * Status: 0 all is as it should be; 1 something is not; 2 bad arguments; 77 dpdk-testpmd is not
 * installed.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vu_backend.h"
#include "vu_report.h"

#define UNUSABLE 77

/* Something hangs: no mode and no backend needs as long. */
#define PATIENCE_SECONDS 120

static const char usage[] =
	"vhost_user_frontend [options]\n"
	"  --backend=own|testpmd|SOCKET  our backend (a child), dpdk-testpmd (a child), or one that runs\n"
	"  --engine=vtd|virtio           the IOMMU\n"
	"  --mode=none|static|dynamic|batched|rogue|unmapped|held|all\n"
	"                                held: with our backend only\n"
	"  --table                       none, static, dynamic, batched, interleaved, medians\n"
	"  --runs=N                      of --table (5)\n"
	"  --seconds=S --packets=N       of a run, whichever ends first (1 s)\n"
	"  --frame=BYTES                 64 to 1514\n"
	"  --ahead=PAGES                 read-ahead in batched mode (0)\n"
	"  --ring                        device IOTLB messages in shared memory, if the backend knows that\n"
	"  --write-only                  buffers for receiving are mapped without read permission\n"
	"  --pairs=N                     of queues, 1 to 4 (1); rogue, unmapped, held: the first\n"
	"  --packed                      rings\n"
	"  --gaps                        an unmapped page between two mappings\n"
	"  --cheat                       our backend answers before it lets go (mode held has to notice)\n"
	"  --json=FILE                   figures of --table for programs\n";

static const struct option long_options[] = {
	{ "backend", required_argument, NULL, 'b' }, { "engine", required_argument, NULL, 'e' },
	{ "mode", required_argument, NULL, 'm' },    { "table", no_argument, NULL, 't' },
	{ "runs", required_argument, NULL, 'r' },    { "seconds", required_argument, NULL, 's' },
	{ "packets", required_argument, NULL, 'p' }, { "frame", required_argument, NULL, 'f' },
	{ "ahead", required_argument, NULL, 'a' },   { "write-only", no_argument, NULL, 'w' },
	{ "ring", no_argument, NULL, 'i' },	     { "pairs", required_argument, NULL, 'q' },
	{ "packed", no_argument, NULL, 'k' },	     { "gaps", no_argument, NULL, 'g' },
	{ "cheat", no_argument, NULL, 'c' },	     { "json", required_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },	     { NULL, 0, NULL, 0 },
};

static bool set_mode(struct vu_options *o, const char *name)
{
	o->all = !strcmp(name, "all");
	for (unsigned i = 0; i < MODES; i++) {
		if (!strcmp(name, mode_names[i])) {
			o->mode = (enum vu_mode)i;
			return true;
		}
	}
	return o->all;
}

static bool set_engine(struct vu_options *o, const char *name)
{
	o->engine = !strcmp(name, engine_virtio.name) ? &engine_virtio : &engine_vtd;
	return !strcmp(name, o->engine->name);
}

static void set_backend(struct vu_options *o, const char *name)
{
	o->kind = !strcmp(name, "own")	     ? KIND_OWN
		  : !strcmp(name, "testpmd") ? KIND_TESTPMD
					     : KIND_SOCKET;
	o->socket = name;
}

static bool set_option(struct vu_options *o, int option)
{
	switch (option) {
	case 'b':
		set_backend(o, optarg);
		return true;
	case 'e':
		return set_engine(o, optarg);
	case 'm':
		return set_mode(o, optarg);
	case 't':
		return o->table = true;
	case 'r':
		o->runs = (unsigned)strtoul(optarg, NULL, 0);
		return o->runs && o->runs <= REPORT_RUNS;
	case 's':
		o->seconds = strtod(optarg, NULL);
		return o->seconds > 0 && o->seconds <= 60;
	case 'p':
		o->packets = strtoull(optarg, NULL, 0);
		return o->packets;
	case 'f':
		o->frame_bytes = (unsigned)strtoul(optarg, NULL, 0);
		return o->frame_bytes >= 64 && o->frame_bytes <= 1514;
	case 'a':
		o->ahead = (unsigned)strtoul(optarg, NULL, 0);
		return true;
	case 'w':
		return o->write_only = true;
	case 'i':
		return o->ring = true;
	case 'q':
		o->pairs = (unsigned)strtoul(optarg, NULL, 0);
		return o->pairs && o->pairs <= VU_PAIRS;
	case 'k':
		return o->packed = true;
	case 'g':
		return o->gaps = true;
	case 'c':
		return o->cheat = true;
	case 'j':
		o->json = optarg;
		return true;
	default:
		return false;
	}
}

/* ---- the backend ---- */

static int own_backend(const char *socket, void *opaque)
{
	return backend_listen(socket, 0, opaque);
}

static bool start_backend(struct vu_child *child, struct vu_options *o)
{
	static struct vu_backend_manners manners;

	*child = (struct vu_child){ 0 };
	if (o->kind == KIND_SOCKET)
		return true;
	if (o->kind == KIND_OWN && o->mode == MODE_HELD)
		manners =
			(struct vu_backend_manners){ .rude_milliseconds = 100, .cheats = o->cheat };
	else
		manners = (struct vu_backend_manners){ 0 };
	if (o->kind == KIND_OWN ? !child_start_own(child, own_backend, &manners)
				: !child_start_testpmd(child, true)) {
		fprintf(stderr, "the backend cannot be started\n");
		return false;
	}
	o->socket = child->socket;
	return true;
}

/* One that runs by itself is not ours to stop. */
static bool stop_backend(struct vu_child *child, const struct vu_options *o)
{
	bool good;

	if (o->kind == KIND_SOCKET)
		return true;
	good = child_is_alive(child);
	/* Our backend ends by the signal that asks it to; testpmd says goodbye. */
	if (!child_stop(child) && o->kind == KIND_TESTPMD)
		good = false;
	if (!good)
		fprintf(stderr, "the backend did not survive\n");
	return good;
}

/* ---- modes ---- */

/* Our backend knows rings, testpmd does not: with the other way, this would be another test. */
static bool has_right_way(const struct vu_options *o, const struct vu_result *r)
{
	bool ring = o->ring && o->kind == KIND_OWN && r->mode != MODE_NONE;

	return o->kind == KIND_SOCKET || r->ring == ring;
}

static bool run_mode(struct vu_child *child, const struct vu_options *o, enum vu_mode mode)
{
	struct vu_result result;

	if (mode == MODE_ROGUE)
		return rogue_run(child, o->socket, o);
	if (mode == MODE_UNMAPPED)
		return unmapped_run(child, o->socket, o);
	if (mode == MODE_HELD)
		return held_run(o->socket, o);
	result = session_measure(o->socket, mode, o);
	report_line(&result);
	return result.good && has_right_way(o, &result);
}

static bool is_wanted(const struct vu_options *o, enum vu_mode wanted, enum vu_mode mode)
{
	if (o->all)
		return mode != MODE_HELD || o->kind == KIND_OWN;
	return mode == wanted;
}

/* One backend serves all modes, but for the last: its manners are another's. */
static bool run_modes(struct vu_options *o)
{
	enum vu_mode wanted = o->mode;
	struct vu_child child = { 0 };
	bool started = false, good = true;

	for (unsigned mode = 0; mode < MODES && good; mode++) {
		if (!is_wanted(o, wanted, mode))
			continue;
		alarm(PATIENCE_SECONDS);
		o->mode = mode;
		if (mode == MODE_HELD && started) {
			good = stop_backend(&child, o);
			started = false;
		}
		if (!started)
			good &= start_backend(&child, o);
		started = true;
		good = good && run_mode(&child, o, mode);
	}
	return started && stop_backend(&child, o) && good;
}

/* One backend serves all runs, so that they differ in nothing but the mode. */
static bool run_table(struct vu_options *o)
{
	struct vu_result *results = calloc(o->runs * (size_t)MODE_TIMED, sizeof(*results));
	struct vu_child child;
	bool good = results && start_backend(&child, o);

	for (unsigned i = 0; good && i < o->runs * MODE_TIMED; i++) {
		alarm(PATIENCE_SECONDS);
		results[i] = session_measure(o->socket, i % MODE_TIMED, o);
		if (!results[i].good)
			report_line(&results[i]);
		good = results[i].good;
	}
	good &= stop_backend(&child, o);
	if (good)
		report_table(results, o->runs, o);
	if (good && o->json)
		good = report_json(o->json, results, o->runs, o);
	free(results);
	return good;
}

int main(int argc, char **argv)
{
	struct vu_options o = { .engine = &engine_vtd,
				.kind = KIND_OWN,
				.mode = MODE_NONE,
				.seconds = 1,
				.runs = 5,
				.pairs = 1,
				.frame_bytes = 64 };
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (!set_option(&o, option)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (o.kind == KIND_TESTPMD && !child_has_testpmd()) {
		printf("skipped: dpdk-testpmd is not installed (Debian: dpdk-dev)\n");
		return UNUSABLE;
	}
	if (o.kind == KIND_TESTPMD && child_processors() < 2) {
		printf("skipped: dpdk-testpmd needs two processors\n");
		return UNUSABLE;
	}
	signal(SIGPIPE, SIG_IGN);
	child_pin(0);
	return !(o.table ? run_table(&o) : run_modes(&o));
}
