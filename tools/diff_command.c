/* SPDX-License-Identifier: BSD-3-Clause */
/* diff_command.c - viommu diff: two tapes line by line, or what two states have mapped. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"

struct diff {
	struct look look;
	bool state; /* states, not lines */
	struct json_object *json;
	struct json_object *list; /* in it: the differences */
	uint64_t count;
};

/* A difference: what it is about, and what either side has; NULL: nothing. */
static void differ(struct diff *d, const char *about, const char *a, const char *b)
{
	d->count++;
	if (d->json) {
		struct json_object *o = json_append(d->list);

		json_put_text(o, "about", about);
		if (a)
			json_put_text(o, "first", a);
		if (b)
			json_put_text(o, "second", b);
		return;
	}
	printf("%s\n", about);
	if (a)
		printf("  - %s\n", a);
	if (b)
		printf("  + %s\n", b);
}

/* ---- lines ---- */

static void diff_headers(struct diff *d, const struct tape_header *a, const struct tape_header *b)
{
	char about[80];

	for (unsigned i = 0; i < a->count; i++) {
		const char *other = tape_header_value(b, a->line[i].name);

		snprintf(about, sizeof(about), "header %.40s", a->line[i].name);
		if (!other || strcmp(other, tape_header_value(a, a->line[i].name)) != 0)
			differ(d, about, a->line[i].value, other);
	}
	for (unsigned i = 0; i < b->count; i++) {
		snprintf(about, sizeof(about), "header %.40s", b->line[i].name);
		if (!tape_header_value(a, b->line[i].name))
			differ(d, about, NULL, b->line[i].value);
	}
}

static void join(const struct words *w, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < w->count && used + 1 < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "",
					 w->word[i]);
}

static bool same_words(const struct words *a, const struct words *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		if (strcmp(a->word[i], b->word[i]) != 0)
			return false;
	}
	return true;
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
	} while (more[0] && more[1] && same_words(&a->words, &b->words));
	if (!more[0] && !more[1])
		return STATUS_SAME;
	join(&a->words, text[0], sizeof(text[0]));
	join(&b->words, text[1], sizeof(text[1]));
	snprintf(about, sizeof(about), "lines %" PRIu64 " and %" PRIu64, tape_line_number(a->tape),
		 tape_line_number(b->tape));
	differ(d, about, more[0] ? text[0] : NULL, more[1] ? text[1] : NULL);
	return STATUS_SAME;
}

/* ---- states ---- */

/* What one device has, as text. */
struct device_state {
	uint32_t name;
	struct viommu_step context; /* the last structure above the page tables */
	struct ranges ranges;
};

struct states {
	struct diff *diff;
	struct device_state *list;
	size_t count;
};

static void last_structure(const struct steps *steps, struct viommu_step *last)
{
	for (unsigned i = 0; i < steps->count; i++) {
		if (!step_is_level(&steps->step[i]) && !(steps->step[i].flags & VIOMMU_STEP_ANSWER))
			*last = steps->step[i];
	}
}

static int take_state(void *opaque, struct session *s, const struct context *c)
{
	struct states *states = opaque;
	struct device_state *list =
		realloc(states->list, (states->count + 1) * sizeof(*states->list));
	struct device_state *state;

	if (!list)
		return unusable(s->path, s->number, "out of memory");
	states->list = list;
	state = &list[states->count++];
	*state = (struct device_state){ .name = c->name };
	last_structure(&c->steps, &state->context);
	ranges_read(&state->ranges, s, c->device, states->diff->look.pasid);
	return state->ranges.exhausted ? unusable(s->path, s->number, "out of memory")
				       : STATUS_SAME;
}

static void free_states(struct states *states)
{
	for (size_t i = 0; i < states->count; i++)
		ranges_fini(&states->list[i].ranges);
	free(states->list);
}

static void range_text(char *text, size_t size, const struct range *r)
{
	snprintf(text, size, "%" PRIx64 "-%" PRIx64 " -> %" PRIx64 " %s", r->first, r->last, r->gpa,
		 access_text(r->perm));
}

static bool same_range(const struct range *a, const struct range *b)
{
	return a->first == b->first && a->last == b->last && a->gpa == b->gpa && a->perm == b->perm;
}

/* Both lists are in order: who has the lower address has something that the other does not. */
static void diff_ranges(struct diff *d, const char *about, const struct ranges *a,
			const struct ranges *b)
{
	size_t i = 0, j = 0;
	char text[2][120];

	while (i < a->count || j < b->count) {
		bool has_a = i < a->count;
		bool has_b = j < b->count;

		if (has_a && has_b && same_range(&a->list[i], &b->list[j])) {
			i++;
			j++;
			continue;
		}
		if (has_a && has_b && a->list[i].first != b->list[j].first) {
			has_a = a->list[i].first < b->list[j].first;
			has_b = !has_a;
		}
		if (has_a)
			range_text(text[0], sizeof(text[0]), &a->list[i++]);
		if (has_b)
			range_text(text[1], sizeof(text[1]), &b->list[j++]);
		differ(d, about, has_a ? text[0] : NULL, has_b ? text[1] : NULL);
	}
}

