/* SPDX-License-Identifier: BSD-3-Clause */
/* viommu.h - the tool: its subcommands, how they end, and what they print. */
#ifndef VIOMMU_H
#define VIOMMU_H

#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* How the tool ends. Of several files: the largest. */
enum status {
	STATUS_SAME = 0,      /* as recorded; the same; permitted */
	STATUS_DIFFERENT = 1, /* something differs; refused; an engine is not known */
	STATUS_UNUSABLE = 2,  /* a file cannot be read, or the command line is wrong */
};

struct command {
	const char *name;
	const char *purpose;
	const char *usage; /* arguments and options */
	int (*run)(int argc, char **argv);
};

extern const struct command command_replay;
extern const struct command command_explain;
extern const struct command command_dump;
extern const struct command command_diff;
extern const struct command command_map;
extern const struct command command_stats;

/* Prints why the command line is wrong; STATUS_UNUSABLE. */
int usage_error(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Says what went wrong with a file; STATUS_UNUSABLE. */
int unusable(const char *path, uint64_t line, const char *why);

static inline int graver(int a, int b)
{
	return a > b ? a : b;
}

/* A number, with or without 0x: addresses and ids are hexadecimal, as on a tape. */
bool parse_hex(const char *text, uint64_t max, uint64_t *value);

/* ---- JSON: addresses and register values are strings in hexadecimal, counts are numbers ---- */

struct json_object *json_hex(uint64_t value);
void json_put_text(struct json_object *object, const char *key, const char *text);
void json_put_hex(struct json_object *object, const char *key, uint64_t value);
void json_put_count(struct json_object *object, const char *key, uint64_t value);
/* An empty array under a key. */
struct json_object *json_put_array(struct json_object *object, const char *key);
/* An empty object at the end of an array. */
struct json_object *json_append(struct json_object *array);
/* Prints it, and gives it back. */
void json_finish(struct json_object *object);

/* "read", "write", "read/write", ... of VIOMMU_READ and its like. */
const char *access_text(uint32_t access);

#endif
