/* SPDX-License-Identifier: BSD-3-Clause */
/* viommu.c - the tool: which subcommand it is, and what they have in common. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvirtiommu/base.h>

#include "viommu.h"

static const struct command *const commands[] = {
	&command_replay, &command_explain, &command_dump,
	&command_diff,	 &command_map,	   &command_stats
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *to)
{
	fputs("usage: viommu COMMAND [OPTION]... FILE...\n"
	      "Looks at recordings of guests that drive an IOMMU (tapes).\n\n",
	      to);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->purpose);
	fputs("\n'viommu COMMAND --help' says more; all is in viommu(1).\n", to);
}

static void print_command(FILE *to, const struct command *c)
{
	fprintf(to, "usage: viommu %s %s", c->name, c->usage);
}

int usage_error(const struct command *c, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fprintf(stderr, "viommu %s: ", c->name);
	vfprintf(stderr, format, list);
	fprintf(stderr, "\n");
	va_end(list);
	print_command(stderr, c);
	return STATUS_UNUSABLE;
}

int unusable(const char *path, uint64_t line, const char *why)
{
	fflush(stdout);
	fprintf(stderr, "%s:%" PRIu64 ": %s\n", path, line, why);
	return STATUS_UNUSABLE;
}

bool parse_hex(const char *text, uint64_t max, uint64_t *value)
{
	const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;

	if (*digits == '\0' || strlen(digits) > 16 ||
	    strspn(digits, "0123456789abcdefABCDEF") != strlen(digits))
		return false;
	*value = strtoull(digits, NULL, 16);
	return *value <= max;
}

/* ---- JSON ---- */

struct json_object *json_hex(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_object_new_string(text);
}

void json_put_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

void json_put_hex(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_hex(value));
}

void json_put_count(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(
		o, key, json_object_new_int64(value > INT64_MAX ? INT64_MAX : (int64_t)value));
}

struct json_object *json_put_array(struct json_object *o, const char *key)
{
	struct json_object *array = json_object_new_array();

	json_object_object_add(o, key, array);
	return array;
}

struct json_object *json_append(struct json_object *array)
{
	struct json_object *o = json_object_new_object();

	json_object_array_add(array, o);
	return o;
}

void json_finish(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

const char *access_text(uint32_t access)
{
	static const char *const text[] = { "nothing",	     "read",
					    "write",	     "read/write",
					    "execute",	     "read/execute",
					    "write/execute", "read/write/execute" };

	return text[access & (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC)];
}

/* ---- the command ---- */

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return true;
	}
	return false;
}

static int run(const struct command *c, int argc, char **argv)
{
	if (wants_help(argc, argv)) {
		print_command(stdout, c);
		return STATUS_SAME;
	}
	return c->run(argc, argv);
}

int main(int argc, char **argv)
{
	uint32_t version = viommu_version();
	int status = STATUS_UNUSABLE;
	unsigned i = 0;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		print_usage(stdout);
		return STATUS_SAME;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("viommu %u.%u.%u\n", version >> 16, version >> 8 & 0xff, version & 0xff);
		return STATUS_SAME;
	}
	while (argc > 1 && i < COMMANDS && strcmp(commands[i]->name, argv[1]) != 0)
		i++;
	if (argc > 1 && i < COMMANDS)
		status = run(commands[i], argc - 1, argv + 1);
	else
		print_usage(stderr);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("viommu: standard output");
		return STATUS_UNUSABLE;
	}
	return status;
}
