/* SPDX-License-Identifier: BSD-3-Clause */
/* dump_command.c - viommu dump: registers, contexts, tables, mappings, interrupt tables, ITS tables. */

#include <inttypes.h>
#include <stdio.h>

#include "viommu.h"

struct dump {
	const struct options *options;
	struct json_object *devices;
	struct ranges ranges;
};

/* ---- registers ---- */

#define REGISTERS_LAST 0x1000U

static void dump_registers(struct session *s, struct json_object *json)
{
	struct json_object *list = out_list(json, "registers", "registers that are not 0:\n");
	struct viommu *iommu = player_iommu(s->player, 0);
	uint64_t bytes = viommu_get_register_bytes(iommu);

	for (uint64_t at = 0; iommu && at < bytes && at < REGISTERS_LAST; at += 8) {
		uint64_t value = 0;

		if (viommu_reg_read(iommu, at, 8, &value) == VIOMMU_OK && value)
			ROW(list, "  {offset:03x}: {value:016x}\n", N(at), N(value));
	}
}

/* ---- a device ---- */

static void dump_context(const struct session *s, const struct context *c, struct json_object *o)
{
	struct json_object *list = out_list(o, "context", "");

	for (unsigned i = 0; i < c->steps.count; i++) {
		if (step_is_context(&c->steps.step[i]))
			step_put(&c->steps.step[i], player_iommu(s->player, 0), list);
	}
}

static void dump_mappings(struct dump *d, struct session *s, const struct context *c,
			  struct json_object *o)
{
	int result = ranges_read(&d->ranges, s, c->device, d->options->request.pasid);
	const char *none = result != VIOMMU_OK ? "  nothing is let through\n"
			   : d->ranges.count   ? ""
					       : "  nothing is mapped\n";
	struct json_object *list = out_list(o, "mappings", none);

