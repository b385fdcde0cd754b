/* SPDX-License-Identifier: BSD-3-Clause */
/* player.c - takes the lines of a recording to the rows of its engine, and counts. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "player.h"
#include "source.h"

/* More calls of viommu_run() than any queue of a guest needs. */
#define RUNS_MAX 65536U

/* ---- counting ---- */

void player_differ(struct player *p, enum tape_kind kind, uint64_t number, const char *expected,
		   const char *came)
{
	if (p->marked || p->torn) {
		p->deviations[p->torn ? DEVIATION_TORN : DEVIATION_OVERLAPPED]++;
		return;
	}
	p->tally[kind].mismatches++;
	if (p->mismatch)
		p->mismatch(p->opaque, kind, number, expected, came);
	if (p->verbose)
		printf("%s:%" PRIu64 ": %s: expected %s, came %s\n", p->path, number,
		       tape_kind_name(kind), expected, came);
}

void player_deviates(struct player *p, enum deviation deviation)
{
	p->deviations[deviation]++;
}

void player_value(struct player *p, const struct tape_line *l, int result, uint64_t value)
{
	char expected[64];
	char came[64];

	if (!result && value == l->value)
		return;
	snprintf(expected, sizeof(expected), "%" PRIx64 " at %" PRIx64, l->value, l->at);
	snprintf(came, sizeof(came), "%" PRIx64, value);
	player_differ(p, l->kind, l->number, expected, result ? viommu_strerror(result) : came);
}

void player_register(struct player *p, struct viommu *iommu, const struct tape_line *l)
{
	uint64_t value = 0;
	int result = viommu_reg_read(iommu, l->at, l->bytes, &value);

	player_value(p, l, result, value);
}

void player_read_line(struct player *p, const struct tape_line *l)
{
	player_register(p, p->iommu, l);
}

void player_write_line(struct player *p, const struct tape_line *l)
{
	int result =
		player_finish(p, p->iommu, viommu_reg_write(p->iommu, l->at, l->bytes, l->value));

	if (result != VIOMMU_OK)
		player_differ(p, l->kind, l->number, "the write to be served",
			      viommu_strerror(result));
}

void *player_save(struct player *p, uint64_t *bytes)
{
	void *state;

	*bytes = 0;
	viommu_save(p->iommu, NULL, bytes);
	state = malloc(*bytes ? *bytes : 1);
	if (state && viommu_save(p->iommu, state, bytes) == VIOMMU_OK)
		return state;
	free(state);
	return NULL;
}

bool player_restore(struct player *p, void *state, uint64_t bytes)
{
	int result = state ? viommu_restore(p->iommu, state, bytes) : VIOMMU_ENOMEM;

	free(state);
	return player_finish(p, p->iommu, result) == VIOMMU_OK;
}

/* ---- headers ---- */

static const struct header_row common_headers[] = {
	{ "engine", "*", true }, { "producer", "*", false }, { "guest", "*", false },
	{ "note", "*", false },	 { NULL, NULL, false },
};

static const struct header_row *find_row(const struct header_row *rows, const char *name)
{
	for (; rows && rows->name; rows++) {
		if (strcmp(rows->name, name) == 0)
			return rows;
	}
	return NULL;
}

static const struct header_row *header_row(const struct engine *engine, const char *name)
{
	const struct header_row *row = find_row(common_headers, name);

	for (unsigned i = 0; !row && i < PARTS_MAX && engine->part[i]; i++)
		row = find_row(engine->part[i]->headers, name);
	return row;
}

/* Word i of a value as its row has it. */
static bool header_word(struct words *w, const struct header_row *row, unsigned i, uint64_t *value)
{
	uint32_t decimal = 0;

	*value = 0;
	if (row->words[i] == 'x')
		return words_hex(w, i, UINT64_MAX, value);
	if (row->words[i] == 'd' && !words_decimal(w, i, UINT32_MAX, &decimal))
		return false;
	*value = decimal;
	return true;
}

static bool split_value(struct words *w, char *text, size_t size, const char *value)
{
	snprintf(text, size, "%s", value);
	return words_split(w, text);
}

