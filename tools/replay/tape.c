/* SPDX-License-Identifier: BSD-3-Clause */
/* tape.c - reading a recording line by line (../tapes/FORMAT.md). Anything the format does not have is an error. */

#define _POSIX_C_SOURCE 200809L

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line.h"
#include "tape.h"
#include "tape_bytes.h"

#define LINE_MAX_BYTES (2 * WORDS_BYTES_MAX + 64)

struct tape {
	struct tape_bytes *bytes;
	struct tape_header header;
	uint64_t number;
	bool line_is_event; /* the header has ended, text holds the first event */
	bool failed;
	char error[200];
	char text[LINE_MAX_BYTES + 1];
};

static bool fail(struct tape *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct tape *t, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(t->error, sizeof(t->error), format, list);
	va_end(list);
	t->failed = true;
	return false;
}

/* Reads a line into text. 1: there is one. 0: the end. -1: error. */
static int read_line(struct tape *t)
{
	const char *error = NULL;
	size_t length = 0;
	int c;

	t->number++;
	while ((c = tape_bytes_get(t->bytes, &error)) >= 0 && c != '\n') {
		if (c == '\0')
			return fail(t, "a zero byte"), -1;
		if (length == LINE_MAX_BYTES)
			return fail(t, "a line of more than %u bytes", (unsigned)LINE_MAX_BYTES),
			       -1;
		t->text[length++] = (char)c;
	}
	t->text[length] = '\0';
	if (c == TAPE_BYTES_ERROR)
		return fail(t, "%s", error), -1;
	if (c == TAPE_BYTES_END && length > 0)
		return fail(t, "the last line is cut off"), -1;
	return c == TAPE_BYTES_END ? 0 : 1;
}

/* ---- header ---- */

#define HEADER_BYTES_MAX 256U

static bool add_header(struct tape *t)
{
	struct tape_header *h = &t->header;
	char *space = strchr(t->text, ' ');
	char *name;

	if (!space)
		return fail(t, "'%.40s' is neither a header nor an event", t->text);
	if (strlen(space + 1) >= HEADER_BYTES_MAX)
		return fail(t, "a header of more than %u bytes", HEADER_BYTES_MAX - 1);
	if (h->count == TAPE_HEADERS_MAX)
		return fail(t, "more than %u headers", TAPE_HEADERS_MAX);
	name = strdup(t->text);
	if (!name)
		return fail(t, "out of memory");
	name[space - t->text] = '\0';
	h->line[h->count++] = (struct tape_header_line){ .number = t->number,
							 .name = name,
							 .value = name + (space - t->text) + 1 };
	return true;
}

const char *tape_header_value(const struct tape_header *h, const char *name)
{
	for (unsigned i = 0; i < h->count; i++) {
		if (strcmp(h->line[i].name, name) == 0)
			return h->line[i].value;
	}
	return NULL;
}

const char *tape_header_like(const struct tape_header *h, const struct tape_header *other,
			     unsigned n)
{
	unsigned before = 0;

	for (unsigned i = 0; i < n; i++)
		before += strcmp(other->line[i].name, other->line[n].name) == 0;
	for (unsigned i = 0; i < h->count; i++) {
		if (strcmp(h->line[i].name, other->line[n].name) == 0 && before-- == 0)
			return h->line[i].value;
	}
	return NULL;
}

/* Whether text starts as an event does. Headers are other words. */
static bool is_event(const struct tape *t)
{
	size_t length = strcspn(t->text, " ");
	char word[8] = "";
	enum tape_kind kind;

	if (length < sizeof(word))
		memcpy(word, t->text, length);
	return tape_kind_find(word, &kind);
}

static bool read_header(struct tape *t)
{
	int more = read_line(t);

	if (more == 0)
		return fail(t, "the file is empty");
	if (more < 0)
		return false;
	if (strcmp(t->text, "tape 1") != 0)
		return fail(t, "not a tape: the first line is not 'tape 1'");
	while ((more = read_line(t)) == 1 && !is_event(t)) {
		if (!add_header(t))
			return false;
	}
	if (more < 0)
		return false;
	if (more == 0)
		return fail(t, "no events");
	t->line_is_event = true;
	if (!tape_header_value(&t->header, "engine"))
		return fail(t, "no header says which engine it is");
	return true;
}

struct tape *tape_open(const char *path)
{
	struct tape *t = calloc(1, sizeof(*t));
	const char *error = NULL;

	if (!t)
		return NULL;
	t->bytes = tape_bytes_open(path, &error);
	if (!t->bytes)
		fail(t, "%s", error);
	else
		read_header(t);
	return t;
}

void tape_close(struct tape *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->header.count; i++)
		free(t->header.line[i].name);
	tape_bytes_close(t->bytes);
	free(t);
}

const struct tape_header *tape_header(const struct tape *t)
{
	return &t->header;
}

int tape_next(struct tape *t, struct words *words)
{
	int more = 1;

	if (t->failed)
		return -1;
	if (!t->line_is_event)
		more = read_line(t);
	t->line_is_event = false;
	if (more != 1)
		return more;
	if (words_split(words, t->text))
		return 1;
	fail(t, "%s", words->error);
	return -1;
}

const char *tape_error(const struct tape *t)
{
	return t->failed ? t->error : NULL;
}

uint64_t tape_line_number(const struct tape *t)
{
	return t->number;
}
