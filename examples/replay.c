/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay.c - replays recordings of real guests (tapes/FORMAT.md) and compares every answer with the recorded one.
 *
 *	replay [-v] FILE...
 *
 * Status: 0 everything is as recorded, or differs as a documented deviation does; 1 something differs, or an engine is
 * not known; 2 a file cannot be read, or the command line is wrong.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "player.h"

#define SAME	   0
#define DIFFERENT  1
#define UNREADABLE 2

static const char usage[] =
	"usage: replay [-v] FILE...\n"
	"Replays recordings (.tape, .tape.xz) of guests that drive an IOMMU, and compares every answer\n"
	"with the recorded one.\n"
	"  -v      print each mismatch: its line, what was expected, and what came\n"
	"  --help  print this\n"
	"Status: 0 nothing differs; 1 something differs, or an engine is not known; 2 a file cannot\n"
	"be read, or the command line is wrong.\n";

/* The graver of two: the larger. */
static int graver(int a, int b)
{
	return a > b ? a : b;
}

/* Of all files. */
struct totals {
	uint64_t files;
	uint64_t lines;
	uint64_t mismatches;
	uint64_t deviations;
};

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

static void print_kind(const struct player *p, enum tape_kind kind)
{
	const struct tally *t = &p->tally[kind];

	printf("%s: %" PRIu64 ", mismatches %" PRIu64 "\n", tape_kind_name(kind), t->lines,
	       t->mismatches);
}

static void print_kinds(const struct player *p)
{
	for (unsigned i = 0; i < PARTS_MAX && p->engine->part[i]; i++) {
		const struct part *part = p->engine->part[i];

		for (unsigned row = 0; row < part->line_count; row++)
			print_kind(p, part->lines[row].kind);
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

static void print_totals(const struct totals *t, const char *verdict)
{
	printf("%" PRIu64 " lines, %" PRIu64 " mismatches, %" PRIu64 " deviations: %s\n", t->lines,
	       t->mismatches, t->deviations, verdict);
}

static int report(const struct player *p, struct totals *all, bool readable)
{
	struct totals t = totals_of(p);

	print_kinds(p);
	print_deviations(p);
	print_speed(p);
	print_totals(&t, !readable	? "NOT READABLE TO THE END"
			 : t.mismatches ? "DIFFERENT"
					: "as recorded");
	all->files++;
	all->lines += t.lines;
	all->mismatches += t.mismatches;
	all->deviations += t.deviations;
	return t.mismatches ? DIFFERENT : SAME;
}

static int unreadable(const char *path, uint64_t number, const char *error)
{
	fflush(stdout);
	fprintf(stderr, "%s:%" PRIu64 ": %s\n", path, number, error);
	return UNREADABLE;
}

/* Plays all lines. */
static int play(struct player *p, struct tape *tape, struct words *words)
{
	int more;

	while ((more = tape_next(tape, words)) == 1) {
		if (!player_line(p, words, tape_line_number(tape)))
			return unreadable(p->path, tape_line_number(tape), words->error);
	}
	if (more < 0)
		return unreadable(p->path, tape_line_number(tape), tape_error(tape));
	if (!player_end(p))
		return unreadable(p->path, tape_line_number(tape),
				  "the recording ends within an event");
	return SAME;
}

static int replay_tape(const char *path, struct tape *tape, bool verbose, struct totals *all)
{
	static struct words words;
	const struct tape_header *header = tape_header(tape);
	const char *name = tape_header_value(header, "engine");
	const struct engine *engine = engine_find(name);
	struct player *p;
	uint64_t number = tape_line_number(tape);
	int status;
	int result;

	if (!engine) {
		printf("%s\nengine %s: not supported\n", path, name);
		return DIFFERENT;
	}
	if (!player_headers(header, engine, &words, &number))
		return unreadable(path, number, words.error);
	print_header(path, header);
	p = player_new(path, header, engine, verbose);
	if (!p)
		return DIFFERENT;
	status = play(p, tape, &words);
	result = report(p, all, status == SAME);
	player_free(p);
	return graver(status, result);
}

static int replay_file(const char *path, bool verbose, struct totals *all)
{
	struct tape *tape = tape_open(path);
	int status;

	if (!tape) {
		fprintf(stderr, "%s: out of memory\n", path);
		return UNREADABLE;
	}
	if (tape_error(tape))
		status = unreadable(path, tape_line_number(tape), tape_error(tape));
	else
		status = replay_tape(path, tape, verbose, all);
	tape_close(tape);
	return status;
}

int main(int argc, char **argv)
{
	struct totals all = { 0 };
	bool verbose = false;
	int status = SAME;
	int first = 1;

	for (; first < argc && argv[first][0] == '-'; first++) {
		if (strcmp(argv[first], "--help") == 0 || strcmp(argv[first], "-h") == 0) {
			fputs(usage, stdout);
			return SAME;
		}
		if (strcmp(argv[first], "-v") != 0)
			break;
		verbose = true;
	}
	if (first == argc || argv[first][0] == '-') {
		fputs(usage, stderr);
		return UNREADABLE;
	}
	for (int i = first; i < argc; i++) {
		int result = replay_file(argv[i], verbose, &all);

		status = graver(status, result);
		if (i + 1 < argc)
			printf("\n");
	}
	if (argc - first > 1) {
		printf("\nall %d files: ", argc - first);
		print_totals(&all, status == UNREADABLE	 ? "NOT READABLE"
				   : status == DIFFERENT ? "DIFFERENT"
							 : "as recorded");
	}
	return status;
}
