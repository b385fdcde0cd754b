/* SPDX-License-Identifier: BSD-3-Clause */
/* dump_command.c - viommu dump: registers, contexts, tables, mappings, interrupt tables, ITS tables. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"

#define DUMP_REGISTERS	1U
#define DUMP_CONTEXTS	2U
#define DUMP_TABLES	4U
#define DUMP_MAPPINGS	8U
#define DUMP_INTERRUPTS 16U
#define DUMP_ITS	32U

static const char *const sections[] = { "registers", "contexts",   "tables",
					"mappings",  "interrupts", "its" };

struct dump {
	struct look look;
	unsigned what; /* DUMP_* */
	struct json_object *json;
	struct json_object *devices;
	struct ranges ranges;
};

/* ---- registers ---- */

#define REGISTERS_LAST 0x1000U

static void dump_registers(const struct dump *d, const struct session *s)
{
	struct viommu *iommu = player_iommu(s->player, 0);
	uint64_t bytes = viommu_get_register_bytes(iommu);
	struct json_object *array = d->json ? json_put_array(d->json, "registers") : NULL;

	if (!d->json)
		printf("registers that are not 0:\n");
	for (uint64_t at = 0; iommu && at < bytes && at < REGISTERS_LAST; at += 8) {
		uint64_t value = 0;

		if (viommu_reg_read(iommu, at, 8, &value) != VIOMMU_OK || !value)
			continue;
		if (array) {
			struct json_object *o = json_append(array);

			json_put_hex(o, "offset", at);
			json_put_hex(o, "value", value);
		} else {
			printf("  %03" PRIx64 ": %016" PRIx64 "\n", at, value);
		}
	}
}

/* ---- a device ---- */

/* The structures above the page tables. */
static void dump_context(const struct dump *d, const struct viommu *iommu, const struct context *c,
			 struct json_object *o)
{
	static struct steps above;

	above = c->steps;
	above.count = 0;
	for (unsigned i = 0; i < c->steps.count; i++) {
		const struct viommu_step *step = &c->steps.step[i];

		if (!step_is_level(step) && !(step->flags & VIOMMU_STEP_ANSWER))
			above.step[above.count++] = *step;
	}
	if (d->json)
		steps_json(&above, iommu, json_put_array(o, "context"));
	else
		steps_print(&above, iommu);
}

static void dump_mappings(struct dump *d, struct session *s, const struct context *c,
			  struct json_object *o)
{
	struct json_object *array = o ? json_put_array(o, "mappings") : NULL;
	int result = ranges_read(&d->ranges, s, c->device, d->look.pasid);

	if (!array && result != VIOMMU_OK)
		printf("  nothing is let through\n");
	else if (!array && !d->ranges.count)
		printf("  nothing is mapped\n");
	for (size_t i = 0; i < d->ranges.count; i++) {
		const struct range *r = &d->ranges.list[i];
		struct json_object *m;

		if (!array) {
			printf("  %016" PRIx64 "-%016" PRIx64 " -> %016" PRIx64 " %s\n", r->first,
			       r->last, r->gpa, access_text(r->perm));
			continue;
		}
		m = json_append(array);
		json_put_hex(m, "first", r->first);
		json_put_hex(m, "last", r->last);
		json_put_hex(m, "gpa", r->gpa);
		json_put_text(m, "permission", access_text(r->perm));
	}
}

/* ---- tables: entries that lead to others, each once ---- */

#define SEEN_MAX 4096U

struct seen {
	uint64_t gpa[SEEN_MAX];
	unsigned count;
};

static bool first_time(struct seen *seen, uint64_t gpa)
{
	for (unsigned i = seen->count; i-- > 0;) {
		if (seen->gpa[i] == gpa)
			return false;
	}
	if (seen->count < SEEN_MAX)
		seen->gpa[seen->count++] = gpa;
	return true;
}

static void dump_path(struct seen *seen, const struct steps *steps, struct json_object *array)
{
	/* the entry of the page itself is the one before the answer: mappings have it */
	for (unsigned i = 0; i + 2 < steps->count; i++) {
		const struct viommu_step *step = &steps->step[i];

		if (!step_is_level(step) || !first_time(seen, step->gpa))
			continue;
		if (array) {
			struct json_object *o = json_append(array);

			json_put_text(o, "what", step->what);
			json_put_hex(o, "gpa", step->gpa);
			json_put_hex(o, "value", step->raw[0]);
		} else {
			printf("  %-24s at %12" PRIx64 ": %016" PRIx64 "\n", step->what, step->gpa,
			       step->raw[0]);
		}
	}
}

/* One look for each 2 MiB, which the tables of the lowest level have, or more, if the page is larger. */
#define TABLE_SPAN (UINT64_C(1) << 21)

