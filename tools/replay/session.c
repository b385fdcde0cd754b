/* SPDX-License-Identifier: BSD-3-Clause */
/* session.c - a tape that is played up to a line. */

#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libvirtiommu/record.h>

#include "session.h"

#define SAID_EVERY 1000U /* milliseconds */

int unusable(const char *path, uint64_t line, const char *why)
{
	fflush(stdout);
	if (line)
		fprintf(stderr, "%s:%" PRIu64 ": %s\n", path, line, why);
	else
		fprintf(stderr, "%s: %s\n", path, why);
	return STATUS_UNUSABLE;
}

static uint64_t milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

void session_progress(struct session *s, const char *what, uint64_t count)
{
	uint64_t now;

	if (count % 256)
		return;
	now = milliseconds();
	if (!s->progress)
		s->progress = now;
	if (now - s->progress < SAID_EVERY)
		return;
	s->progress = now;
	s->said = isatty(STDERR_FILENO);
	fprintf(stderr, "%s%s: %" PRIu64 " %s%s", s->said ? "\r" : "", s->path, count, what,
		s->said ? "" : "\n");
}

static void erase_progress(struct session *s)
{
	if (s->said)
		fprintf(stderr, "\r\033[K");
	s->said = false;
}

int session_open(struct session *s, const char *path)
{
	const struct tape_header *header;
	const struct engine *engine;
	uint64_t number;

	*s = (struct session){ .path = path };
	s->tape = tape_open(path);
	if (!s->tape)
		return unusable(path, 0, "out of memory");
	if (tape_error(s->tape))
		return unusable(path, tape_line_number(s->tape), tape_error(s->tape));
	header = tape_header(s->tape);
	engine = engine_find(tape_header_value(header, "engine"));
	if (!engine) {
		fprintf(stderr, "%s\nengine %s: not supported\n", path,
			tape_header_value(header, "engine"));
		return STATUS_DIFFERENT;
	}
	number = tape_line_number(s->tape);
	if (!player_headers(header, engine, &s->words, &number))
		return unusable(path, number, s->words.error);
	s->player = player_new(path, header, engine);
	return s->player ? STATUS_SAME : STATUS_DIFFERENT;
}

void session_close(struct session *s)
{
	erase_progress(s);
	player_free(s->player);
	tape_close(s->tape);
	s->player = NULL;
	s->tape = NULL;
}

/* Reads the next line into words. 1: there is one. 0: the end. -1: said why not. */
static int next_line(struct session *s)
{
	int more;

	if (s->number)
		return 1;
	more = tape_next(s->tape, &s->words);
	if (more < 0)
		unusable(s->path, tape_line_number(s->tape), tape_error(s->tape));
	if (more == 1)
		s->number = tape_line_number(s->tape);
	return more;
}

static bool is_event(const struct session *s)
{
	const struct line_row *row = NULL;
	enum tape_kind kind;

	if (tape_kind_find(s->words.word[0], &kind))
		row = engine_row(s->player->engine, kind);
	return row && row->role == ROLE_EVENT;
}

static bool play_line(struct session *s)
{
	uint64_t number = s->number;

	s->number = 0;
	session_progress(s, "lines", s->player->lines);
	if (player_line(s->player, &s->words, number))
		return true;
	unusable(s->path, number, s->words.error);
	return false;
}

int session_play(struct session *s, uint64_t line)
{
	int more;

	while ((more = next_line(s)) == 1) {
		if (s->number >= line && is_event(s))
			return STATUS_SAME;
		if (!play_line(s))
			return STATUS_UNUSABLE;
	}
	erase_progress(s);
	if (more < 0)
		return STATUS_UNUSABLE;
	if (line != LINE_END && line > tape_line_number(s->tape))
		return unusable(s->path, tape_line_number(s->tape), "the tape has no such line");
	return player_end(s->player) ? STATUS_SAME
				     : unusable(s->path, tape_line_number(s->tape),
						"the recording ends within an event");
}

int session_step(struct session *s)
{
	return play_line(s) ? STATUS_SAME : STATUS_UNUSABLE;
}

uint64_t session_split(char *text)
{
	char *colon = strrchr(text, ':');
	char *end;
	uint64_t line;

	if (!colon || colon[1] < '1' || colon[1] > '9')
		return LINE_END;
	line = strtoull(colon + 1, &end, 10);
	if (*end)
		return LINE_END;
	*colon = '\0';
	return line;
}

int session_at(struct session *s, char *path)
{
	uint64_t line = session_split(path);
	int status = session_open(s, path);

	if (status)
		return status;
	return session_play(s, line);
}

bool session_line(struct session *s, struct tape_line *l)
{
	unsigned count = s->words.count;
	const struct line_row *row;
	bool parsed;

	*l = (struct tape_line){ .number = s->number };
	if (!s->number || !tape_kind_find(s->words.word[0], &l->kind))
		return false;
	row = engine_row(s->player->engine, l->kind);
	s->words.count -= words_end_in(&s->words, "~") || words_end_in(&s->words, "!");
	parsed = row && row->parse(&s->words, l);
	s->words.count = count; /* the mark is for player_line() */
	return parsed;
}

/* Lines that say themselves whether a request was refused. */
static bool is_refused(const struct session *s)
{
	const struct words *w = &s->words;

	if (strcmp(w->word[0], "T") == 0)
		return w->count > 6 && strcmp(w->word[6], "0") == 0;
	if (strcmp(w->word[0], "I") == 0 || strcmp(w->word[0], "MSI") == 0)
		return w->count > 5 && strcmp(w->word[5], "fault") == 0;
	return false;
}

bool session_refused(struct session *s, uint64_t which, int *status)
{
	int more;

	*status = STATUS_SAME;
	while ((more = next_line(s)) == 1) {
		if (is_refused(s) && --which == 0)
			return true;
		if (!play_line(s))
			break;
	}
	if (more)
		*status = STATUS_UNUSABLE;
	return false;
}

/* ---- recording what the engine does ---- */

static void on_record(void *opaque, struct viommu *iommu, const char *text, uint64_t bytes)
{
	const struct session *s = opaque;

	if ((iommu == player_iommu(s->player, 0)) != s->records_its)
		fwrite(text, 1, bytes, s->record);
}

int session_record(struct session *s, const char *path, bool its)
{
	int result;

	s->records_its = its;
	s->record = fopen(path, "w");
	if (!s->record)
		return unusable(path, 0, "cannot be written");
	while (!player_iommu(s->player, its)) {
		int status = session_play(s, 1);

		if (!status)
			status = s->number ? session_step(s) : STATUS_UNUSABLE;
		if (status)
			return status;
	}
	result = viommu_record(s->player->vm, on_record, s);
	return result ? unusable(path, 0, viommu_strerror(result)) : STATUS_SAME;
}

int session_record_end(struct session *s)
{
	if (!s->record)
		return STATUS_SAME;
	viommu_record(s->player->vm, NULL, NULL);
	return fclose(s->record) ? STATUS_UNUSABLE : STATUS_SAME;
}
