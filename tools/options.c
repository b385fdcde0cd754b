/* SPDX-License-Identifier: BSD-3-Clause */
/* options.c - the options of all subcommands: one table, from which they are read, and the help comes. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viommu.h"

#define DEVICES_LAST                                                                               \
	0xffffU /* requesters of an engine of 16 bits, and as many of those that have more */

struct row {
	char letter; /* a capital: it is not said like that */
	const char *name;
	const char *argument; /* NULL: none */
	const char *commands; /* that have it */
	const char *help;
};

static const struct row rows[] = {
	{ 'v', "verbose", NULL, "replay",
	  "print each mismatch: its line, what was expected, and what came" },
	{ 'o', "only", "SECTION", "dump",
	  "registers, contexts, tables, mappings, interrupts or its; can be\n"
	  "                          repeated. Without it: all but tables" },
	{ 's', "svg", "FILE", "map", "also draws it" },
	{ 's', "state", NULL, "diff", "states, at the end where no line is given" },
	{ 'd', "device", "ID", "explain", "requester, stream, endpoint, PE (0)" },
	{ 'd', "device", "ID", "dump map diff", "this one only" },
	{ 'p', "pasid", "PASID", "explain", "of a DMA" },
	{ 'p', "pasid", "PASID", "dump map diff", "its mappings with this PASID" },
	{ 'l', "last", "ID", "dump map diff", "look for devices up to this id (ffff)" },
	{ 'i', "iova", "ADDRESS", "explain", "a DMA" },
	{ 'a', "access", "rwxp", "explain", "read, write, execute, privileged (r)" },
	{ 'T', "translated", NULL, "explain",
	  "the device says that the address is translated already" },
	{ 'm', "message", "ADDRESS:DATA", "explain", "an interrupt message" },
	{ 'I', "its", NULL, "explain", "the message goes to the ITS of the tape" },
	{ 'f', "fault", "N", "explain", "the Nth request that was refused (decimal)" },
	{ 'c', "caches", NULL, "explain", "also what the caches would have answered" },
	{ 'R', "registers", "FILE", "explain dump map",
	  "no tape: registers as the guest reads them, in R lines" },
	{ 'M', "memory", "FILE@GPA", "explain dump map",
	  "guest memory from this address on; can be repeated" },
	{ 'j', "json", NULL, "replay explain dump map diff stats", "for programs" },
	{ 'O', "record", "OUT", "replay", "record what the engine does meanwhile" },
	{ 'P', "record-its", "OUT", "replay", "record the ITS that is beside it" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool is_long_only(const struct row *row)
{
	return row->letter < 'a';
}

void options_help(const struct command *c, FILE *to)
{
	for (unsigned i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		char text[64] = "    ";

		if (!strstr(r->commands, c->name))
			continue;
		if (!is_long_only(r))
			snprintf(text, sizeof(text), "-%c, ", r->letter);
		snprintf(text + 4, sizeof(text) - 4, "--%s %s", r->name,
			 r->argument ? r->argument : "");
		fprintf(to, "  %-23s %s%s\n", text, strlen(text) > 23 ? " " : "", r->help);
	}
}

/* ---- values ---- */

bool parse_hex(const char *text, uint64_t max, uint64_t *value)
{
	const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;

	if (*digits == '\0' || strlen(digits) > 16 ||
	    strspn(digits, "0123456789abcdefABCDEF") != strlen(digits))
		return false;
	*value = strtoull(digits, NULL, 16);
	return *value <= max;
}

static bool parse_hex32(const char *text, uint32_t max, uint32_t *value)
{
	uint64_t number = 0;
	bool ok = parse_hex(text, max, &number);

	*value = (uint32_t)number;
	return ok;
}

static bool parse_access(const char *text, uint16_t *access)
{
	*access = 0;
	for (; *text; text++) {
		static const char letters[] = "rwxp";
		const char *at = strchr(letters, *text);

		if (!at)
			return false;
		*access |= (uint16_t)(1U << (at - letters)); /* VIOMMU_READ, _WRITE, _EXEC, _PRIV */
	}
	return *access != 0;
}

static bool parse_message(char *text, struct options *o)
{
	char *colon = strchr(text, ':');

	if (!colon)
		return false;
	*colon = '\0';
	o->message = o->asked = true;
	return parse_hex(text, UINT64_MAX, &o->request.first) &&
	       parse_hex32(colon + 1, UINT32_MAX, &o->data);
}

static bool parse_section(const char *text, unsigned *sections)
{
	static const char *const names[] = { "registers", "contexts",	"tables",
					     "mappings",  "interrupts", "its" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			*sections |= 1U << i;
			return true;
		}
	}
	return false;
}

static bool take_value(struct options *o, int letter, char *value)
{
	switch (letter) {
	case 'd':
		return o->one = parse_hex32(value, UINT32_MAX, &o->device);
	case 'p':
		return parse_hex32(value, 0xfffff, &o->request.pasid);
	case 'l':
		return parse_hex32(value, UINT32_MAX, &o->last);
	case 'i':
		return o->asked = parse_hex(value, UINT64_MAX, &o->request.first);
	case 'a':
		return parse_access(value, &o->request.access);
	case 'm':
		return parse_message(value, o);
	case 'f':
		return (o->fault = strtoull(value, NULL, 10)) != 0;
	case 'o':
		return parse_section(value, &o->sections);
	case 'M':
		if (o->images == IMAGES_MAX)
			return false;
		return (o->image[o->images++] = value) != NULL;
	case 'R':
		return (o->registers = value) != NULL;
	case 's':
		return (o->svg = value) != NULL;
	case 'O':
	case 'P':
		o->its = letter == 'P';
		return (o->record = value) != NULL;
	default:
		return false;
	}
}

static bool take_flag(struct options *o, int letter)
{
	switch (letter) {
	case 'T':
		o->request.type = VIOMMU_AT_TRANSLATED;
		return true;
	case 'I':
		return o->its = true;
	case 'c':
		o->flags = VIOMMU_EXPLAIN_CACHES;
		return true;
	case 's':
		return o->state = true;
	case 'v':
		return o->verbose = true;
	case 'j':
		if (!o->json)
			o->json = json_object_new_object();
		return o->json != NULL;
	default:
		return false;
	}
}

/* ---- the command line ---- */

/* For getopt_long(). */
static void list_options(const struct command *c, struct option *list, char *letters)
{
	for (unsigned i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];

		if (!strstr(r->commands, c->name))
			continue;
		*list++ = (struct option){ r->name, r->argument ? required_argument : no_argument,
					   NULL, r->letter };
		if (is_long_only(r))
			continue;
		*letters++ = r->letter;
		if (r->argument)
			*letters++ = ':';
	}
	*list = (struct option){ 0 };
	*letters = '\0';
}

int options_read(const struct command *c, int argc, char **argv, struct options *o)
{
	struct option list[ROWS + 1];
	char letters[2 * ROWS + 1];
	int letter, missing;

	*o = (struct options){ .request = { .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ },
			       .last = DEVICES_LAST };
	list_options(c, list, letters);
	while ((letter = getopt_long(argc, argv, letters, list, NULL)) != -1) {
		if (optarg ? !take_value(o, letter, optarg) : !take_flag(o, letter))
			return usage_error(c, "'%s' is not possible",
					   optarg ? optarg : argv[optind - 1]);
	}
	o->request.last = o->request.first;
	o->files = argv + optind;
	o->count = argc - optind;
	missing = o->registers ? 0 : c->files_min;
	if (o->count < missing || o->count > (o->registers ? 0 : c->files_max))
		return usage_error(c, "%s", c->files);
	return STATUS_SAME;
}
