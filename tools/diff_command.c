/* SPDX-License-Identifier: BSD-3-Clause */
/* diff_command.c - viommu diff: two tapes line by line, or what two states have mapped. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "grow.h"
#include "viommu.h"

struct diff {
	const struct options *options;
	struct json_object *list; /* of differences */
	uint64_t count;
};

/* A difference: what it is about, and what either side has; NULL: nothing. */
static void differ(struct diff *d, const char *about, const char *a, const char *b)
{
	struct json_object *o = ROW(d->list, "{about:s}\n", S(about));

	d->count++;
	if (a)
		ROW(o, "  - {first:s}\n", S(a));
	if (b)
		ROW(o, "  + {second:s}\n", S(b));
}

/* ---- lines ---- */

/* Those of `a` that are others in `b`, or not there; and those that only `b` has. */
static void diff_headers(struct diff *d, const struct tape_header *a, const struct tape_header *b)
{
	char about[80];

	for (unsigned i = 0; i < a->count + b->count; i++) {
		bool first = i < a->count;
		const struct tape_header *h = first ? a : b;
		unsigned n = first ? i : i - a->count;
		const char *value = h->line[n].value;
		const char *other = tape_header_like(first ? b : a, h, n);

		snprintf(about, sizeof(about), "header %.40s", h->line[n].name);
		if (!other || (first && strcmp(value, other) != 0))
			differ(d, about, first ? value : NULL, first ? other : value);
	}
}

/* The first line that is another one: what follows it is another story. */
static int diff_lines(struct diff *d, struct session *a, struct session *b)
{
	char text[2][512];
	char about[120];
	int more[2];

	do {
		more[0] = tape_next(a->tape, &a->words);
		more[1] = tape_next(b->tape, &b->words);
		if (more[0] < 0)
			return unusable(a->path, tape_line_number(a->tape), tape_error(a->tape));
		if (more[1] < 0)
			return unusable(b->path, tape_line_number(b->tape), tape_error(b->tape));
		session_progress(a, "lines", tape_line_number(a->tape));
	} while (more[0] && more[1] && words_same(&a->words, &b->words));
	if (!more[0] && !more[1])
		return STATUS_SAME;
	words_join(&a->words, text[0], sizeof(text[0]));
	words_join(&b->words, text[1], sizeof(text[1]));
	snprintf(about, sizeof(about), "lines %" PRIu64 " and %" PRIu64, tape_line_number(a->tape),
		 tape_line_number(b->tape));
	differ(d, about, more[0] ? text[0] : NULL, more[1] ? text[1] : NULL);
	return STATUS_SAME;
}

/* ---- states ---- */

/* What a device has: the last structure above its page tables, then its mappings, in order. */
struct entry {
	uint32_t device;
	uint32_t id;
	bool mapping;
	struct viommu_step context;
	struct range range;
};

struct state {
	const struct options *options;
	struct entry *list;
	size_t count;
	size_t capacity;
	struct ranges ranges; /* of the device that is looked at */
};

static bool add_entry(struct state *state, const struct entry *e)
{
	struct entry *list = grow(state->list, state->count, &state->capacity, sizeof(*list));

	if (!list)
		return false;
	state->list = list;
	list[state->count++] = *e;
	return true;
}

static int take_state(void *opaque, struct session *s, const struct context *c)
{
	struct state *state = opaque;
	const struct viommu_step *context = steps_context(&c->steps);
	struct entry e = { .device = c->name, .id = c->id };
	bool added;

	if (context)
		e.context = *context;
	added = add_entry(state, &e);
	e.mapping = true;
	ranges_read(&state->ranges, s, c->device, state->options->request.pasid);
	for (size_t i = 0; added && i < state->ranges.count; i++) {
		e.range = state->ranges.list[i];
		added = add_entry(state, &e);
	}
	return added && !state->ranges.exhausted ? STATUS_SAME
						 : unusable(s->path, s->number, "out of memory");
}

static void free_state(struct state *state)
{
	ranges_fini(&state->ranges);
	free(state->list);
}

