/* SPDX-License-Identifier: BSD-3-Clause */
/* replay_command.c - viommu replay: plays tapes, and compares every answer with the recorded one. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <libvirtiommu/record.h>

#include "session.h"

/* Of all files. */
struct totals {
	uint64_t files;
	uint64_t lines;
	uint64_t mismatches;
	uint64_t deviations;
};

/* How one file is replayed, and what is said of it. */
struct report {
	struct session *session;
	struct json_object *json;	/* of the file, NULL: text */
	struct json_object *mismatches; /* in it */
	uint64_t limit;			/* of mismatches that are still listed */
};

/* ---- text ---- */

static void print_header(const char *path, const struct tape_header *h)
{
	static const char *const own_line[] = { "guest", "producer", "note" };

	printf("%s\n", path);
	for (unsigned i = 0; i < sizeof(own_line) / sizeof(own_line[0]); i++) {
		const char *value = tape_header_value(h, own_line[i]);

		if (value)
			printf("%s: %s\n", own_line[i], value);
	}
	printf("engine: %s", tape_header_value(h, "engine"));
	for (unsigned i = 0; i < h->count; i++) {
		const struct tape_header_line *l = &h->line[i];
		bool printed = strcmp(l->name, "engine") == 0;

		for (unsigned own = 0; own < sizeof(own_line) / sizeof(own_line[0]); own++)
			printed |= strcmp(l->name, own_line[own]) == 0;
		if (!printed)
			printf(", %s %s", l->name, l->value);
	}
	printf("\n");
}

static void print_kinds(const struct player *p)
{
	for (unsigned i = 0; i < PARTS_MAX && p->engine->part[i]; i++) {
		const struct part *part = p->engine->part[i];

		for (unsigned row = 0; row < part->line_count; row++) {
			enum tape_kind kind = part->lines[row].kind;

			printf("%s: %" PRIu64 ", mismatches %" PRIu64 "\n", tape_kind_name(kind),
			       p->tally[kind].lines, p->tally[kind].mismatches);
		}
	}
}

static void print_deviations(const struct player *p)
{
	for (unsigned i = 0; i < DEVIATIONS; i++) {
		const struct deviation_text *t = &deviation_texts[i];

		if (p->deviations[i])
			printf("deviation %s (%s): %" PRIu64 "\n    recorded: %s\n    manual: %s\n",
			       t->name, t->kinds, p->deviations[i], t->recorded, t->manual);
	}
}

static void print_speed(const struct player *p)
{
	if (p->nanoseconds && p->translations >= 1000)
		printf("translations: %" PRIu64 ", %.1f million per second\n", p->translations,
		       (double)p->translations * 1000.0 / (double)p->nanoseconds);
}

static void print_totals(const struct totals *t, const char *verdict)
{
	printf("%" PRIu64 " lines, %" PRIu64 " mismatches, %" PRIu64 " deviations: %s\n", t->lines,
	       t->mismatches, t->deviations, verdict);
}

/* ---- JSON ---- */

static void on_mismatch(void *opaque, enum tape_kind kind, uint64_t number, const char *expected,
			const char *came)
{
	struct report *r = opaque;
	struct json_object *o;

	if (r->limit == 0)
		return;
	r->limit--;
	o = json_append(r->mismatches);
	json_put_count(o, "line", number);
	json_put_text(o, "kind", tape_kind_name(kind));
	json_put_text(o, "expected", expected);
	json_put_text(o, "came", came);
}

static void json_kinds(struct json_object *o, const struct player *p)
{
	for (unsigned i = 0; i < TAPE_KINDS; i++) {
		struct json_object *kind;

		if (!p->tally[i].lines && !p->tally[i].mismatches)
			continue;
		kind = json_object_new_object();
		json_object_object_add(o, tape_kind_name((enum tape_kind)i), kind);
		json_put_count(kind, "lines", p->tally[i].lines);
		json_put_count(kind, "mismatches", p->tally[i].mismatches);
	}
}

static void json_file(struct json_object *o, const struct session *s, const struct totals *t,
		      const char *verdict)
{
	const struct player *p = s->player;
	struct json_object *kinds = json_object_new_object();
	struct json_object *deviations = json_object_new_object();

	json_put_text(o, "file", s->path);
	json_put_text(o, "engine", p->engine->name);
	json_put_text(o, "verdict", verdict);
	json_put_count(o, "lines", t->lines);
	json_put_count(o, "mismatch_count", t->mismatches);
	json_put_count(o, "deviation_count", t->deviations);
	json_kinds(kinds, p);
	json_object_object_add(o, "kinds", kinds);
	for (unsigned i = 0; i < DEVIATIONS; i++) {
		if (p->deviations[i])
			json_put_count(deviations, deviation_texts[i].name, p->deviations[i]);
	}
	json_object_object_add(o, "deviations", deviations);
}

/* ---- one file, all files ---- */

/* What the counts of a file come to. */
static struct totals totals_of(const struct player *p)
{
	struct totals t = { .files = 1, .lines = p->lines };

	for (unsigned i = 0; i < TAPE_KINDS; i++)
		t.mismatches += p->tally[i].mismatches;
	for (unsigned i = 0; i < DEVIATIONS; i++)
		t.deviations += p->deviations[i];
	return t;
}