static void context_text(char *text, size_t size, const struct viommu_step *step)
{
	size_t used = (size_t)snprintf(text, size, "%s", step->what ? step->what : "nothing");

	for (uint32_t i = 0; i < step->words && i < 8 && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, " %016" PRIx64, step->raw[i]);
}

static void diff_device(struct diff *d, const struct device_state *a, const struct device_state *b)
{
	static const struct device_state none;
	char about[40];
	char text[2][240];

	snprintf(about, sizeof(about), "device %" PRIx32, a ? a->name : b->name);
	a = a ? a : &none;
	b = b ? b : &none;
	context_text(text[0], sizeof(text[0]), &a->context);
	context_text(text[1], sizeof(text[1]), &b->context);
	if (strcmp(text[0], text[1]) != 0)
		differ(d, about, text[0], text[1]);
	diff_ranges(d, about, &a->ranges, &b->ranges);
}

static void diff_states(struct diff *d, const struct states *a, const struct states *b)
{
	size_t i = 0, j = 0;

	while (i < a->count || j < b->count) {
		const struct device_state *x = i < a->count ? &a->list[i] : NULL;
		const struct device_state *y = j < b->count ? &b->list[j] : NULL;

		if (x && y && x->name < y->name)
			y = NULL;
		else if (x && y && y->name < x->name)
			x = NULL;
		diff_device(d, x, y);
		i += x != NULL;
		j += y != NULL;
	}
}

/* ---- command line ---- */

static int compare_states(struct diff *d, struct session *s, char **paths)
{
	struct states states[2] = { { .diff = d }, { .diff = d } };
	int status = STATUS_SAME;

	for (unsigned i = 0; !status && i < 2; i++) {
		status = session_at(&s[i], paths[i]);
		if (!status)
			status = look_devices(&s[i], &d->look, take_state, &states[i]);
	}
	if (!status)
		diff_states(d, &states[0], &states[1]);
	free_states(&states[0]);
	free_states(&states[1]);
	return status;
}

static int compare_lines(struct diff *d, struct session *s, char **paths)
{
	int status = session_open(&s[0], paths[0], false);

	if (!status)
		status = session_open(&s[1], paths[1], false);
	if (status)
		return status;
	diff_headers(d, tape_header(s[0].tape), tape_header(s[1].tape));
	return diff_lines(d, &s[0], &s[1]);
}

static int compare(struct diff *d, char **paths)
{
	static struct session s[2];
	int status;

	d->json = d->look.json ? json_object_new_object() : NULL;
	d->list = d->json ? json_put_array(d->json, "differences") : NULL;
	status = d->state ? compare_states(d, s, paths) : compare_lines(d, s, paths);
	session_close(&s[0]);
	session_close(&s[1]);
	if (d->json)
		json_finish(d->json);
	if (status)
		return status;
	return d->count ? STATUS_DIFFERENT : STATUS_SAME;
}

static bool names_line(const char *path)
{
	const char *colon = strrchr(path, ':');

	return colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = { { "device", required_argument, NULL, 'd' },
						 { "pasid", required_argument, NULL, 'p' },
						 { "last", required_argument, NULL, 'l' },
						 { "json", no_argument, NULL, 'j' },
						 { "state", no_argument, NULL, 's' },
						 { NULL, 0, NULL, 0 } };
	struct diff d = { .look = LOOK_NONE };
	int option;

	while ((option = getopt_long(argc, argv, LOOK_LETTERS "s", options, NULL)) != -1) {
		if (option == 's')
			d.state = true;
		else if (!look_option(&d.look, option, optarg))
			return usage_error(&command_diff, "'%s' is not possible",
					   option == '?' ? argv[optind - 1] : optarg);
	}
	if (argc - optind != 2)
		return usage_error(&command_diff, "two tapes");
	d.state = d.state || names_line(argv[optind]) || names_line(argv[optind + 1]);
	return compare(&d, argv + optind);
}

const struct command command_diff = {
	.name = "diff",
	.purpose = "two tapes, or what is mapped at two lines",
	.usage =
		"[OPTION]... TAPE TAPE\n"
		"       viommu diff [OPTION]... TAPE[:LINE] TAPE[:LINE]\n"
		"Headers that differ and the first line that does; or, with --state or a line, the contexts and the\n"
		"mappings that only one of the two has. The two may be of one tape.\n"
		"  -s, --state             states, at the end where no line is given\n"
		"  -d, --device ID         this one only\n"
		"  -p, --pasid PASID       its mappings with this PASID\n"
		"  -l, --last ID           look for devices up to this id (ffff)\n"
		"  -j, --json              for programs\n"
		"Status: 0 nothing differs; 1 something does; 2 a file cannot be read, or the command line is wrong.\n",
	.run = run
};