static void dump_tables(struct dump *d, struct session *s, const struct context *c,
			struct json_object *o)
{
	struct json_object *array = o ? json_put_array(o, "tables") : NULL;
	static struct steps steps;
	static struct seen seen;
	uint64_t looks = 0;

	seen.count = 0;
	ranges_read(&d->ranges, s, c->device, d->look.pasid);
	for (size_t i = 0; i < d->ranges.count; i++) {
		const struct range *r = &d->ranges.list[i];
		uint64_t at = r->first;

		while (at >= r->first && at <= r->last && seen.count < SEEN_MAX) {
			const struct viommu_request request = { .first = at,
								.last = at,
								.pasid = d->look.pasid,
								.access = VIOMMU_QUIET };
			const struct viommu_step *answer;
			uint64_t span = TABLE_SPAN;

			session_progress(s, "tables", ++looks);
			steps_of_request(&steps, c->device, &request, 0);
			dump_path(&seen, &steps, array);
			answer = steps_answer(&steps);
			if (answer && answer->words == 3 && answer->raw[2] > span)
				span = answer->raw[2];
			at = (at & ~(span - 1)) + span;
		}
	}
	if (seen.count == SEEN_MAX && !array)
		printf("  and more\n");
}

static int dump_device(void *opaque, struct session *s, const struct context *c)
{
	const struct viommu *iommu = player_iommu(s->player, 0);
	struct dump *d = opaque;
	struct json_object *o = d->json ? json_append(d->devices) : NULL;

	if (o)
		json_put_hex(o, "device", c->name);
	else
		printf("device %" PRIx32 "\n", c->name);
	if (d->what & DUMP_CONTEXTS)
		dump_context(d, iommu, c, o);
	if (d->what & DUMP_TABLES)
		dump_tables(d, s, c, o);
	if (d->what & DUMP_MAPPINGS)
		dump_mappings(d, s, c, o);
	return d->ranges.exhausted ? unusable(s->path, s->number, "out of memory") : STATUS_SAME;
}

/* ---- interrupts ---- */

/* Entries of one kind: what the explanation of a message shows, of those that are there. */
struct entries {
	const char *name; /* of the step that is the entry */
	struct viommu *iommu;
	struct json_object *array;
};

static void dump_entry(const struct entries *e, uint32_t source, uint64_t index,
		       const struct steps *steps)
{
	const struct viommu_step *answer = steps_answer(steps);
	struct json_object *o;

	if (!answer || !answer->words)
		return;
	if (!e->array && answer->raw[2])
		printf("  %" PRIx32 " %4" PRIx64 ": LPI %" PRIu64 " at CPU %" PRIu64 "\n", source,
		       index, answer->raw[2], answer->raw[3]);
	else if (!e->array)
		printf("  %" PRIx32 " %4" PRIx64 ": message %" PRIx64 " %" PRIx64 "\n", source,
		       index, answer->raw[0], answer->raw[1]);
	if (!e->array)
		return;
	o = json_append(e->array);
	json_put_hex(o, "source", source);
	json_put_hex(o, "index", index);
	if (answer->raw[2]) {
		json_put_count(o, "lpi", answer->raw[2]);
		json_put_count(o, "cpu", answer->raw[3]);
	} else {
		json_put_hex(o, "address", answer->raw[0]);
		json_put_hex(o, "data", answer->raw[1]);
	}
}

/* VT-d 9.10: an entry says whose messages it is for; index 15:0 is the handle of the message (5.1.2.2). */
static void vtd_entries(struct session *s, const struct entries *e)
{
	static struct steps steps;
	uint64_t irta = 0;
	uint64_t count;

	viommu_reg_read(e->iommu, 0xb8, 8, &irta);
	count = UINT64_C(2) << (irta & 0xf);
	for (uint64_t i = 0; (irta & ~UINT64_C(0xfff)) && i < count; i++) {
		uint64_t gpa = (irta & ~UINT64_C(0xfff)) + 16 * i;
		uint32_t source = (uint32_t)guest_load64(&s->player->memory, gpa + 8) & 0xffff;

		session_progress(s, "entries", i);
		if (!(guest_load64(&s->player->memory, gpa) & 1))
			continue;
		steps_of_message(&steps, e->iommu, source,
				 0xfee00010 | (i & 0x7fff) << 5 | (i >> 15 & 1) << 2, 0, 0);
		dump_entry(e, source, i, &steps);
	}
}

/* AMD-Vi 2.2.5: each device has a table, 2^IntTabLen entries (bits 132:129 of its entry); the index is in the data. */
static int amdvi_entries(void *opaque, struct session *s, const struct context *c)
{
	const struct entries *e = opaque;
	static struct steps steps;
	unsigned length_lg2 = 0;

	(void)s;
	for (unsigned i = 0; i < c->steps.count; i++) {
		const struct viommu_step *step = &c->steps.step[i];

		if (strcmp(step->what, "device table entry") == 0 && step->words >= 4 &&
		    (step->raw[2] & 1))
			length_lg2 = (unsigned)(step->raw[2] >> 1 & 0xf);
	}
	for (uint32_t i = 0; length_lg2 && i < 1U << length_lg2; i++) {
		steps_of_message(&steps, e->iommu, c->name, 0xfee00000, i, 0);
		dump_entry(e, c->name, i, &steps);
	}
	return STATUS_SAME;
}

