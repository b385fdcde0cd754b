/* SPDX-License-Identifier: BSD-3-Clause */
/* stats_command.c - viommu stats: what is on a tape, and what the IOMMU counts while it is played. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "viommu.h"

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

static void put(struct json_object *o, const char *name, uint64_t value)
{
	if (value && o)
		out_count(o, name, value);
	else if (value)
		printf("  %-28s %12" PRIu64 "\n", name, value);
}

static void put_lines(struct json_object *o, const struct player *p)
{
	for (unsigned i = 0; i < TAPE_KINDS; i++)
		put(o, tape_kind_name((enum tape_kind)i), p->tally[i].lines);
}

static void put_requests(struct json_object *o, const struct stats *stats)
{
	for (unsigned i = 0; i < stats->count; i++) {
		const struct requests *r = &stats->list[i];
		char key[24];

		if (!o)
			printf("  %-28" PRIx32, r->name);
		snprintf(key, sizeof(key), "0x%" PRIx32, r->name);
		ROW(out_object(o, key, ""), " {requests:12u} {refused:10u} {writes:10u}\n",
		    N(r->count), N(r->refused), N(r->writes));
	}
}

static void put_engine(struct json_object *o, const struct viommu *iommu)
{
	struct viommu_statistics s = { .size = sizeof(s) };
	const struct {
		const char *name;
		const uint64_t *value;
	} rows[] = { { "misses", &s.misses },
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
		     { "completions", &s.completions } };

	if (viommu_get_statistics(iommu, &s) != VIOMMU_OK)
		return;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		put(o, rows[i].name, *rows[i].value);
}

static void put_faults(struct json_object *o, const struct viommu *iommu)
{
	for (uint32_t reason = 0; reason < REASONS_MAX; reason++) {
		uint64_t count = viommu_get_faults(iommu, reason);
		char name[160];

		snprintf(name, sizeof(name), "%" PRIx32 " %s", reason,
			 viommu_reason_text(iommu, reason));
		if (count && !o)
			printf("  %-28" PRIu64 " %s\n", count, name);
		else if (count)
			out_count(o, name, count);
	}
}

static void put_stats(const struct stats *stats, const struct session *s, const struct options *o)
{
	const struct viommu *iommu = player_iommu(s->player, 0);
	uint64_t frame;
	const struct viommu *its = player_its(s->player, 0, &frame);

	ROW(o->json, "{:s}: engine {engine_name:s}\n", S(s->path), S(s->player->engine->name));
	put_lines(out_object(o->json, "lines", "lines on the tape\n"), s->player);
	put_requests(out_object(o->json, "devices", "requests by device (refused, writes)\n"),
		     stats);
	if (iommu) {
		put_engine(out_object(o->json, "engine",
				      "counted by the engine while it was played\n"),
			   iommu);
		put_faults(out_object(o->json, "faults", "faults by reason\n"), iommu);
	}
	if (its && its != iommu)
		put_engine(out_object(o->json, "its", "counted by the ITS\n"), its);
	out_finish(o->json);
}

static int run(struct options *o)
{
	static struct stats stats;
	static struct session s;
	int status = session_open(&s, o->files[0]);

	if (!status)
		status = count_requests(&stats, &s);
	if (!status)
		put_stats(&stats, &s, o);
	session_close(&s);
	return status;
}

const struct command command_stats = {
	.name = "stats",
	.purpose = "what is on a tape, and what the IOMMU counts",
	.usage =
		"[--json] TAPE\n"
		"Counts lines, requests by device, and what the engine counts while the tape is played:\n"
		"misses, invalidations by kind, faults by reason.\n",
	.status = "0; 2 a file cannot be read, or the command line is wrong.",
	.files = "one tape",
	.count = 1,
	.run = run
};
