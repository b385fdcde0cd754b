/* SPDX-License-Identifier: BSD-3-Clause */
/* stats_command.c - viommu stats: what is on a tape, and what the IOMMU counts while it is played. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "look.h"

#define NAMES_MAX   1024U
#define REASONS_MAX 0x400U

/* Of one requester. */
struct requests {
	uint32_t name;
	uint64_t count;
	uint64_t refused;
	uint64_t writes;
};

struct stats {
	struct requests list[NAMES_MAX]; /* more are not told apart: the last one has them */
	unsigned count;
	struct json_object *json;
};

static struct requests *requests_of(struct stats *stats, uint32_t name)
{
	unsigned i = 0;

	while (i < stats->count && stats->list[i].name != name)
		i++;
	if (i == NAMES_MAX)
		return &stats->list[NAMES_MAX - 1];
	if (i == stats->count)
		stats->list[stats->count++].name = name;
	return &stats->list[i];
}

/* Plays the whole tape, and looks at its T lines on the way. */
static int count_requests(struct stats *stats, struct session *s)
{
	struct tape_line l;
	int status;

	while ((status = session_play(s, 1)) == STATUS_SAME && s->number) {
		if (strcmp(s->words.word[0], "T") == 0 && session_line(s, &l)) {
			struct requests *r = requests_of(stats, l.rid);

			r->count++;
			r->refused += l.perm == 0;
			r->writes += l.access >> 1 & 1;
		}
		status = session_step(s);
		if (status)
			return status;
	}
	return status;
}

/* ---- what is printed: a name and a number each ---- */

static void put(const struct stats *stats, struct json_object *o, const char *name, uint64_t value)
{
	if (!value)
		return;
	if (stats->json)
		json_put_count(o, name, value);
	else
		printf("  %-28s %12" PRIu64 "\n", name, value);
}

/* A table under a title, or an object. */
static struct json_object *begin(const struct stats *stats, const char *key, const char *title)
{
	struct json_object *o = NULL;

	if (!stats->json) {
		printf("%s\n", title);
		return NULL;
	}
	o = json_object_new_object();
	json_object_object_add(stats->json, key, o);
	return o;
}

static void put_lines(const struct stats *stats, const struct player *p)
{
	struct json_object *o = begin(stats, "lines", "lines on the tape");

	for (unsigned i = 0; i < TAPE_KINDS; i++)
		put(stats, o, tape_kind_name((enum tape_kind)i), p->tally[i].lines);
}

static void put_requests(const struct stats *stats)
{
	struct json_object *o = begin(stats, "devices", "requests by device (refused, writes)");

	for (unsigned i = 0; i < stats->count; i++) {
		const struct requests *r = &stats->list[i];
		struct json_object *device;
		char name[24];

		if (!o) {
			printf("  %-28" PRIx32 " %12" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
			       r->name, r->count, r->refused, r->writes);
			continue;
		}
		snprintf(name, sizeof(name), "0x%" PRIx32, r->name);
		device = json_object_new_object();
		json_object_object_add(o, name, device);
		json_put_count(device, "requests", r->count);
		json_put_count(device, "refused", r->refused);
		json_put_count(device, "writes", r->writes);
	}
}

static void put_engine(const struct stats *stats, const struct viommu *iommu)
{
	struct viommu_statistics s = { .size = sizeof(s) };
	const struct {
		const char *name;
		const uint64_t *value;
	} rows[] = {
		{ "misses", &s.misses },
		{ "fills", &s.fills },
		{ "evictions", &s.evictions },
		{ "faults", &s.faults },
		{ "message_faults", &s.message_faults },
		{ "page_requests", &s.page_requests },
		{ "device_tlb_invalidations", &s.device_tlb_invalidations },
		{ "flushes", &s.flushes },
		{ "context_invalidations", &s.context_invalidations },
		{ "domain_invalidations", &s.domain_invalidations },
		{ "range_invalidations", &s.range_invalidations },
		{ "interrupt_invalidations", &s.interrupt_invalidations },
		{ "commands", &s.commands },
		{ "command_errors", &s.command_errors },
		{ "completions", &s.completions },
	};
	struct json_object *o = begin(stats, "engine", "counted by the engine while it was played");

	if (viommu_get_statistics(iommu, &s) != VIOMMU_OK)
		return;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		put(stats, o, rows[i].name, *rows[i].value);
}

static void put_faults(const struct stats *stats, const struct viommu *iommu)
{
	struct json_object *o = begin(stats, "faults", "faults by reason");

	for (uint32_t reason = 0; reason < REASONS_MAX; reason++) {
		uint64_t count = viommu_get_faults(iommu, reason);
		char name[160];

		snprintf(name, sizeof(name), "%" PRIx32 " %s", reason,
			 viommu_reason_text(iommu, reason));
		if (count && !o)
			printf("  %-28" PRIu64 " %s\n", count, name);
		else
			put(stats, o, name, count);
	}
}

static int stats_of(struct stats *stats, struct session *s, const char *path, bool json)
{
	const struct viommu *iommu;
	int status = session_open(s, path, false);

	if (!status)
		status = count_requests(stats, s);
	if (status)
		return status;
	stats->json = json ? json_object_new_object() : NULL;
	if (!json)
		printf("%s: engine %s\n", path, s->player->engine->name);
	else
		json_put_text(stats->json, "engine_name", s->player->engine->name);
	iommu = player_iommu(s->player, 0);
	put_lines(stats, s->player);
	put_requests(stats);
	if (iommu) {
		put_engine(stats, iommu);
		put_faults(stats, iommu);
	}
	if (json)
		json_finish(stats->json);
	return STATUS_SAME;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { NULL, 0, NULL, 0 } };
	static struct stats stats;
	static struct session s;
	bool json = false;
	int option, status;

	while ((option = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		if (option != 'j')
			return usage_error(&command_stats, "no such option");
		json = true;
	}
	if (argc - optind != 1)
		return usage_error(&command_stats, "one tape");
	status = stats_of(&stats, &s, argv[optind], json);
	session_close(&s);
	return status;
}

const struct command command_stats = {
	.name = "stats",
	.purpose = "what is on a tape, and what the IOMMU counts",
	.usage =
		"[--json] TAPE\n"
		"Counts lines, requests by device, and what the engine counts while the tape is played:\n"
		"misses, invalidations by kind, faults by reason.\n"
		"  -j, --json              for programs\n"
		"Status: 0; 2 a file cannot be read, or the command line is wrong.\n",
	.run = run
};
