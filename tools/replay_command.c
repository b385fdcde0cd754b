/* SPDX-License-Identifier: BSD-3-Clause */
/* replay_command.c - viommu replay: plays tapes, and compares every answer with the recorded one. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "viommu.h"

/* Of all files. */
struct totals {
	uint64_t lines;
	uint64_t mismatches;
	uint64_t deviations;
};

#define MISMATCHES_LISTED 1000U

/* How the tapes are replayed, and what is said of them. */
struct replay {
	const struct options *options;
	struct session session;
	struct totals totals;
	struct json_object *files;
	struct json_object *mismatches; /* of a file */
	uint64_t limit;			/* of mismatches that are still listed */
};

/* ---- what is said of a tape ---- */

/* Some have a line of their own; the others are behind the engine, which is first. */
static void print_header(const char *path, const struct tape_header *h)
{
	static const char *const own_line[] = { "guest", "producer", "note", "engine" };
	const unsigned count = sizeof(own_line) / sizeof(own_line[0]);
	unsigned own;

	printf("%s", path);
	for (own = 0; own < count; own++) {
		if (tape_header_value(h, own_line[own]))
			printf("\n%s: %s", own_line[own], tape_header_value(h, own_line[own]));
	}
	for (unsigned i = 0; i < h->count; i++) {
		for (own = 0; own < count && strcmp(h->line[i].name, own_line[own]) != 0;)
			own++;
		if (own == count)
			printf(", %s %s", h->line[i].name, h->line[i].value);
	}
	printf("\n");
}

static void put_kind(struct json_object *kinds, const struct player *p, enum tape_kind kind)
{
	const char *name = tape_kind_name(kind);

	if (!kinds)
		printf("%s: ", name);
	ROW(out_object(kinds, name, ""), "{lines:u}, mismatches {mismatches:u}\n",
	    N(p->tally[kind].lines), N(p->tally[kind].mismatches));
}

/* Text has all that there may be, JSON those that there are. */
static void put_kinds(struct json_object *kinds, const struct player *p)
{
	for (unsigned i = 0; i < PARTS_MAX && p->engine->part[i]; i++) {
		const struct part *part = p->engine->part[i];

		for (unsigned row = 0; row < part->line_count; row++) {
			enum tape_kind kind = part->lines[row].kind;

			if (!kinds || p->tally[kind].lines || p->tally[kind].mismatches)
				put_kind(kinds, p, kind);
		}
	}
}

static void put_deviations(struct json_object *o, const struct player *p)
{
	for (unsigned i = 0; i < DEVIATIONS; i++) {
		const struct deviation_text *t = &deviation_texts[i];

		if (p->deviations[i] && o)
			out_count(o, t->name, p->deviations[i]);
		else if (p->deviations[i])
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

static void put_totals(struct json_object *o, const struct totals *t, const char *verdict)
{
	ROW(o,
	    "{lines:u} lines, {mismatch_count:u} mismatches, {deviation_count:u} deviations: {verdict:s}\n",
	    N(t->lines), N(t->mismatches), N(t->deviations), S(verdict));
}

static void on_mismatch(void *opaque, enum tape_kind kind, uint64_t number, const char *expected,
			const char *came)
{
	struct replay *r = opaque;

	if (r->limit == 0)
		return;
	r->limit--;
	ROW(r->mismatches, "{line:u}{kind:s}{expected:s}{came:s}", N(number),
	    S(tape_kind_name(kind)), S(expected), S(came));
}

/* ---- one file, all files ---- */

/* What the counts of a file come to. */
static struct totals totals_of(const struct player *p)
{
	struct totals t = { .lines = p->lines };

	for (unsigned i = 0; i < TAPE_KINDS; i++)
		t.mismatches += p->tally[i].mismatches;
	for (unsigned i = 0; i < DEVIATIONS; i++)
		t.deviations += p->deviations[i];
	return t;
}

static int report(struct replay *r, struct json_object *o, bool readable)
{
	const struct player *p = r->session.player;
	struct totals t = totals_of(p);
	const char *verdict = !readable	     ? "NOT READABLE TO THE END"
			      : t.mismatches ? "DIFFERENT"
					     : "as recorded";

	out_text(o, "file", r->session.path);
	out_text(o, "engine", p->engine->name);
	put_kinds(out_object(o, "kinds", ""), p);
	put_deviations(out_object(o, "deviations", ""), p);
	if (!o)
		print_speed(p);
	put_totals(o, &t, verdict);
	r->totals.lines += t.lines;
	r->totals.mismatches += t.mismatches;
	r->totals.deviations += t.deviations;
	return t.mismatches ? STATUS_DIFFERENT : STATUS_SAME;
}

static int play(struct replay *r, struct json_object *o)
{
	struct player *p = r->session.player;
	int status = STATUS_SAME;

	if (o) {
		r->limit = MISMATCHES_LISTED;
		r->mismatches = out_list(o, "mismatches", "");
		p->mismatch = on_mismatch;
		p->opaque = r;
	} else {
		print_header(r->session.path, tape_header(r->session.tape));
		p->verbose = r->options->verbose;
	}
	if (r->options->record)
		status = session_record(&r->session, r->options->record, r->options->its);
	if (status)
		return status;
	status = session_play(&r->session, LINE_END);
	status = graver(status, session_record_end(&r->session));
	return graver(status, report(r, o, status == STATUS_SAME));
}

static int replay_file(struct replay *r, const char *path)
{
	int status = session_open(&r->session, path);

	if (!status)
		status = play(r, r->files ? out_row(r->files, "", NULL) : NULL);
	session_close(&r->session);
	return status;
}

static int run(struct options *o)
{
	static struct replay r;
	int status = STATUS_SAME;

	if (o->record && o->count != 1)
		return usage_error(&command_replay, "a recording is of one file");
	r.options = o;
	r.files = out_list(o->json, "files", "");
	for (int i = 0; i < o->count; i++) {
		status = graver(status, replay_file(&r, o->files[i]));
		if (i + 1 < o->count && !r.files)
			printf("\n");
	}
	if (o->count > 1 && !r.files) {
		printf("\nall %d files: ", o->count);
		put_totals(NULL, &r.totals,
			   status == STATUS_UNUSABLE	? "NOT READABLE"
			   : status == STATUS_DIFFERENT ? "DIFFERENT"
							: "as recorded");
	}
	out_finish(o->json);
	return status;
}

const struct command command_replay = {
	.name = "replay",
	.purpose = "play tapes, and compare every answer with the recorded one",
	.usage =
		"[-v] [--json] [--record OUT | --record-its OUT] FILE...\n"
		"Replays recordings (.tape, .tape.xz) of guests that drive an IOMMU, and compares every answer\n"
		"with the recorded one.\n",
	.status =
		"0 nothing differs; 1 something differs, or an engine is not known; 2 a file cannot\n"
		"be read, or the command line is wrong.",
	.files = "no file",
	.run = run
};
