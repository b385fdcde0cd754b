/* SPDX-License-Identifier: BSD-3-Clause */
/* tape.c - reading a recording line by line (../tapes/FORMAT.md). Anything the format does not have is an error. */

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape.h"
#include "tape_bytes.h"

#define LINE_MAX_BYTES (2 * TAPE_BYTES_MAX + 64)
#define FIELDS_MAX     10

struct tape {
	struct tape_bytes *bytes;
	struct tape_header header;
	uint64_t number;
	bool line_is_event; /* the header has ended, text holds the first event */
	bool failed;
	char error[200];
	char text[LINE_MAX_BYTES + 1];
};

struct fields {
	char *word[FIELDS_MAX];
	unsigned count;
};

/* Fields of an event line, the kind included. */
static const struct {
	const char *name;
	unsigned fields;
} kinds[TAPE_KINDS] = {
	[TAPE_R] = { "R", 4 },	   [TAPE_W] = { "W", 4 },   [TAPE_T] = { "T", 9 },
	[TAPE_I] = { "I", 8 },	   [TAPE_M] = { "M", 3 },   [TAPE_WRITTEN] = { "m", 3 },
	[TAPE_S] = { "S", 3 },	   [TAPE_GW] = { "GW", 4 }, [TAPE_GR] = { "GR", 4 },
	[TAPE_GRD] = { "GRD", 5 }, [TAPE_GI] = { "GI", 5 }, [TAPE_GL] = { "GL", 4 },
};

const char *tape_kind_name(enum tape_kind kind)
{
	return kinds[kind].name;
}

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

/* ---- fields ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A hexadecimal number without a prefix, at most max. */
static bool hex(struct tape *t, const char *word, uint64_t max, uint64_t *value)
{
	size_t digits = strlen(word);

	*value = 0;
	for (const char *c = word; *c; c++) {
		if (hex_digit(*c) < 0)
			return fail(t, "'%.40s' is not a hexadecimal number", word);
		*value = *value << 4 | (uint64_t)hex_digit(*c);
	}
	if (digits == 0 || digits > 16 || *value > max)
		return fail(t, "'%.40s' is out of range", word);
	return true;
}

static bool hex32(struct tape *t, const char *word, uint32_t max, uint32_t *value)
{
	uint64_t wide;

	if (!hex(t, word, max, &wide))
		return false;
	*value = (uint32_t)wide;
	return true;
}

/* The size of a register access, decimal. */
static bool size(struct tape *t, const char *word, uint32_t *bytes)
{
	static const char *const sizes[] = { "1", "2", "4", "8" };

	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(word, sizes[i]) == 0) {
			*bytes = 1U << i;
			return true;
		}
	}
	return fail(t, "'%.40s' is not the size of an access", word);
}

/* Splits at single spaces. An empty field or one too many is an error. */
static bool split(struct tape *t, struct fields *f)
{
	char *at = t->text;

	f->count = 0;
	while (at) {
		char *space = strchr(at, ' ');

		if (f->count == FIELDS_MAX)
			return fail(t, "too many fields");
		if (space)
			*space++ = '\0';
		if (*at == '\0')
			return fail(t, "an empty field");
		f->word[f->count++] = at;
		at = space;
	}
	return true;
}

static bool find_kind(const char *word, enum tape_kind *kind)
{
	for (unsigned i = 0; i < TAPE_KINDS; i++) {
		if (strcmp(word, kinds[i].name) == 0) {
			*kind = (enum tape_kind)i;
			return true;
		}
	}
	return false;
}

/* ---- events ---- */

