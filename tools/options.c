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

static bool parse_hex32(const char *text, uint32_t max, uint32_t *value)
{
	uint64_t number = 0;
	bool ok = words_number(text, max, &number);

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
	return words_number(text, UINT64_MAX, &o->request.first) &&
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

/* value: NULL, of those that have none. */
static bool take_option(struct options *o, int letter, char *value)
{
	switch (letter) {
	case 'a':
		return parse_access(value, &o->request.access);
	case 'c':
		o->flags = VIOMMU_EXPLAIN_CACHES;
		return true;
	case 'd':
		return o->look.one = parse_hex32(value, UINT32_MAX, &o->look.device);
	case 'f':
		return (o->fault = strtoull(value, NULL, 10)) != 0;
	case 'i':
		return o->asked = words_number(value, UINT64_MAX, &o->request.first);
	case 'I':
		return o->its = true;
	case 'j':
		return o->is_json = true;
	case 'l':
		return parse_hex32(value, UINT32_MAX, &o->look.last);
	case 'm':
		return parse_message(value, o);
	case 'M':
		if (o->images == IMAGES_MAX)
			return false;
		o->image[o->images++] = value;
		return true;
	case 'o':
		return parse_section(value, &o->sections);
	case 'O':
	case 'P':
		o->its = letter == 'P';
		o->record = value;
		return true;
	case 'p':
		return parse_hex32(value, 0xfffff, &o->request.pasid);
	case 'R':
		o->registers = value;
		return true;
	case 's':
		o->svg = value;
		return o->state = true;
	case 'T':
		o->request.type = VIOMMU_AT_TRANSLATED;
		return true;
	case 'v':
		return o->verbose = true;
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
	int letter, wanted;

	*o = (struct options){ .request = { .pasid = VIOMMU_NO_PASID, .access = VIOMMU_READ },
			       .look = { .last = DEVICES_LAST } };
	list_options(c, list, letters);
	while ((letter = getopt_long(argc, argv, letters, list, NULL)) != -1) {
		if (!take_option(o, letter, optarg))
			return usage_error(c, "'%s' is not possible",
					   optarg ? optarg : argv[optind - 1]);
	}
	if (o->is_json)
		o->json = json_object_new_object();
	o->request.last = o->request.first;
	o->files = argv + optind;
	o->count = argc - optind;
	wanted = o->registers ? 0 : c->count ? c->count : o->count + !o->count;
	if (o->count != wanted)
		return usage_error(c, "%s", c->files);
	if (!o->registers !=
	    !o->images) /* memory that is not there would read as tables of zeroes */
		return usage_error(c, "--registers and --memory go together");
	return STATUS_SAME;
}

int options_open(const struct options *o, struct session *s)
{
	return o->registers ? image_open(s, o->registers, o->image, o->images)
			    : session_at(s, o->files[0]);
}
