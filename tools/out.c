/* SPDX-License-Identifier: BSD-3-Clause */
/* out.c - what is printed, as text or as JSON, see out.h. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

/* {KEY:WIDTHx} of a form. */
struct field {
	char key[32];
	int width; /* negative: to the left */
	bool zeros;
	char kind; /* x, u, s */
};

/* Where the form goes on. */
static const char *next_field(const char *form, struct field *f)
{
	size_t length = strcspn(form, ":");
	char *end;

	snprintf(f->key, sizeof(f->key), "%.*s", (int)length, form);
	form += length + 1;
	f->zeros = *form == '0';
	f->width = (int)strtol(form, &end, 10);
	f->kind = *end;
	return end + 2;
}

static struct json_object *json_count(uint64_t value)
{
	return json_object_new_int64(value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static struct json_object *json_hex(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_object_new_string(text);
}

static struct json_object *json_value(const struct field *f, const struct value *v)
{
	if (f->kind == 's')
		return json_object_new_string(v->text);
	return f->kind == 'u' ? json_count(v->number) : json_hex(v->number);
}

static void print_value(const struct field *f, const struct value *v)
{
	if (f->kind == 's')
		printf("%*s", f->width, v->text);
	else if (f->kind == 'u')
		printf("%*" PRIu64, f->width, v->number);
	else if (f->zeros)
		printf("%0*" PRIx64, f->width, v->number);
	else
		printf("%*" PRIx64, f->width, v->number);
}

struct json_object *out_row(struct json_object *to, const char *form, const struct value *v)
{
	struct json_object *o = to;
	struct field f;

	if (json_object_is_type(to, json_type_array)) {
		o = json_object_new_object();
		json_object_array_add(to, o);
	}
	while (*form) {
		if (*form != '{') {
			if (!to)
				putchar(*form);
			form++;
			continue;
		}
		form = next_field(form + 1, &f);
		if (!to)
			print_value(&f, v);
		else if (f.key[0])
			json_object_object_add(o, f.key, json_value(&f, v));
		v++;
	}
	return o;
}

static struct json_object *put(struct json_object *to, const char *key, struct json_object *o,
			       const char *title)
{
	if (to)
		json_object_object_add(to, key, o);
	else
		printf("%s", title);
	return o;
}

struct json_object *out_list(struct json_object *to, const char *key, const char *title)
{
	return put(to, key, to ? json_object_new_array() : NULL, title);
}

struct json_object *out_object(struct json_object *to, const char *key, const char *title)
{
	return put(to, key, to ? json_object_new_object() : NULL, title);
}

void out_text(struct json_object *to, const char *key, const char *text)
{
	if (to)
		json_object_object_add(to, key, json_object_new_string(text));
}

void out_count(struct json_object *to, const char *key, uint64_t value)
{
	if (to)
		json_object_object_add(to, key, json_count(value));
}

void out_hex(struct json_object *to, uint64_t value)
{
	if (to)
		json_object_array_add(to, json_hex(value));
}

void out_finish(struct json_object *to)
{
	if (to)
		puts(json_object_to_json_string_ext(to, JSON_C_TO_STRING_PRETTY |
								JSON_C_TO_STRING_SPACED |
								JSON_C_TO_STRING_NOSLASHESCAPE));
}