static int report(struct report *r, struct totals *all, bool readable)
{
	const struct player *p = r->session->player;
	struct totals t = totals_of(p);
	const char *verdict = !readable	     ? "NOT READABLE TO THE END"
			      : t.mismatches ? "DIFFERENT"
					     : "as recorded";

	if (r->json) {
		json_file(r->json, r->session, &t, verdict);
	} else {
		print_kinds(p);
		print_deviations(p);
		print_speed(p);
		print_totals(&t, verdict);
	}
	all->files++;
	all->lines += t.lines;
	all->mismatches += t.mismatches;
	all->deviations += t.deviations;
	return t.mismatches ? STATUS_DIFFERENT : STATUS_SAME;
}

/* ---- recording what the engine does while it is played ---- */

static void on_record(void *opaque, struct viommu *iommu, const char *text, uint64_t bytes)
{
	const struct session *s = opaque;

	if ((iommu == player_iommu(s->player, 0)) != s->records_its)
		fwrite(text, 1, bytes, s->record);
}

/* From the first line that has an engine on. */
static int start_record(struct session *s, const char *path)
{
	int result;

	s->record = fopen(path, "w");
	if (!s->record)
		return unusable(path, 0, "cannot be written");
	while (!player_iommu(s->player, s->records_its)) {
		int status = session_play(s, 1);

		if (!status)
			status = s->number ? session_step(s) : STATUS_UNUSABLE;
		if (status)
			return status;
	}
	result = viommu_record(s->player->vm, on_record, s);
	return result ? unusable(path, 0, viommu_strerror(result)) : STATUS_SAME;
}

static int end_record(struct session *s)
{
	if (!s->record)
		return STATUS_SAME;
	viommu_record(s->player->vm, NULL, NULL);
	return fclose(s->record) ? STATUS_UNUSABLE : STATUS_SAME;
}

/* Where to, and whether of the ITS that the tape of an SMMU has, too. */
struct recording {
	const char *path;
	bool its;
};

#define MISMATCHES_LISTED 1000U

static int replay_file(const char *path, bool verbose, const struct recording *record,
		       struct json_object *files, struct totals *all)
{
	static struct session s;
	struct report r = { .session = &s, .limit = MISMATCHES_LISTED };
	int status = session_open(&s, path, verbose && !files);

	if (!status && files) {
		r.json = json_append(files);
		r.mismatches = json_put_array(r.json, "mismatches");
		s.player->mismatch = on_mismatch;
		s.player->opaque = &r;
	}
	if (!status && !files)
		print_header(path, tape_header(s.tape));
	s.records_its = record->its;
	if (!status && record->path)
		status = start_record(&s, record->path);
	if (!status) {
		status = session_play(&s, LINE_END);
		status = graver(status, end_record(&s));
		status = graver(status, report(&r, all, status == STATUS_SAME));
	}
	session_close(&s);
	return status;
}

static int replay_files(char **paths, int count, bool verbose, const struct recording *record,
			struct json_object *files)
{
	struct totals all = { 0 };
	int status = STATUS_SAME;

	for (int i = 0; i < count; i++) {
		status = graver(status, replay_file(paths[i], verbose, record, files, &all));
		if (i + 1 < count && !files)
			printf("\n");
	}
	if (count > 1 && !files) {
		printf("\nall %d files: ", count);
		print_totals(&all, status == STATUS_UNUSABLE	? "NOT READABLE"
				   : status == STATUS_DIFFERENT ? "DIFFERENT"
								: "as recorded");
	}
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "verbose", no_argument, NULL, 'v' },
						 { "json", no_argument, NULL, 'j' },
						 { "record", required_argument, NULL, 'r' },
						 { "record-its", required_argument, NULL, 'i' },
						 { NULL, 0, NULL, 0 } };
	struct json_object *json = NULL;
	struct recording record = { .path = NULL };
	bool verbose = false;
	int option, status;

	while ((option = getopt_long(argc, argv, "vj", options, NULL)) != -1) {
		if (option == 'v')
			verbose = true;
		else if (option == 'r' || option == 'i')
			record = (struct recording){ optarg, option == 'i' };
		else if (option != 'j')
			return usage_error(&command_replay, "no such option");
		else if (!json)
			json = json_object_new_object();
	}
	if (optind == argc) {
		json_object_put(json);
		return usage_error(&command_replay, "no file");
	}
	if (record.path && argc - optind != 1)
		return usage_error(&command_replay, "a recording is of one file");
	status = replay_files(argv + optind, argc - optind, verbose, &record,
			      json ? json_put_array(json, "files") : NULL);
	if (json)
		json_finish(json);
	return status;
}

const struct command command_replay = {
	.name = "replay",
	.purpose = "play tapes, and compare every answer with the recorded one",
	.usage =
		"[-v] [--json] [--record OUT | --record-its OUT] FILE...\n"
		"Replays recordings (.tape, .tape.xz) of guests that drive an IOMMU, and compares every answer\n"
		"with the recorded one.\n"
		"  -v, --verbose  print each mismatch: its line, what was expected, and what came\n"
		"  -j, --json     for programs\n"
		"      --record OUT, --record-its OUT  record what the engine does meanwhile, or the ITS that is beside it\n"
		"Status: 0 nothing differs; 1 something differs, or an engine is not known; 2 a file cannot\n"
		"be read, or the command line is wrong.\n",
	.run = run
};
