/* SPDX-License-Identifier: BSD-3-Clause */
/* viommu.c - the tool: which subcommand it is, and what they have in common. */

#include <stdarg.h>
#include <stdio.h>
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
	options_help(c, to);
	fprintf(to, "Status: %s\n", c->status);
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

const char *access_text(uint32_t access)
{
	static const char *const text[] = { "nothing",	     "read",
					    "write",	     "read/write",
					    "execute",	     "read/execute",
					    "write/execute", "read/write/execute" };

	return text[access & (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC)];
}

/* ---- the command ---- */

static bool wants(int argc, char **argv, const char *option)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], option) == 0)
			return true;
	}
	return false;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct options options;
	int status = STATUS_SAME;

	if (wants(argc, argv, "--help")) {
		print_command(stdout, c);
		return status;
	}
	status = options_read(c, argc, argv, &options);
	if (!status)
		status = c->run(&options);
	json_object_put(options.json);
	return status;
}

int main(int argc, char **argv)
{
	uint32_t version = viommu_version();
	int status = wants(argc > 1 ? 2 : 1, argv, "--help") ? STATUS_SAME : STATUS_UNUSABLE;
	unsigned i = 0;

	while (argc > 1 && i < COMMANDS && strcmp(commands[i]->name, argv[1]) != 0)
		i++;
	if (argc > 1 && i < COMMANDS) {
		status = run(commands[i], argc - 1, argv + 1);
	} else if (wants(argc > 1 ? 2 : 1, argv, "--version")) {
		printf("viommu %u.%u.%u\n", version >> 16, version >> 8 & 0xff, version & 0xff);
		status = STATUS_SAME;
	} else {
		print_usage(status ? stderr : stdout);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("viommu: standard output");
		return STATUS_UNUSABLE;
	}
	return status;
}