	for (size_t i = 0; i < d->ranges.count; i++) {
		const struct range *r = &d->ranges.list[i];

		ROW(list, "  {first:016x}-{last:016x} -> {gpa:016x} {permission:s}\n", N(r->first),
		    N(r->last), N(r->gpa), S(access_text(r->perm)));
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

static void dump_path(struct seen *seen, const struct steps *steps, struct json_object *list)
{
	/* the entry of the page itself is the one before the answer: mappings have it */
	for (unsigned i = 0; i + 2 < steps->count; i++) {
		const struct viommu_step *step = &steps->step[i];

		if (step_is_level(step) && first_time(seen, step->gpa))
			ROW(list, "  {what:-24s} at {gpa:12x}: {value:016x}\n", S(step->what),
			    N(step->gpa), N(step->raw[0]));
	}
}

/* One look for each 2 MiB, which the tables of the lowest level have, or more, if the page is larger. */
#define TABLE_SPAN (UINT64_C(1) << 21)
#define ACCESS_ALL (VIOMMU_READ | VIOMMU_WRITE | VIOMMU_EXEC)

static void dump_range(const struct dump *d, struct session *s, const struct context *c,
		       const struct range *r, struct seen *seen, struct json_object *list)
{
	static struct steps steps;
	uint64_t next = r->first;
	uint64_t looks = 0;
	uint64_t at;

	do {
		const struct viommu_request request = {
			.first = next,
			.last = next,
			.pasid = d->options->request.pasid,
			.access = VIOMMU_QUIET | (uint16_t)(r->perm & ACCESS_ALL)
		};
		const struct viommu_step *answer;
		uint64_t span = TABLE_SPAN;

		session_progress(s, "tables", ++looks);
		steps_of_request(&steps, c->device, &request, 0);
		dump_path(seen, &steps, list);
		answer = steps_answer(&steps);
		if (answer && answer->words == 3 && answer->raw[2] > span)
			span = answer->raw[2];
		at = next;
		next = (at & ~(span - 1)) + span;
	} while (next > at && next <= r->last && seen->count < SEEN_MAX);
}

static void dump_tables(struct dump *d, struct session *s, const struct context *c,
			struct json_object *o)
{
	struct json_object *list = out_list(o, "tables", "");
	static struct seen seen;

	seen.count = 0;
	ranges_read(&d->ranges, s, c->device, d->options->request.pasid);
	for (size_t i = 0; i < d->ranges.count && seen.count < SEEN_MAX; i++)
		dump_range(d, s, c, &d->ranges.list[i], &seen, list);
	if (seen.count == SEEN_MAX && !list)
		printf("  and more\n");
}

static int dump_device(void *opaque, struct session *s, const struct context *c)
{
	struct dump *d = opaque;
	struct json_object *o = ROW(d->devices, "device {device:x}\n", N(c->name));

	if (d->options->sections & DUMP_CONTEXTS)
		dump_context(s, c, o);
	if (d->options->sections & DUMP_TABLES)
		dump_tables(d, s, c, o);
	if (d->options->sections & DUMP_MAPPINGS)
		dump_mappings(d, s, c, o);
	return d->ranges.exhausted ? unusable(s->path, s->number, "out of memory") : STATUS_SAME;
}

/* ---- interrupts: what the explanation of a message shows, of those that are there ---- */

struct entries {
	struct viommu *iommu;
	struct json_object *list;
};

static void dump_entry(const struct entries *e, uint32_t source, uint64_t index,
		       const struct steps *steps)
{
	const struct viommu_step *answer = steps_answer(steps);

	if (answer && answer->words && answer->raw[2])
		ROW(e->list, "  {source:x} {index:4x}: LPI {lpi:u} at CPU {cpu:u}\n", N(source),
		    N(index), N(answer->raw[2]), N(answer->raw[3]));
	else if (answer && answer->words)
		ROW(e->list, "  {source:x} {index:4x}: message {address:x} {data:x}\n", N(source),
		    N(index), N(answer->raw[0]), N(answer->raw[1]));
}

static void dump_message(struct entries *e, const struct table_message *m, uint64_t n)
{
	static struct steps steps;

	if (!m->present)
		return;
	steps_of_message(&steps, e->iommu, m->source, m->address, m->data, 0);
	dump_entry(e, m->source, n, &steps);
}

static int device_entries(void *opaque, struct session *s, const struct context *c)
{
	const struct part *part = s->player->engine->part[0];
	struct table_message m = { .source = c->name };

	for (uint64_t n = 0; part->device_message(&c->steps, n, &m); n++)
		dump_message(opaque, &m, n);
	return STATUS_SAME;
}

static void dump_interrupts(const struct dump *d, struct session *s)
{
	const struct part *part = s->player->engine->part[0];
	struct entries e = { player_iommu(s->player, 0),
			     out_list(d->options->json, "interrupts",
				      "interrupt entries (source, index):\n") };
	struct table_message m = { .present = false };

	for (uint64_t n = 0; part->message && part->message(s->player, n, &m); n++) {
		session_progress(s, "entries", n);
		dump_message(&e, &m, n);
	}
	if (part->device_message)
		look_devices(s, &d->options->look, device_entries, &e);
}

#define ITS_TRANSLATER 0x40U /* in the translation frame */
#define ITS_EVENTS     65536U

/* IHI 0069, 5.2: "device" is not 0 if it is mapped; its events end where EventID is out of range. */
static void its_device(const struct entries *e, uint32_t device, uint64_t translater)
{
	static struct steps steps;

	for (uint32_t event = 0; event < ITS_EVENTS; event++) {
		const struct viommu_step *answer;

		steps_of_message(&steps, e->iommu, device, translater, event, 0);
		answer = steps_answer(&steps);
		if (!answer || steps.count < 2 || !steps.step[0].raw[1] ||
		    (answer->reason & 0xff) == 0x05)
			return;
		dump_entry(e, device, event, &steps);
	}
}

/* Of several, the first is the one that the line is about; each of the others has its address as a title. */
static void dump_its(const struct dump *d, struct session *s)
{
	struct entries e = { .list = NULL };
	uint64_t frame = 0;

	for (unsigned n = 0; (e.iommu = player_its(s->player, n, &frame)); n++) {
		if (n == 0)
			e.list = out_list(d->options->json, "its",
					  "ITS entries (DeviceID, EventID):\n");
		else if (!e.list)
			printf("of the ITS at %" PRIx64 ":\n", frame);
		for (uint32_t device = 0; device <= d->options->look.last && device < 1U << 20;
		     device++) {
			session_progress(s, "DeviceIDs", device);
			its_device(&e, device, frame + ITS_TRANSLATER);
		}
	}
}

/* ---- all ---- */

static int dump(struct dump *d, struct session *s)
{
	unsigned sections = d->options->sections;
	int status = STATUS_SAME;

	if (sections & DUMP_REGISTERS)
		dump_registers(s, d->options->json);
	if (sections & (DUMP_CONTEXTS | DUMP_TABLES | DUMP_MAPPINGS)) {
		d->devices = out_list(d->options->json, "devices", "");
		status = look_devices(s, &d->options->look, dump_device, d);
	}
	if (!status && (sections & DUMP_INTERRUPTS))
		dump_interrupts(d, s);
	if (!status && (sections & DUMP_ITS))
		dump_its(d, s);
	return status;
}

static int run(struct options *o)
{
	struct dump d = { .options = o };
	static struct session s;
	int status;

	if (!o->sections)
		o->sections = ~DUMP_TABLES;
	status = options_open(o, &s);
	if (!status) {
		status = dump(&d, &s);
		out_finish(o->json);
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
		"contexts, mappings in merged ranges, interrupt tables, and what an ITS has mapped.\n",
	.status = "0; 2 a file cannot be read, or the command line is wrong.",
	.files = "one tape, or --registers",
	.count = 1,
	.run = run
};