static bool parse_memory(struct tape *t, const struct fields *f, struct tape_line *l)
{
	const char *digits = f->word[2];
	size_t count = strlen(digits);

	if (!hex(t, f->word[1], UINT64_MAX, &l->at))
		return false;
	if (count % 2 || count / 2 > TAPE_BYTES_MAX || count / 2 - 1 > UINT64_MAX - l->at)
		return fail(t, "memory of %zu hexadecimal digits at %s", count, f->word[1]);
	for (l->bytes = 0; l->bytes < count / 2; l->bytes++) {
		int high = hex_digit(digits[2 * l->bytes]);
		int low = hex_digit(digits[2 * l->bytes + 1]);

		if (high < 0 || low < 0)
			return fail(t, "memory contents that are not hexadecimal");
		l->data[l->bytes] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool parse_register(struct tape *t, const struct fields *f, struct tape_line *l)
{
	if (!hex(t, f->word[1], UINT32_MAX, &l->at) || !size(t, f->word[2], &l->bytes))
		return false;
	return hex(t, f->word[3], UINT64_MAX >> (64 - 8 * l->bytes), &l->value);
}

static bool parse_translation(struct tape *t, const struct fields *f, struct tape_line *l)
{
	if (!hex32(t, f->word[1], 0xffff, &l->rid) ||
	    !hex32(t, f->word[2], UINT32_MAX, &l->pasid) ||
	    !hex(t, f->word[3], UINT64_MAX, &l->at) || !hex32(t, f->word[4], 3, &l->access) ||
	    !hex32(t, f->word[5], 1, &l->index) || !hex32(t, f->word[6], 3, &l->perm) ||
	    !hex(t, f->word[7], UINT64_MAX, &l->to) || !hex(t, f->word[8], UINT64_MAX, &l->mask))
		return false;
	if (l->access == 0)
		return fail(t, "a translation that neither reads nor writes");
	if (l->pasid > 0xfffff && l->pasid != UINT32_MAX)
		return fail(t, "PASID %x has more than 20 bits", l->pasid);
	if (l->mask & (l->mask + 1))
		return fail(t, "'%s' is not the mask of a page", f->word[8]);
	return true;
}

static bool parse_interrupt(struct tape *t, const struct fields *f, struct tape_line *l)
{
	uint64_t data;

	if (!hex32(t, f->word[1], 0xffff, &l->rid) || !hex(t, f->word[2], UINT64_MAX, &l->at) ||
	    !hex(t, f->word[3], UINT32_MAX, &l->value) || !hex32(t, f->word[4], 1, &l->record) ||
	    !hex(t, f->word[6], UINT64_MAX, &l->to) || !hex(t, f->word[7], UINT32_MAX, &data))
		return false;
	l->to_value = data;
	l->fault = strcmp(f->word[5], "fault") == 0;
	if (!l->fault && strcmp(f->word[5], "ok") != 0)
		return fail(t, "'%.40s' is neither ok nor fault", f->word[5]);
	return true;
}

static bool parse_message(struct tape *t, const struct fields *f, struct tape_line *l)
{
	return hex(t, f->word[1], UINT64_MAX, &l->at) && hex(t, f->word[2], UINT32_MAX, &l->value);
}

static bool parse_event(struct tape *t, struct tape_line *l)
{
	struct fields f;

	memset(l, 0, offsetof(struct tape_line, data));
	l->number = t->number;
	if (!split(t, &f))
		return false;
	if (!find_kind(f.word[0], &l->kind))
		return fail(t, "no such kind of line: '%.40s'", f.word[0]);
	if (f.count != kinds[l->kind].fields)
		return fail(t, "%u fields in a line of kind %s", f.count, f.word[0]);
	switch (l->kind) {
	case TAPE_M:
	case TAPE_WRITTEN:
		return parse_memory(t, &f, l);
	case TAPE_R:
	case TAPE_W:
		return parse_register(t, &f, l);
	case TAPE_T:
		return parse_translation(t, &f, l);
	case TAPE_I:
		return parse_interrupt(t, &f, l);
	case TAPE_S:
		return parse_message(t, &f, l);
	default: /* lines of engines that are not replayed yet */
		return true;
	}
}

/* ---- lines and header ---- */

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

static bool header_text(struct tape *t, char *to, const char *value)
{
	if (strlen(value) >= TAPE_TEXT_MAX)
		return fail(t, "a header of more than %u bytes", TAPE_TEXT_MAX - 1);
	strcpy(to, value);
	return true;
}

static bool header_number(struct tape *t, uint64_t *to, bool *has, const char *value)
{
	if (has)
		*has = true;
	return hex(t, value, UINT64_MAX, to);
}

static bool parse_header_line(struct tape *t)
{
	struct tape_header *h = &t->header;
	char *value = strchr(t->text, ' ');

	if (!value)
		return fail(t, "'%.40s' is neither a header nor an event", t->text);
	*value++ = '\0';
	if (strcmp(t->text, "engine") == 0)
		return header_text(t, h->engine, value);
	if (strcmp(t->text, "producer") == 0)
		return header_text(t, h->producer, value);
	if (strcmp(t->text, "guest") == 0)
		return header_text(t, h->guest, value);
	if (strcmp(t->text, "note") == 0)
		return header_text(t, h->note, value);
	if (strcmp(t->text, "cap") == 0)
		return header_number(t, &h->cap, &h->has_cap, value);
	if (strcmp(t->text, "ecap") == 0)
		return header_number(t, &h->ecap, &h->has_ecap, value);
	if (strcmp(t->text, "efr") == 0)
		return header_number(t, &h->efr, NULL, value);
	if (strcmp(t->text, "registers") == 0)
		return header_number(t, &h->registers, NULL, value);
	if (strcmp(t->text, "ioapic") == 0)
		return header_number(t, &h->ioapic, &h->has_ioapic, value);
	return fail(t, "no such header or kind of line: '%.40s'", t->text);
}

/* Whether text starts as an event does. Headers are longer words. */
static bool is_event(const struct tape *t)
{
	size_t length = strcspn(t->text, " ");
	char word[4] = "";
	enum tape_kind kind;

	if (length < sizeof(word))
		memcpy(word, t->text, length);
	return find_kind(word, &kind);
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
		if (!parse_header_line(t))
			return false;
	}
	if (more < 0)
		return false;
	if (more == 0)
		return fail(t, "no events");
	t->line_is_event = true;
	if (t->header.engine[0] == '\0')
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
	tape_bytes_close(t->bytes);
	free(t);
}

const struct tape_header *tape_header(const struct tape *t)
{
	return &t->header;
}

int tape_next(struct tape *t, struct tape_line *line)
{
	int more = 1;

	if (t->failed)
		return -1;
	if (!t->line_is_event)
		more = read_line(t);
	t->line_is_event = false;
	if (more != 1)
		return more;
	return parse_event(t, line) ? 1 : -1;
}

const char *tape_error(const struct tape *t)
{
	return t->failed ? t->error : NULL;
}

uint64_t tape_line_number(const struct tape *t)
{
	return t->number;
}