static bool check_header(struct words *w, const struct header_row *row, const char *value)
{
	char text[512];
	uint64_t number;

	if (row->words[0] == '*')
		return true;
	if (!split_value(w, text, sizeof(text), value))
		return false;
	if (w->count != strlen(row->words))
		return words_fail(w, "%u words in header %s", w->count, row->name);
	for (unsigned i = 0; i < w->count; i++) {
		if (!header_word(w, row, i, &number))
			return false;
	}
	return true;
}

static const struct header_row *missing_header(const struct tape_header *header,
					       const struct engine *engine)
{
	for (unsigned i = 0; i < PARTS_MAX && engine->part[i]; i++) {
		const struct header_row *row = engine->part[i]->headers;

		for (; row && row->name; row++) {
			if (row->required && !tape_header_value(header, row->name))
				return row;
		}
	}
	return NULL;
}

bool player_headers(const struct tape_header *header, const struct engine *engine,
		    struct words *words, uint64_t *number)
{
	const struct header_row *row;

	for (unsigned i = 0; i < header->count; i++) {
		row = header_row(engine, header->line[i].name);
		*number = header->line[i].number;
		if (!row)
			return words_fail(words, "no such header or kind of line: '%.40s'",
					  header->line[i].name);
		if (!check_header(words, row, header->line[i].value))
			return false;
	}
	row = missing_header(header, engine);
	return !row || words_fail(words, "no header gives %s", row->name);
}

bool player_has_header(const struct player *p, const char *name)
{
	return tape_header_value(p->header, name) != NULL;
}

uint64_t player_header(const struct player *p, const char *name, unsigned i, uint64_t otherwise)
{
	const struct header_row *row = header_row(p->engine, name);
	const char *value = tape_header_value(p->header, name);
	static struct words words;
	char text[512];
	uint64_t number;

	if (!row || !value || !split_value(&words, text, sizeof(text), value) || i >= words.count ||
	    !header_word(&words, row, i, &number))
		return otherwise;
	return number;
}

/* ---- the guest and its engine ---- */

void player_message(void *opaque, const char *text)
{
	const struct player *p = opaque;

	fflush(stdout);
	fprintf(stderr, "%s: %s\n", p->path, text);
}

static int new_vm(struct player *p)
{
	const struct viommu_vm_config config = { .size = sizeof(config),
						 .opaque = &p->memory,
						 .read = guest_read_callback,
						 .write = guest_write_callback,
						 .cmpxchg = guest_cmpxchg_callback,
						 .alloc = guest_alloc_callback,
						 .dealloc = guest_dealloc_callback,
						 .hash_key = { 1, 2 } };

	return viommu_vm_new(&config, &p->vm);
}

static int start_parts(struct player *p)
{
	int result = VIOMMU_OK;

	for (unsigned i = 0; !result && i < PARTS_MAX && p->engine->part[i]; i++) {
		if (p->engine->part[i]->start)
			result = p->engine->part[i]->start(p);
	}
	return result;
}

struct player *player_new(const char *path, const struct tape_header *header,
			  const struct engine *engine)
{
	struct player *p = calloc(1, sizeof(*p));
	int result = VIOMMU_ENOMEM;

	if (!p)
		goto failed;
	*p = (struct player){ .path = path, .header = header, .engine = engine };
	result = new_vm(p);
	if (!result)
		result = start_parts(p);
	if (!result)
		return p;
failed:
	fprintf(stderr, "%s: no engine: %s\n", path, viommu_strerror(result));
	player_free(p);
	return NULL;
}

void player_free(struct player *p)
{
	if (!p)
		return;
	while (p->made_count)
		viommu_device_free(p->made[--p->made_count]);
	source_free_all(p);
	for (unsigned i = 0; i < PARTS_MAX && p->engine->part[i]; i++) {
		if (p->engine->part[i]->stop)
			p->engine->part[i]->stop(p);
	}
	viommu_free(p->iommu);
	viommu_vm_free(p->vm);
	free(p->sent.list);
	guest_memory_fini(&p->memory);
	free(p->state);
	effects_fini(&p->effects);
	free(p);
}

struct viommu *player_iommu(const struct player *p, unsigned part)
{
	const struct part *of = part < PARTS_MAX ? p->engine->part[part] : NULL;

	if (of && of->iommu)
		return of->iommu(p);
	return part == 0 ? p->iommu : NULL;
}

struct viommu *player_its(const struct player *p, unsigned n, uint64_t *translation)
{
	for (unsigned i = 0; i < PARTS_MAX && p->engine->part[i]; i++) {
		if (p->engine->part[i]->its)
			return p->engine->part[i]->its(p, n, translation);
	}
	return NULL;
}