static void dump_interrupts(const struct dump *d, struct session *s)
{
	struct entries e = { .iommu = player_iommu(s->player, 0) };
	const char *engine = s->player->engine->name;

	e.array = d->json ? json_put_array(d->json, "interrupts") : NULL;
	if (!e.array)
		printf("interrupt entries (source, index):\n");
	if (strcmp(engine, "vtd") == 0)
		vtd_entries(s, &e);
	if (strcmp(engine, "amdvi") == 0)
		look_devices(s, &d->look, amdvi_entries, &e);
}

#define ITS_TRANSLATER 0x10040U
#define ITS_EVENTS     65536U

/* IHI 0069, 5.2: "device" is not 0 if it is mapped; its events end where EventID is out of range. */
static void dump_its(const struct dump *d, struct session *s)
{
	struct entries e = { .iommu = player_iommu(s->player, 1) };
	static struct steps steps;

	if (!e.iommu)
		return;
	e.array = d->json ? json_put_array(d->json, "its") : NULL;
	if (!e.array)
		printf("ITS entries (DeviceID, EventID):\n");
	for (uint32_t device = 0; device <= d->look.last && device < 1U << 20; device++) {
		session_progress(s, "DeviceIDs", device);
		for (uint32_t event = 0; event < ITS_EVENTS; event++) {
			const struct viommu_step *answer;

			steps_of_message(&steps, e.iommu, device, ITS_TRANSLATER, event, 0);
			answer = steps_answer(&steps);
			if (!answer || steps.count < 2 || !steps.step[0].raw[1] ||
			    (answer->reason & 0xff) == 0x05)
				break;
			dump_entry(&e, device, event, &steps);
		}
	}
}

/* ---- command line ---- */

static int dump(struct dump *d, struct session *s)
{
	int status = STATUS_SAME;

	if (d->what & DUMP_REGISTERS)
		dump_registers(d, s);
	if (d->what & (DUMP_CONTEXTS | DUMP_TABLES | DUMP_MAPPINGS)) {
		d->devices = d->json ? json_put_array(d->json, "devices") : NULL;
		status = look_devices(s, &d->look, dump_device, d);
	}
	if (!status && (d->what & DUMP_INTERRUPTS))
		dump_interrupts(d, s);
	if (!status && (d->what & DUMP_ITS))
		dump_its(d, s);
	return status;
}

static bool parse_section(const char *text, unsigned *what)
{
	for (unsigned i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (strcmp(text, sections[i]) == 0) {
			*what |= 1U << i;
			return true;
		}
	}
	return false;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { LOOK_OPTIONS,
						 { "only", required_argument, NULL, 'o' },
						 { NULL, 0, NULL, 0 } };
	struct dump d = { .look = LOOK_NONE };
	static struct session s;
	int option, status;

	while ((option = getopt_long(argc, argv, LOOK_LETTERS "o:", options, NULL)) != -1) {
		if (option == 'o' ? !parse_section(optarg, &d.what)
				  : !look_option(&d.look, option, optarg))
			return usage_error(&command_dump, "'%s' is not possible",
					   option == '?' ? argv[optind - 1] : optarg);
	}
	if (argc - optind != (d.look.registers ? 0 : 1))
		return usage_error(&command_dump, "one tape, or --registers");
	if (!d.what)
		d.what = ~DUMP_TABLES;
	status = look_open(&s, &d.look, argv[optind]);
	if (!status) {
		d.json = d.look.json ? json_object_new_object() : NULL;
		status = dump(&d, &s);
		if (d.json)
			json_finish(d.json);
	}
	ranges_fini(&d.ranges);
	session_close(&s);
	return status;
}

const struct command command_dump = {
	.name = "dump",
	.purpose = "what the guest's tables say: contexts, mappings, interrupts",
	.usage =
		"[OPTION]... TAPE[:LINE]\n"
		"       viommu dump [OPTION]... --registers FILE --memory FILE@GPA...\n"
		"Shows the registers, and what the guest's tables say at this line, or at the end of the tape:\n"
		"contexts, mappings in merged ranges, interrupt tables, and what an ITS has mapped.\n"
		"  -o, --only SECTION      registers, contexts, tables, mappings, interrupts or its; can be\n"
		"                          repeated. Without it: all but tables\n" LOOK_USAGE
		"Status: 0; 2 a file cannot be read, or the command line is wrong.\n",
	.run = run
};
