/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * out.h - what is printed: text for people, or one JSON object for programs, from one description.
 *
 * Where it goes is a struct json_object: an object, or an array, which gets an object for each row. NULL: text, on stdout.
 * In JSON, addresses and register values are strings in hexadecimal, counts are numbers.
 */
#ifndef OUT_H
#define OUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* A value of a row: a number, or text. */
struct value {
	uint64_t number;
	const char *text;
};

/* clang-format off */
#define N(n) { .number = (n) }
#define S(s) { .text = (s) }
/* clang-format on */

/*
 * A row: "  {first:016x} -> {gpa:x} {permission:s}\n", and a value for each pair of braces. In them: the key, which is only for
 * JSON; and what the text has, as in printf(): its width, and x, u or s, which say what the value is. Without a key it is
 * only for the text. Returns the object.
 */
#define ROW(to, form, ...) out_row(to, form, (const struct value[]){ __VA_ARGS__ })
struct json_object *out_row(struct json_object *to, const char *form, const struct value *values);

/* An array, or an object, under a key of an object. Of text: prints the title, NULL: there is none. */
struct json_object *out_list(struct json_object *to, const char *key, const char *title);
struct json_object *out_object(struct json_object *to, const char *key, const char *title);

/* What only JSON has: nothing happens if `to` is NULL. */
void out_text(struct json_object *to, const char *key, const char *text);
void out_count(struct json_object *to, const char *key, uint64_t value);
/* At the end of an array. */
void out_hex(struct json_object *to, uint64_t value);

/* All of it, of JSON. */
void out_finish(struct json_object *to);

#endif