struct viommu_device *player_device(struct player *p, uint32_t name, int *result)
{
	const struct viommu_device_config config = { .size = sizeof(config), .id = name };
	struct viommu_device *device = NULL;
	struct viommu *iommu = player_iommu(p, 0);

	if (!iommu) {
		*result = VIOMMU_ENOENT;
		return NULL;
	}
	if (p->engine->part[0]->device) {
		device = p->engine->part[0]->device(p, name);
		*result = device ? VIOMMU_OK : VIOMMU_ENOENT;
		return device;
	}
	*result = viommu_find_device(iommu, name, &device);
	if (*result == VIOMMU_ENOENT && p->made_count < PLAYER_MADE) {
		*result = viommu_device_new(iommu, &config, &device);
		if (*result == VIOMMU_OK)
			p->made[p->made_count++] = device;
	}
	return *result == VIOMMU_OK ? device : NULL;
}

const struct viommu_limits *player_limits(const struct player *p, struct viommu_limits *limits)
{
	uint32_t *const field[] = { &limits->tlb_entries,     &limits->contexts,
				    &limits->domains,	      &limits->devices,
				    &limits->channels,	      &limits->queue_budget,
				    &limits->outstanding,     &limits->tables,
				    &limits->channel_entries, &limits->steps,
				    &limits->shadow };

	*limits = (struct viommu_limits){ .size = sizeof(*limits) };
	if (!player_has_header(p, "limits"))
		return NULL;
	for (unsigned i = 0; i < sizeof(field) / sizeof(field[0]); i++)
		*field[i] = (uint32_t)player_header(p, "limits", i, 0);
	return limits;
}

int player_finish(const struct player *p, struct viommu *iommu, int result)
{
	if (result == VIOMMU_PENDING && p->marked)
		return VIOMMU_OK; /* N lines go on */
	for (unsigned i = 0; result == VIOMMU_PENDING && i < RUNS_MAX; i++)
		result = viommu_run(iommu);
	return result;
}

/* ---- lines ---- */

void memory_line(struct player *p, const struct tape_line *l)
{
	if (!guest_store(&p->memory, l->at, l->data, l->bytes))
		p->exhausted = true;
}

/* Compares what happened with what is recorded. Then memory is as recorded. */
static void settle(struct player *p, const struct tape_line *event)
{
	const struct tape_line *m;
	size_t at = 0;

	for (unsigned i = 0; i < PARTS_MAX && p->engine->part[i]; i++) {
		const struct part *part = p->engine->part[i];

		for (unsigned row = 0; row < part->line_count; row++) {
			if (part->lines[row].role == ROLE_EFFECT)
				part->lines[row].settle(p, event);
		}
	}
	while ((m = effects_next(&p->effects, TAPE_WRITTEN, &at)))
		memory_line(p, m);
	effects_forget(&p->effects);
	guest_log_clear(&p->memory);
}

static void serve(struct player *p, const struct line_row *row, const struct tape_line *l)
{
	if (row->role == ROLE_EVENT)
		player_refuse(p);
	row->serve(p, l);
	player_refused(p, l);
	if (row->role == ROLE_EVENT && !p->marked)
		settle(p, l);
}

bool player_line(struct player *p, struct words *w, uint64_t number)
{
	struct tape_line line = { .number = number };
	const struct line_row *row;

	p->marked = words_end_in(w, "~");
	p->torn = words_end_in(w, "!");
	w->count -= p->marked || p->torn;
	if (!tape_kind_find(w->word[0], &line.kind))
		return words_fail(w, "no such kind of line: '%.40s'", w->word[0]);
	row = engine_row(p->engine, line.kind);
	if (!row)
		return words_fail(w, "a line of another engine");
	if (!row->parse(w, &line))
		return false;
	p->lines++;
	p->tally[line.kind].lines++;
	if (row->role != ROLE_EFFECT)
		serve(p, row, &line);
	else if (!effects_add(&p->effects, &line))
		p->exhausted = true;
	if (p->exhausted || p->memory.exhausted)
		return words_fail(w, "out of memory");
	return true;
}

bool player_end(const struct player *p)
{
	return p->effects.count == 0 || p->marked; /* it is not complete */
}