static void entry_text(char *text, size_t size, const struct entry *e)
{
	const struct viommu_step *step = &e->context;
	const struct range *r = &e->range;
	size_t used;

	if (e->mapping) {
		snprintf(text, size, "%" PRIx64 "-%" PRIx64 " -> %" PRIx64 " %s", r->first, r->last,
			 r->gpa, access_text(r->perm));
		return;
	}
	used = (size_t)snprintf(text, size, "%s", step->what ? step->what : "nothing");
	for (uint32_t i = 0; i < step->words && i < 8 && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, " %016" PRIx64, step->raw[i]);
}

static int entry_order(const struct entry *a, const struct entry *b)
{
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->mapping != b->mapping)
		return a->mapping ? 1 : -1;
	return a->range.first < b->range.first ? -1 : a->range.first > b->range.first;
}

/* A device without an entry has no structures: that is said. */
static void diff_entry(struct diff *d, const struct entry *a, const struct entry *b)
{
	static const struct entry none;
	bool mapping = a ? a->mapping : b->mapping;
	char about[40];
	char text[2][240];

	snprintf(about, sizeof(about), "device %" PRIx32, a ? a->device : b->device);
	entry_text(text[0], sizeof(text[0]), a ? a : &none);
	entry_text(text[1], sizeof(text[1]), b ? b : &none);
	if (strcmp(text[0], text[1]) != 0)
		differ(d, about, a || !mapping ? text[0] : NULL, b || !mapping ? text[1] : NULL);
}

/* Both lists are in order: who has the lower entry has something that the other does not. */
static void diff_states(struct diff *d, const struct state *a, const struct state *b)
{
	size_t i = 0, j = 0;

	while (i < a->count || j < b->count) {
		int order = i == a->count   ? 1
			    : j == b->count ? -1
					    : entry_order(&a->list[i], &b->list[j]);
		const struct entry *x = order <= 0 ? &a->list[i++] : NULL;
		const struct entry *y = order >= 0 ? &b->list[j++] : NULL;

		diff_entry(d, x, y);
	}
}

static int compare_states(struct diff *d, struct session *s)
{
	struct state state[2] = { { .options = d->options }, { .options = d->options } };
	int status = STATUS_SAME;

	for (unsigned i = 0; !status && i < 2; i++) {
		status = session_at(&s[i], d->options->files[i]);
		if (!status)
			status = look_devices(&s[i], &d->options->look, take_state, &state[i]);
	}
	if (!status)
		diff_states(d, &state[0], &state[1]);
	free_state(&state[0]);
	free_state(&state[1]);
	return status;
}

static int compare_lines(struct diff *d, struct session *s)
{
	int status = session_open(&s[0], d->options->files[0]);

	if (!status)
		status = session_open(&s[1], d->options->files[1]);
	if (status)
		return status;
	diff_headers(d, tape_header(s[0].tape), tape_header(s[1].tape));
	return diff_lines(d, &s[0], &s[1]);
}

static bool names_line(const char *path)
{
	const char *colon = strrchr(path, ':');

	return colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
}

static int run(struct options *o)
{
	struct diff d = { .options = o, .list = out_list(o->json, "differences", "") };
	bool state = o->state || names_line(o->files[0]) || names_line(o->files[1]);
	static struct session s[2];
	int status = state ? compare_states(&d, s) : compare_lines(&d, s);

	session_close(&s[0]);
	session_close(&s[1]);
	out_finish(o->json);
	if (status)
		return status;
	return d.count ? STATUS_DIFFERENT : STATUS_SAME;
}

const struct command command_diff = {
	.name = "diff",
	.purpose = "two tapes, or what is mapped at two lines",
	.usage =
		"[OPTION]... TAPE TAPE\n"
		"       viommu diff [OPTION]... TAPE[:LINE] TAPE[:LINE]\n"
		"Headers that differ and the first line that does; or, with --state or a line, the contexts and the\n"
		"mappings that only one of the two has. The two may be of one tape.\n",
	.status =
		"0 nothing differs; 1 something does; 2 a file cannot be read, or the command line is wrong.",
	.files = "two tapes",
	.count = 2,
	.run = run
};
